//! The `openssl cms` command, version 3.0: no Ed25519, X25519, ChaCha20 or KEM in its CMS.

use std::path::Path;
use std::process::Command;

use crate::mail;
use crate::ours;
use crate::ours::Recipient;
use crate::ours::Signature;
use crate::people;
use crate::scenario;
use crate::scenario::Outcome;

const PROGRAM: &str = "/usr/bin/openssl";

fn openssl(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new(PROGRAM);
    // Certificates and keys are named by their paths in `certs/`.
    let certs = people::folder();
    let resolved = arguments.iter().map(|word| {
        let ours = word.ends_with(".pem") || word.ends_with(".key");
        let place = if ours { certs.join(word) } else { word.into() };
        place.into_os_string()
    });
    scenario::output(command.current_dir(folder).arg("cms").args(resolved))
}

fn installed() -> bool {
    scenario::installed("openssl", &[PROGRAM])
}

/// Signatures of theirs that we verify.
struct Signed {
    name: &'static str,
    signers: &'static [Signature],
    options: &'static [&'static str],
    /// Neither SHA-1 nor DSA, and bound to From: the verdict must be valid.
    sound: bool,
}

const fn by(signer: &'static str, algorithm: &'static str) -> Signature {
    Signature { signer, algorithm }
}

#[rustfmt::skip]
const SIGNED: &[Signed] = &[
    Signed { name: "rsa-2048 sha-256", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")], options: &["-md", "sha256"] },
    Signed { name: "rsa-2048 sha-384", sound: true, signers: &[by("alice", "rsa-pkcs1-sha384")], options: &["-md", "sha384"] },
    Signed { name: "rsa-2048 sha-512", sound: true, signers: &[by("alice", "rsa-pkcs1-sha512")], options: &["-md", "sha512"] },
    Signed { name: "rsa-2048 sha-1", sound: false, signers: &[by("alice", "rsa-pkcs1-sha1")], options: &["-md", "sha1"] },
    Signed { name: "rsa-3072 sha-256", sound: true, signers: &[by("heidi", "rsa-pkcs1-sha256")], options: &["-md", "sha256"] },
    Signed { name: "rsa-pss sha-256", sound: true, signers: &[by("alice", "rsa-pss-sha256")], options: &["-md", "sha256", "-keyopt", "rsa_padding_mode:pss"] },
    Signed { name: "rsa-pss sha-384", sound: true, signers: &[by("alice", "rsa-pss-sha384")], options: &["-md", "sha384", "-keyopt", "rsa_padding_mode:pss"] },
    Signed { name: "rsa-pss sha-512, salt of the digest's length", sound: true, signers: &[by("alice", "rsa-pss-sha512")], options: &["-md", "sha512", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1"] },
    Signed { name: "rsa-pss sha-256, salt of 20", sound: true, signers: &[by("alice", "rsa-pss-sha256")], options: &["-md", "sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20"] },
    Signed { name: "rsa-pss sha-256, mgf1 with sha-1", sound: true, signers: &[by("alice", "rsa-pss-sha256")], options: &["-md", "sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_mgf1_md:sha1"] },
    Signed { name: "p-256 sha-256", sound: true, signers: &[by("carol", "ecdsa-sha256")], options: &["-md", "sha256"] },
    Signed { name: "p-256 sha-512", sound: true, signers: &[by("carol", "ecdsa-sha512")], options: &["-md", "sha512"] },
    Signed { name: "p-256 sha-1", sound: false, signers: &[by("carol", "ecdsa-sha1")], options: &["-md", "sha1"] },
    Signed { name: "p-384 sha-384", sound: true, signers: &[by("frank", "ecdsa-sha384")], options: &["-md", "sha384"] },
    Signed { name: "p-384 sha-256", sound: true, signers: &[by("frank", "ecdsa-sha256")], options: &["-md", "sha256"] },
    Signed { name: "p-521 sha-512", sound: true, signers: &[by("grace", "ecdsa-sha512")], options: &["-md", "sha512"] },
    Signed { name: "dsa sha-256", sound: false, signers: &[by("judy", "dsa-sha256")], options: &["-md", "sha256"] },
    Signed { name: "dsa sha-1", sound: false, signers: &[by("judy", "dsa-sha1")], options: &["-md", "sha1"] },
    Signed { name: "subjectKeyIdentifier", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")], options: &["-md", "sha256", "-keyid"] },
    Signed { name: "no SMIMECapabilities", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")], options: &["-md", "sha256", "-nosmimecap"] },
    Signed { name: "no signed attributes", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")], options: &["-md", "sha256", "-noattr"] },
    Signed { name: "signingCertificateV2", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")], options: &["-md", "sha256", "-cades"] },
    Signed { name: "receiptRequest", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")], options: &["-md", "sha256", "-receipt_request_all", "-receipt_request_to", "alice@a.example"] },
    Signed { name: "two signers", sound: false, signers: &[by("alice", "rsa-pkcs1-sha256"), by("carol", "ecdsa-sha256")], options: &["-md", "sha256"] },
    Signed { name: "three signers", sound: false, signers: &[by("alice", "rsa-pkcs1-sha256"), by("frank", "ecdsa-sha256"), by("judy", "dsa-sha256")], options: &["-md", "sha256"] },
];

impl Signed {
    fn address(&self) -> String {
        people::address(self.signers.first().map_or("alice", |one| one.signer))
    }

    /// Signs the entity with `options` besides the row's own, and returns what was written.
    fn make(&self, folder: &Path, options: &[&str]) -> Result<Vec<u8>, String> {
        ours::write(folder, "entity", &mail::entity());
        let names = self.signers.iter().flat_map(|one| {
            let file = |end| format!("{}.{end}", one.signer);
            [
                "-signer".to_owned(),
                file("pem"),
                "-inkey".to_owned(),
                file("key"),
            ]
        });
        let names: Vec<String> = names.collect();
        let mut arguments = vec!["-sign", "-in", "entity", "-certfile", "intermediate.pem"];
        arguments.extend(names.iter().map(String::as_str));
        arguments.extend(self.options);
        arguments.extend(options);
        openssl(folder, &arguments)
    }

    fn check<A: AsRef<std::ffi::OsStr>>(&self, options: &[A], file: &Path) -> Outcome {
        let report = ours::verify(options, file)?;
        ours::expect_signatures(&report, self.signers)?;
        if self.sound {
            ours::expect_valid(&report)?;
        }
        Ok(())
    }
}

/// How their signature is written down.
struct Form {
    name: &'static str,
    options: &'static [&'static str],
    /// A message: the header goes before it, and line ends become those of SMTP.
    message: bool,
}

#[rustfmt::skip]
const SIGNED_FORMS: &[Form] = &[
    Form { name: "detached", message: true, options: &[] },
    Form { name: "opaque", message: true, options: &["-nodetach"] },
];

#[rustfmt::skip]
const OTHER_FORMS: &[Form] = &[
    Form { name: "message, streamed", message: true, options: &["-nodetach", "-stream"] },
    Form { name: "detached message, streamed", message: true, options: &["-stream"] },
    Form { name: "der", message: false, options: &["-nodetach", "-binary", "-outform", "DER"] },
    Form { name: "ber", message: false, options: &["-nodetach", "-binary", "-stream", "-outform", "DER"] },
    Form { name: "pem", message: false, options: &["-nodetach", "-binary", "-outform", "PEM"] },
];

fn as_message(from: &str, mime: &[u8]) -> Vec<u8> {
    let mut message = mail::fields(from).into_bytes();
    message.extend(mail::crlf(mime));
    message
}

#[test]
fn their_signatures_verify() {
    if !installed() {
        return;
    }
    let rows = SIGNED.iter().flat_map(|row| {
        SIGNED_FORMS
            .iter()
            .map(move |form| (format!("{}, {}", row.name, form.name), (row, form)))
    });
    scenario::run("openssl signs", rows, &[], |(row, form), folder| {
        let mime = row.make(folder, form.options)?;
        let message = as_message(&row.address(), &mime);
        row.check::<&str>(&[], &ours::write(folder, "in.eml", &message))
    });
}

#[test]
fn their_signatures_verify_in_every_form() {
    if !installed() {
        return;
    }
    let rsa = SIGNED.iter().take(1);
    let rows = rsa.flat_map(|row| {
        OTHER_FORMS
            .iter()
            .map(move |form| (form.name.to_owned(), (row, form)))
    });
    scenario::run("openssl signs as", rows, &[], |(row, form), folder| {
        let written = row.make(folder, form.options)?;
        if form.message {
            let message = as_message(&row.address(), &written);
            row.check::<&str>(&[], &ours::write(folder, "in.eml", &message))
        } else {
            let from = row.address();
            row.check(&["--from", &from], &ours::write(folder, "in.p7m", &written))
        }
    });
}

#[test]
fn a_signer_whose_certificate_comes_apart_is_found() {
    if !installed() {
        return;
    }
    let rows = SIGNED
        .iter()
        .take(1)
        .map(|row| ("-nocerts".to_owned(), row));
    scenario::run("openssl signs", rows, &[], |row, folder| {
        let mime = row.make(folder, &["-nocerts"])?;
        let message = as_message(&row.address(), &mime);
        let options = ["--intermediate".into(), people::certificate("alice")];
        row.check(&options, &ours::write(folder, "in.eml", &message))
    });
}

/// Signatures of ours that they verify.
struct Signs {
    signer: &'static str,
    options: &'static [&'static str],
    /// What `inspect` says of it.
    layers: &'static str,
}

#[rustfmt::skip]
const SIGNS: &[Signs] = &[
    Signs { signer: "alice", layers: "S(C)", options: &[] },
    Signs { signer: "alice", layers: "S(C)", options: &["--detached"] },
    Signs { signer: "alice", layers: "S[originator](C)", options: &["--type", "originator"] },
    Signs { signer: "alice", layers: "S[originator](C)", options: &["--type", "originator", "--detached"] },
    Signs { signer: "heidi", layers: "S(C)", options: &[] },
    Signs { signer: "heidi", layers: "S(C)", options: &["--detached"] },
    Signs { signer: "carol", layers: "S(C)", options: &[] },
    Signs { signer: "carol", layers: "S(C)", options: &["--detached"] },
    Signs { signer: "frank", layers: "S(C)", options: &[] },
    Signs { signer: "frank", layers: "S(C)", options: &["--detached"] },
    Signs { signer: "grace", layers: "S(C)", options: &[] },
    Signs { signer: "grace", layers: "S(C)", options: &["--detached"] },
    Signs { signer: "delegated-alice", layers: "S[delegated](C)", options: &["--type", "delegated"] },
    Signs { signer: "delegated-alice", layers: "S[delegated](C)", options: &["--type", "delegated", "--detached"] },
    Signs { signer: "domain-a", layers: "S[domain](S[empty](C))", options: &["--type", "domain"] },
    Signs { signer: "reviewer-a", layers: "S[review](S[empty](C))", options: &["--type", "review"] },
    Signs { signer: "attributes-a", layers: "S[attributes](S[empty](C))", options: &["--type", "attributes"] },
];

impl Signs {
    fn name(&self) -> String {
        format!("{} {}", self.signer, self.options.join(" "))
    }
}

#[test]
fn our_signatures_verify() {
    if !installed() {
        return;
    }
    let rows = SIGNS.iter().map(|row| (row.name(), row));
    scenario::run("openssl verifies", rows, &[], |row, folder| {
        let from = match row.signer {
            "heidi" | "carol" | "frank" | "grace" => people::address(row.signer),
            _ => people::address("alice"),
        };
        let message = ours::write_message(folder, &from);
        let signed = ours::sign(row.signer, row.options, &message)?;
        ours::expect_layers(&ours::inspect(&[], &signed)?, row.layers)?;
        let content = verify(folder, &signed)?;
        if row.layers.contains("[empty]") {
            // What openssl peeled is an entity once more: the signature of nobody (draft §2.5).
            let inner = ours::write(folder, "inner", &content);
            ours::expect_layers(&ours::inspect(&[], &inner)?, "S[empty](C)")?;
            let der = mail::der(&content)?;
            mail::expect_text(&der)
        } else {
            mail::expect_text(&content)
        }
    });
}

/// What openssl says is signed in `message`, once it has verified it.
fn verify(folder: &Path, message: &Path) -> Result<Vec<u8>, String> {
    let file = message.display().to_string();
    let arguments = ["-verify", "-in", &file, "-CAfile", "root.pem"];
    openssl(folder, &arguments).map(|content| mail::crlf(&content))
}

/// Encryption of theirs that we open.
struct Encrypted {
    name: &'static str,
    cipher: &'static str,
    content: &'static str,
    /// Who, with the options that follow the certificate.
    recipients: &'static [(&'static str, &'static [&'static str], Recipient)],
    options: &'static [&'static str],
}

const fn ktri(key_encryption: &'static str) -> Recipient {
    Recipient {
        kind: "ktri",
        key_encryption,
    }
}

const fn kari(key_encryption: &'static str) -> Recipient {
    Recipient {
        kind: "kari",
        key_encryption,
    }
}

const OAEP: &str = "rsa_padding_mode:oaep";
const BOB: (&str, &[&str], Recipient) = ("bob", &[], ktri("rsa-pkcs1"));

#[rustfmt::skip]
const ENCRYPTED: &[Encrypted] = &[
    Encrypted { name: "aes-128-cbc", cipher: "-aes-128-cbc", content: "aes-128-cbc", recipients: &[BOB], options: &[] },
    Encrypted { name: "aes-192-cbc", cipher: "-aes-192-cbc", content: "aes-192-cbc", recipients: &[BOB], options: &[] },
    Encrypted { name: "aes-256-cbc", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[BOB], options: &[] },
    Encrypted { name: "3des", cipher: "-des3", content: "des-ede3-cbc", recipients: &[BOB], options: &[] },
    Encrypted { name: "aes-128-gcm", cipher: "-aes-128-gcm", content: "aes-128-gcm", recipients: &[BOB], options: &[] },
    Encrypted { name: "aes-192-gcm", cipher: "-aes-192-gcm", content: "aes-192-gcm", recipients: &[BOB], options: &[] },
    Encrypted { name: "aes-256-gcm", cipher: "-aes-256-gcm", content: "aes-256-gcm", recipients: &[BOB], options: &[] },
    Encrypted { name: "rsa-3072", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("heidi", &[], ktri("rsa-pkcs1"))], options: &[] },
    Encrypted { name: "oaep sha-1", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("bob", &["-keyopt", OAEP], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "oaep sha-256", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("bob", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha256"], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "oaep sha-384", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("bob", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha384"], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "oaep sha-512", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("bob", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha512"], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "oaep sha-256, mgf1 sha-1", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("bob", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha1"], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "oaep sha-1, mgf1 sha-512", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("bob", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha1", "-keyopt", "rsa_mgf1_md:sha512"], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "oaep sha-256 with a label", cipher: "-aes-256-gcm", content: "aes-256-gcm", recipients: &[("bob", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_oaep_label:646f6d736563"], ktri("rsa-oaep"))], options: &[] },
    Encrypted { name: "p-256, kdf sha-1", cipher: "-aes-128-cbc", content: "aes-128-cbc", recipients: &[("carol", &[], kari("ecdh-sha1-aes128wrap"))], options: &["-aes128-wrap"] },
    Encrypted { name: "p-256, kdf sha-224", cipher: "-aes-128-cbc", content: "aes-128-cbc", recipients: &[("carol", &["-keyopt", "ecdh_kdf_md:sha224"], kari("ecdh-sha224-aes128wrap"))], options: &["-aes128-wrap"] },
    Encrypted { name: "p-256, kdf sha-256", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("carol", &["-keyopt", "ecdh_kdf_md:sha256"], kari("ecdh-sha256-aes256wrap"))], options: &["-aes256-wrap"] },
    Encrypted { name: "p-256, kdf sha-256, wrap 192", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("carol", &["-keyopt", "ecdh_kdf_md:sha256"], kari("ecdh-sha256-aes192wrap"))], options: &["-aes192-wrap"] },
    Encrypted { name: "p-256, kdf sha-256, cofactor", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[("carol", &["-keyopt", "ecdh_kdf_md:sha256", "-keyopt", "ecdh_cofactor_mode:1"], kari("ecdh-sha256-aes256wrap"))], options: &["-aes256-wrap"] },
    Encrypted { name: "p-384, kdf sha-384", cipher: "-aes-256-gcm", content: "aes-256-gcm", recipients: &[("frank", &["-keyopt", "ecdh_kdf_md:sha384"], kari("ecdh-sha384-aes256wrap"))], options: &["-aes256-wrap"] },
    Encrypted { name: "p-521, kdf sha-512", cipher: "-aes-256-gcm", content: "aes-256-gcm", recipients: &[("grace", &["-keyopt", "ecdh_kdf_md:sha512"], kari("ecdh-sha512-aes256wrap"))], options: &["-aes256-wrap"] },
    Encrypted { name: "rsa, oaep and p-384 together", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[BOB, ("heidi", &["-keyopt", OAEP, "-keyopt", "rsa_oaep_md:sha256"], ktri("rsa-oaep")), ("frank", &["-keyopt", "ecdh_kdf_md:sha256"], kari("ecdh-sha256-aes128wrap"))], options: &["-aes128-wrap"] },
    Encrypted { name: "subjectKeyIdentifier", cipher: "-aes-256-cbc", content: "aes-256-cbc", recipients: &[BOB, ("carol", &["-keyopt", "ecdh_kdf_md:sha256"], kari("ecdh-sha256-aes256wrap"))], options: &["-keyid", "-aes256-wrap"] },
];

