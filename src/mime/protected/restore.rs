//! The header that a reader gets: protected fields in the place of the outer ones (RFC 9788 §4).

use std::collections::BTreeSet;

use super::compare::same_from;
use super::content_type;
use super::fields::Role;
use super::fields::is_dropped_outside;
use super::fields::is_informational;
use super::fields::is_restored;
use super::policy::ConfidentialityPolicy;
use super::policy::Outside;
use super::read::Protected;
use super::read::Scheme;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::MimeError;
use crate::mime::safe;
use crate::mime::unstructured;

/// What may come out of the inside.
#[derive(Clone, Copy, Debug)]
pub struct Restoration {
    /// Whether fields that their author hid come out too. Only where MAIL FROM equals the protected
    /// From, since a bounce would carry them to whoever sent the message again (DESIGN decision 5).
    pub hidden: bool,
    /// Whether a signature that verified is bound to the protected From. Else an outer From that differs
    /// stays: it is what mail systems checked (RFC 9788 §4.4.3).
    pub bound: bool,
}

/// The fields of `outer` with those of `protected` in their place; without those that describe the
/// body, which come with it, and without an empty line.
///
/// Protected fields stand where the first of their name stood, else at the end. Of those outside
/// alone, what a reader would be shown or would answer to is dropped (RFC 9788 §4, §6.2) where the
/// scheme protects all of them; the others stay. Octets of each field stay where they can be handed on.
#[must_use]
pub fn restore(outer: &Header, protected: &Protected, restoration: Restoration) -> Vec<u8> {
    let named = |field: &Field<'_>| field.name().to_ascii_lowercase();
    let restored: Vec<Field<'_>> = protected
        .fields()
        .fields()
        .filter(|field| comes_out(field, outer, protected, restoration))
        .collect();
    let mut missing: BTreeSet<String> = restored.iter().map(named).collect();
    let names = missing.clone();
    let mut result = Vec::new();
    for field in outer.fields() {
        let name = named(&field);
        if missing.remove(&name) {
            for one in restored.iter().filter(|one| one.is(&name)) {
                result.extend_from_slice(&safe::field(one.raw()));
            }
        }
        let stays =
            !names.contains(&name) && !was_added(&field, protected) && !field.is("HP-Outer");
        if stays && Role::of(field.name()) != Role::Structural {
            result.extend_from_slice(&safe::field(field.raw()));
        }
    }
    for field in restored
        .iter()
        .filter(|field| missing.contains(&named(field)))
    {
        result.extend_from_slice(&safe::field(field.raw()));
    }
    result
}

/// Only what RFC 9788 names comes out (DESIGN decision 6), hidden or not: of other fields the inside of an
/// encryption is a way round the filters of a boundary.
fn comes_out(
    field: &Field<'_>,
    outer: &Header,
    protected: &Protected,
    restoration: Restoration,
) -> bool {
    if field.is("From") && !restoration.bound && outer.first("From").is_some() {
        return same_from(protected.fields(), outer);
    }
    if is_hidden(field, outer, protected) {
        return restoration.hidden && is_restored(field.name());
    }
    is_restored(field.name())
}

/// Older schemes do not say what was hidden: what stands outside otherwise was (RFC 9788 §4.10.2).
fn is_hidden(field: &Field<'_>, outer: &Header, protected: &Protected) -> bool {
    match (protected.is_hidden(field), protected.scheme()) {
        (Some(hidden), _) => hidden,
        (None, Scheme::Legacy | Scheme::MessageRfc822) => {
            let same = |other: Field<'_>| other.value() == field.value();
            protected.is_encrypted()
                && is_informational(field.name())
                && !outer.all(field.name()).any(same)
        }
        (None, _) => false,
    }
}

/// Whether `field` stands outside alone and would mislead.
fn was_added(field: &Field<'_>, protected: &Protected) -> bool {
    protected.is_complete()
        && is_dropped_outside(field.name())
        && protected.fields().first(field.name()).is_none()
}

/// The fields of `header` that describe its body, without the mark of RFC 9788 §2.1.1, each with CRLF:
/// for a payload that stands in no cryptographic layer any more. Fails where its media type cannot be
/// read.
pub fn unmarked(header: &Header) -> Result<Vec<u8>, MimeError> {
    let mut fields = Vec::new();
    for field in header.fields().filter(Field::is_content) {
        if field.is("Content-Type") && header.media_type().is_ok() {
            fields.extend(content_type::without_parameter(&field, "hp")?);
        } else {
            fields.extend_from_slice(&safe::field(field.raw()));
        }
    }
    Ok(fields)
}

