//! The statements: entries, answers and the rest, to and from rows.
//!
//! All run within the transaction that [`super::sqlite`] has begun.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Params;
use rusqlite::Row;
use rusqlite::params;

use super::Entry;
use super::Filter;
use super::KeptAnswer;
use super::Publisher;
use super::Recalled;
use super::State;
use super::StoreError;
use super::encode;
use super::encode::DecodeError;
use super::harvested::Harvested;
use super::harvested::Signed;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::judge::chain;
use crate::gateway::learned::PathTo;
use crate::gateway::search::Candidate;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Certificate;
use crate::x509::Time;

/// How long an answer stays after it has lapsed, in seconds: nobody reads it, and its place is used again.
const LAPSED: i64 = 24 * 3600;

/// Answers that are kept. A few kilobytes each.
const MOST_ANSWERS: i64 = 500_000;

/// The tables of one file, through one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'a> {
    pub(super) connection: &'a Connection,
    pub(super) path: &'a Path,
}

impl Tables<'_> {
    pub(super) fn generation(&self) -> Result<u64, StoreError> {
        let number: i64 = self.row("SELECT number FROM generation", [], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }

    pub(super) fn next_generation(&self) -> Result<(), StoreError> {
        self.run("UPDATE generation SET number = number + 1", [])
    }

    /// Every entry of one subject, the oldest first.
    pub(super) fn entries(&self, owner: &Owner) -> Result<Vec<Entry>, StoreError> {
        let sql = select("WHERE owner = ?1 ORDER BY id");
        self.rows(&sql, [owner_text(owner)])
    }

    /// Every entry of one certificate.
    pub(super) fn of_certificate(&self, one: &Fingerprint) -> Result<Vec<Entry>, StoreError> {
        let sql = select("WHERE fingerprint = ?1 ORDER BY id");
        self.rows(&sql, [one.0.as_slice()])
    }

    pub(super) fn list(
        &self,
        filter: &Filter,
        after: Option<u64>,
        most: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let sql = select(
            "WHERE id > ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR domain = ?3) \
             AND (?4 IS NULL OR owner = ?4) ORDER BY id LIMIT ?5",
        );
        let wanted = params![
            after.map_or(0, wide),
            filter.state.map(State::as_str),
            filter.domain.as_ref().map(Domain::as_str),
            filter.owner.as_ref().map(owner_text),
            i64::try_from(most).unwrap_or(i64::MAX),
        ];
        self.rows(&sql, wanted)
    }

    /// Writes the entries of one subject where they differ from `before`.
    pub(super) fn replace(&self, before: &[Entry], after: &[Entry]) -> Result<(), StoreError> {
        for gone in before
            .iter()
            .filter(|one| !after.iter().any(|other| other.id == one.id))
        {
            self.run("DELETE FROM certificate WHERE id = ?1", [wide(gone.id)])?;
        }
        let changed = |entry: &&Entry| entry.id == 0 || !before.contains(entry);
        // Of two in use, one has given way: its row goes first.
        let (in_use, others): (Vec<&Entry>, Vec<&Entry>) = after
            .iter()
            .filter(changed)
            .partition(|entry| entry.state.is_in_use());
        for entry in others.into_iter().chain(in_use) {
            self.write(entry)?;
        }
        Ok(())
    }

    fn write(&self, entry: &Entry) -> Result<(), StoreError> {
        let provenance = &entry.candidate.provenance;
        let row = params![
            owner_text(&entry.owner),
            entry.owner.domain().as_str(),
            entry.fingerprint.0.as_slice(),
            entry.candidate.certificate.der(),
            encode::chain(&entry.candidate.chain),
            entry.state.as_str(),
            entry.reason,
            provenance.source.as_str(),
            provenance.authentication.as_str(),
            entry.first_seen.unix(),
            provenance.seen.unix(),
            entry.changed.unix(),
            entry.with_key,
        ];
        self.run(
            "INSERT INTO certificate (owner, domain, fingerprint, der, chain, state, reason, source, authentication, \
             first_seen, last_seen, changed, with_key) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
             ON CONFLICT (owner, fingerprint) DO UPDATE SET chain = ?5, state = ?6, reason = ?7, source = ?8, \
             authentication = ?9, last_seen = ?11, changed = ?12, with_key = ?13",
            row,
        )
    }

    pub(super) fn published(
        &self,
        domain: &str,
        source: LookupSource,
    ) -> Result<Option<Time>, StoreError> {
        let found = self.connection.query_row(
            "SELECT since FROM published WHERE domain = ?1 AND source = ?2",
            [domain, source.as_str()],
            |row| decoded(0, encode::time(row.get(0)?)),
        );
        found.optional().map_err(|error| self.failed(error))
    }

    pub(super) fn note_published(
        &self,
        domain: &str,
        source: LookupSource,
        now: Time,
    ) -> Result<(), StoreError> {
        let row = params![domain, source.as_str(), now.unix()];
        self.run("INSERT INTO published VALUES (?1, ?2, ?3)", row)
    }

    pub(super) fn publishers(
        &self,
        domain: Option<&str>,
        (after, source): (&str, &str),
        most: usize,
    ) -> Result<Vec<Publisher>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.all(
            "SELECT domain, source, since FROM published \
             WHERE (domain, source) > (?2, ?3) AND (?1 IS NULL OR domain = ?1) ORDER BY domain, source LIMIT ?4",
            params![domain, after, source, most],
            read_publisher,
        )
    }

    pub(super) fn forget_publisher(
        &self,
        domain: &str,
        source: Option<LookupSource>,
    ) -> Result<Vec<Publisher>, StoreError> {
        self.all(
            "DELETE FROM published WHERE domain = ?1 AND (?2 IS NULL OR source = ?2) RETURNING domain, source, since",
            params![domain, source.map(LookupSource::as_str)],
            read_publisher,
        )
    }

    /// How many certificates wait for an administrator.
    pub(super) fn pending(&self) -> Result<u64, StoreError> {
        let number: i64 = self.row("SELECT number FROM waiting", [], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }

    pub(super) fn harvest(&self, most: usize) -> Result<Vec<Harvested>, StoreError> {
        let sql = "SELECT address, der, chain, der_signed, capabilities, capabilities_signed, seen FROM harvest \
                   ORDER BY seen DESC, address LIMIT ?1";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.all(sql, [most], read_harvested)
    }

    /// Forgets all but the `most` that were seen last; of how many.
    pub(super) fn shorten_harvest(&self, most: usize) -> Result<usize, StoreError> {
        let sql = "DELETE FROM harvest WHERE address IN \
                   (SELECT address FROM harvest ORDER BY seen DESC, address LIMIT -1 OFFSET ?1)";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let forgotten = self.connection.execute(sql, [most]);
        forgotten.map_err(|error| self.failed(error))
    }

    pub(super) fn keep_harvested(&self, one: &Harvested) -> Result<(), StoreError> {
        let certificate = one.certificate.as_ref();
        let capabilities = one.capabilities.as_ref();
        let at = |time: Option<Time>| time.map(Time::unix);
        let row = params![
            one.mailbox.to_string(),
            certificate.map(|signed| signed.value.certificate.der()),
            certificate.map(|signed| encode::chain(&signed.value.intermediates)),
            certificate.and_then(|signed| at(signed.at)),
            capabilities.map(|signed| signed.value.as_slice()),
            capabilities.and_then(|signed| at(signed.at)),
            one.seen.unix(),
        ];
        self.run(
            "INSERT OR REPLACE INTO harvest VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            row,
        )
    }

    pub(super) fn forget_harvested(&self, address: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM harvest WHERE address = ?1", [address])
    }

    /// What cannot be read counts as never kept: the source is asked, and what it says takes its place.
    pub(super) fn recall(&self, owner: &str, source: LookupSource) -> Result<Recalled, StoreError> {
        let sql = "SELECT said, reason, authentic, content, expected, configuration, asked, until FROM answer \
                   WHERE owner = ?1 AND source = ?2 AND failed = ?3";
        let one = |failed: bool| {
            let found = self.connection.query_row(
                sql,
                params![owner, source.as_str(), failed],
                read_answer,
            );
            match found {
                Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
                    tracing::warn!(
                        owner,
                        source = source.as_str(),
                        error = chain(&error),
                        "an answer that the store kept cannot be read; the source is asked again"
                    );
                    Ok(None)
                }
                found => found.optional().map_err(|error| self.failed(error)),
            }
        };
        Ok(Recalled {
            answer: one(false)?,
            failure: one(true)?,
        })
    }

    pub(super) fn keep(
        &self,
        owner: &str,
        source: LookupSource,
        answer: &KeptAnswer,
    ) -> Result<(), StoreError> {
        let failed = matches!(answer.said, Said::Unavailable(_));
        let row = params![
            owner,
            source.as_str(),
            failed,
            answer.said.result().as_str(),
            answer.said.reason().unwrap_or_default(),
            answer.authentic,
            encode::content(&answer.candidates, &answer.associations, &answer.keys),
            answer.expected,
            i64::from_be_bytes(answer.configuration.to_be_bytes()),
            answer.asked.unix(),
            answer.until.unix(),
        ];
        self.run(
            "INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            row,
        )?;
        if failed {
            return Ok(());
        }
        let sql = "DELETE FROM answer WHERE owner = ?1 AND source = ?2 AND failed = 1";
        self.run(sql, [owner, source.as_str()])
    }

    /// Drops answers that have lapsed, and the oldest beyond as many as are kept.
    pub(super) fn forget_answers(&self, now: Time) -> Result<(), StoreError> {
        let sql = "DELETE FROM answer WHERE until < ?1";
        self.run(sql, [now.unix().saturating_sub(LAPSED)])?;
        self.run(
            "DELETE FROM answer WHERE rowid IN (SELECT rowid FROM answer ORDER BY until \
             LIMIT max(0, (SELECT count(*) FROM answer) - ?1))",
            [MOST_ANSWERS],
        )
    }

    fn failed(&self, error: rusqlite::Error) -> StoreError {
        StoreError::of(self.path, error)
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<(), StoreError> {
        let done = self.connection.execute(sql, values);
        done.map(|_| ()).map_err(|error| self.failed(error))
    }

    fn row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let row = self.connection.query_row(sql, values, read);
        row.map_err(|error| self.failed(error))
    }

    fn rows(&self, sql: &str, values: impl Params) -> Result<Vec<Entry>, StoreError> {
        self.all(sql, values, read_entry)
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        each: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read = || -> rusqlite::Result<Vec<T>> {
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map(values, each)?.collect()
        };
        read().map_err(|error| self.failed(error))
    }
}

