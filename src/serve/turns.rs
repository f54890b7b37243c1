//! Turns: how much is worked on at a time. Who waits for an answer from outside holds none.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::sync::AcquireError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// How many may have begun and wait for others, for each that is worked on: what is known of a message takes memory,
/// whoever keeps it waiting.
const BEGUN: usize = 64;

/// As much work as this machine does well at a time.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    at_once: Arc<Semaphore>,
    begun: Arc<Semaphore>,
}

/// The right to work.
#[derive(Debug)]
pub(super) struct Turn {
    permit: OwnedSemaphorePermit,
    begun: OwnedSemaphorePermit,
    turns: Turns,
}

/// What the thread of a piece of work may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing: it is soon done.
    Here,
    /// The disk, and a processor for long: others who are on this thread go elsewhere.
    Apart,
}

impl Turns {
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once)),
            begun: Arc::new(Semaphore::new(at_once.saturating_mul(BEGUN))),
        }
    }

    /// The next turn, if it comes within `patience`.
    pub(super) async fn next(&self, patience: Duration) -> Option<Turn> {
        let both = async {
            let begun = Arc::clone(&self.begun).acquire_owned().await?;
            let permit = Arc::clone(&self.at_once).acquire_owned().await?;
            Ok::<_, AcquireError>((begun, permit))
        };
        let (begun, permit) = timeout(patience, both).await.ok()?.ok()?;
        Some(Turn {
            permit,
            begun,
            turns: self.clone(),
        })
    }
}

impl Turn {
    /// Does `work` in this turn. Whenever it waits, the turn is left to others, and the next one is waited for
    /// before it goes on: a server that does not answer keeps back those alone who have asked it.
    pub(super) fn work<F: Future + Send + 'static>(self, place: Place, work: F) -> InTurns<F> {
        InTurns {
            work: Box::pin(work),
            place,
            turns: self.turns,
            held: Some(self.permit),
            next: None,
            _begun: self.begun,
        }
    }
}

/// Work that goes on in turns.
pub(super) struct InTurns<F> {
    work: Pin<Box<F>>,
    place: Place,
    turns: Turns,
    held: Option<OwnedSemaphorePermit>,
    /// The next turn, while it is waited for.
    next: Option<NextPermit>,
    _begun: OwnedSemaphorePermit,
}

type NextPermit = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.held.is_none() {
            let turns = &this.turns.at_once;
            let next = this
                .next
                .get_or_insert_with(|| Box::pin(Arc::clone(turns).acquire_owned()));
            let permit = ready!(next.as_mut().poll(context));
            this.next = None;
            // Nobody closes the semaphore; were it closed, nobody would be kept from working.
            this.held = permit.ok();
        }
        let work = this.work.as_mut();
        let polled = match this.place {
            Place::Here => work.poll(context),
            Place::Apart => block_in_place(|| work.poll(context)),
        };
        this.held = None;
        polled
    }
}

impl<F> fmt::Debug for InTurns<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTurns")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(30);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap()
    }

    #[test]
    fn who_waits_for_an_answer_holds_no_turn() {
        runtime().block_on(async {
            for place in [Place::Here, Place::Apart] {
                let turns = Turns::new(1);
                let (answer, answered) = oneshot::channel::<u32>();
                let turn = turns.next(LONG).await.unwrap();
                let waiting = tokio::spawn(turn.work(place, answered));
                // The only turn is free once the first is waiting.
                let second = turns.next(LONG).await.unwrap();
                answer.send(7).unwrap();
                let third = turns.next(SOON).await;
                assert!(third.is_none(), "{place:?}: the second holds the turn");
                assert!(!waiting.is_finished(), "{place:?}: it goes on in its turn");
                drop(second);
                assert_eq!(waiting.await.unwrap().unwrap(), 7);
                assert!(turns.next(LONG).await.is_some());
            }
        });
    }

    #[test]
    fn only_so_many_wait_for_others() {
        runtime().block_on(async {
            let turns = Turns::new(1);
            let mut waiting = Vec::new();
            for _ in 0..BEGUN {
                let turn = turns.next(LONG).await.unwrap();
                waiting.push(tokio::spawn(turn.work(Place::Here, pending::<()>())));
            }
            assert!(turns.next(SOON).await.is_none());
            waiting.pop().unwrap().abort();
            assert!(turns.next(LONG).await.is_some());
        });
    }

    #[test]
    fn work_that_is_ended_leaves_its_place_in_the_queue() {
        runtime().block_on(async {
            let turns = Turns::new(1);
            let turn = turns.next(LONG).await.unwrap();
            let waiting = tokio::spawn(turn.work(Place::Here, pending::<()>()));
            drop(turns.next(LONG).await.unwrap());
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert!(turns.next(LONG).await.is_some());
        });
    }
}
