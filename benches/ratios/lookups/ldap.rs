//! A directory in clear that has everybody, and answers each search after the time that its domain takes, whatever was
//! asked before (RFC 4511 §3.1).

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::Asked;
use super::People;
use super::domain_of;
use super::listener;

/// The protocolOp of a search, of an entry and of its end (RFC 4511 §4.5).
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;

/// Listens at a free port.
pub(super) async fn start(asked: Asked, people: Arc<People>) -> io::Result<SocketAddr> {
    let listener = listener((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, asked, Arc::clone(&people)));
        }
    });
    Ok(address)
}

async fn connection(stream: TcpStream, asked: Asked, people: Arc<People>) {
    let (mut reading, writing) = stream.into_split();
    let writing = Arc::new(Mutex::new(writing));
    while let Ok(request) = message(&mut reading).await {
        let Some((id, address)) = searched(&request) else {
            continue;
        };
        let (people, writing) = (Arc::clone(&people), Arc::clone(&writing));
        tokio::spawn(async move {
            sleep(asked.delay(domain_of(&address.replace('@', ".")))).await;
            let der = people.certificates.get(&address);
            let entry = der.map_or_else(Vec::new, |der| entry(&id, der));
            let done = element(DONE, &[&[0x0a, 1, 0, 4, 0, 4, 0]]);
            let done = element(0x30, &[&id, &done]);
            let answer = [entry, done].concat();
            let _sent = writing.lock().await.write_all(&answer).await;
        });
    }
}

/// The content of the next message.
async fn message(reading: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let _sequence = reading.read_u8().await?;
    let length = match reading.read_u8().await? {
        0x81 => usize::from(reading.read_u8().await?),
        0x82 => usize::from(reading.read_u16().await?),
        short => usize::from(short),
    };
    let mut content = vec![0; length];
    reading.read_exact(&mut content).await?;
    Ok(content)
}

/// The message id of a search, as it is encoded, and the address in its filter.
fn searched(request: &[u8]) -> Option<(Vec<u8>, String)> {
    let length = 2 + usize::from(*request.get(1)?);
    let (id, operation) = request.split_at_checked(length)?;
    let before = b"\x04\x04mail\x04";
    let mut windows = operation.windows(before.len());
    let at = windows.position(|octets| octets == before)? + before.len();
    let value = operation.get(at + 1..)?;
    let value = value.get(..usize::from(*operation.get(at)?))?;
    let is_search = operation.first() == Some(&SEARCH);
    is_search.then(|| (id.to_vec(), String::from_utf8_lossy(value).into_owned()))
}

fn entry(id: &[u8], der: &[u8]) -> Vec<u8> {
    let values = element(0x31, &[&element(4, &[der])]);
    let attribute = element(0x30, &[&element(4, &[b"userCertificate;binary"]), &values]);
    let entry = element(ENTRY, &[&[4, 0], &element(0x30, &[&attribute])]);
    element(0x30, &[id, &entry])
}

/// One element of BER, with a length of three octets.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).expect("a small certificate");
    let [high, low] = length.to_be_bytes();
    [&[tag, 0x82, high, low], content.as_slice()].concat()
}
