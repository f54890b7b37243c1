//! The searches under way in one LDAP session, and what has come for each, without a socket (RFC 4511 §3.1).
//!
//! Answers come in any order and are told apart by their message ids, none of which is used twice. What is wrong with an
//! answer is its search's alone. What comes for a search that was given up, and for none at all, is passed over; only
//! where it cannot be told where a message ends, or whose it is, does the session end.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;

use tokio::time::Instant;

use super::attribute::ATTRIBUTES;
use super::connection::Failure;
use super::filter::Filter;
use super::message;
use super::message::Header;
use super::message::LdapResult;
use super::message::Message;
use super::message::Operation;
use super::message::Page;
use super::message::Scope;
use super::message::SearchRequest;
use super::message::WireError;
use super::underway::Asked;
use super::underway::Entries;
use super::underway::MOST_ENTRIES;
use super::underway::Search;
use super::underway::Underway;
use crate::limits::LimitError;

/// Entries of one page: most answers are one, and servers give no more than some hundred.
const PAGE_ENTRIES: u32 = 50;

/// Octets of all values of the answers that are not complete yet: two of the largest ones, and room for the ordinary
/// ones beside them, which have some thousand octets.
const SESSION_OCTETS: usize = 10 * 1024 * 1024;

/// Octets that come for searches which were given up, or for nobody, or are passed over, in one session that takes more
/// searches: a server that stops when it is told to is far from it.
const LATE_OCTETS: usize = 4 * 1024 * 1024;

/// Octets that come late or are passed over in one session before a message that is longer than is read ends it. An entry
/// with many pictures has some million.
const PASSED_OCTETS: usize = 16 * 1024 * 1024;

/// Searches that were given up and have not ended, in one session. A server that stops says nothing of them any more,
/// so that each is remembered as long as the session lasts.
const MOST_GIVEN_UP: usize = 256;

/// Octets of requests that the server does not take.
const OUTGOING_OCTETS: usize = 256 * 1024;

/// The last number of a request (RFC 4511 §4.1.1.1).
const MOST_ID: u32 = 0x7fff_ffff;

/// Numbers that are left for what is under way when no more searches are taken: pages and farewells of some hundred.
const LEFT_IDS: u32 = 4096;

/// A session after its bind, in which each search has somebody who waits for it.
///
/// Give it what happens by `handle_*`. Then write [`Session::outgoing`], and tell each of [`Session::next_answer`].
/// Where the session ends, [`Session::into_waiters`] are those who got no answer.
#[derive(Debug)]
pub(super) struct Session<W> {
    received: Vec<u8>,
    /// Octets that are still to come of a message which is passed over.
    passing: usize,
    outgoing: Vec<u8>,
    last_id: u32,
    underway: BTreeMap<u32, Underway<W>>,
    given_up: BTreeSet<u32>,
    /// Octets of the values of all that is under way.
    held: usize,
    /// Octets that came for what was given up, and for nobody.
    late: usize,
    /// Whether something came that answers nothing that was asked.
    strayed: bool,
    answers: VecDeque<(W, Result<Entries, Failure>)>,
}

impl<W> Session<W> {
    /// A session whose last request had that number, all of which have been answered. `received` is what came after.
    pub(super) const fn new(last_id: u32, received: Vec<u8>) -> Self {
        Self {
            received,
            passing: 0,
            outgoing: Vec::new(),
            last_id,
            underway: BTreeMap::new(),
            given_up: BTreeSet::new(),
            held: 0,
            late: 0,
            strayed: false,
            answers: VecDeque::new(),
        }
    }

    /// Asks for something more.
    pub(super) fn handle_search(&mut self, search: Search, waiter: W, now: Instant) {
        self.send(Underway::new(search, waiter), now);
    }

    /// Whoever waits for the search of that waiter does not any more.
    pub(super) fn handle_given_up(&mut self, is: impl Fn(&W) -> bool) {
        let given_up = self
            .underway
            .iter()
            .find(|(_, underway)| is(underway.waiter()))
            .map(|(id, _)| *id);
        if let Some(id) = given_up {
            self.give_up(id);
        }
    }

