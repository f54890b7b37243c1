//! What the draft says: names, signature types, which signature speaks for the originator, when one
//! of ours may be made, and where among the layers it goes.
//!
//! Knows layers, not bytes.

pub mod conditions;
pub mod layering;
pub mod naming;
pub mod originator;
pub mod verdict;
