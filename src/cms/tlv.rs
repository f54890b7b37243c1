//! DER of small fields: reading from a slice, and writing.
//!
//! What comes in has been through [`crate::cms::ber`]: lengths are definite, strings in one piece.

use crate::cms::error::CmsError;

/// One element in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Identifier octet.
    pub tag: u8,
    /// All its octets.
    pub raw: &'a [u8],
    /// Its content octets.
    pub value: &'a [u8],
}

/// Reads elements one after another.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    field: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads from `octets`, which are the content of `field`.
    #[must_use]
    pub fn new(octets: &'a [u8], field: &'static str) -> Self {
        Self {
            rest: octets,
            field,
        }
    }

    /// The next element; `None` at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not end at an error"
    )]
    pub fn next(&mut self) -> Result<Option<Tlv<'a>>, CmsError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (tag, header, length) = header(self.rest)
            .ok_or_else(|| CmsError::field(self.field, "it is not well-formed DER"))?;
        let cut = "it ends within an element";
        let end = header
            .checked_add(length)
            .ok_or_else(|| CmsError::field(self.field, cut))?;
        let raw = self
            .rest
            .get(..end)
            .ok_or_else(|| CmsError::field(self.field, cut))?;
        let value = raw.get(header..).unwrap_or_default();
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Some(Tlv { tag, raw, value }))
    }

    /// The next element, when its tag is `tag`.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, CmsError> {
        if self.rest.first() == Some(&tag) {
            self.next()
        } else {
            Ok(None)
        }
    }

    /// The next element, which must have the tag `tag`; `field` is its name.
    pub fn expect(&mut self, tag: u8, field: &'static str) -> Result<Tlv<'a>, CmsError> {
        self.optional(tag)?.ok_or_else(|| {
            let found = match self.rest.first() {
                Some(found) => format!("tag {found:#04x} stands where {tag:#04x} should"),
                None => format!("it is missing (tag {tag:#04x})"),
            };
            CmsError::field(field, found)
        })
    }

    /// Fails when anything is left.
    pub fn end(&self) -> Result<(), CmsError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CmsError::field(
                self.field,
                "an element follows its last field",
            ))
        }
    }
}

/// The only element in `octets`, which must have the tag `tag`.
pub fn single<'a>(octets: &'a [u8], tag: u8, field: &'static str) -> Result<Tlv<'a>, CmsError> {
    let mut reader = Reader::new(octets, field);
    let tlv = reader.expect(tag, field)?;
    reader.end()?;
    Ok(tlv)
}

/// The version number of a structure: an INTEGER of one octet.
pub fn version(reader: &mut Reader<'_>, field: &'static str) -> Result<u8, CmsError> {
    match reader.expect(super::ber::tag::INTEGER, field)?.value {
        [version @ 0..=5] => Ok(*version),
        other => Err(CmsError::field(
            field,
            format!("{other:02x?} is no version of RFC 5652"),
        )),
    }
}

/// Tag, octets of header, and length. `None` when they are not DER that we read.
fn header(octets: &[u8]) -> Option<(u8, usize, usize)> {
    let [tag, first, rest @ ..] = octets else {
        return None;
    };
    if tag & 0x1f == 0x1f {
        return None;
    }
    match first {
        0..=0x7f => Some((*tag, 2, usize::from(*first))),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count)?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            Some((*tag, 2 + count, length))
        }
        _ => None,
    }
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

/// An element of `tag` around `parts`, one after another.
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_element_that_is_cut_off_is_refused() {
        let mut reader = Reader::new(&[0x30, 3, 1, 2], "field");
        assert!(reader.next().is_err());
        let mut reader = Reader::new(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "field");
        assert!(reader.next().is_err());
    }
}
