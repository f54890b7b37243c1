//! EMSA-PSS with any two hashes and any salt (RFC 8017 §9.1); the `rsa` crate has one hash for both.

use subtle::ConstantTimeEq;

use super::RustCrypto;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Digests;
use crate::crypto::PssParameters;

/// Encodes the digest of a message for a modulus of `bits`, with a salt of the length that
/// `parameters` say. `Unsupported` when the modulus is too short for both.
pub(super) fn encode(
    digest: &[u8],
    salt: &[u8],
    parameters: &PssParameters,
    bits: usize,
) -> Result<Vec<u8>, CryptoError> {
    let size = encoded_octets(bits);
    let hash = parameters.digest.output_octets();
    let zeros = size
        .checked_sub(hash + 1)
        .and_then(|block| block.checked_sub(salt.len() + 1))
        .ok_or(CryptoError::Unsupported)?;
    let hashed = salted(digest, salt, parameters.digest)?;
    let mut encoded = vec![0; zeros];
    encoded.push(1);
    encoded.extend_from_slice(salt);
    mask(&mut encoded, &hashed, parameters.mask)?;
    clear_unused(&mut encoded, bits);
    encoded.extend_from_slice(&hashed);
    encoded.push(0xbc);
    Ok(encoded)
}

/// Checks `encoded`, the signature's octets after the public operation, `Failed` when they are not
/// an encoding of `digest`. All that it works on is public.
pub(super) fn verify(
    digest: &[u8],
    encoded: &[u8],
    parameters: &PssParameters,
    bits: usize,
) -> Result<(), CryptoError> {
    // The modulus can be an octet longer than what is encoded (RFC 8017 §8.1.2, step 2c).
    let surplus = encoded.len().checked_sub(encoded_octets(bits));
    let (surplus, encoded) = encoded
        .split_at_checked(surplus.ok_or(CryptoError::Failed)?)
        .ok_or(CryptoError::Failed)?;
    let Some((0xbc, rest)) = encoded.split_last() else {
        return Err(CryptoError::Failed);
    };
    let block = rest.len().checked_sub(parameters.digest.output_octets());
    let (masked, hashed) = rest
        .split_at_checked(block.ok_or(CryptoError::Failed)?)
        .ok_or(CryptoError::Failed)?;
    let mut block = masked.to_vec();
    clear_unused(&mut block, bits);
    if block != masked || surplus.iter().any(|octet| *octet != 0) {
        return Err(CryptoError::Failed);
    }
    mask(&mut block, hashed, parameters.mask)?;
    clear_unused(&mut block, bits);
    let salt = usize::try_from(parameters.salt)
        .ok()
        .and_then(|salt| block.len().checked_sub(salt))
        .and_then(|at| block.split_at_checked(at));
    let Some((start, salt)) = salt else {
        return Err(CryptoError::Failed);
    };
    let Some((1, zeros)) = start.split_last() else {
        return Err(CryptoError::Failed);
    };
    let expected = salted(digest, salt, parameters.digest)?;
    if zeros.iter().all(|octet| *octet == 0) && bool::from(expected.ct_eq(hashed)) {
        Ok(())
    } else {
        Err(CryptoError::Failed)
    }
}

/// emLen: the octets of modBits - 1 bits.
fn encoded_octets(bits: usize) -> usize {
    bits.saturating_sub(1).div_ceil(8)
}

/// Clears the leftmost bits that do not fit below the modulus (RFC 8017 §9.1.1, step 11).
fn clear_unused(block: &mut [u8], bits: usize) {
    let unused = encoded_octets(bits)
        .saturating_mul(8)
        .saturating_sub(bits.saturating_sub(1));
    if let Some(first) = block.first_mut() {
        *first &= u8::MAX >> unused;
    }
}

/// The hash of eight zeros, the message's digest and the salt.
fn salted(digest: &[u8], salt: &[u8], algorithm: DigestAlgorithm) -> Result<Vec<u8>, CryptoError> {
    let mut digester = RustCrypto.start(algorithm)?;
    digester.update(&[0; 8]);
    digester.update(digest);
    digester.update(salt);
    Ok(digester.finish())
}

/// Adds MGF1 of `seed` to `block` (RFC 8017 appendix B.2.1).
fn mask(block: &mut [u8], seed: &[u8], algorithm: DigestAlgorithm) -> Result<(), CryptoError> {
    for (piece, counter) in block.chunks_mut(algorithm.output_octets()).zip(0_u32..) {
        let mut digester = RustCrypto.start(algorithm)?;
        digester.update(seed);
        digester.update(&counter.to_be_bytes());
        for (octet, mask) in piece.iter_mut().zip(digester.finish()) {
            *octet ^= mask;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_verified_for_moduli_of_any_length() {
        let digest = [7; 32];
        let parameters = PssParameters {
            digest: DigestAlgorithm::Sha256,
            mask: DigestAlgorithm::Sha1,
            salt: 11,
        };
        for bits in 1020..1040 {
            let mut encoded = encode(&digest, &[9; 11], &parameters, bits).unwrap();
            if encoded.len() < bits.div_ceil(8) {
                encoded.insert(0, 0);
            }
            assert_eq!(
                verify(&digest, &encoded, &parameters, bits),
                Ok(()),
                "{bits}"
            );
            for at in [0, 1, 60, encoded.len() - 2, encoded.len() - 1] {
                let mut wrong = encoded.clone();
                wrong[at] ^= 0x80;
                let verdict = verify(&digest, &wrong, &parameters, bits);
                assert_eq!(verdict, Err(CryptoError::Failed), "{bits}, octet {at}");
            }
        }
    }

    #[test]
    fn a_salt_that_does_not_fit_is_unsupported() {
        let parameters = PssParameters::plain(DigestAlgorithm::Sha512);
        let outcome = encode(&[0; 64], &[0; 64], &parameters, 1024);
        assert_eq!(outcome, Err(CryptoError::Unsupported));
    }
}
