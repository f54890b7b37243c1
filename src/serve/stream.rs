//! TCP and unix sockets, alike: listening, and connections that hold no buffer while they wait.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::Path;
use std::path::PathBuf;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixListener;
use tokio::net::UnixStream;

use crate::config::MilterListener;
use crate::config::Socket;
use crate::milter::packet::Framer;

/// Octets that are read at a time: a piece of a body with its frame.
const READ: usize = 64 * 1024 + 16;

thread_local! {
    /// What is read, until it is pushed on: one for each thread of the runtime, none for a connection.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where MTAs connect.
#[derive(Debug)]
pub enum Listener {
    /// An address and a port.
    Tcp(TcpListener),
    /// A path; removed when this is dropped.
    Unix(UnixListener, PathBuf),
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
    /// Somebody answers there.
    #[error("cannot listen at {0}: another process listens there; stop it, or use another path")]
    InUse(Socket),
    /// Something that is no socket has the name.
    #[error("cannot listen at {0}: there is a file of that name which is no socket; remove it")]
    NoSocket(Socket),
}

impl Listener {
    /// Listens there. A unix socket that nobody answers at is what a process left behind: it is
    /// replaced.
    pub async fn bind(listener: &MilterListener) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind {
            socket: listener.socket.clone(),
            source,
        };
        match &listener.socket {
            Socket::Tcp(address) => TcpListener::bind(address)
                .await
                .map(Self::Tcp)
                .map_err(failed),
            Socket::Unix(path) => {
                clear(path, &listener.socket)?;
                let bound = UnixListener::bind(path).map_err(failed)?;
                let mode = fs::Permissions::from_mode(listener.mode);
                fs::set_permissions(path, mode).map_err(failed)?;
                Ok(Self::Unix(bound, path.clone()))
            }
        }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Small answers must not wait for an acknowledgement: that is 40 ms a message.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }

    /// Where it listens; tells the port where port 0 was asked for.
    pub fn address(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Socket::Tcp),
            Self::Unix(_, path) => Ok(Socket::Unix(path.clone())),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // What remains is replaced at the next start.
            let _removed = fs::remove_file(path);
        }
    }
}

fn clear(path: &Path, socket: &Socket) -> Result<(), ListenError> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !about.file_type().is_socket() {
        return Err(ListenError::NoSocket(socket.clone()));
    }
    if BlockingUnixStream::connect(path).is_ok() {
        return Err(ListenError::InUse(socket.clone()));
    }
    fs::remove_file(path).map_err(|source| ListenError::Bind {
        socket: socket.clone(),
        source,
    })
}

/// One connection.
#[derive(Debug)]
pub enum Stream {
    /// By TCP.
    Tcp(TcpStream),
    /// By a unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Waits until there is something, and reads it; `false` at the end.
    ///
    /// The buffer lives for the read alone: ten thousand idle connections have none.
    pub async fn read(&self, framer: &mut Framer) -> io::Result<bool> {
        loop {
            match self {
                Self::Tcp(stream) => stream.readable().await?,
                Self::Unix(stream) => stream.readable().await?,
            }
            match self.take(framer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                taken => return taken,
            }
        }
    }

    fn take(&self, framer: &mut Framer) -> io::Result<bool> {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(READ, 0);
            let count = match self {
                Self::Tcp(stream) => stream.try_read(buffer)?,
                Self::Unix(stream) => stream.try_read(buffer)?,
            };
            framer.push(buffer.get(..count).unwrap_or_default());
            Ok(count > 0)
        })
    }

    /// Writes all of `octets`.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(octets).await,
            Self::Unix(stream) => stream.write_all(octets).await,
        }
    }
}
