//! Questions that are being asked: who asks the same waits for the same answer.
//!
//! A message to many recipients of one domain would else ask for its servers once for each. It also leaves a forger one
//! query to guess instead of many alike (RFC 5452 §5). Nothing is kept: who asks after the answer asks anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::OnceCell;

use crate::lookup::names::DnsFailure;
use crate::lookup::names::Kind;
use crate::lookup::names::Records;

type Key = (String, Kind);
type Answered = OnceCell<Result<Records, DnsFailure>>;

/// All questions that are being asked.
#[derive(Debug, Default)]
pub(super) struct Joined(Mutex<HashMap<Key, Arc<Answered>>>);

/// One who waits for an answer. The question is no longer asked when the last of them is gone.
#[derive(Debug)]
pub(super) struct Place<'a> {
    joined: &'a Joined,
    key: Key,
    /// Ours of the table's; given back under its lock.
    answered: Option<Arc<Answered>>,
}

impl Joined {
    /// Joins those who ask this, or is the first.
    pub(super) fn place(&self, name: &str, kind: Kind) -> Place<'_> {
        let key = (name.to_owned(), kind);
        let answered = Arc::clone(self.asked().entry(key.clone()).or_default());
        Place {
            joined: self,
            key,
            answered: Some(answered),
        }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<Key, Arc<Answered>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The answer: that of whoever asks already, else of `asking`. Where the one who asks goes away, another does.
    pub(super) async fn answer(
        &self,
        asking: impl Future<Output = Result<Records, DnsFailure>>,
    ) -> Result<Records, DnsFailure> {
        match &self.answered {
            Some(answered) => answered.get_or_init(|| asking).await.clone(),
            // Given back on the way out alone.
            None => asking.await,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut asked = self.joined.asked();
        // Places are given out and given back under the same lock, so that the last one sees that it is.
        drop(self.answered.take());
        if asked
            .get(&self.key)
            .is_some_and(|left| Arc::strong_count(left) == 1)
        {
            asked.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use tokio::sync::Barrier;
    use tokio::task::JoinSet;
    use tokio::time::sleep;
    use tokio::time::timeout;

    use super::*;

    /// Asks, and takes its time; counts who does.
    async fn asking(asked: &AtomicUsize) -> Result<Records, DnsFailure> {
        asked.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
        Ok(Records::default())
    }

    #[tokio::test]
    async fn the_same_is_asked_once_at_a_time_and_nothing_is_kept() {
        let (joined, asked) = (Joined::default(), AtomicUsize::new(0));
        let one = async |name, kind| {
            let place = joined.place(name, kind);
            place.answer(asking(&asked)).await
        };
        for times in [1, 2] {
            let (first, second, other, another) = tokio::join!(
                one("a.example", Kind::Mx),
                one("a.example", Kind::Mx),
                one("b.example", Kind::Mx),
                one("a.example", Kind::Tlsa),
            );
            assert_eq!((first, other), (second, another));
            assert_eq!(asked.load(Ordering::Relaxed), 3 * times);
            assert!(joined.asked().is_empty());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_who_leave_at_once_leave_nothing_behind() {
        let joined = Arc::new(Joined::default());
        let asked = Arc::new(AtomicUsize::new(0));
        for _ in 0..200 {
            let all = Arc::new(Barrier::new(8));
            let mut tasks = JoinSet::new();
            for _ in 0..8 {
                let (joined, asked, all) =
                    (Arc::clone(&joined), Arc::clone(&asked), Arc::clone(&all));
                tasks.spawn(async move {
                    let place = joined.place("a.example", Kind::Mx);
                    let answered = place.answer(async {
                        asked.fetch_add(1, Ordering::Relaxed);
                        Ok(Records::default())
                    });
                    let _records = answered.await;
                    all.wait().await;
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
            assert!(joined.asked().is_empty());
        }
    }

    #[tokio::test]
    async fn where_the_one_who_asks_goes_away_another_does() {
        let (joined, asked) = (Joined::default(), AtomicUsize::new(0));
        let place = joined.place("a.example", Kind::Mx);
        let first = timeout(Duration::from_millis(1), async {
            let first = joined.place("a.example", Kind::Mx);
            let never = async {
                asked.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            };
            first.answer(never).await
        });
        let (gone, answer) = tokio::join!(first, place.answer(asking(&asked)));
        assert!(gone.is_err());
        assert_eq!(answer, Ok(Records::default()));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        drop(place);
        assert!(joined.asked().is_empty());
    }
}
