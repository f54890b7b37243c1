//! What of a message answers one question: the records themselves, one alias, or a denial with its proof.
//!
//! Everything else is cut off before validation. What stands beside an answer could otherwise change how it is
//! judged: hickory 0.26.3 takes a denial for proven insecure when all that it finds in the authority section is,
//! whoever's names that may be, and a wildcard's answer for secure without the proof that no closer name exists.

use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::dnssec::rdata::RRSIG;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::MessageType;
use hickory_resolver::proto::op::OpCode;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;

/// Records of one answer that are used. A host with more addresses or an address with more certificates is a mistake.
const MOST_RECORDS: usize = 64;

/// Cuts off all of `message` that does not answer the question for `kind` at `name`.
///
/// `Err` for what contradicts itself, and for a referral, which is no denial.
pub(super) fn cut(mut message: Message, name: &Name, kind: RecordType) -> Result<Message, String> {
    let answers = std::mem::take(&mut message.answers);
    let authorities = std::mem::take(&mut message.authorities);
    message.additionals.clear();
    let has = |kind: RecordType| {
        let mut answers = answers.iter();
        answers.any(|record| record.record_type() == kind && record.name == *name)
    };
    let kept = if has(kind) {
        kind
    } else if has(RecordType::CNAME) {
        RecordType::CNAME
    } else {
        message.authorities = denial(authorities, name)?;
        return Ok(message);
    };
    if kept == kind && message.metadata.response_code == ResponseCode::NXDomain {
        return Err(format!("{name} has records, and does not exist"));
    }
    // NXDOMAIN speaks of the end of the aliases (RFC 6604 §3), which is asked for by itself.
    message.metadata.response_code = ResponseCode::NoError;
    message.answers = answers;
    message
        .answers
        .retain(|record| record.name == *name && of_type(record, kept));
    let count = records(&message.answers).count();
    if count > MOST_RECORDS {
        return Err(format!(
            "{name} has {count} records of type {kept}, where {MOST_RECORDS} are allowed"
        ));
    }
    if let Some(zone) = wildcard_zone(&message.answers) {
        let proof = |record: &Record| is_proof(record) && zone.zone_of(&record.name);
        message.authorities = authorities.into_iter().filter(proof).collect();
    }
    Ok(message)
}

/// Whether it is an answer to this query (RFC 5452 §9.1).
pub(super) fn answers(message: &Message, query: &Message) -> bool {
    let (theirs, ours) = (&message.metadata, &query.metadata);
    theirs.message_type == MessageType::Response
        && theirs.op_code == OpCode::Query
        && theirs.id == ours.id
        && match (message.queries.as_slice(), query.queries.as_slice()) {
            ([theirs], [ours]) => {
                theirs.name == ours.name
                    && theirs.query_type == ours.query_type
                    && theirs.query_class == ours.query_class
            }
            // A server may leave the question out of an error that it answers without reading. That a name does not exist
            // is no error: it is said of a name.
            ([], _) => !matches!(
                theirs.response_code,
                ResponseCode::NoError | ResponseCode::NXDomain
            ),
            _ => false,
        }
}

/// All but signatures.
pub(super) fn records(section: &[Record]) -> impl Iterator<Item = &Record> {
    section
        .iter()
        .filter(|record| record.record_type() != RecordType::RRSIG)
}

/// Whether some of `answers` are signed as a wildcard (RFC 4035 §5.3.4).
pub(super) fn is_wildcard(answers: &[Record]) -> bool {
    wildcard_zone(answers).is_some()
}

/// The target of the alias that is the answer.
///
/// `Err` where there are several (RFC 2181 §10.1).
pub(super) fn alias(message: &Message, kind: RecordType) -> Result<Option<&Name>, String> {
    let mut targets = message.answers.iter().filter_map(|record| {
        let RData::CNAME(target) = &record.data else {
            return None;
        };
        (kind != RecordType::CNAME).then_some(&target.0)
    });
    let target = targets.next();
    if targets.next().is_some() {
        return Err("the name has several aliases (CNAME)".to_owned());
    }
    Ok(target)
}

/// The SOA record of the zone that denies, and NSEC and NSEC3 records of that zone; nothing without the SOA.
fn denial(authorities: Vec<Record>, name: &Name) -> Result<Vec<Record>, String> {
    let zone = authorities
        .iter()
        .filter(|record| record.record_type() == RecordType::SOA && record.name.zone_of(name))
        .map(|record| record.name.clone())
        .max_by_key(Name::num_labels);
    let Some(zone) = zone else {
        let refers = |record: &Record| record.record_type() == RecordType::NS;
        if authorities.iter().any(refers) {
            // RFC 2308 §2.2.1. Only a resolver gives answers.
            return Err(format!(
                "the server refers to other servers for {name}: it is no resolver"
            ));
        }
        return Ok(Vec::new());
    };
    let of_zone = |record: &Record| {
        (of_type(record, RecordType::SOA) && record.name == zone)
            || (is_proof(record) && zone.zone_of(&record.name))
    };
    Ok(authorities.into_iter().filter(of_zone).collect())
}

