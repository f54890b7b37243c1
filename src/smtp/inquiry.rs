//! The client's side of an SMTP session that asks for one recipient's certificate and key, and sends no mail.
//!
//! CERS or CERT of "X.509 Certificate Service Extension for SMTP Servers", GETK or PKEY of "Public Key Look Up" (list
//! ietf-smtp, 8 May 2021). STARTTLS always comes first: without it nothing is asked.

use std::fmt;
use std::io;

use super::ServerReply;
use super::extensions::Extensions;
use super::reply::ReplyError;
use super::reply::ReplyReader;
use crate::address::Domain;
use crate::address::Mailbox;

/// Lines of one reply: twenty certificates with RSA keys of 4,096 bits, in lines of 64 characters.
pub const LINES: usize = 2_000;

/// What the driver of an [`Inquiry`] does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Close the connection; [`Inquiry::finish`] has the result.
    Done,
    /// Read octets, and give them to [`Inquiry::handle_octets`].
    Read,
    /// Shake hands, then call [`Inquiry::handle_tls`].
    StartTls,
    /// Write these octets.
    Write(Vec<u8>),
}

/// Where in the session something happened; its Display is the command, or what is read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// CERS or CERT.
    Certificate(Verb),
    /// EHLO.
    Ehlo,
    /// The server's first reply.
    Greeting,
    /// GETK or PKEY.
    Key(Verb),
    /// QUIT, when the result is known.
    Quit,
    /// STARTTLS, and the handshake.
    StartTls,
}

/// A command that asks about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A certificate with its chain.
    Cers,
    /// A certificate.
    Cert,
    /// A public key.
    Getk,
    /// A public key.
    Pkey,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cers => "CERS",
            Self::Cert => "CERT",
            Self::Getk => "GETK",
            Self::Pkey => "PKEY",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(verb) | Self::Key(verb) => verb.fmt(f),
            Self::Ehlo => f.write_str("EHLO"),
            Self::Greeting => f.write_str("greeting"),
            Self::Quit => f.write_str("QUIT"),
            Self::StartTls => f.write_str("STARTTLS"),
        }
    }
}

/// What the server answered; `None` where it has no such command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// To CERS or CERT.
    pub certificate: Option<ServerReply>,
    /// To GETK or PKEY.
    pub key: Option<ServerReply>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InquiryError {
    /// The address is not ASCII, and the server does not offer SMTPUTF8 (RFC 6531).
    #[error("server does not offer SMTPUTF8, which the address needs")]
    AddressNeedsUtf8,
    /// The connection failed, ended, or was too slow.
    #[error("connection lost at {step}")]
    Lost {
        /// Where.
        step: Step,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server refuses to go on.
    #[error("server says at {step}: {:?}", reply.to_string())]
    Refused {
        /// Where.
        step: Step,
        /// In its words.
        reply: ServerReply,
    },
    /// What the server sent is no reply.
    #[error("reply to {step} is malformed")]
    Reply {
        /// Where.
        step: Step,
        /// What is wrong with it.
        #[source]
        source: ReplyError,
    },
    /// The server does not offer STARTTLS.
    #[error("server does not offer STARTTLS")]
    TlsMissing,
    /// The server sent a reply before the command: after STARTTLS it would pass for a protected one (RFC 3207 §6).
    #[error("server sends more than the reply to {step}")]
    Unsolicited {
        /// The step that was answered before.
        step: Step,
    },
}

/// One session, without a socket: ask [`Inquiry::next_action`], do it, and tell what came of it.
///
/// Where the connection fails or takes too long, [`Inquiry::handle_lost`] is told, whatever the action was. The caller
/// bounds the time of the whole; nothing here waits.
#[derive(Debug)]
pub struct Inquiry<'a> {
    mailbox: &'a Mailbox,
    /// Who we say we are.
    name: &'a Domain,
    reader: ReplyReader,
    outgoing: Vec<u8>,
    doing: Doing,
    /// Whether the handshake is done.
    protected: bool,
    extensions: Extensions,
    /// Whether the address was sent in angle brackets.
    bracketed: bool,
    answers: Answers,
    outcome: Option<Result<(), InquiryError>>,
}

