//! RFC 9216: Alice and Bob (RSA), Carlos and Dana (Ed25519 and X25519), from keys and from PKCS#12.
//!
//! Each signs and each reads what is encrypted to all; both authorities have certified each other,
//! so that every signature has a path to either root.

use serde_json::json;

use super::command::decrypt;
use super::command::domsec;
use super::command::inspect;
use super::command::verify;
use super::folder::Folder;
use super::folder::Scratch;
use super::rows::Rows;

const AT: &str = "2026-06-01T00:00:00Z";
const RSA_ROOT: &str = "01_3_1_RSA_Certification_Authority_Root_Certificate.crt";
/// The key of the RSA authority, certified by the Ed25519 authority; and the other way round.
const RSA_CROSS: &str = "03_3_3_RSA_Certification_Authority_Cross_Signed_Certificate.crt";
const ED25519_ROOT: &str = "14_6_1_Ed25519_Certification_Authority_Root_Certificate.crt";
const ED25519_CROSS: &str = "16_6_3_Ed25519_Certification_Authority_Cross_Signed_Certificate.crt";

struct Person {
    name: &'static str,
    signing_cert: &'static str,
    signing_key: &'static str,
    encryption_cert: &'static str,
    encryption_key: &'static str,
    p12: &'static str,
    signature: &'static str,
    key_encryption: &'static str,
    /// Under the RSA authority; else under the Ed25519 authority.
    rsa: bool,
}

const PEOPLE: &[Person] = &[
    Person {
        name: "alice",
        signing_cert: "04_4_1_Alice_s_Signature_Verification_End_Entity_Certificate.crt",
        signing_key: "05_4_2_Alice_s_Signing_Private_Key_Material.key",
        encryption_cert: "06_4_3_Alice_s_Encryption_End_Entity_Certificate.crt",
        encryption_key: "07_4_4_Alice_s_Decryption_Private_Key_Material.key",
        p12: "08_4_5_PKCS_12_Object_for_Alice.p12.pem",
        signature: "rsa-pkcs1-sha256",
        key_encryption: "rsa-pkcs1",
        rsa: true,
    },
    Person {
        name: "bob",
        signing_cert: "09_5_1_Bob_s_Signature_Verification_End_Entity_Certificate.crt",
        signing_key: "10_5_2_Bob_s_Signing_Private_Key_Material.key",
        encryption_cert: "11_5_3_Bob_s_Encryption_End_Entity_Certificate.crt",
        encryption_key: "12_5_4_Bob_s_Decryption_Private_Key_Material.key",
        p12: "13_5_5_PKCS_12_Object_for_Bob.p12.pem",
        signature: "rsa-pkcs1-sha256",
        key_encryption: "rsa-pkcs1",
        rsa: true,
    },
    Person {
        name: "carlos",
        signing_cert: "17_7_1_Carlos_s_Signature_Verification_End_Entity_Certificate.crt",
        signing_key: "18_7_2_Carlos_s_Signing_Private_Key_Material.key",
        encryption_cert: "19_7_3_Carlos_s_Encryption_End_Entity_Certificate.crt",
        encryption_key: "20_7_4_Carlos_s_Decryption_Private_Key_Material.key",
        p12: "21_7_5_PKCS_12_Object_for_Carlos.p12.pem",
        signature: "ed25519",
        key_encryption: "~x25519-",
        rsa: false,
    },
    Person {
        name: "dana",
        signing_cert: "22_8_1_Dana_s_Signature_Verification_End_Entity_Certificate.crt",
        signing_key: "23_8_2_Dana_s_Signing_Private_Key_Material.key",
        encryption_cert: "24_8_3_Dana_s_Encryption_End_Entity_Certificate.crt",
        encryption_key: "25_8_4_Dana_s_Decryption_Private_Key_Material.key",
        p12: "26_8_5_PKCS_12_Object_for_Dana.p12.pem",
        signature: "ed25519",
        key_encryption: "~x25519-",
        rsa: false,
    },
];

const BODY: &str = "Two lines of text,\r\nand no more.\r\n";

fn message(from: &str) -> Vec<u8> {
    format!(
        "From: {from}@smime.example\r\nTo: list@smime.example\r\nSubject: RFC 9216\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{BODY}"
    )
    .into_bytes()
}

