//! One message and its envelope, as the client submits them; and the commands that say so.

use std::io;

use memchr::memchr2_iter;

use super::EnvelopeId;
use super::Notify;
use super::OriginalRecipient;
use super::Return;
use super::ServerReply;
use super::SubmissionError;
use super::extensions::Extensions;
use super::extensions::Size;
use crate::address::Mailbox;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::length;

/// A message to submit.
#[derive(Clone, Debug)]
pub struct Submission {
    /// MAIL; `None` is the null sender.
    pub sender: Option<Mailbox>,
    /// RCPT, at least one.
    pub recipients: Vec<Recipient>,
    /// The message.
    pub content: Content,
    /// RET, where the sender gave it or we do.
    pub returns: Option<Return>,
    /// ENVID, where the sender gave it.
    pub envelope_id: Option<EnvelopeId>,
    /// SMTPUTF8, where the sender gave it. Without it a header beyond ASCII is one as old programs write them, which servers
    /// hand on as it is: whoever claimed SMTPUTF8 for it would have it bounced where that is not known.
    pub smtp_utf8: bool,
}

/// One recipient, and what the sender asked of reports about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub mailbox: Mailbox,
    /// NOTIFY, where the sender gave it.
    pub notify: Option<Notify>,
    /// ORCPT, where the sender gave it.
    pub original: Option<OriginalRecipient>,
}

impl From<Mailbox> for Recipient {
    fn from(mailbox: Mailbox) -> Self {
        Self {
            mailbox,
            notify: None,
            original: None,
        }
    }
}

/// The message was accepted for all recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// In the server's words, which often name its queue file.
    pub reply: ServerReply,
    /// Whether RET, ENVID, NOTIFY or ORCPT were left out because the server does not offer DSN.
    ///
    /// Whoever submits then owes a "relayed" report to the sender for each recipient whose NOTIFY is
    /// for success (RFC 3461 §5.2.2).
    pub dsn_dropped: bool,
    /// Whether TLS protected it on its way.
    pub tls: bool,
}

/// A message whose octets have been looked at: what it needs of a server is known, and every CR and
/// LF in it is part of a CRLF. It is sent as it is.
#[derive(Clone, Debug)]
pub struct Content {
    view: View,
    eight_bit: bool,
    utf8_header: bool,
    ends_line: bool,
}

/// Why octets cannot be sent as a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// RFC 5321 §2.3.8 forbids it, and servers disagree whether a dot that follows ends the message:
    /// whoever wrote it could smuggle a second one (CVE-2023-51764). `mime::safe` repairs it.
    #[error("message has a CR or LF that stands alone before octet {offset}")]
    BareLineEnd {
        /// Where it was seen.
        offset: u64,
    },
    /// Our own store failed.
    #[error("message cannot be read")]
    Read(#[from] io::Error),
}

impl Content {
    /// The message in `view`, read once by windows.
    ///
    /// Headers of parts and of messages inside are taken for body: non-ASCII octets there ask for
    /// 8BITMIME, and never for SMTPUTF8.
    pub fn of(view: View) -> Result<Self, ContentError> {
        let mut scan = Scan::default();
        view.windows(|window| scan.take(window))?;
        if scan.carriage_return.is_some() {
            return Err(ContentError::BareLineEnd { offset: scan.seen });
        }
        Ok(Self {
            eight_bit: scan.eight_bit,
            utf8_header: scan.utf8_header,
            ends_line: scan.line == scan.seen,
            view,
        })
    }

    /// The octets, before dots are doubled.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Its octets as RFC 1870 §5 counts them: with the end of the last line, without the final dot
    /// and doubled dots.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.view.len() + if self.ends_line { 0 } else { 2 }
    }

    /// What follows the octets in DATA (RFC 5321 §4.1.1.4).
    pub(super) const fn terminator(&self) -> &'static str {
        if self.ends_line { ".\r\n" } else { "\r\n.\r\n" }
    }
}

/// What is known of the octets that were seen.
#[derive(Default)]
struct Scan {
    seen: u64,
    /// Where the current line begins.
    line: u64,
    /// A CR whose LF has not come.
    carriage_return: Option<u64>,
    header_ended: bool,
    eight_bit: bool,
    utf8_header: bool,
}

impl Scan {
    fn take(&mut self, window: &[u8]) -> Result<(), ContentError> {
        let mut header_end = if self.header_ended { 0 } else { window.len() };
        for at in memchr2_iter(b'\r', b'\n', window) {
            let offset = self.seen + length(window.get(..at).unwrap_or_default());
            let before = self.carriage_return.take();
            if window.get(at) == Some(&b'\r') {
                if before.is_some() {
                    return Err(ContentError::BareLineEnd { offset });
                }
                self.carriage_return = Some(offset);
            } else {
                if before.is_none_or(|before| before + 1 != offset) {
                    return Err(ContentError::BareLineEnd { offset });
                }
                if self.line + 1 == offset && !self.header_ended {
                    self.header_ended = true;
                    header_end = at;
                }
                self.line = offset + 1;
            }
        }
        if !window.is_ascii() {
            self.eight_bit = true;
            self.utf8_header |= !window.get(..header_end).unwrap_or_default().is_ascii();
        }
        self.seen += length(window);
        Ok(())
    }
}

impl Submission {
    /// Nothing for nobody: its session ends with [`SubmissionError::NoRecipient`] once the server has said what
    /// it offers.
    #[must_use]
    pub fn to_nobody() -> Self {
        Self {
            sender: None,
            recipients: Vec::new(),
            content: Content {
                view: View::owned(Vec::new()),
                eight_bit: false,
                utf8_header: false,
                ends_line: true,
            },
            returns: None,
            envelope_id: None,
            smtp_utf8: false,
        }
    }

