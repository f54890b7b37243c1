//! A source whose answers are kept: in memory, else in the store, else it is asked.
//!
//! What is kept is what a source said, never a judgement: paths, dates and revocation are looked at each time.
//! *Unavailable* is kept for a minute, or as the configuration says, and never in the place of an answer. One [`Cache`]
//! serves all sources and outlives a change of the configuration.

mod bounds;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::flights::Awaited;
use super::flights::Flight;
use super::flights::Flights;
use super::flights::Key;
use super::lifetime::ABSENT;
use super::lifetime::FOUND;
use super::lifetime::Lifetime;
use super::lifetime::RETRY;
use super::lifetime::seconds;
use super::rest::Failed;
use super::rest::Order;
use super::rest::Pace;
use super::rest::Rests;
use super::rest::Turn;
use super::rest::later;
use super::shelf::Failure;
use super::shelf::Kept;
use super::shelf::Lies;
use super::shelf::Place;
use super::shelf::Publishes;
use super::shelf::Shelf;
use super::source::Expected;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use crate::address::Domain;
use crate::gateway::certificates::Answer;
use crate::gateway::judge::chain;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;
use crate::store::KeptAnswer;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Told;
use crate::x509::Time;

pub use bounds::Bounds;

/// How much longer than the deadline a source may take to notice it.
const GRACE: Duration = Duration::from_secs(1);

/// What is kept of all sources.
pub struct Cache {
    store: Arc<dyn Store>,
    patience: Duration,
    shelf: Shelf,
    rests: Rests,
    flights: Arc<Flights>,
    under_way: Arc<Semaphore>,
    refreshes: Arc<Semaphore>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    joined: AtomicU64,
    misses: AtomicU64,
    refreshed: AtomicU64,
    store_failures: AtomicU64,
}

/// What a [`Cache`] has done so far, and what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Questions that were answered from memory.
    pub hits: u64,
    /// Questions that waited for a search which was under way.
    pub joined: u64,
    /// Questions that began a search.
    pub misses: u64,
    /// Searches that nobody waited for, to refresh an answer.
    pub refreshed: u64,
    /// Questions of ours that the store did not answer.
    pub store_failures: u64,
    /// Answers in memory.
    pub entries: usize,
    /// About how many octets they take.
    pub octets: usize,
    /// Searches under way.
    pub under_way: usize,
}

impl Cache {
    /// An empty one before `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, bounds: Bounds) -> Arc<Self> {
        let permits = |wanted: usize| Arc::new(Semaphore::new(wanted.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self {
            store,
            patience: bounds.patience,
            shelf: Shelf::new(bounds.entries, bounds.octets),
            rests: Rests::default(),
            flights: Arc::default(),
            under_way: permits(bounds.under_way),
            refreshes: permits(bounds.refreshes),
            counters: Counters::default(),
        })
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let (entries, octets) = self.shelf.size();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounts {
            hits: read(&self.counters.hits),
            joined: read(&self.counters.joined),
            misses: read(&self.counters.misses),
            refreshed: read(&self.counters.refreshed),
            store_failures: read(&self.counters.store_failures),
            entries,
            octets,
            under_way: self.flights.count(),
        }
    }

    /// How many servers are left alone at `now`, those of each source and domain counted as one.
    #[must_use]
    pub fn resting(&self, now: Time) -> usize {
        self.rests.count(now)
    }

    /// The store does not answer: nobody knows, and least of all whether the domain has published before.
    fn broken(&self, error: &StoreError) -> Reply {
        count(&self.counters.store_failures);
        Reply::unavailable(chain(error))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.store)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// A source behind a [`Cache`].
#[derive(Clone, Debug)]
pub struct Cached {
    source: Arc<dyn Source>,
    cache: Arc<Cache>,
    configuration: u64,
    retry: Duration,
}

impl Cached {
    /// Puts `cache` before `source`. Answers that were kept under another `configuration` do not count: a number that
    /// is another one whenever the source would be asked in another way.
    #[must_use]
    pub const fn new(source: Arc<dyn Source>, cache: Arc<Cache>, configuration: u64) -> Self {
        Self {
            source,
            cache,
            configuration,
            retry: RETRY,
        }
    }

