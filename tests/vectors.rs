//! Golden messages: every folder of `tests/vectors` through `domsec process`, in one loop.
//!
//! `tests/vectors/README.md` says what a folder holds. Folders in `tests/vectors/private`, which git
//! ignores, are run too. Editions and reports stay for review in `vectors` of the target's `tmp`.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests state what must hold; a panic there is the report"
)]

mod golden;

use std::path::Path;
use std::path::PathBuf;

use golden::Fault;
use golden::Vector;

/// A vector that is known not to come out as it should.
struct Departure {
    vector: &'static str,
    /// What differs, as [`Fault`] names it.
    of: &'static str,
    expected: &'static str,
    actual: &'static str,
    /// Why that is so, and why the vector is kept.
    reason: &'static str,
}

const DEPARTURES: &[Departure] = &[];

impl Departure {
    fn is(&self, fault: &Fault) -> bool {
        (&*fault.of, &*fault.expected, &*fault.actual) == (self.of, self.expected, self.actual)
    }
}

#[test]
fn every_vector_comes_out_as_it_wants() {
    let vectors = Vector::all(&folder());
    assert!(vectors.len() >= 40, "only {} vectors", vectors.len());
    let report = run(&vectors, DEPARTURES);
    assert!(report.is_empty(), "\n{}\n", report.join("\n"));
}

#[test]
fn private_vectors_come_out_as_they_want() {
    let report = run(&Vector::all(&folder().join("private")), &[]);
    assert!(report.is_empty(), "\n{}\n", report.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Runs `vectors` and returns what is wrong, one line each.
fn run(vectors: &[Vector], departures: &[Departure]) -> Vec<String> {
    let review = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors");
    let mut report = Vec::new();
    for vector in vectors {
        let of_vector = departures.iter().filter(|one| one.vector == vector.name);
        let known: Vec<&Departure> = of_vector.collect();
        match vector.run(&review) {
            Err(error) => report.push(format!("{}: {error}", vector.name)),
            Ok(faults) => report.extend(judged(&vector.name, &faults, &known)),
        }
    }
    let is_idle = |one: &&Departure| !vectors.iter().any(|vector| vector.name == one.vector);
    let idle = departures.iter().filter(is_idle);
    report.extend(idle.map(|one| format!("{}: a departure, and no vector", one.vector)));
    report
}

/// What is wrong with one vector: faults that are no departures, and departures that are no faults.
fn judged(name: &str, faults: &[Fault], known: &[&Departure]) -> Vec<String> {
    let unknown = faults
        .iter()
        .filter(|fault| !known.iter().any(|one| one.is(fault)));
    let mut report: Vec<String> = unknown.map(|fault| format!("{name}: {fault}")).collect();
    let passes = known
        .iter()
        .filter(|one| !faults.iter().any(|fault| one.is(fault)));
    report.extend(passes.map(|one| {
        let Departure { of, reason, .. } = one;
        format!("{name}: {of} is no departure any more, which was there because {reason}")
    }));
    report
}

mod rules {
    use super::*;

    const KNOWN: Departure = Departure {
        vector: "01",
        of: "layers",
        expected: "C",
        actual: "S(C)",
        reason: "it is a test",
    };

    fn fault(actual: &str) -> Fault {
        Fault {
            of: "layers".to_owned(),
            expected: "C".to_owned(),
            actual: actual.to_owned(),
        }
    }

    #[test]
    fn a_departure_is_expected_as_it_is_written_and_not_otherwise() {
        assert_eq!(judged("01", &[fault("S(C)")], &[&KNOWN]), [""; 0]);
        let other = judged("01", &[fault("E(C)")], &[&KNOWN]);
        assert_eq!(other.len(), 2, "{other:?}");
        assert_eq!(
            judged("01", &[fault("E(C)")], &[]),
            ["01: layers should be \"C\", and is \"E(C)\""]
        );
    }

    #[test]
    fn an_unexpected_pass_fails() {
        let passed = judged("01", &[], &[&KNOWN]);
        assert_eq!(
            passed,
            ["01: layers is no departure any more, which was there because it is a test"]
        );
    }

    #[test]
    fn a_departure_of_no_vector_fails() {
        assert_eq!(run(&[], &[KNOWN]), ["01: a departure, and no vector"]);
    }
}
