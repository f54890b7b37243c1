//! The other end of the milter protocol, for the self-test: hands over one message as an MTA does, and
//! makes the changes that the gateway asks for.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::Socket;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::milter::Field;
use crate::milter::action::BODY_CHUNK;
use crate::milter::options::Options;
use crate::milter::options::protocol;
use crate::milter::packet;
use crate::milter::packet::Framer;
use crate::milter::session;
use crate::mime::MimeError;
use crate::mime::header::Header;
use crate::octets::View;
use crate::serve::replace::as_value;

/// How long the gateway may be silent. Its keys sign in milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// One message to hand over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handed<'a> {
    /// MAIL FROM.
    pub(super) sender: &'a str,
    /// RCPT TO.
    pub(super) recipient: &'a str,
    /// Who has logged in.
    pub(super) login: Option<&'a str>,
    /// The client's address.
    pub(super) client: &'a str,
    /// The message.
    pub(super) message: &'a [u8],
}

/// Why the message did not come through.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandError {
    /// The gateway answered with a reply.
    #[error("the gateway answers: {0}")]
    Answered(String),
    /// The message cannot be read.
    #[error("the message has no header that can be read")]
    Header(#[from] MimeError),
    /// The socket failed.
    #[error("the gateway's milter socket {socket} does not answer")]
    Io {
        /// The socket.
        socket: Socket,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A packet of the gateway is too long.
    #[error(transparent)]
    Packet(#[from] LimitError),
    /// The gateway sent what it must not.
    #[error("the gateway sent the milter packet {0:?}, which was not agreed on")]
    Unexpected(char),
}

trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

/// Hands the message over at `socket`, and returns it as the gateway has changed it.
pub(super) fn hand_over(socket: &Socket, handed: Handed<'_>) -> Result<Vec<u8>, HandError> {
    let failed = |source| HandError::Io {
        socket: socket.clone(),
        source,
    };
    let mut stream = connect(socket).map_err(failed)?;
    let view = View::owned(handed.message.to_vec());
    let (header, body) = Header::parse(&view, &Limits::default())?;
    let start = usize::try_from(body).unwrap_or(usize::MAX);
    let body = handed.message.get(start..).unwrap_or_default();
    let mut changed = Changed::of(&header, body);
    let packets = packets(&handed, &changed);
    stream.write_all(&packets).map_err(failed)?;
    let mut framer = Framer::default();
    let mut buffer = [0; 4096];
    // A policy may decide at RCPT, which is answered then.
    let mut taken_at_recipient = true;
    loop {
        while let Some(packet) = framer.next_packet()? {
            match (packet.command, packet.data) {
                (b'O', agreed) => taken_at_recipient = leaves_out_recipient(agreed),
                // The work goes on.
                (b'p', _) => {}
                (b'c', _) if !taken_at_recipient => taken_at_recipient = true,
                (b'c' | b'a', _) => return Ok(changed.into_octets()),
                (b'y', text) => {
                    let text = String::from_utf8_lossy(text);
                    return Err(HandError::Answered(text.trim_end_matches('\0').to_owned()));
                }
                (b't', _) => {
                    return Err(HandError::Answered("451 4.7.1 try again later".to_owned()));
                }
                (b'r', _) => return Err(HandError::Answered("550 5.7.1 refused".to_owned())),
                (command, data) if changed.apply(command, data).is_none() => {
                    return Err(HandError::Unexpected(char::from(command)));
                }
                _ => {}
            }
        }
        let count = stream.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        framer.push(buffer.get(..count).unwrap_or_default());
    }
}

/// Whether it was agreed that RCPT is not answered: in the last of three numbers.
fn leaves_out_recipient(agreed: &[u8]) -> bool {
    let (numbers, _) = agreed.as_chunks::<4>();
    let steps = numbers.get(2).copied().map_or(0, u32::from_be_bytes);
    steps & protocol::NO_REPLY_RCPT != 0
}

fn connect(socket: &Socket) -> io::Result<Box<dyn Duplex>> {
    Ok(match socket {
        Socket::Tcp(address) => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Socket::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Box::new(stream)
        }
        // What has been bound has an address.
        Socket::Systemd(_) => return Err(io::ErrorKind::Unsupported.into()),
    })
}

/// The whole conversation: nothing in it waits for an answer but the end of the message.
fn packets(handed: &Handed<'_>, message: &Changed) -> Vec<u8> {
    let Options {
        version,
        actions,
        protocol,
    } = Options::WHOLE;
    let offer = [version, actions, protocol].map(u32::to_be_bytes);
    let mut packets = Vec::new();
    packet::write(&mut packets, b'O', &[offer.as_flattened()]);
    let client = [b"localhost\x004\0\0", handed.client.as_bytes(), b"\0"];
    packet::write(&mut packets, b'C', &client);
    packet::write(&mut packets, b'H', &[b"localhost\0"]);
    if let Some(login) = handed.login {
        let macros: [&[u8]; 3] = [
            b"M{auth_type}\0PLAIN\0{auth_authen}\0",
            login.as_bytes(),
            b"\0",
        ];
        packet::write(&mut packets, b'D', &macros);
    }
    for (command, address) in [(b'M', handed.sender), (b'R', handed.recipient)] {
        packet::write(&mut packets, command, &[b"<", address.as_bytes(), b">\0"]);
    }
    for Field { name, value } in &message.header {
        packet::write(&mut packets, b'L', &[name, b"\0", value, b"\0"]);
    }
    packet::write(&mut packets, b'N', &[]);
    for chunk in message.body.chunks(BODY_CHUNK) {
        packet::write(&mut packets, b'B', &[chunk]);
    }
    packet::write(&mut packets, b'D', &[b"Ei\0self-test\0"]);
    packet::write(&mut packets, b'E', &[]);
    packets
}

/// The message as the MTA has it.
struct Changed {
    /// The fields, values with their leading space.
    header: Vec<Field>,
    body: Vec<u8>,
    /// Whether the body that is there is the new one.
    replaced: bool,
}

impl Changed {
    fn of(header: &Header, body: &[u8]) -> Self {
        Self {
            header: header
                .fields()
                .map(|field| Field {
                    name: field.name().as_bytes().to_vec(),
                    value: as_value(field.body()),
                })
                .collect(),
            body: body.to_vec(),
            replaced: false,
        }
    }

    /// Makes one change; `None` for what is none.
    fn apply(&mut self, command: u8, data: &[u8]) -> Option<()> {
        match command {
            b'b' => {
                if !std::mem::replace(&mut self.replaced, true) {
                    self.body.clear();
                }
                self.body.extend_from_slice(data);
            }
            b'h' => self.header.push(field(data)?),
            b'i' => {
                let (index, rest) = data.split_first_chunk::<4>()?;
                let index = usize::try_from(u32::from_be_bytes(*index)).ok()?;
                self.header
                    .insert(index.min(self.header.len()), field(rest)?);
            }
            b'm' => {
                let (index, rest) = data.split_first_chunk::<4>()?;
                let index = usize::try_from(u32::from_be_bytes(*index)).ok()?;
                let Field { name, value } = field(rest)?;
                let same = self.header.iter().enumerate();
                let same = same.filter(|(_, own)| own.name.eq_ignore_ascii_case(&name));
                let (at, _) = same.take(index).last()?;
                if value.is_empty() {
                    self.header.remove(at);
                } else if let Some(field) = self.header.get_mut(at) {
                    field.value = value;
                }
            }
            // Sender and recipients are the envelope's.
            b'e' | b'-' => {}
            _ => return None,
        }
        Some(())
    }

    fn into_octets(self) -> Vec<u8> {
        let mut octets = session::octets(&self.header);
        octets.extend_from_slice(&self.body);
        octets
    }
}

/// Name and value, each with its NUL.
fn field(data: &[u8]) -> Option<Field> {
    let data = data.strip_suffix(b"\0")?;
    let end = data.iter().position(|octet| *octet == 0)?;
    let (name, value) = data.split_at_checked(end)?;
    Some(Field {
        name: name.to_vec(),
        value: value.get(1..)?.to_vec(),
    })
}