/// As [`OTHER_FORMS`], for encryption.
#[rustfmt::skip]
const ENCRYPTED_FORMS: &[Form] = &[
    Form { name: "message, streamed", message: true, options: &["-stream"] },
    Form { name: "der", message: false, options: &["-outform", "DER"] },
    Form { name: "ber", message: false, options: &["-stream", "-outform", "DER"] },
    Form { name: "pem", message: false, options: &["-outform", "PEM"] },
];

impl Encrypted {
    fn make(&self, folder: &Path, options: &[&str]) -> Result<Vec<u8>, String> {
        ours::write(folder, "entity", &mail::entity());
        let mut arguments = vec!["-encrypt", "-binary", "-in", "entity", self.cipher];
        arguments.extend(self.options);
        arguments.extend(options);
        let files = self.recipients.iter().map(|(who, ..)| format!("{who}.pem"));
        let files: Vec<String> = files.collect();
        for (file, (_, options, _)) in files.iter().zip(self.recipients) {
            arguments.extend(["-recip", file]);
            arguments.extend(*options);
        }
        openssl(folder, &arguments)
    }

    /// Whether every recipient opens it, and it is reported as it is.
    fn check(&self, file: &Path) -> Outcome {
        for (who, ..) in self.recipients {
            ours::expect_opens(who, file)?;
        }
        let expected: Vec<Recipient> = self.recipients.iter().map(|(.., one)| *one).collect();
        let report = ours::inspect(&[], file)?;
        ours::expect_envelope(&report, self.content, &expected)?;
        ours::expect_layers(&report, "E")
    }
}

