//! What goes wrong with a message that is no fate of its recipients, and what to do about it.

use std::io;

use super::site::Unfinished;
use crate::smtp::SubmissionError;

/// What went wrong: each defers the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Failure {
    /// The edition or the message is not what it was.
    #[error("an edition could not be compared with the message")]
    Compare(#[source] crate::mime::MimeError),
    /// An edition cannot be sent by SMTP.
    #[error("an edition cannot be submitted")]
    Content(#[source] crate::smtp::submission::ContentError),
    /// The journal could not be written.
    #[error(
        "the journal could not be written: see that its disk is not full, and its directory ours"
    )]
    Journal(#[source] io::Error),
    /// The client would not wait for another edition.
    #[error(
        "re-injection ([reinject] to) takes so long that the client would not wait for all editions: see why that server is \
         slow; what it has taken is remembered, and the next attempt goes on from there"
    )]
    Late,
    /// Something is missing in the configuration or in the MTA.
    #[error("{0}")]
    Means(&'static str),
    /// The message could not be stored.
    #[error(
        "the message could not be stored: see that the disk of [spool] directory is not full, and that it is ours"
    )]
    Spool(#[source] io::Error),
    /// An edition was not accepted.
    #[error("an edition was not accepted for re-injection ([reinject] to)")]
    Submission(#[source] SubmissionError),
    /// It is offered twice at once.
    #[error("the MTA offers the same message twice at once; the other one is worked on, see there")]
    Twice,
    /// There is no outcome.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}
