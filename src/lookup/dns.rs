//! The Domain Name System through configured resolvers, with DNSSEC (RFC 4033 to 4035): [`Dns`] for the sources.
//!
//! Validated by us from trust anchors, or by a resolver that is trusted to say so. Aliases are followed here, one
//! question for each, so that every link is judged by itself. No search list, no hosts file; answers are kept elsewhere.

mod anchors;
mod answer;
mod exchange;
mod joined;
mod name;
mod tcp;
mod validate;
mod wildcard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata::TLSA;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::names::Data;
use super::names::Dns;
use super::names::DnsFailure;
use super::names::Kind;
use super::names::Records;
use super::names::Way;
use crate::gateway::certificates::Answer;

pub use anchors::Anchors;
pub use anchors::AnchorsError;
use exchange::Asking;
use exchange::Servers;
use joined::Joined;
use validate::State;
use validate::Validator;

/// Links of one chain of aliases: as many as unbound follows.
const MOST_ALIASES: usize = 11;

/// What one question may take, unless configured otherwise: below the 10 seconds of a RCPT.
const PATIENCE: Duration = Duration::from_secs(8);

/// Nothing says how long it may be kept.
const NOT_KEPT: Duration = Duration::ZERO;

/// Who proves that an answer is the zone's own.
#[derive(Clone, Debug)]
pub enum Validation {
    /// We do, from these anchors; the servers need not be trusted, nor the way to them.
    Own {
        /// The anchors. Names that are below none of them are never secure.
        anchors: Anchors,
    },
    /// The servers do, and say so with the AD bit (RFC 4035 §3.2.3): they, and the way to them, must be trusted.
    Resolver,
}

/// Why there is no resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no DNS server to ask; name at least one, as an address with a port")]
pub struct NoServers;

/// A stub resolver.
#[derive(Debug)]
pub struct Resolver {
    servers: Arc<Servers>,
    validator: Option<Validator>,
    patience: Duration,
    joined: Joined,
}

impl Resolver {
    /// A resolver that asks `servers`, which must be recursive, the last one that answered first.
    ///
    /// Opens no socket. `Err` where there are no servers.
    pub fn new(servers: Vec<SocketAddr>, validation: Validation) -> Result<Self, NoServers> {
        if servers.is_empty() {
            return Err(NoServers);
        }
        let validator = match validation {
            Validation::Own { anchors } => Some(Validator::new(anchors)),
            Validation::Resolver => None,
        };
        Ok(Self {
            servers: Arc::new(Servers::new(servers)),
            validator,
            patience: PATIENCE,
            joined: Joined::default(),
        })
    }

    /// The same with another time for one question, aliases and validation included; 8 seconds by default.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn lookup(&self, name: &str, kind: Kind) -> Result<Records, DnsFailure> {
        let failure = |reason| DnsFailure {
            name: name.to_owned(),
            reason,
        };
        let deadline = Instant::now() + self.patience;
        let parsed = name::parse(name).map_err(failure)?;
        let work = async {
            match kind {
                Kind::Address => self.addresses(&parsed, deadline).await,
                Kind::Mx => self.follow(&parsed, RecordType::MX, deadline).await,
                Kind::Smimea => self.follow(&parsed, RecordType::SMIMEA, deadline).await,
                Kind::Srv => self.follow(&parsed, RecordType::SRV, deadline).await,
                Kind::Text => self.follow(&parsed, RecordType::TXT, deadline).await,
                Kind::Tlsa => self.follow(&parsed, RecordType::TLSA, deadline).await,
            }
        };
        let late = || {
            let seconds = self.patience.as_secs_f32();
            failure(format!(
                "no answer from the DNS servers within {seconds} seconds"
            ))
        };
        // The steps end by the deadline themselves, with a better reason.
        let latest = deadline + Duration::from_millis(100);
        let found = timeout_at(latest, work).await.map_err(|_| late())?;
        found.map_err(failure)
    }

    /// Those of either family are enough; but only both together deny.
    async fn addresses(&self, name: &Name, deadline: Instant) -> Result<Records, String> {
        let (four, six) = tokio::join!(
            self.follow(name, RecordType::A, deadline),
            self.follow(name, RecordType::AAAA, deadline),
        );
        match (four, six) {
            (Ok(mut four), Ok(six)) => {
                four.data.extend(six.data);
                four.secure &= six.secure;
                // An alias is one for records of every kind (RFC 1034 §3.6.2), so both ways are one; where they are not,
                // each is needed.
                four.way_to_ipv6 = (six.way != four.way).then_some(six.way);
                four.ttl = four.ttl.min(six.ttl);
                Ok(four)
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) if !one.data.is_empty() => Ok(one),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
        }
    }

    /// The records at the end of the aliases.
    async fn follow(
        &self,
        name: &Name,
        kind: RecordType,
        deadline: Instant,
    ) -> Result<Records, String> {
        let mut at = name.clone();
        let (mut way, mut ttl) = (Way::direct(true), Duration::MAX);
        for links in 0..=MOST_ALIASES {
            let (message, state) = self.ask(&at, kind, deadline).await?;
            way.secure &= state == State::Secure;
            if links == 0 {
                way.begins_secure = way.secure;
            }
            ttl = ttl.min(lifetime(&message));
            match answer::alias(&message, kind)? {
                Some(target) => at = target.clone(),
                None => {
                    let host = || name::host(&at).ok().flatten();
                    way.canonical = (at != *name).then(host).flatten();
                    return Ok(Records {
                        data: data(&message.answers)?,
                        secure: way.secure,
                        ttl,
                        way,
                        way_to_ipv6: None,
                    });
                }
            }
        }
        Err(format!(
            "the aliases (CNAME) are more than {MOST_ALIASES}, or lead in a circle"
        ))
    }

    async fn ask(
        &self,
        name: &Name,
        kind: RecordType,
        deadline: Instant,
    ) -> Result<(Message, State), String> {
        if let Some(validator) = &self.validator {
            return validator.ask(&self.servers, (name, kind), deadline).await;
        }
        let asking = Asking {
            name: name.clone(),
            kind,
            checking_disabled: false,
        };
        let message = self.servers.ask(&asking, deadline).await?;
        trusted(message, name, kind)
    }
}

