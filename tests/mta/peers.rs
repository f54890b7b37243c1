//! Whether a peer can be run here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether all of `files` are there and we are root; where not, says so.
///
/// Not being root is never a failure: no package would change it.
pub(crate) fn can_run(peer: &str, files: &[&str]) -> bool {
    let root = root();
    if !root {
        eprintln!("skipped: {peer} is started by root alone");
    }
    root && installed(peer, files)
}

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

fn root() -> bool {
    // A process's folder in /proc belongs to its effective user.
    fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}
