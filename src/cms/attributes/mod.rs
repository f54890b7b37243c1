//! Attributes of a SignerInfo (RFC 5652 §5.3, §11): the list, the rules on it, and each by name.
//!
//! Bytes stay as they came; what is digested is their DER re-encoding. Lists, values and depth are
//! bounded; unknown attributes are kept. The input has been through [`crate::cms::ber`].

mod algorithm_protection;
pub mod build;
mod countersignature;
mod ess;
#[cfg(test)]
mod fixtures;
mod forgery;
mod known;
mod label;
mod mailing_list;
mod names;
mod oid;
mod secure_headers;
mod signature_type;
mod signing_certificate;
mod smime;
mod time;
mod value;

use std::ops::Range;

use const_oid::ObjectIdentifier;

use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::tlv::tag;

pub use algorithm_protection::Algorithm;
pub use algorithm_protection::AlgorithmProtection;
pub use algorithm_protection::AlgorithmProtectionError;
pub use algorithm_protection::Operation;
pub use algorithm_protection::check_algorithm_protection;
pub use countersignature::CounterSignature;
pub use ess::ContentHints;
pub use ess::ContentReference;
pub use ess::ReceiptRequest;
pub use ess::ReceiptsFrom;
pub use forgery::begins_like_signed_attributes;
pub use forgery::looks_like_signed_attributes;
pub use known::*;
pub use label::EquivalentLabels;
pub use label::SecurityCategory;
pub use label::SecurityLabel;
pub use mailing_list::MlData;
pub use mailing_list::MlExpansionHistory;
pub use mailing_list::MlReceiptPolicy;
pub use names::CertificateName;
pub use names::GeneralName;
pub use names::IssuerAndSerial;
pub use oid::Oid;
pub use secure_headers::Canonicalization;
pub use secure_headers::HeaderFieldStatus;
pub use secure_headers::SecureHeaderField;
pub use secure_headers::SecureHeaderFields;
pub use signature_type::SignatureTypeError;
pub use signature_type::SignatureTypeOid;
pub use signature_type::SignatureTypes;
pub use signature_type::same_in_all;
pub use signature_type::signature_types;
pub use signing_certificate::CertId;
pub use signing_certificate::IssuerSerial;
pub use signing_certificate::SigningCertificate;
pub use signing_certificate::SigningCertificateError;
pub use signing_certificate::check_signing_certificate;
pub use signing_certificate::check_signing_certificates;
pub use smime::Capabilities;
pub use smime::Capability;
pub use smime::EncryptionKeyPreference;
pub use value::Value;
pub use value::algorithm_name;

/// One attribute: its type, its octets as they came, and where in them its values lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    oid: Oid,
    raw: Vec<u8>,
    values: Vec<Range<usize>>,
}

impl Attribute {
    /// Reads the DER of one Attribute and nothing behind it (RFC 5652 §5.3).
    ///
    /// Fails when it is malformed or has more values than `limits.attributes`. No value at all is
    /// read; [`Attribute::value`] refuses it.
    pub fn parse(der: &[u8], limits: &Limits) -> Result<Self, CmsError> {
        let attribute = tlv::single(der, tag::SEQUENCE, "Attribute")?;
        let mut fields = tlv::Reader::new(attribute.content, "Attribute");
        let oid = Oid::read(&mut fields, "attrType")?;
        let set = fields.expect(tag::SET, "attrValues")?;
        fields.end()?;
        let mut values = Vec::new();
        let mut at = der.len() - set.content.len();
        let mut reader = tlv::Reader::new(set.content, "attrValues");
        while let Some(value) = reader.next()? {
            LimitError::check(
                "number of values of an attribute",
                values.len() + 1,
                limits.attributes,
            )?;
            values.push(at..at + value.raw.len());
            at += value.raw.len();
        }
        Ok(Self {
            oid,
            raw: der.to_vec(),
            values,
        })
    }

    /// Its type.
    #[must_use]
    pub fn oid(&self) -> &Oid {
        &self.oid
    }

