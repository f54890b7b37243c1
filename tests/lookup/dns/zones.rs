//! Zones of a real knotd behind a real unbound: signed with NSEC and NSEC3, unsigned, bogus, tampered with.

use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use domsec::lookup::smimea;
use tempfile::TempDir;

use crate::peers;

const KNOTD: &str = "/usr/sbin/knotd";
const KEYMGR: &str = "/usr/sbin/keymgr";
const KDIG: &str = "/usr/bin/kdig";
const UNBOUND: &str = "/usr/sbin/unbound";

const DEADLINE: Duration = Duration::from_secs(60);

/// How a zone is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    Not,
    Nsec,
    Nsec3,
    OptOut,
}

struct Zone {
    name: &'static str,
    signed: Signed,
    records: &'static str,
}

/// `{name}` in records stands for the label of RFC 8162 of that local part, `{der}` for Bob's certificate.
#[rustfmt::skip]
const ZONES: &[Zone] = &[
    Zone { name: "b.example", signed: Signed::Nsec3, records: "
        @ MX 10 mx\n@ MX 20 mx.n.example.
        mx A 192.0.2.1\nmx AAAA 2001:db8::1\nmx TXT only-text
        _ldap._tcp SRV 1 2 389 mx
        _25._tcp.mx TLSA 3 1 1 {digest}
        null MX 0 .
        {bob} SMIMEA 3 0 0 {der}
        {two} SMIMEA 1 0 0 {der}\n{two} SMIMEA 3 0 1 {digest}
        {unusable} SMIMEA 9 0 0 {der}\n{unusable} SMIMEA 3 0 0 {digest}
        {alias} CNAME {bob}
        {toward-n} CNAME {bob}.n.example.
        {toward-u} CNAME {bob}.u.example.
        {toward-nothing} CNAME nothing
        {toward-bogus} CNAME {bob}.bogus.example.
        {chain} CNAME {alias}
        circle CNAME elcric\nelcric CNAME circle
        *.wild SMIMEA 3 0 0 {der}
        exact.wild TXT not-the-wildcard
        *.wildalias CNAME {bob}
        *.wildnothing CNAME nothing
        large TLSA 3 0 0 {large}
        user._smimecert SMIMEA 3 0 0 {der}
    " },
    Zone { name: "n.example", signed: Signed::Nsec, records: "
        mx A 192.0.2.2
        {bob} SMIMEA 3 0 0 {der}
        *.wild SMIMEA 3 0 0 {der}
        exact.wild TXT not-the-wildcard
        {toward-nothing} CNAME nothing
        *.wildalias CNAME {bob}
    " },
    Zone { name: "o.example", signed: Signed::OptOut, records: "
        {bob} SMIMEA 3 0 0 {der}
        mx A 192.0.2.3
        sub NS ns
    " },
    Zone { name: "u.example", signed: Signed::Not, records: "
        {bob} SMIMEA 3 0 0 {der}
        {toward-b} CNAME {bob}.b.example.
        @ MX 10 mx.b.example.
    " },
    Zone { name: "bogus.example", signed: Signed::Nsec3, records: "
        {bob} SMIMEA 3 0 0 {der}
    " },
    Zone { name: "tampered.example", signed: Signed::Nsec, records: "
        {bob} SMIMEA 3 0 1 {digest}
        {carol} SMIMEA 3 0 1 {digest}
    " },
    Zone { name: "stranger.test", signed: Signed::Not, records: "
        {bob} SMIMEA 3 0 0 {der}
    " },
];

/// A knotd and an unbound that validates, both ended with this.
pub(crate) struct World {
    folder: TempDir,
    authoritative: Ports,
    _daemons: Vec<Daemon>,
    /// unbound, with the anchor of `example`.
    pub(crate) resolver: SocketAddr,
    /// Certificate of bob@b.example, DER.
    pub(crate) bob: Vec<u8>,
}

impl World {
    /// `None` where a peer is not installed.
    pub(crate) fn start() -> Option<Self> {
        let files = [KNOTD, KEYMGR, KDIG, UNBOUND];
        if !peers::installed("knot or unbound", &files) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut world = Self {
            folder,
            authoritative: Ports::claim(),
            _daemons: Vec::new(),
            resolver: ([127, 0, 0, 1], 0).into(),
            bob: rcgen_certificate(),
        };
        world.write_zones();
        let signer = world.knotd();
        let server = world.authoritative.address(1);
        wait_for("signed zones", || {
            ZONES.iter().all(|zone| world.is_served(zone)).then_some(())
        });
        world.tamper();
        world._daemons.push(signer);
        world.resolver = world.unbound(server);
        Some(world)
    }

    /// The file with the key of `example` as a DNSKEY or DS record.
    pub(crate) fn anchor(&self, kind: &str) -> PathBuf {
        let path = self.path(&format!("anchor.{kind}"));
        fs::write(&path, self.keymgr(&["example", kind])).expect("an anchor");
        path
    }

    /// The digests of the key of `zone`.
    pub(crate) fn ds_of(&self, zone: &str) -> String {
        self.keymgr(&[zone, "ds"])
    }

    /// A port of 127.0.0.1 that nobody else takes.
    pub(crate) fn spare(&self, number: u16) -> SocketAddr {
        self.authoritative.address(4 + number)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("knot.conf")
    }

    fn write_zones(&self) {
        for folder in ["db", "run"] {
            fs::create_dir(self.path(folder)).expect("a folder");
        }
        self.write_knot_config(&[]);
        let mut parent = String::new();
        for zone in ZONES {
            let mut text = head(zone.name);
            for line in zone.records.lines().map(str::trim) {
                text.push_str(&self.record(line));
            }
            fs::write(self.path(zone.name), text).expect("a zone");
            if zone.signed != Signed::Not {
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

    /// DS records of a signed zone; those of the bogus one are of another zone's key.
    fn delegation(&self, zone: &Zone) -> String {
        let key = match (zone.signed, zone.name) {
            (Signed::Not, _) => return String::new(),
            (_, "bogus.example") => "b.example",
            (_, name) => name,
        };
        let ds = self.keymgr(&[key, "ds"]);
        ds.replace(&format!("{key}. "), &format!("{}. ", zone.name))
    }

    fn record(&self, line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, (word, after))) = rest
            .split_once('{')
            .and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            text.push_str(before);
            text.push_str(&match word {
                "der" => hex(&self.bob),
                "digest" => hex(&[7; 32]),
                "large" => hex(&[7; 3000]),
                local => label(local),
            });
            rest = after;
        }
        text + rest + "\n"
    }

    fn write_knot_config(&self, unsigned: &[&str]) {
        let folder = self.folder.path().display();
        let address = self.authoritative.address(1);
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
        let parent = Zone {
            name: "example",
            signed: Signed::Nsec3,
            records: "",
        };
        for zone in ZONES.iter().chain([&parent]) {
            let name = zone.name;
            text.push_str(&format!(
                " - domain: {name}\n   storage: {folder}\n   file: {name}\n   zonefile-sync: -1\n   acl: all\n"
            ));
            let policy = match zone.signed {
                Signed::Not => continue,
                _ if unsigned.contains(&name) => continue,
                Signed::Nsec => "nsec",
                Signed::Nsec3 => "nsec3",
                Signed::OptOut => "optout",
            };
            text.push_str(&format!(
                "   dnssec-signing: on\n   dnssec-policy: {policy}\n"
            ));
        }
        fs::write(self.config(), text).expect("a configuration");
    }

    /// Serves a signed zone with one digit of a record changed after it was signed.
    fn tamper(&self) {
        const NAME: &str = "tampered.example";
        let transfer = self.kdig(&[NAME, "AXFR", "+noall", "+answer"]);
        let mut zone: Vec<&str> = transfer.lines().collect();
        // A transfer ends as it begins.
        assert_eq!(zone.pop(), zone.first().copied());
        let bob = label("bob");
        let tampered: Vec<String> = zone
            .iter()
            .map(|line| match line.split_once("\tSMIMEA\t") {
                Some((name, data)) if name.starts_with(&bob) => {
                    format!("{name}\tSMIMEA\t{}", data.replacen("07", "08", 1))
                }
                _ => (*line).to_owned(),
            })
            .collect();
        assert_ne!(tampered, zone);
        fs::write(self.path(NAME), tampered.join("\n") + "\n").expect("a zone");
        self.write_knot_config(&[NAME]);
        for operation in [
            &["reload"][..],
            &["-f", "zone-purge", "+journal", NAME],
            &["zone-reload", NAME],
        ] {
            run(Command::new("/usr/sbin/knotc")
                .arg("-c")
                .arg(self.config())
                .args(operation));
        }
        wait_for("the tampered zone", || {
            let name = format!("{bob}.{NAME}");
            let served = self.kdig(&[&name, "SMIMEA", "+short"]).to_lowercase();
            served.contains("08").then_some(())
        });
    }

    fn knotd(&self) -> Daemon {
        let mut command = Command::new(KNOTD);
        command.arg("-c").arg(self.config());
        Daemon::start(&command, &self.path("knot.out"))
    }

    fn unbound(&mut self, server: SocketAddr) -> SocketAddr {
        let address = self.authoritative.address(2);
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
        let (ip, port) = (server.ip(), server.port());
        for name in ZONES.iter().map(|zone| zone.name).chain(["example"]) {
            text.push_str(&format!(
                "stub-zone:\n  name: \"{name}\"\n  stub-addr: {ip}@{port}\n"
            ));
        }
        let config = self.path("unbound.conf");
        fs::write(&config, text).expect("a configuration");
        let mut command = Command::new(UNBOUND);
        command.arg("-d").arg("-c").arg(&config);
        self._daemons
            .push(Daemon::start(&command, &self.path("unbound.out")));
        wait_for("unbound", || {
            let answer = kdig(address, &["b.example", "SOA", "+short"]);
            answer.contains("hostmaster").then_some(())
        });
        address
    }

    fn is_served(&self, zone: &Zone) -> bool {
        let answer = self.kdig(&[zone.name, "SOA", "+dnssec", "+short"]);
        answer.lines().count() == if zone.signed == Signed::Not { 1 } else { 2 }
    }

    fn kdig(&self, arguments: &[&str]) -> String {
        kdig(self.authoritative.address(1), arguments)
    }

    fn keymgr(&self, arguments: &[&str]) -> String {
        run(Command::new(KEYMGR)
            .arg("-c")
            .arg(self.config())
            .args(arguments))
    }
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

/// The first two labels of the name of an address's records.
pub(crate) fn label(local: &str) -> String {
    let name = smimea::name(&format!("{local}@x").parse().expect("an address"));
    name.trim_end_matches(".x").to_owned()
}

fn head(zone: &str) -> String {
    format!(
        "$ORIGIN {zone}.\n$TTL 600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n"
    )
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

fn rcgen_certificate() -> Vec<u8> {
    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::SanType;
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    let address = "bob@b.example".try_into().expect("IA5");
    params.subject_alt_names = vec![SanType::Rfc822Name(address)];
    let key = KeyPair::generate().expect("a key");
    params
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .to_vec()
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(
        output.status.success(),
        "{command:?}: {}: {out}{err}",
        output.status
    );
    out.into_owned()
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "no {what} in {DEADLINE:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Ports that no other test takes: who has the first has all.
struct Ports {
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

    fn address(&self, number: u16) -> SocketAddr {
        assert!(number > 0 && number < Self::MANY);
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first + number))
    }
}

/// A program in the foreground. The shell above it ends it when our end of the pipe closes, which it does however
/// the test ends.
struct Daemon {
    shell: Child,
}

impl Daemon {
    fn start(command: &Command, log: &Path) -> Self {
        const SCRIPT: &str = r#"
            log=$0
            "$@" >"$log" 2>&1 </dev/null &
            pid=$!
            read -r _
            kill -KILL "$pid"
            wait "$pid"
        "#;
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .arg(log)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        Self { shell }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Nothing can be done about a shell that cannot be waited for.
        let _ended = self.shell.wait();
    }
}
