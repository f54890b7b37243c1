//! Certificates in LDAP directories: the recipient's entry, and that of the domain's authority (draft §4.1).
//!
//! What speaks LDAP is our own (`message`): a directory may be a stranger's, and a client library that takes
//! messages of any size, or ends in a panic where one is malformed, is not for strangers.

mod attribute;
mod base;
mod connection;
mod discovery;
pub mod filter;
mod link;
pub mod message;
mod pool;
mod session;
mod several;
mod underway;
mod url;

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::join_all;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;

pub use connection::Bind;
pub use filter::FilterError;
pub use filter::Template;
pub use url::LdapUrl;
pub use url::LdapUrlError;

use base::Base;
use connection::Failure;
use connection::Server;
use connection::Step;
use discovery::Directories;
use filter::Filter;
use link::Link;
use pool::Pool;
use several::Several;
use underway::Entries;
use underway::Search;
use url::Security;

use super::blob;
use super::share::share;
use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use super::stream::ConnectFailure;
use super::stream::Connector;
use super::words;
use crate::address::Domain;
use crate::crypto::SystemRandomness;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::policy::facts::LookupSource;
use crate::x509::Certificate;

/// Finds the entry that has the address (RFC 4524 §2.16).
pub const RECIPIENT_FILTER: &str = "(mail={address})";

/// Finds the authority's entry by the names of RFC 3183 §4.1, since a directory cannot be searched for those of draft
/// §2.6, which are inside the certificate.
pub const AUTHORITY_FILTER: &str =
    "(&(cn=domain-confidentiality-authority)(mail=domain-confidentiality-authority@{domain}))";

/// Domains above one that are asked for: a DCA's may be that of any of them (draft §2.6).
const MOST_ASCENDANTS: usize = 8;

/// Connections to discovered directories at once.
const MOST_STRANGERS: usize = 16;

/// One directory, or those that domains name themselves.
#[derive(Clone, Debug)]
pub struct LdapDirectory {
    /// Where it is.
    pub servers: Servers,
    /// The domains that it is asked for, with what is under them; all domains where there is none.
    pub domains: Vec<Domain>,
    /// The distinguished name beneath which entries are. `None` makes it of the domain (RFC 2247 §2).
    pub base: Option<String>,
    /// The anchors, and whatever else TLS needs.
    pub tls: Arc<ClientConfig>,
    /// Finds a recipient's entry. The usual one is [`RECIPIENT_FILTER`].
    pub filter: Template,
    /// Finds the entry of a domain's authority. The usual one is [`AUTHORITY_FILTER`].
    pub dca_filter: Template,
}

/// Where a directory is.
#[derive(Clone, Debug)]
pub enum Servers {
    /// At this place.
    At {
        /// The place.
        url: LdapUrl,
        /// Our name and password there; nobody's without.
        bind: Option<Bind>,
    },
    /// Where the domain that is asked for says: SRV `_ldap._tcp` (RFC 2782). No password goes there, and TLS is begun
    /// before anything is asked.
    Discovered,
}

/// All directories.
#[derive(Debug)]
pub struct Ldap {
    directories: Vec<Directory>,
    connector: Connector,
    limits: Limits,
    strangers: Semaphore,
}

#[derive(Debug)]
struct Directory {
    settings: LdapDirectory,
    /// The connections to a configured one; a discovered one has a connection of its own for each search.
    pool: Option<Pool>,
}

impl Ldap {
    /// Those directories. Nothing is connected to before something is asked.
    ///
    /// The addresses of a configured directory come from the system, as those of any server of ours; those of a
    /// discovered one from `connector`, which connects to no network of ours.
    #[must_use]
    pub fn new(directories: Vec<LdapDirectory>, connector: Connector, limits: Limits) -> Self {
        let directories = directories.into_iter().map(|settings| Directory {
            pool: settings.pool(),
            settings,
        });
        Self {
            directories: directories.collect(),
            connector,
            limits,
            strangers: Semaphore::const_new(MOST_STRANGERS),
        }
    }

