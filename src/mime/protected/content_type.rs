//! Content-Type fields with a parameter more or less, all other octets as they were.

use std::fmt::Write;

use crate::mime::Field;
use crate::mime::MediaType;
use crate::mime::MimeError;
use crate::mime::safe;

/// `field`, a Content-Type field, with that parameter and no other of its name; with CRLF.
///
/// `value` has neither quotes nor backslashes. Its octets stay but for the parameter, unless it had
/// one of that name with another value: then it is written anew. Fails where it cannot be read.
pub(super) fn with_parameter(
    field: &Field<'_>,
    name: &str,
    value: &str,
) -> Result<Vec<u8>, MimeError> {
    let media_type = MediaType::parse(&field.text())?;
    match media_type.parameter(name) {
        Some(known) if known == value => Ok(safe::field(field.raw()).into_owned()),
        Some(_) => {
            let mut text = rewritten(&media_type, name);
            add(&mut text, name, value);
            Ok(text)
        }
        None => {
            // A semicolon at the end is nothing to readers, and two would be read differently.
            let end = |octet: &u8| octet.is_ascii_whitespace() || *octet == b';';
            let raw = field.raw();
            let length = raw
                .iter()
                .rposition(|octet| !end(octet))
                .map_or(0, |at| at + 1);
            let mut text = raw.get(..length).unwrap_or(raw).to_vec();
            text.extend_from_slice(b"\r\n");
            let mut text = safe::field(&text).into_owned();
            add(&mut text, name, value);
            Ok(text)
        }
    }
}

/// `field`, a Content-Type field, without the parameters of that name; with CRLF.
pub(super) fn without_parameter(field: &Field<'_>, name: &str) -> Result<Vec<u8>, MimeError> {
    let media_type = MediaType::parse(&field.text())?;
    Ok(if media_type.parameter(name).is_some() {
        rewritten(&media_type, name)
    } else {
        safe::field(field.raw()).into_owned()
    })
}

/// A Content-Type field of that type, with one parameter; with CRLF.
pub(super) fn field(essence: &str, name: &str, value: &str) -> Vec<u8> {
    format!("Content-Type: {essence}; {name}=\"{value}\"\r\n").into_bytes()
}

fn add(text: &mut Vec<u8>, name: &str, value: &str) {
    text.truncate(text.trim_ascii_end().len());
    text.extend_from_slice(format!(";\r\n {name}=\"{value}\"\r\n").as_bytes());
}

/// The media type written anew with all parameters but those of that name.
fn rewritten(media_type: &MediaType, without: &str) -> Vec<u8> {
    let mut text = format!("Content-Type: {}", media_type.essence());
    for (name, value) in media_type.parameters() {
        if name == without {
            continue;
        }
        text.push_str(";\r\n ");
        let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if plain {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            text.push_str(&format!("{name}=\"{escaped}\""));
        } else {
            // RFC 2231 §4.
            text.push_str(&format!("{name}*=utf-8''"));
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() {
                    text.push(char::from(byte));
                } else {
                    // A String takes whatever is written to it.
                    let _ = write!(text, "%{byte:02X}");
                }
            }
        }
    }
    text.push_str("\r\n");
    safe::field(text.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::mime::Header;
    use crate::octets::View;

    fn with_hp(field: &str) -> String {
        let view = View::owned(format!("{field}\r\n\r\n").into_bytes());
        let (header, _) = Header::parse(&view, &Limits::default()).unwrap();
        let field = header.fields().next().unwrap();
        String::from_utf8(with_parameter(&field, "hp", "clear").unwrap()).unwrap()
    }

    #[test]
    fn a_parameter_is_added_at_the_end_and_the_rest_stays() {
        for (before, after) in [
            (
                "Content-Type: text/plain",
                "Content-Type: text/plain;\r\n hp=\"clear\"\r\n",
            ),
            (
                "content-type :multipart/signed;\r\n\tboundary=\"a;b\"; ",
                "content-type :multipart/signed;\r\n\tboundary=\"a;b\";\r\n hp=\"clear\"\r\n",
            ),
            (
                "Content-Type: text/plain; hp=clear",
                "Content-Type: text/plain; hp=clear\r\n",
            ),
            (
                "Content-Type: a/b; hp=cipher; x=\"q\\\"\"; name*=utf-8''%C3%A4",
                "Content-Type: a/b;\r\n name*=utf-8''%C3%A4;\r\n x=\"q\\\"\";\r\n hp=\"clear\"\r\n",
            ),
        ] {
            let written = with_hp(before);
            assert_eq!(written, after);
            let value = written.split_once(':').unwrap().1.replace("\r\n", "");
            let media_type = MediaType::parse(&value).unwrap();
            assert_eq!(media_type.parameter("hp"), Some("clear"), "{written}");
        }
    }
}
