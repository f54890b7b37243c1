//! What arrived: peeled and judged, in the terms in which rules ask.
//!
//! Nothing is decided here. What a sender wrote is bounded before it becomes a fact.

use std::collections::BTreeMap;

use crate::address::Mailbox;
use crate::address::words;
use crate::domsec::verdict::Answer;
use crate::domsec::verdict::Verdict;
use crate::gateway::judge::parts_in;
use crate::gateway::open::Kind;
use crate::gateway::open::Node;
use crate::gateway::open::Opened;
use crate::limits::Limits;
use crate::mime::Header;
use crate::mime::MimeError;
use crate::mime::protected::Protected;
use crate::mime::walk::Structure;
use crate::mime::walk::Walk;
use crate::octets::Octets;
use crate::octets::View;
use crate::policy::facts::Content;
use crate::policy::facts::Facts;
use crate::policy::facts::MessageVerdict;

/// More values than a condition is evaluated over: who asks is told so, and gets no half of them.
const TOO_MANY: usize = Facts::MOST_VALUES + 1;

/// The facts of the content: what conditions may ask about a message.
pub(super) fn content(
    message: &View,
    opened: &Opened,
    (verdict, protected): (&Verdict, Option<&Protected>),
    limits: &Limits,
) -> Content {
    let innermost = innermost(&opened.root);
    let header = opened.header.as_ref();
    Content {
        from: header.map(from).unwrap_or_default(),
        size: message.len(),
        // What stands outside may say no more than "[...]".
        subject: protected
            .and_then(|protected| subject(protected.fields()))
            .or_else(|| header.and_then(subject))
            .unwrap_or_default(),
        layers: opened.root.layers(),
        verdict: match verdict.answer {
            Answer::Indeterminate => MessageVerdict::Indeterminate,
            Answer::Invalid => MessageVerdict::Invalid,
            Answer::Unsigned => MessageVerdict::Unsigned,
            Answer::Valid => MessageVerdict::Valid,
        },
        media_type: innermost
            .media_type
            .clone()
            // RFC 2045 §5.2: what does not say what it is, is this.
            .unwrap_or_else(|| "text/plain".to_owned()),
        attachments: attachments(&opened.root, limits),
        headers: header.map(headers).unwrap_or_default(),
    }
}

/// The node beneath all layers that could be opened.
#[must_use]
pub(super) fn innermost(root: &Node) -> &Node {
    root.chain().last().unwrap_or(root)
}

fn from(header: &Header) -> Vec<Mailbox> {
    let fields = header.from_addresses().from;
    let readable = fields.into_iter().filter_map(Result::ok).flatten();
    readable
        .map(|address| address.mailbox)
        .take(TOO_MANY)
        .collect()
}

fn subject(header: &Header) -> Option<String> {
    let field = header.first("Subject")?;
    Some(words::decode(&field.text()))
}

fn headers(header: &Header) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for field in header.fields().take(TOO_MANY) {
        let values = all.entry(field.name().to_ascii_lowercase()).or_default();
        values.push(field.text().into_owned());
    }
    all
}

/// The file names of all parts that are attachments: what says so, and what has a name; in what S/MIME
/// in a part holds, too.
fn attachments(root: &Node, limits: &Limits) -> Vec<String> {
    let mut names = Vec::new();
    let contents = std::iter::once(innermost(root)).chain(parts_in(root));
    for node in contents.filter(|node| matches!(node.kind, Kind::Content(_))) {
        if add_attachments(node, limits, &mut names).is_err() {
            // It can have any attachment: a condition that asks must not be answered.
            return vec![String::new(); TOO_MANY];
        }
    }
    names
}

/// Fails where the parts cannot be walked.
fn add_attachments(
    content: &Node,
    limits: &Limits,
    names: &mut Vec<String>,
) -> Result<(), MimeError> {
    for visit in Walk::new(&content.raw, limits) {
        let visit = visit?;
        let header = &visit.entity.header;
        let disposition = header.first("Content-Disposition");
        let says_so = disposition.is_some_and(|field| {
            let text = field.text();
            let word = text.split(';').next().unwrap_or_default().trim();
            word.eq_ignore_ascii_case("attachment")
        });
        let name = header.file_name();
        let is_part = !matches!(visit.structure, Structure::Multipart(_));
        if is_part && (says_so || name.is_some()) {
            names.push(name.unwrap_or_default());
        }
        if names.len() >= TOO_MANY {
            break;
        }
    }
    Ok(())
}
