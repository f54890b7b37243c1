//! Private keys: RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519, X25519.
//!
//! Everything is parsed once, when the key is read.

use std::fmt;

use aws_lc_rs::agreement;
use aws_lc_rs::rsa;
use aws_lc_rs::rsa::OaepPrivateDecryptingKey;
use aws_lc_rs::rsa::Pkcs1PrivateDecryptingKey;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use aws_lc_rs::signature;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::EcdsaSigningAlgorithm;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use aws_lc_rs::signature::RsaEncoding;
use der::AnyRef;
use der::Decode;
use der::asn1::UintRef;
use pkcs8::PrivateKeyInfoRef;
use spki::AlgorithmIdentifierRef;

use super::AwsLc;
use super::digests;
use super::establishment;
use super::own_signatures::OwnSignatures;
use super::verification;
use crate::crypto::CryptoError;
use crate::crypto::Curve;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::OaepParameters;
use crate::crypto::PrivateKey;
use crate::crypto::PrivateKeyReader;
use crate::crypto::PssParameters;
use crate::crypto::RsaEncryption;
use crate::crypto::Secret;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureVerification;
use crate::crypto::oids;
use crate::crypto::public_key;
use crate::crypto::public_key::RsaScheme;

impl PrivateKeyReader for AwsLc {
    fn read(&self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, CryptoError> {
        let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| CryptoError::Malformed)?;
        let octets = info.private_key.as_bytes();
        match info.algorithm.oid {
            oids::RSA_ENCRYPTION => rsa_key(&info.algorithm, octets, RsaScheme::Any, pkcs8),
            oids::RSASSA_PSS => {
                let scheme = RsaScheme::Pss(public_key::restriction(&info.algorithm)?);
                rsa_key(&info.algorithm, octets, scheme, pkcs8)
            }
            oids::EC_PUBLIC_KEY | oids::EC_DH => {
                ec_key(public_key::named_curve(&info.algorithm)?, octets, pkcs8)
            }
            oids::ED25519 => ed25519_key(octets),
            oids::X25519 => x25519_key(octets),
            _ => Err(CryptoError::Unsupported),
        }
        .map(|key| -> Box<dyn PrivateKey> { Box::new(key) })
    }
}

struct Key {
    spki: Vec<u8>,
    kind: Kind,
    /// What it agrees with, where it does.
    agreement: Option<(Curve, agreement::PrivateKey)>,
    own: Option<OwnSignatures>,
}

enum Kind {
    /// One pair for each digest that aws-lc-rs signs with on this curve.
    Ec(Vec<(DigestAlgorithm, EcdsaKeyPair)>),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<Rsa>),
    X25519,
}

struct Rsa {
    scheme: RsaScheme,
    signing: rsa::KeyPair,
    /// Absent where the key must not decrypt.
    decrypting: Option<(Pkcs1PrivateDecryptingKey, OaepPrivateDecryptingKey)>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("aws_lc::Key").finish_non_exhaustive()
    }
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
        match (&self.kind, algorithm) {
            (Kind::Rsa(key), SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_)) => {
                key.sign(algorithm, message)
            }
            (Kind::Ec(pairs), SignatureAlgorithm::Ecdsa(digest)) => {
                let (_, pair) = pairs
                    .iter()
                    .find(|(by, _)| by == digest)
                    .ok_or(CryptoError::Unsupported)?;
                pair.sign_digest(&digests::of(message, *digest)?)
                    .map(|signature| signature.as_ref().to_vec())
                    .map_err(super::failed)
            }
            (Kind::Ed25519(pair), SignatureAlgorithm::Ed25519) => match message {
                Message::Octets(octets) => pair
                    .try_sign(octets)
                    .map(|signature| signature.as_ref().to_vec())
                    .map_err(super::failed),
                Message::Digest(..) => Err(CryptoError::Unsupported),
            },
            _ => Err(CryptoError::Unsupported),
        }
    }

    fn decrypt(&self, scheme: &RsaEncryption, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let Kind::Rsa(key) = &self.kind else {
            return Err(CryptoError::Unsupported);
        };
        let (pkcs1, oaep) = key.decrypting.as_ref().ok_or(CryptoError::Unsupported)?;
        let mut plaintext = Secret::new(vec![0; key.signing.public_modulus_len()]);
        let len = match scheme {
            RsaEncryption::Pkcs1 => pkcs1.decrypt(ciphertext, &mut plaintext),
            RsaEncryption::Oaep(OaepParameters {
                digest,
                mask,
                label,
            }) => oaep.decrypt(
                establishment::oaep(*digest, *mask)?,
                ciphertext,
                &mut plaintext,
                Some(label.as_slice()).filter(|label| !label.is_empty()),
            ),
        }
        .map_err(super::failed)?
        .len();
        plaintext.truncate(len);
        Ok(plaintext)
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        let (curve, key) = self.agreement.as_ref().ok_or(CryptoError::Unsupported)?;
        establishment::agree(key, *curve, peer)
    }

    fn own_verification(
        &self,
        algorithm: &SignatureAlgorithm,
    ) -> Option<&dyn SignatureVerification> {
        let own = self.own.as_ref()?;
        own.checks(algorithm).then_some(own)
    }
}

