//! Which fields are the author's, which describe the body, and which mail systems add.

/// Whose a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The author's: goes in, and comes out.
    Author,
    /// Describes the body and goes with it: Content-* and MIME-Version (RFC 9787 §1.1.1).
    Structural,
    /// Added or read by mail systems, or for them alone: neither goes in nor comes out (RFC 9788 §7,
    /// DESIGN decision 6).
    Transit,
}

impl Role {
    /// The role of a field of that name, in whatever case.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if has_prefix(name, "Content-") || name.eq_ignore_ascii_case("MIME-Version") {
            Self::Structural
        } else if is_one_of(name, TRANSIT) || TRANSIT_PREFIXES.iter().any(|p| has_prefix(name, p)) {
            Self::Transit
        } else {
            Self::Author
        }
    }
}

/// Trace fields (RFC 5322 §3.6.7), marks of other systems, our own, and Bcc, which must reach nobody
/// else (RFC 5322 §3.6.3). HP-Outer means something at one place alone (RFC 9788 §2.2).
const TRANSIT: &[&str] = &[
    "Archived-At",
    "Authentication-Results",
    "Bcc",
    "Delivered-To",
    "DKIM-Signature",
    "DomainKey-Signature",
    "Domsec-Warning",
    "HP-Outer",
    "Received",
    "Received-SPF",
    "Return-Path",
    "X-Envelope-From",
    "X-Envelope-To",
    "X-Original-To",
];

/// Families of such fields: what lists add (RFC 9788 §7.1), resending (RFC 5322 §3.6.6), and verdicts
/// of filters, which a reader's rules would believe if they came out of the inside.
const TRANSIT_PREFIXES: &[&str] = &[
    "ARC-",
    "List-",
    "Resent-",
    "X-Amavis-",
    "X-Rspamd-",
    "X-Spam-",
    "X-Virus-",
];

/// What readers show (RFC 9787 §1.1.2): these go into a Legacy Display Element when they are hidden.
pub(super) fn is_user_facing(name: &str) -> bool {
    is_one_of(
        name,
        &[
            "Cc",
            "Comments",
            "Date",
            "Followup-To",
            "From",
            "Keywords",
            "Mail-Followup-To",
            "Reply-To",
            "Sender",
            "Subject",
            "To",
        ],
    )
}

/// What RFC 9788 has a reader take from the inside by name (§3.2, §4.5, §4.6, §6.2), with Sender.
pub(super) fn is_restored(name: &str) -> bool {
    is_user_facing(name) || is_one_of(name, &["In-Reply-To", "Message-ID", "References"])
}

/// What is dropped where it stands outside alone: a reader would be shown it, or would answer to it
/// (RFC 9788 §4, §6.2). Date and Message-ID stay, since a message without them is refused elsewhere.
pub(super) fn is_dropped_outside(name: &str) -> bool {
    is_restored(name) && !is_one_of(name, &["Date", "From", "Message-ID"])
}

/// Fields of RFC 5322 §3.6.5, which are for people alone.
pub(super) fn is_informational(name: &str) -> bool {
    is_one_of(name, &["Comments", "Keywords", "Subject"])
}

pub(super) fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A field value for comparison: without white space at its ends, and each run of it one space.
pub(super) fn squeezed(value: &[u8]) -> Vec<u8> {
    let words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mail_systems_add_is_not_the_authors() {
        for name in [
            "authentication-RESULTS",
            "Received",
            "bcc",
            "Return-Path",
            "Resent-From",
            "ARC-Seal",
            "List-Post",
            "hp-outer",
            "X-Spam-Flag",
        ] {
            assert_eq!(Role::of(name), Role::Transit, "{name}");
        }
        for name in ["Content-Type", "content-x", "Mime-Version"] {
            assert_eq!(Role::of(name), Role::Structural, "{name}");
        }
        for name in [
            "From",
            "Subject",
            "X-Case",
            "Content",
            "Listen",
            "References",
        ] {
            assert_eq!(Role::of(name), Role::Author, "{name}");
        }
    }

    #[test]
    fn folding_does_not_count() {
        assert_eq!(squeezed(b" a\r\n\t b  c "), b"a b c");
        assert_eq!(squeezed(b" \r\n "), b"");
    }
}
