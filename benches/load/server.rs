//! The milters under load, each a process of its own with what it cost so far.

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::Address;
use crate::client::Connection;
use crate::credentials;

/// Ticks of /proc/PID/stat in a second (USER_HZ), the same on every architecture that Linux has left.
const TICKS: f64 = 100.0;

/// What domsec does to each message.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// The domain's key: RSA-2048, or P-256.
    pub(crate) elliptic: bool,
    pub(crate) encrypts: bool,
    pub(crate) cipher: Cipher,
    pub(crate) inside: Inside,
    /// Port of the directory that is asked for certificates of c.example.
    pub(crate) directory: Option<u16>,
}

/// `cipher` of the `[profile]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    Cbc,
    Gcm,
}

impl Cipher {
    const fn name(self) -> &'static str {
        match self {
            Self::Cbc => "aes-256-cbc",
            Self::Gcm => "aes-256-gcm",
        }
    }
}

/// Its `inside`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    Base64,
    Binary,
}

impl Inside {
    const fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Binary => "binary",
        }
    }
}

/// A milter that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    pub(crate) unix: Address,
    pub(crate) tcp: Option<Address>,
    /// Where domsec tells its metrics.
    admin: Option<SocketAddr>,
}

impl Server {
    /// `domsec serve`, with the demonstration's keys.
    pub(crate) fn domsec(work: Work) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (port, admin) = (free_port(), free_port());
        credentials::write(folder.path()).expect("certificates");
        write(&folder, "policy.toml", &policy(work));
        write(&folder, "domsec.toml", &configuration(work, port, admin));
        let mut command = Command::new(env!("CARGO_BIN_EXE_domsec"));
        command
            .arg("serve")
            .arg("--config")
            .arg(folder.path().join("domsec.toml"));
        let tcp = Address::Tcp((Ipv4Addr::LOCALHOST, port).into());
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, admin));
        Self::start(command, folder, Some((tcp, admin)))
    }

    /// Debian's `opendkim`, signing with a key of the same kind; `None` where it is not installed.
    pub(crate) fn opendkim() -> Option<Self> {
        let program = ["/usr/sbin/opendkim", "/usr/local/sbin/opendkim"].map(Path::new);
        let program = program.into_iter().find(|path| path.exists())?;
        let folder = TempDir::new().expect("a folder");
        let mut text = String::new();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (key, value) in [
            ("Mode", "s"),
            ("Domain", "a.example"),
            ("Selector", "load"),
            ("KeyFile", &credentials::path("domain-a.key")),
            // Debian's own.
            ("Canonicalization", "relaxed/simple"),
            ("OversignHeaders", "From"),
            // The demonstration's keys are for everybody to read.
            ("RequireSafeKeys", "no"),
            ("Background", "no"),
            ("Syslog", "no"),
            ("Socket", &format!("local:{}", path("milter.sock"))),
        ] {
            writeln!(text, "{key} {value}").expect("memory");
        }
        write(&folder, "opendkim.conf", &text);
        let mut command = Command::new(program);
        command.arg("-f").arg("-x").arg(path("opendkim.conf"));
        Some(Self::start(command, folder, None))
    }

    /// With domsec's other addresses.
    fn start(mut command: Command, folder: TempDir, others: Option<(Address, SocketAddr)>) -> Self {
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a process");
        let unix = Address::Unix(folder.path().join("milter.sock"));
        let (tcp, admin) = others.unzip();
        let mut server = Self {
            child,
            folder,
            unix,
            tcp,
            admin,
        };
        for _ in 0..500 {
            let ended = server.child.try_wait().expect("a process of ours");
            assert!(ended.is_none(), "{command:?}: {}", server.log());
            if Connection::open(&server.unix).is_ok_and(|one| one.quit().is_ok()) {
                return server;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{command:?} does not answer: {}", server.log());
    }

    /// What it wrote to standard error last.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len().saturating_sub(10);
        lines.get(last..).unwrap_or_default().join("\n")
    }

    /// Seconds of processor time since its start.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The second field may hold spaces, and ends with the last parenthesis.
        let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks: u32 = rest
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u32>().expect("a number of ticks"))
            .sum();
        f64::from(ticks) / TICKS
    }

    /// MiB of resident memory: `VmRSS` is now, `VmHWM` the most since its start.
    pub(crate) fn resident_mib(&self, field: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        let kib: u32 = kib.and_then(|kib| kib.parse().ok()).expect("a size in kB");
        f64::from(kib) / 1024.0
    }

    /// The sum of a metric of domsec's.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        let asked = self.admin.map(TcpStream::connect).map(|stream| {
            let mut stream = stream?;
            stream.write_all(
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )?;
            stream.read_to_string(&mut text)
        });
        asked.expect("a server with metrics").expect("an answer");
        let of_metric = text.lines().filter(|line| line.starts_with(name));
        let values = of_metric.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum()
    }

    fn proc(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(path).expect("a process that lives")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn configuration(work: Work, port: u16, admin: u16) -> String {
    let signer = if work.elliptic {
        r#"cert = "p256.pem"
key = "p256.key""#
            .to_owned()
    } else {
        let path = credentials::path;
        format!(
            "cert = {:?}\nkey = {:?}",
            path("domain-a.pem"),
            path("domain-a.key")
        )
    };
    let directory = work.directory.map(|port| {
        format!(
            r#"patience = 600

[limits]
transactions = 16

[dns]
servers = ["127.0.0.1:9"]

[[ldap]]
url = "ldap://127.0.0.1:{port}"
base = "dc=c,dc=example"
domains = ["c.example"]
in_clear = true
"#
        )
    });
    format!(
        r#"domains = ["a.example"]
authserv_id = "gw.a.example"
policy = "policy.toml"

[[key]]
role = "domain"
{signer}

[trust]
anchors = [{:?}]
intermediates = [{:?}]
networks = ["127.0.0.0/8"]

[certificates]
directory = "recipients"
{}
[listen]
milter = ["unix:milter.sock", "127.0.0.1:{port}"]
admin = ["127.0.0.1:{admin}"]
"#,
        credentials::path("root.pem"),
        credentials::path("intermediate.pem"),
        directory.unwrap_or_default(),
    )
}

fn policy(work: Work) -> String {
    let encrypt = if work.encrypts {
        "encrypt = \"required\"\nencrypt_to = [\"recipient\"]\n"
    } else {
        ""
    };
    format!(
        r#"[[rule]]
name = "out"
when = 'direction == "outbound" && message.size > 0'
sign = ["domain"]
profile = "load"
{encrypt}
[[rule]]
name = "in"
when = 'true'

[profile.load]
cipher = "{}"
inside = "{}"
"#,
        work.cipher.name(),
        work.inside.name()
    )
}

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).expect("a file");
}

fn free_port() -> u16 {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|bound| bound.local_addr());
    bound
        .map(|address| address.port())
        .map_err(io::Error::other)
        .expect("a free port")
}
