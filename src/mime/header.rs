//! The header of a message or MIME entity: its fields in order, each with its exact octets.
//!
//! RFC 5322 §2.2 and RFC 2045. Ends at the first empty line, or at a line that is no field; what is
//! wrong and readable all the same is a [`Defect`], for the caller to judge.

use std::borrow::Cow;
use std::fmt;
use std::str;
use std::sync::OnceLock;

use memchr::memchr;
use memchr::memchr_iter;

use super::MimeError;
use super::media_type;
use super::media_type::MediaType;
use crate::address::Address;
use crate::address::AddressError;
use crate::address::AddressList;
use crate::address::words;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::length;

/// Octets that are read at first from what is not in memory; most headers of parts are shorter.
const FIRST_WINDOW: usize = 4096;

/// Fields that may stand once (RFC 5322 §3.6, RFC 2045 §3, RFC 2183 §2).
const ONCE: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Date",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-Description",
];

/// A header: its fields and what is wrong with it.
#[derive(Clone)]
pub struct Header {
    raw: Vec<u8>,
    spans: Vec<Span>,
    /// Where the fields end and the empty line, if any, starts.
    end: usize,
    defects: Vec<Defect>,
    /// What is asked for again and again.
    media_type: OnceLock<Option<MediaType>>,
}

/// Where a field lies in the raw header.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    name_end: usize,
    body: usize,
    end: usize,
}

/// What is wrong with a header that can be read all the same. Offsets are from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// A carriage return without line feed, which some readers take for a line end.
    BareCarriageReturn(usize),
    /// A continuation line of white space alone (obsolete), which some readers take for the end.
    BlankContinuation(usize),
    /// It begins with the `From ` line of an mbox (RFC 4155), which others than mbox readers do not know.
    MboxLine,
    /// Some lines end with CRLF, others with LF alone.
    MixedLineEnds(usize),
    /// A NUL.
    Nul(usize),
    /// The input ends before the empty line.
    NoEmptyLine,
    /// A line that is neither field nor continuation ends the header; it belongs to the body.
    NotAField(usize),
    /// A field that may stand once stands several times.
    Repeated {
        /// Its name.
        field: &'static str,
        /// How often it is there.
        count: usize,
    },
}

/// One field.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// ASCII: see `field_name`.
    name: &'a [u8],
    raw: &'a [u8],
    body: &'a [u8],
}

impl<'a> Field<'a> {
    /// Its name as it is written.
    #[must_use]
    pub fn name(&self) -> &'a str {
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// Whether that is its name, in whatever case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether it describes the body (RFC 2045 §9), and so goes inside with it.
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.name
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
    }

    /// The exact octets: name, colon, folding and line end.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The exact octets after the colon, with folding and line end.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The field body unfolded (RFC 5322 §2.2.3), without white space at its ends.
    #[must_use]
    pub fn value(&self) -> Cow<'a, [u8]> {
        let body = self.body.trim_ascii();
        if memchr(b'\n', body).is_none() {
            return Cow::Borrowed(body);
        }
        let mut value = Vec::with_capacity(body.len());
        for line in body.split_inclusive(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            value.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        }
        Cow::Owned(value)
    }

    /// As [`Field::value`], with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self.value() {
            Cow::Borrowed(value) => String::from_utf8_lossy(value),
            Cow::Owned(value) => Cow::Owned(String::from_utf8_lossy(&value).into_owned()),
        }
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the value: it may be plaintext.
        f.debug_struct("Field")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// Transfer encodings (RFC 2045 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// Short lines of US-ASCII; also what is meant where nothing is said.
    SevenBit,
    /// Short lines of any octets.
    EightBit,
    /// Any octets.
    Binary,
    /// Quoted-printable.
    QuotedPrintable,
    /// Base64.
    Base64,
}

impl TransferEncoding {
    /// Its name in the field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }

