//! Keys from shared secrets: ANSI X9.63 (RFC 5753 §7.1.4), HKDF (RFC 5869), and HMAC under both.
//!
//! Composed from any provider's [`Digests`].

use der::AnyRef;
use der::Decode;
use der::Encode;
use der::Sequence;
use der::asn1::OctetStringRef;

use super::CryptoError;
use super::Digests;
use super::Secret;
use super::algorithms::DigestAlgorithm;
use super::algorithms::KeyAgreement;
use super::algorithms::KeyDerivation;
use super::algorithms::KeyWrap;

/// ECC-CMS-SharedInfo (RFC 5753 §7.2).
#[derive(Sequence)]
struct SharedInfo<'a> {
    key_info: AnyRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    entity_u_info: Option<&'a OctetStringRef>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    supp_pub_info: &'a OctetStringRef,
}

/// Returns the key that wraps the content-encryption key in a KeyAgreeRecipientInfo.
///
/// `wrap_identifier` is the DER of the wrap's AlgorithmIdentifier as the message has it, `ukm` the
/// user keying material if there is any (RFC 5753 §7.2, RFC 8418 §2).
pub fn key_encryption_key(
    digests: &dyn Digests,
    agreement: KeyAgreement,
    secret: &[u8],
    wrap_identifier: &[u8],
    ukm: Option<&[u8]>,
) -> Result<Secret, CryptoError> {
    let info = shared_info(wrap_identifier, ukm, agreement.wrap)?;
    let octets = agreement.wrap.key_octets();
    match agreement.derivation {
        // RFC 8418 §2.2: the ukm is the salt, too.
        KeyDerivation::Hkdf(digest) => hkdf(
            digests,
            digest,
            secret,
            ukm.unwrap_or_default(),
            &info,
            octets,
        ),
        KeyDerivation::X963(digest) => x963(digests, digest, secret, &info, octets),
    }
}

/// Returns the DER of ECC-CMS-SharedInfo (RFC 5753 §7.2).
pub fn shared_info(
    wrap_identifier: &[u8],
    ukm: Option<&[u8]>,
    wrap: KeyWrap,
) -> Result<Vec<u8>, CryptoError> {
    let bits = u32::try_from(wrap.key_octets() * 8).map_err(|_| CryptoError::Malformed)?;
    SharedInfo {
        key_info: AnyRef::from_der(wrap_identifier).map_err(malformed)?,
        entity_u_info: ukm
            .map(OctetStringRef::new)
            .transpose()
            .map_err(malformed)?,
        supp_pub_info: OctetStringRef::new(&bits.to_be_bytes()).map_err(malformed)?,
    }
    .to_der()
    .map_err(malformed)
}

/// Derives `octets` from `secret` as ANSI X9.63 does (RFC 5753 §7.1.4, SEC 1 §3.6.1).
pub fn x963(
    digests: &dyn Digests,
    digest: DigestAlgorithm,
    secret: &[u8],
    shared_info: &[u8],
    octets: usize,
) -> Result<Secret, CryptoError> {
    let mut key = Secret::new(Vec::with_capacity(octets + digest.output_octets()));
    for counter in 1_u32.. {
        if key.len() >= octets {
            break;
        }
        let mut digester = digests.start(digest)?;
        digester.update(secret);
        digester.update(&counter.to_be_bytes());
        digester.update(shared_info);
        key.extend_from_slice(&Secret::new(digester.finish()));
    }
    key.truncate(octets);
    Ok(key)
}

