//! Replies of a server (RFC 5321 §4.2), read from octets that come in any pieces.
//!
//! Bounded in lines and in their length. A bare CR or LF, a missing code, and codes that differ within
//! one reply are errors: what two readers could read as two replies is none.

use std::fmt;

use crate::limits::LimitError;

/// Octets of one line with its CRLF. RFC 5321 §4.5.3.1.5 gives 512; servers write links and policies.
pub const LINE_OCTETS: usize = 2048;

/// Lines of one reply. No specification gives a maximum; EHLO of a large server has some 20.
pub const LINES: usize = 100;

/// Characters of a reply that an error and a report quote.
const QUOTED: usize = 400;

/// A complete reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    code: u16,
    /// The text of each line, printable ASCII.
    lines: Vec<String>,
}

impl ServerReply {
    /// The three digits of the reply code, 200 to 599.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Whether it is of the class 2: done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether it is of the class 4: try again later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Whether it is of the class 5: do not try again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// The text of each line, printable ASCII; `?` stands for every other character.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The enhanced status code with which the text begins, if its class is that of the reply code
    /// (RFC 2034 §4).
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        let word = self.lines.first()?.split(' ').next()?;
        let numbers: Vec<&str> = word.split('.').collect();
        let number = |text: &&str| {
            (1..=3).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
        };
        let class = numbers.first()?.parse::<u16>().ok()?;
        let valid = numbers.len() == 3 && numbers.iter().all(number) && class == self.code / 100;
        valid.then_some(word)
    }

    /// The same with no more text than is quoted: what is kept of a reply for long.
    #[must_use]
    pub(super) fn shortened(self) -> Self {
        let text: String = self.lines.join(" ").chars().take(QUOTED).collect();
        Self {
            code: self.code,
            lines: vec![text],
        }
    }
}

impl fmt::Display for ServerReply {
    /// On one line, printable ASCII, at most 404 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        let words = self.lines.iter().filter(|line| !line.is_empty());
        let mut left = QUOTED;
        for line in words {
            let text: String = line.chars().take(left).collect();
            left -= text.len().min(left);
            if !text.is_empty() {
                write!(f, " {text}")?;
            }
        }
        Ok(())
    }
}

/// Why octets are no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A CR or LF that stands alone (RFC 5321 §2.3.8).
    #[error("reply line {0:?} has a CR or LF that stands alone")]
    BareLineEnd(String),
    /// A line that does not begin with a reply code and a blank or hyphen.
    #[error("reply line {0:?} has no reply code")]
    Code(String),
    /// Two lines of one reply with different codes (RFC 5321 §4.2.1).
    #[error("reply began with code {first} and went on with {then}")]
    Codes {
        /// The code of the first line.
        first: u16,
        /// The code that differs.
        then: u16,
    },
    /// Too long, or too many lines.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Reads replies out of octets. Holds no more than one line beyond what was given last.
#[derive(Debug)]
pub struct ReplyReader {
    /// Lines of one reply.
    most_lines: usize,
    octets: Vec<u8>,
    /// The lines of a reply that is not complete, with its code.
    begun: Option<(u16, Vec<String>)>,
}

impl Default for ReplyReader {
    /// A reader of replies of at most [`LINES`] lines.
    fn default() -> Self {
        Self::bounded(LINES)
    }
}

impl ReplyReader {
    /// A reader of replies of at most so many lines.
    #[must_use]
    pub const fn bounded(most_lines: usize) -> Self {
        Self {
            most_lines,
            octets: Vec::new(),
            begun: None,
        }
    }

    /// Takes what the server sent.
    pub fn handle_octets(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next complete reply; `None` until more octets have come.
    pub fn next_reply(&mut self) -> Result<Option<ServerReply>, ReplyError> {
        while let Some(line) = self.next_line()? {
            let (code, last, text) = parsed(&line)?;
            let (first, lines) = self.begun.get_or_insert_with(|| (code, Vec::new()));
            if *first != code {
                let (first, then) = (*first, code);
                return Err(ReplyError::Codes { first, then });
            }
            let asked = lines.len() + 1;
            LimitError::check("number of lines in a reply", asked, self.most_lines)?;
            lines.push(text);
            if last {
                let complete = self.begun.take();
                return Ok(complete.map(|(code, lines)| ServerReply { code, lines }));
            }
        }
        Ok(None)
    }

    /// Whether nothing is left over, not even a part of a reply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.begun.is_none()
    }

    /// The next line without its CRLF.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReplyError> {
        let found = memchr::memchr(b'\n', &self.octets);
        let asked = found.map_or(self.octets.len(), |at| at + 1);
        LimitError::check("number of octets in a reply line", asked, LINE_OCTETS)?;
        let Some(end) = found else {
            return Ok(None);
        };
        let mut line: Vec<u8> = self.octets.drain(..=end).collect();
        line.pop();
        if line.pop() != Some(b'\r') || line.contains(&b'\r') {
            return Err(ReplyError::BareLineEnd(quoted(&line)));
        }
        Ok(Some(line))
    }
}

/// The code of a line, whether it is the last of its reply, and its text.
fn parsed(line: &[u8]) -> Result<(u16, bool, String), ReplyError> {
    let wrong = || ReplyError::Code(quoted(line));
    let (digits, rest) = line.split_at_checked(3).ok_or_else(wrong)?;
    let code = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u16>().ok())
        // Departs from RFC 5321 §4.2, whose second digit is at most 5: 571 is in use.
        .filter(|code| (200..600).contains(code))
        .ok_or_else(wrong)?;
    match rest.split_first() {
        // The code alone is a whole line (RFC 5321 §4.2.1).
        None => Ok((code, true, String::new())),
        Some((b' ', text)) => Ok((code, true, printable(text))),
        Some((b'-', text)) => Ok((code, false, printable(text))),
        Some(_) => Err(wrong()),
    }
}

