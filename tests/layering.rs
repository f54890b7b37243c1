//! Draft §5: the examples of §5.1 as a table, the decisions on it, and every small stack of layers
//! against properties that are stated without the search.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod mailing_list;

use domsec::domsec::conditions::Authenticated;
use domsec::domsec::conditions::Evidence;
use domsec::domsec::conditions::MaySign;
use domsec::domsec::conditions::Means;
use domsec::domsec::conditions::authenticity;
use domsec::domsec::layering::Added;
use domsec::domsec::layering::ArrivedLayer;
use domsec::domsec::layering::LayerPlan;
use domsec::domsec::layering::LayeringError;
use domsec::domsec::layering::Standing;
use domsec::domsec::layering::Wanted;
use domsec::domsec::layering::plan;
use domsec::domsec::verdict::Facts;
use domsec::domsec::verdict::From;
use domsec::notation::Layer;
use domsec::notation::Layers;
use domsec::notation::Marks;
use domsec::notation::SignatureType;
use domsec::notation::SignatureType::AdditionalAttributes;
use domsec::notation::SignatureType::Delegated;
use domsec::notation::SignatureType::Domain;
use domsec::notation::SignatureType::Originator;
use domsec::notation::SignatureType::Review;

use mailing_list::Agent;

/// One row: what arrives, which signatures and whether encryption are asked, what leaves.
struct Row {
    said_in: &'static str,
    arrives: &'static str,
    sign: &'static [SignatureType],
    encrypt: bool,
    leaves: &'static str,
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
const SECTION_5_1: &[Row] = &[
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
const BEYOND: &[Row] = &[
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
fn may_sign() -> MaySign {
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

fn sound(notation: &str) -> Vec<ArrivedLayer> {
    let layers: Layers = notation.parse().unwrap();
    layers.iter().map(ArrivedLayer::sound).collect()
}

fn planned(
    arrived: &[ArrivedLayer],
    signatures: &[SignatureType],
    encrypt: bool,
) -> Result<LayerPlan, LayeringError> {
    let may_sign = may_sign();
    let wanted = Wanted {
        signatures,
        encrypt,
        may_sign: Some(&may_sign),
    };
    plan(arrived, &wanted)
}

fn check_rows(rows: &[Row]) {
    for row in rows {
        let arrived = sound(row.arrives);
        let plan = planned(&arrived, row.sign, row.encrypt).unwrap();
        let leaves: Layers = row.leaves.parse().unwrap();
        assert_eq!(
            plan.layers(&arrived).unwrap(),
            leaves,
            "{}: {} with {:?}, encrypted {}, should leave as {leaves}",
            row.said_in,
            row.arrives,
            row.sign,
            row.encrypt,
        );
    }
}

#[test]
fn domain_signature_is_placed_as_in_section_5_1() {
    check_rows(SECTION_5_1);
}

#[test]
fn what_section_5_leaves_open_is_as_decided() {
    check_rows(BEYOND);
}

#[test]
fn no_domain_or_delegated_signature_covers_what_no_key_opens() {
    for (notation, at) in [("E", 0), ("S(E)", 1), ("E(S(E))", 2), ("S[ml](Z(E))", 2)] {
        for (sign, kind) in [
            (&[Domain][..], Domain),
            (&[Delegated], Delegated),
            (&[Review, Delegated], Delegated),
        ] {
            for encrypt in [false, true] {
                let error = planned(&sound(notation), sign, encrypt).unwrap_err();
                assert_eq!(
                    error,
                    LayeringError::Closed { kind, layer: at },
                    "{notation}"
                );
            }
        }
    }
    let error = planned(&sound("S(E)"), &[Domain], false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no domain signature over what could not be checked: no key of ours opens the E at layer 1"
    );
}

#[test]
fn an_ml_layer_is_remembered_only_when_it_verified_and_its_signers_agree() {
    for (notation, ml) in [
        ("S[ml](S(C))", 0),
        ("S(S[ml](E(S(C))))", 1),
        ("E(S[ml](C))", 1),
    ] {
        let arrived = sound(notation);
        let with = |change: &dyn Fn(&mut ArrivedLayer)| {
            let mut arrived = arrived.clone();
            change(&mut arrived[ml]);
            planned(&arrived, &[Domain], false)
        };
        assert!(with(&|_| {}).is_ok(), "{notation}");
        let spoiled = with(&|layer| layer.standing = Standing::Spoiled);
        assert_eq!(
            spoiled,
            Err(LayeringError::MlSpoiled { layer: ml }),
            "{notation}"
        );
        let unknown = with(&|layer| layer.standing = Standing::Unknown);
        assert_eq!(
            unknown,
            Err(LayeringError::MlUnknown { layer: ml }),
            "{notation}"
        );
        let differ = with(&|layer| layer.histories_differ = true);
        assert_eq!(
            differ,
            Err(LayeringError::HistoriesDiffer { layer: ml }),
            "{notation}"
        );
    }
}

#[test]
fn signers_that_contradict_each_other_spoil_the_message_wherever_their_layer_stands() {
    let mut arrived = sound("E(S[ml](C))");
    arrived[1].histories_differ = true;
    // It would stay inside, and is no more to be trusted for that.
    let error = planned(&arrived, &[Domain], true).unwrap_err();
    assert_eq!(error, LayeringError::HistoriesDiffer { layer: 1 });
    assert!(planned(&arrived, &[Review], true).is_ok());
}

#[test]
fn the_plan_says_from_which_layers_the_attributes_come() {
    let plan = planned(&sound("S(S[ml](E(S(S[ml](S(C))))))"), &[Domain], false).unwrap();
    let added = [
        Added::Signed(Domain),
        Added::Remembered { from: 4 },
        Added::Remembered { from: 1 },
    ];
    assert_eq!((plan.keep, plan.added.as_slice()), (5, &added[..]));
}

#[test]
fn encryption_that_policy_did_not_ask_for_is_said_to_be_forced() {
    for (notation, encrypt, forced) in [
        ("E(S(E(S(C))))", false, true),
        ("E(S(E(S(C))))", true, false),
        ("E(S(C))", false, false),
        ("E(S(C))", true, false),
    ] {
        let plan = planned(&sound(notation), &[Domain], encrypt).unwrap();
        assert_eq!(plan.forces_encryption(), forced, "{notation} {encrypt}");
    }
    // Section 5 asks it for the domain signature, not for others.
    let plan = planned(&sound("E(S(C))"), &[Review], false).unwrap();
    assert!(!plan.forces_encryption());
}

#[test]
fn without_proof_there_is_no_plan_with_a_domain_or_delegated_signature() {
    let arrived = sound("S(C)");
    for (sign, refused) in [
        (&[Domain][..], Some(Domain)),
        (&[Review, Delegated], Some(Delegated)),
        (&[Review, AdditionalAttributes], None),
        (&[], None),
    ] {
        let wanted = Wanted {
            signatures: sign,
            encrypt: true,
            may_sign: None,
        };
        assert_eq!(
            plan(&arrived, &wanted).err(),
            refused.map(LayeringError::Unproven)
        );
    }
}

#[test]
fn what_is_no_stack_of_layers_has_no_plan() {
    let content = ArrivedLayer::sound(Layer::Content);
    for arrived in [
        &[][..],
        &[content, content],
        &[ArrivedLayer::sound(Layer::SIGNED)],
    ] {
        assert!(matches!(
            planned(arrived, &[], false),
            Err(LayeringError::Layers(_))
        ));
    }
    let mut deep = vec![ArrivedLayer::sound(Layer::SIGNED); Layers::MOST - 1];
    deep.push(content);
    assert!(planned(&deep, &[], false).is_ok());
    assert!(matches!(
        planned(&deep, &[Domain], false),
        Err(LayeringError::Layers(_))
    ));
    assert_eq!(
        planned(&[content], &[Originator], false),
        Err(LayeringError::Originator)
    );
}

/// Layers around the content of the stacks that are tried exhaustively.
const DEPTH: usize = 6;

const ML: Layer = Layer::Signed(Marks::ML);

/// Every stack of S, S[ml], S[domain], S[empty], E and Z up to [`DEPTH`], around C and around an E
/// that no key opens.
fn stacks() -> Vec<Vec<Layer>> {
    let letters = [
        Layer::SIGNED,
        ML,
        Layer::Signed(Marks::of(Domain)),
        Layer::Signed(Marks::EMPTY),
        Layer::Enveloped,
        Layer::Compressed,
    ];
    let mut all = Vec::new();
    let mut around: Vec<Vec<Layer>> = vec![Vec::new()];
    for _ in 0..=DEPTH {
        for last in [Layer::Content, Layer::Enveloped] {
            all.extend(
                around
                    .iter()
                    .map(|outer| [outer.as_slice(), &[last]].concat()),
            );
        }
        let with =
            |outer: &Vec<Layer>| letters.map(|letter| [outer.as_slice(), &[letter]].concat());
        around = around.iter().flat_map(with).collect();
    }
    all
}

/// Where the outermost layer that must survive a list stands among the layers that leave.
fn protected(plan: &LayerPlan) -> Option<usize> {
    let is_protected = |one: &Added| matches!(one, Added::Signed(Domain | Delegated));
    let inner = plan.added.iter().rposition(is_protected)?;
    Some(plan.added.len() - 1 - inner)
}

/// What must hold of every plan with a domain or delegated signature, stated without the search.
fn check_plan(arrived: &[Layer], plan: &LayerPlan, leaves: &Layers, encrypt: bool) {
    let name = format!("{arrived:?} encrypted {encrypt} -> {leaves}");
    let removed = &arrived[..plan.keep];
    let kept = &arrived[plan.keep..];
    let remembered: Vec<usize> = plan
        .added
        .iter()
        .rev()
        .filter_map(|one| match one {
            Added::Remembered { from } => Some(*from),
            Added::Empty | Added::Encrypted { .. } | Added::Signed(_) => None,
        })
        .collect();
    // A layer that is removed is or lay above an E that was opened, or the outer ml layer.
    for index in 0..removed.len() {
        let opened = removed[index..].contains(&Layer::Enveloped);
        let lost = remembered.iter().any(|ml| index <= *ml);
        assert!(
            opened || lost,
            "{name}: layer {index} is removed for nothing"
        );
    }
    // One E is opened at most, and what stays is as it was: every signature verifies as before.
    let opened = removed
        .iter()
        .filter(|one| **one == Layer::Enveloped)
        .count();
    assert!(opened <= 1, "{name}: opens {opened}");
    assert!(leaves.as_slice().ends_with(kept), "{name}");
    // In each stretch between two E, the outermost ml layer that is removed reappears, in order.
    let mut outer = Vec::new();
    let mut met = false;
    for (index, layer) in removed.iter().enumerate() {
        met &= *layer != Layer::Enveloped;
        if *layer == ML && !met {
            outer.push(index);
            met = true;
        }
    }
    assert_eq!(remembered, outer, "{name}: what is remembered");
    let domain = protected(plan).expect("a domain or delegated signature");
    for at in 0..remembered.len() {
        assert_eq!(leaves.as_slice()[at], ML, "{name}: outside, in order");
    }
    assert!(
        remembered.len() <= domain,
        "{name}: outside the domain signature"
    );
    // If an E lies below the domain signature, one lies above it; and none without a reason.
    let above = leaves.as_slice()[..domain].contains(&Layer::Enveloped);
    let below = leaves.as_slice()[domain..].contains(&Layer::Enveloped);
    assert_eq!(above, encrypt || below, "{name}");
    assert_eq!(plan.forces_encryption(), above && !encrypt, "{name}");
    // It encapsulates a signature, and none is empty without need.
    let empty = plan.added.contains(&Added::Empty);
    let signed = kept.iter().any(|one| matches!(one, Layer::Signed(_)));
    let delegated_first = matches!(plan.added.first(), Some(Added::Signed(Delegated)));
    assert_eq!(empty, !signed && !delegated_first, "{name}");
}

#[test]
fn every_small_stack_is_layered_as_the_properties_say_and_no_list_strips_it() {
    let may_sign = may_sign();
    let wishes: [&[SignatureType]; 4] = [
        &[Domain],
        &[Delegated],
        &[Review, Domain],
        &[Domain, AdditionalAttributes],
    ];
    let mut planned = 0_usize;
    for stack in stacks() {
        let arrived: Vec<ArrivedLayer> = stack.iter().copied().map(ArrivedLayer::sound).collect();
        let closed = stack.last() == Some(&Layer::Enveloped);
        for signatures in wishes {
            for encrypt in [false, true] {
                let wanted = Wanted {
                    signatures,
                    encrypt,
                    may_sign: Some(&may_sign),
                };
                let plan = match plan(&arrived, &wanted) {
                    Ok(plan) => plan,
                    Err(error) => {
                        assert!(closed, "{stack:?}: {error}");
                        continue;
                    }
                };
                assert!(!closed, "{stack:?}: a signature over what no key opens");
                let leaves = plan.layers(&arrived).unwrap();
                check_plan(&stack, &plan, &leaves, encrypt);
                check_lists(&leaves, protected(&plan).unwrap());
                planned += 1;
            }
        }
    }
    assert!(planned > 400_000, "only {planned} stacks");
}

/// Three lists, one after the other, leave the domain signature and all beneath it.
fn check_lists(leaves: &Layers, domain: usize) {
    let protected = &leaves.as_slice()[domain..];
    for first in Agent::ALL {
        let mut message = leaves.clone();
        for agent in [first, Agent::Prose, Agent::ProseThroughCompression] {
            message = agent.expand(&message);
            assert!(
                message.as_slice().ends_with(protected),
                "{leaves}: {agent:?} after {first:?} leaves {message}"
            );
        }
    }
}

/// The examples of RFC 2634 §4.2.1: the agent of these tests is the standard's.
#[test]
fn the_list_agent_does_as_the_examples_of_rfc_2634() {
    for (arrives, leaves) in [
        ("S1(C)", "S2[ml](S1(C))"),
        ("S3(S2(S1(C)))", "S4[ml](S3(S2(S1(C))))"),
        ("E1(S1(C))", "S2[ml](E1(S1(C)))"),
        ("S2[ml](E1(S1(C)))", "S3[ml](E1(S1(C)))"),
        ("S3(S2(E1(S1(C))))", "S4[ml](E1(S1(C)))"),
        ("S3[ml](S2(E1(S1(C))))", "S4[ml](E1(S1(C)))"),
    ] {
        let arrives: Layers = arrives.parse().unwrap();
        let leaves: Layers = leaves.parse().unwrap();
        assert_eq!(Agent::Prose.expand(&arrives), leaves, "{arrives}");
    }
    // And it does strip a domain signature that is not placed by section 5.
    for careless in [
        "S[domain](E(S(C)))",
        "S[domain](S[ml](S(C)))",
        "S[domain](S(E(C)))",
    ] {
        let careless: Layers = careless.parse().unwrap();
        let left = Agent::Prose.expand(&careless);
        assert!(
            !left.as_slice().ends_with(careless.as_slice()),
            "{careless} -> {left}"
        );
    }
}
