//! What is remembered of other people's certificates: which is in use, which wait, which never again, who has
//! published where, and what sources answered.
//!
//! [`sqlite`] keeps it in a file, [`memory`] with the process. What may become of a certificate is said once, in
//! `rules`. The trait knows octets, words and seconds, so that another database can stand behind it.

mod encode;
mod error;
mod file;
pub mod harvested;
pub mod memory;
mod recent;
mod rules;
mod schema;
pub mod sqlite;
mod tables;
pub mod untouched;

use std::fmt;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Association;
use crate::gateway::search::BareKey;
use crate::gateway::search::Candidate;
use crate::gateway::search::Known;
use crate::gateway::search::Owner;
use crate::gateway::search::Said;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Time;

pub use error::StoreError;
use harvested::Harvested;

/// What an answer of the store is: an error is never taken for "nothing is known".
pub type Told<'a, T> = Answer<'a, Result<T, StoreError>>;

/// Where all this is kept.
///
/// What trust depends on (certificates, who has published, what mail has taught) is durable when the answer is there;
/// what sources answered may be lost in a crash.
pub trait Store: fmt::Debug + Send + Sync {
    /// What is remembered of one subject.
    ///
    /// What another process has changed is seen after [`FRESH`] at the latest.
    fn known<'a>(&'a self, owner: &'a Owner) -> Told<'a, Known>;

    /// Takes note of what a search came to, in one transaction. To be awaited before anything is encrypted.
    ///
    /// Changes nothing and says [`Settled::Outdated`] when what is remembered is no longer what the choice was
    /// made upon: another message was first, or an administrator has pinned or rejected.
    fn settle<'a>(&'a self, owner: &'a Owner, settlement: Settlement) -> Told<'a, Settled>;

    /// When anything was first found there for the domain.
    fn published<'a>(&'a self, domain: &'a Domain, source: LookupSource) -> Told<'a, Option<Time>>;

    /// Takes note that something was found there, until an administrator says otherwise. Returns when that was first.
    fn note_published<'a>(
        &'a self,
        domain: &'a Domain,
        source: LookupSource,
        now: Time,
    ) -> Told<'a, Time>;

    /// The domains that are known to publish, or one of them: in the order of their names, after `after`; at most `most`.
    fn publishers<'a>(
        &'a self,
        domain: Option<&'a Domain>,
        after: Option<&'a Publisher>,
        most: usize,
    ) -> Told<'a, Vec<Publisher>>;

    /// Forgets that the domain was found, in one source or in all. Returns what it has forgotten.
    fn forget_publisher<'a>(
        &'a self,
        domain: &'a Domain,
        source: Option<LookupSource>,
    ) -> Told<'a, Vec<Publisher>>;

    /// What the source said last of the subject, lapsed or not.
    fn answer<'a>(&'a self, owner: &'a Owner, source: LookupSource) -> Told<'a, Recalled>;

    /// Keeps what the source said. A failure lies beside the answer that was there, and an answer takes the
    /// place of both.
    fn keep<'a>(
        &'a self,
        owner: &'a Owner,
        source: LookupSource,
        answer: KeptAnswer,
    ) -> Told<'a, ()>;

    /// What verified mail has taught, of at most `most` addresses: those that were seen last.
    fn harvest(&self, most: usize) -> Told<'_, Vec<Harvested>>;

    /// Forgets what mail has taught of all but the `most` addresses that were seen last. Returns of how many.
    fn shorten_harvest(&self, most: usize) -> Told<'_, usize>;

    /// Keeps what mail has taught of some addresses, in the place of what was kept of them, and forgets others; in one
    /// transaction.
    fn keep_harvest<'a>(&'a self, kept: Vec<Harvested>, forgotten: Vec<Mailbox>) -> Told<'a, ()>;

    /// The certificates that `filter` lets through, in the order in which they came, after the one with the
    /// number `after`; at most `most`.
    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<u64>,
        most: usize,
    ) -> Told<'a, Vec<Entry>>;

    /// The entries of one certificate: one for each subject that has it.
    fn show<'a>(&'a self, fingerprint: &'a Fingerprint) -> Told<'a, Vec<Entry>>;

    /// Does what an administrator says, for all subjects that have the certificate or for one, or changes
    /// nothing at all.
    fn act<'a>(&'a self, order: Order) -> Told<'a, Acted>;

    /// A number that grows with every change of certificates, whichever process made it.
    fn generation(&self) -> Told<'_, u64>;

    /// How many certificates wait for an administrator. Read, not counted: cheap however many there are.
    fn pending(&self) -> Told<'_, u64>;
}

/// After this time at the latest a process sees what another one has changed.
pub const FRESH: std::time::Duration = std::time::Duration::from_millis(100);

