//! Whether a certificate's path to an anchor is valid: the question, the answer, and the seam
//! behind which it is found (RFC 5280 §6).
//!
//! [`super::simple_paths`] is the one implementation. Policies are not evaluated by it yet: where a
//! path depends on them, the answer is that nobody knows.

use std::fmt;

use super::certificate::Certificate;
use super::name_constraints::NameFault;
use super::purpose::PurposeError;
use super::revocation::Crl;
use super::revocation::RevocationReason;
use super::revocation::UnknownStatus;
use super::signature::SignatureFault;
use super::time::Time;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::oids;
use crate::limits::Budget;
use crate::limits::LimitError;
use crate::tlv::element;
use crate::tlv::only;
use crate::tlv::tag;

/// Judges paths.
pub trait PathValidation: fmt::Debug + Send + Sync {
    /// Whether the target of `request` has a valid path, and which.
    ///
    /// Every signature that is tried takes one key operation of `budget`; a spent budget makes the
    /// answer indeterminate.
    fn validate(&self, request: &PathRequest<'_>, budget: &mut Budget) -> PathOutcome;
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct PathRequest<'a> {
    /// Whose path.
    pub target: &'a Certificate,
    /// Certificates that may stand between it and an anchor, in any order; none is believed.
    pub intermediates: &'a [Certificate],
    /// CRLs that may be of the path's issuers; those of others are not looked at.
    pub crls: &'a [Crl],
    /// The moment at which the path must be valid.
    pub at: Time,
    /// What the target is wanted for.
    pub purpose: Purpose,
    /// What must be known about revocation.
    pub revocation: RevocationMode,
    /// Which policies the path must have.
    pub policies: InitialPolicies<'a>,
}

/// What a target is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Anything: extKeyUsage is not looked at.
    Any,
    /// Mail: extKeyUsage must allow it, in the target and in every CA that has one (RFC 8550 §4.4.4).
    #[default]
    Smime,
}

/// What must be known about revocation (CONTRACT, `--revocation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationMode {
    /// Nothing: CRLs are not looked at.
    Off,
    /// No CRL at all is no failure. Where some are given, one must cover the target, and those of
    /// the path's other issuers count.
    #[default]
    Prefer,
    /// Every certificate below the anchor must be covered.
    Require,
}

/// The inputs of RFC 5280 §6.1.1 c, e, f and g.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitialPolicies<'a> {
    /// user-initial-policy-set, dotted; empty is anyPolicy.
    pub acceptable: &'a [String],
    /// initial-explicit-policy.
    pub explicit: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_mapping: bool,
}

/// The answer in one word (CONTRACT, `path`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A path is valid.
    Valid,
    /// Something is wrong with every path.
    Invalid,
    /// Nothing is wrong with a path, and not all is known.
    Indeterminate,
}

impl Verdict {
    /// As in the reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Indeterminate => "indeterminate",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PathOutcome {
    /// In one word.
    pub verdict: Verdict,
    /// The path that was judged, the target first and the anchor last. Unless the verdict is valid,
    /// as far up as it was built; nothing is known of what stands beneath the one that failed.
    pub chain: Vec<Certificate>,
    /// Why not valid; of several paths, the one that came closest.
    pub error: Option<PathError>,
    /// What is accepted and should not be for long.
    pub warnings: Vec<PathWarning>,
}

impl PathOutcome {
    /// Whether all that is not known is revocation: an answer may come.
    #[must_use]
    pub fn is_about_revocation(&self) -> bool {
        let error = self.error.as_ref();
        error.is_some_and(|error| matches!(error.fault, PathFault::RevocationUnknown(_)))
    }
}

/// What is wrong with a path, or not known about it, and at which certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{certificate}: {fault}")]
pub struct PathError {
    /// The subject; where that is empty, issuer and serial number.
    pub certificate: String,
    /// What is wrong with it.
    pub fault: PathFault,
}

impl PathError {
    pub(super) fn new(certificate: &Certificate, fault: impl Into<PathFault>) -> Self {
        Self {
            certificate: described(certificate),
            fault: fault.into(),
        }
    }
}