/// The PKCS#12 file as DER, and the file with its password.
fn p12(folder: &Folder, scratch: &Scratch, person: &Person) -> [String; 2] {
    let pem = String::from_utf8(folder.read(person.p12)).unwrap();
    let base64: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = base64_simd::STANDARD.decode_to_vec(base64).expect("PEM");
    let password = format!("{}\n", person.name);
    [
        scratch.write(&format!("{}.p12", person.name), &der),
        scratch.write(&format!("{}.password", person.name), password.as_bytes()),
    ]
}

fn sign(scratch: &Scratch, keys: &[&str], options: &[&str], file: &str) -> Result<String, String> {
    let out = scratch.path("signed.eml");
    let tail = ["-o", &*out, file];
    let arguments = ["sign"].iter().chain(keys).chain(options).chain(&tail);
    domsec(arguments).output().map(|_| out.clone())
}

#[test]
fn everybody_signs_and_everybody_believes() {
    let Some(folder) = Folder::of("rfc9216") else {
        return;
    };
    let scratch = Scratch::new();
    let mut rows = Rows::default();
    for person in PEOPLE {
        let file = scratch.write("message.eml", &message(person.name));
        let (key, cert) = (
            folder.file(person.signing_key),
            folder.file(person.signing_cert),
        );
        let [p12, password] = p12(&folder, &scratch, person);
        let root = folder.file(if person.rsa { RSA_ROOT } else { ED25519_ROOT });
        for (from, keys) in [
            ("key", ["--key", &*key, "--cert", &*cert]),
            ("p12", ["--p12", &*p12, "--password-file", &*password]),
        ] {
            for (form, options) in [("opaque", &[][..]), ("detached", &["--detached"][..])] {
                let wanted = json!({
                    "verdict": "valid", "reasons": [], "originator": "match", "covers": "whole",
                    "layers": "S(C)", "signatures": [{
                        "signature": "valid", "path": "valid", "binds": true, "signer": {
                            "emails": [format!("{}@smime.example", person.name)],
                            "signature_algorithm": person.signature,
                        },
                    }],
                });
                let report = sign(&scratch, &keys, options, &file)
                    .and_then(|signed| verify(&["--at", AT, "--anchor", &root], &signed));
                rows.report(format!("{} {from} {form}", person.name), report, &wanted);
            }
        }
    }
    rows.settle(&[]);
}

#[test]
fn cross_certificates_lead_to_the_other_root() {
    let Some(folder) = Folder::of("rfc9216") else {
        return;
    };
    let scratch = Scratch::new();
    let mut rows = Rows::default();
    for person in PEOPLE {
        let file = scratch.write("message.eml", &message(person.name));
        let (key, cert) = (
            folder.file(person.signing_key),
            folder.file(person.signing_cert),
        );
        let keys = ["--key", &*key, "--cert", &*cert];
        let (other, cross) = if person.rsa {
            (ED25519_ROOT, RSA_CROSS)
        } else {
            (RSA_ROOT, ED25519_CROSS)
        };
        let (other, cross) = (folder.file(other), folder.file(cross));
        let anchored = ["--at", AT, "--anchor", &*other];
        let given = [&anchored[..], &["--intermediate", &*cross]].concat();
        let found = |verdict: &str, path: &str| json!({"verdict": verdict, "signatures": [{"signature": "valid", "path": path}]});
        let valid = found("valid", "valid");
        let unknown = found("indeterminate", "indeterminate");

        let signed = sign(&scratch, &keys, &[], &file);
        let report = signed.clone().and_then(|signed| verify(&given, &signed));
        rows.report(
            format!("{}, cross-certificate given", person.name),
            report,
            &valid,
        );
        let report = signed.and_then(|signed| verify(&anchored, &signed));
        rows.report(
            format!("{}, no cross-certificate", person.name),
            report,
            &unknown,
        );
        let report = sign(&scratch, &keys, &["--chain", &cross], &file)
            .and_then(|signed| verify(&anchored, &signed));
        rows.report(
            format!("{}, cross-certificate sent along", person.name),
            report,
            &valid,
        );
    }
    rows.settle(&[]);
}

