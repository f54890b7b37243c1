//! Attribute descriptions (RFC 4512 §2.5): whose values have come, and whether they are all of them.
//!
//! Names and options are compared without regard to case, options without regard to their order. Active Directory
//! gives many values in ranges (`userCertificate;range=0-1499`, MS-ADTS 3.1.1.3.1.3.3): the rest must be asked for.

use std::collections::BTreeSet;

/// What is asked for of an entry (RFC 4523 §2.1, RFC 2798 §2.8): with the option `binary`, which servers demand for
/// the first (RFC 4523 §2), and without, as others have them.
pub(super) const ATTRIBUTES: [&str; 4] = [
    "userCertificate;binary",
    "userCertificate",
    "userSMIMECertificate;binary",
    "userSMIMECertificate",
];

/// The types of these, each with its object identifier, which a server may send in place of the name (RFC 4512 §2.5).
const TYPES: [(&str, &str); 2] = [
    ("userCertificate", "2.5.4.36"),
    ("userSMIMECertificate", "2.16.840.1.113730.3.1.40"),
];

/// The description of values that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// The attribute's type.
    pub(super) kind: &'static str,
    /// Its options but for the range, in lower case. `binary` says how a value is encoded, which a certificate always is
    /// so (RFC 4522 §3). Others are tags: a description with more of them is a subtype of the one that has fewer, and who
    /// asks for an attribute asks for its subtypes (RFC 4512 §2.5.2.1, RFC 4511 §4.5.1.8). So the values are an
    /// attribute's whatever options it has; one that is encoded otherwise is no certificate, which is *invalid* and never
    /// *absent*.
    options: BTreeSet<String>,
    /// Which of the values these are; all of them without it.
    pub(super) range: Option<Range>,
}

/// A part of the values of an attribute, which are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first of them.
    pub(super) first: u32,
    /// The first one after them; `None` where there are no more.
    pub(super) next: Option<u32>,
}

/// An option `range` that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RangeError;

impl Description {
    /// Reads a description. `None` where it is that of something else than was asked for.
    pub(super) fn parse(text: &str) -> Option<Result<Self, RangeError>> {
        let mut parts = text.split(';');
        let name = parts.next()?;
        let (kind, _) = (TYPES.into_iter())
            .find(|(kind, oid)| kind.eq_ignore_ascii_case(name) || *oid == name)?;
        let mut options = BTreeSet::new();
        let mut range = None;
        for option in parts.map(str::to_ascii_lowercase) {
            match option.strip_prefix("range=").map(Range::parse) {
                Some(Some(read)) if range.is_none() => range = Some(read),
                Some(_) => return Some(Err(RangeError)),
                None => {
                    options.insert(option);
                }
            }
        }
        Some(Ok(Self {
            kind,
            options,
            range,
        }))
    }

    /// Whether both are descriptions of the same values, or of parts of them.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.kind, &self.options) == (other.kind, &other.options)
    }

    /// Whether both are descriptions of the same values, however these are encoded.
    pub(super) fn is_of_values_of(&self, other: &Self) -> bool {
        let tags = |one: &Self| -> BTreeSet<String> {
            let tags = one.options.iter().filter(|option| *option != "binary");
            tags.cloned().collect()
        };
        self.kind == other.kind && tags(self) == tags(other)
    }

    /// Asks for the values from `first` on.
    pub(super) fn from(&self, first: u32) -> String {
        let name = [self.kind].into_iter();
        let all: Vec<&str> = name
            .chain(self.options.iter().map(String::as_str))
            .collect();
        format!("{};range={first}-*", all.join(";"))
    }
}

impl Range {
    /// Whether so many values may be those of the range; of one without an end nobody knows how many it has.
    pub(super) fn is_of(self, values: usize) -> bool {
        let number = self.next.map(|next| next - self.first);
        number.is_none_or(|number| usize::try_from(number) == Ok(values))
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let first = first.parse().ok()?;
        let next = match last {
            "*" => None,
            last => Some(last.parse::<u32>().ok()?.checked_add(1)?),
        };
        next.is_none_or(|next| first < next)
            .then_some(Self { first, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_a_type_with_options_in_any_order_and_case() {
        let read = |text| Description::parse(text).unwrap().unwrap();
        let one = read("UserCertificate;Range=10-19;x-b;BINARY");
        let range = Range {
            first: 10,
            next: Some(20),
        };
        assert_eq!((one.kind, one.range), ("userCertificate", Some(range)));
        assert!(one.is_of(&read("2.5.4.36;binary;X-B")));
        assert!(!one.is_of(&read("userCertificate;binary")));
        assert_eq!(one.from(20), "userCertificate;binary;x-b;range=20-*");
        let last = read("userSMIMECertificate;range=5-*").range.unwrap();
        assert_eq!((last.first, last.next), (5, None));
        for other in ["", "mail", "userCertificate-2;range=x", "2.5.4.360"] {
            assert_eq!(Description::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_range_that_is_none_is_an_error() {
        for range in [
            "",
            "1",
            "-",
            "-5",
            "2-1",
            "*-5",
            "0-x",
            "0-4294967295",
            "0-1;range=0-1",
        ] {
            let text = format!("userCertificate;range={range}");
            assert_eq!(Description::parse(&text), Some(Err(RangeError)), "{text}");
        }
    }
}
