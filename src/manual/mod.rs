//! Long prose, compiled into the documentation so that it is found and kept.

#[doc = include_str!("rfcs.md")]
pub mod rfcs {}
