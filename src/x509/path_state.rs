//! A path while it is walked down from an anchor: the state variables of RFC 5280 §6.1.2, without
//! the policy tree.

use super::certificate::Certificate;
use super::extensions::NameConstraints;
use super::name_constraints::NameFault;
use super::path::PathFault;
use super::path::PathRequest;
use super::path::PathWarning;
use super::path::Purpose;
use super::path::described;
use super::path::inherit;
use super::purpose::allows_mail;
use super::signature::SignatureFault;
use super::signature::Signed;
use super::signature::verify;
use crate::crypto::SignatureVerification;
use crate::limits::Budget;

/// A path from an anchor downwards, good so far.
#[derive(Clone)]
pub(super) struct State<'a> {
    pub(super) links: Vec<Link<'a>>,
    pub(super) constraints: Vec<&'a NameConstraints>,
    /// max_path_length; `None` is no bound.
    path_length: Option<u32>,
    /// explicit_policy; `None` is never.
    explicit_policy: Option<u32>,
    pub(super) warnings: Vec<PathWarning>,
}

#[derive(Clone)]
pub(super) struct Link<'a> {
    pub(super) certificate: &'a Certificate,
    /// The working public key with its parameters.
    pub(super) spki: Vec<u8>,
}

impl<'a> State<'a> {
    pub(super) fn new(top: &'a Certificate, request: &PathRequest<'_>) -> Self {
        let explicit = request.policies.explicit;
        Self {
            links: vec![Link {
                certificate: top,
                spki: top.spki().to_vec(),
            }],
            constraints: Vec::new(),
            path_length: None,
            explicit_policy: explicit.then_some(0),
            warnings: Vec::new(),
        }
    }

    /// Whether the certificate, or another of the same name and key, is in the path (RFC 4158 §2.4.2).
    pub(super) fn contains(&self, certificate: &Certificate) -> bool {
        self.links.iter().any(|link| {
            link.certificate.spki() == certificate.spki()
                && link.certificate.folded_subject() == certificate.folded_subject()
        })
    }

    /// Adds `child` when the last certificate's key signed it (RFC 5280 §6.1.3 a 1).
    pub(super) fn verify(
        &mut self,
        child: &'a Certificate,
        verification: &dyn SignatureVerification,
        budget: &mut Budget,
    ) -> Result<(), PathFault> {
        let Some(issuer) = self.links.last() else {
            return Err(PathFault::NotAnchored);
        };
        if !child.signature_algorithms_agree() {
            return Err(SignatureFault::AlgorithmMismatch.into());
        }
        let signed = Signed {
            octets: child.tbs(),
            algorithm: child.signature_algorithm(),
            signature: child.signature(),
        };
        let key = (issuer.certificate.subject_name(), issuer.spki.as_slice());
        let algorithm = verify(signed, key, verification, budget)?;
        let spki = inherit(child.spki(), &issuer.spki);
        if algorithm.is_weak() {
            self.warnings.push(PathWarning::WeakSignature {
                certificate: described(child),
                algorithm,
            });
        }
        self.links.push(Link {
            certificate: child,
            spki,
        });
        Ok(())
    }

    /// Lets the last certificate issue the next (RFC 5280 §6.1.4).
    pub(super) fn prepare(&mut self, purpose: Purpose) -> Result<(), PathFault> {
        let is_anchor = self.links.len() == 1;
        let Some(Link { certificate, .. }) = self.links.last() else {
            return Err(PathFault::NotAnchored);
        };
        let certificate = *certificate;
        if certificate.extensions().policies.maps_any_policy {
            return Err(PathFault::PolicyMapping);
        }
        let constraints = certificate.basic_constraints();
        // Roots of version 1 have no extensions; the officer says that they are CAs.
        let may_lack = is_anchor && certificate.version() < 3;
        if !constraints.map_or(may_lack, |constraints| constraints.ca) {
            return Err(PathFault::BasicConstraints);
        }
        let usage = certificate.key_usage();
        if usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(PathFault::KeyUsage);
        }
        if purpose == Purpose::Smime {
            allows_mail(certificate)?;
        }
        if let Some(names) = &certificate.extensions().name_constraints {
            if names.has_distances {
                return Err(NameFault::Distances.into());
            }
            self.constraints.push(names);
        }
        if !certificate.is_self_issued() {
            self.path_length = match self.path_length {
                Some(0) => return Err(PathFault::PathLength),
                length => length.map(|length| length - 1),
            };
            self.explicit_policy = self.explicit_policy.map(|skip| skip.saturating_sub(1));
        }
        let own_length = constraints.and_then(|constraints| constraints.path_length);
        self.path_length = least(self.path_length, own_length);
        let own_skip = certificate.extensions().policies.require_explicit;
        self.explicit_policy = least(self.explicit_policy, own_skip);
        Ok(())
    }

    /// Ends the path at its last certificate (RFC 5280 §6.1.5).
    pub(super) fn finish(&self) -> Result<(), PathFault> {
        let target = self.links.last().map(|link| link.certificate);
        let own = target.and_then(|target| target.extensions().policies.require_explicit);
        let skip = self.explicit_policy.map(|skip| skip.saturating_sub(1));
        if skip == Some(0) || own == Some(0) {
            return Err(PathFault::PolicyRequired);
        }
        Ok(())
    }
}

/// The smaller of two bounds, where `None` is none.
fn least(left: Option<u32>, right: Option<u32>) -> Option<u32> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}
