//! What reports show of an attribute, as a tree of values without a format.
//!
//! Texts come from the message and may hold any character: who prints them on a terminal escapes them.

use const_oid::ObjectIdentifier;

use super::Attribute;
use super::algorithm_protection::AlgorithmProtection;
use super::countersignature::CounterSignature;
use super::ess::ContentHints;
use super::ess::ContentReference;
use super::ess::ReceiptRequest;
use super::known;
use super::label::EquivalentLabels;
use super::label::SecurityLabel;
use super::mailing_list::MlExpansionHistory;
use super::oid::Oid;
use super::secure_headers::SecureHeaderFields;
use super::signature_type::SignatureTypes;
use super::signing_certificate::SigningCertificate;
use super::smime::Capabilities;
use super::smime::EncryptionKeyPreference;
use super::time;
use crate::cms::content_info::content_type_name;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::crypto::identifiers;
use crate::crypto::oids;
use crate::tlv::tag;

/// A value in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// Octets in lower-case hex without separators.
    Hex(String),
    /// Several.
    List(Vec<Self>),
    /// Named ones, in the order of the standard's fields.
    Map(Vec<(&'static str, Self)>),
    /// A number that is never negative.
    Number(u64),
    /// Text, a name, an identifier, or a time as RFC 3339.
    Text(String),
}

/// All values of `attribute`: the only one by itself, several (or none) as a list.
pub(crate) fn describe(attribute: &Attribute) -> Value {
    let mut described = attribute
        .values()
        .map(|value| describe_one(attribute.oid(), value))
        .collect::<Vec<_>>();
    match (described.pop(), described.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            described.extend(last);
            Value::List(described)
        }
    }
}

fn describe_one(oid: &Oid, value: &[u8]) -> Value {
    match describe_known(oid, value) {
        Some(Ok(described)) => described,
        Some(Err(error)) => map([
            ("error", Value::Text(error.to_string())),
            ("hex", shortened(value)),
        ]),
        None => shortened(value),
    }
}

/// `None` for an attribute whose values we cannot decode.
fn describe_known(oid: &Oid, value: &[u8]) -> Option<Result<Value, CmsError>> {
    let (_, decode) = DECODERS.iter().find(|(known, _)| *oid == *known)?;
    Some(decode(value))
}

type Decoder = fn(&[u8]) -> Result<Value, CmsError>;

#[rustfmt::skip]
const DECODERS: &[(ObjectIdentifier, Decoder)] = &[
    (known::CONTENT_TYPE, |value| {
        let content = tlv::single(value, tag::OBJECT_IDENTIFIER, "contentType")?.content;
        Ok(describe_content_type(&Oid::from_content(content, "contentType")?))
    }),
    (known::MESSAGE_DIGEST, |value| octet_string(value, "messageDigest")),
    (known::SIGNING_TIME, |value| Ok(Value::Text(time::rfc3339(signing_time(value)?)))),
    (known::COUNTER_SIGNATURE, |value| Ok(CounterSignature::decode(value)?.describe())),
    (known::SMIME_CAPABILITIES, |value| Ok(Capabilities::decode(value)?.describe())),
    (known::ALGORITHM_PROTECTION, |value| Ok(AlgorithmProtection::decode(value)?.describe())),
    (known::SIGNATURE_TYPE, |value| Ok(SignatureTypes::decode(value)?.describe())),
    (known::SIGNATURE_TYPE_DRAFT, |value| Ok(SignatureTypes::decode(value)?.describe())),
    (known::RECEIPT_REQUEST, |value| Ok(ReceiptRequest::decode(value)?.describe())),
    (known::SECURITY_LABEL, |value| Ok(SecurityLabel::decode(value)?.describe())),
    (known::ML_EXPANSION_HISTORY, |value| Ok(MlExpansionHistory::decode(value)?.describe())),
    (known::CONTENT_HINTS, |value| Ok(ContentHints::decode(value)?.describe())),
    (known::MSG_SIG_DIGEST, |value| octet_string(value, "msgSigDigest")),
    (known::CONTENT_IDENTIFIER, |value| octet_string(value, "contentIdentifier")),
    (known::EQUIVALENT_LABELS, |value| Ok(EquivalentLabels::decode(value)?.describe())),
    (known::CONTENT_REFERENCE, |value| Ok(ContentReference::decode(value)?.describe())),
    (known::ENCRYPTION_KEY_PREFERENCE, |value| Ok(EncryptionKeyPreference::decode(value)?.describe())),
    (known::MICROSOFT_ENCRYPTION_KEY_PREFERENCE,
        |value| Ok(EncryptionKeyPreference::decode_microsoft(value)?.describe())),
    (known::SIGNING_CERTIFICATE, |value| Ok(SigningCertificate::decode(value)?.describe())),
    (known::SIGNING_CERTIFICATE_V2, |value| Ok(SigningCertificate::decode_v2(value)?.describe())),
    (known::SECURE_HEADER_FIELDS, |value| Ok(SecureHeaderFields::decode(value)?.describe())),
    // A token is a message of its own: its size is all that this layer says of it.
    (known::SIGNATURE_TIME_STAMP_TOKEN, |value| Ok(map([("octets", count(value.len()))]))),
];

