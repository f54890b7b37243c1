//! Legacy Display Elements: hidden fields at the head of the text, for readers that do not know RFC 9788
//! (§2.1.2, §5.2.2 to §5.2.5), and their removal (§4.5.3).
//!
//! For payloads that are ours to write, and encrypted. Signed parts and attachments are never touched.

use std::io;
use std::io::Write;

use memchr::memchr2_iter;

use super::content_type;
use crate::address::words;
use crate::limits::Limits;
use crate::mime::Entity;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::MediaType;
use crate::mime::MimeError;
use crate::mime::TransferEncoding;
use crate::mime::Walk;
use crate::mime::base64;
use crate::mime::entity;
use crate::mime::media_type;
use crate::mime::quoted_printable;
use crate::mime::safe;
use crate::mime::walk::Structure;
use crate::mime::walk::Visit;
use crate::octets::Chain;
use crate::octets::Octets;
use crate::octets::View;

const PARAMETER: &str = "hp-legacy-display";

/// The class of the element in text/html (RFC 9788 §5.2.3).
const CLASS: &str = "header-protection-legacy-display";

/// Octets of a text that is read and written anew; what people wrote to be read is shorter.
const TEXT_OCTETS: u64 = 8 * 1024 * 1024;

/// Characters of a field that are shown.
const FIELD_CHARACTERS: usize = 800;

/// `payload`, an entity, with the fields `hidden` at the head of each main body part.
///
/// `hidden` are [`super::Composed::hidden`]. The payload itself where there is nothing to add, or no
/// text/plain or text/html that people read first. Texts over 8 MiB stay as they are.
pub fn add(payload: &View, hidden: &[Vec<u8>], limits: &Limits) -> Result<View, MimeError> {
    if hidden.is_empty() {
        return Ok(payload.clone());
    }
    rewrite(payload, limits, &|text| {
        if !text.is_main || text.is_marked() {
            return Ok(None);
        }
        let (element, charset) = text.element(hidden)?;
        let at = if text.is_html {
            start_of_body(&text.octets()?)
        } else {
            0
        };
        let at = u64::try_from(at).map_err(io::Error::other)?;
        let (before, after) = (text.body.slice(0..at), text.body.slice(at..text.body.len()));
        Ok(Some(Rewritten {
            body: Chain::of([before, View::owned(element.into_bytes()), after]),
            charset,
            mark: true,
        }))
    })
}

/// Whether the parameter's name stands anywhere in it, or across the end of a window.
fn may_be_marked(payload: &View) -> io::Result<bool> {
    let mut windows = 0_usize;
    let mut found = false;
    payload.windows(|window| {
        windows += 1;
        let is_mark = |octets: &[u8]| octets.eq_ignore_ascii_case(PARAMETER.as_bytes());
        found |= memchr2_iter(b'h', b'H', window)
            .any(|at| window.get(at..at + PARAMETER.len()).is_some_and(is_mark));
        Ok::<(), io::Error>(())
    })?;
    Ok(found || windows > 1)
}

/// `payload`, an entity, without its Legacy Display Elements; itself where there is none.
///
/// For content that was encrypted alone (RFC 9788 §4.5.3.1), and breaks every signature over it.
pub fn remove(payload: &View, limits: &Limits) -> Result<View, MimeError> {
    if !may_be_marked(payload)? {
        return Ok(payload.clone());
    }
    rewrite(payload, limits, &|text| {
        let octets = if !text.is_marked() {
            None
        } else if text.is_html {
            without_elements(&text.octets()?)
        } else {
            after_blank_line(&text.octets()?).map(<[u8]>::to_vec)
        };
        Ok(octets.map(|octets| Rewritten {
            body: View::owned(octets),
            charset: None,
            mark: false,
        }))
    })
}

/// A text/plain or text/html part, without its transfer encoding.
struct Text {
    body: View,
    media_type: MediaType,
    is_html: bool,
    /// Whether people read it first (RFC 9788 §5.2.4).
    is_main: bool,
}

/// What a text becomes.
struct Rewritten {
    body: View,
    /// Its charset, where that changes.
    charset: Option<&'static str>,
    /// Whether it has the parameter.
    mark: bool,
}

