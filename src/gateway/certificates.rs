//! Where other people's certificates come from, and what is known of one subject's in the end.
//!
//! *Absent*, *unavailable* and *invalid* are three different answers (DESIGN, "Four different things"). Sources find;
//! [`crate::gateway::chooser`] judges what they found, and chooses.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::address::Mailbox;
use crate::gateway::announced::Announced;
use crate::gateway::choice::Choice;
use crate::gateway::learned::Learned;
use crate::gateway::search::Known;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
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

    /// What the software of that recipient can read, by what it has signed last; `None` where nobody knows.
    fn announced(&self, mailbox: &Mailbox) -> Option<Announced>;

    /// Remembers what a message has taught that was delivered, for whoever searches next. Waits for nothing: the disk has
    /// it later.
    fn learn(&self, learned: &Learned, now: Time);
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

    fn announced(&self, mailbox: &Mailbox) -> Option<Announced> {
        (**self).announced(mailbox)
    }

    fn learn(&self, learned: &Learned, now: Time) {
        (**self).learn(learned, now);
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
