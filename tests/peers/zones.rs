//! Zones of a real knotd, signed beneath `example`, behind a real unbound that validates.

use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use domsec::lookup::smimea;
use tempfile::TempDir;

use crate::peers;
use crate::processes::Foreground;
use crate::processes::run;
use crate::processes::wait_for;

const KNOTD: &str = "/usr/sbin/knotd";
const KEYMGR: &str = "/usr/sbin/keymgr";
const KDIG: &str = "/usr/bin/kdig";
const UNBOUND: &str = "/usr/sbin/unbound";

/// A zone, and how it is signed.
pub(crate) struct Zone {
    pub(crate) name: &'static str,
    /// `nsec`, `nsec3`, `optout` (NSEC3 with Opt-Out); a zone without one is not signed.
    pub(crate) signed: Option<&'static str>,
    /// The zone whose key its parent vouches for: itself, unless it is to be bogus.
    pub(crate) vouched_for: &'static str,
    /// Records below its name. `{name}` stands for the label of RFC 8162 of that local part, or for a word that
    /// [`Served::start`] is told.
    pub(crate) records: String,
}

/// Whether knotd and unbound can be run here.
pub(crate) fn can_run() -> bool {
    peers::installed("knot or unbound", &[KNOTD, KEYMGR, KDIG, UNBOUND])
}

/// A knotd and an unbound, both ended with this.
pub(crate) struct Served {
    // In this order: they end before their folder goes.
    pub(crate) knotd: Option<Foreground>,
    pub(crate) unbound: Option<Foreground>,
    folder: TempDir,
    /// Of which the first three are taken.
    pub(crate) ports: Ports,
    zones: Vec<Zone>,
}

impl Served {
    /// Serves `zones`, whose `{word}` stand for what is beside them in `words`.
    pub(crate) fn start(zones: Vec<Zone>, words: &[(&str, String)]) -> Self {
        let mut served = Self {
            knotd: None,
            unbound: None,
            folder: tempfile::tempdir().expect("a folder"),
            ports: Ports::claim(),
            zones,
        };
        served.write_zones(words);
        served.knotd = Some(served.start_knotd());
        served.write_unbound_config();
        served.unbound = Some(served.start_unbound());
        served
    }

    /// unbound, with the anchor of `example`.
    pub(crate) fn resolver(&self) -> SocketAddr {
        self.ports.address(2)
    }

    /// A file with the key of `example` as DNSKEY (`dnskey`) or DS (`ds`) records.
    pub(crate) fn anchor(&self, kind: &str) -> PathBuf {
        let path = self.path(&format!("anchor.{kind}"));
        fs::write(&path, self.keymgr(&["example", kind])).expect("an anchor");
        path
    }

    /// Starts knotd, which is not running.
    pub(crate) fn start_knotd(&self) -> Foreground {
        let mut command = Command::new(KNOTD);
        command.arg("-c").arg(self.knot_config());
        let running = Foreground::start(&command, &self.path("knot.out"));
        wait_for("signed zones", || {
            let mut zones = self.zones.iter();
            zones.all(|zone| self.is_served(zone)).then_some(())
        });
        running
    }

    /// Starts unbound, which is not running. knotd must be.
    pub(crate) fn start_unbound(&self) -> Foreground {
        let mut command = Command::new(UNBOUND);
        command.arg("-d").arg("-c").arg(self.path("unbound.conf"));
        let running = Foreground::start(&command, &self.path("unbound.out"));
        let zone = self.zones.first().expect("a zone").name;
        wait_for("unbound", || {
            let answer = kdig(self.resolver(), &[zone, "SOA", "+short"]);
            answer.contains("hostmaster").then_some(())
        });
        running
    }

    /// knotd itself.
    fn authority(&self) -> SocketAddr {
        self.ports.address(1)
    }

    /// A file in their folder, where each zone has one of its name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration of knotd.
    pub(crate) fn knot_config(&self) -> PathBuf {
        self.path("knot.conf")
    }

    fn write_zones(&self, words: &[(&str, String)]) {
        for folder in ["db", "run"] {
            fs::create_dir(self.path(folder)).expect("a folder");
        }
        self.write_knot_config(&[]);
        let mut parent = String::new();
        for zone in &self.zones {
            let mut text = head(zone.name);
            for line in zone.records.lines().map(str::trim) {
                text.push_str(&record(line, words));
            }
            fs::write(self.path(zone.name), text).expect("a zone");
            if zone.signed.is_some() {
                self.keymgr(&[zone.name, "generate", "algorithm=13", "ksk=yes", "zsk=yes"]);
            }
            if let Some(label) = zone.name.strip_suffix(".example") {
                parent.push_str(&format!(
                    "{label} NS ns.{}.\nns.{label} A 127.0.0.1\n",
                    zone.name
                ));
                parent.push_str(&self.delegation(zone));
            }
        }
        fs::write(self.path("example"), head("example") + &parent).expect("a zone");
        // Two keys, as most zones have: the anchor is one of them only.
        self.keymgr(&["example", "generate", "algorithm=13", "ksk=yes"]);
        self.keymgr(&["example", "generate", "algorithm=13", "zsk=yes"]);
    }

    /// DS records of a signed zone; those of a bogus one are of another zone's key.
    fn delegation(&self, zone: &Zone) -> String {
        if zone.signed.is_none() {
            return String::new();
        }
        let key = zone.vouched_for;
        let ds = self.keymgr(&[key, "ds"]);
        ds.replace(&format!("{key}. "), &format!("{}. ", zone.name))
    }

