//! Messages of every kind from Postfix at a.example to Postfix at b.example, each with its gateway.

use crate::domains::Domains;
use crate::domains::Plan;
use crate::journey::contains;
use crate::layers;
use crate::layers::IN_ORDER;
use crate::layers::SECRET;
use crate::layers::crlf;
use crate::layers::expect_sealed;
use crate::layers::expect_verified;
use crate::layers::field;
use crate::layers::halves;
use crate::layers::header;
use crate::layers::in_order;
use crate::postfix;
use crate::smtp::Options;

/// A message of alice to bob with these further fields, and `body`, which has LF.
fn message(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "From: Alice <alice@a.example>\nTo: Bob <bob@b.example>\nSubject: figures\n\
         Date: Thu, 01 Oct 2026 09:00:00 +0000\nMessage-ID: <one@a.example>\n{fields}\n{body}"
    );
    crlf(text.as_bytes())
}

/// A message around an entity that has its own fields.
fn around(entity: &[u8]) -> Vec<u8> {
    let message = message("", "");
    let header = message.strip_suffix(b"\r\n").expect("its empty line");
    [header, entity].concat()
}

/// An entity of text, with CRLF.
fn entity() -> Vec<u8> {
    crlf(b"Content-Type: text/plain; charset=us-ascii\n\nBob,\nthe figures for September: 12\n")
}

/// What arrives as it was sent, octet by octet.
const UNCHANGED: &[(&str, &str, &str)] = &[
    (
        "plain",
        "",
        "Bob,\nthe figures for September: 12\n.\n..dots\n",
    ),
    ("empty", "", ""),
    ("a single empty line", "", "\n"),
    (
        "white space at the end of lines",
        "",
        "one \ntwo\t\n\n\nthe figures for September \n\n",
    ),
    (
        "attachment",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n",
        // As domsec writes a field of which it has changed parameters, there and back.
        "Preamble.\n--b\nContent-Type: text/plain;\n charset=\"us-ascii\"\n\nthe figures for September\n\
         --b\nContent-Type: application/octet-stream; name=\"f.bin\"\n\
         Content-Disposition: attachment; filename=\"f.bin\"\nContent-Transfer-Encoding: base64\n\n\
         AAECAwQFBgcICQ==\n--b--\n",
    ),
];

#[test]
fn text_arrives_as_it_was_sent_and_is_not_read_on_the_wire() {
    let Some(domains) = Domains::start() else {
        return;
    };
    for (name, fields, body) in UNCHANGED {
        let (carried, delivered) = domains.exchanged(&message(fields, body));
        expect_sealed(name, &carried);
        expect_verified(name, &delivered, body);
    }
    let log = domains.gateway_a.log();
    assert_eq!(
        log.matches("sealed=E(S[domain](S[empty](C)))").count(),
        UNCHANGED.len(),
        "{log}"
    );
}

#[test]
fn eight_bit_text_and_long_lines_arrive_with_the_same_text() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let utf8 = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
        Content-Transfer-Encoding: 8bit\n";
    let long = format!(
        "the figures for September {}\nend\n",
        "123456789 ".repeat(150)
    );
    let options = Options {
        mail_parameters: "BODY=8BITMIME",
        ..Options::default()
    };
    for (name, fields, body) in [
        ("8bit", utf8, "Gr\u{fc}\u{df}e: the figures for September\n"),
        (
            "8bit without a final line end",
            utf8,
            "Gr\u{fc}\u{df}e: the figures for September",
        ),
        ("long lines", "", long.as_str()),
    ] {
        let (carried, before) = (domains.wire.messages().len(), domains.b.delivered("bob"));
        let message = message(fields, body);
        let sent = domains
            .a
            .send("alice@a.example", &["bob@b.example"], &message, &options);
        sent.expect_accepted();
        let delivered = domains.arrived("bob", &before);
        let carried = domains
            .wire
            .messages()
            .into_iter()
            .nth(carried)
            .expect("on the wire");
        expect_sealed(name, &carried);
        assert!(carried.octets.is_ascii(), "{name}");
        let text = layers::decoded(&delivered);
        assert_eq!(
            String::from_utf8_lossy(&text).trim_end(),
            body.trim_end(),
            "{name}\n{}",
            String::from_utf8_lossy(&delivered)
        );
    }
}

