//! Encrypted and compressed messages that others made: each opens to what its makers say, or is
//! refused by name. Departures stand in tables, with a reason each.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what must hold; a panic there is the report"
)]

mod corpora_dir;
mod keys;

use std::fs;
use std::path::Path;
use std::process::Command;

use corpora_dir::corpora;
use domsec::cms::content_info::Cms;
use domsec::cms::content_info::ContentInfo;
use domsec::cms::content_key::content_key;
use domsec::cms::decrypt::decrypt;
use domsec::cms::enveloped_data::EnvelopedData;
use domsec::cms::tlv;
use domsec::crypto::provider;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::octets::View;
use domsec::tlv::tag;
use domsec::x509::certificate::Certificate;
use keys::Identity;
use keys::Ring;
use keys::base64;
use keys::certificate_of;
use keys::der_of;

fn cms_of(octets: Vec<u8>) -> Cms {
    let view = View::owned(octets);
    let info = ContentInfo::read(&view, &Limits::default()).unwrap();
    assert_eq!(info.trailing, 0);
    info.cms
}

fn enveloped_of(octets: Vec<u8>) -> EnvelopedData {
    match cms_of(octets) {
        Cms::Enveloped(enveloped) => enveloped,
        other @ (Cms::Compressed(_) | Cms::Signed(_)) => panic!("{other:?}"),
    }
}