/// What the driver is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It reads the reply to a step.
    Awaiting(Step),
    /// Nothing any more.
    Nothing,
    /// It shakes hands.
    StartTls,
}

impl<'a> Inquiry<'a> {
    /// A session on a connection that has just been made.
    #[must_use]
    pub fn new(mailbox: &'a Mailbox, name: &'a Domain) -> Self {
        Self {
            mailbox,
            name,
            reader: ReplyReader::bounded(LINES),
            outgoing: Vec::new(),
            doing: Doing::Awaiting(Step::Greeting),
            protected: false,
            extensions: Extensions::default(),
            bracketed: false,
            answers: Answers::default(),
            outcome: None,
        }
    }

    /// Takes what the server sent.
    pub fn handle_octets(&mut self, octets: &[u8]) {
        self.reader.handle_octets(octets);
        let Some(step) = self.awaited() else {
            return;
        };
        match self.reader.next_reply() {
            Ok(Some(reply)) => {
                self.handle_reply(step, reply);
                let ends = self.doing == Doing::Nothing;
                if !ends && !self.reader.is_empty() {
                    self.abandon(InquiryError::Unsolicited { step });
                }
            }
            Ok(None) => {}
            Err(source) => self.abandon(InquiryError::Reply { step, source }),
        }
    }

    /// Takes note that the handshake is done.
    pub fn handle_tls(&mut self) {
        if self.doing == Doing::StartTls {
            self.protected = true;
            // What was said in clear is forgotten (RFC 3207 §4.2).
            self.extensions = Extensions::default();
            self.greet();
        }
    }

    /// Takes note that the connection failed, ended, or was too slow.
    pub fn handle_lost(&mut self, source: io::Error) {
        let step = self.step();
        self.abandon(InquiryError::Lost { step, source });
    }

    /// What to do next. Asked again before it is done, a [`Action::Write`] is not repeated and everything else is.
    #[must_use]
    pub fn next_action(&mut self) -> Action {
        if !self.outgoing.is_empty() {
            return Action::Write(std::mem::take(&mut self.outgoing));
        }
        match self.doing {
            Doing::Awaiting(_) => Action::Read,
            Doing::Nothing => Action::Done,
            Doing::StartTls => Action::StartTls,
        }
    }

