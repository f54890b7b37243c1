//! Whether the signature that speaks for the originator is From's, and by which name.

use crate::address::Domain;
use crate::address::Mailbox;
use crate::domsec::naming::Authority;
use crate::domsec::originator::Role;
use crate::notation::SignatureType;

use super::Binding;
use super::From;
use super::LayerFacts;
use super::SignerFacts;
use super::faults::Fault;

/// Whether this signature could speak for From, by its type and the names of its certificate.
pub(super) fn binds(signer: &SignerFacts, mailboxes: &[Mailbox]) -> bool {
    let Some(names) = &signer.names else {
        return false;
    };
    let never = [SignatureType::Review, SignatureType::AdditionalAttributes];
    let checked = if signer.is(SignatureType::Domain) {
        names.check_domain(mailboxes)
    } else if signer.is(SignatureType::Delegated) {
        names.check_delegated(mailboxes)
    } else if signer.types.iter().any(|kind| never.contains(kind)) {
        return false;
    } else {
        names.check_address(mailboxes)
    };
    checked.is_ok()
}

/// Binds the layer that speaks to From. Naming errors of domain and delegated signatures are faults of
/// their layer already.
pub(super) fn bind(layer: &LayerFacts, role: Role, from: &From) -> (Binding, Option<Fault>) {
    let mailboxes = match from {
        From::Absent => return (Binding::Absent, None),
        From::Ambiguous(reason) => {
            return (Binding::Mismatch, Some(Fault::Wrong(reason.clone())));
        }
        From::Mailboxes(mailboxes) => mailboxes,
    };
    for signer in &layer.signers {
        let Some(names) = &signer.names else {
            return (Binding::Mismatch, None);
        };
        let checked = match role {
            Role::Delegated => names.check_delegated(mailboxes).map_err(|_| None),
            Role::Domain => names.check_domain(mailboxes).map_err(|_| None),
            Role::Originator => names.check_address(mailboxes).map_err(Some),
        };
        if let Err(error) = checked {
            let fault = error.map(|error| format!("layer {}: {error}", layer.layer));
            return (Binding::Mismatch, fault.map(Fault::Wrong));
        }
    }
    (Binding::Match, None)
}

/// The name that matches From, or the first that the signer has.
pub(super) fn speaker_name(layer: &LayerFacts, role: Role, mailboxes: &[Mailbox]) -> String {
    let names = layer
        .signers
        .first()
        .and_then(|signer| signer.names.as_ref());
    let name = names.and_then(|names| match role {
        Role::Domain => {
            let domains = names.domains(Authority::Signing);
            let above = |domain: &&Domain| {
                mailboxes
                    .iter()
                    .any(|mailbox| mailbox.domain().is_or_is_under(domain))
            };
            domains
                .iter()
                .find(above)
                .or(domains.first())
                .map(ToString::to_string)
        }
        Role::Delegated | Role::Originator => {
            let is_from = |email: &&String| {
                email
                    .parse::<Mailbox>()
                    .is_ok_and(|email| mailboxes.contains(&email))
            };
            names
                .emails
                .iter()
                .find(is_from)
                .or(names.emails.first())
                .cloned()
        }
    });
    name.unwrap_or_default()
}
