//! Every small stack of layers through the gateway, opened again with our own keys: what leaves is what
//! the pure plan says, each signature that is left verifies, and the content has the same octets.

use domsec::domsec::layering::ArrivedLayer;
use domsec::domsec::layering::Wanted;
use domsec::domsec::layering::plan;
use domsec::gateway::site::Gateway;
use domsec::notation::Layer;
use domsec::notation::Layers;
use domsec::notation::Marks;
use domsec::notation::SignatureType;
use domsec::octets::Memory;
use domsec::policy::facts::Session;
use domsec::x509::Time;

use super::rows::may_sign;
use super::stack;
use super::stack::Form;
use super::stack::NOW;
use super::stack::People;

/// Layers around the content.
const DEPTH: usize = 3;

const ML: Layer = Layer::Signed(Marks::ML);
const DOMAIN: Layer = Layer::Signed(Marks::of(SignatureType::Domain));

/// Every stack of S, S[ml], S[domain], E and Z around C, and around an E that no key opens.
fn stacks() -> Vec<Layers> {
    let letters = [
        Layer::SIGNED,
        ML,
        DOMAIN,
        Layer::Enveloped,
        Layer::Compressed,
    ];
    let mut all = Vec::new();
    let mut around: Vec<Vec<Layer>> = vec![Vec::new()];
    for _ in 0..=DEPTH {
        for last in [Layer::Content, Layer::Enveloped] {
            let with = |outer: &Vec<Layer>| [outer.as_slice(), &[last]].concat();
            all.extend(around.iter().map(|outer| Layers::new(with(outer)).unwrap()));
        }
        let with =
            |outer: &Vec<Layer>| letters.map(|letter| [outer.as_slice(), &[letter]].concat());
        around = around.iter().flat_map(with).collect();
    }
    all
}

/// Whether the conditions before a domain signature hold (draft §3.2, §3.3), alice being logged in.
fn may_be_signed(layers: &Layers) -> bool {
    let layers = layers.as_slice();
    let closed = layers.last() == Some(&Layer::Enveloped);
    // A domain signature encapsulates another one. A valid one vouches for all beneath it.
    let outermost = layers.iter().position(|layer| *layer == DOMAIN);
    let sound = outermost.is_none_or(|at| {
        let mut beneath = layers[at + 1..].iter();
        beneath.any(|layer| matches!(layer, Layer::Signed(_)))
    });
    !closed && sound
}

#[test]
fn every_small_stack_leaves_as_the_plan_says_and_every_signature_that_stays_verifies() {
    let people = People::new();
    let mut reports = Vec::new();
    let mut delivered = 0_usize;
    let reader = reader();
    for (encrypt, more) in [(false, ""), (true, ""), (true, stack::BINARY_INSIDE)] {
        let policy = stack::policy(&[SignatureType::Domain], encrypt, more);
        let gateway = stack::gateway("a", &policy);
        for arrives in stacks() {
            for form in [Form::Opaque, Form::Detached] {
                match check(&gateway, &reader, (&people, &arrives, form), encrypt) {
                    Ok(leaves) => delivered += usize::from(leaves),
                    Err(error) => {
                        reports.push(format!("{arrives} {form:?} {encrypt} {more}: {error}"));
                    }
                }
            }
        }
    }
    let count = reports.len();
    reports.truncate(40);
    assert!(reports.is_empty(), "\n{count}:\n{}\n", reports.join("\n"));
    assert!(delivered > 450, "only {delivered} left");
}

/// A gateway that has the keys of all who are encrypted to.
fn reader() -> Gateway {
    let mut reader = stack::gateway("b", &stack::policy(&[], false, ""));
    reader.roles.dca.push(stack::identity("dca-a"));
    reader
}

/// Whether it leaves, and that as it should.
fn check(
    gateway: &Gateway,
    reader: &Gateway,
    (people, arrives, form): (&People, &Layers, Form),
    encrypt: bool,
) -> Result<bool, String> {
    let made = people.made(arrives, form);
    let outcome = stack::send(gateway, &made.message());
    if !may_be_signed(arrives) {
        return match stack::edition(&outcome) {
            Ok(edition) => Err(format!("should not leave, and does as {}", edition.layers)),
            Err(fate) if fate.starts_with("Refuse") => Ok(false),
            Err(fate) => Err(fate),
        };
    }
    let edition = stack::edition(&outcome)?;
    let leaves = planned(arrives, encrypt);
    if edition.layers != leaves {
        return Err(format!(
            "should leave as {leaves}, and does as {}",
            edition.layers
        ));
    }
    let transaction = stack::transaction(
        edition.message.clone(),
        "alice@a.example",
        Session::default(),
    );
    let arrival = reader.open(&transaction, Time::from_unix(NOW).unwrap(), &Memory);
    let reopened = arrival.layers_in.clone();
    if reopened != leaves {
        return Err(format!("should be {leaves}, and is {reopened}"));
    }
    let broken = arrival.signers.iter().find(|signer| !signer.is_verified());
    if let Some(signer) = broken {
        return Err(format!("a signature that does not verify: {signer:?}"));
    }
    let nodes = arrival.nodes();
    let content = stack::octets(&nodes.last().unwrap().raw);
    if !stack::is_content(&content) {
        let text = String::from_utf8_lossy(&content).into_owned();
        return Err(format!("the content is another: {text}"));
    }
    Ok(true)
}

/// What section 5 says of layers about which nothing is wrong.
fn planned(arrives: &Layers, encrypt: bool) -> Layers {
    let arrived: Vec<ArrivedLayer> = arrives.iter().map(ArrivedLayer::sound).collect();
    let may_sign = may_sign();
    let wanted = Wanted {
        signatures: &[SignatureType::Domain],
        encrypt,
        may_sign: Some(&may_sign),
    };
    let plan = plan(&arrived, &wanted).unwrap();
    plan.layers(&arrived).unwrap()
}
