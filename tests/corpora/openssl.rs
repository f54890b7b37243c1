//! The keys of OpenSSL's own S/MIME tests, both directions with the `openssl` command.
//!
//! RSA, DSA, P-256, K-283, X9.42 DH. What we do not have is named, and refused.

use std::process::Command;

use serde_json::json;

use super::command::decrypt;
use super::command::domsec;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::folder::Scratch;
use super::rows::Rows;

const AT: &str = "2026-06-01T00:00:00Z";
const PROGRAM: &str = "/usr/bin/openssl";
/// Issued in 2017 by a root of the same name and another key.
const ORPHAN: &str = "smec3.pem";
const BODY: &str = "A line of text,\r\nand one more.\r\n";

/// The folder, where both it and the `openssl` command are.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what must be there"
)]
fn folder() -> Option<Folder> {
    if std::fs::exists(PROGRAM).is_ok_and(|there| there) {
        return Folder::of("openssl-smime/smime-certs");
    }
    let required = std::env::var("DOMSEC_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{PROGRAM} is not here, and is required");
    eprintln!("skipped: {PROGRAM} is not here");
    None
}

fn openssl(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The entity that is signed and encrypted.
fn entity(scratch: &Scratch) -> String {
    scratch.write(
        "entity",
        format!("Content-Type: text/plain\r\n\r\n{BODY}").as_bytes(),
    )
}

/// Without From: the certificates name no address, and binding is waived.
fn message(scratch: &Scratch) -> String {
    let text =
        format!("Subject: OpenSSL\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{BODY}");
    scratch.write("message.eml", text.as_bytes())
}

#[test]
fn openssl_signs_and_we_judge() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (root, content) = (folder.file("smroot.pem"), entity(&scratch));
    let mut rows = Rows::default();
    #[rustfmt::skip]
    let keys = [
        ("smrsa1.pem",    "sha256", "rsa-pkcs1-sha256"),
        ("smrsa2.pem",    "sha384", "rsa-pkcs1-sha384"),
        ("smrsa3.pem",    "sha512", "rsa-pkcs1-sha512"),
        ("smrsa1024.pem", "sha256", "rsa-pkcs1-sha256"),
        ("smrsa1.pem",    "sha1",   "rsa-pkcs1-sha1"),
        ("smdsa1.pem",    "sha256", "dsa-sha256"),
        ("smdsa2.pem",    "sha1",   "dsa-sha1"),
        ("smdsa3.pem",    "sha256", "dsa-sha256"),
        ("smec1.pem",     "sha256", "ecdsa-sha256"),
        (ORPHAN,          "sha512", "ecdsa-sha512"),
    ];
    for (key, digest, algorithm) in keys {
        let path = if key == ORPHAN { "invalid" } else { "valid" };
        for (form, options) in [
            ("opaque", &["-nodetach"][..]),
            ("detached", &[]),
            ("streamed", &["-nodetach", "-stream", "-outform", "DER"]),
            (
                "without attributes",
                &["-nodetach", "-noattr", "-outform", "DER"],
            ),
            (
                "by key identifier",
                &["-nodetach", "-keyid", "-outform", "PEM"],
            ),
        ] {
            let (signer, out) = (folder.file(key), scratch.path("signed"));
            let mut arguments = vec![
                "cms", "-sign", "-binary", "-signer", &*signer, "-md", digest,
            ];
            arguments.extend(["-in", &*content, "-out", &*out]);
            arguments.extend(options);
            let report =
                openssl(&arguments).and_then(|_| verify(&["--at", AT, "--anchor", &root], &out));
            let wanted = json!({
                "verdict": path, "covers": "whole", "layers": "S(C)", "signatures": [{
                    "signature": "valid", "path": path,
                    "signer": {"signature_algorithm": algorithm},
                }],
            });
            rows.report(format!("{key} {digest} {form}"), report, &wanted);
        }
    }
    rows.settle(&[]);
}

