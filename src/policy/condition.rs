//! Conditions of rules in CEL: compiled and checked when the policy is loaded, then evaluated.
//!
//! What is checked is the whole expression, not a trial run: names, types, the words of facts that
//! have few. What can still fail is an overflow, a division, or mail with too many values of one fact.

mod check;
mod functions;
mod place;
mod values;

use std::fmt;

use cel::Context;
use cel::ExecutionError;
use cel::Value;
use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::parser::Expression;

use super::error::PolicyFault;
use super::error::PolicyFileError;
use super::facts::Direction;
use super::facts::Fact;
use super::facts::FactValue;
use super::facts::Facts;
use super::facts::Origin;
use super::table::Entry;
use crate::limits::LimitError;
use check::Checked;
use functions::ENVIRONMENT;
use values::Values;

/// The condition of a rule: an expression over the facts that is true or false.
pub struct Condition {
    text: String,
    expression: Expression,
    checked: Checked,
}

/// Why nobody knows whether a condition is true. Never the same as "it is false".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// It asks what is in a message that has not arrived.
    #[error(
        "condition {condition:?} asks for `{fact}`, which is known when the message has arrived"
    )]
    ContentUnknown {
        /// The condition.
        condition: String,
        /// The first fact that is not known.
        fact: &'static str,
    },
    /// It could not be evaluated: an overflow, a division by zero.
    #[error("condition {condition:?} has no value: {reason}")]
    Evaluation {
        /// The condition.
        condition: String,
        /// What the interpreter says.
        reason: String,
    },
    /// No rule is for mail of this direction, which [`super::Policy::parse`] excludes.
    #[error("no rule is for this {direction} mail, which is a fault of ours")]
    NoRule {
        /// The direction.
        direction: &'static str,
    },
    /// The message has more values of a fact than a condition is evaluated over.
    #[error("condition {condition:?} asks for `{fact}`: {limit}")]
    TooMany {
        /// The condition.
        condition: String,
        /// The fact.
        fact: &'static str,
        /// The bound that was passed.
        limit: LimitError,
    },
}

impl Condition {
    /// Octets of one condition; a long list of domains is some thousand.
    pub const LONGEST: usize = 16 * 1024;

    /// The condition that stands in `entry`, of the rule named `rule`.
    ///
    /// Fails when it is not CEL, asks for what is no fact, applies a function to what it is not for,
    /// compares a fact with a word that it never is, or is neither true nor false. The error has the
    /// place of the wrong part.
    pub(super) fn compile(entry: &Entry<'_, '_>, rule: &str) -> Result<Self, PolicyFileError> {
        let text = entry.text()?;
        LimitError::check("octets of a condition", text.len(), Self::LONGEST)
            .map_err(|limit| entry.error(limit.into()))?;
        let at = |offset: usize, reason: String| {
            let fault = PolicyFault::Condition {
                rule: rule.to_owned(),
                reason,
            };
            let offset = entry.offset() + place::raw_offset(entry.raw(), text, offset);
            entry.source.error(offset, fault)
        };
        check::depth(text).map_err(|wrong| at(wrong.offset, wrong.reason))?;
        let program = ENVIRONMENT.compile(text).map_err(|errors| {
            let first = errors.errors.iter().min_by_key(|error| error.pos);
            let (position, reason) =
                first.map_or(((1, 1), String::new()), |e| (e.pos, not_cel(&e.msg)));
            at(place::offset_of(text, position), reason)
        })?;
        let offset_of = |id: u64| {
            let start = program
                .source_info()
                .offset_for(id)
                .map_or(0, |(start, _)| start);
            place::character_offset(text, usize::try_from(start).unwrap_or(usize::MAX))
        };
        let mut expression = program.expression().clone();
        let checked = check::check(&mut expression, &offset_of)
            .map_err(|wrong| at(wrong.offset, wrong.reason))?;
        Ok(Self {
            text: text.to_owned(),
            expression,
            checked,
        })
    }

