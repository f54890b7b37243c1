//! `domsec check`: a configuration and all that it names, looked at before mail depends on it.
//!
//! The files, the clock and `postconf` are asked here; what the answers mean is judged in the modules
//! below, which ask nobody. Nothing is changed.

mod certificates;
mod finding;
mod keys;
pub(super) mod mta;
mod private_files;
mod reinjection;
mod sockets;
mod sources;
mod user;

use std::env;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::config::Config;
use crate::config::KeyEntry;
use crate::config::Socket;
use crate::config::build;
use crate::config::build::BuildError;
use crate::crypto;
use crate::gateway::judge::chain;
use crate::keystore::files;
use crate::limits::Limits;
use crate::lookup::directory::Directory;
use crate::policy::Policy;
use crate::store::StoreError;
use crate::store::sqlite::Sqlite;
use crate::x509::Certificate;
use crate::x509::Crl;
use crate::x509::SimplePaths;
use crate::x509::Time;

use super::args::Check;
use super::args::Colour;
use super::colour::Paint;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;
use certificates::Trusted;
use finding::Finding;
use finding::Level;
use private_files::PrivateFile;

/// Prints a line for each finding, and says yes where none is an error.
pub(super) fn run(arguments: &Check, colour: Colour) -> Result<Exit, Failure> {
    let config = Config::read(&arguments.config);
    let config = config.map_err(|error| Failure::configuration(chain(&error)))?;
    let mut findings = vec![Finding::ok(format!(
        "configuration {} can be read",
        arguments.config.display()
    ))];
    // As root, which binds them.
    let sockets = listeners(&config);
    let (user, who) = user::judged(&config);
    findings.extend(who);
    if let Some(user) = user {
        findings.extend(left_behind(&config, &user));
        findings.extend(user::reads(&user, &arguments.config));
    }
    findings.extend(all(&config, sockets, input::now()?));
    let postfix = postconf();
    findings.extend(postfix.iter().map(|(key, value)| mta::setting(key, value)));
    findings.extend(mta::asked(&config, &postfix, &services()));
    let paint = Paint::new(colour);
    let mut text = String::new();
    for finding in &findings {
        let word = finding.level.as_str();
        let painted = match finding.level {
            Level::Error => paint.bad(word),
            Level::Ok => paint.good(word),
            Level::Warning => paint.doubtful(word),
        };
        // The longest word and a blank.
        let blanks = " ".repeat(8 - word.len());
        text.push_str(&format!("{painted}{blanks}{}\n", printable(&finding.text)));
    }
    for line in mta::advice(&config) {
        text.push_str(&format!("{line}\n"));
    }
    output::print(&text)?;
    Ok(exit(&findings))
}

fn exit(findings: &[Finding]) -> Exit {
    if findings.iter().any(|one| one.level == Level::Error) {
        Exit::No
    } else {
        Exit::Yes
    }
}

/// Everything that can be found without the MTA. `sockets` is what was found of the listeners.
fn all(config: &Config, sockets: Vec<Finding>, now: Time) -> Vec<Finding> {
    let (policy, mut findings) = policy(config);
    let mut trust = Trust::default();
    findings.extend(trust.read(config, now));
    let paths = SimplePaths::new(
        trust.anchors.clone(),
        crypto::provider().verification,
        &Limits::default(),
    );
    let trusted = Trusted {
        paths: &paths,
        has_anchors: !trust.anchors.is_empty(),
        intermediates: &trust.intermediates,
        crls: &trust.crls,
        revocation: config.trust.revocation,
        now,
    };
    let mut roles = keys::Served::default();
    for (index, entry) in config.keys.iter().enumerate() {
        findings.extend(private_files(config, entry));
        findings.extend(key(config, (index + 1, entry), &trusted, &mut roles));
    }
    findings.extend(roles.unserved(&config.domains));
    findings.extend(directory(config, now));
    findings.extend(sockets);
    findings.extend(reinjection::judged(config));
    findings.push(spool(config));
    findings.extend(sources::judged(config, policy.as_ref(), now));
    findings.extend(store(config));
    findings.extend(harvest(config));
    // Whatever else would keep the service from starting.
    let broken = findings.iter().any(|one| one.level == Level::Error);
    match build::gateway(config) {
        // That is told of with its key.
        Err(BuildError::Credentials { .. }) | Ok(_) => {}
        Err(error) if !broken => findings.push(Finding::error(chain(&error))),
        Err(_) => {}
    }
    findings
}

