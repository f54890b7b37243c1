//! Our own validation of answers (RFC 4033 §5, RFC 4035 §5), which hickory does from anchors that are checked here.
//!
//! Everything that one question needs is fetched within one inquiry, of bounded work. What hickory leaves open is
//! decided here: which names an anchor speaks for, what a failure on the way means, and whether a denial was proven.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use hickory_resolver::net::DnsError;
use hickory_resolver::net::NetError;
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::Time as _;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::runtime::TokioTime;
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::net::xfer::DnsResponseStream;
use hickory_resolver::net::xfer::FirstAnswer;
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::PublicKey;
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::dnssec::Verifier;
use hickory_resolver::proto::dnssec::rdata::DNSKEY;
use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::dnssec::rdata::NSEC3;
use hickory_resolver::proto::dnssec::rdata::RRSIG;
use hickory_resolver::proto::op::DnsRequest;
use hickory_resolver::proto::op::DnsRequestOptions;
use hickory_resolver::proto::op::DnsResponse;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::DNSClass;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::SerialNumber;
use tokio::time::Instant;

use super::anchors::Anchor;
use super::anchors::Anchors;
use super::answer;
use super::exchange::Asking;
use super::exchange::Servers;
use super::wildcard;
use crate::x509::Time;

/// Queries for one question. A chain of six zones below the root takes some twenty.
const MOST_QUERIES: usize = 64;

/// Signatures of a DNSKEY RRset that are tried: as hickory, against KeyTrap (CVE-2023-50387).
const MOST_SIGNATURES: usize = 8;

/// Answers about zones that are kept between questions: keys, delegations, zone cuts.
const MOST_KEPT: usize = 2_000;

/// How long they are kept at most, so that a zone's mistake that was mended is soon forgotten.
const LONGEST_KEPT: Duration = Duration::from_secs(300);

/// The DNSSEC states that are no failure (RFC 4033 §5); Indeterminate counts as insecure, Bogus is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Insecure,
    Secure,
}

/// Validates answers of servers that need not be trusted.
#[derive(Debug)]
pub(super) struct Validator {
    anchors: Anchors,
    kept: Arc<Kept>,
}

impl Validator {
    pub(super) fn new(anchors: Anchors) -> Self {
        Self {
            anchors,
            kept: Arc::default(),
        }
    }

    /// The part of an answer that [`answer::cut`] leaves, and its state. `Err` where it is bogus, or nobody knows.
    pub(super) async fn ask(
        &self,
        servers: &Arc<Servers>,
        (name, kind): (&Name, RecordType),
        deadline: Instant,
    ) -> Result<(Message, State), String> {
        let Some((zone, anchor)) = self.anchors.nearest(name) else {
            let message = servers.ask(&asking(name, kind), deadline).await?;
            return Ok((answer::cut(message, name, kind)?, State::Insecure));
        };
        let mut reason = String::new();
        // What is kept can be out of date, after a change of keys for example: then all is fetched anew.
        for kept in [Some(&self.kept), None] {
            let inquiry = Inquiry(Arc::new(Steps {
                servers: Arc::clone(servers),
                zone: zone.clone(),
                kept: kept.cloned(),
                deadline,
                answers: tokio::sync::Mutex::default(),
                fault: Mutex::default(),
            }));
            match inquiry.run(anchor, name, kind).await {
                Ok((message, state)) => {
                    self.kept.keep(&*inquiry.0.answers.lock().await);
                    return Ok((message, state));
                }
                Err(why) => reason = why,
            }
            // A server that failed has been asked often enough.
            if inquiry.0.fault().is_some() {
                break;
            }
        }
        Err(reason)
    }
}

/// All that is asked for the sake of one question.
#[derive(Clone)]
struct Inquiry(Arc<Steps>);