/// What a trusted resolver's answer says, and whether it calls that secure.
fn trusted(message: Message, name: &Name, kind: RecordType) -> Result<(Message, State), String> {
    let state = if message.metadata.authentic_data {
        State::Secure
    } else {
        State::Insecure
    };
    Ok((answer::cut(message, name, kind)?, state))
}

/// What `octets` say as the answer of a trusted resolver about the records of `kind` at `name`; of addresses, those of
/// IPv4. `None` for an alias. It is what [`Resolver`] reads, without the servers.
pub fn read(octets: &[u8], name: &str, kind: Kind) -> Result<Option<Records>, String> {
    let name = name::parse(name)?;
    let kind = match kind {
        Kind::Address => RecordType::A,
        Kind::Mx => RecordType::MX,
        Kind::Smimea => RecordType::SMIMEA,
        Kind::Srv => RecordType::SRV,
        Kind::Text => RecordType::TXT,
        Kind::Tlsa => RecordType::TLSA,
    };
    let asking = Asking {
        name: name.clone(),
        kind,
        checking_disabled: false,
    };
    let message = exchange::read(octets, &asking)?;
    let (message, state) = trusted(message, &name, kind)?;
    if answer::alias(&message, kind)?.is_some() {
        return Ok(None);
    }
    Ok(Some(Records {
        data: data(&message.answers)?,
        secure: state == State::Secure,
        ttl: lifetime(&message),
        way: Way::direct(state == State::Secure),
        way_to_ipv6: None,
    }))
}

impl Dns for Resolver {
    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answer<'a, Result<Records, DnsFailure>> {
        Box::pin(async move {
            let place = self.joined.place(name, kind);
            place.answer(self.lookup(name, kind)).await
        })
    }
}

/// The servers that `text`, a resolv.conf, names, in its order; its search list and options do not count.
///
/// Nobody vouches for the way to them: not for [`Validation::Resolver`].
#[must_use]
pub fn nameservers(text: &str) -> Vec<SocketAddr> {
    const DOMAIN: u16 = 53;
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() == Some("nameserver")
            && let Some(address) = words.next().and_then(|word| word.parse().ok())
        {
            servers.push(SocketAddr::new(address, DOMAIN));
        }
    }
    servers
}

/// How long all of an answer may be kept: the shortest TTL, and of a denial what its SOA record says (RFC 2308 §5).
fn lifetime(message: &Message) -> Duration {
    let seconds = if message.answers.is_empty() {
        let negative = |record: &Record| {
            let RData::SOA(soa) = &record.data else {
                return None;
            };
            Some(record.ttl.min(soa.minimum))
        };
        let ttls = message.authorities.iter().map(|record| record.ttl);
        let soa = message.authorities.iter().find_map(negative);
        soa.map(|soa| ttls.fold(soa, u32::min))
    } else {
        let answers = answer::records(&message.answers);
        answers.map(|record| record.ttl).min()
    };
    seconds.map_or(NOT_KEPT, |seconds| Duration::from_secs(seconds.into()))
}

