//! Where our private keys are kept.

pub mod files;
