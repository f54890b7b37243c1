//! Where a configured directory listens: `ldaps://HOST[:PORT]` or `ldap://HOST[:PORT]` (RFC 4516).

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv6Addr;

use rustls::pki_types::ServerName;

use crate::address::Domain;
use crate::address::DomainError;

/// A directory's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapUrl {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) security: Security,
}

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(Domain),
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// Not at all: to this machine alone.
    Clear,
    /// By TLS once the server has agreed; without it nothing is asked (RFC 4511 §4.14).
    StartTls,
    /// By TLS from the first octet.
    Tls,
}

/// Why a text is no URL of a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LdapUrlError {
    /// Without TLS, to another machine.
    #[error(
        "the directory {0} is on another machine: without TLS its answers are anybody's, and so is the password"
    )]
    Clear(String),
    /// The host is no name.
    #[error("the host of the directory {url:?} is no host name")]
    Host {
        /// The URL.
        url: String,
        /// What is wrong with it.
        #[source]
        source: DomainError,
    },
    /// The port is no number from 1 to 65535.
    #[error("the port of the directory {0:?} is no number from 1 to 65535")]
    Port(String),
    /// Something follows the host and its port.
    #[error(
        "the directory {0:?} has more than a host and a port: base and filter are keys of their own"
    )]
    Rest(String),
    /// Another scheme, or none.
    #[error("the directory {0:?} begins with neither ldaps:// nor ldap://")]
    Scheme(String),
}

impl LdapUrl {
    /// Reads `ldaps://HOST[:PORT]`, or `ldap://HOST[:PORT]`, which means StartTLS. Ports are 636 and 389.
    pub fn parse(url: &str) -> Result<Self, LdapUrlError> {
        let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
        let (security, skip, usual) = if lower.starts_with("ldaps://") {
            (Security::Tls, 8, LDAPS)
        } else if lower.starts_with("ldap://") {
            (Security::StartTls, 7, LDAP)
        } else {
            return Err(LdapUrlError::Scheme(url.to_owned()));
        };
        let rest = url.get(skip..).unwrap_or_default();
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(LdapUrlError::Rest(url.to_owned()));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed
                    .split_once(']')
                    .ok_or_else(|| LdapUrlError::Rest(url.to_owned()))?;
                let address: Ipv6Addr = host
                    .parse()
                    .map_err(|_| LdapUrlError::Rest(url.to_owned()))?;
                let port = match port.strip_prefix(':') {
                    Some(digits) => number(url, digits)?,
                    None if port.is_empty() => usual,
                    None => return Err(LdapUrlError::Rest(url.to_owned())),
                };
                (Host::Address(IpAddr::V6(address)), port)
            }
            None => {
                let (host, port) = match authority.split_once(':') {
                    Some((host, digits)) => (host, number(url, digits)?),
                    None => (authority, usual),
                };
                // A name may end with a dot, and an address that does would be taken for one.
                let host = host.strip_suffix('.').unwrap_or(host);
                let host = match host.parse() {
                    Ok(address) => Host::Address(IpAddr::V4(address)),
                    Err(_) => {
                        Host::Name(Domain::parse(host).map_err(|source| LdapUrlError::Host {
                            url: url.to_owned(),
                            source,
                        })?)
                    }
                };
                (host, port)
            }
        };
        Ok(Self {
            host,
            port,
            security,
        })
    }

    /// The same without TLS, which is for this machine alone: 127.0.0.0/8, `::1` and `localhost`.
    pub fn in_clear(self) -> Result<Self, LdapUrlError> {
        let here = match &self.host {
            Host::Address(address) => address.is_loopback(),
            Host::Name(name) => name.as_str() == "localhost",
        };
        if !here || self.security == Security::Tls {
            return Err(LdapUrlError::Clear(self.to_string()));
        }
        Ok(Self {
            security: Security::Clear,
            ..self
        })
    }

    /// The name that the server's certificate must have.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            Host::Address(address) => Some(ServerName::from(*address)),
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned()).ok(),
        }
    }
}

