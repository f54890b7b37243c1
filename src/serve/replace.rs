//! An edition sent to the MTA as changes of the message that it has.

use std::io;

use super::disk::reading;
use super::stream::Stream;
use crate::limits::Limits;
use crate::milter::Field;
use crate::milter::action;
use crate::milter::edits;
use crate::mime::MimeError;
use crate::mime::header::Header;
use crate::octets::Octets;
use crate::octets::View;
use crate::octets::WINDOW;

/// Octets that are written at a time: beyond it a longer write saves nothing.
const COALESCED: usize = 256 * 1024;

/// What the MTA has.
#[derive(Debug)]
pub struct Original<'a> {
    /// Its header, as it gave it.
    pub header: &'a [Field],
    /// All of the message.
    pub message: &'a View,
    /// Whether white space after colons is sent as it is.
    pub spaced: bool,
}

/// What turns one message into the other.
#[derive(Debug)]
pub struct Replacement {
    /// The packets that change the header.
    pub header: Vec<u8>,
    /// The new body; `None` where it stays.
    pub body: Option<View>,
}

/// Compares `edition` with what the MTA has.
pub fn replacement(
    original: &Original<'_>,
    edition: &View,
    limits: &Limits,
) -> Result<Replacement, MimeError> {
    let (old_header, body_from) = Header::parse(original.message, limits)?;
    let old_body = original.message.slice(body_from..original.message.len());
    // A field whose name is none ends the header for us, and not for the MTA: then what we call the
    // body is not what it has.
    let is_one_header = old_header.fields().count() == original.header.len();
    let (header, body_from) = Header::parse(edition, limits)?;
    let body = edition.slice(body_from..edition.len());
    let fields: Vec<Field> = header
        .fields()
        .map(|field| Field {
            name: field.name().as_bytes().to_vec(),
            value: as_value(field.body()),
        })
        .collect();
    let mut packets = Vec::new();
    edits::write(&mut packets, original.header, &fields, original.spaced);
    Ok(Replacement {
        header: packets,
        body: if is_one_header && is_same(&old_body, &body)? {
            None
        } else {
            Some(body)
        },
    })
}

/// What follows the colon, as the protocol has it: no line end at its end, LF within.
pub(crate) fn as_value(body: &[u8]) -> Vec<u8> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    let mut value = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                value.extend_from_slice(text);
                value.push(b'\n');
            }
            None => value.extend_from_slice(line),
        }
    }
    value
}

fn is_same(old: &View, new: &View) -> io::Result<bool> {
    if old.len() != new.len() {
        return Ok(false);
    }
    let mut at = 0;
    let mut same = true;
    let mut buffer = Vec::new();
    new.windows::<io::Error>(|window| {
        if same {
            buffer.resize(window.len(), 0);
            old.read_at(at, &mut buffer)?;
            same = buffer == window;
            at += crate::octets::length(window);
        }
        Ok(())
    })?;
    Ok(same)
}

/// Writes `octets`, then the body as packets, then what `end` appends; never more than
/// 256 KiB at a time, and no more of the body in memory than that.
pub async fn write(
    stream: &mut Stream,
    mut octets: Vec<u8>,
    body: Option<&View>,
    end: impl FnOnce(&mut Vec<u8>),
) -> io::Result<()> {
    if let Some(body) = body {
        let mut at = 0;
        loop {
            let view = body.clone();
            (octets, at) = reading(body.len(), move || packets(&view, at, octets)).await??;
            if at == body.len() {
                break;
            }
            stream.write(&octets).await?;
            octets.clear();
        }
    }
    end(&mut octets);
    stream.write(&octets).await
}

/// Appends as many packets of `body`, from `at` on, as are written at a time; and where the next ones
/// begin. A body of no octets is replaced by one packet of none.
fn packets(body: &View, mut at: u64, mut octets: Vec<u8>) -> io::Result<(Vec<u8>, u64)> {
    let rest = |at| usize::try_from(body.len() - at).unwrap_or(usize::MAX);
    let mut chunk = vec![0; WINDOW.min(action::BODY_CHUNK).min(rest(at))];
    loop {
        let size = rest(at).min(chunk.len());
        let window = chunk.get_mut(..size).unwrap_or_default();
        body.read_at(at, window)?;
        action::replace_body(&mut octets, window);
        at += crate::octets::length(window);
        if at == body.len() || octets.len() + action::BODY_CHUNK + 5 > COALESCED {
            return Ok((octets, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> View {
        View::owned(text.as_bytes().to_vec())
    }

    fn field(name: &str, value: &str) -> Field {
        Field {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        }
    }

    fn replaced(from: &str, header: &[Field], to: &str) -> Replacement {
        let original = Original {
            header,
            message: &view(from),
            spaced: true,
        };
        replacement(&original, &view(to), &Limits::default()).unwrap()
    }

    #[test]
    fn a_body_that_stays_is_not_sent() {
        let header = [field("A", " 1")];
        let same = replaced("A: 1\r\n\r\nbody\r\n", &header, "A: 1\r\n\r\nbody\r\n");
        assert!(same.header.is_empty() && same.body.is_none());
        let other = replaced("A: 1\r\n\r\nbody\r\n", &header, "A: 1\r\n\r\nbodY\r\n");
        assert!(other.header.is_empty());
        assert_eq!(other.body.unwrap().len(), 6);
    }

    #[test]
    fn a_body_that_begins_elsewhere_for_the_mta_is_sent() {
        let header = [field("A", " 1"), field("no name", " 2"), field("B", " 3")];
        let from = "A: 1\r\nno name: 2\r\nB: 3\r\n\r\nbody\r\n";
        let other = replaced(from, &header, &format!("X: 0\r\n{from}"));
        let body = other.body.unwrap().to_vec(100).unwrap().unwrap();
        assert_eq!(body, b"no name: 2\r\nB: 3\r\n\r\nbody\r\n");
    }

    #[test]
    fn folded_fields_that_stay_are_not_sent() {
        let header = [field("A", " 1\n\t2"), field("B", "  3")];
        let from = "A: 1\r\n\t2\r\nB:  3\r\n\r\n";
        assert!(replaced(from, &header, from).header.is_empty());
        let added = replaced(from, &header, "A: 1\r\n\t2\r\nB:  3\r\nC: x\r\n y\r\n\r\n");
        assert!(added.header.ends_with(b"hC\0 x\n y\0"), "{added:?}");
    }
}
