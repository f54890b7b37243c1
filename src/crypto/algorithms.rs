//! The algorithms that CMS names: what they are called, their identifiers, what they are worth.
//!
//! Names are those of the reports: `rsa-pss-sha256`, `aes-256-cbc`. Of what we refuse, MD5 and RC2
//! among them, there is a name in [`super::identifiers::name_of`] and nothing here.

use std::fmt;
use std::str::FromStr;

/// Hash functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DigestAlgorithm {
    /// SHA-1: verified and reported as weak, never written (RFC 8551 §2.1).
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224: in OAEP and MGF1 alone.
    Sha512_224,
    /// SHA-512/256: in OAEP and MGF1 alone.
    Sha512_256,
}

/// Signature algorithms with all that verification needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// DSA (FIPS 186): verified and reported as weak, never written.
    Dsa(DigestAlgorithm),
    /// ECDSA; the curve is the key's.
    Ecdsa(DigestAlgorithm),
    /// Ed25519 (RFC 8419).
    Ed25519,
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(DigestAlgorithm),
    /// RSASSA-PSS (RFC 4056).
    RsaPss(PssParameters),
}

/// RSASSA-PSS-params (RFC 4055 §3.1). The trailer field is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PssParameters {
    /// Hash of the message.
    pub digest: DigestAlgorithm,
    /// Hash of MGF1.
    pub mask: DigestAlgorithm,
    /// Octets of salt.
    pub salt: u32,
}

/// RSA key transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RsaEncryption {
    /// RSAES-OAEP (RFC 3560).
    Oaep(OaepParameters),
    /// RSAES-PKCS1-v1_5.
    Pkcs1,
}

/// RSAES-OAEP-params (RFC 4055 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OaepParameters {
    /// Hash of the label.
    pub digest: DigestAlgorithm,
    /// Hash of MGF1.
    pub mask: DigestAlgorithm,
    /// The label, mostly empty.
    pub label: Vec<u8>,
}

/// Curves of key agreement and ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
    /// X25519 (RFC 8418).
    X25519,
}

/// AES key wrap (RFC 3394), and what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyWrap {
    /// With a 128-bit key.
    Aes128,
    /// With a 192-bit key.
    Aes192,
    /// With a 256-bit key.
    Aes256,
    /// Triple-DES key wrap (RFC 3217 §3): unwrapped, never written.
    DesEde3,
}

/// A key-agreement scheme: the key derivation function, and the wrap that its key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyAgreement {
    /// How the shared secret becomes a key.
    pub derivation: KeyDerivation,
    /// How that key wraps the content-encryption key.
    pub wrap: KeyWrap,
    /// Whether the cofactor method is asked for: the same on our curves, whose cofactor is 1.
    pub cofactor: bool,
}

/// Key derivation functions of key agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyDerivation {
    /// HKDF (RFC 8418 §2.2).
    Hkdf(DigestAlgorithm),
    /// ANSI X9.63 (RFC 5753 §7.1.4, RFC 8418 §2.1).
    X963(DigestAlgorithm),
}

/// Content-encryption algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentEncryption {
    /// AES-128 in CBC mode.
    Aes128Cbc,
    /// AES-192 in CBC mode.
    Aes192Cbc,
    /// AES-256 in CBC mode.
    Aes256Cbc,
    /// AES-128 in GCM mode (RFC 5084).
    Aes128Gcm,
    /// AES-192 in GCM mode.
    Aes192Gcm,
    /// AES-256 in GCM mode.
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8103).
    ChaCha20Poly1305,
    /// 3DES in CBC mode: decrypted and reported as weak, never written.
    DesEde3Cbc,
}

/// Octets of the authentication tag that we write: the longest, as OpenSSL does.
pub const TAG_OCTETS: usize = 16;

/// A cipher that has no such name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no content-encryption algorithm is named {0:?}; known are {known}", known = ContentEncryption::names())]
pub struct UnknownCipher(String);

impl DigestAlgorithm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha512_224,
        Self::Sha512_256,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Sha512_224 => "sha-512-224",
            Self::Sha512_256 => "sha-512-256",
        }
    }

    /// Its name within the name of another algorithm.
    fn within(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha512_224 => "sha512-224",
            Self::Sha512_256 => "sha512-256",
        }
    }

    /// Octets of its output.
    #[must_use]
    pub fn output_octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 => 28,
            Self::Sha256 | Self::Sha512_256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Octets of its block, which HMAC asks for (FIPS 180-4 §1).
    #[must_use]
    pub fn block_octets(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha224 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 | Self::Sha512_224 | Self::Sha512_256 => 128,
        }
    }

    /// Whether a signature over it is worth less than it claims (RFC 6194, RFC 8551 §2.1).
    #[must_use]
    pub fn is_weak(self) -> bool {
        self == Self::Sha1
    }
}

