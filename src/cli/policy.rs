//! `domsec policy`: is a policy file in order, and what can its conditions be about.

use std::path::Path;

use crate::limits::Limits;
use crate::policy::Policy;
use crate::policy::facts::Fact;
use crate::policy::facts::Origin;
use crate::policy::partner::PinnedCertificate;

use super::args;
use super::args::Colour;
use super::colour::Paint;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;

/// Does what `command` says.
pub(super) fn run(command: &args::Policy, colour: Colour) -> Result<Exit, Failure> {
    match command {
        args::Policy::Check { file } => check(file, Paint::new(colour)),
        args::Policy::Facts => output::print(&facts()).map(|()| Exit::Yes),
    }
}

/// Says whether the file is in order, the certificates that it names included.
fn check(file: &Path, paint: Paint) -> Result<Exit, Failure> {
    let name = file.display().to_string();
    let octets = input::read(file)?;
    let (exit, text) = match policy(&octets, &name, file) {
        Ok(policy) => {
            let names = policy.rules().iter().map(|rule| rule.name.as_str());
            let names: Vec<&str> = names.collect();
            let good = format!("{}: {}", printable(&name), paint.good("in order"));
            (
                Exit::Yes,
                format!("{good}\n  rules: {}\n", names.join(", ")),
            )
        }
        Err(fault) => (Exit::No, format!("{}\n", paint.bad(&printable(&fault)))),
    };
    output::print(&text).map(|()| exit)
}

fn policy(octets: &[u8], name: &str, file: &Path) -> Result<Policy, String> {
    let text = std::str::from_utf8(octets)
        .map_err(|error| format!("{name}: not UTF-8 after octet {}", error.valid_up_to()))?;
    let policy = Policy::parse(text, name).map_err(|error| error.to_string())?;
    let beside = file.parent().unwrap_or(Path::new(""));
    for partner in policy.partners() {
        if let Some(PinnedCertificate::File(dca)) = &partner.dca {
            let read = input::certificates(&[beside.join(dca)], &Limits::default());
            read.map_err(|failure| {
                format!("{name}: [partner.\"{}\"]: dca: {failure}", partner.domain)
            })?;
        }
    }
    Ok(policy)
}

/// The table of facts: name, type, from when it is known, meaning.
fn facts() -> String {
    let rows: Vec<[String; 4]> = Fact::all()
        .iter()
        .map(|fact| {
            let origin = match fact.origin {
                Origin::Content => "content",
                Origin::Envelope => "envelope",
            };
            let fact_type = fact.fact_type.describe();
            [
                fact.name.into(),
                fact_type,
                origin.into(),
                fact.meaning.into(),
            ]
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let (names, types, origins) = (width(0), width(1), width(2));
    rows.iter()
        .map(|[name, fact_type, origin, meaning]| {
            format!("{name:names$}  {fact_type:types$}  {origin:origins$}  {meaning}\n")
        })
        .collect()
}
