//! The attributes that we know by name: where they may stand and how often.
//!
//! RFC 5652 §11, RFC 2634 §1.3.4, RFC 5035, RFC 6211 §2, RFC 8551 §2.5, draft §3.2; names of further
//! ones from the registry (RFC 7107 §3.5).

use const_oid::ObjectIdentifier;

use super::oid::Oid;

/// Where an attribute may stand in a SignerInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Anywhere.
    Either,
    /// Among the signed attributes alone.
    Signed,
    /// Among the unsigned attributes alone.
    Unsigned,
}

/// What the standards say of one attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) oid: ObjectIdentifier,
    /// Its name in ASN.1 modules and in reports.
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// Whether it has exactly one value and stands at most once in a SignerInfo.
    pub(crate) once: bool,
}

/// The row of `oid`.
pub(crate) fn known(oid: &Oid) -> Option<&'static Known> {
    KNOWN.iter().find(|row| *oid == row.oid)
}

/// The name of an attribute in reports; `None` for one that we do not know.
#[must_use]
pub fn name_of(oid: &Oid) -> Option<&'static str> {
    known(oid).map(|row| row.name)
}

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// id-contentType (RFC 5652 §11.1).
pub const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
/// id-messageDigest (RFC 5652 §11.2).
pub const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
/// id-signingTime (RFC 5652 §11.3).
pub const SIGNING_TIME: ObjectIdentifier = oid("1.2.840.113549.1.9.5");
/// id-countersignature (RFC 5652 §11.4).
pub const COUNTER_SIGNATURE: ObjectIdentifier = oid("1.2.840.113549.1.9.6");
/// smimeCapabilities (RFC 8551 §2.5.2).
pub const SMIME_CAPABILITIES: ObjectIdentifier = oid("1.2.840.113549.1.9.15");
/// The identifier that the draft prints for SignatureType (DESIGN.md, decision 1).
pub const SIGNATURE_TYPE_DRAFT: ObjectIdentifier = oid("1.2.840.113549.1.9.28");
/// id-aa-CMSAlgorithmProtection (RFC 6211 §2).
pub const ALGORITHM_PROTECTION: ObjectIdentifier = oid("1.2.840.113549.1.9.52");
/// id-aa-receiptRequest (RFC 2634 §2.7).
pub const RECEIPT_REQUEST: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.1");
/// id-aa-securityLabel (RFC 2634 §3.2).
pub const SECURITY_LABEL: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.2");
/// id-aa-mlExpandHistory (RFC 2634 §4.4).
pub const ML_EXPANSION_HISTORY: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.3");
/// id-aa-contentHint (RFC 2634 §2.9).
pub const CONTENT_HINTS: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.4");
/// id-aa-msgSigDigest (RFC 2634 §2.10).
pub const MSG_SIG_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.5");
/// id-aa-contentIdentifier (RFC 2634 §2.7).
pub const CONTENT_IDENTIFIER: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.7");
/// id-aa-equivalentLabels (RFC 2634 §3.4.1).
pub const EQUIVALENT_LABELS: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.9");
/// id-aa-contentReference (RFC 2634 §2.11).
pub const CONTENT_REFERENCE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.10");
/// id-aa-encrypKeyPref (RFC 8551 §2.5.3).
pub const ENCRYPTION_KEY_PREFERENCE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.11");
/// id-aa-signingCertificate (RFC 5035 §5.4.2).
pub const SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
/// id-aa-signatureTimeStampToken (RFC 7107 §3.5).
pub const SIGNATURE_TIME_STAMP_TOKEN: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.14");
/// id-aa-signatureType (RFC 3183 §3.1.2 with erratum 3757, RFC 7107 §3.5).
pub const SIGNATURE_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.28");
/// id-aa-signingCertificateV2 (RFC 5035 §5.4.1).
pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
/// id-aa-secureHeaderFieldsIdentifier (RFC 7508 §4.1).
pub const SECURE_HEADER_FIELDS: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.55");
/// szOID_MICROSOFT_Encryption_Key_Preference: an IssuerAndSerialNumber, as Outlook writes it.
pub const MICROSOFT_ENCRYPTION_KEY_PREFERENCE: ObjectIdentifier = oid("1.3.6.1.4.1.311.16.4");

const fn once(oid: ObjectIdentifier, name: &'static str, place: Place) -> Known {
    Known {
        oid,
        name,
        place,
        once: true,
    }
}

const fn any(oid: ObjectIdentifier, name: &'static str, place: Place) -> Known {
    Known {
        oid,
        name,
        place,
        once: false,
    }
}

#[rustfmt::skip]
const KNOWN: &[Known] = &[
    once(CONTENT_TYPE, "contentType", Place::Signed),
    once(MESSAGE_DIGEST, "messageDigest", Place::Signed),
    once(SIGNING_TIME, "signingTime", Place::Signed),
    any(COUNTER_SIGNATURE, "counterSignature", Place::Unsigned),
    once(SMIME_CAPABILITIES, "SMIMECapabilities", Place::Signed),
    once(ALGORITHM_PROTECTION, "cmsAlgorithmProtection", Place::Signed),
    once(SIGNATURE_TYPE, "signatureType", Place::Signed),
    once(SIGNATURE_TYPE_DRAFT, "signatureType", Place::Signed),
    once(RECEIPT_REQUEST, "receiptRequest", Place::Signed),
    once(SECURITY_LABEL, "eSSSecurityLabel", Place::Signed),
    once(ML_EXPANSION_HISTORY, "mlExpansionHistory", Place::Signed),
    once(CONTENT_HINTS, "contentHints", Place::Either),
    once(MSG_SIG_DIGEST, "msgSigDigest", Place::Signed),
    once(CONTENT_IDENTIFIER, "contentIdentifier", Place::Either),
    once(EQUIVALENT_LABELS, "equivalentLabels", Place::Signed),
    once(CONTENT_REFERENCE, "contentReference", Place::Signed),
    once(ENCRYPTION_KEY_PREFERENCE, "encryptionKeyPreference", Place::Signed),
    once(SIGNING_CERTIFICATE, "signingCertificate", Place::Signed),
    once(SIGNING_CERTIFICATE_V2, "signingCertificateV2", Place::Signed),
    once(SECURE_HEADER_FIELDS, "secureHeaderFieldsIdentifier", Place::Signed),
    // No standard says more of those below than their names.
    any(MICROSOFT_ENCRYPTION_KEY_PREFERENCE, "microsoftEncryptionKeyPreference", Place::Either),
    any(SIGNATURE_TIME_STAMP_TOKEN, "signatureTimeStampToken", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.15"), "signaturePolicyIdentifier", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.16"), "commitmentType", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.17"), "signerLocation", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.18"), "signerAttributes", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.20"), "contentTimeStamp", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.46"), "binarySigningTime", Place::Either),
    any(oid("1.2.840.113549.1.9.16.2.51"), "multipleSignatures", Place::Either),
];
