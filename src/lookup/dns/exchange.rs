//! One query to the configured servers, over UDP and TCP (RFC 1035 §4.2, RFC 6891, RFC 7766).
//!
//! Gives a message that answers what was asked, with NOERROR or NXDOMAIN; everything else is a fault in words.
//! What it says is not believed here.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_resolver::proto::op::Edns;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::DNSClass;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata::opt::EdnsCode;
use hickory_resolver::proto::rr::rdata::opt::EdnsOption;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::answer::answers;
use super::tcp::Tcp;

/// Octets of an answer over UDP: what passes everywhere unfragmented (RFC 9715 §3.1).
const UDP_OCTETS: u16 = 1232;

/// Octets of UDP that are read; more than was asked for is cut, and does not parse.
const UDP_BUFFER: usize = 4096;

/// How long one server has for one try over UDP.
const UDP_PATIENCE: Duration = Duration::from_millis(2_000);

/// How long one server has for one try over TCP: three more ways than UDP.
const TCP_PATIENCE: Duration = Duration::from_millis(4_000);

/// How often each server is tried.
const ROUNDS: usize = 2;

/// Records in one answer, all sections together. A zone apex with many keys has some dozens.
const MOST_RECORDS: usize = 512;

/// Octets of a server's own explanation that are passed on.
const EXPLANATION: usize = 120;

/// EXTENDED-ERROR (RFC 8914 §2).
const EXTENDED_ERROR: u16 = 15;

/// What is asked of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    /// Fully qualified.
    pub(super) name: Name,
    pub(super) kind: RecordType,
    /// CD: the server is to hand out what it cannot validate, too (RFC 4035 §3.2.2).
    pub(super) checking_disabled: bool,
}

/// The configured servers.
#[derive(Debug)]
pub(super) struct Servers {
    all: Vec<Server>,
    /// The one that answered last, which is asked first.
    first: AtomicUsize,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    tcp: Tcp,
}

impl Servers {
    /// Opens no socket.
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        let server = |address| Server {
            address,
            tcp: Tcp::new(address),
        };
        Self {
            all: addresses.into_iter().map(server).collect(),
            first: AtomicUsize::new(0),
        }
    }

    /// The answer of the first server that gives one. `Err` says what each of them did.
    pub(super) async fn ask(&self, asking: &Asking, deadline: Instant) -> Result<Message, String> {
        let first = self.first.load(Ordering::Relaxed);
        let all = || self.all.iter().enumerate();
        let mut faults: Vec<(SocketAddr, String)> = Vec::new();
        for _ in 0..ROUNDS {
            for (index, server) in all().cycle().skip(first).take(self.all.len()) {
                match ask_one(server, asking, deadline).await {
                    Ok(message) => {
                        self.first.store(index, Ordering::Relaxed);
                        return Ok(message);
                    }
                    Err(fault) => {
                        faults.retain(|(other, _)| *other != server.address);
                        faults.push((server.address, fault));
                    }
                }
                if Instant::now() >= deadline {
                    return Err(said(&faults));
                }
            }
        }
        Err(said(&faults))
    }
}

fn said(faults: &[(SocketAddr, String)]) -> String {
    let each: Vec<String> = faults
        .iter()
        .map(|(server, fault)| format!("DNS server {server} {fault}"))
        .collect();
    each.join("; ")
}

/// RFC 8162 §7: SMIMEA goes over TCP. Who does not listen there is asked over UDP all the same.
async fn ask_one(server: &Server, asking: &Asking, deadline: Instant) -> Result<Message, String> {
    let (query, octets) = query(asking)?;
    let within = |patience| deadline.min(Instant::now() + patience);
    let over_tcp = async |patience| server.tcp.ask(&query, &octets, within(patience)).await;
    if asking.kind == RecordType::SMIMEA
        && let Ok(message) = over_tcp(UDP_PATIENCE).await
    {
        return check(message);
    }
    let message = over_udp(server.address, &query, &octets, within(UDP_PATIENCE)).await?;
    if message.metadata.truncation {
        let message = over_tcp(TCP_PATIENCE).await;
        let message = message.map_err(|fault| format!("truncated its answer, and {fault}"))?;
        return check(message);
    }
    check(message)
}

