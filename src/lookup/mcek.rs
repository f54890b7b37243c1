//! MCEK: certificates of addresses, asked of `keys._mcek` and of the domain's mail exchangers by HTTPS.
//!
//! The draft is "S/MIME Extension for Automatic Lookup and Management of Mail Client Encryption Keys", §4 and §9. A
//! host that has no key answers with a placeholder (§7): that is a *no*, and nobody encrypts to it. Private keys, which
//! the draft synchronises, are never asked for.

use std::time::Duration;

use tokio::time::timeout_at;

use super::blob;
use super::blob::BlobError;
use super::hosts;
use super::hosts::Denial;
use super::hosts::HostSaid;
use super::hosts::Wanted;
use super::hosts::all_in_order;
use super::hosts::candidates;
use super::hosts::together;
use super::http::Got;
use super::http::HttpFailure;
use super::http::Https;
use super::http::Resource;
use super::mta_sts::MtaSts;
use super::names::Kind;
use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use super::stream::ConnectFailure;
use super::tls::TlsFailure;
use super::words::chain;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Authentication;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::limits::Limits;
use crate::policy::facts::LookupSource;

/// Certificates of addresses on web servers.
#[derive(Clone, Debug)]
pub struct Mcek {
    /// How they are reached.
    pub https: Https,
    /// Who the exchangers of a domain are, where DNSSEC does not say so.
    pub sts: MtaSts,
    /// Bounds on what they send.
    pub limits: Limits,
    /// The longest that one host may take.
    pub timeout: Duration,
}

impl Source for Mcek {
    fn name(&self) -> LookupSource {
        LookupSource::Mcek
    }

    /// Addresses alone: the draft has no certificates of domains.
    fn covers(&self, subject: Subject<'_>) -> bool {
        hosts::cover(subject)
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        hosts::ask(question, |wanted| self.search(wanted))
    }
}

/// One host, and what its word is worth.
struct Host {
    resource: Resource,
    /// `keys._mcek` of the domain itself.
    is_own: bool,
    /// The most that its word is worth, by who has named it.
    most: Authentication,
}

/// A host that gave no answer.
struct Silence {
    absence: Absence,
    reason: String,
    /// How long it wants to be left alone.
    retry_after: Option<Duration>,
}

/// What that says of the host.
enum Absence {
    /// There is none.
    Missing(Missing),
    /// Nobody answers, or somebody who has nothing to do with certificates.
    Foreign,
    /// Nobody knows.
    Unknown,
}

