//! `domsec inspect`: what a message is made of, layer by layer.

use serde_json::Value as Json;

use super::args::Colour;
use super::args::Inspect;
use super::colour::Paint;
use super::colour::printable;
use super::failure::Exit;
use super::failure::Failure;
use super::input;
use super::output;
use super::report;
use super::report::AttributeReport;
use super::report::InspectReport;
use super::report::NodeReport;
use super::report::RecipientReport;
use super::report::SignerReport;

/// Runs the command.
pub(super) fn run(arguments: &Inspect, colour: Colour) -> Result<Exit, Failure> {
    let keys = input::keys(&arguments.keys)?;
    let opened = input::open(&arguments.file, &keys)?;
    let report = report::inspect(&opened.opened, &keys);
    let text = if arguments.json {
        output::json(&report)?
    } else {
        text(&report, Paint::new(colour))
    };
    output::print(&text)?;
    Ok(Exit::Yes)
}

/// The tree for people.
pub(super) fn text(report: &InspectReport, paint: Paint) -> String {
    let mut lines = vec![paint.bold(&report.layers), String::new()];
    branch(
        &report.tree,
        Position { head: "", tail: "" },
        paint,
        &mut lines,
    );
    lines.push(String::new());
    lines.join("\n")
}

/// What stands before a node's first line, and before all lines beneath it.
#[derive(Clone, Copy)]
struct Position<'a> {
    head: &'a str,
    tail: &'a str,
}

fn branch(node: &NodeReport, position: Position<'_>, paint: Paint, lines: &mut Vec<String>) {
    lines.push(format!("{}{}", position.head, title(node, paint)));
    let beneath: Vec<&NodeReport> = node
        .child
        .as_deref()
        .into_iter()
        .chain(&node.parts)
        .collect();
    let rail = if beneath.is_empty() { "   " } else { "│  " };
    let mut details = Vec::new();
    describe(node, paint, &mut details);
    lines.extend(
        details
            .into_iter()
            .map(|detail| format!("{}{rail}{detail}", position.tail)),
    );
    for (index, child) in beneath.iter().enumerate() {
        let last = index + 1 == beneath.len();
        let head = format!("{}{}", position.tail, if last { "└─ " } else { "├─ " });
        let tail = format!("{}{}", position.tail, if last { "   " } else { "│  " });
        branch(
            child,
            Position {
                head: &head,
                tail: &tail,
            },
            paint,
            lines,
        );
    }
}

fn title(node: &NodeReport, paint: Paint) -> String {
    let letter = match node.kind {
        "signed" => "S",
        "enveloped" => "E",
        "compressed" => "Z",
        _ => "C",
    };
    let mut words = vec![match (node.kind, node.detached, node.authenticated) {
        ("signed", Some(true), _) => "signed, detached".to_owned(),
        ("enveloped", _, Some(true)) => "enveloped, authenticated".to_owned(),
        (kind, _, _) => kind.to_owned(),
    }];
    words.extend(node.media_type.as_deref().map(printable));
    words.extend(node.content_encryption.clone());
    words.push(format!("{} octets", node.octets));
    format!("{}  {}", paint.bold(letter), words.join(" · "))
}

fn describe(node: &NodeReport, paint: Paint, lines: &mut Vec<String>) {
    if let Some(error) = &node.error {
        lines.push(format!("{} {}", paint.bad("error"), printable(error)));
    }
    for weak in &node.weak {
        lines.push(format!("{} {weak}", paint.doubtful("weak")));
    }
    for defect in &node.defects {
        lines.push(format!("{} {defect}", paint.doubtful("defect")));
    }
    match node.signers.as_deref() {
        Some([]) => {
            lines.push(paint.doubtful("no signer: the empty signature, or certificates alone"))
        }
        Some(signers) => signers
            .iter()
            .for_each(|signer| describe_signer(signer, paint, lines)),
        None => {}
    }
    if let Some(count @ 1..) = node.certificates {
        lines.push(format!(
            "{} {count} sent along",
            paint.faint("certificates")
        ));
    }
    let recipients = node.recipients.iter().flatten();
    lines.extend(recipients.map(|recipient| describe_recipient(recipient, paint)));
}

