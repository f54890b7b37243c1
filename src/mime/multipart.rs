//! The parts of a multipart body (RFC 2046 §5.1.1), as views of exact octets.
//!
//! A delimiter is a whole line: boundary, optional white space, line end. Lines that merely begin
//! with the boundary are content, and are reported, since readers differ about them.

use memchr::memmem;

use super::MimeError;
use super::window::Reader;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;

/// Octets of a boundary. RFC 2046 §5.1.1 says 70; longer ones are seen, and are as clear.
const BOUNDARY_OCTETS: usize = 200;

/// The pieces of a multipart body.
///
/// In order: preamble, then each part after its delimiter, then the close delimiter if `complete`,
/// then the epilogue. Joined they are the body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Multipart {
    /// What stands before the first delimiter; all of the body when there is none.
    pub preamble: View,
    /// The delimiters, one before each part, then the close delimiter. With the line end before
    /// each, which belongs to it, and the one after.
    pub delimiters: Vec<View>,
    /// The parts: header, empty line, body.
    pub parts: Vec<View>,
    /// What stands after the close delimiter.
    pub epilogue: View,
    /// Whether there is a close delimiter.
    pub complete: bool,
    /// Whether parts without a media type are messages (multipart/digest, RFC 2046 §5.1.5).
    pub digest: bool,
    /// What readers may differ about.
    pub defects: Vec<MultipartDefect>,
}

/// What is odd about a multipart. Offsets are from the start of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartDefect {
    /// A delimiter after the close delimiter: some readers go on there.
    DelimiterInEpilogue(u64),
    /// A line that begins with the boundary and is no delimiter: some readers take it for one.
    DoubtfulDelimiter(u64),
    /// The transfer encoding of a multipart must be none (RFC 2045 §6.4); this one is not, and is ignored.
    Encoded,
    /// There is no delimiter at all.
    NoDelimiter,
    /// There is no close delimiter.
    NotClosed,
    /// The protocol of a multipart/signed does not say S/MIME, as RFC 1847 §2.1 demands, though its
    /// signature is one.
    Protocol,
}

/// What a line that begins with the boundary is.
enum Line {
    Delimiter { close: bool, octets: usize },
    Other,
    Unknown,
}

impl Multipart {
    /// Splits `body` at `boundary`, in time that is linear in its length.
    ///
    /// Fails when there are more parts than `limits` allow.
    pub(super) fn split(body: &View, boundary: &str, limits: &Limits) -> Result<Self, MimeError> {
        let mut splitter = Splitter {
            body,
            limit: limits.parts,
            delimiters: Vec::new(),
            closed: false,
            defects: Vec::new(),
        };
        let needle = format!("\n--{boundary}");
        splitter.scan(needle.as_bytes())?;
        Ok(splitter.finish())
    }

    /// All pieces in the order of the body.
    pub fn pieces(&self) -> impl Iterator<Item = &View> {
        let parts = self.parts.iter().map(Some).chain(std::iter::repeat(None));
        let inner = self
            .delimiters
            .iter()
            .zip(parts)
            .flat_map(|(delimiter, part)| std::iter::once(delimiter).chain(part));
        std::iter::once(&self.preamble)
            .chain(inner)
            .chain(std::iter::once(&self.epilogue))
    }
}

/// Whether a line can begin with `boundary` and end after it.
pub(super) fn is_boundary(boundary: &str) -> bool {
    !boundary.is_empty()
        && boundary.len() <= BOUNDARY_OCTETS
        && !boundary.ends_with([' ', '\t'])
        && !boundary.chars().any(char::is_control)
}

struct Splitter<'a> {
    body: &'a View,
    limit: usize,
    /// Start and end of each.
    delimiters: Vec<(u64, u64)>,
    closed: bool,
    defects: Vec<MultipartDefect>,
}

