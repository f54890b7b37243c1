//! What sources ask of the Domain Name System, and with what proof it answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::address::Domain;
use crate::gateway::certificates::Answer;

/// A resolver.
pub trait Dns: fmt::Debug + Send + Sync {
    /// The records of `kind` at `name`, which is fully qualified, without a final dot; aliases (CNAME) are followed.
    ///
    /// No records are a denial. `Err` means that nobody knows: bogus, a server's failure, a time-out.
    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answer<'a, Result<Records, DnsFailure>>;
}

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A and AAAA.
    Address,
    /// Mail exchangers (RFC 5321 §5.1).
    Mx,
    /// Certificates of addresses (RFC 8162).
    Smimea,
    /// Servers of a service (RFC 2782).
    Srv,
    /// Text (RFC 1035 §3.3.14).
    Text,
    /// Certificates of TLS servers (RFC 6698).
    Tlsa,
}

/// All records of one kind at one name; none where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// What they hold, in no order.
    pub data: Vec<Data>,
    /// Whether the whole answer, denials and each alias included, has the DNSSEC state "secure" (RFC 4033 §5).
    pub secure: bool,
    /// How long it may be kept.
    pub ttl: Duration,
    /// How the name leads to them; of addresses, to those of IPv4.
    pub way: Way,
    /// How it leads to those of IPv6, where that is another way: the alias was changed between two questions, or its
    /// server has one for each kind.
    pub way_to_ipv6: Option<Way>,
}

impl Records {
    /// How the name leads to `address`, which is one of them.
    #[must_use]
    pub fn way_to(&self, address: IpAddr) -> &Way {
        let ipv6 = self.way_to_ipv6.as_ref();
        ipv6.filter(|_| address.is_ipv6()).unwrap_or(&self.way)
    }
}

/// How a name leads to records, over aliases (CNAME) or by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Whether the first answer is secure, that of the name itself.
    pub begins_secure: bool,
    /// Whether every answer is.
    pub secure: bool,
    /// The host at the end of the aliases (its canonical name, RFC 1034 §3.6.2), where the name is one of them.
    pub canonical: Option<Domain>,
}

impl Way {
    /// That of a name that is no alias.
    #[must_use]
    pub const fn direct(secure: bool) -> Self {
        Self {
            begins_secure: secure,
            secure,
            canonical: None,
        }
    }
}

/// What one record holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// SMIMEA or TLSA, unread (RFC 6698 §2.1).
    Association {
        /// Certificate usage.
        usage: u8,
        /// Selector.
        selector: u8,
        /// Matching type.
        matching: u8,
        /// Certificate association data.
        data: Vec<u8>,
    },
    /// MX.
    Mx {
        /// The lowest first.
        preference: u16,
        /// The host; `None` for the root, which says that there is no mail (RFC 7505).
        host: Option<Domain>,
    },
    /// SRV.
    Srv {
        /// The lowest first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// Where it listens.
        port: u16,
        /// The host; `None` for the root, which says that there is no such service (RFC 2782).
        target: Option<Domain>,
    },
    /// TXT, its strings put together.
    Text(Vec<u8>),
}

/// Nobody knows what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct DnsFailure {
    /// The name that was asked for.
    pub name: String,
    /// What went wrong, and whose fault it is.
    pub reason: String,
}

/// Where no resolver is configured, since nothing is to be asked for: it knows nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoResolver;

impl Dns for NoResolver {
    fn records<'a>(&'a self, name: &'a str, _: Kind) -> Answer<'a, Result<Records, DnsFailure>> {
        let failure = DnsFailure {
            name: name.to_owned(),
            reason: "[dns] servers is empty".to_owned(),
        };
        Box::pin(std::future::ready(Err(failure)))
    }
}

/// A resolver with a fixed set of answers, for tests: what it does not have is denied, insecurely.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct FixedDns(
    pub(crate) std::collections::BTreeMap<(String, Kind), Result<Records, DnsFailure>>,
);

#[cfg(test)]
impl FixedDns {
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

    /// The name's IPv6 addresses are at the end of that way.
    pub(crate) fn with_way_to_ipv6(mut self, name: &str, way: Way) -> Self {
        if let Some(Ok(records)) = self.0.get_mut(&(name.to_owned(), Kind::Address)) {
            records.way_to_ipv6 = Some(way);
        }
        self
    }

    pub(crate) fn failing(mut self, name: &str, kind: Kind) -> Self {
        let failure = DnsFailure {
            name: name.to_owned(),
            reason: "SERVFAIL".to_owned(),
        };
        self.0.insert((name.to_owned(), kind), Err(failure));
        self
    }
}

#[cfg(test)]
impl Dns for FixedDns {
    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answer<'a, Result<Records, DnsFailure>> {
        let known = self.0.get(&(name.to_owned(), kind)).cloned();
        Box::pin(std::future::ready(
            known.unwrap_or_else(|| Ok(Records::default())),
        ))
    }
}
