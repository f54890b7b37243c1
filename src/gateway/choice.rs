//! What a search came to: which candidate is encrypted to, or why none is, and what an administrator should hear.
//!
//! Of those that are good the pinned one, else the one of the surest source, else the newest. Failure is not absence:
//! *absent* is left when nothing else is.

use std::collections::BTreeSet;

use crate::gateway::search::Asked;
use crate::gateway::search::Authentication;
use crate::gateway::search::BareKey;
use crate::gateway::search::Candidate;
use crate::gateway::search::KeyInUse;
use crate::gateway::search::Known;
use crate::gateway::search::Said;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
use crate::octets::hex;
use crate::policy::facts::LookupResult;
use crate::policy::facts::LookupSource;
use crate::policy::lookup::ChangeBy;
use crate::policy::partner::Fingerprint;
use crate::policy::partner::Partner;
use crate::x509::Certificate;
use crate::x509::Time;

/// What is known of the certificate of one subject.
#[derive(Clone, Debug)]
pub enum Finding {
    /// A definite "none published".
    Absent,
    /// This one is good.
    Found(Box<Certificate>),
    /// Some are published, and none is good; why, one reason each.
    Invalid(Vec<String>),
    /// Nobody knows.
    Unavailable(String),
}

impl Finding {
    /// What rules see of it.
    #[must_use]
    pub const fn result(&self) -> LookupResult {
        match self {
            Self::Absent => LookupResult::Absent,
            Self::Found(_) => LookupResult::Found,
            Self::Invalid(_) => LookupResult::Invalid,
            Self::Unavailable(_) => LookupResult::Unavailable,
        }
    }

    /// The certificate, where one is good.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Found(certificate) => Some(certificate),
            Self::Absent | Self::Invalid(_) | Self::Unavailable(_) => None,
        }
    }
}

/// What the policy says of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What was agreed with its domain.
    pub partner: Option<&'a Partner>,
    /// Who may change its key.
    pub change_by: &'a [ChangeBy],
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What rules and encryption see of it.
    pub finding: Finding,
    /// Which candidate of the search was chosen, and why it and no other.
    pub chosen: Option<(usize, String)>,
    /// Of each candidate of the search why it is not good; `None` where it is.
    pub refused: Vec<Option<String>>,
    /// Good candidates with another key than the one in use, which wait for an administrator, and why.
    pub pending: Vec<(usize, String)>,
    /// What an administrator should hear of.
    pub events: Vec<Event>,
}

/// What an administrator should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A key without a certificate is another than that of the certificate that was chosen.
    Contradicted(LookupSource),
    /// Two sources name different keys.
    Conflict(LookupSource, LookupSource),
    /// The certificate with this fingerprint has another key than the one in use; whether it is used.
    KeyChanged(Fingerprint, bool),
}

/// A candidate that is good.
#[derive(Clone, Copy)]
pub(super) struct Good<'a> {
    pub(super) place: usize,
    pub(super) candidate: &'a Candidate,
    /// What is sure of it in the end: an SMIMEA record that matches raises what its own source says.
    pub(super) authentication: Authentication,
    /// Whether its path is valid.
    pub(super) path: bool,
}

impl Good<'_> {
    fn key(&self) -> &[u8] {
        self.candidate.certificate.spki()
    }

    fn source(&self) -> LookupSource {
        self.candidate.provenance.source
    }

    fn rank(&self) -> (Authentication, Time) {
        (self.authentication, self.candidate.certificate.not_before())
    }
}

impl Choice {
    /// Whether there is something to take note of, or to tell: a certificate that is used, since an administrator may have
    /// rejected it while sources were asked; one that waits; an event.
    #[must_use]
    pub fn is_to_be_noted(&self) -> bool {
        self.chosen.is_some() || !self.pending.is_empty() || !self.events.is_empty()
    }

    fn choose(&mut self, one: &Good<'_>, reason: impl Into<String>) {
        let certificate = one.candidate.certificate.clone();
        self.finding = Finding::Found(Box::new(certificate));
        self.chosen = Some((one.place, reason.into()));
    }

