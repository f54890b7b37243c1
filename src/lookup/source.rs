//! One place where certificates are looked for: the question, the answer, and when nothing counts as nothing.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::certificates::Answer;
use crate::gateway::search::Association;
use crate::gateway::search::BareKey;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;
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
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose certificates.
    pub subject: Owner,
    /// Whether the domain is known to publish in this source: the policy names it there, or it was found there
    /// before. Then no host, no listener and no signed answer are *unavailable*; for others they are *absent*.
    pub expected: bool,
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
                if question.expected {
                    Said::Unavailable(reason)
                } else {
                    Said::Absent(reason)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_to_publish_is_never_absent_for_want_of_an_answer() {
        let question = |expected| Question {
            subject: Owner::Dca("b.example".parse().unwrap()),
            expected,
            deadline: Instant::now(),
            now: Time::from_unix(1_800_000_000).unwrap(),
        };
        for missing in [
            Missing::NoHost,
            Missing::NotListening,
            Missing::NoKeyword,
            Missing::InsecureAnswer,
        ] {
            let said = |expected| missing.said(&question(expected), "why");
            assert_eq!(said(true), Said::Unavailable("why".to_owned()));
            assert_eq!(said(false), Said::Absent("why".to_owned()));
        }
        let denied = Missing::Denied.said(&question(true), "no such user");
        assert_eq!(denied, Said::Absent("no such user".to_owned()));
    }
}
