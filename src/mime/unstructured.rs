//! Fields that we write from a text: encoded where it is not ASCII, folded, bounded, and with nothing
//! that could end the field (RFC 5322 §2.2, RFC 2047).

/// Columns of a line without its end (RFC 5322 §2.1.1).
pub(super) const COLUMNS: usize = 78;

/// Octets of text in one encoded word: 45 make 60 of base64, and the word has at most 75 (RFC 2047 §2).
const WORD_OCTETS: usize = 45;

/// Octets of a text that are written; more explains nothing.
const TEXT_OCTETS: usize = 800;

/// `text` as an unstructured field body of ASCII without line ends, at most 800 octets of it.
///
/// Control characters become spaces. What is not ASCII, and what looks like an encoded word, becomes
/// encoded words (RFC 2047 §5).
pub(super) fn encoded(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        if clean.len() + c.len_utf8() > TEXT_OCTETS {
            break;
        }
        clean.push(if c.is_control() { ' ' } else { c });
    }
    let clean = clean.trim_matches(' ');
    if clean.is_ascii() && !clean.contains("=?") {
        return clean.to_owned();
    }
    encoded_words(clean)
}

/// `text` as encoded words (RFC 2047 §4.1), each of whole characters.
pub(super) fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(WORD_OCTETS);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (word, after) = rest.split_at(end);
        let encoded = base64_simd::STANDARD.encode_to_string(word);
        words.push(format!("=?utf-8?B?{encoded}?="));
        rest = after;
    }
    words.join(" ")
}

/// The field of that name and `body`, which is ASCII without line ends, folded before spaces so that
/// lines stay within 78 columns where they can; with CRLF.
pub(super) fn folded(name: &str, body: &str) -> String {
    let mut field = format!("{name}:");
    let mut column = field.len();
    for word in body.split(' ').filter(|word| !word.is_empty()) {
        if column + 1 + word.len() > COLUMNS && column > name.len() + 1 {
            field.push_str("\r\n");
            column = 0;
        }
        field.push(' ');
        field.push_str(word);
        column += 1 + word.len();
    }
    field.push_str("\r\n");
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::words;

    #[test]
    fn a_text_stays_in_its_field_and_reads_as_before() {
        let text = "Unterschrift ung\u{fc}ltig \u{2014} ".repeat(9);
        let body = encoded(&text);
        assert!(body.is_ascii());
        assert!(body.split(' ').all(|word| word.len() <= 75), "{body}");
        assert_eq!(words::decode(&body), text.trim_end());
        assert_eq!(encoded("a\r\nBcc: x\0"), "a  Bcc: x");
        assert_eq!(encoded("plain"), "plain");
        assert_eq!(words::decode(&encoded("=?utf-8?Q?x?=")), "=?utf-8?Q?x?=");
        assert!(encoded(&"x".repeat(10_000)).len() <= TEXT_OCTETS);
        assert!(encoded(&"\u{1f512}".repeat(10_000)).len() < 2 * TEXT_OCTETS);
    }

    #[test]
    fn lines_are_folded_at_spaces() {
        let field = folded("Domsec-Warning", &"word ".repeat(40));
        assert!(field.lines().all(|line| line.len() <= COLUMNS));
        assert_eq!(
            field.replace("\r\n ", " ").trim_end().split(' ').count(),
            41
        );
        assert_eq!(folded("X", ""), "X:\r\n");
        let long = "y".repeat(100);
        assert_eq!(folded("X", &long), format!("X: {long}\r\n"));
    }
}