impl Rsa {
    fn sign(
        &self,
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError> {
        self.scheme.permits(algorithm)?;
        let (encoding, digest): (&'static dyn RsaEncoding, _) = match algorithm {
            SignatureAlgorithm::RsaPkcs1(digest) => match digest {
                DigestAlgorithm::Sha256 => (&signature::RSA_PKCS1_SHA256, *digest),
                DigestAlgorithm::Sha384 => (&signature::RSA_PKCS1_SHA384, *digest),
                DigestAlgorithm::Sha512 => (&signature::RSA_PKCS1_SHA512, *digest),
                DigestAlgorithm::Sha1
                | DigestAlgorithm::Sha224
                | DigestAlgorithm::Sha512_224
                | DigestAlgorithm::Sha512_256 => return Err(CryptoError::Unsupported),
            },
            SignatureAlgorithm::RsaPss(parameters) => pss_encoding(parameters)?,
            SignatureAlgorithm::Dsa(_)
            | SignatureAlgorithm::Ecdsa(_)
            | SignatureAlgorithm::Ed25519 => return Err(CryptoError::Unsupported),
        };
        let mut signature = vec![0; self.signing.public_modulus_len()];
        // As one call over the octets aws-lc-rs would hash them itself; the digest is ours anyway.
        self.signing
            .sign_digest(encoding, &digests::of(message, digest)?, &mut signature)
            .map_err(super::failed)?;
        Ok(signature)
    }
}

fn pss_encoding(
    parameters: &PssParameters,
) -> Result<(&'static dyn RsaEncoding, DigestAlgorithm), CryptoError> {
    match verification::plain_pss(parameters)? {
        digest @ DigestAlgorithm::Sha256 => Ok((&signature::RSA_PSS_SHA256, digest)),
        digest @ DigestAlgorithm::Sha384 => Ok((&signature::RSA_PSS_SHA384, digest)),
        digest @ DigestAlgorithm::Sha512 => Ok((&signature::RSA_PSS_SHA512, digest)),
        DigestAlgorithm::Sha1
        | DigestAlgorithm::Sha224
        | DigestAlgorithm::Sha512_224
        | DigestAlgorithm::Sha512_256 => Err(CryptoError::Unsupported),
    }
}

fn rsa_key(
    algorithm: &AlgorithmIdentifierRef<'_>,
    octets: &[u8],
    scheme: RsaScheme,
    pkcs8: &[u8],
) -> Result<Key, CryptoError> {
    let numbers: pkcs1::RsaPrivateKey<UintRef<'_>> =
        Decode::from_der(octets).map_err(|_| CryptoError::Malformed)?;
    // What aws-lc-rs takes; smaller ones are RustCrypto's.
    if !(2048..=8192).contains(&public_key::bits(numbers.modulus.as_bytes())) {
        return Err(CryptoError::Unsupported);
    }
    let signing = rsa::KeyPair::from_der(octets).map_err(super::rejected)?;
    let decrypting = match scheme {
        RsaScheme::Any => {
            let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(super::rejected)?;
            let pkcs1 = Pkcs1PrivateDecryptingKey::new(key.clone()).map_err(super::malformed)?;
            let oaep = OaepPrivateDecryptingKey::new(key).map_err(super::malformed)?;
            Some((pkcs1, oaep))
        }
        RsaScheme::Oaep | RsaScheme::Pss(_) => None,
    };
    let algorithm = match scheme {
        // RFC 3279 §2.3.1: NULL, whatever the file has.
        RsaScheme::Any => AlgorithmIdentifierRef {
            oid: oids::RSA_ENCRYPTION,
            parameters: Some(AnyRef::NULL),
        },
        RsaScheme::Oaep | RsaScheme::Pss(_) => *algorithm,
    };
    let public = signing.public_key().as_ref();
    let spki = public_key::encode(algorithm, public)?;
    let own = match scheme {
        RsaScheme::Any => Some(OwnSignatures::rsa(public, &spki)?),
        RsaScheme::Oaep | RsaScheme::Pss(_) => None,
    };
    Ok(Key {
        spki,
        kind: Kind::Rsa(Box::new(Rsa {
            scheme,
            signing,
            decrypting,
        })),
        agreement: None,
        own,
    })
}

fn ec_key(curve: Curve, octets: &[u8], pkcs8: &[u8]) -> Result<Key, CryptoError> {
    use DigestAlgorithm::{Sha224, Sha256, Sha384, Sha512};
    let signing: &[(DigestAlgorithm, &'static EcdsaSigningAlgorithm)] = match curve {
        Curve::P256 => &[(Sha256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING)],
        Curve::P384 => &[(Sha384, &signature::ECDSA_P384_SHA384_ASN1_SIGNING)],
        Curve::P521 => &[
            (Sha224, &signature::ECDSA_P521_SHA224_ASN1_SIGNING),
            (Sha256, &signature::ECDSA_P521_SHA256_ASN1_SIGNING),
            (Sha384, &signature::ECDSA_P521_SHA384_ASN1_SIGNING),
            (Sha512, &signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        ],
        Curve::X25519 => return Err(CryptoError::Unsupported),
    };
    let pairs = signing
        .iter()
        .map(|(digest, algorithm)| Ok((*digest, EcdsaKeyPair::from_pkcs8(algorithm, pkcs8)?)))
        .collect::<Result<Vec<_>, aws_lc_rs::error::KeyRejected>>()
        .map_err(super::rejected)?;
    let agreement = agreement::PrivateKey::from_private_key_der(establishment::curve(curve), pkcs8)
        .map_err(super::rejected)?;
    let point = agreement.compute_public_key().map_err(super::malformed)?;
    let spki = public_key::encode_on(curve, point.as_ref())?;
    let own = match curve {
        Curve::P256 => OwnSignatures::p256(octets, point.as_ref(), &spki)?,
        Curve::P384 | Curve::P521 | Curve::X25519 => None,
    };
    Ok(Key {
        spki,
        kind: Kind::Ec(pairs),
        agreement: Some((curve, agreement)),
        own,
    })
}

fn ed25519_key(octets: &[u8]) -> Result<Key, CryptoError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(public_key::curve_private_key(octets)?)
        .map_err(super::rejected)?;
    let algorithm = AlgorithmIdentifierRef {
        oid: oids::ED25519,
        parameters: None,
    };
    let spki = public_key::encode(algorithm, pair.public_key().as_ref())?;
    Ok(Key {
        spki,
        kind: Kind::Ed25519(pair),
        agreement: None,
        own: None,
    })
}

fn x25519_key(octets: &[u8]) -> Result<Key, CryptoError> {
    let octets = public_key::curve_private_key(octets)?;
    let key = agreement::PrivateKey::from_private_key(&agreement::X25519, octets)
        .map_err(super::rejected)?;
    let public = key.compute_public_key().map_err(super::malformed)?;
    let spki = public_key::encode_on(Curve::X25519, public.as_ref())?;
    Ok(Key {
        spki,
        kind: Kind::X25519,
        agreement: Some((Curve::X25519, key)),
        own: None,
    })
}
