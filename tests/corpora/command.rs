//! The `domsec` command, run as CONTRACT has it.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value as Json;

/// What a run came to.
#[derive(Debug)]
pub(super) struct Run {
    /// The exit code; a run that a signal ended fails the test.
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Run {
    /// The JSON report; every run with `--json` and exit code 0 or 1 prints one.
    pub(super) fn json(&self) -> Result<Json, String> {
        if self.code > 1 {
            return Err(format!("exit code {}: {}", self.code, self.stderr.trim()));
        }
        let text = String::from_utf8_lossy(&self.stdout);
        serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}: {text}"))
    }

    /// What was printed, when all went well.
    pub(super) fn output(self) -> Result<Vec<u8>, String> {
        if self.code == 0 {
            Ok(self.stdout)
        } else {
            Err(format!("exit code {}: {}", self.code, self.stderr.trim()))
        }
    }

    /// Whether it was refused with that exit code, for the reason that has `words`.
    pub(super) fn refused(&self, code: i32, words: &str) -> Result<(), String> {
        if self.code != code {
            return Err(format!(
                "exit code {}, not {code}: {}",
                self.code,
                self.stderr.trim()
            ));
        }
        if !self.stdout.is_empty() {
            return Err("it was refused, and something was printed all the same".to_owned());
        }
        if self.stderr.contains(words) {
            Ok(())
        } else {
            Err(format!("{:?} does not say {words:?}", self.stderr.trim()))
        }
    }
}

/// Runs `domsec` with `arguments`.
pub(super) fn domsec<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_domsec"))
        .args(arguments)
        .output()
        .expect("the command is run");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    Run {
        code: code.unwrap_or_else(|| panic!("ended by a signal: {}: {stderr}", output.status)),
        stdout: output.stdout,
        stderr,
    }
}

/// `domsec inspect --json`.
pub(super) fn inspect(options: &[&str], file: &str) -> Result<Json, String> {
    let run = domsec(["inspect", "--json"].iter().chain(options).chain(&[file]));
    if run.code == 1 {
        return Err("inspect asks nothing, so that no answer can be no".to_owned());
    }
    run.json()
}

/// `domsec verify --json`: the report, whose verdict the exit code must say, too.
pub(super) fn verify(options: &[&str], file: &str) -> Result<Json, String> {
    let run = domsec(["verify", "--json"].iter().chain(options).chain(&[file]));
    let report = run.json()?;
    let valid = report["verdict"] == "valid";
    if valid == (run.code == 0) {
        Ok(report)
    } else {
        Err(format!(
            "exit code {} beside the verdict {}",
            run.code, report["verdict"]
        ))
    }
}

/// `domsec decrypt`.
pub(super) fn decrypt(options: &[&str], file: &str) -> Run {
    domsec(["decrypt"].iter().chain(options).chain(&[file]))
}