    /// The same; *unavailable* counts for `retry`, and for ten times as long at most where the server asks for it, or
    /// goes on failing.
    #[must_use]
    pub const fn with_retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }

    fn pace(&self) -> Pace {
        Pace {
            retry: seconds(self.retry.as_secs()),
            patience: seconds(self.cache.patience.as_secs()),
        }
    }
}

impl Source for Cached {
    fn name(&self) -> LookupSource {
        self.source.name()
    }

    fn covers(&self, subject: Subject<'_>) -> bool {
        self.source.covers(subject)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        let place = self.place(question);
        match self
            .cache
            .shelf
            .find(place, question.expected.is_expected(), question.now)
        {
            Lies::Answer { kept, due: false } => {
                count(&self.cache.counters.hits);
                Box::pin(std::future::ready(kept.reply.clone()))
            }
            Lies::Answer { kept, due: true } => Box::pin(async move {
                count(&self.cache.counters.hits);
                self.refresh(question);
                kept.reply.clone()
            }),
            Lies::Failure(reason) => {
                count(&self.cache.counters.hits);
                Box::pin(std::future::ready(failed(reason)))
            }
            Lies::Nothing { publishes } => {
                let expected = question.expected.or_found(publishes.since());
                Box::pin(self.wait_for(question, expected))
            }
        }
    }

    fn believed<'a>(&'a self, domain: &'a Domain, now: Time) -> Told<'a, ()> {
        let Self { source, cache, .. } = self;
        match cache.shelf.publishes(source.name(), domain, now) {
            Publishes::Since(_) => Box::pin(std::future::ready(Ok(()))),
            Publishes::Unknown | Publishes::No => Box::pin(self.note_published(domain, now)),
        }
    }
}

impl Cached {
    /// Joins the search, or begins it; and waits until the deadline of who asks.
    async fn wait_for(&self, question: &Question, expected: Expected) -> Reply {
        let awaited = self.search(question, expected, None);
        let counters = &self.cache.counters;
        count(if awaited.joined {
            &counters.joined
        } else {
            &counters.misses
        });
        match timeout_at(question.deadline, awaited.reply()).await {
            Ok(Some(reply)) => Reply::clone(&reply),
            Ok(None) => Reply::unavailable("the search was broken off by a fault of domsec"),
            Err(_) => Reply::unavailable("there was no answer in time; the search goes on"),
        }
    }

    /// Asks again, in the background, what is about to lapse; unless enough are being asked.
    fn refresh(&self, question: &Question) {
        if let Ok(permit) = Arc::clone(&self.cache.refreshes).try_acquire_owned() {
            count(&self.cache.counters.refreshed);
            let domain = question.subject.domain();
            let shelf = &self.cache.shelf;
            let publishes = shelf.publishes(self.name(), domain, question.now);
            let expected = question.expected.or_found(publishes.since());
            // Nobody waits.
            let _awaited = self.search(question, expected, Some(permit));
        }
    }

    fn search(
        &self,
        question: &Question,
        expected: Expected,
        refresh: Option<OwnedSemaphorePermit>,
    ) -> Awaited {
        let question = Question {
            expected,
            // Who comes later may have more time than who was first.
            deadline: question.deadline.max(Instant::now() + self.cache.patience),
            ..question.clone()
        };
        let key = Key {
            owner: question.subject.clone(),
            source: self.name(),
            configuration: self.configuration,
            expected: expected.is_expected(),
        };
        self.cache.flights.join(key, |flight| {
            let search = OneSearch {
                of: self.clone(),
                question,
            };
            tokio::spawn(search.run(flight, refresh));
        })
    }

    /// Takes note, for ever, that the domain publishes there: afterwards nobody who breaks the way there can make it
    /// *absent*.
    async fn note_published(&self, domain: &Domain, now: Time) -> Result<(), StoreError> {
        let Self { source, cache, .. } = self;
        let of_domain = (source.name(), domain);
        let since = cache
            .store
            .note_published(domain, source.name(), now)
            .await?;
        cache.shelf.note_publishes(of_domain, Some(since), now);
        Ok(())
    }

