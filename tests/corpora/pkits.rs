//! NIST's PKITS: its signed mails, each with the certificates and CRLs of its path.
//!
//! A path that is wrong does not make the signature wrong. The paths themselves, with the policies
//! that `verify` has no option for, are in `tests/x509_pkits.rs`.

use serde_json::json;

use super::command::verify;
use super::folder::Folder;
use super::rows::Departure;
use super::rows::Rows;

const AT: &str = "2011-06-01T00:00:00Z";

/// Rows that must be valid and are indeterminate, with the rule that is not evaluated yet.
#[rustfmt::skip]
const NOT_YET: &[(&str, &[&str])] = &[
    ("an explicit policy is required, and policies are not evaluated", &[
        "4.8.6.1", "4.8.10.3", "4.8.11.1", "4.9.4", "4.10.9", "4.10.11", "4.10.13", "4.10.14",
        "4.11.2", "4.11.4", "4.11.7", "4.12.2", "4.12.3.1", "4.12.7", "4.12.9",
    ]),
    ("indirect CRLs, and CRLs of other issuers, are not evaluated", &[
        "4.14.22", "4.14.24", "4.14.25", "4.14.28", "4.14.29", "4.14.33",
    ]),
    ("delta CRLs are not evaluated", &["4.15.2", "4.15.5", "4.15.7", "4.15.8"]),
];

fn anchor() -> Option<String> {
    let certificates = Folder::of("pkits/certs")?;
    Some(certificates.file("TrustAnchorRootCertificate.crt"))
}

#[test]
fn every_mail_is_signed_by_the_key_of_its_certificate() {
    let Some(folder) = Folder::of("pkits/smime") else {
        return;
    };
    // One key inherits its parameters from its issuer's, which only the path knows (RFC 3279 §2.3.2).
    let anchor = anchor().expect("the corpora are there");
    let names = folder.names(|name| name.ends_with(".eml"));
    assert_eq!(names.len(), 224);
    let mut rows = Rows::default();
    for name in names {
        let wanted = json!({
            "layers": "S(C)", "covers": "whole", "signatures": [{"signature": "valid"}],
        });
        let report = verify(&["--at", AT, "--anchor", &anchor], &folder.file(&name));
        rows.report(name, report, &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn paths_with_crls_are_valid_where_nist_says() {
    let Some(folder) = Folder::of("pkits") else {
        return;
    };
    let anchor = anchor().expect("the corpora are there");
    let table = String::from_utf8(folder.read("expected-openssl-table.tsv")).unwrap();
    let mut rows = Rows::default();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [number, _, mail, "-policy anyPolicy", expected, ..] = fields.as_slice() else {
            continue;
        };
        // The certificates name no address, and are for anything: these are tests of paths.
        let mut options = vec!["--at", AT, "--anchor", &anchor, "--purpose", "any"];
        options.extend(["--revocation", "require"]);
        let report = verify(&options, &folder.file(&format!("smime/{mail}")));
        rows.add(
            *number,
            report.and_then(|report| {
                let valid = report["signatures"][0]["path"] == "valid";
                match (*expected == "0", valid) {
                    (true, true) | (false, false) => Ok(()),
                    (true, false) | (false, true) => Err(report["signatures"].to_string()),
                }
            }),
        );
    }
    let departures = NOT_YET.iter().flat_map(|(reason, numbers)| {
        let departure = move |row: &&'static str| Departure { row, reason };
        numbers.iter().map(departure)
    });
    rows.settle(&departures.collect::<Vec<_>>());
}
