//! Authenticated encryption by windows: a key stream and a polynomial hash over what it makes.
//!
//! AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439 §2.8) differ in the two parts alone.

use subtle::ConstantTimeEq;

use super::CryptoError;
use super::Decryptor;
use super::Encryptor;
use super::Secret;
use super::blocks::Blocks;

/// Octets that are added to a message by exclusive or.
pub(super) trait Keystream: Send {
    /// Appends `input` under the next octets of the stream to `output`.
    fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError>;

    /// The next octets of the stream themselves.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CryptoError> {
        let mut octets = Secret::new(Vec::with_capacity(2 * N));
        self.apply(&[0; N], &mut octets)?;
        <[u8; N]>::try_from(octets.as_slice()).map_err(|_| CryptoError::Failed)
    }
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
        self.keystream.apply(input, output)?;
        Ok(output.get(start..).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ContentEncryption;
    use crate::crypto::Provider;
    use crate::crypto::aws_lc;
    use crate::crypto::rust_crypto;

    const KEY: [u8; 32] = [3; 32];
    const ASSOCIATED: &[u8] = b"attributes";

    fn encrypt(
        provider: &Provider,
        algorithm: ContentEncryption,
        plaintext: &[u8],
        window: usize,
    ) -> (Vec<u8>, Vec<u8>) {
        let mut encryptor = provider
            .ciphers
            .encryptor(algorithm, &KEY, &[1; 12], ASSOCIATED)
            .unwrap();
        let mut output = Vec::new();
        for piece in plaintext.chunks(window) {
            encryptor.update(piece, &mut output).unwrap();
        }
        let tag = encryptor.finish(&mut output).unwrap();
        (output, tag)
    }

    fn decrypt(
        provider: &Provider,
        algorithm: ContentEncryption,
        (ciphertext, tag): (&[u8], &[u8]),
        window: usize,
    ) -> Result<Vec<u8>, CryptoError> {
        let mut decryptor = provider
            .ciphers
            .decryptor(algorithm, &KEY, &[1; 12], ASSOCIATED)
            .unwrap();
        let mut output = Vec::new();
        for piece in ciphertext.chunks(window) {
            decryptor.update(piece, &mut output).unwrap();
        }
        decryptor.finish(tag, &mut output)?;
        Ok(output)
    }

    #[test]
    fn both_providers_and_all_windows_give_the_same_gcm() {
        let plaintext: Vec<u8> = (0..=255).cycle().take(200_001).collect();
        let algorithm = ContentEncryption::Aes256Gcm;
        let expected = encrypt(&rust_crypto::PROVIDER, algorithm, &plaintext, 200_001);
        for window in [1_000, 16_384, 65_536, 65_537, 200_001] {
            let made = encrypt(&aws_lc::PROVIDER, algorithm, &plaintext, window);
            assert_eq!(made.1, expected.1, "windows of {window}");
            assert_eq!(made.0, expected.0, "windows of {window}");
            for provider in [&aws_lc::PROVIDER, &rust_crypto::PROVIDER] {
                let made = (made.0.as_slice(), made.1.as_slice());
                let back = decrypt(provider, algorithm, made, window).unwrap();
                assert_eq!(back, plaintext, "windows of {window}");
            }
        }
    }

    #[test]
    fn tags_of_12_to_16_octets_are_compared_whole() {
        for (provider, algorithm) in [
            (&aws_lc::PROVIDER, ContentEncryption::Aes256Gcm),
            (&rust_crypto::PROVIDER, ContentEncryption::Aes256Gcm),
            (&rust_crypto::PROVIDER, ContentEncryption::ChaCha20Poly1305),
        ] {
            let (ciphertext, tag) = encrypt(provider, algorithm, b"text", 4);
            let check = |tag: &[u8]| decrypt(provider, algorithm, (&ciphertext, tag), 4);
            for octets in 12..=16 {
                let mut tag = tag[..octets].to_vec();
                assert_eq!(check(&tag).as_deref(), Ok(&b"text"[..]));
                tag[octets - 1] ^= 1;
                assert_eq!(check(&tag), Err(CryptoError::Failed));
            }
            assert_eq!(check(&tag[..11]), Err(CryptoError::Malformed));
            assert_eq!(
                check(&[&tag[..], &[0]].concat()),
                Err(CryptoError::Malformed)
            );
        }
    }
}