    /// As it stands in the policy.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The facts that it asks for, in the order of the table.
    #[must_use]
    pub fn facts(&self) -> &[&'static Fact] {
        &self.checked.facts
    }

    /// Whether it asks for the fact of that name.
    #[must_use]
    pub fn asks(&self, fact: &str) -> bool {
        self.facts().iter().any(|asked| asked.name == fact)
    }

    /// Whether it can be evaluated before the message has arrived.
    #[must_use]
    pub fn is_envelope_only(&self) -> bool {
        self.facts()
            .iter()
            .all(|fact| fact.origin == Origin::Envelope)
    }

    /// Whether it is true for all mail of `direction`, as can be seen from its form: `true`, a
    /// comparison of `direction` with words, or several of these joined by `||`.
    #[must_use]
    pub fn holds_for_all(&self, direction: Direction) -> bool {
        self.checked.holds_for.contains(&direction)
    }

    /// Whether it is true of `facts`.
    ///
    /// Fails when nobody can say; the caller must not take that for "no" (DESIGN, "Four different
    /// things").
    pub fn is_true(&self, facts: &Facts<'_>) -> Result<bool, ConditionError> {
        self.check_facts(facts)?;
        let known = Known {
            facts,
            patterns: &self.checked.patterns,
        };
        let mut context = Context::with_env(ENVIRONMENT.clone());
        context.set_variable_resolver(&known);
        let failed = |reason: String| ConditionError::Evaluation {
            condition: self.text.clone(),
            reason,
        };
        let value = Value::resolve_val(&self.expression, &context)
            .map_err(|error| failed(summary(&error)))?;
        let truth = value.downcast_ref::<CelBool>().map(|truth| *truth.inner());
        truth.ok_or_else(|| failed("it is neither true nor false".to_owned()))
    }

    fn check_facts(&self, facts: &Facts<'_>) -> Result<(), ConditionError> {
        // What the envelope has is bounded where it is read.
        let of_content = |fact: &&&'static Fact| fact.origin == Origin::Content;
        for fact in self.facts().iter().filter(of_content) {
            let values = match fact.value(facts) {
                None => {
                    return Err(ConditionError::ContentUnknown {
                        condition: self.text.clone(),
                        fact: fact.name,
                    });
                }
                Some(FactValue::Headers(fields)) => fields.values().map(Vec::len).sum(),
                Some(FactValue::Texts(texts)) => texts.len(),
                Some(FactValue::Bool(_) | FactValue::Int(_) | FactValue::Text(_)) => 1,
            };
            let checked = LimitError::check("number of its values", values, Facts::MOST_VALUES);
            checked.map_err(|limit| ConditionError::TooMany {
                condition: self.text.clone(),
                fact: fact.name,
                limit,
            })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

/// What the parser says, which can be long where much would have been possible.
fn not_cel(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    format!(
        "not CEL: {}",
        message.chars().take(MESSAGE).collect::<String>()
    )
}

/// Characters of what the parser says.
const MESSAGE: usize = 200;

/// What went wrong, without the values, which are the sender's.
fn summary(error: &ExecutionError) -> String {
    use ExecutionError::DivisionByZero;
    use ExecutionError::Overflow;
    use ExecutionError::RemainderByZero;
    let reason = if matches!(error, DivisionByZero(_) | RemainderByZero(_)) {
        "it divides by zero"
    } else if matches!(error, Overflow(..)) {
        "a number in it is too large"
    } else {
        // The check when the policy was loaded leaves nothing else that mail could bring about.
        "the interpreter refuses it, which is a fault of ours"
    };
    reason.to_owned()
}

/// The names that a condition can use, for one evaluation.
struct Known<'a> {
    facts: &'a Facts<'a>,
    patterns: &'a [values::Pattern],
}

impl VariableResolver for Known<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(number) = name.strip_prefix(check::PATTERN) {
            let pattern = self.patterns.get(number.parse::<usize>().ok()?)?;
            return Some(CowVal::Borrowed(pattern));
        }
        Fact::named(name)?.value(self.facts).map(Values::of)
    }
}
