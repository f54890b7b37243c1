//! AlgorithmIdentifiers, DER, to and from [`super::algorithms`].
//!
//! What we do not do is refused with its name, or with its dotted OID where it has none. Parameters
//! that are absent are read as NULL, and NULL as absent, where the RFCs ask for either.

mod encryption;
mod names;
mod signatures;

use const_oid::ObjectIdentifier;
use der::AnyRef;
use der::Decode;
use der::Encode;
use spki::AlgorithmIdentifierRef;

use super::algorithms::DigestAlgorithm;
use super::oids;

pub use encryption::ContentParameters;
pub use encryption::content_cipher;
pub use encryption::content_encryption;
pub use encryption::encode_content_encryption;
pub use encryption::encode_key_agreement;
pub use encryption::encode_key_transport;
pub use encryption::encode_key_wrap;
pub use encryption::key_agreement;
pub use encryption::key_transport;
pub use encryption::key_wrap;
pub use names::name_of;
pub use signatures::encode_signature;
pub use signatures::encode_signer_signature;
pub(super) use signatures::pss_parameters;
pub use signatures::signature;
pub use signatures::signer_signature;

/// An AlgorithmIdentifier that we do not go by. Algorithms are named, or dotted OIDs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// A SignerInfo whose signature is over another digest than it says.
    #[error("signature algorithm {signature} does not go with digest algorithm {digest}")]
    Disagree {
        /// Of the signatureAlgorithm.
        signature: String,
        /// Of the digestAlgorithm.
        digest: DigestAlgorithm,
    },
    /// Not DER of an AlgorithmIdentifier.
    #[error("algorithm identifier is not a DER sequence of an object identifier and parameters")]
    Malformed,
    /// The parameters are not of the form that the algorithm asks for.
    #[error("parameters of algorithm {0} are malformed")]
    Parameters(String),
    /// One that we do not do.
    #[error("algorithm {0} is not supported")]
    Unsupported(String),
}

impl IdentifierError {
    fn unsupported(oid: ObjectIdentifier) -> Self {
        Self::Unsupported(shown(oid))
    }

    fn parameters(oid: ObjectIdentifier) -> Self {
        Self::Parameters(shown(oid))
    }
}

/// The name of `oid`, or else its dotted form.
#[must_use]
pub fn shown(oid: ObjectIdentifier) -> String {
    name_of(oid).map_or_else(|| oid.to_string(), str::to_owned)
}

/// The name of the algorithm in the DER of an AlgorithmIdentifier, whatever it is; "unknown" where
/// it is none.
#[must_use]
pub fn shown_identifier(der: &[u8]) -> String {
    decode(der).map_or_else(|_| "unknown".to_owned(), |identifier| shown(identifier.oid))
}

/// Reads a digest algorithm; parameters are absent or NULL (RFC 5754 §2).
pub fn digest(der: &[u8]) -> Result<DigestAlgorithm, IdentifierError> {
    digest_of(&decode(der)?)
}

/// Writes a digest algorithm, with absent parameters (RFC 5754 §2).
#[must_use]
pub fn encode_digest(algorithm: DigestAlgorithm) -> Vec<u8> {
    encode(digest_oid(algorithm), None)
}

fn decode(der: &[u8]) -> Result<AlgorithmIdentifierRef<'_>, IdentifierError> {
    AlgorithmIdentifierRef::from_der(der).map_err(|_| IdentifierError::Malformed)
}

fn encode(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>) -> Vec<u8> {
    der_of(&AlgorithmIdentifierRef { oid, parameters })
}

#[expect(
    clippy::expect_used,
    reason = "values of ours, shorter than der's bound of 256 MiB"
)]
fn der_of(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("short values encode")
}

/// `Parameters` unless the parameters of `algorithm` are absent or NULL.
fn no_parameters(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), IdentifierError> {
    match algorithm.parameters {
        Some(any) if !any.is_null() => Err(IdentifierError::parameters(algorithm.oid)),
        Some(_) | None => Ok(()),
    }
}

