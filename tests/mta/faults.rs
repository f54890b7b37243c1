//! What goes wrong between MTA and gateway: no message is lost, and none leaves in plaintext.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::domains::Domains;
use crate::domains::Plan;
use crate::journey::contains;
use crate::layers::SECRET;
use crate::layers::crlf;
use crate::layers::header;
use crate::postfix;
use crate::processes::free_address;
use crate::processes::run;
use crate::processes::wait_for;
use crate::scissors::Cut;
use crate::scissors::Scissors;
use crate::smtp::Options;
use crate::wire::Wire;

/// A client that a gateway does not trust.
const STRANGER: Options<'_> = Options {
    xclient: &[("ADDR", "192.0.2.1")],
    mail_parameters: "",
    rcpt_parameters: "",
};

/// A message to bob that is `octets` long, a little more, and can be told from others.
pub(crate) fn message(number: usize, octets: usize) -> Vec<u8> {
    let mut text = format!(
        "From: alice@a.example\nTo: bob@b.example\nSubject: figures\n\
         Date: Thu, 01 Oct 2026 09:00:00 +0000\n\
         Message-ID: <{number}@a.example>\n\nNumber {number}: the figures for September\n"
    );
    while text.len() < octets {
        text.push_str("the figures for September, and for October, and for November\n");
    }
    crlf(text.as_bytes())
}

/// The numbers of messages, and how often each is there.
pub(crate) fn numbers(messages: &[Vec<u8>]) -> BTreeMap<usize, usize> {
    let mut numbers = BTreeMap::new();
    for message in messages {
        let text = String::from_utf8_lossy(message);
        let number = text
            .split_once("\nNumber ")
            .and_then(|(_, rest)| rest.split_once(':')?.0.parse().ok())
            .unwrap_or_else(|| panic!("a message without its number:\n{text}"));
        *numbers.entry(number).or_default() += 1;
    }
    numbers
}

/// Fails if anything but encrypted mail went over the wire.
pub(crate) fn expect_encrypted(wire: &Wire) {
    assert!(!contains(&wire.octets(), SECRET));
    for carried in wire.messages() {
        let header = header(&carried.octets);
        assert!(header.contains("enveloped-data"), "{header}");
    }
}

#[test]
fn a_gateway_that_is_killed_again_and_again_loses_nothing() {
    if !postfix::can_run() {
        return;
    }
    let soak = std::env::var_os("DOMSEC_SOAK").is_some_and(|value| value == "1");
    let (count, senders) = (if soak { 2_000 } else { 300 }, 4);
    let mut plan = Plan::new();
    // Nothing is to wait longer for a gateway that is gone than for one that is there.
    plan.b
        .main
        .push_str("minimal_backoff_time = 1s\nqueue_run_delay = 1s\n");
    plan.a
        .main
        .push_str("minimal_backoff_time = 1s\nqueue_run_delay = 1s\n");
    let mut domains = plan.start();
    let (a, gateway) = (&domains.a, &mut domains.gateway_a);
    let next = AtomicUsize::new(0);
    let busy = AtomicUsize::new(senders);
    let refused = AtomicUsize::new(0);
    let permanent = AtomicBool::new(false);
    let mut kills = 0_usize;
    thread::scope(|scope| {
        for _ in 0..senders {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    // Every other one is long, so that its body takes a while to be replaced. The
                    // client keeps what it is not told to be taken, and tries again.
                    let octets = if number.is_multiple_of(2) { 200_000 } else { 0 };
                    let message = message(number, octets);
                    let rcpts = ["bob@b.example"];
                    loop {
                        let sent = a.send("alice@a.example", &rcpts, &message, &Options::default());
                        if sent.accepted() {
                            break;
                        }
                        refused.fetch_add(1, Ordering::Relaxed);
                        permanent.fetch_or(sent.last().code / 100 != 4, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(50));
                    }
                }
                busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while busy.load(Ordering::Relaxed) > 0 {
            // Each life a little longer than the one before: the end comes everywhere in a message.
            let life = 100 + u64::try_from(kills).unwrap_or(0) * 37 % 400;
            thread::sleep(Duration::from_millis(life));
            gateway.restart();
            kills += 1;
        }
    });
    assert!(kills > 5, "{kills}");
    assert!(!permanent.load(Ordering::Relaxed), "a refusal for good");
    let delivered = wait_for("all messages", || {
        let delivered = domains.b.delivered("bob");
        (numbers(&delivered).len() >= count).then_some(delivered)
    });
    domains.a.wait_queue_empty();
    domains.b.wait_queue_empty();
    expect_encrypted(&domains.wire);
    // A client who was not told of the acceptance may have to send again; none has here.
    let duplicates = domains.b.delivered("bob").len() - count;
    let refused = refused.load(Ordering::Relaxed);
    eprintln!("{count} messages, {kills} kills, {refused} tries deferred, {duplicates} duplicates");
    assert_eq!(numbers(&delivered).len(), count);
    assert!(duplicates <= kills, "{duplicates} duplicates");
}

