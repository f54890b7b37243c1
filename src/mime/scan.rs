//! What octets there are in a body or message: 8bit, NUL, line ends of which kind, long lines.
//!
//! One pass at memory speed: counts first, and lines only as far as needed to see that none is long.

use std::io;
use std::io::Write;

use memchr::memchr;
use memchr::memchr_iter;
use memchr::memrchr;

use crate::octets::View;

/// Octets of a line without its end (RFC 5322 §2.1.1).
const LINE: u64 = 998;

/// Octets that are counted in one octet.
const BLOCK: usize = 240;

/// What some octets are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// CRLF.
    pub line_ends: u64,
    /// CR without LF.
    pub bare_carriage_returns: u64,
    /// LF without CR.
    pub bare_line_feeds: u64,
    /// Octets over 127.
    pub eight_bit: bool,
    /// Lines over 998 octets, whatever ends them.
    pub long_lines: bool,
    /// NUL.
    pub nul: bool,
}

impl Scan {
    /// Reads all of `view` once.
    pub fn of(view: &View) -> io::Result<Self> {
        let mut scanner = Scanner::default();
        view.windows(|window| {
            scanner.window(window);
            Ok::<_, io::Error>(())
        })?;
        Ok(scanner.finish())
    }

    /// Reads `octets` once.
    pub(super) fn of_octets(octets: &[u8]) -> Self {
        let mut scanner = Scanner::default();
        scanner.window(octets);
        scanner.finish()
    }

    /// 7bit, CRLF alone, lines within 998 octets, no NUL (RFC 8551 §3.1.3).
    #[must_use]
    pub fn is_transit_form(&self) -> bool {
        self.bare_line_feeds == 0 && self.is_transit_form_but_for_line_feeds()
    }

    /// As [`Scan::is_transit_form`], but lines may end with LF alone.
    #[must_use]
    pub fn is_transit_form_but_for_line_feeds(&self) -> bool {
        !(self.eight_bit || self.long_lines || self.nul) && self.bare_carriage_returns == 0
    }

    /// Whether every line end is LF, and there is one: how Unix stores mail.
    #[must_use]
    pub fn has_line_feeds_alone(&self) -> bool {
        self.bare_line_feeds > 0 && self.line_ends == 0 && self.bare_carriage_returns == 0
    }
}

/// Looks at what is written to it.
#[derive(Default)]
pub(super) struct Scanner {
    carriage_returns: u64,
    line_feeds: u64,
    pairs: u64,
    high: u8,
    nul: bool,
    long_lines: bool,
    last: u8,
    /// Octets since the last line feed.
    line: u64,
}

impl Scanner {
    fn window(&mut self, window: &[u8]) {
        let Some(first) = window.first() else {
            return;
        };
        let bare_before = self.line_feeds - self.pairs;
        self.count(&[self.last], &[*first]);
        let next = window.get(1..).unwrap_or_default();
        for (before, octets) in window.chunks(BLOCK).zip(next.chunks(BLOCK)) {
            self.count(before, octets);
        }
        if self.line_feeds - self.pairs == bare_before {
            self.crlf_lines(window);
        } else {
            self.mixed_lines(window);
        }
        self.last = *window.last().unwrap_or(first);
    }

    /// Counts in `octets`; `before` has the octet before each. At most [`BLOCK`] of them.
    fn count(&mut self, before: &[u8], octets: &[u8]) {
        let (mut high, mut nul, mut returns, mut feeds, mut pairs) = (0_u8, 0_u8, 0_u8, 0_u8, 0_u8);
        // No branches: the compiler makes vector instructions of it.
        for (before, octet) in before.iter().zip(octets) {
            high |= octet;
            nul |= u8::from(*octet == 0);
            returns += u8::from(*octet == b'\r');
            feeds += u8::from(*octet == b'\n');
            pairs += u8::from(*octet == b'\n') & u8::from(*before == b'\r');
        }
        self.high |= high;
        self.nul |= nul != 0;
        self.carriage_returns += u64::from(returns);
        self.line_feeds += u64::from(feeds);
        self.pairs += u64::from(pairs);
    }

