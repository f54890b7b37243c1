//! One message to 1,000 recipients of 200 domains: their certificates are looked for together, over real sockets,
//! and all of them take hardly longer than the slowest one alone.
//!
//! The servers are of this process and take their share of the same processors. That of each domain answers after
//! another time, evenly spread from the quickest to the slowest, and in no order.

mod ldap;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use domsec::address::Mailbox;
use domsec::config::Config;
use domsec::config::build;
use domsec::config::sources::Surroundings;
use domsec::gateway::gather::Gathered;
use domsec::gateway::site::Gateway;
use domsec::gateway::transaction::Transaction;
use domsec::lookup::cache::Bounds;
use domsec::lookup::cache::Cache;
use domsec::lookup::ordered::Unwatched;
use domsec::lookup::smimea;
use domsec::octets::Memory;
use domsec::policy::facts::Direction;
use domsec::policy::facts::LookupResult;
use domsec::policy::facts::Session as SmtpSession;
use domsec::store::Store;
use domsec::store::sqlite::Sqlite;
use domsec::x509::Time;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::MessageType;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::rdata::SMIMEA;
use hickory_resolver::proto::rr::rdata::TLSA;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;
use rustls::ServerConfig;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::measure::Session;
use crate::people;

/// Recipients of one message, and of each domain among them.
const RECIPIENTS: usize = 1_000;
const OF_DOMAIN: usize = 5;
const DOMAINS: usize = RECIPIENTS / OF_DOMAIN;

/// What all together may take of the time of the slowest one.
const BOUND: f64 = 1.5;

pub(crate) fn rows(session: &mut Session) {
    let name = "lookup: 1,000 recipients of 200 domains, DNS / the slowest one";
    if session.times(name) {
        let world = World::start(Asked::Dns).expect("a port that is free");
        session.measured(name, BOUND, &mut || world.measure());
    }
    let name = "lookup: 1,000 recipients of 200 domains, HTTPS / the slowest one";
    if session.times(name) {
        match World::start(Asked::Https) {
            Ok(world) => session.measured(name, BOUND, &mut || world.measure()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                println!("left out, since port 443 is for root alone: {name}");
            }
            Err(error) => panic!("port 443 of {}: {error}", address()),
        }
    }
    directory(session);
}

/// The same at one directory, which has everybody.
fn directory(session: &mut Session) {
    let name = "lookup: 1,000 recipients, one LDAP directory / the slowest one";
    if session.times(name) {
        let world = World::start(Asked::Ldap).expect("a port that is free");
        session.measured(name, BOUND, &mut || world.measure());
    }
}

/// Which servers take their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Resolvers, which have the certificates (SMIMEA).
    Dns,
    /// Web servers, which have the certificates (MCEK); the resolver answers at once.
    Https,
    /// One directory, which takes another time for each domain; no name is asked for.
    Ldap,
}

impl Asked {
    /// The quickest and the slowest server.
    const fn spread(self) -> (Duration, Duration) {
        match self {
            Self::Dns => (Duration::from_millis(20), Duration::from_millis(200)),
            // A connection, TLS and the request are four ways there and back: the last is on the other side of the
            // Earth.
            Self::Https | Self::Ldap => (Duration::from_millis(50), Duration::from_millis(1_000)),
        }
    }

    /// What the server of a domain takes.
    fn delay(self, domain: usize) -> Duration {
        let (least, most) = self.spread();
        let step = (most - least) / u32::try_from(DOMAINS - 1).expect("few");
        // A prime number, so that each has another place.
        let place = domain * 73 % DOMAINS;
        least + step * u32::try_from(place).expect("few")
    }

    /// The domain whose server is the slowest.
    fn slowest(self) -> usize {
        let slower = (0..DOMAINS).max_by_key(|domain| self.delay(*domain));
        slower.expect("there are some")
    }
}

