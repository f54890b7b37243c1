//! Signature verification: RSA of 1024 to 8192 bits, ECDSA, Ed25519.

use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaVerificationAlgorithm;
use aws_lc_rs::signature::RsaParameters;
use aws_lc_rs::signature::UnparsedPublicKey;

use super::AwsLc;
use super::digests;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::PssParameters;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureValid;
use crate::crypto::SignatureVerification;
use crate::crypto::public_key::PublicKey;

impl SignatureVerification for AwsLc {
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        let verdict = match (PublicKey::decode(spki)?, algorithm) {
            (
                PublicKey::Rsa(key),
                SignatureAlgorithm::RsaPkcs1(digest)
                | SignatureAlgorithm::RsaPss(PssParameters { digest, .. }),
            ) => {
                key.scheme.permits(algorithm)?;
                let parameters = rsa_parameters(algorithm, key.bits())?;
                let digest = digests::of(message, *digest)?;
                UnparsedPublicKey::new(parameters, key.der).verify_digest(&digest, signature)
            }
            (PublicKey::Ec { curve, point }, SignatureAlgorithm::Ecdsa(digest)) => {
                let parameters = ecdsa_parameters(curve, *digest)?;
                let digest = digests::of(message, *digest)?;
                UnparsedPublicKey::new(parameters, point).verify_digest(&digest, signature)
            }
            (PublicKey::Ed25519(key), SignatureAlgorithm::Ed25519) => {
                let Message::Octets(octets) = message else {
                    return Err(CryptoError::Unsupported);
                };
                if key.len() != 32 {
                    return Err(CryptoError::Malformed);
                }
                UnparsedPublicKey::new(&signature::ED25519, key).verify(octets, signature)
            }
            _ => return Err(CryptoError::Unsupported),
        };
        verdict
            .map(|()| SignatureValid { _private: () })
            .map_err(super::failed)
    }
}

fn rsa_parameters(
    algorithm: &SignatureAlgorithm,
    bits: usize,
) -> Result<&'static RsaParameters, CryptoError> {
    let parameters = match algorithm {
        SignatureAlgorithm::RsaPkcs1(digest) => match digest {
            DigestAlgorithm::Sha1 => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            DigestAlgorithm::Sha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            DigestAlgorithm::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            DigestAlgorithm::Sha512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            DigestAlgorithm::Sha224 | DigestAlgorithm::Sha512_224 | DigestAlgorithm::Sha512_256 => {
                return Err(CryptoError::Unsupported);
            }
        },
        SignatureAlgorithm::RsaPss(parameters) => match plain_pss(parameters)? {
            DigestAlgorithm::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
            DigestAlgorithm::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
            DigestAlgorithm::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
            DigestAlgorithm::Sha1
            | DigestAlgorithm::Sha224
            | DigestAlgorithm::Sha512_224
            | DigestAlgorithm::Sha512_256 => return Err(CryptoError::Unsupported),
        },
        SignatureAlgorithm::Dsa(_) | SignatureAlgorithm::Ecdsa(_) | SignatureAlgorithm::Ed25519 => {
            return Err(CryptoError::Unsupported);
        }
    };
    let sizes = parameters.min_modulus_len()..=parameters.max_modulus_len();
    if u32::try_from(bits).is_ok_and(|bits| sizes.contains(&bits)) {
        Ok(parameters)
    } else {
        Err(CryptoError::Unsupported)
    }
}

/// The hash of PSS parameters that aws-lc-rs knows: one hash, and a salt of its length.
pub(super) fn plain_pss(parameters: &PssParameters) -> Result<DigestAlgorithm, CryptoError> {
    let salt = digests::named(parameters.digest)?.output_len();
    if parameters.mask == parameters.digest && usize::try_from(parameters.salt) == Ok(salt) {
        Ok(parameters.digest)
    } else {
        Err(CryptoError::Unsupported)
    }
}

fn ecdsa_parameters(
    curve: Curve,
    digest: DigestAlgorithm,
) -> Result<&'static EcdsaVerificationAlgorithm, CryptoError> {
    use DigestAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
    match (curve, digest) {
        (Curve::P256, Sha1) => Ok(&signature::ECDSA_P256_SHA1_ASN1),
        (Curve::P256, Sha256) => Ok(&signature::ECDSA_P256_SHA256_ASN1),
        (Curve::P256, Sha384) => Ok(&signature::ECDSA_P256_SHA384_ASN1),
        (Curve::P256, Sha512) => Ok(&signature::ECDSA_P256_SHA512_ASN1),
        (Curve::P384, Sha256) => Ok(&signature::ECDSA_P384_SHA256_ASN1),
        (Curve::P384, Sha384) => Ok(&signature::ECDSA_P384_SHA384_ASN1),
        (Curve::P384, Sha512) => Ok(&signature::ECDSA_P384_SHA512_ASN1),
        (Curve::P521, Sha1) => Ok(&signature::ECDSA_P521_SHA1_ASN1),
        (Curve::P521, Sha224) => Ok(&signature::ECDSA_P521_SHA224_ASN1),
        (Curve::P521, Sha256) => Ok(&signature::ECDSA_P521_SHA256_ASN1),
        (Curve::P521, Sha384) => Ok(&signature::ECDSA_P521_SHA384_ASN1),
        (Curve::P521, Sha512) => Ok(&signature::ECDSA_P521_SHA512_ASN1),
        (Curve::P256 | Curve::P384 | Curve::P521 | Curve::X25519, _) => {
            Err(CryptoError::Unsupported)
        }
    }
}
