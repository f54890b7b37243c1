//! BER of small parts, in memory, turned into DER (X.690 §8, §10).
//!
//! Iterative and bounded: definite, minimal lengths, and strings in one piece. Values of primitive
//! elements stay as they are.

use std::ops::Range;

use crate::cms::ber::LONGEST_HEADER;
use crate::cms::ber::parse_header;
use crate::cms::error::CmsError;
use crate::cms::tlv::header_length;
use crate::cms::tlv::write_header;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::tlv::Reader;
use crate::tlv::tag;

/// Which context-specific constructed tags of a structure are strings in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strings {
    /// None: only universal strings are joined.
    Universal,
    /// Tag `[0]` holding OCTET STRINGs, directly in the outermost SEQUENCE: the subjectKeyIdentifier
    /// of a SignerInfo or a KeyTransRecipientInfo (RFC 5652 §5.3, §6.2.1).
    KeyIdentifiers,
}

/// Turns the BER of one small element into DER: definite, minimal lengths, strings in one piece.
///
/// The values of primitive elements stay as they are; SET OF is not sorted here, since what must be
/// sorted for a signature is sorted where it is digested (RFC 5652 §5.4).
pub fn to_der(
    octets: Vec<u8>,
    strings: Strings,
    limits: &Limits,
    field: &'static str,
) -> Result<Vec<u8>, CmsError> {
    if is_der(&octets, strings, limits) {
        return Ok(octets);
    }
    let nodes = nodes_of(&octets, strings, limits, field)?;
    let mut der = Vec::with_capacity(octets.len());
    for node in &nodes {
        match node.role {
            Role::Constructed | Role::String => write_header(&mut der, node.tag, node.length),
            Role::Primitive => {
                write_header(&mut der, node.tag, node.length);
                der.extend_from_slice(octets.get(node.content.clone()).unwrap_or_default());
            }
            Role::Piece => {
                der.extend_from_slice(octets.get(node.content.clone()).unwrap_or_default())
            }
            Role::InnerString => {}
        }
    }
    Ok(der)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Holds elements.
    Constructed,
    /// A constructed string inside a constructed string: leaves no header.
    InnerString,
    /// A piece of a string: leaves its octets alone.
    Piece,
    /// Holds octets.
    Primitive,
    /// A string in pieces, written in one.
    String,
}

#[derive(Debug)]
struct Node {
    tag: u8,
    role: Role,
    content: Range<usize>,
    /// Octets of DER content; for constructed ones, summed up when they are closed.
    length: usize,
}

/// One element that is not yet closed.
struct Open {
    node: usize,
    end: Option<usize>,
}

/// Walks over one element and all that is in it, by a stack of what is not yet closed.
struct Walk<'a> {
    octets: &'a [u8],
    strings: Strings,
    limits: &'a Limits,
    field: &'static str,
    nodes: Vec<Node>,
    open: Vec<Open>,
    at: usize,
}

fn nodes_of(
    octets: &[u8],
    strings: Strings,
    limits: &Limits,
    field: &'static str,
) -> Result<Vec<Node>, CmsError> {
    let mut walk = Walk {
        octets,
        strings,
        limits,
        field,
        nodes: Vec::new(),
        open: Vec::new(),
        at: 0,
    };
    loop {
        walk.close_ended();
        if walk.open.is_empty() && !walk.nodes.is_empty() {
            break;
        }
        walk.element()?;
    }
    if walk.at != octets.len() {
        return Err(CmsError::field(field, "octets follow it"));
    }
    Ok(walk.nodes)
}