    /// Whether the body is what it says, without any encoding.
    #[must_use]
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

/// Every address of every From field, as needed to bind a signature to its originator.
///
/// Sender is no originator: a list or a secretary stands there, and no signature is bound to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FromAddresses {
    /// One entry for each From field, in order.
    pub from: Vec<Result<Vec<Address>, AddressError>>,
}

impl FromAddresses {
    /// The address, if there is one From field with one address in it, outside of any group.
    ///
    /// `None` is as likely an attack as an oddity: there is no From, or several readers would show
    /// several senders.
    #[must_use]
    pub fn sole(&self) -> Option<&Address> {
        match self.from.as_slice() {
            [Ok(addresses)] => match addresses.as_slice() {
                [address] if !address.in_group => Some(address),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Header {
    /// The header at the start of `view`, and where the body starts.
    ///
    /// Tolerates LF for CRLF. A first line `From ` of an mbox is passed over, and is part of the raw
    /// octets. Fails when the header is longer, or has more fields, than `limits` allow.
    pub fn parse(view: &View, limits: &Limits) -> Result<(Self, u64), MimeError> {
        // One octet more than allowed tells too long from just ending.
        let most = limits.header_octets.saturating_add(1);
        let mut size = if view.contiguous().is_some() {
            most
        } else {
            FIRST_WINDOW.min(most)
        };
        let scan = loop {
            let start = match view.contiguous() {
                Some(octets) => Cow::Borrowed(octets.get(..size).unwrap_or(octets)),
                None => {
                    let range = 0..u64::try_from(size).unwrap_or(u64::MAX);
                    Cow::Owned(view.slice(range).to_vec(size)?.unwrap_or_default())
                }
            };
            let all = length(&start) >= view.len();
            if let Some(scan) = Scan::of(&start, all, limits)? {
                break scan;
            }
            LimitError::check("octets of a header", size, limits.header_octets)?;
            size = size.saturating_mul(2).min(most);
        };
        LimitError::check(
            "octets of a header",
            scan.header.raw.len(),
            limits.header_octets,
        )?;
        let body = length(&scan.header.raw);
        Ok((scan.header, body))
    }

    /// The exact octets up to the body, the empty line included.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The exact octets of the fields and nothing else, but for the `From ` line of an mbox.
    #[must_use]
    pub fn raw_fields(&self) -> &[u8] {
        self.raw.get(..self.end).unwrap_or_default()
    }

    /// The empty line at its end: CRLF, LF, or nothing.
    #[must_use]
    pub fn empty_line(&self) -> &[u8] {
        self.raw.get(self.end..).unwrap_or_default()
    }

    /// What is wrong with it.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// All fields in order.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'_>> {
        self.spans.iter().map(|span| {
            let part = |start, end| self.raw.get(start..end).unwrap_or_default();
            Field {
                name: part(span.start, span.name_end),
                raw: part(span.start, span.end),
                body: part(span.body, span.end),
            }
        })
    }

    /// All fields of that name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = Field<'a>> {
        self.fields().filter(move |field| field.is(name))
    }

    /// The first field of that name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<Field<'_>> {
        self.fields().find(|field| field.is(name))
    }

    /// The exact octets of the fields that `choose` picks, in order.
    pub fn raw_of(&self, mut choose: impl FnMut(&Field<'_>) -> bool) -> Vec<u8> {
        let mut octets = Vec::new();
        for field in self.fields().filter(|field| choose(field)) {
            octets.extend_from_slice(field.raw());
        }
        octets
    }

    /// The only field of that name; fails when there are several.
    fn sole(&self, name: &'static str) -> Result<Option<Field<'_>>, MimeError> {
        match self.all(name).count() {
            0 | 1 => Ok(self.first(name)),
            count => Err(MimeError::Repeated { field: name, count }),
        }
    }

    /// The media type; `None` when none is given (RFC 2045 §5.2 has the default).
    ///
    /// Fails on several Content-Type fields, and on one that readers could read differently.
    pub fn media_type(&self) -> Result<Option<MediaType>, MimeError> {
        if let Some(known) = self.media_type.get() {
            return Ok(known.clone());
        }
        let parsed = self
            .sole("Content-Type")?
            .map(|field| MediaType::parse(&field.text()))
            .transpose()?;
        Ok(self.media_type.get_or_init(|| parsed).clone())
    }

    /// How the body is encoded; 7bit when nothing is said (RFC 2045 §6.1).
    ///
    /// Fails on several fields, and on an encoding that is not of RFC 2045.
    pub fn transfer_encoding(&self) -> Result<TransferEncoding, MimeError> {
        let Some(field) = self.sole("Content-Transfer-Encoding")? else {
            return Ok(TransferEncoding::SevenBit);
        };
        let text = field.text();
        let name = media_type::sole_token(&text).unwrap_or_default();
        [
            TransferEncoding::SevenBit,
            TransferEncoding::EightBit,
            TransferEncoding::Binary,
            TransferEncoding::QuotedPrintable,
            TransferEncoding::Base64,
        ]
        .into_iter()
        .find(|encoding| encoding.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| MimeError::TransferEncoding(text.chars().take(80).collect()))
    }

    /// The file name of Content-Disposition, else the name of Content-Type, decoded (RFC 2183
    /// §2.3, RFC 2231, and RFC 2047, which mailers use here against its §5).
    ///
    /// `None` too when the field that has it cannot be read.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.first("Content-Disposition").and_then(|field| {
            let (_, parameters) = media_type::parse_disposition(&field.text()).ok()?;
            parameters
                .into_iter()
                .find(|(name, _)| name == "filename")
                .map(|(_, value)| value)
        });
        let name = disposition.or_else(|| {
            let media_type = MediaType::parse(&self.first("Content-Type")?.text()).ok()?;
            media_type.parameter("name").map(str::to_owned)
        });
        name.map(|name| words::decode(&name))
    }

