//! The hosts that take a domain's mail, in the order in which they are to be asked (RFC 5321 §5.1).

use std::sync::Arc;

use super::mta_sts::Vouched;
use super::names::Data;
use super::names::Dns;
use super::names::DnsFailure;
use super::names::Kind;
use crate::address::Domain;
use crate::gateway::search::Authentication;

/// More than anybody has; those beyond are not asked.
const MOST: usize = 16;

/// The hosts that take a domain's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchangers {
    /// The first one first; none where the domain says that it takes no mail (RFC 7505).
    pub hosts: Vec<Domain>,
    /// Whether DNSSEC proves that these are its hosts.
    pub authentic: bool,
    /// Where it does not: those that the domain vouches for by MTA-STS.
    pub vouched: Option<Arc<Vouched>>,
}

impl Exchangers {
    /// Asks for them. A domain without MX records is its own.
    pub async fn of(dns: &dyn Dns, domain: &Domain) -> Result<Self, DnsFailure> {
        let answer = dns.records(domain.as_str(), Kind::Mx).await?;
        let mut hosts: Vec<(u16, Option<Domain>)> = Vec::new();
        for data in answer.data {
            if let Data::Mx { preference, host } = data {
                hosts.push((preference, host));
            }
        }
        if hosts.is_empty() {
            hosts.push((0, Some(domain.clone())));
        }
        // Equal preferences by name, so that two searches ask alike.
        hosts.sort();
        let hosts = hosts.into_iter().filter_map(|(_, host)| host);
        Ok(Self {
            hosts: hosts.take(MOST).collect(),
            authentic: answer.secure,
            vouched: None,
        })
    }

    /// The most that the word of one of them is worth. Of a host that nobody names who can prove it nothing is known,
    /// whatever certificate it shows.
    #[must_use]
    pub fn most(&self, host: &Domain) -> Authentication {
        match &self.vouched {
            _ if self.authentic => Authentication::Dnssec,
            Some(vouched) if vouched.names(host) => vouched.authentication,
            Some(_) | None => Authentication::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;

    use super::*;
    use crate::lookup::names::FixedDns;

    fn of(dns: &FixedDns) -> Result<Exchangers, DnsFailure> {
        let domain = "b.example".parse().unwrap();
        let mut answer = pin!(Exchangers::of(dns, &domain));
        let mut context = Context::from_waker(Waker::noop());
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("fixed answers do not wait"),
        }
    }

    fn mx(preference: u16, host: &str) -> Data {
        let host = host.parse().ok();
        Data::Mx { preference, host }
    }

    #[test]
    fn the_lowest_preference_comes_first() {
        let records = vec![mx(20, "two.example"), mx(10, "one.example")];
        let dns = FixedDns::default().with("b.example", Kind::Mx, true, records);
        let found = of(&dns).unwrap();
        let hosts = ["one.example", "two.example"].map(|host| host.parse().unwrap());
        assert_eq!(found.hosts, hosts);
        assert!(found.authentic);
    }

    #[test]
    fn a_domain_without_mx_is_its_own_and_one_with_a_null_mx_has_none() {
        let found = of(&FixedDns::default()).unwrap();
        assert_eq!(found.hosts, ["b.example".parse().unwrap()]);
        assert!(!found.authentic);
        let null = FixedDns::default().with("b.example", Kind::Mx, true, vec![mx(0, "")]);
        assert_eq!(of(&null).unwrap().hosts, []);
    }

    #[test]
    fn a_failure_is_no_domain_without_mx() {
        let dns = FixedDns::default().failing("b.example", Kind::Mx);
        assert!(of(&dns).is_err());
    }
}
