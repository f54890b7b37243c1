//! Elements of small fields, each named in the error when it is not what it should be.
//!
//! What comes in has been through [`crate::cms::ber`]: lengths are definite, strings in one piece.
//! They need not be minimal in what was taken as it came.

use crate::cms::error::CmsError;
use crate::tlv;
use crate::tlv::Asn1Error;
use crate::tlv::tag;

pub use crate::tlv::Element;
pub use crate::tlv::element;
pub use crate::tlv::header_length;
pub use crate::tlv::wide_header_length;
pub use crate::tlv::write_header;
pub use crate::tlv::write_wide_header;

/// Reads elements one after another.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    elements: tlv::Reader<'a>,
    field: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads from `octets`, which are the content of `field`.
    #[must_use]
    pub fn new(octets: &'a [u8], field: &'static str) -> Self {
        Self {
            elements: tlv::Reader::definite(octets),
            field,
        }
    }

    /// The next element; `None` at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not end at an error"
    )]
    pub fn next(&mut self) -> Result<Option<Element<'a>>, CmsError> {
        if self.elements.is_empty() {
            return Ok(None);
        }
        let element = self.elements.element().map_err(|error| {
            let reason = match error {
                Asn1Error::Truncated => "it ends within an element",
                Asn1Error::Length
                | Asn1Error::Tag { .. }
                | Asn1Error::Trailing
                | Asn1Error::Value => "it is not well-formed DER",
            };
            CmsError::field(self.field, reason)
        })?;
        Ok(Some(element))
    }

    /// The next element, when its tag is `tag`.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, CmsError> {
        if self.elements.peek() == Some(tag) {
            self.next()
        } else {
            Ok(None)
        }
    }

    /// The next element, which must have the tag `tag`; `field` is its name.
    pub fn expect(&mut self, tag: u8, field: &'static str) -> Result<Element<'a>, CmsError> {
        self.optional(tag)?.ok_or_else(|| {
            let found = match self.elements.peek() {
                Some(found) => format!("tag {found:#04x} stands where {tag:#04x} should"),
                None => format!("it is missing (tag {tag:#04x})"),
            };
            CmsError::field(field, found)
        })
    }

    /// Fails when anything is left.
    pub fn end(&self) -> Result<(), CmsError> {
        if self.elements.is_empty() {
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
pub fn single<'a>(octets: &'a [u8], tag: u8, field: &'static str) -> Result<Element<'a>, CmsError> {
    let mut reader = Reader::new(octets, field);
    let element = reader.expect(tag, field)?;
    reader.end()?;
    Ok(element)
}

/// The version number of a structure: an INTEGER of one octet.
pub fn version(reader: &mut Reader<'_>, field: &'static str) -> Result<u8, CmsError> {
    match reader.expect(tag::INTEGER, field)?.content {
        [version @ 0..=5] => Ok(*version),
        other => Err(CmsError::field(
            field,
            format!("{other:02x?} is no version of RFC 5652"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_that_is_cut_off_is_refused_by_the_name_of_its_field() {
        for octets in [&[0x30, 3, 1, 2][..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            let error = Reader::new(octets, "certs").next().unwrap_err();
            assert_eq!(
                error.to_string(),
                "certs is malformed: it ends within an element"
            );
        }
    }

    #[test]
    fn another_element_than_the_one_that_should_stand_there_is_named() {
        let mut reader = Reader::new(&[2, 1, 0], "certs");
        let error = reader.expect(tag::SET, "serial").unwrap_err();
        assert_eq!(
            error.to_string(),
            "serial is malformed: tag 0x02 stands where 0x31 should"
        );
        assert!(reader.end().is_err());
        reader.next().unwrap();
        reader.end().unwrap();
    }
}
