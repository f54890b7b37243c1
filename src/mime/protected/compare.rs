//! The protected fields against the outer ones and the envelope: what was changed on the way, so that a
//! captured message cannot be replayed to, or in the name of, somebody else (DESIGN decision 6).
//!
//! Values are compared as readers take them: addresses as mailboxes, dates as instants, encoded words
//! decoded. What the author hid is no difference; From never is excused (RFC 9788 §4.4.1.1).

use std::collections::BTreeSet;
use std::fmt;

use super::date;
use super::fields::is_informational;
use super::fields::squeezed;
use super::read::Protected;
use super::read::Scheme;
use crate::address::Address;
use crate::address::AddressList;
use crate::address::Mailbox;
use crate::address::words;
use crate::mime::Field;
use crate::mime::Header;

/// Who sent a message to whom, as SMTP says.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// MAIL FROM; `None` when it is null.
    pub sender: Option<&'a Mailbox>,
    /// RCPT TO.
    pub recipients: &'a [Mailbox],
}

/// A field that is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Compared {
    /// Cc.
    Cc,
    /// Date.
    Date,
    /// From.
    From,
    /// Message-ID.
    MessageId,
    /// Another, which an RFC 7508 attribute names; in lower case.
    Other(String),
    /// Reply-To.
    ReplyTo,
    /// Subject. Mailing lists put tags into it.
    Subject,
    /// To.
    To,
}

/// What was done to a field outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It is there, and was not when the message was protected.
    Added,
    /// It has another value.
    Altered,
    /// It is not there, and its author did not hide it.
    Removed,
    /// The protected one stands there several times, so that nobody knows which is meant.
    Repeated,
}

/// One way in which a message is not the one that was protected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A recipient of the envelope is in neither protected To nor protected Cc. So it is with Bcc, and
    /// with lists.
    EnvelopeRecipient(Mailbox),
    /// MAIL FROM is no address of the protected From. So it is with lists and with forwarding.
    EnvelopeSender(Mailbox),
    /// A field differs.
    Field {
        /// Which.
        field: Compared,
        /// How.
        change: Change,
    },
}

impl Compared {
    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Cc => "Cc",
            Self::Date => "Date",
            Self::From => "From",
            Self::MessageId => "Message-ID",
            Self::Other(name) => name,
            Self::ReplyTo => "Reply-To",
            Self::Subject => "Subject",
            Self::To => "To",
        }
    }

    const ALL: [Self; 7] = [
        Self::From,
        Self::To,
        Self::Cc,
        Self::Date,
        Self::Subject,
        Self::MessageId,
        Self::ReplyTo,
    ];
}

impl fmt::Display for Difference {
    /// Never the value of a field: it may be plaintext of an encrypted message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnvelopeRecipient(mailbox) => {
                write!(
                    f,
                    "recipient {mailbox} is not among the protected To and Cc"
                )
            }
            Self::EnvelopeSender(mailbox) => {
                write!(f, "envelope sender {mailbox} is not the protected From")
            }
            Self::Field { field, change } => {
                let change = match change {
                    Change::Added => "was added outside the protection",
                    Change::Altered => "differs from the protected one",
                    Change::Removed => "was removed, and is protected",
                    Change::Repeated => "is protected several times",
                };
                write!(f, "{} {change}", field.name())
            }
        }
    }
}

/// How the message that arrived with the header `outer`, by `envelope` where that is known, differs
/// from what was protected: in order of the fields, then sender and recipients of the envelope.
///
/// Empty for [`Scheme::None`]. Where [`Protected::is_doubtful`], a difference proves nothing.
#[must_use]
pub fn compare(
    protected: &Protected,
    outer: &Header,
    envelope: Option<&Envelope<'_>>,
) -> Vec<Difference> {
    if protected.scheme() == Scheme::None {
        return Vec::new();
    }
    let mut differences: Vec<Difference> = compared(protected)
        .into_iter()
        .filter_map(|field| {
            let change = change(protected, outer, &field)?;
            Some(Difference::Field { field, change })
        })
        .collect();
    if let Some(envelope) = envelope {
        differences.extend(sender(protected, envelope));
        differences.extend(recipients(protected, envelope));
    }
    differences
}

/// Whether both headers have a From of the same addresses (RFC 9788 §4.4.5).
pub(super) fn same_from(one: &Header, two: &Header) -> bool {
    let (one, two): (Vec<_>, Vec<_>) = (one.all("From").collect(), two.all("From").collect());
    one.len() == two.len() && same(&Compared::From, &one, &two)
}

