//! Whether CRLs say that a certificate is revoked (RFC 5280 §6.3): bytes in, status out.
//!
//! Complete CRLs of the certificate's own issuer count, by scope and reasons. Delta and indirect
//! CRLs are not evaluated: where one would have a say, the answer is that nobody knows.

use super::certificate::Certificate;
use super::crl::Entry;
use super::crl::point_names;
use super::extensions::named_bits;
use super::general_name::GeneralName;
use super::signature::SignatureFault;
use super::signature::verify;
use super::time::Time;
use crate::crypto::SignatureVerification;
use crate::limits::Budget;
use crate::tlv::Asn1Error;
use crate::tlv::only;
use crate::tlv::tag;

pub use super::crl::Crl;
pub use super::crl::CrlError;
pub use super::crl::RevocationReason;

/// What is known about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// Current CRLs for all reasons do not list it.
    Good,
    /// It is listed.
    Revoked {
        /// Since when.
        at: Time,
        /// Why.
        reason: RevocationReason,
    },
    /// Nothing definite, and why.
    Unknown(UnknownStatus),
}

/// Why the status of a certificate is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownStatus {
    /// None of the CRLs is of the certificate's issuer.
    #[error("there is no CRL of {0}")]
    Absent(String),
    /// The issuer may not sign CRLs (RFC 5280 §4.2.1.3).
    #[error("keyUsage of {0} does not allow cRLSign")]
    CrlSign(String),
    /// It has an extension that must be understood and is not (RFC 5280 §5.2).
    #[error("CRL of {issuer} has the unknown critical extension {oid}")]
    CriticalExtension {
        /// Whose CRL.
        issuer: String,
        /// Dotted type.
        oid: String,
    },
    /// A delta CRL is there, and is not evaluated (RFC 5280 §5.2.4).
    #[error("CRL of {0} is a delta CRL, which is not evaluated")]
    Delta(String),
    /// The CRLs are about some of the reasons for revocation only.
    #[error("CRLs of {0} do not cover all reasons")]
    Reasons(String),
    /// It was no longer current.
    #[error("CRL of {issuer} expired at {next_update}")]
    Expired {
        /// Whose CRL.
        issuer: String,
        /// Its nextUpdate.
        next_update: Time,
    },
    /// It lists certificates of other issuers too, and is not evaluated (RFC 5280 §5.2.5).
    #[error("CRL of {0} is an indirect CRL, which is not evaluated")]
    Indirect(String),
    /// It was not issued yet.
    #[error("CRL of {issuer} is of {this_update}")]
    NotYet {
        /// Whose CRL.
        issuer: String,
        /// Its thisUpdate.
        this_update: Time,
    },
    /// It does not say until when it is current (RFC 5280 §5.1.2.5).
    #[error("CRL of {0} has no nextUpdate")]
    NoNextUpdate(String),
    /// It is about other certificates of the issuer.
    #[error("CRL of {0} does not cover the certificate")]
    Scope(String),
    /// Its signature does not count.
    #[error("CRL of {issuer}: {fault}")]
    Signature {
        /// Whose CRL.
        issuer: String,
        /// Why not.
        fault: SignatureFault,
    },
}

/// Who may have signed the CRLs of a certificate's issuer.
#[derive(Clone, Copy, Debug)]
pub struct CrlSigner<'a> {
    /// Its certificate, which has a valid path.
    pub certificate: &'a Certificate,
    /// Its key with all parameters, DER SubjectPublicKeyInfo.
    pub spki: &'a [u8],
}

/// The CRLs at hand, and the moment that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Revocations<'a> {
    /// In any order, of any issuers.
    pub crls: &'a [Crl],
    /// When the certificate must not have been revoked.
    pub at: Time,
    /// Verifies the CRLs' signatures.
    pub verification: &'a dyn SignatureVerification,
}

/// ReasonFlags that are defined: bits 1 to 8 (RFC 5280 §4.2.1.13).
const ALL_REASONS: u16 = 0b1_1111_1110;

