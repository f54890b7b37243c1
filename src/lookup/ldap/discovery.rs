//! The directories that a domain names in DNS: SRV records `_ldap._tcp` (RFC 2782, RFC 4516 §2 without a host).

use std::fmt::Write as _;

use crate::address::Domain;
use crate::crypto::Randomness;
use crate::lookup::names::Data;
use crate::lookup::names::Dns;
use crate::lookup::names::DnsFailure;
use crate::lookup::names::Kind;

/// Servers of one domain that are tried.
const MOST_SERVERS: usize = 4;

/// The directories of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directories {
    /// Host and port, the first to be asked first; none where the domain has no directory.
    pub(super) servers: Vec<(Domain, u16)>,
    /// Whether DNSSEC proves the answer: that these are its servers, or that there is none.
    pub(super) secure: bool,
}

impl Directories {
    /// Asks for them.
    pub(super) async fn of(
        dns: &dyn Dns,
        domain: &Domain,
        randomness: &dyn Randomness,
    ) -> Result<Self, DnsFailure> {
        let name = format!("_ldap._tcp.{}", domain.as_str());
        let answer = dns.records(&name, Kind::Srv).await?;
        let mut weighed = Vec::new();
        for data in answer.data {
            if let Data::Srv {
                priority,
                weight,
                port,
                // The root says that there is no such service (RFC 2782).
                target: Some(target),
            } = data
            {
                weighed.push(Weighed {
                    priority,
                    weight,
                    server: (target, port),
                });
            }
        }
        Ok(Self {
            servers: ordered(weighed, randomness),
            secure: answer.secure,
        })
    }
}

#[derive(Clone, Debug)]
struct Weighed {
    priority: u16,
    weight: u16,
    server: (Domain, u16),
}

/// The lowest priority first; among equal ones by chance, in proportion to their weights (RFC 2782).
fn ordered(mut records: Vec<Weighed>, randomness: &dyn Randomness) -> Vec<(Domain, u16)> {
    // Those of weight 0 first, as RFC 2782 has it, so that they have a chance at all; the rest in an order that does
    // not depend on the server's.
    records.sort_by(|one, other| {
        let key = |record: &Weighed| (record.priority, record.weight);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.server.cmp(&other.server))
    });
    let mut servers = Vec::new();
    while let (Some(first), true) = (records.first(), servers.len() < MOST_SERVERS) {
        let priority = first.priority;
        let alike = || {
            records
                .iter()
                .take_while(|record| record.priority == priority)
        };
        let total: u64 = alike().map(|record| u64::from(record.weight)).sum();
        let drawn = draw(total, randomness);
        let mut sum = 0;
        let chosen = alike().position(|record| {
            sum += u64::from(record.weight);
            sum >= drawn
        });
        servers.push(records.remove(chosen.unwrap_or(0)).server);
    }
    servers
}

/// From 0 to `total`, both included; 0 where there is no randomness, which favours one server and does no harm.
fn draw(total: u64, randomness: &dyn Randomness) -> u64 {
    let mut octets = [0; 8];
    match randomness.fill(&mut octets) {
        Ok(()) => u64::from_be_bytes(octets) % (total + 1),
        Err(_) => 0,
    }
}

/// The distinguished name of a domain (RFC 2247 §2): `dc=b,dc=example`.
pub(super) fn distinguished_name(domain: &Domain) -> String {
    let mut name = String::new();
    for label in domain.labels() {
        let comma = if name.is_empty() { "" } else { "," };
        // Labels are letters, digits, hyphens and underscores: nothing to escape (RFC 4514 §2.4).
        let _ = write!(name, "{comma}dc={label}");
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::pin::pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use super::*;
    use crate::crypto::CryptoError;
    use crate::crypto::SystemRandomness;
    use crate::lookup::names::FixedDns;

    #[derive(Debug)]
    struct None;

    impl Randomness for None {
        fn fill(&self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::Unavailable)
        }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Data {
        let target = target.parse().ok();
        Data::Srv {
            priority,
            weight,
            port: 389,
            target,
        }
    }

    fn of(dns: &FixedDns, randomness: &dyn Randomness) -> Result<Directories, DnsFailure> {
        let domain = "b.example".parse().unwrap();
        let mut answer = pin!(Directories::of(dns, &domain, randomness));
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("fixed answers do not wait"),
        }
    }

    fn with(secure: bool, records: Vec<Data>) -> FixedDns {
        FixedDns::default().with("_ldap._tcp.b.example", Kind::Srv, secure, records)
    }

    #[test]
    fn the_lowest_priority_comes_first_whatever_the_weights() {
        let records = vec![
            srv(20, 65535, "c.example"),
            srv(10, 0, "a.example"),
            srv(10, 5, "b.example"),
        ];
        for _ in 0..50 {
            let found = of(&with(true, records.clone()), &SystemRandomness).unwrap();
            assert!(found.secure);
            assert_eq!(found.servers.len(), 3);
            assert_eq!(found.servers[2].0.as_str(), "c.example");
        }
        let found = of(&with(true, records), &None).unwrap();
        assert_eq!(found.servers[0], ("a.example".parse().unwrap(), 389));
    }

    #[test]
    fn equal_priorities_are_asked_in_proportion_to_their_weights() {
        let dns = with(true, vec![srv(1, 90, "a.example"), srv(1, 10, "b.example")]);
        let mut first: HashMap<String, u32> = HashMap::new();
        for _ in 0..2000 {
            let found = of(&dns, &SystemRandomness).unwrap();
            *first
                .entry(found.servers[0].0.as_str().to_owned())
                .or_default() += 1;
        }
        // 1800 expected, with a standard deviation of 13.4; this is ten of them.
        let often = first.get("a.example").copied().unwrap();
        assert!((1666..=1934).contains(&often), "{first:?}");
    }

    #[test]
    fn a_root_target_is_no_directory_and_a_failure_is_none_either() {
        let none = of(&with(false, vec![srv(0, 0, "")]), &None).unwrap();
        assert_eq!((none.servers.len(), none.secure), (0, false));
        let failing = FixedDns::default().failing("_ldap._tcp.b.example", Kind::Srv);
        assert!(of(&failing, &None).is_err());
        let many = (0..9)
            .map(|n| srv(n, 0, &format!("h{n}.example")))
            .collect();
        assert_eq!(
            of(&with(true, many), &None).unwrap().servers.len(),
            MOST_SERVERS
        );
    }

    #[test]
    fn a_domain_is_a_distinguished_name() {
        let name = distinguished_name(&"Sub.b.example".parse().unwrap());
        assert_eq!(name, "dc=sub,dc=b,dc=example");
    }
}
