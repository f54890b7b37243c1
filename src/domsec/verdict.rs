//! The verdict on a message: is it signed, by whom, and is that so.
//!
//! A pure function of what was found; [`judge`] is all there is. "Wrong" and "not known" are kept
//! apart to the end: only what is known to be wrong is invalid.

use std::collections::HashSet;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::domsec::naming::Names;
use crate::domsec::naming::NamingError;
use crate::domsec::originator::Role;
use crate::domsec::originator::SignedLayer;
use crate::domsec::originator::Speaker;
use crate::domsec::originator::speaker;
use crate::notation::SignatureType;

/// What was found in a message.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The signed layers around the whole content, outermost first.
    pub layers: Vec<LayerFacts>,
    /// Whether an E that no key opened ends the layers: what is inside is not known.
    pub closed: bool,
    /// Whether S/MIME with signers stands in parts of the content, beside what nobody signed.
    pub signed_parts: bool,
    /// Defects of structure, each of which makes a reader see something other than what was signed.
    pub defects: Vec<String>,
    /// Who the message says that it is from.
    pub from: From,
}

/// One signed layer.
#[derive(Clone, Debug, Default)]
pub struct LayerFacts {
    /// Which layer of the notation it is; 0 is the outermost.
    pub layer: usize,
    /// Whether an mlExpansionHistory is there.
    pub ml: bool,
    /// What is wrong with the layer as a whole.
    pub error: Option<String>,
    /// Its signers; none in the empty signature.
    pub signers: Vec<SignerFacts>,
}

/// One signer.
#[derive(Clone, Debug)]
pub struct SignerFacts {
    /// Whether digest, attributes and signature are right; else why not.
    pub signature: Result<(), SignatureFault>,
    /// Whether the certificate's path is valid.
    pub path: PathFacts,
    /// Signature types, as far as they could be read.
    pub types: Vec<SignatureType>,
    /// The names in the certificate; `None` when it was not found.
    pub names: Option<Names>,
}

/// Why a signature is not known to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// The signer's certificate or the content is not at hand.
    Unknown(String),
    /// It does not hold.
    Wrong(String),
}

impl SignatureFault {
    /// The reason, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Unknown(reason) | Self::Wrong(reason) => reason,
        }
    }
}

/// What is known of a certificate's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFacts {
    /// Something is missing: an issuer, a certificate, revocation.
    Indeterminate(String),
    /// It is wrong.
    Invalid(String),
    /// It leads to an anchor, and nothing is wrong with it.
    Valid,
}

/// Who the message says that it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// No From, and none was given: binding is waived.
    #[default]
    Absent,
    /// Readers would differ about it; why.
    Ambiguous(String),
    /// From: one address, seldom several.
    Mailboxes(Vec<Mailbox>),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing is wrong, and not all is known.
    Indeterminate,
    /// Something is wrong.
    Invalid,
    /// Nobody signed.
    Unsigned,
    /// All is right.
    Valid,
}

/// Whether the signature that speaks for the originator is bound to From.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// There is no From, or nobody speaks for it.
    Absent,
    /// It is bound.
    Match,
    /// It is somebody else's.
    Mismatch,
}

/// How much of what a reader is shown is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// Nothing.
    None,
    /// A part.
    Part,
    /// All.
    Whole,
}

/// Whether a certificate adheres to the naming convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It does.
    Match,
    /// It does not: the message is flagged (draft §2.6).
    Mismatch,
    /// The convention is not for this type of signature.
    NotApplicable,
}

/// The verdict on a message.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// Why it is not `Valid`, for people: what is wrong first, then what is not known.
    pub reasons: Vec<String>,
    /// Whether the message is the originator's.
    pub originator: Binding,
    /// Index of the layer and name of who speaks for the originator.
    pub speaker: Option<(usize, String)>,
    /// How much is signed.
    pub covers: Covers,
    /// For each signer of each layer: its naming, and whether it binds the message to From.
    pub signers: Vec<Vec<(Naming, bool)>>,
}

