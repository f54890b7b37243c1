//! MIME: a message is raw bytes and an index into them; what was not changed is never rewritten.
//!
//! Header fields in order (RFC 5322), entities and multiparts (RFC 2045, 2046), the S/MIME media
//! types and the transit form (RFC 8551 §3.1). Refuses what two readers could read as two messages.

pub mod authentication_results;
pub mod base64;
pub mod canonical;
pub mod detect;
pub mod entity;
pub mod header;
pub mod mark;
pub mod media_type;
pub mod multipart;
pub mod protected;
pub mod quoted_printable;
pub mod safe;
pub mod scan;
pub mod smime;
pub mod transit;
mod unstructured;
pub mod walk;
mod window;

use std::io;

use crate::limits::LimitError;

pub use canonical::Canonical;
pub use detect::InputKind;
pub use entity::Entity;
pub use header::Field;
pub use header::FromAddresses;
pub use header::Header;
pub use header::TransferEncoding;
pub use media_type::MediaType;
pub use multipart::Multipart;
pub use smime::SmimeType;
pub use walk::Walk;

/// Why a message, or a part of it, cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MimeError {
    /// A character that is no base64, an impossible length, or data after the padding (RFC 2045 §6.8).
    #[error("base64 is malformed at octet {offset} of the body")]
    Base64 {
        /// Octets of the encoded body before the fault.
        offset: u64,
    },
    /// A multipart without a boundary, or with one that no line can hold (RFC 2046 §5.1.1).
    #[error("boundary parameter of {media_type} is missing or malformed")]
    Boundary {
        /// The media type.
        media_type: String,
    },
    /// A structured field that is not what its RFC says.
    #[error("{field} field is malformed ({reason}): {value:?}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
        /// Its value, at most the first 200 characters.
        value: String,
    },
    /// The octets cannot be read, or the result cannot be written.
    #[error("message cannot be read or written")]
    Io(#[from] io::Error),
    /// A bound was passed.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// An `=` that starts neither an escape nor a soft line break (RFC 2045 §6.7).
    #[error("quoted-printable is malformed at octet {offset} of the body")]
    QuotedPrintable {
        /// Octets of the encoded body before the fault.
        offset: u64,
    },
    /// A field that may stand once stands several times.
    #[error("{field} field occurs {count} times")]
    Repeated {
        /// Its name.
        field: &'static str,
        /// How often it is there.
        count: usize,
    },
    /// No transfer encoding of RFC 2045 §6.1: the body cannot be read.
    #[error("content transfer encoding {0:?} is unknown")]
    TransferEncoding(String),
}

impl MimeError {
    pub(crate) fn field(field: &'static str, reason: &'static str, value: &str) -> Self {
        Self::Field {
            field,
            reason,
            value: value.chars().take(200).collect(),
        }
    }
}