impl Revocations<'_> {
    /// What the CRLs say about `certificate`, whose issuer is one of `signers` by name.
    ///
    /// Spends one key operation for each CRL of that issuer and each signer that it is tried with.
    #[must_use]
    pub fn status(
        &self,
        certificate: &Certificate,
        signers: &[CrlSigner<'_>],
        budget: &mut Budget,
    ) -> RevocationStatus {
        let issuer = || certificate.issuer_name().to_owned();
        let mut unknown = None;
        let mut delta = None;
        let mut held = None;
        let mut reasons = 0;
        for crl in self.crls {
            if crl.folded_issuer() != certificate.folded_issuer() {
                continue;
            }
            match self.consult(crl, certificate, signers, budget) {
                Ok(Consulted::Listed(at, RevocationReason::CertificateHold)) => held = Some(at),
                Ok(Consulted::Listed(at, reason)) => {
                    return RevocationStatus::Revoked { at, reason };
                }
                Ok(Consulted::NotListed(covered)) => reasons |= covered,
                Err(reason @ UnknownStatus::Delta(_)) => delta = Some(reason),
                Err(reason) => unknown = unknown.or(Some(reason)),
            }
        }
        // A delta may revoke what its base does not, and may end a hold.
        if let Some(delta) = delta {
            return RevocationStatus::Unknown(delta);
        }
        if let Some(at) = held {
            let reason = RevocationReason::CertificateHold;
            return RevocationStatus::Revoked { at, reason };
        }
        if reasons == ALL_REASONS {
            return RevocationStatus::Good;
        }
        RevocationStatus::Unknown(unknown.unwrap_or_else(|| match reasons {
            0 => UnknownStatus::Absent(issuer()),
            _ => UnknownStatus::Reasons(issuer()),
        }))
    }

    fn consult(
        &self,
        crl: &Crl,
        certificate: &Certificate,
        signers: &[CrlSigner<'_>],
        budget: &mut Budget,
    ) -> Result<Consulted, UnknownStatus> {
        let issuer = || crl.issuer_name().to_owned();
        if let Some(oid) = crl.unknown_critical_extension() {
            let issuer = issuer();
            return Err(UnknownStatus::CriticalExtension { issuer, oid });
        }
        if crl.scope().indirect {
            return Err(UnknownStatus::Indirect(issuer()));
        }
        let reasons =
            covered_reasons(crl, certificate).ok_or_else(|| UnknownStatus::Scope(issuer()))?;
        self.verify(crl, signers, budget)?;
        if crl.scope().delta {
            return Err(UnknownStatus::Delta(issuer()));
        }
        let listed = crl.find(certificate.serial());
        let current = self.current(crl);
        match (listed, current) {
            // What an expired CRL revoked stays revoked, unless it was on hold.
            (Some(Entry { at, reason, .. }), current)
                if current.is_ok()
                    || at <= self.at && reason != RevocationReason::CertificateHold =>
            {
                Ok(Consulted::Listed(at, reason))
            }
            (_, current) => current.map(|()| Consulted::NotListed(reasons)),
        }
    }

    fn verify(
        &self,
        crl: &Crl,
        signers: &[CrlSigner<'_>],
        budget: &mut Budget,
    ) -> Result<(), UnknownStatus> {
        let issuer = || crl.issuer_name().to_owned();
        if !crl.signature_algorithms_agree() {
            let (issuer, fault) = (issuer(), SignatureFault::AlgorithmMismatch);
            return Err(UnknownStatus::Signature { issuer, fault });
        }
        let mut failure = None;
        for signer in signers {
            let name = signer.certificate.subject_name();
            let usage = signer.certificate.key_usage();
            if usage.is_some_and(|usage| !usage.crl_sign()) {
                failure = failure.or_else(|| Some(UnknownStatus::CrlSign(name.to_owned())));
                continue;
            }
            let key = (name, signer.spki);
            match verify(crl.signed(), key, self.verification, budget) {
                Ok(_algorithm) => return Ok(()),
                Err(fault) => {
                    let issuer = issuer();
                    failure = Some(UnknownStatus::Signature { issuer, fault });
                }
            }
        }
        Err(failure.unwrap_or_else(|| UnknownStatus::Absent(issuer())))
    }

    fn current(&self, crl: &Crl) -> Result<(), UnknownStatus> {
        let issuer = || crl.issuer_name().to_owned();
        let this_update = crl.this_update();
        if self.at < this_update {
            let issuer = issuer();
            return Err(UnknownStatus::NotYet {
                issuer,
                this_update,
            });
        }
        match crl.next_update() {
            None => Err(UnknownStatus::NoNextUpdate(issuer())),
            Some(next_update) if next_update < self.at => {
                let issuer = issuer();
                Err(UnknownStatus::Expired {
                    issuer,
                    next_update,
                })
            }
            Some(_) => Ok(()),
        }
    }
}

/// What one usable CRL says.
enum Consulted {
    Listed(Time, RevocationReason),
    /// Not listed, for these ReasonFlags.
    NotListed(u16),
}

/// For which reasons `crl` covers `certificate`; `None` when it does not (RFC 5280 §6.3.3 b, d).
fn covered_reasons(crl: &Crl, certificate: &Certificate) -> Option<u16> {
    let scope = crl.scope();
    let is_ca = certificate
        .basic_constraints()
        .is_some_and(|constraints| constraints.ca);
    if scope.only_attribute_certificates
        || scope.only_user_certificates && is_ca
        || scope.only_ca_certificates && !is_ca
    {
        return None;
    }
    let of_crl = scope.reasons.unwrap_or(ALL_REASONS) & ALL_REASONS;
    let Some(names) = &scope.distribution_point else {
        return Some(of_crl);
    };
    // A malformed extension covers nothing.
    let points = distribution_points(certificate).unwrap_or_default();
    let mut matching = points
        .iter()
        .filter(|point| point.names.iter().any(|name| names.contains(name)))
        .peekable();
    matching.peek()?;
    let of_points = matching.fold(0, |reasons, point| reasons | point.reasons);
    Some(of_crl & of_points)
}

/// One of the places where a certificate says that its CRLs are (RFC 5280 §4.2.1.13).
struct DistributionPoint {
    names: Vec<GeneralName>,
    reasons: u16,
}

/// Those whose CRLs the certificate's own issuer signs.
fn distribution_points(certificate: &Certificate) -> Result<Vec<DistributionPoint>, Asn1Error> {
    let Some(value) = &certificate.extensions().crl_distribution_points else {
        return Ok(Vec::new());
    };
    let mut points = Vec::new();
    for point in only(value, tag::SEQUENCE)?.reader() {
        let mut fields = point?.expect(tag::SEQUENCE)?.reader();
        let name = fields.optional(tag::context(0))?;
        let reasons = fields.optional(tag::context_primitive(1))?;
        let crl_issuer = fields.optional(tag::context(2))?;
        fields.finish()?;
        if let (Some(name), None) = (name, crl_issuer) {
            points.push(DistributionPoint {
                names: point_names(&name, certificate.issuer())?,
                reasons: match reasons {
                    Some(reasons) => named_bits(&reasons)?,
                    None => ALL_REASONS,
                },
            });
        }
    }
    Ok(points)
}
