//! `[reinject]`: the server for further editions, and how its connection is protected.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;

use crate::address::Domain;
use crate::config::Config;
use crate::config::ReinjectTls;
use crate::keystore::files;
use crate::keystore::files::FileError;
use crate::limits::Limits;
use crate::serve::journal::Journal;
use crate::serve::journal::JournalError;
use crate::serve::next_hop::Takes;
use crate::serve::site::Reinjection;
use crate::serve::site::seconds_now;
use crate::serve::submission::Settings;
use crate::serve::submission::StartTls;
use crate::serve::submission::Target;
use crate::serve::submission::TargetError;
use crate::serve::submission::Timeouts;

/// Why `[reinject]` cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReinjectError {
    /// A certificate is no authority's.
    #[error("[reinject] anchors: a certificate in {} cannot be an anchor of TLS", path.display())]
    Anchor {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// A file of anchors cannot be read.
    #[error("[reinject] anchors")]
    Anchors(#[source] FileError),
    /// TLS with what nobody uses.
    #[error(
        "[reinject] {0} is of no use without TLS: write starttls = \"require\" beside it, or take it out"
    )]
    InClear(&'static str),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nothing to say in EHLO.
    #[error("authserv_id is no domain and domains is empty: [reinject] needs a name for this host")]
    Name,
    /// TLS without anybody to trust.
    #[error(
        "[reinject] starttls = \"require\" needs anchors: name the file with the certificate of the \
         authority that made the server's"
    )]
    NoAnchors,
    /// The server's name is none.
    #[error("[reinject] server_name = {0:?} is neither a domain nor an IP address")]
    ServerName(String),
    /// `to` is no address.
    #[error("[reinject] to")]
    Target(#[from] TargetError),
    /// TLS cannot be done at all.
    #[error("[reinject] starttls = \"require\": TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The server, and how it is spoken to; `None` where there is none. Opens the files of anchors alone.
pub fn submission(config: &Config) -> Result<Option<(Target, Settings)>, ReinjectError> {
    let start_tls = start_tls(config)?;
    let Some(to) = &config.reinject.to else {
        return Ok(None);
    };
    let target = to.parse()?;
    let settings = Settings {
        name: name(config)?,
        start_tls,
        server_name: server_name(config)?,
        timeouts: Timeouts::default(),
    };
    Ok(Some((target, settings)))
}

/// The same, with the journal.
pub(super) fn reinjection(config: &Config) -> Result<Option<Reinjection>, ReinjectError> {
    let Some((target, settings)) = submission(config)? else {
        return Ok(None);
    };
    let journal = Journal::open(&config.path(&config.reinject.journal), seconds_now())?;
    Ok(Some(Reinjection {
        target,
        settings,
        journal,
        takes: Takes::default(),
    }))
}

fn start_tls(config: &Config) -> Result<StartTls, ReinjectError> {
    let reinject = &config.reinject;
    match reinject.starttls {
        // Who has named an anchor believes that there is TLS.
        ReinjectTls::None if !reinject.anchors.is_empty() => Err(ReinjectError::InClear("anchors")),
        ReinjectTls::None if reinject.server_name.is_some() => {
            Err(ReinjectError::InClear("server_name"))
        }
        ReinjectTls::None => Ok(StartTls::Never),
        ReinjectTls::Require => Ok(StartTls::Required(Arc::new(client(config)?))),
    }
}

/// TLS of a client that believes the anchors and nobody else, not even those of the system.
fn client(config: &Config) -> Result<ClientConfig, ReinjectError> {
    let mut roots = RootCertStore::empty();
    for path in &config.reinject.anchors {
        let path = config.path(path);
        let certificates = files::certificates(&path, &Limits::default());
        for certificate in certificates.map_err(ReinjectError::Anchors)? {
            let der = CertificateDer::from(certificate.der().to_vec());
            let added = roots.add(der);
            added.map_err(|source| ReinjectError::Anchor {
                path: path.clone(),
                source,
            })?;
        }
    }
    if roots.is_empty() {
        return Err(ReinjectError::NoAnchors);
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ReinjectError::Tls)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn server_name(config: &Config) -> Result<Option<ServerName<'static>>, ReinjectError> {
    let parsed = |name: &String| {
        let bad = |_| ReinjectError::ServerName(name.clone());
        ServerName::try_from(name.clone()).map_err(bad)
    };
    config.reinject.server_name.as_ref().map(parsed).transpose()
}

/// Who we say we are in EHLO.
fn name(config: &Config) -> Result<Domain, ReinjectError> {
    let own = config.authserv_id.as_str().parse().ok();
    let first = || config.domains.first().cloned();
    own.or_else(first).ok_or(ReinjectError::Name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::telemetry::logging::chain;

    fn read(reinject: &str) -> Result<Option<(Target, Settings)>, ReinjectError> {
        let text = format!("domains = []\nauthserv_id = 'gw.a.example'\n[reinject]\n{reinject}");
        let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/f");
        submission(&Config::parse(&text, &certs).unwrap())
    }

    #[test]
    fn a_connection_is_in_clear_or_protected_and_nothing_between() {
        let (_, clear) = read("to = 'smtp://127.0.0.1:10026'").unwrap().unwrap();
        assert!(matches!(clear.start_tls, StartTls::Never));
        let (_, protected) = read(
            "to = 'smtp://127.0.0.1:10026'\nstarttls = 'require'\nanchors = ['root.pem']\n\
             server_name = 'mail.a.example'",
        )
        .unwrap()
        .unwrap();
        assert!(matches!(protected.start_tls, StartTls::Required(_)));
        assert_eq!(protected.server_name, "mail.a.example".try_into().ok());
        assert!(read("").unwrap().is_none());
    }

    #[test]
    fn what_would_be_in_clear_against_what_is_meant_is_refused() {
        for (reinject, said) in [
            ("starttls = 'require'", "needs anchors"),
            ("anchors = ['root.pem']", "write starttls = \"require\""),
            (
                "server_name = 'mail.a.example'",
                "write starttls = \"require\"",
            ),
            (
                "starttls = 'require'\nanchors = ['none.pem']",
                "none.pem: could not be read",
            ),
            (
                "to = 'smtp://127.0.0.1'\nstarttls = 'require'\nanchors = ['root.pem']\nserver_name = '-'",
                "\"-\" is neither",
            ),
            ("to = 'imap://127.0.0.1'", "[reinject] to"),
        ] {
            let error = read(reinject).unwrap_err();
            assert!(
                chain(&error).contains(said),
                "{reinject}: {}",
                chain(&error)
            );
        }
    }
}
