//! SignedData (RFC 5652 §5), read over a view.
//!
//! The content stays where it is. Certificates, CRLs and signed attributes keep their octets as
//! they came; what is digested of the attributes is made in [`crate::cms::attributes`].

use std::fmt;

use const_oid::ObjectIdentifier;

use crate::cms::attributes;
use crate::cms::attributes::Attributes;
use crate::cms::attributes::SignatureTypeError;
use crate::cms::attributes::SignatureTypes;
use crate::cms::ber::Cursor;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::to_der::Strings;
use crate::crypto::KeyName;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::notation::SignatureType;
use crate::octets::View;
use crate::tlv::tag;
use crate::x509::Time;
use crate::x509::name;
use crate::x509::serial_hex;

/// One SignedData.
#[derive(Clone, Debug)]
pub struct SignedData {
    /// CMSVersion, as it stands in the message.
    pub version: u8,
    /// The AlgorithmIdentifiers of digestAlgorithms, DER.
    pub digest_algorithms: Vec<Vec<u8>>,
    /// eContentType.
    pub content_type: ObjectIdentifier,
    /// eContent; `None` when the signature is detached, or when there is nothing at all.
    pub content: Option<View>,
    /// X.509 certificates, as they came.
    pub certificates: Vec<Vec<u8>>,
    /// How many other certificates there are: extended, attribute, and of other formats.
    pub other_certificates: usize,
    /// X.509 CRLs, as they came.
    pub crls: Vec<Vec<u8>>,
    /// In the order of the message.
    pub signers: Vec<SignerInfo>,
}

/// One SignerInfo (RFC 5652 §5.3).
#[derive(Clone, Debug)]
pub struct SignerInfo {
    /// CMSVersion: 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
    pub version: u8,
    /// Names the signer's certificate.
    pub sid: SignerIdentifier,
    /// AlgorithmIdentifier, DER.
    pub digest_algorithm: Vec<u8>,
    /// `None` when the signature is over the content itself.
    pub signed_attributes: Option<Attributes>,
    /// AlgorithmIdentifier, DER.
    pub signature_algorithm: Vec<u8>,
    /// The signature's octets.
    pub signature: Vec<u8>,
    /// Counter-signatures and time stamps stand here.
    pub unsigned_attributes: Option<Attributes>,
}

/// How a SignerInfo names its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerIdentifier {
    /// By its issuer (DER Name) and serial number (content octets of the INTEGER).
    IssuerAndSerialNumber {
        /// DER Name.
        issuer: Vec<u8>,
        /// Content octets of the INTEGER.
        serial: Vec<u8>,
    },
    /// By the value of its subjectKeyIdentifier extension.
    SubjectKeyIdentifier(Vec<u8>),
}

impl SignerIdentifier {
    /// The name by which keys and certificates are looked up.
    #[must_use]
    pub fn key_name(&self) -> KeyName<'_> {
        match self {
            Self::IssuerAndSerialNumber { issuer, serial } => {
                KeyName::IssuerAndSerialNumber(issuer, serial)
            }
            Self::SubjectKeyIdentifier(identifier) => KeyName::SubjectKeyIdentifier(identifier),
        }
    }
}

impl SignedData {
    /// Reads the SignedData at `outer`, which stands before its SEQUENCE, and goes past it.
    pub fn read(outer: &mut Cursor<'_>, limits: &Limits) -> Result<Self, CmsError> {
        let sequence = outer.expect(tag::SEQUENCE, "SignedData")?;
        let mut fields = outer.enter(&sequence, "SignedData")?;
        let version = version(&mut fields, "SignedData.version")?;
        let digest_algorithms = digest_algorithms(&mut fields, limits)?;
        let (content_type, content) = encapsulated(&mut fields)?;
        let (certificates, other_certificates) = certificates(&mut fields, limits)?;
        let crls = crls(&mut fields, limits)?;
        let signers = signer_infos(&mut fields, limits)?;
        outer.leave(&fields, "SignedData")?;
        Ok(Self {
            version,
            digest_algorithms,
            content_type,
            content,
            certificates,
            other_certificates,
            crls,
            signers,
        })
    }
}

