//! Turns: how much is worked on at a time. Who waits for an answer from outside holds none, and has the next one before
//! those who have not begun.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use tokio::time::Instant;
use tokio::time::timeout;

use super::queue::Permit;
use super::queue::Queue;
use super::queue::Who;

/// How many may have begun and wait for others, for each that is worked on: what is known of a message takes memory,
/// whoever keeps it waiting.
const BEGUN: usize = 64;

/// As much work as this machine does well at a time.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    at_once: Arc<Queue>,
    begun: Arc<Semaphore>,
}

/// The right to work.
#[derive(Debug)]
pub(super) struct Turn {
    permit: Permit,
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
            at_once: Queue::new(at_once),
            begun: Arc::new(Semaphore::new(at_once.saturating_mul(BEGUN))),
        }
    }

    /// The next turn, if it comes within `patience`.
    pub(super) async fn next(&self, patience: Duration) -> Option<Turn> {
        let both = async {
            let begun = Arc::clone(&self.begun).acquire_owned().await.ok()?;
            let permit = Arc::clone(&self.at_once).permit(Who::Begins).await;
            Some((begun, permit))
        };
        let (begun, permit) = timeout(patience, both).await.ok()??;
        Some(Turn {
            permit,
            begun,
            turns: self.clone(),
        })
    }
}

impl Turn {
    /// Does `work` in this turn. Whenever it waits, the turn is left to others, and the next one is waited for
    /// before it goes on: a server that does not answer keeps back those alone who have asked it. How long the next
    /// ones are waited for, [`InTurns::waits`] tells.
    pub(super) fn work<F: Future + Send + 'static>(self, place: Place, work: F) -> InTurns<F> {
        InTurns {
            work: Box::pin(work),
            place,
            turns: self.turns,
            held: Some(self.permit),
            next: None,
            waits: Waits::default(),
            _begun: self.begun,
        }
    }
}

/// How long work has waited for its turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    inner: Arc<Mutex<Waited>>,
}

#[derive(Debug, Default)]
struct Waited {
    over: Duration,
    /// Since when it waits, where it does.
    since: Option<Instant>,
}

impl Waits {
    /// Until now.
    pub(super) fn so_far(&self) -> Duration {
        let waited = self.inner();
        let now = waited.since.map(|since| since.elapsed());
        waited.over.saturating_add(now.unwrap_or_default())
    }

    /// Waits for `working`, whose turns these are, for `limit`; `None` where that is over. What it waits for its turns
    /// is not taken from that, up to `most`: others have had it.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        most: Duration,
        mut working: impl Future<Output = T> + Unpin,
    ) -> Option<T> {
        let begun = Instant::now();
        loop {
            let time = limit.saturating_add(self.so_far().min(most));
            let left = time.saturating_sub(begun.elapsed());
            match timeout(left, &mut working).await {
                Ok(done) => return Some(done),
                Err(_) if left.is_zero() => return None,
                // It may have waited meanwhile.
                Err(_) => {}
            }
        }
    }

    fn begin(&self) {
        self.inner().since = Some(Instant::now());
    }

    fn end(&self) {
        let waited = &mut *self.inner();
        if let Some(since) = waited.since.take() {
            waited.over = waited.over.saturating_add(since.elapsed());
        }
    }

    fn inner(&self) -> MutexGuard<'_, Waited> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that goes on in turns.
pub(super) struct InTurns<F> {
    work: Pin<Box<F>>,
    place: Place,
    turns: Turns,
    held: Option<Permit>,
    /// The next turn, while it is waited for.
    next: Option<NextPermit>,
    waits: Waits,
    _begun: OwnedSemaphorePermit,
}

type NextPermit = Pin<Box<dyn Future<Output = Permit> + Send>>;

impl<F> InTurns<F> {
    /// How long it waits for its turns, to be asked while it is worked on.
    pub(super) fn waits(&self) -> Waits {
        self.waits.clone()
    }
}

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.held.is_none() {
            let (turns, waits) = (&this.turns.at_once, &this.waits);
            let next = this.next.get_or_insert_with(|| {
                waits.begin();
                Box::pin(Arc::clone(turns).permit(Who::GoesOn))
            });
            let permit = ready!(next.as_mut().poll(context));
            waits.end();
            this.next = None;
            this.held = Some(permit);
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

    /// Runs it, and fails where it would never end.
    fn run(work: impl Future<Output = ()>) {
        let ended = runtime().block_on(async { timeout(2 * LONG, work).await });
        assert!(ended.is_ok(), "it waits for ever");
    }

    #[test]
    fn who_waits_for_an_answer_holds_no_turn() {
        run(async {
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
    fn who_has_his_answer_goes_on_before_who_has_not_begun() {
        run(async {
            let turns = Turns::new(1);
            let (answer, answered) = oneshot::channel::<()>();
            let first = turns.next(LONG).await.unwrap();
            let first = first.work(Place::Here, answered);
            let waits = first.waits();
            let first = tokio::spawn(first);
            let second = turns.next(LONG).await.unwrap();
            // The third waits already when the first has its answer.
            let third = tokio::spawn({
                let turns = turns.clone();
                async move { turns.next(LONG).await }
            });
            while !turns.at_once.is_waited_for() {
                tokio::task::yield_now().await;
            }
            assert_eq!(waits.so_far(), Duration::ZERO);
            answer.send(()).unwrap();
            while waits.so_far() < SOON {
                tokio::time::sleep(SOON).await;
            }
            assert!(!first.is_finished() && !third.is_finished());
            // Whether the third is sooner is decided as the second is given back.
            drop(second);
            first.await.unwrap().unwrap();
            assert!(third.await.unwrap().is_some());
            let waited = waits.so_far();
            assert!(waited >= SOON);
            tokio::time::sleep(SOON).await;
            assert_eq!(waits.so_far(), waited);
        });
    }

    #[test]
    fn what_work_waits_for_its_turns_is_not_taken_from_its_time() {
        run(async {
            let waits = Waits::default();
            waits.begin();
            let (end, ended) = oneshot::channel();
            let within = tokio::spawn({
                let waits = waits.clone();
                async move { waits.within(SOON, LONG, ended).await }
            });
            while waits.so_far() < 5 * SOON {
                tokio::time::sleep(SOON).await;
            }
            assert!(!within.is_finished());
            end.send(7).unwrap();
            assert_eq!(within.await.unwrap(), Some(Ok(7)));
            // Not for ever, and not where it works.
            let never = || Box::pin(pending::<()>());
            assert_eq!(waits.within(SOON, SOON, never()).await, None);
            waits.end();
            assert_eq!(waits.within(SOON, LONG, never()).await, None);
        });
    }

    #[test]
    fn only_so_many_wait_for_others() {
        run(async {
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
        run(async {
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
