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
    answered: Arc<Answered>,
}

impl Joined {
    /// Joins those who ask this, or is the first.
    pub(super) fn place(&self, name: &str, kind: Kind) -> Place<'_> {
        let key = (name.to_owned(), kind);
        let answered = Arc::clone(self.asked().entry(key.clone()).or_default());
        Place {
            joined: self,
            key,
            answered,
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
        self.answered.get_or_init(|| asking).await.clone()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut asked = self.joined.asked();
        // Ours and the table's: places are given out under the same lock.
        if Arc::strong_count(&self.answered) <= 2 {
            asked.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

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

    #[tokio::test]
    async fn where_the_one_who_asks_goes_away_another_does() {
        let (joined, asked) = (Joined::default(), AtomicUsize::new(0));
        let place = joined.place("a.example", Kind::Mx);
        let first = timeout(Duration::from_millis(1), async {
            let first = joined.place("a.example", Kind::Mx);
            first.answer(asking(&asked)).await
        });
        let (gone, answer) = tokio::join!(first, place.answer(asking(&asked)));
        assert!(gone.is_err());
        assert_eq!(answer, Ok(Records::default()));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        drop(place);
        assert!(joined.asked().is_empty());
    }
}
