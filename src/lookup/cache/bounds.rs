//! How much a cache holds, and how many searches it has under way.

use std::time::Duration;

/// The bounds of a [`Cache`](super::Cache).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Answers in memory.
    pub entries: usize,
    /// About how many octets they may take together.
    pub octets: usize,
    /// Searches under way at one time, of all sources.
    pub under_way: usize,
    /// Those among them that nobody waits for: answers that are about to lapse.
    pub refreshes: usize,
    /// How long a search may go on, though nobody waits so long.
    pub patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // A recipient has one for each source: those of the correspondents of some ten thousand users.
            entries: 100_000,
            octets: 300 * 1024 * 1024,
            // A message to 1,000 recipients asks a handful of sources for each, all at once.
            under_way: 4_096,
            refreshes: 16,
            // Within the 30 s that Postfix waits at RCPT, and enough for a server that is slow but there.
            patience: Duration::from_secs(20),
        }
    }
}

impl Bounds {
    /// The usual ones for a process that may have so many files and sockets open: as many searches at a time as a
    /// quarter of that, one with several mail exchangers beside those that have a single socket. The rest is for the
    /// connections of MTAs, which must find a place whatever is searched for.
    #[must_use]
    pub fn within(descriptors: u64) -> Self {
        let usual = Self::default();
        let quarter = usize::try_from(descriptors / 4).unwrap_or(usize::MAX);
        Self {
            under_way: usual.under_way.min(quarter).max(1),
            ..usual
        }
    }
}