/// RFC 7508 §4.5.2 compares every field that the attribute names; RFC 9788 protects all, and those of
/// decision 6 are compared.
fn compared(protected: &Protected) -> Vec<Compared> {
    let mut fields = Compared::ALL.to_vec();
    if protected.scheme() == Scheme::Rfc7508 {
        let known = |name: &str| {
            let mut all = Compared::ALL.iter();
            all.any(|field| field.name().eq_ignore_ascii_case(name))
        };
        let names = protected
            .fields()
            .fields()
            .map(|field| field.name().to_ascii_lowercase());
        let others: BTreeSet<String> = names.filter(|name| !known(name)).collect();
        fields.extend(others.into_iter().map(Compared::Other));
    }
    fields
}

fn change(protected: &Protected, outer: &Header, field: &Compared) -> Option<Change> {
    let inside: Vec<Field<'_>> = protected.fields().all(field.name()).collect();
    let outside: Vec<Field<'_>> = outer.all(field.name()).collect();
    let repeats = !matches!(field, Compared::Other(_));
    match (inside.as_slice(), outside.as_slice()) {
        ([], []) => None,
        ([], _) => protected.is_complete().then_some(Change::Added),
        (_, []) => (!hidden_by_removal(protected, field)).then_some(Change::Removed),
        ([_, _, ..], _) if repeats => Some(Change::Repeated),
        (inside, outside) => {
            let count = !repeats || inside.len() == outside.len();
            let equal = count && same(field, inside, outside);
            let excused = || *field != Compared::From && excused(protected, inside, outside);
            (!equal && !excused()).then_some(Change::Altered)
        }
    }
}

/// Whether the author says that no field of that name was left outside.
fn hidden_by_removal(protected: &Protected, field: &Compared) -> bool {
    match protected.shows_any(field.name()) {
        Some(shows) => !shows,
        None => hidden_by_custom(protected, field.name()),
    }
}

/// Whether the author hid one of `inside`, and left the values outside that are there now.
fn excused(protected: &Protected, inside: &[Field<'_>], outside: &[Field<'_>]) -> bool {
    // It says that a field is modified, not to what (RFC 7508 §4.4).
    if protected.scheme() == Scheme::Rfc7508 {
        return inside
            .iter()
            .all(|field| protected.is_hidden(field) == Some(true));
    }
    let said = |field: &Field<'_>| protected.is_shown(field) == Some(true);
    inside
        .first()
        .is_some_and(|field| match protected.is_hidden(field) {
            Some(hidden) => hidden && outside.iter().all(said),
            None => hidden_by_custom(protected, field.name()),
        })
}

/// Older schemes do not say what they hid. Fields for people are what they hid when they encrypted
/// (RFC 9788 §4.10.2 would excuse whatever differs, and so every forged To).
fn hidden_by_custom(protected: &Protected, name: &str) -> bool {
    let silent = matches!(protected.scheme(), Scheme::Legacy | Scheme::MessageRfc822);
    silent && protected.is_encrypted() && is_informational(name)
}

fn same(field: &Compared, one: &[Field<'_>], two: &[Field<'_>]) -> bool {
    // Equal octets are read alike, whatever they mean; so it is with nearly every field.
    let mut pairs = one.iter().zip(two);
    if one.len() == two.len() && pairs.all(|(one, two)| one.value() == two.value()) {
        return true;
    }
    match field {
        Compared::Cc | Compared::From | Compared::ReplyTo | Compared::To => {
            match (mailboxes(one), mailboxes(two)) {
                (Some(one), Some(two)) => one == two,
                _ => texts(one) == texts(two),
            }
        }
        Compared::Date => match (instant(one), instant(two)) {
            (Some(one), Some(two)) => one == two,
            _ => texts(one) == texts(two),
        },
        // Departs from RFC 7508 §4.5.2: what is canonicalised as "simple" is compared as "relaxed",
        // since folding changes on the way and no reader sees it.
        Compared::MessageId | Compared::Other(_) | Compared::Subject => texts(one) == texts(two),
    }
}

