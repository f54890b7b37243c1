//! ChaCha20-Poly1305 by windows (RFC 8439 §2.8, RFC 8103).

use chacha20::ChaCha20;
use cipher::Array;
use cipher::KeyIvInit;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use poly1305::universal_hash::UniversalHash;
use zeroize::Zeroize;

use super::ciphers::Counter;
use crate::crypto::CryptoError;
use crate::crypto::aead::Aead;
use crate::crypto::aead::Authenticator;
use crate::crypto::aead::Keystream;

/// The most octets of one message: the block counter has 32 bits, and block 0 is the hash's.
const MOST: u64 = ((1 << 32) - 1) * 64;

/// Starts an encryption or a decryption.
pub(super) fn start(
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
) -> Result<Aead<Counter<ChaCha20>, PolyHash>, CryptoError> {
    let cipher = ChaCha20::new_from_slices(key, nonce).map_err(|_| CryptoError::Malformed)?;
    let mut keystream = Counter(cipher);
    // RFC 8439 §2.6: half of block 0 is the one-time key, the rest is not used.
    let (mut one_time, _): ([u8; 32], [u8; 32]) = (keystream.take()?, keystream.take()?);
    let hash = PolyHash(<Poly1305 as KeyInit>::new(&one_time.into()));
    one_time.zeroize();
    Aead::new(keystream, hash, associated, MOST)
}

/// Poly1305, with lengths in the manner of RFC 8439.
pub(super) struct PolyHash(Poly1305);

impl Authenticator for PolyHash {
    fn update(&mut self, blocks: &[[u8; 16]]) -> Result<(), CryptoError> {
        self.0.update(Array::cast_slice_from_core(blocks));
        Ok(())
    }

    fn finish(mut self, associated: u64, octets: u64) -> Result<[u8; 16], CryptoError> {
        let lengths = (u128::from(octets) << 64) | u128::from(associated);
        self.0.update(&[lengths.to_le_bytes().into()]);
        Ok(self.0.finalize().into())
    }
}
