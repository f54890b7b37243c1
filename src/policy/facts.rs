//! The facts that conditions are about (CONTRACT, "Policy files"): one table of names, types, values.
//!
//! Those of the envelope are known when a recipient is given, those of the content when the message
//! has arrived. What a sender wrote is in the content and bounded by [`Facts::MOST_VALUES`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::address::Mailbox;
use crate::notation::Layer;
use crate::notation::Layers;
use crate::notation::Marks;

/// Which way a message goes for one recipient (DESIGN, "Direction").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From outside, whatever it claims to be from.
    Inbound,
    /// From us to us.
    Internal,
    /// From us to others.
    Outbound,
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Internal, Self::Outbound];

    /// Its name in policies and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Internal => "internal",
            Self::Outbound => "outbound",
        }
    }
}

/// What a search for a certificate came to: four different things (DESIGN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupResult {
    /// A definite "none published".
    Absent,
    /// There is one that is good.
    Found,
    /// There is one, and it does not verify.
    Invalid,
    /// Nobody knows.
    Unavailable,
}

impl LookupResult {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Absent, Self::Found, Self::Invalid, Self::Unavailable];

    /// Its name in policies, reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Found => "found",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Where certificates are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LookupSource {
    /// A directory of files.
    Directory,
    /// What was seen in mail.
    Harvest,
    /// An LDAP server.
    Ldap,
    /// The domain's MCEK.
    Mcek,
    /// SMIMEA records.
    Smimea,
    /// The recipient's SMTP server.
    Smtp,
}

impl LookupSource {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Directory,
        Self::Harvest,
        Self::Ldap,
        Self::Mcek,
        Self::Smimea,
        Self::Smtp,
    ];

    /// Its name in policies, reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Harvest => "harvest",
            Self::Ldap => "ldap",
            Self::Mcek => "mcek",
            Self::Smimea => "smimea",
            Self::Smtp => "smtp",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

/// What the signatures of a message are worth, as `domsec verify` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageVerdict {
    /// Nothing is wrong, and not all is known.
    Indeterminate,
    /// Some signature, path or name is wrong, or covers only part of what is shown.
    Invalid,
    /// No signer at all.
    Unsigned,
    /// Every signature is good, and one speaks for the originator.
    Valid,
}

impl MessageVerdict {
    /// Its name in policies and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Indeterminate => "indeterminate",
            Self::Invalid => "invalid",
            Self::Unsigned => "unsigned",
            Self::Valid => "valid",
        }
    }
}

/// Everything that a condition can ask about one message and one of its recipients.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Which way the message goes.
    pub direction: Direction,
    /// MAIL FROM; `None` for the null sender.
    pub sender: Option<&'a Mailbox>,
    /// RCPT TO, and what is known about it.
    pub recipient: Recipient<'a>,
    /// What the MTA knows of the client.
    pub session: &'a Session,
    /// What is in the message; `None` until it has arrived.
    pub content: Option<&'a Content>,
}

/// A recipient of the envelope.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// RCPT TO.
    pub mailbox: &'a Mailbox,
    /// Whether the policy has a partner entry for its domain or a domain above it.
    pub partner: bool,
    /// The search for a certificate of its own.
    pub certificate: LookupResult,
    /// The search for the certificate of its domain's DCA.
    pub dca: LookupResult,
}

/// The session in which a message came. The default is that of a stranger.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The login of SMTP AUTH; `None` when the client did not authenticate.
    pub login: Option<String>,
    /// Whether the client is in a network that is trusted to say who it is.
    pub trusted: bool,
    /// Whether TLS protects the session.
    pub tls: bool,
    /// The subject of the client's TLS certificate, where it was verified.
    pub tls_subject: Option<String>,
    /// The client's address; `None` for mail that did not come by SMTP.
    pub client_ip: Option<IpAddr>,
    /// What the client called itself.
    pub helo: Option<String>,
}

/// What is in a message.
#[derive(Clone, Debug)]
pub struct Content {
    /// The addresses of From.
    pub from: Vec<Mailbox>,
    /// Octets of the message as it came.
    pub size: u64,
    /// The decoded Subject; the protected one where there is one (RFC 9788 §4).
    pub subject: String,
    /// Its layers as far as they could be opened.
    pub layers: Layers,
    /// What its signatures are worth.
    pub verdict: MessageVerdict,
    /// The media type of what is innermost, in lower case and without parameters.
    pub media_type: String,
    /// The file names of its attachments; an empty text for one without.
    pub attachments: Vec<String>,
    /// Values of header fields by their names in lower case, each in the order of the message.
    pub headers: BTreeMap<String, Vec<String>>,
}

/// Where a fact comes from, and so from when it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The message.
    Content,
    /// The envelope, the session and the searches for certificates.
    Envelope,
}

