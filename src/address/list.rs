//! The addresses of a From, Sender, Reply-To, To or Cc field (RFC 5322 §3.4, RFC 6854).
//!
//! Strict: whoever is shown a From must see the address that we bind a signature to. So what the
//! grammar allows and readers disagree on (routes, comments and white space inside an address,
//! quoted local parts with specials, encoded words in addresses) is refused, each with its name.

use super::Domain;
use super::DomainError;
use super::Mailbox;
use super::token::Kind;
use super::token::Token;
use super::token::Tokens;
use super::token::is_atext;
use super::words;

/// Addresses in one field. Postfix and others accept some thousand recipients for a message; a
/// header of 1 MiB could have 200,000.
const ADDRESSES: usize = 10_000;

/// One address of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The display name without quoting; encoded words (RFC 2047) stay as they are.
    pub display_name: Option<String>,
    /// The comments beside the address, which some readers show as its name.
    pub comment: Option<String>,
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Whether it is a member of a group.
    pub in_group: bool,
}

/// Reads address fields.
#[derive(Clone, Copy, Debug)]
pub struct AddressList;

/// Why a field body is no address list, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address list, octet {offset}: {fault}")]
pub struct AddressError {
    /// Octets of the field body before the fault.
    pub offset: usize,
    /// What is wrong.
    pub fault: AddressFault,
}

/// What is wrong with an address list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressFault {
    /// A comment with `@`, `<` or `>`.
    #[error("a comment holds what could be read as an address")]
    AddressInComment,
    /// A quoted display name with `<` and then `@`.
    #[error("a display name holds an address in angle brackets")]
    AddressInDisplayName,
    /// White space or a comment between the parts of an address (obsolete, RFC 5322 §4.4).
    #[error("white space or a comment stands inside an address")]
    BrokenAddress,
    /// Comments nested too deep.
    #[error("comments are nested too deep")]
    CommentDepth,
    /// A control character, or a line end that is no folding.
    #[error("a control character or a stray line end")]
    Control,
    /// The domain is not valid.
    #[error("{0}")]
    Domain(DomainError),
    /// No address and no group.
    #[error("there is no address")]
    Empty,
    /// An encoded word in an address (forbidden by RFC 2047 §5).
    #[error("an encoded word stands inside an address")]
    EncodedWord,
    /// A local part that readers read differently.
    #[error("local part is empty, malformed, or quotes characters with a meaning of their own")]
    LocalPart,
    /// A group in a group.
    #[error("a group stands inside a group")]
    NestedGroup,
    /// A display name, or other text, and no address to it.
    #[error("there is text without an address")]
    NoAddress,
    /// Neither ASCII nor UTF-8.
    #[error("octets are not UTF-8")]
    NotUtf8,
    /// A route before the address (obsolete, RFC 5322 §4.4): readers disagree which part counts.
    #[error("a source route stands before the address")]
    Route,
    /// Something follows an address that is neither comma nor end.
    #[error("text follows an address without a comma")]
    TextAfterAddress,
    /// More addresses than the limit.
    #[error("there are more than {ADDRESSES} addresses")]
    TooMany,
    /// A comment, quoted string, literal, angle bracket or group that does not end.
    #[error("{0:?} is not closed")]
    Unclosed(char),
    /// A special where none may be.
    #[error("{0:?} is out of place")]
    Unexpected(char),
}

impl AddressError {
    pub(super) fn new(offset: usize, fault: AddressFault) -> Self {
        Self { offset, fault }
    }
}

impl AddressList {
    /// Every address of `body`, in order: a field body with its folding, and with its last line
    /// end or without.
    ///
    /// Empty only when groups alone are there and they have no members. Empty members (`a@b, ,`,
    /// obsolete) are passed over. Fails at the first thing that readers could disagree on.
    pub fn parse(body: &[u8]) -> Result<Vec<Address>, AddressError> {
        Parser {
            tokens: Tokens::new(body)?,
            addresses: Vec::new(),
            in_group: false,
        }
        .list()
    }
}

impl Address {
    /// The display name as a reader shows it, with encoded words decoded.
    #[must_use]
    pub fn decoded_display_name(&self) -> Option<String> {
        self.display_name.as_deref().map(words::decode)
    }

