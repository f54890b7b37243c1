//! The Authentication-Results field: ours is written, and forged ones are found (RFC 8601, RFC 7281).
//!
//! A field counts as claiming to be ours when any reading of its authserv-id does, strict or careless:
//! readers differ, and a forged one is worth the most where they do. Results of others are not read.

use std::fmt::Write;

use super::Field;
use super::unstructured;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::address::words;
use crate::octets::hex;

/// The name of the field.
pub const NAME: &str = "Authentication-Results";

/// Octets of a field that are looked at; with a longer start nobody has reached the identifier.
const LOOKED_AT: usize = 64 * 1024;

/// Comments within each other (as in address fields).
const COMMENT_DEPTH: usize = 16;

/// Octets of a value in a field that we write; more could not be folded within 998 octets.
const VALUE_OCTETS: usize = 800;

/// Who says what an Authentication-Results field says: the `authserv_id` of the configuration.
///
/// Equal in whatever case, and as A-labels or U-labels (RFC 8601 §2.5, §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthservId(String);

/// Why a text cannot be an authserv-id of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "authserv-id {0:?} is neither a domain nor another token of ASCII; give the name of this gateway"
)]
pub struct AuthservIdError(String);

/// Why a field that came with a message must not stay in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forged {
    /// Its authserv-id is ours, in one way to read it (RFC 8601 §5).
    Ours,
    /// It cannot be read, and ours could be meant.
    Unreadable,
    /// A version that nobody can know (RFC 8601 §5).
    Version,
}

impl AuthservId {
    /// The identifier that `text` names: a domain, or any token.
    pub fn parse(text: &str) -> Result<Self, AuthservIdError> {
        let wrong = || AuthservIdError(text.chars().take(100).collect());
        match normal(text) {
            Some(id) if id.len() <= 255 => Ok(Self(id)),
            _ => Err(wrong()),
        }
    }

    /// The identifier: A-labels in lower case where it is a domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `field` must be removed from a message that comes from outside, and why; `None` for
    /// fields of other names, and for those of others.
    #[must_use]
    pub fn forged(&self, field: &Field<'_>) -> Option<Forged> {
        if !field.is(NAME) {
            return None;
        }
        let text = field.text();
        let Some(text) = text.get(..text.floor_char_boundary(LOOKED_AT)) else {
            return Some(Forged::Unreadable);
        };
        if self.is_read_in(text) {
            return Some(Forged::Ours);
        }
        match start(text) {
            Some(start) => match start.version {
                None | Some("1") => None,
                Some(_) => Some(Forged::Version),
            },
            None => self.could_be_meant(text).then_some(Forged::Unreadable),
        }
    }

    fn is(&self, text: &str) -> bool {
        normal(text).is_some_and(|id| id == self.0)
    }

    /// Whether a strict reader, or one that knows no comments, quotes or encoded words, reads ours.
    fn is_read_in(&self, text: &str) -> bool {
        if start(text).is_some_and(|start| self.is(&start.id)) {
            return true;
        }
        let head = text.split(';').next().unwrap_or_default();
        let bare = without_comments(text);
        let bare = bare.split(';').next().unwrap_or_default();
        [head, bare, &words::decode(head)].into_iter().any(|head| {
            let unquoted = head.replace(['"', '\\'], "");
            let squeezed = unquoted.replace(char::is_whitespace, "");
            let mut words = unquoted.split(|c: char| c.is_whitespace() || "()<>,=/".contains(c));
            self.is(&squeezed) || words.any(|word| self.is(word))
        })
    }

    /// Whether ours stands anywhere in a field that has no one reading, or is hidden there by
    /// characters that are not ASCII.
    fn could_be_meant(&self, text: &str) -> bool {
        let shown = words::decode(text).to_lowercase();
        let dropped = |c: char| c.is_whitespace() || c.is_control() || "\"\\()".contains(c);
        let squeezed = shown.replace(dropped, "");
        squeezed.contains(&self.0) || !shown.is_ascii()
    }
}

/// Lower-case A-labels where `text` is a domain, else a token of ASCII in lower case.
fn normal(text: &str) -> Option<String> {
    if let Ok(domain) = Domain::parse(text) {
        return Some(domain.as_str().to_owned());
    }
    let token = !text.is_empty() && text.bytes().all(is_token);
    token.then(|| text.to_ascii_lowercase())
}

