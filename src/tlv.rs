//! ASN.1 elements in a slice, read and written: identifier, length, content (X.690).
//!
//! Nothing is copied, and every element knows where it lies. Tags are below 31. What a tag's content
//! means is the caller's, and so is nesting: each level of a structure is a line of code there, never
//! a recursion here.

use std::borrow::Cow;
use std::ops::Range;

/// Identifier octets.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// NumericString.
    pub const NUMERIC_STRING: u8 = 0x12;
    /// PrintableString.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// TeletexString.
    pub const TELETEX_STRING: u8 = 0x14;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// VisibleString.
    pub const VISIBLE_STRING: u8 = 0x1a;
    /// UniversalString.
    pub const UNIVERSAL_STRING: u8 = 0x1c;
    /// BMPString.
    pub const BMP_STRING: u8 = 0x1e;
    /// The bit that says "constructed".
    pub const CONSTRUCTED: u8 = 0x20;
    /// SEQUENCE, SEQUENCE OF.
    pub const SEQUENCE: u8 = 0x30;
    /// SET, SET OF.
    pub const SET: u8 = 0x31;

    /// `[number]` around something, or IMPLICIT of a constructed type; below 31.
    #[must_use]
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }

    /// `[number] IMPLICIT` of a primitive type; below 31.
    #[must_use]
    pub const fn context_primitive(number: u8) -> u8 {
        0x80 | number
    }
}

/// Indefinite lengths within each other. PKCS#12, which has them, nests some ten.
const DEPTH: usize = 32;

/// What is wrong with the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Asn1Error {
    /// The element ends before its length says so.
    #[error("truncated")]
    Truncated,
    /// A length that the encoding does not have: in DER an indefinite one, or one that is longer
    /// than it need be.
    #[error("length is not DER")]
    Length,
    /// Another type stands where this one must.
    #[error("tag {found:#04x} where {expected:#04x} must be")]
    Tag {
        /// The identifier octet that must be there.
        expected: u8,
        /// The one that is.
        found: u8,
    },
    /// Something follows the last element.
    #[error("trailing octets")]
    Trailing,
    /// The content is none of its type.
    #[error("value is malformed")]
    Value,
}

/// Which lengths are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// All of BER, indefinite ones included.
    Any,
    /// Definite ones, minimal or not.
    Definite,
    /// Those of DER: definite and minimal (X.690 §10.1).
    Minimal,
}

/// One element: identifier, length, content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// All of it.
    pub raw: &'a [u8],
    /// The content, without the end-of-contents of an indefinite length.
    pub content: &'a [u8],
    start: usize,
    header: usize,
    lengths: Lengths,
}

impl<'a> Element<'a> {
    /// Where all of it lies in what the outermost reader was given.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    /// Where its content lies there.
    #[must_use]
    pub const fn content_range(&self) -> Range<usize> {
        let start = self.start + self.header;
        start..start + self.content.len()
    }

