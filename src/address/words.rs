//! Encoded words (RFC 2047) in a display name, decoded for people and for comparison with addresses.
//!
//! Lenient on purpose: what some mail reader would decode is decoded here, so that nothing hides.

use mail_parser::decoders::charsets::map::charset_decoder;

/// Octets of one encoded word that are looked at. RFC 2047 §2 says 75; readers allow more.
const WORD_OCTETS: usize = 1000;

/// `text` with every encoded word replaced by what it encodes. White space between two encoded
/// words is dropped (RFC 2047 §6.2); what does not decode stays as it is.
#[must_use]
pub fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, candidate) = rest.split_at(start);
        if !(after_word && before.chars().all(char::is_whitespace)) {
            decoded.push_str(before);
        }
        if let Some((word, end)) = decode_word(candidate) {
            decoded.push_str(&word);
            rest = candidate.get(end..).unwrap_or_default();
            after_word = true;
        } else {
            decoded.push_str("=?");
            rest = candidate.get(2..).unwrap_or_default();
            after_word = false;
        }
    }
    decoded.push_str(rest);
    decoded
}

/// The encoded word at the start of `text`, and how many octets it takes.
fn decode_word(text: &str) -> Option<(String, usize)> {
    let mut end = text.len().min(WORD_OCTETS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let inner = text.get(2..end)?;
    let mut fields = inner.splitn(3, '?');
    let (charset, encoding, tail) = (fields.next()?, fields.next()?, fields.next()?);
    let encoded = tail.get(..tail.find("?=")?)?;
    let octets = match encoding {
        "B" | "b" => base64(encoded),
        "Q" | "q" => q_encoding(encoded.as_bytes()),
        _ => return None,
    };
    // RFC 2231 §5: the language stands after an asterisk.
    let charset = charset.split('*').next().filter(|name| !name.is_empty())?;
    let word = match charset_decoder(charset.as_bytes()) {
        Some(decoder) => decoder(&octets),
        None => String::from_utf8_lossy(&octets).into_owned(),
    };
    // `=?` charset `?` encoding `?` text `?=`
    let length = 2 + (inner.len() - tail.len()) + encoded.len() + 2;
    Some((word, length))
}

/// Whatever can be read; stops at the first character that is no base64.
fn base64(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    let mut octets = Vec::with_capacity(digits.len());
    for quantum in digits.chunks(4) {
        let value = quantum
            .iter()
            .fold(0_u32, |value, digit| value << 6 | digit_value(*digit));
        let [_, one, two, three] = (value
            << (6 * (4_u32.saturating_sub(u32::try_from(quantum.len()).unwrap_or(4)))))
        .to_be_bytes();
        octets.extend(
            [one, two, three]
                .iter()
                .take(quantum.len().saturating_sub(1)),
        );
    }
    octets
}

fn digit_value(digit: u8) -> u32 {
    u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        _ => 63,
    })
}

/// RFC 2047 §4.2.
fn q_encoding(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'=', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                octets.push(hex_value(*high) << 4 | hex_value(*low));
                rest = after;
            }
            (b'_', _) => octets.push(b' '),
            (byte, _) => octets.push(*byte),
        }
    }
    octets
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_decode_as_in_rfc_2047() {
        for (text, decoded) in [
            ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
            ("=?ISO-8859-1?Q?a?=  \r\n =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?= c", "a b c"),
            ("=?utf-8?B?Y2VvQGEuZXhhbXBsZQ==?=", "ceo@a.example"),
            ("=?utf-8*en?b?Y2VvQGEuZXhhbXBsZQ?=", "ceo@a.example"),
            ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
            ("=?=?=?=?", "=?=?=?=?"),
            ("a =? b", "a =? b"),
        ] {
            assert_eq!(decode(text), decoded, "{text:?}");
        }
    }
}
