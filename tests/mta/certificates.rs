//! Mail whose recipients' certificates must be looked for while it is on its way: alice's MTA, which keeps what it
//! cannot hand on; the MTA at the border of a.example, with the gateway; and the wire to b.example.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::gateway;
use crate::gateway::Gateway;
use crate::journey::contains;
use crate::layers::crlf;
use crate::layers::header;
use crate::layers::peeled;
use crate::pki::Ca;
use crate::pki::Issued;
use crate::postfix::Config;
use crate::postfix::Postfix;
use crate::processes::free_address;
use crate::processes::wait_for;
use crate::smtp::Options;
use crate::wire::Carried;
use crate::wire::Wire;

/// To whom mail goes while all is well.
pub(crate) const BOB: &str = "bob";
/// For whom the gateway decides at RCPT, and for whom when the message is there.
const LATER: [&str; 2] = ["carol", "dave"];
/// What the MTA reads where nobody knows whether there is a certificate.
const UNKNOWN: &str = "451 4.7.5 the recipient's certificate cannot be looked up now";
/// How often waiting mail is tried at least before the server is back.
const TRIES: usize = 3;

/// What b.example publishes: a certificate for each of its people, and who issued them.
pub(crate) struct People {
    ca: Ca,
    people: Vec<(&'static str, Issued)>,
    // `NAME.pem` and `NAME.key` of each.
    folder: TempDir,
}

impl People {
    pub(crate) fn new() -> Self {
        let ca = Ca::new("mail root");
        let folder = TempDir::new().expect("a folder");
        let mut people = Vec::new();
        for name in [BOB].into_iter().chain(LATER) {
            let person = ca.person(&[&format!("{name}@b.example")]);
            let path = |kind: &str| folder.path().join(format!("{name}.{kind}"));
            fs::write(path("pem"), &person.pem).expect("a file");
            fs::write(path("key"), &person.key).expect("a file");
            people.push((name, person));
        }
        Self { ca, people, folder }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.people.iter().map(|(name, _)| *name).collect()
    }

    /// Each name with its certificate.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = (&'static str, &Issued)> {
        self.people.iter().map(|(name, person)| (*name, person))
    }

    /// Certificate and key of one, without `.pem` and `.key`.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Mail from a.example to b.example, by way of a gateway that looks for certificates.
pub(crate) struct Mail {
    people: People,
    pub(crate) gateway: Gateway,
    /// alice's, in whose queue mail waits.
    first: Postfix,
    /// The one with the milter.
    border: Postfix,
    b: Postfix,
    /// All that the border ever said to b.
    wire: Wire,
    _folder: TempDir,
}

impl Mail {
    /// The policy says that b.example publishes in `source`, of which `tables` of the configuration tell, keys of
    /// `[certificates]` first. `prepare` writes what these name into the gateway's folder.
    pub(crate) fn start(
        people: People,
        source: &str,
        tables: &str,
        prepare: impl FnOnce(&Path, &People),
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let b = Config::of("b.example");
        let wire = Wire::before(b.address);
        let mut border = Config {
            routes: vec![("b.example", wire.address())],
            main: "myhostname = border.a.example\n".to_owned(),
            ..Config::of("a.example")
        };
        let first = Config {
            routes: vec![("b.example", border.address)],
            ..Config::of("a.example")
        };
        let configuration = configuration(&border, tables);
        fs::write(folder.path().join(gateway::CONFIGURATION), configuration)
            .expect("a configuration");
        fs::write(folder.path().join("policy.toml"), policy(source)).expect("a policy");
        fs::write(folder.path().join("mail.der"), people.ca.certificate.der()).expect("an anchor");
        prepare(folder.path(), &people);
        let gateway = Gateway::start(folder.path());
        border.milters = vec![gateway.milter()];
        let [first, border, b] = thread::scope(|scope| {
            let configs = [&first, &border, &b];
            let started = configs.map(|config| scope.spawn(|| Postfix::start(config)));
            started.map(|postfix| postfix.join().expect("Postfix"))
        });
        Self {
            people,
            gateway,
            first,
            border,
            b,
            wire,
            _folder: folder,
        }
    }

