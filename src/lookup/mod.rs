//! Finding other people's certificates: one file for each source.
//!
//! Sources say what is published; [`crate::gateway::certificates`] judges what they found.

pub mod directory;
pub mod dns;
pub mod exchangers;
pub mod names;
pub mod ordered;
pub mod smimea;
pub mod source;
pub mod tlsa;
