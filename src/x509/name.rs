//! Distinguished names: how they print (RFC 4514) and when two are one (RFC 5280 §7.1).
//!
//! Names stay the DER that they were. Strings compare after folding case and white space; the
//! Unicode normalization of RFC 4518 §2.3 is not done, so names that differ in it alone are two.

use std::fmt::Write;

use super::oids;
use crate::octets::hex;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::dotted;
use crate::tlv::only;
use crate::tlv::tag;

/// Attribute types with a name in the LDAP registry (RFC 4514 §3, RFC 4520), by content octets.
#[rustfmt::skip]
const DESCRIPTORS: &[(&[u8], &str)] = &[
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x04], "SN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x55, 0x04, 0x0A], "O"),
    (&[0x55, 0x04, 0x0B], "OU"),
    (&[0x55, 0x04, 0x0C], "title"),
    (&[0x55, 0x04, 0x0D], "description"),
    (&[0x55, 0x04, 0x0F], "businessCategory"),
    (&[0x55, 0x04, 0x11], "postalCode"),
    (&[0x55, 0x04, 0x29], "name"),
    (&[0x55, 0x04, 0x2A], "GN"),
    (&[0x55, 0x04, 0x2B], "initials"),
    (&[0x55, 0x04, 0x2C], "generationQualifier"),
    (&[0x55, 0x04, 0x2E], "dnQualifier"),
    (&[0x55, 0x04, 0x41], "pseudonym"),
    (&[0x55, 0x04, 0x61], "organizationIdentifier"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x01], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xF2, 0x2C, 0x64, 0x01, 0x19], "DC"),
    (&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x01], "emailAddress"),
];

/// The string of a DER Name, its last RDN first (RFC 4514 §2).
///
/// Types without a registered name are dotted, with the value as `#` and hex. Control characters
/// are escaped too, since the string goes to terminals and logs. Fails when `name` is no Name.
pub fn to_rfc4514(name: &[u8]) -> Result<String, Asn1Error> {
    let mut rdns = Vec::new();
    for_each_rdn(name, |attributes| {
        let printed: Vec<String> = attributes.iter().map(print_attribute).collect();
        rdns.push(printed.join("+"));
    })?;
    rdns.reverse();
    Ok(rdns.join(","))
}

/// The values of the emailAddress attributes of a DER Name, in its order (RFC 5280 §4.1.2.6).
pub fn email_addresses(name: &[u8]) -> Result<Vec<String>, Asn1Error> {
    values(name, oids::EMAIL_ADDRESS.as_bytes())
}

/// The values of the commonName attributes of a DER Name, in its order. Fails when it is no Name.
pub fn common_names(name: &[u8]) -> Result<Vec<String>, Asn1Error> {
    values(name, oids::COMMON_NAME.as_bytes())
}

/// The values of the domainComponent attributes of a DER Name, in its order: the top-level domain
/// first (RFC 4514 §3). Fails when it is no Name.
pub fn domain_components(name: &[u8]) -> Result<Vec<String>, Asn1Error> {
    values(name, oids::DOMAIN_COMPONENT.as_bytes())
}

/// Attributes of the subject in which names may stand (RFC 3183 §2.3.1, §3.1.1).
pub(super) struct SubjectParts {
    pub(super) common_names: Vec<String>,
    pub(super) domain_components: Vec<String>,
}

impl SubjectParts {
    /// Those of a DER Name. A subject that is no Name makes no certificate.
    pub(super) fn of(subject: &[u8]) -> Self {
        Self {
            common_names: common_names(subject).unwrap_or_default(),
            domain_components: domain_components(subject).unwrap_or_default(),
        }
    }
}

fn values(name: &[u8], oid: &[u8]) -> Result<Vec<String>, Asn1Error> {
    let mut values = Vec::new();
    for_each_rdn(name, |attributes| {
        let of_type = attributes.iter().filter(|attribute| attribute.oid == oid);
        values.extend(of_type.filter_map(|attribute| string(&attribute.value)));
    })?;
    Ok(values)
}

/// Whether two DER Names are one: equal octets, or equal after folding (RFC 5280 §7.1).
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left == right
        || matches!(
            (FoldedName::of(left), FoldedName::of(right)),
            (Ok(left), Ok(right)) if left == right
        )
}

/// A name as it is compared: one entry for each RDN, most significant first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FoldedName(Vec<Vec<u8>>);

impl FoldedName {
    /// Folds a DER Name.
    pub fn of(name: &[u8]) -> Result<Self, Asn1Error> {
        let mut rdns = Vec::new();
        for_each_rdn(name, |attributes| {
            let mut folded: Vec<Vec<u8>> = attributes.iter().map(fold_attribute).collect();
            folded.sort_unstable();
            rdns.push(folded.concat());
        })?;
        Ok(Self(rdns))
    }

