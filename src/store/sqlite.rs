//! The store in a file: SQLite, on a thread of its own.
//!
//! What comes while the disk is waited for goes into one transaction, so that a thousand first messages wait a few
//! times and not a thousand. Answers of sources go through a second connection that waits for no disk (in WAL mode
//! `synchronous=NORMAL` loses the last ones in a power failure, and never damages the file).

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

use super::Acted;
use super::Entry;
use super::Filter;
use super::KeptAnswer;
use super::Order;
use super::Publisher;
use super::Recalled;
use super::Settled;
use super::Settlement;
use super::Store;
use super::StoreError;
use super::Told;
use super::file::check_access;
use super::file::connect;
use super::file::make;
use super::file::open_error;
use super::harvested::Harvested;
use super::recent::Recent;
use super::rules;
use super::schema;
use super::tables::Tables;
use super::tables::owner_text;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::search::Known;
use crate::gateway::search::Owner;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Time;

/// Questions that wait for the thread; who comes then waits before he asks.
const WAITING: usize = 4096;

/// Questions in one transaction.
const BATCH: usize = 256;

/// Answers that are kept between two looks for those that have lapsed.
const KEPT_BEFORE_FORGETTING: u32 = 1024;

/// A store in a file.
pub struct Sqlite {
    path: PathBuf,
    recent: Arc<Recent>,
    /// `None` while it closes.
    jobs: Option<mpsc::Sender<Job>>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

/// One question to the thread. Its answer goes out when the transaction has ended.
struct Job {
    kind: Kind,
    work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Reads.
    Read,
    /// Writes what trust depends on.
    Write,
    /// Writes what sources answered.
    WriteAnswer,
}

/// Its own error, if it has one, and what tells its asker; that is called with the transaction's.
type Work =
    Box<dyn FnOnce(Result<&mut Area<'_>, StoreError>) -> (Option<StoreError>, Reply) + Send>;
type Reply = Box<dyn FnOnce(Option<StoreError>) + Send>;

/// What a job works on, and what it leaves to be done after the transaction.
struct Area<'a> {
    tables: Tables<'a>,
    /// Subjects whose certificates it has changed.
    changed: Vec<Owner>,
    /// Whether it has changed anything that others should see.
    wrote: bool,
    /// What was read of subjects.
    read: Vec<(Owner, Known)>,
}

impl Sqlite {
    /// Opens the store at `path`, or makes it; an older one becomes one of this version.
    ///
    /// Blocks for the time of that. Starts a thread, and needs no runtime.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make(path)?;
        Self::open_existing(path)
    }

    /// As [`Sqlite::open`], where there must be one already.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        check_access(path)?;
        let mut trust = connect(path, "FULL")?;
        schema::migrate(&mut trust, path, schema::MIGRATIONS)?;
        let answers = connect(path, "NORMAL")?;
        let (jobs, queue) = mpsc::channel();
        let recent = Arc::new(Recent::default());
        let worker = Worker {
            path: path.to_owned(),
            trust,
            answers,
            recent: Arc::clone(&recent),
            kept: 0,
        };
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run(&queue))
            .map_err(|source| open_error(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            recent,
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(WAITING)),
            thread: Some(thread),
        })
    }

    /// Whether the store at `path` could be opened and written now. An older one stays as it is.
    pub fn look(path: &Path) -> Result<(), StoreError> {
        check_access(path)?;
        let connection = connect(path, "FULL")?;
        schema::version(&connection, path, schema::MIGRATIONS)?;
        let written = connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
        written.map_err(|error| StoreError::of(path, error))
    }

    /// Has the thread do `work`, and waits for the end of its transaction.
    fn ask<'a, T: Send + 'static>(
        &'a self,
        kind: Kind,
        work: impl FnOnce(&mut Area<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Told<'a, T> {
        Box::pin(async move {
            let gone = || StoreError::Gone {
                path: self.path.clone(),
            };
            let room = Arc::clone(&self.room).acquire_owned().await;
            let room = room.map_err(|_| gone())?;
            let (tell, told) = oneshot::channel();
            let work: Work = Box::new(move |area| {
                let done = area.and_then(work);
                let error = done.as_ref().err().cloned();
                let reply: Reply = Box::new(move |fault| {
                    // Who does not wait any more has no use for it.
                    let _told = tell.send(fault.map_or(done, Err));
                    drop(room);
                });
                (error, reply)
            });
            let jobs = self.jobs.as_ref().ok_or_else(gone)?;
            jobs.send(Job { kind, work }).map_err(|_| gone())?;
            told.await.map_err(|_| gone())?
        })
    }
}