/// The store of certificates, where one is named.
fn store(config: &Config) -> Option<Finding> {
    let path = config.path(config.store.path.as_ref()?);
    let shown = path.display();
    let folder = path.parent().filter(|folder| folder.is_dir());
    Some(match Sqlite::look(&path) {
        Ok(()) => Finding::ok(format!("[store] path {shown} can be read and written")),
        Err(StoreError::Open { source, .. })
            if source.kind() == io::ErrorKind::NotFound && folder.is_some() =>
        {
            Finding::ok(format!("[store] path {shown} is made at the first start"))
        }
        Err(error) => Finding::error(format!("[store] path: {}", chain(&error))),
    })
}

/// What mail teaches, where it is to be remembered.
fn harvest(config: &Config) -> Option<Finding> {
    let settings = &config.harvest;
    settings.enabled.then(|| {
        let addresses = settings.addresses;
        match &config.store.path {
            Some(_) => Finding::ok(format!(
                "[harvest] remembers {addresses} addresses at most, and keeps them in [store]"
            )),
            None => Finding::warning(
                "[harvest] is enabled, and there is no [store] path: what mail teaches is forgotten at every restart, and \
                 mail to those it was of may leave unencrypted then: name a file",
            ),
        }
    })
}

/// The policy, where it can be read.
fn policy(config: &Config) -> (Option<Policy>, Vec<Finding>) {
    let name = match &config.policy {
        Some(path) => format!("policy {}", config.path(path).display()),
        None => "the policy that is compiled in".to_owned(),
    };
    let policy = match build::policy(config) {
        Ok(policy) => policy,
        Err(error) => return (None, vec![Finding::error(chain(&error))]),
    };
    let loaded = Finding::ok(format!("{name} has {} rules", policy.rules().len()));
    let dcas = build::partner_dcas(config, &policy, &Limits::default());
    let dcas = dcas.err().map(|error| {
        Finding::error(format!(
            "{name}: {}: correct the dca of the partner",
            chain(&error)
        ))
    });
    let findings = std::iter::once(loaded).chain(dcas).collect();
    (Some(policy), findings)
}

/// What `[trust]` names.
#[derive(Default)]
struct Trust {
    anchors: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    crls: Vec<Crl>,
}

impl Trust {
    /// Reads every file, and tells of those that cannot be.
    fn read(&mut self, config: &Config, now: Time) -> Vec<Finding> {
        let limits = Limits::default();
        let mut findings = Vec::new();
        let trust = &config.trust;
        for (kind, paths, kept) in [
            ("anchor", &trust.anchors, &mut self.anchors),
            (
                "intermediate",
                &trust.intermediates,
                &mut self.intermediates,
            ),
        ] {
            for path in paths {
                match files::certificates(&config.path(path), &limits) {
                    Ok(read) => {
                        let judged = read.iter();
                        findings.extend(judged.map(|one| certificates::above(kind, one, now)));
                        kept.extend(read);
                    }
                    Err(error) => findings.push(unread("[trust]", &error)),
                }
            }
        }
        for path in &trust.crls {
            match files::crls(&config.path(path), &limits) {
                Ok(read) => {
                    findings.extend(read.iter().map(|crl| certificates::crl(crl, now)));
                    self.crls.extend(read);
                }
                Err(error) => findings.push(unread("[trust] crls", &error)),
            }
        }
        if trust.anchors.is_empty() {
            findings.push(Finding::warning(
                "there are no anchors, so that no signature of others counts and nothing is \
                 encrypted: name the authorities that you trust in [trust] anchors",
            ));
        }
        findings
    }
}

fn unread(what: &str, error: &dyn std::error::Error) -> Finding {
    Finding::error(format!(
        "{what}: {}: correct the path or the file",
        chain(error)
    ))
}

/// What is to be said of the key files of one `[[key]]`.
fn private_files(config: &Config, entry: &KeyEntry) -> Vec<Finding> {
    let names = [&entry.key, &entry.p12, &entry.password_file];
    let paths = names.into_iter().flatten().map(|path| config.path(path));
    // What cannot be looked at cannot be read either, and is told of with the key.
    let files = paths.filter_map(|path| PrivateFile::at(&path).ok());
    files.map(|file| file.judged()).collect()
}

