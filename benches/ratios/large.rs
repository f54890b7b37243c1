//! Messages of 25 MB that are signed or encrypted into a sink.
//!
//! Signing counts whole: transit form, digest, base64 with its line ends, and for `multipart/signed`
//! the search for the boundary. What is encrypted is in transit form already, as S inside E is.

use std::hint::black_box;

use domsec::cms::write_enveloped::Envelope;
use domsec::crypto::ContentEncryption;
use domsec::octets::View;

use crate::measure::Counter;
use crate::measure::Session;
use crate::people;
use crate::people::People;
use crate::primitives;

/// 25 MB.
pub(crate) const OCTETS: usize = 25_000_000;
/// What may be allocated beyond the input.
pub(crate) const MIB: usize = 1 << 20;

pub(crate) fn rows(session: &mut Session) {
    let people = People::new();
    let message = people::message(OCTETS);
    let content = octets(&people.payload(&message).inside);
    signing(session, &people, &message, &content);
    for cipher in [ContentEncryption::Aes256Cbc, ContentEncryption::Aes256Gcm] {
        encrypting(session, &people, (&message, &content), cipher);
    }
}

/// All octets of `view`.
pub(crate) fn octets(view: &View) -> Vec<u8> {
    let octets = view.to_vec(usize::MAX).expect("in memory");
    octets.expect("no limit")
}

fn signing(session: &mut Session, people: &People, message: &View, content: &[u8]) {
    let sign = |detached| {
        let payload = people.payload(message);
        let mut sink = Counter::default();
        people.sign(&payload, &people.alice, detached, &mut sink);
        black_box(sink);
    };
    let opaque = || {
        primitives::digest(content);
        primitives::encode(content);
    };
    session.time(
        "25 MB: sign, opaque / hash, base64",
        1.6,
        1,
        || sign(false),
        opaque,
    );
    session.memory("25 MB: sign, opaque: allocated / 1 MiB", MIB, || {
        sign(false)
    });
    let detached = || primitives::digest(content);
    session.time(
        "25 MB: sign, detached / hash",
        1.6,
        1,
        || sign(true),
        detached,
    );
    session.memory("25 MB: sign, detached: allocated / 1 MiB", MIB, || {
        sign(true)
    });
}

fn encrypting(
    session: &mut Session,
    people: &People,
    (message, content): (&View, &[u8]),
    cipher: ContentEncryption,
) {
    let payload = people.payload(message);
    let encrypt = || {
        let envelope = Envelope::new(cipher, vec![people.to_bob(cipher)]);
        let mut sink = Counter::default();
        people
            .sealer()
            .encrypt(&payload.inside, &envelope, &mut sink)
            .expect("encrypts");
        black_box(sink);
    };
    let bare = || {
        primitives::encrypt(cipher, content);
        primitives::encode(content);
    };
    let name = format!("25 MB: encrypt, {cipher} / cipher, base64");
    session.time(&name, 1.6, 1, encrypt, bare);
    if cipher.is_authenticated() {
        let mut buffer = content.to_vec();
        let whole = || {
            let _tag = black_box(primitives::gcm_encrypt(&mut buffer));
            primitives::encode(content);
        };
        let name = format!("25 MB: encrypt, {cipher} / GCM whole, base64");
        session.time(&name, 1.6, 1, encrypt, whole);
    }
    let name = format!("25 MB: encrypt, {cipher}: allocated / 1 MiB");
    session.memory(&name, MIB, encrypt);
}
