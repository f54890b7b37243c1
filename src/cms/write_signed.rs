//! Writing SignedData (RFC 5652 §5): digest, sign, read back, verify, and only then hand out.
//!
//! The content is read twice, hashed once and never held: what stands around it is made first, and
//! its length is known before the first octet is written.

use std::io;
use std::io::Write;
use std::sync::Arc;

use crate::cms::attributes::AttributeError;
use crate::cms::attributes::Capability;
use crate::cms::attributes::SignatureTypeError;
use crate::cms::attributes::SignatureTypeOid;
use crate::cms::attributes::build;
use crate::cms::ber::tag;
use crate::cms::content_info::Cms;
use crate::cms::content_info::ContentInfo;
use crate::cms::content_info::ID_DATA;
use crate::cms::content_info::ID_SIGNED_DATA;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::verify;
use crate::cms::verify::ContentDigests;
use crate::cms::verify::SignatureError;
use crate::cms::verify::SignedContent;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::PrivateKey;
use crate::crypto::Provider;
use crate::crypto::PssParameters;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::identifiers;
use crate::crypto::public_key::PublicKey;
use crate::crypto::public_key::RsaScheme;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::notation::SignatureType;
use crate::octets::Octets;
use crate::octets::View;
use crate::x509::Certificate;
use crate::x509::Time;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The attributes asked for break a rule of their standard.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// Something that we put into it is malformed: our own fault.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// What must encapsulate other signatures cannot be detached (draft §3.2).
    #[error("a detached signature cannot encapsulate, as a {0} signature must")]
    Detached(&'static str),
    /// A signature without signers covers nothing when it is detached.
    #[error("an empty signature cannot be detached")]
    EmptyDetached,
    /// The key did not sign.
    #[error("key of {certificate} did not sign with {algorithm}")]
    Key {
        /// The subject of its certificate.
        certificate: String,
        /// The signature algorithm.
        algorithm: String,
        /// What the key store says.
        #[source]
        source: CryptoError,
    },
    /// The content could not be read, or the result not written.
    #[error("octets of the content could not be read")]
    Read(#[from] io::Error),
    /// What we made cannot be read back: our own fault.
    #[error("our own SignedData does not read back")]
    ReadBack(#[source] CmsError),
    /// The signature types asked for break the draft's section 3.2.
    #[error(transparent)]
    SignatureType(#[from] SignatureTypeError),
    /// The signature algorithm is one that we read and do not write.
    #[error("{0} is not written, only verified")]
    Unwritten(String),
    /// A signature that was just made does not verify: certificate and key do not belong together,
    /// or the signing hardware errs.
    #[error("our own signature by {certificate} does not verify")]
    VerifyBack {
        /// The subject of the certificate.
        certificate: String,
        /// Why not.
        #[source]
        source: SignatureError,
    },
}

/// What one SignerInfo is to be made of.
#[derive(Clone, Debug)]
pub struct SignerPlan<'a> {
    /// The signer's certificate, which is named by issuer and serial number.
    pub certificate: &'a Certificate,
    /// Its key.
    pub key: &'a dyn PrivateKey,
    /// How to sign; [`SignerPlan::default_algorithm`] is the key's own.
    pub algorithm: SignatureAlgorithm,
    /// The SignatureType to write; empty for none. One order for all signers of a layer.
    pub types: &'a [SignatureType],
    /// Under which identifier SignatureType is written (DESIGN, decision 1).
    pub type_oid: SignatureTypeOid,
    /// signingTime, which is left out where `None`.
    pub signing_time: Option<Time>,
    /// SMIMECapabilities, the one that we like best first; empty for none.
    pub capabilities: &'a [Capability<'a>],
    /// Further attributes, each the DER of one Attribute, written byte for byte.
    pub attributes: &'a [Vec<u8>],
}

impl SignerPlan<'_> {
    /// The algorithm that a key with this DER SubjectPublicKeyInfo signs with where nothing else is
    /// asked for: its own scheme, with the hash that suits its strength (RFC 8551 §2.2, RFC 8419 §3.1).
    pub fn default_algorithm(spki: &[u8]) -> Result<SignatureAlgorithm, CryptoError> {
        Ok(match PublicKey::decode(spki)? {
            PublicKey::Ec { curve, .. } => SignatureAlgorithm::Ecdsa(match curve {
                Curve::P256 => DigestAlgorithm::Sha256,
                Curve::P384 => DigestAlgorithm::Sha384,
                Curve::P521 => DigestAlgorithm::Sha512,
                Curve::X25519 => return Err(CryptoError::Unsupported),
            }),
            PublicKey::Ed25519(_) => SignatureAlgorithm::Ed25519,
            PublicKey::Rsa(key) => match key.scheme {
                RsaScheme::Any => SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
                RsaScheme::Pss(parameters) => SignatureAlgorithm::RsaPss(
                    parameters.unwrap_or(PssParameters::plain(DigestAlgorithm::Sha256)),
                ),
                RsaScheme::Oaep => return Err(CryptoError::Unsupported),
            },
            // Verified, never written.
            PublicKey::Dsa(_) | PublicKey::X25519(_) => return Err(CryptoError::Unsupported),
        })
    }
}

