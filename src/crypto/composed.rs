//! One provider out of two: the second is asked for whatever the first has not got.

use std::fmt;
use std::sync::OnceLock;

use super::ContentCiphers;
use super::ContentEncryption;
use super::CryptoError;
use super::Curve;
use super::Decryptor;
use super::DigestAlgorithm;
use super::Digester;
use super::Digests;
use super::Encryptor;
use super::KeyEstablishment;
use super::KeyWrap;
use super::Message;
use super::PrivateKey;
use super::PrivateKeyReader;
use super::Provider;
use super::RsaEncryption;
use super::Secret;
use super::SignatureAlgorithm;
use super::SignatureValid;
use super::SignatureVerification;
use super::SystemRandomness;
use super::aws_lc;
use super::rust_crypto;

/// aws-lc-rs first, RustCrypto second.
pub(super) static PROVIDER: Provider = Provider {
    name: "aws-lc, rust-crypto",
    digests: &COMPOSED,
    verification: &COMPOSED,
    ciphers: &COMPOSED,
    establishment: &COMPOSED,
    private_keys: &COMPOSED,
    randomness: &SystemRandomness,
};

static COMPOSED: FirstThen = FirstThen {
    first: &aws_lc::PROVIDER,
    second: &rust_crypto::PROVIDER,
};

#[derive(Debug)]
struct FirstThen {
    first: &'static Provider,
    second: &'static Provider,
}

/// The first outcome, unless it is `Unsupported`: then the second.
fn either<T>(
    first: Result<T, CryptoError>,
    second: impl FnOnce() -> Result<T, CryptoError>,
) -> Result<T, CryptoError> {
    match first {
        Err(CryptoError::Unsupported) => second(),
        outcome => outcome,
    }
}

impl Digests for FirstThen {
    fn start(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn Digester>, CryptoError> {
        either(self.first.digests.start(algorithm), || {
            self.second.digests.start(algorithm)
        })
    }
}

impl SignatureVerification for FirstThen {
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        let by = |provider: &Provider| {
            provider
                .verification
                .verify(spki, algorithm, message, signature)
        };
        either(by(self.first), || by(self.second))
    }
}

impl ContentCiphers for FirstThen {
    fn encryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Encryptor>, CryptoError> {
        let by = |provider: &Provider| {
            provider
                .ciphers
                .encryptor(algorithm, key, nonce, associated)
        };
        either(by(self.first), || by(self.second))
    }

    fn decryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Decryptor>, CryptoError> {
        let by = |provider: &Provider| {
            provider
                .ciphers
                .decryptor(algorithm, key, nonce, associated)
        };
        either(by(self.first), || by(self.second))
    }
}

impl KeyEstablishment for FirstThen {
    fn encrypt(
        &self,
        spki: &[u8],
        scheme: &RsaEncryption,
        secret: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let by = |provider: &Provider| provider.establishment.encrypt(spki, scheme, secret);
        either(by(self.first), || by(self.second))
    }

    fn agree_ephemeral(&self, curve: Curve, peer: &[u8]) -> Result<(Vec<u8>, Secret), CryptoError> {
        let by = |provider: &Provider| provider.establishment.agree_ephemeral(curve, peer);
        either(by(self.first), || by(self.second))
    }

    fn wrap(&self, wrap: KeyWrap, kek: &[u8], secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let by = |provider: &Provider| provider.establishment.wrap(wrap, kek, secret);
        either(by(self.first), || by(self.second))
    }

    fn unwrap(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        let by = |provider: &Provider| provider.establishment.unwrap(wrap, kek, wrapped);
        either(by(self.first), || by(self.second))
    }
}

impl PrivateKeyReader for FirstThen {
    fn read(&self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, CryptoError> {
        match self.first.private_keys.read(pkcs8) {
            Ok(first) => Ok(Box::new(Key {
                first,
                pkcs8: Secret::new(pkcs8.to_vec()),
                reader: self.second.private_keys,
                second: OnceLock::new(),
            })),
            Err(CryptoError::Unsupported) => self.second.private_keys.read(pkcs8),
            Err(error) => Err(error),
        }
    }
}

/// A key of the first provider, which the second reads when it is first needed there.
struct Key {
    first: Box<dyn PrivateKey>,
    pkcs8: Secret,
    reader: &'static dyn PrivateKeyReader,
    second: OnceLock<Result<Box<dyn PrivateKey>, CryptoError>>,
}

impl Key {
    fn second(&self) -> Result<&dyn PrivateKey, CryptoError> {
        self.second
            .get_or_init(|| self.reader.read(&self.pkcs8))
            .as_deref()
            .map_err(|error| *error)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl PrivateKey for Key {
    fn spki(&self) -> &[u8] {
        self.first.spki()
    }

    fn sign(
        &self,
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        either(self.first.sign(algorithm, message), || {
            self.second()?.sign(algorithm, message)
        })
    }

    fn decrypt(&self, scheme: &RsaEncryption, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        either(self.first.decrypt(scheme, ciphertext), || {
            self.second()?.decrypt(scheme, ciphertext)
        })
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        either(self.first.agree(peer), || self.second()?.agree(peer))
    }

    fn own_verification(
        &self,
        algorithm: &SignatureAlgorithm,
    ) -> Option<&dyn SignatureVerification> {
        self.first.own_verification(algorithm)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;

    use super::*;
    use crate::crypto::provider;

    fn key_pair() -> Box<dyn PrivateKey> {
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let pkcs8 = pair.as_der().unwrap();
        provider().private_keys.read(pkcs8.as_ref()).unwrap()
    }

    #[test]
    fn what_a_key_signs_its_public_half_verifies() {
        let key = key_pair();
        let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
        let signature = key.sign(&algorithm, Message::Octets(b"text")).unwrap();
        let mut digester = provider().digests.start(DigestAlgorithm::Sha256).unwrap();
        digester.update(b"text");
        let digest = digester.finish();
        let verify = |message| {
            provider()
                .verification
                .verify(key.spki(), &algorithm, message, &signature)
        };
        let _ = verify(Message::Digest(DigestAlgorithm::Sha256, &digest)).unwrap();
        assert_eq!(
            verify(Message::Octets(b"next")).unwrap_err(),
            CryptoError::Failed
        );
    }
}