    /// Those of `as_they_are` are served without being signed.
    pub(crate) fn write_knot_config(&self, as_they_are: &[&str]) {
        let folder = self.folder.path().display();
        let address = self.authority();
        let (ip, port) = (address.ip(), address.port());
        let mut text = format!(
            "server:\n  listen: {ip}@{port}\n  rundir: {folder}/run\n  pidfile: {folder}/knot.pid\n\
             log:\n - target: {folder}/knot.log\n   any: info\n\
             database:\n  storage: {folder}/db\n  kasp-db: keys\n\
             acl:\n - id: all\n   address: 127.0.0.1\n   action: transfer\npolicy:\n"
        );
        for (id, more) in [
            ("nsec", ""),
            ("nsec3", "   nsec3: on\n"),
            ("optout", "   nsec3: on\n   nsec3-opt-out: on\n"),
        ] {
            text.push_str(&format!(
                " - id: {id}\n   algorithm: ecdsap256sha256\n   manual: on\n{more}"
            ));
        }
        text.push_str("zone:\n");
        let zones = self.zones.iter().map(|zone| (zone.name, zone.signed));
        for (name, signed) in zones.chain([("example", Some("nsec3"))]) {
            text.push_str(&format!(
                " - domain: {name}\n   storage: {folder}\n   file: {name}\n   zonefile-sync: -1\n   acl: all\n"
            ));
            if let Some(policy) = signed.filter(|_| !as_they_are.contains(&name)) {
                text.push_str(&format!(
                    "   dnssec-signing: on\n   dnssec-policy: {policy}\n"
                ));
            }
        }
        fs::write(self.knot_config(), text).expect("a configuration");
    }

    fn write_unbound_config(&self) {
        let address = self.resolver();
        let folder = self.folder.path().display();
        let (ip, port) = (address.ip(), address.port());
        let anchor = self.anchor("dnskey");
        let mut text = format!(
            "server:\n  interface: {ip}\n  port: {port}\n  do-ip6: no\n  num-threads: 1\n\
             \x20 do-not-query-localhost: no\n  chroot: \"\"\n  username: \"\"\n  directory: \"{folder}\"\n\
             \x20 pidfile: \"{folder}/unbound.pid\"\n  use-syslog: no\n  logfile: \"{folder}/unbound.log\"\n\
             \x20 module-config: \"validator iterator\"\n  trust-anchor-file: \"{}\"\n  ede: yes\n\
             \x20 local-zone: \"example.\" nodefault\n  local-zone: \"test.\" nodefault\n\
             remote-control:\n  control-enable: no\n",
            anchor.display()
        );
        let server = self.authority();
        let (ip, port) = (server.ip(), server.port());
        for name in self.zones.iter().map(|zone| zone.name).chain(["example"]) {
            text.push_str(&format!(
                "stub-zone:\n  name: \"{name}\"\n  stub-addr: {ip}@{port}\n"
            ));
        }
        fs::write(self.path("unbound.conf"), text).expect("a configuration");
    }

    fn is_served(&self, zone: &Zone) -> bool {
        let answer = self.kdig(&[zone.name, "SOA", "+dnssec", "+short"]);
        answer.lines().count() == if zone.signed.is_some() { 2 } else { 1 }
    }

    /// Asks knotd.
    pub(crate) fn kdig(&self, arguments: &[&str]) -> String {
        kdig(self.authority(), arguments)
    }

    /// What keymgr(8) says of the keys of knotd.
    pub(crate) fn keymgr(&self, arguments: &[&str]) -> String {
        let mut keymgr = Command::new(KEYMGR);
        keymgr.arg("-c").arg(self.knot_config()).args(arguments);
        String::from_utf8_lossy(&run(&mut keymgr)).into_owned()
    }
}

/// The octets in hex, as records have them.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

/// The first two labels of the name of an address's records.
pub(crate) fn label(local: &str) -> String {
    let name = smimea::name(&format!("{local}@x").parse().expect("an address"));
    name.trim_end_matches(".x").to_owned()
}

fn record(line: &str, words: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, (word, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        text.push_str(before);
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => text.push_str(meaning),
            None => text.push_str(&label(word)),
        }
        rest = after;
    }
    text + rest + "\n"
}

fn kdig(server: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new(KDIG);
    command
        .arg(format!("@{}", server.ip()))
        .args(["-p", &server.port().to_string()]);
    let command = command.args(arguments).args(["+timeout=1", "+retry=0"]);
    let output = command.stdin(Stdio::null()).output().expect("kdig");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn head(zone: &str) -> String {
    format!(
        "$ORIGIN {zone}.\n$TTL 600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n"
    )
}

/// Ports that no other test takes: who has the first has all.
pub(crate) struct Ports {
    _claim: TcpListener,
    first: u16,
}

impl Ports {
    const MANY: u16 = 16;

    fn claim() -> Self {
        // Below those that the tests of the MTAs take.
        const FIRST: u16 = 8_000;
        const BLOCKS: u16 = 240;
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or_default();
        let firsts = (0..BLOCKS).map(|count| FIRST + (start + count) % BLOCKS * Self::MANY);
        let found = firsts.into_iter().find_map(|first| {
            let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).ok()?;
            let free = |port: u16| {
                UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
                    && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            };
            let all = (first + 1..first + Self::MANY).all(free);
            all.then_some(Self {
                _claim: claim,
                first,
            })
        });
        found.expect("free ports")
    }

    /// One of them, from 1 on.
    pub(crate) fn address(&self, number: u16) -> SocketAddr {
        assert!(number > 0 && number < Self::MANY);
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first + number))
    }
}
