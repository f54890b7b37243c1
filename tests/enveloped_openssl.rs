//! Envelopes to and from the `openssl` command, every algorithm that both sides have.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests state what must hold; a panic there is the report"
)]

mod keys;

use std::fs;
use std::path::Path;
use std::process::Command;

use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::content_key::content_key;
use domsec::cms::decrypt::decrypt;
use domsec::cms::enveloped_data::EnvelopedData;
use domsec::cms::write_enveloped::Envelope;
use domsec::cms::write_recipient::KeyEncryption;
use domsec::crypto::ContentEncryption;
use domsec::crypto::DigestAlgorithm;
use domsec::crypto::KeyAgreement;
use domsec::crypto::KeyWrap;
use domsec::crypto::OaepParameters;
use domsec::crypto::Provider;
use domsec::crypto::RsaEncryption;
use domsec::crypto::algorithms::KeyDerivation;
use domsec::crypto::provider;
use domsec::crypto::rust_crypto;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::octets::View;
use keys::Identity;
use keys::Ring;

/// Longer than a piece of what `-stream` writes, and no multiple of a block.
fn content() -> Vec<u8> {
    (0..100_003_u32)
        .map(|n| n.wrapping_mul(193).to_le_bytes()[1])
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment what is required"
)]
fn openssl_is_there() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    let required = std::env::var("DOMSEC_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "the openssl command is not there, and is required"
    );
    eprintln!("skipped: the openssl command is not there");
    false
}

fn certs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/certs"))
}

/// Runs `openssl cms` in `folder`, where `certs/` can be named `@`.
fn openssl_cms(folder: &Path, arguments: &str) {
    let certs = certs().to_str().unwrap();
    let output = Command::new("openssl")
        .arg("cms")
        .args(
            arguments
                .split_whitespace()
                .map(|word| word.replace('@', certs)),
        )
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {said}");
}

fn read(folder: &Path) -> EnvelopedData {
    let view = View::owned(fs::read(folder.join("message")).unwrap());
    match ContentInfo::read(&view, &Limits::default()).unwrap().cms {
        Cms::Enveloped(enveloped) => enveloped,
        other @ (Cms::Compressed(_) | Cms::Signed(_)) => panic!("{other:?}"),
    }
}

fn open(enveloped: &EnvelopedData, name: &str, provider: &Provider) -> Vec<u8> {
    let keys = Ring(vec![Identity::ours(name, provider)]);
    let mut budget = Budget::new(&Limits::default());
    let key = content_key(enveloped, &keys, &mut budget, provider)
        .unwrap_or_else(|| panic!("no recipientInfo names {name}"))
        .unwrap();
    let mut content = Vec::new();
    decrypt(enveloped, &key, provider, &mut content).unwrap();
    content
}

#[test]
fn what_openssl_encrypts_opens() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("content"), content()).unwrap();
    let ciphers = "aes-128-cbc aes-192-cbc aes-256-cbc des3 aes-128-gcm aes-192-gcm aes-256-gcm";
    let people = [
        ("bob", "-recip @/bob.pem"),
        ("bob", "-keyid -recip @/bob.pem"),
        ("heidi", "-recip @/heidi.pem"),
        ("bob", "-recip @/bob.pem -keyopt rsa_padding_mode:oaep"),
        ("carol", "-recip @/carol.pem"),
        ("carol", "-keyid -recip @/carol.pem"),
        ("frank", "-recip @/frank.pem"),
        ("grace", "-recip @/grace.pem"),
        (
            "grace",
            "-recip @/bob.pem -recip @/carol.pem -recip @/grace.pem",
        ),
    ];
    for cipher in ciphers.split(' ') {
        for (name, arguments) in people {
            for stream in ["", "-stream"] {
                let command = format!(
                    "-encrypt -binary -in content -outform DER -out message {stream} -{cipher} {arguments}"
                );
                openssl_cms(folder.path(), &command);
                let enveloped = read(folder.path());
                assert!(open(&enveloped, name, provider()) == content(), "{command}");
                assert!(
                    open(&enveloped, name, &rust_crypto::PROVIDER) == content(),
                    "{command}"
                );
            }
        }
    }
}

#[test]
fn every_oaep_of_openssl_opens() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("content"), content()).unwrap();
    let hashes = ["sha1", "sha224", "sha256", "sha384", "sha512"];
    for hash in hashes {
        for mask in hashes {
            for label in ["", "-keyopt rsa_oaep_label:0badcafe"] {
                let command = format!(
                    "-encrypt -binary -in content -outform DER -out message -aes128 -recip @/bob.pem \
                     -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:{hash} \
                     -keyopt rsa_mgf1_md:{mask} {label}"
                );
                openssl_cms(folder.path(), &command);
                let enveloped = read(folder.path());
                assert!(
                    open(&enveloped, "bob", provider()) == content(),
                    "{command}"
                );
                assert!(
                    open(&enveloped, "bob", &rust_crypto::PROVIDER) == content(),
                    "{command}"
                );
            }
        }
    }
}

