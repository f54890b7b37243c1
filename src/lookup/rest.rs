//! Servers that do not answer, and how long they are left alone.
//!
//! A domain whose searches fail one after another rests: for [`Pace::retry`], then twice as long each time, ten times
//! as long at most. After a rest one search goes ahead of the others, which wait for what it comes to.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use crate::address::Domain;
use crate::policy::facts::LookupSource;
use crate::x509::Time;

/// Failures, without an answer between them, after which a domain rests: one may be that of a single address.
const FAILURES: u32 = 3;
/// The longest rest, in first ones.
const LONGEST: i64 = 10;
/// Domains that are remembered. Those whose rest has ended are forgotten first.
const MOST: usize = 100_000;

/// How soon who could not answer is asked again, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The first rest.
    pub(super) retry: i64,
    /// How long a search may go on.
    pub(super) patience: i64,
}

impl Pace {
    /// The longest rest.
    pub(super) const fn longest(self) -> i64 {
        self.retry.saturating_mul(LONGEST)
    }
}

/// Who rests.
#[derive(Debug, Default)]
pub(super) struct Rests {
    domains: Mutex<HashMap<(LookupSource, Domain), Rest>>,
}

#[derive(Debug)]
struct Rest {
    /// Failures without an answer between them.
    failures: u32,
    /// Until when nobody is asked; meaningless below [`FAILURES`].
    until: Time,
    /// When that was set.
    set: Time,
    /// The search that goes ahead, after the rest.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
struct Ahead {
    /// Until when it has time.
    until: Time,
    /// Goes with this value, and tells who waits by that.
    done: watch::Sender<()>,
}

/// Whether a search may ask.
#[derive(Debug)]
pub(super) enum Turn {
    /// It may.
    Ask,
    /// Not before that time.
    Rest(Time),
    /// Not before the search that has gone ahead is done, which drops the other end of this.
    Wait(watch::Receiver<()>),
}

/// What a failure was, for who tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// One more of those that are known.
    Again,
    /// The first since the last answer.
    First,
    /// The domain is left alone from now on until then.
    Rests(Time),
}

impl Rests {
    /// Whether the domain's servers may be asked. Whoever may after a rest goes ahead of the others.
    pub(super) fn turn(
        &self,
        (source, domain): (LookupSource, &Domain),
        now: Time,
        pace: Pace,
    ) -> Turn {
        let mut domains = self.domains();
        let Some(rest) = domains.get_mut(&(source, domain.clone())) else {
            return Turn::Ask;
        };
        if rest.failures < FAILURES {
            return Turn::Ask;
        }
        // A clock that was set back must not make it long.
        let is_before = |until: Time, longest: i64| {
            now < until && until.unix().saturating_sub(now.unix()) <= longest
        };
        // A search may have begun before the rest did.
        let longest = pace.longest().saturating_add(pace.patience);
        if is_before(rest.until, longest) {
            return Turn::Rest(rest.until);
        }
        if let Some(ahead) = &rest.ahead
            && is_before(ahead.until, pace.patience)
        {
            return Turn::Wait(ahead.done.subscribe());
        }
        rest.ahead = Some(Ahead {
            until: later(now, pace.patience),
            done: watch::Sender::new(()),
        });
        Turn::Ask
    }

    /// It has answered. Says whether it had failed before.
    pub(super) fn answered(&self, source: LookupSource, domain: &Domain) -> bool {
        self.domains().remove(&(source, domain.clone())).is_some()
    }

