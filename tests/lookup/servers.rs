//! What the tests of HTTPS and SMTP need: a resolver of our own, questions, and more of the PKI.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use domsec::gateway::certificates::Answer;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Owner;
use domsec::lookup::names::Data;
use domsec::lookup::names::Dns;
use domsec::lookup::names::DnsFailure;
use domsec::lookup::names::Kind;
use domsec::lookup::names::Records;
use domsec::lookup::names::Way;
use domsec::lookup::source::Expected;
use domsec::lookup::source::Question;
use domsec::lookup::source::Reply;
use domsec::lookup::source::Source;
use domsec::lookup::stream::Connector;
use domsec::lookup::stream::Permitted;
use domsec::lookup::tls::Roots;
use domsec::x509::Certificate;
use domsec::x509::Time;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use tokio::time::Instant;

use crate::pki;
use crate::pki::Ca;
use crate::pki::Issued;
use crate::pki::mail_params;
use crate::pki::server_params;

/// Whether the ports of HTTPS and SMTP can be had.
pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: ports below 1024 are for root alone");
    }
    root
}

/// A resolver with a fixed set of answers: what it does not have is denied, insecurely.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone(BTreeMap<(String, Kind), Result<Records, DnsFailure>>);

impl Zone {
    pub(crate) fn with(mut self, name: &str, kind: Kind, secure: bool, data: Vec<Data>) -> Self {
        let records = Records {
            data,
            secure,
            ttl: Duration::from_secs(300),
            way: Way::direct(secure),
            way_to_ipv6: None,
        };
        self.0.insert((name.to_owned(), kind), Ok(records));
        self
    }

    /// The addresses at `name` are those of its alias, too.
    pub(crate) fn alias(mut self, alias: &str, name: &str) -> Self {
        let at = |name: &str| (name.to_owned(), Kind::Address);
        let mut records = self.0.get(&at(name)).cloned().expect("addresses");
        if let Ok(records) = &mut records {
            records.way.canonical = name.parse().ok();
        }
        self.0.insert(at(alias), records);
        self
    }

    /// The addresses at `name` are those of its alias `end`, of which DNSSEC proves the alias and nothing else.
    pub(crate) fn alias_to_unsigned(self, name: &str, end: &str, address: Ipv4Addr) -> Self {
        let mut zone = self.at(end, address).alias(name, end);
        if let Some(Ok(records)) = zone.0.get_mut(&(name.to_owned(), Kind::Address)) {
            records.way.begins_secure = true;
        }
        zone
    }

    /// Beside its addresses, `name` has one of IPv6 at the end of another alias.
    pub(crate) fn with_ipv6_of(mut self, name: &str, end: &str) -> Self {
        if let Some(Ok(records)) = self.0.get_mut(&(name.to_owned(), Kind::Address)) {
            records.data.push(Data::Address(Ipv6Addr::LOCALHOST.into()));
            records.way_to_ipv6 = Some(Way {
                canonical: end.parse().ok(),
                ..Way::direct(true)
            });
        }
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

impl Ca {
    /// One that lapsed in 2020.
    pub(crate) fn lapsed_server(&self, host: &str) -> Issued {
        let mut params = server_params(host);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    /// One for signing alone.
    pub(crate) fn signer(&self, emails: &[&str]) -> Issued {
        self.issue(mail_params(emails, KeyUsagePurpose::DigitalSignature))
    }
}

/// A certificate that nobody vouches for.
pub(crate) fn self_signed_server(host: &str) -> Issued {
    let key = KeyPair::generate().unwrap();
    let made = server_params(host).self_signed(&key).unwrap();
    Issued {
        certificate: pki::read(made.pem().as_bytes()),
        pem: made.pem(),
        key: key.serialize_pem(),
    }
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
        expected: Expected::by_policy(expected),
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
