//! Search filters: their text (RFC 4515), their encoding (RFC 4511 §4.5.1.7), and the values that are put in.
//!
//! A filter is read before the address is put in, so that no address can add to it: what an administrator wrote
//! stays one structure, whatever the address holds.

use std::fmt;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::tlv;
use crate::tlv::tag;

/// Filters within each other; each level is a call of a function here and on the server.
const DEPTH: usize = 16;

/// Octets of the text: far more than anybody writes by hand.
const TEXT_OCTETS: usize = 4096;

/// A search filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Self>),
    /// Something of an attribute, by the rule that [`Comparison`] names.
    Compare {
        /// The attribute description.
        attribute: String,
        /// The rule.
        comparison: Comparison,
        /// The assertion value.
        value: Vec<u8>,
    },
    /// By a matching rule that is named (RFC 4511 §4.5.1.7.7).
    Extensible {
        /// The matching rule; empty for the attribute's own.
        rule: String,
        /// The attribute description; empty for each that has the rule.
        attribute: String,
        /// The assertion value.
        value: Vec<u8>,
        /// Whether the attributes of the name count, too.
        of_name: bool,
    },
    /// What it is not.
    Not(Box<Self>),
    /// One of them at least.
    Or(Vec<Self>),
    /// The attribute is there.
    Present(String),
    /// Pieces of a value, in this order.
    Substrings {
        /// The attribute description.
        attribute: String,
        /// The pieces between the asterisks: the first begins the value, the last ends it; empty where nothing stands.
        pieces: Vec<Vec<u8>>,
    },
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `~=`
    Approximate,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `<=`
    LessOrEqual,
}

impl Comparison {
    const fn sign(self) -> &'static str {
        match self {
            Self::Approximate => "~=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::LessOrEqual => "<=",
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Approximate => tag::context(8),
            Self::Equal => tag::context(3),
            Self::GreaterOrEqual => tag::context(5),
            Self::LessOrEqual => tag::context(6),
        }
    }
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Something else must stand at an octet, counted from 0.
    #[error("the LDAP filter {text:?} is malformed at octet {at}: {wanted} must stand there")]
    Malformed {
        /// The filter.
        text: String,
        /// Where.
        at: usize,
        /// What must stand there.
        wanted: &'static str,
    },
    /// More filters within each other than 16.
    #[error("the LDAP filter {0:?} nests more than 16 filters within each other")]
    Deep(String),
    /// More than 4096 octets.
    #[error("the LDAP filter has {0} octets, and at most 4096 are read")]
    Long(usize),
    /// It would find the same for everybody.
    #[error("the LDAP filter {text:?} has none of {}, so that it finds the same entries for everybody", placeholders.join(", "))]
    Constant {
        /// The filter.
        text: String,
        /// What may stand for the subject.
        placeholders: &'static [&'static str],
    },
}

/// A filter whose values may hold `{address}`, `{local}` and `{domain}`, which stand for the subject's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Filter);

impl Template {
    /// For recipients: `(mail={address})` is the usual one.
    pub fn for_recipients(text: &str) -> Result<Self, FilterError> {
        Self::parse(text, &["{address}", "{local}", "{domain}"])
    }

    /// For Domain Confidentiality Authorities, which have no address but that of RFC 3183 §4.1.
    pub fn for_authorities(text: &str) -> Result<Self, FilterError> {
        Self::parse(text, &["{domain}"])
    }

