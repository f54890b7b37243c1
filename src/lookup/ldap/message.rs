//! LDAP messages: those that we send, and those that come back (RFC 4511 §4), bounded and without IO.
//!
//! Written for directories of strangers: nothing is read beyond what a search for certificates needs, lengths are
//! definite (§5.1), and a message that is longer than may be is refused by its header.

use zeroize::Zeroizing;

use super::filter::Filter;
use crate::lookup::words::is_plain;
use crate::tlv;
use crate::tlv::Asn1Error;
use crate::tlv::Reader;
use crate::tlv::tag;

/// Octets of one message that comes: an entry with some hundred certificates.
pub const MESSAGE_OCTETS: usize = 1024 * 1024;

/// Octets of a result's text that are kept.
pub const TEXT_OCTETS: usize = 200;

/// Octets of the name of the nearest entry that is there; that of a domain has three times its 255 at most.
const MATCHED_OCTETS: usize = 1024;

/// Octets of an attribute's description: what is asked for, with some options.
pub const DESCRIPTION_OCTETS: usize = 200;

/// Octets of a cookie of paged results; servers send some 10 to 100.
pub const COOKIE_OCTETS: usize = 4096;

/// Why octets are no LDAP message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not the encoding of RFC 4511 §5.1.
    #[error("an LDAP message is malformed")]
    Encoding(#[from] Asn1Error),
    /// It has an attribute's description that is longer than this.
    #[error(
        "an LDAP message has an attribute description of {0} octets, and at most {DESCRIPTION_OCTETS} are read"
    )]
    Description(usize),
    /// It says that it is longer than this.
    #[error("an LDAP message is of {0} octets, and at most {MESSAGE_OCTETS} are read")]
    Long(usize),
    /// All numbers have been given to requests.
    #[error("the connection has had all message ids that there are")]
    OutOfIds,
    /// An answer to something else than was asked.
    #[error("an LDAP message answers nothing that was asked")]
    Unexpected,
    /// A protocolOp that no server sends.
    #[error("an LDAP message has the protocolOp {0:#04x}, which no server sends")]
    Operation(u8),
}

/// A search request (RFC 4511 §4.5.1).
#[derive(Clone, Debug)]
pub(super) struct SearchRequest<'a> {
    /// Where it begins: a distinguished name.
    pub(super) base: &'a [u8],
    /// How far it goes.
    pub(super) scope: Scope,
    /// Which entries.
    pub(super) filter: &'a Filter,
    /// What of them.
    pub(super) attributes: &'a [&'a str],
    /// How many entries at most.
    pub(super) size_limit: u32,
    /// How many seconds at most; not 0, which is "any".
    pub(super) time_limit: u32,
    /// The part of the answer that is wanted; all at once without it.
    pub(super) page: Option<Page<'a>>,
}

/// Which entries a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// That of the base alone.
    Base,
    /// All beneath it, with itself.
    Subtree,
}

/// A page of an answer (RFC 2696 §2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// Its entries at most.
    pub(super) size: u32,
    /// What the server gave with the last page; empty for the first.
    pub(super) cookie: &'a [u8],
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To which request; 0 for what nobody asked for (RFC 4511 §4.4).
    pub id: u32,
    /// What it is.
    pub operation: Operation,
    /// The cookie of paged results; `None` without that control.
    pub cookie: Option<Vec<u8>>,
}

/// What a server says (RFC 4511 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// BindResponse.
    Bound(LdapResult),
    /// SearchResultEntry.
    Entry(Entry),
    /// ExtendedResponse.
    Extended(LdapResult),
    /// IntermediateResponse (RFC 4511 §4.13), which says nothing to us.
    Intermediate,
    /// SearchResultReference: a part of the subtree is on other servers.
    Reference,
    /// SearchResultDone.
    SearchDone(LdapResult),
}

/// An entry, or what of it was asked for (RFC 4511 §4.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its distinguished name, as it came.
    pub name: Vec<u8>,
    /// Its attributes, in their order.
    pub attributes: Vec<Attribute>,
}

/// PartialAttribute (RFC 4511 §4.1.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its description, printable.
    pub name: String,
    /// Its values, in their order.
    pub values: Vec<Vec<u8>>,
}

/// LDAPResult (RFC 4511 §4.1.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapResult {
    /// The result code (RFC 4511 appendix A).
    pub code: u32,
    /// matchedDN: the nearest entry above the one that is not there, printable; empty where none is named, or none of at
    /// most 1,024 octets.
    pub matched: String,
    /// The server's words, printable, at most 200 octets.
    pub text: String,
}

