//! Key transport, key agreement, key wrap and content encryption.

use const_oid::ObjectIdentifier;
use der::AnyRef;
use der::Decode;
use der::Encode;
use der::Sequence;
use der::asn1::OctetStringRef;
use der::asn1::UintRef;
use spki::AlgorithmIdentifierRef;

use super::IdentifierError;
use super::decode;
use super::der_of;
use super::encode;
use super::hash_of;
use super::mask_identifier;
use super::mask_of;
use super::mask_within;
use super::no_parameters;
use super::within;
use crate::crypto::algorithms::ContentEncryption;
use crate::crypto::algorithms::DigestAlgorithm;
use crate::crypto::algorithms::KeyAgreement;
use crate::crypto::algorithms::KeyDerivation;
use crate::crypto::algorithms::KeyWrap;
use crate::crypto::algorithms::OaepParameters;
use crate::crypto::algorithms::RsaEncryption;
use crate::crypto::oids;

/// A contentEncryptionAlgorithm with what its parameters say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentParameters {
    /// The cipher.
    pub algorithm: ContentEncryption,
    /// Initialisation vector or nonce.
    pub nonce: Vec<u8>,
    /// Octets of the tag: 12 to 16 for GCM, 16 for ChaCha20-Poly1305, 0 for CBC.
    pub tag_octets: usize,
}

/// Key-agreement schemes: cofactor or not, and the key derivation function.
const AGREEMENTS: &[(ObjectIdentifier, bool, KeyDerivation)] = {
    use DigestAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
    use KeyDerivation::{Hkdf, X963};
    &[
        (oids::STD_DH_SHA_1_KDF, false, X963(Sha1)),
        (oids::STD_DH_SHA_224_KDF, false, X963(Sha224)),
        (oids::STD_DH_SHA_256_KDF, false, X963(Sha256)),
        (oids::STD_DH_SHA_384_KDF, false, X963(Sha384)),
        (oids::STD_DH_SHA_512_KDF, false, X963(Sha512)),
        (oids::COFACTOR_DH_SHA_1_KDF, true, X963(Sha1)),
        (oids::COFACTOR_DH_SHA_224_KDF, true, X963(Sha224)),
        (oids::COFACTOR_DH_SHA_256_KDF, true, X963(Sha256)),
        (oids::COFACTOR_DH_SHA_384_KDF, true, X963(Sha384)),
        (oids::COFACTOR_DH_SHA_512_KDF, true, X963(Sha512)),
        (oids::STD_DH_HKDF_SHA_256, false, Hkdf(Sha256)),
        (oids::STD_DH_HKDF_SHA_384, false, Hkdf(Sha384)),
        (oids::STD_DH_HKDF_SHA_512, false, Hkdf(Sha512)),
    ]
};

#[derive(Sequence)]
struct RsaesOaepParams<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    label: Option<AlgorithmIdentifierRef<'a>>,
}

#[derive(Sequence)]
struct GcmParameters<'a> {
    nonce: &'a OctetStringRef,
    #[asn1(optional = "true")]
    tag_octets: Option<UintRef<'a>>,
}

/// Reads the keyEncryptionAlgorithm of a KeyTransRecipientInfo (RFC 3370 §4.2, RFC 3560).
pub fn key_transport(der: &[u8]) -> Result<RsaEncryption, IdentifierError> {
    let algorithm = decode(der)?;
    match algorithm.oid {
        oids::RSA_ENCRYPTION => {
            no_parameters(&algorithm)?;
            Ok(RsaEncryption::Pkcs1)
        }
        oids::RSAES_OAEP => oaep_parameters(algorithm.parameters).map(RsaEncryption::Oaep),
        oid => Err(IdentifierError::unsupported(oid)),
    }
}

/// Writes the keyEncryptionAlgorithm of a KeyTransRecipientInfo.
#[must_use]
pub fn encode_key_transport(scheme: &RsaEncryption) -> Vec<u8> {
    let RsaEncryption::Oaep(parameters) = scheme else {
        return encode(oids::RSA_ENCRYPTION, Some(AnyRef::NULL));
    };
    let mask = mask_within(parameters.mask);
    let label = der_of(&OctetStringRef::new(&parameters.label).ok());
    let parameters = der_of(&RsaesOaepParams {
        hash: within(parameters.digest),
        mask: mask_identifier(mask.as_deref()),
        label: (!parameters.label.is_empty()).then(|| AlgorithmIdentifierRef {
            oid: oids::P_SPECIFIED,
            parameters: AnyRef::from_der(&label).ok(),
        }),
    });
    encode(oids::RSAES_OAEP, AnyRef::from_der(&parameters).ok())
}

