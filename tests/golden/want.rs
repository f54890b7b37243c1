//! What a vector demands, and where what came of it differs.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::lines;
use super::lines::Line;
use super::mail::Mail;
use super::mail::unsafe_octets;

/// What may stand in `want.txt`, in its first section.
const OF_MESSAGE: &[&str] = &[
    "outcome",
    "direction",
    "layers_in",
    "authentication_results",
];

/// And in each other section, which is one share of the recipients.
const OF_SHARE: &[&str] = &[
    "to",
    "rule",
    "fate",
    "layers",
    "inspected",
    "reply",
    "warning",
    "reason",
    "encrypted_to",
    "header",
    "no-header",
    "body",
    "no-body",
    "same-as",
];

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) of: String,
    pub(crate) expected: String,
    pub(crate) actual: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            of,
            expected,
            actual,
        } = self;
        write!(f, "{of} should be {expected:?}, and is {actual:?}")
    }
}

/// `want.txt`.
#[derive(Debug)]
pub(crate) struct Want {
    message: Vec<Line>,
    shares: Vec<Vec<Line>>,
}

/// The report of a run and where its files are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came<'a> {
    pub(crate) report: &'a Value,
    /// The folder of the editions.
    pub(crate) out: &'a Path,
    /// The folder of the vector.
    pub(crate) vector: &'a Path,
}

impl Want {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let keys = [OF_MESSAGE, OF_SHARE].concat();
        let mut sections = lines::sections(text, &keys)?.into_iter();
        let message = sections.next().ok_or("it is empty")?;
        let shares: Vec<Vec<Line>> = sections.collect();
        let misplaced = |section: &[Line], known: &[&str]| {
            let other = section.iter().find(|line| !known.contains(&&*line.key));
            other.map(|line| format!("line {}: {} does not belong here", line.number, line.key))
        };
        let mut wrong = shares.iter().filter_map(|share| misplaced(share, OF_SHARE));
        if let Some(error) = misplaced(&message, OF_MESSAGE).or(wrong.next()) {
            return Err(error);
        }
        let starts = |share: &&Vec<Line>| share.first().is_some_and(|line| line.key == "to");
        if shares.is_empty() || !shares.iter().all(|share| starts(&share)) {
            return Err(
                "every section but the first begins with a recipient, to: ADDRESS".to_owned(),
            );
        }
        Ok(Self { message, shares })
    }

    /// The word of the whole outcome.
    pub(crate) fn outcome(&self) -> Result<String, String> {
        lines::value(&self.message, "outcome")?.ok_or("no outcome".to_owned())
    }

    /// All that differs.
    pub(crate) fn compare(&self, came: Came<'_>) -> Result<Vec<Fault>, String> {
        let mut faults = Vec::new();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for key in OF_MESSAGE {
            let expected = lines::value(&self.message, key)?;
            // What stands in every report may be left out; results must be there or not as they are.
            if let (None, "direction" | "layers_in") = (&expected, *key) {
                continue;
            }
            let expected = expected.unwrap_or_default();
            let actual = text(&came.report[*key]);
            faults.extend(differs(key, &expected, &actual));
        }
        let fates = came.report["fates"].as_array().cloned().unwrap_or_default();
        let number = |length: usize| length.to_string();
        faults.extend(differs(
            "number of shares",
            &number(self.shares.len()),
            &number(fates.len()),
        ));
        for (section, fate) in self.shares.iter().zip(&fates) {
            let share = Share { section, fate };
            faults.extend(share.compare(came)?);
        }
        Ok(faults)
    }
}

fn differs(of: &str, expected: &str, actual: &str) -> Option<Fault> {
    (expected != actual).then(|| Fault {
        of: of.to_owned(),
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    })
}

/// One share: what is wanted of it, and the report's word on it.
struct Share<'a> {
    section: &'a [Line],
    fate: &'a Value,
}

