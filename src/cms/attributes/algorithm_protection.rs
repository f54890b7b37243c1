//! cmsAlgorithmProtection: the algorithms of the SignerInfo, signed (RFC 6211).
//!
//! Algorithms are compared as values: absent parameters are the NULL that others write, and a field
//! of RSASSA-PSS-params that is left out is its default.

use super::Attribute;
use super::AttributeError;
use super::oid::Oid;
use super::value::Value;
use super::value::describe_algorithm;
use super::value::map_of_present;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::crypto::identifiers;
use crate::tlv::tag;

/// CMSAlgorithmProtection (RFC 6211 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmProtection<'a> {
    /// digestAlgorithm.
    pub digest: Algorithm<'a>,
    /// signatureAlgorithm, or else macAlgorithm.
    pub operation: Operation<'a>,
}

/// What is done with the digest (RFC 6211 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// In AuthenticatedData.
    Mac(Algorithm<'a>),
    /// In SignedData.
    Signature(Algorithm<'a>),
}

/// AlgorithmIdentifier (RFC 5280 §4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithm<'a> {
    /// algorithm.
    pub oid: Oid,
    /// parameters as DER; `None` when absent or NULL.
    pub parameters: Option<&'a [u8]>,
}

impl<'a> AlgorithmProtection<'a> {
    /// Reads the value of a cmsAlgorithmProtection attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        const FIELD: &str = "cmsAlgorithmProtection";
        let sequence = tlv::single(value, tag::SEQUENCE, FIELD)?;
        let mut fields = tlv::Reader::new(sequence.content, FIELD);
        let digest = fields.expect(tag::SEQUENCE, "digestAlgorithm")?;
        let signature = fields.optional(tag::context(1))?;
        let mac = fields.optional(tag::context(2))?;
        fields.end()?;
        let operation = match (signature, mac) {
            (Some(signature), None) => Operation::Signature(Algorithm::from_content(
                signature.content,
                "signatureAlgorithm",
            )?),
            (None, Some(mac)) => {
                Operation::Mac(Algorithm::from_content(mac.content, "macAlgorithm")?)
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(CmsError::field(
                    FIELD,
                    "exactly one of signatureAlgorithm and macAlgorithm must be present",
                ));
            }
        };
        Ok(Self {
            digest: Algorithm::from_content(digest.content, "digestAlgorithm")?,
            operation,
        })
    }

    pub(crate) fn describe(&self) -> Value {
        let (signature, mac) = match &self.operation {
            Operation::Mac(mac) => (None, Some(describe_algorithm(&mac.oid))),
            Operation::Signature(signature) => (Some(describe_algorithm(&signature.oid)), None),
        };
        map_of_present([
            (
                "digest_algorithm",
                Some(describe_algorithm(&self.digest.oid)),
            ),
            ("signature_algorithm", signature),
            ("mac_algorithm", mac),
        ])
    }
}

impl<'a> Algorithm<'a> {
    /// Reads the DER of an AlgorithmIdentifier.
    pub fn decode(der: &'a [u8], field: &'static str) -> Result<Self, CmsError> {
        Self::from_content(tlv::single(der, tag::SEQUENCE, field)?.content, field)
    }

    fn from_content(content: &'a [u8], field: &'static str) -> Result<Self, CmsError> {
        let mut fields = tlv::Reader::new(content, field);
        let oid = Oid::read(&mut fields, field)?;
        let parameters = fields.next()?.map(|parameters| parameters.raw);
        fields.end()?;
        Ok(Self {
            oid,
            parameters: parameters.filter(|parameters| *parameters != NULL),
        })
    }

    /// Whether both are the same algorithm, however each is written (RFC 6211 §3).
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let decoded = |algorithm: &Self| identifiers::signature(&algorithm.to_der()).ok();
        self.oid == other.oid
            && (self.parameters == other.parameters
                || decoded(self).is_some_and(|ours| decoded(other) == Some(ours)))
    }

    fn to_der(&self) -> Vec<u8> {
        let parameters = self.parameters.unwrap_or_default();
        tlv::element(tag::SEQUENCE, &[&self.oid.to_der(), parameters])
    }
}

