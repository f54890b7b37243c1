//! A message whose recipient publishes in DNS: encrypted while DNS answers, kept back while it does not, and never
//! sent unencrypted for want of an answer.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use serde_json::Value;

use crate::dns::World;

const TEXT: &str = "the figures for September are 17 and 4";

const POLICY: &str = r#"
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
    name = "rest"
    when = 'true'
"#;

/// A gateway of a.example in `folder` that asks `server`.
fn gateway(folder: &Path, world: &World, server: SocketAddr) {
    let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/certs");
    let config = format!(
        "domains = [\"a.example\"]\nauthserv_id = \"gw.a.example\"\npolicy = \"policy.toml\"\n\
         [[key]]\nrole = \"domain\"\ncert = \"{certs}/domain-a.pem\"\nkey = \"{certs}/domain-a.key\"\n\
         [[key]]\nrole = \"dca\"\ncert = \"{certs}/dca-a.pem\"\nkey = \"{certs}/dca-a.key\"\n\
         [trust]\nanchors = [\"{certs}/root.pem\"]\nintermediates = [\"{certs}/intermediate.pem\"]\n\
         [dns]\nservers = [\"{server}\"]\nanchors = [{anchor:?}]\n\
         [smimea]\nenabled = true\n\
         [store]\npath = \"domsec.db\"\n",
        anchor = world.anchor("dnskey"),
    );
    fs::write(folder.join("domsec.toml"), config).expect("a configuration");
    fs::write(folder.join("policy.toml"), POLICY).expect("a policy");
    let message = format!(
        "From: Alice <alice@a.example>\r\nTo: Bob <bob@b.example>\r\nSubject: Figures\r\n\
         Date: Thu, 01 Oct 2026 09:00:00 +0000\r\nMessage-ID: <figures@a.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{TEXT}\r\n"
    );
    fs::write(folder.join("in.eml"), message).expect("a message");
}

fn domsec(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_domsec"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program runs")
}

fn process(folder: &Path, recipient: &str) -> (Option<i32>, String) {
    let ran = domsec(
        folder,
        &[
            "process",
            "--config",
            "domsec.toml",
            "--direction",
            "outbound",
            "--auth",
            "alice@a.example",
            "--mail-from",
            "alice@a.example",
            "--rcpt-to",
            recipient,
            "in.eml",
        ],
    );
    let out = String::from_utf8(ran.stdout).expect("a message is text here");
    (ran.status.code(), out)
}

fn lookup(folder: &Path, recipient: &str) -> (Option<i32>, Value) {
    let arguments = ["lookup", "--config", "domsec.toml", "--json", recipient];
    let ran = domsec(folder, &arguments);
    let report = serde_json::from_slice(&ran.stdout);
    (
        ran.status.code(),
        report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stderr))),
    )
}

/// What DNS says of the recipient, in a report.
fn smimea(report: &Value) -> &Value {
    let asked = report["asked"].as_array().expect("a list");
    let of = |one: &&Value| one["source"] == "smimea" && one["subject"] == "recipient";
    asked.iter().find(of).expect("DNS is asked")
}

