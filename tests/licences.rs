//! Whom we depend on: licences and crates held against `deny.toml`, and a purpose for each.
//!
//! Reads what `cargo metadata` says of the packages that are built here, so that cargo-deny, which
//! takes minutes to build, need not be at hand.

#![expect(
    clippy::expect_used,
    reason = "these tests read our own files; a panic names what is wrong with them"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// `deny.toml`; a key that this test does not enforce is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    /// `name`, or `name:<1.2`.
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: semver::Version,
    license: Option<String>,
}

impl Ban {
    fn bans(&self, package: &Package) -> bool {
        let (name, range) = match self.spec.split_once(':') {
            Some((name, range)) => (name, range),
            None => (self.spec.as_str(), "*"),
        };
        let range = semver::VersionReq::parse(range).expect("a version range in deny.toml");
        // A release candidate is of the generation that it announces.
        let mut version = package.version.clone();
        version.pre = semver::Prerelease::EMPTY;
        name == package.name && range.matches(&version)
    }
}

/// Whether an SPDX expression can be met with what `allow` lists; `Err` says what is not SPDX in it.
fn licence_allowed(expression: &str, allow: &[String]) -> Result<bool, String> {
    // `MIT/Apache-2.0` is how crates.io wrote OR before SPDX.
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = alternatives(&mut words, allow)?;
    match words.next() {
        None => Ok(allowed),
        Some(word) => Err(format!("{word:?} follows the end of {expression:?}")),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `a OR b`, which binds weakest.
fn alternatives(words: &mut Words<'_>, allow: &[String]) -> Result<bool, String> {
    let mut allowed = conjunction(words, allow)?;
    while words.next_if_eq(&"OR").is_some() {
        allowed |= conjunction(words, allow)?;
    }
    Ok(allowed)
}

/// `a AND b`.
fn conjunction(words: &mut Words<'_>, allow: &[String]) -> Result<bool, String> {
    let mut allowed = one_licence(words, allow)?;
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one_licence(words, allow)?;
    }
    Ok(allowed)
}

/// A licence, a licence WITH an exception, or an expression in parentheses.
fn one_licence(words: &mut Words<'_>, allow: &[String]) -> Result<bool, String> {
    match words.next() {
        Some("(") => {
            let allowed = alternatives(words, allow)?;
            words
                .next_if_eq(&")")
                .ok_or("a parenthesis is not closed")?;
            Ok(allowed)
        }
        Some(word @ (")" | "AND" | "OR" | "WITH")) => Err(format!("{word:?} is no licence")),
        Some(licence) => {
            let mut name = licence.to_owned();
            if words.next_if_eq(&"WITH").is_some() {
                let exception = words.next().ok_or("WITH names no exception")?;
                name = format!("{licence} WITH {exception}");
            }
            Ok(allow.contains(&name))
        }
        None => Err("a licence is missing".to_owned()),
    }
}

/// Every package that may not be here, with the reason.
fn departures(packages: &[Package], deny: &Deny) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        match package.license.as_deref() {
            None => found.push(format!("{name}: no licence is stated")),
            Some(licence) => match licence_allowed(licence, &deny.licenses.allow) {
                Ok(true) => {}
                Ok(false) => found.push(format!("{name}: licence {licence} is not allowed")),
                Err(error) => found.push(format!("{name}: licence {licence}: {error}")),
            },
        }
        let bans = deny.bans.deny.iter().filter(|ban| ban.bans(package));
        found.extend(bans.map(|ban| format!("{name}: banned: {}", ban.reason)));
    }
    found
}

/// Every dependency of a Cargo.toml whose line does not say what it is for.
fn without_purpose(manifest: &str) -> Vec<String> {
    let mut section = String::new();
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let number = index + 1;
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            if section.contains("dependencies.") {
                found.push(format!(
                    "Cargo.toml:{number}: [{section}] belongs on one line"
                ));
            }
            continue;
        }
        let dependency = section.ends_with("dependencies") && line.contains('=');
        if !dependency || line.starts_with('#') {
            continue;
        }
        let purpose = line
            .rsplit_once(['"', '}', ']'])
            .and_then(|(_, rest)| rest.split_once('#'))
            .map_or("", |(_, purpose)| purpose.trim());
        if purpose.is_empty() {
            let name = line.split_once('=').map_or(line, |(name, _)| name).trim();
            found.push(format!(
                "Cargo.toml:{number}: {name} has no comment on its purpose"
            ));
        }
    }
    found
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("cargo and rustc are at hand");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    String::from_utf8(output.stdout).expect("cargo and rustc write UTF-8")
}

