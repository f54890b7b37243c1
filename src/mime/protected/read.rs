//! Finds the protected fields of an opened message (RFC 9788 §4.1 and §4.2), and those of older schemes.
//!
//! Nothing is judged: a caller gives roots that it trusts, and compares ([`super::compare()`]).

use std::collections::BTreeSet;

use super::fields::Role;
use super::fields::squeezed;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::mime::Field;
use crate::mime::Header;
use crate::mime::MediaType;
use crate::mime::MimeError;
use crate::mime::safe;
use crate::octets::Octets;
use crate::octets::View;

/// How the fields were protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `protected-headers="v1"`, from before RFC 9788 (its appendix F.3).
    Legacy,
    /// The payload is a message/rfc822 (RFC 8551 §3.1, RFC 9788 §4.10).
    MessageRfc822,
    /// No field is protected.
    None,
    /// A signed attribute (RFC 7508).
    Rfc7508,
    /// `hp="cipher"`: the author encrypted the message.
    Rfc9788Cipher,
    /// `hp="clear"`: the author signed it, and did not encrypt.
    Rfc9788Clear,
}

/// An entity right beneath a layer that was opened, which may carry the fields.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its header.
    pub header: &'a Header,
    /// All of it.
    pub raw: &'a View,
    /// Whether a layer above it was encrypted.
    pub encrypted: bool,
}

/// One field of a SecureHeaderFields attribute (RFC 7508 §4.1).
#[derive(Clone, Copy, Debug)]
pub struct SecureField<'a> {
    /// field-Name.
    pub name: &'a str,
    /// field-Value.
    pub value: &'a str,
    /// Whether field-Status is deleted or modified, so that it stands outside no more as it is.
    pub hidden: bool,
}

/// The protected fields of a message.
#[derive(Clone, Debug)]
pub struct Protected {
    scheme: Scheme,
    at: Option<usize>,
    fields: Header,
    /// The fields that the author left outside, as lower-case name and squeezed value; `None` where
    /// that is not known.
    shown: Option<BTreeSet<(String, Vec<u8>)>>,
    encrypted: bool,
    doubtful: bool,
}

