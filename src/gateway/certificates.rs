//! Where other people's certificates come from, and which of them a message is encrypted to.
//!
//! *Absent*, *unavailable* and *invalid* are three different answers (DESIGN, "Four different things").
//! Sources find; what they found is judged here: path, purpose, dates, names (draft §4.1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::cms::write_recipient::KeyEncryption;
use crate::crypto::ContentEncryption;
use crate::domsec::naming::Names;
use crate::gateway::judge::chain;
use crate::limits::Budget;
use crate::policy::facts::LookupResult;
use crate::policy::partner::Fingerprint;
use crate::policy::partner::Partner;
use crate::policy::partner::PinnedCertificate;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::PathRequest;
use crate::x509::PathValidation;
use crate::x509::Time;
use crate::x509::Verdict;
use crate::x509::path::InitialPolicies;
use crate::x509::path::Purpose;
use crate::x509::path::RevocationMode;
use crate::x509::purpose::may_receive_mail;

/// An answer that may take its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place, or several in order, where other people's certificates can be found.
pub trait Certificates: fmt::Debug + Send + Sync {
    /// Returns every certificate that is published for `subject`, unjudged.
    ///
    /// An empty list is a definite "none published"; `Err` means that nobody knows, and must not
    /// be taken for none.
    fn find<'a>(
        &'a self,
        subject: Subject<'a>,
    ) -> Answer<'a, Result<Vec<Certificate>, Unavailable>>;
}

impl Certificates for Box<dyn Certificates> {
    fn find<'a>(
        &'a self,
        subject: Subject<'a>,
    ) -> Answer<'a, Result<Vec<Certificate>, Unavailable>> {
        (**self).find(subject)
    }
}

/// Whose certificate is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The Domain Confidentiality Authority of a domain (draft §4.1).
    Dca(&'a Domain),
    /// One recipient.
    Recipient(&'a Mailbox),
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dca(domain) => write!(f, "the DCA of {domain}"),
            Self::Recipient(mailbox) => mailbox.fmt(f),
        }
    }
}

/// Nobody knows whether there is a certificate; the same question may be answered later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} did not answer: {reason}")]
pub struct Unavailable {
    /// Which source.
    pub source_name: String,
    /// What went wrong.
    pub reason: String,
}

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
}

impl Chooser<'_> {
    /// Chooses among `candidates` the one to encrypt to: a pinned one before others, then the
    /// newest. Each refusal keeps its reason.
    #[must_use]
    pub fn choose(
        &self,
        subject: Subject<'_>,
        candidates: Vec<Certificate>,
        partner: Option<&Partner>,
        budget: &mut Budget,
    ) -> Finding {
        let pin = pin(subject, partner);
        if candidates.is_empty() {
            // What the policy names is never absent: it is not at hand.
            return match pin {
                Some(pin) => Finding::Unavailable(format!(
                    "the certificate {pin}, which the policy names for {subject}, was not found"
                )),
                None => Finding::Absent,
            };
        }
        let mut refused = Vec::new();
        let mut unknown = None;
        let mut best: Option<(bool, Certificate)> = None;
        for candidate in candidates {
            let pinned = pin.is_some_and(|pin| pin.is_of(&candidate));
            match self.check(subject, &candidate, pinned, budget) {
                Ok(()) => {
                    let rank = |pinned: bool, one: &Certificate| (pinned, one.not_before());
                    let better = best
                        .as_ref()
                        .is_none_or(|(known, one)| rank(pinned, &candidate) > rank(*known, one));
                    if better {
                        best = Some((pinned, candidate));
                    }
                }
                Err(Refusal::Unknown(reason)) => unknown = Some(reason),
                Err(Refusal::Wrong(reason)) => refused.push(reason),
            }
        }
        match (best, unknown) {
            (Some((true, certificate)), _) => Finding::Found(Box::new(certificate)),
            // A pinned one never changes by itself.
            (Some((false, certificate)), _) if pin.is_some() => {
                refused.push(format!(
                    "the certificate of {} is not the one that the policy pins",
                    certificate.subject_name()
                ));
                Finding::Invalid(refused)
            }
            (Some((false, certificate)), _) => Finding::Found(Box::new(certificate)),
            (None, Some(reason)) => Finding::Unavailable(reason),
            (None, None) => Finding::Invalid(refused),
        }
    }

    /// Whether a certificate names the subject: the address as rfc822Name, or the domain by the naming
    /// convention (draft §2.6, §4.1).
    fn check_names(&self, subject: Subject<'_>, candidate: &Certificate) -> Result<(), String> {
        let names = Names {
            former_names_with: self.former_names.to_vec(),
            ..Names::of(candidate)
        };
        let checked = match subject {
            Subject::Dca(domain) => names.check_confidentiality(domain),
            Subject::Recipient(mailbox) => names.check_address(std::slice::from_ref(mailbox)),
        };
        checked.map_err(|error| error.to_string())
    }

    fn check(
        &self,
        subject: Subject<'_>,
        candidate: &Certificate,
        pinned: bool,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        let of = |reason: String| {
            let name = candidate.subject_name();
            format!(
                "the certificate of {name}, serial {}: {reason}",
                candidate.serial_hex()
            )
        };
        let wrong = |reason: String| Refusal::Wrong(of(reason));
        self.check_names(subject, candidate).map_err(wrong)?;
        may_receive_mail(candidate).map_err(|error| wrong(chain(&error)))?;
        KeyEncryption::for_key(candidate.spki(), ContentEncryption::Aes256Cbc)
            .map_err(|_| wrong("nothing can be encrypted to a key of its kind".to_owned()))?;
        let (from, until) = (candidate.not_before(), candidate.not_after());
        if self.now < from || self.now > until {
            return Err(wrong(format!(
                "it is valid from {from} to {until}, not now"
            )));
        }
        // Whoever pins a certificate vouches for it in the place of a path.
        if pinned {
            return Ok(());
        }
        let request = PathRequest {
            target: candidate,
            intermediates: self.intermediates,
            crls: self.crls,
            at: self.now,
            purpose: Purpose::Smime,
            revocation: self.revocation,
            policies: InitialPolicies::default(),
        };
        let outcome = self.paths.validate(&request, budget);
        let reason = outcome
            .error
            .as_ref()
            .map_or_else(|| "no reason was given".to_owned(), |error| chain(error));
        match outcome.verdict {
            Verdict::Valid => Ok(()),
            // A missing issuer does not come by waiting; an answer about revocation does.
            Verdict::Indeterminate if outcome.is_about_revocation() => {
                Err(Refusal::Unknown(of(reason)))
            }
            Verdict::Indeterminate | Verdict::Invalid => Err(wrong(reason)),
        }
    }
}

/// The certificate that the policy names for a subject by its fingerprint.
///
/// Where there is one no other may be used: a pinned DCA never changes by itself. One that is named by
/// file is the only candidate that there is.
fn pin<'a>(subject: Subject<'_>, partner: Option<&'a Partner>) -> Option<&'a Fingerprint> {
    match (subject, partner?.dca.as_ref()?) {
        (Subject::Dca(_), PinnedCertificate::Fingerprint(pin)) => Some(pin),
        (Subject::Dca(_), PinnedCertificate::File(_)) | (Subject::Recipient(_), _) => None,
    }
}

enum Refusal {
    /// It may be good; nobody knows now.
    Unknown(String),
    /// It is not.
    Wrong(String),
}
