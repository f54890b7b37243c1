//! Rows of what must hold, settled against the table of what is known not to.

use serde_json::Value as Json;

/// A row where we do not do as the maker of the file says.
pub(super) struct Departure {
    /// The name of the row.
    pub(super) row: &'static str,
    /// Why.
    pub(super) reason: &'static str,
}

/// The rows of one test.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<(String, Result<(), String>)>,
}

impl Rows {
    /// Adds what came of one row.
    pub(super) fn add(&mut self, name: impl Into<String>, outcome: Result<(), String>) {
        self.rows.push((name.into(), outcome));
    }

    /// Adds a row that asks whether a report holds `wanted`.
    pub(super) fn report(
        &mut self,
        name: impl Into<String>,
        report: Result<Json, String>,
        wanted: &Json,
    ) {
        self.add(name, report.and_then(|found| holds(&found, wanted)));
    }

    /// Fails with every row that is not as it should be: those that fail and are in no table, and
    /// those that pass and are in it.
    pub(super) fn settle(self, departures: &[Departure]) {
        let departs = |name: &str| departures.iter().find(|departure| departure.row == name);
        let mut wrong = Vec::new();
        for (name, outcome) in &self.rows {
            match (outcome, departs(name)) {
                (Ok(()), None) | (Err(_), Some(_)) => {}
                (Err(error), None) => wrong.push(format!("{name}: {error}")),
                (Ok(()), Some(departure)) => wrong.push(format!(
                    "{name}: passes, but stands in the table of departures: {}",
                    departure.reason
                )),
            }
        }
        for departure in departures {
            if self.rows.iter().all(|(name, _)| name != departure.row) {
                wrong.push(format!(
                    "{}: is in the table of departures and no row",
                    departure.row
                ));
            }
        }
        assert!(!self.rows.is_empty(), "no rows at all");
        let count = self.rows.len();
        assert!(
            wrong.is_empty(),
            "{} of {count} rows:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}

/// Whether `found` holds all that `wanted` says.
///
/// An object may have more keys than are wanted, a list may not have more elements. A string that
/// begins with `~` stands for any that contains the rest; null, for a key that is not there.
pub(super) fn holds(found: &Json, wanted: &Json) -> Result<(), String> {
    differences(found, wanted, "report").map_or(Ok(()), |difference| {
        Err(format!("{difference}, in {found}"))
    })
}

fn differences(found: &Json, wanted: &Json, at: &str) -> Option<String> {
    match (found, wanted) {
        (Json::Object(found), Json::Object(wanted)) => wanted.iter().find_map(|(key, wanted)| {
            differences(
                found.get(key).unwrap_or(&Json::Null),
                wanted,
                &format!("{at}.{key}"),
            )
        }),
        (Json::Array(found), Json::Array(wanted)) if found.len() == wanted.len() => {
            let mut pairs = found.iter().zip(wanted).enumerate();
            pairs.find_map(|(index, (found, wanted))| {
                differences(found, wanted, &format!("{at}[{index}]"))
            })
        }
        (Json::String(found), Json::String(wanted)) if wanted.starts_with('~') => {
            let missing = !found.contains(wanted.trim_start_matches('~'));
            missing.then(|| format!("{at} is {found:?}, without {wanted:?}"))
        }
        _ if found == wanted => None,
        _ => Some(format!("{at} is {found}, not {wanted}")),
    }
}

#[test]
fn a_row_holds_only_what_is_said() {
    let found = serde_json::json!({"a": [1, {"b": "some text"}], "c": true});
    let wanted = |text: &str| serde_json::from_str(text).unwrap();
    for good in [
        r#"{}"#,
        r#"{"a": [1, {}]}"#,
        r#"{"a": [1, {"b": "~text"}]}"#,
        r#"{"d": null}"#,
    ] {
        assert_eq!(holds(&found, &wanted(good)), Ok(()), "{good}");
    }
    for bad in [
        r#"{"a": [1]}"#,
        r#"{"a": [1, {"b": "~no"}]}"#,
        r#"{"c": null}"#,
        r#"{"d": 1}"#,
    ] {
        assert!(holds(&found, &wanted(bad)).is_err(), "{bad}");
    }
}

#[test]
#[should_panic(expected = "stands in the table of departures")]
fn an_unexpected_pass_fails() {
    let mut rows = Rows::default();
    rows.add("one", Ok(()));
    rows.settle(&[Departure {
        row: "one",
        reason: "it is said to fail",
    }]);
}
