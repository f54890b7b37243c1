//! The tables, and how a file that an older version wrote gets them.
//!
//! SQLite keeps the version (`user_version`) and whose file it is (`application_id`) in the file's header.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::TransactionBehavior;

use super::StoreError;

/// "doms": who wrote the file. One that SQLite has just made has 0.
const APPLICATION: i64 = 0x646f_6d73;

/// One step for each version; a step that was ever released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[FIRST];

/// Subjects are texts: `dca:DOMAIN` or `recipient:ADDRESS`, local part octet for octet. Times are seconds since 1970.
const FIRST: &str = "
    CREATE TABLE generation (number INTEGER NOT NULL) STRICT;
    INSERT INTO generation VALUES (0);

    CREATE TABLE certificate (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL,
        domain TEXT NOT NULL,
        fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
        der BLOB NOT NULL,
        chain BLOB NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('active', 'pending', 'pinned', 'rejected', 'retired')),
        reason TEXT NOT NULL,
        source TEXT NOT NULL,
        authentication TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        UNIQUE (owner, fingerprint)
    ) STRICT;
    CREATE UNIQUE INDEX certificate_in_use ON certificate (owner) WHERE state IN ('active', 'pinned');
    CREATE INDEX certificate_fingerprint ON certificate (fingerprint);
    CREATE INDEX certificate_domain ON certificate (domain, id);
    CREATE INDEX certificate_state ON certificate (state, id);

    CREATE TABLE published (
        domain TEXT NOT NULL,
        source TEXT NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (domain, source)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE capabilities (
        address TEXT NOT NULL PRIMARY KEY,
        der BLOB NOT NULL,
        seen INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE answer (
        owner TEXT NOT NULL,
        source TEXT NOT NULL,
        failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
        said TEXT NOT NULL,
        reason TEXT NOT NULL,
        authentic INTEGER NOT NULL,
        content BLOB NOT NULL,
        expected INTEGER NOT NULL,
        configuration INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (owner, source, failed)
    ) STRICT;
    CREATE INDEX answer_until ON answer (until);
";

/// Brings the file to the version that `migrations` lead to, all steps or none.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let failed = |error| StoreError::of(path, error);
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let pragma = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    if pragma(connection, "user_version").map_err(failed)? == known
        && pragma(connection, "application_id").map_err(failed)? == APPLICATION
    {
        return Ok(());
    }
    // Two processes may open a new file at once: what is there is looked at again behind the lock.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found = pragma(&transaction, "user_version").map_err(failed)?;
    let application = pragma(&transaction, "application_id").map_err(failed)?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    let is_new = application == 0 && found == 0 && tables == 0;
    if application != APPLICATION && !is_new {
        let what = format!("its application_id is {application:#x}, not {APPLICATION:#x}");
        return Err(StoreError::Corrupt {
            path: path.to_owned(),
            source: std::sync::Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(what)),
        });
    }
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for step in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    let mark = |name, value| transaction.pragma_update(None, name, value);
    mark("user_version", known).map_err(failed)?;
    mark("application_id", APPLICATION).map_err(failed)?;
    transaction.commit().map_err(failed)
}
