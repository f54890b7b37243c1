//! What a SubjectPublicKeyInfo says (RFC 5280 §4.1.2.7), borrowed from its DER.
//!
//! Both providers read keys through this module, so that they agree on which key may do what.

use der::AnyRef;
use der::Decode;
use der::Encode;
use der::Sequence;
use der::asn1::BitStringRef;
use der::asn1::OctetStringRef;
use der::asn1::UintRef;
use spki::AlgorithmIdentifierRef;
use spki::SubjectPublicKeyInfoRef;

use super::CryptoError;
use super::algorithms::Curve;
use super::algorithms::PssParameters;
use super::algorithms::RsaEncryption;
use super::algorithms::SignatureAlgorithm;
use super::identifiers;
use super::oids;

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey<'a> {
    /// DSA, verification only.
    Dsa(DsaPublicKey<'a>),
    /// A point on P-256, P-384 or P-521, in the form of SEC 1 §2.3.3.
    Ec {
        /// Never [`Curve::X25519`].
        curve: Curve,
        /// Compressed or not; not yet known to be on the curve.
        point: &'a [u8],
    },
    /// 32 octets (RFC 8410).
    Ed25519(&'a [u8]),
    /// RSA.
    Rsa(RsaPublicKey<'a>),
    /// 32 octets (RFC 8410).
    X25519(&'a [u8]),
}

/// An RSA key with what it may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsaPublicKey<'a> {
    /// RSAPublicKey (RFC 8017 appendix A.1.1), DER.
    pub der: &'a [u8],
    /// Modulus, big endian, without leading zeros.
    pub modulus: &'a [u8],
    /// Public exponent, big endian, without leading zeros.
    pub exponent: &'a [u8],
    /// For which schemes.
    pub scheme: RsaScheme,
}

/// Which schemes an RSA key is for (RFC 4055 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaScheme {
    /// rsaEncryption: all of them.
    Any,
    /// id-RSAES-OAEP.
    Oaep,
    /// id-RSASSA-PSS; with parameters when the key has some, and then only with these hashes and
    /// at least that much salt (RFC 4055 §3.3).
    Pss(Option<PssParameters>),
}

/// A DSA key (RFC 3279 §2.3.2); numbers are big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DsaPublicKey<'a> {
    /// p, q, g. `None` when they are inherited from the issuer's key.
    pub parameters: Option<DsaParameters<'a>>,
    /// The public value.
    pub y: &'a [u8],
}

/// Dss-Parms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DsaParameters<'a> {
    /// The prime modulus.
    pub p: &'a [u8],
    /// The order of the subgroup.
    pub q: &'a [u8],
    /// The generator.
    pub g: &'a [u8],
}

#[derive(Sequence)]
struct Integers2<'a> {
    first: UintRef<'a>,
    second: UintRef<'a>,
}

#[derive(Sequence)]
struct Integers3<'a> {
    first: UintRef<'a>,
    second: UintRef<'a>,
    third: UintRef<'a>,
}

impl<'a> PublicKey<'a> {
    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// `Unsupported` for algorithms and curves that we do not have, `Malformed` for what is not
    /// DER of the form that its algorithm asks for. Points are not checked to be on their curve.
    pub fn decode(spki: &'a [u8]) -> Result<Self, CryptoError> {
        let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(malformed)?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or(CryptoError::Malformed)?;
        match info.algorithm.oid {
            oids::RSA_ENCRYPTION => rsa(key, RsaScheme::Any),
            oids::RSAES_OAEP => rsa(key, RsaScheme::Oaep),
            oids::RSASSA_PSS => rsa(key, RsaScheme::Pss(restriction(&info.algorithm)?)),
            oids::EC_PUBLIC_KEY | oids::EC_DH => Ok(Self::Ec {
                curve: named_curve(&info.algorithm)?,
                point: key,
            }),
            oids::ED25519 => Ok(Self::Ed25519(key)),
            oids::X25519 => Ok(Self::X25519(key)),
            oids::DSA => dsa(&info.algorithm, key),
            _ => Err(CryptoError::Unsupported),
        }
    }
}

impl RsaPublicKey<'_> {
    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        bits(self.modulus)
    }
}

impl RsaScheme {
    /// `Unsupported` when a key of this scheme must not make signatures by `algorithm`.
    pub fn permits(self, algorithm: &SignatureAlgorithm) -> Result<(), CryptoError> {
        let permitted = match (self, algorithm) {
            (Self::Any, SignatureAlgorithm::RsaPkcs1(_))
            | (Self::Any | Self::Pss(None), SignatureAlgorithm::RsaPss(_)) => true,
            (Self::Pss(Some(key)), SignatureAlgorithm::RsaPss(used)) => {
                // RFC 4055 §3.3: the same hashes, and a salt at least as long.
                key.digest == used.digest && key.mask == used.mask && used.salt >= key.salt
            }
            (
                Self::Any | Self::Oaep | Self::Pss(_),
                SignatureAlgorithm::Dsa(_)
                | SignatureAlgorithm::Ecdsa(_)
                | SignatureAlgorithm::Ed25519
                | SignatureAlgorithm::RsaPkcs1(_)
                | SignatureAlgorithm::RsaPss(_),
            ) => false,
        };
        permitted.then_some(()).ok_or(CryptoError::Unsupported)
    }

