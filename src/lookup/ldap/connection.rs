//! How a connection to a directory begins: TLS, then bind, each answered before anything else is asked (RFC 4511, RFC 4513).

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::message;
use super::message::LdapResult;
use super::message::Message;
use super::message::Operation;
use super::message::WireError;
use super::message::code;
use super::url::Security;
use crate::limits::LimitError;

/// How long TLS and the bind may take before nobody joins who waits for them: some round trips over half the globe.
const SLOW: Duration = Duration::from_secs(2);

/// Octets of one read.
const READ: usize = 16 * 1024;

/// Why a directory gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Failure {
    /// Our name and password are refused: nobody but our administrator can mend that.
    #[error(
        "the directory refuses the bind as {name:?} with {} ({}): bind_dn or the password of our own configuration \
         is wrong",
        result.name(), result.code
    )]
    Bind { name: String, result: LdapResult },
    /// It is asked for a bind that it does not take now.
    #[error("the directory takes no bind now: {} ({})", .0.name(), .0.code)]
    BindLater(LdapResult),
    /// Nobody there takes a connection.
    #[error("no connection to the directory {server}")]
    Connect {
        server: String,
        #[source]
        source: io::Error,
    },
    /// The server says farewell (RFC 4511 §4.4.1).
    #[error("the directory ends the connection with {} ({}) {:?}", .0.name(), .0.code, .0.text)]
    Disconnected(LdapResult),
    /// The connection is gone.
    #[error("the connection to the directory broke during {step}")]
    Lost {
        step: Step,
        #[source]
        source: io::Error,
    },
    /// The base is not there; what that means depends on who says that it is.
    #[error("the directory answers the search with {} ({})", .0.name(), .0.code)]
    NoBase(LdapResult),
    /// Some of an attribute's values are there and do not come.
    #[error(
        "the directory has values of {attribute:?} that it does not give ({missing}): raise the number that it gives \
         at once (MaxValRange of Active Directory), let us read all of them, or take old certificates out of the entry"
    )]
    Part { attribute: String, missing: Missing },
    /// All of it, or a part of the subtree, is on servers that we do not ask.
    #[error(
        "the directory refers to other servers, which are not asked: give the base that it holds itself, or those \
         servers"
    )]
    Referral,
    /// The search has another result than success.
    #[error("the directory answers the search with {} ({})", .0.name(), .0.code)]
    Refused(LdapResult),
    /// No TLS, so nothing is asked.
    #[error("the directory refuses StartTLS with {} ({}) {:?}", .0.name(), .0.code, .0.text)]
    StartTls(LdapResult),
    /// The certificate, or something else of TLS.
    #[error("no TLS with the directory {server}")]
    Tls {
        server: String,
        #[source]
        source: io::Error,
    },
    /// The time is over.
    #[error("the directory did not answer in time: {0} was not done")]
    TimedOut(Step),
    /// More than is read.
    #[error("the directory's answer is too large; a narrower filter or base helps")]
    TooMuch(#[source] LimitError),
    /// There was no answer, but answers to what was not asked.
    #[error(
        "the directory did not answer the search in time, and what it did answer was not asked"
    )]
    Unasked,
    /// What came is no LDAP, or not what was asked for.
    #[error("the directory does not speak LDAP as it should")]
    Wire(#[source] WireError),
}

impl Failure {
    /// Whether the answer goes beyond what the server gives at once: page by page it may give more (RFC 2696 §3).
    pub(super) const fn is_bound_of_server(&self) -> bool {
        matches!(
            self,
            Self::Refused(LdapResult {
                code: code::SIZE_LIMIT_EXCEEDED | code::ADMIN_LIMIT_EXCEEDED,
                ..
            })
        )
    }

    /// Whether the time was over: with more of it there might have been an answer.
    pub(super) fn is_time_out(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Unasked => true,
            Self::Connect { source, .. } => source.kind() == io::ErrorKind::TimedOut,
            Self::Bind { .. }
            | Self::BindLater(_)
            | Self::Disconnected(_)
            | Self::Lost { .. }
            | Self::NoBase(_)
            | Self::Part { .. }
            | Self::Referral
            | Self::Refused(_)
            | Self::StartTls(_)
            | Self::Tls { .. }
            | Self::TooMuch(_)
            | Self::Wire(_) => false,
        }
    }
}

