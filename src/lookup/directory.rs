//! A directory of files: other people's certificates, found by the names inside them.
//!
//! All files are read when the directory is opened, so that an answer never waits and is never
//! "unavailable": what cannot be read then is an error for the administrator.

use std::collections::HashMap;
use std::fs;
use std::future::ready;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use super::source::Question;
use super::source::Reply;
use super::source::Source;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::domsec::naming::Authority;
use crate::domsec::naming::Names;
use crate::gateway::certificates::Answer;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Subject;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::policy::facts::LookupSource;
use crate::x509::Certificate;
use crate::x509::pem;
use crate::x509::pem::PemError;

/// Files of one directory: what an administrator keeps by hand, not a store of millions.
const MOST_FILES: usize = 100_000;

/// The endings of certificate files.
const ENDINGS: [&str; 3] = ["pem", "der", "crt"];

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// A file in it is no file of certificates.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PemError,
    },
    /// There are too many files.
    #[error("{}", path.display())]
    Files {
        /// The directory.
        path: PathBuf,
        /// How many.
        #[source]
        limit: LimitError,
    },
    /// The directory, or a file in it, could not be read.
    #[error(
        "{} could not be read ([certificates] directory): see that it is there, and that the user who runs domsec may \
         read it",
        path.display()
    )]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Certificates of others, by the names that they hold.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    certificates: Vec<Certificate>,
    /// By folded addresses (RFC 8550 §3).
    by_address: HashMap<Mailbox, Vec<usize>>,
    /// By the domains that they name, also as RFC 3183 §3.1.1 has it: a policy may have agreed upon that.
    by_domain: HashMap<Domain, Vec<usize>>,
}

impl Directory {
    /// Reads every `*.pem`, `*.der` and `*.crt` in the directory at `path`; not those beneath it.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, DirectoryError> {
        let failed = |source| DirectoryError::Read {
            path: path.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if is_certificate_file(&file) {
                files.push(file);
            }
            let limit = LimitError::check("number of certificate files", files.len(), MOST_FILES);
            limit.map_err(|limit| DirectoryError::Files {
                path: path.to_owned(),
                limit,
            })?;
        }
        // The same order on every machine.
        files.sort_unstable();
        let mut found = Self::default();
        for file in files {
            let octets = fs::read(&file).map_err(|source| DirectoryError::Read {
                path: file.clone(),
                source,
            })?;
            let certificates = pem::certificates(&octets, limits);
            for certificate in certificates.map_err(|source| DirectoryError::File {
                path: file.clone(),
                source,
            })? {
                found.add(certificate);
            }
        }
        Ok(found)
    }

    /// Adds one certificate under its names.
    pub fn add(&mut self, certificate: Certificate) {
        let index = self.certificates.len();
        let names = Names::of(&certificate);
        for mailbox in names.emails.iter().filter_map(|email| email.parse().ok()) {
            let mailbox: Mailbox = mailbox;
            self.by_address
                .entry(mailbox.folded())
                .or_default()
                .push(index);
        }
        let names = Names {
            former_names_with: top_level_domains(&names),
            ..names
        };
        for domain in names.domains(Authority::Confidentiality) {
            self.by_domain.entry(domain).or_default().push(index);
        }
        self.certificates.push(certificate);
    }

    /// All of them, in the order of the files.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    fn found(&self, subject: Subject<'_>) -> Vec<Certificate> {
        let mut indices: Vec<usize> = match subject {
            Subject::Recipient(mailbox) => self
                .by_address
                .get(&mailbox.folded())
                .cloned()
                .unwrap_or_default(),
            // A domain's DCA may be that of a domain above it (draft §2.6).
            Subject::Dca(domain) => ascendants(domain)
                .filter_map(|domain| self.by_domain.get(&domain))
                .flatten()
                .copied()
                .collect(),
        };
        indices.sort_unstable();
        indices.dedup();
        let at = |index: usize| self.certificates.get(index).cloned();
        indices.into_iter().filter_map(at).collect()
    }
}

impl Source for Directory {
    fn name(&self) -> LookupSource {
        LookupSource::Directory
    }

    fn covers(&self, _: Subject<'_>) -> bool {
        true
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        let provenance = Provenance {
            source: LookupSource::Directory,
            authentication: Authentication::Local,
            seen: question.now,
        };
        let found = self.found(question.subject.as_subject());
        let said = if found.is_empty() {
            Said::Absent("no file has a certificate with that name".to_owned())
        } else {
            Said::Found
        };
        let candidate = |certificate| Candidate {
            certificate,
            chain: Vec::new(),
            provenance,
        };
        Box::pin(ready(Reply {
            authentic: true,
            candidates: found.into_iter().map(candidate).collect(),
            ..Reply::without(said)
        }))
    }
}

/// The domain and those above it.
fn ascendants(domain: &Domain) -> impl Iterator<Item = Domain> + '_ {
    let labels: Vec<&str> = domain.labels().collect();
    (0..labels.len()).filter_map(move |skip| {
        let name = labels.get(skip..)?.join(".");
        name.parse().ok()
    })
}

/// Those above every name that a certificate could have under RFC 3183.
fn top_level_domains(names: &Names) -> Vec<Domain> {
    let mailboxes = names
        .emails
        .iter()
        .filter_map(|email| email.parse::<Mailbox>().ok());
    let of_mailboxes =
        mailboxes.filter_map(|mailbox| mailbox.domain().labels().last()?.parse().ok());
    let of_subject = names.domain_components.first();
    of_mailboxes
        .chain(of_subject.and_then(|label| label.parse().ok()))
        .collect()
}

fn is_certificate_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        ENDINGS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
    })
}
