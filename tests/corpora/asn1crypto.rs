//! asn1crypto's fixtures: every content type, in DER and PEM, by the OpenSSL of its time.

use serde_json::json;

use super::command::decrypt;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::rows::Rows;

const AT: &str = "2016-06-01T00:00:00Z";

fn folder() -> Option<Folder> {
    Folder::of("asn1crypto-cms/tests/fixtures")
}

#[test]
fn every_content_type_is_told_in_der_and_pem() {
    let Some(folder) = folder() else { return };
    let none = |name: &str| json!({"tree": {"kind": "content", "error": format!("~{name}")}});
    let signer = json!({"subject": "~CN=Will Bond", "signature_algorithm": "rsa-pkcs1-sha256"});
    let mut rows = Rows::default();
    for (file, wanted) in [
        (
            "cms-compressed",
            json!({"layers": "Z(C)", "tree": {
                "kind": "compressed", "child": {"kind": "content", "octets": 49},
            }}),
        ),
        ("cms-digested", none("digestedData")),
        ("cms-encrypted", none("encryptedData")),
        (
            "cms-enveloped",
            json!({"layers": "E", "tree": {
                "content_encryption": "des-ede3-cbc",
                "recipients": [{"kind": "ktri", "issuer": "~CN=Will Bond", "key_encryption": "rsa-pkcs1"}],
            }}),
        ),
        (
            "cms-signed",
            json!({"layers": "S(C)", "tree": {"detached": false, "signers": [signer]}}),
        ),
        (
            "cms-signed-digested",
            json!({"layers": "S(C)", "tree": {
                "signers": [signer], "child": {"kind": "content", "media_type": "digestedData"},
            }}),
        ),
        ("message", none("data")),
        (
            "pkcs7-signed",
            json!({"layers": "S(C)", "tree": {"detached": false, "signers": [signer]}}),
        ),
        (
            "pkcs7-signed-digested",
            json!({"layers": "S(C)", "tree": {
                "signers": [signer], "child": {"kind": "content", "media_type": "digestedData"},
            }}),
        ),
    ] {
        for ending in ["der", "pem"] {
            let name = format!("{file}.{ending}");
            rows.report(&name, inspect(&[], &folder.file(&name)), &wanted);
        }
    }
    rows.settle(&[]);
}

#[test]
fn signatures_are_judged() {
    let Some(folder) = folder() else { return };
    let (anchor, valid) = (
        folder.file("keys/test.crt"),
        json!({
            "verdict": "valid", "covers": "whole", "signatures": [{"signature": "valid", "path": "valid"}],
        }),
    );
    let mut rows = Rows::default();
    for (file, wanted) in [
        ("cms-signed.der", valid.clone()),
        ("cms-signed.pem", valid.clone()),
        ("pkcs7-signed.der", valid.clone()),
        ("pkcs7-signed.pem", valid.clone()),
        // Signed without attributes, which content other than id-data must have (RFC 5652 §5.3).
        (
            "cms-signed-digested.der",
            json!({"verdict": "invalid", "signatures": [{"signature": "invalid"}]}),
        ),
        (
            "pkcs7-signed-digested.der",
            json!({"verdict": "invalid", "signatures": [{"signature": "invalid"}]}),
        ),
        // Names in the content were made unreadable after it was signed; OpenSSL agrees.
        (
            "cms-signed-indefinite-length.der",
            json!({
                "verdict": "invalid", "reasons": ["~changed", "~"],
                "signatures": [{"signature": "invalid", "path": "indeterminate"}],
            }),
        ),
        // Detached: what was signed is not here. And both certificates are wrong for mail.
        (
            "mozilla-generated-by-openssl.pkcs7.der",
            json!({
                "verdict": "invalid", "reasons": ["~emailProtection", "~detached"],
                "signatures": [{"signature": null, "path": "invalid"}],
            }),
        ),
        (
            "smime-signature-generated-by-thunderbird.p7s",
            json!({"verdict": "invalid", "signatures": [{"signature": null, "path": "invalid"}]}),
        ),
    ] {
        // The certificate is an authority's own, and has neither key usage nor a name for mail.
        let report = verify(&["--at", AT, "--anchor", &anchor], &folder.file(file));
        rows.report(file, report, &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn what_was_encrypted_to_will_is_the_message() {
    let Some(folder) = folder() else { return };
    let (key, cert) = (folder.file("keys/test.key"), folder.file("keys/test.crt"));
    let mut rows = Rows::default();
    for file in ["cms-enveloped.der", "cms-enveloped.pem"] {
        let read = decrypt(&["--key", &key, "--cert", &cert], &folder.file(file)).output();
        rows.add(
            file,
            read.and_then(|found| {
                let text = String::from_utf8_lossy(&found).into_owned();
                let same = text.trim_end() == "This is the message to encapsulate in PKCS#7/CMS";
                if same { Ok(()) } else { Err(text) }
            }),
        );
    }
    for file in [
        "cms-encrypted.der",
        "cms-digested.der",
        "cms-compressed.der",
        "cms-signed.der",
    ] {
        let run = decrypt(&["--key", &key, "--cert", &cert], &folder.file(file));
        rows.add(format!("{file} has no E"), run.refused(65, ""));
    }
    rows.settle(&[]);
}
