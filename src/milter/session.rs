//! One connection of an MTA: what may follow what, and what it comes to.
//!
//! [`Session::handle`] takes a packet and says what the driver has to do; answers that are due at once
//! are in [`Session::output`]. Answers to a message are the driver's, by [`super::action`], and so is what
//! becomes of a recipient ([`Session::answer_recipient`]). The order of commands is that of SMTP; what
//! breaks it ends the connection, and the MTA defers by its own default.

use std::net::IpAddr;

use super::Field;
use super::action;
use super::command::Command;
use super::command::CommandError;
use super::macros::Macros;
use super::options::Options;
use super::options::OptionsError;
use super::options::protocol;
use super::packet::Packet;
use crate::address::Mailbox;
use crate::reply::Reply;

/// What one message may have.
#[derive(Clone, Copy, Debug)]
pub struct MessageLimits {
    /// Octets of header and body.
    pub octets: u64,
    /// Octets of the header.
    pub header_octets: usize,
    /// Fields of the header.
    pub header_fields: usize,
    /// Recipients.
    pub recipients: usize,
}

/// Why a message cannot be taken, whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unacceptable {
    /// An address of the envelope that we cannot read; as the MTA gave it.
    Address(String),
    /// Fields of the header.
    HeaderFields,
    /// Octets of the header.
    HeaderOctets,
    /// Octets of the message.
    Octets,
    /// Recipients.
    Recipients,
}

/// One recipient.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The address.
    pub mailbox: Mailbox,
    /// As the MTA gave it, which is how it knows him.
    pub given: Vec<u8>,
    /// ESMTP parameters of RCPT.
    pub parameters: Vec<String>,
}

/// What the MTA says of the client.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Its address; `None` for mail that did not come by IP.
    pub address: Option<IpAddr>,
    /// What it called itself.
    pub helo: Option<String>,
    /// Its login.
    pub login: Option<String>,
    /// Whether TLS protects the session.
    pub tls: bool,
    /// The common name in its certificate, where the MTA verified that.
    pub tls_subject: Option<String>,
}

/// All of a message but its octets.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// MAIL FROM; `None` is the null sender.
    pub sender: Option<Mailbox>,
    /// MAIL FROM as the MTA gave it.
    pub sender_given: Vec<u8>,
    /// ESMTP parameters of MAIL.
    pub parameters: Vec<String>,
    /// Recipients in order.
    pub recipients: Vec<Recipient>,
    /// The header as the MTA has it.
    pub header: Vec<Field>,
    /// The client.
    pub client: Client,
    /// The MTA's queue identifier, where it said one.
    pub queue_id: Option<String>,
    /// Why it cannot be taken.
    pub unacceptable: Option<Unacceptable>,
    header_octets: usize,
    octets: u64,
}

impl Message {
    /// The MTA's queue identifier for the log; a hyphen where it said none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.queue_id.as_deref().unwrap_or("-")
    }
}

/// What the driver has to do.
#[derive(Debug)]
pub enum Event<'a> {
    /// The message at hand is gone.
    Aborted,
    /// A piece of the body.
    Body(&'a [u8]),
    /// Close the connection.
    Closed,
    /// The header, with the empty line at its end.
    Header(Vec<u8>),
    /// The message has ended with this piece: answer it.
    Message(Box<Message>, &'a [u8]),
    /// Nothing.
    Nothing,
    /// The MTA waits for what becomes of the recipient of [`Session::asked`]:
    /// [`Session::answer_recipient`].
    Recipient,
}

/// The MTA does what it must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A command cannot be read.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A field of the header holds what would end it.
    #[error("the MTA sent a header field {0:?} that holds a line end which is not folded")]
    Folding(String),
    /// It cannot do what is needed.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A command stands where it may not.
    #[error("the MTA sent the milter command {:?} {}", char::from(*.letter), .stage.as_str())]
    Order {
        /// The command.
        letter: u8,
        /// Where.
        stage: Stage,
    },
}

/// What came last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing.
    #[default]
    Start,
    /// Options, a client or HELO: no message is at hand.
    Connected,
    /// MAIL or RCPT.
    Envelope,
    /// A header field.
    Header,
    /// The end of the header, or a piece of the body.
    Body,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "before it has said what it offers",
            Self::Connected => "outside of a message",
            Self::Envelope => "after MAIL or RCPT",
            Self::Header => "within a header",
            Self::Body => "within a body",
        }
    }
}