    /// Sends to `name`, who gets it encrypted to his own certificate.
    pub(crate) fn goes_out(&self, name: &str) {
        self.send(name);
        self.b.wait_delivered(name, 1);
        self.expect_sealed(name);
    }

    /// The server of `source` being dead, mail to the others waits, and the gateway says that it does, why (`reason` is
    /// part of that), and what to do.
    pub(crate) fn waits(&self, source: &str, reason: &str) {
        let counted = format!(
            "domsec_certificate_lookups_total{{result=\"unavailable\",source=\"{source}\"}}"
        );
        assert_eq!(self.gateway.metric(&counted), Some(0.0), "{counted}");
        self.is_deferred(UNKNOWN);
        for (name, command) in LATER.into_iter().zip(["RCPT TO", "end of DATA"]) {
            let in_reply = format!("(in reply to {command} command)");
            let tries = self.tries(name);
            assert!(
                tries.iter().any(|line| line.contains(&in_reply)),
                "{tries:#?}"
            );
        }
        let source = format!("source=\"{source}\"");
        self.expect_logged(&[
            "WARN",
            "certificates cannot be looked up there, and mail that needs one waits",
            "domsec lookup asks them",
            "domain=b.example",
            &source,
            reason,
        ]);
        let unavailable = self.gateway.metric(&counted).unwrap_or_default();
        assert!(unavailable >= 1.0, "{counted} {unavailable}");
    }

    /// Sends to the others, whose mail waits at alice's MTA and is tried again and again, `because` of what that reads;
    /// and b hears of none.
    pub(crate) fn is_deferred(&self, because: &str) {
        for name in LATER {
            self.send(name);
        }
        for name in LATER {
            wait_for("mail that waits and was tried", || {
                self.try_again();
                let tries = self.tries(name);
                let last = tries.last()?;
                assert!(last.contains(because), "{last}");
                (tries.len() >= TRIES).then_some(())
            });
        }
        let mut waits: Vec<String> = Vec::new();
        for entry in self.first.queue() {
            assert_eq!(entry.sender, "alice@a.example");
            waits.extend(entry.recipients.into_iter().map(|one| one.address));
        }
        waits.sort();
        assert_eq!(waits, LATER.map(|name| format!("{name}@b.example")));
        self.expect_nothing_for(&LATER);
    }

    /// The server of `source` is back: [`Mail::goes_on`], and the gateway says so.
    pub(crate) fn is_answered_again(&self, source: &str) {
        self.goes_on();
        let source = format!("source=\"{source}\"");
        self.expect_logged(&["can be looked up there again", "domain=b.example", &source]);
    }

    /// The others' mail goes out as it should, and nobody was told anything else.
    pub(crate) fn goes_on(&self) {
        for name in LATER {
            wait_for(&format!("mail for {name}"), || {
                self.try_again();
                (!self.b.delivered(name).is_empty()).then_some(())
            });
            self.expect_sealed(name);
        }
        self.first.wait_queue_empty();
        self.border.wait_queue_empty();
        for name in self.people.names() {
            assert_eq!(self.b.delivered(name).len(), 1, "{name}");
        }
        assert!(self.first.delivered("alice").is_empty());
        assert!(self.border.delivered("alice").is_empty());
        self.expect_nothing_in_clear();
        let log = self.gateway.log();
        for name in LATER {
            assert!(!log.contains(&format!("{name}@")), "{log}");
        }
    }

    /// Fails unless one line of the gateway's log says all of that.
    fn expect_logged(&self, texts: &[&str]) {
        let log = self.gateway.log();
        let says = |line: &str| texts.iter().all(|text| line.contains(text));
        assert!(log.lines().any(says), "{texts:?}");
    }

    fn send(&self, name: &str) {
        let to = format!("{name}@b.example");
        let message = format!(
            "From: alice@a.example\nTo: {to}\nSubject: figures\n\
             Date: Thu, 01 Oct 2026 09:00:00 +0000\nMessage-ID: <{name}@a.example>\n\n{}\n",
            text(name)
        );
        let message = crlf(message.as_bytes());
        self.first
            .send("alice@a.example", &[&to], &message, &Options::default())
            .expect_accepted();
    }

    /// Has alice's MTA try all that waits, and gives it a moment.
    fn try_again(&self) {
        self.first.flush();
        thread::sleep(Duration::from_millis(200));
    }