const NULL: &[u8] = &[tag::NULL, 0];

/// Checks that `attribute` has the algorithms of its SignerInfo (RFC 6211 §3.1).
///
/// `digest_algorithm` and `signature_algorithm` are the DER of the SignerInfo's AlgorithmIdentifiers.
pub fn check_algorithm_protection(
    attribute: &Attribute,
    digest_algorithm: &[u8],
    signature_algorithm: &[u8],
) -> Result<(), AlgorithmProtectionError> {
    let malformed = |error| AlgorithmProtectionError::Attribute(AttributeError::Malformed(error));
    let protected = AlgorithmProtection::decode(attribute.value()?).map_err(malformed)?;
    let digest = Algorithm::decode(digest_algorithm, "digestAlgorithm").map_err(malformed)?;
    let signature =
        Algorithm::decode(signature_algorithm, "signatureAlgorithm").map_err(malformed)?;
    if !protected.digest.is_same(&digest) {
        return Err(AlgorithmProtectionError::Digest {
            signed: protected.digest.oid.to_string(),
            found: digest.oid.to_string(),
        });
    }
    match &protected.operation {
        Operation::Mac(_) => Err(AlgorithmProtectionError::Mac),
        Operation::Signature(signed) if signed.is_same(&signature) => Ok(()),
        Operation::Signature(signed) => Err(AlgorithmProtectionError::Signature {
            signed: signed.oid.to_string(),
            found: signature.oid.to_string(),
        }),
    }
}

