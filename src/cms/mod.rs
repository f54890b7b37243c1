//! Cryptographic Message Syntax (RFC 5652): layers read over windows, and written into a sink.
//!
//! Content is neither owned nor cloned: it is a [`crate::octets::View`]. BER is accepted at the
//! entrance ([`ber`]); what is written is DER.

pub mod ber;
pub mod compressed_data;
pub mod enveloped_data;
pub mod error;
mod key_derivation;
pub mod recipient_info;
pub mod tlv;

pub use error::CmsError;
