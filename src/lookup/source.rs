//! One place where certificates are looked for: the question, the answer, and when nothing counts as nothing.

use std::fmt;
use std::future::ready;
use std::time::Duration;

use tokio::time::Instant;

use crate::address::Domain;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Association;
use crate::gateway::search::Authentication;
use crate::gateway::search::BareKey;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;
use crate::store::Told;
use crate::x509::Time;

/// One place where certificates are looked for.
pub trait Source: fmt::Debug + Send + Sync {
    /// Which one.
    fn name(&self) -> LookupSource;

    /// Whether such a subject's certificates can be there at all. Who does not cover one is not asked, which is not
    /// an *absent*.
    fn covers(&self, subject: Subject<'_>) -> bool;

    /// Asks. Never fails: what went wrong is *unavailable*, with the reason.
    ///
    /// Ends on its own by `question.deadline`.
    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply>;

    /// Hears that a certificate of `domain` which this source found was judged good: so the domain publishes there, whoever
    /// brought the answer. Fails where that has to be remembered, and cannot.
    fn believed<'a>(&'a self, domain: &'a Domain, now: Time) -> Told<'a, ()> {
        let _ = (domain, now);
        Box::pin(ready(Ok(())))
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose certificates.
    pub subject: Owner,
    /// Whether the domain is known to publish in this source.
    pub expected: Expected,
    /// When the answer must be there.
    pub deadline: Instant,
    /// The time for which it is asked.
    pub now: Time,
}

impl Question {
    /// The time for which it is asked, in seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.now.unix()).unwrap_or(0)
    }
}

/// Whether a domain is known to publish in a source. Where it is, no host, no listener and no signed answer are
/// *unavailable*; for others they are *absent*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing says so.
    No,
    /// The policy does.
    Named,
    /// It was found there before, for the first time then.
    Found(Time),
}

impl Expected {
    /// Whether the policy says that it is.
    #[must_use]
    pub const fn by_policy(named: bool) -> Self {
        match named {
            true => Self::Named,
            false => Self::No,
        }
    }

    /// Whether it is, whatever says so.
    #[must_use]
    pub const fn is_expected(self) -> bool {
        match self {
            Self::No => false,
            Self::Named | Self::Found(_) => true,
        }
    }

    /// The same, of a domain that was found there first at `since`, if it ever was. What the policy says comes first.
    #[must_use]
    pub const fn or_found(self, since: Option<Time>) -> Self {
        match (self, since) {
            (Self::No, Some(since)) => Self::Found(since),
            (expected, _) => expected,
        }
    }
}

/// What one source answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer. [`Said::Found`] where there is a candidate, an association or a key.
    pub said: Said,
    /// Whether it is certain that the subject's owner gave that answer.
    pub authentic: bool,
    /// The certificates that it has.
    pub candidates: Vec<Candidate>,
    /// SMIMEA records, all of them secure.
    pub associations: Vec<Association>,
    /// Keys without a certificate.
    pub keys: Vec<BareKey>,
    /// How long it may be kept, by what the source itself says; `None` where it says nothing. The cache has bounds.
    pub lifetime: Option<Duration>,
    /// Whether it is one that was kept.
    pub cached: bool,
}

impl Reply {
    /// Nothing but `said`.
    #[must_use]
    pub const fn without(said: Said) -> Self {
        Self {
            said,
            authentic: false,
            candidates: Vec::new(),
            associations: Vec::new(),
            keys: Vec::new(),
            lifetime: None,
            cached: false,
        }
    }

    /// Nobody knows, for this reason.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::without(Said::Unavailable(reason.into()))
    }

    /// Whether something is there that not just anybody on the way could have put there. Who publishes is known from that
    /// for ever, so that a stranger's answer must not do.
    #[must_use]
    pub fn proves_publication(&self) -> bool {
        let candidates = self.candidates.iter();
        let of_candidates = candidates.map(|one| one.provenance.authentication);
        let of_keys = self.keys.iter().map(|key| key.authentication);
        let mut sure = of_candidates.chain(of_keys);
        // Associations are secure, each of them.
        self.said == Said::Found
            && (self.authentic
                || !self.associations.is_empty()
                || sure.any(|authentication| authentication > Authentication::None))
    }
}

/// Why a source has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// It says so, in a way that cannot be mistaken.
    Denied,
    /// The host that would know does not exist.
    NoHost,
    /// Nobody listens there, or somebody who has nothing to do with certificates.
    NotListening,
    /// The server does not speak of certificates at all.
    NoKeyword,
    /// DNS says so without DNSSEC: anybody on the way could.
    InsecureAnswer,
}

impl Missing {
    /// What it counts as (DESIGN, "Four different things"): otherwise mail to most of the Internet would be deferred.
    #[must_use]
    pub fn said(self, question: &Question, reason: impl Into<String>) -> Said {
        let reason = reason.into();
        match self {
            Self::Denied => Said::Absent(reason),
            Self::NoHost | Self::NotListening | Self::NoKeyword | Self::InsecureAnswer => {
                match question.expected {
                    Expected::No => Said::Absent(reason),
                    Expected::Named => Said::Unavailable(format!(
                        "{reason}; and the policy says that it publishes there"
                    )),
                    Expected::Found(since) => Said::Unavailable(format!(
                        "{reason}; and something was found there before, first at {since}: if {domain} publishes there no \
                         more, say so with `domsec certs forget {domain}`",
                        domain = question.subject.domain()
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::at;
    use crate::store::tests::bob;

    fn question(expected: Expected) -> Question {
        Question {
            subject: bob(),
            expected,
            deadline: Instant::now(),
            now: at(0),
        }
    }

    #[test]
    fn who_is_known_to_publish_is_never_absent_for_want_of_an_answer() {
        for missing in [
            Missing::NoHost,
            Missing::NotListening,
            Missing::NoKeyword,
            Missing::InsecureAnswer,
        ] {
            let said = |expected| missing.said(&question(expected), "why");
            assert_eq!(said(Expected::No), Said::Absent("why".to_owned()));
            let named = said(Expected::Named);
            let by_policy = "why; and the policy says that it publishes there".to_owned();
            assert_eq!(named, Said::Unavailable(by_policy));
            // Somebody must be able to end it.
            let Said::Unavailable(reason) = said(Expected::Found(at(0))) else {
                panic!("{missing:?}");
            };
            let command = format!("`domsec certs forget {}`", bob().domain());
            assert!(
                reason.starts_with("why; ") && reason.ends_with(&command),
                "{reason}"
            );
        }
        let denied = Missing::Denied.said(&question(Expected::Named), "no such user");
        assert_eq!(denied, Said::Absent("no such user".to_owned()));
    }
}