/// Judges `facts`.
#[must_use]
pub fn judge(facts: &Facts) -> Verdict {
    let mut reasons = Reasons::default();
    reasons.wrong.extend(facts.defects.iter().cloned());
    let mailboxes = match &facts.from {
        From::Mailboxes(mailboxes) => mailboxes.as_slice(),
        From::Absent | From::Ambiguous(_) => &[],
    };
    for (index, layer) in facts.layers.iter().enumerate() {
        reasons.of_layer(layer);
        reasons.of_encapsulation(facts, index);
    }
    let signers = naming_of_all(facts, mailboxes, &mut reasons);
    let is_signed = facts.layers.iter().any(|layer| !layer.signers.is_empty());
    let search: Vec<SignedLayer> = facts.layers.iter().map(search_view).collect();
    let mut verdict = Verdict {
        answer: Answer::Unsigned,
        reasons: Vec::new(),
        originator: Binding::Absent,
        speaker: None,
        covers: covers(facts, is_signed),
        signers,
    };
    match speaker(&search) {
        Speaker::Layer { index, role } => {
            // A layer that could not be read has no signer who could speak.
            let layer = facts.layers.get(index);
            if let Some(layer) = layer.filter(|layer| !layer.signers.is_empty()) {
                verdict.originator = bind(layer, role, &facts.from, &mut reasons);
                verdict.speaker = Some((layer.layer, speaker_name(layer, role, mailboxes)));
            }
        }
        Speaker::Nobody if is_signed => {
            reasons
                .unknown
                .push("no signature speaks for the originator".to_owned());
        }
        Speaker::Hidden { .. } | Speaker::Nobody => {}
    }
    if verdict.covers == Covers::Part {
        reasons
            .wrong
            .push("only a part of what is shown is signed".to_owned());
    }
    if facts.closed && !is_signed {
        reasons
            .unknown
            .push("no key opens the encrypted layer, whose inside may be signed".to_owned());
    }
    let anything_signed = is_signed || facts.signed_parts;
    let layer_broken = facts.layers.iter().any(|layer| layer.error.is_some());
    verdict.answer = match (reasons.wrong.is_empty(), reasons.unknown.is_empty()) {
        (false, _) if anything_signed || layer_broken => Answer::Invalid,
        (_, false) => Answer::Indeterminate,
        _ if anything_signed => Answer::Valid,
        _ => Answer::Unsigned,
    };
    // Signers that fail for one reason give it once.
    let mut said = HashSet::new();
    let reasons = reasons.wrong.into_iter().chain(reasons.unknown);
    verdict.reasons = reasons
        .filter(|reason| said.insert(reason.clone()))
        .collect();
    verdict
}

#[derive(Debug, Default)]
struct Reasons {
    wrong: Vec<String>,
    unknown: Vec<String>,
}

impl Reasons {
    fn of_layer(&mut self, layer: &LayerFacts) {
        let at = layer.layer;
        if let Some(error) = &layer.error {
            self.wrong.push(format!("layer {at}: {error}"));
        }
        for signer in &layer.signers {
            match &signer.signature {
                Err(SignatureFault::Unknown(reason)) => {
                    self.unknown.push(format!("layer {at}: {reason}"));
                }
                Err(SignatureFault::Wrong(reason)) => {
                    self.wrong.push(format!("layer {at}: {reason}"));
                }
                Ok(()) => {}
            }
            match &signer.path {
                PathFacts::Indeterminate(reason) => {
                    self.unknown.push(format!("layer {at}: {reason}"));
                }
                PathFacts::Invalid(reason) => self.wrong.push(format!("layer {at}: {reason}")),
                PathFacts::Valid => {}
            }
        }
    }

    /// What must encapsulate a signature, be it empty, does (draft §3.2). An E that no key opens
    /// may hold one.
    fn of_encapsulation(&mut self, facts: &Facts, index: usize) {
        let Some(layer) = facts.layers.get(index) else {
            return;
        };
        if facts.closed || facts.layers.len() > index + 1 {
            return;
        }
        let types = layer.signers.iter().flat_map(|signer| &signer.types);
        if let Some(kind) = types.into_iter().find(|kind| kind.must_encapsulate()) {
            let (at, kind) = (layer.layer, kind.as_str());
            self.wrong.push(format!(
                "layer {at}: the {kind} signature encapsulates no other signature, as it must"
            ));
        }
    }
}

fn search_view(layer: &LayerFacts) -> SignedLayer {
    let verified =
        |signer: &SignerFacts| signer.signature.is_ok() && signer.path == PathFacts::Valid;
    SignedLayer {
        types: layer
            .signers
            .first()
            .map(|signer| signer.types.clone())
            .unwrap_or_default(),
        ml: layer.ml,
        empty: layer.signers.is_empty() && layer.error.is_none(),
        verified: layer.error.is_none() && layer.signers.iter().all(verified),
    }
}

fn covers(facts: &Facts, is_signed: bool) -> Covers {
    if is_signed {
        Covers::Whole
    } else if facts.signed_parts {
        Covers::Part
    } else {
        Covers::None
    }
}

