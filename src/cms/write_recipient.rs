//! A content-encryption key for one recipient (RFC 5652 §6.2, RFC 5753 §3.1, RFC 8418 §3).

use crate::cms::recipient_info::Originator;
use crate::cms::recipient_info::RecipientEncryptedKey;
use crate::cms::recipient_info::RecipientIdentifier;
use crate::cms::recipient_info::RecipientInfo;
use crate::cms::tlv;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::KeyAgreement;
use crate::crypto::KeyWrap;
use crate::crypto::OaepParameters;
use crate::crypto::Provider;
use crate::crypto::RsaEncryption;
use crate::crypto::algorithms::KeyDerivation;
use crate::crypto::derivation;
use crate::crypto::identifiers;
use crate::crypto::oids;
use crate::crypto::public_key::PublicKey;
use crate::crypto::public_key::RsaScheme;
use crate::tlv::tag;

/// Somebody who is to open a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Issuer of the certificate, Name in DER.
    pub issuer: Vec<u8>,
    /// Its serial number, the INTEGER's content octets.
    pub serial: Vec<u8>,
    /// Its SubjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// How the key gets there.
    pub key_encryption: KeyEncryption,
}

/// How a content-encryption key gets to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyEncryption {
    /// Agreed with an EC or X25519 key, and wrapped.
    KeyAgreement(KeyAgreement),
    /// Encrypted to an RSA key.
    KeyTransport(RsaEncryption),
}

impl KeyEncryption {
    /// What is written to the key `spki` when nothing is known of its owner.
    ///
    /// RSA PKCS#1 v1.5, which every client reads; OAEP where the key is for that alone; for EC the
    /// hash of the curve's strength (RFC 5753 §8); for X25519 HKDF with SHA-256 (RFC 8551 §2.3). The
    /// key wrap is as long as the key of `cipher` (RFC 8551 §2.3). `Unsupported` for keys that
    /// cannot be encrypted to.
    pub fn for_key(spki: &[u8], cipher: ContentEncryption) -> Result<Self, CryptoError> {
        let derivation = match PublicKey::decode(spki)? {
            PublicKey::Rsa(key) => {
                return match key.scheme {
                    RsaScheme::Any => Ok(Self::KeyTransport(RsaEncryption::Pkcs1)),
                    RsaScheme::Oaep => Ok(Self::KeyTransport(RsaEncryption::Oaep(
                        OaepParameters::plain(DigestAlgorithm::Sha256),
                    ))),
                    RsaScheme::Pss(_) => Err(CryptoError::Unsupported),
                };
            }
            PublicKey::Ec { curve, .. } => KeyDerivation::X963(match curve {
                Curve::P384 => DigestAlgorithm::Sha384,
                Curve::P521 => DigestAlgorithm::Sha512,
                Curve::P256 | Curve::X25519 => DigestAlgorithm::Sha256,
            }),
            PublicKey::X25519(_) => KeyDerivation::Hkdf(DigestAlgorithm::Sha256),
            PublicKey::Dsa(_) | PublicKey::Ed25519(_) => return Err(CryptoError::Unsupported),
        };
        Ok(Self::KeyAgreement(KeyAgreement {
            derivation,
            wrap: wrap_for(cipher),
            cofactor: false,
        }))
    }
}

/// The key wrap with a key as long as that of `cipher` (RFC 8551 §2.3).
fn wrap_for(cipher: ContentEncryption) -> KeyWrap {
    match cipher {
        ContentEncryption::Aes128Cbc | ContentEncryption::Aes128Gcm => KeyWrap::Aes128,
        ContentEncryption::Aes192Cbc
        | ContentEncryption::Aes192Gcm
        | ContentEncryption::DesEde3Cbc => KeyWrap::Aes192,
        ContentEncryption::Aes256Cbc
        | ContentEncryption::Aes256Gcm
        | ContentEncryption::ChaCha20Poly1305 => KeyWrap::Aes256,
    }
}

impl Recipient {
    /// The RecipientInfo that gives `key` to this recipient.
    pub(super) fn recipient_info(
        &self,
        key: &[u8],
        provider: &Provider,
    ) -> Result<RecipientInfo, CryptoError> {
        let rid = RecipientIdentifier::IssuerAndSerialNumber {
            issuer: self.issuer.clone(),
            serial: self.serial.clone(),
        };
        match &self.key_encryption {
            KeyEncryption::KeyTransport(scheme) => Ok(RecipientInfo::KeyTransport {
                rid,
                algorithm: identifiers::encode_key_transport(scheme),
                encrypted_key: provider.establishment.encrypt(&self.spki, scheme, key)?,
            }),
            KeyEncryption::KeyAgreement(agreement) => self.agreed(rid, *agreement, key, provider),
        }
    }