/// Whether it has that type, or is a signature of it.
fn of_type(record: &Record, kind: RecordType) -> bool {
    record.record_type() == kind || covered(record) == Some(kind)
}

/// Whether it is an NSEC or NSEC3 record, or a signature of one.
fn is_proof(record: &Record) -> bool {
    of_type(record, RecordType::NSEC) || of_type(record, RecordType::NSEC3)
}

fn covered(record: &Record) -> Option<RecordType> {
    rrsig(record).map(|rrsig| rrsig.input().type_covered)
}

/// The signature that it is.
pub(super) const fn rrsig(record: &Record) -> Option<&RRSIG> {
    if let RData::DNSSEC(DNSSECRData::RRSIG(rrsig)) = &record.data {
        Some(rrsig)
    } else {
        None
    }
}

/// The zone that signed a wildcard's answer: there are fewer labels in the signature than in the name.
fn wildcard_zone(answers: &[Record]) -> Option<Name> {
    answers.iter().find_map(|record| {
        let input = rrsig(record)?.input();
        (input.num_labels < record.name.num_labels()).then(|| input.signer_name.clone())
    })
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata;

    use super::super::name::parse;
    use super::*;

    fn message(code: ResponseCode) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message
    }

    fn record(name: &str, data: RData) -> Record {
        Record::from_rdata(parse(name).unwrap(), 60, data)
    }

    fn a(name: &str) -> Record {
        record(name, RData::A(rdata::A::new(192, 0, 2, 1)))
    }

    fn cname(name: &str, target: &str) -> Record {
        let target = rdata::CNAME(parse(target).unwrap());
        record(name, RData::CNAME(target))
    }

    fn soa(name: &str) -> Record {
        let apex = parse(name).unwrap();
        record(
            name,
            RData::SOA(rdata::SOA::new(apex.clone(), apex, 1, 1, 1, 1, 60)),
        )
    }

    fn ns(name: &str) -> Record {
        record(name, RData::NS(rdata::NS(parse("ns.example").unwrap())))
    }

    fn cut_at(name: &str, message: Message) -> Result<Message, String> {
        cut(message, &parse(name).unwrap(), RecordType::A)
    }

    #[test]
    fn one_alias_is_kept_without_what_it_leads_to() {
        let mut chain = message(ResponseCode::NXDomain);
        chain.add_answers([
            cname("a.example", "b.example"),
            cname("b.example", "c.example"),
        ]);
        chain.add_authority(soa("example"));
        let cut = cut_at("a.example", chain).unwrap();
        assert_eq!(cut.answers, [cname("a.example", "b.example")]);
        assert_eq!(cut.authorities, []);
        assert_eq!(cut.metadata.response_code, ResponseCode::NoError);
        let target = alias(&cut, RecordType::A).unwrap().cloned();
        assert_eq!(target, parse("b.example").ok());
    }

    #[test]
    fn several_aliases_are_a_contradiction() {
        let mut two = message(ResponseCode::NoError);
        two.add_answers([
            cname("a.example", "b.example"),
            cname("a.example", "c.example"),
        ]);
        let cut = cut_at("a.example", two).unwrap();
        assert!(alias(&cut, RecordType::A).is_err());
    }

    #[test]
    fn a_denial_of_another_zone_is_none() {
        let mut foreign = message(ResponseCode::NXDomain);
        foreign.add_authorities([soa("insecure.test"), ns("insecure.test")]);
        assert!(cut_at("a.example", foreign).is_err());
        let mut foreign = message(ResponseCode::NXDomain);
        foreign.add_authority(soa("insecure.test"));
        assert_eq!(cut_at("a.example", foreign).unwrap().authorities, []);
        let mut own = message(ResponseCode::NXDomain);
        own.add_authorities([soa("example"), ns("example"), soa("x.test")]);
        let cut = cut_at("a.example", own).unwrap();
        assert_eq!(cut.authorities, [soa("example")]);
    }

    #[test]
    fn a_referral_is_no_denial() {
        let mut referral = message(ResponseCode::NoError);
        referral.add_authority(ns("example"));
        let error = cut_at("a.example", referral).unwrap_err();
        assert!(error.contains("no resolver"), "{error}");
    }

    #[test]
    fn a_name_with_records_that_does_not_exist_is_a_contradiction() {
        let mut both = message(ResponseCode::NXDomain);
        both.add_answer(a("a.example"));
        assert!(cut_at("a.example", both).is_err());
        let mut others = message(ResponseCode::NoError);
        others.add_answers([a("a.example"), a("b.example")]);
        let cut = cut_at("a.example", others).unwrap();
        assert_eq!(cut.answers, [a("a.example")]);
    }

    #[test]
    fn too_many_records_are_refused() {
        let mut many = message(ResponseCode::NoError);
        many.add_answers((0..=MOST_RECORDS).map(|_| a("a.example")));
        assert!(cut_at("a.example", many).unwrap_err().contains("allowed"));
    }
}