/// Everybody who is asked, and a configuration to ask them with.
struct World {
    folder: TempDir,
    /// Where we wait; the servers are elsewhere.
    runtime: Runtime,
    _servers: Runtime,
    config: Config,
    slowest: usize,
}

impl World {
    fn start(asked: Asked) -> io::Result<Self> {
        let people = Arc::new(People::new());
        let servers = runtime(1);
        let sources = servers.block_on(async {
            let resolver = Resolver::start(asked, Arc::clone(&people));
            Ok::<_, io::Error>(match asked {
                Asked::Dns => format!("{}[smimea]\nenabled = true\n", resolved(resolver.await?)),
                Asked::Https => {
                    web(asked, Arc::clone(&people)).await?;
                    format!("{}[mcek]\nenabled = true\n", resolved(resolver.await?))
                }
                Asked::Ldap => {
                    let address = ldap::start(asked, Arc::clone(&people)).await?;
                    format!(
                        "[[ldap]]\nurl = \"ldap://{address}\"\nin_clear = true\nbase = \"o=all\"\n"
                    )
                }
            })
        })?;
        let folder = TempDir::new()?;
        let certs = format!("{}/certs", env!("CARGO_MANIFEST_DIR"));
        let config = format!(
            "domains = [\"a.example\"]\nauthserv_id = \"gw.a.example\"\npolicy = \"policy.toml\"\n\
             [[key]]\nrole = \"domain\"\ncert = \"{certs}/domain-a.pem\"\nkey = \"{certs}/domain-a.key\"\n\
             [trust]\nanchors = [\"root.pem\"]\n\
             [certificates]\nnetworks = [\"127.0.0.0/8\"]\npublic_anchors = \"root.pem\"\n\
             {sources}"
        );
        fs::write(folder.path().join("root.pem"), &people.root)?;
        fs::write(folder.path().join("policy.toml"), POLICY)?;
        fs::write(folder.path().join("domsec.toml"), config)?;
        let config = Config::read(&folder.path().join("domsec.toml")).expect("a configuration");
        Ok(Self {
            folder,
            // As the service has it on the smallest machine that it is meant for.
            runtime: runtime(2),
            _servers: servers,
            config,
            slowest: asked.slowest(),
        })
    }

    /// Seconds for everybody, and for one recipient of the slowest domain.
    fn measure(&self) -> (f64, f64) {
        let slowest = vec![mailbox(self.slowest, 0)];
        let everybody =
            (0..RECIPIENTS).map(|number| mailbox(number / OF_DOMAIN, number % OF_DOMAIN));
        (self.gathered(everybody.collect()), self.gathered(slowest))
    }

    /// Seconds until the certificates of all `recipients` are found, judged, and noted in a store that has none.
    fn gathered(&self, recipients: Vec<Mailbox>) -> f64 {
        let path = self.folder.path().join("domsec.db");
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path).expect("a store"));
        let surroundings = Surroundings {
            cache: Some(Cache::new(Arc::clone(&store), Bounds::default())),
            harvest: None,
            store,
            watch: Arc::new(Unwatched),
        };
        let built = build::gateway_in(&self.config, &surroundings);
        let gateway = built.expect("a gateway");
        let (seconds, gathered) = self.runtime.block_on(gather(&gateway, recipients));
        for record in &gathered.records {
            assert_eq!(
                record.certificate,
                LookupResult::Found,
                "{}",
                record.mailbox
            );
        }
        drop((gateway, surroundings));
        for ending in ["", "-wal", "-shm"] {
            // Its thread may have done that already.
            let _gone = fs::remove_file(self.folder.path().join(format!("domsec.db{ending}")));
        }
        seconds
    }
}

fn resolved(resolver: SocketAddr) -> String {
    format!("[dns]\nservers = [\"{resolver}\"]\nvalidate = \"resolver\"\n")
}