/// RFC 2045 §5.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// What stands before the first semicolon (RFC 8601 §2.2).
struct Start<'a> {
    id: String,
    version: Option<&'a str>,
}

/// `None` when it is not what RFC 8601 §2.2 says.
fn start(text: &str) -> Option<Start<'_>> {
    let rest = skip(text)?;
    let (id, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_value(quoted)?,
        None => {
            // A token, and what is in use beside: U-labels (RFC 8601 §2.5).
            let end = rest.find(|c: char| c.is_ascii() && !u8::try_from(c).is_ok_and(is_token));
            let (id, rest) = rest.split_at(end.unwrap_or(rest.len()));
            (id.to_owned(), rest)
        }
    };
    let valid = !id.is_empty() && (id.is_ascii() || Domain::parse(&id).is_ok());
    let rest = skip(rest)?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (version, rest) = rest.split_at(digits);
    let ends = skip(rest)?.chars().next().is_none_or(|c| c == ';');
    (valid && ends).then_some(Start {
        id,
        version: (!version.is_empty()).then_some(version),
    })
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// What follows white space and comments (RFC 5322 §3.2.2); `None` when a comment does not end.
fn skip(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    while rest.starts_with('(') {
        rest = rest.get(comment_length(rest)?..)?.trim_start();
    }
    Some(rest)
}

/// Octets of the comment at the start of `text`.
fn comment_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if quoted => quoted = false,
            '\\' => quoted = true,
            '(' if depth == COMMENT_DEPTH => return None,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// As a reader that deletes every comment first, wherever it stands.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// What was found about a signature (RFC 7281 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmimeOutcome {
    /// The signature does not verify.
    Fail,
    /// It cannot be parsed.
    Neutral,
    /// Nothing is signed.
    None,
    /// It verifies, and is the originator's.
    Pass,
    /// It will never be known, as when a certificate is missing for good.
    Permerror,
    /// It verifies, and the path or the name is not acceptable.
    Policy,
    /// It is not known for now, as when a revocation list is out of reach.
    Temperror,
}

impl SmimeOutcome {
    /// The word in the field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::Pass => "pass",
            Self::Permerror => "permerror",
            Self::Policy => "policy",
            Self::Temperror => "temperror",
        }
    }
}

/// Whom a signature is told by.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    /// body.smime-serial and body.smime-issuer (RFC 7281 §3.2.3): for domain signatures, which do not
    /// prove a user's address.
    Certificate {
        /// Octets of the serial number.
        serial: &'a [u8],
        /// The issuer's name as in RFC 4514.
        issuer: &'a str,
    },
    /// body.smime-identifier (RFC 7281 §3.2.2).
    Mailbox(&'a Mailbox),
}

/// One result of the method `smime`.
#[derive(Clone, Copy, Debug)]
pub struct SmimeResult<'a> {
    /// What was found.
    pub outcome: SmimeOutcome,
    /// Why, for people.
    pub reason: Option<&'a str>,
    /// Which part has the signature: an IMAP section, as in `1.2` (RFC 7281 §3.2.1).
    pub part: Option<&'a str>,
    /// Who signed.
    pub signer: Option<Signer<'a>>,
}

/// Our field, with CRLF, folded within 78 columns where values allow it.
///
/// `none` where there is no result (RFC 8601 §2.2). All of it is ASCII, whatever the values hold; what
/// cannot be written so is left out: an address that is not ASCII, an issuer over 800 octets.
#[must_use]
pub fn field(id: &AuthservId, results: &[SmimeResult<'_>]) -> String {
    let mut words = vec![format!("{};", value(&id.0))];
    if results.is_empty() {
        words.push("none".to_owned());
    }
    for (index, result) in results.iter().enumerate() {
        result.words(&mut words);
        if let Some(last) = words.last_mut().filter(|_| index + 1 < results.len()) {
            last.push(';');
        }
    }
    unstructured::folded(NAME, &words.join(" "))
}

impl SmimeResult<'_> {
    fn words(&self, words: &mut Vec<String>) {
        words.push(format!("smime={}", self.outcome.as_str()));
        if let Some(reason) = self.reason {
            let mut reason = ascii(reason);
            reason.truncate(VALUE_OCTETS / 2);
            words.push(format!("reason={}", quoted(&reason)));
        }
        match self.signer {
            Some(Signer::Mailbox(mailbox)) if mailbox.is_ascii() => {
                words.push(format!("body.smime-identifier={mailbox}"));
            }
            Some(Signer::Certificate { serial, issuer }) => {
                let issuer = quoted(&escaped(issuer));
                // RFC 7281 §3.2.3: both or neither.
                if issuer.len() <= VALUE_OCTETS {
                    words.push(format!("body.smime-serial={}", value(&hex(serial))));
                    words.push(format!("body.smime-issuer={issuer}"));
                }
            }
            Some(Signer::Mailbox(_)) | None => {}
        }
        let section = |part: &&str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
            !part.is_empty() && part.len() <= 100 && part.bytes().all(known)
        };
        if let Some(part) = self.part.filter(section) {
            words.push(format!("body.smime-part={}", value(part)));
        }
    }
}

