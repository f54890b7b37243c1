//! Header confidentiality policies: what an encrypted message shows outside (RFC 9788 §3).

use super::date;
use super::fields::Role;
use super::fields::is_one_of;
use super::fields::squeezed;
use crate::address::AddressList;
use crate::mime::Field;
use crate::mime::unstructured;

/// What stands in the place of a Subject that is hidden (RFC 9788 §3.2.1).
const OBSCURED_SUBJECT: &str = "[...]";

/// Which fields an encrypted message hides, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfidentialityPolicy {
    base: Base,
    /// Further ones, in lower case: removed, or replaced by a text.
    hidden: Vec<(String, Option<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Baseline,
    NoConfidentiality,
    Shy,
}

/// Why a field cannot be hidden.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Without it no mail system takes the message, or readers cannot tell who it is from (RFC 5322
    /// §3.6, RFC 9788 §3.1.1).
    #[error("field {0} cannot be hidden: a message must show it")]
    Needed(String),
    /// No name of a field (RFC 5322 §3.6.8).
    #[error("{0:?} is no name of a header field")]
    Name(String),
    /// It describes the body, or is not the author's, and never goes inside.
    #[error("field {0} cannot be hidden: it does not go inside")]
    NotProtected(String),
}

/// What becomes of a field outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outside {
    /// It stands there as it is.
    Kept,
    /// It does not stand there.
    Removed,
    /// It stands there with this value, which is ASCII without line ends.
    Replaced(String),
}

impl Default for ConfidentialityPolicy {
    /// The one that is to be the default (RFC 9788 §3.3).
    fn default() -> Self {
        Self::baseline()
    }
}

impl ConfidentialityPolicy {
    /// Subject is `[...]`; Comments and Keywords are removed (RFC 9788 §3.2.1).
    #[must_use]
    pub fn baseline() -> Self {
        Self::of(Base::Baseline)
    }

    /// Nothing is hidden (RFC 9788 §3.2.3). Never the default.
    #[must_use]
    pub fn no_confidentiality() -> Self {
        Self::of(Base::NoConfidentiality)
    }

    /// As [`Self::baseline`]; display names are removed, and Date is in UTC (RFC 9788 §3.2.2).
    #[must_use]
    pub fn shy() -> Self {
        Self::of(Base::Shy)
    }

    fn of(base: Base) -> Self {
        Self {
            base,
            hidden: Vec::new(),
        }
    }

    /// Removes fields of that name too; fails for those that must be shown or never go inside.
    pub fn removing(self, name: &str) -> Result<Self, PolicyError> {
        self.hiding(name, None)
    }

    /// Replaces fields of that name by `text`, which is encoded where it is not ASCII.
    ///
    /// Fails as [`Self::removing`] does.
    pub fn obscuring(self, name: &str, text: &str) -> Result<Self, PolicyError> {
        self.hiding(name, Some(unstructured::encoded(text)))
    }

    fn hiding(mut self, name: &str, value: Option<String>) -> Result<Self, PolicyError> {
        let graphic = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || name.len() > 100 || !name.bytes().all(graphic) {
            return Err(PolicyError::Name(name.chars().take(100).collect()));
        }
        if Role::of(name) != Role::Author {
            return Err(PolicyError::NotProtected(name.to_owned()));
        }
        if is_one_of(name, &["Date", "From"]) {
            return Err(PolicyError::Needed(name.to_owned()));
        }
        self.hidden.push((name.to_ascii_lowercase(), value));
        Ok(self)
    }

    /// What becomes of `field` outside; `Kept` for what never goes inside.
    #[must_use]
    pub fn outside(&self, field: &Field<'_>) -> Outside {
        if Role::of(field.name()) != Role::Author {
            return Outside::Kept;
        }
        let own = self.hidden.iter().find(|(name, _)| field.is(name));
        let value = match own {
            Some((_, None)) => return Outside::Removed,
            Some((_, Some(value))) => value.clone(),
            None if self.base == Base::NoConfidentiality => return Outside::Kept,
            None if is_one_of(field.name(), &["Comments", "Keywords"]) => return Outside::Removed,
            None if field.is("Subject") => OBSCURED_SUBJECT.to_owned(),
            None => match self.shy_value(field) {
                Some(value) => value,
                None => return Outside::Kept,
            },
        };
        if squeezed(&field.value()) == squeezed(value.as_bytes()) {
            Outside::Kept
        } else {
            Outside::Replaced(value)
        }
    }