fn digest_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<DigestAlgorithm, IdentifierError> {
    let digest = DigestAlgorithm::ALL
        .into_iter()
        .find(|digest| digest_oid(*digest) == algorithm.oid)
        .ok_or_else(|| IdentifierError::unsupported(algorithm.oid))?;
    no_parameters(algorithm)?;
    Ok(digest)
}

fn digest_oid(digest: DigestAlgorithm) -> ObjectIdentifier {
    match digest {
        DigestAlgorithm::Sha1 => oids::SHA_1,
        DigestAlgorithm::Sha224 => oids::SHA_224,
        DigestAlgorithm::Sha256 => oids::SHA_256,
        DigestAlgorithm::Sha384 => oids::SHA_384,
        DigestAlgorithm::Sha512 => oids::SHA_512,
        DigestAlgorithm::Sha512_224 => oids::SHA_512_224,
        DigestAlgorithm::Sha512_256 => oids::SHA_512_256,
    }
}

/// The hash of an MGF1 (RFC 4055 §2.2), and `default` where there is none.
fn mask_of(
    algorithm: Option<&AlgorithmIdentifierRef<'_>>,
) -> Result<DigestAlgorithm, IdentifierError> {
    let Some(algorithm) = algorithm else {
        return Ok(DigestAlgorithm::Sha1);
    };
    if algorithm.oid != oids::MGF1 {
        return Err(IdentifierError::unsupported(algorithm.oid));
    }
    algorithm
        .parameters
        .and_then(|any| any.decode_as::<AlgorithmIdentifierRef<'_>>().ok())
        .ok_or_else(|| IdentifierError::parameters(algorithm.oid))
        .and_then(|hash| digest_of(&hash))
}

/// The hash of PSS or OAEP parameters, SHA-1 where there is none.
fn hash_of(
    algorithm: Option<&AlgorithmIdentifierRef<'_>>,
) -> Result<DigestAlgorithm, IdentifierError> {
    algorithm.map_or(Ok(DigestAlgorithm::Sha1), digest_of)
}

/// The identifier of a hash within parameters; `None` for the default. With NULL, as the
/// identifiers of RFC 4055 §2.1 have it.
fn within(digest: DigestAlgorithm) -> Option<AlgorithmIdentifierRef<'static>> {
    (digest != DigestAlgorithm::Sha1).then(|| AlgorithmIdentifierRef {
        oid: digest_oid(digest),
        parameters: Some(AnyRef::NULL),
    })
}

/// The parameters of MGF1 with a hash; `None` for the default.
fn mask_within(digest: DigestAlgorithm) -> Option<Vec<u8>> {
    within(digest).as_ref().map(der_of)
}

/// The identifier of MGF1 with such parameters.
fn mask_identifier(parameters: Option<&[u8]>) -> Option<AlgorithmIdentifierRef<'_>> {
    Some(AlgorithmIdentifierRef {
        oid: oids::MGF1,
        parameters: Some(AnyRef::from_der(parameters?).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_with_and_without_null() {
        for algorithm in DigestAlgorithm::ALL {
            assert_eq!(digest(&encode_digest(algorithm)), Ok(algorithm));
            let null = encode(digest_oid(algorithm), Some(AnyRef::NULL));
            assert_eq!(digest(&null), Ok(algorithm));
        }
        let other = encode(oids::SHA_256, Some(AnyRef::from(&oids::SHA_1)));
        assert_eq!(
            digest(&other).unwrap_err().to_string(),
            "parameters of algorithm sha-256 are malformed"
        );
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        let md5 = encode(oids::MD5, Some(AnyRef::NULL));
        let refusal = digest(&md5).unwrap_err().to_string();
        assert_eq!(refusal, "algorithm md5 is not supported");
        let unknown = encode(ObjectIdentifier::new_unwrap("1.2.3.4"), None);
        assert_eq!(
            digest(&unknown),
            Err(IdentifierError::Unsupported("1.2.3.4".to_owned()))
        );
        assert_eq!(digest(&[0x30, 0x80]), Err(IdentifierError::Malformed));
    }
}