fn number(url: &str, digits: &str) -> Result<u16, LdapUrlError> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| plain && *port != 0);
    port.ok_or_else(|| LdapUrlError::Port(url.to_owned()))
}

impl fmt::Display for LdapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Clear | Security::StartTls => "ldap",
            Security::Tls => "ldaps",
        };
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "{scheme}://[{address}]:{}", self.port),
            Host::Address(IpAddr::V4(address)) => write!(f, "{scheme}://{address}:{}", self.port),
            Host::Name(name) => write!(f, "{scheme}://{}:{}", name.as_str(), self.port),
        }
    }
}

/// RFC 4516 §2.
const LDAP: u16 = 389;
/// As everybody has it; no RFC registers more than the port.
pub(super) const LDAPS: u16 = 636;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, written, security) in [
            (
                "ldaps://dir.b.example",
                "ldaps://dir.b.example:636",
                Security::Tls,
            ),
            (
                "LDAP://Dir.b.example/",
                "ldap://dir.b.example:389",
                Security::StartTls,
            ),
            (
                "ldap://127.0.0.1:3890",
                "ldap://127.0.0.1:3890",
                Security::StartTls,
            ),
            (
                "ldap://10.1.2.3.",
                "ldap://10.1.2.3:389",
                Security::StartTls,
            ),
            ("ldaps://[::1]", "ldaps://[::1]:636", Security::Tls),
            (
                "ldaps://[2001:db8::1]:7",
                "ldaps://[2001:db8::1]:7",
                Security::Tls,
            ),
        ] {
            let url = LdapUrl::parse(text).unwrap();
            assert_eq!(
                (url.to_string().as_str(), url.security),
                (written, security)
            );
            assert!(url.server_name().is_some(), "{text}");
        }
        type Is = fn(&LdapUrlError) -> bool;
        let wrong: &[(&str, Is)] = &[
            ("dir.b.example", |e| matches!(e, LdapUrlError::Scheme(_))),
            ("http://dir", |e| matches!(e, LdapUrlError::Scheme(_))),
            ("ldap://", |e| matches!(e, LdapUrlError::Host { .. })),
            ("ldap://.", |e| matches!(e, LdapUrlError::Host { .. })),
            ("ldap://a b", |e| matches!(e, LdapUrlError::Host { .. })),
            ("ldap://dir:0", |e| matches!(e, LdapUrlError::Port(_))),
            ("ldap://dir:+1", |e| matches!(e, LdapUrlError::Port(_))),
            ("ldap://dir:65536", |e| matches!(e, LdapUrlError::Port(_))),
            ("ldap://dir/dc=b", |e| matches!(e, LdapUrlError::Rest(_))),
            ("ldap://user@dir", |e| matches!(e, LdapUrlError::Rest(_))),
            ("ldap://[::1", |e| matches!(e, LdapUrlError::Rest(_))),
            ("ldap://[::1]x", |e| matches!(e, LdapUrlError::Rest(_))),
        ];
        for (text, is) in wrong {
            let error = LdapUrl::parse(text).unwrap_err();
            assert!(is(&error), "{text}: {error}");
        }
    }

    #[test]
    fn nothing_goes_to_another_machine_without_tls() {
        let clear = |text: &str| LdapUrl::parse(text).unwrap().in_clear();
        for here in ["ldap://127.0.0.1", "ldap://localhost:1", "ldap://[::1]"] {
            assert_eq!(clear(here).unwrap().security, Security::Clear);
        }
        for there in [
            "ldap://192.0.2.1",
            "ldap://dir.b.example",
            "ldaps://127.0.0.1",
        ] {
            let error = clear(there).unwrap_err();
            assert!(matches!(error, LdapUrlError::Clear(_)), "{there}");
        }
    }
}
