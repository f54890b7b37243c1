//! Decryption by password, for key files: PBES2 (RFC 8018), and PBES1 of PKCS#12 (RFC 7292 appendix C).
//!
//! What a file may cost is bounded: the iterations of all its key derivations together.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use const_oid::ObjectIdentifier;
use der::AnyRef;
use der::Encode;
use der::Sequence;
use der::asn1::OctetStringRef;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::CryptoError;
use super::Secret;
use super::algorithms::ContentEncryption;
use super::algorithms::DigestAlgorithm;
use super::identifiers;
use super::identifiers::ContentParameters;
use super::identifiers::IdentifierError;
use super::provider;
use super::rust_crypto;
use crate::limits::LimitError;
use crate::limits::Limits;

/// Why a password opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The encryption within is not ours.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// It asks for too much work or memory.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The parameters are not of the form that their algorithm asks for.
    #[error("parameters of the password-based encryption are malformed")]
    Malformed,
    /// A scheme or function that we do not have, by name or dotted OID.
    #[error("password-based algorithm {0} is not supported")]
    Unsupported(String),
    /// Padding or tag are not what the password makes of them.
    #[error("password is wrong, or what it protects is damaged")]
    Wrong,
}

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const SCRYPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");
const HMAC_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.7");
const HMAC_SHA_224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.8");
const HMAC_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const HMAC_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.10");
const HMAC_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.11");
const SHA_AND_3_KEY_TRIPLE_DES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const SHA_AND_2_KEY_TRIPLE_DES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const SHA_AND_128_BIT_RC2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5");
const SHA_AND_40_BIT_RC2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// Octets that scrypt may fill: twice what OpenSSL allows it.
const SCRYPT_MEMORY: u64 = 64 * 1024 * 1024;

#[derive(Sequence)]
struct Pbes2Params<'a> {
    derivation: AlgorithmIdentifierRef<'a>,
    encryption: AlgorithmIdentifierRef<'a>,
}

#[derive(Sequence)]
struct Pbkdf2Params<'a> {
    salt: &'a OctetStringRef,
    iterations: u32,
    #[asn1(optional = "true")]
    key_octets: Option<u32>,
    #[asn1(optional = "true")]
    function: Option<AlgorithmIdentifierRef<'a>>,
}

#[derive(Sequence)]
struct ScryptParams<'a> {
    salt: &'a OctetStringRef,
    cost: u64,
    block: u32,
    parallel: u32,
    #[asn1(optional = "true")]
    key_octets: Option<u32>,
}

#[derive(Sequence)]
struct Pbes1Params<'a> {
    salt: &'a OctetStringRef,
    iterations: u32,
}

/// What the key derivations of one file may still cost.
#[derive(Debug)]
pub struct Iterations {
    spent: u64,
    allowed: u32,
}

impl Iterations {
    /// As many as `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            spent: 0,
            allowed: limits.kdf_iterations,
        }
    }

    pub(super) fn spend(&mut self, iterations: u64) -> Result<(), LimitError> {
        self.spent = self.spent.saturating_add(iterations);
        let what = "iterations of password-based key derivation";
        LimitError::check_wide(what, self.spent, u64::from(self.allowed))
    }
}

/// Decrypts what a password protects by `algorithm`, which is PBES2 or a PBES1 of PKCS#12.
///
/// The password is UTF-8, as RFC 8018 §3 recommends; PBES2 takes any other octets as they are.
pub fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    password: &[u8],
    ciphertext: &[u8],
    iterations: &mut Iterations,
) -> Result<Secret, PasswordError> {
    match algorithm.oid {
        PBES2 => {
            let scheme: Pbes2Params<'_> = parameters(algorithm)?;
            let encryption = scheme.encryption.to_der().map_err(malformed)?;
            let content = identifiers::content_encryption(&encryption)?;
            let octets = content.algorithm.key_octets();
            let key = derive(&scheme.derivation, password, octets, iterations)?;
            decrypt_content(&content, &key, ciphertext)
        }
        oid => pbes1(oid, algorithm, password, iterations, ciphertext),
    }
}

/// Derives a key of `octets` by PBKDF2 or scrypt (RFC 8018 §5.2, RFC 7914).
pub(super) fn derive(
    algorithm: &AlgorithmIdentifierRef<'_>,
    password: &[u8],
    octets: usize,
    iterations: &mut Iterations,
) -> Result<Secret, PasswordError> {
    let mut key = Secret::new(vec![0; octets]);
    let named = match algorithm.oid {
        PBKDF2 => {
            let parameters: Pbkdf2Params<'_> = parameters(algorithm)?;
            pbkdf2_into(&parameters, password, iterations, &mut key)?;
            parameters.key_octets
        }
        SCRYPT => {
            let parameters: ScryptParams<'_> = parameters(algorithm)?;
            scrypt_into(&parameters, password, iterations, &mut key)?;
            parameters.key_octets
        }
        oid => return Err(PasswordError::Unsupported(identifiers::shown(oid))),
    };
    if named.is_some_and(|named| usize::try_from(named) != Ok(octets)) {
        return Err(PasswordError::Malformed);
    }
    Ok(key)
}

