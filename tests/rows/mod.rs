//! The rows of draft §5: its examples, and what the decisions say beyond them.
//!
//! The pure plan is held against them in `tests/layering.rs`, the gateway with real keys in
//! `tests/gateway`.

use domsec::domsec::conditions::Authenticated;
use domsec::domsec::conditions::Evidence;
use domsec::domsec::conditions::MaySign;
use domsec::domsec::conditions::Means;
use domsec::domsec::conditions::authenticity;
use domsec::domsec::verdict::Facts;
use domsec::domsec::verdict::From;
use domsec::notation::SignatureType;
use domsec::notation::SignatureType::AdditionalAttributes;
use domsec::notation::SignatureType::Delegated;
use domsec::notation::SignatureType::Domain;
use domsec::notation::SignatureType::Review;

/// One row: what arrives, which signatures and whether encryption are asked, what leaves.
pub(crate) struct Row {
    pub(crate) said_in: &'static str,
    pub(crate) arrives: &'static str,
    pub(crate) sign: &'static [SignatureType],
    pub(crate) encrypt: bool,
    pub(crate) leaves: &'static str,
}

const fn row(
    said_in: &'static str,
    arrives: &'static str,
    sign: &'static [SignatureType],
    encrypt: bool,
    leaves: &'static str,
) -> Row {
    Row {
        said_in,
        arrives,
        sign,
        encrypt,
        leaves,
    }
}

/// The draft's own, with its numbers; `[ml]` marks a mlExpansionHistory.
#[rustfmt::skip]
pub(crate) const SECTION_5_1: &[Row] = &[
    row("example 1", "S1(C)", &[Domain], false, "S2[domain](S1(C))"),
    row("example 2", "S3(S2(S1(C)))", &[Domain], false, "S4[domain](S3(S2(S1(C))))"),
    row("example 3", "E1(S1(C))", &[Domain], true, "E2(S2[domain](S1(C)))"),
    row("example 3", "E1(S1(C))", &[Domain], false, "S2[domain](S1(C))"),
    row("example 4", "S2[ml](E1(S1(C)))", &[Domain], true, "S4[ml](E2(S3[domain](S1(C))))"),
    row("example 4", "S2[ml](E1(S1(C)))", &[Domain], false, "S4[ml](S3[domain](S1(C)))"),
    row("example 5", "S3(S2(E1(S1(C))))", &[Domain], true, "E2(S4[domain](S1(C)))"),
    row("example 5", "S3(S2(E1(S1(C))))", &[Domain], false, "S4[domain](S1(C))"),
    row("example 6", "S3[ml](S2(E1(S1(C))))", &[Domain], true, "S5[ml](E2(S4[domain](S1(C))))"),
    row("example 6", "S3[ml](S2(E1(S1(C))))", &[Domain], false, "S5[ml](S4[domain](S1(C)))"),
    row("example 7", "S3(E2(S2(E1(S1(C)))))", &[Domain], false, "E3(S4[domain](S2(E1(S1(C)))))"),
    row("example 7", "S3(E2(S2(E1(S1(C)))))", &[Domain], true, "E3(S4[domain](S2(E1(S1(C)))))"),
];

