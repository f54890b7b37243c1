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
#[path = "../peers/exchanger.rs"]
mod exchanger;
mod ldap;
mod mcek;
#[path = "../peers/nginx.rs"]
mod nginx;
#[path = "../peers/mod.rs"]
mod peers;
#[path = "../peers/pki.rs"]
mod pki;
#[path = "../peers/processes.rs"]
mod processes;
mod servers;
#[path = "../peers/slapd.rs"]
mod slapd;
mod smtp;
mod store;
mod whole;
#[path = "../peers/zones.rs"]
mod zones;