impl SignerInfo {
    /// Reads the DER of one SignerInfo; a counter-signature is one, too.
    pub fn from_der(der: &[u8], limits: &Limits) -> Result<Self, CmsError> {
        let sequence = tlv::single(der, tag::SEQUENCE, "SignerInfo")?;
        let mut fields = tlv::Reader::new(sequence.content, "SignerInfo");
        let version = tlv::version(&mut fields, "SignerInfo.version")?;
        let sid = signer_identifier(&mut fields)?;
        let digest_algorithm = fields
            .expect(tag::SEQUENCE, "SignerInfo.digestAlgorithm")?
            .raw
            .to_vec();
        let signed_attributes = match fields.optional(tag::context(0))? {
            Some(attributes) => Some(Attributes::parse(attributes.content, limits)?),
            None => None,
        };
        let signature_algorithm = fields
            .expect(tag::SEQUENCE, "SignerInfo.signatureAlgorithm")?
            .raw
            .to_vec();
        let signature = fields
            .expect(tag::OCTET_STRING, "SignerInfo.signature")?
            .content
            .to_vec();
        let unsigned_attributes = match fields.optional(tag::context(1))? {
            Some(attributes) => Some(Attributes::parse(attributes.content, limits)?),
            None => None,
        };
        fields.end()?;
        Ok(Self {
            version,
            sid,
            digest_algorithm,
            signed_attributes,
            signature_algorithm,
            signature,
            unsigned_attributes,
        })
    }
}

impl SignerInfo {
    /// Its signature types, as far as they are well-formed (draft §3.2); verification refuses others.
    #[must_use]
    pub fn types(&self) -> Vec<SignatureType> {
        self.signature_types()
            .map(|types| types.known().collect())
            .unwrap_or_default()
    }

    /// Its signature types, after all rules of the draft's section 3.2 on one SignerInfo.
    pub fn signature_types(&self) -> Result<SignatureTypes, SignatureTypeError> {
        match &self.signed_attributes {
            Some(signed) => attributes::signature_types(signed, self.unsigned_attributes.as_ref()),
            // What is not signed is not there, and must not be there.
            None => attributes::signature_types(
                &Attributes::default(),
                self.unsigned_attributes.as_ref(),
            ),
        }
    }

    /// Whether an mlExpansionHistory is among its signed attributes (RFC 2634 §4.4).
    #[must_use]
    pub fn has_ml_expansion_history(&self) -> bool {
        let history =
            |signed: &Attributes| signed.all(attributes::ML_EXPANSION_HISTORY).count() > 0;
        self.signed_attributes.as_ref().is_some_and(history)
    }

    /// When it says that it was made.
    #[must_use]
    pub fn signing_time(&self) -> Option<Time> {
        let seconds = self.signed_attributes.as_ref()?.signing_time().ok()??;
        Time::from_unix(seconds)
    }
}

