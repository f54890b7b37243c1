//! Bouncy Castle's own test data: RSASSA-PSS, key agreement, counter-signatures, odd encodings.
//!
//! Signatures are verified against the certificate in the message; their authorities are not here.
//! There is no option for the content of a detached signature, so that those go through the library.

use serde_json::json;

use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::signed_data::SignedData;
use domsec::cms::verify::ContentDigests;
use domsec::cms::verify::SignedContent;
use domsec::cms::verify::verify_signer;
use domsec::crypto::provider;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::octets::View;
use domsec::x509::Certificate;

use super::command::decrypt;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::rows::Departure;
use super::rows::Rows;

const TESTS: &str = "bc-cms-pkix/pkix/src/test/resources/org/bouncycastle/cms/test";

/// What Bouncy Castle's own tests say of a file, and we do not.
const DEPARTURES: &[Departure] = &[
    Departure {
        row: "rawsha256nonull.p7m",
        reason: "its DigestInfo leaves out the NULL that RFC 8017 §9.2 step 2 has for SHA-256; a \
                 verifier makes the encoding and compares (§8.2.2), as OpenSSL does",
    },
    Departure {
        row: "SignedMSPkcs7.sig",
        reason: "MD5 proves nothing (RFC 6151), and is refused by name",
    },
];

#[test]
fn a_signature_over_md5_is_refused_by_name() {
    let Some(folder) = Folder::of(TESTS) else {
        return;
    };
    let refused = signatures_hold(&folder.read("SignedMSPkcs7.sig"), None);
    assert_eq!(refused, Err("algorithm md5 is not supported".to_owned()));
}

/// Reads a SignedData that may be BER.
pub(super) fn signed_data(octets: &[u8]) -> Result<SignedData, String> {
    let view = View::owned(octets.to_vec());
    let info = ContentInfo::read(&view, &Limits::default()).map_err(|error| error.to_string())?;
    match info.cms {
        Cms::Signed(data) => Ok(data),
        Cms::Compressed(_) | Cms::Enveloped(_) => Err("it is no SignedData".to_owned()),
    }
}

