//! The configuration file: what it says, with file, line and column where it cannot be read.
//!
//! Paths in it are relative to the file. [`build`] opens what it names.

pub mod build;
pub mod ldap;
pub mod lookup;
mod service;
pub mod sources;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::cms::attributes::SignatureTypeOid;
use crate::mime::authentication_results::AuthservId;
use crate::policy::error::Place;
use crate::x509::path::RevocationMode;

use ldap::LdapEntry;
use lookup::CertificateSources;
use lookup::DnsSettings;
use lookup::HarvestSettings;
use lookup::RemoteSettings;
use lookup::ServerAnchors;
use lookup::SmimeaSettings;

pub use service::Listen;
pub use service::Log;
pub use service::MilterListener;
pub use service::Owner;
pub use service::Reinject;
pub use service::ReinjectTls;
pub use service::ServiceLimits;
pub use service::Socket;
pub use service::SocketError;
pub use service::SpoolSettings;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says something that we do not understand.
    #[error("{}:{place}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong, and what is accepted.
        reason: String,
    },
}

/// A configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Our own domains. Mail to an address in one of them may be decrypted; subdomains are listed
    /// for themselves.
    #[serde(deserialize_with = "parsed_list")]
    pub domains: Vec<Domain>,
    /// Our name in Authentication-Results (RFC 8601 §2.5); best the host's name.
    #[serde(deserialize_with = "authserv_id")]
    pub authserv_id: AuthservId,
    /// The policy file. Default: the policy that is compiled in.
    pub policy: Option<PathBuf>,
    /// Whether decisions are carried out. Default `enforce`.
    #[serde(default)]
    pub mode: Mode,
    /// Under which identifier SignatureType is written: `registered` (default), or `draft` for
    /// readers that know the draft's misprint alone.
    #[serde(default, deserialize_with = "type_oid")]
    pub signature_type_oid: SignatureTypeOid,
    /// The user that a gateway started by root becomes once it has its sockets. Default: it stays
    /// who it is.
    pub user: Option<String>,
    /// The group that it becomes. Default: the user's own.
    pub group: Option<String>,
    /// Our keys.
    #[serde(default, rename = "key")]
    pub keys: Vec<KeyEntry>,
    /// `[trust]`.
    #[serde(default)]
    pub trust: Trust,
    /// `[certificates]`.
    #[serde(default)]
    pub certificates: CertificateSources,
    /// `[[server_anchors]]`: who vouches for the servers of partners.
    #[serde(default)]
    pub server_anchors: Vec<ServerAnchors>,
    /// `[dns]`.
    #[serde(default)]
    pub dns: DnsSettings,
    /// `[smimea]`.
    #[serde(default)]
    pub smimea: SmimeaSettings,
    /// `[mcek]`.
    #[serde(default)]
    pub mcek: RemoteSettings,
    /// `[smtp_cert]`.
    #[serde(default)]
    pub smtp_cert: RemoteSettings,
    /// `[harvest]`.
    #[serde(default)]
    pub harvest: HarvestSettings,
    /// `[[ldap]]`.
    #[serde(default)]
    pub ldap: Vec<LdapEntry>,
    /// `[store]`.
    #[serde(default)]
    pub store: StoreSettings,
    /// `[listen]`.
    #[serde(default)]
    pub listen: Listen,
    /// `[reinject]`.
    #[serde(default)]
    pub reinject: Reinject,
    /// `[limits]`.
    #[serde(default)]
    pub limits: ServiceLimits,
    /// `[spool]`.
    #[serde(default)]
    pub spool: SpoolSettings,
    /// `[log]`.
    #[serde(default)]
    pub log: Log,
    /// Where the file lies: what its paths are relative to.
    #[serde(skip)]
    pub directory: PathBuf,
}

/// `mode`: whether decisions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are made, logged and counted, and nothing is changed.
    Monitor,
}

/// `[[key]]`: one key of ours with its certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// What it is for.
    pub role: Role,
    /// The user, of a delegated key.
    #[serde(default, deserialize_with = "parsed")]
    pub address: Option<Mailbox>,
    /// The certificate, PEM or DER; may hold the chain.
    pub cert: Option<PathBuf>,
    /// The private key, PEM or DER.
    pub key: Option<PathBuf>,
    /// Both in one PKCS#12 file.
    pub p12: Option<PathBuf>,
    /// A key in a token (RFC 7512).
    pub pkcs11: Option<String>,
    /// File whose first line is the password of the key or PKCS#12 file.
    pub password_file: Option<PathBuf>,
    /// Name of the credential, in `$CREDENTIALS_DIRECTORY`, whose first line is that password.
    pub password_credential: Option<String>,
}

/// What a key is for (draft §2, §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Additional attributes signatures.
    Attributes,
    /// Decryption for the domain.
    Dca,
    /// Signatures of one user, by the domain.
    Delegated,
    /// Domain signatures.
    Domain,
    /// Review signatures.
    Reviewer,
}