/// The connection of one MTA.
#[derive(Debug)]
pub struct Session {
    limits: MessageLimits,
    /// Whether the driver wants to decide about recipients.
    at_recipient: bool,
    options: Options,
    stage: Stage,
    address: Option<IpAddr>,
    helo: Option<String>,
    macros: Macros,
    message: Message,
    output: Vec<u8>,
}

/// The commands of a message, in order: their macros last as long as it.
const OF_MESSAGE: &[u8] = b"MRTNE";
/// Those that follow CONNECT: what was said of one client says nothing of the next.
const AFTER_CONNECT: &[u8] = b"HMRTNE";
/// All of them; macros for any other are not kept.
const ALL: &[u8] = b"CHMRTNE";

impl Session {
    /// Begins; with `at_recipient` the driver is asked about each recipient.
    #[must_use]
    pub fn new(limits: MessageLimits, at_recipient: bool) -> Self {
        Self {
            limits,
            at_recipient,
            options: Options::default(),
            stage: Stage::default(),
            address: None,
            helo: None,
            macros: Macros::default(),
            message: Message::default(),
            output: Vec::new(),
        }
    }

    /// Takes one packet.
    pub fn handle<'a>(&mut self, packet: Packet<'a>) -> Result<Event<'a>, SessionError> {
        let command = Command::decode(packet)?;
        let stages = match &command {
            Command::Negotiate(_) => Stage::Start..=Stage::Connected,
            Command::Connect(_) => Stage::Connected..=Stage::Connected,
            // STARTTLS and a second EHLO come between messages; Sendmail says HELO anew after RSET.
            Command::Helo(_) | Command::Mail(..) => Stage::Connected..=Stage::Envelope,
            Command::Recipient(..) | Command::Data => Stage::Envelope..=Stage::Envelope,
            Command::Header(..) | Command::EndOfHeader => Stage::Envelope..=Stage::Header,
            Command::Body(_) | Command::EndOfMessage(_) => Stage::Body..=Stage::Body,
            Command::Abort
            | Command::Macros(..)
            | Command::Quit
            | Command::QuitNewConnection
            | Command::Unknown => Stage::Start..=Stage::Body,
        };
        if !stages.contains(&self.stage) {
            return Err(SessionError::Order {
                letter: command.letter(),
                stage: self.stage,
            });
        }
        self.take(command)
    }

    /// Answers that are due at once; the driver writes them and leaves none.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What was agreed on.
    #[must_use]
    pub const fn options(&self) -> Options {
        self.options
    }

    /// Whether a message is at hand.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        self.stage >= Stage::Envelope
    }

    fn take<'a>(&mut self, command: Command<'a>) -> Result<Event<'a>, SessionError> {
        match command {
            Command::Abort => return Ok(self.abort()),
            Command::Body(octets) => return Ok(self.body(octets)),
            Command::Connect(address) => {
                self.address = address;
                self.helo = None;
                self.macros.forget(AFTER_CONNECT);
                self.due(protocol::NO_REPLY_CONNECT);
            }
            // Left out where that is known; else the answer is due.
            Command::Data | Command::Unknown => action::go_on(&mut self.output),
            Command::EndOfHeader => return Ok(self.end_of_header()),
            Command::EndOfMessage(octets) => return Ok(self.end_of_message(octets)),
            Command::Header(name, value) => self.field(name, value)?,
            Command::Helo(name) => {
                self.helo = Some(lossy(name));
                self.due(protocol::NO_REPLY_HELO);
                // As RSET does (RFC 5321 §4.1.4).
                return Ok(self.abort());
            }
            Command::Macros(stage, pairs) if ALL.contains(&stage) => {
                let (pairs, _) = pairs.as_chunks::<2>();
                let pairs = pairs.iter().map(|[name, value]| (*name, *value));
                self.macros.set(stage, pairs);
            }
            Command::Macros(..) => {}
            Command::Mail(address, parameters) => self.mail(address, &parameters),
            Command::Negotiate(offered) => {
                self.options = Options::agree(offered, self.at_recipient)?;
                self.options.write(&mut self.output);
                self.stage = Stage::Connected;
            }
            Command::Quit => return Ok(Event::Closed),
            Command::QuitNewConnection => {
                let event = self.abort();
                self.macros.forget(ALL);
                (self.address, self.helo) = (None, None);
                return Ok(event);
            }
            Command::Recipient(address, parameters) => {
                return Ok(self.recipient(address, &parameters));
            }
        }
        Ok(Event::Nothing)
    }

    /// Says "go on" where the MTA waits for it.
    fn due(&mut self, left_out: u32) {
        if !self.options.leaves_out(left_out) {
            action::go_on(&mut self.output);
        }
    }

    fn abort<'a>(&mut self) -> Event<'a> {
        let within = self.is_within_message();
        self.stage = self.stage.min(Stage::Connected);
        self.message = Message::default();
        self.macros.forget(OF_MESSAGE);
        if within {
            Event::Aborted
        } else {
            Event::Nothing
        }
    }

    fn mail(&mut self, address: &[u8], parameters: &[&[u8]]) {
        self.stage = Stage::Envelope;
        self.message = Message {
            sender_given: address.to_vec(),
            parameters: texts(parameters),
            ..Message::default()
        };
        // Postfix gives its own bounces an empty address instead of <>.
        if !matches!(address, b"<>" | b"") {
            let rewritten = self.macros.at(b'M', "mail_addr");
            match mailbox(address, rewritten) {
                Some(mailbox) => self.message.sender = Some(mailbox),
                None => self.refuse(Unacceptable::Address(lossy(address))),
            }
        }
        self.due(protocol::NO_REPLY_MAIL);
    }

    fn recipient<'a>(&mut self, address: &[u8], parameters: &[&[u8]]) -> Event<'a> {
        let mut is_known = false;
        if self.message.recipients.len() >= self.limits.recipients {
            self.refuse(Unacceptable::Recipients);
        } else {
            let rewritten = self.macros.at(b'R', "rcpt_addr");
            match mailbox(address, rewritten) {
                Some(mailbox) => {
                    is_known = true;
                    self.message.recipients.push(Recipient {
                        mailbox,
                        given: address.to_vec(),
                        parameters: texts(parameters),
                    });
                }
                None => self.refuse(Unacceptable::Address(lossy(address))),
            }
        }
        // It was said of this one.
        self.macros.forget_name(b'R', "rcpt_addr");
        let is_awaited = !self.options.leaves_out(protocol::NO_REPLY_RCPT);
        // A message that is refused at its end is refused to all.
        let is_good = is_known && self.message.unacceptable.is_none();
        if self.at_recipient && is_awaited && is_good && self.is_by_smtp() {
            return Event::Recipient;
        }
        self.due(protocol::NO_REPLY_RCPT);
        Event::Nothing
    }

    /// Whether there is an SMTP session that RCPT stands in. Postfix's cleanup(8) plays one for mail
    /// that came otherwise, and a recipient who is refused there holds up the whole message in its
    /// queue. It has a queue identifier before a message has begun, as smtpd(8) never has. Sendmail has
    /// one too, and beside it the name of its host (`w`), which Postfix tells no milter.
    fn is_by_smtp(&self) -> bool {
        self.macros.at(b'C', "i").is_none() || self.macros.at(b'C', "w").is_some()
    }

    /// Answers RCPT after [`Event::Recipient`]: with `refusal`, and the recipient is none any more; or
    /// without one.
    pub fn answer_recipient(&mut self, refusal: Option<&Reply>) {
        match refusal {
            Some(reply) => {
                self.message.recipients.pop();
                action::reply(&mut self.output, reply);
            }
            None => action::go_on(&mut self.output),
        }
    }

    /// What is known when RCPT is to be answered: the client, the sender, and the last recipient alone.
    #[must_use]
    pub fn asked(&self) -> Message {
        Message {
            sender: self.message.sender.clone(),
            recipients: self
                .message
                .recipients
                .last()
                .cloned()
                .into_iter()
                .collect(),
            client: self.client(),
            ..Message::default()
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), SessionError> {
        self.stage = Stage::Header;
        if !is_folded(value) || name.contains(&b'\n') || name.contains(&b':') {
            return Err(SessionError::Folding(lossy(name)));
        }
        let message = &mut self.message;
        // Name, colon, a space that may be missing, CRLF; and the CR that folds lack.
        message.header_octets += name.len() + value.len() + bare_line_feeds(value) + 4;
        if message.header_octets > self.limits.header_octets {
            self.refuse(Unacceptable::HeaderOctets);
        } else if message.header.len() >= self.limits.header_fields {
            self.refuse(Unacceptable::HeaderFields);
        } else {
            let mut field = Field {
                name: name.to_vec(),
                value: Vec::with_capacity(value.len() + 1),
            };
            if !self.options.leaves_out(protocol::LEADING_SPACE) {
                field.value.push(b' ');
            }
            field.value.extend_from_slice(value);
            message.header.push(field);
        }
        self.due(protocol::NO_REPLY_HEADER);
        Ok(())
    }

    fn end_of_header<'a>(&mut self) -> Event<'a> {
        self.stage = Stage::Body;
        self.due(protocol::NO_REPLY_END_OF_HEADER);
        let octets = octets(&self.message.header);
        self.message.octets = crate::octets::length(&octets);
        if self.message.unacceptable.is_some() {
            Event::Nothing
        } else {
            Event::Header(octets)
        }
    }

    fn body<'a>(&mut self, octets: &'a [u8]) -> Event<'a> {
        self.count(octets);
        let is_over = self.message.unacceptable.is_some();
        if is_over && self.options.leaves_out(protocol::SKIP) {
            action::skip(&mut self.output);
        } else {
            self.due(protocol::NO_REPLY_BODY);
        }
        if is_over {
            Event::Nothing
        } else {
            Event::Body(octets)
        }
    }

    fn end_of_message<'a>(&mut self, octets: &'a [u8]) -> Event<'a> {
        self.count(octets);
        let mut message = Box::new(std::mem::take(&mut self.message));
        message.client = self.client();
        message.queue_id = self.macros.last(OF_MESSAGE, "i").map(str::to_owned);
        self.abort();
        Event::Message(message, octets)
    }

    /// Counts a piece of the body.
    fn count(&mut self, octets: &[u8]) {
        self.message.octets += crate::octets::length(octets);
        if self.message.octets > self.limits.octets {
            self.refuse(Unacceptable::Octets);
        }
    }

    /// The first reason stays.
    fn refuse(&mut self, reason: Unacceptable) {
        self.message.unacceptable.get_or_insert(reason);
    }

    fn client(&self) -> Client {
        let tls = |name| self.macros.last(b"HM", name);
        // Sendmail says in `verify` what became of the certificate, and in `cert_subject` all of its
        // name; Postfix gives the common name of one that it trusts, and no other.
        let subject = match tls("verify") {
            None => tls("cert_subject"),
            Some("OK") => tls("cn_subject"),
            Some(_) => None,
        };
        let login = self.macros.at(b'M', "auth_authen");
        Client {
            address: self.address,
            helo: self.helo.clone(),
            login: login.map(str::to_owned),
            tls: tls("tls_version").is_some(),
            tls_subject: subject.map(str::to_owned),
        }
    }
}