/// Derives `octets` from `secret` by HKDF (RFC 5869).
///
/// An empty salt is the same as none. `Malformed` past 255 times the hash's output.
pub fn hkdf(
    digests: &dyn Digests,
    digest: DigestAlgorithm,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    octets: usize,
) -> Result<Secret, CryptoError> {
    // RFC 5869 §2.3.
    if octets > digest.output_octets() * 255 {
        return Err(CryptoError::Malformed);
    }
    let extracted = hmac(digests, digest, salt, &[secret])?;
    let mut key = Secret::new(Vec::with_capacity(octets + digest.output_octets()));
    let mut block = Secret::default();
    for counter in 1_u8..=255 {
        if key.len() >= octets {
            break;
        }
        block = hmac(digests, digest, &extracted, &[&block, info, &[counter]])?;
        key.extend_from_slice(&block);
    }
    key.truncate(octets);
    Ok(key)
}

/// HMAC of the pieces of a message, one after another (RFC 2104).
pub fn hmac(
    digests: &dyn Digests,
    digest: DigestAlgorithm,
    key: &[u8],
    message: &[&[u8]],
) -> Result<Secret, CryptoError> {
    let block = digest.block_octets();
    let mut padded = Secret::new(key.to_vec());
    if padded.len() > block {
        let mut digester = digests.start(digest)?;
        digester.update(key);
        padded = Secret::new(digester.finish());
    }
    padded.resize(block, 0);
    let under = |pad: u8| {
        let mut digester = digests.start(digest)?;
        let key: Vec<u8> = padded.iter().map(|octet| octet ^ pad).collect();
        digester.update(&Secret::new(key));
        Ok::<_, CryptoError>(digester)
    };
    let mut inner = under(0x36)?;
    for piece in message {
        inner.update(piece);
    }
    let mut outer = under(0x5c)?;
    outer.update(&Secret::new(inner.finish()));
    Ok(Secret::new(outer.finish()))
}

fn malformed(_: der::Error) -> CryptoError {
    CryptoError::Malformed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::aws_lc;
    use crate::crypto::identifiers;
    use crate::crypto::provider;

    fn from_hex(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn x963_gives_the_vector_of_nist() {
        // CAVS ANSI X9.63-2001, SHA-256, 128 bits without shared info and 1024 bits with.
        let short = x963(
            aws_lc::PROVIDER.digests,
            DigestAlgorithm::Sha256,
            &from_hex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08"),
            &[],
            16,
        );
        assert_eq!(
            *short.unwrap(),
            from_hex("443024c3dae66b95e6f5670601558f71")
        );
        let long = x963(
            aws_lc::PROVIDER.digests,
            DigestAlgorithm::Sha256,
            &from_hex("22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d"),
            &from_hex("75eef81aa3041e33b80971203d2c0c52"),
            128,
        );
        assert_eq!(
            *long.unwrap(),
            from_hex(
                "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e\
                 52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485\
                 500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269\
                 142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21"
            )
        );
    }

    #[test]
    fn hmac_gives_the_vector_of_rfc_4231() {
        // Test case 6: a key longer than a block.
        let mac = hmac(
            provider().digests,
            DigestAlgorithm::Sha256,
            &[0xaa; 131],
            &[
                b"Test Using Larger Than Block-Size Key",
                b" - Hash Key First",
            ],
        );
        assert_eq!(
            *mac.unwrap(),
            from_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        );
    }

    #[test]
    fn shared_info_holds_wrap_ukm_and_bits() {
        let wrap = identifiers::encode_key_wrap(KeyWrap::Aes256);
        let info = shared_info(&wrap, Some(b"ukm"), KeyWrap::Aes256).unwrap();
        assert_eq!(
            info,
            from_hex("301c300b060960864801650304012da0050403756b6da206040400000100")
        );
        assert!(shared_info(b"\x30\x80", None, KeyWrap::Aes256).is_err());
    }

    #[test]
    fn hkdf_gives_no_more_than_255_blocks() {
        let derive = |octets| {
            let digest = DigestAlgorithm::Sha256;
            hkdf(provider().digests, digest, b"secret", &[], &[], octets).map(|key| key.len())
        };
        assert_eq!(derive(255 * 32), Ok(255 * 32));
        assert_eq!(derive(255 * 32 + 1), Err(CryptoError::Malformed));
    }
}