/// What a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactType {
    /// `true` or `false`.
    Bool,
    /// A domain in lower case, as A-labels; or the empty text.
    Domain,
    /// Texts by name, each name with a list; a name that is not there has the empty list.
    Headers,
    /// A whole number.
    Int,
    /// Any text.
    Text,
    /// A list of texts.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl FactType {
    /// Its name in CEL's words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Bool => "bool".to_owned(),
            Self::Headers => "map(string, list(string))".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Domain | Self::Text => "string".to_owned(),
            Self::Texts => "list(string)".to_owned(),
            Self::Word(words) => words.join("|"),
        }
    }
}

/// The value of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// Texts by name.
    Headers(&'a BTreeMap<String, Vec<String>>),
    /// A whole number.
    Int(i64),
    /// A text; empty where there is nothing.
    Text(Cow<'a, str>),
    /// A list of texts.
    Texts(&'a [String]),
}

/// One row of the table of facts.
#[derive(Debug)]
pub struct Fact {
    /// Its name in conditions: `recipient.domain`.
    pub name: &'static str,
    /// What it is.
    pub fact_type: FactType,
    /// From when it is known.
    pub origin: Origin,
    /// What it means, for an officer.
    pub meaning: &'static str,
    value: for<'a> fn(&'a Facts<'_>) -> Option<FactValue<'a>>,
}

impl Fact {
    /// The name of the fact that is the search for the recipient's own certificate.
    pub const CERTIFICATE: &'static str = "recipient.certificate";

    /// The name of the fact that is the search for its DCA's.
    pub const DCA: &'static str = "recipient.dca";

    /// Every fact, those of the envelope first.
    #[must_use]
    pub fn all() -> &'static [Self] {
        FACTS
    }

    /// The fact of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.name == name)
    }

    /// Its value among `facts`; `None` for one of the content before that has arrived.
    #[must_use]
    pub fn value<'a>(&self, facts: &'a Facts<'_>) -> Option<FactValue<'a>> {
        (self.value)(facts)
    }
}

impl Facts<'_> {
    /// Values of one fact that a condition is evaluated over.
    ///
    /// A condition may go through two lists within each other, which takes the square of this.
    pub const MOST_VALUES: usize = 500;
}

impl Content {
    /// Whether any layer that can be seen has a signer.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.layers
            .iter()
            .any(|layer| matches!(layer, Layer::Signed(marks) if !marks.contains(Marks::EMPTY)))
    }

    /// Whether any layer is encrypted, whether or not we could open it.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.layers.iter().any(|layer| layer == Layer::Enveloped)
    }

    /// The From address, where there is exactly one.
    fn only_from(&self) -> Option<&Mailbox> {
        match self.from.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

fn text(text: &str) -> Option<FactValue<'_>> {
    Some(FactValue::Text(Cow::Borrowed(text)))
}

fn owned(text: String) -> Option<FactValue<'static>> {
    Some(FactValue::Text(Cow::Owned(text)))
}

fn flag(flag: bool) -> Option<FactValue<'static>> {
    Some(FactValue::Bool(flag))
}

fn optional(value: Option<&str>) -> Option<FactValue<'_>> {
    text(value.unwrap_or_default())
}

fn number(value: impl TryInto<i64>) -> Option<FactValue<'static>> {
    Some(FactValue::Int(value.try_into().unwrap_or(i64::MAX)))
}

fn address(mailbox: Option<&Mailbox>) -> Option<FactValue<'static>> {
    owned(mailbox.map(Mailbox::to_string).unwrap_or_default())
}

fn local(mailbox: Option<&Mailbox>) -> Option<FactValue<'_>> {
    optional(mailbox.map(Mailbox::local))
}

fn domain(mailbox: Option<&Mailbox>) -> Option<FactValue<'_>> {
    optional(mailbox.map(|mailbox| mailbox.domain().as_str()))
}

const DIRECTIONS: FactType = FactType::Word(&["outbound", "internal", "inbound"]);
const RESULTS: FactType = FactType::Word(&["found", "absent", "unavailable", "invalid"]);
const VERDICTS: FactType = FactType::Word(&["valid", "invalid", "indeterminate", "unsigned"]);

const fn envelope(
    name: &'static str,
    fact_type: FactType,
    meaning: &'static str,
    value: for<'a> fn(&'a Facts<'_>) -> Option<FactValue<'a>>,
) -> Fact {
    let origin = Origin::Envelope;
    Fact {
        name,
        fact_type,
        origin,
        meaning,
        value,
    }
}

const fn content(
    name: &'static str,
    fact_type: FactType,
    meaning: &'static str,
    value: for<'a> fn(&'a Facts<'_>) -> Option<FactValue<'a>>,
) -> Fact {
    let origin = Origin::Content;
    Fact {
        name,
        fact_type,
        origin,
        meaning,
        value,
    }
}

