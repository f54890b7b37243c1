//! Which of the certificates that a search found is encrypted to, and why none is.
//!
//! A pure function of the search, the policy and the time. A certificate whose path leads to an anchor stands on its
//! own, wherever it was found; one without needs a source that proves whose it is. Then names, purpose, dates and
//! revocation count; of the good ones the pinned, else the one of the surest source, else the newest.

use std::collections::BTreeSet;

use crate::address::Domain;
use crate::cms::write_recipient::KeyEncryption;
use crate::crypto::ContentEncryption;
use crate::crypto::Provider;
use crate::domsec::naming::Names;
use crate::gateway::associated::Associated;
use crate::gateway::certificates::Finding;
use crate::gateway::certificates::Subject;
use crate::gateway::judge::chain;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::KeyInUse;
use crate::gateway::search::Said;
use crate::gateway::search::Search;
use crate::gateway::search::Usage;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::octets::hex;
use crate::policy::facts::LookupSource;
use crate::policy::lookup::ChangeBy;
use crate::policy::partner::Fingerprint;
use crate::policy::partner::Partner;
use crate::policy::partner::PinnedCertificate;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::PathRequest;
use crate::x509::PathValidation;
use crate::x509::SimplePaths;
use crate::x509::Time;
use crate::x509::Verdict;
use crate::x509::path::InitialPolicies;
use crate::x509::path::PathFault;
use crate::x509::path::Purpose;
use crate::x509::path::RevocationMode;
use crate::x509::purpose::may_receive_mail;

/// What judging a certificate for encryption needs.
#[derive(Clone, Copy, Debug)]
pub struct Chooser<'a> {
    /// Validates paths, and knows the anchors.
    pub paths: &'a dyn PathValidation,
    /// Certificates that paths may lead through.
    pub intermediates: &'a [Certificate],
    /// CRLs at hand.
    pub crls: &'a [Crl],
    /// The time for which to judge.
    pub now: Time,
    /// How revocation counts.
    pub revocation: RevocationMode,
    /// The partners with whom the former names of RFC 3183 are agreed (draft §2.6).
    pub former_names: &'a [Domain],
    /// For paths to anchors that SMIMEA records name.
    pub provider: &'a Provider,
    /// Bounds on such paths.
    pub limits: &'a Limits,
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
struct Good<'a> {
    place: usize,
    candidate: &'a Candidate,
    /// What is sure of it in the end: an SMIMEA record that matches raises what its own source says.
    authentication: Authentication,
    /// Whether its path is valid.
    path: bool,
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

enum Refusal {
    /// It may be good; nobody knows now.
    Unknown(String),
    /// It is not.
    Wrong(String),
}

impl Refusal {
    fn into_reason(self) -> String {
        match self {
            Self::Unknown(reason) | Self::Wrong(reason) => reason,
        }
    }
}