#[test]
fn mail_to_who_publishes_leaves_encrypted_or_waits() {
    let Some(world) = World::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    gateway(folder, &world, world.resolver);

    let (exit, report) = lookup(folder, "bob@b.example");
    assert_eq!(exit, Some(0), "{report:#}");
    assert_eq!(report["chosen"]["source"], "smimea");
    assert_eq!(smimea(&report)["result"], "found");
    assert_eq!(smimea(&report)["authentic"], true);
    let (exit, out) = process(folder, "bob@b.example");
    assert_eq!(exit, Some(0), "{out}");
    assert!(out.contains("smime-type=enveloped-data"), "{out}");
    assert!(!out.contains(TEXT));

    // Whom DNSSEC proves to have none gets it signed alone: the rule says if-possible.
    let (exit, report) = lookup(folder, "nobody@b.example");
    assert_eq!(exit, Some(1), "{report:#}");
    assert_eq!(smimea(&report)["result"], "absent");
    let (exit, out) = process(folder, "nobody@b.example");
    assert_eq!(exit, Some(0), "{out}");
    assert!(out.contains("smime-type=signed-data"), "{out}");

    // Bogus is nobody's answer.
    for recipient in ["bob@bogus.example", "bob@tampered.example"] {
        let (exit, report) = lookup(folder, recipient);
        assert_eq!(exit, Some(75), "{report:#}");
        assert_eq!(process(folder, recipient), (Some(75), String::new()));
    }

    // The resolver is gone: everybody waits, who publishes and who does not.
    gateway(folder, &world, world.spare(1));
    for recipient in ["bob@b.example", "nobody@b.example"] {
        let (exit, report) = lookup(folder, recipient);
        assert_eq!(exit, Some(75), "{report:#}");
        assert_eq!(smimea(&report)["result"], "unavailable");
        assert_eq!(process(folder, recipient), (Some(75), String::new()));
    }

    // And it comes back.
    gateway(folder, &world, world.resolver);
    let (exit, out) = process(folder, "bob@b.example");
    assert_eq!(exit, Some(0), "{out}");
    assert!(out.contains("smime-type=enveloped-data"), "{out}");
}

/// Keys of others are noted when they are used first, and an administrator's word counts at once.
#[test]
fn a_rejected_certificate_is_not_used_and_its_owner_is_not_written_to_in_clear() {
    let Some(world) = World::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    gateway(folder, &world, world.resolver);
    let (exit, _) = process(folder, "bob@b.example");
    assert_eq!(exit, Some(0));
    let listed = domsec(
        folder,
        &["certs", "list", "--config", "domsec.toml", "--json"],
    );
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(
        listed.contains("bob@b.example") && listed.contains("active"),
        "{listed}"
    );
    let (_, report) = lookup(folder, "bob@b.example");
    let fingerprint = report["chosen"]["fingerprint"]
        .as_str()
        .expect("a fingerprint");
    let rejected = domsec(
        folder,
        &["certs", "reject", "--config", "domsec.toml", fingerprint],
    );
    assert!(rejected.status.success(), "{rejected:?}");
    let (exit, out) = process(folder, "bob@b.example");
    assert_eq!((exit, out.as_str()), (Some(77), ""));
    let (exit, report) = lookup(folder, "bob@b.example");
    assert_eq!(exit, Some(1), "{report:#}");
    assert_eq!(smimea(&report)["result"], "invalid");
    let key = [
        "certs",
        "reject",
        "--key",
        "--config",
        "domsec.toml",
        fingerprint,
    ];
    let rejected = domsec(folder, &key);
    assert!(rejected.status.success(), "{rejected:?}");
    let shown = domsec(
        folder,
        &["lookup", "--config", "domsec.toml", "bob@b.example"],
    );
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(
        shown.contains("an administrator has rejected its key"),
        "{shown}"
    );
}

/// What an administrator has said of an address holds however its local part is written (RFC 8550 section 3).
#[test]
fn a_pinned_certificate_is_used_however_its_address_is_written() {
    let Some(world) = World::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    gateway(folder, &world, world.resolver);
    // SMIMEA has another name for it, where nothing is: so it is absent, and gets it signed alone.
    let (exit, out) = process(folder, "BOB@b.example");
    assert_eq!(exit, Some(0), "{out}");
    assert!(out.contains("smime-type=signed-data"), "{out}");
    let (exit, _) = process(folder, "bob@b.example");
    assert_eq!(exit, Some(0));
    let (_, report) = lookup(folder, "bob@b.example");
    let fingerprint = report["chosen"]["fingerprint"].as_str();
    let fingerprint = fingerprint.expect("a fingerprint");
    let pin = ["certs", "pin", "--config", "domsec.toml", "--for"];
    let pinned = domsec(
        folder,
        &[&pin[..], &["Bob@b.example", fingerprint]].concat(),
    );
    assert!(pinned.status.success(), "{pinned:?}");
    for address in ["bob@b.example", "BOB@b.example"] {
        let (exit, out) = process(folder, address);
        assert_eq!(exit, Some(0), "{out}");
        assert!(
            out.contains("smime-type=enveloped-data"),
            "{address}: {out}"
        );
    }
}
