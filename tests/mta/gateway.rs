//! The gateway itself, as `domsec serve` runs it.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

use crate::processes::Daemon;
use crate::processes::free_address;
use crate::processes::run;
use crate::processes::wait_for;
use crate::processes::wait_for_listener;

/// The name of the configuration file in a folder that [`Gateway::start`] takes.
pub(crate) const CONFIGURATION: &str = "domsec.toml";
/// Where in that folder its process id is, while it runs.
const PID: &str = "domsec.pid";
/// Where in that folder a [`Disk`] is mounted.
const DISK: &str = "disk";

/// A running `domsec serve`, which is killed with its value.
pub(crate) struct Gateway {
    folder: PathBuf,
    /// As the configuration has it: `127.0.0.1:8891`, or `unix:` and a path in the folder.
    milter: String,
    disk: Option<Disk>,
    process: Child,
    /// Where the test itself is killed.
    _watch: Daemon,
}

/// A disk that only the gateway sees, `disk` in its folder, and that is gone with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) octets: u32,
}

impl Disk {
    /// Whether such a disk can be had here; says why not.
    pub(crate) fn can_be_had() -> bool {
        let folder = TempDir::new().expect("a folder");
        let mut tried = Self { octets: 4096 }.before(folder.path(), Path::new("true"));
        let output = tried.output().expect("unshare");
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            eprintln!("skipped: no tmpfs can be mounted: {}", why.trim_end());
        }
        output.status.success()
    }

    /// `program` in a mount namespace of its own, with the disk mounted at `at`.
    fn before(self, at: &Path, program: &Path) -> Command {
        const MOUNTED: &str = r#"mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", MOUNTED, "sh"]);
        command.arg(self.octets.to_string()).arg(at).arg(program);
        command
    }
}

