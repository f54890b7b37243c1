//! Messages from Sendmail at a.example, whose milter is the gateway, to Postfix at b.example.

use std::fs;

use tempfile::TempDir;

use crate::gateway;
use crate::gateway::Gateway;
use crate::journey::contains;
use crate::layers;
use crate::layers::IN_ORDER;
use crate::layers::SECRET;
use crate::layers::crlf;
use crate::layers::expect_sealed;
use crate::layers::expect_verified;
use crate::layers::field;
use crate::layers::halves;
use crate::layers::in_order;
use crate::postfix;
use crate::postfix::Postfix;
use crate::scissors::Cut;
use crate::scissors::Scissors;
use crate::sendmail;
use crate::sendmail::Sendmail;
use crate::wire::Carried;
use crate::wire::Wire;

/// Sendmail and its gateway at a, Postfix and its gateway at b.
struct Domains {
    a: Sendmail,
    b: Postfix,
    gateway_a: Gateway,
    _gateway_b: Gateway,
    scissors: Scissors,
    wire: Wire,
    _folder: TempDir,
}

impl Domains {
    fn start() -> Option<Self> {
        let unpacked = sendmail::unpacked().filter(|_| postfix::can_run())?;
        let folder = TempDir::new().expect("a folder");
        let mut b = postfix::Config::of("b.example");
        let trusted = "networks = [\"127.0.0.0/8\", \"::1\"]";
        let texts = [
            gateway::configuration("a", b.address),
            gateway::configuration("b", b.reinject).replace(trusted, "networks = []"),
        ];
        let [gateway_a, gateway_b] = ["a", "b"].map(|name| folder.path().join(name));
        for (path, text) in [&gateway_a, &gateway_b].into_iter().zip(texts) {
            fs::create_dir(path).expect("a folder");
            fs::write(path.join(gateway::CONFIGURATION), text).expect("a configuration");
        }
        let (gateway_a, gateway_b) = (Gateway::start(&gateway_a), Gateway::start(&gateway_b));
        let listens = gateway_a.milter();
        let listens = listens
            .strip_prefix("inet:")
            .and_then(|text| text.parse().ok());
        let scissors = Scissors::before(listens.expect("an address"));
        let wire = Wire::before(b.address);
        b.milters = vec![gateway_b.milter()];
        let config = sendmail::Config::with_milter(scissors.address(), wire.address());
        Some(Self {
            a: Sendmail::start(&unpacked, &config),
            b: Postfix::start(&b),
            gateway_a,
            _gateway_b: gateway_b,
            scissors,
            wire,
            _folder: folder,
        })
    }

    fn exchanged(&self, octets: &[u8]) -> (Carried, Vec<u8>) {
        let (carried, before) = (self.wire.messages().len(), self.b.delivered("bob"));
        let sent = self.a.send("alice@a.example", &["bob@b.example"], octets);
        assert!(sent.accepted(), "{sent:#?}\n{}", self.gateway_a.log());
        self.b.wait_delivered("bob", before.len() + 1);
        let delivered = self.b.delivered("bob");
        let new = delivered
            .into_iter()
            .find(|message| !before.contains(message));
        let carried = self.wire.messages().into_iter().nth(carried);
        (
            carried.expect("a message on the wire"),
            new.expect("a new message"),
        )
    }
}

fn message(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "Received: from client.example by x.a.example; Thu, 01 Oct 2026 09:00:00 +0000\n\
         From: Alice <alice@a.example>\nTo: Bob <bob@b.example>\nSubject: figures\n\
         Date: Thu, 01 Oct 2026 09:00:00 +0000\nMessage-ID: <one@a.example>\n{fields}\n{body}"
    );
    crlf(text.as_bytes())
}

#[test]
fn text_arrives_from_sendmail_as_it_was_sent() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let long = format!("X-Long: {}\n", ["folded"; 40].join("\n\t"));
    let examples: &[(&str, &str, &str)] = &[
        (
            "plain",
            "",
            "Bob,\nthe figures for September: 12\n.\n..dots\n",
        ),
        ("empty", "", ""),
        ("long header", &long, "the figures for September\n"),
        (
            "attachment",
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n",
            "Preamble.\n--b\nContent-Type: text/plain\n\nthe figures for September\n--b\n\
             Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n\
             AAECAwQFBgcICQ==\n--b--\n",
        ),
    ];
    for (name, fields, body) in examples {
        let (carried, delivered) = domains.exchanged(&message(fields, body));
        expect_sealed(name, &carried);
        expect_verified(name, &delivered, body);
    }
}

#[test]
fn eight_bit_text_arrives_from_sendmail_with_the_same_text() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let fields = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
        Content-Transfer-Encoding: 8bit\n";
    let text = "Gr\u{fc}\u{df}e: the figures for September\n";
    let (carried, delivered) = domains.exchanged(&message(fields, text));
    expect_sealed("8bit", &carried);
    assert!(carried.octets.is_ascii());
    assert_eq!(String::from_utf8_lossy(&layers::decoded(&delivered)), text);
}

