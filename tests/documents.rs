//! The documents held against what they describe.
//!
//! Every RFC that `src` cites is a row of `src/manual/rfcs.md`, and a row that claims obedience is
//! cited; commands in the README exist, and so do the files that they name. The pages on the draft,
//! on metrics and on policy files, and the default configuration, have modules of their own.

#![expect(
    clippy::expect_used,
    reason = "these tests read our own files; a panic names what is wrong with them"
)]

#[path = "documents/config.rs"]
mod config;
#[path = "documents/draft.rs"]
mod draft;
#[path = "source/files.rs"]
mod files;
#[cfg(feature = "daemon")]
#[path = "documents/metrics.rs"]
mod metrics;
#[path = "documents/policy.rs"]
mod policy;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The options that name keys, and those that name whom to trust.
const KEYS: &[&str] = &["--key", "--cert", "--p12", "--password-file"];
#[rustfmt::skip]
const TRUST: &[&str] = &["--anchor", "--intermediate", "--crl", "--at", "--purpose", "--from", "--revocation"];
#[rustfmt::skip]
const PROCESS: &[&str] = &[
    "--config", "--direction", "--mail-from", "--rcpt-to", "--auth", "--client-ip", "--tls-subject", "--helo",
    "--out-dir", "--json",
];

const CERTS: &[&str] = &[
    "--config", "--state", "--domain", "--for", "--dca", "--reason", "--json",
];

/// One command of the program, as its users are promised it.
struct Command {
    name: &'static str,
    options: &'static [&'static [&'static str]],
}

/// The commands that exist today. What the README shows is here, with its options.
#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    Command { name: "certs",   options: &[CERTS] },
    Command { name: "check",   options: &[&["--config"]] },
    Command { name: "config",  options: &[&["--default"]] },
    Command { name: "decrypt", options: &[KEYS, &["-o"]] },
    Command { name: "encrypt", options: &[&["--to", "--cipher", "--key-encryption", "-o"]] },
    Command { name: "explain", options: &[PROCESS] },
    Command { name: "help",    options: &[] },
    Command { name: "inspect", options: &[KEYS, &["--json"]] },
    Command { name: "lookup",  options: &[&["--config", "--json"]] },
    Command { name: "policy",  options: &[] },
    Command { name: "process", options: &[PROCESS] },
    Command { name: "quickstart", options: &[&["--dir", "--domain"]] },
    Command { name: "serve",   options: &[&["--config"]] },
    Command { name: "sign",    options: &[&["--key", "--cert", "--chain", "--type", "--detached", "-o"]] },
    Command { name: "verify",  options: &[TRUST, KEYS, &["--json"]] },
];

const RFCS: &str = "src/manual/rfcs.md";

/// One row of the table of RFCs.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    done: String,
    places: Vec<String>,
}

/// Reads the table; `Err` names the lines that are no rows.
fn rows(text: &str) -> Result<BTreeMap<u32, Row>, Vec<String>> {
    let mut rows = BTreeMap::new();
    let mut errors = Vec::new();
    let mut last = 0;
    let table = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('|'));
    for (index, line) in table.skip(2) {
        let mut wrong = |what: &str| errors.push(format!("{RFCS}:{}: {what}", index + 1));
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[number, title, sections, done, places] = cells.as_slice() else {
            wrong(&format!("{} cells, not 5", cells.len()));
            continue;
        };
        let Ok(number) = number.parse() else {
            wrong(&format!("{number:?} is no RFC's number"));
            continue;
        };
        if number <= last {
            wrong(&format!("RFC {number} follows RFC {last}"));
        }
        last = number;
        if title.is_empty() || sections.is_empty() {
            wrong(&format!(
                "RFC {number} has no title or no sections (- for none)"
            ));
        }
        if !["yes", "partial", "no"].contains(&done) {
            wrong(&format!("RFC {number} is {done:?}, not yes, partial or no"));
        }
        let places = places.split(',').map(|place| place.trim().to_owned());
        let row = Row {
            line: index + 1,
            done: done.to_owned(),
            places: places.filter(|place| place != "-").collect(),
        };
        rows.insert(number, row);
    }
    if errors.is_empty() {
        Ok(rows)
    } else {
        Err(errors)
    }
}

/// Every RFC that `text` cites, with the line: `RFC 5652`, `RFC 2634, 5035 and 6211`.
fn cited(text: &str) -> Vec<(usize, u32)> {
    let mut found = Vec::new();
    // Whether a number that comes now is an RFC's, and whether an "and" would make it one.
    let (mut expected, mut listing) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches(['/', '!', '*', ' ']);
        for word in line.split_whitespace() {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '§');
            let number = bare.parse::<u32>().ok().filter(|number| *number < 100_000);
            (expected, listing) = match (bare, number) {
                (_, Some(number)) if expected => {
                    found.push((index + 1, number));
                    (word.ends_with(','), word.ends_with(bare))
                }
                ("RFC" | "RFCs", _) => (true, false),
                ("and", _) => (listing, false),
                _ => (false, false),
            };
        }
    }
    found
}

