//! What the several hosts of one domain say, put together to one answer.
//!
//! The first that has something is believed to have it; that there is nothing is believed of all together.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::timeout_at;

use super::exchangers::Exchangers;
use super::mta_sts::MtaSts;
use super::names::Dns;
use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::words::chain;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::domsec::naming::Names;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::x509::Certificate;
use crate::x509::purpose::may_receive_mail;

/// Whether a source of hosts can have certificates of `subject`: of addresses alone, which is all that they can be asked
/// about.
#[must_use]
pub const fn cover(subject: Subject<'_>) -> bool {
    matches!(subject, Subject::Recipient(_))
}

/// What `search` finds, where the question is one for hosts; else what is known at once.
pub fn ask<'a, F>(
    question: &'a Question,
    search: impl FnOnce(Wanted<'a>) -> F + Send + 'a,
) -> Answer<'a, Reply>
where
    F: Future<Output = Reply> + Send + 'a,
{
    Box::pin(async move {
        match Wanted::of(question) {
            Ok(wanted) => search(wanted).await,
            Err(reply) => *reply,
        }
    })
}

/// A question about an address, whose domain has hosts that can be asked.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The whole question.
    pub question: &'a Question,
    /// Whose certificate is wanted.
    pub mailbox: &'a Mailbox,
}

impl<'a> Wanted<'a> {
    /// Of a question about anything else, the answer is known at once.
    pub fn of(question: &'a Question) -> Result<Self, Box<Reply>> {
        match &question.subject {
            Owner::Dca(_) => Err(Box::new(Reply::unavailable(
                "its hosts are asked about addresses alone",
            ))),
            Owner::Recipient(mailbox) if mailbox.domain().is_literal() => {
                let reason = "an address literal has no hosts with names";
                let said = Missing::NoHost.said(question, reason);
                Err(Box::new(Reply::without(said)))
            }
            Owner::Recipient(mailbox) => Ok(Self { question, mailbox }),
        }
    }

    /// The domain whose hosts are asked.
    #[must_use]
    pub fn domain(&self) -> &'a Domain {
        self.mailbox.domain()
    }

    /// When a host must have answered that may take so long.
    #[must_use]
    pub fn deadline(&self, timeout: Duration) -> Instant {
        self.question.deadline.min(Instant::now() + timeout)
    }

    /// The mail exchangers of the domain, or what is said where they cannot be known; with those that it vouches for,
    /// where DNSSEC does not say that they are its own.
    pub async fn exchangers(&self, dns: &dyn Dns, sts: &MtaSts) -> Result<Exchangers, HostSaid> {
        let asking = Exchangers::of(dns, self.domain());
        match timeout_at(self.question.deadline, asking).await {
            Ok(Ok(exchangers)) if exchangers.authentic || exchangers.hosts.is_empty() => {
                Ok(exchangers)
            }
            Ok(Ok(exchangers)) => {
                let Question { deadline, .. } = *self.question;
                let vouched = sts.vouched(self.domain(), deadline, self.question.seconds());
                Ok(Exchangers {
                    vouched: vouched.await,
                    ..exchangers
                })
            }
            Ok(Err(failure)) => Err(HostSaid::unavailable(chain(&failure))),
            Err(_) => Err(HostSaid::unavailable(format!(
                "the mail exchangers of {} cannot be known in time",
                self.domain()
            ))),
        }
    }
}

/// What one host says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSaid {
    /// That there is none, in a way that cannot be mistaken.
    Denied(Denial),
    /// It has something.
    Found(Box<Reply>),
    /// Nothing, for want of a host that would know.
    Missing(Missing, String),
    /// Nobody knows.
    Unavailable {
        /// Why.
        reason: String,
        /// How long the host wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// A host's word that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What it says.
    pub reason: String,
    /// How long that may be kept; `None` where it says nothing of it.
    pub lifetime: Option<Duration>,
    /// Whether it is certain that the domain's owner runs the host.
    pub authentic: bool,
    /// Whether it speaks for the domain: then hosts that do not exist or do not listen need not be heard.
    pub speaks_for_domain: bool,
}

impl HostSaid {
    /// Nobody knows, and nobody says when to ask again.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
            retry_after: None,
        }
    }

    /// Whether no other host need be heard.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}

