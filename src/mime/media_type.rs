//! Media types and their parameters (RFC 2045 §5.1, RFC 2231), and Content-Disposition (RFC 2183).
//!
//! Lenient where all readers agree on the meaning, as in unquoted values with specials. Refuses a
//! parameter that is there twice with two values, and text that belongs to no parameter.

use std::sync::Arc;

use mail_parser::decoders::charsets::map::charset_decoder;

use super::MimeError;

/// Parameters of one field. RFC 2231 §3 splits a value in many; names of files are some ten.
const PARAMETERS: usize = 200;

/// Comments within each other.
const COMMENT_DEPTH: usize = 16;

const CONTENT_TYPE: &str = "Content-Type";

/// A media type with its parameters. Copies share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType(Arc<Parsed>);

#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    kind: String,
    subtype: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// The media type that an unfolded Content-Type field body gives.
    pub fn parse(value: &str) -> Result<Self, MimeError> {
        let fault = |reason| MimeError::field(CONTENT_TYPE, reason, value);
        let start = skip_comments(value).map_err(fault)?;
        let (kind, rest) = split_token(start);
        let rest = rest
            .strip_prefix('/')
            .ok_or_else(|| fault("no slash after the type"))?;
        let (subtype, rest) = split_token(rest);
        if kind.is_empty() || subtype.is_empty() {
            return Err(fault("type or subtype is empty"));
        }
        let parameters = parse_parameters(rest).map_err(fault)?;
        Ok(Self(Arc::new(Parsed {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            parameters,
        })))
    }

    /// `text/plain`, the default (RFC 2045 §5.2).
    #[must_use]
    pub fn text_plain() -> Self {
        Self(Arc::new(Parsed {
            kind: "text".to_owned(),
            subtype: "plain".to_owned(),
            parameters: Vec::new(),
        }))
    }

    /// `message/rfc822`, the default in a multipart/digest (RFC 2046 §5.1.5).
    #[must_use]
    pub fn message() -> Self {
        Self(Arc::new(Parsed {
            kind: "message".to_owned(),
            subtype: "rfc822".to_owned(),
            parameters: Vec::new(),
        }))
    }

    /// The top-level type, in lower case.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The subtype, in lower case.
    #[must_use]
    pub fn subtype(&self) -> &str {
        &self.0.subtype
    }

    /// Whether it is that type, given in lower case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.0.kind == kind && self.0.subtype == subtype
    }

    /// Whether it has parts.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.0.kind == "multipart"
    }

    /// Whether its body is a message with a header of its own (RFC 2046 §5.2.1, RFC 6532 §3.7).
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.0.kind == "message" && matches!(self.0.subtype.as_str(), "rfc822" | "global" | "news")
    }

    /// The value of a parameter, its name given in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.0
            .parameters
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// All parameters, their names in lower case.
    pub(super) fn parameters(&self) -> &[(String, String)] {
        &self.0.parameters
    }

    /// Type and subtype with a slash, without parameters.
    #[must_use]
    pub fn essence(&self) -> String {
        format!("{}/{}", self.0.kind, self.0.subtype)
    }
}

/// The disposition in lower case, and its parameters (RFC 2183 §2).
pub(super) fn parse_disposition(value: &str) -> Result<(String, Vec<(String, String)>), MimeError> {
    let fault = |reason| MimeError::field("Content-Disposition", reason, value);
    let (kind, rest) = split_token(skip_comments(value).map_err(fault)?);
    Ok((
        kind.to_ascii_lowercase(),
        parse_parameters(rest).map_err(fault)?,
    ))
}

/// The token that is the whole value but for comments and white space.
pub(super) fn sole_token(value: &str) -> Option<&str> {
    let (token, rest) = split_token(skip_comments(value).ok()?);
    skip_comments(rest)
        .ok()
        .filter(|rest| rest.is_empty())
        .map(|_| token)
}

/// One parameter as it is written: name, number of its section, whether it is extended, value.
struct Section {
    name: String,
    number: Option<u32>,
    extended: bool,
    value: String,
}

/// Reads `*(";" parameter)`, and puts continuations together.
fn parse_parameters(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut sections = Vec::new();
    let mut rest = skip_comments(text)?;
    while !rest.is_empty() {
        rest = skip_comments(rest.strip_prefix(';').ok_or("text follows a value")?)?;
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (section, after) = parse_section(rest)?;
        rest = after;
        sections.push(section);
        if sections.len() > PARAMETERS {
            return Err("too many parameters");
        }
    }
    join_sections(sections)
}

