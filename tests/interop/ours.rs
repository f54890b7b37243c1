//! The program under test, asked as its users ask it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::mail;
use crate::people;
use crate::scenario::Outcome;
use crate::scenario::expect_equal;
use crate::scenario::output;

/// `domsec` with a command.
fn domsec(command: &str) -> Command {
    let mut domsec = Command::new(env!("CARGO_BIN_EXE_domsec"));
    domsec.arg(command);
    domsec
}

/// Signs `file` as `name`, with its chain where it has one.
pub(crate) fn sign(name: &str, options: &[&str], file: &Path) -> Result<PathBuf, String> {
    let out = file.with_extension("signed");
    let mut command = domsec("sign");
    command
        .arg("--key")
        .arg(people::key(name))
        .arg("--cert")
        .arg(people::certificate(name))
        .arg("--chain")
        .arg(people::certificate("intermediate"))
        .args(options)
        .arg("-o")
        .args([out.as_path(), file]);
    output(&mut command)?;
    Ok(out)
}

/// Encrypts `file` to `names`.
pub(crate) fn encrypt(names: &[&str], options: &[&str], file: &Path) -> Result<PathBuf, String> {
    let out = file.with_extension("encrypted");
    let mut command = domsec("encrypt");
    for name in names {
        command.arg("--to").arg(people::certificate(name));
    }
    command.args(options).arg("-o").args([out.as_path(), file]);
    output(&mut command)?;
    Ok(out)
}

/// Decrypts `file` with the key of `name`.
pub(crate) fn decrypt(name: &str, file: &Path) -> Result<Vec<u8>, String> {
    let mut command = domsec("decrypt");
    output(with_key(&mut command, name).arg(file))
}

fn with_key<'a>(command: &'a mut Command, name: &str) -> &'a mut Command {
    command
        .arg("--key")
        .arg(people::key(name))
        .arg("--cert")
        .arg(people::certificate(name))
}

/// What `inspect` reports of `file`, with the keys of `names`.
pub(crate) fn inspect(names: &[&str], file: &Path) -> Result<Value, String> {
    let mut command = domsec("inspect");
    for name in names {
        with_key(&mut command, name);
    }
    json(&output(command.arg("--json").arg(file))?)
}

/// What `verify` reports of `file`, whatever the verdict.
pub(crate) fn verify<A: AsRef<OsStr>>(options: &[A], file: &Path) -> Result<Value, String> {
    let mut command = domsec("verify");
    command
        .arg("--anchor")
        .arg(people::certificate("root"))
        .arg("--intermediate")
        .arg(people::certificate("intermediate"))
        .args(options)
        .arg("--json")
        .arg(file);
    // Exit code 1 is an answer too.
    let done = command.output().map_err(|error| format!("{error}"))?;
    match done.status.code() {
        Some(0 | 1) => json(&done.stdout),
        _ => Err(format!(
            "verify: {}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}

fn json(octets: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(octets)
        .map_err(|error| format!("no JSON: {error}: {}", String::from_utf8_lossy(octets)))
}

/// A signature as the report should name it.
#[derive(Clone, Copy)]
pub(crate) struct Signature {
    pub(crate) signer: &'static str,
    pub(crate) algorithm: &'static str,
}

/// Whether `report` has just these signatures, each correct and with a valid path.
pub(crate) fn expect_signatures(report: &Value, expected: &[Signature]) -> Outcome {
    let signatures = report["signatures"].as_array().ok_or("no signatures")?;
    let mut found: Vec<String> = signatures.iter().map(describe).collect();
    let mut wanted: Vec<String> = expected
        .iter()
        .map(|signature| {
            let address = people::address(signature.signer);
            format!(
                "{address} {} signature valid, path valid",
                signature.algorithm
            )
        })
        .collect();
    found.sort();
    wanted.sort();
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found:?}, not {wanted:?}, in {report}"))
    }
}

fn describe(signature: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let signer = &signature["signer"];
    format!(
        "{} {} signature {}, path {}",
        text(signer["emails"].get(0).unwrap_or(&Value::Null)),
        text(&signer["signature_algorithm"]),
        text(&signature["signature"]),
        text(&signature["path"])
    )
}

pub(crate) fn expect_valid(report: &Value) -> Outcome {
    match report["verdict"].as_str() {
        Some("valid") => Ok(()),
        verdict => Err(format!("verdict is {verdict:?}, in {report}")),
    }
}

pub(crate) fn expect_layers(report: &Value, layers: &str) -> Outcome {
    expect_equal("layers", report["layers"].as_str(), Some(layers))
}

/// A recipient as the report should name it.
#[derive(Clone, Copy)]
pub(crate) struct Recipient {
    pub(crate) kind: &'static str,
    pub(crate) key_encryption: &'static str,
}

/// Whether the outermost E of `report` has this cipher and these recipients, in any order: DER sorts them.
pub(crate) fn expect_envelope(report: &Value, cipher: &str, recipients: &[Recipient]) -> Outcome {
    let envelope = first(&report["tree"], "enveloped")
        .ok_or_else(|| format!("no enveloped layer in {report}"))?;
    expect_equal(
        "content_encryption",
        envelope["content_encryption"].as_str(),
        Some(cipher),
    )?;
    let list = envelope["recipients"].as_array().ok_or("no recipients")?;
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut found: Vec<String> = list
        .iter()
        .map(|one| format!("{} {}", word(&one["kind"]), word(&one["key_encryption"])))
        .collect();
    let mut wanted: Vec<String> = recipients
        .iter()
        .map(|one| format!("{} {}", one.kind, one.key_encryption))
        .collect();
    found.sort();
    wanted.sort();
    expect_equal("recipients", found, wanted)
}

fn first<'a>(node: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut node = node;
    while node.is_object() {
        if node["kind"] == kind {
            return Some(node);
        }
        node = &node["child"];
    }
    None
}

/// Whether `decrypt` opens `file` for `name` and gives the text.
pub(crate) fn expect_opens(name: &str, file: &Path) -> Outcome {
    let opened = decrypt(name, file).map_err(|error| format!("for {name}: {error}"))?;
    mail::expect_text(&opened).map_err(|error| format!("for {name}: {error}"))
}

/// Writes a message from `from` into `folder`.
pub(crate) fn write_message(folder: &Path, from: &str) -> PathBuf {
    write(folder, "message.eml", &mail::message(from))
}

pub(crate) fn write(folder: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, octets).expect("a file in the scenario's folder");
    path
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