struct Steps {
    servers: Arc<Servers>,
    /// The zone of the anchor: nothing above it is believed, or asked for.
    zone: Name,
    kept: Option<Arc<Kept>>,
    deadline: Instant,
    answers: tokio::sync::Mutex<HashMap<(Name, RecordType), Message>>,
    /// Why an answer could not be had. hickory takes that for bogus.
    fault: Mutex<Option<String>>,
}

impl Inquiry {
    async fn run(
        &self,
        anchor: &Anchor,
        name: &Name,
        kind: RecordType,
    ) -> Result<(Message, State), String> {
        let keys = self.0.keys(anchor).await?;
        let validating = DnssecDnsHandle::with_trust_anchor(self.clone(), Arc::new(keys))
            .validation_cache_size(MOST_QUERIES);
        let query = Query::query(name.clone(), kind);
        let answered = validating.lookup(query, DnsRequestOptions::default());
        let judged = judge(answered.first_answer().await, name);
        match (judged, self.0.fault()) {
            (Ok((message, State::Secure)), _) => Ok((message, State::Secure)),
            (_, Some(fault)) => Err(format!("cannot be validated: {fault}")),
            (judged, None) => judged,
        }
    }
}

impl DnsHandle for Inquiry {
    type Response = DnsResponseStream;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let steps = Arc::clone(&self.0);
        let query = request.queries.first().cloned().unwrap_or_default();
        Box::pin(async move {
            let message = steps.fetch(query.name(), query.query_type()).await;
            let message = message.map_err(NetError::Msg)?;
            Ok(DnsResponse::from_message(message)?)
        })
        .into()
    }
}

impl Steps {
    fn fault(&self) -> Option<String> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone()
    }

    async fn fetch(&self, name: &Name, kind: RecordType) -> Result<Message, String> {
        // The anchor says that its zone is signed. Were its parent asked, or a zone further up, then a forged answer
        // without signatures could pass for one of an insecure zone.
        let above = !self.zone.zone_of(name) || (kind == RecordType::DS && *name == self.zone);
        if above {
            return Err(format!(
                "{name} is not below the trust anchor {}",
                self.zone
            ));
        }
        let mut answers = self.answers.lock().await;
        let key = (name.to_lowercase(), kind);
        if let Some(known) = answers.get(&key) {
            return Ok(known.clone());
        }
        let kept = self.kept.as_ref().and_then(|kept| kept.get(&key));
        let fetched = match kept {
            Some(kept) => Ok(kept),
            None if answers.len() >= MOST_QUERIES => Err(format!(
                "it takes more than {MOST_QUERIES} queries to validate it"
            )),
            None => {
                let asking = asking(name, kind);
                let answer = self.servers.ask(&asking, self.deadline).await;
                answer.and_then(|message| answer::cut(message, name, kind))
            }
        };
        match fetched {
            Ok(message) => {
                answers.insert(key, message.clone());
                Ok(message)
            }
            Err(fault) => {
                let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| fault.clone());
                Err(fault)
            }
        }
    }

    /// All keys of the anchor's zone, signed by one that the anchor has (RFC 4035 §5): to hickory each is an anchor.
    ///
    /// By itself it would look for the zone's DS record beside an anchor that is not all of the zone's keys; a zone
    /// below an unsigned one has none.
    async fn keys(&self, anchor: &Anchor) -> Result<TrustAnchors, String> {
        let zone = &self.zone;
        let message = self.fetch(zone, RecordType::DNSKEY).await?;
        let records: Vec<&Record> = answer::records(&message.answers).collect();
        let keys: Vec<&DNSKEY> = records.iter().filter_map(|record| dnskey(record)).collect();
        let trusted: Vec<&DNSKEY> = keys
            .iter()
            .copied()
            .filter(|key| anchor.trusts(zone, key))
            .collect();
        if trusted.is_empty() {
            return Err(format!(
                "bogus: none of the {} DNSKEY records of {zone} is the configured trust anchor; if the zone has \
                 changed its key, the anchor must be replaced",
                keys.len()
            ));
        }
        let now = now();
        let signed = message
            .answers
            .iter()
            .filter_map(answer::rrsig)
            .filter(|rrsig| is_current(rrsig, now) && rrsig.input().signer_name == *zone)
            .filter(|rrsig| rrsig.input().num_labels == zone.num_labels())
            .take(MOST_SIGNATURES)
            .any(|rrsig| {
                trusted.iter().any(|key| {
                    let tag = key.calculate_key_tag().ok();
                    key.public_key().algorithm() == rrsig.input().algorithm
                        && tag == Some(rrsig.input().key_tag)
                        && key
                            .verify_rrsig(zone, DNSClass::IN, rrsig, records.iter().copied())
                            .is_ok()
                })
            });
        if !signed {
            return Err(format!(
                "bogus: the DNSKEY records of {zone} are not signed by the configured trust anchor, or not for now"
            ));
        }
        let mut anchors = TrustAnchors::empty();
        for key in keys {
            anchors.insert_with_name(key.public_key(), zone.into());
        }
        Ok(anchors)
    }
}

