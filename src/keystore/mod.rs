//! Where our private keys are kept, and where those of a demonstration are made.

pub mod authority;
pub mod files;
