//! Base64 of bodies (RFC 2045 §6.8), streamed at the speed of `base64-simd`.
//!
//! Departs from RFC 2045 §6.8, which has readers ignore characters outside the alphabet: they are an
//! error, because readers that skip them and readers that stop see two different contents.

use std::io;
use std::io::Write;
use std::sync::Arc;

use base64_simd::AsOut;
use base64_simd::STANDARD;
use base64_simd::STANDARD_NO_PAD;
use memchr::memchr;

use super::MimeError;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;
use crate::octets::length;

/// Octets that one line of 76 characters encodes (RFC 2045 §6.8).
const LINE_OCTETS: usize = 57;

/// Characters of a line with its CRLF.
const LINE: usize = 78;

/// Lines that are encoded at once: source and result stay in the level-1 cache.
const LINES: usize = 64;

/// Lines that are decoded octet by octet when anything odd is among them.
const SLOW_LINES: usize = 8;

/// How many octets the encoder makes of `octets`: lines of 76 characters, each with CRLF.
#[must_use]
pub fn encoded_length(octets: u64) -> u64 {
    let lines = octets / 57;
    let rest = octets % 57;
    lines * 78
        + if rest == 0 {
            0
        } else {
            rest.div_ceil(3) * 4 + 2
        }
}

/// The most octets that base64 of `characters` makes.
#[must_use]
pub fn decoded_length(characters: u64) -> u64 {
    characters / 4 * 3 + 3
}

