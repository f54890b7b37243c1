//! Sessions by packets: what is due, what is collected, what is refused.

use super::super::options::OptionsError;
use super::super::options::actions;
use super::*;

/// What Postfix offers.
const POSTFIX: Options = Options {
    version: 6,
    actions: 0x1ff,
    protocol: 0x1f_ffff,
};
const LIMITS: MessageLimits = MessageLimits {
    octets: 1_000,
    header_octets: 200,
    header_fields: 5,
    recipients: 3,
};

/// An [`Event`] that holds its octets.
#[derive(Debug)]
enum Seen {
    Aborted,
    Body(Vec<u8>),
    Closed,
    Header(String),
    Message(Box<Message>, Vec<u8>),
    Nothing,
    Recipient,
}

/// An MTA and its session.
struct Mta(Session);

impl Mta {
    fn of(protocol: u32) -> Self {
        Self::with(protocol, false)
    }

    fn with(protocol: u32, at_recipient: bool) -> Self {
        let mut mta = Self(Session::new(LIMITS, at_recipient));
        let offer = [6, 0x1ff, protocol].map(u32::to_be_bytes);
        mta.say(b'O', offer.as_flattened());
        mta.0.output();
        mta
    }

    fn new() -> Self {
        Self::of(POSTFIX.protocol)
    }

    fn try_say(&mut self, command: u8, data: impl AsRef<[u8]>) -> Result<Seen, SessionError> {
        let data = data.as_ref();
        Ok(match self.0.handle(Packet { command, data })? {
            Event::Aborted => Seen::Aborted,
            Event::Body(octets) => Seen::Body(octets.to_vec()),
            Event::Closed => Seen::Closed,
            Event::Header(octets) => Seen::Header(String::from_utf8_lossy(&octets).into_owned()),
            Event::Message(message, octets) => Seen::Message(message, octets.to_vec()),
            Event::Nothing => Seen::Nothing,
            Event::Recipient => Seen::Recipient,
        })
    }

    fn say(&mut self, command: u8, data: impl AsRef<[u8]>) -> Seen {
        self.try_say(command, data).unwrap()
    }

    /// The same, for each line; a line is a letter, and strings with bars for their ends.
    fn script(&mut self, lines: &[&str]) -> Vec<Seen> {
        lines
            .iter()
            .map(|line| self.say(line.as_bytes()[0], line[1..].replace('|', "\0")))
            .collect()
    }

    /// The letters of what is due.
    fn due(&mut self) -> String {
        let mut framer = super::super::packet::Framer::default();
        framer.push(&self.0.output());
        let mut letters = String::new();
        while let Some(packet) = framer.next_packet().unwrap() {
            letters.push(char::from(packet.command));
        }
        letters
    }

    /// Ends the message at hand.
    fn end(&mut self) -> Box<Message> {
        let Seen::Message(message, _) = self.say(b'E', b"") else {
            panic!("no message");
        };
        message
    }

    /// A message whose envelope is that.
    fn envelope(&mut self, lines: &[&str]) -> Box<Message> {
        self.script(lines);
        self.say(b'N', b"");
        self.end()
    }
}

#[test]
fn an_mta_is_answered_with_what_is_used_and_the_macros_that_are_wanted() {
    let mut session = Session::new(LIMITS, false);
    let data = [POSTFIX.version, POSTFIX.actions, POSTFIX.protocol].map(u32::to_be_bytes);
    let packet = Packet {
        command: b'O',
        data: data.as_flattened(),
    };
    assert!(matches!(session.handle(packet), Ok(Event::Nothing)));
    let answer = session.output();
    assert_eq!(answer[4], b'O');
    assert_eq!(answer[5..9], 6_u32.to_be_bytes());
    assert_eq!(answer[9..13], 0x15b_u32.to_be_bytes());
    let agreed = u32::from_be_bytes(answer[13..17].try_into().unwrap());
    assert_eq!(agreed & !POSTFIX.protocol, 0);
    // Each stage has its number, its names and their end.
    assert_eq!(answer[17..22], *b"\0\0\0\0j");
    assert!(answer.ends_with(b"\0\0\0\x05i\0"), "{answer:?}");
    assert!(session.output().is_empty(), "an answer is given once");
}

