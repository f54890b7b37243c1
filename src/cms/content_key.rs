//! From an EnvelopedData and our keys to its content-encryption key (RFC 5652 §6.2).
//!
//! Who is outside learns nothing: whatever fails once a recipientInfo names a key of ours is one
//! variant, and RSA PKCS#1 v1.5 does not fail at all (RFC 3218 §2.3.2).

use std::fmt;

use crate::cms::enveloped_data::EnvelopedData;
use crate::cms::recipient_info::Originator;
use crate::cms::recipient_info::RecipientEncryptedKey;
use crate::cms::recipient_info::RecipientIdentifier;
use crate::cms::recipient_info::RecipientInfo;
use crate::cms::tlv;
use crate::cms::tlv::Reader;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::Keys;
use crate::crypto::PrivateKey;
use crate::crypto::Provider;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::derivation;
use crate::crypto::identifiers;
use crate::crypto::identifiers::ContentParameters;
use crate::crypto::identifiers::IdentifierError;
use crate::crypto::oids;
use crate::crypto::public_key::PublicKey;
use crate::crypto::transport;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::tlv::tag;

/// The key that encrypts the content of one message, of the length that its cipher asks for.
pub struct ContentKey {
    octets: Secret,
}

impl ContentKey {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentKey").finish_non_exhaustive()
    }
}

/// Why a key of ours, which a recipientInfo names, gave no content-encryption key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// The message asks for more key operations than one message may.
    #[error(transparent)]
    Budget(#[from] LimitError),
    /// It does not unwrap. The source is for the log alone: nobody outside may tell one from another.
    #[error("content-encryption key could not be recovered")]
    Failed(#[source] EnvelopeCause),
    /// The key store or randomness did not answer; the same message may open later.
    #[error("key store or randomness unavailable")]
    KeyStore,
}

/// Why an envelope does not open: for the log, never for the peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeCause {
    /// An algorithm that we do not do, or whose parameters are malformed.
    #[error(transparent)]
    Algorithm(#[from] IdentifierError),
    /// The encrypted content is not in the message.
    #[error("encrypted content is not in the message")]
    Absent,
    /// authAttrs are not what they must be (RFC 5083 §2.1).
    #[error("authAttrs are malformed: {0}")]
    Attributes(&'static str),
    /// The operation failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A key of another length than the cipher's.
    #[error("content-encryption key has {octets} octets, {algorithm} has {expected}", expected = algorithm.key_octets())]
    KeyLength {
        /// What was unwrapped.
        octets: usize,
        /// What it should fit.
        algorithm: ContentEncryption,
    },
    /// An authenticating cipher in EnvelopedData, or another in AuthEnvelopedData (RFC 5084 §1.1).
    #[error("{0} does not belong into this content type")]
    Mode(ContentEncryption),
    /// The originator's key is of another kind than ours.
    #[error("key of the originator is not on the curve of the recipient")]
    Originator,
    /// The originator's key is in a certificate.
    #[error("static-static key agreement is not supported")]
    StaticStatic,
    /// The mac has another length than the parameters say (RFC 5084 §3.2).
    #[error("mac has {octets} octets, the parameters say {expected}")]
    TagLength {
        /// Of the mac.
        octets: usize,
        /// Of the parameters.
        expected: usize,
    },
}

/// Returns the content-encryption key of `enveloped`, if one of `keys` opens it.
///
/// `None` when no recipientInfo names a key of ours; `Some(Err(_))` when one does and none
/// unwraps. Tries recipientInfos in message order, the first that works counts, and spends one key
/// operation of `budget` for each trial (RFC 5652 §6.2).
///
/// A key that came by RSA PKCS#1 v1.5 may be a random one: then the content fails to decrypt as it
/// does with any wrong key (RFC 3218 §2.3.2).
pub fn content_key(
    enveloped: &EnvelopedData,
    keys: &dyn Keys,
    budget: &mut Budget,
    provider: &Provider,
) -> Option<Result<ContentKey, UnwrapError>> {
    let mut failure: Option<UnwrapError> = None;
    for trial in trials(enveloped) {
        let Some(key) = keys.find(trial.rid.key_name()) else {
            continue;
        };
        if let Err(limit) = budget.key_operation() {
            return Some(Err(limit.into()));
        }
        match trial.unwrap(enveloped, key, provider) {
            Ok(content_key) => return Some(Ok(content_key)),
            Err(EnvelopeCause::Crypto(CryptoError::Unavailable)) => {
                // It may work later, whatever the other recipientInfos say.
                failure = Some(UnwrapError::KeyStore);
            }
            Err(cause) => {
                failure.get_or_insert(UnwrapError::Failed(cause));
            }
        }
    }
    failure.map(Err)
}

impl EnvelopedData {
    /// The cipher with its parameters, where it is one that belongs into this content type.
    pub fn cipher(&self) -> Result<ContentParameters, EnvelopeCause> {
        let parameters = identifiers::content_encryption(&self.content_encryption)?;
        // Else AuthEnvelopedData could be turned into EnvelopedData whose tag nobody checks.
        if parameters.algorithm.is_authenticated() != self.authenticated {
            return Err(EnvelopeCause::Mode(parameters.algorithm));
        }
        Ok(parameters)
    }
}

/// One encrypted key, and who it is for.
struct Trial<'a> {
    rid: &'a RecipientIdentifier,
    encrypted_key: &'a [u8],
    way: Way<'a>,
}

#[derive(Clone, Copy)]
enum Way<'a> {
    Agreement {
        originator: &'a Originator,
        ukm: Option<&'a [u8]>,
        algorithm: &'a [u8],
    },
    Kem {
        algorithm: &'a [u8],
    },
    Transport {
        algorithm: &'a [u8],
    },
}

