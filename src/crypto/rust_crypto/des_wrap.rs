//! Triple-DES key unwrap (RFC 3217 §3.2): old messages by key agreement have nothing else.

use cipher::{Array, BlockModeDecrypt, KeyIvInit};
use des::TdesEde3;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::crypto::{CryptoError, Secret};

/// The key of 24 octets that `wrapped` holds; `Failed` when its check value is another.
///
/// Parity is not looked at: some derive keys without it, and DES ignores it.
pub(super) fn unwrap(kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
    if wrapped.len() != WRAPPED_OCTETS {
        return Err(CryptoError::Failed);
    }
    let mut octets = Secret::new(wrapped.to_vec());
    decrypt(kek, &INITIALISATION_VECTOR, &mut octets)?;
    octets.reverse();
    let (iv, rest) = octets.split_at_mut(8);
    decrypt(kek, iv, rest)?;
    let (key, check) = rest.split_at(24);
    let digest = Sha1::digest(key);
    let expected = digest.get(..8).unwrap_or_default();
    if bool::from(expected.ct_eq(check)) {
        Ok(Secret::new(key.to_vec()))
    } else {
        Err(CryptoError::Failed)
    }
}

/// CBC without padding, in place.
fn decrypt(kek: &[u8], iv: &[u8], octets: &mut [u8]) -> Result<(), CryptoError> {
    let mut mode =
        cbc::Decryptor::<TdesEde3>::new_from_slices(kek, iv).map_err(|_| CryptoError::Malformed)?;
    let (blocks, _) = octets.as_chunks_mut();
    mode.decrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    Ok(())
}

/// RFC 3217 §3.1, step 7.
const INITIALISATION_VECTOR: [u8; 8] = [0x4a, 0xdd, 0xa2, 0x2c, 0x79, 0xe8, 0x21, 0x05];
/// Initialisation vector, key, check value.
const WRAPPED_OCTETS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hex(hex: &str) -> Vec<u8> {
        let digits: String = hex.split_whitespace().collect();
        digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// RFC 3217 §3.4.
    const KEK: &str = "255e0d1c07b646df b3134cc843ba8aa7 1f025b7c0838251f";
    const WRAPPED: &str =
        "690107618ef092b3 b48ca1796b234ae9 fa33ebb4159604037db5d6a84eb3aac2768c632775a467d4";
    const CEK: &str = "2923bf85e06dd6ae 529149f1f1bae9ea b3a7da3d860d3e98";

    #[test]
    fn the_example_of_rfc_3217_unwraps() {
        assert_eq!(
            *unwrap(&from_hex(KEK), &from_hex(WRAPPED)).unwrap(),
            from_hex(CEK)
        );
    }

    #[test]
    fn a_changed_octet_or_another_length_fails() {
        let wrapped = from_hex(WRAPPED);
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert_eq!(unwrap(&from_hex(KEK), &changed), Err(CryptoError::Failed));
        }
        assert_eq!(
            unwrap(&from_hex(KEK), &wrapped[..32]),
            Err(CryptoError::Failed)
        );
        assert_eq!(unwrap(&[0; 16], &wrapped), Err(CryptoError::Malformed));
    }
}
