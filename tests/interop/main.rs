//! Live interoperation: `domsec` and the S/MIME programs of others, in both directions.
//!
//! Each scenario is a row with a name; a table's failures are reported together. A peer that is not
//! installed is a skip, said on standard error, and a failure where `DOMSEC_REQUIRE_PEERS` is 1.

#![expect(
    clippy::expect_used,
    reason = "a test's own folders and programs; a panic names what is missing"
)]

mod bouncy_castle;
mod gpgsm;
mod mail;
mod nss;
mod openssl;
mod ours;
mod people;
mod scenario;
