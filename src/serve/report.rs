//! Delivery status notifications: what becomes of recipients whom we cannot answer for in the session
//! (RFC 3464, RFC 3461 §6.2, RFC 6522 §4; RFC 6533 for addresses beyond ASCII).
//!
//! With the header of the message alone, and in seven bits whatever is in it, so that any server takes
//! it, but for a sender whose address is beyond ASCII (SMTPUTF8). To whom one may be sent is decided elsewhere.

use std::io::Write;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::mime::quoted_printable::Encoder;
use crate::smtp::EnvelopeId;
use crate::smtp::OriginalRecipient;

/// Octets of a line that is not encoded (RFC 5322 §2.1.1).
const LINE: usize = 998;

/// One notification.
#[derive(Debug)]
pub struct Report<'a> {
    /// Who reports: our own name.
    pub reporter: &'a Domain,
    /// The sender of the message, who gets it.
    pub sender: &'a Mailbox,
    /// ENVID of the message.
    pub envelope_id: Option<EnvelopeId>,
    /// When, as RFC 5322 §3.3 writes it.
    pub date: &'a str,
    /// Hexadecimal digits that no other report has, and that do not stand in the message.
    pub id: &'a str,
    /// The header of the message, without its empty line.
    pub header: &'a [u8],
    /// Those of whom it tells, at least one.
    pub recipients: &'a [Reported],
}

/// What became of one recipient.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Who.
    pub mailbox: Mailbox,
    /// ORCPT, where the sender gave it.
    pub original: Option<OriginalRecipient>,
    /// What became of him.
    pub event: Event,
}

/// What became of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The message does not go to him.
    Failed {
        /// The enhanced status code (RFC 3463).
        status: String,
        /// What he would have been answered in SMTP.
        reply: String,
        /// The host that has refused him, where it was not ours.
        remote: Option<String>,
    },
    /// It has gone on to a server that reports nothing (RFC 3461 §5.2.2).
    Relayed {
        /// That server.
        remote: String,
    },
}

impl Report<'_> {
    /// The report as a message.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let boundary = format!("report-{}", self.id);
        let mut octets = self.head(&boundary).into_bytes();
        let (encoding, text) = encoded(self.explanation().as_bytes());
        part(
            &mut octets,
            &boundary,
            &format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
            ),
            &text,
        );
        part(
            &mut octets,
            &boundary,
            "Content-Type: message/delivery-status\r\n",
            self.status().as_bytes(),
        );
        // RFC 6533 §4.3 has a type of its own for a header in UTF-8; RFC 6522 §4 lets any other be
        // encoded.
        let media_type = match (self.header.is_ascii(), str::from_utf8(self.header)) {
            (false, Ok(_)) => "message/global-headers",
            _ => "text/rfc822-headers",
        };
        let (encoding, header) = encoded(self.header);
        part(
            &mut octets,
            &boundary,
            &format!("Content-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n"),
            &header,
        );
        octets.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        octets
    }

    fn head(&self, boundary: &str) -> String {
        let Self {
            reporter,
            sender,
            date,
            id,
            ..
        } = self;
        let failed = |one: &Reported| matches!(one.event, Event::Failed { .. });
        let subject = match self.recipients.iter().any(failed) {
            true => "Your message was not delivered to everybody",
            false => "Your message was handed on",
        };
        // RFC 3834 §5.1: it answers one message, by itself.
        format!(
            "From: Mail Delivery System <MAILER-DAEMON@{reporter}>\r\n\
             To: <{sender}>\r\n\
             Subject: {subject}\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}@{reporter}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n\r\n"
        )
    }

    /// For people.
    fn explanation(&self) -> String {
        let mut text = format!(
            "This is the mail gateway of {}.\r\n\r\n",
            self.reporter.to_unicode()
        );
        for one in self.recipients {
            let mailbox = &one.mailbox;
            let said = match &one.event {
                Event::Failed { reply, .. } => {
                    format!("Your message does not go to <{mailbox}>:\r\n    {reply}\r\n\r\n")
                }
                Event::Relayed { .. } => format!(
                    "Your message has gone on to <{mailbox}>, by way of a server that will not\r\n\
                     report whether it arrives.\r\n\r\n"
                ),
            };
            text.push_str(&said);
        }
        text.push_str(
            "Nothing was changed for the other recipients. The header of your message is below.\r\n",
        );
        text
    }

    /// For programs (RFC 3464 §2), in ASCII.
    fn status(&self) -> String {
        let mut text = format!("Reporting-MTA: dns; {}\r\n", self.reporter);
        // What could end the line was not decoded: such an ENVID is no ENVID.
        if let Some(id) = self.envelope_id.as_ref().and_then(EnvelopeId::decoded) {
            text.push_str(&format!("Original-Envelope-Id: {id}\r\n"));
        }
        for one in self.recipients {
            text.push_str("\r\n");
            let original = one.original.as_ref();
            if let Some(original) = original.and_then(OriginalRecipient::reported) {
                text.push_str(&format!("Original-Recipient: {original}\r\n"));
            }
            text.push_str(&format!("Final-Recipient: {}\r\n", typed(&one.mailbox)));
            let fields = match &one.event {
                Event::Failed {
                    status,
                    reply,
                    remote,
                } => {
                    let remote = remote.as_ref();
                    let remote = remote.map(|host| format!("Remote-MTA: dns; {host}\r\n"));
                    format!(
                        "Action: failed\r\nStatus: {status}\r\n{}Diagnostic-Code: smtp; {reply}\r\n",
                        remote.unwrap_or_default()
                    )
                }
                // RFC 3464 §2.3.4: 2.0.0 where there is no more to say.
                Event::Relayed { remote } => {
                    format!("Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; {remote}\r\n")
                }
            };
            text.push_str(&fields);
        }
        text
    }
}

