//! `[partner."domain"]`: what was agreed with a domain, for it and for its subdomains.

use std::collections::BTreeMap;
use std::fmt;

use super::error::PolicyFileError;
use super::facts::LookupSource;
use super::lookup;
use super::lookup::ChangeBy;
use super::rule::reference;
use super::table::Entry;
use super::table::Table;
use crate::address::Domain;
use crate::octets::hex;
use crate::x509::Certificate;

/// What was agreed with a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Its domain.
    pub domain: Domain,
    /// The only certificates with which its gateway signs; empty where any of a good path will do.
    pub certificates: Vec<Fingerprint>,
    /// The certificate of its domain confidentiality authority.
    pub dca: Option<PinnedCertificate>,
    /// Whether the names of RFC 3183 §2.3.1 in its certificates' CN are accepted (draft §2.6).
    pub old_naming: bool,
    /// Whether CBC content that it sends unsigned is delivered in clear (DESIGN, decision 4).
    pub trust_cbc_unsigned: bool,
    /// The name of the profile for mail to it.
    pub profile: Option<String>,
    /// Where it publishes certificates. These sources and no others are asked for its addresses, and that one has none,
    /// or does not answer, is not *absent*.
    pub sources: Option<Vec<LookupSource>>,
    /// Who may change the key of an address of it; else as `[lookup]` says.
    pub change_by: Option<Vec<ChangeBy>>,
}

/// A certificate that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinnedCertificate {
    /// A file, as the policy names it: relative to the policy file.
    File(String),
    /// The one with this fingerprint, wherever it is found.
    Fingerprint(Fingerprint),
}

/// The SHA-256 digest of a certificate's DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// That of `certificate`.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        Self(*certificate.sha256())
    }

    /// 64 hex digits, with or without colons between octets, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.replace(':', "");
        let octets = super::attributes::octets(&digits)?;
        octets.try_into().ok().map(Self)
    }

    /// Whether it is that of `certificate`.
    #[must_use]
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        self.0 == *certificate.sha256()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Partner {
    /// Reads every table of `[partner]`, by domain; `profiles` are the names that there are.
    pub(super) fn read_all(
        entry: &Entry<'_, '_>,
        profiles: &[&str],
    ) -> Result<BTreeMap<String, Self>, PolicyFileError> {
        let all = entry.names("[partner]")?;
        let mut partners = BTreeMap::new();
        for (entry, name, offset) in all.named() {
            let bad = |reason: String| all.bad_name(offset, name, reason);
            let domain = Domain::parse(name).map_err(|error| bad(error.to_string()))?;
            if domain.is_literal() {
                return Err(bad("an address literal is no domain".to_owned()));
            }
            let key = domain.as_str().to_owned();
            let table = entry.table(format!("[partner.{name:?}]"), KEYS)?;
            let partner = Self::read(&table, domain, profiles)?;
            if let Some(other) = partners.insert(key, partner) {
                return Err(bad(format!("{} has an entry already", other.domain)));
            }
        }
        Ok(partners)
    }

    fn read(
        table: &Table<'_, '_>,
        domain: Domain,
        profiles: &[&str],
    ) -> Result<Self, PolicyFileError> {
        let mut certificates = Vec::new();
        if let Some(entry) = table.get("certificates") {
            for element in entry.list(CERTIFICATES)? {
                let pinned = Fingerprint::parse(element.text()?);
                certificates.push(pinned.ok_or_else(|| {
                    element.bad("a fingerprint is the SHA-256 of the certificate: 64 hex digits")
                })?);
            }
        }
        Ok(Self {
            domain,
            certificates,
            dca: table.get("dca").map(|entry| dca(&entry)).transpose()?,
            old_naming: table.flag("old_naming")?,
            trust_cbc_unsigned: table.flag("trust_cbc_unsigned")?,
            profile: reference(table, "profile", profiles.iter().copied())?,
            sources: lookup::sources(table, "sources")?,
            change_by: lookup::change_by(table)?,
        })
    }
}

fn dca(entry: &Entry<'_, '_>) -> Result<PinnedCertificate, PolicyFileError> {
    let text = entry.text()?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(entry.bad("write the name of a certificate's file, or its fingerprint"));
    }
    Ok(match Fingerprint::parse(text) {
        Some(fingerprint) => PinnedCertificate::Fingerprint(fingerprint),
        None => PinnedCertificate::File(text.to_owned()),
    })
}

const KEYS: &[&str] = &[
    "certificates",
    "dca",
    "old_naming",
    "trust_cbc_unsigned",
    "profile",
    "sources",
    "change_by",
];
/// Certificates of one partner: two in a change of keys, for each of a handful of gateways.
const CERTIFICATES: usize = 64;