#[rustfmt::skip]
pub(crate) const BEYOND: &[Row] = &[
    // Draft §2.5: an unsigned message first gets the empty signature, where one must be encapsulated.
    row("draft 2.5", "C", &[Domain], false, "S[domain](S[empty](C))"),
    row("draft 2.5", "C", &[Domain], true, "E(S[domain](S[empty](C)))"),
    row("draft 2.5", "C", &[Review], false, "S[review](S[empty](C))"),
    row("draft 2.5", "C", &[AdditionalAttributes], false, "S[attributes](S[empty](C))"),
    row("draft 2.5", "S[empty](C)", &[Domain], false, "S[domain](S[empty](C))"),
    row("draft 2.5", "E(C)", &[Domain], false, "S[domain](S[empty](C))"),
    row("draft 2.5", "E(C)", &[Domain], true, "E(S[domain](S[empty](C)))"),
    row("draft 2.5", "S(E(C))", &[Domain], false, "S[domain](S[empty](C))"),
    row("draft 3.2", "C", &[Delegated], false, "S[delegated](C)"),
    row("draft 3.2", "C", &[Delegated], true, "E(S[delegated](C))"),
    row("draft 3.2", "C", &[Delegated, Domain], false, "S[domain](S[delegated](C))"),
    row("draft 3.2", "C", &[Domain, Delegated], false, "S[delegated](S[domain](S[empty](C)))"),
    // Draft §3.3: there may be several domain signatures.
    row("draft 3.3", "S[domain](S(C))", &[Domain], false, "S[domain](S[domain](S(C)))"),
    row("draft 3.3", "S[domain](S(C))", &[Domain], true, "E(S[domain](S[domain](S(C))))"),
    row("draft 3.3", "S[domain](E(S(C)))", &[Domain], false, "S[domain](S(C))"),
    // Draft §3.7: delegated as domain.
    row("draft 3.7", "S[ml](S(E(S(C))))", &[Delegated], false, "S[ml](S[delegated](S(C)))"),
    row("draft 3.7", "S[ml](S(E(S(C))))", &[Delegated], true, "S[ml](E(S[delegated](S(C))))"),
    row("draft 3.7", "E(S(E(S(C))))", &[Delegated], false, "E(S[delegated](S(E(S(C)))))"),
    // Draft §3.4 and §3.5: review and attributes alone go around the message as it came.
    row("draft 3.5", "S(C)", &[Review], false, "S[review](S(C))"),
    row("draft 3.5", "E(S(C))", &[Review], false, "S[review](E(S(C)))"),
    row("draft 3.5", "E(S(C))", &[Review], true, "E(S[review](E(S(C))))"),
    row("draft 3.5", "S[ml](S(C))", &[Review], false, "S[review](S[ml](S(C)))"),
    row("draft 3.4", "S(E)", &[AdditionalAttributes], false, "S[attributes](S(E))"),
    row("draft 2.5", "E", &[Review], false, "S[review](S[empty](E))"),
    row("draft 3.5", "S[review](S(C))", &[Review], false, "S[review](S[review](S(C)))"),
    row("draft 3.4", "S[attributes](S(C))", &[AdditionalAttributes], false,
        "S[attributes](S[attributes](S(C)))"),
    // Beside a domain signature they go where that goes.
    row("decision 10", "E(S(C))", &[Review, Domain], false, "S[domain](S[review](S(C)))"),
    row("decision 10", "E(S(C))", &[Domain, Review], true, "E(S[review](S[domain](S(C))))"),
    row("decision 10", "S[ml](S(C))", &[AdditionalAttributes, Review, Domain], false,
        "S[ml](S[domain](S[review](S[attributes](S(C)))))"),
    row("decision 10", "C", &[Review, Domain], false, "S[domain](S[review](S[empty](C)))"),
    // Nothing asked, nothing done.
    row("nothing", "S[ml](E(S(C)))", &[], false, "S[ml](E(S(C)))"),
    row("nothing", "C", &[], false, "C"),
    row("encryption", "S(C)", &[], true, "E(S(C))"),
    row("encryption", "S[ml](C)", &[], true, "E(S[ml](C))"),
    // DESIGN, decision 9: no SignatureType of a list becomes ours.
    row("decision 9", "S[review,ml](S(C))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    row("decision 9", "S[domain,ml](S(C))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    row("decision 9", "S[review,ml](E(S(C)))", &[Domain], true, "S[ml](E(S[domain](S(C))))"),
    // DESIGN, decision 10: what is outside an ml layer is lost with it.
    row("decision 10", "S[ml](C)", &[Domain], false, "S[ml](S[domain](S[empty](C)))"),
    row("decision 10", "S(S[ml](C))", &[Domain], false, "S[ml](S[domain](S[empty](C)))"),
    row("decision 10", "S(S[ml](S(C)))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    row("decision 10", "S(S[ml](S(E(S(C)))))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    // Case 3.B with encryption: the E between, as in 3.A.
    row("decision 10", "S[ml](S(C))", &[Domain], true, "S[ml](E(S[domain](S(C))))"),
    row("decision 10", "S(S[ml](S(C)))", &[Domain], true, "S[ml](E(S[domain](S(C))))"),
    // The search is repeated in what was decrypted, when the result leaves unencrypted.
    row("decision 10", "E(S[ml](C))", &[Domain], false, "S[ml](S[domain](S[empty](C)))"),
    row("decision 10", "E(S[ml](C))", &[Domain], true, "E(S[domain](S[ml](C)))"),
    row("decision 10", "E(S[ml](S(C)))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    row("decision 10", "E(S(S[ml](S(C))))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    row("decision 10", "E(S[ml](E(S(C))))", &[Domain], false, "E(S[domain](S[ml](E(S(C)))))"),
    // A second ml layer is put back beneath the first.
    row("decision 10", "S[ml](E(S[ml](S(C))))", &[Domain], false, "S[ml](S[ml](S[domain](S(C))))"),
    row("decision 10", "S[ml](E(S[ml](S(C))))", &[Domain], true, "S[ml](E(S[domain](S[ml](S(C)))))"),
    // One beneath an ml layer and above the E goes with "all the signedData layers": a list has put
    // what it said into the outer one (RFC 2634 §4.2).
    row("draft 5, 3.A", "S[ml](S[ml](E(S(C))))", &[Domain], false, "S[ml](S[domain](S(C)))"),
    row("draft 5, 3.B", "S[ml](S[ml](S(C)))", &[Domain], false, "S[ml](S[domain](S[ml](S(C))))"),
    // DESIGN, decision 11: nothing is stripped where there is neither ml nor E.
    row("decision 11", "S(S(C))", &[Domain], true, "E(S[domain](S(S(C))))"),
    row("decision 11", "S[empty](S(C))", &[Domain], false, "S[domain](S[empty](S(C)))"),
    // An E below the domain signature asks for one above it.
    row("draft 5, 3.A", "S[ml](E(S(E(S(C)))))", &[Domain], false, "S[ml](E(S[domain](S(E(S(C))))))"),
    row("draft 5, 3.A", "E(E(S(C)))", &[Domain], false, "E(S[domain](E(S(C))))"),
    row("decision 12", "E(E(S(C)))", &[Review, Domain], false, "E(S[domain](S[review](E(S(C)))))"),
    // compressedData is passed.
    row("Z", "Z(C)", &[Domain], false, "S[domain](S[empty](Z(C)))"),
    row("Z", "S(Z(S(C)))", &[Domain], false, "S[domain](S(Z(S(C))))"),
    row("Z", "Z(E(S(C)))", &[Domain], false, "S[domain](S(C))"),
    row("Z", "S(Z(S[ml](Z(S(C)))))", &[Domain], false, "S[ml](S[domain](Z(S(C))))"),
];

/// An originator whom the session authenticates.
pub(crate) fn may_sign() -> MaySign {
    let from = vec!["alice@a.example".parse().unwrap()];
    let facts = Facts {
        from: From::Mailboxes(from.clone()),
        ..Facts::default()
    };
    let session = [Authenticated {
        means: Means::Login,
        may_use: from,
    }];
    let evidence = Evidence {
        facts: &facts,
        parts: &[],
        closed_part: false,
        session: &session,
    };
    authenticity(&evidence).unwrap()
}
