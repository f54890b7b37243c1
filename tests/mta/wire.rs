//! What goes from one MTA to the next, octet by octet, while it goes.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use crate::processes::free_address;

/// A relay that hands on what it gets and keeps a copy; it listens until the test's process ends.
pub(crate) struct Wire {
    address: SocketAddr,
    /// What each client said.
    said: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One message on the wire, whole.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    /// The line of MAIL.
    pub(crate) mail: String,
    /// The lines of RCPT.
    pub(crate) rcpts: Vec<String>,
    /// The message with CRLF and without the dots of SMTP.
    pub(crate) octets: Vec<u8>,
}

impl Wire {
    /// A relay before `next`.
    pub(crate) fn before(next: SocketAddr) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).expect("a free port");
        let said: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let kept = Arc::clone(&said);
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                kept.lock().expect("no thread panics").push(Vec::new());
                let kept = Arc::clone(&kept);
                // An MTA that hangs up, or is not there, ends its thread.
                thread::spawn(move || relay(client, next, &kept, number));
            }
        });
        Self { address, said }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that was said, in order of the connections.
    pub(crate) fn octets(&self) -> Vec<u8> {
        self.said.lock().expect("no thread panics").concat()
    }

    /// Forgets what was said so far, by clients that are gone.
    pub(crate) fn forget(&self) {
        for said in self.said.lock().expect("no thread panics").iter_mut() {
            said.clear();
        }
    }

    /// The messages that were handed over to their end.
    pub(crate) fn messages(&self) -> Vec<Carried> {
        let said = self.said.lock().expect("no thread panics");
        said.iter().flat_map(|said| messages(said)).collect()
    }
}

fn relay(
    client: TcpStream,
    next: SocketAddr,
    kept: &Mutex<Vec<Vec<u8>>>,
    number: usize,
) -> io::Result<()> {
    let server = TcpStream::connect(next)?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        // Whoever has nothing more to say hangs up.
        let _closed = to.shutdown(Shutdown::Both);
        copied
    });
    let (mut client, mut server) = (client, server);
    let mut buffer = vec![0; 65_536];
    loop {
        let count = client.read(&mut buffer)?;
        let octets = buffer.get(..count).unwrap_or_default();
        if octets.is_empty() {
            return server.shutdown(Shutdown::Write);
        }
        if let Some(said) = kept.lock().expect("no thread panics").get_mut(number) {
            said.extend_from_slice(octets);
        }
        server.write_all(octets)?;
    }
}

/// The messages that one client handed over: what has no end is none.
fn messages(said: &[u8]) -> Vec<Carried> {
    let mut found = Vec::new();
    let (mut mail, mut rcpts) = (String::new(), Vec::new());
    let mut content: Option<Vec<u8>> = None;
    for line in said.split_inclusive(|octet| *octet == b'\n') {
        match &mut content {
            Some(octets) if line == b".\r\n" => {
                found.push(Carried {
                    mail: std::mem::take(&mut mail),
                    rcpts: std::mem::take(&mut rcpts),
                    octets: std::mem::take(octets),
                });
                content = None;
            }
            Some(octets) => octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(line)),
            None => {
                let text = String::from_utf8_lossy(line).trim_end().to_owned();
                if text.starts_with("MAIL FROM:") {
                    (mail, rcpts) = (text, Vec::new());
                } else if text.starts_with("RCPT TO:") {
                    rcpts.push(text);
                } else if text == "DATA" {
                    content = Some(Vec::new());
                }
            }
        }
    }
    found
}

mod rules {
    use super::*;

    #[test]
    fn messages_are_found_in_what_was_said() {
        let said = b"EHLO a\r\nMAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n..a\r\n.\r\nRSET\r\n\
            MAIL FROM:<>\r\nRCPT TO:<z@y>\r\nDATA\r\ncut off";
        let [message] = messages(said).try_into().expect("one whole message");
        assert_eq!(message.mail, "MAIL FROM:<x@y>");
        assert_eq!(message.rcpts, ["RCPT TO:<z@y>"]);
        assert_eq!(message.octets, b".a\r\n");
    }
}