impl Mcek {
    async fn search(&self, wanted: Wanted<'_>) -> Reply {
        let question = wanted.question;
        let own = keys_host(wanted.domain()).map(|host| Host {
            resource: resource(host, "/", wanted),
            is_own: true,
            most: Authentication::Dnssec,
        });
        let mut said = vec![self.host(wanted, own).await];
        if said.iter().any(HostSaid::is_found) {
            return together(question, said);
        }
        let dns = self.https.connector.dns.as_ref();
        match wanted.exchangers(dns, &self.sts).await {
            Ok(exchangers) => {
                let hosts = exchangers.hosts.iter();
                let asked = hosts.map(|host| -> Answer<'_, Vec<HostSaid>> {
                    Box::pin(self.exchanger(wanted, host, exchangers.most(host)))
                });
                said.extend(all_in_order(asked.collect()).await);
            }
            Err(unknown) => said.push(unknown),
        }
        together(question, said)
    }

    /// A mail exchanger: its own `keys._mcek`, then the well-known path on itself.
    async fn exchanger(
        &self,
        wanted: Wanted<'_>,
        exchanger: &Domain,
        most: Authentication,
    ) -> Vec<HostSaid> {
        let host = |host: Domain, path: &str| Host {
            resource: resource(host, path, wanted),
            is_own: false,
            most,
        };
        let mut said = Vec::new();
        // A domain that is its own exchanger was asked there.
        if exchanger != wanted.domain() {
            let keys = keys_host(exchanger).map(|name| host(name, "/"));
            said.push(self.host(wanted, keys).await);
        }
        if !said.iter().any(HostSaid::is_found) {
            let itself = host(exchanger.clone(), "/.well-known/mcek");
            said.push(self.host(wanted, Some(itself)).await);
        }
        said
    }

    /// Asks one host; `None` is one whose name cannot be.
    async fn host(&self, wanted: Wanted<'_>, host: Option<Host>) -> HostSaid {
        let Some(host) = host else {
            let reason = "a name of keys._mcek would be too long".to_owned();
            return HostSaid::Missing(Missing::NoHost, reason);
        };
        let deadline = wanted.deadline(self.timeout);
        let now = wanted.question.seconds();
        let resource = host.resource.clone();
        let got = self.https.get(resource, wanted.domain(), deadline, now);
        let silence = match got.await {
            Ok(got) => match self.answered(wanted, &host, got) {
                Ok(said) => return said,
                Err(silence) => silence,
            },
            Err(failure) => Silence {
                absence: absence(&failure, host.is_own),
                reason: chain(&failure),
                retry_after: None,
            },
        };
        self.without(wanted.question, &host, silence).await
    }

    /// What an answer says, by its status and its body.
    fn answered(&self, wanted: Wanted<'_>, host: &Host, got: Got) -> Result<HostSaid, Silence> {
        let name = &host.resource.host;
        let absence = match got.status {
            200 => return self.sent(wanted, host, got),
            status @ (204 | 404 | 410) => {
                let reason = format!("{name} says that there is none: HTTP status {status}");
                return Ok(host.denies(&got, reason));
            }
            // They are about time, not about the resource.
            408 | 425 | 429 => Absence::Unknown,
            // The web server of a mail host that has other things to do.
            300..500 if !host.is_own => Absence::Foreign,
            _ => Absence::Unknown,
        };
        Err(Silence {
            absence,
            reason: format!("{name} answers with HTTP status {}", got.status),
            retry_after: got.retry_after,
        })
    }

    /// What the body of an answer holds.
    fn sent(&self, wanted: Wanted<'_>, host: &Host, got: Got) -> Result<HostSaid, Silence> {
        let name = &host.resource.host;
        let sent = blob::certificates(&got.body, &self.limits).map_err(|error| Silence {
            absence: if !host.is_own && is_something_else(&error) {
                Absence::Foreign
            } else {
                Absence::Unknown
            },
            reason: format!("{name} sends no certificate: {}", chain(&error)),
            retry_after: got.retry_after,
        })?;
        let authentication = host.authentication(&got);
        let provenance = Provenance {
            source: LookupSource::Mcek,
            authentication,
            seen: wanted.question.now,
        };
        let candidates = candidates(&sent, wanted.mailbox, provenance);
        if candidates.is_empty() {
            let reason = format!(
                "{name} has a placeholder alone: it is not for encryption, or does not name the address"
            );
            return Ok(host.denies(&got, reason));
        }
        Ok(HostSaid::Found(Box::new(Reply {
            authentic: authentication.is_authenticated(),
            candidates,
            lifetime: got.lifetime,
            ..Reply::without(Said::Found)
        })))
    }

    /// What it counts as that a host has given no answer.
    ///
    /// Behind a mail exchanger's name there may be any web server, or a filter. Who can bring about a certificate of
    /// another name, or break off the handshake, could as well let the packets fall; so all count as a host that does not listen. `keys._mcek` of
    /// the domain itself was made for this, unless a wildcard makes every name exist.
    async fn without(&self, question: &Question, host: &Host, silence: Silence) -> HostSaid {
        let Silence {
            absence,
            reason,
            retry_after,
        } = silence;
        match absence {
            Absence::Missing(missing) => HostSaid::Missing(missing, reason),
            Absence::Foreign if !host.is_own => HostSaid::Missing(Missing::NotListening, reason),
            Absence::Foreign if self.is_wildcard(question).await => {
                let reason = format!(
                    "{} exists by a wildcard alone: {reason}",
                    host.resource.host
                );
                HostSaid::Missing(Missing::NoHost, reason)
            }
            Absence::Foreign | Absence::Unknown => HostSaid::Unavailable {
                reason,
                retry_after,
            },
        }
    }

    /// Whether names exist below the domain that nobody made.
    async fn is_wildcard(&self, question: &Question) -> bool {
        let nobody = format!("keys._mcek-is-no-wildcard.{}", question.subject.domain());
        let dns = self.https.connector.dns.as_ref();
        let asking = dns.records(&nobody, Kind::Address);
        match timeout_at(question.deadline, asking).await {
            Ok(Ok(records)) => !records.data.is_empty(),
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

impl Host {
    /// What says that an answer is the domain's.
    fn authentication(&self, got: &Got) -> Authentication {
        got.authentication.min(self.most)
    }

    fn denies(&self, got: &Got, reason: String) -> HostSaid {
        let authentic = self.authentication(got).is_authenticated();
        HostSaid::Denied(Denial {
            reason,
            lifetime: got.lifetime,
            authentic,
            // TLS has proved its name, and the draft has given it.
            speaks_for_domain: self.is_own || authentic,
        })
    }
}

/// What a failure says of a host.
fn absence(failure: &HttpFailure, is_own: bool) -> Absence {
    match failure {
        HttpFailure::Connect(ConnectFailure::NoHost { .. }) => Absence::Missing(Missing::NoHost),
        HttpFailure::Connect(ConnectFailure::NotListening { silent, .. }) => {
            if *silent {
                Absence::Foreign
            } else {
                Absence::Missing(Missing::NotListening)
            }
        }
        HttpFailure::Tls(
            TlsFailure::Broken { .. } | TlsFailure::NotProved { .. } | TlsFailure::NotTls { .. },
        ) => Absence::Foreign,
        // Web servers send everybody to their front page.
        HttpFailure::Redirect { .. } if !is_own => Absence::Foreign,
        HttpFailure::Connect(ConnectFailure::Unavailable { .. })
        | HttpFailure::Dns(_)
        | HttpFailure::Encoded { .. }
        | HttpFailure::Exchange { .. }
        | HttpFailure::Limit(_)
        | HttpFailure::Redirect { .. }
        | HttpFailure::Request { .. }
        | HttpFailure::Tls(TlsFailure::TooLate { .. })
        | HttpFailure::TooLate { .. } => Absence::Unknown,
    }
}

/// Whether what a host sent has nothing to do with certificates, as a web page.
fn is_something_else(error: &BlobError) -> bool {
    matches!(error, BlobError::Nothing | BlobError::Unknown(_))
}

/// `keys._mcek` of a domain (§4); `None` where that is no name.
fn keys_host(domain: &Domain) -> Option<Domain> {
    if domain.is_literal() {
        return None;
    }
    format!("keys._mcek.{domain}").parse().ok()
}

fn resource(host: Domain, path: &str, wanted: Wanted<'_>) -> Resource {
    let target = format!("{path}{}", query(wanted.mailbox));
    Resource { host, target }
}

/// The address in padded base64 (§4), with the three characters of base64 percent-encoded that mean something else in a
/// query: servers read a plus sign as a blank (RFC 3986 §2.2).
fn query(mailbox: &Mailbox) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(mailbox.to_string());
    let mut query = "?username=".to_owned();
    for character in base64.chars() {
        match character {
            '+' => query.push_str("%2B"),
            '/' => query.push_str("%2F"),
            '=' => query.push_str("%3D"),
            other => query.push(other),
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_address_is_encoded_with_its_padding() {
        let query = |text: &str| query(&text.parse().unwrap());
        assert_eq!(
            query("user@example.com"),
            "?username=dXNlckBleGFtcGxlLmNvbQ%3D%3D"
        );
        // The case of the local part is the address's own; the domain's is not.
        assert_eq!(
            query("User@Example.COM"),
            "?username=VXNlckBleGFtcGxlLmNvbQ%3D%3D"
        );
        let odd = query("~~~ab?@a.example");
        assert_eq!(odd, "?username=fn5%2BYWI%2FQGEuZXhhbXBsZQ%3D%3D");
    }

    #[test]
    fn a_host_of_keys_stands_below_a_domain_that_leaves_room_for_it() {
        let host = keys_host(&"example.com".parse().unwrap());
        assert_eq!(host, "keys._mcek.example.com".parse().ok());
        assert_eq!(keys_host(&"[192.0.2.1]".parse().unwrap()), None);
        let long = format!("{}.example", ["a".repeat(60).as_str(); 4].join("."));
        assert_eq!(keys_host(&long.parse().unwrap()), None);
    }
}
