//! What every store does, asked of the one in memory and of the one in a file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::gateway::learned::PathTo;
use crate::gateway::search::Authentication;
use crate::gateway::search::Matching;
use crate::gateway::search::Provenance;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::limits::Limits;
use crate::store::harvested::Signed;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::Sqlite;
use crate::x509::Certificate;
use crate::x509::pem;

pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_unix(NOW + seconds).unwrap()
}

/// The certificate of one of `certs/`.
pub(crate) fn certificate(name: &str) -> Certificate {
    let path = format!("{}/certs/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let file = fs::read(Path::new(&path)).unwrap();
    pem::certificates(&file, &Limits::default())
        .unwrap()
        .remove(0)
}

/// The same with another serial number: the same key, and another certificate.
pub(crate) fn renewed(certificate: &Certificate, number: u16) -> Certificate {
    let (der, serial) = (certificate.der(), certificate.serial());
    let at = der
        .windows(serial.len())
        .position(|window| window == serial);
    let end = at.unwrap() + serial.len();
    let mut der = der.to_vec();
    der[end - 2..end].copy_from_slice(&number.to_be_bytes());
    Certificate::parse(&der).unwrap()
}

pub(crate) fn candidate(certificate: &Certificate, seconds: i64) -> Candidate {
    Candidate {
        certificate: certificate.clone(),
        chain: vec![super::tests::certificate("intermediate")],
        provenance: Provenance {
            source: LookupSource::Mcek,
            authentication: Authentication::PublicTls,
            seen: at(seconds),
        },
    }
}

pub(crate) fn bob() -> Owner {
    Owner::Recipient("Bob@b.example".parse().unwrap())
}

fn settlement(known: &Known, in_use: Option<Candidate>, seconds: i64) -> Settlement {
    Settlement {
        known: known.clone(),
        in_use,
        reason: "the first".to_owned(),
        pending: Vec::new(),
        now: at(seconds),
    }
}

fn order(certificate: &Certificate, act: Act, seconds: i64) -> Order {
    Order {
        fingerprint: Fingerprint::of(certificate),
        owner: None,
        act,
        reason: "said so".to_owned(),
        now: at(seconds),
    }
}

pub(crate) fn answer(said: Said, until: i64) -> KeptAnswer {
    KeptAnswer {
        said,
        authentic: true,
        candidates: Vec::new(),
        associations: Vec::new(),
        keys: Vec::new(),
        expected: true,
        configuration: u64::MAX - 1,
        asked: at(0),
        until: at(until),
    }
}

/// Runs `test` over each kind of store.
fn each(test: impl AsyncFn(&dyn Store)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(test(&MemoryStore::default()));
    let folder = TempDir::new().unwrap();
    let store = Sqlite::open(&folder.path().join("domsec.db")).unwrap();
    runtime.block_on(test(&store));
}

async fn state(store: &dyn Store, certificate: &Certificate) -> Vec<State> {
    let entries = store.show(&Fingerprint::of(certificate)).await.unwrap();
    entries.iter().map(|entry| entry.state).collect()
}

/// Puts `certificate` in use for bob.
async fn put_in_use(store: &dyn Store, certificate: &Certificate, seconds: i64) -> Known {
    let known = store.known(&bob()).await.unwrap();
    let settled = settlement(&known, Some(candidate(certificate, seconds)), seconds);
    assert_eq!(store.settle(&bob(), settled).await.unwrap(), Settled::Kept);
    store.known(&bob()).await.unwrap()
}

#[test]
fn of_a_stranger_nothing_is_known() {
    each(async |store| {
        assert_eq!(store.known(&bob()).await.unwrap(), Known::default());
        let settled = settlement(&Known::default(), None, 0);
        assert_eq!(store.settle(&bob(), settled).await.unwrap(), Settled::Kept);
        assert_eq!(store.generation().await.unwrap(), 0);
        assert_eq!(store.list(&Filter::default(), None, 9).await.unwrap(), []);
    });
}

#[test]
fn the_key_in_use_is_known_with_its_certificate_and_a_pinned_one_with_what_came_along() {
    each(async |store| {
        let certificate = certificate("bob");
        let came = candidate(&certificate, 5);
        let known = put_in_use(store, &certificate, 5).await;
        let key = known.in_use.unwrap();
        assert_eq!(key.fingerprint, Fingerprint::of(&certificate));
        assert_eq!(key.issuer, certificate.issuer());
        let alone = Candidate {
            chain: Vec::new(),
            ..came.clone()
        };
        assert_eq!(*known.kept.unwrap(), alone);
        let entries = store.show(&key.fingerprint).await.unwrap();
        assert_eq!(entries[0].reason, "the first");
        assert_eq!((entries[0].first_seen, entries[0].changed), (at(5), at(5)));
        // Another local part, if only by its case, is another subject (RFC 5321 §2.4).
        let other = Owner::Recipient("bob@b.example".parse().unwrap());
        assert_eq!(store.known(&other).await.unwrap(), Known::default());
        let pin = order(&certificate, Act::Pin, 6);
        assert!(matches!(store.act(pin).await.unwrap(), Acted::Done(_)));
        let known = store.known(&bob()).await.unwrap();
        assert_eq!(*known.kept.unwrap(), came);
    });
}

#[test]
fn another_key_in_use_retires_the_one_before() {
    each(async |store| {
        let (old, new) = (certificate("bob"), certificate("carol"));
        put_in_use(store, &old, 0).await;
        let known = put_in_use(store, &new, 1).await;
        assert_eq!(known.in_use.unwrap().fingerprint, Fingerprint::of(&new));
        assert_eq!(state(store, &old).await, [State::Retired]);
    });
}

#[test]
fn of_two_who_settle_at_once_the_second_must_choose_again() {
    each(async |store| {
        let (one, two) = (certificate("bob"), certificate("carol"));
        let nothing = store.known(&bob()).await.unwrap();
        let now_known = put_in_use(store, &one, 0).await;
        let late = settlement(&nothing, Some(candidate(&two, 0)), 0);
        let outdated = Settled::Outdated(Box::new(now_known));
        assert_eq!(store.settle(&bob(), late).await.unwrap(), outdated);
        assert_eq!(state(store, &two).await, []);
    });
}

#[test]
fn a_pending_one_waits_until_it_is_approved() {
    each(async |store| {
        let (old, new) = (certificate("bob"), certificate("carol"));
        let known = put_in_use(store, &old, 0).await;
        let mut settled = settlement(&known, Some(candidate(&old, 1)), 1);
        settled.pending = vec![(candidate(&new, 1), "another key".to_owned())];
        assert_eq!(store.settle(&bob(), settled).await.unwrap(), Settled::Kept);
        let known = store.known(&bob()).await.unwrap();
        assert_eq!(known.pending, [Fingerprint::of(&new)]);
        let entries = store.show(&Fingerprint::of(&new)).await.unwrap();
        assert_eq!(entries[0].reason, "another key");
        let acted = store.act(order(&new, Act::Approve, 2)).await.unwrap();
        assert!(matches!(acted, Acted::Done(entries) if entries[0].state == State::Active));
        assert_eq!(state(store, &old).await, [State::Retired]);
        let known = store.known(&bob()).await.unwrap();
        assert_eq!(known.in_use.unwrap().fingerprint, Fingerprint::of(&new));
        assert_eq!(known.pending, []);
    });
}

#[test]
fn a_pinned_one_changes_by_nobody_but_an_administrator() {
    each(async |store| {
        let (pinned, other) = (certificate("bob"), certificate("carol"));
        put_in_use(store, &pinned, 0).await;
        assert!(matches!(
            store.act(order(&pinned, Act::Pin, 1)).await.unwrap(),
            Acted::Done(_)
        ));
        let known = store.known(&bob()).await.unwrap();
        assert_eq!(known.pinned, Some(Fingerprint::of(&pinned)));
        // A choice of another, made by who did not look.
        let wrong = settlement(&known, Some(candidate(&other, 2)), 2);
        let refused = store.settle(&bob(), wrong).await.unwrap();
        assert_eq!(refused, Settled::Outdated(Box::new(known.clone())));
        let mut waiting = settlement(&known, None, 2);
        waiting.pending = vec![(candidate(&other, 2), "another key".to_owned())];
        assert_eq!(store.settle(&bob(), waiting).await.unwrap(), Settled::Kept);
        assert_eq!(state(store, &pinned).await, [State::Pinned]);
        let refused = store.act(order(&other, Act::Approve, 3)).await.unwrap();
        assert!(matches!(refused, Acted::Refused(why) if why.contains("unpin")));
        assert!(matches!(
            store.act(order(&other, Act::Unpin, 3)).await.unwrap(),
            Acted::Refused(_)
        ));
        assert!(matches!(
            store.act(order(&other, Act::Pin, 3)).await.unwrap(),
            Acted::Done(_)
        ));
        assert_eq!(state(store, &pinned).await, [State::Retired]);
        assert!(matches!(
            store.act(order(&other, Act::Unpin, 4)).await.unwrap(),
            Acted::Done(_)
        ));
        assert_eq!(state(store, &other).await, [State::Active]);
    });
}

#[test]
fn a_rejected_one_is_never_used_again() {
    each(async |store| {
        let bad = certificate("bob");
        let known = put_in_use(store, &bad, 0).await;
        let before = store.generation().await.unwrap();
        assert!(matches!(
            store.act(order(&bad, Act::Reject, 1)).await.unwrap(),
            Acted::Done(_)
        ));
        assert!(store.generation().await.unwrap() > before);
        let after = store.known(&bob()).await.unwrap();
        assert_eq!(
            (&after.in_use, &after.rejected[..]),
            (&None, &[Fingerprint::of(&bad)][..])
        );
        for basis in [&known, &after] {
            let again = settlement(basis, Some(candidate(&bad, 2)), 2);
            let refused = store.settle(&bob(), again).await.unwrap();
            assert_eq!(refused, Settled::Outdated(Box::new(after.clone())));
        }
        let mut pending = settlement(&after, None, 3);
        pending.pending = vec![(candidate(&bad, 3), "again".to_owned())];
        assert_eq!(store.settle(&bob(), pending).await.unwrap(), Settled::Kept);
        assert_eq!(state(store, &bad).await, [State::Rejected]);
        assert!(matches!(
            store.act(order(&bad, Act::Pin, 4)).await.unwrap(),
            Acted::Refused(_)
        ));
        assert!(matches!(
            store.act(order(&bad, Act::Approve, 4)).await.unwrap(),
            Acted::Done(_)
        ));
    });
}

#[test]
fn a_rejected_key_is_never_used_again_in_whatever_certificate_it_comes() {
    each(async |store| {
        let bad = certificate("bob");
        let (waiting, later) = (renewed(&bad, 1), renewed(&bad, 2));
        let basis = put_in_use(store, &bad, 0).await;
        let mut settled = settlement(&basis, None, 0);
        settled.pending = vec![
            (candidate(&waiting, 0), "waits".to_owned()),
            (candidate(&certificate("carol"), 0), "waits".to_owned()),
        ];
        assert_eq!(store.settle(&bob(), settled).await.unwrap(), Settled::Kept);
        // That of the certificate alone leaves the key.
        let acted = store.act(order(&bad, Act::Reject, 1)).await.unwrap();
        assert!(matches!(acted, Acted::Done(_)));
        let known = store.known(&bob()).await.unwrap();
        assert_eq!(
            (known.rejected.len(), &known.rejected_keys[..]),
            (1, &[][..])
        );
        let acted = store.act(order(&bad, Act::RejectKey, 2)).await.unwrap();
        let Acted::Done(entries) = acted else {
            panic!("{acted:?}");
        };
        assert!(entries.iter().all(|entry| entry.with_key));
        assert_eq!(state(store, &waiting).await, [State::Rejected]);
        assert_eq!(state(store, &certificate("carol")).await, [State::Pending]);
        let after = store.known(&bob()).await.unwrap();
        assert_eq!(
            (&after.in_use, &after.rejected_keys[..]),
            (&None, &[bad.spki_sha256()][..])
        );
        // Who has chosen before he knew of it chooses again.
        let again = settlement(&known, Some(candidate(&later, 3)), 3);
        let outdated = Settled::Outdated(Box::new(after));
        assert_eq!(store.settle(&bob(), again).await.unwrap(), outdated);
        // Whoever approves one of its certificates takes that back.
        let acted = store.act(order(&waiting, Act::Approve, 4)).await.unwrap();
        assert!(matches!(acted, Acted::Done(_)));
        assert_eq!(
            store.known(&bob()).await.unwrap().rejected_keys,
            [[0; 32]; 0]
        );
        assert_eq!(state(store, &bad).await, [State::Rejected]);
    });
}

#[test]
fn what_cannot_be_done_for_one_subject_is_done_for_none() {
    each(async |store| {
        let (shared, pinned) = (certificate("bob"), certificate("carol"));
        let dca = Owner::Dca("b.example".parse().unwrap());
        for owner in [bob(), dca.clone()] {
            let mut settled = settlement(&Known::default(), None, 0);
            settled.pending = vec![(candidate(&shared, 0), "one".to_owned())];
            assert_eq!(store.settle(&owner, settled).await.unwrap(), Settled::Kept);
        }
        let mut settled = settlement(&Known::default(), None, 0);
        settled.pending = vec![(candidate(&pinned, 0), "two".to_owned())];
        assert_eq!(store.settle(&dca, settled).await.unwrap(), Settled::Kept);
        let _pinned = store.act(order(&pinned, Act::Pin, 1)).await.unwrap();
        let refused = store.act(order(&shared, Act::Approve, 2)).await.unwrap();
        assert!(matches!(refused, Acted::Refused(_)), "{refused:?}");
        assert_eq!(state(store, &shared).await, [State::Pending; 2]);
        let mut only = order(&shared, Act::Approve, 2);
        only.owner = Some(bob());
        assert!(matches!(store.act(only).await.unwrap(), Acted::Done(of) if of.len() == 1));
        assert_eq!(state(store, &shared).await, [State::Active, State::Pending]);
        let nobody = order(&certificate("alice"), Act::Reject, 3);
        assert_eq!(store.act(nobody).await.unwrap(), Acted::NotHeld);
    });
}

#[test]
fn who_publishes_a_new_certificate_each_time_does_not_fill_the_store() {
    each(async |store| {
        let certificate = certificate("carol");
        for number in 0..100 {
            let known = store.known(&bob()).await.unwrap();
            let mut settled = settlement(&known, None, i64::from(number));
            let one = candidate(&renewed(&certificate, number), i64::from(number));
            settled.pending = vec![(one, "another key".to_owned())];
            assert_eq!(store.settle(&bob(), settled).await.unwrap(), Settled::Kept);
        }
        let all = store.list(&Filter::default(), None, 1000).await.unwrap();
        assert_eq!(all.len(), 32);
        assert!(all.iter().all(|entry| entry.first_seen >= at(68)));
    });
}

#[test]
fn to_see_the_same_again_is_written_down_once_an_hour() {
    each(async |store| {
        let certificate = certificate("bob");
        let known = put_in_use(store, &certificate, 0).await;
        let first = store.generation().await.unwrap();
        for (seconds, generation) in [(1, first), (3599, first), (3600, first + 1)] {
            let same = settlement(&known, Some(candidate(&certificate, seconds)), seconds);
            assert_eq!(store.settle(&bob(), same).await.unwrap(), Settled::Kept);
            assert_eq!(store.generation().await.unwrap(), generation, "{seconds}");
        }
        let mut better = candidate(&certificate, 3601);
        better.provenance.authentication = Authentication::Dnssec;
        let known = store.known(&bob()).await.unwrap();
        let same = settlement(&known, Some(better.clone()), 3601);
        assert_eq!(store.settle(&bob(), same).await.unwrap(), Settled::Kept);
        let kept = store.known(&bob()).await.unwrap().kept.unwrap();
        assert_eq!(kept.provenance, better.provenance);
    });
}

#[test]
fn certificates_are_listed_by_state_domain_and_subject_page_by_page() {
    each(async |store| {
        let certificate = certificate("bob");
        for number in 0..5 {
            let owner = Owner::Recipient(
                format!("u{number}@d{}.example", number % 2)
                    .parse()
                    .unwrap(),
            );
            let one = candidate(&renewed(&certificate, number), 0);
            let settled = settlement(&Known::default(), Some(one), 0);
            assert_eq!(store.settle(&owner, settled).await.unwrap(), Settled::Kept);
        }
        let mut filter = Filter::default();
        let page = store.list(&filter, None, 3).await.unwrap();
        let rest = store.list(&filter, Some(page[2].id), 3).await.unwrap();
        assert_eq!((page.len(), rest.len()), (3, 2));
        filter.domain = Some("d1.example".parse().unwrap());
        assert_eq!(store.list(&filter, None, 9).await.unwrap().len(), 2);
        filter.state = Some(State::Pending);
        assert_eq!(store.list(&filter, None, 9).await.unwrap(), []);
        let one = Filter {
            owner: Some(rest[0].owner.clone()),
            ..Filter::default()
        };
        assert_eq!(store.list(&one, None, 9).await.unwrap(), rest[..1]);
    });
}

#[test]
fn who_has_published_is_known_until_an_administrator_says_otherwise() {
    each(async |store| {
        let domain: Domain = "b.example".parse().unwrap();
        let other: Domain = "a.b.example".parse().unwrap();
        let (smimea, mcek) = (LookupSource::Smimea, LookupSource::Mcek);
        assert_eq!(store.published(&domain, smimea).await.unwrap(), None);
        for seconds in [0, 5] {
            let noted = store.note_published(&domain, smimea, at(seconds)).await;
            assert_eq!(noted.unwrap(), at(0));
        }
        let since = store.published(&domain, smimea).await.unwrap();
        assert_eq!(since, Some(at(0)));
        assert_eq!(store.published(&domain, mcek).await.unwrap(), None);
        assert_eq!(store.published(&other, smimea).await.unwrap(), None);

        store.note_published(&domain, mcek, at(7)).await.unwrap();
        store.note_published(&other, smimea, at(9)).await.unwrap();
        let one = |domain: &Domain, source, seconds| Publisher {
            domain: domain.clone(),
            source,
            since: at(seconds),
        };
        let mut all = Vec::new();
        loop {
            let page = store.publishers(None, all.last(), 2).await.unwrap();
            assert!(page.len() <= 2);
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        let of_domain = [one(&domain, mcek, 7), one(&domain, smimea, 0)];
        assert_eq!(all[0], one(&other, smimea, 9));
        assert_eq!(all[1..], of_domain);
        let named = store.publishers(Some(&domain), None, 9).await.unwrap();
        assert_eq!(named, of_domain);

        let forgotten = store.forget_publisher(&domain, Some(smimea)).await.unwrap();
        assert_eq!(forgotten, [one(&domain, smimea, 0)]);
        assert_eq!(store.published(&domain, smimea).await.unwrap(), None);
        let forgotten = store.forget_publisher(&domain, None).await.unwrap();
        assert_eq!(forgotten, [one(&domain, mcek, 7)]);
        assert_eq!(store.forget_publisher(&domain, None).await.unwrap(), []);
        let left = store.publishers(None, None, 9).await.unwrap();
        assert_eq!(left, [one(&other, smimea, 9)]);
    });
}

#[test]
fn an_answer_that_cannot_be_read_was_never_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("domsec.db");
    let store = Sqlite::open(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let kept = answer(Said::Absent("no such user".to_owned()), 600);
    let recalled = || runtime.block_on(store.answer(&bob(), LookupSource::Smimea));
    let keep = || runtime.block_on(store.keep(&bob(), LookupSource::Smimea, kept.clone()));
    keep().unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    for damage in [
        "UPDATE answer SET content = x'00'",
        "UPDATE answer SET said = 'perhaps'",
        "UPDATE answer SET until = 9223372036854775807",
    ] {
        other.execute_batch(damage).unwrap();
        assert_eq!(recalled().unwrap(), Recalled::default(), "{damage}");
        // What the source says next takes its place.
        keep().unwrap();
        assert_eq!(recalled().unwrap().answer.as_ref(), Some(&kept));
    }
}

#[test]
fn a_failure_lies_beside_an_answer_and_an_answer_ends_it() {
    each(async |store| {
        let source = LookupSource::Smimea;
        let mut found = answer(Said::Found, 300);
        found.candidates = vec![candidate(&certificate("bob"), 0)];
        found.associations = vec![Association {
            usage: Usage::TrustAnchorAssertion,
            selector: Selector::SubjectPublicKeyInfo,
            matching: Matching::Sha512,
            data: vec![1; 64],
        }];
        found.keys = vec![BareKey {
            spki: vec![2; 91],
            source: LookupSource::Smtp,
            authentication: Authentication::None,
        }];
        let failure = answer(Said::Unavailable("SERVFAIL".to_owned()), 60);
        assert_eq!(
            store.answer(&bob(), source).await.unwrap(),
            Recalled::default()
        );
        store.keep(&bob(), source, found.clone()).await.unwrap();
        store.keep(&bob(), source, failure.clone()).await.unwrap();
        let both = Recalled {
            answer: Some(found),
            failure: Some(failure),
        };
        assert_eq!(store.answer(&bob(), source).await.unwrap(), both);
        for said in [
            Said::Invalid("no certificate".to_owned()),
            Said::Absent("NXDOMAIN".to_owned()),
        ] {
            let now = answer(said, 400);
            store.keep(&bob(), source, now.clone()).await.unwrap();
            let alone = Recalled {
                answer: Some(now),
                failure: None,
            };
            assert_eq!(store.answer(&bob(), source).await.unwrap(), alone);
        }
        assert_eq!(
            store.answer(&bob(), LookupSource::Mcek).await.unwrap(),
            Recalled::default()
        );
    });
}

#[test]
fn what_mail_has_taught_is_kept_and_forgotten() {
    let of = |address: &str, name: Option<&str>, seen| Harvested {
        mailbox: address.parse().unwrap(),
        certificate: name.map(|name| Signed {
            value: PathTo {
                certificate: certificate(name),
                intermediates: vec![certificate("intermediate")],
            },
            at: Some(at(seen - 1)),
        }),
        capabilities: name.is_none().then_some(Signed {
            value: vec![0x30, 0],
            at: None,
        }),
        seen: at(seen),
    };
    each(async |store| {
        assert_eq!(store.harvest(9).await.unwrap(), []);
        let (bob, carol) = (
            of("bob@b.example", Some("bob"), 1),
            of("carol@b.example", None, 2),
        );
        let all = vec![bob.clone(), carol.clone()];
        store.keep_harvest(all, Vec::new()).await.unwrap();
        // Those that were seen last come first, and are what is left where there is room for few.
        let both = [carol.clone(), bob.clone()];
        assert_eq!(store.harvest(9).await.unwrap(), both);
        assert_eq!(store.harvest(1).await.unwrap(), both[..1]);
        let newer = of("bob@b.example", Some("carol"), 3);
        let gone = vec![carol.mailbox, "nobody@b.example".parse().unwrap()];
        store.keep_harvest(vec![newer.clone()], gone).await.unwrap();
        assert_eq!(store.harvest(9).await.unwrap(), [newer]);
    });
}

#[test]
fn those_who_wait_are_counted() {
    each(async |store| {
        let [old, one, other] = ["bob", "carol", "frank"].map(certificate);
        let known = put_in_use(store, &old, 0).await;
        assert_eq!(store.pending().await.unwrap(), 0);
        let mut settled = settlement(&known, Some(candidate(&old, 1)), 1);
        let waits = |certificate: &Certificate| (candidate(certificate, 1), "waits".to_owned());
        settled.pending = vec![waits(&one), waits(&other)];
        for _ in 0..2 {
            let again = store.settle(&bob(), settled.clone()).await;
            drop(again.unwrap());
            assert_eq!(store.pending().await.unwrap(), 2);
        }
        for (certificate, act, left) in [
            (&one, Act::Reject, 1),
            (&other, Act::Approve, 0),
            (&one, Act::Approve, 0),
        ] {
            let acted = store.act(order(certificate, act, 2)).await.unwrap();
            assert!(matches!(acted, Acted::Done(_)), "{acted:?}");
            assert_eq!(store.pending().await.unwrap(), left);
        }
    });
}

#[test]
fn subjects_are_read_as_they_were_written() {
    for local in [
        "bob", "Bob", "b o\"b\\", "dca:x", "élodie", "a..b", "%_", "'",
    ] {
        let mailbox = Mailbox::new(local.to_owned(), "xn--bcher-kva.example".parse().unwrap());
        let owner = Owner::Recipient(mailbox.unwrap());
        let text = tables::owner_text(&owner);
        assert_eq!(tables::read_owner(&text).unwrap(), owner, "{text}");
    }
    let owner = Owner::Dca("[IPv6:2001:db8::1]".parse().unwrap());
    assert_eq!(
        tables::read_owner(&tables::owner_text(&owner)).unwrap(),
        owner
    );
    assert!(tables::read_owner("bob@b.example").is_err());
}

#[test]
fn what_is_not_what_was_written_is_not_read() {
    let content = encode::content(&[candidate(&certificate("bob"), 0)], &[], &[]);
    assert!(encode::read_content(&content).is_ok());
    for at in 0..content.len() {
        // No octet less, and none of the frame another.
        assert!(encode::read_content(&content[..at]).is_err(), "{at}");
    }
    assert!(encode::read_content(b"").is_err());
}
