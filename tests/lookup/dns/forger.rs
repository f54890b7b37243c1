//! Servers that misbehave: what they answer is an answer of a real one, changed, or nothing at all.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use hickory_resolver::proto::op::Edns;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;

/// What becomes of an answer: a message, or octets that are none. `None` is silence.
type Forge = dyn Fn(Message) -> Option<Vec<u8>> + Send + Sync;

/// Over which transports it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Both,
    Udp,
}

/// Answers at `address` with what `upstream` answers, forged. It ends with the test's process.
pub(crate) fn forge(
    (address, over): (SocketAddr, Over),
    upstream: SocketAddr,
    forge: impl Fn(Message) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    let forge: Arc<Forge> = Arc::new(forge);
    let udp = UdpSocket::bind(address).expect("a socket");
    let for_udp = Arc::clone(&forge);
    thread::spawn(move || {
        let mut query = [0; 4096];
        while let Ok((length, peer)) = udp.recv_from(&mut query) {
            let query = query.get(..length).unwrap_or_default();
            if let Some(answer) = answer(query, upstream, &*for_udp) {
                let _gone = udp.send_to(&answer, peer);
            }
        }
    });
    if over == Over::Both {
        let tcp = TcpListener::bind(address).expect("a listener");
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let forge = Arc::clone(&forge);
                thread::spawn(move || serve(stream, upstream, &*forge));
            }
        });
    }
    address
}

fn serve(mut stream: TcpStream, upstream: SocketAddr, forge: &Forge) -> Option<()> {
    loop {
        let query = read(&mut stream)?;
        match answer(&query, upstream, forge) {
            Some(answer) => write(&mut stream, &answer)?,
            None => thread::sleep(Duration::from_secs(30)),
        }
    }
}

/// Passes on to `upstream` what comes over TCP at `address`, and back; counts the connections.
pub(crate) fn relay(address: SocketAddr, upstream: SocketAddr) -> Arc<AtomicUsize> {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let listener = TcpListener::bind(address).expect("a listener");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            let server = TcpStream::connect(upstream).expect("a server");
            let both = |stream: &TcpStream| stream.try_clone().expect("a stream");
            for (mut from, mut to) in [(both(&client), both(&server)), (server, client)] {
                thread::spawn(move || {
                    let _ended = io::copy(&mut from, &mut to);
                    let _gone = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    connections
}

fn answer(query: &[u8], upstream: SocketAddr, forge: &Forge) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).ok()?;
    write(&mut stream, query)?;
    forge(Message::from_vec(&read(&mut stream)?).ok()?)
}

/// What `server` answers.
pub(crate) fn ask(server: SocketAddr, name: &Name, kind: RecordType) -> Option<Message> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.metadata.checking_disabled = true;
    query.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    query.set_edns(edns);
    let mut stream = TcpStream::connect(server).ok()?;
    write(&mut stream, &query.to_vec().ok()?)?;
    Message::from_vec(&read(&mut stream)?).ok()
}

fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut octets = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut octets).ok()?;
    Some(octets)
}

fn write(stream: &mut TcpStream, octets: &[u8]) -> Option<()> {
    let length = u16::try_from(octets.len()).ok()?;
    stream
        .write_all(&[&length.to_be_bytes(), octets].concat())
        .ok()
}