    /// Takes what the server sent. Gives whether any of it is a message; an error ends the session.
    pub(super) fn handle_octets(&mut self, octets: &[u8], now: Instant) -> Result<bool, Failure> {
        let passed = self.passing.min(octets.len());
        self.passing -= passed;
        let octets = octets.get(passed..).unwrap_or_default();
        // What was received is taken out, so that each message can be handled where it stands.
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(octets);
        let mut at = 0;
        let taken = loop {
            let rest = received.get(at..).unwrap_or_default();
            match self.handle_first(rest, now) {
                Ok(Some(length)) => at += length,
                Ok(None) => break Ok(at > 0),
                Err(failure) => break Err(failure),
            }
        };
        received.drain(..at);
        self.received = received;
        taken
    }

    /// Takes the message with which `octets` begin, and gives its length; `None` where it is not whole yet.
    fn handle_first(&mut self, octets: &[u8], now: Instant) -> Result<Option<usize>, Failure> {
        let Some(header) = Header::read(octets).map_err(Failure::Wire)? else {
            return Ok(None);
        };
        if let Err(long) = header.check() {
            return self.handle_long(header, octets, long);
        }
        let Some(one) = octets.get(..header.length()) else {
            return Ok(None);
        };
        match message::decode(one) {
            Ok(message) => self.handle_message(message, one.len(), now)?,
            Err(error) => match header.id(one) {
                Some(id) => self.handle_broken(id, one.len(), error),
                None => return Err(Failure::Wire(error)),
            },
        }
        Ok(Some(one.len()))
    }

    /// Passes over a message that is longer than is read, as far as that may be.
    fn handle_long(
        &mut self,
        header: Header,
        octets: &[u8],
        long: WireError,
    ) -> Result<Option<usize>, Failure> {
        let most = PASSED_OCTETS.saturating_sub(self.late);
        if !header.is_id_there(octets) {
            return Ok(None);
        }
        let Some(id) = header.id(octets) else {
            return Err(Failure::Wire(long));
        };
        // Whoever waits for it is not to end another session in the same way.
        self.handle_broken(id, header.length(), long.clone());
        if header.length() > most {
            return Err(Failure::Wire(long));
        }
        let come = octets.len().min(header.length());
        self.passing = header.length() - come;
        Ok(Some(come))
    }

    /// What came with that id, in so many octets, cannot be taken: whoever waits for it is told so.
    fn handle_broken(&mut self, id: u32, length: usize, error: WireError) {
        self.late = self.late.saturating_add(length);
        match self.give_up(id) {
            Some(underway) => self.answers.push_back(underway.end(Failure::Wire(error))),
            None => self.strayed |= !self.given_up.contains(&id),
        }
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
            && !self.strayed
            && self.given_up.len() < MOST_GIVEN_UP
            && self.late < LATE_OCTETS
            && self.outgoing.len() < OUTGOING_OCTETS
    }

    /// Whether the server has answered something that was not asked. Who waits may wait in vain, then.
    pub(super) const fn has_strayed(&self) -> bool {
        self.strayed
    }

    /// All who wait for an answer.
    pub(super) fn into_waiters(self) -> impl Iterator<Item = W> {
        let underway = self.underway.into_values();
        underway.map(Underway::into_waiter)
    }

    fn handle_message(
        &mut self,
        message: Message,
        length: usize,
        now: Instant,
    ) -> Result<(), Failure> {
        let id = message.id;
        let operation = message.operation;
        // Whatever it is about: OpenLDAP and Active Directory say nothing unasked but this (RFC 4511 §4.4.1).
        if let (0, Operation::Extended(result)) = (id, &operation) {
            return Err(Failure::Disconnected(result.clone()));
        }
        let Some(underway) = self.underway.get_mut(&id) else {
            self.late = self.late.saturating_add(length);
            self.strayed |= !self.given_up.contains(&id);
            if matches!(operation, Operation::SearchDone(_)) {
                self.given_up.remove(&id);
            }
            return Ok(());
        };
        match operation {
            Operation::Entry(entry) => {
                let before = underway.octets;
                let added = underway.add(entry);
                self.held = self.held + underway.octets - before;
                match added {
                    Ok(()) => self.end_largest(),
                    Err(failure) => self.fail(id, failure),
                }
            }
            Operation::Intermediate => {}
            Operation::Reference => underway.referred = true,
            Operation::SearchDone(result) => self.handle_done(id, result, message.cookie, now),
            Operation::Bound(_) | Operation::Extended(_) => {
                self.fail(id, Failure::Wire(WireError::Unexpected));
            }
        }
        Ok(())
    }