async fn gather(gateway: &Gateway, recipients: Vec<Mailbox>) -> (f64, Gathered) {
    let transaction = Transaction {
        mail_from: Some("alice@a.example".parse().expect("an address")),
        recipients,
        session: SmtpSession::default(),
        direction: Some(Direction::Outbound),
        message: people::message(1024),
        waited: Duration::ZERO,
    };
    let now = Time::from_unix(1_800_000_000).expect("a time");
    let arrival = gateway.open(&transaction, now, &Memory);
    #[expect(clippy::disallowed_methods, reason = "measures")]
    let begun = Instant::now();
    let gathered = gateway.gather(&arrival).await;
    (begun.elapsed().as_secs_f64(), gathered)
}

const POLICY: &str = r#"
[[rule]]
name = "out"
when = 'direction == "outbound"'
sign = ["domain"]
form = "opaque"
encrypt = "if-possible"
encrypt_to = ["recipient"]
otherwise = "defer"

[[rule]]
name = "rest"
when = 'true'
"#;

fn mailbox(domain: usize, user: usize) -> Mailbox {
    let address = format!("u{user}@d{domain}.example");
    address.parse().expect("an address")
}

/// The domain of a name, by its number.
fn domain_of(name: &str) -> usize {
    let domain = name.trim_end_matches('.').rsplit('.').nth(1);
    let number = domain.and_then(|domain| domain.strip_prefix('d'));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Everybody's certificates, by address, and those of the web servers, by name.
struct People {
    root: String,
    certificates: HashMap<String, Vec<u8>>,
    /// By the names at which their SMIMEA records are.
    addresses: HashMap<String, String>,
    servers: HashMap<String, Arc<CertifiedKey>>,
}

impl People {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root").pem();
        let issuer = Issuer::new(params, key);
        // One key for all: nothing depends on whose it is.
        let key = KeyPair::generate().expect("a key");
        let mut people = Self {
            root,
            certificates: HashMap::new(),
            addresses: HashMap::new(),
            servers: HashMap::new(),
        };
        for domain in 0..DOMAINS {
            let host = format!("keys._mcek.d{domain}.example");
            people
                .servers
                .insert(host.clone(), server(&host, &key, &issuer));
            for user in 0..OF_DOMAIN {
                let mailbox = mailbox(domain, user);
                let address = mailbox.to_string();
                let der = person(&address, &key, &issuer);
                people.certificates.insert(address.clone(), der);
                people.addresses.insert(smimea::name(&mailbox), address);
            }
        }
        people
    }
}

