//! Authenticated encryption by windows: a key stream and a polynomial hash over what it makes.
//!
//! AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439 §2.8) differ in the two parts alone.

use subtle::ConstantTimeEq;

use super::blocks::Blocks;
use super::{CryptoError, Decryptor, Encryptor};

/// Octets that are added to a message by exclusive or.
pub(super) trait Keystream: Send {
    /// Writes `input` under the next octets of the stream to `output`, which is as long.
    fn apply(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), CryptoError>;
}

/// The hash that becomes the tag.
pub(super) trait Authenticator: Send {
    /// Adds whole blocks.
    fn update(&mut self, blocks: &[[u8; 16]]) -> Result<(), CryptoError>;
    /// Adds the two lengths in octets and gives the tag.
    fn finish(self, associated: u64, octets: u64) -> Result<[u8; 16], CryptoError>;
}

/// One encryption or decryption.
pub(super) struct Aead<K, A> {
    keystream: K,
    authenticator: A,
    blocks: Blocks<16>,
    associated: u64,
    octets: u64,
    /// The most octets that the key stream has for one nonce.
    most: u64,
}

impl<K: Keystream, A: Authenticator> Aead<K, A> {
    pub(super) fn new(
        keystream: K,
        authenticator: A,
        associated: &[u8],
        most: u64,
    ) -> Result<Self, CryptoError> {
        let mut aead = Self {
            keystream,
            authenticator,
            blocks: Blocks::new(),
            associated: crate::octets::length(associated),
            octets: 0,
            most,
        };
        aead.authenticate(associated)?;
        aead.pad()?;
        Ok(aead)
    }

    /// Adds ciphertext to the hash.
    fn authenticate(&mut self, octets: &[u8]) -> Result<(), CryptoError> {
        let mut outcome = Ok(());
        self.blocks.push(octets, |blocks| {
            if outcome.is_ok() {
                outcome = self.authenticator.update(blocks);
            }
        });
        outcome
    }

    fn pad(&mut self) -> Result<(), CryptoError> {
        match self.blocks.padded(0) {
            Some(block) => self.authenticator.update(&[block]),
            None => Ok(()),
        }
    }

    /// Applies the key stream and gives the octets that were appended to `output`.
    fn apply<'o>(
        &mut self,
        input: &[u8],
        output: &'o mut Vec<u8>,
    ) -> Result<&'o [u8], CryptoError> {
        self.octets = self
            .octets
            .checked_add(crate::octets::length(input))
            .filter(|octets| *octets <= self.most)
            .ok_or(CryptoError::Malformed)?;
        let start = output.len();
        output.resize(start.saturating_add(input.len()), 0);
        let appended = output.get_mut(start..).unwrap_or_default();
        self.keystream.apply(input, appended)?;
        Ok(appended)
    }

    fn tag(mut self) -> Result<[u8; 16], CryptoError> {
        self.pad()?;
        self.authenticator.finish(self.associated, self.octets)
    }
}

impl<K: Keystream, A: Authenticator> Encryptor for Aead<K, A> {
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        let appended = self.apply(input, output)?;
        self.authenticate(appended)
    }

    fn finish(self: Box<Self>, _: &mut Vec<u8>) -> Result<Vec<u8>, CryptoError> {
        Ok((*self).tag()?.to_vec())
    }
}

impl<K: Keystream, A: Authenticator> Decryptor for Aead<K, A> {
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.authenticate(input)?;
        self.apply(input, output)?;
        Ok(())
    }

    /// `tag` may be cut to 12 octets (RFC 5084 §3.2); which length it must have is the caller's
    /// to check.
    fn finish(self: Box<Self>, tag: &[u8], _: &mut Vec<u8>) -> Result<(), CryptoError> {
        let computed = (*self).tag()?;
        if tag.len() < 12 {
            return Err(CryptoError::Malformed);
        }
        let computed = computed.get(..tag.len()).ok_or(CryptoError::Malformed)?;
        if bool::from(computed.ct_eq(tag)) {
            Ok(())
        } else {
            Err(CryptoError::Failed)
        }
    }
}

/// The most octets of one AES-GCM message (SP 800-38D §5.2.1.1).
pub(super) const GCM_MOST: u64 = (1 << 36) - 32;

/// The counter block that AES-GCM starts from where the nonce has 96 bits (SP 800-38D §7.1).
pub(super) fn first_counter(nonce: &[u8; 12]) -> [u8; 16] {
    let mut counter = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (to, from) in counter.iter_mut().zip(nonce) {
        *to = *from;
    }
    counter
}

/// The last block of GHASH: two lengths in bits.
pub(super) fn gcm_lengths(associated: u64, octets: u64) -> [u8; 16] {
    let bits = |octets: u64| u128::from(octets.wrapping_mul(8));
    ((bits(associated) << 64) | bits(octets)).to_be_bytes()
}

/// The sum in the field of GHASH.
pub(super) fn add(to: &mut [u8; 16], other: &[u8; 16]) {
    for (octet, other) in to.iter_mut().zip(other) {
        *octet ^= other;
    }
}
