//! Where other people's certificates are found, as the configuration says. Nothing here connects anywhere.

use std::sync::Arc;

use super::Config;
use crate::limits::Limits;
use crate::lookup::directory::Directory;
use crate::lookup::directory::DirectoryError;
use crate::lookup::ordered::Order;
use crate::lookup::ordered::Ordered;
use crate::lookup::ordered::Unwatched;
use crate::lookup::ordered::Watch;
use crate::lookup::source::Source;
use crate::policy::Policy;
use crate::store::Store;
use crate::store::memory::MemoryStore;

/// Why a source cannot be asked as the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The directory of certificates cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// What outlives a configuration that is read anew.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What is remembered of other people's certificates.
    pub store: Arc<dyn Store>,
    /// Who hears what searches come to.
    pub watch: Arc<dyn Watch>,
}

impl Default for Surroundings {
    /// Nothing is kept, and nobody hears.
    fn default() -> Self {
        Self {
            store: Arc::new(MemoryStore::default()),
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
    if let Some(path) = &settings.directory {
        sources.push(Arc::new(Directory::open(&config.path(path), limits)?));
    }
    Ok(Ordered {
        sources,
        order: Order::of(policy),
        store: Arc::clone(&surroundings.store),
        patience: settings.patience,
        watch: Arc::clone(&surroundings.watch),
    })
}
