//! `deploy/demo`, as anybody runs it: what it says, and that it leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use tempfile::TempDir;

use crate::postfix;
use crate::processes::free_address;

/// Runs it with `program`, all its files in `folder`.
fn demonstration(program: &Path, folder: &Path) -> Output {
    let ports: Vec<String> = std::iter::repeat_with(|| free_address().port().to_string())
        .take(5)
        .collect();
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/demo"))
        .env("DOMSEC", program)
        .env("DEMO_PORTS", ports.join(" "))
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .output()
        .expect("deploy/demo")
}

/// A folder whose way is open to the users of Postfix.
fn folder() -> TempDir {
    let folder = TempDir::with_prefix("domsec-demonstration-").expect("a folder");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("our own folder");
    folder
}

/// Fails if a file is left in `folder`, or a process that has to do with it.
fn expect_nothing_left(folder: &Path) {
    assert_eq!(fs::read_dir(folder).expect("our own folder").count(), 0);
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    for process in processes.map(|entry| entry.path()) {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let within = fs::read_link(process.join("cwd")).unwrap_or_default();
        let name = folder.display().to_string();
        assert!(
            !command.contains(&name) && !within.starts_with(folder),
            "{}: {command}",
            process.display()
        );
    }
}

#[test]
fn the_demonstration_shows_a_message_from_end_to_end() {
    if !postfix::can_run() {
        return;
    }
    let folder = folder();
    let output = demonstration(Path::new(env!("CARGO_BIN_EXE_domsec")), folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert_eq!(errors, "", "{said}");
    for shown in [
        "    Subject: [...]\n",
        "    E(S[domain](S[empty](C)))\n",
        "    Authentication-Results: gw.b.example; smime=pass\n",
        "outcome=deliver rule=\"partners\" layers=C sealed=E(S[domain](S[empty](C)))",
        "arrived decrypted, verified and marked.\n",
    ] {
        assert!(said.contains(shown), "{shown:?}\n{said}");
    }
    // As alice wrote it and as bob gets it, and nowhere else.
    assert_eq!(
        said.matches("the figures for September").count(),
        2,
        "{said}"
    );
    expect_nothing_left(folder.path());
}

#[test]
fn the_demonstration_fails_where_mail_is_not_opened() {
    if !postfix::can_run() {
        return;
    }
    let (folder, programs) = (folder(), folder());
    let [program, real] = ["wrapper", "domsec"].map(|name| programs.path().join(name));
    fs::copy(env!("CARGO_BIN_EXE_domsec"), &real).expect("a copy");
    // The gateway of b decides, and changes nothing.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != serve ] || sed -i 's/^mode = .*/mode = \"monitor\"/' \"$3\"\n\
         exec {} \"$@\"\n",
        real.display()
    );
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("our own file");
    let output = demonstration(&program, folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("\nFAILED: it is not decrypted\n"), "{said}");
    expect_nothing_left(folder.path());
}
