//! Places in a condition as places in its file: a string of TOML is not what it stands for.

use std::iter::Peekable;
use std::iter::Skip;
use std::str::CharIndices;

/// The octet where line and column, both from 1, lie in `text`.
pub(super) fn offset_of(text: &str, (line, column): (isize, isize)) -> usize {
    let before = usize::try_from(line - 1).unwrap_or_default();
    let columns = usize::try_from(column - 1).unwrap_or_default();
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + character_offset(rest, columns)
}

/// The octet where character `index` of `text` begins; its end when it has fewer.
pub(super) fn character_offset(text: &str, index: usize) -> usize {
    text.char_indices()
        .nth(index)
        .map_or(text.len(), |(offset, _)| offset)
}

/// The octet of `raw`, a string as TOML writes it, where octet `offset` of `text`, which it stands
/// for, is written.
pub(super) fn raw_offset(raw: &str, text: &str, offset: usize) -> usize {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let open = quotes.iter().find(|open| raw.starts_with(**open));
    let open = open.copied().unwrap_or_default();
    let mut written = Written {
        characters: raw.char_indices().skip(open.len()).peekable(),
        escapes: open.starts_with('"'),
    };
    // A line end right after the quotes of several lines is no part of the text.
    if open.len() == 3 {
        let _ = written.characters.next_if(|(_, c)| *c == '\r');
        let _ = written.characters.next_if(|(_, c)| *c == '\n');
    }
    let wanted = text.get(..offset).unwrap_or(text);
    for character in wanted.chars() {
        written.step(character);
    }
    written.skip_continuation();
    written
        .characters
        .peek()
        .map_or(raw.len(), |(offset, _)| *offset)
}

/// What is left of a string as it is written.
struct Written<'a> {
    characters: Peekable<Skip<CharIndices<'a>>>,
    /// Whether a backslash begins an escape (TOML 1.1, "String").
    escapes: bool,
}

impl Written<'_> {
    /// Goes over what is written for one character of the text.
    fn step(&mut self, character: char) {
        self.skip_continuation();
        match self.characters.next() {
            Some((_, '\\')) if self.escapes => {
                let digits = match self.characters.next() {
                    Some((_, 'x')) => 2,
                    Some((_, 'u')) => 4,
                    Some((_, 'U')) => 8,
                    _ => 0,
                };
                self.characters.by_ref().take(digits).for_each(drop);
            }
            // A line end of two characters may be one in the text.
            Some((_, '\r')) if character == '\n' => {
                let _ = self.characters.next_if(|(_, c)| *c == '\n');
            }
            _ => {}
        }
    }

    /// Goes over a backslash at the end of a line, and the white space that it swallows.
    fn skip_continuation(&mut self) {
        while self.escapes {
            let mut ahead = self.characters.clone();
            let backslash = ahead.next().is_some_and(|(_, c)| c == '\\');
            if !backslash || !ahead.peek().is_some_and(|(_, c)| c.is_whitespace()) {
                return;
            }
            while ahead.next_if(|(_, c)| c.is_whitespace()).is_some() {}
            self.characters = ahead;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A string as TOML writes it, what it stands for, and a word that stands in both.
    #[rustfmt::skip]
    const STRINGS: &[(&str, &str, &str)] = &[
        (r#""a == HERE""#, "a == HERE", "HERE"),
        (r"'a == HERE'", "a == HERE", "HERE"),
        (r#""a == \"b\" HERE""#, "a == \"b\" HERE", "HERE"),
        (r#""\\ \t\u00e9\U0001F600 \x41 HERE""#, "\\ \t\u{e9}\u{1F600} A HERE", "HERE"),
        ("'''\na\nb HERE'''", "a\nb HERE", "HERE"),
        ("\"\"\"a \\\n   b HERE\"\"\"", "a b HERE", "HERE"),
        ("\"\"\"a \\\n\n   HERE\"\"\"", "a HERE", "HERE"),
        ("\"\"\"\r\na\r\nHERE\"\"\"", "a\nHERE", "HERE"),
        (r#"'''\d\\ HERE'''"#, r"\d\\ HERE", "HERE"),
    ];

    #[test]
    fn places_in_a_text_are_places_in_its_toml() {
        for (raw, text, word) in STRINGS {
            let offset = text.find(word).unwrap();
            assert_eq!(
                raw_offset(raw, text, offset),
                raw.find(word).unwrap(),
                "{raw}"
            );
        }
    }

    #[test]
    fn lines_and_columns_count_characters() {
        assert_eq!(offset_of("é b\nüc", (1, 3)), 3);
        assert_eq!(offset_of("é b\nüc", (2, 2)), 7);
        assert_eq!(offset_of("a", (7, 7)), 1);
        assert_eq!(offset_of("a", (-1, -1)), 0);
    }
}
