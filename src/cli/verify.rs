//! `domsec verify`: is it signed, by whom, and is that so.

use crate::address::Mailbox;
use crate::crypto;
use crate::domsec::verdict::Answer;
use crate::gateway::judge::Judge;
use crate::limits::Limits;
use crate::x509::SimplePaths;
use crate::x509::path::Purpose;

use super::args;
use super::args::Colour;
use super::args::Verify;
use super::colour::Paint;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;
use super::report;
use super::report::SignatureReport;
use super::report::VerifyReport;

/// Runs the command: exit code 0 when the verdict is `valid`.
pub(super) fn run(arguments: &Verify, colour: Colour) -> Result<Exit, Failure> {
    let limits = Limits::default();
    let trust = &arguments.trust;
    let keys = input::keys(&arguments.keys)?;
    let anchors = input::certificates(&trust.anchors, &limits)?;
    let intermediates = input::certificates(&trust.intermediates, &limits)?;
    let crls = input::crls(&trust.crls, &limits)?;
    let from = trust.from.as_deref().map(mailbox).transpose()?;
    let paths = SimplePaths::new(anchors, crypto::provider().verification, &limits);
    let judge = Judge {
        paths: &paths,
        provider: crypto::provider(),
        limits: &limits,
        certificates: &intermediates,
        crls: &crls,
        at: match trust.at {
            Some(time) => time,
            None => input::now()?,
        },
        purpose: match trust.purpose {
            args::Purpose::Any => Purpose::Any,
            args::Purpose::Smime => Purpose::Smime,
        },
        revocation: trust.revocation,
        from: from.as_ref(),
        former_names: &[],
    };
    let mut file = input::open(&arguments.file, &keys)?;
    let judgement = judge.judge(&file.opened, &mut file.budget);
    let report = report::verify(&file.opened, &judgement);
    let text = if arguments.json {
        output::json(&report)?
    } else {
        text(&report, Paint::new(colour))
    };
    output::print(&text)?;
    Ok(if judgement.verdict.answer == Answer::Valid {
        Exit::Yes
    } else {
        Exit::No
    })
}

fn mailbox(text: &str) -> Result<Mailbox, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(format!("--from {text:?}: {error}")))
}

/// The report for people.
fn text(report: &VerifyReport, paint: Paint) -> String {
    let verdict = match report.verdict {
        "valid" => paint.good(report.verdict),
        "invalid" => paint.bad(report.verdict),
        other => paint.doubtful(other),
    };
    let mut lines = vec![format!("{verdict}  {}", report.layers)];
    let name = report.originator_name.as_deref().map(printable);
    lines.push(match (report.originator, name) {
        ("match", Some(name)) => format!("  From is bound to {name}"),
        ("mismatch", Some(name)) => paint.bad(&format!("  signed by {name}, who is not From")),
        ("mismatch", None) => paint.bad("  signed by somebody who is not From"),
        (_, Some(name)) => format!("  signed by {name}; no From to compare with"),
        _ => "  nobody speaks for the originator".to_owned(),
    });
    lines.extend(
        report
            .reasons
            .iter()
            .map(|reason| format!("  because {}", printable(reason))),
    );
    lines.extend(
        report
            .signatures
            .iter()
            .map(|signature| describe(signature, paint)),
    );
    lines.push(String::new());
    lines.join("\n")
}

fn describe(signature: &SignatureReport, paint: Paint) -> String {
    let word = |state: &'static str| match state {
        "valid" | "match" => paint.good(state),
        "invalid" | "mismatch" => paint.bad(state),
        other => paint.doubtful(other),
    };
    let signer = &signature.signer;
    let who = signer
        .subject
        .as_deref()
        .or(signer.ski.as_deref())
        .or(signer.serial.as_deref());
    let types = if signature.types.is_empty() {
        String::new()
    } else {
        format!(" [{}]", signature.types.join(","))
    };
    let mut line = format!(
        "  layer {}: {}{types} · signature {} · path {}",
        signature.layer,
        printable(who.unwrap_or("unknown")),
        word(signature.signature.unwrap_or("not known")),
        word(signature.path),
    );
    if signature.naming != "not-applicable" {
        line.push_str(&format!(" · naming {}", word(signature.naming)));
    }
    if !signer.weak.is_empty() {
        line.push_str(&format!(
            " · {} {}",
            paint.doubtful("weak"),
            signer.weak.join(", ")
        ));
    }
    line
}
