//! Messages that go through one gateway, or through two.

use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::config::Config;
use domsec::config::build;
use domsec::gateway::transaction::Transaction;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::facts::Session;
use domsec::x509::Time;

use crate::mta::Mail;
use crate::mta::Mta;
use crate::mta::POSTFIX;
use crate::service::Running;

pub(crate) const TEXT: &str = "Received: from laptop\r\n\tby mx.a.example\r\n\
    From: Alice <alice@a.example>\r\nTo: bob@b.example\r\n\
    Date: Fri, 1 May 2026 12:00:00 +0000\r\nMessage-ID: <1@a.example>\r\nSubject: lunch\r\n\r\n\
    At noon?\r\n";

/// Of alice, who has logged in.
pub(crate) fn outbound(to: &[&str]) -> Mail {
    let login = Some("alice@a.example");
    Mail::new(login, "alice@a.example", to, TEXT.as_bytes())
}

/// Of anybody.
pub(crate) fn inbound(text: &[u8]) -> Mail {
    Mail::new(None, "alice@a.example", &["bob@b.example"], text)
}

/// The layers that the gateway of b.example sees in it.
fn layers(b: &Running, text: &[u8]) -> String {
    let config = Config::read(&b.file("domsec.toml")).unwrap();
    let gateway = build::gateway(&config).unwrap();
    let transaction = Transaction {
        mail_from: Some("alice@a.example".parse().unwrap()),
        recipients: vec!["bob@b.example".parse().unwrap()],
        session: Session::default(),
        direction: None,
        message: View::owned(text.to_vec()),
        waited: Duration::ZERO,
    };
    #[expect(clippy::disallowed_methods, reason = "the tests are at the edge")]
    let now = std::time::SystemTime::now();
    let since_1970 = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Time::from_unix(since_1970.as_secs().try_into().unwrap()).unwrap();
    let mut outcome = pin!(gateway.process(&transaction, now, &Memory));
    match outcome
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => outcome.record.layers_in.to_string(),
        Poll::Pending => panic!("a directory of files waits"),
    }
}

#[test]
fn mail_leaves_sealed_and_arrives_in_clear() {
    let (a, b) = (Running::start("a", "", ""), Running::start("b", "", ""));
    // With and without white space after colons; each answer due, and none.
    for protocol in [POSTFIX, 0, POSTFIX & !0x10_0000, 0x10_0000] {
        let mut mta = Mta::offering(&a, protocol);
        let sealed = mta.offer(&outbound(&["bob@b.example"])).taken();
        mta.quit();
        let text = sealed.text();
        assert_eq!(layers(&b, &text), "E(S[domain](S[empty](C)))");
        assert!(!String::from_utf8_lossy(&text).contains("noon"));
        assert_eq!(sealed.header[0].0, "Received", "the trace stays on top");
        assert_eq!(sealed.to, ["<bob@b.example>"]);
        assert_eq!(sealed.from_parameters, None);

        let mut mta = Mta::offering(&b, protocol);
        let clear = mta.offer(&inbound(&text)).taken();
        mta.quit();
        let (name, value) = &clear.header[0];
        assert_eq!(name, "Authentication-Results");
        assert!(value.contains("smime=pass"), "{value}");
        assert_eq!(clear.body, b"At noon?\r\n");
        assert!(
            clear
                .header
                .contains(&("Subject".to_owned(), " lunch".to_owned()))
        );
        // Its bounces must not return what was decrypted.
        assert_eq!(clear.from, "<alice@a.example>");
        assert_eq!(clear.from_parameters.as_deref(), Some("RET=HDRS"));
    }
    a.holds_nothing();
    b.holds_nothing();
}

#[test]
fn a_large_message_goes_through_files_and_many_chunks() {
    let (a, b) = (Running::start("a", "", ""), Running::start("b", "", ""));
    let mut mail = outbound(&["bob@b.example"]);
    mail.body = b"0123456789 0123456789 0123456789 0123456789\r\n".repeat(60_000);
    let sealed = Mta::by_unix(&a).offer(&mail).taken();
    let clear = Mta::by_unix(&b).offer(&inbound(&sealed.text())).taken();
    assert!(clear.body == mail.body, "{} octets", clear.body.len());
    a.holds_nothing();
    b.holds_nothing();
}

