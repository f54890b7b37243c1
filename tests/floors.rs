//! The floors of the design as a table, and every source file held against it.
//!
//! A module uses modules of lower floors, and of its own floor where the table says so. Floors 0 to 3
//! know no clock, randomness, file, socket, environment or log, and wait only in `gateway::gather`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "these tests read our own source; a panic names what is wrong with it"
)]

mod source;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::Named;
use source::Token;

/// Where one module of the crate stands.
struct Module {
    name: &'static str,
    floor: u8,
    /// The modules of its own floor that it may use.
    beside: &'static [&'static str],
}

const fn module(name: &'static str, floor: u8, beside: &'static [&'static str]) -> Module {
    Module {
        name,
        floor,
        beside,
    }
}

#[rustfmt::skip]
const FLOORS: &[Module] = &[
    // Words.
    module("address",   0, &[]),
    module("limits",    0, &[]),
    module("notation",  0, &[]),
    module("octets",    0, &[]),
    module("pem",       0, &[]),
    module("reply",     0, &[]),
    module("time",      0, &[]),
    module("tlv",       0, &[]),
    module("uri",       0, &[]),
    // Formats.
    module("cms",       1, &["crypto", "x509"]),
    module("crypto",    1, &[]),
    module("milter",    1, &[]),
    module("mime",      1, &[]),
    module("smtp",      1, &[]),
    module("x509",      1, &["crypto"]),
    // Rules: what the draft and the officer say.
    module("domsec",    2, &[]),
    module("policy",    2, &[]),
    // One transaction.
    module("gateway",   3, &[]),
    // Adapters.
    module("keystore",  4, &[]),
    module("lookup",    4, &["store"]),
    module("publish",   4, &[]),
    module("store",     4, &[]),
    module("telemetry", 4, &[]),
    // Service.
    module("cli",       5, &["config", "serve", "service"]),
    module("config",    5, &[]),
    module("serve",     5, &["config"]),
    module("service",   5, &["config", "serve"]),
    // Above them all.
    module("main",      6, &[]),
    // Prose alone.
    module("manual",    0, &[]),
];

/// The highest floor that is pure.
const GATEWAY: u8 = 3;

/// What floors 0 to 3 do not name, as the beginning of a path.
const IMPURE_PATHS: &[(&str, &str)] = &[
    ("std::env", "the environment"),
    ("std::fs", "files"),
    ("std::net", "sockets"),
    ("std::os", "files and sockets"),
    ("std::process", "processes"),
    ("std::time::Instant::now", "the clock"),
    ("std::time::SystemTime::now", "the clock"),
    ("Instant::now", "the clock"),
    ("SystemTime::now", "the clock"),
    ("tokio", "the runtime"),
    ("tracing", "the log"),
];

/// What begins like an impure path and is no more than a value.
const PURE_PATHS: &[&str] = &[
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
];

/// What floors 0 to 3 do not name, as one word; macros with their sign.
const IMPURE_WORDS: &[(&str, &str)] = &[
    ("async", "waiting"),
    ("await", "waiting"),
    ("dbg!", "the terminal"),
    ("eprint!", "the terminal"),
    ("eprintln!", "the terminal"),
    ("print!", "the terminal"),
    ("println!", "the terminal"),
];

/// Sources of randomness: only the providers of `crypto` reach for them.
const RANDOM_WORDS: &[&str] = &["OsRng", "SysRng", "SystemRandom", "ThreadRng", "getrandom"];

/// Lines of one file, its tests not counted.
const LINES: usize = 600;

/// What stands for work that was not done, or for a hope; in code and in comments.
const UNFINISHED_MACROS: &[&str] = &["todo", "unimplemented", "unreachable"];
const UNFINISHED_NOTES: &[&str] = &["FIXME", "TODO", "XXX"];

/// One source file, as the rules see it.
struct File {
    /// As it is reported: `src/cms/ber.rs`.
    name: String,
    /// Its module: `["cms", "ber"]`; empty for `lib.rs`.
    module: Vec<String>,
    text: String,
    tokens: Vec<Token>,
}

impl File {
    fn new(name: &str, text: &str) -> Self {
        let stem = name.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
        let last = module.last().map(String::as_str);
        if last == Some("mod") || stem == "lib" {
            module.pop();
        }
        Self {
            name: name.to_owned(),
            module,
            text: text.to_owned(),
            tokens: source::tokens(text),
        }
    }

    /// The row of the table, or nothing for `lib.rs`, which declares the floors and stands on none.
    fn row(&self) -> Option<Result<&'static Module, String>> {
        let name = self.module.first()?;
        Some(row(name).ok_or_else(|| format!("{}: module {name} is on no floor", self.name)))
    }

    fn named(&self) -> Vec<Named> {
        let module: Vec<&str> = self.module.iter().map(String::as_str).collect();
        let main = module == ["main"];
        // What `main.rs` calls `crate` is itself; the library has the package's name there.
        let place: &[&str] = if main { &[] } else { &module };
        source::named(&self.tokens, place, main.then_some("domsec"))
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.name)
    }
}

