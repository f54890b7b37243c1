//! The provider over the crates of RustCrypto.

use super::absent::Absent;
use super::{Provider, SystemRandomness};

/// All that RustCrypto does for us.
pub static PROVIDER: Provider = Provider {
    name: "rust-crypto",
    digests: &Absent,
    verification: &Absent,
    ciphers: &Absent,
    establishment: &Absent,
    private_keys: &Absent,
    randomness: &SystemRandomness,
};
