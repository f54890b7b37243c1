//! SMIMEA: certificates of addresses in DNS, proven by DNSSEC (RFC 8162).
//!
//! A record that holds a whole certificate is a find; every other one says which certificates count, wherever they
//! are found. Nothing that is not secure is used (RFC 8162 §6).

use std::sync::Arc;

use sha2::Digest as _;
use sha2::Sha256;
use tokio::time::timeout_at;
use unicode_normalization::UnicodeNormalization as _;

use super::names::Data;
use super::names::Dns;
use super::names::DnsFailure;
use super::names::Kind;
use super::names::Records;
use super::source::Missing;
use super::source::Question;
use super::source::Reply;
use super::source::Source;
use crate::address::Mailbox;
use crate::gateway::certificates::Answer;
use crate::gateway::certificates::Subject;
use crate::gateway::search::Association;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Matching;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Selector;
use crate::policy::facts::LookupSource;
use crate::x509::Certificate;
use crate::x509::Time;

/// Octets of SHA-256 that name a local part (RFC 8162 §3).
const HASH_OCTETS: usize = 28;

/// Octets of a label, and of a name without its final dot (RFC 1035 §2.3.4).
const LABEL_OCTETS: usize = 63;
const NAME_OCTETS: usize = 253;

/// Records of one address that are read; others are not looked at.
const MOST_RECORDS: usize = 32;

/// Reasons that are told of records that are no good.
const MOST_REASONS: usize = 3;

/// Certificates of addresses in DNS.
#[derive(Clone, Debug)]
pub struct Smimea {
    dns: Arc<dyn Dns>,
    former_names: bool,
}

impl Smimea {
    /// Asks `dns` for the names of RFC 8162 §3.
    #[must_use]
    pub fn new(dns: Arc<dyn Dns>) -> Self {
        Self {
            dns,
            former_names: false,
        }
    }

    /// The same; and where the name of RFC 8162 is securely denied, also under the name that an early draft had
    /// (draft-hoffman-dane-smime-02 §3), which shows the local part to everybody on the way.
    #[must_use]
    pub const fn with_former_names(mut self) -> Self {
        self.former_names = true;
        self
    }

    async fn search(&self, question: &Question) -> Reply {
        let Owner::Recipient(mailbox) = &question.subject else {
            return Reply::without(Said::Absent("no certificate of an address".to_owned()));
        };
        let mut reply = None;
        let former = self.former_names.then(|| former_name(mailbox));
        for name in [Some(name(mailbox)), former.flatten()]
            .into_iter()
            .flatten()
        {
            if name.len() > NAME_OCTETS {
                break;
            }
            let answer = self.dns.records(&name, Kind::Smimea).await;
            let answered = answered(question, answer);
            let is_denied = answered.authentic && matches!(answered.said, Said::Absent(_));
            reply = Some(shorter(reply, answered));
            if !is_denied {
                break;
            }
        }
        reply.unwrap_or_else(|| {
            let reason = "the domain is too long for names of SMIMEA records";
            Reply::without(Missing::Denied.said(question, reason))
        })
    }
}

impl Source for Smimea {
    fn name(&self) -> LookupSource {
        LookupSource::Smimea
    }

