//! TCP and unix sockets, alike: listening, and connections that hold no buffer while they wait.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixListener;
use tokio::net::UnixStream;

use super::listen::Bound;
use super::listen::SocketFile;
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
    /// A path; with the file, where it is ours to remove.
    Unix(Option<SocketFile>, UnixListener),
}

impl Listener {
    /// Waits at `bound` from now on, in the runtime that this is called in.
    pub fn of(bound: Bound) -> io::Result<Self> {
        match bound {
            Bound::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            Bound::Unix(file, listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(file, UnixListener::from_std(listener)?))
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
            Self::Unix(_, listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }

    /// Where it listens; tells the port where port 0 was asked for.
    pub fn address(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Socket::Tcp),
            Self::Unix(Some(file), _) => Ok(Socket::Unix(file.path().to_owned())),
            Self::Unix(None, listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or(Path::new(""));
                Ok(Socket::Unix(path.to_owned()))
            }
        }
    }
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