    /// Its name in reports; `None` for one that we do not know.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        name_of(&self.oid)
    }

    /// The Attribute SEQUENCE, byte for byte as it came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Its values in the order of the message, each as DER.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.values
            .iter()
            .map(|range| self.raw.get(range.clone()).unwrap_or_default())
    }

    /// Its only value, as DER. Fails when there is none, or more than one.
    pub fn value(&self) -> Result<&[u8], AttributeError> {
        match self.values.as_slice() {
            [range] => Ok(self.raw.get(range.clone()).unwrap_or_default()),
            values => Err(AttributeError::Values {
                name: self.display_name(),
                count: values.len(),
            }),
        }
    }

    /// What reports show of it. Malformed values are shown as hex, with the reason.
    #[must_use]
    pub fn describe(&self) -> Value {
        value::describe(self)
    }

    fn display_name(&self) -> String {
        self.name()
            .map_or_else(|| self.oid.to_string(), str::to_owned)
    }

    /// DER, with the values sorted as a SET OF demands (X.690 §11.6).
    fn to_der(&self) -> Vec<u8> {
        let values = build::set_of(self.values().map(<[u8]>::to_vec).collect());
        tlv::element(tag::SEQUENCE, &[&self.oid.to_der(), &values])
    }
}

/// The signed or the unsigned attributes of one SignerInfo.
///
/// Reading checks structure alone, so that a report can show what breaks the rules;
/// [`check_occurrence`] enforces them, and every access by name enforces its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// Reads `content`, the DER inside a SET OF Attribute or inside its implicit tag.
    ///
    /// Fails when an attribute is malformed, or there are more than `limits.attributes`.
    pub fn parse(content: &[u8], limits: &Limits) -> Result<Self, CmsError> {
        let mut list = Vec::new();
        let mut reader = tlv::Reader::new(content, "attributes");
        while let Some(element) = reader.next()? {
            LimitError::check("number of attributes", list.len() + 1, limits.attributes)?;
            list.push(Attribute::parse(element.raw, limits)?);
        }
        Ok(Self(list))
    }

    /// Reads `der`, one element with the identifier octet `tag`: 0x31 for SET, 0xa0 for signedAttrs,
    /// 0xa1 for unsignedAttrs. Fails as [`Attributes::parse`] does.
    pub fn parse_tagged(der: &[u8], tag: u8, limits: &Limits) -> Result<Self, CmsError> {
        Self::parse(tlv::single(der, tag, "attributes")?.content, limits)
    }

    /// All of them, in the order of the message.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Attribute> + ExactSizeIterator {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of one type.
    pub fn all(&self, oid: ObjectIdentifier) -> impl Iterator<Item = &Attribute> {
        self.0.iter().filter(move |attribute| attribute.oid == oid)
    }

    /// The attribute of that type, or `None`. Fails when there are several.
    pub fn only(&self, oid: ObjectIdentifier) -> Result<Option<&Attribute>, AttributeError> {
        let mut all = self.all(oid);
        let first = all.next();
        match (first, all.count()) {
            (Some(attribute), rest @ 1..) => Err(AttributeError::Repeated {
                name: attribute.display_name(),
                count: rest + 1,
            }),
            (first, _) => Ok(first),
        }
    }

    /// What is digested for the signature: the DER of a SET OF, with its universal tag and in the
    /// order of DER even where the message had another (RFC 5652 §5.4).
    #[must_use]
    pub fn der_for_signature(&self) -> Vec<u8> {
        build::set_of(self.0.iter().map(Attribute::to_der).collect())
    }

    /// contentType (RFC 5652 §11.1). Fails when it is missing, repeated or malformed.
    pub fn content_type(&self) -> Result<Oid, AttributeError> {
        let value = self.needed(CONTENT_TYPE)?;
        let content = tlv::single(value, tag::OBJECT_IDENTIFIER, "contentType")?.content;
        Ok(Oid::from_content(content, "contentType")?)
    }

    /// messageDigest (RFC 5652 §11.2). Fails when it is missing, repeated or malformed.
    pub fn message_digest(&self) -> Result<&[u8], AttributeError> {
        let value = self.needed(MESSAGE_DIGEST)?;
        Ok(tlv::single(value, tag::OCTET_STRING, "messageDigest")?.content)
    }

    /// signingTime in seconds since 1970, or `None` (RFC 5652 §11.3). Fails when it is repeated or
    /// malformed.
    pub fn signing_time(&self) -> Result<Option<i64>, AttributeError> {
        let Some(value) = self.value_of(SIGNING_TIME)? else {
            return Ok(None);
        };
        Ok(Some(value::signing_time(value)?))
    }

    /// SMIMECapabilities, or `None` (RFC 8551 §2.5.2). Fails when they are repeated or malformed.
    pub fn capabilities(&self) -> Result<Option<Capabilities<'_>>, AttributeError> {
        self.value_of(SMIME_CAPABILITIES)?
            .map(|value| Ok(Capabilities::decode(value)?))
            .transpose()
    }

    /// mlExpansionHistory, or `None` (RFC 2634 §4.4). Fails when it is repeated or malformed.
    pub fn ml_expansion_history(&self) -> Result<Option<MlExpansionHistory<'_>>, AttributeError> {
        self.value_of(ML_EXPANSION_HISTORY)?
            .map(|value| Ok(MlExpansionHistory::decode(value)?))
            .transpose()
    }

    fn value_of(&self, oid: ObjectIdentifier) -> Result<Option<&[u8]>, AttributeError> {
        self.only(oid)?.map(Attribute::value).transpose()
    }

    fn needed(&self, oid: ObjectIdentifier) -> Result<&[u8], AttributeError> {
        self.value_of(oid)?.ok_or_else(|| {
            let oid = Oid::from(oid);
            AttributeError::Missing {
                name: name_of(&oid).map_or_else(|| oid.to_string(), str::to_owned),
            }
        })
    }
}

