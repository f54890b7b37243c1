//! EnvelopedData (RFC 5652 §6.1) and AuthEnvelopedData (RFC 5083 §2.1), read around their content.
//!
//! The content stays where it is and is a [`View`]; everything else is small and becomes DER.

use const_oid::ObjectIdentifier;

use crate::cms::ber::Cursor;
use crate::cms::ber::Element;
use crate::cms::ber::Strings;
use crate::cms::ber::tag;
use crate::cms::error::CmsError;
use crate::cms::recipient_info;
use crate::cms::recipient_info::RecipientInfo;
use crate::cms::tlv;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::View;

/// Content that is encrypted for some recipients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EnvelopedData {
    /// Whether it is AuthEnvelopedData.
    pub authenticated: bool,
    /// The syntax version: 0, 2, 3 or 4; always 0 for AuthEnvelopedData.
    pub version: u8,
    /// Certificates of the originatorInfo, DER as they came.
    pub originator_certificates: Vec<Vec<u8>>,
    /// Revocation lists of the originatorInfo, DER as they came.
    pub originator_crls: Vec<Vec<u8>>,
    /// At least one.
    pub recipients: Vec<RecipientInfo>,
    /// The type of what is encrypted.
    pub content_type: ObjectIdentifier,
    /// contentEncryptionAlgorithm, AlgorithmIdentifier in DER.
    pub content_encryption: Vec<u8>,
    /// What is encrypted. `None` when it lies elsewhere (RFC 5652 §6.1).
    pub encrypted_content: Option<View>,
    /// The tag of an AuthEnvelopedData, empty otherwise.
    pub mac: Vec<u8>,
    /// authAttrs, DER with their tag `[1]`.
    pub authenticated_attributes: Option<Vec<u8>>,
    /// unprotectedAttrs or unauthAttrs, DER with their tag.
    pub unprotected_attributes: Option<Vec<u8>>,
}

impl EnvelopedData {
    /// Reads the structure at which `inner` stands, and goes past it.
    ///
    /// `inner` is the level inside the `[0] EXPLICIT` of a ContentInfo. Fails when a field is
    /// malformed, when there are more than `limits.recipients` (each RecipientEncryptedKey counts)
    /// or more than `limits.structure_octets` around the content.
    pub fn read(
        inner: &mut Cursor<'_>,
        authenticated: bool,
        limits: &Limits,
    ) -> Result<Self, CmsError> {
        let what = if authenticated {
            "AuthEnvelopedData"
        } else {
            "EnvelopedData"
        };
        let element = inner.expect(tag::SEQUENCE, what)?;
        let mut fields = Fields {
            cursor: inner.enter(&element, what)?,
            limits,
            octets: 0,
        };
        let version = fields.version(what)?;
        let (originator_certificates, originator_crls) = fields.originator_info()?;
        let recipients = fields.recipients()?;
        let content = fields.encrypted_content_info()?;
        let mut authenticated_attributes = None;
        let mut mac = Vec::new();
        let unprotected_attributes = if authenticated {
            authenticated_attributes = fields.attributes(tag::context(1), "authAttrs")?;
            mac = fields.mac()?;
            fields.attributes(tag::context(2), "unauthAttrs")?
        } else {
            fields.attributes(tag::context(1), "unprotectedAttrs")?
        };
        inner.leave(&fields.cursor, what)?;
        Ok(Self {
            authenticated,
            version,
            originator_certificates,
            originator_crls,
            recipients,
            content_type: content.content_type,
            content_encryption: content.algorithm,
            encrypted_content: content.octets,
            mac,
            authenticated_attributes,
            unprotected_attributes,
        })
    }
}

struct EncryptedContentInfo {
    content_type: ObjectIdentifier,
    algorithm: Vec<u8>,
    octets: Option<View>,
}

/// The fields one after another, and how many octets they had.
struct Fields<'c, 'l> {
    cursor: Cursor<'c>,
    limits: &'l Limits,
    octets: usize,
}

