//! Where other people's certificates come from, and what is known of one subject's in the end.
//!
//! *Absent*, *unavailable* and *invalid* are three different answers (DESIGN, "Four different things"). Sources find;
//! [`crate::gateway::chooser`] judges what they found, and chooses.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::chooser::Choice;
use crate::gateway::search::Known;
use crate::gateway::search::Search;
use crate::policy::facts::LookupResult;
use crate::x509::Certificate;
use crate::x509::Time;

/// An answer that may take its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where other people's certificates are found, and where it is noted which of them are in use.
pub trait Certificates: fmt::Debug + Send + Sync {
    /// Everything that is known and published for `subject`, unjudged.
    ///
    /// Never fails: of a source that did not answer, the search says so.
    fn search<'a>(&'a self, subject: Subject<'a>, now: Time) -> Answer<'a, Search>;

    /// Takes note of what was chosen upon `search`, before anything is encrypted to it.
    ///
    /// `Err` where that cannot be kept: then the key is not used either, since its next change would go unseen.
    fn settle<'a>(
        &'a self,
        subject: Subject<'a>,
        search: &'a Search,
        choice: &'a Choice,
        now: Time,
    ) -> Answer<'a, Result<Noted, Unavailable>>;
}

/// What became of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outdated choice must be made again, never carried out"]
pub enum Noted {
    /// It holds.
    Kept,
    /// What is remembered has changed since the search, to this: it must be made again.
    Outdated(Box<Known>),
}

impl Certificates for Box<dyn Certificates> {
    fn search<'a>(&'a self, subject: Subject<'a>, now: Time) -> Answer<'a, Search> {
        (**self).search(subject, now)
    }

    fn settle<'a>(
        &'a self,
        subject: Subject<'a>,
        search: &'a Search,
        choice: &'a Choice,
        now: Time,
    ) -> Answer<'a, Result<Noted, Unavailable>> {
        (**self).settle(subject, search, choice, now)
    }
}

/// Whose certificate is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The Domain Confidentiality Authority of a domain (draft §4.1).
    Dca(&'a Domain),
    /// One recipient.
    Recipient(&'a Mailbox),
}

impl<'a> Subject<'a> {
    /// The domain whose servers are asked.
    #[must_use]
    pub fn domain(self) -> &'a Domain {
        match self {
            Self::Dca(domain) => domain,
            Self::Recipient(mailbox) => mailbox.domain(),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dca(domain) => write!(f, "the DCA of {domain}"),
            Self::Recipient(mailbox) => mailbox.fmt(f),
        }
    }
}

/// Nobody knows whether there is a certificate; the same question may be answered later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} did not answer: {reason}")]
pub struct Unavailable {
    /// Which source.
    pub source_name: String,
    /// What went wrong.
    pub reason: String,
}

/// What is known of the certificate of one subject.
#[derive(Clone, Debug)]
pub enum Finding {
    /// A definite "none published".
    Absent,
    /// This one is good.
    Found(Box<Certificate>),
    /// Some are published, and none is good; why, one reason each.
    Invalid(Vec<String>),
    /// Nobody knows.
    Unavailable(String),
}

impl Finding {
    /// What rules see of it.
    #[must_use]
    pub const fn result(&self) -> LookupResult {
        match self {
            Self::Absent => LookupResult::Absent,
            Self::Found(_) => LookupResult::Found,
            Self::Invalid(_) => LookupResult::Invalid,
            Self::Unavailable(_) => LookupResult::Unavailable,
        }
    }

    /// The certificate, where one is good.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Found(certificate) => Some(certificate),
            Self::Absent | Self::Invalid(_) | Self::Unavailable(_) => None,
        }
    }
}
