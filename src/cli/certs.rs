//! `domsec certs`: the certificates of others in the store, and what an administrator says of them.

mod publishers;

use std::path::Path;

use serde::Serialize;

use crate::config::Config;
use crate::gateway::judge::chain;
use crate::gateway::search::Owner;
use crate::policy::partner::Fingerprint;
use crate::service;
use crate::store::Act;
use crate::store::Acted;
use crate::store::Entry;
use crate::store::Filter;
use crate::store::Order;
use crate::store::State;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Told;
use crate::store::sqlite::Sqlite;

use super::args::Certs;
use super::args::Change;
use super::args::Colour;
use super::args::List;
use super::args::Show;
use super::colour::Paint;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;
use super::process::config_failure;

/// Entries that are read at a time: a list may be long, and others wait for the store.
const PAGE: usize = 500;

/// What is rejected, where it is more than the certificate.
const KEY: &str = "key";

/// Does what `command` says.
pub(super) fn run(command: &Certs, colour: Colour) -> Result<Exit, Failure> {
    let paint = Paint::new(colour);
    match command {
        Certs::List(arguments) => list(arguments, paint),
        Certs::Show(arguments) => show(arguments, paint),
        Certs::Approve(arguments) => act(Act::Approve, arguments, paint),
        Certs::Pin(arguments) => act(Act::Pin, arguments, paint),
        Certs::Reject(arguments) if arguments.key => act(Act::RejectKey, &arguments.change, paint),
        Certs::Reject(arguments) => act(Act::Reject, &arguments.change, paint),
        Certs::Unpin(arguments) => act(Act::Unpin, arguments, paint),
        Certs::Publishers(arguments) => publishers::list(arguments),
        Certs::Forget(arguments) => publishers::forget(arguments),
    }
}

/// `certs --json`.
#[derive(Debug, Serialize)]
struct CertsReport {
    certificates: Vec<EntryReport>,
}

/// One certificate of one subject.
#[derive(Debug, Serialize)]
struct EntryReport {
    fingerprint: String,
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
    /// Whose it is: an address, or the domain of a DCA.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dca: Option<String>,
    state: &'static str,
    /// Of one that is rejected: `certificate`, or `key` where no other certificate of its key is used either.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Since when it is in that state.
    changed: String,
    source: &'static str,
    authentication: &'static str,
    first_seen: String,
    last_seen: String,
    /// Fingerprints of what came along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chain: Vec<String>,
}

fn list(arguments: &List, paint: Paint) -> Result<Exit, Failure> {
    let store = Opened::of(&arguments.config)?;
    let filter = Filter {
        state: arguments.state,
        domain: arguments.domain.clone(),
        owner: arguments.subject.owner(),
    };
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = store.wait(store.store.list(&filter, after, PAGE))?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.id);
        // What is printed of each, and not the certificates themselves.
        all.extend(page.iter().map(report));
    }
    let text = |all: &[EntryReport]| all.iter().map(|one| line(one, paint)).collect();
    print(all, arguments.json, text)
}

fn show(arguments: &Show, paint: Paint) -> Result<Exit, Failure> {
    let store = Opened::of(&arguments.config)?;
    let entries = store.wait(store.store.show(&arguments.fingerprint))?;
    if entries.is_empty() {
        return not_held(&arguments.fingerprint, None, arguments.json);
    }
    told(&entries, arguments.json, paint)
}

fn act(act: Act, arguments: &Change, paint: Paint) -> Result<Exit, Failure> {
    let store = Opened::of(&arguments.config)?;
    let owner = arguments.subject.owner();
    let by_default = || format!("by domsec certs {}", act.as_str());
    let order = Order {
        fingerprint: arguments.fingerprint,
        owner: owner.clone(),
        act,
        reason: arguments.reason.clone().unwrap_or_else(by_default),
        now: input::now()?,
    };
    match store.wait(store.store.act(order))? {
        Acted::Done(entries) => told(&entries, arguments.json, paint),
        Acted::NotHeld => not_held(&arguments.fingerprint, owner.as_ref(), arguments.json),
        Acted::Refused(why) => {
            output::say(&format!("domsec: nothing is changed: {}", printable(&why)));
            Ok(Exit::No)
        }
    }
}

/// The store of a configuration, with what waits for it.
struct Opened {
    store: Sqlite,
    runtime: tokio::runtime::Runtime,
}

impl Opened {
    /// Opens the one that is there: who only looks makes none.
    fn of(config: &Path) -> Result<Self, Failure> {
        let config = Config::read(config).map_err(|error| config_failure(&error))?;
        let Some(path) = &config.store.path else {
            return Err(Failure::configuration(
                "the configuration names no store, so that nothing is kept: write path = \"...\" in [store], and \
                 restart domsec",
            ));
        };
        let store = Sqlite::open_existing(&config.path(path)).map_err(|error| failure(&error))?;
        let runtime = service::runtime().map_err(|error| Failure::software(&error))?;
        Ok(Self { store, runtime })
    }

    fn wait<T>(&self, told: Told<'_, T>) -> Result<T, Failure> {
        self.runtime.block_on(told).map_err(|error| failure(&error))
    }
}

