//! The tables of the configuration that say where other people's certificates are looked for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;

use super::Network;
use super::parsed_list;
use super::service;
use crate::address::Domain;
use crate::lookup::lifetime::RETRY;

/// `[certificates]`: where other people's certificates are found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateSources {
    /// A directory of `*.pem`, `*.der` and `*.crt`.
    pub directory: Option<PathBuf>,
    /// How long a search may take, over all sources. Default 20 seconds.
    #[serde(deserialize_with = "service::seconds")]
    pub patience: Duration,
    /// How soon a source is asked again that could not answer; tenfold where it goes on so. Default 60 seconds.
    #[serde(deserialize_with = "retry")]
    pub retry: Duration,
    /// Networks that are not the Internet's, and in which servers of others may be asked all the same. Default none.
    #[serde(deserialize_with = "parsed_list")]
    pub networks: Vec<Network>,
    /// The authorities that vouch for servers of everybody.
    pub public_anchors: PathBuf,
}

impl Default for CertificateSources {
    fn default() -> Self {
        Self {
            directory: None,
            patience: Duration::from_secs(20),
            retry: RETRY,
            networks: Vec::new(),
            public_anchors: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
        }
    }
}

/// `[[server_anchors]]`: who vouches for the servers of one partner.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerAnchors {
    /// The partner's domain.
    #[serde(deserialize_with = "super::parsed_domain")]
    pub domain: Domain,
    /// Files of certificates.
    pub files: Vec<PathBuf>,
}

/// `[dns]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnsSettings {
    /// Recursive resolvers.
    #[serde(deserialize_with = "parsed_list")]
    pub servers: Vec<SocketAddr>,
    /// Who validates. Default `own`.
    pub validate: Validate,
    /// Files of DNSKEY and DS records to validate from. Default: the root's key, as it is compiled in.
    pub anchors: Vec<PathBuf>,
}

/// Who validates DNSSEC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validate {
    /// We do.
    #[default]
    Own,
    /// The resolvers do, and are trusted, with the way to them.
    Resolver,
}

/// `[smimea]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmimeaSettings {
    /// Whether SMIMEA records are asked for. Default no.
    pub enabled: bool,
    /// Whether the names of an early draft are tried too, which show the local part. Default no.
    pub former_names: bool,
}

/// `[mcek]` or `[smtp_cert]`: servers of others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteSettings {
    /// Whether they are asked. Default no.
    pub enabled: bool,
    /// How long one server may take. Default 10 seconds.
    #[serde(deserialize_with = "service::seconds")]
    pub timeout: Duration,
}

impl Default for RemoteSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            timeout: Duration::from_secs(10),
        }
    }
}

/// `[harvest]`: what verified mail teaches.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HarvestSettings {
    /// Whether it is learned, and a source. Default no.
    pub enabled: bool,
    /// How many addresses are remembered. Default 10,000.
    #[serde(deserialize_with = "addresses")]
    pub addresses: usize,
}

impl Default for HarvestSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            // Those with whom a thousand users exchange signed mail; some 50 MB, and 400 MB
            // where every one of them sends as much as is taken.
            addresses: 10_000,
        }
    }
}

fn retry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    // Tenfold is 100 minutes: mail that waits for four hours must be tried within them.
    const MOST: u64 = 600;
    match u64::deserialize(deserializer)? {
        seconds @ 1..=MOST => Ok(Duration::from_secs(seconds)),
        other => Err(D::Error::custom(format!(
            "{other} seconds are no time to leave a source alone: write a number from 1 to {MOST}"
        ))),
    }
}

/// All of them are in memory, some 5 kB each, 36 KiB at most.
fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    const MOST: usize = 1_000_000;
    match usize::deserialize(deserializer)? {
        addresses @ 1..=MOST => Ok(addresses),
        other => Err(D::Error::custom(format!(
            "{other} addresses: write a number from 1 to {MOST}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_could_not_answer_is_asked_again_within_ten_minutes() {
        let read = |text: &str| toml::from_str::<CertificateSources>(text);
        assert_eq!(read("").unwrap().retry, Duration::from_secs(60));
        assert_eq!(read("retry = 600").unwrap().retry, Duration::from_secs(600));
        for retry in ["retry = 0", "retry = 601"] {
            let error = read(retry).unwrap_err();
            assert!(error.message().contains("from 1 to 600"), "{error}");
        }
    }
}
