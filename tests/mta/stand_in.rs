//! A milter that accepts everything: just enough of version 6 to prove that mail passes through one.
//!
//! It adds the field `X-Stand-In: passed`, and keeps the macros and the envelope that it was told.

use std::collections::BTreeMap;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use crate::processes::free_address;

/// The field that it adds.
pub(crate) const MARK: &[u8] = b"X-Stand-In: passed";

/// One message, as the MTA told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The client's address.
    pub(crate) client: String,
    pub(crate) macros: BTreeMap<String, String>,
    pub(crate) mail_from: String,
    pub(crate) rcpts: Vec<String>,
}

/// The milter, which listens until the test's process ends.
pub(crate) struct StandIn {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).expect("a free port");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let messages = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let messages = Arc::clone(&messages);
                // An MTA that hangs up ends its thread.
                thread::spawn(move || serve(stream, &messages));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The messages that came as far as their end.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no thread panics").clone()
    }
}

fn serve(mut stream: TcpStream, messages: &Mutex<Vec<Seen>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut seen = Seen::default();
    loop {
        let (command, data) = packet(&mut stream)?;
        let mut replies = Vec::new();
        match command {
            // Version 6, adds fields, wants every event and answers each.
            b'O' => reply(&mut replies, b'O', &[0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0]),
            b'D' => seen.macros.extend(macros(&data)),
            // The end of a message that comes to nothing; what was said of the client still holds.
            b'A' => {}
            b'Q' => return Ok(()),
            b'K' => seen = Seen::default(),
            b'E' => {
                messages
                    .lock()
                    .expect("no thread panics")
                    .push(seen.clone());
                reply(&mut replies, b'h', b"X-Stand-In\0passed\0");
                reply(&mut replies, b'c', b"");
            }
            other => {
                let argument = strings(&data).next().unwrap_or_default();
                match other {
                    b'C' => seen.client = client(&data),
                    b'M' => {
                        seen.mail_from = argument;
                        seen.rcpts.clear();
                    }
                    b'R' => seen.rcpts.push(argument),
                    _ => {}
                }
                reply(&mut replies, b'c', b"");
            }
        }
        stream.write_all(&replies)?;
    }
}

fn packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [length @ .., command] = head;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut data = vec![0; length.saturating_sub(1)];
    stream.read_exact(&mut data)?;
    Ok((command, data))
}

fn reply(replies: &mut Vec<u8>, command: u8, data: &[u8]) {
    let length = u32::try_from(data.len() + 1).expect("a short reply");
    replies.extend_from_slice(&length.to_be_bytes());
    replies.push(command);
    replies.extend_from_slice(data);
}

/// The address in what CONNECT says: a name, its zero, the letter of a family, a port, the address.
fn client(data: &[u8]) -> String {
    let name = data.iter().take_while(|octet| **octet != 0).count();
    let address = data.get(name + 4..).unwrap_or(&[]);
    strings(address).next().unwrap_or_default()
}

/// Names and values, after the letter of the command that they belong to.
fn macros(data: &[u8]) -> Vec<(String, String)> {
    let words: Vec<String> = strings(data.get(1..).unwrap_or(&[])).collect();
    words
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [name, value] => Some((name.clone(), value.clone())),
            _ => None,
        })
        .collect()
}

fn strings(data: &[u8]) -> impl Iterator<Item = String> {
    data.split(|octet| *octet == 0)
        .map(|octets| String::from_utf8_lossy(octets).into_owned())
}
