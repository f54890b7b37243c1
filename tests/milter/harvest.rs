//! Mail that teaches: who has written with a valid signature is encrypted to, and nobody else is.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::mail::inbound;
use crate::mta::Answer;
use crate::mta::Mail;
use crate::mta::Mta;
use crate::service::Running;
use crate::service::eventually;

const TABLES: &str = "[store]\npath = \"domsec.db\"\n[harvest]\nenabled = true\n";

/// Mail to those who are known is encrypted to them; mail for `closed` is refused, for `later` deferred.
const POLICY: &str = r#"
    [lookup]
    order = ["directory", "harvest"]
    change_by = ["dnssec"]

    [[rule]]
    name = "out"
    when = 'direction == "outbound"'
    sign = ["domain"]
    form = "opaque"
    encrypt = "if-possible"
    encrypt_to = ["recipient"]
    defer_for = "4h"
    otherwise = "refuse"

    [[rule]]
    name = "closed"
    when = 'recipient.local == "closed" && message.size > 0'
    require_review = true
    otherwise = "refuse"

    [[rule]]
    name = "later"
    when = 'recipient.local == "later" && message.size > 0'
    require_review = true
    otherwise = "hold"

    [[rule]]
    name = "rest"
    when = 'true'
"#;

fn start(top: &str) -> Running {
    start_with(POLICY, top)
}

fn start_with(policy: &str, top: &str) -> Running {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), policy).unwrap();
    let (_, path) = file.keep().unwrap();
    Running::start("b", &format!("policy = {path:?}\n{top}"), TABLES)
}

fn certs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/certs"))
}

/// What alice has signed some time ago.
fn signed() -> String {
    fs::read_to_string(certs().join("samples/signed-detached.eml")).unwrap()
}

/// What is signed now in alice's name with the key of `who`.
fn signed_by(who: &str) -> String {
    let of = |ending: &str| certs().join(format!("{who}.{ending}"));
    let folder = tempfile::tempdir().unwrap();
    let content = folder.path().join("content");
    fs::write(&content, "Content-Type: text/plain\r\n\r\nnews\r\n").unwrap();
    let made = Command::new("openssl")
        .args(["cms", "-sign", "-binary", "-crlfeol", "-certfile"])
        .arg(certs().join("intermediate.pem"))
        .arg("-signer")
        .arg(of("pem"))
        .arg("-inkey")
        .arg(of("key"))
        .arg("-in")
        .arg(&content)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    let entity = String::from_utf8(made.stdout).unwrap();
    let entity = entity.replace("\r\n", "\n").replace('\n', "\r\n");
    format!(
        "From: Alice <alice@a.example>\r\nTo: Bob <bob@b.example>\r\nSubject: news\r\n\
         Message-ID: <{who}@a.example>\r\nDate: Thu, 01 Oct 2026 10:00:00 +0000\r\n{entity}"
    )
}

/// What alice signs now, by software that reads AES in GCM and says so.
fn signed_by_ours() -> String {
    let of = |file: &str| certs().join(file);
    let made = Command::new(env!("CARGO_BIN_EXE_domsec"))
        .args(["sign", "--detached", "--key"])
        .arg(of("alice.key"))
        .arg("--cert")
        .arg(of("alice.pem"))
        .arg("--chain")
        .arg(of("intermediate.pem"))
        .arg(of("samples/unsigned.eml"))
        .output()
        .expect("the program runs");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap()
}

fn arrives(mta: &mut Mta, text: &str, to: &str) -> Answer {
    let mut mail = inbound(text.as_bytes());
    mail.to = vec![format!("<{to}@b.example>")];
    mta.offer(&mail)
}

/// What bob answers alice.
fn answer() -> Mail {
    let text = "From: bob@b.example\r\nTo: alice@a.example\r\nDate: Fri, 1 May 2026 12:00:00 +0000\r\n\
                Message-ID: <answer@b.example>\r\nSubject: yes\r\n\r\nAt noon.\r\n";
    let login = Some("bob@b.example");
    Mail::new(
        login,
        "bob@b.example",
        &["alice@a.example"],
        text.as_bytes(),
    )
}

