//! A server for `[reinject] to`, by a script.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
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
    greeted: Arc<AtomicUsize>,
    /// Told when a message has come whole, and before it is accepted.
    pub(crate) came: mpsc::Receiver<()>,
    /// Lets it be accepted.
    pub(crate) accept: mpsc::Sender<()>,
}

/// How a [`Sink`] answers.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// RCPT of those whose address begins so.
    pub(crate) to: &'static str,
    /// What they are answered.
    pub(crate) recipient: &'static str,
    /// Whether a message is accepted when it is told to, and not at once.
    pub(crate) waits: bool,
    /// Whether it offers DSN.
    pub(crate) dsn: bool,
    /// What else it offers, as a line of its answer to EHLO.
    pub(crate) offers: &'static str,
    /// How many connections are dropped after a whole message, before it is answered.
    pub(crate) drops: usize,
}

impl Manner {
    pub(crate) const KIND: Self = Self {
        to: "",
        recipient: "250 ok",
        waits: false,
        dsn: true,
        offers: "250-8BITMIME\r\n",
        drops: 0,
    };
}

impl Sink {
    /// Answers every RCPT with `recipient`, and accepts messages; each when it is told to, if it
    /// `waits`.
    pub(crate) fn start(recipient: &'static str, waits: bool) -> Self {
        Self::of(Manner {
            recipient,
            waits,
            ..Manner::KIND
        })
    }

    pub(crate) fn of(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (tell, came) = mpsc::channel();
        let (accept, accepted) = mpsc::channel();
        let kept = Arc::clone(&taken);
        let greeted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&greeted);
        thread::spawn(move || {
            let mut drops = manner.drops;
            for stream in listener.incoming() {
                let before = |whole: &Submitted| {
                    let _gone = tell.send(());
                    if manner.waits {
                        let _gone = accepted.recv();
                    }
                    // Before the client hears of it, who may look at once.
                    kept.lock().unwrap().push(whole.clone());
                    let is_dropped = drops > 0;
                    drops = drops.saturating_sub(1);
                    !is_dropped
                };
                let _gone = served(&stream.unwrap(), manner, before);
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            address,
            taken,
            greeted,
            came,
            accept,
        }
    }

    pub(crate) fn taken(&self) -> Vec<Submitted> {
        self.taken.lock().unwrap().clone()
    }

    /// How many sessions have ended.
    pub(crate) fn greeted(&self) -> usize {
        self.greeted.load(Ordering::SeqCst)
    }

    /// The table that names it.
    pub(crate) fn table(&self) -> String {
        format!("[reinject]\nto = \"smtp://{}\"\n", self.address)
    }
}

fn served(
    mut stream: &TcpStream,
    manner: Manner,
    mut before: impl FnMut(&Submitted) -> bool,
) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let mut submitted = Submitted::default();
    stream.write_all(b"220 sink ESMTP\r\n").ok()?;
    while let Some(Ok(line)) = lines.next() {
        let verb = line.get(..4).unwrap_or_default().to_owned();
        submitted.commands.push(line.clone());
        let reply = match verb.as_str() {
            "EHLO" => &format!(
                "250-sink\r\n{}250 {}",
                manner.offers,
                if manner.dsn { "DSN" } else { "HELP" }
            ),
            "RCPT" if line.contains(&format!("<{}", manner.to)) => manner.recipient,
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
                if !before(&std::mem::take(&mut submitted)) {
                    return None;
                }
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
    Some(())
}
