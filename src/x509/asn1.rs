//! Reads DER by slices: nothing is copied, and every element knows where it lies (X.690).
//!
//! Lengths are definite and minimal, tags are below 31. What a tag's content means is the caller's.
//! Nesting is the caller's too: each level of a structure is a line of code here, never a recursion.

use std::ops::Range;

/// Universal and context-specific tags, as identifier octets.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0A;
    pub(crate) const UTF8_STRING: u8 = 0x0C;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const VISIBLE_STRING: u8 = 0x1A;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1C;
    pub(crate) const BMP_STRING: u8 = 0x1E;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number] IMPLICIT` of a primitive type.
    pub(crate) const fn primitive(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]` around something, or IMPLICIT of a constructed type.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xA0 | number
    }
}

/// What is wrong with the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Asn1Error {
    /// The element ends before its length says so.
    #[error("truncated")]
    Truncated,
    /// A length that DER does not have: indefinite, or longer than it need be.
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

/// One element: identifier, length, content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// All of it.
    pub(crate) raw: &'a [u8],
    pub(crate) content: &'a [u8],
    start: usize,
}

impl<'a> Element<'a> {
    /// Where all of it lies in what the outermost reader was given.
    pub(crate) const fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    /// Where its content lies there.
    pub(crate) const fn content_range(&self) -> Range<usize> {
        let end = self.start + self.raw.len();
        end - self.content.len()..end
    }

    /// Reads what is inside.
    pub(crate) const fn reader(&self) -> Reader<'a> {
        Reader {
            rest: self.content,
            at: self.content_range().start,
        }
    }

    /// The element itself, when it has this tag.
    pub(crate) const fn expect(self, expected: u8) -> Result<Self, Asn1Error> {
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
    pub(crate) fn boolean(&self) -> Result<bool, Asn1Error> {
        match self.content {
            [octet] => Ok(*octet != 0),
            _ => Err(Asn1Error::Value),
        }
    }

    /// A small INTEGER or ENUMERATED that is not negative.
    pub(crate) fn unsigned(&self) -> Result<u32, Asn1Error> {
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
    pub(crate) const fn bits(&self) -> Result<(&'a [u8], u8), Asn1Error> {
        match self.content {
            [unused, octets @ ..] if *unused < 8 && (*unused == 0 || !octets.is_empty()) => {
                Ok((octets, *unused))
            }
            _ => Err(Asn1Error::Value),
        }
    }
}

/// Reads one element after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { rest: input, at: 0 }
    }

    /// The next element.
    pub(crate) fn element(&mut self) -> Result<Element<'a>, Asn1Error> {
        let (tag, after_tag) = self.rest.split_first().ok_or(Asn1Error::Truncated)?;
        if tag & 0x1F == 0x1F {
            return Err(Asn1Error::Value);
        }
        let (length, after_length) = length(after_tag)?;
        let content = after_length.get(..length).ok_or(Asn1Error::Truncated)?;
        let whole = self.rest.len() - after_length.len() + length;
        let (raw, rest) = self
            .rest
            .split_at_checked(whole)
            .ok_or(Asn1Error::Truncated)?;
        let element = Element {
            tag: *tag,
            raw,
            content,
            start: self.at,
        };
        self.rest = rest;
        self.at += whole;
        Ok(element)
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, Asn1Error> {
        self.element()?.expect(tag)
    }

    /// The next element, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Asn1Error> {
        if self.rest.first() == Some(&tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Fails when anything is left.
    pub(crate) const fn finish(self) -> Result<(), Asn1Error> {
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

/// The one element that `input` is.
pub(crate) fn only(input: &[u8], tag: u8) -> Result<Element<'_>, Asn1Error> {
    let mut reader = Reader::new(input);
    let element = reader.expect(tag)?;
    reader.finish()?;
    Ok(element)
}

/// An element of `tag` whose content is `parts`, one after another.
pub(crate) fn encode(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let zeros = digits.iter().take_while(|digit| **digit == 0).count();
            let digits = digits.get(zeros..).unwrap_or_default();
            // At most eight, so nothing is lost.
            der.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7F));
            der.extend_from_slice(digits);
        }
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

/// An object identifier's content octets in dotted form, `None` when they are none.
pub(crate) fn dotted(oid: &[u8]) -> Option<String> {
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

fn length(input: &[u8]) -> Result<(usize, &[u8]), Asn1Error> {
    let (first, rest) = input.split_first().ok_or(Asn1Error::Truncated)?;
    if *first < 0x80 {
        return Ok((usize::from(*first), rest));
    }
    let count = usize::from(first & 0x7F);
    // Four octets of length are 4 GB, more than any structure may be.
    if count == 0 || count > 4 {
        return Err(Asn1Error::Length);
    }
    let (digits, rest) = rest.split_at_checked(count).ok_or(Asn1Error::Truncated)?;
    let length = digits
        .iter()
        .fold(0_usize, |number, octet| number << 8 | usize::from(*octet));
    if length < 0x80 || digits.first() == Some(&0) {
        return Err(Asn1Error::Length);
    }
    Ok((length, rest))
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
    fn lengths_that_der_does_not_have_are_refused() {
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
    fn what_is_encoded_is_read_again() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let der = encode(tag::OCTET_STRING, &[&content]);
            assert_eq!(only(&der, tag::OCTET_STRING).unwrap().content, content);
        }
    }

    #[test]
    fn object_identifiers_print_dotted() {
        assert_eq!(
            dotted(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D]).unwrap(),
            "1.2.840.113549"
        );
        assert_eq!(dotted(&[0x88, 0x37]).unwrap(), "2.999");
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0x2A, 0x86]), None);
        assert_eq!(dotted(&[0x2A, 0x80, 0x01]), None);
        assert_eq!(dotted(&[0xFF; 40]), None);
    }
}
