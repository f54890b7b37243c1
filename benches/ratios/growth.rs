//! Messages of many parts, layers and recipients: time grows as their size does, or a bound stops it.

use std::hint::black_box;

use domsec::cms::write_enveloped::Envelope;
use domsec::cms::write_recipient::Recipient;
use domsec::cms::write_signed::SignedDataPlan;
use domsec::crypto;
use domsec::crypto::ContentEncryption;
use domsec::gateway::open::Node;
use domsec::gateway::open::OpenError;
use domsec::gateway::open::Opened;
use domsec::limits::Budget;
use domsec::octets::Chain;
use domsec::octets::View;

use crate::measure::Counter;
use crate::measure::Session;
use crate::people;
use crate::people::People;

const CIPHER: ContentEncryption = ContentEncryption::Aes256Cbc;
/// Twice the size may take this much longer.
const TWICE: f64 = 2.6;
/// The same octets may take this much longer in a message of ten times the size: one of 2.5 MB lies
/// in a cache, one of 25 MB does not. Time that grows as the square would be ten.
const TEN_TIMES: f64 = 2.0;

pub(crate) fn rows(session: &mut Session) {
    let people = People::new();
    parts(session, &people);
    layers(session, &people);
    recipients(session, &people);
}

fn parts(session: &mut Session, people: &People) {
    let many = multipart(10_000);
    let few = multipart(1_000);
    let read = |message: &View| {
        let opened = open(people, message);
        assert!(opened.root.error.is_none(), "{:?}", opened.root.error);
    };
    let name = "25 MB of 10,000 parts: open / 10 x 2.5 MB of 1,000";
    let times = (1, 10.0);
    session.time_scaled(name, TEN_TIMES, times, &mut || read(&many), &mut || {
        read(&few)
    });
    let name = "25 MB of 10,000 parts: transit form / 10 x 2.5 MB of 1,000";
    let take = |message: &View| {
        black_box(people.payload(message));
    };
    session.time_scaled(name, TEN_TIMES, times, &mut || take(&many), &mut || {
        take(&few)
    });
}

/// As many layers and multiparts as are read, against 64, which are refused.
fn layers(session: &mut Session, people: &People) {
    let (allowed, signed) = (nested_signed(people, 16), nested_signed(people, 64));
    assert!(!is_refused(&open(people, &allowed).root));
    assert!(is_refused(&open(people, &signed).root));
    let read = |message: &View| {
        black_box(open(people, message));
    };
    let name = "64 signed layers, refused / 16, which are read";
    session.time(name, TWICE / 2.0, 10, || read(&signed), || read(&allowed));

    let (allowed, nested) = (nested_multiparts(31), nested_multiparts(64));
    assert!(!is_refused(&open(people, &allowed).root));
    assert!(is_refused(&open(people, &nested).root));
    // Each is longer than the one inside: 64 have more octets to read than 31.
    let name = "64 multiparts within each other, refused / 31, read";
    session.time(name, TWICE, 10, || read(&nested), || read(&allowed));
}

/// The key of one of them is the last that is looked at.
fn recipients(session: &mut Session, people: &People) {
    let message = people::message(4096);
    let payload = people.payload(&message);
    let (few, many) = (to_many(people, 2_500), to_many(people, 5_000));
    let write = |envelope: &Envelope| {
        let mut sink = Counter::default();
        let sealed = people
            .sealer()
            .encrypt(&payload.inside, envelope, &mut sink);
        sealed.expect("encrypts");
        black_box(sink);
    };
    let name = "5,000 recipients: encrypt / 2,500 recipients";
    session.time(name, TWICE, 1, || write(&many), || write(&few));

    let sealed = |envelope: &Envelope| {
        let mut sealed = Vec::new();
        let encrypted = people
            .sealer()
            .encrypt(&payload.inside, envelope, &mut sealed);
        encrypted.expect("encrypts");
        View::owned(sealed)
    };
    let (few, many) = (sealed(&few), sealed(&many));
    let read = |message: &View| {
        let opened = open(people, message);
        assert_eq!(opened.root.layers().to_string(), "E(C)");
    };
    let name = "5,000 recipients: decrypt / 2,500 recipients";
    session.time(name, TWICE, 1, || read(&many), || read(&few));
}

fn open(people: &People, message: &View) -> Opened {
    let mut budget = Budget::new(&people.limits);
    people.opener().open(message, &mut budget)
}

fn is_refused(root: &Node) -> bool {
    let limit = |node: &Node| matches!(node.error, Some(OpenError::Limit(_)));
    root.chain().any(limit)
}

/// A multipart/mixed of `count` parts, 2,500 octets each.
fn multipart(count: usize) -> View {
    let mut text = b"From: alice@a.example\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"part\"\r\n\r\n"
        .to_vec();
    let line = [[b'a'; 72].as_slice(), b"\r\n"].concat();
    let part = [
        b"--part\r\nContent-Type: text/plain\r\n\r\n",
        line.repeat(33).as_slice(),
    ]
    .concat();
    for _ in 0..count {
        text.extend_from_slice(&part);
    }
    text.extend_from_slice(b"--part--\r\n");
    View::owned(text)
}

/// Signatures without signers around a text, `depth` of them.
fn nested_signed(people: &People, depth: usize) -> View {
    let plan = SignedDataPlan {
        signers: &[],
        certificates: &[],
        detached: false,
    };
    let mut inside = people.payload(&people::message(4096)).inside;
    for _ in 0..depth {
        let layer = plan
            .sign(&inside, crypto::provider(), &people.limits)
            .expect("signs");
        let header = b"MIME-Version: 1.0\r\n\
            Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\
            Content-Transfer-Encoding: binary\r\n\r\n";
        let layers = Chain::of([View::owned(header.to_vec()), layer.into_view()]);
        inside = View::owned(layers.to_vec(usize::MAX).expect("in memory").expect("all"));
    }
    inside
}

fn nested_multiparts(depth: usize) -> View {
    let mut text = "Content-Type: text/plain\r\n\r\ntext\r\n".to_owned();
    for level in 0..depth {
        text = format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{level}\"\r\n\r\n\
             --{level}\r\n{text}\r\n--{level}--\r\n"
        );
    }
    View::owned(text.into_bytes())
}

/// An envelope to Bob and to others whose serial numbers sort before his.
fn to_many(people: &People, count: u16) -> Envelope {
    let bob = people.to_bob(CIPHER);
    let mut recipients = Vec::new();
    for number in 1..count {
        // Two octets in DER, as Bob's, and less.
        let serial = (0x80 + number).to_be_bytes().to_vec();
        recipients.push(Recipient {
            serial,
            ..bob.clone()
        });
    }
    assert!(bob.serial.as_slice() > [0x14, 0x08].as_slice());
    recipients.push(bob);
    Envelope::new(CIPHER, recipients)
}
