//! Transit form: what every mail system passes on as it is (RFC 8551 §3.1, DESIGN decision 2).
//!
//! 7bit, CRLF, lines of at most 998 octets. What is signed must be in it, or the signature breaks on
//! the way. Header fields are not touched but Content-Transfer-Encoding; what is signed already, or
//! may not be encoded, is left as it is, and listed with the reason: the caller judges.

use std::io;
use std::io::Write;

use memchr::memchr_iter;

use super::MimeError;
use super::base64;
use super::entity::Entity;
use super::entity::decode;
use super::header::Header;
use super::header::TransferEncoding;
use super::quoted_printable;
use super::scan::Scan;
use super::walk::Structure;
use super::walk::Visit;
use super::walk::Walk;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;

const ENCODING_FIELD: &str = "Content-Transfer-Encoding";

/// Whether all of `view` is 7bit with CRLF line ends, lines within 998 octets, and no NUL.
pub fn is_transit_form(view: &View) -> io::Result<bool> {
    Ok(Scan::of(view)?.is_transit_form())
}

/// Writes `view`, an entity, in transit form to `out`; what could not be put into it is returned.
pub fn to_transit_form(
    view: &View,
    out: &mut dyn Write,
    limits: &Limits,
) -> Result<Vec<Left>, MimeError> {
    let plan = TransitPlan::of(view, limits)?;
    plan.write(out)?;
    Ok(plan.left)
}

/// What must be done to an entity so that it is in transit form. Can be written several times.
#[derive(Clone, Debug)]
pub struct TransitPlan {
    source: View,
    limits: Limits,
    /// What is not copied with CRLF line ends, in order.
    steps: Vec<Step>,
    left: Vec<Left>,
    changes: bool,
    /// Whether the source is in transit form as it is.
    in_form: bool,
}

/// A part that stays as it is although it is not in transit form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// Where it starts in the entity.
    pub start: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a part stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// RFC 6532 header, or one in an unknown charset: only its author can encode it.
    #[error("header has octets that are not ASCII")]
    EightBitHeader,
    /// The header has a long line, a stray CR, or a NUL.
    #[error("header has a line over 998 octets, a stray carriage return or a NUL")]
    HeaderLines,
    /// The body is not what its transfer encoding says.
    #[error("body is not the base64 or quoted-printable that it should be")]
    Malformed,
    /// Types that may not be encoded (RFC 2046 §5.2, RFC 3464 §2.1).
    #[error("media type may not be encoded")]
    NotEncodable,
    /// Text around the parts of a multipart.
    #[error("preamble or epilogue of a multipart is not 7bit")]
    Preamble,
    /// multipart/signed and multipart/encrypted: a change would break what they prove (RFC 1847 §2.1).
    #[error("part is signed or encrypted already")]
    Protected,
    /// A transfer encoding that RFC 2045 does not know, or several.
    #[error("transfer encoding is unknown")]
    UnknownEncoding,
    /// A media type or boundary that cannot be read.
    #[error("media type is unreadable")]
    Unreadable,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    start: u64,
    end: u64,
    action: Action,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    /// Encode octets in base64.
    Base64,
    /// A header that is to name this transfer encoding.
    Header(TransferEncoding),
    /// Encode text in quoted-printable.
    QuotedPrintable,
    /// Decode base64 and encode it again.
    Rewrap,
    /// Octets as they are.
    Verbatim,
}

impl TransitPlan {
    /// The plan for `view`, an entity. Reads it once where it is in transit form, else twice.
    ///
    /// Text parts get CRLF line ends, and quoted-printable where they need an encoding; others get
    /// base64 of their exact octets. Line feeds are line ends if all of the entity has no CR.
    pub fn of(view: &View, limits: &Limits) -> Result<Self, MimeError> {
        let scan = Scan::of(view)?;
        let mut planner = Planner {
            done: scan.is_transit_form(),
            line_feeds: scan.has_line_feeds_alone(),
            steps: Vec::new(),
            left: Vec::new(),
            composites: Vec::new(),
        };
        let mut walk = Walk::new(view, limits);
        while let Some(visit) = walk.next() {
            if !planner.visit(&visit?)? {
                walk.skip_inside();
            }
        }
        planner.relabel_composites();
        planner.steps.sort_by_key(|step| (step.start, step.end));
        let verbatim = |step: &Step| matches!(step.action, Action::Verbatim);
        Ok(Self {
            source: view.clone(),
            limits: *limits,
            in_form: scan.is_transit_form(),
            changes: scan.bare_line_feeds > 0 || !planner.steps.iter().all(verbatim),
            steps: planner.steps,
            left: planner.left,
        })
    }