    /// What alice's MTA says of each time that it kept mail for `name`.
    fn tries(&self, name: &str) -> Vec<String> {
        let log = self.first.log();
        let of_name = format!("to=<{name}@b.example>");
        let tried = |line: &&str| line.contains(&of_name) && line.contains("status=");
        log.lines()
            .filter(tried)
            .inspect(|line| assert!(line.contains("status=deferred"), "{line}"))
            .map(str::to_owned)
            .collect()
    }

    /// The one message for `name` on the wire, which he alone can read.
    fn expect_sealed(&self, name: &str) {
        let rcpt = format!("<{name}@b.example>");
        let for_name = |carried: &Carried| carried.rcpts.iter().any(|line| line.contains(&rcpt));
        let mut carried = self.wire.messages();
        carried.retain(for_name);
        let [carried] = carried.as_slice() else {
            panic!("{} messages for {name}", carried.len());
        };
        let path = self.people.path(name);
        let own = peeled(&carried.octets, &[path.to_str().expect("UTF-8")]);
        assert_eq!(own.layers, "E(S(S[empty](C)))", "{name}");
        assert!(contains(&own.content, text(name).as_bytes()), "{name}");
        // Nor can their domain's own gateway.
        assert_eq!(peeled(&carried.octets, &["dca-b"]).layers, "E");
        self.expect_nothing_in_clear();
    }

    /// Not even a recipient was offered to b.
    fn expect_nothing_for(&self, names: &[&str]) {
        let octets = self.wire.octets();
        for name in names {
            assert!(!contains(&octets, format!("<{name}@").as_bytes()), "{name}");
        }
        self.expect_nothing_in_clear();
    }

    /// Whatever was begun on the wire was a whole message, encrypted on the outside. What is signed alone can be read by
    /// all, beneath base64 as often as it has layers.
    fn expect_nothing_in_clear(&self) {
        let octets = self.wire.octets();
        for name in self.people.names() {
            assert!(!contains(&octets, text(name).as_bytes()), "{name}");
        }
        let messages = self.wire.messages();
        let begun = octets.split(|octet| *octet == b'\n');
        let begun = begun.filter(|line| *line == b"DATA\r").count();
        assert_eq!(begun, messages.len());
        for carried in messages {
            let header = header(&carried.octets);
            assert!(header.contains("smime-type=enveloped-data"), "{header}");
        }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.gateway.log());
        }
    }
}

/// What nobody on the way may read.
fn text(name: &str) -> String {
    format!("the figures for {name} are 17 and 4")
}

/// That of the demonstration, with further tables; a source that failed is asked again soon.
fn configuration(border: &Config, tables: &str) -> String {
    let mut text = gateway::configuration("a", border.reinject);
    let directory = text.lines().find(|line| line.starts_with("directory = "));
    let certificates = format!("[certificates]\n{}\n", directory.expect("a directory"));
    let admin = format!("admin = [\"{}\"]", free_address());
    for (from, to) in [
        ("domains =", "policy = \"policy.toml\"\ndomains ="),
        ("anchors = [", "anchors = [\"mail.der\", "),
        ("admin = []", &admin),
        (&certificates, ""),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
        text = text.replace(from, to);
    }
    format!(
        "{text}[certificates]\npatience = 5\nretry = 1\nnetworks = [\"127.0.0.0/8\"]\n\
         public_anchors = \"mail.der\"\n{tables}"
    )
}

/// Everybody's mail is encrypted to his own certificate, or does not leave; that to carol is decided at RCPT, that to
/// dave cannot be.
fn policy(source: &str) -> String {
    let seal = "sign = [\"domain\"]\nencrypt = \"required\"\nencrypt_to = [\"recipient\"]\n";
    let rule = |name: &str, when: &str| {
        format!("[[rule]]\nname = \"{name}\"\nwhen = 'direction == \"outbound\"{when}'\n{seal}")
    };
    let early = rule("early", " && recipient.local != \"dave\"");
    let late = rule("late", " && message.size > 0") + &rule("rest", "");
    format!(
        "{early}{late}[[rule]]\nname = \"others\"\nwhen = 'true'\n\
         [partner.\"b.example\"]\nsources = [\"{source}\"]\n"
    )
}
