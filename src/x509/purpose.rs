//! Whether a certificate's key may be used for mail (RFC 8550 §4.4).

use super::certificate::Certificate;
use crate::crypto::oids;

/// What a certificate lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PurposeError {
    /// extKeyUsage is there and names neither emailProtection nor anyExtendedKeyUsage (RFC 8550 §4.4.4).
    #[error("extKeyUsage allows neither emailProtection nor anyExtendedKeyUsage")]
    EmailProtection,
    /// keyUsage is there and allows no key agreement (RFC 8550 §4.4.2).
    #[error("keyUsage does not allow keyAgreement")]
    KeyAgreement,
    /// keyUsage is there and allows no key transport (RFC 8550 §4.4.2).
    #[error("keyUsage does not allow keyEncipherment")]
    KeyEncipherment,
    /// keyUsage is there and allows no signature (RFC 8550 §4.4.2).
    #[error("keyUsage allows neither digitalSignature nor nonRepudiation")]
    Signature,
}

/// Whether extKeyUsage lets the key be used for mail at all (RFC 8550 §4.4.4).
pub fn allows_mail(certificate: &Certificate) -> Result<(), PurposeError> {
    if certificate.allows_email_protection() {
        Ok(())
    } else {
        Err(PurposeError::EmailProtection)
    }
}

/// Whether the key may sign mail.
pub fn may_sign_mail(certificate: &Certificate) -> Result<(), PurposeError> {
    allows_mail(certificate)?;
    match certificate.key_usage() {
        Some(usage) if !usage.digital_signature() && !usage.non_repudiation() => {
            Err(PurposeError::Signature)
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether mail may be encrypted to the key: keys that transport need keyEncipherment, keys that
/// agree need keyAgreement.
pub fn may_receive_mail(certificate: &Certificate) -> Result<(), PurposeError> {
    allows_mail(certificate)?;
    let Some(usage) = certificate.key_usage() else {
        return Ok(());
    };
    let agrees = [oids::EC_PUBLIC_KEY, oids::X25519]
        .iter()
        .any(|oid| oid.as_bytes() == certificate.key_algorithm());
    match agrees {
        true if !usage.key_agreement() => Err(PurposeError::KeyAgreement),
        false if !usage.key_encipherment() => Err(PurposeError::KeyEncipherment),
        true | false => Ok(()),
    }
}