impl Share<'_> {
    fn compare(&self, came: Came<'_>) -> Result<Vec<Fault>, String> {
        let mut faults = Vec::new();
        let listed = |key: &str| texts(&self.fate[key]);
        faults.extend(differs(
            "to",
            &lines::values(self.section, "to").join(", "),
            &listed("recipients").join(", "),
        ));
        for key in ["rule", "fate", "layers", "reply"] {
            let expected = lines::value(self.section, key)?.unwrap_or_default();
            faults.extend(differs(
                key,
                &expected,
                self.fate[key].as_str().unwrap_or_default(),
            ));
        }
        faults.extend(self.readers());
        faults.extend(self.warnings());
        let reasons = listed("reasons").join("; ");
        for reason in lines::values(self.section, "reason") {
            if !reasons.contains(&reason) {
                faults.push(Fault {
                    of: "reason".to_owned(),
                    expected: reason,
                    actual: reasons.clone(),
                });
            }
        }
        match self.fate["file"].as_str() {
            Some(file) => faults.extend(self.edition(came, file)?),
            None => {
                let of_edition = ["header", "no-header", "body", "no-body", "same-as"];
                let line = self
                    .section
                    .iter()
                    .find(|line| of_edition.contains(&&*line.key));
                faults.extend(line.map(|line| Fault {
                    of: line.key.clone(),
                    expected: line.value.clone(),
                    actual: "no edition".to_owned(),
                }));
            }
        }
        Ok(faults)
    }

    /// Names of `certs/`, or of files in the vector's folder, as fingerprints.
    fn readers(&self) -> Option<Fault> {
        let mut expected = lines::values(self.section, "encrypted_to");
        let mut actual = texts(&self.fate["reader_names"]);
        expected.sort();
        actual.sort();
        differs("encrypted_to", &expected.join(", "), &actual.join(", "))
    }

    /// As many as are wanted, each with its text.
    fn warnings(&self) -> Vec<Fault> {
        let expected = lines::values(self.section, "warning");
        let actual = texts(&self.fate["warnings"]);
        let missing = expected
            .iter()
            .filter(|warning| !actual.iter().any(|one| one.contains(*warning)));
        let mut faults: Vec<Fault> = missing
            .map(|warning| Fault {
                of: "warning".to_owned(),
                expected: warning.clone(),
                actual: actual.join("; "),
            })
            .collect();
        if faults.is_empty() && actual.len() != expected.len() {
            faults.push(Fault {
                of: "warning".to_owned(),
                expected: expected.join("; "),
                actual: actual.join("; "),
            });
        }
        faults
    }

    fn edition(&self, came: Came<'_>, file: &str) -> Result<Vec<Fault>, String> {
        let read = |path: &Path| fs::read(path).map_err(|error| format!("{path:?}: {error}"));
        let octets = read(&came.out.join(file))?;
        let mail = Mail::read(&octets);
        let mut faults = Vec::new();
        for line in self.section {
            let actual = match line.key.as_str() {
                "header" => header(&mail, &line.value)?,
                "no-header" => no_header(&mail, &line.value),
                "body" => (!mail.body.contains(&line.value)).then(|| mail.body.clone()),
                "no-body" => mail.body.contains(&line.value).then(|| mail.body.clone()),
                "same-as" => {
                    let same = read(&came.vector.join(&line.value))? == octets;
                    (!same).then(|| format!("another, in {file}"))
                }
                _ => None,
            };
            faults.extend(actual.map(|actual| Fault {
                of: line.key.clone(),
                expected: line.value.clone(),
                actual,
            }));
        }
        let changed = self.fate["layers"] != came.report["layers_in"];
        if let (true, Some(bad)) = (changed, unsafe_octets(&octets)) {
            faults.push(Fault {
                of: "edition".to_owned(),
                expected: "lines that SMTP carries".to_owned(),
                actual: bad.to_owned(),
            });
        }
        // Another command reads it, with the keys of those who can; it opens all that it can.
        let inspected = self.fate["inspected"].as_str().unwrap_or_default();
        let layers = self.fate["layers"].as_str().unwrap_or_default();
        let wanted = lines::value(self.section, "inspected")?;
        let wanted = wanted.as_deref().unwrap_or(layers);
        faults.extend(differs("inspected", wanted, inspected));
        Ok(faults)
    }
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

