//! RFC 4134: every example of its sections 3 to 7, with the keys of Alice, Bob, Carl and Diane.
//!
//! Judged as of 2003-04-10, with both of Carl's certificates as anchors. The certificates pass for
//! mail: no extended key usage, digitalSignature, and an rfc822Name each.

use serde_json::Value as Json;
use serde_json::json;

use super::command::decrypt;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::rows::Rows;

const AT: &str = "2003-04-10T00:00:00Z";

fn folder() -> Option<Folder> {
    Folder::of("bc-rfc4134/rfc4134")
}

/// What `verify` says of `file`, with Carl as the anchor.
fn judged(folder: &Folder, options: &[&str], file: &str) -> Result<Json, String> {
    let (rsa, dss) = (
        folder.file("CarlRSASelf.cer"),
        folder.file("CarlDSSSelf.cer"),
    );
    let mut all = vec!["--at", AT, "--anchor", &rsa, "--anchor", &dss];
    all.extend(options);
    verify(&all, &folder.file(file))
}

fn signature(subject: &str, algorithm: &str) -> Json {
    json!({
        "layer": 0, "signature": "valid", "path": "valid", "types": [], "naming": "not-applicable",
        "signer": {
            "subject": subject, "signature_algorithm": algorithm, "digest_algorithm": "sha-1",
        },
    })
}

fn alice_dss() -> Json {
    signature("CN=AliceDSS", "dsa-sha1")
}

