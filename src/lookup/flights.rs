//! Searches under way: who asks what is being asked already waits for the same answer.
//!
//! A search runs in a task of its own, so that it goes on when who began it goes away. One that panics leaves
//! nothing behind: who waits is told that nobody knows.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use super::source::Reply;
use crate::gateway::search::Owner;
use crate::policy::facts::LookupSource;

/// What makes two searches the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) owner: Owner,
    pub(super) source: LookupSource,
    pub(super) configuration: u64,
    pub(super) expected: bool,
}

type Told = watch::Receiver<Option<Arc<Reply>>>;

/// All searches under way.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<Key, Told>>,
}

/// One search under way; it has ended when this is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    tell: watch::Sender<Option<Arc<Reply>>>,
}

/// An answer that is waited for.
#[derive(Debug)]
pub(super) struct Awaited {
    told: Told,
    /// Whether somebody else had begun the search.
    pub(super) joined: bool,
}

impl Flights {
    /// Waits for the search `key`, which `begin` has to spawn where it is not under way.
    pub(super) fn join(self: &Arc<Self>, key: Key, begin: impl FnOnce(Flight)) -> Awaited {
        let mut under_way = self.under_way();
        if let Some(told) = under_way.get(&key) {
            let told = told.clone();
            return Awaited { told, joined: true };
        }
        let (tell, told) = watch::channel(None);
        under_way.insert(key.clone(), told.clone());
        drop(under_way);
        begin(Flight {
            flights: Arc::clone(self),
            key,
            tell,
        });
        Awaited {
            told,
            joined: false,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.under_way().len()
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, Told>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Tells all who wait.
    pub(super) fn tell(&self, reply: Reply) {
        self.tell.send_replace(Some(Arc::new(reply)));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.key);
    }
}

impl Awaited {
    /// The answer; `None` where the search has ended without one.
    pub(super) async fn reply(mut self) -> Option<Arc<Reply>> {
        let told = self.told.wait_for(Option::is_some).await;
        told.ok()?.clone()
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("count", &self.count())
            .finish()
    }
}
