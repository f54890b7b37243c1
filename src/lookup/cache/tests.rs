//! The rules of the cache, each over a source that is told what to say.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use tokio::sync::Notify;

use super::*;
use crate::gateway::search::Authentication;
use crate::gateway::search::Owner;
use crate::policy::facts::LookupResult;
use crate::store::memory::MemoryStore;
use crate::store::tests::at;
use crate::store::tests::bob;
use crate::store::tests::candidate;
use crate::store::tests::certificate;

/// Says what it is told, and counts how often it is asked.
#[derive(Debug, Default)]
struct Told {
    replies: Mutex<Vec<Reply>>,
    asked: AtomicUsize,
    expected: Mutex<Vec<Expected>>,
    /// Where there is one, it waits for it.
    gate: Option<Notify>,
    panics: bool,
}

impl Told {
    /// The last of `replies` is for ever.
    fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        Arc::new(Self {
            replies: Mutex::new(replies.into_iter().collect()),
            ..Self::default()
        })
    }

    /// Finds, once for each opening of the gate.
    fn gated() -> Arc<Self> {
        Arc::new(Self {
            gate: Some(Notify::new()),
            replies: Mutex::new(vec![found()]),
            ..Self::default()
        })
    }

    fn open(&self) {
        self.gate.iter().for_each(Notify::notify_one);
    }

    fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Source for Told {
    fn name(&self) -> LookupSource {
        LookupSource::Mcek
    }

    fn covers(&self, subject: Subject<'_>) -> bool {
        matches!(subject, Subject::Recipient(_))
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.expected.lock().unwrap().push(question.expected);
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            assert!(!self.panics, "a fault of the source");
            let mut replies = self.replies.lock().unwrap();
            if replies.len() > 1 {
                replies.remove(0)
            } else {
                replies[0].clone()
            }
        })
    }
}

fn found() -> Reply {
    Reply {
        candidates: vec![candidate(&certificate("bob"), 0)],
        ..Reply::without(Said::Found)
    }
}

fn absent() -> Reply {
    Reply::without(Said::Absent("no such user".to_owned()))
}

fn down() -> Reply {
    Reply::unavailable("connection refused")
}

fn lasting(reply: Reply, seconds: u64) -> Reply {
    Reply {
        lifetime: Some(Duration::from_secs(seconds)),
        ..reply
    }
}

fn question(seconds: i64) -> Question {
    of(bob(), seconds)
}

fn of(subject: Owner, seconds: i64) -> Question {
    Question {
        subject,
        expected: Expected::No,
        deadline: Instant::now() + Duration::from_secs(10),
        now: at(seconds),
    }
}

fn user(number: usize) -> Owner {
    Owner::Recipient(format!("u{number}@b.example").parse().unwrap())
}

fn fresh() -> Arc<Cache> {
    Cache::new(Arc::new(MemoryStore::default()), Bounds::default())
}

fn cached(source: &Arc<Told>, cache: &Arc<Cache>) -> Cached {
    let source: Arc<dyn Source> = source.clone();
    Cached::new(source, Arc::clone(cache), 1)
}