/// The header's octets as they stand in a message, with the empty line.
pub(crate) fn octets(header: &[Field]) -> Vec<u8> {
    let mut octets = Vec::new();
    for field in header {
        octets.extend_from_slice(&field.name);
        octets.push(b':');
        let mut last = b' ';
        for octet in &field.value {
            if *octet == b'\n' && last != b'\r' {
                octets.push(b'\r');
            }
            octets.push(*octet);
            last = *octet;
        }
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b"\r\n");
    octets
}

/// Line feeds without a carriage return before them.
fn bare_line_feeds(value: &[u8]) -> usize {
    let folds = memchr::memchr_iter(b'\n', value);
    let is_bare = |at: &usize| at.checked_sub(1).and_then(|at| value.get(at)) != Some(&b'\r');
    folds.filter(is_bare).count()
}

/// Whether every line end within is followed by white space (RFC 5322 §2.2.3): any other would begin
/// a field, or the body.
fn is_folded(value: &[u8]) -> bool {
    let mut lines = value.split(|octet| *octet == b'\n');
    let _first = lines.next();
    lines.all(|line| matches!(line.first(), Some(b' ' | b'\t')))
}

/// An address of the envelope. One without a domain is that of a local user: then what the MTA has
/// rewritten it to counts, where it says that.
fn mailbox(given: &[u8], rewritten: Option<&str>) -> Option<Mailbox> {
    let text = str::from_utf8(given).ok()?;
    let bare = |text: &str| {
        let inner = text
            .strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'));
        inner.unwrap_or(text).to_owned()
    };
    let parsed = bare(text).parse();
    parsed.ok().or_else(|| bare(rewritten?).parse().ok())
}

fn texts(parameters: &[&[u8]]) -> Vec<String> {
    parameters.iter().map(|octets| lossy(octets)).collect()
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[cfg(test)]
mod tests;
