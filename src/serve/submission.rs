//! Submission over TCP: the socket, the clock and TLS around [`Session`].
//!
//! The message is read and sent window by window. Every wait has an end, and a handshake that fails is
//! not tried again in clear.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address::Domain;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;
use crate::octets::length;
use crate::smtp::Accepted;
use crate::smtp::Action;
use crate::smtp::Content;
use crate::smtp::Session;
use crate::smtp::Step;
use crate::smtp::Submission;
use crate::smtp::SubmissionError;
use crate::smtp::Tls;
use crate::smtp::dots::DotStuffing;
use crate::smtp::extensions::Extensions;
use crate::uri::MailUri;
use crate::uri::Scheme;
use crate::uri::UriError;

/// Octets that are read at once; a reply has some hundred.
const READ: usize = 4096;

/// Where messages are submitted: `smtp://host` or `smtp://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(MailUri);

/// Why a text is no [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The host is neither a domain nor an address.
    #[error("host of {0:?} is neither a domain nor an IP address; accepted is smtp://host:port")]
    Host(String),
    /// Another scheme, a user, a path or a query.
    #[error("{0:?} is not smtp://host or smtp://host:port")]
    Shape(String),
    /// No URI at all.
    #[error("{text:?} is not smtp://host or smtp://host:port")]
    Uri {
        /// What was read.
        text: String,
        /// What is wrong with it.
        #[source]
        source: UriError,
    },
}

impl Target {
    /// Whether it is on this host by its name: what is sent there crosses no network.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host().parse::<IpAddr>();
        self.host() == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The host as a resolver and a certificate have it: an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host();
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        inner.unwrap_or(host)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let uri: MailUri = text.parse().map_err(|source| TargetError::Uri {
            text: text.to_owned(),
            source,
        })?;
        let (_, authority) = text.split_once("://").unwrap_or_default();
        if uri.scheme() != Scheme::Smtp || authority.contains(['@', '/', '?']) {
            return Err(TargetError::Shape(text.to_owned()));
        }
        let target = Self(uri);
        let host = target.0.host();
        let valid = if host.starts_with('[') {
            target.host().parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            Domain::parse(host).is_ok()
        };
        if valid {
            Ok(target)
        } else {
            Err(TargetError::Host(text.to_owned()))
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The TCP connection, with the resolver's answer.
    pub connect: Duration,
    /// The first reply.
    pub greeting: Duration,
    /// EHLO and HELO.
    pub hello: Duration,
    /// STARTTLS, and as long again the handshake.
    pub start_tls: Duration,
    /// MAIL.
    pub mail: Duration,
    /// RCPT, each.
    pub recipient: Duration,
    /// DATA, up to the 354.
    pub data: Duration,
    /// Each window of the message.
    pub block: Duration,
    /// The reply to the final dot.
    pub end_of_data: Duration,
    /// QUIT.
    pub quit: Duration,
}

/// How long the work on a message may last before another edition of it is begun. A client that has sent its final dot waits
/// ten minutes for the reply (RFC 5321 §4.5.3.2.6), and sends again what it was not told of.
pub const LAST_BEGUN: Duration = Duration::from_secs(160);

impl Default for Timeouts {
    /// Far less than RFC 5321 §4.5.3.2 gives a client: somebody waits for us meanwhile who has no more himself.
    fn default() -> Self {
        const BRIEF: Duration = Duration::from_secs(20);
        Self {
            connect: BRIEF,
            // A server may look up who comes.
            greeting: Duration::from_secs(30),
            hello: BRIEF,
            start_tls: BRIEF,
            mail: BRIEF,
            recipient: BRIEF,
            data: BRIEF,
            block: Duration::from_secs(60),
            // What is given up here may have been taken, and goes out again: half of it is for filters of that server.
            end_of_data: Duration::from_secs(180),
            // The result is known by then, and somebody waits for it.
            quit: Duration::from_secs(5),
        }
    }
}

impl Timeouts {
    const fn of(&self, step: Step) -> Duration {
        match step {
            Step::Greeting => self.greeting,
            Step::Ehlo | Step::Helo => self.hello,
            Step::StartTls => self.start_tls,
            Step::Mail => self.mail,
            Step::Recipient => self.recipient,
            Step::Data => self.data,
            Step::Content => self.block,
            Step::EndOfData => self.end_of_data,
            Step::Quit => self.quit,
        }
    }
}

/// Whether STARTTLS is used, and which certificates of the server count.
#[derive(Clone, Debug)]
pub enum StartTls {
    /// Never.
    Never,
    /// Always, or nothing is sent.
    Required(Arc<ClientConfig>),
}

impl StartTls {
    /// Whether mail goes in clear, for certain.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        matches!(self, Self::Never)
    }

