//! The conditions before a domain or delegated signature (draft §3.3, §3.7; DESIGN, decision 7).
//!
//! The originator is authentic, and every signature that is present is valid, those inside
//! encryption included. What is not known does not satisfy. The proof is a value, [`MaySign`].

use std::fmt;

use crate::address::Mailbox;
use crate::domsec::naming::Names;
use crate::domsec::naming::NamingError;
use crate::domsec::originator::Role;
use crate::domsec::verdict;
use crate::domsec::verdict::Facts;
use crate::domsec::verdict::From;
use crate::domsec::verdict::LayerFacts;
use crate::domsec::verdict::faults;
use crate::domsec::verdict::faults::Fault;
use crate::notation::SignatureType;

/// What a message and its session bring to show who the originator is.
///
/// The originator is From (draft §2.6). MAIL FROM is no part of it: a report from the null sender
/// has an originator like other mail, and one without From has none.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What was found around the whole content, and From.
    pub facts: &'a Facts,
    /// The signed layers in parts of the content, in any order.
    pub parts: &'a [LayerFacts],
    /// Whether a part has an E that no key opens.
    pub closed_part: bool,
    /// Whom the session has authenticated; empty when nobody.
    pub session: &'a [Authenticated],
}

/// Somebody whom the session has authenticated, in one of its ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// In which way.
    pub means: Means,
    /// The addresses of From that are theirs to use.
    pub may_use: Vec<Mailbox>,
}

/// A mechanism external to S/MIME that authenticates an originator (draft §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The certificate of the client in TLS.
    ClientCertificate,
    /// SMTP AUTH.
    Login,
    /// The address of the client, or an authenticated link.
    TrustedNetwork,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCertificate => "client certificate",
            Self::Login => "login",
            Self::TrustedNetwork => "trusted network",
        })
    }
}

/// How the originator's authenticity was established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticity {
    /// By the session.
    Session(Means),
    /// By a valid signature that speaks for From.
    Signature(Role),
}

/// The proof that a domain or delegated signature may be made (draft §3.3, §3.7).
///
/// Only [`authenticity`] makes one, and it holds for the message that it was asked about alone.
#[derive(Debug)]
#[must_use]
pub struct MaySign {
    originators: Vec<Mailbox>,
    by: Authenticity,
}

impl MaySign {
    /// Who the originators are: From, each of them authentic.
    #[must_use]
    pub fn originators(&self) -> &[Mailbox] {
        &self.originators
    }

    /// How that was established.
    #[must_use]
    pub const fn by(&self) -> Authenticity {
        self.by
    }

    /// Checks the names of the certificate with which a signature of type `kind` is to be made.
    ///
    /// It MUST follow the naming convention (draft §3.3 to §3.5, §3.7): our certificate is none for
    /// a From of another domain, however authentic that is.
    pub fn check_certificate(&self, kind: SignatureType, names: &Names) -> Result<(), NamingError> {
        match kind {
            SignatureType::Domain => names.check_domain(&self.originators),
            SignatureType::Delegated => names.check_delegated(&self.originators),
            SignatureType::Originator => names.check_address(&self.originators),
            SignatureType::AdditionalAttributes | SignatureType::Review => names.check_agent(kind),
        }
    }
}

/// Why a domain or delegated signature must not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyNot {
    /// Readers would differ about who From is; why.
    #[error("the originator is in doubt: {0}")]
    AmbiguousFrom(String),
    /// DESIGN, decision 7.
    #[error("an encrypted layer that no key of ours opens may hold what could not be checked")]
    Closed,
    /// DESIGN, decision 7: at any depth.
    #[error(
        "a part is encrypted, no key of ours opens it, and it may hold what could not be checked"
    )]
    ClosedPart,
    /// A signature that is present is wrong.
    #[error("a signature in the message is not valid: {0}")]
    Invalid(String),
    /// There is no From.
    #[error("the message has no From, and so no originator who could be authentic")]
    NoFrom,
    /// The session's client is somebody, but not who From says.
    #[error("the {means} of the session may not use {address} as From")]
    NotAllowed {
        /// How the client was authenticated.
        means: Means,
        /// The address that is not theirs.
        address: String,
    },
    /// Nothing authenticates anybody.
    #[error(
        "nothing shows that {0} sent it: no valid signature of that address, no login, no client \
         certificate and no trusted network"
    )]
    NotAuthenticated(String),
    /// Nothing is wrong with the signatures that are present, and not all is known of them. The
    /// same message may do later.
    #[error("a signature in the message could not be checked: {0}")]
    Unknown(String),
}

