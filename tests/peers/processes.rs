//! Processes that end with their test, ports that nobody else has, and waiting with a deadline.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// The longest that a test waits for anything. Mail takes well under a second; two cores that also
/// compile take their time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A free port on 127.0.0.1, below those that the kernel gives to clients (32768), so that no
/// connection takes it before its listener does.
///
/// Tests run as processes of their own, and many at a time: each has a block of ports, which it
/// claims by listening at the first as long as it lives, and another where one is used up.
pub(crate) fn free_address() -> SocketAddr {
    static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(address) = blocks.last_mut().and_then(Block::next_free) {
            return address;
        }
        blocks.push(Block::claimed());
    }
}

/// Twice what most tests take.
const BLOCK_PORTS: u16 = 40;

/// Ports of which nobody else takes one.
struct Block {
    _claim: TcpListener,
    rest: Range<u16>,
}

impl Block {
    /// The first block that nobody has.
    fn claimed() -> Self {
        const FIRST: u16 = 12_000;
        const BLOCKS: u16 = 500;
        // Where to begin matters little: other tests begin elsewhere.
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or_default();
        (0..BLOCKS)
            .map(|count| FIRST + (start + count) % BLOCKS * BLOCK_PORTS)
            .find_map(|first| {
                Some(Self {
                    _claim: TcpListener::bind((Ipv4Addr::LOCALHOST, first)).ok()?,
                    rest: first + 1..first + BLOCK_PORTS,
                })
            })
            .expect("a free block of ports")
    }

    /// The next port at which nobody listens who knows nothing of blocks.
    ///
    /// Asked by a connection: a listener that another thread's new process has inherited would, until
    /// that process becomes its program, keep the port from whoever is to have it.
    fn next_free(&mut self) -> Option<SocketAddr> {
        self.rest
            .by_ref()
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .find(|address| TcpStream::connect(address).is_err())
    }
}

/// A loopback address that no other test has.
pub(crate) fn own_loopback() -> Ipv4Addr {
    const EACH: u32 = 256;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(next < EACH, "one process has {EACH} addresses");
    // Beyond 127.1.0.0, since others take what is near the beginning.
    let of_process = (std::process::id() % 0xfc00) * EACH + 0x01_0000;
    Ipv4Addr::from_bits(0x7f00_0000 + of_process + next)
}

/// What `look` finds, asked again and again; panics with `what` after [`DEADLINE`].
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

/// Waits until somebody listens at `address`; panics with what `log` says if nobody does.
pub(crate) fn wait_for_listener(address: SocketAddr, log: impl Fn() -> String) {
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(
            started.elapsed() < DEADLINE,
            "nobody listens at {address}:\n{}",
            log()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// A shell that ends somebody when our end of its standard input closes, however the test ends.
struct Watcher(Child);

impl Watcher {
    fn start(mut shell: Command) -> Self {
        let shell = shell
            // Not in the test's group, with which it would be ended.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(shell.expect("a shell"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Nothing can be done about a shell that cannot be waited for.
        let _ended = self.0.wait();
    }
}

/// A daemon that puts itself into the background, and is ended by the process id in its file.
///
/// A shell waits for our end of a pipe to close, which it does however the test ends, killed ones
/// included. So nothing is left running.
pub(crate) struct Daemon {
    _ended: Watcher,
}

impl Daemon {
    /// Sees to the end of the daemon whose process id is the first line of `pid_file`.
    pub(crate) fn watch(pid_file: &Path) -> Self {
        // Nothing that it holds is kept, so the group that it leads is killed at once; Postfix takes
        // more than a second to end by itself.
        const SCRIPT: &str = r#"
            read -r _
            pid=$(sed 's/ //g;1q' "$0") && [ -n "$pid" ] || exit 0
            kill -KILL -- "-$pid" || kill "$pid"
            # One that has ended and that nobody has waited for has no program any more.
            for _ in $(seq 200); do
                [ -e "/proc/$pid/exe" ] || exit 0
                sleep 0.02
            done
        "#;
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(SCRIPT).arg(pid_file);
        Self {
            _ended: Watcher::start(shell),
        }
    }
}

/// A program that stays in the foreground: killed with its value.
///
/// The shell above it kills it when our end of the pipe closes, which it does however the test ends.
pub(crate) struct Foreground {
    _ended: Watcher,
}

impl Foreground {
    /// Starts `command`, whose output goes to the file `log`.
    pub(crate) fn start(command: &Command, log: &Path) -> Self {
        const SCRIPT: &str = r#"
            log=$0
            "$@" >>"$log" 2>&1 </dev/null &
            pid=$!
            read -r _
            kill -KILL "$pid"
            wait "$pid"
        "#;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT]).arg(log);
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell.arg(command.get_program()).args(command.get_args());
        Self {
            _ended: Watcher::start(shell),
        }
    }
}

/// Runs a program to its end; panics with its last words if it fails.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
