//! Every finding, in copies of a folder of `domsec quickstart`, each with one thing spoilt.

mod sources;

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::cli::quickstart::lay_out;
use crate::service::privileges::is_root;

const DAY: i64 = 24 * 60 * 60;

fn now() -> Time {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

fn later(days: i64) -> Time {
    Time::from_unix(now().unix() + days * DAY).unwrap()
}

/// A folder that is in order, and copies of it.
struct Laid {
    folder: TempDir,
    copies: usize,
}

impl Laid {
    fn out() -> Self {
        let folder = TempDir::new().unwrap();
        let domain = "a.example".parse().unwrap();
        lay_out(&folder.path().join("0"), &domain, now()).unwrap();
        Self { folder, copies: 0 }
    }

    /// A copy in which something can be spoilt.
    fn copy(&mut self) -> PathBuf {
        self.copies += 1;
        let copy = self.folder.path().join(self.copies.to_string());
        copy_folder(&self.folder.path().join("0"), &copy);
        copy
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, copy).unwrap();
        }
    }
}

fn findings(folder: &Path, now: Time) -> Vec<Finding> {
    let config = Config::read(&folder.join("domsec.toml")).unwrap();
    all(&config, listeners(&config), now)
}

/// The texts of `level`.
fn of(level: Level, findings: &[Finding]) -> Vec<&str> {
    let of = findings.iter().filter(|one| one.level == level);
    of.map(|one| one.text.as_str()).collect()
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("certs")
        .join(name)
}