#[test]
fn addresses_and_headers_in_utf8_arrive() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    plan.serve_everybody();
    let domains = plan.start();
    let options = Options {
        mail_parameters: "SMTPUTF8 BODY=8BITMIME",
        ..Options::default()
    };
    let text = "From: J\u{f6}rg <j\u{f6}rg@a.example>\nTo: Zo\u{eb} <zo\u{eb}@b.example>\n\
        Subject: Gr\u{fc}\u{df}e\nMessage-ID: <utf8@a.example>\n\nthe figures for September\n";
    let rcpts = ["zo\u{eb}@b.example"];
    let sent = domains.a.send(
        "j\u{f6}rg@a.example",
        &rcpts,
        &crlf(text.as_bytes()),
        &options,
    );
    sent.expect_accepted();
    let delivered = domains.b.wait_delivered("all", 1);
    let delivered = delivered.first().expect("one");
    let [carried] = domains.wire.messages().try_into().expect("one");
    assert!(carried.mail.contains("SMTPUTF8"), "{carried:?}");
    expect_sealed("utf8", &carried);
    assert!(!contains(&carried.octets, "Gr\u{fc}\u{df}e".as_bytes()));
    assert_eq!(
        field(delivered, "Subject").as_deref(),
        Some("Gr\u{fc}\u{df}e")
    );
    assert_eq!(
        field(delivered, "To").as_deref(),
        Some("Zo\u{eb} <zo\u{eb}@b.example>")
    );
    assert_eq!(halves(delivered).1, b"the figures for September\n");
    let header = header(delivered);
    assert!(!header.contains("Domsec-Warning"), "{header}");
}

#[test]
fn fields_stand_in_the_same_order_behind_postfix() {
    let Some(domains) = Domains::start() else {
        return;
    };
    for fields in IN_ORDER {
        let (carried, delivered) = domains.exchanged(&message(fields, "the figures\n"));
        let sent = in_order(&message(fields, ""));
        assert_eq!(in_order(&carried.octets), sent, "{fields}");
        assert_eq!(in_order(&delivered), sent, "{fields}");
    }
}

#[test]
fn ten_megabytes_arrive() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let line = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1\n";
    let body = line.repeat(10_000_000 / line.len());
    let fields = "MIME-Version: 1.0\nContent-Type: application/octet-stream\n\
        Content-Transfer-Encoding: base64\n";
    let (carried, delivered) = domains.exchanged(&message(fields, &body));
    assert_eq!(domains.peeled(&carried).layers, "E(S(S[empty](C)))");
    assert!(!contains(&carried.octets, line.trim_end().as_bytes()));
    assert!(halves(&delivered).1 == body.as_bytes(), "another body");
}

#[test]
fn mail_of_a_list_and_reports_arrive() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let fields = "List-Id: Friends <friends.a.example>\nList-Post: <mailto:friends@a.example>\n\
        Precedence: list\n";
    let list = message(fields, "the figures for September\n");
    let report = crlf(
        b"From: MAILER-DAEMON@a.example\nTo: bob@b.example\nSubject: Undelivered\n\
        Auto-Submitted: auto-replied\nMIME-Version: 1.0\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=\"r\"\n\n\
        --r\nContent-Type: text/plain\n\nthe figures for September did not arrive.\n\
        --r\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.a.example\n\n\
        Final-Recipient: rfc822; nobody@a.example\nAction: failed\nStatus: 5.1.1\n\n--r--\n",
    );
    for (name, sender, octets) in [
        ("list", "friends-bounces@a.example", &list),
        ("report", "", &report),
    ] {
        let (carried, before) = (domains.wire.messages().len(), domains.b.delivered("bob"));
        let sent = domains
            .a
            .send(sender, &["bob@b.example"], octets, &Options::default());
        assert!(
            sent.accepted(),
            "{name}: {sent:#?}\n{}",
            domains.gateway_a.log()
        );
        let delivered = domains.arrived("bob", &before);
        let carried = domains
            .wire
            .messages()
            .into_iter()
            .nth(carried)
            .expect("on the wire");
        expect_sealed(name, &carried);
        assert!(
            carried.mail.starts_with(&format!("MAIL FROM:<{sender}>")),
            "{carried:?}"
        );
        // Bounces of what has another sender than its author would tell a subject that was restored: it
        // stands in the text instead (DESIGN, decision 5).
        let text = String::from_utf8_lossy(&delivered).into_owned();
        assert_eq!(
            field(&delivered, "Subject").as_deref(),
            Some("[...]"),
            "{name}: {text}"
        );
        let subject = field(octets, "Subject").unwrap_or_default();
        let shown = format!("Subject: {subject}\n\nthe figures for September");
        assert!(text.contains(&shown), "{name}: {text}");
        let (old, new) = (header(octets), header(&delivered));
        for line in old.lines().filter(|line| line.starts_with("List-")) {
            assert!(new.contains(line), "{name}: {line}\n{new}");
        }
        assert!(!new.contains("Domsec-Warning"), "{name}: {new}");
    }
}

