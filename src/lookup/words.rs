//! What servers say, made fit for an error: short, on one line, and nothing in it that is more than a character.

use std::error::Error;
use std::fmt::Write as _;

/// Octets of an error with all that it quotes: a sentence of ours, and a reply of some lines.
const MOST: usize = 700;

/// The error with its sources, as far as it is short. What a server has said may stand in each of them, a certificate's
/// names for instance, of which there may be thousands.
pub(super) fn chain(error: &dyn Error) -> String {
    printable(&crate::gateway::judge::chain(error), MOST)
}

/// The beginning of a text, in no more than `most` octets, where what is left out is told. What could end a line, move a
/// cursor or turn the direction of reading is escaped.
pub(super) fn printable(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, character) in text.char_indices() {
        let before = shown.len();
        if is_plain(character) {
            shown.push(character);
        } else {
            // A String takes everything.
            let _ = write!(shown, "{}", character.escape_unicode());
        }
        if shown.len() > most {
            shown.truncate(before);
            let _ = write!(shown, ".. ({} octets more)", text.len() - at);
            break;
        }
    }
    shown
}

/// Whether a character neither ends a line, nor moves a cursor, nor turns the direction of reading.
pub(super) fn is_plain(character: char) -> bool {
    let reorders = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !character.is_control() && !reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_stays_on_its_line_and_ends() {
        let hostile = "550 no\r\n2026 error: all is lost\x1b[2J\u{202e}txt";
        assert_eq!(
            printable(hostile, 200),
            "550 no\\u{d}\\u{a}2026 error: all is lost\\u{1b}[2J\\u{202e}txt"
        );
        assert_eq!(printable("für Bob", 8), "für Bob");
        assert_eq!(printable("für Bob", 5), "für .. (3 octets more)");
        // Never half of an escape.
        assert_eq!(printable("ab\x1bc", 4), "ab.. (2 octets more)");
        let long = std::io::Error::other("x".repeat(100_000));
        assert!(chain(&long).len() < MOST + 40);
    }
}