    fn place<'a>(&self, question: &'a Question) -> Place<'a> {
        Place {
            owner: &question.subject,
            source: self.source.name(),
            configuration: self.configuration,
        }
    }
}

/// One search, in its own task.
struct OneSearch {
    of: Cached,
    question: Question,
}

/// How a search begins.
enum Begun {
    /// The source is to be asked, since then.
    Asks(Order),
    /// With its end.
    Known(Reply),
}

impl OneSearch {
    async fn run(mut self, flight: Flight, refresh: Option<OwnedSemaphorePermit>) {
        let reply = match self.remembered(refresh.is_some()).await {
            Ok(Begun::Known(reply)) => reply,
            Err(error) => self.of.cache.broken(&error),
            Ok(Begun::Asks(began)) => {
                let (reply, kept) = self.asked(began).await;
                flight.tell(reply);
                // After who waits has been told; before the next search of the same.
                if let Some(kept) = kept {
                    self.keep(kept).await;
                }
                return;
            }
        };
        flight.tell(reply);
    }

    /// What need not be asked: what is kept, and of whom nothing is asked now.
    async fn remembered(&mut self, refresh: bool) -> Result<Begun, StoreError> {
        let Cached { source, cache, .. } = &self.of;
        let (source, domain) = (source.name(), self.question.subject.domain());
        if !self.question.expected.is_expected() {
            let since = cache.store.published(domain, source).await?;
            let of_domain = (source, domain);
            cache
                .shelf
                .note_publishes(of_domain, since, self.question.now);
            self.question.expected = Expected::No.or_found(since);
        }
        if !refresh && let Some(reply) = self.kept().await? {
            return Ok(Begun::Known(reply));
        }
        Ok(self.begun().await)
    }

    /// What is said of a domain that is not asked now. Waits for a search that has gone ahead.
    async fn begun(&self) -> Begun {
        let Cached { source, cache, .. } = &self.of;
        let domain = self.question.subject.domain();
        let of_domain = (source.name(), domain);
        loop {
            match cache
                .rests
                .turn(of_domain, self.question.now, self.of.pace())
            {
                Turn::Ask(began) => return Begun::Asks(began),
                Turn::Rest(until) => {
                    return Begun::Known(failed(format!(
                        "{domain} did not answer several times, and is left alone until {until}"
                    )));
                }
                Turn::Wait(mut ahead) => {
                    // Nothing is ever sent: it changes by its end.
                    let ended = timeout_at(self.question.deadline, ahead.changed()).await;
                    if ended.is_err() {
                        return Begun::Known(failed(format!(
                            "{domain} did not answer several times, and does not yet"
                        )));
                    }
                }
            }
        }
    }

    /// What lies in memory by now, or in the store.
    async fn kept(&self) -> Result<Option<Reply>, StoreError> {
        let Cached { cache, .. } = &self.of;
        let Question { expected, now, .. } = self.question;
        let expected = expected.is_expected();
        let place = self.of.place(&self.question);
        let lies = |lies| match lies {
            Lies::Answer { kept, .. } => Some(kept.reply.clone()),
            Lies::Failure(reason) => Some(failed(reason)),
            Lies::Nothing { .. } => None,
        };
        if let Some(reply) = lies(cache.shelf.find(place, expected, now)) {
            return Ok(Some(reply));
        }
        let recalled = cache.store.answer(place.owner, place.source).await?;
        let of_ours =
            |kept: &KeptAnswer| kept.configuration == self.of.configuration && now < kept.until;
        if let Some(answer) = recalled.answer.filter(of_ours) {
            cache.shelf.put(place, Kept::from(answer));
        }
        if let Some(failure) = recalled.failure.filter(of_ours) {
            let reason = failure.said.reason().unwrap_or_default().to_owned();
            let failure = Failure {
                reason,
                expected: failure.expected,
                asked: failure.asked,
                until: failure.until,
            };
            cache.shelf.fail(place, failure);
        }
        Ok(lies(cache.shelf.find(place, expected, now)))
    }

