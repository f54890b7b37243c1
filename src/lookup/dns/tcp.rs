//! The TCP connections to one server: few, kept for a while, each with many queries outstanding (RFC 7766 §6.2).
//!
//! Answers come in any order, and are matched by identifier and question (§7). A query whose connection ends is asked
//! once more, on one that was opened since; then nobody knows. What an answer says is not believed here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_resolver::proto::op::Message;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio::time::timeout_at;

use super::answer::answers;

/// Connections to one server at once: fewer than the 10 that unbound takes from everybody unless told otherwise.
const MOST_CONNECTIONS: usize = 8;

/// Queries outstanding on one connection: those that the server does not read yet wait in its socket. Kresd works on
/// 100 of one connection at once, unbound on 32, BIND on 23.
const MOST_OUTSTANDING: usize = 128;

/// Queries outstanding on each connection before another one is opened. One connection is meant to be enough (RFC 7766
/// §6.2.2), as long as the server works on all of it.
const ENOUGH: usize = 32;

/// How long a connection without queries is kept: less than servers do, of which Knot's have the least with 10 seconds.
const IDLE: Duration = Duration::from_secs(8);

/// How long a server may owe answers and give none, before the connection counts as dead: a firewall may have forgotten
/// it.
const SILENCE: Duration = Duration::from_secs(2);

/// How often one query is sent.
const TRIES: usize = 2;

/// Octets of one read.
const READ: usize = 16 * 1024;

const LATE: &str = "did not answer over TCP in time";
const STRANGE: &str = "answered something over TCP that was not asked";

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Tcp {
    server: SocketAddr,
    idle: Duration,
    open: Mutex<Vec<Connection>>,
    /// Connections that may still be opened.
    room: Arc<Semaphore>,
    /// Queries that may still be outstanding, on all of them.
    places: Arc<Semaphore>,
    /// The number of the connection that was opened last; the first is 1.
    last: Arc<AtomicU64>,
}

/// Our end of a connection. What becomes of it is seen to by a task of its own.
#[derive(Debug)]
struct Connection {
    number: u64,
    queries: UnboundedSender<Outstanding>,
    /// Queries that may still be outstanding on it.
    places: Arc<Semaphore>,
}

/// A query, and who waits for its answer.
///
/// It keeps its identifier and its places until the answer comes, or the connection ends, though nobody may wait any
/// more: a late answer can then be no other query's.
#[derive(Debug)]
struct Outstanding {
    query: Message,
    octets: Vec<u8>,
    answer: oneshot::Sender<Result<Message, Fault>>,
    _places: [OwnedSemaphorePermit; 2],
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// The connection ended first. Those with a number above `after` were opened since.
    Ended { reason: String, after: u64 },
    /// It would be the same again.
    Final(String),
}

impl Tcp {
    /// Opens nothing.
    pub(super) fn new(server: SocketAddr) -> Self {
        Self {
            server,
            idle: IDLE,
            open: Mutex::default(),
            room: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            places: Arc::new(Semaphore::new(MOST_CONNECTIONS * MOST_OUTSTANDING)),
            last: Arc::default(),
        }
    }

    /// The answer to `query`, of which `octets` are the encoding; whole, and of at most 65,535 octets, as all over TCP.
    ///
    /// Ends by `until`. `Err` says what the server did.
    pub(super) async fn ask(
        &self,
        query: &Message,
        octets: &[u8],
        until: Instant,
    ) -> Result<Message, String> {
        let (mut fault, mut newer_than) = (String::new(), 0);
        for _ in 0..TRIES {
            match self.try_once((query, octets), newer_than, until).await {
                Ok(message) => return Ok(message),
                Err(Fault::Final(reason)) => return Err(reason),
                Err(Fault::Ended { reason, after }) => (fault, newer_than) = (reason, after),
            }
            if Instant::now() >= until {
                break;
            }
        }
        Err(fault)
    }