    /// Asks one directory.
    async fn ask_one(
        &self,
        directory: &Directory,
        question: &Question,
        until: Instant,
    ) -> Answered {
        let settings = &directory.settings;
        let result = match &directory.pool {
            Some(pool) => self.search_at(directory, pool, question, until).await,
            None => self.search_discovered(settings, question, until).await,
        };
        let authentication = settings.authentication(question.subject.domain());
        let found = match result {
            Ok(found) => found,
            Err(said) => return Answered::without(said, authentication),
        };
        let provenance = Provenance {
            source: LookupSource::Ldap,
            authentication,
            seen: question.now,
        };
        read(&found, provenance, &self.limits)
    }

    async fn search_at(
        &self,
        directory: &Directory,
        pool: &Pool,
        question: &Question,
        until: Instant,
    ) -> Result<Entries, Said> {
        let searches = directory.settings.searches(question);
        let searches = searches.into_iter().map(async |(base, filter)| {
            let search = self.search(&base, filter, false, until);
            found_beneath(&base, pool.search(&search).await, pool.url())
        });
        let mut all = Several::default();
        for searched in join_all(searches).await {
            all.add(searched.map_err(Said::Unavailable));
        }
        all.together()
    }

    /// Asks the directories that the domain names, and for its authority those of the domains above it.
    async fn search_discovered(
        &self,
        settings: &LdapDirectory,
        question: &Question,
        until: Instant,
    ) -> Result<Entries, Said> {
        let Ok(Ok(_turn)) = timeout_at(until, self.strangers.acquire()).await else {
            return Err(unavailable(Step::Wait));
        };
        let mut all = Several::default();
        let names = match &question.subject {
            Owner::Dca(domain) => ascendants(domain),
            Owner::Recipient(mailbox) => vec![mailbox.domain().clone()],
        };
        let number = names.len();
        for (index, name) in names.into_iter().enumerate() {
            let until = share(until, number - index);
            let dns = &*self.connector.dns;
            let directories = Directories::of(dns, &name, &SystemRandomness);
            all.add(match timeout_at(until, directories).await {
                Ok(Ok(directories)) => {
                    let place = (&name, &directories);
                    self.search_servers(settings, place, question, until).await
                }
                Ok(Err(failure)) => Err(Said::Unavailable(failure.to_string())),
                Err(_) => Err(unavailable(Step::Resolve)),
            });
        }
        all.together()
    }

    /// Asks the servers of one domain, until one answers. The error is what it counts as that none does.
    async fn search_servers(
        &self,
        settings: &LdapDirectory,
        (name, directories): (&Domain, &Directories),
        question: &Question,
        until: Instant,
    ) -> Result<Entries, Said> {
        let mut missing = match directories.secure {
            true => Missing::Denied,
            false => Missing::InsecureAnswer,
        };
        let mut reason = format!("{} names no directory", name.as_str());
        let mut failed = None;
        let number = directories.servers.len();
        for (index, (target, port)) in directories.servers.iter().enumerate() {
            let until = share(until, number - index);
            match self.connector.connect(target, *port, until).await {
                Ok(connected) => {
                    // An SRV record that anybody could have written must not choose the name (RFC 6125 §6.2.1).
                    let of = if directories.secure { target } else { name };
                    let server = Server {
                        name: format!("{}:{port}", target.as_str()),
                        security: match *port {
                            url::LDAPS => Security::Tls,
                            _ => Security::StartTls,
                        },
                        server_name: ServerName::try_from(of.as_str().to_owned()).ok(),
                        tls: Arc::clone(&settings.tls),
                        bind: None,
                    };
                    let search = settings.search_for(question, name);
                    match self
                        .search_once(connected.stream, server, search, until)
                        .await
                    {
                        Ok(found) => return Ok(found),
                        Err(reason) => failed = Some(reason),
                    }
                }
                Err(failure) => match failure {
                    ConnectFailure::NoHost { .. } if !directories.secure => {
                        (missing, reason) = (Missing::NoHost, failure.to_string());
                    }
                    ConnectFailure::NotListening { silent: false, .. } if !directories.secure => {
                        (missing, reason) = (Missing::NotListening, failure.to_string());
                    }
                    // Who says with DNSSEC that there is a directory has one; and silence is no answer.
                    ConnectFailure::NoHost { .. }
                    | ConnectFailure::NotListening { .. }
                    | ConnectFailure::Unavailable { .. } => failed = Some(failure.to_string()),
                },
            }
        }
        match failed {
            Some(reason) => Err(Said::Unavailable(reason)),
            None => Err(missing.said(question, reason)),
        }
    }

