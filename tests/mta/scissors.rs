//! A relay before a milter that hangs up in the middle of its answer, as a milter does that is killed.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::processes::free_address;

/// Where the answer to the end of a message is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before its first change.
    AtFirstChange,
    /// Within the first packet of the new body.
    WithinBody,
    /// Before the acceptance that ends it.
    AtAcceptance,
    /// Before its first change, and not until another cut is set: the milter waits to be read.
    Hold,
    /// Nowhere.
    Nowhere,
}

/// The relay, which listens until the test's process ends.
pub(crate) struct Scissors {
    address: SocketAddr,
    cut: Arc<Mutex<(Cut, usize)>>,
}

impl Scissors {
    /// A relay before the milter at `next`.
    pub(crate) fn before(next: SocketAddr) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).expect("a free port");
        let cut = Arc::new(Mutex::new((Cut::Nowhere, 0)));
        let shared = Arc::clone(&cut);
        thread::spawn(move || {
            for mta in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // Whoever hangs up ends the threads of the connection.
                thread::spawn(move || relay(mta, next, &shared));
            }
        });
        Self { address, cut }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts there from now on.
    pub(crate) fn set(&self, cut: Cut) {
        *self.cut.lock().expect("no thread panics") = (cut, 0);
    }

    /// How often it has cut since.
    pub(crate) fn count(&self) -> usize {
        self.cut.lock().expect("no thread panics").1
    }
}

fn relay(mta: TcpStream, next: SocketAddr, cut: &Mutex<(Cut, usize)>) -> io::Result<()> {
    let milter = TcpStream::connect(next)?;
    let (mut from, mut to) = (mta.try_clone()?, milter.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        let _closed = to.shutdown(Shutdown::Both);
        copied
    });
    let done = answers(&milter, &mta, cut);
    let _closed = (
        milter.shutdown(Shutdown::Both),
        mta.shutdown(Shutdown::Both),
    );
    done
}

/// Hands on what the milter says, packet by packet, until it is cut off.
fn answers(
    mut milter: &TcpStream,
    mut mta: &TcpStream,
    cut: &Mutex<(Cut, usize)>,
) -> io::Result<()> {
    let mut within_changes = false;
    loop {
        let mut head = [0; 5];
        milter.read_exact(&mut head)?;
        let [length @ .., command] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        let mut data = vec![0; length.saturating_sub(1)];
        milter.read_exact(&mut data)?;
        let is_change = matches!(command, b'h' | b'i' | b'm' | b'b' | b'-' | b'e');
        let mut state = cut.lock().expect("no thread panics");
        let here = match state.0 {
            Cut::AtFirstChange | Cut::Hold => is_change,
            Cut::WithinBody => command == b'b',
            Cut::AtAcceptance => command == b'c' && within_changes,
            Cut::Nowhere => false,
        };
        if here {
            state.1 += 1;
            if state.0 == Cut::WithinBody {
                mta.write_all(&head)?;
                mta.write_all(data.get(..data.len() / 2).unwrap_or_default())?;
            }
            let held = state.0 == Cut::Hold;
            drop(state);
            while held && cut.lock().expect("no thread panics").0 == Cut::Hold {
                thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
        drop(state);
        within_changes |= is_change;
        mta.write_all(&[&head[..], &data].concat())?;
    }
}