    /// A pinned one never changes by itself; what has another key waits.
    pub(super) fn pinned(
        &mut self,
        subject: Subject<'_>,
        search: &Search,
        good: &[Good<'_>],
        (pin, by_policy, unknown): (&Fingerprint, bool, Option<String>),
    ) {
        let (pinned, others): (Vec<&Good<'_>>, Vec<&Good<'_>>) = good
            .iter()
            .partition(|one| pin.is_of(&one.candidate.certificate));
        let key = match (pinned.first(), &search.known.in_use) {
            (Some(one), _) => Some(one.candidate.certificate.spki_sha256()),
            (None, Some(known)) if known.fingerprint == *pin => Some(known.spki),
            (None, _) => None,
        };
        for one in &others {
            // Another certificate of the same key is a renewal, and asks for nothing but a new pin.
            if key != Some(one.candidate.certificate.spki_sha256()) {
                let by = if by_policy {
                    " by the policy: change dca there, or reject this one"
                } else {
                    ""
                };
                self.wait(
                    one,
                    &format!("another key than that of {pin}, which is pinned{by}"),
                );
            }
        }
        if let Some(one) = pinned.first() {
            self.choose(one, "it is pinned");
            return;
        }
        let mut reasons: Vec<String> = self.refused.iter().flatten().cloned().collect();
        let others = others.iter().map(|one| {
            format!(
                "the certificate of {} is not the one that is pinned, {pin}",
                one.candidate.certificate.subject_name()
            )
        });
        reasons.extend(others);
        self.finding = match (unavailable(search), unknown) {
            (Some(reason), _) | (None, Some(reason)) => Finding::Unavailable(reason),
            // What somebody has named is never absent: it is not at hand.
            (None, None) if reasons.is_empty() => Finding::Unavailable(format!(
                "the certificate {pin}, which is pinned for {subject}, was not found"
            )),
            (None, None) => Finding::Invalid(reasons),
        };
    }

    /// Another key, which is not used unless an administrator says so.
    fn wait(&mut self, one: &Good<'_>, reason: &str) {
        let fingerprint = Fingerprint::of(&one.candidate.certificate);
        self.events.push(Event::KeyChanged(fingerprint, false));
        self.pending.push((one.place, reason.to_owned()));
    }

    /// One of several that are good, where none is pinned.
    pub(super) fn among(&mut self, search: &Search, good: Vec<Good<'_>>, terms: Terms<'_>) {
        if let Some((one, other)) = conflict(&good) {
            self.events.push(Event::Conflict(one, other));
        }
        let in_use = search.known.in_use.as_ref();
        let (usable, pending): (Vec<Good<'_>>, Vec<Good<'_>>) = good
            .into_iter()
            .partition(|one| may_be_used(one, &search.known, terms));
        for one in &pending {
            let source = one.source().as_str();
            self.wait(
                one,
                &format!("another key than the one in use, and {source} may not change it"),
            );
        }
        let Some(best) = usable.iter().max_by_key(|one| one.rank()) else {
            let names = pending
                .iter()
                .map(|one| one.candidate.certificate.fingerprint());
            self.finding = Finding::Unavailable(format!(
                "its key has changed, and nobody who may change it says so: look at it with `domsec certs list`, then \
                 `domsec certs approve` or `reject` {}",
                names.collect::<Vec<_>>().join(" or ")
            ));
            return;
        };
        let rivals = usable.iter().filter(|one| {
            let apart = one.source() != best.source() || one.rank() == best.rank();
            one.authentication == best.authentication && one.key() != best.key() && apart
        });
        let best = match rivals.max_by_key(|one| one.rank()) {
            None => best,
            // The one that is in use is no choice of the moment; any other would be one of chance.
            Some(rival) => match usable
                .iter()
                .filter(|one| is_in_use(one, in_use))
                .max_by_key(|one| one.rank())
            {
                Some(known) => known,
                None => {
                    let reason = format!(
                        "{} and {} name different keys: pin the right one with `domsec certs pin`",
                        best.source().as_str(),
                        rival.source().as_str()
                    );
                    // So that there is something to pin.
                    let both = [best, rival].map(|one| (one.place, reason.clone()));
                    self.pending.extend(both);
                    self.finding = Finding::Unavailable(reason);
                    return;
                }
            },
        };
        if let Some(finding) = self.doubt(search, best, in_use) {
            self.finding = finding;
            return;
        }
        if in_use.is_some() && !is_in_use(best, in_use) {
            let fingerprint = Fingerprint::of(&best.candidate.certificate);
            self.events.push(Event::KeyChanged(fingerprint, true));
        }
        self.choose(best, why(best, &usable, in_use));
    }

    /// What speaks against `best`, which is good in itself.
    fn doubt(
        &mut self,
        search: &Search,
        best: &Good<'_>,
        in_use: Option<&KeyInUse>,
    ) -> Option<Finding> {
        let of = |source: LookupSource| search.keys.iter().filter(move |key| key.source == source);
        for source in LookupSource::ALL {
            let mut keys = of(source).peekable();
            if keys.peek().is_none() || keys.any(|key| key.spki == best.key()) {
                continue;
            }
            self.events.push(Event::Contradicted(source));
            // The one that is in use is no choice of the moment: as much as it has been believed, somebody must be more.
            let contradicts = |key: &BareKey| match is_in_use(best, in_use) {
                true => key.authentication > best.authentication,
                false => key.authentication >= best.authentication,
            };
            if of(source).any(contradicts) {
                let reason = format!(
                    "{} has a certificate, and {} gives another key: pin the right one with `domsec certs pin`",
                    best.source().as_str(),
                    source.as_str()
                );
                if !is_in_use(best, in_use) {
                    self.pending.push((best.place, reason.clone()));
                }
                return Some(Finding::Unavailable(reason));
            }
        }
        // Without a path it stands on the word of its source: somebody who is surer might say otherwise, and whoever
        // keeps him from it must gain nothing.
        let surer = |source: LookupSource| surest(source) > best.authentication;
        let silent = search
            .asked
            .iter()
            .find(|asked| matches!(asked.said, Said::Unavailable(_)) && surer(asked.source));
        match silent {
            Some(asked) if !best.path && !is_in_use(best, in_use) => {
                Some(Finding::Unavailable(format!(
                    "{} has a certificate without a path to an anchor, and {} did not answer: {}",
                    best.source().as_str(),
                    asked.source.as_str(),
                    asked.said.reason().unwrap_or_default()
                )))
            }
            _ => None,
        }
    }
}

/// What a search is worth that brought nothing good.
pub(super) fn nothing_good(
    search: &Search,
    refused: &[Option<String>],
    unknown: Option<String>,
) -> Finding {
    if let Some(reason) = unavailable(search).or(unknown) {
        return Finding::Unavailable(reason);
    }
    let mut reasons: Vec<String> = refused.iter().flatten().cloned().collect();
    reasons.extend(search.asked.iter().filter_map(|asked| match &asked.said {
        Said::Invalid(reason) => Some(format!("{}: {reason}", asked.source.as_str())),
        Said::Absent(_) | Said::Found | Said::Unavailable(_) => None,
    }));
    if !reasons.is_empty() {
        return Finding::Invalid(reasons);
    }
    if !search.associations.is_empty() {
        return Finding::Unavailable(
            "SMIMEA records say which certificate it is, and no source has that".to_owned(),
        );
    }
    if let Some(key) = search.keys.first() {
        return Finding::Unavailable(format!(
            "{} gives a key without a certificate, and nothing is encrypted to that",
            key.source.as_str()
        ));
    }
    if let Some(waiting) = search.known.pending.first() {
        return Finding::Unavailable(format!(
            "the certificate {waiting} waits for an administrator: look at it with `domsec certs list`"
        ));
    }
    let absent = |asked: &Asked| matches!(asked.said, Said::Absent(_));
    if search.asked.is_empty() || !search.asked.iter().all(absent) {
        return Finding::Unavailable(
            "none of the sources that the policy names for it covers it: look at `order` in [lookup] and `sources` of the \
             partner"
                .to_owned(),
        );
    }
    // Whoever stands on the way can say that there is none any more, and whoever never had it says nothing by that.
    let Some(in_use) = &search.known.in_use else {
        return Finding::Absent;
    };
    let kept = search.known.kept.as_ref();
    let shown_by = kept.map(|kept| kept.provenance.source);
    let mut asked = search.asked.iter();
    if asked.any(|asked| asked.authentic && Some(asked.source) == shown_by) {
        return Finding::Absent;
    }
    Finding::Unavailable(format!(
        "the certificate {} was in use, and {} does not say, with proof, that it is withdrawn: `domsec certs reject` it \
         if it is",
        hex(&in_use.fingerprint.0),
        shown_by.map_or("its source", LookupSource::as_str)
    ))
}

/// The first source of those that did not answer, with its reason.
fn unavailable(search: &Search) -> Option<String> {
    if let Some(reason) = &search.failed {
        return Some(reason.clone());
    }
    search.asked.iter().find_map(|asked| match &asked.said {
        Said::Unavailable(reason) => Some(format!(
            "{} did not answer: {reason}",
            asked.source.as_str()
        )),
        Said::Absent(_) | Said::Found | Said::Invalid(_) => None,
    })
}

/// Two sources of which neither has a key that the other has.
fn conflict(good: &[Good<'_>]) -> Option<(LookupSource, LookupSource)> {
    let keys = |source: LookupSource| -> BTreeSet<&[u8]> {
        let of = good.iter().filter(move |one| one.source() == source);
        of.map(Good::key).collect()
    };
    let sources: BTreeSet<LookupSource> = good.iter().map(Good::source).collect();
    let sources: Vec<(LookupSource, BTreeSet<&[u8]>)> = sources
        .into_iter()
        .map(|source| (source, keys(source)))
        .collect();
    let mut rest = sources.as_slice();
    while let [(one, keys), others @ ..] = rest {
        if let Some((other, _)) = others.iter().find(|(_, other)| keys.is_disjoint(other)) {
            return Some((*one, *other));
        }
        rest = others;
    }
    None
}

fn is_in_use(one: &Good<'_>, in_use: Option<&KeyInUse>) -> bool {
    in_use.is_some_and(|in_use| in_use.spki == one.candidate.certificate.spki_sha256())
}

/// Whether it has the key that is in use, or may take its place. Where one was rejected, and none is in use, the next
/// one is no first one either.
fn may_be_used(one: &Good<'_>, known: &Known, terms: Terms<'_>) -> bool {
    let in_use = known.in_use.as_ref();
    let is_first = in_use.is_none() && known.rejected.is_empty();
    let issuer = one.candidate.certificate.issuer();
    is_first
        || is_in_use(one, in_use)
        || terms.change_by.iter().any(|by| match by {
            ChangeBy::Dnssec => one.authentication == Authentication::Dnssec,
            ChangeBy::SameIssuer => {
                one.path && in_use.is_some_and(|in_use| in_use.issuer == issuer)
            }
            ChangeBy::Source(source) => *source == one.source(),
        })
}

/// The surest that a source can be.
const fn surest(source: LookupSource) -> Authentication {
    match source {
        LookupSource::Directory => Authentication::Local,
        LookupSource::Mcek | LookupSource::Smimea | LookupSource::Smtp => Authentication::Dnssec,
        LookupSource::Ldap => Authentication::Bind,
        LookupSource::Harvest => Authentication::None,
    }
}

fn why(best: &Good<'_>, usable: &[Good<'_>], in_use: Option<&KeyInUse>) -> String {
    let path = if best.path {
        "its path leads to an anchor"
    } else {
        "its source proves whose it is"
    };
    let others = usable.iter().filter(|one| one.place != best.place);
    let compared = match others.map(|one| one.authentication).max() {
        None => "it is the only good one",
        Some(_) if is_in_use(best, in_use) => "it has the key that is in use",
        Some(other) if best.authentication > other => "its source is the surest",
        Some(_) => "it is the newest of the surest sources",
    };
    format!("{compared}; {path}")
}