/// Replaces a text of the configuration, which must be there.
fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("domsec.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Puts a line after another one, which must be there.
fn add(folder: &Path, line: &str, more: &str) {
    edit(folder, line, &format!("{line}\n{more}"));
}

#[test]
fn who_domsec_is_to_be_is_told() {
    let nobody_named = if is_root() {
        ("", Level::Warning, "run check as that user")
    } else {
        ("", Level::Ok, "domsec stays who starts it")
    };
    for (lines, level, said) in [
        nobody_named,
        ("group = \"nogroup\"", Level::Error, "write user"),
        ("user = \"root\"", Level::Error, "a user of its own"),
        (
            "user = \"no-such-user\"",
            Level::Error,
            "no user \"no-such-user\"",
        ),
    ] {
        let text = format!("domains = []\nauthserv_id = 'x'\n{lines}");
        let (_, finding) = user::judged(&Config::parse(&text, Path::new("f")).unwrap());
        let finding = finding.unwrap();
        assert_eq!(finding.level, level, "{lines}");
        assert!(finding.text.contains(said), "{lines}: {}", finding.text);
    }
}

#[test]
fn sockets_of_systemd_and_protected_servers_are_in_order() {
    let mut laid = Laid::out();
    let folder = laid.copy();
    edit(&folder, "unix:domsec.sock", "systemd:milter");
    let lines =
        "to = \"smtp://mail.a.example:10026\"\nstarttls = \"require\"\nanchors = [\"ca/ca.pem\"]";
    add(&folder, "[reinject]", lines);
    let found = findings(&folder, now());
    assert_eq!(of(Level::Error, &found), [""; 0]);
    assert_eq!(of(Level::Warning, &found), [""; 0]);
    let good = of(Level::Ok, &found).join("\n");
    for said in [
        "FileDescriptorName=milter makes it",
        "protected by STARTTLS",
    ] {
        assert!(good.contains(said), "no {said:?} in {good}");
    }
}

#[test]
fn a_folder_of_quickstart_is_in_order() {
    let mut laid = Laid::out();
    let folder = laid.copy();
    for config in ["domsec.toml", "partner/domsec.toml"] {
        let config = Config::read(&folder.join(config)).unwrap();
        let found = all(&config, listeners(&config), now());
        assert_eq!(of(Level::Error, &found), [""; 0]);
        assert_eq!(of(Level::Warning, &found), [""; 0]);
        assert_eq!(exit(&found), Exit::Yes);
        let good = of(Level::Ok, &found).join("\n");
        for said in [
            "policy.toml has",
            "the key is its certificate's",
            "named for a.example",
            "valid until 2028-04-30T12:00:00Z",
            "path to",
            "for its owner alone",
            "1 certificates, none expired",
        ] {
            let said = if config.domains.iter().any(|one| one.as_str() == "a.example") {
                said.to_owned()
            } else {
                said.replace("a.example", "b.example")
            };
            assert!(good.contains(&said), "no {said:?} in {good}");
        }
    }
}

#[test]
fn what_is_wrong_is_found_and_an_error() {
    type Spoil = fn(&Path);
    let rows: &[(Spoil, &str)] = &[
        (
            |at| {
                fs::set_permissions(at.join("keys/domain.key"), Permissions::from_mode(0o640))
                    .unwrap();
            },
            "keys/domain.key: group or others have access (mode 0640): chmod 600",
        ),
        (
            |at| {
                fs::copy(at.join("keys/dca.key"), at.join("keys/domain.key"))
                    .map(|_| ())
                    .unwrap()
            },
            "private key is not that of the certificate",
        ),
        (
            |at| fs::remove_file(at.join("keys/reviewer.pem")).unwrap(),
            "[[key]] number 3: ",
        ),
        (
            |at| fs::remove_file(at.join("ca/ca.pem")).unwrap(),
            "ca/ca.pem: could not be read",
        ),
        (
            |at| fs::write(at.join("policy.toml"), "[[rule]]\nname = 1").unwrap(),
            "policy.toml:2:",
        ),
        (
            |at| fs::remove_file(at.join("policy.toml")).unwrap(),
            "policy.toml could not be read",
        ),
        (
            |at| {
                let path = at.join("policy.toml");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(
                    path,
                    text.replace("#dca = \"recipients/", "dca = \"nowhere/"),
                )
                .unwrap();
            },
            "correct the dca of the partner",
        ),
        (
            |at| edit(at, "unix:domsec.sock", "unix:run/domsec.sock"),
            "no socket can be made in",
        ),
        (
            |at| add(at, "[reinject]", "starttls = \"require\""),
            "[reinject] starttls = \"require\" needs anchors",
        ),
        (
            |at| add(at, "[reinject]", "anchors = [\"ca/ca.pem\"]"),
            "write starttls = \"require\"",
        ),
        (
            |at| {
                add(
                    at,
                    "[reinject]",
                    "to = \"smtp://127.0.0.1:10026\"\njournal = \"none/journal\"",
                )
            },
            "none/journal: it cannot be written",
        ),
        (
            |at| add(at, "[reinject]", "[spool]\ndirectory = \"none\""),
            "none: no file can be made there",
        ),
        (
            |at| {
                edit(
                    at,
                    "\"unix:domsec.sock\"",
                    "{ socket = \"unix:domsec.sock\", group = \"no-such-group\" }",
                )
            },
            "[listen] milter unix:domsec.sock: there is no group \"no-such-group\"",
        ),
        (
            |at| {
                add(
                    at,
                    "role = \"domain\"",
                    "password_file = \"a\"\npassword_credential = \"a\"",
                )
            },
            "exclude each other",
        ),
        (
            |at| fs::remove_dir_all(at.join("recipients")).unwrap(),
            "[certificates] directory: ",
        ),
        (
            |at| edit(at, "role = \"dca\"", "role = \"domain\""),
            "keyUsage allows neither digitalSignature nor nonRepudiation",
        ),
        (
            |at| edit(at, "role = \"domain\"", "role = \"dca\""),
            "keyUsage does not allow keyEncipherment",
        ),
        (
            |at| edit(at, "domains = [\"a.example\"]", "domains = [\"c.example\"]"),
            "the certificate is for a.example, but the originator is of c.example",
        ),
        (
            |at| edit(at, "address = \"alice@", "address = \"bob@"),
            "delegated key of bob@a.example: the certificate is for alice@a.example",
        ),
        (
            |at| edit(at, "address = \"alice@a.example\"", ""),
            "a delegated key needs its user",
        ),
        (
            |at| {
                let root = fs::read(sample("root.pem")).unwrap();
                fs::write(at.join("ca/ca.pem"), root).unwrap();
            },
            "path: ",
        ),
        (
            |at| edit(at, "crls = []", "crls = [\"keys/dca.pem\"]"),
            "[trust] crls: ",
        ),
    ];
    let mut laid = Laid::out();
    for (spoil, said) in rows {
        let folder = laid.copy();
        spoil(&folder);
        let found = findings(&folder, now());
        let errors = of(Level::Error, &found);
        assert!(
            errors.iter().any(|error| error.contains(said)),
            "no {said:?} in {errors:#?}"
        );
        assert_eq!(exit(&found), Exit::No);
    }
}

#[test]
fn what_somebody_should_look_at_is_a_warning() {
    type Spoil = fn(&Path);
    let rows: &[(Spoil, &str)] = &[
        (
            |at| edit(at, "anchors = [\"ca/ca.pem\"]", "anchors = []"),
            "there are no anchors",
        ),
        (
            |at| edit(at, "\"127.0.0.1:8892\"", "\"0.0.0.0:8892\""),
            "[listen] admin 0.0.0.0:8892: other hosts can reach it",
        ),
        (
            |at| {
                edit(
                    at,
                    "\"unix:domsec.sock\"",
                    "{ socket = \"unix:domsec.sock\", mode = \"0666\" }",
                )
            },
            "its mode 0666 lets every user of this host in",
        ),
        (
            |at| add(at, "[reinject]", "to = \"smtp://mail.a.example:10026\""),
            "mail goes there in clear",
        ),
        (
            |at| add(at, "role = \"dca\"", "password_credential = \"dca\""),
            "its password is a credential of the service (dca)",
        ),
        (
            |at| edit(at, "directory = \"recipients\"", ""),
            "there is no [certificates] directory",
        ),
        (
            |at| fs::remove_file(at.join("recipients/b.example.pem")).unwrap(),
            "no certificates in it",
        ),
        (
            |at| {
                let expired = fs::read(sample("alice-expired.pem")).unwrap();
                fs::write(at.join("recipients/alice.crt"), expired).unwrap();
            },
            "1 of 2 certificates expired: ask for new ones: CN=Alice",
        ),
        (
            |at| {
                edit(
                    at,
                    "domains = [\"a.example\"]",
                    "domains = [\"a.example\", \"c.example\"]",
                )
            },
            "c.example has no key for domain signatures: add a [[key]]",
        ),
        (
            |at| {
                edit(
                    at,
                    "domains = [\"a.example\"]",
                    "domains = [\"a.example\", \"c.example\"]",
                )
            },
            "c.example has no key to decrypt with",
        ),
        (
            |at| edit(at, "revocation = \"prefer\"", "revocation = \"require\""),
            "fetch the revocation list",
        ),
        (
            |at| {
                let crl = fs::read(sample("intermediate-expired.crl")).unwrap();
                fs::write(at.join("old.crl"), crl).unwrap();
                edit(at, "crls = []", "crls = [\"old.crl\"]");
            },
            "expired at 2026-02-01T00:00:00Z: fetch the new one",
        ),
        (
            |at| {
                let expired = fs::read(sample("alice-expired.pem")).unwrap();
                fs::write(at.join("old.pem"), expired).unwrap();
                edit(at, "intermediates = []", "intermediates = [\"old.pem\"]");
            },
            "intermediate CN=Alice: expired at 2021-01-01T00:00:00Z: take it out",
        ),
    ];
    let mut laid = Laid::out();
    for (spoil, said) in rows {
        let folder = laid.copy();
        spoil(&folder);
        let found = findings(&folder, now());
        assert_eq!(of(Level::Error, &found), [""; 0], "{said}");
        let warnings = of(Level::Warning, &found);
        assert!(
            warnings.iter().any(|warning| warning.contains(said)),
            "no {said:?} in {warnings:#?}"
        );
        assert_eq!(exit(&found), Exit::Yes);
    }
}

#[test]
fn what_mail_teaches_is_a_source_where_it_is_enabled_and_is_to_be_kept() {
    let mut laid = Laid::out();
    let at = laid.copy();
    edit(&at, "[trust]", "[harvest]\n[trust]");
    let text = "[partner.\"b.example\"]\nsources = [\"harvest\"]\n[[rule]]\nname = \"rest\"\nwhen = 'true'\n";
    fs::write(at.join("partners.toml"), text).unwrap();
    let config = fs::read_to_string(at.join("domsec.toml")).unwrap();
    let lines = config.lines().filter(|line| !line.starts_with("policy ="));
    let lines: Vec<&str> = std::iter::once("policy = \"partners.toml\"")
        .chain(lines)
        .collect();
    fs::write(at.join("domsec.toml"), lines.join("\n")).unwrap();
    let found = findings(&at, now());
    let errors = of(Level::Error, &found);
    assert!(
        matches!(errors.as_slice(), [one] if one.contains("publishes certificates in harvest")),
        "{errors:?}"
    );
    add(&at, "[harvest]", "enabled = true");
    let found = findings(&at, now());
    assert!(of(Level::Error, &found).is_empty(), "{found:?}");
    let warned = of(Level::Warning, &found);
    let is_told = |text: &&str| text.starts_with("[harvest] is enabled, and there is no [store]");
    assert!(warned.iter().any(is_told), "{warned:?}");
    edit(&at, "[harvest]", "[store]\npath = \"domsec.db\"\n[harvest]");
    let found = findings(&at, now());
    let fine = of(Level::Ok, &found);
    let is_told = |text: &&str| text.starts_with("[harvest] remembers 10000 addresses");
    assert!(fine.iter().any(is_told), "{fine:?}");
    assert!(
        !of(Level::Warning, &found)
            .iter()
            .any(|one| one.contains("[harvest]"))
    );
}

#[test]
fn dates_are_told_of_thirty_days_before_they_end() {
    let mut laid = Laid::out();
    let folder = laid.copy();
    let two_years = 2 * 365;
    for (days, level, said) in [
        (-1, Level::Error, "not valid before 2026-05-01T11:00:00Z"),
        (
            two_years - 30,
            Level::Ok,
            "valid until 2028-04-30T12:00:00Z",
        ),
        (
            two_years - 29,
            Level::Warning,
            "in 29 days: get a new certificate now",
        ),
        (two_years, Level::Warning, "in 0 days"),
        (
            two_years + 1,
            Level::Error,
            "expired at 2028-04-30T12:00:00Z",
        ),
    ] {
        let found = findings(&folder, later(days));
        let texts = of(level, &found);
        let named = |text: &&str| text.starts_with("domain key") && text.contains(said);
        assert!(texts.iter().any(named), "{days}: no {said:?} in {texts:#?}");
        // An expired certificate is told of once, and not by its path again.
        let paths = of(Level::Error, &found);
        assert!(
            paths.iter().all(|text| !text.contains("path: ")),
            "{paths:#?}"
        );
    }
}

#[test]
fn a_default_action_that_is_not_tempfail_is_flagged() {
    for (key, value, level) in [
        ("milter_default_action", "tempfail", Level::Ok),
        ("milter_default_action", "accept", Level::Error),
        ("milter_default_action", "reject", Level::Warning),
        ("milter_default_action", "quarantine", Level::Warning),
        ("smtpd_milters", "", Level::Warning),
        ("non_smtpd_milters", "", Level::Warning),
        ("smtpd_milters", "inet:127.0.0.1:8891", Level::Ok),
        (
            "smtpd_milters",
            "inet:127.0.0.1:11332, { inet:127.0.0.1:8891, default_action=accept }",
            Level::Error,
        ),
        (
            "non_smtpd_milters",
            "{inet:127.0.0.1:8891,default_action=tempfail}",
            Level::Ok,
        ),
    ] {
        let finding = mta::setting(key, value);
        assert_eq!(finding.level, level, "{key} = {value}: {}", finding.text);
    }
}

#[test]
fn a_postfix_that_asks_others_alone_is_flagged() {
    for (milter, main, services, flagged) in [
        ("127.0.0.1:8891", "inet:localhost:8891", "", false),
        ("127.0.0.1:8891", "inet:localhost:11332", "", true),
        (
            "127.0.0.1:8891",
            "{inet:[::1]:8891, default_action=tempfail}",
            "",
            false,
        ),
        (
            "127.0.0.1:8891",
            "inet:localhost:11332",
            "smtp/inet/smtpd_milters = inet:127.0.0.1:8891\n",
            false,
        ),
        (
            "127.0.0.1:8891",
            "inet:localhost:11332",
            "smtp/inet/milter_macro_v = inet:127.0.0.1:8891\n",
            true,
        ),
        ("unix:/run/domsec/m.sock", "unix:domsec/m.sock", "", false),
        ("unix:/run/domsec/m.sock", "unix:/run/other", "", true),
        ("systemd:milter", "inet:localhost:11332", "", false),
        ("127.0.0.1:8891", "$our_milters", "", false),
        ("127.0.0.1:8891", "", "", false),
    ] {
        let text = format!("domains = []\nauthserv_id = 'x'\n[listen]\nmilter = ['{milter}']\n");
        let config = Config::parse(&text, Path::new("f")).unwrap();
        let finding = mta::asked(&config, &[("smtpd_milters", main.to_owned())], services);
        assert_eq!(finding.is_some(), flagged, "{milter} {main} {services}");
    }
}

#[test]
fn advice_names_the_socket_that_the_mail_server_can_reach() {
    for (milter, postfix, sendmail) in [
        ("[]", "inet:127.0.0.1:8891", "S=inet:8891@127.0.0.1"),
        (
            "['unix:domsec.sock', '[::1]:8890']",
            "inet:[::1]:8890",
            "S=inet6:8890@::1",
        ),
        (
            "['unix:domsec.sock']",
            "unix:/etc/domsec/domsec.sock",
            "S=local:/etc/domsec/domsec.sock",
        ),
    ] {
        let text = format!("domains = []\nauthserv_id = 'x'\n[listen]\nmilter = {milter}\n");
        let config = Config::parse(&text, Path::new("/etc/domsec/domsec.toml")).unwrap();
        let advice = mta::advice(&config).join("\n");
        for wanted in [
            &format!("    smtpd_milters = {postfix}\n"),
            &format!("    non_smtpd_milters = {postfix}\n"),
            sendmail,
            "    milter_default_action = tempfail\n",
            // Those of the files that are installed.
            "    internal_mail_filter_classes = bounce\n",
            "    milter_content_timeout = 300s\n",
            ", F=T, T=C:10s;S:30s;R:30s;E:5m')",
        ] {
            assert!(advice.contains(wanted), "no {wanted:?} in {advice}");
        }
    }
}