#[test]
fn an_answer_that_is_cut_off_defers_and_lets_no_plaintext_out() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    let scissors = Scissors::before(plan.listen());
    plan.milter_a = Some(scissors.address());
    let domains = plan.start();
    for (number, cut) in [Cut::AtFirstChange, Cut::WithinBody, Cut::AtAcceptance]
        .into_iter()
        .enumerate()
    {
        scissors.set(cut);
        let sent = domains.send(&message(number, 200_000));
        assert_eq!(sent.last().code / 100, 4, "{cut:?}: {sent:#?}");
        assert_eq!(scissors.count(), 1, "{cut:?}");
        // The manual's table says what this line of Postfix means. It is written by another process than the reply.
        let is_logged = || domains.a.log().contains("SMFIC_BODYEOB reply");
        wait_for("the line of the cut", || is_logged().then_some(()));
        assert!(domains.a.queue().is_empty(), "{cut:?}");
        // Mail of the sendmail command waits in the queue instead.
        domains.a.submit(
            "alice@a.example",
            &["bob@b.example"],
            &message(10 + number, 200_000),
        );
        wait_for("second cut", || (scissors.count() >= 2).then_some(()));
        assert!(domains.wire.octets().is_empty(), "{cut:?}");
        scissors.set(Cut::Nowhere);
        domains.send(&message(number, 200_000)).expect_accepted();
        let known = (number + 1) * 2;
        domains.a.flush();
        domains.b.wait_delivered("bob", known);
        expect_encrypted(&domains.wire);
        domains.wire.forget();
    }
    let delivered = numbers(&domains.b.delivered("bob"));
    assert_eq!(
        delivered,
        [0, 1, 2, 10, 11, 12].map(|number| (number, 1)).into()
    );
}

#[test]
fn what_was_submitted_before_a_kill_is_not_submitted_again() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    let scissors = Scissors::before(plan.listen());
    plan.milter_a = Some(scissors.address());
    plan.serve_everybody();
    let mut domains = plan.start();
    // More than fits between gateway and MTA, so that the gateway is within its answer.
    let message = message(0, 20_000_000);
    let rcpts = ["bob@b.example", "carl@c.example"];
    scissors.set(Cut::Hold);
    let (a, options) = (&domains.a, Options::default());
    thread::scope(|scope| {
        let sending = scope.spawn(|| a.send("alice@a.example", &rcpts, &message, &options));
        wait_for("first change", || (scissors.count() > 0).then_some(()));
        domains.gateway_a.kill9();
        scissors.set(Cut::Nowhere);
        let sent = sending.join().expect("a client");
        assert_eq!(sent.last().code / 100, 4, "{sent:#?}");
    });
    domains.gateway_a.restart();
    // One edition has gone out.
    domains.b.wait_delivered("all", 1);
    let sent = domains
        .a
        .send("alice@a.example", &rcpts, &message, &options);
    assert!(sent.accepted(), "{sent:#?}\n{}", domains.gateway_a.log());
    domains.b.wait_delivered("all", 2);
    domains.a.wait_queue_empty();
    domains.b.wait_queue_empty();
    assert_eq!(domains.b.delivered("all").len(), 2);
    let to = |domain: &str| {
        let carried = domains.wire.messages().into_iter();
        carried
            .filter(|carried| carried.rcpts.iter().any(|rcpt| rcpt.contains(domain)))
            .count()
    };
    assert_eq!((to("@b.example"), to("@c.example")), (1, 1));
}