#[test]
fn a_message_is_the_same_however_it_is_cut() {
    let b = Running::start("b", "", "");
    let mail = inbound(TEXT.as_bytes());
    let whole = Mta::connect(&b).offer_in_pieces(&mail, usize::MAX);
    for protocol in [POSTFIX, 0x10_0000] {
        for size in [1, 3, 64] {
            let cut = Mta::offering(&b, protocol).offer_in_pieces(&mail, size);
            assert_eq!(cut, whole, "{size}");
        }
    }
    let whole = whole.taken();
    assert_eq!(whole.header[0].0, "Authentication-Results");
    assert_eq!(whole.header[1..], mail.header);
    assert_eq!((whole.body, whole.from_parameters), (mail.body, None));
}

#[test]
fn several_messages_share_a_connection() {
    let a = Running::start("a", "", "");
    let mut mta = Mta::connect(&a);
    let mut anonymous = outbound(&["bob@b.example"]);
    anonymous.login = None;
    for _ in 0..3 {
        let sealed = mta.offer(&outbound(&["bob@b.example"])).taken();
        assert_ne!(sealed.body, b"At noon?\r\n");
        mta.abort();
        mta.abort();
        // The login of one message is not that of the next.
        let relayed = mta.offer(&anonymous);
        assert_ne!(relayed, mta.offer(&outbound(&["bob@b.example"])));
    }
    // Two at once, as no MTA does.
    let mail = outbound(&["bob@b.example"]);
    let both = [mail.packets(mta.spaced()), mail.packets(mta.spaced())].concat();
    mta.write(&both.concat());
    for _ in 0..2 {
        assert_ne!(mta.answer(&mail).taken().body, mail.body);
    }
    mta.quit();
    a.holds_nothing();
}

#[test]
fn monitoring_changes_nothing() {
    let a = Running::start("a", "mode = \"monitor\"", "");
    let b = Running::start("b", "mode = \"monitor\"", "");
    let enforcing = Running::start("a", "", "");
    let mail = outbound(&["bob@b.example", "carol@elsewhere.example"]);
    assert_eq!(Mta::connect(&a).offer(&mail).taken(), mail);
    let mail = outbound(&["bob@b.example"]);
    let sealed = Mta::connect(&enforcing).offer(&mail).taken();
    let arrives = inbound(&sealed.text());
    assert_eq!(Mta::connect(&b).offer(&arrives).taken(), arrives);
}

#[test]
fn a_message_over_the_limit_is_refused_for_good() {
    let a = Running::start("a", "", "[limits]\nmessage_octets = 1000\nrecipients = 1\n");
    let mut mail = outbound(&["bob@b.example"]);
    mail.body = vec![b'x'; 2_000];
    for protocol in [POSTFIX, 0] {
        let reply = Mta::offering(&a, protocol).offer(&mail).reply();
        assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    }
    let two = outbound(&["bob@b.example", "carol@b.example"]);
    let reply = Mta::connect(&a).offer(&two).reply();
    assert!(reply.starts_with("452 4.5.3 "), "{reply}");
    a.holds_nothing();
}

#[test]
fn a_full_spool_defers() {
    // No room for the message; room for it, but not for its layers.
    for octets in [300, 5_000] {
        let a = Running::start("a", "", &format!("[spool]\noctets = {octets}\n"));
        let mut mail = outbound(&["bob@b.example"]);
        mail.body = b"x\r\n".repeat(1_500);
        let reply = Mta::connect(&a).offer(&mail).reply();
        assert!(reply.starts_with("451 4."), "{octets}: {reply}");
        a.holds_nothing();
    }
}

#[test]
fn an_address_that_cannot_be_read_defers() {
    let a = Running::start("a", "", "");
    let reply = Mta::connect(&a).offer(&outbound(&["@@"])).reply();
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
}