/// The octets that PBKDF2 parameters name, which PBMAC1 must (RFC 9579 §4); at most 512.
pub(super) fn key_octets(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<usize, PasswordError> {
    if algorithm.oid != PBKDF2 {
        return Err(PasswordError::Unsupported(identifiers::shown(
            algorithm.oid,
        )));
    }
    let parameters: Pbkdf2Params<'_> = parameters(algorithm)?;
    parameters
        .key_octets
        .and_then(|octets| usize::try_from(octets).ok())
        .filter(|octets| (1..=512).contains(octets))
        .ok_or(PasswordError::Malformed)
}

fn pbkdf2_into(
    parameters: &Pbkdf2Params<'_>,
    password: &[u8],
    iterations: &mut Iterations,
    key: &mut [u8],
) -> Result<(), PasswordError> {
    // RFC 8018 appendix A.2: DEFAULT algid-hmacWithSHA1.
    let function = parameters
        .function
        .map_or(HMAC_SHA_1, |function| function.oid);
    let function = match hmac_digest(function)? {
        DigestAlgorithm::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        DigestAlgorithm::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        DigestAlgorithm::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        DigestAlgorithm::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        other @ (DigestAlgorithm::Sha224
        | DigestAlgorithm::Sha512_224
        | DigestAlgorithm::Sha512_256) => {
            return Err(PasswordError::Unsupported(format!(
                "pbkdf2 with hmac-{other}"
            )));
        }
    };
    let count = NonZeroU32::new(parameters.iterations).ok_or(PasswordError::Malformed)?;
    // Each block of output costs as much again; none has less than 20 octets.
    let blocks = u64::try_from(key.len().div_ceil(20)).unwrap_or(u64::MAX);
    iterations.spend(u64::from(parameters.iterations).saturating_mul(blocks))?;
    let salt = parameters.salt.as_bytes();
    pbkdf2::derive(function, count, salt, password, key);
    Ok(())
}

fn scrypt_into(
    parameters: &ScryptParams<'_>,
    password: &[u8],
    iterations: &mut Iterations,
    key: &mut [u8],
) -> Result<(), PasswordError> {
    let (block, parallel) = (u64::from(parameters.block), u64::from(parameters.parallel));
    // RFC 7914 §2: 128 · r octets for each of N, and two passes for each of p.
    let blocks = parameters.cost.saturating_mul(block);
    let memory = blocks.saturating_mul(128);
    LimitError::check_wide("octets of memory for scrypt", memory, SCRYPT_MEMORY)?;
    iterations.spend(blocks.saturating_mul(parallel).saturating_mul(2))?;
    if !parameters.cost.is_power_of_two() {
        return Err(PasswordError::Malformed);
    }
    let log_cost = u8::try_from(parameters.cost.ilog2()).map_err(malformed)?;
    let scheme =
        scrypt::Params::new(log_cost, parameters.block, parameters.parallel).map_err(malformed)?;
    scrypt::scrypt(password, parameters.salt.as_bytes(), &scheme, key).map_err(malformed)
}

/// The digest of an HMAC's identifier.
pub(super) fn hmac_digest(oid: ObjectIdentifier) -> Result<DigestAlgorithm, PasswordError> {
    match oid {
        HMAC_SHA_1 => Ok(DigestAlgorithm::Sha1),
        HMAC_SHA_224 => Ok(DigestAlgorithm::Sha224),
        HMAC_SHA_256 => Ok(DigestAlgorithm::Sha256),
        HMAC_SHA_384 => Ok(DigestAlgorithm::Sha384),
        HMAC_SHA_512 => Ok(DigestAlgorithm::Sha512),
        oid => Err(PasswordError::Unsupported(identifiers::shown(oid))),
    }
}

/// PBES1 with the key derivation of PKCS#12 (RFC 7292 appendix C).
fn pbes1(
    oid: ObjectIdentifier,
    algorithm: &AlgorithmIdentifierRef<'_>,
    password: &[u8],
    iterations: &mut Iterations,
    ciphertext: &[u8],
) -> Result<Secret, PasswordError> {
    let octets = match oid {
        SHA_AND_3_KEY_TRIPLE_DES => 24,
        SHA_AND_2_KEY_TRIPLE_DES | SHA_AND_128_BIT_RC2 => 16,
        SHA_AND_40_BIT_RC2 => 5,
        oid => return Err(PasswordError::Unsupported(identifiers::shown(oid))),
    };
    let scheme: Pbes1Params<'_> = parameters(algorithm)?;
    let mut derive = |purpose, octets| {
        Pkcs12Derivation {
            digest: DigestAlgorithm::Sha1,
            salt: scheme.salt.as_bytes(),
            iterations: scheme.iterations,
        }
        .derive(&bmp(password), purpose, octets, iterations)
    };
    let mut key = derive(Purpose::Key, octets)?;
    let nonce = derive(Purpose::InitialisationVector, 8)?;
    if matches!(oid, SHA_AND_128_BIT_RC2 | SHA_AND_40_BIT_RC2) {
        return rust_crypto::rc2_cbc_decrypt(&key, &nonce, ciphertext).map_err(wrong);
    }
    if oid == SHA_AND_2_KEY_TRIPLE_DES {
        key.extend_from_within(..8);
    }
    let content = ContentParameters {
        algorithm: ContentEncryption::DesEde3Cbc,
        nonce: nonce.to_vec(),
        tag_octets: 0,
    };
    decrypt_content(&content, &key, ciphertext)
}

fn decrypt_content(
    content: &ContentParameters,
    key: &[u8],
    ciphertext: &[u8],
) -> Result<Secret, PasswordError> {
    let (ciphertext, tag) = ciphertext
        .len()
        .checked_sub(content.tag_octets)
        .and_then(|octets| ciphertext.split_at_checked(octets))
        .ok_or(PasswordError::Wrong)?;
    let mut plaintext = Secret::new(Vec::with_capacity(ciphertext.len() + 16));
    let mut decryptor = provider()
        .ciphers
        .decryptor(content.algorithm, key, &content.nonce, &[])
        .map_err(malformed)?;
    decryptor
        .update(ciphertext, &mut plaintext)
        .map_err(wrong)?;
    decryptor.finish(tag, &mut plaintext).map_err(wrong)?;
    Ok(plaintext)
}

/// What a key of PKCS#12 is for (RFC 7292 appendix B.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Key,
    InitialisationVector,
    Mac,
}

