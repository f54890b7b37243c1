//! `src/manual/draft.md`: every sentence of the draft has its row, and every row is true.

use std::collections::BTreeSet;

use crate::fail_with;
use crate::files;
use crate::read;
use crate::root;
use crate::sources;

const DRAFT: &str = "src/manual/draft.md";

/// How often a section of the draft has each word of RFC 2119.
struct Section {
    number: &'static str,
    must: usize,
    must_not: usize,
    should: usize,
    may: usize,
}

const fn section(
    number: &'static str,
    (must, must_not): (usize, usize),
    (should, may): (usize, usize),
) -> Section {
    Section {
        number,
        must,
        must_not,
        should,
        may,
    }
}

/// Counted in the draft, without the paragraph of section 2 that explains the words. It has no
/// SHOULD NOT, SHALL, REQUIRED, RECOMMENDED or OPTIONAL beside that.
#[rustfmt::skip]
const SECTIONS: &[Section] = &[
    section("2.1", (0, 0), (0, 0)),
    section("2.2", (0, 0), (0, 0)),
    section("2.3", (0, 0), (0, 0)),
    section("2.4", (0, 0), (0, 0)),
    section("2.5", (1, 0), (0, 1)),
    section("2.6", (6, 0), (0, 1)),
    section("3.1", (3, 0), (2, 0)),
    section("3.2", (3, 1), (1, 1)),
    section("3.3", (5, 1), (2, 1)),
    section("3.4", (3, 2), (0, 1)),
    section("3.5", (2, 1), (0, 0)),
    section("3.6", (0, 0), (0, 0)),
    section("3.7", (3, 1), (0, 0)),
    section("4",   (2, 0), (2, 0)),
    section("4.1", (1, 0), (0, 0)),
    section("4.2", (0, 0), (0, 0)),
    section("5",   (3, 0), (0, 0)),
    section("5.1", (0, 0), (0, 0)),
    section("7",   (1, 0), (0, 0)),
];

/// One row of the table.
#[derive(Debug)]
struct Sentence<'a> {
    line: usize,
    section: &'a str,
    text: &'a str,
    done: &'a str,
    places: Vec<&'a str>,
    tests: Vec<&'a str>,
}

/// The rows; `Err` names the lines that are none.
fn sentences(text: &str) -> Result<Vec<Sentence<'_>>, Vec<String>> {
    let mut sentences = Vec::new();
    let mut errors = Vec::new();
    let rows = text.lines().enumerate();
    for (index, line) in rows.filter(|(_, line)| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[section, sentence, done, places, tests] = cells.as_slice() else {
            errors.push(format!(
                "{DRAFT}:{}: {} cells, not 5",
                index + 1,
                cells.len()
            ));
            continue;
        };
        sentences.push(Sentence {
            line: index + 1,
            section,
            text: sentence,
            done,
            places: listed(places),
            tests: listed(tests),
        });
    }
    if errors.is_empty() {
        Ok(sentences)
    } else {
        Err(errors)
    }
}

/// The elements of a cell; `-` is none.
fn listed(cell: &str) -> Vec<&str> {
    let elements = cell.split(',').map(str::trim);
    elements.filter(|one| *one != "-").collect()
}

/// The words of RFC 2119 in a sentence.
fn words(sentence: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut rest = sentence.split(|c: char| !c.is_alphanumeric()).peekable();
    while let Some(word) = rest.next() {
        let negated = rest.peek() == Some(&"NOT");
        found.extend(match (word, negated) {
            ("MUST" | "SHALL" | "REQUIRED", false) => Some("MUST"),
            ("MUST" | "SHALL", true) => Some("MUST NOT"),
            ("SHOULD" | "RECOMMENDED", false) => Some("SHOULD"),
            ("SHOULD", true) => Some("SHOULD NOT"),
            ("MAY" | "OPTIONAL", _) => Some("MAY"),
            _ => None,
        });
    }
    found
}

/// What is wrong with the rows, as far as the table alone tells.
fn row_errors(sentences: &[Sentence<'_>]) -> Vec<String> {
    let mut errors = Vec::new();
    let mut last = 0;
    for one in sentences {
        let mut wrong = |what: String| errors.push(format!("{DRAFT}:{}: {what}", one.line));
        match SECTIONS
            .iter()
            .position(|known| known.number == one.section)
        {
            None => wrong(format!(
                "there is no section {:?} in the table of sections",
                one.section
            )),
            Some(at) if at < last => wrong(format!("section {} follows a later one", one.section)),
            Some(at) => last = at,
        }
        if one.text.is_empty() || words(one.text).len() > 1 {
            wrong("a row is for one sentence with one word of RFC 2119 at most".to_owned());
        }
        let reason = ["no: ", "not ours: "]
            .iter()
            .find_map(|word| one.done.strip_prefix(word));
        match (one.done, reason) {
            ("yes", _) if one.places.is_empty() || one.tests.is_empty() => {
                wrong("done, and no module or no test is named".to_owned());
            }
            ("yes", _) => {}
            (_, Some(reason)) if reason.len() < 20 => wrong("no reason is given".to_owned()),
            (_, Some(_)) if !one.places.is_empty() || !one.tests.is_empty() => {
                wrong("not done, and yet done somewhere".to_owned());
            }
            (_, Some(_)) => {}
            (other, None) => {
                wrong(format!(
                    "{other:?} is not \"yes\", \"no: REASON\" or \"not ours: REASON\""
                ));
            }
        }
    }
    errors
}

/// What is wrong with the number of rows of each section.
fn count_errors(sentences: &[Sentence<'_>]) -> Vec<String> {
    let mut errors = Vec::new();
    for section in SECTIONS {
        let of_section = sentences.iter().filter(|one| one.section == section.number);
        let found: Vec<&str> = of_section.clone().flat_map(|one| words(one.text)).collect();
        if of_section.count() == 0 {
            errors.push(format!("{DRAFT}: section {} has no row", section.number));
        }
        for (word, wanted) in [
            ("MUST", section.must),
            ("MUST NOT", section.must_not),
            ("SHOULD", section.should),
            ("SHOULD NOT", 0),
            ("MAY", section.may),
        ] {
            let count = found.iter().filter(|one| **one == word).count();
            if count != wanted {
                errors.push(format!(
                    "{DRAFT}: section {} has {count} rows with {word}, and the draft {wanted}",
                    section.number
                ));
            }
        }
    }
    errors
}

/// The names of all functions under `#[test]` in `text`.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|after| {
        let (_, rest) = after.split_once("fn ")?;
        Some(rest.split_once('(')?.0.trim())
    })
}