/// AD says that we understand it in the answer (RFC 6840 §5.7); DO asks for signatures (RFC 4035 §3.2.1).
fn query(asking: &Asking) -> Result<(Message, Vec<u8>), String> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.authentic_data = true;
    message.metadata.checking_disabled = asking.checking_disabled;
    message.add_query(Query::query(asking.name.clone(), asking.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_OCTETS).set_dnssec_ok(true);
    message.set_edns(edns);
    let octets = message
        .to_vec()
        .map_err(|error| format!("cannot be asked for this name: {error}"))?;
    Ok((message, octets))
}

async fn over_udp(
    server: SocketAddr,
    query: &Message,
    octets: &[u8],
    until: Instant,
) -> Result<Message, String> {
    let mut strange = false;
    let work = async {
        // The kernel picks the port: with the identifier, 32 bits that a stranger must guess (RFC 5452 §9).
        let local: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let failed = |error: std::io::Error| format!("cannot be reached over UDP: {error}");
        let socket = UdpSocket::bind(local).await.map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        socket.send(octets).await.map_err(failed)?;
        let mut buffer = vec![0; UDP_BUFFER];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(failed)?;
            let answer = buffer.get(..length).unwrap_or_default();
            // What does not parse, or answers something else, may be a stranger's: the server's may still come.
            if let Ok(message) = Message::from_vec(answer)
                && answers(&message, query)
            {
                return Ok(message);
            }
            strange = true;
        }
    };
    let answer = timeout_at(until, work).await;
    answer.unwrap_or_else(|_| {
        let what = if strange {
            "sent over UDP only what is malformed or was not asked"
        } else {
            "did not answer over UDP in time"
        };
        Err(what.to_owned())
    })
}

/// Reads an answer to this question, whatever its identifier is.
pub(super) fn read(octets: &[u8], asking: &Asking) -> Result<Message, String> {
    let (mut query, _) = query(asking)?;
    let message = Message::from_vec(octets).map_err(|error| format!("is malformed: {error}"))?;
    query.metadata.id = message.metadata.id;
    if answers(&message, &query) {
        check(message)
    } else {
        Err("answers something that was not asked".to_owned())
    }
}

/// Passes NOERROR and NXDOMAIN of bounded size and the class IN.
fn check(message: Message) -> Result<Message, String> {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(refused(code, &message));
    }
    let count = message.all_sections().count();
    if count > MOST_RECORDS {
        return Err(format!(
            "answered with {count} records, where {MOST_RECORDS} are allowed"
        ));
    }
    let foreign = |class| class != DNSClass::IN;
    let sections = message.answers.iter().chain(&message.authorities);
    if let Some(record) = sections.into_iter().find(|r| foreign(r.dns_class)) {
        let class = record.dns_class;
        return Err(format!(
            "answered with a record of class {class}, where IN was asked"
        ));
    }
    Ok(message)
}

fn refused(code: ResponseCode, message: &Message) -> String {
    let (number, name) = (u16::from(code), code.to_str());
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "there are codes for updates and transfers, too"
    )]
    let meaning = match code {
        ResponseCode::ServFail => {
            "its own sources do not answer, or what they say is bogus to it; ask it with and without +cd"
        }
        ResponseCode::Refused => "it does not serve us; see its access list",
        ResponseCode::NotAuth | ResponseCode::NotImp => "it is no resolver",
        _ => "it could not make sense of the query",
    };
    let told = explanation(message).map_or_else(String::new, |told| format!(", saying {told:?}"));
    format!("answered {name} ({number}){told}: {meaning}")
}

/// The server's own reason (RFC 8914), as far as it is plain text.
fn explanation(message: &Message) -> Option<String> {
    let option = message
        .edns
        .as_ref()?
        .option(EdnsCode::from(EXTENDED_ERROR))?;
    let EdnsOption::Unknown(_, octets) = option else {
        return None;
    };
    let (code, text) = octets.split_first_chunk::<2>()?;
    let text: String = String::from_utf8_lossy(text)
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(EXPLANATION)
        .collect();
    let code = u16::from_be_bytes(*code);
    Some(
        format!("extended error {code} {text}")
            .trim_end()
            .to_owned(),
    )
}
