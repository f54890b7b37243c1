//! Recipients with different needs: other editions are submitted, and never twice.

use crate::mail::outbound;
use crate::mta::Mail;
use crate::mta::Mta;
use crate::service::Running;
use crate::service::eventually;
use crate::sink::Manner;
use crate::sink::Sink;

/// To one who gets it encrypted, and to one who gets it signed.
fn mail() -> Mail {
    outbound(&["bob@b.example", "carol@elsewhere.example"])
}

/// The same, when the MTA offers it again: with another trace.
fn again() -> Mail {
    let mut again = mail();
    let field = ("Received".to_owned(), " from laptop later".to_owned());
    again.header.insert(0, field);
    again
}

#[test]
fn another_edition_is_submitted_before_the_answer() {
    let sink = Sink::start("250 ok", false);
    let a = Running::start("a", "", &sink.table());
    let mut mta = Mta::connect(&a);
    let sealed = mta.offer(&mail()).taken();
    let taken = sink.taken();
    let [submitted] = taken.as_slice() else {
        panic!("{taken:?}");
    };
    assert_eq!(sealed.to, ["<bob@b.example>"]);
    assert!(
        submitted
            .commands
            .iter()
            .any(|line| line.starts_with("MAIL FROM:<alice@a.example>"))
    );
    let to: Vec<&String> = submitted
        .commands
        .iter()
        .filter(|line| line.starts_with("RCPT"))
        .collect();
    assert!(matches!(to.as_slice(), [one] if one.starts_with("RCPT TO:<carol@elsewhere.example>")));
    assert!(
        submitted
            .content
            .starts_with("Received: by gw.a.example (domsec) ")
    );
    assert!(submitted.content.contains("multipart/signed"));
    assert!(submitted.content.contains("At noon?"));
    // Until the MTA says more, nobody knows whether it has read the answer.
    assert_eq!(a.journal(), 1);
    mta.quit();
    eventually("the journal is empty", || a.journal() == 0);
    a.holds_nothing();
}

#[test]
fn a_header_beyond_ascii_is_submitted_as_its_sender_said() {
    let offers_all = "250-8BITMIME\r\n250-SMTPUTF8\r\n";
    // An old program's, which servers without SMTPUTF8 take as well; and one whose sender said more of it.
    for (mail_parameters, offers, said) in [
        ("BODY=8BITMIME", Manner::KIND.offers, " BODY=8BITMIME"),
        ("BODY=8BITMIME", offers_all, " BODY=8BITMIME"),
        ("SMTPUTF8", offers_all, " BODY=8BITMIME SMTPUTF8"),
    ] {
        let sink = Sink::of(Manner {
            offers,
            ..Manner::KIND
        });
        let a = Running::start("a", "", &sink.table());
        let mut mail = mail();
        mail.mail_parameters = mail_parameters;
        let field = ("X-Ort".to_owned(), " K\u{f6}ln".to_owned());
        mail.header.push(field);
        Mta::connect(&a).offer(&mail).taken();
        let taken = sink.taken();
        let [submitted] = taken.as_slice() else {
            panic!("{taken:?}");
        };
        let command = submitted
            .commands
            .iter()
            .find(|line| line.starts_with("MAIL"));
        let command = command.map(|line| line.trim_end()).unwrap_or_default();
        assert!(command.ends_with(said), "{mail_parameters}: {command}");
        assert!(
            submitted.content.contains("X-Ort: K\u{f6}ln\r\n"),
            "{}",
            submitted.content
        );
    }
}

#[test]
fn without_a_server_for_it_the_message_is_deferred() {
    let a = Running::start("a", "", "");
    let reply = Mta::connect(&a).offer(&mail()).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
}

#[test]
fn a_server_that_says_later_defers_all_of_the_message() {
    let sink = Sink::start("451 4.2.1 later", false);
    let a = Running::start("a", "", &sink.table());
    let reply = Mta::connect(&a).offer(&mail()).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert!(sink.taken().is_empty());
    assert_eq!(a.journal(), 0);
    a.holds_nothing();
}

#[test]
fn a_server_that_takes_neither_edition_nor_report_refuses_the_message() {
    let sink = Sink::start("550 5.1.1 never", false);
    let a = Running::start("a", "", &sink.table());
    let mut mta = Mta::connect(&a);
    assert_eq!(mta.offer(&mail()).reply(), "550 5.1.1 never");
    assert!(sink.taken().is_empty());
    mta.quit();
    assert_eq!(a.journal(), 0);
    a.holds_nothing();
}