    fn parse(text: &str, placeholders: &'static [&'static str]) -> Result<Self, FilterError> {
        let filter = Filter::parse(text)?;
        let constant = || FilterError::Constant {
            text: text.to_owned(),
            placeholders,
        };
        let mut values = Vec::new();
        filter.values(&mut values);
        let holds = |value: &&[u8]| {
            let mut all = placeholders.iter();
            all.any(|one| memchr::memmem::find(value, one.as_bytes()).is_some())
        };
        values
            .iter()
            .find(|value| holds(value))
            .ok_or_else(constant)?;
        Ok(Self(filter))
    }

    /// The filter that finds a recipient's entry.
    #[must_use]
    pub fn of_recipient(&self, mailbox: &Mailbox) -> Filter {
        let address = mailbox.to_string();
        self.0.with(&[
            ("{address}", address.as_bytes()),
            ("{local}", mailbox.local().as_bytes()),
            ("{domain}", mailbox.domain().as_str().as_bytes()),
        ])
    }

    /// The filter that finds the entry of a domain's authority.
    #[must_use]
    pub fn of_domain(&self, domain: &Domain) -> Filter {
        self.0.with(&[("{domain}", domain.as_str().as_bytes())])
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Filter {
    /// Reads the text of a filter (RFC 4515 §3), with or without the outermost parentheses.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > TEXT_OCTETS {
            return Err(FilterError::Long(text.len()));
        }
        let mut parser = Parser { text, at: 0 };
        let filter = if text.starts_with('(') {
            parser.filter(0)?
        } else {
            parser.item()?
        };
        if parser.peek().is_some() {
            return Err(parser.malformed("the end"));
        }
        Ok(filter)
    }

    /// Its encoding (RFC 4511 §4.5.1.7).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let octets = |tag: u8, value: &[u8]| tlv::element(tag, &[value]);
        let list = |tag: u8, filters: &[Self]| {
            let encoded: Vec<u8> = filters.iter().flat_map(Self::encode).collect();
            octets(tag, &encoded)
        };
        match self {
            Self::And(filters) => list(tag::context(0), filters),
            Self::Or(filters) => list(tag::context(1), filters),
            // The choice in it makes the tag explicit (RFC 4511 appendix B).
            Self::Not(filter) => octets(tag::context(2), &filter.encode()),
            Self::Present(attribute) => octets(tag::context_primitive(7), attribute.as_bytes()),
            Self::Compare {
                attribute,
                comparison,
                value,
            } => tlv::element(
                comparison.tag(),
                &[
                    &octets(tag::OCTET_STRING, attribute.as_bytes()),
                    &octets(tag::OCTET_STRING, value),
                ],
            ),
            Self::Substrings { attribute, pieces } => {
                let last = pieces.len().saturating_sub(1);
                let numbered = pieces.iter().enumerate();
                let encoded =
                    numbered
                        .filter(|(_, piece)| !piece.is_empty())
                        .flat_map(|(index, piece)| {
                            let number = match index {
                                0 => 0,
                                _ if index == last => 2,
                                _ => 1,
                            };
                            octets(tag::context_primitive(number), piece)
                        });
                let encoded: Vec<u8> = encoded.collect();
                tlv::element(
                    tag::context(4),
                    &[
                        &octets(tag::OCTET_STRING, attribute.as_bytes()),
                        &octets(tag::SEQUENCE, &encoded),
                    ],
                )
            }
            Self::Extensible {
                rule,
                attribute,
                value,
                of_name,
            } => {
                let optional = |number: u8, text: &str| match text {
                    "" => Vec::new(),
                    text => octets(tag::context_primitive(number), text.as_bytes()),
                };
                let of_name = if *of_name {
                    octets(tag::context_primitive(4), &[0xff])
                } else {
                    Vec::new()
                };
                tlv::element(
                    tag::context(9),
                    &[
                        &optional(1, rule),
                        &optional(2, attribute),
                        &octets(tag::context_primitive(3), value),
                        &of_name,
                    ],
                )
            }
        }
    }

    /// The same with each value's placeholders replaced, each once: what is put in is not looked at again.
    fn with(&self, values: &[(&str, &[u8])]) -> Self {
        let list = |filters: &[Self]| filters.iter().map(|one| one.with(values)).collect();
        match self {
            Self::And(filters) => Self::And(list(filters)),
            Self::Or(filters) => Self::Or(list(filters)),
            Self::Not(filter) => Self::Not(Box::new(filter.with(values))),
            Self::Present(attribute) => Self::Present(attribute.clone()),
            Self::Compare {
                attribute,
                comparison,
                value,
            } => Self::Compare {
                attribute: attribute.clone(),
                comparison: *comparison,
                value: replaced(value, values),
            },
            Self::Substrings { attribute, pieces } => Self::Substrings {
                attribute: attribute.clone(),
                pieces: pieces.iter().map(|piece| replaced(piece, values)).collect(),
            },
            Self::Extensible {
                rule,
                attribute,
                value,
                of_name,
            } => Self::Extensible {
                rule: rule.clone(),
                attribute: attribute.clone(),
                value: replaced(value, values),
                of_name: *of_name,
            },
        }
    }

    /// The values of all assertions in it, in their order.
    fn values<'a>(&'a self, found: &mut Vec<&'a [u8]>) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.values(found);
                }
            }
            Self::Not(filter) => filter.values(found),
            Self::Present(_) => {}
            Self::Compare { value, .. } | Self::Extensible { value, .. } => found.push(value),
            Self::Substrings { pieces, .. } => found.extend(pieces.iter().map(Vec::as_slice)),
        }
    }
}

