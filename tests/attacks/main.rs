//! Mail as an attacker would make it, held against `domsec verify`, `inspect` and `decrypt`.
//!
//! Every attack has a twin beside it that differs in nothing but the attack and is valid, so that
//! each test can fail. The mail is made when the tests run, with the keys in `certs/`: the DER by
//! hand, the cryptography by the `openssl` command.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these helpers stand outside of test functions; a panic names the message that shows it"
)]

mod bounds;
mod certificates;
mod cli;
mod cms;
mod coverage;
mod decryption;
mod der;
mod exit_codes;
mod layers;
mod mail;
mod mutations;
mod originator;
mod pki;
mod signature_types;
mod signatures;
mod unreadable;