/// Encodes what is written to it into lines of 76 characters with CRLF.
#[derive(Debug)]
pub struct Encoder<W: Write> {
    sink: W,
    /// The start of a line that is not full; `held` octets of it count.
    line: [u8; LINE_OCTETS],
    held: usize,
    characters: Vec<u8>,
    encoded: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    /// An encoder into `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            line: [0; LINE_OCTETS],
            held: 0,
            // They grow to what is written at a time: most messages are short.
            characters: Vec::new(),
            encoded: Vec::new(),
        }
    }

    /// Writes the last line, and gives the sink back. Without this call the last line is lost.
    pub fn finish(mut self) -> io::Result<W> {
        let held = self.line.get(..self.held).unwrap_or_default();
        if !held.is_empty() {
            let mut last = [0; LINE];
            let encoded = STANDARD.encode(held, last.as_mut_slice().as_out());
            self.sink.write_all(encoded)?;
            self.sink.write_all(b"\r\n")?;
        }
        Ok(self.sink)
    }

    /// Fills the line that was begun, and encodes it when it is full; what is left of `octets`.
    fn fill<'o>(&mut self, octets: &'o [u8]) -> io::Result<&'o [u8]> {
        let room = self.line.get_mut(self.held..).unwrap_or_default();
        let (now, rest) = octets.split_at(room.len().min(octets.len()));
        for (place, octet) in room.iter_mut().zip(now) {
            *place = *octet;
        }
        self.held += now.len();
        if self.held == LINE_OCTETS {
            self.held = 0;
            let line = self.line;
            self.encode_lines(&line)?;
        }
        Ok(rest)
    }

    /// Encodes at most [`LINES`] whole lines: all at once, then each to its place, which is twice as
    /// fast as a call for each line.
    fn encode_lines(&mut self, octets: &[u8]) -> io::Result<()> {
        let lines = octets.len() / LINE_OCTETS;
        if self.encoded.len() < lines * LINE {
            self.characters.resize(lines * (LINE - 2), 0);
            self.encoded.resize(lines * LINE, 0);
        }
        let characters = STANDARD.encode(octets, self.characters.as_out());
        let (sources, _) = characters.as_chunks::<{ LINE - 2 }>();
        let (lines, _) = self.encoded.as_chunks_mut::<LINE>();
        for (source, line) in sources.iter().zip(lines) {
            let (text, end) = line.split_at_mut(LINE - 2);
            text.copy_from_slice(source);
            end.copy_from_slice(b"\r\n");
        }
        let written = sources.len() * LINE;
        self.sink
            .write_all(self.encoded.get(..written).unwrap_or_default())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut rest = octets;
        if self.held > 0 {
            rest = self.fill(rest)?;
        }
        let whole = rest.len() - rest.len() % LINE_OCTETS;
        let (lines, tail) = rest.split_at(if self.held > 0 { 0 } else { whole });
        for block in lines.chunks(LINE_OCTETS * LINES) {
            self.encode_lines(block)?;
        }
        if !tail.is_empty() {
            self.fill(tail)?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// The base64 of some octets, made where it is read: a layer that goes into another one is not
/// written down for that.
#[derive(Debug)]
pub struct Text {
    octets: View,
    len: u64,
}

impl Text {
    /// The lines of `octets`.
    #[must_use]
    pub fn of(octets: View) -> View {
        let len = encoded_length(octets.len());
        View::whole(Arc::new(Self { octets, len }))
    }

    /// Fills `window`, which is not past the end, from the lines that it touches.
    fn fill(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let width = u64::try_from(LINE).unwrap_or(u64::MAX);
        let each = u64::try_from(LINE_OCTETS).unwrap_or(u64::MAX);
        let from = offset / width * each;
        let past = (offset + length(window)).div_ceil(width) * each;
        let size = past.min(self.octets.len()) - from;
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut read = Vec::new();
        let in_memory = self.octets.in_memory(from, size);
        let source = match in_memory.filter(|source| source.len() == size) {
            Some(source) => source,
            None => {
                read.resize(size, 0);
                self.octets.read_at(from, &mut read)?;
                &read
            }
        };
        let mut skipped = usize::try_from(offset % width).unwrap_or(0);
        let mut rest = window;
        let mut characters = [0; (LINE - 2) * LINES];
        for block in source.chunks(LINE_OCTETS * LINES) {
            let characters = STANDARD.encode(block, characters.as_mut_slice().as_out());
            for line in characters.chunks(LINE - 2) {
                rest = lay(line, std::mem::take(&mut skipped), rest);
            }
        }
        Ok(())
    }
}

impl Octets for Text {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(length(window));
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = offset;
        for part in window.chunks_mut(WINDOW) {
            self.fill(at, part)?;
            at += length(part);
        }
        Ok(())
    }
}

/// Writes `line` and its CRLF into `rest`, but for the first `skipped` octets, as far as there is
/// room; what is left of `rest`.
fn lay<'r>(line: &[u8], skipped: usize, rest: &'r mut [u8]) -> &'r mut [u8] {
    if skipped == 0
        && let Ok(line) = <&[u8; LINE - 2]>::try_from(line)
        && rest.len() >= LINE
    {
        let (whole, rest) = rest.split_at_mut(LINE);
        let (text, end) = whole.split_at_mut(LINE - 2);
        text.copy_from_slice(line);
        end.copy_from_slice(b"\r\n");
        return rest;
    }
    let mut written = 0;
    let octets = line.iter().chain(b"\r\n").skip(skipped);
    for (place, octet) in rest.iter_mut().zip(octets) {
        *place = *octet;
        written += 1;
    }
    rest.get_mut(written..).unwrap_or_default()
}

/// Decodes the base64 that is pushed into it.
///
/// White space counts nowhere, padding may be missing at the very end, and bits that no octet uses
/// may have any value. Anything else that is not the alphabet is an error, and so is data after padding.
#[derive(Debug)]
pub struct Decoder<W: Write> {
    sink: W,
    /// Digits without white space; up to three wait for the next call.
    digits: Vec<u8>,
    decoded: Vec<u8>,
    /// Octets that were pushed before.
    offset: u64,
    padding: u8,
}

