//! TOML tables read key by key, each value with its place (TOML 1.1).
//!
//! Every table states its keys and refuses others; every refusal names the place, the key and what
//! would be accepted. Values are typed here and nowhere else.

use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::error::Place;
use super::error::PolicyFault;
use super::error::PolicyFileError;
use crate::limits::LimitError;

/// A policy file: its name, for messages, and its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
}

impl Source<'_> {
    /// Refuses the file for what stands `offset` octets from its beginning.
    pub(super) fn error(&self, offset: usize, fault: PolicyFault) -> PolicyFileError {
        PolicyFileError {
            file: self.file.to_owned(),
            place: Place::of(self.text, offset),
            fault: Box::new(fault),
        }
    }
}

/// A table of the file, whose keys are known to be the right ones.
#[derive(Clone, Debug)]
pub(super) struct Table<'t, 'i> {
    source: Source<'t>,
    /// As messages call it: `[[rule]]`, `[partner."b.example"]`.
    pub(super) name: String,
    offset: usize,
    values: &'t DeTable<'i>,
}

impl<'t, 'i> Table<'t, 'i> {
    /// The whole file. Fails when it has a key that is none of `keys`.
    pub(super) fn root(
        source: Source<'t>,
        values: &'t DeTable<'i>,
        keys: &[&str],
    ) -> Result<Self, PolicyFileError> {
        Self {
            source,
            name: "a policy file".to_owned(),
            offset: 0,
            values,
        }
        .with_only(keys)
    }

    fn with_only(self, keys: &[&str]) -> Result<Self, PolicyFileError> {
        let unknown = |key: &&Spanned<_>| !keys.contains(&name_of(key));
        let first = self
            .values
            .keys()
            .filter(unknown)
            .min_by_key(|key| key.span().start);
        let Some(key) = first else {
            return Ok(self);
        };
        let fault = PolicyFault::UnknownKey {
            table: self.name.clone(),
            key: shortened(key.get_ref()),
            accepted: keys.join(", "),
        };
        Err(self.source.error(key.span().start, fault))
    }

    /// The value of `key`, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Entry<'t, 'i>> {
        self.values.get(key).map(|value| Entry {
            source: self.source,
            key: key.to_owned(),
            value,
        })
    }

    /// The value of `key`. Fails when it is not there, with `reason`, which says what to write.
    pub(super) fn need(
        &self,
        key: &'static str,
        reason: &'static str,
    ) -> Result<Entry<'t, 'i>, PolicyFileError> {
        self.get(key).ok_or_else(|| {
            let table = self.name.clone();
            self.error(PolicyFault::MissingKey { table, key, reason })
        })
    }

    /// The flag of `key`; `false` when it is not there.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, PolicyFileError> {
        self.get(key).map_or(Ok(false), |entry| entry.flag())
    }

    /// What the word of `key` stands for in `words`; the first of them when it is not there.
    pub(super) fn word<T: Copy + Default>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, PolicyFileError> {
        self.get(key)
            .map_or_else(|| Ok(T::default()), |entry| entry.word(words))
    }

    /// Every key with its value, in the order of the file: where the keys are names.
    pub(super) fn named(&self) -> Vec<(Entry<'t, 'i>, &'t str, usize)> {
        let mut all: Vec<_> = self
            .values
            .iter()
            .map(|(key, value)| {
                let entry = Entry {
                    source: self.source,
                    key: shortened(key.get_ref()),
                    value,
                };
                (entry, name_of(key), key.span().start)
            })
            .collect();
        all.sort_by_key(|(_, _, offset)| *offset);
        all
    }

    /// Refuses the table as a whole.
    pub(super) fn error(&self, fault: PolicyFault) -> PolicyFileError {
        self.source.error(self.offset, fault)
    }

    /// Refuses a key of the name `name` that stands at `offset`.
    pub(super) fn bad_name(&self, offset: usize, name: &str, reason: String) -> PolicyFileError {
        let fault = PolicyFault::BadValue {
            key: "name of the table".to_owned(),
            found: format!("{:?}", shortened(name)),
            reason,
        };
        self.source.error(offset, fault)
    }

    /// Refuses the table for what two of its keys say together, at the one of `at` that stands there.
    pub(super) fn conflict(&self, at: &'static str, reason: impl Into<String>) -> PolicyFileError {
        let fault = PolicyFault::Conflict {
            table: self.name.clone(),
            reason: reason.into(),
        };
        let offset = self.get(at).map_or(self.offset, |entry| entry.offset());
        self.source.error(offset, fault)
    }
}

/// A value of the file with its key.
#[derive(Clone, Debug)]
pub(super) struct Entry<'t, 'i> {
    pub(super) source: Source<'t>,
    pub(super) key: String,
    value: &'t Spanned<DeValue<'i>>,
}

impl<'t, 'i> Entry<'t, 'i> {
    /// Where the value begins.
    pub(super) fn offset(&self) -> usize {
        self.value.span().start
    }