/// Whether a domain or delegated signature may be made over a message.
///
/// Fails where the originator is not authentic, or a signature that is present is not known to be
/// valid: then it "MUST NOT be generated" (draft §3.3, §3.7).
pub fn authenticity(evidence: &Evidence<'_>) -> Result<MaySign, WhyNot> {
    let facts = evidence.facts;
    let originators = match &facts.from {
        From::Mailboxes(mailboxes) if !mailboxes.is_empty() => mailboxes.clone(),
        From::Ambiguous(reason) => return Err(WhyNot::AmbiguousFrom(reason.clone())),
        From::Absent | From::Mailboxes(_) => return Err(WhyNot::NoFrom),
    };
    if facts.closed {
        return Err(WhyNot::Closed);
    }
    if evidence.closed_part {
        return Err(WhyNot::ClosedPart);
    }
    check_signatures(evidence)?;
    let by = match verdict::speaks_for_from(facts) {
        Some(role) => Authenticity::Signature(role),
        None => Authenticity::Session(session_means(evidence.session, &originators)?),
    };
    Ok(MaySign { originators, by })
}

/// "All the signatures present are valid, including those that have been encrypted" (draft §3.3),
/// down to a valid domain signature: beneath it "it would not be necessary to validate any further
/// signedData objects" (draft §5.1), whose signer has done so (draft §3.3).
fn check_signatures(evidence: &Evidence<'_>) -> Result<(), WhyNot> {
    let facts = evidence.facts;
    let mut unknown = None;
    let mut vouched_for = false;
    for (index, layer) in facts.layers.iter().enumerate() {
        let found = faults::of_layer(facts, index);
        let is_domain = layer
            .signers
            .iter()
            .any(|one| one.is(SignatureType::Domain));
        vouched_for = is_domain && found.is_empty();
        unknown = unknown.or(first_unknown(found)?);
        if vouched_for {
            break;
        }
    }
    // Defects of structure let a reader see something other than what was signed, if it was.
    let is_signed = facts.layers.iter().any(|layer| !layer.signers.is_empty());
    if let (true, Some(defect)) = (is_signed, facts.defects.first()) {
        return Err(WhyNot::Invalid(defect.clone()));
    }
    if !vouched_for {
        for part in evidence.parts {
            // A part has an originator of its own, with whom no name here can be compared.
            unknown = unknown.or(first_unknown(faults::of_signatures(part))?);
        }
    }
    unknown.map_or(Ok(()), |reason| Err(WhyNot::Unknown(reason)))
}

/// What is not known, the first of it; what is wrong is an error at once.
fn first_unknown(found: Vec<Fault>) -> Result<Option<String>, WhyNot> {
    let mut unknown = None;
    for fault in found {
        match fault {
            Fault::Wrong(reason) => return Err(WhyNot::Invalid(reason)),
            Fault::Unknown(reason) => unknown = unknown.or(Some(reason)),
        }
    }
    Ok(unknown)
}

/// The first means by which the session's client may use every address of From.
fn session_means(session: &[Authenticated], from: &[Mailbox]) -> Result<Means, WhyNot> {
    let mut why_not = None;
    for client in session {
        match from.iter().find(|one| !client.may_use.contains(one)) {
            None => return Ok(client.means),
            Some(other) => {
                why_not = why_not.or(Some(WhyNot::NotAllowed {
                    means: client.means,
                    address: other.to_string(),
                }));
            }
        }
    }
    let nobody = || {
        let addresses: Vec<String> = from.iter().take(NAMED).map(ToString::to_string).collect();
        WhyNot::NotAuthenticated(addresses.join(", "))
    };
    Err(why_not.unwrap_or_else(nobody))
}