#[test]
fn an_answer_that_is_cut_off_defers_mail_of_sendmail() {
    let Some(domains) = Domains::start() else {
        return;
    };
    let text = "the figures for September\n".repeat(10_000);
    let octets = message("", &text);
    for cut in [Cut::AtFirstChange, Cut::WithinBody, Cut::AtAcceptance] {
        domains.scissors.set(cut);
        let sent = domains
            .a
            .send("alice@a.example", &["bob@b.example"], &octets);
        assert_eq!(sent.last().code / 100, 4, "{cut:?}: {sent:#?}");
        assert_eq!(domains.scissors.count(), 1, "{cut:?}");
        assert_eq!(domains.a.queued(), 0, "{cut:?}");
        assert!(domains.wire.octets().is_empty(), "{cut:?}");
    }
    domains.scissors.set(Cut::Nowhere);
    let (carried, delivered) = domains.exchanged(&octets);
    assert!(!contains(&carried.octets, SECRET));
    assert!(halves(&delivered).1 == text.as_bytes(), "another text");
}

/// The names of the fields, in their order.
fn names(message: &[u8]) -> Vec<String> {
    let header = layers::header(message);
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.to_owned());
    header.lines().filter_map(name).collect()
}

#[test]
fn fields_stand_in_the_same_order_behind_sendmail() {
    let Some(domains) = Domains::start() else {
        return;
    };
    for fields in IN_ORDER {
        let (carried, delivered) = domains.exchanged(&message(fields, "the figures\n"));
        let sent = in_order(&message(fields, ""));
        assert_eq!(in_order(&carried.octets), sent, "{fields}");
        assert_eq!(in_order(&delivered), sent, "{fields}");
    }
    let (carried, delivered) = domains.exchanged(&message("Keywords: none\n", "the figures\n"));
    // Nobody outside reads keywords (RFC 9788 section 3.2.1).
    assert_eq!(field(&carried.octets, "Keywords"), None);
    assert_eq!(field(&delivered, "Keywords").as_deref(), Some("none"));
}

#[test]
fn mail_for_us_arrives_through_sendmail() {
    let Some(unpacked) = sendmail::unpacked().filter(|_| postfix::can_run()) else {
        return;
    };
    let folder = TempDir::new().expect("a folder");
    let inside = Postfix::start(&postfix::Config {
        // Sendmail takes a host of its own name for itself.
        main: "myhostname = in.a.example\n".to_owned(),
        ..postfix::Config::of("a.example")
    });
    let trusted = "networks = [\"127.0.0.0/8\", \"::1\"]";
    let text = gateway::configuration("a", inside.address()).replace(trusted, "networks = []");
    fs::write(folder.path().join(gateway::CONFIGURATION), text).expect("a configuration");
    let gateway = Gateway::start(folder.path());
    let milter = gateway.milter();
    let milter = milter
        .strip_prefix("inet:")
        .and_then(|text| text.parse().ok());
    let config = sendmail::Config::with_milter(milter.expect("an address"), inside.address());
    let edge = Sendmail::start(&unpacked, &config);
    let entity = crlf(b"Content-Type: text/plain\n\nthe figures for September\n");
    let sealed = layers::encrypted(&layers::signed(&entity, "bob", true), "dca-a");
    let header = "Received: from somewhere by x.b.example; Thu, 01 Oct 2026 09:00:00 +0000\n\
        Authentication-Results: gw.a.example; smime=pass\n\
        From: bob@b.example\nTo: alice@a.example\nSubject: figures\n\
        X-One: 1\nDate: Thu, 01 Oct 2026 09:00:00 +0000\nMessage-ID: <two@b.example>\n";
    let octets = [crlf(header.as_bytes()), sealed].concat();
    let sent = edge.send("bob@b.example", &["alice@a.example"], &octets);
    assert!(sent.accepted(), "{sent:#?}\n{}", gateway.log());
    let delivered = inside.wait_delivered("alice", 1);
    let delivered = delivered.first().expect("one");
    let (header, body) = halves(delivered);
    assert_eq!(
        String::from_utf8_lossy(&body),
        "the figures for September\n",
        "{header}"
    );
    assert_eq!(
        header.matches("Authentication-Results:").count(),
        1,
        "{header}"
    );
    let ours = field(delivered, "Authentication-Results").unwrap_or_default();
    assert!(ours.contains("smime-identifier=bob@b.example"), "{header}");
    let names = names(delivered);
    let at = |name: &str| names.iter().position(|other| other == name);
    // It says what was found of what stands below it (RFC 8601 section 4.1).
    let oldest = names.iter().rposition(|name| name == "Received");
    assert!(at("Authentication-Results") < oldest, "{header}");
    assert!(oldest < at("From") && at("From") < at("X-One"), "{header}");
    assert!(!header.contains("Domsec-Warning"), "{header}");
}