    /// Whether it can go to a server that offers `extensions`; never sent as less than it is.
    pub(super) fn check(&self, extensions: &Extensions) -> Result<(), SubmissionError> {
        if self.recipients.is_empty() {
            return Err(SubmissionError::NoRecipient);
        }
        if let Some(Size::Fixed(allowed)) = extensions.size
            && self.content.size() > allowed
        {
            let size = self.content.size();
            return Err(SubmissionError::TooLarge { size, allowed });
        }
        if self.content.eight_bit && !extensions.eight_bit_mime {
            return Err(SubmissionError::EightBitMimeMissing);
        }
        if self.needs_smtp_utf8() && !extensions.smtp_utf8 {
            return Err(SubmissionError::SmtpUtf8Missing);
        }
        if self.returns == Some(Return::HeadersRequired) && !extensions.dsn {
            return Err(SubmissionError::DsnMissing);
        }
        Ok(())
    }

    /// MAIL with the parameters that `extensions` allow, and its CRLF.
    pub(super) fn mail(&self, extensions: &Extensions) -> String {
        let mut mail = match &self.sender {
            Some(sender) => format!("MAIL FROM:<{sender}>"),
            None => "MAIL FROM:<>".to_owned(),
        };
        if extensions.size.is_some() {
            mail.push_str(&format!(" SIZE={}", self.content.size()));
        }
        if self.content.eight_bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if self.needs_smtp_utf8() {
            mail.push_str(" SMTPUTF8");
        }
        if extensions.dsn {
            if let Some(returns) = self.returns {
                mail.push_str(&format!(" RET={}", returns.as_str()));
            }
            if let Some(envelope_id) = &self.envelope_id {
                mail.push_str(&format!(" ENVID={}", envelope_id.as_str()));
            }
        }
        mail + "\r\n"
    }

    /// RCPT for `recipient`, and its CRLF.
    pub(super) fn rcpt(&self, recipient: &Recipient, extensions: &Extensions) -> String {
        let mut rcpt = format!("RCPT TO:<{}>", recipient.mailbox);
        if extensions.dsn {
            if let Some(notify) = &recipient.notify {
                rcpt.push_str(&format!(" NOTIFY={notify}"));
            }
            match &recipient.original {
                Some(original) if self.needs_smtp_utf8() => {
                    rcpt.push_str(&format!(" ORCPT={}", original.as_str()));
                }
                Some(original) => rcpt.push_str(&format!(" ORCPT={}", original.to_ascii())),
                None => {}
            }
        }
        rcpt + "\r\n"
    }

    /// Whether anything is said about reports.
    pub(super) fn asks_for_dsn(&self) -> bool {
        let asks =
            |recipient: &Recipient| recipient.notify.is_some() || recipient.original.is_some();
        self.returns.is_some() || self.envelope_id.is_some() || self.recipients.iter().any(asks)
    }

    /// RFC 6531 §3.4; domains are A-labels and need nothing.
    fn needs_smtp_utf8(&self) -> bool {
        (self.smtp_utf8 && self.content.utf8_header)
            || self.sender.iter().any(|sender| !sender.is_ascii())
            || self
                .recipients
                .iter()
                .any(|recipient| !recipient.mailbox.is_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` as a view of one octet a window.
    fn in_pieces(text: &str) -> View {
        #[derive(Debug)]
        struct Pieces(Vec<u8>);
        impl Octets for Pieces {
            fn len(&self) -> u64 {
                length(&self.0)
            }
            fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
                self.0.read_at(offset, window)
            }
            fn in_memory(&self, offset: u64, _most: usize) -> Option<&[u8]> {
                self.0.in_memory(offset, 1)
            }
        }
        View::whole(std::sync::Arc::new(Pieces(text.as_bytes().to_vec())))
    }

    fn content(text: &str) -> Result<Content, ContentError> {
        let whole = Content::of(View::owned(text.as_bytes().to_vec()));
        let pieces = Content::of(in_pieces(text));
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => {
                let facts = |c: &Content| (c.eight_bit, c.utf8_header, c.ends_line);
                assert_eq!(facts(whole), facts(pieces), "{text:?}");
            }
            (whole, pieces) => assert!(whole.is_err() && pieces.is_err(), "{text:?}"),
        }
        whole
    }

    #[test]
    fn a_line_end_that_stands_alone_is_refused() {
        for text in [
            "\n",
            "\r",
            "a\nb\r\n",
            "a\rb\r\n",
            "a\r\r\n",
            "a\r\n\n.\r\n",
            "a\r\n\r",
            "\r.\r\n",
        ] {
            assert!(
                matches!(content(text), Err(ContentError::BareLineEnd { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_a_message_needs_is_read_from_its_octets() {
        for (text, eight_bit, utf8_header) in [
            ("", false, false),
            ("Subject: a\r\n\r\nb\r\n", false, false),
            ("Subject: a\r\n\r\né\r\n\r\n", true, false),
            ("Subject: é\r\n\r\nb", true, true),
            ("Subject: a\r\nTo: é", true, true),
            ("\r\né", true, false),
        ] {
            let content = content(text).unwrap();
            assert_eq!(
                (content.eight_bit, content.utf8_header),
                (eight_bit, utf8_header),
                "{text:?}"
            );
        }
    }

    #[test]
    fn size_counts_the_end_of_the_last_line() {
        for (text, size, terminator) in [
            ("", 0, ".\r\n"),
            ("a\r\n", 3, ".\r\n"),
            ("a\r\nb", 6, "\r\n.\r\n"),
        ] {
            let content = content(text).unwrap();
            assert_eq!(
                (content.size(), content.terminator()),
                (size, terminator),
                "{text:?}"
            );
        }
    }
}
