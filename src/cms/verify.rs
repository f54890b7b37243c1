//! Whether a SignerInfo signs its content (RFC 5652 §5.4, §5.6).
//!
//! Knows digests, attributes and one public key. Whose key it is, and whether anyone should believe
//! it, is for [`crate::x509`] and the rules above.

use std::io;

use const_oid::ObjectIdentifier;

use crate::cms::attributes;
use crate::cms::attributes::AlgorithmProtectionError;
use crate::cms::attributes::AttributeError;
use crate::cms::attributes::Attributes;
use crate::cms::attributes::SignatureTypeError;
use crate::cms::attributes::SigningCertificateError;
use crate::cms::content_info::ID_DATA;
use crate::cms::content_info::content_type_name;
use crate::cms::signed_data::SignerInfo;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::Provider;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureValid;
use crate::crypto::SignatureVerification;
use crate::crypto::identifiers;
use crate::crypto::identifiers::IdentifierError;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::hex;
use crate::x509::Certificate;

/// Why a signature does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// An algorithm that we refuse or do not know.
    #[error(transparent)]
    Algorithm(#[from] IdentifierError),
    /// Signed or unsigned attributes break a rule of their standard.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// cmsAlgorithmProtection contradicts the SignerInfo (RFC 6211 §3).
    #[error(transparent)]
    AlgorithmProtection(#[from] AlgorithmProtectionError),
    /// The signed contentType is not the eContentType (RFC 5652 §11.1).
    #[error("signed attribute contentType is {signed}, but the content is {found}")]
    ContentType {
        /// What the attribute says.
        signed: String,
        /// eContentType.
        found: String,
    },
    /// The content is not what was signed (RFC 5652 §11.2).
    #[error("the content was changed: its {algorithm} digest is {found}, but {signed} was signed")]
    Digest {
        /// The name of the digest algorithm.
        algorithm: &'static str,
        /// The messageDigest attribute, hex.
        signed: String,
        /// The digest of the content, hex.
        found: String,
    },
    /// The content is itself the DER of signed attributes, and signed without attributes: a
    /// signature over attributes can be passed off so as one over content.
    #[error(
        "the content is the DER of SignedAttributes and is signed without attributes: \
         such a signature can be cut out of another message"
    )]
    LooksLikeAttributes,
    /// The key does not say that it made this signature.
    #[error(
        "the signature was not made by the key of the certificate, or what it covers was changed"
    )]
    NotByThisKey,
    /// A content type other than id-data needs signed attributes (RFC 5652 §5.3).
    #[error("there are no signed attributes, although the content is {content_type}")]
    NoAttributes {
        /// eContentType.
        content_type: String,
    },
    /// The provider cannot verify it.
    #[error("{algorithm} with this certificate's key cannot be verified")]
    Key {
        /// The name of signatureAlgorithm.
        algorithm: String,
        /// What the provider says.
        #[source]
        source: CryptoError,
    },
    /// A bound was passed.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The content could not be read.
    #[error("octets of the content could not be read")]
    Read(#[from] io::Error),
    /// A rule of the draft's section 3.2 is broken.
    #[error(transparent)]
    SignatureType(#[from] SignatureTypeError),
    /// The signer names another certificate (RFC 5035 §5.4).
    #[error(transparent)]
    SigningCertificate(#[from] SigningCertificateError),
}

impl SignatureError {
    /// Whether it says that nobody knows, rather than that the signature is wrong.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Key { source, .. } => *source == CryptoError::Unavailable,
            Self::Limit(_) | Self::Read(_) => true,
            Self::Algorithm(_)
            | Self::AlgorithmProtection(_)
            | Self::Attribute(_)
            | Self::ContentType { .. }
            | Self::Digest { .. }
            | Self::LooksLikeAttributes
            | Self::NoAttributes { .. }
            | Self::NotByThisKey
            | Self::SignatureType(_)
            | Self::SigningCertificate(_) => false,
        }
    }
}

/// Digests of one content, all made in one pass over it.
#[derive(Debug, Default)]
pub struct ContentDigests {
    digests: Vec<(DigestAlgorithm, Vec<u8>)>,
}

