//! How many files and sockets the process may have open.

use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;

/// What every Linux process may have open, where nobody can tell.
const LEAST: u64 = 1_024;

/// Raises the number to the most that whoever started us allows, and returns it.
///
/// What is below that is meant for programs that call select, which cannot count further than 1,024.
pub fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return LEAST;
    };
    // Under systemd both are LimitNOFILE, and its unit forbids to change them.
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}

/// How many there may be.
#[must_use]
pub fn available() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(LEAST, |(soft, _)| soft)
}
