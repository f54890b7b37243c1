//! A tiny SMTP client, which tells what was answered at each step (RFC 5321).

use std::fmt::Write as _;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;

use crate::processes::DEADLINE;

/// What one message is sent with besides its addresses. The default is an ordinary, trusted client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options<'a> {
    /// Attributes that the server is to believe of us, as `("LOGIN", "alice@a.example")` or
    /// `("ADDR", "192.0.2.1")` (Postfix's XCLIENT).
    pub(crate) xclient: &'a [(&'a str, &'a str)],
    /// Parameters of MAIL, as `RET=HDRS`.
    pub(crate) mail_parameters: &'a str,
    /// Parameters of every RCPT, as `NOTIFY=NEVER`.
    pub(crate) rcpt_parameters: &'a str,
}

/// A reply, all its lines.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// The lines without their codes, joined by LF.
    pub(crate) text: String,
}

/// What was said and what was answered, step by step.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    steps: Vec<(String, Reply)>,
}

impl Sent {
    /// The reply to `command`, which is its whole line, `connect` or `message`.
    pub(crate) fn reply(&self, command: &str) -> &Reply {
        let step = self.steps.iter().find(|(said, _)| said == command);
        let (_, reply) = step.unwrap_or_else(|| panic!("no {command:?} in {self:#?}"));
        reply
    }

    /// The reply to RCPT of `address`.
    pub(crate) fn recipient(&self, address: &str) -> &Reply {
        self.reply(&format!("RCPT TO:<{address}>"))
    }

    /// The reply that decided: to the end of the message, or where it came no further.
    pub(crate) fn last(&self) -> &Reply {
        let (_, reply) = self.steps.last().expect("a greeting");
        reply
    }

    /// Whether the server took the message, for one recipient at least.
    pub(crate) fn accepted(&self) -> bool {
        let (step, reply) = self.steps.last().expect("a greeting");
        step == "message" && reply.code == 250
    }

    pub(crate) fn expect_accepted(&self) {
        assert!(self.accepted(), "not accepted: {self:#?}");
    }
}

/// Sends one message; goes no further after a refusal, save that of a recipient beside others.
///
/// `octets` is the message with CRLF; dots are stuffed here.
pub(crate) fn send(
    server: SocketAddr,
    mail_from: &str,
    rcpts: &[&str],
    octets: &[u8],
    options: &Options<'_>,
) -> Sent {
    let stream = TcpStream::connect(server).unwrap_or_else(|error| panic!("{server}: {error}"));
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("a socket with a deadline");
    let mut client = Client {
        stream: BufReader::new(stream),
        sent: Sent { steps: Vec::new() },
    };
    // Whether each step was accepted is in what is returned.
    let _done = client.converse(mail_from, rcpts, octets, options);
    client.sent
}

struct Client {
    stream: BufReader<TcpStream>,
    sent: Sent,
}

impl Client {
    /// `None` as soon as the server wants no more.
    fn converse(
        &mut self,
        mail_from: &str,
        rcpts: &[&str],
        octets: &[u8],
        options: &Options<'_>,
    ) -> Option<()> {
        self.read("connect").positive()?;
        self.say("EHLO client.example").positive()?;
        if !options.xclient.is_empty() {
            let mut line = "XCLIENT".to_owned();
            for (name, value) in options.xclient {
                write!(line, " {name}={value}").expect("a string takes text");
            }
            self.say(&line).positive()?;
            self.say("EHLO client.example").positive()?;
        }
        let mail = format!("MAIL FROM:<{mail_from}> {}", options.mail_parameters);
        self.say(mail.trim_end()).positive()?;
        let mut taken = 0_usize;
        for rcpt in rcpts {
            let line = format!("RCPT TO:<{rcpt}> {}", options.rcpt_parameters);
            let reply = self.say(line.trim_end());
            taken += usize::from(reply.positive().is_some());
        }
        if taken == 0 {
            return None;
        }
        self.say("DATA").positive()?;
        self.write(&stuffed(octets));
        self.read("message").positive()
    }

    fn say(&mut self, line: &str) -> Reply {
        self.write(format!("{line}\r\n").as_bytes());
        self.read(line)
    }

    fn write(&mut self, octets: &[u8]) {
        // Where the server has hung up, the next read says so.
        let _written = self.stream.get_mut().write_all(octets);
    }

    fn read(&mut self, step: &str) -> Reply {
        let (mut code, mut lines) = (0, Vec::new());
        loop {
            let mut line = String::new();
            let count = self.stream.read_line(&mut line).unwrap_or(0);
            assert!(count > 0, "no reply to {step:?} after {:#?}", self.sent);
            let line = line.trim_end();
            let (digits, text) = line.split_at_checked(3).unwrap_or((line, ""));
            code = digits.parse().unwrap_or(code);
            lines.push(text.get(1..).unwrap_or("").to_owned());
            if !text.starts_with('-') {
                break;
            }
        }
        let text = lines.join("\n");
        let reply = Reply { code, text };
        self.sent.steps.push((step.to_owned(), reply.clone()));
        reply
    }
}

impl Reply {
    fn positive(&self) -> Option<()> {
        (self.code < 400).then_some(())
    }
}

/// The message as DATA carries it (RFC 5321 §4.5.2).
fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(octets.len() + 5);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    if !data.ends_with(b"\r\n") {
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

mod rules {
    use super::*;

    #[test]
    fn dots_are_stuffed_and_the_last_line_is_ended() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b"), b"a\r\n..\r\n...b\r\n.\r\n");
        assert_eq!(stuffed(b"a\r\n"), b"a\r\n.\r\n");
    }
}
