//! Certificates from mail that was verified: what its authors have taught (RFC 8551 §2.5.3.1).
//!
//! Nobody is asked, and so nobody can withhold an answer. What is here is no more than a place where a certificate was
//! seen: it is judged like any other, and stands by its own path.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::lifetime::CLOCK;
use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use crate::address::Mailbox;
use crate::gateway::certificates::Answer;
use crate::gateway::learned::Learned;
use crate::gateway::learned::Lesson;
use crate::gateway::learned::PathTo;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::harvested::Harvested;
use crate::store::harvested::Signed;
use crate::store::memory::MemoryStore;
use crate::x509::Time;

/// How long what was found full is not swept again, in seconds.
const SWEEP: i64 = 3600;

/// Addresses that are kept in one transaction of the store, which others wait for.
const BATCH: usize = 256;

/// How long it is not on the disk that somebody has signed again what was known of him. It says which lesson is the
/// newest; who signs all day with one certificate makes no transaction with each message.
pub(super) const LATER: Duration = Duration::from_secs(60);

/// What came of lessons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Of how many addresses something new is known now, which is to be kept at once.
    pub changed: usize,
    /// How many have signed again what was known of them: to be kept soon.
    pub again: usize,
    /// How many addresses could not be taken up: there is no room.
    pub refused: usize,
}

/// What verified mail has taught.
#[derive(Debug)]
pub struct Harvest {
    store: Arc<dyn Store>,
    most: usize,
    known: std::sync::Mutex<Known>,
    /// Whoever has it brings to the store what is not there.
    keeping: Mutex<()>,
    /// Whether somebody waits for [`LATER`] to end.
    later: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    by_mailbox: HashMap<Mailbox, Harvested>,
    /// Addresses of which the store has not what is known here.
    unkept: HashSet<Mailbox>,
    swept: Option<Time>,
}

/// What is new by a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// Nothing.
    Nothing,
    /// What was known has been signed again, later.
    Again,
    /// Something that is to be kept.
    Something,
}

impl Harvest {
    /// What `store` has kept, for at most `most` addresses, each with its certificate and capabilities: some 5 kB. What
    /// is too much is forgotten, in the store as well, those first that were seen longest ago.
    pub async fn load(store: Arc<dyn Store>, most: usize) -> Result<Self, StoreError> {
        let forgotten = store.shorten_harvest(most).await?;
        if forgotten > 0 {
            tracing::warn!(
                "{forgotten} addresses are forgotten, those from which mail came longest ago: [harvest] addresses allows \
                 {most}; the next mail of their owners teaches them again, where there is room"
            );
        }
        let kept = store.harvest(most).await?;
        let kept = kept.into_iter().map(|one| (one.mailbox.folded(), one));
        let known = Known {
            by_mailbox: kept.collect(),
            ..Known::default()
        };
        Ok(Self {
            store,
            most,
            known: std::sync::Mutex::new(known),
            keeping: Mutex::default(),
            later: AtomicBool::default(),
        })
    }