/// Which values do not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    All,
    First,
    Number,
    Range,
    Rest,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "it names the attribute without any",
            Self::First => "its first range does not begin with the first of them",
            Self::Number => "it gives another number of them than its range has",
            Self::Range => "its range is malformed",
            Self::Rest => "asked for the rest, it gives another part, or none",
        })
    }
}

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Bind,
    Connect,
    Resolve,
    Search,
    StartTls,
    Wait,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bind => "the bind",
            Self::Connect => "the connection",
            Self::Resolve => "the search for its address",
            Self::Search => "the search",
            Self::StartTls => "the beginning of TLS",
            Self::Wait => "waiting for a free connection",
        })
    }
}

/// What is being done to open a connection, and until when: as long as anybody waits for it.
#[derive(Debug)]
pub(super) struct Opening {
    since: Instant,
    now: Mutex<(Step, Instant)>,
}

impl Opening {
    /// One that begins now, for somebody who waits until then.
    pub(super) fn new(until: Instant) -> Self {
        Self {
            since: Instant::now(),
            now: Mutex::new((Step::Connect, until)),
        }
    }

    /// Whether it takes so long that it may never end: whoever comes now is better served by another connection, and
    /// does not make it take longer.
    pub(super) fn is_slow(&self) -> bool {
        self.step() != Step::Search && self.since.elapsed() >= SLOW
    }

    /// What is being done; [`Step::Search`] once it is open.
    pub(super) fn step(&self) -> Step {
        self.now().0
    }

    /// Until when it may take.
    pub(super) fn until(&self) -> Instant {
        self.now().1
    }

    /// Somebody waits until then.
    pub(super) fn wait_until(&self, until: Instant) {
        let mut now = self.now();
        now.1 = now.1.max(until);
    }

    /// The connection is open.
    pub(super) fn end(&self) {
        self.now().0 = Step::Search;
    }

    /// Does something of it, for as long as anybody waits, whoever begins to wait meanwhile.
    pub(super) async fn within<T>(
        &self,
        step: Step,
        done: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.now().0 = step;
        let mut done = pin!(done);
        loop {
            let until = self.until();
            match timeout_at(until, &mut done).await {
                Ok(done) => return Ok(done),
                Err(_) if until < self.until() => {}
                Err(_) => return Err(Failure::TimedOut(step)),
            }
        }
    }

    fn now(&self) -> MutexGuard<'_, (Step, Instant)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is expected of the server at the other end, and as whom it is asked.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// For people.
    pub(super) name: String,
    pub(super) security: Security,
    /// What its certificate must name; `None` where there is no TLS.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) tls: Arc<ClientConfig>,
    /// Our name and password there; nobody's without.
    pub(super) bind: Option<Bind>,
}

/// Name and password (RFC 4513 §5.1.3).
#[derive(Clone)]
pub struct Bind {
    /// A distinguished name.
    pub dn: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bind")
            .field("dn", &self.dn)
            .finish_non_exhaustive()
    }
}

/// A connection, before or after the handshake.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a connection is read from and written to.
pub(super) type Stream = Box<dyn Duplex>;

/// A connection on which nothing is under way.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// What has come and was not looked at yet.
    pub(super) received: Vec<u8>,
    /// The number of the last request; the first is 1.
    pub(super) last_id: u32,
}

impl Connection {
    /// Protects a connection, and binds.
    pub(super) async fn open(
        stream: TcpStream,
        server: &Server,
        opening: &Opening,
    ) -> Result<Self, Failure> {
        // Small requests must not wait for one another; where that cannot be said they may.
        let _ = stream.set_nodelay(true);
        let mut connection = Self {
            stream: Box::new(stream),
            received: Vec::new(),
            last_id: 0,
        };
        let step = Step::StartTls;
        match server.security {
            Security::Clear => {}
            Security::StartTls => {
                opening.within(step, connection.start_tls()).await??;
                let shaking = connection.handshake(server);
                connection = opening.within(step, shaking).await??;
            }
            Security::Tls => {
                let shaking = connection.handshake(server);
                connection = opening.within(step, shaking).await??;
            }
        }
        if let Some(bind) = &server.bind {
            opening.within(Step::Bind, connection.bind(bind)).await??;
        }
        opening.end();
        Ok(connection)
    }

