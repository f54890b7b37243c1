//! What is kept of other people's certificates: answers in memory, and the store behind its thread.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::gateway::certificates::Answer;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Candidate;
use domsec::gateway::search::Known;
use domsec::gateway::search::Owner;
use domsec::gateway::search::Provenance;
use domsec::gateway::search::Said;
use domsec::gateway::search::Subject;
use domsec::lookup::cache::Bounds;
use domsec::lookup::cache::Cache;
use domsec::lookup::cache::Cached;
use domsec::lookup::source::Expected;
use domsec::lookup::source::Question;
use domsec::lookup::source::Reply;
use domsec::lookup::source::Source;
use domsec::policy::facts::LookupSource;
use domsec::store::Settled;
use domsec::store::Settlement;
use domsec::store::Store;
use domsec::store::memory::MemoryStore;
use domsec::store::sqlite::Sqlite;
use domsec::x509::Certificate;
use domsec::x509::Time;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::measure::Session;
use crate::people;
use crate::primitives;

/// Answers that are kept.
const ENTRIES: u32 = 100_000;
/// What they may take.
const OCTETS: usize = 300 * 1024 * 1024;
/// Lookups before the first that is measured: as many as a busy gateway makes in minutes.
const LOOKUPS: u32 = 1_000_000;
/// Lookups in one call.
const BATCH: u32 = 1_000;

pub(crate) fn rows(session: &mut Session) {
    let name = "cache: 100,000 answers with a certificate each";
    let mut filled = None;
    session.memory(name, OCTETS, || filled = Some(filled_cache()));
    let entries = filled.map(|(cache, _)| cache.counts().entries);
    assert!(
        entries.is_none_or(|entries| entries == 100_000),
        "none was evicted"
    );
    lookups(session);
    stored(session);
}

/// A lookup has 5 µs; SHA-256 of 8 KiB takes about as long.
fn lookups(session: &mut Session) {
    let mut filled = None;
    let mut at = 0;
    let mut look = || {
        // The first round, which is not the shortest, fills it and looks a million times.
        let mut many = BATCH;
        let (cached, questions) = filled.get_or_insert_with(|| {
            many = LOOKUPS;
            let (cache, questions) = filled_cache();
            (Cached::new(Arc::new(One::new()), cache, 1), questions)
        });
        for _ in 0..many {
            let question = questions.get(at).expect("a question");
            let reply = ready(cached.ask(question));
            assert!(black_box(reply).cached);
            at = (at + 1) % questions.len();
        }
    };
    let octets = vec![1; 8 * 1024];
    let mut bare = || (0..BATCH / 10).for_each(|_| primitives::digest(&octets));
    let name = "cache: 1,000 answers of 100,000 / SHA-256 of 8 KiB for each";
    session.time_scaled(name, 1.0, (4, 10.0), &mut look, &mut bare);
}

/// The store: what is asked of the file, what is remembered of it, and what waits for the disk.
fn stored(session: &mut Session) {
    let runtime = runtime();
    let folder = TempDir::new().expect("a folder");
    let store = Sqlite::open(&folder.path().join("domsec.db")).expect("a store");
    let store = Arc::new(store);
    let known: Vec<Owner> = (0..1000).map(owner).collect();
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for owner in known.clone() {
            all.spawn(settle(Arc::clone(&store), owner));
        }
        all.join_all().await;
    });
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % known.len();
        known.get(at).expect("a subject")
    };
    let octets = vec![1; 64 * 1024];
    let read = || {
        let told = store.published(next().domain(), LookupSource::Mcek);
        black_box(runtime.block_on(told)).expect("a store");
    };
    let name = "store: a read behind its thread / SHA-256 of 64 KiB";
    session.time(name, 2.0, 200, read, || primitives::digest(&octets));
    let read = || {
        black_box(runtime.block_on(store.known(next()))).expect("a store");
    };
    let name = "store: what is known of one of 1,000 subjects / SHA-256 of 8 KiB";
    let bare = || primitives::digest(octets.get(..8 * 1024).expect("8 KiB"));
    session.time(name, 1.0, 1000, read, bare);

    let mut number = 1000;
    let write = || {
        number += 1;
        runtime.block_on(settle(Arc::clone(&store), owner(number)));
    };
    let mut file = File::create(folder.path().join("bare")).expect("a file");
    let bare = || {
        file.write_all(&[1; 8192]).expect("written");
        file.sync_data().expect("on the disk");
    };
    let name = "store: a durable write / 8 KiB appended and synced";
    session.time(name, 3.0, 20, write, bare);
}