#[test]
fn mail_waits_while_the_gateway_is_stopped() {
    let Some(mut domains) = Domains::start() else {
        return;
    };
    domains.gateway_a.kill9();
    let sent = domains.send(&message(0, 0));
    assert_eq!(sent.last().code / 100, 4, "{sent:#?}");
    domains
        .a
        .submit("alice@a.example", &["bob@b.example"], &message(1, 0));
    // The other way: b does not take what its gateway cannot see.
    domains.gateway_a.restart();
    domains.gateway_b.kill9();
    domains.send(&message(0, 0)).expect_accepted();
    wait_for("reason for the delay", || {
        let queue = domains.a.queue();
        let reasons = queue.iter().flat_map(|entry| &entry.recipients);
        reasons
            .filter_map(|recipient| recipient.delay_reason.clone())
            .next()
    });
    assert!(domains.b.delivered("bob").is_empty());
    domains.gateway_b.restart();
    domains.a.flush();
    let delivered = domains.b.wait_delivered("bob", 2);
    assert_eq!(numbers(&delivered), [(0, 1), (1, 1)].into());
    expect_encrypted(&domains.wire);
}

/// b trusts its own host, as the manual has it, and hears of its MTA's bounces.
fn plan_with_bounces() -> Plan {
    let mut plan = Plan::new();
    plan.gateway_b = plan
        .gateway_b
        .replace("networks = []", "networks = [\"127.0.0.0/8\", \"::1\"]");
    plan.b
        .main
        .push_str("internal_mail_filter_classes = bounce\n");
    plan
}

#[test]
fn a_captured_message_comes_back_to_its_thief_without_its_content() {
    if !postfix::can_run() {
        return;
    }
    let thief = postfix::Postfix::start(&postfix::Config::of("x.example"));
    let back = Wire::before(thief.address());
    let mut plan = plan_with_bounces();
    let next = back.address();
    // The address is good, as far as smtpd knows.
    plan.b
        .main
        .push_str("smtpd_reject_unlisted_recipient = no\n");
    plan.b.main.push_str(&format!(
        "transport_maps = inline:{{ {{ x.example = smtp:[{}]:{} }} {{ carol@b.example = error:5.2.2 Mailbox full }} }}\n",
        next.ip(),
        next.port()
    ));
    let domains = plan.start();
    domains.send(&message(0, 0)).expect_accepted();
    domains.b.wait_delivered("bob", 1);
    let [captured] = domains.wire.messages().try_into().expect("one message");

    // He asks for all of it.
    let thief = Options {
        mail_parameters: "RET=FULL ENVID=QQ314159",
        ..STRANGER
    };
    let resend = |rcpt: &str| {
        let sent = domains
            .b
            .send("frank@x.example", &[rcpt], &captured.octets, &thief);
        sent.expect_accepted();
    };
    resend("carol@b.example");
    let bounce = wait_for("bounce", || back.messages().into_iter().next());
    assert!(bounce.mail.starts_with("MAIL FROM:<>"), "{bounce:?}");
    let text = String::from_utf8_lossy(&bounce.octets);
    assert!(text.contains("Mailbox full"), "{text}");
    assert!(!contains(&bounce.octets, SECRET), "{text}");
    // What he may know he is told (RFC 3461 §6.3).
    assert!(text.contains("Original-Envelope-Id: QQ314159"), "{text}");
    // Nor does it tell the subject that was hidden.
    assert!(!text.contains("Subject: figures"), "{text}");

    // Somebody else reads it, and is told.
    resend("erin@b.example");
    let delivered = domains.b.wait_delivered("erin", 1);
    let text = header(delivered.first().expect("one"));
    assert!(
        text.contains("Domsec-Warning: the recipient is not among the protected To"),
        "{text}"
    );

    let log = domains.gateway_b.log();
    assert!(
        log.contains("the recipient is not among the protected To and Cc"),
        "{log}"
    );

    // Who got it already is told as well.
    resend("bob@b.example");
    let delivered = domains.b.wait_delivered("bob", 2);
    let flagged = |message: &&Vec<u8>| {
        header(message).contains("Domsec-Warning: the same signed content was delivered before")
    };
    assert_eq!(delivered.iter().filter(flagged).count(), 1);
}