    async fn start_tls(&mut self) -> Result<(), Failure> {
        let id = self.next_id();
        self.send(&message::start_tls(id), Step::StartTls).await?;
        match self.receive(id, Step::StartTls).await?.operation {
            // What stands in clear behind the agreement is anybody's, and not to be taken for the server's.
            Operation::Extended(result) if result.is_success() && self.received.is_empty() => {
                Ok(())
            }
            Operation::Extended(result) if result.is_success() => {
                Err(Failure::Wire(WireError::Unexpected))
            }
            Operation::Extended(result) => Err(Failure::StartTls(result)),
            Operation::Bound(_)
            | Operation::Entry(_)
            | Operation::Intermediate
            | Operation::Reference
            | Operation::SearchDone(_) => Err(Failure::Wire(WireError::Unexpected)),
        }
    }

    async fn handshake(self, server: &Server) -> Result<Self, Failure> {
        let failed = |source| Failure::Tls {
            server: server.name.clone(),
            source,
        };
        let name = server.server_name.clone();
        let name = name.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let connecting = TlsConnector::from(Arc::clone(&server.tls)).connect(name, self.stream);
        let stream = connecting.await.map_err(failed)?;
        Ok(Self {
            stream: Box::new(stream),
            ..self
        })
    }

    async fn bind(&mut self, bind: &Bind) -> Result<(), Failure> {
        let id = self.next_id();
        let request = message::bind(id, &bind.dn, &bind.password);
        self.send(&request, Step::Bind).await?;
        match self.receive(id, Step::Bind).await?.operation {
            Operation::Bound(result) if result.is_success() => Ok(()),
            Operation::Bound(result) => Err(match result.code {
                code::BUSY | code::UNAVAILABLE | code::UNWILLING_TO_PERFORM => {
                    Failure::BindLater(result)
                }
                _ => Failure::Bind {
                    name: bind.dn.clone(),
                    result,
                },
            }),
            Operation::Entry(_)
            | Operation::Extended(_)
            | Operation::Intermediate
            | Operation::Reference
            | Operation::SearchDone(_) => Err(Failure::Wire(WireError::Unexpected)),
        }
    }

    /// Two requests at most come before any search.
    const fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    async fn send(&mut self, octets: &[u8], step: Step) -> Result<(), Failure> {
        let sending = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        let sent: io::Result<()> = sending.await;
        sent.map_err(|source| Failure::Lost { step, source })
    }

    /// The next message, which answers the request `id`.
    async fn receive(&mut self, id: u32, step: Step) -> Result<Message, Failure> {
        let length = loop {
            let length = message::length(&self.received).map_err(Failure::Wire)?;
            match length {
                Some(length) if self.received.len() >= length => break length,
                Some(_) | None => self.read(step).await?,
            }
        };
        let rest = self.received.split_off(length);
        let octets = std::mem::replace(&mut self.received, rest);
        let message = message::decode(&octets).map_err(Failure::Wire)?;
        match message {
            Message {
                id: 0,
                operation: Operation::Extended(result),
                ..
            } => Err(Failure::Disconnected(result)),
            message if message.id == id => Ok(message),
            _ => Err(Failure::Wire(WireError::Unexpected)),
        }
    }

    async fn read(&mut self, step: Step) -> Result<(), Failure> {
        self.received.reserve(READ);
        let mut part = (&mut self.stream).take(u64::try_from(READ).unwrap_or(u64::MAX));
        let source = match part.read_buf(&mut self.received).await {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => return Ok(()),
            Err(source) => source,
        };
        Err(Failure::Lost { step, source })
    }
}
