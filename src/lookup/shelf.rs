//! Answers in memory, with a bound on their number and on what they take.
//!
//! An answer and a failure lie beside each other: a failure is never put in the place of an answer, and changes
//! nothing of how long that counts. What was not used since the last look goes first (the clock algorithm).

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::lifetime::CLOCK;
use super::rest::later;
use super::source::Reply;
use crate::address::Domain;
use crate::gateway::search::Owner;
use crate::gateway::search::Said;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Certificate;
use crate::x509::Time;

/// How long a refresh has before another one is begun, in seconds.
const REFRESH: i64 = 60;
/// Certificates of authorities that many answers share.
const SHARED: usize = 2_048;
/// Domains of which it is remembered, for each source, whether they have published; more are asked of the store.
const PUBLISHERS: usize = 100_000;
/// How long that is remembered, in seconds: afterwards an administrator, or another process, may have said otherwise.
const LOOKED: i64 = 60;

/// An answer that counts for a time.
#[derive(Debug)]
pub(super) struct Kept {
    /// It, as it is given to who asks.
    pub(super) reply: Reply,
    /// Whether the domain was known to publish there when it was asked.
    pub(super) expected: bool,
    /// When it was asked.
    pub(super) asked: Time,
    /// Until when it counts.
    pub(super) until: Time,
}

/// Why there was no answer, for a time.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) expected: bool,
    pub(super) asked: Time,
    pub(super) until: Time,
}

/// What lies there for a question.
#[derive(Debug)]
pub(super) enum Lies {
    /// This answer counts; `due` says that it should be asked again before it lapses.
    Answer { kept: Arc<Kept>, due: bool },
    /// It was asked a short while ago, and nobody knew, for this reason.
    Failure(String),
    /// It must be asked.
    Nothing {
        /// Whether the domain is known to have published there, as far as that is known here.
        publishes: Publishes,
    },
}

/// Whether a domain has ever published in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publishes {
    /// The store must be asked.
    Unknown,
    /// It has not.
    No,
    /// It has, for the first time then.
    Since(Time),
}

impl Publishes {
    /// Since when, as far as that is known here.
    pub(super) const fn since(self) -> Option<Time> {
        match self {
            Self::Unknown | Self::No => None,
            Self::Since(since) => Some(since),
        }
    }
}

/// Whose, where, and under which configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) owner: &'a Owner,
    pub(super) source: LookupSource,
    pub(super) configuration: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Shelf {
    entries: usize,
    octets: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_source: BTreeMap<LookupSource, HashMap<Arc<Owner>, Entry>>,
    /// Every entry once, in the order in which it is looked at for eviction.
    clock: VecDeque<(LookupSource, Arc<Owner>)>,
    octets: usize,
    publishers: BTreeMap<LookupSource, HashMap<Domain, Looked>>,
    shared: HashMap<Fingerprint, Certificate>,
}

/// What the store has said of a domain.
#[derive(Clone, Copy, Debug)]
struct Looked {
    since: Option<Time>,
    at: Time,
}

impl Looked {
    fn counts(self, now: Time) -> bool {
        lasts(self.at, later(self.at, LOOKED), now)
    }
}

#[derive(Debug)]
struct Entry {
    configuration: u64,
    kept: Option<Arc<Kept>>,
    failure: Option<Failure>,
    /// From when on it should be asked again.
    refresh: Time,
    used: bool,
    octets: usize,
}

impl Kept {
    fn counts(&self, expected: bool, publishes: Publishes, now: Time) -> bool {
        // An *absent* for want of an answer says nothing of a domain that is known to publish, or may be.
        let is_firm = !matches!(self.reply.said, Said::Absent(_))
            || self.expected
            || (!expected && publishes == Publishes::No);
        is_firm && lasts(self.asked, self.until, now)
    }

    /// The last fifth of its time: there is room for some attempts.
    fn due_from(&self) -> Time {
        let lifetime = self.until.unix().saturating_sub(self.asked.unix());
        later(self.asked, lifetime / 5 * 4)
    }
}

impl Failure {
    fn counts(&self, expected: bool, now: Time) -> bool {
        // That a domain which publishes did not answer says nothing of one that need not.
        (expected || !self.expected) && lasts(self.asked, self.until, now)
    }
}

fn lasts(asked: Time, until: Time, now: Time) -> bool {
    now < until && asked.unix().saturating_sub(now.unix()) <= CLOCK
}

impl Shelf {
    /// Room for so many entries, which together take about so many octets.
    pub(super) fn new(entries: usize, octets: usize) -> Self {
        Self {
            entries,
            octets,
            inner: Mutex::default(),
        }
    }

    /// What lies there at `now`, for who knows (`expected`) that the domain publishes there, or does not know it.
    pub(super) fn find(&self, place: Place<'_>, expected: bool, now: Time) -> Lies {
        let inner = &mut *self.inner();
        let publishes = inner.publishes(place.source, place.owner.domain(), now);
        let expected = expected || publishes.since().is_some();
        let entries = inner.by_source.get_mut(&place.source);
        let entry = entries.and_then(|entries| entries.get_mut(place.owner));
        let Some(entry) = entry.filter(|entry| entry.configuration == place.configuration) else {
            return Lies::Nothing { publishes };
        };
        let failure = entry.failure.as_ref();
        let failure = failure.filter(|failure| failure.counts(expected, now));
        if let Some(kept) = entry
            .kept
            .as_ref()
            .filter(|kept| kept.counts(expected, publishes, now))
        {
            entry.used = true;
            let due = failure.is_none() && now >= entry.refresh;
            if due {
                entry.refresh = later(now, REFRESH);
            }
            let kept = Arc::clone(kept);
            return Lies::Answer { kept, due };
        }
        match failure {
            Some(failure) => {
                entry.used = true;
                Lies::Failure(failure.reason.clone())
            }
            None => Lies::Nothing { publishes },
        }
    }

