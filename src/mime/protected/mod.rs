//! Header protection: the fields of a message bound to its content (RFC 9788, DESIGN decision 6).
//!
//! [`compose()`] puts them on the root of what is signed or encrypted, [`Protected::read`] finds them
//! again, [`compare()`] tells what was changed on the way, and [`restore()`] makes the reader's header.
//! Only what its author wrote goes in or comes out: never what mail systems add, and never Bcc.

pub mod compare;
pub mod compose;
mod content_type;
mod date;
pub mod fields;
pub mod legacy_display;
pub mod policy;
pub mod read;
pub mod restore;

pub use compare::Change;
pub use compare::Compared;
pub use compare::Difference;
pub use compare::Envelope;
pub use compare::compare;
pub use compose::ComposeError;
pub use compose::Composed;
pub use compose::Protection;
pub use compose::compose;
pub use fields::Role;
pub use policy::ConfidentialityPolicy;
pub use read::Candidate;
pub use read::Protected;
pub use read::Scheme;
pub use read::SecureField;
pub use restore::Restoration;
pub use restore::hide;
pub use restore::restore;
pub use restore::unmarked;
