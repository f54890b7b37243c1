//! Layers of mailing lists that are not as they should be, or say more than they should
//! (DESIGN, decision 9; RFC 2634 §4.1).

use domsec::gateway::outcome::Outcome;
use domsec::notation::SignatureType;

use super::openssl;
use super::stack;
use super::stack::CONTENT;
use super::stack::Form;
use super::stack::Made;
use super::stack::People;

fn sent(entity: Vec<u8>) -> Outcome {
    let made = Made {
        entities: vec![entity],
    };
    let gateway = stack::gateway("a", &stack::policy(&[SignatureType::Domain], false, ""));
    stack::send(&gateway, &made.message())
}

fn inside(people: &People) -> Vec<u8> {
    let made = people.made(&"S(C)".parse().unwrap(), Form::Detached);
    made.entities[0].clone()
}

fn count(octets: &[u8], part: &[u8]) -> usize {
    octets
        .windows(part.len())
        .filter(|one| *one == part)
        .count()
}

#[test]
fn two_agents_of_a_list_that_agree_are_one_layer_signed_by_us() {
    let people = People::new();
    let signers = [
        (&people.list, vec![stack::history(1), stack::label(1)]),
        (
            &people.second_list,
            vec![stack::history(1), stack::label(1)],
        ),
    ];
    let list = people.signed_by(&inside(&people), &signers, &[], Form::Opaque);
    let outcome = sent(list);
    let edition = stack::edition(&outcome).unwrap();
    assert_eq!(edition.layers.to_string(), "S[ml](S[domain](S(C)))");
    if openssl::installed() {
        let folder = tempfile::TempDir::new().unwrap();
        let peeled = openssl::peel(&stack::octets(&edition.message), folder.path()).unwrap();
        assert_eq!(peeled.layers, edition.layers);
        assert_eq!(count(&peeled.der[0], &stack::history(1)), 1);
        assert_eq!(count(&peeled.der[0], &stack::label(1)), 1);
    }
}

#[test]
fn two_agents_of_a_list_that_differ_make_the_message_invalid() {
    let people = People::new();
    let signers = [
        (&people.list, vec![stack::history(1)]),
        (&people.second_list, vec![stack::history(2)]),
    ];
    let list = people.signed_by(&inside(&people), &signers, &[], Form::Opaque);
    let outcome = sent(list);
    let refused = stack::edition(&outcome).unwrap_err();
    assert!(
        refused.contains("different mlExpansionHistory"),
        "{refused}"
    );
}

#[test]
fn a_spoiled_layer_of_a_list_is_not_remembered_and_its_message_not_signed() {
    let people = People::new();
    let signers = [(&people.list, vec![stack::history(1)])];
    let sound = people.signed_by(CONTENT.as_bytes(), &signers, &[], Form::Detached);
    assert!(stack::edition(&sent(sound.clone())).is_ok());
    let spoiled = String::from_utf8(sound)
        .unwrap()
        .replace("17 and 4", "71 and 4");
    let refused = stack::edition(&sent(spoiled.into_bytes())).unwrap_err();
    assert!(refused.contains("Refuse"), "{refused}");
    assert!(refused.contains("the content was changed"), "{refused}");
}

#[test]
fn a_type_and_preferences_of_a_list_do_not_become_ours() {
    let people = People::new();
    // smimeCapabilities (1.2.840.113549.1.9.15), which are the list's own.
    let capabilities = [
        0x30, 0x0f, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 15, 0x31, 2, 0x30, 0,
    ];
    let attributes = vec![stack::history(1), stack::label(1), capabilities.to_vec()];
    let types = [SignatureType::Review];
    let reviewer = stack::identity("reviewer-a");
    let signers = [(&reviewer, attributes)];
    let list = people.signed_by(&inside(&people), &signers, &types, Form::Opaque);
    let outcome = sent(list);
    let edition = stack::edition(&outcome).unwrap();
    assert_eq!(edition.layers.to_string(), "S[ml](S[domain](S(C)))");
    if openssl::installed() {
        let folder = tempfile::TempDir::new().unwrap();
        let peeled = openssl::peel(&stack::octets(&edition.message), folder.path()).unwrap();
        let outer = &peeled.der[0];
        assert_eq!(count(outer, &stack::history(1)), 1);
        assert_eq!(count(outer, &stack::label(1)), 1);
        assert_eq!(count(outer, &capabilities), 0);
        assert_eq!(peeled.layers, edition.layers);
    }
}
