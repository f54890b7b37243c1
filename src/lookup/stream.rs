//! Connections to servers that others name: by addresses that anybody may be sent to, and none of our own network.
//!
//! Names are resolved once, and the connection goes to an address that was looked at: a server's owner could otherwise
//! make us ask our own services, or those of the host that we run on.

use std::io;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::names::Data;
use super::names::Dns;
use super::names::Kind;
use super::names::Way;
use super::share::share;
use crate::address::Domain;

/// The longest that all addresses of one host together may take for an answer to the SYN: that of one has time to come
/// twice again (RFC 6298 §2). Who is silent for so long does not listen, and others are to be asked yet.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The shortest wait after which no answer says anything: most of the Internet is nearer than that.
const LEAST_WAIT: Duration = Duration::from_millis(500);

/// Addresses of one host that are tried.
const MOST_ADDRESSES: usize = 6;

/// The networks that are not the Internet's, and to which a connection may go all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted(Vec<(IpAddr, u32)>);

impl Permitted {
    /// Each by any address in it and the length of its prefix in bits; what is longer than an address is one address.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = (IpAddr, u32)>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether a connection to `address` may be made.
    #[must_use]
    pub fn includes(&self, address: IpAddr) -> bool {
        let named = self
            .0
            .iter()
            .any(|(network, prefix)| shares_prefix(address, *network, *prefix));
        named || is_global(address)
    }
}

/// Connects to hosts by their names.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Who says where they are.
    pub dns: Arc<dyn Dns>,
    /// Where they may be beside the Internet.
    pub permitted: Permitted,
}

/// A connection that has been made.
#[derive(Debug)]
pub struct Connected {
    /// It.
    pub stream: TcpStream,
    /// How the host's name leads to the address that it is to.
    pub way: Way,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// The name has no addresses.
    #[error("{host} does not exist, or has no address")]
    NoHost {
        /// The name.
        host: Domain,
        /// Whether DNSSEC proves it.
        secure: bool,
    },
    /// Every address refuses, cannot be reached, does not answer, or is one to which we do not connect.
    #[error("{host} does not listen at port {port}: {reason}")]
    NotListening {
        /// The name.
        host: Domain,
        /// The port.
        port: u16,
        /// Whether some address did not say anything at all: a filter, or a server that is down.
        silent: bool,
        /// What was seen last.
        reason: String,
        /// Whether DNSSEC proves that these are the host's addresses.
        secure: bool,
    },
    /// Nobody knows: no answer of DNS, or no time.
    #[error("{host} cannot be reached: {reason}")]
    Unavailable {
        /// The name.
        host: Domain,
        /// What went wrong.
        reason: String,
    },
}

impl Connector {
    /// Connects to `host`, whose addresses are tried one after another, IPv4 first.
    ///
    /// Ends by `deadline`, or before: each address has an equal share of the time.
    pub async fn connect(
        &self,
        host: &Domain,
        port: u16,
        deadline: Instant,
    ) -> Result<Connected, ConnectFailure> {
        let unavailable = |reason: String| ConnectFailure::Unavailable {
            host: host.clone(),
            reason,
        };
        let asking = self.dns.records(host.as_str(), Kind::Address);
        let answer = match timeout_at(deadline, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return Err(unavailable(failure.to_string())),
            Err(_) => return Err(unavailable("no answer of DNS in time".to_owned())),
        };
        let secure = answer.secure;
        let addresses = addresses(&answer.data);
        if addresses.is_empty() {
            let host = host.clone();
            return Err(ConnectFailure::NoHost { host, secure });
        }
        let deadline = deadline.min(Instant::now() + LONGEST_WAIT);
        let mut silent = false;
        let mut reason = String::new();
        // What is no fault of the other side.
        let mut ours = None;
        let number = addresses.len();
        for (index, address) in addresses.into_iter().enumerate() {
            if !self.permitted.includes(address) {
                reason = format!(
                    "{address} is no address of the Internet; name its network where those are that may be connected \
                     to, if this is meant"
                );
                continue;
            }
            let until = share(deadline, number - index);
            match attempt(SocketAddr::new(address, port), until).await {
                Attempt::Made(stream) => {
                    return Ok(Connected {
                        stream,
                        way: answer.way_to(address).clone(),
                    });
                }
                Attempt::Refused(why) => reason = format!("{address}: {why}"),
                Attempt::Silent => {
                    silent = true;
                    reason = format!("{address} does not answer");
                }
                Attempt::Impossible(why) => ours = Some(format!("{address}: {why}")),
            }
        }
        if let Some(reason) = ours {
            return Err(unavailable(reason));
        }
        Err(ConnectFailure::NotListening {
            host: host.clone(),
            port,
            silent,
            reason,
            secure,
        })
    }
}

