//! SMTP replies with enhanced status codes (RFC 5321 §4.2, RFC 3463).
//!
//! A malformed one cannot be built: the class of both codes is one value, and text never holds what
//! could end the line or start another.

use std::fmt;

/// A reply to RCPT or to the end of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    class: Class,
    /// The last two digits of the reply code.
    code: u8,
    /// Subject and detail of the enhanced status code.
    status: (u16, u16),
    text: String,
}

/// The first digit of both codes (RFC 3463 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 5: do not try again.
    Permanent,
    /// 4: try again later.
    Temporary,
}

impl Reply {
    /// The longest text: a reply line has at most 512 octets with its codes (RFC 5321 §4.5.3.1.5).
    pub const LONGEST: usize = 400;

    /// 550, of the subject 7 of RFC 3463 §3.8 (security or policy) with this detail.
    #[must_use]
    pub fn refused(detail: u16, text: &str) -> Self {
        Self::new(Class::Permanent, 50, (7, detail), text)
    }

    /// 451, of the subject 7 of RFC 3463 §3.8 (security or policy) with this detail.
    #[must_use]
    pub fn deferred(detail: u16, text: &str) -> Self {
        Self::new(Class::Temporary, 51, (7, detail), text)
    }

    /// 451 4.3.0: our own fault, or that of something we need.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            Class::Temporary,
            51,
            (3, 0),
            "cannot process now, try again later",
        )
    }

    /// 552 5.3.4: it will never fit (RFC 3463 §3.4).
    #[must_use]
    pub fn too_large(text: &str) -> Self {
        Self::new(Class::Permanent, 52, (3, 4), text)
    }

    /// 452 4.5.3: fewer recipients at a time (RFC 3463 §3.6).
    #[must_use]
    pub fn too_many_recipients() -> Self {
        Self::new(Class::Temporary, 52, (5, 3), "too many recipients")
    }

    /// 554 5.4.6: it comes back to where it has been (RFC 3463 §3.5).
    #[must_use]
    pub fn looping() -> Self {
        Self::new(Class::Permanent, 54, (4, 6), "mail is looping")
    }

    /// Codes and text of a server that has refused it for good: 550 where its `code` is none for that,
    /// 5.0.0 where it gave no enhanced `status` (RFC 3463 §3.1).
    #[must_use]
    pub fn refused_further_on(code: u16, status: Option<&str>, text: &str) -> Self {
        // 521 would have the MTA hang up; 50x and 53x speak of commands and of us.
        let code = u8::try_from(code.saturating_sub(500)).ok();
        let code = code.filter(|code| (50..60).contains(code)).unwrap_or(50);
        let mut numbers = status.unwrap_or_default().split('.').skip(1);
        let mut number = || numbers.next()?.parse().ok();
        let status = number().zip(number()).unwrap_or((0, 0));
        Self::new(Class::Permanent, code, status, text)
    }

    fn new(class: Class, code: u8, status: (u16, u16), text: &str) -> Self {
        let printable = |character: char| {
            if character == ' ' || character.is_ascii_graphic() {
                character
            } else {
                '?'
            }
        };
        Self {
            class,
            code,
            status,
            text: text.chars().take(Self::LONGEST).map(printable).collect(),
        }
    }

    /// Whether the sender shall try again, or give up.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The three digits of the reply code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.class.digit() * 100 + u16::from(self.code)
    }

    /// The enhanced status code, as in `5.7.1`.
    #[must_use]
    pub fn status(&self) -> String {
        format!("{}.{}.{}", self.class.digit(), self.status.0, self.status.1)
    }

    /// The text, printable ASCII.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Class {
    const fn digit(self) -> u16 {
        match self {
            Self::Permanent => 5,
            Self::Temporary => 4,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.code(), self.status(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codes_have_one_class() {
        let refused = Reply::refused(5, "no certificate");
        assert_eq!(refused.to_string(), "550 5.7.5 no certificate");
        let deferred = Reply::deferred(5, "try again");
        assert_eq!(deferred.to_string(), "451 4.7.5 try again");
        assert_eq!(Reply::unavailable().status(), "4.3.0");
    }

    #[test]
    fn what_another_server_has_refused_keeps_its_code() {
        let reply = |status| Reply::refused_further_on(550, status, "no such user").to_string();
        for (code, ours) in [(553, 553), (521, 550), (450, 550), (599, 550)] {
            let reply = Reply::refused_further_on(code, Some("5.1.3"), "no");
            assert_eq!(reply.to_string(), format!("{ours} 5.1.3 no"));
        }
        assert_eq!(reply(Some("5.1.1")), "550 5.1.1 no such user");
        for status in [
            None,
            Some("5.1"),
            Some(""),
            Some("5.x.1"),
            Some("5.99999.1"),
        ] {
            assert_eq!(reply(status), "550 5.0.0 no such user", "{status:?}");
        }
    }

    #[test]
    fn text_cannot_end_the_line_or_pass_its_length() {
        let reply = Reply::refused(1, "no\r\n250 yes \u{e9}");
        assert_eq!(reply.to_string(), "550 5.7.1 no??250 yes ?");
        assert_eq!(
            Reply::refused(1, &"x".repeat(9999)).text().len(),
            Reply::LONGEST
        );
    }
}
