//! The store of a process that has no file for it: what is remembered ends with the process.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::Acted;
use super::Entry;
use super::Filter;
use super::KeptAnswer;
use super::Order;
use super::Publisher;
use super::Recalled;
use super::Settled;
use super::Settlement;
use super::State;
use super::Store;
use super::Told;
use super::harvested::Harvested;
use super::rules;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::search::Known;
use crate::gateway::search::Owner;
use crate::gateway::search::Said;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Time;

/// Answers that are kept: the cache in front has its own, and nothing here survives it.
const MOST_ANSWERS: usize = 1_000;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<Owner, Vec<Entry>>,
    publishers: BTreeMap<(Domain, LookupSource), Time>,
    answers: HashMap<(Owner, LookupSource), Recalled>,
    harvest: HashMap<Mailbox, Harvested>,
    last_id: u64,
    generation: u64,
}

impl MemoryStore {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn known<'a>(&'a self, owner: &'a Owner) -> Told<'a, Known> {
        let entries = self.inner().of(owner);
        at_once(rules::known(&entries))
    }

    fn settle<'a>(&'a self, owner: &'a Owner, settlement: Settlement) -> Told<'a, Settled> {
        let mut inner = self.inner();
        let mut entries = inner.of(owner);
        let settled = rules::settle(&mut entries, owner, &settlement);
        inner.replace(owner, entries);
        at_once(settled)
    }

    fn published<'a>(&'a self, domain: &'a Domain, source: LookupSource) -> Told<'a, Option<Time>> {
        let noted = (domain.clone(), source);
        at_once(self.inner().publishers.get(&noted).copied())
    }

    fn note_published<'a>(
        &'a self,
        domain: &'a Domain,
        source: LookupSource,
        now: Time,
    ) -> Told<'a, Time> {
        let noted = (domain.clone(), source);
        at_once(*self.inner().publishers.entry(noted).or_insert(now))
    }

    fn publishers<'a>(
        &'a self,
        domain: Option<&'a Domain>,
        after: Option<&'a Publisher>,
        most: usize,
    ) -> Told<'a, Vec<Publisher>> {
        let inner = self.inner();
        let all = inner.publishers.iter().map(publisher);
        let after = after.map(|one| (&one.domain, one.source));
        let wanted = all.filter(|one| {
            domain.is_none_or(|domain| *domain == one.domain)
                && after.is_none_or(|after| (&one.domain, one.source) > after)
        });
        at_once(wanted.take(most).collect())
    }

    fn forget_publisher<'a>(
        &'a self,
        domain: &'a Domain,
        source: Option<LookupSource>,
    ) -> Told<'a, Vec<Publisher>> {
        let mut inner = self.inner();
        let is_meant = |one: &Publisher| {
            one.domain == *domain && source.is_none_or(|source| source == one.source)
        };
        let all = inner.publishers.iter().map(publisher);
        let forgotten: Vec<Publisher> = all.filter(is_meant).collect();
        for one in &forgotten {
            inner.publishers.remove(&(one.domain.clone(), one.source));
        }
        at_once(forgotten)
    }

    fn answer<'a>(&'a self, owner: &'a Owner, source: LookupSource) -> Told<'a, Recalled> {
        let key = (owner.clone(), source);
        at_once(self.inner().answers.get(&key).cloned().unwrap_or_default())
    }

    fn keep<'a>(
        &'a self,
        owner: &'a Owner,
        source: LookupSource,
        answer: KeptAnswer,
    ) -> Told<'a, ()> {
        let mut inner = self.inner();
        if inner.answers.len() >= MOST_ANSWERS {
            inner.answers.clear();
        }
        let kept = inner.answers.entry((owner.clone(), source)).or_default();
        if matches!(answer.said, Said::Unavailable(_)) {
            kept.failure = Some(answer);
        } else {
            *kept = Recalled {
                answer: Some(answer),
                failure: None,
            };
        }
        at_once(())
    }

    fn harvest(&self, most: usize) -> Told<'_, Vec<Harvested>> {
        at_once(self.inner().harvested_last(most))
    }

    fn shorten_harvest(&self, most: usize) -> Told<'_, usize> {
        let mut inner = self.inner();
        let before = inner.harvest.len();
        let stay = inner.harvested_last(most);
        inner.harvest = stay
            .into_iter()
            .map(|one| (one.mailbox.clone(), one))
            .collect();
        at_once(before - inner.harvest.len())
    }

    fn keep_harvest<'a>(&'a self, kept: Vec<Harvested>, forgotten: Vec<Mailbox>) -> Told<'a, ()> {
        let mut inner = self.inner();
        for one in kept {
            inner.harvest.insert(one.mailbox.clone(), one);
        }
        for mailbox in &forgotten {
            inner.harvest.remove(mailbox);
        }
        at_once(())
    }

    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<u64>,
        most: usize,
    ) -> Told<'a, Vec<Entry>> {
        let mut all = self
            .inner()
            .all(|entry| filter.lets_through(entry) && after.is_none_or(|after| entry.id > after));
        all.truncate(most);
        at_once(all)
    }

    fn show<'a>(&'a self, fingerprint: &'a Fingerprint) -> Told<'a, Vec<Entry>> {
        at_once(self.inner().all(|entry| entry.fingerprint == *fingerprint))
    }

    fn act<'a>(&'a self, order: Order) -> Told<'a, Acted> {
        at_once(self.inner().act(&order))
    }

    fn generation(&self) -> Told<'_, u64> {
        at_once(self.inner().generation)
    }

    fn pending(&self) -> Told<'_, u64> {
        let inner = self.inner();
        let all = inner.entries.values().flatten();
        let pending = all.filter(|entry| entry.state == State::Pending).count();
        at_once(u64::try_from(pending).unwrap_or(u64::MAX))
    }
}