/// The key derivation of PKCS#12 (RFC 7292 appendix B.2).
pub(super) struct Pkcs12Derivation<'a> {
    pub(super) digest: DigestAlgorithm,
    pub(super) salt: &'a [u8],
    pub(super) iterations: u32,
}

impl Pkcs12Derivation<'_> {
    /// Derives `octets` from a password that is a BMPString with its end (RFC 7292 appendix B.1).
    pub(super) fn derive(
        &self,
        password: &[u8],
        purpose: Purpose,
        octets: usize,
        iterations: &mut Iterations,
    ) -> Result<Secret, PasswordError> {
        let block = self.digest.block_octets();
        let rounds = octets.div_ceil(self.digest.output_octets());
        let cost =
            u64::from(self.iterations).saturating_mul(u64::try_from(rounds).unwrap_or(u64::MAX));
        iterations.spend(cost)?;
        let diversifier = match purpose {
            Purpose::Key => vec![1; block],
            Purpose::InitialisationVector => vec![2; block],
            Purpose::Mac => vec![3; block],
        };
        let filled = |octets: &[u8]| {
            let whole = octets.len().div_ceil(block) * block;
            octets
                .iter()
                .copied()
                .cycle()
                .take(whole)
                .collect::<Vec<u8>>()
        };
        let mut input = Secret::new(filled(self.salt));
        input.extend_from_slice(&Secret::new(filled(password)));
        let mut derived = Secret::default();
        while derived.len() < octets {
            let output = self.hash(&diversifier, &input).map_err(malformed)?;
            derived.extend_from_slice(&output);
            let addend: Vec<u8> = output.iter().copied().cycle().take(block).collect();
            for piece in input.chunks_mut(block) {
                add_one_and(piece, &addend);
            }
        }
        derived.truncate(octets);
        Ok(derived)
    }

    /// The digest of both, digested again and again.
    fn hash(&self, diversifier: &[u8], input: &[u8]) -> Result<Secret, CryptoError> {
        let mut digester = provider().digests.start(self.digest)?;
        digester.update(diversifier);
        digester.update(input);
        let mut output = Secret::new(digester.finish());
        for _ in 1..self.iterations {
            let mut digester = provider().digests.start(self.digest)?;
            digester.update(&output);
            output = Secret::new(digester.finish());
        }
        Ok(output)
    }
}

/// Adds 1 and `addend` to a number of the same length, big endian, without its carry.
fn add_one_and(number: &mut [u8], addend: &[u8]) {
    let mut carry = 1_u16;
    for (octet, other) in number.iter_mut().zip(addend).rev() {
        let sum = u16::from(*octet) + u16::from(*other) + carry;
        let [high, low] = sum.to_be_bytes();
        (*octet, carry) = (low, u16::from(high));
    }
}

/// A password as PKCS#12 wants it: UTF-16, big endian, with a zero at the end (RFC 7292 appendix B.1).
///
/// Octets that are not UTF-8 become U+FFFD.
pub(super) fn bmp(password: &[u8]) -> Secret {
    let text = Zeroizing::new(String::from_utf8_lossy(password).into_owned());
    let units = text.encode_utf16().chain(std::iter::once(0));
    Secret::new(units.flat_map(u16::to_be_bytes).collect())
}

fn parameters<'a, T>(algorithm: &AlgorithmIdentifierRef<'a>) -> Result<T, PasswordError>
where
    T: der::Choice<'a> + der::DecodeValue<'a>,
{
    let any: AnyRef<'a> = algorithm.parameters.ok_or(PasswordError::Malformed)?;
    any.decode_as().map_err(malformed)
}

fn malformed<E>(_: E) -> PasswordError {
    PasswordError::Malformed
}

fn wrong<E>(_: E) -> PasswordError {
    PasswordError::Wrong
}
