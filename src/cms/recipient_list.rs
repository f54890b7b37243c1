//! Who can open a message, one line each, as reports list it (CONTRACT, `inspect`).

use const_oid::ObjectIdentifier;

use crate::cms::enveloped_data::EnvelopedData;
use crate::cms::recipient_info::Originator;
use crate::cms::recipient_info::RecipientIdentifier;
use crate::cms::recipient_info::RecipientInfo;
use crate::cms::tlv;
use crate::cms::tlv::Reader;
use crate::crypto::Curve;
use crate::crypto::identifiers;
use crate::crypto::oids;
use crate::octets::hex;
use crate::tlv::tag;
use crate::x509::certificate::serial_hex;

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRecipient<'a> {
    /// `ktri`, `kari`, `kekri`, `pwri`, `kem`; `ori` for any other of RFC 5652 §6.2.5, and
    /// `unknown` for what RFC 5652 does not have.
    pub kind: &'static str,
    /// The certificate, where one is named: [`RecipientIdentifier::key_name`] finds its key.
    pub rid: Option<&'a RecipientIdentifier>,
    /// Name of the key encryption, or its dotted OID; absent where there is none.
    pub key_encryption: Option<String>,
}

impl<'a> ListedRecipient<'a> {
    /// Issuer of the certificate, Name in DER.
    #[must_use]
    pub fn issuer(&self) -> Option<&'a [u8]> {
        match self.rid? {
            RecipientIdentifier::IssuerAndSerialNumber { issuer, .. } => Some(issuer),
            RecipientIdentifier::SubjectKeyIdentifier(_) => None,
        }
    }

    /// Serial number of the certificate, as in the reports of certificates.
    #[must_use]
    pub fn serial(&self) -> Option<String> {
        match self.rid? {
            RecipientIdentifier::IssuerAndSerialNumber { serial, .. } => Some(serial_hex(serial)),
            RecipientIdentifier::SubjectKeyIdentifier(_) => None,
        }
    }

    /// Subject key identifier of the certificate, hex.
    #[must_use]
    pub fn ski(&self) -> Option<String> {
        match self.rid? {
            RecipientIdentifier::IssuerAndSerialNumber { .. } => None,
            RecipientIdentifier::SubjectKeyIdentifier(ski) => Some(hex(ski)),
        }
    }
}

impl EnvelopedData {
    /// Its recipients in message order, one for each RecipientEncryptedKey.
    pub fn listed_recipients(&self) -> impl Iterator<Item = ListedRecipient<'_>> {
        self.recipients.iter().flat_map(listed)
    }

    /// Name of the content encryption, or its dotted OID.
    #[must_use]
    pub fn content_encryption_name(&self) -> String {
        shown(&self.content_encryption)
    }
}

fn listed(info: &RecipientInfo) -> Vec<ListedRecipient<'_>> {
    let one = |kind, rid, key_encryption| {
        vec![ListedRecipient {
            kind,
            rid,
            key_encryption,
        }]
    };
    match info {
        RecipientInfo::KeyTransport { rid, algorithm, .. } => {
            one("ktri", Some(rid), Some(shown(algorithm)))
        }
        RecipientInfo::Kem { rid, algorithm, .. } => one("kem", Some(rid), Some(dotted(algorithm))),
        RecipientInfo::Kek { algorithm, .. } => one("kekri", None, Some(dotted(algorithm))),
        RecipientInfo::Password { algorithm, .. } => one("pwri", None, Some(dotted(algorithm))),
        RecipientInfo::Other { oid } => one("ori", None, Some(identifiers::shown(*oid))),
        RecipientInfo::Unknown { .. } => one("unknown", None, None),
        RecipientInfo::KeyAgreement {
            originator,
            algorithm,
            keys,
            ..
        } => {
            let name = agreement_name(originator, algorithm);
            keys.iter()
                .map(|key| ListedRecipient {
                    kind: "kari",
                    rid: Some(&key.rid),
                    key_encryption: Some(name.clone()),
                })
                .collect()
        }
    }
}

/// Scheme and wrap. Which curve it is, the originator's key says; where it does not, it is no X25519
/// (RFC 8418 §3.2 has the key in the message).
fn agreement_name(originator: &Originator, algorithm: &[u8]) -> String {
    if let Ok((agreement, _)) = identifiers::key_agreement(algorithm) {
        let curve = match originator {
            Originator::PublicKey { algorithm, .. } if oid_of(algorithm) == Some(oids::X25519) => {
                Curve::X25519
            }
            Originator::PublicKey { .. } | Originator::Certificate(_) => Curve::P256,
        };
        return agreement.name_on(curve);
    }
    let scheme = shown(algorithm);
    match wrap_of(algorithm).and_then(identifiers::name_of) {
        Some(wrap) => format!("{scheme}-{wrap}"),
        None => scheme,
    }
}

/// Dotted OID of an AlgorithmIdentifier: what is listed and never opened has no name in reports.
fn dotted(algorithm: &[u8]) -> String {
    oid_of(algorithm).map_or_else(|| hex(algorithm), |oid| oid.to_string())
}

/// Name or dotted OID of an AlgorithmIdentifier.
fn shown(algorithm: &[u8]) -> String {
    oid_of(algorithm).map_or_else(|| hex(algorithm), identifiers::shown)
}

fn oid_of(algorithm: &[u8]) -> Option<ObjectIdentifier> {
    let algorithm = tlv::single(algorithm, tag::SEQUENCE, "algorithm").ok()?;
    let oid = Reader::new(algorithm.content, "algorithm").next().ok()??;
    ObjectIdentifier::from_bytes(oid.content).ok()
}

/// The OID of the key wrap that is the parameter of a key-agreement algorithm.
fn wrap_of(algorithm: &[u8]) -> Option<ObjectIdentifier> {
    let algorithm = tlv::single(algorithm, tag::SEQUENCE, "algorithm").ok()?;
    let mut fields = Reader::new(algorithm.content, "algorithm");
    fields.next().ok()??;
    oid_of(fields.next().ok()??.raw)
}