/// Reads the keyEncryptionAlgorithm of a KeyAgreeRecipientInfo (RFC 5753 §7.1, RFC 8418 §2).
///
/// Beside it, the DER of the key wrap's AlgorithmIdentifier as the message has it: it goes into
/// the key derivation octet by octet (RFC 5753 §7.2).
pub fn key_agreement(der: &[u8]) -> Result<(KeyAgreement, Vec<u8>), IdentifierError> {
    let algorithm = decode(der)?;
    let (_, cofactor, derivation) = *AGREEMENTS
        .iter()
        .find(|(oid, ..)| *oid == algorithm.oid)
        .ok_or_else(|| IdentifierError::unsupported(algorithm.oid))?;
    let wrap = algorithm
        .parameters
        .and_then(|any| any.to_der().ok())
        .ok_or_else(|| IdentifierError::parameters(algorithm.oid))?;
    let agreement = KeyAgreement {
        derivation,
        wrap: key_wrap(&wrap)?,
        cofactor,
    };
    Ok((agreement, wrap))
}

/// Writes the keyEncryptionAlgorithm of a KeyAgreeRecipientInfo.
///
/// `None` where no identifier exists: HKDF has none with SHA-1, SHA-224 or the cofactor method.
#[must_use]
pub fn encode_key_agreement(agreement: KeyAgreement) -> Option<Vec<u8>> {
    let (oid, ..) = AGREEMENTS.iter().find(|(_, cofactor, derivation)| {
        *cofactor == agreement.cofactor && *derivation == agreement.derivation
    })?;
    let wrap = encode_key_wrap(agreement.wrap);
    Some(encode(*oid, AnyRef::from_der(&wrap).ok()))
}

/// Reads a key wrap; parameters are absent for AES (RFC 3565 §2.3.2) and NULL for 3DES (RFC 3370
/// §4.3.1), and each passes with the other's.
pub fn key_wrap(der: &[u8]) -> Result<KeyWrap, IdentifierError> {
    let algorithm = decode(der)?;
    let wrap = match algorithm.oid {
        oids::AES_128_WRAP => KeyWrap::Aes128,
        oids::AES_192_WRAP => KeyWrap::Aes192,
        oids::AES_256_WRAP => KeyWrap::Aes256,
        oids::DES_EDE3_WRAP => KeyWrap::DesEde3,
        oid => return Err(IdentifierError::unsupported(oid)),
    };
    no_parameters(&algorithm)?;
    Ok(wrap)
}

/// Writes a key wrap: AES with absent parameters (RFC 3565 §2.3.2), 3DES with NULL (RFC 3370 §4.3.1).
#[must_use]
pub fn encode_key_wrap(wrap: KeyWrap) -> Vec<u8> {
    let (oid, parameters) = match wrap {
        KeyWrap::Aes128 => (oids::AES_128_WRAP, None),
        KeyWrap::Aes192 => (oids::AES_192_WRAP, None),
        KeyWrap::Aes256 => (oids::AES_256_WRAP, None),
        KeyWrap::DesEde3 => (oids::DES_EDE3_WRAP, Some(AnyRef::NULL)),
    };
    encode(oid, parameters)
}

/// The cipher whose object identifier has these content octets; `None` where it is none that we know.
#[must_use]
pub fn content_cipher(oid: &[u8]) -> Option<ContentEncryption> {
    let mut all = ContentEncryption::ALL.into_iter();
    all.find(|cipher| content_oid(*cipher).as_bytes() == oid)
}

