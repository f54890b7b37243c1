//! The security officer's rules as values: parse, check, match, explain (CONTRACT, "Policy files").
//!
//! A file is in force as a whole or not at all. Refused: unknown keys, conditions that are not about
//! facts, rules that contradict themselves, and a direction whose mail might meet no rule.

pub mod attributes;
pub mod condition;
pub mod error;
pub mod facts;
pub mod flag;
pub mod lookup;
mod matching;
pub mod originators;
pub mod partner;
pub mod profile;
pub mod rule;
mod table;

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::address::Domain;
use crate::limits::LimitError;
use attributes::AttributeSet;
use error::PolicyFault;
use error::PolicyFileError;
use flag::Flag;
use lookup::Lookup;
use originators::Originators;
use partner::Partner;
use profile::Profile;
use rule::Names;
use rule::Rule;
use table::Source;
use table::Table;

/// The rules of a security officer, all of them checked.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    profiles: Vec<Profile>,
    attributes: Vec<AttributeSet>,
    /// By their domains as [`Domain::as_str`] has them.
    partners: BTreeMap<String, Partner>,
    originators: Originators,
    flag: Flag,
    lookup: Lookup,
}

impl Policy {
    /// Octets of a policy file; a partner takes some 200.
    pub const LONGEST: usize = 4 * 1024 * 1024;
    /// Rules of one policy: each is asked for each recipient.
    pub const MOST_RULES: usize = 1_000;

    /// The policy that is compiled in: `policy/default.toml` (DESIGN, decision 13).
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the text is compiled in, and a test parses it"
    )]
    pub fn builtin() -> Self {
        Self::parse(BUILTIN, BUILTIN_NAME).expect("the policy that is compiled in is in order")
    }

    /// The policy that `text` states; `file_name` is for messages alone.
    ///
    /// Fails with the first fault of the file and its place.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, PolicyFileError> {
        let source = Source {
            file: file_name,
            text,
        };
        LimitError::check("octets of a policy file", text.len(), Self::LONGEST)
            .map_err(|limit| source.error(0, limit.into()))?;
        let values = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let message = error.message().trim().replace('\n', ", ");
            source.error(offset, PolicyFault::Syntax(message))
        })?;
        Self::read(&Table::root(source, values.get_ref(), KEYS)?)
    }

    fn read(file: &Table<'_, '_>) -> Result<Self, PolicyFileError> {
        let profiles = match file.get("profile") {
            Some(entry) => Profile::read_all(&entry)?,
            None => Vec::new(),
        };
        let attributes = match file.get("attributes") {
            Some(entry) => AttributeSet::read_all(&entry)?,
            None => Vec::new(),
        };
        let names: Vec<&str> = profiles.iter().map(|one| &*one.name).collect();
        let partners = match file.get("partner") {
            Some(entry) => Partner::read_all(&entry, &names)?,
            None => BTreeMap::new(),
        };
        let originators = match file.get("originators") {
            Some(entry) => Originators::read(&entry)?,
            None => Originators::default(),
        };
        let flag = match file.get("flag") {
            Some(entry) => Flag::read(&entry)?,
            None => Flag::default(),
        };
        let lookup = match file.get("lookup") {
            Some(entry) => Lookup::read(&entry)?,
            None => Lookup::default(),
        };
        let names = Names {
            profiles: &profiles,
            attributes: &attributes,
        };
        Ok(Self {
            rules: rules(file, names)?,
            profiles,
            attributes,
            partners,
            originators,
            flag,
            lookup,
        })
    }

    /// The rules in the order in which they are asked.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The entry for `domain`, or for the nearest domain above it that has one.
    #[must_use]
    pub fn partner(&self, domain: &Domain) -> Option<&Partner> {
        if domain.is_literal() {
            return None;
        }
        let mut above = Some(domain.as_str());
        while let Some(name) = above {
            if let Some(partner) = self.partners.get(name) {
                return Some(partner);
            }
            above = name.split_once('.').map(|(_, rest)| rest);
        }
        None
    }

    /// Every partner, by its domain.
    pub fn partners(&self) -> impl Iterator<Item = &Partner> {
        self.partners.values()
    }

    /// Which From addresses a login may use.
    #[must_use]
    pub fn originators(&self) -> &Originators {
        &self.originators
    }

    /// The profile of that name.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The attributes of that name.
    #[must_use]
    pub fn attributes(&self, name: &str) -> Option<&AttributeSet> {
        self.attributes.iter().find(|set| set.name == name)
    }

    /// Where certificates are looked for, and who may change them.
    #[must_use]
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// How a reader is told that something is wrong.
    #[must_use]
    pub fn flag(&self) -> &Flag {
        &self.flag
    }
}

fn rules(file: &Table<'_, '_>, names: Names<'_>) -> Result<Vec<Rule>, PolicyFileError> {
    let entries = match file.get("rule") {
        Some(entry) => entry.list(Policy::MOST_RULES)?,
        None => Vec::new(),
    };
    let mut rules: Vec<Rule> = Vec::new();
    for entry in entries {
        let rule = Rule::read(&entry, names)?;
        if rules.iter().any(|other| other.name == rule.name) {
            let name = entry.names("[[rule]]")?.need("name", "")?;
            return Err(name.bad("another rule has this name"));
        }
        rules.push(rule);
    }
    match matching::uncovered(&rules) {
        Some(fault) => Err(file.error(fault)),
        None => Ok(rules),
    }
}

/// The tables of a policy file.
const KEYS: &[&str] = &[
    "rule",
    "profile",
    "attributes",
    "partner",
    "originators",
    "flag",
    "lookup",
];

const BUILTIN: &str = include_str!("../../policy/default.toml");
const BUILTIN_NAME: &str = "policy/default.toml";

#[cfg(test)]
mod tests;
