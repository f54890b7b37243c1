//! The provider over aws-lc-rs: constant-time RSA and elliptic curves, and hardware where there is any.

mod ciphers;
mod digests;
mod establishment;
mod gcm;
mod own_signatures;
mod private_keys;
mod verification;

use super::CryptoError;
use super::Provider;
use super::SystemRandomness;

/// All that aws-lc-rs does for us.
pub static PROVIDER: Provider = Provider {
    name: "aws-lc",
    digests: &AwsLc,
    verification: &AwsLc,
    ciphers: &AwsLc,
    establishment: &AwsLc,
    private_keys: &AwsLc,
    randomness: &SystemRandomness,
};

/// What stands for aws-lc-rs among the traits.
#[derive(Clone, Copy, Debug)]
pub(super) struct AwsLc;

fn failed(_: aws_lc_rs::error::Unspecified) -> CryptoError {
    CryptoError::Failed
}

fn malformed(_: aws_lc_rs::error::Unspecified) -> CryptoError {
    CryptoError::Malformed
}

fn rejected(_: aws_lc_rs::error::KeyRejected) -> CryptoError {
    CryptoError::Malformed
}