/// `header` with its fields hidden as `policy` says, all others as they are, and its empty line.
///
/// For the header of a restored message that comes back in a bounce (DESIGN decision 5): what was
/// restored is hidden again before the bounce leaves.
#[must_use]
pub fn hide(header: &Header, policy: &ConfidentialityPolicy) -> Vec<u8> {
    let mut result = Vec::new();
    for field in header.fields() {
        match policy.outside(&field) {
            Outside::Kept => result.extend_from_slice(field.raw()),
            Outside::Removed => {}
            Outside::Replaced(value) => {
                result.extend_from_slice(unstructured::folded(field.name(), &value).as_bytes());
            }
        }
    }
    result.extend_from_slice(header.empty_line());
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::mime::Entity;
    use crate::mime::protected::Candidate;
    use crate::octets::View;

    const INNER: &str = "Content-Type: text/plain; hp=cipher\r\nFrom: A <a@a.example>\r\n\
        To: b@b.example\r\nSubject: secret\r\nKeywords: k\r\nX-Case: 7\r\nX-Flag: in\r\n\
        Received: forged\r\nHP-Outer: From: A <a@a.example>\r\nHP-Outer: To: b@b.example\r\n\
        HP-Outer: Subject: [...]\r\nHP-Outer: X-Flag: in\r\n\r\n";

    const OUTER: &str = "Received: by gw\r\nFrom: a@a.example\r\nSubject: [...]\r\nTo: b@b.example\r\n\
        X-Flag: out\r\nReply-To: m@m.example\r\nList-Id: l\r\nContent-Type: application/pkcs7-mime\r\n\r\n";

    const ALL: Restoration = Restoration {
        hidden: true,
        bound: true,
    };

    fn header(text: &str) -> Header {
        let view = View::owned(text.as_bytes().to_vec());
        Header::parse(&view, &Limits::default()).unwrap().0
    }

    fn restored(inner: &str, outer: &str, restoration: Restoration) -> String {
        let view = View::owned(inner.as_bytes().to_vec());
        let entity = Entity::parse(&view, &Limits::default()).unwrap();
        let candidate = Candidate {
            header: &entity.header,
            raw: &entity.raw,
            encrypted: true,
        };
        let protected = Protected::read(&[candidate], &Limits::default()).unwrap();
        String::from_utf8(restore(&header(outer), &protected, restoration)).unwrap()
    }

    #[test]
    fn protected_fields_stand_in_the_place_of_the_outer_ones() {
        assert_eq!(
            restored(INNER, OUTER, ALL),
            "Received: by gw\r\nFrom: A <a@a.example>\r\nSubject: secret\r\nTo: b@b.example\r\n\
             X-Flag: out\r\nList-Id: l\r\nKeywords: k\r\n"
        );
    }

    #[test]
    fn what_was_hidden_stays_hidden_unless_the_caller_says_so() {
        let hiding = Restoration {
            hidden: false,
            ..ALL
        };
        let text = restored(INNER, OUTER, hiding);
        assert!(text.contains("Subject: [...]\r\n"));
        for secret in ["secret", "Keywords", "X-Case"] {
            assert!(!text.contains(secret), "{secret}");
        }
        let legacy = "Content-Type: text/plain; protected-headers=v1\r\nSubject: secret\r\n\r\n";
        assert!(restored(legacy, OUTER, hiding).contains("Subject: [...]"));
        assert!(restored(legacy, OUTER, ALL).contains("Subject: secret"));
        assert!(restored(legacy, OUTER, ALL).contains("Reply-To"));
    }

    #[test]
    fn an_outer_from_that_differs_stays_without_a_bound_signature() {
        let spoofed = INNER.replace("From: A <a@a.example>\r\nTo", "From: boss@b.example\r\nTo");
        let unbound = Restoration {
            bound: false,
            ..ALL
        };
        assert!(restored(&spoofed, OUTER, unbound).contains("From: a@a.example\r\n"));
        assert!(restored(&spoofed, OUTER, ALL).contains("From: boss@b.example\r\n"));
        assert!(restored(INNER, OUTER, unbound).contains("From: A <a@a.example>\r\n"));
    }

    #[test]
    fn a_field_from_the_inside_cannot_make_another() {
        let inner = "Content-Type: text/plain; hp=clear\r\nSubject: a\rReceived: b\0\r\n\r\n";
        assert!(restored(inner, OUTER, ALL).contains("Subject: a Received: b \r\n"));
    }

    #[test]
    fn a_bounce_hides_again_what_was_restored() {
        let text =
            "From: a@a.example\r\nSubject: secret\r\nKeywords: k\r\nContent-Type: a/b\r\n\r\n";
        let hidden = hide(&header(text), &ConfidentialityPolicy::default());
        assert_eq!(
            String::from_utf8(hidden).unwrap(),
            "From: a@a.example\r\nSubject: [...]\r\nContent-Type: a/b\r\n\r\n"
        );
    }
}
