//! Which of the certificates that a search found is encrypted to, and why none is.
//!
//! A pure function of the search, the policy and the time. A certificate whose path leads to an anchor stands on its
//! own, wherever it was found; one without needs a source that proves whose it is. Then names, purpose, dates and
//! revocation count. Among the good ones [`Choice`] decides.

use crate::address::Domain;
use crate::cms::write_recipient::KeyEncryption;
use crate::crypto::ContentEncryption;
use crate::crypto::Provider;
use crate::domsec::naming::Names;
use crate::gateway::associated::Associated;
use crate::gateway::choice::Choice;
use crate::gateway::choice::Finding;
use crate::gateway::choice::Good;
use crate::gateway::choice::Terms;
use crate::gateway::choice::nothing_good;
use crate::gateway::judge::chain;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
use crate::gateway::search::Usage;
use crate::limits::Budget;
use crate::limits::Limits;
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

/// What a certificate without a valid path is.
enum Unanchored {
    /// Good all the same: somebody else vouches for it.
    Good,
    /// Nobody knows now.
    Unknown,
    /// Not good.
    Wrong,
}

impl Unanchored {
    /// Whoever proves that it is the owner's vouches for it in the place of a path; of its revocation and of all else
    /// that the path says he knows nothing. Whoever pins it vouches for that as well, but not for what is revoked.
    const fn of(fault: Option<&PathFault>, pinned: bool, proven: bool) -> Self {
        match fault {
            Some(PathFault::Revoked { .. }) => Self::Wrong,
            _ if pinned => Self::Good,
            Some(PathFault::MissingIssuer(_) | PathFault::NotAnchored) if proven => Self::Good,
            // A missing issuer does not come by waiting; an answer about revocation does.
            Some(PathFault::RevocationUnknown(_) | PathFault::Limit(_)) => Self::Unknown,
            _ => Self::Wrong,
        }
    }
}

