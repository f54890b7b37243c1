//! RCPT, before the message has arrived: decided is what the message could not change, and nothing else.

use std::future::Future;
use std::future::pending;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::address::Mailbox;
use domsec::gateway::announced::Announced;
use domsec::gateway::certificates::Answer;
use domsec::gateway::certificates::Certificates;
use domsec::gateway::certificates::Noted;
use domsec::gateway::certificates::Unavailable;
use domsec::gateway::choice::Choice;
use domsec::gateway::learned::Learned;
use domsec::gateway::recipient::Early;
use domsec::gateway::recipient::NotTaken;
use domsec::gateway::search::Asked;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Candidate;
use domsec::gateway::search::KeyInUse;
use domsec::gateway::search::Known;
use domsec::gateway::search::Provenance;
use domsec::gateway::search::Said;
use domsec::gateway::search::Search;
use domsec::gateway::search::Subject;
use domsec::gateway::site::Gateway;
use domsec::gateway::transaction::Transaction;
use domsec::octets::View;
use domsec::policy::facts::LookupSource;
use domsec::policy::facts::Session;
use domsec::x509::Time;

use crate::stack;
use crate::stack::NOW;

/// Sources that never answer.
#[derive(Debug)]
struct Silent;

impl Certificates for Silent {
    fn search<'a>(&'a self, _subject: Subject<'a>, _now: Time) -> Answer<'a, Search> {
        Box::pin(pending())
    }

    fn settle<'a>(
        &'a self,
        _subject: Subject<'a>,
        _search: &'a Search,
        _choice: &'a Choice,
        _now: Time,
    ) -> Answer<'a, Result<Noted, Unavailable>> {
        Box::pin(pending())
    }

    fn announced(&self, _mailbox: &Mailbox) -> Option<Announced> {
        None
    }

    fn learn(&self, _learned: &Learned, _now: Time) {}
}

/// A directory that shows another key than the one in use, and a store that has all the time in the world.
#[derive(Debug, Default)]
struct Changed {
    noted: Arc<AtomicUsize>,
}

impl Certificates for Changed {
    fn search<'a>(&'a self, subject: Subject<'a>, now: Time) -> Answer<'a, Search> {
        let published = stack::identity("bob").certificate().clone();
        let in_use = KeyInUse {
            issuer: Vec::new(),
            ..KeyInUse::of(stack::identity("alice").certificate())
        };
        let source = LookupSource::Mcek;
        let (said, candidates) = match subject {
            Subject::Dca(_) => (Said::Absent("none".to_owned()), Vec::new()),
            Subject::Recipient(_) => {
                let provenance = Provenance {
                    source,
                    authentication: Authentication::PublicTls,
                    seen: now,
                };
                let candidate = Candidate {
                    certificate: published,
                    chain: Vec::new(),
                    provenance,
                };
                (Said::Found, vec![candidate])
            }
        };
        let asked = Asked {
            source,
            said,
            authentic: true,
            elapsed: Duration::ZERO,
            cached: false,
        };
        let is_changed = !candidates.is_empty();
        Box::pin(ready(Search {
            asked: vec![asked],
            candidates,
            known: Known {
                in_use: is_changed.then_some(in_use),
                ..Known::default()
            },
            ..Search::default()
        }))
    }

    fn settle<'a>(
        &'a self,
        subject: Subject<'a>,
        _search: &'a Search,
        choice: &'a Choice,
        _now: Time,
    ) -> Answer<'a, Result<Noted, Unavailable>> {
        assert_eq!(subject.to_string(), "bob@b.example");
        self.noted
            .fetch_add(choice.pending.len(), Ordering::Relaxed);
        Box::pin(pending())
    }

    fn announced(&self, _mailbox: &Mailbox) -> Option<Announced> {
        None
    }

    fn learn(&self, _learned: &Learned, _now: Time) {}
}

/// One rule that encrypts, after what stands `before` it.
fn gateway(before: &str, when: &str, otherwise: &str) -> Gateway {
    stack::gateway(
        "a",
        &format!(
            "{before}[[rule]]\nname = \"encrypted\"\nwhen = '{when}'\nsign = [\"domain\"]\n\
             encrypt = \"required\"\ndefer_for = \"4h\"\notherwise = \"{otherwise}\"\n\
             [[rule]]\nname = \"rest\"\nwhen = \"true\"\n"
        ),
    )
}

/// What is decided for `recipient` of alice's mail, whose certificates are looked for for so long already.
fn decided(gateway: &Gateway, recipient: &str, waited: Duration) -> Option<NotTaken> {
    early(gateway, recipient, waited).map(|early| early.not_taken)
}

