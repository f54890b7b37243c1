//! The sample messages, cut and with bits flipped: nothing crashes, and nothing changed is believed.
//!
//! Through the library, since there are thousands; a few of each go through the binary as well.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use domsec::crypto;
use domsec::domsec::verdict::Answer;
use domsec::gateway::judge::Judge;
use domsec::gateway::open::Kind;
use domsec::gateway::open::Opened;
use domsec::gateway::open::Opener;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::x509::Certificate;
use domsec::x509::Identities;
use domsec::x509::Identity;
use domsec::x509::SimplePaths;
use domsec::x509::path::Purpose;
use domsec::x509::path::RevocationMode;

use crate::cli::bob;
use crate::cli::command;
use crate::cli::run_on;
use crate::pki;
use crate::pki::certificate;
use crate::pki::from_pem;
use crate::pki::path;

const CUTS: usize = 200;
const FLIPS: usize = 300;
/// Every how many of them the binary is run, too.
const BINARY: usize = 50;

/// What a message is found to be: the answer, its layers, and what each signature covers.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    answer: Answer,
    layers: String,
    covered: Vec<Vec<u8>>,
}

struct Reader {
    keys: Identities,
    paths: SimplePaths,
    limits: Limits,
}

impl Reader {
    fn new() -> Self {
        let limits = Limits::default();
        let pem = std::fs::read_to_string(path("bob.key")).unwrap();
        let key = crypto::provider()
            .private_keys
            .read(&from_pem(&pem))
            .unwrap();
        let bob = Certificate::parse(&certificate("bob")).unwrap();
        let bob = Identity::new(bob, Vec::new(), Arc::from(key)).unwrap();
        let root = Certificate::parse(&certificate("root")).unwrap();
        let paths = SimplePaths::new(vec![root], crypto::provider().verification, &limits);
        Self {
            keys: Identities(vec![bob]),
            paths,
            limits,
        }
    }

    fn read(&self, message: &[u8]) -> Found {
        let provider = crypto::provider();
        let opener = Opener {
            keys: &self.keys,
            provider,
            limits: &self.limits,
            spool: &Memory,
        };
        let mut budget = Budget::new(&self.limits);
        let opened = opener.open(&View::owned(message.to_vec()), &mut budget);
        let judge = Judge {
            paths: &self.paths,
            provider,
            limits: &self.limits,
            certificates: &[],
            crls: &[],
            at: crate::cli::AT.parse().unwrap(),
            purpose: Purpose::Smime,
            revocation: RevocationMode::Prefer,
            from: None,
            former_names: &[],
        };
        Found {
            answer: judge.judge(&opened, &mut budget).verdict.answer,
            layers: opened.root.layers().to_string(),
            covered: covered(&opened),
        }
    }
}

fn covered(opened: &Opened) -> Vec<Vec<u8>> {
    let signed = opened.root.chain().filter_map(|node| match &node.kind {
        Kind::Signed(signed) => signed.covered.as_ref(),
        Kind::Compressed(_) | Kind::Content(_) | Kind::Enveloped(..) => None,
    });
    signed
        .map(|view| view.to_vec(1 << 20).unwrap().unwrap())
        .collect()
}

/// Holds one changed message against what the whole one is.
fn hold(reader: &Reader, whole: &Found, changed: &[u8], what: &str) {
    let found = catch_unwind(AssertUnwindSafe(|| reader.read(changed)));
    let shown = || pki::file(".eml", changed).display().to_string();
    let found = found.unwrap_or_else(|_| panic!("{what}: a panic on {}", shown()));
    if found.answer == Answer::Valid {
        assert_eq!(
            found.covered,
            whole.covered,
            "{what}: other octets are valid in {}",
            shown()
        );
        assert_eq!(
            found.layers,
            whole.layers,
            "{what}: other layers are valid in {}",
            shown()
        );
    }
}

fn mutate(name: &str, answer: Answer) {
    let message = std::fs::read(path(&format!("samples/{name}.eml"))).unwrap();
    let reader = Reader::new();
    let whole = reader.read(&message);
    assert_eq!(whole.answer, answer, "{name}: {}", whole.layers);
    for number in 0..CUTS {
        let length = message.len() * number / CUTS;
        let cut = &message[..length];
        hold(&reader, &whole, cut, &format!("{name} cut at {length}"));
        if number % BINARY == 0 {
            run_all(cut);
        }
    }
    // A fixed walk over the bits; any odd number that is no divisor will do.
    let bits = message.len() * 8;
    let mut bit = 0;
    for number in 0..FLIPS {
        bit = (bit + bits / FLIPS + 1_237) % bits;
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        hold(
            &reader,
            &whole,
            &flipped,
            &format!("{name} with bit {bit} flipped"),
        );
        if number % BINARY == 0 {
            run_all(&flipped);
        }
    }
}

/// Runs every command on `message`; [`run_on`] knows which exit codes there are.
fn run_all(message: &[u8]) {
    let file = pki::file(".eml", message);
    for arguments in [
        ["inspect", "--json"],
        ["verify", "--anchor=certs/root.pem"],
        ["decrypt", "--color=never"],
    ] {
        run_on(&file, command(&arguments).args(bob()).arg(&file));
    }
}

#[test]
fn an_unsigned_message_stays_unsigned() {
    mutate("unsigned", Answer::Unsigned);
}

#[test]
fn a_detached_signature_holds_for_its_content_alone() {
    mutate("signed-detached", Answer::Valid);
}

#[test]
fn an_opaque_signature_holds_for_its_content_alone() {
    mutate("signed-opaque", Answer::Valid);
}

#[test]
fn an_encrypted_message_is_never_a_signed_one() {
    mutate("encrypted", Answer::Unsigned);
}

#[test]
fn three_layers_hold_together() {
    mutate("three-layers", Answer::Valid);
}
