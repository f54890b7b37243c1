//! A private Sendmail 8.17 beside Postfix.
//!
//! Debian's packages of the two exclude each other, so Sendmail's are downloaded and unpacked, not
//! installed; a copy stays in Cargo's folder for tests. It hands all mail on to one next MTA.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

use crate::peers;
use crate::processes::Daemon;
use crate::processes::free_address;
use crate::processes::run;
use crate::processes::wait_for_listener;
use crate::smtp;
use crate::smtp::Options;
use crate::smtp::Sent;

/// Sendmail itself, and the libraries of its that nothing else on the machine needs.
const PACKAGES: &[&str] = &[
    "sendmail-base",
    "sendmail-bin",
    "sendmail-cf",
    "libwrap0",
    "libldap-2.5-0",
];

/// What one instance is.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where it takes mail.
    pub(crate) address: SocketAddr,
    /// The milters, each the lines of an `INPUT_MAIL_FILTER`.
    pub(crate) filters: String,
    /// Who gets all its mail.
    pub(crate) next: SocketAddr,
}

impl Config {
    /// An instance with one milter, at a free port.
    pub(crate) fn with_milter(milter: SocketAddr, next: SocketAddr) -> Self {
        let socket = format!("inet:{}@{}", milter.port(), milter.ip());
        Self {
            address: free_address(),
            filters: format!(
                "INPUT_MAIL_FILTER(`domsec', `S={socket}, F=T, T=C:10s;S:30s;R:30s;E:2m')dnl"
            ),
            next,
        }
    }
}

/// The folder into which Sendmail is unpacked, downloading it where it is not; `None` where it cannot
/// be run here, after saying why.
pub(crate) fn unpacked() -> Option<PathBuf> {
    let tools = ["/usr/bin/m4", "/usr/bin/unshare", "/usr/bin/dpkg-deb"];
    if !peers::can_run("Sendmail", &tools) {
        return None;
    }
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sendmail");
    if root.exists() {
        return Some(root);
    }
    match unpack(&root) {
        Ok(()) => Some(root),
        Err(error) => {
            peers::without(&format!("Sendmail cannot be downloaded: {error}"));
            None
        }
    }
}

/// Downloads and unpacks into a folder beside `root`, which then becomes `root` at once: tests of
/// other processes do the same.
fn unpack(root: &Path) -> Result<(), String> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
    let attempt = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(errors)
    };
    let download = [&["download", "-q"], PACKAGES].concat();
    if attempt("apt-get", &download).is_err() {
        // A machine that has no lists of packages yet, or old ones.
        attempt("apt-get", &["update", "-q"])?;
        attempt("apt-get", &download)?;
    }
    // Without its setgid bit: it would ignore LD_LIBRARY_PATH.
    const UNPACK: &str = "for d in *.deb; do dpkg-deb -x $d root || exit; done
        chmod 755 root/usr/libexec/sendmail/sendmail";
    attempt("sh", &["-c", UNPACK])?;
    match fs::rename(folder.path().join("root"), root) {
        Err(error) if !root.exists() => Err(error.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A running instance, which ends with its value.
pub(crate) struct Sendmail {
    address: SocketAddr,
    // In this order: it ends before its folder goes.
    _daemon: Daemon,
    folder: TempDir,
}

impl Sendmail {
    /// Starts Sendmail from the folder that [`unpacked`] gave.
    pub(crate) fn start(unpacked: &Path, config: &Config) -> Self {
        let folder = TempDir::with_prefix("domsec-sendmail-").expect("a temporary folder");
        let root = folder.path();
        fs::create_dir(root.join("mqueue")).expect("an empty folder");
        fs::write(root.join("sendmail.mc"), mc(unpacked, config, root)).expect("sendmail.mc");
        let cf = compiled(unpacked, &root.join("sendmail.mc"));
        fs::write(root.join("sendmail.cf"), cf).expect("sendmail.cf");
        let daemon = Daemon::watch(&root.join("sendmail.pid"));
        let log = fs::File::create(root.join("log")).expect("a log");
        // Sendmail waits a minute where the host's name has no domain: it gets one in a UTS namespace
        // of its own.
        let started = Command::new("unshare")
            .args([
                "--uts",
                "sh",
                "-c",
                "hostname mx.a.example; exec \"$@\"",
                "sh",
            ])
            .arg(unpacked.join("usr/libexec/sendmail/sendmail"))
            .arg("-C")
            .arg(root.join("sendmail.cf"))
            .args(["-bd", "-q2s", "-X"])
            .arg(root.join("traffic"))
            .env("LD_LIBRARY_PATH", libraries(unpacked))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .status()
            .expect("unshare");
        let sendmail = Self {
            address: config.address,
            _daemon: daemon,
            folder,
        };
        assert!(started.success(), "{started}:\n{}", sendmail.log());
        wait_for_listener(config.address, || sendmail.log());
        sendmail
    }

    /// Sends one message by SMTP, from 127.0.0.1.
    pub(crate) fn send(&self, mail_from: &str, rcpts: &[&str], octets: &[u8]) -> Sent {
        smtp::send(self.address, mail_from, rcpts, octets, &Options::default())
    }

    /// How many messages wait in its queue.
    pub(crate) fn queued(&self) -> usize {
        let queue = fs::read_dir(self.folder.path().join("mqueue")).expect("the queue");
        queue
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("qf"))
            .count()
    }

    /// What it said when it started, and all that was said by SMTP since.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("log"), read("traffic")].concat()).into_owned()
    }
}

/// The sendmail.cf that `mc` becomes.
pub(crate) fn compiled(unpacked: &Path, mc: &Path) -> Vec<u8> {
    let cf = unpacked.join("usr/share/sendmail/cf");
    let mut m4 = Command::new("m4");
    m4.arg(format!("-D_CF_DIR_={}/", cf.display()));
    run(m4.arg(cf.join("m4/cf.m4")).arg(mc))
}

fn libraries(unpacked: &Path) -> PathBuf {
    // usr/lib/x86_64-linux-gnu or what this machine is.
    let folders = fs::read_dir(unpacked.join("usr/lib")).expect("usr/lib");
    folders
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with("-linux-gnu"))
        .expect("libwrap0's folder")
}

fn mc(unpacked: &Path, config: &Config, root: &Path) -> String {
    let Config {
        address,
        filters,
        next,
    } = config;
    let (root, cf) = (root.display(), unpacked.join("usr/share/sendmail/cf"));
    let cf = cf.display();
    format!(
        "divert(-1)
divert(0)dnl
VERSIONID(`{cf}')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.a.example')dnl
define(`QUEUE_DIR', `{root}/mqueue')dnl
define(`STATUS_FILE', `{root}/statistics')dnl
define(`confPID_FILE', `{root}/sendmail.pid')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confCONTROL_SOCKET_NAME', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confDEF_USER_ID', `nobody:nogroup')dnl
define(`confTO_IDENT', `0')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {next}')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {next}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {next}')dnl
define(`SMART_HOST', `esmtp:[{next_host}]')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr={host}, Port={port}')dnl
{filters}
MAILER(`smtp')dnl
",
        next = next.port(),
        next_host = next.ip(),
        host = address.ip(),
        port = address.port(),
    )
}