/// Reads a contentEncryptionAlgorithm (RFC 3565 §4.1, RFC 5084 §3.2, RFC 8103 §3, RFC 3370 §5.1).
pub fn content_encryption(der: &[u8]) -> Result<ContentParameters, IdentifierError> {
    let identifier = decode(der)?;
    let algorithm = content_cipher(identifier.oid.as_bytes())
        .ok_or_else(|| IdentifierError::unsupported(identifier.oid))?;
    let malformed = || IdentifierError::parameters(identifier.oid);
    let parameters = identifier.parameters.ok_or_else(malformed)?;
    let (nonce, tag_octets) = match algorithm {
        ContentEncryption::Aes128Gcm
        | ContentEncryption::Aes192Gcm
        | ContentEncryption::Aes256Gcm => {
            let gcm: GcmParameters<'_> = parameters.decode_as().map_err(|_| malformed())?;
            let tag = match gcm.tag_octets.map(|octets| octets.as_bytes()) {
                // RFC 5084 §3.2: AES-GCM-ICVlen DEFAULT 12.
                None => 12,
                Some(&[octets @ 12..=16]) => usize::from(octets),
                Some(_) => return Err(malformed()),
            };
            (gcm.nonce.as_bytes(), tag)
        }
        ContentEncryption::ChaCha20Poly1305 => (octets(parameters).ok_or_else(malformed)?, 16),
        ContentEncryption::Aes128Cbc
        | ContentEncryption::Aes192Cbc
        | ContentEncryption::Aes256Cbc
        | ContentEncryption::DesEde3Cbc => (octets(parameters).ok_or_else(malformed)?, 0),
    };
    let any_length = algorithm.is_authenticated()
        && algorithm != ContentEncryption::ChaCha20Poly1305
        && !nonce.is_empty();
    if !any_length && nonce.len() != algorithm.nonce_octets() {
        return Err(malformed());
    }
    Ok(ContentParameters {
        algorithm,
        nonce: nonce.to_vec(),
        tag_octets,
    })
}

/// Writes a contentEncryptionAlgorithm.
#[must_use]
pub fn encode_content_encryption(content: &ContentParameters) -> Vec<u8> {
    let nonce = OctetStringRef::new(&content.nonce).ok();
    let parameters = match content.algorithm {
        ContentEncryption::Aes128Gcm
        | ContentEncryption::Aes192Gcm
        | ContentEncryption::Aes256Gcm => {
            let tag = [u8::try_from(content.tag_octets).unwrap_or(16)];
            der_of(&nonce.map(|nonce| GcmParameters {
                nonce,
                tag_octets: UintRef::new(&tag).ok().filter(|_| tag != [12]),
            }))
        }
        ContentEncryption::Aes128Cbc
        | ContentEncryption::Aes192Cbc
        | ContentEncryption::Aes256Cbc
        | ContentEncryption::ChaCha20Poly1305
        | ContentEncryption::DesEde3Cbc => der_of(&nonce),
    };
    encode(
        content_oid(content.algorithm),
        AnyRef::from_der(&parameters).ok(),
    )
}

fn content_oid(algorithm: ContentEncryption) -> ObjectIdentifier {
    match algorithm {
        ContentEncryption::Aes128Cbc => oids::AES_128_CBC,
        ContentEncryption::Aes192Cbc => oids::AES_192_CBC,
        ContentEncryption::Aes256Cbc => oids::AES_256_CBC,
        ContentEncryption::Aes128Gcm => oids::AES_128_GCM,
        ContentEncryption::Aes192Gcm => oids::AES_192_GCM,
        ContentEncryption::Aes256Gcm => oids::AES_256_GCM,
        ContentEncryption::ChaCha20Poly1305 => oids::CHACHA20_POLY1305,
        ContentEncryption::DesEde3Cbc => oids::DES_EDE3_CBC,
    }
}

fn octets(parameters: AnyRef<'_>) -> Option<&[u8]> {
    Some(parameters.decode_as::<&OctetStringRef>().ok()?.as_bytes())
}