    /// Whether there is no RDN.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this name stands in the subtree below `base`: whether its RDNs begin with all of
    /// `base` (RFC 5280 §4.2.1.10).
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }
}

/// One AttributeTypeAndValue.
struct Attribute<'a> {
    oid: &'a [u8],
    value: Element<'a>,
}

fn for_each_rdn(name: &[u8], mut visit: impl FnMut(&[Attribute<'_>])) -> Result<(), Asn1Error> {
    for rdn in only(name, tag::SEQUENCE)?.reader() {
        let mut attributes = Vec::new();
        for attribute in rdn?.expect(tag::SET)?.reader() {
            let mut fields = attribute?.expect(tag::SEQUENCE)?.reader();
            attributes.push(Attribute {
                oid: fields.expect(tag::OBJECT_IDENTIFIER)?.content,
                value: fields.element()?,
            });
            fields.finish()?;
        }
        if attributes.is_empty() {
            return Err(Asn1Error::Value);
        }
        visit(&attributes);
    }
    Ok(())
}

fn print_attribute(attribute: &Attribute<'_>) -> String {
    let descriptor = DESCRIPTORS
        .iter()
        .find(|(oid, _)| *oid == attribute.oid)
        .map(|(_, descriptor)| *descriptor);
    match (descriptor, string(&attribute.value)) {
        (Some(descriptor), Some(value)) => format!("{descriptor}={}", escape(&value)),
        (descriptor, _) => {
            let kind = descriptor.map_or_else(
                || dotted(attribute.oid).unwrap_or_else(|| format!("#{}", hex(attribute.oid))),
                str::to_owned,
            );
            format!("{kind}=#{}", hex(attribute.value.raw))
        }
    }
}

/// RFC 4514 §2.4.
fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (index, letter) in value.chars().enumerate() {
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', letter]),
            '#' if index == 0 => escaped.push_str("\\#"),
            ' ' if index == 0 || index == last => escaped.push_str("\\ "),
            _ if letter.is_control() || is_bidirectional_control(letter) => {
                let mut buffer = [0; 4];
                for octet in letter.encode_utf8(&mut buffer).bytes() {
                    escaped.push('\\');
                    push_hex(&mut escaped, octet);
                }
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// Characters that make a terminal show text in another order than it has.
const fn is_bidirectional_control(letter: char) -> bool {
    matches!(letter, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Type, then the value: folded where it is a string, tag and octets where not.
fn fold_attribute(attribute: &Attribute<'_>) -> Vec<u8> {
    let mut folded = Vec::new();
    push_prefixed(&mut folded, attribute.oid);
    match string(&attribute.value) {
        // All string types fold to one, so that a CA may change from PrintableString to UTF8String.
        Some(value) => push_prefixed(&mut folded, fold(&value).as_bytes()),
        None => {
            folded.push(attribute.value.tag);
            push_prefixed(&mut folded, attribute.value.content);
        }
    }
    folded
}

/// Length first, so that no concatenation of attributes can look like another one.
fn push_prefixed(folded: &mut Vec<u8>, octets: &[u8]) {
    folded.extend_from_slice(&octets.len().to_be_bytes());
    folded.extend_from_slice(octets);
}

/// Lower case; white space at the ends removed, inside made one space (RFC 5280 §7.1, RFC 4518 §2.6.1).
fn fold(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// The text of a string type, `None` for other types and malformed strings.
pub(super) fn string(value: &Element<'_>) -> Option<String> {
    let content = value.content;
    match value.tag {
        tag::UTF8_STRING => std::str::from_utf8(content).ok().map(str::to_owned),
        tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING | tag::VISIBLE_STRING => {
            // Old CAs put Latin-1 here; that is no string of these types.
            content
                .is_ascii()
                .then(|| String::from_utf8_lossy(content).into_owned())
        }
        // T.61 in theory, Latin-1 in all certificates that exist.
        tag::TELETEX_STRING => Some(content.iter().map(|octet| char::from(*octet)).collect()),
        tag::BMP_STRING => {
            let (units, rest) = content.as_chunks::<2>();
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            let text: Result<String, _> = char::decode_utf16(units).collect();
            text.ok().filter(|_| rest.is_empty())
        }
        tag::UNIVERSAL_STRING => {
            let (letters, rest) = content.as_chunks::<4>();
            let letters = letters.iter().map(|unit| u32::from_be_bytes(*unit));
            let text: Option<String> = letters.map(char::from_u32).collect();
            text.filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

fn push_hex(text: &mut String, octet: u8) {
    // Writing to a String does not fail.
    let _ = write!(text, "{octet:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut der = vec![tag, u8::try_from(content.len()).unwrap()];
        der.extend_from_slice(content);
        der
    }

    /// Type, tag and value.
    type Typed<'a> = (&'a [u8], u8, &'a [u8]);

    /// RDNs of attributes.
    fn name(rdns: &[&[Typed<'_>]]) -> Vec<u8> {
        let rdns = rdns.iter().map(|rdn| {
            let attributes = rdn.iter().map(|(oid, tag, value)| {
                der(
                    tag::SEQUENCE,
                    &[der(tag::OBJECT_IDENTIFIER, oid), der(*tag, value)].concat(),
                )
            });
            der(tag::SET, &attributes.collect::<Vec<_>>().concat())
        });
        der(tag::SEQUENCE, &rdns.collect::<Vec<_>>().concat())
    }

    const CN: &[u8] = &[0x55, 0x04, 0x03];
    const O: &[u8] = &[0x55, 0x04, 0x0A];
    const PRINTABLE: u8 = tag::PRINTABLE_STRING;

    #[test]
    fn the_last_rdn_prints_first() {
        let name = name(&[
            &[(O, PRINTABLE, b"Example")],
            &[
                (CN, tag::UTF8_STRING, b"J. Smith"),
                (O, PRINTABLE, b"Sales"),
            ],
        ]);
        assert_eq!(to_rfc4514(&name).unwrap(), "CN=J. Smith+O=Sales,O=Example");
        assert_eq!(to_rfc4514(&[0x30, 0x00]).unwrap(), "");
    }

    #[test]
    fn special_characters_are_escaped() {
        let print = |value: &[u8]| to_rfc4514(&name(&[&[(CN, tag::UTF8_STRING, value)]])).unwrap();
        // The examples of RFC 4514 §4.
        assert_eq!(
            print(b"James \"Jim\" Smith, III"),
            r#"CN=James \"Jim\" Smith\, III"#
        );
        assert_eq!(print(b"Before\rAfter"), r"CN=Before\0dAfter");
        assert_eq!(print("Lučić".as_bytes()), "CN=Lučić");
        assert_eq!(print(b" #x "), r"CN=\ #x\ ");
        assert_eq!(print(b"#x;<>+\\"), r"CN=\#x\;\<\>\+\\");
        assert_eq!(print("a\u{202E}b".as_bytes()), r"CN=a\e2\80\aeb");
        assert_eq!(print(b" "), r"CN=\ ");
    }

    #[test]
    fn unregistered_types_and_malformed_strings_are_hex() {
        let odd = name(&[
            &[(&[0x2A, 0x03, 0x04], PRINTABLE, b"x")],
            &[(CN, PRINTABLE, &[0xE9])],
        ]);
        assert_eq!(to_rfc4514(&odd).unwrap(), "CN=#1301e9,1.2.3.4=#130178");
    }

    #[test]
    fn names_compare_without_case_and_white_space_and_string_type() {
        let left = name(&[&[(CN, PRINTABLE, b"Good  CA ")]]);
        let right = name(&[&[(CN, tag::UTF8_STRING, b"good ca")]]);
        assert!(same(&left, &right));
        assert!(!same(&left, &name(&[&[(CN, PRINTABLE, b"goodca")]])));
        assert!(!same(&left, &name(&[&[(O, PRINTABLE, b"good ca")]])));
    }

    #[test]
    fn the_order_of_attributes_in_one_rdn_does_not_count_and_that_of_rdns_does() {
        let (a, b) = ((CN, PRINTABLE, &b"a"[..]), (O, PRINTABLE, &b"b"[..]));
        assert!(same(&name(&[&[a, b]]), &name(&[&[b, a]])));
        assert!(!same(&name(&[&[a], &[b]]), &name(&[&[b], &[a]])));
        assert!(!same(&name(&[&[a], &[b]]), &name(&[&[a, b]])));
    }

    #[test]
    fn a_subtree_is_a_prefix_of_rdns() {
        let base = FoldedName::of(&name(&[&[(O, PRINTABLE, b"A")]])).unwrap();
        let inside = name(&[&[(O, PRINTABLE, b"a")], &[(CN, PRINTABLE, b"x")]]);
        let inside = FoldedName::of(&inside).unwrap();
        assert!(inside.is_within(&base));
        assert!(!base.is_within(&inside));
        let longer = FoldedName::of(&name(&[&[(O, PRINTABLE, b"AB")]])).unwrap();
        assert!(!longer.is_within(&base));
    }
}