fn naming_of_all(
    facts: &Facts,
    mailboxes: &[Mailbox],
    reasons: &mut Reasons,
) -> Vec<Vec<(Naming, bool)>> {
    let mut all = Vec::with_capacity(facts.layers.len());
    for layer in &facts.layers {
        let mut of_layer = Vec::with_capacity(layer.signers.len());
        for signer in &layer.signers {
            let naming = match check_naming(signer, &facts.from, mailboxes) {
                None => Naming::NotApplicable,
                Some(Ok(())) => Naming::Match,
                Some(Err(error)) => {
                    reasons
                        .wrong
                        .push(format!("layer {}: {error}", layer.layer));
                    Naming::Mismatch
                }
            };
            of_layer.push((naming, binds(signer, mailboxes)));
        }
        all.push(of_layer);
    }
    all
}

/// Checks the convention for the types that have one; with no From, a domain's certificate need
/// only name some domain.
fn check_naming(
    signer: &SignerFacts,
    from: &From,
    mailboxes: &[Mailbox],
) -> Option<Result<(), NamingError>> {
    let names = signer.names.as_ref()?;
    let is = |kind| signer.types.contains(&kind);
    let waived = *from == From::Absent;
    if is(SignatureType::Domain) {
        Some(if waived {
            names.check_agent()
        } else {
            names.check_domain(mailboxes)
        })
    } else if is(SignatureType::Delegated) {
        let delegated = if names.are_delegated() {
            Ok(())
        } else {
            Err(NamingError::NoDomain)
        };
        Some(if waived {
            delegated
        } else {
            names.check_delegated(mailboxes)
        })
    } else if is(SignatureType::Review) || is(SignatureType::AdditionalAttributes) {
        Some(names.check_agent())
    } else {
        None
    }
}

/// Whether this signature could speak for From, by its type and the names of its certificate.
fn binds(signer: &SignerFacts, mailboxes: &[Mailbox]) -> bool {
    let Some(names) = &signer.names else {
        return false;
    };
    let never = [SignatureType::Review, SignatureType::AdditionalAttributes];
    let checked = if signer.types.contains(&SignatureType::Domain) {
        names.check_domain(mailboxes)
    } else if signer.types.contains(&SignatureType::Delegated) {
        names.check_delegated(mailboxes)
    } else if signer.types.iter().any(|kind| never.contains(kind)) {
        return false;
    } else {
        names.check_address(mailboxes)
    };
    checked.is_ok()
}

/// Binds the layer that speaks to From. Naming errors of domain and delegated signatures have been
/// reported already.
fn bind(layer: &LayerFacts, role: Role, from: &From, reasons: &mut Reasons) -> Binding {
    let mailboxes = match from {
        From::Absent => return Binding::Absent,
        From::Ambiguous(reason) => {
            reasons.wrong.push(reason.clone());
            return Binding::Mismatch;
        }
        From::Mailboxes(mailboxes) => mailboxes,
    };
    for signer in &layer.signers {
        let Some(names) = &signer.names else {
            return Binding::Mismatch;
        };
        let checked = match role {
            Role::Delegated => names.check_delegated(mailboxes).map_err(|_| None),
            Role::Domain => names.check_domain(mailboxes).map_err(|_| None),
            Role::Originator => names.check_address(mailboxes).map_err(Some),
        };
        if let Err(error) = checked {
            reasons
                .wrong
                .extend(error.map(|error| format!("layer {}: {error}", layer.layer)));
            return Binding::Mismatch;
        }
    }
    Binding::Match
}

