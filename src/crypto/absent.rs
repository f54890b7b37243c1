//! A provider of nothing, where an implementation is still to come.

use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) struct Absent;

impl Digests for Absent {
    fn start(&self, _: DigestAlgorithm) -> Result<Box<dyn Digester>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}
impl SignatureVerification for Absent {
    fn verify(
        &self,
        _: &[u8],
        _: &SignatureAlgorithm,
        _: Message<'_>,
        _: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}
impl ContentCiphers for Absent {
    fn encryptor(
        &self,
        _: ContentEncryption,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Box<dyn Encryptor>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
    fn decryptor(
        &self,
        _: ContentEncryption,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Box<dyn Decryptor>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}
impl KeyEstablishment for Absent {
    fn encrypt(&self, _: &[u8], _: &RsaEncryption, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
    fn agree_ephemeral(&self, _: Curve, _: &[u8]) -> Result<(Vec<u8>, Secret), CryptoError> {
        Err(CryptoError::Unsupported)
    }
    fn wrap(&self, _: KeyWrap, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
    fn unwrap(&self, _: KeyWrap, _: &[u8], _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}
impl PrivateKeyReader for Absent {
    fn read(&self, _: &[u8]) -> Result<Box<dyn PrivateKey>, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}