    /// Whether the display name, or a comment, holds text that looks like an address and is not
    /// this one, encoded words decoded: `"ceo@a.example" <evil@b.example>`.
    #[must_use]
    pub fn display_name_looks_like_address(&self) -> bool {
        let own = self.mailbox.to_string();
        [&self.display_name, &self.comment]
            .into_iter()
            .flatten()
            .any(|text| {
                // Twice: some readers decode what decoding made.
                let once = words::decode(text);
                let twice = words::decode(&once);
                [once, twice]
                    .iter()
                    .any(|text| holds_other_address(text, &own))
            })
    }
}

/// Finds `x@y` in `text`, in whatever width and with blanks around the `@` where `y` has a dot.
fn holds_other_address(text: &str, own: &str) -> bool {
    let visible = |c: &char| !is_invisible(*c);
    let text: String = text
        .chars()
        .filter(visible)
        .map(|c| match c {
            // Full-width and small forms that look like it (Unicode NFKC).
            '\u{ff20}' | '\u{fe6b}' => '@',
            '\u{ff0e}' | '\u{3002}' | '\u{ff61}' | '\u{fe52}' => '.',
            c => c,
        })
        .collect();
    let edge = |c: char| c.is_whitespace() || "<>()[]\",;:'".contains(c);
    let mut pieces = text.split('@').peekable();
    while let (Some(before), Some(after)) = (pieces.next(), pieces.peek()) {
        let local = before.trim_end().rsplit(edge).next().unwrap_or_default();
        let domain = after.trim_start().split(edge).next().unwrap_or_default();
        let apart = before.ends_with(char::is_whitespace) || after.starts_with(char::is_whitespace);
        let is_address =
            !local.is_empty() && !domain.is_empty() && (!apart || domain.contains('.'));
        if is_address && !format!("{local}@{domain}").eq_ignore_ascii_case(own) {
            return true;
        }
    }
    false
}

/// Characters that take no room, or turn the order of others (Unicode UAX 9, UTR 36).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether `c` stays what it is whoever reads it: nothing invisible, no blank, no other width.
fn is_plain(c: char) -> bool {
    c.is_ascii()
        || !(is_invisible(c)
            || c.is_whitespace()
            || matches!(c, '\u{fe50}'..='\u{fe6f}' | '\u{ff00}'..='\u{ffef}' | '\u{2024}'..='\u{2026}' | '\u{3002}'))
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    addresses: Vec<Address>,
    in_group: bool,
}

impl<'a> Parser<'a> {
    /// obs-addr-list of RFC 5322 §4.4, which contains address-list of §3.4.
    fn list(mut self) -> Result<Vec<Address>, AddressError> {
        let mut groups = false;
        let mut group_start = 0;
        loop {
            let token = self.tokens.next()?;
            match &token.kind {
                Kind::End if self.in_group => {
                    return Err(AddressError::new(group_start, AddressFault::Unclosed(':')));
                }
                Kind::End if self.addresses.is_empty() && !groups => {
                    return Err(AddressError::new(token.start, AddressFault::Empty));
                }
                Kind::End => return Ok(self.addresses),
                Kind::Special(',') => {}
                Kind::Special(';') if self.in_group => self.end_of_group()?,
                Kind::Special(c) if *c != '<' => {
                    return Err(AddressError::new(token.start, AddressFault::Unexpected(*c)));
                }
                Kind::Literal(_) => {
                    return Err(AddressError::new(
                        token.start,
                        AddressFault::Unexpected('['),
                    ));
                }
                Kind::Special(_) | Kind::Atom(_) | Kind::Quoted(_) => {
                    group_start = token.start;
                    groups |= self.member(token)?;
                }
            }
        }
    }

    /// After `;` comes a comma or the end. The comma is an empty member to [`Parser::list`].
    fn end_of_group(&mut self) -> Result<(), AddressError> {
        self.in_group = false;
        self.tokens.comment.clear();
        let token = self.tokens.next()?;
        match token.kind {
            Kind::End | Kind::Special(',') => Ok(()),
            Kind::Atom(_) | Kind::Literal(_) | Kind::Quoted(_) | Kind::Special(_) => Err(
                AddressError::new(token.start, AddressFault::TextAfterAddress),
            ),
        }
    }