/// As much of a wrong line as an error quotes.
fn quoted(line: &[u8]) -> String {
    printable(line).chars().take(QUOTED).collect()
}

fn printable(octets: &[u8]) -> String {
    let shown = |octet: &u8| {
        if *octet == b' ' || octet.is_ascii_graphic() {
            char::from(*octet)
        } else {
            '?'
        }
    };
    octets.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<ServerReply>, ReplyError> {
        let mut reader = ReplyReader::default();
        reader.handle_octets(octets);
        reader.next_reply()
    }

    fn reply(octets: &[u8]) -> ServerReply {
        read(octets).unwrap().unwrap()
    }

    #[test]
    fn a_reply_of_many_lines_reads_the_same_wherever_it_is_split() {
        let octets = b"250-mx.b.example\r\n250-SIZE 10\r\n250-\r\n250\r\n";
        let whole = reply(octets);
        assert_eq!(whole.code(), 250);
        assert_eq!(whole.lines(), ["mx.b.example", "SIZE 10", "", ""]);
        for at in 0..octets.len() {
            let mut reader = ReplyReader::default();
            reader.handle_octets(&octets[..at]);
            assert_eq!(reader.next_reply(), Ok(None), "{at}");
            assert_eq!(reader.is_empty(), at == 0, "{at}");
            reader.handle_octets(&octets[at..]);
            assert_eq!(reader.next_reply(), Ok(Some(whole.clone())), "{at}");
            assert!(reader.is_empty());
        }
        let mut reader = ReplyReader::default();
        for octet in octets {
            assert_eq!(reader.next_reply(), Ok(None));
            reader.handle_octets(&[*octet]);
        }
        assert_eq!(reader.next_reply(), Ok(Some(whole)));
    }

    #[test]
    fn replies_that_come_together_are_read_one_by_one() {
        let mut reader = ReplyReader::default();
        reader.handle_octets(b"250 a\r\n550 b\r\n35");
        assert_eq!(reader.next_reply().unwrap().unwrap().code(), 250);
        assert_eq!(reader.next_reply().unwrap().unwrap().code(), 550);
        assert_eq!(reader.next_reply(), Ok(None));
        assert!(!reader.is_empty());
    }

    #[test]
    fn lines_without_a_code_are_refused() {
        for line in [
            "", "ok", "25", "2500 ok", "250_ok", "199 ok", "600 x", "+50 x", " 250 x",
        ] {
            let octets = format!("{line}\r\n");
            assert!(
                matches!(read(octets.as_bytes()), Err(ReplyError::Code(_))),
                "{line:?}"
            );
        }
        let mixed = read(b"250-a\r\n550 b\r\n").unwrap_err();
        assert_eq!(
            mixed.to_string(),
            "reply began with code 250 and went on with 550"
        );
    }

    #[test]
    fn line_ends_other_than_crlf_are_refused() {
        for octets in [&b"250 ok\n"[..], b"250 o\rk\r\n", b"250 ok\r\r\n", b"\n"] {
            let error = read(octets).unwrap_err();
            assert!(matches!(error, ReplyError::BareLineEnd(_)), "{error}");
        }
    }

    #[test]
    fn an_endless_line_is_refused_before_it_ends() {
        let mut reader = ReplyReader::default();
        reader.handle_octets(&[b'2'; LINE_OCTETS]);
        assert_eq!(reader.next_reply(), Ok(None));
        reader.handle_octets(b"2");
        let error = reader.next_reply().unwrap_err();
        assert_eq!(
            error.to_string(),
            "number of octets in a reply line is 2049, more than the limit of 2048"
        );
    }

    #[test]
    fn a_thousand_lines_are_refused() {
        let octets = b"250-more\r\n".repeat(1000);
        let error = read(&octets).unwrap_err();
        assert_eq!(
            error.to_string(),
            "number of lines in a reply is 101, more than the limit of 100"
        );
        let most = [b"250-more\r\n".repeat(LINES - 1), b"250 last\r\n".to_vec()].concat();
        assert_eq!(reply(&most).lines().len(), LINES);
    }

    #[test]
    fn what_is_quoted_is_printable_and_short() {
        let odd = reply(b"550-5.1.1 no\x1b[2J\xc3\xa9\r\n550 \0such user\r\n");
        assert_eq!(odd.to_string(), "550 5.1.1 no?[2J?? ?such user");
        let long = [b"550 ".to_vec(), vec![b'x'; 2000], b"\r\n".to_vec()].concat();
        assert_eq!(reply(&long).to_string().len(), 404);
        assert_eq!(reply(&long).shortened().lines()[0].len(), 400);
        assert_eq!(reply(b"250\r\n").to_string(), "250");
    }

    #[test]
    fn an_enhanced_status_code_has_the_class_of_the_reply() {
        assert_eq!(reply(b"550 5.1.1 no\r\n").status(), Some("5.1.1"));
        for none in [
            "550 no",
            "550 2.1.1 no",
            "550 5.1 no",
            "550 5.1.1.1 x",
            "550 5.1.1234 x",
            "550",
        ] {
            assert_eq!(
                reply(format!("{none}\r\n").as_bytes()).status(),
                None,
                "{none}"
            );
        }
    }
}
