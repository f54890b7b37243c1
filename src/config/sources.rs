//! Where other people's certificates are found, as the configuration says. Nothing here connects anywhere.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::Digest as _;
use sha2::Sha256;

use super::Config;
use super::ldap::LdapEntry;
use super::ldap::LdapEntryError;
use super::ldap::Reached;
use super::lookup::Validate;
use crate::address::Domain;
use crate::keystore::files;
use crate::keystore::files::FileError;
use crate::limits::Limits;
use crate::lookup::cache::Cache;
use crate::lookup::cache::Cached;
use crate::lookup::directory::Directory;
use crate::lookup::directory::DirectoryError;
use crate::lookup::dns::Anchors;
use crate::lookup::dns::AnchorsError;
use crate::lookup::dns::Resolver;
use crate::lookup::dns::Validation;
use crate::lookup::harvest::Harvest;
use crate::lookup::http::Https;
use crate::lookup::ldap::Bind;
use crate::lookup::ldap::FilterError;
use crate::lookup::ldap::Ldap;
use crate::lookup::ldap::LdapDirectory;
use crate::lookup::ldap::Servers;
use crate::lookup::ldap::Template;
use crate::lookup::mcek::Mcek;
use crate::lookup::mta_sts::MtaSts;
use crate::lookup::names::Dns;
use crate::lookup::names::NoResolver;
use crate::lookup::ordered::Order;
use crate::lookup::ordered::Ordered;
use crate::lookup::ordered::Unwatched;
use crate::lookup::ordered::Watch;
use crate::lookup::publishers::Remembered;
use crate::lookup::smimea::Smimea;
use crate::lookup::smtp_cert::SmtpCert;
use crate::lookup::source::Source;
use crate::lookup::stream::Connector;
use crate::lookup::stream::Permitted;
use crate::lookup::tls;
use crate::lookup::tls::Roots;
use crate::lookup::tls::RootsError;
use crate::policy::Policy;
use crate::policy::facts::LookupSource;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::x509::Certificate;

/// Why a source cannot be asked as the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Trust anchors of DNSSEC cannot be read.
    #[error(transparent)]
    DnsAnchors(#[from] AnchorsError),
    /// The directory of certificates cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A file of anchors, or a password, cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A filter is none.
    #[error("[[ldap]] number {number}: {key}")]
    Filter {
        /// Which table, counted from 1.
        number: usize,
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        #[source]
        source: FilterError,
    },
    /// What a table of a directory says does not go together.
    #[error("[[ldap]] number {number}")]
    Ldap {
        /// Which table, counted from 1.
        number: usize,
        /// What is wrong, and what to write.
        #[source]
        source: LdapEntryError,
    },
    /// The policy names a source that the configuration does not have.
    #[error(
        "the policy says that {domain} publishes certificates in {source_name}, and the configuration does not have that \
         source: enable it, or leave it out of the partner's sources"
    )]
    NotThere {
        /// The partner.
        domain: Domain,
        /// The source.
        source_name: &'static str,
    },
    /// What learns from mail is there from the start or not at all.
    #[error(
        "[harvest] enabled is read at the start: restart domsec, and not reload it, to switch it on"
    )]
    NotBegun,
    /// Mail exchangers want to know who asks.
    #[error(
        "[smtp_cert] is enabled, authserv_id is no host's name, and domains is empty: write one of them"
    )]
    OwnName,
    /// Who vouches for servers cannot be set up.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Names must be asked for somewhere.
    #[error(
        "[dns] servers is empty, and {0} asks for names: write a resolver, as servers = [\"127.0.0.1:53\"]"
    )]
    Servers(&'static str),
}

/// What outlives a configuration that is read anew.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What is remembered of other people's certificates.
    pub store: Arc<dyn Store>,
    /// What sources answered of late; without one they are asked each time.
    pub cache: Option<Arc<Cache>>,
    /// What mail has taught; `None` where the configuration did not have that source when the process began.
    pub harvest: Option<Arc<Harvest>>,
    /// Who hears what searches come to.
    pub watch: Arc<dyn Watch>,
}

impl Default for Surroundings {
    /// Nothing is kept, and nobody hears.
    fn default() -> Self {
        Self {
            store: Arc::new(MemoryStore::default()),
            cache: None,
            harvest: Some(Arc::new(Harvest::empty())),
            watch: Arc::new(Unwatched),
        }
    }
}