/// Result codes (RFC 4511 appendix A) that mean something here.
pub(super) mod code {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const TIME_LIMIT_EXCEEDED: u32 = 3;
    pub(crate) const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub(crate) const REFERRAL: u32 = 10;
    pub(crate) const ADMIN_LIMIT_EXCEEDED: u32 = 11;
    pub(crate) const NO_SUCH_OBJECT: u32 = 32;
    pub(crate) const INVALID_CREDENTIALS: u32 = 49;
    pub(crate) const INSUFFICIENT_ACCESS_RIGHTS: u32 = 50;
    pub(crate) const BUSY: u32 = 51;
    pub(crate) const UNAVAILABLE: u32 = 52;
    pub(crate) const UNWILLING_TO_PERFORM: u32 = 53;
}

impl LdapResult {
    pub(super) const fn is_success(&self) -> bool {
        self.code == code::SUCCESS
    }

    /// The name of the code, as in RFC 4511 appendix A, where it has one.
    pub(super) const fn name(&self) -> &'static str {
        match self.code {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            code::TIME_LIMIT_EXCEEDED => "timeLimitExceeded",
            code::SIZE_LIMIT_EXCEEDED => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            code::REFERRAL => "referral",
            code::ADMIN_LIMIT_EXCEEDED => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            13 => "confidentialityRequired",
            18 => "inappropriateMatching",
            21 => "invalidAttributeSyntax",
            code::NO_SUCH_OBJECT => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            code::INVALID_CREDENTIALS => "invalidCredentials",
            code::INSUFFICIENT_ACCESS_RIGHTS => "insufficientAccessRights",
            code::BUSY => "busy",
            code::UNAVAILABLE => "unavailable",
            code::UNWILLING_TO_PERFORM => "unwillingToPerform",
            80 => "other",
            _ => "a result code of its own",
        }
    }
}

/// BindRequest with a name and a password (RFC 4511 §4.2).
pub(super) fn bind(id: u32, name: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let name = octets(name.as_bytes());
    // Filled to its end before it moves: no copy of the password is left behind.
    let inside = [
        VERSION.len(),
        name.len(),
        tlv::header_length(password.len()),
        password.len(),
    ];
    let mut request = Zeroizing::new(Vec::with_capacity(inside.iter().sum::<usize>() + 32));
    let id = integer(id);
    let length: usize = inside.iter().sum();
    let message = id.len() + tlv::header_length(length) + length;
    tlv::write_header(&mut request, tag::SEQUENCE, message);
    request.extend_from_slice(&id);
    tlv::write_header(&mut request, BIND_REQUEST, length);
    request.extend_from_slice(VERSION);
    request.extend_from_slice(&name);
    tlv::write_header(&mut request, tag::context_primitive(0), password.len());
    request.extend_from_slice(password.as_bytes());
    request
}

/// The request to begin TLS (RFC 4511 §4.14.1).
pub(super) fn start_tls(id: u32) -> Vec<u8> {
    let name = tlv::element(tag::context_primitive(0), &[START_TLS.as_bytes()]);
    message(id, &tlv::element(EXTENDED_REQUEST, &[&name]), &[])
}

/// The last words (RFC 4511 §4.3).
pub(super) fn unbind(id: u32) -> Vec<u8> {
    message(id, &tlv::element(UNBIND_REQUEST, &[]), &[])
}

/// What a search with the number `of` would still bring is not wanted any more (RFC 4511 §4.11).
pub(super) fn abandon(id: u32, of: u32) -> Vec<u8> {
    let operation = tlv::element(ABANDON_REQUEST, &[&unsigned(of)]);
    message(id, &operation, &[])
}

/// SearchRequest (RFC 4511 §4.5.1), where asked for with the control of paged results (RFC 2696).
pub(super) fn search(id: u32, request: &SearchRequest<'_>) -> Vec<u8> {
    let attributes: Vec<u8> = request
        .attributes
        .iter()
        .flat_map(|name| octets(name.as_bytes()))
        .collect();
    let operation = tlv::element(
        SEARCH_REQUEST,
        &[
            &octets(request.base),
            match request.scope {
                Scope::Base => BASE_OBJECT,
                Scope::Subtree => WHOLE_SUBTREE,
            },
            NEVER_DEREFERENCE,
            &integer(request.size_limit),
            &integer(request.time_limit),
            FALSE,
            &request.filter.encode(),
            &tlv::element(tag::SEQUENCE, &[&attributes]),
        ],
    );
    let Some(page) = request.page else {
        return message(id, &operation, &[]);
    };
    let page = tlv::element(tag::SEQUENCE, &[&integer(page.size), &octets(page.cookie)]);
    // Not critical: who does not know it gives all at once, up to the limit of the size.
    let control = tlv::element(
        tag::SEQUENCE,
        &[&octets(PAGED_RESULTS.as_bytes()), &octets(&page)],
    );
    message(id, &operation, &tlv::element(CONTROLS, &[&control]))
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its own octets.
    octets: usize,
    /// Octets of what follows it, which may be more than are read.
    content: usize,
}

