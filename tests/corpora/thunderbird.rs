//! Thunderbird's test mail, made by NSS: signed, enveloped and nested, by Alice and Dave to Bob.
//!
//! The names of the files tell what to expect. The addresses of Alice, Bob and Dave stand in the
//! subject of their certificates alone, which binds nothing (CONTRACT, `verify`), so that each message
//! is also judged without its From.

use serde_json::Value as Json;
use serde_json::json;

use super::command::decrypt;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::folder::Scratch;
use super::rows::Rows;

const AT: &str = "2026-06-01T00:00:00Z";
const HASHES: &[&str] = &["SHA256", "SHA384"];
const TEXT: &str = "This is a test message from Alice to Bob.";

fn folder() -> Option<Folder> {
    Folder::of("thunderbird-smime/smime")
}

/// `message` without its From field.
fn without_from(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).expect("the messages are ASCII");
    let (head, rest) = text.split_once("From: ").expect("a From");
    let (_, rest) = rest.split_once("\r\n").expect("an end of From");
    format!("{head}{rest}").into_bytes()
}

fn password(scratch: &Scratch) -> String {
    scratch.write("password", b"nss\n")
}

fn good(who: &str, hash: &str) -> Json {
    let digest = hash.replace("SHA", "sha-");
    json!({
        "signature": "valid", "path": "valid",
        "signer": {
            "subject": format!("~CN={who}"), "emails": [],
            "signature_algorithm": format!("rsa-pkcs1-{}", hash.to_lowercase()),
            "digest_algorithm": digest,
        },
    })
}

fn bad() -> Json {
    json!({"signature": "invalid", "path": "valid"})
}

/// File, and what `verify` says where it has neither From nor key. `HASH` stands for the hash.
#[rustfmt::skip]
fn messages(hash: &str) -> Vec<(&'static str, Json)> {
    let (alice, dave) = (|| good("Alice", hash), || good("Dave", hash));
    let valid = |layers: &str, signatures: Json| json!({
        "verdict": "valid", "reasons": [], "originator": "absent", "covers": "whole",
        "layers": layers, "signatures": signatures,
    });
    let invalid = |layers: &str, signatures: Json| json!({
        "verdict": "invalid", "layers": layers, "signatures": signatures,
    });
    let closed = || json!({"verdict": "indeterminate", "covers": "none", "layers": "E", "signatures": []});
    vec![
        ("alice.dsig.HASH.multipart.eml", valid("S(C)", json!([alice()]))),
        ("alice.dsig.HASH.multipart.bad.eml", invalid("S(C)", json!([bad()]))),
        // The signature brings the content that was signed, beside the part that is shown.
        ("alice.dsig.HASH.multipart.mismatch-econtent.eml", invalid("S(C)", json!([{"path": "valid"}]))),
        ("alice.dsig.HASH.multipart.env.eml", closed()),
        ("alice.html.sig.HASH.opaque.eml", valid("S(C)", json!([alice()]))),
        ("alice.html.sig.HASH.opaque.env.eml", closed()),
        ("alice.sig.HASH.opaque.eml", valid("S(C)", json!([alice()]))),
        ("alice.sig.HASH.opaque.env.eml", closed()),
        ("alice.env.sig.HASH.opaque.eml", valid("S(E)", json!([alice()]))),
        ("alice.env.sig.HASH.opaque.dave.sig.HASH.opaque.eml", valid("S(S(E))", json!([dave(), alice()]))),
        // Signed over LF, where RFC 8551 §3.1.1 has CRLF.
        ("alice.env.dsig.HASH.multipart.eml", invalid("S(E)", json!([bad()]))),
        ("alice.env.dsig.HASH.multipart.dave.sig.HASH.opaque.eml", invalid("S(S(E))", json!([dave(), bad()]))),
        ("alice.plain.dsig.HASH.multipart.dave.dsig.HASH.multipart.eml", valid("S(S(C))", json!([dave(), alice()]))),
        ("alice.plain.dsig.HASH.multipart.dave.sig.HASH.opaque.eml", valid("S(S(C))", json!([dave(), alice()]))),
        ("alice.plain.sig.HASH.opaque.dave.dsig.HASH.multipart.eml", valid("S(S(C))", json!([dave(), alice()]))),
        ("alice.plain.sig.HASH.opaque.dave.sig.HASH.opaque.eml", valid("S(S(C))", json!([dave(), alice()]))),
    ]
}

/// The same for what opens with Bob's key: the layers.
#[rustfmt::skip]
const BOBS: &[(&str, &str, bool)] = &[
    ("alice.dsig.HASH.multipart.env.eml",                      "E(S(C))", true),
    ("alice.html.sig.HASH.opaque.env.eml",                     "E(S(C))", true),
    ("alice.sig.HASH.opaque.env.eml",                          "E(S(C))", true),
    ("alice.env.sig.HASH.opaque.eml",                          "S(E(C))", true),
    ("alice.env.sig.HASH.opaque.dave.sig.HASH.opaque.eml",     "S(S(E(C)))", true),
    ("alice.env.dsig.HASH.multipart.eml",                      "S(E(C))", false),
    ("alice.env.dsig.HASH.multipart.dave.sig.HASH.opaque.eml", "S(S(E(C)))", false),
];

