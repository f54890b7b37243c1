//! Attributes that we write, each as DER (RFC 5652 §11, RFC 5035, RFC 6211, RFC 8551 §2.5, draft §3.2).

use const_oid::ObjectIdentifier;

use super::Attribute;
use super::AttributeError;
use super::algorithm_protection::AlgorithmProtection;
use super::ess::ContentHints;
use super::ess::UTF8_STRING;
use super::known;
use super::label::EquivalentLabels;
use super::label::SecurityLabel;
use super::oid::Oid;
use super::signature_type::SignatureTypeError;
use super::signature_type::SignatureTypeOid;
use super::signature_type::encode;
use super::signing_certificate::SigningCertificate;
use super::smime::Capability;
use super::time;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::element;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::notation::SignatureType;
use crate::tlv::tag;

/// A SET OF `elements`, sorted as DER demands (X.690 §11.6).
///
/// Each is one whole element, so that none is a prefix of another and plain order is the standard's.
#[must_use]
pub fn set_of(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort_unstable();
    let parts: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
    element(tag::SET, &parts)
}

/// An Attribute of type `oid` with `value`, which is DER.
#[must_use]
pub(crate) fn attribute(oid: ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    let values = element(tag::SET, &[value]);
    element(tag::SEQUENCE, &[&Oid::from(oid).to_der(), &values])
}

/// contentType (RFC 5652 §11.1).
#[must_use]
pub fn content_type(oid: ObjectIdentifier) -> Vec<u8> {
    attribute(known::CONTENT_TYPE, &Oid::from(oid).to_der())
}

/// messageDigest (RFC 5652 §11.2).
#[must_use]
pub fn message_digest(digest: &[u8]) -> Vec<u8> {
    attribute(
        known::MESSAGE_DIGEST,
        &element(tag::OCTET_STRING, &[digest]),
    )
}

/// signingTime, from seconds since 1970 (RFC 5652 §11.3). Fails outside the years 0 to 9999.
pub fn signing_time(seconds: i64) -> Result<Vec<u8>, CmsError> {
    let time = time::encode(seconds)
        .ok_or_else(|| CmsError::field("signingTime", "four digits cannot hold its year"))?;
    Ok(attribute(known::SIGNING_TIME, &time))
}

/// signingCertificateV2 with the SHA-256 digest of the signer's certificate, and with its issuer
/// (Name, DER) and serial number (content octets) as RFC 5035 §5.4.1 advises.
///
/// Fails when `issuer` is no SEQUENCE or `serial` has no octets.
pub fn signing_certificate_v2(
    sha256: &[u8],
    issuer: &[u8],
    serial: &[u8],
) -> Result<Vec<u8>, CmsError> {
    let names = element(tag::SEQUENCE, &[&element(tag::context(4), &[issuer])]);
    let issuer_serial = element(tag::SEQUENCE, &[&names, &element(tag::INTEGER, &[serial])]);
    // hashAlgorithm is left out: DER has no place for a default (X.690 §11.5).
    let hash = element(tag::OCTET_STRING, &[sha256]);
    let certs = element(
        tag::SEQUENCE,
        &[&element(tag::SEQUENCE, &[&hash, &issuer_serial])],
    );
    let value = element(tag::SEQUENCE, &[&certs]);
    SigningCertificate::decode_v2(&value)?;
    Ok(attribute(known::SIGNING_CERTIFICATE_V2, &value))
}

