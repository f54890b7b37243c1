//! NIST PKITS through path validation: certificates and CRLs as they lie in its signed mails.
//!
//! Nothing that must be invalid is accepted. What must be valid is accepted, except where the table
//! names the rule that is not evaluated yet; there the answer is indeterminate, never invalid.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod corpora_dir;

use std::collections::BTreeMap;
use std::fmt::Write;

use corpora_dir::corpora;
use der::Decode;
use der::Encode;
use der::Reader;
use der::SliceReader;
use der::Tag;
use der::TagNumber;
use der::Tagged;
use der::asn1::AnyRef;
use domsec::crypto::provider;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::Crl;
use domsec::x509::PathOutcome;
use domsec::x509::PathRequest;
use domsec::x509::PathValidation;
use domsec::x509::SimplePaths;
use domsec::x509::Verdict;
use domsec::x509::path::InitialPolicies;
use domsec::x509::path::Purpose;
use domsec::x509::path::RevocationMode;

const ANY_POLICY: &str = "2.5.29.32.0";

/// Rows that must be valid and are indeterminate, with the rule that is not evaluated yet.
#[rustfmt::skip]
const DEPARTURES: &[(&str, &[&str])] = &[
    ("an explicit policy is required, and policies are not evaluated", &[
        "4.8.1.1", "4.8.1.2", "4.8.1.4", "4.8.6.1", "4.8.6.2", "4.8.10.1", "4.8.10.2", "4.8.10.3",
        "4.8.11.1", "4.8.11.2", "4.8.13.1", "4.8.13.2", "4.8.13.3", "4.8.14.1", "4.8.18.1",
        "4.8.18.2", "4.8.20", "4.9.4", "4.10.1.1", "4.10.3.2", "4.10.5.1", "4.10.6.1", "4.10.9",
        "4.10.11", "4.10.12.1", "4.10.12.2", "4.10.13", "4.10.14", "4.11.2", "4.11.4", "4.11.7",
        "4.12.2", "4.12.3.1", "4.12.7", "4.12.9",
    ]),
    ("indirect CRLs, and CRLs of other issuers, are not evaluated", &[
        "4.14.22", "4.14.24", "4.14.25", "4.14.28", "4.14.29", "4.14.33",
    ]),
    ("delta CRLs are not evaluated", &[
        "4.15.2", "4.15.5", "4.15.7", "4.15.8",
    ]),
];

/// One row of the table.
struct Row {
    number: String,
    title: String,
    mail: String,
    arguments: String,
    valid: bool,
}

/// What lies in one signed mail.
struct Mail {
    certificates: Vec<Certificate>,
    crls: Vec<Crl>,
    signer: Certificate,
}

#[test]
fn verdicts_are_those_of_the_table() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("pkits");
    let limits = Limits::default();
    let anchor = std::fs::read(folder.join("certs/TrustAnchorRootCertificate.crt")).unwrap();
    let anchor = Certificate::parse(&anchor).unwrap();
    let paths = SimplePaths::new(vec![anchor], provider().verification, &limits);
    let table = std::fs::read_to_string(folder.join("expected-openssl-table.tsv")).unwrap();
    let mut wrong = String::new();
    let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    let rows = rows(&table);
    assert_eq!(rows.len(), 247);
    for row in &rows {
        let mail = std::fs::read_to_string(folder.join("smime").join(&row.mail)).unwrap();
        let outcome = judge(&paths, &read_mail(&mail), row);
        *counts
            .entry((row.valid, outcome.verdict.as_str()))
            .or_default() += 1;
        let departs = DEPARTURES
            .iter()
            .any(|(_, numbers)| numbers.contains(&row.number.as_str()));
        let good = match (row.valid, departs) {
            (true, false) => outcome.verdict == Verdict::Valid,
            (true, true) => outcome.verdict == Verdict::Indeterminate,
            (false, _) => outcome.verdict != Verdict::Valid && !departs,
        };
        if !good {
            let error = outcome.error.map(|error| error.to_string());
            let Row { number, title, .. } = row;
            let verdict = outcome.verdict;
            writeln!(wrong, "{number} {title}: {verdict}, {error:?}").unwrap();
        }
    }
    eprintln!("must be valid, is: {counts:?}");
    assert!(wrong.is_empty(), "{wrong}");
}

fn rows(table: &str) -> Vec<Row> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            Row {
                number: fields[0].to_owned(),
                title: fields[1].to_owned(),
                mail: fields[2].to_owned(),
                arguments: fields[3].to_owned(),
                valid: fields[4] == "0",
            }
        })
        .collect()
}

fn judge(paths: &SimplePaths, mail: &Mail, row: &Row) -> PathOutcome {
    let mut acceptable = Vec::new();
    let mut arguments = row.arguments.split_ascii_whitespace();
    let mut policies = InitialPolicies::default();
    while let Some(argument) = arguments.next() {
        match argument {
            "-policy" => acceptable.push(arguments.next().unwrap().to_owned()),
            "-explicit_policy" => policies.explicit = true,
            "-inhibit_map" => policies.inhibit_mapping = true,
            "-inhibit_any" => policies.inhibit_any = true,
            other => panic!("{}: argument {other}", row.number),
        }
    }
    acceptable.retain(|policy| policy != "anyPolicy" && policy != ANY_POLICY);
    policies.acceptable = &acceptable;
    paths.validate(
        &PathRequest {
            target: &mail.signer,
            intermediates: &mail.certificates,
            crls: &mail.crls,
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            purpose: Purpose::Smime,
            revocation: RevocationMode::Require,
            policies,
        },
        &mut Budget::new(&Limits::default()),
    )
}

/// Takes the SignedData out of a multipart/signed mail; no more of CMS than its outer fields.
fn read_mail(mail: &str) -> Mail {
    let (_, part) = mail.split_once("filename=\"smime.p7s\"").unwrap();
    let (base64, _) = part.split_once("--").unwrap();
    let base64: String = base64.split_ascii_whitespace().collect();
    let der = base64_simd::STANDARD.decode_to_vec(base64).unwrap();
    let content_info = elements(AnyRef::from_der(&der).unwrap().value());
    let signed_data = elements(AnyRef::from_der(content_info[1].value()).unwrap().value());
    let tagged = |tag: Tag| {
        let found = signed_data.iter().find(|field| field.tag() == tag);
        found.map_or_else(Vec::new, |field| elements(field.value()))
    };
    let certificates: Vec<Certificate> = tagged(constructed(0))
        .iter()
        .map(|certificate| Certificate::parse(&certificate.to_der().unwrap()).unwrap())
        .collect();
    let crls = tagged(constructed(1));
    let crls = crls.iter().map(|crl| crl.to_der().unwrap());
    let signer_info = elements(signed_data.last().unwrap().value())[0].value();
    let identifier = elements(elements(signer_info)[1].value());
    let signer = certificates.iter().find(|certificate| {
        certificate.issuer() == identifier[0].to_der().unwrap()
            && certificate.serial() == identifier[1].value()
    });
    Mail {
        signer: signer.unwrap().clone(),
        crls: crls
            .map(|crl| Crl::parse(&crl, &Limits::default()).unwrap())
            .collect(),
        certificates,
    }
}

fn elements(content: &[u8]) -> Vec<AnyRef<'_>> {
    let mut reader = SliceReader::new(content).unwrap();
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(AnyRef::decode(&mut reader).unwrap());
    }
    elements
}

fn constructed(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}
