//! A server for `[reinject] to`, by a script.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

/// What was submitted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Submitted {
    pub(crate) commands: Vec<String>,
    pub(crate) content: String,
}

/// The server; what it has taken.
pub(crate) struct Sink {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Submitted>>>,
    /// Told when a message has come whole, and before it is accepted.
    pub(crate) came: mpsc::Receiver<()>,
    /// Lets it be accepted.
    pub(crate) accept: mpsc::Sender<()>,
}

impl Sink {
    /// Answers every RCPT with `recipient`, and accepts messages; each when it is told to, if it
    /// `waits`.
    pub(crate) fn start(recipient: &'static str, waits: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (tell, came) = mpsc::channel();
        let (accept, accepted) = mpsc::channel();
        let kept = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let before = || {
                    let _gone = tell.send(());
                    if waits {
                        let _gone = accepted.recv();
                    }
                };
                if let Some(submitted) = served(&stream.unwrap(), recipient, before) {
                    kept.lock().unwrap().push(submitted);
                }
            }
        });
        Self {
            address,
            taken,
            came,
            accept,
        }
    }

    pub(crate) fn taken(&self) -> Vec<Submitted> {
        self.taken.lock().unwrap().clone()
    }

    /// The table that names it.
    pub(crate) fn table(&self) -> String {
        format!("[reinject]\nto = \"smtp://{}\"\n", self.address)
    }
}

fn served(mut stream: &TcpStream, recipient: &str, before: impl Fn()) -> Option<Submitted> {
    let mut lines = BufReader::new(stream).lines();
    let mut submitted = Submitted::default();
    let mut is_taken = false;
    stream.write_all(b"220 sink ESMTP\r\n").ok()?;
    while let Some(Ok(line)) = lines.next() {
        let verb = line.get(..4).unwrap_or_default().to_owned();
        submitted.commands.push(line);
        let reply = match verb.as_str() {
            "EHLO" => "250-sink\r\n250-8BITMIME\r\n250 DSN",
            "RCPT" => recipient,
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                loop {
                    let line = lines.next()?.ok()?;
                    if line == "." {
                        break;
                    }
                    submitted
                        .content
                        .push_str(line.strip_prefix('.').unwrap_or(&line));
                    submitted.content.push_str("\r\n");
                }
                before();
                is_taken = true;
                "250 2.0.0 queued"
            }
            "QUIT" => {
                let _gone = stream.write_all(b"221 bye\r\n");
                break;
            }
            _ => "250 ok",
        };
        stream.write_all(reply.as_bytes()).ok()?;
        stream.write_all(b"\r\n").ok()?;
    }
    is_taken.then_some(submitted)
}
