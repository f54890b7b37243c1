//! Content that is itself signed attributes (draft-ietf-lamps-cms-euf-cma-signeddata).
//!
//! A signature over attributes is also one over their DER as content, when the attributes are taken
//! away. Such content, signed without attributes, is refused when read and when written.

use super::known;
use super::oid::Oid;
use crate::cms::tlv;
use crate::tlv::tag;

/// Whether `content` is the DER of a SET OF Attribute that holds contentType or messageDigest.
///
/// Linear in its length, without memory of its own. The order of the SET is not looked at: there are
/// signers that do not sort.
#[must_use]
pub fn looks_like_signed_attributes(content: &[u8]) -> bool {
    let Ok(set) = tlv::single(content, tag::SET, "content") else {
        return false;
    };
    let mut attributes = tlv::Reader::new(set.content, "content");
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
fn attribute_type(attribute: &tlv::Element<'_>) -> Option<Oid> {
    if attribute.tag != tag::SEQUENCE {
        return None;
    }
    let mut fields = tlv::Reader::new(attribute.content, "content");
    let oid = Oid::read(&mut fields, "content").ok()?;
    fields.expect(tag::SET, "content").ok()?;
    fields.end().ok()?;
    Some(oid)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::list;
    use super::super::fixtures::mandatory;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::oid;
    use super::super::fixtures::with_values;
    use super::*;

    fn begins(content: &[u8]) -> bool {
        let start = &content[..content.len().min(10)];
        begins_like_signed_attributes(start, u64::try_from(content.len()).unwrap())
    }

    #[test]
    fn signed_attributes_are_recognised_in_any_order() {
        let [content_type, digest] = mandatory();
        let long = with_values(oid("1.2.5555"), &[&[4, 4, 4, 4, 4, 4][..]; 60]);
        for attributes in [
            vec![content_type.clone(), digest.clone()],
            vec![digest.clone(), content_type],
            vec![digest, long],
        ] {
            let der = list(&attributes).der_for_signature();
            let raw = tlv::element(tag::SET, &[&attributes.concat()]);
            for content in [der, raw] {
                assert!(looks_like_signed_attributes(&content));
                assert!(begins(&content));
            }
        }
    }

    #[test]
    fn other_content_is_not_taken_for_them() {
        let [content_type, digest] = mandatory();
        let der = list(&[content_type, digest]).der_for_signature();
        let unnamed = list(&[with_values(oid("1.2.5555"), &[&[5, 0]])]).der_for_signature();
        for content in [
            b"".as_slice(),
            b"Content-Type: text/plain\r\n\r\n1\r\n",
            b"1\x00",
            b"1",
            &der[..der.len() - 1],
            &[der.as_slice(), b"\r\n"].concat(),
            &[b"\r\n", der.as_slice()].concat(),
            &unnamed,
        ] {
            assert!(!looks_like_signed_attributes(content), "{content:02x?}");
        }
        assert!(!begins(b"Content-Type: text/plain"));
        assert!(!begins(&der[..der.len() - 1]));
    }

    #[test]
    fn whatever_looks_like_them_begins_like_them() {
        let der = list(&mandatory()).der_for_signature();
        let mut alike = 0;
        mutilated(&der, |octets| {
            if looks_like_signed_attributes(octets) {
                assert!(begins(octets));
                alike += 1;
            }
        });
        assert!(alike > 0);
    }
}