    /// Reads what is inside.
    #[must_use]
    pub const fn reader(&self) -> Reader<'a> {
        Reader {
            rest: self.content,
            at: self.content_range().start,
            lengths: self.lengths,
        }
    }

    /// The element itself, when it has this tag.
    pub const fn expect(self, expected: u8) -> Result<Self, Asn1Error> {
        if self.tag == expected {
            Ok(self)
        } else {
            Err(Asn1Error::Tag {
                expected,
                found: self.tag,
            })
        }
    }

    /// A BOOLEAN. Departs from X.690 §11.1: any octet but zero is true, as BER and old CAs have it.
    pub const fn boolean(&self) -> Result<bool, Asn1Error> {
        match self.content {
            [octet] => Ok(*octet != 0),
            _ => Err(Asn1Error::Value),
        }
    }

    /// A small INTEGER or ENUMERATED that is not negative.
    pub fn unsigned(&self) -> Result<u32, Asn1Error> {
        let digits = match self.content {
            [] => return Err(Asn1Error::Value),
            [first, ..] if *first >= 0x80 => return Err(Asn1Error::Value),
            [0, rest @ ..] => rest,
            all => all,
        };
        if digits.len() > 4 {
            return Err(Asn1Error::Value);
        }
        Ok(digits
            .iter()
            .fold(0, |number, octet| number << 8 | u32::from(*octet)))
    }

    /// The octets of a BIT STRING, and how many bits of the last are unused.
    pub const fn bits(&self) -> Result<(&'a [u8], u8), Asn1Error> {
        match self.content {
            [unused, octets @ ..] if *unused < 8 && (*unused == 0 || !octets.is_empty()) => {
                Ok((octets, *unused))
            }
            _ => Err(Asn1Error::Value),
        }
    }

    /// The octets of an OCTET STRING with the primitive tag `tag`, joined where it is constructed;
    /// its pieces must be primitive.
    pub fn octets(self, tag: u8) -> Result<Cow<'a, [u8]>, Asn1Error> {
        if self.tag != tag | tag::CONSTRUCTED {
            return Ok(Cow::Borrowed(self.expect(tag)?.content));
        }
        let mut joined = Vec::with_capacity(self.content.len());
        for piece in self.reader() {
            joined.extend_from_slice(piece?.expect(tag::OCTET_STRING)?.content);
        }
        Ok(Cow::Owned(joined))
    }
}

/// Reads one element after another.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
    lengths: Lengths,
}

impl<'a> Reader<'a> {
    /// Reads DER: lengths are definite and minimal.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self::with(input, Lengths::Minimal)
    }

    /// Reads BER, indefinite lengths included.
    #[must_use]
    pub const fn ber(input: &'a [u8]) -> Self {
        Self::with(input, Lengths::Any)
    }

    /// Reads BER whose lengths are definite, and may be longer than they need be.
    #[must_use]
    pub const fn definite(input: &'a [u8]) -> Self {
        Self::with(input, Lengths::Definite)
    }

    const fn with(input: &'a [u8], lengths: Lengths) -> Self {
        Self {
            rest: input,
            at: 0,
            lengths,
        }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element; `None` at the end.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element.
    pub fn element(&mut self) -> Result<Element<'a>, Asn1Error> {
        let (tag, header, length) = header(self.rest, self.lengths)?;
        let inside = self.rest.get(header..).unwrap_or_default();
        let (length, trailer) = match length {
            Some(length) => (length, 0),
            None => (indefinite(inside)?, END_OF_CONTENTS),
        };
        let content = inside.get(..length).ok_or(Asn1Error::Truncated)?;
        let split = self.rest.split_at_checked(header + length + trailer);
        let (raw, rest) = split.ok_or(Asn1Error::Truncated)?;
        let element = Element {
            tag,
            raw,
            content,
            start: self.at,
            header,
            lengths: self.lengths,
        };
        self.rest = rest;
        self.at += raw.len();
        Ok(element)
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, Asn1Error> {
        self.element()?.expect(tag)
    }

    /// The next element, if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Asn1Error> {
        if self.peek() == Some(tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Fails when anything is left.
    pub const fn finish(self) -> Result<(), Asn1Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Asn1Error::Trailing)
        }
    }
}

/// The elements, until the end or the first that is malformed.
impl<'a> Iterator for Reader<'a> {
    type Item = Result<Element<'a>, Asn1Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.element();
        if element.is_err() {
            self.rest = &[];
        }
        Some(element)
    }
}

/// The one element that `input` is, in DER.
pub fn only(input: &[u8], tag: u8) -> Result<Element<'_>, Asn1Error> {
    let mut reader = Reader::new(input);
    let element = reader.expect(tag)?;
    reader.finish()?;
    Ok(element)
}

