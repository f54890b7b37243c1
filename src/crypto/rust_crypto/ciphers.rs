//! Content encryption: all of it.

use aes::Aes128;
use aes::Aes192;
use aes::Aes256;
use cipher::Array;
use cipher::Block;
use cipher::BlockCipherEncrypt;
use cipher::BlockModeDecrypt;
use cipher::BlockModeEncrypt;
use cipher::BlockSizeUser;
use cipher::InnerIvInit;
use cipher::KeyInit;
use cipher::KeyIvInit;
use cipher::StreamCipher;
use cipher::consts::U16;
use ctr::Ctr32BE;
use des::TdesEde3;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;

use super::RustCrypto;
use super::chacha20_poly1305;
use crate::crypto::ContentCiphers;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::Decryptor;
use crate::crypto::Encryptor;
use crate::crypto::Secret;
use crate::crypto::aead::Aead;
use crate::crypto::aead::Authenticator;
use crate::crypto::aead::GCM_MOST;
use crate::crypto::aead::Keystream;
use crate::crypto::aead::add;
use crate::crypto::aead::first_counter;
use crate::crypto::aead::gcm_lengths;
use crate::crypto::blocks::Blocks;
use crate::crypto::blocks::unpad;

impl ContentCiphers for RustCrypto {
    fn encryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Encryptor>, CryptoError> {
        match algorithm {
            ContentEncryption::Aes128Cbc => {
                encrypt::<cbc::Encryptor<Aes128>>(key, nonce, associated)
            }
            ContentEncryption::Aes192Cbc => {
                encrypt::<cbc::Encryptor<Aes192>>(key, nonce, associated)
            }
            ContentEncryption::Aes256Cbc => {
                encrypt::<cbc::Encryptor<Aes256>>(key, nonce, associated)
            }
            ContentEncryption::Aes128Gcm => Ok(Box::new(gcm::<Aes128>(key, nonce, associated)?)),
            ContentEncryption::Aes192Gcm => Ok(Box::new(gcm::<Aes192>(key, nonce, associated)?)),
            ContentEncryption::Aes256Gcm => Ok(Box::new(gcm::<Aes256>(key, nonce, associated)?)),
            ContentEncryption::ChaCha20Poly1305 => {
                Ok(Box::new(chacha20_poly1305::start(key, nonce, associated)?))
            }
            // Read and never written (RFC 8551 §2.7).
            ContentEncryption::DesEde3Cbc => Err(CryptoError::Unsupported),
        }
    }

    fn decryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Decryptor>, CryptoError> {
        match algorithm {
            ContentEncryption::Aes128Cbc => {
                decrypt::<cbc::Decryptor<Aes128>, 16>(key, nonce, associated)
            }
            ContentEncryption::Aes192Cbc => {
                decrypt::<cbc::Decryptor<Aes192>, 16>(key, nonce, associated)
            }
            ContentEncryption::Aes256Cbc => {
                decrypt::<cbc::Decryptor<Aes256>, 16>(key, nonce, associated)
            }
            ContentEncryption::Aes128Gcm => Ok(Box::new(gcm::<Aes128>(key, nonce, associated)?)),
            ContentEncryption::Aes192Gcm => Ok(Box::new(gcm::<Aes192>(key, nonce, associated)?)),
            ContentEncryption::Aes256Gcm => Ok(Box::new(gcm::<Aes256>(key, nonce, associated)?)),
            ContentEncryption::ChaCha20Poly1305 => {
                Ok(Box::new(chacha20_poly1305::start(key, nonce, associated)?))
            }
            ContentEncryption::DesEde3Cbc => {
                decrypt::<cbc::Decryptor<TdesEde3>, 8>(key, nonce, associated)
            }
        }
    }
}

/// Starts a mode of operation that is not authenticated.
fn mode<M: KeyIvInit>(key: &[u8], iv: &[u8], associated: &[u8]) -> Result<M, CryptoError> {
    if !associated.is_empty() {
        return Err(CryptoError::Malformed);
    }
    M::new_from_slices(key, iv).map_err(|_| CryptoError::Malformed)
}

fn encrypt<M>(key: &[u8], iv: &[u8], associated: &[u8]) -> Result<Box<dyn Encryptor>, CryptoError>
where
    M: KeyIvInit + BlockModeEncrypt + BlockSizeUser<BlockSize = U16> + Send + 'static,
{
    Ok(Box::new(CbcEncryptor {
        mode: mode::<M>(key, iv, associated)?,
        blocks: Blocks::new(),
    }))
}

fn decrypt<M, const N: usize>(
    key: &[u8],
    iv: &[u8],
    associated: &[u8],
) -> Result<Box<dyn Decryptor>, CryptoError>
where
    M: KeyIvInit + BlockModeDecrypt + Send + 'static,
    [u8; N]: Into<Block<M>>,
    Block<M>: Into<[u8; N]>,
    Block<M>: Copy,
{
    Ok(Box::new(CbcDecryptor::<M, N> {
        mode: mode(key, iv, associated)?,
        blocks: Blocks::new(),
        last: None,
    }))
}

struct CbcEncryptor<M> {
    mode: M,
    blocks: Blocks<16>,
}

