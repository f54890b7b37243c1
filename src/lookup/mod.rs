//! Finding other people's certificates: one file for each source.
//!
//! Sources say what is published; [`crate::gateway::chooser`] judges what they found.

pub mod blob;
pub mod cache;
pub mod directory;
pub mod dns;
pub mod exchangers;
mod flights;
pub mod harvest;
pub mod hosts;
pub mod http;
pub mod ldap;
pub mod lifetime;
pub mod mcek;
pub mod mta_sts;
pub mod names;
pub mod ordered;
pub mod publishers;
mod rest;
mod share;
mod shelf;
pub mod smimea;
pub mod smtp_cert;
pub mod source;
pub mod stream;
pub mod tls;
pub mod tlsa;
mod words;
