//! Certificates: reading them, the paths to an anchor, revocation, our own identities (RFC 5280).
//!
//! Time is an argument, and nothing here fetches: issuers and CRLs are handed in. Public-key work
//! goes through [`crate::crypto`]'s traits and is counted against the message's budget.

pub mod certificate;
mod crl;
mod extensions;
pub mod general_name;
pub mod identity;
pub mod name;
pub mod name_constraints;
mod named;
mod oids;
pub mod path;
mod path_state;
pub mod pem;
pub mod purpose;
pub mod revocation;
pub mod signature;
pub mod simple_paths;
pub mod time;

pub use crate::tlv::Asn1Error;
pub use certificate::Certificate;
pub use certificate::CertificateError;
pub use certificate::serial_hex;
pub use extensions::AuthorityKey;
pub use extensions::BasicConstraints;
pub use extensions::KeyUsage;
pub use general_name::GeneralName;
pub use identity::Identities;
pub use identity::Identity;
pub use identity::IdentityError;
pub use path::PathError;
pub use path::PathFault;
pub use path::PathOutcome;
pub use path::PathRequest;
pub use path::PathValidation;
pub use path::Verdict;
pub use revocation::Crl;
pub use simple_paths::SimplePaths;
pub use time::Time;
pub use time::TimeError;