    /// Every line feed has its CR: a stretch of 1,000 octets with one in it starts no long line.
    fn crlf_lines(&mut self, window: &[u8]) {
        let mut rest = window;
        while !self.long_lines && !rest.is_empty() {
            let room = usize::try_from((LINE + 2).saturating_sub(self.line)).unwrap_or(0);
            let stretch = rest.get(..room).unwrap_or(rest);
            match memrchr(b'\n', stretch) {
                Some(feed) => {
                    rest = rest.get(feed + 1..).unwrap_or_default();
                    self.line = 0;
                }
                None if stretch.len() == rest.len() => {
                    self.line += wide(rest.len());
                    rest = &[];
                }
                None => self.long_lines = true,
            }
        }
    }

    fn mixed_lines(&mut self, window: &[u8]) {
        let mut start = 0;
        let mut before = self.last;
        for feed in memchr_iter(b'\n', window) {
            let text = window.get(start..feed).unwrap_or_default();
            let end = text.last().copied().unwrap_or(before);
            let line = self.line + wide(text.len())
                - u64::from(end == b'\r' && self.line + wide(text.len()) > 0);
            self.long_lines |= line > LINE;
            self.line = 0;
            start = feed + 1;
            before = b'\n';
        }
        let rest = window.get(start..).unwrap_or_default();
        debug_assert!(memchr(b'\n', rest).is_none());
        self.line += wide(rest.len());
    }

    pub(super) fn finish(self) -> Scan {
        Scan {
            line_ends: self.pairs,
            bare_carriage_returns: self.carriage_returns - self.pairs,
            bare_line_feeds: self.line_feeds - self.pairs,
            eight_bit: self.high >= 128,
            long_lines: self.long_lines || self.line > LINE,
            nul: self.nul,
        }
    }
}

impl Write for Scanner {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.window(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;
    use crate::octets::WINDOW;

    /// The slow and plain way.
    fn naive(bytes: &[u8]) -> Scan {
        let text: Vec<&[u8]> = bytes.split_inclusive(|octet| *octet == b'\n').collect();
        let count = |keep: &dyn Fn(&&&[u8]) -> bool| wide(text.iter().filter(keep).count());
        let line_ends = count(&|line| line.ends_with(b"\r\n"));
        let returns = wide(bytes.iter().filter(|octet| **octet == b'\r').count());
        Scan {
            line_ends,
            bare_carriage_returns: returns - line_ends,
            bare_line_feeds: count(&|line| line.ends_with(b"\n")) - line_ends,
            eight_bit: !bytes.is_ascii(),
            long_lines: text.iter().any(|line| {
                let line = line
                    .strip_suffix(b"\n")
                    .map_or(*line, |l| l.strip_suffix(b"\r").unwrap_or(l));
                wide(line.len()) > LINE
            }),
            nul: bytes.contains(&0),
        }
    }

    #[test]
    fn octets_are_counted_as_in_the_plain_way() {
        let mut state = 1_u32;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..400 {
            let mut bytes = Vec::new();
            let ends: &[&[u8]] = &[
                b"\r\n",
                b"\n",
                b"\r",
                b"\r\r\n",
                b"\n\r",
                b"\0",
                "\u{e4}".as_bytes(),
            ];
            let kinds = if round % 2 == 0 { 1 } else { 7 };
            for _ in 0..random(40) {
                let length = if random(3) == 0 {
                    990 + random(14)
                } else {
                    random(200)
                };
                bytes.extend(std::iter::repeat_n(b'x', usize::try_from(length).unwrap()));
                bytes.extend_from_slice(ends[usize::try_from(random(kinds)).unwrap()]);
            }
            for view in both(&bytes) {
                assert_eq!(
                    Scan::of(&view).unwrap(),
                    naive(&bytes),
                    "{:?}",
                    String::from_utf8_lossy(&bytes)
                );
            }
        }
    }

    #[test]
    fn lines_are_measured_across_windows() {
        for (length, end) in [
            (998, "\r\n"),
            (999, "\r\n"),
            (998, "\n"),
            (999, "\n"),
            (998, ""),
            (999, ""),
            (999, "\r"),
            (998, "\r"),
        ] {
            for start in (WINDOW - 1003..WINDOW + 3).step_by(7) {
                let lines = "x\r\n".repeat(start / 3);
                let text = format!(
                    "{lines}{}{}{end}",
                    "y".repeat(start % 3),
                    "x".repeat(length - start % 3)
                );
                let scan = Scan::of(&View::owned(text.clone().into_bytes())).unwrap();
                assert_eq!(scan, naive(text.as_bytes()), "{length} {end:?} {start}");
            }
        }
    }
}