impl fmt::Display for SignerIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IssuerAndSerialNumber { issuer, serial } => {
                let issuer =
                    name::to_rfc4514(issuer).unwrap_or_else(|_| "a malformed name".to_owned());
                write!(f, "serial {} of {issuer}", serial_hex(serial))
            }
            Self::SubjectKeyIdentifier(identifier) => {
                f.write_str("key identifier ")?;
                identifier
                    .iter()
                    .try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// Reads issuer and serial number from the content of an IssuerAndSerialNumber.
pub(crate) fn issuer_and_serial(
    value: &[u8],
    field: &'static str,
) -> Result<(Vec<u8>, Vec<u8>), CmsError> {
    let mut fields = tlv::Reader::new(value, field);
    let issuer = fields.expect(tag::SEQUENCE, field)?.raw.to_vec();
    let serial = fields.expect(tag::INTEGER, field)?.content.to_vec();
    fields.end()?;
    Ok((issuer, serial))
}

/// Reads an object identifier and goes past it.
pub(crate) fn object_identifier(
    fields: &mut Cursor<'_>,
    field: &'static str,
) -> Result<ObjectIdentifier, CmsError> {
    let element = fields.expect(tag::OBJECT_IDENTIFIER, field)?;
    let der = fields.take_der(&element, Strings::Universal, field)?;
    let value = tlv::single(&der, tag::OBJECT_IDENTIFIER, field)?.content;
    ObjectIdentifier::from_bytes(value)
        .map_err(|_| CmsError::field(field, "it is no object identifier that we can hold"))
}

/// Reads a CMSVersion and goes past it.
pub(crate) fn version(fields: &mut Cursor<'_>, field: &'static str) -> Result<u8, CmsError> {
    let element = fields.expect(tag::INTEGER, field)?;
    let der = fields.take_der(&element, Strings::Universal, field)?;
    tlv::version(&mut tlv::Reader::new(&der, field), field)
}

fn digest_algorithms(fields: &mut Cursor<'_>, limits: &Limits) -> Result<Vec<Vec<u8>>, CmsError> {
    const FIELD: &str = "SignedData.digestAlgorithms";
    let set = fields.expect(tag::SET, FIELD)?;
    let mut inner = fields.enter(&set, FIELD)?;
    let mut algorithms = Vec::new();
    while let Some(element) = inner.peek(FIELD)? {
        algorithms.push(inner.take_der(&element, Strings::Universal, FIELD)?);
        LimitError::check(
            "number of digestAlgorithms",
            algorithms.len(),
            limits.signers,
        )?;
    }
    fields.leave(&inner, FIELD)?;
    Ok(algorithms)
}

fn encapsulated(fields: &mut Cursor<'_>) -> Result<(ObjectIdentifier, Option<View>), CmsError> {
    const FIELD: &str = "SignedData.encapContentInfo";
    let sequence = fields.expect(tag::SEQUENCE, FIELD)?;
    let mut inner = fields.enter(&sequence, FIELD)?;
    let content_type = object_identifier(&mut inner, "encapContentInfo.eContentType")?;
    let content = match inner.peek_tag(tag::context(0), "encapContentInfo.eContent")? {
        None => None,
        Some(explicit) => {
            let mut holder = inner.enter(&explicit, "encapContentInfo.eContent")?;
            let content = econtent(&mut holder)?;
            inner.leave(&holder, "encapContentInfo.eContent")?;
            Some(content)
        }
    };
    fields.leave(&inner, FIELD)?;
    Ok((content_type, content))
}

/// The octets that are digested: those of the OCTET STRING, or, as PKCS #7 had it, the content
/// octets of whatever stands there (RFC 5652 §5.2.1).
fn econtent(holder: &mut Cursor<'_>) -> Result<View, CmsError> {
    const FIELD: &str = "encapContentInfo.eContent";
    let Some(element) = holder.peek(FIELD)? else {
        return Err(CmsError::field(FIELD, "it holds nothing"));
    };
    if element.tag & !tag::CONSTRUCTED == tag::OCTET_STRING {
        return holder.take_string(&element, FIELD);
    }
    if element.end.is_none() {
        return Err(CmsError::field(
            FIELD,
            "it is no OCTET STRING and has no definite length",
        ));
    }
    holder.take_content(&element, FIELD)
}

fn certificates(
    fields: &mut Cursor<'_>,
    limits: &Limits,
) -> Result<(Vec<Vec<u8>>, usize), CmsError> {
    const FIELD: &str = "SignedData.certificates";
    let Some(set) = fields.peek_tag(tag::context(0), FIELD)? else {
        return Ok((Vec::new(), 0));
    };
    let mut inner = fields.enter(&set, FIELD)?;
    let (mut certificates, mut others) = (Vec::new(), 0);
    while let Some(element) = inner.peek(FIELD)? {
        if element.tag == tag::SEQUENCE {
            certificates.push(inner.take_raw(&element, FIELD)?);
        } else {
            inner.skip(&element, FIELD)?;
            others += 1;
        }
        LimitError::check(
            "number of certificates",
            certificates.len() + others,
            limits.certificates,
        )?;
    }
    fields.leave(&inner, FIELD)?;
    Ok((certificates, others))
}

fn crls(fields: &mut Cursor<'_>, limits: &Limits) -> Result<Vec<Vec<u8>>, CmsError> {
    const FIELD: &str = "SignedData.crls";
    let Some(set) = fields.peek_tag(tag::context(1), FIELD)? else {
        return Ok(Vec::new());
    };
    let mut inner = fields.enter(&set, FIELD)?;
    let mut crls = Vec::new();
    let mut count = 0;
    while let Some(element) = inner.peek(FIELD)? {
        if element.tag == tag::SEQUENCE {
            crls.push(inner.take_raw(&element, FIELD)?);
        } else {
            // otherRevocationInfo, such as an OCSP response (RFC 5940).
            inner.skip(&element, FIELD)?;
        }
        count += 1;
        LimitError::check("number of CRLs", count, limits.certificates)?;
    }
    fields.leave(&inner, FIELD)?;
    Ok(crls)
}

fn signer_infos(fields: &mut Cursor<'_>, limits: &Limits) -> Result<Vec<SignerInfo>, CmsError> {
    const FIELD: &str = "SignedData.signerInfos";
    let set = fields.expect(tag::SET, FIELD)?;
    let mut inner = fields.enter(&set, FIELD)?;
    let mut signers = Vec::new();
    while let Some(element) = inner.peek(FIELD)? {
        let der = inner.take_der(&element, Strings::KeyIdentifiers, FIELD)?;
        signers.push(SignerInfo::from_der(&der, limits)?);
        LimitError::check("number of signerInfos", signers.len(), limits.signers)?;
    }
    fields.leave(&inner, FIELD)?;
    Ok(signers)
}

fn signer_identifier(fields: &mut tlv::Reader<'_>) -> Result<SignerIdentifier, CmsError> {
    const FIELD: &str = "SignerInfo.sid";
    if let Some(identifier) = fields.optional(tag::context_primitive(0))? {
        return Ok(SignerIdentifier::SubjectKeyIdentifier(
            identifier.content.to_vec(),
        ));
    }
    let sequence = fields.expect(tag::SEQUENCE, FIELD)?;
    let (issuer, serial) = issuer_and_serial(sequence.content, FIELD)?;
    Ok(SignerIdentifier::IssuerAndSerialNumber { issuer, serial })
}