impl Header {
    /// Reads the header with which `octets` begin; `None` where it is not whole yet.
    pub(super) fn read(octets: &[u8]) -> Result<Option<Self>, WireError> {
        let (Some(first), Some(second)) = (octets.first(), octets.get(1)) else {
            return Ok(None);
        };
        if *first != tag::SEQUENCE {
            return Err(Asn1Error::Tag {
                expected: tag::SEQUENCE,
                found: *first,
            }
            .into());
        }
        let (octets, content) = match second {
            short @ 0..=0x7f => (2, usize::from(*short)),
            0x81..=0x84 => {
                let count = usize::from(second & 0x7f);
                let Some(digits) = octets.get(2..2 + count) else {
                    return Ok(None);
                };
                let value = digits
                    .iter()
                    .fold(0_usize, |number, digit| number << 8 | usize::from(*digit));
                (2 + count, value)
            }
            // Indefinite, or more than 4 GB (RFC 4511 §5.1).
            _ => return Err(Asn1Error::Length.into()),
        };
        Ok(Some(Self { octets, content }))
    }

    /// Octets of the message with its header.
    pub(super) const fn length(self) -> usize {
        self.octets.saturating_add(self.content)
    }

    /// Refuses a message that is longer than may be.
    pub(super) const fn check(self) -> Result<(), WireError> {
        if self.content > MESSAGE_OCTETS {
            return Err(WireError::Long(self.content));
        }
        Ok(())
    }

    /// The id of the message that begins with `octets`, also of one that cannot be read otherwise. `None` where it has
    /// none, or where [`ID_OCTETS`] behind the header have not come yet.
    pub(super) fn id(self, octets: &[u8]) -> Option<u32> {
        let mut fields =
            Reader::definite(octets.get(self.octets..self.length().min(octets.len()))?);
        fields.expect(tag::INTEGER).ok()?.unsigned().ok()
    }

    /// Whether enough has come of the message that begins with `octets` for [`Header::id`].
    pub(super) const fn is_id_there(self, octets: &[u8]) -> bool {
        octets.len() >= self.octets + ID_OCTETS
    }
}

/// How long the message is that begins with `octets`; `None` where its header is not whole yet.
pub fn length(octets: &[u8]) -> Result<Option<usize>, WireError> {
    let Some(header) = Header::read(octets)? else {
        return Ok(None);
    };
    header.check()?;
    Ok(Some(header.length()))
}

/// Reads one whole message.
pub fn decode(octets: &[u8]) -> Result<Message, WireError> {
    let mut outer = Reader::definite(octets);
    let mut fields = outer.expect(tag::SEQUENCE)?.reader();
    outer.finish()?;
    let id = fields.expect(tag::INTEGER)?.unsigned()?;
    let operation = fields.element()?;
    let inside = operation.reader();
    let operation = match operation.tag {
        BIND_RESPONSE => Operation::Bound(result(inside)?),
        SEARCH_ENTRY => Operation::Entry(entry(inside)?),
        SEARCH_DONE => Operation::SearchDone(result(inside)?),
        SEARCH_REFERENCE => Operation::Reference,
        EXTENDED_RESPONSE => Operation::Extended(result(inside)?),
        INTERMEDIATE_RESPONSE => Operation::Intermediate,
        other => return Err(WireError::Operation(other)),
    };
    let cookie = match fields.optional(CONTROLS)? {
        Some(controls) => cookie(controls.reader())?,
        None => None,
    };
    // What else there may be: Active Directory puts the name of its notice of disconnection here.
    Ok(Message {
        id,
        operation,
        cookie,
    })
}

