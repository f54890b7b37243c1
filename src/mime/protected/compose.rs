//! Writes the fields of a message onto the root of what is signed or encrypted (RFC 9788 §5.2.1).
//!
//! The root may be a payload that is ours to write, or the MIME header of a layer that we wrap: its
//! body is not touched, and no signature inside covers that header (DESIGN decision 6).

use super::content_type;
use super::fields::Role;
use super::fields::is_user_facing;
use super::policy::ConfidentialityPolicy;
use super::policy::Outside;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::MimeError;
use crate::mime::safe;
use crate::mime::unstructured;

/// Octets of a line without its end (RFC 5322 §2.1.1).
const LINE: usize = 998;

/// Octets that a legacy display may add: its parameter, a charset and a transfer encoding.
const DISPLAY_PARAMETERS: usize = 128;

/// What is done to the payload.
#[derive(Clone, Copy, Debug)]
pub enum Protection<'a> {
    /// It is encrypted, and signed too or not: `hp="cipher"`.
    Encrypted(&'a ConfidentialityPolicy),
    /// It is signed alone: `hp="clear"`.
    Signed,
}

/// The two headers of a message whose fields are protected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Composed {
    /// The header of the payload's root, with its empty line; its body follows as it is.
    pub inner: Vec<u8>,
    /// The fields outside, in their order, without those that describe the body: the layer that is
    /// put around the payload brings these.
    pub outer: Vec<u8>,
    /// The fields that are shown to people and stand outside no more as they are, each as name, colon
    /// and value: for [`super::legacy_display`].
    pub hidden: Vec<Vec<u8>>,
    /// Names of fields whose octets had to be made safe first; their values may have changed.
    pub repaired: Vec<String>,
}

/// Why no protected header can be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The header with its copies would be one that no reader with our bounds takes.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Without a media type there is no place for the mark that the fields are protected.
    #[error("media type of the entity that is to carry the protected fields is unreadable")]
    MediaType(#[source] MimeError),
}

/// The fields of `message` on the root `entity`, and what stays outside.
///
/// `entity` is the header of what will be signed or encrypted: the message's own, or that of a layer
/// below; of it the fields that describe its body are taken, and no others. Fields keep their octets
/// where these can be handed on. Fails where the media type of `entity` cannot be read, and where
/// the result passes `limits`.
pub fn compose(
    message: &Header,
    entity: &Header,
    protection: Protection<'_>,
    limits: &Limits,
) -> Result<Composed, ComposeError> {
    let mut composed = Composed {
        inner: Vec::new(),
        outer: Vec::new(),
        hidden: Vec::new(),
        repaired: Vec::new(),
    };
    let mut said = Vec::new();
    // RFC 9788 §2.2: HP-Outer stands on a payload alone, and outside it would tell what is hidden.
    for field in message.fields().filter(|field| !field.is("HP-Outer")) {
        match Role::of(field.name()) {
            Role::Structural => {}
            Role::Transit => composed.outer.extend_from_slice(&safe::field(field.raw())),
            Role::Author => said.extend(composed.protect(&field, protection)),
        }
    }
    let hp = match protection {
        Protection::Encrypted(_) => "cipher",
        Protection::Signed => "clear",
    };
    structural(entity, hp, &mut composed.inner).map_err(ComposeError::MediaType)?;
    composed.inner.extend_from_slice(&said);
    composed.inner.extend_from_slice(b"\r\n");
    composed.check(limits)?;
    Ok(composed)
}

impl Composed {
    /// Puts one field in, and what the policy makes of it outside; its HP-Outer field, if it has one.
    fn protect(&mut self, field: &Field<'_>, protection: Protection<'_>) -> Vec<u8> {
        let safe = safe::field(field.raw());
        if squeezed_differs(&safe, field.raw()) {
            self.repaired.push(field.name().to_owned());
        }
        self.inner.extend_from_slice(&safe);
        let outside = match protection {
            Protection::Encrypted(policy) => policy.outside(field),
            Protection::Signed => {
                self.outer.extend_from_slice(&safe);
                return Vec::new();
            }
        };
        if outside != Outside::Kept && is_user_facing(field.name()) {
            let (_, value) = split(&safe);
            self.hidden
                .push([field.name().as_bytes(), b": ", value].concat());
        }
        let shown = match outside {
            Outside::Kept => safe.into_owned(),
            Outside::Removed => return Vec::new(),
            Outside::Replaced(value) => unstructured::folded(field.name(), &value).into_bytes(),
        };
        self.outer.extend_from_slice(&shown);
        hp_outer(&shown)
    }

