//! Permits, and the order in which those who wait get one: who goes on with what he has begun comes before who begins,
//! since his work is nearer to its end and takes memory until then; but not for ever.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::oneshot;

/// So many go on, one after another, before one who waits to begin does.
const IN_A_ROW: u32 = 8;

/// So many permits, and who waits for one.
pub(super) struct Queue {
    inner: Mutex<Inner>,
}

struct Inner {
    free: usize,
    begin: Line,
    go_on: Line,
    /// How many have gone on since the last who began, while somebody waited to.
    in_a_row: u32,
}

/// Who waits, the first of them first. Who has gone away is found out when it is his turn.
#[derive(Default)]
struct Line(VecDeque<oneshot::Sender<Permit>>);

/// Goes to the next when it is dropped.
pub(super) struct Permit {
    /// `None` once it is given back.
    queue: Option<Arc<Queue>>,
}

/// Who asks for a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// He has done nothing yet.
    Begins,
    /// He had one before.
    GoesOn,
}

impl Queue {
    pub(super) fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                free: permits,
                begin: Line::default(),
                go_on: Line::default(),
                in_a_row: 0,
            }),
        })
    }

    /// The next permit for such a one. Whoever does not wait any more loses nobody's.
    pub(super) async fn permit(self: Arc<Self>, who: Who) -> Permit {
        let told = {
            let mut inner = self.inner();
            if let Some(free) = inner.free.checked_sub(1) {
                inner.free = free;
                drop(inner);
                return Permit { queue: Some(self) };
            }
            let (tell, told) = oneshot::channel();
            match who {
                Who::Begins => inner.begin.push(tell),
                Who::GoesOn => inner.go_on.push(tell),
            }
            told
        };
        // Nobody drops the other end while this holds the queue; did somebody, nobody would be kept from working.
        told.await.unwrap_or(Permit { queue: None })
    }

    /// Gives a permit that is free to whoever is next.
    fn hand_on(self: Arc<Self>) {
        while let Some(next) = self.next() {
            let permit = Permit {
                queue: Some(Arc::clone(&self)),
            };
            // He may have gone away just now: then it comes back, and must not be given back a second time.
            match next.send(permit) {
                Ok(()) => return,
                Err(mut permit) => permit.queue = None,
            }
        }
    }

    /// Whose turn it is; where it is nobody's, a permit is free from now on.
    fn next(&self) -> Option<oneshot::Sender<Permit>> {
        let inner = &mut *self.inner();
        if inner.in_a_row >= IN_A_ROW
            && let Some(next) = inner.begin.pop()
        {
            inner.in_a_row = 0;
            return Some(next);
        }
        if let Some(next) = inner.go_on.pop() {
            let in_a_row = inner.in_a_row.saturating_add(1);
            inner.in_a_row = if inner.begin.drop_gone() { in_a_row } else { 0 };
            return Some(next);
        }
        inner.in_a_row = 0;
        let next = inner.begin.pop();
        if next.is_none() {
            inner.free = inner.free.saturating_add(1);
        }
        next
    }

    /// Whether somebody waits to begin.
    #[cfg(test)]
    pub(super) fn is_waited_for(&self) -> bool {
        self.inner().begin.drop_gone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn push(&mut self, who: oneshot::Sender<Permit>) {
        // Where no permit is ever given back, those who have lost their patience must not pile up.
        self.drop_gone();
        self.0.push_back(who);
    }

    /// The first of those who still wait.
    fn pop(&mut self) -> Option<oneshot::Sender<Permit>> {
        self.drop_gone();
        self.0.pop_front()
    }

    /// Forgets the first ones who have gone away. Whether anybody waits.
    fn drop_gone(&mut self) -> bool {
        while self.0.front().is_some_and(oneshot::Sender::is_closed) {
            self.0.pop_front();
        }
        !self.0.is_empty()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.hand_on();
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        f.debug_struct("Queue")
            .field("free", &inner.free)
            .field("begin", &inner.begin.0.len())
            .field("go_on", &inner.go_on.0.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = Permit>>>;

    fn poll(waiting: &mut Waiting) -> Option<Permit> {
        let context = &mut Context::from_waker(Waker::noop());
        match waiting.as_mut().poll(context) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    /// One who waits from now on.
    fn waits(queue: &Arc<Queue>, who: Who) -> Waiting {
        let mut waiting: Waiting = Box::pin(Arc::clone(queue).permit(who));
        assert!(poll(&mut waiting).is_none());
        waiting
    }

    fn taken(queue: &Arc<Queue>) -> Permit {
        let mut waiting: Waiting = Box::pin(Arc::clone(queue).permit(Who::Begins));
        poll(&mut waiting).unwrap()
    }

    #[test]
    fn who_goes_on_comes_before_who_begins() {
        let queue = Queue::new(1);
        let held = taken(&queue);
        let mut begins = waits(&queue, Who::Begins);
        let mut goes_on = [(); 2].map(|()| waits(&queue, Who::GoesOn));
        drop(held);
        for one in &mut goes_on {
            assert!(poll(&mut begins).is_none());
            drop(poll(one).unwrap());
        }
        assert!(poll(&mut begins).is_some());
    }

    #[test]
    fn who_begins_does_not_wait_for_ever() {
        let queue = Queue::new(1);
        let mut held = taken(&queue);
        let mut begins = waits(&queue, Who::Begins);
        for number in 0.. {
            let mut goes_on = waits(&queue, Who::GoesOn);
            drop(held);
            if let Some(permit) = poll(&mut begins) {
                assert_eq!(number, IN_A_ROW);
                drop(permit);
                assert!(poll(&mut goes_on).is_some());
                break;
            }
            held = poll(&mut goes_on).unwrap();
        }
        // Who waits for nobody has not used up anything.
        assert_eq!(queue.inner().in_a_row, 0);
    }

    #[test]
    fn who_goes_away_loses_nobody_his_permit() {
        let queue = Queue::new(1);
        for who in [Who::Begins, Who::GoesOn] {
            // Before it was given to him, and after.
            for given in [false, true] {
                let held = taken(&queue);
                let (gone, mut next) = (waits(&queue, who), waits(&queue, who));
                if given {
                    drop(held);
                    drop(gone);
                } else {
                    drop(gone);
                    drop(held);
                }
                assert!(poll(&mut next).is_some(), "{who:?}, {given}");
                assert_eq!(queue.inner().free, 1);
            }
        }
        // Those who have gone leave nothing behind, though nobody gives a permit back.
        let _held = taken(&queue);
        for _ in 0..100 {
            drop(waits(&queue, Who::Begins));
        }
        assert!(queue.inner().begin.0.len() <= 1);
    }
}
