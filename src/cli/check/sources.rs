//! What is to be said of the places where other people's certificates are looked for, and of what is remembered.
//!
//! Files are read here; the resolvers are asked for the mail exchangers of our own domain, and nobody else for anything.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Finding;
use super::PrivateFile;
use super::certificates::Dates;
use super::is_writable;
use super::unread;
use crate::config::Config;
use crate::config::Network;
use crate::config::ldap::LdapEntry;
use crate::config::ldap::Reached;
use crate::config::lookup::Validate;
use crate::gateway::judge::chain;
use crate::keystore::files;
use crate::limits::Limits;
use crate::lookup::dns::Anchors;
use crate::lookup::dns::Resolver;
use crate::lookup::dns::Validation;
use crate::lookup::ldap::Template;
use crate::lookup::names::Dns as _;
use crate::lookup::names::Kind;
use crate::policy::Policy;
use crate::policy::facts::LookupSource;
use crate::policy::lookup::Lookup;
use crate::x509::Certificate;
use crate::x509::Time;

/// How long one resolver has: it is near.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who can write into a folder beside its owner.
const OTHERS_WRITE: u32 = 0o022;

/// Whether any server of others is asked.
pub(super) fn any(config: &Config) -> bool {
    SERVERS.iter().any(|source| is_on(config, *source))
}

/// The tables of the sources, of their servers' authorities, and the folder of the store.
pub(super) fn judged(config: &Config, policy: Option<&Policy>, now: Time) -> Vec<Finding> {
    let mut findings = Vec::new();
    if any(config) {
        if asks_names(config) {
            findings.extend(dns(config));
        }
        findings.extend(networks(config));
        if config.store.path.is_none() {
            findings.push(Finding::warning(
                "there is no [store] path, so that what is known of other people's keys ends with the process: \
                 after a start every key is the first one, and who published for years may count as absent: name \
                 a file, as /var/lib/domsec/domsec.db",
            ));
        }
    }
    findings.extend(public(config, now));
    findings.extend(partners(config, now));
    findings.extend(enabled(config));
    for (number, entry) in (1..).zip(&config.ldap) {
        findings.extend(directory(config, (number, entry), now));
    }
    findings.extend(policy.map_or_else(Vec::new, |policy| ordered(config, policy)));
    findings.extend(folder(config));
    findings
}

/// Whether anything is looked for in DNS: the system knows where a directory is that has a url.
fn asks_names(config: &Config) -> bool {
    config.smimea.enabled
        || config.mcek.enabled
        || config.smtp_cert.enabled
        || config.ldap.iter().any(LdapEntry::is_discovered)
}

/// Every source that asks servers.
const SERVERS: [LookupSource; 4] = [
    LookupSource::Smimea,
    LookupSource::Mcek,
    LookupSource::Ldap,
    LookupSource::Smtp,
];

const fn table(source: LookupSource) -> &'static str {
    match source {
        LookupSource::Directory => "[certificates]",
        LookupSource::Harvest => "[harvest]",
        LookupSource::Ldap => "[[ldap]]",
        LookupSource::Mcek => "[mcek]",
        LookupSource::Smimea => "[smimea]",
        LookupSource::Smtp => "[smtp_cert]",
    }
}

fn is_on(config: &Config, source: LookupSource) -> bool {
    match source {
        // Without a folder it has nothing, and says so.
        LookupSource::Directory => true,
        LookupSource::Harvest => config.harvest.enabled,
        LookupSource::Ldap => !config.ldap.is_empty(),
        LookupSource::Mcek => config.mcek.enabled,
        LookupSource::Smimea => config.smimea.enabled,
        LookupSource::Smtp => config.smtp_cert.enabled,
    }
}

/// The resolvers, and the anchors to validate from.
fn dns(config: &Config) -> Vec<Finding> {
    let settings = &config.dns;
    if settings.servers.is_empty() {
        return vec![Finding::error(
            "[dns] servers is empty, and names are to be asked for: write a resolver, as servers = [\"127.0.0.1:53\"]",
        )];
    }
    let mut findings = Vec::new();
    let validation = match settings.validate {
        Validate::Own if settings.anchors.is_empty() => Validation::Own {
            anchors: Anchors::root(),
        },
        Validate::Own => {
            let paths: Vec<PathBuf> = settings
                .anchors
                .iter()
                .map(|path| config.path(path))
                .collect();
            match Anchors::of_files(&paths) {
                Ok(anchors) => {
                    findings.push(Finding::ok("[dns] anchors can be read"));
                    Validation::Own { anchors }
                }
                Err(error) => return vec![unread("[dns] anchors", &error)],
            }
        }
        Validate::Resolver => {
            let far = settings
                .servers
                .iter()
                .filter(|server| !server.ip().is_loopback());
            findings.extend(far.map(|server| trusted_from_afar(*server)));
            if !settings.anchors.is_empty() {
                findings.push(Finding::warning(
                    "[dns] anchors are not looked at where validate = \"resolver\": take them out, or write validate \
                     = \"own\"",
                ));
            }
            Validation::Resolver
        }
    };
    findings.extend(answers(config, &validation));
    findings
}