/// The answer of all `hosts`, in the order in which they count.
///
/// Found where one has something. Else *unavailable* where one of them is; else what [`Missing::said`] has of the
/// first that is missing, unless a host denies that speaks for the domain; and *absent* where every one denies.
#[must_use]
pub fn together(question: &Question, hosts: Vec<HostSaid>) -> Reply {
    let mut denied: Vec<Denial> = Vec::new();
    let mut missing: Option<(Missing, String)> = None;
    let mut unavailable: Option<Reply> = None;
    for host in hosts {
        match host {
            HostSaid::Found(reply) => return *reply,
            HostSaid::Denied(denial) => denied.push(denial),
            HostSaid::Missing(kind, reason) => missing = missing.or(Some((kind, reason))),
            HostSaid::Unavailable {
                reason,
                retry_after,
            } => {
                unavailable = unavailable.or(Some(Reply {
                    lifetime: retry_after,
                    ..Reply::unavailable(reason)
                }));
            }
        }
    }
    if let Some(reply) = unavailable {
        return reply;
    }
    let speaker = denied.iter().position(|denial| denial.speaks_for_domain);
    match (speaker.and_then(|at| denied.get(at)), missing) {
        (Some(denial), _) => absent(denial, &denied),
        (None, Some((missing, reason))) => Reply::without(missing.said(question, reason)),
        (None, None) => match denied.first() {
            Some(denial) => absent(denial, &denied),
            None => Reply::unavailable("no host was asked"),
        },
    }
}

/// As long as the shortest of them lasts.
fn absent(denial: &Denial, all: &[Denial]) -> Reply {
    let lifetimes = all.iter().filter_map(|denial| denial.lifetime);
    Reply {
        authentic: denial.authentic,
        lifetime: lifetimes.min(),
        ..Reply::without(Said::Absent(denial.reason.clone()))
    }
}

/// What each of `hosts` says, asked at the same time. Ends with the first that has something, once all before it have
/// answered: those behind it are not waited for.
pub async fn all_in_order(mut hosts: Vec<Answer<'_, Vec<HostSaid>>>) -> Vec<HostSaid> {
    let mut said: Vec<Option<Vec<HostSaid>>> = hosts.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (host, said) in hosts.iter_mut().zip(&mut said) {
            if said.is_none()
                && let Poll::Ready(answer) = host.as_mut().poll(context)
            {
                *said = Some(answer);
            }
        }
        let heard = said.iter().map_while(Option::as_ref);
        let enough = heard.clone().flatten().any(HostSaid::is_found);
        if enough || heard.count() == said.len() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    said.into_iter().map_while(|said| said).flatten().collect()
}