type Change<'a> = &'a dyn Fn(&Text) -> io::Result<Option<Rewritten>>;

impl Text {
    /// `None` for what is no text of ours, or cannot be read.
    fn of(visit: &Visit, is_main: bool) -> Result<Option<Self>, MimeError> {
        let entity = &visit.entity;
        let (Structure::Leaf, Ok(media_type)) = (&visit.structure, entity.media_type()) else {
            return Ok(None);
        };
        let is_html = media_type.is("text", "html");
        let charset = media_type.parameter("charset").unwrap_or_default();
        let wide = ["utf-16", "utf-32", "ucs", "iso-10646", "utf-7"];
        let charset = charset.to_ascii_lowercase();
        let unfit = wide.iter().any(|wide| charset.starts_with(wide))
            || !(is_html || media_type.is("text", "plain"))
            || entity.body.len() > TEXT_OCTETS;
        let Ok(encoding) = entity.header.transfer_encoding() else {
            return Ok(None);
        };
        if unfit {
            return Ok(None);
        }
        let body = if encoding.is_identity() {
            entity.body.clone()
        } else {
            let mut octets = Vec::new();
            match entity::decode(&entity.body, encoding, &mut octets) {
                Ok(()) => View::owned(octets),
                Err(error @ MimeError::Io(_)) => return Err(error),
                Err(_) => return Ok(None),
            }
        };
        Ok(Some(Self {
            body,
            media_type,
            is_html,
            is_main,
        }))
    }

    /// All of it, in memory.
    fn octets(&self) -> io::Result<Vec<u8>> {
        Ok(self.body.to_vec(usize::MAX)?.unwrap_or_default())
    }

    fn is_marked(&self) -> bool {
        self.media_type.parameter(PARAMETER) == Some("1")
    }

    /// The element of `hidden` in the charset of this text, and the charset that it needs instead.
    fn element(&self, hidden: &[Vec<u8>]) -> io::Result<(String, Option<&'static str>)> {
        let decoded = self.written(hidden, words::decode);
        if decoded.is_ascii() {
            return Ok((decoded, None));
        }
        let charset = self.media_type.parameter("charset").unwrap_or("us-ascii");
        if charset.eq_ignore_ascii_case("utf-8") {
            return Ok((decoded, None));
        }
        // ASCII is UTF-8 too; in other charsets the encoded words must do.
        if charset.eq_ignore_ascii_case("us-ascii") && is_ascii(&self.body)? {
            return Ok((decoded, Some("utf-8")));
        }
        let encoded = self.written(hidden, str::to_owned);
        Ok((encoded.replace(|c: char| !c.is_ascii(), "?"), None))
    }