impl SignatureAlgorithm {
    /// The hash of the message; `None` for Ed25519, which reads the message itself.
    #[must_use]
    pub fn digest(&self) -> Option<DigestAlgorithm> {
        match self {
            Self::Dsa(digest)
            | Self::Ecdsa(digest)
            | Self::RsaPkcs1(digest)
            | Self::RsaPss(PssParameters { digest, .. }) => Some(*digest),
            Self::Ed25519 => None,
        }
    }

    /// Whether reports call it weak: DSA, and everything with SHA-1.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Dsa(_)) || self.digest().is_some_and(DigestAlgorithm::is_weak)
    }
}

impl PssParameters {
    /// One hash for message and mask, and a salt of its length (RFC 4055 §3.1).
    #[must_use]
    pub fn plain(digest: DigestAlgorithm) -> Self {
        Self {
            digest,
            mask: digest,
            salt: u32::try_from(digest.output_octets()).unwrap_or(u32::MAX),
        }
    }
}

impl OaepParameters {
    /// One hash for label and mask, and an empty label (RFC 4055 §4.1).
    #[must_use]
    pub fn plain(digest: DigestAlgorithm) -> Self {
        Self {
            digest,
            mask: digest,
            label: Vec::new(),
        }
    }
}

impl Curve {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p-256",
            Self::P384 => "p-384",
            Self::P521 => "p-521",
            Self::X25519 => "x25519",
        }
    }

    /// Octets of a coordinate, of a shared secret, and of a private key.
    #[must_use]
    pub fn octets(self) -> usize {
        match self {
            Self::P256 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Whether `point` has the length and first octet of a public key on this curve: a point,
    /// compressed or not (SEC 1 §2.3.3), or a u-coordinate.
    #[must_use]
    pub fn is_point(self, point: &[u8]) -> bool {
        match (self, point) {
            (Self::X25519, _) => point.len() == self.octets(),
            (Self::P256 | Self::P384 | Self::P521, [2 | 3, x @ ..]) => x.len() == self.octets(),
            (Self::P256 | Self::P384 | Self::P521, [4, xy @ ..]) => xy.len() == 2 * self.octets(),
            (Self::P256 | Self::P384 | Self::P521, _) => false,
        }
    }
}

impl KeyWrap {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128 => "aes128wrap",
            Self::Aes192 => "aes192wrap",
            Self::Aes256 => "aes256wrap",
            Self::DesEde3 => "des-ede3-wrap",
        }
    }

    /// Octets of its key.
    #[must_use]
    pub fn key_octets(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::DesEde3 => 24,
            Self::Aes256 => 32,
        }
    }
}

impl KeyDerivation {
    /// The hash.
    #[must_use]
    pub fn digest(self) -> DigestAlgorithm {
        match self {
            Self::Hkdf(digest) | Self::X963(digest) => digest,
        }
    }
}

impl KeyAgreement {
    /// Its name in reports, for a recipient whose key is on `curve`.
    #[must_use]
    pub fn name_on(self, curve: Curve) -> String {
        let curve = match curve {
            Curve::P256 | Curve::P384 | Curve::P521 => "ecdh",
            Curve::X25519 => "x25519",
        };
        // The hash of the derivation function, whichever function it is (CONTRACT).
        let digest = self.derivation.digest().within();
        format!("{curve}-{digest}-{}", self.wrap)
    }
}