/// Whoever is on the way can say that an answer was proven.
fn trusted_from_afar(server: SocketAddr) -> Finding {
    Finding::warning(format!(
        "[dns] servers {server}: it is trusted to validate, and so is everybody on the way to it: take a resolver on \
         this host, or write validate = \"own\""
    ))
}

/// What each resolver says of the first of our domains.
fn answers(config: &Config, validation: &Validation) -> Vec<Finding> {
    let Some(domain) = config.domains.first() else {
        return Vec::new();
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let asked = config.dns.servers.iter().map(|server| {
        let resolver = Resolver::new(vec![*server], validation.clone()).ok()?;
        let resolver = resolver.with_patience(PATIENCE);
        let answer = runtime.block_on(resolver.records(domain.as_str(), Kind::Mx));
        Some(match answer {
            Ok(_) => Finding::ok(format!("[dns] servers {server}: answers")),
            Err(error) => Finding::warning(format!(
                "[dns] servers {server}: about {error}: until it answers, what is looked for in DNS is unavailable and \
                 mail waits: start it, let it serve this host, or name another"
            )),
        })
    });
    asked.flatten().collect()
}

/// Networks that hold everything.
fn networks(config: &Config) -> Vec<Finding> {
    let mut all = config.certificates.networks.iter();
    let everything = all.any(Network::is_everything);
    everything.then(|| Finding::warning(
        "[certificates] networks includes all addresses, so that anybody's names can lead us to services of this host: \
         name the networks of the servers that are meant",
    )).into_iter().collect()
}

/// The authorities for everybody's servers, where somebody's server is asked that has none of its own.
fn public(config: &Config, now: Time) -> Option<Finding> {
    let directories = config.ldap.iter().any(|entry| entry.anchors.is_empty());
    if !config.mcek.enabled && !config.smtp_cert.enabled && !directories {
        return None;
    }
    let path = config.path(&config.certificates.public_anchors);
    let name = format!("[certificates] public_anchors {}", path.display());
    Some(match files::certificates(&path, &Limits::default()) {
        Ok(all) => {
            let good = all.iter().filter(|one| is_in_date(one, now)).count();
            if good == 0 {
                Finding::error(format!(
                    "{name}: none of {} certificates is valid now, so that no server is believed: install \
                     ca-certificates, or name another file",
                    all.len()
                ))
            } else {
                Finding::ok(format!("{name}: {good} authorities"))
            }
        }
        Err(error) => unread("[certificates] public_anchors", &error),
    })
}

fn is_in_date(certificate: &Certificate, now: Time) -> bool {
    match Dates::of(certificate, now) {
        Dates::Ending | Dates::Valid => true,
        Dates::Expired | Dates::NotYet => false,
    }
}

/// The authorities of each partner's servers.
fn partners(config: &Config, now: Time) -> Vec<Finding> {
    let mut findings = Vec::new();
    let asked = config.mcek.enabled || config.smtp_cert.enabled;
    for partner in &config.server_anchors {
        let name = format!("[[server_anchors]] of {}", partner.domain);
        if !asked {
            findings.push(Finding::warning(format!(
                "{name}: no server is asked for which they count: enable [mcek] or [smtp_cert]"
            )));
        }
        if partner.files.is_empty() {
            findings.push(Finding::error(format!(
                "{name}: files is empty, so that none of its servers is believed: name a file"
            )));
        }
        findings.extend(anchors(config, &name, &partner.files, now));
    }
    findings
}

/// Each certificate in those files, by its dates.
fn anchors(config: &Config, name: &str, paths: &[PathBuf], now: Time) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in paths {
        match files::certificates(&config.path(path), &Limits::default()) {
            Ok(read) => findings.extend(read.iter().map(|one| anchor(name, one, now))),
            Err(error) => findings.push(unread(name, &error)),
        }
    }
    findings
}