    async fn try_once(
        &self,
        (query, octets): (&Message, &[u8]),
        newer_than: u64,
        until: Instant,
    ) -> Result<Message, Fault> {
        let place = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await;
        // It is never closed.
        let Ok(Ok(place)) = place else {
            return Err(Fault::Final(format!(
                "has {} queries over TCP outstanding, and none was answered in time",
                MOST_CONNECTIONS * MOST_OUTSTANDING
            )));
        };
        let (queries, place_there) = self.connection(newer_than)?;
        let (answer, answered) = oneshot::channel();
        let sent = queries.send(Outstanding {
            query: query.clone(),
            octets: octets.to_vec(),
            answer,
            _places: [place, place_there],
        });
        let ended = || Fault::Ended {
            reason: "ended the connection over TCP".to_owned(),
            after: self.last.load(Ordering::Relaxed),
        };
        sent.map_err(|_| ended())?;
        match timeout_at(until, answered).await {
            Ok(Ok(answered)) => answered,
            // The connection's task is gone, with the runtime that it ran in.
            Ok(Err(_)) => Err(ended()),
            Err(_) => Err(Fault::Final(LATE.to_owned())),
        }
    }

    /// A connection with a number above `newer_than`, and a place on it: the one with the fewest queries, or a new one
    /// where each has enough of them. Where no other may be opened, an older one rather than none.
    fn connection(
        &self,
        newer_than: u64,
    ) -> Result<(UnboundedSender<Outstanding>, OwnedSemaphorePermit), Fault> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| !one.queries.is_closed());
        let has_enough = |one: &Connection| one.outstanding() >= ENOUGH || one.number <= newer_than;
        if open.iter().all(has_enough)
            && let Ok(room) = Arc::clone(&self.room).try_acquire_owned()
        {
            open.push(self.open(room));
        }
        let eligible = open
            .iter()
            .filter(|one| one.outstanding() < MOST_OUTSTANDING);
        let best = eligible.min_by_key(|one| (one.number <= newer_than, one.outstanding()));
        let chosen = best.and_then(|one| {
            let place = Arc::clone(&one.places).try_acquire_owned().ok()?;
            Some((one.queries.clone(), place))
        });
        chosen.ok_or_else(|| {
            Fault::Final(format!(
                "has {MOST_CONNECTIONS} connections, with {MOST_OUTSTANDING} queries outstanding on each"
            ))
        })
    }

    fn open(&self, room: OwnedSemaphorePermit) -> Connection {
        let (queries, incoming) = unbounded_channel();
        let exchange = Exchange {
            server: self.server,
            idle: self.idle,
            last: Arc::clone(&self.last),
            outstanding: HashMap::new(),
            unsent: Vec::new(),
            received: Vec::new(),
        };
        tokio::spawn(exchange.run(incoming, room));
        Connection {
            number: self.last.fetch_add(1, Ordering::Relaxed) + 1,
            queries,
            places: Arc::new(Semaphore::new(MOST_OUTSTANDING)),
        }
    }
}

impl Connection {
    fn outstanding(&self) -> usize {
        MOST_OUTSTANDING - self.places.available_permits()
    }
}

/// The task of one connection.
struct Exchange {
    server: SocketAddr,
    idle: Duration,
    last: Arc<AtomicU64>,
    /// By their identifiers.
    outstanding: HashMap<u16, Outstanding>,
    /// Octets of queries that the socket does not take yet.
    unsent: Vec<u8>,
    /// Octets of an answer that is not all there.
    received: Vec<u8>,
}

impl Exchange {
    /// Connects, and goes on until the connection ends; tells those who wait why it did.
    async fn run(
        mut self,
        mut incoming: UnboundedReceiver<Outstanding>,
        room: OwnedSemaphorePermit,
    ) {
        let failed = |error| Fault::Final(format!("failed over TCP: {error}"));
        let fault = match timeout(SILENCE, TcpStream::connect(self.server)).await {
            Ok(Ok(stream)) => Err(self.converse(stream, &mut incoming).await),
            Ok(Err(error)) => Ok(failed(error)),
            Err(_) => Ok(Fault::Final(LATE.to_owned())),
        };
        // In this order: who is told that it has ended finds room for another.
        drop(room);
        incoming.close();
        let fault = fault.unwrap_or_else(|reason| Fault::Ended {
            reason,
            after: self.last.load(Ordering::Relaxed),
        });
        let mut waiting: Vec<Outstanding> = self.outstanding.into_values().collect();
        while let Some(query) = incoming.recv().await {
            waiting.push(query);
        }
        for one in waiting {
            let _gone = one.answer.send(Err(fault.clone()));
        }
    }

