//! Safe to hand on: no bare CR or LF, no NUL, no line over 998 octets (RFC 5321 §2.3.8, RFC 5322 §2.1.1).
//!
//! For what came out of a decrypted layer, which no mail system has looked at: a bare CR or LF is one
//! system's end of DATA and another's text. Parts are encoded where they may be ([`super::transit`]);
//! what may not is swept octet by octet, and listed: where it was signed, the signature breaks.

use std::borrow::Cow;
use std::io;
use std::io::Write;

use super::MimeError;
use super::scan::Scan;
use super::scan::Scanner;
use super::transit::Left;
use super::transit::Reason;
use super::transit::TransitPlan;
use crate::limits::Limits;
use crate::octets::View;

/// Octets of a line without its end (RFC 5322 §2.1.1).
const LINE: usize = 998;

/// What must be done to an entity so that it can be handed on. Can be written several times.
#[derive(Clone, Debug)]
pub struct SafePlan {
    source: View,
    /// `None` when the entity is safe as it is.
    transit: Option<TransitPlan>,
    /// Whether something is left that must be swept.
    sweeps: bool,
}

impl SafePlan {
    /// The plan for `view`, an entity. Reads it once where it is safe as it is; 8bit is safe.
    ///
    /// Fails on a passed bound, and where the octets cannot be read.
    pub fn of(view: &View, limits: &Limits) -> Result<Self, MimeError> {
        if is_safe(&Scan::of(view)?) {
            return Ok(Self {
                source: view.clone(),
                transit: None,
                sweeps: false,
            });
        }
        let transit = TransitPlan::of(view, limits)?;
        let mut scanner = Scanner::default();
        transit.write(&mut scanner)?;
        Ok(Self {
            source: view.clone(),
            transit: Some(transit),
            sweeps: !is_safe(&scanner.finish()),
        })
    }

    /// Whether the result differs from the entity.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.transit.is_some()
    }

    /// The parts that cannot be encoded and are swept: stray CR and NUL become spaces, long lines are
    /// broken. Empty when encoding was enough.
    pub fn swept(&self) -> impl Iterator<Item = &Left> {
        let left = self.transit.iter().flat_map(TransitPlan::left);
        // 8bit alone is no danger to the next hop, and is not swept.
        left.filter(|left| self.sweeps && left.reason != Reason::EightBitHeader)
    }

    /// Whether a part that is signed or encrypted is unsafe, so that handing it on breaks what it
    /// proves. The caller may prefer to deliver the message as it came.
    #[must_use]
    pub fn breaks_signatures(&self) -> bool {
        self.swept().any(|left| left.reason == Reason::Protected)
    }

    /// Writes the result.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), MimeError> {
        match &self.transit {
            None => self
                .source
                .windows(|window| out.write_all(window).map_err(MimeError::from)),
            Some(transit) if self.sweeps => {
                let mut sweeper = Sweeper::new(out);
                transit.write(&mut sweeper)?;
                sweeper.finish().map(drop).map_err(MimeError::from)
            }
            Some(transit) => transit.write(out),
        }
    }
}

/// Whether what `scan` saw can be handed on.
fn is_safe(scan: &Scan) -> bool {
    !(scan.nul || scan.long_lines) && scan.bare_carriage_returns == 0 && scan.bare_line_feeds == 0
}

/// A header field that can be handed on, with CRLF at its end; borrowed where it was safe already.
///
/// Its value is the same where only line ends were wrong or a long line has white space to fold at;
/// else stray octets become spaces, and a space is put in after 998 octets, as Postfix does. Lines of
/// white space alone are left out, which some readers take for the end of the header (RFC 5322 §4.2).
#[must_use]
pub fn field(raw: &[u8]) -> Cow<'_, [u8]> {
    let scan = Scan::of_octets(raw);
    let lines = |octets| <[u8]>::split_inclusive(octets, |octet| *octet == b'\n');
    let is_blank = |line: &&[u8]| line.trim_ascii().is_empty();
    if is_safe(&scan) && raw.ends_with(b"\r\n") && !lines(raw).any(|line| is_blank(&line)) {
        return Cow::Borrowed(raw);
    }
    let swept = swept(raw);
    let mut safe: Vec<u8> = lines(&swept)
        .filter(|line| !is_blank(line))
        .collect::<Vec<_>>()
        .concat();
    if !safe.ends_with(b"\r\n") {
        safe.extend_from_slice(b"\r\n");
    }
    Cow::Owned(safe)
}

/// `octets` as [`Sweeper`] writes them.
fn swept(octets: &[u8]) -> Vec<u8> {
    let mut sweeper = Sweeper::new(Vec::new());
    sweeper.sweep(octets);
    sweeper.end();
    sweeper.done
}

/// Makes lines safe whatever they are: header, text or what should have been base64.
///
/// A stray CR or NUL becomes a space and never a line end or nothing: neither may make a field out of
/// what was none when the message was judged. LF alone becomes CRLF, as all our parsers read it.
struct Sweeper<W: Write> {
    sink: W,
    line: Vec<u8>,
    /// A CR came last, and what follows says what it is.
    carriage_return: bool,
    done: Vec<u8>,
}

impl<W: Write> Sweeper<W> {
    fn new(sink: W) -> Self {
        Self {
            sink,
            line: Vec::with_capacity(LINE + 1),
            carriage_return: false,
            done: Vec::new(),
        }
    }

