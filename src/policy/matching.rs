//! Which rule is for a recipient: the first whose condition is true, and no other.

use super::Policy;
use super::condition::ConditionError;
use super::error::PolicyFault;
use super::facts::Direction;
use super::facts::Fact;
use super::facts::Facts;
use super::facts::LookupResult;
use super::rule::Rule;

impl Policy {
    /// The rule for the recipient that `facts` are about: the first whose condition is true.
    ///
    /// Fails when a condition on the way to it has no value. The caller must then not go on to the
    /// next rule: the one that could not be asked may be the one that forbids.
    pub fn rule_for(&self, facts: &Facts<'_>) -> Result<&Rule, ConditionError> {
        for rule in self.rules() {
            if rule.when.is_true(facts)? {
                return Ok(rule);
            }
        }
        // Not to be reached: a policy is refused unless each direction has a rule that holds for all.
        Err(ConditionError::NoRule {
            direction: facts.direction.as_str(),
        })
    }

    /// Every rule within reach while the searches for certificates are still to come: those that are the
    /// first to be true for some result of theirs. Never none.
    ///
    /// Fails as [`Policy::rule_for`] does.
    pub fn rules_whatever_is_found(&self, facts: &Facts<'_>) -> Result<Vec<&Rule>, ConditionError> {
        let mut reached = Vec::new();
        for rule in self.rules() {
            let reach = rule.reach(facts)?;
            if reach != Reach::Never {
                reached.push(rule);
            }
            if reach == Reach::Always {
                return Ok(reached);
            }
        }
        Err(ConditionError::NoRule {
            direction: facts.direction.as_str(),
        })
    }

    /// Whether there is a recipient for whom [`Policy::rule_at_recipient`] could name a rule that may
    /// not be met: one that encrypts, and that no rule above it keeps waiting for the message.
    #[must_use]
    pub fn may_decide_at_recipient(&self) -> bool {
        self.envelope_rules().any(Rule::encrypts)
    }

    /// The rules that [`Policy::rule_at_recipient`] could name for some result of the searches for
    /// certificates.
    ///
    /// Fails as [`Policy::rule_for`] does.
    pub fn rules_at_recipient(&self, facts: &Facts<'_>) -> Result<Vec<&Rule>, ConditionError> {
        let mut reached = Vec::new();
        for rule in self.envelope_rules() {
            let reach = rule.reach(facts)?;
            if reach != Reach::Never {
                reached.push(rule);
            }
            if reach == Reach::Always {
                break;
            }
        }
        Ok(reached)
    }

    /// The first rules, as far as they ask for facts of the envelope alone.
    fn envelope_rules(&self) -> impl Iterator<Item = &Rule> {
        let mut rules = self.rules().iter();
        std::iter::from_fn(move || rules.next().filter(|rule| rule.when.is_envelope_only()))
    }

    /// The rule for the recipient, where it is known before the message has arrived (DESIGN,
    /// "Outcome").
    ///
    /// `None` unless the rule that matches, and all rules above it, ask for facts of the envelope
    /// alone. Fails as [`Policy::rule_for`] does.
    pub fn rule_at_recipient(&self, facts: &Facts<'_>) -> Option<Result<&Rule, ConditionError>> {
        for rule in self.envelope_rules() {
            match rule.when.is_true(facts) {
                Ok(true) => return Some(Ok(rule)),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

/// For which results of the searches for certificates a rule's condition is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Always,
    Never,
    Sometimes,
}

impl Rule {
    fn reach(&self, facts: &Facts<'_>) -> Result<Reach, ConditionError> {
        let results = |asked: bool| {
            let count = if asked { LookupResult::ALL.len() } else { 1 };
            LookupResult::ALL.into_iter().take(count)
        };
        let (mut always, mut ever) = (true, false);
        for certificate in results(self.when.asks(Fact::CERTIFICATE)) {
            for dca in results(self.when.asks(Fact::DCA)) {
                let mut facts = *facts;
                facts.recipient.certificate = certificate;
                facts.recipient.dca = dca;
                let is_true = self.when.is_true(&facts)?;
                always &= is_true;
                ever |= is_true;
            }
        }
        Ok(match (always, ever) {
            (true, _) => Reach::Always,
            (false, true) => Reach::Sometimes,
            (false, false) => Reach::Never,
        })
    }
}

/// The first direction whose mail might meet none of `rules`.
pub(super) fn uncovered(rules: &[Rule]) -> Option<PolicyFault> {
    let covered = |direction| rules.iter().any(|rule| rule.when.holds_for_all(direction));
    let direction = Direction::ALL.into_iter().find(|one| !covered(*one))?;
    Some(PolicyFault::NoRule {
        direction: direction.as_str(),
    })
}
