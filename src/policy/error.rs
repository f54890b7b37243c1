//! Why a policy file is refused: where in it, which key, and what would be accepted.

use std::fmt;

/// A policy file that is not in force: the first fault, and its place.
///
/// Printed as `FILE:LINE:COLUMN: fault`, which editors can jump to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{place}: {fault}")]
pub struct PolicyFileError {
    /// The file, as it was named to us.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong there.
    pub fault: Box<PolicyFault>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Lines from 1.
    pub line: usize,
    /// Characters of that line from 1.
    pub column: usize,
}

impl Place {
    /// The place of an offset of `text`, which may be its end.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What can be wrong in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// A value that its key cannot have.
    #[error("{key} = {found}: {reason}")]
    BadValue {
        /// The key.
        key: String,
        /// The value, as far as it is short.
        found: String,
        /// What the key accepts.
        reason: String,
    },
    /// A condition that is not CEL, or not about the facts.
    #[error("condition of rule {rule:?}: {reason}")]
    Condition {
        /// The rule.
        rule: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// Keys that are right by themselves and wrong together.
    #[error("{table}: {reason}")]
    Conflict {
        /// The table, with its name.
        table: String,
        /// What contradicts what.
        reason: String,
    },
    /// More of something than a policy can have.
    #[error(transparent)]
    Limit(#[from] crate::limits::LimitError),
    /// A key that must be there.
    #[error("{table} has no `{key}`, which it needs: {reason}")]
    MissingKey {
        /// The table.
        table: String,
        /// The key.
        key: &'static str,
        /// What to write.
        reason: &'static str,
    },
    /// A direction whose mail might meet no rule.
    #[error(
        "no rule holds for all {direction} mail; \
         end the file with a rule whose condition is `direction == \"{direction}\"` or `true`"
    )]
    NoRule {
        /// The direction.
        direction: &'static str,
    },
    /// Not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key that means nothing there.
    #[error("{table} has no key `{key}`; its keys are {accepted}")]
    UnknownKey {
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// The keys that it has.
        accepted: String,
    },
    /// A name that stands for nothing in this file.
    #[error("{key} = {found:?}: there is no {table}; {known}")]
    UnknownName {
        /// The key.
        key: String,
        /// The name.
        found: String,
        /// The table that would have to be there.
        table: String,
        /// The names that there are.
        known: String,
    },
    /// A value of another type.
    #[error("{key} must be {expected}, and is {found}")]
    WrongType {
        /// The key.
        key: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}
