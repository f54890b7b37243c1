//! The tables, and how a file that an older version wrote gets them.
//!
//! SQLite keeps the version (`user_version`) and whose file it is (`application_id`) in the file's header.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::TransactionBehavior;

use super::StoreError;

/// "doms": who wrote the file. One that SQLite has just made has 0.
const APPLICATION: i64 = 0x646f_6d73;

/// One step for each version; a step that was ever released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[FIRST, SECOND, THIRD, FOURTH];

/// Subjects are texts: `dca:DOMAIN` or `recipient:ADDRESS`. Times are seconds since 1970.
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

/// What verified mail has taught takes the place of a table that no version has written to; and those who wait are
/// counted, so that monitoring need not look through all.
const SECOND: &str = "
    DROP TABLE capabilities;
    CREATE TABLE harvest (
        address TEXT NOT NULL PRIMARY KEY,
        der BLOB,
        chain BLOB,
        der_signed INTEGER,
        capabilities BLOB,
        capabilities_signed INTEGER,
        seen INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX harvest_seen ON harvest (seen);

    CREATE TABLE waiting (number INTEGER NOT NULL) STRICT;
    INSERT INTO waiting SELECT count(*) FROM certificate WHERE state = 'pending';
    CREATE TRIGGER waiting_more AFTER INSERT ON certificate WHEN NEW.state = 'pending' BEGIN
        UPDATE waiting SET number = number + 1;
    END;
    CREATE TRIGGER waiting_fewer AFTER DELETE ON certificate WHEN OLD.state = 'pending' BEGIN
        UPDATE waiting SET number = number - 1;
    END;
    CREATE TRIGGER waiting_other AFTER UPDATE OF state ON certificate
    WHEN (OLD.state = 'pending') <> (NEW.state = 'pending') BEGIN
        UPDATE waiting SET number = number + iif(NEW.state = 'pending', 1, -1);
    END;
";

/// A rejection may be of the key.
const THIRD: &str = "
    ALTER TABLE certificate ADD COLUMN with_key INTEGER NOT NULL DEFAULT 0
        CHECK (with_key IN (0, 1) AND (with_key = 0 OR state = 'rejected'));
";

/// The subject of a certificate has its local part in lower case where that is ASCII; answers of sources are still those of
/// the address as it is written. Where one address had several spellings, a rejection stands before all that is known of
/// the same certificate, and of several that were in use the pinned one stays, else the one that was seen last: the others
/// wait for an administrator.
const FOURTH: &str = "
    CREATE TEMPORARY TABLE folded AS
        SELECT id, lower(owner) AS owner, fingerprint, state, with_key, last_seen FROM certificate
        WHERE length(owner) = length(CAST(owner AS BLOB));
    DELETE FROM certificate WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (
                PARTITION BY owner, fingerprint
                ORDER BY with_key DESC, state = 'rejected' DESC, state = 'pinned' DESC, state = 'active' DESC, state = 'pending' DESC,
                    id
            ) AS place FROM folded
        ) WHERE place > 1
    );
    UPDATE certificate SET state = 'pending', reason = 'another one was in use for another spelling of the address'
    WHERE id IN (
        SELECT id FROM (
            SELECT folded.id, row_number() OVER (
                PARTITION BY folded.owner ORDER BY folded.state = 'pinned' DESC, folded.last_seen DESC, folded.id
            ) AS place
            FROM folded JOIN certificate ON certificate.id = folded.id
            WHERE folded.state IN ('active', 'pinned')
        ) WHERE place > 1
    );
    UPDATE certificate SET owner = lower(owner) WHERE id IN (SELECT id FROM folded);
    DROP TABLE folded;
";

/// Brings the file to the version that `migrations` lead to, all steps or none.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), StoreError> {
    let failed = |error| StoreError::of(path, error);
    if version(connection, path, migrations)? == migrations.len() {
        return Ok(());
    }
    // Two processes may open a new file at once: what is there is looked at again behind the lock.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found = version(&transaction, path, migrations)?;
    for step in migrations.iter().skip(found) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    let mark = |name, value| transaction.pragma_update(None, name, value);
    mark("user_version", wide(migrations.len())).map_err(failed)?;
    mark("application_id", APPLICATION).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The version of the file, 0 for an empty one. Fails where it is another program's, or of a version that
/// `migrations` do not know.
pub(super) fn version(
    connection: &Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<usize, StoreError> {
    let failed = |error| StoreError::of(path, error);
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let found = number("PRAGMA user_version").map_err(failed)?;
    let application = number("PRAGMA application_id").map_err(failed)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    let is_new = application == 0 && found == 0 && tables == 0;
    let path = path.to_owned();
    if application != APPLICATION && !is_new {
        let what = format!("its application_id is {application:#x}, not {APPLICATION:#x}");
        let source = Arc::from(Box::<dyn Error + Send + Sync>::from(what));
        return Err(StoreError::Corrupt { path, source });
    }
    let known = wide(migrations.len());
    match usize::try_from(found) {
        Ok(version) if found <= known => Ok(version),
        Ok(_) | Err(_) => Err(StoreError::Newer { path, found, known }),
    }
}

fn wide(version: usize) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
