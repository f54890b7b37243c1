//! An MTA: says a message by packets, and applies the edits that it is answered with.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use domsec::milter::packet::Framer;
use domsec::milter::packet::write;

use crate::service::Running;

/// What Postfix offers.
pub(crate) const POSTFIX: u32 = 0x1f_ffff;
const LEADING_SPACE: u32 = 0x10_0000;

/// A message as an MTA has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    /// The login of its sender.
    pub(crate) login: Option<&'static str>,
    pub(crate) from: String,
    /// The parameters of MAIL.
    pub(crate) mail_parameters: &'static str,
    /// What was set with the sender by a milter.
    pub(crate) from_parameters: Option<String>,
    pub(crate) to: Vec<String>,
    /// The parameters of every RCPT.
    pub(crate) to_parameters: &'static str,
    /// Names and values.
    pub(crate) header: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Mail {
    /// A message of `text`, by its envelope.
    pub(crate) fn new(login: Option<&'static str>, from: &str, to: &[&str], text: &[u8]) -> Self {
        let end = text
            .windows(4)
            .position(|octets| octets == b"\r\n\r\n")
            .unwrap();
        let mut header: Vec<(String, String)> = Vec::new();
        for line in String::from_utf8(text[..end].to_vec())
            .unwrap()
            .split("\r\n")
        {
            if line.starts_with([' ', '\t']) {
                let (_, value) = header.last_mut().unwrap();
                value.push('\n');
                value.push_str(line);
            } else {
                let (name, value) = line.split_once(':').unwrap();
                header.push((name.to_owned(), value.to_owned()));
            }
        }
        Self {
            login,
            from: format!("<{from}>"),
            mail_parameters: "",
            from_parameters: None,
            to: to.iter().map(|to| format!("<{to}>")).collect(),
            to_parameters: "",
            header,
            body: text[end + 4..].to_vec(),
        }
    }

    /// The message as it travels.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in &self.header {
            let value = value.replace('\n', "\r\n");
            text.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&self.body);
        text
    }

    /// The packets of its envelope, of its content, and of its end.
    pub(crate) fn packets(&self, spaced: bool) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut say = |command: u8, parts: &[&[u8]]| {
            let mut packet = Vec::new();
            write(&mut packet, command, parts);
            packets.push(packet);
        };
        match self.login {
            Some(login) => say(b'D', &[b"M{auth_authen}\0", login.as_bytes(), b"\0"]),
            None => say(b'D', &[b"M"]),
        }
        let parameters = |all: &str| -> String {
            let all = all.split_terminator(' ');
            all.map(|one| format!("{one}\0")).collect()
        };
        let of_mail = parameters(self.mail_parameters);
        say(b'M', &[self.from.as_bytes(), b"\0", of_mail.as_bytes()]);
        for to in &self.to {
            say(b'D', &[b"R{rcpt_addr}\0", to.as_bytes(), b"\0"]);
            let of_rcpt = parameters(self.to_parameters);
            say(b'R', &[to.as_bytes(), b"\0", of_rcpt.as_bytes()]);
        }
        say(b'D', &[b"Ni\x004Q\0"]);
        for (name, value) in &self.header {
            let value = match value.strip_prefix(' ') {
                Some(rest) if !spaced => rest,
                _ => value,
            };
            say(b'L', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"]);
        }
        say(b'N', &[]);
        for chunk in self.body.chunks(65_535) {
            say(b'B', &[chunk]);
        }
        say(b'E', &[]);
        packets
    }

    /// Applies an edit as Postfix and Sendmail do.
    fn apply(&mut self, edits: &mut Edits, command: u8, data: &[u8], spaced: bool) {
        edits.count += 1;
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        let strings = |octets: &[u8]| -> Vec<String> {
            let octets = octets.strip_suffix(b"\0").expect("a string ends");
            octets.split(|octet| *octet == 0).map(text).collect()
        };
        let field = |octets: &[u8]| -> (String, String) {
            let [name, value]: [String; 2] = strings(octets).try_into().expect("name and value");
            assert!(!value.contains("\r"), "folds end with LF: {value:?}");
            let space = if spaced { "" } else { " " };
            (name, format!("{space}{value}"))
        };
        let number = |octets: &[u8]| u32::from_be_bytes(octets[..4].try_into().unwrap());
        match command {
            b'h' => self.header.push(field(data)),
            b'i' => {
                // Any other is counted by each MTA in its own way.
                assert_eq!(number(data), 0, "a place between fields");
                self.header.insert(0, field(&data[4..]));
            }
            b'm' => {
                let nth = usize::try_from(number(data)).unwrap();
                let (name, value) = field(&data[4..]);
                let same =
                    |(_, (own, _)): &(usize, &(String, String))| own.eq_ignore_ascii_case(&name);
                let at = self.header.iter().enumerate().filter(same).nth(nth - 1);
                let (at, _) = at.expect("a field that is there");
                if value.trim().is_empty() {
                    self.header.remove(at);
                } else {
                    self.header[at].1 = value;
                }
            }
            b'b' => {
                assert!(data.len() <= 65_535);
                if !edits.body {
                    self.body.clear();
                }
                edits.body = true;
                self.body.extend_from_slice(data);
            }
            b'-' => {
                let gone = strings(data).remove(0);
                assert!(self.to.contains(&gone), "{gone} is no recipient");
                self.to.retain(|to| *to != gone);
            }
            b'e' => {
                let mut strings = strings(data);
                self.from = strings.remove(0);
                self.from_parameters = Some(strings.join(" "));
            }
            other => panic!("an edit {:?}", char::from(other)),
        }
    }
}