/// One SignedData to be made.
#[derive(Clone, Debug)]
pub struct SignedDataPlan<'a> {
    /// Without signers this is the empty signature of the draft's section 2.5.
    pub signers: &'a [SignerPlan<'a>],
    /// DER certificates to send along.
    pub certificates: &'a [&'a [u8]],
    /// Whether the content stays outside.
    pub detached: bool,
}

/// A SignedData that was made, read back and verified, ready to be written.
#[derive(Debug)]
pub struct SignedLayer {
    head: Vec<u8>,
    content: Option<View>,
    tail: Vec<u8>,
    /// The digest algorithms of its signers, for the micalg parameter (RFC 8551 §3.5.3.2).
    pub digests: Vec<DigestAlgorithm>,
}

impl SignedLayer {
    /// How many octets [`SignedLayer::write`] writes.
    #[must_use]
    pub fn len(&self) -> u64 {
        let content = self.content.as_ref().map_or(0, Octets::len);
        crate::octets::length(&self.head) + content + crate::octets::length(&self.tail)
    }

    /// Never: a ContentInfo has octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the ContentInfo, DER.
    pub fn write(&self, sink: &mut dyn Write) -> io::Result<()> {
        sink.write_all(&self.head)?;
        if let Some(content) = &self.content {
            content.windows(|window| sink.write_all(window))?;
        }
        sink.write_all(&self.tail)
    }
}

