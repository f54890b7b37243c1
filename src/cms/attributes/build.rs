//! Attributes that we write, each as DER (RFC 5652 §11, RFC 5035, RFC 6211, RFC 8551 §2.5, draft §3.2).

use const_oid::ObjectIdentifier;

use super::Attribute;
use super::AttributeError;
use super::algorithm_protection::AlgorithmProtection;
use super::known;
use super::oid::Oid;
use super::signature_type::SignatureTypeError;
use super::signature_type::SignatureTypeOid;
use super::signature_type::encode;
use super::signing_certificate::SigningCertificate;
use super::smime::Capability;
use super::time;
use crate::cms::ber::tag;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::element;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::notation::SignatureType;

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
    let signature = element(tag::context(1), &[signature.value]);
    let value = element(tag::SEQUENCE, &[digest_algorithm, &signature]);
    AlgorithmProtection::decode(&value)?;
    Ok(attribute(known::ALGORITHM_PROTECTION, &value))
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
        let minimal = tlv::header_length(element.value.len()) + element.value.len();
        if element.raw.len() != minimal {
            return Err(CmsError::field(
                "Attribute",
                "a length in it is not minimal",
            ));
        }
        if element.tag & tag::CONSTRUCTED != 0 {
            LimitError::check("depth of an attribute", open.len() + 1, limits.asn1_depth)?;
            open.push(tlv::Reader::new(element.value, "Attribute"));
        }
    }
    Ok(())
}