/// What came of one address.
enum Attempt {
    Made(TcpStream),
    /// Somebody says that nobody listens there.
    Refused(io::Error),
    /// Nobody says anything.
    Silent,
    /// It is we who cannot.
    Impossible(io::Error),
}

/// Tries one address.
async fn attempt(address: SocketAddr, until: Instant) -> Attempt {
    let time = until.saturating_duration_since(Instant::now());
    match timeout_at(until, TcpStream::connect(address)).await {
        // A search whose time is up has not seen anybody be silent.
        Err(_) if time < LEAST_WAIT => Attempt::Impossible(io::Error::new(
            ErrorKind::TimedOut,
            "there was no time left",
        )),
        Err(_) => Attempt::Silent,
        Ok(Err(error)) => failed(error, || Routes::beside(address.ip())),
        Ok(Ok(stream)) => match stream.set_nodelay(true) {
            Ok(()) => Attempt::Made(stream),
            Err(error) => Attempt::Impossible(error),
        },
    }
}

/// Which routes to the Internet this machine has.
#[derive(Clone, Copy)]
struct Routes {
    /// One of the family of the address that was tried.
    same: bool,
    /// One of the other family.
    other: bool,
}

impl Routes {
    /// Those that there are now. Nothing is sent to find out.
    fn beside(address: IpAddr) -> Self {
        let has_route = |(from, to): &(IpAddr, IpAddr)| {
            let socket = UdpSocket::bind((*from, 0));
            socket.is_ok_and(|socket| socket.connect((*to, 53)).is_ok())
        };
        let [four, six] = SOMEWHERE.each_ref().map(has_route);
        let (same, other) = match address.to_canonical() {
            IpAddr::V4(_) => (four, six),
            IpAddr::V6(_) => (six, four),
        };
        Self { same, other }
    }
}

/// What an attempt was that has failed.
fn failed(error: io::Error, routes: impl Fn() -> Routes) -> Attempt {
    let kind = error.kind();
    // Filters say that a host cannot be reached.
    let is_refusal = matches!(
        kind,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::HostUnreachable
    );
    // A machine without IPv6 has no way there, nor an address of its own to come from. One that has no way to anywhere
    // has lost its line, and one that has an address has no port left: that says nothing of others.
    let is_out_of_reach = || match (kind, routes()) {
        (ErrorKind::NetworkUnreachable, Routes { same, other }) => same || other,
        (_, Routes { same, other }) => kind == ErrorKind::AddrNotAvailable && !same && other,
    };
    if kind == ErrorKind::TimedOut {
        Attempt::Silent
    } else if is_refusal || is_out_of_reach() {
        Attempt::Refused(error)
    } else {
        // No more sockets, say: nothing that the other side has to do with.
        Attempt::Impossible(error)
    }
}

/// Any address of each family, and one on the Internet: that of a.root-servers.net.
const SOMEWHERE: [(IpAddr, IpAddr); 2] = [
    (
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4)),
    ),
    (
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30)),
    ),
];

/// Each once, IPv4 first: where IPv6 does not work it often fails late. One of IPv4 that an AAAA record has is as that record
/// says it, since the way to it is that record's.
fn addresses(data: &[Data]) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for one in data {
        if let Data::Address(address) = one {
            addresses.push(*address);
        }
    }
    // IPv4 addresses are less than IPv6 ones.
    addresses.sort();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

