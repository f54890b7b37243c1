//! Signature algorithms, as SignerInfo has them and as certificates and CRLs have them.

use const_oid::ObjectIdentifier;
use der::AnyRef;
use der::Decode;
use der::Sequence;
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
use crate::crypto::algorithms::DigestAlgorithm;
use crate::crypto::algorithms::PssParameters;
use crate::crypto::algorithms::SignatureAlgorithm;
use crate::crypto::oids;

/// Identifiers that name a signature algorithm together with its digest.
const COMBINED: &[(ObjectIdentifier, SignatureAlgorithm)] = {
    use DigestAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
    use SignatureAlgorithm::{Dsa, Ecdsa, RsaPkcs1};
    &[
        (oids::SHA_1_WITH_RSA, RsaPkcs1(Sha1)),
        (oids::SHA_224_WITH_RSA, RsaPkcs1(Sha224)),
        (oids::SHA_256_WITH_RSA, RsaPkcs1(Sha256)),
        (oids::SHA_384_WITH_RSA, RsaPkcs1(Sha384)),
        (oids::SHA_512_WITH_RSA, RsaPkcs1(Sha512)),
        (
            oids::SHA_512_224_WITH_RSA,
            RsaPkcs1(DigestAlgorithm::Sha512_224),
        ),
        (
            oids::SHA_512_256_WITH_RSA,
            RsaPkcs1(DigestAlgorithm::Sha512_256),
        ),
        (oids::SHA_1_WITH_RSA_OIW, RsaPkcs1(Sha1)),
        (oids::ECDSA_WITH_SHA_1, Ecdsa(Sha1)),
        (oids::ECDSA_WITH_SHA_224, Ecdsa(Sha224)),
        (oids::ECDSA_WITH_SHA_256, Ecdsa(Sha256)),
        (oids::ECDSA_WITH_SHA_384, Ecdsa(Sha384)),
        (oids::ECDSA_WITH_SHA_512, Ecdsa(Sha512)),
        (oids::DSA_WITH_SHA_1, Dsa(Sha1)),
        (oids::DSA_WITH_SHA_224, Dsa(Sha224)),
        (oids::DSA_WITH_SHA_256, Dsa(Sha256)),
    ]
};

#[derive(Sequence)]
struct RsassaPssParams<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt: Option<u32>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u32>,
}

/// Reads the signatureAlgorithm of a certificate or CRL (RFC 5280 §4.1.1.2).
pub fn signature(der: &[u8]) -> Result<SignatureAlgorithm, IdentifierError> {
    let algorithm = decode(der)?;
    match algorithm.oid {
        oids::ED25519 => match algorithm.parameters {
            None => Ok(SignatureAlgorithm::Ed25519),
            // RFC 8410 §3: absent, and NULL is not.
            Some(_) => Err(IdentifierError::parameters(algorithm.oid)),
        },
        oids::RSASSA_PSS => pss_parameters(algorithm.parameters).map(SignatureAlgorithm::RsaPss),
        oid => {
            let (_, found) = COMBINED
                .iter()
                .find(|(named, _)| *named == oid)
                .ok_or_else(|| IdentifierError::unsupported(oid))?;
            // RFC 5758 §3: absent for ECDSA and DSA; some write NULL.
            no_parameters(&algorithm)?;
            Ok(found.clone())
        }
    }
}

/// Reads the signatureAlgorithm of a SignerInfo whose digestAlgorithm is `digest`.
///
/// A key's own identifier stands for its plain scheme with that digest: rsaEncryption
/// (RFC 3370 §3.2), id-dsa (RFC 3370 §3.1), and id-ecPublicKey, which no RFC has and some write.
/// `Disagree` when the two differ, which RFC 4056 §3 forbids.
pub fn signer_signature(
    der: &[u8],
    digest: DigestAlgorithm,
) -> Result<SignatureAlgorithm, IdentifierError> {
    let identifier = decode(der)?;
    let algorithm = match identifier.oid {
        oids::RSA_ENCRYPTION => {
            no_parameters(&identifier)?;
            SignatureAlgorithm::RsaPkcs1(digest)
        }
        oids::DSA => SignatureAlgorithm::Dsa(digest),
        oids::EC_PUBLIC_KEY => SignatureAlgorithm::Ecdsa(digest),
        _ => signature(der)?,
    };
    // Departs from RFC 8419 §3.1: a digest other than SHA-512 may stand beside Ed25519. OpenSSL
    // writes what it is told, and only the messageDigest attribute depends on it.
    match algorithm.digest() {
        Some(signed) if signed != digest => Err(IdentifierError::Disagree {
            signature: algorithm.to_string(),
            digest,
        }),
        Some(_) | None => Ok(algorithm),
    }
}

/// Writes the signatureAlgorithm of a certificate or CRL.
///
/// `None` for DSA and for what has no identifier, ECDSA with truncated SHA-512.
#[must_use]
pub fn encode_signature(algorithm: &SignatureAlgorithm) -> Option<Vec<u8>> {
    let combined = || {
        COMBINED
            .iter()
            .find(|(_, found)| found == algorithm)
            .map(|(oid, _)| *oid)
    };
    match algorithm {
        SignatureAlgorithm::Dsa(_) => None,
        SignatureAlgorithm::Ecdsa(_) => Some(encode(combined()?, None)),
        SignatureAlgorithm::Ed25519 => Some(encode(oids::ED25519, None)),
        // RFC 4055 §5: NULL.
        SignatureAlgorithm::RsaPkcs1(_) => Some(encode(combined()?, Some(AnyRef::NULL))),
        SignatureAlgorithm::RsaPss(parameters) => Some(encode_pss(parameters)),
    }
}

