//! Finding other people's certificates: one file for each source.
//!
//! Sources say what is published; [`crate::gateway::certificates`] judges what they found.

pub mod cache;
pub mod directory;
pub mod dns;
pub mod exchangers;
mod flights;
pub mod names;
mod rest;
mod shelf;
pub mod source;
pub mod tlsa;
