//! Sockets to listen at: bound, before anything waits at them, and removed with their value.
//!
//! A unix socket is made beside nobody: whoever makes one holds a lock on the folder, so that of two
//! that start at once neither takes the other's away, and one that is answered is never replaced.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::net;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::lchown;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::AT_FDCWD;
use nix::sys::socket::Backlog;
use nix::sys::socket::listen;
use nix::sys::stat::FchmodatFlags;
use nix::sys::stat::Mode;
use nix::sys::stat::fchmodat;

use super::accounts;
use super::accounts::AccountError;
use crate::config::MilterListener;
use crate::config::Socket;
use crate::telemetry::logging::chain;

/// How many connections may wait to be accepted: after a restart all of an MTA's processes come at once.
const WAITING: i32 = 1024;
/// How often, and how far apart, a folder's lock is asked for: five seconds, where others hold it for
/// less than one.
const ATTEMPTS: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// A socket that has its address.
#[derive(Debug)]
pub enum Bound {
    /// An address and a port.
    Tcp(net::TcpListener),
    /// A path; with the file, where it is ours to remove. It goes first: while somebody still answers
    /// there, nobody takes it for one that was left behind.
    Unix(Option<SocketFile>, UnixListener),
}

/// Whose files are, by number; `None` is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerIds {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
}

/// Why nobody can connect there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// It cannot be bound.
    #[error("cannot listen at {socket}: see that the address is ours, and free")]
    Bind {
        /// The socket.
        socket: Socket,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Somebody else makes sockets there, and does not end.
    #[error(
        "cannot listen at {socket}: for 5 seconds another process has held a lock on {}; end it, or use \
         another folder",
        folder.display()
    )]
    Busy {
        /// The socket.
        socket: Socket,
        /// The folder.
        folder: PathBuf,
    },
    /// Somebody answers there.
    #[error("cannot listen at {0}: another process listens there; stop it, or use another path")]
    InUse(Socket),
    /// Something that is no socket has the name.
    #[error("cannot listen at {0}: there is a file of that name which is no socket; remove it")]
    NoSocket(Socket),
    /// systemd has handed over no socket of that name.
    #[error(
        "cannot listen at {0}: systemd has handed over no socket of that name: write \
         FileDescriptorName= into the socket unit, and start it before the service"
    )]
    NotHandedOver(Socket),
    /// The owner or group is nobody.
    #[error("cannot listen at {socket}: owner or group")]
    Owner {
        /// The socket.
        socket: Socket,
        /// Who.
        #[source]
        source: AccountError,
    },
    /// It cannot be given away.
    #[error(
        "cannot listen at {socket}: it cannot be given to its owner and group: only root gives files \
         away, and others to groups that they are in: start as root with user = \"..\", or leave them out"
    )]
    Give {
        /// The socket.
        socket: Socket,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Bound {
    /// Binds what `listener` names, whose path is relative to the working directory. A unix socket
    /// that nobody answers at is what a process left behind: it is replaced. What `listener` does
    /// not say of its owner, `owner` does.
    pub fn new(listener: &MilterListener, owner: OwnerIds) -> Result<Self, ListenError> {
        let socket = &listener.socket;
        match socket {
            Socket::Systemd(_) => Err(ListenError::NotHandedOver(socket.clone())),
            Socket::Tcp(address) => tcp(*address)
                .map(Self::Tcp)
                .map_err(|source| failed(socket, source)),
            Socket::Unix(path) => unix(path, listener, owner),
        }
    }
}

/// Binds `address`.
pub fn tcp(address: net::SocketAddr) -> io::Result<net::TcpListener> {
    let bound = net::TcpListener::bind(address)?;
    listen(&bound, Backlog::new(WAITING)?)?;
    Ok(bound)
}

fn failed(socket: &Socket, source: io::Error) -> ListenError {
    ListenError::Bind {
        socket: socket.clone(),
        source,
    }
}

fn unix(path: &Path, listener: &MilterListener, ours: OwnerIds) -> Result<Bound, ListenError> {
    let socket = &listener.socket;
    let whose = owner(listener, ours).map_err(|source| ListenError::Owner {
        socket: socket.clone(),
        source,
    })?;
    let _locked = locked_folder(path, socket)?;
    clear(path, socket)?;
    let bound = UnixListener::bind(path).map_err(|source| failed(socket, source))?;
    let file = SocketFile::at(path).map_err(|source| failed(socket, source))?;
    // Given away before it is opened to anybody: the other way round the wrong group could come in.
    if whose != OwnerIds::default() {
        lchown(path, whose.user, whose.group).map_err(|source| ListenError::Give {
            socket: socket.clone(),
            source,
        })?;
    }
    // The folder may be another's than ours, who could put a link in its place.
    let mode = Mode::from_bits_truncate(listener.mode);
    fchmodat(AT_FDCWD, path, mode, FchmodatFlags::NoFollowSymlink)
        .map_err(|source| failed(socket, source.into()))?;
    Ok(Bound::Unix(Some(file), bound))
}

fn owner(listener: &MilterListener, ours: OwnerIds) -> Result<OwnerIds, AccountError> {
    let user = listener.owner.user.as_deref().map(accounts::user);
    let group = listener.owner.group.as_deref().map(accounts::group);
    Ok(OwnerIds {
        user: user
            .transpose()?
            .map(|user| user.uid.as_raw())
            .or(ours.user),
        group: group
            .transpose()?
            .map(|group| group.as_raw())
            .or(ours.group),
    })
}

/// The folder of `path`, which only one of us makes sockets in as long as this is held.
fn locked_folder(path: &Path, socket: &Socket) -> Result<File, ListenError> {
    let folder = match path.parent() {
        None => Path::new("/"),
        Some(folder) if folder == Path::new("") => Path::new("."),
        Some(folder) => folder,
    };
    let file = File::open(folder).map_err(|source| failed(socket, source))?;
    for _ in 0..ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => sleep(BETWEEN),
            Err(TryLockError::Error(source)) => return Err(failed(socket, source)),
        }
    }
    Err(ListenError::Busy {
        socket: socket.clone(),
        folder: folder.to_owned(),
    })
}

