//! RecipientInfo: for whom a message is encrypted, and how each gets the key (RFC 5652 §6.2).
//!
//! Read from DER, one pass. What names no key of a certificate (passwords, previously distributed
//! keys, unknown kinds) is listed and never opened.

use const_oid::ObjectIdentifier;

use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::cms::tlv::Reader;
use crate::crypto::KeyName;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::tlv::tag;

/// One way in which some recipients get the content-encryption key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientInfo {
    /// kekri: a key that was distributed before (RFC 5652 §6.2.3).
    Kek {
        /// Which key.
        key_identifier: Vec<u8>,
        /// The key wrap, AlgorithmIdentifier in DER.
        algorithm: Vec<u8>,
        /// The wrapped key.
        encrypted_key: Vec<u8>,
    },
    /// A KEMRecipientInfo in an ori (RFC 9629 §3).
    Kem {
        /// Whose certificate.
        rid: RecipientIdentifier,
        /// The mechanism, AlgorithmIdentifier in DER.
        algorithm: Vec<u8>,
        /// The encapsulation.
        ciphertext: Vec<u8>,
        /// How the shared secret becomes a key, AlgorithmIdentifier in DER.
        derivation: Vec<u8>,
        /// The key wrap, AlgorithmIdentifier in DER.
        wrap: Vec<u8>,
        /// The wrapped key.
        encrypted_key: Vec<u8>,
    },
    /// kari: a key agreed with each of `keys` (RFC 5652 §6.2.2).
    KeyAgreement {
        /// The sender's public key, or whose certificate has it.
        originator: Originator,
        /// User keying material.
        ukm: Option<Vec<u8>>,
        /// The scheme with its key wrap, AlgorithmIdentifier in DER.
        algorithm: Vec<u8>,
        /// One for each recipient.
        keys: Vec<RecipientEncryptedKey>,
    },
    /// ktri: a key encrypted to a public key (RFC 5652 §6.2.1).
    KeyTransport {
        /// Whose certificate.
        rid: RecipientIdentifier,
        /// The scheme, AlgorithmIdentifier in DER.
        algorithm: Vec<u8>,
        /// The encrypted key.
        encrypted_key: Vec<u8>,
    },
    /// Any other ori (RFC 5652 §6.2.5).
    Other {
        /// Its type.
        oid: ObjectIdentifier,
    },
    /// pwri: a key from a password (RFC 3211, RFC 5652 §6.2.4).
    Password {
        /// How the password becomes a key, AlgorithmIdentifier in DER, tag and all as SEQUENCE.
        derivation: Option<Vec<u8>>,
        /// The key wrap, AlgorithmIdentifier in DER.
        algorithm: Vec<u8>,
        /// The wrapped key.
        encrypted_key: Vec<u8>,
    },
    /// An alternative or a version that RFC 5652 does not have: passed over, as its §6.2 asks.
    Unknown {
        /// The identifier octet.
        tag: u8,
    },
}

/// The certificate whose key a RecipientInfo is for (RFC 5652 §6.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecipientIdentifier {
    /// By its issuer and serial number.
    IssuerAndSerialNumber {
        /// Name, DER as it came.
        issuer: Vec<u8>,
        /// The INTEGER's content octets.
        serial: Vec<u8>,
    },
    /// By its subjectKeyIdentifier extension.
    SubjectKeyIdentifier(Vec<u8>),
}

impl RecipientIdentifier {
    /// The same as the key stores ask for it.
    #[must_use]
    pub fn key_name(&self) -> KeyName<'_> {
        match self {
            Self::IssuerAndSerialNumber { issuer, serial } => {
                KeyName::IssuerAndSerialNumber(issuer, serial)
            }
            Self::SubjectKeyIdentifier(ski) => KeyName::SubjectKeyIdentifier(ski),
        }
    }
}