    const fn wanted(&self) -> Tls {
        match self {
            Self::Never => Tls::Never,
            Self::Required(_) => Tls::Required,
        }
    }
}

/// How we submit, whatever the message.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we say we are in EHLO.
    pub name: Domain,
    /// TLS.
    pub start_tls: StartTls,
    /// The name in the server's certificate. `None`: the host that we connect to.
    pub server_name: Option<ServerName<'static>>,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// Submits a message to all of its recipients, or to none.
///
/// [`SubmissionError::Unknown`] is the one failure after which the message may have been accepted.
pub async fn submit(
    target: &Target,
    submission: &Submission,
    settings: &Settings,
) -> Result<Accepted, SubmissionError> {
    let mut session = Session::new(submission, &settings.name, settings.start_tls.wanted());
    converse(&mut session, target, settings).await?;
    session.finish()
}

/// Asks the server what it offers, and leaves.
pub async fn greet(target: &Target, settings: &Settings) -> Result<Extensions, SubmissionError> {
    let nobody = Submission::to_nobody();
    let mut session = Session::new(&nobody, &settings.name, settings.start_tls.wanted());
    converse(&mut session, target, settings).await?;
    let offered = session.extensions();
    match session.finish() {
        Ok(_) | Err(SubmissionError::NoRecipient) => Ok(offered),
        Err(error) => Err(error),
    }
}

/// Does what `session` asks for until it is done; what came of it, the session knows.
async fn converse(
    session: &mut Session<'_>,
    target: &Target,
    settings: &Settings,
) -> Result<(), SubmissionError> {
    let timeouts = &settings.timeouts;
    let mut stream = connect(target, timeouts.connect).await?;
    // Since when the reply to a step is awaited; a server that sends it octet by octet gains nothing.
    let mut since = Instant::now();
    loop {
        match session.next_action() {
            Action::Done => break,
            Action::Read(step) => match read(&mut stream, timeouts.of(step), since).await {
                Ok(octets) => {
                    if session.handle_octets(&octets) > 0 {
                        since = Instant::now();
                    }
                }
                Err(error) => session.handle_lost(error),
            },
            Action::SendContent => {
                let failed = send(&mut stream, session.content(), timeouts.block).await;
                match failed {
                    Ok(()) => session.handle_content_sent(),
                    Err(Failed::Reading(error)) => session.handle_unreadable(error),
                    Err(Failed::Writing(error)) => session.handle_lost(error),
                }
            }
            Action::StartTls => match handshake(stream, target, settings).await {
                Ok(protected) => {
                    stream = protected;
                    session.handle_tls();
                }
                Err(error) => {
                    session.handle_lost(error);
                    return Ok(());
                }
            },
            Action::Write(octets) => {
                let written = write(&mut stream, &octets, timeouts.of(session.step())).await;
                if let Err(error) = written {
                    session.handle_lost(error);
                }
                since = Instant::now();
            }
        }
    }
    // The result is known; how the connection ends does not matter any more.
    let _ = timeout(timeouts.quit, stream.shutdown()).await;
    Ok(())
}

