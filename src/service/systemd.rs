//! What systemd tells a service by its environment, and is told by datagrams (sd_notify(3),
//! sd_listen_fds(3), sd_watchdog_enabled(3)).

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::absolute;
use std::process;
use std::time::Duration;

use listenfd::ListenFd;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::AcceptConn;
use nix::time::ClockId;
use nix::time::clock_gettime;

use crate::config::Socket;
use crate::serve::listen::Bound;
use crate::telemetry::logging::chain;

/// Most sockets that are taken over: of one, a person can write a line.
const SOCKETS: usize = 1_000;
/// Proof of life.
pub(super) const ALIVE: &str = "WATCHDOG=1";
/// How long a service manager may take to read what is told once.
const SLOWEST: Duration = Duration::from_secs(5);
/// What systemd calls a socket whose unit does not name it.
const UNNAMED: &str = "unknown";

/// What is wrong with the sockets that were handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandedOverError {
    /// One is nothing that can be listened at.
    #[error(
        "socket {name:?} that systemd hands over cannot be listened at: the socket unit needs \
         ListenStream= and Accept=no"
    )]
    Kind {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There are more than anybody means.
    #[error("systemd hands over {0} sockets; the most that we take is {SOCKETS}")]
    Many(usize),
    /// Nobody asked for one.
    #[error(
        "systemd hands over a socket {name:?} at {address} that no listener names: write {address} or \
         systemd:{name} into [listen] milter, or its address into admin, or take it out of the socket unit"
    )]
    Unclaimed {
        /// Its name.
        name: String,
        /// Where it is bound.
        address: String,
    },
}

/// Sockets that systemd made, and listens at until we do.
#[derive(Debug, Default)]
pub struct HandedOver(Vec<Named>);

#[derive(Debug)]
struct Named {
    name: String,
    bound: Bound,
}

impl HandedOver {
    /// Those that the environment speaks of, which it does not any more after this. To be called once,
    /// and before there is another thread: it changes the environment.
    pub fn from_environment() -> Result<Self, HandedOverError> {
        let names = env::var_os("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.to_string_lossy().into_owned();
        let mut names = names.split(':').map(str::to_owned);
        let mut sockets = ListenFd::from_env();
        if sockets.len() > SOCKETS {
            return Err(HandedOverError::Many(sockets.len()));
        }
        let mut all = Vec::new();
        for index in 0..sockets.len() {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| UNNAMED.to_owned());
            match taken(&mut sockets, index) {
                Ok(Some(bound)) => all.push(Named { name, bound }),
                Ok(None) => {}
                Err(source) => return Err(HandedOverError::Kind { name, source }),
            }
        }
        Ok(Self(all))
    }

    /// Those of that name.
    pub fn named(&mut self, name: &str) -> Vec<Bound> {
        let named = self.0.extract_if(.., |one| one.name == name);
        named.map(|one| one.bound).collect()
    }

    /// The one that is bound to that address.
    pub fn at(&mut self, socket: &Socket) -> Option<Bound> {
        let index = self.0.iter().position(|one| is_at(&one.bound, socket))?;
        Some(self.0.remove(index).bound)
    }

    /// The TCP socket that is bound to that address.
    pub fn tcp(&mut self, address: net::SocketAddr) -> Option<net::TcpListener> {
        match self.at(&Socket::Tcp(address))? {
            Bound::Tcp(listener) => Some(listener),
            Bound::Unix(..) => None,
        }
    }

    /// Ends with an error where one is left that nobody asked for.
    pub fn all_claimed(self) -> Result<(), HandedOverError> {
        match self.0.first() {
            None => Ok(()),
            Some(Named { name, bound }) => Err(HandedOverError::Unclaimed {
                name: name.clone(),
                address: address(bound),
            }),
        }
    }
}

fn taken(sockets: &mut ListenFd, index: usize) -> io::Result<Option<Bound>> {
    let bound = match sockets.take_unix_listener(index) {
        Ok(listener) => listener.map(|listener| Bound::Unix(None, listener)),
        Err(_) => sockets.take_tcp_listener(index)?.map(Bound::Tcp),
    };
    let listens = match &bound {
        None => true,
        Some(Bound::Tcp(listener)) => getsockopt(listener, AcceptConn)?,
        Some(Bound::Unix(_, listener)) => getsockopt(listener, AcceptConn)?,
    };
    let one_connection = || io::Error::other("it is one connection, of a unit with Accept=yes");
    if listens {
        Ok(bound)
    } else {
        Err(one_connection())
    }
}

fn is_at(bound: &Bound, socket: &Socket) -> bool {
    match (bound, socket) {
        (Bound::Tcp(listener), Socket::Tcp(address)) => {
            listener.local_addr().is_ok_and(|bound| bound == *address)
        }
        (Bound::Unix(_, listener), Socket::Unix(path)) => {
            let address = listener.local_addr().ok();
            let bound = address.as_ref().and_then(SocketAddr::as_pathname);
            bound.is_some_and(|bound| is_same(bound, path))
        }
        (
            Bound::Tcp(_) | Bound::Unix(..),
            Socket::Systemd(_) | Socket::Tcp(_) | Socket::Unix(_),
        ) => false,
    }
}

