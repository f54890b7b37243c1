//! What a message teaches of its author, and what it must not (RFC 8551 §2.5).

use domsec::cms::attributes::Capability;
use domsec::cms::attributes::Oid;
use domsec::cms::attributes::build;
use domsec::gateway::learned::Lesson;
use domsec::notation::SignatureType;
use domsec::tlv::element;
use domsec::tlv::tag;
use domsec::x509::Identity;
use domsec::x509::Time;

use super::stack;
use super::stack::CONTENT;
use super::stack::FIELDS;
use super::stack::Form;
use super::stack::NOW;
use super::stack::People;
use super::stack::identity;

/// What the gateway of b.example learns from an entity that arrives for bob with these header fields.
fn lessons_of(fields: &str, entity: &[u8]) -> Vec<Lesson> {
    let gateway = stack::gateway("b", &stack::policy(&[], false, ""));
    let message = [fields.as_bytes(), entity].concat();
    let outcome = stack::arrive(&gateway, &message, "alice@a.example");
    outcome.learned.lessons
}

fn lessons(entity: &[u8]) -> Vec<Lesson> {
    lessons_of(FIELDS, entity)
}

/// The one lesson, which is alice's, with the certificate of this name or without one.
fn taught(entity: &[u8], certificate: Option<&str>) -> Lesson {
    let mut lessons = lessons(entity);
    assert_eq!(lessons.len(), 1, "{lessons:?}");
    let lesson = lessons.remove(0);
    assert_eq!(lesson.mailbox, "alice@a.example".parse().unwrap());
    assert_eq!(lesson.signed_at, Time::from_unix(NOW));
    let found = lesson.certificate.as_ref().map(|path| &path.certificate);
    let wanted = certificate.map(identity);
    assert_eq!(
        found,
        wanted.as_ref().map(Identity::certificate),
        "{certificate:?}"
    );
    lesson
}

/// CONTENT signed by `signer` with these attributes, and certificates that come along.
fn signed(signer: &str, attributes: Vec<Vec<u8>>, others: &[&str]) -> Vec<u8> {
    signed_as(signer, &[], attributes, others)
}

fn signed_as(
    signer: &str,
    types: &[SignatureType],
    attributes: Vec<Vec<u8>>,
    others: &[&str],
) -> Vec<u8> {
    let others: Vec<Identity> = others.iter().map(|name| identity(name)).collect();
    let others: Vec<&Identity> = others.iter().collect();
    let signers = [(&identity(signer), attributes)];
    let people = People::new();
    people.signed_with(CONTENT.as_bytes(), &signers, (types, &others), Form::Opaque)
}

/// SMIMEEncryptionKeyPreference by issuer and serial number (RFC 8551 §2.5.3).
fn preference(name: &str) -> Vec<u8> {
    let identity = identity(name);
    let certificate = identity.certificate();
    let serial = element(tag::INTEGER, &[certificate.serial()]);
    // The number of the attribute in its arc, id-aa 11; the choice `[0]` is implicit.
    stack::attribute(
        11,
        &element(tag::context(0), &[certificate.issuer(), &serial]),
    )
}

#[test]
fn a_signature_of_the_author_teaches_its_own_certificate_with_its_path() {
    let lesson = taught(&signed("alice", Vec::new(), &[]), Some("alice"));
    let intermediates = lesson.certificate.unwrap().intermediates;
    assert_eq!(intermediates.len(), 1);
    assert!(intermediates[0].subject_name().contains("ntermediate"));
    assert_eq!(lesson.capabilities, None);
}

#[test]
fn capabilities_are_learned_as_they_were_signed() {
    let aes_256_gcm = Oid::from(const_oid::ObjectIdentifier::new_unwrap(
        "2.16.840.1.101.3.4.1.46",
    ));
    let capability = Capability {
        oid: aes_256_gcm,
        parameters: None,
    };
    let attribute = build::smime_capabilities(std::slice::from_ref(&capability));
    let lesson = taught(&signed("alice", vec![attribute], &[]), Some("alice"));
    let der = lesson.capabilities.unwrap();
    let read = domsec::cms::attributes::Capabilities::decode(&der).unwrap();
    assert_eq!(read.0, [capability]);
}

#[test]
fn the_certificate_that_the_signer_prefers_is_learned_and_no_other() {
    // One that signs alone, by the submission agent, and names the one to encrypt to.
    let agent = "delegated-alice";
    let delegated = |preferred: &str, others: &[&str]| {
        let types = [SignatureType::Delegated];
        signed_as(agent, &types, vec![preference(preferred)], others)
    };
    taught(&delegated("alice", &["alice"]), Some("alice"));
    // It did not come along.
    taught(&delegated("alice", &[]), None);
    // It names somebody else.
    taught(&delegated("bob", &["bob"]), None);
    // Its key may not be encrypted to.
    taught(&delegated(agent, &[]), None);
    // Its path leads nowhere, or it is over: and no other takes its place.
    for bad in ["alice-impostor", "alice-expired", "alice-future"] {
        taught(&signed("alice", vec![preference(bad)], &[bad]), None);
    }
    // It cannot be read.
    let malformed = stack::attribute(11, &element(tag::SEQUENCE, &[]));
    taught(&signed("alice", vec![malformed], &[]), None);
}

#[test]
fn who_signs_with_one_key_and_names_no_other_teaches_none() {
    // Other certificates that come along are of other subjects, whatever their addresses.
    let agent = signed_as(
        "delegated-alice",
        &[SignatureType::Delegated],
        Vec::new(),
        &["alice"],
    );
    taught(&agent, None);
}