/// The parameters of id-RSAES-OAEP, with the defaults of RFC 4055 §4.1.
fn oaep_parameters(parameters: Option<AnyRef<'_>>) -> Result<OaepParameters, IdentifierError> {
    let malformed = || IdentifierError::parameters(oids::RSAES_OAEP);
    let parameters: RsaesOaepParams<'_> = parameters
        .and_then(|any| any.decode_as().ok())
        .ok_or_else(malformed)?;
    let label = match parameters.label {
        None => &[],
        Some(source) if source.oid == oids::P_SPECIFIED => {
            source.parameters.and_then(octets).ok_or_else(malformed)?
        }
        Some(source) => return Err(IdentifierError::unsupported(source.oid)),
    };
    Ok(OaepParameters {
        digest: hash_of(parameters.hash.as_ref())?,
        mask: mask_of(parameters.mask.as_ref())?,
        label: label.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_transport_is_read_again() {
        for digest in DigestAlgorithm::ALL {
            for (mask, label) in [(digest, &b""[..]), (DigestAlgorithm::Sha1, b"label")] {
                let scheme = RsaEncryption::Oaep(OaepParameters {
                    digest,
                    mask,
                    label: label.to_vec(),
                });
                assert_eq!(key_transport(&encode_key_transport(&scheme)), Ok(scheme));
            }
        }
        let pkcs1 = encode_key_transport(&RsaEncryption::Pkcs1);
        assert_eq!(key_transport(&pkcs1), Ok(RsaEncryption::Pkcs1));
        let empty = encode(oids::RSAES_OAEP, AnyRef::from_der(&[0x30, 0]).ok());
        let defaults = RsaEncryption::Oaep(OaepParameters::plain(DigestAlgorithm::Sha1));
        assert_eq!(encode_key_transport(&defaults), empty);
        assert_eq!(key_transport(&empty), Ok(defaults));
    }

    #[test]
    fn every_key_agreement_is_read_again_with_its_wrap() {
        for (_, cofactor, derivation) in AGREEMENTS.iter().copied() {
            for wrap in [
                KeyWrap::Aes128,
                KeyWrap::Aes192,
                KeyWrap::Aes256,
                KeyWrap::DesEde3,
            ] {
                let agreement = KeyAgreement {
                    derivation,
                    wrap,
                    cofactor,
                };
                let der = encode_key_agreement(agreement).unwrap();
                assert_eq!(key_agreement(&der), Ok((agreement, encode_key_wrap(wrap))));
            }
        }
    }

    #[test]
    fn a_wrap_with_null_is_kept_as_it_stands() {
        let wrap = encode(oids::AES_128_WRAP, Some(AnyRef::NULL));
        let der = encode(oids::STD_DH_SHA_256_KDF, AnyRef::from_der(&wrap).ok());
        let (agreement, raw) = key_agreement(&der).unwrap();
        assert_eq!((agreement.wrap, raw), (KeyWrap::Aes128, wrap));
        let rc2_wrap = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.7");
        let wrap = encode(rc2_wrap, Some(AnyRef::NULL));
        let der = encode(oids::STD_DH_SHA_1_KDF, AnyRef::from_der(&wrap).ok());
        let refusal = IdentifierError::Unsupported("rc2-wrap".to_owned());
        assert_eq!(key_agreement(&der), Err(refusal));
    }

    #[test]
    fn every_content_encryption_is_read_again() {
        for algorithm in ContentEncryption::ALL {
            let content = ContentParameters {
                algorithm,
                nonce: vec![7; algorithm.nonce_octets()],
                tag_octets: if algorithm.is_authenticated() { 16 } else { 0 },
            };
            let der = encode_content_encryption(&content);
            assert_eq!(content_encryption(&der), Ok(content));
        }
    }

    #[test]
    fn gcm_tags_are_12_octets_by_default_and_16_at_most() {
        let gcm = |tag: Option<&[u8]>| {
            let parameters = GcmParameters {
                nonce: OctetStringRef::new(&[1; 16]).unwrap(),
                tag_octets: tag.map(|tag| UintRef::new(tag).unwrap()),
            };
            let parameters = parameters.to_der().unwrap();
            content_encryption(&encode(
                oids::AES_128_GCM,
                AnyRef::from_der(&parameters).ok(),
            ))
        };
        assert_eq!(gcm(None).unwrap().tag_octets, 12);
        assert_eq!(gcm(Some(&[13])).unwrap().tag_octets, 13);
        for refused in [&[11][..], &[17], &[1, 0]] {
            assert_eq!(
                gcm(Some(refused)).unwrap_err().to_string(),
                "parameters of algorithm aes-128-gcm are malformed"
            );
        }
    }

    #[test]
    fn an_initialisation_vector_of_another_length_is_refused() {
        let content = ContentParameters {
            algorithm: ContentEncryption::Aes128Cbc,
            nonce: vec![0; 12],
            tag_octets: 0,
        };
        assert!(content_encryption(&encode_content_encryption(&content)).is_err());
    }

    #[test]
    fn rc2_is_refused_by_name() {
        let refusal = content_encryption(&encode(oids::RC2_CBC, Some(AnyRef::NULL))).unwrap_err();
        assert_eq!(refusal.to_string(), "algorithm rc2-cbc is not supported");
    }
}