#[test]
fn nobody_signs_for_another() {
    let Some(folder) = Folder::of("rfc9216") else {
        return;
    };
    let scratch = Scratch::new();
    let file = scratch.write("message.eml", &message("bob"));
    let alice = &PEOPLE[0];
    let (key, cert) = (
        folder.file(alice.signing_key),
        folder.file(alice.signing_cert),
    );
    let root = folder.file(RSA_ROOT);
    let report = sign(&scratch, &["--key", &key, "--cert", &cert], &[], &file)
        .and_then(|signed| verify(&["--at", AT, "--anchor", &root], &signed));
    let wanted = json!({
        "verdict": "invalid", "originator": "mismatch",
        "signatures": [{"signature": "valid", "path": "valid", "binds": false}],
    });
    let mut rows = Rows::default();
    rows.report("Alice over a From of Bob", report, &wanted);
    rows.settle(&[]);
}

#[test]
fn all_read_what_is_encrypted_to_all() {
    let Some(folder) = Folder::of("rfc9216") else {
        return;
    };
    let scratch = Scratch::new();
    let file = scratch.write("message.eml", &message("alice"));
    let certificates: Vec<String> = PEOPLE
        .iter()
        .map(|person| folder.file(person.encryption_cert))
        .collect();
    let mut rows = Rows::default();
    for cipher in [
        "aes-128-cbc",
        "aes-192-cbc",
        "aes-256-cbc",
        "aes-128-gcm",
        "aes-256-gcm",
        "chacha20-poly1305",
    ] {
        for key_encryption in ["rsa-pkcs1", "rsa-oaep"] {
            let out = scratch.path("encrypted.eml");
            let mut arguments = vec![
                "encrypt",
                "--cipher",
                cipher,
                "--key-encryption",
                key_encryption,
            ];
            arguments.extend(["-o", &*out, "--to"]);
            arguments.extend(certificates.iter().map(String::as_str));
            arguments.extend(["--", &*file]);
            let name = format!("{cipher} {key_encryption}");
            rows.add(&name, domsec(arguments).output().map(drop));
            for person in PEOPLE {
                let (key, cert) = (
                    folder.file(person.encryption_key),
                    folder.file(person.encryption_cert),
                );
                let [p12, password] = p12(&folder, &scratch, person);
                let pem = folder.file(person.p12);
                for keys in [
                    ["--key", &*key, "--cert", &*cert],
                    ["--p12", &*p12, "--password-file", &*password],
                    ["--p12", &*pem, "--password-file", &*password],
                ] {
                    let name = format!("{name}, {} {}", keys[0], keys[1]);
                    let read = decrypt(&keys, &out).output().and_then(|found| {
                        let text = String::from_utf8_lossy(&found).into_owned();
                        let good = text.ends_with(BODY)
                            && text.contains("Subject: RFC 9216\r\n")
                            && text.contains("Content-Type: text/plain")
                            && !text.contains("pkcs7-mime");
                        if good { Ok(()) } else { Err(text) }
                    });
                    rows.add(name, read);
                }
            }
            let recipients: Vec<_> = PEOPLE
                .iter()
                .map(|person| {
                    let rsa = if person.rsa {
                        key_encryption
                    } else {
                        person.key_encryption
                    };
                    json!({"key_encryption": rsa, "ours": false})
                })
                .collect();
            let wanted = json!({"layers": "E", "tree": {
                "content_encryption": cipher,
                "authenticated": !cipher.ends_with("cbc"),
                "recipients": recipients,
            }});
            rows.report(format!("{name}, inspected"), inspect(&[], &out), &wanted);
        }
    }
    rows.settle(&[]);
}

#[test]
fn a_pkcs_12_file_opens_with_its_password_alone() {
    let Some(folder) = Folder::of("rfc9216") else {
        return;
    };
    let scratch = Scratch::new();
    let file = scratch.write("message.eml", &message("alice"));
    let wrong = scratch.write("wrong", b"Alice\n");
    let mut rows = Rows::default();
    for person in PEOPLE {
        let [p12, _] = p12(&folder, &scratch, person);
        let keys = ["--p12", &*p12, "--password-file", &*wrong];
        let run = domsec(["sign"].iter().chain(&keys).chain(&[&*file]));
        rows.add(person.name, run.refused(65, ".p12"));
    }
    rows.settle(&[]);
}
