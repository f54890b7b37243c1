use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::RootCertStore;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::gateway::judge::chain;
use crate::lookup::ldap::connection::Bind;
use crate::lookup::ldap::filter::Comparison;
use crate::lookup::ldap::filter::Filter;
use crate::lookup::ldap::message;
use crate::lookup::ldap::url::Security;
use crate::tlv;

const SEARCH: u8 = 0x63;
const ABANDON: u8 = 0x50;
const UNBIND: u8 = 0x42;

/// A request, as the server reads it.
#[derive(Clone, Debug)]
struct Request {
    id: u32,
    operation: u8,
    /// Whom it asks for.
    who: Vec<u8>,
}

/// A client's connection, at the server.
struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    number: usize,
}

impl Client {
    /// The next request; none at the end.
    async fn request(&mut self) -> Option<Request> {
        let length = loop {
            let length = message::length(&self.received).unwrap();
            if let Some(length) = length.filter(|length| self.received.len() >= *length) {
                break length;
            }
            if self.stream.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        };
        let octets: Vec<u8> = self.received.drain(..length).collect();
        let outer = tlv::Reader::definite(&octets).element().unwrap();
        let mut fields = outer.reader();
        let id = fields.element().unwrap().unsigned().unwrap();
        let operation = fields.element().unwrap();
        let before = b"\x04\x04mail\x04";
        let found = octets.windows(7).position(|seven| seven == before);
        let who = found.map(|at| {
            let length = usize::from(octets[at + 7]);
            octets[at + 8..at + 8 + length].to_vec()
        });
        let operation = operation.tag;
        let who = who.unwrap_or_default();
        Some(Request { id, operation, who })
    }

    async fn requests(&mut self, number: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < number {
            requests.push(self.request().await.unwrap());
        }
        requests
    }

    async fn send(&mut self, octets: &[u8]) {
        // Whoever is gone does not hear it.
        let _ = self.stream.write_all(octets).await;
    }

    /// Answers each search at once, until the end.
    async fn serve(mut self) {
        while let Some(request) = self.request().await {
            if request.operation == SEARCH {
                self.send(&answer(&request)).await;
            }
        }
    }
}

fn reply(id: u32, operation: u8, content: &[&[u8]]) -> Vec<u8> {
    let id = tlv::element(2, &[&id.to_be_bytes()]);
    tlv::element(0x30, &[&id, &tlv::element(operation, content)])
}

fn entry(id: u32, value: &[u8]) -> Vec<u8> {
    let values = tlv::element(0x31, &[&tlv::element(4, &[value])]);
    let name = tlv::element(4, &[b"userCertificate"]);
    let attribute = tlv::element(0x30, &[&name, &values]);
    reply(id, 0x64, &[&[4, 0], &tlv::element(0x30, &[&attribute])])
}

fn done(id: u32) -> Vec<u8> {
    reply(id, 0x65, &[&[0x0a, 1, 0, 4, 0, 4, 0]])
}

/// An entry with the name of who is asked for, and the end.
fn answer(request: &Request) -> Vec<u8> {
    [entry(request.id, &request.who), done(request.id)].concat()
}

/// A directory without TLS that does so on each connection, and the number of those.
async fn directory<F>(
    script: impl Fn(Client) -> F + Send + 'static,
) -> (Arc<Pool>, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    directory_with(None, script).await
}

/// The same, to which the gateway binds.
async fn directory_with<F>(
    bind: Option<Bind>,
    script: impl Fn(Client) -> F + Send + 'static,
) -> (Arc<Pool>, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(script(Client {
                stream,
                received: Vec::new(),
                number,
            }));
        }
    });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let url = LdapUrl::parse(&format!("ldap://127.0.0.1:{port}")).unwrap();
    let server = Server {
        name: url.to_string(),
        security: Security::Clear,
        server_name: None,
        tls: Arc::new(tls),
        bind,
    };
    (Arc::new(Pool::new(url, server)), made)
}

fn search(who: &str, milliseconds: u64) -> Search {
    Search {
        base: "dc=b".to_owned(),
        filter: Filter::Compare {
            attribute: "mail".to_owned(),
            comparison: Comparison::Equal,
            value: who.as_bytes().to_vec(),
        },
        most_values: 500,
        paged: false,
        deadline: Instant::now() + Duration::from_millis(milliseconds),
    }
}

