//! Recipients who are refused while others get their mail: at RCPT, by a report, or with all the others.

use std::fs;

use crate::mail::TEXT;
use crate::mail::inbound;
use crate::mail::outbound;
use crate::mta::Mail;
use crate::mta::Mta;
use crate::service::Running;
use crate::service::eventually;
use crate::sink::Manner;
use crate::sink::Sink;
use crate::sink::Submitted;

/// The edition of the most stays with the MTA; Carol and Dave get another one.
const ALL: [&str; 5] = [
    "bob@b.example",
    "erin@b.example",
    "frank@b.example",
    "carol@elsewhere.example",
    "dave@elsewhere.example",
];

/// What goes to c.example goes encrypted; that is decided when the message is there.
const LATE: &str = "[[rule]]\nname = \"c\"\nwhen = 'recipient.domain == \"c.example\" && message.size > 0'\n\
    sign = [\"domain\"]\nencrypt = \"required\"\n\
    [[rule]]\nname = \"rest\"\nwhen = \"true\"\n";

/// The gateway of `domain` with that policy.
fn with_policy(domain: &'static str, policy: &str, tables: &str) -> Running {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), policy).unwrap();
    let top = format!("policy = {:?}", file.path());
    Running::start(domain, &top, tables)
}

fn is_report(submitted: &Submitted) -> bool {
    submitted
        .commands
        .iter()
        .any(|line| line.starts_with("MAIL FROM:<>"))
}

fn rcpts(submitted: &Submitted) -> Vec<&String> {
    let lines = submitted.commands.iter();
    lines.filter(|line| line.starts_with("RCPT")).collect()
}

#[test]
fn whom_the_next_server_refuses_is_reported_and_the_others_get_their_mail() {
    let sink = Sink::of(Manner {
        to: "dave@",
        recipient: "550 5.1.1 no such user",
        ..Manner::KIND
    });
    let a = Running::start("a", "", &sink.table());
    let mut mta = Mta::connect(&a);
    let taken = mta.offer(&outbound(&ALL)).taken();
    assert_eq!(taken.to.len(), 3, "{:?}", taken.to);
    let submitted = sink.taken();
    let [edition, report] = submitted.as_slice() else {
        panic!("{submitted:?}");
    };
    assert!(
        matches!(rcpts(edition).as_slice(), [one] if one.contains("<carol@")),
        "{edition:?}"
    );
    assert!(is_report(report), "{report:?}");
    assert!(matches!(rcpts(report).as_slice(), [one] if one.contains("<alice@a.example>")));
    for line in [
        "Final-Recipient: rfc822; dave@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Remote-MTA: dns; [127.0.0.1]\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
        "Subject: lunch\r\n",
        "Reporting-MTA: dns; gw.a.example\r\n",
    ] {
        assert!(report.content.contains(line), "{line}: {}", report.content);
    }
    assert!(!report.content.contains("At noon?"), "the header alone");
    assert!(!report.content.contains("carol"), "{}", report.content);
    mta.quit();
    eventually("the journal is empty", || a.journal() == 0);
}

#[test]
fn a_server_that_wants_tls_first_refuses_us_and_nobody_else() {
    let sink = Sink::start("530 5.7.0 Must issue a STARTTLS command first", false);
    let a = Running::start("a", "", &sink.table());
    let reply = Mta::connect(&a).offer(&outbound(&ALL)).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert!(!sink.taken().iter().any(is_report));
    assert_eq!(a.journal(), 0);
}

#[test]
fn a_report_is_not_sent_again_when_the_answer_was_not_read() {
    let sink = Sink::start("250 ok", false);
    let a = with_policy("a", LATE, &sink.table());
    let mail = outbound(&["bob@b.example", "carl@c.example"]);
    for _attempt in 0..3 {
        let taken = Mta::connect(&a).offer(&mail).taken();
        assert_eq!(taken.to, ["<bob@b.example>"]);
    }
    let submitted = sink.taken();
    assert!(
        matches!(submitted.as_slice(), [one] if is_report(one)),
        "{submitted:?}"
    );
    assert_eq!(a.journal(), 1);
}

#[test]
fn a_report_that_cannot_be_sent_now_defers_the_message() {
    let sink = Sink::start("451 4.2.1 later", false);
    let a = with_policy("a", LATE, &sink.table());
    let mail = outbound(&["bob@b.example", "carl@c.example"]);
    let reply = Mta::connect(&a).offer(&mail).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(a.journal(), 0);
}

#[test]
fn who_asked_not_to_be_told_is_not() {
    let sink = Sink::start("250 ok", false);
    let a = with_policy("a", LATE, &sink.table());
    for parameters in [
        "NOTIFY=NEVER",
        "ORCPT=rfc822;x@c.example NOTIFY=SUCCESS,DELAY",
    ] {
        let mail = Mail {
            to_parameters: parameters,
            ..outbound(&["bob@b.example", "carl@c.example"])
        };
        let taken = Mta::connect(&a).offer(&mail).taken();
        assert_eq!(taken.to, ["<bob@b.example>"], "{parameters}");
        assert!(sink.taken().is_empty(), "{parameters}");
    }
}