/// The same, with what is to be noted.
fn early(gateway: &Gateway, recipient: &str, waited: Duration) -> Option<Early> {
    let session = Session {
        login: Some("alice".to_owned()),
        ..Session::default()
    };
    let transaction = Transaction {
        recipients: vec![recipient.parse().unwrap()],
        waited,
        ..stack::transaction(View::owned(Vec::new()), "alice@a.example", session)
    };
    let now = Time::from_unix(NOW).unwrap();
    let mut deciding = pin!(gateway.at_recipient(&transaction, now, Box::pin(ready(()))));
    match deciding
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(decided) => decided,
        Poll::Pending => panic!("patience has ended"),
    }
}

fn reply(gateway: &Gateway, recipient: &str, waited: Duration) -> Option<String> {
    decided(gateway, recipient, waited).map(|not_taken| not_taken.reply.to_string())
}

const ENVELOPE: &str = "direction == \"outbound\"";
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn who_has_no_certificate_is_refused_or_deferred_as_the_rule_says() {
    for (otherwise, want) in [
        ("refuse", Some("550 5.7.5 ")),
        ("defer", Some("451 4.7.5 ")),
        ("hold", None),
        ("pass", None),
    ] {
        let gateway = gateway("", ENVELOPE, otherwise);
        assert!(gateway.decides_at_recipient());
        let got = reply(&gateway, "carl@c.example", Duration::ZERO);
        assert_eq!(
            got.as_deref().and_then(|text| text.get(..10)),
            want,
            "{otherwise}"
        );
        // Bob's domain has a DCA; alice's colleague gets nothing encrypted.
        for served in ["bob@b.example", "anna@a.example"] {
            assert_eq!(reply(&gateway, served, Duration::ZERO), None, "{served}");
        }
    }
}

#[test]
fn a_search_without_an_answer_defers_until_the_rule_says_otherwise() {
    for (otherwise, early, late) in [
        ("refuse", Some("451 4.7.5 "), Some("550 5.7.5 ")),
        ("defer", Some("451 4.7.5 "), Some("451 4.7.5 ")),
        ("hold", None, None),
        ("pass", None, None),
    ] {
        let mut gateway = gateway("", ENVELOPE, otherwise);
        gateway.certificates = Box::new(Silent);
        for (waited, want) in [(3 * HOUR, early), (4 * HOUR, late)] {
            let got = reply(&gateway, "carl@c.example", waited);
            assert_eq!(
                got.as_deref().and_then(|text| text.get(..10)),
                want,
                "{otherwise}"
            );
            let may_come = decided(&gateway, "carl@c.example", waited).map(|one| one.may_come);
            assert_ne!(may_come, Some(false));
        }
    }
}

#[test]
fn a_store_that_takes_its_time_does_not_keep_back_the_answer() {
    let mut gateway = gateway("", ENVELOPE, "refuse");
    let noted = Arc::new(AtomicUsize::new(0));
    gateway.certificates = Box::new(Changed {
        noted: Arc::clone(&noted),
    });
    let early = early(&gateway, "bob@b.example", Duration::ZERO).unwrap();
    let reply = early.not_taken.reply.to_string();
    assert!(reply.starts_with("451 4.7.5 "), "{reply}");
    assert_eq!(noted.load(Ordering::Relaxed), 0);
    // What waits is noted beside, as long as that may take.
    assert!(!early.unnoted.is_empty());
    let mut noting = pin!(gateway.note(early.unnoted));
    let mut context = Context::from_waker(Waker::noop());
    assert!(noting.as_mut().poll(&mut context).is_pending());
    assert_eq!(noted.load(Ordering::Relaxed), 1);
}

#[test]
fn what_the_message_could_change_waits_for_it() {
    let asks =
        "[[rule]]\nname = \"first\"\nwhen = 'message.size > 10 && direction == \"inbound\"'\n";
    for (before, when) in [("", "message.size > 10"), (asks, ENVELOPE)] {
        let gateway = gateway(before, when, "refuse");
        assert!(!gateway.decides_at_recipient(), "{when}");
        assert_eq!(reply(&gateway, "carl@c.example", Duration::ZERO), None);
    }
}

#[test]
fn nothing_is_decided_where_nothing_is_changed() {
    let mut gateway = gateway("", ENVELOPE, "refuse");
    gateway.monitor = true;
    assert!(!gateway.decides_at_recipient());
    assert_eq!(reply(&gateway, "carl@c.example", Duration::ZERO), None);
}
