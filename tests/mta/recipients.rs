//! RCPT: who cannot be served is refused or deferred alone, and the others get their mail.

use std::fs;

use tempfile::TempDir;

use crate::domains::Domains;
use crate::domains::Plan;
use crate::gateway;
use crate::gateway::Gateway;
use crate::layers::crlf;
use crate::postfix;
use crate::postfix::Postfix;
use crate::processes::wait_for;
use crate::sendmail;
use crate::sendmail::Sendmail;
use crate::smtp::Options;

/// Bob and Erin have a certificate by their domain's DCA, Carl has none.
const RCPTS: [&str; 3] = ["bob@b.example", "carl@c.example", "erin@b.example"];
const MESSAGE: &[u8] = b"From: alice@a.example\nTo: bob@b.example\nSubject: figures\n\
    Date: Thu, 01 Oct 2026 09:00:00 +0000\nMessage-ID: <1@a.example>\n\nthe figures for September\n";
const REFUSED: &str = "5.7.5 policy demands encryption, and the recipient has no certificate";
const DEFERRED: &str = "4.7.5 policy demands encryption, and the recipient has no certificate";

/// What leaves is encrypted, or it does not leave; every fact that is asked for is the envelope's.
pub(crate) fn policy(otherwise: &str) -> String {
    format!(
        "[[rule]]\nname = \"encrypted\"\nwhen = 'direction == \"outbound\"'\nsign = [\"domain\"]\n\
         encrypt = \"required\"\notherwise = \"{otherwise}\"\n\
         [[rule]]\nname = \"others\"\nwhen = \"true\"\ndecrypt = true\ndeliver = \"clear\"\n"
    )
}

/// Two domains, of which a has that policy.
fn start(otherwise: &str) -> Option<Domains> {
    with_policy(&policy(otherwise))
}

fn with_policy(policy: &str) -> Option<Domains> {
    if !postfix::can_run() {
        return None;
    }
    let mut plan = Plan::new();
    plan.serve_everybody();
    fs::write(plan.path("a").join("policy.toml"), policy).expect("a policy");
    plan.gateway_a = format!("policy = \"policy.toml\"\n{}", plan.gateway_a);
    Some(plan.start())
}

fn to(domains: &Domains, domain: &str) -> usize {
    let carried = domains.wire.messages().into_iter();
    let rcpts = carried.flat_map(|carried| carried.rcpts);
    rcpts.filter(|rcpt| rcpt.contains(domain)).count()
}

/// Sends to all three: Carl alone is answered so at RCPT, and the others get their mail.
fn expect_carl_alone(domains: &Domains, answer: (u16, &str)) {
    let options = Options::default();
    let sent = domains
        .a
        .send("alice@a.example", &RCPTS, &crlf(MESSAGE), &options);
    sent.expect_accepted();
    let reply = sent.recipient("carl@c.example");
    assert_eq!((reply.code, &*reply.text), answer, "{sent:#?}");
    domains.b.wait_delivered("all", 2);
    assert_eq!(
        (to(domains, "@b.example"), to(domains, "@c.example")),
        (2, 0)
    );
}

#[test]
fn one_of_three_is_refused_at_rcpt_and_the_others_get_their_mail() {
    let Some(domains) = start("refuse") else {
        return;
    };
    expect_carl_alone(&domains, (550, REFUSED));
    let log = Domains::wait_logged(&domains.gateway_a, "recipient not taken");
    assert!(log.contains("rule=\"encrypted\""), "{log}");
    assert!(!log.contains("carl"), "addresses are not logged: {log}");

    // The next policy decides when the message is there, and as a whole.
    let path = "policy.toml";
    domains.gateway_a.edit(path, "later.toml");
    fs::write(
        domains.gateway_a.folder().join("later.toml"),
        policy("refuse").replace("\"outbound\"'", "\"outbound\" && message.size > 0'"),
    )
    .expect("a policy");
    domains.gateway_a.reload();
    Domains::wait_logged(&domains.gateway_a, "policy, trust and keys were read anew");
    let options = Options::default();
    let sent = domains
        .a
        .send("alice@a.example", &RCPTS, &crlf(MESSAGE), &options);
    assert_eq!(sent.recipient("carl@c.example").code, 250, "{sent:#?}");
    assert_eq!(sent.last().code, 550, "{sent:#?}");
}

#[test]
fn one_of_three_is_deferred_at_rcpt_and_the_others_get_their_mail() {
    let Some(domains) = start("defer") else {
        return;
    };
    expect_carl_alone(&domains, (451, DEFERRED));
}

#[test]
fn nobody_is_refused_at_rcpt_of_mail_that_does_not_come_by_smtp() {
    let Some(domains) = start("refuse") else {
        return;
    };
    // Postfix would keep the message in its queue, and say that its configuration is wrong.
    domains.a.submit("alice@a.example", &RCPTS, &crlf(MESSAGE));
    let bounces = domains.a.wait_delivered("alice", 1);
    let bounce = String::from_utf8_lossy(bounces.first().expect("one"));
    assert!(
        bounce.contains("<carl@c.example>: policy demands encryption"),
        "{bounce}"
    );
    domains.a.wait_queue_empty();
    let log = domains.a.log();
    assert!(!log.contains("can't reject recipient"), "{log}");
    assert!(domains.wire.messages().is_empty());
}