#[test]
fn a_message_in_the_name_of_another_teaches_nothing() {
    let entity = signed("mallory", Vec::new(), &["alice"]);
    assert_eq!(lessons(&entity), []);
    // Nor of the one who signed it, who does not speak.
    let entity = signed("alice", Vec::new(), &[]);
    let other = FIELDS.replace("alice@a.example", "carol@a.example");
    assert_eq!(lessons_of(&other, &entity), []);
    let nobody = FIELDS.replace("From: Alice <alice@a.example>\r\n", "");
    assert_eq!(lessons_of(&nobody, &entity), []);
    // Mallory has a certificate for both, and teaches of nobody but whom From names.
    let both = signed("alice-mallory", Vec::new(), &[]);
    taught(&both, Some("alice-mallory"));
    // An address that names alice in the subject alone names her nowhere.
    assert_eq!(lessons(&signed("alice-subject", Vec::new(), &[])), []);
}

#[test]
fn what_does_not_verify_teaches_nothing() {
    let entity = signed("alice", Vec::new(), &[]);
    assert_eq!(lessons(&entity).len(), 1);
    let detached = People::new().made(&"S(C)".parse().unwrap(), Form::Detached);
    let text = String::from_utf8(detached.entities[0].clone()).unwrap();
    let changed = text.replace("17 and 4", "18 and 4");
    assert_ne!(changed, text);
    assert_eq!(lessons(text.as_bytes()).len(), 1);
    assert_eq!(lessons(changed.as_bytes()), []);
    for wrong in ["alice-impostor", "alice-expired", "alice-future"] {
        assert_eq!(lessons(&signed(wrong, Vec::new(), &[])), [], "{wrong}");
    }
}

#[test]
fn a_domain_a_reviewer_and_a_list_teach_nothing_and_hide_nothing() {
    let people = People::new();
    let of = |layers: &str| {
        let made = people.made(&layers.parse().unwrap(), Form::Opaque);
        lessons(&made.entities[0])
    };
    assert_eq!(of("S[domain](S[empty](C))"), []);
    for layers in [
        "S[domain](S(C))",
        "S[review](S(C))",
        "S[ml](S(C))",
        "S[ml](S[domain](S(C)))",
    ] {
        let lessons = of(layers);
        assert_eq!(lessons.len(), 1, "{layers}");
        let path = lessons[0].certificate.as_ref().unwrap();
        assert_eq!(
            &path.certificate,
            identity("alice").certificate(),
            "{layers}"
        );
    }
    // A list that nobody trusts makes the message one of which not all is known.
    let inside = people.made(&"S(C)".parse().unwrap(), Form::Detached);
    let stranger = identity("alice-impostor");
    let signers = [(&stranger, vec![stack::history(1)])];
    let entity = people.signed_by(&inside.entities[0], &signers, &[], Form::Opaque);
    assert_eq!(lessons(&entity), []);
}

#[test]
fn what_is_inside_an_encryption_counts_once_its_signature_is_verified() {
    let people = People::new();
    let to_us = identity("dca-b");
    let cipher = domsec::crypto::ContentEncryption::Aes256Cbc;
    let encrypted = |inside: &[u8]| people.encrypted(inside, &to_us, cipher);
    taught(&encrypted(&signed("alice", Vec::new(), &[])), Some("alice"));
    let preferring = signed_as(
        "delegated-alice",
        &[SignatureType::Delegated],
        vec![preference("alice")],
        &["alice"],
    );
    taught(&encrypted(&preferring), Some("alice"));
    assert_eq!(
        lessons(&encrypted(&signed("mallory", Vec::new(), &["alice"]))),
        []
    );
    assert_eq!(lessons(&encrypted(CONTENT.as_bytes())), []);
    // To somebody else: nothing of it is seen.
    let closed = people.encrypted(&signed("alice", Vec::new(), &[]), &identity("bob"), cipher);
    assert_eq!(lessons(&closed), []);
}

#[test]
fn what_is_inside_an_encryption_and_damaged_teaches_nothing() {
    let people = People::new();
    let to_us = identity("dca-b");
    let made = people.made(&"S(C)".parse().unwrap(), Form::Detached);
    let text = String::from_utf8(made.entities[0].clone()).unwrap();
    let changed = text.replace("17 and 4", "18 and 4");
    assert_ne!(changed, text);
    for cipher in [
        domsec::crypto::ContentEncryption::Aes256Cbc,
        domsec::crypto::ContentEncryption::Aes256Gcm,
    ] {
        let encrypted = |inside: &str| people.encrypted(inside.as_bytes(), &to_us, cipher);
        assert_eq!(lessons(&encrypted(&text)).len(), 1);
        assert_eq!(lessons(&encrypted(&changed)), []);
        // Nor where a good signature of the author stands around it.
        let inside = encrypted(&changed);
        let signers = [(&identity("alice"), Vec::new())];
        let around = people.signed_with(&inside, &signers, (&[], &[]), Form::Opaque);
        assert_eq!(lessons(&around), []);
    }
}

#[test]
fn capabilities_beyond_all_measure_are_not_remembered() {
    let of = |count: usize| {
        let aes_256_gcm = const_oid::ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46");
        let capability = Capability {
            oid: Oid::from(aes_256_gcm),
            parameters: None,
        };
        let attribute = build::smime_capabilities(&vec![capability; count]);
        taught(&signed("alice", vec![attribute], &[]), Some("alice")).capabilities
    };
    assert!(of(10).is_some());
    assert_eq!(of(2_000), None);
}