/// What keeps the store from answering, by whose fault it is.
fn failure(error: &StoreError) -> Failure {
    match error {
        StoreError::Open { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::io(path, source)
        }
        error if error.is_temporary() => Failure::temporary(chain(error)),
        StoreError::Corrupt { .. } => Failure::data(chain(error)),
        StoreError::Exposed { .. }
        | StoreError::Newer { .. }
        | StoreError::Open { .. }
        | StoreError::Unwritable { .. } => Failure::configuration(chain(error)),
        StoreError::Busy { .. }
        | StoreError::Full { .. }
        | StoreError::Gone { .. }
        | StoreError::Sql { .. } => Failure::software(error),
    }
}

fn not_held(fingerprint: &Fingerprint, owner: Option<&Owner>, json: bool) -> Result<Exit, Failure> {
    let of = owner.map_or_else(String::new, |owner| format!(" of {owner}"));
    output::say(&format!(
        "domsec: no certificate {fingerprint}{} is in the store",
        printable(&of)
    ));
    if json {
        print(Vec::new(), true, |_| String::new())?;
    }
    Ok(Exit::No)
}

fn told(entries: &[Entry], json: bool, paint: Paint) -> Result<Exit, Failure> {
    let all = entries.iter().map(report).collect();
    print(all, json, |all| {
        all.iter().map(|one| details(one, paint)).collect()
    })
}

fn print(
    certificates: Vec<EntryReport>,
    json: bool,
    text: impl FnOnce(&[EntryReport]) -> String,
) -> Result<Exit, Failure> {
    let text = if json {
        output::json(&CertsReport { certificates })?
    } else {
        text(&certificates)
    };
    output::print(&text).map(|()| Exit::Yes)
}

fn report(entry: &Entry) -> EntryReport {
    let certificate = &entry.candidate.certificate;
    let provenance = &entry.candidate.provenance;
    let (address, dca) = match &entry.owner {
        Owner::Dca(domain) => (None, Some(domain.to_string())),
        Owner::Recipient(mailbox) => (Some(mailbox.to_string()), None),
    };
    EntryReport {
        fingerprint: entry.fingerprint.to_string(),
        subject: certificate.subject_name().to_owned(),
        issuer: certificate.issuer_name().to_owned(),
        serial: certificate.serial_hex(),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        address,
        dca,
        state: entry.state.as_str(),
        rejected: (entry.state == State::Rejected).then_some(if entry.with_key {
            KEY
        } else {
            "certificate"
        }),
        reason: entry.reason.clone(),
        changed: entry.changed.to_string(),
        source: provenance.source.as_str(),
        authentication: provenance.authentication.as_str(),
        first_seen: entry.first_seen.to_string(),
        last_seen: provenance.seen.to_string(),
        chain: entry
            .candidate
            .chain
            .iter()
            .map(|one| Fingerprint::of(one).to_string())
            .collect(),
    }
}

/// One line of the list: what can be given to the next command first.
fn line(one: &EntryReport, paint: Paint) -> String {
    let state = shown_state(one, paint);
    let (owner, reason) = (printable(&owner(one)), printable(&one.reason));
    let (source, seen) = (one.source, &one.last_seen);
    let with_key = if one.rejected == Some(KEY) {
        "(with its key) "
    } else {
        ""
    };
    format!(
        "{}  {state}  {owner}  {source}  {seen}  {with_key}{reason}\n",
        one.fingerprint
    )
}

fn details(one: &EntryReport, paint: Paint) -> String {
    let mut text = format!(
        "{}  {}\n",
        paint.bold(&one.fingerprint),
        shown_state(one, paint)
    );
    let mut row = |name: &str, value: &str| {
        let name = paint.faint(&format!("{name:<15}"));
        text.push_str(&format!("  {name} {}\n", printable(value)));
    };
    row("for", &owner(one));
    row("subject", &one.subject);
    row("issuer", &one.issuer);
    row("serial", &one.serial);
    row("valid", &format!("{} to {}", one.not_before, one.not_after));
    row("state since", &one.changed);
    if one.rejected == Some(KEY) {
        row(
            "rejected",
            "with its key, in whatever certificate that comes",
        );
    }
    row("reason", &one.reason);
    row("source", one.source);
    row("authentication", one.authentication);
    row("seen", &format!("{} to {}", one.first_seen, one.last_seen));
    for certificate in &one.chain {
        row("came with", certificate);
    }
    text
}

fn owner(one: &EntryReport) -> String {
    match (&one.address, &one.dca) {
        (Some(address), _) => address.clone(),
        (None, Some(domain)) => format!("the DCA of {domain}"),
        (None, None) => String::new(),
    }
}

fn shown_state(one: &EntryReport, paint: Paint) -> String {
    let padded = format!("{:<8}", one.state);
    match State::named(one.state) {
        Some(State::Active | State::Pinned) => paint.good(&padded),
        Some(State::Pending) => paint.doubtful(&padded),
        Some(State::Rejected) => paint.bad(&padded),
        Some(State::Retired) | None => paint.faint(&padded),
    }
}
