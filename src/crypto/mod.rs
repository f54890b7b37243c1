//! Cryptographic operations as small traits, in the manner of rustls' provider.
//!
//! A [`Provider`] is a struct of traits; [`aws_lc`] and [`rust_crypto`] are two, and [`provider`]
//! gives what the gateway uses: aws-lc-rs wherever it can, RustCrypto for the rest. Nothing here
//! reads CMS. Who does what, as `tests/providers.rs` finds it (RSA keys have 2048 bits or more):
//!
//! | | aws-lc | RustCrypto |
//! |---|---|---|
//! | digests SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/256 | yes | yes |
//! | digest SHA-512/224 | no | yes |
//! | verify RSA PKCS#1 v1.5 with SHA-1, SHA-256, SHA-384, SHA-512 | yes | yes |
//! | verify the same with a key of 1024 bits, but for SHA-384 | yes | yes |
//! | verify RSA PKCS#1 v1.5 with other digests | no | yes |
//! | verify RSA PSS, one hash of SHA-256, SHA-384, SHA-512, salt of its length | yes | yes |
//! | verify RSA PSS with other or unequal hashes, other salts, keys below 2048 bits | no | yes |
//! | verify ECDSA P-256 with SHA-1 and SHA-2, P-384 with SHA-2, both but for SHA-224; P-521 with all | yes | yes |
//! | verify ECDSA with other digests | no | yes |
//! | verify Ed25519 | yes | yes |
//! | verify DSA | no | yes |
//! | sign RSA PKCS#1 v1.5 with SHA-256, SHA-384, SHA-512 | yes | yes |
//! | sign RSA PSS, one hash of these, salt of its length | yes | yes |
//! | sign RSA with other digests, hashes, salts, or a key below 2048 bits | no | yes |
//! | sign ECDSA P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-2 | yes | yes |
//! | sign ECDSA with other digests | no | yes |
//! | sign Ed25519 | yes | yes |
//! | sign with SHA-1, or by DSA | no | no |
//! | RSA PKCS#1 v1.5 transport | yes | yes |
//! | RSA OAEP, one hash of SHA-1, SHA-256, SHA-384, SHA-512, any label | yes | yes |
//! | RSA OAEP with other or unequal hashes; transport with a key below 2048 bits | no | yes |
//! | ECDH P-256, P-384, P-521, X25519 | yes | yes |
//! | AES key wrap, 128 and 256 bits | yes | yes |
//! | AES key wrap, 192 bits | no | yes |
//! | AES-CBC | yes | yes |
//! | AES-GCM, nonce of 96 bits | yes | yes |
//! | AES-GCM, other nonces | no | yes |
//! | ChaCha20-Poly1305 | no | yes |
//! | decrypt 3DES | no | yes |
//! | encrypt 3DES | no | no |

mod aead;
pub mod algorithms;
pub mod aws_lc;
mod blocks;
mod composed;
pub mod derivation;
pub mod identifiers;
pub mod oids;
pub mod password;
pub mod pkcs12;
pub mod private_key_file;
pub mod public_key;
mod remembered;
pub mod rust_crypto;
pub mod transport;

use std::fmt;

use zeroize::Zeroizing;

pub use algorithms::ContentEncryption;
pub use algorithms::Curve;
pub use algorithms::DigestAlgorithm;
pub use algorithms::KeyAgreement;
pub use algorithms::KeyWrap;
pub use algorithms::OaepParameters;
pub use algorithms::PssParameters;
pub use algorithms::RsaEncryption;
pub use algorithms::SignatureAlgorithm;
pub use remembered::Remembered;

/// An operation that could not be done. Says nothing about key bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// This provider, or this key, does not do that algorithm.
    #[error("algorithm is not supported")]
    Unsupported,
    /// A key, point, nonce or parameter is malformed or of the wrong size.
    #[error("key or parameter is malformed")]
    Malformed,
    /// The signature, tag, padding or wrapped key is not what the key says.
    #[error("cryptographic check failed")]
    Failed,
    /// The key store or the source of randomness did not answer; the same may work later.
    #[error("key store or randomness unavailable")]
    Unavailable,
}

