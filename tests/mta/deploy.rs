//! What an administrator copies from `deploy/`, held against the MTAs that are to read it, and the
//! pages on it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use domsec::config::Config as Configuration;
use tempfile::TempDir;

use crate::journey::MESSAGE;
use crate::journey::contains;
use crate::peers;
use crate::postfix;
use crate::postfix::Postfix;
use crate::processes::free_address;
use crate::sendmail;
use crate::sendmail::Sendmail;
use crate::smtp;
use crate::smtp::Options;
use crate::stand_in;
use crate::stand_in::StandIn;

const PAGES: &[&str] = &[
    "src/manual/install-postfix.md",
    "src/manual/install-sendmail.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of ours");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The lines by which an MTA would let mail pass where the milter does not answer, with their number.
fn open_doors(text: &str) -> Vec<usize> {
    let default_action = |line: &str| {
        line.split("default_action").skip(1).any(|rest| {
            let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
            value.is_some_and(|value| !value.starts_with("tempfail"))
        })
    };
    let filter = |line: &str| {
        // With its equals signs it is a filter, without them prose.
        let flags = line.split("S=").skip(1).any(|rest| rest.contains("F=T"));
        line.contains("INPUT_MAIL_FILTER(") && !flags
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| default_action(line) || filter(line))
        .map(|(index, _)| index + 1)
        .collect()
}

#[test]
fn no_file_lets_mail_pass_without_the_gateway() {
    let mut paths = files(&root().join("deploy"));
    paths.extend(PAGES.iter().map(|page| root().join(page)));
    assert!(paths.len() > 6, "{paths:?}");
    let mut said = 0_usize;
    for path in paths {
        let text = fs::read_to_string(&path).expect("a text");
        let lines = open_doors(&text);
        assert!(lines.is_empty(), "{}: lines {lines:?}", path.display());
        said += text.matches("default_action = tempfail").count() + text.matches("F=T").count();
    }
    assert!(said > 3, "nothing says what happens instead");
}

#[test]
fn a_door_that_is_open_is_found() {
    let text = "milter_default_action = tempfail\nmilter_default_action=accept\n\
        smtpd_milters = { inet:x:1, default_action = quarantine }\n`milter_default_action` says\n\
        INPUT_MAIL_FILTER(`a', `S=inet:1@x, F=T')\nINPUT_MAIL_FILTER(`a', `S=inet:1@x')\n\
        INPUT_MAIL_FILTER(`a', `S=inet:1@x, F=R')";
    assert_eq!(open_doors(text), [2, 3, 6, 7]);
}

/// The lines of a fragment that are no comment.
fn said<'a>(fragment: &'a str, comment: &str) -> Vec<&'a str> {
    let bare = |line: &&str| !line.is_empty() && !line.starts_with(comment);
    fragment.lines().filter(bare).collect()
}