/// SMIMECapabilities, the one that we like best first (RFC 8551 §2.5.2).
#[must_use]
pub fn smime_capabilities(capabilities: &[Capability<'_>]) -> Vec<u8> {
    let capabilities: Vec<Vec<u8>> = capabilities
        .iter()
        .map(|capability| {
            element(
                tag::SEQUENCE,
                &[
                    &capability.oid.to_der(),
                    capability.parameters.unwrap_or_default(),
                ],
            )
        })
        .collect();
    attribute(
        known::SMIME_CAPABILITIES,
        &element(tag::SEQUENCE, &[&capabilities.concat()]),
    )
}

/// cmsAlgorithmProtection with the SignerInfo's AlgorithmIdentifiers, each as DER (RFC 6211 §2).
///
/// Fails when one of them is malformed.
pub fn cms_algorithm_protection(
    digest_algorithm: &[u8],
    signature_algorithm: &[u8],
) -> Result<Vec<u8>, CmsError> {
    let signature = tlv::single(signature_algorithm, tag::SEQUENCE, "signatureAlgorithm")?;
    let signature = element(tag::context(1), &[signature.content]);
    let value = element(tag::SEQUENCE, &[digest_algorithm, &signature]);
    AlgorithmProtection::decode(&value)?;
    Ok(attribute(known::ALGORITHM_PROTECTION, &value))
}

/// eSSSecurityLabel (RFC 2634 §3.2). Fails when `label` does not read back as itself.
pub fn security_label(label: &SecurityLabel<'_>) -> Result<Vec<u8>, CmsError> {
    let value = label.to_der();
    SecurityLabel::decode(&value)?;
    Ok(attribute(known::SECURITY_LABEL, &value))
}

/// equivalentLabels (RFC 2634 §3.4.1). Fails when there is none, or two are of one security policy.
pub fn equivalent_labels(labels: &[SecurityLabel<'_>]) -> Result<Vec<u8>, CmsError> {
    let labels: Vec<Vec<u8>> = labels.iter().map(SecurityLabel::to_der).collect();
    let value = element(tag::SEQUENCE, &[&labels.concat()]);
    EquivalentLabels::decode(&value)?;
    Ok(attribute(known::EQUIVALENT_LABELS, &value))
}

/// contentHints (RFC 2634 §2.9).
#[must_use]
pub fn content_hints(hints: &ContentHints<'_>) -> Vec<u8> {
    let description = hints
        .description
        .map(|text| element(UTF8_STRING, &[text.as_bytes()]));
    let description = description.unwrap_or_default();
    let value = element(tag::SEQUENCE, &[&description, &hints.content_type.to_der()]);
    attribute(known::CONTENT_HINTS, &value)
}

/// SignatureType (draft §3.2). Fails when `types` is empty, holds one twice, or holds another beside
/// `attributes`.
pub fn signature_type(
    types: &[SignatureType],
    oid: SignatureTypeOid,
) -> Result<Vec<u8>, SignatureTypeError> {
    encode(types, oid)
}

/// An attribute of somebody else's making, byte for byte: labels, mlExpansionHistory.
///
/// Fails when `der` is not one Attribute with at least one value that is DER all the way down, within
/// `limits`: what we sign must read the same to everybody.
pub fn raw(der: &[u8], limits: &Limits) -> Result<Vec<u8>, AttributeError> {
    let attribute = Attribute::parse(der, limits)?;
    if attribute.values().len() == 0 {
        attribute.value()?;
    }
    check_encoding(der, limits)?;
    if attribute.to_der() != der {
        let sorted = CmsError::field("attrValues", "they are not in the order of DER");
        return Err(AttributeError::Malformed(sorted));
    }
    Ok(der.to_vec())
}

/// Walks every element of `der`, iteratively, and refuses lengths that are not minimal.
fn check_encoding(der: &[u8], limits: &Limits) -> Result<(), CmsError> {
    let mut open = vec![tlv::Reader::new(der, "Attribute")];
    while let Some(reader) = open.last_mut() {
        let Some(element) = reader.next()? else {
            open.pop();
            continue;
        };
        let minimal = tlv::header_length(element.content.len()) + element.content.len();
        if element.raw.len() != minimal {
            return Err(CmsError::field(
                "Attribute",
                "a length in it is not minimal",
            ));
        }
        if element.tag & tag::CONSTRUCTED != 0 {
            LimitError::check("depth of an attribute", open.len() + 1, limits.asn1_depth)?;
            open.push(tlv::Reader::new(element.content, "Attribute"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::super::fixtures::NULL;
    use super::super::fixtures::hex;
    use super::super::fixtures::list;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::with_values;
    use super::super::label::SecurityCategory;
    use super::*;

    #[test]
    fn what_is_built_is_these_octets_and_reads_back() {
        // As OpenSSL's `cms -sign` writes them.
        let data = fixtures::oid("1.2.840.113549.1.7.1");
        assert_eq!(
            content_type(data),
            hex("30 18 06 09 2a864886f70d010903 31 0b 06 09 2a864886f70d010701")
        );
        assert_eq!(
            signing_time(1_781_481_600).unwrap(),
            hex("30 1c 06 09 2a864886f70d010905 31 0f 17 0d 323630363135303030303030 5a")
        );
        let read = list(&[
            content_type(data),
            message_digest(&[1, 2, 3]),
            signing_time(4_102_444_800).unwrap(),
        ]);
        assert_eq!(read.content_type().unwrap(), data);
        assert_eq!(read.message_digest().unwrap(), [1, 2, 3]);
        assert_eq!(read.signing_time().unwrap(), Some(4_102_444_800));
        assert!(signing_time(i64::MAX).is_err());
    }

    #[test]
    fn sets_are_sorted_as_octets() {
        let elements = vec![
            vec![4, 2, 0, 0],
            vec![4, 1, 9],
            vec![2, 1, 9],
            vec![4, 1, 1],
        ];
        assert_eq!(
            set_of(elements),
            [0x31, 13, 2, 1, 9, 4, 1, 1, 4, 1, 9, 4, 2, 0, 0]
        );
        assert_eq!(set_of(vec![]), [0x31, 0]);
    }

    #[test]
    fn labels_and_hints_read_back_as_they_were() {
        let oid = |text| Oid::from(fixtures::oid(text));
        let category = |text, value| SecurityCategory {
            oid: oid(text),
            value,
        };
        let label = SecurityLabel {
            policy: oid("1.2.3"),
            classification: Some(256),
            privacy_mark: Some("für Berta"),
            categories: vec![category("1.2.9", NULL), category("1.2.4", NULL)],
        };
        let written = security_label(&label).unwrap();
        let sorted = vec![category("1.2.4", NULL), category("1.2.9", NULL)];
        let read = Attribute::parse(&written, &Limits::default()).unwrap();
        assert_eq!(
            SecurityLabel::decode(read.value().unwrap()).unwrap(),
            SecurityLabel {
                categories: sorted,
                ..label.clone()
            }
        );
        assert_eq!(raw(&written, &Limits::default()).unwrap(), written);
        // The members of the SET in the order of their tags (X.690 §10.3).
        let least = SecurityLabel {
            privacy_mark: None,
            categories: Vec::new(),
            ..label
        };
        assert_eq!(least.to_der(), hex("31 08 0202 0100 0602 2a03"));
        assert!(equivalent_labels(&[]).is_err());
        assert!(equivalent_labels(&[least.clone(), least]).is_err());

        let hints = ContentHints {
            description: Some("Grüße"),
            content_type: oid("1.2.3"),
        };
        let written = content_hints(&hints);
        let read = Attribute::parse(&written, &Limits::default()).unwrap();
        assert_eq!(ContentHints::decode(read.value().unwrap()).unwrap(), hints);
    }

    #[test]
    fn attributes_of_others_are_copied_byte_for_byte() {
        let limits = Limits::default();
        let label = with_values(known::SECURITY_LABEL, &[&[tag::SET, 4, 6, 2, 0x2a, 3]]);
        assert_eq!(raw(&label, &limits).unwrap(), label);
        let several = with_values(fixtures::oid("1.2.5555"), &[NULL, &[tag::SEQUENCE, 0]]);
        assert_eq!(raw(&several, &limits).unwrap(), several);
    }

    #[test]
    fn attributes_that_read_in_two_ways_are_not_copied() {
        let limits = Limits::default();
        let unknown = fixtures::oid("1.2.5555");
        let good = with_values(unknown, &[NULL]);
        for bad in [
            [&good[..], NULL].concat(),
            [&good[..], &good[..]].concat(),
            with_values(unknown, &[]),
            with_values(unknown, &[&[tag::SEQUENCE, 0], NULL]),
            with_values(unknown, &[&[4, 0x81, 1, 0]]),
            with_values(unknown, &[&[tag::SEQUENCE, 2, 4, 1]]),
            with_values(unknown, &[&[tag::SEQUENCE, 0x80, 0, 0]]),
            Vec::new(),
        ] {
            assert!(raw(&bad, &limits).is_err(), "{bad:02x?}");
        }
    }

    #[test]
    fn depth_of_a_copied_attribute_is_bounded() {
        let limits = Limits::default();
        let deep = |depth: usize| {
            let value =
                (0..depth).fold(NULL.to_vec(), |value, _| element(tag::SEQUENCE, &[&value]));
            raw(&with_values(fixtures::oid("1.2.5555"), &[&value]), &limits)
        };
        // The Attribute and its SET are two.
        assert!(deep(limits.asn1_depth - 3).is_ok());
        assert!(deep(limits.asn1_depth).is_err());
        assert!(deep(10_000).is_err());
    }

    #[test]
    fn what_is_copied_after_mutilation_is_its_own_der() {
        let limits = Limits::default();
        let seed = with_values(
            known::SECURITY_LABEL,
            &[&[tag::SET, 7, 2, 1, 1, 6, 2, 0x2a, 3]],
        );
        mutilated(&seed, |octets| {
            if let Ok(copied) = raw(octets, &limits) {
                let set = list(std::slice::from_ref(&copied)).der_for_signature();
                assert_eq!(set, element(tag::SET, &[&copied]));
            }
        });
    }
}