/// Where the sender's public key is (OriginatorIdentifierOrKey, RFC 5652 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originator {
    /// In a certificate: static-static agreement.
    Certificate(RecipientIdentifier),
    /// Here: an ephemeral key.
    PublicKey {
        /// AlgorithmIdentifier in DER.
        algorithm: Vec<u8>,
        /// The octets of the BIT STRING.
        public_key: Vec<u8>,
    },
}

/// The key for one recipient of a key agreement (RFC 5652 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientEncryptedKey {
    /// Whose certificate.
    pub rid: RecipientIdentifier,
    /// The wrapped key.
    pub encrypted_key: Vec<u8>,
}

/// Reads the content of RecipientInfos.
///
/// `der` is the content of the SET; at least one, at most `limits.recipients` in it, where each
/// RecipientEncryptedKey counts.
pub(super) fn read_recipient_infos(
    der: &[u8],
    limits: &Limits,
) -> Result<Vec<RecipientInfo>, CmsError> {
    let mut reader = Reader::new(der, "recipientInfos");
    let mut recipients = Vec::new();
    let mut count = Count { limits, counted: 0 };
    while let Some(element) = reader.next()? {
        let read = match element.tag {
            tag::SEQUENCE => key_transport(element.content)?,
            KARI => key_agreement(element.content, &mut count)?,
            KEKRI => kek(element.content)?,
            PWRI => password(element.content)?,
            ORI => other(element.content)?,
            _ => None,
        };
        // Key agreement has counted its keys; one without any counts as well.
        if !matches!(&read, Some(RecipientInfo::KeyAgreement { keys, .. }) if !keys.is_empty()) {
            count.add()?;
        }
        recipients.push(read.unwrap_or(RecipientInfo::Unknown { tag: element.tag }));
    }
    if recipients.is_empty() {
        // RFC 5652 §6.1: SIZE (1..MAX).
        return Err(CmsError::field("recipientInfos", "there is no recipient"));
    }
    Ok(recipients)
}

struct Count<'a> {
    limits: &'a Limits,
    counted: usize,
}

impl Count<'_> {
    fn add(&mut self) -> Result<(), LimitError> {
        self.counted += 1;
        LimitError::check("number of recipients", self.counted, self.limits.recipients)
    }
}

/// `None` when `version` is none of `known`: such a one is passed over (RFC 5652 §6.2).
///
/// Which of the versions it is, is not held against its sender: §6.2.1 ties 0 and 2 to the kind of
/// identifier, and the identifier shows its kind itself.
fn version_is(
    reader: &mut Reader<'_>,
    field: &'static str,
    known: &[u8],
) -> Result<bool, CmsError> {
    let version = reader.expect(tag::INTEGER, field)?.content;
    Ok(matches!(version, [one] if known.contains(one)))
}

fn key_transport(der: &[u8]) -> Result<Option<RecipientInfo>, CmsError> {
    let mut fields = Reader::new(der, "KeyTransRecipientInfo");
    if !version_is(&mut fields, "KeyTransRecipientInfo.version", &[0, 2])? {
        return Ok(None);
    }
    let rid = recipient_identifier(&mut fields)?;
    let (algorithm, encrypted_key) = algorithm_and_key(&mut fields)?;
    Ok(Some(RecipientInfo::KeyTransport {
        rid,
        algorithm,
        encrypted_key,
    }))
}

