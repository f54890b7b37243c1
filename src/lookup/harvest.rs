//! Certificates from mail that was verified: what its authors have taught (RFC 8551 §2.5.3.1).
//!
//! Nobody is asked, and so nobody can withhold an answer. What is here is no more than a place where a certificate was
//! seen: it is judged like any other, and stands by its own path.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use crate::address::Mailbox;
use crate::gateway::certificates::Answer;
use crate::gateway::learned::Learned;
use crate::gateway::learned::Lesson;
use crate::gateway::learned::PathTo;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;
use crate::x509::Time;

/// How long what was found full is not swept again, in seconds.
const SWEEP: i64 = 3600;

/// What is known of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harvested {
    /// The address, in lower case where it is ASCII (RFC 8550 §3).
    pub mailbox: Mailbox,
    /// The certificate to encrypt to, and when its owner signed that.
    pub certificate: Option<Signed<PathTo>>,
    /// DER of SMIMECapabilities, and when their owner signed them.
    pub capabilities: Option<Signed<Vec<u8>>>,
    /// When a message of this author was last seen.
    pub seen: Time,
}

/// What somebody has signed, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    /// It.
    pub value: T,
    /// When, by the signer's words; `None` where there are none, which is older than any.
    pub at: Option<Time>,
}

/// What came of a lesson.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Each address of which something new is known now, as a whole: to be kept where a restart finds it.
    pub changed: Vec<Harvested>,
    /// How many addresses could not be taken up: there is no room.
    pub refused: usize,
}

/// What verified mail has taught.
#[derive(Debug)]
pub struct Harvest {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_mailbox: HashMap<Mailbox, Harvested>,
    swept: Option<Time>,
}

impl Harvest {
    /// Remembers at most `most` addresses, each with its certificate and capabilities: some 5 kB.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }

    /// Takes up what was kept, before anything is learned. What is too much is left out.
    pub fn load(&self, kept: impl IntoIterator<Item = Harvested>) {
        let mut known = self.known();
        for harvested in kept {
            if known.by_mailbox.len() < self.most {
                let mailbox = harvested.mailbox.folded();
                known.by_mailbox.insert(mailbox, harvested);
            }
        }
    }