impl ContentEncryption {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
        Self::ChaCha20Poly1305,
        Self::DesEde3Cbc,
    ];

    /// Its name in reports and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "aes-128-cbc",
            Self::Aes192Cbc => "aes-192-cbc",
            Self::Aes256Cbc => "aes-256-cbc",
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes192Gcm => "aes-192-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::DesEde3Cbc => "des-ede3-cbc",
        }
    }

    /// Octets of the content-encryption key.
    #[must_use]
    pub fn key_octets(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Gcm | Self::DesEde3Cbc => 24,
            Self::Aes256Cbc | Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Octets of the initialisation vector or of the nonce that we write; GCM can be read with
    /// nonces of any other length (RFC 5084 §3.2).
    #[must_use]
    pub fn nonce_octets(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 => 12,
            Self::DesEde3Cbc => 8,
        }
    }

    /// Octets of padded blocks, 1 for what is not padded.
    #[must_use]
    pub fn block_octets(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 => 1,
            Self::DesEde3Cbc => 8,
        }
    }

    /// Octets of what `plaintext` octets become, without the tag (RFC 5652 §6.3). `None` past 2^64.
    #[must_use]
    pub fn ciphertext_octets(self, plaintext: u64) -> Option<u64> {
        let block = u64::try_from(self.block_octets()).ok()?;
        if block == 1 {
            return Some(plaintext);
        }
        (plaintext / block).checked_add(1)?.checked_mul(block)
    }

    /// Whether it authenticates, and so belongs into AuthEnvelopedData (RFC 5083).
    #[must_use]
    pub fn is_authenticated(self) -> bool {
        self.block_octets() == 1
    }

    /// Whether reports call it weak (RFC 8551 §2.7).
    #[must_use]
    pub fn is_weak(self) -> bool {
        self == Self::DesEde3Cbc
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl FromStr for ContentEncryption {
    type Err = UnknownCipher;

    fn from_str(name: &str) -> Result<Self, UnknownCipher> {
        Self::ALL
            .into_iter()
            .find(|cipher| cipher.as_str() == name)
            .ok_or_else(|| UnknownCipher(name.to_owned()))
    }
}

macro_rules! display_as_str {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

display_as_str!(DigestAlgorithm, Curve, KeyWrap, ContentEncryption);

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dsa(digest) => write!(f, "dsa-{}", digest.within()),
            Self::Ecdsa(digest) => write!(f, "ecdsa-{}", digest.within()),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::RsaPkcs1(digest) => write!(f, "rsa-pkcs1-{}", digest.within()),
            Self::RsaPss(PssParameters { digest, .. }) => {
                write!(f, "rsa-pss-{}", digest.within())
            }
        }
    }
}

impl fmt::Display for RsaEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oaep(_) => "rsa-oaep",
            Self::Pkcs1 => "rsa-pkcs1",
        })
    }
}

impl fmt::Display for KeyAgreement {
    /// The name for the curves of RFC 5753; [`KeyAgreement::name_on`] tells X25519 apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name_on(Curve::P256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reports() {
        let pss = SignatureAlgorithm::RsaPss(PssParameters::plain(DigestAlgorithm::Sha256));
        assert_eq!(pss.to_string(), "rsa-pss-sha256");
        let dsa = SignatureAlgorithm::Dsa(DigestAlgorithm::Sha1);
        assert_eq!(dsa.to_string(), "dsa-sha1");
        let agreement = KeyAgreement {
            derivation: KeyDerivation::X963(DigestAlgorithm::Sha256),
            wrap: KeyWrap::Aes256,
            cofactor: false,
        };
        assert_eq!(agreement.to_string(), "ecdh-sha256-aes256wrap");
        assert_eq!(agreement.name_on(Curve::X25519), "x25519-sha256-aes256wrap");
        assert_eq!(DigestAlgorithm::Sha384.to_string(), "sha-384");
    }

    #[test]
    fn every_cipher_is_read_by_its_name() {
        for cipher in ContentEncryption::ALL {
            assert_eq!(cipher.as_str().parse(), Ok(cipher));
        }
        let error = "rc2-cbc".parse::<ContentEncryption>().unwrap_err();
        assert!(error.to_string().starts_with(
            "no content-encryption algorithm is named \"rc2-cbc\"; known are aes-128-cbc,"
        ));
    }

    #[test]
    fn padding_always_adds_octets() {
        let cbc = |octets| ContentEncryption::Aes256Cbc.ciphertext_octets(octets);
        assert_eq!((cbc(0), cbc(15), cbc(16)), (Some(16), Some(16), Some(32)));
        assert_eq!(cbc(u64::MAX), None);
        assert_eq!(ContentEncryption::DesEde3Cbc.ciphertext_octets(8), Some(16));
        assert_eq!(ContentEncryption::Aes128Gcm.ciphertext_octets(7), Some(7));
    }

    #[test]
    fn sha_1_dsa_and_triple_des_are_weak() {
        assert!(SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha1).is_weak());
        assert!(SignatureAlgorithm::Dsa(DigestAlgorithm::Sha256).is_weak());
        assert!(!SignatureAlgorithm::Ed25519.is_weak());
        assert!(ContentEncryption::DesEde3Cbc.is_weak());
        assert!(!ContentEncryption::Aes128Cbc.is_weak());
    }
}
