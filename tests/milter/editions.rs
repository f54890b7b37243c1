//! Recipients with different needs: other editions are submitted, and never twice.

use crate::mail::outbound;
use crate::mta::Mail;
use crate::mta::Mta;
use crate::service::Running;
use crate::service::eventually;
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
fn without_a_server_for_it_the_message_is_deferred() {
    let a = Running::start("a", "", "");
    let reply = Mta::connect(&a).offer(&mail()).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
}

#[test]
fn a_server_that_refuses_defers_all_of_the_message() {
    for refusal in ["451 4.2.1 later", "550 5.1.1 never"] {
        let sink = Sink::start(refusal, false);
        let a = Running::start("a", "", &sink.table());
        let reply = Mta::connect(&a).offer(&mail()).reply();
        assert!(reply.starts_with("451 4.3.0 "), "{reply}");
        assert!(sink.taken().is_empty());
        assert_eq!(a.journal(), 0);
        a.holds_nothing();
    }
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