/// Seconds since 1970 of a SigningTime.
pub(crate) fn signing_time(value: &[u8]) -> Result<i64, CmsError> {
    let mut reader = tlv::Reader::new(value, "signingTime");
    let element = reader
        .next()?
        .ok_or_else(|| CmsError::field("signingTime", "it is empty"))?;
    reader.end()?;
    time::decode(&element, "signingTime")
}

fn octet_string(value: &[u8], field: &'static str) -> Result<Value, CmsError> {
    Ok(hex(tlv::single(value, tag::OCTET_STRING, field)?.content))
}

/// Octets of an attribute that we do not decode, or cannot, that a report shows.
const SHOWN: usize = 16 * 1024;

fn shortened(octets: &[u8]) -> Value {
    match octets.get(..SHOWN) {
        Some(start) if octets.len() > SHOWN => {
            map([("octets", count(octets.len())), ("start", hex(start))])
        }
        _ => hex(octets),
    }
}

/// Octets as lower-case hex.
pub(crate) fn to_hex(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(octet & 0xf)])
        .collect()
}

pub(crate) fn hex(octets: &[u8]) -> Value {
    Value::Hex(to_hex(octets))
}

/// Text where the octets are UTF-8, else hex.
pub(crate) fn text(octets: &[u8]) -> Value {
    match str::from_utf8(octets) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => hex(octets),
    }
}

pub(crate) fn map<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Map(fields.into())
}

/// A map of those fields that are present.
pub(crate) fn map_of_present<const N: usize>(fields: [(&'static str, Option<Value>); N]) -> Value {
    let present = |(name, value): (_, Option<Value>)| Some((name, value?));
    Value::Map(fields.into_iter().filter_map(present).collect())
}

pub(crate) fn count(number: usize) -> Value {
    Value::Number(u64::try_from(number).unwrap_or(u64::MAX))
}

pub(crate) fn describe_content_type(oid: &Oid) -> Value {
    let known = ObjectIdentifier::from_bytes(oid.as_bytes());
    Value::Text(known.map_or_else(|_| oid.to_string(), content_type_name))
}

/// The name of an algorithm or capability in reports, or `None`.
///
/// An identifier whose parameters choose the hash (`rsa-pss`, `rsa-oaep`) has the name without it.
#[must_use]
pub fn algorithm_name(oid: &Oid) -> Option<&'static str> {
    let oid = ObjectIdentifier::from_bytes(oid.as_bytes()).ok()?;
    let of_capability = || {
        let (_, name) = CAPABILITIES.iter().find(|(known, _)| *known == oid)?;
        Some(*name)
    };
    identifiers::name_of(oid).or_else(of_capability)
}

pub(crate) fn describe_algorithm(oid: &Oid) -> Value {
    Value::Text(algorithm_name(oid).map_or_else(|| oid.to_string(), str::to_owned))
}

/// Capabilities that are no algorithms of [`crate::crypto`].
const CAPABILITIES: &[(ObjectIdentifier, &str)] = &[
    // id-alg-zlibCompress (RFC 3274 §2).
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.8"),
        "zlib",
    ),
    (oids::PREFER_BINARY_INSIDE, "prefer-binary-inside"),
];

#[cfg(test)]
mod tests {
    use super::super::Attribute;
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn every_attribute_that_is_decoded_has_a_name() {
        for (oid, _) in CAPABILITIES {
            assert!(identifiers::name_of(*oid).is_none(), "{oid} is named twice");
        }
        for (oid, _) in DECODERS {
            assert!(known::name_of(&Oid::from(*oid)).is_some(), "{oid}");
        }
    }

    #[test]
    fn unknown_attributes_are_shown_in_hex_up_to_a_bound() {
        let limits = Limits::default();
        let of = |value: &[u8]| {
            let oid = Oid::from(ObjectIdentifier::new_unwrap("1.2.5555"));
            let set = tlv::element(tag::SET, &[value]);
            let der = tlv::element(tag::SEQUENCE, &[&oid.to_der(), &set]);
            Attribute::parse(&der, &limits).unwrap().describe()
        };
        assert_eq!(of(&[4, 1, 0xab]), Value::Hex("0401ab".into()));
        assert_eq!(
            of(&[4, 1, 0xab, 5, 0]),
            Value::List(vec![Value::Hex("0401ab".into()), Value::Hex("0500".into())])
        );
        assert_eq!(of(&[]), Value::List(vec![]));
        let long = tlv::element(tag::OCTET_STRING, &[&vec![0; SHOWN]]);
        let Value::Map(fields) = of(&long) else {
            panic!("a long value was shown in full");
        };
        assert_eq!(fields[0], ("octets", count(SHOWN + 4)));
    }

    #[test]
    fn malformed_values_are_shown_with_the_reason() {
        let oid = Oid::from(known::MESSAGE_DIGEST);
        assert_eq!(
            describe_one(&oid, &[5, 0]),
            map([
                (
                    "error",
                    Value::Text(
                        "messageDigest is malformed: tag 0x05 stands where 0x04 should".into()
                    )
                ),
                ("hex", Value::Hex("0500".into())),
            ])
        );
    }
}
