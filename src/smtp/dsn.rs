//! What a sender asks of delivery reports: the parameters of RFC 3461 §4, carried over as they came.
//!
//! Refuses what could end a command or start another parameter.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::limits::LimitError;

/// Octets of ENVID and of ORCPT. RFC 3461 §4.2 gives ORCPT 500. Departs from §4.4, which gives ENVID
/// 100: MTAs accept longer ones, and mail that was accepted must be able to go on.
const VALUE_OCTETS: usize = 500;

/// RET: how much of a message a report of its failure returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The whole message.
    Full,
    /// Its header, and the whole message perhaps where the server does not offer DSN.
    Headers,
    /// Its header, and the submission fails where the server does not offer DSN: for what was
    /// decrypted and must not travel back (DESIGN, decision 5).
    HeadersRequired,
}

impl Return {
    /// The value of the parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers | Self::HeadersRequired => "HDRS",
        }
    }
}

/// What happens to a message that its sender may want to know (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It is not delivered yet.
    Delay,
    /// It was not delivered.
    Failure,
    /// It was delivered.
    Success,
}

impl Event {
    const ALL: [Self; 3] = [Self::Delay, Self::Failure, Self::Success];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "DELAY",
            Self::Failure => "FAILURE",
            Self::Success => "SUCCESS",
        }
    }
}

/// NOTIFY: what a recipient's reports are for; NEVER where it is nothing (RFC 3461 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify(BTreeSet<Event>);

impl Notify {
    /// Reports for each of `events`, and for no other.
    #[must_use]
    pub fn on(events: impl IntoIterator<Item = Event>) -> Self {
        Self(events.into_iter().collect())
    }

    /// Whether there is to be a report for `event`.
    #[must_use]
    pub fn is_for(&self, event: Event) -> bool {
        self.0.contains(&event)
    }
}

impl FromStr for Notify {
    type Err = DsnError;

    /// The value as it stands in RCPT, in any case.
    fn from_str(text: &str) -> Result<Self, DsnError> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self(BTreeSet::new()));
        }
        let events = text.split(',').map(|word| {
            Event::ALL
                .into_iter()
                .find(|event| word.eq_ignore_ascii_case(event.as_str()))
        });
        match events.collect() {
            Some(events) => Ok(Self(events)),
            None => Err(DsnError::Notify(short(text))),
        }
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("NEVER");
        }
        for (at, event) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", event.as_str())?;
        }
        Ok(())
    }
}

/// ENVID: the sender's name for the envelope, as xtext (RFC 3461 §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// The value as it stands in MAIL, xtext.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the sender had encoded; `None` where that is not printable, as it must be (RFC 3461 §4.4).
    #[must_use]
    pub fn decoded(&self) -> Option<String> {
        decoded(&self.0)
    }
}

