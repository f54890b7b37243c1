//! A key's check of its own signatures, faster than what anybody can do who is given its public half with each.
//!
//! RSA: the public half is read once, which saves a tenth. P-256, two and a half times as fast: a signature (r, s) of
//! the digest z is good where R = (z/s)·G + (r/s)·Q has the x-coordinate r (FIPS 186-5 §6.4.2). Whoever knows d, with
//! Q = d·G, has the same R as ((z + r·d)/s)·G: one multiplication of the generator, for which there are tables, in place
//! of one of Q. That factor is the signature's nonce, so it is as secret as d; what we hold of both is wiped, and what a
//! compiler leaves of them in registers and on the stack is not.

use std::fmt;

use aws_lc_rs::agreement;
use aws_lc_rs::signature;
use aws_lc_rs::signature::ParsedPublicKey;
use p256::FieldBytes;
use p256::NonZeroScalar;
use p256::Scalar;
use p256::SecretKey;
use p256::U256;
use p256::ecdsa;
use p256::elliptic_curve::ops::Reduce;
use zeroize::Zeroizing;

use super::digests;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Message;
use crate::crypto::SignatureAlgorithm;
use crate::crypto::SignatureValid;
use crate::crypto::SignatureVerification;

/// The length of a coordinate and of a scalar, in octets.
const LENGTH: usize = 32;

/// What checks the signatures of one key.
pub(super) struct OwnSignatures {
    spki: Vec<u8>,
    check: Check,
}

enum Check {
    /// A second copy of the key, apart from the one that signs: a fault in either of them shows.
    P256(Box<SecretKey>),
    /// PKCS#1 v1.5 with SHA-256.
    RsaPkcs1(ParsedPublicKey),
}

impl OwnSignatures {
    /// `key` is the RSAPublicKey (RFC 8017 §A.1.1) in `spki`, of 2048 to 8192 bits.
    pub(super) fn rsa(key: &[u8], spki: &[u8]) -> Result<Self, CryptoError> {
        let key = ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key)
            .map_err(super::rejected)?;
        let (spki, check) = (spki.to_vec(), Check::RsaPkcs1(key));
        Ok(Self { spki, check })
    }

    /// `spki` holds `point`, uncompressed, which must be the public half of the `key` (ECPrivateKey, RFC 5915); else it
    /// is `Malformed`. `None` for one that the other library does not read: that is no reason to refuse a key.
    pub(super) fn p256(key: &[u8], point: &[u8], spki: &[u8]) -> Result<Option<Self>, CryptoError> {
        let Ok(secret) = SecretKey::from_sec1_der(key) else {
            return Ok(None);
        };
        // Once for all signatures: by another library than the one that `point` is from.
        if secret.public_key().to_sec1_bytes().as_ref() != point {
            return Err(CryptoError::Malformed);
        }
        let (spki, check) = (spki.to_vec(), Check::P256(Box::new(secret)));
        Ok(Some(Self { spki, check }))
    }

    /// Whether it checks signatures by `algorithm`.
    pub(super) fn checks(&self, algorithm: &SignatureAlgorithm) -> bool {
        *algorithm
            == match self.check {
                Check::P256(_) => SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256),
                Check::RsaPkcs1(_) => SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
            }
    }
}

/// Whether it is a signature of `digest`.
fn is_good(secret: &SecretKey, digest: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
    // Both are from 1 up to the order of the curve, or it is no signature (FIPS 186-5 §6.4.2, step 1).
    let (r, s) = ecdsa::Signature::from_der(signature)
        .map_err(|_| CryptoError::Failed)?
        .split_scalars();
    // Whoever has the signature has s: it need not be kept from a clock.
    let inverse: Option<Scalar> = s.as_ref().invert_vartime().into();
    let inverse = inverse.ok_or(CryptoError::Failed)?;
    let digest = reduced(digest).ok_or(CryptoError::Malformed)?;
    let d: Zeroizing<NonZeroScalar> = Zeroizing::new(secret.to_nonzero_scalar());
    let product = Zeroizing::new(*r * **d);
    let sum = Zeroizing::new(digest + *product);
    let nonce = Zeroizing::new(*sum * inverse);
    let octets: Zeroizing<FieldBytes> = Zeroizing::new((*nonce).into());
    let point = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &octets)
        .map_err(|_| CryptoError::Failed)?
        .compute_public_key()
        .map_err(|_| CryptoError::Failed)?;
    // SEC 1 §2.3.3: 4, x, y.
    let x = point.as_ref().get(1..=LENGTH).and_then(reduced);
    Ok(x.is_some_and(|x| x == *r))
}

impl fmt::Debug for OwnSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnSignatures").finish_non_exhaustive()
    }
}

impl SignatureVerification for OwnSignatures {
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError> {
        if spki != self.spki || !self.checks(algorithm) {
            return Err(CryptoError::Unsupported);
        }
        let digest = digests::of(message, DigestAlgorithm::Sha256)?;
        let good = match &self.check {
            Check::P256(secret) => is_good(secret, digest.as_ref(), signature)?,
            Check::RsaPkcs1(key) => key.verify_digest_sig(&digest, signature).is_ok(),
        };
        if good {
            Ok(SignatureValid { _private: () })
        } else {
            Err(CryptoError::Failed)
        }
    }
}