impl ContentDigests {
    /// Digests `content` with each of `algorithms` once.
    pub fn of(
        content: &View,
        algorithms: impl IntoIterator<Item = DigestAlgorithm>,
        provider: &Provider,
    ) -> io::Result<Self> {
        let mut running = Vec::new();
        for algorithm in algorithms {
            if running.iter().all(|(known, _)| *known != algorithm) {
                let digester = provider
                    .digests
                    .start(algorithm)
                    .map_err(io::Error::other)?;
                running.push((algorithm, digester));
            }
        }
        content.windows(|window| {
            running
                .iter_mut()
                .for_each(|(_, digester)| digester.update(window));
            Ok::<_, io::Error>(())
        })?;
        let digests = running
            .into_iter()
            .map(|(known, digester)| (known, digester.finish()));
        Ok(Self {
            digests: digests.collect(),
        })
    }

    /// As [`ContentDigests::of`], with the algorithms that `signers` need.
    pub fn for_signers(
        content: &View,
        signers: &[SignerInfo],
        provider: &Provider,
    ) -> io::Result<Self> {
        // A signer whose algorithm we refuse is refused when it is verified.
        let known = |signer: &SignerInfo| identifiers::digest(&signer.digest_algorithm).ok();
        Self::of(content, signers.iter().filter_map(known), provider)
    }

    /// The digest by `algorithm`, if it was made.
    #[must_use]
    pub fn by(&self, algorithm: DigestAlgorithm) -> Option<&[u8]> {
        let found = self.digests.iter().find(|(known, _)| *known == algorithm);
        found.map(|(_, digest)| digest.as_slice())
    }
}

/// The content that a SignerInfo is held against.
#[derive(Clone, Copy, Debug)]
pub struct SignedContent<'a> {
    /// eContentType.
    pub content_type: ObjectIdentifier,
    /// eContent, or what a detached signature covers.
    pub octets: &'a View,
    /// Its digests, made by [`ContentDigests::for_signers`].
    pub digests: &'a ContentDigests,
}

/// Proof that one SignerInfo signs its content, with what a report says of it.
#[derive(Debug)]
#[must_use]
pub struct SignerVerified {
    /// The proof by the key.
    pub proof: SignatureValid,
    /// How it was signed.
    pub algorithm: SignatureAlgorithm,
    /// How it was digested.
    pub digest: DigestAlgorithm,
}

/// Verifies `signer` over `content` with the key of `certificate`.
///
/// `spki` is that certificate's key, with its parameters filled in where it inherits them
/// (RFC 3279 §2.3.2). Spends one key operation of `budget`. The attributes signingCertificate
/// (RFC 5035 §5.4), cmsAlgorithmProtection (RFC 6211 §3) and the rules of the draft's section 3.2
/// are checked here as well, since a signature that breaks them is none.
pub fn verify_signer(
    signer: &SignerInfo,
    content: SignedContent<'_>,
    key: (&Certificate, &[u8]),
    provider: &Provider,
    budget: &mut Budget,
) -> Result<SignerVerified, SignatureError> {
    let verification = provider.verification;
    verify_signer_by(verification, signer, content, key, provider, budget)
}