    /// What is under way.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self.doing {
            Doing::Awaiting(step) => step,
            Doing::Nothing => Step::Quit,
            Doing::StartTls => Step::StartTls,
        }
    }

    /// The result. What was answered before the session broke is kept: a certificate, though its key was not told.
    pub fn finish(self) -> Result<Answers, InquiryError> {
        match self.outcome {
            Some(Ok(())) => Ok(self.answers),
            Some(Err(_)) if self.answers.certificate.is_some() => Ok(self.answers),
            Some(Err(error)) => Err(error),
            None => {
                let step = self.step();
                let source = io::ErrorKind::Interrupted.into();
                Err(InquiryError::Lost { step, source })
            }
        }
    }

    /// The step whose reply is to come, once its command is written.
    fn awaited(&self) -> Option<Step> {
        match self.doing {
            Doing::Awaiting(step) if self.outgoing.is_empty() => Some(step),
            Doing::Awaiting(_) | Doing::Nothing | Doing::StartTls => None,
        }
    }

    /// The one place where a reply moves the session on.
    fn handle_reply(&mut self, step: Step, reply: ServerReply) {
        match step {
            Step::Greeting if reply.is_positive() => self.greet(),
            Step::Ehlo if reply.is_positive() => {
                self.extensions = Extensions::of(&reply);
                self.choose_tls();
            }
            // A server without EHLO has no extension at all (RFC 5321 §3.2).
            Step::Ehlo if reply.is_permanent() => self.choose_tls(),
            Step::StartTls if reply.code() == 220 => self.doing = Doing::StartTls,
            Step::StartTls if reply.is_permanent() => self.quit(Err(InquiryError::TlsMissing)),
            Step::Certificate(verb) | Step::Key(verb) if self.asks_again(&reply) => {
                self.bracketed = true;
                self.ask(verb, step);
            }
            // A keyword in EHLO and no command behind it.
            Step::Certificate(Verb::Cers) if is_unknown(&reply) && self.extensions.cert => {
                self.ask(Verb::Cert, Step::Certificate(Verb::Cert));
            }
            Step::Certificate(_) if reply.code() != 421 => {
                self.answers.certificate = Some(reply);
                self.ask_key();
            }
            Step::Key(_) if reply.code() != 421 => {
                self.answers.key = Some(reply);
                self.quit(Ok(()));
            }
            Step::Quit => self.doing = Doing::Nothing,
            Step::Certificate(_) | Step::Ehlo | Step::Greeting | Step::Key(_) | Step::StartTls => {
                let closes = reply.code() == 421;
                let reply = reply.shortened();
                self.quit(Err(InquiryError::Refused { step, reply }));
                if closes {
                    // The server closes the connection itself (RFC 5321 §3.8).
                    self.close();
                }
            }
        }
    }

    fn greet(&mut self) {
        self.say(format!("EHLO {}\r\n", self.name), Step::Ehlo);
    }

    /// STARTTLS, or on to the questions where that is done.
    fn choose_tls(&mut self) {
        match (self.protected, self.extensions.start_tls) {
            (true, _) => self.ask_certificate(),
            (false, true) => self.say("STARTTLS\r\n".to_owned(), Step::StartTls),
            (false, false) => self.quit(Err(InquiryError::TlsMissing)),
        }
    }

    fn ask_certificate(&mut self) {
        let Extensions { cers, cert, .. } = self.extensions;
        match (cers, cert) {
            (true, _) => self.ask(Verb::Cers, Step::Certificate(Verb::Cers)),
            (false, true) => self.ask(Verb::Cert, Step::Certificate(Verb::Cert)),
            (false, false) => self.ask_key(),
        }
    }

    fn ask_key(&mut self) {
        let Extensions { getk, pkey, .. } = self.extensions;
        match (getk, pkey) {
            (true, _) => self.ask(Verb::Getk, Step::Key(Verb::Getk)),
            (false, true) => self.ask(Verb::Pkey, Step::Key(Verb::Pkey)),
            (false, false) => self.quit(Ok(())),
        }
    }

    fn ask(&mut self, verb: Verb, step: Step) {
        if !self.mailbox.is_ascii() && !self.extensions.smtp_utf8 {
            self.quit(Err(InquiryError::AddressNeedsUtf8));
            return;
        }
        // The drafts have a forward-path in the syntax, and an address without brackets in every example. The example
        // of CERS says CERT, which is a slip.
        let mailbox = self.mailbox;
        let command = if self.bracketed {
            format!("{verb} <{mailbox}>\r\n")
        } else {
            format!("{verb} {mailbox}\r\n")
        };
        self.say(command, step);
    }

    /// Whether the reply is about the brackets that the address may need.
    fn asks_again(&self, reply: &ServerReply) -> bool {
        reply.code() == 501 && !self.bracketed
    }

    fn say(&mut self, command: String, step: Step) {
        self.outgoing = command.into_bytes();
        self.doing = Doing::Awaiting(step);
    }

    /// Ends the session in good order.
    fn quit(&mut self, outcome: Result<(), InquiryError>) {
        self.outcome = Some(outcome);
        self.say("QUIT\r\n".to_owned(), Step::Quit);
    }

    /// Ends the session at once; what it had come to stays.
    fn abandon(&mut self, error: InquiryError) {
        self.outcome.get_or_insert(Err(error));
        self.close();
    }

    fn close(&mut self) {
        self.outgoing.clear();
        self.doing = Doing::Nothing;
    }
}

