//! Who can read the files of private keys.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use super::Finding;
use crate::keystore::files;

/// A file that nobody but its owner may read, and its mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PrivateFile {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
}

impl PrivateFile {
    /// Looks at the file that `path` leads to.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            mode: files::mode(path)?,
        })
    }

    pub(super) fn judged(&self) -> Finding {
        let (path, mode) = (self.path.display(), self.mode);
        if files::is_private(mode) {
            Finding::ok(format!("{path}: for its owner alone"))
        } else {
            Finding::error(format!(
                "{path}: group or others have access (mode {mode:04o}): chmod 600 {path}, and take a \
                 new key where somebody else was on this host"
            ))
        }
    }
}
