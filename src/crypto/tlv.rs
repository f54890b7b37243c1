//! BER elements one after another, indefinite lengths and constructed strings included (X.690 §8.1).
//!
//! For PKCS#12 files, which are BER by their standard. No recursion; nesting is bounded.

use std::borrow::Cow;

/// BER that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Identifier octets.
pub(super) mod tag {
    pub(in crate::crypto) const INTEGER: u8 = 0x02;
    pub(in crate::crypto) const OCTET_STRING: u8 = 0x04;
    pub(in crate::crypto) const OID: u8 = 0x06;
    pub(in crate::crypto) const BMP_STRING: u8 = 0x1E;
    pub(in crate::crypto) const CONSTRUCTED: u8 = 0x20;
    pub(in crate::crypto) const SEQUENCE: u8 = 0x30;
    pub(in crate::crypto) const SET: u8 = 0x31;
    pub(in crate::crypto) const CONTEXT_0: u8 = 0xA0;
}

/// Values within each other; PKCS#12 has some ten.
const DEPTH: usize = 32;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The identifier octet.
    pub(super) tag: u8,
    /// Identifier, length and content.
    pub(super) raw: &'a [u8],
    /// The content, without the end-of-contents of an indefinite length.
    pub(super) content: &'a [u8],
}

/// What is left of some elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next element.
    pub(super) fn element(&mut self) -> Result<Element<'a>, Malformed> {
        let (tag, header, length) = header(self.0)?;
        let (content, trailer) = match length {
            Some(length) => (length, 0),
            None => (indefinite(self.0.get(header..).ok_or(Malformed)?)?, 2),
        };
        let end = header.checked_add(content).ok_or(Malformed)?;
        let all = end.checked_add(trailer).ok_or(Malformed)?;
        let (raw, rest) = self.0.split_at_checked(all).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Element {
            tag,
            raw,
            content: raw.get(header..end).ok_or(Malformed)?,
        })
    }

    /// The next element, which must have that tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'a>, Malformed> {
        let element = self.element()?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(Malformed)
        }
    }

    /// The next element, if it has that tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Malformed> {
        if self.0.first() == Some(&tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<'a> Element<'a> {
    pub(super) fn elements(self) -> Elements<'a> {
        Elements(self.content)
    }

    /// The octets of an OCTET STRING with the primitive tag `tag`, joined where it is constructed.
    pub(super) fn octets(self, tag: u8) -> Result<Cow<'a, [u8]>, Malformed> {
        if self.tag == tag {
            return Ok(Cow::Borrowed(self.content));
        }
        if self.tag != tag | tag::CONSTRUCTED {
            return Err(Malformed);
        }
        let mut joined = Vec::with_capacity(self.content.len());
        let mut pieces = self.elements();
        while !pieces.is_empty() {
            joined.extend_from_slice(pieces.expect(tag::OCTET_STRING)?.content);
        }
        Ok(Cow::Owned(joined))
    }

    /// A number that is not negative and fits.
    pub(super) fn number(self) -> Result<u32, Malformed> {
        match self.content {
            [] | [0x80..=0xFF, ..] => Err(Malformed),
            octets => octets.iter().try_fold(0_u32, |number, octet| {
                let number = number.checked_mul(256).ok_or(Malformed)?;
                Ok(number | u32::from(*octet))
            }),
        }
    }
}

/// The identifier octet, the length of the header, and that of the content; `None` if indefinite.
fn header(octets: &[u8]) -> Result<(u8, usize, Option<usize>), Malformed> {
    let (tag, rest) = octets.split_first().ok_or(Malformed)?;
    // No tag of PKCS#12 needs more than one octet.
    if tag & 0x1F == 0x1F {
        return Err(Malformed);
    }
    match rest {
        [0x80, ..] if tag & tag::CONSTRUCTED != 0 => Ok((*tag, 2, None)),
        [short @ 0..=0x7F, ..] => Ok((*tag, 2, Some(usize::from(*short)))),
        [long @ 0x81..=0x84, rest @ ..] => {
            let count = usize::from(long & 0x7F);
            let length = rest.get(..count).ok_or(Malformed)?;
            let length = length
                .iter()
                .fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
            Ok((*tag, 2 + count, Some(length)))
        }
        _ => Err(Malformed),
    }
}

/// The octets before the end-of-contents that belongs to a header just read.
fn indefinite(octets: &[u8]) -> Result<usize, Malformed> {
    let mut at = 0_usize;
    let mut depth = 1;
    loop {
        let rest = octets.get(at..).ok_or(Malformed)?;
        if let [0, 0, ..] = rest {
            depth -= 1;
            if depth == 0 {
                return Ok(at);
            }
            at += 2;
            continue;
        }
        let (_, header, length) = header(rest)?;
        at = at.checked_add(header).ok_or(Malformed)?;
        match length {
            Some(length) => at = at.checked_add(length).ok_or(Malformed)?,
            None if depth == DEPTH => return Err(Malformed),
            None => depth += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indefinite_lengths_and_constructed_strings_read_as_definite_ones() {
        let octets = [
            0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0xAA, 0x04, 0x01, 0xBB, 0, 0, 0x02, 0x01, 0x05, 0,
            0, 0x04, 0x00,
        ];
        let mut elements = Elements(&octets);
        let mut within = elements.expect(tag::SEQUENCE).unwrap().elements();
        let string = within.element().unwrap();
        assert_eq!(*string.octets(tag::OCTET_STRING).unwrap(), [0xAA, 0xBB]);
        assert_eq!(within.expect(tag::INTEGER).unwrap().number(), Ok(5));
        assert!(within.is_empty());
        assert!(
            elements
                .expect(tag::OCTET_STRING)
                .unwrap()
                .content
                .is_empty()
        );
        assert!(elements.is_empty());
    }

    #[test]
    fn what_is_cut_off_or_too_deep_is_malformed() {
        for octets in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0x04],
            &[0x30, 0x80, 0x00, 0x01],
            &[0x04, 0x80, 0, 0],
            &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0x30, 0x85, 0, 0, 0, 0, 1, 0],
            &[0x30, 0x80].repeat(DEPTH + 1),
        ] {
            assert!(Elements(octets).element().is_err(), "{octets:x?}");
        }
    }
}
