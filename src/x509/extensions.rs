//! The extensions of certificates, each as a value (RFC 5280 §4.2).
//!
//! A malformed extension, critical or not, makes the certificate malformed, and so does one that is
//! there twice. Extensions that are unknown here are remembered only when they are critical.

use std::collections::HashSet;

use super::certificate::CertificateError;
use super::certificate::malformed;
use super::general_name::GeneralName;
use super::general_name::general_names;
use super::oids;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::Reader;
use crate::tlv::only;
use crate::tlv::tag;

/// What the extensions of one certificate say.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) authority_key: AuthorityKey,
    pub(super) basic_constraints: Option<BasicConstraints>,
    /// The raw extension value, for [`super::revocation`].
    pub(super) crl_distribution_points: Option<Vec<u8>>,
    /// Content octets of the KeyPurposeIds.
    pub(super) extended_key_usage: Option<Vec<Vec<u8>>>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) name_constraints: Option<NameConstraints>,
    pub(super) policies: Policies,
    /// The raw extension value: what is wrong with it is no reason not to use the certificate.
    pub(super) smime_capabilities: Option<Vec<u8>>,
    pub(super) subject_alt_name: Vec<GeneralName>,
    pub(super) subject_key: Option<Vec<u8>>,
    /// Content octets of the types.
    pub(super) unknown_critical: Vec<Vec<u8>>,
}

/// What keyUsage allows (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// Bit n of the standard is bit n here.
    bits: u16,
}

impl KeyUsage {
    /// Signatures on other things than certificates and CRLs.
    #[must_use]
    pub const fn digital_signature(self) -> bool {
        self.bits & 1 != 0
    }

    /// Signatures that the signer cannot deny; contentCommitment in X.509.
    #[must_use]
    pub const fn non_repudiation(self) -> bool {
        self.bits & 1 << 1 != 0
    }

    /// Key transport.
    #[must_use]
    pub const fn key_encipherment(self) -> bool {
        self.bits & 1 << 2 != 0
    }

    /// Key agreement.
    #[must_use]
    pub const fn key_agreement(self) -> bool {
        self.bits & 1 << 4 != 0
    }

    /// Signatures on certificates.
    #[must_use]
    pub const fn key_cert_sign(self) -> bool {
        self.bits & 1 << 5 != 0
    }

    /// Signatures on CRLs.
    #[must_use]
    pub const fn crl_sign(self) -> bool {
        self.bits & 1 << 6 != 0
    }
}

/// What basicConstraints says (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject is a certification authority.
    pub ca: bool,
    /// How many CA certificates may follow that are not self-issued.
    pub path_length: Option<u32>,
}

/// What authorityKeyIdentifier says; all may be absent (RFC 5280 §4.2.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityKey {
    /// The issuer's subjectKeyIdentifier.
    pub identifier: Option<Vec<u8>>,
    /// The content octets of the serial number of the issuer's certificate.
    pub serial: Option<Vec<u8>>,
}

/// Subtrees in which the names of later certificates must, or must not, lie (RFC 5280 §4.2.1.10).
#[derive(Debug)]
pub(super) struct NameConstraints {
    pub(super) permitted: Vec<GeneralName>,
    pub(super) excluded: Vec<GeneralName>,
    /// Whether a subtree has a minimum or maximum, which RFC 5280 does not have.
    pub(super) has_distances: bool,
}

/// What the policy extensions say (RFC 5280 §4.2.1.4, §4.2.1.5, §4.2.1.11, §4.2.1.14).
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// Content octets of the policies.
    pub(super) identifiers: Vec<Vec<u8>>,
    /// Whether a mapping is from or to anyPolicy, which none may be.
    pub(super) maps_any_policy: bool,
    pub(super) require_explicit: Option<u32>,
}

/// One extension.
pub(super) struct Extension<'a> {
    pub(super) oid: &'a [u8],
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

/// The extensions in an Extensions SEQUENCE; none is there twice (RFC 5280 §4.2).
pub(super) fn list<'a>(sequence: &Element<'a>) -> Result<Vec<Extension<'a>>, ListError> {
    let mut seen = HashSet::new();
    let mut extensions = Vec::new();
    for extension in sequence.expect(tag::SEQUENCE)?.reader() {
        let mut fields = extension?.expect(tag::SEQUENCE)?.reader();
        let oid = fields.expect(tag::OBJECT_IDENTIFIER)?.content;
        let critical = match fields.optional(tag::BOOLEAN)? {
            Some(critical) => critical.boolean()?,
            None => false,
        };
        let value = fields.expect(tag::OCTET_STRING)?.content;
        fields.finish()?;
        if !seen.insert(oid) {
            return Err(ListError::Twice(oid.to_vec()));
        }
        extensions.push(Extension {
            oid,
            critical,
            value,
        });
    }
    Ok(extensions)
}