/// The same, where the signature itself is verified by `verification`.
pub(super) fn verify_signer_by(
    verification: &dyn SignatureVerification,
    signer: &SignerInfo,
    content: SignedContent<'_>,
    (certificate, spki): (&Certificate, &[u8]),
    provider: &Provider,
    budget: &mut Budget,
) -> Result<SignerVerified, SignatureError> {
    let (signed, unsigned) = (&signer.signed_attributes, &signer.unsigned_attributes);
    attributes::check_occurrence(signed.as_ref(), unsigned.as_ref())?;
    let digest = identifiers::digest(&signer.digest_algorithm)?;
    let algorithm = identifiers::signer_signature(&signer.signature_algorithm, digest)?;
    let found = match content.digests.by(digest) {
        Some(found) => found.to_vec(),
        None => digest_of(content.octets, digest, provider)?,
    };
    budget.key_operation()?;
    let verify = |message: Message<'_>| {
        verification
            .verify(spki, &algorithm, message, &signer.signature)
            .map_err(|source| match source {
                CryptoError::Failed => SignatureError::NotByThisKey,
                CryptoError::Unsupported | CryptoError::Malformed | CryptoError::Unavailable => {
                    SignatureError::Key {
                        algorithm: algorithm.to_string(),
                        source,
                    }
                }
            })
    };
    let proof = match &signer.signed_attributes {
        Some(signed) => {
            check_attributes(signer, signed, content.content_type, (digest, &found))?;
            attributes::check_signing_certificates(
                signed,
                certificate.der(),
                certificate.issuer(),
                certificate.serial(),
                provider.digests,
            )?;
            verify(Message::Octets(&signed.der_for_signature()))?
        }
        None => {
            signer.signature_types()?;
            check_bare_content(content)?;
            if algorithm == SignatureAlgorithm::Ed25519 {
                // Ed25519 signs octets, not digests (RFC 8419 §3.2).
                verify(Message::Octets(&whole(content.octets)?))?
            } else {
                verify(Message::Digest(digest, &found))?
            }
        }
    };
    Ok(SignerVerified {
        proof,
        algorithm,
        digest,
    })
}

fn check_attributes(
    signer: &SignerInfo,
    signed: &Attributes,
    content_type: ObjectIdentifier,
    (algorithm, found): (DigestAlgorithm, &[u8]),
) -> Result<(), SignatureError> {
    let signed_type = signed.content_type()?;
    if signed_type != content_type {
        return Err(SignatureError::ContentType {
            signed: signed_type.to_string(),
            found: content_type_name(content_type),
        });
    }
    let message_digest = signed.message_digest()?;
    if message_digest != found {
        return Err(SignatureError::Digest {
            algorithm: algorithm.as_str(),
            signed: hex(message_digest),
            found: hex(found),
        });
    }
    if let Some(protection) = signed.only(attributes::ALGORITHM_PROTECTION)? {
        attributes::check_algorithm_protection(
            protection,
            &signer.digest_algorithm,
            &signer.signature_algorithm,
        )?;
    }
    signed.signing_time()?;
    signer.signature_types()?;
    Ok(())
}

/// What a signature without attributes may cover.
fn check_bare_content(content: SignedContent<'_>) -> Result<(), SignatureError> {
    if content.content_type != ID_DATA {
        let content_type = content_type_name(content.content_type);
        return Err(SignatureError::NoAttributes { content_type });
    }
    let octets = content.octets;
    // Nearly nothing begins so, and nothing else is read into memory.
    let mut start = [0; 10];
    let length = usize::try_from(octets.len()).map_or(start.len(), |len| len.min(start.len()));
    let start = start.get_mut(..length).unwrap_or_default();
    octets.read_at(0, start)?;
    if !attributes::begins_like_signed_attributes(start, octets.len()) {
        return Ok(());
    }
    // What is larger than all attributes of a message may be is none.
    match octets.to_vec(Limits::default().structure_octets)? {
        Some(octets) if attributes::looks_like_signed_attributes(&octets) => {
            Err(SignatureError::LooksLikeAttributes)
        }
        _ => Ok(()),
    }
}

fn digest_of(
    octets: &View,
    algorithm: DigestAlgorithm,
    provider: &Provider,
) -> Result<Vec<u8>, SignatureError> {
    let digests = ContentDigests::of(octets, [algorithm], provider)?;
    Ok(digests.by(algorithm).unwrap_or_default().to_vec())
}

fn whole(octets: &View) -> Result<Vec<u8>, SignatureError> {
    let allowed = Limits::default().decompressed_octets;
    LimitError::check_wide(
        "octets of content signed by Ed25519 without attributes",
        octets.len(),
        allowed,
    )?;
    let limit = usize::try_from(allowed).unwrap_or(usize::MAX);
    Ok(octets.to_vec(limit)?.unwrap_or_default())
}