    /// Every address of every From field.
    #[must_use]
    pub fn from_addresses(&self) -> FromAddresses {
        let fields = self.all("From");
        let read = |field: Field<'_>| AddressList::parse(field.body());
        FromAddresses {
            from: fields.map(read).collect(),
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the values: they may be plaintext.
        f.debug_struct("Header")
            .field("fields", &self.spans.len())
            .field("defects", &self.defects)
            .finish_non_exhaustive()
    }
}

/// Reads a header from the start of a message.
struct Scan {
    header: Header,
    /// Whether the first line ended with CRLF.
    crlf: Option<bool>,
}

impl Scan {
    /// `None` when the header may go on beyond `octets`, which are not `all`.
    fn of(octets: &[u8], all: bool, limits: &Limits) -> Result<Option<Self>, MimeError> {
        let header = Header {
            raw: Vec::new(),
            spans: Vec::new(),
            end: 0,
            defects: Vec::new(),
            media_type: OnceLock::new(),
        };
        let mut scan = Self { header, crlf: None };
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(size) = memchr(b'\n', rest)
                .map(|end| end + 1)
                .or(all.then_some(rest.len()))
            else {
                return Ok(None);
            };
            let line = rest.get(..size).unwrap_or_default();
            if matches!(line, b"\n" | b"\r\n") {
                return Ok(Some(scan.end(octets, at, at + size)));
            }
            if !scan.line(line, at) {
                scan.header.defects.push(Defect::NotAField(at));
                return Ok(Some(scan.end(octets, at, at)));
            }
            LimitError::check(
                "number of header fields",
                scan.header.spans.len(),
                limits.header_fields,
            )?;
            at += size;
        }
        if !all {
            return Ok(None);
        }
        scan.header.defects.push(Defect::NoEmptyLine);
        Ok(Some(scan.end(octets, at, at)))
    }

