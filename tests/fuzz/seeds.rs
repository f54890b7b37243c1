//! What servers that are asked for certificates send: the seeds of their targets.

use domsec::tlv::element;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::MessageType;
use hickory_resolver::proto::op::OpCode;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::rdata::SMIMEA;
use hickory_resolver::proto::rr::rdata::SOA;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::rdata::TLSA;

use crate::bodies::servers::NAME;

/// Filters and URLs.
pub(crate) const LDAP_TEXTS: &[&str] = &[
    "(mail={address})",
    "(&(cn=domain-confidentiality-authority)(mail=domain-confidentiality-authority@{domain}))",
    "(|(mail={local}@*.example)(!(uid:dn:2.4.6.8.10:={local}))(sn~=\\2a)(a>=1)(b<=2)(c=*)(d=x*y*z))",
    "ldaps://dir.b.example:7",
    "ldap://127.0.0.1:3890",
    "ldap://[::1]/",
];

/// Answers about [`NAME`]: records of each kind, an alias, denials, and failures.
pub(crate) fn dns_answers(der: &[u8]) -> Vec<Vec<u8>> {
    let name = |text: &str| Name::from_ascii(text).expect("a name");
    let association = || TLSA::new(3.into(), 0.into(), 0.into(), der.to_vec());
    let records = [
        (RecordType::A, RData::A(A::new(192, 0, 2, 1))),
        (
            RecordType::MX,
            RData::MX(MX::new(10, name("mx.b.example."))),
        ),
        (RecordType::MX, RData::MX(MX::new(0, Name::root()))),
        (RecordType::SMIMEA, RData::SMIMEA(SMIMEA(association()))),
        (
            RecordType::SRV,
            RData::SRV(SRV::new(1, 2, 636, name("dir.b.example."))),
        ),
        (RecordType::TLSA, RData::TLSA(association())),
        (RecordType::TLSA, RData::CNAME(CNAME(name("c.example.")))),
    ];
    let message = |kind, code| {
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.metadata.authentic_data = true;
        message.add_query(Query::query(name(&format!("{NAME}.")), kind));
        message
    };
    let soa = || {
        let zone = name("b.example.");
        let soa = SOA::new(zone.clone(), zone.clone(), 1, 2, 3, 4, 5);
        Record::from_rdata(zone, 60, RData::SOA(soa))
    };
    let mut seeds = Vec::new();
    for (kind, data) in records {
        let mut found = message(kind, ResponseCode::NoError);
        for ttl in [300, 60] {
            found.add_answer(Record::from_rdata(
                name(&format!("{NAME}.")),
                ttl,
                data.clone(),
            ));
        }
        seeds.push(found.to_vec());
        found.add_authority(soa());
        seeds.push(found.to_vec());
        for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
            let mut denied = message(kind, code);
            denied.add_authority(soa());
            seeds.push(denied.to_vec());
        }
    }
    seeds.push(message(RecordType::A, ResponseCode::ServFail).to_vec());
    let written = seeds.into_iter().map(|seed| seed.expect("a message"));
    written.collect()
}

/// Answers of web servers, in every way in which a body can be framed.
pub(crate) fn http_answers(der: &[u8]) -> Vec<Vec<u8>> {
    let length = der.len();
    let heads = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nCache-Control: max-age=60, private\r\nAge: 7\r\n\r\n"),
        "HTTP/1.0 200 OK\r\nExpires: Thu, 01 Oct 2026 09:00:00 GMT\r\nDate: Thu, 01 Oct 2026 08:00:00 GMT\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"),
    ];
    let mut seeds: Vec<Vec<u8>> = heads
        .iter()
        .map(|head| [head.as_bytes(), der].concat())
        .collect();
    if let Some(chunked) = seeds.last_mut() {
        chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    }
    let others = [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Later\r\nRetry-After: 120\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 302 Found\r\nLocation: https://keys._mcek.b.example/a/../b?c#d\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 There\r\nLocation: //keys._mcek.b.example:443/x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 301 There\r\nLocation: ?username=b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    ];
    seeds.extend(others.map(|text| text.as_bytes().to_vec()));
    seeds
}

/// What a directory says in a session: one message for each operation, and all of them in a row.
pub(crate) fn ldap_messages(der: &[u8]) -> Vec<Vec<u8>> {
    let octets = |value: &[u8]| element(0x04, &[value]);
    let message = |operation: u8, content: &[&[u8]], more: &[u8]| {
        element(0x30, &[&[2, 1, 2], &element(operation, content), more])
    };
    let result = |code: u8| [&[0x0a, 1, code][..], &octets(b""), &octets(b"in words")].concat();
    let attribute = |name: &str, value: &[u8]| {
        let values = element(0x31, &[&octets(value)]);
        element(0x30, &[&octets(name.as_bytes()), &values])
    };
    let page = element(0x30, &[&[2, 1, 0], &octets(b"cookie")]);
    let control = element(0x30, &[&octets(b"1.2.840.113556.1.4.319"), &octets(&page)]);
    let entry = [
        attribute("userCertificate;binary", der),
        attribute("mail", b"bob@b.example"),
    ];
    let messages = vec![
        message(0x61, &[&result(0)], &[]),
        message(0x61, &[&result(49)], &[]),
        message(
            0x64,
            &[&octets(b"cn=bob"), &element(0x30, &[&entry.concat()])],
            &[],
        ),
        message(0x65, &[&result(0)], &element(0xa0, &[&control])),
        message(0x73, &[&octets(b"ldap://elsewhere/")], &[]),
        message(0x78, &[&result(2)], &[]),
        message(0x79, &[], &[]),
    ];
    let all = messages.concat();
    messages.into_iter().chain([all]).collect()
}