    /// Puts an answer in the place of the one before it, and of failures.
    pub(super) fn put(&self, place: Place<'_>, mut kept: Kept) -> Arc<Kept> {
        let inner = &mut *self.inner();
        for candidate in &mut kept.reply.candidates {
            for certificate in &mut candidate.chain {
                inner.share(certificate);
            }
        }
        let (refresh, now) = (kept.due_from(), kept.asked);
        let kept = Arc::new(kept);
        let entry = Entry {
            configuration: place.configuration,
            octets: octets_of(&kept.reply),
            kept: Some(Arc::clone(&kept)),
            failure: None,
            refresh,
            used: false,
        };
        inner.insert(place, entry);
        inner.evict(self.entries, self.octets, now);
        kept
    }

    /// Puts a failure beside the answer that lies there, if one does.
    pub(super) fn fail(&self, place: Place<'_>, failure: Failure) {
        let inner = &mut *self.inner();
        let now = failure.asked;
        let entries = inner.by_source.entry(place.source).or_default();
        let entry = entries.get_mut(place.owner);
        if let Some(entry) = entry.filter(|entry| entry.configuration == place.configuration) {
            entry.failure = Some(failure);
            return;
        }
        let entry = Entry {
            configuration: place.configuration,
            octets: FIXED + failure.reason.len(),
            kept: None,
            failure: Some(failure),
            refresh: now,
            used: false,
        };
        inner.insert(place, entry);
        inner.evict(self.entries, self.octets, now);
    }

    /// Takes note of what the store says at `now`: since when the domain has published in that source.
    pub(super) fn note_publishes(
        &self,
        (source, domain): (LookupSource, &Domain),
        since: Option<Time>,
        now: Time,
    ) {
        let mut inner = self.inner();
        let domains = inner.publishers.entry(source).or_default();
        let known = domains.get(domain).filter(|looked| looked.counts(now));
        // Who has read before somebody else wrote does not know better.
        if since.is_none() && known.is_some_and(|looked| looked.since.is_some()) {
            return;
        }
        if domains.len() >= PUBLISHERS {
            domains.clear();
        }
        domains.insert(domain.clone(), Looked { since, at: now });
    }

    /// Whether it has, as far as that is known here.
    pub(super) fn publishes(&self, source: LookupSource, domain: &Domain, now: Time) -> Publishes {
        self.inner().publishes(source, domain, now)
    }

    /// How many entries there are, and about how many octets they take.
    pub(super) fn size(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.clock.len(), inner.octets)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn publishes(&self, source: LookupSource, domain: &Domain, now: Time) -> Publishes {
        let domains = self.publishers.get(&source);
        let looked = domains.and_then(|domains| domains.get(domain));
        match looked.filter(|looked| looked.counts(now)) {
            None => Publishes::Unknown,
            Some(Looked { since: None, .. }) => Publishes::No,
            Some(Looked {
                since: Some(since), ..
            }) => Publishes::Since(*since),
        }
    }

    /// Most of a chain is the same in many answers.
    fn share(&mut self, certificate: &mut Certificate) {
        if self.shared.len() >= SHARED {
            self.shared.clear();
        }
        let shared = self.shared.entry(Fingerprint::of(certificate));
        certificate.clone_from(shared.or_insert_with(|| certificate.clone()));
    }

    fn insert(&mut self, place: Place<'_>, entry: Entry) {
        self.octets = self.octets.saturating_add(entry.octets);
        let entries = self.by_source.entry(place.source).or_default();
        if let Some(there) = entries.get_mut(place.owner) {
            self.octets = self.octets.saturating_sub(there.octets);
            let used = there.used;
            *there = Entry { used, ..entry };
            return;
        }
        let owner = Arc::new(place.owner.clone());
        entries.insert(Arc::clone(&owner), entry);
        self.clock.push_back((place.source, owner));
    }

    /// Makes room: what has lapsed or was not used since it was last looked at goes.
    fn evict(&mut self, entries: usize, octets: usize, now: Time) {
        while self.clock.len() > entries || self.octets > octets {
            let Some((source, owner)) = self.clock.pop_front() else {
                return;
            };
            let of_source = self.by_source.entry(source).or_default();
            let Some(entry) = of_source.get_mut(&owner) else {
                continue;
            };
            let kept = entry.kept.as_ref();
            if entry.used && kept.is_some_and(|kept| lasts(kept.asked, kept.until, now)) {
                entry.used = false;
                self.clock.push_back((source, owner));
                continue;
            }
            self.octets = self.octets.saturating_sub(entry.octets);
            of_source.remove(&owner);
        }
    }
}

/// What an entry takes beside its answer: keys, hash tables, the clock.
const FIXED: usize = 512;

/// About what an answer takes in memory. A certificate that was read takes its octets, and about as many for its names
/// and extensions, of which there are some whatever its key; those of chains are shared.
fn octets_of(reply: &Reply) -> usize {
    let certificates = reply.candidates.iter().map(|candidate| {
        let chain = candidate
            .chain
            .len()
            .saturating_mul(size_of::<Certificate>());
        let own = candidate.certificate.der().len().saturating_mul(2);
        own.saturating_add(chain).saturating_add(FIXED)
    });
    let associations = reply.associations.iter().map(|one| one.data.len() + 64);
    let keys = reply.keys.iter().map(|key| key.spki.len() + 64);
    let reason = reply.said.reason().map_or(0, str::len);
    let all = certificates.chain(associations).chain(keys);
    all.fold(FIXED + reason, usize::saturating_add)
}