/// Sorts what a host sent into certificates to which mail for `mailbox` may be encrypted, and what their paths may lead
/// through. None, where all are placeholders: others' certificates, authorities', and those for signing alone.
#[must_use]
pub fn candidates(
    certificates: &[Certificate],
    mailbox: &Mailbox,
    provenance: Provenance,
) -> Vec<Candidate> {
    let originators = std::slice::from_ref(mailbox);
    let is_for_mailbox = |certificate: &&Certificate| {
        may_receive_mail(certificate).is_ok()
            && Names::of(certificate).check_address(originators).is_ok()
    };
    let (own, others): (Vec<&Certificate>, Vec<&Certificate>) =
        certificates.iter().partition(is_for_mailbox);
    let chain: Vec<Certificate> = others.into_iter().cloned().collect();
    let candidate = |certificate: &Certificate| Candidate {
        certificate: certificate.clone(),
        chain: chain.clone(),
        provenance,
    };
    own.into_iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;
    use std::task::Waker;

    use super::*;
    use crate::gateway::search::Authentication;
    use crate::lookup::source::Expected;
    use crate::policy::facts::LookupResult;
    use crate::policy::facts::LookupSource;
    use crate::x509::Time;
    use crate::x509::pem;

    fn question(expected: bool) -> Question {
        Question {
            subject: Owner::Recipient("bob@b.example".parse().unwrap()),
            expected: Expected::by_policy(expected),
            deadline: Instant::now(),
            now: Time::from_unix(1_800_000_000).unwrap(),
        }
    }

    fn denied(speaks_for_domain: bool, seconds: u64) -> HostSaid {
        HostSaid::Denied(Denial {
            reason: "404".to_owned(),
            lifetime: Some(Duration::from_secs(seconds)),
            authentic: false,
            speaks_for_domain,
        })
    }

    fn missing() -> HostSaid {
        HostSaid::Missing(Missing::NoHost, "NXDOMAIN".to_owned())
    }

    fn found() -> HostSaid {
        HostSaid::Found(Box::new(Reply::without(Said::Found)))
    }

    fn unavailable() -> HostSaid {
        HostSaid::unavailable("500")
    }

    #[test]
    fn hosts_together_say_what_none_of_them_contradicts() {
        use LookupResult::Absent;
        use LookupResult::Found;
        use LookupResult::Unavailable;
        let rows: Vec<(Vec<HostSaid>, LookupResult, LookupResult)> = vec![
            // For a stranger, and for who is known to publish.
            (vec![], Unavailable, Unavailable),
            (vec![missing()], Absent, Unavailable),
            (vec![denied(false, 1), denied(false, 1)], Absent, Absent),
            (vec![denied(false, 1), missing()], Absent, Unavailable),
            (vec![denied(true, 1), missing()], Absent, Absent),
            (vec![missing(), denied(true, 1)], Absent, Absent),
            (
                vec![denied(true, 1), unavailable()],
                Unavailable,
                Unavailable,
            ),
            (vec![missing(), unavailable()], Unavailable, Unavailable),
            (vec![unavailable(), found()], Found, Found),
            (vec![denied(true, 1), missing(), found()], Found, Found),
        ];
        for (hosts, stranger, expected) in rows {
            let result = |known| together(&question(known), hosts.clone()).said.result();
            assert_eq!(
                (result(false), result(true)),
                (stranger, expected),
                "{hosts:?}"
            );
        }
    }

    #[test]
    fn hosts_are_asked_about_addresses_of_domains_with_names() {
        let known = question(true);
        let wanted = Wanted::of(&known).unwrap();
        assert_eq!(wanted.domain().as_str(), "b.example");
        for (subject, expected, result) in [
            (
                Owner::Dca("b.example".parse().unwrap()),
                false,
                LookupResult::Unavailable,
            ),
            (
                Owner::Recipient("bob@[192.0.2.1]".parse().unwrap()),
                false,
                LookupResult::Absent,
            ),
            (
                Owner::Recipient("bob@[192.0.2.1]".parse().unwrap()),
                true,
                LookupResult::Unavailable,
            ),
        ] {
            let question = Question {
                subject,
                ..question(expected)
            };
            let reply = Wanted::of(&question).unwrap_err();
            assert_eq!(reply.said.result(), result, "{:?}", question.subject);
        }
    }

    #[test]
    fn a_denial_is_kept_as_long_as_the_shortest() {
        let reply = together(&question(true), vec![denied(true, 600), denied(false, 60)]);
        assert_eq!(reply.lifetime, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_host_that_has_something_waits_for_those_before_it_and_for_none_behind() {
        let now = |said: HostSaid| -> Answer<'static, Vec<HostSaid>> {
            Box::pin(std::future::ready(vec![said]))
        };
        let never = || -> Answer<'static, Vec<HostSaid>> { Box::pin(std::future::pending()) };
        let poll = |hosts| {
            let mut all = pin!(all_in_order(hosts));
            all.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        assert!(poll(vec![never(), now(found())]).is_pending());
        assert!(poll(vec![now(missing()), never()]).is_pending());
        let first = poll(vec![now(missing()), now(found()), never()]);
        assert_eq!(first, Poll::Ready(vec![missing(), found()]));
        assert_eq!(poll(vec![]), Poll::Ready(vec![]));
    }

    #[test]
    fn certificates_of_others_and_for_signing_alone_are_no_candidates() {
        let read = |file: &[u8]| {
            pem::certificates(file, &Default::default())
                .unwrap()
                .remove(0)
        };
        let bob = read(include_bytes!("../../certs/bob.pem"));
        let alice = read(include_bytes!("../../certs/alice.pem"));
        let root = read(include_bytes!("../../certs/root.pem"));
        let signer = read(include_bytes!("../../certs/domain-b.pem"));
        let provenance = Provenance {
            source: LookupSource::Mcek,
            authentication: Authentication::None,
            seen: Time::from_unix(1_800_000_000).unwrap(),
        };
        let mailbox = "Bob@B.example".parse().unwrap();
        let all = [bob.clone(), alice.clone(), root.clone()];
        let found = candidates(&all, &mailbox, provenance);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].certificate, bob);
        assert_eq!(found[0].chain, [alice.clone(), root.clone()]);
        assert_eq!(candidates(&[alice, root, signer], &mailbox, provenance), []);
    }
}