fn shares_prefix(address: IpAddr, network: IpAddr, prefix: u32) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((one, width), (other, other_width)) = (bits(address), bits(network));
    let ignored = width - prefix.min(width);
    width == other_width && one.checked_shr(ignored) == other.checked_shr(ignored)
}

/// Whether anybody on the Internet may have that address (the registries of RFC 6890).
fn is_global(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_global_v4(inner),
            None => is_global_v6(address),
        },
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let special = SPECIAL_V4
        .iter()
        .any(|(network, prefix)| shares_prefix(address.into(), (*network).into(), *prefix));
    !special
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let within = |(network, prefix): &(Ipv6Addr, u32)| {
        shares_prefix(address.into(), (*network).into(), *prefix)
    };
    GLOBAL_V6.iter().any(within) && !SPECIAL_V6.iter().any(within)
}

/// The IPv4 address to which a gateway would bring a packet for `address` (RFC 6052 §2.1, RFC 3056 §2).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // The well-known prefix has 96 bits; what is in addresses of other ones only their network knows.
        [0x64, 0xff9b, 0, 0, 0, 0, seventh, eighth] => Some(of(seventh, eighth)),
        [0x2002, second, third, ..] => Some(of(second, third)),
        _ => None,
    }
}

/// What is not global of IPv4.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    // This network and its hosts; Linux takes 0.0.0.0 for itself.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private (RFC 1918 §3).
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Shared by the customers of a provider.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, where clouds have the keys of their machines.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocol assignments, documentation, benchmarks.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The only part of IPv6 that is given out for unicast on the Internet.
const GLOBAL_V6: &[(Ipv6Addr, u32)] = &[(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)];