impl Splitter<'_> {
    /// Finds every delimiter. `needle` is a line feed and the dash-boundary.
    fn scan(&mut self, needle: &[u8]) -> Result<(), MimeError> {
        let finder = memmem::Finder::new(needle);
        let mut reader = Reader::new(self.body);
        let start = reader.from(0, needle.len())?;
        if needle
            .get(1..)
            .is_some_and(|dashes| start.starts_with(dashes))
        {
            self.line(&mut reader, 0, needle.len() - 1)?;
        }
        let mut at = 0;
        loop {
            let window = reader.from(at, needle.len())?;
            let size = window.len();
            match finder.find(window) {
                Some(found) => {
                    let found = at + wide(found);
                    let line = self.line(&mut reader, found + 1, needle.len() - 1)?;
                    // The line end may be the one before the next delimiter.
                    at = found + 1 + wide(line.saturating_sub(1));
                }
                None if at + wide(size) >= self.body.len() => return Ok(()),
                None => at += wide((size + 1).saturating_sub(needle.len()).max(1)),
            }
        }
    }

    /// Takes the line at `at`, which begins with the dash-boundary; how many octets were seen.
    fn line(
        &mut self,
        reader: &mut Reader<'_>,
        at: u64,
        dashes: usize,
    ) -> Result<usize, MimeError> {
        let mut need = dashes + 256;
        let kind = loop {
            let octets = reader.from(at, need)?;
            let end = at + wide(octets.len()) >= self.body.len();
            match line_kind(octets.get(dashes..).unwrap_or_default(), end) {
                // More white space than a window holds is none that a mail system added.
                Line::Unknown if need < WINDOW => need = (2 * need).min(WINDOW),
                kind @ (Line::Delimiter { .. } | Line::Other | Line::Unknown) => break kind,
            }
        };
        match kind {
            Line::Delimiter { octets, .. } if self.closed => {
                self.defect(MultipartDefect::DelimiterInEpilogue(at));
                Ok(dashes + octets)
            }
            Line::Delimiter { close, octets } => {
                self.closed = close;
                let size = dashes + octets;
                let end = at + wide(size);
                let before = self.delimiters.last().map_or(0, |(_, end)| *end);
                self.delimiters
                    .push((line_end_before(reader, at, before)?, end));
                LimitError::check(
                    "number of parts",
                    self.delimiters.len() - usize::from(close),
                    self.limit,
                )?;
                Ok(size)
            }
            Line::Other | Line::Unknown => {
                self.defect(MultipartDefect::DoubtfulDelimiter(at));
                Ok(dashes)
            }
        }
    }

    /// Each kind is reported once.
    fn defect(&mut self, defect: MultipartDefect) {
        let kind = std::mem::discriminant(&defect);
        if self
            .defects
            .iter()
            .all(|known| std::mem::discriminant(known) != kind)
        {
            self.defects.push(defect);
        }
    }

    fn finish(mut self) -> Multipart {
        if self.delimiters.is_empty() {
            self.defect(MultipartDefect::NoDelimiter);
        } else if !self.closed {
            self.defect(MultipartDefect::NotClosed);
        }
        let all = self.body.len();
        let first = self.delimiters.first().map_or(all, |(start, _)| *start);
        let last = self.delimiters.last().map_or(all, |(_, end)| *end);
        let nexts = self.delimiters.iter().skip(1).map(|(start, _)| *start);
        let open_end = (!self.closed).then_some(all);
        let parts = self
            .delimiters
            .iter()
            .zip(nexts.chain(open_end))
            .map(|((_, end), next)| self.body.slice(*end..next))
            .collect();
        Multipart {
            preamble: self.body.slice(0..first),
            parts,
            delimiters: self
                .delimiters
                .iter()
                .map(|(start, end)| self.body.slice(*start..*end))
                .collect(),
            epilogue: if self.closed {
                self.body.slice(last..all)
            } else {
                self.body.slice(all..all)
            },
            complete: self.closed,
            digest: false,
            defects: self.defects,
        }
    }
}

/// Where the line end before `at` starts; not before `from`, where the last delimiter ends.
fn line_end_before(reader: &mut Reader<'_>, at: u64, from: u64) -> Result<u64, MimeError> {
    let start = at.saturating_sub(2).max(from);
    let window = reader.from(start, 2)?;
    let size = usize::try_from(at - start).unwrap_or(0);
    let before = window.get(..size).unwrap_or_default();
    let line_end = if before.ends_with(b"\r\n") {
        2
    } else {
        u64::from(before.ends_with(b"\n"))
    };
    Ok(at - line_end)
}

