//! One folder of the corpora, and a place for what a test writes itself.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::corpora_dir::corpora;

/// A folder of the corpora.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of that name; `None` where there are no corpora and none are required.
    pub(super) fn of(name: &str) -> Option<Self> {
        let path = corpora()?.join(name);
        assert!(path.is_dir(), "the corpora have no folder {name}");
        Some(Self { path })
    }

    /// The path of one file of it, as an argument.
    pub(super) fn file(&self, name: &str) -> String {
        text(&self.path.join(name))
    }

    /// The octets of one file of it.
    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        read(&self.path.join(name))
    }

    /// The names of its files that `wanted` says, sorted.
    pub(super) fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.path)
            .expect("the folder is read")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .filter(|name| wanted(name))
            .collect();
        names.sort();
        names
    }

    /// Every file in it and beneath it.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let (mut found, mut open) = (Vec::new(), vec![self.path.clone()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).expect("the folder is read") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path)
                } else {
                    found.push(path)
                }
            }
        }
        found.sort();
        found
    }
}

/// A folder that goes away with its test.
pub(super) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder for the test"),
        }
    }

    /// A path in it, as an argument.
    pub(super) fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name))
    }

    /// Writes a file and returns its path.
    pub(super) fn write(&self, name: &str, octets: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, octets).expect("the file is written");
        text(&path)
    }
}

pub(super) fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
