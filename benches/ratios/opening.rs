//! Messages of 25 MB that are verified or decrypted.
//!
//! Memory is counted beyond the message itself: what base64 encodes is one copy, and what was
//! decrypted is the result. A `multipart/signed` is verified where it lies.

use std::hint::black_box;

use domsec::crypto::ContentEncryption;
use domsec::limits::Budget;
use domsec::octets::View;

use crate::large;
use crate::large::MIB;
use crate::large::OCTETS;
use crate::large::octets;
use crate::measure::Session;
use crate::people;
use crate::people::People;
use crate::primitives;

pub(crate) fn rows(session: &mut Session) {
    let people = People::new();
    let message = people::message(OCTETS);
    let content = octets(&people.payload(&message).inside);
    let digits = primitives::digits(&content);
    let copy = content.len() + MIB;

    let opaque = people.signed(&message, &people.alice, false);
    let verify = |message: &View| {
        black_box(people.verify(message));
    };
    let bare = || {
        primitives::decode(&digits);
        primitives::digest(&content);
    };
    session.time(
        "25 MB: verify, opaque / base64, hash",
        1.6,
        1,
        || verify(&opaque),
        bare,
    );
    let name = "25 MB: verify, opaque: allocated / one copy + 1 MiB";
    session.memory(name, copy, || verify(&opaque));
    drop(opaque);

    let detached = people.signed(&message, &people.alice, true);
    let bare = || primitives::digest(&content);
    session.time(
        "25 MB: verify, multipart/signed / hash",
        1.6,
        1,
        || verify(&detached),
        bare,
    );
    let name = "25 MB: verify, multipart/signed: allocated / 1 MiB";
    session.memory(name, MIB, || verify(&detached));
    drop(detached);

    for cipher in [ContentEncryption::Aes256Cbc, ContentEncryption::Aes256Gcm] {
        let encrypted = people.encrypted(&message, cipher);
        decrypting(session, &people, (&encrypted, &content, &digits), cipher);
    }
}

fn decrypting(
    session: &mut Session,
    people: &People,
    (encrypted, content, digits): (&View, &[u8], &str),
    cipher: ContentEncryption,
) {
    let decrypt = || {
        let mut budget = Budget::new(&people.limits);
        let opened = people.opener().open(encrypted, &mut budget);
        assert_eq!(opened.root.layers().to_string(), "E(C)");
        black_box(opened);
    };
    let bare = || {
        primitives::decode(digits);
        primitives::decrypt(cipher, content);
    };
    let name = format!("25 MB: decrypt, {cipher} / base64, cipher");
    session.time(&name, 1.6, 1, decrypt, bare);
    if cipher.is_authenticated() {
        let mut ciphertext = content.to_vec();
        let tag = primitives::gcm_encrypt(&mut ciphertext);
        let mut output = vec![0; ciphertext.len()];
        let whole = || {
            primitives::decode(digits);
            primitives::gcm_decrypt(&ciphertext, &tag, &mut output);
        };
        let name = format!("25 MB: decrypt, {cipher} / base64, GCM whole");
        session.time(&name, 1.6, 1, decrypt, whole);
    }
    let name = format!("25 MB: decrypt, {cipher}: allocated / copy, result, 1 MiB");
    session.memory(&name, 2 * content.len() + large::MIB, decrypt);
}