#[test]
fn their_encryption_opens() {
    if !installed() {
        return;
    }
    let rows = ENCRYPTED.iter().map(|row| (row.name.to_owned(), row));
    scenario::run("openssl encrypts", rows, &[], |row, folder| {
        let message = as_message("alice@a.example", &row.make(folder, &[])?);
        row.check(&ours::write(folder, "in.eml", &message))
    });
}

#[test]
fn their_encryption_opens_in_every_form() {
    if !installed() {
        return;
    }
    let kinds = ENCRYPTED
        .iter()
        .filter(|row| row.name.starts_with("aes-256-"));
    let rows = kinds.flat_map(|row| {
        ENCRYPTED_FORMS
            .iter()
            .map(move |form| (format!("{}, {}", row.name, form.name), (row, form)))
    });
    scenario::run("openssl encrypts as", rows, &[], |(row, form), folder| {
        let written = row.make(folder, form.options)?;
        let octets = if form.message {
            as_message("alice@a.example", &written)
        } else {
            written
        };
        row.check(&ours::write(folder, "in", &octets))
    });
}

/// What we name, and do not open.
struct Listed {
    name: &'static str,
    options: &'static [&'static str],
    content: &'static str,
    recipient: Recipient,
}

const KEK: Recipient = Recipient {
    kind: "kekri",
    key_encryption: "2.16.840.1.101.3.4.1.5",
};
const PASSWORD: Recipient = Recipient {
    kind: "pwri",
    key_encryption: "1.2.840.113549.1.9.16.3.9",
};
const SECRET: &str = "000102030405060708090a0b0c0d0e0f";

