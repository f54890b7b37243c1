//! Key transport, agreement and wrap: all but unequal hashes in OAEP and the 192-bit wrap.

use aws_lc_rs::agreement;
use aws_lc_rs::agreement::UnparsedPublicKey;
use aws_lc_rs::key_wrap::AES_128;
use aws_lc_rs::key_wrap::AES_256;
use aws_lc_rs::key_wrap::AesKek;
use aws_lc_rs::key_wrap::KeyWrap as _;
use aws_lc_rs::rsa;
use aws_lc_rs::rsa::OaepAlgorithm;
use aws_lc_rs::rsa::OaepPublicEncryptingKey;
use aws_lc_rs::rsa::Pkcs1PublicEncryptingKey;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::rsa::PublicKeyComponents;

use super::AwsLc;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::KeyEstablishment;
use crate::crypto::KeyWrap;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::public_key::PublicKey;
use crate::crypto::public_key::RsaPublicKey;

impl KeyEstablishment for AwsLc {
    fn encrypt(
        &self,
        spki: &[u8],
        scheme: &RsaEncryption,
        secret: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let PublicKey::Rsa(key) = PublicKey::decode(spki)? else {
            return Err(CryptoError::Unsupported);
        };
        key.scheme.encrypts(scheme)?;
        let key = encrypting_key(&key)?;
        let mut ciphertext = vec![0; key.key_size_bytes()];
        let len = match scheme {
            RsaEncryption::Pkcs1 => Pkcs1PublicEncryptingKey::new(key)
                .and_then(|key| Ok(key.encrypt(secret, &mut ciphertext)?.len())),
            RsaEncryption::Oaep(parameters) => {
                let algorithm = oaep(parameters.digest, parameters.mask)?;
                let label = Some(parameters.label.as_slice()).filter(|label| !label.is_empty());
                OaepPublicEncryptingKey::new(key).and_then(|key| {
                    Ok(key
                        .encrypt(algorithm, secret, &mut ciphertext, label)?
                        .len())
                })
            }
        }
        .map_err(super::failed)?;
        ciphertext.truncate(len);
        Ok(ciphertext)
    }

    fn agree_ephemeral(&self, on: Curve, peer: &[u8]) -> Result<(Vec<u8>, Secret), CryptoError> {
        // No memory, no randomness: it may work later.
        let ephemeral =
            agreement::PrivateKey::generate(curve(on)).map_err(|_| CryptoError::Unavailable)?;
        let public = ephemeral.compute_public_key().map_err(super::malformed)?;
        Ok((public.as_ref().to_vec(), agree(&ephemeral, on, peer)?))
    }

    fn wrap(&self, wrap: KeyWrap, kek: &[u8], secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut wrapped = vec![0; secret.len().saturating_add(8)];
        kek_of(wrap, kek)?
            .wrap(secret, &mut wrapped)
            .map_err(super::malformed)?;
        Ok(wrapped)
    }

    fn unwrap(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        let mut secret = Secret::new(vec![0; wrapped.len().saturating_sub(8)]);
        kek_of(wrap, kek)?
            .unwrap(wrapped, &mut secret)
            .map_err(super::failed)?;
        Ok(secret)
    }
}

/// Agrees with a peer whose key is in the form of its SubjectPublicKeyInfo.
pub(super) fn agree(
    key: &agreement::PrivateKey,
    on: Curve,
    peer: &[u8],
) -> Result<Secret, CryptoError> {
    // aws-lc-rs would read a whole SubjectPublicKeyInfo here, too: only points may pass.
    if !on.is_point(peer) {
        return Err(CryptoError::Malformed);
    }
    // An all-zero output of X25519 is an error of aws-lc itself (RFC 7748 §6.1).
    agreement::agree(
        key,
        UnparsedPublicKey::new(key.algorithm(), peer),
        CryptoError::Malformed,
        |secret| Ok(Secret::new(secret.to_vec())),
    )
}

/// aws-lc-rs' own name for `curve`.
pub(super) fn curve(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
        Curve::X25519 => &agreement::X25519,
    }
}

/// aws-lc-rs' own name for OAEP with these hashes.
pub(super) fn oaep(
    digest: DigestAlgorithm,
    mask: DigestAlgorithm,
) -> Result<&'static OaepAlgorithm, CryptoError> {
    if digest != mask {
        return Err(CryptoError::Unsupported);
    }
    match digest {
        DigestAlgorithm::Sha1 => Ok(&rsa::OAEP_SHA1_MGF1SHA1),
        DigestAlgorithm::Sha256 => Ok(&rsa::OAEP_SHA256_MGF1SHA256),
        DigestAlgorithm::Sha384 => Ok(&rsa::OAEP_SHA384_MGF1SHA384),
        DigestAlgorithm::Sha512 => Ok(&rsa::OAEP_SHA512_MGF1SHA512),
        DigestAlgorithm::Sha224 | DigestAlgorithm::Sha512_224 | DigestAlgorithm::Sha512_256 => {
            Err(CryptoError::Unsupported)
        }
    }
}

fn encrypting_key(key: &RsaPublicKey<'_>) -> Result<PublicEncryptingKey, CryptoError> {
    // What aws-lc-rs takes; smaller ones are RustCrypto's.
    if !(2048..=8192).contains(&key.bits()) {
        return Err(CryptoError::Unsupported);
    }
    PublicKeyComponents {
        n: key.modulus,
        e: key.exponent,
    }
    .try_into()
    .map_err(super::malformed)
}

fn kek_of(wrap: KeyWrap, kek: &[u8]) -> Result<AesKek, CryptoError> {
    let algorithm = match wrap {
        KeyWrap::Aes128 => &AES_128,
        KeyWrap::Aes192 | KeyWrap::DesEde3 => return Err(CryptoError::Unsupported),
        KeyWrap::Aes256 => &AES_256,
    };
    AesKek::new(algorithm, kek).map_err(super::malformed)
}
