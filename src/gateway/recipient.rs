//! What is decided for one recipient at RCPT, before the message has arrived (DESIGN, "Outcome").
//!
//! Only what the message could not change: the rule that matches and all rules above it ask for facts of
//! the envelope alone, and what the rule wants of the recipient is not there. All else waits for the
//! message, and is decided there as if nobody had been asked here.

use crate::gateway::choice::Choice;
use crate::gateway::choose::Findings;
use crate::gateway::decide::check_profile;
use crate::gateway::decide::otherwise;
use crate::gateway::decide::readers;
use crate::gateway::outcome::Fate;
use crate::gateway::record::RecipientRecord;
use crate::gateway::search::Owner;
use crate::gateway::search::Search;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::gateway::unmet::Unmet;
use crate::policy::facts::Direction;
use crate::policy::rule::Otherwise;
use crate::policy::rule::Rule;
use crate::reply::Reply;
use crate::x509::Time;

/// What is decided at RCPT, and what is to be noted of it.
#[derive(Clone, Debug)]
pub struct Early {
    /// The answer, which waits for nothing more.
    pub not_taken: NotTaken,
    /// For [`Gateway::note`], after the answer.
    pub unnoted: Unnoted,
}

/// Keys of a recipient that wait for an administrator, and of which the store may not know.
#[derive(Clone, Debug)]
#[must_use = "nobody can approve a key that was not noted"]
pub struct Unnoted {
    pub(super) now: Time,
    pub(super) of: Vec<(Owner, Search, Choice)>,
}

impl Unnoted {
    /// Whether there is nothing to note.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// A recipient who is refused or deferred alone.
#[derive(Clone, Debug)]
pub struct NotTaken {
    /// What RCPT is answered with.
    pub reply: Reply,
    /// The rule that decided; `None` where no rule could be found.
    pub rule: Option<String>,
    /// Which way the message would have gone.
    pub direction: Direction,
    /// Why, for people.
    pub reason: String,
    /// Whether all that is missing is an answer: the same recipient may be taken later.
    pub may_come: bool,
}

impl Gateway {
    /// Whether anything at all can be decided at RCPT: else nobody needs to wait for an answer there.
    #[must_use]
    pub fn decides_at_recipient(&self) -> bool {
        !self.monitor && self.policy.may_decide_at_recipient()
    }

    /// Why a recipient for whom that was found is not taken. A condition that has no value here has none
    /// when the message is there, and is told of then.
    pub(super) fn not_taken(
        &self,
        transaction: &Transaction,
        record: &RecipientRecord,
        found: &Findings,
    ) -> Option<NotTaken> {
        let facts = record.facts(transaction, None);
        let rule = self.policy.rule_at_recipient(&facts)?.ok()?;
        let unmet = self.unmet_at_recipient(rule, record, found).err()?;
        // Who is passed or held in the end is not turned away here: his mail waits as a whole, so that
        // each message has its own `defer_for` before it goes out as it came.
        let (Otherwise::Defer | Otherwise::Refuse, Fate::Defer(reply) | Fate::Refuse(reply)) = (
            rule.otherwise,
            otherwise(rule, transaction.waited, &unmet, || ()),
        ) else {
            return None;
        };
        Some(NotTaken {
            reply,
            rule: Some(rule.name.clone()),
            direction: record.direction,
            reason: unmet.to_string(),
            may_come: unmet.is_temporary(),
        })
    }

    fn unmet_at_recipient(
        &self,
        rule: &Rule,
        record: &RecipientRecord,
        found: &Findings,
    ) -> Result<(), Unmet> {
        match readers(rule, found, &mut Vec::new())? {
            Some(readers) => check_profile(&readers, self.profile(rule, &record.mailbox)),
            None => Ok(()),
        }
    }
}
