//! GnuPG's gpgsm 2.2, in a throw-away home: RSA with PKCS#1 v1.5 and CBC alone.
//!
//! It reads neither AES-GCM, OAEP nor ECDH, and of PKCS#12 only what OpenSSL 1.0 wrote.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

use crate::mail;
use crate::ours;
use crate::ours::Recipient;
use crate::ours::Signature;
use crate::people;
use crate::scenario;

const PROGRAM: &str = "/usr/bin/gpgsm";
const NEEDS: &[&str] = &[PROGRAM, "/usr/bin/gpg-agent", "/usr/bin/openssl"];

/// A home with the keys of alice and bob, where `certs/root.pem` is trusted.
struct Home {
    folder: TempDir,
}

impl Home {
    fn make() -> Option<Self> {
        if !scenario::installed("gpgsm", NEEDS) {
            return None;
        }
        // Its sockets lie there, so the path must be short.
        let folder = TempDir::new().expect("a folder for GNUPGHOME");
        let home = Self { folder };
        home.configure().expect("gpgsm takes our keys");
        Some(home)
    }

    fn configure(&self) -> Result<(), String> {
        let home = self.folder.path();
        ours::write(home, "gpg-agent.conf", b"allow-loopback-pinentry\n");
        let quiet = "disable-crl-checks\ndisable-policy-checks\npinentry-mode loopback\nbatch\n";
        ours::write(home, "gpgsm.conf", quiet.as_bytes());
        let mut fingerprint = Command::new("/usr/bin/openssl");
        fingerprint
            .args(["x509", "-noout", "-fingerprint", "-sha1", "-in"])
            .arg(people::certificate("root"));
        let line = String::from_utf8_lossy(&scenario::output(&mut fingerprint)?).into_owned();
        let (_, digits) = line.trim().split_once('=').ok_or("no fingerprint")?;
        ours::write(
            home,
            "trustlist.txt",
            format!("{digits} S relax\n").as_bytes(),
        );
        for authority in ["root", "intermediate"] {
            self.run(&["--import", &text(&people::certificate(authority))])?;
        }
        for person in ["alice", "bob"] {
            // gpgsm 2.2 cannot read one in fifty of such files, and that one never: it depends on the
            // salt, which is another one in the next file.
            let mut imported = self.import(person);
            for _again in 0..4 {
                if imported.is_err() {
                    imported = self.import(person);
                }
            }
            imported?;
        }
        self.run(&["--import", &text(&people::certificate("heidi"))])?;
        Ok(())
    }

    /// Hands over the key of `person` with the certificate.
    fn import(&self, person: &str) -> Result<(), String> {
        let file = self.folder.path().join(format!("{person}.p12"));
        let mut export = Command::new("/usr/bin/openssl");
        export
            .args(["pkcs12", "-export", "-passout", "pass:x", "-macalg", "sha1"])
            .args(["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"])
            .arg("-inkey")
            .arg(people::key(person))
            .arg("-in")
            .arg(people::certificate(person))
            .arg("-out")
            .arg(&file);
        scenario::output(&mut export)?;
        self.run(&["--import", &text(&file)]).map(drop)
    }

