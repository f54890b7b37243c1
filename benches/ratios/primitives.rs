//! What must run over the octets of a large message, with nothing of ours around it.
//!
//! All go by windows through one small buffer, so that nothing waits for memory but for the input;
//! `base64-simd` makes and reads no line ends. GCM is there a second time, whole, as aws-lc-rs has it.

use std::hint::black_box;

use aws_lc_rs::aead;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;
use base64_simd::AsOut;
use base64_simd::STANDARD_NO_PAD;
use domsec::crypto;
use domsec::crypto::ContentEncryption;
use domsec::crypto::DigestAlgorithm;
use domsec::octets::WINDOW;

/// SHA-256.
pub(crate) fn digest(octets: &[u8]) {
    let digester = crypto::provider().digests.start(DigestAlgorithm::Sha256);
    let mut digester = digester.expect("SHA-256");
    for window in octets.chunks(WINDOW) {
        digester.update(window);
    }
    black_box(digester.finish());
}

pub(crate) fn encode(octets: &[u8]) {
    let mut digits = vec![0; WINDOW];
    for window in octets.chunks(WINDOW / 4 * 3) {
        black_box(STANDARD_NO_PAD.encode(window, digits.as_out()));
    }
}

/// The digits of as many of `octets` as make whole quanta.
pub(crate) fn digits(octets: &[u8]) -> String {
    let (quanta, _) = octets.as_chunks::<3>();
    STANDARD_NO_PAD.encode_to_string(quanta.as_flattened())
}

pub(crate) fn decode(digits: &str) {
    let mut octets = vec![0; WINDOW];
    for window in digits.as_bytes().chunks(WINDOW) {
        let decoded = STANDARD_NO_PAD.decode(window, octets.as_out());
        black_box(decoded).expect("base64");
    }
}

/// By the provider's own windows; without the tag or padding.
pub(crate) fn encrypt(cipher: ContentEncryption, octets: &[u8]) {
    let ciphers = crypto::provider().ciphers;
    let (key, nonce) = key_and_nonce(cipher);
    let mut encryptor = ciphers.encryptor(cipher, &key, &nonce, &[]).expect("a key");
    let mut output = Vec::with_capacity(WINDOW + 16);
    for window in octets.chunks(WINDOW) {
        output.clear();
        encryptor.update(window, &mut output).expect("encrypts");
        black_box(&output);
    }
}

/// The same the other way; `octets` may be any.
pub(crate) fn decrypt(cipher: ContentEncryption, octets: &[u8]) {
    let ciphers = crypto::provider().ciphers;
    let (key, nonce) = key_and_nonce(cipher);
    let mut decryptor = ciphers.decryptor(cipher, &key, &nonce, &[]).expect("a key");
    let mut output = Vec::with_capacity(WINDOW + 16);
    for window in octets.chunks(WINDOW) {
        output.clear();
        decryptor.update(window, &mut output).expect("decrypts");
        black_box(&output);
    }
}

fn key_and_nonce(cipher: ContentEncryption) -> (Vec<u8>, Vec<u8>) {
    (vec![1; cipher.key_octets()], vec![2; cipher.nonce_octets()])
}

/// AES-256 in GCM, in place.
pub(crate) fn gcm_encrypt(octets: &mut [u8]) -> aead::Tag {
    let tag = gcm_key().seal_in_place_separate_tag(nonce(), Aad::empty(), octets);
    black_box(tag).expect("GCM")
}

pub(crate) fn gcm_decrypt(ciphertext: &[u8], tag: &aead::Tag, output: &mut [u8]) {
    let key = gcm_key();
    let opened = key.open_separate_gather(nonce(), Aad::empty(), ciphertext, tag.as_ref(), output);
    black_box(opened).expect("the tag");
}

fn gcm_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, &[1; 32]).expect("32 octets"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([3; 12])
}
