//! Servers that do not answer, and how long they are left alone.
//!
//! A domain whose searches fail one after another rests: for [`Pace::retry`], then twice as long each time, ten times
//! as long at most. After a rest one search goes ahead of the others, which wait for what it comes to.
//!
//! Times are the host's, which may be set back: what came before what is told by [`Order`], which may not.

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
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    domains: HashMap<(LookupSource, Domain), Rest>,
    last: Order,
}

/// When something happened: after all that has a smaller number, whatever the clock said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order(u64);

#[derive(Debug)]
struct Rest {
    /// Failures without an answer between them.
    failures: u32,
    /// Until when nobody is asked; meaningless below [`FAILURES`].
    until: Time,
    /// When that was set.
    set: Order,
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
    /// It may, and begins now.
    Ask(Order),
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
        let mut inner = self.inner();
        let begins = inner.next();
        let Some(rest) = inner.domains.get_mut(&(source, domain.clone())) else {
            return Turn::Ask(begins);
        };
        if rest.failures < FAILURES {
            return Turn::Ask(begins);
        }
        if rest.goes_on(now, pace) {
            return Turn::Rest(rest.until);
        }
        if let Some(ahead) = &rest.ahead
            && is_before(now, ahead.until, pace.patience)
        {
            return Turn::Wait(ahead.done.subscribe());
        }
        rest.ahead = Some(Ahead {
            until: later(now, pace.patience),
            done: watch::Sender::new(()),
        });
        Turn::Ask(begins)
    }

    /// It has answered. Says whether it had failed before.
    pub(super) fn answered(&self, source: LookupSource, domain: &Domain) -> bool {
        let mut inner = self.inner();
        inner.domains.remove(&(source, domain.clone())).is_some()
    }

    /// A search that began then has found, at `now`, nobody who answers, or who asks to be left alone for `wanted`
    /// seconds.
    pub(super) fn failed(
        &self,
        (source, domain): (LookupSource, &Domain),
        (began, now): (Order, Time),
        wanted: Option<i64>,
        pace: Pace,
    ) -> Failed {
        let inner = &mut *self.inner();
        let set = inner.next();
        let domains = &mut inner.domains;
        if domains.len() >= MOST {
            domains.retain(|_, rest| rest.goes_on(now, pace));
        }
        // Where all of them rest, who comes is not remembered, and asked.
        if domains.len() >= MOST {
            return Failed::Again;
        }
        let rest = domains.entry((source, domain.clone())).or_insert(Rest {
            failures: 0,
            until: now,
            set,
            ahead: None,
        });
        // Those that were under way when the rest began say nothing new.
        if rest.failures >= FAILURES && began < rest.set {
            return Failed::Again;
        }
        rest.ahead = None;
        rest.failures = rest.failures.saturating_add(1);
        let doublings = rest.failures.saturating_sub(FAILURES).min(10);
        let rests = pace.retry.saturating_mul(1 << doublings);
        let rests = rests.max(wanted.unwrap_or(0)).min(pace.longest());
        rest.until = later(now, rests);
        rest.set = set;
        match rest.failures {
            0 | 1 => Failed::First,
            FAILURES.. => Failed::Rests(rest.until),
            _ => Failed::Again,
        }
    }

    /// How many domains rest at `now`.
    pub(super) fn count(&self, now: Time) -> usize {
        let inner = self.inner();
        let resting = inner
            .domains
            .values()
            .filter(|rest| rest.failures >= FAILURES && now < rest.until);
        resting.count()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    const fn next(&mut self) -> Order {
        self.last.0 = self.last.0.saturating_add(1);
        self.last
    }
}

impl Rest {
    /// Whether nobody is asked at `now`. A search may have begun before the rest did.
    fn goes_on(&self, now: Time, pace: Pace) -> bool {
        let longest = pace.longest().saturating_add(pace.patience);
        is_before(now, self.until, longest)
    }
}

/// Whether `until` is still to come. A clock that was set back must not make that longer than `longest` seconds.
fn is_before(now: Time, until: Time, longest: i64) -> bool {
    now < until && until.unix().saturating_sub(now.unix()) <= longest
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

    /// A search that has just begun fails.
    fn failed(rests: &Rests, now: Time, wanted: Option<i64>) -> Failed {
        let began = rests.inner().next();
        rests.failed((SOURCE, &domain()), (began, now), wanted, PACE)
    }

    /// Until when it rests; `None` where it may be asked.
    fn rests_until(rests: &Rests, now: Time) -> Option<Time> {
        match rests.turn((SOURCE, &domain()), now, PACE) {
            Turn::Ask(_) => None,
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
        assert!(matches!(elsewhere, Turn::Ask(_)));
    }

    #[test]
    fn a_shorter_pace_is_shorter_all_along() {
        let (rests, pace) = (Rests::default(), Pace { retry: 2, ..PACE });
        let failed = (0..9).map(|time| {
            let now = at(1000 * time);
            let began = rests.inner().next();
            rests.failed((SOURCE, &domain()), (began, now), Some(86_400), pace)
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
            other @ (Turn::Ask(_) | Turn::Rest(_)) => panic!("{other:?}"),
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
        let began: Vec<Order> = (0..1000).map(|_| rests.inner().next()).collect();
        let said = began
            .into_iter()
            .map(|began| rests.failed((SOURCE, &domain()), (began, at(0)), None, PACE));
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
    fn a_server_is_left_alone_also_when_the_clock_was_set_back() {
        let rests = Rests::default();
        (0..3).for_each(|_| {
            failed(&rests, at(1_000_000), None);
        });
        // By more than a rest takes, so that it may be asked: its next failure is a new one all the same.
        let Turn::Ask(began) = rests.turn((SOURCE, &domain()), at(0), PACE) else {
            panic!("it may be asked");
        };
        let said = rests.failed((SOURCE, &domain()), (began, at(1)), None, PACE);
        assert_eq!(said, Failed::Rests(at(121)));
        assert_eq!(rests_until(&rests, at(2)), Some(at(121)));
        assert_eq!(rests_until(&rests, at(121)), None);
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
