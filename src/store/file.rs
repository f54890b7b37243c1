//! The file of a store: made for us alone, refused where others have access, and opened so that commits last.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::OpenFlags;

use super::StoreError;

/// How long another process may have the file. `domsec certs` has it for milliseconds.
const BUSY: Duration = Duration::from_secs(5);

/// Makes an empty file for us alone, where there is none.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(|source| open_error(path, source))
}

/// What SQLite makes beside the file has its permissions.
pub(super) fn check_access(path: &Path) -> Result<(), StoreError> {
    let found = std::fs::metadata(path).map_err(|source| open_error(path, source))?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(StoreError::Exposed { path, mode });
    }
    Ok(())
}

/// A connection whose commits are as durable as `synchronous` says.
pub(super) fn connect(path: &Path, synchronous: &str) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::of(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        let why =
            "its file system has no shared memory for a write-ahead log: put it on a local disk";
        return Err(open_error(path, io::Error::other(why)));
    }
    let set = |name, value: &str| connection.pragma_update(None, name, value);
    set("synchronous", synchronous).map_err(failed)?;
    // A file that somebody has prepared runs nothing.
    set("trusted_schema", "OFF").map_err(failed)?;
    Ok(connection)
}

pub(super) fn open_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}