/// Enforces where attributes stand and how often, for one SignerInfo.
///
/// Signed attributes that are present must hold contentType and messageDigest (RFC 5652 §5.3); what
/// RFC 5652 §11, RFC 2634 §1.3.4, RFC 5035, RFC 6211 §2 and RFC 8551 §2.5 want once must stand once
/// with one value, and where they want it. Values are not decoded here.
pub fn check_occurrence(
    signed: Option<&Attributes>,
    unsigned: Option<&Attributes>,
) -> Result<(), AttributeError> {
    if let Some(signed) = signed {
        signed.needed(CONTENT_TYPE)?;
        signed.needed(MESSAGE_DIGEST)?;
        check_list(signed, known::Place::Signed)?;
    }
    if let Some(unsigned) = unsigned {
        check_list(unsigned, known::Place::Unsigned)?;
    }
    // RFC 2634 §1.3.4 counts over the whole SignerInfo, not over each list.
    for attribute in unsigned.into_iter().flat_map(Attributes::iter) {
        let twice = signed.is_some_and(|signed| signed.iter().any(|one| one.oid == attribute.oid));
        if twice && known::known(&attribute.oid).is_some_and(|known| known.once) {
            return Err(AttributeError::Repeated {
                name: attribute.display_name(),
                count: 2,
            });
        }
    }
    Ok(())
}

