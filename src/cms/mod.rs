//! Cryptographic Message Syntax (RFC 5652): layers read over windows, and written into a sink.
//!
//! Content is neither owned nor cloned: it is a [`crate::octets::View`]. BER is accepted at the
//! entrance ([`ber`]); what is written is DER.

pub mod attributes;
pub mod ber;
pub mod compressed_data;
pub mod content_info;
pub mod content_key;
pub mod decrypt;
pub mod enveloped_data;
pub mod error;
pub mod recipient_info;
pub mod recipient_list;
pub mod signed_data;
pub mod tlv;
pub mod to_der;
pub mod verify;
pub mod write_enveloped;
pub mod write_recipient;
pub mod write_signed;

pub use error::CmsError;
