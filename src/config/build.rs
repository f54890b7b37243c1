//! Opens what a configuration names, and makes a gateway of it.
//!
//! Everything that would fail for a message later fails here, with the file or key at fault.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Config;
use super::KeyEntry;
use super::Mode;
use super::Role;
use super::sources::SourceError;
use super::sources::Surroundings;
use super::sources::certificates;
use super::sources::sources;
use crate::address::Domain;
use crate::crypto;
use crate::gateway::replay::RecentDeliveries;
use crate::gateway::roles::Roles;
use crate::gateway::site::Gateway;
use crate::keystore::files;
use crate::keystore::files::FileError;
use crate::keystore::files::FileFault;
use crate::limits::Limits;
use crate::lookup::harvest::Harvest;
use crate::policy::Policy;
use crate::policy::error::PolicyFileError;
use crate::policy::partner::PinnedCertificate;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::Sqlite;
use crate::store::untouched::Untouched;
use crate::x509::Certificate;
use crate::x509::Identity;
use crate::x509::SimplePaths;

/// Where systemd says that our credentials lie (systemd.exec(5), "Credentials").
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Why no gateway could be made of a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A `[[key]]` names a credential, and nobody has given us any.
    #[error(
        "[[key]] number {number}: password_credential = {name:?}, and there are no credentials: give \
         it to the service, as LoadCredential={name}:/etc/domsec-{name}, or use password_file"
    )]
    Credentials {
        /// Which one, counted from 1.
        number: usize,
        /// The credential.
        name: String,
    },
    /// A password lies open to others than its owner.
    #[error(
        "{}: group or others have access (mode {mode:04o}), and it is a password: chmod 600, and take a \
         new password where somebody else was on this host",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A `[[key]]` says too little, too much, or what cannot be.
    #[error("[[key]] number {number} ({role:?}): {reason}")]
    Key {
        /// Which one, counted from 1.
        number: usize,
        /// Its role.
        role: Role,
        /// What is wrong, and what to write.
        reason: &'static str,
    },
    /// A file of keys or certificates is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A source of certificates is not what it should be.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The policy file could not be read.
    #[error("policy {} could not be read", path.display())]
    PolicyRead {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The policy file is not one.
    #[error(transparent)]
    Policy(#[from] PolicyFileError),
    /// The store of certificates cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store that `[store]` names, or one that ends with the process.
///
/// To be opened once and kept when the configuration is read again. Blocks while an older file is made one of this
/// version; starts a thread, and needs no runtime.
pub fn store(config: &Config) -> Result<Arc<dyn Store>, BuildError> {
    Ok(match &config.store.path {
        Some(path) => Arc::new(Sqlite::open(&config.path(path))?),
        None => Arc::new(MemoryStore::default()),
    })
}

/// The same to look at: one that is not there yet is not made, and nothing is written.
pub fn store_untouched(config: &Config) -> Result<Arc<dyn Store>, BuildError> {
    let path = config.store.path.as_ref().map(|path| config.path(path));
    let store: Arc<dyn Store> = match path.filter(|path| path.exists()) {
        Some(path) => Arc::new(Sqlite::open_existing(&path)?),
        None => Arc::new(MemoryStore::default()),
    };
    Ok(Arc::new(Untouched(store)))
}

/// What mail has taught, as `store` has kept it; `None` where `config` does not have that source.
///
/// To be read once and kept when the configuration is read again.
pub async fn harvest(
    config: &Config,
    store: &Arc<dyn Store>,
) -> Result<Option<Arc<Harvest>>, BuildError> {
    let settings = &config.harvest;
    if !settings.enabled {
        return Ok(None);
    }
    let harvest = Harvest::load(Arc::clone(store), settings.addresses).await?;
    Ok(Some(Arc::new(harvest)))
}

/// The gateway that `config` describes, which remembers nothing of other people's certificates.
pub fn gateway(config: &Config) -> Result<Gateway, BuildError> {
    gateway_in(config, &Surroundings::default())
}

/// The gateway that `config` describes, among what outlives it.
pub fn gateway_in(config: &Config, surroundings: &Surroundings) -> Result<Gateway, BuildError> {
    let limits = Limits {
        header_octets: config.limits.header_octets,
        header_fields: config.limits.header_fields,
        ..Limits::default()
    };
    let provider = crypto::provider();
    let trust = &config.trust;
    let anchors = certificates(config, &trust.anchors, &limits)?;
    let intermediates = certificates(config, &trust.intermediates, &limits)?;
    let mut crls = Vec::new();
    for path in &trust.crls {
        crls.extend(files::crls(&config.path(path), &limits)?);
    }
    let policy = policy(config)?;
    let sources = sources(config, &policy, &limits, surroundings)?;
    let partner_dcas = partner_dcas(config, &policy, &limits)?;
    let former_names = policy.partners().filter(|partner| partner.old_naming);
    Ok(Gateway {
        monitor: config.mode == Mode::Monitor,
        partner_dcas,
        former_names: former_names.map(|partner| partner.domain.clone()).collect(),
        domains: config.domains.clone(),
        authserv_id: config.authserv_id.clone(),
        policy,
        roles: roles(config, &intermediates, &limits)?,
        paths: Box::new(SimplePaths::new(anchors, provider.verification, &limits)),
        intermediates,
        crls,
        revocation: trust.revocation,
        signature_type_oid: config.signature_type_oid,
        certificates: Box::new(sources),
        deliveries: Arc::new(RecentDeliveries::default()),
        provider,
        randomness: provider.randomness,
        limits,
    })
}

/// The policy that `config` names, or the one that is compiled in.
pub(crate) fn policy(config: &Config) -> Result<Policy, BuildError> {
    let Some(path) = &config.policy else {
        return Ok(Policy::builtin());
    };
    let path = config.path(path);
    let text = fs::read_to_string(&path).map_err(|source| BuildError::PolicyRead {
        path: path.clone(),
        source,
    })?;
    Ok(Policy::parse(&text, &path.display().to_string())?)
}

/// The DCA certificates that the policy names by file, relative to the policy file.
pub(crate) fn partner_dcas(
    config: &Config,
    policy: &Policy,
    limits: &Limits,
) -> Result<Vec<(Domain, Certificate)>, BuildError> {
    let beside = config.policy.as_deref().map(|path| config.path(path));
    let folder = beside.as_deref().and_then(Path::parent);
    let mut all = Vec::new();
    for partner in policy.partners() {
        if let Some(PinnedCertificate::File(name)) = &partner.dca {
            let path = folder.unwrap_or(Path::new("")).join(name);
            let found = files::certificates(&path, limits)?.into_iter().next();
            let found = found.ok_or(FileError {
                path,
                fault: FileFault::NoCertificate,
            })?;
            all.push((partner.domain.clone(), found));
        }
    }
    Ok(all)
}

fn roles(
    config: &Config,
    intermediates: &[Certificate],
    limits: &Limits,
) -> Result<Roles, BuildError> {
    let mut roles = Roles::default();
    for (index, entry) in config.keys.iter().enumerate() {
        let identities = identities(config, index + 1, entry, limits)?
            .into_iter()
            .map(|identity| identity.completed(intermediates));
        let kept = match (entry.role, &entry.address) {
            (Role::Delegated, user) => {
                let owned = |own| user.clone().map(|user| (user, own));
                roles.delegated.extend(identities.filter_map(owned));
                continue;
            }
            (Role::Attributes, _) => &mut roles.attributes,
            (Role::Dca, _) => &mut roles.dca,
            (Role::Domain, _) => &mut roles.domain,
            (Role::Reviewer, _) => &mut roles.reviewers,
        };
        kept.extend(identities);
    }
    Ok(roles)
}

/// The key, or those of one PKCS#12 file, of `entry`, which is `[[key]]` number `number`, from 1.
pub(crate) fn identities(
    config: &Config,
    number: usize,
    entry: &KeyEntry,
    limits: &Limits,
) -> Result<Vec<Identity>, BuildError> {
    let failed = |reason| BuildError::Key {
        number,
        role: entry.role,
        reason,
    };
    match (entry.role, &entry.address) {
        (Role::Delegated, Some(_)) => {}
        (Role::Delegated, None) => {
            return Err(failed("a delegated key needs its user: address = \"...\""));
        }
        (Role::Attributes | Role::Dca | Role::Domain | Role::Reviewer, Some(_)) => {
            return Err(failed("address belongs to delegated keys alone"));
        }
        (Role::Attributes | Role::Dca | Role::Domain | Role::Reviewer, None) => {}
    }
    let at = |path: &Path| config.path(path);
    let password = password(config, number, entry)?;
    let password = password.as_ref().map(|password| password.as_str());
    match (&entry.cert, &entry.key, &entry.p12, &entry.pkcs11) {
        (Some(certificate), Some(key), None, None) => {
            let pair = files::pair(&at(key), &at(certificate), password, limits)?;
            Ok(vec![pair])
        }
        (None, None, Some(p12), None) => {
            let password = password.unwrap_or_default();
            Ok(files::pkcs12(&at(p12), password, limits)?)
        }
        (_, None, None, Some(_)) => Err(failed(
            "keys in tokens (pkcs11) are not supported by this version: use files",
        )),
        _ => Err(failed("it needs cert and key, or p12")),
    }
}

/// The password that `entry`, which is `[[key]]` number `number`, names a place of.
fn password(
    config: &Config,
    number: usize,
    entry: &KeyEntry,
) -> Result<Option<Zeroizing<String>>, BuildError> {
    let path = match (&entry.password_file, &entry.password_credential) {
        (None, None) => return Ok(None),
        (Some(path), None) => config.path(path),
        (None, Some(name)) => credential(number, entry.role, name)?,
        (Some(_), Some(_)) => {
            return Err(BuildError::Key {
                number,
                role: entry.role,
                reason: "password_file and password_credential exclude each other",
            });
        }
    };
    Ok(Some(files::password(&path)?))
}

/// Where the credential `name` lies. Who may read it there is systemd's care.
fn credential(number: usize, role: Role, name: &str) -> Result<PathBuf, BuildError> {
    if name.is_empty() || name.contains('/') || [".", ".."].contains(&name) {
        return Err(BuildError::Key {
            number,
            role,
            reason: "password_credential is a name, not a path: for that there is password_file",
        });
    }
    match env::var_os(CREDENTIALS) {
        Some(folder) => Ok(Path::new(&folder).join(name)),
        None => Err(BuildError::Credentials {
            number,
            name: name.to_owned(),
        }),
    }
}

/// Refuses passwords that others can read, and returns the files of keys that they can, with their
/// modes. What cannot be looked at is told of where it is read.
pub fn exposed(config: &Config) -> Result<Vec<(PathBuf, u32)>, BuildError> {
    let mut keys = Vec::new();
    for entry in &config.keys {
        if let Some((path, mode)) = entry
            .password_file
            .as_deref()
            .and_then(|path| open(config, path))
        {
            return Err(BuildError::Exposed { path, mode });
        }
        let files = [&entry.key, &entry.p12].into_iter().flatten();
        keys.extend(files.filter_map(|path| open(config, path)));
    }
    Ok(keys)
}

fn open(config: &Config, path: &Path) -> Option<(PathBuf, u32)> {
    let path = config.path(path);
    let mode = files::mode(&path).ok()?;
    (!files::is_private(mode)).then_some((path, mode))
}