fn select(which: &str) -> String {
    format!(
        "SELECT id, owner, fingerprint, der, chain, state, reason, source, authentication, first_seen, last_seen, \
         changed, with_key FROM certificate {which}"
    )
}

/// A subject as a column has it: `dca:b.example`, `recipient:bob@b.example`.
pub(super) fn owner_text(owner: &Owner) -> String {
    match owner {
        Owner::Dca(domain) => format!("dca:{domain}"),
        Owner::Recipient(mailbox) => format!("recipient:{mailbox}"),
    }
}

pub(super) fn read_owner(text: &str) -> Result<Owner, DecodeError> {
    let wrong = || DecodeError::Word(text.to_owned(), "subject");
    match text.split_once(':') {
        Some(("dca", domain)) => Domain::parse(domain).map(Owner::Dca).map_err(|_| wrong()),
        Some(("recipient", mailbox)) => Mailbox::parse(mailbox)
            .map(Owner::Recipient)
            .map_err(|_| wrong()),
        Some(_) | None => Err(wrong()),
    }
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let text = |column| row.get::<_, String>(column);
    let time = |column| decoded(column, encode::time(row.get(column)?));
    let state = text(5)?;
    let der: Vec<u8> = row.get(3)?;
    let chain: Vec<u8> = row.get(4)?;
    Ok(Entry {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        owner: decoded(1, read_owner(&text(1)?))?,
        fingerprint: Fingerprint(row.get(2)?),
        candidate: Candidate {
            certificate: decoded(3, Certificate::parse(&der).map_err(DecodeError::from))?,
            chain: decoded(4, encode::read_chain(&chain))?,
            provenance: Provenance {
                source: decoded(7, encode::source(&text(7)?))?,
                authentication: decoded(8, encode::authentication(&text(8)?))?,
                seen: time(10)?,
            },
        },
        state: decoded(
            5,
            State::named(&state).ok_or(DecodeError::Word(state, "state")),
        )?,
        with_key: row.get(12)?,
        reason: text(6)?,
        first_seen: time(9)?,
        changed: time(11)?,
    })
}