/// `value` with the first of `values` that begins at an octet in its place, from left to right.
fn replaced(value: &[u8], values: &[(&str, &[u8])]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, tail)) = rest.split_first() {
        let mut known = values.iter();
        let found = known.find_map(|(name, value)| {
            let tail = rest.strip_prefix(name.as_bytes())?;
            Some((value, tail))
        });
        match found {
            Some((value, tail)) => {
                made.extend_from_slice(value);
                rest = tail;
            }
            None => {
                made.push(*first);
                rest = tail;
            }
        }
    }
    made
}

/// The text of RFC 4515 §3: parentheses, asterisks, backslashes, NUL and what is not ASCII are escaped.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        match self {
            Self::And(filters) => list(f, "&", filters)?,
            Self::Or(filters) => list(f, "|", filters)?,
            Self::Not(filter) => write!(f, "!{filter}")?,
            Self::Present(attribute) => write!(f, "{attribute}=*")?,
            Self::Compare {
                attribute,
                comparison,
                value,
            } => write!(f, "{attribute}{}{}", comparison.sign(), Escaped(value))?,
            Self::Substrings { attribute, pieces } => {
                write!(f, "{attribute}=")?;
                for (index, piece) in pieces.iter().enumerate() {
                    let asterisk = if index == 0 { "" } else { "*" };
                    write!(f, "{asterisk}{}", Escaped(piece))?;
                }
            }
            Self::Extensible {
                rule,
                attribute,
                value,
                of_name,
            } => {
                let of_name = if *of_name { ":dn" } else { "" };
                let colon = if rule.is_empty() { "" } else { ":" };
                write!(f, "{attribute}{of_name}{colon}{rule}:={}", Escaped(value))?;
            }
        }
        f.write_str(")")
    }
}

fn list(f: &mut fmt::Formatter<'_>, sign: &str, filters: &[Filter]) -> fmt::Result {
    f.write_str(sign)?;
    filters.iter().try_for_each(|filter| write!(f, "{filter}"))
}

