//! A certificate as we read it (RFC 5280 §4): its raw octets, and what they say.
//!
//! Reads what exists where that does no harm: versions 1 and 2, negative and long serial numbers,
//! BER booleans. Whether any of it is to be believed is [`super::path`]'s question, not this one's.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use sha1::Sha1;
use sha2::Digest as _;
use sha2::Sha256;

use super::extensions::AuthorityKey;
use super::extensions::BasicConstraints;
use super::extensions::Extensions;
use super::extensions::KeyUsage;
use super::extensions::ListError;
use super::general_name::GeneralName;
use super::name;
use super::name::FoldedName;
use super::name::SubjectParts;
use super::oids;
use super::time::Time;
use crate::limits::LimitError;
use crate::octets::hex;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::Reader;
use crate::tlv::dotted;
use crate::tlv::only;
use crate::tlv::tag;

/// The largest certificate. SLH-DSA makes some of 50,000 octets, and lists of names some of 100,000.
const OCTETS: usize = 1024 * 1024;

/// An X.509 certificate. Cheap to clone; equal when its octets are.
#[derive(Clone)]
pub struct Certificate {
    parsed: Arc<Parsed>,
}

struct Parsed {
    der: Vec<u8>,
    version: u8,
    tbs: Range<usize>,
    serial: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Spki,
    signature_algorithm: Range<usize>,
    signature: Range<usize>,
    /// Whether the algorithm inside and outside what is signed is the same (RFC 5280 §4.1.1.2).
    algorithms_agree: bool,
    not_before: Time,
    not_after: Time,
    folded_issuer: FoldedName,
    folded_subject: FoldedName,
    issuer_name: String,
    subject_name: String,
    subject_emails: Vec<String>,
    extensions: Extensions,
    sha256: OnceLock<[u8; 32]>,
    subject_parts: OnceLock<SubjectParts>,
}

struct Spki {
    whole: Range<usize>,
    /// The algorithm's identifier alone, content octets.
    oid: Range<usize>,
    /// The BIT STRING without its first octet.
    key: Range<usize>,
}

/// Why octets are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A field or extension is not encoded as it must be.
    #[error("{field} of the certificate is malformed")]
    Malformed {
        /// As RFC 5280 calls it.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: Asn1Error,
    },
    /// An extension is there twice (RFC 5280 §4.2).
    #[error("extension {0} occurs twice in the certificate")]
    DuplicateExtension(String),
    /// There is no version but 1, 2 and 3.
    #[error("version of the certificate is {0}")]
    Version(u32),
    /// Larger than any certificate.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Names the field in which an encoding is wrong.
pub(super) fn malformed(field: &'static str) -> impl FnOnce(Asn1Error) -> CertificateError {
    move |source| CertificateError::Malformed { field, source }
}

impl From<ListError> for CertificateError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Encoding(source) => malformed("extensions")(source),
            ListError::Twice(oid) => Self::DuplicateExtension(oid_text(&oid)),
        }
    }
}

