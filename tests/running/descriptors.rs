//! How many files and sockets the gateway may open.

use std::fs;
use std::process::Command;

use crate::process::DOMSEC;
use crate::process::Laid;
use crate::process::Running;

/// Serves with other limits, as the shell sets them.
fn limited(laid: &Laid, limit: &str) -> Running {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("ulimit {limit} && exec \"$@\""),
        "sh",
        DOMSEC,
    ]);
    command.args(["serve", "--config"]).arg(laid.config());
    laid.start(&mut command)
}

/// The soft and the hard limit.
fn limits(running: &Running) -> (String, String) {
    let all = fs::read_to_string(format!("/proc/{}/limits", running.id())).expect("a process");
    let line = all.lines().find(|line| line.starts_with("Max open files"));
    let mut words = line.expect("a limit").split_whitespace().skip(3);
    let mut next = || words.next().expect("a number").to_owned();
    (next(), next())
}

#[test]
fn as_many_files_and_sockets_are_taken_as_are_allowed() {
    let laid = Laid::out();
    let running = limited(&laid, "-Sn 256");
    let (soft, hard) = limits(&running);
    assert_eq!(soft, hard);
    assert_ne!(soft, "256");
}

#[test]
fn too_few_files_and_sockets_are_warned_of() {
    let laid = Laid::out();
    let running = limited(&laid, "-n 1000");
    let log = running.log();
    assert!(log.contains("at most 1000 files and sockets"), "{log}");
    assert!(log.contains("LimitNOFILE"), "{log}");
}
