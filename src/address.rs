//! Mailboxes and domains: parsed at the edge, then compared as the RFCs compare.
//!
//! RFC 5321 §4.1.2 with RFC 6531 for envelopes; [`list`] reads address fields (RFC 5322 §3.4).
//! Domains are kept as A-labels (RFC 5890). Refuses what two readers could read as two addresses.

pub mod list;
mod token;
pub mod words;

use std::fmt;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr;

use idna::uts46::AsciiDenyList;
use idna::uts46::DnsLength;
use idna::uts46::Hyphens;
use idna::uts46::Uts46;

pub use list::Address;
pub use list::AddressError;
pub use list::AddressFault;
pub use list::AddressList;

/// Octets of a domain without its trailing dot (RFC 1035 §2.3.4).
const DOMAIN_OCTETS: usize = 253;

/// Octets of one label (RFC 1035 §2.3.4).
const LABEL_OCTETS: usize = 63;

/// Octets of a local part. RFC 5321 §4.5.3.1.1 says 64; variable envelope return paths and sender
/// rewriting make longer ones, and §4.5.3.1.3 gives the whole path 256.
const LOCAL_OCTETS: usize = 256;

/// A domain name as lower-case A-labels, or an address literal in brackets.
///
/// Equal when every label is, whatever the case, the trailing dot, or the form (A-label or U-label)
/// that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// Why a text is no domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// Nothing stands between two dots, or there is nothing at all.
    #[error("domain {0:?} has an empty label")]
    EmptyLabel(String),
    /// An ASCII character that no host name has, or a hyphen at an end of a label (RFC 5321 §4.1.2).
    #[error("domain {0:?} has a label that is not letters, digits and inner hyphens")]
    Label(String),
    /// In brackets stands neither an IPv4 nor an IPv6 address (RFC 5321 §4.1.3).
    #[error("address literal {0:?} is neither IPv4 nor IPv6")]
    Literal(String),
    /// A label over 63 octets, or a name over 253 (RFC 1035 §2.3.4).
    #[error("domain of {0} octets, or a label of it, is too long")]
    Long(usize),
    /// A label that is not valid under UTS 46, or not in its normal form, so that it could be taken
    /// for another.
    #[error("domain {0:?} has an internationalised label that is invalid or not in normal form")]
    NotNormal(String),
}