    fn check(&self, limits: &Limits) -> Result<(), LimitError> {
        let is_start = |line: &&[u8]| !line.starts_with(b" ") && !line.starts_with(b"\t");
        let fields = self.inner.split_inclusive(|octet| *octet == b'\n');
        // The empty line is counted with them, and allowed for.
        let count = fields.filter(is_start).count().saturating_sub(1);
        LimitError::check("number of header fields", count, limits.header_fields)?;
        let octets = self.inner.len().saturating_add(DISPLAY_PARAMETERS);
        LimitError::check("octets of a header", octets, limits.header_octets)
    }
}

/// Whether more than line ends and folding was changed.
fn squeezed_differs(safe: &[u8], raw: &[u8]) -> bool {
    safe != raw && super::fields::squeezed(safe) != super::fields::squeezed(raw)
}

/// The fields of `entity` that describe its body, with the hp parameter (RFC 9788 §2.1.1).
fn structural(entity: &Header, hp: &str, inner: &mut Vec<u8>) -> Result<(), MimeError> {
    // Several Content-Type fields, or an unreadable one, are refused here.
    let typed = entity.media_type()?.is_some();
    for field in entity.fields() {
        if field.is("Content-Type") {
            inner.extend_from_slice(&content_type::with_parameter(&field, "hp", hp)?);
        } else if Role::of(field.name()) == Role::Structural {
            inner.extend_from_slice(&safe::field(field.raw()));
        }
    }
    if !typed {
        // RFC 2045 §5.2: what it is without saying so.
        inner.extend_from_slice(&content_type::field("text/plain", "hp", hp));
    }
    if entity.first("MIME-Version").is_none() {
        // RFC 2045 §4: where there is none, some readers do not look at the Content-* fields.
        inner.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    Ok(())
}

/// The HP-Outer field of `field`, which stands outside (RFC 9788 §2.2.1).
///
/// Octets that are not ASCII stay as they are: they stand so outside too (RFC 6532 §3.2).
fn hp_outer(field: &[u8]) -> Vec<u8> {
    let (name, value) = split(field);
    let first = value.split(|octet| *octet == b'\n').next().unwrap_or(value);
    // The line is longer by what is put before it; folding after the colon makes room for most.
    let start: &[u8] = if b"HP-Outer: ".len() + name.len() + 2 + first.len() > LINE {
        b"HP-Outer:\r\n "
    } else {
        b"HP-Outer: "
    };
    let written = [start, name, b": ", value].concat();
    safe::field(&written).into_owned()
}

/// Name and value of a field: its octets after the colon, without white space at the start.
fn split(field: &[u8]) -> (&[u8], &[u8]) {
    let colon = field.iter().position(|octet| *octet == b':').unwrap_or(0);
    let (name, rest) = field.split_at_checked(colon).unwrap_or_default();
    let value = rest.get(1..).unwrap_or_default();
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let start = value.iter().position(|octet| !blank(octet)).unwrap_or(0);
    (
        name.trim_ascii_end(),
        value.get(start..).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::View;

    fn header(text: &str) -> Header {
        let view = View::owned(text.as_bytes().to_vec());
        Header::parse(&view, &Limits::default()).unwrap().0
    }

    fn composed(text: &str, protection: Protection<'_>) -> (String, String) {
        let header = header(text);
        let composed = compose(&header, &header, protection, &Limits::default()).unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (text(composed.inner), text(composed.outer))
    }

    /// RFC 9788 appendix D.1.1.
    const JONES: &str = "Date: Wed, 11 Jan 2023 16:08:43 -0500\r\n\
        From: Bob <bob@example.net>\r\n\
        To: Alice <alice@example.net>\r\n\
        Subject: Handling the Jones contract\r\n\
        Message-ID: <20230111T210843Z.1234@lhp.example>\r\n\
        Content-Type: text/plain; charset=\"us-ascii\"\r\n\
        MIME-Version: 1.0\r\n\r\n";

    #[test]
    fn an_encrypted_message_says_inside_what_it_shows_outside() {
        let policy = ConfidentialityPolicy::default();
        let (inner, outer) = composed(JONES, Protection::Encrypted(&policy));
        // RFC 9788 appendix D.1.2.1 without the legacy display.
        assert_eq!(
            inner,
            "Date: Wed, 11 Jan 2023 16:08:43 -0500\r\n\
             From: Bob <bob@example.net>\r\n\
             To: Alice <alice@example.net>\r\n\
             Subject: Handling the Jones contract\r\n\
             Message-ID: <20230111T210843Z.1234@lhp.example>\r\n\
             Content-Type: text/plain; charset=\"us-ascii\";\r\n hp=\"cipher\"\r\n\
             MIME-Version: 1.0\r\n\
             HP-Outer: Date: Wed, 11 Jan 2023 16:08:43 -0500\r\n\
             HP-Outer: From: Bob <bob@example.net>\r\n\
             HP-Outer: To: Alice <alice@example.net>\r\n\
             HP-Outer: Subject: [...]\r\n\
             HP-Outer: Message-ID: <20230111T210843Z.1234@lhp.example>\r\n\r\n"
        );
        assert_eq!(
            outer,
            "Date: Wed, 11 Jan 2023 16:08:43 -0500\r\n\
             From: Bob <bob@example.net>\r\n\
             To: Alice <alice@example.net>\r\n\
             Subject: [...]\r\n\
             Message-ID: <20230111T210843Z.1234@lhp.example>\r\n"
        );
    }

    #[test]
    fn a_signed_message_hides_nothing() {
        let (inner, outer) = composed(JONES, Protection::Signed);
        assert!(inner.contains(";\r\n hp=\"clear\"\r\n") && !inner.contains("HP-Outer"));
        assert!(outer.contains("Subject: Handling the Jones contract\r\n"));
    }

    #[test]
    fn what_mail_systems_add_does_not_go_in() {
        let text = format!(
            "HP-Outer: Subject: x\r\nReceived: x\r\nBcc: c@c.example\r\n\
             Authentication-Results: x; none\r\n{JONES}"
        );
        let (inner, outer) = composed(&text, Protection::Signed);
        for name in ["Received", "Bcc", "Authentication-Results"] {
            assert!(!inner.contains(name) && outer.contains(name), "{name}");
        }
        assert!(!inner.contains("HP-Outer") && !outer.contains("HP-Outer"));
    }

    #[test]
    fn a_wrapped_layer_keeps_the_fields_of_its_body_and_gets_those_of_the_message() {
        let layer = header(
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tboundary=b\r\n\
             Subject: from an earlier gateway\r\n\r\n",
        );
        let message = header(JONES);
        let composed = compose(&message, &layer, Protection::Signed, &Limits::default()).unwrap();
        let inner = String::from_utf8(composed.inner).unwrap();
        assert!(
            inner.contains("\r\n\tboundary=b;\r\n hp=\"clear\"\r\n"),
            "{inner}"
        );
        assert!(!inner.contains("earlier") && !inner.contains("us-ascii"));
        assert_eq!(inner.matches("Subject: Handling").count(), 1);
    }

    #[test]
    fn octets_of_a_field_stay_exact() {
        let odd = "subject :\t=?utf-8?Q?a?=\r\n\t  \u{e4}\r\nMessage-ID:\r\n <x@y.example>\r\n";
        let policy = ConfidentialityPolicy::no_confidentiality();
        let (inner, outer) = composed(&format!("{odd}\r\n"), Protection::Encrypted(&policy));
        assert!(inner.starts_with(odd) && outer == odd);
        assert!(
            inner.contains("HP-Outer: subject: =?utf-8?Q?a?=\r\n\t  \u{e4}\r\n"),
            "{inner}"
        );
        assert!(
            inner.contains("HP-Outer: Message-ID: \r\n <x@y.example>\r\n"),
            "{inner}"
        );
        assert!(inner.contains("Content-Type: text/plain; hp=\"cipher\"\r\nMIME-Version: 1.0\r\n"));
    }

    #[test]
    fn long_lines_have_room_for_their_copy() {
        for length in [900, 985, 998, 999, 5000] {
            let text = format!("X: {}\r\n\r\n", "y".repeat(length - 3));
            let policy = ConfidentialityPolicy::default();
            let (inner, outer) = composed(&text, Protection::Encrypted(&policy));
            for line in inner.lines().chain(outer.lines()) {
                assert!(line.len() <= LINE, "{length}: {}", line.len());
            }
        }
    }

    #[test]
    fn a_header_that_grows_past_the_bounds_is_refused() {
        let text = format!("{}{JONES}", "X: y\r\n".repeat(1500));
        let header = header(&text);
        let policy = ConfidentialityPolicy::default();
        let error = compose(
            &header,
            &header,
            Protection::Encrypted(&policy),
            &Limits::default(),
        );
        assert!(matches!(error, Err(ComposeError::Limit(_))));
        let two = self::header("Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n");
        let error = compose(&two, &two, Protection::Signed, &Limits::default());
        assert!(matches!(error, Err(ComposeError::MediaType(_))));
    }
}
