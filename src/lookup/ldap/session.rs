//! The searches under way in one LDAP session, and what has come for each, without a socket (RFC 4511 §3.1).
//!
//! Answers come in any order and are told apart by their message ids, none of which is used twice. What comes for a
//! search that was given up is passed over; what answers nothing that was ever asked ends the session.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;

use tokio::time::Instant;

use super::connection::Failure;
use super::filter::Filter;
use super::message;
use super::message::Attribute;
use super::message::LdapResult;
use super::message::Message;
use super::message::Operation;
use super::message::Page;
use super::message::SearchRequest;
use super::message::WireError;
use super::message::code;
use crate::limits::LimitError;

/// What is asked for of an entry (RFC 4523 §2.1, RFC 2798 §2.8): with the option `binary`, which servers demand for
/// the first (RFC 4523 §2), and without, as others have them.
const ATTRIBUTES: [&str; 4] = [
    "userCertificate;binary",
    "userCertificate",
    "userSMIMECertificate;binary",
    "userSMIMECertificate",
];

/// Entries of one answer. An address is one entry's, or that of a few when somebody has moved.
pub(super) const MOST_ENTRIES: usize = 100;

/// Entries of one page: most answers are one, and servers give no more than some hundred.
const PAGE_ENTRIES: u32 = 50;

/// Pages of one answer: twice what is needed for all entries, for servers that give fewer than asked.
const MOST_PAGES: usize = 4;

/// Octets of all values of one answer: some thousand certificates.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;

/// Octets of all values of the answers that are not complete yet: two of the largest ones, and room for the ordinary
/// ones beside them, which have some thousand octets.
const SESSION_OCTETS: usize = 10 * 1024 * 1024;

/// Octets that come for searches which were given up, in one session: a server that stops when it is told to is far
/// from it.
const LATE_OCTETS: usize = 4 * 1024 * 1024;

/// Searches that were given up and have not ended, in one session. A server that stops says nothing of them any more,
/// so that each is remembered as long as the session lasts.
const MOST_GIVEN_UP: usize = 256;

/// Octets of requests that the server does not take.
const OUTGOING_OCTETS: usize = 256 * 1024;

/// The last number of a request (RFC 4511 §4.1.1.1).
const MOST_ID: u32 = 0x7fff_ffff;

/// Numbers that are left for what is under way when no more searches are taken: pages and farewells of some hundred.
const LEFT_IDS: u32 = 4096;

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

/// A session after its bind, in which each search has somebody who waits for it.
///
/// Give it what happens by `handle_*`. Then write [`Session::outgoing`], and tell each of [`Session::next_answer`].
/// Where the session ends, [`Session::into_waiters`] are those who got no answer.
#[derive(Debug)]
pub(super) struct Session<W> {
    received: Vec<u8>,
    outgoing: Vec<u8>,
    last_id: u32,
    underway: BTreeMap<u32, Underway<W>>,
    given_up: BTreeSet<u32>,
    /// Octets of the values of all that is under way.
    held: usize,
    /// Octets that came for what was given up.
    late: usize,
    answers: VecDeque<(W, Result<Entries, Failure>)>,
}

/// A search that has no answer yet.
#[derive(Debug)]
struct Underway<W> {
    search: Search,
    waiter: W,
    found: Entries,
    /// Octets of what was found.
    octets: usize,
    /// Pages that were asked for.
    pages: usize,
    /// Whether a part of the subtree is elsewhere.
    referred: bool,
}

impl<W> Session<W> {
    /// A session whose last request had that number, all of which have been answered. `received` is what came after.
    pub(super) const fn new(last_id: u32, received: Vec<u8>) -> Self {
        Self {
            received,
            outgoing: Vec::new(),
            last_id,
            underway: BTreeMap::new(),
            given_up: BTreeSet::new(),
            held: 0,
            late: 0,
            answers: VecDeque::new(),
        }
    }

    /// Asks for something more.
    pub(super) fn handle_search(&mut self, search: Search, waiter: W, now: Instant) {
        let underway = Underway {
            search,
            waiter,
            found: Entries::default(),
            octets: 0,
            pages: 0,
            referred: false,
        };
        self.send(underway, &[], now);
    }

