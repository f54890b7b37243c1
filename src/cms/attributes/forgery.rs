//! Content that is itself signed attributes (draft-ietf-lamps-cms-euf-cma-signeddata).
//!
//! A signature over attributes is also one over their DER as content, when the attributes are taken
//! away. Such content, signed without attributes, is refused when read and when written.

use super::known;
use super::oid::Oid;
use crate::cms::ber::tag;
use crate::cms::tlv;

/// Whether `content` is the DER of a SET OF Attribute that holds contentType or messageDigest.
///
/// Linear in its length, without memory of its own. The order of the SET is not looked at: there are
/// signers that do not sort.
#[must_use]
pub fn looks_like_signed_attributes(content: &[u8]) -> bool {
    let Ok(set) = tlv::single(content, tag::SET, "content") else {
        return false;
    };
    let mut attributes = tlv::Reader::new(set.value, "content");
    let mut named = false;
    loop {
        match attributes.next() {
            Ok(None) => return named,
            Ok(Some(attribute)) => match attribute_type(&attribute) {
                Some(oid) => {
                    named |= oid == known::CONTENT_TYPE || oid == known::MESSAGE_DIGEST;
                }
                None => return false,
            },
            Err(_) => return false,
        }
    }
}

/// Whether content of `length` octets that begins with `start` can look like signed attributes: saves
/// the caller from reading the whole of any other content into memory. Ten octets are enough.
#[must_use]
pub fn begins_like_signed_attributes(start: &[u8], length: u64) -> bool {
    let [tag::SET, first, rest @ ..] = start else {
        return false;
    };
    let (digits, said) = match first {
        0..=0x7f => (0, u64::from(*first)),
        0x81..=0x84 => {
            let digits = usize::from(first & 0x7f);
            let Some(octets) = rest.get(..digits) else {
                return false;
            };
            let fold = |sum: u64, octet: &u8| sum << 8 | u64::from(*octet);
            (digits, octets.iter().fold(0, fold))
        }
        _ => return false,
    };
    u64::try_from(2 + digits).is_ok_and(|header| header + said == length)
}

/// The type of an Attribute; `None` when it is none.
fn attribute_type(attribute: &tlv::Tlv<'_>) -> Option<Oid> {
    if attribute.tag != tag::SEQUENCE {
        return None;
    }
    let mut fields = tlv::Reader::new(attribute.value, "content");
    let oid = Oid::read(&mut fields, "content").ok()?;
    fields.expect(tag::SET, "content").ok()?;
    fields.end().ok()?;
    Some(oid)
}