fn row(name: &str) -> Option<&'static Module> {
    FLOORS.iter().find(|module| module.name == name)
}

/// Every file of `src`, without those that are tests alone.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: Vec<File> = source::files::rust_files(&root.join("src"))
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).expect("a file under the package");
            let text = fs::read_to_string(path).expect("a source file is UTF-8");
            File::new(&name.display().to_string(), &text)
        })
        .collect();
    without_test_files(all)
}

/// Leaves out what is declared as `#[cfg(test)] mod tests;`, and all beneath it.
fn without_test_files(all: Vec<File>) -> Vec<File> {
    let mut tests: Vec<Vec<String>> = Vec::new();
    for file in &all {
        for window in file.tokens.windows(3) {
            if window[0].test && window[0].text == "mod" && window[2].text == ";" {
                let mut module = file.module.clone();
                module.push(window[1].text.clone());
                tests.push(module);
            }
        }
    }
    all.into_iter()
        .filter(|file| !tests.iter().any(|test| file.module.starts_with(test)))
        .collect()
}

/// Every use of a floor that is not beneath, and of a neighbour that the table does not give.
fn stairs(file: &File) -> Vec<String> {
    let user = match file.row() {
        None => return Vec::new(),
        Some(Err(report)) => return vec![report],
        Some(Ok(user)) => user,
    };
    file.named()
        .iter()
        .filter(|named| !named.test && named.path[0] == "crate")
        .filter_map(|named| {
            let used = named.path.get(1).map_or("*", String::as_str);
            (used != user.name)
                .then(|| stair(user, used))
                .flatten()
                .map(|report| file.at(named.line, &report))
        })
        .collect()
}

fn stair(user: &Module, used: &str) -> Option<String> {
    let Some(used) = row(used) else {
        return Some(format!(
            "{} uses crate::{used}, which is no module on a floor",
            user.name
        ));
    };
    if used.floor > user.floor {
        Some(format!(
            "{} (floor {}) uses {} (floor {}), which is above it",
            user.name, user.floor, used.name, used.floor
        ))
    } else if used.floor == user.floor && !user.beside.contains(&used.name) {
        Some(format!(
            "{} uses {} of its own floor {}, which the table does not give it",
            user.name, used.name, user.floor
        ))
    } else {
        None
    }
}

