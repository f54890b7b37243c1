//! A connection that many searches share: a task that reads and writes, and the handle by which searches come and go.
//!
//! The task alone has the socket, so that a search whose waiter is gone leaves nothing half read. It ends with the
//! connection, when nobody has used it for long, and when all handles to it are gone.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::io::split;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio::time::timeout_at;

use super::connection::Connection;
use super::connection::Failure;
use super::connection::Opening;
use super::connection::Server;
use super::connection::Step;
use super::connection::Stream;
use super::session::Session;
use super::underway::Entries;
use super::underway::Search;

/// Searches on one connection at once. OpenLDAP ends one on which more than 100 requests wait whose sender is not bound
/// (`conn_max_pending` of slapd.conf).
const MOST_SEARCHES: usize = 100;

/// How long an unused connection is kept. OpenLDAP and Active Directory keep them for minutes, firewalls for less.
const IDLE: Duration = Duration::from_secs(30);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Octets of one read.
const READ: usize = 16 * 1024;

/// The handle to a connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    commands: mpsc::UnboundedSender<Command>,
    status: Arc<Mutex<Status>>,
    opening: Arc<Opening>,
    room: Arc<Notify>,
}

/// What is known of a connection without asking its task.
#[derive(Debug)]
struct Status {
    /// When something was answered last; never before the first search.
    heard: Option<Instant>,
    /// Whether something was answered that was not asked.
    strayed: bool,
    /// Whether no more searches may come. It ends when those that are under way have.
    retired: bool,
    /// Searches that have come and not gone.
    taken: usize,
    /// Searches that have ever come.
    ever: u64,
}

/// Room for one search; the next one comes when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    status: Arc<Mutex<Status>>,
    room: Arc<Notify>,
    since: Instant,
    number: u64,
}

/// Whether a connection that says nothing may be left for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    First,
    Last,
}

/// Why a search has no answer.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) failure: Arc<Failure>,
    /// Whether another connection may answer: this one was lost, or may have been dead when the search came.
    pub(super) again: bool,
}

/// What the task is told. No more than two for each place, for what is given up keeps its place until the task has seen
/// it, and one when no more places are given.
#[derive(Debug)]
enum Command {
    GiveUp(u64),
    /// The status is another one.
    Look,
    Search(Search, Waiter),
}

/// Who waits for an answer.
#[derive(Debug)]
struct Waiter {
    place: Place,
    answer: oneshot::Sender<Result<Entries, Ended>>,
}

impl Link {
    /// Begins a connection, for somebody who waits until `deadline`. Searches may come at once; they wait for it. `room` is
    /// told whenever there is room again, here or for another connection.
    pub(super) fn open<F>(
        dial: impl FnOnce(Arc<Opening>) -> F,
        server: Arc<Server>,
        room: Arc<Notify>,
        deadline: Instant,
    ) -> Self
    where
        F: Future<Output = Result<TcpStream, Failure>> + Send + 'static,
    {
        let (commands, incoming) = mpsc::unbounded_channel();
        let opening = Arc::new(Opening::new(deadline));
        let status = Arc::new(Mutex::new(Status {
            heard: None,
            strayed: false,
            retired: false,
            taken: 0,
            ever: 0,
        }));
        let task = Task {
            incoming,
            status: Arc::clone(&status),
            opening: Arc::clone(&opening),
            _ending: Ending(Arc::clone(&room)),
        };
        tokio::spawn(task.run(dial(Arc::clone(&opening)), server));
        Self {
            commands,
            status,
            opening,
            room,
        }
    }