    /// What stays out of transit form, in order. Empty when all of the result is in it.
    #[must_use]
    pub fn left(&self) -> &[Left] {
        &self.left
    }

    /// Whether the result differs from the entity, but for line feeds in parts that are left.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// Whether the entity is in transit form as it is, all of it.
    #[must_use]
    pub fn is_needless(&self) -> bool {
        self.in_form && !self.changes
    }

    /// Writes the result.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), MimeError> {
        let mut at = 0;
        for step in &self.steps {
            write_lines(&self.source.slice(at..step.start), out)?;
            self.write_step(step, out)?;
            at = step.end;
        }
        write_lines(&self.source.slice(at..self.source.len()), out)
    }

    fn write_step(&self, step: &Step, out: &mut dyn Write) -> Result<(), MimeError> {
        let part = self.source.slice(step.start..step.end);
        match step.action {
            Action::Base64 => {
                let mut encoder = base64::Encoder::new(out);
                part.windows(|window| encoder.write_all(window))?;
                encoder.finish()?;
            }
            Action::Header(encoding) => self.write_header(&part, encoding, out)?,
            Action::QuotedPrintable => {
                let mut encoder = quoted_printable::Encoder::new(out);
                part.windows(|window| encoder.write_all(window))?;
                encoder.finish()?;
            }
            Action::Rewrap => {
                let mut encoder = base64::Encoder::new(out);
                decode(&part, TransferEncoding::Base64, &mut encoder)?;
                encoder.finish()?;
            }
            Action::Verbatim => part.windows(|window| out.write_all(window))?,
        }
        Ok(())
    }

    /// Writes a header with its Content-Transfer-Encoding field replaced where it stands, or added
    /// at the end.
    fn write_header(
        &self,
        raw: &View,
        encoding: TransferEncoding,
        out: &mut dyn Write,
    ) -> Result<(), MimeError> {
        let (header, _) = Header::parse(raw, &self.limits)?;
        let new = format!("{ENCODING_FIELD}: {}\r\n", encoding.as_str());
        // All that is no field is the `From ` line of an mbox, and comes first.
        let fields: usize = header.fields().map(|field| field.raw().len()).sum();
        let mbox = header.raw_fields().len().saturating_sub(fields);
        write_octets(header.raw_fields().get(..mbox).unwrap_or_default(), out)?;
        let mut replaced = false;
        for field in header.fields() {
            if field.is(ENCODING_FIELD) {
                out.write_all(new.as_bytes())?;
                replaced = true;
            } else {
                write_octets(field.raw(), out)?;
                if !field.raw().ends_with(b"\n") {
                    out.write_all(b"\r\n")?;
                }
            }
        }
        if !replaced {
            out.write_all(new.as_bytes())?;
        }
        // A body that follows its fields without an empty line would else become a part of them.
        out.write_all(b"\r\n")?;
        Ok(())
    }
}

struct Planner {
    /// All of the entity is in transit form already; only labels may have to change.
    done: bool,
    line_feeds: bool,
    steps: Vec<Step>,
    left: Vec<Left>,
    /// Start, end of the header and end of each multipart and message that is labelled 8bit or binary.
    composites: Vec<(u64, u64, u64)>,
}