impl SignedDataPlan<'_> {
    /// Signs `content`, which is already in the form in which it is to be signed.
    ///
    /// Reads `content` once; [`SignedLayer::write`] reads it again where it is not detached. The
    /// structures around the content are read back by our own parser, and each signature is verified
    /// over its encoded attributes, before anything is handed out.
    pub fn sign(
        &self,
        content: &View,
        provider: &Provider,
        limits: &Limits,
    ) -> Result<SignedLayer, SignError> {
        self.check()?;
        let digests = self.digest_algorithms();
        let made = ContentDigests::of(content, digests.iter().copied(), provider)?;
        let mut infos = Vec::with_capacity(self.signers.len());
        for signer in self.signers {
            infos.push(signer_info(signer, &made, limits)?);
        }
        let layer = self.assemble(content, digests, infos);
        self.check_back(&layer, content, &made, (provider, limits))?;
        Ok(layer)
    }

    fn check(&self) -> Result<(), SignError> {
        if self.detached && self.signers.is_empty() {
            return Err(SignError::EmptyDetached);
        }
        let mut types = self.signers.iter().flat_map(|signer| signer.types);
        match types.find(|kind| self.detached && kind.must_encapsulate()) {
            Some(kind) => return Err(SignError::Detached(kind.as_str())),
            None => {}
        }
        let mut pairs = self.signers.iter().zip(self.signers.iter().skip(1));
        if pairs.all(|(one, next)| one.types == next.types) {
            Ok(())
        } else {
            Err(SignatureTypeError::Differs.into())
        }
    }

    fn digest_algorithms(&self) -> Vec<DigestAlgorithm> {
        let mut digests: Vec<_> = self
            .signers
            .iter()
            .map(|signer| digest_to_write(&signer.algorithm))
            .collect();
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    fn assemble(
        &self,
        content: &View,
        digests: Vec<DigestAlgorithm>,
        infos: Vec<Vec<u8>>,
    ) -> SignedLayer {
        let algorithms = digests
            .iter()
            .map(|digest| identifiers::encode_digest(*digest))
            .collect();
        // id-data, and only issuerAndSerialNumber: version 1 (RFC 5652 §5.1).
        let before = [
            tlv::element(tag::INTEGER, &[&[1]]),
            build::set_of(algorithms),
        ]
        .concat();
        let content_type = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_DATA.as_bytes()]);
        let mut tail = Vec::new();
        if !self.certificates.is_empty() {
            let certificates = self.certificates.iter().map(|der| der.to_vec()).collect();
            let mut set = build::set_of(certificates);
            if let Some(first) = set.first_mut() {
                *first = tag::context(0);
            }
            tail.append(&mut set);
        }
        tail.append(&mut build::set_of(infos));

        let octets = if self.detached {
            None
        } else {
            Some(content.len())
        };
        let string = octets.map_or(0, wrapped);
        let explicit = octets.map_or(0, |_| wrapped(string));
        let encapsulated = crate::octets::length(&content_type) + explicit;
        let signed_data =
            crate::octets::length(&before) + wrapped(encapsulated) + crate::octets::length(&tail);
        let oid = tlv::element(tag::OBJECT_IDENTIFIER, &[ID_SIGNED_DATA.as_bytes()]);
        let mut head = Vec::new();
        let info = crate::octets::length(&oid) + wrapped(wrapped(signed_data));
        tlv::write_wide_header(&mut head, tag::SEQUENCE, info);
        head.extend(oid);
        tlv::write_wide_header(&mut head, tag::context(0), wrapped(signed_data));
        tlv::write_wide_header(&mut head, tag::SEQUENCE, signed_data);
        head.extend(before);
        tlv::write_wide_header(&mut head, tag::SEQUENCE, encapsulated);
        head.extend(content_type);
        if let Some(octets) = octets {
            tlv::write_wide_header(&mut head, tag::context(0), string);
            tlv::write_wide_header(&mut head, tag::OCTET_STRING, octets);
        }
        let content = if self.detached {
            None
        } else {
            Some(content.clone())
        };
        SignedLayer {
            head,
            content,
            tail,
            digests,
        }
    }

    /// Reads back what stands around the content, and verifies each signature.
    fn check_back(
        &self,
        layer: &SignedLayer,
        content: &View,
        digests: &ContentDigests,
        (provider, limits): (&Provider, &Limits),
    ) -> Result<(), SignError> {
        let around = Around {
            head: layer.head.clone(),
            content: layer.content.clone(),
            tail: layer.tail.clone(),
        };
        let info = ContentInfo::read(&View::whole(Arc::new(around)), limits)
            .map_err(SignError::ReadBack)?;
        let Cms::Signed(signed) = info.cms else {
            return Err(SignError::ReadBack(CmsError::field(
                "ContentInfo",
                "it is no SignedData",
            )));
        };
        if signed.signers.len() != self.signers.len() || signed.content.is_some() == self.detached {
            return Err(SignError::ReadBack(CmsError::field(
                "SignedData",
                "a part of it is lost",
            )));
        }
        let mut budget = Budget::new(limits);
        let against = SignedContent {
            content_type: signed.content_type,
            octets: content,
            digests,
        };
        for plan in self.signers {
            let name = plan.certificate.subject_name().to_owned();
            let info = signed
                .signers
                .iter()
                .find(|info| plan.certificate.is_named(info.sid.key_name()));
            let Some(info) = info else {
                let lost = CmsError::field("SignedData.signerInfos", "a signer of ours is lost");
                return Err(SignError::ReadBack(lost));
            };
            let key = (plan.certificate, plan.certificate.spki());
            let _verified = verify::verify_signer(info, against, key, provider, &mut budget)
                .map_err(|source| SignError::VerifyBack {
                    certificate: name,
                    source,
                })?;
        }
        Ok(())
    }
}

