//! Just enough DER to write what no tool writes, and to change what a tool wrote.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// A constructed context-specific tag.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// A primitive context-specific tag.
pub(crate) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    [&header(tag, content.len()), content].concat()
}

/// The tag, and the length of content that is to follow.
pub(crate) fn header(tag: u8, length: usize) -> Vec<u8> {
    let mut out = vec![tag];
    match length {
        short @ 0..=0x7f => out.push(u8::try_from(short).unwrap()),
        long => {
            let octets = long.to_be_bytes();
            let digits: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
            out.push(0x80 | u8::try_from(digits.len()).unwrap());
            out.extend(digits);
        }
    }
    out
}

pub(crate) fn sequence(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    tlv(SEQUENCE, &joined(parts))
}

/// A SET OF, in the order of DER.
pub(crate) fn set_of(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = parts.into_iter().collect();
    parts.sort();
    tlv(SET, &joined(parts))
}

pub(crate) fn joined(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    parts.into_iter().flatten().collect()
}

pub(crate) fn integer(number: u64) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let mut digits: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    tlv(INTEGER, &digits)
}

pub(crate) fn octet_string(octets: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, octets)
}

/// A BIT STRING of whole octets.
pub(crate) fn bit_string(octets: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], octets].concat())
}

pub(crate) fn null() -> Vec<u8> {
    vec![0x05, 0]
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in [&[arcs[0] * 40 + arcs[1]], &arcs[2..]].concat() {
        let mut digits = vec![u8::try_from(arc & 0x7f).unwrap()];
        let mut rest = arc >> 7;
        while rest > 0 {
            digits.push(0x80 | u8::try_from(rest & 0x7f).unwrap());
            rest >>= 7;
        }
        content.extend(digits.iter().rev());
    }
    tlv(0x06, &content)
}

/// The content of the definite-length element `der`.
pub(crate) fn content(der: &[u8]) -> &[u8] {
    &der[header_len(der)..]
}

/// The elements that stand in the content of `der`.
pub(crate) fn children(der: &[u8]) -> Vec<&[u8]> {
    let mut rest = content(der);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (one, more) = rest.split_at(header_len(rest) + value_len(rest));
        found.push(one);
        rest = more;
    }
    found
}

/// The element that `path` leads to, by position from `der` downwards.
pub(crate) fn at<'a>(der: &'a [u8], path: &[usize]) -> &'a [u8] {
    path.iter().fold(der, |der, index| children(der)[*index])
}

/// `der` with the element at `path` replaced by what `change` makes of it; lengths are corrected.
pub(crate) fn edit(der: &[u8], path: &[usize], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut new = change(at(der, path));
    for depth in (0..path.len()).rev() {
        let parent = at(der, &path[..depth]);
        let mut parts: Vec<Vec<u8>> = children(parent).into_iter().map(<[u8]>::to_vec).collect();
        parts[path[depth]] = new;
        new = tlv(parent[0], &joined(parts));
    }
    new
}

/// As [`edit`], with the content alone changed and the tag kept.
pub(crate) fn edit_content(der: &[u8], path: &[usize], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    edit(der, path, |element| {
        let mut octets = content(element).to_vec();
        change(&mut octets);
        tlv(element[0], &octets)
    })
}

fn header_len(der: &[u8]) -> usize {
    match der[1] {
        long if long > 0x80 => 2 + usize::from(long & 0x7f),
        0x80 => panic!("indefinite length where the tests expect DER"),
        _ => 2,
    }
}

fn value_len(der: &[u8]) -> usize {
    match der[1] {
        long if long > 0x80 => der[2..header_len(der)]
            .iter()
            .fold(0, |len, octet| len << 8 | usize::from(*octet)),
        short => usize::from(short),
    }
}