    /// As it is written in the file, quotes included.
    pub(super) fn raw(&self) -> &'t str {
        self.source.text.get(self.value.span()).unwrap_or_default()
    }

    pub(super) fn text(&self) -> Result<&'t str, PolicyFileError> {
        let DeValue::String(text) = self.value.get_ref() else {
            return Err(self.wrong_type("a string"));
        };
        Ok(text)
    }

    pub(super) fn flag(&self) -> Result<bool, PolicyFileError> {
        let DeValue::Boolean(flag) = self.value.get_ref() else {
            return Err(self.wrong_type("true or false"));
        };
        Ok(*flag)
    }

    pub(super) fn number(&self) -> Result<u64, PolicyFileError> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return Err(self.wrong_type("a number"));
        };
        u64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| self.bad("it must be a whole number, not negative"))
    }

    /// What the word stands for in `words`.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, PolicyFileError> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let accepted: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.bad(format!("accepted are {}", accepted.join(", ")))
        })
    }

    /// The elements of an array, at most `most`.
    pub(super) fn list(&self, most: usize) -> Result<Vec<Self>, PolicyFileError> {
        let DeValue::Array(elements) = self.value.get_ref() else {
            return Err(self.wrong_type("an array"));
        };
        LimitError::check("number of elements of one array", elements.len(), most)
            .map_err(|error| self.error(error.into()))?;
        let element = |value| Self {
            source: self.source,
            key: self.key.clone(),
            value,
        };
        Ok(elements.iter().map(element).collect())
    }

    /// The table, called `name` in messages. Fails when it has a key that is none of `keys`.
    pub(super) fn table(
        &self,
        name: impl Into<String>,
        keys: &[&str],
    ) -> Result<Table<'t, 'i>, PolicyFileError> {
        self.names(name)?.with_only(keys)
    }

    /// The table whose keys are names, called `name` in messages.
    pub(super) fn names(&self, name: impl Into<String>) -> Result<Table<'t, 'i>, PolicyFileError> {
        let DeValue::Table(values) = self.value.get_ref() else {
            return Err(self.wrong_type("a table"));
        };
        Ok(Table {
            source: self.source,
            name: name.into(),
            offset: self.offset(),
            values,
        })
    }

    /// A whole number of seconds, minutes, hours or days: `90s`, `30m`, `4h`, `2d`.
    pub(super) fn duration(&self, longest: Duration) -> Result<Duration, PolicyFileError> {
        let reason = || self.bad("write a whole number and s, m, h or d, as in 30m or 4h");
        let text = self.text()?;
        let unit = text.chars().next_back().ok_or_else(reason)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(reason()),
        };
        let digits = text.strip_suffix(unit).unwrap_or_default();
        if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(reason());
        }
        let number: u64 = digits.parse().map_err(|_| reason())?;
        let duration = Duration::from_secs(number.saturating_mul(seconds));
        if duration > longest {
            let days = longest.as_secs() / 86_400;
            return Err(self.bad(format!("longer than {days}d")));
        }
        Ok(duration)
    }

    /// Refuses the value.
    pub(super) fn bad(&self, reason: impl Into<String>) -> PolicyFileError {
        self.error(PolicyFault::BadValue {
            key: self.key.clone(),
            found: shortened(self.raw()),
            reason: reason.into(),
        })
    }

    /// Refuses the value, which should be one of the names `known` of tables `[kind.NAME]`.
    pub(super) fn unknown_name<'n>(
        &self,
        kind: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> PolicyFileError {
        let found = shortened(self.text().unwrap_or_default());
        let known: Vec<&str> = known.collect();
        self.error(PolicyFault::UnknownName {
            key: self.key.clone(),
            table: format!("[{kind}.{found}]"),
            known: if known.is_empty() {
                format!("the file has no [{kind}.NAME] at all")
            } else {
                format!("known are {}", known.join(", "))
            },
            found,
        })
    }

    pub(super) fn error(&self, fault: PolicyFault) -> PolicyFileError {
        self.source.error(self.offset(), fault)
    }

    fn wrong_type(&self, expected: &'static str) -> PolicyFileError {
        self.error(PolicyFault::WrongType {
            key: self.key.clone(),
            expected,
            found: match self.value.get_ref() {
                DeValue::Array(_) => "an array",
                DeValue::Boolean(_) => "true or false",
                DeValue::Datetime(_) => "a date or time",
                DeValue::Float(_) => "a number with a point",
                DeValue::Integer(_) => "a number",
                DeValue::String(_) => "a string",
                DeValue::Table(_) => "a table",
            },
        })
    }
}

fn name_of<'t>(key: &'t Spanned<std::borrow::Cow<'_, str>>) -> &'t str {
    key.get_ref()
}

/// As much of a text of the file as a message quotes.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Characters that a message quotes: a fingerprint with its quotes.
const QUOTED: usize = 66;