#[rustfmt::skip]
const LISTED: &[Listed] = &[
    Listed { name: "kek", content: "aes-256-cbc", recipient: KEK, options: &["-aes-256-cbc", "-secretkey", SECRET, "-secretkeyid", "0102"] },
    Listed { name: "password", content: "aes-256-cbc", recipient: PASSWORD, options: &["-aes-256-cbc", "-pwri_password", "secret"] },
    Listed { name: "rc2", content: "rc2-cbc", recipient: ktri("rsa-pkcs1"), options: &["-rc2-128", "-provider", "legacy", "-provider", "default", "-recip", "bob.pem"] },
];

#[test]
fn what_we_do_not_open_is_named() {
    if !installed() {
        return;
    }
    let rows = LISTED.iter().map(|row| (row.name.to_owned(), row));
    scenario::run("openssl encrypts", rows, &[], |row, folder| {
        ours::write(folder, "entity", &mail::entity());
        let mut arguments = vec!["-encrypt", "-binary", "-in", "entity"];
        arguments.extend(row.options);
        let message = as_message("alice@a.example", &openssl(folder, &arguments)?);
        let file = ours::write(folder, "in.eml", &message);
        let report = ours::inspect(&["bob"], &file)?;
        ours::expect_envelope(&report, row.content, &[row.recipient])?;
        match ours::decrypt("bob", &file) {
            Ok(_) => Err("it opened".to_owned()),
            Err(error) if error.contains("exit status: 65") => Ok(()),
            Err(error) => Err(error),
        }
    });
}