    /// While the unfinished answers are too much together, ends the largest one: whose it is has most to do with it.
    fn end_largest(&mut self) {
        while let Err(limit) =
            LimitError::check("octets of unfinished answers", self.held, SESSION_OCTETS)
        {
            let largest = self.underway.iter().max_by_key(|(_, one)| one.octets);
            let Some(id) = largest.map(|(id, _)| *id) else {
                return;
            };
            self.fail(id, Failure::TooMuch(limit));
        }
    }

    fn handle_done(&mut self, id: u32, result: LdapResult, cookie: Option<Vec<u8>>, now: Instant) {
        let Some(mut underway) = self.remove(id) else {
            return;
        };
        let more = cookie.filter(|cookie| !cookie.is_empty());
        match underway.proceed(result, more) {
            Ok(true) => self.send(underway, now),
            Ok(false) => self.answers.push_back(underway.finish()),
            Err(failure) => self.answers.push_back(underway.end(failure)),
        }
    }

    /// Sends the request for what is to be asked next.
    fn send(&mut self, underway: Underway<W>, now: Instant) {
        let Some(id) = self.next_id() else {
            let over = Failure::Wire(WireError::OutOfIds);
            self.answers.push_back(underway.end(over));
            return;
        };
        self.outgoing
            .extend_from_slice(&request(id, &underway, now));
        self.held += underway.octets;
        self.underway.insert(id, underway);
    }

    /// Ends a search for which more may come.
    fn fail(&mut self, id: u32, failure: Failure) {
        if let Some(underway) = self.give_up(id) {
            self.answers.push_back(underway.end(failure));
        }
    }

    /// Takes a search away for which more may come, and tells the server so (RFC 4511 §4.11).
    fn give_up(&mut self, id: u32) -> Option<Underway<W>> {
        let underway = self.remove(id)?;
        self.given_up.insert(id);
        if let Some(own) = self.next_id() {
            self.outgoing.extend_from_slice(&message::abandon(own, id));
        }
        Some(underway)
    }

    fn remove(&mut self, id: u32) -> Option<Underway<W>> {
        let underway = self.underway.remove(&id)?;
        self.held -= underway.octets;
        Some(underway)
    }

    /// One that was never used: when an abandoned request is over nobody can tell (RFC 4511 §4.1.1.1).
    fn next_id(&mut self) -> Option<u32> {
        let id = self.last_id.checked_add(1).filter(|id| *id <= MOST_ID)?;
        self.last_id = id;
        Some(id)
    }
}

/// The request for what is to be asked next.
fn request<W>(id: u32, underway: &Underway<W>, now: Instant) -> Vec<u8> {
    let search = &underway.search;
    let left = search.deadline.saturating_duration_since(now).as_secs();
    let whole = SearchRequest {
        base: search.base.as_bytes(),
        scope: Scope::Subtree,
        filter: &search.filter,
        attributes: &ATTRIBUTES,
        // One more tells that there are more.
        size_limit: u32::try_from(MOST_ENTRIES + 1).unwrap_or(u32::MAX),
        // At most 2^31 - 1 (RFC 4511 §4.5.1).
        time_limit: u32::try_from(left.saturating_add(1)).map_or(MOST_ID, |left| left.min(MOST_ID)),
        page: None,
    };
    match &underway.asked {
        Asked::Page(cookie) => {
            let size = PAGE_ENTRIES;
            let page = search.paged.then_some(Page { size, cookie });
            message::search(id, &SearchRequest { page, ..whole })
        }
        Asked::Rest(rest) => {
            let rest = SearchRequest {
                base: &rest.entry,
                scope: Scope::Base,
                // Every entry has it (RFC 4512 §2.4).
                filter: &Filter::Present("objectClass".to_owned()),
                attributes: &[&rest.description()],
                ..whole
            };
            message::search(id, &rest)
        }
        Asked::Nothing => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