/// Why a candidate is not good, with its name.
fn of(candidate: &Candidate, reason: &str) -> String {
    let certificate = &candidate.certificate;
    let (name, serial) = (certificate.subject_name(), certificate.serial_hex());
    format!("the certificate of {name}, serial {serial}: {reason}")
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
        let by_policy = pin(subject, terms.partner);
        let pin = by_policy.or(search.known.pinned);
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
            finding: Finding::Unavailable("nothing was judged yet".to_owned()),
            chosen: None,
            refused,
            pending: Vec::new(),
            events: Vec::new(),
        };
        if let Some(reason) = &search.failed {
            choice.finding = Finding::Unavailable(reason.clone());
        } else if let (Some(one), Some(other)) = (by_policy, search.known.pinned)
            && one != other
        {
            choice.finding = Finding::Unavailable(format!(
                "the policy pins {one} for {subject}, and `domsec certs pin` has pinned {other}: take one of them back, \
                 with `domsec certs unpin` or in [partner.\"{}\"] dca",
                subject.domain()
            ));
        } else if let Some(pin) = pin {
            choice.pinned(subject, search, &good, (&pin, by_policy.is_some(), unknown));
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
        self.check_itself(subject, search, &candidate.certificate)
            .map_err(|reason| Refusal::Wrong(of(candidate, &reason)))?;
        let mut refusal = None;
        for associated in Associated::of(candidate, &search.associations) {
            let judged = self.judge_as(&associated, search, (candidate, pinned), budget);
            let other = match judged {
                Ok(good) => return Ok(good),
                Err(other) => other,
            };
            // What nobody knows may be good yet.
            refusal = match (refusal, other) {
                (Some(Refusal::Wrong(_)) | None, other) => Some(other),
                (unknown @ Some(Refusal::Unknown(_)), _) => unknown,
            };
        }
        let nothing = || Refusal::Wrong(of(candidate, "nothing says that it is good"));
        Err(refusal.unwrap_or_else(nothing))
    }

    /// The same, by what one kind of SMIMEA record says of it.
    fn judge_as(
        &self,
        associated: &Associated,
        search: &Search,
        (candidate, pinned): (&Candidate, bool),
        budget: &mut Budget,
    ) -> Result<(Authentication, bool), Refusal> {
        let wrong = |reason: String| Refusal::Wrong(of(candidate, &reason));
        let unnamed = || wrong("the SMIMEA records of its address name another".to_owned());
        if !pinned && !search.associations.is_empty() && *associated == Associated::No {
            return Err(unnamed());
        }
        let own = candidate.provenance.authentication;
        let authentication = match associated {
            Associated::No => own,
            Associated::Anchors(_)
            | Associated::Constrained
            | Associated::Itself
            | Associated::Through => own.max(Authentication::Dnssec),
        };
        match self.associated_path(candidate, associated, budget) {
            Ok(path) if *associated == Associated::Through && !pinned => {
                let mut records = search.associations.iter();
                let leads =
                    records.any(|one| one.usage == Usage::CaConstraint && one.matches_path(&path));
                leads.then_some((authentication, true)).ok_or_else(unnamed)
            }
            Ok(_) => Ok((authentication, true)),
            Err((fault, reason)) => {
                let proven = match associated {
                    Associated::Itself => true,
                    Associated::No => own.is_authenticated(),
                    Associated::Anchors(_) | Associated::Constrained | Associated::Through => false,
                };
                match Unanchored::of(fault.as_ref(), pinned, proven) {
                    Unanchored::Good => Ok((authentication, false)),
                    Unanchored::Unknown => Err(Refusal::Unknown(of(candidate, &reason))),
                    Unanchored::Wrong => Err(wrong(reason)),
                }
            }
        }
    }

    /// Whether a certificate may be encrypted to, as far as it says itself: not rejected, named for the subject, for
    /// encryption, within its dates.
    fn check_itself(
        &self,
        subject: Subject<'_>,
        search: &Search,
        certificate: &Certificate,
    ) -> Result<(), String> {
        let keys = &search.known.rejected_keys;
        if !keys.is_empty() && keys.contains(&certificate.spki_sha256()) {
            return Err("an administrator has rejected its key".to_owned());
        }
        let rejected = &search.known.rejected;
        if rejected.iter().any(|rejected| rejected.is_of(certificate)) {
            return Err("an administrator has rejected it".to_owned());
        }
        self.check_names(subject, certificate)?;
        may_receive_mail(certificate).map_err(|error| chain(&error))?;
        KeyEncryption::for_key(certificate.spki(), ContentEncryption::Aes256Cbc)
            .map_err(|_| "nothing can be encrypted to a key of its kind".to_owned())?;
        let (from, until) = (certificate.not_before(), certificate.not_after());
        if self.now < from || self.now > until {
            return Err(format!("it is valid from {from} to {until}, not now"));
        }
        Ok(())
    }

    /// The path to the anchors that SMIMEA records name, where they name some; else to ours.
    fn associated_path(
        &self,
        candidate: &Candidate,
        associated: &Associated,
        budget: &mut Budget,
    ) -> Result<Vec<Certificate>, (Option<PathFault>, String)> {
        match associated {
            Associated::Anchors(anchors) => {
                let verification = self.provider.verification;
                let paths = SimplePaths::new(anchors.clone(), verification, self.limits);
                self.path(&paths, candidate, budget)
            }
            Associated::Constrained | Associated::Itself | Associated::No | Associated::Through => {
                self.path(self.paths, candidate, budget)
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

/// The certificate that the policy names for a subject by its fingerprint.
///
/// Where there is one no other may be used. One that is named by file is the only candidate that there is.
fn pin(subject: Subject<'_>, partner: Option<&Partner>) -> Option<Fingerprint> {
    match (subject, partner?.dca.as_ref()?) {
        (Subject::Dca(_), PinnedCertificate::Fingerprint(pin)) => Some(*pin),
        (Subject::Dca(_), PinnedCertificate::File(_)) | (Subject::Recipient(_), _) => None,
    }
}