impl Gateway {
    /// Starts the gateway by the `domsec.toml` of `folder`, and waits until its first milter socket
    /// accepts. Its log is `domsec.log` there, which a second start continues.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, None)
    }

    /// The same, with a disk, which is empty after each start.
    pub(crate) fn start_with(folder: &Path, disk: Option<Disk>) -> Self {
        let mut gateway = Self {
            folder: folder.to_owned(),
            milter: first_of(folder, "milter").expect("[listen] milter has a socket"),
            disk,
            _watch: Daemon::watch(&folder.join(PID)),
            process: spawned(folder, disk),
        };
        gateway.wait();
        gateway
    }

    /// The first milter socket, as Postfix writes it.
    pub(crate) fn milter(&self) -> String {
        match self.milter.strip_prefix("unix:") {
            Some(path) => format!("unix:{}", self.folder.join(path).display()),
            None => format!("inet:{}", self.milter),
        }
    }

    /// Where its configuration lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it as a crash does: SIGKILL.
    pub(crate) fn kill9(&mut self) {
        // Where it has ended by itself there is nothing to kill.
        let _killed = self.process.kill();
        // Its number may be another's from now on. The folder may be gone.
        let _removed = fs::remove_file(self.folder.join(PID));
        self.process.wait().expect("its end");
    }

    /// Tells it to read its configuration anew: SIGHUP.
    pub(crate) fn reload(&self) {
        run(Command::new("kill").args(["-HUP", &self.process.id().to_string()]));
    }

    /// Changes its configuration, which it reads when it is told to.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.folder.join(CONFIGURATION);
        let text = fs::read_to_string(&path).expect("a configuration");
        assert!(text.contains(from), "no {from:?} in {text}");
        fs::write(&path, text.replace(from, to)).expect("a configuration");
    }

    /// How many files it holds open that have no name: what is in its spool and not in its memory.
    pub(crate) fn unnamed_files(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("our own child");
        let targets = open
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok());
        // `/tmp/#123 (deleted)`.
        targets
            .filter(|target| target.to_string_lossy().ends_with(" (deleted)"))
            .count()
    }

    /// Takes all the room that its disk has but for `left` octets, until [`Self::make_room`].
    pub(crate) fn fill_disk(&self, left: u64) {
        let path = self.ballast();
        let mut file = File::create(&path).expect("its disk");
        let full = io::copy(&mut io::repeat(b'.'), &mut file).expect_err("a disk with an end");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        let taken = file.metadata().expect("a file").len();
        file.set_len(taken.saturating_sub(left))
            .expect("a shorter file");
    }

    /// Gives back what [`Self::fill_disk`] took.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("what fills its disk");
    }

    /// A file on the disk, as it is seen from outside of its namespace.
    fn ballast(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        let folder = self.folder.strip_prefix("/").expect("an absolute path");
        root.join(folder).join(DISK).join("ballast")
    }

    /// Kills what runs, and starts it again with what its folder says now.
    pub(crate) fn restart(&mut self) {
        self.kill9();
        self.process = spawned(&self.folder, self.disk);
        self.wait();
    }

    /// Tries to start it, killed before, with what its folder says now, which is no good; returns what it says.
    pub(crate) fn expect_no_start(&self) -> String {
        let refused = Command::new(env!("CARGO_BIN_EXE_domsec"))
            .args(["serve", "--config"])
            .arg(self.folder.join(CONFIGURATION))
            .stdin(Stdio::null())
            .output()
            .expect("domsec");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(78), "{said}");
        said
    }

    /// The value of one of its metrics, labels and all; nothing where it has never been counted.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let admin = first_of(&self.folder, "admin").expect("[listen] admin has a socket");
        let mut stream = TcpStream::connect(admin).expect("its admin socket");
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            .expect("it reads");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("metrics are text");
        page.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Everything that it has logged, in all its lives.
    pub(crate) fn log(&self) -> String {
        log(&self.folder)
    }

    fn wait(&mut self) {
        match self.milter.strip_prefix("unix:") {
            Some(path) => {
                let path = self.folder.join(path);
                wait_for("milter socket", || {
                    self.expect_running();
                    UnixStream::connect(&path).ok()
                });
            }
            None => {
                let address = self.milter.parse().expect("an address and a port");
                wait_for_listener(address, || log(&self.folder));
                self.expect_running();
            }
        }
    }

    fn expect_running(&mut self) {
        if let Some(status) = self.process.try_wait().expect("our own child") {
            panic!("domsec serve: {status}:\n{}", self.log());
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The first socket that the configuration in `folder` has under that key of `[listen]`.
fn first_of(folder: &Path, key: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(CONFIGURATION)).expect("a configuration");
    let table: toml::Table = text.parse().expect("a configuration is TOML");
    let first = table.get("listen")?.get(key)?.get(0)?.as_str()?;
    Some(first.to_owned())
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("domsec.log")).unwrap_or_default()
}

fn spawned(folder: &Path, disk: Option<Disk>) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("domsec.log"))
        .expect("a log");
    let program = Path::new(env!("CARGO_BIN_EXE_domsec"));
    let mut command = match disk {
        Some(disk) => {
            let at = folder.join(DISK);
            fs::create_dir_all(&at).expect("a folder");
            disk.before(&at, program)
        }
        None => Command::new(program),
    };
    let process = command
        .args(["serve", "--config"])
        .arg(folder.join(CONFIGURATION))
        // Its own, which the watch kills.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("domsec");
    fs::write(folder.join(PID), format!("{}\n", process.id())).expect("a file");
    process
}

/// Writes into `folder` the configuration that [`configuration`] makes.
pub(crate) fn configure(folder: &Path, name: &str, reinject: SocketAddr) {
    let text = configuration(name, reinject);
    fs::write(folder.join(CONFIGURATION), text).expect("a configuration");
}

/// The configuration of `name` (`a` or `b`) in `certs/demo`, with a milter socket at a free port, and
/// `reinject` for further editions.
pub(crate) fn configuration(name: &str, reinject: SocketAddr) -> String {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/demo");
    let certs = format!("\"{}/certs/", env!("CARGO_MANIFEST_DIR"));
    let recipients = demo.join(name).join("recipients");
    let text = fs::read_to_string(demo.join(name).join(CONFIGURATION))
        .expect("the demonstration's configuration")
        .replace("\"../../", &certs)
        .replace("\"recipients\"", &format!("{recipients:?}"));
    let sockets = format!(
        "\n[listen]\nmilter = [\"{}\"]\nadmin = []\n\n[reinject]\nto = \"smtp://{reinject}\"\n",
        free_address()
    );
    text + &sockets
}
