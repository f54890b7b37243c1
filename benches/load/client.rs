//! The MTA's end of one milter connection, version 6, as Postfix speaks it: what needs no answer is not
//! awaited, and what is written goes out when an answer is.

use std::io;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use domsec::milter::options::protocol;

use crate::message::Answer;
use crate::message::Message;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets that are written at a time.
const WRITTEN: usize = 64 * 1024;
/// As Postfix 3.7 offers.
const ACTIONS: u32 = 0x1ff;
const PROTOCOL: u32 = 0x1f_ffff;
/// Steps that a milter may leave out (SMFIP_NO...), beside those of [`protocol`].
const NO_CONNECT: u32 = 0x01;
const NO_HELO: u32 = 0x02;
const NO_MAIL: u32 = 0x04;
const NO_RECIPIENT: u32 = 0x08;
const NO_BODY: u32 = 0x10;
const NO_HEADER: u32 = 0x20;
const NO_END_OF_HEADER: u32 = 0x40;
const NO_REPLY_DATA: u32 = 0x1_0000;

/// Where the milter listens.
#[derive(Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection on which the options are agreed on, and the client is told.
pub(crate) struct Connection {
    socket: BufReader<Socket>,
    options: u32,
    /// What is not yet written.
    due: Vec<u8>,
    packet: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &Address) -> io::Result<Self> {
        let mut connection = Self {
            socket: BufReader::with_capacity(64 * 1024, Socket::open(address)?),
            options: 0,
            due: Vec::new(),
            packet: Vec::new(),
        };
        let offered = [6, ACTIONS, PROTOCOL].map(u32::to_be_bytes);
        connection.put(b'O', &[offered.as_flattened()]);
        connection.flush()?;
        if connection.take()? != b'O' {
            return Err(io::Error::other("the milter does not negotiate"));
        }
        let agreed = connection
            .packet
            .get(8..12)
            .and_then(|octets| octets.try_into().ok());
        connection.options = agreed.map_or(0, u32::from_be_bytes);
        connection.put(
            b'D',
            &[b"Cj\0mx.a.example\0{daemon_name}\0mx.a.example\0v\0Postfix 3.7.11\0"],
        );
        let client = b"pc.a.example\x004\x30\x39127.0.0.1\0";
        connection.step(b'C', &[client], [NO_CONNECT, protocol::NO_REPLY_CONNECT])?;
        connection.step(
            b'H',
            &[b"pc.a.example\0"],
            [NO_HELO, protocol::NO_REPLY_HELO],
        )?;
        Ok(connection)
    }

    /// Hands `message` over, and returns what came back; an error unless the milter lets it go on.
    pub(crate) fn send(&mut self, message: &Message) -> io::Result<Answer> {
        self.hand_over(message, message.reader.address())?;
        self.answer()
    }

    /// Hands `message` over for `recipient`, and waits for nothing that comes back.
    pub(crate) fn hand_over(&mut self, message: &Message, recipient: &str) -> io::Result<()> {
        self.envelope(recipient)?;
        let spaced = self.options & protocol::LEADING_SPACE != 0;
        for (name, value) in &message.header {
            let space: &[u8] = if spaced { b" " } else { b"" };
            let parts = [name.as_bytes(), b"\0", space, value.as_bytes(), b"\0"];
            self.step(b'L', &parts, [NO_HEADER, protocol::NO_REPLY_HEADER])?;
        }
        let left_out = [NO_END_OF_HEADER, protocol::NO_REPLY_END_OF_HEADER];
        self.step(b'N', &[], left_out)?;
        for piece in message.body.chunks(65_535) {
            self.step(b'B', &[piece], [NO_BODY, protocol::NO_REPLY_BODY])?;
        }
        self.put(b'D', &[b"Ei\x004F1B2C3D\0"]);
        self.put(b'E', &[]);
        self.flush()
    }

    /// Says that it ends, as an MTA does.
    pub(crate) fn quit(mut self) -> io::Result<()> {
        self.put(b'Q', &[]);
        self.flush()
    }

    fn envelope(&mut self, recipient: &str) -> io::Result<()> {
        self.put(b'D', &[b"Mi\x004F1B2C3D\0{mail_addr}\0alice@a.example\0"]);
        let mail = [NO_MAIL, protocol::NO_REPLY_MAIL];
        self.step(b'M', &[b"<alice@a.example>\0"], mail)?;
        let recipient = recipient.as_bytes();
        self.put(b'D', &[b"R{rcpt_addr}\0", recipient, b"\0"]);
        let left_out = [NO_RECIPIENT, protocol::NO_REPLY_RCPT];
        self.step(b'R', &[b"<", recipient, b">\0"], left_out)?;
        self.step(b'T', &[], [protocol::NO_DATA, NO_REPLY_DATA])
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            match self.take()? {
                b'a' | b'c' => return Ok(answer),
                b'b' => {
                    answer.body_octets += self.packet.len();
                    if answer.body.is_empty() {
                        answer.body.extend(self.packet.iter().take(64));
                    }
                }
                b'h' => answer.fields.push(self.packet.clone()),
                // Before them stands the place.
                b'i' | b'm' => {
                    let field = self.packet.get(4..).unwrap_or_default();
                    answer.fields.push(field.to_vec());
                }
                b'p' => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// One command that a milter may leave out, or not answer.
    fn step(&mut self, command: u8, parts: &[&[u8]], left_out: [u32; 2]) -> io::Result<()> {
        let [never_sent, not_answered] = left_out;
        if self.options & never_sent != 0 {
            return Ok(());
        }
        self.put(command, parts);
        if self.options & not_answered != 0 {
            return if self.due.len() < WRITTEN {
                Ok(())
            } else {
                self.flush()
            };
        }
        self.flush()?;
        match self.take()? {
            b'c' => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    fn put(&mut self, command: u8, parts: &[&[u8]]) {
        domsec::milter::packet::write(&mut self.due, command, parts);
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.socket.get_mut() {
            Socket::Tcp(stream) => stream.write_all(&self.due)?,
            Socket::Unix(stream) => stream.write_all(&self.due)?,
        }
        self.due.clear();
        Ok(())
    }

    /// The command of the next packet; its data is in `packet`.
    fn take(&mut self) -> io::Result<u8> {
        let mut head = [0; 5];
        self.socket.read_exact(&mut head)?;
        let [length @ .., command] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        self.packet.resize(length.saturating_sub(1), 0);
        self.socket.read_exact(&mut self.packet)?;
        Ok(command)
    }

    fn unexpected(&self, command: u8) -> io::Error {
        let text = String::from_utf8_lossy(&self.packet);
        io::Error::other(format!(
            "the milter says {:?} {text:?}",
            char::from(command)
        ))
    }
}

impl Socket {
    fn open(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Self::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Self::Unix(stream)
            }
        })
    }
}

impl Read for Socket {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(octets),
            Self::Unix(stream) => stream.read(octets),
        }
    }
}
