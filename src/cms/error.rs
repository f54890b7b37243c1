//! Why a CMS structure could not be read.

use std::io;

use crate::limits::LimitError;

/// A structure that is not what RFC 5652 says it must be.
///
/// The caller knows which layer it was and names it; this names the field and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CmsError {
    /// The octets are not the BER of that field.
    #[error("{field} at octet {offset} is malformed: {reason}")]
    Malformed {
        /// The field's name in the ASN.1 module.
        field: &'static str,
        /// Where in the layer it starts.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The DER of a small field is not what its type says.
    #[error("{field} is malformed: {reason}")]
    Field {
        /// The field's name in the ASN.1 module.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A content type that is no layer of a message.
    #[error(
        "content type {name} is no layer of a message: signedData, envelopedData, authEnvelopedData and compressedData are"
    )]
    ContentType {
        /// Its name, or the dotted identifier.
        name: String,
    },
    /// A bound was passed.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The octets themselves could not be read; the same message may be readable later.
    #[error("octets of the message could not be read")]
    Read(#[from] io::Error),
}

impl CmsError {
    /// A small field that is wrong.
    pub(crate) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field {
            field,
            reason: reason.into(),
        }
    }
}