/// Reads one parameter; the rest starts at a semicolon or is empty, if all is well.
fn parse_section(text: &str) -> Result<(Section, &str), &'static str> {
    let (attribute, rest) = split_token(text);
    let rest = skip_comments(rest)?
        .strip_prefix('=')
        .ok_or("parameter without a value")?;
    let rest = skip_comments(rest)?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => split_quoted(quoted)?,
        None => {
            // Departs from RFC 2045 §5.1: specials such as `=` and `/` are read without quotes.
            let end = rest.find(|c: char| c.is_whitespace() || ";\"()\\".contains(c));
            let (value, rest) = rest.split_at(end.unwrap_or(rest.len()));
            (value.to_owned(), rest)
        }
    };
    let attribute = attribute.to_ascii_lowercase();
    let (attribute, extended) = match attribute.strip_suffix('*') {
        Some(attribute) => (attribute, true),
        None => (attribute.as_str(), false),
    };
    let (name, number) = match attribute.split_once('*') {
        Some((name, number)) => (
            name,
            Some(number.parse().map_err(|_| "section is no number")?),
        ),
        None => (attribute, None),
    };
    if name.is_empty() {
        return Err("parameter without a name");
    }
    let mut section = Section {
        name: name.to_owned(),
        number,
        extended,
        value,
    };
    let mut rest = skip_comments(rest)?;
    if !rest.starts_with(';') && !rest.is_empty() && matches!(name, "name" | "filename") {
        // `name=two words.pdf`: no reader can be deceived about more than a name.
        let (more, after) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        section.value = format!("{} {}", section.value, more.trim_end());
        rest = after;
    }
    Ok((section, rest))
}

/// Puts the sections of each parameter together (RFC 2231 §3, §4).
fn join_sections(mut sections: Vec<Section>) -> Result<Vec<(String, String)>, &'static str> {
    // Plain ones first, then the extended ones, then continuations in order.
    sections.sort_by(|a, b| (&a.name, a.number, a.extended).cmp(&(&b.name, b.number, b.extended)));
    let mut joined: Vec<(String, String)> = Vec::new();
    let mut rest = sections.as_slice();
    while let [first, ..] = rest {
        let group = rest
            .iter()
            .take_while(|s| s.name == first.name && s.number.is_some() == first.number.is_some());
        let (group, after) = rest.split_at_checked(group.count()).unwrap_or_default();
        rest = after;
        let values = match first.number {
            Some(_) => vec![(join_continuations(group)?, true)],
            None => group
                .iter()
                .map(|s| (plain_or_extended(s), s.extended))
                .collect(),
        };
        for (value, better) in values {
            match joined.iter_mut().find(|(name, _)| *name == first.name) {
                None => joined.push((first.name.clone(), value)),
                Some((_, known)) if *known == value => {}
                // An ASCII name beside the real one, for old readers (as RFC 6266 §4.3 has it).
                Some((name, known)) if better && matches!(name.as_str(), "name" | "filename") => {
                    *known = value
                }
                Some(_) => return Err("a parameter has two values"),
            }
        }
    }
    Ok(joined)
}

fn plain_or_extended(section: &Section) -> String {
    if section.extended {
        decode_extended(&section.value)
    } else {
        section.value.clone()
    }
}

/// Sections must be numbered from 0 without gaps; the first says the charset for all (RFC 2231 §4.1).
fn join_continuations(group: &[Section]) -> Result<String, &'static str> {
    let mut octets = Vec::new();
    let mut charset = "";
    for (expected, section) in (0_u32..).zip(group) {
        if section.number != Some(expected) {
            return Err("sections of a parameter are not numbered from 0");
        }
        let mut value = section.value.as_str();
        if section.extended {
            if expected == 0 {
                (charset, value) = split_charset(value);
            }
            octets.extend(percent_decode(value));
        } else {
            octets.extend_from_slice(value.as_bytes());
        }
    }
    Ok(to_text(charset, &octets))
}

fn decode_extended(value: &str) -> String {
    let (charset, value) = split_charset(value);
    to_text(charset, &percent_decode(value))
}

/// `charset'language'value`.
fn split_charset(value: &str) -> (&str, &str) {
    let mut fields = value.splitn(3, '\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(charset), Some(_), Some(value)) => (charset, value),
        _ => ("", value),
    }
}

fn to_text(charset: &str, octets: &[u8]) -> String {
    let utf8 = charset.is_empty() || charset.eq_ignore_ascii_case("utf-8");
    match charset_decoder(charset.as_bytes()).filter(|_| !utf8) {
        Some(decoder) => decoder(octets),
        None => String::from_utf8_lossy(octets).into_owned(),
    }
}