/// The fields of every result; what follows them differs, and none of it is wanted.
fn result(mut fields: Reader<'_>) -> Result<LdapResult, WireError> {
    let code = fields.expect(tag::ENUMERATED)?.unsigned()?;
    let matched = fields.expect(tag::OCTET_STRING)?.content;
    let text = fields.expect(tag::OCTET_STRING)?;
    Ok(LdapResult {
        code,
        // A part of a name is another name.
        matched: match matched.len() {
            0..=MATCHED_OCTETS => printable(matched),
            _ => String::new(),
        },
        text: printable(text.content.get(..TEXT_OCTETS).unwrap_or(text.content)),
    })
}

fn entry(mut fields: Reader<'_>) -> Result<Entry, WireError> {
    let entry = fields.expect(tag::OCTET_STRING)?;
    let attributes = fields.expect(tag::SEQUENCE)?;
    let mut found = Vec::new();
    for attribute in attributes.reader() {
        let mut attribute = attribute?.expect(tag::SEQUENCE)?.reader();
        let name = attribute.expect(tag::OCTET_STRING)?.content;
        // What is cut off may say that these are not all values.
        if name.len() > DESCRIPTION_OCTETS {
            return Err(WireError::Description(name.len()));
        }
        let values = attribute.expect(tag::SET)?.reader();
        let values = values.map(|value| Ok(value?.expect(tag::OCTET_STRING)?.content.to_vec()));
        let values: Result<Vec<Vec<u8>>, Asn1Error> = values.collect();
        found.push(Attribute {
            name: printable(name),
            values: values?,
        });
    }
    Ok(Entry {
        name: entry.content.to_vec(),
        attributes: found,
    })
}

fn cookie(controls: Reader<'_>) -> Result<Option<Vec<u8>>, WireError> {
    for control in controls {
        let mut control = control?.expect(tag::SEQUENCE)?.reader();
        let kind = control.expect(tag::OCTET_STRING)?;
        let _criticality = control.optional(tag::BOOLEAN)?;
        if kind.content != PAGED_RESULTS.as_bytes() {
            continue;
        }
        let value = control.expect(tag::OCTET_STRING)?;
        let mut page = Reader::definite(value.content)
            .expect(tag::SEQUENCE)?
            .reader();
        let _estimate = page.expect(tag::INTEGER)?;
        let cookie = page.expect(tag::OCTET_STRING)?.content;
        if cookie.len() > COOKIE_OCTETS {
            return Err(WireError::Long(cookie.len()));
        }
        return Ok(Some(cookie.to_vec()));
    }
    Ok(None)
}

/// A server's words, fit for a line of the log.
fn printable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let plain = text.trim().chars();
    plain.map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

fn message(id: u32, operation: &[u8], controls: &[u8]) -> Vec<u8> {
    tlv::element(tag::SEQUENCE, &[&integer(id), operation, controls])
}

fn octets(value: &[u8]) -> Vec<u8> {
    tlv::element(tag::OCTET_STRING, &[value])
}

/// INTEGER that is not negative.
fn integer(value: u32) -> Vec<u8> {
    tlv::element(tag::INTEGER, &[&unsigned(value)])
}

/// The content of an INTEGER that is not negative.
fn unsigned(value: u32) -> Vec<u8> {
    let digits = value.to_be_bytes();
    let skip = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(skip.min(3)..).unwrap_or_default();
    let sign: &[u8] = match digits.first() {
        Some(0x80..) => &[0],
        _ => &[],
    };
    [sign, digits].concat()
}

// Application tags of RFC 4511 §4.
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const ABANDON_REQUEST: u8 = 0x50;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE_RESPONSE: u8 = 0x79;
const CONTROLS: u8 = tag::context(0);

/// An INTEGER of 31 bits at most (RFC 4511 §4.1.1), with its header.
const ID_OCTETS: usize = 6;

/// `version` 3, as an INTEGER.
const VERSION: &[u8] = &[0x02, 0x01, 0x03];
/// `scope` baseObject.
const BASE_OBJECT: &[u8] = &[0x0a, 0x01, 0x00];
/// `scope` wholeSubtree.
const WHOLE_SUBTREE: &[u8] = &[0x0a, 0x01, 0x02];
/// `derefAliases` neverDerefAliases: an alias could lead anywhere in the tree.
const NEVER_DEREFERENCE: &[u8] = &[0x0a, 0x01, 0x00];
/// `typesOnly`.
const FALSE: &[u8] = &[0x01, 0x01, 0x00];

/// RFC 4511 §4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// RFC 2696 §2.
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

#[cfg(test)]
mod tests {
    use super::*;

    /// One whole message with this operation and nothing more.
    fn reply(id: u8, operation: u8, content: &[&[u8]], more: &[u8]) -> Vec<u8> {
        let operation = tlv::element(operation, content);
        tlv::element(tag::SEQUENCE, &[&[2, 1, id], &operation, more])
    }