/// How many of From's addresses a reason names.
const NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domsec::verdict::PathFacts;
    use crate::domsec::verdict::SignatureFault;
    use crate::domsec::verdict::SignerFacts;
    use crate::notation::Layer;
    use crate::notation::Layers;
    use crate::notation::Marks;

    const ALICE: &str = "alice@a.example";

    fn mailboxes(addresses: &[&str]) -> Vec<Mailbox> {
        addresses.iter().map(|one| one.parse().unwrap()).collect()
    }

    fn signer(types: Vec<SignatureType>) -> SignerFacts {
        let authority = types.iter().any(|kind| kind.must_encapsulate());
        let delegated = types.contains(&SignatureType::Delegated);
        let names = Names {
            emails: Vec::from_iter((!authority).then(|| ALICE.to_owned())),
            uris: Vec::from_iter((authority || delegated).then(|| "submit://a.example".to_owned())),
            may_protect_mail: true,
            ..Names::default()
        };
        SignerFacts {
            signature: Ok(()),
            path: PathFacts::Valid,
            types,
            names: Some(names),
        }
    }

    /// Facts of a message From alice whose signatures are all as they should be.
    fn arrived(notation: &str) -> Facts {
        let layers: Layers = notation.parse().unwrap();
        let mut facts = Facts {
            from: From::Mailboxes(mailboxes(&[ALICE])),
            closed: layers.iter().last() == Some(Layer::Enveloped),
            ..Facts::default()
        };
        for (index, layer) in layers.iter().enumerate() {
            if let Layer::Signed(marks) = layer {
                let signers =
                    (marks != Marks::EMPTY).then(|| signer(marks.signature_types().collect()));
                facts.layers.push(LayerFacts {
                    layer: index,
                    ml: marks.contains(Marks::ML),
                    signers: signers.into_iter().collect(),
                    ..LayerFacts::default()
                });
            }
        }
        facts
    }

    fn ask(facts: &Facts, session: &[Authenticated]) -> Result<Authenticity, WhyNot> {
        let evidence = Evidence {
            facts,
            parts: &[],
            closed_part: false,
            session,
        };
        authenticity(&evidence).map(|may_sign| may_sign.by())
    }

    fn login(may_use: &[&str]) -> Authenticated {
        Authenticated {
            means: Means::Login,
            may_use: mailboxes(may_use),
        }
    }

    fn spoil(facts: &mut Facts, layer: usize) {
        let reason = "digest differs".to_owned();
        facts.layers[layer].signers[0].signature = Err(SignatureFault::Wrong(reason));
    }

    fn forget(facts: &mut Facts, layer: usize) {
        let reason = "no issuer".to_owned();
        facts.layers[layer].signers[0].path = PathFacts::Indeterminate(reason);
    }

    const INVALID: &str = "a signature in the message is not valid: ";
    const UNKNOWN: &str = "a signature in the message could not be checked: ";

    #[test]
    fn a_valid_signature_that_speaks_for_from_makes_it_authentic() {
        for (notation, role) in [
            ("S(C)", Role::Originator),
            ("S[originator](C)", Role::Originator),
            ("E(S(C))", Role::Originator),
            ("S(E(S(C)))", Role::Originator),
            ("S[ml](S(C))", Role::Originator),
            ("S[review](S(C))", Role::Originator),
            ("S[delegated](C)", Role::Delegated),
            ("S[domain](S[empty](C))", Role::Domain),
            ("S[domain](S(C))", Role::Domain),
        ] {
            let by = ask(&arrived(notation), &[]);
            assert_eq!(by, Ok(Authenticity::Signature(role)), "{notation}");
        }
    }

    #[test]
    fn without_such_a_signature_the_session_must_show_it() {
        for notation in [
            "C",
            "S[empty](C)",
            "E(C)",
            "S[ml](C)",
            "S[review](S[empty](C))",
        ] {
            let facts = arrived(notation);
            let why_not = ask(&facts, &[]).unwrap_err();
            assert_eq!(
                why_not,
                WhyNot::NotAuthenticated(ALICE.to_owned()),
                "{notation}"
            );
            for means in [
                Means::ClientCertificate,
                Means::Login,
                Means::TrustedNetwork,
            ] {
                let client = Authenticated {
                    means,
                    ..login(&[ALICE])
                };
                let by = ask(&facts, &[client]);
                assert_eq!(by, Ok(Authenticity::Session(means)), "{notation}");
            }
        }
    }

    #[test]
    fn a_client_may_use_its_own_addresses_as_from_and_no_others() {
        let facts = arrived("C");
        let why_not = ask(&facts, &[login(&["bob@a.example"])]).unwrap_err();
        assert_eq!(
            why_not.to_string(),
            "the login of the session may not use alice@a.example as From"
        );
        let network = Authenticated {
            means: Means::TrustedNetwork,
            ..login(&[ALICE])
        };
        let by = ask(&facts, &[login(&["bob@a.example"]), network]);
        assert_eq!(by, Ok(Authenticity::Session(Means::TrustedNetwork)));
    }

    #[test]
    fn of_several_in_from_all_must_be_authentic() {
        let mut facts = arrived("S(C)");
        facts.from = From::Mailboxes(mailboxes(&[ALICE, "bob@a.example"]));
        // Alice's signature is valid, and not bob's.
        assert!(matches!(ask(&facts, &[]), Err(WhyNot::NotAuthenticated(_))));
        let why_not = ask(&facts, &[login(&[ALICE])]).unwrap_err();
        assert!(why_not.to_string().contains("bob@a.example"), "{why_not}");
        assert!(ask(&facts, &[login(&[ALICE, "bob@a.example"])]).is_ok());
    }

    #[test]
    fn without_a_from_that_reads_one_way_there_is_no_originator() {
        for (from, want) in [
            (From::Absent, WhyNot::NoFrom),
            (From::Mailboxes(Vec::new()), WhyNot::NoFrom),
            (
                From::Ambiguous("two".into()),
                WhyNot::AmbiguousFrom("two".into()),
            ),
        ] {
            let facts = Facts {
                from,
                ..arrived("S(C)")
            };
            assert_eq!(ask(&facts, &[login(&[ALICE])]), Err(want));
        }
    }

    #[test]
    fn what_no_key_opens_makes_it_impossible_at_any_depth() {
        for notation in ["E", "S(E)", "E(S(E))", "S[domain](S(E))"] {
            let why_not = ask(&arrived(notation), &[login(&[ALICE])]);
            assert_eq!(why_not, Err(WhyNot::Closed), "{notation}");
        }
        let evidence = Evidence {
            facts: &arrived("S[domain](S(C))"),
            parts: &[],
            closed_part: true,
            session: &[login(&[ALICE])],
        };
        assert_eq!(authenticity(&evidence).unwrap_err(), WhyNot::ClosedPart);
    }

    /// Makes one layer of the message other than it should be.
    type Change = fn(&mut Facts, usize);

    /// Every layer of these, spoiled or unknown.
    #[test]
    fn every_signature_that_is_present_must_be_valid_down_to_a_domain_signature() {
        let changes: [(Change, &str); 2] = [(spoil, INVALID), (forget, UNKNOWN)];
        for notation in [
            "S(C)",
            "S(S(C))",
            "E(S(S(C)))",
            "S[ml](E(S(C)))",
            "S[review](S(S(C)))",
            "S[domain](S(S(C)))",
            "S(S[domain](S(C)))",
            "S[domain](S[domain](S(C)))",
        ] {
            let good = arrived(notation);
            assert!(ask(&good, &[login(&[ALICE])]).is_ok(), "{notation}");
            let is_domain = |layer: &LayerFacts| layer.signers[0].is(SignatureType::Domain);
            let vouched = good.layers.iter().position(is_domain);
            for layer in 0..good.layers.len() {
                let matters = vouched.is_none_or(|domain| layer <= domain);
                for (change, begins) in changes {
                    let mut facts = good.clone();
                    change(&mut facts, layer);
                    let answer = ask(&facts, &[login(&[ALICE])]);
                    assert_eq!(
                        answer.is_err(),
                        matters,
                        "{notation} layer {layer}: {answer:?}"
                    );
                    if let Err(why_not) = answer {
                        assert!(why_not.to_string().starts_with(begins), "{why_not}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_before_what_is_not_known() {
        let mut facts = arrived("S(S(C))");
        forget(&mut facts, 0);
        spoil(&mut facts, 1);
        assert!(matches!(ask(&facts, &[]), Err(WhyNot::Invalid(_))));
    }

    #[test]
    fn a_domain_signature_of_a_stranger_vouches_for_nothing() {
        let mut facts = arrived("S[domain](S(C))");
        let names = facts.layers[0].signers[0].names.as_mut().unwrap();
        names.uris = vec!["smtp://b.example".to_owned()];
        let why_not = ask(&facts, &[login(&[ALICE])]).unwrap_err();
        assert!(matches!(why_not, WhyNot::Invalid(_)), "{why_not}");
    }

    #[test]
    fn signatures_in_parts_count_without_their_names() {
        let facts = arrived("C");
        let mut part = arrived("S(C)");
        let names = part.layers[0].signers[0].names.as_mut().unwrap();
        names.emails = vec!["bob@b.example".to_owned()];
        let ask_with = |facts: &Facts, part: &Facts| {
            let evidence = Evidence {
                facts,
                parts: &part.layers,
                closed_part: false,
                session: &[login(&[ALICE])],
            };
            authenticity(&evidence).map(|may_sign| may_sign.by())
        };
        // Somebody else's signed message, forwarded by alice.
        assert!(ask_with(&facts, &part).is_ok());
        spoil(&mut part, 0);
        assert!(matches!(ask_with(&facts, &part), Err(WhyNot::Invalid(_))));
        assert!(ask_with(&arrived("S[domain](S(C))"), &part).is_ok());
    }

    #[test]
    fn defects_of_structure_count_where_something_is_signed() {
        for (notation, allowed) in [("S(C)", false), ("C", true), ("S[empty](C)", true)] {
            let mut facts = arrived(notation);
            facts.defects.push("two Subject fields".to_owned());
            let answer = ask(&facts, &[login(&[ALICE])]);
            assert_eq!(answer.is_ok(), allowed, "{notation}: {answer:?}");
        }
    }

    #[test]
    fn a_detached_signature_without_its_content_shows_nobody() {
        let mut facts = arrived("S(C)");
        facts.layers[0].content_elsewhere = true;
        let reason = "its content is not here".to_owned();
        facts.layers[0].signers[0].signature = Err(SignatureFault::Unknown(reason));
        assert!(matches!(
            ask(&facts, &[login(&[ALICE])]),
            Err(WhyNot::Unknown(_))
        ));
    }

    #[test]
    fn our_certificate_must_be_one_for_the_originator() {
        let evidence = Evidence {
            facts: &arrived("S(C)"),
            parts: &[],
            closed_part: false,
            session: &[],
        };
        let may_sign = authenticity(&evidence).unwrap();
        assert_eq!(may_sign.originators(), mailboxes(&[ALICE]));
        for kind in [SignatureType::Domain, SignatureType::Delegated] {
            let ours = signer(vec![kind]).names.unwrap();
            assert_eq!(may_sign.check_certificate(kind, &ours), Ok(()));
            let theirs = Names {
                uris: vec!["submit://b.example".to_owned()],
                ..ours
            };
            assert!(may_sign.check_certificate(kind, &theirs).is_err(), "{kind}");
            let review = signer(vec![SignatureType::Review]).names.unwrap();
            let review = Names {
                uris: vec!["smtp://b.example".to_owned()],
                ..review
            };
            assert_eq!(
                may_sign.check_certificate(SignatureType::Review, &review),
                Ok(())
            );
        }
    }
}