impl Domain {
    /// The domain that `text` names: A-labels, U-labels or an address literal, with or without a
    /// trailing dot.
    ///
    /// A U-label must be in the form that its own A-label decodes to, but for case: other forms
    /// (full-width letters, the ideographic full stop) look like one domain and go to another.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text.starts_with('[') {
            return Self::literal(text);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        // A U-label can be longer in UTF-8 than its A-label, but not eight times.
        if name.len() > 8 * DOMAIN_OCTETS {
            return Err(DomainError::Long(name.len()));
        }
        let ascii = if name.is_ascii() && !has_a_label(name) {
            name.to_ascii_lowercase()
        } else {
            a_labels(name)?
        };
        check_labels(&ascii)?;
        Ok(Self(ascii))
    }

    /// RFC 5321 §4.1.3; tagged literals of other kinds are not in use.
    fn literal(text: &str) -> Result<Self, DomainError> {
        let wrong = || DomainError::Literal(text.chars().take(LABEL_OCTETS).collect());
        let inner = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .ok_or_else(wrong)?;
        if let Ok(address) = inner.parse::<Ipv4Addr>() {
            return Ok(Self(format!("[{address}]")));
        }
        let tagged = inner
            .get(..5)
            .filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
        let address = tagged.and_then(|_| inner.get(5..)?.parse::<Ipv6Addr>().ok());
        Ok(Self(format!("[IPv6:{}]", address.ok_or_else(wrong)?)))
    }

    /// Lower-case A-labels without a trailing dot, or the literal with its brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with U-labels, to show to people. Never compare it.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        Uts46::new()
            .to_unicode(self.0.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow)
            .0
            .into_owned()
    }

    /// Whether it is an address in brackets, and so neither under a domain nor above one.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Its labels from left to right; a literal is one.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        let dot = if self.is_literal() { ']' } else { '.' };
        self.0.split_terminator(dot)
    }

    /// Whether it is `other` or stands under it, label by label (RFC 4343 §3).
    #[must_use]
    pub fn is_or_is_under(&self, other: &Self) -> bool {
        if self.is_literal() || other.is_literal() {
            return self == other;
        }
        let mut mine = self.labels().rev();
        other.labels().rev().all(|label| mine.next() == Some(label))
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn has_a_label(name: &str) -> bool {
    name.split('.').any(|label| {
        label
            .get(..4)
            .is_some_and(|p| p.eq_ignore_ascii_case("xn--"))
    })
}

/// Converts U-labels and validates A-labels (UTS 46, non-transitional).
fn a_labels(name: &str) -> Result<String, DomainError> {
    let wrong = || DomainError::NotNormal(name.chars().take(DOMAIN_OCTETS).collect());
    let uts46 = Uts46::new();
    let ascii = uts46
        .to_ascii(
            name.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::Allow,
            DnsLength::Ignore,
        )
        .map_err(|_| wrong())?;
    let (unicode, valid) = uts46.to_unicode(ascii.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    valid.map_err(|_| wrong())?;
    let lower = name.to_lowercase();
    let (read, ascii_labels) = (lower.split('.'), ascii.split('.'));
    let normal = read.clone().count() == ascii_labels.clone().count()
        && read
            .zip(ascii_labels.zip(unicode.split('.')))
            .all(|(read, (a_label, u_label))| read == a_label || read == u_label);
    if normal {
        Ok(ascii.into_owned())
    } else {
        Err(wrong())
    }
}

/// Letters, digits, hyphens; and the underscore, which hosts have in spite of RFC 1123 §2.1.
fn check_labels(ascii: &str) -> Result<(), DomainError> {
    if ascii.len() > DOMAIN_OCTETS || ascii.split('.').any(|label| label.len() > LABEL_OCTETS) {
        return Err(DomainError::Long(ascii.len()));
    }
    for label in ascii.split('.') {
        if label.is_empty() {
            return Err(DomainError::EmptyLabel(ascii.to_owned()));
        }
        let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !label.chars().all(host) || label.starts_with('-') || label.ends_with('-') {
            return Err(DomainError::Label(ascii.to_owned()));
        }
    }
    Ok(())
}

/// A mailbox: local part and domain.
///
/// Equality is that of RFC 5321 §2.4: the local part octet for octet, once quoting is removed, the
/// domain without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    local: String,
    domain: Domain,
}

/// Why a text is no mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// The part after the `@`.
    #[error("domain of the mailbox is not valid")]
    Domain(#[source] DomainError),
    /// The part before the `@` is empty, over 256 octets, or has what RFC 5321 §4.1.2 does not allow.
    #[error("local part {0:?} is not valid")]
    LocalPart(String),
    /// There is no `@` after the local part.
    #[error("mailbox {0:?} has no domain")]
    NoDomain(String),
}

impl Mailbox {
    /// The mailbox of `text` as it stands in an envelope, without angle brackets (RFC 5321 §4.1.2,
    /// RFC 6531 §3.3).
    pub fn parse(text: &str) -> Result<Self, MailboxError> {
        let (local, domain) = if text.starts_with('"') {
            quoted_local(text)?
        } else {
            let (local, domain) = text.split_once('@').ok_or_else(|| no_domain(text))?;
            if !is_dot_string(local) {
                return Err(wrong_local(local));
            }
            (local.to_owned(), domain)
        };
        Self::new(local, Domain::parse(domain).map_err(MailboxError::Domain)?)
    }

    /// The mailbox of a local part, without quoting, and a domain.
    ///
    /// Fails when the local part is empty, over 256 octets, or has a control character.
    pub fn new(local: String, domain: Domain) -> Result<Self, MailboxError> {
        if local.is_empty() || local.len() > LOCAL_OCTETS || local.chars().any(char::is_control) {
            return Err(wrong_local(&local));
        }
        Ok(Self { local, domain })
    }

    /// The local part without quoting.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether both name the same mailbox as RFC 5321 §2.4 has it: local part exact, domain
    /// without regard to case.
    #[must_use]
    pub fn same_mailbox(&self, other: &Self) -> bool {
        self == other
    }

    /// As [`Mailbox::same_mailbox`], but the case of ASCII letters in the local part does not count
    /// either: how names in certificates are compared (RFC 8550 §3).
    ///
    /// Local parts that are not ASCII are compared exactly (RFC 8398 §5).
    #[must_use]
    pub fn same_ignoring_case(&self, other: &Self) -> bool {
        self.domain == other.domain
            && (self.local == other.local
                || (self.local.is_ascii() && self.local.eq_ignore_ascii_case(&other.local)))
    }

    /// The same with the local part in lower case where it is ASCII: equal for two mailboxes exactly
    /// where [`Mailbox::same_ignoring_case`] holds.
    #[must_use]
    pub fn folded(&self) -> Self {
        let mut folded = self.clone();
        if folded.local.is_ascii() {
            folded.local.make_ascii_lowercase();
        }
        folded
    }

    /// Whether it is ASCII, so that no SMTPUTF8 is needed to reach it.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Mailbox {
    /// Quotes the local part where RFC 5321 §4.1.2 needs it, and nowhere else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            write!(f, "{}@{}", self.local, self.domain)
        } else {
            let escaped = self.local.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{escaped}\"@{}", self.domain)
        }
    }
}

