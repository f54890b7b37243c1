//! `domsec lookup`: every source that is asked for an address, what each says, what is chosen and why.

use std::sync::Arc;

use serde::Serialize;

use super::args::Lookup;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;
use super::process::build_failure;
use super::process::config_failure;
use crate::address::Mailbox;
use crate::config::Config;
use crate::config::build;
use crate::config::sources::Surroundings;
use crate::gateway::choice::Choice;
use crate::gateway::choice::Event;
use crate::gateway::choice::Finding;
use crate::gateway::search::Asked;
use crate::gateway::search::Owner;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
use crate::lookup::ordered::Unwatched;
use crate::lookup::ordered::Watch;
use crate::policy::facts::LookupResult;
use crate::policy::facts::LookupSource;
use crate::service;

#[derive(Debug, Serialize)]
struct Report {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<Chosen>,
    asked: Vec<AskedReport>,
    /// What is known in the end of the recipient, and of the DCA of the domain.
    found: Vec<FoundReport>,
}

#[derive(Clone, Debug, Serialize)]
struct Chosen {
    fingerprint: String,
    source: &'static str,
    reason: String,
    subject: &'static str,
}

#[derive(Debug, Serialize)]
struct AskedReport {
    source: &'static str,
    subject: &'static str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    authentic: bool,
    certificates: Vec<String>,
    elapsed_ms: u64,
    cached: bool,
}

#[derive(Debug, Serialize)]
struct FoundReport {
    subject: &'static str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
}

/// Prints what each source says as soon as it says it.
#[derive(Debug)]
struct Aloud;

impl Watch for Aloud {
    fn asked(&self, asked: &Asked) {
        // A page that nobody reads any more is no reason to stop.
        let _printed = output::print(&line(asked));
    }

    fn happened(&self, _: &Owner, _: &Event) {}
}

/// Searches as the gateway would for a message to the address, and changes nothing.
pub(super) fn run(arguments: &Lookup) -> Result<Exit, Failure> {
    let config = Config::read(&arguments.config).map_err(|error| config_failure(&error))?;
    let mailbox: Mailbox = arguments
        .address
        .parse()
        .map_err(|error| Failure::usage(format!("{:?}: {error}", arguments.address)))?;
    let watch: Arc<dyn Watch> = if arguments.json {
        Arc::new(Unwatched)
    } else {
        Arc::new(Aloud)
    };
    // What is kept of answers is not asked for: whoever searches by hand wants to see what is published now.
    let store = build::store_untouched(&config).map_err(|error| build_failure(&error))?;
    let runtime = service::runtime().map_err(|error| Failure::software(&error))?;
    let harvest = runtime.block_on(build::harvest(&config, &store));
    let surroundings = Surroundings {
        store,
        cache: None,
        harvest: harvest.map_err(|error| build_failure(&error))?,
        watch,
    };
    let gateway =
        build::gateway_in(&config, &surroundings).map_err(|error| build_failure(&error))?;
    let now = input::now()?;
    let mut searched = Vec::new();
    for (word, subject) in [
        ("recipient", Subject::Recipient(&mailbox)),
        ("dca", Subject::Dca(mailbox.domain())),
    ] {
        if !arguments.json {
            output::print(&format!("{}\n", printable(&subject.to_string())))?;
        }
        let search = runtime.block_on(gateway.search(subject, now));
        let choice = gateway.chosen(subject, &search, now);
        let one = (search, choice);
        if !arguments.json {
            output::print(&summary(&one))?;
        }
        searched.push((word, one));
    }
    if arguments.json {
        output::print(&output::json(&report(&mailbox, &searched))?)?;
    }
    let any = |result: LookupResult| {
        let mut findings = searched
            .iter()
            .map(|(_, (_, choice))| choice.finding.result());
        findings.any(|one| one == result)
    };
    Ok(if any(LookupResult::Found) {
        Exit::Yes
    } else if any(LookupResult::Unavailable) {
        Exit::Temporary
    } else {
        Exit::No
    })
}

fn line(asked: &Asked) -> String {
    let mut line = format!(
        "  {:<10} {:<12} {:>6} ms",
        asked.source.as_str(),
        asked.said.result().as_str(),
        asked.elapsed.as_millis()
    );
    if asked.cached {
        line.push_str("  (kept from before)");
    }
    if asked.authentic {
        line.push_str("  authentic");
    }
    if let Some(reason) = asked.said.reason() {
        line.push_str("  ");
        line.push_str(&printable(reason));
    }
    line.push('\n');
    line
}