impl Certificate {
    /// Reads one certificate, DER; nothing may follow it.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        LimitError::check("length of a certificate", der.len(), OCTETS)?;
        let mut fields = only(der, tag::SEQUENCE)
            .map_err(malformed("outer SEQUENCE"))?
            .reader();
        let tbs = fields
            .expect(tag::SEQUENCE)
            .map_err(malformed("tbsCertificate"))?;
        let algorithm = fields
            .expect(tag::SEQUENCE)
            .map_err(malformed("signatureAlgorithm"))?;
        let signature = fields
            .expect(tag::BIT_STRING)
            .and_then(|signature| signature_range(&signature))
            .map_err(malformed("signatureValue"))?;
        fields.finish().map_err(malformed("outer SEQUENCE"))?;
        let parsed = read_tbs(der, &tbs, &algorithm, signature)?;
        Ok(Self {
            parsed: Arc::new(parsed),
        })
    }

    /// All octets.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.parsed.der
    }

    /// The octets that are signed.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        self.slice(&self.parsed.tbs)
    }

    /// 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.parsed.version
    }

    /// The subject, DER Name.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        self.slice(&self.parsed.subject)
    }

    /// The issuer, DER Name.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        self.slice(&self.parsed.issuer)
    }

    /// The subject as RFC 4514 prints it.
    #[must_use]
    pub fn subject_name(&self) -> &str {
        &self.parsed.subject_name
    }

    /// The issuer as RFC 4514 prints it.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.parsed.issuer_name
    }

    /// The subject as it is compared.
    #[must_use]
    pub fn folded_subject(&self) -> &FoldedName {
        &self.parsed.folded_subject
    }

    /// The issuer as it is compared.
    #[must_use]
    pub fn folded_issuer(&self) -> &FoldedName {
        &self.parsed.folded_issuer
    }

    /// The serial number, content octets of the INTEGER.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.slice(&self.parsed.serial)
    }

    /// The serial number in hex, without a leading zero octet; negative ones begin with a minus.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        serial_hex(self.serial())
    }

    /// The SubjectPublicKeyInfo, DER, as it stands: DSA parameters may be absent from it
    /// (see [`super::path::effective_spki`]).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        self.slice(&self.parsed.spki.whole)
    }

    /// The content octets of the key algorithm's OID.
    pub(super) fn key_algorithm(&self) -> &[u8] {
        self.slice(&self.parsed.spki.oid)
    }

    /// The signature's AlgorithmIdentifier, DER.
    #[must_use]
    pub fn signature_algorithm(&self) -> &[u8] {
        self.slice(&self.parsed.signature_algorithm)
    }

    /// Whether that is also the algorithm inside what is signed, as it must be (RFC 5280 §4.1.1.2).
    #[must_use]
    pub fn signature_algorithms_agree(&self) -> bool {
        self.parsed.algorithms_agree
    }

    /// The signature's octets.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.slice(&self.parsed.signature)
    }

    /// The first second in which it is valid.
    #[must_use]
    pub fn not_before(&self) -> Time {
        self.parsed.not_before
    }

    /// The last second in which it is valid.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.parsed.not_after
    }

    /// keyUsage; absent, the key may do everything.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.parsed.extensions.key_usage
    }

    /// Dotted KeyPurposeIds; absent, the key is for every purpose.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<Vec<String>> {
        let purposes = self.parsed.extensions.extended_key_usage.as_ref()?;
        Some(purposes.iter().map(|purpose| oid_text(purpose)).collect())
    }

    /// Whether extKeyUsage is absent or allows mail (RFC 8550 §4.4.4).
    #[must_use]
    pub fn allows_email_protection(&self) -> bool {
        let allowed = [
            oids::EMAIL_PROTECTION.as_bytes(),
            oids::ANY_EXTENDED_KEY_USAGE.as_bytes(),
        ];
        let purposes = self.parsed.extensions.extended_key_usage.as_ref();
        purposes.is_none_or(|purposes| {
            purposes
                .iter()
                .any(|purpose| allowed.contains(&purpose.as_slice()))
        })
    }

    /// basicConstraints.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.parsed.extensions.basic_constraints
    }

    /// The subjectKeyIdentifier extension.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.parsed.extensions.subject_key.as_deref()
    }

    /// The subjectKeyIdentifier, or where there is none the SHA-1 of the key (RFC 5280 §4.2.1.2,
    /// method 1).
    #[must_use]
    pub fn key_identifier(&self) -> Vec<u8> {
        let computed = || Sha1::digest(self.slice(&self.parsed.spki.key)).to_vec();
        self.subject_key_identifier()
            .map_or_else(computed, <[u8]>::to_vec)
    }

    /// authorityKeyIdentifier.
    #[must_use]
    pub fn authority_key(&self) -> &AuthorityKey {
        &self.parsed.extensions.authority_key
    }

    /// All names of subjectAltName.
    #[must_use]
    pub fn alternative_names(&self) -> &[GeneralName] {
        &self.parsed.extensions.subject_alt_name
    }

    /// The addresses in subjectAltName: rfc822Name and SmtpUTF8Mailbox (RFC 9598).
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.alternative_names()
            .iter()
            .filter_map(|name| match name {
                GeneralName::Email(address) | GeneralName::SmtpUtf8Mailbox(address) => {
                    Some(address.as_str())
                }
                GeneralName::Directory(_)
                | GeneralName::Dns(_)
                | GeneralName::Ip(_)
                | GeneralName::Other(..)
                | GeneralName::Uri(_) => None,
            })
    }

    /// The emailAddress attributes of the subject, where addresses should not be (RFC 8550 §3).
    #[must_use]
    pub fn subject_emails(&self) -> &[String] {
        &self.parsed.subject_emails
    }

    /// The URIs in subjectAltName.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.alternative_names()
            .iter()
            .filter_map(|name| match name {
                GeneralName::Uri(uri) => Some(uri.as_str()),
                GeneralName::Directory(_)
                | GeneralName::Dns(_)
                | GeneralName::Email(_)
                | GeneralName::Ip(_)
                | GeneralName::Other(..)
                | GeneralName::SmtpUtf8Mailbox(_) => None,
            })
    }

    /// The DNS names in subjectAltName.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.alternative_names()
            .iter()
            .filter_map(|name| match name {
                GeneralName::Dns(domain) => Some(domain.as_str()),
                GeneralName::Directory(_)
                | GeneralName::Email(_)
                | GeneralName::Ip(_)
                | GeneralName::Other(..)
                | GeneralName::SmtpUtf8Mailbox(_)
                | GeneralName::Uri(_) => None,
            })
    }

    /// DER of the algorithms that the subject's software can read, as its issuer was told (RFC 4262 §2); not looked at.
    #[must_use]
    pub fn smime_capabilities(&self) -> Option<&[u8]> {
        self.parsed.extensions.smime_capabilities.as_deref()
    }

    /// Dotted certificatePolicies.
    #[must_use]
    pub fn policies(&self) -> Vec<String> {
        let policies = &self.parsed.extensions.policies.identifiers;
        policies.iter().map(|policy| oid_text(policy)).collect()
    }

    /// Dotted types of critical extensions that we do not know: the certificate must not be used
    /// (RFC 5280 §4.2).
    #[must_use]
    pub fn unknown_critical_extensions(&self) -> Vec<String> {
        let unknown = &self.parsed.extensions.unknown_critical;
        unknown.iter().map(|oid| oid_text(oid)).collect()
    }

    /// SHA-256 of all octets, in hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(self.sha256())
    }

    /// SHA-256 of all octets, computed once.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        let digest = || Sha256::digest(self.der()).into();
        self.parsed.sha256.get_or_init(digest)
    }

    pub(super) fn subject_parts(&self) -> &SubjectParts {
        let read = || SubjectParts::of(self.subject());
        self.parsed.subject_parts.get_or_init(read)
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        Sha256::digest(self.spki()).into()
    }

    /// Whether subject and issuer are one name (RFC 5280 §6.1).
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.parsed.folded_subject == self.parsed.folded_issuer
    }

    pub(super) fn extensions(&self) -> &Extensions {
        &self.parsed.extensions
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        // The ranges are those of elements read from these octets, so there is always something.
        self.parsed.der.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject_name())
            .field("issuer", &self.issuer_name())
            .field("serial", &self.serial_hex())
            .finish_non_exhaustive()
    }
}