/// Who opens what we encrypt, by any mix of keys.
const READERS: &[&[&str]] = &[
    &["bob"],
    &["heidi"],
    &["carol"],
    &["frank"],
    &["grace"],
    &["bob", "carol", "heidi", "grace", "frank"],
];

const CIPHERS: &[&str] = &[
    "aes-128-cbc",
    "aes-192-cbc",
    "aes-256-cbc",
    "aes-128-gcm",
    "aes-256-gcm",
];

#[test]
fn our_encryption_opens() {
    if !installed() {
        return;
    }
    let rows = READERS.iter().flat_map(|readers| {
        let schemes = ["rsa-pkcs1", "rsa-oaep"].iter();
        schemes.flat_map(move |scheme| {
            CIPHERS.iter().map(move |cipher| {
                let name = format!("{cipher}, {scheme}, to {}", readers.join(", "));
                (name, (*readers, *scheme, *cipher))
            })
        })
    });
    // Without an RSA key the scheme changes nothing.
    let rsa = |readers: &[&str]| readers.contains(&"bob") || readers.contains(&"heidi");
    let rows = rows.filter(|(_, (readers, scheme, _))| *scheme == "rsa-pkcs1" || rsa(readers));
    scenario::run(
        "openssl decrypts",
        rows,
        &[],
        |(readers, scheme, cipher), folder| {
            let message = ours::write_message(folder, "alice@a.example");
            let options = ["--cipher", cipher, "--key-encryption", scheme];
            let encrypted = ours::encrypt(readers, &options, &message)?;
            for reader in *readers {
                let content = decrypt(folder, reader, &encrypted)?;
                mail::expect_text(&content).map_err(|error| format!("for {reader}: {error}"))?;
            }
            Ok(())
        },
    );
}

