//! The tokens of a structured field body (RFC 5322 §3.2), one at a time.
//!
//! Linear, without recursion. Refuses control characters, line ends that are no folding, what is not
//! UTF-8 (RFC 6532 §3.1), and comments in which a careless reader would find an address.

use std::str;

use super::list::AddressError;
use super::list::AddressFault;

/// Comments within each other. RFC 5322 §3.2.2 has no maximum; one within one is seen.
const COMMENT_DEPTH: usize = 16;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A run of atext.
    Atom(&'a str),
    /// The end of the field body.
    End,
    /// A domain literal with its brackets.
    Literal(&'a str),
    /// A quoted string without its quoting.
    Quoted(String),
    /// One of the specials.
    Special(char),
}

/// A token and what stood before it.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// Where it starts in the field body, and where it ends.
    pub(super) start: usize,
    pub(super) end: usize,
    /// White space follows the token before at once.
    pub(super) spaced: bool,
    /// A comment stands between the token before and this one.
    pub(super) comment: bool,
}

impl Token<'_> {
    /// Nothing stands between the token before and this one.
    pub(super) fn touches(&self) -> bool {
        !self.spaced && !self.comment
    }

    pub(super) fn is(&self, special: char) -> bool {
        self.kind == Kind::Special(special)
    }
}

/// Gives the tokens of one field body.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The text of the comments that were passed since the caller last took it.
    pub(super) comment: String,
}

/// Whether `c` may stand in an atom (RFC 5322 §3.2.3, RFC 6532 §3.2).
pub(super) fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

impl<'a> Tokens<'a> {
    /// Reads `body`, the field body with its folding, and with its last line end or without.
    pub(super) fn new(body: &'a [u8]) -> Result<Self, AddressError> {
        let body = body
            .strip_suffix(b"\n")
            .map_or(body, |b| b.strip_suffix(b"\r").unwrap_or(b));
        let text = str::from_utf8(body)
            .map_err(|error| AddressError::new(error.valid_up_to(), AddressFault::NotUtf8))?;
        check_characters(text)?;
        Ok(Self {
            text,
            at: 0,
            comment: String::new(),
        })
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The next token; [`Kind::End`] again and again after the last.
    pub(super) fn next(&mut self) -> Result<Token<'a>, AddressError> {
        let (spaced, comment) = self.skip()?;
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let kind = match rest.chars().next() {
            None => Kind::End,
            Some('"') => self.quoted()?,
            Some('[') => self.literal(rest)?,
            Some(c) if is_atext(c) => {
                let end = rest.find(|c| !is_atext(c)).unwrap_or(rest.len());
                self.at += end;
                Kind::Atom(rest.get(..end).unwrap_or_default())
            }
            Some(c) => {
                self.at += c.len_utf8();
                Kind::Special(c)
            }
        };
        Ok(Token {
            kind,
            start,
            end: self.at,
            spaced,
            comment,
        })
    }

    /// Skips white space and comments. Says whether white space came first, and whether there was a comment.
    fn skip(&mut self) -> Result<(bool, bool), AddressError> {
        let bytes = self.text.as_bytes();
        let spaced = bytes.get(self.at).is_some_and(|b| is_space(*b));
        let mut comment = false;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b if is_space(*b) => self.at += 1,
                b'(' => {
                    comment = true;
                    self.skip_comment()?;
                }
                _ => break,
            }
        }
        Ok((spaced, comment))
    }

    /// Skips one comment, those within it too (RFC 5322 §3.2.2).
    fn skip_comment(&mut self) -> Result<(), AddressError> {
        let start = self.at;
        let mut depth = 0_usize;
        let mut quoted = false;
        if !self.comment.is_empty() {
            self.comment.push(' ');
        }
        for (at, c) in self.text.get(start..).unwrap_or_default().char_indices() {
            let fault = match c {
                // A reader that does not know comments would take what is in it for an address.
                '@' | '<' | '>' => Some(AddressFault::AddressInComment),
                '(' if !quoted && depth >= COMMENT_DEPTH => Some(AddressFault::CommentDepth),
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(AddressError::new(start + at, fault));
            }
            match c {
                _ if quoted => quoted = false,
                '\\' => {
                    quoted = true;
                    continue;
                }
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                self.at = start + at + 1;
                return Ok(());
            }
            if at > 0 && !matches!(c, '\r' | '\n') {
                self.comment.push(c);
            }
        }
        Err(AddressError::new(start, AddressFault::Unclosed('(')))
    }

    /// A quoted string (RFC 5322 §3.2.4); line ends of folding within it are not part of it.
    fn quoted(&mut self) -> Result<Kind<'a>, AddressError> {
        let start = self.at;
        let mut value = String::new();
        let mut chars = self
            .text
            .get(start + 1..)
            .unwrap_or_default()
            .char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + at + 1;
                    return Ok(Kind::Quoted(value));
                }
                '\\' => match chars.next() {
                    // A quoted line end is folding to one reader and text to the next.
                    Some((_, '\r' | '\n')) | None => break,
                    Some((_, c)) => value.push(c),
                },
                '\r' | '\n' => {}
                _ => value.push(c),
            }
        }
        Err(AddressError::new(start, AddressFault::Unclosed('"')))
    }

    /// A domain literal; departs from RFC 5322 §3.4.1: no folding and no quoting within it.
    fn literal(&mut self, rest: &'a str) -> Result<Kind<'a>, AddressError> {
        let dtext = |c: char| c.is_ascii_graphic() && !matches!(c, '[' | ']' | '\\');
        let inner = rest.get(1..).unwrap_or_default();
        let end = inner
            .find(|c| !dtext(c))
            .filter(|end| inner.get(*end..).is_some_and(|r| r.starts_with(']')));
        let Some(end) = end else {
            return Err(AddressError::new(self.at, AddressFault::Unclosed('[')));
        };
        self.at += end + 2;
        Ok(Kind::Literal(rest.get(..end + 2).unwrap_or_default()))
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Controls are read in as many ways as there are readers; line ends must be folding (RFC 5322 §2.2.3).
fn check_characters(text: &str) -> Result<(), AddressError> {
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let next = |n: usize| bytes.get(at + n).copied();
        let allowed = match c {
            '\t' => true,
            '\r' => next(1) == Some(b'\n'),
            '\n' => matches!(next(1), Some(b' ' | b'\t')),
            _ => !c.is_control(),
        };
        if !allowed {
            return Err(AddressError::new(at, AddressFault::Control));
        }
    }
    Ok(())
}
