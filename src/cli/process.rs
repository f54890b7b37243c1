//! `domsec process` and `domsec explain`: one message through the gateway.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::address::Mailbox;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::build;
use crate::config::build::BuildError;
use crate::config::sources::Surroundings;
use crate::gateway::edition::EditionPlan;
use crate::gateway::judge::chain;
use crate::gateway::outcome::Edition;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Outcome;
use crate::gateway::outcome::Share;
use crate::gateway::outcome::word;
use crate::gateway::record::Record;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::notation::Layers;
use crate::octets::Memory;
use crate::policy::facts::Direction;
use crate::policy::facts::Fact;
use crate::policy::facts::FactValue;
use crate::policy::facts::Facts;
use crate::policy::facts::Session;
use crate::reply::Reply;
use crate::service;
use crate::store::Store;

use super::args::DirectionArgument;
use super::args::Process;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;

/// `process` and `explain` with `--json`.
#[derive(Debug, Serialize)]
struct Report {
    outcome: &'static str,
    direction: &'static str,
    layers_in: String,
    fates: Vec<FateReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_results: Option<String>,
    facts: Value,
}

#[derive(Debug, Serialize)]
struct FateReport {
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    recipients: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    encrypted_to: Vec<String>,
}

/// What a fate comes to, planned or done.
struct Told {
    layers: Option<Layers>,
    reply: Option<Reply>,
    file: Option<String>,
}

/// Runs the message through the gateway, and writes what leaves.
pub(super) fn process(arguments: &Process) -> Result<Exit, Failure> {
    let (gateway, transaction) = prepared(arguments, build::store)?;
    if arguments.json && arguments.out_dir.is_none() {
        return Err(Failure::usage(
            "--json takes standard output: say with --out-dir where the editions go",
        ));
    }
    let outcome = wait(gateway.process(&transaction, input::now()?, &Memory))?;
    let files = written(arguments, &outcome)?;
    let mut files = files.into_iter();
    let told = |fate: &Fate<Edition>| match fate {
        Fate::Deliver(edition) => Told {
            layers: Some(edition.layers.clone()),
            reply: None,
            file: files.next(),
        },
        Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => Told::without_edition(fate),
    };
    let report = report(&transaction, &outcome.record, &outcome.shares, told);
    finish(arguments, &report)?;
    Ok(match report.outcome {
        "refuse" => Exit::Refused,
        "hold" | "defer" => Exit::Temporary,
        _ => Exit::Yes,
    })
}

/// Says what `process` would do.
pub(super) fn explain(arguments: &Process) -> Result<Exit, Failure> {
    let (gateway, transaction) = prepared(arguments, build::store_untouched)?;
    let arrival = gateway.open(&transaction, input::now()?, &Memory);
    let gathered = wait(gateway.gather(&arrival))?;
    let decision = gateway.decide(&arrival, &gathered);
    let told = |fate: &Fate<EditionPlan<'_>>| match fate {
        Fate::Deliver(plan) => Told {
            layers: Some(plan.layers(&arrival.layers_in)),
            reply: None,
            file: None,
        },
        Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => Told::without_edition(fate),
    };
    let report = report(&transaction, &decision.record, &decision.shares, told);
    if arguments.json {
        output::print(&output::json(&report)?)?;
    } else {
        output::print(&text(&report, true))?;
    }
    Ok(Exit::Yes)
}

impl Told {
    fn without_edition<E>(fate: &Fate<E>) -> Self {
        let reply = match fate {
            Fate::Defer(reply) | Fate::Refuse(reply) => Some(reply.clone()),
            Fate::Deliver(_) | Fate::Hold(_) => None,
        };
        Self {
            layers: None,
            reply,
            file: None,
        }
    }
}

