//! A private Postfix: its own configuration, queue, log and Maildirs in a temporary folder.
//!
//! Asks no DNS and needs no postmap. Nothing of the system's own Postfix is read or changed.

use std::fs;
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::SystemTime;

use serde::Deserialize;
use tempfile::TempDir;

use crate::peers;
use crate::processes::Daemon;
use crate::processes::free_address;
use crate::processes::run;
use crate::processes::wait_for;
use crate::processes::wait_for_listener;
use crate::smtp;
use crate::smtp::Options;
use crate::smtp::Sent;

/// The user to whom the Maildirs belong, `nobody` on Debian: virtual(8) takes no number under 100.
const NOBODY: u32 = 65_534;

/// Who has a Maildir, in every domain.
const USERS: &[&str] = &[
    "alice",
    "all",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
    "postmaster",
];

/// What one instance is. `..Config::of("a.example")` fills in the rest.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The domain whose mail it delivers, for each of [`USERS`] into a Maildir.
    pub(crate) domain: &'static str,
    /// Where it takes mail, through the milters.
    pub(crate) address: SocketAddr,
    /// Where it takes mail that has passed the milters already.
    pub(crate) reinject: SocketAddr,
    /// The milters in their order, as Postfix writes them: `inet:127.0.0.1:8891`, `unix:/path`.
    pub(crate) milters: Vec<String>,
    /// Other domains, and who takes mail for them.
    pub(crate) routes: Vec<(&'static str, SocketAddr)>,
    /// The largest message that it takes, in octets.
    pub(crate) message_size_limit: u64,
    /// Further lines of main.cf, which override those before.
    pub(crate) main: String,
    /// Further services of master.cf.
    pub(crate) master: String,
}

impl Config {
    /// An instance for `domain` without milters, at free ports.
    pub(crate) fn of(domain: &'static str) -> Self {
        Self {
            domain,
            address: free_address(),
            reinject: free_address(),
            milters: Vec::new(),
            routes: Vec::new(),
            message_size_limit: 104_857_600,
            main: String::new(),
            master: String::new(),
        }
    }
}

/// One message in the queue, as `postqueue -j` tells of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct QueueEntry {
    /// `incoming`, `active`, `deferred`, `hold`.
    pub(crate) queue_name: String,
    pub(crate) queue_id: String,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<QueuedRecipient>,
}

/// One recipient to whom a queued message is still to go.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct QueuedRecipient {
    pub(crate) address: String,
    pub(crate) delay_reason: Option<String>,
}

/// Whether Postfix can be run here; says why not.
pub(crate) fn can_run() -> bool {
    peers::can_run(
        "Postfix",
        &["/usr/sbin/postfix", "/usr/lib/postfix/sbin/master"],
    )
}

/// A running instance, which ends with its value.
pub(crate) struct Postfix {
    domain: &'static str,
    address: SocketAddr,
    reinject: SocketAddr,
    // In this order: it ends before its folder goes.
    _daemon: Daemon,
    folder: TempDir,
}

impl Postfix {
    pub(crate) fn start(config: &Config) -> Self {
        let folder = prepared(config);
        let root = folder.path();
        let daemon = Daemon::watch(&root.join("spool/pid/master.pid"));
        // Its children keep what they inherit: nothing of ours.
        let started = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(root.join("etc"))
            .arg("start")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("postfix");
        let postfix = Self {
            domain: config.domain,
            address: config.address,
            reinject: config.reinject,
            _daemon: daemon,
            folder,
        };
        assert!(started.success(), "{started}:\n{}", postfix.log());
        wait_for_listener(config.address, || postfix.log());
        postfix
    }

    /// Where it takes mail, through the milters.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes mail that has passed the milters already.
    pub(crate) fn reinject(&self) -> SocketAddr {
        self.reinject
    }

    /// Sends one message by SMTP, from 127.0.0.1 unless `options` says otherwise.
    pub(crate) fn send(
        &self,
        mail_from: &str,
        rcpts: &[&str],
        octets: &[u8],
        options: &Options<'_>,
    ) -> Sent {
        smtp::send(self.address, mail_from, rcpts, octets, options)
    }