#[derive(Default)]
struct Edits {
    count: usize,
    body: bool,
}

/// What a message was answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It goes on, as it is now.
    Taken(Box<Mail>),
    /// A reply.
    Reply(String),
}

impl Answer {
    pub(crate) fn taken(self) -> Mail {
        match self {
            Self::Taken(mail) => *mail,
            Self::Reply(reply) => panic!("{reply}"),
        }
    }

    pub(crate) fn reply(self) -> String {
        match self {
            Self::Reply(reply) => reply,
            Self::Taken(mail) => panic!("{mail:?}"),
        }
    }
}

trait Socket: Read + Write {}
impl Socket for TcpStream {}
impl Socket for UnixStream {}

/// A connection of an MTA.
pub(crate) struct Mta {
    stream: Box<dyn Socket>,
    framer: Framer,
    agreed: u32,
    /// What was refused at RCPT.
    pub(crate) refused: Vec<String>,
}

/// The octets of an offer and of a client.
pub(crate) fn hello(protocol: u32, client: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let offer = [6, 0x1ff, protocol].map(u32::to_be_bytes);
    write(&mut octets, b'O', &[offer.as_flattened()]);
    write(&mut octets, b'D', &[b"C"]);
    write(
        &mut octets,
        b'C',
        &[b"mx\x004\0\x19", client.as_bytes(), b"\0"],
    );
    write(&mut octets, b'H', &[b"mx.example\0"]);
    octets
}

impl Mta {
    /// Connects as Postfix does, for a client of the outside.
    pub(crate) fn connect(service: &Running) -> Self {
        Self::with(tcp(service), POSTFIX)
    }

    /// The same, with other offers.
    pub(crate) fn offering(service: &Running, protocol: u32) -> Self {
        Self::with(tcp(service), protocol)
    }