#[test]
fn an_mta_that_takes_no_list_of_macros_gets_none() {
    let mut session = Session::new(LIMITS, false);
    let offer = [2, 0x3f, 0].map(u32::to_be_bytes);
    let packet = Packet {
        command: b'O',
        data: offer.as_flattened(),
    };
    assert!(matches!(session.handle(packet), Ok(Event::Nothing)));
    assert_eq!(session.output().len(), 4 + 1 + 12);
    assert!(!session.options().may(actions::CHANGE_FROM));
}

#[test]
fn an_mta_that_lets_us_change_nothing_is_refused() {
    let offer = [6, 0, 0].map(u32::to_be_bytes);
    let error = Mta(Session::new(LIMITS, false))
        .try_say(b'O', offer.as_flattened())
        .unwrap_err();
    assert_eq!(error, SessionError::Options(OptionsError::Actions(0)));
}

#[test]
fn go_on_is_due_exactly_where_it_was_not_left_out() {
    let steps: &[(u32, &str)] = &[
        (protocol::NO_REPLY_CONNECT, "Cmx|U"),
        (protocol::NO_REPLY_HELO, "Hmx|"),
        (protocol::NO_REPLY_MAIL, "M<a@a.example>|"),
        (protocol::NO_REPLY_RCPT, "R<b@b.example>|"),
        (protocol::NO_REPLY_HEADER, "LSubject|x|"),
        (protocol::NO_REPLY_END_OF_HEADER, "N"),
        (protocol::NO_REPLY_BODY, "Bbody"),
    ];
    let all = steps.iter().fold(0, |all, (flag, _)| all | flag);
    for offered in (0..=steps.len()).map(|at| steps.get(at).map_or(0, |(flag, _)| *flag)) {
        for offered in [offered, all & !offered] {
            let mut mta = Mta::of(offered);
            for (flag, line) in steps {
                mta.script(&["DM", line]);
                let want = if offered & flag == 0 { "c" } else { "" };
                assert_eq!(mta.due(), want, "{offered:#x} {line}");
            }
            mta.end();
            assert_eq!(mta.due(), "", "the answer to a message is the driver's");
        }
    }
}

#[test]
fn commands_that_could_not_be_left_out_are_answered() {
    let mut mta = Mta::of(0);
    mta.script(&["Uwhat|", "M<>|", "R<b@b.example>|", "T"]);
    assert_eq!(mta.due(), "cccc");
}

#[test]
fn nothing_but_the_offer_may_come_first() {
    for letter in *b"CHMRTLNBE" {
        let mut mta = Mta(Session::new(LIMITS, false));
        let error = mta.try_say(letter, data_of(letter)).unwrap_err();
        let stage = Stage::Start;
        assert_eq!(error, SessionError::Order { letter, stage });
    }
    for letter in *b"ADKU" {
        let mut mta = Mta(Session::new(LIMITS, false));
        assert!(matches!(mta.say(letter, data_of(letter)), Seen::Nothing));
        assert_eq!(mta.0.stage, Stage::Start);
    }
    assert!(matches!(
        Mta(Session::new(LIMITS, false)).say(b'Q', b""),
        Seen::Closed
    ));
}

/// Data that the command of that letter takes.
fn data_of(letter: u8) -> &'static [u8] {
    match letter {
        b'C' => b"mx\0U",
        b'D' => b"M",
        b'H' => b"mx\0",
        b'L' => b"A\0b\0",
        b'M' | b'R' => b"<a@a.example>\0",
        b'O' => b"\0\0\0\x06\0\0\x01\xff\0\0\0\0",
        _ => b"",
    }
}

