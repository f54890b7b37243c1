//! EnvelopedData (RFC 5652 §6) and AuthEnvelopedData (RFC 5083), written into a sink in one pass.
//!
//! All lengths are known beforehand, so everything around the content is made first and read back
//! by our own parser before an octet is handed out. Refuses 3DES.

use std::io;
use std::io::Write;
use std::sync::Arc;

use const_oid::ObjectIdentifier;

use crate::cms::attributes::build;
use crate::cms::content_info::Cms;
use crate::cms::content_info::ContentInfo;
use crate::cms::content_info::ID_AUTH_ENVELOPED_DATA;
use crate::cms::content_info::ID_DATA;
use crate::cms::content_info::ID_ENVELOPED_DATA;
use crate::cms::error::CmsError;
use crate::cms::recipient_info::RecipientInfo;
use crate::cms::tlv;
use crate::cms::tlv::wide_header_length;
use crate::cms::tlv::write_wide_header;
use crate::cms::write_recipient::Recipient;
use crate::cms::write_recipient::encode;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::Provider;
use crate::crypto::Randomness;
use crate::crypto::Secret;
use crate::crypto::algorithms::TAG_OCTETS;
use crate::crypto::identifiers;
use crate::crypto::identifiers::ContentParameters;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;
use crate::octets::length;
use crate::tlv::tag;

/// What is to be written around some content.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// How the content is encrypted; one that authenticates makes AuthEnvelopedData.
    pub cipher: ContentEncryption,
    /// Who can open it; at least one.
    pub recipients: Vec<Recipient>,
    /// CertificateChoices for the originatorInfo, DER; mostly none.
    pub originator_certificates: Vec<Vec<u8>>,
    /// The type of the content.
    pub content_type: ObjectIdentifier,
}