impl Store for Sqlite {
    fn known<'a>(&'a self, owner: &'a Owner) -> Told<'a, Known> {
        if let Some(known) = self.recent.of(owner) {
            return Box::pin(std::future::ready(Ok(known)));
        }
        let owner = owner.clone();
        self.ask(Kind::Read, move |area| {
            let known = rules::known(&area.tables.entries(&owner)?);
            area.read.push((owner, known.clone()));
            Ok(known)
        })
    }

    fn settle<'a>(&'a self, owner: &'a Owner, settlement: Settlement) -> Told<'a, Settled> {
        let known = self.recent.of(owner);
        if known.is_some_and(|known| rules::is_no_news(&known, &settlement)) {
            return Box::pin(std::future::ready(Ok(Settled::Kept)));
        }
        let owner = owner.clone();
        self.ask(Kind::Write, move |area| {
            let before = area.tables.entries(&owner)?;
            let mut after = before.clone();
            let settled = rules::settle(&mut after, &owner, &settlement);
            area.replace(owner, &before, &after)?;
            Ok(settled)
        })
    }

    fn published<'a>(&'a self, domain: &'a Domain, source: LookupSource) -> Told<'a, Option<Time>> {
        let domain = domain.as_str().to_owned();
        self.ask(Kind::Read, move |area| {
            area.tables.published(&domain, source)
        })
    }

    fn note_published<'a>(
        &'a self,
        domain: &'a Domain,
        source: LookupSource,
        now: Time,
    ) -> Told<'a, Time> {
        Box::pin(async move {
            // Who is noted already need not wait for who writes.
            if let Some(since) = self.published(domain, source).await? {
                return Ok(since);
            }
            let domain = domain.as_str().to_owned();
            let noting = self.ask(Kind::Write, move |area| {
                if let Some(since) = area.tables.published(&domain, source)? {
                    return Ok(since);
                }
                area.tables.note_published(&domain, source, now)?;
                area.wrote = true;
                Ok(now)
            });
            noting.await
        })
    }

    fn publishers<'a>(
        &'a self,
        domain: Option<&'a Domain>,
        after: Option<&'a Publisher>,
        most: usize,
    ) -> Told<'a, Vec<Publisher>> {
        let domain = domain.map(|domain| domain.as_str().to_owned());
        let after = after.map_or_else(Default::default, |one| {
            (one.domain.as_str().to_owned(), one.source.as_str())
        });
        self.ask(Kind::Read, move |area| {
            let (name, source) = &after;
            area.tables
                .publishers(domain.as_deref(), (name, source), most)
        })
    }

    fn forget_publisher<'a>(
        &'a self,
        domain: &'a Domain,
        source: Option<LookupSource>,
    ) -> Told<'a, Vec<Publisher>> {
        let domain = domain.as_str().to_owned();
        self.ask(Kind::Write, move |area| {
            let forgotten = area.tables.forget_publisher(&domain, source)?;
            area.wrote |= !forgotten.is_empty();
            Ok(forgotten)
        })
    }

    fn answer<'a>(&'a self, owner: &'a Owner, source: LookupSource) -> Told<'a, Recalled> {
        let owner = owner_text(owner);
        self.ask(Kind::Read, move |area| area.tables.recall(&owner, source))
    }

    fn keep<'a>(
        &'a self,
        owner: &'a Owner,
        source: LookupSource,
        answer: KeptAnswer,
    ) -> Told<'a, ()> {
        let owner = owner_text(owner);
        self.ask(Kind::WriteAnswer, move |area| {
            area.tables.keep(&owner, source, &answer)
        })
    }

    fn harvest(&self, most: usize) -> Told<'_, Vec<Harvested>> {
        self.ask(Kind::Read, move |area| area.tables.harvest(most))
    }

    fn shorten_harvest(&self, most: usize) -> Told<'_, usize> {
        self.ask(Kind::Write, move |area| area.tables.shorten_harvest(most))
    }

    fn keep_harvest<'a>(&'a self, kept: Vec<Harvested>, forgotten: Vec<Mailbox>) -> Told<'a, ()> {
        self.ask(Kind::Write, move |area| {
            for one in &kept {
                area.tables.keep_harvested(one)?;
            }
            for mailbox in &forgotten {
                area.tables.forget_harvested(&mailbox.to_string())?;
            }
            Ok(())
        })
    }

    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<u64>,
        most: usize,
    ) -> Told<'a, Vec<Entry>> {
        let filter = filter.clone();
        self.ask(Kind::Read, move |area| {
            area.tables.list(&filter, after, most)
        })
    }

    fn show<'a>(&'a self, fingerprint: &'a Fingerprint) -> Told<'a, Vec<Entry>> {
        let fingerprint = *fingerprint;
        self.ask(Kind::Read, move |area| {
            area.tables.of_certificate(&fingerprint)
        })
    }

    fn act<'a>(&'a self, order: Order) -> Told<'a, Acted> {
        self.ask(Kind::Write, move |area| area.act(&order))
    }

    fn generation(&self) -> Told<'_, u64> {
        self.ask(Kind::Read, |area| area.tables.generation())
    }

    fn pending(&self) -> Told<'_, u64> {
        self.ask(Kind::Read, |area| area.tables.pending())
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for Sqlite {
    /// Waits until what was asked is done: a file that is closed has no other files beside it.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Where it has panicked, there is nothing left to close.
            let _ended = thread.join();
        }
    }
}