    /// Whether the connection has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.commands.is_closed()
    }

    /// Room for a search that waits until `deadline`, if there is any.
    pub(super) fn place(&self, deadline: Instant) -> Option<Place> {
        let mut status = locked(&self.status);
        if status.retired || status.taken >= MOST_SEARCHES || self.opening.is_slow() {
            return None;
        }
        status.taken += 1;
        status.ever += 1;
        // Whoever began it may have less time.
        self.opening.wait_until(deadline);
        Some(Place {
            status: Arc::clone(&self.status),
            room: Arc::clone(&self.room),
            since: Instant::now(),
            number: status.ever,
        })
    }

    /// Lets no more searches come, unless one was answered since then, or none has come before.
    pub(super) fn retire_unless_heard(&self, since: Instant) {
        let mut status = locked(&self.status);
        if status.heard.is_some_and(|heard| heard < since) && !status.retired {
            status.retired = true;
            // Who is gone needs no word.
            let _ = self.commands.send(Command::Look);
        }
    }

    /// What the search finds, by its deadline at the latest. Whoever drops the future gives the search up.
    pub(super) async fn search(
        &self,
        search: Search,
        place: Place,
        which: Try,
    ) -> Result<Entries, Ended> {
        let (answer, mut answered) = oneshot::channel();
        let (since, number, deadline) = (place.since, place.number, search.deadline);
        let doubt = self.doubt(since, deadline, which);
        let search = Command::Search(search, Waiter { place, answer });
        if self.commands.send(search).is_err() {
            return Err(Ended::gone());
        }
        let mut leaving = Leaving {
            commands: &self.commands,
            number: Some(number),
        };
        let mut came = timeout_at(doubt, &mut answered).await;
        if came.is_err() && doubt < deadline && locked(&self.status).is_heard_since(since) {
            came = timeout_at(deadline, &mut answered).await;
        }
        let Ok(said) = came else {
            return Err(self.silent(since, deadline));
        };
        leaving.number = None;
        said.unwrap_or_else(|_| Err(Ended::gone()))
    }

    /// Until when a search waits that came at `since` where nothing is answered, before it comes: the first answer would
    /// make an old connection of a new one.
    fn doubt(&self, since: Instant, deadline: Instant, which: Try) -> Instant {
        // A connection that a firewall has forgotten says nothing at all: half of the time is left for another one.
        match which {
            Try::First if locked(&self.status).heard.is_some() => {
                since + deadline.saturating_duration_since(since) / 2
            }
            Try::First | Try::Last => deadline,
        }
    }

    /// Why a search that came at `since` has not been answered.
    fn silent(&self, since: Instant, deadline: Instant) -> Ended {
        let mut status = locked(&self.status);
        let step = self.opening.step();
        // The next search is not to wait there as well. What is not open yet ends by itself.
        status.retired |= !status.is_heard_since(since) && step == Step::Search;
        let failure = match status.strayed {
            true => Failure::Unasked,
            false => Failure::TimedOut(step),
        };
        Ended {
            failure: Arc::new(failure),
            again: Instant::now() < deadline,
        }
    }

    /// The same on a connection that nobody else uses.
    pub(super) async fn search_alone(&self, search: Search) -> Result<Entries, Arc<Failure>> {
        let place = self.place(search.deadline);
        let place = place.ok_or_else(|| Ended::gone().failure)?;
        let found = self.search(search, place, Try::Last).await;
        found.map_err(|ended| ended.failure)
    }
}

impl Status {
    fn is_heard_since(&self, since: Instant) -> bool {
        // What nobody asked for does not say that an answer comes.
        !self.strayed && self.heard.is_some_and(|heard| heard >= since)
    }
}

impl Place {
    /// Since when it is taken.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.status).taken -= 1;
        self.room.notify_one();
    }
}

impl Ended {
    /// Nobody is there who could say why.
    fn gone() -> Self {
        let failure = Failure::Lost {
            step: Step::Search,
            source: io::ErrorKind::NotConnected.into(),
        };
        Self {
            failure: Arc::new(failure),
            again: true,
        }
    }
}

/// Tells the task that nobody waits any more, where that is so.
struct Leaving<'a> {
    commands: &'a mpsc::UnboundedSender<Command>,
    number: Option<u64>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // Who is gone needs no word.
            let _ = self.commands.send(Command::GiveUp(number));
        }
    }
}