    /// Whoever waits for the search of that waiter does not any more.
    pub(super) fn handle_given_up(&mut self, is: impl Fn(&W) -> bool) {
        let given_up = self
            .underway
            .iter()
            .find(|(_, underway)| is(&underway.waiter))
            .map(|(id, _)| *id);
        if let Some(id) = given_up {
            self.give_up(id);
        }
    }

    /// Takes what the server sent. Gives whether any of it answers a request; an error ends the session.
    pub(super) fn handle_octets(&mut self, octets: &[u8], now: Instant) -> Result<bool, Failure> {
        self.received.extend_from_slice(octets);
        let mut heard = false;
        let mut at = 0;
        loop {
            let rest = self.received.get(at..).unwrap_or_default();
            let length = message::length(rest).map_err(Failure::Wire)?;
            let Some(one) = length.and_then(|length| rest.get(..length)) else {
                break;
            };
            let length = one.len();
            let message = message::decode(one).map_err(Failure::Wire)?;
            self.handle_message(message, length, now)?;
            heard = true;
            at += length;
        }
        self.received.drain(..at);
        Ok(heard)
    }

    /// So many octets of [`Session::outgoing`] have been written.
    pub(super) fn handle_written(&mut self, octets: usize) {
        self.outgoing.drain(..octets.min(self.outgoing.len()));
    }

    /// Says farewell (RFC 4511 §4.3).
    pub(super) fn handle_end(&mut self) {
        if let Some(id) = self.next_id() {
            self.outgoing.extend_from_slice(&message::unbind(id));
        }
    }

    /// The next one who is to be told something.
    pub(super) fn next_answer(&mut self) -> Option<(W, Result<Entries, Failure>)> {
        self.answers.pop_front()
    }