    /// A mailbox, or the name of a group up to its colon; the latter is `true`.
    fn member(&mut self, first: Token<'a>) -> Result<bool, AddressError> {
        let start = first.start;
        let mut name = Phrase::default();
        let mut token = first;
        loop {
            match token.kind {
                Kind::Special('<') => {
                    let mailbox = self.angle_address()?;
                    self.finish(name.display_name(start)?, mailbox)?;
                    return Ok(false);
                }
                Kind::Special('@') => {
                    let local = name.local_part(start, &token)?;
                    let mailbox = self.domain(local)?;
                    self.finish(None, mailbox)?;
                    return Ok(false);
                }
                Kind::Special(':') if self.in_group => {
                    return Err(AddressError::new(token.start, AddressFault::NestedGroup));
                }
                Kind::Special(':') => {
                    self.in_group = true;
                    self.tokens.comment.clear();
                    return Ok(true);
                }
                Kind::End | Kind::Special(',' | ';') => {
                    return Err(AddressError::new(start, AddressFault::NoAddress));
                }
                Kind::Literal(_) => {
                    return Err(AddressError::new(
                        token.start,
                        AddressFault::Unexpected('['),
                    ));
                }
                Kind::Special(c) if c != '.' => {
                    return Err(AddressError::new(token.start, AddressFault::Unexpected(c)));
                }
                Kind::Atom(_) | Kind::Quoted(_) | Kind::Special(_) => name.push(token),
            }
            token = self.tokens.next()?;
        }
    }

    /// What is between `<` and `>`: an address without comments, blanks at most at its ends.
    fn angle_address(&mut self) -> Result<Mailbox, AddressError> {
        let mut local = Phrase::default();
        let first = self.tokens.next()?;
        let start = first.start;
        if first.is('@') {
            return Err(AddressError::new(start, AddressFault::Route));
        }
        if first.comment {
            return Err(AddressError::new(start, AddressFault::BrokenAddress));
        }
        let mut token = Token {
            spaced: false,
            ..first
        };
        loop {
            match token.kind {
                Kind::Special('@') => break,
                Kind::Atom(_) | Kind::Quoted(_) | Kind::Special('.') => local.push(token),
                Kind::End => return Err(AddressError::new(start, AddressFault::Unclosed('<'))),
                Kind::Special('>') => {
                    return Err(AddressError::new(start, AddressFault::NoAddress));
                }
                Kind::Special(c) => {
                    return Err(AddressError::new(token.start, AddressFault::Unexpected(c)));
                }
                Kind::Literal(_) => {
                    return Err(AddressError::new(
                        token.start,
                        AddressFault::Unexpected('['),
                    ));
                }
            }
            token = self.tokens.next()?;
        }
        let local = local.local_part(start, &token)?;
        let mailbox = self.domain(local)?;
        let end = self.tokens.next()?;
        match end.kind {
            Kind::Special('>') if !end.comment => Ok(mailbox),
            Kind::End => Err(AddressError::new(start, AddressFault::Unclosed('<'))),
            Kind::Atom(_) | Kind::Literal(_) | Kind::Quoted(_) | Kind::Special(_) => {
                Err(AddressError::new(end.start, AddressFault::BrokenAddress))
            }
        }
    }

    /// The domain after `@`: atoms with single dots between them, or a literal, in one piece.
    fn domain(&mut self, local: String) -> Result<Mailbox, AddressError> {
        let first = self.tokens.next()?;
        let broken = |at: usize| AddressError::new(at, AddressFault::BrokenAddress);
        if !first.touches() {
            return Err(broken(first.start));
        }
        let mut end = first.end;
        match first.kind {
            Kind::Literal(_) => {}
            Kind::Atom(_) => {
                // A dot that follows belongs to the domain or is a fault, so one look ahead suffices.
                while self
                    .tokens
                    .text()
                    .get(end..)
                    .is_some_and(|rest| rest.starts_with('.'))
                {
                    self.tokens.next()?;
                    let label = self.tokens.next()?;
                    if !matches!(label.kind, Kind::Atom(_)) || !label.touches() {
                        return Err(broken(label.start));
                    }
                    end = label.end;
                }
            }
            Kind::End | Kind::Quoted(_) | Kind::Special(_) => return Err(broken(first.start)),
        }
        let text = self.tokens.text().get(first.start..end).unwrap_or_default();
        let wrong = |fault| AddressError::new(first.start, fault);
        let domain = Domain::parse(text).map_err(|error| wrong(AddressFault::Domain(error)))?;
        Mailbox::new(local, domain).map_err(|_| wrong(AddressFault::LocalPart))
    }