/// Splits `"local"@domain`, and removes the quoting.
fn quoted_local(text: &str) -> Result<(String, &str), MailboxError> {
    let mut local = String::new();
    let mut rest = text.char_indices().skip(1);
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => {
                let domain = text.get(at + 1..).and_then(|rest| rest.strip_prefix('@'));
                return Ok((local, domain.ok_or_else(|| no_domain(text))?));
            }
            '\\' => local.extend(rest.next().map(|(_, c)| c)),
            _ => local.push(c),
        }
    }
    Err(no_domain(text))
}

fn no_domain(text: &str) -> MailboxError {
    MailboxError::NoDomain(text.chars().take(LOCAL_OCTETS).collect())
}

fn wrong_local(local: &str) -> MailboxError {
    MailboxError::LocalPart(local.chars().take(LOCAL_OCTETS).collect())
}

/// Dot-string of RFC 5321 §4.1.2: atoms with single dots between them.
fn is_dot_string(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(token::is_atext))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn domains_are_compared_without_case_trailing_dot_or_form() {
        assert_eq!(domain("A.Example."), domain("a.example"));
        assert_eq!(domain("bücher.example"), domain("XN--BCHER-KVA.example"));
        assert_eq!(domain("Bücher.example").as_str(), "xn--bcher-kva.example");
        assert_eq!(
            domain("xn--bcher-kva.example").to_unicode(),
            "bücher.example"
        );
    }

    #[test]
    fn a_subdomain_is_told_label_by_label() {
        assert!(domain("mail.A.example").is_or_is_under(&domain("a.example")));
        assert!(domain("a.example").is_or_is_under(&domain("a.example.")));
        assert!(!domain("xa.example").is_or_is_under(&domain("a.example")));
        assert!(!domain("example").is_or_is_under(&domain("a.example")));
        assert!(!domain("[192.0.2.1]").is_or_is_under(&domain("1")));
    }

    #[test]
    fn domains_that_could_be_taken_for_others_are_refused() {
        for text in [
            "",
            ".",
            "a..example",
            "-a.example",
            "a b.example",
            "a.example\0",
            "ａ.example",
            "a。example",
            "xn--a.example",
            "a\u{200b}b.example",
            "[192.0.2.256]",
            "[a.example]",
        ] {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
        assert!(Domain::parse(&format!("{}.example", "a".repeat(64))).is_err());
        assert!(Domain::parse(&"a.".repeat(130)).is_err());
    }

    #[test]
    fn address_literals_are_normalised() {
        assert_eq!(
            domain("[ipv6:2001:DB8:0::1]").as_str(),
            "[IPv6:2001:db8::1]"
        );
        assert_eq!(domain("[192.0.2.1]").as_str(), "[192.0.2.1]");
    }

    #[test]
    fn quoting_is_no_part_of_a_mailbox() {
        let plain = Mailbox::parse("john.doe@a.example").unwrap();
        assert_eq!(Mailbox::parse("\"john.d\\oe\"@A.Example.").unwrap(), plain);
        let odd = Mailbox::parse("\"a\\\"b @c\"@a.example").unwrap();
        assert_eq!(odd.local(), "a\"b @c");
        assert_eq!(odd.to_string(), "\"a\\\"b @c\"@a.example");
        assert_eq!(Mailbox::parse(&odd.to_string()).unwrap(), odd);
    }

    #[test]
    fn local_parts_are_exact_and_certificates_ignore_ascii_case() {
        let one = Mailbox::parse("Alice@a.example").unwrap();
        let two = Mailbox::parse("alice@A.EXAMPLE").unwrap();
        assert!(!one.same_mailbox(&two));
        assert!(one.same_ignoring_case(&two));
        let one = Mailbox::parse("Élodie@a.example").unwrap();
        let two = Mailbox::parse("élodie@a.example").unwrap();
        assert!(!one.same_ignoring_case(&two));
        assert!(!one.is_ascii());
    }

    #[test]
    fn malformed_mailboxes_are_refused() {
        for text in [
            "a",
            "@a.example",
            "a@",
            "a@b@c.example",
            "a b@c.example",
            ".a@c.example",
            "a..b@c.example",
            "\"a@c.example",
            "\"a\"b@c.example",
            "\"\"@c.example",
            "<a@c.example>",
            "a\r@c.example",
        ] {
            assert!(Mailbox::parse(text).is_err(), "{text:?}");
        }
    }
}
