//! One service in this process, with a copy of a gateway of `certs/demo`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use domsec::config::Socket;
use domsec::serve::spool::Spool;
use domsec::service;
use domsec::service::Service;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A service that runs until it is dropped.
pub(crate) struct Running {
    folder: TempDir,
    domain: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) spool: Spool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// The gateway of `a` or `b`, with `more` in its configuration: keys of the top level, then
    /// tables.
    pub(crate) fn start(domain: &'static str, top: &str, tables: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
        copy(&certs, folder.path());
        let path = folder.path().join("demo").join(domain).join("domsec.toml");
        let demo = fs::read_to_string(&path).unwrap();
        let listen = "[listen]\nmilter = [\"127.0.0.1:0\", \"unix:milter.sock\"]\nadmin = []\n";
        let listen = if tables.contains("idle_timeout") {
            format!("{listen}idle_timeout = 1\n")
        } else {
            listen.to_owned()
        };
        let tables = tables.replace("idle_timeout", "");
        fs::write(&path, format!("{top}\n{demo}\n{listen}{tables}")).unwrap();
        Self::of(folder, domain)
    }

    /// The same service, stopped and started anew.
    pub(crate) fn restarted(mut self) -> Self {
        self.stop();
        self.ended();
        let folder = std::mem::replace(&mut self.folder, TempDir::new().unwrap());
        Self::of(folder, self.domain)
    }

    /// One of the configuration that is in `folder`.
    fn of(folder: TempDir, domain: &'static str) -> Self {
        let path = folder.path().join("demo").join(domain).join("domsec.toml");
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = service::runtime().unwrap();
            runtime.block_on(async {
                let service = Service::start(&path).await.unwrap();
                let sockets = service.milters().unwrap();
                let address = sockets.iter().find_map(|socket| match socket {
                    Socket::Tcp(address) => Some(*address),
                    Socket::Systemd(_) | Socket::Unix(_) => None,
                });
                let spool = service.spool().clone();
                ready.send((address.unwrap(), spool)).unwrap();
                service
                    .run(async {
                        let _told = stopped.await;
                    })
                    .await;
            });
        });
        let (address, spool) = started.recv().expect("the service starts");
        Self {
            folder,
            domain,
            address,
            spool,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A file beside the configuration.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("demo").join(self.domain).join(name)
    }

    /// Tells it to stop, as SIGTERM does.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
    }

    /// Waits until it has ended.
    pub(crate) fn ended(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    /// Puts `to` in the place of `from` in its configuration, and has it read again.
    pub(crate) fn reload(&self, from: &str, to: &str) {
        let path = self.file("domsec.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no {from:?} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let own = std::process::id().to_string();
        let told = Command::new("kill").args(["-HUP", &own]).status();
        assert!(told.unwrap().success());
    }

    /// Recipients that the journal holds.
    pub(crate) fn journal(&self) -> usize {
        let text = fs::read_to_string(self.file("domsec.journal")).unwrap_or_default();
        let mut held = std::collections::BTreeSet::new();
        for (key, at) in text.lines().filter_map(|line| line.split_once(' ')) {
            if at == "-" {
                held.remove(key);
            } else {
                held.insert(key);
            }
        }
        held.len()
    }

    /// Nothing is left of any message.
    pub(crate) fn holds_nothing(&self) {
        eventually("the spool is empty", || self.spool.used() == 0);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(
                joined.is_ok() || thread::panicking(),
                "the service panicked"
            );
        }
    }
}

/// Waits for what becomes true within ten seconds.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("not within ten seconds: {what}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
