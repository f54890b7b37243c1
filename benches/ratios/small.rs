//! Messages of 4 KB, where public-key operations are nearly all there is.

use std::hint::black_box;

use domsec::cms::write_signed::SignerPlan;
use domsec::crypto;
use domsec::crypto::ContentEncryption;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::Message;
use domsec::crypto::RsaEncryption;
use domsec::crypto::SignatureAlgorithm;
use domsec::gateway::open::Kind;
use domsec::octets::View;
use domsec::x509::Certificate;
use domsec::x509::Identity;

use crate::measure::Session;
use crate::people;
use crate::people::People;

const OCTETS: usize = 4096;
const CIPHER: ContentEncryption = ContentEncryption::Aes256Cbc;

pub(crate) fn rows(session: &mut Session) {
    let people = People::new();
    let message = people::message(OCTETS);
    signing(
        session,
        &people,
        &message,
        ("RSA-2048", 1.3, 4),
        &people.alice,
    );
    signing(
        session,
        &people,
        &message,
        ("P-256", 5.0, 40),
        &people.carol,
    );
    opening(session, &people, &message);
}

/// Transit form, signature, the check of our own output and base64, against the signature of a digest.
fn signing(
    session: &mut Session,
    people: &People,
    message: &View,
    (kind, bound, calls): (&str, f64, u32),
    signer: &Identity,
) {
    let algorithm = SignerPlan::default_algorithm(signer.certificate().spki()).expect("signs");
    let bare = || {
        let digest = Message::Digest(DigestAlgorithm::Sha256, &[7; 32]);
        black_box(signer.key().sign(&algorithm, digest)).expect("signs");
    };
    for (form, detached) in [("opaque", false), ("detached", true)] {
        let name = format!("4 KB: sign, {kind}, {form} / bare signature");
        let whole = || {
            let payload = people.payload(message);
            let mut signed = Vec::new();
            people.sign(&payload, signer, detached, &mut signed);
            black_box(signed);
        };
        session.time(&name, bound, calls, whole, bare);
    }
}

/// Decrypts and verifies E(S(C)), the path to the anchor included: its two signatures are among the
/// bare operations, which are one RSA decryption, CBC, a digest and three verifications.
fn opening(session: &mut Session, people: &People, message: &View) {
    let signed = people.signed(message, &people.alice, false);
    let encrypted = people.encrypted(&signed, CIPHER);
    let opened = people.verify(&encrypted);
    assert_eq!(opened.root.layers().to_string(), "E(S(C))");
    let Kind::Enveloped(_, Some(inside)) = &opened.root.kind else {
        panic!("not opened");
    };
    let octets = usize::try_from(inside.octets).expect("4 KB");

    let provider = crypto::provider();
    let rsa = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
    let bob = people.bob.0.first().expect("Bob");
    let to_bob = provider
        .establishment
        .encrypt(bob.certificate().spki(), &RsaEncryption::Pkcs1, &[5; 32])
        .expect("encrypts");
    let attributes = [3; 300];
    let by_alice = people.alice.key().sign(&rsa, Message::Octets(&attributes));
    let by_alice = by_alice.expect("signs");
    let ciphertext = vec![9; octets - octets % 16 + 16];
    let content = vec![8; OCTETS];
    let intermediate = people.alice.chain().first().expect("intermediate");
    let verify = |by: &Certificate, message: &[u8], signature: &[u8]| {
        let message = Message::Octets(message);
        let verified = provider
            .verification
            .verify(by.spki(), &rsa, message, signature);
        let _valid = black_box(verified).expect("verifies");
    };
    let bare = || {
        let key = bob.key().decrypt(&RsaEncryption::Pkcs1, &to_bob);
        let key = key.expect("decrypts");
        let mut output = Vec::with_capacity(ciphertext.len() + 16);
        provider
            .ciphers
            .decryptor(CIPHER, &key, &[1; 16], &[])
            .and_then(|mut decryptor| decryptor.update(&ciphertext, &mut output))
            .expect("decrypts");
        black_box(output);
        let mut digester = provider
            .digests
            .start(DigestAlgorithm::Sha256)
            .expect("SHA-256");
        digester.update(&content);
        black_box(digester.finish());
        let alice = people.alice.certificate();
        verify(alice, &attributes, &by_alice);
        verify(intermediate, alice.tbs(), alice.signature());
        verify(&people.root, intermediate.tbs(), intermediate.signature());
    };
    let whole = || {
        black_box(people.verify(&encrypted));
    };
    let name = "4 KB: decrypt and verify E(S(C)), RSA-2048 / bare operations";
    session.time(name, 1.25, 4, whole, bare);
}