/// A connection, before or after the handshake.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Stream = Box<dyn Duplex>;

/// Which end failed while the message was sent.
enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

async fn connect(target: &Target, limit: Duration) -> Result<Stream, SubmissionError> {
    let connecting = TcpStream::connect((target.host(), target.0.port()));
    let connected = within(limit, connecting).await;
    let stream = connected.and_then(|stream| {
        // Small commands and the final dot must not wait for one another.
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    match stream {
        Ok(stream) => Ok(Box::new(stream)),
        Err(source) => Err(SubmissionError::Connect {
            target: target.to_string(),
            source,
        }),
    }
}

async fn handshake(stream: Stream, target: &Target, settings: &Settings) -> io::Result<Stream> {
    let config = match &settings.start_tls {
        StartTls::Never => return Err(io::ErrorKind::Unsupported.into()),
        StartTls::Required(config) => Arc::clone(config),
    };
    let name = match &settings.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(target.host().to_owned()).map_err(io::Error::other)?,
    };
    let connecting = TlsConnector::from(config).connect(name, stream);
    let protected = within(settings.timeouts.start_tls, connecting).await?;
    Ok(Box::new(protected))
}

/// Some octets, at least one.
async fn read(stream: &mut Stream, limit: Duration, since: Instant) -> io::Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(READ);
    let reading = timeout(
        limit.saturating_sub(since.elapsed()),
        stream.read_buf(&mut octets),
    );
    match reading.await {
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(_)) => Ok(octets),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(too_slow(limit)),
    }
}

async fn write(stream: &mut Stream, octets: &[u8], limit: Duration) -> io::Result<()> {
    let writing = async {
        stream.write_all(octets).await?;
        stream.flush().await
    };
    within(limit, writing).await
}

/// Sends the message, but for what ends it.
async fn send(stream: &mut Stream, content: &Content, limit: Duration) -> Result<(), Failed> {
    let view = content.view();
    let mut dots = DotStuffing::default();
    let (mut window, mut stuffed) = (Vec::new(), Vec::new());
    let mut offset = 0;
    while offset < view.len() {
        stuffed.clear();
        let taken = match view.in_memory(offset, WINDOW) {
            Some(there) => {
                dots.stuff(there, &mut stuffed);
                length(there)
            }
            None => {
                window = read_window(view.clone(), offset, window)
                    .await
                    .map_err(Failed::Reading)?;
                dots.stuff(&window, &mut stuffed);
                length(&window)
            }
        };
        write(stream, &stuffed, limit)
            .await
            .map_err(Failed::Writing)?;
        offset += taken;
    }
    Ok(())
}

/// The window at `offset`, in `buffer`. A file may make its reader wait, and no task may wait there.
async fn read_window(view: View, offset: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let reading = spawn_blocking(move || {
        let left = usize::try_from(view.len() - offset).unwrap_or(WINDOW);
        buffer.resize(left.min(WINDOW), 0);
        view.read_at(offset, &mut buffer)?;
        Ok(buffer)
    });
    reading.await.map_err(io::Error::other)?
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(too_slow(limit)))
}