/// Writes the signatureAlgorithm of a SignerInfo: as [`encode_signature`], but rsaEncryption for
/// PKCS#1 v1.5, which every reader knows (RFC 3370 §3.2).
#[must_use]
pub fn encode_signer_signature(algorithm: &SignatureAlgorithm) -> Option<Vec<u8>> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) => Some(encode(oids::RSA_ENCRYPTION, Some(AnyRef::NULL))),
        SignatureAlgorithm::Dsa(_)
        | SignatureAlgorithm::Ecdsa(_)
        | SignatureAlgorithm::Ed25519
        | SignatureAlgorithm::RsaPss(_) => encode_signature(algorithm),
    }
}

/// The parameters of id-RSASSA-PSS, with the defaults of RFC 4055 §3.1.
pub(crate) fn pss_parameters(
    parameters: Option<AnyRef<'_>>,
) -> Result<PssParameters, IdentifierError> {
    let malformed = || IdentifierError::parameters(oids::RSASSA_PSS);
    let parameters: RsassaPssParams<'_> = parameters
        .and_then(|any| any.decode_as().ok())
        .ok_or_else(malformed)?;
    if parameters.trailer.is_some_and(|trailer| trailer != 1) {
        return Err(malformed());
    }
    Ok(PssParameters {
        digest: hash_of(parameters.hash.as_ref())?,
        mask: mask_of(parameters.mask.as_ref())?,
        salt: parameters.salt.unwrap_or(20),
    })
}

fn encode_pss(parameters: &PssParameters) -> Vec<u8> {
    let mask = mask_within(parameters.mask);
    let parameters = der_of(&RsassaPssParams {
        hash: within(parameters.digest),
        mask: mask_identifier(mask.as_deref()),
        // DER leaves defaults out.
        salt: Some(parameters.salt).filter(|salt| *salt != 20),
        trailer: None,
    });
    encode(oids::RSASSA_PSS, AnyRef::from_der(&parameters).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::identifiers::encode_digest;

    #[test]
    fn every_written_signature_algorithm_is_read_again() {
        let mut written = 0;
        for digest in DigestAlgorithm::ALL {
            let mut algorithms = vec![
                SignatureAlgorithm::Ecdsa(digest),
                SignatureAlgorithm::Ed25519,
                SignatureAlgorithm::RsaPkcs1(digest),
            ];
            for (mask, salt) in [(digest, 20), (DigestAlgorithm::Sha1, 32), (digest, 0)] {
                algorithms.push(SignatureAlgorithm::RsaPss(PssParameters {
                    digest,
                    mask,
                    salt,
                }));
            }
            for algorithm in algorithms {
                if let Some(der) = encode_signature(&algorithm) {
                    assert_eq!(signature(&der).as_ref(), Ok(&algorithm));
                    written += 1;
                }
                if let Some(der) = encode_signer_signature(&algorithm) {
                    assert_eq!(signer_signature(&der, digest).as_ref(), Ok(&algorithm));
                }
            }
        }
        // Six for each digest, but ECDSA with SHA-512/224 and SHA-512/256.
        assert_eq!(written, 6 * 7 - 2);
    }

    #[test]
    fn pss_without_fields_is_sha_1_with_20_octets() {
        let der = encode(
            oids::RSASSA_PSS,
            Some(AnyRef::from_der(&[0x30, 0]).unwrap()),
        );
        let plain = PssParameters::plain(DigestAlgorithm::Sha1);
        assert_eq!(signature(&der), Ok(SignatureAlgorithm::RsaPss(plain)));
        assert_eq!(encode_pss(&plain), der);
        let absent = encode(oids::RSASSA_PSS, None);
        assert_eq!(
            signature(&absent).unwrap_err().to_string(),
            "parameters of algorithm rsa-pss are malformed"
        );
    }

    #[test]
    fn keys_identifiers_take_the_digest_of_the_signer() {
        let digest = DigestAlgorithm::Sha384;
        let read = |oid| signer_signature(&encode(oid, None), digest);
        assert_eq!(
            read(oids::RSA_ENCRYPTION),
            Ok(SignatureAlgorithm::RsaPkcs1(digest))
        );
        assert_eq!(
            read(oids::EC_PUBLIC_KEY),
            Ok(SignatureAlgorithm::Ecdsa(digest))
        );
        assert_eq!(read(oids::DSA), Ok(SignatureAlgorithm::Dsa(digest)));
        assert!(signature(&encode(oids::RSA_ENCRYPTION, None)).is_err());
    }

    #[test]
    fn a_signer_whose_digests_differ_is_refused() {
        let der = encode(oids::SHA_256_WITH_RSA, Some(AnyRef::NULL));
        let refusal = signer_signature(&der, DigestAlgorithm::Sha1).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "signature algorithm rsa-pkcs1-sha256 does not go with digest algorithm sha-1"
        );
    }

    #[test]
    fn signatures_over_md5_are_refused_by_name() {
        let der = encode(oids::MD5_WITH_RSA, Some(AnyRef::NULL));
        let refusal = IdentifierError::Unsupported("rsa-pkcs1-md5".to_owned());
        assert_eq!(signature(&der), Err(refusal));
        assert!(signature(&encode_digest(DigestAlgorithm::Sha256)).is_err());
    }
}