fn describe_recipient(recipient: &RecipientReport, paint: Paint) -> String {
    let name = match (&recipient.ski, &recipient.serial, &recipient.issuer) {
        (Some(ski), _, _) => format!("key identifier {ski}"),
        (None, Some(serial), Some(issuer)) => {
            format!("serial {serial} of {}", printable(issuer))
        }
        _ => String::new(),
    };
    let ours = if recipient.ours {
        paint.good(" (ours)")
    } else {
        String::new()
    };
    let (label, kind) = (paint.faint("recipient"), recipient.kind);
    format!("{label} {kind} {name} · {}{ours}", recipient.key_encryption)
}

fn describe_signer(signer: &SignerReport, paint: Paint, lines: &mut Vec<String>) {
    let types = if signer.types.is_empty() {
        String::new()
    } else {
        format!(" [{}]", signer.types.join(","))
    };
    let (label, who) = (paint.faint("signer"), who_signs(signer));
    lines.push(format!("{label} {who}{}", paint.bold(&types)));
    let fields = fields_of(signer, paint);
    lines.extend(
        fields
            .into_iter()
            .map(|(name, value)| format!("       {} {value}", paint.faint(name))),
    );
}

fn who_signs(signer: &SignerReport) -> String {
    match (&signer.subject, &signer.ski, &signer.serial, &signer.issuer) {
        (Some(subject), ..) => printable(subject),
        (None, Some(ski), ..) => format!("key identifier {ski}, certificate not in the message"),
        (None, None, Some(serial), Some(issuer)) => {
            format!(
                "serial {serial} of {}, certificate not in the message",
                printable(issuer)
            )
        }
        _ => "unknown".to_owned(),
    }
}

/// What is said of a signer, each line with its label.
fn fields_of(signer: &SignerReport, paint: Paint) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    let names = signer.emails.iter().chain(&signer.uris).chain(&signer.dns);
    let names: Vec<String> = names.map(|name| printable(name)).collect();
    if !names.is_empty() {
        fields.push(("names", names.join(", ")));
    }
    if let (Some(serial), Some(issuer), Some(_)) = (&signer.serial, &signer.issuer, &signer.subject)
    {
        let issuer = printable(issuer);
        fields.push(("issued", format!("by {issuer}, serial {serial}")));
    }
    let (signature, digest) = (&signer.signature_algorithm, &signer.digest_algorithm);
    fields.push(("algorithm", format!("{signature} over {digest}")));
    fields.extend(signer.signing_time.clone().map(|time| ("signed at", time)));
    let weak = signer.weak.iter().map(|weak| paint.doubtful(weak));
    fields.extend(weak.map(|weak| ("weak", weak)));
    let signed = signer.attributes.iter().map(describe_attribute);
    fields.extend(signed.map(|attribute| ("attribute", attribute)));
    let unsigned = signer.unsigned_attributes.iter().map(describe_attribute);
    fields.extend(unsigned.map(|attribute| ("unsigned attribute", attribute)));
    fields
}

fn describe_attribute(attribute: &AttributeReport) -> String {
    let value = match &attribute.value {
        Json::String(text) => printable(text),
        other @ (Json::Array(_)
        | Json::Bool(_)
        | Json::Null
        | Json::Number(_)
        | Json::Object(_)) => printable(&other.to_string()),
    };
    format!(
        "{} {}",
        attribute.name.unwrap_or(&attribute.oid),
        shortened(&value)
    )
}

/// A value on one line; the JSON report has all of it.
fn shortened(value: &str) -> String {
    const MOST: usize = 160;
    match value.char_indices().nth(MOST) {
        Some((at, _)) => format!(
            "{}… ({} characters)",
            value.get(..at).unwrap_or_default(),
            value.chars().count()
        ),
        None => value.to_owned(),
    }
}