/// Every comment where `RFC5652` stands without its blank, which [`cited`] would pass over.
fn run_together(text: &str) -> Vec<usize> {
    let bad = |word: &str| {
        word.strip_prefix("RFC")
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index, line.split_once("//")?.1)))
        .filter(|(_, comment)| {
            comment
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(bad)
        })
        .map(|(index, _)| index + 1)
        .collect()
}

/// The lines of every fenced block that is for a shell, with their number.
fn shell_lines(markdown: &str) -> Vec<(usize, &str)> {
    let mut fence = None;
    let mut lines = Vec::new();
    for (index, line) in markdown.lines().enumerate() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => fence = Some(language),
            (Some(_), Some(_)) => fence = None,
            (Some("sh"), None) => lines.push((index + 1, line)),
            _ => {}
        }
    }
    lines
}

/// What is wrong with one line of shell, in the eyes of somebody who types it.
fn line_errors(line: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut errors = Vec::new();
    let arguments = match words.as_slice() {
        ["domsec", arguments @ ..] => Some(arguments),
        ["cargo", "run", rest @ ..] => rest
            .iter()
            .position(|word| *word == "--")
            .and_then(|at| rest.get(at + 1..)),
        _ => None,
    };
    if let Some(arguments) = arguments {
        let name = arguments.first().copied().unwrap_or("");
        match COMMANDS.iter().find(|command| command.name == name) {
            None => errors.push(format!("domsec has no command {name:?}")),
            Some(command) => {
                let options = arguments.iter().filter(|word| word.starts_with('-'));
                let unknown = options.filter(|word| !command.options.concat().contains(word));
                errors.extend(unknown.map(|word| format!("{name} has no option {word}")));
            }
        }
    }
    let files = words
        .iter()
        .filter(|word| word.starts_with("certs/") || word.starts_with("tests/"));
    let absent = files.filter(|file| !exists(file));
    errors.extend(absent.map(|file| format!("{file} does not exist")));
    errors
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every source file by its path below `src/`.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    files::rust_files(&src)
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&src).expect("a file below src");
            let text = fs::read_to_string(path).expect("a source file is UTF-8");
            (name.display().to_string(), text)
        })
        .collect()
}

fn table() -> BTreeMap<u32, Row> {
    rows(&read(RFCS)).unwrap_or_else(|errors| panic!("\n{}\n", errors.join("\n")))
}

fn fail_with(reports: &[String]) {
    assert!(reports.is_empty(), "\n{}\n", reports.join("\n"));
}

#[test]
fn every_rfc_that_the_source_cites_has_a_row() {
    let rows = table();
    let mut reports = Vec::new();
    for (name, text) in sources() {
        for (line, number) in cited(&text) {
            if !rows.contains_key(&number) {
                reports.push(format!(
                    "src/{name}:{line}: RFC {number} has no row in {RFCS}"
                ));
            }
        }
        let together = run_together(&text).into_iter();
        reports.extend(together.map(|line| format!("src/{name}:{line}: write RFC, blank, number")));
    }
    fail_with(&reports);
}

#[test]
fn every_row_that_claims_obedience_is_cited_where_it_says() {
    let sources = sources();
    let mut reports = Vec::new();
    for (number, row) in table() {
        let citing: Vec<&str> = sources
            .iter()
            .filter(|(_, text)| cited(text).iter().any(|(_, cited)| *cited == number))
            .map(|(name, _)| name.as_str())
            .collect();
        let at = format!("{RFCS}:{}: RFC {number} is \"{}\"", row.line, row.done);
        match (row.done.as_str(), row.places.is_empty()) {
            ("no", true) => {}
            ("no", false) => reports.push(format!("{at}, and yet is done somewhere")),
            (_, true) => reports.push(format!("{at}, and done nowhere")),
            (_, false) if citing.is_empty() => reports.push(format!("{at}, and no file cites it")),
            (_, false) => {
                let idle = row.places.iter().filter(|place| {
                    let file = format!("{place}.rs");
                    let below = |name: &&str| *name == file || Path::new(name).starts_with(place);
                    !citing.iter().any(below)
                });
                let files = citing.join(", ");
                reports.extend(idle.map(|place| {
                    format!("{at} in {place}, where it is not cited; it is cited in {files}")
                }));
            }
        }
    }
    fail_with(&reports);
}

#[test]
fn what_the_readme_tells_to_type_exists() {
    let readme = read("README.md");
    let lines = shell_lines(&readme);
    assert!(lines.len() > 5, "only {} lines of shell", lines.len());
    let mut reports = Vec::new();
    for (number, line) in lines {
        let errors = line_errors(line, |file| root().join(file).exists());
        reports.extend(
            errors
                .iter()
                .map(|error| format!("README.md:{number}: {error}")),
        );
    }
    fail_with(&reports);
}