impl Chooser<'_> {
    /// Chooses the certificate to encrypt to for `subject`. Each refusal keeps its reason.
    #[must_use]
    pub fn choose(
        &self,
        subject: Subject<'_>,
        search: &Search,
        terms: Terms<'_>,
        budget: &mut Budget,
    ) -> Choice {
        let pin = pin(subject, terms.partner).or(search.known.pinned);
        let mut refused: Vec<Option<String>> = vec![None; search.candidates.len()];
        let mut unknown = None;
        let mut good = Vec::new();
        for place in judging_order(search, pin.as_ref()) {
            let Some(candidate) = search.candidates.get(place) else {
                continue;
            };
            let pinned = pin.is_some_and(|pin| pin.is_of(&candidate.certificate));
            match self.judge(subject, search, candidate, pinned, budget) {
                Ok((authentication, path)) => good.push(Good {
                    place,
                    candidate,
                    authentication,
                    path,
                }),
                Err(refusal) => {
                    if let Refusal::Unknown(reason) = &refusal {
                        unknown.get_or_insert_with(|| reason.clone());
                    }
                    if let Some(entry) = refused.get_mut(place) {
                        *entry = Some(refusal.into_reason());
                    }
                }
            }
        }
        let mut choice = Choice {
            finding: Finding::Absent,
            chosen: None,
            refused,
            pending: Vec::new(),
            events: Vec::new(),
        };
        if let Some(reason) = &search.failed {
            choice.finding = Finding::Unavailable(reason.clone());
        } else if let Some(pin) = pin {
            choice.pinned(subject, search, &good, (&pin, unknown));
        } else if good.is_empty() {
            choice.finding = nothing_good(search, &choice.refused, unknown);
        } else {
            choice.among(search, good, terms);
        }
        choice
    }

    /// What is sure of `candidate`, and whether its path is valid.
    fn judge(
        &self,
        subject: Subject<'_>,
        search: &Search,
        candidate: &Candidate,
        pinned: bool,
        budget: &mut Budget,
    ) -> Result<(Authentication, bool), Refusal> {
        let certificate = &candidate.certificate;
        let of = |reason: String| {
            let name = certificate.subject_name();
            format!(
                "the certificate of {name}, serial {}: {reason}",
                certificate.serial_hex()
            )
        };
        let wrong = |reason: String| Refusal::Wrong(of(reason));
        let rejected = &search.known.rejected;
        if rejected.iter().any(|rejected| rejected.is_of(certificate)) {
            return Err(wrong("an administrator has rejected it".to_owned()));
        }
        self.check_names(subject, certificate).map_err(wrong)?;
        may_receive_mail(certificate).map_err(|error| wrong(chain(&error)))?;
        KeyEncryption::for_key(certificate.spki(), ContentEncryption::Aes256Cbc)
            .map_err(|_| wrong("nothing can be encrypted to a key of its kind".to_owned()))?;
        let (from, until) = (certificate.not_before(), certificate.not_after());
        if self.now < from || self.now > until {
            return Err(wrong(format!(
                "it is valid from {from} to {until}, not now"
            )));
        }
        let associated = Associated::of(candidate, &search.associations);
        let unnamed = || wrong("the SMIMEA records of its address name another".to_owned());
        if !pinned && !search.associations.is_empty() && associated == Associated::No {
            return Err(unnamed());
        }
        let outcome = match &associated {
            Associated::Anchor(anchor) => {
                let anchors = vec![(**anchor).clone()];
                let verification = self.provider.verification;
                let paths = SimplePaths::new(anchors, verification, self.limits);
                self.path(&paths, candidate, budget)
            }
            Associated::Constrained | Associated::Itself | Associated::No | Associated::Through => {
                self.path(self.paths, candidate, budget)
            }
        };
        let own = candidate.provenance.authentication;
        let authentication = match &associated {
            Associated::No => own,
            Associated::Anchor(_)
            | Associated::Constrained
            | Associated::Itself
            | Associated::Through => own.max(Authentication::Dnssec),
        };
        match outcome {
            Ok(path) => {
                let constraints = search
                    .associations
                    .iter()
                    .filter(|one| one.usage == Usage::CaConstraint);
                let through = || constraints.clone().any(|one| one.matches_path(&path));
                if associated == Associated::Through && !pinned && !through() {
                    return Err(unnamed());
                }
                Ok((authentication, true))
            }
            Err((fault, reason)) => {
                // Whoever proves that it is the owner's vouches for it in the place of a path; of its revocation and of
                // all else that the path says he knows nothing. Whoever pins it vouches for that as well, but not for
                // what is revoked.
                let proven = match &associated {
                    Associated::Itself => true,
                    Associated::No => own.is_authenticated(),
                    Associated::Anchor(_) | Associated::Constrained | Associated::Through => false,
                };
                match fault {
                    Some(PathFault::Revoked { .. }) => Err(wrong(reason)),
                    _ if pinned => Ok((authentication, false)),
                    Some(PathFault::MissingIssuer(_) | PathFault::NotAnchored) if proven => {
                        Ok((authentication, false))
                    }
                    // A missing issuer does not come by waiting; an answer about revocation does.
                    Some(PathFault::RevocationUnknown(_) | PathFault::Limit(_)) => {
                        Err(Refusal::Unknown(of(reason)))
                    }
                    _ => Err(wrong(reason)),
                }
            }
        }
    }

    /// Whether a certificate names the subject: the address as rfc822Name, or the domain by the naming
    /// convention (draft §2.6, §4.1).
    fn check_names(&self, subject: Subject<'_>, certificate: &Certificate) -> Result<(), String> {
        let names = Names {
            former_names_with: self.former_names.to_vec(),
            ..Names::of(certificate)
        };
        let checked = match subject {
            Subject::Dca(domain) => names.check_confidentiality(domain),
            Subject::Recipient(mailbox) => names.check_address(std::slice::from_ref(mailbox)),
        };
        checked.map_err(|error| error.to_string())
    }

    /// Its path, where that is valid; else what is wrong with it, as a value and in words.
    fn path(
        &self,
        paths: &dyn PathValidation,
        candidate: &Candidate,
        budget: &mut Budget,
    ) -> Result<Vec<Certificate>, (Option<PathFault>, String)> {
        let beside;
        let intermediates = if candidate.chain.is_empty() {
            self.intermediates
        } else {
            beside = [self.intermediates, &candidate.chain].concat();
            &beside
        };
        let request = PathRequest {
            target: &candidate.certificate,
            intermediates,
            crls: self.crls,
            at: self.now,
            purpose: Purpose::Smime,
            revocation: self.revocation,
            policies: InitialPolicies::default(),
        };
        let outcome = paths.validate(&request, budget);
        if outcome.verdict == Verdict::Valid {
            return Ok(outcome.chain);
        }
        let reason = outcome
            .error
            .as_ref()
            .map_or_else(|| "no reason was given".to_owned(), |error| chain(error));
        Err((outcome.error.map(|error| error.fault), reason))
    }
}

