//! BER at the entrance (X.690 §8): elements of a view, and small parts turned into DER.
//!
//! Iterative and bounded. The content of a message is never copied here: a constructed OCTET STRING
//! becomes a [`View`] of its pieces. Tag numbers above 30 are refused, since CMS has none.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use crate::cms::error::CmsError;
use crate::cms::to_der::Strings;
use crate::cms::to_der::has_indefinite;
use crate::cms::to_der::to_der;
use crate::limits::LimitError;
use crate::limits::Limits;
use crate::octets::Octets;
use crate::octets::View;
use crate::tlv::tag;

/// One element, up to where its content begins.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Identifier octet.
    pub tag: u8,
    /// Where the identifier octet lies in the view.
    pub start: u64,
    /// Where the content begins.
    pub content: u64,
    /// Where the content ends, where that is said (definite form).
    pub end: Option<u64>,
}

impl Element {
    /// Whether it holds elements.
    #[must_use]
    pub fn is_constructed(&self) -> bool {
        self.tag & tag::CONSTRUCTED != 0
    }

    fn malformed(&self, field: &'static str, reason: &'static str) -> CmsError {
        CmsError::Malformed {
            field,
            offset: self.start,
            reason,
        }
    }
}

/// Walks the elements of one level of a layer; [`Cursor::enter`] goes down, [`Cursor::leave`] comes
/// up again.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    view: &'a View,
    limits: &'a Limits,
    at: u64,
    /// The end that is said; without one an end-of-contents marker ends the level.
    end: Option<u64>,
    /// What may not be passed in any case.
    bound: u64,
    depth: usize,
    /// Octets that were copied out of the layer, at all its levels.
    taken: Rc<Cell<u64>>,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `view`.
    #[must_use]
    pub fn new(view: &'a View, limits: &'a Limits) -> Self {
        let len = view.len();
        Self {
            view,
            limits,
            at: 0,
            end: Some(len),
            bound: len,
            depth: 0,
            taken: Rc::default(),
        }
    }

    /// The element that comes next, without going past it. `None` at the end of the level.
    pub fn peek(&self, field: &'static str) -> Result<Option<Element>, CmsError> {
        if self.end.is_some_and(|end| self.at >= end) {
            return Ok(None);
        }
        let element = header(self.view, self.at, self.bound, field)?;
        if self.end.is_none() && element.tag == 0 && element.end == Some(element.content) {
            return Ok(None);
        }
        Ok(Some(element))
    }

    /// The element that comes next, when its tag is `tag`.
    pub fn peek_tag(&self, tag: u8, field: &'static str) -> Result<Option<Element>, CmsError> {
        Ok(self.peek(field)?.filter(|element| element.tag == tag))
    }

    /// The element that comes next, which must be there and have the tag `tag`.
    pub fn expect(&self, tag: u8, field: &'static str) -> Result<Element, CmsError> {
        self.peek_tag(tag, field)?.ok_or(CmsError::Malformed {
            field,
            offset: self.at,
            reason: "another element stands in its place, or none",
        })
    }

    /// Goes down into `element`, which was peeked here.
    pub fn enter(&self, element: &Element, field: &'static str) -> Result<Self, CmsError> {
        if !element.is_constructed() {
            return Err(element.malformed(field, "it is primitive, but should hold elements"));
        }
        LimitError::check("depth of ASN.1", self.depth + 1, self.limits.asn1_depth)?;
        Ok(Self {
            view: self.view,
            limits: self.limits,
            at: element.content,
            end: element.end,
            bound: element.end.unwrap_or(self.bound),
            depth: self.depth + 1,
            taken: Rc::clone(&self.taken),
        })
    }

    /// Comes up from `inner`, which must have been read to its end.
    pub fn leave(&mut self, inner: &Self, field: &'static str) -> Result<(), CmsError> {
        if let Some(element) = inner.peek(field)? {
            return Err(element.malformed(field, "an element follows its last field"));
        }
        self.at = inner.end.unwrap_or(inner.at + END_OF_CONTENTS);
        Ok(())
    }

    /// Goes past `element`, which was peeked here; returns the range of all its octets.
    pub fn skip(&mut self, element: &Element, field: &'static str) -> Result<Range<u64>, CmsError> {
        self.at = self.end_of(element, field)?;
        Ok(element.start..self.at)
    }

    /// The DER of `element`, which was peeked here; goes past it.
    ///
    /// It counts for `limits.structure_octets`. `strings` says which context-specific tags are strings.
    pub fn take_der(
        &mut self,
        element: &Element,
        strings: Strings,
        field: &'static str,
    ) -> Result<Vec<u8>, CmsError> {
        let range = self.skip(element, field)?;
        let octets = self.read(range, field)?;
        to_der(octets, strings, self.limits, field)
    }

    /// The octets of a small element, which count for `limits.structure_octets`; goes past it.
    /// Definite lengths stay as they came.
    pub fn take_raw(
        &mut self,
        element: &Element,
        field: &'static str,
    ) -> Result<Vec<u8>, CmsError> {
        let range = self.skip(element, field)?;
        let octets = self.read(range, field)?;
        if has_indefinite(&octets, self.limits, field)? {
            return to_der(octets, Strings::Universal, self.limits, field);
        }
        Ok(octets)
    }

    /// The content of a string, primitive or constructed, as a view; goes past it.
    ///
    /// `element` may have any tag: what is inside a constructed one must be OCTET STRINGs
    /// (X.690 §8.7.3), down to `limits.asn1_depth`, in at most `limits.segments` pieces.
    pub fn take_string(
        &mut self,
        element: &Element,
        field: &'static str,
    ) -> Result<View, CmsError> {
        if !element.is_constructed() {
            let Some(end) = element.end else {
                return Err(element.malformed(field, "it is primitive without a length"));
            };
            self.at = end;
            return Ok(self.view.slice(element.content..end));
        }
        let mut pieces: Vec<Range<u64>> = Vec::new();
        // What bounds each level: its end where it is said.
        let mut levels: Vec<(Option<u64>, u64)> =
            vec![(element.end, element.end.unwrap_or(self.bound))];
        let mut at = element.content;
        while let Some((end, bound)) = levels.last().copied() {
            if end == Some(at) {
                levels.pop();
                continue;
            }
            let inner = header(self.view, at, bound, field)?;
            if end.is_none() && inner.tag == 0 && inner.end == Some(inner.content) {
                at = inner.content;
                levels.pop();
                continue;
            }
            match (inner.tag, inner.end) {
                (tag::OCTET_STRING, Some(inner_end)) => {
                    push_piece(&mut pieces, inner.content..inner_end);
                    LimitError::check(
                        "number of pieces of a string",
                        pieces.len(),
                        self.limits.segments,
                    )?;
                    at = inner_end;
                }
                (CONSTRUCTED_OCTET_STRING, inner_end) => {
                    levels.push((inner_end, inner_end.unwrap_or(bound)));
                    let depth = self.depth + levels.len();
                    LimitError::check("depth of ASN.1", depth, self.limits.asn1_depth)?;
                    at = inner.content;
                }
                _ => return Err(inner.malformed(field, "a piece of it is not an OCTET STRING")),
            }
        }
        self.at = at;
        Ok(self.view.join(pieces))
    }

    /// The content octets of an element whose length is said, whatever they are; goes past it.
    pub fn take_content(
        &mut self,
        element: &Element,
        field: &'static str,
    ) -> Result<View, CmsError> {
        let range = self.skip(element, field)?;
        Ok(self.view.slice(element.content..range.end))
    }

    /// Where the cursor stands.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Copies `range`, when all that was copied of this layer stays within
    /// `limits.structure_octets`: many elements cost as much as a large one.
    fn read(&self, range: Range<u64>, field: &'static str) -> Result<Vec<u8>, CmsError> {
        let limit = self.limits.structure_octets;
        let size = range.end - range.start;
        let asked = self.taken.get().saturating_add(size);
        let allowed = u64::try_from(limit).unwrap_or(u64::MAX);
        LimitError::check_wide("octets of one layer around its content", asked, allowed)?;
        self.taken.set(asked);
        let octets = self.view.slice(range).to_vec(limit)?;
        octets.ok_or_else(|| CmsError::field(field, "it is longer than it says"))
    }

    fn end_of(&self, element: &Element, field: &'static str) -> Result<u64, CmsError> {
        if let Some(end) = element.end {
            return Ok(end);
        }
        let mut open = 1_usize;
        let mut at = element.content;
        while open > 0 {
            let inner = header(self.view, at, self.bound, field)?;
            at = match inner.end {
                Some(end) => {
                    if inner.tag == 0 && end == inner.content {
                        open -= 1;
                    }
                    end
                }
                None => {
                    open += 1;
                    LimitError::check("depth of ASN.1", self.depth + open, self.limits.asn1_depth)?;
                    inner.content
                }
            };
        }
        Ok(at)
    }
}