impl<W: Write> Decoder<W> {
    /// A decoder into `sink`.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            digits: Vec::new(),
            decoded: Vec::new(),
            offset: 0,
            padding: 0,
        }
    }

    /// Decodes the next octets of the body.
    pub fn push(&mut self, encoded: &[u8]) -> Result<(), MimeError> {
        if self.push_lines(encoded)? {
            return Ok(());
        }
        // An odd line, padding or garbage is somewhere in it, and most often padding at its end:
        // what is before that is not to be slow.
        for piece in encoded.chunks(LINE * SLOW_LINES) {
            if !self.push_lines(piece)? {
                self.push_octets(piece)?;
            }
        }
        Ok(())
    }

    /// Decodes lines of nothing but digits; when they are something else, `false`, and nothing has
    /// changed.
    fn push_lines(&mut self, encoded: &[u8]) -> Result<bool, MimeError> {
        if self.padding > 0 {
            return Ok(false);
        }
        let held = self.digits.len();
        copy_lines(encoded, &mut self.digits);
        match self.decode_quanta() {
            Err(MimeError::Base64 { .. }) => {
                self.digits.truncate(held);
                Ok(false)
            }
            outcome => {
                self.offset += length(encoded);
                outcome.map(|()| true)
            }
        }
    }

    fn push_octets(&mut self, encoded: &[u8]) -> Result<(), MimeError> {
        for (at, octet) in encoded.iter().enumerate() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'=' if self.padding < 2 => self.padding += 1,
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if self.padding == 0 => {
                    self.digits.push(*octet);
                }
                _ => {
                    let offset = self.offset + u64::try_from(at).unwrap_or(0);
                    return Err(MimeError::Base64 { offset });
                }
            }
        }
        self.offset += length(encoded);
        self.decode_quanta()
    }

    /// Writes the last octets, and gives the sink back.
    ///
    /// Fails when one digit is left over, or padding stands where none may be.
    pub fn finish(mut self) -> Result<W, MimeError> {
        let wrong = MimeError::Base64 {
            offset: self.offset,
        };
        let rest = match (self.digits.as_slice(), self.padding) {
            ([], 0) => return Ok(self.sink),
            ([a, b], 0 | 2) => [*a, *b, b'A', b'A'],
            ([a, b, c], 0 | 1) => [*a, *b, *c, b'A'],
            _ => return Err(wrong),
        };
        let octets = self.digits.len() - 1;
        self.decoded.resize(3, 0);
        let decoded = STANDARD_NO_PAD
            .decode(&rest, self.decoded.as_out())
            .map_err(|_| wrong)?;
        self.sink
            .write_all(decoded.get(..octets).unwrap_or_default())?;
        Ok(self.sink)
    }

    /// Decodes what makes whole quanta of four; keeps the rest. On error nothing has changed.
    fn decode_quanta(&mut self) -> Result<(), MimeError> {
        let whole = self.digits.len() - self.digits.len() % 4;
        let (digits, rest) = self.digits.split_at_checked(whole).unwrap_or_default();
        let wrong = || MimeError::Base64 {
            offset: self.offset,
        };
        // The rest waits, but is looked at now, so that garbage is found where it is.
        if !rest
            .iter()
            .all(|d| d.is_ascii_alphanumeric() || matches!(d, b'+' | b'/'))
        {
            return Err(wrong());
        }
        let size = whole / 4 * 3;
        if self.decoded.len() < size {
            self.decoded.resize(size, 0);
        }
        let decoded = STANDARD_NO_PAD
            .decode(digits, self.decoded.as_out())
            .map_err(|_| wrong())?;
        self.sink.write_all(decoded)?;
        self.digits.copy_within(whole.., 0);
        self.digits.truncate(self.digits.len() - whole);
        Ok(())
    }
}