impl Choice {
    /// Whether there is something to take note of, or to tell.
    #[must_use]
    pub fn is_news(&self, search: &Search) -> bool {
        let in_use = search.known.in_use.as_ref();
        let chosen = self.chosen.as_ref();
        let chosen = chosen.and_then(|(place, _)| search.candidates.get(*place));
        let other = |chosen: &Candidate| {
            in_use.is_none_or(|in_use| !in_use.fingerprint.is_of(&chosen.certificate))
        };
        !self.events.is_empty() || !self.pending.is_empty() || chosen.is_some_and(other)
    }

    fn choose(&mut self, one: &Good<'_>, reason: impl Into<String>) {
        let certificate = one.candidate.certificate.clone();
        self.finding = Finding::Found(Box::new(certificate));
        self.chosen = Some((one.place, reason.into()));
    }

    /// A pinned one never changes by itself.
    fn pinned(
        &mut self,
        subject: Subject<'_>,
        search: &Search,
        good: &[Good<'_>],
        (pin, unknown): (&Fingerprint, Option<String>),
    ) {
        let is_pinned = |one: &&Good<'_>| pin.is_of(&one.candidate.certificate);
        if let Some(one) = good.iter().find(is_pinned) {
            self.choose(one, "it is pinned");
            return;
        }
        let mut reasons: Vec<String> = self.refused.iter().flatten().cloned().collect();
        let others = good.iter().map(|one| {
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

    /// One of several that are good, where none is pinned.
    fn among(&mut self, search: &Search, good: Vec<Good<'_>>, terms: Terms<'_>) {
        if let Some((one, other)) = conflict(&good) {
            self.events.push(Event::Conflict(one, other));
        }
        let in_use = search.known.in_use.as_ref();
        let (usable, pending): (Vec<Good<'_>>, Vec<Good<'_>>) = good
            .into_iter()
            .partition(|one| in_use.is_none_or(|in_use| may_be_used(one, in_use, terms)));
        for one in &pending {
            let fingerprint = Fingerprint::of(&one.candidate.certificate);
            self.events.push(Event::KeyChanged(fingerprint, false));
            self.pending.push((
                one.place,
                format!(
                    "another key than the one in use, and {} may not change it",
                    one.source().as_str()
                ),
            ));
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
            one.authentication == best.authentication
                && one.key() != best.key()
                && one.source() != best.source()
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
                    self.finding = Finding::Unavailable(format!(
                        "{} and {} name different keys: pin the right one with `domsec certs pin`",
                        best.source().as_str(),
                        rival.source().as_str()
                    ));
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
            if of(source).any(|key| key.authentication >= best.authentication) {
                return Some(Finding::Unavailable(format!(
                    "{} has a certificate, and {} gives another key: pin the right one with `domsec certs pin`",
                    best.source().as_str(),
                    source.as_str()
                )));
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

/// The pinned one and the one in use first: whatever stands beside them, they are judged before the budget is spent.
fn judging_order(search: &Search, pin: Option<&Fingerprint>) -> Vec<usize> {
    let in_use = search.known.in_use.as_ref();
    let later = |place: &usize| {
        search.candidates.get(*place).is_none_or(|candidate| {
            let certificate = &candidate.certificate;
            !pin.is_some_and(|pin| pin.is_of(certificate))
                && !in_use.is_some_and(|in_use| in_use.fingerprint.is_of(certificate))
        })
    };
    let mut order: Vec<usize> = (0..search.candidates.len()).collect();
    order.sort_by_key(later);
    order
}

/// What a search is worth that brought nothing good.
fn nothing_good(search: &Search, refused: &[Option<String>], unknown: Option<String>) -> Finding {
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
    // Whoever stands on the way can say that there is none any more.
    let unproven = search.asked.iter().find(|asked| !asked.authentic);
    match (&search.known.in_use, unproven) {
        (Some(in_use), Some(asked)) => Finding::Unavailable(format!(
            "the certificate {} was in use, and that it is withdrawn is not proven: {} says so without proof; \
             `domsec certs reject` it if it is",
            hex(&in_use.fingerprint.0),
            asked.source.as_str()
        )),
        _ => Finding::Absent,
    }
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

/// Whether it has the key that is in use, or may take its place.
fn may_be_used(one: &Good<'_>, in_use: &KeyInUse, terms: Terms<'_>) -> bool {
    let same_issuer = one.path && one.candidate.certificate.issuer() == in_use.issuer;
    is_in_use(one, Some(in_use))
        || terms.change_by.iter().any(|by| match by {
            ChangeBy::Dnssec => one.authentication == Authentication::Dnssec,
            ChangeBy::SameIssuer => same_issuer,
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

/// The certificate that the policy names for a subject by its fingerprint.
///
/// Where there is one no other may be used. One that is named by file is the only candidate that there is.
fn pin(subject: Subject<'_>, partner: Option<&Partner>) -> Option<Fingerprint> {
    match (subject, partner?.dca.as_ref()?) {
        (Subject::Dca(_), PinnedCertificate::Fingerprint(pin)) => Some(*pin),
        (Subject::Dca(_), PinnedCertificate::File(_)) | (Subject::Recipient(_), _) => None,
    }
}