/// Every use of the outer world on a floor that is pure.
fn impurities(file: &File) -> Vec<String> {
    let pure = matches!(file.row(), Some(Ok(module)) if module.floor <= GATEWAY);
    if !pure {
        return Vec::new();
    }
    let gathers = file
        .module
        .starts_with(&["gateway".into(), "gather".into()]);
    let provider = file.module.first().is_some_and(|name| name == "crypto");
    let mut found = Vec::new();
    for named in file.named().iter().filter(|named| !named.test) {
        let path = named.path.join("::");
        if PURE_PATHS.iter().any(|pure| path.starts_with(pure)) {
            continue;
        }
        let hit = IMPURE_PATHS
            .iter()
            .find(|(prefix, _)| begins(&path, prefix));
        if let Some((_, what)) = hit {
            found.push(file.at(named.line, &format!("{path} is {what}, on a pure floor")));
        }
    }
    for pair in file.tokens.windows(2).filter(|pair| !pair[0].test) {
        let word = pair[0].text.as_str();
        let called = format!("{word}{}", pair[1].text);
        let hit = IMPURE_WORDS
            .iter()
            .find(|(impure, _)| *impure == word || *impure == called);
        if let Some((impure, what)) = hit
            && !(gathers && *what == "waiting")
        {
            found.push(file.at(
                pair[0].line,
                &format!("{impure} is {what}, on a pure floor"),
            ));
        }
        if RANDOM_WORDS.contains(&word) && !provider {
            let what = format!("{word} is randomness, on a pure floor");
            found.push(file.at(pair[0].line, &what));
        }
    }
    found
}

/// Whether `path` is `prefix` or goes on from it, or takes everything around it with `*`.
fn begins(path: &str, prefix: &str) -> bool {
    let inside = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let glob = path.strip_suffix("::*");
    inside(path, prefix) || glob.is_some_and(|around| inside(prefix, around))
}

/// Why the file is too long, if it is.
fn length(file: &File) -> Option<String> {
    let first_test = file.tokens.iter().find(|token| token.test);
    let inline = first_test.filter(|first| {
        // A declaration or an import for tests stands at the top and ends nothing.
        let last = file.tokens.iter().rfind(|token| token.test);
        last.is_some_and(|last| last.text == "}" && last.line > first.line)
    });
    let lines = match inline {
        Some(first) => first.line - 1,
        None => file.text.lines().count(),
    };
    (lines > LINES).then(|| format!("{}: {lines} lines, more than {LINES}", file.name))
}

/// Every mark of unfinished work.
fn unfinished(file: &File) -> Vec<String> {
    let macros = file.tokens.windows(2).filter_map(|pair| {
        let named = UNFINISHED_MACROS.contains(&pair[0].text.as_str());
        (named && pair[1].text == "!" && !pair[0].test)
            .then(|| file.at(pair[0].line, &format!("{}! in src", pair[0].text)))
    });
    let notes = file.text.lines().enumerate().flat_map(|(index, line)| {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words
            .filter(|word| UNFINISHED_NOTES.contains(word))
            .map(move |word| file.at(index + 1, &format!("{word} in src")))
    });
    macros.chain(notes).collect()
}

/// One circle of modules that use each other, if there is any.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let mut rest = uses.clone();
    // Whoever uses nobody that is left is on no circle.
    loop {
        let names: BTreeSet<String> = rest.keys().cloned().collect();
        let before = names.len();
        rest.retain(|_, used| used.iter().any(|name| names.contains(name)));
        if rest.len() == before {
            break;
        }
    }
    let (mut name, _) = rest.first_key_value()?;
    let mut walked = vec![name.as_str()];
    loop {
        name = rest[name].iter().find(|used| rest.contains_key(*used))?;
        if let Some(start) = walked.iter().position(|seen| seen == name) {
            walked.push(name);
            return Some(walked[start..].join(" -> "));
        }
        walked.push(name);
    }
}

fn uses_of_modules(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let Some(user) = file.module.first() else {
            continue;
        };
        for named in file.named() {
            match named.path.as_slice() {
                [first, used, ..] if first == "crate" && used != user && !named.test => {
                    uses.entry(user.clone()).or_default().insert(used.clone());
                }
                _ => {}
            }
        }
    }
    uses
}

fn fail_with(reports: &[String]) {
    assert!(reports.is_empty(), "\n{}\n", reports.join("\n"));
}

#[test]
fn modules_use_lower_floors_alone() {
    fail_with(&files().iter().flat_map(stairs).collect::<Vec<_>>());
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    assert_eq!(circle(&uses_of_modules(&files())), None);
    let table = FLOORS
        .iter()
        .map(|row| {
            let beside = row.beside.iter().map(|name| (*name).to_owned());
            (row.name.to_owned(), beside.collect())
        })
        .collect();
    assert_eq!(circle(&table), None, "the table itself");
}

