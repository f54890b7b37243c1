//! Has this been delivered before, under another envelope? (DESIGN, decision 6)
//!
//! A captured message can be sent again as it is; its signature holds. What was signed, and to whom it
//! was delivered, is remembered for a while, and a second coming from another sender is flagged.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;

/// What was delivered: the SHA-256 digest of the signed content with one recipient, and of the
/// envelope under which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Of the signed content and the recipient.
    pub content: [u8; 32],
    /// Of MAIL FROM and Message-ID.
    pub envelope: [u8; 32],
}

/// What is known about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Delivered before to this recipient, under another envelope.
    Elsewhere,
    /// Not known to have been delivered.
    New,
    /// Delivered before under the same envelope: somebody tried again.
    Same,
}

/// Remembers deliveries.
pub trait Deliveries: fmt::Debug + Send + Sync {
    /// Says whether `delivery` is known; nothing is remembered yet.
    fn seen(&self, delivery: &Delivery) -> Seen;

    /// Remembers `delivery`. What was known first stays.
    fn remember(&self, delivery: &Delivery);
}

/// The most recent deliveries, in memory: a restart forgets them.
#[derive(Debug)]
pub struct RecentDeliveries {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    envelopes: HashMap<[u8; 32], [u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl RecentDeliveries {
    /// Remembers `most` deliveries, each of some 150 octets.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }
}

impl Default for RecentDeliveries {
    /// A hundred thousand: a day of a busy domain, in 15 MB at most.
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl Deliveries for RecentDeliveries {
    fn seen(&self, delivery: &Delivery) -> Seen {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.envelopes.get(&delivery.content) {
            None => Seen::New,
            Some(envelope) if *envelope == delivery.envelope => Seen::Same,
            Some(_) => Seen::Elsewhere,
        }
    }

    fn remember(&self, delivery: &Delivery) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.envelopes.contains_key(&delivery.content) {
            return;
        }
        if known.order.len() >= self.most
            && let Some(oldest) = known.order.pop_front()
        {
            known.envelopes.remove(&oldest);
        }
        known.order.push_back(delivery.content);
        known.envelopes.insert(delivery.content, delivery.envelope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(content: u8, envelope: u8) -> Delivery {
        Delivery {
            content: [content; 32],
            envelope: [envelope; 32],
        }
    }

    #[test]
    fn a_second_coming_under_another_envelope_is_told_from_a_retry() {
        let deliveries = RecentDeliveries::default();
        assert_eq!(deliveries.seen(&delivery(1, 1)), Seen::New);
        deliveries.remember(&delivery(1, 1));
        assert_eq!(deliveries.seen(&delivery(1, 1)), Seen::Same);
        assert_eq!(deliveries.seen(&delivery(1, 2)), Seen::Elsewhere);
        deliveries.remember(&delivery(1, 2));
        assert_eq!(
            deliveries.seen(&delivery(1, 2)),
            Seen::Elsewhere,
            "the first stays"
        );
        assert_eq!(deliveries.seen(&delivery(2, 1)), Seen::New);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let deliveries = RecentDeliveries::new(2);
        for content in 1..=3 {
            deliveries.remember(&delivery(content, 0));
        }
        assert_eq!(deliveries.seen(&delivery(1, 0)), Seen::New);
        assert_eq!(deliveries.seen(&delivery(2, 0)), Seen::Same);
        assert_eq!(deliveries.seen(&delivery(3, 0)), Seen::Same);
    }
}