/// What was found, candidate by candidate, and what it comes to.
fn summary((search, choice): &(Search, Choice)) -> String {
    let mut text = String::new();
    let mut put = |line: String| {
        text.push_str(&printable(&line));
        text.push('\n');
    };
    for (candidate, refused) in search.candidates.iter().zip(&choice.refused) {
        let certificate = &candidate.certificate;
        put(format!(
            "  - {} {} ({}, proof: {})",
            certificate.fingerprint(),
            certificate.subject_name(),
            candidate.provenance.source.as_str(),
            candidate.provenance.authentication.as_str(),
        ));
        put(match refused {
            Some(reason) => format!("      refused: {reason}"),
            None => format!("      good until {}", certificate.not_after()),
        });
    }
    for event in &choice.events {
        put(format!("  ! {}", told(event)));
    }
    put(match (&choice.finding, &choice.chosen) {
        (Finding::Found(certificate), Some((_, reason))) => {
            format!("  = found: {}: {reason}", certificate.fingerprint())
        }
        (finding, _) => {
            let reason = reason(finding);
            let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
            format!("  = {}{reason}", finding.result().as_str())
        }
    });
    text
}

fn told(event: &Event) -> String {
    match event {
        Event::Contradicted(source) => {
            format!("{} gives another key", source.as_str())
        }
        Event::Conflict(one, other) => {
            format!(
                "{} and {} name different keys",
                one.as_str(),
                other.as_str()
            )
        }
        Event::KeyChanged(fingerprint, true) => {
            format!("{fingerprint} has another key than the one in use, and takes its place")
        }
        Event::KeyChanged(fingerprint, false) => {
            format!(
                "{fingerprint} has another key than the one in use, and waits for an administrator"
            )
        }
    }
}

fn reason(finding: &Finding) -> Option<String> {
    match finding {
        Finding::Absent | Finding::Found(_) => None,
        Finding::Invalid(reasons) => Some(reasons.join("; ")),
        Finding::Unavailable(reason) => Some(reason.clone()),
    }
}

fn report(mailbox: &Mailbox, searched: &[(&'static str, (Search, Choice))]) -> Report {
    let mut report = Report {
        address: mailbox.to_string(),
        chosen: None,
        asked: Vec::new(),
        found: Vec::new(),
    };
    for (subject, (search, choice)) in searched {
        report.asked.extend(asked(subject, search, choice));
        report.found.push(FoundReport {
            subject,
            result: choice.finding.result().as_str(),
            reason: reason(&choice.finding),
            events: choice.events.iter().map(told).collect(),
        });
        let chosen = choice.chosen.as_ref().and_then(|(place, reason)| {
            let candidate = search.candidates.get(*place)?;
            Some(Chosen {
                fingerprint: candidate.certificate.fingerprint(),
                source: candidate.provenance.source.as_str(),
                reason: reason.clone(),
                subject,
            })
        });
        // The recipient's own stands before the domain's.
        report.chosen = report.chosen.or(chosen);
    }
    report
}

/// What each source said. One all of whose certificates were refused says "invalid".
fn asked(subject: &'static str, search: &Search, choice: &Choice) -> Vec<AskedReport> {
    let of = |source: LookupSource| {
        let all = search.candidates.iter().zip(&choice.refused);
        all.filter(move |(candidate, _)| candidate.provenance.source == source)
    };
    let report = |asked: &Asked| {
        let refused: Vec<&str> = of(asked.source)
            .filter_map(|(_, refused)| refused.as_deref())
            .collect();
        let count = of(asked.source).count();
        let invalid = count > 0 && refused.len() == count;
        let mut reason = asked.said.reason().map(str::to_owned);
        if reason.is_none() && !refused.is_empty() {
            reason = Some(refused.join("; "));
        }
        AskedReport {
            source: asked.source.as_str(),
            subject,
            result: if invalid {
                LookupResult::Invalid.as_str()
            } else {
                asked.said.result().as_str()
            },
            reason,
            authentic: asked.authentic,
            certificates: of(asked.source)
                .map(|(candidate, _)| candidate.certificate.fingerprint())
                .collect(),
            elapsed_ms: u64::try_from(asked.elapsed.as_millis()).unwrap_or(u64::MAX),
            cached: asked.cached,
        }
    };
    search.asked.iter().map(report).collect()
}
