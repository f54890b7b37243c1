//! What was submitted for messages that the MTA may offer again (DESIGN, "Outcome").
//!
//! An entry is written to the disk before the MTA is answered, and removed when it has read the
//! answer; else it stays for a week. A duplicate is better than a loss: an entry that cannot be
//! written defers the message, and one that is lost sends twice.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// How long an entry is kept: longer than Postfix keeps a message by default (5 days), and RFC 5321
/// §4.5.4.1 advises.
const KEPT: i64 = 7 * 24 * 3600;
/// Lines after which the file is written anew with what is still in it.
const REWRITTEN_AFTER: usize = 10_000;
/// The most octets of a line: a key, a blank, a time, and the line's end.
const LINE: u64 = 64 + 1 + 20 + 1;
/// Octets of room beyond what was asked for: for messages at hand at the same time, and so that not
/// every submission waits for the disk twice.
const SPARE: u64 = 16 * 1024;

/// The digest of a sender, a recipient, and a message.
pub type Key = [u8; 32];

/// A journal in a file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// When each was entered, in seconds since 1970. Never held while the disk is waited for: it is asked
    /// where nothing may wait.
    entries: Mutex<HashMap<Key, i64>>,
    file: Mutex<Lines>,
}

/// The file.
#[derive(Debug)]
struct Lines {
    file: File,
    count: usize,
    /// Where the next line goes.
    end: u64,
    /// How far the file reaches: from `end` on with line ends alone.
    room: u64,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} cannot be read and written: see that its directory is ours", path.display())]
pub struct JournalError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Journal {
    /// Opens the file at `path`, or makes it. A line that cannot be read is what a crash left: it is
    /// skipped. `now` is in seconds since 1970.
    pub fn open(path: &Path, now: i64) -> Result<Self, JournalError> {
        let failed = |source| JournalError {
            path: path.to_owned(),
            source,
        };
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        let mut entries = HashMap::new();
        for line in text.lines() {
            match parsed(line) {
                Some((key, Some(at))) if now.saturating_sub(at) < KEPT => {
                    entries.insert(key, at);
                }
                Some((key, None)) => {
                    entries.remove(&key);
                }
                Some((_, Some(_))) | None => {}
            }
        }
        let file = Lines::rewritten(path, &entries).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            entries: Mutex::new(entries),
            file: Mutex::new(file),
        })
    }

    /// Sees to it that `count` entries find room on the disk. Asked for before anything is submitted:
    /// what cannot be entered afterwards goes out again with every attempt.
    pub fn reserve(&self, count: usize) -> io::Result<()> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut file = self.file();
        let needed = file.end.saturating_add(count.saturating_mul(LINE));
        if needed <= file.room {
            return Ok(());
        }
        let more = needed.saturating_add(SPARE) - file.room;
        let blank = vec![b'\n'; usize::try_from(more).map_err(|_| io::ErrorKind::OutOfMemory)?];
        file.file.write_all_at(&blank, file.room)?;
        file.file.sync_data()?;
        file.room += more;
        Ok(())
    }

    /// Whether it was submitted already, less than a week before `now`.
    #[must_use]
    pub fn holds(&self, key: &Key, now: i64) -> bool {
        let entered = self.entries().get(key).copied();
        entered.is_some_and(|at| now.saturating_sub(at) < KEPT)
    }

    /// Enters `keys`; they are on the disk when this returns.
    pub fn enter(&self, keys: &[Key], now: i64) -> io::Result<()> {
        let mut lines = String::new();
        for key in keys {
            lines.push_str(&format!("{} {now}\n", crate::octets::hex(key)));
        }
        let mut file = self.file();
        file.append(&lines, keys.len())?;
        file.file.sync_data()?;
        self.entries().extend(keys.iter().map(|key| (*key, now)));
        Ok(())
    }

    /// Removes `keys`: the MTA has read the answer, and what it offers from now on is another message. What is not
    /// removed on the disk is forgotten in a week.
    pub fn remove(&self, keys: &[Key], now: i64) -> io::Result<()> {
        let mut lines = String::new();
        let mut file = self.file();
        for key in keys {
            self.entries().remove(key);
            lines.push_str(&format!("{} -\n", crate::octets::hex(key)));
        }
        file.append(&lines, keys.len())?;
        let most = REWRITTEN_AFTER + 2 * self.entries().len();
        if file.count > most {
            self.entries()
                .retain(|_, at| now.saturating_sub(*at) < KEPT);
            let entries = self.entries().clone();
            *file = Lines::rewritten(&self.path, &entries)?;
        }
        Ok(())
    }

    // What a panic left of either is whole: an entry is in the map after it is on the disk.

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, i64>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Lines> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Writes the file anew, beside the old one, and opens it for more.
    fn rewritten(path: &Path, entries: &HashMap<Key, i64>) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let beside = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(&beside)?;
        let mut lines = String::new();
        for (key, at) in entries {
            lines.push_str(&format!("{} {at}\n", crate::octets::hex(key)));
        }
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let end = crate::octets::length(lines.as_bytes());
        Ok(Self {
            file,
            count: entries.len(),
            end,
            room: end,
        })
    }

    /// Writes `lines` over the room. What a failure leaves of them is written over by the next ones.
    fn append(&mut self, lines: &str, count: usize) -> io::Result<()> {
        self.file.write_all_at(lines.as_bytes(), self.end)?;
        self.count += count;
        self.end += crate::octets::length(lines.as_bytes());
        self.room = self.room.max(self.end);
        Ok(())
    }
}