/// Whether the server does not know the command (RFC 5321 §4.2.2).
#[must_use]
pub fn is_unknown(reply: &ServerReply) -> bool {
    matches!(reply.code(), 500 | 502 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: &str = "250-mx\r\n250-CERT\r\n250-CERS\r\n250 STARTTLS\r\n";

    /// Runs a session in which the server says one of `script` at each reading; what was sent, and the result.
    fn run(address: &str, script: &[&str]) -> (String, Result<Answers, InquiryError>) {
        let (mailbox, name) = (address.parse().unwrap(), "gw.a.example".parse().unwrap());
        let mut inquiry = Inquiry::new(&mailbox, &name);
        let mut script = script.iter();
        let mut sent = String::new();
        loop {
            match inquiry.next_action() {
                Action::Done => return (sent, inquiry.finish()),
                Action::Read => match script.next() {
                    Some(octets) => inquiry.handle_octets(octets.as_bytes()),
                    None => inquiry.handle_lost(io::ErrorKind::UnexpectedEof.into()),
                },
                Action::StartTls => {
                    sent.push_str("(TLS)\r\n");
                    inquiry.handle_tls();
                }
                Action::Write(octets) => sent.push_str(std::str::from_utf8(&octets).unwrap()),
            }
        }
    }

    /// As far as EHLO after the handshake, with these keywords.
    fn protected<'a>(keywords: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let mut script = vec!["220 mx\r\n", CLEAR, "220 go\r\n", keywords];
        script.extend(rest);
        script
    }

    fn code(reply: Option<ServerReply>) -> Option<u16> {
        reply.map(|reply| reply.code())
    }

    #[test]
    fn cers_is_asked_before_cert_and_a_key_beside_it_and_all_behind_tls() {
        let keywords = "250-mx\r\n250-GETK\r\n250-CERT\r\n250 CERS\r\n";
        let rest = ["250-one\r\n250 OK\r\n", "250 key\r\n", "221 bye\r\n"];
        let (sent, answers) = run("bob@b.example", &protected(keywords, &rest));
        assert_eq!(
            sent,
            "EHLO gw.a.example\r\nSTARTTLS\r\n(TLS)\r\nEHLO gw.a.example\r\nCERS bob@b.example\r\n\
             GETK bob@b.example\r\nQUIT\r\n"
        );
        let answers = answers.unwrap();
        assert_eq!(answers.certificate.unwrap().lines(), ["one", "OK"]);
        assert_eq!(answers.key.unwrap().lines(), ["key"]);
    }

    #[test]
    fn what_was_offered_in_clear_alone_is_not_asked() {
        let script = protected("250 mx\r\n", &["221 bye\r\n"]);
        let (sent, answers) = run("bob@b.example", &script);
        assert!(sent.ends_with("EHLO gw.a.example\r\nQUIT\r\n"), "{sent}");
        assert_eq!(answers.unwrap(), Answers::default());
    }

    #[test]
    fn nothing_is_asked_without_tls() {
        for script in [
            vec!["220 mx\r\n", "250-mx\r\n250 CERT\r\n", "221 bye\r\n"],
            vec!["220 mx\r\n", "502 what\r\n", "221 bye\r\n"],
            vec!["220 mx\r\n", CLEAR, "502 no\r\n", "221 bye\r\n"],
        ] {
            let (sent, answers) = run("bob@b.example", &script);
            assert!(!sent.contains("bob"), "{sent}");
            assert!(matches!(answers, Err(InquiryError::TlsMissing)));
        }
        let later = ["220 mx\r\n", CLEAR, "454 later\r\n", "221 bye\r\n"];
        let (_, answers) = run("bob@b.example", &later);
        let error = answers.unwrap_err().to_string();
        assert_eq!(error, "server says at STARTTLS: \"454 later\"");
    }

    #[test]
    fn octets_before_the_handshake_end_the_session() {
        for injected in ["220 go\r\n250-mx\r\n250 CERT\r\n", "220 go\r\n2"] {
            let (sent, answers) = run("bob@b.example", &["220 mx\r\n", CLEAR, injected]);
            assert!(!sent.contains("TLS)"), "{sent}");
            let error = answers.unwrap_err();
            assert!(
                matches!(
                    error,
                    InquiryError::Unsolicited {
                        step: Step::StartTls
                    }
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn cert_is_asked_where_cers_is_not_offered_or_not_there() {
        let rest = ["250-one\r\n250 OK\r\n", "221 bye\r\n"];
        let (sent, answers) = run("bob@b.example", &protected("250-mx\r\n250 CERT\r\n", &rest));
        assert!(sent.contains("\r\nCERT bob@b.example\r\n"), "{sent}");
        assert_eq!(code(answers.unwrap().certificate), Some(250));
        let rest = ["502 what\r\n", "550 none\r\n", "221 bye\r\n"];
        let both = "250-mx\r\n250-CERS\r\n250 CERT\r\n";
        let (sent, answers) = run("bob@b.example", &protected(both, &rest));
        assert!(
            sent.contains("CERS bob@b.example\r\nCERT bob@b.example\r\n"),
            "{sent}"
        );
        assert_eq!(code(answers.unwrap().certificate), Some(550));
    }

    #[test]
    fn brackets_are_tried_once_where_the_address_alone_is_no_syntax() {
        let keywords = "250-mx\r\n250-CERT\r\n250 PKEY\r\n";
        let rest = [
            "501 syntax\r\n",
            "501 syntax\r\n",
            "550 none\r\n",
            "221 bye\r\n",
        ];
        let (sent, answers) = run("bob@b.example", &protected(keywords, &rest));
        assert!(
            sent.contains("CERT bob@b.example\r\nCERT <bob@b.example>\r\nPKEY <bob@b.example>\r\n"),
            "{sent}"
        );
        let answers = answers.unwrap();
        assert_eq!(
            (code(answers.certificate), code(answers.key)),
            (Some(501), Some(550))
        );
    }

    #[test]
    fn a_certificate_stays_though_the_key_is_lost() {
        let keywords = "250-mx\r\n250-CERT\r\n250 GETK\r\n";
        let (_, answers) = run("bob@b.example", &protected(keywords, &["550 none\r\n"]));
        assert_eq!(code(answers.unwrap().certificate), Some(550));
        let (_, answers) = run("bob@b.example", &protected(keywords, &["250-one\r\n"]));
        let error = answers.unwrap_err().to_string();
        assert_eq!(error, "connection lost at CERT");
    }

    #[test]
    fn an_address_that_is_not_ascii_needs_smtputf8() {
        let with = "250-mx\r\n250-SMTPUTF8\r\n250 CERT\r\n";
        let rest = ["550 none\r\n", "221 bye\r\n"];
        let (sent, _) = run("b\u{f6}b@b.example", &protected(with, &rest));
        assert!(sent.contains("CERT b\u{f6}b@b.example\r\n"), "{sent}");
        let without = protected("250-mx\r\n250 CERT\r\n", &["221 bye\r\n"]);
        let (sent, answers) = run("b\u{f6}b@b.example", &without);
        assert!(!sent.contains("CERT "), "{sent}");
        assert!(matches!(answers, Err(InquiryError::AddressNeedsUtf8)));
    }

    #[test]
    fn hostile_replies_end_the_session_at_every_step() {
        let good = protected("250-mx\r\n250 CERT\r\n", &[]);
        let endless = "2".repeat(3000);
        let lines = "250-x\r\n".repeat(LINES + 1);
        for answered in 0..=good.len() {
            for hostile in [
                &endless,
                &lines,
                "ok\r\n",
                "250 ok\n",
                "250-a\r\n251 b\r\n",
                "421 bye\r\n",
            ] {
                let script = [&good[..answered], &[hostile]].concat();
                let (sent, answers) = run("bob@b.example", &script);
                assert!(
                    answers.is_err() && !sent.contains("QUIT"),
                    "{answered} {hostile:.20}"
                );
            }
        }
    }

    #[test]
    fn a_session_that_is_given_up_has_failed() {
        let (mailbox, name) = (
            "bob@b.example".parse().unwrap(),
            "a.example".parse().unwrap(),
        );
        let error = Inquiry::new(&mailbox, &name).finish().unwrap_err();
        assert_eq!(error.to_string(), "connection lost at greeting");
    }
}