/// What hickory made of an answer.
fn judge(answered: Result<DnsResponse, NetError>, name: &Name) -> Result<(Message, State), String> {
    let (message, insecure) = match answered {
        Ok(response) => (response.into_message(), false),
        // More iterations of NSEC3 than anybody should have (RFC 9276 §3.2).
        Err(NetError::Dns(DnsError::Nsec {
            response,
            proof: Proof::Insecure,
            ..
        })) => (response.into_message(), true),
        Err(NetError::Dns(DnsError::Nsec { response, .. })) => {
            let message = response.into_message();
            if !wildcard::is_proven(&message, name) {
                return Err(bogus_denial(&message));
            }
            (message, false)
        }
        Err(error) => return Err(format!("cannot be validated: {error}")),
    };
    let state = state(&message, name)?;
    Ok((message, if insecure { State::Insecure } else { state }))
}

/// The state of all of an answer: the weakest of its records', and for a denial that of its proof.
fn state(message: &Message, name: &Name) -> Result<State, String> {
    let proven = answer::records(&message.authorities)
        .any(|record| record.proof == Proof::Secure && is_proof(record));
    let mut proofs = answer::records(&message.answers)
        .map(|record| record.proof)
        .peekable();
    if proofs.peek().is_none() {
        // Without a proof hickory lets a denial pass where it has proven that the zone is not signed, only.
        let secure = proven && !may_be_opted_out(message, name);
        return Ok(if secure {
            State::Secure
        } else {
            State::Insecure
        });
    }
    let mut secure = true;
    for proof in proofs {
        match proof {
            Proof::Secure => {}
            Proof::Insecure => secure = false,
            Proof::Bogus | Proof::Indeterminate => return Err(bogus_answer(message)),
        }
    }
    if !secure {
        return Ok(State::Insecure);
    }
    if answer::is_wildcard(&message.answers) && !proven {
        return Err(bogus_denial(message));
    }
    Ok(State::Secure)
}

/// Whether a denial rests on an NSEC3 record with Opt-Out: an unsigned delegation could be there (RFC 5155 §9.2).
///
/// A record that matches the name says for certain what is there.
fn may_be_opted_out(message: &Message, name: &Name) -> bool {
    let nsec3s = || {
        message.authorities.iter().filter_map(|record| {
            if let RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) = &record.data {
                Some((record, nsec3))
            } else {
                None
            }
        })
    };
    let matches = nsec3s().any(|(record, nsec3)| {
        let hash = nsec3
            .hash_algorithm()
            .hash(nsec3.salt(), name, nsec3.iterations());
        let Ok(hash) = hash else { return false };
        // hickory writes base32hex (RFC 5155 §3.3) for the next name alone.
        let hash = hash.as_ref().to_vec();
        let hashed = NSEC3::new(nsec3.hash_algorithm(), false, 0, Vec::new(), hash, []);
        let label = hashed.next_hashed_owner_name_base32();
        label.is_some_and(|label| {
            let owner = record.name.iter().next();
            owner.is_some_and(|owner| owner.eq_ignore_ascii_case(label.as_bytes()))
        })
    });
    let exists = message.metadata.response_code == ResponseCode::NoError && matches;
    !exists && nsec3s().any(|(_, nsec3)| nsec3.opt_out())
}