fn person(address: &str, key: &KeyPair, issuer: &Issuer<'_, KeyPair>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    let name = address.try_into().expect("ASCII");
    params.subject_alt_names = vec![SanType::Rfc822Name(name)];
    params.key_usages = vec![
        KeyUsagePurpose::KeyAgreement,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let made = params.signed_by(key, issuer);
    made.expect("a certificate").der().to_vec()
}

fn server(host: &str, key: &KeyPair, issuer: &Issuer<'_, KeyPair>) -> Arc<CertifiedKey> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::DnsName(host.try_into().expect("ASCII"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let made = params.signed_by(key, issuer).expect("a certificate");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let private = key.serialize_der().try_into().expect("PKCS#8");
    let certified = CertifiedKey::from_der(vec![made.der().clone()], private, &provider);
    Arc::new(certified.expect("the certificate's key"))
}

/// A resolver that says of everything that it is secure.
struct Resolver {
    asked: Asked,
    people: Arc<People>,
}

impl Resolver {
    /// Listens by UDP and by TCP.
    async fn start(asked: Asked, people: Arc<People>) -> io::Result<SocketAddr> {
        let resolver = Arc::new(Self { asked, people });
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            // The port may be somebody else's by TCP.
            if let Ok(tcp) = listener(udp.local_addr()?) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr()?;
        tokio::spawn(Arc::clone(&resolver).by_udp(Arc::new(udp)));
        tokio::spawn(resolver.by_tcp(tcp));
        Ok(address)
    }

    async fn by_udp(self: Arc<Self>, socket: Arc<UdpSocket>) {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            let query = query.get(..length).unwrap_or_default().to_vec();
            let (resolver, socket) = (Arc::clone(&self), Arc::clone(&socket));
            tokio::spawn(async move {
                let answer = resolver.answer(&query).await;
                let _sent = socket.send_to(&answer, from).await;
            });
        }
    }

    async fn by_tcp(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).connection(stream));
        }
    }

    /// Answers as they come, in any order (RFC 7766 §6.2.1.1).
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let (mut reading, writing) = stream.into_split();
        let writing = Arc::new(tokio::sync::Mutex::new(writing));
        while let Ok(length) = reading.read_u16().await {
            let mut query = vec![0; length.into()];
            if reading.read_exact(&mut query).await.is_err() {
                return;
            }
            let (resolver, writing) = (Arc::clone(&self), Arc::clone(&writing));
            tokio::spawn(async move {
                let answer = resolver.answer(&query).await;
                let length = u16::try_from(answer.len()).expect("a short answer");
                let framed = [length.to_be_bytes().as_slice(), &answer].concat();
                let _sent = writing.lock().await.write_all(&framed).await;
            });
        }
    }

    async fn answer(&self, query: &[u8]) -> Vec<u8> {
        let mut message = Message::from_vec(query).expect("a query");
        message.metadata.message_type = MessageType::Response;
        message.metadata.recursion_available = true;
        message.metadata.authentic_data = true;
        let question = message.queries.first().expect("a question").clone();
        let name = question.name().to_ascii();
        if self.asked == Asked::Dns {
            sleep(self.asked.delay(domain_of(&name))).await;
        }
        if let Some(data) = self.data(name.trim_end_matches('.'), question.query_type()) {
            let record = Record::from_rdata(question.name().clone(), 300, data);
            message.add_answer(record);
        }
        message.to_vec().expect("an answer")
    }

    fn data(&self, name: &str, kind: RecordType) -> Option<RData> {
        if kind == RecordType::A && self.people.servers.contains_key(name) {
            return Some(RData::A(A(address())));
        }
        let known = self.people.addresses.get(name);
        let address = known.filter(|_| kind == RecordType::SMIMEA)?;
        let der = self.people.certificates.get(address)?.clone();
        // The address's own certificate, all of it (RFC 8162 §2).
        let association = TLSA::new(3.into(), 0.into(), 0.into(), der);
        Some(RData::SMIMEA(SMIMEA(association)))
    }
}

/// A web server for all domains.
async fn web(asked: Asked, people: Arc<People>) -> io::Result<()> {
    let listener = listener((address(), 443).into())?;
    let names = Names(Arc::clone(&people));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(names));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, people) = (acceptor.clone(), Arc::clone(&people));
            tokio::spawn(async move { served(stream, acceptor, asked, &people).await });
        }
    });
    Ok(())
}

/// Answers one request after the time that the domain of its address takes.
async fn served(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    asked: Asked,
    people: &People,
) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let username = request
        .split_once("username=")
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or_default()
        .replace("%3D", "=")
        .replace("%2B", "+")
        .replace("%2F", "/");
    let address = base64_simd::STANDARD
        .decode_to_vec(username)
        .unwrap_or_default();
    let address = String::from_utf8_lossy(&address);
    sleep(asked.delay(domain_of(&address.replace('@', ".")))).await;
    let der = people
        .certificates
        .get(&*address)
        .map_or(&[][..], Vec::as_slice);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", der.len());
    stream.write_all(&[head.as_bytes(), der].concat()).await?;
    stream.shutdown().await
}

/// The certificate of each host.
struct Names(Arc<People>);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.servers.get(hello.server_name()?).cloned()
    }
}

/// A listener with room for everybody at once.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

/// A loopback address that no other process has.
fn address() -> Ipv4Addr {
    Ipv4Addr::from_bits(0x7f01_0000 + std::process::id() % 0xfe_0000)
}

fn runtime(threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime")
}
