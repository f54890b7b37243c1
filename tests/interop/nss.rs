//! NSS 3.87's `cmsutil`, the S/MIME of Thunderbird, with a throw-away database.
//!
//! It reads no AES-GCM, and knows elliptic curves for signatures alone.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::mail;
use crate::ours;
use crate::ours::Recipient;
use crate::ours::Signature;
use crate::people;
use crate::scenario;
use crate::scenario::Departure;

const CERTUTIL: &str = "/usr/bin/certutil";
const CMSUTIL: &str = "/usr/bin/cmsutil";
const PK12UTIL: &str = "/usr/bin/pk12util";

/// A database with the keys of alice, bob and carol, where `certs/root.pem` is trusted.
struct Database {
    folder: TempDir,
}

impl Database {
    fn make() -> Option<Self> {
        if !scenario::installed("NSS", &[CERTUTIL, CMSUTIL, PK12UTIL]) {
            return None;
        }
        let folder = TempDir::new().expect("a folder for the database");
        let database = Self { folder };
        database.fill().expect("NSS takes our keys");
        Some(database)
    }

    fn fill(&self) -> Result<(), String> {
        self.run(CERTUTIL, &["-N", "--empty-password"])?;
        for (name, trust) in [
            ("root", "CT,C,C"),
            ("intermediate", ",,"),
            ("heidi", ",,"),
            ("frank", ",,"),
            ("grace", ",,"),
        ] {
            let file = text(&people::certificate(name));
            self.run(CERTUTIL, &["-A", "-n", name, "-t", trust, "-i", &file])?;
        }
        for name in ["alice", "bob", "carol"] {
            let file = text(&people::folder().join(format!("{name}.p12")));
            self.run(PK12UTIL, &["-i", &file, "-W", "x", "-K", ""])?;
        }
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
        let place = format!("sql:{}", self.folder.path().display());
        let mut command = Command::new(program);
        scenario::output(command.args(arguments).args(["-d", &place]))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Who signs with which digest, what micalg says, and what we call the signature.
#[rustfmt::skip]
const SIGNED: &[(&str, &str, &str, &str)] = &[
    ("alice", "SHA256", "sha-256", "rsa-pkcs1-sha256"),
    ("alice", "SHA384", "sha-384", "rsa-pkcs1-sha384"),
    ("alice", "SHA512", "sha-512", "rsa-pkcs1-sha512"),
    ("carol", "SHA256", "sha-256", "ecdsa-sha256"),
];

#[test]
fn their_signatures_verify() {
    let Some(database) = Database::make() else {
        return;
    };
    let rows = SIGNED.iter().flat_map(|row| {
        [true, false].map(|detached| {
            let form = if detached { "detached" } else { "opaque" };
            (format!("{} {}, {form}", row.0, row.1), (row, detached))
        })
    });
    scenario::run("nss signs", rows, &[], |(row, detached), folder| {
        let (signer, digest, micalg, algorithm) = **row;
        let entity = text(&ours::write(folder, "entity", &mail::entity()));
        let out = folder.join("out");
        let file = text(&out);
        let mut arguments = vec![
            "-S", "-N", signer, "-H", digest, "-G", "-P", "-i", &entity, "-o", &file,
        ];
        if *detached {
            arguments.push("-T");
        }
        database.run(CMSUTIL, &arguments)?;
        let der = ours::read(&out)?;
        let from = people::address(signer);
        let message = if *detached {
            mail::multipart_signed(&from, &mail::entity(), micalg, &der)
        } else {
            mail::pkcs7_mime(&from, "signed-data", &der)
        };
        let report = ours::verify::<&str>(&[], &ours::write(folder, "in.eml", &message))?;
        ours::expect_signatures(&report, &[Signature { signer, algorithm }])?;
        ours::expect_valid(&report)
    });
}

#[test]
fn our_signatures_verify() {
    let Some(database) = Database::make() else {
        return;
    };
    let rows = ["alice", "carol", "frank", "grace", "heidi"]
        .iter()
        .flat_map(|signer| {
            [true, false].map(|detached| {
                let form = if detached { "detached" } else { "opaque" };
                (format!("{signer}, {form}"), (*signer, detached))
            })
        });
    scenario::run("nss verifies", rows, &[], |(signer, detached), folder| {
        let message = ours::write_message(folder, &people::address(signer));
        let options: &[&str] = if *detached { &["--detached"] } else { &[] };
        let signed = ours::read(&ours::sign(signer, options, &message)?)?;
        let said = if *detached {
            let (entity, der) = mail::signed_parts(&signed)?;
            let signature = text(&ours::write(folder, "signature", &der));
            let content = text(&ours::write(folder, "entity", &entity));
            let arguments = ["-D", "-c", &content, "-i", &signature, "-u", "4", "-h", "1"];
            database.run(CMSUTIL, &arguments)?
        } else {
            let file = text(&ours::write(folder, "signed", &mail::der(&signed)?));
            database.run(CMSUTIL, &["-D", "-i", &file, "-u", "4", "-h", "1"])?
        };
        mail::expect_text(&said)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        if said.contains("status=GoodSignature") {
            Ok(())
        } else {
            Err(said)
        }
    });
}

const KTRI: Recipient = Recipient {
    kind: "ktri",
    key_encryption: "rsa-pkcs1",
};

/// Readers of what it encrypts. It has no key agreement here: "invalid algorithm" for carol's key.
const READERS: &[&[&str]] = &[&["bob"], &["heidi"], &["bob", "heidi"]];

#[test]
fn their_encryption_opens() {
    let Some(database) = Database::make() else {
        return;
    };
    let rows = READERS.iter().map(|readers| (readers.join(", "), readers));
    scenario::run("nss encrypts to", rows, &[], |readers, folder| {
        let entity = text(&ours::write(folder, "entity", &mail::entity()));
        let out = folder.join("out");
        let addresses: Vec<String> = readers.iter().map(|name| people::address(name)).collect();
        let (file, to) = (text(&out), addresses.join(","));
        database.run(CMSUTIL, &["-E", "-r", &to, "-i", &entity, "-o", &file])?;
        let message = mail::pkcs7_mime("alice@a.example", "enveloped-data", &ours::read(&out)?);
        let file = ours::write(folder, "in.eml", &message);
        for reader in **readers {
            ours::expect_opens(reader, &file)?;
        }
        // Knowing nothing of the readers, it takes AES-128.
        let recipients = vec![KTRI; readers.len()];
        ours::expect_envelope(&ours::inspect(&[], &file)?, "aes-128-cbc", &recipients)
    });
}

/// What it does not read of anybody's.
const UNREAD: &[Departure] = &[
    Departure {
        name: "aes-256-cbc to carol",
        reason: "improperly formatted DER, it says of every message with a KeyAgreeRecipientInfo",
    },
    Departure {
        name: "aes-256-cbc to heidi, carol, bob",
        reason: "improperly formatted DER, it says of every message with a KeyAgreeRecipientInfo",
    },
];

#[test]
fn our_encryption_opens() {
    let Some(database) = Database::make() else {
        return;
    };
    let rows: [(&str, &[&str]); 6] = [
        ("aes-128-cbc", &["bob"]),
        ("aes-192-cbc", &["bob"]),
        ("aes-256-cbc", &["bob"]),
        ("aes-256-cbc", &["heidi", "bob"]),
        ("aes-256-cbc", &["carol"]),
        ("aes-256-cbc", &["heidi", "carol", "bob"]),
    ];
    let rows = rows.map(|row| (format!("{} to {}", row.0, row.1.join(", ")), row));
    scenario::run("nss decrypts", rows, UNREAD, |(cipher, readers), folder| {
        let message = ours::write_message(folder, "alice@a.example");
        let encrypted = ours::encrypt(readers, &["--cipher", cipher], &message)?;
        let der = mail::der(&ours::read(&encrypted)?)?;
        let file = text(&ours::write(folder, "encrypted", &der));
        mail::expect_text(&database.run(CMSUTIL, &["-D", "-i", &file])?)
    });
}
