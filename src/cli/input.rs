//! What comes in: messages, keys, certificates, the time.

use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use zeroize::Zeroizing;

use crate::crypto;
use crate::crypto::PrivateKey;
use crate::crypto::pkcs12;
use crate::crypto::pkcs12::Bag;
use crate::crypto::private_key_file;
use crate::gateway::open::Opened;
use crate::gateway::open::Opener;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::octets::Memory;
use crate::octets::View;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::Identities;
use crate::x509::Identity;
use crate::x509::Time;
use crate::x509::pem;

use super::args::Keys;
use super::failure::Failure;

/// A message that was opened, and what it may still cost.
pub(super) struct OpenedMessage {
    pub(super) opened: Opened,
    pub(super) budget: Budget,
}

/// Opens the message in `path`.
pub(super) fn open(path: &Path, keys: &Identities) -> Result<OpenedMessage, Failure> {
    Ok(open_octets(&message(path)?, keys))
}

/// Opens a message at hand.
pub(super) fn open_octets(octets: &View, keys: &Identities) -> OpenedMessage {
    let limits = Limits::default();
    let mut budget = Budget::new(&limits);
    let opener = Opener {
        keys,
        provider: crypto::provider(),
        limits: &limits,
        spool: &Memory,
    };
    OpenedMessage {
        opened: opener.open(octets, &mut budget),
        budget,
    }
}

/// The octets of the message in `path`.
pub(super) fn message(path: &Path) -> Result<View, Failure> {
    let octets = read(path)?;
    if octets.is_empty() {
        return Err(Failure::data(format!(
            "{}: the file is empty",
            path.display()
        )));
    }
    Ok(View::owned(octets))
}

/// Reads a file, or standard input where it is `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::io(path, &error);
    if path == Path::new("-") {
        let mut octets = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut octets)
            .map_err(failed)?;
        return Ok(octets);
    }
    fs::read(path).map_err(failed)
}

/// The certificates of all these files.
pub(super) fn certificates(
    paths: &[PathBuf],
    limits: &Limits,
) -> Result<Vec<Certificate>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let found = pem::certificates(&read(path)?, limits);
        all.extend(found.map_err(|error| Failure::file(path, &error))?);
    }
    Ok(all)
}

/// The CRLs of all these files.
pub(super) fn crls(paths: &[PathBuf], limits: &Limits) -> Result<Vec<Crl>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let found = pem::crls(&read(path)?, limits);
        all.extend(found.map_err(|error| Failure::file(path, &error))?);
    }
    Ok(all)
}

/// The keys that the arguments name, each with its certificate.
pub(super) fn keys(arguments: &Keys) -> Result<Identities, Failure> {
    let limits = Limits::default();
    if arguments.keys.len() != arguments.certs.len() {
        return Err(Failure::usage(format!(
            "{} --key but {} --cert: they go in pairs",
            arguments.keys.len(),
            arguments.certs.len()
        )));
    }
    let password = arguments
        .password_file
        .as_deref()
        .map(password)
        .transpose()?;
    let password = password.as_ref().map(|password| password.as_str());
    let mut identities = Vec::new();
    for (key, certificate) in arguments.keys.iter().zip(&arguments.certs) {
        identities.push(pair(key, certificate, password, &limits)?);
    }
    for path in &arguments.p12 {
        identities.extend(pkcs12(path, password.unwrap_or_default(), &limits)?);
    }
    Ok(Identities(identities))
}

/// The clock: nothing below this floor reads it.
pub(super) fn now() -> Result<Time, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is where time enters"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    let time = seconds.and_then(Time::from_unix);
    time.ok_or_else(|| Failure::usage("the clock is not in the years 1970 to 9999: give --at"))
}

fn pair(
    key_path: &Path,
    certificate_path: &Path,
    password: Option<&str>,
    limits: &Limits,
) -> Result<Identity, Failure> {
    let mut certificates = certificates(&[certificate_path.to_owned()], limits)?;
    if certificates.is_empty() {
        return Err(Failure::data(format!(
            "{}: no certificate",
            certificate_path.display()
        )));
    }
    // The rest of the file is its chain.
    let certificate = certificates.remove(0);
    let octets = Zeroizing::new(read(key_path)?);
    let keys = private_key_file::read(&octets, password, limits)
        .map_err(|error| Failure::file(key_path, &error))?;
    // A file may hold several keys: the certificate's is meant.
    let mut mismatch = None;
    for pkcs8 in &keys {
        let key = private_key(key_path, pkcs8)?;
        match Identity::new(certificate.clone(), certificates.clone(), key) {
            Ok(identity) => return Ok(identity),
            Err(error) => mismatch = Some(error),
        }
    }
    Err(match mismatch {
        Some(error) => Failure::file(key_path, &error),
        None => Failure::data(format!("{}: no private key", key_path.display())),
    })
}

/// The identities of a PKCS#12 file: each key with its own certificate; the rest go along as chain.
fn pkcs12(path: &Path, password: &str, limits: &Limits) -> Result<Vec<Identity>, Failure> {
    let octets = Zeroizing::new(read(path)?);
    let store =
        pkcs12::read(&octets, password, limits).map_err(|error| Failure::file(path, &error))?;
    let parse =
        |bag: &Bag| Certificate::parse(&bag.der).map_err(|error| Failure::file(path, &error));
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
            return Err(Failure::data(format!(
                "{}: a key has no certificate",
                path.display()
            )));
        }
    }
    Ok(identities)
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate
        .basic_constraints()
        .is_some_and(|constraints| constraints.ca)
}

fn private_key(path: &Path, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, Failure> {
    let key = crypto::provider().private_keys.read(pkcs8);
    key.map(Arc::from)
        .map_err(|error| Failure::file(path, &error))
}

/// The first line of the file, without its end.
fn password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let octets = Zeroizing::new(read(path)?);
    let line = octets
        .split(|octet| *octet == b'\n')
        .next()
        .unwrap_or_default();
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
    let line = line.map_err(|_| Failure::data(format!("{}: not UTF-8", path.display())))?;
    Ok(Zeroizing::new(line.to_owned()))
}