impl Planner {
    /// Plans for one entity; whether to go into it.
    fn visit(&mut self, visit: &Visit) -> Result<bool, MimeError> {
        let entity = &visit.entity;
        let end = visit.start + entity.raw.len();
        let body = end - entity.body.len();
        if is_protected(entity) {
            if !self.done && !self.is_safe(&Scan::of(&entity.raw)?) {
                self.leave(visit.start, end, visit.start, Reason::Protected);
            }
            return Ok(false);
        }
        self.header(entity, visit.start)?;
        let encoding = entity.header.transfer_encoding();
        match (&visit.structure, &encoding) {
            (Structure::Multipart(multipart), Ok(encoding)) if encoding.is_identity() => {
                for text in [&multipart.preamble, &multipart.epilogue] {
                    if !self.done && !Scan::of(text)?.is_transit_form_but_for_line_feeds() {
                        self.left.push(Left {
                            start: body,
                            reason: Reason::Preamble,
                        });
                    }
                }
                self.composite(*encoding, visit.start, body, end);
                Ok(true)
            }
            (Structure::Message, Ok(encoding)) => {
                self.composite(*encoding, visit.start, body, end);
                Ok(true)
            }
            (
                Structure::Leaf
                | Structure::Multipart(_)
                | Structure::Message
                | Structure::Unreadable(_),
                _,
            ) => {
                self.leaf(visit, encoding.ok(), body, end)?;
                Ok(false)
            }
        }
    }

    /// Whether a part can stay as it is, but for its line ends where the entity has LF alone.
    fn is_safe(&self, scan: &Scan) -> bool {
        scan.is_transit_form() || (self.line_feeds && scan.is_transit_form_but_for_line_feeds())
    }

    fn header(&mut self, entity: &Entity, start: u64) -> Result<(), MimeError> {
        let length = entity.raw.len() - entity.body.len();
        if self.done {
            return Ok(());
        }
        let scan = Scan::of(&entity.raw.slice(0..length))?;
        if scan.eight_bit {
            self.left.push(Left {
                start,
                reason: Reason::EightBitHeader,
            });
        }
        if scan.long_lines || scan.nul || scan.bare_carriage_returns > 0 {
            self.left.push(Left {
                start,
                reason: Reason::HeaderLines,
            });
        }
        Ok(())
    }

    fn composite(&mut self, encoding: TransferEncoding, start: u64, body: u64, end: u64) {
        if matches!(
            encoding,
            TransferEncoding::EightBit | TransferEncoding::Binary
        ) {
            self.composites.push((start, body, end));
        }
    }

    fn leaf(
        &mut self,
        visit: &Visit,
        encoding: Option<TransferEncoding>,
        body: u64,
        end: u64,
    ) -> Result<(), MimeError> {
        let entity = &visit.entity;
        let scan = if self.done {
            Scan::default()
        } else {
            Scan::of(&entity.body)?
        };
        let safe = scan.is_transit_form_but_for_line_feeds();
        let Some(encoding) = encoding else {
            if !self.is_safe(&scan) {
                self.leave(body, end, visit.start, Reason::UnknownEncoding);
            }
            return Ok(());
        };
        match encoding {
            TransferEncoding::Base64 | TransferEncoding::QuotedPrintable if safe => {}
            TransferEncoding::Base64 if decode(&entity.body, encoding, &mut io::sink()).is_ok() => {
                self.steps.push(Step {
                    start: body,
                    end,
                    action: Action::Rewrap,
                });
            }
            TransferEncoding::Base64 | TransferEncoding::QuotedPrintable => {
                self.leave(body, end, visit.start, Reason::Malformed);
            }
            TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => {
                let stays =
                    safe && (is_text(entity) || self.line_ends_are_no_data(encoding, &scan));
                if !stays {
                    self.encode(visit, &scan, body, end);
                } else if encoding != TransferEncoding::SevenBit {
                    // A mail system that cannot pass 8bit on goes by the label, not by the octets.
                    self.relabel(visit.start, body, TransferEncoding::SevenBit);
                }
            }
        }
        Ok(())
    }

    /// Whether the line feeds of a part that is no text, if any, are only how it is stored.
    fn line_ends_are_no_data(&self, encoding: TransferEncoding, scan: &Scan) -> bool {
        scan.bare_line_feeds == 0 || (self.line_feeds && encoding != TransferEncoding::Binary)
    }

    /// Encodes a leaf that has no encoding and needs one.
    fn encode(&mut self, visit: &Visit, scan: &Scan, body: u64, end: u64) {
        let entity = &visit.entity;
        let reason = match (&visit.structure, entity.media_type()) {
            (Structure::Unreadable(_), _) | (_, Err(_)) => Some(Reason::Unreadable),
            (_, Ok(media_type)) => (matches!(media_type.kind(), "message" | "multipart")
                && !media_type.subtype().starts_with("global"))
            .then_some(Reason::NotEncodable),
        };
        if let Some(reason) = reason {
            self.leave(body, end, visit.start, reason);
            return;
        }
        let (encoding, action) = if is_text(entity) && !scan.nul {
            (TransferEncoding::QuotedPrintable, Action::QuotedPrintable)
        } else {
            (TransferEncoding::Base64, Action::Base64)
        };
        self.relabel(visit.start, body, encoding);
        self.steps.push(Step {
            start: body,
            end,
            action,
        });
    }

