//! `[[ldap]]`: one directory, and whether what its table says goes together.

use std::path::PathBuf;

use serde::Deserialize;

use super::parsed_list;
use crate::address::Domain;
use crate::lookup::ldap::AUTHORITY_FILTER;
use crate::lookup::ldap::LdapUrl;
use crate::lookup::ldap::LdapUrlError;
use crate::lookup::ldap::RECIPIENT_FILTER;

/// `[[ldap]]`: one directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapEntry {
    /// `ldaps://HOST`, or `ldap://HOST` with StartTLS. Without one each domain is asked where its own directory is.
    pub url: Option<String>,
    /// The domains that it is asked for, with those beneath them. Default: all.
    #[serde(default, deserialize_with = "parsed_list")]
    pub domains: Vec<Domain>,
    /// Where entries are; only with `url` or `domains`. Default: made of the domain.
    pub base: Option<String>,
    /// As whom we ask. Default: as nobody.
    pub bind_dn: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// Authorities that vouch for the server. Default: those of everybody.
    #[serde(default)]
    pub anchors: Vec<PathBuf>,
    /// Whether the server, which must be on this machine, is asked without TLS.
    #[serde(default)]
    pub in_clear: bool,
    /// The filter for a recipient.
    #[serde(default = "recipient_filter")]
    pub filter: String,
    /// The filter for a domain's authority.
    #[serde(default = "authority_filter")]
    pub dca_filter: String,
}

/// Where a table sends its searches, and as whom.
#[derive(Debug)]
pub enum Reached<'a> {
    /// To one server.
    At {
        /// Where it listens.
        url: LdapUrl,
        /// The name, and the file with the password.
        bind: Option<(&'a str, &'a PathBuf)>,
    },
    /// To those that SRV records of each domain name.
    Discovered,
}

/// Why a table cannot be followed, and what to write.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LdapEntryError {
    /// One base for the directories of everybody.
    #[error(
        "base is that of one directory, and without url and domains those of all domains are asked: write either, or \
         take out base"
    )]
    BaseOfAll,
    /// A name without its password, or the other way round.
    #[error("bind_dn and password_file belong together: write both, or none")]
    BindInPart,
    /// TLS is left out for servers of others.
    #[error(
        "in_clear without url: only a server on this machine is asked without TLS: write its url"
    )]
    InClear,
    /// TLS is left out for a server that is not here.
    #[error("{0}: write in_clear = false")]
    InClearElsewhere(LdapUrlError),
    /// A password would go out in clear.
    #[error(
        "{0}: the password of bind_dn goes there in clear, to whatever process listens: write in_clear = false, or take \
         out bind_dn and password_file"
    )]
    PasswordInClear(String),
    /// A password for servers of others.
    #[error(
        "without url each domain is asked where its own directory is, and no password goes there: write url, or take \
         out bind_dn and password_file"
    )]
    PasswordForAll,
    /// The place is none.
    #[error("url: write ldaps://HOST or ldap://HOST")]
    Url(#[source] LdapUrlError),
}

impl LdapEntry {
    /// Whether each domain is asked where its own directory is, in DNS.
    pub const fn is_discovered(&self) -> bool {
        self.url.is_none()
    }

    /// Where it sends its searches; no file is read.
    pub fn reached(&self) -> Result<Reached<'_>, LdapEntryError> {
        let bind = match (self.bind_dn.as_deref(), &self.password_file) {
            (None, None) => None,
            (Some(dn), Some(path)) => Some((dn, path)),
            (Some(_), None) | (None, Some(_)) => return Err(LdapEntryError::BindInPart),
        };
        let Some(url) = &self.url else {
            return if bind.is_some() {
                Err(LdapEntryError::PasswordForAll)
            } else if self.in_clear {
                Err(LdapEntryError::InClear)
            } else if self.base.is_some() && self.domains.is_empty() {
                Err(LdapEntryError::BaseOfAll)
            } else {
                Ok(Reached::Discovered)
            };
        };
        let url = LdapUrl::parse(url).map_err(LdapEntryError::Url)?;
        if !self.in_clear {
            return Ok(Reached::At { url, bind });
        }
        let shown = url.to_string();
        let url = url.in_clear().map_err(LdapEntryError::InClearElsewhere)?;
        match bind {
            Some(_) => Err(LdapEntryError::PasswordInClear(shown)),
            None => Ok(Reached::At { url, bind }),
        }
    }
}

fn recipient_filter() -> String {
    RECIPIENT_FILTER.to_owned()
}

fn authority_filter() -> String {
    AUTHORITY_FILTER.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let password = "bind_dn = \"cn=a\"\npassword_file = \"password\"\n";
        for (table, wanted) in [
            ("bind_dn = \"cn=a\"", LdapEntryError::BindInPart),
            ("password_file = \"password\"", LdapEntryError::BindInPart),
            (password, LdapEntryError::PasswordForAll),
            ("in_clear = true", LdapEntryError::InClear),
            ("base = \"o=B\"", LdapEntryError::BaseOfAll),
            (
                &format!("url = \"ldap://127.0.0.1\"\nin_clear = true\n{password}"),
                LdapEntryError::PasswordInClear("ldap://127.0.0.1:389".to_owned()),
            ),
            (
                "url = \"dir.b.example\"",
                LdapEntryError::Url(LdapUrl::parse("dir.b.example").unwrap_err()),
            ),
            (
                "url = \"ldap://192.0.2.1\"\nin_clear = true",
                LdapEntryError::InClearElsewhere(
                    LdapUrl::parse("ldap://192.0.2.1")
                        .unwrap()
                        .in_clear()
                        .unwrap_err(),
                ),
            ),
        ] {
            let entry: LdapEntry = toml::from_str(table).unwrap();
            assert_eq!(entry.reached().unwrap_err(), wanted, "{table}");
        }
    }

    #[test]
    fn what_goes_together_says_where_and_as_whom() {
        let entry = |table: &str| toml::from_str::<LdapEntry>(table).unwrap();
        for discovered in ["", "domains = [\"b.example\"]\nbase = \"o=B\""] {
            let entry = entry(discovered);
            assert!(
                matches!(entry.reached(), Ok(Reached::Discovered)),
                "{discovered}"
            );
        }
        for (table, as_whom) in [
            ("url = \"ldaps://dir.b.example\"\nbase = \"o=B\"", None),
            ("url = \"ldap://127.0.0.1\"\nin_clear = true", None),
            (
                "url = \"ldap://dir.b.example\"\nbind_dn = \"cn=a\"\npassword_file = \"password\"",
                Some(("cn=a", &PathBuf::from("password"))),
            ),
        ] {
            let entry = entry(table);
            let Ok(Reached::At { bind, .. }) = entry.reached() else {
                panic!("{table}");
            };
            assert_eq!(bind, as_whom, "{table}");
        }
    }
}
