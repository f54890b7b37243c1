//! `src/manual/policy.md`: its keys, words, defaults, facts and examples are those of the program.

use domsec::policy::Policy;
use domsec::policy::facts::Fact;
use domsec::policy::facts::Origin;

use crate::fail_with;
use crate::read;

const POLICY: &str = "src/manual/policy.md";

/// A table of the policy file: the heading under which its keys stand, and a file that has it.
struct Table {
    heading: &'static str,
    /// What stands before its keys.
    before: &'static str,
    /// Keys that must be there.
    keys: &'static [(&'static str, &'static str)],
    /// What stands between two keys.
    between: &'static str,
    after: &'static str,
}

const fn table(
    heading: &'static str,
    before: &'static str,
    keys: &'static [(&'static str, &'static str)],
) -> Table {
    let (between, after) = ("\n", "\n");
    Table {
        heading,
        before,
        keys,
        between,
        after,
    }
}

#[rustfmt::skip]
const TABLES: &[Table] = &[
    table("## `[[rule]]`", "[[rule]]\n", &[("name", "'x'"), ("when", "'true'")]),
    table("## `[profile.NAME]`", "[profile.x]\n", &[]),
    table("## `[partner.\"domain\"]`", "[partner.'b.example']\n", &[]),
    table("## `[attributes.NAME]`", "[attributes.x]\n",
        &[("other", "[{ oid = '1.2.3', value = '0500' }]")]),
    Table {
        heading: "### A label",
        before: "[attributes.x]\nsecurity_label = { ",
        keys: &[("policy", "'1.2.3'")],
        between: ", ",
        after: " }\n",
    },
    table("## `[flag]`", "[flag]\n", &[]),
    table("## `[lookup]`", "[lookup]\n", &[]),
];

impl Table {
    /// A policy file in which `key` of this table is `value`.
    fn with(&self, key: &str, value: &str) -> String {
        let needed = self.keys.iter().filter(|(needed, _)| *needed != key);
        let mut lines: Vec<String> = needed
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        if !key.is_empty() {
            lines.push(format!("{key} = {value}"));
        }
        let lines = lines.join(self.between);
        // A rule for all mail, at the end: it takes no key from the table before.
        format!(
            "{}{lines}{}[[rule]]\nname = 'rest'\nwhen = 'true'\n",
            self.before, self.after
        )
    }

    fn refusal(&self, key: &str, value: &str) -> String {
        Policy::parse(&self.with(key, value), "p")
            .err()
            .map_or_else(String::new, |e| e.to_string())
    }

    /// The words that the program accepts for `key`, where it accepts only some.
    fn accepted(&self, key: &str) -> Vec<String> {
        let refused = [self.refusal(key, "'zzz'"), self.refusal(key, "['zzz']")];
        if refused[0].contains("must be true or false") {
            return vec!["true".to_owned(), "false".to_owned()];
        }
        let words = refused
            .iter()
            .find_map(|error| error.split_once("accepted are "));
        let words = words.map_or("", |(_, words)| words);
        words
            .split(", ")
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The rows of its table on the page: key, values, default.
    fn rows<'a>(&self, page: &'a str) -> Vec<[&'a str; 3]> {
        let (_, section) = page.split_once(self.heading).expect(self.heading);
        let lines = section
            .lines()
            .skip_while(|line| !line.starts_with("| key |"));
        let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
        rows.map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            [(); 3].map(|()| cells.next().expect("three cells"))
        })
        .collect()
    }
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn keys_words_and_defaults_on_the_page_are_those_of_policy_files() {
    let page = read(POLICY);
    let mut reports = Vec::new();
    for table in TABLES {
        let heading = table.heading;
        let keys = table.refusal("zzz", "1");
        let (_, keys) = keys
            .split_once("its keys are ")
            .expect("the keys of a table");
        let rows = table.rows(&page);
        let named: Vec<&str> = rows.iter().flat_map(|[key, ..]| quoted(key)).collect();
        if keys.split(", ").collect::<Vec<_>>() != named {
            reports.push(format!(
                "{POLICY}: {heading} has the keys {keys}, not {named:?}"
            ));
        }
        for [key, values, default] in rows {
            let key = quoted(key).concat();
            let accepted = table.accepted(&key);
            if quoted(values) != accepted {
                reports.push(format!(
                    "{POLICY}: {heading} {key}: accepted are {accepted:?}"
                ));
            }
            let Some(default) = quoted(default).first().copied() else {
                continue;
            };
            let parsed = |key: &str| {
                let policy = Policy::parse(&table.with(key, default), "p");
                policy
                    .map(|policy| format!("{policy:?}"))
                    .map_err(|error| error.to_string())
            };
            if parsed(&key) != parsed("") {
                reports.push(format!(
                    "{POLICY}: {heading} {key}: {default} is not the default"
                ));
            }
        }
    }
    fail_with(&reports);
}

#[test]
fn every_table_of_policy_files_is_on_the_page() {
    let error = Policy::parse("zzz = 1", "p")
        .expect_err("an unknown key")
        .to_string();
    let (_, tables) = error.split_once("its keys are ").expect("the tables");
    let page = read(POLICY);
    for table in tables.split(", ") {
        let heading = |line: &str| {
            let name = line
                .strip_prefix("## `")
                .map(|name| name.trim_start_matches('['));
            name.is_some_and(|name| name.split(['.', ']']).next() == Some(table))
        };
        assert!(
            page.lines().any(heading),
            "{POLICY} has no heading for [{table}]"
        );
    }
}

#[test]
fn facts_on_the_page_are_those_of_conditions() {
    let page = read(POLICY);
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| fact |"));
    let rows: Vec<&str> = rows
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let wanted: Vec<String> = Fact::all()
        .iter()
        .map(|fact| {
            let origin = match fact.origin {
                Origin::Content => "content",
                Origin::Envelope => "envelope",
            };
            // Neither cells nor links.
            let fact_type = fact.fact_type.describe().replace('|', "\\|");
            let meaning = fact.meaning.replace('[', "\\[");
            format!("| `{}` | {fact_type} | {origin} | {meaning} |", fact.name)
        })
        .collect();
    assert_eq!(rows, wanted, "{POLICY}");
}

#[test]
fn examples_on_the_page_are_policies() {
    let page = read(POLICY);
    let blocks = page.split("```toml\n").skip(1);
    let examples: Vec<&str> = blocks
        .filter_map(|block| Some(block.split_once("```")?.0))
        .collect();
    assert_eq!(examples.len(), 3, "{POLICY}");
    for (index, example) in examples.iter().enumerate() {
        if let Err(error) = Policy::parse(example, "example.toml") {
            panic!("{POLICY}, example {}: {error}", index + 1);
        }
    }
}