/// What is not global of that.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    // Protocol assignments with Teredo, documentation.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::lookup::names::FixedDns;

    const HOST: &str = "keys._mcek.b.example";

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    }

    fn connector(dns: FixedDns, permitted: &[(&str, u32)]) -> Connector {
        let networks = permitted
            .iter()
            .map(|(address, prefix)| (address.parse().unwrap(), *prefix));
        Connector {
            dns: Arc::new(dns),
            permitted: Permitted::new(networks),
        }
    }

    fn at(addresses: &[&str]) -> FixedDns {
        let data = addresses
            .iter()
            .map(|address| Data::Address(address.parse().unwrap()))
            .collect();
        FixedDns::default().with(HOST, Kind::Address, true, data)
    }

    fn connect(connector: &Connector, port: u16) -> Result<Connected, ConnectFailure> {
        run(async {
            let deadline = Instant::now() + Duration::from_secs(5);
            let host = HOST.parse().unwrap();
            connector.connect(&host, port, deadline).await
        })
    }

    #[test]
    fn addresses_that_are_not_of_the_internet_are_refused() {
        let none = Permitted::default();
        for refused in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1:a00:0:500:808:808",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!none.includes(refused.parse().unwrap()), "{refused}");
        }
        for open in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(none.includes(open.parse().unwrap()), "{open}");
        }
    }

    #[test]
    fn a_network_that_is_named_is_open_and_its_neighbour_is_not() {
        let own = [("127.5.0.0", 16), ("fd00::", 8)];
        let permitted = connector(FixedDns::default(), &own).permitted;
        for open in ["127.5.0.1", "127.5.255.255", "::ffff:127.5.1.1", "fd12::1"] {
            assert!(permitted.includes(open.parse().unwrap()), "{open}");
        }
        for refused in ["127.6.0.1", "10.0.0.1", "fc00::1", "::1"] {
            assert!(!permitted.includes(refused.parse().unwrap()), "{refused}");
        }
    }

    #[test]
    fn an_address_of_ipv4_in_an_aaaa_record_is_at_the_end_of_the_way_of_ipv6() {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let loopback = [("127.0.0.0", 8)];
        for (address, secure) in [("::ffff:127.0.0.2", false), ("127.0.0.2", true)] {
            let dns = at(&[address]).with_way_to_ipv6(HOST, Way::default());
            let connected = connect(&connector(dns, &loopback), port).unwrap();
            assert_eq!(connected.way.secure, secure, "{address}");
        }
    }

    #[test]
    fn the_first_address_that_answers_is_taken() {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = connector(
            at(&["10.0.0.1", "127.0.0.1", "127.0.0.2"]),
            &[("127.0.0.0", 8)],
        );
        let connected = connect(&connector, port).unwrap();
        let peer = connected.stream.peer_addr().unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.2");
        assert!(connected.way.secure);
    }

    #[test]
    fn who_does_not_listen_is_not_who_does_not_exist_nor_who_is_unknown() {
        let loopback = [("127.0.0.0", 8)];
        let failure = |dns: FixedDns, permitted: &[(&str, u32)]| {
            connect(&connector(dns, permitted), 9).unwrap_err()
        };
        let refused = failure(at(&["127.0.0.1"]), &loopback);
        assert!(
            matches!(
                &refused,
                ConnectFailure::NotListening {
                    silent: false,
                    secure: true,
                    ..
                }
            ),
            "{refused}"
        );
        let private = failure(at(&["127.0.0.1"]), &[]).to_string();
        assert!(
            private.contains("127.0.0.1 is no address of the Internet"),
            "{private}"
        );
        let nobody = failure(FixedDns::default(), &loopback);
        let host = HOST.parse().unwrap();
        assert_eq!(
            nobody,
            ConnectFailure::NoHost {
                host,
                secure: false
            }
        );
        let unknown = failure(FixedDns::default().failing(HOST, Kind::Address), &loopback);
        assert!(
            matches!(unknown, ConnectFailure::Unavailable { .. }),
            "{unknown}"
        );
    }

    #[test]
    fn what_is_wrong_with_this_machine_says_nothing_of_others() {
        let name =
            |kind: ErrorKind, same, other| match failed(kind.into(), || Routes { same, other }) {
                Attempt::Made(_) => "made",
                Attempt::Refused(_) => "refused",
                Attempt::Silent => "silent",
                Attempt::Impossible(_) => "impossible",
            };
        let (refused, silent, ours) = ("refused", "silent", "impossible");
        for (kind, both, same, other, none) in [
            (ErrorKind::TimedOut, silent, silent, silent, silent),
            (
                ErrorKind::ConnectionRefused,
                refused,
                refused,
                refused,
                refused,
            ),
            (
                ErrorKind::HostUnreachable,
                refused,
                refused,
                refused,
                refused,
            ),
            (
                ErrorKind::NetworkUnreachable,
                refused,
                refused,
                refused,
                ours,
            ),
            (ErrorKind::AddrNotAvailable, ours, ours, refused, ours),
            (ErrorKind::OutOfMemory, ours, ours, ours, ours),
        ] {
            let named = [(true, true), (true, false), (false, true), (false, false)]
                .map(|(same, other)| name(kind, same, other));
            assert_eq!(named, [both, same, other, none], "{kind:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_given_up_in_time() {
        run(async {
            // A listener whose backlog is full lets further SYNs fall.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.3:0".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            let address = listener.local_addr().unwrap();
            let mut filling = Vec::new();
            for _ in 0..8 {
                let one = tokio::spawn(TcpStream::connect(address));
                filling.push(one);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let connector = connector(at(&["127.0.0.3"]), &[("127.0.0.0", 8)]);
            let host = HOST.parse().unwrap();
            let begun = Instant::now();
            let within = |milliseconds| {
                let deadline = Instant::now() + Duration::from_millis(milliseconds);
                connector.connect(&host, address.port(), deadline)
            };
            let failure = within(700).await;
            assert!(
                matches!(
                    failure,
                    Err(ConnectFailure::NotListening { silent: true, .. })
                ),
                "{failure:?}"
            );
            // Who was given no time was not silent.
            let failure = within(100).await;
            assert!(
                matches!(failure, Err(ConnectFailure::Unavailable { .. })),
                "{failure:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(2));
        });
    }
}