/// Lets tasks in the background come to their end.
async fn settle(cache: &Cache) {
    while cache.counts().under_way > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_counts_within_the_bounds_of_its_kind() {
    for (reply, last) in [
        (found(), 3600),
        (lasting(found(), 1), 300),
        (lasting(found(), 7200), 7200),
        (lasting(found(), 1_000_000), 24 * 3600),
        (absent(), 600),
        (lasting(absent(), 0), 300),
        (lasting(absent(), 1_000_000), 3600),
        (Reply::without(Said::Invalid("HTML".to_owned())), 600),
        (down(), 60),
        (lasting(down(), 300), 300),
        (lasting(down(), 1_000_000), 600),
    ] {
        let source = Told::new([reply.clone()]);
        let cached = cached(&source, &fresh());
        let first = cached.ask(&question(0)).await;
        assert_eq!((&first.said, first.cached), (&reply.said, false));
        // A look in the last fifth begins another search: only before it and after the end here.
        for (seconds, asked) in [(last * 4 / 5 - 1, 1), (last, 2)] {
            let reply_now = cached.ask(&question(seconds)).await;
            assert_eq!(reply_now.candidates, reply.candidates);
            assert_eq!(reply_now.cached, asked == 1);
            assert_eq!(source.count(), asked, "{reply:?} after {seconds} s");
        }
    }
}

#[tokio::test]
async fn a_failure_never_takes_the_place_of_an_answer_nor_makes_it_last() {
    let source = Told::new([found(), down()]);
    let cache = fresh();
    let cached = cached(&source, &cache);
    cached.ask(&question(0)).await;
    // Due: asked in the background, and nobody answers.
    for seconds in [2900, 3000, 3100, 3599] {
        assert_eq!(cached.ask(&question(seconds)).await.said, Said::Found);
        settle(&cache).await;
    }
    assert!(source.count() >= 2, "{}", source.count());
    let after = cached.ask(&question(3600)).await;
    assert!(matches!(after.said, Said::Unavailable(_)), "{after:?}");
}

/// The property behind it: whatever comes, an answer counts exactly as long as if no failure had come after it.
#[tokio::test]
async fn among_any_answers_and_failures_the_last_answer_counts_for_its_time() {
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut served = 0;
    for _ in 0..200 {
        let cache = fresh();
        let (mut now, mut last): (i64, Option<(Said, i64, i64)>) = (0, None);
        for _ in 0..30 {
            now += i64::try_from(next(400)).unwrap();
            let reply = match next(4) {
                0 => found(),
                1 => absent(),
                _ => down(),
            };
            let source = Told::new([reply.clone()]);
            let cached = cached(&source, &cache);
            let answer = cached.ask(&question(now)).await;
            settle(&cache).await;
            let counts = last.as_ref().filter(|(_, _, until)| now < *until);
            if let Some((said, _, _)) = counts {
                assert_eq!(answer.said, *said);
                served += 1;
            }
            let lifetime = match reply.said {
                Said::Found => 3600,
                Said::Absent(_) | Said::Invalid(_) => 600,
                Said::Unavailable(_) => 0,
            };
            // Asked now, in the foreground or because the answer was due.
            if source.count() == 1 && lifetime > 0 {
                last = Some((reply.said, now, now + lifetime));
            }
        }
    }
    assert!(served > 1000, "{served}");
}

#[tokio::test]
async fn who_asks_the_same_at_once_waits_for_one_search() {
    let source = Told::gated();
    let cache = fresh();
    let cached = Arc::new(cached(&source, &cache));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let cached = Arc::clone(&cached);
        all.spawn(async move { cached.ask(&question(0)).await });
    }
    while cache.counts().joined < 49 || source.count() == 0 {
        tokio::task::yield_now().await;
    }
    source.open();
    for reply in all.join_all().await {
        assert_eq!(reply.said, Said::Found);
    }
    let counts = cache.counts();
    assert_eq!((source.count(), counts.misses, counts.joined), (1, 1, 49));
}

#[tokio::test]
async fn a_search_goes_on_when_who_began_it_goes_away() {
    let source = Told::gated();
    let cache = fresh();
    let cached = cached(&source, &cache);
    let mut impatient = question(0);
    impatient.deadline = Instant::now() + Duration::from_millis(20);
    let gone = cached.ask(&impatient).await;
    assert!(matches!(gone.said, Said::Unavailable(why) if why.contains("goes on")));
    drop(tokio::time::timeout(Duration::from_millis(5), cached.ask(&question(0))).await);
    source.open();
    settle(&cache).await;
    assert!(cached.ask(&question(1)).await.cached);
    assert_eq!(source.count(), 1);
}

#[tokio::test]
async fn a_search_that_panics_is_unavailable_for_all_and_the_next_is_another() {
    let source = Arc::new(Told {
        panics: true,
        ..Told::default()
    });
    let cached = cached(&source, &fresh());
    let question = question(0);
    let (one, two) = tokio::join!(cached.ask(&question), cached.ask(&question));
    for reply in [one, two] {
        assert!(matches!(reply.said, Said::Unavailable(_)), "{reply:?}");
    }
    assert_eq!(source.count(), 1);
    cached.ask(&question).await;
    assert_eq!(source.count(), 2);
}

#[tokio::test]
async fn once_found_a_domain_publishes_and_absent_for_want_of_an_answer_counts_no_more() {
    let cache = fresh();
    let stranger = Told::new([absent()]);
    cached(&stranger, &cache).ask(&of(user(1), 0)).await;
    assert_eq!(*stranger.expected.lock().unwrap(), [Expected::No]);
    cached(&Told::new([found()]), &cache)
        .ask(&of(user(2), 1))
        .await;
    let known = Told::new([down()]);
    let reply = cached(&known, &cache).ask(&of(user(1), 2)).await;
    assert_eq!(*known.expected.lock().unwrap(), [Expected::Found(at(1))]);
    assert!(matches!(reply.said, Said::Unavailable(_)), "{reply:?}");
    // After a restart as well.
    let again = Cache::new(Arc::clone(cache.store()), Bounds::default());
    let known = Told::new([absent()]);
    let question = of(user(3), 3);
    cached(&known, &again).ask(&question).await;
    assert_eq!(*known.expected.lock().unwrap(), [Expected::Found(at(1))]);
    // And what a domain that publishes has denied is firm.
    assert!(cached(&known, &again).ask(&question).await.cached);
}