    fn relabel(&mut self, start: u64, body: u64, encoding: TransferEncoding) {
        self.steps.push(Step {
            start,
            end: body,
            action: Action::Header(encoding),
        });
    }

    fn leave(&mut self, start: u64, end: u64, part: u64, reason: Reason) {
        self.left.push(Left {
            start: part,
            reason,
        });
        if !self.line_feeds {
            self.steps.push(Step {
                start,
                end,
                action: Action::Verbatim,
            });
        }
    }

    /// A multipart or message in which nothing is left is 7bit now (RFC 2045 §6.4).
    fn relabel_composites(&mut self) {
        for (start, body, end) in std::mem::take(&mut self.composites) {
            let first = self.left.partition_point(|left| left.start < start);
            if self.left.get(first).is_none_or(|left| left.start >= end) {
                self.relabel(start, body, TransferEncoding::SevenBit);
            }
        }
    }
}

/// Signed or encrypted by structure (RFC 1847). CMS in application/pkcs7-mime is not: its transfer
/// encoding is not part of what is signed.
fn is_protected(entity: &Entity) -> bool {
    entity.media_type().is_ok_and(|media_type| {
        media_type.is_multipart() && matches!(media_type.subtype(), "signed" | "encrypted")
    })
}

/// Whether its lines are lines of text, in a charset in which line ends are CR and LF.
fn is_text(entity: &Entity) -> bool {
    entity.media_type().is_ok_and(|media_type| {
        let charset = media_type
            .parameter("charset")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let wide = ["utf-16", "utf-32", "ucs-2", "ucs-4", "iso-10646-ucs"];
        let lines = matches!(media_type.kind(), "text" | "message" | "multipart");
        lines && !wide.iter().any(|wide| charset.starts_with(wide))
    })
}

fn write_octets(octets: &[u8], out: &mut dyn Write) -> Result<(), MimeError> {
    write_lines(&View::owned(octets.to_vec()), out)
}

