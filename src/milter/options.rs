//! What MTA and milter agree on at the start (OPTNEG): nothing is asked for that is not used.

use super::action;

/// The version that we speak; Postfix since 2.6 and Sendmail since 8.14 do.
pub const VERSION: u32 = 6;
/// The oldest version that we can work with: changing headers came with it.
const OLDEST: u32 = 2;

/// What a milter may do to a message.
pub mod actions {
    /// Add header fields.
    pub const ADD_HEADERS: u32 = 0x01;
    /// Replace the body.
    pub const CHANGE_BODY: u32 = 0x02;
    /// Remove recipients.
    pub const DELETE_RECIPIENT: u32 = 0x08;
    /// Change and delete header fields.
    pub const CHANGE_HEADERS: u32 = 0x10;
    /// Replace the envelope sender.
    pub const CHANGE_FROM: u32 = 0x40;
    /// Say which macros are wanted.
    pub const SET_MACROS: u32 = 0x100;
}

/// What the MTA leaves out, and what it awaits no answer to.
pub mod protocol {
    /// Do not send unknown commands.
    pub const NO_UNKNOWN: u32 = 0x100;
    /// Do not send DATA.
    pub const NO_DATA: u32 = 0x200;
    /// The MTA understands SKIP.
    pub const SKIP: u32 = 0x400;
    /// No answer to CONNECT.
    pub const NO_REPLY_CONNECT: u32 = 0x1000;
    /// No answer to HELO.
    pub const NO_REPLY_HELO: u32 = 0x2000;
    /// No answer to MAIL.
    pub const NO_REPLY_MAIL: u32 = 0x4000;
    /// No answer to RCPT.
    pub const NO_REPLY_RCPT: u32 = 0x8000;
    /// No answer to a header field.
    pub const NO_REPLY_HEADER: u32 = 0x80;
    /// No answer to the end of the header.
    pub const NO_REPLY_END_OF_HEADER: u32 = 0x4_0000;
    /// No answer to a piece of the body.
    pub const NO_REPLY_BODY: u32 = 0x8_0000;
    /// White space after the colon is sent as it is, and none is added.
    pub const LEADING_SPACE: u32 = 0x10_0000;
}

/// Needed for anything that we do.
const NEEDED: u32 = actions::ADD_HEADERS | actions::CHANGE_BODY | actions::CHANGE_HEADERS;
/// Used where they are offered. Without the first a message has one edition for all; without the
/// second its bounces may return the content (DESIGN, decision 5), and what would need them is deferred.
const USED: u32 = NEEDED | actions::DELETE_RECIPIENT | actions::CHANGE_FROM | actions::SET_MACROS;
/// Asked for where it is offered; an answer to RCPT only where one could be refused there.
const LEFT_OUT: u32 = protocol::NO_UNKNOWN
    | protocol::NO_DATA
    | protocol::NO_REPLY_CONNECT
    | protocol::NO_REPLY_HELO
    | protocol::NO_REPLY_MAIL
    | protocol::NO_REPLY_RCPT
    | protocol::NO_REPLY_HEADER
    | protocol::NO_REPLY_END_OF_HEADER
    | protocol::NO_REPLY_BODY
    | protocol::LEADING_SPACE;

/// The macros that are wanted: stage (as in SETSYMLIST) and names.
const MACROS: &[(u32, &str)] = &[
    // Connect: what the listener calls itself, and the client once more; by the last two is mail told
    // that does not come by SMTP.
    (0, "j {daemon_name} {client_addr} i w"),
    // HELO: after STARTTLS.
    (1, "{tls_version} {cert_subject} {cn_subject} {verify}"),
    // MAIL.
    (
        2,
        "i {auth_type} {auth_authen} {mail_addr} {tls_version} {cert_subject} {cn_subject} {verify}",
    ),
    // RCPT.
    (3, "{rcpt_addr}"),
    // End of message: Postfix knows the queue identifier here.
    (5, "i"),
];

/// What was agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The lower of both versions.
    pub version: u32,
    /// What we may do.
    pub actions: u32,
    /// What is left out.
    pub protocol: u32,
}