const END_OF_CONTENTS: u64 = 2;
const CONSTRUCTED_OCTET_STRING: u8 = tag::OCTET_STRING | tag::CONSTRUCTED;
/// Identifier, length of length and eight octets of length.
pub(super) const LONGEST_HEADER: usize = 10;

fn header(view: &View, at: u64, bound: u64, field: &'static str) -> Result<Element, CmsError> {
    let mut buffer = [0; LONGEST_HEADER];
    let there = usize::try_from(bound.saturating_sub(at))
        .unwrap_or(LONGEST_HEADER)
        .min(LONGEST_HEADER);
    let octets = buffer.get_mut(..there).unwrap_or_default();
    view.read_at(at, octets)?;
    let malformed = |reason| CmsError::Malformed {
        field,
        offset: at,
        reason,
    };
    let (tag, size, length) = parse_header(octets).map_err(malformed)?;
    let content = at + size;
    let end = match length {
        None => None,
        Some(length) => {
            let end = content.checked_add(length).filter(|end| *end <= bound);
            Some(end.ok_or_else(|| malformed("its length reaches past the end of what holds it"))?)
        }
    };
    Ok(Element {
        tag,
        start: at,
        content,
        end,
    })
}

/// Tag, octets of header, and length where it is definite (X.690 §8.1.2, §8.1.3).
pub(super) fn parse_header(octets: &[u8]) -> Result<(u8, u64, Option<u64>), &'static str> {
    let [tag, first, rest @ ..] = octets else {
        return Err("it ends within a header");
    };
    if tag & 0x1f == 0x1f {
        return Err("its tag number is above 30");
    }
    match first {
        0x80 if tag & tag::CONSTRUCTED == 0 => Err("it is primitive without a length"),
        0x80 => Ok((*tag, 2, None)),
        0xff => Err("its length is of a reserved form"),
        0x81..=0xfe => {
            let count = usize::from(first & 0x7f);
            if count > 8 {
                return Err("its length is longer than eight octets");
            }
            let digits = rest.get(..count).ok_or("it ends within a header")?;
            let length = digits
                .iter()
                .fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit));
            let size = 2 + u64::try_from(count).unwrap_or(8);
            Ok((*tag, size, Some(length)))
        }
        _ => Ok((*tag, 2, Some(u64::from(*first)))),
    }
}