fn all_tests() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for folder in ["src", "tests"] {
        for path in files::rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(path).expect("a source file is UTF-8");
            all.extend(test_names(&text).map(str::to_owned));
        }
    }
    all
}

/// `cms::attributes` as the files that it may be.
fn is_module(place: &str) -> bool {
    let path = place.replace("::", "/");
    let files = [format!("src/{path}.rs"), format!("src/{path}/mod.rs")];
    files.iter().any(|file| root().join(file).is_file())
}

fn with_table(check: impl Fn(&[Sentence<'_>]) -> Vec<String>) {
    let text = read(DRAFT);
    let reports = match sentences(&text) {
        Ok(sentences) => check(&sentences),
        Err(errors) => errors,
    };
    fail_with(&reports);
}

#[test]
fn every_sentence_of_the_draft_has_its_row() {
    with_table(count_errors);
}

#[test]
fn no_row_of_the_draft_is_open() {
    with_table(row_errors);
}

#[test]
fn what_is_done_of_the_draft_is_done_in_a_module_and_shown_by_a_test() {
    let tests = all_tests();
    assert!(tests.len() > 500, "only {} tests were found", tests.len());
    with_table(|sentences| {
        let mut reports = Vec::new();
        for one in sentences {
            let at = format!("{DRAFT}:{}", one.line);
            let places = one.places.iter().filter(|place| !is_module(place));
            reports.extend(places.map(|place| format!("{at}: there is no module {place}")));
            let shown = |name: &str| tests.contains(name) || root().join(name).is_file();
            let idle = one.tests.iter().filter(|name| !shown(name));
            reports.extend(idle.map(|name| format!("{at}: there is no test {name}")));
        }
        reports
    });
}

#[test]
fn every_decision_that_the_source_cites_is_told() {
    let text = read(DRAFT);
    let listed = |number: usize| {
        text.lines()
            .any(|line| line.starts_with(&format!("{number}. *")))
    };
    let mut reports = Vec::new();
    for (name, source) in sources() {
        for after in source.split(", decision ").skip(1) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            if !digits.parse().is_ok_and(listed) {
                reports.push(format!("src/{name}: decision {digits:?} is not in {DRAFT}"));
            }
        }
    }
    fail_with(&reports);
}

#[test]
fn rows_that_are_open_or_missing_are_named() {
    let head = "| a | b | c | d | e |\n| - | - | - | - | - |\n";
    let errors_of = |rows: &str| {
        let text = format!("{head}{rows}");
        match sentences(&text) {
            Ok(sentences) => row_errors(&sentences),
            Err(errors) => errors,
        }
    };
    let good = "| 2.5 | It MUST be | yes | a | b |\n\
                | 3.1 | It is | not ours: that is what clients do | - | - |";
    assert!(errors_of(good).is_empty(), "{:?}", errors_of(good));
    for (bad, error) in [
        ("| 2.5 | It | yes | a |", ":3: 4 cells"),
        ("| 2 | It | yes | a | b |", "no section \"2\""),
        (
            "| 3.1 | It | yes | a | b |\n| 2.5 | It | yes | a | b |",
            ":4: section 2.5 follows",
        ),
        ("| 2.5 | It MUST and MAY | yes | a | b |", "one word"),
        ("| 2.5 | It | yes | - | b |", "no module"),
        ("| 2.5 | It | yes | a | - |", "no test"),
        ("| 2.5 | It | no | - | - |", "\"no\" is not"),
        ("| 2.5 | It | no: later | - | - |", "no reason"),
        (
            "| 2.5 | It | no: this is the reason why | a | - |",
            "done somewhere",
        ),
    ] {
        let errors = errors_of(bad).join("\n");
        assert!(errors.contains(error), "{bad}: {errors}");
    }
    assert_eq!(
        words("MUST NOT, MUSTER; SHOULD (MAY) not"),
        ["MUST NOT", "SHOULD", "MAY"]
    );
    let one = format!("{head}| 4.1 | It SHOULD be | yes | a | b |");
    let errors = count_errors(&sentences(&one).expect("one row")).join("\n");
    assert!(
        errors.contains("section 4.1 has 0 rows with MUST, and the draft 1"),
        "{errors}"
    );
    assert!(
        errors.contains("section 4.1 has 1 rows with SHOULD, and the draft 0"),
        "{errors}"
    );
    assert!(errors.contains("section 4.2 has no row"), "{errors}");
    let text = "#[test]\n#[ignore]\nfn a() {}\nfn b() {}\n    #[test]\n    fn c() {";
    assert_eq!(test_names(text).collect::<Vec<_>>(), ["a", "c"]);
}