/// All sources of `config`, as `policy` orders them.
pub(super) fn sources(
    config: &Config,
    policy: &Policy,
    limits: &Limits,
    surroundings: &Surroundings,
) -> Result<Ordered, SourceError> {
    let settings = &config.certificates;
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    // Always there: it has nothing where there is no folder, and says so.
    sources.push(Arc::new(match &settings.directory {
        Some(path) => Directory::open(&config.path(path), limits)?,
        None => Directory::default(),
    }));
    let number = number_of(config);
    for source in remote(config, limits)? {
        sources.push(match &surroundings.cache {
            Some(cache) => {
                let cached = Cached::new(source, Arc::clone(cache), number);
                Arc::new(cached.with_retry(settings.retry))
            }
            None => Arc::new(Remembered::new(source, Arc::clone(&surroundings.store))),
        });
    }
    let harvest = harvest(config, surroundings)?;
    // Not behind the cache: it is in memory as that is.
    if let Some(harvest) = &harvest {
        sources.push(Arc::<Harvest>::clone(harvest));
    }
    check_partners(policy, &sources)?;
    Ok(Ordered {
        sources,
        order: Order::of(policy),
        store: Arc::clone(&surroundings.store),
        patience: settings.patience,
        watch: Arc::clone(&surroundings.watch),
        harvest,
    })
}

/// What learns from mail, where it is to be a source.
fn harvest(
    config: &Config,
    surroundings: &Surroundings,
) -> Result<Option<Arc<Harvest>>, SourceError> {
    match &surroundings.harvest {
        _ if !config.harvest.enabled => Ok(None),
        Some(harvest) => Ok(Some(Arc::clone(harvest))),
        None => Err(SourceError::NotBegun),
    }
}

/// A partner whose source is missing would be absent, and its mail leave in clear.
fn check_partners(policy: &Policy, sources: &[Arc<dyn Source>]) -> Result<(), SourceError> {
    let is_there = |wanted: LookupSource| sources.iter().any(|source| source.name() == wanted);
    for partner in policy.partners() {
        let mut named = partner.sources.iter().flatten();
        if let Some(missing) = named.find(|wanted| !is_there(**wanted)) {
            return Err(SourceError::NotThere {
                domain: partner.domain.clone(),
                source_name: missing.as_str(),
            });
        }
    }
    Ok(())
}

/// Those that ask servers of others.
fn remote(config: &Config, limits: &Limits) -> Result<Vec<Arc<dyn Source>>, SourceError> {
    let mut sources: Vec<Arc<dyn Source>> = Vec::new();
    let (smimea, mcek, smtp) = (&config.smimea, &config.mcek, &config.smtp_cert);
    let wanted = [
        (smimea.enabled, "[smimea]"),
        (mcek.enabled, "[mcek]"),
        (smtp.enabled, "[smtp_cert]"),
        // The system knows where a directory is that has a url, as it knows of all servers of ours.
        (
            config.ldap.iter().any(LdapEntry::is_discovered),
            "[[ldap]] without url",
        ),
    ];
    let dns: Arc<dyn Dns> = match wanted.into_iter().find(|(enabled, _)| *enabled) {
        Some((_, first)) => dns(config, first)?,
        None => Arc::new(NoResolver),
    };
    let networks = config.certificates.networks.iter();
    let connector = Connector {
        dns: Arc::clone(&dns),
        permitted: Permitted::new(networks.map(|network| (network.address, network.prefix))),
    };
    if smimea.enabled {
        let source = Smimea::new(dns);
        let source = if smimea.former_names {
            source.with_former_names()
        } else {
            source
        };
        sources.push(Arc::new(source));
    }
    if mcek.enabled || smtp.enabled {
        let roots = roots(config, limits)?;
        let https = Https {
            connector: connector.clone(),
            roots: roots.clone(),
        };
        let sts = MtaSts::new(https.clone());
        if mcek.enabled {
            sources.push(Arc::new(Mcek {
                https,
                sts: sts.clone(),
                limits: *limits,
                timeout: mcek.timeout,
            }));
        }
        if smtp.enabled {
            sources.push(Arc::new(SmtpCert {
                connector: connector.clone(),
                roots,
                sts,
                name: own_name(config)?,
                limits: *limits,
                timeout: smtp.timeout,
            }));
        }
    }
    if !config.ldap.is_empty() {
        let mut directories = Vec::new();
        for (number, entry) in (1..).zip(&config.ldap) {
            directories.push(directory(config, entry, number, limits)?);
        }
        sources.push(Arc::new(Ldap::new(directories, connector, *limits)));
    }
    Ok(sources)
}