impl FromStr for EnvelopeId {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        LimitError::check("number of octets in ENVID", text.len(), VALUE_OCTETS)?;
        if text.is_empty() || !is_xtext(text) {
            return Err(DsnError::EnvelopeId(short(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// ORCPT: the address that the sender gave, with its type (RFC 3461 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient(String);

impl OriginalRecipient {
    /// The value as it came: type, semicolon, xtext; or UTF-8 where the type is `utf-8`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Type and address as a report names them (RFC 3464 §2.3.1): the address decoded, but for those of
    /// the type `utf-8`, which stay in ASCII (RFC 6533 §3). `None` where that is not printable.
    #[must_use]
    pub fn reported(&self) -> Option<String> {
        let (kind, address) = self.0.split_once(';')?;
        if kind.eq_ignore_ascii_case("utf-8") {
            return Some(self.to_ascii().replacen(';', "; ", 1));
        }
        Some(format!("{kind}; {}", decoded(address)?))
    }

    /// The value in ASCII, for a server that knows no UTF-8 (RFC 6533 §3, EmbeddedUnicodeChar).
    #[must_use]
    pub fn to_ascii(&self) -> String {
        let mut ascii = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if c.is_ascii() {
                ascii.push(c);
            } else {
                ascii.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
            }
        }
        ascii
    }
}

impl FromStr for OriginalRecipient {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        LimitError::check("number of octets in ORCPT", text.len(), VALUE_OCTETS)?;
        let wrong = || DsnError::OriginalRecipient(short(text));
        let (kind, address) = text.split_once(';').ok_or_else(wrong)?;
        let word = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        let valid = if kind.eq_ignore_ascii_case("utf-8") {
            is_xtext_or_unicode(address)
        } else {
            is_xtext(address)
        };
        if kind.is_empty() || !kind.bytes().all(word) || address.is_empty() || !valid {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a value is no parameter of RFC 3461.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DsnError {
    /// ENVID with a blank, a control character, or what xtext must encode.
    #[error("ENVID {0:?} is not xtext")]
    EnvelopeId(String),
    /// Longer than we hand on.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// NOTIFY with a word that RFC 3461 §4.1 does not have, or NEVER beside others.
    #[error("NOTIFY {0:?} is neither NEVER nor a list of SUCCESS, FAILURE and DELAY")]
    Notify(String),
    /// ORCPT without a type, or with an address that is not xtext.
    #[error("ORCPT {0:?} is not an address type, a semicolon and xtext")]
    OriginalRecipient(String),
}

/// xtext as what it stands for (RFC 3461 §4), if all of that is printable ASCII.
fn decoded(xtext: &str) -> Option<String> {
    let mut decoded = String::with_capacity(xtext.len());
    let mut rest = xtext.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '+' => {
                let mut digit = || rest.next()?.to_digit(16);
                char::from_u32(digit()? * 16 + digit()?)?
            }
            _ => c,
        };
        if c != ' ' && !c.is_ascii_graphic() {
            return None;
        }
        decoded.push(c);
    }
    Some(decoded)
}

/// RFC 3461 §4: printable ASCII without blank and `=`; `+` begins two hexadecimal digits.
fn is_xtext(text: &str) -> bool {
    text.is_ascii() && is_xtext_or_unicode(text)
}

/// The same with characters that are not ASCII: utf-8-addr-unitext of RFC 6533 §3.
fn is_xtext_or_unicode(text: &str) -> bool {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let valid = match c {
            // Digits in lower case are read: they cannot do harm, and are handed on as they came.
            '+' => (0..2).all(|_| rest.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            '=' => false,
            _ => c.is_ascii_graphic() || !(c.is_ascii() || c.is_control() || c.is_whitespace()),
        };
        if !valid {
            return false;
        }
    }
    true
}

/// As much of a wrong value as an error quotes.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_is_never_or_a_list_of_events() {
        let notify: Notify = "success,Delay".parse().unwrap();
        assert!(notify.is_for(Event::Success) && !notify.is_for(Event::Failure));
        assert_eq!(notify.to_string(), "DELAY,SUCCESS");
        assert_eq!("Never".parse::<Notify>().unwrap().to_string(), "NEVER");
        for wrong in ["", "NEVER,SUCCESS", "SUCCESS,", "SUCCESS DELAY", "BOUNCE"] {
            assert!(wrong.parse::<Notify>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn values_that_could_end_a_command_or_start_a_parameter_are_refused() {
        for wrong in [
            "",
            "a b",
            "a\r\nRSET",
            "a\n",
            "a=b",
            "a+",
            "a+2",
            "a+2g",
            "a\0",
            "é",
        ] {
            assert!(wrong.parse::<EnvelopeId>().is_err(), "{wrong:?}");
            let address = format!("rfc822;{wrong}");
            assert!(address.parse::<OriginalRecipient>().is_err(), "{address:?}");
        }
        for wrong in [
            "a@b.example",
            ";a@b.example",
            "rfc 822;a",
            "rfc822\r;a",
            "utf-8;\u{a0}",
        ] {
            assert!(wrong.parse::<OriginalRecipient>().is_err(), "{wrong:?}");
        }
        let long = format!("rfc822;{}", "a".repeat(500));
        let error = long.parse::<OriginalRecipient>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "number of octets in ORCPT is 507, more than the limit of 500"
        );
    }

    #[test]
    fn values_are_kept_as_they_came() {
        let id: EnvelopeId = "QQ314159+2Bx".parse().unwrap();
        assert_eq!(id.as_str(), "QQ314159+2Bx");
        let original: OriginalRecipient = "RFC822;Bob+2Bx@b.example".parse().unwrap();
        assert_eq!(original.as_str(), "RFC822;Bob+2Bx@b.example");
        assert_eq!(original.to_ascii(), original.as_str());
    }

    #[test]
    fn values_are_reported_decoded_if_they_end_no_line() {
        let id = |text: &str| text.parse::<EnvelopeId>().unwrap().decoded();
        assert_eq!(id("a+2Bb+20c").as_deref(), Some("a+b c"));
        assert_eq!(id("a+0D+0AX:+20b"), None);
        let original = |text: &str| text.parse::<OriginalRecipient>().unwrap().reported();
        assert_eq!(
            original("rfc822;bob+2Bx@b.example").as_deref(),
            Some("rfc822; bob+x@b.example")
        );
        assert_eq!(original("rfc822;bob+0A@b.example"), None);
        assert_eq!(
            original("utf-8;\u{e9}lodie@b.example").as_deref(),
            Some("utf-8; \\x{E9}lodie@b.example")
        );
    }

    #[test]
    fn an_original_recipient_in_utf_8_has_a_form_in_ascii() {
        let original: OriginalRecipient = "utf-8;élodie@b.example".parse().unwrap();
        assert_eq!(original.to_ascii(), "utf-8;\\x{E9}lodie@b.example");
        let embedded: OriginalRecipient = original.to_ascii().parse().unwrap();
        assert_eq!(embedded.as_str(), original.to_ascii());
    }
}
