//! Every exit code of CONTRACT that `verify`, `inspect` and `decrypt` can end with.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::cli::command;
use crate::cli::run;
use crate::cli::run_on;
use crate::cms::Signed;
use crate::cms::Signer;
use crate::mail::from_alice;
use crate::mail::letter;
use crate::mail::opaque;
use crate::pki;

const ENCRYPTED: &str = "certs/samples/encrypted.eml";
const SIGNED: &str = "certs/samples/signed-detached.eml";

#[track_caller]
fn exits(code: i32, arguments: &[&str]) {
    let ran = run(arguments);
    assert_eq!(ran.exit, code, "domsec {arguments:?}: {}", ran.stderr);
    if code >= 64 {
        assert!(
            ran.stdout.is_empty(),
            "domsec {arguments:?} prints a result all the same"
        );
        assert!(
            !ran.stderr.is_empty(),
            "domsec {arguments:?} does not say why"
        );
    }
}

#[test]
fn yes_is_0() {
    let bob = ["--key", "certs/bob.key", "--cert", "certs/bob.pem"];
    exits(0, &["verify", "--anchor", "certs/root.pem", SIGNED]);
    exits(0, &["inspect", SIGNED]);
    exits(0, &["inspect", ENCRYPTED]);
    exits(0, &["inspect", "--json", ENCRYPTED]);
    exits(0, &[&["decrypt"], &bob[..], &[ENCRYPTED]].concat());
    for command in ["verify", "inspect", "decrypt"] {
        exits(0, &["help", command]);
        exits(0, &[command, "--help"]);
    }
    exits(0, &["policy", "check", "policy/default.toml"]);
    exits(0, &["policy", "facts"]);
    exits(0, &["--version"]);
}

#[test]
fn no_is_1() {
    exits(1, &["policy", "check", "certs/root.pem"]);
    exits(
        1,
        &[
            "verify",
            "--anchor",
            "certs/root.pem",
            "certs/samples/unsigned.eml",
        ],
    );
    exits(
        1,
        &["verify", "--anchor", "certs/impostor-root.pem", SIGNED],
    );
    exits(1, &["verify", SIGNED]);
    exits(1, &["verify", "--anchor", "certs/root.pem", ENCRYPTED]);
    exits(
        1,
        &[
            "verify",
            "--anchor",
            "certs/root.pem",
            "--from",
            "bob@b.example",
            SIGNED,
        ],
    );
}

#[test]
fn usage_is_64() {
    exits(64, &[]);
    exits(64, &["verify"]);
    exits(64, &["nonsense"]);
    for command in ["verify", "inspect", "decrypt"] {
        exits(64, &[command]);
        exits(64, &[command, "--nonsense", SIGNED]);
        exits(64, &[command, SIGNED, SIGNED]);
        exits(64, &[command, "--key", "certs/bob.key", ENCRYPTED]);
        exits(64, &[command, "--cert", "certs/bob.pem", ENCRYPTED]);
    }
    exits(64, &["verify", "--at", "yesterday", SIGNED]);
    exits(64, &["verify", "--at", "2026-13-01T00:00:00Z", SIGNED]);
    exits(64, &["verify", "--from", "nobody", SIGNED]);
    exits(64, &["verify", "--from", "", SIGNED]);
    exits(64, &["verify", "--purpose", "tls", SIGNED]);
    exits(64, &["verify", "--revocation", "perhaps", SIGNED]);
    exits(64, &["decrypt", ENCRYPTED]);
}

#[test]
fn input_that_is_not_what_it_should_be_is_65() {
    let bob = ["--key", "certs/bob.key", "--cert", "certs/bob.pem"];
    exits(65, &[&["decrypt"], &bob[..], &[SIGNED]].concat());
    exits(
        65,
        &[&["decrypt"], &bob[..], &["certs/samples/unsigned.eml"]].concat(),
    );
    exits(
        65,
        &[
            "decrypt",
            "--key",
            "certs/alice.key",
            "--cert",
            "certs/alice.pem",
            ENCRYPTED,
        ],
    );
    exits(65, &["verify", "--anchor", "certs/README.md", SIGNED]);
    exits(65, &["verify", "--anchor", "certs/root.crl", SIGNED]);
    exits(
        65,
        &[
            "verify",
            "--anchor",
            "certs/root.pem",
            "--crl",
            "certs/root.pem",
            SIGNED,
        ],
    );
    exits(
        65,
        &[
            "verify",
            "--anchor",
            "certs/root.pem",
            "--intermediate",
            "certs/alice.key",
            SIGNED,
        ],
    );
    exits(
        65,
        &[
            "decrypt",
            "--key",
            "certs/bob.pem",
            "--cert",
            "certs/bob.pem",
            ENCRYPTED,
        ],
    );
    exits(
        65,
        &[
            "decrypt",
            "--key",
            "certs/bob.key",
            "--cert",
            "certs/bob.key",
            ENCRYPTED,
        ],
    );
    exits(
        65,
        &[
            "decrypt",
            "--key",
            "certs/alice.key",
            "--cert",
            "certs/bob.pem",
            ENCRYPTED,
        ],
    );
    let empty = pki::file(".pem", b"");
    exits(65, &["verify", "--anchor", empty.to_str().unwrap(), SIGNED]);
    let wrong = pki::file(".password", b"wrong\n");
    exits(
        65,
        &[
            "decrypt",
            "--p12",
            "certs/bob.p12",
            "--password-file",
            wrong.to_str().unwrap(),
            ENCRYPTED,
        ],
    );
    let right = pki::file(".password", b"x\n");
    exits(
        0,
        &[
            "decrypt",
            "--p12",
            "certs/bob.p12",
            "--password-file",
            right.to_str().unwrap(),
            ENCRYPTED,
        ],
    );
}