impl<M> Encryptor for CbcEncryptor<M>
where
    M: BlockModeEncrypt + BlockSizeUser<BlockSize = U16> + Send,
{
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.blocks.push(input, |blocks| {
            let start = output.len();
            output.extend_from_slice(blocks.as_flattened());
            let (appended, _) = output.get_mut(start..).unwrap_or_default().as_chunks_mut();
            self.mode
                .encrypt_blocks(Array::cast_slice_from_core_mut(appended));
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, output: &mut Vec<u8>) -> Result<Vec<u8>, CryptoError> {
        let missing = 16_usize.saturating_sub(self.blocks.filled());
        let pad = u8::try_from(missing).map_err(|_| CryptoError::Malformed)?;
        let mut last = Array::from(self.blocks.padded(pad).unwrap_or([pad; 16]));
        self.mode.encrypt_block(&mut last);
        output.extend_from_slice(&last);
        Ok(Vec::new())
    }
}

struct CbcDecryptor<M, const N: usize> {
    mode: M,
    blocks: Blocks<N>,
    /// The last whole block, still encrypted: it may be the one with the padding.
    last: Option<[u8; N]>,
}

impl<M, const N: usize> Decryptor for CbcDecryptor<M, N>
where
    M: BlockModeDecrypt + Send,
    [u8; N]: Into<Block<M>>,
    Block<M>: Into<[u8; N]>,
{
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.blocks.push(input, |blocks| {
            let Some((last, before)) = blocks.split_last() else {
                return;
            };
            let ready = self.last.replace(*last);
            for block in ready.iter().chain(before) {
                let mut block: Block<M> = (*block).into();
                self.mode.decrypt_block(&mut block);
                output.extend_from_slice(&block);
            }
        });
        Ok(())
    }

    fn finish(mut self: Box<Self>, tag: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        if !tag.is_empty() {
            return Err(CryptoError::Malformed);
        }
        let (Some(last), 0) = (self.last, self.blocks.filled()) else {
            return Err(CryptoError::Failed);
        };
        let mut last: Block<M> = last.into();
        self.mode.decrypt_block(&mut last);
        let last = Secret::new(last.to_vec());
        output.extend_from_slice(unpad(&last)?);
        Ok(())
    }
}

/// Starts AES-GCM with a nonce of any length (SP 800-38D §7.1).
fn gcm<C>(
    key: &[u8],
    nonce: &[u8],
    associated: &[u8],
) -> Result<Aead<Counter<Ctr32BE<C>>, GcmHash>, CryptoError>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send,
{
    let cipher = C::new_from_slice(key).map_err(|_| CryptoError::Malformed)?;
    let mut h = Array::from([0; 16]);
    cipher.encrypt_block(&mut h);
    let start = match <&[u8; 12]>::try_from(nonce) {
        Ok(nonce) => first_counter(nonce),
        Err(_) if nonce.is_empty() => return Err(CryptoError::Malformed),
        Err(_) => {
            let mut hash = GHash::new(&h);
            hash.update_padded(nonce);
            let octets = crate::octets::length(nonce);
            hash.update(&[gcm_lengths(0, octets).into()]);
            hash.finalize().into()
        }
    };
    let counter = Ctr32BE::<C>::new_from_slices(key, &start).map_err(|_| CryptoError::Malformed)?;
    let mut counter = Counter(counter);
    let hash = GcmHash {
        hash: GHash::new(&h),
        mask: counter.take()?,
    };
    Aead::new(counter, hash, associated, GCM_MOST)
}

/// A stream cipher of RustCrypto.
pub(super) struct Counter<S>(pub(super) S);

impl<S: StreamCipher + Send> Keystream for Counter<S> {
    fn apply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        let start = output.len();
        output.extend_from_slice(input);
        self.0
            .try_apply_keystream(output.get_mut(start..).unwrap_or_default())
            .map_err(|_| CryptoError::Malformed)
    }
}

struct GcmHash {
    hash: GHash,
    mask: [u8; 16],
}

impl Authenticator for GcmHash {
    fn update(&mut self, blocks: &[[u8; 16]]) -> Result<(), CryptoError> {
        self.hash.update(Array::cast_slice_from_core(blocks));
        Ok(())
    }

    fn finish(mut self, associated: u64, octets: u64) -> Result<[u8; 16], CryptoError> {
        self.hash.update(&[gcm_lengths(associated, octets).into()]);
        let mut tag = self.hash.finalize().into();
        add(&mut tag, &self.mask);
        Ok(tag)
    }
}

/// Decrypts RC2 in CBC mode, with as many effective bits as the key has: for old PKCS#12 files
/// alone (RFC 7292 appendix C). `Failed` when the padding is not right.
pub(in crate::crypto) fn rc2_cbc_decrypt(
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    let cipher = rc2::Rc2::new_with_eff_key_len(key, key.len().saturating_mul(8));
    let mut mode =
        cbc::Decryptor::inner_iv_slice_init(cipher, iv).map_err(|_| CryptoError::Malformed)?;
    let mut plaintext = Secret::new(ciphertext.to_vec());
    let (blocks, []) = plaintext.as_chunks_mut::<8>() else {
        return Err(CryptoError::Failed);
    };
    mode.decrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    let (before, last) = plaintext
        .split_last_chunk::<8>()
        .ok_or(CryptoError::Failed)?;
    let octets = before.len() + unpad(last)?.len();
    plaintext.truncate(octets);
    Ok(plaintext)
}
