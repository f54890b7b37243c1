//! One search that has no answer yet: what it asks for next, and what has come for it.
//!
//! An answer is all of what there is or none: a part of the subtree that is elsewhere, or a part of an attribute's values
//! whose rest does not come, is an error.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::attribute::Description;
use super::connection::Failure;
use super::connection::Missing;
use super::filter::Filter;
use super::message::Attribute;
use super::message::Entry;
use super::message::LdapResult;
use super::message::WireError;
use super::message::code;
use crate::limits::LimitError;

/// Entries of one answer. An address is one entry's, or that of a few when somebody has moved.
pub(super) const MOST_ENTRIES: usize = 100;

/// Pages of one answer: twice what is needed for all entries, for servers that give fewer than asked.
const MOST_PAGES: usize = 4;

/// Ranges of values that are asked for after the first ones, in one answer. Active Directory gives 1,500 values at once
/// (MaxValRange), more than are taken; this is for servers whose administrator has set it to some ten.
const MOST_RANGES: usize = 32;

/// Octets of all values of one answer: some thousand certificates.
pub(super) const ANSWER_OCTETS: usize = 4 * 1024 * 1024;

/// Octets of the name of an entry for whose values is asked again. Names have some hundred.
const NAME_OCTETS: usize = 8 * 1024;

/// One search for certificates.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The distinguished name beneath which the entries are.
    pub(super) base: String,
    /// Which entries.
    pub(super) filter: Filter,
    /// Certificates at most.
    pub(super) most_values: usize,
    /// Whether the answer is asked for page by page. No other search may then be under way: a server may keep the place
    /// of one page in each session, and OpenLDAP does.
    pub(super) paged: bool,
    /// Until when somebody waits.
    pub(super) deadline: Instant,
}

/// What one search brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// How many matched.
    pub(super) count: usize,
    /// The values of all their certificate attributes.
    pub(super) values: Vec<Vec<u8>>,
}

impl Entries {
    pub(super) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.values.extend(other.values);
    }
}

/// A search that has no answer yet.
#[derive(Debug)]
pub(super) struct Underway<W> {
    pub(super) search: Search,
    waiter: W,
    /// What the last request asks for.
    pub(super) asked: Asked,
    found: Entries,
    /// Octets of what was found, and of the names of entries for whose values is asked again.
    pub(super) octets: usize,
    /// Pages that were asked for.
    pages: usize,
    /// Whether a part of the subtree is elsewhere.
    pub(super) referred: bool,
    /// Values of entries that are still to be asked for.
    rests: VecDeque<Rest>,
    /// How many of these there ever were.
    ranges: usize,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// No more than what has come.
    Nothing,
    /// The page after that cookie; the first, or all, where it is empty.
    Page(Vec<u8>),
    /// More values of one entry.
    Rest(Rest),
}

/// Values of an entry that have not come.
#[derive(Debug)]
pub(super) struct Rest {
    /// The entry's distinguished name.
    pub(super) entry: Vec<u8>,
    of: Description,
    /// The first of them.
    first: u32,
}

impl Rest {
    /// What is to be asked for.
    pub(super) fn description(&self) -> String {
        self.of.from(self.first)
    }
}

impl<W> Underway<W> {
    /// A search of which nothing has been asked.
    pub(super) const fn new(search: Search, waiter: W) -> Self {
        Self {
            search,
            waiter,
            asked: Asked::Page(Vec::new()),
            found: Entries {
                count: 0,
                values: Vec::new(),
            },
            octets: 0,
            pages: 1,
            referred: false,
            rests: VecDeque::new(),
            ranges: 0,
        }
    }

    /// Who waits for it.
    pub(super) const fn waiter(&self) -> &W {
        &self.waiter
    }

    pub(super) fn into_waiter(self) -> W {
        self.waiter
    }

    /// Its answer.
    pub(super) fn finish(self) -> (W, Result<Entries, Failure>) {
        (self.waiter, Ok(self.found))
    }

    /// Its answer, which is none.
    pub(super) fn end(self, failure: Failure) -> (W, Result<Entries, Failure>) {
        (self.waiter, Err(failure))
    }