#[test]
fn two_hundred_recipients_get_what_each_domain_can_read() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    plan.serve_everybody();
    let domains = plan.start();
    let people: Vec<String> = (0..200)
        .map(|number| {
            format!(
                "user{number}@{}.example",
                if number % 2 == 0 { "b" } else { "c" }
            )
        })
        .collect();
    let rcpts: Vec<&str> = people.iter().map(String::as_str).collect();
    let message = message("", "the figures for September\n");
    domains
        .a
        .send("alice@a.example", &rcpts, &message, &Options::default())
        .expect_accepted();
    let delivered = domains.b.wait_delivered("all", 200);
    domains.a.wait_queue_empty();
    let (mut encrypted, mut signed) = (0, 0);
    for carried in domains.wire.messages() {
        let of = |domain: &str| {
            carried
                .rcpts
                .iter()
                .filter(|rcpt| rcpt.contains(domain))
                .count()
        };
        match domains.peeled(&carried).layers.as_str() {
            "E(S(S[empty](C)))" => {
                assert_eq!(of("@c.example"), 0, "{carried:?}");
                assert!(!contains(&carried.octets, SECRET));
                encrypted += of("@b.example");
            }
            "S(C)" => {
                assert_eq!(of("@b.example"), 0, "{carried:?}");
                signed += of("@c.example");
            }
            other => panic!("{other}: {}", String::from_utf8_lossy(&carried.octets)),
        }
    }
    assert_eq!((encrypted, signed), (100, 100));
    let mut reached: Vec<String> = delivered
        .iter()
        .map(|message| field(message, "X-Original-To").or_else(|| field(message, "Delivered-To")))
        .map(|to| to.unwrap_or_default())
        .collect();
    reached.sort();
    let mut people = people;
    people.sort();
    assert_eq!(reached, people);
    for message in &delivered {
        assert!(
            contains(message, SECRET),
            "{}",
            String::from_utf8_lossy(message)
        );
    }
}

#[test]
fn a_blind_copy_is_seen_by_nobody_else() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    // Both can be encrypted to by themselves.
    let recipients = plan.path("a").join("recipients");
    std::fs::create_dir(&recipients).expect("a folder");
    for name in ["bob", "carol"] {
        let to = recipients.join(format!("{name}.pem"));
        std::fs::copy(layers::pem(name), to).expect("a certificate");
    }
    let demo = format!("{}/certs/demo/a/recipients", env!("CARGO_MANIFEST_DIR"));
    assert!(plan.gateway_a.contains(&demo), "{}", plan.gateway_a);
    plan.gateway_a = plan
        .gateway_a
        .replace(&demo, &recipients.display().to_string());
    let policy = "[[rule]]\nname = \"people\"\nwhen = 'direction == \"outbound\"'\nsign = [\"domain\"]\n\
        form = \"opaque\"\nencrypt = \"required\"\notherwise = \"refuse\"\n\
        [[rule]]\nname = \"internal\"\nwhen = 'direction == \"internal\"'\n\
        [[rule]]\nname = \"inbound\"\nwhen = 'direction == \"inbound\"'\n";
    std::fs::write(plan.path("a").join("policy.toml"), policy).expect("a policy");
    plan.gateway_a.insert_str(0, "policy = \"policy.toml\"\n");
    let domains = plan.start();
    let message = message("Bcc: carol@b.example\n", "the figures for September\n");
    let rcpts = ["bob@b.example", "carol@b.example"];
    let sent = domains
        .a
        .send("alice@a.example", &rcpts, &message, &Options::default());
    assert!(sent.accepted(), "{sent:#?}\n{}", domains.gateway_a.log());
    for user in ["bob", "carol"] {
        let delivered = domains.b.wait_delivered(user, 1);
        let delivered = delivered.first().expect("one");
        let peeled = layers::peeled(delivered, &[user]);
        assert_eq!(peeled.layers, "E(S(S[empty](C)))", "{user}");
        assert_eq!(layers::recipient_infos(delivered), 1, "{user}");
        assert!(contains(&peeled.content, SECRET), "{user}");
        let (header, inner) = (header(delivered), header(&peeled.content));
        assert!(
            !header.contains("Bcc:") && !inner.contains("Bcc:"),
            "{header}\n{inner}"
        );
        if user == "bob" {
            assert!(
                !header.contains("carol") && !inner.contains("carol"),
                "{header}\n{inner}"
            );
        }
    }
    domains.a.wait_queue_empty();
    for carried in domains.wire.messages() {
        assert_eq!(carried.rcpts.len(), 1, "{carried:?}");
        assert!(!contains(&carried.octets, SECRET));
    }
}

#[test]
fn a_signature_of_the_user_goes_within_and_is_checked() {
    let Some(domains) = Domains::start() else {
        return;
    };
    for opaque in [false, true] {
        let signed = layers::signed(&entity(), "alice", opaque);
        let (carried, delivered) = domains.exchanged(&around(&signed));
        let peeled = domains.peeled(&carried);
        assert_eq!(peeled.layers, "E(S(S(C)))");
        assert!(!contains(&carried.octets, SECRET));
        assert!(contains(&peeled.content, b"the figures for September: 12"));
        let header = header(&delivered);
        assert!(header.contains("smime=pass"), "{header}");
        assert!(!header.contains("Domsec-Warning"), "{header}");
        // In clear or with the user's signature, but with his text.
        let read = layers::peeled(&delivered, &[]);
        assert!(!read.layers.contains('!'), "{read:?}");
        assert!(
            contains(&read.content, SECRET),
            "{}",
            String::from_utf8_lossy(&delivered)
        );
    }
}

