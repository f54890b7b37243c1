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
