//! One store, several processes: `domsec certs` beside a gateway, and a gateway that is killed.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::thread;

use domsec::config::Config;
use domsec::config::build;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Candidate;
use domsec::gateway::search::Known;
use domsec::gateway::search::Owner;
use domsec::gateway::search::Provenance;
use domsec::limits::Limits;
use domsec::policy::facts::LookupSource;
use domsec::policy::partner::Fingerprint;
use domsec::store::FRESH;
use domsec::store::Filter;
use domsec::store::Settled;
use domsec::store::Settlement;
use domsec::store::State;
use domsec::store::Store;
use domsec::store::sqlite::Sqlite;
use domsec::x509::Certificate;
use domsec::x509::Time;
use domsec::x509::pem;
use serde_json::Value;
use tempfile::TempDir;

/// Where the one that is to be killed finds its store.
const KILLED_STORE: &str = "DOMSEC_TEST_KILLED_STORE";
/// Who runs as nobody owns nothing.
const NOBODY: u32 = 65534;

/// A folder with a configuration that names a store.
struct Laid(TempDir);

impl Laid {
    fn out() -> Self {
        let folder = TempDir::new().expect("a folder");
        let text =
            "domains = ['a.example']\nauthserv_id = 'gw.a.example'\n[store]\npath = 'domsec.db'\n";
        fs::write(folder.path().join("domsec.toml"), text).expect("a configuration");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn gateway(&self) -> std::sync::Arc<dyn Store> {
        let config = Config::read(&self.path("domsec.toml")).expect("a configuration");
        build::store(&config).expect("a store")
    }

    /// `domsec certs` with its exit code and what it printed.
    fn certs(&self, arguments: &[&str]) -> (i32, String, String) {
        self.certs_as(None, arguments)
    }

    /// What `domsec check` prints.
    fn check(&self) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_domsec"));
        program
            .arg("check")
            .arg("--config")
            .arg(self.path("domsec.toml"));
        let output = program.output().expect("the program runs");
        String::from_utf8(output.stdout).expect("text")
    }

    fn certs_as(&self, user: Option<u32>, arguments: &[&str]) -> (i32, String, String) {
        let (command, rest) = arguments.split_first().expect("a command");
        let mut program = Command::new(env!("CARGO_BIN_EXE_domsec"));
        program.args(["certs", command, "--config"]);
        program.arg(self.path("domsec.toml")).args(rest);
        if let Some(user) = user {
            program.uid(user).gid(user);
        }
        let output = program.output().expect("the program runs");
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
        let code = output.status.code().expect("an exit code");
        (code, text(output.stdout), text(output.stderr))
    }
}

