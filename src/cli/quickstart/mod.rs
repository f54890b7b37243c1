//! The folder of `domsec quickstart`: a gateway to try, and a partner for it to write to.
//!
//! Makes what is absent and touches nothing that is there. It never makes a new CA over certificates
//! of an old one, nor a new key for a certificate that has lost its own.

mod files;
mod mta;
mod run;
mod texts;

use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::address::MailboxError;
use crate::config::Config;
use crate::domsec::naming::Names;
use crate::domsec::naming::NamingError;
use crate::keystore::authority;
use crate::keystore::authority::AuthorityError;
use crate::keystore::authority::CertificateAuthority;
use crate::keystore::authority::Owner;
use crate::keystore::files::FileError;
use crate::keystore::files::certificates;
use crate::keystore::files::pair;
use crate::limits::Limits;
use crate::notation::SignatureType;
use crate::x509::Time;

pub(super) use run::run;

use files::Access;
use files::Folder;

/// What stands in the folder now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Files that were made, in that order.
    pub created: Vec<PathBuf>,
    /// Files that were there, and are as they were.
    pub found: Vec<PathBuf>,
    /// The configuration of the domain's gateway.
    pub ours: PathBuf,
    /// The configuration of the partner's gateway.
    pub partner: PathBuf,
    /// The user for whom the gateway has a key.
    pub user: Mailbox,
    /// The partner's domain.
    pub partner_domain: Domain,
}

/// Why the folder is not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuickstartError {
    /// A key or certificate could not be made.
    #[error("{} could not be made", path.display())]
    Authority {
        /// The file that is missing now.
        path: PathBuf,
        /// Why.
        #[source]
        source: AuthorityError,
    },
    /// The CA's key is gone, and a new CA would not be the one of the certificates.
    #[error(
        "{} is missing, and {} was issued with it: put the key back, or remove {} to begin anew \
         with another CA",
        key.display(), certificate.display(), directory.display()
    )]
    CaKey {
        /// The key that is gone.
        key: PathBuf,
        /// One of the certificates.
        certificate: PathBuf,
        /// The folder.
        directory: PathBuf,
    },
    /// Nobody can have a certificate for the domain.
    #[error("{domain} cannot be the domain of a gateway")]
    Domain {
        /// The domain.
        domain: Domain,
        /// Why not.
        #[source]
        source: NamingError,
    },
    /// A file that is there is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate has lost its key.
    #[error(
        "{} is missing, the key of {}: put it back, or remove the certificate too to get new ones",
        key.display(), certificate.display()
    )]
    Key {
        /// The key that is gone.
        key: PathBuf,
        /// Its certificate.
        certificate: PathBuf,
    },
    /// The folder is that of other domains.
    #[error(
        "{} is for {}, not for {domain}: take another folder (--dir), or that domain (--domain)",
        config.display(), texts(domains)
    )]
    OtherDomain {
        /// The configuration that is there.
        config: PathBuf,
        /// Its domains.
        domains: Vec<Domain>,
        /// The one that was asked for.
        domain: Domain,
    },
    /// A user of the domain cannot be written.
    #[error("{domain} is too long for the address of a user")]
    User {
        /// The domain.
        domain: Domain,
        /// Why not.
        #[source]
        source: MailboxError,
    },
    /// A file or folder could not be read or made.
    #[error("{} could not be read or made", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes what is absent of a gateway of `domain`, and of one of a partner, below `directory`.
///
/// Each file appears whole or not at all, a configuration after all that it names; so a run that was
/// interrupted is carried on by the next. Certificates are valid from an hour before `now`.
pub fn lay_out(directory: &Path, domain: &Domain, now: Time) -> Result<Made, QuickstartError> {
    check_domain(domain)?;
    let partner = partner_of(domain);
    let user = user_of(domain)?;
    let ours = directory.join(CONFIG);
    check_config(&ours, domain)?;
    let pairs = [
        Pair::new("keys/domain", Owner::Domain(domain)),
        Pair::new("keys/dca", Owner::Dca(domain)),
        Pair::new("keys/reviewer", Owner::Reviewer(domain)),
        Pair::new("keys/alice", Owner::Delegated(&user)),
        Pair::new("partner/keys/domain", Owner::Domain(&partner)),
        Pair::new("partner/keys/dca", Owner::Dca(&partner)),
    ];
    check_keys(directory, &pairs)?;
    let mut folder = Folder::open(directory)?;
    for below in FOLDERS {
        folder.make_folder(below)?;
    }
    let authority = ca(&mut folder, now)?;
    for pair in &pairs {
        pair.make(&mut folder, &authority, now)?;
    }
    // Each reads the other's DCA certificate, to which it encrypts (draft §4.1).
    folder.copy("partner/keys/dca.pem", &format!("recipients/{partner}.pem"))?;
    folder.copy("keys/dca.pem", &format!("partner/recipients/{domain}.pem"))?;
    for (name, text) in texts::all(domain, &partner, &user) {
        folder.make(name, Access::Everybody, || Ok(text.into()))?;
    }
    let (created, found) = folder.told();
    Ok(Made {
        created,
        found,
        ours,
        partner: directory.join("partner").join(CONFIG),
        user,
        partner_domain: partner,
    })
}

