//! Bouncy Castle 1.72, through a program of our own that does what it is told line by line.
//!
//! It has neither X25519 nor ChaCha20-Poly1305 in its CMS. What it writes is BER.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::mail;
use crate::ours;
use crate::ours::Recipient;
use crate::ours::Signature;
use crate::people;
use crate::scenario;
use crate::scenario::Outcome;

const JARS: &[&str] = &[
    "/usr/share/java/bcmail.jar",
    "/usr/share/java/bcpkix.jar",
    "/usr/share/java/bcprov.jar",
    "/usr/share/java/bcutil.jar",
    "/usr/share/java/javax.activation.jar",
    "/usr/share/java/javax.mail.jar",
];
const COMPILER: &str = "/usr/bin/javac";
const SOURCE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/interop/bouncycastle/Peer.java"
);

/// The program, running; compiled into a folder that goes with it.
struct Peer {
    process: Mutex<(Child, BufReader<ChildStdout>)>,
    _classes: TempDir,
}

impl Peer {
    /// Compiles and starts it; nothing where Java or a library is not installed.
    fn start() -> Option<Self> {
        let needs: Vec<&str> = JARS.iter().chain([&COMPILER]).copied().collect();
        if !scenario::installed("Bouncy Castle", &needs) {
            return None;
        }
        let classes = TempDir::new().expect("a folder for the classes");
        let path = JARS.join(":");
        let mut compile = Command::new(COMPILER);
        compile.args(["-d".as_ref(), classes.path(), "-cp".as_ref(), path.as_ref()]);
        scenario::output(compile.arg(SOURCE)).expect("Peer.java compiles");
        let path = format!("{path}:{}", classes.path().display());
        let mut child = Command::new("java")
            .args(["-cp", &path, "Peer"])
            .arg(people::folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java starts");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Some(Self {
            process: Mutex::new((child, answers)),
            _classes: classes,
        })
    }

    /// Sends one line and returns the detail of its answer.
    fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut process = self.process.lock().expect("no test has panicked here");
        let (child, answers) = &mut *process;
        let input = child.stdin.as_mut().expect("a pipe");
        let mut answer = String::new();
        writeln!(input, "{}", words.join("\t"))
            .and_then(|()| answers.read_line(&mut answer))
            .map_err(|error| format!("Bouncy Castle has gone: {error}"))?;
        match answer.trim_end_matches('\n').split_once('\t') {
            Some(("ok", detail)) => Ok(detail.to_owned()),
            Some((_, reason)) => Err(format!("Bouncy Castle: {reason}")),
            None => Err("Bouncy Castle has gone".to_owned()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            // It ends with its input; waiting leaves no zombie.
            drop(process.0.stdin.take());
            let _ = process.0.wait();
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Signatures of theirs that we verify: names and algorithms as Java's, then as ours.
struct Signed {
    java: &'static str,
    signers: &'static [Signature],
    /// Neither SHA-1 nor DSA, and bound to From: the verdict must be valid.
    sound: bool,
}

const fn by(signer: &'static str, algorithm: &'static str) -> Signature {
    Signature { signer, algorithm }
}

#[rustfmt::skip]
const SIGNED: &[Signed] = &[
    Signed { java: "SHA256withRSA", sound: true, signers: &[by("alice", "rsa-pkcs1-sha256")] },
    Signed { java: "SHA384withRSA", sound: true, signers: &[by("alice", "rsa-pkcs1-sha384")] },
    Signed { java: "SHA512withRSA", sound: true, signers: &[by("heidi", "rsa-pkcs1-sha512")] },
    Signed { java: "SHA1withRSA", sound: false, signers: &[by("alice", "rsa-pkcs1-sha1")] },
    Signed { java: "SHA256withRSAandMGF1", sound: true, signers: &[by("alice", "rsa-pss-sha256")] },
    Signed { java: "SHA384withRSAandMGF1", sound: true, signers: &[by("heidi", "rsa-pss-sha384")] },
    Signed { java: "SHA512withRSAandMGF1", sound: true, signers: &[by("alice", "rsa-pss-sha512")] },
    Signed { java: "SHA256withECDSA", sound: true, signers: &[by("carol", "ecdsa-sha256")] },
    Signed { java: "SHA384withECDSA", sound: true, signers: &[by("frank", "ecdsa-sha384")] },
    Signed { java: "SHA512withECDSA", sound: true, signers: &[by("grace", "ecdsa-sha512")] },
    Signed { java: "Ed25519", sound: true, signers: &[by("dave", "ed25519")] },
    Signed { java: "SHA256withDSA", sound: false, signers: &[by("judy", "dsa-sha256")] },
    Signed { java: "SHA1withDSA", sound: false, signers: &[by("judy", "dsa-sha1")] },
    Signed { java: "SHA256withRSA,SHA256withECDSA", sound: false, signers: &[by("alice", "rsa-pkcs1-sha256"), by("carol", "ecdsa-sha256")] },
    Signed { java: "SHA512withRSAandMGF1,Ed25519", sound: false, signers: &[by("alice", "rsa-pss-sha512"), by("dave", "ed25519")] },
];

#[test]
fn their_signatures_verify() {
    let Some(peer) = Peer::start() else { return };
    let rows = SIGNED.iter().flat_map(|row| {
        ["detached", "opaque"].map(|form| {
            let who: Vec<&str> = row.signers.iter().map(|one| one.signer).collect();
            let who = who.join(",");
            (format!("{who} {}, {form}", row.java), (row, who, form))
        })
    });
    scenario::run(
        "bouncy castle signs",
        rows,
        &[],
        |(row, who, form), folder| {
            let entity = text(&ours::write(folder, "entity", &mail::entity()));
            let out = folder.join("in.eml");
            peer.ask(&["sign", who, row.java, form, &entity, &text(&out)])?;
            let report = ours::verify::<&str>(&[], &out)?;
            ours::expect_signatures(&report, row.signers)?;
            if row.sound {
                ours::expect_valid(&report)?;
            }
            Ok(())
        },
    );
}

/// Signatures of ours that they verify, with the OIDs of digest and signature that they must see.
#[rustfmt::skip]
const SIGNS: &[(&str, &[&str], &str)] = &[
    ("alice", &[], ""),
    ("heidi", &["--type", "originator"], ""),
    ("carol", &[], "2.16.840.1.101.3.4.2.1/1.2.840.10045.4.3.2"),
    ("frank", &[], ""),
    ("grace", &[], ""),
    ("dave", &[], "2.16.840.1.101.3.4.2.3/1.3.101.112"),
    ("delegated-alice", &["--type", "delegated"], ""),
    ("domain-a", &["--type", "domain"], ""),
    ("reviewer-a", &["--type", "review"], ""),
    ("attributes-a", &["--type", "attributes"], ""),
];

#[test]
fn our_signatures_verify() {
    let Some(peer) = Peer::start() else { return };
    let encapsulating = ["domain", "review", "attributes"];
    let rows = SIGNS.iter().flat_map(|(who, options, algorithms)| {
        [false, true].map(|detached| {
            let mut options = options.to_vec();
            if detached {
                options.push("--detached");
            }
            (
                format!("{who} {}", options.join(" ")),
                (*who, options, *algorithms),
            )
        })
    });
    // Detached and encapsulating is a usage error.
    let rows = rows.filter(|(_, (_, options, _))| {
        !options.contains(&"--detached") || !encapsulating.iter().any(|t| options.contains(t))
    });
    scenario::run(
        "bouncy castle verifies",
        rows,
        &[],
        |(who, options, algorithms), folder| {
            let from = match *who {
                "heidi" | "carol" | "frank" | "grace" | "dave" => people::address(who),
                _ => people::address("alice"),
            };
            let message = ours::write_message(folder, &from);
            let signed = ours::sign(who, options, &message)?;
            let content = folder.join("content");
            let seen = peer.ask(&["verify", &text(&signed), &text(&content)])?;
            if !algorithms.is_empty() {
                scenario::expect_equal("the algorithms", seen.as_str(), *algorithms)?;
            }
            let content = ours::read(&content)?;
            if encapsulating.iter().any(|t| options.contains(t)) {
                mail::expect_text(&mail::der(&content)?)
            } else {
                mail::expect_text(&content)
            }
        },
    );
}

/// Encryption of theirs that we open: recipients in the words of Peer.java, then in ours.
struct Encrypted {
    cipher: &'static str,
    content: &'static str,
    recipients: &'static [(&'static str, Recipient)],
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

const BOB: (&str, Recipient) = ("bob/rsa", ktri("rsa-pkcs1"));

#[rustfmt::skip]
const ENCRYPTED: &[Encrypted] = &[
    Encrypted { cipher: "AES128_CBC", content: "aes-128-cbc", recipients: &[BOB] },
    Encrypted { cipher: "AES192_CBC", content: "aes-192-cbc", recipients: &[BOB] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[BOB] },
    Encrypted { cipher: "DES_EDE3_CBC", content: "des-ede3-cbc", recipients: &[BOB] },
    Encrypted { cipher: "AES128_GCM", content: "aes-128-gcm", recipients: &[BOB] },
    Encrypted { cipher: "AES192_GCM", content: "aes-192-gcm", recipients: &[BOB] },
    Encrypted { cipher: "AES256_GCM", content: "aes-256-gcm", recipients: &[BOB] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("bob/oaep/SHA-1/SHA-1", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("bob/oaep/SHA-256/SHA-256", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("bob/oaep/SHA-384/SHA-384", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("bob/oaep/SHA-512/SHA-512", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES256_GCM", content: "aes-256-gcm", recipients: &[("bob/oaep/SHA-256/SHA-1", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES256_GCM", content: "aes-256-gcm", recipients: &[("heidi/oaep/SHA-1/SHA-256", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES128_CBC", content: "aes-128-cbc", recipients: &[("carol/ecdh/SHA1/AES128", kari("ecdh-sha1-aes128wrap"))] },
    Encrypted { cipher: "AES128_CBC", content: "aes-128-cbc", recipients: &[("carol/ecdh/SHA224/AES128", kari("ecdh-sha224-aes128wrap"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("carol/ecdh/SHA256/AES128", kari("ecdh-sha256-aes128wrap"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("carol/ecdh/SHA256/AES192", kari("ecdh-sha256-aes192wrap"))] },
    Encrypted { cipher: "AES256_GCM", content: "aes-256-gcm", recipients: &[("carol/ecdh/SHA256/AES256", kari("ecdh-sha256-aes256wrap"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("carol/eccdh/SHA256/AES256", kari("ecdh-sha256-aes256wrap"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("frank/ecdh/SHA384/AES256", kari("ecdh-sha384-aes256wrap"))] },
    Encrypted { cipher: "AES256_GCM", content: "aes-256-gcm", recipients: &[("grace/ecdh/SHA512/AES256", kari("ecdh-sha512-aes256wrap"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[("grace/eccdh/SHA1/AES192", kari("ecdh-sha1-aes192wrap"))] },
    Encrypted { cipher: "AES256_CBC", content: "aes-256-cbc", recipients: &[BOB, ("carol/ecdh/SHA256/AES128", kari("ecdh-sha256-aes128wrap")), ("heidi/oaep/SHA-256/SHA-256", ktri("rsa-oaep"))] },
    Encrypted { cipher: "AES256_GCM", content: "aes-256-gcm", recipients: &[("frank/ecdh/SHA384/AES256", kari("ecdh-sha384-aes256wrap")), BOB] },
];

/// Makes a message as `row` says, and checks what each recipient finds in it.
fn opens(peer: &Peer, row: &Encrypted, folder: &Path) -> Outcome {
    let entity = text(&ours::write(folder, "entity", &mail::entity()));
    let out = folder.join("in.eml");
    let file = text(&out);
    let mut words = vec!["encrypt", row.cipher, &entity, &file];
    words.extend(row.recipients.iter().map(|(words, _)| *words));
    peer.ask(&words)?;
    for (words, _) in row.recipients {
        let who = words.split('/').next().unwrap_or(words);
        ours::expect_opens(who, &out)?;
    }
    let expected: Vec<Recipient> = row.recipients.iter().map(|(_, one)| *one).collect();
    ours::expect_envelope(&ours::inspect(&[], &out)?, row.content, &expected)
}

#[test]
fn their_encryption_opens() {
    let Some(peer) = Peer::start() else { return };
    let rows = ENCRYPTED.iter().map(|row| {
        let to: Vec<&str> = row.recipients.iter().map(|(words, _)| *words).collect();
        (format!("{} to {}", row.cipher, to.join(", ")), row)
    });
    scenario::run("bouncy castle encrypts", rows, &[], |row, folder| {
        opens(&peer, row, folder)
    });
}

#[test]
fn their_compression_is_undone() {
    let Some(peer) = Peer::start() else { return };
    let rows = [("zlib".to_owned(), ())];
    scenario::run("bouncy castle compresses", rows, &[], |(), folder| {
        let entity = text(&ours::write(folder, "entity", &mail::entity()));
        let out = folder.join("in.eml");
        peer.ask(&["compress", &entity, &text(&out)])?;
        ours::expect_layers(&ours::inspect(&[], &out)?, "Z(C)")
    });
}

#[test]
fn our_encryption_opens() {
    let Some(peer) = Peer::start() else { return };
    let readers: [&[&str]; 6] = [
        &["bob"],
        &["heidi"],
        &["carol"],
        &["frank"],
        &["grace"],
        &["bob", "carol", "heidi", "grace"],
    ];
    let ciphers = [
        "aes-128-cbc",
        "aes-192-cbc",
        "aes-256-cbc",
        "aes-128-gcm",
        "aes-256-gcm",
    ];
    let rows = readers.iter().flat_map(|readers| {
        ciphers.iter().flat_map(move |cipher| {
            ["rsa-pkcs1", "rsa-oaep"].map(|scheme| {
                let name = format!("{cipher}, {scheme}, to {}", readers.join(", "));
                (name, (*readers, *cipher, scheme))
            })
        })
    });
    // Without an RSA key the scheme changes nothing.
    let rsa = |readers: &[&str]| readers.contains(&"bob") || readers.contains(&"heidi");
    let rows = rows.filter(|(_, (readers, _, scheme))| *scheme == "rsa-pkcs1" || rsa(readers));
    scenario::run(
        "bouncy castle decrypts",
        rows,
        &[],
        |(readers, cipher, scheme), folder| {
            let message = ours::write_message(folder, "alice@a.example");
            let options = ["--cipher", cipher, "--key-encryption", scheme];
            let encrypted = ours::encrypt(readers, &options, &message)?;
            for reader in *readers {
                let out = folder.join("content");
                peer.ask(&["decrypt", reader, &text(&encrypted), &text(&out)])?;
                mail::expect_text(&ours::read(&out)?)
                    .map_err(|error| format!("for {reader}: {error}"))?;
            }
            Ok(())
        },
    );
}
