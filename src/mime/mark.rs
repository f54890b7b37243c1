//! Marks on a message that is flagged to its reader: Domsec-Warning, and a tag at the front of Subject.
//!
//! Nothing in a text that we are given can end the field that it is written into.

use super::Field;
use super::Header;
use super::safe;
use super::unstructured;
use crate::address::words;

/// The name of the field that says why a message is flagged.
pub const WARNING: &str = "Domsec-Warning";

/// A Domsec-Warning field with that text, with CRLF: folded, encoded where it is not ASCII (RFC 2047),
/// and at most 800 octets of it.
#[must_use]
pub fn warning(text: &str) -> String {
    unstructured::folded(WARNING, &unstructured::encoded(text))
}

/// The Subject field with `tag` at its front, with CRLF; `None` when it is there already, encoded or not.
///
/// The octets of the field body stay as they are. A message without Subject gets one of the tag alone.
#[must_use]
pub fn tagged_subject(subject: Option<&Field<'_>>, tag: &str) -> Option<Vec<u8>> {
    let Some(field) = subject else {
        return Some(unstructured::folded("Subject", &unstructured::encoded(tag)).into_bytes());
    };
    let shown = words::decode(&field.text());
    if shown.trim_start().starts_with(tag.trim()) {
        return None;
    }
    let ascii = unstructured::encoded(tag);
    let tag = if ascii == tag.trim() {
        ascii
    } else {
        // White space between two encoded words is not shown (RFC 2047 §6.2): it goes into the first.
        unstructured::encoded_words(&format!("{} ", words::decode(&ascii)))
    };
    let mut tagged = unstructured::folded(field.name(), &tag).into_bytes();
    let body = field.body();
    let text = body.trim_ascii();
    if !text.is_empty() {
        // A line of its own: what follows keeps its octets, however long they are.
        let blank = |octet: &u8| octet.is_ascii_whitespace();
        let start = body.iter().position(|octet| !blank(octet)).unwrap_or(0);
        let length = body
            .iter()
            .rposition(|octet| !blank(octet))
            .map_or(0, |at| at + 1);
        tagged.push(b' ');
        tagged.extend_from_slice(body.get(start..length).unwrap_or_default());
        tagged.extend_from_slice(b"\r\n");
    }
    Some(safe::field(&tagged).into_owned())
}

/// The fields of `header`, its empty line included, with `tag` at the front of every Subject; with a
/// Subject where there is none.
#[must_use]
pub fn tagged(header: &Header, tag: &str) -> Vec<u8> {
    let mut result = Vec::new();
    for field in header.fields() {
        let tagged = field
            .is("Subject")
            .then(|| tagged_subject(Some(&field), tag))
            .flatten();
        match tagged {
            Some(tagged) => result.extend_from_slice(&tagged),
            None => result.extend_from_slice(field.raw()),
        }
    }
    if header.first("Subject").is_none() {
        if !result.is_empty() && !result.ends_with(b"\n") {
            result.extend_from_slice(b"\r\n");
        }
        result.extend(tagged_subject(None, tag).unwrap_or_default());
    }
    result.extend_from_slice(header.empty_line());
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::octets::View;

    fn subject(fields: &str, tag: &str) -> String {
        let view = View::owned(format!("{fields}\r\n").into_bytes());
        let (header, _) = Header::parse(&view, &Limits::default()).unwrap();
        String::from_utf8(tagged(&header, tag)).unwrap()
    }

    #[test]
    fn a_warning_stays_in_its_field() {
        assert_eq!(warning("not signed"), "Domsec-Warning: not signed\r\n");
        let field = warning(&format!(
            "\u{fc}\r\n\r\nBcc: x@x.example {}",
            "y".repeat(5000)
        ));
        let unfolded = field.trim_end().replace("\r\n ", " ");
        assert!(
            field.is_ascii() && !unfolded.contains(['\r', '\n']),
            "{field}"
        );
        assert!(field.len() < 2000);
    }

    #[test]
    fn a_tag_stands_at_the_front_of_the_subject() {
        for (fields, result) in [
            (
                "Subject: hello\r\n",
                "Subject: [unsigned]\r\n hello\r\n\r\n",
            ),
            (
                "subject:\r\n =?utf-8?Q?gr=C3=BCn?=\r\n\tx\r\n",
                "subject: [unsigned]\r\n =?utf-8?Q?gr=C3=BCn?=\r\n\tx\r\n\r\n",
            ),
            ("Subject:\r\n", "Subject: [unsigned]\r\n\r\n"),
            ("To: a\r\n", "To: a\r\nSubject: [unsigned]\r\n\r\n"),
            ("Subject: [unsigned] x\r\n", "Subject: [unsigned] x\r\n\r\n"),
            (
                "Subject: =?utf-8?Q?[unsigned]_x?=\r\n",
                "Subject: =?utf-8?Q?[unsigned]_x?=\r\n\r\n",
            ),
            (
                "Subject: Re: [unsigned] x\r\n",
                "Subject: [unsigned]\r\n Re: [unsigned] x\r\n\r\n",
            ),
        ] {
            assert_eq!(subject(fields, "[unsigned]"), result);
        }
    }

    #[test]
    fn a_tag_that_is_not_ascii_is_encoded_and_stays_apart() {
        let text = subject("Subject: =?utf-8?Q?x?=\r\n", "[ung\u{fc}ltig]");
        let value = text
            .trim_end()
            .strip_prefix("Subject:")
            .unwrap()
            .replace("\r\n", "");
        assert!(text.is_ascii());
        assert_eq!(words::decode(value.trim()), "[ung\u{fc}ltig] x");
        assert!(!subject("Subject: x\r\n", "a\r\nBcc: y").contains("\nBcc"));
    }
}