fn read_publisher(row: &Row<'_>) -> rusqlite::Result<Publisher> {
    let (domain, source): (String, String) = (row.get(0)?, row.get(1)?);
    let parsed = Domain::parse(&domain).map_err(|_| DecodeError::Word(domain, "domain"));
    Ok(Publisher {
        domain: decoded(0, parsed)?,
        source: decoded(1, encode::source(&source))?,
        since: decoded(2, encode::time(row.get(2)?))?,
    })
}

fn read_harvested(row: &Row<'_>) -> rusqlite::Result<Harvested> {
    let address: String = row.get(0)?;
    let mailbox = Mailbox::parse(&address);
    let mailbox = mailbox.map_err(|_| DecodeError::Word(address, "address"));
    let signed = |column| {
        let seconds: Option<i64> = row.get(column)?;
        let time = seconds.map(|seconds| decoded(column, encode::time(seconds)));
        time.transpose()
    };
    let der: Option<Vec<u8>> = row.get(1)?;
    let certificate = match der {
        Some(der) => Some(Signed {
            value: PathTo {
                certificate: decoded(1, Certificate::parse(&der).map_err(DecodeError::from))?,
                intermediates: decoded(2, encode::read_chain(&row.get::<_, Vec<u8>>(2)?))?,
            },
            at: signed(3)?,
        }),
        None => None,
    };
    let capabilities: Option<Vec<u8>> = row.get(4)?;
    let capabilities = match capabilities {
        Some(value) => Some(Signed {
            value,
            at: signed(5)?,
        }),
        None => None,
    };
    Ok(Harvested {
        mailbox: decoded(0, mailbox)?,
        certificate,
        capabilities,
        seen: decoded(6, encode::time(row.get(6)?))?,
    })
}

