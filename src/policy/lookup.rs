//! `[lookup]`: where other people's certificates are looked for, and who may change the key of an address.

use super::error::PolicyFileError;
use super::facts::LookupSource;
use super::table::Entry;
use super::table::Table;

/// Where to look, and what to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The sources that are asked, as they are reported; one that is not among them is not asked.
    pub order: Vec<LookupSource>,
    /// Who may put another key in the place of the one that is in use.
    pub change_by: Vec<ChangeBy>,
}

/// What lets a certificate with another key take the place of the one in use, without an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeBy {
    /// DNSSEC proves that the owner of the name published it.
    Dnssec,
    /// The same CA issued it, and its path is valid.
    SameIssuer,
    /// That source has it.
    Source(LookupSource),
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            order: vec![
                LookupSource::Directory,
                LookupSource::Smimea,
                LookupSource::Mcek,
                LookupSource::Ldap,
                LookupSource::Smtp,
                LookupSource::Harvest,
            ],
            change_by: vec![
                ChangeBy::Source(LookupSource::Directory),
                ChangeBy::Dnssec,
                ChangeBy::SameIssuer,
            ],
        }
    }
}

impl Lookup {
    pub(super) fn read(entry: &Entry<'_, '_>) -> Result<Self, PolicyFileError> {
        let table = entry.table("[lookup]".to_owned(), KEYS)?;
        let default = Self::default();
        Ok(Self {
            order: sources(&table, "order")?.unwrap_or(default.order),
            change_by: change_by(&table)?.unwrap_or(default.change_by),
        })
    }
}

/// The sources under `key`, each once.
pub(super) fn sources(
    table: &Table<'_, '_>,
    key: &'static str,
) -> Result<Option<Vec<LookupSource>>, PolicyFileError> {
    let words = LookupSource::ALL.map(|source| (source.as_str(), source));
    let sources = words_of(table, key, &words)?;
    match table.get(key) {
        // Whom nobody is asked about would be absent, and his mail leave in clear.
        Some(entry) if sources.as_ref().is_some_and(Vec::is_empty) => {
            Err(entry.bad("name one source at least"))
        }
        _ => Ok(sources),
    }
}

/// What `change_by` lists.
pub(super) fn change_by(table: &Table<'_, '_>) -> Result<Option<Vec<ChangeBy>>, PolicyFileError> {
    let sources = LookupSource::ALL.map(|source| (source.as_str(), ChangeBy::Source(source)));
    let words = [
        ("dnssec", ChangeBy::Dnssec),
        ("same-issuer", ChangeBy::SameIssuer),
    ];
    words_of(table, "change_by", &[&sources[..], &words[..]].concat())
}

fn words_of<T: Copy + PartialEq>(
    table: &Table<'_, '_>,
    key: &'static str,
    words: &[(&str, T)],
) -> Result<Option<Vec<T>>, PolicyFileError> {
    let Some(entry) = table.get(key) else {
        return Ok(None);
    };
    let mut read = Vec::new();
    for element in entry.list(words.len())? {
        let word = element.word(words)?;
        if read.contains(&word) {
            return Err(element.bad("it is there twice"));
        }
        read.push(word);
    }
    Ok(Some(read))
}

const KEYS: &[&str] = &["order", "change_by"];