impl Area<'_> {
    fn replace(
        &mut self,
        owner: Owner,
        before: &[Entry],
        after: &[Entry],
    ) -> Result<(), StoreError> {
        if before != after {
            self.tables.replace(before, after)?;
            self.changed.push(owner);
            self.wrote = true;
        }
        Ok(())
    }

    fn act(&mut self, order: &Order) -> Result<Acted, StoreError> {
        let of_order = |entry: &Entry| order.owner.as_ref().is_none_or(|own| *own == entry.owner);
        let mut held = self.tables.of_certificate(&order.fingerprint)?;
        held.retain(of_order);
        let mut all = Vec::new();
        for entry in held {
            let before = self.tables.entries(&entry.owner)?;
            let mut after = before.clone();
            if let Err(why) = rules::act(&mut after, order) {
                return Ok(Acted::Refused(why));
            }
            all.push((entry.owner, before, after));
        }
        if all.is_empty() {
            return Ok(Acted::NotHeld);
        }
        for (owner, before, after) in all {
            self.replace(owner, &before, &after)?;
        }
        let mut done = self.tables.of_certificate(&order.fingerprint)?;
        done.retain(of_order);
        Ok(Acted::Done(done))
    }
}

/// The thread that has the file.
struct Worker {
    path: PathBuf,
    /// Waits for the disk.
    trust: Connection,
    /// Does not.
    answers: Connection,
    recent: Arc<Recent>,
    /// Answers since those that have lapsed were looked for.
    kept: u32,
}

