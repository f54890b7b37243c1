//! RSA PKCS#1 v1.5 key transport that does not tell (RFC 3218).

use subtle::Choice;
use subtle::ConditionallySelectable;
use subtle::ConstantTimeEq;

use super::CryptoError;
use super::PrivateKey;
use super::Randomness;
use super::RsaEncryption;
use super::Secret;

/// Returns the content-encryption key of `octets` that `ciphertext` holds, or a random one.
///
/// Bad padding and any other length give the random key, after the same steps: the content then
/// fails as it would under any wrong key, and nobody learns which it was (RFC 3218 §2.3.2). How far
/// the time of the RSA operation itself tells lies with the key's library: aws-lc takes constant
/// time, RustCrypto blinds. Fails only for what does not depend on the ciphertext: `Unsupported`
/// when the key does not decrypt, `Unavailable` when there is no randomness or no key store.
pub fn unwrap_pkcs1(
    key: &dyn PrivateKey,
    ciphertext: &[u8],
    octets: usize,
    randomness: &dyn Randomness,
) -> Result<Secret, CryptoError> {
    // Drawn in any case, and before anything is known.
    let mut chosen = Secret::new(vec![0; octets]);
    randomness.fill(&mut chosen)?;
    let (held, good) = match key.decrypt(&RsaEncryption::Pkcs1, ciphertext) {
        Ok(held) => (held, Choice::from(1)),
        Err(error @ (CryptoError::Unsupported | CryptoError::Unavailable)) => return Err(error),
        Err(CryptoError::Failed | CryptoError::Malformed) => (Secret::default(), Choice::from(0)),
    };
    let good = good & held.len().ct_eq(&octets);
    let mut held = held;
    held.resize(octets, 0);
    for (octet, held) in chosen.iter_mut().zip(held.iter()) {
        octet.conditional_assign(held, good);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Message;
    use crate::crypto::SignatureAlgorithm;

    /// A key that decrypts everything to the same.
    #[derive(Debug)]
    struct Decrypts(Result<Vec<u8>, CryptoError>);

    impl PrivateKey for Decrypts {
        fn spki(&self) -> &[u8] {
            &[]
        }

        fn sign(&self, _: &SignatureAlgorithm, _: Message<'_>) -> Result<Vec<u8>, CryptoError> {
            Err(CryptoError::Unsupported)
        }

        fn decrypt(&self, _: &RsaEncryption, _: &[u8]) -> Result<Secret, CryptoError> {
            self.0.clone().map(Secret::new)
        }

        fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
            Err(CryptoError::Unsupported)
        }
    }

    #[derive(Debug)]
    struct Sevens;

    impl Randomness for Sevens {
        fn fill(&self, octets: &mut [u8]) -> Result<(), CryptoError> {
            octets.fill(7);
            Ok(())
        }
    }

    fn unwrap(outcome: Result<Vec<u8>, CryptoError>) -> Result<Vec<u8>, CryptoError> {
        unwrap_pkcs1(&Decrypts(outcome), &[], 16, &Sevens).map(|key| key.to_vec())
    }

    #[test]
    fn a_key_of_the_right_length_is_returned() {
        assert_eq!(unwrap(Ok(vec![1; 16])), Ok(vec![1; 16]));
    }

    #[test]
    fn bad_padding_and_wrong_lengths_become_a_random_key() {
        for outcome in [
            Err(CryptoError::Failed),
            Err(CryptoError::Malformed),
            Ok(vec![]),
            Ok(vec![1; 15]),
            Ok(vec![1; 17]),
            Ok(vec![1; 24]),
        ] {
            assert_eq!(unwrap(outcome), Ok(vec![7; 16]));
        }
    }

    #[test]
    fn a_key_store_that_does_not_answer_is_no_wrong_key() {
        for error in [CryptoError::Unavailable, CryptoError::Unsupported] {
            assert_eq!(unwrap(Err(error)), Err(error));
        }
    }
}
