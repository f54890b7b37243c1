//! Private keys: RSA of 1024 to 8192 bits, P-256, P-384, P-521, Ed25519, X25519. DSA is never signed
//! with, and SHA-1 neither.

use std::fmt;

use der::AnyRef;
use der::Decode;
use ed25519_dalek::Signer;
use pkcs1::DecodeRsaPrivateKey;
use pkcs1::EncodeRsaPublicKey;
use pkcs8::PrivateKeyInfoRef;
use rsa::BoxedUint;
use rsa::Pkcs1v15Encrypt;
use rsa::Pkcs1v15Sign;
use rsa::RsaPrivateKey;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::traits::PublicKeyParts;
use signature::hazmat::PrehashSigner;
use spki::AlgorithmIdentifierRef;

use super::RustCrypto;
use super::digests;
use super::establishment;
use super::pss;
use super::rng;
use super::verification::failed;
use super::verification::malformed;
use super::verification::octets;
use super::verification::widen;
use super::with_digest;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::PrivateKey;
use crate::crypto::PrivateKeyReader;
use crate::crypto::PssParameters;
use crate::crypto::Randomness;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SystemRandomness;
use crate::crypto::oids;
use crate::crypto::public_key;
use crate::crypto::public_key::RsaScheme;

impl PrivateKeyReader for RustCrypto {
    fn read(&self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, CryptoError> {
        let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(malformed)?;
        let octets = info.private_key.as_bytes();
        let (kind, spki) = match info.algorithm.oid {
            oids::RSA_ENCRYPTION => rsa_key(octets, RsaScheme::Any, &info.algorithm)?,
            oids::RSASSA_PSS => {
                let scheme = RsaScheme::Pss(public_key::restriction(&info.algorithm)?);
                rsa_key(octets, scheme, &info.algorithm)?
            }
            oids::EC_PUBLIC_KEY | oids::EC_DH => {
                ec_key(public_key::named_curve(&info.algorithm)?, octets)?
            }
            oids::ED25519 => ed25519_key(octets)?,
            oids::X25519 => x25519_key(octets)?,
            _ => return Err(CryptoError::Unsupported),
        };
        Ok(Box::new(Key { spki, kind }))
    }
}

struct Key {
    spki: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Rsa(Box<RsaPrivateKey>, RsaScheme),
    X25519(x25519_dalek::StaticSecret),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("rust_crypto::Key").finish_non_exhaustive()
    }
}

/// Signs a digest with a key of one of the curves' crates.
macro_rules! ecdsa {
    ($curve:ident, $key:expr, $hashed:expr) => {{
        let key = $curve::ecdsa::SigningKey::from($key);
        let signature: $curve::ecdsa::DerSignature =
            key.sign_prehash($hashed).map_err(malformed)?;
        Ok(signature.as_bytes().to_vec())
    }};
}

/// Agrees with a point, with a key of one of the curves' crates.
macro_rules! ecdh {
    ($curve:ident, $named:expr, $key:expr, $peer:expr) => {{
        let peer = establishment::point_of($named, $peer)?;
        let peer = $curve::PublicKey::from_sec1_bytes(peer).map_err(malformed)?;
        let secret = $curve::ecdh::diffie_hellman($key.to_nonzero_scalar(), peer.as_affine());
        Ok(Secret::new(secret.raw_secret_bytes().to_vec()))
    }};
}

impl PrivateKey for Key {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn sign(
        &self,
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        if algorithm.digest() == Some(DigestAlgorithm::Sha1) {
            return Err(CryptoError::Unsupported);
        }
        let widened = |digest, curve| Ok(widen(digests::of(message, digest)?, curve));
        match (&self.kind, algorithm) {
            (Kind::Rsa(key, scheme), SignatureAlgorithm::RsaPkcs1(digest)) => {
                scheme.permits(algorithm)?;
                let hashed = digests::of(message, *digest)?;
                let padding = with_digest!(*digest, Digest, Pkcs1v15Sign::new::<Digest>());
                key.sign_with_rng(&mut rng()?, padding, &hashed)
                    .map_err(failed)
            }
            (Kind::Rsa(key, scheme), SignatureAlgorithm::RsaPss(parameters)) => {
                scheme.permits(algorithm)?;
                sign_pss(key, parameters, &digests::of(message, parameters.digest)?)
            }
            (Kind::P256(key), SignatureAlgorithm::Ecdsa(digest)) => {
                ecdsa!(p256, key, &widened(*digest, Curve::P256)?)
            }
            (Kind::P384(key), SignatureAlgorithm::Ecdsa(digest)) => {
                ecdsa!(p384, key, &widened(*digest, Curve::P384)?)
            }
            (Kind::P521(key), SignatureAlgorithm::Ecdsa(digest)) => {
                ecdsa!(p521, key, &widened(*digest, Curve::P521)?)
            }
            (Kind::Ed25519(key), SignatureAlgorithm::Ed25519) => match message {
                Message::Octets(octets) => Ok(key.sign(octets).to_bytes().to_vec()),
                Message::Digest(..) => Err(CryptoError::Unsupported),
            },
            _ => Err(CryptoError::Unsupported),
        }
    }

