//! One connection to a directory: TLS, bind, searches (RFC 4511, RFC 4513).

use std::io;
use std::sync::Arc;

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

use super::filter::Filter;
use super::message;
use super::message::Attribute;
use super::message::LdapResult;
use super::message::Message;
use super::message::Operation;
use super::message::SearchRequest;
use super::message::WireError;
use super::message::code;
use super::url::Security;
use crate::limits::LimitError;

/// What is asked for of an entry (RFC 4523 §2.1, RFC 2798 §2.8): with the option `binary`, which servers demand for
/// the first (RFC 4523 §2), and without, as others have them.
const ATTRIBUTES: [&str; 4] = [
    "userCertificate;binary",
    "userCertificate",
    "userSMIMECertificate;binary",
    "userSMIMECertificate",
];

/// Entries of one answer. An address is one entry's, or that of a few when somebody has moved.
pub(super) const MOST_ENTRIES: usize = 100;

/// Entries of one page: most answers are one, and servers give no more than some hundred.
const PAGE_ENTRIES: u32 = 50;

/// Pages of one answer: twice what is needed for all entries, for servers that give fewer than asked.
const MOST_PAGES: usize = 4;

/// Octets of all values of one answer: some thousand certificates.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;

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
    /// What came is no LDAP, or not what was asked for.
    #[error("the directory does not speak LDAP as it should")]
    Wire(#[source] WireError),
}

impl Failure {
    /// Whether a connection that was kept may have been dead before anything was asked of it.
    pub(super) const fn is_of_a_dead_connection(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::Disconnected(_) | Self::TimedOut(Step::Search)
        )
    }
}

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Bind,
    Resolve,
    Search,
    StartTls,
    Wait,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bind => "the bind",
            Self::Resolve => "the search for its address",
            Self::Search => "the search",
            Self::StartTls => "the beginning of TLS",
            Self::Wait => "waiting for a free connection",
        })
    }
}

/// What is expected of the server at the other end.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// For people.
    pub(super) name: String,
    pub(super) security: Security,
    /// What its certificate must name; `None` where there is no TLS.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) tls: Arc<ClientConfig>,
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

/// What one search brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// How many matched.
    pub(super) count: usize,
    /// The values of all their certificate attributes.
    pub(super) values: Vec<Vec<u8>>,
}

/// A connection, before or after the handshake.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection on which nothing is under way.
pub(super) struct Connection {
    stream: Box<dyn Duplex>,
    received: Vec<u8>,
    last_id: u32,
    in_step: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("in_step", &self.in_step)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Protects a connection, and binds.
    pub(super) async fn open(
        stream: TcpStream,
        (server, bind): (&Server, Option<&Bind>),
        deadline: Instant,
    ) -> Result<Self, Failure> {
        // Small requests must not wait for one another; where that cannot be said they may.
        let _ = stream.set_nodelay(true);
        let mut connection = Self {
            stream: Box::new(stream),
            received: Vec::new(),
            last_id: 0,
            in_step: true,
        };
        match server.security {
            Security::Clear => {}
            Security::StartTls => {
                connection.start_tls(deadline).await?;
                connection = connection.handshake(server, deadline).await?;
            }
            Security::Tls => connection = connection.handshake(server, deadline).await?,
        }
        if let Some(bind) = bind {
            connection.bind(bind, deadline).await?;
        }
        Ok(connection)
    }

    /// Whether another search may be made on it.
    pub(super) const fn is_in_step(&self) -> bool {
        self.in_step
    }

    /// Says farewell (RFC 4511 §4.3).
    pub(super) async fn close(mut self, deadline: Instant) {
        let id = self.next_id();
        let farewell = message::unbind(id);
        // Nobody waits for it, and how it ends changes nothing.
        let _ = self.send(&farewell, Step::Search, deadline).await;
        let _ = timeout_at(deadline, self.stream.shutdown()).await;
    }