/// What is wrong with one certificate of a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// It issues certificates, and basicConstraints does not let it (RFC 5280 §6.1.4 k).
    #[error("basicConstraints does not make it a CA")]
    BasicConstraints,
    /// A critical extension that we do not know (RFC 5280 §4.2).
    #[error("critical extension {0} is unknown")]
    CriticalExtension(String),
    /// It was no longer valid.
    #[error("expired at {not_after}, asked for {at}")]
    Expired {
        /// Its last second.
        not_after: Time,
        /// The moment asked about.
        at: Time,
    },
    /// It issues certificates, and keyUsage does not let it (RFC 5280 §6.1.4 n).
    #[error("keyUsage does not allow keyCertSign")]
    KeyUsage,
    /// A bound was passed before an answer was found.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Its issuer is not among what is at hand.
    #[error("no certificate of its issuer {0:?} is at hand")]
    MissingIssuer(String),
    /// A CA above it does not allow its name (RFC 5280 §4.2.1.10).
    #[error(transparent)]
    Names(#[from] NameFault),
    /// The path ends here, and this is no anchor.
    #[error("ends the path, and is no anchor")]
    NotAnchored,
    /// It was not yet valid.
    #[error("not valid before {not_before}, asked for {at}")]
    NotYetValid {
        /// Its first second.
        not_before: Time,
        /// The moment asked about.
        at: Time,
    },
    /// More CAs follow than a pathLenConstraint above allows (RFC 5280 §6.1.4 l).
    #[error("pathLenConstraint above it allows no further CA")]
    PathLength,
    /// The path needs a valid policy, and policies are not evaluated (RFC 5280 §6.1.5 g).
    #[error("an explicit policy is required, and policies are not evaluated")]
    PolicyRequired,
    /// A mapping from or to anyPolicy (RFC 5280 §6.1.4 a).
    #[error("policyMappings maps anyPolicy")]
    PolicyMapping,
    /// It is for something else.
    #[error(transparent)]
    Purpose(#[from] PurposeError),
    /// It is revoked.
    #[error("revoked at {at}, reason {reason}")]
    Revoked {
        /// Since when.
        at: Time,
        /// Why.
        reason: RevocationReason,
    },
    /// It is not known whether it is revoked.
    #[error("revocation is unknown: {0}")]
    RevocationUnknown(UnknownStatus),
    /// Its signature does not count.
    #[error(transparent)]
    Signature(SignatureFault),
}

impl From<SignatureFault> for PathFault {
    fn from(fault: SignatureFault) -> Self {
        match fault {
            SignatureFault::Budget(limit) => Self::Limit(limit),
            SignatureFault::Algorithm(_)
            | SignatureFault::AlgorithmMismatch
            | SignatureFault::Invalid(_)
            | SignatureFault::Key(_) => Self::Signature(fault),
        }
    }
}

impl PathFault {
    /// Whether it is a thing that is wrong, or one that is not known.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Limit(_)
            | Self::MissingIssuer(_)
            | Self::PolicyRequired
            | Self::RevocationUnknown(_) => Verdict::Indeterminate,
            Self::BasicConstraints
            | Self::CriticalExtension(_)
            | Self::Expired { .. }
            | Self::KeyUsage
            | Self::Names(_)
            | Self::NotAnchored
            | Self::NotYetValid { .. }
            | Self::PathLength
            | Self::PolicyMapping
            | Self::Purpose(_)
            | Self::Revoked { .. }
            | Self::Signature(_) => Verdict::Invalid,
        }
    }
}

/// What is accepted in a path and should not be for long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathWarning {
    /// A certificate is signed with SHA-1 or DSA.
    WeakSignature {
        /// The subject.
        certificate: String,
        /// How it is signed.
        algorithm: SignatureAlgorithm,
    },
}

impl fmt::Display for PathWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeakSignature {
                certificate,
                algorithm,
            } => write!(f, "{certificate}: signed with {algorithm}, which is weak"),
        }
    }
}

/// The SubjectPublicKeyInfo of the first certificate of `chain` (target first), DER, with the DSA
/// parameters that it inherits from its issuers (RFC 3279 §2.3.2, RFC 5280 §6.1.4 d to f).
#[must_use]
pub fn effective_spki(chain: &[Certificate]) -> Vec<u8> {
    let mut above: Option<Vec<u8>> = None;
    for certificate in chain.iter().rev() {
        above = Some(match above {
            Some(issuer) => inherit(certificate.spki(), &issuer),
            None => certificate.spki().to_vec(),
        });
    }
    above.unwrap_or_default()
}

/// Whether `spki` is a DSA key whose parameters are those of its issuer's key (RFC 3279 §2.3.2): it
/// verifies nothing without them.
#[must_use]
pub fn lacks_parameters(spki: &[u8]) -> bool {
    dsa_parts(spki).is_some_and(|(_, parameters, _)| parameters.is_empty())
}

/// `spki` with the parameters of its `issuer`'s key, where both are DSA and it has none.
pub(super) fn inherit(spki: &[u8], issuer: &[u8]) -> Vec<u8> {
    let inherited = || {
        let (oid, parameters, key) = dsa_parts(spki)?;
        let (_, of_issuer, _) = dsa_parts(issuer)?;
        if !parameters.is_empty() || of_issuer.is_empty() {
            return None;
        }
        let algorithm = element(tag::SEQUENCE, &[oid, of_issuer]);
        Some(element(tag::SEQUENCE, &[&algorithm, key]))
    };
    inherited().unwrap_or_else(|| spki.to_vec())
}

/// Algorithm identifier's OID and parameters, and the key, each DER; `None` when it is no DSA key.
fn dsa_parts(spki: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut fields = only(spki, tag::SEQUENCE).ok()?.reader();
    let algorithm = fields.expect(tag::SEQUENCE).ok()?;
    let key = fields.expect(tag::BIT_STRING).ok()?;
    let oid = algorithm.reader().expect(tag::OBJECT_IDENTIFIER).ok()?;
    let parameters = algorithm.content.strip_prefix(oid.raw)?;
    // Some write NULL where RFC 3279 says that parameters are to be omitted.
    let parameters = if parameters == [0x05, 0x00] {
        &[]
    } else {
        parameters
    };
    (oid.content == oids::DSA.as_bytes()).then_some((oid.raw, parameters, key.raw))
}

/// The subject; where that is empty, issuer and serial number.
pub(super) fn described(certificate: &Certificate) -> String {
    match certificate.subject_name() {
        "" => format!(
            "certificate {} of {}",
            certificate.serial_hex(),
            certificate.issuer_name()
        ),
        subject => subject.to_owned(),
    }
}
