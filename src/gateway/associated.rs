//! What the SMIMEA records of an address say of one candidate (RFC 8162 §2, RFC 6698 §2.1).

use crate::gateway::search::Association;
use crate::gateway::search::Candidate;
use crate::gateway::search::Matching;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::x509::Certificate;

/// What the records say of one candidate: of several that match the one that says most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Associated {
    /// Its path must lead to this anchor: usage 2.
    Anchor(Box<Certificate>),
    /// It is the one, and its path must lead to an anchor of ours: usage 1.
    Constrained,
    /// It is the one: usage 3, in the place of a path.
    Itself,
    /// No record matches it.
    No,
    /// Its path must lead to an anchor of ours, through a CA that a record names: usage 0.
    Through,
}

impl Associated {
    pub(super) fn of(candidate: &Candidate, associations: &[Association]) -> Self {
        let by = |usage: Usage| associations.iter().filter(move |one| one.usage == usage);
        let itself = |one: &Association| one.matches(&candidate.certificate);
        if by(Usage::DomainIssuedCertificate).any(itself) {
            return Self::Itself;
        }
        for one in by(Usage::TrustAnchorAssertion) {
            if let Some(anchor) = anchor(one, &candidate.chain) {
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

/// The certificate that a record names as an anchor: one that came along, or the one in it.
fn anchor(one: &Association, chain: &[Certificate]) -> Option<Certificate> {
    let came = chain.iter().find(|authority| one.matches(authority));
    let inside = || match (one.selector, one.matching) {
        (Selector::Full, Matching::Exact) => Certificate::parse(&one.data).ok(),
        _ => None,
    };
    came.cloned().or_else(inside)
}
