//! Passwords of key files, from systemd's credentials and from files; and certificates out of their dates.

use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::process::Laid;
use crate::process::run;

const PASSWORD: &str = "correct horse";

/// A folder whose domain key is encrypted, with `lines` in its entry.
fn encrypted(lines: &str) -> Laid {
    let laid = Laid::out();
    let (key, clear) = (laid.path("keys/domain.key"), laid.path("clear.key"));
    fs::rename(&key, &clear).expect("a key");
    run(Command::new("openssl")
        .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout"])
        .arg(format!("pass:{PASSWORD}"))
        .arg("-in")
        .arg(&clear)
        .arg("-out")
        .arg(&key));
    fs::remove_file(clear).expect("a key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a key");
    laid.edit("role = \"domain\"", &format!("role = \"domain\"\n{lines}"));
    laid
}

#[test]
fn a_password_comes_from_a_credential() {
    let laid = encrypted("password_credential = \"domain-key\"");
    let (code, said) = laid.refused(&mut laid.serve());
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("LoadCredential=domain-key:"), "{said}");
    let (code, found) = laid.check();
    assert_eq!(code, 0, "{found}");
    assert!(
        found.contains("a credential of the service (domain-key)"),
        "{found}"
    );

    // As systemd has it for a service: a folder of its own, and 0440 with an ACL.
    let credentials = laid.path("credentials");
    fs::create_dir(&credentials).expect("a folder");
    let credential = credentials.join("domain-key");
    fs::write(&credential, format!("{PASSWORD}\n")).expect("a credential");
    fs::set_permissions(&credential, Permissions::from_mode(0o440)).expect("a credential");
    let mut command = laid.serve();
    let command = command.env("CREDENTIALS_DIRECTORY", &credentials);
    laid.start(command).terminate();

    fs::set_permissions(&credential, Permissions::from_mode(0o600)).expect("a credential");
    fs::write(&credential, "xyzzy\n").expect("a credential");
    let (code, said) = laid.refused(command);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("keys/domain.key"), "{said}");
    assert!(!said.contains("xyzzy"), "{said}");
}

#[test]
fn sighup_while_keys_are_opened_is_a_reload_once_they_are() {
    let laid = encrypted("password_credential = \"domain-key\"");
    let credentials = laid.path("credentials");
    fs::create_dir(&credentials).expect("a folder");
    // Nobody reads on before somebody writes.
    let credential = credentials.join("domain-key");
    run(Command::new("mkfifo").args(["-m", "600"]).arg(&credential));
    let running = laid.spawn(laid.serve().env("CREDENTIALS_DIRECTORY", &credentials));
    // Waits until it is read.
    let mut writer = File::create(&credential).expect("a reader");
    running.signal("HUP");
    fs::remove_file(&credential).expect("a name of a pipe");
    fs::write(&credential, PASSWORD).expect("a credential");
    fs::set_permissions(&credential, Permissions::from_mode(0o600)).expect("a credential");
    writer.write_all(PASSWORD.as_bytes()).expect("a reader");
    drop(writer);
    running.wait_log("were read anew");
}

#[test]
fn a_credential_is_a_name_and_no_way_out_of_its_folder() {
    for name in ["", "..", "../keys/domain.password", "/etc/shadow"] {
        let laid = encrypted(&format!("password_credential = \"{name}\""));
        let folder = laid.path("keys");
        let (code, said) = laid.refused(laid.serve().env("CREDENTIALS_DIRECTORY", folder));
        assert_eq!(code, 78, "{said}");
        assert!(said.contains("is a name, not a path"), "{said}");
    }
}

#[test]
fn a_password_file_that_others_can_read_keeps_the_gateway_from_starting() {
    let laid = encrypted("password_file = \"keys/password\"");
    let path = laid.path("keys/password");
    fs::write(&path, PASSWORD).expect("a password");
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a password");
        let (code, said) = laid.refused(&mut laid.serve());
        assert_eq!(code, 78, "{mode:o}: {said}");
        assert!(said.contains("chmod 600"), "{said}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a password");
    let mut running = laid.start(&mut laid.serve());
    // The same at a reload, where the old keys stay.
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a password");
    running.signal("HUP");
    running.wait_log("the new configuration is refused");
    running.terminate();
}

#[test]
fn a_key_that_others_can_read_is_warned_of_in_the_log() {
    let laid = Laid::out();
    let key = laid.path("keys/dca.key");
    fs::set_permissions(key, Permissions::from_mode(0o644)).expect("a key");
    let running = laid.start(&mut laid.serve());
    let log = running.log();
    assert!(
        log.contains("keys/dca.key: group or others have access"),
        "{log}"
    );
}

#[test]
fn a_clock_before_the_beginning_of_a_certificate_is_told_of() {
    let laid = Laid::out();
    let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let entry = |name: &str| {
        format!(
            "[[key]]\nrole = \"delegated\"\naddress = \"alice@a.example\"\ncert = \"{0}/{name}.pem\"\n\
             key = \"{0}/{name}.key\"\n\n[trust]\n",
            certs.display()
        )
    };
    let both = entry("alice-future").replace("[trust]\n", "") + &entry("alice-expired");
    laid.edit("[trust]\n", &both);
    let running = laid.start(&mut laid.serve());
    let log = running.log();
    for said in ["look at the clock of this host", "get a new certificate"] {
        let wanted = |line: &str| line.contains("ERROR") && line.contains(said);
        assert!(log.lines().any(wanted), "no {said:?} in {log}");
    }
}
