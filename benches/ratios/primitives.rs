//! What must run over the octets of a large message, in the fastest form that the libraries have.
//!
//! All but GCM, which aws-lc does whole, go by windows through one small buffer: nothing here waits
//! for memory that is not in a cache but the input. Base64 is without line ends.

use std::hint::black_box;

use aws_lc_rs::aead;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;
use aws_lc_rs::cipher;
use aws_lc_rs::cipher::DecryptionContext;
use aws_lc_rs::cipher::EncryptionContext;
use aws_lc_rs::cipher::StreamingDecryptingKey;
use aws_lc_rs::cipher::StreamingEncryptingKey;
use aws_lc_rs::cipher::UnboundCipherKey;
use aws_lc_rs::iv::FixedLength;
use base64_simd::AsOut;
use base64_simd::STANDARD_NO_PAD;
use domsec::crypto;
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

/// AES-256 in CBC.
pub(crate) fn cbc_encrypt(octets: &[u8]) {
    let context = EncryptionContext::Iv128(FixedLength::from([2; 16]));
    let key = StreamingEncryptingKey::less_safe_cbc_pkcs7(cbc_key(), context);
    let mut key = key.expect("AES");
    let mut output = vec![0; WINDOW + 16];
    for window in octets.chunks(WINDOW) {
        black_box(key.update(window, &mut output)).expect("room");
    }
}

pub(crate) fn cbc_decrypt(octets: &[u8]) {
    let context = DecryptionContext::Iv128(FixedLength::from([2; 16]));
    let key = StreamingDecryptingKey::cbc_pkcs7(cbc_key(), context);
    let mut key = key.expect("AES");
    let mut output = vec![0; WINDOW + 16];
    for window in octets.chunks(WINDOW) {
        black_box(key.update(window, &mut output)).expect("room");
    }
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

fn cbc_key() -> UnboundCipherKey {
    UnboundCipherKey::new(&cipher::AES_256, &[1; 32]).expect("32 octets")
}

fn gcm_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, &[1; 32]).expect("32 octets"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([3; 12])
}