#[test]
fn a_message_that_is_offered_twice_at_once_is_submitted_once() {
    let sink = Sink::start("250 ok", true);
    let a = Running::start("a", "", &sink.table());
    let (mut first, mut second) = (Mta::connect(&a), Mta::connect(&a));
    let packets = mail().packets(first.spaced());
    first.write(&packets.concat());
    sink.came.recv().unwrap();
    let reply = second.offer(&again()).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    sink.accept.send(()).unwrap();
    assert_eq!(first.answer(&mail()).taken().to, ["<bob@b.example>"]);
    // The first may not have read its answer, for all that is known.
    assert_eq!(second.offer(&again()).taken().to, ["<bob@b.example>"]);
    assert_eq!(sink.taken().len(), 1);
}

#[test]
fn a_reply_that_is_lost_after_the_final_dot_costs_one_duplicate() {
    let sink = Sink::of(Manner {
        drops: 1,
        ..Manner::KIND
    });
    let a = Running::start("a", "", &sink.table());
    let mut mta = Mta::connect(&a);
    let reply = mta.offer(&mail()).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    // Whether it was taken nobody knows; a duplicate is better than a loss.
    drop(mta);
    let mut mta = Mta::connect(&a);
    mta.offer(&again()).taken();
    assert_eq!(sink.taken().len(), 2);
    drop(mta);
    Mta::connect(&a).offer(&again()).taken();
    assert_eq!(sink.taken().len(), 2);
}

#[test]
fn dates_that_the_mta_adds_at_each_attempt_do_not_hide_that_it_is_the_same_message() {
    let sink = Sink::start("250 ok", false);
    let a = Running::start("a", "", &sink.table());
    // As Postfix adds them; its queue identifier is 4Q in `Mta`.
    let attempt = |date: &str| {
        let mut mail = mail();
        mail.header
            .retain(|(name, _)| !matches!(name.as_str(), "Date" | "Message-ID"));
        for (name, value) in [
            ("Message-Id", format!(" <{}.4Q@mx.a.example>", date.len())),
            ("Date", format!(" {date}")),
        ] {
            mail.header.push((name.to_owned(), value));
        }
        mail
    };
    for date in [
        "Fri, 1 May 2026 12:00:00 +0000",
        "Fri, 01 May 2026 12:05:00 +0000",
    ] {
        Mta::connect(&a).offer(&attempt(date)).taken();
    }
    assert_eq!(sink.taken().len(), 1);
}

#[test]
fn an_mta_that_stays_has_read_its_answer_when_the_service_ends() {
    let sink = Sink::start("250 ok", false);
    let mut a = Running::start("a", "", &sink.table());
    let mut stays = Mta::connect(&a);
    stays.offer(&mail()).taken();
    assert_eq!(a.journal(), 1);
    a.stop();
    a.ended();
    assert_eq!(stays.packet(), None);
    assert_eq!(a.journal(), 0);
}

#[test]
fn what_was_submitted_for_an_answer_that_nobody_read_is_not_submitted_again() {
    let sink = Sink::start("250 ok", true);
    let a = Running::start("a", "", &sink.table());
    let mut mta = Mta::connect(&a);
    let packets = mail().packets(mta.spaced());
    mta.write(&packets.concat());
    sink.came.recv().unwrap();
    drop(mta);
    sink.accept.send(()).unwrap();
    eventually("it is in the journal", || a.journal() == 1);
    eventually("it was taken", || sink.taken().len() == 1);
    let mut mta = Mta::connect(&a);
    let sealed = mta.offer(&again()).taken();
    assert_eq!(sealed.to, ["<bob@b.example>"]);
    assert_eq!(sink.taken().len(), 1, "nobody gets it twice");
    mta.quit();
    eventually("the journal is empty", || a.journal() == 0);
    a.holds_nothing();
}

#[test]
fn a_restart_remembers_what_was_submitted() {
    let sink = Sink::start("250 ok", false);
    let a = Running::start("a", "", &sink.table());
    let mut mta = Mta::connect(&a);
    mta.offer(&mail()).taken();
    drop(mta);
    let kept = std::fs::read(a.file("domsec.journal")).unwrap();
    drop(a);
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(&path, kept).unwrap();
    let journal = format!("{}journal = \"{}\"\n", sink.table(), path.display());
    let a = Running::start("a", "", &journal);
    Mta::connect(&a).offer(&again()).taken();
    assert_eq!(sink.taken().len(), 1);
}
