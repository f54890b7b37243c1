//! Draft §5: the examples of §5.1 as a table, the decisions on it, and every small stack of layers
//! against properties that are stated without the search.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod mailing_list;
mod rows;

use domsec::domsec::layering::Added;
use domsec::domsec::layering::ArrivedLayer;
use domsec::domsec::layering::LayerPlan;
use domsec::domsec::layering::LayeringError;
use domsec::domsec::layering::Standing;
use domsec::domsec::layering::Wanted;
use domsec::domsec::layering::plan;
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
use rows::BEYOND;
use rows::Row;
use rows::SECTION_5_1;
use rows::may_sign;

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
    assert_eq!((plan.removed, plan.added.as_slice()), (5, &added[..]));
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
    let removed = &arrived[..plan.removed];
    let kept = &arrived[plan.removed..];
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