fn prepared(
    arguments: &Process,
    store: fn(&Config) -> Result<Arc<dyn Store>, BuildError>,
) -> Result<(Gateway, Transaction), Failure> {
    let config = Config::read(&arguments.config).map_err(|error| config_failure(&error))?;
    let store = store(&config).map_err(|error| build_failure(&error))?;
    let harvest = wait(build::harvest(&config, &store))?;
    let surroundings = Surroundings {
        store,
        harvest: harvest.map_err(|error| build_failure(&error))?,
        ..Surroundings::default()
    };
    let gateway =
        build::gateway_in(&config, &surroundings).map_err(|error| build_failure(&error))?;
    let Some((recipients, file)) = arguments.recipients_and_file() else {
        return Err(Failure::usage(
            "no message: give FILE, or - for standard input",
        ));
    };
    let mut all: Vec<Mailbox> = Vec::new();
    for recipient in recipients {
        let recipient = mailbox("--rcpt-to", recipient)?;
        if !all.contains(&recipient) {
            all.push(recipient);
        }
    }
    let mail_from = match arguments.mail_from.as_str() {
        "" | "<>" => None,
        address => Some(mailbox("--mail-from", address)?),
    };
    let networks = &config.trust.networks;
    let is_trusted = |client| networks.iter().any(|network| network.contains(client));
    let session = Session {
        login: arguments.auth.clone(),
        trusted: arguments.client_ip.is_some_and(is_trusted),
        tls: arguments.tls_subject.is_some(),
        tls_subject: arguments.tls_subject.clone(),
        client_ip: arguments.client_ip,
        helo: arguments.helo.clone(),
    };
    let transaction = Transaction {
        mail_from,
        recipients: all,
        session,
        direction: match arguments.direction {
            DirectionArgument::Auto => None,
            DirectionArgument::Inbound => Some(Direction::Inbound),
            DirectionArgument::Internal => Some(Direction::Internal),
            DirectionArgument::Outbound => Some(Direction::Outbound),
        },
        message: input::message(&file)?,
        waited: Duration::ZERO,
    };
    Ok((gateway, transaction))
}

fn mailbox(argument: &str, text: &str) -> Result<Mailbox, Failure> {
    let bare = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    let parsed = bare.unwrap_or(text).parse();
    parsed.map_err(|error| Failure::usage(format!("{argument} {text:?}: {error}")))
}

pub(super) fn config_failure(error: &ConfigError) -> Failure {
    match error {
        ConfigError::Read { path, source } => Failure::io(path, source),
        ConfigError::Syntax { .. } => Failure::configuration(chain(error)),
    }
}

pub(super) fn build_failure(error: &BuildError) -> Failure {
    Failure::configuration(chain(error))
}

/// Writes every edition, and returns the files' names: in the output directory, or the only one to
/// standard output.
fn written(arguments: &Process, outcome: &Outcome) -> Result<Vec<String>, Failure> {
    let editions: Vec<&Edition> = outcome
        .shares
        .iter()
        .filter_map(|share| match &share.fate {
            Fate::Deliver(edition) => Some(edition),
            Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => None,
        })
        .collect();
    let Some(directory) = &arguments.out_dir else {
        return match editions.as_slice() {
            [] => Ok(Vec::new()),
            [only] => write(None, only).map(|()| Vec::new()),
            several => Err(Failure::usage(format!(
                "the recipients get {} different editions: say with --out-dir where they go",
                several.len()
            ))),
        };
    };
    fs::create_dir_all(directory).map_err(|error| Failure::output(directory, &error))?;
    let mut names = Vec::with_capacity(editions.len());
    for (number, edition) in editions.into_iter().enumerate() {
        let name = format!("{number}.eml");
        write(Some(&directory.join(&name)), edition)?;
        names.push(name);
    }
    Ok(names)
}

fn write(path: Option<&Path>, edition: &Edition) -> Result<(), Failure> {
    output::message(path, |sink| {
        let name = path.map_or_else(|| PathBuf::from("standard output"), Path::to_owned);
        let copied = edition.message.windows(|window| sink.write_all(window));
        copied.map_err(|error| Failure::output(&name, &error))
    })
}

fn report<E>(
    transaction: &Transaction,
    record: &Record,
    shares: &[Share<E>],
    mut told: impl FnMut(&Fate<E>) -> Told,
) -> Report {
    let fates = shares.iter().map(|share| {
        let Told {
            layers,
            reply,
            file,
        } = told(&share.fate);
        FateReport {
            fate: share.fate.as_str(),
            rule: share.rule.clone(),
            recipients: share.recipients.iter().map(ToString::to_string).collect(),
            layers: layers.map(|layers| layers.to_string()),
            file,
            reply: reply.map(|reply| reply.to_string()),
            reasons: share.reasons.clone(),
            warnings: share.warnings.clone(),
            encrypted_to: share.encrypted_to.clone(),
        }
    });
    Report {
        outcome: word(shares),
        direction: record.direction().as_str(),
        layers_in: record.layers_in.to_string(),
        fates: fates.collect(),
        authentication_results: record.authentication_results.clone(),
        facts: facts(transaction, record),
    }
}

