//! Object identifiers of whatever length a message brings.
//!
//! `const_oid` stops at 39 octets and arcs of 32 bits; an attribute that we do not know must not make
//! its neighbours unreadable. Refused: malformed ones, over 128 octets, arcs over 128 bits.

use std::fmt;

use const_oid::ObjectIdentifier;

use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::limits::LimitError;
use crate::tlv::tag;

/// An object identifier that is well-formed (X.690 §8.19).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(Box<[u8]>);

impl Oid {
    /// Reads the content octets of `field`, an OBJECT IDENTIFIER.
    pub fn from_content(content: &[u8], field: &'static str) -> Result<Self, CmsError> {
        LimitError::check("octets of an object identifier", content.len(), OCTETS)?;
        match arcs(content, |_| ()) {
            Some(()) => Ok(Self(content.into())),
            None => Err(CmsError::field(field, "it is no object identifier")),
        }
    }

    /// Reads `field` where it stands in `reader`.
    pub fn read(reader: &mut tlv::Reader<'_>, field: &'static str) -> Result<Self, CmsError> {
        let element = reader.expect(tag::OBJECT_IDENTIFIER, field)?;
        Self::from_content(element.content, field)
    }

    /// Its content octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        tlv::element(tag::OBJECT_IDENTIFIER, &[&self.0])
    }
}

/// Longer than any in use: the longest of a registry has 16 octets, a UUID's (2.25) 20.
const OCTETS: usize = 128;

impl From<ObjectIdentifier> for Oid {
    fn from(oid: ObjectIdentifier) -> Self {
        Self(oid.as_bytes().into())
    }
}

impl PartialEq<ObjectIdentifier> for Oid {
    fn eq(&self, other: &ObjectIdentifier) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = Vec::new();
        let _checked = arcs(&self.0, |arc| numbers.push(arc));
        for (index, arc) in numbers.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{arc}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

/// Calls `each` with every number; `None` when the octets are no minimal base-128 numbers
/// (X.690 §8.19.2).
fn arcs(content: &[u8], mut each: impl FnMut(u128)) -> Option<()> {
    let mut arc: u128 = 0;
    let mut begun = false;
    let mut is_first = true;
    for octet in content {
        if !begun && *octet == 0x80 || arc > u128::MAX >> 7 {
            return None;
        }
        arc = arc << 7 | u128::from(octet & 0x7f);
        begun = octet & 0x80 != 0;
        if begun {
            continue;
        }
        if std::mem::take(&mut is_first) {
            // The first octets hold two arcs (X.690 §8.19.4).
            let first = (arc / 40).min(2);
            each(first);
            arc -= first * 40;
        }
        each(arc);
        arc = 0;
    }
    (!begun && !is_first).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_form_is_that_of_const_oid() {
        for text in ["0.9.2342", "1.2.840.113549.1.9.16.2.28", "2.5.4.3", "1.39"] {
            let oid = ObjectIdentifier::new(text).unwrap();
            assert_eq!(Oid::from(oid).to_string(), text);
            assert_eq!(Oid::from(oid), oid);
        }
    }

    #[test]
    fn the_second_arc_under_2_may_be_large() {
        // The example of X.690 §8.19.5.
        let oid = Oid::from_content(&[0x88, 0x37, 0x03], "x").unwrap();
        assert_eq!(oid.to_string(), "2.999.3");
    }

    #[test]
    fn arcs_of_a_uuid_are_read() {
        // 2.25 and the UUID f81d4fae-7dec-11d0-a765-00a0c91e6bf6 (ITU-T X.667 §6.5).
        let mut long = vec![0x69];
        let mut uuid: u128 = 0xf81d_4fae_7dec_11d0_a765_00a0_c91e_6bf6;
        let mut octets = vec![u8::try_from(uuid & 0x7f).unwrap()];
        while uuid > 0x7f {
            uuid >>= 7;
            octets.push(0x80 | u8::try_from(uuid & 0x7f).unwrap());
        }
        long.extend(octets.iter().rev());
        let oid = Oid::from_content(&long, "x").unwrap();
        assert_eq!(
            oid.to_string(),
            "2.25.329800735698586629295641978511506172918"
        );
    }

    #[test]
    fn malformed_ones_are_refused() {
        for content in [
            &[][..],
            &[0x80],
            &[0x2a, 0x86],
            &[0x2a, 0x80, 0x01],
            &[0xff; 19],
            &[0x2a; 129],
            &[[0x83].as_slice(), &[0xff; 18], &[0x7f]].concat(),
        ] {
            assert!(Oid::from_content(content, "x").is_err(), "{content:02x?}");
        }
    }
}