    #[test]
    fn requests_are_those_of_rfc_4511() {
        let bound = bind(1, "cn=a", "secret");
        #[rustfmt::skip]
        let wanted = [
            0x30, 0x16, 0x02, 0x01, 0x01,
            0x60, 0x11, 0x02, 0x01, 0x03, 0x04, 0x04, b'c', b'n', b'=', b'a',
            0x80, 0x06, b's', b'e', b'c', b'r', b'e', b't',
        ];
        assert_eq!(bound.as_slice(), wanted);
        assert_eq!(unbind(200), [0x30, 0x06, 0x02, 0x02, 0x00, 200, 0x42, 0x00]);
        let start = start_tls(2);
        assert_eq!(
            start.get(..9),
            Some(&[0x30, 29, 2, 1, 2, 0x77, 24, 0x80, 22][..])
        );
        assert!(start.ends_with(b"1.3.6.1.4.1.1466.20037"));
        let filter = Filter::parse("(mail=b)").unwrap();
        let search = search(
            3,
            &SearchRequest {
                base: b"dc=b",
                scope: Scope::Subtree,
                filter: &filter,
                attributes: &["cn"],
                size_limit: 101,
                time_limit: 300,
                page: Some(Page {
                    size: 50,
                    cookie: b"more",
                }),
            },
        );
        #[rustfmt::skip]
        let wanted = [
            &[0x30, 0x55, 0x02, 1, 3, 0x63, 0x27, 0x04, 4][..], b"dc=b", &[0x0a, 1, 2, 0x0a, 1, 0],
            &[0x02, 1, 101, 0x02, 2, 1, 44, 0x01, 1, 0],
            &[0xa3, 9, 0x04, 4], b"mail", &[0x04, 1], b"b", &[0x30, 4, 0x04, 2], b"cn",
            &[0xa0, 0x27, 0x30, 0x25, 0x04, 22], b"1.2.840.113556.1.4.319",
            &[0x04, 0x0b, 0x30, 9, 0x02, 1, 50, 0x04, 4], b"more",
        ];
        assert_eq!(search, wanted.concat());
        assert_eq!(length(&search), Ok(Some(search.len())));
        let given_up = abandon(4, 200);
        assert_eq!(given_up, [0x30, 0x07, 0x02, 1, 4, 0x50, 2, 0, 200]);
    }

    #[test]
    fn an_entry_is_read_with_its_values_and_a_result_with_its_cookie() {
        let values = tlv::element(tag::SET, &[&octets(b"one"), &octets(b"two")]);
        let attribute = tlv::element(tag::SEQUENCE, &[&octets(b"cn;binary"), &values]);
        let attributes = tlv::element(tag::SEQUENCE, &[&attribute]);
        let entry = reply(7, SEARCH_ENTRY, &[&octets(b"uid=a"), &attributes], &[]);
        let read = decode(&entry).unwrap();
        let wanted = Entry {
            name: b"uid=a".to_vec(),
            attributes: vec![Attribute {
                name: "cn;binary".to_owned(),
                values: vec![b"one".to_vec(), b"two".to_vec()],
            }],
        };
        assert_eq!((read.id, read.operation), (7, Operation::Entry(wanted)));

        let page = tlv::element(tag::SEQUENCE, &[&[2, 1, 0], &octets(b"c")]);
        let control = tlv::element(
            tag::SEQUENCE,
            &[
                &octets(PAGED_RESULTS.as_bytes()),
                &[1, 1, 0xff],
                &octets(&page),
            ],
        );
        let controls = tlv::element(CONTROLS, &[&control]);
        let done = [&[0x0a, 1, 4][..], &octets(b""), &octets(b"too\r\nmany")];
        let read = decode(&reply(7, SEARCH_DONE, &done, &controls)).unwrap();
        assert_eq!(read.cookie, Some(b"c".to_vec()));
        let Operation::SearchDone(result) = read.operation else {
            panic!("{read:?}");
        };
        assert_eq!(
            (result.name(), result.text.as_str(), result.matched.as_str()),
            ("sizeLimitExceeded", "too  many", "")
        );
        let none = [
            &[0x0a, 1, 32][..],
            &octets(b"dc=b,dc=example"),
            &octets(b""),
        ];
        let read = decode(&reply(7, SEARCH_DONE, &none, &[])).unwrap();
        let Operation::SearchDone(result) = read.operation else {
            panic!("{read:?}");
        };
        assert_eq!(
            (result.name(), result.matched.as_str()),
            ("noSuchObject", "dc=b,dc=example")
        );
    }

