//! Whether a peer can be run here.

use std::fs;
use std::os::unix::fs::MetadataExt;

#[path = "../peers/mod.rs"]
mod installed;

pub(crate) use installed::installed;
pub(crate) use installed::without;

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

fn root() -> bool {
    // A process's folder in /proc belongs to its effective user.
    fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}
