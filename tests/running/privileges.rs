//! Root gives its rights up.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::process::DOMSEC;
use crate::process::Laid;
use crate::process::Running;
use crate::process::is_root;

/// `nobody`, and its group `nogroup` on Debian, `nobody` elsewhere.
const NOBODY: u32 = 65_534;
/// A group that no user is in.
const GROUP: u32 = 4_242;

/// A folder that belongs to nobody, with `user = "nobody"` in its configuration.
fn for_nobody() -> Laid {
    let laid = Laid::out();
    laid.add(&format!("user = \"nobody\"\ngroup = \"{GROUP}\""));
    laid.give(&format!("{NOBODY}:{GROUP}"));
    laid
}

/// What the kernel says of every thread of it, under `name`.
fn facts(running: &Running, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", running.id())).expect("its threads");
    let all = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    });
    let mut all: Vec<String> = all.collect();
    all.dedup();
    all
}

#[test]
fn root_becomes_the_user_of_the_configuration_for_good() {
    if !is_root() {
        return;
    }
    let laid = for_nobody();
    let mut running = laid.start(&mut laid.serve());
    for (name, value) in [
        ("Uid:", "65534\t65534\t65534\t65534"),
        ("Gid:", "4242\t4242\t4242\t4242"),
        ("CapEff:", "0000000000000000"),
        ("CapPrm:", "0000000000000000"),
        ("CapInh:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
    ] {
        assert_eq!(facts(&running, name), [value], "{name}");
    }
    let groups = facts(&running, "Groups:");
    let groups: Vec<&str> = groups.iter().flat_map(|line| line.split(' ')).collect();
    assert!(
        groups.contains(&"4242") && !groups.contains(&"0"),
        "{groups:?}"
    );
    assert!(
        !running.log().contains("rights of root"),
        "{}",
        running.log()
    );

    // Its own socket, which it can remove.
    let about = fs::symlink_metadata(laid.path("domsec.sock")).expect("a socket");
    assert_eq!((about.uid(), about.gid()), (NOBODY, GROUP));
    assert_eq!(about.mode() & 0o777, 0o660);
    // Keys of mode 0600, read again as the user.
    running.signal("HUP");
    running.wait_log("were read anew");
    running.terminate();
    assert!(!laid.path("domsec.sock").exists());
}

#[test]
fn what_the_user_cannot_read_is_refused_at_the_start_and_by_check() {
    if !is_root() {
        return;
    }
    for name in ["keys/domain.key", "domsec.toml", "policy.toml"] {
        let laid = for_nobody();
        let path = laid.path(name);
        chown(&path, Some(0), Some(0)).expect("we are root");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("we are root");
        let (code, said) = laid.refused(&mut laid.serve());
        assert_eq!(code, 78, "{said}");
        for wanted in ["user \"nobody\" cannot open", "chown nobody", name] {
            assert!(said.contains(wanted), "no {wanted:?} in {said}");
        }
        assert!(!laid.path("domsec.sock").exists());
        let (code, found) = laid.check();
        assert_eq!(code, 1, "{found}");
        assert!(found.contains("as user nobody finds it"), "{found}");
        assert!(found.contains("Permission denied"), "{found}");
    }
}

#[test]
fn check_finds_nothing_where_all_is_the_users() {
    if !is_root() {
        return;
    }
    let laid = for_nobody();
    let (code, found) = laid.check();
    assert_eq!(code, 0, "{found}");
    assert!(!found.contains("\nwarning "), "{found}");
    // Made by root there; the user could not take it away.
    fs::create_dir(laid.path("run")).expect("a folder");
    laid.edit("unix:domsec.sock", "unix:run/domsec.sock");
    let (code, found) = laid.check();
    assert_eq!(code, 0, "{found}");
    assert!(found.contains("user nobody cannot remove it"), "{found}");
}

#[test]
fn who_is_not_root_becomes_nobody_else() {
    if !is_root() {
        return;
    }
    let laid = Laid::out();
    laid.add("user = \"daemon\"");
    laid.give("nobody");
    // Where everybody finds it.
    let program = laid.path("domsec");
    fs::copy(DOMSEC, &program).expect("a copy");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("our copy");
    let mut command = Command::new(&program);
    let command = command.args(["serve", "--config"]).arg(laid.config());
    let command = command.uid(NOBODY).gid(NOBODY);
    let (code, said) = laid.refused(command);
    assert_eq!(code, 78, "{said}");
    let wanted = "started by user 65534 and cannot become user = \"daemon\"";
    assert!(said.contains(wanted), "{said}");
    assert!(!laid.path("domsec.sock").exists());
    // Who is it already has nothing to do.
    laid.edit("user = \"daemon\"", "user = \"nobody\"");
    laid.give("nobody");
    let mut running = laid.start(command);
    running.terminate();
    // Who could be root again is not it.
    let mut command = Command::new("setpriv");
    command.args([
        "--ruid=0",
        "--euid=65534",
        "--regid=65534",
        "--clear-groups",
    ]);
    command
        .arg(&program)
        .args(["serve", "--config"])
        .arg(laid.config());
    let (code, said) = laid.refused(&mut command);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("are left (user)"), "{said}");
}

#[test]
fn root_without_a_user_is_warned() {
    if !is_root() {
        return;
    }
    let laid = Laid::out();
    let running = laid.start(&mut laid.serve());
    let log = running.log();
    assert!(
        log.contains("WARN") && log.contains("write user = \"domsec\""),
        "{log}"
    );
}