    #[test]
    fn what_says_that_something_is_left_out_is_never_cut_off() {
        let entry = |octets_of_name: usize| {
            let name = octets(&vec![b'x'; octets_of_name]);
            let attribute = tlv::element(tag::SEQUENCE, &[&name, &tlv::element(tag::SET, &[])]);
            let attributes = tlv::element(tag::SEQUENCE, &[&attribute]);
            decode(&reply(7, SEARCH_ENTRY, &[&octets(b""), &attributes], &[]))
        };
        assert!(entry(200).is_ok());
        assert_eq!(entry(201), Err(WireError::Description(201)));
        let matched = |octets_of_name: usize| {
            let name = octets(&vec![b'x'; octets_of_name]);
            let none = [&[0x0a, 1, 32][..], &name, &octets(b"")];
            let read = decode(&reply(7, SEARCH_DONE, &none, &[])).unwrap();
            let Operation::SearchDone(result) = read.operation else {
                panic!("{read:?}");
            };
            result.matched.len()
        };
        assert_eq!((matched(1024), matched(1025)), (1024, 0));
    }

    #[test]
    fn a_message_that_is_not_read_has_a_number_all_the_same() {
        let long = [
            0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 4, 0x7f, 0xff, 0xff, 0xff,
        ];
        for come in 0..=long.len() {
            let octets = &long[..come];
            let Some(header) = Header::read(octets).unwrap() else {
                assert!(come < 6);
                continue;
            };
            assert_eq!(header.check(), Err(WireError::Long(0xffff_ffff)));
            let whole = come == long.len();
            assert_eq!(header.is_id_there(octets), whole, "{come}");
            assert_eq!(header.id(octets), whole.then_some(0x7fff_ffff), "{come}");
        }
        let none = [0x30, 3, 4, 1, 0];
        let header = Header::read(&none).unwrap().unwrap();
        assert_eq!((header.length(), header.id(&none)), (5, None));
        // What is behind it is another message's.
        let empty = [0x30, 0, 2, 1, 1];
        let header = Header::read(&empty).unwrap().unwrap();
        assert_eq!(header.id(&empty), None);
    }

    #[test]
    fn a_message_is_refused_by_its_header_before_memory_is_taken() {
        assert_eq!(length(&[0x30]), Ok(None));
        assert_eq!(length(&[0x30, 0x84, 0, 0]), Ok(None));
        assert_eq!(length(&[0x30, 0x84, 0, 0, 0, 5]), Ok(Some(11)));
        let long = length(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(long, Err(WireError::Long(0xffff_ffff)));
        for octets in [&[0x30, 0x80][..], &[0x30, 0x85], &[0x15, 0x03], b"HT"] {
            assert!(length(octets).is_err(), "{octets:02x?}");
        }
    }

    #[test]
    fn malformed_messages_are_errors_and_never_a_panic() {
        let values = tlv::element(tag::SET, &[&octets(b"one")]);
        let attribute = tlv::element(tag::SEQUENCE, &[&octets(b"cn"), &values]);
        let attributes = tlv::element(tag::SEQUENCE, &[&attribute]);
        let page = tlv::element(tag::SEQUENCE, &[&[2, 1, 0], &octets(b"c")]);
        let control = tlv::element(
            tag::SEQUENCE,
            &[&octets(PAGED_RESULTS.as_bytes()), &octets(&page)],
        );
        let controls = tlv::element(CONTROLS, &[&control]);
        let done = [&[0x0a, 1, 0][..], &octets(b""), &octets(b"")];
        let seeds = [
            reply(1, SEARCH_ENTRY, &[&octets(b"uid=a"), &attributes], &[]),
            reply(1, SEARCH_DONE, &done, &controls),
            reply(0, EXTENDED_RESPONSE, &done, &[]),
            vec![0x30, 0x00],
            reply(1, 0x7e, &[], &[]),
        ];
        for seed in &seeds {
            for at in 0..seed.len() {
                assert!(decode(&seed[..at]).is_err(), "{at} octets of {seed:02x?}");
                for octet in 0..=255 {
                    let mut changed = seed.clone();
                    changed[at] = octet;
                    // Whatever it is: a value or an error.
                    let _ = decode(&changed);
                }
            }
        }
        assert_eq!(decode(&seeds[4]), Err(WireError::Operation(0x7e)));
    }
}
