//! `[profile.NAME]`: the algorithms that a rule or a partner asks for (DESIGN, decision 3).

use super::error::PolicyFileError;
use super::rule::check_name;
use super::table::Entry;
use super::table::Table;
use crate::crypto::ContentEncryption;
use crate::crypto::DigestAlgorithm;
use crate::mime::smime::CmsEncoding;

/// Algorithms to write, and how small keys may be. What is `None` follows what is known of the reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the policy.
    pub name: String,
    /// The content encryption.
    pub cipher: Option<ContentEncryption>,
    /// How content-encryption keys are encrypted to RSA keys.
    pub key_encryption: Option<RsaKeyEncryption>,
    /// The hash of signatures.
    pub digest: Option<DigestAlgorithm>,
    /// The padding of RSA signatures.
    pub rsa_signature: Option<RsaSignature>,
    /// Bits that an RSA key must have for us to encrypt to it or to believe its signature.
    pub minimum_rsa_bits: Option<usize>,
    /// How new layers within an encryption are encoded.
    pub inside: Option<CmsEncoding>,
    /// Whether a reader who has announced other ciphers and not this one is refused; else what it can read is written.
    pub demand: bool,
}

/// How content-encryption keys are encrypted to RSA keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaKeyEncryption {
    /// RSAES-OAEP with SHA-256.
    Oaep,
    /// RSAES-PKCS1-v1_5.
    Pkcs1,
}

/// The padding of RSA signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaSignature {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
    /// RSASSA-PSS (RFC 4056).
    Pss,
}

impl Profile {
    /// Reads every table of `[profile]`.
    pub(super) fn read_all(entry: &Entry<'_, '_>) -> Result<Vec<Self>, PolicyFileError> {
        let all = entry.names("[profile]")?;
        let mut profiles = Vec::new();
        for (entry, name, offset) in all.named() {
            check_name(name).map_err(|reason| all.bad_name(offset, name, reason))?;
            profiles.push(Self::read(&entry, name)?);
        }
        Ok(profiles)
    }

    fn read(entry: &Entry<'_, '_>, name: &str) -> Result<Self, PolicyFileError> {
        let table = entry.table(format!("[profile.{name}]"), KEYS)?;
        Ok(Self {
            name: name.to_owned(),
            cipher: optional(&table, "cipher", CIPHERS)?,
            key_encryption: optional(&table, "key_encryption", KEY_ENCRYPTIONS)?,
            digest: optional(&table, "digest", DIGESTS)?,
            rsa_signature: optional(&table, "rsa_signature", RSA_SIGNATURES)?,
            minimum_rsa_bits: table
                .get("minimum_rsa_bits")
                .map(|entry| bits(&entry))
                .transpose()?,
            inside: optional(&table, "inside", ENCODINGS)?,
            demand: table.flag("demand")?,
        })
    }
}

fn optional<T: Copy>(
    table: &Table<'_, '_>,
    key: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, PolicyFileError> {
    table.get(key).map(|entry| entry.word(words)).transpose()
}

fn bits(entry: &Entry<'_, '_>) -> Result<usize, PolicyFileError> {
    let bits = entry.number()?;
    let accepted = usize::try_from(bits)
        .ok()
        .filter(|bits| RSA_BITS.contains(bits));
    accepted.ok_or_else(|| {
        entry.bad(format!(
            "accepted are {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        ))
    })
}

const KEYS: &[&str] = &[
    "cipher",
    "key_encryption",
    "digest",
    "rsa_signature",
    "minimum_rsa_bits",
    "inside",
    "demand",
];

/// What we write; 3DES is read alone, and AES-192 in GCM no client offers.
const CIPHERS: &[(&str, ContentEncryption)] = &[
    ("aes-128-cbc", ContentEncryption::Aes128Cbc),
    ("aes-192-cbc", ContentEncryption::Aes192Cbc),
    ("aes-256-cbc", ContentEncryption::Aes256Cbc),
    ("aes-128-gcm", ContentEncryption::Aes128Gcm),
    ("aes-256-gcm", ContentEncryption::Aes256Gcm),
    ("chacha20-poly1305", ContentEncryption::ChaCha20Poly1305),
];

const ENCODINGS: &[(&str, CmsEncoding)] = &[
    (CmsEncoding::Base64.as_str(), CmsEncoding::Base64),
    (CmsEncoding::Binary.as_str(), CmsEncoding::Binary),
];

const KEY_ENCRYPTIONS: &[(&str, RsaKeyEncryption)] = &[
    ("rsa-pkcs1", RsaKeyEncryption::Pkcs1),
    ("rsa-oaep", RsaKeyEncryption::Oaep),
];

const DIGESTS: &[(&str, DigestAlgorithm)] = &[
    ("sha-256", DigestAlgorithm::Sha256),
    ("sha-384", DigestAlgorithm::Sha384),
    ("sha-512", DigestAlgorithm::Sha512),
];

const RSA_SIGNATURES: &[(&str, RsaSignature)] = &[
    ("rsa-pkcs1", RsaSignature::Pkcs1),
    ("rsa-pss", RsaSignature::Pss),
];

/// RFC 8551 §4.2 and §4.3: 2,048 is the least that is fit; nobody has more than 16,384.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1_024..=16_384;