#[test]
fn a_signature_around_that_of_the_user_arrives() {
    let Some(domains) = Domains::start() else {
        return;
    };
    // As a list's agent signs that has no other mark.
    let signed = layers::signed(&entity(), "alice", true);
    let signed = layers::signed(&layers::bare(&signed), "carol", false);
    let (carried, delivered) = domains.exchanged(&around(&signed));
    assert_eq!(domains.peeled(&carried).layers, "E(S(S(S(C))))");
    let read = layers::peeled(&delivered, &[]);
    assert!(!read.layers.contains('!'), "{read:?}");
    assert!(
        contains(&read.content, SECRET),
        "{}",
        String::from_utf8_lossy(&delivered)
    );
    let header = header(&delivered);
    assert!(header.contains("smime=pass"), "{header}");
}

#[test]
fn what_a_user_encrypts_to_the_gateway_is_sealed_for_the_other() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let signed = layers::signed(&entity(), "alice", true);
    let sealed = layers::encrypted(&signed, "dca-a");
    let (carried, delivered) = domains.exchanged(&around(&sealed));
    assert_eq!(domains.peeled(&carried).layers, "E(S(S(C)))");
    let read = layers::peeled(&delivered, &[]);
    assert!(
        contains(&read.content, SECRET),
        "{}",
        String::from_utf8_lossy(&delivered)
    );
    // Whom nobody signs for, nothing is opened for: he could have captured it.
    let (carried, delivered) = domains.exchanged(&around(&layers::encrypted(&entity(), "dca-a")));
    assert_eq!(domains.peeled(&carried).layers, "E");
    assert_eq!(layers::peeled(&delivered, &["dca-a"]).layers, "E(C)");
}

#[test]
fn what_a_user_encrypts_to_the_reader_goes_as_it_is() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let sealed = layers::encrypted(&entity(), "bob");
    let (carried, delivered) = domains.exchanged(&around(&sealed));
    assert_eq!(layers::peeled(&carried.octets, &["dca-b"]).layers, "E");
    assert_eq!(layers::peeled(&carried.octets, &["bob"]).layers, "E(C)");
    let read = layers::peeled(&delivered, &["bob"]);
    assert_eq!(read.layers, "E(C)");
    assert!(contains(&read.content, SECRET));
}

#[test]
fn a_damaged_signature_is_flagged_to_the_reader() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let signed = layers::signed(&entity(), "alice", false);
    let text = String::from_utf8(signed).expect("a detached signature");
    let damaged = text.replace("September: 12", "September: 13");
    assert_ne!(text, damaged);
    let octets = around(damaged.as_bytes());
    // From outside, past the gateway of a.
    let rcpts = ["bob@b.example"];
    let options = Options::default();
    let sent = domains.b.send("alice@a.example", &rcpts, &octets, &options);
    sent.expect_accepted();
    let delivered = domains.arrived("bob", &[]);
    let seen = header(&delivered);
    assert!(seen.contains("Domsec-Warning:"), "{seen}");
    assert!(seen.contains("smime=fail"), "{seen}");
    assert!(contains(&delivered, b"September: 13"));
    // Our own users' mail is not vouched for either.
    let sent = domains.send(&octets);
    assert_eq!(
        sent.last().code / 100,
        5,
        "{sent:#?}\n{}",
        domains.gateway_a.log()
    );
    assert!(domains.wire.octets().is_empty());
}

#[test]
fn results_that_somebody_forged_are_removed() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let fields = "Authentication-Results: gw.b.example; smime=pass body.smime-identifier=alice\n\
        Authentication-Results: other.example; dkim=pass\n\
        authentication-results: GW.B.EXAMPLE (comment) 1;\n\tsmime=pass\n";
    let octets = message(fields, "unsigned\n");
    let sent = domains.b.send(
        "alice@a.example",
        &["bob@b.example"],
        &octets,
        &Options::default(),
    );
    sent.expect_accepted();
    let delivered = domains.arrived("bob", &[]);
    let header = header(&delivered);
    assert!(!header.contains("smime=pass"), "{header}");
    assert!(
        header.contains("Authentication-Results: other.example; dkim=pass"),
        "{header}"
    );
    let ours = header
        .to_ascii_lowercase()
        .matches("authentication-results: gw.b.example")
        .count();
    assert_eq!(ours, 1, "{header}");
}