/// What is signed or verified.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// All octets.
    Octets(&'a [u8]),
    /// Their digest alone, with the algorithm that made it, which must be the signature's own.
    /// Ed25519 cannot sign it.
    Digest(DigestAlgorithm, &'a [u8]),
}

/// Proof that a signature verified with a key. Only [`SignatureVerification`] makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct SignatureValid {
    _private: (),
}

/// A running digest.
pub trait Digester: Send {
    /// Adds octets.
    fn update(&mut self, octets: &[u8]);
    /// Ends it.
    fn finish(self: Box<Self>) -> Vec<u8>;
}

/// Digests.
pub trait Digests: fmt::Debug + Send + Sync {
    /// Starts a digest; `Unsupported` when this provider has not got it.
    fn start(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn Digester>, CryptoError>;
}

/// SHA-256 of all of `parts`, each with its length, so that it counts where one ends; `None` where the
/// provider has not got it.
pub(crate) fn sha256(digests: &dyn Digests, parts: &[&[u8]]) -> Option<[u8; 32]> {
    let mut digester = digests.start(DigestAlgorithm::Sha256).ok()?;
    for part in parts {
        digester.update(&crate::octets::length(part).to_be_bytes());
        digester.update(part);
    }
    digester.finish().try_into().ok()
}

/// Verification with public keys.
pub trait SignatureVerification: fmt::Debug + Send + Sync {
    /// Verifies `signature` over `message`.
    ///
    /// `spki` is a DER SubjectPublicKeyInfo whose algorithm must suit `algorithm` (RFC 5280 §4.1.2.7);
    /// a key that is restricted to RSASSA-PSS verifies PSS alone (RFC 4055 §1.2). ECDSA and DSA
    /// signatures are DER SEQUENCEs of r and s.
    fn verify(
        &self,
        spki: &[u8],
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
        signature: &[u8],
    ) -> Result<SignatureValid, CryptoError>;
}

/// One direction of a content cipher, fed by windows.
pub trait Encryptor: Send {
    /// Encrypts `input` and appends what is ready to `output`.
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError>;
    /// Appends the rest (CBC padding, RFC 5652 §6.3) and returns the tag: empty for CBC.
    fn finish(self: Box<Self>, output: &mut Vec<u8>) -> Result<Vec<u8>, CryptoError>;
}

/// The other direction. What it gives out is not authentic before `finish` has returned `Ok`.
pub trait Decryptor: Send {
    /// Decrypts `input` and appends what is ready to `output`.
    fn update(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError>;
    /// Appends the rest, after removing the padding or checking `tag` (empty for CBC).
    fn finish(self: Box<Self>, tag: &[u8], output: &mut Vec<u8>) -> Result<(), CryptoError>;
}

/// Content-encryption algorithms.
pub trait ContentCiphers: fmt::Debug + Send + Sync {
    /// Starts an encryption. `nonce` is the CBC initialisation vector or the AEAD nonce;
    /// `associated` must be empty for CBC. 3DES is `Unsupported`: it is read and never written.
    fn encryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Encryptor>, CryptoError>;

