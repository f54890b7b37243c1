//! Private keys from the octets of a file: PKCS#8 (RFC 5958), encrypted or not, PKCS#1, SEC 1; PEM or DER.
//!
//! All become PKCS#8, which [`super::PrivateKeyReader`] reads. OpenSSL's old encryption, by a header
//! in the PEM, is refused.

use const_oid::ObjectIdentifier;
use der::AnyRef;
use der::Decode;
use der::Encode;
use der::Sequence;
use der::Tag;
use der::Tagged;
use der::asn1::OctetStringRef;
use pkcs8::PrivateKeyInfoRef;
use spki::AlgorithmIdentifierRef;

use super::Secret;
use super::oids;
use super::password;
use super::password::Iterations;
use super::password::PasswordError;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::pem;
use crate::pem::PemError;

/// Why a file gives no private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyFileError {
    /// Too large.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Not a key in any of the formats.
    #[error("private key is neither PKCS#8 nor PKCS#1 nor SEC 1")]
    Malformed,
    /// No block of the file is a private key.
    #[error("there is no private key in the file")]
    Nothing,
    /// Encrypted, and no password was given.
    #[error("private key is encrypted, and no password is given")]
    NoPassword,
    /// OpenSSL's encryption of old.
    #[error(
        "private key is in OpenSSL's old encryption ({0} with headers); write it again by `openssl pkcs8 -topk8`"
    )]
    OldEncryption(String),
    /// The password does not open it.
    #[error("encrypted private key does not open")]
    Password(#[source] PasswordError),
    /// A PEM block is broken.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A kind of key that we do not have.
    #[error("{0} is not supported")]
    Unsupported(String),
}

#[derive(Sequence)]
struct EncryptedPrivateKeyInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    octets: &'a OctetStringRef,
}

/// The part of ECPrivateKey (RFC 5915 §3) that names the curve.
#[derive(Sequence)]
struct EcPrivateKey<'a> {
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    curve: Option<ObjectIdentifier>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public_key: Option<AnyRef<'a>>,
}

/// Returns every private key of `file` as PKCS#8, DER; at least one.
///
/// Certificates and other blocks of a PEM file are passed over. `password` opens all that are
/// encrypted.
pub fn read(
    file: &[u8],
    password: Option<&str>,
    limits: &Limits,
) -> Result<Vec<Secret>, PrivateKeyFileError> {
    LimitError::check("length of the file", file.len(), limits.structure_octets)?;
    let mut iterations = Iterations::new(limits);
    if !pem::is_pem(file) {
        return Ok(vec![read_der(file, password, &mut iterations)?]);
    }
    let mut keys = Vec::new();
    for block in pem::blocks(file, |label| label.ends_with("PRIVATE KEY"))? {
        if block.has_headers {
            return Err(PrivateKeyFileError::OldEncryption(block.label));
        }
        keys.push(match block.label.as_str() {
            "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
                read_der(&block.octets, password, &mut iterations)?
            }
            _ => return Err(PrivateKeyFileError::Unsupported(block.label)),
        });
    }
    if keys.is_empty() {
        return Err(PrivateKeyFileError::Nothing);
    }
    Ok(keys)
}

/// Tells the format by the first two elements, which no two of them share.
fn read_der(
    der: &[u8],
    password: Option<&str>,
    iterations: &mut Iterations,
) -> Result<Secret, PrivateKeyFileError> {
    let elements = AnyRef::from_der(der)
        .and_then(|any| any.sequence(|reader| first_two(reader)))
        .map_err(malformed)?;
    match elements {
        // version, privateKeyAlgorithm
        (Tag::Integer, Tag::Sequence) => match PrivateKeyInfoRef::from_der(der) {
            Ok(_) => Ok(Secret::new(der.to_vec())),
            Err(_) => Err(PrivateKeyFileError::Malformed),
        },
        // version, modulus
        (Tag::Integer, Tag::Integer) => {
            let algorithm = AlgorithmIdentifierRef {
                oid: oids::RSA_ENCRYPTION,
                parameters: Some(AnyRef::NULL),
            };
            pkcs8(algorithm, der)
        }
        // version, privateKey
        (Tag::Integer, Tag::OctetString) => {
            let key = EcPrivateKey::from_der(der).map_err(malformed)?;
            let curve = key.curve.ok_or(PrivateKeyFileError::Malformed)?;
            let algorithm = AlgorithmIdentifierRef {
                oid: oids::EC_PUBLIC_KEY,
                parameters: Some(AnyRef::from(&curve)),
            };
            pkcs8(algorithm, der)
        }
        // encryptionAlgorithm, encryptedData
        (Tag::Sequence, Tag::OctetString) => {
            let encrypted = EncryptedPrivateKeyInfo::from_der(der).map_err(malformed)?;
            let password = password.ok_or(PrivateKeyFileError::NoPassword)?;
            let octets = encrypted.octets.as_bytes();
            let key = password::decrypt(
                &encrypted.algorithm,
                password.as_bytes(),
                octets,
                iterations,
            )
            .map_err(PrivateKeyFileError::Password)?;
            // CBC has no tag: a wrong password may pass for a padding, and shows here.
            match PrivateKeyInfoRef::from_der(&key) {
                Ok(_) => Ok(key),
                Err(_) => Err(PrivateKeyFileError::Password(PasswordError::Wrong)),
            }
        }
        _ => Err(PrivateKeyFileError::Malformed),
    }
}

fn first_two(reader: &mut der::SliceReader<'_>) -> der::Result<(Tag, Tag)> {
    let first = AnyRef::decode(reader)?.tag();
    let second = AnyRef::decode(reader)?.tag();
    while !der::Reader::is_finished(reader) {
        AnyRef::decode(reader)?;
    }
    Ok((first, second))
}

fn pkcs8(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Secret, PrivateKeyFileError> {
    let key = OctetStringRef::new(key).map_err(malformed)?;
    PrivateKeyInfoRef::new(algorithm, key)
        .to_der()
        .map(Secret::new)
        .map_err(malformed)
}

fn malformed(_: der::Error) -> PrivateKeyFileError {
    PrivateKeyFileError::Malformed
}
