//! A folder of `domsec quickstart`, and `domsec serve` in it.

use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use domsec::cli::quickstart::lay_out;
use domsec::x509::Time;
use tempfile::TempDir;

/// The program.
pub(crate) const DOMSEC: &str = env!("CARGO_BIN_EXE_domsec");

/// The longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// A folder with keys and a configuration, which listens at `unix:domsec.sock` alone.
pub(crate) struct Laid(TempDir);

impl Laid {
    pub(crate) fn out() -> Self {
        let folder = TempDir::new().expect("a folder");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = now.expect("after 1970").as_secs();
        let now = Time::from_unix(seconds.try_into().expect("a time")).expect("a time");
        let domain = "a.example".parse().expect("a domain");
        lay_out(folder.path(), &domain, now).expect("a folder like that of quickstart");
        // Others may look for what is theirs; what is ours has modes of its own.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("our folder");
        let laid = Self(folder);
        laid.edit("\"127.0.0.1:8892\"", "");
        laid.edit(", \"127.0.0.1:8891\"", "");
        laid
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("domsec.toml")
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).expect("a configuration");
        assert!(text.contains(from), "no {from:?} in {text}");
        fs::write(self.config(), text.replacen(from, to, 1)).expect("a configuration");
    }

    /// Puts keys at the top level of the configuration.
    pub(crate) fn add(&self, lines: &str) {
        let text = fs::read_to_string(self.config()).expect("a configuration");
        fs::write(self.config(), format!("{lines}\n{text}")).expect("a configuration");
    }

    /// Gives all of it to `owner`.
    pub(crate) fn give(&self, owner: &str) {
        run(Command::new("chown").args(["-R", owner]).arg(self.0.path()));
    }

    /// `domsec serve`, to be changed before it is started.
    pub(crate) fn serve(&self) -> Command {
        let mut command = Command::new(DOMSEC);
        command.args(["serve", "--config"]).arg(self.config());
        command
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        let running = self.spawn(command);
        running.wait_log("ready");
        running
    }

    /// Starts it.
    pub(crate) fn spawn(&self, command: &mut Command) -> Running {
        let path = self.path("domsec.log");
        let log = File::options().create(true).append(true).open(&path);
        // What a process before it has said is not its own: "ready" of the first is not "ready" of the second.
        let begins = fs::metadata(&path).expect("a log").len();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the program");
        Running {
            child,
            log: path,
            begins,
        }
    }

    /// Starts it, which must end by itself: its code, and what it says.
    pub(crate) fn refused(&self, command: &mut Command) -> (i32, String) {
        let mut running = self.spawn(command);
        let status = running.ended();
        (status.code().expect("a code"), running.log())
    }

    /// `domsec check`: its code, and what it says.
    pub(crate) fn check(&self) -> (i32, String) {
        let output = Command::new(DOMSEC)
            .args(["check", "--config"])
            .arg(self.config())
            .output()
            .expect("the program");
        let text = String::from_utf8(output.stdout).expect("text");
        (output.status.code().expect("a code"), text)
    }
}

/// A process that is killed with its value.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    /// Where its part of the log begins, in octets.
    begins: u64,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let begins = usize::try_from(self.begins).expect("a log that fits");
        String::from_utf8_lossy(log.get(begins..).unwrap_or_default()).into_owned()
    }

    /// Waits until it has said `what`.
    pub(crate) fn wait_log(&self, what: &str) {
        wait_for(&format!("{what:?} in {}", self.log.display()), || {
            let log = self.log();
            assert!(
                log.contains(what) || !is_gone(self.child.id()),
                "it has ended: {log}"
            );
            log.contains(what).then_some(())
        });
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        run(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]));
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("its end", || self.child.try_wait().expect("our child"))
    }

    /// Has it end in order.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.log());
        assert_eq!(status.signal(), None);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to kill.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Whether a child is there no more, or only to be asked how it ended.
fn is_gone(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

/// What `look` finds, asked again and again.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "no {what} in {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program that must succeed; what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Whether a test that only root can do is to run; says why not.
pub(crate) fn is_root() -> bool {
    let mut status = String::new();
    let read =
        File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status));
    read.expect("our own status");
    let root = status.contains("\nUid:\t0\t0\t");
    if !root {
        eprintln!("skipped: only root can do this");
    }
    root
}

/// Whether a program is there; says that it is not.
pub(crate) fn is_installed(path: &str) -> bool {
    let there = Path::new(path).exists();
    if !there {
        eprintln!("skipped: no {path}");
    }
    there
}