fn key(
    config: &Config,
    (number, entry): (usize, &KeyEntry),
    trusted: &Trusted<'_>,
    served: &mut keys::Served,
) -> Vec<Finding> {
    let identities = match build::identities(config, number, entry, &Limits::default()) {
        Ok(identities) => identities,
        Err(BuildError::Credentials { name, .. }) => {
            return vec![Finding::warning(format!(
                "[[key]] number {number}: its password is a credential of the service ({name}), which is not \
                 at hand here: run check as the service does, as by ExecStartPre= of its unit"
            ))];
        }
        Err(error) => return vec![unread(&format!("[[key]] number {number}"), &error)],
    };
    let mut findings = Vec::new();
    for identity in &identities {
        let certificate = identity.certificate();
        let name = keys::name(entry, certificate);
        findings.push(Finding::ok(format!("{name}: the key is its certificate's")));
        findings.push(served.judge(entry, certificate, &config.domains));
        let dates = certificates::dates(&name, certificate, trusted.now);
        let in_time = dates.level != Level::Error;
        findings.push(dates);
        // Its path has no more to say than that.
        if in_time {
            findings.extend(trusted.path(&name, identity));
        }
    }
    findings
}

fn directory(config: &Config, now: Time) -> Option<Finding> {
    let Some(path) = &config.certificates.directory else {
        return (!sources::any(config) && !config.harvest.enabled).then(|| {
            Finding::warning(
                "there is no [certificates] directory and no other source is enabled, so that no certificate of \
                 others is known and nothing is encrypted: name a folder, or enable [smimea], [mcek], [smtp_cert], \
                 [harvest] or an [[ldap]]",
            )
        });
    };
    let path = config.path(path);
    Some(match Directory::open(&path, &Limits::default()) {
        Ok(found) => certificates::directory(&path, found.certificates(), now),
        Err(error) => unread("[certificates] directory", &error),
    })
}

/// Whether large messages can be stored.
fn spool(config: &Config) -> Finding {
    let (name, directory) = match &config.spool.directory {
        Some(directory) => ("[spool] directory", config.path(directory)),
        None => ("temporary directory of the system", env::temp_dir()),
    };
    let name = format!("{name} {}", directory.display());
    match is_writable(&directory) {
        Ok(()) => Finding::ok(name),
        Err(error) => Finding::error(format!(
            "{name}: no file can be made there: {error}: make the folder and give it to the user that runs \
             domsec, or name another one in [spool] directory"
        )),
    }
}

fn listeners(config: &Config) -> Vec<Finding> {
    let listen = &config.listen;
    let milters = listen.milter.iter().map(|listener| &listener.socket);
    let admins: Vec<Socket> = listen.admin.iter().copied().map(Socket::Tcp).collect();
    let all = milters
        .map(|socket| ("milter", socket))
        .chain(admins.iter().map(|socket| ("admin", socket)));
    let judged = all.map(|(kind, socket)| {
        let folder = sockets::folder(socket, &config.directory);
        let writable = folder.as_deref().map(is_writable);
        sockets::judged(kind, socket, folder.as_deref().zip(writable.as_ref()))
    });
    judged
        .chain(listen.milter.iter().filter_map(sockets::owner))
        .chain(listen.milter.iter().filter_map(sockets::mode))
        .collect()
}

/// The unix sockets that `user`, whom we have become, may not remove.
fn left_behind(config: &Config, user: &str) -> Vec<Finding> {
    let sockets = config.listen.milter.iter().map(|listener| &listener.socket);
    let folders = sockets.filter_map(|socket| {
        let folder = sockets::folder(socket, &config.directory)?;
        is_writable(&folder).is_err().then_some((socket, folder))
    });
    folders
        .map(|(socket, folder)| sockets::stays(socket, &folder, user))
        .collect()
}

/// Whether a socket can be made in `folder`: a file without a name is, and is gone again.
fn is_writable(folder: &Path) -> io::Result<()> {
    tempfile::tempfile_in(if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    })
    .map(|_| ())
}

/// What Postfix has for the settings on which the mail's safety depends; nothing where there is no Postfix.
fn postconf() -> Vec<(&'static str, String)> {
    let ask = |key: &'static str| {
        let output = Command::new("postconf").args(["-h", key]).output().ok()?;
        let value = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some((key, value))
    };
    mta::SETTINGS.iter().filter_map(|key| ask(key)).collect()
}

/// What the services of Postfix's master.cf set for themselves; nothing where there is no Postfix.
fn services() -> String {
    let output = Command::new("postconf").arg("-P").output().ok();
    let output = output.filter(|output| output.status.success());
    output.map_or_else(String::new, |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

#[cfg(test)]
mod tests;
