use std::time::Duration;

use super::*;
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
    let values = tlv::element(0x31, &[&tlv::element(4, &[value])]);
    let name = tlv::element(4, &[b"userCertificate;binary"]);
    let attribute = tlv::element(0x30, &[&name, &values]);
    let attributes = tlv::element(0x30, &[&attribute]);
    reply(id, 0x64, &[&[4, 0], &attributes], &[])
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
fn what_answers_nothing_that_was_asked_ends_the_session() {
    for octets in [
        done(3),
        entry(3, b"x"),
        entry(0, b"x"),
        [done(1), done(1)].concat(),
        [done(1), entry(1, b"x")].concat(),
        reply(1, 0x61, &[&[0x0a, 1, 0, 4, 0, 4, 0]], &[]),
        // A part of an answer, where all of it was asked for.
        page(1, b"more"),
    ] {
        let mut session = asked(&["a", "b"]);
        let error = handle(&mut session, &octets).unwrap_err();
        assert!(
            matches!(error, Failure::Wire(WireError::Unexpected)),
            "{error}"
        );
        assert!(session.into_waiters().any(|waiter| waiter == "b"));
    }
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
    assert!(handle(&mut session, &entry(1, b"late")).is_err());
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
fn unfinished_answers_together_have_a_bound() {
    let mut session = asked(&["a", "b", "c", "d"]);
    for id in 1..=4 {
        // 3 MB each: the fourth is too much.
        for _ in 0..50 {
            handle(&mut session, &entry(id, &[b'x'; 60_000])).unwrap();
            assert!(session.held <= SESSION_OCTETS);
        }
    }
    let said = told(&mut session);
    assert_eq!((said.len(), said[0].0), (1, "d"));
    assert!(
        said[0].1.contains("octets of unfinished answers"),
        "{said:?}"
    );
    handle(&mut session, &[done(1), done(2), done(3)].concat()).unwrap();
    assert_eq!(told(&mut session).len(), 3);
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