fn key_agreement(der: &[u8], count: &mut Count<'_>) -> Result<Option<RecipientInfo>, CmsError> {
    let mut fields = Reader::new(der, "KeyAgreeRecipientInfo");
    if !version_is(&mut fields, "KeyAgreeRecipientInfo.version", &[3])? {
        return Ok(None);
    }
    let originator = originator(fields.expect(tag::context(0), "originator")?.content)?;
    let ukm = fields
        .optional(tag::context(1))?
        .map(|ukm| tlv::single(ukm.content, tag::OCTET_STRING, "ukm"))
        .transpose()?
        .map(|ukm| ukm.content.to_vec());
    let algorithm = algorithm(&mut fields, "keyEncryptionAlgorithm")?;
    let list = fields.expect(tag::SEQUENCE, "recipientEncryptedKeys")?;
    fields.end()?;
    let mut list = Reader::new(list.content, "recipientEncryptedKeys");
    let mut keys = Vec::new();
    while let Some(key) = list.optional(tag::SEQUENCE)? {
        count.add()?;
        let mut key = Reader::new(key.content, "RecipientEncryptedKey");
        keys.push(RecipientEncryptedKey {
            rid: key_agree_recipient_identifier(&mut key)?,
            encrypted_key: octet_string(&mut key, "encryptedKey")?,
        });
        key.end()?;
    }
    list.end()?;
    Ok(Some(RecipientInfo::KeyAgreement {
        originator,
        ukm,
        algorithm,
        keys,
    }))
}

fn kek(der: &[u8]) -> Result<Option<RecipientInfo>, CmsError> {
    let mut fields = Reader::new(der, "KEKRecipientInfo");
    if !version_is(&mut fields, "KEKRecipientInfo.version", &[4])? {
        return Ok(None);
    }
    let kekid = fields.expect(tag::SEQUENCE, "kekid")?;
    // Date and other key attribute may follow: the identifier alone is listed.
    let key_identifier = octet_string(&mut Reader::new(kekid.content, "kekid"), "keyIdentifier")?;
    let (algorithm, encrypted_key) = algorithm_and_key(&mut fields)?;
    Ok(Some(RecipientInfo::Kek {
        key_identifier,
        algorithm,
        encrypted_key,
    }))
}

fn password(der: &[u8]) -> Result<Option<RecipientInfo>, CmsError> {
    let mut fields = Reader::new(der, "PasswordRecipientInfo");
    if !version_is(&mut fields, "PasswordRecipientInfo.version", &[0])? {
        return Ok(None);
    }
    let derivation = fields
        .optional(tag::context(0))?
        .map(|derivation| tlv::element(tag::SEQUENCE, &[derivation.content]));
    let (algorithm, encrypted_key) = algorithm_and_key(&mut fields)?;
    Ok(Some(RecipientInfo::Password {
        derivation,
        algorithm,
        encrypted_key,
    }))
}

fn other(der: &[u8]) -> Result<Option<RecipientInfo>, CmsError> {
    let mut fields = Reader::new(der, "OtherRecipientInfo");
    let oid = fields.expect(tag::OBJECT_IDENTIFIER, "oriType")?;
    let Ok(oid) = ObjectIdentifier::from_bytes(oid.content) else {
        return Ok(None);
    };
    if oid != ID_ORI_KEM {
        return Ok(Some(RecipientInfo::Other { oid }));
    }
    let value = fields.expect(tag::SEQUENCE, "KEMRecipientInfo")?;
    fields.end()?;
    kem(value.content)
}

/// KEMRecipientInfo (RFC 9629 §3).
fn kem(der: &[u8]) -> Result<Option<RecipientInfo>, CmsError> {
    let mut fields = Reader::new(der, "KEMRecipientInfo");
    if !version_is(&mut fields, "KEMRecipientInfo.version", &[0])? {
        return Ok(None);
    }
    let rid = recipient_identifier(&mut fields)?;
    let mechanism = algorithm(&mut fields, "kem")?;
    let ciphertext = octet_string(&mut fields, "kemct")?;
    let derivation = algorithm(&mut fields, "kdf")?;
    fields.expect(tag::INTEGER, "kekLength")?;
    fields.optional(tag::context(0))?;
    let (wrap, encrypted_key) = algorithm_and_key(&mut fields)?;
    Ok(Some(RecipientInfo::Kem {
        rid,
        algorithm: mechanism,
        ciphertext,
        derivation,
        wrap,
        encrypted_key,
    }))
}