/// What the records hold. A host name that is none is left out, unless there is nothing else.
fn data(answers: &[Record]) -> Result<Vec<Data>, String> {
    let mut found = Vec::new();
    let mut wrong = None;
    for record in answer::records(answers) {
        match datum(&record.data) {
            Ok(datum) => found.extend(datum),
            Err(reason) => wrong = Some(reason),
        }
    }
    match wrong {
        Some(reason) if found.is_empty() => Err(reason),
        _ => Ok(found),
    }
}

fn datum(data: &RData) -> Result<Option<Data>, String> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "hickory knows dozens of types that nobody asks for here"
    )]
    Ok(match data {
        RData::A(address) => Some(Data::Address(address.0.into())),
        RData::AAAA(address) => Some(Data::Address(address.0.into())),
        RData::MX(mx) => Some(Data::Mx {
            preference: mx.preference,
            host: name::host(&mx.exchange)?,
        }),
        RData::SMIMEA(smimea) => Some(association(&smimea.0)),
        RData::SRV(srv) => Some(Data::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: name::host(&srv.target)?,
        }),
        RData::TLSA(tlsa) => Some(association(tlsa)),
        RData::TXT(text) => Some(Data::Text(text.txt_data.concat())),
        _ => None,
    })
}

fn association(tlsa: &TLSA) -> Data {
    Data::Association {
        usage: tlsa.cert_usage.into(),
        selector: tlsa.selector.into(),
        matching: tlsa.matching.into(),
        data: tlsa.cert_data.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_without_its_question_denies_nothing() {
        let header = |code: u8| [0, 7, 0x81, 0xa0 | code, 0, 0, 0, 0, 0, 0, 0, 0];
        let answer = |code| read(&header(code), "a.b.example", Kind::Smimea).unwrap_err();
        for (code, reason) in [
            (0, "was not asked"),
            (3, "was not asked"),
            (5, "does not serve us"),
        ] {
            assert!(answer(code).contains(reason), "{code}: {}", answer(code));
        }
    }

    #[test]
    fn resolv_conf_gives_servers_and_nothing_else() {
        let text = "# nameserver 192.0.2.9\nsearch b.example\nnameserver 192.0.2.1\n\
                    nameserver 2001:db8::1 # second\nnameserver nonsense\noptions ndots:5\n";
        let servers: Vec<SocketAddr> = ["192.0.2.1:53", "[2001:db8::1]:53"]
            .map(|s| s.parse().unwrap())
            .into();
        assert_eq!(nameservers(text), servers);
    }

    #[test]
    fn without_servers_there_is_no_resolver() {
        let none = Resolver::new(Vec::new(), Validation::Resolver);
        assert_eq!(none.unwrap_err(), NoServers);
    }

    #[test]
    fn the_shortest_ttl_counts_and_the_soa_of_a_denial() {
        use hickory_resolver::proto::rr::rdata;
        let name = name::parse("b.example").unwrap();
        let soa = rdata::SOA::new(name.clone(), name.clone(), 1, 1, 1, 1, 30);
        let mut message = Message::query();
        assert_eq!(lifetime(&message), NOT_KEPT);
        message.add_authority(Record::from_rdata(name.clone(), 60, RData::SOA(soa)));
        assert_eq!(lifetime(&message), Duration::from_secs(30));
        for ttl in [50, 40] {
            let a = RData::A(rdata::A::new(192, 0, 2, 1));
            message.add_answer(Record::from_rdata(name.clone(), ttl, a));
        }
        assert_eq!(lifetime(&message), Duration::from_secs(40));
    }

    #[test]
    fn a_bad_host_name_is_left_out_but_is_not_nothing() {
        use hickory_resolver::proto::rr::rdata;
        let mx = |text: &str| {
            let host = name::parse(text).unwrap();
            Record::from_rdata(
                name::parse("b.example").unwrap(),
                60,
                RData::MX(rdata::MX::new(1, host)),
            )
        };
        assert_eq!(data(&[mx(r"a\032b"), mx("mx.example")]).unwrap().len(), 1);
        assert!(data(&[mx(r"a\032b")]).is_err());
    }
}