    /// The certificates of the entries beneath `base` that `filter` finds; none where the base does not exist.
    pub(super) async fn search(
        &mut self,
        (base, filter): (&str, &Filter),
        most_values: usize,
        deadline: Instant,
    ) -> Result<Entries, Failure> {
        let mut found = Entries::default();
        let mut octets = 0;
        let mut cookie = Vec::new();
        for _ in 0..MOST_PAGES {
            let id = self.next_id();
            let left = deadline.saturating_duration_since(Instant::now()).as_secs();
            let request = SearchRequest {
                base,
                filter,
                attributes: &ATTRIBUTES,
                // One more tells that there are more.
                size_limit: u32::try_from(MOST_ENTRIES + 1).unwrap_or(u32::MAX),
                time_limit: u32::try_from(left.saturating_add(1)).unwrap_or(u32::MAX),
                page_size: PAGE_ENTRIES,
                cookie: &cookie,
            };
            self.in_step = false;
            let request = message::search(id, &request);
            self.send(&request, Step::Search, deadline).await?;
            let mut referred = false;
            let done = loop {
                let message = self.receive(id, Step::Search, deadline).await?;
                match message.operation {
                    Operation::Entry(attributes) => {
                        found.add(attributes, &mut octets, most_values)?;
                    }
                    Operation::Reference => referred = true,
                    Operation::Intermediate => {}
                    Operation::SearchDone(result) => break (result, message.cookie),
                    Operation::Bound(_) | Operation::Extended(_) => {
                        return Err(Failure::Wire(WireError::Unexpected));
                    }
                }
            };
            self.in_step = true;
            let (result, next) = done;
            match result.code {
                code::SUCCESS => {}
                code::NO_SUCH_OBJECT => return Ok(found),
                code::REFERRAL => return Err(Failure::Referral),
                _ => return Err(Failure::Refused(result)),
            }
            // What is not here may be there.
            if referred {
                return Err(Failure::Referral);
            }
            match next {
                Some(next) if !next.is_empty() => cookie = next,
                Some(_) | None => return Ok(found),
            }
        }
        self.in_step = false;
        let pages = LimitError::check("number of pages of the answer", MOST_PAGES + 1, MOST_PAGES);
        pages.map_err(Failure::TooMuch).map(|()| found)
    }

    async fn start_tls(&mut self, deadline: Instant) -> Result<(), Failure> {
        let id = self.next_id();
        self.send(&message::start_tls(id), Step::StartTls, deadline)
            .await?;
        match self.receive(id, Step::StartTls, deadline).await?.operation {
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

    async fn handshake(self, server: &Server, deadline: Instant) -> Result<Self, Failure> {
        let failed = |source| Failure::Tls {
            server: server.name.clone(),
            source,
        };
        let name = server.server_name.clone();
        let name = name.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let connecting = TlsConnector::from(Arc::clone(&server.tls)).connect(name, self.stream);
        let stream = timeout_at(deadline, connecting)
            .await
            .map_err(|_| Failure::TimedOut(Step::StartTls))?
            .map_err(failed)?;
        Ok(Self {
            stream: Box::new(stream),
            ..self
        })
    }

    async fn bind(&mut self, bind: &Bind, deadline: Instant) -> Result<(), Failure> {
        let id = self.next_id();
        let request = message::bind(id, &bind.dn, &bind.password);
        self.send(&request, Step::Bind, deadline).await?;
        match self.receive(id, Step::Bind, deadline).await?.operation {
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

    /// Requests of one connection have different numbers (RFC 4511 §4.1.1.1).
    const fn next_id(&mut self) -> u32 {
        self.last_id = if self.last_id >= MOST_ID {
            1
        } else {
            self.last_id + 1
        };
        self.last_id
    }

    async fn send(&mut self, octets: &[u8], step: Step, deadline: Instant) -> Result<(), Failure> {
        let sending = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        timeout_at(deadline, sending)
            .await
            .map_err(|_| Failure::TimedOut(step))?
            .map_err(|source| Failure::Lost { step, source })
    }

    /// The next message, which answers the request `id`.
    async fn receive(
        &mut self,
        id: u32,
        step: Step,
        deadline: Instant,
    ) -> Result<Message, Failure> {
        let length = loop {
            let length = message::length(&self.received).map_err(Failure::Wire)?;
            match length {
                Some(length) if self.received.len() >= length => break length,
                Some(_) | None => self.read(step, deadline).await?,
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

    async fn read(&mut self, step: Step, deadline: Instant) -> Result<(), Failure> {
        self.received.reserve(READ);
        let mut part = (&mut self.stream).take(u64::try_from(READ).unwrap_or(u64::MAX));
        let reading = timeout_at(deadline, part.read_buf(&mut self.received));
        let read = reading.await.map_err(|_| Failure::TimedOut(step))?;
        let source = match read {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => return Ok(()),
            Err(source) => source,
        };
        Err(Failure::Lost { step, source })
    }
}

impl Entries {
    fn add(
        &mut self,
        attributes: Vec<Attribute>,
        octets: &mut usize,
        most_values: usize,
    ) -> Result<(), Failure> {
        self.count += 1;
        LimitError::check("number of entries", self.count, MOST_ENTRIES)
            .map_err(Failure::TooMuch)?;
        // A server may send what nobody asked for.
        let wanted = attributes.into_iter().filter(|attribute| {
            let mut known = ATTRIBUTES.iter();
            known.any(|one| one.eq_ignore_ascii_case(&attribute.name))
        });
        for value in wanted.flat_map(|attribute| attribute.values) {
            *octets += value.len();
            let size = LimitError::check("octets of certificates", *octets, ANSWER_OCTETS);
            size.map_err(Failure::TooMuch)?;
            self.values.push(value);
            let count = LimitError::check("number of certificates", self.values.len(), most_values);
            count.map_err(Failure::TooMuch)?;
        }
        Ok(())
    }
}

/// RFC 4511 §4.1.1.1.
const MOST_ID: u32 = 0x7fff_ffff;