fn signer_info(
    plan: &SignerPlan<'_>,
    digests: &ContentDigests,
    limits: &Limits,
) -> Result<Vec<u8>, SignError> {
    let digest = digest_to_write(&plan.algorithm);
    let digest_identifier = identifiers::encode_digest(digest);
    let signature_identifier = identifiers::encode_signer_signature(&plan.algorithm)
        .ok_or_else(|| SignError::Unwritten(plan.algorithm.to_string()))?;
    let certificate = plan.certificate;
    let mut signed = vec![
        build::content_type(ID_DATA),
        build::message_digest(digests.by(digest).unwrap_or_default()),
        build::cms_algorithm_protection(&digest_identifier, &signature_identifier)?,
        build::signing_certificate_v2(
            &certificate.digest(),
            certificate.issuer(),
            certificate.serial(),
        )?,
    ];
    if let Some(time) = plan.signing_time {
        signed.push(build::signing_time(time.unix())?);
    }
    if !plan.capabilities.is_empty() {
        signed.push(build::smime_capabilities(plan.capabilities));
    }
    if !plan.types.is_empty() {
        signed.push(build::signature_type(plan.types, plan.type_oid)?);
    }
    for attribute in plan.attributes {
        signed.push(build::raw(attribute, limits)?);
    }
    let mut signed = build::set_of(signed);
    let signature = plan
        .key
        .sign(&plan.algorithm, Message::Octets(&signed))
        .map_err(|source| {
            let certificate = plan.certificate.subject_name().to_owned();
            SignError::Key {
                certificate,
                algorithm: plan.algorithm.to_string(),
                source,
            }
        })?;
    if let Some(first) = signed.first_mut() {
        // [0] IMPLICIT in the message, SET OF in what is signed (RFC 5652 §5.4).
        *first = tag::context(0);
    }
    let serial = tlv::element(tag::INTEGER, &[plan.certificate.serial()]);
    let sid = tlv::element(tag::SEQUENCE, &[plan.certificate.issuer(), &serial]);
    let version = tlv::element(tag::INTEGER, &[&[1]]);
    let signature = tlv::element(tag::OCTET_STRING, &[&signature]);
    let parts: [&[u8]; 6] = [
        &version,
        &sid,
        &digest_identifier,
        &signed,
        &signature_identifier,
        &signature,
    ];
    Ok(tlv::element(tag::SEQUENCE, &parts))
}

/// The digest that stands beside a signature algorithm: its own; for Ed25519, SHA-512 (RFC 8419 §3.1).
fn digest_to_write(algorithm: &SignatureAlgorithm) -> DigestAlgorithm {
    algorithm.digest().unwrap_or(DigestAlgorithm::Sha512)
}

/// The octets of an element around content of `length` octets.
fn wrapped(length: u64) -> u64 {
    length + tlv::wide_header_length(length)
}

/// Head, content and tail as one, so that the parser can read them without a copy of the content.
#[derive(Debug)]
struct Around {
    head: Vec<u8>,
    content: Option<View>,
    tail: Vec<u8>,
}

impl Octets for Around {
    fn len(&self) -> u64 {
        Octets::len(&self.head)
            + self.content.as_ref().map_or(0, Octets::len)
            + Octets::len(&self.tail)
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let mut offset = offset;
        let mut rest = window;
        let content = self.content.as_ref().map(|view| -> &dyn Octets { view });
        for part in [Some(&self.head as &dyn Octets), content, Some(&self.tail)]
            .into_iter()
            .flatten()
        {
            if offset >= part.len() {
                offset -= part.len();
                continue;
            }
            let there = usize::try_from(part.len() - offset).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at_mut(there.min(rest.len()));
            part.read_at(offset, now)?;
            rest = later;
            offset = 0;
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
