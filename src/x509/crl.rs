//! A certificate revocation list as we read it (RFC 5280 §5).
//!
//! Its entries stay octets and are walked, not stored: a large CA's list has hundreds of thousands.
//! What it says about a certificate is [`super::revocation`]'s question.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::certificate::oid_text;
use super::certificate::signature_range;
use super::extensions::Extension;
use super::extensions::ListError;
use super::extensions::list;
use super::extensions::named_bits;
use super::general_name::GeneralName;
use super::name;
use super::name::FoldedName;
use super::oids;
use super::signature::Signed;
use super::time::Time;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::Reader;
use crate::tlv::element;
use crate::tlv::only;
use crate::tlv::tag;

/// A CRL. Cheap to clone; equal when its octets are.
#[derive(Clone)]
pub struct Crl {
    parsed: Arc<Parsed>,
}

struct Parsed {
    der: Vec<u8>,
    tbs: Range<usize>,
    issuer: Range<usize>,
    folded_issuer: FoldedName,
    issuer_name: String,
    algorithms_agree: bool,
    signature_algorithm: Range<usize>,
    signature: Range<usize>,
    this_update: Time,
    next_update: Option<Time>,
    /// Content of revokedCertificates; empty where that is absent.
    entries: Range<usize>,
    scope: Scope,
    unknown_critical: Option<Vec<u8>>,
}

/// What a CRL is about (RFC 5280 §5.2.4, §5.2.5).
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) delta: bool,
    pub(super) distribution_point: Option<Vec<GeneralName>>,
    pub(super) indirect: bool,
    pub(super) only_attribute_certificates: bool,
    pub(super) only_ca_certificates: bool,
    pub(super) only_user_certificates: bool,
    /// ReasonFlags, bit n of the standard as bit n.
    pub(super) reasons: Option<u16>,
}

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// aACompromise.
    AaCompromise,
    /// affiliationChanged.
    AffiliationChanged,
    /// cACompromise.
    CaCompromise,
    /// certificateHold: the one reason that can end.
    CertificateHold,
    /// cessationOfOperation.
    CessationOfOperation,
    /// keyCompromise.
    KeyCompromise,
    /// privilegeWithdrawn.
    PrivilegeWithdrawn,
    /// removeFromCRL: in delta CRLs, no longer on hold.
    RemoveFromCrl,
    /// superseded.
    Superseded,
    /// unspecified, or no reason given.
    Unspecified,
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AaCompromise => "aACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::CaCompromise => "cACompromise",
            Self::CertificateHold => "certificateHold",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::KeyCompromise => "keyCompromise",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::Superseded => "superseded",
            Self::Unspecified => "unspecified",
        })
    }
}

/// One revoked certificate.
pub(super) struct Entry<'a> {
    /// Content octets.
    pub(super) serial: &'a [u8],
    pub(super) at: Time,
    pub(super) reason: RevocationReason,
}

/// Why octets are no CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// A field or extension is not encoded as it must be.
    #[error("{field} of the CRL is malformed")]
    Malformed {
        /// As RFC 5280 calls it.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: Asn1Error,
    },
    /// An extension is there twice (RFC 5280 §4.2).
    #[error("extension {0} occurs twice in the CRL")]
    DuplicateExtension(String),
    /// Larger than the limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

fn malformed(field: &'static str) -> impl FnOnce(Asn1Error) -> CrlError {
    move |source| CrlError::Malformed { field, source }
}

impl Crl {
    /// Reads one CRL, DER; nothing may follow it. Takes time linear in its length.
    pub fn parse(der: &[u8], limits: &Limits) -> Result<Self, CrlError> {
        LimitError::check("length of a CRL", der.len(), limits.structure_octets)?;
        let mut fields = only(der, tag::SEQUENCE)
            .map_err(malformed("outer SEQUENCE"))?
            .reader();
        let tbs = fields
            .expect(tag::SEQUENCE)
            .map_err(malformed("tbsCertList"))?;
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

    /// The issuer, DER Name.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        self.slice(&self.parsed.issuer)
    }

