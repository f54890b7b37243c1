//! Where messages lie: memory up to a bound, then a file that never has a name.
//!
//! What is written is counted against one limit for all; what is dropped gives its octets back. The
//! file is gone with the process, so no plaintext is left on the disk under any name.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::config::SpoolSettings;
use crate::octets::Octets;
use crate::octets::SpoolWriter;
use crate::octets::length;
use crate::telemetry::metrics::Metrics;

/// Octets that are written to a file at a time. Encoders write some 5 KB, and a call of the system for
/// each would take longer than the encoding.
const WRITTEN: usize = 128 * 1024;

/// The spool of one service.
#[derive(Clone, Debug)]
pub struct Spool {
    directory: PathBuf,
    memory_octets: usize,
    most: u64,
    used: Arc<Used>,
    failure: Failure,
}

/// The first failure to write or read, in its own words.
#[derive(Clone, Debug, Default)]
struct Failure(Arc<OnceLock<(io::ErrorKind, String)>>);

impl Failure {
    /// Remembers a failure, and hands it on.
    fn of<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            self.0.get_or_init(|| (error.kind(), error.to_string()));
        }
        done
    }
}

/// What is held now, counted twice: for the limit, and for whoever watches us.
#[derive(Debug, Default)]
struct Used {
    octets: AtomicU64,
    metrics: Option<Metrics>,
}

impl Spool {
    /// A spool in the directory of `settings`, or that of the system.
    #[must_use]
    pub fn new(settings: &SpoolSettings, metrics: Option<Metrics>) -> Self {
        let directory = settings.directory.clone();
        Self {
            directory: directory.unwrap_or_else(std::env::temp_dir),
            memory_octets: settings.memory_octets,
            most: settings.octets,
            used: Arc::new(Used {
                octets: AtomicU64::new(0),
                metrics,
            }),
            failure: Failure::default(),
        }
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes a file as large messages have one, and drops it: what would defer them is told before.
    pub fn try_file(&self) -> io::Result<()> {
        tempfile::tempfile_in(&self.directory).map(drop)
    }

    /// The same spool, which tells whether anything failed while one message was worked on.
    ///
    /// Whoever reads hostile mail takes what cannot be read for a fault of the mail, at a dozen
    /// places. That a disk was full must not be taken so at any of them: it would deliver what was
    /// encrypted to us as it came.
    #[must_use]
    pub fn watched(&self) -> Self {
        Self {
            failure: Failure::default(),
            ..self.clone()
        }
    }

    /// What failed first since it is [`watched`](Self::watched).
    #[must_use]
    pub fn failure(&self) -> Option<io::Error> {
        let (kind, text) = self.failure.0.get()?;
        Some(io::Error::new(*kind, text.clone()))
    }

    /// Starts an empty one.
    #[must_use]
    pub fn begin(&self) -> Writer {
        Writer {
            spool: self.clone(),
            held: Held {
                octets: 0,
                used: Arc::clone(&self.used),
            },
            memory: Vec::new(),
            file: None,
        }
    }

    /// Octets that are held now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.octets.load(Ordering::Relaxed)
    }
}

impl crate::octets::Spool for Spool {
    fn start(&self) -> io::Result<Box<dyn SpoolWriter>> {
        Ok(Box::new(self.begin()))
    }

    fn start_for(&self, most: u64) -> io::Result<Box<dyn SpoolWriter>> {
        let mut writer = self.begin();
        match usize::try_from(most) {
            Ok(most) if most <= self.memory_octets => writer.memory.reserve_exact(most),
            _ => self.failure.of(writer.move_to_file())?,
        }
        Ok(Box::new(writer))
    }
}

/// What counts against the limit, for as long as it lives.
#[derive(Debug)]
struct Held {
    octets: u64,
    used: Arc<Used>,
}

impl Held {
    /// Holds `more` octets more, and tells how many all hold together.
    fn grow(&mut self, more: u64) -> u64 {
        self.octets += more;
        if let Some(metrics) = &self.used.metrics {
            metrics.spool_grew(more);
        }
        let before = self.used.octets.fetch_add(more, Ordering::Relaxed);
        before.saturating_add(more)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(metrics) = &self.used.metrics {
            metrics.spool_shrank(self.octets);
        }
        self.used.octets.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// One message, or one layer of it, while it is written.
#[derive(Debug)]
pub struct Writer {
    spool: Spool,
    held: Held,
    /// All of it, or what is not yet in the file.
    memory: Vec<u8>,
    file: Option<File>,
}

impl Writer {
    /// Ends writing; what was written can now be read.
    pub fn into_octets(self) -> io::Result<Arc<dyn Octets>> {
        let failure = self.spool.failure;
        Ok(match self.file {
            None => Arc::new(InMemory {
                octets: self.memory,
                _held: self.held,
            }),
            Some(mut file) => {
                failure.of(file.write_all(&self.memory))?;
                Arc::new(InFile {
                    file,
                    held: self.held,
                    failure,
                })
            }
        })
    }

    fn take(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.held.grow(length(octets)) > self.spool.most {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the spool holds its limit of {} octets", self.spool.most),
            ));
        }
        if self.file.is_none() && self.memory.len() + octets.len() > self.spool.memory_octets {
            self.move_to_file()?;
        }
        self.append(octets)
    }