    fn covers(&self, subject: Subject<'_>) -> bool {
        match subject {
            Subject::Dca(_) => false,
            Subject::Recipient(mailbox) => !mailbox.domain().is_literal(),
        }
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a, Reply> {
        Box::pin(async move {
            let search = timeout_at(question.deadline, self.search(question)).await;
            search.unwrap_or_else(|_| {
                Reply::unavailable("DNS gave no answer about SMIMEA records in time")
            })
        })
    }
}

/// Where the SMIMEA records of `mailbox` are, without a final dot (RFC 8162 §3).
///
/// The local part as it is, in normal form C, without quoting: it is not folded, nor otherwise mapped (RFC 8162 §4).
#[must_use]
pub fn name(mailbox: &Mailbox) -> String {
    let local: String = mailbox.local().nfc().collect();
    let hash = Sha256::digest(local.as_bytes());
    let hex: String = hash
        .iter()
        .take(HASH_OCTETS)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    format!("{hex}._smimecert.{}", mailbox.domain())
}

/// The name of an early draft: the local part itself is one label. `None` where it is too long for one.
fn former_name(mailbox: &Mailbox) -> Option<String> {
    let local: String = mailbox.local().nfc().collect();
    let mut label = String::new();
    for character in local.chars() {
        // RFC 1035 §5.1: else it would end the label.
        if matches!(character, '.' | '\\') {
            label.push('\\');
        }
        label.push(character);
    }
    (local.len() <= LABEL_OCTETS).then(|| format!("{label}._smimecert.{}", mailbox.domain()))
}

/// The later of two replies, which holds no longer than the earlier, on which it rests.
fn shorter(earlier: Option<Reply>, later: Reply) -> Reply {
    let before = earlier.and_then(|earlier| earlier.lifetime);
    let lifetime = match (before, later.lifetime) {
        (Some(before), Some(after)) => Some(before.min(after)),
        (before, after) => after.or(before),
    };
    Reply { lifetime, ..later }
}

/// What the answer of DNS is to the question.
fn answered(question: &Question, answer: Result<Records, DnsFailure>) -> Reply {
    let records = match answer {
        Ok(records) => records,
        Err(failure) => return Reply::unavailable(failure.reason),
    };
    let lifetime = Some(records.ttl);
    let missing = |missing: Missing, reason: &str| Reply {
        lifetime,
        authentic: missing == Missing::Denied,
        ..Reply::without(missing.said(question, reason))
    };
    match (records.secure, records.data.is_empty()) {
        (false, true) => missing(
            Missing::InsecureAnswer,
            "there is no SMIMEA record, and DNSSEC does not prove it: the domain is not signed",
        ),
        (false, false) => missing(
            Missing::InsecureAnswer,
            "there are SMIMEA records, which do not count: DNSSEC does not prove them",
        ),
        (true, true) => missing(
            Missing::Denied,
            "DNSSEC proves that there is no SMIMEA record",
        ),
        (true, false) => Reply {
            lifetime,
            authentic: true,
            ..read(records.data, question.now)
        },
    }
}

/// Reads secure records.
fn read(data: Vec<Data>, now: Time) -> Reply {
    let (mut associations, mut subjects, mut issuers) = (Vec::new(), Vec::new(), Vec::new());
    let mut reasons = Vec::new();
    for datum in data.into_iter().take(MOST_RECORDS) {
        match read_record(datum) {
            Ok((association, certificate)) => {
                let is_subjects = association.usage.is_about_the_subject();
                let certificates = if is_subjects {
                    &mut subjects
                } else {
                    &mut issuers
                };
                certificates.extend(certificate.filter(|one| !certificates.contains(one)));
                associations.push(association);
            }
            Err(reason) => reasons.push(reason),
        }
    }
    if associations.is_empty() {
        let count = reasons.len();
        reasons.truncate(MOST_REASONS);
        let reasons = reasons.join("; ");
        let reason = format!("none of {count} SMIMEA records is usable: {reasons}");
        return Reply::without(Said::Invalid(reason));
    }
    let candidate = |certificate| Candidate {
        certificate,
        chain: issuers.clone(),
        provenance: Provenance {
            source: LookupSource::Smimea,
            authentication: Authentication::Dnssec,
            seen: now,
        },
    };
    Reply {
        candidates: subjects.into_iter().map(candidate).collect(),
        associations,
        ..Reply::without(Said::Found)
    }
}

/// One record, and the certificate that it holds.
fn read_record(datum: Data) -> Result<(Association, Option<Certificate>), String> {
    let Data::Association {
        usage,
        selector,
        matching,
        data,
    } = datum
    else {
        return Err("it is no SMIMEA record".to_owned());
    };
    let association = Association::read(usage, selector, matching, data)
        .map_err(|error| format!("record {usage} {selector} {matching}: {error}"))?;
    let is_whole =
        (association.selector, association.matching) == (Selector::Full, Matching::Exact);
    let certificate = is_whole.then(|| Certificate::parse(&association.data));
    let certificate = certificate.transpose().map_err(|error| {
        format!("record {usage} {selector} {matching} holds no certificate: {error}")
    })?;
    Ok((association, certificate))
}