/// The facts of the first recipient as one object, and under `recipients` what differs for each.
fn facts(transaction: &Transaction, record: &Record) -> Value {
    let count = record.recipients.len();
    let of = |index: usize, wanted: &dyn Fn(&Fact) -> bool| {
        let facts = record.facts(transaction, index);
        facts.map_or(Value::Null, |facts| nested(&facts, wanted))
    };
    let mut first = of(0, &|_| true);
    if let (Value::Object(object), true) = (&mut first, count > 1) {
        let own = |fact: &Fact| fact.name == "direction" || fact.name.starts_with("recipient.");
        let each = (0..count).map(|index| of(index, &own)).collect();
        object.insert("recipients".to_owned(), Value::Array(each));
    }
    first
}

/// `recipient.domain` becomes `{"recipient": {"domain": ..}}`.
fn nested(facts: &Facts<'_>, wanted: &dyn Fn(&Fact) -> bool) -> Value {
    let mut all = Map::new();
    for fact in Fact::all().iter().filter(|fact| wanted(fact)) {
        let Some(value) = fact.value(facts) else {
            continue;
        };
        let value = match value {
            FactValue::Bool(flag) => Value::from(flag),
            FactValue::Headers(headers) => headers
                .iter()
                .map(|(name, values)| (name.clone(), Value::from(values.clone())))
                .collect(),
            FactValue::Int(number) => Value::from(number),
            FactValue::Text(text) => Value::from(text.into_owned()),
            FactValue::Texts(texts) => Value::from(texts.to_vec()),
        };
        match fact.name.split_once('.') {
            None => {
                all.insert(fact.name.to_owned(), value);
            }
            Some((group, name)) => {
                let group = all
                    .entry(group)
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(group) = group {
                    group.insert(name.to_owned(), value);
                }
            }
        }
    }
    Value::Object(all)
}

fn finish(arguments: &Process, report: &Report) -> Result<(), Failure> {
    if arguments.json {
        return output::print(&output::json(report)?);
    }
    // Standard output may be the message.
    output::say(text(report, false).trim_end());
    Ok(())
}

/// The report for people.
fn text(report: &Report, with_facts: bool) -> String {
    let mut lines = vec![format!(
        "{}, {}: {}",
        report.outcome, report.direction, report.layers_in
    )];
    for fate in &report.fates {
        let layers = fate.layers.as_deref().map(|layers| format!(" as {layers}"));
        let reply = fate.reply.as_deref().map(|reply| format!(": {reply}"));
        let file = fate.file.as_deref().map(|file| format!(" in {file}"));
        lines.push(format!(
            "  {}{}{}{} for {}",
            fate.fate,
            layers.unwrap_or_default(),
            file.unwrap_or_default(),
            printable(&reply.unwrap_or_default()),
            fate.recipients.join(", ")
        ));
        let rule = fate
            .rule
            .as_deref()
            .map(|rule| format!("    by the rule {rule:?}"));
        lines.extend(rule);
        let detail = |word: &str, texts: &[String]| -> Vec<String> {
            let line = |text: &String| format!("    {word} {}", printable(text));
            texts.iter().map(line).collect()
        };
        lines.extend(detail("because", &fate.reasons));
        lines.extend(detail("warning:", &fate.warnings));
        lines.extend(detail("encrypted to", &fate.encrypted_to));
    }
    if let Some(results) = &report.authentication_results {
        lines.push(format!("  Authentication-Results: {}", printable(results)));
    }
    if with_facts {
        lines.push("  the facts:".to_owned());
        flatten("", &report.facts, &mut lines);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// One line for each fact. Only headers nest deeper than two.
fn flatten(prefix: &str, value: &Value, lines: &mut Vec<String>) {
    let Value::Object(object) = value else {
        lines.push(format!("    {prefix} = {}", printable(&value.to_string())));
        return;
    };
    if prefix == "message.headers" {
        let text = format!("{} fields", object.len());
        lines.push(format!("    {prefix} = {text}"));
        return;
    }
    for (name, value) in object {
        let name = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        flatten(&name, value, lines);
    }
}

/// Waits for an answer of the gateway, whose sources need a runtime.
fn wait<T>(answer: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = service::runtime().map_err(|error| Failure::software(&error))?;
    Ok(runtime.block_on(answer))
}