#[test]
fn sendmail_refuses_one_of_three_at_rcpt() {
    for (otherwise, code, text) in [("refuse", 550, REFUSED), ("defer", 451, DEFERRED)] {
        let Some(unpacked) = sendmail::unpacked().filter(|_| postfix::can_run()) else {
            return;
        };
        let folder = TempDir::new().expect("a folder");
        let mut b = postfix::Config::of("b.example");
        b.main.push_str(
            "virtual_mailbox_domains = b.example, c.example\nvirtual_mailbox_maps = static:all/\n",
        );
        let configuration = gateway::configuration("a", b.address);
        fs::write(folder.path().join("policy.toml"), policy(otherwise)).expect("a policy");
        fs::write(
            folder.path().join(gateway::CONFIGURATION),
            format!("policy = \"policy.toml\"\n{configuration}"),
        )
        .expect("a configuration");
        let gateway = Gateway::start(folder.path());
        let listens = gateway.milter();
        let listens = listens
            .strip_prefix("inet:")
            .and_then(|text| text.parse().ok())
            .expect("an address");
        let b = Postfix::start(&b);
        let config = sendmail::Config::with_milter(listens, b.address());
        let a = Sendmail::start(&unpacked, &config);
        let sent = a.send("alice@a.example", &RCPTS, &crlf(MESSAGE));
        sent.expect_accepted();
        let reply = sent.recipient("carl@c.example");
        // Sendmail names the recipient between code and text.
        let (status, text) = text.split_once(' ').expect("a status");
        assert_eq!(reply.code, code, "{sent:#?}");
        assert!(
            reply.text.starts_with(status) && reply.text.ends_with(text),
            "{sent:#?}"
        );
        b.wait_delivered("all", 2);
        wait_for("empty queue", || (a.queued() == 0).then_some(()));
        b.wait_queue_empty();
        assert_eq!(b.delivered("all").len(), 2);
    }
}

/// The same rules, of which one waits for the message.
fn late() -> String {
    policy("refuse").replace("\"outbound\"'", "\"outbound\" && message.size > 0'")
}

const ALICE: Options<'_> = Options {
    xclient: &[("LOGIN", "alice@a.example")],
    mail_parameters: "ENVID=QQ314159",
    rcpt_parameters: "NOTIFY=FAILURE ORCPT=rfc822;list@a.example",
};

#[test]
fn who_is_refused_late_is_reported_to_the_sender_and_the_others_get_their_mail() {
    let Some(domains) = with_policy(&late()) else {
        return;
    };
    let send = |options: &Options<'_>| {
        domains
            .a
            .send("alice@a.example", &RCPTS, &crlf(MESSAGE), options)
    };
    send(&ALICE).expect_accepted();
    domains.b.wait_delivered("all", 2);
    let reports = domains.a.wait_delivered("alice", 1);
    let report = String::from_utf8_lossy(reports.first().expect("one"));
    for line in [
        "Return-Path: <>\n",
        "From: Mail Delivery System <MAILER-DAEMON@gw.a.example>\n",
        "To: <alice@a.example>\n",
        "Auto-Submitted: auto-replied\n",
        "Content-Type: multipart/report; report-type=delivery-status;\n",
        "Reporting-MTA: dns; gw.a.example\nOriginal-Envelope-Id: QQ314159\n\n\
         Original-Recipient: rfc822; list@a.example\n\
         Final-Recipient: rfc822; carl@c.example\nAction: failed\nStatus: 5.7.5\n",
        "\nSubject: figures\n",
    ] {
        assert!(report.contains(line), "{line}\nin\n{report}");
    }
    assert!(!report.contains("the figures for September"), "{report}");
    assert_eq!(
        (to(&domains, "@b.example"), to(&domains, "@c.example")),
        (2, 0)
    );

    // Who asked not to hear of it does not, and the message goes on.
    send(&Options {
        rcpt_parameters: "NOTIFY=NEVER",
        ..ALICE
    })
    .expect_accepted();
    domains.b.wait_delivered("all", 4);
    // Nobody who may not have sent it is told, and nothing goes on.
    let sent = send(&Options {
        xclient: &[],
        ..ALICE
    });
    assert_eq!(sent.last().code, 550, "{sent:#?}");
    domains.a.wait_queue_empty();
    domains.b.wait_queue_empty();
    assert_eq!(domains.a.delivered("alice").len(), 1);
    assert_eq!(domains.b.delivered("all").len(), 4);
}

#[test]
fn a_recipient_beyond_ascii_is_reported_in_ascii() {
    let Some(domains) = with_policy(&late()) else {
        return;
    };
    let rcpts = ["bob@b.example", "\u{e9}lodie@c.example"];
    let options = Options {
        mail_parameters: "SMTPUTF8",
        rcpt_parameters: "",
        ..ALICE
    };
    let message = String::from_utf8_lossy(MESSAGE).replace("figures\n", "\u{e9}t\u{e9}\n");
    let sent = domains.a.send(
        "alice@a.example",
        &rcpts,
        &crlf(message.as_bytes()),
        &options,
    );
    sent.expect_accepted();
    domains.b.wait_delivered("all", 1);
    let reports = domains.a.wait_delivered("alice", 1);
    let report = reports.first().expect("one");
    assert!(report.is_ascii());
    let report = String::from_utf8_lossy(report);
    for line in [
        "Final-Recipient: utf-8; \\x{E9}lodie@c.example\n",
        "Content-Type: message/global-headers\nContent-Transfer-Encoding: quoted-printable\n",
        "Subject: =C3=A9t=C3=A9\n",
    ] {
        assert!(report.contains(line), "{line}\nin\n{report}");
    }
}