    /// Starts a decryption.
    fn decryptor(
        &self,
        algorithm: ContentEncryption,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
    ) -> Result<Box<dyn Decryptor>, CryptoError>;
}

/// A shared secret or content-encryption key; gone from memory when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// What the sender of an encrypted message does with its readers' public keys.
pub trait KeyEstablishment: fmt::Debug + Send + Sync {
    /// Encrypts `secret` to an RSA key (`spki`, DER), giving as many octets as the modulus has.
    fn encrypt(
        &self,
        spki: &[u8],
        scheme: &RsaEncryption,
        secret: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;

    /// Makes an ephemeral key on `curve`, agrees with `peer` (point or u-coordinate as in its
    /// SubjectPublicKeyInfo), and forgets it. Returns the ephemeral public key in the same form,
    /// and the shared secret: the x-coordinate, or X25519's output, which is never all zero.
    fn agree_ephemeral(&self, curve: Curve, peer: &[u8]) -> Result<(Vec<u8>, Secret), CryptoError>;

    /// AES key wrap (RFC 3394). `kek` has the length that `wrap` says.
    fn wrap(&self, wrap: KeyWrap, kek: &[u8], secret: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// AES key unwrap; `Failed` when the integrity check does.
    fn unwrap(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError>;
}

/// One private key, used by operations alone: it may lie in a token.
pub trait PrivateKey: fmt::Debug + Send + Sync {
    /// The public half, as DER SubjectPublicKeyInfo.
    fn spki(&self) -> &[u8];

    /// Signs `message`. `Unsupported` when key and algorithm do not go together.
    fn sign(
        &self,
        algorithm: &SignatureAlgorithm,
        message: Message<'_>,
    ) -> Result<Vec<u8>, CryptoError>;

    /// Decrypts what was encrypted to this RSA key.
    ///
    /// Bad padding is `Failed`; the caller must not let anyone tell it from any other failure
    /// (RFC 3218), and for PKCS#1 v1.5 goes on with a random key.
    fn decrypt(&self, scheme: &RsaEncryption, ciphertext: &[u8]) -> Result<Secret, CryptoError>;

    /// Agrees on a secret with `peer`'s public key, which must be on this key's curve.
    fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError>;

    /// What verifies this key's own signatures faster than anybody can who has its public half alone.
    ///
    /// It gives the same verdicts for `spki()` and `algorithm`, and `Unsupported` for any other. `None` where there is
    /// nothing faster, as for keys in a token.
    fn own_verification(
        &self,
        _algorithm: &SignatureAlgorithm,
    ) -> Option<&dyn SignatureVerification> {
        None
    }
}

/// Reads private keys into a provider.
pub trait PrivateKeyReader: fmt::Debug + Send + Sync {
    /// Reads an unencrypted PKCS#8 PrivateKeyInfo or OneAsymmetricKey (RFC 5958), DER.
    fn read(&self, pkcs8: &[u8]) -> Result<Box<dyn PrivateKey>, CryptoError>;
}

/// How a message names the key that it needs.
#[derive(Clone, Copy, Debug)]
pub enum KeyName<'a> {
    /// Issuer (DER Name) and serial number (the INTEGER's content octets) of the certificate.
    IssuerAndSerialNumber(&'a [u8], &'a [u8]),
    /// The subjectKeyIdentifier extension's value.
    SubjectKeyIdentifier(&'a [u8]),
}

/// Our private keys, found by the names that messages use.
pub trait Keys: fmt::Debug + Send + Sync {
    /// The key of that name. `None` is a definite "not ours".
    fn find(&self, name: KeyName<'_>) -> Option<&dyn PrivateKey>;
}

/// A source of random octets, passed in wherever they are needed.
pub trait Randomness: fmt::Debug + Send + Sync {
    /// Fills `octets`; `Unavailable` when the system has none to give.
    fn fill(&self, octets: &mut [u8]) -> Result<(), CryptoError>;
}

/// The operating system's randomness, through aws-lc-rs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, octets: &mut [u8]) -> Result<(), CryptoError> {
        aws_lc_rs::rand::fill(octets).map_err(|_| CryptoError::Unavailable)
    }
}

/// What the gateway uses: aws-lc-rs for all that it can do, RustCrypto for the rest.
#[must_use]
pub fn provider() -> &'static Provider {
    &composed::PROVIDER
}

/// Everything that one library does for us.
#[derive(Clone, Copy, Debug)]
pub struct Provider {
    /// Its name, for tests and logs.
    pub name: &'static str,
    /// Digests.
    pub digests: &'static dyn Digests,
    /// Verification with public keys.
    pub verification: &'static dyn SignatureVerification,
    /// Content-encryption algorithms.
    pub ciphers: &'static dyn ContentCiphers,
    /// Key transport, agreement and wrap.
    pub establishment: &'static dyn KeyEstablishment,
    /// Reads private keys.
    pub private_keys: &'static dyn PrivateKeyReader,
    /// Random octets.
    pub randomness: &'static dyn Randomness,
}