fn dns(config: &Config, who: &'static str) -> Result<Arc<dyn Dns>, SourceError> {
    let settings = &config.dns;
    let validation = match settings.validate {
        Validate::Own if settings.anchors.is_empty() => Validation::Own {
            anchors: Anchors::root(),
        },
        Validate::Own => {
            let files: Vec<PathBuf> = settings
                .anchors
                .iter()
                .map(|path| config.path(path))
                .collect();
            Validation::Own {
                anchors: Anchors::of_files(&files)?,
            }
        }
        Validate::Resolver => Validation::Resolver,
    };
    let resolver = Resolver::new(settings.servers.clone(), validation);
    Ok(Arc::new(resolver.map_err(|_| SourceError::Servers(who))?))
}

fn roots(config: &Config, limits: &Limits) -> Result<Roots, SourceError> {
    let public = config.path(&config.certificates.public_anchors);
    let mut roots = Roots::new(&files::certificates(&public, limits)?)?;
    for partner in &config.server_anchors {
        let anchors = certificates(config, &partner.files, limits)?;
        roots = roots.with_partner(partner.domain.clone(), &anchors)?;
    }
    Ok(roots)
}

/// The certificates in those files.
pub(super) fn certificates(
    config: &Config,
    paths: &[PathBuf],
    limits: &Limits,
) -> Result<Vec<Certificate>, FileError> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(files::certificates(&config.path(path), limits)?);
    }
    Ok(all)
}

fn directory(
    config: &Config,
    entry: &LdapEntry,
    number: usize,
    limits: &Limits,
) -> Result<LdapDirectory, SourceError> {
    let reached = entry.reached();
    let servers = match reached.map_err(|source| SourceError::Ldap { number, source })? {
        Reached::At { url, bind } => Servers::At {
            url,
            bind: match bind {
                Some((dn, path)) => Some(Bind {
                    dn: dn.to_owned(),
                    password: files::password(&config.path(path))?,
                }),
                None => None,
            },
        },
        Reached::Discovered => Servers::Discovered,
    };
    let public = [config.certificates.public_anchors.clone()];
    let anchors = if entry.anchors.is_empty() {
        public.as_slice()
    } else {
        &entry.anchors
    };
    let filter = |key, read: fn(&str) -> Result<Template, FilterError>, text: &str| {
        read(text).map_err(|source| SourceError::Filter {
            number,
            key,
            source,
        })
    };
    Ok(LdapDirectory {
        servers,
        domains: entry.domains.clone(),
        base: entry.base.clone(),
        tls: tls::client(&certificates(config, anchors, limits)?)?,
        filter: filter("filter", Template::for_recipients, &entry.filter)?,
        dca_filter: filter("dca_filter", Template::for_authorities, &entry.dca_filter)?,
    })
}

/// Who we say we are: our name in Authentication-Results, which is best the host's.
fn own_name(config: &Config) -> Result<Domain, SourceError> {
    let name = config.authserv_id.as_str().parse().ok();
    name.or_else(|| config.domains.first().cloned())
        .ok_or(SourceError::OwnName)
}

/// Another number whenever a source would be asked in another way: what was kept counts no longer.
fn number_of(config: &Config) -> u64 {
    let settings = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        config.certificates,
        config.server_anchors,
        config.dns,
        config.smimea,
        config.mcek,
        config.smtp_cert,
        config.ldap
    );
    let mut digest = Sha256::new();
    digest.update(settings);
    // Another certificate in the same file is another answer. What cannot be read has been reported by now.
    let partners = config.server_anchors.iter().flat_map(|one| &one.files);
    let directories = config.ldap.iter().flat_map(|one| &one.anchors);
    let public = [&config.certificates.public_anchors];
    let files = partners.chain(directories).chain(public);
    for path in files.chain(&config.dns.anchors) {
        digest.update(fs::read(config.path(path)).unwrap_or_default());
    }
    digest
        .finalize()
        .first_chunk()
        .map_or(0, |octets| u64::from_be_bytes(*octets))
}