fn bogus_answer(message: &Message) -> String {
    let signatures: Vec<&RRSIG> = message.answers.iter().filter_map(answer::rrsig).collect();
    let now = now();
    let Some(first) = signatures.first() else {
        return "bogus: the records have no signature, and the zone is a signed one".to_owned();
    };
    let input = first.input();
    let (signer, tag) = (&input.signer_name, input.key_tag);
    if signatures.iter().all(|rrsig| !is_current(rrsig, now)) {
        let time = |serial: SerialNumber| {
            let time = Time::from_unix(i64::from(serial.get()));
            time.map_or_else(String::new, |time| time.to_string())
        };
        let (from, until) = (time(input.sig_inception), time(input.sig_expiration));
        return format!(
            "bogus: the signature by {signer} (key {tag}) counts from {from} until {until} only"
        );
    }
    format!(
        "bogus: the signature by {signer} (key {tag}) does not verify, or the parent zone's DS records do not lead \
         to that key"
    )
}

fn bogus_denial(message: &Message) -> String {
    let proofs = answer::records(&message.authorities).filter(|record| is_proof(record));
    let count = proofs.count();
    format!(
        "bogus: the zone is a signed one, and the {count} NSEC and NSEC3 records of the answer do not prove it"
    )
}

fn is_proof(record: &Record) -> bool {
    matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
}

const fn dnskey(record: &Record) -> Option<&DNSKEY> {
    if let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = &record.data {
        Some(key)
    } else {
        None
    }
}

/// RFC 4035 §5.3.1, by serial number arithmetic (RFC 4034 §3.1.5).
fn is_current(rrsig: &RRSIG, now: SerialNumber) -> bool {
    now >= rrsig.input().sig_inception && now <= rrsig.input().sig_expiration
}

/// The clock that hickory looks at, in seconds modulo 2^32.
fn now() -> SerialNumber {
    let seconds = TokioTime::current_time() & u64::from(u32::MAX);
    SerialNumber::new(u32::try_from(seconds).unwrap_or_default())
}

/// With CD, as RFC 6840 §5.9 wants it of who validates by himself: what is wrong is then seen here, and said.
fn asking(name: &Name, kind: RecordType) -> Asking {
    Asking {
        name: name.clone(),
        kind,
        checking_disabled: true,
    }
}

/// Answers about zones that led to no failure, for the questions that follow.
#[derive(Debug, Default)]
struct Kept(Mutex<HashMap<(Name, RecordType), (Instant, Message)>>);

impl Kept {
    fn get(&self, key: &(Name, RecordType)) -> Option<Message> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, message) = kept.get(key)?;
        (Instant::now() < *until).then(|| message.clone())
    }

    /// Does not prolong what is there: it may have been what the answer rests on.
    fn keep(&self, answers: &HashMap<(Name, RecordType), Message>) {
        let now = Instant::now();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, message) in answers {
            if !matches!(key.1, RecordType::DNSKEY | RecordType::DS | RecordType::NS) {
                continue;
            }
            if kept.len() >= MOST_KEPT {
                kept.retain(|_, (until, _)| now < *until);
            }
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            let records = message.answers.iter().chain(&message.authorities);
            let ttl = records.map(|record| record.ttl).min().unwrap_or_default();
            let until = now + LONGEST_KEPT.min(Duration::from_secs(ttl.into()));
            match kept.get(key) {
                Some((there, same)) if now < *there && same == message => {}
                _ => {
                    kept.insert(key.clone(), (until, message.clone()));
                }
            }
        }
    }
}
