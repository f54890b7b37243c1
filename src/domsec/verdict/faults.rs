//! What is wrong, or not known, about one signed layer: its signatures, paths, names, and whether it
//! encapsulates what it must (draft §2.6, §3.2).

use crate::domsec::naming::NamingError;
use crate::notation::SignatureType;

use super::Facts;
use super::From;
use super::LayerFacts;
use super::Naming;
use super::PathFacts;
use super::SignatureFault;
use super::SignerFacts;

/// Why a layer is not known to be right. "Wrong" and "not known" are never one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domsec) enum Fault {
    /// Nothing is wrong, and not all is known.
    Unknown(String),
    /// It is wrong.
    Wrong(String),
}

/// Everything that keeps the layer with that index from being right, naming included.
pub(in crate::domsec) fn of_layer(facts: &Facts, index: usize) -> Vec<Fault> {
    let Some(layer) = facts.layers.get(index) else {
        return Vec::new();
    };
    let mut faults = of_signatures(layer);
    let mut wrong = |reason: String| {
        faults.push(Fault::Wrong(format!("layer {}: {reason}", layer.layer)));
    };
    for signer in &layer.signers {
        if let Some(Err(error)) = check_naming(signer, facts) {
            wrong(error.to_string());
        }
    }
    if let Some(reason) = encapsulation(facts, index) {
        wrong(reason);
    }
    faults
}

/// What is wrong with the layer, its signatures and their paths, or not known of them.
pub(in crate::domsec) fn of_signatures(layer: &LayerFacts) -> Vec<Fault> {
    let at = |reason: &str| format!("layer {}: {reason}", layer.layer);
    let mut faults = Vec::new();
    faults.extend(layer.error.as_ref().map(|error| Fault::Wrong(at(error))));
    for signer in &layer.signers {
        match &signer.signature {
            Err(SignatureFault::Unknown(reason)) => faults.push(Fault::Unknown(at(reason))),
            Err(SignatureFault::Wrong(reason)) => faults.push(Fault::Wrong(at(reason))),
            Ok(()) => {}
        }
        match &signer.path {
            PathFacts::Indeterminate(reason) => faults.push(Fault::Unknown(at(reason))),
            PathFacts::Invalid(reason) => faults.push(Fault::Wrong(at(reason))),
            PathFacts::Valid => {}
        }
    }
    faults
}

/// Whether the signer adheres to the naming convention.
pub(super) fn naming(signer: &SignerFacts, facts: &Facts) -> Naming {
    match check_naming(signer, facts) {
        None => Naming::NotApplicable,
        Some(Ok(())) => Naming::Match,
        Some(Err(_)) => Naming::Mismatch,
    }
}

/// What must encapsulate a signature, be it empty, does (draft §3.2). An E that no key opens may
/// hold one.
fn encapsulation(facts: &Facts, index: usize) -> Option<String> {
    if facts.closed || facts.layers.len() > index + 1 {
        return None;
    }
    let layer = facts.layers.get(index)?;
    let mut types = layer.signers.iter().flat_map(|signer| &signer.types);
    let kind = types.find(|kind| kind.must_encapsulate())?;
    Some(format!(
        "the {kind} signature encapsulates no other signature, as it must"
    ))
}

/// Checks the convention for the types that have one; with no From, a domain's certificate need
/// only name some domain.
fn check_naming(signer: &SignerFacts, facts: &Facts) -> Option<Result<(), NamingError>> {
    let names = signer.names.as_ref()?;
    let mailboxes = facts.mailboxes();
    let waived = facts.from == From::Absent;
    if signer.is(SignatureType::Domain) {
        Some(if waived {
            names.check_agent(SignatureType::Domain)
        } else {
            names.check_domain(mailboxes)
        })
    } else if signer.is(SignatureType::Delegated) {
        Some(match (waived, names.are_delegated()) {
            (false, _) => names.check_delegated(mailboxes),
            (true, true) => Ok(()),
            (true, false) => Err(NamingError::NoDomain),
        })
    } else {
        // Of these the draft asks for some domain's name, not for the originator's (§2.6).
        let other = [SignatureType::Review, SignatureType::AdditionalAttributes];
        let kind = other.into_iter().find(|kind| signer.is(*kind))?;
        Some(names.check_agent(kind))
    }
}
