//! Why a submission failed, and whether it may succeed later.

use std::fmt;
use std::io;

use super::ServerReply;
use super::reply::ReplyError;
use crate::address::Mailbox;

/// Where in the session something happened; its Display is the command, or what is read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The server's first reply.
    Greeting,
    /// EHLO.
    Ehlo,
    /// HELO, where EHLO was refused.
    Helo,
    /// STARTTLS, and the handshake.
    StartTls,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA, up to the 354.
    Data,
    /// The message, up to its last line.
    Content,
    /// The final dot and its reply.
    EndOfData,
    /// QUIT, when the result is known.
    Quit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::StartTls => "STARTTLS",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Content => "message content",
            Self::EndOfData => "end of data",
            Self::Quit => "QUIT",
        })
    }
}

/// One recipient that the server refused, for now or for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who.
    pub mailbox: Mailbox,
    /// In the server's words.
    pub reply: ServerReply,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>: {}", self.mailbox, self.reply)
    }
}

/// Why a message was not submitted. Nothing of it was accepted, except perhaps in
/// [`SubmissionError::Unknown`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmissionError {
    /// The server could not be reached.
    #[error("no connection to {target}")]
    Connect {
        /// The address of re-injection.
        target: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Our own store of the message failed. The final dot was not sent.
    #[error("message cannot be read while it is submitted")]
    Content(#[source] io::Error),
    /// Only the header may be returned, and the server would not know (RFC 3461 §4.3).
    #[error("server does not offer DSN, and only the header of the message may be returned")]
    DsnMissing,
    /// The message is 8bit, and the server takes 7bit alone (RFC 6152 §3).
    #[error("server does not offer 8BITMIME, and the message has octets over 127")]
    EightBitMimeMissing,
    /// The connection ended before the final dot: nothing was accepted (RFC 5321 §4.1.1.4).
    #[error("connection lost at {step}")]
    Lost {
        /// What was under way.
        step: Step,
        /// How it ended, a time-out included.
        #[source]
        source: io::Error,
    },
    /// There is nobody to submit to; our own fault.
    #[error("submission has no recipient")]
    NoRecipient,
    /// Some recipients were refused, so the message was sent to none.
    #[error("server refused {} of {asked} recipients: {}", refused.len(), listed(refused))]
    Recipients {
        /// Each of them.
        refused: Vec<Refusal>,
        /// How many there are.
        asked: usize,
    },
    /// A command or the message was refused.
    #[error("server refused {step}: {reply}")]
    Refused {
        /// What.
        step: Step,
        /// In the server's words.
        reply: ServerReply,
    },
    /// What the server sent is no reply.
    #[error("server sent no valid reply to {step}")]
    Reply {
        /// What was to be answered.
        step: Step,
        /// Why not.
        #[source]
        source: ReplyError,
    },
    /// A local part or the header is not ASCII, and the server takes ASCII alone (RFC 6531 §3.1).
    #[error("server does not offer SMTPUTF8, and an address or the header is not ASCII")]
    SmtpUtf8Missing,
    /// The handshake failed.
    #[error(
        "TLS with the server failed after STARTTLS: see that [reinject] anchors has the authority that made its \
         certificate, and server_name the name in it"
    )]
    Tls(#[source] io::Error),
    /// STARTTLS is required and the server does not offer it.
    #[error("server does not offer STARTTLS, which is required: give it a certificate")]
    TlsMissing,
    /// The message grew beyond what the server takes (RFC 1870 §4).
    #[error("message has {size} octets, more than the {allowed} that the server takes")]
    TooLarge {
        /// Octets of the message.
        size: u64,
        /// The server's SIZE.
        allowed: u64,
    },
    /// A reply of a class that does not answer the command.
    #[error("server answered {step} with {reply}")]
    Unexpected {
        /// The command.
        step: Step,
        /// The reply.
        reply: ServerReply,
    },
    /// Nobody knows: after the final dot came no valid reply, and the message may have been accepted.
    /// Who submits it again risks a duplicate; who does not, its loss (RFC 5321 §4.5.3.2.6, §6.1).
    #[error("message may have been accepted, but its final reply was not received")]
    Unknown(#[source] Box<Self>),
    /// Octets that no command had asked for: somebody put them in, perhaps before TLS (CVE-2011-0411).
    #[error("server sent octets after its reply to {step}, before the next command")]
    Unsolicited {
        /// The command that was answered before.
        step: Step,
    },
}

impl SubmissionError {
    /// Whether the same submission would fail again.
    ///
    /// Where some recipients are refused for good and others for now, it would.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Recipients { refused, .. } => {
                refused.iter().any(|refusal| refusal.reply.is_permanent())
            }
            // Whatever the session: a server that shuts down says 421, and the greeting's 554 is
            // about the connection and not about the message (RFC 5321 §3.1).
            Self::Refused { step, reply } => match step {
                Step::Greeting | Step::Ehlo | Step::Helo | Step::StartTls | Step::Quit => false,
                Step::Mail | Step::Recipient | Step::Data | Step::Content | Step::EndOfData => {
                    reply.is_permanent()
                }
            },
            Self::DsnMissing
            | Self::EightBitMimeMissing
            | Self::NoRecipient
            | Self::SmtpUtf8Missing
            | Self::TooLarge { .. } => true,
            Self::Connect { .. }
            | Self::Content(_)
            | Self::Lost { .. }
            | Self::Reply { .. }
            | Self::Tls(_)
            | Self::TlsMissing
            | Self::Unexpected { .. }
            | Self::Unknown(_)
            | Self::Unsolicited { .. } => false,
        }
    }
}

