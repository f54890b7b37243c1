//! The provider over the crates of RustCrypto.

mod chacha20_poly1305;
mod ciphers;
mod des_wrap;
mod digests;
mod establishment;
mod private_keys;
mod pss;
mod verification;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;

use super::CryptoError;
use super::Provider;
use super::Randomness;
use super::SystemRandomness;

pub(super) use ciphers::rc2_cbc_decrypt;

/// All that RustCrypto does for us.
pub static PROVIDER: Provider = Provider {
    name: "rust-crypto",
    digests: &RustCrypto,
    verification: &RustCrypto,
    ciphers: &RustCrypto,
    establishment: &RustCrypto,
    private_keys: &RustCrypto,
    randomness: &SystemRandomness,
};

/// What stands for the crates of RustCrypto among the traits.
#[derive(Clone, Copy, Debug)]
pub(super) struct RustCrypto;

/// A generator for one operation. It cannot fail, as the crates ask; drawing its seed can.
fn rng() -> Result<ChaCha20Rng, CryptoError> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    SystemRandomness.fill(&mut *seed)?;
    Ok(ChaCha20Rng::from_seed(*seed))
}

/// Evaluates `$body` with `$name` standing for the crates' type of `$digest`.
macro_rules! with_digest {
    ($digest:expr, $name:ident, $body:expr) => {
        match $digest {
            $crate::crypto::DigestAlgorithm::Sha1 => {
                type $name = sha1::Sha1;
                $body
            }
            $crate::crypto::DigestAlgorithm::Sha224 => {
                type $name = sha2::Sha224;
                $body
            }
            $crate::crypto::DigestAlgorithm::Sha256 => {
                type $name = sha2::Sha256;
                $body
            }
            $crate::crypto::DigestAlgorithm::Sha384 => {
                type $name = sha2::Sha384;
                $body
            }
            $crate::crypto::DigestAlgorithm::Sha512 => {
                type $name = sha2::Sha512;
                $body
            }
            $crate::crypto::DigestAlgorithm::Sha512_224 => {
                type $name = sha2::Sha512_224;
                $body
            }
            $crate::crypto::DigestAlgorithm::Sha512_256 => {
                type $name = sha2::Sha512_256;
                $body
            }
        }
    };
}
use with_digest;

/// Evaluates `$body` with `$name` standing for the crate of `$curve`; `Unsupported` for X25519.
macro_rules! with_curve {
    ($curve:expr, $name:ident, $body:expr) => {
        match $curve {
            $crate::crypto::Curve::P256 => {
                use p256 as $name;
                $body
            }
            $crate::crypto::Curve::P384 => {
                use p384 as $name;
                $body
            }
            $crate::crypto::Curve::P521 => {
                use p521 as $name;
                $body
            }
            $crate::crypto::Curve::X25519 => Err($crate::crypto::CryptoError::Unsupported),
        }
    };
}
use with_curve;
