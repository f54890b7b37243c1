//! What may become of the certificates of one subject: the one place where states change.
//!
//! Pure: the entries of the subject in, the same with other states out. Every store writes down what comes out.

use super::Act;
use super::Entry;
use super::Order;
use super::Settled;
use super::Settlement;
use super::State;
use crate::gateway::search::Candidate;
use crate::gateway::search::KeyInUse;
use crate::gateway::search::Known;
use crate::gateway::search::Owner;
use crate::policy::partner::Fingerprint;
use crate::x509::Time;

/// Certificates of one subject that wait, and as many that were in use. Who publishes a new one for each look at
/// it must not fill the store; an administrator who looks at some will not look at more.
const MOST: usize = 32;

/// How much later a certificate must be seen for that to be written down, in seconds: not every message waits for
/// the disk.
const SEEN_GRAIN: i64 = 3600;

/// What is to be remembered of a subject with these entries.
pub(super) fn known(entries: &[Entry]) -> Known {
    let in_use = entries.iter().find(|entry| entry.state.is_in_use());
    let with = |state| {
        let found = entries.iter().filter(move |entry| entry.state == state);
        found.map(|entry| entry.fingerprint)
    };
    Known {
        pinned: with(State::Pinned).next(),
        in_use: in_use.map(|entry| KeyInUse {
            spki: entry.key(),
            fingerprint: entry.fingerprint,
            issuer: entry.candidate.certificate.issuer().to_vec(),
        }),
        // What came along is of use where no source shows it: many subjects are remembered, of whom few are pinned.
        kept: in_use.map(|entry| {
            let mut candidate = entry.candidate.clone();
            if entry.state != State::Pinned {
                candidate.chain.clear();
            }
            Box::new(candidate)
        }),
        pending: with(State::Pending).collect(),
        rejected: with(State::Rejected).collect(),
        rejected_keys: {
            let with_key = entries.iter().filter(|entry| entry.with_key);
            let mut keys: Vec<[u8; 32]> = with_key.map(Entry::key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        },
    }
}

/// Whether carrying out `settlement` would write nothing, as far as `known` tells: the same certificate, seen an
/// hour ago or less.
pub(super) fn is_no_news(known: &Known, settlement: &Settlement) -> bool {
    let (Some(chosen), Some(kept)) = (&settlement.in_use, &known.kept) else {
        return false;
    };
    settlement.pending.is_empty()
        && is_basis(known, settlement)
        && chosen.certificate == kept.certificate
        && !is_newer_sight(kept, chosen)
}

/// Whether `settlement` was decided upon what is known still.
fn is_basis(known: &Known, settlement: &Settlement) -> bool {
    let in_use = |known: &Known| known.in_use.as_ref().map(|key| key.fingerprint);
    let of_choice = settlement.in_use.as_ref().map(fingerprint);
    known.pinned == settlement.known.pinned
        && known.rejected == settlement.known.rejected
        && known.rejected_keys == settlement.known.rejected_keys
        && in_use(known) == in_use(&settlement.known)
        && !of_choice.is_some_and(|choice| known.rejected.contains(&choice))
        && !of_choice.is_some_and(|choice| known.pinned.is_some_and(|pinned| pinned != choice))
}

/// Carries out `settlement` on the entries of its subject.
pub(super) fn settle(entries: &mut Vec<Entry>, owner: &Owner, settlement: &Settlement) -> Settled {
    let known = known(entries);
    if !is_basis(&known, settlement) {
        return Settled::Outdated(Box::new(known));
    }
    let now = settlement.now;
    if let Some(candidate) = &settlement.in_use {
        let at = sight(entries, owner, candidate, now);
        if let Some(entry) = entries.get_mut(at).filter(|entry| !entry.state.is_in_use()) {
            entry.become_now(State::Active, &settlement.reason, now);
            retire_others(entries, at, now);
        }
    }
    for (candidate, reason) in &settlement.pending {
        let at = sight(entries, owner, candidate, now);
        if let Some(entry) = entries.get_mut(at) {
            match entry.state {
                State::Retired => entry.become_now(State::Pending, reason, now),
                // It has just been put there.
                State::Pending if entry.id == 0 && entry.reason.is_empty() => {
                    entry.reason.clone_from(reason);
                }
                State::Active | State::Pending | State::Pinned | State::Rejected => {}
            }
        }
    }
    forget_oldest(entries, State::Pending);
    forget_oldest(entries, State::Retired);
    Settled::Kept
}

/// Carries out `order` on the entries of one subject; `Err` says what to do before.
pub(super) fn act(entries: &mut [Entry], order: &Order) -> Result<(), String> {
    let pinned = entries.iter().find(|entry| entry.state == State::Pinned);
    let other_pin = pinned
        .map(|entry| entry.fingerprint)
        .filter(|pinned| *pinned != order.fingerprint);
    let at = entries
        .iter()
        .position(|entry| entry.fingerprint == order.fingerprint);
    let Some((at, entry)) = at.and_then(|at| entries.get_mut(at).map(|entry| (at, entry))) else {
        return Ok(());
    };
    let owner = &entry.owner;
    let key = entry.key();
    let wanted = match (order.act, entry.state) {
        (Act::Approve, State::Active | State::Pinned)
        | (Act::Pin, State::Pinned)
        | (Act::Reject, State::Rejected) => return Ok(()),
        (Act::RejectKey, _) => {
            let of_key = entries.iter_mut().filter(|entry| entry.key() == key);
            for entry in of_key.filter(|entry| !entry.with_key) {
                entry.become_now(State::Rejected, &order.reason, order.now);
                entry.with_key = true;
            }
            return Ok(());
        }
        (Act::Approve, State::Pending | State::Rejected | State::Retired) => {
            if let Some(pinned) = other_pin {
                return Err(format!(
                    "for {owner} another is pinned: unpin {pinned} before"
                ));
            }
            State::Active
        }
        (Act::Pin, State::Rejected) => {
            return Err(format!("for {owner} it is rejected: approve it before"));
        }
        (Act::Pin, State::Active | State::Pending | State::Retired) => State::Pinned,
        (Act::Reject, State::Active | State::Pending | State::Pinned | State::Retired) => {
            State::Rejected
        }
        (Act::Unpin, State::Pinned) => State::Active,
        (Act::Unpin, State::Active | State::Pending | State::Rejected | State::Retired) => {
            return Err(format!(
                "for {owner} it is not pinned, but {}",
                entry.state.as_str()
            ));
        }
    };
    entry.become_now(wanted, &order.reason, order.now);
    if wanted.is_in_use() {
        retire_others(entries, at, order.now);
        // Whoever wants one of the key wants the key; others that were rejected with it stay so by themselves.
        for entry in entries.iter_mut().filter(|entry| entry.key() == key) {
            entry.with_key = false;
        }
    }
    Ok(())
}

impl Entry {
    /// SHA-256 of its SubjectPublicKeyInfo.
    fn key(&self) -> [u8; 32] {
        self.candidate.certificate.spki_sha256()
    }

    fn become_now(&mut self, state: State, reason: &str, now: Time) {
        self.state = state;
        self.with_key = false;
        reason.clone_into(&mut self.reason);
        self.changed = now;
    }
}

/// SHA-256 of a candidate's certificate.
pub(super) fn fingerprint(candidate: &Candidate) -> Fingerprint {
    Fingerprint::of(&candidate.certificate)
}

/// Takes note that `candidate` was seen; returns where its entry is. A new one waits.
fn sight(entries: &mut Vec<Entry>, owner: &Owner, candidate: &Candidate, now: Time) -> usize {
    let fingerprint = fingerprint(candidate);
    let at = entries
        .iter()
        .position(|entry| entry.fingerprint == fingerprint);
    if let Some((at, entry)) = at.and_then(|at| entries.get_mut(at).map(|entry| (at, entry))) {
        if is_newer_sight(&entry.candidate, candidate) {
            entry.candidate.provenance = candidate.provenance;
            if !candidate.chain.is_empty() {
                entry.candidate.chain.clone_from(&candidate.chain);
            }
        }
        return at;
    }
    entries.push(Entry {
        id: 0,
        owner: owner.clone(),
        fingerprint,
        candidate: candidate.clone(),
        state: State::Pending,
        with_key: false,
        reason: String::new(),
        first_seen: candidate.provenance.seen,
        changed: now,
    });
    entries.len() - 1
}

/// Whether `seen` says something new of a certificate that is kept: it is better authenticated, or an hour later.
fn is_newer_sight(kept: &Candidate, seen: &Candidate) -> bool {
    let (kept, seen) = (&kept.provenance, &seen.provenance);
    seen.authentication > kept.authentication
        || seen.seen.unix().saturating_sub(kept.seen.unix()) >= SEEN_GRAIN
}

fn retire_others(entries: &mut [Entry], in_use: usize, now: Time) {
    for (at, entry) in entries.iter_mut().enumerate() {
        if at != in_use && entry.state.is_in_use() {
            entry.become_now(State::Retired, "another is in use since", now);
        }
    }
}

/// Drops those in `state` that were seen last, beyond as many as are kept.
fn forget_oldest(entries: &mut Vec<Entry>, state: State) {
    while entries.iter().filter(|entry| entry.state == state).count() > MOST {
        let oldest = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.state == state)
            .min_by_key(|(at, entry)| (entry.candidate.provenance.seen, *at))
            .map(|(at, _)| at);
        if let Some(oldest) = oldest {
            entries.remove(oldest);
        }
    }
}
