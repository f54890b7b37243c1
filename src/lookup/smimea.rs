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
use crate::gateway::search::Association;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Matching;
use crate::gateway::search::Owner;
use crate::gateway::search::Provenance;
use crate::gateway::search::Said;
use crate::gateway::search::Selector;
use crate::gateway::search::Subject;
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;
    use std::task::Poll;
    use std::task::Waker;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::limits::Limits;
    use crate::lookup::names::FixedDns;
    use crate::lookup::source::Expected;
    use crate::x509::pem;

    fn mailbox(text: &str) -> Mailbox {
        text.parse().unwrap()
    }

    fn der(pem: &[u8]) -> Vec<u8> {
        let found = pem::certificates(pem, &Limits::default()).unwrap();
        found.first().unwrap().der().to_vec()
    }

    fn alice() -> Vec<u8> {
        der(include_bytes!("../../certs/alice.pem"))
    }

    fn record(usage: u8, selector: u8, matching: u8, data: Vec<u8>) -> Data {
        Data::Association {
            usage,
            selector,
            matching,
            data,
        }
    }

    fn ask(source: &Smimea, address: &str, expected: bool) -> Reply {
        let question = Question {
            subject: Owner::Recipient(mailbox(address)),
            expected: Expected::by_policy(expected),
            deadline: Instant::now() + Duration::from_secs(60),
            now: Time::from_unix(1_800_000_000).unwrap(),
        };
        let mut search = pin!(source.search(&question));
        match search
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(reply) => reply,
            Poll::Pending => panic!("fixed answers do not wait"),
        }
    }

    fn with(secure: bool, records: Vec<Data>) -> Smimea {
        let name = name(&mailbox("alice@a.example"));
        let dns = FixedDns::default().with(&name, Kind::Smimea, secure, records);
        Smimea::new(Arc::new(dns))
    }

    fn asked(secure: bool, records: Vec<Data>, expected: bool) -> Reply {
        ask(&with(secure, records), "alice@a.example", expected)
    }

    #[test]
    fn names_are_those_of_the_rfc() {
        // RFC 8162 §3.
        let hugh =
            "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert.example.com";
        assert_eq!(name(&mailbox("hugh@example.com")), hugh);
        assert_eq!(name(&mailbox("hugh@Example.COM.")), hugh);
        assert_eq!(name(&mailbox("\"hugh\"@example.com")), hugh);
        assert_ne!(name(&mailbox("Hugh@example.com")), hugh);
        // Composed and decomposed are the same.
        let composed = name(&mailbox("ren\u{e9}@example.com"));
        assert_eq!(name(&mailbox("rene\u{301}@example.com")), composed);
    }

    #[test]
    fn the_former_name_is_one_label_and_may_be_none() {
        let former = former_name(&mailbox("first.last@example.com")).unwrap();
        assert_eq!(former, "first\\.last._smimecert.example.com");
        let long = format!("{}@example.com", "a".repeat(64));
        assert_eq!(former_name(&mailbox(&long)), None);
    }

    #[test]
    fn a_whole_certificate_is_a_candidate_with_those_of_its_cas() {
        let bob = der(include_bytes!("../../certs/bob.pem"));
        let records = vec![
            record(3, 0, 0, alice()),
            record(1, 0, 0, alice()),
            record(2, 0, 0, bob.clone()),
            record(0, 1, 1, vec![7; 32]),
            record(9, 9, 9, vec![]),
        ];
        let reply = asked(true, records, false);
        assert_eq!(reply.said, Said::Found);
        assert!(reply.authentic);
        assert_eq!(reply.lifetime, Some(Duration::from_secs(300)));
        assert_eq!(reply.associations.len(), 4);
        let [candidate] = reply.candidates.as_slice() else {
            panic!("{reply:?}");
        };
        assert_eq!(candidate.certificate.der(), alice());
        let chain: Vec<&[u8]> = candidate.chain.iter().map(Certificate::der).collect();
        assert_eq!(chain, [bob.as_slice()]);
        assert_eq!(candidate.provenance.authentication, Authentication::Dnssec);
    }

    #[test]
    fn a_digest_is_found_without_a_candidate() {
        let reply = asked(true, vec![record(3, 1, 1, vec![7; 32])], false);
        assert_eq!(reply.said, Said::Found);
        assert_eq!((reply.candidates.len(), reply.associations.len()), (0, 1));
    }

    #[test]
    fn records_that_are_all_unusable_are_invalid_not_absent() {
        for unusable in [
            record(4, 0, 0, alice()),
            record(3, 0, 0, b"no certificate".to_vec()),
            record(3, 0, 1, vec![7; 20]),
        ] {
            let reply = asked(true, vec![unusable], false);
            let Said::Invalid(reason) = &reply.said else {
                panic!("{reply:?}");
            };
            assert!(reason.starts_with("none of 1 SMIMEA records"), "{reason}");
            assert!(reply.authentic);
        }
    }

    #[test]
    fn an_insecure_record_is_never_used() {
        for (expected, wanted) in [(false, "absent"), (true, "unavailable")] {
            for records in [vec![record(3, 0, 0, alice())], vec![]] {
                let reply = asked(false, records, expected);
                assert_eq!(reply.said.result().as_str(), wanted);
                assert!(!reply.authentic && reply.candidates.is_empty());
                assert!(reply.associations.is_empty());
            }
        }
    }

    #[test]
    fn a_proven_denial_is_absent_even_where_records_are_expected() {
        let reply = asked(true, vec![], true);
        assert!(matches!(reply.said, Said::Absent(_)) && reply.authentic);
    }

    #[test]
    fn a_failure_is_unavailable_for_everybody() {
        let name = name(&mailbox("alice@a.example"));
        let dns = FixedDns::default().failing(&name, Kind::Smimea);
        let reply = ask(&Smimea::new(Arc::new(dns)), "alice@a.example", false);
        assert_eq!(reply.said, Said::Unavailable("SERVFAIL".to_owned()));
    }

    #[test]
    fn the_former_name_is_asked_for_after_a_secure_denial_alone() {
        const FORMER: &str = "alice._smimecert.a.example";
        let rfc = name(&mailbox("alice@a.example"));
        let record = record(3, 0, 0, alice());
        let dns = |secure| {
            FixedDns::default()
                .with(FORMER, Kind::Smimea, true, vec![record.clone()])
                .with(&rfc, Kind::Smimea, secure, vec![])
        };
        let said = |source: Smimea| ask(&source, "alice@a.example", false).said;
        let source = |secure| Smimea::new(Arc::new(dns(secure)));
        assert_eq!(said(source(true).with_former_names()), Said::Found);
        assert!(matches!(said(source(true)), Said::Absent(_)));
        assert!(matches!(
            said(source(false).with_former_names()),
            Said::Absent(_)
        ));
        let failing = dns(true).failing(&rfc, Kind::Smimea);
        let source = Smimea::new(Arc::new(failing)).with_former_names();
        assert!(matches!(said(source), Said::Unavailable(_)));
    }

    #[test]
    fn recipients_of_domains_alone_are_covered() {
        let source = with(true, vec![]);
        let literal = mailbox("alice@[192.0.2.1]");
        assert!(source.covers(Subject::Recipient(&mailbox("alice@a.example"))));
        assert!(!source.covers(Subject::Recipient(&literal)));
        assert!(!source.covers(Subject::Dca(&"a.example".parse().unwrap())));
    }
}