/// What stands between a certificate and its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It is what is encrypted to. A subject has one such at most, or one that is pinned.
    Active,
    /// It is of another key than the one in use, and waits for an administrator.
    Pending,
    /// An administrator has said that it is the one, until he says otherwise.
    Pinned,
    /// An administrator has said: never.
    Rejected,
    /// It was in use.
    Retired,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Active,
        Self::Pending,
        Self::Pinned,
        Self::Rejected,
        Self::Retired,
    ];

    /// Its name in reports, options and the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Pinned => "pinned",
            Self::Rejected => "rejected",
            Self::Retired => "retired",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether it is what is encrypted to.
    #[must_use]
    pub const fn is_in_use(self) -> bool {
        match self {
            Self::Active | Self::Pinned => true,
            Self::Pending | Self::Rejected | Self::Retired => false,
        }
    }
}

/// One certificate of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the store, which grows.
    pub id: u64,
    /// Whose it is.
    pub owner: Owner,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// The certificate, what came along, and where it was seen last.
    pub candidate: Candidate,
    /// What stands between it and its use.
    pub state: State,
    /// Whether it is rejected with its key, so that no other certificate of that key is used either.
    pub with_key: bool,
    /// Why it is in that state, in words.
    pub reason: String,
    /// When it was seen first.
    pub first_seen: Time,
    /// Since when it is in that state.
    pub changed: Time,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// What the store said when the choice was made.
    pub known: Known,
    /// What is encrypted to from now on; `None` where that stays as it is.
    pub in_use: Option<Candidate>,
    /// Why that one, in words.
    pub reason: String,
    /// Certificates of other keys that may not be used before an administrator has approved them, each with the
    /// reason.
    pub pending: Vec<(Candidate, String)>,
    /// When.
    pub now: Time,
}

/// What became of a [`Settlement`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outdated choice must be made again, never carried out"]
pub enum Settled {
    /// It is kept, and durable.
    Kept,
    /// This is known by now: choose again.
    Outdated(Box<Known>),
}

/// What an administrator can say of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is the one in use, in the place of the one that was.
    Approve,
    /// It is the one in use, and no search changes that.
    Pin,
    /// It is never used.
    Reject,
    /// Its key is never used, in whatever certificate it comes.
    RejectKey,
    /// It stays in use, and a search may change that.
    Unpin,
}

impl Act {
    /// Its name, as of the command with its option.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Pin => "pin",
            Self::Reject => "reject",
            Self::RejectKey => "reject --key",
            Self::Unpin => "unpin",
        }
    }
}

/// What an administrator says of one certificate.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which certificate.
    pub fingerprint: Fingerprint,
    /// For whom; `None` for all who have it.
    pub owner: Option<Owner>,
    /// What.
    pub act: Act,
    /// Why, in words.
    pub reason: String,
    /// When.
    pub now: Time,
}

/// What became of an [`Order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done, or was so already: the entries of the certificate as they are now.
    Done(Vec<Entry>),
    /// Nobody has that certificate.
    NotHeld,
    /// It cannot be, and what to do before.
    Refused(String),
}

/// Which certificates are listed: those for which all that is given holds.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this domain, its DCA and its addresses.
    pub domain: Option<Domain>,
    /// Of this subject.
    pub owner: Option<Owner>,
}

impl Filter {
    fn lets_through(&self, entry: &Entry) -> bool {
        self.state.is_none_or(|state| state == entry.state)
            && self
                .domain
                .as_ref()
                .is_none_or(|domain| domain == entry.owner.domain())
            && self
                .owner
                .as_ref()
                .is_none_or(|owner| *owner == entry.owner)
    }
}

/// A domain that is known to publish in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// It.
    pub domain: Domain,
    /// Where.
    pub source: LookupSource,
    /// When something was first found there.
    pub since: Time,
}

/// What one source said of one subject, and until when that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The answer.
    pub said: Said,
    /// Whether it is certain that the subject's owner gave it.
    pub authentic: bool,
    /// The certificates.
    pub candidates: Vec<Candidate>,
    /// SMIMEA records.
    pub associations: Vec<Association>,
    /// Keys without a certificate.
    pub keys: Vec<BareKey>,
    /// Whether the domain was known to publish there when it was asked: else an *absent* can be for want of an
    /// answer.
    pub expected: bool,
    /// Under which configuration it was asked.
    pub configuration: u64,
    /// When.
    pub asked: Time,
    /// Until when it may be used.
    pub until: Time,
}

/// What the store has of one source and one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// What it said when it last said something.
    pub answer: Option<KeptAnswer>,
    /// What went wrong since.
    pub failure: Option<KeptAnswer>,
}

#[cfg(test)]
pub(crate) mod tests;