#[test]
fn the_pages_say_what_the_fragments_say() {
    let page = read("src/manual/install-postfix.md");
    for line in said(&read("deploy/postfix/main.cf"), "#") {
        assert!(page.lines().any(|other| other == line), "{line}");
    }
    let page = read("src/manual/install-sendmail.md");
    let fragment = read("deploy/sendmail/domsec.mc");
    for line in said(&fragment, "dnl") {
        assert!(page.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn the_configurations_of_the_pages_can_be_read() {
    let mut count = 0_usize;
    for page in PAGES {
        let text = read(page);
        for block in text.split("```toml\n").skip(1) {
            let (block, _) = block.split_once("```").expect("a closed block");
            Configuration::parse(block, Path::new(page)).expect("a configuration");
            count += 1;
        }
    }
    assert!(count > 0, "no configuration");
}

#[test]
fn postfix_reads_the_fragments() {
    if !peers::installed("Postfix", &["/usr/sbin/postconf"]) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let main = "compatibility_level = 3.6\nmail_owner = postfix\n".to_owned();
    let main = main + &read("deploy/postfix/main.cf");
    fs::write(folder.path().join("main.cf"), main).expect("main.cf");
    let master = read("deploy/postfix/master.cf");
    fs::write(folder.path().join("master.cf"), master).expect("master.cf");
    let postconf = |arguments: &[&str]| {
        let output = Command::new("/usr/sbin/postconf")
            .arg("-c")
            .arg(folder.path())
            .args(arguments)
            .output()
            .expect("postconf");
        // It warns of parameters that nothing uses, and of services that it cannot read.
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    };
    postconf(&["-n"]);
    assert_eq!(postconf(&["-h", "milter_default_action"]), "tempfail\n");
    let services = postconf(&["-M"]);
    assert_eq!(services.lines().count(), 3, "{services}");
}

/// The Postfix fragments with other ports, and nothing in a chroot: a test's queue holds no libraries.
fn postfix_fragments(milter: SocketAddr, reinject: SocketAddr) -> (String, String) {
    let main = read("deploy/postfix/main.cf").replace("127.0.0.1:8891", &milter.to_string());
    let master = read("deploy/postfix/master.cf")
        .replace("127.0.0.1:10026", &reinject.to_string())
        .replace("n - y - -", "n - n - -")
        .replace("submission inet", &format!("{} inet", free_address()))
        .replace("smtp inet", &format!("{} inet", free_address()));
    (main, master)
}

#[test]
fn mail_passes_through_the_fragments_of_postfix() {
    if !postfix::can_run() {
        return;
    }
    let milter = StandIn::start();
    let reinject = free_address();
    let (main, master) = postfix_fragments(milter.address(), reinject);
    let a = Postfix::start(&postfix::Config {
        // As many have it, so that strangers get no reports.
        main: main + "smtpd_discard_ehlo_keywords = silent-discard, dsn\n",
        master,
        ..postfix::Config::of("a.example")
    });
    assert_eq!(a.parameter("milter_default_action"), "tempfail");
    let rcpts = ["bob@a.example"];
    let options = Options::default();
    a.send("alice@a.example", &rcpts, MESSAGE, &options)
        .expect_accepted();
    a.wait_delivered("bob", 1);
    let submitted = smtp::send(reinject, "alice@a.example", &rcpts, MESSAGE, &options);
    submitted.expect_accepted();
    let offers = submitted
        .reply("EHLO client.example")
        .text
        .to_ascii_uppercase();
    assert!(offers.contains("DSN"), "{offers}");
    let messages = a.wait_delivered("bob", 2);
    let marked = |message: &&Vec<u8>| contains(message, stand_in::MARK);
    assert_eq!(messages.iter().filter(marked).count(), 1);
    // Postfix's own bounces pass the milter too.
    a.send(
        "alice@a.example",
        &["nobody@gone.example"],
        MESSAGE,
        &options,
    );
    a.wait_delivered("alice", 1);
    let senders: Vec<String> = milter
        .seen()
        .into_iter()
        .map(|seen| seen.mail_from)
        .collect();
    // Postfix writes their null sender without its angle brackets.
    assert!(
        senders.iter().any(|sender| sender.is_empty()),
        "{senders:?}"
    );
}

#[test]
fn mail_passes_through_the_fragment_of_sendmail() {
    let Some(unpacked) = sendmail::unpacked().filter(|_| postfix::can_run()) else {
        return;
    };
    let milter = StandIn::start();
    let reinject = free_address();
    let b = Postfix::start(&postfix::Config::of("b.example"));
    let filters = read("deploy/sendmail/domsec.mc")
        .replace(
            "8891@127.0.0.1",
            &format!("{}@127.0.0.1", milter.address().port()),
        )
        .replace("10026", &reinject.port().to_string());
    let config = sendmail::Config {
        filters,
        ..sendmail::Config::with_milter(milter.address(), b.address())
    };
    let a = Sendmail::start(&unpacked, &config);
    let rcpts = ["bob@b.example"];
    a.send("alice@a.example", &rcpts, MESSAGE).expect_accepted();
    b.wait_delivered("bob", 1);
    smtp::send(
        reinject,
        "alice@a.example",
        &rcpts,
        MESSAGE,
        &Options::default(),
    )
    .expect_accepted();
    let messages = b.wait_delivered("bob", 2);
    let marked = |message: &&Vec<u8>| contains(message, stand_in::MARK);
    assert_eq!(messages.iter().filter(marked).count(), 1, "{}", a.log());
}

#[test]
fn systemd_reads_the_unit() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        // Nothing else of the tests needs systemd, so nobody has to install it.
        eprintln!("skipped: no /usr/bin/systemd-analyze");
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let units = ["domsec.service", "domsec.socket"].map(|name| {
        let unit = folder.path().join(name);
        // It wants the program to be there.
        let text = read(&format!("deploy/systemd/{name}")).replace("/usr/bin/domsec", "/bin/true");
        fs::write(&unit, text).expect("a unit");
        unit
    });
    let output = Command::new("/usr/bin/systemd-analyze")
        .arg("verify")
        .args(&units)
        .output()
        .expect("systemd-analyze");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("domsec."), "{said}");
}