fn anchor(name: &str, certificate: &Certificate, now: Time) -> Finding {
    let name = format!("{name}, {}", certificate.subject_name());
    let (from, until) = (certificate.not_before(), certificate.not_after());
    match Dates::of(certificate, now) {
        Dates::Expired => Finding::warning(format!(
            "{name}: expired at {until}: put its successor in its place"
        )),
        Dates::Ending => Finding::warning(format!(
            "{name}: expires at {until}: ask for its successor, and put that beside it"
        )),
        Dates::NotYet => Finding::warning(format!(
            "{name}: not valid before {from}: leave its predecessor beside it until then"
        )),
        Dates::Valid => Finding::ok(format!("{name}: valid until {until}")),
    }
}

/// What is switched on, and what is written for something that is not.
fn enabled(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.smimea.former_names && !config.smimea.enabled {
        findings.push(Finding::warning(
            "[smimea] former_names has no effect: write enabled = true",
        ));
    }
    for (name, settings) in [("[mcek]", &config.mcek), ("[smtp_cert]", &config.smtp_cert)] {
        let (timeout, patience) = (settings.timeout, config.certificates.patience);
        if settings.enabled && timeout > patience {
            findings.push(Finding::warning(format!(
                "{name} timeout = {}: the whole search ends after {} s: take less, or more for [certificates] patience",
                timeout.as_secs(),
                patience.as_secs()
            )));
        }
    }
    findings
}

/// One directory: where it is, how it is reached, and as whom.
fn directory(config: &Config, (number, entry): (usize, &LdapEntry), now: Time) -> Vec<Finding> {
    let name = format!("[[ldap]] number {number}");
    let mut findings = vec![reached(&name, entry)];
    for (key, read) in [
        ("filter", Template::for_recipients(&entry.filter)),
        ("dca_filter", Template::for_authorities(&entry.dca_filter)),
    ] {
        findings.extend(
            read.err().map(|error| {
                Finding::error(format!("{name} {key}: {}: correct it", chain(&error)))
            }),
        );
    }
    findings.extend(anchors(config, &name, &entry.anchors, now));
    if let Some(path) = &entry.password_file {
        let path = config.path(path);
        match (files::password(&path), PrivateFile::at(&path)) {
            (Ok(_), Ok(file)) => findings.push(file.judged()),
            (Err(error), _) => findings.push(unread(&name, &error)),
            (Ok(_), Err(error)) => findings.push(unread(&name, &error)),
        }
    }
    findings
}

fn reached(name: &str, entry: &LdapEntry) -> Finding {
    let url = match entry.reached() {
        Ok(Reached::At { url, .. }) => url.to_string(),
        Ok(Reached::Discovered) => {
            return Finding::ok(format!("{name}: found by the SRV records of each domain"));
        }
        Err(error) => return Finding::error(format!("{name}: {}", chain(&error))),
    };
    Finding::ok(if entry.in_clear {
        format!("{name}: {url}, on this machine, in clear")
    } else if url.starts_with("ldaps:") {
        format!("{name}: {url}, protected by TLS")
    } else {
        format!("{name}: {url}, protected by StartTLS")
    })
}

/// What the policy asks for that is not there, and what is there that it never asks.
fn ordered(config: &Config, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let order = &policy.lookup().order;
    // By default it names all that there may be.
    let is_written = *order != Lookup::default().order;
    for source in LookupSource::ALL {
        let word = source.as_str();
        let mut partners = policy.partners();
        let of_partner = partners.any(|one| one.sources.iter().flatten().any(|of| *of == source));
        match (is_on(config, source), order.contains(&source)) {
            (false, true) if is_written => findings.push(Finding::warning(format!(
                "the policy's [lookup] order has {word:?}, which is off, so that nobody is found there: enable {}, or \
                 take it out of the order",
                table(source)
            ))),
            (true, false) if !of_partner => findings.push(Finding::warning(format!(
                "{} is on, and the policy never asks it: put {word:?} into the [lookup] order, or into the sources of \
                 a partner",
                table(source)
            ))),
            (true, true) => findings.push(Finding::ok(format!("{} is asked", table(source)))),
            (true | false, true | false) => {}
        }
    }
    findings
}

/// Who else can put another store in the place of ours.
fn folder(config: &Config) -> Option<Finding> {
    let path = config.path(config.store.path.as_ref()?);
    let folder = path.parent()?;
    let name = format!("[store] path: folder {}", folder.display());
    let mode = files::mode(folder).ok()?;
    if mode & OTHERS_WRITE != 0 {
        return Some(Finding::error(format!(
            "{name}: group or others can write there (mode {mode:04o}), and put in another store, which says to whom \
             mail is encrypted: chmod 700 {}",
            folder.display()
        )));
    }
    is_writable(folder).err().map(|error| {
        Finding::error(format!(
            "{name}: no file can be made there, and SQLite makes two beside the store: {error}: give the folder to the \
             user that runs domsec"
        ))
    })
}
