//! `domsec certs publishers` and `forget`: the domains that are known to publish, so that they are never *absent* for want
//! of an answer.

use serde::Serialize;

use super::Opened;
use super::PAGE;
use crate::cli::args::Forget;
use crate::cli::args::Publishers;
use crate::cli::colour::printable;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::store::Publisher;
use crate::store::Store;

/// `certs publishers --json`, `certs forget --json`.
#[derive(Debug, Serialize)]
struct PublishersReport {
    publishers: Vec<PublisherReport>,
}

/// One domain in one source.
#[derive(Debug, Serialize)]
struct PublisherReport {
    domain: String,
    source: &'static str,
    /// When something was first found there.
    since: String,
}

impl From<&Publisher> for PublisherReport {
    fn from(publisher: &Publisher) -> Self {
        Self {
            domain: publisher.domain.to_string(),
            source: publisher.source.as_str(),
            since: publisher.since.to_string(),
        }
    }
}

/// Prints them.
pub(super) fn list(arguments: &Publishers) -> Result<Exit, Failure> {
    let store = Opened::of(&arguments.config)?;
    let mut all = Vec::new();
    let mut last: Option<Publisher> = None;
    loop {
        let domain = arguments.domain.as_ref();
        let page = store.wait(store.store.publishers(domain, last.as_ref(), PAGE))?;
        all.extend(page.iter().map(PublisherReport::from));
        last = page.into_iter().next_back();
        if last.is_none() {
            break;
        }
    }
    print(all, arguments.json)
}

/// Forgets one, and prints what it was.
pub(super) fn forget(arguments: &Forget) -> Result<Exit, Failure> {
    let store = Opened::of(&arguments.config)?;
    let Forget { domain, source, .. } = arguments;
    let forgotten = store.wait(store.store.forget_publisher(domain, *source))?;
    print(
        forgotten.iter().map(PublisherReport::from).collect(),
        arguments.json,
    )?;
    if !forgotten.is_empty() {
        return Ok(Exit::Yes);
    }
    let place = source.map_or("anywhere", |source| source.as_str());
    output::say(&format!(
        "domsec: nothing is forgotten: nothing was found for {} ({place})",
        printable(domain.as_str())
    ));
    Ok(Exit::No)
}

fn print(publishers: Vec<PublisherReport>, json: bool) -> Result<Exit, Failure> {
    let text = if json {
        output::json(&PublishersReport { publishers })?
    } else {
        let lines = publishers.iter().map(|one| {
            let domain = printable(&one.domain);
            format!("{domain}  {}  since {}\n", one.source, one.since)
        });
        lines.collect()
    };
    output::print(&text).map(|()| Exit::Yes)
}