    /// Keeps the certificates of one entry more, or of the rest of one.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), Failure> {
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            page @ Asked::Page(_) => {
                self.asked = page;
                self.add_entry(entry)
            }
            Asked::Rest(rest) => self.add_rest(rest, entry),
            Asked::Nothing => Err(Failure::Wire(WireError::Unexpected)),
        }
    }

    /// The request has ended with `result`, and with the place of the next page where there are `more`. Gives whether
    /// something else is to be asked.
    pub(super) fn proceed(
        &mut self,
        result: LdapResult,
        more: Option<Vec<u8>>,
    ) -> Result<bool, Failure> {
        let is_first = self.pages == 1 && matches!(self.asked, Asked::Page(_));
        match result.code {
            // What is not here may be there.
            code::SUCCESS if self.referred => Err(Failure::Referral),
            code::SUCCESS => self.proceed_to(more),
            // Where something came before, the entry beneath which it is was there.
            code::NO_SUCH_OBJECT if is_first && self.found.count == 0 && !self.referred => {
                Err(Failure::NoBase(result))
            }
            code::REFERRAL => Err(Failure::Referral),
            _ => Err(Failure::Refused(result)),
        }
    }

    fn proceed_to(&mut self, more: Option<Vec<u8>>) -> Result<bool, Failure> {
        self.asked = match (more, &self.asked) {
            (Some(cookie), Asked::Page(_)) if self.search.paged => {
                self.pages += 1;
                let pages = "number of pages of the answer";
                LimitError::check(pages, self.pages, MOST_PAGES).map_err(Failure::TooMuch)?;
                Asked::Page(cookie)
            }
            // A part of something, where all was asked for.
            (Some(_), _) => return Err(Failure::Wire(WireError::Unexpected)),
            (None, Asked::Rest(rest)) => {
                return Err(part(&rest.description(), Missing::Rest));
            }
            (None, Asked::Nothing | Asked::Page(_)) => match self.rests.pop_front() {
                Some(rest) => Asked::Rest(rest),
                None => return Ok(false),
            },
        };
        Ok(true)
    }

    fn add_entry(&mut self, entry: Entry) -> Result<(), Failure> {
        self.found.count += 1;
        LimitError::check("number of entries", self.found.count, MOST_ENTRIES)
            .map_err(Failure::TooMuch)?;
        let mut without = Vec::new();
        let mut with = Vec::new();
        for Attribute { name, values } in entry.attributes {
            // A server may send what nobody asked for.
            let Some(read) = Description::parse(&name) else {
                continue;
            };
            let description = read.map_err(|_| part(&name, Missing::Range))?;
            if values.is_empty() {
                without.push((description, name));
                continue;
            }
            if let Some(range) = description.range {
                if range.first != 0 {
                    return Err(part(&name, Missing::First));
                }
                if !range.is_of(values.len()) {
                    return Err(part(&name, Missing::Number));
                }
                if let Some(first) = range.next {
                    self.leave(&entry.name, description.clone(), first)?;
                }
            }
            with.push(description);
            self.keep(values)?;
        }
        // Active Directory has the name without a range beside the one that has it, without values. Alone it says that
        // there are some, and gives none.
        let alone = |one: &Description| !with.iter().any(|other| other.is_of_values_of(one));
        match without.iter().find(|(description, _)| alone(description)) {
            Some((_, name)) => Err(part(name, Missing::All)),
            None => Ok(()),
        }
    }

    fn add_rest(&mut self, rest: Rest, entry: Entry) -> Result<(), Failure> {
        for Attribute { name, values } in entry.attributes {
            let Some(Ok(description)) = Description::parse(&name) else {
                continue;
            };
            let Some(range) = description.range.filter(|_| description.is_of(&rest.of)) else {
                continue;
            };
            if range.first != rest.first {
                return Err(part(&name, Missing::Rest));
            }
            if !range.is_of(values.len()) {
                return Err(part(&name, Missing::Number));
            }
            self.keep(values)?;
            return match range.next {
                Some(first) => self.leave(&entry.name, description, first),
                None => Ok(()),
            };
        }
        Err(part(&rest.description(), Missing::Rest))
    }

    /// Keeps these values.
    fn keep(&mut self, values: Vec<Vec<u8>>) -> Result<(), Failure> {
        for value in values {
            let octets = self.octets + value.len();
            let count = self.found.values.len() + 1;
            LimitError::check("octets of certificates", octets, ANSWER_OCTETS)
                .and_then(|()| {
                    LimitError::check("number of certificates", count, self.search.most_values)
                })
                .map_err(Failure::TooMuch)?;
            self.octets = octets;
            self.found.values.push(value);
        }
        Ok(())
    }

    /// Leaves the values from `first` on for a request of their own.
    fn leave(&mut self, entry: &[u8], of: Description, first: u32) -> Result<(), Failure> {
        self.ranges += 1;
        LimitError::check("number of ranges of the answer", self.ranges, MOST_RANGES)
            .and_then(|()| LimitError::check("octets of an entry's name", entry.len(), NAME_OCTETS))
            .map_err(Failure::TooMuch)?;
        self.octets += entry.len();
        self.rests.push_back(Rest {
            entry: entry.to_vec(),
            of,
            first,
        });
        Ok(())
    }
}

fn part(attribute: &str, missing: Missing) -> Failure {
    Failure::Part {
        attribute: attribute.to_owned(),
        missing,
    }
}