/// Far more than any of it takes.
const LONG: u64 = 20_000;

/// What is found of somebody, or the error.
async fn ask(pool: &Pool, who: &str, milliseconds: u64) -> String {
    match pool.search(&search(who, milliseconds)).await {
        Ok(found) => String::from_utf8(found.values.concat()).unwrap(),
        Err(failure) => chain(&*failure),
    }
}

/// What is found of so many at once, by their names `u0` and so on.
async fn ask_all(pool: &Arc<Pool>, number: usize) -> Vec<String> {
    let mut asked = JoinSet::new();
    for index in 0..number {
        let pool = Arc::clone(pool);
        asked.spawn(async move { (index, ask(&pool, &format!("u{index}"), LONG).await) });
    }
    let mut all = asked.join_all().await;
    all.sort();
    all.into_iter().map(|(_, said)| said).collect()
}

fn names(number: usize) -> Vec<String> {
    (0..number).map(|index| format!("u{index}")).collect()
}

#[tokio::test]
async fn each_search_gets_its_own_answer_whatever_their_order() {
    let (pool, made) = directory(async |mut client: Client| {
        // None is answered before all have come.
        let requests = client.requests(50).await;
        for request in requests.iter().rev() {
            client.send(&entry(request.id, &request.who)).await;
        }
        for request in &requests {
            client.send(&done(request.id)).await;
        }
        client.serve().await;
    })
    .await;
    assert_eq!(ask_all(&pool, 50).await, names(50));
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_thousand_are_asked_for_at_once_and_no_more_than_a_hundred_on_a_connection() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let (pool, made) = directory(move |mut client: Client| {
        let waiting = Arc::clone(&waiting);
        async move {
            let requests = client.requests(100).await;
            waiting.fetch_add(requests.len(), Ordering::Relaxed);
            while waiting.load(Ordering::Relaxed) < 1_000 {
                let more = timeout(Duration::from_millis(10), client.request()).await;
                assert!(more.is_err(), "more than a hundred");
            }
            for request in &requests {
                client.send(&answer(request)).await;
            }
            client.serve().await;
        }
    })
    .await;
    assert_eq!(ask_all(&pool, 1_200).await, names(1_200));
    assert_eq!(made.load(Ordering::Relaxed), MOST_SHARED);
}

/// The last words of an answer, with the place of a next page.
fn page(id: u32) -> Vec<u8> {
    let value = tlv::element(0x30, &[&[2, 1, 0], &tlv::element(4, &[b"c"])]);
    let name = tlv::element(4, &[b"1.2.840.113556.1.4.319"]);
    let control = tlv::element(0x30, &[&name, &tlv::element(4, &[&value])]);
    let id = tlv::element(2, &[&id.to_be_bytes()]);
    let operation = tlv::element(0x65, &[&[0x0a, 1, 0, 4, 0, 4, 0]]);
    tlv::element(0x30, &[&id, &operation, &tlv::element(0xa0, &[&control])])
}

/// What a server sends for the search with that number.
type Answer = fn(u32) -> Vec<u8>;

#[tokio::test]
async fn what_is_wrong_with_one_answer_harms_no_other_search() {
    let wrong: [(Answer, &str); 6] = [
        (
            |id| entry(id, &vec![b'x'; 2 << 20]),
            "at most 1048576 are read",
        ),
        (
            |id| reply(id, 0x64, &[&[4, 9]]),
            "an LDAP message is malformed",
        ),
        (|id| reply(id, 0x7e, &[]), "protocolOp 0x7e"),
        (
            |id| reply(id, 0x61, &[&[0x0a, 1, 0, 4, 0, 4, 0]]),
            "answers nothing that was asked",
        ),
        (page, "answers nothing that was asked"),
        // Nobody's: then everybody has an answer.
        (
            |_| [done(99), entry(99, b"x"), reply(98, 0x7e, &[])].concat(),
            "",
        ),
    ];
    for (wrong, wanted) in wrong {
        let (pool, made) = directory(move |mut client: Client| async move {
            let requests = client.requests(10).await;
            for request in &requests {
                if request.who == b"u3" {
                    client.send(&wrong(request.id)).await;
                }
                if request.who != b"u3" || wanted.is_empty() {
                    client.send(&answer(request)).await;
                }
            }
            client.serve().await;
        })
        .await;
        let mut said = ask_all(&pool, 10).await;
        if !wanted.is_empty() {
            assert!(said[3].contains(wanted), "{said:?}");
            said[3] = "u3".to_owned();
        }
        assert_eq!(said, names(10), "{wanted}");
        assert_eq!(made.load(Ordering::Relaxed), 1, "{wanted}");
    }
}

