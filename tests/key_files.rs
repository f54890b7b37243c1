//! Private keys and certificates out of the files that people have: our own, in `tests/key_files`
//! (made by its `make`), and those of the corpora.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod corpora_dir;

use std::error::Error;
use std::path::Path;
use std::path::PathBuf;

use domsec::crypto::CryptoError;
use domsec::crypto::PrivateKey;
use domsec::crypto::password::PasswordError;
use domsec::crypto::pkcs12;
use domsec::crypto::pkcs12::Pkcs12;
use domsec::crypto::pkcs12::Pkcs12Error;
use domsec::crypto::private_key_file;
use domsec::crypto::private_key_file::PrivateKeyFileError;
use domsec::crypto::provider;
use domsec::limits::Limits;

const PASSWORD: &str = "wonderland";

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files");
    std::fs::read(folder.join(name)).unwrap()
}

fn key(name: &str) -> Result<Box<dyn PrivateKey>, PrivateKeyFileError> {
    let keys = private_key_file::read(&file(name), Some(PASSWORD), &Limits::default())?;
    assert_eq!(keys.len(), 1, "{name}");
    Ok(provider().private_keys.read(&keys[0]).unwrap())
}

fn open(name: &str, password: &str) -> Result<Pkcs12, Pkcs12Error> {
    pkcs12::read(&file(name), password, &Limits::default())
}

/// An error and its sources, as the program prints them.
fn chain(mut error: &dyn Error) -> String {
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    let ec = key("ec.pem").unwrap();
    for name in [
        "ec-sec1.pem",
        "ec-all.pem",
        "ec-pkcs8.der",
        "ec-pbes2.pem",
        "ec-pbes2-3des-sha1.pem",
        "ec-pbes2-aes192-sha512.pem",
        "ec-scrypt.der",
        "ec-pbes1-3des.pem",
        "ec-pbes1-2des.pem",
        "ec-pbes1-rc2-40.pem",
        "ec-pbes1-rc2-128.pem",
    ] {
        assert_eq!(key(name).unwrap().spki(), ec.spki(), "{name}");
    }
    let rsa = key("rsa.pem").unwrap();
    for name in ["rsa-pkcs1.pem", "rsa-pkcs1.der"] {
        assert_eq!(key(name).unwrap().spki(), rsa.spki(), "{name}");
    }
}

/// Draft §7: a key that somebody logs by mistake tells nothing.
#[test]
fn a_key_is_shown_without_its_secret() {
    for (name, shown) in [("ec.pem", "Key { .. }"), ("rsa.pem", "Key { .. }")] {
        let text = format!("{:?}", key(name).unwrap());
        assert!(text.ends_with(shown), "{name}: {text}");
    }
}

#[test]
fn a_key_that_is_not_read_says_why() {
    for (name, why) in [
        (
            "rsa-old-encryption.pem",
            "private key is in OpenSSL's old encryption (RSA PRIVATE KEY with headers); \
             write it again by `openssl pkcs8 -topk8`",
        ),
        (
            "ec-pbes1-md5-des.pem",
            "encrypted private key does not open: \
             password-based algorithm 1.2.840.113549.1.5.3 is not supported",
        ),
        ("ec-certificate.pem", "there is no private key in the file"),
        (
            "default.p12",
            "private key is neither PKCS#8 nor PKCS#1 nor SEC 1",
        ),
    ] {
        assert_eq!(chain(&key(name).unwrap_err()), why, "{name}");
    }
}

#[test]
fn a_wrong_password_and_none_are_told_apart() {
    for name in ["ec-pbes2.pem", "ec-scrypt.der", "ec-pbes1-rc2-40.pem"] {
        let read = |password| {
            let outcome = private_key_file::read(&file(name), password, &Limits::default());
            outcome.unwrap_err()
        };
        let wrong = PrivateKeyFileError::Password(PasswordError::Wrong);
        assert_eq!(read(Some("looking-glass")), wrong, "{name}");
        assert_eq!(read(None), PrivateKeyFileError::NoPassword, "{name}");
    }
}

#[test]
fn a_file_that_asks_for_too_many_iterations_is_refused_before_they_are_done() {
    let limits = Limits {
        kdf_iterations: 2047,
        ..Limits::default()
    };
    for name in ["ec-pbes2.pem", "ec-scrypt.der", "ec-pbes1-3des.pem"] {
        let error = private_key_file::read(&file(name), Some(PASSWORD), &limits).unwrap_err();
        let chain = chain(&error);
        assert!(
            chain.contains("more than the limit of 2047"),
            "{name}: {chain}"
        );
    }
    let error = pkcs12::read(&file("default.p12"), PASSWORD, &limits).unwrap_err();
    assert!(chain(&error).contains("more than the limit of 2047"));
}