fn decrypt(folder: &Path, reader: &str, message: &Path) -> Result<Vec<u8>, String> {
    let file = message.display().to_string();
    let (certificate, key) = (format!("{reader}.pem"), format!("{reader}.key"));
    openssl(
        folder,
        &[
            "-decrypt",
            "-in",
            &file,
            "-recip",
            &certificate,
            "-inkey",
            &key,
        ],
    )
}

#[test]
fn three_layers_of_ours_are_peeled() {
    if !installed() {
        return;
    }
    let forms: [&[&str]; 2] = [&[], &["--detached"]];
    let rows = forms.iter().flat_map(|inner| {
        forms.iter().map(move |outer| {
            let name = |form: &&[&str]| {
                if form.is_empty() {
                    "opaque"
                } else {
                    "detached"
                }
            };
            let name = format!("{} in E in {}", name(inner), name(outer));
            (name, (*inner, *outer))
        })
    });
    scenario::run("openssl peels", rows, &[], |(inner, outer), folder| {
        let message = ours::write_message(folder, "alice@a.example");
        let first = ours::sign("alice", inner, &message)?;
        let second = ours::encrypt(&["bob"], &[], &first)?;
        let third = ours::sign("alice", outer, &second)?;
        ours::expect_layers(&ours::inspect(&["bob"], &third)?, "S(E(S(C)))")?;
        let second = ours::write(folder, "second", &verify(folder, &third)?);
        let first = ours::write(folder, "first", &decrypt(folder, "bob", &second)?);
        mail::expect_text(&verify(folder, &first)?)
    });
}

#[test]
fn three_layers_of_theirs_are_peeled() {
    let rows = [("certs/samples/three-layers.eml".to_owned(), ())];
    scenario::run("openssl wrote", rows, &[], |(), _| {
        let file = people::folder().join("samples/three-layers.eml");
        ours::expect_layers(&ours::inspect(&["bob"], &file)?, "S(E(S(C)))")?;
        ours::expect_layers(&ours::inspect(&[], &file)?, "S(E)")?;
        let keys = [
            "--key".into(),
            people::key("bob"),
            "--cert".into(),
            people::certificate("bob"),
        ];
        ours::expect_valid(&ours::verify(&keys, &file)?)
    });
}