/// Why a list of extensions is none.
#[derive(Debug)]
pub(super) enum ListError {
    Encoding(Asn1Error),
    /// Content octets of the type.
    Twice(Vec<u8>),
}

impl From<Asn1Error> for ListError {
    fn from(error: Asn1Error) -> Self {
        Self::Encoding(error)
    }
}

impl Extensions {
    pub(super) fn parse(sequence: &Element<'_>) -> Result<Self, CertificateError> {
        let mut extensions = Self::default();
        for extension in list(sequence)? {
            extensions.take(&extension)?;
        }
        Ok(extensions)
    }

    fn take(&mut self, extension: &Extension<'_>) -> Result<(), CertificateError> {
        let value = extension.value;
        let oid = extension.oid;
        if oid == oids::AUTHORITY_KEY_IDENTIFIER.as_bytes() {
            self.authority_key =
                authority_key(value).map_err(malformed("authorityKeyIdentifier"))?;
        } else if oid == oids::BASIC_CONSTRAINTS.as_bytes() {
            self.basic_constraints =
                Some(basic_constraints(value).map_err(malformed("basicConstraints"))?);
        } else if oid == oids::CERTIFICATE_POLICIES.as_bytes() {
            self.policies.identifiers =
                policies(value).map_err(malformed("certificatePolicies"))?;
        } else if oid == oids::CRL_DISTRIBUTION_POINTS.as_bytes() {
            only(value, tag::SEQUENCE).map_err(malformed("cRLDistributionPoints"))?;
            self.crl_distribution_points = Some(value.to_vec());
        } else if oid == oids::EXTENDED_KEY_USAGE.as_bytes() {
            self.extended_key_usage =
                Some(object_identifiers(value).map_err(malformed("extKeyUsage"))?);
        } else if oid == oids::INHIBIT_ANY_POLICY.as_bytes() {
            only(value, tag::INTEGER)
                .and_then(|skip| skip.unsigned())
                .map_err(malformed("inhibitAnyPolicy"))?;
        } else if oid == oids::ISSUER_ALT_NAME.as_bytes() {
            general_names(value).map_err(malformed("issuerAltName"))?;
        } else if oid == oids::KEY_USAGE.as_bytes() {
            self.key_usage = Some(key_usage(value).map_err(malformed("keyUsage"))?);
        } else if oid == oids::NAME_CONSTRAINTS.as_bytes() {
            self.name_constraints =
                Some(name_constraints(value).map_err(malformed("nameConstraints"))?);
        } else if oid == oids::POLICY_CONSTRAINTS.as_bytes() {
            self.policies.require_explicit =
                require_explicit(value).map_err(malformed("policyConstraints"))?;
        } else if oid == oids::POLICY_MAPPINGS.as_bytes() {
            self.policies.maps_any_policy =
                maps_any_policy(value).map_err(malformed("policyMappings"))?;
        } else if oid == oids::SMIME_CAPABILITIES.as_bytes() {
            self.smime_capabilities = Some(value.to_vec());
        } else if oid == oids::SUBJECT_ALT_NAME.as_bytes() {
            self.subject_alt_name = general_names(value).map_err(malformed("subjectAltName"))?;
        } else if oid == oids::SUBJECT_KEY_IDENTIFIER.as_bytes() {
            let identifier = only(value, tag::OCTET_STRING);
            let identifier = identifier.map_err(malformed("subjectKeyIdentifier"))?;
            self.subject_key = Some(identifier.content.to_vec());
        } else if extension.critical {
            self.unknown_critical.push(oid.to_vec());
        }
        Ok(())
    }
}

fn authority_key(value: &[u8]) -> Result<AuthorityKey, Asn1Error> {
    let mut fields = only(value, tag::SEQUENCE)?.reader();
    let identifier = fields.optional(tag::context_primitive(0))?;
    // The issuer's own issuer; we look by the other two.
    fields.optional(tag::context(1))?;
    let serial = fields.optional(tag::context_primitive(2))?;
    fields.finish()?;
    Ok(AuthorityKey {
        identifier: identifier.map(|identifier| identifier.content.to_vec()),
        serial: serial.map(|serial| serial.content.to_vec()),
    })
}