fn read_tbs(
    der: &[u8],
    tbs: &Element<'_>,
    algorithm: &Element<'_>,
    signature: Range<usize>,
) -> Result<Parsed, CertificateError> {
    let mut fields = tbs.reader();
    let version = version(&mut fields)?;
    let serial = fields
        .expect(tag::INTEGER)
        .map_err(malformed("serialNumber"))?;
    if serial.content.is_empty() {
        return Err(malformed("serialNumber")(Asn1Error::Value));
    }
    let inner = fields
        .expect(tag::SEQUENCE)
        .map_err(malformed("signature"))?;
    let issuer = fields.element().map_err(malformed("issuer"))?;
    let (not_before, not_after) = validity(&mut fields).map_err(malformed("validity"))?;
    let subject = fields.element().map_err(malformed("subject"))?;
    let spki = spki(&mut fields).map_err(malformed("subjectPublicKeyInfo"))?;
    let extensions = extensions(&mut fields)?;
    fields.finish().map_err(malformed("tbsCertificate"))?;
    Ok(Parsed {
        version,
        tbs: tbs.range(),
        serial: serial.content_range(),
        issuer: issuer.range(),
        subject: subject.range(),
        spki,
        signature_algorithm: algorithm.range(),
        signature,
        algorithms_agree: algorithm.raw == inner.raw,
        not_before,
        not_after,
        folded_issuer: FoldedName::of(issuer.raw).map_err(malformed("issuer"))?,
        folded_subject: FoldedName::of(subject.raw).map_err(malformed("subject"))?,
        issuer_name: name::to_rfc4514(issuer.raw).map_err(malformed("issuer"))?,
        subject_name: name::to_rfc4514(subject.raw).map_err(malformed("subject"))?,
        subject_emails: name::email_addresses(subject.raw).map_err(malformed("subject"))?,
        extensions,
        sha256: OnceLock::new(),
        subject_parts: OnceLock::new(),
        der: der.to_vec(),
    })
}

fn version(fields: &mut Reader<'_>) -> Result<u8, CertificateError> {
    let number = fields
        .optional(tag::context(0))
        .and_then(|version| match version {
            Some(version) => only(version.content, tag::INTEGER)?.unsigned(),
            None => Ok(0),
        })
        .map_err(malformed("version"))?;
    match number {
        0 => Ok(1),
        1 => Ok(2),
        2 => Ok(3),
        other => Err(CertificateError::Version(other.saturating_add(1))),
    }
}