#[tokio::test]
async fn what_an_administrator_has_forgotten_counts_no_more_within_a_minute() {
    let cache = fresh();
    cached(&Told::new([found()]), &cache)
        .ask(&of(user(1), 0))
        .await;
    let domain = bob().domain().clone();
    let forgotten = cache.store().forget_publisher(&domain, None).await;
    assert_eq!(forgotten.unwrap().len(), 1);
    let source = Told::new([absent()]);
    let cached = cached(&source, &cache);
    for (number, seconds, expected) in [
        (2, 59, Expected::Found(at(0))),
        (3, 61, Expected::No),
        (4, 100, Expected::No),
    ] {
        cached.ask(&of(user(number), seconds)).await;
        assert_eq!(source.expected.lock().unwrap().pop(), Some(expected));
    }
    // Another process finds it there again: what was absent for want of an answer is asked for once more.
    let noted = cache
        .store()
        .note_published(&domain, LookupSource::Mcek, at(101));
    noted.await.unwrap();
    assert!(cached.ask(&of(user(4), 110)).await.cached);
    assert!(!cached.ask(&of(user(4), 161)).await.cached);
    let last = source.expected.lock().unwrap().pop();
    assert_eq!(last, Some(Expected::Found(at(101))));
}

#[tokio::test]
async fn what_a_stranger_could_have_said_makes_nobody_a_publisher_until_it_is_judged_good() {
    let mut forged = found();
    forged.candidates[0].provenance.authentication = Authentication::None;
    let cache = fresh();
    let source = Told::new([forged, absent()]);
    let cached = cached(&source, &cache);
    let domain = bob().domain().clone();
    let published = async || {
        cache
            .store()
            .published(&domain, LookupSource::Mcek)
            .await
            .unwrap()
    };
    assert_eq!(cached.ask(&of(user(1), 0)).await.said, Said::Found);
    assert_eq!(published().await, None);
    cached.ask(&of(user(2), 1)).await;
    assert_eq!(*source.expected.lock().unwrap(), [Expected::No; 2]);
    for seconds in [2, 3] {
        cached.believed(&domain, at(seconds)).await.unwrap();
        assert_eq!(published().await, Some(at(2)));
    }
    cached.ask(&of(user(3), 4)).await;
    let last = source.expected.lock().unwrap().pop();
    assert_eq!(last, Some(Expected::Found(at(2))));
}

#[tokio::test]
async fn answers_and_failures_survive_a_restart_under_the_same_configuration() {
    for reply in [found(), absent(), down()] {
        let source = Told::new([reply.clone()]);
        let cache = fresh();
        cached(&source, &cache).ask(&question(0)).await;
        settle(&cache).await;
        let again = Cache::new(Arc::clone(cache.store()), Bounds::default());
        let kept = cached(&source, &again).ask(&question(10)).await;
        assert_eq!((&kept.said, kept.cached), (&reply.said, true));
        assert_eq!((kept.candidates, source.count()), (reply.candidates, 1));
        let inner: Arc<dyn Source> = source.clone();
        let other = Cached::new(inner, again, 2);
        assert!(!other.ask(&question(10)).await.cached);
        assert_eq!(source.count(), 2);
    }
}

#[tokio::test]
async fn a_dead_server_is_left_alone_for_other_addresses_too() {
    let source = Told::new([down()]);
    let cache = fresh();
    let cached = cached(&source, &cache);
    for number in 0..10 {
        let reply = cached.ask(&of(user(number), 0)).await;
        assert!(matches!(reply.said, Said::Unavailable(_)));
    }
    assert_eq!(source.count(), 3);
    assert_eq!(cache.resting(at(1)), 1);
    let elsewhere = Owner::Recipient("bob@c.example".parse().unwrap());
    cached.ask(&of(elsewhere, 0)).await;
    assert_eq!(source.count(), 4);
    // One goes ahead after the rest, and an answer ends it.
    *source.replies.lock().unwrap() = vec![absent()];
    for number in 20..25 {
        let reply = cached.ask(&of(user(number), 61)).await;
        assert_eq!(reply.said, absent().said);
    }
}