fn basic_constraints(value: &[u8]) -> Result<BasicConstraints, Asn1Error> {
    let mut fields = only(value, tag::SEQUENCE)?.reader();
    let ca = match fields.optional(tag::BOOLEAN)? {
        Some(ca) => ca.boolean()?,
        None => false,
    };
    let path_length = match fields.optional(tag::INTEGER)? {
        Some(length) => Some(length.unsigned()?),
        None => None,
    };
    fields.finish()?;
    Ok(BasicConstraints { ca, path_length })
}

fn key_usage(value: &[u8]) -> Result<KeyUsage, Asn1Error> {
    Ok(KeyUsage {
        bits: named_bits(&only(value, tag::BIT_STRING)?)?,
    })
}

/// The first 16 bits of a BIT STRING, bit n of the standard as bit n of the number.
pub(super) fn named_bits(element: &Element<'_>) -> Result<u16, Asn1Error> {
    let (octets, _) = element.bits()?;
    let octet = |index: usize| u16::from(octets.get(index).map_or(0, |octet| octet.reverse_bits()));
    Ok(octet(0) | octet(1) << 8)
}

fn object_identifiers(value: &[u8]) -> Result<Vec<Vec<u8>>, Asn1Error> {
    let identifiers = only(value, tag::SEQUENCE)?.reader();
    identifiers
        .map(|identifier| Ok(identifier?.expect(tag::OBJECT_IDENTIFIER)?.content.to_vec()))
        .collect()
}

fn policies(value: &[u8]) -> Result<Vec<Vec<u8>>, Asn1Error> {
    let policies = only(value, tag::SEQUENCE)?.reader();
    policies
        .map(|policy| {
            let mut fields = policy?.expect(tag::SEQUENCE)?.reader();
            let identifier = fields.expect(tag::OBJECT_IDENTIFIER)?;
            fields.optional(tag::SEQUENCE)?;
            fields.finish()?;
            Ok(identifier.content.to_vec())
        })
        .collect()
}

fn require_explicit(value: &[u8]) -> Result<Option<u32>, Asn1Error> {
    let mut fields = only(value, tag::SEQUENCE)?.reader();
    let require_explicit = fields.optional(tag::context_primitive(0))?;
    if let Some(inhibit_mapping) = fields.optional(tag::context_primitive(1))? {
        inhibit_mapping.unsigned()?;
    }
    fields.finish()?;
    require_explicit.map(|skip| skip.unsigned()).transpose()
}

fn maps_any_policy(value: &[u8]) -> Result<bool, Asn1Error> {
    let mut any = false;
    for mapping in only(value, tag::SEQUENCE)?.reader() {
        let mut fields = mapping?.expect(tag::SEQUENCE)?.reader();
        for _ in 0..2 {
            any |= fields.expect(tag::OBJECT_IDENTIFIER)?.content == oids::ANY_POLICY.as_bytes();
        }
        fields.finish()?;
    }
    Ok(any)
}

fn name_constraints(value: &[u8]) -> Result<NameConstraints, Asn1Error> {
    let mut fields = only(value, tag::SEQUENCE)?.reader();
    let mut constraints = NameConstraints {
        permitted: Vec::new(),
        excluded: Vec::new(),
        has_distances: false,
    };
    if let Some(permitted) = fields.optional(tag::context(0))? {
        constraints.permitted = subtrees(permitted.reader(), &mut constraints.has_distances)?;
    }
    if let Some(excluded) = fields.optional(tag::context(1))? {
        constraints.excluded = subtrees(excluded.reader(), &mut constraints.has_distances)?;
    }
    fields.finish()?;
    Ok(constraints)
}

fn subtrees(list: Reader<'_>, has_distances: &mut bool) -> Result<Vec<GeneralName>, Asn1Error> {
    list.map(|subtree| {
        let mut fields = subtree?.expect(tag::SEQUENCE)?.reader();
        let base = GeneralName::read(&fields.element()?)?;
        // A minimum of 0 is the default, and some CAs write it.
        let minimum = fields.optional(tag::context_primitive(0))?;
        let maximum = fields.optional(tag::context_primitive(1))?;
        fields.finish()?;
        *has_distances |= maximum.is_some() || minimum.is_some_and(|least| least.content != [0]);
        Ok(base)
    })
    .collect()
}