    /// The same, through the unix socket.
    pub(crate) fn by_unix(service: &Running) -> Self {
        let stream = UnixStream::connect(service.file("milter.sock")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self::with(stream, POSTFIX)
    }

    fn with(stream: impl Socket + 'static, protocol: u32) -> Self {
        let mut mta = Self {
            stream: Box::new(stream),
            framer: Framer::default(),
            agreed: 0,
            refused: Vec::new(),
        };
        mta.write(&hello(protocol, "192.0.2.1"));
        let (command, data) = mta.packet().unwrap();
        assert_eq!(command, b'O');
        mta.agreed = u32::from_be_bytes(data[8..12].try_into().unwrap());
        assert_eq!(mta.agreed & !protocol, 0, "more than was offered");
        mta.go_ons(
            [0x1000, 0x2000]
                .iter()
                .filter(|flag| !mta.left_out(**flag))
                .count(),
        );
        mta
    }

    fn left_out(&self, flag: u32) -> bool {
        self.agreed & flag != 0
    }

    pub(crate) fn spaced(&self) -> bool {
        self.left_out(LEADING_SPACE)
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// The next packet; `None` where the connection has ended.
    pub(crate) fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(packet) = self.framer.next_packet().unwrap() {
                return Some((packet.command, packet.data.to_vec()));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.framer.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads that many answers to go on.
    fn go_ons(&mut self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.packet(), Some((b'c', Vec::new())));
        }
    }

    /// Whether an answer to that packet is due before the message ends.
    fn awaits(&self, packet: &[u8]) -> bool {
        let flag = match packet[4] {
            b'M' => 0x4000,
            b'R' => 0x8000,
            b'L' => 0x80,
            b'N' => 0x4_0000,
            b'B' => 0x8_0000,
            _ => return false,
        };
        !self.left_out(flag)
    }

    /// Says `mail` packet by packet, each answer awaited, and returns what becomes of it. Who is refused
    /// at RCPT is no recipient.
    pub(crate) fn offer(&mut self, mail: &Mail) -> Answer {
        let mut mail = mail.clone();
        for packet in mail.packets(self.spaced()) {
            self.write(&packet);
            if !self.awaits(&packet) {
                continue;
            }
            if packet[4] != b'R' {
                self.go_ons(1);
                continue;
            }
            let (command, text) = self.packet().expect("an answer to RCPT");
            if command == b'y' {
                let rcpt = packet[5..].split(|octet| *octet == 0).next().unwrap();
                mail.to.retain(|to| to.as_bytes() != rcpt);
                let text = String::from_utf8(text).unwrap();
                self.refused.push(text.trim_end_matches('\0').to_owned());
            } else {
                assert_eq!(command, b'c');
            }
        }
        self.answer(&mail)
    }

    /// The same, in pieces of that size, whatever is awaited.
    pub(crate) fn offer_in_pieces(&mut self, mail: &Mail, size: usize) -> Answer {
        let packets = mail.packets(self.spaced());
        for piece in packets.concat().chunks(size) {
            self.write(piece);
        }
        let due = packets.iter().filter(|packet| self.awaits(packet)).count();
        self.go_ons(due);
        self.answer(mail)
    }

    /// What becomes of `mail`, which was said.
    pub(crate) fn answer(&mut self, mail: &Mail) -> Answer {
        let mut mail = mail.clone();
        let mut edits = Edits::default();
        let spaced = self.spaced();
        loop {
            let (command, data) = self.packet().expect("an answer to a message");
            match command {
                b'p' => {}
                b'c' => return Answer::Taken(Box::new(mail)),
                b'y' => {
                    assert_eq!(edits.count, 0, "a refused message is not changed");
                    let text = String::from_utf8(data).unwrap();
                    return Answer::Reply(text.strip_suffix('\0').unwrap().to_owned());
                }
                _ => mail.apply(&mut edits, command, &data, spaced),
            }
        }
    }

    pub(crate) fn abort(&mut self) {
        self.write(b"\0\0\0\x01A");
    }

    /// Says good-bye, and sees that the service closes.
    pub(crate) fn quit(mut self) {
        self.write(b"\0\0\0\x01Q");
        assert_eq!(self.packet(), None);
    }
}

fn tcp(service: &Running) -> TcpStream {
    let stream = TcpStream::connect(service.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}