fn too_slow(limit: Duration) -> io::Error {
    let text = format!("nothing within {} s", limit.as_secs_f32());
    io::Error::new(io::ErrorKind::TimedOut, text)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use rustls::RootCertStore;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::AsyncBufReadExt;
    use tokio::io::BufReader;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::address::Mailbox;

    /// What the test's server does at one command, instead of accepting it.
    #[derive(Clone, Copy)]
    struct Quirk {
        at: &'static str,
        /// What it sends; nothing is to drop the connection, and `...` to say nothing more.
        reply: &'static str,
    }

    const OBEDIENT: Quirk = Quirk {
        at: "none",
        reply: "",
    };

    /// A server for one connection: the message it received, dots and all, once it has ended.
    struct Server {
        quirk: Quirk,
        acceptor: Option<TlsAcceptor>,
    }

    impl Server {
        async fn run(self, listener: TcpListener) -> Vec<u8> {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream: Stream = Box::new(stream);
            if !answer(&mut stream, "greeting", "220 mx\r\n", self.quirk).await {
                return Vec::new();
            }
            let mut received = Vec::new();
            let mut protected = false;
            let mut lines = BufReader::new(stream);
            loop {
                let mut line = String::new();
                if lines.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return received;
                }
                let word = line.split_whitespace().next().unwrap_or("").to_owned();
                let reply = match word.as_str() {
                    "EHLO" if self.acceptor.is_some() && !protected => {
                        "250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n"
                    }
                    "EHLO" => "250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                    "STARTTLS" => "220 go\r\n",
                    "DATA" => "354 go\r\n",
                    _ => "250 ok\r\n",
                };
                if !answer(lines.get_mut(), &word, reply, self.quirk).await {
                    return received;
                }
                if let (Some(acceptor), "STARTTLS") = (&self.acceptor, word.as_str()) {
                    let Ok(stream) = acceptor.accept(lines.into_inner()).await else {
                        return received;
                    };
                    lines = BufReader::new(Box::new(stream));
                    protected = true;
                }
                if word == "DATA" {
                    while !received.ends_with(b"\r\n.\r\n") {
                        if lines.read_until(b'\n', &mut received).await.unwrap_or(0) == 0 {
                            return received;
                        }
                    }
                    if !answer(lines.get_mut(), "dot", "250 queued\r\n", self.quirk).await {
                        return received;
                    }
                }
            }
        }
    }

    async fn answer(stream: &mut Stream, at: &str, usual: &str, quirk: Quirk) -> bool {
        let reply = if quirk.at == at { quirk.reply } else { usual };
        if reply == "..." {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let sent = stream.write_all(reply.as_bytes()).await;
        sent.is_ok() && !reply.is_empty()
    }

    fn submission(content: View) -> Submission {
        let recipients = ["b@b.example", "c@b.example"];
        let recipients = recipients.map(|text| text.parse::<Mailbox>().unwrap().into());
        Submission {
            sender: None,
            recipients: recipients.into(),
            content: Content::of(content).unwrap(),
            returns: None,
            envelope_id: None,
            smtp_utf8: false,
        }
    }

    fn settings(start_tls: StartTls) -> Settings {
        Settings {
            name: "gw.a.example".parse().unwrap(),
            start_tls,
            server_name: None,
            timeouts: Timeouts::default(),
        }
    }

    /// Submits `content` to a server with `quirk`; what it received, and the result.
    fn run(
        content: View,
        quirk: Quirk,
        acceptor: Option<TlsAcceptor>,
        settings: Settings,
    ) -> (Vec<u8>, Result<Accepted, SubmissionError>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let target: Target = format!("smtp://localhost:{port}").parse().unwrap();
            let server = tokio::spawn(Server { quirk, acceptor }.run(listener));
            // In a task of its own, which the future must be fit for.
            let client =
                tokio::spawn(async move { submit(&target, &submission(content), &settings).await });
            let result = client.await.unwrap();
            // A server that says nothing more is not waited for.
            let received = timeout(Duration::from_secs(5), server).await;
            (received.map(Result::unwrap).unwrap_or_default(), result)
        })
    }

    fn plain(content: View, quirk: Quirk) -> (Vec<u8>, Result<Accepted, SubmissionError>) {
        run(content, quirk, None, settings(StartTls::Never))
    }

    fn small() -> View {
        View::owned(b"Subject: a\r\n\r\nb\r\n".to_vec())
    }

    /// Three windows and a little, with dots where lines begin.
    fn large() -> Vec<u8> {
        let mut octets = b"Subject: a\r\n\r\n".to_vec();
        while octets.len() < 3 * WINDOW {
            octets.extend_from_slice(b".\r\n..two\r\nnone.\r\n");
        }
        octets
    }

    /// As a file is: never in memory. After so many readings it fails.
    #[derive(Debug)]
    struct File {
        octets: Vec<u8>,
        readings: AtomicU64,
    }

    impl Octets for File {
        fn len(&self) -> u64 {
            length(&self.octets)
        }
        fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
            let left = self.readings.load(Ordering::Relaxed).checked_sub(1);
            let left = left.ok_or(io::ErrorKind::StorageFull)?;
            self.readings.store(left, Ordering::Relaxed);
            self.octets.read_at(offset, window)
        }
    }

    /// Undoes RFC 5321 §4.5.2, as a server does.
    fn without_dots(received: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(received).unwrap();
        let text = text.strip_suffix(".\r\n").unwrap();
        let lines = text.split_inclusive("\r\n");
        let lines = lines.map(|line| line.strip_prefix('.').unwrap_or(line));
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn an_edition_that_is_begun_last_ends_before_its_client_hangs_up() {
        let times = Timeouts::default();
        let once = [
            times.connect,
            times.greeting,
            times.mail,
            times.recipient,
            times.data,
            times.block,
            times.end_of_data,
            times.quit,
        ];
        // Before TLS and within; STARTTLS and its handshake.
        let twice = [times.hello, times.start_tls];
        let most: Duration = once.iter().chain(&twice).chain(&twice).sum();
        assert!(LAST_BEGUN + most <= Duration::from_secs(600), "{most:?}");
    }

    #[test]
    fn a_message_arrives_as_it_is_from_memory_and_from_a_file() {
        let octets = large();
        let file = File {
            octets: octets.clone(),
            readings: AtomicU64::new(u64::MAX),
        };
        let file = View::whole(Arc::new(file));
        for content in [View::owned(octets.clone()), file] {
            let (received, result) = plain(content, OBEDIENT);
            assert_eq!(result.unwrap().reply.to_string(), "250 queued");
            assert!(without_dots(&received) == octets);
        }
    }

    #[test]
    fn a_message_that_cannot_be_read_is_cut_off_before_its_final_dot() {
        let octets = large();
        // It is measured once, and read again when it is sent: the second window fails then.
        let windows = u64::try_from(octets.len().div_ceil(WINDOW)).unwrap();
        let readings = AtomicU64::new(windows + 1);
        let broken = View::whole(Arc::new(File { octets, readings }));
        let (received, result) = plain(broken, OBEDIENT);
        assert!(!received.is_empty() && !received.ends_with(b"\r\n.\r\n"));
        let error = result.unwrap_err();
        assert!(matches!(error, SubmissionError::Content(_)), "{error}");
    }

    #[test]
    fn a_drop_after_the_final_dot_is_unknown_and_before_it_is_not() {
        for at in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"] {
            let (_, result) = plain(small(), Quirk { at, reply: "" });
            let error = result.unwrap_err();
            let unknown = matches!(error, SubmissionError::Unknown(_));
            assert_eq!(unknown, at == "dot", "{at}: {error}");
        }
        plain(
            small(),
            Quirk {
                at: "QUIT",
                reply: "",
            },
        )
        .1
        .unwrap();
    }

    #[test]
    fn a_refused_recipient_gets_nothing_sent() {
        let quirk = Quirk {
            at: "RCPT",
            reply: "550 5.1.1 nobody\r\n",
        };
        let (received, result) = plain(small(), quirk);
        assert!(received.is_empty());
        assert!(
            result
                .unwrap_err()
                .to_string()
                .starts_with("server refused 2 of 2 recipients")
        );
    }

    #[test]
    fn a_silent_server_is_given_up() {
        for at in ["greeting", "MAIL", "dot", "QUIT"] {
            let mut settings = settings(StartTls::Never);
            let short = Duration::from_millis(100);
            settings.timeouts.greeting = short;
            settings.timeouts.mail = short;
            settings.timeouts.end_of_data = short;
            settings.timeouts.quit = short;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let result = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let port = listener.local_addr().unwrap().port();
                let quirk = Quirk { at, reply: "..." };
                tokio::spawn(
                    Server {
                        quirk,
                        acceptor: None,
                    }
                    .run(listener),
                );
                let target: Target = format!("smtp://127.0.0.1:{port}").parse().unwrap();
                submit(&target, &submission(small()), &settings).await
            });
            match result {
                Ok(_) => assert_eq!(at, "QUIT"),
                Err(SubmissionError::Unknown(_)) => assert_eq!(at, "dot"),
                Err(SubmissionError::Lost { source, .. }) => {
                    assert_eq!(source.to_string(), "nothing within 0.1 s", "{at}");
                }
                Err(error) => panic!("{at}: {error}"),
            }
        }
    }

    #[test]
    fn a_port_where_nobody_listens_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let error = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let target: Target = format!("smtp://127.0.0.1:{port}").parse().unwrap();
            let settings = settings(StartTls::Never);
            submit(&target, &submission(small()), &settings)
                .await
                .unwrap_err()
        });
        assert!(
            error
                .to_string()
                .starts_with("no connection to smtp://127.0.0.1:"),
            "{error}"
        );
        assert!(!error.is_permanent());
    }

    /// A server's side of TLS for `localhost`, and a client's that trusts it or nobody.
    fn tls(trusted: bool) -> (TlsAcceptor, Arc<ClientConfig>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        if trusted {
            roots.add(made.cert.der().clone()).unwrap();
        }
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (TlsAcceptor::from(Arc::new(server)), Arc::new(client))
    }

    #[test]
    fn starttls_protects_the_message() {
        let (acceptor, config) = tls(true);
        let settings = settings(StartTls::Required(config));
        let octets = large();
        let (received, result) = run(
            View::owned(octets.clone()),
            OBEDIENT,
            Some(acceptor),
            settings,
        );
        assert!(result.unwrap().tls);
        assert!(without_dots(&received) == octets);
    }

    #[test]
    fn a_server_that_is_not_trusted_gets_nothing_in_clear_either() {
        let (acceptor, config) = tls(false);
        let settings = settings(StartTls::Required(config));
        let (received, result) = run(small(), OBEDIENT, Some(acceptor), settings);
        assert!(received.is_empty());
        assert!(matches!(result, Err(SubmissionError::Tls(_))));
    }

    #[test]
    fn octets_injected_before_the_handshake_end_the_session() {
        let (acceptor, config) = tls(true);
        let quirk = Quirk {
            at: "STARTTLS",
            reply: "220 go\r\n250 mx\r\n",
        };
        let settings = settings(StartTls::Required(config));
        let (received, result) = run(small(), quirk, Some(acceptor), settings);
        assert!(received.is_empty());
        assert!(matches!(result, Err(SubmissionError::Unsolicited { .. })));
    }

    #[test]
    fn a_target_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("smtp://localhost:10026", "localhost", 10026),
            ("SMTP://MX.b.example", "mx.b.example", 25),
            ("smtp://192.0.2.1:25", "192.0.2.1", 25),
            ("smtp://[2001:db8::1]:26", "2001:db8::1", 26),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host(), target.0.port()), (host, port), "{text}");
        }
        for text in [
            "localhost:25",
            "lmtp://localhost:24",
            "submit://localhost",
            "smtp://",
            "smtp://a@b.example",
            "smtp://b.example/",
            "smtp://b.example/?q",
            "smtp://b.example:0x19",
            "smtp://[::1",
            "smtp://b..example",
            "smtp://[b.example]",
            "smtp://b.example:25 ",
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(
                error.to_string().contains("smtp://host:port"),
                "{text}: {error}"
            );
        }
    }
}
