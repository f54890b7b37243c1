//! What the draft says: names, signature types, and which signature speaks for the originator.
//!
//! Knows layers, not bytes.

pub mod naming;
pub mod originator;
pub mod verdict;