/// An address with its type, in ASCII (RFC 6533 §3, utf-8-addr-xtext).
fn typed(mailbox: &Mailbox) -> String {
    if mailbox.is_ascii() {
        return format!("rfc822; {mailbox}");
    }
    let mut text = "utf-8; ".to_owned();
    for c in mailbox.to_string().chars() {
        if c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\') {
            text.push(c);
        } else {
            text.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
        }
    }
    text
}

fn part(octets: &mut Vec<u8>, boundary: &str, fields: &str, content: &[u8]) {
    octets.extend_from_slice(format!("--{boundary}\r\n{fields}\r\n").as_bytes());
    octets.extend_from_slice(content);
    // The boundary's own (RFC 2046 §5.1.1).
    octets.extend_from_slice(b"\r\n");
}

/// Text that any server takes, and how it is encoded for that (RFC 2045 §6).
fn encoded(text: &[u8]) -> (&'static str, Vec<u8>) {
    let mut lines = text.split(|octet| *octet == b'\n').peekable();
    let mut is_plain = true;
    while let Some(line) = lines.next() {
        let text = match lines.peek() {
            Some(_) => line.strip_suffix(b"\r"),
            None => Some(line),
        };
        let is_good = |octet: &u8| octet.is_ascii_graphic() || matches!(octet, b' ' | b'\t');
        is_plain &= text.is_some_and(|text| text.len() <= LINE && text.iter().all(is_good));
    }
    if is_plain {
        return ("7bit", text.to_vec());
    }
    let mut encoder = Encoder::new(Vec::new());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    // A vector takes all that is written to it.
    ("quoted-printable", written.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::View;
    use crate::smtp::Content;

    fn failed(address: &str) -> Reported {
        Reported {
            mailbox: address.parse().unwrap(),
            original: None,
            event: Event::Failed {
                status: "5.7.5".to_owned(),
                reply: "550 5.7.5 no certificate".to_owned(),
                remote: None,
            },
        }
    }

    fn report(header: &[u8], recipients: &[Reported]) -> String {
        let reporter = "gw.a.example".parse().unwrap();
        let sender = "alice@a.example".parse().unwrap();
        let report = Report {
            reporter: &reporter,
            sender: &sender,
            envelope_id: Some("a+2Bb".parse().unwrap()),
            date: "Thu, 01 Oct 2026 09:00:00 +0000",
            id: "0123",
            header,
            recipients,
        };
        let octets = report.octets();
        assert!(octets.is_ascii(), "any server takes it");
        let content = Content::of(View::owned(octets.clone()));
        assert!(content.is_ok(), "{content:?}");
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_report_says_who_why_and_of_which_message() {
        let mut relayed = failed("bob@b.example");
        relayed.event = Event::Relayed {
            remote: "127.0.0.1".to_owned(),
        };
        relayed.original = Some("rfc822;bob+2Bx@b.example".parse().unwrap());
        let text = report(
            b"From: alice@a.example\r\nSubject: figures\r\n",
            &[failed("carl@c.example"), relayed],
        );
        for expected in [
            "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"report-0123\"\r\n",
            "\r\nTo: <alice@a.example>\r\n",
            "\r\nAuto-Submitted: auto-replied\r\n",
            "--report-0123\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; gw.a.example\r\nOriginal-Envelope-Id: a+b\r\n\r\n\
             Final-Recipient: rfc822; carl@c.example\r\nAction: failed\r\nStatus: 5.7.5\r\n\
             Diagnostic-Code: smtp; 550 5.7.5 no certificate\r\n\r\n\
             Original-Recipient: rfc822; bob+x@b.example\r\n\
             Final-Recipient: rfc822; bob@b.example\r\nAction: relayed\r\nStatus: 2.0.0\r\n\
             Remote-MTA: dns; 127.0.0.1\r\n\r\n--report-0123\r\n",
            "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             From: alice@a.example\r\nSubject: figures\r\n\r\n--report-0123--\r\n",
        ] {
            assert!(text.contains(expected), "{expected}\nin\n{text}");
        }
    }

    #[test]
    fn addresses_and_headers_beyond_ascii_go_in_seven_bits() {
        let text = report(
            "Subject: \u{e9}t\u{e9}\r\n".as_bytes(),
            &[failed("\u{e9}lo+die@b.example")],
        );
        for expected in [
            "Final-Recipient: utf-8; \\x{E9}lo\\x{2B}die@b.example\r\n",
            "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n",
            "Subject: =C3=A9t=C3=A9\r\n",
            "does not go to <=C3=A9lo+die@b.example>",
        ] {
            assert!(text.contains(expected), "{expected}\nin\n{text}");
        }
        let latin = report(b"Subject: \xe9\r\n", &[failed("bob@b.example")]);
        assert!(latin.contains(
            "text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSubject: =E9"
        ));
    }

    #[test]
    fn a_header_that_mail_could_not_carry_is_encoded() {
        let long = format!("X: {}\r\n", "x".repeat(LINE));
        for header in [b"X: a\rb\r\n".as_slice(), b"X: a\0b\r\n", long.as_bytes()] {
            let text = report(header, &[failed("bob@b.example")]);
            assert!(text.contains("quoted-printable"), "{text}");
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        }
    }
}