/// Key and time of a line; no time where it is removed.
fn parsed(line: &str) -> Option<(Key, Option<i64>)> {
    let (digits, at) = line.split_once(' ')?;
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut key = Key::default();
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    for (octet, pair) in key.iter_mut().zip(pairs) {
        *octet = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    match at {
        "-" => Some((key, None)),
        at => Some((key, Some(at.parse().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];
    const OTHER: Key = [8; 32];

    #[test]
    fn an_entry_outlives_the_process_and_is_gone_when_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open(&path, 0).unwrap();
        journal.enter(&[KEY, OTHER], 0).unwrap();
        journal.remove(&[OTHER], 1).unwrap();
        drop(journal);
        let journal = Journal::open(&path, 2).unwrap();
        assert!(journal.holds(&KEY, 2));
        assert!(!journal.holds(&OTHER, 2));
    }

    #[test]
    fn entries_use_the_room_that_was_made_for_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let octets = || fs::metadata(&path).unwrap().len();
        let journal = Journal::open(&path, 0).unwrap();
        journal.reserve(2).unwrap();
        let made = octets();
        assert!(made >= 2 * LINE, "{made}");
        journal.enter(&[KEY, OTHER], i64::MAX).unwrap();
        journal.reserve(1).unwrap();
        assert_eq!(octets(), made);
        // More than there is room for.
        let many = usize::try_from(made / LINE).unwrap();
        journal.reserve(many).unwrap();
        assert!(octets() > made);
        journal.remove(&[OTHER], 0).unwrap();
        drop(journal);
        let journal = Journal::open(&path, i64::MAX).unwrap();
        assert!(journal.holds(&KEY, i64::MAX) && !journal.holds(&OTHER, i64::MAX));
        assert!(octets() < LINE + 1, "the room is given back");
    }

    #[test]
    fn an_entry_is_forgotten_after_a_week() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open(&path, 0).unwrap();
        journal.enter(&[KEY], 0).unwrap();
        assert!(journal.holds(&KEY, KEPT - 1));
        assert!(!journal.holds(&KEY, KEPT));
        // The process may be older than a week, or not.
        assert!(Journal::open(&path, KEPT - 1).unwrap().holds(&KEY, 0));
        assert!(!Journal::open(&path, KEPT).unwrap().holds(&KEY, 0));
    }

    #[test]
    fn what_a_crash_left_of_a_line_is_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let whole = format!("{} 0\n", crate::octets::hex(&KEY));
        for cut in 0..whole.len() {
            fs::write(&path, format!("{whole}{}", &whole[..cut])).unwrap();
            assert!(
                Journal::open(&path, 1).unwrap().holds(&KEY, 1),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open(&path, 0).unwrap();
        journal.enter(&[OTHER], 0).unwrap();
        for _ in 0..REWRITTEN_AFTER {
            journal.entries().insert(KEY, 0);
            journal.remove(&[KEY], 0).unwrap();
        }
        journal.remove(&[KEY], 0).unwrap();
        journal.remove(&[KEY], 0).unwrap();
        let octets = fs::metadata(&path).unwrap().len();
        assert!(octets < 1_000, "{octets}");
        assert!(Journal::open(&path, 0).unwrap().holds(&OTHER, 0));
    }
}
