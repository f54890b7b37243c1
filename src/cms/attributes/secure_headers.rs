//! SecureHeaderFields: header fields in a signed attribute (RFC 7508 §4.1). Read, and never written:
//! RFC 9788 has taken its place.

use super::ess::UTF8_STRING;
use super::ess::utf8;
use super::names::list;
use super::names::number;
use super::names::unexpected;
use super::value::Value;
use super::value::map;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::tlv::Element;
use crate::tlv::tag;

/// Fields in one attribute; as many as `limits` allow a header.
const FIELDS: usize = 2_000;

const ENUMERATED: u8 = 0x0a;
const VISIBLE_STRING: u8 = 0x1a;

/// SecureHeaderFields (RFC 7508 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureHeaderFields<'a> {
    /// canonAlgorithm.
    pub canonicalization: Canonicalization,
    /// secHeaderFields: one at least.
    pub fields: Vec<SecureHeaderField<'a>>,
}

/// How values were canonicalised (RFC 7508 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonicalization {
    /// As DKIM's "relaxed".
    Relaxed,
    /// As DKIM's "simple".
    Simple,
}

/// HeaderField (RFC 7508 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureHeaderField<'a> {
    /// field-Name, without a colon.
    pub name: &'a str,
    /// field-Value.
    pub value: &'a str,
    /// field-Status.
    pub status: HeaderFieldStatus,
}

/// What encryption makes of the field outside (RFC 7508 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFieldStatus {
    /// It is removed.
    Deleted,
    /// It stands there as it is.
    Duplicated,
    /// It has another value.
    Modified,
}

impl<'a> SecureHeaderFields<'a> {
    /// Reads the value of a secureHeaderFieldsIdentifier attribute.
    ///
    /// The members of a SET are told apart by their tags, and their order is not looked at.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let set = tlv::single(value, tag::SET, "SecureHeaderFields")?;
        let (mut canonicalization, mut fields) = (None, None);
        let mut members = tlv::Reader::new(set.content, "SecureHeaderFields");
        while let Some(member) = members.next()? {
            let again = match member.tag {
                ENUMERATED => canonicalization.replace(algorithm(&member)?).is_some(),
                tag::SEQUENCE => {
                    let read = list(member.content, "number of HeaderField", FIELDS, field)?;
                    fields.replace(read).is_some()
                }
                other => return Err(unexpected("SecureHeaderFields", other, tag::SEQUENCE)),
            };
            if again {
                let reason = "a member stands in it twice";
                return Err(CmsError::field("SecureHeaderFields", reason));
            }
        }
        Ok(Self {
            canonicalization: canonicalization
                .ok_or_else(|| CmsError::field("canonAlgorithm", "it is missing"))?,
            fields: fields
                .filter(|fields| !fields.is_empty())
                .ok_or_else(|| CmsError::field("secHeaderFields", "it holds no HeaderField"))?,
        })
    }

    pub(crate) fn describe(&self) -> Value {
        let algorithm = match self.canonicalization {
            Canonicalization::Relaxed => "relaxed",
            Canonicalization::Simple => "simple",
        };
        let field = |field: &SecureHeaderField<'_>| {
            let status = match field.status {
                HeaderFieldStatus::Deleted => "deleted",
                HeaderFieldStatus::Duplicated => "duplicated",
                HeaderFieldStatus::Modified => "modified",
            };
            map([
                ("name", Value::Text(field.name.to_owned())),
                ("value", Value::Text(field.value.to_owned())),
                ("status", Value::Text(status.to_owned())),
            ])
        };
        map([
            ("canonicalization", Value::Text(algorithm.to_owned())),
            (
                "fields",
                Value::List(self.fields.iter().map(field).collect()),
            ),
        ])
    }
}

fn algorithm(member: &Element<'_>) -> Result<Canonicalization, CmsError> {
    match member.content {
        [0] => Ok(Canonicalization::Simple),
        [1] => Ok(Canonicalization::Relaxed),
        other => Err(CmsError::field(
            "canonAlgorithm",
            format!("{other:02x?} is neither simple nor relaxed"),
        )),
    }
}