#[test]
fn a_curve_that_we_do_not_have_is_refused() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (root, content) = (folder.file("smroot.pem"), entity(&scratch));
    let (signer, out) = (folder.file("smec2.pem"), scratch.path("signed"));
    openssl(&[
        "cms",
        "-sign",
        "-nodetach",
        "-binary",
        "-signer",
        &signer,
        "-in",
        &content,
        "-out",
        &out,
    ])
    .unwrap();
    let mut rows = Rows::default();
    let wanted = json!({
        "verdict": "invalid", "reasons": ["~ecdsa-sha256"], "signatures": [{"signature": "invalid"}],
    });
    rows.report(
        "K-283",
        verify(&["--at", AT, "--anchor", &root], &out),
        &wanted,
    );
    rows.settle(&[]);
}

#[test]
fn a_certificate_for_code_does_not_sign_mail() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (root, content) = (folder.file("smroot.pem"), entity(&scratch));
    let (signer, out) = (folder.file("csrsa1.pem"), scratch.path("signed"));
    openssl(&[
        "cms",
        "-sign",
        "-nodetach",
        "-binary",
        "-signer",
        &signer,
        "-in",
        &content,
        "-out",
        &out,
    ])
    .unwrap();
    let mut rows = Rows::default();
    for (purpose, verdict, path) in [("smime", "invalid", "invalid"), ("any", "valid", "valid")] {
        let wanted =
            json!({"verdict": verdict, "signatures": [{"signature": "valid", "path": path}]});
        let options = ["--at", AT, "--anchor", &*root, "--purpose", purpose];
        rows.report(purpose, verify(&options, &out), &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn we_sign_and_openssl_judges() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (root, message) = (folder.file("smroot.pem"), message(&scratch));
    let mut rows = Rows::default();
    for key in [
        "smrsa1.pem",
        "smrsa2.pem",
        "smrsa3.pem",
        "smec1.pem",
        ORPHAN,
    ] {
        for (form, options) in [("opaque", &[][..]), ("detached", &["--detached"])] {
            let (file, out) = (folder.file(key), scratch.path("signed.eml"));
            let arguments = ["sign", "--key", &*file, "--cert", &*file].into_iter();
            let run = domsec(
                arguments
                    .chain(options.iter().copied())
                    .chain(["-o", &*out, &*message]),
            );
            let found = run.output().and_then(|_| {
                let mut arguments = vec!["cms", "-verify", "-CAfile", &root, "-in", &out];
                arguments.extend((key == ORPHAN).then_some("-noverify"));
                openssl(&arguments)
            });
            rows.add(
                format!("{key} {form}"),
                found.and_then(|found| {
                    let text = String::from_utf8_lossy(&found).into_owned();
                    if text.ends_with(BODY) {
                        Ok(())
                    } else {
                        Err(text)
                    }
                }),
            );
        }
    }
    for key in ["smdsa1.pem", "smdh.pem", "smec2.pem"] {
        let file = folder.file(key);
        let run = domsec(["sign", "--key", &file, "--cert", &file, &message]);
        rows.add(format!("{key} signs nothing"), run.refused(65, key));
    }
    rows.settle(&[]);
}

#[test]
fn openssl_encrypts_and_we_read() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let content = entity(&scratch);
    let all = [
        "smrsa1.pem",
        "smrsa2.pem",
        "smrsa3.pem",
        "smrsa1024.pem",
        "smec1.pem",
        ORPHAN,
    ];
    let mut rows = Rows::default();
    for (form, options) in [
        ("message", &["-aes-256-cbc"][..]),
        ("streamed", &["-aes-128-cbc", "-stream", "-outform", "DER"]),
        (
            "by key identifier",
            &["-aes-192-cbc", "-keyid", "-outform", "PEM"],
        ),
        ("3DES", &["-des3"]),
        ("GCM", &["-aes-256-gcm"]),
    ] {
        let out = scratch.path("encrypted");
        let recipients: Vec<String> = all.iter().map(|name| folder.file(name)).collect();
        let mut arguments = vec![
            "cms", "-encrypt", "-binary", "-in", &*content, "-out", &*out,
        ];
        arguments.extend(options);
        arguments.extend(recipients.iter().map(String::as_str));
        rows.add(form, openssl(&arguments).map(drop));
        for (name, file) in all.iter().zip(&recipients) {
            let read = decrypt(&["--key", file, "--cert", file], &out)
                .output()
                .and_then(|found| {
                    let text = String::from_utf8_lossy(&found).into_owned();
                    if text.ends_with(BODY) {
                        Ok(())
                    } else {
                        Err(text)
                    }
                });
            rows.add(format!("{form}, {name}"), read);
        }
    }
    rows.settle(&[]);
}