    /// The issuer as RFC 4514 prints it.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.parsed.issuer_name
    }

    /// The issuer as it is compared.
    #[must_use]
    pub fn folded_issuer(&self) -> &FoldedName {
        &self.parsed.folded_issuer
    }

    /// When it was issued.
    #[must_use]
    pub fn this_update(&self) -> Time {
        self.parsed.this_update
    }

    /// By when the next will be issued.
    #[must_use]
    pub fn next_update(&self) -> Option<Time> {
        self.parsed.next_update
    }

    pub(super) fn signed(&self) -> Signed<'_> {
        Signed {
            octets: self.slice(&self.parsed.tbs),
            algorithm: self.slice(&self.parsed.signature_algorithm),
            signature: self.slice(&self.parsed.signature),
        }
    }

    pub(super) fn signature_algorithms_agree(&self) -> bool {
        self.parsed.algorithms_agree
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.parsed.scope
    }

    /// A critical extension, of the list or of an entry, that we do not know: such a CRL must not be
    /// relied on (RFC 5280 §5.2, §5.3).
    pub(super) fn unknown_critical_extension(&self) -> Option<String> {
        self.parsed.unknown_critical.as_deref().map(oid_text)
    }

    /// The entry of the certificate with this serial number (content octets).
    pub(super) fn find(&self, serial: &[u8]) -> Option<Entry<'_>> {
        // All entries were read once, when the CRL was.
        Reader::new(self.slice(&self.parsed.entries))
            .filter_map(|entry| read_entry(&entry.ok()?).ok())
            .map(|(entry, _)| entry)
            .find(|entry| entry.serial == serial)
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        // The ranges are those of elements read from these octets, so there is always something.
        self.parsed.der.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Crl {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Crl {}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.issuer_name())
            .field("this_update", &self.this_update())
            .finish_non_exhaustive()
    }
}

fn read_tbs(
    der: &[u8],
    tbs: &Element<'_>,
    algorithm: &Element<'_>,
    signature: Range<usize>,
) -> Result<Parsed, CrlError> {
    let mut fields = tbs.reader();
    fields
        .optional(tag::INTEGER)
        .map_err(malformed("version"))?;
    let inner = fields
        .expect(tag::SEQUENCE)
        .map_err(malformed("signature"))?;
    let issuer = fields.element().map_err(malformed("issuer"))?;
    let this_update = fields
        .element()
        .and_then(|time| Time::from_element(&time))
        .map_err(malformed("thisUpdate"))?;
    let next_update = next_update(&mut fields).map_err(malformed("nextUpdate"))?;
    let entries = fields
        .optional(tag::SEQUENCE)
        .map_err(malformed("revokedCertificates"))?;
    let mut unknown_critical = match entries {
        Some(entries) => check_entries(&entries)?,
        None => None,
    };
    let (scope, unknown) = crl_extensions(&mut fields, issuer.raw)?;
    unknown_critical = unknown.or(unknown_critical);
    fields.finish().map_err(malformed("tbsCertList"))?;
    Ok(Parsed {
        der: der.to_vec(),
        tbs: tbs.range(),
        issuer: issuer.range(),
        folded_issuer: FoldedName::of(issuer.raw).map_err(malformed("issuer"))?,
        issuer_name: name::to_rfc4514(issuer.raw).map_err(malformed("issuer"))?,
        algorithms_agree: algorithm.raw == inner.raw,
        signature_algorithm: algorithm.range(),
        signature,
        this_update,
        next_update,
        entries: entries.map_or(0..0, |entries| entries.content_range()),
        scope,
        unknown_critical,
    })
}

/// The scope, and a critical extension that we do not know.
fn crl_extensions(
    fields: &mut Reader<'_>,
    issuer: &[u8],
) -> Result<(Scope, Option<Vec<u8>>), CrlError> {
    let mut scope = Scope::default();
    let mut unknown = None;
    let wrapper = fields
        .optional(tag::context(0))
        .map_err(malformed("crlExtensions"))?;
    if let Some(wrapper) = wrapper {
        let sequence = only(wrapper.content, tag::SEQUENCE).map_err(malformed("crlExtensions"))?;
        for extension in extension_list(&sequence, "crlExtensions")? {
            if !take(&mut scope, &extension, issuer)? && extension.critical {
                unknown = Some(extension.oid.to_vec());
            }
        }
    }
    Ok((scope, unknown))
}

fn next_update(fields: &mut Reader<'_>) -> Result<Option<Time>, Asn1Error> {
    let time = match fields.optional(tag::UTC_TIME)? {
        Some(time) => Some(time),
        None => fields.optional(tag::GENERALIZED_TIME)?,
    };
    time.map(|time| Time::from_element(&time)).transpose()
}

/// Reads every entry once; gives an unknown critical extension, if an entry has one.
fn check_entries(entries: &Element<'_>) -> Result<Option<Vec<u8>>, CrlError> {
    let mut unknown = None;
    for entry in entries.reader() {
        let entry = entry.map_err(malformed("revokedCertificates"))?;
        let (_, critical) = read_entry(&entry)?;
        unknown = critical.map(<[u8]>::to_vec).or(unknown);
    }
    Ok(unknown)
}