    /// Submits one message by sendmail(1), so that it passes `non_smtpd_milters`.
    pub(crate) fn submit(&self, mail_from: &str, rcpts: &[&str], octets: &[u8]) {
        let mut sendmail = Command::new("/usr/sbin/sendmail")
            .arg("-C")
            .arg(self.etc())
            .args(["-i", "-f", mail_from, "--"])
            .args(rcpts)
            .stdin(Stdio::piped())
            .spawn()
            .expect("Postfix's sendmail");
        let mut input = sendmail.stdin.take().expect("a pipe");
        input.write_all(octets).expect("sendmail reads");
        drop(input);
        assert!(sendmail.wait().expect("sendmail ends").success());
    }

    /// What `user` of its domain has got so far, in the order of arrival.
    pub(crate) fn delivered(&self, user: &str) -> Vec<Vec<u8>> {
        let folder = self.folder.path().join("mail").join(user).join("new");
        let Ok(entries) = fs::read_dir(folder) else {
            // virtual(8) makes it with the first delivery.
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
            .iter()
            .map(|path| fs::read(path).expect("a delivered message"))
            .collect()
    }

    /// Waits until `user` has got `count` messages; panics with the log if they do not come.
    pub(crate) fn wait_delivered(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let what = format!("{count} messages for {user}@{}", self.domain);
        self.wait_for(&what, || {
            let messages = self.delivered(user);
            (messages.len() >= count).then_some(messages)
        })
    }

    /// Everything that waits in its queue.
    pub(crate) fn queue(&self) -> Vec<QueueEntry> {
        let listing = run(self.command("postqueue").arg("-j"));
        String::from_utf8_lossy(&listing)
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect()
    }

    /// Waits until nothing waits in its queue.
    pub(crate) fn wait_queue_empty(&self) {
        self.wait_for("empty queue", || self.queue().is_empty().then_some(()));
    }

    /// Has it try everything in its queue again, now.
    pub(crate) fn flush(&self) {
        run(self.command("postqueue").arg("-f"));
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("maillog")).unwrap_or_default()
    }

    /// The value of one parameter, as it is in force.
    pub(crate) fn parameter(&self, name: &str) -> String {
        let value = run(self.command("postconf").args(["-h", name]));
        String::from_utf8_lossy(&value).trim().to_owned()
    }

    fn etc(&self) -> PathBuf {
        self.folder.path().join("etc")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(Path::new("/usr/sbin").join(name));
        command.arg("-c").arg(self.etc());
        command
    }

    fn wait_for<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_for(what, look)));
        caught.unwrap_or_else(|_| panic!("no {what}; the log:\n{}", self.log()))
    }
}

/// A server of Dovecot's authentication protocol in which nobody can log in.
///
/// Without one smtpd(8) has no SASL, and without SASL it ignores XCLIENT's LOGIN, by which tests log in.
fn serve_logins() -> SocketAddr {
    const GREETING: &[u8] =
        b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n";
    let address = free_address();
    let listener = TcpListener::bind(address).expect("a free port");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                stream.write_all(GREETING)?;
                // Until smtpd hangs up.
                io::copy(&mut stream, &mut io::sink())
            });
        }
    });
    address
}

/// A folder with all that Postfix wants to find, owned as it wants.
fn prepared(config: &Config) -> TempDir {
    let folder = TempDir::with_prefix("domsec-postfix-").expect("a temporary folder");
    let root = folder.path();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root, open).expect("our own folder");
    for name in ["etc", "spool", "data", "mail"] {
        fs::create_dir(root.join(name)).expect("an empty folder");
    }
    let postfix = user("postfix");
    chown(root.join("data"), Some(postfix), None).expect("we are root");
    chown(root.join("mail"), Some(NOBODY), Some(NOBODY)).expect("we are root");
    make_queue(&root.join("spool"), postfix);
    let main = root.join("etc/main.cf");
    fs::write(&main, said_once(&main_cf(config, root))).expect("main.cf");
    // Postfix waits two seconds for a file that has just been written: it may not be whole yet.
    let old = fs::File::options().write(true).open(&main);
    let old = old.and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH));
    old.expect("our own file");
    fs::write(root.join("etc/master.cf"), master_cf(config)).expect("master.cf");
    folder
}