    /// Takes one line, which is not empty; `false` when it is neither field nor continuation.
    fn line(&mut self, line: &[u8], at: usize) -> bool {
        let end = at + line.len();
        match (line.first(), self.header.spans.last_mut()) {
            (Some(b' ' | b'\t'), Some(span)) => {
                span.end = end;
                if line.trim_ascii().is_empty() {
                    self.defect(Defect::BlankContinuation(at));
                }
            }
            // White space before the colon makes it a field all the same (RFC 5322 §4.5).
            _ if at == 0 && line.starts_with(b"From ") && field_name(line).is_none() => {
                self.defect(Defect::MboxLine);
            }
            _ => match field_name(line) {
                Some((name, colon)) => self.header.spans.push(Span {
                    start: at,
                    name_end: at + name,
                    body: at + colon + 1,
                    end,
                }),
                None => return false,
            },
        }
        self.check_octets(line, at);
        true
    }

    /// Reports each kind of stray octet once.
    fn check_octets(&mut self, line: &[u8], at: usize) {
        let crlf = line.ends_with(b"\r\n");
        if line.ends_with(b"\n") && *self.crlf.get_or_insert(crlf) != crlf {
            self.defect(Defect::MixedLineEnds(at));
        }
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if let Some(bare) = memchr(b'\r', text) {
            self.defect(Defect::BareCarriageReturn(at + bare));
        }
        if let Some(nul) = memchr(0, text) {
            self.defect(Defect::Nul(at + nul));
        }
    }

    fn defect(&mut self, defect: Defect) {
        let kind = std::mem::discriminant(&defect);
        let defects = &mut self.header.defects;
        if defects
            .iter()
            .all(|known| std::mem::discriminant(known) != kind)
        {
            defects.push(defect);
        }
    }

    fn end(mut self, octets: &[u8], fields: usize, body: usize) -> Self {
        self.header.raw = octets.get(..body).unwrap_or_default().to_vec();
        self.header.end = fields;
        let mut counts = [0; ONCE.len()];
        for field in self.header.fields() {
            let known = ONCE.iter().zip(&mut counts);
            if let Some((_, count)) = known.into_iter().find(|(name, _)| field.is(name)) {
                *count += 1;
            }
        }
        for (field, count) in ONCE.iter().zip(counts) {
            if count > 1 {
                self.header.defects.push(Defect::Repeated { field, count });
            }
        }
        self
    }
}