/// keyEncryptionAlgorithm and encryptedKey, which end most alternatives.
fn algorithm_and_key(fields: &mut Reader<'_>) -> Result<(Vec<u8>, Vec<u8>), CmsError> {
    let algorithm = algorithm(fields, "keyEncryptionAlgorithm")?;
    let encrypted_key = octet_string(fields, "encryptedKey")?;
    fields.end()?;
    Ok((algorithm, encrypted_key))
}

fn algorithm(fields: &mut Reader<'_>, field: &'static str) -> Result<Vec<u8>, CmsError> {
    Ok(fields.expect(tag::SEQUENCE, field)?.raw.to_vec())
}

fn octet_string(fields: &mut Reader<'_>, field: &'static str) -> Result<Vec<u8>, CmsError> {
    Ok(fields.expect(tag::OCTET_STRING, field)?.content.to_vec())
}

/// RecipientIdentifier: subjectKeyIdentifier is `[0] IMPLICIT`, an OCTET STRING that BER may have
/// in pieces.
fn recipient_identifier(fields: &mut Reader<'_>) -> Result<RecipientIdentifier, CmsError> {
    if let Some(whole) = fields.optional(tag::context_primitive(0))? {
        return Ok(RecipientIdentifier::SubjectKeyIdentifier(
            whole.content.to_vec(),
        ));
    }
    if let Some(pieces) = fields.optional(tag::context(0))? {
        let mut reader = Reader::new(pieces.content, "subjectKeyIdentifier");
        let mut joined = Vec::new();
        while let Some(piece) = reader.optional(tag::OCTET_STRING)? {
            joined.extend_from_slice(piece.content);
        }
        reader.end()?;
        return Ok(RecipientIdentifier::SubjectKeyIdentifier(joined));
    }
    issuer_and_serial_number(fields)
}

/// KeyAgreeRecipientIdentifier: rKeyId is a SEQUENCE of identifier, date and other attribute.
fn key_agree_recipient_identifier(
    fields: &mut Reader<'_>,
) -> Result<RecipientIdentifier, CmsError> {
    let Some(key_id) = fields.optional(tag::context(0))? else {
        return issuer_and_serial_number(fields);
    };
    let mut key_id = Reader::new(key_id.content, "rKeyId");
    octet_string(&mut key_id, "subjectKeyIdentifier").map(RecipientIdentifier::SubjectKeyIdentifier)
}

fn issuer_and_serial_number(fields: &mut Reader<'_>) -> Result<RecipientIdentifier, CmsError> {
    let name = fields.expect(tag::SEQUENCE, "issuerAndSerialNumber")?;
    let mut name = Reader::new(name.content, "issuerAndSerialNumber");
    let issuer = name.expect(tag::SEQUENCE, "issuer")?.raw.to_vec();
    let serial = name.expect(tag::INTEGER, "serialNumber")?.content.to_vec();
    name.end()?;
    Ok(RecipientIdentifier::IssuerAndSerialNumber { issuer, serial })
}

fn originator(der: &[u8]) -> Result<Originator, CmsError> {
    let mut choice = Reader::new(der, "originator");
    let Some(key) = choice.optional(tag::context(1))? else {
        let certificate = recipient_identifier(&mut choice)?;
        choice.end()?;
        return Ok(Originator::Certificate(certificate));
    };
    choice.end()?;
    let mut key = Reader::new(key.content, "originatorKey");
    let algorithm = algorithm(&mut key, "originatorKey.algorithm")?;
    let bits = key.expect(tag::BIT_STRING, "originatorKey.publicKey")?;
    key.end()?;
    let [0, public_key @ ..] = bits.content else {
        return Err(CmsError::field(
            "originatorKey.publicKey",
            "it is not a whole number of octets",
        ));
    };
    Ok(Originator::PublicKey {
        algorithm,
        public_key: public_key.to_vec(),
    })
}

const KARI: u8 = tag::context(1);
const KEKRI: u8 = tag::context(2);
const PWRI: u8 = tag::context(3);
const ORI: u8 = tag::context(4);
const ID_ORI_KEM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.13.3");