#[test]
fn floors_0_to_3_are_pure() {
    fail_with(&files().iter().flat_map(impurities).collect::<Vec<_>>());
}

#[test]
fn files_are_under_600_lines_without_their_tests() {
    fail_with(&files().iter().filter_map(length).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_unfinished() {
    fail_with(&files().iter().flat_map(unfinished).collect::<Vec<_>>());
}

/// The rules themselves, held against source that breaks them.
mod rules {
    use super::*;

    fn reports(rule: impl Fn(&File) -> Vec<String>, name: &str, text: &str) -> Vec<String> {
        rule(&File::new(name, text))
    }

    #[test]
    fn a_use_of_a_higher_floor_is_found_with_file_and_line() {
        let text = "\nuse crate::octets::View;\nuse crate::gateway::Gateway;\n";
        assert_eq!(
            reports(stairs, "src/cms/ber.rs", text),
            ["src/cms/ber.rs:3: cms (floor 1) uses gateway (floor 3), which is above it"]
        );
    }

    #[test]
    fn a_use_inside_a_group_is_found() {
        let text = "use crate::{\n    octets::{self, View},\n    cms::attributes as a, x509,\n};";
        assert_eq!(
            reports(stairs, "src/crypto/mod.rs", text),
            [
                "src/crypto/mod.rs:3: crypto uses cms of its own floor 1, \
                 which the table does not give it",
                "src/crypto/mod.rs:3: crypto uses x509 of its own floor 1, \
                 which the table does not give it",
            ]
        );
    }

    #[test]
    fn a_use_through_super_is_found() {
        let deep = "fn f() { super::super::cms::open(); super::verify(); }";
        assert_eq!(
            reports(stairs, "src/x509/path.rs", deep),
            ["src/x509/path.rs:1: x509 uses cms of its own floor 1, \
              which the table does not give it"]
        );
        let nested = "mod inner { use super::super::Path; mod more { use super::super::x; } }";
        assert_eq!(reports(stairs, "src/x509/path.rs", nested), [""; 0]);
        let out = "mod inner { use super::super::super::policy::Rule; }";
        assert_eq!(reports(stairs, "src/x509/path.rs", out).len(), 1);
    }

    #[test]
    fn a_neighbour_that_the_table_gives_is_allowed() {
        let text = "use crate::crypto::Keys; use crate::x509::Certificate; use crate::limits;";
        assert_eq!(reports(stairs, "src/cms/mod.rs", text), [""; 0]);
        assert_eq!(reports(stairs, "src/mime/mod.rs", text).len(), 2);
    }

    #[test]
    fn the_binary_names_the_library() {
        let text = "fn main() { domsec::cli::run() }";
        assert_eq!(reports(stairs, "src/main.rs", text), [""; 0]);
        let library = "use domsec::cli;";
        assert_eq!(reports(stairs, "src/cms/mod.rs", library), [""; 0]);
    }

    #[test]
    fn prose_strings_and_tests_may_name_any_floor() {
        let text = r##"
            //! See [`crate::gateway::seal`].
            /* /* crate::cli */ crate::cli::run */
            const A: &str = "crate::gateway::x \" crate::cli";
            const B: &str = r#"crate::gateway" std::fs::read "#;
            const C: char = '"'; const D: u8 = b'"'; const E: char = '\'';
            fn f<'a>(x: &'a str) -> &'a str { x }
            #[cfg(test)]
            mod tests { use crate::gateway::Gateway; use std::fs; }
        "##;
        assert_eq!(reports(stairs, "src/cms/mod.rs", text), [""; 0]);
        assert_eq!(reports(impurities, "src/cms/mod.rs", text), [""; 0]);
        let code = format!("{text} fn g() {{ crate::gateway::x() }}");
        assert_eq!(reports(stairs, "src/cms/mod.rs", &code).len(), 1);
    }

    #[test]
    fn a_module_on_no_floor_is_refused() {
        assert_eq!(
            reports(stairs, "src/helpers.rs", ""),
            ["src/helpers.rs: module helpers is on no floor"]
        );
        assert_eq!(
            reports(stairs, "src/mime/mod.rs", "use crate::*;"),
            ["src/mime/mod.rs:1: mime uses crate::*, which is no module on a floor"]
        );
    }

    #[test]
    fn clock_files_sockets_and_logs_are_found_on_pure_floors() {
        for text in [
            "use std::fs;",
            "use std::{io, fs::File};",
            "use std::*;",
            "fn f() { std::net::TcpStream::connect(x); }",
            "use std::time::SystemTime; fn f() { SystemTime::now(); }",
            "fn f() { std::time::Instant::now(); }",
            "fn f() { std::env::var(x); }",
            "use tokio::io;",
            "fn f() { tracing::info!(x); }",
            "async fn f() {}",
            "fn f() { println!(); }",
            "use rand_core::OsRng;",
        ] {
            let found = reports(impurities, "src/cms/mod.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(
                reports(impurities, "src/cli/mod.rs", text),
                [""; 0],
                "{text}"
            );
        }
    }

    #[test]
    fn times_are_no_clock_and_addresses_no_socket() {
        let text = "use std::time::{Duration, SystemTime}; use std::io; use std::net::Ipv4Addr;";
        assert_eq!(reports(impurities, "src/cms/mod.rs", text), [""; 0]);
    }

    #[test]
    fn only_gather_waits_and_only_providers_draw() {
        let waits = "async fn f() { x.await }";
        assert_eq!(reports(impurities, "src/gateway/gather.rs", waits), [""; 0]);
        assert_eq!(reports(impurities, "src/gateway/open.rs", waits).len(), 2);
        let draws = "fn f() { SystemRandom::new(); }";
        assert_eq!(reports(impurities, "src/crypto/aws_lc.rs", draws), [""; 0]);
        assert_eq!(reports(impurities, "src/mime/write.rs", draws).len(), 1);
    }

    #[test]
    fn length_is_counted_without_tests() {
        let lines = "// line\n".repeat(600);
        let tests = "#[cfg(test)]\nmod tests {\n fn f() {}\n}\n";
        assert_eq!(
            length(&File::new("src/uri.rs", &format!("{lines}{tests}"))),
            None
        );
        let report = length(&File::new("src/uri.rs", &format!("{lines}// one\n{tests}")));
        assert_eq!(
            report.as_deref(),
            Some("src/uri.rs: 601 lines, more than 600")
        );
        let declared = format!("#[cfg(test)]\nmod tests;\n{lines}");
        assert!(length(&File::new("src/uri.rs", &declared)).is_some());
    }

    #[test]
    fn files_that_are_tests_alone_are_left_out() {
        let declares = File::new("src/mime/mod.rs", "mod fields;\n#[cfg(test)]\nmod vectors;");
        let fields = File::new("src/mime/fields.rs", "");
        let vectors = File::new("src/mime/vectors.rs", "use crate::cli;");
        let left = without_test_files(vec![declares, fields, vectors]);
        let names: Vec<&str> = left.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["src/mime/mod.rs", "src/mime/fields.rs"]);
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = "fn f() { todo!() }\nfn g() { std::unreachable!() }\n// FIXME: later\n";
        assert_eq!(
            reports(unfinished, "src/uri.rs", text),
            [
                "src/uri.rs:1: todo! in src",
                "src/uri.rs:2: unreachable! in src",
                "src/uri.rs:3: FIXME in src",
            ]
        );
        assert_eq!(
            reports(unfinished, "src/uri.rs", "fn todo() {} // todos"),
            [""; 0]
        );
    }

    #[test]
    fn a_circle_is_named() {
        let files = [
            File::new("src/cms/mod.rs", "use crate::x509::A;"),
            File::new("src/x509/mod.rs", "use crate::crypto::B;"),
            File::new("src/crypto/mod.rs", "use crate::cms::C; use crate::limits;"),
        ];
        let found = circle(&uses_of_modules(&files));
        assert_eq!(found.as_deref(), Some("cms -> x509 -> crypto -> cms"));
        assert_eq!(circle(&uses_of_modules(&files[..2])), None);
    }
}
