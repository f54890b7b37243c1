//! Mail from one MTA to another, with a milter between.

use std::thread;

use tempfile::TempDir;

use crate::gateway;
use crate::gateway::Gateway;

use crate::postfix;
use crate::postfix::Config;
use crate::postfix::Postfix;
use crate::processes::free_address;
use crate::processes::wait_for;
use crate::sendmail;
use crate::sendmail::Sendmail;
use crate::smtp::Options;
use crate::stand_in;
use crate::stand_in::StandIn;

pub(crate) const MESSAGE: &[u8] = b"From: alice@a.example\r\n\
    To: bob@b.example\r\n\
    Subject: lunch\r\n\
    \r\n\
    At noon?\r\n\
    .hidden\r\n";

/// Postfix at a.example with `milter`, and Postfix at b.example, to which its mail goes.
pub(crate) fn pair(milter: &str) -> (Postfix, Postfix) {
    let b = Config::of("b.example");
    let a = Config {
        milters: vec![milter.to_owned()],
        routes: vec![("b.example", b.address)],
        ..Config::of("a.example")
    };
    thread::scope(|scope| {
        let a = scope.spawn(move || Postfix::start(&a));
        let b = Postfix::start(&b);
        (a.join().expect("Postfix at a.example"), b)
    })
}

pub(crate) fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[test]
fn mail_passes_from_a_to_b_through_a_milter() {
    if !postfix::can_run() {
        return;
    }
    let milter = StandIn::start();
    let (a, b) = pair(&format!("inet:{}", milter.address()));
    let sent = a.send(
        "alice@a.example",
        &["bob@b.example", "carol@b.example"],
        MESSAGE,
        &Options::default(),
    );
    sent.expect_accepted();
    assert_eq!(sent.recipient("carol@b.example").code, 250);
    for user in ["bob", "carol"] {
        let messages = b.wait_delivered(user, 1);
        let message = messages.first().expect("one message");
        assert!(contains(message, stand_in::MARK), "{user}");
        assert!(contains(message, b"\nAt noon?\n.hidden\n"), "{user}");
    }
    let [seen] = milter.seen().try_into().expect("one message");
    assert_eq!(seen.mail_from, "<alice@a.example>");
    assert_eq!(seen.rcpts, ["<bob@b.example>", "<carol@b.example>"]);
    a.wait_queue_empty();
}

#[test]
fn a_milter_that_is_not_there_defers_mail() {
    if !postfix::can_run() {
        return;
    }
    let (a, b) = pair(&format!("inet:{}", free_address()));
    let sent = a.send(
        "alice@a.example",
        &["bob@b.example"],
        MESSAGE,
        &Options::default(),
    );
    assert_eq!(sent.last().code / 100, 4, "{sent:#?}");
    assert!(a.queue().is_empty());
    assert!(b.delivered("bob").is_empty());
}

#[test]
fn mail_by_the_sendmail_command_passes_the_milter() {
    if !postfix::can_run() {
        return;
    }
    let milter = StandIn::start();
    let (a, b) = pair(&format!("inet:{}", milter.address()));
    a.submit("alice@a.example", &["bob@b.example"], MESSAGE);
    let messages = b.wait_delivered("bob", 1);
    assert!(contains(messages.first().expect("one"), stand_in::MARK));
}

#[test]
fn what_comes_by_the_reinjection_service_passes_no_milter() {
    if !postfix::can_run() {
        return;
    }
    let milter = StandIn::start();
    let (a, b) = pair(&format!("inet:{}", milter.address()));
    let options = Options {
        mail_parameters: "RET=HDRS",
        ..Options::default()
    };
    crate::smtp::send(
        a.reinject(),
        "alice@a.example",
        &["bob@b.example"],
        MESSAGE,
        &options,
    )
    .expect_accepted();
    let messages = b.wait_delivered("bob", 1);
    assert!(!contains(messages.first().expect("one"), stand_in::MARK));
    assert!(milter.seen().is_empty());
}

#[test]
fn a_client_can_pretend_a_login_and_an_address() {
    if !postfix::can_run() {
        return;
    }
    let milter = StandIn::start();
    let (a, b) = pair(&format!("inet:{}", milter.address()));
    let options = Options {
        xclient: &[("ADDR", "192.0.2.1"), ("LOGIN", "alice@a.example")],
        ..Options::default()
    };
    let sent = a.send("alice@a.example", &["bob@b.example"], MESSAGE, &options);
    sent.expect_accepted();
    b.wait_delivered("bob", 1);
    let [seen] = milter.seen().try_into().expect("one message");
    let value = |name: &str| seen.macros.get(name).map(String::as_str);
    assert_eq!(seen.client, "192.0.2.1");
    assert_eq!(value("{auth_authen}"), Some("alice@a.example"));
}