/// Whether both lead to one file; `/var/run` is `/run`.
fn is_same(one: &Path, other: &Path) -> bool {
    let lead = |path: &Path| fs::canonicalize(path).or_else(|_| absolute(path)).ok();
    lead(one).is_some_and(|one| lead(other) == Some(one))
}

fn address(bound: &Bound) -> String {
    let unix = |listener: &UnixListener| {
        let address = listener.local_addr().ok()?;
        Some(format!("unix:{}", address.as_pathname()?.display()))
    };
    let address = match bound {
        Bound::Tcp(listener) => listener
            .local_addr()
            .ok()
            .map(|address| address.to_string()),
        Bound::Unix(_, listener) => unix(listener),
    };
    address.unwrap_or_else(|| "no address".to_owned())
}

/// Tells systemd `state`, where it has started us.
pub(super) fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = sent(&path, state) {
        tracing::warn!(error = chain(&error), state, "systemd could not be told");
    }
}

/// Tells it that the configuration is read anew; a `READY=1` must follow. The time is what it knows by
/// that this is its own SIGHUP and not an older one's answer (`Type=notify-reload`).
pub(super) fn notify_reloading() {
    match monotonic() {
        Some(now) => notify(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros())),
        None => notify("RELOADING=1"),
    }
}

/// Since the start of this host, without its sleep: CLOCK_MONOTONIC.
fn monotonic() -> Option<Duration> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    let (seconds, nanoseconds) = (
        now.tv_sec().try_into().ok()?,
        now.tv_nsec().try_into().ok()?,
    );
    Some(Duration::new(seconds, nanoseconds))
}

fn sent(path: &OsStr, state: &str) -> io::Result<()> {
    let octets = path.as_bytes();
    let address = match octets.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    if state == ALIVE {
        // Told again soon, and nobody's mail waits for a service manager that is slow.
        socket.set_nonblocking(true)?;
    } else {
        // Told once, and systemd would end a service that it never heard to be ready.
        socket.set_write_timeout(Some(SLOWEST))?;
    }
    socket.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

/// Within what time systemd wants to hear that we live; `None` where it does not ask us.
pub(super) fn watchdog() -> Option<Duration> {
    let number = |name| env::var_os(name)?.to_str()?.parse::<u64>().ok();
    // Meant for us, and not inherited from a service that has started us.
    let ours = env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(process::id().into());
    let time = number("WATCHDOG_USEC").filter(|time| ours && *time > 0);
    time.map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn tcp() -> Bound {
        Bound::Tcp(net::TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn handed_over(all: Vec<(&str, Bound)>) -> HandedOver {
        let named = |(name, bound): (&str, Bound)| Named {
            name: name.to_owned(),
            bound,
        };
        HandedOver(all.into_iter().map(named).collect())
    }

    #[test]
    fn sockets_are_claimed_by_name_or_by_address() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        let unix = Bound::Unix(None, UnixListener::bind(&path).unwrap());
        let third = tcp();
        let Bound::Tcp(listener) = &third else {
            panic!("a TCP socket");
        };
        let admin = listener.local_addr().unwrap();
        let mut all = handed_over(vec![("m", tcp()), ("u", unix), ("m", tcp()), ("a", third)]);
        assert_eq!(all.named("m").len(), 2);
        assert_eq!(all.named("m").len(), 0);
        let roundabout = folder
            .path()
            .join("../")
            .join(folder.path().file_name().unwrap());
        assert!(all.at(&Socket::Unix(roundabout.join("a.sock"))).is_some());
        assert!(all.at(&Socket::Unix(path)).is_none());
        assert!(all.tcp(admin).is_some());
        all.all_claimed().unwrap();
    }

    #[test]
    fn a_socket_that_no_listener_names_is_an_error_with_advice() {
        let bound = tcp();
        let said = address(&bound);
        let error = handed_over(vec![("web", bound)]).all_claimed().unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(&format!("write {said} or systemd:web")),
            "{error}"
        );
    }

    #[test]
    fn a_slow_service_manager_is_waited_for_except_by_proof_of_life() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notify");
        let slow = UnixDatagram::bind(&path).unwrap();
        let full = loop {
            if let Err(error) = sent(path.as_os_str(), ALIVE) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let reading = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            let mut buffer = [0; 64];
            loop {
                let count = slow.recv(&mut buffer).unwrap();
                if &buffer[..count] == b"READY=1" {
                    return;
                }
            }
        });
        sent(path.as_os_str(), "READY=1").unwrap();
        reading.join().unwrap();
    }

    #[test]
    fn datagrams_reach_sockets_with_a_path_and_abstract_ones() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("notify");
        let named = UnixDatagram::bind(&path).unwrap();
        let name = format!("domsec-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let hidden = UnixDatagram::bind_addr(&address).unwrap();
        let mut buffer = [0; 64];
        for (target, socket) in [
            (path.as_os_str(), named),
            (OsStr::new(&format!("@{name}")), hidden),
        ] {
            sent(target, "READY=1").unwrap();
            let count = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"READY=1");
        }
    }
}