#[test]
fn we_encrypt_and_openssl_reads() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let message = message(&scratch);
    let all = [
        "smrsa1.pem",
        "smrsa2.pem",
        "smrsa3.pem",
        "smec1.pem",
        ORPHAN,
    ];
    let recipients: Vec<String> = all.iter().map(|name| folder.file(name)).collect();
    let mut rows = Rows::default();
    for cipher in [
        "aes-128-cbc",
        "aes-192-cbc",
        "aes-256-cbc",
        "aes-128-gcm",
        "aes-256-gcm",
    ] {
        for key_encryption in ["rsa-pkcs1", "rsa-oaep"] {
            let out = scratch.path("encrypted.eml");
            let mut arguments = vec![
                "encrypt",
                "--cipher",
                cipher,
                "--key-encryption",
                key_encryption,
            ];
            arguments.extend(["-o", &*out, "--to"]);
            arguments.extend(recipients.iter().map(String::as_str));
            arguments.extend(["--", &*message]);
            let name = format!("{cipher} {key_encryption}");
            rows.add(&name, domsec(arguments).output().map(drop));
            for (person, file) in all.iter().zip(&recipients) {
                let read = openssl(&[
                    "cms", "-decrypt", "-recip", file, "-inkey", file, "-in", &out,
                ]);
                rows.add(
                    format!("{name}, {person}"),
                    read.and_then(|found| {
                        let text = String::from_utf8_lossy(&found).into_owned();
                        if text.ends_with(BODY) {
                            Ok(())
                        } else {
                            Err(text)
                        }
                    }),
                );
            }
        }
    }
    rows.settle(&[]);
}

#[test]
fn keys_that_we_do_not_have_are_listed_and_refused() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new();
    let (content, message) = (entity(&scratch), message(&scratch));
    let mut rows = Rows::default();
    // X9.42 key agreement (RFC 3370 §4.1.1) and a binary curve.
    for (name, scheme) in [("smdh.pem", "~dh-ephemeral-static"), ("smec2.pem", "~")] {
        let (file, out) = (folder.file(name), scratch.path("encrypted"));
        openssl(&[
            "cms",
            "-encrypt",
            "-aes-128-cbc",
            "-in",
            &content,
            "-out",
            &out,
            &file,
        ])
        .unwrap();
        let wanted = json!({"layers": "E", "tree": {"recipients": [{
            "kind": "kari", "key_encryption": scheme,
        }]}});
        rows.report(format!("{name}, inspected"), inspect(&[], &out), &wanted);
        let run = decrypt(&["--key", &file, "--cert", &file], &out);
        rows.add(format!("{name}, decrypted"), run.refused(65, name));
    }
    for name in ["smdh.pem", "smec2.pem", "smdsa1.pem"] {
        let out = scratch.path("none.eml");
        let run = domsec(["encrypt", "--to", &folder.file(name), "-o", &out, &message]);
        rows.add(
            format!("{name}, encrypted to"),
            run.refused(65, "cannot be encrypted to"),
        );
        let written = std::fs::exists(&out).unwrap();
        rows.add(
            format!("{name}, nothing written"),
            if written { Err(out) } else { Ok(()) },
        );
    }
    rows.settle(&[]);
}
