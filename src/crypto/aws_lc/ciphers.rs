//! Content encryption: AES in CBC and GCM. ChaCha20-Poly1305 is there for whole buffers alone.

use aws_lc_rs::cipher;
use aws_lc_rs::cipher::DecryptionContext;
use aws_lc_rs::cipher::EncryptionContext;
use aws_lc_rs::cipher::StreamingDecryptingKey;
use aws_lc_rs::cipher::StreamingEncryptingKey;
use aws_lc_rs::cipher::UnboundCipherKey;
use aws_lc_rs::iv::FixedLength;

use super::AwsLc;
use super::gcm;
use crate::crypto::ContentCiphers;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::Decryptor;
use crate::crypto::Encryptor;
use crate::crypto::Secret;
use crate::crypto::blocks::unpad;
use crate::octets::WINDOW;

impl ContentCiphers for AwsLc {
    fn encryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Encryptor>, CryptoError> {
        if algorithm.is_authenticated() {
            return Ok(Box::new(gcm::start(algorithm, key, nonce, associated)?));
        }
        let key = cbc_key(algorithm, key)?;
        let context = EncryptionContext::Iv128(initialisation_vector(nonce, associated)?);
        StreamingEncryptingKey::less_safe_cbc_pkcs7(key, context)
            .map(|key| -> Box<dyn Encryptor> { Box::new(CbcEncryptor(key)) })
            .map_err(super::malformed)
    }

    fn decryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Decryptor>, CryptoError> {
        if algorithm.is_authenticated() {
            return Ok(Box::new(gcm::start(algorithm, key, nonce, associated)?));
        }
        let key = cbc_key(algorithm, key)?;
        let context = DecryptionContext::Iv128(initialisation_vector(nonce, associated)?);
        StreamingDecryptingKey::cbc_pkcs7(key, context)
            .map(|key| -> Box<dyn Decryptor> { Box::new(CbcDecryptor { key, taken: 0 }) })
            .map_err(super::malformed)
    }
}

fn initialisation_vector(nonce: &[u8], associated: &[u8]) -> Result<FixedLength<16>, CryptoError> {
    let octets = <[u8; 16]>::try_from(nonce).map_err(|_| CryptoError::Malformed)?;
    if !associated.is_empty() {
        return Err(CryptoError::Malformed);
    }
    Ok(FixedLength::from(octets))
}

fn cbc_key(algorithm: ContentEncryption, key: &[u8]) -> Result<UnboundCipherKey, CryptoError> {
    let algorithm = match algorithm {
        ContentEncryption::Aes128Cbc => &cipher::AES_128,
        ContentEncryption::Aes192Cbc => &cipher::AES_192,
        ContentEncryption::Aes256Cbc => &cipher::AES_256,
        ContentEncryption::Aes128Gcm
        | ContentEncryption::Aes192Gcm
        | ContentEncryption::Aes256Gcm
        | ContentEncryption::ChaCha20Poly1305
        | ContentEncryption::DesEde3Cbc => return Err(CryptoError::Unsupported),
    };
    UnboundCipherKey::new(algorithm, key).map_err(super::malformed)
}

/// Lets `write` fill what is appended to `output`, at most `room` octets, and keeps what it wrote.
pub(super) fn append(
    output: &mut Vec<u8>,
    room: usize,
    write: impl FnOnce(&mut [u8]) -> Result<usize, CryptoError>,
) -> Result<(), CryptoError> {
    let start = output.len();
    output.resize(start.saturating_add(room), 0);
    let written = write(output.get_mut(start..).unwrap_or_default());
    output.truncate(start.saturating_add(*written.as_ref().unwrap_or(&0)));
    written.map(|_| ())
}

struct CbcEncryptor(StreamingEncryptingKey);

impl Encryptor for CbcEncryptor {
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        // aws-lc counts octets in an int.
        for window in input.chunks(WINDOW) {
            append(output, window.len() + 15, |to| {
                let update = self.0.update(window, to).map_err(super::failed)?;
                Ok(update.written().len())
            })?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, output: &mut Vec<u8>) -> Result<Vec<u8>, CryptoError> {
        append(output, 16, |to| {
            let (_, update) = self.0.finish(to).map_err(super::failed)?;
            Ok(update.written().len())
        })?;
        Ok(Vec::new())
    }
}

/// aws-lc holds the last block back until it sees another, or else checks its padding, and not in
/// constant time. So it is shown another, and the padding is checked here.
struct CbcDecryptor {
    key: StreamingDecryptingKey,
    taken: u64,
}

impl CbcDecryptor {
    fn decrypt(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        for window in input.chunks(WINDOW) {
            append(output, window.len() + 15, |to| {
                let update = self.key.update(window, to).map_err(super::failed)?;
                Ok(update.written().len())
            })?;
        }
        Ok(())
    }
}

impl Decryptor for CbcDecryptor {
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.taken = self.taken.wrapping_add(crate::octets::length(input));
        self.decrypt(input, output)
    }

    fn finish(mut self: Box<Self>, tag: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError> {
        if !tag.is_empty() {
            return Err(CryptoError::Malformed);
        }
        if self.taken == 0 || !self.taken.is_multiple_of(16) {
            return Err(CryptoError::Failed);
        }
        let mut last = Secret::new(Vec::with_capacity(32));
        self.decrypt(&[0; 16], &mut last)?;
        output.extend_from_slice(unpad(&last)?);
        Ok(())
    }
}