fn certificate(name: &str) -> Certificate {
    let path = format!("{}/certs/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let file = fs::read(Path::new(&path)).expect("a certificate");
    let mut all = pem::certificates(&file, &Limits::default()).expect("PEM");
    all.remove(0)
}

fn owner(address: &str) -> Owner {
    Owner::Recipient(address.parse().expect("an address"))
}

fn settlement(known: Known, certificate: &Certificate) -> Settlement {
    let now = Time::from_unix(1_800_000_000).expect("a time");
    Settlement {
        known,
        in_use: Some(Candidate {
            certificate: certificate.clone(),
            chain: Vec::new(),
            provenance: Provenance {
                source: LookupSource::Smimea,
                authentication: Authentication::Dnssec,
                seen: now,
            },
        }),
        reason: "the first that was found".to_owned(),
        pending: Vec::new(),
        now,
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn who_publishes_no_more_can_be_forgotten() {
    let laid = Laid::out();
    let gateway = laid.gateway();
    let domain = "b.example".parse().expect("a domain");
    let now = Time::from_unix(1_800_000_000).expect("a time");
    for source in [LookupSource::Mcek, LookupSource::Smtp] {
        block_on(gateway.note_published(&domain, source, now)).expect("noted");
    }
    let smtp = "b.example  smtp  since 2027-01-15T08:00:00Z\n";
    let both = format!("b.example  mcek  since 2027-01-15T08:00:00Z\n{smtp}");
    let (code, out, _) = laid.certs(&["publishers"]);
    assert_eq!((code, out), (0, both));
    let (code, out, _) = laid.certs(&["publishers", "--domain", "c.example", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, report), (0, serde_json::json!({ "publishers": [] })));

    let (code, out, _) = laid.certs(&["forget", "b.example", "--source", "smtp"]);
    assert_eq!((code, &*out), (0, smtp));
    let (code, out, _) = laid.certs(&["forget", "b.example", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &report["publishers"][0]["source"]),
        (0, &"mcek".into())
    );
    let published = gateway.published(&domain, LookupSource::Mcek);
    assert_eq!(block_on(published).expect("an answer"), None);

    let (code, out, error) = laid.certs(&["forget", "b.example"]);
    assert_eq!((code, &*out), (1, ""));
    assert!(error.contains("nothing was found for b.example"), "{error}");
    let (code, _, error) = laid.certs(&["forget", "b.example", "--source", "fax"]);
    assert_eq!(code, 64);
    assert!(error.contains("mcek, smimea, ldap, smtp"), "{error}");
}

#[test]
fn what_an_administrator_rejects_a_running_gateway_does_not_use() {
    let laid = Laid::out();
    let gateway = laid.gateway();
    let (bob, one) = (owner("bob@b.example"), certificate("bob"));
    let fingerprint = Fingerprint::of(&one).to_string();
    let settled = block_on(gateway.settle(&bob, settlement(Known::default(), &one)));
    assert_eq!(settled.expect("a store"), Settled::Kept);
    let known = block_on(gateway.known(&bob)).expect("a store");
    assert!(known.in_use.is_some());

    let (code, out, err) = laid.certs(&["list", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let listed = &report["certificates"][0];
    let want = [
        ("fingerprint", fingerprint.as_str()),
        ("address", "bob@b.example"),
        ("state", "active"),
        ("source", "smimea"),
        ("authentication", "dnssec"),
        ("subject", one.subject_name()),
        ("reason", "the first that was found"),
        ("first_seen", "2027-01-15T08:00:00Z"),
        ("last_seen", "2027-01-15T08:00:00Z"),
    ];
    for (key, value) in want {
        assert_eq!(listed[key], value, "{key} in {out}");
    }

    let reject = ["reject", "--reason", "his laptop is stolen", &fingerprint];
    let (code, out, err) = laid.certs(&reject);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("rejected") && out.contains("his laptop is stolen"),
        "{out}"
    );
    thread::sleep(FRESH);
    let known = block_on(gateway.known(&bob)).expect("a store");
    assert_eq!(known.in_use, None);
    assert_eq!(known.rejected, [Fingerprint::of(&one)]);

    let key = ["reject", "--key", "--reason", "and copied", &fingerprint];
    let (code, out, err) = laid.certs(&key);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("with its key, in whatever certificate"),
        "{out}"
    );
    thread::sleep(FRESH);
    let known = block_on(gateway.known(&bob)).expect("a store");
    assert_eq!(known.rejected_keys, [one.spki_sha256()]);
    let (_, out, _) = laid.certs(&["list", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let listed = &report["certificates"][0];
    assert_eq!(
        (&listed["state"], &listed["rejected"]),
        (&"rejected".into(), &"key".into())
    );
    let (_, out, _) = laid.certs(&["list"]);
    assert!(out.contains("(with its key) and copied"), "{out}");

    let (code, _, err) = laid.certs(&["pin", &fingerprint]);
    assert_eq!(code, 1);
    assert!(err.contains("it is rejected: approve it before"), "{err}");
    for (command, state) in [
        ("approve", "active"),
        ("pin", "pinned"),
        ("unpin", "active"),
    ] {
        let (code, out, _) = laid.certs(&[command, "--for", "bob@b.example", &fingerprint]);
        assert_eq!(code, 0);
        assert!(
            out.lines().next().is_some_and(|line| line.contains(state)),
            "{command}: {out}"
        );
    }
    let (code, out, _) = laid.certs(&["show", &fingerprint]);
    assert_eq!(code, 0);
    assert!(out.contains("by domsec certs unpin"), "{out}");
}

#[test]
fn what_is_not_there_and_what_cannot_be_asked_are_told_apart() {
    let laid = Laid::out();
    let nobody = "00".repeat(32);
    let (code, _, err) = laid.certs(&["list"]);
    assert_eq!(code, 66, "{err}");
    assert!(!laid.path("domsec.db").exists());
    let found = laid.check();
    assert!(
        found.contains("domsec.db is made at the first start"),
        "{found}"
    );
    drop(laid.gateway());
    let found = laid.check();
    assert!(
        found.contains("domsec.db can be read and written"),
        "{found}"
    );
    assert_eq!(laid.certs(&["list"]), (0, String::new(), String::new()));
    for command in ["show", "approve", "reject", "pin", "unpin"] {
        let (code, out, err) = laid.certs(&[command, &nobody]);
        assert_eq!((code, out.as_str()), (1, ""), "{command}");
        assert!(err.contains(&nobody), "{err}");
    }
    let (code, _, err) = laid.certs(&["show", "bob"]);
    assert_eq!(code, 64);
    assert!(err.contains("64 hex digits"), "{err}");
    assert_eq!(laid.certs(&["list", "--state", "good"]).0, 64);
    fs::write(laid.path("domsec.db"), "x".repeat(4096)).expect("a file");
    let (code, _, err) = laid.certs(&["list"]);
    assert_eq!(code, 65, "{err}");
    assert!(err.contains("is damaged or no store of domsec"), "{err}");
    let found = laid.check();
    assert!(found.contains("error   [store] path: the store"), "{found}");
    let bare = "domains = ['a.example']\nauthserv_id = 'gw.a.example'\n";
    fs::write(laid.path("domsec.toml"), bare).expect("a configuration");
    let (code, _, err) = laid.certs(&["list"]);
    assert_eq!(code, 78);
    assert!(err.contains("[store]"), "{err}");
}

#[test]
fn a_store_or_folder_that_is_not_ours_is_said_with_what_to_do() {
    let laid = Laid::out();
    let db = laid.path("domsec.db");
    drop(laid.gateway());
    let root = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&db).expect("a file")) == 0;
    if !root {
        eprintln!("skipped: only root can run a command as somebody else");
        return;
    }
    let open = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(laid.0.path(), open(0o755)).expect("our folder");
    let (code, _, err) = laid.certs_as(Some(NOBODY), &["list"]);
    assert_eq!(code, 78, "{err}");
    assert!(
        err.contains("see that it and its folder are there and ours"),
        "{err}"
    );
    // The file is theirs, and no other can be made beside it.
    std::os::unix::fs::chown(&db, Some(NOBODY), Some(NOBODY)).expect("root gives away");
    let (code, _, err) = laid.certs_as(Some(NOBODY), &["list"]);
    assert_eq!(code, 78, "{err}");
    assert!(err.contains("its folder"), "{err}");
    std::os::unix::fs::chown(laid.0.path(), Some(NOBODY), None).expect("root gives away");
    assert_eq!(laid.certs_as(Some(NOBODY), &["list"]).0, 0);
    // What root makes beside it belongs to the owner of the store, who goes on.
    let held = laid.gateway();
    block_on(held.generation()).expect("a store");
    assert_eq!(laid.certs_as(Some(NOBODY), &["list"]).0, 0);
}

#[test]
fn what_was_kept_before_a_kill_is_there_after_it() {
    let laid = Laid::out();
    let mut kept = 0;
    for round in 1..4 {
        let mut writer = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "store::writes_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(KILLED_STORE, laid.path("domsec.db"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let mut lines = BufReader::new(writer.stdout.take().expect("its output")).lines();
        while kept < round * 40 {
            let line = lines.next().expect("it goes on").expect("a line");
            kept = number(&line).unwrap_or(kept);
        }
        writer.kill().expect("SIGKILL");
        writer.wait().expect("its end");
        // What was said before it died counts too.
        for line in lines.map_while(Result::ok) {
            kept = number(&line).unwrap_or(kept);
        }
        let store = Sqlite::open(&laid.path("domsec.db")).expect("a store");
        let all = block_on(store.list(&Filter::default(), None, 10_000)).expect("a list");
        assert!(all.len() >= kept, "{} of {kept}", all.len());
        assert!(all.iter().all(|entry| entry.state == State::Active));
        for number in 1..=kept {
            let known = block_on(store.known(&owner(&format!("u{number}@b.example"))));
            assert!(
                known.expect("a store").in_use.is_some(),
                "{number} of {kept}"
            );
        }
        // The next writer begins after all that is there.
        kept = all.len();
    }
}

/// The number in what the writer says; the harness may have begun the line.
fn number(line: &str) -> Option<usize> {
    line.rsplit_once("kept ")?.1.parse().ok()
}

/// Not a test: what the one above kills. Says each number once it is durable.
#[test]
#[ignore = "run and killed by another test"]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(KILLED_STORE) else {
        return;
    };
    let store = Sqlite::open(Path::new(&path)).expect("a store");
    let one = certificate("bob");
    let first = block_on(store.list(&Filter::default(), None, 100_000)).expect("a list");
    for number in first.len() + 1..first.len() + 10_000 {
        let owner = owner(&format!("u{number}@b.example"));
        let settled = block_on(store.settle(&owner, settlement(Known::default(), &one)));
        assert_eq!(settled.expect("a store"), Settled::Kept);
        println!("kept {number}");
    }
}
