//! What is to be said of the places where we listen.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use super::Finding;

/// Where one listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A text that is no place to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address to listen on: write an IP address and a port, as 127.0.0.1:8891 or \
     [::1]:8891, or unix: and a path, as unix:domsec.sock"
)]
pub(super) struct ListenerError(String);

impl FromStr for Listener {
    type Err = ListenerError;

    fn from_str(text: &str) -> Result<Self, ListenerError> {
        let bad = || ListenerError(text.to_owned());
        match text.strip_prefix("unix:") {
            Some("") => Err(bad()),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| bad()),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listener {
    /// The folder in which a socket is made, whose path is relative to `directory`.
    pub(super) fn folder(&self, directory: &Path) -> Option<PathBuf> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => directory.join(path).parent().map(Path::to_owned),
        }
    }
}

/// What is to be said of a listener, whose folder, where it has one, can be written into or not.
pub(super) fn judged(
    kind: &str,
    listener: &Listener,
    folder: Option<(&Path, &io::Result<()>)>,
) -> Finding {
    let name = format!("[listen] {kind} {listener}");
    match (listener, folder) {
        (_, Some((folder, Err(error)))) => Finding::error(format!(
            "{name}: no socket can be made in {}: {error}: make the folder, or give it to the user \
             that runs domsec",
            shown(folder)
        )),
        // Who speaks milter says who has logged in, and so whose mail is signed.
        (Listener::Tcp(address), _) if is_for_us_alone(kind) && !address.ip().is_loopback() => {
            Finding::warning(format!(
                "{name}: other hosts can reach it: take 127.0.0.1 or ::1, or let a firewall keep all \
                 but the mail server away"
            ))
        }
        (Listener::Tcp(_) | Listener::Unix(_), _) => Finding::ok(name),
    }
}

/// MCEK serves others, and the proxy stands where the listener's owner wants it.
fn is_for_us_alone(kind: &str) -> bool {
    ["milter", "admin"].contains(&kind)
}

fn shown(folder: &Path) -> String {
    if folder == Path::new("") {
        "this folder".to_owned()
    } else {
        folder.display().to_string()
    }
}
