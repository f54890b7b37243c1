//! Runs one vector through `domsec process`, as its users do.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use toml::Table;

use super::lines;
use super::lines::Line;
use super::want::Came;
use super::want::Fault;
use super::want::Want;

/// What may stand in `envelope.txt`. Each is the option of its name, save `config`: the folder of
/// `certs/demo` whose configuration is used, where the vector has none of its own.
const KEYS: &[&str] = &[
    "config",
    "direction",
    "mail-from",
    "rcpt-to",
    "auth",
    "client-ip",
    "tls-subject",
    "helo",
];

/// A folder of `tests/vectors`.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) name: String,
    folder: PathBuf,
}

impl Vector {
    /// The vectors in `folder`, by name; none where it is not there.
    pub(crate) fn all(folder: &Path) -> Vec<Self> {
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let folders = entries.map(|entry| entry.unwrap().path());
        let mut all: Vec<Self> = folders
            .filter(|folder| folder.is_dir() && !folder.ends_with("private"))
            .map(|folder| Self {
                name: folder.file_name().unwrap().to_string_lossy().into_owned(),
                folder,
            })
            .collect();
        all.sort_by(|one, next| one.name.cmp(&next.name));
        all
    }

    /// Runs it, leaves what came of it beneath `review`, and says what differs.
    pub(crate) fn run(&self, review: &Path) -> Result<Vec<Fault>, String> {
        for needed in ["README", "in.eml", "envelope.txt", "want.txt"] {
            if !self.folder.join(needed).is_file() {
                return Err(format!("it has no {needed}"));
            }
        }
        let want = self.read("want.txt", Want::parse)?;
        let envelope = self.read("envelope.txt", |text| lines::sections(text, KEYS))?;
        let envelope = envelope.concat();
        let out = review.join(&self.name);
        // What an earlier run left says nothing about this one.
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out).map_err(|error| format!("{out:?}: {error}"))?;
        let certificates = self.certificates(&out)?;
        let config = self.config(&envelope, &out)?;
        let mut report = self.process(&envelope, &want, &out)?;
        for fate in report["fates"].as_array_mut().into_iter().flatten() {
            named(fate, &certificates);
            if let Some(file) = fate["file"].as_str() {
                let layers = self.inspected(&config, fate, &out.join(file))?;
                fate["inspected"] = layers;
            }
        }
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        fs::write(out.join("report.json"), text).map_err(|error| error.to_string())?;
        want.compare(Came {
            report: &report,
            out: &out,
            vector: &self.folder,
        })
    }

    fn read<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        let text = fs::read_to_string(self.folder.join(name));
        let text = text.map_err(|error| format!("{name}: {error}"))?;
        parse(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// Puts the certificates that `certs.txt` names into the folder `recipients`, and returns all
    /// that could be encrypted to, by name.
    fn certificates(&self, out: &Path) -> Result<Vec<(String, PathBuf)>, String> {
        let mut all: Vec<(String, PathBuf)> = Vec::new();
        for entry in fs::read_dir(certs()).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.extension().is_some_and(|ending| ending == "pem") {
                all.push((stem(&path), path));
            }
        }
        if !self.folder.join("certs.txt").exists() {
            return Ok(all);
        }
        let recipients = out.join("recipients");
        fs::create_dir_all(&recipients).map_err(|error| error.to_string())?;
        let names = self.read("certs.txt", |text| Ok(text.to_owned()))?;
        for name in names.lines() {
            let file = format!("{name}.pem");
            let own = self.folder.join(&file);
            let from = if own.exists() {
                own
            } else {
                certs().join(&file)
            };
            fs::copy(&from, recipients.join(&file)).map_err(|error| format!("{file}: {error}"))?;
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), from));
            }
        }
        Ok(all)
    }

    /// The configuration, with its paths made absolute, this vector's policy and certificates in it.
    fn config(&self, envelope: &[Line], out: &Path) -> Result<Table, String> {
        let own = self.folder.join("config.toml");
        let path = match (own.exists(), lines::value(envelope, "config")?) {
            (true, None) => own,
            (false, Some(name)) => certs().join("demo").join(name).join("domsec.toml"),
            _ => return Err("give config: in envelope.txt, or a config.toml".to_owned()),
        };
        let text = fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
        let mut config: Table = text.parse().map_err(|error| format!("{path:?}: {error}"))?;
        let folder = path.parent().unwrap();
        for (_, value) in &mut config {
            absolute(value, folder);
        }
        let path = |path: PathBuf| path.to_string_lossy().into_owned().into();
        let policy = self.folder.join("policy.toml");
        if policy.exists() {
            config.insert("policy".to_owned(), path(policy));
        }
        if self.folder.join("certs.txt").exists() {
            let directory = [("directory".to_owned(), path(out.join("recipients")))];
            config.insert(
                "certificates".to_owned(),
                Table::from_iter(directory).into(),
            );
        }
        let text = toml::to_string(&config).map_err(|error| error.to_string())?;
        fs::write(out.join("domsec.toml"), text).map_err(|error| error.to_string())?;
        Ok(config)
    }

    fn process(&self, envelope: &[Line], want: &Want, out: &Path) -> Result<Value, String> {
        let mut command = domsec("process");
        command.arg("--config").arg(out.join("domsec.toml"));
        for line in envelope.iter().filter(|line| line.key != "config") {
            command.arg(format!("--{}={}", line.key, line.value));
        }
        command.arg("--out-dir").arg(out).arg("--json");
        let done = command.arg(self.folder.join("in.eml")).output();
        let done = done.map_err(|error| error.to_string())?;
        let code = match want.outcome()?.as_str() {
            "refuse" => 77,
            "hold" | "defer" => 75,
            _ => 0,
        };
        let said = String::from_utf8_lossy(&done.stderr);
        let report = serde_json::from_slice(&done.stdout)
            .map_err(|error| format!("{}: no report: {error}: {said}", done.status))?;
        if done.status.code() == Some(code) {
            Ok(report)
        } else {
            Err(format!("{}, not {code}: {report} {said}", done.status))
        }
    }

    /// What `domsec inspect` says of an edition, with our DCA's keys and those of its readers.
    fn inspected(&self, config: &Table, fate: &Value, edition: &Path) -> Result<Value, String> {
        let mut command = domsec("inspect");
        let mut keys: Vec<(PathBuf, PathBuf)> = Vec::new();
        let entries = config.get("key").and_then(toml::Value::as_array);
        for entry in entries.into_iter().flatten() {
            if entry["role"].as_str() == Some("dca") {
                let path = |key: &str| PathBuf::from(entry[key].as_str().unwrap());
                keys.push((path("key"), path("cert")));
            }
        }
        for name in fate["reader_names"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            let own = self.folder.join(format!("{name}.pem"));
            let file = |name: &str, ending| certs().join(format!("{name}.{ending}"));
            keys.push(if own.exists() {
                (file("dca-b", "key"), own)
            } else {
                (file(name, "key"), file(name, "pem"))
            });
        }
        for (key, certificate) in keys {
            command.arg("--key").arg(key).arg("--cert").arg(certificate);
        }
        let done = command.arg("--json").arg(edition).output();
        let done = done.map_err(|error| error.to_string())?;
        let report: Value = serde_json::from_slice(&done.stdout).map_err(|error| {
            let said = String::from_utf8_lossy(&done.stderr);
            format!("inspect: {error}: {said}")
        })?;
        Ok(report["layers"].clone())
    }
}

