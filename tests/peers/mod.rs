//! Whether the programs of others are installed. One that is not is a skip, said on standard error,
//! and a failure where `DOMSEC_REQUIRE_PEERS` is 1.

use std::path::Path;

/// Whether all of `files` are there; where not, says so, and fails if peers are required.
pub(crate) fn installed(peer: &str, files: &[&str]) -> bool {
    let missing: Vec<&str> = files
        .iter()
        .copied()
        .filter(|file| !Path::new(file).exists())
        .collect();
    missing.is_empty()
        || without(&format!(
            "{peer} is not installed: no {}",
            missing.join(", ")
        ))
}

/// Says why a peer is not run; fails if peers are required. Always false.
pub(crate) fn without(why: &str) -> bool {
    let required = std::env::var_os("DOMSEC_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{why}");
    eprintln!("skipped: {why}");
    false
}