#[test]
fn no_such_file_is_66() {
    for command in ["verify", "inspect"] {
        exits(66, &[command, "certs/samples/nothing.eml"]);
    }
    exits(66, &["verify", "--anchor", "certs/nothing.pem", SIGNED]);
    exits(66, &["verify", "--crl", "certs/nothing.crl", SIGNED]);
    exits(
        66,
        &["verify", "--intermediate", "certs/nothing.pem", SIGNED],
    );
    exits(
        66,
        &[
            "decrypt",
            "--key",
            "certs/nothing.key",
            "--cert",
            "certs/bob.pem",
            ENCRYPTED,
        ],
    );
    exits(
        66,
        &[
            "decrypt",
            "--key",
            "certs/bob.key",
            "--cert",
            "certs/nothing.pem",
            ENCRYPTED,
        ],
    );
    exits(66, &["decrypt", "--p12", "certs/nothing.p12", ENCRYPTED]);
    let bob = ["--key", "certs/bob.key", "--cert", "certs/bob.pem"];
    exits(
        66,
        &[&["decrypt"], &bob[..], &["certs/samples/nothing.eml"]].concat(),
    );
    let p12 = [
        "decrypt",
        "--p12",
        "certs/bob.p12",
        "--password-file",
        "certs/nothing",
        ENCRYPTED,
    ];
    exits(66, &p12);
}

#[test]
fn input_and_output_that_fail_are_74() {
    exits(74, &["inspect", "certs"]);
    exits(74, &["verify", "--anchor", "certs", SIGNED]);
    let decrypt = [
        "decrypt",
        "--key",
        "certs/bob.key",
        "--cert",
        "certs/bob.pem",
    ];
    // No such file is a matter of input; where output cannot go is not.
    exits(
        74,
        &[
            &decrypt[..],
            &["-o", "certs/no/such/folder/out.eml", ENCRYPTED],
        ]
        .concat(),
    );
    // A folder stands in the way: what was decrypted must not lie about under another name.
    let file = pki::file(".out", b"");
    let folder = file.with_extension("folder").join("inner");
    std::fs::create_dir_all(&folder).unwrap();
    exits(
        74,
        &[&decrypt[..], &["-o", folder.to_str().unwrap(), ENCRYPTED]].concat(),
    );
    let left = std::fs::read_dir(folder.parent().unwrap()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["inner"], "something is left over");
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for arguments in [
        &["inspect", SIGNED][..],
        &["inspect", "--json", SIGNED],
        &["verify", "--anchor", "certs/root.pem", SIGNED],
        &[&decrypt[..], &[ENCRYPTED]].concat(),
    ] {
        // `output` would put a pipe where the full device shall be.
        let status = command(arguments)
            .stdout(full())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(
            status.code(),
            Some(74),
            "domsec {arguments:?} to a full device"
        );
    }
}

#[test]
fn a_hyphen_is_standard_input() {
    let message = from_alice(&opaque(
        &Signed::by([Signer::of("alice")], &letter()).opaque(),
    ));
    let file = pki::file(".eml", &message);
    for (arguments, code) in [
        (vec!["verify", "--anchor", "certs/root.pem", "-"], 0),
        (vec!["verify", "-"], 1),
        (vec!["inspect", "-"], 0),
        (
            vec![
                "decrypt",
                "--key",
                "certs/bob.key",
                "--cert",
                "certs/bob.pem",
                "-",
            ],
            65,
        ),
    ] {
        let ran = run_on(&file, command(&arguments).stdin(File::open(&file).unwrap()));
        assert_eq!(ran.exit, code, "{arguments:?}: {}", ran.stderr);
    }
    let ran = run_on(
        Path::new("nothing"),
        command(&["verify", "-"]).stdin(Stdio::null()),
    );
    assert_ne!(ran.exit, 0);
}

#[test]
fn what_a_message_says_cannot_speak_to_the_terminal() {
    let fields = "From: \"\x1b[2J\x1b]0;x\x07\" <alice@a.example>\r\nSubject: \x1b[31m\r\n";
    let content = letter();
    let odd = crate::mail::replaced(&content, "us-ascii", "\"\x1b[2J\"");
    let signed = Signed::by([Signer::of("alice")], &odd).opaque();
    let file = pki::file(".eml", &crate::mail::message_with(fields, &opaque(&signed)));
    for command_line in [
        vec!["verify", "--anchor", "certs/root.pem"],
        vec!["inspect"],
    ] {
        let ran = run_on(
            &file,
            command(&command_line).arg("--color=never").arg(&file),
        );
        assert!(!ran.stdout.contains(&0x1b), "{}", file.display());
        assert!(!ran.stderr.contains('\x1b'), "{}", file.display());
    }
}