#[test]
fn mail_that_cannot_go_on_waits_in_the_queue() {
    if !postfix::can_run() {
        return;
    }
    let milter = StandIn::start();
    let a = Postfix::start(&Config {
        milters: vec![format!("inet:{}", milter.address())],
        routes: vec![("b.example", free_address())],
        ..Config::of("a.example")
    });
    a.send(
        "alice@a.example",
        &["bob@b.example"],
        MESSAGE,
        &Options::default(),
    )
    .expect_accepted();
    let queue = a.queue();
    let [entry] = queue.as_slice() else {
        panic!("{queue:?}");
    };
    assert_eq!(entry.sender, "alice@a.example");
    assert_ne!(entry.queue_name, "hold");
    let [recipient] = entry.recipients.as_slice() else {
        panic!("{entry:?}");
    };
    assert_eq!(recipient.address, "bob@b.example");
    a.flush();
    wait_for("reason for the delay", || {
        let queue = a.queue();
        let recipient = queue.first()?.recipients.first()?;
        recipient.delay_reason.clone()
    });
    assert!(a.log().contains(&entry.queue_id));
}

#[test]
fn a_message_over_the_limit_is_refused() {
    if !postfix::can_run() {
        return;
    }
    let a = Postfix::start(&Config {
        message_size_limit: 10_000,
        ..Config::of("a.example")
    });
    let mut message = MESSAGE.to_vec();
    message.extend(b"too long\r\n".repeat(2_000));
    let sent = a.send(
        "mallory@x.example",
        &["alice@a.example"],
        &message,
        &Options::default(),
    );
    assert_eq!(sent.last().code, 552, "{sent:#?}");
    assert!(sent.last().text.starts_with("5.3.4 "), "{sent:#?}");
}

#[test]
fn mail_passes_from_sendmail_to_postfix_through_a_milter() {
    let Some(unpacked) = sendmail::unpacked().filter(|_| postfix::can_run()) else {
        return;
    };
    let milter = StandIn::start();
    let b = Postfix::start(&Config::of("b.example"));
    let config = sendmail::Config::with_milter(milter.address(), b.address());
    let a = Sendmail::start(&unpacked, &config);
    let sent = a.send("alice@a.example", &["bob@b.example"], MESSAGE);
    assert!(sent.accepted(), "{sent:#?}\n{}", a.log());
    let messages = b.wait_delivered("bob", 1);
    assert!(contains(messages.first().expect("one"), stand_in::MARK));
    let [seen] = milter.seen().try_into().expect("one message");
    assert_eq!(seen.mail_from, "<alice@a.example>");
    assert_eq!(seen.rcpts, ["<bob@b.example>"]);
    wait_for("empty queue", || (a.queued() == 0).then_some(()));
}

#[test]
fn a_milter_that_is_not_there_defers_mail_of_sendmail() {
    let Some(unpacked) = sendmail::unpacked() else {
        return;
    };
    let config = sendmail::Config::with_milter(free_address(), free_address());
    let a = Sendmail::start(&unpacked, &config);
    let sent = a.send("alice@a.example", &["bob@b.example"], MESSAGE);
    assert_eq!(sent.last().code / 100, 4, "{sent:#?}\n{}", a.log());
    assert_eq!(a.queued(), 0);
}

/// Mail between two domains, each with its own gateway.
#[test]
fn mail_passes_from_a_to_b_through_two_gateways() {
    if !postfix::can_run() {
        return;
    }
    let (mut a, mut b) = (Config::of("a.example"), Config::of("b.example"));
    let folder = TempDir::new().expect("a folder");
    let [gateway_a, gateway_b] = ["a", "b"].map(|name| folder.path().join(name));
    for (gateway, name, reinject) in [(&gateway_a, "a", a.reinject), (&gateway_b, "b", b.reinject)]
    {
        std::fs::create_dir(gateway).expect("a folder");
        gateway::configure(gateway, name, reinject);
    }
    let mut gateway_a = Gateway::start(&gateway_a);
    let gateway_b = Gateway::start(&gateway_b);
    a.milters = vec![gateway_a.milter()];
    a.routes = vec![("b.example", b.address)];
    b.milters = vec![gateway_b.milter()];
    let (a, b) = (Postfix::start(&a), Postfix::start(&b));
    // What a.example hands over comes from 127.0.0.1, which b's gateway trusts: the sender is not b's.
    let send = || {
        a.send(
            "alice@a.example",
            &["bob@b.example"],
            MESSAGE,
            &Options::default(),
        )
    };
    send().expect_accepted();
    let messages = b.wait_delivered("bob", 1);
    let message = messages.first().expect("one message");
    assert!(contains(message, b"At noon?"), "{}", gateway_b.log());

    gateway_a.kill9();
    assert_eq!(send().last().code / 100, 4);
    gateway_a.restart();
    send().expect_accepted();
    b.wait_delivered("bob", 2);
}
