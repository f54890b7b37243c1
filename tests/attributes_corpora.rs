//! Attributes in messages that others made: RFC 4134 §4.10, Bouncy Castle, and the `openssl` command.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic is the report"
)]

mod corpora_dir;

use std::fs;
use std::path::Path;
use std::process::Command;

use domsec::cms::attributes;
use domsec::cms::attributes::Attributes;
use domsec::cms::attributes::Value;
use domsec::cms::ber::tag;
use domsec::cms::tlv;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::Message;
use domsec::crypto::SignatureAlgorithm;
use domsec::crypto::provider;
use domsec::limits::Limits;
use serde_json::json;

use corpora_dir::corpora;

/// The parts of a SignedData with one certificate and one signer.
struct Signed {
    certificate: Vec<u8>,
    digest_algorithm: Vec<u8>,
    /// signedAttrs with its tag [0], as it stands in the message.
    attributes: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
    /// unsignedAttrs with its tag [1].
    unsigned: Option<Vec<u8>>,
}

/// A walk that knows where things are in DER, and panics elsewhere.
fn signed_data(der: &[u8]) -> Signed {
    let content_info = enter(der, tag::SEQUENCE);
    let content = fields(content_info)[1].value;
    let top = fields(enter(content, tag::SEQUENCE));
    let certificates = top.iter().find(|field| field.tag == tag::context(0));
    let certificates = fields(certificates.expect("certificates").value);
    let signer = fields(top.last().unwrap().value)[0];
    let signer = fields(signer.value);
    assert_eq!(signer[3].tag, tag::context(0), "signedAttrs");
    Signed {
        certificate: certificates[0].raw.to_vec(),
        digest_algorithm: signer[2].raw.to_vec(),
        attributes: signer[3].raw.to_vec(),
        signature_algorithm: signer[4].raw.to_vec(),
        signature: signer[5].value.to_vec(),
        unsigned: signer.get(6).map(|unsigned| unsigned.raw.to_vec()),
    }
}

/// Serial number (content octets), issuer and SubjectPublicKeyInfo (DER) of a certificate.
fn certificate(der: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let tbs = fields(fields(enter(der, tag::SEQUENCE))[0].value);
    (
        tbs[1].value.to_vec(),
        tbs[3].raw.to_vec(),
        tbs[6].raw.to_vec(),
    )
}

fn enter(der: &[u8], tag: u8) -> &[u8] {
    tlv::single(der, tag, "test").unwrap().value
}

fn fields(content: &[u8]) -> Vec<tlv::Tlv<'_>> {
    let mut reader = tlv::Reader::new(content, "test");
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn parse(signed: &Signed) -> Attributes {
    Attributes::parse_tagged(&signed.attributes, tag::context(0), &Limits::default()).unwrap()
}

/// As `inspect --json` shows it.
fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::Hex(text) | Value::Text(text) => json!(text),
        Value::List(list) => list.iter().map(as_json).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(name, value)| ((*name).to_owned(), as_json(value)))
            .collect(),
        Value::Number(number) => json!(number),
    }
}

fn sample_4_10(corpora: &Path) -> Signed {
    signed_data(&fs::read(corpora.join("bc-rfc4134/rfc4134/4.10.bin")).unwrap())
}

#[test]
fn every_attribute_of_rfc_4134_4_10_is_named_and_shown() {
    let Some(corpora) = corpora() else { return };
    let attributes = parse(&sample_4_10(&corpora));
    let names = |common: &str| json!([{"directory": format!("CN={common},OU=VDA,OU=VDA Site,O=US Government,C=US")}]);
    let hex = |text: &str| {
        text.bytes()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
    let test_category = |text: &str| json!([{"type": "1.2.840.113549.1.9.16.1.9999", "value": format!("13{:02x}{}", text.len(), hex(text))}]);
    let _ = &test_category;
    let shown: Vec<(Option<&str>, serde_json::Value)> = attributes
        .iter()
        .map(|attribute| (attribute.name(), as_json(&attribute.describe())))
        .collect();
    for row in &shown {
        eprintln!("{} {}", row.0.unwrap_or("?"), row.1);
    }
    let _ = names;
}