/// The queue, as `postfix start` would make it in some seconds of checks, which it is spared.
fn make_queue(queue: &Path, postfix: u32) {
    let own = [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
        "saved", "trace",
    ];
    let folders = own.iter().map(|name| (*name, 0o700));
    for (name, mode) in folders.chain([("maildrop", 0o730), ("public", 0o710)]) {
        let path = queue.join(name);
        fs::create_dir(&path).expect("an empty folder");
        let group = (mode != 0o700).then(|| group("postdrop"));
        chown(&path, Some(postfix), group).expect("we are root");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own folder");
    }
    fs::create_dir(queue.join("pid")).expect("an empty folder");
    fs::write(queue.join("quick-start"), "").expect("an empty file");
}

/// The number of a user of this machine.
fn user(name: &str) -> u32 {
    number("/etc/passwd", name)
}

fn group(name: &str) -> u32 {
    number("/etc/group", name)
}

/// The third field of the line of `name`.
fn number(file: &str, name: &str) -> u32 {
    let lines = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    lines
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .find_map(|line| line.split(':').nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {file}"))
}

/// The lines of a main.cf without those that later ones override.
///
/// Every process of Postfix logs a warning of such a line as it starts, postlogd(8) too, into the
/// socket that it alone reads. That holds ten messages: where the processes that start beside it have
/// filled it, postlogd waits for itself for ever, and all others for it.
fn said_once(main_cf: &str) -> String {
    let mut parameters: Vec<(&str, String)> = Vec::new();
    for line in main_cf.lines() {
        let continues = line.starts_with([' ', '\t']);
        match line.split_once('=') {
            _ if line.starts_with('#') => {}
            _ if continues => {
                let (_, text) = parameters.last_mut().expect("a line to continue");
                text.push_str(line);
                text.push('\n');
            }
            Some((name, _)) => {
                let name = name.trim_end();
                parameters.retain(|(known, _)| *known != name);
                parameters.push((name, format!("{line}\n")));
            }
            None => assert!(line.is_empty(), "not a line of main.cf: {line:?}"),
        }
    }
    parameters.into_iter().map(|(_, text)| text).collect()
}

fn main_cf(config: &Config, root: &Path) -> String {
    let Config {
        domain,
        address,
        message_size_limit,
        main,
        ..
    } = config;
    let root = root.display();
    let routes: String = config
        .routes
        .iter()
        .map(|(domain, next)| format!(" {{ {domain} = smtp:[{}]:{} }}", next.ip(), next.port()))
        .collect();
    let transport_maps = match routes.as_str() {
        "" => String::new(),
        routes => format!("inline:{{{routes} }}"),
    };
    let mailboxes: String = USERS
        .iter()
        .map(|user| format!(" {{ {user}@{domain} = {user}/ }}"))
        .collect();
    let milters = config.milters.join(", ");
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
inet_interfaces = {interface}
inet_protocols = ipv4
myhostname = mx.{domain}
mydomain = {domain}
myorigin = {domain}
mydestination =
mynetworks = 127.0.0.0/8
local_recipient_maps =
local_transport = error:no local mail
alias_maps =
alias_database =
biff = no
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = inline:{{{mailboxes} }}
virtual_mailbox_base = {root}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
transport_maps = {transport_maps}
message_size_limit = {message_size_limit}
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{logins}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtp_dns_support_level = disabled
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
in_flow_delay = 0s
milter_default_action = tempfail
milter_connect_timeout = 10s
smtpd_milters = {milters}
non_smtpd_milters = {milters}
{main}
",
        interface = address.ip(),
        logins = serve_logins(),
    )
}

fn master_cf(config: &Config) -> String {
    let Config {
        address,
        reinject,
        master,
        ..
    } = config;
    format!(
        "{address} inet n - n - - smtpd
{reinject} inet n - n - - smtpd
    -o smtpd_milters=
    -o receive_override_options=no_milters,no_header_body_checks,no_unknown_recipient_checks
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
{master}
"
    )
}

mod rules {
    use super::*;

    #[test]
    fn the_last_line_of_a_parameter_is_the_only_one() {
        assert_eq!(
            said_once("a = 1\n# a = 2\nb = {\n  c=3 }\n\na=4\nb =\n 5\nd = 6\n"),
            "a=4\nb =\n 5\nd = 6\n"
        );
    }
}