fn validity(fields: &mut Reader<'_>) -> Result<(Time, Time), Asn1Error> {
    let mut times = fields.expect(tag::SEQUENCE)?.reader();
    let not_before = Time::from_element(&times.element()?)?;
    let not_after = Time::from_element(&times.element()?)?;
    times.finish()?;
    Ok((not_before, not_after))
}

fn spki(fields: &mut Reader<'_>) -> Result<Spki, Asn1Error> {
    let whole = fields.expect(tag::SEQUENCE)?;
    let mut parts = whole.reader();
    let mut algorithm = parts.expect(tag::SEQUENCE)?.reader();
    let oid = algorithm.expect(tag::OBJECT_IDENTIFIER)?;
    let key = parts.expect(tag::BIT_STRING)?;
    parts.finish()?;
    Ok(Spki {
        whole: whole.range(),
        oid: oid.content_range(),
        key: octet_range(&key)?,
    })
}

fn extensions(fields: &mut Reader<'_>) -> Result<Extensions, CertificateError> {
    for (number, field) in [(1, "issuerUniqueID"), (2, "subjectUniqueID")] {
        fields
            .optional(tag::context_primitive(number))
            .map_err(malformed(field))?;
    }
    match fields
        .optional(tag::context(3))
        .map_err(malformed("extensions"))?
    {
        Some(wrapper) => {
            let sequence = only_within(&wrapper, tag::SEQUENCE).map_err(malformed("extensions"))?;
            Extensions::parse(&sequence)
        }
        None => Ok(Extensions::default()),
    }
}

fn only_within<'a>(wrapper: &Element<'a>, tag: u8) -> Result<Element<'a>, Asn1Error> {
    let mut inside = wrapper.reader();
    let element = inside.expect(tag)?;
    inside.finish()?;
    Ok(element)
}

/// Where the octets of a signature lie: nowhere, when its bits are no whole octets, so that it
/// verifies with no key.
pub(super) fn signature_range(bit_string: &Element<'_>) -> Result<Range<usize>, Asn1Error> {
    bit_string.bits()?;
    Ok(octet_range(bit_string).unwrap_or_default())
}

/// Where the octets of a BIT STRING lie that has no unused bits.
fn octet_range(bit_string: &Element<'_>) -> Result<Range<usize>, Asn1Error> {
    match bit_string.bits()? {
        (_, 0) => {
            let content = bit_string.content_range();
            Ok(content.start + 1..content.end)
        }
        _ => Err(Asn1Error::Value),
    }
}

/// Dotted, or as hex where the octets are no OID.
pub(super) fn oid_text(oid: &[u8]) -> String {
    dotted(oid).unwrap_or_else(|| format!("#{}", hex(oid)))
}

/// As [`Certificate::serial_hex`], for a serial number that stands elsewhere.
#[must_use]
pub fn serial_hex(octets: &[u8]) -> String {
    match octets {
        [first, ..] if *first >= 0x80 => {
            // Two's complement: the magnitude is the inverse plus one.
            let mut magnitude: Vec<u8> = octets.iter().map(|octet| !octet).collect();
            for octet in magnitude.iter_mut().rev() {
                let carry;
                (*octet, carry) = octet.overflowing_add(1);
                if !carry {
                    break;
                }
            }
            format!("-{}", serial_hex_of_magnitude(&magnitude))
        }
        _ => serial_hex_of_magnitude(octets),
    }
}

fn serial_hex_of_magnitude(octets: &[u8]) -> String {
    match octets {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        _ => hex(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_print_as_numbers() {
        assert_eq!(serial_hex(&[0x00, 0x80]), "80");
        assert_eq!(serial_hex(&[0x00]), "00");
        assert_eq!(serial_hex(&[0x01]), "01");
        assert_eq!(serial_hex(&[0xFF]), "-01");
        assert_eq!(serial_hex(&[0x80]), "-80");
        assert_eq!(serial_hex(&[0xFF, 0x00]), "-0100");
    }

    #[test]
    fn what_is_no_certificate_names_the_field() {
        let error = Certificate::parse(&[0x30, 0x02, 0x02, 0x00]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tbsCertificate of the certificate is malformed"
        );
        let error = Certificate::parse(&vec![0; OCTETS + 1]).unwrap_err();
        assert!(matches!(error, CertificateError::Limit(_)));
    }
}