fn push_piece(pieces: &mut Vec<Range<u64>>, piece: Range<u64>) {
    if piece.start < piece.end {
        pieces.push(piece);
    }
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

    #[test]
    fn depth_is_bounded() {
        let deep: Vec<u8> = std::iter::repeat_n([0x30, 0x80], 100).flatten().collect();
        let error =
            to_der(deep.clone(), Strings::Universal, &Limits::default(), "test").unwrap_err();
        assert!(matches!(error, CmsError::Limit(_)), "{error}");
        let view = View::owned(deep);
        let limits = Limits::default();
        let mut cursor = Cursor::new(&view, &limits);
        let element = cursor.expect(tag::SEQUENCE, "test").unwrap();
        assert!(matches!(
            cursor.skip(&element, "test"),
            Err(CmsError::Limit(_))
        ));
    }

    #[test]
    fn the_content_of_a_string_in_pieces_is_one_view() {
        let view = View::owned(hex(
            "30 80 24 80 04 02 61 62 24 03 04 01 63 24 80 04 01 64 00 00 00 00 02 01 07 00 00",
        ));
        let limits = Limits::default();
        let mut top = Cursor::new(&view, &limits);
        let element = top.expect(tag::SEQUENCE, "outer").unwrap();
        let mut inner = top.enter(&element, "outer").unwrap();
        let string = inner.peek("string").unwrap().unwrap();
        let content = inner.take_string(&string, "string").unwrap();
        assert_eq!(content.to_vec(9).unwrap().unwrap(), b"abcd");
        let number = inner.expect(tag::INTEGER, "number").unwrap();
        assert_eq!(
            inner
                .take_der(&number, Strings::Universal, "number")
                .unwrap(),
            [2, 1, 7]
        );
        top.leave(&inner, "outer").unwrap();
        assert!(top.peek("end").unwrap().is_none());
    }

    #[test]
    fn more_pieces_than_allowed_are_refused() {
        let mut ber = vec![0x24, 0x80];
        for _ in 0..5 {
            ber.extend([4, 1, 0]);
        }
        ber.extend([0, 0]);
        let view = View::owned(ber);
        let limits = Limits {
            segments: 4,
            ..Limits::default()
        };
        let mut cursor = Cursor::new(&view, &limits);
        let element = cursor.peek("string").unwrap().unwrap();
        assert!(matches!(
            cursor.take_string(&element, "string"),
            Err(CmsError::Limit(_))
        ));
    }

    #[test]
    fn definite_lengths_stay_raw() {
        let long_form = hex("30 81 03 02 01 05");
        let view = View::owned(long_form.clone());
        let limits = Limits::default();
        let mut cursor = Cursor::new(&view, &limits);
        let element = cursor.expect(tag::SEQUENCE, "certificate").unwrap();
        assert_eq!(cursor.take_raw(&element, "certificate").unwrap(), long_form);
    }

    #[test]
    fn the_octets_of_a_layer_are_counted_together_at_all_levels() {
        let view = View::owned(hex("30 0e 04 02 61 62 30 04 04 02 63 64 04 02 65 66"));
        for (allowed, fits) in [(12, true), (11, false)] {
            let limits = Limits {
                structure_octets: allowed,
                ..Limits::default()
            };
            let top = Cursor::new(&view, &limits);
            let element = top.expect(tag::SEQUENCE, "outer").unwrap();
            let mut outer = top.enter(&element, "outer").unwrap();
            let take = |cursor: &mut Cursor<'_>| {
                let element = cursor.expect(tag::OCTET_STRING, "string").unwrap();
                cursor.take_der(&element, Strings::Universal, "string")
            };
            take(&mut outer).unwrap();
            let element = outer.expect(tag::SEQUENCE, "inner").unwrap();
            let mut inner = outer.enter(&element, "inner").unwrap();
            take(&mut inner).unwrap();
            outer.leave(&inner, "inner").unwrap();
            let last = take(&mut outer);
            assert_eq!(last.is_ok(), fits, "{last:?}");
            assert!(fits || matches!(last, Err(CmsError::Limit(_))), "{last:?}");
        }
    }
}