fn read_answer(row: &Row<'_>) -> rusqlite::Result<KeptAnswer> {
    let (said, reason): (String, String) = (row.get(0)?, row.get(1)?);
    let said = match said.as_str() {
        "absent" => Ok(Said::Absent(reason)),
        "found" => Ok(Said::Found),
        "invalid" => Ok(Said::Invalid(reason)),
        "unavailable" => Ok(Said::Unavailable(reason)),
        _ => Err(DecodeError::Word(said, "answer")),
    };
    let content: Vec<u8> = row.get(3)?;
    let content = decoded(3, encode::read_content(&content))?;
    Ok(KeptAnswer {
        said: decoded(0, said)?,
        authentic: row.get(2)?,
        candidates: content.candidates,
        associations: content.associations,
        keys: content.keys,
        expected: row.get(4)?,
        configuration: u64::from_be_bytes(row.get::<_, i64>(5)?.to_be_bytes()),
        asked: decoded(6, encode::time(row.get(6)?))?,
        until: decoded(7, encode::time(row.get(7)?))?,
    })
}

/// What a column says is not what was written there: the file is damaged.
fn decoded<T>(column: usize, value: Result<T, DecodeError>) -> rusqlite::Result<T> {
    value.map_err(|error| {
        let kind = rusqlite::types::Type::Blob;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

fn wide(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
