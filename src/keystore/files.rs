//! Private keys and certificates in files: PKCS#8, SEC 1, PKCS#1 and PKCS#12, DER or PEM.
//!
//! A key is never without its certificate: one that does not belong to it is refused.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto;
use crate::crypto::CryptoError;
use crate::crypto::PrivateKey;
use crate::crypto::pkcs12;
use crate::crypto::pkcs12::Bag;
use crate::crypto::pkcs12::Pkcs12Error;
use crate::crypto::private_key_file;
use crate::crypto::private_key_file::PrivateKeyFileError;
use crate::limits::Limits;
use crate::x509::Certificate;
use crate::x509::CertificateError;
use crate::x509::Crl;
use crate::x509::Identity;
use crate::x509::IdentityError;
use crate::x509::pem;
use crate::x509::pem::PemError;

/// Why a file gave no key or certificate.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: FileFault,
}

/// What is wrong with a file of keys or certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// A certificate in it is malformed.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The key is of a kind that we cannot use.
    #[error("the private key cannot be used")]
    Crypto(#[from] CryptoError),
    /// Key and certificate are not of each other.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The key file is malformed, or the password is not its.
    #[error(transparent)]
    Key(#[from] PrivateKeyFileError),
    /// There is no certificate in it.
    #[error("no certificate")]
    NoCertificate,
    /// There is no private key in it.
    #[error("no private key")]
    NoKey,
    /// The password file is no text.
    #[error("not UTF-8")]
    NotText,
    /// A key in a PKCS#12 file has no certificate there.
    #[error("a key has no certificate")]
    Orphan,
    /// What should be certificates or CRLs is not.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The PKCS#12 file is malformed, or the password is not its.
    #[error(transparent)]
    Pkcs12(#[from] Pkcs12Error),
    /// The file could not be read.
    #[error("could not be read")]
    Read(#[from] io::Error),
}

impl FileError {
    /// Makes one from a fault in the file at `path`.
    pub fn at<F: Into<FileFault>>(path: &Path) -> impl Fn(F) -> Self {
        let path = path.to_owned();
        move |fault| Self {
            path: path.clone(),
            fault: fault.into(),
        }
    }
}

/// All certificates in the file at `path`, PEM or DER; there may be none.
pub fn certificates(path: &Path, limits: &Limits) -> Result<Vec<Certificate>, FileError> {
    let octets = fs::read(path).map_err(FileError::at(path))?;
    pem::certificates(&octets, limits).map_err(FileError::at(path))
}

/// All CRLs in the file at `path`, PEM or DER; there may be none.
pub fn crls(path: &Path, limits: &Limits) -> Result<Vec<Crl>, FileError> {
    let octets = fs::read(path).map_err(FileError::at(path))?;
    pem::crls(&octets, limits).map_err(FileError::at(path))
}

/// The permissions of the file that `path` leads to.
pub fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

/// Whether a file of those permissions is its owner's alone. Whoever else can read a key can sign in
/// our name; whoever can write it, have us sign with his.
#[must_use]
pub const fn is_private(mode: u32) -> bool {
    mode & 0o077 == 0
}

/// The password in the first line of a file, without its end.
pub fn password(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let octets = Zeroizing::new(fs::read(path).map_err(FileError::at(path))?);
    let line = octets
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
    let line = line.map_err(|_| FileError::at(path)(FileFault::NotText))?;
    Ok(Zeroizing::new(line.to_owned()))
}

/// A key and its certificate out of two files; what follows the certificate in its file is its chain.
pub fn pair(
    key_path: &Path,
    certificate_path: &Path,
    password: Option<&str>,
    limits: &Limits,
) -> Result<Identity, FileError> {
    let mut chain = certificates(certificate_path, limits)?;
    if chain.is_empty() {
        return Err(FileError::at(certificate_path)(FileFault::NoCertificate));
    }
    let certificate = chain.remove(0);
    let octets = Zeroizing::new(fs::read(key_path).map_err(FileError::at(key_path))?);
    let keys =
        private_key_file::read(&octets, password, limits).map_err(FileError::at(key_path))?;
    // A file may hold several keys: the certificate's is meant.
    let mut mismatch = FileFault::NoKey;
    for pkcs8 in &keys {
        let key = private_key(key_path, pkcs8)?;
        match Identity::new(certificate.clone(), chain.clone(), key) {
            Ok(identity) => return Ok(identity),
            Err(error) => mismatch = error.into(),
        }
    }
    Err(FileError::at(key_path)(mismatch))
}

/// The identities of a PKCS#12 file: each key with its own certificate; those of authorities go
/// along as chain.
pub fn pkcs12(path: &Path, password: &str, limits: &Limits) -> Result<Vec<Identity>, FileError> {
    let octets = Zeroizing::new(fs::read(path).map_err(FileError::at(path))?);
    let store = pkcs12::read(&octets, password, limits).map_err(FileError::at(path))?;
    let parse = |bag: &Bag| Certificate::parse(&bag.der).map_err(FileError::at(path));
    let all = store
        .certificates
        .iter()
        .map(parse)
        .collect::<Result<Vec<_>, _>>()?;
    let mut identities = Vec::new();
    for bag in &store.keys {
        let key = private_key(path, &bag.der)?;
        let before = identities.len();
        for own in &all {
            // Other people's certificates do not go out with ours; those of CAs do.
            let authorities = all
                .iter()
                .filter(|other| is_authority(other) && other.der() != own.der());
            let identity = Identity::new(
                own.clone(),
                authorities.cloned().collect(),
                Arc::clone(&key),
            );
            identities.extend(identity.ok());
        }
        if identities.len() == before {
            return Err(FileError::at(path)(FileFault::Orphan));
        }
    }
    Ok(identities)
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate
        .basic_constraints()
        .is_some_and(|constraints| constraints.ca)
}

fn private_key(path: &Path, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, FileError> {
    let key = crypto::provider().private_keys.read(pkcs8);
    key.map(Arc::from).map_err(FileError::at(path))
}