    /// `Unsupported` when nothing must be encrypted to a key of this scheme by `encryption`.
    pub fn encrypts(self, encryption: &RsaEncryption) -> Result<(), CryptoError> {
        let permitted = match (self, encryption) {
            (Self::Any, RsaEncryption::Oaep(_) | RsaEncryption::Pkcs1)
            | (Self::Oaep, RsaEncryption::Oaep(_)) => true,
            (Self::Oaep, RsaEncryption::Pkcs1) | (Self::Pss(_), _) => false,
        };
        permitted.then_some(()).ok_or(CryptoError::Unsupported)
    }
}

/// Bits of a number, big endian, without leading zeros.
pub(super) fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros());
    number
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(unused).unwrap_or(8))
}

/// The 32 octets of a CurvePrivateKey: an OCTET STRING within the OCTET STRING (RFC 8410 §7).
pub(super) fn curve_private_key(octets: &[u8]) -> Result<&[u8], CryptoError> {
    let key = <&OctetStringRef>::from_der(octets)
        .map_err(malformed)?
        .as_bytes();
    (key.len() == 32)
        .then_some(key)
        .ok_or(CryptoError::Malformed)
}

/// The curve that id-ecPublicKey parameters name; explicit parameters are `Unsupported`
/// (RFC 5480 §2.1.1 forbids them).
pub(super) fn named_curve(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Curve, CryptoError> {
    let parameters = algorithm.parameters.ok_or(CryptoError::Malformed)?;
    let Ok(oid) = parameters.decode_as::<const_oid::ObjectIdentifier>() else {
        return Err(CryptoError::Unsupported);
    };
    match oid {
        oids::P256 => Ok(Curve::P256),
        oids::P384 => Ok(Curve::P384),
        oids::P521 => Ok(Curve::P521),
        _ => Err(CryptoError::Unsupported),
    }
}

/// The parameters that a key of id-RSASSA-PSS is bound to, if any.
pub(super) fn restriction(
    algorithm: &AlgorithmIdentifierRef<'_>,
) -> Result<Option<PssParameters>, CryptoError> {
    algorithm
        .parameters
        .filter(|parameters| !parameters.is_null())
        .map(|parameters| identifiers::pss_parameters(Some(parameters)))
        .transpose()
        .map_err(|_| CryptoError::Unsupported)
}

/// Encodes a SubjectPublicKeyInfo.
pub(super) fn encode(
    algorithm: AlgorithmIdentifierRef<'_>,
    key: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key: BitStringRef::from_bytes(key).map_err(malformed)?,
    }
    .to_der()
    .map_err(malformed)
}

/// Encodes a SubjectPublicKeyInfo whose key is on `curve`.
pub(super) fn encode_on(curve: Curve, key: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let named = match curve {
        Curve::P256 => Some(oids::P256),
        Curve::P384 => Some(oids::P384),
        Curve::P521 => Some(oids::P521),
        Curve::X25519 => None,
    };
    encode(
        AlgorithmIdentifierRef {
            oid: named.map_or(oids::X25519, |_| oids::EC_PUBLIC_KEY),
            parameters: named.as_ref().map(AnyRef::from),
        },
        key,
    )
}

fn rsa(key: &[u8], scheme: RsaScheme) -> Result<PublicKey<'_>, CryptoError> {
    let numbers = Integers2::from_der(key).map_err(malformed)?;
    Ok(PublicKey::Rsa(RsaPublicKey {
        der: key,
        modulus: numbers.first.as_bytes(),
        exponent: numbers.second.as_bytes(),
        scheme,
    }))
}

fn dsa<'a>(
    algorithm: &AlgorithmIdentifierRef<'a>,
    key: &'a [u8],
) -> Result<PublicKey<'a>, CryptoError> {
    let parameters = match algorithm.parameters {
        Some(parameters) if !parameters.is_null() => {
            let numbers: Integers3<'a> = parameters.decode_as().map_err(malformed)?;
            Some(DsaParameters {
                p: numbers.first.as_bytes(),
                q: numbers.second.as_bytes(),
                g: numbers.third.as_bytes(),
            })
        }
        Some(_) | None => None,
    };
    Ok(PublicKey::Dsa(DsaPublicKey {
        parameters,
        y: UintRef::from_der(key).map_err(malformed)?.as_bytes(),
    }))
}

fn malformed(_: der::Error) -> CryptoError {
    CryptoError::Malformed
}
