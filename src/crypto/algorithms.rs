//! The algorithms that CMS names: what they are called, their identifiers, what they are worth.
//!
//! Names are those of the reports (CONTRACT: `rsa-pss-sha256`, `aes-256-cbc`). MD5, RC2 and their
//! like have names, so that a refusal can say what it refuses, and nothing else.

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

/// AES key wrap (RFC 3394).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyWrap {
    /// With a 128-bit key.
    Aes128,
    /// With a 192-bit key.
    Aes192,
    /// With a 256-bit key.
    Aes256,
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
