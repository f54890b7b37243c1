//! `domsec check` and `domsec config` as an administrator runs them: exit codes, and what is printed.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use domsec::cli::quickstart::lay_out;
use domsec::config::Config;
use domsec::x509::Time;
use tempfile::TempDir;

/// Runs the program with nothing but `path` on PATH.
fn domsec(path: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_domsec"))
        .args(arguments)
        .env("PATH", path)
        .output()
        .expect("the program runs");
    let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
    let code = output.status.code().expect("a code");
    (code, text(output.stdout), text(output.stderr))
}

fn laid_out() -> TempDir {
    #[expect(clippy::disallowed_methods, reason = "the program asks the clock too")]
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Time::from_unix(now.as_secs().try_into().unwrap()).unwrap();
    let folder = TempDir::new().unwrap();
    lay_out(folder.path(), &"a.example".parse().unwrap(), now).unwrap();
    folder
}

#[test]
fn check_says_yes_and_what_the_mail_server_needs() {
    let folder = laid_out();
    let config = folder.path().join("domsec.toml");
    let (code, out, err) = domsec(
        folder.path(),
        &["check", "--config", config.to_str().unwrap()],
    );
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("ok      configuration "), "{out}");
    // Root is told that it can read every key.
    let doubtful = |line: &&str| line.starts_with("warning ") && !line.contains("is run by root");
    assert_eq!(out.lines().find(doubtful), None, "{out}");
    assert!(!out.contains("\nerror "), "{out}");
    assert!(
        out.contains("\n    milter_default_action = tempfail\n"),
        "{out}"
    );
    assert!(!out.contains("Postfix has"), "{out}");
}

#[test]
fn check_says_no_to_a_key_that_others_can_read() {
    let folder = laid_out();
    let key = folder.path().join("keys/dca.key");
    fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    let config = folder.path().join("domsec.toml");
    let (code, out, _) = domsec(
        folder.path(),
        &["check", "--config", config.to_str().unwrap()],
    );
    assert_eq!(code, 1);
    assert!(out.contains("\nerror   "), "{out}");
}

#[test]
fn check_asks_postfix_where_there_is_one() {
    let folder = laid_out();
    let config = folder.path().join("domsec.toml");
    for (action, code) in [("accept", 1), ("tempfail", 0)] {
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = -h ] || exit 1\n\
             [ \"$2\" = milter_default_action ] && echo {action} || echo\n"
        );
        let postconf = folder.path().join("postconf");
        fs::write(&postconf, script).unwrap();
        fs::set_permissions(&postconf, Permissions::from_mode(0o755)).unwrap();
        let arguments = ["check", "--config", config.to_str().unwrap()];
        let (exit, out, _) = domsec(folder.path(), &arguments);
        assert_eq!(exit, code, "{out}");
        let said = format!("Postfix has milter_default_action = {action}");
        assert!(out.contains(&said), "{out}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_78() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("domsec.toml");
    let arguments = ["check", "--config", config.to_str().unwrap()];
    let (code, out, err) = domsec(folder.path(), &arguments);
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    assert!(err.contains("could not be read"), "{err}");
    fs::write(&config, "domains = 1\n").unwrap();
    let (code, _, err) = domsec(folder.path(), &arguments);
    assert_eq!(code, 78);
    assert!(err.contains("domsec.toml:1:"), "{err}");
}

#[test]
fn config_prints_the_default_on_request() {
    let nowhere = Path::new("/nonexistent");
    let (code, out, _) = domsec(nowhere, &["config", "--default"]);
    assert_eq!((code, out.as_str()), (0, Config::DOCUMENTED));
    assert_eq!(domsec(nowhere, &["config"]).0, 64);
}
