//! Why the store did not answer.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why the store did not answer. None of these means that nothing is known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process had the file for too long; it may be free later.
    #[error("the store {} is in use by another process: try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// As SQLite says it.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// What the file says is not what was written.
    #[error(
        "the store {} is damaged or no store of domsec: stop domsec, and put back a copy of it; without one, move it \
         and the files beside it (-wal, -shm) away, and what was pinned and rejected has to be said again",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Others could read or change what trust depends on.
    #[error(
        "the store {}: group or others have access (mode {mode:04o}), and encryption depends on it: chmod 600",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is no room for more.
    #[error("the store {} cannot grow: make room on its disk", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// As SQLite says it.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The thread that has the file is gone.
    #[error("the store {} is closed", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of domsec has written it.
    #[error(
        "the store {} is of version {found}, and this domsec knows no version above {known}: a newer domsec has \
         written it, run that one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file cannot be opened or made.
    #[error(
        "the store {} cannot be opened: see that it and its folder are there and ours, since files are made beside it",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// SQLite failed in another way.
    #[error("the store {} failed", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// As SQLite says it.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file, its folder or its disk lets us read and not write.
    #[error(
        "the store {} cannot be written: see that it, the files beside it and its folder are ours, and that its disk \
         is not read-only",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// As SQLite says it.
        #[source]
        source: Arc<rusqlite::Error>,
    },
}

impl StoreError {
    /// What SQLite's error means for the file at `path`.
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        if let rusqlite::Error::FromSqlConversionFailure(_, _, source) = error {
            let source = Arc::from(source);
            return Self::Corrupt { path, source };
        }
        // Columns have types, and what is asked for with one row has one, whatever was written.
        let is_odd = matches!(
            error,
            rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::QueryReturnedNoRows
                | rusqlite::Error::Utf8Error(..)
        );
        let source = Arc::new(error);
        if is_odd {
            return Self::Corrupt { path, source };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, source }
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Corrupt { path, source }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::Unwritable { path, source }
            }
            Some(ErrorCode::CannotOpen) => Self::Open {
                path,
                source: Arc::new(io::Error::other(source)),
            },
            _ => Self::Sql { path, source },
        }
    }

    /// Whether the same may work later without anybody doing anything.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Full { .. } => true,
            Self::Corrupt { .. }
            | Self::Exposed { .. }
            | Self::Gone { .. }
            | Self::Newer { .. }
            | Self::Open { .. }
            | Self::Sql { .. }
            | Self::Unwritable { .. } => false,
        }
    }
}
