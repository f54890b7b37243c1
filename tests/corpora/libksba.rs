//! libksba's samples: what gpgsm and others wrote. Their content or their keys are mostly elsewhere.

use serde_json::json;

use super::command::decrypt;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::folder::Scratch;
use super::rows::Rows;

#[test]
fn structures_are_as_the_makers_dumps_have_them() {
    let Some(folder) = Folder::of("libksba-samples/tests") else {
        return;
    };
    let mut rows = Rows::default();
    for (file, wanted) in [
        (
            "samples/rsa-sample1.p7m",
            json!({"layers": "E", "tree": {
                "authenticated": false, "content_encryption": "aes-128-cbc", "recipients": [{
                    "kind": "ktri", "serial": "1a04", "key_encryption": "rsa-pkcs1", "ours": false,
                    "issuer": "~CN=g10 Code TEST CA 2019",
                }],
            }}),
        ),
        (
            "samples/ecdh-sample1.p7m",
            json!({"layers": "E", "tree": {
                "content_encryption": "aes-128-cbc", "recipients": [{
                    "kind": "kari", "serial": "745dc18c19d4401383befc5f6ed2bad1beaef509",
                    "key_encryption": "ecdh-sha256-aes128wrap",
                }],
            }}),
        ),
        (
            "samples/rsa-sample1.p7s",
            json!({"layers": "S(C)", "tree": {
                "detached": false, "digest_algorithms": ["sha-256"], "signers": [{
                    "subject": "~CN=Edward.Tester", "signature_algorithm": "rsa-pkcs1-sha256",
                    "attributes": [
                        {"name": "contentType"}, {"name": "signingTime"},
                        {"name": "SMIMECapabilities"}, {"name": "messageDigest"},
                    ],
                }],
            }}),
        ),
        (
            "samples/ecdsa-sample1.p7s",
            json!({"layers": "S(C)", "tree": {
                "detached": true, "signers": [{
                    "subject": "~CN=TKS 13 A 04562", "signature_algorithm": "ecdsa-sha256",
                    "attributes": [
                        {"name": "contentType"}, {"name": "signingTime"},
                        {"name": "cmsAlgorithmProtection"}, {"name": "messageDigest"},
                        {"name": "signingCertificateV2"},
                    ],
                }],
            }}),
        ),
        // Its certificate is not sent along.
        (
            "samples/detached-sig.cms",
            json!({"layers": "S(C)", "tree": {"signers": [{
                "subject": null, "issuer": "CN=Foobar", "signature_algorithm": "rsa-pkcs1-sha256",
            }]}}),
        ),
        (
            "extra/dsig-with-id-aa-encrypKeyPref-1.cms",
            json!({"layers": "S(C)", "tree": {
                "detached": true, "signers": [{
                    "emails": ["rk@recom-verlag.de"], "signature_algorithm": "rsa-pkcs1-sha1",
                    "attributes": [
                        {"name": "contentType"}, {"name": "signingTime"}, {"name": "messageDigest"},
                        {"name": "SMIMECapabilities"}, {"name": "encryptionKeyPreference"},
                    ],
                }],
            }}),
        ),
    ] {
        rows.report(file, inspect(&[], &folder.file(file)), &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn what_brings_its_content_and_certificate_verifies_as_far_as_its_key() {
    let Some(folder) = Folder::of("libksba-samples/tests/samples") else {
        return;
    };
    let at = ["--at", "2020-06-01T00:00:00Z"];
    let mut rows = Rows::default();
    let wanted = json!({
        "verdict": "indeterminate", "covers": "whole",
        "signatures": [{"signature": "valid", "path": "indeterminate"}],
    });
    rows.report(
        "rsa-sample1.p7s",
        verify(&at, &folder.file("rsa-sample1.p7s")),
        &wanted,
    );
    rows.report(
        "detached-sig.cms",
        verify(&at, &folder.file("detached-sig.cms")),
        &json!({"verdict": "indeterminate", "reasons": ["~certificate"], "signatures": [{"signature": null, "path": "indeterminate"}]}),
    );
    rows.settle(&[]);
}

/// The ECDH sample is to the same key as Thunderbird's mail to Fran.
#[test]
fn fran_reads_the_sample_from_mozillas_bug_tracker() {
    let Some(folder) = Folder::of("libksba-samples/tests/samples") else {
        return;
    };
    let thunderbird = Folder::of("thunderbird-smime/smime").expect("the corpora are there");
    let scratch = Scratch::new();
    let (p12, password) = (
        thunderbird.file("Fran-ec.p12"),
        scratch.write("password", b"nss\n"),
    );
    let run = decrypt(
        &["--p12", &p12, "--password-file", &password],
        &folder.file("ecdh-sample1.p7m"),
    );
    let text = String::from_utf8(run.output().unwrap()).unwrap();
    assert!(text.contains("This is a test message to Fran."), "{text}");
}
