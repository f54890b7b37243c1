//! What becomes of a message: every recipient has exactly one fate (DESIGN, "Outcome").

use crate::address::Mailbox;
use crate::gateway::learned::Learned;
use crate::gateway::record::Record;
use crate::notation::Layers;
use crate::octets::View;
use crate::reply::Reply;

/// What became of one message.
#[derive(Debug)]
pub struct Outcome {
    /// What was known when it was decided.
    pub record: Record,
    /// The shares, which together hold each recipient once.
    pub shares: Vec<Share<Edition>>,
    /// What the message teaches of its authors, for when it has been delivered.
    pub learned: Learned,
}

/// Recipients who have one fate together; `E` is the edition that they get, planned or made.
#[derive(Debug)]
pub struct Share<E> {
    /// They; never none.
    pub recipients: Vec<Mailbox>,
    /// The rule that decided; `None` where no rule could be found.
    pub rule: Option<String>,
    /// What becomes of the message for them.
    pub fate: Fate<E>,
    /// Why, for people: what a rule could not be met for, and what was chosen.
    pub reasons: Vec<String>,
    /// What is flagged about the message (draft §2.6, §7).
    pub warnings: Vec<String>,
    /// SHA-256 fingerprints of the certificates that it is encrypted to.
    pub encrypted_to: Vec<String>,
}

/// What becomes of a message for one recipient. There is no "drop".
#[derive(Debug)]
pub enum Fate<E> {
    /// Try again later.
    Defer(Reply),
    /// It goes on, in this edition.
    Deliver(E),
    /// It waits for somebody here; why.
    Hold(String),
    /// It is refused for good.
    Refuse(Reply),
}

impl<E> Fate<E> {
    /// Its word in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Defer(_) => "defer",
            Self::Deliver(_) => "deliver",
            Self::Hold(_) => "hold",
            Self::Refuse(_) => "refuse",
        }
    }
}

/// A message as it leaves.
#[derive(Clone, Debug)]
pub struct Edition {
    /// All of it.
    pub message: View,
    /// Its layers.
    pub layers: Layers,
    /// Whether it differs from what came.
    pub changed: bool,
    /// Whether we put an E around it.
    pub encrypted: bool,
    /// Whether an E was opened for it: its bounces must not return the content (DESIGN, decision 5).
    pub decrypted: bool,
}

/// The word of reports for all shares: that of their fates, or `mixed`.
#[must_use]
pub fn word<E>(shares: &[Share<E>]) -> &'static str {
    let mut words = shares.iter().map(|share| share.fate.as_str());
    let first = words.next().unwrap_or("refuse");
    if words.all(|word| word == first) {
        first
    } else {
        "mixed"
    }
}
