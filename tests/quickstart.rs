//! The folder of `domsec quickstart`: what it holds, what a second run does, and that the two
//! gateways in it understand each other.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests state what must hold; a panic there is the report"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Command;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use domsec::address::Domain;
use domsec::cli::quickstart::Made;
use domsec::cli::quickstart::QuickstartError;
use domsec::cli::quickstart::lay_out;
use domsec::config::Config;
use domsec::config::build;
use domsec::gateway::outcome::Edition;
use domsec::gateway::outcome::Fate;
use domsec::gateway::outcome::Outcome;
use domsec::gateway::site::Gateway;
use domsec::gateway::transaction::Transaction;
use domsec::octets::Memory;
use domsec::octets::View;
use domsec::policy::facts::Session;
use domsec::x509::Time;
use tempfile::TempDir;

const MESSAGE: &str = "From: Alice <alice@a.example>\r\nTo: bob@b.example\r\n\
    Date: Fri, 1 May 2026 12:00:00 +0000\r\nMessage-ID: <1@a.example>\r\nSubject: lunch\r\n\r\n\
    At noon?\r\n";

/// The time of day: `openssl verify` asks the clock, too.
fn now() -> Time {
    #[expect(clippy::disallowed_methods, reason = "the tests are at the edge")]
    let now = std::time::SystemTime::now();
    let since_1970 = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_unix(since_1970.as_secs().try_into().unwrap()).unwrap()
}

fn made(directory: &Path, domain: &str) -> Result<Made, QuickstartError> {
    let domain: Domain = domain.parse().unwrap();
    lay_out(directory, &domain, now())
}

fn gateway(config: &Path) -> Gateway {
    build::gateway(&Config::read(config).unwrap()).unwrap()
}

fn process(gateway: &Gateway, transaction: &Transaction) -> Outcome {
    let mut outcome = pin!(gateway.process(transaction, now(), &Memory));
    match outcome
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a directory of files waits"),
    }
}

fn transaction(from: &str, to: &str, login: Option<&str>, message: View) -> Transaction {
    Transaction {
        mail_from: Some(from.parse().unwrap()),
        recipients: vec![to.parse().unwrap()],
        session: Session {
            login: login.map(str::to_owned),
            ..Session::default()
        },
        direction: None,
        message,
        waited: Duration::ZERO,
    }
}

/// What is delivered to the only recipient.
fn delivered(outcome: &Outcome) -> &Edition {
    match outcome.shares.as_slice() {
        [share] => match &share.fate {
            Fate::Deliver(edition) => edition,
            other => panic!("{}: {:?}", other.as_str(), share.reasons),
        },
        shares => panic!("{} shares", shares.len()),
    }
}

