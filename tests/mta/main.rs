//! Mail through real MTAs, with a milter between: Postfix 3.7 and Sendmail 8.17, private instances on
//! loopback that leave nothing behind.
//!
//! A peer that is not installed is a skip, said on standard error, and a failure where
//! `DOMSEC_REQUIRE_PEERS` is 1. Both MTAs are started by root alone; any other user's tests skip.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "MTAs are waited for, by the clock; a panic names what did not come"
)]

mod certificates;
mod demo;
mod deploy;
mod domains;
#[path = "../peers/exchanger.rs"]
mod exchanger;
mod faults;
mod from_sendmail;
mod full_disks;
mod gateway;
mod journey;
mod journeys;
mod layers;
#[path = "../peers/nginx.rs"]
mod nginx;
mod peers;
#[path = "../peers/pki.rs"]
mod pki;
mod postfix;
#[path = "../peers/processes.rs"]
mod processes;
mod protected;
mod recipients;
mod scissors;
mod sendmail;
#[path = "../peers/slapd.rs"]
mod slapd;
mod smtp;
mod sources;
mod stand_in;
mod wire;
#[path = "../peers/zones.rs"]
mod zones;