#[test]
fn the_names_of_the_messages_tell_what_is_true() {
    let Some(folder) = folder() else { return };
    let (scratch, anchor) = (Scratch::new(), folder.file("TestCA.pem"));
    let mut rows = Rows::default();
    let mut seen = 0;
    for hash in HASHES {
        for (name, wanted) in messages(hash) {
            let name = name.replace("HASH", hash);
            let file = scratch.write("message.eml", &without_from(&folder.read(&name)));
            rows.report(
                &name,
                verify(&["--at", AT, "--anchor", &anchor], &file),
                &wanted,
            );
            seen += 1;
        }
    }
    let all = folder.names(|name| name.ends_with(".eml")).len();
    rows.add(
        "every message has a row",
        if seen == all {
            Ok(())
        } else {
            Err(format!("{seen} of {all}"))
        },
    );
    rows.settle(&[]);
}

#[test]
fn an_address_in_the_subject_alone_does_not_bind() {
    let Some(folder) = folder() else { return };
    let anchor = folder.file("TestCA.pem");
    let mut rows = Rows::default();
    for hash in HASHES {
        for (name, wanted) in messages(hash) {
            let name = name.replace("HASH", hash);
            let unbound = match wanted["verdict"].as_str() {
                Some("valid") => json!({"verdict": "invalid", "originator": "mismatch"}),
                _ => json!({"verdict": wanted["verdict"]}),
            };
            rows.report(
                &name,
                verify(&["--at", AT, "--anchor", &anchor], &folder.file(&name)),
                &unbound,
            );
        }
    }
    rows.settle(&[]);
}

#[test]
fn messages_count_only_under_their_own_authority_and_in_its_time() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let file = scratch.write(
        "m.eml",
        &without_from(&folder.read("alice.sig.SHA256.opaque.eml")),
    );
    let ours = folder.file("TestCA.pem");
    let other = Folder::of("openssl-smime/smime-certs")
        .expect("the corpora are there")
        .file("smroot.pem");
    let mut rows = Rows::default();
    for (name, at, anchor, verdict) in [
        ("its own", AT, &ours, "valid"),
        ("another anchor", AT, &other, "indeterminate"),
        ("too early", "2026-01-26T14:38:34Z", &ours, "invalid"),
        ("too late", "2031-01-26T14:38:36Z", &ours, "invalid"),
    ] {
        let report = verify(&["--at", at, "--anchor", anchor], &file);
        rows.report(name, report, &json!({"verdict": verdict}));
    }
    rows.settle(&[]);
}

#[test]
fn bob_reads_his_mail() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (anchor, p12, password) = (
        folder.file("TestCA.pem"),
        folder.file("Bob.p12"),
        password(&scratch),
    );
    let bob = ["--p12", &*p12, "--password-file", &*password];
    let mut rows = Rows::default();
    for hash in HASHES {
        for (name, layers, good) in BOBS {
            let name = name.replace("HASH", hash);
            let file = scratch.write("message.eml", &without_from(&folder.read(&name)));
            let mut options = vec!["--at", AT, "--anchor", &*anchor];
            options.extend(bob);
            let verdict = if *good { "valid" } else { "invalid" };
            let wanted = json!({"verdict": verdict, "layers": layers, "covers": "whole"});
            rows.report(&name, verify(&options, &file), &wanted);
            let read = decrypt(&bob, &folder.file(&name))
                .output()
                .and_then(|found| {
                    let text = String::from_utf8_lossy(&found).into_owned();
                    let encrypted = text.contains("enveloped-data") || !text.contains("From: ");
                    if encrypted { Err(text) } else { Ok(()) }
                });
            rows.add(format!("{name}, decrypted"), read);
        }
    }
    rows.settle(&[]);
}

/// What `decrypt` leaves of an E is a message that `verify` still understands.
#[test]
fn what_is_decrypted_can_be_verified_again() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (anchor, p12, password) = (
        folder.file("TestCA.pem"),
        folder.file("Bob.p12"),
        password(&scratch),
    );
    let mut rows = Rows::default();
    for hash in HASHES {
        for name in [
            "alice.dsig.HASH.multipart.env.eml",
            "alice.sig.HASH.opaque.env.eml",
        ] {
            let name = name.replace("HASH", hash);
            let file = scratch.write("message.eml", &without_from(&folder.read(&name)));
            let run = decrypt(&["--p12", &p12, "--password-file", &password], &file);
            let report = run.output().and_then(|found| {
                let file = scratch.write("decrypted.eml", &found);
                verify(&["--at", AT, "--anchor", &anchor], &file)
            });
            rows.report(
                &name,
                report,
                &json!({"verdict": "valid", "layers": "S(C)"}),
            );
        }
    }
    rows.settle(&[]);
}

