//! A mail exchanger that says what its script has, STARTTLS included.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// What it says in clear to EHLO.
const CLEAR: &str = "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

/// What the server says, for each command by its whole line or else by its verb; EHLO after the handshake is
/// `protected`, and what it says instead of a handshake is `handshake`.
///
/// Instead of a reply: `drop` ends the connection, `silence` says nothing more, `endless` goes on for ever, and
/// `slow REPLY` sends an octet each 50 ms.
#[derive(Clone)]
pub(crate) struct Script {
    says: Vec<(String, String)>,
    protected: String,
}

impl Script {
    /// One that offers STARTTLS, and `protected` behind it.
    pub(crate) fn new(protected: &str) -> Self {
        let usual = [
            ("greeting", "220 mx ESMTP\r\n"),
            ("EHLO", CLEAR),
            ("STARTTLS", "220 go ahead\r\n"),
            ("QUIT", "221 bye\r\n"),
        ];
        let says = usual.map(|(verb, reply)| (verb.to_owned(), reply.to_owned()));
        Self {
            says: says.into(),
            protected: protected.to_owned(),
        }
    }

    pub(crate) fn says(mut self, verb: &str, reply: impl Into<String>) -> Self {
        self.says.retain(|(known, _)| known != verb);
        self.says.push((verb.to_owned(), reply.into()));
        self
    }

    fn reply(&self, line: &str, is_protected: bool) -> &str {
        let verb = verb(line);
        if verb == "EHLO" && is_protected {
            return &self.protected;
        }
        let said = |to: &str| self.says.iter().find(|(known, _)| known == to);
        let known = said(line).or_else(|| said(verb));
        known.map_or("502 what\r\n", |(_, reply)| reply)
    }
}

/// A server that keeps the commands that it gets, `(TLS)` before those after the handshake.
#[derive(Clone)]
pub(crate) struct Exchanger {
    script: Arc<Script>,
    config: Arc<ServerConfig>,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Exchanger {
    /// One that shows this certificate, whose key is beside it; both PEM.
    pub(crate) fn new(
        script: Script,
        (certificate, key): (&str, &str),
        commands: Arc<Mutex<Vec<String>>>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
        let chain = vec![certificate.expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Self {
            script: Arc::new(script),
            config: Arc::new(config.expect("a key that fits")),
            commands,
        }
    }

    /// Serves whoever connects to `listener`, for ever.
    pub(crate) fn serve(&self, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            let one = self.clone();
            // A client that hangs up ends its thread.
            thread::spawn(move || one.serve_one(stream));
        }
    }

    fn serve_one(&self, mut stream: TcpStream) -> io::Result<()> {
        let script = &self.script;
        say(&mut stream, script.reply("greeting", false))?;
        if !self.converse(&mut stream, false)? {
            return Ok(());
        }
        if let Some((_, instead)) = script.says.iter().find(|(verb, _)| verb == "handshake") {
            // Not before the client has begun.
            stream.peek(&mut [0])?;
            return say(&mut stream, instead);
        }
        let connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        let mut protected = StreamOwned::new(connection, stream);
        self.converse(&mut protected, true)?;
        Ok(())
    }

    /// Answers commands; true when a handshake is to follow.
    fn converse<S: Read + Write>(&self, stream: &mut S, is_protected: bool) -> io::Result<bool> {
        loop {
            let line = line(stream)?;
            let marked = if is_protected {
                format!("(TLS) {line}")
            } else {
                line.clone()
            };
            self.commands.lock().expect("no thread panics").push(marked);
            let reply = self.script.reply(&line, is_protected);
            say(stream, reply)?;
            if verb(&line) == "STARTTLS" && reply.starts_with("220") {
                return Ok(true);
            }
        }
    }
}

fn verb(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// One line, read octet by octet: what follows STARTTLS is not ours.
fn line<S: Read>(stream: &mut S) -> io::Result<String> {
    let mut line = Vec::new();
    let mut octet = [0];
    while octet != *b"\n" {
        stream.read_exact(&mut octet)?;
        line.extend_from_slice(&octet);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn say<S: Write>(stream: &mut S, reply: &str) -> io::Result<()> {
    match reply {
        "drop" => return Err(io::ErrorKind::ConnectionAborted.into()),
        "silence" => thread::sleep(Duration::from_secs(60)),
        "endless" => loop {
            stream.write_all(&b"250-more and more\r\n".repeat(100))?;
        },
        _ => {}
    }
    if let Some(slow) = reply.strip_prefix("slow ") {
        for octet in slow.bytes() {
            stream.write_all(&[octet])?;
            stream.flush()?;
            thread::sleep(Duration::from_millis(50));
        }
        return Ok(());
    }
    stream.write_all(reply.as_bytes())?;
    stream.flush()
}

/// Lines of a text as the lines of a reply, and the last one.
pub(crate) fn told(text: &str) -> String {
    let lines = text.lines().map(|line| format!("250-{line}\r\n"));
    lines.chain(["250 OK\r\n".to_owned()]).collect()
}
