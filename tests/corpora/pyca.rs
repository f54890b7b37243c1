//! The PKCS #7 vectors of pyca/cryptography: bundles of certificates, Authenticode, enveloped data.

use serde_json::json;

use super::command::decrypt;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::rows::Rows;

#[test]
fn vectors_are_told_apart() {
    let Some(folder) = Folder::of("pyca-pkcs7") else {
        return;
    };
    let bundle = |count: usize| json!({"layers": "S[empty](C)", "tree": {"signers": [], "certificates": count, "error": null}});
    let enveloped = |cipher: &str, key_encryption: &str| {
        json!({"layers": "E", "tree": {
            "kind": "enveloped", "authenticated": false, "content_encryption": cipher,
            "recipients": [{
                "kind": "ktri", "issuer": "CN=cryptography CA", "key_encryption": key_encryption,
            }],
        }})
    };
    let lamps =
        json!({"issuer": "CN=Sample LAMPS Certificate Authority", "key_encryption": "rsa-pkcs1"});
    let mut rows = Rows::default();
    for (file, wanted) in [
        ("amazon-roots.der", bundle(2)),
        ("amazon-roots.p7b", bundle(2)),
        ("isrg.pem", bundle(1)),
        // SPC_INDIRECT_DATA_OBJID: signed, and no mail.
        (
            "authenticode.der",
            json!({"layers": "S(C)", "tree": {
                "kind": "signed", "child": {"kind": "content", "media_type": "1.3.6.1.4.1.311.2.1.4"},
            }}),
        ),
        (
            "enveloped-no-content.der",
            enveloped("aes-128-cbc", "rsa-pkcs1"),
        ),
        (
            "enveloped-rsa-oaep.pem",
            enveloped("aes-128-cbc", "rsa-oaep"),
        ),
        (
            "enveloped-triple-des.pem",
            enveloped("des-ede3-cbc", "rsa-pkcs1"),
        ),
        (
            "enveloped.pem",
            json!({"layers": "E", "tree": {
                "content_encryption": "des-ede3-cbc", "weak": ["des-ede3-cbc"], "recipients": [lamps, lamps],
            }}),
        ),
    ] {
        rows.report(file, inspect(&[], &folder.file(file)), &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn a_bundle_of_certificates_signs_nothing() {
    let Some(folder) = Folder::of("pyca-pkcs7") else {
        return;
    };
    let mut rows = Rows::default();
    for file in ["amazon-roots.der", "amazon-roots.p7b", "isrg.pem"] {
        let report = verify(&["--at", "2026-06-01T00:00:00Z"], &folder.file(file));
        rows.report(
            file,
            report,
            &json!({"verdict": "unsigned", "covers": "none"}),
        );
    }
    rows.settle(&[]);
}

/// The keys of "cryptography CA" are not here; Bob of RFC 9216 is nobody's recipient.
#[test]
fn what_is_for_others_is_not_decrypted() {
    let Some(folder) = Folder::of("pyca-pkcs7") else {
        return;
    };
    let people = Folder::of("rfc9216").expect("the corpora are there");
    let key = people.file("12_5_4_Bob_s_Decryption_Private_Key_Material.key");
    let cert = people.file("11_5_3_Bob_s_Encryption_End_Entity_Certificate.crt");
    let mut rows = Rows::default();
    for file in folder.names(|name| name.starts_with("enveloped")) {
        let run = decrypt(&["--key", &key, "--cert", &cert], &folder.file(&file));
        rows.add(file, run.refused(65, ""));
    }
    rows.settle(&[]);
}
