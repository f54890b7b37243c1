//! What several searches for one subject say together.

use super::underway::Entries;
use crate::gateway::search::Said;

/// What several searches for one subject bring: beneath the name of its domain, and then of those above it, any of which
/// may have its authority.
#[derive(Debug, Default)]
pub(super) struct Several {
    found: Entries,
    /// Whether any was answered.
    answered: bool,
    /// The first that counts as *absent*.
    absent: Option<Said>,
    /// The first of those of which nobody knows what they have, and nearer than which nothing is found.
    unknown: Option<Said>,
}

impl Several {
    pub(super) fn add(&mut self, searched: Result<Entries, Said>) {
        match searched {
            Ok(entries) => {
                self.answered = true;
                self.found.join(entries);
            }
            Err(said @ Said::Absent(_)) => self.absent = self.absent.take().or(Some(said)),
            Err(said) if self.found.values.is_empty() => {
                self.unknown = self.unknown.take().or(Some(said));
            }
            Err(_) => {}
        }
    }

    /// Who has answered does not speak for who has not. What is found is enough where the rest is farther: the mail of a
    /// domain is its own authority's before it is that of one above.
    pub(super) fn together(self) -> Result<Entries, Said> {
        match (self.unknown, self.absent) {
            (Some(unknown), _) => Err(unknown),
            (None, Some(absent)) if !self.answered => Err(absent),
            (None, _) => Ok(self.found),
        }
    }
}