    /// Runs it with the password of every key on its standard input.
    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let mut command = Command::new(PROGRAM);
        command
            .env("GNUPGHOME", self.folder.path())
            .args(["--quiet", "--batch", "--yes", "--passphrase-fd", "0"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("gpgsm: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            // It may end without having asked.
            let _ = input.write_all(b"x\n");
        }
        let done = child
            .wait_with_output()
            .map_err(|error| format!("gpgsm: {error}"))?;
        let errors = String::from_utf8_lossy(&done.stderr);
        // An import of a certificate that is there already ends with 2.
        if done.status.success() {
            Ok([done.stdout, errors.as_bytes().to_vec()].concat())
        } else {
            Err(format!("gpgsm {}: {}", arguments.join(" "), errors.trim()))
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.folder.path())
            .args(["--kill", "all"])
            .status();
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Digests that it signs with, and what we call the signature.
const DIGESTS: &[(&str, &str, &str)] = &[
    ("SHA256", "sha-256", "rsa-pkcs1-sha256"),
    ("SHA384", "sha-384", "rsa-pkcs1-sha384"),
    ("SHA512", "sha-512", "rsa-pkcs1-sha512"),
];

#[test]
fn their_signatures_verify() {
    let Some(home) = Home::make() else { return };
    let rows = DIGESTS.iter().flat_map(|digest| {
        [true, false].map(|detached| {
            let form = if detached { "detached" } else { "opaque" };
            (format!("{}, {form}", digest.0), (digest, detached))
        })
    });
    scenario::run(
        "gpgsm signs",
        rows,
        &[],
        |((digest, micalg, algorithm), detached), folder| {
            let entity = text(&ours::write(folder, "entity", &mail::entity()));
            let out = folder.join("out");
            let act = if *detached { "--detach-sign" } else { "--sign" };
            home.run(&[
                "--digest-algo",
                digest,
                "-u",
                "alice@a.example",
                "-o",
                &text(&out),
                act,
                &entity,
            ])?;
            let der = ours::read(&out)?;
            let message = if *detached {
                mail::multipart_signed("alice@a.example", &mail::entity(), micalg, &der)
            } else {
                mail::pkcs7_mime("alice@a.example", "signed-data", &der)
            };
            let report = ours::verify::<&str>(&[], &ours::write(folder, "in.eml", &message))?;
            ours::expect_signatures(
                &report,
                &[Signature {
                    signer: "alice",
                    algorithm,
                }],
            )?;
            ours::expect_valid(&report)
        },
    );
}

#[test]
fn our_signatures_verify() {
    let Some(home) = Home::make() else { return };
    let rows: [(&str, &[&str]); 4] = [
        ("alice, detached", &["--detached"]),
        ("alice, opaque", &[]),
        (
            "alice as originator, detached",
            &["--detached", "--type", "originator"],
        ),
        ("alice as originator, opaque", &["--type", "originator"]),
    ];
    let rows = rows.map(|(name, options)| (name.to_owned(), options));
    scenario::run("gpgsm verifies", rows, &[], |options, folder| {
        let message = ours::write_message(folder, "alice@a.example");
        let signed = ours::read(&ours::sign("alice", options, &message)?)?;
        let (content, said) = if options.contains(&"--detached") {
            let (entity, der) = mail::signed_parts(&signed)?;
            let signature = text(&ours::write(folder, "signature", &der));
            let file = text(&ours::write(folder, "entity", &entity));
            (entity, home.run(&["--verify", &signature, &file])?)
        } else {
            let file = text(&ours::write(folder, "signed", &mail::der(&signed)?));
            let out = folder.join("content");
            let said = home.run(&["-o", &text(&out), "--verify", &file])?;
            (ours::read(&out)?, said)
        };
        mail::expect_text(&content)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        if said.contains("Good signature") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

/// Ciphers in its words and in ours.
const CIPHERS: &[(&str, &str)] = &[
    ("3DES", "des-ede3-cbc"),
    ("AES128", "aes-128-cbc"),
    ("AES192", "aes-192-cbc"),
    ("AES256", "aes-256-cbc"),
];

#[test]
fn their_encryption_opens() {
    let Some(home) = Home::make() else { return };
    let readers: [&[&str]; 2] = [&["bob"], &["heidi", "bob"]];
    let rows = CIPHERS.iter().flat_map(|(theirs, ours)| {
        readers.map(|readers| {
            (
                format!("{theirs} to {}", readers.join(", ")),
                (*theirs, *ours, readers),
            )
        })
    });
    scenario::run(
        "gpgsm encrypts",
        rows,
        &[],
        |(theirs, cipher, readers), folder| {
            let entity = text(&ours::write(folder, "entity", &mail::entity()));
            let out = folder.join("out");
            let addresses: Vec<String> = readers.iter().map(|name| people::address(name)).collect();
            let file = text(&out);
            let mut arguments = vec!["--cipher-algo", theirs, "-o", &file];
            arguments.extend(addresses.iter().flat_map(|address| ["-r", address]));
            arguments.extend(["--encrypt", &entity]);
            home.run(&arguments)?;
            let message = mail::pkcs7_mime("alice@a.example", "enveloped-data", &ours::read(&out)?);
            let file = ours::write(folder, "in.eml", &message);
            for reader in *readers {
                ours::expect_opens(reader, &file)?;
            }
            let recipient = Recipient {
                kind: "ktri",
                key_encryption: "rsa-pkcs1",
            };
            let expected = vec![recipient; readers.len()];
            ours::expect_envelope(&ours::inspect(&[], &file)?, cipher, &expected)
        },
    );
}

#[test]
fn our_encryption_opens() {
    let Some(home) = Home::make() else { return };
    let readers: [&[&str]; 2] = [&["bob"], &["carol", "heidi", "bob"]];
    let rows = ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc"]
        .iter()
        .flat_map(|cipher| {
            readers.map(|readers| {
                (
                    format!("{cipher} to {}", readers.join(", ")),
                    (*cipher, readers),
                )
            })
        });
    scenario::run("gpgsm decrypts", rows, &[], |(cipher, readers), folder| {
        let message = ours::write_message(folder, "alice@a.example");
        let encrypted: PathBuf = ours::encrypt(readers, &["--cipher", cipher], &message)?;
        let der = mail::der(&ours::read(&encrypted)?)?;
        let file = text(&ours::write(folder, "encrypted", &der));
        let out = folder.join("content");
        home.run(&["-o", &text(&out), "--decrypt", &file])?;
        mail::expect_text(&ours::read(&out)?)
    });
}