    /// Reads and writes at the same time, since a server may read no more before its answers are read. Returns why it
    /// has ended.
    async fn converse(
        &mut self,
        mut stream: TcpStream,
        incoming: &mut UnboundedReceiver<Outstanding>,
    ) -> String {
        let failed = |error: std::io::Error| format!("failed over TCP: {error}");
        if let Err(error) = stream.set_nodelay(true) {
            return failed(error);
        }
        let (mut reading, mut writing) = stream.split();
        let mut chunk = vec![0; READ];
        let mut wanted = true;
        let mut due = Instant::now() + self.idle;
        while wanted || !self.outstanding.is_empty() {
            tokio::select! {
                query = incoming.recv(), if wanted => match query {
                    Some(query) => {
                        if self.outstanding.is_empty() {
                            due = Instant::now() + SILENCE;
                        }
                        self.send(query);
                    }
                    // Whoever forgets the server forgets its connections with it.
                    None => wanted = false,
                },
                written = writing.write(&self.unsent), if !self.unsent.is_empty() => match written {
                    Ok(octets) => drop(self.unsent.drain(..octets)),
                    Err(error) => return failed(error),
                },
                read = reading.read(&mut chunk) => match read {
                    Ok(0) => return "ended the connection over TCP".to_owned(),
                    Ok(octets) => {
                        self.received.extend_from_slice(chunk.get(..octets).unwrap_or_default());
                        match self.read_answers() {
                            Ok(0) => {}
                            Ok(_) if self.outstanding.is_empty() => due = Instant::now() + self.idle,
                            Ok(_) => due = Instant::now() + SILENCE,
                            Err(reason) => return reason,
                        }
                    }
                    Err(error) => return failed(error),
                },
                // With none outstanding it was idle, and nobody is told.
                () = sleep_until(due) => return LATE.to_owned(),
            }
        }
        String::new()
    }

    /// Gives the query an identifier that no other one has here, and frames it (RFC 1035 §4.2.2).
    fn send(&mut self, mut query: Outstanding) {
        let mut id = query.query.metadata.id;
        // There are far more identifiers than places.
        while self.outstanding.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        query.query.metadata.id = id;
        let Ok(length) = u16::try_from(query.octets.len()) else {
            let fault = Fault::Final("got too long a query".to_owned());
            let _gone = query.answer.send(Err(fault));
            return;
        };
        self.unsent.extend(length.to_be_bytes());
        self.unsent.extend(id.to_be_bytes());
        self.unsent.extend(query.octets.drain(..).skip(2));
        self.outstanding.insert(id, query);
    }

    /// Hands out the answers that are all there, and returns how many they were.
    ///
    /// `Err` where one is to no query of ours: nothing that such a server says is what it seems.
    fn read_answers(&mut self) -> Result<usize, String> {
        let received = std::mem::take(&mut self.received);
        let mut rest = received.as_slice();
        let mut count = 0;
        while let Some((length, framed)) = rest.split_first_chunk::<2>()
            && let Some((answer, next)) =
                framed.split_at_checked(u16::from_be_bytes(*length).into())
        {
            self.answered(answer)?;
            count += 1;
            rest = next;
        }
        self.received = rest.to_vec();
        Ok(count)
    }