/// Copies octets with LF alone made CRLF.
fn write_lines(view: &View, out: &mut dyn Write) -> Result<(), MimeError> {
    let mut last = 0;
    let mut converted = Vec::new();
    view.windows(|window| {
        converted.clear();
        let mut start = 0;
        for feed in memchr_iter(b'\n', window) {
            let text = window.get(start..feed).unwrap_or_default();
            if text.last().copied().unwrap_or(last) != b'\r' {
                converted.extend_from_slice(text);
                converted.push(b'\r');
                start = feed;
            }
        }
        last = window.last().copied().unwrap_or(last);
        // Where nothing changes, nothing is copied.
        if !converted.is_empty() {
            out.write_all(&converted)?;
        }
        Ok(out.write_all(window.get(start..).unwrap_or_default())?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;
    use crate::octets::Memory;

    fn transit(text: &[u8]) -> (Vec<u8>, Vec<Left>) {
        let [one, two] = both(text).map(|view| {
            let mut out = Vec::new();
            let left = to_transit_form(&view, &mut out, &Limits::default()).unwrap();
            (out, left)
        });
        assert_eq!(one, two);
        one
    }

    /// The decoded leaves; text, and all that is `stored` with LF, with CRLF.
    fn leaves(text: &[u8], stored: bool) -> Vec<Vec<u8>> {
        let view = View::owned(text.to_vec());
        let mut leaves = Vec::new();
        for visit in Walk::new(&view, &Limits::default()) {
            let entity = visit.unwrap().entity;
            if entity.media_type().unwrap().is_multipart()
                || entity.media_type().unwrap().is_message()
            {
                continue;
            }
            let decoded = entity
                .decoded(&Memory)
                .unwrap()
                .to_vec(usize::MAX)
                .unwrap()
                .unwrap();
            let mut lines = Vec::new();
            write_octets(&decoded, &mut lines).unwrap();
            leaves.push(if stored || is_text(&entity) {
                lines
            } else {
                decoded
            });
        }
        leaves
    }

    #[test]
    fn seven_bits_crlf_and_short_lines_are_transit_form() {
        let long = |length| format!("{}\r\n", "x".repeat(length));
        for (text, good) in [
            ("a\r\nb\r\n".to_owned(), true),
            ("a".to_owned(), true),
            (String::new(), true),
            (long(998), true),
            (long(999), false),
            ("a\nb".to_owned(), false),
            ("a\rb".to_owned(), false),
            ("a\r".to_owned(), false),
            ("a\0".to_owned(), false),
            ("ä".to_owned(), false),
        ] {
            assert_eq!(
                is_transit_form(&View::owned(text.clone().into_bytes())).unwrap(),
                good,
                "{text:?}"
            );
        }
    }

    #[test]
    fn only_what_must_change_changes() {
        let long = "x".repeat(999);
        #[rustfmt::skip]
        let entities: &[(&str, &str)] = &[
            // In transit form: nothing changes, whatever the labels.
            ("Content-Type:  text/plain\r\n\r\nx", "Content-Type:  text/plain\r\n\r\nx"),
            ("X:\ty\r\ncontent-transfer-encoding: 8BIT\r\nZ: a\r\n\r\nx\r\n", "X:\ty\r\nContent-Transfer-Encoding: 7bit\r\nZ: a\r\n\r\nx\r\n"),
            // Text.
            ("\r\nä", "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4"),
            ("A: b\r\nContent-Transfer-Encoding: 8bit\r\nC: d\r\n\r\nä\r\n.\r\n", "A: b\r\nContent-Transfer-Encoding: quoted-printable\r\nC: d\r\n\r\n=C3=A4\r\n=2E\r\n"),
            ("Content-Type: text/plain; charset=utf-16\r\n\r\nä", "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\nw6Q=\r\n"),
            ("Content-Type: text/plain\r\n\r\na\0", "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nYQA=\r\n"),
            // Line ends.
            ("A: b\n\nx\ny", "A: b\r\n\r\nx\r\ny"),
            ("A: b\r\n\r\nx\ny", "A: b\r\n\r\nx\r\ny"),
            ("Content-Type: a/b\n\nx\ny", "Content-Type: a/b\r\n\r\nx\r\ny"),
            ("Content-Type: a/b\r\n\r\nx\ny", "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\neAp5\r\n"),
            ("Content-Type: a/b\nContent-Transfer-Encoding: binary\n\nx\ny", "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\neAp5\r\n"),
            // What is encoded already.
            ("Content-Transfer-Encoding: base64\n\nYQ==\n", "Content-Transfer-Encoding: base64\r\n\r\nYQ==\r\n"),
            ("Content-Transfer-Encoding: base64\r\n\r\nY\rQ==\r\n", "Content-Transfer-Encoding: base64\r\n\r\nYQ==\r\n"),
            // Parts and messages.
            ("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npre\n--b\n\nä\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: s\nContent-Transfer-Encoding: 8bit\n\nö\n--b--\n",
             "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\npre\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: s\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=B6\r\n--b--\r\n"),
            // Signed already, and in transit form but for how it is stored.
            ("Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b--\n", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
            // No header, no empty line.
            ("ä", "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4"),
        ];
        for (entity, expected) in entities {
            let (result, left) = transit(entity.as_bytes());
            assert_eq!(String::from_utf8(result).unwrap(), *expected, "{entity:?}");
            assert_eq!(left, [], "{entity:?}");
        }
        let (result, _) = transit(format!("Content-Type: text/plain\r\n\r\n{long}\r\n").as_bytes());
        assert!(is_transit_form(&View::owned(result.clone())).unwrap());
        assert_eq!(leaves(&result, false), [format!("{long}\r\n").into_bytes()]);
    }

    #[test]
    fn what_may_not_change_is_left_with_its_reason() {
        for (entity, start, reason) in [
            (
                "A: b\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nä\r\n--b--\r\n",
                0,
                Reason::Protected,
            ),
            (
                "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\n--b--\r\n",
                0,
                Reason::Protected,
            ),
            (
                "Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--a\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\nä\r\n--a--\r\n",
                83,
                Reason::Protected,
            ),
            (
                "Content-Type: message/partial\r\n\r\nä",
                0,
                Reason::NotEncodable,
            ),
            ("Subject: ä\r\n\r\nx", 0, Reason::EightBitHeader),
            ("Subject: a\rb\r\n\r\nx", 0, Reason::HeaderLines),
            (
                "Content-Transfer-Encoding: x-uue\r\n\r\nä",
                0,
                Reason::UnknownEncoding,
            ),
            (
                "Content-Transfer-Encoding: base64\r\n\r\nä",
                0,
                Reason::Malformed,
            ),
            (
                "Content-Transfer-Encoding: quoted-printable\r\n\r\nä",
                0,
                Reason::Malformed,
            ),
            (
                "Content-Type: text/plain\r\nContent-Type: a/b\r\n\r\nä",
                0,
                Reason::Unreadable,
            ),
            (
                "Content-Type: multipart/mixed\r\n\r\nä",
                0,
                Reason::Unreadable,
            ),
            (
                "Content-Type: multipart/mixed; boundary=a\r\n\r\nä\r\n--a--\r\n",
                45,
                Reason::Preamble,
            ),
        ] {
            let (result, left) = transit(entity.as_bytes());
            assert_eq!(String::from_utf8(result).unwrap(), entity);
            assert_eq!(left, [Left { start, reason }], "{entity:?}");
        }
    }

    #[test]
    fn leaves_keep_what_they_encode_and_a_second_time_changes_nothing() {
        let mut state = 7_u32;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from((state >> 8) % below).unwrap()
        };
        let types = [
            "",
            "Content-Type: text/html\n",
            "Content-Type: application/x\n",
            "Content-Type: message/rfc822\n",
        ];
        let encodings = [
            "",
            "Content-Transfer-Encoding: 8bit\n",
            "Content-Transfer-Encoding: binary\n",
        ];
        let texts = [
            "x", "\n", " \n", "ä", "From x", "=", ".", "\n\n", "x\n.\n", "\t\n", "\u{1}",
        ];
        for round in 0..300 {
            let mut text = String::from(
                "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n",
            );
            for _ in 0..=random(4) {
                text.push_str("--b\n");
                text.push_str(types[random(4)]);
                text.push_str(encodings[random(3)]);
                text.push('\n');
                for _ in 0..random(30) {
                    text.push_str(texts[random(11)]);
                }
                if random(5) == 0 {
                    text.push_str(&"y".repeat(1_200));
                }
                text.push('\n');
            }
            text.push_str("--b--\n");
            if round % 2 == 0 {
                text = text.replace('\n', "\r\n");
            }
            let (once, left) = transit(text.as_bytes());
            let (twice, _) = transit(&once);
            assert_eq!(
                String::from_utf8_lossy(&twice),
                String::from_utf8_lossy(&once)
            );
            if left.is_empty() {
                assert!(is_transit_form(&View::owned(once.clone())).unwrap());
            }
            let stored = round % 2 == 1;
            let (before, after) = (leaves(text.as_bytes(), stored), leaves(&once, stored));
            assert_eq!(before.len(), after.len(), "{text:?}");
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(
                    String::from_utf8_lossy(before),
                    String::from_utf8_lossy(after),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn ten_thousand_parts_of_25_mb_take_seconds_at_most() {
        let text = format!("{}\u{e4}\r\n", "x".repeat(70)).repeat(33);
        let part = format!("--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
        let mut mail = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        mail.push_str(&part.repeat(10_000));
        mail.push_str("--b--\r\n");
        #[expect(clippy::disallowed_methods, reason = "measures")]
        let start = std::time::Instant::now();
        let view = View::owned(mail.into_bytes());
        let left = to_transit_form(&view, &mut io::sink(), &Limits::default()).unwrap();
        assert_eq!(left, []);
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    #[test]
    fn cut_bytes_never_panic() {
        let text = "Content-Type: multipart/mixed; boundary=\"b\"\r\nX: y\r\n\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nYWE=\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nA: ä\r\n\r\nö\n--b--\r\n".as_bytes();
        for start in 0..text.len() {
            for end in [
                text.len(),
                (start + text.len()) / 2,
                start + (text.len() - start) / 3,
            ] {
                let view = View::owned(text[start..end].to_vec());
                drop(to_transit_form(&view, &mut io::sink(), &Limits::default()));
            }
        }
    }
}
