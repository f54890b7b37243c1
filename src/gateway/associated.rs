//! What the SMIMEA records of an address say of one candidate (RFC 8162 §2, RFC 6698 §2.1).

use crate::gateway::search::Association;
use crate::gateway::search::Candidate;
use crate::gateway::search::Matching;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::x509::Certificate;

/// What a record says of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Associated {
    /// Its path must lead to one of these anchors: usage 2.
    Anchors(Vec<Certificate>),
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
    /// What the records say of `candidate`, each thing once: it is good where one of them holds (RFC 6698 appendix B), and
    /// the first asks for the least. Never empty.
    pub(super) fn of(candidate: &Candidate, associations: &[Association]) -> Vec<Self> {
        let by = |usage: Usage| associations.iter().filter(move |one| one.usage == usage);
        let itself = |one: &Association| one.matches(&candidate.certificate);
        if by(Usage::DomainIssuedCertificate).any(itself) {
            return vec![Self::Itself];
        }
        let mut said = Vec::new();
        let named = by(Usage::TrustAnchorAssertion).flat_map(|one| anchors(one, &candidate.chain));
        let named: Vec<Certificate> = named.take(MOST_ANCHORS).collect();
        if !named.is_empty() {
            said.push(Self::Anchors(named));
        }
        if by(Usage::ServiceCertificateConstraint).any(itself) {
            said.push(Self::Constrained);
        }
        if by(Usage::CaConstraint).next().is_some() {
            said.push(Self::Through);
        }
        if said.is_empty() {
            said.push(Self::No);
        }
        said
    }
}

/// The certificates that a record names as anchors: those that came along, and the one in it.
fn anchors(one: &Association, chain: &[Certificate]) -> impl Iterator<Item = Certificate> {
    let came = chain.iter().filter(|authority| one.matches(authority));
    let inside = match (one.selector, one.matching) {
        (Selector::Full, Matching::Exact) => Certificate::parse(&one.data).ok(),
        _ => None,
    };
    // One that came along is the same as the one in the record, where that holds it.
    let inside = inside.filter(|inside| !chain.contains(inside));
    came.cloned().chain(inside)
}

/// Anchors of one candidate that are tried: while a domain changes its CA there are two.
const MOST_ANCHORS: usize = 8;