impl Protected {
    /// The protected fields of a message whose layers were opened.
    ///
    /// `candidates` are the entities beneath each layer that the caller trusts, the outermost first;
    /// the last is the payload, or the layer that could not be opened. What was encrypted or signed
    /// by whom is for the caller to know: fields are worth what covers the candidate ([`Self::at`]).
    ///
    /// The innermost root that is marked wins, for that is nearest to the author and under most
    /// layers. Departs from RFC 9788 §4.1, by which the payload alone counts: ours stand on the layer
    /// that we wrap where the payload is a user's (DESIGN decision 6). Older schemes count on the
    /// payload alone, and where no root is marked.
    pub fn read(candidates: &[Candidate<'_>], limits: &Limits) -> Result<Self, MimeError> {
        let marked = candidates
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, candidate)| mark(candidate.header).map(|scheme| (at, scheme)));
        if let Some((at, scheme)) = marked {
            return Self::marked(candidates, at, scheme, limits);
        }
        let Some((payload, at)) = candidates.last().zip(candidates.len().checked_sub(1)) else {
            return Self::none(limits);
        };
        let Ok(Some(media_type)) = payload.header.media_type() else {
            return Self::none(limits);
        };
        if media_type.parameter("protected-headers") == Some("v1") {
            return Self::from_fields(Scheme::Legacy, payload.header, limits).map(|read| Self {
                at: Some(at),
                encrypted: payload.encrypted,
                ..read
            });
        }
        match wrapped(payload, &media_type, limits)? {
            None => Self::none(limits),
            Some(inner) => {
                let read = Self::from_fields(Scheme::MessageRfc822, &inner, limits)?;
                Ok(Self {
                    at: Some(at),
                    encrypted: payload.encrypted,
                    // A forwarded message that is all there is looks the same.
                    doubtful: media_type.parameter("forwarded") != Some("no"),
                    ..read
                })
            }
        }
    }

    /// The fields of a SecureHeaderFields attribute, which the caller read from verified signers.
    ///
    /// Those that never go inside are passed over, as in all schemes, and those without a valid name.
    pub fn secured<'a>(
        fields: impl IntoIterator<Item = SecureField<'a>>,
        limits: &Limits,
    ) -> Result<Self, MimeError> {
        let mut raw = Vec::new();
        let mut shown = BTreeSet::new();
        for field in fields {
            let graphic = |byte: u8| byte.is_ascii_graphic() && byte != b':';
            let valid = !field.name.is_empty() && field.name.bytes().all(graphic);
            if !valid || Role::of(field.name) != Role::Author {
                continue;
            }
            // A line end in a value must not become another field.
            let value = squeezed(field.value.as_bytes());
            let line = [field.name.as_bytes(), b": ", &value, b"\r\n"].concat();
            LimitError::check(
                "octets of a header",
                raw.len() + line.len(),
                limits.header_octets,
            )?;
            raw.extend_from_slice(&safe::field(&line));
            if !field.hidden {
                shown.insert((field.name.to_ascii_lowercase(), value));
            }
        }
        raw.extend_from_slice(b"\r\n");
        let (header, _) = Header::parse(&View::owned(raw), limits)?;
        Ok(Self {
            shown: Some(shown),
            ..Self::from_fields(Scheme::Rfc7508, &header, limits)?
        })
    }

    fn none(limits: &Limits) -> Result<Self, MimeError> {
        let (nothing, _) = Header::parse(&View::owned(b"\r\n".to_vec()), limits)?;
        Self::from_fields(Scheme::None, &nothing, limits)
    }

    fn marked(
        candidates: &[Candidate<'_>],
        at: usize,
        scheme: Scheme,
        limits: &Limits,
    ) -> Result<Self, MimeError> {
        let Some(root) = candidates.get(at) else {
            return Self::none(limits);
        };
        // Who encrypted what somebody else had signed wrote the outer header, and says so further out.
        let said = candidates
            .iter()
            .take(at + 1)
            .rev()
            // RFC 9788 §2.2: HP-Outer counts beneath an encrypted layer alone.
            .find(|c| c.encrypted && mark(c.header) == Some(Scheme::Rfc9788Cipher));
        Ok(Self {
            at: Some(at),
            encrypted: root.encrypted,
            shown: said.map(|candidate| shown(candidate.header)),
            ..Self::from_fields(scheme, root.header, limits)?
        })
    }

    fn from_fields(scheme: Scheme, header: &Header, limits: &Limits) -> Result<Self, MimeError> {
        let mut raw = Vec::new();
        for field in header.fields() {
            if Role::of(field.name()) == Role::Author {
                raw.extend_from_slice(field.raw());
                if !field.raw().ends_with(b"\n") {
                    raw.extend_from_slice(b"\r\n");
                }
            }
        }
        raw.extend_from_slice(b"\r\n");
        // Two octets more than what was within the bounds: an empty line that was missing.
        let limits = Limits {
            header_octets: limits.header_octets.saturating_add(4),
            ..*limits
        };
        Ok(Self {
            scheme,
            at: None,
            fields: Header::parse(&View::owned(raw), &limits)?.0,
            shown: None,
            encrypted: false,
            doubtful: false,
        })
    }

    /// How they were protected.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Which of the candidates carries them; `None` without any, and for [`Scheme::Rfc7508`].
    ///
    /// Signatures further in than that candidate do not cover them.
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        self.at
    }

    /// The fields, as they were inside, with their exact octets.
    #[must_use]
    pub fn fields(&self) -> &Header {
        &self.fields
    }

    /// Whether they may be those of another message, which is forwarded.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Whether a layer above them was encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether a scheme of RFC 9788 protects all that the author wrote, so that what is outside alone
    /// was added.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.scheme, Scheme::Rfc9788Cipher | Scheme::Rfc9788Clear)
    }

    /// Whether its author hid `field`, one of [`Self::fields`] (RFC 9788 §4.3.1): it was removed or
    /// replaced outside. `None` where the scheme does not say.
    #[must_use]
    pub fn is_hidden(&self, field: &Field<'_>) -> Option<bool> {
        let key = (field.name().to_ascii_lowercase(), squeezed(&field.value()));
        self.shown.as_ref().map(|shown| !shown.contains(&key))
    }

    /// Whether the author left `field` outside with that value; `None` where the scheme does not say.
    pub(super) fn is_shown(&self, field: &Field<'_>) -> Option<bool> {
        self.is_hidden(field).map(|hidden| !hidden)
    }

    /// Whether the author left any field of that name outside; `None` where the scheme does not say.
    pub(super) fn shows_any(&self, name: &str) -> Option<bool> {
        let name = name.to_ascii_lowercase();
        let shown = self.shown.as_ref()?;
        let first = shown.range((name.clone(), Vec::new())..).next();
        Some(first.is_some_and(|(known, _)| *known == name))
    }
}