/// What ends a connection, each with what it is called.
fn ends() -> [(Vec<u8>, &'static str); 5] {
    [
        (Vec::new(), "the connection to the directory broke"),
        // Notice of Disconnection (RFC 4511 §4.4.1).
        (
            reply(0, 0x78, &[&[0x0a, 1, 52, 4, 0, 4, 0]]),
            "ends the connection with unavailable",
        ),
        // No length, nobody's number, and longer than is passed over.
        (vec![0x30, 0x80], "does not speak LDAP"),
        (vec![0x30, 0x00], "does not speak LDAP"),
        (
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 99, 0x64, 0, 0],
            "4294967295 octets",
        ),
    ]
}

#[tokio::test]
async fn where_a_connection_is_lost_its_searches_are_asked_once_more_on_another() {
    for (octets, wanted) in ends() {
        let (pool, made) = directory(move |mut client: Client| {
            let octets = octets.clone();
            async move {
                if client.number > 0 {
                    return client.serve().await;
                }
                let requests = client.requests(10).await;
                // A part of an answer is none.
                client.send(&entry(requests[3].id, b"part")).await;
                client.send(&answer(&requests[5])).await;
                client.send(&octets).await;
            }
        })
        .await;
        assert_eq!(ask_all(&pool, 10).await, names(10), "{wanted}");
        assert_eq!(made.load(Ordering::Relaxed), 2, "{wanted}");
    }
}

#[tokio::test]
async fn no_search_is_asked_a_third_time() {
    for (octets, wanted) in ends() {
        let (pool, made) = directory(move |mut client: Client| {
            let octets = octets.clone();
            async move {
                let requests = client.requests(10 - client.number).await;
                client.send(&answer(&requests[5])).await;
                client.send(&octets).await;
            }
        })
        .await;
        let said = ask_all(&pool, 10).await;
        let failed = said.iter().filter(|one| one.contains(wanted)).count();
        let found = said.iter().filter(|one| one.len() == 2).count();
        assert_eq!((failed, found), (8, 2), "{said:?}");
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert_eq!(pool.open(), 0);
    }
}

