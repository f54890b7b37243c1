//! Key transport, agreement and wrap: all of it.

use aes::Aes128;
use aes::Aes192;
use aes::Aes256;
use aes_kw::AesKw;
use cipher::BlockCipherDecrypt;
use cipher::BlockCipherEncrypt;
use cipher::KeyInit;
use cipher::common::Generate;
use cipher::consts::U16;
use rsa::Oaep;
use rsa::Pkcs1v15Encrypt;
use rsa::RsaPrivateKey;
use rsa::RsaPublicKey;

use super::RustCrypto;
use super::rng;
use super::verification::failed;
use super::verification::malformed;
use super::verification::rsa_key;
use super::with_curve;
use super::with_digest;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::KeyEstablishment;
use crate::crypto::KeyWrap;
use crate::crypto::OaepParameters;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::public_key::PublicKey;

impl KeyEstablishment for RustCrypto {
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
        let key = rsa_key(&key)?;
        match scheme {
            RsaEncryption::Pkcs1 => key
                .encrypt(&mut rng()?, Pkcs1v15Encrypt, secret)
                .map_err(failed),
            RsaEncryption::Oaep(parameters) => encrypt_oaep(&key, parameters, secret),
        }
    }

    fn agree_ephemeral(&self, curve: Curve, peer: &[u8]) -> Result<(Vec<u8>, Secret), CryptoError> {
        if curve == Curve::X25519 {
            let ephemeral = x25519_dalek::StaticSecret::random_from_rng(&mut rng()?);
            let public = x25519_dalek::PublicKey::from(&ephemeral);
            return Ok((public.to_bytes().to_vec(), agree_x25519(&ephemeral, peer)?));
        }
        with_curve!(curve, crate_of_curve, {
            let peer = point_of(curve, peer)?;
            let peer = crate_of_curve::PublicKey::from_sec1_bytes(peer).map_err(malformed)?;
            let ephemeral = crate_of_curve::ecdh::EphemeralSecret::generate_from_rng(&mut rng()?);
            let public = ephemeral.public_key().to_sec1_bytes();
            let secret = ephemeral.diffie_hellman(&peer);
            Ok((
                public.to_vec(),
                Secret::new(secret.raw_secret_bytes().to_vec()),
            ))
        })
    }

    fn wrap(&self, wrap: KeyWrap, kek: &[u8], secret: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match wrap {
            KeyWrap::Aes128 => wrap_by::<Aes128>(kek, secret),
            KeyWrap::Aes192 => wrap_by::<Aes192>(kek, secret),
            KeyWrap::Aes256 => wrap_by::<Aes256>(kek, secret),
            // Read and never written, as the cipher (RFC 8551 §2.7).
            KeyWrap::DesEde3 => Err(CryptoError::Unsupported),
        }
    }

    fn unwrap(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        match wrap {
            KeyWrap::Aes128 => unwrap_by::<Aes128>(kek, wrapped),
            KeyWrap::Aes192 => unwrap_by::<Aes192>(kek, wrapped),
            KeyWrap::Aes256 => unwrap_by::<Aes256>(kek, wrapped),
            KeyWrap::DesEde3 => super::des_wrap::unwrap(kek, wrapped),
        }
    }
}

/// `peer`, if it has the form of a point on `curve`.
pub(super) fn point_of(curve: Curve, peer: &[u8]) -> Result<&[u8], CryptoError> {
    curve
        .is_point(peer)
        .then_some(peer)
        .ok_or(CryptoError::Malformed)
}

/// `Malformed` when the shared secret would be all zero (RFC 7748 §6.1).
pub(super) fn agree_x25519(
    key: &x25519_dalek::StaticSecret,
    peer: &[u8],
) -> Result<Secret, CryptoError> {
    let peer = <[u8; 32]>::try_from(peer).map_err(malformed)?;
    let secret = key.diffie_hellman(&peer.into());
    if secret.was_contributory() {
        Ok(Secret::new(secret.as_bytes().to_vec()))
    } else {
        Err(CryptoError::Malformed)
    }
}

fn encrypt_oaep(
    key: &RsaPublicKey,
    parameters: &OaepParameters,
    secret: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let label = parameters.label.as_slice();
    let rng = &mut rng()?;
    with_digest!(parameters.digest, Digest, {
        with_digest!(parameters.mask, Mask, {
            let padding = Oaep::<Digest, Mask>::new_with_mgf_hash_and_label(label);
            key.encrypt(rng, padding, secret).map_err(failed)
        })
    })
}

pub(super) fn decrypt_oaep(
    key: &RsaPrivateKey,
    parameters: &OaepParameters,
    ciphertext: &[u8],
) -> Result<Secret, CryptoError> {
    let label = parameters.label.as_slice();
    let rng = &mut rng()?;
    with_digest!(parameters.digest, Digest, {
        with_digest!(parameters.mask, Mask, {
            let padding = Oaep::<Digest, Mask>::new_with_mgf_hash_and_label(label);
            key.decrypt_blinded(rng, padding, ciphertext)
        })
    })
    .map(Secret::new)
    .map_err(failed)
}

/// RFC 3394 §2: at least two blocks of 64 bits. The crate would wrap one.
fn is_whole(octets: &[u8]) -> bool {
    octets.len() >= 16 && octets.len().is_multiple_of(8)
}

fn wrap_by<C>(kek: &[u8], secret: &[u8]) -> Result<Vec<u8>, CryptoError>
where
    C: BlockCipherEncrypt<BlockSize = U16> + KeyInit,
{
    if !is_whole(secret) {
        return Err(CryptoError::Malformed);
    }
    let kek = AesKw::<C>::new_from_slice(kek).map_err(malformed)?;
    let mut wrapped = vec![0; secret.len().saturating_add(8)];
    kek.wrap_key(secret, &mut wrapped).map_err(malformed)?;
    Ok(wrapped)
}

fn unwrap_by<C>(kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError>
where
    C: BlockCipherDecrypt<BlockSize = U16> + KeyInit,
{
    let kek = AesKw::<C>::new_from_slice(kek).map_err(malformed)?;
    let mut secret = Secret::new(vec![0; wrapped.len().saturating_sub(8)]);
    if !is_whole(&secret) {
        return Err(CryptoError::Failed);
    }
    kek.unwrap_key(wrapped, &mut secret).map_err(failed)?;
    Ok(secret)
}