impl Walk<'_> {
    /// Closes every element that ends here.
    fn close_ended(&mut self) {
        while let Some(top) = self.open.last() {
            let is_definite = top.end.is_some();
            let closed = match top.end {
                Some(end) => self.at == end,
                None => self.octets.get(self.at..self.at + 2) == Some(&[0, 0]),
            };
            if !closed {
                return;
            }
            if !is_definite {
                self.at += 2;
            }
            close(&mut self.nodes, &mut self.open);
        }
    }

    /// Takes the header that stands here, and the content of a primitive element.
    fn element(&mut self) -> Result<(), CmsError> {
        let ends = self.open.iter().rev();
        let bound = ends.into_iter().find_map(|level| level.end);
        let bound = bound.unwrap_or(self.octets.len());
        let (tag, content, end) = slice_header(self.octets, self.at, bound, self.field)?;
        let holder = self.open.last().and_then(|top| self.nodes.get(top.node));
        let in_string =
            holder.is_some_and(|node| matches!(node.role, Role::String | Role::InnerString));
        if in_string && tag & !tag::CONSTRUCTED != tag::OCTET_STRING {
            let reason = "a piece of a string is not an OCTET STRING";
            return Err(CmsError::field(self.field, reason));
        }
        if tag & tag::CONSTRUCTED == 0 {
            let end =
                end.ok_or_else(|| CmsError::field(self.field, "a primitive has no length"))?;
            self.primitive((tag, content..end), in_string);
            Ok(())
        } else {
            Ok(self.constructed((tag, content), end, in_string)?)
        }
    }

    fn primitive(&mut self, (tag, content): (u8, Range<usize>), in_string: bool) {
        let role = if in_string {
            Role::Piece
        } else {
            Role::Primitive
        };
        self.at = content.end;
        self.nodes.push(Node {
            tag,
            role,
            length: content.len(),
            content,
        });
        add_length(&mut self.nodes, &self.open);
    }

    fn constructed(
        &mut self,
        (tag, content): (u8, usize),
        end: Option<usize>,
        in_string: bool,
    ) -> Result<(), LimitError> {
        // A key identifier stands in the outermost SEQUENCE; deeper down, [0] around an OCTET
        // STRING is something else, such as a RecipientKeyIdentifier.
        let is_field = self.open.len() == 1 && self.octets.first() == Some(&tag::SEQUENCE);
        let strings = if is_field {
            self.strings
        } else {
            Strings::Universal
        };
        let (tag, role) = role_of(self.octets, (tag, content), in_string, strings);
        self.open.push(Open {
            node: self.nodes.len(),
            end,
        });
        self.nodes.push(Node {
            tag,
            role,
            content: content..content,
            length: 0,
        });
        self.at = content;
        LimitError::check("depth of ASN.1", self.open.len(), self.limits.asn1_depth)
    }
}

/// What a constructed element becomes: tag and role.
fn role_of(
    octets: &[u8],
    (tag, content): (u8, usize),
    in_string: bool,
    strings: Strings,
) -> (u8, Role) {
    if in_string {
        return (tag, Role::InnerString);
    }
    // Universal strings: OCTET STRING, and UTF8String to BMPString. A BIT STRING in pieces is left
    // alone: each piece counts its unused bits, and nobody writes it.
    let universal = matches!(tag, 0x24 | 0x2c | 0x32..=0x3e);
    let identifier = strings == Strings::KeyIdentifiers
        && tag == tag::context(0)
        && octets
            .get(content)
            .is_some_and(|first| first & !tag::CONSTRUCTED == tag::OCTET_STRING);
    if universal || identifier {
        (tag & !tag::CONSTRUCTED, Role::String)
    } else {
        (tag, Role::Constructed)
    }
}

/// Closes the innermost open element: its length is known, and counts for the one that holds it.
fn close(nodes: &mut [Node], open: &mut Vec<Open>) {
    let Some(closed) = open.pop() else { return };
    let Some(node) = nodes.get(closed.node) else {
        return;
    };
    let octets = encoded_length(node);
    if let Some(parent) = open.last().and_then(|level| nodes.get_mut(level.node)) {
        parent.length += octets;
    }
}

fn add_length(nodes: &mut [Node], open: &[Open]) {
    let Some(octets) = nodes.last().map(encoded_length) else {
        return;
    };
    if let Some(parent) = open.last().and_then(|level| nodes.get_mut(level.node)) {
        parent.length += octets;
    }
}

fn encoded_length(node: &Node) -> usize {
    match node.role {
        Role::InnerString | Role::Piece => node.length,
        Role::Constructed | Role::Primitive | Role::String => {
            node.length + header_length(node.length)
        }
    }
}