    /// One that knows nothing and learns nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            store: Arc::new(MemoryStore::default()),
            most: 0,
            known: std::sync::Mutex::default(),
            keeping: Mutex::default(),
            later: AtomicBool::default(),
        }
    }

    /// Of how many addresses something is known.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.known().by_mailbox.len()
    }

    /// DER of the SMIMECapabilities that the owner of an address has signed last.
    #[must_use]
    pub fn capabilities(&self, mailbox: &Mailbox) -> Option<Vec<u8>> {
        let known = self.known();
        let harvested = known.by_mailbox.get(&mailbox.folded())?;
        Some(harvested.capabilities.as_ref()?.value.clone())
    }

    /// Learns from a message that has been delivered; [`Harvest::keep`] brings it to the disk.
    ///
    /// What was signed later replaces what was signed before; an address can be replaced by nobody who cannot sign for
    /// it, since a lesson is of those addresses alone that its certificates name. Where there is no room new addresses
    /// are refused, and none is forgotten: a stranger with many addresses could else make us forget whom we can encrypt
    /// to.
    pub fn learn(&self, learned: &Learned, now: Time) -> Taken {
        let mut known = self.known();
        let mut changed: HashSet<Mailbox> = HashSet::new();
        let mut again: HashSet<Mailbox> = HashSet::new();
        let mut refused: HashSet<Mailbox> = HashSet::new();
        for lesson in &learned.lessons {
            let mailbox = lesson.mailbox.folded();
            if lesson.certificate.is_none() && lesson.capabilities.is_none() {
                continue;
            }
            if !known.by_mailbox.contains_key(&mailbox) && !known.has_room(self.most, now) {
                refused.insert(mailbox);
                continue;
            }
            let harvested = known.by_mailbox.entry(mailbox.clone());
            let harvested =
                harvested.or_insert_with(|| Harvested::nothing_of(mailbox.clone(), now));
            match take(harvested, lesson, now) {
                News::Nothing => continue,
                News::Again => again.insert(mailbox.clone()),
                News::Something => changed.insert(mailbox.clone()),
            };
            known.unkept.insert(mailbox);
        }
        Taken {
            changed: changed.len(),
            again: again.len(),
            refused: refused.len(),
        }
    }

    /// Brings to the store what is not there yet, durably. Where somebody is at it already he does it, and this returns
    /// at once; what the store does not take is tried again the next time.
    pub async fn keep(&self) -> Result<(), StoreError> {
        // Looked at again without the turn: who learned meanwhile, and found it taken, has left it to us.
        while self.has_unkept() {
            let Ok(_turn) = self.keeping.try_lock() else {
                return Ok(());
            };
            self.keep_some().await?;
        }
        Ok(())
    }

    /// The same, when `after` is over; at once, and without doing anything, where somebody waits for that already.
    pub async fn keep_later(&self, after: Duration) -> Result<(), StoreError> {
        if self.later.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        sleep(after).await;
        // Who learns from now on waits himself.
        self.later.store(false, Ordering::Release);
        self.keep().await
    }

    /// As [`Harvest::keep`], and it is there when this returns, whoever was at it.
    pub async fn keep_all(&self) -> Result<(), StoreError> {
        loop {
            // Whoever was at it has given back what he could not write.
            let _turn = self.keeping.lock().await;
            if !self.has_unkept() {
                return Ok(());
            }
            self.keep_some().await?;
        }
    }

    async fn keep_some(&self) -> Result<(), StoreError> {
        let (names, kept, forgotten) = self.known().take_unkept();
        let written = self.store.keep_harvest(kept, forgotten).await;
        if written.is_err() {
            self.known().unkept.extend(names);
        }
        written
    }

    fn has_unkept(&self) -> bool {
        !self.known().unkept.is_empty()
    }

    fn reply(&self, mailbox: &Mailbox, question: &Question) -> Reply {
        let denied = |reason: &str| Reply::without(Missing::Denied.said(question, reason));
        let known = self.known();
        let harvested = known.by_mailbox.get(&mailbox.folded());
        let certificate = harvested.and_then(|harvested| harvested.certificate.as_ref());
        let (Some(harvested), Some(certificate)) = (harvested, certificate) else {
            return denied("no verified mail of its owner has named a certificate");
        };
        // One that has expired is no *absent*: its owner reads S/MIME, and must not be written to in clear because the
        // next one has not come yet. Whoever judges it says what is wrong with it.
        let path = &certificate.value;
        Reply {
            candidates: vec![Candidate {
                certificate: path.certificate.clone(),
                chain: path.intermediates.clone(),
                provenance: Provenance {
                    source: LookupSource::Harvest,
                    authentication: Authentication::None,
                    seen: harvested.seen,
                },
            }],
            ..Reply::without(Said::Found)
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Harvest {
    fn name(&self) -> LookupSource {
        LookupSource::Harvest
    }

    /// Individuals alone: whoever signs for a domain names no certificate to encrypt to.
    fn covers(&self, subject: Subject<'_>) -> bool {
        matches!(subject, Subject::Recipient(_))
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        let reply = match &question.subject {
            Owner::Recipient(mailbox) => self.reply(mailbox, question),
            Owner::Dca(_) => Reply::unavailable("nothing is learned of authorities"),
        };
        // It is here already: a second keeping would only be older.
        let reply = Reply {
            lifetime: Some(Duration::ZERO),
            ..reply
        };
        Box::pin(std::future::ready(reply))
    }
}

impl Known {
    /// Whether another address may be taken up; what has expired makes room.
    fn has_room(&mut self, most: usize, now: Time) -> bool {
        if self.by_mailbox.len() < most {
            return true;
        }
        // Looking through all of them for each message would be for strangers to ask for.
        let since = self
            .swept
            .map(|swept| now.unix().saturating_sub(swept.unix()));
        if since.is_some_and(|since| since < SWEEP) {
            return false;
        }
        self.swept = Some(now);
        let unkept = &mut self.unkept;
        self.by_mailbox.retain(|mailbox, harvested| {
            let certificate = harvested.certificate.as_ref();
            let stays = certificate.is_some_and(|one| one.value.certificate.not_after() >= now);
            if !stays {
                unkept.insert(mailbox.clone());
            }
            stays
        });
        let has_room = self.by_mailbox.len() < most;
        if !has_room {
            tracing::warn!(
                "all {most} addresses of [harvest] are taken, and no certificate among them has expired: mail of \
                 others teaches nothing; raise addresses and start again"
            );
        }
        has_room
    }

    /// Some of what the store has not: the addresses, what is known of them, and those of which nothing is.
    fn take_unkept(&mut self) -> (Vec<Mailbox>, Vec<Harvested>, Vec<Mailbox>) {
        let names: Vec<Mailbox> = self.unkept.iter().take(BATCH).cloned().collect();
        let (mut kept, mut forgotten) = (Vec::new(), Vec::new());
        for name in &names {
            self.unkept.remove(name);
            match self.by_mailbox.get(name) {
                Some(harvested) => kept.push(harvested.clone()),
                None => forgotten.push(name.clone()),
            }
        }
        (names, kept, forgotten)
    }
}

/// Takes up what is newer.
fn take(known: &mut Harvested, lesson: &Lesson, now: Time) -> News {
    // Without signingTime nobody knows which was signed later; but what has not expired follows what has, and never the other
    // way round.
    let is_over = |one: &PathTo| one.certificate.not_after() < now;
    let mut given = lesson.certificate.as_ref();
    let known_is_over = known.certificate.as_ref().map(|one| is_over(&one.value));
    match (known_is_over, given.map(is_over)) {
        (Some(false), Some(true)) => given = None,
        (Some(true), Some(false)) => known.certificate = None,
        _ => {}
    }
    let times = (lesson.signed_at, now);
    let certificate = replace(&mut known.certificate, given, times);
    let capabilities = replace(&mut known.capabilities, lesson.capabilities.as_ref(), times);
    let news = certificate.max(capabilities);
    if news > News::Nothing {
        known.seen = now;
    }
    news
}

/// Puts `value` in the place of what was signed before it, or of nothing.
fn replace<T: Clone + PartialEq>(
    known: &mut Option<Signed<T>>,
    value: Option<&T>,
    (at, now): (Option<Time>, Time),
) -> News {
    let Some(value) = value else {
        return News::Nothing;
    };
    // No lesson is of later than now: one that is was learned while our clock was ahead, and would refuse all others until
    // then.
    let is_believed = |known: &Time| known.unix().saturating_sub(now.unix()) <= CLOCK;
    match known {
        Some(known) if at <= known.at.filter(is_believed) => News::Nothing,
        Some(known) if known.value == *value => {
            known.at = at;
            News::Again
        }
        Some(_) | None => {
            let value = value.clone();
            *known = Some(Signed { value, at });
            News::Something
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::SanType;
    use tokio::time::Instant;

    use super::*;
    use crate::gateway::learned::PathTo;
    use crate::lookup::source::Expected;
    use crate::store::sqlite::Sqlite;
    use crate::x509::Certificate;

    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Time {
        Time::from_unix(NOW + seconds).unwrap()
    }

    fn ready<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("nobody is asked"),
        }
    }

    /// One with room for so many, before a store of its own.
    fn harvest(most: usize) -> Harvest {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        of_store(&store, most)
    }

    fn of_store(store: &Arc<dyn Store>, most: usize) -> Harvest {
        ready(Harvest::load(Arc::clone(store), most)).unwrap()
    }

    fn kept(store: &Arc<dyn Store>) -> Vec<Harvested> {
        ready(store.harvest(100)).unwrap()
    }

    fn certificate(address: &str, last_year: i32) -> PathTo {
        let mut params = CertificateParams::new([]).unwrap();
        params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        PathTo {
            certificate: Certificate::parse(made.der()).unwrap(),
            intermediates: Vec::new(),
        }
    }

    fn lesson(address: &str, certificate: Option<&PathTo>, signed_at: Option<i64>) -> Lesson {
        Lesson {
            mailbox: address.parse().unwrap(),
            certificate: certificate.cloned(),
            capabilities: None,
            signed_at: signed_at.map(at),
        }
    }

    fn learn(harvest: &Harvest, lesson: Lesson, now: i64) -> Taken {
        let learned = Learned {
            lessons: vec![lesson],
        };
        harvest.learn(&learned, at(now))
    }

    fn ask(harvest: &Harvest, address: &str, now: i64) -> Reply {
        let question = Question {
            subject: Owner::Recipient(address.parse().unwrap()),
            expected: Expected::Named,
            deadline: Instant::now(),
            now: at(now),
        };
        ready(harvest.ask(&question))
    }

    fn found(harvest: &Harvest, address: &str) -> Option<Certificate> {
        let mut reply = ask(harvest, address, 0);
        reply.candidates.pop().map(|one| one.certificate)
    }

    #[test]
    fn what_is_signed_later_replaces_what_was_signed_before_and_nothing_else_does() {
        let harvest = harvest(10);
        let [first, second, third] = [(); 3].map(|()| certificate("bob@b.example", 2040));
        // signingTime of the lesson, its certificate, and the one that is known then.
        let rows = [
            (None, &second, &second),
            (Some(-100), &first, &first),
            (Some(-200), &second, &first),
            (Some(-100), &second, &first),
            (None, &second, &first),
            (Some(-50), &third, &third),
        ];
        for (row, (signed_at, sent, known)) in rows.into_iter().enumerate() {
            let taken = learn(&harvest, lesson("bob@b.example", Some(sent), signed_at), 0);
            assert_eq!(taken.changed == 0, sent != known, "row {row}");
            assert_eq!(
                found(&harvest, "bob@b.example"),
                Some(known.certificate.clone()),
                "row {row}"
            );
        }
    }

    #[test]
    fn what_was_learned_while_our_clock_was_ahead_keeps_nothing_back() {
        let harvest = harvest(10);
        let [first, second, third] = [(); 3].map(|()| certificate("bob@b.example", 2040));
        let year = 365 * 24 * 3600;
        let rows = [
            (year, &first, year, &first),
            (0, &second, 10, &second),
            // A clock that is put right by some seconds makes no old message the newest.
            (300, &third, 300, &third),
            (5, &first, 290, &third),
        ];
        for (row, (signed_at, sent, now, known)) in rows.into_iter().enumerate() {
            let one = lesson("bob@b.example", Some(sent), Some(signed_at));
            learn(&harvest, one, now);
            assert_eq!(
                found(&harvest, "bob@b.example"),
                Some(known.certificate.clone()),
                "row {row}"
            );
        }
    }

    #[test]
    fn what_has_expired_is_followed_by_what_has_not_whenever_it_was_signed() {
        let day = 24 * 3600;
        let (old, renewed) = (
            certificate("bob@b.example", 2028),
            certificate("bob@b.example", 2040),
        );
        for (of_old, of_renewed) in [(None, None), (Some(-100), None)] {
            let harvest = harvest(10);
            learn(&harvest, lesson("bob@b.example", Some(&old), of_old), 0);
            // As long as it is valid, an old message may have come late.
            let renewal = || lesson("bob@b.example", Some(&renewed), of_renewed);
            assert_eq!(learn(&harvest, renewal(), 1).changed, 0);
            assert_eq!(learn(&harvest, renewal(), 3 * 365 * day).changed, 1);
            let known = Some(renewed.certificate.clone());
            assert_eq!(found(&harvest, "bob@b.example"), known);
            // And not the other way round.
            let again = lesson("bob@b.example", Some(&old), of_old);
            learn(&harvest, again, 3 * 365 * day + 1);
            assert_eq!(found(&harvest, "bob@b.example"), known);
        }
    }

    #[test]
    fn a_newer_message_without_a_certificate_leaves_the_one_that_is_known() {
        let harvest = harvest(10);
        let own = certificate("bob@b.example", 2040);
        learn(&harvest, lesson("bob@b.example", Some(&own), Some(-100)), 0);
        let mut newer = lesson("bob@b.example", None, Some(-10));
        newer.capabilities = Some(vec![0x30, 0]);
        let taken = learn(&harvest, newer, 5);
        assert_eq!(taken.changed, 1);
        assert_eq!(found(&harvest, "BOB@b.example"), Some(own.certificate));
        let capabilities = harvest.capabilities(&"Bob@b.example".parse().unwrap());
        assert_eq!(capabilities, Some(vec![0x30, 0]));
        // And older capabilities do not come back.
        let mut older = lesson("bob@b.example", None, Some(-20));
        older.capabilities = Some(vec![0x30, 1, 0]);
        assert_eq!(learn(&harvest, older, 6), Taken::default());
    }

    #[test]
    fn what_is_found_proves_nothing_and_is_no_absence_when_it_has_expired() {
        let harvest = harvest(10);
        assert!(matches!(
            ask(&harvest, "bob@b.example", 0).said,
            Said::Absent(_)
        ));
        let own = certificate("bob@b.example", 2028);
        learn(&harvest, lesson("bob@b.example", Some(&own), Some(-100)), 0);
        let reply = ask(&harvest, "bob@b.example", 0);
        assert_eq!((&reply.said, reply.authentic), (&Said::Found, false));
        let provenance = reply.candidates[0].provenance;
        assert_eq!(provenance.authentication, Authentication::None);
        assert_eq!(provenance.seen, at(0));
        let expired = ask(&harvest, "bob@b.example", 400 * 86_400);
        assert_eq!(expired.said, Said::Found);
        assert_eq!(expired.candidates, reply.candidates);
    }

    #[test]
    fn a_full_harvest_forgets_nobody_whose_certificate_is_good() {
        let harvest = harvest(2);
        let good = certificate("bob@b.example", 2040);
        let short = certificate("carol@b.example", 2028);
        learn(&harvest, lesson("bob@b.example", Some(&good), Some(0)), 0);
        learn(
            &harvest,
            lesson("carol@b.example", Some(&short), Some(0)),
            0,
        );
        let other = certificate("mallory@evil.example", 2040);
        let others = || lesson("mallory@evil.example", Some(&other), Some(0));
        assert_eq!(learn(&harvest, others(), 0).refused, 1);
        assert!(found(&harvest, "bob@b.example").is_some());
        assert!(found(&harvest, "carol@b.example").is_some());
        // Who is known is still learned from.
        let newer = certificate("bob@b.example", 2040);
        let taken = learn(&harvest, lesson("bob@b.example", Some(&newer), Some(1)), 1);
        assert_eq!((taken.changed, taken.refused), (1, 0));
        // What has expired makes room.
        let taken = learn(&harvest, others(), 400 * 86_400);
        assert_eq!((taken.changed, taken.refused), (1, 0));
        assert_eq!(harvest.addresses(), 2);
    }

    #[test]
    fn what_is_kept_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        let open = || {
            let store = Arc::new(Sqlite::open(&folder.path().join("domsec.db")).unwrap());
            runtime.block_on(Harvest::load(store, 10)).unwrap()
        };
        let own = certificate("bob@b.example", 2040);
        let first = open();
        learn(&first, lesson("Bob@b.example", Some(&own), Some(-100)), 0);
        runtime.block_on(first.keep()).unwrap();
        drop(first);
        let again = open();
        assert_eq!(
            found(&again, "bob@b.example"),
            Some(own.certificate.clone())
        );
        // Still by the time of its signature.
        let older = certificate("bob@b.example", 2040);
        let taken = learn(&again, lesson("bob@b.example", Some(&older), Some(-101)), 1);
        assert_eq!(taken, Taken::default());
        let newer = certificate("bob@b.example", 2040);
        learn(&again, lesson("bob@b.example", Some(&newer), Some(-99)), 1);
        runtime.block_on(again.keep_all()).unwrap();
        drop(again);
        assert_eq!(found(&open(), "bob@b.example"), Some(newer.certificate));
    }

    #[test]
    fn where_fewer_are_allowed_those_seen_last_stay_in_memory_and_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        let in_file: Arc<dyn Store> =
            Arc::new(Sqlite::open(&folder.path().join("domsec.db")).unwrap());
        let in_memory: Arc<dyn Store> = Arc::new(MemoryStore::default());
        for store in [in_file, in_memory] {
            let load = |most| {
                runtime
                    .block_on(Harvest::load(Arc::clone(&store), most))
                    .unwrap()
            };
            let first = load(10);
            for (seen, address) in ["c@b.example", "a@b.example", "b@b.example"]
                .iter()
                .enumerate()
            {
                let own = certificate(address, 2040);
                let seen = i64::try_from(seen).unwrap();
                learn(&first, lesson(address, Some(&own), Some(0)), seen);
            }
            runtime.block_on(first.keep()).unwrap();
            assert_eq!(load(3).addresses(), 3);
            let small = load(2);
            assert_eq!(small.addresses(), 2);
            assert!(found(&small, "c@b.example").is_none());
            assert!(found(&small, "b@b.example").is_some());
            let kept = runtime.block_on(store.harvest(100)).unwrap();
            assert_eq!(kept.len(), 2);
        }
    }

    #[test]
    fn after_a_restart_on_the_same_day_the_newest_lesson_still_wins() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let harvest = of_store(&store, 10);
        let [own, other] = [(); 2].map(|()| certificate("bob@b.example", 2040));
        let of = |certificate, signed| lesson("bob@b.example", Some(certificate), Some(signed));
        let first = learn(&harvest, of(&own, 0), 0);
        assert_eq!((first.changed, first.again), (1, 0));
        ready(harvest.keep()).unwrap();
        // The same again does not ask for a transaction of its own, and is kept all the same.
        let again = learn(&harvest, of(&own, 100), 100);
        assert_eq!((again.changed, again.again), (0, 1));
        ready(harvest.keep_all()).unwrap();
        let harvest = of_store(&store, 10);
        // What came between is not taken for newer.
        assert_eq!(learn(&harvest, of(&other, 50), 101), Taken::default());
        assert_eq!(
            found(&harvest, "bob@b.example").as_ref(),
            Some(&own.certificate)
        );
        assert_eq!(learn(&harvest, of(&other, 102), 102).changed, 1);
        assert_eq!(
            found(&harvest, "bob@b.example").as_ref(),
            Some(&other.certificate)
        );
    }

    #[tokio::test]
    async fn what_is_signed_again_and_again_is_brought_to_the_store_by_one() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let harvest = Harvest::load(Arc::clone(&store), 10).await.unwrap();
        let own = certificate("bob@b.example", 2040);
        for signed in 0..3 {
            learn(
                &harvest,
                lesson("bob@b.example", Some(&own), Some(signed)),
                signed,
            );
        }
        let mut one = pin!(harvest.keep_later(Duration::from_millis(1)));
        assert!(
            one.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        // Another has nothing to wait for.
        ready(harvest.keep_later(Duration::from_secs(3600))).unwrap();
        assert_eq!(store.harvest(10).await.unwrap(), []);
        one.await.unwrap();
        let kept = store.harvest(10).await.unwrap().remove(0);
        assert_eq!(kept.certificate.unwrap().at, Some(at(2)));
    }

    #[test]
    fn what_has_expired_leaves_the_store_too() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let harvest = of_store(&store, 1);
        let short = certificate("carol@b.example", 2028);
        learn(
            &harvest,
            lesson("carol@b.example", Some(&short), Some(0)),
            0,
        );
        ready(harvest.keep()).unwrap();
        let good = certificate("bob@b.example", 2040);
        let later = 400 * 86_400;
        learn(
            &harvest,
            lesson("bob@b.example", Some(&good), Some(later)),
            later,
        );
        ready(harvest.keep()).unwrap();
        let kept = kept(&store);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].mailbox, "bob@b.example".parse().unwrap());
    }

    #[test]
    fn authorities_are_not_covered() {
        let harvest = harvest(1);
        assert!(!harvest.covers(Subject::Dca(&"b.example".parse().unwrap())));
        assert!(harvest.covers(Subject::Recipient(&"bob@b.example".parse().unwrap())));
    }
}