/// The identifier octet, the length of the header, and that of the content; `None` if indefinite.
fn header(octets: &[u8], lengths: Lengths) -> Result<(u8, usize, Option<usize>), Asn1Error> {
    let (tag, rest) = octets.split_first().ok_or(Asn1Error::Truncated)?;
    if tag & 0x1f == 0x1f {
        return Err(Asn1Error::Value);
    }
    let (first, rest) = rest.split_first().ok_or(Asn1Error::Truncated)?;
    match first {
        0..=0x7f => Ok((*tag, 2, Some(usize::from(*first)))),
        0x80 if lengths == Lengths::Any && tag & tag::CONSTRUCTED != 0 => Ok((*tag, 2, None)),
        // Four octets of length are 4 GB, more than any structure may be.
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count).ok_or(Asn1Error::Truncated)?;
            let length = digits
                .iter()
                .fold(0_usize, |number, octet| number << 8 | usize::from(*octet));
            let is_minimal = length >= 0x80 && digits.first() != Some(&0);
            if is_minimal || lengths != Lengths::Minimal {
                Ok((*tag, 2 + count, Some(length)))
            } else {
                Err(Asn1Error::Length)
            }
        }
        _ => Err(Asn1Error::Length),
    }
}

/// The octets before the end-of-contents that belongs to a header just read.
fn indefinite(octets: &[u8]) -> Result<usize, Asn1Error> {
    let mut at = 0_usize;
    let mut depth = 1;
    loop {
        let rest = octets.get(at..).ok_or(Asn1Error::Truncated)?;
        if let [0, 0, ..] = rest {
            depth -= 1;
            if depth == 0 {
                return Ok(at);
            }
            at += END_OF_CONTENTS;
            continue;
        }
        let (_, header, length) = header(rest, Lengths::Any)?;
        at += header;
        match length {
            Some(length) => at = at.checked_add(length).ok_or(Asn1Error::Truncated)?,
            None if depth == DEPTH => return Err(Asn1Error::Length),
            None => depth += 1,
        }
    }
}

const END_OF_CONTENTS: usize = 2;

/// An element of `tag` whose content is `parts`, one after another.
#[must_use]
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut der = Vec::with_capacity(length + header_length(length));
    write_header(&mut der, tag, length);
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

/// Writes identifier and length octets.
pub fn write_header(der: &mut Vec<u8>, tag: u8, length: usize) {
    write_wide_header(der, tag, u64::try_from(length).unwrap_or(u64::MAX));
}

/// As [`write_header`], for the length of a message.
pub fn write_wide_header(der: &mut Vec<u8>, tag: u8, length: u64) {
    der.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => der.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let skip = digits.iter().take_while(|digit| **digit == 0).count();
            let count = digits.len() - skip;
            der.push(0x80 | u8::try_from(count).unwrap_or(8));
            der.extend(digits.iter().skip(skip));
        }
    }
}

/// How many octets [`write_header`] writes.
#[must_use]
pub fn header_length(length: usize) -> usize {
    usize::try_from(wide_header_length(
        u64::try_from(length).unwrap_or(u64::MAX),
    ))
    .unwrap_or(10)
}

/// As [`header_length`], for the length of a message.
#[must_use]
pub fn wide_header_length(length: u64) -> u64 {
    if length < 0x80 {
        2
    } else {
        2 + u64::from(8 - length.leading_zeros() / 8)
    }
}