/// Where the name of a field ends, and where its colon stands.
///
/// Printable ASCII but the colon (RFC 5322 §3.6.8); white space before the colon is obsolete (§4.5)
/// and read, since other readers do so and see a From there.
fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr_iter(b':', line).next()?;
    let name = line.get(..colon)?.trim_ascii_end();
    let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    valid.then_some((name.len(), colon))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;

    fn parse(text: &str) -> (Header, u64) {
        Header::parse(&View::owned(text.as_bytes().to_vec()), &Limits::default()).unwrap()
    }

    #[test]
    fn fields_keep_their_octets_and_are_unfolded() {
        let text = "From: a@b.example\r\nSubject:  one\r\n\ttwo \r\nX :y\r\n\r\nbody";
        for view in both(text.as_bytes()) {
            let (header, body) = Header::parse(&view, &Limits::default()).unwrap();
            assert_eq!(body, 49);
            let raw: Vec<u8> = header
                .fields()
                .flat_map(|field| field.raw().to_vec())
                .collect();
            assert_eq!(raw, header.raw_fields());
            assert_eq!(
                [header.raw_fields(), header.empty_line()].concat(),
                header.raw()
            );
            assert_eq!(header.first("SUBJECT").unwrap().text(), "one\ttwo");
            assert_eq!(header.first("x").unwrap().raw(), b"X :y\r\n");
            assert!(header.defects().is_empty(), "{:?}", header.defects());
        }
    }

    #[test]
    fn a_line_that_is_no_field_ends_the_header() {
        for (text, body, defect) in [
            ("A: b\nfoo\n\nx", 5, Some(Defect::NotAField(5))),
            (" A: b\n\nx", 0, Some(Defect::NotAField(0))),
            ("A\u{e4}: b\n\n", 0, Some(Defect::NotAField(0))),
            ("A: b\n", 5, Some(Defect::NoEmptyLine)),
            ("A: b", 4, Some(Defect::NoEmptyLine)),
            ("", 0, Some(Defect::NoEmptyLine)),
            ("\nA: b\n", 1, None),
            ("From a@b Thu Jan  1\nA: b\n\nx", 26, Some(Defect::MboxLine)),
            ("A: b\n \n\nx", 8, Some(Defect::BlankContinuation(5))),
            ("A: b\rc\n\nx", 8, Some(Defect::BareCarriageReturn(4))),
            ("A: b\0\n\nx", 7, Some(Defect::Nul(4))),
            ("A: b\r\nC: d\n\nx", 12, Some(Defect::MixedLineEnds(6))),
            (
                "To: a\nto: b\n\n",
                13,
                Some(Defect::Repeated {
                    field: "To",
                    count: 2,
                }),
            ),
        ] {
            let (header, at) = parse(text);
            assert_eq!(at, body, "{text:?}");
            assert_eq!(header.defects().first(), defect.as_ref(), "{text:?}");
        }
    }

    #[test]
    fn long_headers_and_many_fields_are_refused() {
        let limits = Limits {
            header_octets: 10_000,
            header_fields: 100,
            ..Limits::default()
        };
        let long = format!("A: {}\n\n", "b".repeat(10_000));
        let many = format!("{}\n", "A: b\n".repeat(101));
        let fits = format!("A: {}\n\n", "b".repeat(10_000 - 5));
        for (text, refused) in [(long, true), (many, true), (fits, false)] {
            for view in both(text.as_bytes()) {
                let outcome = Header::parse(&view, &limits);
                assert_eq!(
                    matches!(outcome, Err(MimeError::Limit(_))),
                    refused,
                    "{outcome:?}"
                );
            }
        }
    }

    #[test]
    fn file_names_come_from_disposition_then_type() {
        for (text, name) in [
            (
                "Content-Type: a/b; name=x.p7m\nContent-Disposition: attachment;\n filename=\"y z.p7m\"\n\n",
                Some("y z.p7m"),
            ),
            (
                "Content-Type: a/b; name=\"=?utf-8?Q?=C3=BC?=.p7m\"\n\n",
                Some("\u{fc}.p7m"),
            ),
            (
                "Content-Disposition: attachment; filename*=utf-8''%c3%bc.p7m; filename=u.p7m\n\n",
                Some("\u{fc}.p7m"),
            ),
            ("Content-Type: a/b\n\n", None),
        ] {
            assert_eq!(parse(text).0.file_name().as_deref(), name, "{text:?}");
        }
    }

    #[test]
    fn transfer_encodings_are_told() {
        for (text, encoding) in [
            ("\n", Some(TransferEncoding::SevenBit)),
            (
                "Content-Transfer-Encoding: BASE64 (x)\n\n",
                Some(TransferEncoding::Base64),
            ),
            ("Content-Transfer-Encoding: uuencode\n\n", None),
            (
                "Content-Transfer-Encoding: 7bit\nContent-transfer-encoding: base64\n\n",
                None,
            ),
        ] {
            assert_eq!(parse(text).0.transfer_encoding().ok(), encoding, "{text:?}");
        }
    }

    #[test]
    fn only_one_from_field_with_one_address_is_the_originator() {
        for (text, sole) in [
            ("From: Ann <a@b.example>\n\n", true),
            ("From: a@b.example\nFrom: c@d.example\n\n", false),
            ("From: a@b.example\nfrom : c@d.example\n\n", false),
            ("From: a@b.example, c@d.example\n\n", false),
            ("From: G: a@b.example;\n\n", false),
            ("To: a@b.example\n\n", false),
        ] {
            assert_eq!(
                parse(text).0.from_addresses().sole().is_some(),
                sole,
                "{text:?}"
            );
        }
    }

    #[test]
    fn content_fields_are_told_from_the_others() {
        let (header, _) =
            parse("MIME-Version: 1.0\nContent-Type: a/b\nFrom: x\nCONTENT-ID: <y>\n\n");
        assert_eq!(
            header.raw_of(|field| field.is_content()),
            b"Content-Type: a/b\nCONTENT-ID: <y>\n"
        );
    }
}