impl<'c> Fields<'c, '_> {
    fn version(&mut self, what: &'static str) -> Result<u8, CmsError> {
        let element = self.cursor.expect(tag::INTEGER, what)?;
        let der = self
            .cursor
            .take_der(&element, Strings::Universal, "version")?;
        tlv::version(&mut tlv::Reader::new(&der, what), "version")
    }

    /// certs and crls of an OriginatorInfo, if there is one.
    fn originator_info(&mut self) -> Result<(Vec<Vec<u8>>, Vec<Vec<u8>>), CmsError> {
        let field = "originatorInfo";
        let Some(element) = self.cursor.peek_tag(tag::context(0), field)? else {
            return Ok((Vec::new(), Vec::new()));
        };
        let mut info = self.cursor.enter(&element, field)?;
        let certificates = self.raw_set(&mut info, tag::context(0), "originatorInfo.certs")?;
        let crls = self.raw_set(&mut info, tag::context(1), "originatorInfo.crls")?;
        self.cursor.leave(&info, field)?;
        Ok((certificates, crls))
    }

    /// The elements of a SET under `tag`, as they came.
    fn raw_set(
        &mut self,
        level: &mut Cursor<'c>,
        tag: u8,
        field: &'static str,
    ) -> Result<Vec<Vec<u8>>, CmsError> {
        let Some(element) = level.peek_tag(tag, field)? else {
            return Ok(Vec::new());
        };
        let mut set = level.enter(&element, field)?;
        let mut all = Vec::new();
        while let Some(member) = set.peek(field)? {
            LimitError::check(field, all.len() + 1, self.limits.certificates)?;
            let raw = set.take_raw(&member, field)?;
            self.count(raw.len())?;
            all.push(raw);
        }
        level.leave(&set, field)?;
        Ok(all)
    }

    fn recipients(&mut self) -> Result<Vec<RecipientInfo>, CmsError> {
        let field = "recipientInfos";
        let element = self.cursor.expect(tag::SET, field)?;
        // Not `Strings::KeyIdentifiers`: the rKeyId of a key agreement has the same tag, [0], and
        // also begins with an OCTET STRING, but is a SEQUENCE (RFC 5652 §6.2.2).
        let der = self.take(&element, field)?;
        let set = tlv::single(&der, tag::SET, field)?;
        recipient_info::read_recipient_infos(set.value, self.limits)
    }

    fn encrypted_content_info(&mut self) -> Result<EncryptedContentInfo, CmsError> {
        let field = "encryptedContentInfo";
        let element = self.cursor.expect(tag::SEQUENCE, field)?;
        let mut info = self.cursor.enter(&element, field)?;
        let oid = info.expect(tag::OBJECT_IDENTIFIER, "contentType")?;
        let oid = info.take_der(&oid, Strings::Universal, "contentType")?;
        let oid = tlv::single(&oid, tag::OBJECT_IDENTIFIER, "contentType")?;
        let content_type = ObjectIdentifier::from_bytes(oid.value)
            .map_err(|error| CmsError::field("contentType", error.to_string()))?;
        let algorithm = info.expect(tag::SEQUENCE, "contentEncryptionAlgorithm")?;
        let algorithm =
            info.take_der(&algorithm, Strings::Universal, "contentEncryptionAlgorithm")?;
        self.count(algorithm.len())?;
        let octets = match info.peek("encryptedContent")? {
            // [0] IMPLICIT OCTET STRING, in one piece or in several.
            Some(content) if content.tag & !tag::CONSTRUCTED == tag::context_primitive(0) => {
                Some(info.take_string(&content, "encryptedContent")?)
            }
            _ => None,
        };
        self.cursor.leave(&info, field)?;
        Ok(EncryptedContentInfo {
            content_type,
            algorithm,
            octets,
        })
    }

    fn mac(&mut self) -> Result<Vec<u8>, CmsError> {
        let Some(element) = self
            .cursor
            .peek("mac")?
            .filter(|element| element.tag & !tag::CONSTRUCTED == tag::OCTET_STRING)
        else {
            return Err(CmsError::field("mac", "it is missing"));
        };
        self.cursor
            .take_string(&element, "mac")?
            .to_vec(LONGEST_MAC)?
            .ok_or_else(|| CmsError::field("mac", "it is longer than that of any algorithm"))
    }

    fn attributes(&mut self, tag: u8, field: &'static str) -> Result<Option<Vec<u8>>, CmsError> {
        match self.cursor.peek_tag(tag, field)? {
            Some(element) => self.take(&element, field).map(Some),
            None => Ok(None),
        }
    }

    fn take(&mut self, element: &Element, field: &'static str) -> Result<Vec<u8>, CmsError> {
        let der = self.cursor.take_der(element, Strings::Universal, field)?;
        self.count(der.len())?;
        Ok(der)
    }

    fn count(&mut self, octets: usize) -> Result<(), LimitError> {
        self.octets = self.octets.saturating_add(octets);
        LimitError::check(
            "octets around the encrypted content",
            self.octets,
            self.limits.structure_octets,
        )
    }
}

/// AES-GCM and ChaCha20-Poly1305 have 16 (RFC 5084 §3.2, RFC 8103 §1.2); room for an HMAC.
const LONGEST_MAC: usize = 64;