    /// Adds an address, once what follows it is seen to end it.
    fn finish(
        &mut self,
        display_name: Option<String>,
        mailbox: Mailbox,
    ) -> Result<(), AddressError> {
        if self.addresses.len() >= ADDRESSES {
            return Err(AddressError::new(
                self.tokens.text().len(),
                AddressFault::TooMany,
            ));
        }
        let token = self.tokens.next()?;
        let ends_group = self.in_group && token.is(';');
        if !(ends_group || token.is(',') || token.kind == Kind::End) {
            return Err(AddressError::new(
                token.start,
                AddressFault::TextAfterAddress,
            ));
        }
        // `a@b.example(x)`: the comment is part of the domain to a reader that knows none.
        if token.comment && !token.spaced {
            return Err(AddressError::new(token.start, AddressFault::BrokenAddress));
        }
        let comment =
            Some(std::mem::take(&mut self.tokens.comment)).filter(|text| !text.is_empty());
        let in_group = self.in_group;
        self.addresses.push(Address {
            display_name,
            comment,
            mailbox,
            in_group,
        });
        if ends_group {
            self.end_of_group()?;
        }
        Ok(())
    }
}

/// The words before `<`, `@` or `:`.
#[derive(Default)]
struct Phrase {
    text: String,
    words: usize,
    quoted: bool,
    /// White space or a comment stands somewhere before or between the words.
    gap: bool,
    comment_first: bool,
    /// A quoted string has `<` and then `@`.
    holds_address: bool,
}

impl Phrase {
    fn push(&mut self, token: Token<'_>) {
        if self.words > 0 && !token.touches() {
            self.gap = true;
            self.text.push(' ');
        }
        self.comment_first |= self.words == 0 && token.comment;
        self.words += 1;
        match token.kind {
            Kind::Atom(text) | Kind::Literal(text) => self.text.push_str(text),
            Kind::Quoted(text) => {
                self.quoted = true;
                self.holds_address |= text
                    .split_once('<')
                    .is_some_and(|(_, rest)| rest.contains('@'));
                self.text.push_str(&text);
            }
            Kind::Special(c) => self.text.push(c),
            Kind::End => {}
        }
    }

    fn display_name(self, start: usize) -> Result<Option<String>, AddressError> {
        if self.holds_address {
            // A reader that looks for the first angle bracket takes it for the address.
            return Err(AddressError::new(start, AddressFault::AddressInDisplayName));
        }
        Ok(Some(self.text).filter(|text| !text.is_empty()))
    }