#[test]
fn the_readme_opens_with_the_two_commands() {
    let readme = read("README.md");
    let lines = shell_lines(&readme);
    let first: Vec<&str> = lines.iter().take(2).map(|(_, line)| *line).collect();
    match first.as_slice() {
        [run, test] => {
            assert!(run.starts_with("cargo run --release -- "), "{run}");
            assert_eq!(*test, "tests/run");
        }
        _ => panic!("{} lines of shell", first.len()),
    }
}

#[test]
fn readme_and_manifest_ask_for_the_same_rust() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let package = manifest.get("package").expect("a package");
    let field = |name| package.get(name).and_then(toml::Value::as_str);
    let version = field("rust-version").expect("a rust-version");
    let readme = read("README.md");
    let (_, after) = readme.split_once("Rust 1.").expect("a version of Rust");
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(
        format!("1.{digits}"),
        version,
        "README.md against Cargo.toml"
    );
}

#[test]
fn the_changelog_tells_of_this_version_or_the_next() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let version = manifest
        .get("package")
        .and_then(|package| package.get("version"))
        .and_then(toml::Value::as_str)
        .expect("a version");
    let changes = read("CHANGELOG.md");
    let section = changes.lines().find_map(|line| line.strip_prefix("## "));
    let section = section.expect("CHANGELOG.md has a section");
    assert!(
        section == "Unreleased" || section.starts_with(version),
        "CHANGELOG.md begins with {section:?}, which is neither Unreleased nor {version}"
    );
}

/// The rules themselves, held against documents that break them.
mod rules {
    use super::*;

    #[test]
    fn citations_are_found_in_every_form() {
        let text = "//! As RFC 5652 §5.4 says (RFC 8551).\n/// RFC 2634, 5035 and 6211; in 2026\n\
            /// of RFC\n/// 5280 §4. RFC 822,\n//  1234 §3 and 5 RFCs 1 and 2";
        let numbers: Vec<u32> = cited(text).iter().map(|(_, number)| *number).collect();
        assert_eq!(
            numbers,
            [5652, 8551, 2634, 5035, 6211, 5280, 822, 1234, 1, 2]
        );
        assert_eq!(cited(text).get(5), Some(&(4, 5280)));
        assert_eq!(
            run_together("RFC5652\n/// RFC5652\n// RFC 5652 RFC822_NAME"),
            [2]
        );
    }

    #[test]
    fn rows_that_are_none_are_named() {
        let head = "| RFC | title | sections | done | where |\n| - | - | - | - | - |\n";
        let good = format!(
            "{head}| 822 | Mail | 3 | yes | mime, cms/ber.rs |\n| 5652 | CMS | - | no | - |"
        );
        let read = rows(&good).expect("two rows");
        assert_eq!(read.get(&822).map(|row| row.places.len()), Some(2));
        assert_eq!(read.get(&5652).map(|row| row.line), Some(4));
        for (bad, error) in [
            ("| 822 | Mail | 3 | yes |", ":3: 4 cells, not 5"),
            (
                "| x | Mail | 3 | yes | mime |",
                ":3: \"x\" is no RFC's number",
            ),
            (
                "| 822 | Mail | 3 | done | mime |",
                "RFC 822 is \"done\", not yes, partial or no",
            ),
            ("| 822 | | 3 | yes | mime |", "RFC 822 has no title"),
            (
                "| 2 | A | 3 | no | - |\n| 1 | B | 3 | no | - |",
                ":4: RFC 1 follows RFC 2",
            ),
        ] {
            let errors = rows(&format!("{head}{bad}")).expect_err(bad);
            assert!(errors.join("\n").contains(error), "{bad}: {errors:?}");
        }
    }

    #[test]
    fn commands_options_and_files_that_do_not_exist_are_found() {
        let exists = |file: &str| file == "certs/there.pem";
        for (line, errors) in [
            ("domsec inspect --json certs/there.pem", vec![]),
            (
                "cargo run --release -- verify --anchor certs/there.pem x",
                vec![],
            ),
            ("cargo doc --open", vec![]),
            (
                "domsec inspekt x",
                vec!["domsec has no command \"inspekt\""],
            ),
            (
                "domsec inspect --anchor x",
                vec!["inspect has no option --anchor"],
            ),
            (
                "domsec encrypt --to certs/gone.pem",
                vec!["certs/gone.pem does not exist"],
            ),
        ] {
            assert_eq!(line_errors(line, exists), errors, "{line}");
        }
    }

    #[test]
    fn only_shell_blocks_are_typed() {
        let text = "```text\na\n```\nb\n```sh\nc\nd\n```\ne\n";
        assert_eq!(shell_lines(text), [(6, "c"), (7, "d")]);
    }
}
