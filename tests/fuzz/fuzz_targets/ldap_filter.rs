//! See `ldap_filter` in `servers.rs`.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| bodies::run("ldap_filter", octets));