/// Linear in the list: at most one look-up in it for each of the attributes that we know.
fn check_list(list: &Attributes, place: known::Place) -> Result<(), AttributeError> {
    for attribute in list.iter() {
        let Some(known) = known::known(&attribute.oid) else {
            continue;
        };
        let name = || known.name.to_owned();
        match (known.place, place) {
            (known::Place::Signed, known::Place::Unsigned) => {
                return Err(AttributeError::MustBeSigned { name: name() });
            }
            (known::Place::Unsigned, known::Place::Signed) => {
                return Err(AttributeError::MustBeUnsigned { name: name() });
            }
            _ if known.once => {
                list.only(known.oid)?;
                attribute.value()?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A rule on attributes is broken, or one of them is malformed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// A value is not what its type says.
    #[error(transparent)]
    Malformed(#[from] CmsError),
    /// An attribute that must be there is not.
    #[error("signed attributes have no {name}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// An attribute that only a signed one may be is unsigned.
    #[error("{name} is an unsigned attribute, and must be a signed one")]
    MustBeSigned {
        /// Its name.
        name: String,
    },
    /// An attribute that only an unsigned one may be is signed.
    #[error("{name} is a signed attribute, and must be an unsigned one")]
    MustBeUnsigned {
        /// Its name.
        name: String,
    },
    /// An attribute that may occur once occurs several times.
    #[error("{name} occurs {count} times in one SignerInfo, and may occur once")]
    Repeated {
        /// Its name, or its dotted identifier.
        name: String,
        /// How often.
        count: usize,
    },
    /// An attribute that must have one value has none, or several.
    #[error("{name} has {count} values, and must have one")]
    Values {
        /// Its name, or its dotted identifier.
        name: String,
        /// How many.
        count: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::fixtures::NULL;
    use super::fixtures::hex;
    use super::fixtures::list;
    use super::fixtures::mandatory;
    use super::fixtures::mutilated;
    use super::fixtures::parse;
    use super::fixtures::with_values;
    use super::*;

    #[test]
    fn attributes_are_digested_in_the_order_of_der() {
        let [content_type, digest] = mandatory();
        let time = build::signing_time(0).unwrap();
        let sorted = list(&[content_type.clone(), time.clone(), digest.clone()]);
        let unsorted = list(&[digest.clone(), content_type.clone(), time.clone()]);
        let der = sorted.der_for_signature();
        // contentType is the shortest, and length comes before everything that differs.
        let expected = [content_type, time, digest].concat();
        assert_eq!(der, tlv::element(tag::SET, &[&expected]));
        assert_eq!(unsorted.der_for_signature(), der);
        assert_eq!(
            Attributes::parse_tagged(&der, tag::SET, &Limits::default()).unwrap(),
            sorted
        );
    }

    #[test]
    fn values_are_digested_in_the_order_of_der_and_kept_in_that_of_the_message() {
        let der = with_values(COUNTER_SIGNATURE, &[&[4, 1, 9], &[2, 1, 5], &[4, 1, 1]]);
        let attribute = parse(&der);
        assert_eq!(attribute.raw(), der);
        let values: Vec<&[u8]> = attribute.values().collect();
        assert_eq!(values, [[4, 1, 9], [2, 1, 5], [4, 1, 1]]);
        let sorted = with_values(COUNTER_SIGNATURE, &[&[2, 1, 5], &[4, 1, 1], &[4, 1, 9]]);
        assert_eq!(
            list(&[der]).der_for_signature(),
            tlv::element(tag::SET, &[&sorted])
        );
    }

    #[test]
    fn mandatory_attributes_are_read_and_missed() {
        let [content_type, digest] = mandatory();
        let both = list(&[content_type.clone(), digest.clone()]);
        assert_eq!(
            both.content_type().unwrap().to_string(),
            "1.2.840.113549.1.7.1"
        );
        assert_eq!(both.message_digest().unwrap(), [7; 32]);
        assert_eq!(both.signing_time().unwrap(), None);
        check_occurrence(Some(&both), None).unwrap();
        check_occurrence(None, None).unwrap();

        let error = check_occurrence(Some(&list(&[digest])), None).unwrap_err();
        assert_eq!(error.to_string(), "signed attributes have no contentType");
        let error = check_occurrence(Some(&list(&[content_type])), None).unwrap_err();
        assert_eq!(error.to_string(), "signed attributes have no messageDigest");
        assert!(check_occurrence(Some(&Attributes::default()), None).is_err());
    }

    #[test]
    fn what_must_occur_once_is_refused_twice() {
        let [content_type, digest] = mandatory();
        let base = [content_type, digest];
        for row in [
            CONTENT_TYPE,
            MESSAGE_DIGEST,
            SIGNING_TIME,
            SMIME_CAPABILITIES,
            ALGORITHM_PROTECTION,
            SIGNATURE_TYPE,
            SIGNATURE_TYPE_DRAFT,
            RECEIPT_REQUEST,
            SECURITY_LABEL,
            ML_EXPANSION_HISTORY,
            CONTENT_HINTS,
            MSG_SIG_DIGEST,
            CONTENT_IDENTIFIER,
            EQUIVALENT_LABELS,
            CONTENT_REFERENCE,
            ENCRYPTION_KEY_PREFERENCE,
            SIGNING_CERTIFICATE,
            SIGNING_CERTIFICATE_V2,
        ] {
            let one = with_values(row, &[NULL]);
            let twice = list(&[base.as_slice(), &[one.clone(), one.clone()]].concat());
            assert!(
                matches!(
                    check_occurrence(Some(&twice), None),
                    Err(AttributeError::Repeated { .. })
                ),
                "{row}"
            );
            let rest: Vec<Vec<u8>> = base
                .iter()
                .filter(|one| *parse(one).oid() != row)
                .cloned()
                .collect();
            for values in [&[][..], &[NULL, NULL]] {
                let list = list(&[rest.as_slice(), &[with_values(row, values)]].concat());
                assert!(
                    matches!(
                        check_occurrence(Some(&list), None),
                        Err(AttributeError::Values { .. })
                    ),
                    "{row}"
                );
            }
        }
    }

    #[test]
    fn counter_signatures_and_unknown_attributes_may_repeat() {
        let [content_type, digest] = mandatory();
        let unknown = with_values(fixtures::oid("1.2.5555"), &[]);
        let signed = list(&[content_type, digest, unknown.clone(), unknown]);
        let counter = with_values(COUNTER_SIGNATURE, &[NULL, NULL]);
        let unsigned = list(&[counter.clone(), counter.clone()]);
        check_occurrence(Some(&signed), Some(&unsigned)).unwrap();
        let misplaced = list(&[&mandatory()[..], &[counter]].concat());
        assert_eq!(
            check_occurrence(Some(&misplaced), None)
                .unwrap_err()
                .to_string(),
            "counterSignature is a signed attribute, and must be an unsigned one"
        );
    }

    #[test]
    fn what_must_be_signed_is_refused_among_the_unsigned() {
        let signed = list(&mandatory());
        for (oid, name) in [
            (SIGNING_TIME, "signingTime"),
            (SIGNATURE_TYPE_DRAFT, "signatureType"),
            (ML_EXPANSION_HISTORY, "mlExpansionHistory"),
            (SIGNING_CERTIFICATE_V2, "signingCertificateV2"),
        ] {
            let unsigned = list(&[with_values(oid, &[NULL])]);
            assert_eq!(
                check_occurrence(Some(&signed), Some(&unsigned))
                    .unwrap_err()
                    .to_string(),
                format!("{name} is an unsigned attribute, and must be a signed one")
            );
        }
        // contentHints may stand in either list, and in one of them alone.
        let hints = with_values(CONTENT_HINTS, &[NULL]);
        let unsigned = list(std::slice::from_ref(&hints));
        check_occurrence(Some(&signed), Some(&unsigned)).unwrap();
        let signed = list(&[&mandatory()[..], &[hints]].concat());
        assert!(check_occurrence(Some(&signed), Some(&unsigned)).is_err());
    }

    #[test]
    fn access_by_name_refuses_a_second_attribute() {
        let [content_type, digest] = mandatory();
        let other = build::message_digest(&[8; 32]);
        let list = list(&[content_type, digest, other]);
        assert_eq!(
            list.message_digest().unwrap_err().to_string(),
            "messageDigest occurs 2 times in one SignerInfo, and may occur once"
        );
    }

    #[test]
    fn numbers_of_attributes_and_values_are_bounded() {
        let limits = Limits {
            attributes: 3,
            ..Limits::default()
        };
        let one = with_values(fixtures::oid("1.2.5555"), &[NULL; 3]);
        assert!(Attributes::parse(&one.repeat(3), &limits).is_ok());
        assert!(Attributes::parse(&one.repeat(4), &limits).is_err());
        let four = with_values(fixtures::oid("1.2.5555"), &[NULL; 4]);
        assert!(Attribute::parse(&four, &limits).is_err());
    }

    #[test]
    fn malformed_lists_are_refused_with_the_field() {
        for (der, field) in [
            ("04 00", "Attribute"),
            ("30 00", "attrType"),
            ("30 02 06 00", "attrType"),
            ("30 05 06 03 2a 03 04", "attrValues"),
            ("30 07 06 03 2a 03 04 30 00", "attrValues"),
            ("30 09 06 03 2a 03 04 31 00 05 00", "Attribute"),
            ("30 08 06 03 2a 03 04 31 01 05", "attrValues"),
            ("30 03 06 03 2a", "Attribute"),
        ] {
            let error = Attributes::parse(&hex(der), &Limits::default()).unwrap_err();
            assert!(error.to_string().starts_with(field), "{der}: {error}");
        }
    }

    #[test]
    fn mutilated_lists_never_panic_and_what_is_read_can_be_written() {
        let limits = Limits::default();
        let seed = [
            &mandatory()[..],
            &[
                build::signing_time(0).unwrap(),
                with_values(COUNTER_SIGNATURE, &[&[5, 0], &[2, 1, 1]]),
            ],
        ]
        .concat()
        .concat();
        mutilated(&seed, |octets| {
            let Ok(list) = Attributes::parse(octets, &limits) else {
                return;
            };
            let _ = check_occurrence(Some(&list), Some(&list));
            let _ = (
                list.content_type(),
                list.message_digest(),
                list.signing_time(),
            );
            for attribute in list.iter() {
                let _ = attribute.describe();
            }
            let der = list.der_for_signature();
            let again = Attributes::parse_tagged(&der, tag::SET, &limits).unwrap();
            assert_eq!(again.der_for_signature(), der);
        });
    }
}
