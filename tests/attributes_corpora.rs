//! Attributes in messages that others made: RFC 4134 §4.10, samples of four programs, and what the
//! `openssl` command writes today.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic is the report"
)]

mod corpora_dir;

use std::fs;
use std::path::Path;
use std::process::Command;

use domsec::cms::attributes;
use domsec::cms::attributes::AlgorithmProtectionError;
use domsec::cms::attributes::Attribute;
use domsec::cms::attributes::Attributes;
use domsec::cms::attributes::SigningCertificateError;
use domsec::cms::attributes::Value;
use domsec::cms::attributes::build;
use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::signed_data::SignedData;
use domsec::cms::tlv;
use domsec::crypto::Message;
use domsec::crypto::identifiers;
use domsec::crypto::provider;
use domsec::limits::Limits;
use domsec::octets::View;
use domsec::x509::Certificate;
use serde_json::json;

use corpora_dir::corpora;

fn signed_data(cms: Vec<u8>) -> SignedData {
    let info = ContentInfo::read(&View::owned(cms), &Limits::default()).unwrap();
    let Cms::Signed(signed) = info.cms else {
        panic!("no SignedData");
    };
    signed
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

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A category of the labels in RFC 4134 §4.10: its value is a PrintableString.
fn category(text: &str) -> serde_json::Value {
    let value = tlv::element(0x13, &[text.as_bytes()]);
    json!([{"type": "1.2.3.4.5.6.7.888", "value": hex(&value)}])
}

fn label(policy: &str, mark: &str, text: &str) -> serde_json::Value {
    json!({
        "policy": policy,
        "classification": 1,
        "classification_name": "unclassified",
        "privacy_mark": mark,
        "categories": category(text),
    })
}

#[test]
fn every_attribute_of_rfc_4134_4_10_is_named_and_shown() {
    let Some(corpora) = corpora() else { return };
    let signed = signed_data(fs::read(corpora.join("bc-rfc4134/rfc4134/4.10.bin")).unwrap());
    let attributes = signed.signers[0].signed_attributes.as_ref().unwrap();
    attributes::check_occurrence(Some(attributes), None).unwrap();
    let name = |common: &str| json!({"directory": format!("CN={common},OU=VDA,OU=VDA Site,O=US Government,C=US")});
    let equivalent = "EQUIVALENT THIS IS A TEST SECURITY-CATEGORY.";
    let unknown = tlv::element(4, &[b"This is a test General ASN Attribute, number 1."]);
    let parameters = tlv::element(4, &[b"Smime Capabilities parameters buffer 2"]);
    let expected = [
        ("contentType", json!("data")),
        (
            "messageDigest",
            json!("406aec085279ba6e16022d9e0629c0229687dd48"),
        ),
        ("1.2.5555", json!(hex(&unknown))),
        (
            "contentHints",
            json!({
                "description": "Content Hints Description Buffer",
                "content_type": "data",
            }),
        ),
        (
            "SMIMECapabilities",
            json!([
                {"oid": "1.2.3.4.5.6"},
                {"oid": "1.2.3.4.5.6.77", "parameters": hex(&parameters)},
            ]),
        ),
        (
            "eSSSecurityLabel",
            label(
                "1.2.3.4.5.6.7.8",
                "THIS IS A PRIVACY MARK TEST",
                "THIS IS A TEST SECURITY-CATEGORY.",
            ),
        ),
        (
            "contentReference",
            json!({
                "content_type": "1.2.3.4.5.6",
                "identifier": hex(b"Content Reference Content Identifier Buffer"),
                "signature": hex(b"Content Reference Signature Value Buffer"),
            }),
        ),
        (
            "encryptionKeyPreference",
            json!({
                "issuer": "CN=Daisy RSA,OU=VDA,OU=VDA Site,O=US Government,C=US",
                "serial": "0a554433",
            }),
        ),
        (
            "mlExpansionHistory",
            json!([{
                "list": {"ski": hex(b"5738299")},
                "expansion_time": "1999-03-11T10:44:33Z",
                "receipt_policy": {
                    "instead_of": [[name("Bugs Bunny DSA"), name("Elmer Fudd DSA")]],
                },
            }]),
        ),
        (
            "equivalentLabels",
            json!([
                label(
                    "1.2.3.4.5.6.7.9",
                    "EQUIVALENT THIS IS A PRIVACY MARK TEST",
                    equivalent
                ),
                label(
                    "1.2.3.4.5.6.7.10",
                    "EQUIVALENT THIS IS A SECOND PRIVACY MARK TEST",
                    equivalent
                ),
            ]),
        ),
    ];
    assert_eq!(attributes.len(), expected.len());
    for (attribute, (name, value)) in attributes.iter().zip(expected) {
        let dotted = attribute.oid().to_string();
        assert_eq!(attribute.name().unwrap_or(&dotted), name);
        assert_eq!(as_json(&attribute.describe()), value, "{name}");
    }
}

#[test]
fn labels_and_histories_of_rfc_4134_4_10_are_copied_byte_for_byte() {
    let Some(corpora) = corpora() else { return };
    let octets = fs::read(corpora.join("bc-rfc4134/rfc4134/4.10.bin")).unwrap();
    let signed = signed_data(octets.clone());
    let attributes = signed.signers[0].signed_attributes.as_ref().unwrap();
    let mut copies = Vec::new();
    for attribute in attributes.iter() {
        let raw = attribute.raw();
        assert!(octets.windows(raw.len()).any(|window| window == raw));
        copies.push(build::raw(raw, &Limits::default()).unwrap());
    }
    copies.reverse();
    // The message has them in DER order, at octet 872 (signedAttrs has 1,119).
    let set = tlv::element(0x31, &[&octets[872..872 + 1119]]);
    assert_eq!(attributes.der_for_signature(), set);
    assert_eq!(build::set_of(copies), set);
    assert!(attributes::looks_like_signed_attributes(&set));
}

/// SignedData with attributes, and one that names what its maker is known for.
#[rustfmt::skip]
const SAMPLES: &[(&str, &str)] = &[
    ("bc-cms-pkix/pkix/src/test/resources/org/bouncycastle/cms/test/counterSig.p7m", "counterSignature"),
    ("libksba-samples/tests/samples/rsa-sample1.p7s", "signingTime"),
    ("libksba-samples/tests/samples/ecdsa-sample1.p7s", "signingTime"),
    ("asn1crypto-cms/tests/fixtures/cms-signed.der", "signingTime"),
    ("asn1crypto-cms/tests/fixtures/smime-signature-generated-by-thunderbird.p7s", "encryptionKeyPreference"),
];

#[test]
fn samples_keep_the_rules_and_decode_to_the_end() {
    let Some(corpora) = corpora() else { return };
    for (sample, known_for) in SAMPLES {
        let signed = signed_data(fs::read(corpora.join(sample)).unwrap());
        let mut names = Vec::new();
        for signer in &signed.signers {
            let lists = [&signer.signed_attributes, &signer.unsigned_attributes];
            attributes::check_occurrence(lists[0].as_ref(), lists[1].as_ref())
                .unwrap_or_else(|error| panic!("{sample}: {error}"));
            for attribute in lists.into_iter().flatten().flat_map(Attributes::iter) {
                let shown = as_json(&attribute.describe()).to_string();
                assert!(!shown.contains("\"error\""), "{sample}: {shown}");
                names.extend(attribute.name());
            }
        }
        assert!(names.contains(known_for), "{sample}: {names:?}");
    }
}

#[test]
fn counter_signatures_of_bouncy_castle_are_listed() {
    let Some(corpora) = corpora() else { return };
    let signed = signed_data(fs::read(corpora.join(SAMPLES[0].0)).unwrap());
    let unsigned = signed.signers[0].unsigned_attributes.as_ref().unwrap();
    let counter = unsigned.all(attributes::COUNTER_SIGNATURE).next().unwrap();
    let shown = as_json(&counter.describe());
    assert_eq!(shown["digest_algorithm"], "sha-1");
    assert_eq!(shown["ski"].as_str().map(str::len), Some(40));
}

/// A DER SignedData that `openssl cms` makes with its own test certificate.
fn signed_by_openssl(corpora: &Path, options: &[&str]) -> SignedData {
    let folder = tempfile::tempdir().unwrap();
    let content = folder.path().join("content");
    fs::write(
        &content,
        "Content-Type: text/plain\r\n\r\nwhat is signed\r\n",
    )
    .unwrap();
    let signer = corpora.join("openssl-smime/smime-certs/smrsa1.pem");
    let output = Command::new("openssl")
        .args(["cms", "-sign", "-binary", "-nodetach", "-outform", "DER"])
        .arg("-in")
        .arg(&content)
        .arg("-signer")
        .arg(&signer)
        .args(options)
        .output()
        .expect("the openssl command");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    signed_data(output.stdout)
}

#[test]
fn what_is_digested_is_what_openssl_signed_whatever_the_order() {
    let Some(corpora) = corpora() else { return };
    for options in [
        &["-md", "sha256"][..],
        &["-cades", "-md", "sha512"],
        &["-keyopt", "rsa_padding_mode:pss"],
    ] {
        let signed = signed_by_openssl(&corpora, options);
        let signer = &signed.signers[0];
        let certificate = Certificate::parse(&signed.certificates[0]).unwrap();
        let attributes = signer.signed_attributes.as_ref().unwrap();
        let digest = identifiers::digest(&signer.digest_algorithm).unwrap();
        let algorithm = identifiers::signer_signature(&signer.signature_algorithm, digest).unwrap();
        let verify = |octets: &[u8]| {
            provider().verification.verify(
                certificate.spki(),
                &algorithm,
                Message::Octets(octets),
                &signer.signature,
            )
        };
        let der = attributes.der_for_signature();
        let _ = verify(&der).unwrap();
        let backwards: Vec<u8> = attributes
            .iter()
            .rev()
            .flat_map(|attribute| attribute.raw().to_vec())
            .collect();
        assert!(verify(&tlv::element(0x31, &[&backwards])).is_err());
        let again = Attributes::parse(&backwards, &Limits::default()).unwrap();
        assert_eq!(again.der_for_signature(), der);
    }
}

#[test]
fn openssl_names_its_certificate_as_we_check_it() {
    let Some(corpora) = corpora() else { return };
    let signed = signed_by_openssl(&corpora, &["-cades"]);
    let attributes = signed.signers[0].signed_attributes.as_ref().unwrap();
    let certificate = Certificate::parse(&signed.certificates[0]).unwrap();
    let check = |der: &[u8], serial: &[u8]| {
        let digests = provider().digests;
        attributes::check_signing_certificates(
            attributes,
            der,
            certificate.issuer(),
            serial,
            digests,
        )
    };
    assert!(check(certificate.der(), certificate.serial()).unwrap());
    let mut other = certificate.der().to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert!(matches!(
        check(&other, certificate.serial()),
        Err(SigningCertificateError::Digest)
    ));
}

#[test]
fn algorithms_of_an_openssl_signature_are_protected_by_our_attribute() {
    let Some(corpora) = corpora() else { return };
    let plain = signed_by_openssl(&corpora, &["-md", "sha256"]);
    let pss = signed_by_openssl(
        &corpora,
        &["-md", "sha256", "-keyopt", "rsa_padding_mode:pss"],
    );
    let of = |signed: &SignedData| {
        let signer = &signed.signers[0];
        (
            signer.digest_algorithm.clone(),
            signer.signature_algorithm.clone(),
        )
    };
    let (digest, signature) = of(&plain);
    let (_, pss) = of(&pss);
    let written = build::cms_algorithm_protection(&digest, &signature).unwrap();
    let attribute = Attribute::parse(&written, &Limits::default()).unwrap();
    attributes::check_algorithm_protection(&attribute, &digest, &signature).unwrap();
    assert!(matches!(
        attributes::check_algorithm_protection(&attribute, &digest, &pss),
        Err(AlgorithmProtectionError::Signature { .. })
    ));
}