/// Every encrypted key of `enveloped` that names a certificate, in message order.
fn trials(enveloped: &EnvelopedData) -> impl Iterator<Item = Trial<'_>> {
    enveloped.recipients.iter().flat_map(|recipient| {
        let (single, several) = match recipient {
            RecipientInfo::KeyTransport {
                rid,
                algorithm,
                encrypted_key,
            } => {
                let way = Way::Transport { algorithm };
                (Some((rid, encrypted_key, way)), None)
            }
            RecipientInfo::Kem {
                rid,
                algorithm,
                encrypted_key,
                ..
            } => (Some((rid, encrypted_key, Way::Kem { algorithm })), None),
            RecipientInfo::KeyAgreement {
                originator,
                ukm,
                algorithm,
                keys,
            } => {
                let way = Way::Agreement {
                    originator,
                    ukm: ukm.as_deref(),
                    algorithm,
                };
                (None, Some((keys, way)))
            }
            RecipientInfo::Kek { .. }
            | RecipientInfo::Other { .. }
            | RecipientInfo::Password { .. }
            | RecipientInfo::Unknown { .. } => (None, None),
        };
        let several = several.into_iter().flat_map(|(keys, way)| {
            keys.iter()
                .map(move |RecipientEncryptedKey { rid, encrypted_key }| Trial {
                    rid,
                    encrypted_key,
                    way,
                })
        });
        let single = single.map(|(rid, encrypted_key, way)| Trial {
            rid,
            encrypted_key,
            way,
        });
        single.into_iter().chain(several)
    })
}

