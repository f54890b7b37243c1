//! The signature on a certificate or CRL (RFC 5280 §4.1.1, §5.1.1).
//!
//! Every verification is one key operation of the budget, whether or not it succeeds.

use crate::crypto::CryptoError;
use crate::crypto::Message;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureVerification;
use crate::crypto::identifiers::IdentifierError;
use crate::crypto::identifiers::signature;
use crate::limits::Budget;
use crate::limits::LimitError;

/// What is signed, and its signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) octets: &'a [u8],
    /// AlgorithmIdentifier, DER.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// Why a certificate's or CRL's signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The algorithm is unknown, or is refused, as MD5 is.
    #[error("signature has an algorithm that is refused: {0}")]
    Algorithm(IdentifierError),
    /// The algorithm inside what is signed is another one (RFC 5280 §4.1.1.2).
    #[error("signature has another algorithm than the one that is signed")]
    AlgorithmMismatch,
    /// The budget for public-key operations is spent.
    #[error(transparent)]
    Budget(#[from] LimitError),
    /// The signature is not one by that key.
    #[error("signature does not verify with the key of {0}")]
    Invalid(String),
    /// The key is malformed, or of a kind that we do not do.
    #[error("signature cannot be verified with the key of {0}")]
    Key(String),
}

/// Verifies with `spki` (DER) and gives the algorithm; `signer` is a name for the error.
pub(super) fn verify(
    signed: Signed<'_>,
    (signer, spki): (&str, &[u8]),
    verification: &dyn SignatureVerification,
    budget: &mut Budget,
) -> Result<SignatureAlgorithm, SignatureFault> {
    let algorithm = signature(signed.algorithm).map_err(SignatureFault::Algorithm)?;
    budget.key_operation()?;
    let message = Message::Octets(signed.octets);
    match verification.verify(spki, &algorithm, message, signed.signature) {
        Ok(_valid) => Ok(algorithm),
        Err(CryptoError::Failed) => Err(SignatureFault::Invalid(signer.to_owned())),
        Err(CryptoError::Malformed | CryptoError::Unsupported | CryptoError::Unavailable) => {
            Err(SignatureFault::Key(signer.to_owned()))
        }
    }
}
