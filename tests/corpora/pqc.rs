//! The LAMPS examples with ML-DSA and ML-KEM: not yet verified or opened, but told.

use serde_json::json;

use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::rows::Rows;

/// id-ml-dsa-44, -65 and -87 (RFC 9882).
const ML_DSA: &[(&str, &str)] = &[
    ("44", "ml-dsa-44"),
    ("65", "ml-dsa-65"),
    ("87", "ml-dsa-87"),
];

#[test]
fn signatures_by_ml_dsa_are_named_and_not_believed() {
    let Some(folder) = Folder::of("pqc-lamps/examples") else {
        return;
    };
    let mut rows = Rows::default();
    for (size, algorithm) in ML_DSA {
        let name = format!("mldsa{size}-signed-attrs.pem");
        let wanted = json!({"layers": "S(C)", "tree": {"signers": [{
            "signature_algorithm": algorithm,
            "attributes": [{"name": "contentType"}, {"name": "messageDigest"}],
        }]}});
        rows.report(&name, inspect(&[], &folder.file(&name)), &wanted);
        let report =
            verify(&["--at", "2026-06-01T00:00:00Z"], &folder.file(&name)).and_then(|report| {
                let valid =
                    report["verdict"] == "valid" || report["signatures"][0]["signature"] == "valid";
                if valid {
                    Err(report.to_string())
                } else {
                    Ok(())
                }
            });
        rows.add(format!("{name}, verified"), report);
    }
    rows.settle(&[]);
}

#[test]
fn recipients_by_ml_kem_are_listed() {
    let Some(folder) = Folder::of("pqc-lamps/example") else {
        return;
    };
    // KEMRecipientInfo (RFC 9629) with id-alg-ml-kem-512.
    let wanted = json!({"layers": "E", "tree": {
        "kind": "enveloped", "authenticated": true, "content_encryption": "aes-128-gcm",
        "recipients": [{"kind": "kem", "key_encryption": "2.16.840.1.101.3.4.4.1", "ours": false}],
    }});
    let mut rows = Rows::default();
    rows.report(
        "ML-KEM-512.cms",
        inspect(&[], &folder.file("ML-KEM-512.cms")),
        &wanted,
    );
    rows.settle(&[]);
}