#[tokio::test]
async fn who_comes_after_a_rest_waits_for_the_one_that_has_gone_ahead() {
    for (then, asked) in [(absent(), 8), (down(), 4)] {
        let source = Told::gated();
        *source.replies.lock().unwrap() = vec![down(), down(), down(), then.clone()];
        let cache = fresh();
        let cached = cached(&source, &cache);
        for number in 0..3 {
            source.open();
            cached.ask(&of(user(number), 0)).await;
        }
        let mut all = tokio::task::JoinSet::new();
        for number in 10..15 {
            let cached = cached.clone();
            all.spawn(async move { cached.ask(&of(user(number), 61)).await.said });
        }
        while cache.counts().under_way < 5 || source.count() < 4 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(source.count(), 4);
        let mut said = Vec::new();
        while let Some(one) = tokio::select! {
            biased;
            one = all.join_next() => one.map(Some),
            () = tokio::task::yield_now() => Some(None),
        } {
            source.open();
            said.extend(one.map(Result::unwrap));
        }
        assert_eq!(source.count(), asked);
        let results: Vec<_> = said.iter().map(Said::result).collect();
        assert_eq!(results, [then.said.result(); 5]);
    }
}

#[tokio::test]
async fn a_source_is_asked_again_as_soon_as_is_configured() {
    let source = Told::new([down(), absent()]);
    let cached = cached(&source, &fresh()).with_retry(Duration::from_secs(2));
    for (seconds, result) in [
        (0, LookupResult::Unavailable),
        (1, LookupResult::Unavailable),
        (2, LookupResult::Absent),
    ] {
        let reply = cached.ask(&question(seconds)).await;
        assert_eq!(reply.said.result(), result, "{seconds}");
    }
}

#[tokio::test]
async fn memory_is_bounded_and_what_is_used_stays() {
    let store = Arc::new(MemoryStore::default());
    let bounds = Bounds {
        entries: 10,
        ..Bounds::default()
    };
    let cache = Cache::new(store, bounds);
    let source = Told::new([found()]);
    let cached = cached(&source, &cache);
    for number in 0..50 {
        cached.ask(&of(user(number), 0)).await;
        let used = cached.ask(&of(user(0), 0)).await;
        assert!(used.cached);
    }
    assert_eq!(cache.counts().entries, 10);
    // What was evicted is in the store.
    settle(&cache).await;
    assert!(cached.ask(&of(user(5), 0)).await.cached);
    assert_eq!(source.count(), 50);
    let small = Bounds {
        octets: 20_000,
        ..Bounds::default()
    };
    let cache = Cache::new(Arc::new(MemoryStore::default()), small);
    let cached = self::cached(&source, &cache);
    for number in 0..50 {
        cached.ask(&of(user(number), 0)).await;
    }
    let counts = cache.counts();
    assert!(counts.octets <= 20_000 && counts.entries > 1, "{counts:?}");
}

#[tokio::test]
async fn searches_under_way_are_bounded() {
    let source = Told::gated();
    let bounds = Bounds {
        under_way: 2,
        ..Bounds::default()
    };
    let cache = Cache::new(Arc::new(MemoryStore::default()), bounds);
    let cached = cached(&source, &cache);
    for number in 0..5 {
        let mut question = of(user(number), 0);
        question.deadline = Instant::now() + Duration::from_millis(30);
        let reply = cached.ask(&question).await;
        assert!(matches!(reply.said, Said::Unavailable(_)));
    }
    assert_eq!((source.count(), cache.counts().under_way), (2, 5));
    for _ in 0..5 {
        source.open();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    settle(&cache).await;
    assert_eq!(source.count(), 5);
}

#[test]
fn no_more_searches_are_under_way_than_there_are_sockets_for() {
    for (descriptors, under_way) in [
        (1, 1),
        (1_024, 256),
        (4_096, 1_024),
        (65_536, 4_096),
        (u64::MAX, 4_096),
    ] {
        assert_eq!(Bounds::within(descriptors).under_way, under_way);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_make_answers_last() {
    let source = Told::new([found()]);
    let cached = cached(&source, &fresh());
    cached.ask(&question(1_000_000)).await;
    assert!(!cached.ask(&question(0)).await.cached);
    assert!(cached.ask(&question(10)).await.cached);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_not_taken_for_nothing_known() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("domsec.db");
    let store = crate::store::sqlite::Sqlite::open(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("DROP TABLE published").unwrap();
    let cache = Cache::new(Arc::new(store), Bounds::default());
    let source = Told::new([absent()]);
    let reply = cached(&source, &cache).ask(&question(0)).await;
    assert!(matches!(reply.said, Said::Unavailable(why) if why.contains("domsec.db")));
    assert_eq!((source.count(), cache.counts().store_failures), (0, 1));
}
