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

use domsec::address::Domain;
use domsec::address::Mailbox;
use domsec::crypto::provider;
use domsec::gateway::announced::Announced;
use domsec::gateway::arrival::Arrival;
use domsec::gateway::certificates::Answer;
use domsec::gateway::certificates::Certificates;
use domsec::gateway::certificates::Noted;
use domsec::gateway::certificates::Unavailable;
use domsec::gateway::choice::Choice;
use domsec::gateway::choice::Finding;
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
use domsec::limits::Limits;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::Policy;
use domsec::policy::facts::LookupResult;
use domsec::policy::facts::LookupSource;
use domsec::policy::facts::Session;
use domsec::x509::SimplePaths;
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
    /// Whether bob's entry in a directory has the DCA's certificate; `None` where there is no directory.
    in_entry: Option<bool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Published {
    fn new(own: LookupResult, dca: LookupResult, in_entry: Option<bool>) -> Self {
        Self {
            own,
            dca,
            in_entry,
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
        match (subject, self.in_entry) {
            (_, None) => {}
            (Subject::Recipient(_), Some(true)) => {
                put(LookupSource::Ldap, Said::Found, Some("dca-b"));
            }
            (_, Some(_)) => put(LookupSource::Ldap, Said::Absent(why()), None),
        }
        Box::pin(ready(search))
    }

    fn has_entries(&self, _domain: &Domain) -> bool {
        self.in_entry.is_some()
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
        let mut own_search = done(gateway.search(recipient, now()));
        let mut dca_search = done(gateway.search(dca, now()));
        let of_entry = gateway.take_dcas(&record.mailbox, &mut own_search, now());
        dca_search.add_of_entries(of_entry);
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
            for in_entry in [None, Some(false), Some(true)] {
                let published = Published::new(own, dca, in_entry);
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
                            "{own:?} {dca:?} {in_entry:?}\n{policy}"
                        );
                    });
                }
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
    let rows: [(String, &[&str], &[&str]); 6] = [
        // What is asked for without a directory, and with one, whose entries may have both.
        (stack::policy(&[], false, ""), &[], &[]),
        (encrypted("\"recipient\""), &[BOB], &[BOB]),
        (encrypted("\"dca\""), &[DCA], &[BOB, DCA]),
        (
            encrypted("\"recipient\", \"dca\""),
            &[BOB, DCA],
            &[BOB, DCA],
        ),
        (told("certificate"), &[BOB], &[BOB]),
        (told("dca"), &[DCA], &[BOB, DCA]),
    ];
    let mut gateway = stack::gateway("a", &stack::policy(&[], false, ""));
    for (policy, without, with) in rows {
        gateway.policy = Policy::parse(&policy, "policy of a test").unwrap();
        for (in_entry, wanted) in [(None, without), (Some(false), with)] {
            let published = Published::new(LookupResult::Absent, LookupResult::Absent, in_entry);
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
}

#[test]
fn a_dcas_certificate_in_the_entry_of_a_recipient_is_judged_once_and_as_the_dcas() {
    let mut gateway = stack::gateway("a", &stack::policy(&[], true, ""));
    let message = [stack::FIELDS.as_bytes(), stack::CONTENT.as_bytes()].concat();
    let found = |gateway: &Gateway| {
        let mut findings = None;
        with_arrival(gateway, &message, |arrival| {
            findings = done(gateway.gather(arrival)).findings.pop();
        });
        findings.unwrap()
    };
    let publish = |gateway: &mut Gateway, own, dca| {
        gateway.certificates = Box::new(Published::new(own, dca, Some(true)));
    };
    publish(&mut gateway, LookupResult::Absent, LookupResult::Absent);
    let findings = found(&gateway);
    assert!(matches!(findings.own, Finding::Absent), "{findings:?}");
    let dca = identity("dca-b");
    assert_eq!(findings.dca.certificate(), Some(dca.certificate()));
    // What the recipient has beside it is his.
    publish(&mut gateway, LookupResult::Found, LookupResult::Found);
    let findings = found(&gateway);
    assert_eq!(
        findings.own.certificate(),
        Some(identity("bob").certificate())
    );
    assert_eq!(findings.dca.certificate(), Some(dca.certificate()));
    // Who can write an entry does not speak for the domain: without a path it is none that counts.
    let (verification, limits) = (provider().verification, Limits::default());
    gateway.paths = Box::new(SimplePaths::new(Vec::new(), verification, &limits));
    publish(&mut gateway, LookupResult::Absent, LookupResult::Absent);
    let findings = found(&gateway);
    assert!(matches!(findings.own, Finding::Absent), "{findings:?}");
    assert!(matches!(findings.dca, Finding::Invalid(_)), "{findings:?}");
}