    /// Asks the source, and takes note of what it says; returns what is to be kept in the store.
    async fn asked(&self, began: Order) -> (Reply, Option<KeptAnswer>) {
        let Cached { source, cache, .. } = &self.of;
        let question = &self.question;
        let permit = timeout_at(question.deadline, cache.under_way.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return (Reply::unavailable("too many searches are under way"), None);
        };
        let since = Instant::now();
        let reply = timeout_at(question.deadline + GRACE, source.ask(question)).await;
        let reply = reply.unwrap_or_else(|_| Reply::unavailable("there was no answer in time"));
        let elapsed = i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX);
        let now = later(question.now, elapsed);
        let (source, domain) = (source.name(), question.subject.domain());
        let pace = self.of.pace();
        let lifetime = match &reply.said {
            Said::Unavailable(_) => Lifetime::of_failure(pace),
            Said::Absent(_) | Said::Invalid(_) => ABSENT,
            Said::Found => FOUND,
        };
        let until = later(now, lifetime.of(reply.lifetime));
        let place = self.of.place(question);
        if let Said::Unavailable(reason) = &reply.said {
            let wanted = reply.lifetime.map(|wanted| seconds(wanted.as_secs()));
            let times = (began, now);
            let noted = cache.rests.failed((source, domain), times, wanted, pace);
            tell_of_failure((source, domain), reason, noted);
            let failure = Failure {
                reason: reason.clone(),
                expected: question.expected.is_expected(),
                asked: now,
                until,
            };
            cache.shelf.fail(place, failure);
        } else {
            if cache.rests.answered(source, domain) {
                tracing::info!(%domain, source = source.as_str(), "certificates can be looked up there again");
            }
            // Before anybody hears what was found.
            let noted = match reply.proves_publication() {
                true => self.of.believed(domain, now).await,
                false => Ok(()),
            };
            if let Err(error) = noted {
                return (cache.broken(&error), None);
            }
            let kept = Kept {
                reply: Reply {
                    cached: true,
                    ..reply.clone()
                },
                expected: question.expected.is_expected(),
                asked: now,
                until,
            };
            cache.shelf.put(place, kept);
        }
        let kept = self.to_be_kept(&reply, now, until);
        (reply, Some(kept))
    }

    fn to_be_kept(&self, reply: &Reply, asked: Time, until: Time) -> KeptAnswer {
        KeptAnswer {
            said: reply.said.clone(),
            authentic: reply.authentic,
            candidates: reply.candidates.clone(),
            associations: reply.associations.clone(),
            keys: reply.keys.clone(),
            expected: self.question.expected.is_expected(),
            configuration: self.of.configuration,
            asked,
            until,
        }
    }

    async fn keep(&self, kept: KeptAnswer) {
        let Cached { source, cache, .. } = &self.of;
        let done = cache
            .store
            .keep(&self.question.subject, source.name(), kept)
            .await;
        if let Err(error) = done {
            count(&cache.counters.store_failures);
            // Nothing depends on it but the time of a search after the next start.
            tracing::warn!(
                source = source.name().as_str(),
                error = chain(&error),
                "what a source answered cannot be kept"
            );
        }
    }
}

impl From<KeptAnswer> for Kept {
    fn from(answer: KeptAnswer) -> Self {
        Self {
            reply: Reply {
                said: answer.said,
                authentic: answer.authentic,
                candidates: answer.candidates,
                associations: answer.associations,
                keys: answer.keys,
                lifetime: None,
                cached: true,
            },
            expected: answer.expected,
            asked: answer.asked,
            until: answer.until,
        }
    }
}

/// One line when it begins, and one for each rest: not for each of the messages that wait.
fn tell_of_failure((source, domain): (LookupSource, &Domain), reason: &str, noted: Failed) {
    let until = match noted {
        Failed::Again => return,
        Failed::First => None,
        Failed::Rests(until) => Some(until),
    };
    tracing::warn!(
        %domain,
        source = source.as_str(),
        reason,
        left_alone_until = until.map(tracing::field::display),
        "certificates cannot be looked up there, and mail that needs one waits: see that its servers can be \
         reached from here; domsec lookup asks them for an address"
    );
}

/// *Unavailable*, as it is known without asking.
fn failed(reason: String) -> Reply {
    Reply {
        cached: true,
        ..Reply::unavailable(reason)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
