//! Whole messages through the gateway, and rules of the policy.

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::config::Config;
use domsec::config::build;
use domsec::crypto;
use domsec::crypto::ContentEncryption;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::Message;
use domsec::crypto::RsaEncryption;
use domsec::crypto::SignatureAlgorithm;
use domsec::gateway::outcome::Edition;
use domsec::gateway::outcome::Fate;
use domsec::gateway::outcome::Outcome;
use domsec::gateway::site::Gateway;
use domsec::gateway::transaction::Transaction;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::Policy;
use domsec::policy::facts::Content;
use domsec::policy::facts::Direction;
use domsec::policy::facts::Facts;
use domsec::policy::facts::LookupResult;
use domsec::policy::facts::MessageVerdict;
use domsec::policy::facts::Recipient;
use domsec::policy::facts::Session as SmtpSession;
use domsec::x509::Time;

use crate::measure::Session;
use crate::people;
use crate::primitives;

const OCTETS: usize = 4096;
const CIPHER: ContentEncryption = ContentEncryption::Aes256Cbc;

pub(crate) fn rows(session: &mut Session) {
    let (ours, theirs) = (gateway("a"), gateway("b"));
    let message = people::message(OCTETS);
    let sealed = sealed(&ours, &message);
    outbound(session, &ours, &message);
    inbound(session, &theirs, (&ours, &sealed));
    rules(session);
}

/// A domain signature and an encryption to one RSA-2048 key; the path of its certificate and the check
/// of our own signature are ours to pay.
fn outbound(session: &mut Session, gateway: &Gateway, message: &View) {
    let key = gateway.roles.domain.first().expect("a key").key();
    let reader = gateway.roles.dca.first().expect("a DCA").certificate();
    let establishment = crypto::provider().establishment;
    let content = vec![8; OCTETS];
    let bare = || {
        let digest = Message::Digest(DigestAlgorithm::Sha256, &[7; 32]);
        black_box(key.sign(&rsa(), digest)).expect("signs");
        let encrypted = establishment.encrypt(reader.spki(), &RsaEncryption::Pkcs1, &[5; 32]);
        black_box(encrypted).expect("encrypts");
        primitives::digest(&content);
        primitives::encrypt(CIPHER, &content);
    };
    let whole = || {
        black_box(sealed(gateway, message));
    };
    let name = "4 KB: process outbound, sign and encrypt / bare operations";
    session.time(name, 1.4, 4, whole, bare);
}

/// The same message on its arrival: decrypted, verified, delivered in clear.
fn inbound(session: &mut Session, gateway: &Gateway, (sender, sealed): (&Gateway, &View)) {
    let dca = gateway.roles.dca.first().expect("a DCA");
    let by = sender.roles.domain.first().expect("a key");
    let provider = crypto::provider();
    let to_us =
        provider
            .establishment
            .encrypt(dca.certificate().spki(), &RsaEncryption::Pkcs1, &[5; 32]);
    let to_us = to_us.expect("encrypts");
    let attributes = [3; 300];
    let signature = by.key().sign(&rsa(), Message::Octets(&attributes));
    let signature = signature.expect("signs");
    let content = vec![8; OCTETS];
    let bare = || {
        let key = dca.key().decrypt(&RsaEncryption::Pkcs1, &to_us);
        black_box(key).expect("decrypts");
        primitives::decrypt(CIPHER, &content);
        primitives::digest(&content);
        let spki = by.certificate().spki();
        let message = Message::Octets(&attributes);
        let verified = provider
            .verification
            .verify(spki, &rsa(), message, &signature);
        let _valid = black_box(verified).expect("verifies");
    };
    let whole = || {
        let transaction = transaction("bob@b.example", sealed.clone(), Direction::Inbound);
        let edition = delivered(process(gateway, &transaction));
        assert_eq!(edition.layers.to_string(), "C");
    };
    let name = "4 KB: process inbound, decrypt and verify / bare operations";
    session.time(name, 1.4, 4, whole, bare);
}

/// Ten rules of which the last is the one, against what takes some 37 µs: the bound is 50 µs.
fn rules(session: &mut Session) {
    let mut text = String::new();
    for number in 0..9 {
        let condition = format!(
            "direction == \"outbound\" && recipient.domain == \"d{number}.example\" \
             && !message.subject.contains(\"x{number}\")"
        );
        let rule = format!("[[rule]]\nname = \"r{number}\"\nwhen = '{condition}'\n");
        text.push_str(&rule);
    }
    write!(text, "[[rule]]\nname = \"last\"\nwhen = 'true'\n").expect("memory");
    let policy = Policy::parse(&text, "ten rules").expect("a policy");
    let sender = "alice@a.example".parse().expect("an address");
    let mailbox = "bob@b.example".parse().expect("an address");
    let smtp = SmtpSession::default();
    let content = Content {
        from: vec![sender],
        size: 4096,
        subject: "a bench".to_owned(),
        layers: "S(C)".parse().expect("layers"),
        verdict: MessageVerdict::Valid,
        media_type: "text/plain".to_owned(),
        attachments: Vec::new(),
        headers: (0..40)
            .map(|number| (format!("x-{number}"), vec!["a value".to_owned()]))
            .collect(),
    };
    let facts = Facts {
        direction: Direction::Outbound,
        sender: None,
        recipient: Recipient {
            mailbox: &mailbox,
            partner: false,
            certificate: LookupResult::Absent,
            dca: LookupResult::Absent,
        },
        session: &smtp,
        content: Some(&content),
    };
    let octets = vec![1; 64 * 1024];
    let whole = || {
        let rule = black_box(&policy).rule_for(&facts).expect("a rule");
        assert_eq!(rule.name, "last");
    };
    let name = "policy: ten rules / SHA-256 of 64 KiB";
    session.time(name, 1.35, 40, whole, || primitives::digest(&octets));
}

fn gateway(name: &str) -> Gateway {
    let path = format!(
        "{}/certs/demo/{name}/domsec.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let config = Config::read(Path::new(&path)).expect("a configuration");
    build::gateway(&config).expect("a gateway")
}

/// What leaves the gateway of a.example for b.example.
fn sealed(gateway: &Gateway, message: &View) -> View {
    let mut transaction = transaction("bob@b.example", message.clone(), Direction::Outbound);
    transaction.session.login = Some("alice@a.example".to_owned());
    let edition = delivered(process(gateway, &transaction));
    assert_eq!(edition.layers.to_string(), "E(S[domain](S[empty](C)))");
    edition.message
}

fn transaction(recipient: &str, message: View, direction: Direction) -> Transaction {
    Transaction {
        mail_from: Some("alice@a.example".parse().expect("an address")),
        recipients: vec![recipient.parse().expect("an address")],
        session: SmtpSession::default(),
        direction: Some(direction),
        message,
        waited: Duration::ZERO,
    }
}

/// A directory of files answers at once.
fn process(gateway: &Gateway, transaction: &Transaction) -> Outcome {
    let now = Time::from_unix(1_800_000_000).expect("a time");
    let mut outcome = pin!(gateway.process(transaction, now, &Memory));
    match outcome
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a directory of files waits"),
    }
}

fn delivered(mut outcome: Outcome) -> Edition {
    let share = outcome.shares.pop().expect("a share");
    match share.fate {
        Fate::Deliver(edition) => edition,
        other @ (Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_)) => {
            panic!("{}: {:?}", other.as_str(), share.reasons)
        }
    }
}

fn rsa() -> SignatureAlgorithm {
    SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256)
}