fn field(element: Element<'_>) -> Result<SecureHeaderField<'_>, CmsError> {
    if element.tag != tag::SEQUENCE {
        return Err(unexpected("HeaderField", element.tag, tag::SEQUENCE));
    }
    let mut members = tlv::Reader::new(element.content, "HeaderField");
    let name = members.expect(VISIBLE_STRING, "field-Name")?.content;
    let visible = |octet: &u8| octet.is_ascii_graphic() && *octet != b':';
    if name.is_empty() || !name.iter().all(visible) {
        return Err(CmsError::field(
            "field-Name",
            "it is no name of a header field",
        ));
    }
    let name = utf8(name, "field-Name")?;
    let value = utf8(
        members.expect(UTF8_STRING, "field-Value")?.content,
        "field-Value",
    )?;
    let status = match members.optional(tag::INTEGER)? {
        None => HeaderFieldStatus::Duplicated,
        Some(status) => match number(&status, "field-Status")? {
            0 => HeaderFieldStatus::Duplicated,
            1 => HeaderFieldStatus::Deleted,
            2 => HeaderFieldStatus::Modified,
            other => {
                let reason = format!("{other} is none of its values");
                return Err(CmsError::field("field-Status", reason));
            }
        },
    };
    members.end()?;
    Ok(SecureHeaderField {
        name,
        value,
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::mutilated;
    use super::super::fixtures::sequence;
    use super::*;
    use crate::cms::tlv::element;

    fn header_field(name: &str, value: &str, status: &[u8]) -> Vec<u8> {
        let name = element(VISIBLE_STRING, &[name.as_bytes()]);
        let value = element(UTF8_STRING, &[value.as_bytes()]);
        sequence(&[&name, &value, status])
    }

    /// The example of RFC 7508 appendix B, with two other statuses.
    fn example() -> Vec<u8> {
        let fields = sequence(&[
            &header_field("x-ximf-primary-precedence", "priority", &[2, 1, 0]),
            &header_field("x-ximf-correspondance-type", "official", &[2, 1, 2]),
            &header_field("subject", "This is a test of Ext.", &[]),
        ]);
        element(tag::SET, &[&[ENUMERATED, 1, 1], &fields])
    }

    #[test]
    fn fields_are_read_with_their_statuses() {
        let value = example();
        let read = SecureHeaderFields::decode(&value).unwrap();
        assert_eq!(read.canonicalization, Canonicalization::Relaxed);
        let statuses: Vec<_> = read.fields.iter().map(|field| field.status).collect();
        assert_eq!(
            statuses,
            [
                HeaderFieldStatus::Duplicated,
                HeaderFieldStatus::Modified,
                HeaderFieldStatus::Duplicated
            ]
        );
        assert_eq!(read.fields[2].value, "This is a test of Ext.");
    }

    #[test]
    fn what_is_no_header_field_is_refused() {
        let algorithm = [ENUMERATED, 1, 0];
        let good = header_field("a", "b", &[]);
        let set = |members: &[&[u8]]| element(tag::SET, members);
        for value in [
            set(&[&algorithm]),
            set(&[&sequence(&[&good])]),
            set(&[&algorithm, &sequence(&[])]),
            set(&[&algorithm, &algorithm, &sequence(&[&good])]),
            set(&[&[ENUMERATED, 1, 2], &sequence(&[&good])]),
            set(&[&algorithm, &sequence(&[&header_field("a:", "b", &[])])]),
            set(&[
                &algorithm,
                &sequence(&[&header_field("a", "b", &[2, 1, 3])]),
            ]),
            sequence(&[&algorithm, &sequence(&[&good])]),
        ] {
            assert!(SecureHeaderFields::decode(&value).is_err(), "{value:02x?}");
        }
        mutilated(&example(), |value| {
            let _ = SecureHeaderFields::decode(value).map(|read| read.describe());
        });
    }
}