fn percent_decode(value: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(value.len());
    let mut pieces = value.split('%');
    octets.extend(pieces.next().unwrap_or_default().bytes());
    for piece in pieces {
        let octet = piece
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet {
            Some(octet) => {
                octets.push(octet);
                octets.extend(piece.bytes().skip(2));
            }
            None => {
                octets.push(b'%');
                octets.extend(piece.bytes());
            }
        }
    }
    octets
}

/// Splits off a token (RFC 2045 §5.1), which may be empty.
fn split_token(text: &str) -> (&str, &str) {
    let special = |c: char| !c.is_ascii_graphic() || "()<>@,;:\\\"/[]?=".contains(c);
    text.split_at(text.find(special).unwrap_or(text.len()))
}

/// Splits what follows the opening quote into value and rest.
fn split_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            _ => value.push(c),
        }
    }
    Err("quoted string is not closed")
}

/// What follows white space and comments (RFC 5322 §3.2.2).
fn skip_comments(text: &str) -> Result<&str, &'static str> {
    let mut rest = text.trim_start();
    while rest.starts_with('(') {
        let mut depth = 0_usize;
        let mut quoted = false;
        let end = rest.find(|c| {
            match c {
                _ if quoted => quoted = false,
                '\\' => quoted = true,
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 || depth > COMMENT_DEPTH
        });
        let end = end
            .filter(|_| depth == 0)
            .ok_or("comment is not closed, or nested too deep")?;
        rest = rest.get(end + 1..).unwrap_or_default().trim_start();
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: &str, name: &str) -> Option<String> {
        let media_type = MediaType::parse(value).unwrap_or_else(|error| panic!("{error}"));
        media_type.parameter(name).map(str::to_owned)
    }

    #[test]
    fn types_and_parameters_are_read() {
        for (value, name, expected) in [
            (
                "text/plain; charset=us-ascii (Plain text)",
                "charset",
                Some("us-ascii"),
            ),
            (
                "(a) TEXT/Plain (b(c)) ; (d) Charset = \"us-\\\\ascii\" ;",
                "charset",
                Some("us-\\ascii"),
            ),
            (
                "multipart/mixed; boundary=----=_Part_1?2/3",
                "boundary",
                Some("----=_Part_1?2/3"),
            ),
            (
                "multipart/mixed; boundary=\"a;b\"; x=y",
                "boundary",
                Some("a;b"),
            ),
            ("multipart/mixed;;boundary=a", "boundary", Some("a")),
            (
                "a/b; name=two words.pdf; x=y",
                "name",
                Some("two words.pdf"),
            ),
            ("a/b; x=y", "name", None),
            // RFC 2231 §3 and §4.1.
            (
                "message/external-body; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu\"",
                "url",
                Some("ftp://cs.utk.edu"),
            ),
            (
                "a/x; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
                "title",
                Some("This is ***fun***"),
            ),
            (
                "a/x; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*0*=us-ascii'en'This%20is%20even%20more%20; title*2=\"isn't it!\"",
                "title",
                Some("This is even more ***fun*** isn't it!"),
            ),
            ("a/x; name*=iso-8859-1''%e4; name=a", "name", Some("ä")),
            ("a/x; boundary=a; boundary=a", "boundary", Some("a")),
        ] {
            assert_eq!(parameter(value, name).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn what_readers_could_read_differently_is_refused() {
        for value in [
            "",
            "text",
            "text/",
            "/plain",
            "text/plain charset=x",
            "text/plain; charset",
            "text/plain; =x",
            "multipart/mixed; boundary=a; boundary=b",
            "multipart/mixed; boundary=a; BOUNDARY*=''b",
            "multipart/mixed; boundary=a; boundary*0=b",
            "multipart/mixed; boundary*0=a; boundary*2=b",
            "multipart/mixed; boundary*0=a; boundary*0=b",
            "multipart/mixed; boundary=a b",
            "multipart/mixed; boundary=a(b)c",
            "multipart/mixed; boundary=\"a",
            "text/plain (a",
            "text/plain, text/html",
        ] {
            assert!(MediaType::parse(value).is_err(), "{value:?}");
        }
        assert!(MediaType::parse(&format!("a/b {}", "(".repeat(100_000))).is_err());
        assert!(MediaType::parse(&format!("a/b {}", "; x=y".repeat(201))).is_err());
    }
}
