//! Quoted-printable bodies (RFC 2045 §6.7), streamed.
//!
//! Departs from §6.7 note 2, which lets readers show a malformed escape as it stands: it is an
//! error, because readers differ about what it decodes to.

use std::io;
use std::io::Write;

use super::MimeError;
use crate::octets::length;

/// Characters of an encoded line (RFC 2045 §6.7, rule 5).
const LINE: usize = 76;

/// Octets of white space that may wait for what follows; lines of mail end at 998.
const BLANKS: usize = 64 * 1024;

/// Encodes text that is written to it. CRLF and LF are line breaks and become CRLF; all else decodes
/// to itself.
///
/// Also encodes what mail systems change: white space at the end of a line, `From ` at its start, and
/// a dot alone (RFC 2049 §3, RFC 8551 §3.1.3).
#[derive(Debug)]
pub struct Encoder<W: Write> {
    sink: W,
    /// The line that is being made.
    line: Vec<u8>,
    /// A CR that may belong to a CRLF.
    carriage_return: bool,
    encoded: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    /// An encoder into `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            line: Vec::with_capacity(LINE + 2),
            carriage_return: false,
            encoded: Vec::new(),
        }
    }

    /// Writes the last line, without a line break where the text has none, and gives the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        if std::mem::take(&mut self.carriage_return) {
            self.escape(b'\r');
        }
        self.end_line(b"");
        self.sink.write_all(&self.encoded)?;
        Ok(self.sink)
    }

    fn octet(&mut self, octet: u8) {
        if std::mem::take(&mut self.carriage_return) && octet != b'\n' {
            self.escape(b'\r');
        }
        match octet {
            b'\n' => self.end_line(b"\r\n"),
            b'\r' => self.carriage_return = true,
            b' ' | b'\t' | b'!'..=b'<' | b'>'..=b'~' => self.push(&[octet]),
            _ => self.escape(octet),
        }
    }

    fn escape(&mut self, octet: u8) {
        self.push(&escaped(octet));
    }

    /// Adds to the line; breaks it softly before, where it would be too long with the `=`.
    fn push(&mut self, token: &[u8]) {
        if self.line.len() + token.len() >= LINE {
            self.protect();
            self.encoded.extend_from_slice(&self.line);
            self.encoded.extend_from_slice(b"=\r\n");
            self.line.clear();
        }
        self.line.extend_from_slice(token);
    }

    fn end_line(&mut self, line_break: &[u8]) {
        if let [.., last @ (b' ' | b'\t')] = *self.line.as_slice() {
            self.line.pop();
            self.escape(last);
        }
        self.protect();
        self.encoded.extend_from_slice(&self.line);
        self.encoded.extend_from_slice(line_break);
        self.line.clear();
    }

    /// Keeps mail systems from seeing a `From ` line of an mbox, or the dot that ends DATA.
    fn protect(&mut self) {
        let first = match self.line.as_slice() {
            [first @ b'F', rest @ ..] if rest.starts_with(b"rom ") => *first,
            [first @ b'.'] => *first,
            _ => return,
        };
        self.line.splice(..1, escaped(first));
    }
}

