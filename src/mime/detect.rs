//! What a file is: a message, a MIME entity, or CMS as DER, BER, PEM or bare base64, told by content.
//!
//! Nothing is read but the start, until it is clear that base64 must be decoded.

use memchr::memmem;

use super::MimeError;
use super::base64;
use super::base64::Decoder;
use super::entity::Entity;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::Spool;
use crate::octets::View;

/// How far a PEM block may be from the start; text before it is allowed (RFC 7468 §2).
const PEM_START: u64 = 64 * 1024;

/// Characters of a PEM label; those in use have less than 40.
const LABEL: usize = 100;

/// Fields that make a header that of a message, and not of a MIME entity (RFC 5322 §3.6).
const MESSAGE_FIELDS: &[&str] = &[
    "From",
    "Sender",
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "Date",
    "Subject",
    "Message-ID",
    "Received",
    "Return-Path",
    "MIME-Version",
];

/// What a file is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InputKind {
    /// A DER or BER SEQUENCE that begins with an object identifier, as ContentInfo does. Decoded,
    /// where the file is base64 without armour.
    Cms(View),
    /// Any other DER or BER SEQUENCE: a certificate, a key.
    Der(View),
    /// A MIME entity: its header has Content-* fields alone, or nothing.
    Entity(Entity),
    /// An Internet message: its header has fields that no MIME entity has.
    Message(Entity),
    /// A PEM block (RFC 7468), the first one.
    Pem {
        /// Its label, as `CMS`, `PKCS7`, `CERTIFICATE`.
        label: String,
        /// What it encodes.
        der: View,
    },
    /// None of these.
    Unknown,
}

impl InputKind {
    /// What `view` is. Base64 is decoded into `spool`.
    ///
    /// Fails on a header or PEM block that goes beyond `limits`, and on PEM that is no base64.
    pub fn of(view: &View, spool: &dyn Spool, limits: &Limits) -> Result<Self, MimeError> {
        if let Some(kind) = sequence(view)? {
            return Ok(kind);
        }
        let entity = match Entity::parse(view, limits) {
            // A message whose header is too long is no text before a PEM block: whoever reads it
            // sees its fields, and not what is armoured in its body.
            Err(error @ (MimeError::Limit(_) | MimeError::Io(_))) => return Err(error),
            entity => entity,
        };
        if let Ok(entity) = &entity {
            if MESSAGE_FIELDS
                .iter()
                .any(|name| entity.header.first(name).is_some())
            {
                return Ok(Self::Message(entity.clone()));
            }
            if entity.header.fields().any(|field| field.is_content()) {
                return Ok(Self::Entity(entity.clone()));
            }
        }
        // Text before a PEM block can look like fields (`Certificate:`).
        if let Some(kind) = pem(view, spool, limits)? {
            return Ok(kind);
        }
        let entity = entity?;
        if entity.header.fields().next().is_some() {
            return Ok(Self::Message(entity));
        }
        // An entity may have no fields at all (RFC 2046 §5.1), but then its first line is empty.
        if !entity.header.empty_line().is_empty() {
            return Ok(Self::Entity(entity));
        }
        bare_base64(view, spool, limits)
    }

    /// Its CMS, or other DER, if it is any.
    #[must_use]
    pub fn der(&self) -> Option<&View> {
        match self {
            Self::Cms(der) | Self::Der(der) | Self::Pem { der, .. } => Some(der),
            Self::Entity(_) | Self::Message(_) | Self::Unknown => None,
        }
    }
}

/// A SEQUENCE, by its first octets: tag, length that the input can hold, tag of the first element.
fn sequence(view: &View) -> Result<Option<InputKind>, MimeError> {
    let start = view.slice(0..16).to_vec(16)?.unwrap_or_default();
    let Some((0x30, rest)) = start.split_first() else {
        return Ok(None);
    };
    let header = match rest.first() {
        // Short form (X.690 §8.1.3.4).
        Some(length @ ..0x80) if 2 + u64::from(*length) <= view.len() => 1,
        // Indefinite form.
        Some(0x80) => 1,
        // Long form. A length that is wrong is for the parser to tell.
        Some(octets @ 0x81..=0x88) => 1 + usize::from(octets & 0x7f),
        Some(_) | None => return Ok(None),
    };
    Ok(match rest.get(header) {
        Some(0x06) => Some(InputKind::Cms(view.clone())),
        // Text that begins with `0` and a letter has no such tag.
        Some(0x02 | 0x03 | 0x30 | 0xa0) => Some(InputKind::Der(view.clone())),
        Some(_) | None => None,
    })
}

/// The first PEM block (RFC 7468), the fields of RFC 1421 after its first line passed over.
fn pem(view: &View, spool: &dyn Spool, limits: &Limits) -> Result<Option<InputKind>, MimeError> {
    let start = view
        .slice(0..PEM_START)
        .to_vec(usize::MAX)?
        .unwrap_or_default();
    let Some(begin) = memmem::find_iter(&start, b"-----BEGIN ").find(|at| {
        at.checked_sub(1)
            .is_none_or(|before| start.get(before) == Some(&b'\n'))
    }) else {
        return Ok(None);
    };
    let text = start
        .get(begin + b"-----BEGIN ".len()..)
        .unwrap_or_default();
    let label = memmem::find(text, b"-----")
        .filter(|end| *end <= LABEL)
        .and_then(|end| text.get(..end));
    let Some(label) = label.and_then(|label| std::str::from_utf8(label).ok()) else {
        return Ok(None);
    };
    let first = begin + b"-----BEGIN ".len() + label.len() + b"-----".len();
    let rest = view.slice(u64::try_from(first).unwrap_or(u64::MAX)..view.len());
    // The label must be the same; some writers leave the last line out.
    let end_line = format!("-----END {label}-----");
    let end = super::window::find(&rest, end_line.as_bytes())?.unwrap_or(rest.len());
    let body = rest.slice(pem_fields(&start, first)..end);
    let der = decode(&body, spool, limits)?;
    Ok(Some(InputKind::Pem {
        label: label.to_owned(),
        der,
    }))
}