    fn answered(&mut self, octets: &[u8]) -> Result<(), String> {
        let id = octets.first_chunk().map(|id| u16::from_be_bytes(*id));
        let outstanding = id.and_then(|id| self.outstanding.remove(&id));
        let outstanding = outstanding.ok_or(STRANGE)?;
        // What a zone can hold that we cannot read is no fault of the connection, on which others wait.
        let read = Message::from_vec(octets)
            .map_err(|error| format!("sent a malformed answer over TCP: {error}"));
        let strange = matches!(&read, Ok(message) if !answers(message, &outstanding.query));
        let answer = match read {
            Ok(_) if strange => Err(STRANGE.to_owned()),
            Ok(message) if message.metadata.truncation => {
                Err("truncated its answer over TCP, where that cannot be".to_owned())
            }
            read => read,
        };
        let _gone = outstanding.answer.send(answer.map_err(Fault::Final));
        if strange {
            Err(STRANGE.to_owned())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use hickory_resolver::proto::op::MessageType;
    use hickory_resolver::proto::op::OpCode;
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::Name;
    use hickory_resolver::proto::rr::RecordType;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::super::name::parse;
    use super::*;

    /// Long, so that no test ends by it unless it fails.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn server() -> (TcpListener, Arc<Tcp>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = Tcp::new(listener.local_addr().unwrap());
        (listener, Arc::new(tcp))
    }

    fn query(id: u16, name: &str) -> Message {
        let mut query = Message::new(id, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(parse(name).unwrap(), RecordType::SMIMEA));
        query
    }

    async fn ask(tcp: &Tcp, query: &Message, patience: Duration) -> Result<Message, String> {
        let octets = query.to_vec().unwrap();
        tcp.ask(query, &octets, Instant::now() + patience).await
    }

    /// Both of them, unless one waits for ever.
    async fn both<A, B>(asking: impl Future<Output = A>, serving: impl Future<Output = B>) -> A {
        let both = async { tokio::join!(asking, serving).0 };
        timeout(2 * PATIENCE, both).await.unwrap()
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        listener.accept().await.unwrap().0
    }

    async fn read(stream: &mut TcpStream) -> Message {
        let length = stream.read_u16().await.unwrap();
        let mut octets = vec![0; length.into()];
        stream.read_exact(&mut octets).await.unwrap();
        Message::from_vec(&octets).unwrap()
    }

    async fn write(stream: &mut TcpStream, octets: &[u8]) {
        let length = u16::try_from(octets.len()).unwrap();
        stream.write_u16(length).await.unwrap();
        stream.write_all(octets).await.unwrap();
    }

    async fn answer(stream: &mut TcpStream, query: &Message) {
        let octets = answer_to(query).to_vec().unwrap();
        write(stream, &octets).await;
    }

    fn answer_to(query: &Message) -> Message {
        let mut answer = query.clone();
        answer.metadata.message_type = MessageType::Response;
        answer
    }

    fn name_in(message: &Message) -> &Name {
        message.queries[0].name()
    }

    #[tokio::test]
    async fn queries_share_a_connection_and_are_answered_in_any_order() {
        let (listener, tcp) = server().await;
        let serving = tokio::spawn(async move {
            let mut stream = accept(&listener).await;
            for _ in 0..2 {
                let mut queries = Vec::new();
                for _ in 0..ENOUGH {
                    queries.push(read(&mut stream).await);
                }
                for query in queries.iter().rev() {
                    answer(&mut stream, query).await;
                }
            }
            listener
        });
        for _ in 0..2 {
            let mut asking = JoinSet::new();
            for number in 0..ENOUGH {
                let tcp = Arc::clone(&tcp);
                asking.spawn(async move {
                    // All of one identifier, as chance could have it.
                    let query = query(7, &format!("n{number}.b.example"));
                    let answer = ask(&tcp, &query, PATIENCE).await.unwrap();
                    assert_eq!(name_in(&answer), name_in(&query));
                });
            }
            while let Some(asked) = asking.join_next().await {
                asked.unwrap();
            }
        }
        let listener = serving.await.unwrap();
        let another = timeout(Duration::ZERO, listener.accept()).await;
        assert!(another.is_err(), "a second connection");
    }

    #[tokio::test]
    async fn a_query_whose_connection_ends_is_asked_once_more_on_a_new_one() {
        let (listener, tcp) = server().await;
        let serving = async {
            for served in [false, true, false, false] {
                let mut stream = accept(&listener).await;
                let query = read(&mut stream).await;
                if served {
                    answer(&mut stream, &query).await;
                }
            }
        };
        let asking = async {
            let one = query(1, "b.example");
            let answered = ask(&tcp, &one, PATIENCE).await;
            let given_up = ask(&tcp, &one, PATIENCE).await;
            (answered, given_up)
        };
        let (answered, given_up) = both(asking, serving).await;
        assert!(answered.is_ok(), "{answered:?}");
        assert_eq!(given_up.unwrap_err(), "ended the connection over TCP");
    }

    #[tokio::test]
    async fn an_answer_to_what_was_not_asked_ends_the_connection_and_one_query() {
        let (listener, tcp) = server().await;
        let serving = async {
            let mut stream = accept(&listener).await;
            let (first, second) = (read(&mut stream).await, read(&mut stream).await);
            let mut other = answer_to(&first);
            other.queries = second.queries.clone();
            write(&mut stream, &other.to_vec().unwrap()).await;
            // The second is asked again on another.
            let mut stream = accept(&listener).await;
            let query = read(&mut stream).await;
            assert_eq!(name_in(&query), name_in(&second));
            answer(&mut stream, &query).await;
        };
        let (one, two) = (query(1, "one.b.example"), query(2, "two.b.example"));
        let asking = async { tokio::join!(ask(&tcp, &one, PATIENCE), ask(&tcp, &two, PATIENCE)) };
        let (one, two) = both(asking, serving).await;
        assert_eq!(one.unwrap_err(), STRANGE);
        assert!(two.is_ok(), "{two:?}");
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_one_querys_alone() {
        let (listener, tcp) = server().await;
        let serving = async {
            let mut stream = accept(&listener).await;
            let (first, second) = (read(&mut stream).await, read(&mut stream).await);
            let octets = answer_to(&first).to_vec().unwrap();
            write(&mut stream, &octets[..octets.len() - 1]).await;
            answer(&mut stream, &second).await;
        };
        let (one, two) = (query(1, "one.b.example"), query(2, "two.b.example"));
        let asking = async { tokio::join!(ask(&tcp, &one, PATIENCE), ask(&tcp, &two, PATIENCE)) };
        let (one, two) = both(asking, serving).await;
        assert!(one.unwrap_err().contains("malformed"));
        assert!(two.is_ok(), "{two:?}");
    }

    #[tokio::test]
    async fn the_answer_to_who_is_gone_is_nobody_elses() {
        let (listener, tcp) = server().await;
        let (left, right) = (query(7, "left.b.example"), query(7, "right.b.example"));
        let serving = async {
            let mut stream = accept(&listener).await;
            let (first, second) = (read(&mut stream).await, read(&mut stream).await);
            assert_eq!(name_in(&first), name_in(&left));
            assert_ne!(first.metadata.id, second.metadata.id);
            answer(&mut stream, &first).await;
            answer(&mut stream, &second).await;
        };
        let asking = async {
            // It is sent, and then nobody waits for it any more.
            let gone = ask(&tcp, &left, Duration::from_millis(50)).await;
            assert_eq!(gone.unwrap_err(), LATE);
            ask(&tcp, &right, PATIENCE).await
        };
        let answered = both(asking, serving).await;
        assert_eq!(name_in(&answered.unwrap()), name_in(&right));
    }

    #[tokio::test]
    async fn connections_and_queries_outstanding_on_each_are_bounded() {
        let (listener, tcp) = server().await;
        let (heard, mut counts) = unbounded_channel();
        let serving = tokio::spawn(async move {
            for number in 0.. {
                let mut stream = accept(&listener).await;
                let heard = heard.clone();
                tokio::spawn(async move {
                    loop {
                        read(&mut stream).await;
                        heard.send(number).unwrap();
                    }
                });
            }
        });
        let mut asking = JoinSet::new();
        for number in 0..2 * MOST_CONNECTIONS * MOST_OUTSTANDING {
            let tcp = Arc::clone(&tcp);
            asking.spawn(async move {
                let query = query(7, &format!("n{number}.b.example"));
                ask(&tcp, &query, Duration::from_secs(1)).await
            });
        }
        while let Some(asked) = asking.join_next().await {
            assert!(asked.unwrap().is_err());
        }
        serving.abort();
        let mut each = HashMap::<i32, usize>::new();
        while let Ok(connection) = counts.try_recv() {
            *each.entry(connection).or_default() += 1;
        }
        assert!(each.len() <= MOST_CONNECTIONS, "{each:?}");
        assert!(
            each.values().all(|count| *count <= MOST_OUTSTANDING),
            "{each:?}"
        );
    }

    #[tokio::test]
    async fn a_connection_without_queries_is_closed_and_the_next_query_has_a_new_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = Tcp {
            idle: Duration::from_millis(1),
            ..Tcp::new(listener.local_addr().unwrap())
        };
        let serving = async {
            for _ in 0..2 {
                let mut stream = accept(&listener).await;
                let query = read(&mut stream).await;
                answer(&mut stream, &query).await;
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            }
        };
        let asking = async {
            for _ in 0..2 {
                ask(&tcp, &query(1, "b.example"), PATIENCE).await.unwrap();
                while !tcp.open.lock().unwrap()[0].queries.is_closed() {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        };
        both(asking, serving).await;
    }

    #[tokio::test]
    async fn a_server_that_owes_answers_and_gives_none_is_connected_to_anew() {
        let (listener, tcp) = server().await;
        let serving = async {
            let mut forgotten = accept(&listener).await;
            let query = read(&mut forgotten).await;
            let mut stream = accept(&listener).await;
            read(&mut stream).await;
            answer(&mut stream, &query).await;
            // Silent, and not closed.
            pending::<()>().await;
        };
        let one = query(1, "b.example");
        let answered = tokio::select! {
            answered = ask(&tcp, &one, PATIENCE) => answered,
            () = serving => panic!("it waits"),
        };
        assert!(answered.is_ok(), "{answered:?}");
    }
}