#[test]
fn nobody_is_told_who_may_not_have_sent_it() {
    let sink = Sink::start("250 ok", false);
    let a = with_policy("a", LATE, &sink.table());
    let to = ["bob@b.example", "carl@c.example"];
    let refused = Mail {
        login: None,
        ..outbound(&to)
    };
    let nobody = Mail {
        from: "<>".to_owned(),
        ..outbound(&to)
    };
    let stranger = Mail {
        from: "<eve@elsewhere.example>".to_owned(),
        ..outbound(&to)
    };
    for mail in [refused, nobody, stranger] {
        let reply = Mta::connect(&a).offer(&mail).reply();
        assert!(reply.starts_with("550 5.7."), "{reply}");
    }
    assert!(sink.taken().is_empty());
    assert_eq!(a.journal(), 0);
}

#[test]
fn a_stranger_whose_message_the_next_server_refuses_hears_it_in_the_session() {
    let sink = Sink::of(Manner {
        to: "carol@",
        recipient: "550 5.1.1 no such user",
        ..Manner::KIND
    });
    // Bob's is marked, Carol's is as it came.
    let policy = "[[rule]]\nname = \"carol\"\nwhen = 'recipient.local == \"carol\"'\ndecrypt = true\n\
        deliver = \"clear\"\n[[rule]]\nname = \"rest\"\nwhen = \"true\"\n";
    let b = with_policy("b", policy, &sink.table());
    let mut mail = inbound(TEXT.as_bytes());
    mail.to = ["bob", "erin", "carol"]
        .map(|user| format!("<{user}@b.example>"))
        .to_vec();
    let answer = Mta::connect(&b).offer(&mail);
    let reply = answer.reply();
    assert_eq!(reply, "550 5.1.1 no such user");
    assert!(sink.taken().is_empty());
}

#[test]
fn a_server_that_reports_nothing_is_told_of() {
    let sink = Sink::of(Manner {
        dsn: false,
        ..Manner::KIND
    });
    let a = Running::start("a", "", &sink.table());
    let mail = Mail {
        to_parameters: "NOTIFY=SUCCESS,FAILURE",
        ..outbound(&["bob@b.example", "carol@elsewhere.example"])
    };
    Mta::connect(&a).offer(&mail).taken();
    let submitted = sink.taken();
    let [edition, report] = submitted.as_slice() else {
        panic!("{submitted:?}");
    };
    assert!(!edition.commands.iter().any(|line| line.contains("NOTIFY")));
    let fields = "Final-Recipient: rfc822; carol@elsewhere.example\r\nAction: relayed\r\n";
    assert!(
        is_report(report) && report.content.contains(fields),
        "{report:?}"
    );

    // A stranger is not told: it may not be his message.
    let mail = Mail {
        login: None,
        ..mail
    };
    Mta::connect(&a).offer(&mail);
    assert!(sink.taken().iter().filter(|one| is_report(one)).count() == 1);
}

#[test]
fn a_message_that_grows_beyond_what_the_next_hop_takes_is_refused_with_its_sizes() {
    let a = Running::start("a", "", "[limits]\nedition_octets = 2000\n");
    let reply = Mta::connect(&a)
        .offer(&outbound(&["bob@b.example"]))
        .reply();
    assert!(reply.starts_with("552 5.3.4 message of "), "{reply}");
    assert!(
        reply.contains("more than the 2000 that the next server takes"),
        "{reply}"
    );
    // What is not changed is for the next hop to judge.
    let rest = "[[rule]]\nname = \"rest\"\nwhen = \"true\"\n";
    let a = with_policy("a", rest, "[limits]\nedition_octets = 1\n");
    Mta::connect(&a)
        .offer(&outbound(&["bob@b.example"]))
        .taken();
}

#[test]
fn a_message_that_grows_beyond_what_the_server_says_is_refused_with_its_sizes() {
    let sink = Sink::of(Manner {
        offers: "250-8BITMIME\r\n250-SIZE 3000\r\n",
        ..Manner::KIND
    });
    let a = Running::start("a", "", &sink.table());
    eventually("the server was asked", || sink.greeted() == 1);
    // Nothing of a message goes out, with one edition or two.
    for recipients in [&ALL[..1], &ALL] {
        let reply = Mta::connect(&a).offer(&outbound(recipients)).reply();
        assert!(reply.starts_with("552 5.3.4 message of "), "{reply}");
        let why = "more than the 3000 that the next server takes";
        assert!(reply.contains(why), "{reply}");
    }
    assert_eq!(sink.taken().len(), 0);
    // What an administrator has written counts.
    let tables = format!("{}[limits]\nedition_octets = 1000000\n", sink.table());
    let a = Running::start("a", "", &tables);
    eventually("this server was asked, too", || sink.greeted() == 2);
    Mta::connect(&a)
        .offer(&outbound(&["bob@b.example"]))
        .taken();
}

#[test]
fn a_recipient_is_refused_at_rcpt_where_the_mta_awaits_an_answer() {
    let early = LATE.replace(" && message.size > 0", "");
    let a = with_policy("a", &early, "");
    let mail = outbound(&["bob@b.example", "carl@c.example", "erin@b.example"]);
    let mut mta = Mta::connect(&a);
    let taken = mta.offer(&mail).taken();
    assert_eq!(taken.to, ["<bob@b.example>", "<erin@b.example>"]);
    assert!(
        matches!(mta.refused.as_slice(), [one] if one.starts_with("550 5.7.5 ")),
        "{:?}",
        mta.refused
    );
    // The next message of the connection has recipients of its own.
    assert_eq!(
        mta.offer(&outbound(&["bob@b.example"])).taken().to,
        ["<bob@b.example>"]
    );
}