#[tokio::test]
async fn a_connection_is_opened_for_whoever_waits_longest() {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let over = Arc::new(Notify::new());
    let goes_on = Arc::clone(&over);
    let bind = Bind {
        dn: "cn=gateway".to_owned(),
        password: "s3cret".to_owned().into(),
    };
    let (pool, made) = directory_with(Some(bind), move |mut client: Client| {
        let told = told.clone();
        let goes_on = Arc::clone(&goes_on);
        async move {
            let bind = client.requests(1).await;
            told.send(()).unwrap();
            goes_on.notified().await;
            let bound = reply(bind[0].id, 0x61, &[&[0x0a, 1, 0, 4, 0, 4, 0]]);
            client.send(&bound).await;
            client.serve().await;
        }
    })
    .await;
    let spawned = |who: &'static str, milliseconds| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { ask(&pool, who, milliseconds).await })
    };
    let short = spawned("short", 400);
    hears.recv().await.unwrap();
    let long = spawned("long", LONG);
    let short = short.await.unwrap();
    assert!(short.contains("the bind was not done"), "{short}");
    over.notify_one();
    assert_eq!(long.await.unwrap(), "long");
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn searches_on_a_connection_that_was_dead_before_are_asked_on_another() {
    let (pool, made) = directory(async |mut client: Client| {
        if client.number > 0 {
            return client.serve().await;
        }
        let first = client.requests(1).await;
        client.send(&answer(&first[0])).await;
        // Ends with all that has come, and without a word.
        client.requests(5).await;
    })
    .await;
    assert_eq!(ask(&pool, "u0", LONG).await, "u0");
    assert_eq!(ask_all(&pool, 5).await, names(5));
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_search_that_is_given_up_is_abandoned_and_its_late_answer_is_nobodys() {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let (pool, made) = directory(move |mut client: Client| {
        let told = told.clone();
        async move {
            let given_up = client.requests(1).await;
            told.send(()).unwrap();
            let abandon = client.requests(1).await;
            assert_eq!(abandon[0].operation, ABANDON);
            let next = client.requests(1).await;
            client.send(&answer(&given_up[0])).await;
            client.send(&answer(&next[0])).await;
            client.serve().await;
        }
    })
    .await;
    tokio::select! {
        found = ask(&pool, "given up", LONG) => panic!("{found}"),
        _ = hears.recv() => {}
    }
    assert_eq!(ask(&pool, "next", LONG).await, "next");
    assert_eq!(ask(&pool, "last", LONG).await, "last");
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn who_is_never_answered_is_out_of_time_alone() {
    let (pool, made) = directory(async |mut client: Client| {
        while let Some(request) = client.request().await {
            if request.operation == SEARCH && request.who != b"never" {
                client.send(&answer(&request)).await;
            }
        }
    })
    .await;
    assert_eq!(ask(&pool, "first", LONG).await, "first");
    let never = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { ask(&pool, "never", 3_000).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask_all(&pool, 10).await, names(10));
    let never = never.await.unwrap();
    assert!(never.contains("the search was not done"), "{never}");
    // It lives, and so it goes on.
    assert_eq!(ask(&pool, "last", LONG).await, "last");
    assert_eq!((made.load(Ordering::Relaxed), pool.open()), (1, 1));
}

#[tokio::test]
async fn endless_entries_for_one_search_end_it_alone() {
    let (pool, made) = directory(async |mut client: Client| {
        if client.number > 0 {
            return client.serve().await;
        }
        let requests = client.requests(2).await;
        let (endless, other): (Vec<_>, Vec<_>) =
            requests.iter().partition(|one| one.who == b"endless");
        let flood = entry(endless[0].id, &[b'x'; 50_000]);
        // Ten megabytes, whatever it is told.
        for _ in 0..200 {
            client.send(&flood).await;
        }
        client.send(&answer(other[0])).await;
        client.serve().await;
    })
    .await;
    let (endless, other) = tokio::join!(ask(&pool, "endless", LONG), ask(&pool, "other", LONG));
    assert!(endless.contains("octets of certificates"), "{endless}");
    assert_eq!(other, "other");
    // Such a connection is left.
    assert_eq!(ask(&pool, "last", LONG).await, "last");
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_ends_with_a_farewell_when_its_pool_is_gone() {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let (pool, _) = directory(move |mut client: Client| {
        let told = told.clone();
        async move {
            let first = client.requests(1).await;
            client.send(&answer(&first[0])).await;
            let last = client.request().await.map(|request| request.operation);
            let end = client.request().await.is_none();
            told.send((last, end)).unwrap();
        }
    })
    .await;
    assert_eq!(ask(&pool, "u0", LONG).await, "u0");
    drop(pool);
    let heard = timeout(Duration::from_secs(20), hears.recv()).await;
    assert_eq!(heard.unwrap(), Some((Some(UNBIND), true)));
}

#[tokio::test]
async fn nobody_joins_a_connection_that_does_not_open() {
    let bind = Bind {
        dn: "cn=gateway".to_owned(),
        password: "s3cret".to_owned().into(),
    };
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let (pool, made) = directory_with(Some(bind), move |mut client: Client| {
        let told = told.clone();
        async move {
            let bind = client.requests(1).await;
            told.send(()).unwrap();
            // The first is never answered.
            if client.number > 0 {
                let bound = reply(bind[0].id, 0x61, &[&[0x0a, 1, 0, 4, 0, 4, 0]]);
                client.send(&bound).await;
            }
            client.serve().await;
        }
    })
    .await;
    let first = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { ask(&pool, "first", LONG).await })
    };
    hears.recv().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(ask(&pool, "next", LONG).await, "next");
    assert_eq!(made.load(Ordering::Relaxed), 2);
    first.abort();
}