    /// RFC 9788 §5.2.2 and §5.2.3.
    fn written(&self, hidden: &[Vec<u8>], read: fn(&str) -> String) -> String {
        let lines = hidden.iter().map(|field| {
            let unfolded = String::from_utf8_lossy(field).replace(['\r', '\n'], "");
            let shown: String = read(&unfolded)
                .chars()
                .filter(|c| !c.is_control())
                .take(FIELD_CHARACTERS)
                .collect();
            if self.is_html { escaped(&shown) } else { shown }
        });
        let lines = lines.collect::<Vec<_>>().join("\r\n");
        if self.is_html {
            format!("<div class=\"{CLASS}\">\r\n<pre>{lines}</pre></div>\r\n")
        } else {
            format!("{lines}\r\n\r\n")
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Walks over the texts of `payload`, and puts what `change` makes of each in its place.
fn rewrite(payload: &View, limits: &Limits, change: Change<'_>) -> Result<View, MimeError> {
    let mut walk = Walk::new(payload, limits);
    let mut path = MainPath::default();
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(visit) = walk.next() {
        let visit = visit?;
        let is_main = path.enter(&visit);
        if is_sealed(&visit) {
            walk.skip_inside();
            continue;
        }
        let Some(text) = Text::of(&visit, is_main)? else {
            continue;
        };
        if let Some(rewritten) = change(&text)? {
            pieces.push(payload.slice(at..visit.start));
            pieces.push(part(&visit.entity, &rewritten)?);
            at = visit.start + visit.entity.raw.len();
        }
    }
    if pieces.is_empty() {
        return Ok(payload.clone());
    }
    pieces.push(payload.slice(at..payload.len()));
    Ok(Chain::of(pieces))
}

/// What must keep its octets: signed and encrypted parts, and messages that are attached.
fn is_sealed(visit: &Visit) -> bool {
    let sealed = |media_type: MediaType| {
        media_type.is_multipart() && matches!(media_type.subtype(), "signed" | "encrypted")
    };
    matches!(visit.structure, Structure::Message) || visit.entity.media_type().is_ok_and(sealed)
}

/// The part with its new text, encoded as before where that can be.
fn part(entity: &Entity, rewritten: &Rewritten) -> Result<View, MimeError> {
    let before = entity.header.transfer_encoding()?;
    let encoding = if before == TransferEncoding::SevenBit && !is_ascii(&rewritten.body)? {
        TransferEncoding::QuotedPrintable
    } else {
        before
    };
    let mut part = Vec::new();
    for field in entity.header.fields() {
        if field.is("Content-Type") {
            part.extend_from_slice(&typed(&field, rewritten)?);
        } else if !(field.is("Content-Transfer-Encoding") && encoding != before) {
            part.extend_from_slice(&safe::field(field.raw()));
        }
    }
    if entity.header.first("Content-Type").is_none() {
        let charset = rewritten.charset.unwrap_or("us-ascii");
        let essence = format!("text/plain; charset={charset}");
        part.extend_from_slice(&content_type::field(&essence, PARAMETER, "1"));
    }
    if encoding != before {
        let line = format!("Content-Transfer-Encoding: {}\r\n", encoding.as_str());
        part.extend_from_slice(line.as_bytes());
    }
    part.extend_from_slice(b"\r\n");
    Ok(Chain::of([
        View::owned(part),
        encoded(&rewritten.body, encoding)?,
    ]))
}

fn typed(field: &Field<'_>, rewritten: &Rewritten) -> Result<Vec<u8>, MimeError> {
    if !rewritten.mark {
        return content_type::without_parameter(field, PARAMETER);
    }
    let marked = content_type::with_parameter(field, PARAMETER, "1")?;
    let Some(charset) = rewritten.charset else {
        return Ok(marked);
    };
    let limits = Limits::default();
    let (header, _) = Header::parse(&View::owned(marked.clone()), &limits)?;
    match header.first("Content-Type") {
        Some(field) => content_type::with_parameter(&field, "charset", charset),
        None => Ok(marked),
    }
}

fn encoded(body: &View, encoding: TransferEncoding) -> io::Result<View> {
    match encoding {
        TransferEncoding::Base64 => {
            let mut encoder = base64::Encoder::new(Vec::new());
            body.windows(|window| encoder.write_all(window))?;
            encoder.finish().map(View::owned)
        }
        TransferEncoding::QuotedPrintable => {
            let mut encoder = quoted_printable::Encoder::new(Vec::new());
            body.windows(|window| encoder.write_all(window))?;
            encoder.finish().map(View::owned)
        }
        TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => {
            Ok(body.clone())
        }
    }
}

fn is_ascii(body: &View) -> io::Result<bool> {
    let mut ascii = true;
    body.windows(|window| {
        ascii &= window.is_ascii();
        Ok::<(), io::Error>(())
    })?;
    Ok(ascii)
}

/// Where in the tree the walk is, and whether people read it first (RFC 9788 §5.2.4).
#[derive(Default)]
struct MainPath(Vec<Level>);

struct Level {
    main: bool,
    alternative: bool,
    children: usize,
}

impl MainPath {
    /// Goes to the entity of `visit`; whether it is a main body part, or holds one.
    fn enter(&mut self, visit: &Visit) -> bool {
        self.0.truncate(visit.depth);
        let main = match self.0.last_mut() {
            None => true,
            Some(parent) => {
                parent.children += 1;
                parent.main && (parent.alternative || parent.children == 1)
            }
        };
        let attached = visit
            .entity
            .header
            .first("Content-Disposition")
            .is_some_and(|field| {
                let disposition = media_type::parse_disposition(&field.text());
                disposition.map_or(true, |(kind, _)| kind != "inline")
            });
        let main = main && !attached;
        let media_type = visit.entity.media_type();
        self.0.push(Level {
            main,
            alternative: media_type.is_ok_and(|t| t.is("multipart", "alternative")),
            children: 0,
        });
        main
    }
}

/// What follows the first blank line (RFC 9788 §4.5.3.2); `None` without one.
fn after_blank_line(text: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() {
            return text.get(at..);
        }
    }
    None
}

/// The text without each `<div>` of our class (RFC 9788 §4.5.3.3); `None` without any.
///
/// Reads tags and nothing else of HTML, in one pass.
fn without_elements(text: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let (mut from, mut at) = (0, 0);
    // Where the element starts, and how many `<div>` are open in it.
    let mut element: Option<(usize, usize)> = None;
    let mut found = false;
    while let Some((start, end)) = next_tag(text, at) {
        let tag = text.get(start..end).unwrap_or_default();
        at = end;
        let opens = is_tag(tag, b"<div");
        match &mut element {
            None if opens && has_class(tag) => element = Some((start, 1)),
            None => {}
            Some((_, depth)) if opens => *depth += 1,
            Some((begin, depth)) if is_tag(tag, b"</div") => {
                *depth -= 1;
                if *depth == 0 {
                    kept.extend_from_slice(text.get(from..*begin).unwrap_or_default());
                    from = after_line_end(text, end);
                    (element, found) = (None, true);
                }
            }
            Some(_) => {}
        }
    }
    kept.extend_from_slice(text.get(from..).unwrap_or_default());
    found.then_some(kept)
}

/// `at`, or what follows the CRLF that stands there.
fn after_line_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    text.len() - rest.strip_prefix(b"\r\n").unwrap_or(rest).len()
}

/// Where the next tag starts and ends, from `at` on.
fn next_tag(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at + memchr::memchr(b'<', text.get(at..)?)?;
    let end = start + memchr::memchr(b'>', text.get(start..)?)? + 1;
    Some((start, end))
}

fn is_tag(tag: &[u8], name: &[u8]) -> bool {
    let (start, rest) = tag.split_at_checked(name.len()).unwrap_or_default();
    let ends = matches!(rest.first(), Some(b'>' | b'/'))
        || rest.first().is_some_and(u8::is_ascii_whitespace);
    start.eq_ignore_ascii_case(name) && ends
}

fn has_class(tag: &[u8]) -> bool {
    memchr::memmem::find(&tag.to_ascii_lowercase(), CLASS.as_bytes()).is_some()
}

/// Where the element goes: after `<body>`, else after the head, else at the start.
fn start_of_body(text: &[u8]) -> usize {
    let mut at = 0;
    let mut fallback = 0;
    while let Some((start, end)) = next_tag(text, at) {
        let tag = text.get(start..end).unwrap_or_default();
        at = end;
        if is_tag(tag, b"<body") {
            return after_line_end(text, end);
        }
        let early = [b"<html".as_slice(), b"</head", b"<!doctype"];
        if early.iter().any(|name| is_tag(tag, name)) {
            fallback = end;
        }
    }
    fallback
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> View {
        View::owned(text.as_bytes().to_vec())
    }

    fn text(view: &View) -> String {
        String::from_utf8(view.to_vec(usize::MAX).unwrap().unwrap()).unwrap()
    }

    fn hidden() -> Vec<Vec<u8>> {
        vec![
            b"Subject: Thursday's meeting\r\n".to_vec(),
            b"Cc: alice@example.net\r\n".to_vec(),
        ]
    }

    fn added(payload: &str) -> String {
        text(&add(&view(payload), &hidden(), &Limits::default()).unwrap())
    }

    fn removed(payload: &str) -> String {
        text(&remove(&view(payload), &Limits::default()).unwrap())
    }

    #[test]
    fn text_plain_begins_with_the_hidden_fields() {
        let payload = "Content-Type: text/plain; charset=UTF-8\r\n\r\nI think we should skip the meeting.\r\n";
        let with = added(payload);
        // RFC 9788 §5.2.2.
        assert_eq!(
            with,
            "Content-Type: text/plain; charset=UTF-8;\r\n hp-legacy-display=\"1\"\r\n\r\n\
             Subject: Thursday's meeting\r\nCc: alice@example.net\r\n\r\n\
             I think we should skip the meeting.\r\n"
        );
        assert!(removed(&with).ends_with("\r\n\r\nI think we should skip the meeting.\r\n"));
        assert!(!removed(&with).contains("hp-legacy-display"));
        assert_eq!(removed(payload), payload);
        assert_eq!(added(&with), with);
    }

    #[test]
    fn text_html_shows_them_first_in_its_body() {
        let payload = "Content-Type: text/html; charset=UTF-8\r\n\r\n\
            <html><head><title></title></head><body>\r\n<p>I think we should skip the meeting.</p>\r\n</body></html>\r\n";
        let with = added(payload);
        // RFC 9788 §5.2.3.
        assert!(with.ends_with(
            "<html><head><title></title></head><body>\r\n\
             <div class=\"header-protection-legacy-display\">\r\n\
             <pre>Subject: Thursday's meeting\r\nCc: alice@example.net</pre></div>\r\n\
             <p>I think we should skip the meeting.</p>\r\n</body></html>\r\n"
        ));
        assert!(removed(&with).ends_with(payload.split_once("\r\n\r\n").unwrap().1));
        let nested = "Content-Type: text/html; hp-legacy-display=1\r\n\r\n\
            a<DIV class='x header-protection-legacy-display'><div>b</div>c</div>d<div>e</div>";
        assert!(removed(nested).ends_with("\r\n\r\nad<div>e</div>"));
    }

    #[test]
    fn what_a_field_says_is_no_markup() {
        let hidden = [b"Subject: <script>&\r\n".to_vec()];
        let payload = view("Content-Type: text/html\r\n\r\n<p>x</p>\r\n");
        let with = text(&add(&payload, &hidden, &Limits::default()).unwrap());
        assert!(
            with.contains("<pre>Subject: &lt;script&gt;&amp;</pre></div>\r\n<p>x</p>"),
            "{with}"
        );
    }

    #[test]
    fn main_body_parts_alone_are_changed() {
        let payload = "Content-Type: multipart/mixed; boundary=m\r\n\r\n\
            --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
            --a\r\n\r\nmain plain\r\n--a\r\nContent-Type: text/html\r\n\r\nmain html\r\n--a--\r\n\
            --m\r\nContent-Type: text/plain\r\n\r\nsecond\r\n\
            --m\r\nContent-Type: message/rfc822\r\n\r\n\r\nforwarded\r\n--m--\r\n";
        let with = added(payload);
        assert_eq!(with.matches("hp-legacy-display").count(), 2);
        for unchanged in ["\r\n\r\nsecond\r\n", "\r\n\r\n\r\nforwarded"] {
            assert!(with.contains(unchanged), "{with}");
        }
        for payload in [
            "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nx\r\n",
            "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nx\r\n--s\r\n\r\ny\r\n--s--\r\n",
            "Content-Type: text/calendar\r\n\r\nx\r\n",
            "Content-Type: text/plain; charset=utf-16\r\n\r\nx\r\n",
        ] {
            assert_eq!(added(payload), payload);
        }
    }

    #[test]
    fn encodings_and_charsets_are_kept_where_they_can_be() {
        let hidden = [b"Subject: =?utf-8?Q?gr=C3=BCn?=\r\n".to_vec()];
        let with = |payload: &str| text(&add(&view(payload), &hidden, &Limits::default()).unwrap());
        let base64 = with(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n",
        );
        assert!(
            base64.ends_with("U3ViamVjdDogZ3LDvG4NCg0KeA==\r\n"),
            "{base64}"
        );
        let ascii = with("Content-Type: text/plain\r\n\r\nx\r\n");
        assert!(
            ascii.contains("charset=\"utf-8\"") && ascii.contains("Subject: gr=C3=BCn"),
            "{ascii}"
        );
        let latin = with("Content-Type: text/plain; charset=iso-8859-1\r\n\r\nx\r\n");
        assert!(
            latin.contains("\r\n\r\nSubject: =?utf-8?Q?gr=C3=BCn?=\r\n\r\nx"),
            "{latin}"
        );
    }
}