/// The name that matches From, or the first that the signer has.
fn speaker_name(layer: &LayerFacts, role: Role, mailboxes: &[Mailbox]) -> String {
    let names = layer
        .signers
        .first()
        .and_then(|signer| signer.names.as_ref());
    let name = names.and_then(|names| match role {
        Role::Domain => {
            let domains = names.domains();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(types: &[SignatureType], emails: &[&str], uris: &[&str]) -> SignerFacts {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let names = Names {
            emails: owned(emails),
            uris: owned(uris),
            dns: Vec::new(),
            subject_emails: Vec::new(),
            may_protect_mail: true,
        };
        SignerFacts {
            signature: Ok(()),
            path: PathFacts::Valid,
            types: types.to_vec(),
            names: Some(names),
        }
    }

    fn layer(layer: usize, signers: Vec<SignerFacts>) -> LayerFacts {
        LayerFacts {
            layer,
            signers,
            ..LayerFacts::default()
        }
    }

    fn from(address: &str) -> From {
        From::Mailboxes(vec![address.parse().unwrap()])
    }

    fn alice() -> SignerFacts {
        signer(&[], &["alice@a.example"], &[])
    }

    fn domain_of_a() -> SignerFacts {
        signer(&[SignatureType::Domain], &[], &["smtp://a.example"])
    }

    fn signed_by(signers: Vec<SignerFacts>) -> Facts {
        Facts {
            layers: vec![layer(0, signers)],
            from: from("alice@a.example"),
            ..Facts::default()
        }
    }

    #[test]
    fn a_signature_by_from_is_valid() {
        let verdict = judge(&signed_by(vec![alice()]));
        assert_eq!(
            (verdict.answer, verdict.originator),
            (Answer::Valid, Binding::Match)
        );
        assert_eq!(verdict.covers, Covers::Whole);
        assert!(verdict.reasons.is_empty(), "{:?}", verdict.reasons);
    }

    #[test]
    fn somebody_elses_valid_signature_is_invalid() {
        let facts = Facts {
            from: from("ceo@a.example"),
            ..signed_by(vec![alice()])
        };
        let verdict = judge(&facts);
        assert_eq!(
            (verdict.answer, verdict.originator),
            (Answer::Invalid, Binding::Mismatch)
        );
    }

    #[test]
    fn without_from_binding_is_waived() {
        let verdict = judge(&Facts {
            from: From::Absent,
            ..signed_by(vec![alice()])
        });
        assert_eq!(
            (verdict.answer, verdict.originator),
            (Answer::Valid, Binding::Absent)
        );
    }

    #[test]
    fn one_bad_signer_among_several_spoils_the_message() {
        let bad = SignerFacts {
            signature: Err(SignatureFault::Wrong("changed".to_owned())),
            ..alice()
        };
        assert_eq!(
            judge(&signed_by(vec![alice(), bad])).answer,
            Answer::Invalid
        );
    }

    #[test]
    fn what_cannot_be_verified_for_want_of_something_is_not_known() {
        let missing = SignerFacts {
            signature: Err(SignatureFault::Unknown("no certificate".to_owned())),
            path: PathFacts::Indeterminate("no certificate".to_owned()),
            ..alice()
        };
        let verdict = judge(&signed_by(vec![missing.clone(), missing]));
        assert_eq!(verdict.answer, Answer::Indeterminate);
        assert_eq!(verdict.reasons, ["layer 0: no certificate"]);
    }

    #[test]
    fn a_missing_issuer_is_not_known_and_nothing_is_wrong() {
        let unknown = SignerFacts {
            path: PathFacts::Indeterminate("no issuer".to_owned()),
            ..alice()
        };
        assert_eq!(
            judge(&signed_by(vec![unknown])).answer,
            Answer::Indeterminate
        );
    }

    #[test]
    fn the_empty_signature_signs_nothing() {
        assert_eq!(judge(&signed_by(Vec::new())).answer, Answer::Unsigned);
    }

    #[test]
    fn a_domain_signature_over_the_empty_one_is_valid() {
        let layers = vec![layer(0, vec![domain_of_a()]), layer(1, Vec::new())];
        let facts = Facts {
            layers,
            from: from("alice@a.example"),
            ..Facts::default()
        };
        let verdict = judge(&facts);
        assert_eq!(verdict.answer, Answer::Valid, "{:?}", verdict.reasons);
        assert_eq!(verdict.signers[0], [(Naming::Match, true)]);
        assert_eq!(verdict.speaker, Some((0, "a.example".to_owned())));
    }

    #[test]
    fn a_domain_signature_that_encapsulates_nothing_breaks_section_3_2() {
        assert_eq!(
            judge(&signed_by(vec![domain_of_a()])).answer,
            Answer::Invalid
        );
    }

    #[test]
    fn a_domain_signature_of_another_domain_is_flagged() {
        let layers = vec![layer(0, vec![domain_of_a()]), layer(1, Vec::new())];
        let facts = Facts {
            layers,
            from: from("bob@b.example"),
            ..Facts::default()
        };
        let verdict = judge(&facts);
        assert_eq!(
            (verdict.answer, verdict.signers[0][0].0),
            (Answer::Invalid, Naming::Mismatch)
        );
    }

    #[test]
    fn a_review_alone_does_not_speak_for_anyone() {
        let review = signer(&[SignatureType::Review], &[], &["smtp://guard.example"]);
        let layers = vec![layer(0, vec![review]), layer(1, Vec::new())];
        let facts = Facts {
            layers,
            from: from("alice@a.example"),
            ..Facts::default()
        };
        assert_eq!(judge(&facts).answer, Answer::Indeterminate);
    }

    #[test]
    fn a_signed_part_beside_unsigned_text_is_invalid() {
        let facts = Facts {
            signed_parts: true,
            from: from("alice@a.example"),
            ..Facts::default()
        };
        let verdict = judge(&facts);
        assert_eq!(
            (verdict.answer, verdict.covers),
            (Answer::Invalid, Covers::Part)
        );
    }

    #[test]
    fn what_no_key_opens_is_not_known() {
        let facts = Facts {
            closed: true,
            ..Facts::default()
        };
        assert_eq!(judge(&facts).answer, Answer::Indeterminate);
    }
}