/// Why an envelope was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A cipher that is read and never written (RFC 8551 §2.7).
    #[error("content is not encrypted with {0}, which is too weak")]
    Cipher(ContentEncryption),
    /// Our own parser does not read what would be written.
    #[error("what was made for the envelope does not read back")]
    Check(#[source] CmsError),
    /// It reads back as something else.
    #[error("what was made for the envelope reads back with another {0}")]
    Differs(&'static str),
    /// The cipher or randomness failed.
    #[error("content could not be encrypted")]
    Encrypt(#[source] CryptoError),
    /// The key of a recipient could not be used.
    #[error("content-encryption key could not be encrypted to recipient number {number}")]
    Recipient {
        /// Counted from 1, in the order that was given.
        number: usize,
        /// What failed.
        #[source]
        source: CryptoError,
    },
    /// There is none.
    #[error("content has no recipient to be encrypted to")]
    NoRecipient,
    /// The content is longer than a message can be.
    #[error("content of {0} octets is too long")]
    TooLong(u64),
    /// The content could not be read or the result not be written; the same may work later.
    #[error("content could not be read, or the envelope not be written")]
    Io(#[from] io::Error),
}

impl From<CryptoError> for SealError {
    fn from(error: CryptoError) -> Self {
        Self::Encrypt(error)
    }
}

impl Envelope {
    /// An envelope of id-data without originatorInfo.
    #[must_use]
    pub fn new(cipher: ContentEncryption, recipients: Vec<Recipient>) -> Self {
        Self {
            cipher,
            recipients,
            originator_certificates: Vec::new(),
            content_type: ID_DATA,
        }
    }

    /// Writes a ContentInfo, DER, with `content` encrypted under a key of its own.
    ///
    /// What was made around the content has been read back before the first octet reaches `sink`;
    /// on `Err` what was written must be discarded.
    pub fn write(
        &self,
        content: &View,
        provider: &Provider,
        randomness: &dyn Randomness,
        sink: &mut dyn Write,
    ) -> Result<(), SealError> {
        if self.cipher.is_weak() {
            return Err(SealError::Cipher(self.cipher));
        }
        let mut key = Secret::new(vec![0; self.cipher.key_octets()]);
        randomness.fill(&mut key)?;
        let mut nonce = vec![0; self.cipher.nonce_octets()];
        randomness.fill(&mut nonce)?;
        let recipients = self.recipient_infos(&key, provider)?;
        let parts = Parts::new(self, &recipients, &nonce, content.len())?;
        parts.check(self, &recipients)?;

        let associated = if parts.attributes.is_empty() {
            Vec::new()
        } else {
            // RFC 5083 §2.2: as the SET OF that they are, not under their tag.
            tlv::element(tag::SET, &[&parts.attributes])
        };
        let encryptor = provider
            .ciphers
            .encryptor(self.cipher, &key, &nonce, &associated)?;
        sink.write_all(&parts.head)?;
        let mac = parts.stream(encryptor, content, sink)?;
        sink.write_all(&parts.tail(&mac))?;
        Ok(())
    }

    /// One for each recipient with its DER, sorted by that (X.690 §11.6).
    fn recipient_infos(
        &self,
        key: &[u8],
        provider: &Provider,
    ) -> Result<Vec<(Vec<u8>, RecipientInfo)>, SealError> {
        if self.recipients.is_empty() {
            return Err(SealError::NoRecipient);
        }
        let mut infos = Vec::with_capacity(self.recipients.len());
        for (index, recipient) in self.recipients.iter().enumerate() {
            let info =
                recipient
                    .recipient_info(key, provider)
                    .map_err(|source| SealError::Recipient {
                        number: index + 1,
                        source,
                    })?;
            infos.push((encode(&info), info));
        }
        infos.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(infos)
    }

    /// RFC 5652 §6.1; RFC 5083 §2.1.
    fn version(&self, recipients: &[(Vec<u8>, RecipientInfo)]) -> u8 {
        let certificates = || {
            self.originator_certificates
                .iter()
                .filter_map(|certificate| certificate.first())
        };
        if self.cipher.is_authenticated() {
            0
        } else if certificates().any(|choice| *choice == OTHER_CERTIFICATE) {
            4
        } else if certificates().any(|choice| *choice == V2_ATTRIBUTE_CERTIFICATE) {
            3
        } else if self.originator_certificates.is_empty()
            && recipients
                .iter()
                .all(|(_, info)| matches!(info, RecipientInfo::KeyTransport { .. }))
        {
            // All name issuer and serial number, and so have version 0 (RFC 5652 §6.2.1).
            0
        } else {
            2
        }
    }

    /// The content of authAttrs: contentType, where RFC 5083 §2.1 asks for it.
    fn authenticated_attributes(&self) -> Vec<u8> {
        if !self.cipher.is_authenticated() || self.content_type == ID_DATA {
            return Vec::new();
        }
        build::content_type(self.content_type)
    }
}

/// Everything around the encrypted content.
struct Parts {
    /// Up to where the encrypted octets begin.
    head: Vec<u8>,
    /// How many encrypted octets there will be.
    encrypted: u64,
    /// The content of authAttrs, mostly none.
    attributes: Vec<u8>,
    /// Octets of the mac, 0 for EnvelopedData.
    tag_octets: usize,
}

impl Parts {
    fn new(
        envelope: &Envelope,
        recipients: &[(Vec<u8>, RecipientInfo)],
        nonce: &[u8],
        content: u64,
    ) -> Result<Self, SealError> {
        let too_long = || SealError::TooLong(content);
        let encrypted = envelope
            .cipher
            .ciphertext_octets(content)
            .filter(|octets| *octets <= LONGEST_CONTENT)
            .ok_or_else(too_long)?;
        let authenticated = envelope.cipher.is_authenticated();
        let tag_octets = if authenticated { TAG_OCTETS } else { 0 };
        let mut parts = Self {
            head: Vec::new(),
            encrypted,
            attributes: envelope.authenticated_attributes(),
            tag_octets,
        };
        let version = tlv::element(tag::INTEGER, &[&[envelope.version(recipients)]]);
        let originator = originator_info(&envelope.originator_certificates);
        let infos: Vec<&[u8]> = recipients.iter().map(|(der, _)| der.as_slice()).collect();
        let infos = tlv::element(tag::SET, &infos);
        let content_type =
            tlv::element(tag::OBJECT_IDENTIFIER, &[envelope.content_type.as_bytes()]);
        let algorithm = identifiers::encode_content_encryption(&ContentParameters {
            algorithm: envelope.cipher,
            nonce: nonce.to_vec(),
            tag_octets,
        });
        let outer = if authenticated {
            ID_AUTH_ENVELOPED_DATA
        } else {
            ID_ENVELOPED_DATA
        };
        let outer = tlv::element(tag::OBJECT_IDENTIFIER, &[outer.as_bytes()]);

        let tail = length(&parts.tail(&vec![0; tag_octets]));
        let whole = |inner: u64| inner + wide_header_length(inner);
        let info = length(&content_type) + length(&algorithm) + whole(encrypted);
        let before = length(&version) + length(&originator) + length(&infos);
        let structure = before + whole(info) + tail;
        let explicit = whole(structure);

        let head = &mut parts.head;
        head.reserve_exact(infos.len() + originator.len() + HEAD_ALLOWANCE);
        write_wide_header(head, tag::SEQUENCE, length(&outer) + whole(explicit));
        head.extend(outer);
        write_wide_header(head, tag::context(0), explicit);
        write_wide_header(head, tag::SEQUENCE, structure);
        for part in [&version, &originator, &infos] {
            head.extend_from_slice(part);
        }
        write_wide_header(head, tag::SEQUENCE, info);
        head.extend(content_type);
        head.extend(algorithm);
        write_wide_header(head, tag::context_primitive(0), encrypted);
        Ok(parts)
    }

    /// What follows the encrypted octets: authAttrs and mac, nothing for EnvelopedData.
    fn tail(&self, mac: &[u8]) -> Vec<u8> {
        let mut tail = Vec::new();
        if !self.attributes.is_empty() {
            tail.extend(tlv::element(tag::context(1), &[&self.attributes]));
        }
        if self.tag_octets > 0 {
            tail.extend(tlv::element(tag::OCTET_STRING, &[mac]));
        }
        tail
    }

    /// Encrypts `content` into `sink` and returns the tag.
    fn stream(
        &self,
        mut encryptor: Box<dyn crate::crypto::Encryptor>,
        content: &View,
        sink: &mut dyn Write,
    ) -> Result<Vec<u8>, SealError> {
        let most = usize::try_from(content.len()).unwrap_or(WINDOW).min(WINDOW);
        let mut output = Vec::with_capacity(most + LONGEST_BLOCK);
        let mut written = 0;
        content.windows::<SealError>(|window| {
            encryptor.update(window, &mut output)?;
            written += length(&output);
            sink.write_all(&output)?;
            output.clear();
            Ok(())
        })?;
        let mac = encryptor.finish(&mut output)?;
        written += length(&output);
        sink.write_all(&output)?;
        if written != self.encrypted || mac.len() != self.tag_octets {
            return Err(SealError::Differs("length than its header says"));
        }
        Ok(mac)
    }

    /// Reads back what stands around the content, and compares it with what was meant.
    fn check(
        &self,
        envelope: &Envelope,
        recipients: &[(Vec<u8>, RecipientInfo)],
    ) -> Result<(), SealError> {
        let outline = Outline {
            head: self.head.clone(),
            gap: self.encrypted,
            tail: self.tail(&vec![0; self.tag_octets]),
        };
        let view = View::whole(Arc::new(outline));
        let read = ContentInfo::read(&view, &Limits::default()).map_err(SealError::Check)?;
        let Cms::Enveloped(enveloped) = read.cms else {
            return Err(SealError::Differs("content type"));
        };
        let same = |what, same: bool| {
            if same {
                Ok(())
            } else {
                Err(SealError::Differs(what))
            }
        };
        let infos = recipients.iter().map(|(_, info)| info);
        same("length", read.trailing == 0)?;
        same("recipientInfos", enveloped.recipients.iter().eq(infos))?;
        let count = enveloped.originator_certificates.len();
        same(
            "originatorInfo",
            count == envelope.originator_certificates.len(),
        )?;
        same(
            "contentType",
            enveloped.content_type == envelope.content_type,
        )?;
        // This tells AuthEnvelopedData from EnvelopedData, too.
        let cipher = enveloped.cipher().map(|cipher| cipher.algorithm);
        same("contentEncryptionAlgorithm", cipher == Ok(envelope.cipher))?;
        let octets = enveloped.encrypted_content.map(|content| content.len());
        same("encryptedContent", octets == Some(self.encrypted))?;
        same("mac", enveloped.mac.len() == self.tag_octets)
    }
}

/// A message whose encrypted content is not there yet: zeros stand for it.
#[derive(Debug)]
struct Outline {
    head: Vec<u8>,
    gap: u64,
    tail: Vec<u8>,
}

impl Octets for Outline {
    fn len(&self) -> u64 {
        length(&self.head) + self.gap + length(&self.tail)
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(length(window))
            .filter(|end| *end <= self.len());
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let tail = length(&self.head) + self.gap;
        for (octet, at) in window.iter_mut().zip(offset..) {
            let part = if at < tail { &self.head } else { &self.tail };
            let within = if at < tail { at } else { at - tail };
            let within = usize::try_from(within).ok();
            *octet = within
                .and_then(|within| part.get(within))
                .copied()
                .unwrap_or(0);
        }
        Ok(())
    }
}

/// originatorInfo with its certificates as a SET OF, nothing for none.
fn originator_info(certificates: &[Vec<u8>]) -> Vec<u8> {
    if certificates.is_empty() {
        return Vec::new();
    }
    let mut certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    certificates.sort_unstable();
    let certificates = tlv::element(tag::context(0), &certificates);
    tlv::element(tag::context(0), &[&certificates])
}

/// CertificateChoices (RFC 5652 §10.2.2).
const V2_ATTRIBUTE_CERTIFICATE: u8 = tag::context(2);
const OTHER_CERTIFICATE: u8 = tag::context(3);
/// GCM's own bound, 2^36 - 32 octets (NIST SP 800-38D §5.2.1.1); CBC and mail stay far below.
const LONGEST_CONTENT: u64 = (1 << 36) - 32;
/// That of AES: what an encryptor may hold back and give out with the next window.
const LONGEST_BLOCK: usize = 16;
/// Headers, object identifiers and algorithm of the head.
const HEAD_ALLOWANCE: usize = 256;
