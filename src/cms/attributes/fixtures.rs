//! What the tests of this module share.

use const_oid::ObjectIdentifier;

use super::Attribute;
use super::Attributes;
use super::build;
use crate::cms::tlv::element;
use crate::limits::Limits;
use crate::tlv::tag;

/// Octets of hex with blanks.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|one| one.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, parts)
}

pub(crate) fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new(dotted).unwrap()
}

/// Name with one commonName.
pub(crate) fn name(common: &str) -> Vec<u8> {
    let value = element(0x0c, &[common.as_bytes()]);
    let pair = sequence(&[&[6, 3, 0x55, 4, 3], &value]);
    sequence(&[&element(tag::SET, &[&pair])])
}

pub(crate) fn parse(der: &[u8]) -> Attribute {
    Attribute::parse(der, &Limits::default()).unwrap()
}

pub(crate) fn list(attributes: &[Vec<u8>]) -> Attributes {
    Attributes::parse(&attributes.concat(), &Limits::default()).unwrap()
}

/// An attribute with any number of values.
pub(crate) fn with_values(oid: ObjectIdentifier, values: &[&[u8]]) -> Vec<u8> {
    let oid = super::Oid::from(oid).to_der();
    sequence(&[&oid, &element(tag::SET, values)])
}

/// contentType and messageDigest, which must always be there.
pub(crate) fn mandatory() -> [Vec<u8>; 2] {
    [
        build::content_type(oid("1.2.840.113549.1.7.1")),
        build::message_digest(&[7; 32]),
    ]
}

/// Runs `check` on `seed` cut off at every place, and with every octet replaced by some others and by
/// its neighbours: decoders must return, whatever they return.
pub(crate) fn mutilated(seed: &[u8], mut check: impl FnMut(&[u8])) {
    for at in 0..seed.len() {
        check(&seed[..at]);
        let mut octets = seed.to_vec();
        for octet in [0, 1, 4, 6, 0x1f, 0x30, 0x31, 0x7f, 0x80, 0x84, 0xa0, 0xff] {
            octets[at] = octet;
            check(&octets);
        }
        for bit in 0..8 {
            octets[at] = seed[at] ^ 1 << bit;
            check(&octets);
        }
        let mut octets = seed.to_vec();
        octets.remove(at);
        check(&octets);
        octets.insert(at, seed[at]);
        octets.insert(at, seed[at]);
        check(&octets);
    }
}

/// The value NULL.
pub(crate) const NULL: &[u8] = &[5, 0];