    fn sweep(&mut self, octets: &[u8]) {
        for octet in octets {
            match (octet, std::mem::take(&mut self.carriage_return)) {
                (b'\n', _) => self.end_line(),
                (octet, stray) => {
                    if stray {
                        self.push(b' ');
                    }
                    match octet {
                        b'\r' => self.carriage_return = true,
                        0 => self.push(b' '),
                        octet => self.push(*octet),
                    }
                }
            }
        }
    }

    fn push(&mut self, octet: u8) {
        if self.line.len() == LINE {
            self.break_line();
        }
        self.line.push(octet);
    }

    fn end_line(&mut self) {
        self.done.append(&mut self.line);
        self.done.extend_from_slice(b"\r\n");
    }

    /// Breaks before the last white space, or, where there is none, puts a space at the break: in a
    /// header both are folding (RFC 5322 §2.2.3), and in text no line becomes a boundary.
    fn break_line(&mut self) {
        let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
        let start = self
            .line
            .iter()
            .position(|octet| !blank(octet))
            .unwrap_or(0);
        let at = self.line.iter().rposition(blank).filter(|at| *at > start);
        let rest = match at {
            Some(at) => self.line.split_off(at),
            None => vec![b' '],
        };
        self.end_line();
        self.line = rest;
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.carriage_return) {
            self.push(b' ');
        }
        self.done.append(&mut self.line);
    }

    fn finish(mut self) -> io::Result<W> {
        self.end();
        self.sink.write_all(&self.done)?;
        Ok(self.sink)
    }
}

impl<W: Write> Write for Sweeper<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.sweep(octets);
        self.sink.write_all(&self.done)?;
        self.done.clear();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::window::both;

    fn plan(text: &[u8]) -> (SafePlan, Vec<u8>) {
        let [one, two] = both(text).map(|view| {
            let plan = SafePlan::of(&view, &Limits::default()).unwrap();
            let mut written = Vec::new();
            plan.write(&mut written).unwrap();
            let scan = Scan::of(&View::owned(written.clone())).unwrap();
            assert!(is_safe(&scan), "{:?}", String::from_utf8_lossy(&written));
            (plan, written)
        });
        assert_eq!(one.1, two.1);
        one
    }

    #[test]
    fn what_is_safe_stays_as_it_is() {
        let text = "Subject: \u{e4}\r\n\r\n\u{e4} line\r\n".as_bytes();
        let (plan, written) = plan(text);
        assert!(!plan.changes());
        assert_eq!(written, text);
    }

    #[test]
    fn stray_octets_in_a_body_are_encoded() {
        let (plan, written) = plan(b"Content-Type: text/plain\r\n\r\na\r.\rb\0\r\n");
        assert_eq!(plan.swept().count(), 0);
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains("Content-Transfer-Encoding: base64"), "{text}");
    }

    #[test]
    fn a_stray_carriage_return_in_a_header_makes_no_field() {
        let (plan, written) = plan(b"Subject: a\rBcc: b@b.example\r\nX: \0y\r\n\r\nbody\r\n");
        assert_eq!(plan.swept().count(), 1);
        assert_eq!(
            written,
            b"Subject: a Bcc: b@b.example\r\nX:  y\r\n\r\nbody\r\n"
        );
    }

    #[test]
    fn line_feeds_alone_become_line_ends() {
        let (plan, written) = plan(b"Subject: a\n\nbody\n");
        assert!(plan.changes() && plan.swept().count() == 0);
        assert_eq!(written, b"Subject: a\r\n\r\nbody\r\n");
    }

    #[test]
    fn a_signed_part_stays_where_it_is_safe_and_else_the_caller_is_told() {
        let signed = |body: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\
                 Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n{body}\r\n--s\r\n\r\nx\r\n--s--\r\n\
                 --o\r\n\r\na\rb\r\n--o--\r\n"
            )
        };
        let (safe, written) = plan(signed("quiet").as_bytes());
        assert!(safe.changes() && !safe.breaks_signatures());
        assert!(
            String::from_utf8(written)
                .unwrap()
                .contains("--s\r\n\r\nquiet\r\n--s\r\n")
        );
        let (unsafe_part, written) = plan(signed("lo\rud").as_bytes());
        assert!(unsafe_part.breaks_signatures());
        assert!(String::from_utf8(written).unwrap().contains("lo ud"));
    }

    #[test]
    fn long_fields_are_folded_and_keep_their_value_where_they_can() {
        let words = format!("X: {}\r\n", "word ".repeat(400));
        let folded = field(words.as_bytes());
        assert!(
            folded
                .split(|octet| *octet == b'\n')
                .all(|line| line.len() <= LINE + 1)
        );
        let unfolded = String::from_utf8(folded.into_owned())
            .unwrap()
            .replace("\r\n ", " ");
        assert_eq!(unfolded, words);

        let one = field(&[b"X: ".as_slice(), &[b'y'; 3000]].concat()).into_owned();
        assert!(one.ends_with(b"\r\n"));
        assert!(
            one.split(|octet| *octet == b'\n')
                .all(|line| line.len() <= LINE + 1)
        );
        assert!(matches!(field(b"X: y\r\n"), Cow::Borrowed(_)));
        assert_eq!(field(b"X: y\n z").as_ref(), b"X: y\r\n z\r\n");
        assert_eq!(
            field(b"X: y\r\n \t\r\n z\r\n  \r\n").as_ref(),
            b"X: y\r\n z\r\n"
        );
    }
}