#[test]
fn a_reinjection_host_that_is_down_defers_all_recipients() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    let nobody = free_address();
    let reinject = plan.a.reinject;
    plan.gateway_a = plan
        .gateway_a
        .replace(&reinject.to_string(), &nobody.to_string());
    plan.serve_everybody();
    let mut domains = plan.start();
    let rcpts = ["bob@b.example", "carl@c.example"];
    let options = Options::default();
    let send = |domains: &Domains| {
        domains
            .a
            .send("alice@a.example", &rcpts, &message(0, 0), &options)
    };
    for _ in 0..3 {
        let sent = send(&domains);
        assert_eq!(sent.last().code, 451, "{sent:#?}");
        // The peer reads nothing of how we are built.
        assert!(!sent.last().text.contains("reinject"), "{sent:#?}");
    }
    assert!(domains.a.queue().is_empty());
    assert!(domains.wire.octets().is_empty());
    let log = domains.gateway_a.log();
    assert!(
        log.contains("an edition was not accepted for re-injection ([reinject] to)"),
        "{log}"
    );
    assert!(log.contains(&nobody.to_string()), "{log}");
    assert!(
        log.contains("the message is deferred again and again"),
        "{log}"
    );

    domains
        .gateway_a
        .edit(&nobody.to_string(), &reinject.to_string());
    domains.gateway_a.restart();
    send(&domains).expect_accepted();
    domains.b.wait_delivered("all", 2);
    domains.a.wait_queue_empty();
    assert_eq!(domains.b.delivered("all").len(), 2);
}

#[test]
fn a_spool_that_is_full_defers() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    let spool = plan.path("a").join("spool");
    fs::create_dir(&spool).expect("a folder");
    plan.gateway_a +=
        &format!("\n[spool]\ndirectory = {spool:?}\nmemory_octets = 10000\noctets = 100000\n");
    let domains = plan.start();
    let deferred = |number| {
        let sent = domains.send(&message(number, 200_000));
        assert_eq!(sent.last().code, 451, "{sent:#?}");
        domains.gateway_a.log()
    };
    let log = deferred(0);
    assert!(
        log.contains("see that the disk of [spool] directory is not full"),
        "{log}"
    );
    assert!(
        log.contains("the spool holds its limit of 100000 octets"),
        "{log}"
    );
    // What is small still goes.
    domains.send(&message(1, 0)).expect_accepted();
    domains.b.wait_delivered("bob", 1);
    // And a disk that takes nothing.
    fs::remove_dir(&spool).expect("its own folder");
    let log = deferred(2);
    assert_eq!(
        log.matches("see that the disk of [spool] directory is not full")
            .count(),
        2,
        "{log}"
    );
    assert!(domains.a.queue().is_empty());
    expect_encrypted(&domains.wire);
}

#[test]
fn keys_that_cannot_be_read_at_a_reload_leave_the_old_ones() {
    let Some(domains) = Domains::start() else {
        return;
    };
    domains
        .gateway_a
        .edit("/certs/domain-a.key", "/certs/nowhere.key");
    domains.gateway_a.reload();
    let log = Domains::wait_logged(&domains.gateway_a, "the old one holds");
    let line = log
        .lines()
        .find(|line| line.contains("the old one holds"))
        .unwrap_or_default();
    assert!(
        line.contains("ERROR") && line.contains("nowhere.key"),
        "{line}"
    );
    domains.send(&message(0, 0)).expect_accepted();
    domains.b.wait_delivered("bob", 1);
    expect_encrypted(&domains.wire);
    domains
        .gateway_a
        .edit("/certs/nowhere.key", "/certs/domain-a.key");
    domains.gateway_a.reload();
    Domains::wait_logged(&domains.gateway_a, "were read anew");
}