#[test]
fn every_key_agreement_of_openssl_opens() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("content"), content()).unwrap();
    for name in ["carol", "frank", "grace"] {
        for hash in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
            for wrap in ["aes128", "aes192", "aes256", "des3"] {
                for cofactor in [0, 1] {
                    // OpenSSL wraps a key of 3DES alone with 3DES.
                    let cipher = if wrap == "des3" { "des3" } else { "aes256" };
                    let command = format!(
                        "-encrypt -binary -in content -outform DER -out message -{cipher} \
                         -recip @/{name}.pem -keyopt ecdh_kdf_md:{hash} \
                         -keyopt ecdh_cofactor_mode:{cofactor} -{wrap}-wrap"
                    );
                    openssl_cms(folder.path(), &command);
                    let enveloped = read(folder.path());
                    let listed = enveloped.listed_recipients().next().unwrap();
                    let wrap_name = if wrap == "des3" { "des-ede3" } else { wrap };
                    let hyphen = if wrap == "des3" { "-" } else { "" };
                    assert_eq!(
                        listed.key_encryption,
                        Some(format!("ecdh-{hash}-{wrap_name}{hyphen}wrap"))
                    );
                    assert!(open(&enveloped, name, provider()) == content(), "{command}");
                }
            }
        }
    }
}

#[test]
fn recipients_by_password_and_kek_are_listed_beside_ours() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("content"), content()).unwrap();
    openssl_cms(
        folder.path(),
        "-encrypt -binary -in content -outform DER -out message -aes256 -pwri_password secret \
         -secretkey 000102030405060708090a0b0c0d0e0f -secretkeyid c0fee0 -recip @/bob.pem",
    );
    let enveloped = read(folder.path());
    let mut listed: Vec<_> = enveloped
        .listed_recipients()
        .map(|one| (one.kind, one.key_encryption.unwrap()))
        .collect();
    listed.sort();
    assert_eq!(
        listed,
        [
            ("kekri", "2.16.840.1.101.3.4.1.5".to_owned()),
            ("ktri", "rsa-pkcs1".to_owned()),
            ("pwri", "1.2.840.113549.1.9.16.3.9".to_owned())
        ]
    );
    assert!(open(&enveloped, "bob", provider()) == content());
}

fn ways() -> Vec<(&'static str, Option<KeyEncryption>)> {
    let mut ways: Vec<_> = ["bob", "heidi", "carol", "frank", "grace"]
        .map(|name| (name, None))
        .into();
    for digest in [
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha512,
    ] {
        for mask in [DigestAlgorithm::Sha1, DigestAlgorithm::Sha384] {
            for label in [&b""[..], b"label"] {
                let label = label.to_vec();
                let oaep = RsaEncryption::Oaep(OaepParameters {
                    digest,
                    mask,
                    label,
                });
                ways.push(("bob", Some(KeyEncryption::KeyTransport(oaep))));
            }
        }
    }
    for digest in [
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Sha224,
        DigestAlgorithm::Sha512,
    ] {
        for wrap in [KeyWrap::Aes128, KeyWrap::Aes192, KeyWrap::Aes256] {
            for cofactor in [false, true] {
                let agreement = KeyAgreement {
                    derivation: KeyDerivation::X963(digest),
                    wrap,
                    cofactor,
                };
                ways.push(("carol", Some(KeyEncryption::KeyAgreement(agreement))));
            }
        }
    }
    ways
}

#[test]
fn what_is_sealed_openssl_opens() {
    if !openssl_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let opens = |name: &str, what: &str| {
        let command = format!(
            "-decrypt -binary -inform DER -in message -out opened -inkey @/{name}.key -recip @/{name}.pem"
        );
        openssl_cms(folder.path(), &command);
        let opened = fs::read(folder.path().join("opened")).unwrap();
        assert!(opened == content(), "{name}: {what}");
    };
    let seal = |envelope: &Envelope, by: &Provider| {
        let mut der = Vec::new();
        let content = View::owned(content());
        envelope
            .write(&content, by, by.randomness, &mut der)
            .unwrap();
        fs::write(folder.path().join("message"), der).unwrap();
    };
    // OpenSSL's CMS has no ChaCha20-Poly1305.
    let ciphers = ContentEncryption::ALL
        .into_iter()
        .filter(|cipher| !cipher.is_weak() && *cipher != ContentEncryption::ChaCha20Poly1305);
    for cipher in ciphers {
        let names = ["bob", "heidi", "carol", "frank", "grace", "erin"];
        let mut recipients = Vec::new();
        for name in names {
            recipients.push(Identity::ours(name, provider()).recipient(cipher, None));
        }
        let mut envelope = Envelope::new(cipher, recipients);
        let alice = Identity::ours("alice", provider());
        envelope.originator_certificates = vec![alice.certificate.der().to_vec()];
        for by in [provider(), &rust_crypto::PROVIDER] {
            seal(&envelope, by);
            for name in &names[..5] {
                opens(name, cipher.as_str());
            }
        }
    }
    for (name, way) in ways() {
        let cipher = ContentEncryption::Aes256Cbc;
        let recipient = Identity::ours(name, provider()).recipient(cipher, way.clone());
        seal(&Envelope::new(cipher, vec![recipient]), provider());
        opens(name, &format!("{way:?}"));
    }
}