/// CMS that is DER, BER, PEM, or the base64 body of a message.
fn message_of(path: &Path) -> Vec<u8> {
    let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if file.first() == Some(&tag::SEQUENCE) {
        return file;
    }
    let text = String::from_utf8(file).unwrap().replace("\r\n", "\n");
    let body = match text.split_once("-----BEGIN ") {
        Some((_, block)) => block
            .split_once("-----\n")
            .unwrap()
            .1
            .split("-----END")
            .next()
            .unwrap(),
        None => text.split_once("\n\n").unwrap().1,
    };
    base64(body)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn open(enveloped: &EnvelopedData, keys: &Ring) -> Result<Vec<u8>, String> {
    let mut budget = Budget::new(&Limits::default());
    let key = content_key(enveloped, keys, &mut budget, provider())
        .ok_or("no recipientInfo names a key")?
        .map_err(|error| chain(&error))?;
    let mut content = Vec::new();
    decrypt(enveloped, &key, provider(), &mut content).map_err(|error| chain(&error))?;
    Ok(content)
}

fn listed(enveloped: &EnvelopedData) -> Vec<(&'static str, String)> {
    enveloped
        .listed_recipients()
        .map(|one| (one.kind, one.key_encryption.unwrap_or_default()))
        .collect()
}

/// Key and certificate of a PKCS#12 file, by the `openssl` command.
fn pkcs12(path: &Path) -> Identity {
    let output = Command::new("openssl")
        .args(["pkcs12", "-nodes", "-passin", "pass:nss", "-in"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let blocks = |label: &str| {
        let begin = format!("-----BEGIN {label}-----");
        text.split(&begin)
            .skip(1)
            .map(|block| base64(block.split("-----END").next().unwrap()))
            .collect::<Vec<_>>()
    };
    let key = provider()
        .private_keys
        .read(&blocks("PRIVATE KEY")[0])
        .unwrap();
    let certificate = blocks("CERTIFICATE")
        .iter()
        .map(|der| Certificate::parse(der).unwrap())
        .find(|certificate| certificate.spki() == key.spki())
        .expect("a certificate is that of the key");
    Identity { certificate, key }
}

#[test]
fn sixteen_key_agreements_of_bouncy_castle_open() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("bc-cms-pkix/pkix/src/test/resources/org/bouncycastle/cms/test/ecdh");
    // SEC 1 in PEM: PKCS#8 around it (RFC 5958, RFC 5915).
    let sec1 = der_of(&folder.join("ecc.key"), "EC PRIVATE KEY");
    let p256 = [
        0x30, 19, 6, 7, 42, 134, 72, 206, 61, 2, 1, 6, 8, 42, 134, 72, 206, 61, 3, 1, 7,
    ];
    let sec1 = tlv::element(tag::OCTET_STRING, &[&sec1]);
    let pkcs8 = tlv::element(tag::SEQUENCE, &[&[2, 1, 0], &p256, &sec1]);
    let keys = Ring(vec![Identity {
        certificate: certificate_of(&folder.join("ecc.crt")),
        key: provider().private_keys.read(&pkcs8).unwrap(),
    }]);
    // The messages hold it with CRLF, the file with LF.
    let expected = String::from_utf8(fs::read(folder.join("sess.txt")).unwrap()).unwrap();
    let expected = expected.replace('\n', "\r\n").into_bytes();
    let mut seen = 0;
    for name in "12345678ABCDEFGH"
        .chars()
        .map(|letter| format!("encSess{letter}.asc"))
    {
        let opened = open(&enveloped_of(message_of(&folder.join(&name))), &keys);
        assert_eq!(opened.as_ref(), Ok(&expected), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 16);
}

#[test]
fn oaep_and_ecdh_messages_of_thunderbird_open() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("thunderbird-smime/smime-interop");
    let keys = Ring(vec![
        pkcs12(&folder.join("Fran.p12")),
        pkcs12(&folder.join("Fran-ec.p12")),
    ]);
    let names = |file: &str| {
        let enveloped = enveloped_of(message_of(&folder.join(file)));
        let content = open(&enveloped, &keys).unwrap_or_else(|error| panic!("{file}: {error}"));
        let content = String::from_utf8(content).unwrap();
        assert!(
            content.contains("This is a test message to Fran."),
            "{file}: {content}"
        );
        listed(&enveloped)[0].1.clone()
    };
    for (file, name) in [
        ("fran-oaep_ossl.env", "rsa-oaep"),
        ("fran-oaep-label_ossl.env", "rsa-oaep"),
        ("fran-oaep-sha256hash_ossl.env", "rsa-oaep"),
        ("fran-oaep-sha256hash-sha256mgf_ossl.env", "rsa-oaep"),
        ("fran-ec_ossl-aes128-sha256.env", "ecdh-sha256-aes128wrap"),
        ("fran-ec_ossl-aes256-sha512.env", "ecdh-sha512-aes256wrap"),
    ] {
        assert_eq!(names(file), name, "{file}");
    }
}

/// Of the folder `smime`, what does not open: these were left over from an earlier certification
/// authority, `CN=NSS Test CA`, whose keys are not there; the messages beside them are newer.
const THUNDERBIRD_DEPARTURES: &[&str] = &[
    "alice.dsig.SHA256.multipart.env",
    "alice.dsig.SHA384.multipart.env",
    "alice.mime.env",
    "alice.sig.SHA256.opaque.env",
    "alice.sig.SHA384.opaque.env",
];

#[test]
fn every_encrypted_message_of_thunderbird_opens() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("thunderbird-smime/smime");
    let people = ["Alice", "Bob", "Dave", "Eve", "Fran", "Alice-ec", "Fran-ec"];
    let people = people.map(|name| pkcs12(&folder.join(format!("{name}.p12"))));
    let keys = Ring(people.into_iter().collect());
    let mut seen = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".env") && !name.ends_with(".env.eml") {
            continue;
        }
        let opened = open(&enveloped_of(message_of(&folder.join(&name))), &keys);
        if THUNDERBIRD_DEPARTURES.contains(&name.as_str()) {
            assert_eq!(
                opened.unwrap_err(),
                "no recipientInfo names a key",
                "{name}"
            );
        } else {
            let content = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
            let content = String::from_utf8_lossy(&content).to_lowercase();
            assert!(content.starts_with("content-type:"), "{name}: {content}");
        }
        seen.push(name);
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
}

#[test]
fn rfc_4134_opens_and_rc2_is_named() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("bc-rfc4134/rfc4134");
    let keys = Ring(vec![Identity::load(
        &folder.join("BobRSASignByCarl.cer"),
        &folder.join("BobPrivRSAEncrypt.pri"),
        provider(),
    )]);
    let content = fs::read(folder.join("ExContent.bin")).unwrap();
    for file in ["5.1.bin", "5.3.eml"] {
        let enveloped = enveloped_of(message_of(&folder.join(file)));
        assert_eq!(listed(&enveloped), [("ktri", "rsa-pkcs1".to_owned())]);
        assert_eq!(enveloped.content_encryption_name(), "des-ede3-cbc");
        assert_eq!(open(&enveloped, &keys).as_ref(), Ok(&content), "{file}");
    }
    let rc2 = enveloped_of(message_of(&folder.join("5.2.bin")));
    assert_eq!(rc2.content_encryption_name(), "rc2-cbc");
    assert_eq!(
        listed(&rc2),
        [
            ("ktri", "rsa-pkcs1".to_owned()),
            ("kekri", "1.2.840.113549.1.9.16.3.7".to_owned())
        ]
    );
    assert_eq!(
        open(&rc2, &keys).unwrap_err(),
        "content-encryption key could not be recovered: algorithm rc2-cbc is not supported"
    );
}