impl Trial<'_> {
    fn unwrap(
        &self,
        enveloped: &EnvelopedData,
        key: &dyn PrivateKey,
        provider: &Provider,
    ) -> Result<ContentKey, EnvelopeCause> {
        let cipher = enveloped.cipher()?.algorithm;
        let octets = match self.way {
            Way::Transport { algorithm } => match identifiers::key_transport(algorithm)? {
                RsaEncryption::Pkcs1 => transport::unwrap_pkcs1(
                    key,
                    self.encrypted_key,
                    cipher.key_octets(),
                    provider.randomness,
                )?,
                scheme @ RsaEncryption::Oaep(_) => key.decrypt(&scheme, self.encrypted_key)?,
            },
            Way::Agreement {
                originator,
                ukm,
                algorithm,
            } => self.agreement(originator, ukm, algorithm, key, provider)?,
            Way::Kem { algorithm } => {
                // Nothing reads it as a key transport: this says its name.
                identifiers::key_transport(algorithm)?;
                return Err(CryptoError::Unsupported.into());
            }
        };
        if octets.len() != cipher.key_octets() {
            return Err(EnvelopeCause::KeyLength {
                octets: octets.len(),
                algorithm: cipher,
            });
        }
        Ok(ContentKey { octets })
    }

    fn agreement(
        &self,
        originator: &Originator,
        ukm: Option<&[u8]>,
        algorithm: &[u8],
        key: &dyn PrivateKey,
        provider: &Provider,
    ) -> Result<Secret, EnvelopeCause> {
        let (agreement, wrap) = identifiers::key_agreement(algorithm)?;
        let Originator::PublicKey {
            algorithm,
            public_key,
        } = originator
        else {
            return Err(EnvelopeCause::StaticStatic);
        };
        let curve = curve_of(key)?;
        let peer = originator_key(algorithm, curve, public_key).ok_or(EnvelopeCause::Originator)?;
        let secret = key.agree(peer)?;
        let kek = derivation::key_encryption_key(provider.digests, agreement, &secret, &wrap, ukm)?;
        Ok(provider
            .establishment
            .unwrap(agreement.wrap, &kek, self.encrypted_key)?)
    }
}

/// The curve of `key`.
fn curve_of(key: &dyn PrivateKey) -> Result<Curve, EnvelopeCause> {
    match PublicKey::decode(key.spki())? {
        PublicKey::Ec { curve, .. } => Ok(curve),
        PublicKey::X25519(_) => Ok(Curve::X25519),
        PublicKey::Dsa(_) | PublicKey::Ed25519(_) | PublicKey::Rsa(_) => {
            Err(EnvelopeCause::Originator)
        }
    }
}

/// The originator's key, when its algorithm is that of `curve` and it has the form of a point there.
///
/// Parameters of id-ecPublicKey are absent, NULL, or the named curve (RFC 5753 §3.1.1). The key is
/// the bare point, as everyone writes it; an OCTET STRING around it, of which RFC 5753 §7.2 and
/// RFC 8418 §3.2 can be read, passes, too.
fn originator_key<'a>(algorithm: &[u8], curve: Curve, public_key: &'a [u8]) -> Option<&'a [u8]> {
    let algorithm = tlv::single(algorithm, tag::SEQUENCE, "originatorKey").ok()?;
    let mut algorithm = Reader::new(algorithm.content, "originatorKey");
    let oid = algorithm.next().ok()??;
    let parameters = algorithm.next().ok()?;
    let named = match curve {
        Curve::P256 => Some(oids::P256),
        Curve::P384 => Some(oids::P384),
        Curve::P521 => Some(oids::P521),
        Curve::X25519 => None,
    };
    let kinds = match named {
        Some(_) => [oids::EC_PUBLIC_KEY, oids::EC_DH],
        None => [oids::X25519, oids::X25519],
    };
    let kind = oid.tag == tag::OBJECT_IDENTIFIER
        && kinds.iter().any(|kind| kind.as_bytes() == oid.content);
    let parameters = match parameters {
        None => true,
        Some(given) if given.tag == tag::NULL => true,
        Some(given) => {
            given.tag == tag::OBJECT_IDENTIFIER
                && named.is_some_and(|named| named.as_bytes() == given.content)
        }
    };
    if !kind || !parameters {
        return None;
    }
    if curve.is_point(public_key) {
        return Some(public_key);
    }
    let within = tlv::single(public_key, tag::OCTET_STRING, "originatorKey").ok()?;
    curve.is_point(within.content).then_some(within.content)
}