#[rustfmt::skip]
fn signed() -> Vec<(&'static str, &'static [&'static str], Json)> {
    let alice_rsa = || signature("CN=AliceRSA", "rsa-pkcs1-sha1");
    let valid = |signatures: Json| json!({
        "verdict": "valid", "reasons": [], "originator": "absent", "covers": "whole",
        "layers": "S(C)", "signatures": signatures,
    });
    let bound = || json!({
        "verdict": "valid", "originator": "match", "covers": "whole", "layers": "S(C)",
        "signatures": [{"signature": "valid", "path": "valid", "binds": true}],
    });
    let somebody_else = || json!({
        "verdict": "invalid", "originator": "mismatch", "layers": "S(C)",
        "signatures": [{"signature": "valid", "path": "valid", "binds": false}],
    });
    vec![
        ("4.1.bin", &[], valid(json!([alice_dss()]))),
        ("4.2.bin", &[], valid(json!([alice_rsa()]))),
        // The content is not in the file: see the test with ExContent.bin.
        ("4.3.bin", &[], json!({
            "verdict": "indeterminate", "reasons": ["~detached"], "signatures": [{"signature": null, "path": "valid"}],
        })),
        // Carl's CRL, which the message brings, revokes Alice's certificate in 1999.
        ("4.4.bin", &["--revocation", "off"], valid(json!([alice_dss()]))),
        ("4.4.bin", &[], json!({
            "verdict": "invalid", "reasons": ["~revoked"],
            "signatures": [{"signature": "valid", "path": "invalid", "path_error": "~revoked"}],
        })),
        ("4.5.bin", &[], valid(json!([alice_rsa()]))),
        // Diane's key inherits the parameters of Carl's (RFC 3279 §2.3.2).
        ("4.6.bin", &[], valid(json!([alice_dss(), signature("CN=DianeDSS", "dsa-sha1")]))),
        ("4.7.bin", &[], valid(json!([alice_dss()]))),
        // From is at examples.com, the certificate for AliceDSS@example.com.
        ("4.8.eml", &[], somebody_else()),
        ("4.8.eml", &["--from", "AliceDSS@example.com"], bound()),
        ("4.9.eml", &[], somebody_else()),
        ("4.9.eml", &["--from", "AliceDSS@example.com"], bound()),
        // A list's signature does not speak for the originator (draft §3.2; DESIGN, decision 8).
        ("4.10.bin", &[], json!({
            "verdict": "indeterminate", "layers": "S[ml](C)", "signatures": [alice_dss()],
        })),
        ("4.11.bin", &[], json!({"verdict": "unsigned", "covers": "none", "signatures": []})),
    ]
}

#[test]
fn signed_messages_verify() {
    let Some(folder) = folder() else { return };
    let mut rows = Rows::default();
    for (file, options, wanted) in signed() {
        let name = format!("{file} {}", options.join(" "));
        rows.report(name.trim_end(), judged(&folder, options, file), &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn no_signature_verifies_under_the_anchor_of_somebody_else() {
    let Some(folder) = folder() else { return };
    let mut rows = Rows::default();
    let (at, anchor) = (AT, folder.file("CarlRSASelf.cer"));
    for file in ["4.1.bin", "4.6.bin", "4.7.bin"] {
        let report = verify(&["--at", at, "--anchor", &anchor], &folder.file(file));
        let wanted = match file {
            // Without Carl's key nothing is known of Diane's, either.
            "4.6.bin" => json!({"verdict": "indeterminate", "signatures": [
                {"signature": "valid", "path": "indeterminate"},
                {"signature": null, "path": "indeterminate"},
            ]}),
            _ => json!({
                "verdict": "indeterminate",
                "signatures": [{"signature": "valid", "path": "indeterminate"}],
            }),
        };
        rows.report(file, report, &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn a_certificate_counts_only_within_its_dates() {
    let Some(folder) = folder() else { return };
    let (dss, file) = (folder.file("CarlDSSSelf.cer"), folder.file("4.1.bin"));
    let mut rows = Rows::default();
    for (at, verdict) in [
        ("1999-08-17T01:10:48Z", "invalid"),
        ("1999-08-17T01:10:49Z", "valid"),
        ("2039-12-31T23:59:59Z", "valid"),
        ("2040-01-01T00:00:00Z", "invalid"),
    ] {
        rows.report(
            at,
            verify(&["--at", at, "--anchor", &dss], &file),
            &json!({"verdict": verdict}),
        );
    }
    rows.settle(&[]);
}

#[test]
fn attributes_are_named() {
    let Some(folder) = folder() else { return };
    let attributes = json!([
        {"oid": "1.2.840.113549.1.9.3", "name": "contentType"},
        {"oid": "1.2.840.113549.1.9.4", "name": "messageDigest"},
        // Known to nobody: by identifier alone, its value in hex.
        {"oid": "1.2.5555", "name": null, "value": "~5468697320697320"},
        {"oid": "1.2.840.113549.1.9.16.2.4", "name": "contentHints"},
        {"oid": "1.2.840.113549.1.9.15", "name": "SMIMECapabilities"},
        {"oid": "1.2.840.113549.1.9.16.2.2", "name": "eSSSecurityLabel"},
        {"oid": "1.2.840.113549.1.9.16.2.10", "name": "contentReference"},
        {"oid": "1.2.840.113549.1.9.16.2.11", "name": "encryptionKeyPreference"},
        {"oid": "1.2.840.113549.1.9.16.2.3", "name": "mlExpansionHistory"},
        {"oid": "1.2.840.113549.1.9.16.2.9", "name": "equivalentLabels"},
    ]);
    let mut rows = Rows::default();
    let wanted = json!({"layers": "S[ml](C)", "tree": {"signers": [{"attributes": attributes}]}});
    rows.report("4.10.bin", inspect(&[], &folder.file("4.10.bin")), &wanted);
    let wanted = json!({"layers": "S(C)", "tree": {"signers": [{
        "signing_time": "2003-05-14T15:39:00Z",
        "attributes": [
            {"name": "contentType"}, {"name": "signingTime"}, {"name": "messageDigest"},
        ],
        "unsigned_attributes": [{"name": "contentHints"}, {"name": "counterSignature"}],
    }]}});
    rows.report("4.4.bin", inspect(&[], &folder.file("4.4.bin")), &wanted);
    rows.settle(&[]);
}

#[test]
fn what_is_in_the_values_of_the_attributes_is_shown() {
    let Some(folder) = folder() else { return };
    let report = inspect(&[], &folder.file("4.10.bin")).unwrap();
    let attributes = report["tree"]["signers"][0]["attributes"]
        .as_array()
        .unwrap();
    let mut rows = Rows::default();
    for (name, shown) in [
        ("contentHints", "Content Hints Description Buffer"),
        ("SMIMECapabilities", "1.2.3.4.5.6.77"),
        ("eSSSecurityLabel", "THIS IS A PRIVACY MARK TEST"),
        ("encryptionKeyPreference", "Daisy RSA"),
        ("mlExpansionHistory", "1999-03-11T10:44:33Z"),
        ("mlExpansionHistory", "Elmer Fudd DSA"),
        ("equivalentLabels", "EQUIVALENT THIS IS A PRIVACY MARK TEST"),
    ] {
        let value = attributes
            .iter()
            .find(|attribute| attribute["name"] == name);
        let text = value
            .map(|attribute| attribute["value"].to_string())
            .unwrap_or_default();
        let outcome = if text.contains(shown) {
            Ok(())
        } else {
            Err(text)
        };
        rows.add(format!("{name}: {shown}"), outcome);
    }
    rows.settle(&[]);
}

#[test]
fn layers_are_told_and_what_is_none_is_named() {
    let Some(folder) = folder() else { return };
    let bob = json!({
        "kind": "ktri", "issuer": "CN=CarlRSA", "serial": "46346bc7800056bc11d36e2ecd5d71d0",
        "key_encryption": "rsa-pkcs1", "ours": false,
    });
    let mail_list =
        json!({"kind": "kekri", "key_encryption": "1.2.840.113549.1.9.16.3.7", "ours": false});
    let none = |name: &str| json!({"tree": {"kind": "content", "error": format!("~{name}")}});
    let mut rows = Rows::default();
    for (file, wanted) in [
        ("3.1.bin", none("data")),
        ("3.2.bin", none("data")),
        (
            "4.3.bin",
            json!({"layers": "S(C)", "tree": {"kind": "signed", "detached": true}}),
        ),
        (
            "4.7.bin",
            json!({"tree": {"signers": [{"ski": "be6ca1b3e3c1f7ed4370a4ce1301e2fde397fecd"}]}}),
        ),
        (
            "4.8.eml",
            json!({"layers": "S(C)", "tree": {
                "kind": "signed", "detached": true, "media_type": "multipart/signed",
            }}),
        ),
        (
            "4.9.eml",
            json!({"layers": "S(C)", "tree": {
                "kind": "signed", "detached": false, "media_type": "application/pkcs7-mime",
            }}),
        ),
        (
            "4.11.bin",
            json!({"layers": "S[empty](C)", "tree": {"kind": "signed", "signers": []}}),
        ),
        (
            "5.1.bin",
            json!({"layers": "E", "tree": {
                "kind": "enveloped", "authenticated": false, "content_encryption": "des-ede3-cbc",
                "recipients": [bob],
            }}),
        ),
        (
            "5.2.bin",
            json!({"layers": "E", "tree": {
                "kind": "enveloped", "content_encryption": "rc2-cbc", "recipients": [bob, mail_list],
            }}),
        ),
        (
            "5.3.eml",
            json!({"layers": "E", "tree": {
                "kind": "enveloped", "content_encryption": "des-ede3-cbc", "recipients": [bob],
            }}),
        ),
        ("6.0.bin", none("digestedData")),
        ("7.1.bin", none("encryptedData")),
        ("7.2.bin", none("encryptedData")),
    ] {
        rows.report(file, inspect(&[], &folder.file(file)), &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn what_was_encrypted_to_bob_is_the_sample_content() {
    let Some(folder) = folder() else { return };
    let content = folder.read("ExContent.bin");
    let (key, cert) = (
        folder.file("BobPrivRSAEncrypt.pri"),
        folder.file("BobRSASignByCarl.cer"),
    );
    let bob = ["--key", &*key, "--cert", &*cert];
    let ours = json!({"layers": "E(C)", "tree": {"recipients": [{"ours": true}], "weak": ["des-ede3-cbc"]}});

    let mut rows = Rows::default();
    rows.report(
        "5.1.bin is Bob's",
        inspect(&bob, &folder.file("5.1.bin")),
        &ours,
    );
    rows.add(
        "5.1.bin",
        decrypt(&bob, &folder.file("5.1.bin"))
            .output()
            .and_then(|found| {
                if found == content {
                    Ok(())
                } else {
                    Err(format!("{:?}", String::from_utf8_lossy(&found)))
                }
            }),
    );
    rows.add(
        "5.3.eml",
        decrypt(&bob, &folder.file("5.3.eml"))
            .output()
            .and_then(|found| {
                let text = String::from_utf8_lossy(&found).into_owned();
                let good = found.trim_ascii_end().ends_with(&content)
                    && text.contains("Subject: Example 5.3")
                    && !text.contains("pkcs7-mime");
                if good { Ok(()) } else { Err(text) }
            }),
    );
    rows.settle(&[]);
}

#[test]
fn what_cannot_be_decrypted_is_refused() {
    let Some(folder) = folder() else { return };
    let file = |name: &str| folder.file(name);
    let (bob, bobs) = (file("BobPrivRSAEncrypt.pri"), file("BobRSASignByCarl.cer"));
    let (diane, dianes) = (
        file("DianePrivRSASignEncrypt.pri"),
        file("DianeRSASignByCarl.cer"),
    );
    let mut rows = Rows::default();
    for (name, key, cert) in [
        // RC2 (RFC 8551 §2.7 has none), digestedData and encryptedData.
        ("5.2.bin", &bob, &bobs),
        ("6.0.bin", &bob, &bobs),
        ("7.1.bin", &bob, &bobs),
        // Not encrypted, or not to her.
        ("4.1.bin", &bob, &bobs),
        ("5.1.bin", &diane, &dianes),
        ("5.3.eml", &diane, &dianes),
    ] {
        let run = decrypt(&["--key", key, "--cert", cert], &file(name));
        rows.add(name, run.refused(65, ""));
    }
    rows.settle(&[]);
}