/// The first few, so that a log line stays one.
fn listed(refused: &[Refusal]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = refused.iter().take(SHOWN).map(Refusal::to_string).collect();
    if refused.len() > SHOWN {
        shown.push(format!("and {} more", refused.len() - SHOWN));
    }
    shown.join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::reply::ReplyReader;
    use super::*;

    fn reply(line: &str) -> ServerReply {
        let mut reader = ReplyReader::default();
        reader.handle_octets(format!("{line}\r\n").as_bytes());
        reader.next_reply().unwrap().unwrap()
    }

    fn refused(lines: &[&str]) -> SubmissionError {
        let refused = lines.iter().enumerate().map(|(number, line)| Refusal {
            mailbox: format!("r{number}@b.example").parse().unwrap(),
            reply: reply(line),
        });
        let refused = refused.collect();
        SubmissionError::Recipients { refused, asked: 9 }
    }

    #[test]
    fn one_recipient_refused_for_good_makes_it_permanent() {
        assert!(refused(&["450 later", "550 never"]).is_permanent());
        assert!(!refused(&["450 later", "452 full"]).is_permanent());
    }

    #[test]
    fn the_refusal_of_a_connection_says_nothing_about_the_message() {
        for (step, permanent) in [
            (Step::Greeting, false),
            (Step::Ehlo, false),
            (Step::Mail, true),
        ] {
            let reply = reply("554 no");
            assert_eq!(
                SubmissionError::Refused { step, reply }.is_permanent(),
                permanent,
                "{step}"
            );
        }
    }

    #[test]
    fn messages_name_the_server_and_quote_it() {
        assert_eq!(
            refused(&["550 5.1.1 no such user"]).to_string(),
            "server refused 1 of 9 recipients: <r0@b.example>: 550 5.1.1 no such user"
        );
        let many = refused(&["550 no"; 7]).to_string();
        assert!(
            many.ends_with("<r4@b.example>: 550 no; and 2 more"),
            "{many}"
        );
        let (step, reply) = (Step::EndOfData, reply("552 too\x07 big"));
        assert_eq!(
            SubmissionError::Refused { step, reply }.to_string(),
            "server refused end of data: 552 too? big"
        );
        assert_eq!(
            SubmissionError::TooLarge {
                size: 11,
                allowed: 10
            }
            .to_string(),
            "message has 11 octets, more than the 10 that the server takes"
        );
    }
}