/// Up to that stage.
fn at(stage: Stage) -> Mta {
    let mut mta = Mta::new();
    let lines = ["M<a@a.example>|", "LA|b|", "N"];
    let count = match stage {
        Stage::Start | Stage::Connected => 0,
        Stage::Envelope => 1,
        Stage::Header => 2,
        Stage::Body => 3,
    };
    mta.script(&lines[..count]);
    assert_eq!(mta.0.stage, stage);
    mta
}

#[test]
fn what_breaks_the_order_is_refused_at_every_stage() {
    for (stage, allowed) in [
        (Stage::Connected, &b"OCHMADKQU"[..]),
        (Stage::Envelope, b"HMRTLNADKQU"),
        (Stage::Header, b"LNADKQU"),
        (Stage::Body, b"BEADKQU"),
    ] {
        for letter in *b"ABCDEHKLMNOQRTU" {
            let said = at(stage).try_say(letter, data_of(letter));
            match said {
                Ok(_) => assert!(allowed.contains(&letter), "{stage:?} {letter}"),
                Err(error) => {
                    assert_eq!(error, SessionError::Order { letter, stage });
                    assert!(!allowed.contains(&letter), "{stage:?} {letter}");
                }
            }
        }
    }
}

#[test]
fn an_abort_forgets_the_message_wherever_it_comes() {
    for (stage, within) in [
        (Stage::Connected, false),
        (Stage::Envelope, true),
        (Stage::Header, true),
        (Stage::Body, true),
    ] {
        for letter in *b"AK" {
            let mut mta = at(stage);
            let seen = mta.say(letter, b"");
            assert_eq!(matches!(seen, Seen::Aborted), within, "{stage:?}");
            assert!(!mta.0.is_within_message());
            // Postfix says it twice.
            assert!(matches!(mta.say(b'A', b""), Seen::Nothing));
            let message = mta.envelope(&["M<>|", "R<b@b.example>|"]);
            assert!(message.sender.is_none() && message.header.is_empty());
            assert_eq!(message.recipients.len(), 1);
        }
    }
}

#[test]
fn helo_ends_a_message_as_rset_does() {
    let mut mta = at(Stage::Envelope);
    assert!(matches!(mta.say(b'H', b"mx\0"), Seen::Aborted));
    let said = mta.try_say(b'R', b"<b@b.example>\0");
    assert!(matches!(said, Err(SessionError::Order { .. })));
}

#[test]
fn nothing_is_known_of_a_client_that_follows_another() {
    for next in [&["K", "Cmx|U"][..], &["Cmx|U"]] {
        let mut mta = Mta::new();
        mta.script(&[
            "Cmx|4xx192.0.2.1|",
            "Hone|",
            "DH{tls_version}|TLSv1.3|{cert_subject}|x|",
        ]);
        mta.script(next);
        let message = mta.envelope(&["DM", "M<>|", "R<b@b.example>|"]);
        let client = &message.client;
        assert!(
            client.address.is_none() && client.helo.is_none(),
            "{next:?}"
        );
        assert!(!client.tls && client.tls_subject.is_none(), "{next:?}");
    }
}