/// Whether `octets` are one element that is to stay as it is, as nearly all that comes; `false` says
/// nothing.
fn is_der(octets: &[u8], strings: Strings, limits: &Limits) -> bool {
    let mut whole = Reader::new(octets);
    if whole.element().is_err() || !whole.is_empty() {
        return false;
    }
    let mut open = vec![Reader::new(octets)];
    while let Some(level) = open.last_mut() {
        match level.next() {
            None => {
                open.pop();
            }
            Some(Ok(element)) if element.tag & tag::CONSTRUCTED == 0 => {}
            Some(Ok(element)) => {
                let content = element.content_range().start;
                let (_, role) = role_of(octets, (element.tag, content), false, strings);
                if role != Role::Constructed || open.len() > limits.asn1_depth {
                    return false;
                }
                open.push(element.reader());
            }
            Some(Err(_)) => return false,
        }
    }
    true
}

/// Whether any element of `octets` has an indefinite length.
pub(super) fn has_indefinite(
    octets: &[u8],
    limits: &Limits,
    field: &'static str,
) -> Result<bool, CmsError> {
    let mut ends: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        while ends.last() == Some(&at) {
            ends.pop();
        }
        let bound = ends.last().copied().unwrap_or(octets.len());
        // What does not parse as BER (a certificate may hold anything) is left to its own reader.
        let Ok((tag, content, end)) = slice_header(octets, at, bound, field) else {
            return Ok(false);
        };
        let Some(end) = end else { return Ok(true) };
        if tag & tag::CONSTRUCTED == 0 {
            at = end;
        } else {
            ends.push(end);
            LimitError::check("depth of ASN.1", ends.len(), limits.asn1_depth)?;
            at = content;
        }
    }
    Ok(false)
}

/// Tag, start of the content, its end where it is said.
fn slice_header(
    octets: &[u8],
    at: usize,
    bound: usize,
    field: &'static str,
) -> Result<(u8, usize, Option<usize>), CmsError> {
    let rest = octets.get(at..bound).unwrap_or_default();
    let (tag, size, length) =
        parse_header(rest).map_err(|reason| CmsError::field(field, reason))?;
    let content = at + usize::try_from(size).unwrap_or(LONGEST_HEADER);
    let end = match length {
        None => None,
        Some(length) => {
            let length = usize::try_from(length).ok();
            let end = length
                .and_then(|length| content.checked_add(length))
                .filter(|end| *end <= bound);
            Some(end.ok_or_else(|| {
                CmsError::field(field, "a length reaches past the end of what holds it")
            })?)
        }
    };
    Ok((tag, content, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn der(ber: &str, strings: Strings) -> Result<Vec<u8>, CmsError> {
        to_der(hex(ber), strings, &Limits::default(), "test")
    }

    #[test]
    fn small_parts_become_der() {
        for (ber, want) in [
            ("30 80 02 01 05 00 00", "30 03 02 01 05"),
            ("30 82 00 03 02 01 05", "30 03 02 01 05"),
            (
                "24 80 04 01 aa 24 80 04 01 bb 00 00 04 00 00 00",
                "04 02 aa bb",
            ),
            ("30 07 24 05 04 01 aa 04 00", "30 03 04 01 aa"),
            (
                "30 80 30 80 05 00 00 00 31 80 00 00 00 00",
                "30 06 30 02 05 00 31 00",
            ),
            ("05 00", "05 00"),
        ] {
            assert_eq!(der(ber, Strings::Universal).unwrap(), hex(want), "{ber}");
        }
    }

    #[test]
    fn a_key_identifier_in_pieces_is_joined_and_a_set_is_not() {
        let pieces = "30 08 a0 06 04 01 aa 04 01 bb";
        assert_eq!(
            der(pieces, Strings::KeyIdentifiers).unwrap(),
            hex("30 04 80 02 aa bb")
        );
        assert_eq!(der(pieces, Strings::Universal).unwrap(), hex(pieces));
        let deeper = "30 08 30 06 a0 04 04 02 aa bb";
        assert_eq!(der(deeper, Strings::KeyIdentifiers).unwrap(), hex(deeper));
        let attributes = "30 06 a0 04 30 02 05 00";
        assert_eq!(
            der(attributes, Strings::KeyIdentifiers).unwrap(),
            hex(attributes)
        );
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_refused() {
        for bad in [
            "30",
            "30 05 02 01",
            "30 80 02 01 05",
            "04 80 00 00",
            "1f 81 01 00",
            "30 ff 00",
            "30 89 01 01 01 01 01 01 01 01 01",
            "30 00 00",
            "24 03 02 01 05",
        ] {
            assert!(der(bad, Strings::Universal).is_err(), "{bad}");
        }
    }
}
