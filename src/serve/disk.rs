//! Reading that may wait for the disk, on threads that may.

use std::io;

use tokio::task::spawn_blocking;

/// Octets of a message that are read, and worked on, where they were received: they lie in memory, or in
/// the cache of a file that was just written. The way to another thread and back wakes threads five
/// times, which is up to a sixth of the processor time of a message of 4 KB.
pub(super) const AT_ONCE: u64 = 64 * 1024;

/// Runs what reads `octets` octets of messages; more than a few on a thread that may wait for the disk.
pub(super) async fn reading<T: Send + 'static>(
    octets: u64,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if octets <= AT_ONCE {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(io::Error::other)
}