    /// A search has found nobody who answers, or who asks to be left alone for `wanted` seconds.
    pub(super) fn failed(
        &self,
        (source, domain): (LookupSource, &Domain),
        (began, now): (Time, Time),
        wanted: Option<i64>,
        pace: Pace,
    ) -> Failed {
        let mut domains = self.domains();
        if domains.len() >= MOST {
            domains.retain(|_, rest| now < rest.until);
        }
        // Where all of them rest, who comes is not remembered, and asked.
        if domains.len() >= MOST {
            return Failed::Again;
        }
        let rest = domains.entry((source, domain.clone())).or_insert(Rest {
            failures: 0,
            until: now,
            set: now,
            ahead: None,
        });
        // Those that were under way when the rest began say nothing new.
        if rest.failures >= FAILURES && began <= rest.set {
            return Failed::Again;
        }
        rest.ahead = None;
        rest.failures = rest.failures.saturating_add(1);
        let doublings = rest.failures.saturating_sub(FAILURES).min(10);
        let rests = pace.retry.saturating_mul(1 << doublings);
        let rests = rests.max(wanted.unwrap_or(0)).min(pace.longest());
        rest.until = later(now, rests);
        rest.set = now;
        match rest.failures {
            0 | 1 => Failed::First,
            FAILURES.. => Failed::Rests(rest.until),
            _ => Failed::Again,
        }
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

    /// That of the default configuration.
    const PACE: Pace = Pace {
        retry: 60,
        patience: 20,
    };

    fn at(seconds: i64) -> Time {
        Time::from_unix(1_800_000_000 + seconds).unwrap()
    }

    fn failed(rests: &Rests, now: Time, wanted: Option<i64>) -> Failed {
        rests.failed((SOURCE, &domain()), (now, now), wanted, PACE)
    }

    /// Until when it rests; `None` where it may be asked.
    fn rests_until(rests: &Rests, now: Time) -> Option<Time> {
        match rests.turn((SOURCE, &domain()), now, PACE) {
            Turn::Ask => None,
            Turn::Rest(until) => Some(until),
            Turn::Wait(_) => panic!("nobody has gone ahead"),
        }
    }

    fn domain() -> Domain {
        "b.example".parse().unwrap()
    }

    #[test]
    fn a_domain_rests_after_three_failures_and_longer_each_time() {
        let rests = Rests::default();
        let mut now = 0;
        for said in [Failed::First, Failed::Again] {
            assert_eq!(failed(&rests, at(now), None), said);
            assert_eq!(rests_until(&rests, at(now)), None);
        }
        for rest in [60, 120, 240, 480, 600, 600] {
            let until = at(now + rest);
            assert_eq!(failed(&rests, at(now), None), Failed::Rests(until));
            assert_eq!(rests_until(&rests, at(now)), Some(until));
            now += rest;
            assert_eq!(rests_until(&rests, at(now)), None);
        }
        let elsewhere = rests.turn((LookupSource::Ldap, &domain()), at(now), PACE);
        assert!(matches!(elsewhere, Turn::Ask));
    }

    #[test]
    fn a_shorter_pace_is_shorter_all_along() {
        let (rests, pace) = (Rests::default(), Pace { retry: 2, ..PACE });
        let failed = (0..9).map(|time| {
            let now = at(1000 * time);
            rests.failed((SOURCE, &domain()), (now, now), Some(86_400), pace)
        });
        assert_eq!(failed.last(), Some(Failed::Rests(at(8020))));
    }

    #[test]
    fn one_goes_ahead_after_a_rest_and_the_others_wait_for_what_it_comes_to() {
        let rests = Rests::default();
        (0..3).for_each(|_| {
            failed(&rests, at(0), None);
        });
        assert_eq!(rests.count(at(1)), 1);
        let waits = |now| match rests.turn((SOURCE, &domain()), now, PACE) {
            Turn::Wait(done) => done,
            other @ (Turn::Ask | Turn::Rest(_)) => panic!("{other:?}"),
        };
        assert_eq!(rests_until(&rests, at(60)), None);
        let done = waits(at(61));
        assert!(done.has_changed().is_ok());
        failed(&rests, at(62), None);
        assert!(done.has_changed().is_err());
        assert_eq!(rests_until(&rests, at(62)), Some(at(182)));

        assert_eq!(rests_until(&rests, at(182)), None);
        let done = waits(at(183));
        // It never came back: another one goes.
        assert_eq!(rests_until(&rests, at(202)), None);
        assert!(done.has_changed().is_err());
        let done = waits(at(203));
        assert!(rests.answered(SOURCE, &domain()));
        assert!(done.has_changed().is_err());
        assert_eq!(rests_until(&rests, at(203)), None);
        assert!(!rests.answered(SOURCE, &domain()));
        assert_eq!(failed(&rests, at(204), None), Failed::First);
        assert_eq!(rests_until(&rests, at(204)), None);
    }

    #[test]
    fn searches_that_fail_together_make_one_rest() {
        let rests = Rests::default();
        let said = (0..1000).map(|_| failed(&rests, at(0), None));
        assert_eq!(said.filter(|said| *said != Failed::Again).count(), 2);
        assert_eq!(rests_until(&rests, at(0)), Some(at(60)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_long_rest() {
        let rests = Rests::default();
        (0..3).for_each(|_| {
            failed(&rests, at(1_000_000), None);
        });
        assert_eq!(rests_until(&rests, at(0)), None);
    }

    #[test]
    fn a_server_that_asks_to_be_left_alone_is_for_ten_minutes_at_most() {
        let rests = Rests::default();
        (0..3).for_each(|_| {
            failed(&rests, at(0), Some(86_400));
        });
        assert_eq!(rests_until(&rests, at(0)), Some(at(600)));
    }
}
