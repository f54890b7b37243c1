//! Files that appear whole or not at all, and never in the place of another.

use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::QuickstartError;
use crate::keystore::authority::AuthorityError;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whom the folder lets in.
    Everybody,
    /// Its owner alone.
    Owner,
}

impl Access {
    const fn mode(self) -> u32 {
        match self {
            Self::Everybody => 0o644,
            Self::Owner => 0o600,
        }
    }
}

/// A folder in which what is absent is made.
#[derive(Debug)]
pub(super) struct Folder {
    directory: PathBuf,
    created: Vec<PathBuf>,
    found: Vec<PathBuf>,
}

impl Folder {
    /// The folder at `directory`, which is made for its owner alone where it is absent.
    pub(super) fn open(directory: &Path) -> Result<Self, QuickstartError> {
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        make_folder(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            created: Vec::new(),
            found: Vec::new(),
        })
    }

    /// What was created, and what was found.
    pub(super) fn told(self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        (self.created, self.found)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a folder for its owner alone.
    pub(super) fn make_folder(&self, name: &str) -> Result<(), QuickstartError> {
        make_folder(&self.path(name))
    }

    /// The text of a file, which may be a key.
    pub(super) fn read(&self, name: &str) -> Result<Zeroizing<String>, QuickstartError> {
        let path = self.path(name);
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        Ok(Zeroizing::new(text))
    }

    /// Remembers that a file was there.
    pub(super) fn found(&mut self, name: &str) {
        self.found.push(self.path(name));
    }

    /// Makes a private key where there is none.
    pub(super) fn make_key(
        &mut self,
        name: &str,
        key: impl FnOnce() -> Result<Zeroizing<String>, AuthorityError>,
    ) -> Result<(), QuickstartError> {
        let path = self.path(name);
        self.make(name, Access::Owner, || {
            key()
                .map(|key| Zeroizing::new(key.as_bytes().to_vec()))
                .map_err(|source| QuickstartError::Authority { path, source })
        })
    }

    /// Makes a certificate where there is none.
    pub(super) fn make_certificate(
        &mut self,
        name: &str,
        certificate: impl FnOnce() -> Result<String, AuthorityError>,
    ) -> Result<(), QuickstartError> {
        let path = self.path(name);
        self.make(name, Access::Everybody, || {
            certificate()
                .map(|text| Zeroizing::new(text.into_bytes()))
                .map_err(|source| QuickstartError::Authority { path, source })
        })
    }

    /// Copies a file that is in the folder, where the copy is absent.
    pub(super) fn copy(&mut self, from: &str, to: &str) -> Result<(), QuickstartError> {
        let source = self.path(from);
        self.make(to, Access::Everybody, || {
            let octets = fs::read(&source).map_err(failed(&source))?;
            Ok(Zeroizing::new(octets))
        })
    }

    /// Writes what `octets` gives, where there is no such file.
    pub(super) fn make(
        &mut self,
        name: &str,
        access: Access,
        octets: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, QuickstartError>,
    ) -> Result<(), QuickstartError> {
        let path = self.path(name);
        if exists(&path)? {
            self.found.push(path);
            return Ok(());
        }
        write(&path, &octets()?, access).map_err(failed(&path))?;
        self.created.push(path);
        Ok(())
    }
}

/// Whether anything has that name, a link to nowhere included.
pub(super) fn exists(path: &Path) -> Result<bool, QuickstartError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path)(error)),
    }
}

fn make_folder(path: &Path) -> Result<(), QuickstartError> {
    match DirBuilder::new().mode(0o700).create(path) {
        // A link to a folder is one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(failed(path)),
    }
}

/// The file gets its name when all of it is on the disk, and only if nobody has that name by then.
fn write(path: &Path, octets: &[u8], access: Access) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut partial = tempfile::Builder::new()
        // No ending of a certificate's file: a directory of certificates may be read meanwhile.
        .prefix(".domsec-")
        .suffix(".partial")
        .permissions(Permissions::from_mode(access.mode()))
        .tempfile_in(directory)?;
    partial.write_all(octets)?;
    partial.as_file().sync_all()?;
    partial
        .persist_noclobber(path)
        .map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

fn failed(path: &Path) -> impl Fn(io::Error) -> QuickstartError {
    let path = path.to_owned();
    move |source| QuickstartError::Write {
        path: path.clone(),
        source,
    }
}