/// Removes what a process left behind there.
fn clear(path: &Path, socket: &Socket) -> Result<(), ListenError> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !about.file_type().is_socket() {
        return Err(ListenError::NoSocket(socket.clone()));
    }
    match UnixStream::connect(path) {
        Ok(_) => return Err(ListenError::InUse(socket.clone())),
        // The one answer that nobody alive gives.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) => return Err(failed(socket, error)),
    }
    fs::remove_file(path).map_err(|source| failed(socket, source))
}

/// The file of a unix socket, removed with its value; not the one that somebody else has put in its
/// place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !identity(&self.path).is_ok_and(|found| found == self.identity) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            // It is replaced at the next start, if that is root's: a warning is enough.
            tracing::warn!(
                error = chain(&error),
                "{} could not be removed: give its folder to the user that runs domsec",
                self.path.display()
            );
        }
    }
}

/// Device and number of a file, which no other has at the same time.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Owner;

    fn unix_listener(path: &Path) -> MilterListener {
        MilterListener::from(Socket::Unix(path.to_owned()))
    }

    fn bound(path: &Path) -> Result<Bound, ListenError> {
        Bound::new(&unix_listener(path), OwnerIds::default())
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        // The standard library leaves its sockets behind.
        drop(UnixListener::bind(&path).unwrap());
        let _bound = bound(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_socket_that_is_answered_is_never_taken_away() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        let first = bound(&path).unwrap();
        let error = bound(&path).unwrap_err();
        assert!(matches!(error, ListenError::InUse(_)), "{error}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(first);
        bound(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        fs::write(&path, "mail").unwrap();
        let error = bound(&path).unwrap_err();
        assert!(matches!(error, ListenError::NoSocket(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mail");
    }

    #[test]
    fn of_many_that_start_at_once_one_has_the_socket() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let starting: Vec<_> = (0..4)
                .map(|_| {
                    let path = path.clone();
                    thread::spawn(move || bound(&path).ok())
                })
                .collect();
            let all: Vec<Option<Bound>> = starting
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect();
            assert_eq!(all.iter().flatten().count(), 1);
            assert!(UnixStream::connect(&path).is_ok());
        }
    }

    #[test]
    fn a_socket_is_removed_at_the_end_and_that_of_others_is_not() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        drop(bound(&path).unwrap());
        assert!(!path.exists());
        let first = bound(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _others = UnixListener::bind(&path).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_socket_has_the_mode_owner_and_group_that_it_is_given() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        let listener = MilterListener {
            mode: 0o640,
            owner: Owner {
                user: None,
                group: Some("4000000000".to_owned()),
            },
            ..unix_listener(&path)
        };
        let ours = OwnerIds {
            user: Some(3_999_999_999),
            group: Some(3_999_999_999),
        };
        match Bound::new(&listener, ours) {
            Ok(_bound) => {
                let about = fs::symlink_metadata(&path).unwrap();
                assert_eq!(about.mode() & 0o7777, 0o640);
                assert_eq!((about.uid(), about.gid()), (3_999_999_999, 4_000_000_000));
            }
            // Only root gives files away.
            Err(error) => {
                assert!(!nix::unistd::geteuid().is_root(), "{}", chain(&error));
                assert!(error.to_string().contains("only root"), "{error}");
            }
        }
        assert!(!path.exists());
    }

    #[test]
    fn an_owner_who_is_nobody_is_named() {
        let folder = TempDir::new().unwrap();
        let mut listener = unix_listener(&folder.path().join("a.sock"));
        listener.owner.user = Some("no-such-user".to_owned());
        let error = Bound::new(&listener, OwnerIds::default()).unwrap_err();
        assert!(chain(&error).contains("no-such-user"), "{}", chain(&error));
    }

    #[test]
    fn a_folder_that_another_process_holds_is_waited_for_and_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.sock");
        let held = File::open(folder.path()).unwrap();
        held.lock().unwrap();
        let waiting = {
            let path = path.clone();
            thread::spawn(move || bound(&path))
        };
        sleep(BETWEEN);
        held.unlock().unwrap();
        waiting.join().unwrap().unwrap();
        held.lock().unwrap();
        let error = bound(&path).unwrap_err();
        assert!(matches!(error, ListenError::Busy { .. }), "{error}");
    }
}