/// Refuses a domain for which no certificate counts (draft §2.6): suffixes, literals.
fn check_domain(domain: &Domain) -> Result<(), QuickstartError> {
    let names = Names {
        dns: vec![domain.to_string()],
        may_protect_mail: true,
        ..Names::default()
    };
    let checked = names.check_agent(SignatureType::Domain);
    checked.map_err(|source| QuickstartError::Domain {
        domain: domain.clone(),
        source,
    })
}

/// Refuses a folder that was laid out for another domain. What its owner made of the configuration
/// since is his own, even where it cannot be read.
fn check_config(config: &Path, domain: &Domain) -> Result<(), QuickstartError> {
    match Config::read(config) {
        Ok(there) if !there.domains.contains(domain) => Err(QuickstartError::OtherDomain {
            config: config.to_owned(),
            domains: there.domains,
            domain: domain.clone(),
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses to go on where a certificate has lost its key.
fn check_keys(directory: &Path, pairs: &[Pair<'_>]) -> Result<(), QuickstartError> {
    let ca_key = directory.join(CA_KEY);
    let issued = pairs.iter().map(|pair| directory.join(pair.certificate()));
    let mut certificates = std::iter::once(directory.join(CA)).chain(issued);
    if let (false, Some(certificate)) = (
        files::exists(&ca_key)?,
        certificates.find_map(|one| files::exists(&one).map(|is| is.then_some(one)).transpose()),
    ) {
        return Err(QuickstartError::CaKey {
            key: ca_key,
            certificate: certificate?,
            directory: directory.to_owned(),
        });
    }
    for pair in pairs {
        let key = directory.join(pair.key());
        let certificate = directory.join(pair.certificate());
        if files::exists(&certificate)? && !files::exists(&key)? {
            return Err(QuickstartError::Key { key, certificate });
        }
    }
    Ok(())
}

/// The CA, made where it is absent. A certificate that is absent beside its key is made again: key and
/// name are the same, so that it is still above what was issued.
fn ca(folder: &mut Folder, now: Time) -> Result<CertificateAuthority, QuickstartError> {
    folder.make_key(CA_KEY, authority::authority_key)?;
    let key = folder.read(CA_KEY)?;
    folder.make_certificate(CA, || authority::authority_certificate(&key, now))?;
    let (key_path, path) = (folder.path(CA_KEY), folder.path(CA));
    let identity = pair(&key_path, &path, None, &Limits::default())?;
    let authority = CertificateAuthority::new(&key, identity.certificate().clone());
    authority.map_err(|source| QuickstartError::Authority { path, source })
}

/// A key with its certificate.
struct Pair<'a> {
    /// Both files, without `.key` and `.pem`.
    stem: &'static str,
    owner: Owner<'a>,
}

impl<'a> Pair<'a> {
    const fn new(stem: &'static str, owner: Owner<'a>) -> Self {
        Self { stem, owner }
    }

    fn key(&self) -> String {
        format!("{}.key", self.stem)
    }

    fn certificate(&self) -> String {
        format!("{}.pem", self.stem)
    }

    /// The key first: a certificate without one is of no use, and cannot be made good.
    fn make(
        &self,
        folder: &mut Folder,
        authority: &CertificateAuthority,
        now: Time,
    ) -> Result<(), QuickstartError> {
        folder.make_key(&self.key(), authority::key)?;
        let key = folder.path(&self.key());
        let certificate = self.certificate();
        if files::exists(&folder.path(&certificate))? {
            // Says which file is at fault where the two are not of each other.
            pair(&key, &folder.path(&certificate), None, &Limits::default())?;
            folder.found(&certificate);
            return Ok(());
        }
        let key = folder.read(&self.key())?;
        folder.make_certificate(&certificate, || authority.issue(self.owner, &key, now))?;
        certificates(&folder.path(&certificate), &Limits::default())?;
        Ok(())
    }
}

/// `b.example`, or `a.example` for those who are that themselves.
fn partner_of(domain: &Domain) -> Domain {
    let [first, second] = PARTNERS.map(Domain::parse);
    match (first, second) {
        (Ok(first), Ok(second)) if domain.is_or_is_under(&first) => second,
        (Ok(first), _) => first,
        // What is written below parses: see the tests.
        (Err(_), _) => domain.clone(),
    }
}

fn user_of(domain: &Domain) -> Result<Mailbox, QuickstartError> {
    let user = Mailbox::new("alice".to_owned(), domain.clone());
    user.map_err(|source| QuickstartError::User {
        domain: domain.clone(),
        source,
    })
}

fn texts(domains: &[Domain]) -> String {
    let texts: Vec<&str> = domains.iter().map(Domain::as_str).collect();
    texts.join(", ")
}

const CONFIG: &str = "domsec.toml";
const CA_KEY: &str = "ca/ca.key";
const CA: &str = "ca/ca.pem";
const FOLDERS: [&str; 6] = [
    "ca",
    "keys",
    "recipients",
    "partner",
    "partner/keys",
    "partner/recipients",
];
/// Beneath a top-level domain that is kept for examples: nobody has them.
const PARTNERS: [&str; 2] = ["b.example", "a.example"];