    /// `None` where the shy policy changes nothing, or what is there cannot be read.
    fn shy_value(&self, field: &Field<'_>) -> Option<String> {
        if self.base != Base::Shy {
            return None;
        }
        if field.is("Date") {
            return date::parse(&field.text()).map(date::utc);
        }
        if !is_one_of(field.name(), &["From", "To", "Cc"]) {
            return None;
        }
        let addresses = AddressList::parse(field.body()).ok()?;
        // A From of several, and a group, are no mailbox and no mailbox-list.
        let plain = addresses
            .iter()
            .all(|address| !address.in_group && address.mailbox.is_ascii());
        let list = !addresses.is_empty() && (addresses.len() == 1 || !field.is("From"));
        (plain && list).then(|| {
            let specs = addresses.iter().map(|address| address.mailbox.to_string());
            specs.collect::<Vec<_>>().join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::mime::Header;
    use crate::octets::View;

    fn outside(policy: &ConfidentialityPolicy, field: &str) -> Outside {
        let view = View::owned(format!("{field}\r\n\r\n").into_bytes());
        let (header, _) = Header::parse(&view, &Limits::default()).unwrap();
        policy.outside(&header.fields().next().unwrap())
    }

    fn replaced(value: &str) -> Outside {
        Outside::Replaced(value.to_owned())
    }

    #[test]
    fn policies_are_those_of_rfc_9788() {
        let baseline = ConfidentialityPolicy::default();
        let shy = ConfidentialityPolicy::shy();
        let none = ConfidentialityPolicy::no_confidentiality();
        for (field, by_baseline, by_shy) in [
            ("subject: x", replaced("[...]"), replaced("[...]")),
            ("Subject: [...]", Outside::Kept, Outside::Kept),
            ("Keywords: x", Outside::Removed, Outside::Removed),
            ("COMMENTS: x", Outside::Removed, Outside::Removed),
            (
                "From: A B <a@b.example>",
                Outside::Kept,
                replaced("a@b.example"),
            ),
            ("From: a@b.example", Outside::Kept, Outside::Kept),
            (
                "From: A <a@b.example>, C <c@b.example>",
                Outside::Kept,
                Outside::Kept,
            ),
            (
                "To: A <a@b.example>,\r\n c@b.example",
                Outside::Kept,
                replaced("a@b.example, c@b.example"),
            ),
            ("Cc: g: A <a@b.example>;", Outside::Kept, Outside::Kept),
            ("Cc: undisclosed-recipients:;", Outside::Kept, Outside::Kept),
            (
                "Date: Sat, 20 Feb 2021 12:28:02 -0500",
                Outside::Kept,
                replaced("Sat, 20 Feb 2021 17:28:02 +0000"),
            ),
            ("Date: today", Outside::Kept, Outside::Kept),
            ("Message-ID: <x@b.example>", Outside::Kept, Outside::Kept),
            ("Received: x", Outside::Kept, Outside::Kept),
        ] {
            assert_eq!(outside(&baseline, field), by_baseline, "baseline: {field}");
            assert_eq!(outside(&shy, field), by_shy, "shy: {field}");
            assert_eq!(outside(&none, field), Outside::Kept, "none: {field}");
        }
    }

    #[test]
    fn further_fields_are_hidden_but_for_those_that_are_needed() {
        let policy = ConfidentialityPolicy::no_confidentiality()
            .removing("X-Case")
            .and_then(|policy| policy.obscuring("Subject", "gr\u{fc}n\r\nBcc: x"))
            .unwrap();
        assert_eq!(outside(&policy, "x-case: 1"), Outside::Removed);
        let Outside::Replaced(value) = outside(&policy, "Subject: x") else {
            panic!("Subject is shown");
        };
        assert!(
            value.starts_with("=?utf-8?") && !value.contains('\n'),
            "{value}"
        );
        for name in ["From", "date"] {
            assert!(matches!(
                policy.clone().removing(name),
                Err(PolicyError::Needed(_))
            ));
        }
        for name in ["Received", "Content-Type", "bcc"] {
            assert!(matches!(
                policy.clone().removing(name),
                Err(PolicyError::NotProtected(_))
            ));
        }
        for name in ["", "a b", "a:"] {
            assert!(matches!(
                policy.clone().removing(name),
                Err(PolicyError::Name(_))
            ));
        }
    }
}