    /// The phrase as local part before `at`: one quoted string, or atoms with single dots between.
    fn local_part(self, start: usize, at: &Token<'_>) -> Result<String, AddressError> {
        if self.gap || self.comment_first || !at.touches() {
            return Err(AddressError::new(start, AddressFault::BrokenAddress));
        }
        if self.text.contains("=?") {
            return Err(AddressError::new(start, AddressFault::EncodedWord));
        }
        let plain = self
            .text
            .chars()
            .all(|c| (is_atext(c) || c == '.') && is_plain(c));
        let dots = self.text.split('.').any(str::is_empty);
        let shape = if self.quoted { self.words == 1 } else { !dots };
        // What is quoted may only need it for its dots: `"a@b"@c` and the like deceive readers.
        if self.text.is_empty() || !plain || !shape {
            return Err(AddressError::new(start, AddressFault::LocalPart));
        }
        Ok(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailboxes(body: &str) -> Vec<String> {
        AddressList::parse(body.as_bytes())
            .unwrap_or_else(|error| panic!("{body:?}: {error}"))
            .iter()
            .map(|address| address.mailbox.to_string())
            .collect()
    }

    fn fault(body: &[u8]) -> AddressFault {
        match AddressList::parse(body) {
            Ok(addresses) => panic!("{:?} reads as {addresses:?}", String::from_utf8_lossy(body)),
            Err(error) => error.fault,
        }
    }

    #[test]
    fn lists_of_rfc_5322_are_read() {
        #[rustfmt::skip]
        let lists: &[(&str, &[&str])] = &[
            (" john.q@example.com\r\n", &["john.q@example.com"]),
            ("Joe Q. Public <john.q.public@example.com>", &["john.q.public@example.com"]),
            ("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>", &["mary@x.test", "jdoe@example.org", "one@y.test"]),
            ("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>", &["boss@nil.test", "sysservices@example.net"]),
            ("A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;", &["joe@where.test", "jdoe@one.test"]),
            ("Undisclosed recipients:;", &[]),
            ("a@b.example, , c@d.example,", &["a@b.example", "c@d.example"]),
            ("Pete(A nice \\) chap)\r\n <pete@silly.test>", &["pete@silly.test"]),
            ("a@b.example (Ann (of B))", &["a@b.example"]),
            ("=?utf-8?Q?J=C3=B6rg?= <j@b.example>", &["j@b.example"]),
            ("\"john..doe\"@b.example", &["\"john..doe\"@b.example"]),
            ("用户@例子.example", &["用户@xn--fsqu00a.example"]),
            ("a@[192.0.2.1]", &["a@[192.0.2.1]"]),
            ("\"a@b.example\" <a@b.example>", &["a@b.example"]),
            ("< a@b.example >", &["a@b.example"]),
        ];
        for (body, expected) in lists {
            assert_eq!(&mailboxes(body), expected, "{body:?}");
        }
    }

    #[test]
    fn display_names_comments_and_groups_are_told() {
        let read =
            AddressList::parse(b"G: \"A \\\"B\\\"\" C. D <a@b.example> (x (y));, e@f.example")
                .unwrap();
        assert_eq!(read[0].display_name.as_deref(), Some("A \"B\" C. D"));
        assert_eq!(read[0].comment.as_deref(), Some("x (y)"));
        assert!(read[0].in_group);
        assert_eq!(
            (read[1].display_name.as_deref(), read[1].in_group),
            (None, false)
        );
    }

    #[test]
    fn what_two_readers_could_read_as_two_addresses_is_refused() {
        use AddressFault as Fault;
        #[rustfmt::skip]
        let bodies: &[(&[u8], AddressFault)] = &[
            // Chen, Paxson, Jiang: "Composition kills", USENIX Security 2020, and others.
            (b"<@attack.example,@any.example:admin@legit.example>", Fault::Route),
            (b"<@attack.example:admin@legit.example>", Fault::Route),
            (b"admin@legit.example <second@attack.example>", Fault::TextAfterAddress),
            (b"<admin@legit.example> <second@attack.example>", Fault::TextAfterAddress),
            (b"<admin@legit.example>\\,<second@attack.example>", Fault::TextAfterAddress),
            (b"<admin@legit.example>\0@attack.example", Fault::Control),
            (b"a@legit.example\r\n\r\n <b@attack.example>", Fault::Control),
            (b"a@legit.example\rb@attack.example", Fault::Control),
            (b"a@legit.example\nb@attack.example", Fault::Control),
            (b"=?utf-8?B?PGFAbGVnaXQuZXhhbXBsZT4=?=, <b@attack.example>", Fault::NoAddress),
            (b"=?utf-8?Q?a=40legit.example=00?=@attack.example", Fault::EncodedWord),
            (b"\"a@legit.example> \"@attack.example", Fault::LocalPart),
            (b"\"a@legit.example\"@attack.example", Fault::LocalPart),
            (b"a@legit.example(.attack.example)", Fault::BrokenAddress),
            (b"a@legit.example .attack.example", Fault::TextAfterAddress),
            (b"a@legit.example. attack.example", Fault::BrokenAddress),
            (b"a (x) @legit.example", Fault::BrokenAddress),
            (b"(x)a@legit.example", Fault::BrokenAddress),
            (b"<a(x)@legit.example>", Fault::BrokenAddress),
            (b"<a@legit.example(x)>", Fault::BrokenAddress),
            (b"a@legit.example (<b@attack.example>)", Fault::AddressInComment),
            (b"\"x <a@legit.example>\" <b@attack.example>", Fault::AddressInDisplayName),
            (b"a@legit.example@attack.example", Fault::TextAfterAddress),
            (b"<a@legit.example@attack.example>", Fault::BrokenAddress),
            (b"a@legit.example b@attack.example", Fault::TextAfterAddress),
            (b"a@legit.example; b@attack.example", Fault::TextAfterAddress),
            (b"<<a@legit.example>>", Fault::Unexpected('<')),
            (b"<a@legit.example", Fault::Unclosed('<')),
            (b"\"a@legit.example", Fault::Unclosed('"')),
            (b"a@legit.example (x", Fault::Unclosed('(')),
            (b"G: a@legit.example", Fault::Unclosed(':')),
            (b"G: H: a@legit.example;;", Fault::NestedGroup),
            (b"G: a@legit.example; b@attack.example", Fault::TextAfterAddress),
            (b"Ann", Fault::NoAddress),
            (b"Ann, a@legit.example", Fault::NoAddress),
            (b"", Fault::Empty),
            (b" , \r\n", Fault::Empty),
            (b"J\xF6rg <j@b.example>", Fault::NotUtf8),
            (b"\"a\".b@legit.example", Fault::LocalPart),
            (b"a..b@legit.example", Fault::LocalPart),
            (b"<>", Fault::NoAddress),
            (b"[a] <a@legit.example>", Fault::Unexpected('[')),
        ];
        for (body, expected) in bodies {
            assert_eq!(
                &fault(body),
                expected,
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
        for body in [
            "a＠legit.example@attack.example",
            "a\u{200b}@legit.example",
            "a@legit。example",
            "a@legit.example\u{202e}",
        ] {
            fault(body.as_bytes());
        }
    }

    #[test]
    fn faults_say_where_they_are() {
        let error = AddressList::parse(b"a@b.example, <@c.example:d@e.example>").unwrap_err();
        assert_eq!(
            error.to_string(),
            "address list, octet 14: a source route stands before the address"
        );
    }

    #[test]
    fn names_that_look_like_other_addresses_are_told() {
        for (body, looks) in [
            ("\"ceo@a.example\" <evil@b.example>", true),
            ("=?utf-8?B?Y2VvQGEuZXhhbXBsZQ==?= <evil@b.example>", true),
            ("=?utf-8?Q?ceo_=40_a.example?= <evil@b.example>", true),
            ("\"ceo＠a.example\" <evil@b.example>", true),
            ("\"'ceo@a.example'\" <evil@b.example>", true),
            ("evil@b.example (=?utf-8?Q?ceo=40a.example?=)", true),
            ("\"evil@b.example\" <evil@b.example>", false),
            ("\"Evil@B.example\" <evil@b.example>", false),
            ("\"Ann @ Home\" <evil@b.example>", false),
            ("\"@handle\" <evil@b.example>", false),
            ("Ann <evil@b.example>", false),
            ("evil@b.example", false),
        ] {
            let read = AddressList::parse(body.as_bytes()).unwrap();
            assert_eq!(read[0].display_name_looks_like_address(), looks, "{body:?}");
        }
    }

    #[test]
    fn deep_comments_and_long_lists_are_refused() {
        let deep = format!(
            "a@b.example {}{}",
            "(".repeat(1_000_000),
            ")".repeat(1_000_000)
        );
        assert_eq!(fault(deep.as_bytes()), AddressFault::CommentDepth);
        assert_eq!(
            fault("a@b.example,".repeat(10_001).as_bytes()),
            AddressFault::TooMany
        );
    }

    #[test]
    fn cut_bytes_never_panic() {
        let body = "G: \"A\\\"\" (c(d)) =?utf-8?Q?=C3?= <用.\"x\"@[1.2.3.4]>;, ü@é.example\r\n (x)"
            .as_bytes();
        for start in 0..body.len() {
            for end in start..body.len() {
                drop(AddressList::parse(&body[start..end]));
            }
        }
    }
}