    async fn search_once(
        &self,
        stream: TcpStream,
        server: Server,
        (base, filter): (Base, Filter),
        until: Instant,
    ) -> Result<Entries, String> {
        let name = server.name.clone();
        let connected = std::future::ready(Ok(stream));
        let link = Link::open(|_| connected, Arc::new(server), Arc::default(), until);
        // Nobody else searches there: page by page at once.
        let search = self.search(&base, filter, true, until);
        found_beneath(&base, link.search_alone(search).await, &name)
    }

    fn search(&self, base: &Base, filter: Filter, paged: bool, deadline: Instant) -> Search {
        Search {
            base: base.name.clone(),
            filter,
            most_values: self.limits.certificates,
            paged,
            deadline,
        }
    }
}

impl Source for Ldap {
    fn name(&self) -> LookupSource {
        LookupSource::Ldap
    }

    fn covers(&self, subject: Subject<'_>) -> bool {
        let domain = match subject {
            Subject::Dca(domain) => domain,
            Subject::Recipient(mailbox) => mailbox.domain(),
        };
        let mut directories = self.directories.iter();
        directories.any(|directory| directory.settings.covers(domain))
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        Box::pin(async move {
            let domain = question.subject.domain();
            let covering = self.directories.iter();
            let covering = covering.filter(|directory| directory.settings.covers(domain));
            let covering: Vec<&Directory> = covering.collect();
            let mut answers = Vec::new();
            let number = covering.len();
            for (index, directory) in covering.into_iter().enumerate() {
                let until = share(question.deadline, number - index);
                answers.push(self.ask_one(directory, question, until).await);
            }
            together(answers)
        })
    }
}

impl LdapDirectory {
    /// The connections to it, none of which is made yet, where it is configured.
    fn pool(&self) -> Option<Pool> {
        let Servers::At { url, bind } = &self.servers else {
            return None;
        };
        let server = Server {
            name: url.to_string(),
            security: url.security,
            server_name: url.server_name(),
            tls: Arc::clone(&self.tls),
            bind: bind.clone(),
        };
        Some(Pool::new(url.clone(), server))
    }

    fn covers(&self, domain: &Domain) -> bool {
        !domain.is_literal() && (self.domains.is_empty() || self.is_of(domain))
    }

    fn is_of(&self, domain: &Domain) -> bool {
        self.domains
            .iter()
            .any(|named| domain.is_or_is_under(named))
    }

    /// What says that a certificate in it is its subject's.
    fn authentication(&self, domain: &Domain) -> Authentication {
        match &self.servers {
            Servers::At { url, bind: Some(_) }
                if url.security != Security::Clear && self.is_of(domain) =>
            {
                Authentication::Bind
            }
            Servers::At { .. } | Servers::Discovered => Authentication::None,
        }
    }

    /// Each search for the entries of a subject.
    fn searches(&self, question: &Question) -> Vec<(Base, Filter)> {
        let domain = question.subject.domain();
        match (&question.subject, &self.base) {
            (Owner::Recipient(_), _) => vec![self.search_for(question, domain)],
            // All in one, beneath one base.
            (Owner::Dca(_), Some(_)) => {
                let names = ascendants(domain);
                let filters = names.iter().map(|name| self.dca_filter.of_domain(name));
                let (base, _) = self.search_for(question, domain);
                vec![(base, Filter::Or(filters.collect()))]
            }
            (Owner::Dca(_), None) => {
                let names = ascendants(domain);
                let searches = names.iter().map(|name| self.search_for(question, name));
                searches.collect()
            }
        }
    }

    /// The search for the entries of a subject, or of its authority by the name of a domain above it.
    fn search_for(&self, question: &Question, name: &Domain) -> (Base, Filter) {
        let expected = question.expected.is_expected();
        let asked = (question.subject.domain(), expected);
        let base = Base::of(name, asked, (self.base.as_deref(), &self.domains));
        let filter = match &question.subject {
            Owner::Recipient(mailbox) => self.filter.of_recipient(mailbox),
            Owner::Dca(_) => self.dca_filter.of_domain(name),
        };
        (base, filter)
    }
}

/// What one directory says.
#[derive(Debug)]
struct Answered {
    said: Said,
    candidates: Vec<Candidate>,
    authentication: Authentication,
}

impl Answered {
    const fn without(said: Said, authentication: Authentication) -> Self {
        Self {
            said,
            candidates: Vec::new(),
            authentication,
        }
    }
}