/// What is shown of each field.
fn texts(fields: &[Field<'_>]) -> Vec<Vec<u8>> {
    let shown = |field: &Field<'_>| squeezed(words::decode(&field.text()).as_bytes());
    fields.iter().map(shown).collect()
}

fn instant(fields: &[Field<'_>]) -> Option<i64> {
    match fields {
        [field] => date::parse(&field.text()),
        _ => None,
    }
}

/// Every mailbox of some fields, in a form in which equal ones are equal octets; `None` when one of
/// the fields cannot be read in one way only.
fn mailboxes(fields: &[Field<'_>]) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for field in fields {
        all.extend(
            addresses(field)?
                .iter()
                .map(|address| key(&address.mailbox)),
        );
    }
    Some(all)
}

/// The addresses of a field; none where it is empty.
fn addresses(field: &Field<'_>) -> Option<Vec<Address>> {
    if field.value().is_empty() {
        return Some(Vec::new());
    }
    AddressList::parse(field.body()).ok()
}

/// As [`Mailbox::same_ignoring_case`] compares (RFC 9788 §4.4.5): ASCII letters in either case.
fn key(mailbox: &Mailbox) -> String {
    let local = mailbox.local();
    if local.is_ascii() {
        format!("{}@{}", local.to_ascii_lowercase(), mailbox.domain())
    } else {
        format!("{local}@{}", mailbox.domain())
    }
}

fn sender(protected: &Protected, envelope: &Envelope<'_>) -> Option<Difference> {
    let sender = envelope.sender?;
    let from: Vec<Field<'_>> = protected.fields().all("From").collect();
    if from.is_empty() && !protected.is_complete() {
        return None;
    }
    let known = mailboxes(&from).is_some_and(|from| from.contains(&key(sender)));
    (!known).then(|| Difference::EnvelopeSender(sender.clone()))
}

fn recipients(protected: &Protected, envelope: &Envelope<'_>) -> Vec<Difference> {
    let mut fields = protected.fields().all("To").collect::<Vec<_>>();
    fields.extend(protected.fields().all("Cc"));
    // Schemes that protect some fields alone say nothing by their silence.
    if fields.is_empty() && matches!(protected.scheme(), Scheme::Legacy | Scheme::Rfc7508) {
        return Vec::new();
    }
    let named = mailboxes(&fields).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let strangers = envelope.recipients.iter().filter(|recipient| {
        let key = key(recipient);
        !named.contains(&key) && seen.insert(key)
    });
    strangers
        .cloned()
        .map(Difference::EnvelopeRecipient)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::mime::Entity;
    use crate::mime::protected::Candidate;
    use crate::mime::protected::SecureField;
    use crate::octets::View;

    const INNER: &str = "Content-Type: text/plain; hp=cipher\r\n\
        From: A <a@a.example>\r\nTo: b@b.example, C <c@c.example>\r\n\
        Date: Sat, 20 Feb 2021 12:28:02 -0500\r\nSubject: secret\r\nMessage-ID: <x@a.example>\r\n\
        HP-Outer: From: A <a@a.example>\r\nHP-Outer: To: b@b.example, C <c@c.example>\r\n\
        HP-Outer: Date: Sat, 20 Feb 2021 12:28:02 -0500\r\nHP-Outer: Subject: [...]\r\n\
        HP-Outer: Message-ID: <x@a.example>\r\n\r\n";

    const OUTER: &str = "From: \"A. A.\" <A@a.EXAMPLE>\r\nTo: <c@C.example>,\r\n\tB <b@b.example>\r\n\
        Date: 20 Feb 2021 17:28:02 GMT\r\nSubject: [...]\r\nMessage-ID:\r\n <x@a.example>\r\n\r\n";

    fn protected(text: &str, encrypted: bool) -> Protected {
        let view = View::owned(text.as_bytes().to_vec());
        let entity = Entity::parse(&view, &Limits::default()).unwrap();
        let candidate = Candidate {
            header: &entity.header,
            raw: &entity.raw,
            encrypted,
        };
        Protected::read(&[candidate], &Limits::default()).unwrap()
    }

    fn header(text: &str) -> Header {
        let view = View::owned(text.as_bytes().to_vec());
        Header::parse(&view, &Limits::default()).unwrap().0
    }

    fn differences(inner: &str, outer: &str) -> Vec<String> {
        compare(&protected(inner, true), &header(outer), None)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_means_the_same_is_no_difference() {
        assert_eq!(differences(INNER, OUTER), [""; 0]);
    }

    #[test]
    fn each_field_that_is_changed_is_told() {
        for (from, to, told) in [
            (
                "A@a.EXAMPLE",
                "m@m.example",
                "From differs from the protected one",
            ),
            (
                "B <b@b.example>",
                "m@m.example",
                "To differs from the protected one",
            ),
            (
                "17:28:02",
                "17:28:03",
                "Date differs from the protected one",
            ),
            (
                "[...]",
                "[list] other",
                "Subject differs from the protected one",
            ),
            (
                "Subject: [...]\r\n",
                "",
                "Subject was removed, and is protected",
            ),
            ("<x@a", "<y@a", "Message-ID differs from the protected one"),
            (
                "Message-ID",
                "Cc: m@m.example\r\nMessage-ID",
                "Cc was added outside the protection",
            ),
            (
                "Message-ID",
                "Reply-To: m@m.example\r\nMessage-ID",
                "Reply-To was added outside the protection",
            ),
            (
                "To:",
                "From: a@a.example\r\nTo:",
                "From differs from the protected one",
            ),
        ] {
            assert_eq!(differences(INNER, &OUTER.replacen(from, to, 1)), [told]);
        }
        let two = INNER.replacen("To:", "From: m@m.example\r\nTo:", 1);
        assert_eq!(
            differences(&two, OUTER),
            ["From is protected several times"]
        );
    }

    #[test]
    fn a_from_that_hp_outer_excuses_is_told_all_the_same() {
        let inner = INNER.replace(
            "HP-Outer: From: A <a@a.example>",
            "HP-Outer: From: m@m.example",
        );
        let outer = OUTER.replace("A@a.EXAMPLE", "m@m.example");
        assert_eq!(
            differences(&inner, &outer),
            ["From differs from the protected one"]
        );
    }

    #[test]
    fn a_field_that_its_author_removed_is_no_difference() {
        let inner = INNER.replace("HP-Outer: Subject: [...]\r\n", "");
        assert_eq!(
            differences(&inner, &OUTER.replace("Subject: [...]\r\n", "")),
            [""; 0]
        );
        // And none that somebody put in its place.
        assert_eq!(
            differences(&inner, OUTER),
            ["Subject differs from the protected one"]
        );
    }

    #[test]
    fn encoded_words_are_compared_as_they_are_shown() {
        let inner = "Content-Type: text/plain; hp=clear\r\nSubject: =?utf-8?Q?gr=C3=BCn_und?=\r\n =?utf-8?B?IGJsYXU=?=\r\n\r\n";
        assert_eq!(
            differences(inner, "Subject: gr\u{fc}n und blau\r\n\r\n"),
            [""; 0]
        );
        assert_eq!(
            differences(inner, "Subject: gr\u{fc}n und rot\r\n\r\n").len(),
            1
        );
    }

    #[test]
    fn the_envelope_is_compared_with_what_was_protected_and_not_with_what_is_outside() {
        let protected = protected(INNER, true);
        let mailbox = |text: &str| Mailbox::parse(text).unwrap();
        let (sender, good, bad) = (
            mailbox("A@a.example"),
            mailbox("b@b.example"),
            mailbox("v@v.example"),
        );
        let outer = header(&OUTER.replace("b@b.example", "v@v.example"));
        let recipients = [good.clone(), bad.clone(), bad.clone()];
        let envelope = Envelope {
            sender: Some(&bad),
            recipients: &recipients,
        };
        let told = compare(&protected, &outer, Some(&envelope));
        assert!(told.contains(&Difference::EnvelopeSender(bad.clone())));
        assert_eq!(
            told.iter()
                .filter(|d| matches!(d, Difference::EnvelopeRecipient(_)))
                .count(),
            1
        );
        let envelope = Envelope {
            sender: Some(&sender),
            recipients: &recipients[..1],
        };
        assert_eq!(compare(&protected, &header(OUTER), Some(&envelope)), []);
        let null = Envelope {
            sender: None,
            recipients: &[],
        };
        assert_eq!(compare(&protected, &header(OUTER), Some(&null)), []);
    }

    #[test]
    fn older_schemes_excuse_what_they_used_to_hide_and_no_more() {
        let inner = "Content-Type: text/plain; protected-headers=v1\r\nSubject: secret\r\nTo: b@b.example\r\n\r\n";
        let outer = "Subject: ...\r\nTo: b@b.example\r\nCc: c@c.example\r\n\r\n";
        assert_eq!(differences(inner, outer), [""; 0]);
        let signed = protected(inner, false);
        assert_eq!(compare(&signed, &header(outer), None).len(), 1);
        assert_eq!(
            differences(inner, &outer.replace("b@b", "m@m")),
            ["To differs from the protected one"]
        );
    }

    #[test]
    fn a_secured_field_is_compared_whatever_its_name() {
        let field = |name, value, hidden| SecureField {
            name,
            value,
            hidden,
        };
        let fields = [
            field("x-ximf-primary-precedence", "priority", false),
            field("subject", "This is a test of Ext.", true),
        ];
        let protected = Protected::secured(fields, &Limits::default()).unwrap();
        let told = |outer: &str| compare(&protected, &header(outer), None).len();
        assert_eq!(
            told("X-XIMF-Primary-Precedence:  priority\r\nSubject: x\r\n\r\n"),
            0
        );
        assert_eq!(told("X-XIMF-Primary-Precedence: routine\r\n\r\n"), 1);
        assert_eq!(told("Subject: x\r\n\r\n"), 1);
    }
}
