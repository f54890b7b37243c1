//! What is known of the subjects that were asked for of late, so that a message does not wait for the file.
//!
//! The thread that has the file writes here, in the order of its transactions; readers look whether the thread has
//! looked at the file within [`FRESH`], since another process may have changed it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::time::Instant;

use super::FRESH;
use crate::gateway::search::Known;
use crate::gateway::search::Owner;

/// Subjects that are remembered: as many as answers of sources are.
const MOST: usize = 100_000;
/// About how many octets they may take together; a certificate in the store can be a hundred times as large as is usual.
const MOST_OCTETS: usize = 256 * 1024 * 1024;

/// What each takes beside: names, hash tables.
const FIXED: usize = 512;

/// What is known, by subject.
#[derive(Debug, Default)]
pub(super) struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<Owner, Known>,
    /// About what they take.
    octets: usize,
    /// The state of the file that they are of.
    generation: u64,
    /// When the file was last seen to be in that state.
    looked: Option<Instant>,
}

impl Recent {
    /// What is known of `owner`, where that is sure: `None` says that the file has to be asked.
    pub(super) fn of(&self, owner: &Owner) -> Option<Known> {
        let inner = self.inner();
        let is_fresh = inner.looked.is_some_and(|looked| looked.elapsed() < FRESH);
        inner.known.get(owner).filter(|_| is_fresh).cloned()
    }

    /// Takes note that the file is in state `generation` now. In another than before, somebody else has changed it.
    pub(super) fn looked(&self, generation: u64) {
        let mut inner = self.inner();
        if inner.generation != generation {
            inner.forget();
            inner.generation = generation;
        }
        inner.looked = Some(Instant::now());
    }

    /// Takes note of our own change: the file is in state `generation` by it, and of `owners` something else is known.
    pub(super) fn changed(&self, owners: &[Owner], generation: u64) {
        let mut inner = self.inner();
        for owner in owners {
            if let Some(known) = inner.known.remove(owner) {
                inner.octets = inner.octets.saturating_sub(octets_of(&known));
            }
        }
        inner.generation = generation;
    }

    /// Takes note of what is known of `owner`.
    pub(super) fn read(&self, owner: Owner, known: Known) {
        let mut inner = self.inner();
        let octets = octets_of(&known);
        if inner.known.len() >= MOST || inner.octets.saturating_add(octets) > MOST_OCTETS {
            inner.forget();
        }
        inner.octets = inner.octets.saturating_add(octets);
        if let Some(before) = inner.known.insert(owner, known) {
            inner.octets = inner.octets.saturating_sub(octets_of(&before));
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self) {
        self.known.clear();
        self.octets = 0;
    }
}

/// About what is taken by what is known of a subject: a certificate that was read takes its octets, and about as many for
/// its names and extensions.
fn octets_of(known: &Known) -> usize {
    let certificates = known.kept.iter().flat_map(|kept| {
        let own = std::iter::once(&kept.certificate);
        own.chain(&kept.chain)
    });
    let der = certificates.map(|one| one.der().len().saturating_mul(2));
    let in_use = known.in_use.iter().map(|key| key.issuer.len());
    let words = known.pending.len() + known.rejected.len() + known.rejected_keys.len();
    der.chain(in_use)
        .fold(FIXED + 32 * words, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::bob;
    use crate::store::tests::candidate;
    use crate::store::tests::certificate;

    #[test]
    fn what_is_remembered_has_a_bound_in_octets() {
        let recent = Recent::default();
        recent.looked(0);
        let mut kept = candidate(&certificate("bob"), 0);
        kept.chain = vec![kept.certificate.clone(); 10_000];
        let known = Known {
            kept: Some(Box::new(kept)),
            ..Known::default()
        };
        let each = octets_of(&known);
        let owner =
            |number: usize| Owner::Recipient(format!("u{number}@b.example").parse().unwrap());
        for number in 0..3 * MOST_OCTETS / each {
            for _ in 0..2 {
                recent.read(owner(number), known.clone());
            }
            let inner = recent.inner();
            assert_eq!(inner.octets, each * inner.known.len());
            assert!(inner.octets <= MOST_OCTETS);
        }
        recent.changed(&[bob(), owner(0)], 1);
        recent.looked(2);
        assert_eq!(recent.inner().octets, 0);
    }
}