impl Options {
    /// The offer of an MTA that lets us do, and leave out, all that we ever ask for.
    pub const WHOLE: Self = Self {
        version: VERSION,
        actions: USED,
        protocol: LEFT_OUT,
    };
}

/// The MTA cannot do what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Its version is too old.
    #[error("the MTA speaks milter version {0}, and at least {OLDEST} is needed")]
    Version(u32),
    /// It does not let us change messages.
    #[error(
        "the MTA offers the milter actions {0:#x}; adding headers, changing headers and changing \
         the body ({NEEDED:#x}) are needed"
    )]
    Actions(u32),
}

impl Options {
    /// Agrees with what the MTA offers; `at_recipient` where RCPT may be answered with a refusal.
    pub fn agree(offered: Self, at_recipient: bool) -> Result<Self, OptionsError> {
        if offered.version < OLDEST {
            return Err(OptionsError::Version(offered.version));
        }
        if offered.actions & NEEDED != NEEDED {
            return Err(OptionsError::Actions(offered.actions));
        }
        // The rest of a body is skipped in an answer to a piece of it: nobody asks for both.
        let skip = match offered.protocol & protocol::NO_REPLY_BODY {
            0 => protocol::SKIP,
            _ => 0,
        };
        let left_out = match at_recipient {
            true => LEFT_OUT & !protocol::NO_REPLY_RCPT,
            false => LEFT_OUT,
        };
        Ok(Self {
            version: offered.version.min(VERSION),
            actions: offered.actions & USED,
            protocol: offered.protocol & (left_out | skip),
        })
    }

    /// Whether we may do that.
    #[must_use]
    pub const fn may(&self, action: u32) -> bool {
        self.actions & action == action
    }

    /// Whether it was agreed to leave that out.
    #[must_use]
    pub const fn leaves_out(&self, step: u32) -> bool {
        self.protocol & step == step
    }

    /// The answer to the MTA's offer.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        let mut macros = Vec::new();
        if self.may(actions::SET_MACROS) {
            for (stage, names) in MACROS {
                macros.extend_from_slice(&stage.to_be_bytes());
                macros.extend_from_slice(names.as_bytes());
                macros.push(0);
            }
        }
        action::negotiated(output, [self.version, self.actions, self.protocol], &macros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_that_the_mta_does_not_offer() {
        let offered = Options {
            version: 6,
            actions: NEEDED,
            protocol: protocol::NO_REPLY_BODY | protocol::SKIP,
        };
        let agreed = Options::agree(offered, false).unwrap();
        assert_eq!(agreed.actions, NEEDED);
        assert_eq!(agreed.protocol, protocol::NO_REPLY_BODY);
    }

    #[test]
    fn quarantine_and_added_recipients_are_never_asked_for() {
        let all = Options {
            version: 99,
            actions: u32::MAX,
            protocol: u32::MAX,
        };
        let agreed = Options::agree(all, false).unwrap();
        assert_eq!(agreed.version, 6);
        assert_eq!(agreed.actions, 0x15b);
        assert!(!agreed.leaves_out(0x10), "the body is needed");
    }

    #[test]
    fn an_answer_to_rcpt_is_given_only_where_it_can_be_a_refusal() {
        let all = Options {
            version: 6,
            actions: u32::MAX,
            protocol: u32::MAX,
        };
        for at_recipient in [false, true] {
            let agreed = Options::agree(all, at_recipient).unwrap();
            assert_eq!(agreed.leaves_out(protocol::NO_REPLY_RCPT), !at_recipient);
            assert!(agreed.leaves_out(protocol::NO_REPLY_MAIL | protocol::NO_REPLY_HEADER));
        }
    }

    #[test]
    fn an_mta_that_does_not_let_us_change_the_body_is_refused() {
        let offered = Options {
            version: 6,
            actions: actions::ADD_HEADERS | actions::CHANGE_HEADERS,
            protocol: 0,
        };
        assert_eq!(
            Options::agree(offered, false),
            Err(OptionsError::Actions(0x11))
        );
        let old = Options {
            version: 1,
            ..offered
        };
        assert_eq!(Options::agree(old, false), Err(OptionsError::Version(1)));
    }
}