    fn decrypt(&self, scheme: &RsaEncryption, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let Kind::Rsa(key, RsaScheme::Any) = &self.kind else {
            return Err(CryptoError::Unsupported);
        };
        match scheme {
            // Bad padding gives octets that depend on key and ciphertext, and no error.
            RsaEncryption::Pkcs1 => key
                .decrypt_blinded(&mut rng()?, Pkcs1v15Encrypt, ciphertext)
                .map(Secret::new)
                .map_err(failed),
            RsaEncryption::Oaep(parameters) => {
                establishment::decrypt_oaep(key, parameters, ciphertext)
            }
        }
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        match &self.kind {
            Kind::P256(key) => ecdh!(p256, Curve::P256, key, peer),
            Kind::P384(key) => ecdh!(p384, Curve::P384, key, peer),
            Kind::P521(key) => ecdh!(p521, Curve::P521, key, peer),
            Kind::X25519(key) => establishment::agree_x25519(key, peer),
            Kind::Ed25519(_) | Kind::Rsa(..) => Err(CryptoError::Unsupported),
        }
    }
}

fn sign_pss(
    key: &RsaPrivateKey,
    parameters: &PssParameters,
    hashed: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let salt = usize::try_from(parameters.salt).map_err(malformed)?;
    if salt > key.size() {
        return Err(CryptoError::Unsupported);
    }
    let mut salt = vec![0; salt];
    SystemRandomness.fill(&mut salt)?;
    let bits = usize::try_from(key.n().bits()).map_err(malformed)?;
    let encoded = pss::encode(hashed, &salt, parameters, bits)?;
    let encoded = BoxedUint::from_be_slice(&encoded, key.n_bits_precision()).map_err(malformed)?;
    let signature = rsa_decrypt_and_check(key, Some(&mut rng()?), &encoded).map_err(failed)?;
    Ok(octets(&signature, key.size()))
}

fn rsa_key(
    octets: &[u8],
    scheme: RsaScheme,
    algorithm: &AlgorithmIdentifierRef<'_>,
) -> Result<(Kind, Vec<u8>), CryptoError> {
    let key = RsaPrivateKey::from_pkcs1_der(octets).map_err(malformed)?;
    let public = key.to_public_key().to_pkcs1_der().map_err(malformed)?;
    let algorithm = match scheme {
        // RFC 3279 §2.3.1: NULL, whatever the file has.
        RsaScheme::Any => AlgorithmIdentifierRef {
            oid: oids::RSA_ENCRYPTION,
            parameters: Some(AnyRef::NULL),
        },
        RsaScheme::Oaep | RsaScheme::Pss(_) => *algorithm,
    };
    let spki = public_key::encode(algorithm, public.as_bytes())?;
    Ok((Kind::Rsa(Box::new(key), scheme), spki))
}

fn ec_key(curve: Curve, octets: &[u8]) -> Result<(Kind, Vec<u8>), CryptoError> {
    /// The key and the point of one of the curves' crates.
    macro_rules! read {
        ($curve:ident, $kind:ident) => {{
            let key = $curve::SecretKey::from_sec1_der(octets).map_err(malformed)?;
            let point = key.public_key().to_sec1_bytes();
            (Kind::$kind(key), point)
        }};
    }
    let (kind, point) = match curve {
        Curve::P256 => read!(p256, P256),
        Curve::P384 => read!(p384, P384),
        Curve::P521 => read!(p521, P521),
        Curve::X25519 => return Err(CryptoError::Unsupported),
    };
    Ok((kind, public_key::encode_on(curve, &point)?))
}

fn ed25519_key(octets: &[u8]) -> Result<(Kind, Vec<u8>), CryptoError> {
    let seed = public_key::curve_private_key(octets)?;
    let key = ed25519_dalek::SigningKey::from_bytes(seed.try_into().map_err(malformed)?);
    let algorithm = AlgorithmIdentifierRef {
        oid: oids::ED25519,
        parameters: None,
    };
    let spki = public_key::encode(algorithm, key.verifying_key().as_bytes())?;
    Ok((Kind::Ed25519(Box::new(key)), spki))
}

fn x25519_key(octets: &[u8]) -> Result<(Kind, Vec<u8>), CryptoError> {
    let octets = public_key::curve_private_key(octets)?;
    let key = x25519_dalek::StaticSecret::from(<[u8; 32]>::try_from(octets).map_err(malformed)?);
    let public = x25519_dalek::PublicKey::from(&key);
    let spki = public_key::encode_on(Curve::X25519, public.as_bytes())?;
    Ok((Kind::X25519(key), spki))
}