impl Inner {
    /// Those that were seen last, at most so many.
    fn harvested_last(&self, most: usize) -> Vec<Harvested> {
        let mut all: Vec<Harvested> = self.harvest.values().cloned().collect();
        all.sort_by_cached_key(|one| (Reverse(one.seen), one.mailbox.to_string()));
        all.truncate(most);
        all
    }

    fn of(&self, owner: &Owner) -> Vec<Entry> {
        self.entries.get(owner).cloned().unwrap_or_default()
    }

    /// Those that `wanted` lets through, in the order of their numbers.
    fn all(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut all: Vec<Entry> = self
            .entries
            .values()
            .flatten()
            .filter(|entry| wanted(entry))
            .cloned()
            .collect();
        all.sort_by_key(|entry| entry.id);
        all
    }

    fn replace(&mut self, owner: &Owner, mut entries: Vec<Entry>) {
        if self.of(owner) == entries {
            return;
        }
        for entry in entries.iter_mut().filter(|entry| entry.id == 0) {
            self.last_id += 1;
            entry.id = self.last_id;
        }
        self.generation += 1;
        self.entries.insert(owner.clone(), entries);
    }

    fn act(&mut self, order: &Order) -> Acted {
        let of_order = |entry: &Entry| {
            entry.fingerprint == order.fingerprint
                && order.owner.as_ref().is_none_or(|own| *own == entry.owner)
        };
        let held = self.all(of_order);
        if held.is_empty() {
            return Acted::NotHeld;
        }
        let mut changed = Vec::new();
        for entry in held {
            let mut entries = self.of(&entry.owner);
            if let Err(why) = rules::act(&mut entries, order) {
                return Acted::Refused(why);
            }
            changed.push((entry.owner, entries));
        }
        for (owner, entries) in changed {
            self.replace(&owner, entries);
        }
        Acted::Done(self.all(of_order))
    }
}

fn publisher(((domain, source), since): (&(Domain, LookupSource), &Time)) -> Publisher {
    Publisher {
        domain: domain.clone(),
        source: *source,
        since: *since,
    }
}

fn at_once<'a, T: Send + 'a>(told: T) -> Told<'a, T> {
    Box::pin(std::future::ready(Ok(told)))
}
