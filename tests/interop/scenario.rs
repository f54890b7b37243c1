//! Rows of a table, run one by one, and what came of them reported together.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

#[path = "../peers/mod.rs"]
mod peers;

pub(crate) use peers::installed;

/// How a scenario ends: `Err` says what was not as it should be.
pub(crate) type Outcome = Result<(), String>;

/// A scenario that is known not to hold, and why that is right or none of our doing.
pub(crate) struct Departure {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
}

/// Runs `check` on every row, each in an empty folder of its own, and fails with all that went wrong.
///
/// A row whose name `departures` lists must fail; one that passes there is a failure too, and so is a
/// departure that names no row.
pub(crate) fn run<R>(
    table: &str,
    rows: impl IntoIterator<Item = (String, R)>,
    departures: &[Departure],
    check: impl Fn(&R, &Path) -> Outcome,
) {
    let mut reports = Vec::new();
    let mut met = Vec::new();
    let mut count = 0_usize;
    for (name, row) in rows {
        count += 1;
        let folder = TempDir::new().expect("a folder for the scenario");
        let outcome = check(&row, folder.path());
        let departure = departures.iter().find(|departure| departure.name == name);
        met.extend(departure.map(|departure| departure.name));
        match (outcome, departure) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(error), None) => reports.push(format!("{table}: {name}: {error}")),
            (Ok(()), Some(departure)) => reports.push(format!(
                "{table}: {name}: passes, and is listed as a departure: {}",
                departure.reason
            )),
        }
    }
    let idle = departures
        .iter()
        .filter(|departure| !met.contains(&departure.name));
    reports.extend(idle.map(|departure| format!("{table}: no scenario {:?}", departure.name)));
    assert!(
        reports.is_empty(),
        "\n{} of {count} scenarios:\n{}\n",
        reports.len(),
        reports.join("\n")
    );
    assert!(count > 0, "{table} has no scenario");
}

/// Runs a program and returns its standard output; `Err` has the command and its last words.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{} {}: {}: {}",
            command.get_program().display(),
            arguments(command),
            output.status,
            errors.trim()
        ))
    }
}

fn arguments(command: &Command) -> String {
    let words: Vec<String> = command
        .get_args()
        .map(OsStr::to_string_lossy)
        .map(|word| word.into_owned())
        .collect();
    words.join(" ")
}

/// `Err` with both values where they differ.
pub(crate) fn expect_equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    actual: T,
    expected: T,
) -> Outcome {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what} is {actual:?}, not {expected:?}"))
    }
}

mod rules {
    use super::*;

    const DEPARTURES: &[Departure] = &[Departure {
        name: "two",
        reason: "the peer cannot",
    }];

    fn rows() -> [(String, bool); 2] {
        [("one".to_owned(), true), ("two".to_owned(), false)]
    }

    fn check(passes: &bool, _: &Path) -> Outcome {
        passes.then_some(()).ok_or_else(|| "no".to_owned())
    }

    #[test]
    fn a_listed_departure_is_no_failure() {
        run("table", rows(), DEPARTURES, check);
    }

    #[test]
    #[should_panic(expected = "table: two: no")]
    fn a_failure_is_reported_by_its_name() {
        run("table", rows(), &[], check);
    }

    #[test]
    #[should_panic(expected = "table: two: passes, and is listed as a departure: the peer cannot")]
    fn an_unexpected_pass_fails() {
        run("table", rows(), DEPARTURES, |_, _| Ok(()));
    }

    #[test]
    #[should_panic(expected = "no scenario \"two\"")]
    fn a_departure_without_a_scenario_fails() {
        let one = rows().into_iter().take(1);
        run("table", one, DEPARTURES, check);
    }
}