/// An object identifier's content octets in dotted form, `None` when they are none.
#[must_use]
pub fn dotted(oid: &[u8]) -> Option<String> {
    // X.667 makes arcs of 128 bits, which are 19 octets.
    const ARC_OCTETS: usize = 19;
    let mut text = String::new();
    let mut arc: u128 = 0;
    let mut octets = 0;
    for octet in oid {
        if octets == 0 && *octet == 0x80 || octets == ARC_OCTETS {
            return None;
        }
        octets += 1;
        if arc >> 121 != 0 {
            return None;
        }
        arc = arc << 7 | u128::from(octet & 0x7F);
        if octet & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            text = format!("{first}.{}", arc - first * 40);
        } else {
            text.push('.');
            text.push_str(&arc.to_string());
        }
        arc = 0;
        octets = 0;
    }
    (octets == 0 && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_where_they_lie() {
        let input = [0x30, 0x05, 0x02, 0x01, 0x07, 0x05, 0x00];
        let outer = only(&input, tag::SEQUENCE).unwrap();
        let mut inner = outer.reader();
        assert_eq!(inner.expect(tag::INTEGER).unwrap().range(), 2..5);
        let null = inner.element().unwrap();
        assert_eq!(null.range(), 5..7);
        assert_eq!(null.content_range(), 7..7);
        inner.finish().unwrap();
    }

    #[test]
    fn each_reader_reads_the_lengths_that_it_says() {
        #[rustfmt::skip]
        let rows: &[(&[u8], [bool; 3])] = &[
            // DER, definite, BER.
            (&[0x04, 0x01, 0x00], [true, true, true]),
            (&[0x04, 0x81, 0x01, 0x00], [false, true, true]),
            (&[0x04, 0x82, 0x00, 0x80], [false, false, false]),
            (&[0x30, 0x80, 0x00, 0x00], [false, false, true]),
            (&[0x04, 0x80, 0x00, 0x00], [false, false, false]),
            (&[0x04, 0x85, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00], [false, false, false]),
            (&[0x1f, 0x01, 0x00], [false, false, false]),
        ];
        for (octets, want) in rows {
            let readers = [
                Reader::new(octets),
                Reader::definite(octets),
                Reader::ber(octets),
            ];
            let read = readers.map(|mut reader| reader.element().is_ok());
            assert_eq!(read, *want, "{octets:02x?}");
        }
        for input in [
            &[0x30, 0x80, 0x00, 0x00][..],
            &[0x04, 0x81, 0x01, 0x00],
            &[0x04, 0x82, 0x00, 0x80],
            &[0x04, 0x85, 0x01, 0x00, 0x00, 0x00, 0x00],
        ] {
            let error = Reader::new(input).element().unwrap_err();
            assert_eq!(error, Asn1Error::Length, "{input:02x?}");
        }
        let error = Reader::new(&[0x04, 0x02, 0x00]).element().unwrap_err();
        assert_eq!(error, Asn1Error::Truncated);
    }

    #[test]
    fn indefinite_lengths_and_constructed_strings_read_as_definite_ones() {
        let octets = [
            0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0xaa, 0x04, 0x01, 0xbb, 0, 0, 0x02, 0x01, 0x05, 0,
            0, 0x04, 0x00,
        ];
        let mut reader = Reader::ber(&octets);
        let outer = reader.expect(tag::SEQUENCE).unwrap();
        assert_eq!((outer.range(), outer.content_range()), (0..17, 2..15));
        let mut within = outer.reader();
        let string = within.element().unwrap();
        assert_eq!(*string.octets(tag::OCTET_STRING).unwrap(), [0xaa, 0xbb]);
        let number = within.expect(tag::INTEGER).unwrap();
        assert_eq!((number.unsigned(), number.range()), (Ok(5), 12..15));
        assert!(within.is_empty());
        assert_eq!(reader.expect(tag::OCTET_STRING).unwrap().raw, [4, 0]);
        assert!(reader.is_empty());
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_malformed() {
        for octets in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0x04],
            &[0x30, 0x80, 0x00, 0x01],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x80].repeat(DEPTH + 1),
        ] {
            assert!(Reader::ber(octets).element().is_err(), "{octets:x?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let der = element(tag::OCTET_STRING, &[&content]);
            assert_eq!(only(&der, tag::OCTET_STRING).unwrap().content, content);
            assert_eq!(der.len(), header_length(length) + length);
        }
    }

    #[test]
    fn lengths_are_minimal() {
        for (length, octets) in [
            (0_u64, vec![4, 0]),
            (127, vec![4, 127]),
            (128, vec![4, 0x81, 128]),
            (256, vec![4, 0x82, 1, 0]),
        ] {
            let mut der = Vec::new();
            write_wide_header(&mut der, 4, length);
            assert_eq!(der, octets);
            assert_eq!(
                wide_header_length(length),
                u64::try_from(octets.len()).unwrap()
            );
        }
    }

    #[test]
    fn object_identifiers_print_dotted() {
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]).unwrap(),
            "1.2.840.113549"
        );
        assert_eq!(dotted(&[0x88, 0x37]).unwrap(), "2.999");
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0x2a, 0x86]), None);
        assert_eq!(dotted(&[0x2a, 0x80, 0x01]), None);
        assert_eq!(dotted(&[0xff; 40]), None);
    }
}
