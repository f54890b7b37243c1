//! Macros: what the MTA knows of the session, given anew for each stage.

use std::collections::BTreeMap;

/// Macros by the stage that they were given for. A stage's set replaces the one before: what a
/// client was before STARTTLS or in its last message says nothing of it now.
#[derive(Clone, Debug, Default)]
pub struct Macros(BTreeMap<u8, Vec<(String, String)>>);

impl Macros {
    /// Takes the macros for the stage of `command`. What is not UTF-8 is replaced: nobody could
    /// compare it.
    pub(super) fn set<'a>(
        &mut self,
        command: u8,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let pairs = pairs.map(|(name, value)| (bare(&text(name)), text(value)));
        self.0.insert(command, pairs.collect());
    }

    /// Forgets what was given for these stages.
    pub(super) fn forget(&mut self, commands: &[u8]) {
        self.0.retain(|command, _| !commands.contains(command));
    }

    /// Forgets one that was given for the stage of `command`.
    pub(super) fn forget_name(&mut self, command: u8, name: &str) {
        if let Some(pairs) = self.0.get_mut(&command) {
            pairs.retain(|(own, _)| own != name);
        }
    }

    /// The value of `name`, without braces, that was given for the stage of `command`; an empty one
    /// is none.
    #[must_use]
    pub fn at(&self, command: u8, name: &str) -> Option<&str> {
        let (_, value) = self.0.get(&command)?.iter().find(|(own, _)| own == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The value that was given for the last of `commands` that had one.
    #[must_use]
    pub fn last(&self, commands: &[u8], name: &str) -> Option<&str> {
        commands
            .iter()
            .rev()
            .find_map(|command| self.at(*command, name))
    }
}

/// Names of more than one letter come in braces from some MTAs and without from others.
fn bare(name: &str) -> String {
    let inner = name
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'));
    inner.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }

    #[test]
    fn a_later_set_replaces_the_earlier_one() {
        let mut macros = Macros::default();
        macros.set(b'M', pairs(&[("{auth_authen}", "alice"), ("i", "4Q")]));
        assert_eq!(macros.at(b'M', "auth_authen"), Some("alice"));
        macros.set(b'M', pairs(&[("i", "5Q")]));
        assert_eq!(macros.at(b'M', "auth_authen"), None);
        assert_eq!(macros.last(b"ME", "i"), Some("5Q"));
        macros.set(b'E', pairs(&[("i", "6Q")]));
        assert_eq!(macros.last(b"ME", "i"), Some("6Q"));
    }

    #[test]
    fn an_empty_value_is_none() {
        let mut macros = Macros::default();
        macros.set(b'M', pairs(&[("auth_authen", "")]));
        assert_eq!(macros.at(b'M', "auth_authen"), None);
    }
}