/// How many octets after the first line are fields, as `Proc-Type: 4,ENCRYPTED` (RFC 1421 §4.4).
fn pem_fields(start: &[u8], first: usize) -> u64 {
    let text = start.get(first..).unwrap_or_default();
    let has_field = text
        .split(|octet| *octet == b'\n')
        .nth(1)
        .is_some_and(|line| line.contains(&b':'));
    let empty = [memmem::find(text, b"\n\n"), memmem::find(text, b"\n\r\n")];
    let end = empty
        .into_iter()
        .flatten()
        .min()
        .filter(|_| has_field)
        .unwrap_or(0);
    u64::try_from(end).unwrap_or(0)
}

/// Base64 without armour, if it begins as a SEQUENCE does, which is `M` and one of few characters.
fn bare_base64(view: &View, spool: &dyn Spool, limits: &Limits) -> Result<InputKind, MimeError> {
    let start = view.slice(0..256).to_vec(256)?.unwrap_or_default();
    let digits = start.trim_ascii_start();
    let begins = matches!(digits, [b'M', b'A'..=b'P', ..]);
    let digit = |octet: &u8| {
        octet.is_ascii_alphanumeric() || octet.is_ascii_whitespace() || b"+/=".contains(octet)
    };
    if !begins || !digits.iter().all(digit) {
        return Ok(InputKind::Unknown);
    }
    match decode(view, spool, limits) {
        Ok(der) => Ok(sequence(&der)?.unwrap_or(InputKind::Unknown)),
        Err(MimeError::Base64 { .. }) => Ok(InputKind::Unknown),
        Err(error) => Err(error),
    }
}

fn decode(body: &View, spool: &dyn Spool, limits: &Limits) -> Result<View, MimeError> {
    LimitError::check_wide(
        "octets of base64",
        body.len() / 4 * 3,
        limits.decompressed_octets,
    )?;
    let mut writer = spool.start_for(base64::decoded_length(body.len()))?;
    let mut decoder = Decoder::new(&mut writer);
    body.windows(|window| decoder.push(window))?;
    decoder.finish()?;
    Ok(View::whole(writer.finish()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::octets::Memory;

    fn kind(bytes: &[u8]) -> String {
        match InputKind::of(&View::owned(bytes.to_vec()), &Memory, &Limits::default()).unwrap() {
            InputKind::Cms(der) => format!("cms {}", der.len()),
            InputKind::Der(der) => format!("der {}", der.len()),
            InputKind::Entity(_) => "entity".to_owned(),
            InputKind::Message(_) => "message".to_owned(),
            InputKind::Pem { label, der } => format!("pem {label} {}", der.len()),
            InputKind::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn files_are_told_by_content() {
        #[rustfmt::skip]
        let files: &[(&[u8], &str)] = &[
            (b"From: a@b.example\n\nx", "message"),
            (b"Received: x\nContent-Type: a/b\n\nx", "message"),
            (b"From a@b.example Thu Jan  1\nX-Y: z\n\nx", "message"),
            (b"Content-Type: a/b\nContent-ID: <x>\n\nx", "entity"),
            (b"\r\nx", "entity"),
            (b"0: x\n\ny", "message"),
            (b"hello world\n", "unknown"),
            (b"", "unknown"),
            (b"\x30\x80\x06\x09\x2a", "cms 5"),
            (b"\x30\x82\x10\x00\x06\x09\x2a", "cms 7"),
            (b"\x30\x04\x06\x02\x2a\x03", "cms 6"),
            (b"\x30\x82\x10\x00\x30\x82", "der 6"),
            (b"MAQGAioD\n", "cms 6"),
            (b"  MAQG\r\n  AioD", "cms 6"),
            (b"MAQG*ioD", "unknown"),
            (b"Mabel", "unknown"),
            (b"-----BEGIN PKCS7-----\nMAQGAioD\n-----END PKCS7-----\n", "pem PKCS7 6"),
            (b"-----BEGIN PKCS #7 SIGNED DATA-----\r\nMAQG\r\nAioD\r\n-----END PKCS #7 SIGNED DATA-----\r\n", "pem PKCS #7 SIGNED DATA 6"),
            (b"subject=/C=x\nCertificate:\n    Data:\n-----BEGIN CERTIFICATE-----\nMAQGAioD\n-----END CERTIFICATE-----\n", "pem CERTIFICATE 6"),
            (b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nMAQGAioD\n-----END RSA PRIVATE KEY-----\n", "pem RSA PRIVATE KEY 6"),
            (b"-----BEGIN CMS-----\nMAQGAioD\n", "pem CMS 6"),
            (b"From: a@b.example\n\n-----BEGIN CMS-----\nMAQGAioD\n-----END CMS-----\n", "message"),
        ];
        for (bytes, expected) in files {
            assert_eq!(
                kind(bytes),
                *expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn armour_around_what_is_no_base64_is_an_error() {
        let view = View::owned(b"-----BEGIN CMS-----\n***\n-----END CMS-----\n".to_vec());
        let outcome = InputKind::of(&view, &Memory, &Limits::default());
        assert!(
            matches!(outcome, Err(MimeError::Base64 { .. })),
            "{outcome:?}"
        );
    }
}
