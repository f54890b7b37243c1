//! AES-GCM by windows (SP 800-38D), for nonces of 96 bits.
//!
//! aws-lc-rs has the counter mode by windows, but GCM for whole buffers alone. Its hash is got out
//! of it all the same, since a tag over nothing but associated data is that hash under a mask: some
//! ten times as fast as the `ghash` crate, which only joins the windows here.

use aws_lc_rs::aead;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;
use aws_lc_rs::cipher;
use aws_lc_rs::cipher::EncryptionContext;
use aws_lc_rs::cipher::StreamingEncryptingKey;
use aws_lc_rs::cipher::UnboundCipherKey;
use aws_lc_rs::iv::FixedLength;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use zeroize::Zeroize;

use super::ciphers::append;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::aead::Aead;
use crate::crypto::aead::Authenticator;
use crate::crypto::aead::GCM_MOST;
use crate::crypto::aead::Keystream;
use crate::crypto::aead::add;
use crate::crypto::aead::first_counter;
use crate::crypto::aead::gcm_lengths;
use crate::octets::WINDOW;

/// Starts an encryption or a decryption.
pub(super) fn start(
    algorithm: ContentEncryption,
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
) -> Result<Aead<Counter, Hash>, CryptoError> {
    let (block, gcm) = match algorithm {
        ContentEncryption::Aes128Gcm => (&cipher::AES_128, &aead::AES_128_GCM),
        ContentEncryption::Aes192Gcm => (&cipher::AES_192, &aead::AES_192_GCM),
        ContentEncryption::Aes256Gcm => (&cipher::AES_256, &aead::AES_256_GCM),
        ContentEncryption::Aes128Cbc
        | ContentEncryption::Aes192Cbc
        | ContentEncryption::Aes256Cbc
        | ContentEncryption::ChaCha20Poly1305
        | ContentEncryption::DesEde3Cbc => return Err(CryptoError::Unsupported),
    };
    // The counter of another nonce may overflow its 32 bits, and aws-lc counts 128.
    let nonce = <&[u8; 12]>::try_from(nonce).map_err(|_| CryptoError::Unsupported)?;
    // The hash key: zeros under counter zero (SP 800-38D §7.1, step 1).
    let h = Counter::new(block, key, [0; 16])?.take()?;
    let mut counter = Counter::new(block, key, first_counter(nonce))?;
    let mask = counter.take()?;
    let key = LessSafeKey::new(UnboundKey::new(gcm, key).map_err(super::malformed)?);
    Aead::new(counter, Hash::new(key, h, mask)?, associated, GCM_MOST)
}

/// AES in counter mode.
pub(super) struct Counter(StreamingEncryptingKey);

impl Counter {
    fn new(
        algorithm: &'static cipher::Algorithm,
        key: &[u8],
        start: [u8; 16],
    ) -> Result<Self, CryptoError> {
        let key = UnboundCipherKey::new(algorithm, key).map_err(super::malformed)?;
        let context = EncryptionContext::Iv128(FixedLength::from(start));
        StreamingEncryptingKey::less_safe_ctr(key, context)
            .map(Self)
            .map_err(super::malformed)
    }
}

impl Keystream for Counter {
    fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        // aws-lc counts octets in an int, and wants room for a block more.
        for window in input.chunks(WINDOW) {
            append(output, window.len() + 15, |to| {
                let update = self.0.update(window, to).map_err(super::failed)?;
                Ok(update.written().len())
            })?;
        }
        Ok(())
    }
}

/// GHASH over windows, each hashed by aws-lc as associated data of a message without content.
///
/// For blocks X1..Xn aws-lc gives X1·H^(n+1) + ... + Xn·H² + L·H + mask, L holding their length.
/// `sum` is GHASH so far, times H once more: that saves dividing by H.
pub(super) struct Hash {
    key: LessSafeKey,
    h: [u8; 16],
    sum: [u8; 16],
    /// What the tag hides the hash under: the key stream's first block for the message's nonce.
    mask: [u8; 16],
    /// The same for the nonce of the windows' own tags, which nobody sees.
    window_mask: [u8; 16],
    /// H to the power of a window's blocks, for the number that was last asked for.
    power: (usize, [u8; 16]),
}

impl Hash {
    fn new(key: LessSafeKey, h: [u8; 16], mask: [u8; 16]) -> Result<Self, CryptoError> {
        let window_mask = window_tag(&key, &[])?;
        Ok(Self {
            key,
            h,
            sum: [0; 16],
            mask,
            window_mask,
            power: (1, h),
        })
    }
}

impl Authenticator for Hash {
    fn update(&mut self, blocks: &[[u8; 16]]) -> Result<(), CryptoError> {
        if self.power.0 != blocks.len() {
            self.power = (blocks.len(), power(self.h, blocks.len()));
        }
        let octets = blocks.as_flattened();
        let mut window = window_tag(&self.key, octets)?;
        add(&mut window, &self.window_mask);
        let lengths = gcm_lengths(crate::octets::length(octets), 0);
        add(&mut window, &multiply(&lengths, &self.h));
        self.sum = multiply(&self.sum, &self.power.1);
        add(&mut self.sum, &window);
        Ok(())
    }

    fn finish(mut self, associated: u64, octets: u64) -> Result<[u8; 16], CryptoError> {
        let lengths = multiply(&gcm_lengths(associated, octets), &self.h);
        add(&mut self.sum, &lengths);
        add(&mut self.sum, &self.mask);
        Ok(self.sum)
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        self.h.zeroize();
        self.mask.zeroize();
        self.window_mask.zeroize();
        self.power.1.zeroize();
    }
}

fn window_tag(key: &LessSafeKey, octets: &[u8]) -> Result<[u8; 16], CryptoError> {
    // Always the same nonce: the tag is taken apart here and leaves only within a sum.
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(octets), &mut [])
        .map_err(super::failed)?;
    <[u8; 16]>::try_from(tag.as_ref()).map_err(|_| CryptoError::Failed)
}

/// The product in the field of GHASH.
fn multiply(one: &[u8; 16], other: &[u8; 16]) -> [u8; 16] {
    let mut hash = GHash::new(&(*other).into());
    hash.update(&[(*one).into()]);
    hash.finalize().into()
}

/// `base` to the power of `exponent`, which is at least 1.
fn power(base: [u8; 16], exponent: usize) -> [u8; 16] {
    let mut power = base;
    let bits = usize::BITS - exponent.leading_zeros();
    for bit in (0..bits.saturating_sub(1)).rev() {
        power = multiply(&power, &power);
        if exponent >> bit & 1 == 1 {
            power = multiply(&power, &base);
        }
    }
    power
}
