use std::time::Duration;

use super::*;
use crate::lookup::ldap::underway::ANSWER_OCTETS;
use crate::tlv;

fn search(paged: bool) -> Search {
    Search {
        base: "dc=b".to_owned(),
        filter: Filter::Present("mail".to_owned()),
        most_values: 500,
        paged,
        deadline: Instant::now() + Duration::from_secs(10),
    }
}

/// A session in which these have been asked, with the numbers 1 and so on.
fn asked(waiters: &[&'static str]) -> Session<&'static str> {
    let mut session = Session::new(0, Vec::new());
    for waiter in waiters {
        session.handle_search(search(false), *waiter, Instant::now());
    }
    session
}

fn reply(id: u32, operation: u8, content: &[&[u8]], more: &[u8]) -> Vec<u8> {
    let id = tlv::element(2, &[&id.to_be_bytes()]);
    let operation = tlv::element(operation, content);
    tlv::element(0x30, &[&id, &operation, more])
}

fn done(id: u32) -> Vec<u8> {
    reply(id, 0x65, &[&[0x0a, 1, 0, 4, 0, 4, 0]], &[])
}

/// The last reply of a page, with the place of the next one.
fn page(id: u32, cookie: &[u8]) -> Vec<u8> {
    let value = tlv::element(0x30, &[&[2, 1, 0], &tlv::element(4, &[cookie])]);
    let name = tlv::element(4, &[b"1.2.840.113556.1.4.319"]);
    let control = tlv::element(0x30, &[&name, &tlv::element(4, &[&value])]);
    let controls = tlv::element(0xa0, &[&control]);
    reply(id, 0x65, &[&[0x0a, 1, 0, 4, 0, 4, 0]], &controls)
}

fn entry(id: u32, value: &[u8]) -> Vec<u8> {
    entry_of(id, &[("userCertificate;binary", &[value])])
}

/// The entry `uid=a`, with these attributes.
fn entry_of(id: u32, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let attributes = attributes.iter().map(|(name, values)| {
        let values = values.iter().map(|value| tlv::element(4, &[value]));
        let values = tlv::element(0x31, &[&values.collect::<Vec<_>>().concat()]);
        tlv::element(0x30, &[&tlv::element(4, &[name.as_bytes()]), &values])
    });
    let attributes = tlv::element(0x30, &[&attributes.collect::<Vec<_>>().concat()]);
    reply(id, 0x64, &[b"\x04\x05uid=a", &attributes], &[])
}

/// The end of an answer, with this result.
fn ended(id: u32, code: u8) -> Vec<u8> {
    reply(id, 0x65, &[&[0x0a, 1, code, 4, 0, 4, 0]], &[])
}

/// A part of the subtree is elsewhere.
fn reference(id: u32) -> Vec<u8> {
    reply(id, 0x73, &[], &[])
}

/// What the session writes, which counts as written.
fn sent<W>(session: &mut Session<W>) -> String {
    let text = String::from_utf8_lossy(session.outgoing()).into_owned();
    session.handle_written(usize::MAX);
    text
}

fn handle<W>(session: &mut Session<W>, octets: &[u8]) -> Result<bool, Failure> {
    session.handle_octets(octets, Instant::now())
}

/// All that somebody is told, each with the first octets of what was found, or the error.
fn told(session: &mut Session<&'static str>) -> Vec<(&'static str, String)> {
    std::iter::from_fn(|| session.next_answer())
        .map(|(waiter, found)| {
            let text = match found {
                Ok(found) => String::from_utf8(found.values.concat()).unwrap(),
                Err(error) => crate::gateway::judge::chain(&error),
            };
            (waiter, text)
        })
        .collect()
}

#[test]
fn answers_go_to_whoever_asked_in_whatever_order_and_pieces_they_come() {
    let octets = [
        entry(3, b"three"),
        entry(1, b"one"),
        done(3),
        entry(2, b"two"),
        done(2),
        done(1),
    ];
    let wanted = [("c", "three"), ("b", "two"), ("a", "one")];
    let wanted = wanted.map(|(waiter, text)| (waiter, text.to_owned()));
    let octets = octets.concat();
    for size in [1, 7, octets.len()] {
        let mut session = asked(&["a", "b", "c"]);
        for piece in octets.chunks(size) {
            handle(&mut session, piece).unwrap();
        }
        assert_eq!(told(&mut session), wanted);
        assert!(session.is_idle() && session.held == 0);
    }
}

#[test]
fn what_answers_nothing_that_was_asked_is_passed_over_and_no_more_is_asked() {
    for octets in [
        done(3),
        entry(3, b"x"),
        entry(0, b"x"),
        [done(1), done(1)].concat(),
        [done(1), entry(1, b"x")].concat(),
        // It cannot be read, or is too long, and is nobody's either.
        reply(3, 0x7e, &[], &[]),
        entry(3, &vec![b'x'; 2 << 20]),
    ] {
        let mut session = asked(&["a", "b"]);
        handle(&mut session, &octets).unwrap();
        assert!(session.has_strayed() && !session.takes_more());
        handle(&mut session, &[entry(2, b"b"), done(2)].concat()).unwrap();
        assert!(told(&mut session).contains(&("b", "b".to_owned())));
        assert_eq!(session.held, 0);
    }
}

#[test]
fn what_cannot_be_taken_ends_its_own_search() {
    let long = entry(1, &vec![b'x'; 2 << 20]);
    let most = message::MESSAGE_OCTETS;
    for (octets, wanted) in [
        (
            reply(1, 0x61, &[&[0x0a, 1, 0, 4, 0, 4, 0]], &[]),
            "nothing that was asked",
        ),
        // A part of an answer, where all of it was asked for.
        (page(1, b"more"), "nothing that was asked"),
        (reply(1, 0x64, &[&[4, 9]], &[]), "malformed"),
        (long, "octets, and at most 1048576 are read"),
    ] {
        let rest = [entry(2, b"b"), done(2)].concat();
        let all = [octets, rest].concat();
        for size in [1 << 12, 1 << 14, all.len()] {
            let mut session = asked(&["a", "b"]);
            for piece in all.chunks(size) {
                handle(&mut session, piece).unwrap();
                assert!(session.received.len() <= most);
            }
            let said = told(&mut session);
            assert!(said[0].0 == "a" && said[0].1.contains(wanted), "{said:?}");
            assert_eq!(said[1], ("b", "b".to_owned()));
            assert!(!session.has_strayed() && session.is_idle());
        }
    }
}

#[test]
fn a_session_ends_where_nobody_can_tell_whose_a_message_is_or_where_it_ends() {
    for octets in [
        vec![0x30, 0x80],
        vec![0x15, 0x03],
        vec![0x30, 0x00],
        vec![0x30, 3, 4, 1, 0],
        // Longer than is passed over, for nobody, and too long without a number.
        vec![0x30, 0x84, 0x01, 0, 0, 0, 2, 1, 9, 0x64, 0, 0],
        vec![0x30, 0x83, 0x20, 0, 0, 4, 1, 0, 0, 0, 0],
    ] {
        let mut session = asked(&["a", "b"]);
        let error = handle(&mut session, &octets).unwrap_err();
        assert!(matches!(error, Failure::Wire(_)), "{octets:02x?}: {error}");
        assert_eq!(session.into_waiters().count(), 2);
    }
    // Whose it is does not ask again.
    let mut session = asked(&["a", "b"]);
    let octets = [0x30, 0x84, 0x01, 0, 0, 0, 2, 1, 1, 0x64, 0, 0];
    handle(&mut session, &octets).unwrap_err();
    let said = told(&mut session);
    assert!(matches!(&*said, [("a", text)] if text.contains("16777216 octets")));
    assert!(session.into_waiters().eq(["b"]));
    // As much as is passed over, and a little more.
    let mut session = asked(&["a"]);
    let long = entry(7, &vec![b'x'; 6 << 20]);
    handle(&mut session, &long).unwrap();
    handle(&mut session, &long).unwrap();
    let error = handle(&mut session, &long).unwrap_err();
    assert!(
        matches!(error, Failure::Wire(WireError::Long(_))),
        "{error}"
    );
}

#[test]
fn what_was_given_up_is_abandoned_and_its_late_answer_is_nobodys() {
    let mut session = asked(&["a", "b"]);
    let requests = session.outgoing().len();
    session.handle_given_up(|waiter| *waiter == "a");
    assert_eq!(session.outgoing()[requests..], message::abandon(3, 1));
    // What comes next has a number of its own.
    session.handle_search(search(false), "c", Instant::now());
    let late = [entry(1, b"late"), done(1), done(4), entry(2, b"b"), done(2)];
    handle(&mut session, &late.concat()).unwrap();
    let wanted = [("c", String::new()), ("b", "b".to_owned())];
    assert_eq!(told(&mut session), wanted);
    assert_eq!((session.given_up.len(), session.late > 0), (0, true));
    // It has ended: nothing more can come for it.
    assert!(!session.has_strayed());
    handle(&mut session, &entry(1, b"late")).unwrap();
    assert!(session.has_strayed());
}

#[test]
fn endless_entries_take_no_more_memory_than_is_allowed_and_harm_nobody_else() {
    let mut session = asked(&["a", "b"]);
    let flood = entry(1, &[b'x'; 60_000]).repeat(10);
    let mut most = 0;
    while session.takes_more() {
        handle(&mut session, &flood).unwrap();
        most = most.max(session.held);
        assert!(session.received.len() <= message::MESSAGE_OCTETS);
    }
    assert!(most <= ANSWER_OCTETS, "{most}");
    handle(&mut session, &[entry(2, b"b"), done(2)].concat()).unwrap();
    let said = told(&mut session);
    assert!(said[0].1.contains("octets of certificates"), "{said:?}");
    assert_eq!(said[1], ("b", "b".to_owned()));
    assert_eq!(session.held, 0);
}

#[test]
fn where_unfinished_answers_are_too_much_together_the_largest_ends() {
    let mut session = asked(&["a", "large", "b", "small"]);
    for (id, times) in [(1, 40), (2, 60), (3, 55), (2, 5)] {
        for _ in 0..times {
            handle(&mut session, &entry(id, &[b'x'; 60_000])).unwrap();
            assert!(session.held <= SESSION_OCTETS);
        }
    }
    assert_eq!(told(&mut session), []);
    for _ in 0..50 {
        handle(&mut session, &entry(4, &[b'x'; 20_000])).unwrap();
        assert!(session.held <= SESSION_OCTETS);
    }
    let said = told(&mut session);
    assert_eq!((said.len(), said[0].0), (1, "large"));
    assert!(
        said[0].1.contains("octets of unfinished answers"),
        "{said:?}"
    );
    handle(&mut session, &[done(1), done(3), done(4)].concat()).unwrap();
    let said = told(&mut session);
    let found = ["a", "b", "small"];
    assert!(said.iter().map(|(who, _)| *who).eq(found), "{said:?}");
    assert!(said.iter().all(|(_, text)| text.starts_with("xxx")));
    assert_eq!(session.held, 0);
}

#[test]
fn values_that_come_in_ranges_are_asked_for_to_their_end() {
    // As Active Directory has them; the name without a range stands beside it, without values.
    for (bare, first, next) in [
        (
            "userCertificate",
            "userCertificate;range=0-1",
            "userCertificate;range=",
        ),
        (
            "userCertificate;binary",
            "UserCertificate;Binary;Range=0-1",
            "userCertificate;binary;range=",
        ),
        (
            "userSMIMECertificate",
            "userSMIMECertificate;range=0-1;binary",
            "userSMIMECertificate;binary;range=",
        ),
        ("2.5.4.36", "2.5.4.36;range=0-1", "userCertificate;range="),
    ] {
        let mut session = asked(&["a"]);
        sent(&mut session);
        let two: &[&[u8]] = &[b"1 ", b"2 "];
        let answer = [entry_of(1, &[(bare, &[]), (first, two)]), done(1)];
        handle(&mut session, &answer.concat()).unwrap();
        assert_eq!(told(&mut session), [], "{first}");
        let request = sent(&mut session);
        let wanted = format!("{next}2-*");
        assert!(
            request.contains(&wanted) && request.contains("uid=a"),
            "{request:?}"
        );
        let more: &[&[u8]] = &[b"3 ", b"4 "];
        let name = format!("{next}2-3");
        let answer = [entry_of(2, &[(&name, more)]), done(2)];
        handle(&mut session, &answer.concat()).unwrap();
        let request = sent(&mut session);
        assert!(request.contains(&format!("{next}4-*")), "{request:?}");
        let answer = [entry_of(3, &[(&format!("{next}4-*"), &[b"5"])]), done(3)];
        handle(&mut session, &answer.concat()).unwrap();
        assert_eq!(told(&mut session), [("a", "1 2 3 4 5".to_owned())]);
        assert!(session.is_idle() && session.held == 0);
    }
    // All of them at once need no more, and two entries are asked for one after the other.
    let mut session = asked(&["a"]);
    let answer = [
        entry_of(1, &[("userCertificate;range=0-*", &[b"1"])]),
        done(1),
    ];
    handle(&mut session, &answer.concat()).unwrap();
    assert_eq!(told(&mut session), [("a", "1".to_owned())]);
    session.handle_search(search(false), "b", Instant::now());
    let part = entry_of(2, &[("userCertificate;range=0-0", &[b"1"])]);
    handle(&mut session, &[part.clone(), part, done(2)].concat()).unwrap();
    for id in 3..5 {
        assert_eq!(told(&mut session), []);
        let answer = [
            entry_of(id, &[("userCertificate;range=1-*", &[b"2"])]),
            done(id),
        ];
        handle(&mut session, &answer.concat()).unwrap();
    }
    let mut told_of = std::iter::from_fn(|| session.next_answer());
    let found = told_of.next().unwrap().1.unwrap();
    assert_eq!((found.count, found.values.concat()), (2, b"1122".to_vec()));
}

#[test]
fn a_part_of_the_values_is_never_taken_for_all_of_them() {
    let one: &[&[u8]] = &[b"1"];
    let (first, next) = ("userCertificate;range=0-0", "userCertificate;range=1-1");
    let cases: &[&[Vec<u8>]] = &[
        // Not from the beginning, no range, and one that ends before it begins.
        &[entry_of(1, &[("userCertificate;range=1-*", one)])],
        &[entry_of(1, &[("userCertificate;range=0-x", one)])],
        &[entry_of(1, &[("userCertificate;range=0", one)])],
        &[entry_of(1, &[("userCertificate;range=", one)])],
        &[entry_of(1, &[("userCertificate;range=0-99999999999", one)])],
        &[entry_of(1, &[("userCertificate;range=0-0;range=0-*", one)])],
        // A value that is there and is not given.
        &[entry_of(1, &[(first, &[])])],
        &[entry_of(1, &[("userCertificate", &[])])],
        &[entry_of(1, &[("userCertificate;x-foo", &[])])],
        &[entry_of(
            1,
            &[("userCertificate", &[]), ("userSMIMECertificate", one)],
        )],
        &[entry_of(
            1,
            &[("userCertificate;x-a", &[]), ("userCertificate;x-b", one)],
        )],
        // Fewer than the range has, or more.
        &[entry_of(1, &[("userCertificate;range=0-1", one)])],
        &[entry_of(1, &[(first, &[b"1", b"2"])])],
        &[
            entry_of(1, &[(first, one)]),
            entry_of(2, &[("userCertificate;range=1-2", one)]),
        ],
        // What comes next is not the next, or nothing.
        &[entry_of(1, &[(first, one)]), entry_of(2, &[(first, one)])],
        &[
            entry_of(1, &[(first, one)]),
            entry_of(2, &[("userCertificate", one)]),
        ],
        &[entry_of(1, &[(first, one)]), entry_of(2, &[(next, &[])])],
        &[
            entry_of(1, &[(first, one)]),
            entry_of(2, &[("userCertificate;binary;range=1-*", one)]),
        ],
        &[entry_of(1, &[(first, one)]), entry_of(2, &[])],
        &[entry_of(1, &[(first, one)]), Vec::new()],
    ];
    for (index, case) in cases.iter().enumerate() {
        let mut session = asked(&["a"]);
        for (id, answer) in (1..).zip(case.iter()) {
            handle(&mut session, answer).unwrap();
            if session.underway.contains_key(&id) {
                handle(&mut session, &done(id)).unwrap();
            }
        }
        let said = told(&mut session);
        assert_eq!(said.len(), 1, "{index}: {said:?}");
        let text = &said[0].1;
        assert!(text.contains("userCertificate"), "{index}: {text}");
    }
    // And there is an end to it.
    let mut session = asked(&["a"]);
    let mut id = 1;
    while session.underway.contains_key(&id) {
        let name = format!("userCertificate;range={}-{}", id - 1, id - 1);
        handle(
            &mut session,
            &[entry_of(id, &[(&name, one)]), done(id)].concat(),
        )
        .unwrap();
        id += 1;
    }
    let said = told(&mut session);
    assert!(said[0].1.contains("number of ranges"), "{said:?}");
}

#[test]
fn values_with_other_options_are_values_of_their_attribute() {
    let values = |name| {
        let mut session = asked(&["a"]);
        let answer = [entry_of(1, &[(name, &[b"1"])]), done(1)];
        handle(&mut session, &answer.concat()).unwrap();
        told(&mut session).remove(0).1
    };
    for name in [
        "userCertificate;lang-de",
        "USERCERTIFICATE;x-foo;BINARY",
        "2.16.840.1.113730.3.1.40",
        "userSMIMECertificate;x-foo",
    ] {
        assert_eq!(values(name), "1", "{name}");
    }
    // What nobody asked for is nobody's.
    for name in [
        "userCertificates",
        "cACertificate;binary",
        "userCertificate-x;range=0-1",
    ] {
        assert_eq!(values(name), "", "{name}");
    }
}

#[test]
fn a_base_that_is_not_there_is_an_error_of_its_own_and_after_something_came_a_contradiction() {
    let mut session = asked(&["a"]);
    handle(&mut session, &ended(1, 32)).unwrap();
    let said = told(&mut session);
    assert!(said[0].1.contains("noSuchObject"), "{said:?}");
    for before in [reference(1), entry(1, b"one")] {
        let mut session = asked(&["a"]);
        handle(&mut session, &[before, ended(1, 32)].concat()).unwrap();
        let said = told(&mut session);
        assert_ne!(said[0].1, "");
        assert_ne!(said[0].1, "one");
    }
    let part = entry_of(1, &[("userCertificate;range=0-0", &[b"1"])]);
    let mut session = asked(&["a"]);
    handle(&mut session, &[part, done(1), ended(2, 32)].concat()).unwrap();
    let said = told(&mut session);
    assert!(
        said[0].1.contains("answers the search with noSuchObject"),
        "{said:?}"
    );
    let mut session = Session::new(0, Vec::new());
    session.handle_search(search(true), "a", Instant::now());
    handle(&mut session, &[page(1, b"c"), ended(2, 32)].concat()).unwrap();
    let said = told(&mut session);
    assert!(
        said[0].1.contains("answers the search with noSuchObject"),
        "{said:?}"
    );
}

#[test]
fn pages_belong_to_one_answer_and_end() {
    let mut session = Session::new(0, Vec::new());
    session.handle_search(search(true), "a", Instant::now());
    let octets = [
        entry(1, b"one "),
        page(1, b"c"),
        entry(2, b"two"),
        page(2, b""),
    ];
    handle(&mut session, &octets.concat()).unwrap();
    assert_eq!(told(&mut session), [("a", "one two".to_owned())]);
    session.handle_search(search(true), "a", Instant::now());
    for id in 3..7 {
        handle(&mut session, &page(id, b"c")).unwrap();
    }
    let said = told(&mut session);
    assert!(said[0].1.contains("number of pages"), "{said:?}");
}

#[test]
fn no_number_is_used_twice_and_the_last_ones_are_for_what_is_under_way() {
    let mut session = Session::new(MOST_ID - LEFT_IDS - 1, Vec::new());
    assert!(session.takes_more());
    session.handle_search(search(false), "a", Instant::now());
    assert!(!session.takes_more());
    let mut session = Session::new(MOST_ID - 1, Vec::new());
    session.handle_search(search(false), "a", Instant::now());
    session.handle_search(search(false), "b", Instant::now());
    let said = told(&mut session);
    assert_eq!(said[0].0, "b");
    assert!(said[0].1.contains("all message ids"), "{said:?}");
    // There is none for the word that it is given up; it is forgotten all the same.
    session.handle_given_up(|waiter| *waiter == "a");
    handle(&mut session, &done(MOST_ID)).unwrap();
    assert!(session.is_idle());
}

#[test]
fn a_session_with_much_that_was_given_up_takes_no_more() {
    let mut session = asked(&[]);
    for _ in 0..MOST_GIVEN_UP {
        assert!(session.takes_more());
        session.handle_search(search(false), "a", Instant::now());
        session.handle_given_up(|_| true);
        session.handle_written(usize::MAX);
    }
    assert!(!session.takes_more() && session.is_idle());
    // And one whose server does not read.
    let mut session = asked(&[]);
    while session.outgoing().len() < OUTGOING_OCTETS {
        assert!(session.takes_more());
        session.handle_search(search(false), "a", Instant::now());
    }
    assert!(!session.takes_more());
}