/// The certificates in what was found.
fn read(found: &Entries, provenance: Provenance, limits: &Limits) -> Answered {
    let authentication = provenance.authentication;
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut unread = None;
    for value in &found.values {
        let certificates = match blob::certificates(value, limits) {
            Ok(certificates) => certificates,
            Err(error) => {
                unread = unread.or_else(|| Some(words::chain(&error)));
                continue;
            }
        };
        let (chain, own): (Vec<Certificate>, Vec<Certificate>) =
            certificates.into_iter().partition(|one| {
                one.basic_constraints()
                    .is_some_and(|constraints| constraints.ca)
            });
        for certificate in own {
            // The same value comes under each name of its attribute.
            if !candidates
                .iter()
                .any(|known| known.certificate == certificate)
            {
                candidates.push(Candidate {
                    certificate,
                    chain: chain.clone(),
                    provenance,
                });
            }
        }
        let number = candidates.iter().map(|one| 1 + one.chain.len()).sum();
        let limit = LimitError::check(
            "number of certificates of the answer",
            number,
            limits.certificates,
        );
        if let Err(limit) = limit {
            return Answered::without(Said::Unavailable(limit.to_string()), authentication);
        }
    }
    let said = match (
        candidates.is_empty(),
        found.count,
        found.values.len(),
        unread,
    ) {
        (false, ..) => Said::Found,
        (true, 0, ..) => Said::Absent("the directory has no entry for it".to_owned()),
        (true, _, 0, _) => Said::Absent("its entry in the directory has no certificate".to_owned()),
        (true, _, _, Some(reason)) => Said::Invalid(format!(
            "its entry has no certificate that can be read: {reason}"
        )),
        (true, _, _, None) => {
            Said::Invalid("its entry has certificates of authorities alone".to_owned())
        }
    };
    Answered {
        said,
        candidates,
        authentication,
    }
}

/// What several directories say together: what is found counts, unless one that counts for more is unavailable.
fn together(answers: Vec<Answered>) -> Reply {
    let of = |is: fn(&Said) -> bool| answers.iter().filter(move |one| is(&one.said));
    let found = |said: &Said| matches!(said, Said::Found);
    let unavailable = |said: &Said| matches!(said, Said::Unavailable(_));
    let invalid = |said: &Said| matches!(said, Said::Invalid(_));
    let best = of(found).map(|one| one.authentication).max();
    let weightier = |one: &&Answered| best.is_none_or(|best| one.authentication > best);
    let decides = of(unavailable)
        .find(weightier)
        .or_else(|| of(found).next())
        .or_else(|| of(invalid).next())
        .or_else(|| answers.first());
    let Some(decides) = decides else {
        return Reply::unavailable("no directory is configured for its domain");
    };
    let said = decides.said.clone();
    let authentic = decides.authentication.is_authenticated();
    let is_found = matches!(said, Said::Found);
    let mut reply = Reply::without(said);
    reply.authentic = authentic;
    if is_found {
        let candidates = answers.into_iter().flat_map(|one| one.candidates);
        reply.candidates = candidates.collect();
    }
    reply
}

/// What a search beneath `base` brought, or why that is not known.
fn found_beneath(
    base: &Base,
    searched: Result<Entries, Arc<Failure>>,
    server: &dyn Display,
) -> Result<Entries, String> {
    searched.or_else(|failure| {
        let Failure::NoBase(result) = &*failure else {
            return Err(said(server, &*failure));
        };
        let missing = base.missing(result).map_err(|error| said(server, &error));
        missing.map(|()| Entries::default())
    })
}

/// Why a server gave no answer, for people.
fn said(server: &dyn Display, failure: &dyn Error) -> String {
    format!("{server}: {}", words::chain(failure))
}

fn unavailable(step: Step) -> Said {
    Said::Unavailable(Failure::TimedOut(step).to_string())
}

/// The domain and those above it, but for top-level domains, which have no authority of their own.
fn ascendants(domain: &Domain) -> Vec<Domain> {
    let labels: Vec<&str> = domain.labels().collect();
    let last = labels.len().saturating_sub(1).max(1);
    let names = (0..last).take(MOST_ASCENDANTS);
    names
        .filter_map(|skip| labels.get(skip..)?.join(".").parse().ok())
        .collect()
}

#[cfg(test)]
mod tests;