/// Puts a certificate in use for `owner`, of whom nothing is known.
async fn settle(store: Arc<Sqlite>, owner: Owner) {
    let settlement = Settlement {
        known: Known::default(),
        in_use: Some(candidate(bob())),
        reason: "a bench".to_owned(),
        pending: Vec::new(),
        now: now(),
    };
    let settled = store.settle(&owner, settlement).await;
    assert_eq!(settled.expect("a store"), Settled::Kept);
}

/// A cache full of answers, and the questions that they are the answers to.
fn filled_cache() -> (Arc<Cache>, Vec<Question>) {
    runtime().block_on(fill())
}

async fn fill() -> (Arc<Cache>, Vec<Question>) {
    let cache = Cache::new(Arc::new(MemoryStore::default()), Bounds::default());
    let cached = Cached::new(Arc::new(One::new()), Arc::clone(&cache), 1);
    let mut questions = Vec::new();
    for number in 0..ENTRIES {
        let question = Question {
            subject: owner(number),
            expected: Expected::No,
            deadline: Instant::now() + Duration::from_secs(3600),
            now: now(),
        };
        assert_eq!(cached.ask(&question).await.said, Said::Found);
        questions.push(question);
    }
    (cache, questions)
}

/// A source that finds a certificate for everybody: each another one, under one authority.
#[derive(Debug)]
struct One {
    der: Vec<u8>,
    /// Of the authority's certificate.
    issuer: Vec<u8>,
}

impl One {
    fn new() -> Self {
        Self {
            der: bob().der().to_vec(),
            issuer: people::certificate("intermediate").der().to_vec(),
        }
    }
}

impl Source for One {
    fn name(&self) -> LookupSource {
        LookupSource::Mcek
    }

    fn covers(&self, _: Subject<'_>) -> bool {
        true
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        let Owner::Recipient(mailbox) = &question.subject else {
            panic!("a recipient");
        };
        let number: u32 = mailbox.local().parse().expect("a number");
        let mut der = self.der.clone();
        // Another signature, which nobody looks at here, makes another certificate.
        let end = der.last_chunk_mut::<4>().expect("a signature");
        *end = number.to_be_bytes();
        let mut one = candidate(Certificate::parse(&der).expect("a certificate"));
        // Read anew, as from a server.
        one.chain = vec![Certificate::parse(&self.issuer).expect("a certificate")];
        let reply = Reply {
            candidates: vec![one],
            lifetime: Some(Duration::from_secs(24 * 3600)),
            ..Reply::without(Said::Found)
        };
        Box::pin(std::future::ready(reply))
    }
}

fn bob() -> Certificate {
    people::certificate("bob")
}

fn owner(number: u32) -> Owner {
    let domain = number % 500;
    let address = format!("{number}@d{domain}.example");
    Owner::Recipient(address.parse().expect("an address"))
}

fn candidate(certificate: Certificate) -> Candidate {
    Candidate {
        certificate,
        chain: Vec::new(),
        provenance: Provenance {
            source: LookupSource::Mcek,
            authentication: Authentication::PublicTls,
            seen: now(),
        },
    }
}

fn now() -> Time {
    Time::from_unix(1_800_000_000).expect("a time")
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// What is kept waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an answer that is kept waits"),
    }
}