    /// What is to be written.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_idle(&self) -> bool {
        self.underway.is_empty() && self.answers.is_empty()
    }

    /// Whether more searches may come. What is under way goes on in any case.
    pub(super) fn takes_more(&self) -> bool {
        self.last_id < MOST_ID - LEFT_IDS
            && self.given_up.len() < MOST_GIVEN_UP
            && self.late < LATE_OCTETS
            && self.outgoing.len() < OUTGOING_OCTETS
    }

    /// All who wait for an answer.
    pub(super) fn into_waiters(self) -> impl Iterator<Item = W> {
        let underway = self.underway.into_values();
        underway.map(|underway| underway.waiter)
    }

    fn handle_message(
        &mut self,
        message: Message,
        length: usize,
        now: Instant,
    ) -> Result<(), Failure> {
        let id = message.id;
        match message.operation {
            // Whatever it is about: OpenLDAP and Active Directory say nothing unasked but this (RFC 4511 §4.4.1).
            Operation::Extended(result) if id == 0 => return Err(Failure::Disconnected(result)),
            operation if self.given_up.contains(&id) => {
                self.late = self.late.saturating_add(length);
                if matches!(operation, Operation::SearchDone(_)) {
                    self.given_up.remove(&id);
                }
            }
            Operation::Entry(attributes) => self.handle_entry(id, attributes)?,
            Operation::Intermediate => {
                self.of(id)?;
            }
            Operation::Reference => self.of(id)?.referred = true,
            Operation::SearchDone(result) => self.handle_done(id, (result, message.cookie), now)?,
            Operation::Bound(_) | Operation::Extended(_) => {
                return Err(Failure::Wire(WireError::Unexpected));
            }
        }
        Ok(())
    }

    fn handle_entry(&mut self, id: u32, attributes: Vec<Attribute>) -> Result<(), Failure> {
        let held = self.held;
        let underway = self.of(id)?;
        let before = underway.octets;
        let added = underway.add(attributes).and_then(|()| {
            let all = held + underway.octets - before;
            LimitError::check("octets of unfinished answers", all, SESSION_OCTETS)
        });
        self.held = held + underway.octets - before;
        if let Err(limit) = added
            && let Some(underway) = self.give_up(id)
        {
            let too_much = Err(Failure::TooMuch(limit));
            self.answers.push_back((underway.waiter, too_much));
        }
        Ok(())
    }

    fn handle_done(
        &mut self,
        id: u32,
        (result, cookie): (LdapResult, Option<Vec<u8>>),
        now: Instant,
    ) -> Result<(), Failure> {
        let more = cookie.filter(|cookie| !cookie.is_empty());
        if more.is_some() && !self.of(id)?.search.paged {
            // A part of something, where all was asked for.
            return Err(Failure::Wire(WireError::Unexpected));
        }
        let underway = self.remove(id)?;
        let answer = match result.code {
            // What is not here may be there.
            code::SUCCESS if underway.referred => Err(Failure::Referral),
            code::SUCCESS => match more {
                Some(cookie) => {
                    self.send(underway, &cookie, now);
                    return Ok(());
                }
                None => Ok(underway.found),
            },
            code::NO_SUCH_OBJECT => Ok(underway.found),
            code::REFERRAL => Err(Failure::Referral),
            _ => Err(Failure::Refused(result)),
        };
        self.answers.push_back((underway.waiter, answer));
        Ok(())
    }

    /// Sends the request for the page after `cookie`, or for all.
    fn send(&mut self, mut underway: Underway<W>, cookie: &[u8], now: Instant) {
        underway.pages += 1;
        let pages = LimitError::check("number of pages of the answer", underway.pages, MOST_PAGES);
        if let Err(limit) = pages {
            let too_much = Err(Failure::TooMuch(limit));
            self.answers.push_back((underway.waiter, too_much));
            return;
        }
        let Some(id) = self.next_id() else {
            let over = Err(Failure::Wire(WireError::OutOfIds));
            self.answers.push_back((underway.waiter, over));
            return;
        };
        let search = &underway.search;
        let left = search.deadline.saturating_duration_since(now).as_secs();
        let request = SearchRequest {
            base: &search.base,
            filter: &search.filter,
            attributes: &ATTRIBUTES,
            // One more tells that there are more.
            size_limit: u32::try_from(MOST_ENTRIES + 1).unwrap_or(u32::MAX),
            // At most 2^31 - 1 (RFC 4511 §4.5.1).
            time_limit: u32::try_from(left.saturating_add(1))
                .map_or(MOST_ID, |left| left.min(MOST_ID)),
            page: search.paged.then_some(Page {
                size: PAGE_ENTRIES,
                cookie,
            }),
        };
        self.outgoing
            .extend_from_slice(&message::search(id, &request));
        self.held += underway.octets;
        self.underway.insert(id, underway);
    }

    /// Takes a search away for which more may come, and tells the server so (RFC 4511 §4.11).
    fn give_up(&mut self, id: u32) -> Option<Underway<W>> {
        let underway = self.remove(id).ok()?;
        self.given_up.insert(id);
        if let Some(own) = self.next_id() {
            self.outgoing.extend_from_slice(&message::abandon(own, id));
        }
        Some(underway)
    }

    fn of(&mut self, id: u32) -> Result<&mut Underway<W>, Failure> {
        let unexpected = Failure::Wire(WireError::Unexpected);
        self.underway.get_mut(&id).ok_or(unexpected)
    }

    fn remove(&mut self, id: u32) -> Result<Underway<W>, Failure> {
        let unexpected = Failure::Wire(WireError::Unexpected);
        let underway = self.underway.remove(&id).ok_or(unexpected)?;
        self.held -= underway.octets;
        Ok(underway)
    }

    /// One that was never used: when an abandoned request is over nobody can tell (RFC 4511 §4.1.1.1).
    fn next_id(&mut self) -> Option<u32> {
        let id = self.last_id.checked_add(1).filter(|id| *id <= MOST_ID)?;
        self.last_id = id;
        Some(id)
    }
}

impl<W> Underway<W> {
    /// Keeps the certificates of one entry more.
    fn add(&mut self, attributes: Vec<Attribute>) -> Result<(), LimitError> {
        self.found.count += 1;
        LimitError::check("number of entries", self.found.count, MOST_ENTRIES)?;
        // A server may send what nobody asked for.
        let wanted = attributes.into_iter().filter(|attribute| {
            let mut known = ATTRIBUTES.iter();
            known.any(|one| one.eq_ignore_ascii_case(&attribute.name))
        });
        for value in wanted.flat_map(|attribute| attribute.values) {
            let octets = self.octets + value.len();
            LimitError::check("octets of certificates", octets, ANSWER_OCTETS)?;
            let count = self.found.values.len() + 1;
            LimitError::check("number of certificates", count, self.search.most_values)?;
            self.octets = octets;
            self.found.values.push(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
