//! What was known of a message and its recipients when it was decided: for rules and for reports.

use std::sync::Arc;

use crate::address::Mailbox;
use crate::gateway::choose::Findings;
use crate::gateway::transaction::Transaction;
use crate::notation::Layers;
use crate::policy::facts::Content;
use crate::policy::facts::Direction;
use crate::policy::facts::Facts;
use crate::policy::facts::LookupResult;
use crate::policy::facts::Recipient;

/// What is known of one message and its recipients.
#[derive(Clone, Debug)]
pub struct Record {
    /// The layers as far as our keys open them.
    pub layers_in: Layers,
    /// What is in the message.
    pub content: Arc<Content>,
    /// The recipients, in the order of the envelope.
    pub recipients: Vec<RecipientRecord>,
    /// What is written into Authentication-Results, where something is; without its name.
    pub authentication_results: Option<String>,
    /// How many signers of domain and delegated signatures break the naming convention (draft §2.6).
    pub naming_violations: usize,
}

/// What is known of one recipient.
#[derive(Clone, Debug)]
pub struct RecipientRecord {
    /// RCPT TO.
    pub mailbox: Mailbox,
    /// Which way the message goes for this one.
    pub direction: Direction,
    /// Whether the policy has a partner entry for its domain.
    pub partner: bool,
    /// The search for a certificate of its own.
    pub certificate: LookupResult,
    /// The search for its domain's DCA.
    pub dca: LookupResult,
}

impl Record {
    /// The facts for the recipient with that number, counted from 0.
    #[must_use]
    pub fn facts<'a>(&'a self, transaction: &'a Transaction, number: usize) -> Option<Facts<'a>> {
        let recipient = self.recipients.get(number)?;
        Some(recipient.facts(transaction, Some(&self.content)))
    }

    /// The direction of the message as a whole: outbound where any recipient is outside.
    #[must_use]
    pub fn direction(&self) -> Direction {
        let all = self.recipients.iter().map(|recipient| recipient.direction);
        all.max().unwrap_or(Direction::Inbound)
    }
}

impl RecipientRecord {
    /// Takes note of what was found.
    pub(super) const fn learn(&mut self, found: &Findings) {
        self.certificate = found.own.result();
        self.dca = found.dca.result();
    }

    /// The facts for this recipient.
    #[must_use]
    pub fn facts<'a>(
        &'a self,
        transaction: &'a Transaction,
        content: Option<&'a Content>,
    ) -> Facts<'a> {
        Facts {
            direction: self.direction,
            sender: transaction.mail_from.as_ref(),
            recipient: Recipient {
                mailbox: &self.mailbox,
                partner: self.partner,
                certificate: self.certificate,
                dca: self.dca,
            },
            session: &transaction.session,
            content,
        }
    }
}