/// Whether what leaves is encrypted; if so, those of these who can read it.
fn readers<'a>(sealed: &Mail, people: &[&'a str]) -> Option<Vec<&'a str>> {
    let text = String::from_utf8(sealed.text()).unwrap();
    if !text.contains("smime-type=enveloped-data") && !is_authenticated(sealed) {
        assert!(text.contains("smime-type=signed-data"), "{text}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sealed.eml");
    fs::write(&file, &text).unwrap();
    let reads = |who: &&&str| {
        let opened = Command::new("openssl")
            .args(["cms", "-decrypt", "-recip"])
            .arg(certs().join(format!("{who}.pem")))
            .arg("-inkey")
            .arg(certs().join(format!("{who}.key")))
            .arg("-in")
            .arg(&file)
            .output()
            .expect("openssl runs");
        opened.status.success()
    };
    Some(people.iter().filter(reads).copied().collect())
}

/// Whether it is encrypted in a cipher that shows changes.
fn is_authenticated(sealed: &Mail) -> bool {
    let text = String::from_utf8(sealed.text()).unwrap();
    text.contains("smime-type=authEnveloped-data")
}

fn domsec(running: &Running, arguments: &[&str]) -> String {
    let (verb, rest) = arguments.split_first().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_domsec"))
        .args(["certs", verb, "--config"])
        .arg(running.file("domsec.toml"))
        .args(rest)
        .output()
        .expect("the program runs");
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn who_has_signed_is_encrypted_to_and_still_is_after_a_restart() {
    let b = start("");
    let mut mta = Mta::connect(&b);
    assert_eq!(readers(&mta.offer(&answer()).taken(), &[]), None);
    arrives(&mut mta, &signed(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice", "bob"]), Some(vec!["alice"]));
    mta.quit();

    let b = b.restarted();
    let mut mta = Mta::connect(&b);
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice", "bob"]), Some(vec!["alice"]));
    mta.quit();
}

#[test]
fn who_has_announced_gcm_is_written_to_in_it_and_nobody_else_is() {
    let b = start("");
    let mut mta = Mta::connect(&b);
    // Her software of long ago, which lists AES in CBC.
    arrives(&mut mta, &signed(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice"]), Some(vec!["alice"]));
    assert!(!is_authenticated(&sealed));
    arrives(&mut mta, &signed_by_ours(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice", "bob"]), Some(vec!["alice"]));
    assert!(is_authenticated(&sealed));
    mta.quit();

    let b = b.restarted();
    let mut mta = Mta::connect(&b);
    let sealed = mta.offer(&answer()).taken();
    assert!(is_authenticated(&sealed));
    mta.quit();
}

#[test]
fn a_cipher_that_the_profile_demands_is_refused_to_who_has_announced_others() {
    let policy = |demand: bool| {
        let profile = format!("\n[profile.strong]\ncipher = 'aes-256-gcm'\ndemand = {demand}\n");
        let rule = "encrypt = \"if-possible\"";
        let policy = POLICY.replace(rule, &format!("profile = 'strong'\n{rule}"));
        assert_ne!(policy, POLICY);
        // So that the message has to be waited for.
        let (when, waits) = ("\"outbound\"'", "\"outbound\" && message.size > 0'");
        profile + &policy.replace(when, waits)
    };
    let b = start_with(&policy(true), "");
    let mut mta = Mta::connect(&b);
    arrives(&mut mta, &signed(), "bob").taken();
    let refused = mta.offer(&answer()).reply();
    assert!(refused.starts_with("550 5.7.6 "), "{refused}");
    // With other software she can read it.
    arrives(&mut mta, &signed_by_ours(), "bob").taken();
    assert!(is_authenticated(&mta.offer(&answer()).taken()));
    mta.quit();

    let b = start_with(&policy(false), "");
    let mut mta = Mta::connect(&b);
    arrives(&mut mta, &signed(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice"]), Some(vec!["alice"]));
    assert!(!is_authenticated(&sealed));
    mta.quit();
}

#[test]
fn what_is_learned_is_on_the_disk_soon_though_nobody_stops_the_service() {
    let b = start("");
    let mut mta = Mta::connect(&b);
    arrives(&mut mta, &signed(), "bob").taken();
    let looked = || {
        let ran = Command::new(env!("CARGO_BIN_EXE_domsec"))
            .args(["lookup", "--json", "--config"])
            .arg(b.file("domsec.toml"))
            .arg("alice@a.example")
            .output()
            .expect("the program runs");
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        report["chosen"]["source"] == "harvest"
    };
    // Another process sees it in the store.
    eventually("it is kept", looked);
    mta.quit();
}

#[test]
fn what_is_damaged_refused_or_deferred_teaches_nothing() {
    let b = start("");
    let mut mta = Mta::connect(&b);
    let damaged = signed().replace("sealed for you", "sealed for me!");
    assert_ne!(damaged, signed());
    arrives(&mut mta, &damaged, "bob").taken();
    // By a root that nobody trusts.
    arrives(&mut mta, &signed_by("alice-impostor"), "bob").taken();
    // In the name of another.
    arrives(&mut mta, &signed_by("mallory"), "bob").taken();
    let refused = arrives(&mut mta, &signed(), "closed").reply();
    assert!(refused.starts_with('5'), "{refused}");
    let held = arrives(&mut mta, &signed(), "later").reply();
    assert!(held.starts_with('4'), "{held}");
    assert_eq!(readers(&mta.offer(&answer()).taken(), &[]), None);
    // And yet it is not for want of anything else.
    arrives(&mut mta, &signed(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice"]), Some(vec!["alice"]));
    mta.quit();
}

#[test]
fn a_gateway_that_monitors_learns_from_what_it_would_deliver() {
    let taught = |to: &str| {
        let b = start("mode = \"monitor\"");
        let mut mta = Mta::connect(&b);
        arrives(&mut mta, &signed(), to).taken();
        mta.quit();
        b.reload("mode = \"monitor\"", "mode = \"enforce\"");
        let mut sealed = None;
        eventually("it enforces", || {
            let mut mta = Mta::connect(&b);
            let left = mta.offer(&answer()).taken();
            mta.quit();
            let changed = left.body != answer().body;
            sealed = Some(left);
            changed
        });
        readers(&sealed.unwrap(), &["alice"])
    };
    assert_eq!(taught("bob"), Some(vec!["alice"]));
    assert_eq!(taught("closed"), None);
    assert_eq!(taught("later"), None);
}

#[test]
fn another_key_by_mail_waits_for_an_administrator() {
    let b = start("");
    let mut mta = Mta::connect(&b);
    arrives(&mut mta, &signed(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    let people = ["alice", "alice-mallory"];
    assert_eq!(readers(&sealed, &people), Some(vec!["alice"]));
    // The same authority says that it is hers as well, and the policy believes DNSSEC alone.
    arrives(&mut mta, &signed_by("alice-mallory"), "bob").taken();
    let waits = mta.offer(&answer()).reply();
    assert!(waits.starts_with('4'), "{waits}");
    // Where RCPT is answered it is noted a moment later.
    let list = || domsec(&b, &["list", "--state", "pending"]);
    eventually("it is noted", || !list().is_empty());
    let pending = list();
    let fingerprint = pending.split_whitespace().next().unwrap().to_owned();
    assert!(pending.contains("harvest"), "{pending}");
    domsec(&b, &["approve", &fingerprint]);
    eventually("it is approved", || {
        let Answer::Taken(sealed) = mta.offer(&answer()) else {
            return false;
        };
        readers(&sealed, &people) == Some(vec!["alice-mallory"])
    });
    mta.quit();
}

#[test]
fn a_reload_keeps_what_was_learned_and_can_switch_it_off() {
    let b = start("");
    let mut mta = Mta::connect(&b);
    arrives(&mut mta, &signed(), "bob").taken();
    let sealed = mta.offer(&answer()).taken();
    assert_eq!(readers(&sealed, &["alice"]), Some(vec!["alice"]));
    // Her key is in use, and nobody shows it any more: she is not written to in clear for that.
    b.reload("[harvest]\nenabled = true", "[harvest]\nenabled = false");
    eventually(
        "it is switched off",
        || matches!(mta.offer(&answer()), Answer::Reply(reply) if reply.starts_with('4')),
    );
    b.reload("[harvest]\nenabled = false", "[harvest]\nenabled = true");
    eventually("it is switched on", || {
        let Answer::Taken(sealed) = mta.offer(&answer()) else {
            return false;
        };
        readers(&sealed, &["alice"]) == Some(vec!["alice"])
    });
    mta.quit();
}