/// A token where it is one, else quoted (RFC 2045 §5.1).
fn value(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(is_token) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Printable ASCII, quoted; runs of spaces are one, since folding stands at each.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let words: Vec<&str> = escaped.split(' ').filter(|word| !word.is_empty()).collect();
    format!("\"{}\"", words.join(" "))
}

/// Text for people: what is not printable ASCII becomes a question mark.
fn ascii(text: &str) -> String {
    let plain = |c: char| matches!(c, ' '..='~');
    text.chars()
        .map(|c| if plain(c) { c } else { '?' })
        .collect()
}

/// A name of RFC 4514 in ASCII: the octets of other characters in hexadecimal, as its §2.4 allows.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // A String takes whatever is written to it.
            let _ = write!(text, "\\{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::mime::Header;
    use crate::octets::View;

    fn forged(ours: &str, field: &str) -> Option<Forged> {
        let view = View::owned(format!("{field}\r\n\r\n").into_bytes());
        let (header, _) = Header::parse(&view, &Limits::default()).unwrap();
        let id = AuthservId::parse(ours).unwrap();
        id.forged(&header.fields().next().unwrap())
    }

    #[test]
    fn forged_fields_are_found_however_they_are_written() {
        for value in [
            " gw.a.example; smime=pass",
            "gw.a.example",
            "\r\n\tgw.a.example\r\n ; smime=pass",
            " (c) GW.A.Example (d (e)) 1 (f); smime=pass",
            " \"gw.a.example\"; none",
            " \"gw.a\\.example\" 1; none",
            " gw.a.example. ; none",
            " (gw.b.example;) gw.a.example; smime=pass",
            " gw.b.example (gw.a.example); smime=pass",
            " g(x)w.a.example; smime=pass",
            " gw.a.\r\n example; smime=pass",
            " =?utf-8?Q?gw.a.example?=; smime=pass",
            " gw.a.example/2; smime=pass",
            " gw.a.example 2; smime=pass",
        ] {
            let field = format!("authentication-results :{value}");
            assert_eq!(
                forged("gw.a.example", &field),
                Some(Forged::Ours),
                "{value:?}"
            );
        }
    }

    #[test]
    fn internationalised_names_are_compared_as_domains() {
        for value in [
            "gw.b\u{fc}cher.example",
            "GW.B\u{dc}CHER.example",
            "gw.xn--bcher-kva.EXAMPLE",
        ] {
            let field = format!("Authentication-Results: {value}; none");
            assert_eq!(forged("gw.b\u{fc}cher.example", &field), Some(Forged::Ours));
            assert_eq!(
                forged("gw.xn--bcher-kva.example", &field),
                Some(Forged::Ours)
            );
            assert_eq!(forged("gw.a.example", &field), None);
        }
        let wide = "Authentication-Results: \u{ff47}w.a.example; none";
        assert_eq!(forged("gw.a.example", wide), Some(Forged::Unreadable));
    }

    #[test]
    fn what_cannot_be_read_goes_where_ours_could_be_meant() {
        for (value, found) in [
            (
                "((gw.b.example; x gw.a.example; smime=pass",
                Some(Forged::Ours),
            ),
            ("\"x; gw.a.example; smime=pass", Some(Forged::Unreadable)),
            ("; gw.a.example; smime=pass", Some(Forged::Unreadable)),
            ("((gw.b.example; spf=pass", None),
            ("", None),
            ("mx.b.example 2; spf=pass", Some(Forged::Version)),
        ] {
            let field = format!("Authentication-Results: {value}");
            let want = match found {
                // The first is read as ours by whoever knows no comments only after a semicolon.
                Some(Forged::Ours) => Some(Forged::Unreadable),
                other => other,
            };
            assert_eq!(forged("gw.a.example", &field), want, "{value:?}");
        }
        let deep = format!(
            "Authentication-Results: {}gw.a.example; none",
            "(".repeat(50_000)
        );
        assert!(forged("gw.a.example", &deep).is_some());
    }

    #[test]
    fn fields_of_others_stay() {
        for field in [
            "Authentication-Results: mx.b.example; dkim=pass header.d=gw.a.example",
            "Authentication-Results: agw.a.example; smime=pass",
            "Authentication-Results: a.example 1; none",
            "Authentication-Results: \"mx b\"; none",
            "X-Authentication-Results: gw.a.example; smime=pass",
            "ARC-Authentication-Results: i=1; gw.a.example; smime=pass",
        ] {
            assert_eq!(forged("gw.a.example", field), None, "{field}");
        }
    }

    fn id() -> AuthservId {
        AuthservId::parse("gw.a.example").unwrap()
    }

    #[test]
    fn our_field_is_folded_and_names_the_signer() {
        let mailbox = Mailbox::parse("alice@a.example").unwrap();
        let domain = Signer::Certificate {
            serial: &[0x01, 0xab],
            issuer: "CN=Domain Certification Authority of the Example,O=An \"Example\\, Inc.\",C=DE",
        };
        let result = |outcome, signer| SmimeResult {
            outcome,
            reason: None,
            part: Some("1.2/1"),
            signer: Some(signer),
        };
        let results = [
            result(SmimeOutcome::Pass, domain),
            result(SmimeOutcome::Policy, Signer::Mailbox(&mailbox)),
        ];
        let field = field(&id(), &results);
        assert!(field.lines().all(|line| line.len() <= 78), "{field}");
        assert_eq!(
            field.replace("\r\n", ""),
            "Authentication-Results: gw.a.example; smime=pass body.smime-serial=01ab \
             body.smime-issuer=\"CN=Domain Certification Authority of the Example,O=An \
             \\\"Example\\\\, Inc.\\\",C=DE\" body.smime-part=\"1.2/1\"; smime=policy \
             body.smime-identifier=alice@a.example body.smime-part=\"1.2/1\""
        );
        assert_eq!(
            super::field(&id(), &[]),
            "Authentication-Results: gw.a.example; none\r\n"
        );
    }

    #[test]
    fn nothing_in_a_value_ends_the_field() {
        let quoted = Mailbox::parse("\"a b\\\";\"@a.example").unwrap();
        let wide = Mailbox::parse("\u{fc}@a.example").unwrap();
        let issuer = "CN=\u{fc}\r\nBcc: x\r\n\r\nbody";
        for signer in [
            Signer::Mailbox(&quoted),
            Signer::Mailbox(&wide),
            Signer::Certificate {
                serial: &[],
                issuer,
            },
            Signer::Certificate {
                serial: &[1; 2000],
                issuer: &"x".repeat(5000),
            },
        ] {
            let result = SmimeResult {
                outcome: SmimeOutcome::Fail,
                reason: Some("gr\u{fc}n\r\nBcc: y; smime=pass"),
                part: Some("1\r\nBcc: z"),
                signer: Some(signer),
            };
            let field = field(&id(), &[result]);
            assert!(field.is_ascii() && field.ends_with("\r\n"));
            let unfolded = field.trim_end().replace("\r\n ", " ");
            assert!(!unfolded.contains(['\r', '\n']), "{field:?}");
            assert!(field.lines().all(|line| line.len() <= 998));
            assert!(!field.contains("smime-part"));
        }
    }

    #[test]
    fn an_identifier_of_ours_is_a_token() {
        assert_eq!(
            AuthservId::parse("GW.B\u{fc}cher.example")
                .unwrap()
                .as_str(),
            "gw.xn--bcher-kva.example"
        );
        assert_eq!(
            AuthservId::parse("gateway-1").unwrap().as_str(),
            "gateway-1"
        );
        for text in ["", "a b", "a;b", "a\r\nb", "\u{fc} x"] {
            assert!(AuthservId::parse(text).is_err(), "{text:?}");
        }
    }
}