/// Gives a fate the names of the certificates in its `encrypted_to`.
fn named(fate: &mut Value, certificates: &[(String, PathBuf)]) {
    let readers = fate["encrypted_to"].as_array().cloned().unwrap_or_default();
    let names = readers.iter().map(|fingerprint| {
        let known = certificates
            .iter()
            .find(|(_, path)| Some(self::fingerprint(path).as_str()) == fingerprint.as_str());
        let name = known.map(|(name, _)| name.clone().into());
        name.unwrap_or_else(|| fingerprint.clone())
    });
    fate["reader_names"] = names.collect::<Vec<Value>>().into();
}

/// SHA-256 of the certificate's DER, in hex.
fn fingerprint(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64_simd::STANDARD.decode_to_vec(base64).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(der);
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Makes the paths in a value of the configuration absolute: they are relative to its file.
fn absolute(value: &mut toml::Value, folder: &Path) {
    match value {
        toml::Value::String(text) => {
            let path = folder.join(&*text);
            if path.exists() {
                *text = path.to_string_lossy().into_owned();
            }
        }
        toml::Value::Array(all) => all.iter_mut().for_each(|one| absolute(one, folder)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, one)| absolute(one, folder)),
        _ => {}
    }
}

fn domsec(command: &str) -> Command {
    let mut domsec = Command::new(env!("CARGO_BIN_EXE_domsec"));
    domsec.arg(command);
    domsec
}

fn certs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}