/// Every file below `directory`, with what would tell that it was touched.
fn state(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let octets = if metadata.is_dir() {
            all.extend(state(&path));
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        let (mtime, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        all.insert(path, (metadata.mode(), mtime, nanoseconds, octets));
    }
    all
}

fn text(view: &View) -> String {
    let mut octets = Vec::new();
    view.windows::<std::io::Error>(|window| {
        octets.extend_from_slice(window);
        Ok(())
    })
    .unwrap();
    String::from_utf8(octets).unwrap()
}

#[test]
fn mail_leaves_sealed_by_one_gateway_and_is_opened_by_the_other() {
    for (domain, partner) in [
        ("a.example", "b.example"),
        ("b.example", "a.example"),
        ("mail.b.example", "a.example"),
        ("acme.co.uk", "b.example"),
    ] {
        let folder = TempDir::new().unwrap();
        let made = made(folder.path(), domain).unwrap();
        assert_eq!(made.partner_domain.as_str(), partner);
        assert_eq!(made.user.to_string(), format!("alice@{domain}"));
        let message = MESSAGE
            .replace("b.example", "P")
            .replace("a.example", domain);
        let message = message.replace('P', partner);
        let (from, to) = (format!("alice@{domain}"), format!("bob@{partner}"));
        let message = View::owned(message.into_bytes());
        let out = transaction(&from, &to, Some(&from), message);
        let sealed = process(&gateway(&made.ours), &out);
        let sealed = delivered(&sealed);
        assert_eq!(sealed.layers.to_string(), "E(S[domain](S[empty](C)))");
        assert!(!text(&sealed.message).contains("noon"));
        let arrival = transaction(&from, &to, None, sealed.message.clone());
        let opened = process(&gateway(&made.partner), &arrival);
        let results = opened.record.authentication_results.as_deref().unwrap();
        assert!(results.contains("smime=pass"), "{domain}: {results}");
        let opened = delivered(&opened);
        assert_eq!(opened.layers.to_string(), "C");
        let opened = text(&opened.message);
        assert!(opened.contains("At noon?"), "{opened}");
        assert!(opened.contains("Subject: lunch"), "{opened}");
    }
}

#[test]
fn the_partner_can_answer() {
    let folder = TempDir::new().unwrap();
    let made = made(folder.path(), "a.example").unwrap();
    let message = MESSAGE
        .replace("alice@a", "bob@B")
        .replace("bob@b", "alice@a");
    let message = View::owned(message.replace("@B", "@b").into_bytes());
    let login = Some("bob@b.example");
    let out = transaction("bob@b.example", "alice@a.example", login, message);
    let sealed = process(&gateway(&made.partner), &out);
    let sealed = delivered(&sealed);
    assert_eq!(sealed.layers.to_string(), "E(S[domain](S[empty](C)))");
    let arrival = transaction(
        "bob@b.example",
        "alice@a.example",
        None,
        sealed.message.clone(),
    );
    let opened = process(&gateway(&made.ours), &arrival);
    assert_eq!(delivered(&opened).layers.to_string(), "C");
}

#[test]
fn a_user_with_a_key_signs_for_everybody_else() {
    let folder = TempDir::new().unwrap();
    let made = made(folder.path(), "a.example").unwrap();
    let message = View::owned(MESSAGE.as_bytes().to_vec());
    let (from, to) = ("alice@a.example", "carol@elsewhere.example");
    let sealed = process(
        &gateway(&made.ours),
        &transaction(from, to, Some(from), message),
    );
    let sealed = delivered(&sealed);
    assert_eq!(sealed.layers.to_string(), "S[delegated](C)");
}

#[test]
fn a_second_run_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("below/domsec-data");
    let first = made(&directory, "a.example").unwrap();
    assert!(first.found.is_empty());
    let before = state(&directory);
    let second = made(&directory, "a.example").unwrap();
    assert_eq!(before, state(&directory));
    assert!(second.created.is_empty(), "{:?}", second.created);
    let sorted = |mut paths: Vec<PathBuf>| {
        paths.sort();
        paths
    };
    assert_eq!(sorted(second.found), sorted(first.created));
    assert_eq!(second.ours, directory.join("domsec.toml"));
}

#[test]
fn what_is_absent_alone_is_made_again() {
    let folder = TempDir::new().unwrap();
    made(folder.path(), "a.example").unwrap();
    let whole = state(folder.path());
    for names in [
        vec!["domsec.toml"],
        vec!["policy.toml", "partner/policy.toml"],
        vec!["keys/domain.pem"],
        vec!["keys/alice.pem", "keys/alice.key"],
        vec!["ca/ca.pem"],
        vec!["recipients/b.example.pem"],
        vec!["partner/recipients/a.example.pem", "partner/domsec.toml"],
    ] {
        for name in &names {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let again = made(folder.path(), "a.example").unwrap();
        let mut wanted: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
        let mut created = again.created.clone();
        wanted.sort();
        created.sort();
        assert_eq!(created, wanted);
        for (path, (mode, _, _, octets)) in state(folder.path()) {
            let (known_mode, _, _, known) = &whole[&path];
            assert_eq!(mode, *known_mode, "{}", path.display());
            // A key whose certificate was lost with it is a new one; then so is its certificate.
            let may_differ = path.starts_with(folder.path().join("keys"))
                || path == folder.path().join("ca/ca.pem");
            assert!(may_differ || octets == *known, "{}", path.display());
        }
        gateway(&again.ours);
        gateway(&again.partner);
        verify(
            folder.path(),
            &["keys/domain.pem", "keys/alice.pem", "partner/keys/dca.pem"],
        );
    }
}

#[test]
fn a_lost_ca_key_is_never_replaced_under_its_certificates() {
    let folder = TempDir::new().unwrap();
    made(folder.path(), "a.example").unwrap();
    fs::remove_file(folder.path().join("ca/ca.key")).unwrap();
    let before = state(folder.path());
    let error = made(folder.path(), "a.example").unwrap_err();
    assert!(matches!(error, QuickstartError::CaKey { .. }), "{error}");
    let shown = error.to_string();
    assert!(shown.contains("ca/ca.key is missing"), "{shown}");
    assert!(shown.contains("put the key back, or remove"), "{shown}");
    assert_eq!(before, state(folder.path()));
    // Without the CA's certificate too, those that it issued are still there.
    fs::remove_file(folder.path().join("ca/ca.pem")).unwrap();
    let error = made(folder.path(), "a.example").unwrap_err();
    assert!(error.to_string().contains("keys/domain.pem"), "{error}");
}

#[test]
fn a_certificate_that_has_lost_its_key_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    made(folder.path(), "a.example").unwrap();
    fs::remove_file(folder.path().join("keys/dca.key")).unwrap();
    let before = state(folder.path());
    let error = made(folder.path(), "a.example").unwrap_err();
    assert!(matches!(error, QuickstartError::Key { .. }), "{error}");
    assert_eq!(before, state(folder.path()));
}

