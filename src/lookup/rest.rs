//! Servers that do not answer, and how long they are left alone.
//!
//! A domain whose searches fail one after another rests: a minute, then twice as long each time, ten minutes at
//! most. After a rest one search goes ahead of the others, and what it comes to is said of all.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::address::Domain;
use crate::policy::facts::LookupSource;
use crate::x509::Time;

/// Failures, without an answer between them, after which a domain rests: one may be that of a single address.
const FAILURES: u32 = 3;
/// The first rest and the longest, in seconds. Postfix offers a deferred message again after 300 at the least.
const FIRST: i64 = 60;
const LONGEST: i64 = 600;
/// Domains that are remembered. Those whose rest has ended are forgotten first.
const MOST: usize = 100_000;

/// Who rests.
#[derive(Debug, Default)]
pub(super) struct Rests {
    domains: Mutex<HashMap<(LookupSource, Domain), Rest>>,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Failures without an answer between them.
    failures: u32,
    /// Until when nobody is asked; meaningless below [`FAILURES`].
    until: Time,
    /// When that was set.
    set: Time,
    /// Until when the one that goes ahead has time.
    ahead: Option<Time>,
}

impl Rests {
    /// Until when the domain's servers are left alone; `None` says ask.
    ///
    /// Whoever is told to ask after a rest goes ahead: others wait for `patience` seconds longer.
    pub(super) fn until(
        &self,
        source: LookupSource,
        domain: &Domain,
        now: Time,
        patience: i64,
    ) -> Option<Time> {
        let mut domains = self.domains();
        let rest = domains.get_mut(&(source, domain.clone()))?;
        if rest.failures < FAILURES {
            return None;
        }
        let until = rest.ahead.unwrap_or(rest.until).max(rest.until);
        // A clock that was set back must not make it long.
        if now < until && until.unix().saturating_sub(now.unix()) <= LONGEST.max(patience) {
            return Some(until);
        }
        rest.ahead = Some(later(now, patience));
        None
    }

    /// It has answered.
    pub(super) fn answered(&self, source: LookupSource, domain: &Domain) {
        self.domains().remove(&(source, domain.clone()));
    }

    /// A search that was begun at `began` has found nobody who answers, or who asks to be left alone for `wanted`
    /// seconds.
    pub(super) fn failed(
        &self,
        (source, domain): (LookupSource, &Domain),
        began: Time,
        now: Time,
        wanted: Option<i64>,
    ) {
        let mut domains = self.domains();
        if domains.len() >= MOST {
            domains.retain(|_, rest| now < rest.until);
        }
        // Where all of them rest, who comes is not remembered, and asked.
        if domains.len() >= MOST {
            return;
        }
        let rest = domains.entry((source, domain.clone())).or_insert(Rest {
            failures: 0,
            until: now,
            set: now,
            ahead: None,
        });
        // Those that were under way when the rest began say nothing new.
        if rest.failures >= FAILURES && began <= rest.set {
            return;
        }
        rest.ahead = None;
        rest.failures = rest.failures.saturating_add(1);
        let doublings = rest.failures.saturating_sub(FAILURES).min(10);
        let rests = (FIRST << doublings).max(wanted.unwrap_or(0)).min(LONGEST);
        rest.until = later(now, rests);
        rest.set = now;
    }

    /// How many domains rest at `now`.
    pub(super) fn count(&self, now: Time) -> usize {
        let domains = self.domains();
        let resting = domains
            .values()
            .filter(|rest| rest.failures >= FAILURES && now < rest.until);
        resting.count()
    }

    fn domains(&self) -> MutexGuard<'_, HashMap<(LookupSource, Domain), Rest>> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `seconds` after `time`, or the end of time.
pub(super) fn later(time: Time, seconds: i64) -> Time {
    Time::from_unix(time.unix().saturating_add(seconds)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: LookupSource = LookupSource::Mcek;

    fn at(seconds: i64) -> Time {
        Time::from_unix(1_800_000_000 + seconds).unwrap()
    }

    fn failed(rests: &Rests, now: Time, wanted: Option<i64>) {
        rests.failed((SOURCE, &domain()), now, now, wanted);
    }

    fn domain() -> Domain {
        "b.example".parse().unwrap()
    }

    #[test]
    fn a_domain_rests_after_three_failures_and_longer_each_time() {
        let rests = Rests::default();
        let mut now = 0;
        for _ in 0..2 {
            failed(&rests, at(now), None);
            assert_eq!(rests.until(SOURCE, &domain(), at(now), 20), None);
        }
        for rest in [60, 120, 240, 480, 600, 600] {
            failed(&rests, at(now), None);
            assert_eq!(
                rests.until(SOURCE, &domain(), at(now), 20),
                Some(at(now + rest))
            );
            now += rest;
            assert_eq!(rests.until(SOURCE, &domain(), at(now), 20), None);
        }
        assert_eq!(
            rests.until(LookupSource::Ldap, &domain(), at(now), 20),
            None
        );
    }

    #[test]
    fn one_goes_ahead_after_a_rest_and_an_answer_ends_it() {
        let rests = Rests::default();
        (0..3).for_each(|_| failed(&rests, at(0), None));
        assert_eq!(rests.count(at(1)), 1);
        assert_eq!(rests.until(SOURCE, &domain(), at(60), 20), None);
        assert_eq!(rests.until(SOURCE, &domain(), at(61), 20), Some(at(80)));
        // It never came back.
        assert_eq!(rests.until(SOURCE, &domain(), at(80), 20), None);
        rests.answered(SOURCE, &domain());
        assert_eq!(rests.until(SOURCE, &domain(), at(81), 20), None);
        failed(&rests, at(81), None);
        assert_eq!(rests.until(SOURCE, &domain(), at(81), 20), None);
    }

    #[test]
    fn searches_that_fail_together_make_one_rest() {
        let rests = Rests::default();
        (0..1000).for_each(|_| failed(&rests, at(0), None));
        assert_eq!(rests.until(SOURCE, &domain(), at(0), 20), Some(at(60)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_long_rest() {
        let rests = Rests::default();
        (0..3).for_each(|_| failed(&rests, at(1_000_000), None));
        assert_eq!(rests.until(SOURCE, &domain(), at(0), 20), None);
    }

    #[test]
    fn a_server_that_asks_to_be_left_alone_is_for_ten_minutes_at_most() {
        let rests = Rests::default();
        (0..3).for_each(|_| failed(&rests, at(0), Some(86_400)));
        assert_eq!(rests.until(SOURCE, &domain(), at(0), 20), Some(at(600)));
    }
}
