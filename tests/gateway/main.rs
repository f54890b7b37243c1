//! The gateway as a whole, with the keys of `certs/`: what section 5 of the draft says of layers,
//! carried out, and what is remembered between messages.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests state what must hold; a panic there is the report"
)]

mod choosing;
mod examples;
mod hostile;
mod learned;
mod lists;
mod needed;
mod openssl;
mod recipients;
mod replay;
#[path = "../rows/mod.rs"]
mod rows;
mod small_stacks;
mod stack;
