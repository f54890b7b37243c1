//! What comes in: messages, keys, certificates, the time.

use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::crypto;
use crate::crypto::Keys as CryptoKeys;
use crate::gateway::open::Opened;
use crate::gateway::open::Opener;
use crate::keystore::files;
use crate::limits::Budget;
use crate::limits::Limits;
use crate::octets::Memory;
use crate::octets::View;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::Identities;
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
pub(super) fn open_octets(octets: &View, keys: &dyn CryptoKeys) -> OpenedMessage {
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
        .map(files::password)
        .transpose()?;
    let password = password.as_ref().map(|password| password.as_str());
    let mut identities = Vec::new();
    for (key, certificate) in arguments.keys.iter().zip(&arguments.certs) {
        identities.push(files::pair(key, certificate, password, &limits)?);
    }
    for path in &arguments.p12 {
        identities.extend(files::pkcs12(path, password.unwrap_or_default(), &limits)?);
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
