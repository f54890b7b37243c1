//! Finding other people's certificates: one file for each source.
//!
//! Sources say what is published; [`crate::gateway::certificates`] judges what they found.

pub mod blob;
pub mod directory;
pub mod exchangers;
pub mod harvest;
pub mod hosts;
pub mod http;
pub mod ldap;
pub mod mcek;
pub mod names;
pub mod smtp_cert;
pub mod source;
pub mod stream;
pub mod tls;