/// The scheme that the hp parameter names (RFC 9788 §2.1.1).
fn mark(header: &Header) -> Option<Scheme> {
    let media_type = header.media_type().ok()??;
    match media_type.parameter("hp")? {
        "cipher" => Some(Scheme::Rfc9788Cipher),
        "clear" => Some(Scheme::Rfc9788Clear),
        _ => None,
    }
}

/// The header of the message that a payload wraps, if the conditions of RFC 9788 §4.10.1 hold.
fn wrapped(
    payload: &Candidate<'_>,
    media_type: &MediaType,
    limits: &Limits,
) -> Result<Option<Header>, MimeError> {
    let plain = payload
        .header
        .transfer_encoding()
        .is_ok_and(|encoding| encoding.is_identity());
    let forwarded = media_type.parameter("forwarded") == Some("yes");
    if !media_type.is("message", "rfc822") || !plain || forwarded {
        return Ok(None);
    }
    let start = u64::try_from(payload.header.raw().len()).unwrap_or(u64::MAX);
    let (inner, _) = Header::parse(&payload.raw.slice(start..payload.raw.len()), limits)?;
    let layer = match inner.media_type() {
        Ok(Some(inner)) => {
            inner.is("multipart", "signed")
                || inner.is("multipart", "encrypted")
                || inner.is("application", "pkcs7-mime")
                || inner.is("application", "x-pkcs7-mime")
        }
        Ok(None) => false,
        Err(_) => true,
    };
    Ok((!layer && mark(&inner).is_none()).then_some(inner))
}

