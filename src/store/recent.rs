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

/// What is known, by subject.
#[derive(Debug, Default)]
pub(super) struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<Owner, Known>,
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
            inner.known.clear();
            inner.generation = generation;
        }
        inner.looked = Some(Instant::now());
    }

    /// Takes note of our own change: the file is in state `generation` by it, and of `owners` something else is known.
    pub(super) fn changed(&self, owners: &[Owner], generation: u64) {
        let mut inner = self.inner();
        for owner in owners {
            inner.known.remove(owner);
        }
        inner.generation = generation;
    }

    /// Takes note of what is known of `owner`.
    pub(super) fn read(&self, owner: Owner, known: Known) {
        let mut inner = self.inner();
        if inner.known.len() >= MOST {
            inner.known.clear();
        }
        inner.known.insert(owner, known);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