/// Made in 2019 under an authority whose certificate and keys are not here.
#[test]
fn bare_structures_of_2019_are_told_apart() {
    let Some(folder) = folder() else { return };
    let bob = json!({"kind": "ktri", "serial": "28", "key_encryption": "rsa-pkcs1"});
    let enveloped = json!({"layers": "E", "tree": {
        "kind": "enveloped", "content_encryption": "aes-128-cbc", "recipients": [bob],
    }});
    let signed = |detached: bool| json!({"layers": "S(C)", "tree": {"kind": "signed", "detached": detached}});
    let mut rows = Rows::default();
    rows.report(
        "alice.mime.env",
        inspect(&[], &folder.file("alice.mime.env")),
        &enveloped,
    );
    for hash in HASHES {
        for (name, wanted) in [
            ("alice.dsig.HASH.multipart.env", &enveloped),
            ("alice.sig.HASH.opaque.env", &enveloped),
            ("alice.dsig.HASH.multipart", &signed(true)),
            ("alice.dsig.HASH.multipart.mismatch-econtent", &signed(true)),
            ("alice.mime.dsig.HASH", &signed(true)),
            ("alice.sig.HASH.opaque", &signed(false)),
            ("alice.textplain.sig.HASH", &signed(false)),
        ] {
            let name = name.replace("HASH", hash);
            rows.report(&name, inspect(&[], &folder.file(&name)), wanted);
        }
        for (name, state) in [
            ("alice.dsig.HASH.multipart", "valid"),
            ("alice.dsig.HASH.multipart.mismatch-econtent", "invalid"),
            ("alice.sig.HASH.opaque", "valid"),
            ("alice.textplain.sig.HASH", "valid"),
        ] {
            let name = name.replace("HASH", hash);
            let verdict = if state == "valid" {
                "indeterminate"
            } else {
                state
            };
            let wanted = json!({
                "verdict": verdict, "signatures": [{"path": "indeterminate"}],
            });
            let report = verify(&["--at", "2020-01-01T00:00:00Z"], &folder.file(&name));
            rows.report(format!("{name}, verified"), report, &wanted);
        }
    }
    for plain in ["alice.mime", "alice.textplain"] {
        rows.report(
            plain,
            inspect(&[], &folder.file(plain)),
            &json!({"layers": "C"}),
        );
    }
    rows.settle(&[]);
}

#[test]
fn fran_reads_what_openssl_encrypted_to_her() {
    let Some(folder) = Folder::of("thunderbird-smime/smime-interop") else {
        return;
    };
    let scratch = Scratch::new();
    let password = password(&scratch);
    let mut rows = Rows::default();
    for (name, p12, key_encryption, cipher) in [
        (
            "fran-ec_ossl-aes128-sha256.env",
            "Fran-ec.p12",
            "ecdh-sha256-aes128wrap",
            "aes-128-cbc",
        ),
        (
            "fran-ec_ossl-aes256-sha512.env",
            "Fran-ec.p12",
            "ecdh-sha512-aes256wrap",
            "aes-256-cbc",
        ),
        (
            "fran-oaep-label_ossl.env",
            "Fran.p12",
            "rsa-oaep",
            "aes-256-cbc",
        ),
        (
            "fran-oaep-sha256hash-sha256mgf_ossl.env",
            "Fran.p12",
            "rsa-oaep",
            "aes-256-cbc",
        ),
        (
            "fran-oaep-sha256hash_ossl.env",
            "Fran.p12",
            "rsa-oaep",
            "aes-128-cbc",
        ),
        ("fran-oaep_ossl.env", "Fran.p12", "rsa-oaep", "des-ede3-cbc"),
    ] {
        let (file, p12) = (folder.file(name), folder.file(p12));
        let keys = ["--p12", &*p12, "--password-file", &*password];
        let wanted = json!({"layers": "E(C)", "tree": {
            "content_encryption": cipher,
            "recipients": [{"key_encryption": key_encryption, "ours": true}],
        }});
        rows.report(name, inspect(&keys, &file), &wanted);
        let read = decrypt(&keys, &file).output().and_then(|found| {
            let text = String::from_utf8_lossy(&found).into_owned();
            if text.contains("This is a test message to Fran.") {
                Ok(())
            } else {
                Err(text)
            }
        });
        rows.add(format!("{name}, decrypted"), read);
    }
    rows.settle(&[]);
}

#[test]
fn somebody_elses_key_opens_nothing() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (eve, password) = (folder.file("Eve.p12"), password(&scratch));
    let mut rows = Rows::default();
    for name in [
        "alice.sig.SHA256.opaque.env.eml",
        "alice.sig.SHA256.opaque.eml",
    ] {
        let run = decrypt(
            &["--p12", &eve, "--password-file", &password],
            &folder.file(name),
        );
        let silent = if run.stderr.contains(TEXT) {
            Err(run.stderr.clone())
        } else {
            Ok(())
        };
        rows.add(name, run.refused(65, "").and(silent));
    }
    let bob = folder.file("Bob.p12");
    let wrong = scratch.write("wrong", b"nns\n");
    let run = decrypt(
        &["--p12", &bob, "--password-file", &wrong],
        &folder.file("alice.sig.SHA256.opaque.env.eml"),
    );
    rows.add("a wrong password", run.refused(65, "Bob.p12"));
    rows.settle(&[]);
}