fn escaped(octet: u8) -> [u8; 3] {
    let digit = |value: u8| {
        if value < 10 {
            b'0' + value
        } else {
            b'A' + (value - 10)
        }
    };
    [b'=', digit(octet >> 4), digit(octet & 15)]
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for octet in octets {
            self.octet(*octet);
        }
        self.sink.write_all(&self.encoded)?;
        self.encoded.clear();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Decodes the quoted-printable that is pushed into it. Line ends stay as they are.
#[derive(Debug)]
pub struct Decoder<W: Write> {
    sink: W,
    state: State,
    /// White space that counts only if something follows it on its line; and a CR after it.
    blanks: Vec<u8>,
    decoded: Vec<u8>,
    offset: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Text,
    /// After `=`.
    Equals,
    /// After `=` and one hexadecimal digit of this value.
    Digit(u8),
    /// After `=` and white space, or a CR: only the line end may follow.
    SoftBreak,
}

impl<W: Write> Decoder<W> {
    /// A decoder into `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            state: State::Text,
            blanks: Vec::new(),
            decoded: Vec::new(),
            offset: 0,
        }
    }

    /// Decodes the next octets of the body.
    pub fn push(&mut self, encoded: &[u8]) -> Result<(), MimeError> {
        for (at, octet) in encoded.iter().enumerate() {
            if !self.octet(*octet) || self.blanks.len() > BLANKS {
                let offset = self.offset + u64::try_from(at).unwrap_or(0);
                return Err(MimeError::QuotedPrintable { offset });
            }
        }
        self.offset += length(encoded);
        self.sink.write_all(&self.decoded)?;
        self.decoded.clear();
        Ok(())
    }

    /// Gives the sink back. A soft line break at the very end is read as one.
    pub fn finish(mut self) -> Result<W, MimeError> {
        match self.state {
            State::Digit(_) => Err(MimeError::QuotedPrintable {
                offset: self.offset,
            }),
            State::Text | State::Equals | State::SoftBreak => {
                // White space at the end was added on the way (§6.7, rule 3).
                if self.blanks.ends_with(b"\r") {
                    self.sink.write_all(b"\r")?;
                }
                Ok(self.sink)
            }
        }
    }

    /// `false` when it makes a malformed escape.
    fn octet(&mut self, octet: u8) -> bool {
        match (self.state, octet) {
            (State::Text, _) => self.text(octet),
            (State::Equals | State::SoftBreak, b'\n') => self.state = State::Text,
            (State::Equals | State::SoftBreak, b' ' | b'\t' | b'\r') => {
                self.state = State::SoftBreak
            }
            (State::Equals, _) => match hex_value(octet) {
                Some(value) => self.state = State::Digit(value),
                None => return false,
            },
            (State::Digit(high), _) => match hex_value(octet) {
                Some(low) => {
                    self.decoded.push(high << 4 | low);
                    self.state = State::Text;
                }
                None => return false,
            },
            (State::SoftBreak, _) => return false,
        }
        true
    }

    fn text(&mut self, octet: u8) {
        match octet {
            b' ' | b'\t' if !self.blanks.ends_with(b"\r") => self.blanks.push(octet),
            b'\r' if !self.blanks.ends_with(b"\r") => self.blanks.push(octet),
            b'\n' => {
                // Only now is the white space known to be at the end of its line.
                if self.blanks.ends_with(b"\r") {
                    self.decoded.push(b'\r');
                }
                self.blanks.clear();
                self.decoded.push(octet);
            }
            _ => {
                self.decoded.append(&mut self.blanks);
                match octet {
                    b'=' => self.state = State::Equals,
                    b' ' | b'\t' | b'\r' => self.blanks.push(octet),
                    _ => self.decoded.push(octet),
                }
            }
        }
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &[u8], piece: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        for piece in text.chunks(piece) {
            encoder.write_all(piece).unwrap();
        }
        encoder.finish().unwrap()
    }

    fn decode(text: &[u8], piece: usize) -> Result<Vec<u8>, MimeError> {
        let mut decoder = Decoder::new(Vec::new());
        for piece in text.chunks(piece) {
            decoder.push(piece)?;
        }
        decoder.finish()
    }

    #[test]
    fn text_is_encoded_as_mail_systems_leave_it_alone() {
        for (text, encoded) in [
            ("a=b\u{e4}\n", "a=3Db=C3=A4\r\n"),
            ("a \r\nb\t", "a=20\r\nb=09"),
            (
                "From me\nFromage\n.\n..\n",
                "=46rom me\r\nFromage\r\n=2E\r\n..\r\n",
            ),
            ("a\rb\r", "a=0Db=0D"),
            ("\0", "=00"),
            ("", ""),
        ] {
            for piece in [1, 100] {
                assert_eq!(
                    encode(text.as_bytes(), piece),
                    encoded.as_bytes(),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn lines_have_at_most_76_characters_and_decode_to_the_text() {
        for length in 70..160 {
            let text = format!(
                "{}\u{e4} \r\n{}From . \r\n",
                "x".repeat(length),
                " ".repeat(length)
            );
            let encoded = encode(text.as_bytes(), 7);
            assert!(
                encoded
                    .split(|octet| *octet == b'\n')
                    .all(|line| line.len() <= LINE + 1)
            );
            for piece in [1, 3, 100] {
                assert_eq!(decode(&encoded, piece).unwrap(), text.as_bytes());
            }
        }
        // Every octet, and `From ` and a dot where soft breaks put them at the start of a line.
        let mut octets: Vec<u8> = (0..=255).filter(|octet| *octet != b'\n').collect();
        octets.extend("From .".repeat(100).bytes());
        assert_eq!(decode(&encode(&octets, 9), 5).unwrap(), octets);
    }

    #[test]
    fn what_mailers_write_is_read() {
        for (text, decoded) in [
            ("a=\r\nb=  \r\nc=\nd=", "abcd"),
            ("a=3d=3D", "a=="),
            ("a \t \r\nb  \nc ", "a\r\nb\nc"),
            ("a b", "a b"),
            ("a \rb \r", "a \rb\r"),
            ("\r\r\n", "\r\r\n"),
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(
                    decode(text.as_bytes(), piece).unwrap(),
                    decoded.as_bytes(),
                    "{text:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn malformed_escapes_are_errors_where_they_stand() {
        for (text, at) in [("a=zz", 2), ("a=3", 3), ("a=3x", 3), ("a= b", 3), ("==", 1)] {
            for piece in [1, 100] {
                let outcome = decode(text.as_bytes(), piece);
                assert!(
                    matches!(outcome, Err(MimeError::QuotedPrintable { offset }) if offset == at),
                    "{text:?}: {outcome:?}"
                );
            }
        }
    }
}