impl Worker {
    /// Does what comes until nobody can ask any more.
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let (mut trust, mut answers) = (Vec::new(), Vec::new());
            for job in std::iter::once(first).chain(queue.try_iter()).take(BATCH) {
                match job.kind {
                    Kind::Read | Kind::Write => trust.push(job),
                    Kind::WriteAnswer => answers.push(job),
                }
            }
            self.transaction(&self.trust, trust);
            // A write by the one connection waits for the other's, so never one within the other.
            self.kept = self
                .kept
                .saturating_add(u32::try_from(answers.len()).unwrap_or(u32::MAX));
            self.transaction(&self.answers, answers);
            if self.kept >= KEPT_BEFORE_FORGETTING {
                self.kept = 0;
                self.forget();
            }
        }
    }

    /// Does `jobs` in one transaction, where one of them writes; and tells each what became of it.
    fn transaction(&self, connection: &Connection, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let tables = Tables {
            connection,
            path: &self.path,
        };
        let mut area = Area {
            tables,
            changed: Vec::new(),
            wrote: false,
            read: Vec::new(),
        };
        let is_trust = jobs.iter().any(|job| job.kind != Kind::WriteAnswer);
        let begun = if jobs.iter().any(|job| job.kind != Kind::Read) {
            self.execute(connection, "BEGIN IMMEDIATE").map(|()| true)
        } else {
            // One state of the file for all that is read.
            self.execute(connection, "BEGIN").map(|()| false)
        };
        let looked = match (&begun, is_trust) {
            (Ok(_), true) => tables.generation(),
            (Ok(_), false) => Ok(0),
            (Err(error), _) => Err(error.clone()),
        };
        if let (Ok(generation), true) = (&looked, is_trust) {
            self.recent.looked(*generation);
        }
        let (mut lost, generation) = match looked {
            Ok(generation) => (None, generation),
            Err(error) => (Some(error), 0),
        };
        let mut replies = Vec::with_capacity(jobs.len());
        for job in jobs {
            replies.push(self.one(connection, &mut area, job, &mut lost));
        }
        let end = || {
            if area.wrote {
                tables.next_generation()?;
            }
            self.execute(connection, "COMMIT")
        };
        let ended = lost.map_or_else(end, Err);
        match ended {
            Ok(()) if is_trust => {
                let generation = generation.saturating_add(u64::from(area.wrote));
                self.recent.changed(&area.changed, generation);
                for (owner, known) in area.read {
                    // It may have been read before it was changed.
                    if !area.changed.contains(&owner) {
                        self.recent.read(owner, known);
                    }
                }
                replies.into_iter().for_each(|reply| reply(None));
            }
            Ok(()) => replies.into_iter().for_each(|reply| reply(None)),
            Err(error) => {
                // SQLite may have ended the transaction itself.
                if !connection.is_autocommit() {
                    let _rolled_back = self.execute(connection, "ROLLBACK");
                }
                replies
                    .into_iter()
                    .for_each(|reply| reply(Some(error.clone())));
            }
        }
    }

    /// Does one job. What it has written is taken back where it fails, and what others have written stays.
    ///
    /// `lost` is why the transaction is no more: some errors (a full disk) make SQLite end it.
    fn one(
        &self,
        connection: &Connection,
        area: &mut Area<'_>,
        job: Job,
        lost: &mut Option<StoreError>,
    ) -> Reply {
        if let Some(error) = lost {
            return (job.work)(Err(error.clone())).1;
        }
        if job.kind == Kind::Read {
            return (job.work)(Ok(area)).1;
        }
        if let Err(error) = self.execute(connection, "SAVEPOINT job") {
            return (job.work)(Err(error)).1;
        }
        let (failed, reply) = (job.work)(Ok(area));
        let ended = if failed.is_some() && !connection.is_autocommit() {
            self.execute(connection, "ROLLBACK TO job; RELEASE job")
        } else if failed.is_none() {
            self.execute(connection, "RELEASE job")
        } else {
            Ok(())
        };
        if connection.is_autocommit() {
            *lost = ended.as_ref().err().cloned().or(failed);
        }
        Box::new(move |fault| reply(fault.or(ended.err())))
    }

    fn execute(&self, connection: &Connection, sql: &str) -> Result<(), StoreError> {
        let done = connection.execute_batch(sql);
        done.map_err(|error| StoreError::of(&self.path, error))
    }

    /// Drops answers that have lapsed. Where that fails, the next time will do.
    fn forget(&self) {
        let tables = Tables {
            connection: &self.answers,
            path: &self.path,
        };
        let now = self
            .answers
            .query_row("SELECT unixepoch()", [], |row| row.get(0))
            .ok()
            .and_then(Time::from_unix);
        let forgotten = now.map(|now| tables.forget_answers(now));
        if let Some(Err(error)) = forgotten {
            tracing::warn!(
                error = crate::gateway::judge::chain(&error),
                "answers that have lapsed stay in the store"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use rusqlite::params;
    use tempfile::TempDir;

    use super::*;
    use crate::gateway::judge::chain;
    use crate::gateway::search::Said;
    use crate::store::Act;
    use crate::store::tests::answer;
    use crate::store::tests::at;
    use crate::store::tests::bob;
    use crate::store::tests::candidate;
    use crate::store::tests::certificate;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    fn first_use(known: Known) -> Settlement {
        Settlement {
            known,
            in_use: Some(candidate(&certificate("bob"), 0)),
            reason: "the first".to_owned(),
            pending: Vec::new(),
            now: at(0),
        }
    }

    fn reject() -> Order {
        Order {
            fingerprint: Fingerprint::of(&certificate("bob")),
            owner: None,
            act: Act::Reject,
            reason: "stolen".to_owned(),
            now: at(1),
        }
    }

    fn refused(path: &Path) -> String {
        chain(&Sqlite::open(path).unwrap_err())
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_is_ours_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        let store = Sqlite::open(&path).unwrap();
        let settled = block_on(store.settle(&bob(), first_use(Known::default())));
        assert_eq!(settled.unwrap(), Settled::Kept);
        Sqlite::look(&path).unwrap();
        let kept = answer(Said::Absent("no such user".to_owned()), 300);
        block_on(store.keep(&bob(), LookupSource::Ldap, kept.clone())).unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let known = block_on(store.known(&bob())).unwrap();
        drop(store);
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(block_on(store.known(&bob())).unwrap(), known);
        let recalled = block_on(store.answer(&bob(), LookupSource::Ldap)).unwrap();
        assert_eq!(recalled.answer, Some(kept));
    }

    #[test]
    fn what_one_process_rejects_another_one_sees() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        let gateway = Sqlite::open(&path).unwrap();
        let settled = block_on(gateway.settle(&bob(), first_use(Known::default())));
        assert_eq!(settled.unwrap(), Settled::Kept);
        let known = block_on(gateway.known(&bob())).unwrap();
        // From memory, by now.
        assert_eq!(gateway.recent.of(&bob()), Some(known.clone()));
        let command = Sqlite::open_existing(&path).unwrap();
        let acted = block_on(command.act(reject())).unwrap();
        assert!(matches!(acted, Acted::Done(_)), "{acted:?}");
        // Whoever wants to encrypt is told at once,
        let seen = Settlement {
            now: at(4000),
            in_use: Some(candidate(&certificate("bob"), 4000)),
            ..first_use(known)
        };
        let settled = block_on(gateway.settle(&bob(), seen)).unwrap();
        assert!(matches!(settled, Settled::Outdated(now) if now.in_use.is_none()));
        // and whoever asks within FRESH.
        thread::sleep(super::super::FRESH);
        let now = block_on(gateway.known(&bob())).unwrap();
        assert_eq!((now.in_use, now.rejected.len()), (None, 1));
    }

    #[test]
    fn what_one_job_cannot_write_is_taken_back_and_no_other() {
        let folder = TempDir::new().unwrap();
        let store = Sqlite::open(&folder.path().join("domsec.db")).unwrap();
        let domain: Domain = "b.example".parse().unwrap();
        let noted = store.note_published(&domain, LookupSource::Mcek, at(0));
        let broken = store.ask(Kind::Write, |area| {
            area.tables
                .note_published("half.example", LookupSource::Mcek, at(0))?;
            let sql = "INSERT INTO published VALUES (NULL, 'mcek', 0)";
            let done = area.tables.connection.execute(sql, []);
            done.map_err(|error| StoreError::of(area.tables.path, error))
        });
        // Both come before the thread looks for the first.
        let (noted, broken) = block_on(async { tokio::join!(noted, broken) });
        noted.unwrap();
        assert!(matches!(broken, Err(StoreError::Sql { .. })), "{broken:?}");
        let since = block_on(store.published(&domain, LookupSource::Mcek)).unwrap();
        assert_eq!(since, Some(at(0)));
        let half = "half.example".parse().unwrap();
        let since = block_on(store.published(&half, LookupSource::Mcek)).unwrap();
        assert_eq!(since, None);
    }

    #[test]
    fn a_full_disk_is_said_and_ends_with_room() {
        let folder = TempDir::new().unwrap();
        let store = Sqlite::open(&folder.path().join("domsec.db")).unwrap();
        let pages = |store: &Sqlite, most: i64| {
            block_on(store.ask(Kind::Read, move |area| {
                let sql = format!("PRAGMA max_page_count = {most}");
                let set = area.tables.connection.query_row(&sql, [], |_| Ok(()));
                set.map_err(|error| StoreError::of(area.tables.path, error))
            }))
            .unwrap();
        };
        pages(&store, 1);
        let mut failed = None;
        for number in 0..2000 {
            let domain = format!("d{number}.example").parse().unwrap();
            let noted = block_on(store.note_published(&domain, LookupSource::Mcek, at(0)));
            if let Err(error) = noted {
                failed = Some((domain, error));
                break;
            }
        }
        let (domain, error) = failed.unwrap();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .ends_with("cannot grow: make room on its disk")
        );
        let since = block_on(store.published(&domain, LookupSource::Mcek)).unwrap();
        assert_eq!(since, None);
        pages(&store, 10_000);
        block_on(store.note_published(&domain, LookupSource::Mcek, at(0))).unwrap();
        let since = block_on(store.published(&domain, LookupSource::Mcek)).unwrap();
        assert_eq!(since, Some(at(0)));
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_with_what_to_do() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        fs::write(&path, "-----BEGIN CERTIFICATE-----\n".repeat(100)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let shown = refused(&path);
        assert!(
            shown.contains("(mode 0640)") && shown.ends_with("chmod 600"),
            "{shown}"
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let shown = refused(&path);
        assert!(
            shown.contains("is damaged or no store of domsec"),
            "{shown}"
        );
        assert!(shown.ends_with("file is not a database"), "{shown}");
        let shown = refused(&folder.path().join("none/domsec.db"));
        assert!(
            shown.contains("see that it and its folder are there"),
            "{shown}"
        );
        let shown = refused(folder.path());
        assert!(shown.contains("cannot be opened"), "{shown}");
        let none = Sqlite::open_existing(&folder.path().join("none.db"));
        assert!(matches!(none, Err(StoreError::Open { .. })));
        assert!(!folder.path().join("none.db").exists());
    }

    #[test]
    fn a_file_of_another_program_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        make(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other
            .execute_batch("CREATE TABLE mail (id INTEGER)")
            .unwrap();
        drop(other);
        let shown = refused(&path);
        assert!(shown.contains("application_id is 0x0"), "{shown}");
        let other = Connection::open(&path).unwrap();
        let tables: i64 = other
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }

    #[test]
    fn a_damaged_row_is_no_missing_one() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        let store = Sqlite::open(&path).unwrap();
        let settled = block_on(store.settle(&bob(), first_use(Known::default())));
        assert_eq!(settled.unwrap(), Settled::Kept);
        drop(store);
        let other = Connection::open(&path).unwrap();
        let sql = "UPDATE certificate SET der = x'3000'";
        assert_eq!(other.execute(sql, []).unwrap(), 1);
        drop(other);
        let store = Sqlite::open(&path).unwrap();
        let known = block_on(store.known(&bob()));
        assert!(
            matches!(known, Err(StoreError::Corrupt { .. })),
            "{known:?}"
        );
    }

    #[test]
    fn a_store_of_a_newer_version_is_not_touched() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        drop(Sqlite::open(&path).unwrap());
        let newer = Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 9).unwrap();
        drop(newer);
        assert!(matches!(
            Sqlite::look(&path),
            Err(StoreError::Newer { found: 9, .. })
        ));
        let shown = refused(&path);
        assert!(
            shown.contains("is of version 9, and this domsec knows no version above 4"),
            "{shown}"
        );
    }

    #[test]
    fn a_migration_is_made_whole_or_not_at_all() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        let store = Sqlite::open(&path).unwrap();
        let domain: Domain = "b.example".parse().unwrap();
        block_on(store.note_published(&domain, LookupSource::Mcek, at(0))).unwrap();
        drop(store);
        let next = "ALTER TABLE published ADD COLUMN last INTEGER NOT NULL DEFAULT 0";
        let with = |steps: &[&'static str]| [schema::MIGRATIONS, steps].concat();
        let mut connection = connect(&path, "FULL").unwrap();
        let broken = schema::migrate(&mut connection, &path, &with(&[next, "CREATE rubbish"]));
        assert!(matches!(broken, Err(StoreError::Sql { .. })), "{broken:?}");
        drop(connection);
        // Still of this version.
        let store = Sqlite::open(&path).unwrap();
        let since = block_on(store.published(&domain, LookupSource::Mcek)).unwrap();
        assert_eq!(since, Some(at(0)));
        drop(store);
        let mut connection = connect(&path, "FULL").unwrap();
        for _ in 0..2 {
            schema::migrate(&mut connection, &path, &with(&[next])).unwrap();
        }
        let row = "SELECT domain FROM published WHERE last = 0";
        let kept: String = connection.query_row(row, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "b.example");
        drop(connection);
        assert!(refused(&path).contains("is of version 5"));
    }

    #[test]
    fn spellings_of_one_address_become_one_subject() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        make(&path).unwrap();
        let mut third = connect(&path, "FULL").unwrap();
        schema::migrate(&mut third, &path, &schema::MIGRATIONS[..3]).unwrap();
        // Local part, certificate, state, when it was seen.
        let rows = [
            ("bob", 1_u8, "active", 5),
            ("Bob", 2, "pinned", 1),
            ("BOB", 3, "active", 9),
            ("BOB", 1, "rejected", 2),
            ("bob", 4, "pending", 2),
            ("Bob", 4, "retired", 2),
            ("J\u{d6}RG", 1, "active", 1),
            ("Ann", 1, "active", 1),
            ("ann", 2, "active", 2),
        ];
        for (local, number, state, seen) in rows {
            third
                .execute(
                    "INSERT INTO certificate (owner, domain, fingerprint, der, chain, state, reason, source, \
                     authentication, first_seen, last_seen, changed) VALUES (?1, 'b.example', ?2, x'', x'', ?3, '', \
                     'mcek', 'none', 0, ?4, 0)",
                    params![format!("recipient:{local}@b.example"), [number; 32], state, seen],
                )
                .unwrap();
        }
        drop(third);
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(block_on(store.pending()).unwrap(), 3);
        drop(store);
        let now = connect(&path, "FULL").unwrap();
        let all = "SELECT owner, hex(substr(fingerprint, 1, 1)), state FROM certificate ORDER BY owner, fingerprint";
        let mut statement = now.prepare(all).unwrap();
        let rows = statement.query_map([], |row| {
            let text = |column| row.get::<_, String>(column);
            Ok(format!("{} {} {}", text(0)?, text(1)?, text(2)?))
        });
        let rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
        assert_eq!(
            rows,
            [
                "recipient:J\u{d6}RG@b.example 01 active",
                "recipient:ann@b.example 01 pending",
                "recipient:ann@b.example 02 active",
                "recipient:bob@b.example 01 rejected",
                "recipient:bob@b.example 02 pinned",
                "recipient:bob@b.example 03 pending",
                "recipient:bob@b.example 04 pending",
            ]
        );
    }

    #[test]
    fn a_store_of_the_first_version_keeps_what_it_knows_and_counts_who_waits() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        make(&path).unwrap();
        let mut first = connect(&path, "FULL").unwrap();
        schema::migrate(&mut first, &path, &schema::MIGRATIONS[..1]).unwrap();
        for (number, state) in ["active", "pending", "pending", "retired"]
            .iter()
            .enumerate()
        {
            first
                .execute(
                    "INSERT INTO certificate (owner, domain, fingerprint, der, chain, state, reason, source, \
                     authentication, first_seen, last_seen, changed) VALUES ('recipient:bob@b.example', 'b.example', \
                     ?1, x'', x'', ?2, '', 'mcek', 'none', 0, 0, 0)",
                    params![[u8::try_from(number).unwrap(); 32], state],
                )
                .unwrap();
        }
        drop(first);
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(block_on(store.pending()).unwrap(), 2);
        assert_eq!(block_on(store.harvest(9)).unwrap(), []);
        drop(store);
        let now = connect(&path, "FULL").unwrap();
        let with_key = "SELECT count(*) FROM certificate WHERE with_key = 0";
        let kept: i64 = now.query_row(with_key, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 4);
    }

    #[test]
    fn many_at_once_are_all_kept() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("domsec.db");
        let store = Arc::new(Sqlite::open(&path).unwrap());
        let owner =
            |number: usize| Owner::Recipient(format!("u{number}@b.example").parse().unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for number in 0..1000 {
                let store = Arc::clone(&store);
                all.spawn(async move {
                    let owner = owner(number);
                    let settled = store.settle(&owner, first_use(Known::default())).await;
                    assert_eq!(settled.unwrap(), Settled::Kept);
                    assert!(store.known(&owner).await.unwrap().in_use.is_some());
                });
            }
            all.join_all().await;
        });
        drop(runtime);
        drop(store);
        let store = Sqlite::open(&path).unwrap();
        let all = block_on(store.list(&Filter::default(), None, 5000)).unwrap();
        assert_eq!(all.len(), 1000);
    }
}