#[test]
fn every_form_of_pkcs12_holds_the_key_and_its_certificate() {
    let ec = key("ec.pem").unwrap();
    for (name, password) in [
        ("default.p12", PASSWORD),
        ("default.p12.pem", PASSWORD),
        ("legacy.p12", PASSWORD),
        ("mac-sha512.p12", PASSWORD),
        ("pbmac1.p12", PASSWORD),
        ("clear.p12", "whatever it is"),
        ("empty-password.p12", ""),
    ] {
        let opened = open(name, password).unwrap();
        assert_eq!(
            (opened.keys.len(), opened.certificates.len()),
            (1, 1),
            "{name}"
        );
        let key = &opened.keys[0];
        let read = provider().private_keys.read(&key.der).unwrap();
        assert_eq!(read.spki(), ec.spki(), "{name}");
        let certificate = opened.certificate_of(key).unwrap();
        assert_eq!(
            certificate.friendly_name.as_deref(),
            Some("Alice"),
            "{name}"
        );
        assert!(contains(&certificate.der, ec.spki()), "{name}");
    }
}

#[test]
fn a_wrong_password_of_pkcs12_is_told_by_the_mac() {
    for name in [
        "default.p12",
        "legacy.p12",
        "mac-sha512.p12",
        "pbmac1.p12",
        "empty-password.p12",
    ] {
        let error = open(name, "looking-glass").unwrap_err();
        assert_eq!(error, Pkcs12Error::Wrong, "{name}");
    }
}

#[test]
fn a_damaged_pkcs12_is_refused_wherever_the_damage_is() {
    let file = file("legacy.p12");
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x55;
        // A length or tag that says more or less is malformed, everything else shows in the MAC.
        let outcome = pkcs12::read(&damaged, PASSWORD, &Limits::default());
        let version = (4..7).contains(&at);
        assert!(outcome.is_err() || version, "octet {at}");
        let cut = pkcs12::read(&file[..at], PASSWORD, &Limits::default());
        assert!(cut.is_err(), "cut at {at}");
    }
}

#[test]
fn pkcs12_of_the_corpora_opens_with_its_password() {
    let Some(corpora) = corpora_dir::corpora() else {
        return;
    };
    let mut found = 0;
    for (folder, password) in [
        ("rfc9216", None),
        ("thunderbird-smime", Some("nss")),
        ("pkits/pkcs12", Some("password")),
        ("libksba-samples", Some("start")),
    ] {
        for path in files(&corpora.join(folder)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".p12") && !name.ends_with(".p12.pem") {
                continue;
            }
            // RFC 9216: the password is the owner's name.
            let owner = name
                .trim_end_matches(".p12.pem")
                .rsplit('_')
                .next()
                .unwrap();
            let owner = owner.to_lowercase();
            let password = password.unwrap_or(&owner);
            let file = std::fs::read(&path).unwrap();
            let opened = pkcs12::read(&file, password, &Limits::default())
                .unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
            assert!(!opened.certificates.is_empty(), "{name}");
            judge_pairs(&opened, &name);
            found += 1;
        }
    }
    assert!(found > 400, "only {found} files were found");
}

/// Each key is in the certificate of its localKeyId; DSA keys we do not read.
fn judge_pairs(opened: &Pkcs12, name: &str) {
    for key in &opened.keys {
        let key_of_certificate = match provider().private_keys.read(&key.der) {
            Ok(read) => read,
            Err(error) => {
                assert_eq!(error, CryptoError::Unsupported, "{name}");
                assert!(name.contains("DSA"), "{name}");
                continue;
            }
        };
        let certificate = opened.certificate_of(key).expect(name);
        assert!(
            contains(&certificate.der, key_of_certificate.spki()),
            "{name}"
        );
    }
}

fn contains(within: &[u8], part: &[u8]) -> bool {
    within.windows(part.len()).any(|window| window == part)
}

/// All files of a folder and of the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn private_keys_of_the_corpora_are_read() {
    let Some(corpora) = corpora_dir::corpora() else {
        return;
    };
    let mut read = 0;
    for path in files(&corpora.join("rfc9216")) {
        if path.extension().is_some_and(|extension| extension == "key") {
            let file = std::fs::read(&path).unwrap();
            let keys = private_key_file::read(&file, None, &Limits::default()).unwrap();
            for key in keys {
                provider().private_keys.read(&key).unwrap();
                read += 1;
            }
        }
    }
    assert_eq!(read, 10);
}
