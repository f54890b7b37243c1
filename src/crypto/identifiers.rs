//! AlgorithmIdentifiers, to and from [`super::algorithms`] (RFC 3370, 4055, 5084, 5753, 5754, 8103,
//! 8418, 8419).
//!
//! What we do not do is refused with its name, or with its dotted OID where it has none.

use der::{AnyRef, Sequence};
use spki::AlgorithmIdentifierRef;

use super::algorithms::{DigestAlgorithm, PssParameters};
use super::oids;

/// An AlgorithmIdentifier that we do not go by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// The parameters are absent, or not of the form that the algorithm asks for.
    #[error("parameters of algorithm {0} are malformed")]
    Parameters(String),
    /// Not DER of an AlgorithmIdentifier.
    #[error("algorithm identifier is malformed")]
    Malformed,
    /// One that we do not do, by name or dotted OID.
    #[error("algorithm {0} is not supported")]
    Unsupported(String),
}

#[derive(Sequence)]
struct RsassaPssParams<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt: Option<u32>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u32>,
}

/// The parameters of id-RSASSA-PSS, with the defaults of RFC 4055 §3.1.
pub(super) fn pss_parameters(
    parameters: Option<AnyRef<'_>>,
) -> Result<PssParameters, IdentifierError> {
    let malformed = || IdentifierError::Parameters("rsa-pss".to_owned());
    let parameters: RsassaPssParams<'_> = parameters
        .ok_or_else(malformed)?
        .decode_as()
        .map_err(|_| malformed())?;
    if parameters.trailer.is_some_and(|trailer| trailer != 1) {
        return Err(malformed());
    }
    Ok(PssParameters {
        digest: parameters
            .hash
            .as_ref()
            .map_or(Ok(DigestAlgorithm::Sha1), digest_of)?,
        mask: parameters
            .mask
            .as_ref()
            .map_or(Ok(DigestAlgorithm::Sha1), mask_of)?,
        salt: parameters.salt.unwrap_or(20),
    })
}

/// The hash of an MGF1 AlgorithmIdentifier.
fn mask_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<DigestAlgorithm, IdentifierError> {
    if algorithm.oid != oids::MGF1 {
        return Err(IdentifierError::Unsupported(algorithm.oid.to_string()));
    }
    let hash: AlgorithmIdentifierRef<'_> = algorithm
        .parameters
        .ok_or(IdentifierError::Malformed)?
        .decode_as()
        .map_err(|_| IdentifierError::Malformed)?;
    digest_of(&hash)
}

/// The digest algorithm; parameters are absent or NULL (RFC 5754 §2).
fn digest_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<DigestAlgorithm, IdentifierError> {
    if algorithm.parameters.is_some_and(|any| !any.is_null()) {
        return Err(IdentifierError::Parameters(algorithm.oid.to_string()));
    }
    Ok(match algorithm.oid {
        oids::SHA_1 => DigestAlgorithm::Sha1,
        oids::SHA_224 => DigestAlgorithm::Sha224,
        oids::SHA_256 => DigestAlgorithm::Sha256,
        oids::SHA_384 => DigestAlgorithm::Sha384,
        oids::SHA_512 => DigestAlgorithm::Sha512,
        oids::SHA_512_224 => DigestAlgorithm::Sha512_224,
        oids::SHA_512_256 => DigestAlgorithm::Sha512_256,
        other => return Err(IdentifierError::Unsupported(other.to_string())),
    })
}
