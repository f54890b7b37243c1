//! Whose certificates are looked for: nobody's who could make no difference, and what is decided is the same.

use std::future::Future;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::address::Mailbox;
use domsec::gateway::announced::Announced;
use domsec::gateway::arrival::Arrival;
use domsec::gateway::certificates::Answer;
use domsec::gateway::certificates::Certificates;
use domsec::gateway::certificates::Noted;
use domsec::gateway::certificates::Unavailable;
use domsec::gateway::choice::Choice;
use domsec::gateway::choose::Findings;
use domsec::gateway::gather::Gathered;
use domsec::gateway::learned::Learned;
use domsec::gateway::search::Asked;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Candidate;
use domsec::gateway::search::Provenance;
use domsec::gateway::search::Said;
use domsec::gateway::search::Search;
use domsec::gateway::search::Subject;
use domsec::gateway::site::Gateway;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::Policy;
use domsec::policy::facts::LookupResult;
use domsec::policy::facts::LookupSource;
use domsec::policy::facts::Session;
use domsec::x509::Time;

use crate::stack;
use crate::stack::Form;
use crate::stack::NOW;
use crate::stack::People;
use crate::stack::identity;

/// One source, what it says of bob and of the DCA of his domain, and of whom it was asked.
#[derive(Clone, Debug)]
struct Published {
    own: LookupResult,
    dca: LookupResult,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Published {
    fn new(own: LookupResult, dca: LookupResult) -> Self {
        Self {
            own,
            dca,
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Certificates for Published {
    fn search<'a>(&'a self, subject: Subject<'a>, _now: Time) -> Answer<'a, Search> {
        self.asked.lock().unwrap().push(subject.to_string());
        let (result, name) = match subject {
            Subject::Dca(_) => (self.dca, "dca-b"),
            Subject::Recipient(_) => (self.own, "bob"),
        };
        let why = || "so it is".to_owned();
        let mut search = Search::default();
        let mut put = |source, said, name: Option<&str>| {
            search.asked.push(Asked {
                source,
                said,
                authentic: false,
                elapsed: Duration::ZERO,
                cached: false,
            });
            search.candidates.extend(name.map(|name| Candidate {
                certificate: identity(name).certificate().clone(),
                chain: Vec::new(),
                provenance: Provenance {
                    source,
                    authentication: Authentication::Bind,
                    seen: now(),
                },
            }));
        };
        let source = LookupSource::Directory;
        match result {
            LookupResult::Absent => put(source, Said::Absent(why()), None),
            LookupResult::Found => put(source, Said::Found, Some(name)),
            LookupResult::Invalid => put(source, Said::Invalid(why()), None),
            LookupResult::Unavailable => put(source, Said::Unavailable(why()), None),
        }
        Box::pin(ready(search))
    }

    fn settle<'a>(
        &'a self,
        _subject: Subject<'a>,
        _search: &'a Search,
        _choice: &'a Choice,
        _now: Time,
    ) -> Answer<'a, Result<Noted, Unavailable>> {
        Box::pin(ready(Ok(Noted::Kept)))
    }

    fn announced(&self, _mailbox: &Mailbox) -> Option<Announced> {
        None
    }

    fn learn(&self, _learned: &Learned, _now: Time) {}
}

fn now() -> Time {
    Time::from_unix(NOW).unwrap()
}

/// What `work` comes to, which waits for nobody.
fn done<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    for _ in 0..100 {
        let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(done) = polled {
            return done;
        }
    }
    panic!("it waits");
}

/// Runs `test` with a message of alice's to bob as the gateway opens it.
fn with_arrival(gateway: &Gateway, message: &[u8], test: impl FnOnce(&Arrival<'_>)) {
    let session = Session {
        login: Some("alice".to_owned()),
        ..Session::default()
    };
    let message = View::owned(message.to_vec());
    let transaction = stack::transaction(message, "alice@a.example", session);
    test(&gateway.open(&transaction, now(), &Memory));
}

/// What is known where both are asked for, whatever the rules are.
fn everything(gateway: &Gateway, gathered: &Gathered) -> Gathered {
    let mut records = gathered.records.clone();
    let findings = records.iter_mut().map(|record| {
        let recipient = Subject::Recipient(&record.mailbox);
        let dca = Subject::Dca(record.mailbox.domain());
        let own_search = done(gateway.search(recipient, now()));
        let dca_search = done(gateway.search(dca, now()));
        let findings = Findings {
            own: gateway.chosen(recipient, &own_search, now()).finding,
            dca: gateway.chosen(dca, &dca_search, now()).finding,
            announced: None,
        };
        record.certificate = findings.own.result();
        record.dca = findings.dca.result();
        findings
    });
    let findings = findings.collect();
    Gathered { records, findings }
}

const CONDITIONS: &[&str] = &[
    "direction == \"outbound\"",
    "recipient.certificate == \"found\"",
    "recipient.certificate != \"absent\"",
    "recipient.dca != \"absent\"",
    "recipient.dca == \"found\" && recipient.certificate != \"unavailable\"",
    "recipient.dca == \"invalid\" || direction == \"outbound\"",
    "recipient.dca == \"found\" && direction == \"inbound\"",
    "message.encrypted && recipient.certificate == \"invalid\"",
];

const ACTIONS: &[&str] = &[
    "",
    "sign = [\"domain\"]",
    "sign = [\"domain\"]\nencrypt = \"required\"",
    "sign = [\"domain\"]\nencrypt = \"if-possible\"",
    "sign = [\"domain\"]\nencrypt = \"required\"\nencrypt_to = [\"recipient\"]",
    "sign = [\"domain\"]\nencrypt = \"if-possible\"\nencrypt_to = [\"recipient\"]\notherwise = \"hold\"",
    "sign = [\"domain\"]\nencrypt = \"required\"\nencrypt_to = [\"dca\"]\notherwise = \"defer\"",
    "sign = [\"domain\"]\nencrypt = \"if-possible\"\nencrypt_to = [\"dca\"]",
    "sign = [\"domain\"]\nencrypt = \"required\"\nencrypt_to = [\"recipient\", \"dca\"]",
    // An E that is opened demands another above the signature.
    "sign = [\"domain\"]\nencrypt_to = [\"dca\"]",
];

/// Policies of three rules, which say everything above in every order that a few steps reach.
fn policies() -> impl Iterator<Item = String> {
    let mut step = 0_usize;
    let mut next = move |list: &[&'static str]| {
        // Numbers that share no factor with the lengths go through all.
        step = (step * 31 + 17) % 7919;
        list[step % list.len()]
    };
    (0..80).map(move |_| {
        let mut text = String::new();
        for (name, when) in [("one", None), ("two", None), ("rest", Some("true"))] {
            let when = when.unwrap_or_else(|| next(CONDITIONS));
            let action = next(ACTIONS);
            text += &format!("[[rule]]\nname = \"{name}\"\nwhen = '{when}'\n{action}\n");
        }
        text
    })
}

#[test]
fn what_is_not_looked_for_changes_no_decision() {
    let people = People::new();
    let messages = ["C", "E(S(C))"].map(|layers| {
        let made = people.made(&layers.parse().unwrap(), Form::Opaque);
        made.message()
    });
    let results = LookupResult::ALL;
    let pairs = results.map(|own| results.map(|dca| (own, dca)));
    let (mut asked, mut most) = (0, 0);
    let mut gateway = stack::gateway("a", &stack::policy(&[], false, ""));
    for policy in policies() {
        gateway.policy = Policy::parse(&policy, "policy of a test").unwrap();
        for (own, dca) in pairs.into_iter().flatten() {
            let published = Published::new(own, dca);
            gateway.certificates = Box::new(published.clone());
            for message in &messages {
                with_arrival(&gateway, message, |arrival| {
                    let gathered = done(gateway.gather(arrival));
                    asked += published.asked().len();
                    let everything = everything(&gateway, &gathered);
                    most += published.asked().len();
                    assert_eq!(
                        format!("{:?}", gateway.decide(arrival, &gathered).shares),
                        format!("{:?}", gateway.decide(arrival, &everything).shares),
                        "{own:?} {dca:?}\n{policy}"
                    );
                });
            }
        }
    }
    assert!(asked * 10 < most * 9, "{asked} of {most}");
}

#[test]
fn nobody_is_looked_for_whom_no_rule_could_use() {
    const BOB: &str = "bob@b.example";
    const DCA: &str = "the DCA of b.example";
    let encrypted = |to: &str| {
        format!(
            "[[rule]]\nname = \"all\"\nwhen = \"true\"\nsign = [\"domain\"]\nencrypt = \"required\"\n\
             encrypt_to = [{to}]\n"
        )
    };
    let told = |fact: &str| {
        format!(
            "[[rule]]\nname = \"first\"\nwhen = 'recipient.{fact} == \"found\"'\n\
             [[rule]]\nname = \"rest\"\nwhen = \"true\"\n"
        )
    };
    let rows: [(String, &[&str]); 6] = [
        (stack::policy(&[], false, ""), &[]),
        (encrypted("\"recipient\""), &[BOB]),
        (encrypted("\"dca\""), &[DCA]),
        (encrypted("\"recipient\", \"dca\""), &[BOB, DCA]),
        (told("certificate"), &[BOB]),
        (told("dca"), &[DCA]),
    ];
    let mut gateway = stack::gateway("a", &stack::policy(&[], false, ""));
    for (policy, wanted) in rows {
        gateway.policy = Policy::parse(&policy, "policy of a test").unwrap();
        let published = Published::new(LookupResult::Absent, LookupResult::Absent);
        gateway.certificates = Box::new(published.clone());
        let message = [stack::FIELDS.as_bytes(), stack::CONTENT.as_bytes()].concat();
        with_arrival(&gateway, &message, |arrival| {
            done(gateway.gather(arrival));
            let mut asked = published.asked();
            asked.sort();
            assert_eq!(asked, wanted, "{policy}");
            // At RCPT it is the same, where anything is decided there.
            let patience = Box::pin(std::future::pending());
            done(gateway.at_recipient(arrival.transaction, now(), patience));
            let mut asked = published.asked();
            asked.sort();
            let decides = policy.contains("encrypt");
            assert_eq!(asked, if decides { wanted } else { &[] }, "{policy}");
        });
    }
}

#[test]
fn a_recipient_is_not_refused_at_rcpt_for_what_nobody_has_looked_for() {
    // The first rule is another's, since there is a DCA; the second has to wait for the message.
    let policy = "[[rule]]\nname = \"alone\"\nwhen = 'recipient.dca == \"absent\"'\nsign = [\"domain\"]\n\
                  encrypt = \"required\"\nencrypt_to = [\"recipient\"]\notherwise = \"refuse\"\n\
                  [[rule]]\nname = \"rest\"\nwhen = 'message.size > 0 || true'\n\
                  [[rule]]\nname = \"last\"\nwhen = 'true'\n";
    let mut gateway = stack::gateway("a", &stack::policy(&[], false, ""));
    gateway.policy = Policy::parse(policy, "policy of a test").unwrap();
    let message = [stack::FIELDS.as_bytes(), stack::CONTENT.as_bytes()].concat();
    for (dca, is_refused) in [(LookupResult::Found, false), (LookupResult::Absent, true)] {
        gateway.certificates = Box::new(Published::new(LookupResult::Absent, dca));
        with_arrival(&gateway, &message, |arrival| {
            let patience = Box::pin(std::future::pending());
            let early = done(gateway.at_recipient(arrival.transaction, now(), patience));
            assert_eq!(early.is_some(), is_refused, "{early:?}");
        });
    }
}
