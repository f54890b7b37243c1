//! `domsec config --default`: every key of the configuration is in it, and what it says is the default.

use std::path::Path;

use domsec::config::Config;

use crate::fail_with;

const LEAST: &str = "domains = ['a.example']\nauthserv_id = 'gw.a.example'\n";

/// Keys whose line shows an example, since nothing can be written that means the default.
const WITHOUT_DEFAULT: &[&str] = &[
    "policy",
    "user",
    "group",
    "[certificates] directory",
    "[limits] edition_octets",
    "[reinject] to",
    "[reinject] server_name",
    "[spool] directory",
    "[store] path",
];

/// One line of the file that is a key, in the table where it stands.
struct Line<'a> {
    table: &'a str,
    key: &'a str,
    text: &'a str,
}

/// A line without the `#` that switches it off; text has a blank after it.
fn switched_on(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with([' ', '#']) => key,
        _ => line,
    }
}

fn lines() -> Vec<Line<'static>> {
    let mut table = "";
    let mut lines = Vec::new();
    for line in Config::DOCUMENTED.lines().map(switched_on) {
        if line.starts_with('[') {
            table = line;
        } else if let (false, Some((key, _))) = (line.starts_with('#'), line.split_once(" = ")) {
            lines.push(Line {
                table,
                key,
                text: line,
            });
        }
    }
    lines
}

fn parsed(text: &str) -> Result<String, String> {
    let config = Config::parse(text, Path::new("domsec.toml"));
    config
        .map(|config| format!("{config:?}"))
        .map_err(|error| error.to_string())
}

/// The keys of a table, as the program names them when it meets another; `None` where it is no table.
fn keys(table: &str) -> Option<Vec<String>> {
    let error = parsed(&format!("{LEAST}{table}\nzzz = 1\n")).expect_err("an unknown key");
    let (_, expected) = error.split_once("unknown field `zzz`, expected ")?;
    let quoted = expected.split('`').skip(1).step_by(2);
    Some(quoted.map(str::to_owned).collect())
}

#[test]
fn the_default_configuration_is_the_least() {
    assert_eq!(parsed(Config::DOCUMENTED), parsed(LEAST));
}

#[test]
fn the_default_configuration_is_one_with_all_its_keys_too() {
    let whole: Vec<&str> = Config::DOCUMENTED.lines().map(switched_on).collect();
    parsed(&whole.join("\n")).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_key_is_in_the_default_configuration() {
    let lines = lines();
    let top = keys("").expect("the keys of a configuration");
    assert!(top.len() > 8, "{top:?}");
    let mut reports = Vec::new();
    let mut require = |table: &str, key: &str| {
        if !lines
            .iter()
            .any(|line| line.table == table && line.key == key)
        {
            reports.push(format!(
                "src/config/default.toml: {table} {key} is not in it"
            ));
        }
    };
    for key in top {
        let tables = [format!("[{key}]"), format!("[[{key}]]")];
        let table = tables.iter().find_map(|table| Some((table, keys(table)?)));
        match table {
            Some((table, keys)) => keys.iter().for_each(|key| require(table, key)),
            None => require("", &key),
        }
    }
    fail_with(&reports);
}

#[test]
fn what_the_default_configuration_says_is_the_default() {
    let mut reports = Vec::new();
    for Line { table, key, text } in lines() {
        let name = format!("{table} {key}");
        let required = ["domains", "authserv_id"].contains(&key);
        // What there may be many of has no default.
        let of_many = ["[[key]]", "[[ldap]]", "[[server_anchors]]"].contains(&table);
        if required || of_many || WITHOUT_DEFAULT.contains(&name.trim()) {
            continue;
        }
        if parsed(&format!("{LEAST}{table}\n{text}\n")) != parsed(LEAST) {
            reports.push(format!(
                "src/config/default.toml: {text} is not the default"
            ));
        }
    }
    fail_with(&reports);
}