/// The SignerInfo's algorithms are not those that were signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmProtectionError {
    /// The attribute, or an algorithm of the SignerInfo, is malformed.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// Another digest algorithm, or other parameters.
    #[error("digestAlgorithm is {found}, and {signed} was signed, or their parameters differ")]
    Digest {
        /// What the attribute says.
        signed: String,
        /// What the SignerInfo says.
        found: String,
    },
    /// The attribute is of an AuthenticatedData.
    #[error("cmsAlgorithmProtection has a macAlgorithm, and this is a signature")]
    Mac,
    /// Another signature algorithm, or other parameters.
    #[error("signatureAlgorithm is {found}, and {signed} was signed, or their parameters differ")]
    Signature {
        /// What the attribute says.
        signed: String,
        /// What the SignerInfo says.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::super::fixtures::hex;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::parse;
    use super::super::fixtures::sequence;
    use super::super::fixtures::with_values;
    use super::super::known::ALGORITHM_PROTECTION;
    use super::*;

    const SHA_256: &str = "30 0b 0609 608648016503040201";
    const SHA_256_NULL: &str = "30 0d 0609 608648016503040201 0500";
    const SHA_384: &str = "30 0b 0609 608648016503040202";
    const RSA_SHA_256: &str = "30 0d 0609 2a864886f70d01010b 0500";
    const ECDSA_SHA_256: &str = "30 0a 0608 2a8648ce3d040302";
    // SHA-1 in all places: by default, and written out.
    const PSS_DEFAULT: &str = "30 0d 0609 2a864886f70d01010a 3000";
    const PSS_WRITTEN: &str = "30 3c 0609 2a864886f70d01010a 302f
        a009 3007 0605 2b0e03021a
        a118 3016 0609 2a864886f70d010108 3009 0605 2b0e03021a 0500
        a203 020114 a303 020101";
    const PSS_SALT_32: &str = "30 12 0609 2a864886f70d01010a 3005 a203 020120";

    fn check(protected: (&str, &str), found: (&str, &str)) -> Result<(), AlgorithmProtectionError> {
        let attribute =
            build::cms_algorithm_protection(&hex(protected.0), &hex(protected.1)).unwrap();
        check_algorithm_protection(&parse(&attribute), &hex(found.0), &hex(found.1))
    }

    #[test]
    fn the_algorithms_of_the_signer_info_are_those_that_were_signed() {
        check((SHA_256, RSA_SHA_256), (SHA_256, RSA_SHA_256)).unwrap();
        check((SHA_256_NULL, ECDSA_SHA_256), (SHA_256_NULL, ECDSA_SHA_256)).unwrap();
        assert!(matches!(
            check((SHA_256, RSA_SHA_256), (SHA_384, RSA_SHA_256)),
            Err(AlgorithmProtectionError::Digest { .. })
        ));
        assert!(matches!(
            check((SHA_256, RSA_SHA_256), (SHA_256, ECDSA_SHA_256)),
            Err(AlgorithmProtectionError::Signature { .. })
        ));
    }

    #[test]
    fn absent_parameters_are_null() {
        check((SHA_256, RSA_SHA_256), (SHA_256_NULL, RSA_SHA_256)).unwrap();
        check((SHA_256_NULL, RSA_SHA_256), (SHA_256, RSA_SHA_256)).unwrap();
    }

    #[test]
    fn a_default_is_the_same_whether_written_or_not() {
        let written = hex(PSS_WRITTEN);
        Algorithm::decode(&written, "x").unwrap();
        check((SHA_256, PSS_DEFAULT), (SHA_256, PSS_WRITTEN)).unwrap();
        check((SHA_256, PSS_WRITTEN), (SHA_256, PSS_DEFAULT)).unwrap();
        assert!(check((SHA_256, PSS_DEFAULT), (SHA_256, PSS_SALT_32)).is_err());
        assert!(check((SHA_256, PSS_SALT_32), (SHA_256, PSS_WRITTEN)).is_err());
        let bare = "30 0b 0609 2a864886f70d01010a";
        assert!(check((SHA_256, bare), (SHA_256, PSS_DEFAULT)).is_err());
    }

    #[test]
    fn a_mac_protects_no_signature_and_one_of_both_is_wanted() {
        let digest = hex(SHA_256);
        let of = |fields: &[&str]| {
            let rest: Vec<Vec<u8>> = fields.iter().map(|field| hex(field)).collect();
            let value = sequence(&[&digest, &rest.concat()]);
            let attribute = with_values(ALGORITHM_PROTECTION, &[&value]);
            check_algorithm_protection(&parse(&attribute), &digest, &hex(RSA_SHA_256))
        };
        let (signature, mac) = (
            "a10d 0609 2a864886f70d01010b 0500",
            "a20d 0609 2a864886f70d01010b 0500",
        );
        of(&[signature]).unwrap();
        assert!(matches!(of(&[mac]), Err(AlgorithmProtectionError::Mac)));
        for fields in [&[][..], &[signature, mac], &[mac, signature]] {
            assert!(matches!(
                of(fields),
                Err(AlgorithmProtectionError::Attribute(_))
            ));
        }
    }

    #[test]
    fn malformed_algorithms_are_not_written() {
        assert!(build::cms_algorithm_protection(&[], &hex(RSA_SHA_256)).is_err());
        assert!(build::cms_algorithm_protection(&hex(SHA_256), &[0x30, 1, 6]).is_err());
        let trailing = [hex(RSA_SHA_256), vec![5, 0]].concat();
        assert!(build::cms_algorithm_protection(&hex(SHA_256), &trailing).is_err());
    }

    #[test]
    fn mutilated_attributes_never_panic() {
        let seed = build::cms_algorithm_protection(&hex(SHA_256_NULL), &hex(PSS_WRITTEN)).unwrap();
        let value = parse(&seed).value().unwrap().to_vec();
        let whole = AlgorithmProtection::decode(&value).unwrap();
        mutilated(&value, |octets| {
            if let Ok(decoded) = AlgorithmProtection::decode(octets) {
                let _ = decoded.describe();
                let (Operation::Signature(ours) | Operation::Mac(ours)) = &whole.operation;
                let (Operation::Signature(theirs) | Operation::Mac(theirs)) = &decoded.operation;
                assert_eq!(ours.is_same(theirs), theirs.is_same(ours));
            }
        });
    }
}