/// The packages of this machine's platform: the others may never have been downloaded here.
fn packages() -> Vec<Package> {
    let about = output(Command::new("rustc").arg("-vV"));
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host");
    let json = output(Command::new(env!("CARGO")).args([
        "metadata",
        "--offline",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        host,
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ]));
    let metadata: Metadata = serde_json::from_str(&json).expect("cargo metadata writes JSON");
    // The metadata also has packages that a feature such as "ring?/std" names and nothing turns on:
    // the tree has those alone that are built.
    let tree = output(Command::new(env!("CARGO")).args([
        "tree",
        "--offline",
        "--locked",
        "--all-features",
        "--prefix=none",
        "--format={p}",
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ]));
    let built: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    let is_built = |package: &Package| {
        let name = format!("{} v{}", package.name, package.version);
        built.iter().any(|line| {
            let rest = line.strip_prefix(&name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    };
    metadata.packages.into_iter().filter(is_built).collect()
}

#[test]
fn every_package_has_an_allowed_licence_and_none_is_banned() {
    let deny: Deny = toml::from_str(&read("deny.toml")).expect("deny.toml has the known keys");
    let packages = packages();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    let found = departures(&packages, &deny);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let found = without_purpose(&read("Cargo.toml"));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_allowed_licence_says_why() {
    let text = read("deny.toml");
    let (_, list) = text.split_once("allow = [").expect("an allow list");
    let (list, _) = list.split_once("\n]").expect("the end of the allow list");
    let bare: Vec<&str> = list
        .lines()
        .filter(|line| line.contains('"') && !line.contains("# "))
        .collect();
    assert!(bare.is_empty(), "\n{}\n", bare.join("\n"));
}

/// The rules themselves, held against what breaks them.
mod rules {
    use super::*;

    fn allow() -> Vec<String> {
        ["MIT", "Apache-2.0", "ISC", "GPL-2.0 WITH Classpath"]
            .map(str::to_owned)
            .to_vec()
    }

    fn package(name: &str, version: &str, license: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: version.parse().expect("a version"),
            license: license.map(str::to_owned),
        }
    }

    #[test]
    fn licences_are_judged_as_spdx_says() {
        for (expression, expected) in [
            ("MIT", Ok(true)),
            ("GPL-3.0", Ok(false)),
            ("MIT OR GPL-3.0", Ok(true)),
            ("MIT AND GPL-3.0", Ok(false)),
            ("GPL-3.0/MIT", Ok(true)),
            // AND binds closer than OR.
            ("MIT OR GPL-3.0 AND GPL-2.0", Ok(true)),
            ("(MIT OR GPL-3.0) AND GPL-2.0", Ok(false)),
            ("ISC AND (Apache-2.0 OR GPL-2.0)", Ok(true)),
            ("GPL-2.0 WITH Classpath", Ok(true)),
            ("MIT WITH Classpath", Ok(false)),
        ] {
            assert_eq!(
                licence_allowed(expression, &allow()),
                expected,
                "{expression}"
            );
        }
        for expression in [
            "",
            "MIT OR",
            "(MIT",
            "MIT GPL-3.0",
            "AND MIT",
            "MIT)",
            "MIT WITH",
        ] {
            assert!(
                licence_allowed(expression, &allow()).is_err(),
                "{expression:?}"
            );
        }
    }

    #[test]
    fn banned_crates_ranges_and_missing_licences_are_found() {
        let ban = |spec: &str| Ban {
            spec: spec.to_owned(),
            reason: "because".to_owned(),
        };
        let deny = Deny {
            licenses: Licenses { allow: allow() },
            bans: Bans {
                deny: vec![ban("openssl"), ban("der:<0.8")],
            },
        };
        let packages = [
            package("openssl", "0.10.1", Some("MIT")),
            package("openssl-probe", "0.1.0", Some("MIT")),
            package("der", "0.7.9", Some("MIT")),
            package("der", "0.7.0-rc.1", Some("MIT")),
            package("der", "0.8.0-rc.1", Some("MIT")),
            package("mystery", "1.0.0", None),
            package("readline", "1.0.0", Some("GPL-3.0")),
        ];
        assert_eq!(
            departures(&packages, &deny),
            [
                "openssl 0.10.1: banned: because",
                "der 0.7.9: banned: because",
                "der 0.7.0-rc.1: banned: because",
                "mystery 1.0.0: no licence is stated",
                "readline 1.0.0: licence GPL-3.0 is not allowed",
            ]
        );
    }

    #[test]
    fn a_dependency_without_a_purpose_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\n# All of these.\n\
            a = \"1\" # does a\nb = { version = \"1\" }\nc = \"1\" #\nd = \"#1\"\n\
            [dev-dependencies.e]\nversion = \"1\"\n";
        assert_eq!(
            without_purpose(manifest),
            [
                "Cargo.toml:6: b has no comment on its purpose",
                "Cargo.toml:7: c has no comment on its purpose",
                "Cargo.toml:8: d has no comment on its purpose",
                "Cargo.toml:9: [dev-dependencies.e] belongs on one line",
            ]
        );
    }
}