/// An entry, and a critical extension of it that we do not know.
fn read_entry<'a>(entry: &Element<'a>) -> Result<(Entry<'a>, Option<&'a [u8]>), CrlError> {
    let mut unknown = None;
    let mut reason = RevocationReason::Unspecified;
    let fields = |source| malformed("revokedCertificates")(source);
    let mut reader = entry.expect(tag::SEQUENCE).map_err(fields)?.reader();
    let serial = reader.expect(tag::INTEGER).map_err(fields)?;
    let time = reader.element().map_err(fields)?;
    let at = Time::from_element(&time).map_err(malformed("revocationDate"))?;
    if let Some(sequence) = reader.optional(tag::SEQUENCE).map_err(fields)? {
        for extension in extension_list(&sequence, "crlEntryExtensions")? {
            if extension.oid == oids::REASON_CODE.as_bytes() {
                reason = read_reason(extension.value).map_err(malformed("reasonCode"))?;
            } else if extension.critical && extension.oid != oids::INVALIDITY_DATE.as_bytes() {
                // certificateIssuer too: it is for indirect CRLs, which we do not go by.
                unknown = Some(extension.oid);
            }
        }
    }
    reader.finish().map_err(fields)?;
    let entry = Entry {
        serial: serial.content,
        at,
        reason,
    };
    Ok((entry, unknown))
}

fn read_reason(value: &[u8]) -> Result<RevocationReason, Asn1Error> {
    Ok(match only(value, tag::ENUMERATED)?.unsigned()? {
        0 => RevocationReason::Unspecified,
        1 => RevocationReason::KeyCompromise,
        2 => RevocationReason::CaCompromise,
        3 => RevocationReason::AffiliationChanged,
        4 => RevocationReason::Superseded,
        5 => RevocationReason::CessationOfOperation,
        6 => RevocationReason::CertificateHold,
        8 => RevocationReason::RemoveFromCrl,
        9 => RevocationReason::PrivilegeWithdrawn,
        10 => RevocationReason::AaCompromise,
        _ => return Err(Asn1Error::Value),
    })
}

fn extension_list<'a>(
    sequence: &Element<'a>,
    field: &'static str,
) -> Result<Vec<Extension<'a>>, CrlError> {
    list(sequence).map_err(|error| match error {
        ListError::Encoding(source) => malformed(field)(source),
        ListError::Twice(oid) => CrlError::DuplicateExtension(oid_text(&oid)),
    })
}

/// Reads an extension into the scope; whether it is one that we know.
fn take(scope: &mut Scope, extension: &Extension<'_>, issuer: &[u8]) -> Result<bool, CrlError> {
    let oid = extension.oid;
    if oid == oids::ISSUING_DISTRIBUTION_POINT.as_bytes() {
        let delta = scope.delta;
        *scope =
            read_scope(extension.value, issuer).map_err(malformed("issuingDistributionPoint"))?;
        scope.delta = delta;
    } else if oid == oids::DELTA_CRL_INDICATOR.as_bytes() {
        scope.delta = true;
    } else {
        return Ok(
            oid == oids::CRL_NUMBER.as_bytes() || oid == oids::AUTHORITY_KEY_IDENTIFIER.as_bytes()
        );
    }
    Ok(true)
}

fn read_scope(value: &[u8], issuer: &[u8]) -> Result<Scope, Asn1Error> {
    let mut fields = only(value, tag::SEQUENCE)?.reader();
    let mut scope = Scope::default();
    if let Some(point) = fields.optional(tag::context(0))? {
        scope.distribution_point = Some(point_names(&point, issuer)?);
    }
    scope.only_user_certificates = flag(&mut fields, 1)?;
    scope.only_ca_certificates = flag(&mut fields, 2)?;
    let reasons = fields.optional(tag::context_primitive(3))?;
    scope.reasons = reasons.map(|reasons| named_bits(&reasons)).transpose()?;
    scope.indirect = flag(&mut fields, 4)?;
    scope.only_attribute_certificates = flag(&mut fields, 5)?;
    fields.finish()?;
    Ok(scope)
}

fn flag(fields: &mut Reader<'_>, number: u8) -> Result<bool, Asn1Error> {
    match fields.optional(tag::context_primitive(number))? {
        Some(flag) => flag.boolean(),
        None => Ok(false),
    }
}

/// The names of a DistributionPointName; one that is relative is made whole with `issuer`, DER Name
/// (RFC 5280 §4.2.1.13).
pub(super) fn point_names(
    point: &Element<'_>,
    issuer: &[u8],
) -> Result<Vec<GeneralName>, Asn1Error> {
    let choice = {
        let mut inside = point.reader();
        let choice = inside.element()?;
        inside.finish()?;
        choice
    };
    if choice.tag == tag::context(0) {
        return choice
            .reader()
            .map(|name| GeneralName::read(&name?))
            .collect();
    }
    let relative = choice.expect(tag::context(1))?;
    let rdn = element(tag::SET, &[relative.content]);
    let whole = element(tag::SEQUENCE, &[only(issuer, tag::SEQUENCE)?.content, &rdn]);
    Ok(vec![GeneralName::Directory(FoldedName::of(&whole)?)])
}
