//! What the SMIMEA records of an address say of one candidate (RFC 8162 §2, RFC 6698 §2.1).

use crate::crypto::DigestAlgorithm;
use crate::crypto::Digests;
use crate::gateway::search::Association;
use crate::gateway::search::Candidate;
use crate::gateway::search::Matching;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::x509::Certificate;

/// What the records say of one candidate: of several that match the one that says most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Associated {
    /// It is the one: usage 3, in the place of a path.
    Itself,
    /// Its path must lead to this anchor: usage 2.
    Anchor(Box<Certificate>),
    /// It is the one, and its path must lead to an anchor of ours: usage 1.
    Constrained,
    /// Its path must lead to an anchor of ours, through a CA that a record matches: usage 0.
    Through,
    /// No record matches it.
    No,
}

impl Associated {
    pub(super) fn of(
        candidate: &Candidate,
        associations: &[Association],
        digests: &dyn Digests,
    ) -> Self {
        let by = |usage: Usage| associations.iter().filter(move |one| one.usage == usage);
        let itself = |one: &Association| matches(one, &candidate.certificate, digests);
        if by(Usage::DomainIssuedCertificate).any(itself) {
            return Self::Itself;
        }
        for one in by(Usage::TrustAnchorAssertion) {
            if let Some(anchor) = anchor(one, &candidate.chain, digests) {
                return Self::Anchor(Box::new(anchor));
            }
        }
        if by(Usage::ServiceCertificateConstraint).any(itself) {
            return Self::Constrained;
        }
        match by(Usage::CaConstraint).next() {
            Some(_) => Self::Through,
            None => Self::No,
        }
    }
}

/// Whether a record of usage 0 matches a CA of `path`, the target first.
pub(super) fn is_through(
    path: &[Certificate],
    associations: &[Association],
    digests: &dyn Digests,
) -> bool {
    let mut constraints = associations
        .iter()
        .filter(|one| one.usage == Usage::CaConstraint);
    constraints.any(|one| {
        let mut authorities = path.iter().skip(1);
        authorities.any(|authority| matches(one, authority, digests))
    })
}

/// The certificate that a record names as an anchor: the one in it, or one that came along.
fn anchor(one: &Association, chain: &[Certificate], digests: &dyn Digests) -> Option<Certificate> {
    let came = chain
        .iter()
        .find(|authority| matches(one, authority, digests));
    match (one.selector, one.matching) {
        (Selector::Full, Matching::Exact) => {
            came.cloned().or_else(|| Certificate::parse(&one.data).ok())
        }
        _ => came.cloned(),
    }
}

/// Whether the record matches `certificate` (RFC 6698 §2.1.2, §2.1.3).
fn matches(one: &Association, certificate: &Certificate, digests: &dyn Digests) -> bool {
    let selected = match one.selector {
        Selector::Full => certificate.der(),
        Selector::SubjectPublicKeyInfo => certificate.spki(),
    };
    let digest = |algorithm| {
        digests.start(algorithm).is_ok_and(|mut digest| {
            digest.update(selected);
            digest.finish() == one.data
        })
    };
    match one.matching {
        Matching::Exact => selected == one.data,
        Matching::Sha256 => digest(DigestAlgorithm::Sha256),
        Matching::Sha512 => digest(DigestAlgorithm::Sha512),
    }
}
