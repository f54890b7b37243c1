//! Object identifiers of certificates, CRLs and their extensions.

use const_oid::ObjectIdentifier;

type Oid = ObjectIdentifier;

// Extensions (RFC 5280 §4.2, §5.2, §5.3).
pub(super) const SUBJECT_KEY_IDENTIFIER: Oid = Oid::new_unwrap("2.5.29.14");
pub(super) const KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.15");
pub(super) const SUBJECT_ALT_NAME: Oid = Oid::new_unwrap("2.5.29.17");
pub(super) const ISSUER_ALT_NAME: Oid = Oid::new_unwrap("2.5.29.18");
pub(super) const BASIC_CONSTRAINTS: Oid = Oid::new_unwrap("2.5.29.19");
pub(super) const CRL_NUMBER: Oid = Oid::new_unwrap("2.5.29.20");
pub(super) const REASON_CODE: Oid = Oid::new_unwrap("2.5.29.21");
pub(super) const INVALIDITY_DATE: Oid = Oid::new_unwrap("2.5.29.24");
pub(super) const DELTA_CRL_INDICATOR: Oid = Oid::new_unwrap("2.5.29.27");
pub(super) const ISSUING_DISTRIBUTION_POINT: Oid = Oid::new_unwrap("2.5.29.28");
pub(super) const NAME_CONSTRAINTS: Oid = Oid::new_unwrap("2.5.29.30");
pub(super) const CRL_DISTRIBUTION_POINTS: Oid = Oid::new_unwrap("2.5.29.31");
pub(super) const CERTIFICATE_POLICIES: Oid = Oid::new_unwrap("2.5.29.32");
pub(super) const POLICY_MAPPINGS: Oid = Oid::new_unwrap("2.5.29.33");
pub(super) const AUTHORITY_KEY_IDENTIFIER: Oid = Oid::new_unwrap("2.5.29.35");
pub(super) const POLICY_CONSTRAINTS: Oid = Oid::new_unwrap("2.5.29.36");
pub(super) const EXTENDED_KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.37");
pub(super) const INHIBIT_ANY_POLICY: Oid = Oid::new_unwrap("2.5.29.54");

/// SMIMECapabilities (RFC 4262 §2).
pub(super) const SMIME_CAPABILITIES: Oid = Oid::new_unwrap("1.2.840.113549.1.9.15");

// Values.
pub(super) const ANY_POLICY: Oid = Oid::new_unwrap("2.5.29.32.0");
pub(super) const ANY_EXTENDED_KEY_USAGE: Oid = Oid::new_unwrap("2.5.29.37.0");
pub(super) const EMAIL_PROTECTION: Oid = Oid::new_unwrap("1.3.6.1.5.5.7.3.4");
pub(super) const COMMON_NAME: Oid = Oid::new_unwrap("2.5.4.3");
pub(super) const DOMAIN_COMPONENT: Oid = Oid::new_unwrap("0.9.2342.19200300.100.1.25");
pub(super) const EMAIL_ADDRESS: Oid = Oid::new_unwrap("1.2.840.113549.1.9.1");
/// id-on-SmtpUTF8Mailbox (RFC 9598 §3).
pub(super) const SMTP_UTF8_MAILBOX: Oid = Oid::new_unwrap("1.3.6.1.5.5.7.8.9");
