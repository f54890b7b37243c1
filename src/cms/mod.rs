//! Cryptographic Message Syntax (RFC 5652): layers read over windows, and written into a sink.
//!
//! Content is neither owned nor cloned: it is a [`crate::octets::View`]. BER is accepted at the
//! entrance ([`ber`]); what is written is DER.

pub mod attributes;
pub mod ber;
pub mod error;
pub mod tlv;

pub use error::CmsError;
