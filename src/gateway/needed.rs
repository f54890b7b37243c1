//! Whose certificates could make a difference for a recipient: of nobody else are any looked for.
//!
//! Each search tells others to whom we write, and costs time. What is not needed changes no decision.

use crate::gateway::arrival::Arrival;
use crate::gateway::record::RecipientRecord;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::notation::Layer;
use crate::notation::SignatureType;
use crate::policy::facts::Fact;
use crate::policy::rule::Readers;
use crate::policy::rule::Rule;

/// Whose certificates are to be looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needed {
    /// The recipient's own.
    pub(super) own: bool,
    /// That of its domain's DCA.
    pub(super) dca: bool,
}

impl Needed {
    const ALL: Self = Self {
        own: true,
        dca: true,
    };

    /// Whether there is anything to look for.
    pub(super) const fn any(self) -> bool {
        self.own || self.dca
    }

    /// What `reached` rules could use: those that are within reach, of which `encrypting` want readers. `open` is whether
    /// their conditions decide among them.
    fn of(reached: &[&Rule], open: bool, encrypting: impl Fn(&Rule) -> bool) -> Self {
        let mut needed = Self::default();
        if open {
            let asks = |fact| reached.iter().any(|rule| rule.when.asks(fact));
            needed.own = asks(Fact::CERTIFICATE);
            needed.dca = asks(Fact::DCA);
        }
        for rule in reached.iter().filter(|rule| encrypting(rule)) {
            match rule.encrypt_to.readers {
                Readers::Both | Readers::RecipientElseDca => return Self::ALL,
                Readers::Dca => needed.dca = true,
                Readers::Recipient => needed.own = true,
            }
        }
        needed
    }
}

impl Gateway {
    /// Whose certificates could make a difference for this recipient of a message.
    pub(super) fn needed(&self, record: &RecipientRecord, arrival: &Arrival<'_>) -> Needed {
        let facts = record.facts(arrival.transaction, Some(&arrival.content));
        let Ok(reached) = self.policy.rules_whatever_is_found(&facts) else {
            return Needed::ALL;
        };
        let mut layers = arrival.layers.iter();
        // An E beneath a domain signature demands one above it (draft §5).
        let opens = layers.any(|one| one.layer == Layer::Enveloped);
        let of_originator =
            |rule: &Rule| rule.signs(SignatureType::Domain) || rule.signs(SignatureType::Delegated);
        // A single one is the recipient's, whatever is found.
        Needed::of(&reached, reached.len() > 1, |rule| {
            rule.encrypts() || (opens && of_originator(rule))
        })
    }

    /// Whose could decide at RCPT; nobody's, where what is found could not.
    pub(super) fn needed_at_recipient(
        &self,
        transaction: &Transaction,
        record: &RecipientRecord,
    ) -> Needed {
        let facts = record.facts(transaction, None);
        match self.policy.rules_at_recipient(&facts) {
            Ok(rules) if !self.monitor && rules.iter().any(|rule| rule.encrypts()) => {
                // A single one may be another's than the recipient's: those that ask for the message stand behind it.
                Needed::of(&rules, true, Rule::encrypts)
            }
            Ok(_) | Err(_) => Needed::default(),
        }
    }
}