/// Verifies every signer over `content`, or over what is inside, with the certificate that is sent
/// along.
pub(super) fn signatures_hold(octets: &[u8], content: Option<&[u8]>) -> Result<(), String> {
    let (data, limits) = (signed_data(octets)?, Limits::default());
    let content = content
        .map(|content| View::owned(content.to_vec()))
        .or(data.content.clone());
    let content = content.ok_or("there is no content")?;
    let certificates: Vec<Certificate> = data
        .certificates
        .iter()
        .map(|der| Certificate::parse(der).unwrap())
        .collect();
    let digests = ContentDigests::for_signers(&content, &data.signers, provider()).unwrap();
    if data.signers.is_empty() {
        return Err("there are no signers".to_owned());
    }
    for signer in &data.signers {
        let named = |certificate: &&Certificate| certificate.is_named(signer.sid.key_name());
        let certificate = certificates
            .iter()
            .find(named)
            .ok_or("no certificate of the signer")?;
        let content = SignedContent {
            content_type: data.content_type,
            octets: &content,
            digests: &digests,
        };
        let mut budget = Budget::new(&limits);
        let _proof = verify_signer(
            signer,
            content,
            (certificate, certificate.spki()),
            provider(),
            &mut budget,
        )
        .map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn signatures_verify_with_the_certificate_in_the_message() {
    let Some(folder) = Folder::of(TESTS) else {
        return;
    };
    let detached = folder.read("PSSSignData.data");
    let mut rows = Rows::default();
    for (file, content) in [
        ("PSSSignDataSHA1.sig", Some(&*detached)),
        ("PSSSignDataSHA1Enc.sig", None),
        ("PSSSignDataSHA256.sig", Some(&*detached)),
        ("PSSSignDataSHA256Enc.sig", None),
        ("PSSSignDataSHA512.sig", Some(&*detached)),
        ("PSSSignDataSHA512Enc.sig", None),
        // PKCS #7 1.5: the content is a SEQUENCE, no OCTET STRING (RFC 5652 §5.2.1).
        ("SignedMSPkcs7.sig", None),
        ("bc1639test.p7m", None),
        ("counterSig.p7m", None),
        ("rawsha256nonull.p7m", None),
    ] {
        rows.add(file, signatures_hold(&folder.read(file), content));
    }
    rows.settle(DEPARTURES);
}

#[test]
fn a_changed_content_does_not_verify() {
    let Some(folder) = Folder::of(TESTS) else {
        return;
    };
    let mut content = folder.read("PSSSignData.data");
    content[0] ^= 1;
    let mut rows = Rows::default();
    for file in [
        "PSSSignDataSHA1.sig",
        "PSSSignDataSHA256.sig",
        "PSSSignDataSHA512.sig",
    ] {
        let outcome = match signatures_hold(&folder.read(file), Some(&content)) {
            Err(error) if error.contains("changed") => Ok(()),
            other => Err(format!("{other:?}")),
        };
        rows.add(file, outcome);
    }
    rows.settle(&[]);
}

#[test]
fn what_is_sent_with_its_content_is_judged_by_the_command() {
    let Some(folder) = Folder::of(TESTS) else {
        return;
    };
    let mut rows = Rows::default();
    for (file, algorithm) in [
        ("PSSSignDataSHA1Enc.sig", "rsa-pss-sha1"),
        ("PSSSignDataSHA256Enc.sig", "rsa-pss-sha256"),
        ("PSSSignDataSHA512Enc.sig", "rsa-pss-sha512"),
        ("bc1639test.p7m", "rsa-pkcs1-sha256"),
        ("counterSig.p7m", "rsa-pkcs1-sha1"),
    ] {
        let wanted = json!({"covers": "whole", "signatures": [{
            "signature": "valid", "signer": {"signature_algorithm": algorithm},
        }]});
        let options = ["--at", "2016-06-01T00:00:00Z", "--purpose", "any"];
        rows.report(file, verify(&options, &folder.file(file)), &wanted);
    }
    rows.settle(&[]);
}

#[test]
fn counter_signatures_and_time_stamps_are_listed() {
    let Some(folder) = Folder::of(TESTS) else {
        return;
    };
    let report = inspect(&[], &folder.file("counterSig.p7m")).unwrap();
    let signer = &report["tree"]["signers"][0];
    let names = |list: &str| -> Vec<String> {
        let list = signer[list].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|attribute| attribute["name"].to_string())
            .collect()
    };
    assert_eq!(
        names("attributes"),
        [
            r#""contentType""#,
            r#""messageDigest""#,
            r#""signingCertificate""#
        ]
    );
    let unsigned = names("unsigned_attributes");
    for name in [r#""counterSignature""#, r#""signatureTimeStampToken""#] {
        assert!(
            unsigned.iter().any(|found| found == name),
            "{name} is not in {unsigned:?}"
        );
    }
    // Who counter-signed: EST-COUNTER-SIGNATURE1-OK-EE2, by its key identifier.
    let counter = signer["unsigned_attributes"].to_string();
    assert!(
        counter.contains("4ea956a275e35928eeb5e38809c57318c971f516"),
        "{counter}"
    );
}

#[test]
fn all_sixteen_key_agreements_are_decrypted() {
    let Some(folder) = Folder::of(&format!("{TESTS}/ecdh")) else {
        return;
    };
    let session = folder.read("sess.txt");
    let (key, cert) = (folder.file("ecc.key"), folder.file("ecc.crt"));
    let keys = ["--key", &*key, "--cert", &*cert];
    let mut rows = Rows::default();
    for (names, scheme) in [
        (&["1", "3", "5", "7", "A", "C", "E", "G"][..], "ecdh-sha1-"),
        (&["2", "4", "6", "8", "D"], "ecdh-sha256-"),
        (&["B"], "ecdh-sha224-"),
        (&["F"], "ecdh-sha384-"),
        (&["H"], "ecdh-sha512-"),
    ] {
        for name in names {
            let file = folder.file(&format!("encSess{name}.asc"));
            let wanted = json!({"tree": {"recipients": [{
                "kind": "kari", "key_encryption": format!("~{scheme}"), "ours": true,
            }]}});
            rows.report(
                format!("encSess{name}, inspected"),
                inspect(&keys, &file),
                &wanted,
            );
            let read = decrypt(&keys, &file).output().and_then(|found| {
                let same = found.trim_ascii_end() == session.trim_ascii_end();
                if same {
                    Ok(())
                } else {
                    Err(String::from_utf8_lossy(&found).into_owned())
                }
            });
            rows.add(format!("encSess{name}"), read);
        }
    }
    rows.settle(&[]);
}
