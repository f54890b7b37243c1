//! The verdict on a message: is it signed, by whom, and is that so.
//!
//! A pure function of what was found; [`judge`] is all there is. "Wrong" and "not known" are kept
//! apart to the end: only what is known to be wrong is invalid.

mod binding;
mod facts;
pub(in crate::domsec) mod faults;

use std::collections::HashSet;

use crate::domsec::originator::Role;
use crate::domsec::originator::SignedLayer;
use crate::domsec::originator::Speaker;
use crate::domsec::originator::speaker;

pub use facts::Facts;
pub use facts::From;
pub use facts::LayerFacts;
pub use facts::PathFacts;
pub use facts::SignatureFault;
pub use facts::SignerFacts;

use faults::Fault;

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
    for index in 0..facts.layers.len() {
        reasons.add(faults::of_layer(facts, index));
    }
    let (originator, speaker) = judge_originator(facts, &mut reasons);
    let covers = covers(facts);
    if covers == Covers::Part {
        let reason = "only a part of what is shown is signed";
        reasons.wrong.push(reason.to_owned());
    }
    let is_signed = is_signed(facts);
    if facts.closed && !is_signed {
        let reason = "no key opens the encrypted layer, whose inside may be signed";
        reasons.unknown.push(reason.to_owned());
    }
    let anything_signed = is_signed || facts.signed_parts;
    let layer_broken = facts.layers.iter().any(|layer| layer.error.is_some());
    let answer = match (reasons.wrong.is_empty(), reasons.unknown.is_empty()) {
        (false, _) if anything_signed || layer_broken => Answer::Invalid,
        (_, false) => Answer::Indeterminate,
        _ if anything_signed => Answer::Valid,
        _ => Answer::Unsigned,
    };
    Verdict {
        answer,
        reasons: reasons.each_once(),
        originator,
        speaker,
        covers,
        signers: signers(facts),
    }
}

/// Which layer speaks for the originator, and in which role: an index into `facts.layers`.
///
/// `None` when nobody does, when a layer that hides the rest did not verify, and when the layer
/// has no signers or nothing that it covers.
fn speaking(facts: &Facts) -> Option<(usize, Role)> {
    let Speaker::Layer { index, role } = find_speaker(facts) else {
        return None;
    };
    // A layer that could not be read has no signer who could speak, and a detached signature alone
    // has nothing that it could speak of.
    let layer = facts.layers.get(index)?;
    let speaks = !layer.signers.is_empty() && !layer.content_elsewhere;
    speaks.then_some((index, role))
}

/// In which role a signature speaks for From, by the names in its certificate.
///
/// Whether that signature is valid is not asked here.
pub(in crate::domsec) fn speaks_for_from(facts: &Facts) -> Option<Role> {
    let (index, role) = speaking(facts)?;
    let (binding, _) = binding::bind(facts.layers.get(index)?, role, &facts.from);
    (binding == Binding::Match).then_some(role)
}

fn find_speaker(facts: &Facts) -> Speaker {
    let search: Vec<SignedLayer> = facts.layers.iter().map(LayerFacts::as_searched).collect();
    speaker(&search)
}

/// Binds who speaks to From; gives the layer of the notation and the name of who does.
fn judge_originator(facts: &Facts, reasons: &mut Reasons) -> (Binding, Option<(usize, String)>) {
    if is_signed(facts) && find_speaker(facts) == Speaker::Nobody {
        let reason = "no signature speaks for the originator";
        reasons.unknown.push(reason.to_owned());
    }
    let speaking = speaking(facts);
    let found = speaking.and_then(|(index, role)| Some((facts.layers.get(index)?, role)));
    let Some((layer, role)) = found else {
        return (Binding::Absent, None);
    };
    let (binding, fault) = binding::bind(layer, role, &facts.from);
    reasons.add(fault);
    let name = binding::speaker_name(layer, role, facts.mailboxes());
    (binding, Some((layer.layer, name)))
}

/// Why a message is not valid, so far.
#[derive(Debug, Default)]
struct Reasons {
    wrong: Vec<String>,
    unknown: Vec<String>,
}

impl Reasons {
    fn add(&mut self, faults: impl IntoIterator<Item = Fault>) {
        for fault in faults {
            match fault {
                Fault::Unknown(reason) => self.unknown.push(reason),
                Fault::Wrong(reason) => self.wrong.push(reason),
            }
        }
    }

    /// What is wrong first. Signers that fail for one reason give it once.
    fn each_once(self) -> Vec<String> {
        let mut said = HashSet::new();
        let all = self.wrong.into_iter().chain(self.unknown);
        all.filter(|reason| said.insert(reason.clone())).collect()
    }
}

fn is_signed(facts: &Facts) -> bool {
    facts.layers.iter().any(|layer| !layer.signers.is_empty())
}

fn covers(facts: &Facts) -> Covers {
    let covers = |layer: &LayerFacts| !layer.signers.is_empty() && !layer.content_elsewhere;
    if facts.layers.iter().any(covers) {
        Covers::Whole
    } else if facts.signed_parts {
        Covers::Part
    } else {
        Covers::None
    }
}

fn signers(facts: &Facts) -> Vec<Vec<(Naming, bool)>> {
    let of_signer = |signer| {
        let binds = binding::binds(signer, facts.mailboxes());
        (faults::naming(signer, facts), binds)
    };
    let layers = facts.layers.iter();
    layers
        .map(|layer| layer.signers.iter().map(of_signer).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domsec::naming::Names;
    use crate::notation::SignatureType;

    fn signer(types: &[SignatureType], emails: &[&str], uris: &[&str]) -> SignerFacts {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let names = Names {
            emails: owned(emails),
            uris: owned(uris),
            may_protect_mail: true,
            ..Names::default()
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

    #[test]
    fn a_detached_signature_alone_covers_nothing_and_speaks_for_nobody() {
        let elsewhere = SignerFacts {
            signature: Err(SignatureFault::Unknown(
                "its content is not here".to_owned(),
            )),
            ..alice()
        };
        let bare = LayerFacts {
            content_elsewhere: true,
            ..layer(0, vec![elsewhere])
        };
        let facts = Facts {
            layers: vec![bare.clone()],
            from: from("alice@a.example"),
            ..Facts::default()
        };
        let verdict = judge(&facts);
        assert_eq!(verdict.answer, Answer::Indeterminate);
        assert_eq!(verdict.covers, Covers::None);
        assert_eq!(verdict.originator, Binding::Absent);
        assert_eq!(verdict.speaker, None);
        // A layer around it covers what there is: the signature.
        let around = Facts {
            layers: vec![layer(0, vec![domain_of_a()]), bare],
            ..facts
        };
        assert_eq!(judge(&around).covers, Covers::Whole);
        assert_eq!(judge(&around).originator, Binding::Match);
    }
}