/// `octets`, of the length of a scalar, modulo the order of the curve.
fn reduced(octets: &[u8]) -> Option<Scalar> {
    let octets = <[u8; LENGTH]>::try_from(octets).ok()?;
    let number = U256::from_be_slice(&octets);
    Some(Reduce::reduce(&number))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa;
    use aws_lc_rs::signature::EcdsaKeyPair;
    use der::Decode;
    use p256::NistP256;
    use p256::elliptic_curve::Curve;
    use pkcs8::PrivateKeyInfoRef;

    use super::*;
    use crate::crypto::PrivateKey;
    use crate::crypto::aws_lc::AwsLc;
    use crate::crypto::provider;

    const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256);
    const RSA: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);

    fn pkcs8() -> Vec<u8> {
        let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        pair.to_pkcs8v1().unwrap().as_ref().to_vec()
    }

    fn read(pkcs8: &[u8]) -> Box<dyn PrivateKey> {
        provider().private_keys.read(pkcs8).unwrap()
    }

    /// What the key says of its own, and what verification says, which is the same.
    fn verdict(key: &dyn PrivateKey, text: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        verdict_by(&ALGORITHM, key, text, signature)
    }

    fn verdict_by(
        algorithm: &SignatureAlgorithm,
        key: &dyn PrivateKey,
        text: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let own = key.own_verification(algorithm).unwrap();
        let verify = |by: &dyn SignatureVerification| {
            by.verify(key.spki(), algorithm, Message::Octets(text), signature)
                .map(|SignatureValid { .. }| ())
        };
        let public = verify(&AwsLc);
        assert_eq!(verify(own), public);
        public
    }

    #[test]
    fn a_key_says_of_its_signatures_what_verification_says() {
        let key = read(&pkcs8());
        let other = read(&pkcs8());
        for text in [b"".as_slice(), b"text", &[0xFF; 100]] {
            let signature = key.sign(&ALGORITHM, Message::Octets(text)).unwrap();
            assert_eq!(verdict(&*key, text, &signature), Ok(()));
            assert_eq!(
                verdict(&*key, b"other", &signature),
                Err(CryptoError::Failed)
            );
            assert_eq!(verdict(&*other, text, &signature), Err(CryptoError::Failed));
        }
    }

    #[test]
    fn no_bit_of_a_signature_may_differ() {
        let key = read(&pkcs8());
        let signature = key.sign(&ALGORITHM, Message::Octets(b"text")).unwrap();
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                verdict(&*key, b"text", &changed),
                Err(CryptoError::Failed),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn an_rsa_key_says_of_its_signatures_what_verification_says() {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let key = read(pair.as_der().unwrap().as_ref());
        let mut signature = key.sign(&RSA, Message::Octets(b"text")).unwrap();
        let verdict = |text, signature: &[u8]| verdict_by(&RSA, &*key, text, signature);
        assert_eq!(verdict(b"text", &signature), Ok(()));
        assert_eq!(verdict(b"other", &signature), Err(CryptoError::Failed));
        signature[200] ^= 1;
        assert_eq!(verdict(b"text", &signature), Err(CryptoError::Failed));
        let short = signature.split_last().unwrap().1;
        assert_eq!(verdict(b"text", short), Err(CryptoError::Failed));
    }

    /// r and s of nothing, of the order itself, and of what gives the point at infinity.
    #[test]
    fn numbers_out_of_range_are_no_signature() {
        let key = read(&pkcs8());
        let order = NistP256::ORDER.to_be_bytes();
        let order = [&[2, 33, 0], order.as_ref()].concat();
        let zero = vec![2, 1, 0];
        let one = vec![2, 1, 1];
        for (r, s) in [
            (zero.clone(), one.clone()),
            (one.clone(), zero),
            (order.clone(), one.clone()),
            (one.clone(), order.clone()),
            (one.clone(), one),
        ] {
            let mut signature = vec![0x30, u8::try_from(r.len() + s.len()).unwrap()];
            signature.extend(r);
            signature.extend(s);
            assert_eq!(
                verdict(&*key, b"text", &signature),
                Err(CryptoError::Failed)
            );
        }
    }

    #[test]
    fn another_public_half_is_refused() {
        let (one, other) = (pkcs8(), pkcs8());
        let key = PrivateKeyInfoRef::from_der(&one).unwrap();
        let make = |spki: &[u8]| {
            let point = spki.last_chunk::<65>().unwrap();
            OwnSignatures::p256(key.private_key.as_bytes(), point, spki)
        };
        assert!(make(read(&one).spki()).unwrap().is_some());
        assert_eq!(
            make(read(&other).spki()).unwrap_err(),
            CryptoError::Malformed
        );
    }

    #[test]
    fn of_other_keys_it_says_nothing() {
        let key = read(&pkcs8());
        let signature = key.sign(&ALGORITHM, Message::Octets(b"text")).unwrap();
        let own = key.own_verification(&ALGORITHM).unwrap();
        let spki = read(&pkcs8()).spki().to_vec();
        let answer = own.verify(&spki, &ALGORITHM, Message::Octets(b"text"), &signature);
        assert_eq!(answer.unwrap_err(), CryptoError::Unsupported);
        let wide = SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha384);
        assert!(key.own_verification(&wide).is_none());
    }
}