/// `[trust]`: what is believed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trust {
    /// Certificates that paths may end in.
    pub anchors: Vec<PathBuf>,
    /// Certificates that paths may lead through.
    pub intermediates: Vec<PathBuf>,
    /// Certificate revocation lists.
    pub crls: Vec<PathBuf>,
    /// Clients that are trusted to say who they are. Default none.
    #[serde(deserialize_with = "parsed_list")]
    pub networks: Vec<Network>,
    /// How revocation counts. Default `prefer`.
    #[serde(deserialize_with = "revocation")]
    pub revocation: RevocationMode,
}

/// `[store]`: where what is remembered of other people's certificates lies.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The file. Default: none, and what is remembered ends with the process.
    pub path: Option<PathBuf>,
}

/// Addresses with a common beginning, as `192.0.2.0/24` (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether all addresses of its kind are in it.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether `client` is one of them. An IPv4 address that is mapped into IPv6 is itself.
    #[must_use]
    pub fn contains(&self, client: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let ((own, width), (other, other_width)) = (bits(self.address), bits(client));
        let ignored = width - self.prefix.min(width);
        width == other_width && own.checked_shr(ignored) == other.checked_shr(ignored)
    }
}

/// What is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write an address and the length of its prefix, as 192.0.2.0/24")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let bad = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| bad())?,
            None => width,
        };
        (prefix <= width)
            .then_some(Self { address, prefix })
            .ok_or_else(bad)
    }
}

impl Config {
    /// Every key with what it means and what it is by default, as a configuration file.
    pub const DOCUMENTED: &str = include_str!("default.toml");

    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which is the content of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            ConfigError::Syntax {
                path: path.to_owned(),
                place: Place::of(text, start),
                reason: error.message().to_owned(),
            }
        })?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self {
            directory,
            ..config
        })
    }

    /// A path of the file, relative to the working directory.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn parsed_domain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Domain, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed = texts.iter().map(|text| text.parse());
    parsed.collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn authserv_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AuthservId, D::Error> {
    AuthservId::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn type_oid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignatureTypeOid, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "registered" => Ok(SignatureTypeOid::Registered),
        "draft" => Ok(SignatureTypeOid::Draft),
        other => Err(D::Error::unknown_variant(other, &["registered", "draft"])),
    }
}

fn revocation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RevocationMode, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "require" => Ok(RevocationMode::Require),
        "prefer" => Ok(RevocationMode::Prefer),
        "off" => Ok(RevocationMode::Off),
        other => Err(D::Error::unknown_variant(
            other,
            &["require", "prefer", "off"],
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        domains = ["a.example"]
        authserv_id = "gw.a.example"

        [[key]]
        role = "domain"
        cert = "a-sign.pem"
        key = "a-sign.key"

        [[key]]
        role = "delegated"
        address = "alice@a.example"
        cert = "alice-delegated.pem"
        key = "alice-delegated.key"

        [trust]
        anchors = ["ca.pem"]
        networks = ["127.0.0.0/8"]

        [certificates]
        directory = "recipients"
    "#;

    #[test]
    fn the_least_configuration_is_enough() {
        let config = Config::parse(LEAST, Path::new("etc/domsec.toml")).unwrap();
        assert_eq!(config.keys.len(), 2);
        assert_eq!(config.mode, Mode::Enforce);
        assert_eq!(config.trust.revocation, RevocationMode::Prefer);
        assert_eq!(config.path(Path::new("ca.pem")), Path::new("etc/ca.pem"));
    }

    #[test]
    fn what_is_unknown_is_refused_where_it_stands() {
        for (text, line, says) in [
            ("domains = []\nauthserv_id = 1", 2, "string"),
            ("domains = []\nauthserv_id = \"x\"\ncolour = 1", 3, "colour"),
            ("domains = [\"-\"]\nauthserv_id = \"x\"", 1, "-"),
            (
                "domains = []\nauthserv_id = \"x\"\n[trust]\nnetworks = [\"127/8\"]",
                4,
                "127/8",
            ),
            (
                "domains = []\nauthserv_id = \"x\"\n[trust]\nrevocation = \"no\"",
                4,
                "prefer",
            ),
            (
                "domains = []\nauthserv_id = \"x\"\n[[key]]\nrole = \"king\"",
                4,
                "dca",
            ),
            (
                "domains = []\nauthserv_id = \"x\"\n[log]\nformat = \"xml\"",
                4,
                "text",
            ),
            (
                "domains = []\nauthserv_id = \"x\"\n[reinject]\nstarttls = \"may\"",
                4,
                "require",
            ),
            (
                "domains = []\nauthserv_id = \"x\"\n[harvest]\naddresses = 0",
                4,
                "from 1 to 1000000",
            ),
        ] {
            let error = Config::parse(text, Path::new("f")).unwrap_err();
            let shown = error.to_string();
            assert!(shown.starts_with(&format!("f:{line}:")), "{shown}");
            assert!(shown.contains(says), "{shown}");
        }
    }

    #[test]
    fn a_network_holds_its_own_addresses_and_no_others() {
        for (network, client, want) in [
            ("127.0.0.0/8", "127.1.2.3", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("127.0.0.0/8", "::ffff:127.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "2001:db8::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(
                parsed.contains(client.parse().unwrap()),
                want,
                "{network} {client}"
            );
        }
        assert!("127.0.0.0/33".parse::<Network>().is_err());
        assert!("localhost".parse::<Network>().is_err());
    }
}