/// Appends the lines of `encoded` without their ends.
fn copy_lines(encoded: &[u8], digits: &mut Vec<u8>) {
    digits.reserve(encoded.len());
    let mut rest = encoded;
    while !rest.is_empty() {
        // Most lines have 76 characters: no search is needed for them.
        if let Some((line, after)) = rest.split_first_chunk::<LINE>()
            && let Some(line) = line.strip_suffix(b"\r\n")
        {
            digits.extend_from_slice(line);
            rest = after;
            continue;
        }
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        digits.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        rest = after.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::Chain;

    fn encode(octets: &[u8], piece: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        for piece in octets.chunks(piece.max(1)) {
            encoder.write_all(piece).unwrap();
        }
        encoder.finish().unwrap()
    }

    fn decode(encoded: &[u8], piece: usize) -> Result<Vec<u8>, MimeError> {
        let mut decoder = Decoder::new(Vec::new());
        for piece in encoded.chunks(piece.max(1)) {
            decoder.push(piece)?;
        }
        decoder.finish()
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length)
            .map(|n| u8::try_from(n * 7 % 251).unwrap())
            .collect()
    }

    #[test]
    fn lines_have_76_characters_and_crlf() {
        let encoded = encode(&sample(1000), 1000);
        let lines: Vec<&[u8]> = encoded.split_inclusive(|octet| *octet == b'\n').collect();
        let (last, full) = lines.split_last().unwrap();
        assert!(
            full.iter()
                .all(|line| line.len() == 78 && line.ends_with(b"\r\n"))
        );
        assert!(last.len() <= 78 && last.ends_with(b"\r\n"));
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_however_it_is_cut() {
        for size in [
            0, 1, 2, 3, 56, 57, 58, 59, 113, 114, 7295, 7296, 7297, 20_001,
        ] {
            let octets = sample(size);
            let whole = encode(&octets, size);
            assert_eq!(
                u64::try_from(whole.len()).unwrap(),
                encoded_length(u64::try_from(size).unwrap())
            );
            for piece in [1, 2, 5, 56, 57, 58, 1000] {
                assert_eq!(encode(&octets, piece), whole, "{size} by {piece}");
                assert_eq!(decode(&whole, piece).unwrap(), octets, "{size} by {piece}");
            }
        }
    }

    #[test]
    fn what_is_encoded_where_it_is_read_is_the_same() {
        for size in [0, 1, 3, 56, 57, 58, 114, 3648, 3649, 60_000, 200_000] {
            let octets = sample(size);
            let whole = encode(&octets, size);
            let halves = View::owned(octets);
            let middle = halves.len() / 2;
            let pieces = [halves.slice(0..middle), halves.slice(middle..halves.len())];
            // Where the octets lie in one piece, and where they are read together.
            for text in [Text::of(halves.clone()), Text::of(Chain::of(pieces))] {
                assert_eq!(text.to_vec(whole.len()).unwrap().unwrap(), whole, "{size}");
                for (at, most) in [
                    (0, 1),
                    (1, 77),
                    (75, 4),
                    (76, 2),
                    (77, 80),
                    (78, 78),
                    (4000, 70_000),
                ] {
                    let part = text.slice(at..at + most);
                    let from = usize::try_from(at).unwrap().min(whole.len());
                    let to = (from + usize::try_from(most).unwrap()).min(whole.len());
                    let part = part.to_vec(whole.len()).unwrap().unwrap();
                    assert_eq!(part, &whole[from..to], "{most} of {size} at {at}");
                }
                let past = text.read_at(text.len(), &mut [0]).unwrap_err();
                assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }

    #[test]
    fn odd_lines_blanks_and_missing_padding_are_read() {
        for text in [
            "aGVs\nbG8=",
            "aGVsbG8",
            " aG Vs\tbG8 = \r\n",
            "a\nG\nV\ns\nb\nG\n8\n=\n",
            "aGVsbG9=",
            "aGVs\rbG8=",
        ] {
            for piece in [1, 3, 100] {
                assert_eq!(
                    decode(text.as_bytes(), piece).unwrap(),
                    b"hello",
                    "{text:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn garbage_behind_many_lines_is_found_where_it_is() {
        let mut encoded = encode(&sample(20_000), 20_000);
        for at in [0, 1, 700, 20_000, encoded.len() - 4] {
            let octet = std::mem::replace(&mut encoded[at], b'*');
            for piece in [1, 77, 65_536] {
                let Err(MimeError::Base64 { offset }) = decode(&encoded, piece) else {
                    panic!("garbage at {at} was read");
                };
                assert_eq!(offset, u64::try_from(at).unwrap(), "by {piece}");
            }
            encoded[at] = octet;
        }
    }

    #[test]
    fn garbage_is_an_error_where_it_stands() {
        for (text, at) in [
            ("aGVs\nbG8=\n-- \nlist", 10),
            ("aGVs*G8=", 4),
            ("aGVs*", 4),
            ("aGVsbG8=aGVs", 8),
            ("aGVsbG8===", 9),
            ("aGVsb", 5),
            ("aGVsbG8==", 9),
            ("=", 1),
            ("aGVs\0bG8=", 4),
        ] {
            for piece in [1, 4, 100] {
                match decode(text.as_bytes(), piece) {
                    Err(MimeError::Base64 { offset }) => {
                        assert_eq!(offset, at, "{text:?} by {piece}")
                    }
                    other => panic!("{text:?} by {piece}: {other:?}"),
                }
            }
        }
    }
}
