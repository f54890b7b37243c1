//! What the tests of HTTPS and SMTP need: a resolver of our own, a PKI, and loopback addresses that nobody else has.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domsec::gateway::certificates::Answer;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Owner;
use domsec::limits::Limits;
use domsec::lookup::names::Data;
use domsec::lookup::names::Dns;
use domsec::lookup::names::DnsFailure;
use domsec::lookup::names::Kind;
use domsec::lookup::names::Records;
use domsec::lookup::source::Question;
use domsec::lookup::source::Reply;
use domsec::lookup::source::Source;
use domsec::lookup::stream::Connector;
use domsec::lookup::stream::Permitted;
use domsec::lookup::tls::Roots;
use domsec::x509::Certificate;
use domsec::x509::Time;
use domsec::x509::pem;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;
use tokio::time::Instant;

/// Whether the ports of HTTPS and SMTP can be had.
pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: ports below 1024 are for root alone");
    }
    root
}

/// A loopback address that no other test has.
pub(crate) fn address() -> Ipv4Addr {
    const EACH: u32 = 64;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(next < EACH, "one process has {EACH} addresses");
    // Beyond 127.1.0.0, since others take what is near the beginning.
    let of_process = (std::process::id() % 0x3_f000) * EACH + 0x01_0000;
    Ipv4Addr::from_bits(0x7f00_0000 + of_process + next)
}

/// A resolver with a fixed set of answers: what it does not have is denied, insecurely.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone(BTreeMap<(String, Kind), Result<Records, DnsFailure>>);

impl Zone {
    pub(crate) fn with(mut self, name: &str, kind: Kind, secure: bool, data: Vec<Data>) -> Self {
        let ttl = Duration::from_secs(300);
        let records = Records { data, secure, ttl };
        self.0.insert((name.to_owned(), kind), Ok(records));
        self
    }

    pub(crate) fn at(self, name: &str, address: Ipv4Addr) -> Self {
        let data = vec![Data::Address(address.into())];
        self.with(name, Kind::Address, false, data)
    }

    pub(crate) fn secure_at(self, name: &str, address: Ipv4Addr) -> Self {
        let data = vec![Data::Address(address.into())];
        self.with(name, Kind::Address, true, data)
    }

    pub(crate) fn mx(self, domain: &str, secure: bool, hosts: &[&str]) -> Self {
        let data = hosts.iter().zip(10..).map(|(host, preference)| {
            let host = host.parse().ok();
            Data::Mx { preference, host }
        });
        self.with(domain, Kind::Mx, secure, data.collect())
    }

    pub(crate) fn failing(mut self, name: &str, kind: Kind) -> Self {
        let failure = DnsFailure {
            name: name.to_owned(),
            reason: "SERVFAIL".to_owned(),
        };
        self.0.insert((name.to_owned(), kind), Err(failure));
        self
    }

    /// A connector that asks it, and that may go to every loopback address.
    pub(crate) fn connector(self) -> Connector {
        let loopback = (IpAddr::from(Ipv4Addr::new(127, 0, 0, 0)), 8);
        Connector {
            dns: Arc::new(self),
            permitted: Permitted::new([loopback]),
        }
    }
}

impl Dns for Zone {
    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answer<'a, Result<Records, DnsFailure>> {
        let known = self.0.get(&(name.to_owned(), kind)).cloned();
        let answer = known.unwrap_or_else(|| Ok(Records::default()));
        Box::pin(std::future::ready(answer))
    }
}

/// A root, and what it has issued.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: Certificate,
    pub(crate) pem: String,
}

/// A certificate with its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        Self {
            certificate: read(made.pem().as_bytes()),
            pem: made.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server's certificate.
    pub(crate) fn server(&self, host: &str) -> Issued {
        self.issue(server_params(host))
    }

    /// One that lapsed in 2020.
    pub(crate) fn lapsed_server(&self, host: &str) -> Issued {
        let mut params = server_params(host);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    /// A certificate to which mail for these addresses may be encrypted.
    pub(crate) fn person(&self, emails: &[&str]) -> Issued {
        self.issue(mail_params(emails, KeyUsagePurpose::KeyAgreement))
    }

    /// One for signing alone.
    pub(crate) fn signer(&self, emails: &[&str]) -> Issued {
        self.issue(mail_params(emails, KeyUsagePurpose::DigitalSignature))
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: read(made.pem().as_bytes()),
            pem: made.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that nobody vouches for.
pub(crate) fn self_signed_server(host: &str) -> Issued {
    let key = KeyPair::generate().unwrap();
    let made = server_params(host).self_signed(&key).unwrap();
    Issued {
        certificate: read(made.pem().as_bytes()),
        pem: made.pem(),
        key: key.serialize_pem(),
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params
}

fn server_params(host: &str) -> CertificateParams {
    let mut params = named(host);
    params.subject_alt_names = vec![SanType::DnsName(host.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn mail_params(emails: &[&str], usage: KeyUsagePurpose) -> CertificateParams {
    let mut params = named("a person");
    params.key_usages = vec![usage];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let name = |email: &&str| SanType::Rfc822Name((*email).try_into().unwrap());
    params.subject_alt_names = emails.iter().map(name).collect();
    params
}

fn read(file: &[u8]) -> Certificate {
    let mut found = pem::certificates(file, &Limits::default()).unwrap();
    found.remove(0)
}

/// The anchors of the partner `domain` and public ones.
pub(crate) fn roots(public: &[&Ca], partner: Option<(&str, &Ca)>) -> Roots {
    let public: Vec<Certificate> = public.iter().map(|ca| ca.certificate.clone()).collect();
    let roots = Roots::new(&public).unwrap();
    match partner {
        None => roots,
        Some((domain, ca)) => {
            let anchors = std::slice::from_ref(&ca.certificate);
            roots
                .with_partner(domain.parse().unwrap(), anchors)
                .unwrap()
        }
    }
}

/// A TLSA record "3 1 1" of a server (RFC 7671 §5.1).
pub(crate) fn tlsa(of: &Certificate) -> Data {
    use sha2::Digest;
    Data::Association {
        usage: 3,
        selector: 1,
        matching: 1,
        data: sha2::Sha256::digest(of.spki()).to_vec(),
    }
}

/// Asks `source` for the certificate of `address`, as of now, with ten seconds for it.
pub(crate) async fn ask(source: &dyn Source, address: &str, expected: bool) -> Reply {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let question = Question {
        subject: Owner::Recipient(address.parse().unwrap()),
        expected,
        deadline: Instant::now() + Duration::from_secs(10),
        now: Time::from_unix(i64::try_from(since.as_secs()).unwrap()).unwrap(),
    };
    source.ask(&question).await
}

/// The certificates of an answer, each with what says that it is the subject's.
pub(crate) fn found(reply: &Reply) -> Vec<(&Certificate, Authentication)> {
    let candidates = reply.candidates.iter();
    candidates
        .map(|one| (&one.certificate, one.provenance.authentication))
        .collect()
}

/// Why the answer is none; empty for one that is found.
pub(crate) fn reason(reply: &Reply) -> &str {
    reply.said.reason().unwrap_or_default()
}

/// Runs `work` to its end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}
