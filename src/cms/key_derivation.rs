//! From a shared secret to the key that wraps another (RFC 5753 §7.2, RFC 8418 §2).

use crate::cms::ber::tag;
use crate::cms::tlv;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::Digests;
use crate::crypto::Secret;
use crate::crypto::algorithms::KeyDerivation;

/// What both sides know beside the shared secret.
pub(super) struct SharedInfo<'a> {
    /// The key wrap, AlgorithmIdentifier in DER as it stands in the message: some write NULL
    /// parameters where RFC 3565 §2.3.2 has them absent, and derive with what they wrote.
    pub(super) wrap: &'a [u8],
    /// User keying material.
    pub(super) ukm: Option<&'a [u8]>,
    /// Octets of the key that is derived.
    pub(super) length: usize,
}

impl SharedInfo<'_> {
    /// ECC-CMS-SharedInfo (RFC 5753 §7.2), DER.
    fn der(&self) -> Vec<u8> {
        let ukm = self.ukm.map_or_else(Vec::new, |ukm| {
            let ukm = tlv::element(tag::OCTET_STRING, &[ukm]);
            tlv::element(tag::context(0), &[&ukm])
        });
        let bits = u32::try_from(self.length * 8).unwrap_or(u32::MAX);
        let bits = tlv::element(tag::OCTET_STRING, &[&bits.to_be_bytes()]);
        let bits = tlv::element(tag::context(2), &[&bits]);
        tlv::element(tag::SEQUENCE, &[self.wrap, &ukm, &bits])
    }

    /// The key-encryption key that comes out of `secret`.
    pub(super) fn derive(
        &self,
        derivation: KeyDerivation,
        secret: &[u8],
        digests: &dyn Digests,
    ) -> Result<Secret, CryptoError> {
        let info = self.der();
        match derivation {
            KeyDerivation::Hkdf(digest) => {
                let by = Hmac { digest, digests };
                let extracted = by.of(self.ukm.unwrap_or_default(), &[secret])?;
                expand(&by, &extracted, &info, self.length)
            }
            KeyDerivation::X963(digest) => x963(secret, &info, self.length, |parts| {
                digest_of(digests, digest, parts)
            }),
        }
    }
}

/// SEC 1 §3.6.1: counter from 1 on, between secret and info.
fn x963(
    secret: &[u8],
    info: &[u8],
    length: usize,
    digest: impl Fn(&[&[u8]]) -> Result<Secret, CryptoError>,
) -> Result<Secret, CryptoError> {
    let mut key = Secret::new(Vec::with_capacity(length + LONGEST_DIGEST));
    let mut counter = 1_u32;
    while key.len() < length {
        key.extend_from_slice(&digest(&[secret, &counter.to_be_bytes(), info])?);
        counter += 1;
    }
    key.truncate(length);
    Ok(key)
}

/// HKDF-Expand (RFC 5869 §2.3).
fn expand(by: &Hmac<'_>, key: &[u8], info: &[u8], length: usize) -> Result<Secret, CryptoError> {
    let mut okm = Secret::new(Vec::with_capacity(length + LONGEST_DIGEST));
    let mut block = Secret::new(Vec::new());
    let mut counter = 1_u8;
    while okm.len() < length {
        block = by.of(key, &[&block, info, &[counter]])?;
        okm.extend_from_slice(&block);
        counter = counter.checked_add(1).ok_or(CryptoError::Malformed)?;
    }
    okm.truncate(length);
    Ok(okm)
}

/// HMAC (RFC 2104).
struct Hmac<'a> {
    digest: DigestAlgorithm,
    digests: &'a dyn Digests,
}

impl Hmac<'_> {
    fn of(&self, key: &[u8], message: &[&[u8]]) -> Result<Secret, CryptoError> {
        let block = self.digest.block_octets();
        let mut padded = Secret::new(Vec::with_capacity(block));
        if key.len() > block {
            padded.extend_from_slice(&digest_of(self.digests, self.digest, &[key])?);
        } else {
            padded.extend_from_slice(key);
        }
        padded.resize(block, 0);
        let with = |mask: u8| Secret::new(padded.iter().map(|octet| octet ^ mask).collect());
        let inner_key: Secret = with(0x36);
        let mut parts: Vec<&[u8]> = vec![&inner_key];
        parts.extend_from_slice(message);
        let inner = digest_of(self.digests, self.digest, &parts)?;
        digest_of(self.digests, self.digest, &[&with(0x5c), &inner])
    }
}

fn digest_of(
    digests: &dyn Digests,
    digest: DigestAlgorithm,
    parts: &[&[u8]],
) -> Result<Secret, CryptoError> {
    let mut running = digests.start(digest)?;
    for part in parts {
        running.update(part);
    }
    Ok(Secret::new(running.finish()))
}

/// That of SHA-512: what a key being derived may grow to beyond its length, so that it is not moved.
const LONGEST_DIGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::provider;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|digit| digit.to_digit(16)?.try_into().ok())
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }

    #[test]
    fn x963_is_that_of_openssl() {
        let secret = unhex("000102030405060708090a0b0c0d0e0f");
        for (digest, expected) in [
            (
                DigestAlgorithm::Sha256,
                "e18b79837d3ef7c9695a161dae36b37fde82cc76f7b6a319759cbf85b1d43130ab7edbafa27f4c45",
            ),
            (DigestAlgorithm::Sha1, "616ce7bb661e72fe038f9dad25deb581"),
        ] {
            let expected = unhex(expected);
            let key = x963(&secret, &unhex("f0f1f2f3f4"), expected.len(), |parts| {
                digest_of(provider().digests, digest, parts)
            });
            assert_eq!(*key.unwrap(), expected);
        }
    }

    #[test]
    fn hkdf_is_that_of_rfc_5869_and_of_openssl() {
        let input = [0x0b; 22];
        let cases = [
            // RFC 5869 appendix A.1.
            (
                DigestAlgorithm::Sha256,
                unhex("000102030405060708090a0b0c"),
                "f0f1f2f3f4f5f6f7f8f9",
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            // A salt that is longer than a block.
            (
                DigestAlgorithm::Sha512,
                vec![0xab; 140],
                "f0",
                "8d454f9034f4e8e7c3d9e527d7c53e1184027566e923fab56c5c5db84efde7ee894b5ad4567a32dcb2fd\
                 8734193868794458d8ef20a4a411ce5d5c0a728585910caf96a32f60",
            ),
        ];
        for (digest, salt, info, expected) in cases {
            let by = Hmac {
                digest,
                digests: provider().digests,
            };
            let expected = unhex(expected);
            let extracted = by.of(&salt, &[&input]).unwrap();
            let key = expand(&by, &extracted, &unhex(info), expected.len()).unwrap();
            assert_eq!(*key, expected);
        }
    }

    #[test]
    fn shared_info_has_the_wrap_the_ukm_and_the_length_in_bits() {
        let wrap = unhex("300b060960864801650304012d");
        let mut info = SharedInfo {
            wrap: &wrap,
            ukm: None,
            length: 32,
        };
        assert_eq!(
            info.der(),
            unhex("3015 300b060960864801650304012d a206 0404 00000100")
        );
        info.ukm = Some(&[0xaa, 0xbb]);
        assert_eq!(
            info.der(),
            unhex("301b 300b060960864801650304012d a004 0402aabb a206 0404 00000100")
        );
    }
}
