//! `src/manual/metrics.md`, the alerts and the dashboard: their metrics are those of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use domsec::telemetry::family::Described;
use domsec::telemetry::family::Kind;
use domsec::telemetry::metrics::Metrics;
use prometheus::Registry;
use serde_json::Value;

use crate::fail_with;
use crate::read;
use crate::root;

const MANUAL: &str = "src/manual/metrics.md";
const ALERTS: &str = "deploy/prometheus/alerts.yml";
const DASHBOARD: &str = "deploy/grafana/domsec.json";
/// What Prometheus sees, and which alerts fire then.
const CASES: &str = "tests/documents/alerts.yml";
const PROMTOOL: &str = "/usr/bin/promtool";

fn described() -> Vec<Described> {
    let metrics = Metrics::new(&Registry::new()).expect("metrics on a registry of their own");
    metrics.described().to_vec()
}

/// The first three cells of the row of a metric.
fn cells(metric: &Described) -> String {
    let label = |(name, values): &(&str, Vec<&str>)| match values.as_slice() {
        [] => format!("`{name}`"),
        values => format!("`{name}`: {}", values.join(", ")),
    };
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    let labels = if labels.is_empty() {
        "-".to_owned()
    } else {
        labels.join("; ")
    };
    format!(
        "| `{}` | {} | {labels} |",
        metric.name,
        metric.kind.as_str()
    )
}

/// Every metric that a query names, with what stands in the braces behind it.
fn named(query: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find("domsec_") {
        let (_, from) = rest.split_at(start);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = from.split_at(from.find(|c| !is_name(c)).unwrap_or(from.len()));
        let braces = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'));
        found.push((name, braces.map_or("", |(inside, _)| inside)));
        rest = after;
    }
    found
}

/// What is wrong with the metrics of a query.
fn query_errors(query: &str, known: &[Described]) -> Vec<String> {
    let mut errors = Vec::new();
    for (name, matchers) in named(query) {
        let is = |metric: &&Described| {
            let part = name.strip_prefix(metric.name);
            match metric.kind {
                Kind::Counter | Kind::Gauge => part == Some(""),
                Kind::Histogram => matches!(part, Some("_bucket" | "_count" | "_sum")),
            }
        };
        let Some(metric) = known.iter().find(is) else {
            errors.push(format!("there is no metric {name}"));
            continue;
        };
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let (label, value) = matcher.split_once('=').unwrap_or((matcher, ""));
            let label = label.trim_end_matches('!').trim();
            let value = value.trim_start_matches('~').trim_matches('"');
            // These two Prometheus adds.
            if ["instance", "job"].contains(&label) {
                continue;
            }
            match metric.labels.iter().find(|(one, _)| *one == label) {
                None => errors.push(format!("{name} has no label {label}")),
                Some((_, values)) => {
                    let all = value.split('|').filter(|one| !values.contains(one));
                    errors.extend(all.map(|one| format!("{name}: {label} is never {one}")));
                }
            }
        }
    }
    errors
}

/// Every query of the dashboard.
fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("expr").and_then(Value::as_str);
            let below = object.values().flat_map(queries);
            own.map(str::to_owned).into_iter().chain(below).collect()
        }
        Value::Array(array) => array.iter().flat_map(queries).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).expect("the dashboard is JSON")
}