/// What HP-Outer fields say (RFC 9788 §4.2.1).
fn shown(header: &Header) -> BTreeSet<(String, Vec<u8>)> {
    header
        .all("HP-Outer")
        .filter_map(|field| {
            let value = field.value();
            let colon = value.iter().position(|octet| *octet == b':')?;
            let (name, rest) = value.split_at_checked(colon)?;
            let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
            Some((name, squeezed(rest.get(1..)?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Entity;

    fn entity(text: &str) -> Entity {
        Entity::parse(&View::owned(text.as_bytes().to_vec()), &Limits::default()).unwrap()
    }

    fn read(entities: &[(&str, bool)]) -> Protected {
        let parsed: Vec<Entity> = entities.iter().map(|(text, _)| entity(text)).collect();
        let candidates: Vec<Candidate<'_>> = parsed
            .iter()
            .zip(entities)
            .map(|(entity, (_, encrypted))| Candidate {
                header: &entity.header,
                raw: &entity.raw,
                encrypted: *encrypted,
            })
            .collect();
        Protected::read(&candidates, &Limits::default()).unwrap()
    }

    const CIPHER: &str = "Content-Type: text/plain; hp=\"cipher\"\r\nSubject: secret\r\nTo: a@a.example\r\n\
        HP-Outer: Subject: [...]\r\nHP-Outer:\r\n TO:\r\n  a@a.example\r\n\r\n";

    fn hidden(protected: &Protected, name: &str) -> Option<bool> {
        protected.is_hidden(&protected.fields().first(name).unwrap())
    }

    #[test]
    fn hp_outer_says_what_is_hidden() {
        let protected = read(&[(CIPHER, true)]);
        assert_eq!(protected.scheme(), Scheme::Rfc9788Cipher);
        assert_eq!(hidden(&protected, "Subject"), Some(true));
        assert_eq!(hidden(&protected, "To"), Some(false));
        assert!(protected.fields().first("HP-Outer").is_none());
    }

    #[test]
    fn hp_outer_is_ignored_where_nothing_was_encrypted() {
        let protected = read(&[(CIPHER, false)]);
        assert_eq!(protected.scheme(), Scheme::Rfc9788Cipher);
        assert_eq!(hidden(&protected, "Subject"), None);
        let clear = CIPHER.replace("cipher", "clear");
        assert_eq!(hidden(&read(&[(&clear, true)]), "Subject"), None);
    }

    #[test]
    fn the_innermost_marked_root_wins() {
        let layer =
            "Content-Type: multipart/signed; boundary=b; hp=clear\r\nSubject: gateway\r\n\r\n";
        let payload = "Content-Type: text/plain; hp=clear\r\nSubject: author\r\n\r\n";
        let plain = "Subject: no\r\n\r\n";
        for (entities, at, subject) in [
            (vec![(layer, false), (payload, false)], 1, "author"),
            (vec![(layer, false), (plain, false)], 0, "gateway"),
            (vec![(CIPHER, true), (payload, true)], 1, "author"),
        ] {
            let protected = read(&entities);
            assert_eq!(protected.at(), Some(at));
            assert_eq!(protected.fields().first("Subject").unwrap().text(), subject);
        }
        // What the encrypting gateway left outside is said further out.
        let protected = read(&[(CIPHER, true), (payload, true)]);
        assert_eq!(hidden(&protected, "Subject"), Some(true));
        assert_eq!(read(&[(plain, false)]).scheme(), Scheme::None);
        assert_eq!(read(&[]).scheme(), Scheme::None);
    }

    #[test]
    fn what_is_not_the_authors_does_not_come_out() {
        let text = "Content-Type: text/plain; hp=clear\r\nAuthentication-Results: gw; smime=pass\r\n\
            Received: x\r\nBcc: b@b.example\r\nMIME-Version: 1.0\r\nSubject: x\r\n\r\n";
        let names: Vec<String> = read(&[(text, false)])
            .fields()
            .fields()
            .map(|field| field.name().to_owned())
            .collect();
        assert_eq!(names, ["Subject"]);
    }

    #[test]
    fn a_wrapped_message_is_one_under_all_conditions_alone() {
        let wrap = |parameters: &str, inner: &str| {
            format!(
                "Content-Type: message/rfc822{parameters}\r\n\r\nSubject: inner\r\n{inner}\r\nbody"
            )
        };
        for (text, scheme, doubtful) in [
            (wrap("", ""), Scheme::MessageRfc822, true),
            (wrap("; forwarded=no", ""), Scheme::MessageRfc822, false),
            (wrap("; forwarded=yes", ""), Scheme::None, false),
            (
                wrap("", "Content-Type: multipart/signed; boundary=b\r\n"),
                Scheme::None,
                false,
            ),
            (
                wrap("", "Content-Type: text/plain; hp=clear\r\n"),
                Scheme::None,
                false,
            ),
            (
                wrap("\r\nContent-Transfer-Encoding: base64", ""),
                Scheme::None,
                false,
            ),
        ] {
            let protected = read(&[(&text, false)]);
            assert_eq!(
                (protected.scheme(), protected.is_doubtful()),
                (scheme, doubtful),
                "{text}"
            );
        }
        let protected = read(&[(&wrap("", ""), true)]);
        assert_eq!(protected.fields().first("Subject").unwrap().text(), "inner");
    }

    #[test]
    fn the_older_mark_is_read_on_the_payload() {
        let text = "Content-Type: text/plain; protected-headers=\"v1\"\r\nSubject: x\r\n\r\n";
        assert_eq!(read(&[(text, true)]).scheme(), Scheme::Legacy);
        assert_eq!(read(&[(text, true), ("\r\n", true)]).scheme(), Scheme::None);
    }

    #[test]
    fn a_secured_field_cannot_become_two() {
        let field = |name, value, hidden| SecureField {
            name,
            value,
            hidden,
        };
        let protected = Protected::secured(
            [
                field("subject", "a\r\nFrom: x@x.example", true),
                field("To", "a@a.example", false),
                field("Received", "x", false),
                field("a b", "x", false),
            ],
            &Limits::default(),
        )
        .unwrap();
        let names: Vec<&str> = protected
            .fields()
            .fields()
            .map(|field| field.name())
            .collect();
        assert_eq!(names, ["subject", "To"]);
        assert_eq!(hidden(&protected, "Subject"), Some(true));
        assert_eq!(hidden(&protected, "To"), Some(false));
    }
}
