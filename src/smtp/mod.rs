//! SMTP (RFC 5321): lines in, lines out; no socket and no clock.
//!
//! The client with which further editions and delivery reports are submitted: [`client::Session`]
//! carries out one [`submission::Submission`], and [`error::SubmissionError`] says whose fault it was.

pub mod client;
pub mod dots;
pub mod dsn;
pub mod error;
pub mod extensions;
pub mod inquiry;
pub mod reply;
pub mod submission;

pub use client::Action;
pub use client::Session;
pub use client::Tls;
pub use dsn::EnvelopeId;
pub use dsn::Notify;
pub use dsn::OriginalRecipient;
pub use dsn::Return;
pub use error::Refusal;
pub use error::Step;
pub use error::SubmissionError;
pub use reply::ServerReply;
pub use submission::Accepted;
pub use submission::Content;
pub use submission::Recipient;
pub use submission::Submission;