#[test]
fn a_key_that_is_not_that_of_its_certificate_is_named() {
    let folder = TempDir::new().unwrap();
    made(folder.path(), "a.example").unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(at("keys/dca.key"), at("keys/domain.key")).unwrap();
    let error = made(folder.path(), "a.example").unwrap_err();
    assert!(error.to_string().contains("keys/domain.key"), "{error}");
}

#[test]
fn the_folder_of_one_domain_is_not_that_of_another() {
    let folder = TempDir::new().unwrap();
    made(folder.path(), "a.example").unwrap();
    let error = made(folder.path(), "c.example").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is for a.example, not for c.example"),
        "{error}"
    );
    // What its owner has made of it is his own.
    fs::write(folder.path().join("domsec.toml"), "no longer TOML [").unwrap();
    made(folder.path(), "a.example").unwrap();
}

#[test]
fn a_domain_for_which_nobody_speaks_is_refused_before_anything_is_made() {
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("data");
    for domain in ["example", "co.uk", "[192.0.2.1]"] {
        let error = made(&directory, domain).unwrap_err();
        assert!(matches!(error, QuickstartError::Domain { .. }), "{error}");
    }
    assert!(!directory.exists());
}

#[test]
fn keys_are_for_their_owner_alone() {
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("data");
    made(&directory, "a.example").unwrap();
    let all = state(folder.path());
    assert_eq!(all.len(), 26 + 1);
    for (path, (mode, ..)) in all {
        let is_key = path.extension().is_some_and(|ending| ending == "key");
        let allowed = match (path.is_dir(), is_key) {
            (true, _) => 0o700,
            (false, true) => 0o600,
            (false, false) => 0o644,
        };
        assert_eq!(mode & 0o777 & !allowed, 0, "{}: {mode:o}", path.display());
    }
}

/// `openssl verify`, as for mail.
fn verify(directory: &Path, certificates: &[&str]) {
    for certificate in certificates {
        let output = Command::new("openssl")
            .current_dir(directory)
            .args([
                "verify",
                "-x509_strict",
                "-CAfile",
                "ca/ca.pem",
                certificate,
            ])
            .output()
            .expect("the openssl command is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{certificate}: {said}");
    }
}

#[test]
fn openssl_verifies_every_certificate_and_finds_what_it_is_for() {
    let folder = TempDir::new().unwrap();
    made(folder.path(), "a.example").unwrap();
    let expected = [
        (
            "keys/domain.pem",
            "Digital Signature",
            "URI:smtp://a.example, DNS:a.example",
        ),
        (
            "keys/dca.pem",
            "Key Encipherment",
            "URI:smtp://a.example, DNS:a.example",
        ),
        (
            "keys/reviewer.pem",
            "Digital Signature",
            "URI:smtp://a.example, DNS:a.example",
        ),
        (
            "keys/alice.pem",
            "Digital Signature",
            "URI:submit://a.example, email:alice@a.example",
        ),
        (
            "partner/keys/domain.pem",
            "Digital Signature",
            "URI:smtp://b.example, DNS:b.example",
        ),
        (
            "partner/keys/dca.pem",
            "Key Encipherment",
            "URI:smtp://b.example, DNS:b.example",
        ),
    ];
    for (certificate, usage, names) in expected {
        verify(folder.path(), &[certificate]);
        let output = Command::new("openssl")
            .current_dir(folder.path())
            .args(["x509", "-noout", "-text", "-in", certificate])
            .output()
            .expect("the openssl command is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for wanted in [
            usage,
            names,
            "E-mail Protection",
            "(2048 bit)",
            "demonstration",
        ] {
            assert!(said.contains(wanted), "{certificate}: no {wanted}: {said}");
        }
    }
}