    /// Departs from RFC 5753 §3.1.1: no ukm is written, because the ephemeral key is made for this
    /// one RecipientInfo, and OpenSSL and NSS write none either.
    fn agreed(
        &self,
        rid: RecipientIdentifier,
        agreement: KeyAgreement,
        key: &[u8],
        provider: &Provider,
    ) -> Result<RecipientInfo, CryptoError> {
        let (curve, peer, oid) = match PublicKey::decode(&self.spki)? {
            PublicKey::Ec { curve, point } => (curve, point, oids::EC_PUBLIC_KEY),
            PublicKey::X25519(peer) => (Curve::X25519, peer, oids::X25519),
            PublicKey::Dsa(_) | PublicKey::Ed25519(_) | PublicKey::Rsa(_) => {
                return Err(CryptoError::Unsupported);
            }
        };
        let algorithm =
            identifiers::encode_key_agreement(agreement).ok_or(CryptoError::Unsupported)?;
        let (public_key, secret) = provider.establishment.agree_ephemeral(curve, peer)?;
        let wrap = identifiers::encode_key_wrap(agreement.wrap);
        let kek =
            derivation::key_encryption_key(provider.digests, agreement, &secret, &wrap, None)?;
        let encrypted_key = provider.establishment.wrap(agreement.wrap, &kek, key)?;
        // RFC 5753 §3.1.1: parameters should be absent; the curve is the recipient's.
        let oid = tlv::element(tag::OBJECT_IDENTIFIER, &[oid.as_bytes()]);
        Ok(RecipientInfo::KeyAgreement {
            originator: Originator::PublicKey {
                algorithm: tlv::element(tag::SEQUENCE, &[&oid]),
                public_key,
            },
            ukm: None,
            algorithm,
            keys: vec![RecipientEncryptedKey { rid, encrypted_key }],
        })
    }
}

/// The DER of a RecipientInfo of the kinds that [`Recipient::recipient_info`] makes; of others, none.
pub(super) fn encode(info: &RecipientInfo) -> Vec<u8> {
    match info {
        RecipientInfo::KeyTransport {
            rid,
            algorithm,
            encrypted_key,
        } => {
            // RFC 5652 §6.2.1: 0 with issuerAndSerialNumber.
            let version = tlv::element(tag::INTEGER, &[&[0]]);
            let encrypted_key = tlv::element(tag::OCTET_STRING, &[encrypted_key]);
            tlv::element(
                tag::SEQUENCE,
                &[&version, &identifier(rid), algorithm, &encrypted_key],
            )
        }
        RecipientInfo::KeyAgreement {
            originator:
                Originator::PublicKey {
                    algorithm: of_key,
                    public_key,
                },
            algorithm,
            keys,
            ukm: None,
        } => {
            let version = tlv::element(tag::INTEGER, &[&[3]]);
            let public_key = tlv::element(tag::BIT_STRING, &[&[0], public_key]);
            let originator = tlv::element(tag::context(1), &[of_key, &public_key]);
            let originator = tlv::element(tag::context(0), &[&originator]);
            let keys: Vec<Vec<u8>> = keys.iter().map(recipient_encrypted_key).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let keys = tlv::element(tag::SEQUENCE, &keys);
            tlv::element(tag::context(1), &[&version, &originator, algorithm, &keys])
        }
        RecipientInfo::KeyAgreement { .. }
        | RecipientInfo::Kek { .. }
        | RecipientInfo::Kem { .. }
        | RecipientInfo::Other { .. }
        | RecipientInfo::Password { .. }
        | RecipientInfo::Unknown { .. } => Vec::new(),
    }
}

fn recipient_encrypted_key(key: &RecipientEncryptedKey) -> Vec<u8> {
    let encrypted_key = tlv::element(tag::OCTET_STRING, &[&key.encrypted_key]);
    tlv::element(tag::SEQUENCE, &[&identifier(&key.rid), &encrypted_key])
}

/// issuerAndSerialNumber; of key identifiers, which [`Recipient`] has not got, none.
fn identifier(rid: &RecipientIdentifier) -> Vec<u8> {
    match rid {
        RecipientIdentifier::IssuerAndSerialNumber { issuer, serial } => {
            let serial = tlv::element(tag::INTEGER, &[serial]);
            tlv::element(tag::SEQUENCE, &[issuer, &serial])
        }
        RecipientIdentifier::SubjectKeyIdentifier(_) => Vec::new(),
    }
}
