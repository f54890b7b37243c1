//! What a reader is shown, and whether it is what was signed.
//!
//! Mail readers differ in which of several fields they show, and attacks live on that. What could be
//! read in two ways is reported; nothing here guesses.

use crate::address::list::Address;
use crate::domsec::verdict::From;
use crate::gateway::open::Kind;
use crate::gateway::open::Opened;
use crate::gateway::open::SignedNode;
use crate::limits::Limits;
use crate::mime::Header;
use crate::mime::header::Defect;
use crate::mime::multipart::MultipartDefect;
use crate::mime::protected::Candidate;
use crate::mime::protected::Difference;
use crate::mime::protected::Protected;
use crate::mime::protected::Scheme;
use crate::mime::protected::compare;

/// Who the message says that it is from.
#[must_use]
pub fn from(header: &Header) -> From {
    let fields = header.from_addresses().from;
    match fields.as_slice() {
        [] => From::Absent,
        [Ok(addresses)] => from_addresses(addresses),
        [Err(error)] => From::Ambiguous(format!("From cannot be read in one way only: {error}")),
        several => From::Ambiguous(format!(
            "the message has {} From fields, of which readers show one or the other",
            several.len()
        )),
    }
}

fn from_addresses(addresses: &[Address]) -> From {
    if addresses.is_empty() {
        return From::Ambiguous("From names nobody".to_owned());
    }
    for address in addresses {
        if address.in_group {
            return From::Ambiguous(format!("From has {} in a group", address.mailbox));
        }
        if address.display_name_looks_like_address() {
            let name = address.decoded_display_name().unwrap_or_default();
            return From::Ambiguous(format!(
                "the display name {name:?} in From looks like an address, but {} is the sender",
                address.mailbox
            ));
        }
    }
    From::Mailboxes(
        addresses
            .iter()
            .map(|address| address.mailbox.clone())
            .collect(),
    )
}

/// Defects by which a reader is shown something other than what is signed.
#[must_use]
pub fn defects(opened: &Opened, limits: &Limits) -> Vec<String> {
    let mut defects = Vec::new();
    let mut is_signed = false;
    let mut is_encrypted = false;
    for node in opened.root.chain() {
        if let Some(header) = &node.header {
            defects.extend(repeated(header));
            match &opened.header {
                Some(outer) if is_signed => {
                    let candidate = Candidate {
                        header,
                        raw: &node.raw,
                        encrypted: is_encrypted,
                    };
                    defects.extend(differing(outer, candidate, limits));
                }
                // What nobody signed could have been put there by anybody.
                _ => defects.extend(header.defects().iter().filter_map(doubtful_header)),
            }
        }
        match &node.kind {
            Kind::Signed(signed) => {
                is_signed |= !signed.data.signers.is_empty();
                defects.extend(doubtful_multipart(signed));
            }
            Kind::Enveloped(..) => is_encrypted = true,
            Kind::Compressed(_) | Kind::Content(_) => {}
        }
    }
    defects
}

/// Fields that say how a body is read, and stand there several times.
fn repeated(header: &Header) -> impl Iterator<Item = String> {
    const ONCE: [&str; 4] = [
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
        "MIME-Version",
    ];
    ONCE.iter()
        .filter_map(|name| several(name, header.all(name).count()))
}

fn several(name: &str, count: usize) -> Option<String> {
    let text = format!("a header has {count} {name} fields, and readers obey one or the other");
    (count > 1).then_some(text)
}

/// What in the header of the message lets readers see different fields.
fn doubtful_header(defect: &Defect) -> Option<String> {
    const SHOWN: [&str; 5] = ["Sender", "To", "Cc", "Date", "Subject"];
    match defect {
        Defect::BareCarriageReturn(at) => Some(format!(
            "the header has a carriage return alone at octet {at}"
        )),
        Defect::BlankContinuation(at) => Some(format!(
            "the header has a line of white space alone at octet {at}"
        )),
        Defect::Nul(at) => Some(format!("the header has a NUL at octet {at}")),
        Defect::NotAField(at) => Some(format!(
            "the header has a line that is no field at octet {at}"
        )),
        Defect::Repeated { field, count } if SHOWN.contains(field) => several(field, *count),
        // From has a verdict of its own; the rest is not shown, or says nothing else to anybody.
        Defect::Repeated { .. }
        | Defect::MboxLine
        | Defect::MixedLineEnds(_)
        | Defect::NoEmptyLine => None,
    }
}

/// What in a multipart/signed lets readers see other parts, or no signature.
pub fn doubtful_multipart(signed: &SignedNode) -> impl Iterator<Item = String> {
    signed.defects.iter().filter_map(doubtful)
}

fn doubtful(defect: &MultipartDefect) -> Option<String> {
    match defect {
        MultipartDefect::DelimiterInEpilogue(at) => Some(format!(
            "multipart/signed goes on after its end, at octet {at} of its body"
        )),
        MultipartDefect::DoubtfulDelimiter(at) => Some(format!(
            "multipart/signed has a line that looks like its boundary at octet {at} of its body"
        )),
        MultipartDefect::Encoded => {
            Some("multipart/signed has a transfer encoding, which it may not".to_owned())
        }
        MultipartDefect::Protocol => Some(
            "multipart/signed lacks the protocol of its S/MIME signature, so that not all readers \
             see that it is signed"
                .to_owned(),
        ),
        // Cut off at its end, or no parts at all: what is missing is reported for itself.
        MultipartDefect::NoDelimiter | MultipartDefect::NotClosed => None,
    }
}

/// Fields that readers show, whichever they take them from.
const COMPARED: [&str; 5] = ["From", "To", "Cc", "Date", "Subject"];

/// Fields of the signed content that contradict those outside (RFC 9788 §4.4).
fn differing(outer: &Header, signed: Candidate<'_>, limits: &Limits) -> Vec<String> {
    if COMPARED
        .iter()
        .all(|name| signed.header.first(name).is_none())
    {
        return Vec::new();
    }
    let protected = Protected::read(&[signed], limits).ok();
    let marked = protected.filter(|protected| {
        let scheme = protected.scheme();
        matches!(scheme, Scheme::Rfc9788Cipher | Scheme::Rfc9788Clear)
    });
    // What its author hid, and how, is said inside.
    let Some(protected) = marked else {
        return differing_unmarked(outer, signed.header, signed.encrypted);
    };
    compare(&protected, outer, None)
        .into_iter()
        .filter(|difference| match difference {
            Difference::Field { field, .. } => COMPARED.contains(&field.name()),
            Difference::EnvelopeRecipient(_) | Difference::EnvelopeSender(_) => false,
        })
        .map(|difference| difference.to_string())
        .collect()
}

/// The same of content that carries fields without the mark of RFC 9788, as older programs write it.
fn differing_unmarked(outer: &Header, inner: &Header, is_encrypted: bool) -> Vec<String> {
    let mut found = Vec::new();
    for name in COMPARED {
        let (Some(inside), Some(outside)) = (inner.first(name), outer.first(name)) else {
            continue;
        };
        // Whoever encrypts hides the subject: "..." was the older convention, "[...]" is RFC 9788's.
        let hidden =
            is_encrypted && name == "Subject" && matches!(&*outside.text(), "..." | "[...]");
        if inside.text() != outside.text() && !hidden {
            // Never the value: it may be plaintext of an encrypted message.
            found.push(format!("{name} differs from that of the signed content"));
        }
    }
    found
}
