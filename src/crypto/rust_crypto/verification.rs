//! Signature verification: RSA of 1024 to 8192 bits, ECDSA, Ed25519, DSA.

use ed25519_dalek::Verifier;
use rsa::BoxedUint;
use rsa::Pkcs1v15Sign;
use rsa::RsaPublicKey;
use rsa::hazmat::rsa_encrypt;
use rsa::traits::PublicKeyParts;
use signature::hazmat::PrehashVerifier;

use super::RustCrypto;
use super::digests;
use super::pss;
use super::with_curve;
use super::with_digest;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::PssParameters;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureValid;
use crate::crypto::SignatureVerification;
use crate::crypto::public_key;
use crate::crypto::public_key::DsaPublicKey;
use crate::crypto::public_key::PublicKey;

impl SignatureVerification for RustCrypto {
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        match (PublicKey::decode(spki)?, algorithm) {
            (PublicKey::Rsa(key), SignatureAlgorithm::RsaPkcs1(digest)) => {
                key.scheme.permits(algorithm)?;
                let hashed = digests::of(message, *digest)?;
                rsa_pkcs1(&rsa_key(&key)?, *digest, &hashed, signature)
            }
            (PublicKey::Rsa(key), SignatureAlgorithm::RsaPss(parameters)) => {
                key.scheme.permits(algorithm)?;
                let hashed = digests::of(message, parameters.digest)?;
                rsa_pss(&rsa_key(&key)?, parameters, &hashed, signature)
            }
            (PublicKey::Ec { curve, point }, SignatureAlgorithm::Ecdsa(digest)) => {
                let hashed = widen(digests::of(message, *digest)?, curve);
                ecdsa(curve, point, &hashed, signature)
            }
            (PublicKey::Ed25519(key), SignatureAlgorithm::Ed25519) => {
                let Message::Octets(octets) = message else {
                    return Err(CryptoError::Unsupported);
                };
                ed25519(key, octets, signature)
            }
            (PublicKey::Dsa(key), SignatureAlgorithm::Dsa(digest)) => {
                dsa(&key, &digests::of(message, *digest)?, signature)
            }
            _ => Err(CryptoError::Unsupported),
        }
        .map(|()| SignatureValid { _private: () })
    }
}

/// The key, `Unsupported` when the crate finds it too small or too large.
pub(super) fn rsa_key(key: &public_key::RsaPublicKey<'_>) -> Result<RsaPublicKey, CryptoError> {
    if !(RsaPublicKey::MIN_SIZE..=RsaPublicKey::MAX_SIZE).contains(&key.bits()) {
        return Err(CryptoError::Unsupported);
    }
    RsaPublicKey::new(number(key.modulus)?, number(key.exponent)?).map_err(malformed)
}

/// A number with as many bits as its octets have.
fn number(octets: &[u8]) -> Result<BoxedUint, CryptoError> {
    number_of(octets, octets.len())
}

/// A number with room for `width` octets; `Malformed` when it needs more.
pub(super) fn number_of(octets: &[u8], width: usize) -> Result<BoxedUint, CryptoError> {
    let bits = u32::try_from(width.saturating_mul(8)).map_err(malformed)?;
    BoxedUint::from_be_slice(octets, bits).map_err(malformed)
}

fn rsa_pkcs1(
    key: &RsaPublicKey,
    digest: DigestAlgorithm,
    hashed: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let scheme = with_digest!(digest, Digest, Pkcs1v15Sign::new::<Digest>());
    key.verify(scheme, hashed, signature).map_err(failed)
}

fn rsa_pss(
    key: &RsaPublicKey,
    parameters: &PssParameters,
    hashed: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    if signature.len() != key.size() {
        return Err(CryptoError::Failed);
    }
    let signature = BoxedUint::from_be_slice(signature, key.n_bits_precision()).map_err(failed)?;
    if signature >= *key.n().as_ref() {
        return Err(CryptoError::Failed);
    }
    let encoded = rsa_encrypt(key, &signature).map_err(failed)?;
    let bits = usize::try_from(key.n().bits()).map_err(malformed)?;
    pss::verify(hashed, &octets(&encoded, key.size()), parameters, bits)
}

/// The last `size` octets of a number that has no more.
pub(super) fn octets(number: &BoxedUint, size: usize) -> Vec<u8> {
    let all = number.to_be_bytes();
    let surplus = all.len().saturating_sub(size);
    all.get(surplus..).unwrap_or_default().to_vec()
}

/// A digest shorter than the curve's numbers, with zeros before it: the same number, and the
/// `ecdsa` crate takes none that is shorter than half of them.
pub(super) fn widen(mut hashed: Vec<u8>, curve: Curve) -> Vec<u8> {
    let missing = curve.octets().saturating_sub(hashed.len());
    hashed.splice(..0, std::iter::repeat_n(0, missing));
    hashed
}

fn ecdsa(curve: Curve, point: &[u8], hashed: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    if !curve.is_point(point) {
        return Err(CryptoError::Malformed);
    }
    with_curve!(curve, crate_of_curve, {
        let key = crate_of_curve::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(malformed)?;
        let signature = crate_of_curve::ecdsa::DerSignature::try_from(signature).map_err(failed)?;
        key.verify_prehash(hashed, &signature).map_err(failed)
    })
}

fn ed25519(key: &[u8], octets: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let key = <&[u8; 32]>::try_from(key).map_err(malformed)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(malformed)?;
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(failed)?;
    key.verify(octets, &signature).map_err(failed)
}

fn dsa(key: &DsaPublicKey<'_>, hashed: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    // Inherited parameters are the certificate path's to fill in (RFC 3279 §2.3.2).
    let parameters = key.parameters.ok_or(CryptoError::Malformed)?;
    let bits = (
        public_key::bits(parameters.p),
        public_key::bits(parameters.q),
    );
    // FIPS 186-4 §4.2, and nothing larger: verification takes time with the cube of p.
    if !matches!(bits, (1024, 160) | (2048, 224 | 256) | (3072, 256)) {
        return Err(CryptoError::Unsupported);
    }
    // A SEQUENCE of two numbers below q.
    if signature.len() > 80 {
        return Err(CryptoError::Failed);
    }
    let width = parameters.p.len();
    let components = dsa::Components::from_components(
        number(parameters.p)?,
        number(parameters.q)?,
        number_of(parameters.g, width)?,
    )
    .map_err(malformed)?;
    let key = dsa::VerifyingKey::from_components(components, number_of(key.y, width)?)
        .map_err(malformed)?;
    let signature = dsa::Signature::try_from(signature).map_err(failed)?;
    key.verify_prehash(hashed, &signature).map_err(failed)
}

pub(super) fn failed<E>(_: E) -> CryptoError {
    CryptoError::Failed
}

pub(super) fn malformed<E>(_: E) -> CryptoError {
    CryptoError::Malformed
}
