//! Which messages the MTA has offered before and was told to offer again, and which it offers twice at
//! once.
//!
//! A policy counts how long nobody knows a certificate (`defer_for`), and whoever runs us wants to
//! hear of a message that something unforeseen defers again and again. In memory alone: a restart
//! begins the count anew, which defers longer and loses nothing.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::journal::Key;

/// Entries at one time; a queue that is stuck beyond that has other troubles.
const MOST: usize = 100_000;
/// How long an entry is kept: as long as Postfix keeps a message by default.
const KEPT: Duration = Duration::from_secs(5 * 24 * 3600);
/// After so long a silence it is mail of another day, and waits from now on: no MTA lets so much time pass
/// between two attempts.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// The messages that were deferred, and those at hand.
#[derive(Debug, Default)]
pub struct Offers {
    deferred: Mutex<HashMap<Key, Offer>>,
    at_hand: Mutex<HashSet<Key>>,
}

/// The one offer of a message for which something is submitted, until this is dropped.
#[derive(Debug)]
pub struct Alone<'a> {
    offers: &'a Offers,
    key: Key,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    first: Instant,
    last: Instant,
    failures: u32,
}

impl Offer {
    /// Whether another attempt may still belong to it.
    fn is_going_on(&self, now: Instant) -> bool {
        now.duration_since(self.last) < SILENCE && now.duration_since(self.first) < KEPT
    }
}

impl Offers {
    /// Whether none is remembered: then no digest needs to be made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locked().is_empty()
    }

    /// How long ago it was offered first; nothing for one that is new.
    #[must_use]
    pub fn waited(&self, key: &Key, now: Instant) -> Duration {
        let known = self.locked().get(key).copied();
        let known = known.filter(|offer| offer.is_going_on(now));
        known.map_or(Duration::ZERO, |offer| now.duration_since(offer.first))
    }

    /// It was deferred. Returns how often something unforeseen has deferred it, this time included.
    pub fn deferred(&self, key: Key, now: Instant, unforeseen: bool) -> u32 {
        let mut offers = self.locked();
        if offers.len() >= MOST && !offers.contains_key(&key) {
            offers.retain(|_, offer| offer.is_going_on(now));
            if offers.len() >= MOST {
                return u32::from(unforeseen);
            }
        }
        let new = Offer {
            first: now,
            last: now,
            failures: 0,
        };
        let offer = offers.entry(key).or_insert(new);
        if !offer.is_going_on(now) {
            *offer = new;
        }
        offer.last = now;
        offer.failures += u32::from(unforeseen);
        offer.failures
    }

    /// It was answered for good.
    pub fn answered(&self, key: &Key) {
        self.locked().remove(key);
    }

    /// Begins to submit for the message with that key. `None` while the same is done for another offer
    /// of it: both would submit what neither has entered into the journal.
    #[must_use]
    pub fn alone(&self, key: Key) -> Option<Alone<'_>> {
        let mut at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        at_hand.insert(key).then(|| Alone { offers: self, key })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Offer>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let at_hand = self.offers.at_hand.lock();
        at_hand
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_from_its_first_offer_on() {
        let offers = Offers::default();
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        assert_eq!(offers.waited(&[1; 32], start), Duration::ZERO);
        assert_eq!(offers.deferred([1; 32], start, false), 0);
        assert_eq!(offers.deferred([1; 32], start + hour, true), 1);
        assert_eq!(offers.deferred([1; 32], start + hour, true), 2);
        assert_eq!(offers.waited(&[1; 32], start + 2 * hour), 2 * hour);
        offers.answered(&[1; 32]);
        assert!(offers.is_empty());
    }

    #[test]
    fn mail_after_a_day_of_silence_waits_anew() {
        let offers = Offers::default();
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        offers.deferred([1; 32], start, true);
        offers.deferred([1; 32], start + 20 * hour, true);
        assert_eq!(offers.waited(&[1; 32], start + 43 * hour), 43 * hour);
        assert_eq!(offers.waited(&[1; 32], start + 44 * hour), Duration::ZERO);
        assert_eq!(offers.deferred([1; 32], start + 50 * hour, true), 1);
        assert_eq!(offers.waited(&[1; 32], start + 51 * hour), hour);
    }

    #[test]
    fn one_offer_of_a_message_is_at_hand_at_a_time() {
        let offers = Offers::default();
        let first = offers.alone([1; 32]);
        assert!(first.is_some());
        assert!(offers.alone([1; 32]).is_none());
        assert!(offers.alone([2; 32]).is_some());
        drop(first);
        assert!(offers.alone([1; 32]).is_some());
    }
}