/// What is there instead of `wanted`, `Name: value`.
fn header(mail: &Mail, wanted: &str) -> Result<Option<String>, String> {
    let (name, value) = wanted
        .split_once(':')
        .ok_or_else(|| format!("header: {wanted:?} is no \"Name: value\""))?;
    let all = mail.all(name);
    let found = all.contains(&value.trim());
    Ok((!found).then(|| all.join(" | ")))
}

/// What is there though it must not: `Name`, or `Name: text` for a field that holds the text.
fn no_header(mail: &Mail, unwanted: &str) -> Option<String> {
    let (name, text) = unwanted.split_once(':').unwrap_or((unwanted, ""));
    let all = mail.all(name);
    let found = all.iter().find(|value| value.contains(text.trim()));
    found.map(|value| (*value).to_owned())
}

mod rules {
    use serde_json::json;

    use super::*;

    const WANT: &str = "outcome: deliver\n\nto: b@b.example\nfate: deliver\nlayers: C\n\
                        warning: odd\nheader: Subject: x\nno-header: Bcc\n";

    fn faults(want: &str, report: &Value, message: &str) -> Vec<String> {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("0.eml"), message).unwrap();
        let came = Came {
            report,
            out: folder.path(),
            vector: folder.path(),
        };
        let faults = Want::parse(want).unwrap().compare(came).unwrap();
        faults.iter().map(|fault| fault.of.clone()).collect()
    }

    fn report() -> Value {
        json!({"outcome": "deliver", "layers_in": "C", "fates": [{
            "fate": "deliver", "recipients": ["b@b.example"], "layers": "C", "inspected": "C",
            "warnings": ["how odd it is"], "file": "0.eml"}]})
    }

    #[test]
    fn what_is_as_wanted_has_no_fault() {
        assert_eq!(faults(WANT, &report(), "Subject: x\r\n\r\n"), [""; 0]);
    }

    #[test]
    fn every_difference_is_a_fault() {
        let message = "Subject: x\r\n\r\n";
        let changed = |pointer: &str, value: Value| {
            let mut report = report();
            *report.pointer_mut(pointer).unwrap() = value;
            faults(WANT, &report, message)
        };
        assert_eq!(changed("/outcome", json!("hold")), ["outcome"]);
        assert_eq!(changed("/fates/0/fate", json!("hold")), ["fate"]);
        assert_eq!(changed("/fates/0/recipients", json!([])), ["to"]);
        assert_eq!(changed("/fates/0/warnings", json!([])), ["warning"]);
        assert_eq!(
            changed("/fates/0/warnings", json!(["odd", "even"])),
            ["warning"]
        );
        assert_eq!(changed("/fates/0/inspected", json!("S(C)")), ["inspected"]);
        assert_eq!(changed("/fates", json!([])), ["number of shares"]);
        let mut more = report();
        more["authentication_results"] = json!("gw; smime=none");
        assert_eq!(faults(WANT, &more, message), ["authentication_results"]);
        more = report();
        more["fates"][0]["reply"] = json!("550 5.7.1 no");
        more["fates"][0]["reader_names"] = json!(["bob"]);
        assert_eq!(faults(WANT, &more, message), ["reply", "encrypted_to"]);
        let tagged = faults(WANT, &report(), "Subject: [x] x\r\nBCC: y\r\n\r\n");
        assert_eq!(tagged, ["header", "no-header"]);
    }

    #[test]
    fn a_vector_without_recipients_or_with_keys_out_of_place_is_none() {
        for (want, says) in [
            ("outcome: deliver\n", "begins with a recipient"),
            (
                "outcome: deliver\n\nfate: deliver\nto: x@y\n",
                "begins with a recipient",
            ),
            (
                "outcome: deliver\nfate: deliver\n\nto: x@y\n",
                "line 2: fate does not belong",
            ),
            (
                "outcome: deliver\n\nto: x@y\noutcome: hold\n",
                "line 4: outcome does not belong",
            ),
            ("outcome: deliver\n\nto: x@y\nlayer: C\n", "unknown key"),
        ] {
            let error = Want::parse(want).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