#[test]
fn samples_of_libksba_are_read() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("libksba-samples/tests/samples");
    let rsa = enveloped_of(message_of(&folder.join("rsa-sample1.p7m")));
    assert_eq!(listed(&rsa), [("ktri", "rsa-pkcs1".to_owned())]);
    assert_eq!(rsa.content_encryption_name(), "aes-128-cbc");
    let serials: Vec<_> = rsa
        .listed_recipients()
        .filter_map(|one| one.serial())
        .collect();
    assert_eq!(serials, ["1a04"]);
    let ecdh = enveloped_of(message_of(&folder.join("ecdh-sample1.p7m")));
    assert_eq!(
        listed(&ecdh),
        [("kari", "ecdh-sha256-aes128wrap".to_owned())]
    );
    // It is to Thunderbird's Fran.
    let fran = pkcs12(&corpora.join("thunderbird-smime/smime-interop/Fran-ec.p12"));
    let content = String::from_utf8(open(&ecdh, &Ring(vec![fran])).unwrap()).unwrap();
    assert!(content.contains("Fran"), "{content}");
}

#[test]
fn samples_of_asn1crypto_open() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("asn1crypto-cms/tests/fixtures");
    let keys = Ring(vec![Identity::load(
        &folder.join("keys/test.crt"),
        &folder.join("keys/test-pkcs8.key"),
        provider(),
    )]);
    let expected = b"This is the message to encapsulate in PKCS#7/CMS\n";
    for file in ["cms-enveloped.der", "cms-enveloped.pem"] {
        let opened = open(&enveloped_of(message_of(&folder.join(file))), &keys);
        assert_eq!(opened.as_deref(), Ok(&expected[..]), "{file}");
    }
    for file in ["cms-compressed.der", "cms-compressed.pem"] {
        let Cms::Compressed(compressed) = cms_of(message_of(&folder.join(file))) else {
            panic!("{file}");
        };
        let mut content = Vec::new();
        compressed
            .decompress(&mut Budget::new(&Limits::default()), &mut content)
            .unwrap();
        assert_eq!(content, expected, "{file}");
    }
}

#[test]
fn samples_of_pyca_are_read() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("pyca-pkcs7");
    for (file, transport, cipher, content) in [
        ("enveloped-rsa-oaep.pem", "rsa-oaep", "aes-128-cbc", true),
        (
            "enveloped-triple-des.pem",
            "rsa-pkcs1",
            "des-ede3-cbc",
            true,
        ),
        (
            "enveloped-no-content.der",
            "rsa-pkcs1",
            "aes-128-cbc",
            false,
        ),
    ] {
        let enveloped = enveloped_of(message_of(&folder.join(file)));
        assert_eq!(
            listed(&enveloped),
            [("ktri", transport.to_owned())],
            "{file}"
        );
        assert_eq!(enveloped.content_encryption_name(), cipher, "{file}");
        assert_eq!(enveloped.encrypted_content.is_some(), content, "{file}");
    }
    let enveloped = enveloped_of(message_of(&folder.join("enveloped.pem")));
    assert_eq!(listed(&enveloped).len(), 2);
}

#[test]
fn a_kem_recipient_is_listed() {
    let Some(corpora) = corpora() else { return };
    let path = corpora.join("pqc-lamps/example/ML-KEM-512.cms");
    let enveloped = enveloped_of(message_of(&path));
    assert_eq!(
        listed(&enveloped),
        [("kem", "2.16.840.1.101.3.4.4.1".to_owned())]
    );
    assert!(enveloped.listed_recipients().all(|one| one.rid.is_some()));
}