    /// All that is known, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Harvested> {
        self.known().by_mailbox.values().cloned().collect()
    }

    /// DER of the SMIMECapabilities that the owner of an address has signed last.
    #[must_use]
    pub fn capabilities(&self, mailbox: &Mailbox) -> Option<Vec<u8>> {
        let known = self.known();
        let harvested = known.by_mailbox.get(&mailbox.folded())?;
        Some(harvested.capabilities.as_ref()?.value.clone())
    }

    /// Learns from a message that has been delivered.
    ///
    /// What was signed later replaces what was signed before; an address can be replaced by nobody who cannot sign for
    /// it, since a lesson is of those addresses alone that its certificates name. Where there is no room new addresses
    /// are refused, and none is forgotten: a stranger with many addresses could else make us forget whom we can encrypt
    /// to.
    pub fn learn(&self, learned: &Learned, now: Time) -> Taken {
        let mut known = self.known();
        let mut changed: HashSet<Mailbox> = HashSet::new();
        let mut refused: HashSet<Mailbox> = HashSet::new();
        for lesson in &learned.lessons {
            let mailbox = lesson.mailbox.folded();
            if lesson.certificate.is_none() && lesson.capabilities.is_none() {
                continue;
            }
            if !known.by_mailbox.contains_key(&mailbox) && !known.has_room(self.most, now) {
                refused.insert(mailbox);
                continue;
            }
            let harvested = known
                .by_mailbox
                .entry(mailbox.clone())
                .or_insert_with(|| Harvested::new(mailbox.clone(), now));
            if harvested.take(lesson, now) {
                changed.insert(mailbox);
            }
        }
        let changed = changed.iter();
        let changed = changed.filter_map(|mailbox| known.by_mailbox.get(mailbox).cloned());
        Taken {
            changed: changed.collect(),
            refused: refused.len(),
        }
    }

    fn reply(&self, mailbox: &Mailbox, question: &Question) -> Reply {
        let denied = |reason: &str| Reply::without(Missing::Denied.said(question, reason));
        let known = self.known();
        let harvested = known.by_mailbox.get(&mailbox.folded());
        let certificate = harvested.and_then(|harvested| harvested.certificate.as_ref());
        let (Some(harvested), Some(certificate)) = (harvested, certificate) else {
            return denied("no verified mail of its owner has named a certificate");
        };
        let path = &certificate.value;
        let not_after = path.certificate.not_after();
        if not_after < question.now {
            let reason = format!("the certificate that its owner has named expired on {not_after}");
            return denied(&reason);
        }
        Reply {
            candidates: vec![Candidate {
                certificate: path.certificate.clone(),
                chain: path.intermediates.clone(),
                provenance: Provenance {
                    source: LookupSource::Harvest,
                    authentication: Authentication::None,
                    seen: harvested.seen,
                },
            }],
            ..Reply::without(Said::Found)
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Harvest {
    fn name(&self) -> LookupSource {
        LookupSource::Harvest
    }

    /// Individuals alone: whoever signs for a domain names no certificate to encrypt to.
    fn covers(&self, subject: Subject<'_>) -> bool {
        matches!(subject, Subject::Recipient(_))
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        let reply = match &question.subject {
            Owner::Recipient(mailbox) => self.reply(mailbox, question),
            Owner::Dca(_) => Reply::unavailable("nothing is learned of authorities"),
        };
        // It is here already: a second keeping would only be older.
        let reply = Reply {
            lifetime: Some(Duration::ZERO),
            ..reply
        };
        Box::pin(std::future::ready(reply))
    }
}

impl Known {
    /// Whether another address may be taken up; what has expired makes room.
    fn has_room(&mut self, most: usize, now: Time) -> bool {
        if self.by_mailbox.len() < most {
            return true;
        }
        // Looking through all of them for each message would be for strangers to ask for.
        let since = self
            .swept
            .map(|swept| now.unix().saturating_sub(swept.unix()));
        if since.is_some_and(|since| since < SWEEP) {
            return false;
        }
        self.swept = Some(now);
        self.by_mailbox.retain(|_, harvested| {
            let certificate = harvested.certificate.as_ref();
            certificate.is_some_and(|one| one.value.certificate.not_after() >= now)
        });
        self.by_mailbox.len() < most
    }
}

impl Harvested {
    const fn new(mailbox: Mailbox, seen: Time) -> Self {
        Self {
            mailbox,
            certificate: None,
            capabilities: None,
            seen,
        }
    }

    /// Takes up what is newer; says whether anything is.
    fn take(&mut self, lesson: &Lesson, now: Time) -> bool {
        let certificate = replace(
            &mut self.certificate,
            lesson.certificate.as_ref(),
            lesson.signed_at,
        );
        let capabilities = replace(
            &mut self.capabilities,
            lesson.capabilities.as_ref(),
            lesson.signed_at,
        );
        let changed = certificate || capabilities;
        if changed {
            self.seen = now;
        }
        changed
    }
}

/// Puts `value` in the place of what was signed before it, or of nothing.
fn replace<T: Clone>(known: &mut Option<Signed<T>>, value: Option<&T>, at: Option<Time>) -> bool {
    let Some(value) = value else {
        return false;
    };
    if known.as_ref().is_some_and(|known| at <= known.at) {
        return false;
    }
    let value = value.clone();
    *known = Some(Signed { value, at });
    true
}

#[cfg(test)]
mod tests {
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::SanType;
    use tokio::time::Instant;

    use super::*;
    use crate::x509::Certificate;

    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Time {
        Time::from_unix(NOW + seconds).unwrap()
    }

    fn certificate(address: &str, last_year: i32) -> PathTo {
        let mut params = CertificateParams::new([]).unwrap();
        params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        PathTo {
            certificate: Certificate::parse(made.der()).unwrap(),
            intermediates: Vec::new(),
        }
    }

    fn lesson(address: &str, certificate: Option<&PathTo>, signed_at: Option<i64>) -> Lesson {
        Lesson {
            mailbox: address.parse().unwrap(),
            certificate: certificate.cloned(),
            capabilities: None,
            signed_at: signed_at.map(at),
        }
    }

    fn learn(harvest: &Harvest, lesson: Lesson, now: i64) -> Taken {
        let learned = Learned {
            lessons: vec![lesson],
        };
        harvest.learn(&learned, at(now))
    }

    fn ask(harvest: &Harvest, address: &str, now: i64) -> Reply {
        let question = Question {
            subject: Owner::Recipient(address.parse().unwrap()),
            expected: true,
            deadline: Instant::now(),
            now: at(now),
        };
        let mut answer = harvest.ask(&question);
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(reply) => reply,
            Poll::Pending => panic!("nobody is asked"),
        }
    }

    fn found(harvest: &Harvest, address: &str) -> Option<Certificate> {
        let mut reply = ask(harvest, address, 0);
        reply.candidates.pop().map(|one| one.certificate)
    }

    #[test]
    fn what_is_signed_later_replaces_what_was_signed_before_and_nothing_else_does() {
        let harvest = Harvest::new(10);
        let [first, second, third] = [(); 3].map(|()| certificate("bob@b.example", 2040));
        // signingTime of the lesson, its certificate, and the one that is known then.
        let rows = [
            (None, &second, &second),
            (Some(-100), &first, &first),
            (Some(-200), &second, &first),
            (Some(-100), &second, &first),
            (None, &second, &first),
            (Some(-50), &third, &third),
        ];
        for (row, (signed_at, sent, known)) in rows.into_iter().enumerate() {
            let taken = learn(&harvest, lesson("bob@b.example", Some(sent), signed_at), 0);
            assert_eq!(taken.changed.is_empty(), sent != known, "row {row}");
            assert_eq!(
                found(&harvest, "bob@b.example"),
                Some(known.certificate.clone()),
                "row {row}"
            );
        }
    }

    #[test]
    fn a_newer_message_without_a_certificate_leaves_the_one_that_is_known() {
        let harvest = Harvest::new(10);
        let own = certificate("bob@b.example", 2040);
        learn(&harvest, lesson("bob@b.example", Some(&own), Some(-100)), 0);
        let mut newer = lesson("bob@b.example", None, Some(-10));
        newer.capabilities = Some(vec![0x30, 0]);
        let taken = learn(&harvest, newer, 5);
        assert_eq!(taken.changed.len(), 1);
        assert_eq!(found(&harvest, "BOB@b.example"), Some(own.certificate));
        let capabilities = harvest.capabilities(&"Bob@b.example".parse().unwrap());
        assert_eq!(capabilities, Some(vec![0x30, 0]));
        // And older capabilities do not come back.
        let mut older = lesson("bob@b.example", None, Some(-20));
        older.capabilities = Some(vec![0x30, 1, 0]);
        assert_eq!(learn(&harvest, older, 6), Taken::default());
    }

    #[test]
    fn what_is_found_proves_nothing_and_ends_with_its_certificate() {
        let harvest = Harvest::new(10);
        assert!(matches!(
            ask(&harvest, "bob@b.example", 0).said,
            Said::Absent(_)
        ));
        let own = certificate("bob@b.example", 2028);
        learn(&harvest, lesson("bob@b.example", Some(&own), Some(-100)), 0);
        let reply = ask(&harvest, "bob@b.example", 0);
        assert_eq!((&reply.said, reply.authentic), (&Said::Found, false));
        let provenance = reply.candidates[0].provenance;
        assert_eq!(provenance.authentication, Authentication::None);
        assert_eq!(provenance.seen, at(0));
        let expired = ask(&harvest, "bob@b.example", 400 * 86_400);
        let reason = expired.said.reason().unwrap();
        assert!(
            matches!(expired.said, Said::Absent(_)) && reason.contains("expired on 2028"),
            "{reason}"
        );
    }

    #[test]
    fn a_full_harvest_forgets_nobody_whose_certificate_is_good() {
        let harvest = Harvest::new(2);
        let good = certificate("bob@b.example", 2040);
        let short = certificate("carol@b.example", 2028);
        learn(&harvest, lesson("bob@b.example", Some(&good), Some(0)), 0);
        learn(
            &harvest,
            lesson("carol@b.example", Some(&short), Some(0)),
            0,
        );
        let other = certificate("mallory@evil.example", 2040);
        let others = || lesson("mallory@evil.example", Some(&other), Some(0));
        assert_eq!(learn(&harvest, others(), 0).refused, 1);
        assert!(found(&harvest, "bob@b.example").is_some());
        assert!(found(&harvest, "carol@b.example").is_some());
        // Who is known is still learned from.
        let newer = certificate("bob@b.example", 2040);
        let taken = learn(&harvest, lesson("bob@b.example", Some(&newer), Some(1)), 1);
        assert_eq!((taken.changed.len(), taken.refused), (1, 0));
        // What has expired makes room.
        let taken = learn(&harvest, others(), 400 * 86_400);
        assert_eq!((taken.changed.len(), taken.refused), (1, 0));
        assert_eq!(harvest.all().len(), 2);
    }

    #[test]
    fn what_is_kept_is_known_again() {
        let harvest = Harvest::new(10);
        let own = certificate("bob@b.example", 2040);
        let taken = learn(&harvest, lesson("Bob@b.example", Some(&own), Some(-100)), 0);
        let again = Harvest::new(10);
        again.load(taken.changed);
        assert_eq!(again.all(), harvest.all());
        // Still by the time of its signature.
        let older = certificate("bob@b.example", 2040);
        let taken = learn(&again, lesson("bob@b.example", Some(&older), Some(-101)), 1);
        assert_eq!(taken, Taken::default());
        let small = Harvest::new(0);
        small.load(harvest.all());
        assert!(small.all().is_empty());
    }

    #[test]
    fn authorities_are_not_covered() {
        let harvest = Harvest::new(1);
        assert!(!harvest.covers(Subject::Dca(&"b.example".parse().unwrap())));
        assert!(harvest.covers(Subject::Recipient(&"bob@b.example".parse().unwrap())));
    }
}