    fn move_to_file(&mut self) -> io::Result<()> {
        let mut file = tempfile::tempfile_in(&self.spool.directory)?;
        file.write_all(&std::mem::take(&mut self.memory))?;
        self.file = Some(file);
        Ok(())
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file
            && self.memory.len() + octets.len() > WRITTEN
        {
            file.write_all(&self.memory)?;
            self.memory.clear();
            if octets.len() > WRITTEN {
                return file.write_all(octets);
            }
        }
        self.memory.extend_from_slice(octets);
        Ok(())
    }
}

impl Write for Writer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = self.take(octets);
        self.spool.failure.of(taken)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpoolWriter for Writer {
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Octets>> {
        self.into_octets()
    }
}

#[derive(Debug)]
struct InMemory {
    octets: Vec<u8>,
    _held: Held,
}

impl Octets for InMemory {
    fn len(&self) -> u64 {
        length(&self.octets)
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        self.octets.read_at(offset, window)
    }

    fn contiguous(&self) -> Option<&[u8]> {
        Some(&self.octets)
    }
}

#[derive(Debug)]
struct InFile {
    file: File,
    held: Held,
    failure: Failure,
}

impl Octets for InFile {
    fn len(&self) -> u64 {
        self.held.octets
    }

    fn read_at(&self, offset: u64, window: &mut [u8]) -> io::Result<()> {
        self.failure.of(self.file.read_exact_at(window, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::View;

    fn spool(memory_octets: usize, octets: u64) -> Spool {
        let settings = SpoolSettings {
            directory: None,
            memory_octets,
            octets,
        };
        Spool::new(&settings, None)
    }

    #[test]
    fn what_passes_the_bound_goes_to_a_file_and_reads_the_same() {
        let octets: Vec<u8> = (0..=255).cycle().take(500_000).collect();
        for (memory, piece) in [
            (0, 777),
            (1, 131_072),
            (499_999, 131_073),
            (300_000, 200_000),
            (500_000, 777),
            (1_000_000, 500_000),
        ] {
            let spool = spool(memory, 1_000_000);
            let mut writer = spool.begin();
            for piece in octets.chunks(piece) {
                writer.write_all(piece).unwrap();
            }
            assert_eq!(writer.file.is_some(), memory < 500_000);
            let view = View::whole(writer.into_octets().unwrap());
            assert_eq!(view.to_vec(1_000_000).unwrap().unwrap(), octets);
            assert_eq!(spool.used(), 500_000);
            drop(view);
            assert_eq!(spool.used(), 0);
        }
    }

    #[test]
    fn the_limit_is_that_of_all_messages_together() {
        let spool = spool(100, 150);
        let mut first = spool.begin();
        first.write_all(&[0; 100]).unwrap();
        let mut second = spool.begin();
        let error = second.write_all(&[0; 51]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        drop(second);
        assert_eq!(spool.used(), 100);
        drop(first);
        assert_eq!(spool.used(), 0);
    }

    #[test]
    fn what_failed_for_one_message_is_remembered_for_that_one() {
        let spool = spool(100, 150);
        let (first, second) = (spool.watched(), spool.watched());
        first.begin().write_all(&[0; 151]).unwrap_err();
        let failure = first.failure().unwrap();
        assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
        assert!(failure.to_string().contains("150 octets"), "{failure}");
        assert!(second.failure().is_none());
        // Nor is a file that cannot be made overlooked.
        let nowhere = Spool {
            directory: PathBuf::from("/nowhere"),
            ..second
        };
        assert!(crate::octets::Spool::start_for(&nowhere, 101).is_err());
        assert!(nowhere.failure().is_some());
    }

    #[test]
    fn the_file_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool {
            directory: directory.path().to_owned(),
            ..spool(0, 100)
        };
        let mut writer = spool.begin();
        writer.write_all(b"plaintext").unwrap();
        assert!(writer.file.is_some());
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }
}