#[rustfmt::skip]
const FACTS: &[Fact] = &[
    envelope("direction", DIRECTIONS,
        "outbound: from us to others; internal: from us to us; inbound: all else",
        |f| text(f.direction.as_str())),
    envelope("sender.address", FactType::Text,
        "MAIL FROM; empty for the null sender of bounces",
        |f| address(f.sender)),
    envelope("sender.local", FactType::Text,
        "what stands before its @",
        |f| local(f.sender)),
    envelope("sender.domain", FactType::Domain,
        "its domain, in lower case and as A-labels (xn--)",
        |f| domain(f.sender)),
    envelope("recipient.address", FactType::Text,
        "RCPT TO, the one recipient that the rule is for",
        |f| address(Some(f.recipient.mailbox))),
    envelope("recipient.local", FactType::Text,
        "what stands before its @",
        |f| local(Some(f.recipient.mailbox))),
    envelope("recipient.domain", FactType::Domain,
        "its domain, in lower case and as A-labels (xn--)",
        |f| domain(Some(f.recipient.mailbox))),
    envelope("recipient.partner", FactType::Bool,
        "whether there is a [partner] entry for its domain or a domain above it",
        |f| flag(f.recipient.partner)),
    envelope(Fact::CERTIFICATE, RESULTS,
        "the search for a certificate of its own",
        |f| text(f.recipient.certificate.as_str())),
    envelope(Fact::DCA, RESULTS,
        "the search for the certificate of its domain's confidentiality authority",
        |f| text(f.recipient.dca.as_str())),
    envelope("session.authenticated", FactType::Bool,
        "whether the client authenticated itself (SMTP AUTH)",
        |f| flag(f.session.login.is_some())),
    envelope("session.login", FactType::Text,
        "its login; empty without one",
        |f| optional(f.session.login.as_deref())),
    envelope("session.trusted", FactType::Bool,
        "whether the client is in a trusted network",
        |f| flag(f.session.trusted)),
    envelope("session.tls", FactType::Bool,
        "whether TLS protects the session",
        |f| flag(f.session.tls)),
    envelope("session.tls_subject", FactType::Text,
        "the subject of the client's verified TLS certificate; empty without one",
        |f| optional(f.session.tls_subject.as_deref())),
    envelope("session.client_ip", FactType::Text,
        "the client's address; empty for mail that did not come by SMTP",
        |f| owned(f.session.client_ip.map(|ip| ip.to_string()).unwrap_or_default())),
    envelope("session.helo", FactType::Text,
        "what the client called itself; proves nothing",
        |f| optional(f.session.helo.as_deref())),
    content("from.address", FactType::Text,
        "the address of From; empty unless there is exactly one",
        |f| f.content.and_then(|c| address(c.only_from()))),
    content("from.local", FactType::Text,
        "what stands before its @",
        |f| f.content.and_then(|c| local(c.only_from()))),
    content("from.domain", FactType::Domain,
        "its domain, in lower case and as A-labels (xn--)",
        |f| f.content.and_then(|c| domain(c.only_from()))),
    content("from.count", FactType::Int,
        "how many addresses From has",
        |f| f.content.and_then(|c| number(c.from.len()))),
    content("message.size", FactType::Int,
        "octets of the message as it came",
        |f| f.content.and_then(|c| number(c.size))),
    content("message.subject", FactType::Text,
        "the Subject, decoded",
        |f| f.content.and_then(|c| text(&c.subject))),
    content("message.layers", FactType::Text,
        "its layers, as in S[domain](S(C)); without a C, some E could not be opened",
        |f| f.content.and_then(|c| owned(c.layers.to_string()))),
    content("message.signed", FactType::Bool,
        "whether any layer that can be seen has a signer",
        |f| f.content.and_then(|c| flag(c.is_signed()))),
    content("message.encrypted", FactType::Bool,
        "whether any layer is encrypted, opened or not",
        |f| f.content.and_then(|c| flag(c.is_encrypted()))),
    content("message.verdict", VERDICTS,
        "what its signatures are worth, as domsec verify says it",
        |f| f.content.and_then(|c| text(c.verdict.as_str()))),
    content("message.media_type", FactType::Text,
        "the media type of what is innermost, in lower case, as in text/plain",
        |f| f.content.and_then(|c| text(&c.media_type))),
    content("message.attachments", FactType::Texts,
        "the file names of its attachments",
        |f| f.content.map(|c| FactValue::Texts(&c.attachments))),
    content("message.headers", FactType::Headers,
        "the values of each header field, by its name in lower case",
        |f| f.content.map(|c| FactValue::Headers(&c.headers))),
];