/// A value as RFC 4515 §3 has it.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0 {
            match octet {
                b'*' | b'(' | b')' | b'\\' | 0 | 0x80.. => write!(f, "\\{octet:02x}")?,
                plain => write!(f, "{}", char::from(*plain))?,
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let octet = self.peek()?;
        self.at += 1;
        Some(octet)
    }

    fn malformed(&self, wanted: &'static str) -> FilterError {
        FilterError::Malformed {
            text: self.text.to_owned(),
            at: self.at,
            wanted,
        }
    }

    fn expect(&mut self, octet: u8, wanted: &'static str) -> Result<(), FilterError> {
        if self.peek() == Some(octet) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed(wanted))
        }
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth == DEPTH {
            return Err(FilterError::Deep(self.text.to_owned()));
        }
        self.expect(b'(', "an opening parenthesis")?;
        let filter = match self.peek() {
            Some(b'&') => Filter::And(self.list(depth)?),
            Some(b'|') => Filter::Or(self.list(depth)?),
            Some(b'!') => {
                self.at += 1;
                Filter::Not(Box::new(self.filter(depth + 1)?))
            }
            _ => self.item()?,
        };
        self.expect(b')', "a closing parenthesis")?;
        Ok(filter)
    }

    /// One filter at least: RFC 4526, which gives the empty lists a meaning, is not for people.
    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        self.at += 1;
        let mut filters = vec![self.filter(depth + 1)?];
        while self.peek() == Some(b'(') {
            filters.push(self.filter(depth + 1)?);
        }
        Ok(filters)
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        let attribute = self.word(|octet| {
            octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b';' | b'_')
        });
        let comparison = match self.next() {
            Some(b'=') if !attribute.is_empty() => return self.value_or_pieces(attribute),
            Some(b':') => return self.extensible(attribute),
            Some(b'~') if !attribute.is_empty() => Comparison::Approximate,
            Some(b'>') if !attribute.is_empty() => Comparison::GreaterOrEqual,
            Some(b'<') if !attribute.is_empty() => Comparison::LessOrEqual,
            _ => {
                self.at = self.at.saturating_sub(1);
                return Err(self.malformed("an attribute and one of =, ~=, >=, <= and :="));
            }
        };
        self.expect(b'=', "=")?;
        Ok(Filter::Compare {
            attribute: attribute.to_owned(),
            comparison,
            value: self.value()?,
        })
    }

    fn word(&mut self, is_of_it: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&is_of_it) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn value_or_pieces(&mut self, attribute: &str) -> Result<Filter, FilterError> {
        let attribute = attribute.to_owned();
        let mut pieces = vec![self.value()?];
        while self.peek() == Some(b'*') {
            self.at += 1;
            pieces.push(self.value()?);
        }
        match pieces.as_slice() {
            [value] => Ok(Filter::Compare {
                attribute,
                comparison: Comparison::Equal,
                value: value.clone(),
            }),
            [first, last] if first.is_empty() && last.is_empty() => Ok(Filter::Present(attribute)),
            [_, middle @ .., _] if middle.iter().any(Vec::is_empty) => {
                Err(self.malformed("something between two asterisks"))
            }
            _ => Ok(Filter::Substrings { attribute, pieces }),
        }
    }

    /// What follows the first colon of `attribute:dn:rule:=value`.
    fn extensible(&mut self, attribute: &str) -> Result<Filter, FilterError> {
        let is_of_rule = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.');
        let mut of_name = false;
        let mut rule = "";
        if self.peek() != Some(b'=') {
            rule = self.word(is_of_rule);
            if rule.eq_ignore_ascii_case("dn") {
                of_name = true;
                rule = "";
            } else if rule.is_empty() {
                return Err(self.malformed("a matching rule"));
            }
            self.expect(b':', "a colon")?;
            if of_name && self.peek() != Some(b'=') {
                rule = self.word(is_of_rule);
                self.expect(b':', "a colon")?;
            }
        }
        self.expect(b'=', "=")?;
        if attribute.is_empty() && rule.is_empty() {
            return Err(self.malformed("an attribute or a matching rule before"));
        }
        Ok(Filter::Extensible {
            rule: rule.to_owned(),
            attribute: attribute.to_owned(),
            value: self.value()?,
            of_name,
        })
    }

    /// Up to the next parenthesis or asterisk, with escapes undone.
    fn value(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'(' | b')' | b'*') => return Ok(value),
                Some(0) => return Err(self.malformed("NUL as \\00")),
                Some(b'\\') => {
                    self.at += 1;
                    let digits = self.text.get(self.at..self.at + 2);
                    let octet = digits
                        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    let octet = octet.ok_or_else(|| self.malformed("two hexadecimal digits"))?;
                    value.push(octet);
                    self.at += 2;
                }
                Some(octet) => {
                    value.push(octet);
                    self.at += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(filter: &Filter) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        filter.values(&mut found);
        found.into_iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn the_examples_of_rfc_4515_are_read_and_written_again() {
        // RFC 4515 §4, but for those whose text has more than one form.
        for text in [
            "(cn=Babs Jensen)",
            "(!(cn=Tim Howes))",
            "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
            "(o=univ*of*mich*)",
            "(seeAlso=)",
            "(cn:caseExactMatch:=Fred Flintstone)",
            "(cn:=Betty Rubble)",
            "(sn:dn:2.4.6.8.10:=Barney Rubble)",
            "(o:dn:=Ace Industry)",
            "(:1.2.3:=Wilma Flintstone)",
            "(:dn:2.4.6.8.10:=Dino)",
            "(o=Parens R Us \\28for all your parenthetical needs\\29)",
            "(cn=*\\2a*)",
            "(filename=C:\\5cMyFile)",
            "(bin=\\00\\00\\00\\04)",
            "(sn=Lu\\c4\\8di\\c4\\87)",
            "(1.3.6.1.4.1.1466.0=\\04\\02Hi)",
            "(userCertificate;binary=*)",
            "(uidNumber>=100)",
            "(uidNumber<=100)",
            "(cn~=Babs)",
        ] {
            let filter = Filter::parse(text).unwrap();
            let written = filter.to_string().replace("\\04\\02Hi", "\u{4}\u{2}Hi");
            let wanted = text.replace("\\04\\02Hi", "\u{4}\u{2}Hi");
            let plain = written.replace("\u{4}", "\\04").replace("\u{2}", "\\02");
            assert!(written == wanted || plain == wanted, "{text}: {written}");
            assert_eq!(Filter::parse(&written).unwrap(), filter, "{text}");
        }
        // Outermost parentheses are often left out.
        assert_eq!(Filter::parse("cn=x"), Filter::parse("(cn=x)"));
    }

    #[test]
    fn what_is_no_filter_is_refused_where_it_goes_wrong() {
        for (text, at) in [
            ("", 0),
            ("()", 1),
            ("(cn=x", 5),
            ("(cn=x))", 6),
            ("(&)", 2),
            ("(=x)", 1),
            ("(cn=\\4)", 5),
            ("(cn=\\+1)", 5),
            ("(cn=a**b)", 8),
            ("(:=x)", 3),
            ("(cn=a(b)", 5),
            ("(cn=x)(cn=y)", 6),
        ] {
            match Filter::parse(text) {
                Err(FilterError::Malformed { at: found, .. }) => assert_eq!(found, at, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let deep = format!("{}(a=b){}", "(!".repeat(16), ")".repeat(16));
        assert_eq!(Filter::parse(&deep), Err(FilterError::Deep(deep.clone())));
        let long = format!("(a={})", "b".repeat(TEXT_OCTETS));
        assert_eq!(Filter::parse(&long), Err(FilterError::Long(long.len())));
    }

    #[test]
    fn a_filter_is_encoded_as_rfc_4511_has_it() {
        let encoded = Filter::parse("(&(cn=a)(!(mail=*))(sn=x*y*z)(o:dn:r:=v))").unwrap();
        #[rustfmt::skip]
        let wanted: &[u8] = &[
            0xa0, 0x33,
            0xa3, 0x07, 0x04, 0x02, b'c', b'n', 0x04, 0x01, b'a',
            0xa2, 0x06, 0x87, 0x04, b'm', b'a', b'i', b'l',
            0xa4, 0x0f, 0x04, 0x02, b's', b'n',
                0x30, 0x09, 0x80, 0x01, b'x', 0x81, 0x01, b'y', 0x82, 0x01, b'z',
            0xa9, 0x0c, 0x81, 0x01, b'r', 0x82, 0x01, b'o', 0x83, 0x01, b'v', 0x84, 0x01, 0xff,
        ];
        let encoded = encoded.encode();
        assert_eq!(encoded.get(2..), wanted.get(2..), "{encoded:02x?}");
        assert_eq!(usize::from(encoded[1]), encoded.len() - 2);
    }

    #[test]
    fn whatever_the_address_it_is_the_one_value_of_the_filter() {
        let template = Template::for_recipients("(mail={address})").unwrap();
        let domain: Domain = "b.example".parse().unwrap();
        let hostile = [
            "*",
            "a*",
            ")(cn=*",
            "a)(|(mail=*",
            "\\",
            "\\2a",
            "{address}",
            "{local}",
            "ü",
            "(",
            "a b",
            "\"",
            "x)(userPassword=*))(|(a=",
            "名",
            "a\\00b",
            "&",
            "|(a=b)",
            "=",
            "~=",
            "dn:=",
        ];
        // Each of these, and each two of them one after the other.
        let pairs = hostile
            .iter()
            .flat_map(|one| hostile.iter().map(move |two| format!("{one}{two}")));
        let locals = hostile.iter().map(|one| (*one).to_owned()).chain(pairs);
        for local in locals {
            let mailbox = Mailbox::new(local, domain.clone()).unwrap();
            let filter = template.of_recipient(&mailbox);
            let text = filter.to_string();
            assert!(text.is_ascii() && !text.contains('\0'), "{text}");
            let read = Filter::parse(&text).unwrap();
            assert_eq!(read, filter, "{text}");
            assert_eq!(values(&read), [mailbox.to_string().into_bytes()], "{text}");
            assert!(matches!(
                read,
                Filter::Compare { attribute, comparison: Comparison::Equal, .. }
                    if attribute == "mail"
            ));
        }
    }

    #[test]
    fn every_octet_of_a_value_comes_back() {
        let value: Vec<u8> = (0..=255).collect();
        let filter = Filter::Compare {
            attribute: "a".to_owned(),
            comparison: Comparison::Equal,
            value,
        };
        assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
    }

    #[test]
    fn local_part_and_domain_stand_for_themselves() {
        let template = Template::for_recipients("(&(uid={local})(ou=*{domain}*))").unwrap();
        let mailbox = "Bob@B.Example".parse().unwrap();
        let filter = template.of_recipient(&mailbox);
        assert_eq!(filter.to_string(), "(&(uid=Bob)(ou=*b.example*))");
        let dca = Template::for_authorities("(cn={domain})").unwrap();
        let filter = dca.of_domain(&"b.example".parse().unwrap());
        assert_eq!(filter.to_string(), "(cn=b.example)");
    }

    #[test]
    fn a_filter_that_finds_the_same_for_everybody_is_refused() {
        for text in ["(objectClass=*)", "(mail={adress})"] {
            let error = Template::for_recipients(text).unwrap_err();
            assert!(matches!(error, FilterError::Constant { .. }), "{error}");
        }
        assert!(Template::for_authorities("(mail={address})").is_err());
    }
}