/// A certificate of the key of `name` that begins in 2055, in `folder`.
fn future(name: &str, folder: &Path) -> String {
    let write = |file: &str, text: &str| fs::write(folder.join(file), text).expect("a file");
    write("index", "");
    write("serial", "0FFF\n");
    let extensions = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n\
        default_md=sha256\npolicy=p\ncopy_extensions=copyall\nunique_subject=no\nx509_extensions=x\n\
        [p]\ncommonName=supplied\n[x]\nkeyUsage=critical,digitalSignature,keyEncipherment\n\
        extendedKeyUsage=emailProtection\nsubjectAltName=DNS:a.example,URI:smtp://a.example\n";
    write("ca.cnf", extensions);
    let key = crate::layers::key(name);
    let openssl = |arguments: &[&str]| {
        run(Command::new("openssl").args(arguments).current_dir(folder));
    };
    openssl(&[
        "req",
        "-new",
        "-key",
        &key,
        "-subj",
        "/CN=future",
        "-out",
        "req.pem",
    ]);
    let (ca, ca_key) = (crate::layers::pem("root"), crate::layers::key("root"));
    openssl(&[
        "ca",
        "-batch",
        "-config",
        "ca.cnf",
        "-cert",
        &ca,
        "-keyfile",
        &ca_key,
        "-in",
        "req.pem",
        "-startdate",
        "20550101000000Z",
        "-enddate",
        "20560101000000Z",
        "-notext",
        "-out",
        "future.pem",
    ]);
    folder.join("future.pem").display().to_string()
}

#[test]
fn a_clock_before_the_certificates_defers() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    let folder = plan.path("a");
    // Keys whose time has not come, as on a host that has lost its clock.
    let cert = future("domain-a", &folder);
    plan.gateway_a = plan
        .gateway_a
        .replace(&crate::layers::pem("domain-a"), &cert);
    let domains = plan.start();
    let sent = domains.send(&message(0, 0));
    let log = domains.gateway_a.log();
    assert_eq!(sent.last().code / 100, 4, "{sent:#?}\n{log}");
    let reason =
        "the certificate for a domain signature cannot be used: CN=future: valid from 2055-01-01";
    assert!(log.contains(reason), "{log}");
    assert!(domains.wire.octets().is_empty());
}

#[test]
fn an_mta_that_hangs_up_within_a_body_leaves_nothing() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    let gateway = plan.listen();
    plan.gateway_a += "\n[spool]\nmemory_octets = 1000\n";
    let domains = plan.start();
    let mut mta = TcpStream::connect(gateway).expect("the gateway listens");
    let mut say = |command: u8, data: &[u8]| {
        let length = u32::try_from(data.len() + 1).expect("a short packet");
        mta.write_all(&length.to_be_bytes()).expect("a connection");
        mta.write_all(&[command]).expect("a connection");
        mta.write_all(data).expect("a connection");
    };
    // Version 6, all changes, nothing left out.
    say(b'O', &[0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff]);
    say(b'C', b"client\x004\x04\x00127.0.0.1\0");
    say(b'H', b"client\0");
    say(b'M', b"<alice@a.example>\0");
    say(b'R', b"<bob@b.example>\0");
    say(b'T', b"");
    say(b'L', b"From\0alice@a.example\0");
    say(b'N', b"");
    say(b'B', &SECRET.repeat(2_000));
    wait_for("spooled file", || {
        (domains.gateway_a.unnamed_files() == 1).then_some(())
    });
    drop(mta);
    wait_for("empty spool", || {
        (domains.gateway_a.unnamed_files() == 0).then_some(())
    });
    // The gateway lives.
    domains.send(&message(0, 0)).expect_accepted();
    domains.b.wait_delivered("bob", 1);
    let log = domains.gateway_a.log();
    assert!(log.contains("a connection of the MTA ended early"), "{log}");
}

#[test]
fn mail_of_the_sendmail_command_leaves_encrypted() {
    let Some(domains) = Domains::start() else {
        return;
    };
    domains
        .a
        .submit("alice@a.example", &["bob@b.example"], &message(0, 0));
    let delivered = domains.b.wait_delivered("bob", 1);
    assert_eq!(numbers(&delivered), [(0, 1)].into());
    expect_encrypted(&domains.wire);
}

/// A client that hangs up in the middle of DATA leaves nothing behind either.
#[test]
fn a_client_that_hangs_up_leaves_nothing() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let mut client = TcpStream::connect(domains.a.address()).expect("Postfix listens");
    let said = "EHLO c\r\nMAIL FROM:<alice@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n";
    client.write_all(said.as_bytes()).expect("a connection");
    client
        .write_all(&message(0, 300_000))
        .expect("a connection");
    drop(client);
    domains.send(&message(1, 0)).expect_accepted();
    let delivered = domains.b.wait_delivered("bob", 1);
    assert_eq!(numbers(&delivered), [(1, 1)].into());
    wait_for("empty spool", || {
        (domains.gateway_a.unnamed_files() == 0).then_some(())
    });
}