/// What follows the dash-boundary: `--` or not, white space, line end. `end`: nothing follows `octets`.
fn line_kind(octets: &[u8], end: bool) -> Line {
    if octets == b"-" && !end {
        return Line::Unknown;
    }
    let close = octets.starts_with(b"--");
    let padding = octets.get(if close { 2 } else { 0 }..).unwrap_or_default();
    let blanks = padding
        .iter()
        .take_while(|octet| matches!(octet, b' ' | b'\t'))
        .count();
    let rest = padding.get(blanks..).unwrap_or_default();
    let octets = octets.len() - rest.len();
    match rest {
        [b'\n', ..] => Line::Delimiter {
            close,
            octets: octets + 1,
        },
        [b'\r', b'\n', ..] => Line::Delimiter {
            close,
            octets: octets + 2,
        },
        [] | [b'\r'] if !end => Line::Unknown,
        [] => Line::Delimiter { close, octets },
        _ => Line::Other,
    }
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;

    fn text(view: &View) -> String {
        String::from_utf8(view.to_vec(usize::MAX).unwrap().unwrap()).unwrap()
    }

    /// Splits at boundary `b`, in memory and by windows, and checks that the pieces are the body.
    fn split(body: &str) -> Multipart {
        let [one, two] = both(body.as_bytes())
            .map(|view| Multipart::split(&view, "b", &Limits::default()).unwrap());
        let texts = |multipart: &Multipart| multipart.pieces().map(text).collect::<Vec<_>>();
        assert_eq!(texts(&one), texts(&two), "{body:?}");
        assert_eq!(
            (&one.defects, one.complete),
            (&two.defects, two.complete),
            "{body:?}"
        );
        assert_eq!(texts(&one).concat(), body);
        one
    }

    #[test]
    fn the_line_end_before_a_boundary_belongs_to_it() {
        for end in ["\n", "\r\n"] {
            let body = "pre|--b \t|A: b||one||--b||two|--b--  |epi|".replace('|', end);
            let multipart = split(&body);
            let parts: Vec<String> = multipart.parts.iter().map(text).collect();
            assert_eq!(
                parts,
                [format!("A: b{end}{end}one{end}"), format!("{end}two")]
            );
            assert_eq!(text(&multipart.preamble), "pre");
            assert_eq!(text(&multipart.delimiters[2]), format!("{end}--b--  {end}"));
            assert_eq!(text(&multipart.epilogue), format!("epi{end}"));
            assert!(multipart.complete && multipart.defects.is_empty());
        }
    }

    #[test]
    fn odd_bodies_are_split_and_reported() {
        use MultipartDefect as Defect;
        #[rustfmt::skip]
        let bodies: &[(&str, &[&str], bool, &[Defect])] = &[
            ("", &[], false, &[Defect::NoDelimiter]),
            ("x", &[], false, &[Defect::NoDelimiter]),
            ("--b", &[""], false, &[Defect::NotClosed]),
            ("--b--", &[], true, &[]),
            ("--b\n--b\n--b--", &["", ""], true, &[]),
            ("--b\n\n--b--", &[""], true, &[]),
            ("--b\nx\n--b", &["x", ""], false, &[Defect::NotClosed]),
            ("--b\nx", &["x"], false, &[Defect::NotClosed]),
            ("--b\nx\n--bc\ny\n--b--", &["x\n--bc\ny"], true, &[Defect::DoubtfulDelimiter(6)]),
            ("--b\nx\n--b-\n--b--\n", &["x\n--b-"], true, &[Defect::DoubtfulDelimiter(6)]),
            ("--b\nx\n--b--y\n--b--", &["x\n--b--y"], true, &[Defect::DoubtfulDelimiter(6)]),
            ("--b\nx\n--b\ry\n--b--", &["x\n--b\ry"], true, &[Defect::DoubtfulDelimiter(6)]),
            ("--b\nx --b\n--b--\n--b\ny", &["x --b"], true, &[Defect::DelimiterInEpilogue(16)]),
            ("--b\nx\r--b\n--b--", &["x\r--b"], true, &[]),
        ];
        for (body, parts, complete, defects) in bodies {
            let multipart = split(body);
            assert_eq!(
                multipart.parts.iter().map(text).collect::<Vec<_>>(),
                *parts,
                "{body:?}"
            );
            assert_eq!(
                (multipart.complete, multipart.defects.as_slice()),
                (*complete, *defects),
                "{body:?}"
            );
        }
    }

    #[test]
    fn delimiters_are_found_wherever_a_window_ends() {
        for shift in 0..12 {
            let filler = "x".repeat(WINDOW - 6 + shift);
            let multipart = split(&format!("--b\r\n{filler}\r\n--b\r\ny\r\n--b--\r\n"));
            assert_eq!(multipart.parts.len(), 2, "{shift}");
            let multipart = split(&format!(
                "--b\r\n{}\r\n--b{}\r\ny\r\n--b--\r\n",
                "x".repeat(60_000 + shift),
                " ".repeat(6_000)
            ));
            assert_eq!(multipart.parts.len(), 2, "{shift}");
        }
    }

    #[test]
    fn ten_thousand_parts_of_25_mb_take_less_than_a_second() {
        let part = format!("--b\r\n\r\n{}\r\n", "x".repeat(2_490));
        let mut body = part.repeat(10_000);
        body.push_str("--b--");
        for view in both(body.as_bytes()) {
            #[expect(clippy::disallowed_methods, reason = "measures")]
            let start = std::time::Instant::now();
            let multipart = Multipart::split(&view, "b", &Limits::default()).unwrap();
            assert_eq!(multipart.parts.len(), 10_000);
            assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
        }
        let outcome = Multipart::split(
            &View::owned(["--b\n"; 10_001].concat().into_bytes()),
            "b",
            &Limits::default(),
        );
        assert!(matches!(outcome, Err(MimeError::Limit(_))));
    }
}