/// Fails with what `promtool VERB rules FILE` says against the file; skips where it is not installed.
fn promtool(verb: &str, file: &Path) {
    if !Path::new(PROMTOOL).exists() {
        let report = format!("Prometheus is not installed: no {PROMTOOL}");
        let required = std::env::var_os("DOMSEC_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(!required, "{report}");
        eprintln!("skipped: {report}");
        return;
    }
    let mut command = Command::new(PROMTOOL);
    let output = command.args([verb, "rules"]).arg(file).output();
    let output = output.expect("promtool runs");
    let says = [output.stdout, output.stderr].concat();
    let says = String::from_utf8_lossy(&says);
    assert!(output.status.success(), "{}: {says}", file.display());
}

#[test]
fn every_metric_is_in_the_manual_with_its_type_and_labels() {
    let manual = read(MANUAL);
    let rows: Vec<&str> = manual
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let known = described();
    let mut reports = Vec::new();
    for metric in &known {
        let cells = cells(metric);
        let row = rows.iter().find(|row| row.starts_with(&cells));
        match row.map(|row| {
            row.split('|')
                .filter(|cell| !cell.trim().is_empty())
                .count()
        }) {
            None => reports.push(format!("{MANUAL} has no row {cells}")),
            Some(5) => {}
            Some(_) => reports.push(format!("{MANUAL}: {} lacks a cell", metric.name)),
        }
    }
    let name = |row: &&str| row.split('`').nth(1).map(str::to_owned);
    let names: Vec<String> = rows.iter().filter_map(name).collect();
    assert!(names.is_sorted(), "{MANUAL}: rows by name");
    let unknown = names
        .iter()
        .filter(|name| known.iter().all(|one| one.name != **name));
    reports.extend(unknown.map(|name| format!("{MANUAL} has {name}, which is no metric")));
    fail_with(&reports);
}

#[test]
fn alerts_are_about_metrics_that_exist() {
    let alerts = read(ALERTS);
    assert!(named(&alerts).len() > 10);
    let mut reports = Vec::new();
    for (index, line) in alerts.lines().enumerate() {
        let errors = query_errors(line, &described());
        let at = |error: &String| format!("{ALERTS}:{}: {error}", index + 1);
        reports.extend(errors.iter().map(at));
    }
    fail_with(&reports);
}

#[test]
fn the_dashboard_shows_metrics_that_exist() {
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 10, "{} queries", queries.len());
    let mut reports = Vec::new();
    for query in &queries {
        if named(query).is_empty() {
            reports.push(format!("{DASHBOARD}: no metric in {query}"));
        }
        let errors = query_errors(query, &described());
        reports.extend(
            errors
                .iter()
                .map(|error| format!("{DASHBOARD}: {error}: {query}")),
        );
    }
    let panels = dashboard.get("panels").and_then(Value::as_array);
    let panels = panels.expect("a list of panels");
    let ids: BTreeSet<u64> = panels
        .iter()
        .filter_map(|panel| panel.get("id").and_then(Value::as_u64))
        .collect();
    assert_eq!(
        ids.len(),
        panels.len(),
        "{DASHBOARD}: each panel has its own id"
    );
    fail_with(&reports);
}

#[test]
fn prometheus_takes_the_alerts() {
    promtool("check", &root().join(ALERTS));
}

#[test]
fn alerts_fire_when_they_should() {
    promtool("test", &root().join(CASES));
}

#[test]
fn prometheus_takes_the_queries_of_the_dashboard() {
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, query) in queries(&dashboard()).iter().enumerate() {
        let query = query
            .replace("$__rate_interval", "5m")
            .replace("$__range", "1h");
        // JSON's texts are YAML's too.
        let query = Value::from(query);
        rules.push_str(&format!(
            "      - {{record: \"query:{index}\", expr: {query}}}\n"
        ));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).expect("a file in it");
    promtool("check", &file);
}

#[test]
fn queries_with_unknown_names_are_found() {
    let known = described();
    for (query, error) in [
        (
            r#"rate(domsec_transactions_total{outcome="hold",front=~"milter|proxy"}[5m])"#,
            None,
        ),
        ("domsec_transaction_duration_seconds_bucket", None),
        (
            r#"domsec_spool_bytes{job="domsec",instance=~"$instance"}"#,
            None,
        ),
        (
            "domsec_transaction_duration_seconds",
            Some("there is no metric"),
        ),
        (
            "sum(domsec_transactions)",
            Some("there is no metric domsec_transactions"),
        ),
        (
            r#"domsec_panics_total{rule="x"}"#,
            Some("has no label rule"),
        ),
        (
            r#"domsec_review_held + domsec_submissions_total{result!="lost"}"#,
            Some("result is never lost"),
        ),
    ] {
        let errors = query_errors(query, &known);
        assert_eq!(
            errors.len(),
            usize::from(error.is_some()),
            "{query}: {errors:?}"
        );
        if let Some(error) = error {
            assert!(errors.join("").contains(error), "{query}: {errors:?}");
        }
    }
}
