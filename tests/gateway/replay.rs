//! What was delivered before is known when it comes again (DESIGN, decision 6).

use domsec::gateway::outcome::Outcome;
use domsec::notation::SignatureType::Domain;

use super::stack;
use super::stack::Form;
use super::stack::People;

const WARNING: &str = "the same signed content was delivered before under another envelope";

fn is_flagged(outcome: &Outcome) -> bool {
    let warnings = &outcome.shares[0].warnings;
    warnings.iter().any(|warning| warning == WARNING)
}

/// What gateway a sends to bob.
fn partner_mail() -> Vec<u8> {
    let gateway = stack::gateway("a", &stack::policy(&[Domain], true, ""));
    let made = People::new().made(&"C".parse().unwrap(), Form::Opaque);
    let outcome = stack::send(&gateway, &made.message());
    stack::octets(&stack::edition(&outcome).unwrap().message)
}

#[test]
fn signed_content_that_comes_again_from_somebody_else_is_flagged() {
    let mail = partner_mail();
    let inbound =
        "[[rule]]\nname = \"all\"\nwhen = \"true\"\ndecrypt = true\ndeliver = \"clear\"\n";
    let gateway = stack::gateway("b", inbound);
    let first = stack::arrive(&gateway, &mail, "alice@a.example");
    assert!(!is_flagged(&first), "{first:?}");
    let again = stack::arrive(&gateway, &mail, "alice@a.example");
    assert!(!is_flagged(&again), "the MTA tries again: {again:?}");
    let replayed = stack::arrive(&gateway, &mail, "mallory@evil.example");
    assert!(is_flagged(&replayed), "{replayed:?}");
    let text = String::from_utf8(stack::octets(&stack::edition(&replayed).unwrap().message));
    assert!(
        text.unwrap()
            .contains("Domsec-Warning: the same signed content")
    );
}

#[test]
fn what_is_encrypted_anew_is_the_same_content() {
    let mail = partner_mail();
    let inbound =
        "[[rule]]\nname = \"all\"\nwhen = \"true\"\ndecrypt = true\ndeliver = \"signed\"\n";
    let gateway = stack::gateway("b", inbound);
    let first = stack::arrive(&gateway, &mail, "alice@a.example");
    let opened = stack::octets(&stack::edition(&first).unwrap().message);
    assert!(!is_flagged(&first));
    // A stranger who got it in clear sends it on.
    let replayed = stack::arrive(&gateway, &opened, "mallory@evil.example");
    assert!(is_flagged(&replayed), "{replayed:?}");
}

#[test]
fn a_gateway_that_has_just_begun_knows_of_nothing() {
    let mail = partner_mail();
    let inbound = "[[rule]]\nname = \"all\"\nwhen = \"true\"\n";
    for sender in ["alice@a.example", "mallory@evil.example"] {
        let gateway = stack::gateway("b", inbound);
        let outcome = stack::arrive(&gateway, &mail, sender);
        assert!(!is_flagged(&outcome), "{outcome:?}");
    }
}