#[test]
fn a_client_stays_the_same_for_all_of_its_messages() {
    let mut mta = Mta::new();
    mta.script(&["Cmx|4xx192.0.2.1|", "DH{tls_version}|TLSv1.3|", "Hone|"]);
    for _ in 0..3 {
        let message = mta.envelope(&["M<>|", "R<b@b.example>|"]);
        let client = &message.client;
        assert_eq!(client.address, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(client.helo.as_deref(), Some("one"));
        assert!(client.tls);
    }
}

#[test]
fn a_login_counts_for_the_message_alone_that_it_was_said_of() {
    let login = |mta: &mut Mta, lines: &[&str]| mta.envelope(lines).client.login.clone();
    let mut mta = Mta::new();
    let with = [
        "DM{auth_authen}|alice|",
        "M<a@a.example>|",
        "R<b@b.example>|",
    ];
    let without = ["M<a@a.example>|", "R<b@b.example>|"];
    assert_eq!(login(&mut mta, &with).as_deref(), Some("alice"));
    assert_eq!(login(&mut mta, &without), None);
    // Said of another stage, it is nobody's.
    for stage in ["DC", "DH", "DR", "DT", "DN", "DE", "DL"] {
        let line = format!("{stage}{{auth_authen}}|alice|");
        let lines = [&line, "M<a@a.example>|", "R<b@b.example>|", &line];
        assert_eq!(login(&mut mta, &lines), None, "{stage}");
    }
    // Nor is that of a message that was aborted.
    mta.script(&["DM{auth_authen}|alice|", "M<a@a.example>|", "A"]);
    assert_eq!(login(&mut mta, &without), None);
}

#[test]
fn the_name_in_a_certificate_counts_where_the_mta_has_verified_it() {
    for (macros, want) in [
        ("{cert_subject}|CN|{cn_subject}|cn|", Some("CN")),
        (
            "{verify}|OK|{cert_subject}|/O=x/CN=cn|{cn_subject}|cn|",
            Some("cn"),
        ),
        ("{verify}|FAIL|{cert_subject}|CN|{cn_subject}|cn|", None),
        ("{verify}|NO|{cert_subject}|CN|{cn_subject}|cn|", None),
        ("{verify}|OK|{cert_subject}|CN|", None),
        ("verify|FAIL|cert_subject|CN|", None),
        ("{tls_version}|TLSv1.3|", None),
    ] {
        for stage in ["DH", "DM"] {
            let mut mta = Mta::new();
            let line = format!("{stage}{macros}");
            let message = mta.envelope(&[&line, "M<>|", "R<b@b.example>|"]);
            assert_eq!(message.client.tls_subject.as_deref(), want, "{line}");
        }
    }
}

#[test]
fn the_last_queue_identifier_counts() {
    let mut mta = Mta::new();
    let message = mta.envelope(&["DMi|1|", "M<>|", "DRi|2|", "R<b@b.example>|"]);
    assert_eq!(message.queue_id.as_deref(), Some("2"));
    mta.script(&["DMi|3|", "M<>|", "R<b@b.example>|", "N", "DEi|4|"]);
    assert_eq!(mta.end().queue_id.as_deref(), Some("4"));
    let message = mta.envelope(&["M<>|", "R<b@b.example>|"]);
    assert_eq!(message.queue_id, None);
}

#[test]
fn macros_of_commands_that_are_none_are_not_kept() {
    let mut mta = Mta::new();
    for stage in 0..=u8::MAX {
        mta.say(b'D', [&[stage][..], b"x\0y\0"].concat());
    }
    let kept: Vec<u8> = (0..=u8::MAX)
        .filter(|stage| mta.0.macros.at(*stage, "x").is_some())
        .collect();
    assert_eq!(kept, b"CEHMNRT");
}

#[test]
fn addresses_are_read_as_the_envelope_has_them() {
    for (given, want) in [
        ("<a@a.example>", Some("a@a.example")),
        ("a@a.example", Some("a@a.example")),
        ("<A.b@EXAMPLE.org>", Some("A.b@example.org")),
        ("<\"a b\"@a.example>", Some("\"a b\"@a.example")),
        ("<\"a@b\"@a.example>", Some("\"a@b\"@a.example")),
        ("<\"a\\\"b\"@a.example>", Some("\"a\\\"b\"@a.example")),
        (
            "<jörg@münchen.example>",
            Some("jörg@xn--mnchen-3ya.example"),
        ),
        ("<a@[192.0.2.1]>", Some("a@[192.0.2.1]")),
        ("<postmaster>", None),
        ("<>", None),
        ("<a@@a.example>", None),
        ("<a b@a.example>", None),
        ("<@relay.example:a@a.example>", None),
        ("", None),
    ] {
        let mut mta = Mta::new();
        mta.script(&["M<>|", &format!("R{given}|"), "N"]);
        let message = mta.end();
        let read: Vec<String> = message
            .recipients
            .iter()
            .map(|recipient| recipient.mailbox.to_string())
            .collect();
        assert_eq!(read.first().map(String::as_str), want, "{given}");
        if want.is_none() {
            let reason = Unacceptable::Address(given.to_owned());
            assert_eq!(message.unacceptable, Some(reason));
        }
    }
    let mut mta = Mta::new();
    mta.say(b'M', b"<\xff@a.example>\0");
    mta.say(b'N', b"");
    let reason = Unacceptable::Address("<\u{fffd}@a.example>".to_owned());
    assert_eq!(mta.end().unacceptable, Some(reason));
}

#[test]
fn a_null_sender_is_nobody_and_no_fault() {
    // Postfix gives its own bounces the second.
    for given in ["<>", ""] {
        let message = Mta::new().envelope(&[&format!("M{given}|"), "R<b@b.example>|"]);
        assert!(message.sender.is_none() && message.unacceptable.is_none());
        assert_eq!(message.sender_given, given.as_bytes());
    }
}

#[test]
fn local_users_have_the_address_that_the_mta_gives_them() {
    let message = Mta::new().envelope(&[
        "DM{mail_addr}|alice@a.example|",
        "M<alice>|",
        "DR{rcpt_addr}|bob@a.example|",
        "Rbob|NOTIFY=NEVER|",
    ]);
    assert_eq!(message.sender, "alice@a.example".parse().ok());
    let [bob] = message.recipients.as_slice() else {
        panic!("{message:?}");
    };
    assert_eq!(bob.mailbox, "bob@a.example".parse().unwrap());
    assert_eq!(
        (&*bob.given, &*bob.parameters),
        (&b"bob"[..], &["NOTIFY=NEVER".to_owned()][..])
    );
}

#[test]
fn an_address_with_its_domain_is_not_rewritten() {
    let message = Mta::new().envelope(&["DM{mail_addr}|other@b.example|", "M<a@a.example>|"]);
    assert_eq!(message.sender, "a@a.example".parse().ok());
}

#[test]
fn what_one_recipient_was_rewritten_to_is_not_another() {
    let message = Mta::new().envelope(&["M<>|", "DR{rcpt_addr}|b@b.example|", "Rb|", "Rc|"]);
    assert_eq!(message.recipients.len(), 1);
    let reason = Unacceptable::Address("c".to_owned());
    assert_eq!(message.unacceptable, Some(reason));
}

#[test]
fn recipients_are_kept_in_order_and_as_often_as_they_were_given() {
    let message = Mta::new().envelope(&[
        "M<>|",
        "R<b@b.example>|",
        "R<c@b.example>|",
        "Rb@B.example|",
    ]);
    let given: Vec<&[u8]> = message.recipients.iter().map(|one| &*one.given).collect();
    assert_eq!(
        given,
        [&b"<b@b.example>"[..], b"<c@b.example>", b"b@B.example"]
    );
    assert_eq!(message.recipients[0].mailbox, message.recipients[2].mailbox);
}

#[test]
fn another_mail_forgets_the_recipients_of_the_one_before() {
    let message = Mta::new().envelope(&["M<>|", "R<b@b.example>|", "M<a@a.example>|"]);
    assert!(message.recipients.is_empty());
}

fn header_of(protocol: u32, fields: &[(&str, &str)]) -> String {
    let mut mta = Mta::of(protocol);
    mta.script(&["M<>|", "R<b@b.example>|"]);
    for (name, value) in fields {
        mta.say(b'L', format!("{name}\0{value}\0"));
    }
    let Seen::Header(header) = mta.say(b'N', b"") else {
        panic!("no header");
    };
    header
}

#[test]
fn the_header_is_what_the_mta_has_octet_for_octet() {
    let fields = [
        ("A", " 1"),
        ("B", "2"),
        ("c", "\t3"),
        ("D", ""),
        ("E", "  4"),
    ];
    assert_eq!(
        header_of(POSTFIX.protocol, &fields),
        "A: 1\r\nB:2\r\nc:\t3\r\nD:\r\nE:  4\r\n\r\n"
    );
    // Where white space is not sent, one space stands for it.
    assert_eq!(
        header_of(0, &[("A", "1"), ("B", ""), ("C", " 2")]),
        "A: 1\r\nB: \r\nC:  2\r\n\r\n"
    );
    assert_eq!(header_of(0, &[]), "\r\n");
}

#[test]
fn folds_end_with_crlf_however_the_mta_ends_them() {
    let fields = [("A", " 1\n\t2\n 3"), ("B", " 1\r\n 2"), ("C", "\n x")];
    assert_eq!(
        header_of(POSTFIX.protocol, &fields),
        "A: 1\r\n\t2\r\n 3\r\nB: 1\r\n 2\r\nC:\r\n x\r\n\r\n"
    );
}

#[test]
fn what_would_begin_another_field_is_refused() {
    for (name, value) in [
        ("A", "1\nB: 2"),
        ("A", "1\n\nbody"),
        ("A", "1\n"),
        ("A", "1\r\n"),
        ("A", "\n"),
        ("A\nB", "1"),
        ("A: 1\r\nB", "2"),
    ] {
        let mut mta = at(Stage::Envelope);
        let error = mta.try_say(b'L', format!("{name}\0{value}\0")).unwrap_err();
        assert_eq!(error, SessionError::Folding(name.to_owned()), "{value:?}");
    }
}

#[test]
fn a_message_over_a_limit_is_unacceptable_and_nothing_of_it_is_spooled() {
    let long = format!("LA|{}|", "x".repeat(200));
    let folded = format!("LA|{}|", "\n ".repeat(70));
    for (lines, reason) in [
        (vec![&*long], Unacceptable::HeaderOctets),
        (vec![&*folded], Unacceptable::HeaderOctets),
        (vec!["LA|x|"; 6], Unacceptable::HeaderFields),
        (vec!["R<b@b.example>|"; 4], Unacceptable::Recipients),
    ] {
        let mut mta = Mta::of(protocol::SKIP);
        mta.script(&["M<>|"]);
        mta.script(&lines);
        assert!(matches!(mta.say(b'N', b""), Seen::Nothing), "{reason:?}");
        mta.due();
        assert!(matches!(mta.say(b'B', b"x"), Seen::Nothing));
        assert_eq!(mta.due(), "s", "the rest is skipped");
        assert_eq!(mta.end().unacceptable, Some(reason));
        // The next one is not held responsible.
        assert_eq!(
            mta.envelope(&["M<>|", "R<b@b.example>|"]).unacceptable,
            None
        );
    }
}

#[test]
fn the_limits_themselves_are_not_over_them() {
    let mut mta = Mta::new();
    mta.script(&[
        "M<>|",
        "R<b@b.example>|",
        "R<c@b.example>|",
        "R<d@b.example>|",
    ]);
    mta.script(&[
        "LA|x|",
        "LA|x|",
        "LA|x|",
        "LA|x|",
        &format!("LA|{}|", "x".repeat(171)),
    ]);
    let Seen::Header(header) = mta.say(b'N', b"") else {
        panic!("over a limit");
    };
    mta.say(b'B', vec![b'x'; 1_000 - header.len()]);
    assert_eq!(mta.end().unacceptable, None);
}

#[test]
fn a_body_is_counted_with_its_last_piece() {
    // "A:b", its line end, the empty line and the first piece are 13 octets.
    for (last, over) in [(987, false), (988, true)] {
        let mut mta = at(Stage::Body);
        mta.say(b'B', b"xxxxxx");
        let Seen::Message(message, piece) = mta.say(b'E', vec![b'x'; last]) else {
            panic!("no message");
        };
        assert_eq!(piece.len(), last);
        assert_eq!(message.unacceptable.is_some(), over, "{last}");
    }
}

#[test]
fn the_rest_of_a_body_is_skipped_only_where_the_mta_awaits_an_answer() {
    for (offered, want) in [
        (protocol::SKIP, "s"),
        (protocol::SKIP | protocol::NO_REPLY_BODY, ""),
        (0, "c"),
    ] {
        let mut mta = Mta::of(offered);
        mta.script(&["M<>|", "R<b@b.example>|", "N"]);
        mta.due();
        let seen = mta.say(b'B', vec![b'x'; 2_000]);
        assert!(matches!(seen, Seen::Nothing));
        assert_eq!(mta.due(), want);
        assert_eq!(mta.end().unacceptable, Some(Unacceptable::Octets));
    }
}

#[test]
fn the_first_reason_stays() {
    let mut mta = Mta::new();
    mta.script(&["M<a@@b>|", "Rc|", "R<b@b.example>|", "N"]);
    mta.say(b'B', vec![b'x'; 2_000]);
    let reason = Unacceptable::Address("<a@@b>".to_owned());
    assert_eq!(mta.end().unacceptable, Some(reason));
}

#[test]
fn a_body_is_handed_over_piece_by_piece() {
    let mut mta = at(Stage::Body);
    let Seen::Body(piece) = mta.say(b'B', b"one\r\n") else {
        panic!("no piece");
    };
    assert_eq!(piece, b"one\r\n");
    let Seen::Message(_, piece) = mta.say(b'E', b"two\r\n") else {
        panic!("no message");
    };
    assert_eq!(piece, b"two\r\n");
    assert!(!mta.0.is_within_message());
}

#[test]
fn recipients_are_asked_about_one_by_one_and_who_is_refused_is_none() {
    let mut mta = Mta::with(POSTFIX.protocol, true);
    mta.script(&["Cmx|U", "M<a@a.example>|"]);
    mta.due();
    for (rcpt, refusal) in [
        ("R<b@b.example>|", None),
        ("R<c@b.example>|", Some(Reply::refused(1, "no"))),
        ("R<d@b.example>|", None),
    ] {
        let seen = mta.script(&[rcpt]);
        assert!(matches!(seen.as_slice(), [Seen::Recipient]), "{seen:?}");
        assert_eq!(mta.due(), "", "nothing is said before it is decided");
        let asked = mta.0.asked().recipients.pop().unwrap();
        assert_eq!(asked.given, &rcpt.as_bytes()[1..rcpt.len() - 1]);
        mta.0.answer_recipient(refusal.as_ref());
        assert_eq!(mta.due(), if refusal.is_some() { "y" } else { "c" });
    }
    mta.say(b'N', b"");
    let given: Vec<Vec<u8>> = mta
        .end()
        .recipients
        .into_iter()
        .map(|recipient| recipient.given)
        .collect();
    assert_eq!(given, [&b"<b@b.example>"[..], b"<d@b.example>"]);
}

#[test]
fn nobody_is_asked_about_where_no_answer_is_awaited_or_none_may_refuse() {
    // Postfix plays SMTP for mail that came otherwise, and knows its queue identifier from the start.
    let by_cleanup: &[&str] = &["DCi|4Q|", "Cmx|U", "M<a@a.example>|"];
    let by_smtp: &[&str] = &["DCj|mx|", "Cmx|U", "DMi|4Q|", "M<a@a.example>|"];
    let by_sendmail: &[&str] = &["DCi|4Q|w|mx|", "Cmx|U", "DMi|4Q|", "M<a@a.example>|"];
    let rcpt = "R<b@b.example>|";
    for (begin, at_recipient, rcpt, asked) in [
        (by_smtp, true, rcpt, true),
        (by_smtp, false, rcpt, false),
        (by_sendmail, true, rcpt, true),
        (by_cleanup, true, rcpt, false),
        (by_smtp, true, "R<not an address>|", false),
    ] {
        let mut mta = Mta::with(POSTFIX.protocol, at_recipient);
        mta.script(begin);
        mta.due();
        let seen = mta.script(&[rcpt]);
        let is_asked = matches!(seen.as_slice(), [Seen::Recipient]);
        assert_eq!(is_asked, asked, "{begin:?} {rcpt}");
        // An answer is due wherever it was not agreed to leave it out.
        assert_eq!(mta.due(), if at_recipient && !asked { "c" } else { "" });
    }
}
