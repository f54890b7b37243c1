//! Sources of certificates, each asked of the servers of others.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests state what must hold"
)]

mod ldap;
mod mcek;
#[path = "../peers/mod.rs"]
mod peers;
mod servers;
mod smtp;