/// The end of a task, whatever it comes by.
struct Ending(Arc<Notify>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct Task {
    // Closed before anybody hears that there is room for another connection.
    incoming: mpsc::UnboundedReceiver<Command>,
    status: Arc<Mutex<Status>>,
    opening: Arc<Opening>,
    _ending: Ending,
}

impl Task {
    async fn run(
        mut self,
        dial: impl Future<Output = Result<TcpStream, Failure>> + Send,
        server: Arc<Server>,
    ) {
        let opened = async { Connection::open(dial.await?, &server, &self.opening).await };
        let connection = match opened.await {
            Ok(connection) => connection,
            Err(failure) => return self.fail(Vec::new(), failure),
        };
        let mut session = Session::new(connection.last_id, connection.received);
        let (mut reading, mut writing) = split(connection.stream);
        match self.carry((&mut reading, &mut writing), &mut session).await {
            Ok(()) => farewell(&mut writing, &mut session).await,
            Err(failure) => {
                // What was complete before the end counts.
                tell(&mut session);
                self.fail(session.into_waiters().collect(), failure);
            }
        }
    }

    /// Reads, writes and tells, until nobody uses the connection any more. An error is its end.
    async fn carry(
        &mut self,
        (reading, writing): (&mut ReadHalf<Stream>, &mut WriteHalf<Stream>),
        session: &mut Session<Waiter>,
    ) -> Result<(), Failure> {
        let lost = |source| Failure::Lost {
            step: Step::Search,
            source,
        };
        let mut read = Vec::with_capacity(READ);
        let mut flushed = true;
        let mut used = Instant::now();
        loop {
            tell(session);
            let idle = session.is_idle();
            if !idle {
                used = Instant::now();
            }
            if self.is_over(session.takes_more(), used) {
                return Ok(());
            }
            let written = session.outgoing().is_empty();
            // Each of these may be dropped at any time without a loss.
            tokio::select! {
                command = self.incoming.recv() => match command {
                    Some(command) => self.obey(command, session),
                    None => return Ok(()),
                },
                came = reading.read_buf(&mut read) => {
                    if came.map_err(lost)? == 0 {
                        return Err(lost(io::ErrorKind::UnexpectedEof.into()));
                    }
                    let now = Instant::now();
                    if session.handle_octets(&read, now)? {
                        let mut status = locked(&self.status);
                        status.heard = Some(now);
                        status.strayed = session.has_strayed();
                    }
                    read.clear();
                }
                sent = push(writing, session.outgoing()), if !(written && flushed) => {
                    session.handle_written(sent.map_err(lost)?);
                    flushed = written;
                }
                () = sleep_until(used + IDLE), if idle => {}
            }
        }
    }

    /// Whether nobody uses the connection, and nobody will: from then on nobody can.
    fn is_over(&self, takes_more: bool, used: Instant) -> bool {
        let mut status = locked(&self.status);
        status.retired |= !takes_more;
        // Who has a place comes yet.
        status.retired |= status.taken == 0 && used.elapsed() >= IDLE;
        status.retired && status.taken == 0
    }

    /// Takes that command, and those that have come since: their requests leave together.
    fn obey(&mut self, command: Command, session: &mut Session<Waiter>) {
        let now = Instant::now();
        let mut next = Some(command);
        while let Some(command) = next {
            match command {
                Command::GiveUp(number) => {
                    session.handle_given_up(|waiter| waiter.place.number == number);
                }
                // Given up before it was asked.
                Command::Search(_, waiter) if waiter.answer.is_closed() => {}
                Command::Look => {}
                Command::Search(search, waiter) => session.handle_search(search, waiter, now),
            }
            next = self.incoming.try_recv().ok();
        }
    }

    /// Tells everybody that the connection has failed: those who wait, and those who have just come.
    fn fail(&mut self, mut waiters: Vec<Waiter>, failure: Failure) {
        self.incoming.close();
        while let Ok(command) = self.incoming.try_recv() {
            match command {
                Command::GiveUp(number) => waiters.retain(|waiter| waiter.place.number != number),
                Command::Look => {}
                Command::Search(_, waiter) => waiters.push(waiter),
            }
        }
        locked(&self.status).retired = true;
        // None of them is known to be at fault. A connection that could not be opened is not tried again, unless it took too
        // long: who came at its end may have more time.
        let again = self.opening.step() == Step::Search || failure.is_time_out();
        let failure = Arc::new(failure);
        for waiter in waiters {
            let failure = Arc::clone(&failure);
            waiter.tell(Err(Ended { failure, again }));
        }
    }
}

impl Waiter {
    fn tell(self, found: Result<Entries, Ended>) {
        // Who does not wait any more need not know.
        let _ = self.answer.send(found);
    }
}

/// Tells each what was found.
fn tell(session: &mut Session<Waiter>) {
    while let Some((waiter, found)) = session.next_answer() {
        waiter.tell(found.map_err(|failure| Ended {
            failure: Arc::new(failure),
            again: false,
        }));
    }
}

/// Writes some of `octets`, at least one; where there are none, sees that those before have left. Gives their number.
async fn push(writing: &mut WriteHalf<Stream>, octets: &[u8]) -> io::Result<usize> {
    if octets.is_empty() {
        return writing.flush().await.map(|()| 0);
    }
    match writing.write(octets).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}

async fn farewell(writing: &mut WriteHalf<Stream>, session: &mut Session<Waiter>) {
    session.handle_end();
    // Nobody waits for it, and how it ends changes nothing.
    let _ = timeout(FAREWELL, async {
        writing.write_all(session.outgoing()).await?;
        writing.shutdown().await
    })
    .await;
}

fn locked(status: &Mutex<Status>) -> MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}
