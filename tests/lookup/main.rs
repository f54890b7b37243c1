//! The sources of other people's certificates, against real servers on loopback that leave nothing behind; and the
//! store of what they said, with several processes at it.
//!
//! A peer that is not installed is a skip, said on standard error, and a failure where `DOMSEC_REQUIRE_PEERS` is 1.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "servers are waited for, by the clock; a panic names what did not come"
)]

mod dns;
mod mcek;
#[path = "../peers/mod.rs"]
mod peers;
mod servers;
mod smtp;
mod store;
