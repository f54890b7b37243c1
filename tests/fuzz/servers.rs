//! What servers of others send when they are asked for certificates: never more than may be, nothing about anybody
//! else, and the same however it comes.

use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use domsec::address::Domain;
use domsec::address::Mailbox;
use domsec::lookup::dns;
use domsec::lookup::http;
use domsec::lookup::http::BODY_OCTETS;
use domsec::lookup::ldap::LdapUrl;
use domsec::lookup::ldap::Template;
use domsec::lookup::ldap::filter::Filter;
use domsec::lookup::ldap::message;
use domsec::lookup::ldap::message::Operation;
use domsec::lookup::names::Data;
use domsec::lookup::names::Kind;

/// Of what the seeds of DNS are asked.
pub(crate) const NAME: &str = "a.b.example";

/// Records of one answer that are used.
const MOST_RECORDS: usize = 64;

/// An answer of DNS.
pub(crate) fn dns_answer(octets: &[u8]) {
    for kind in [Kind::Address, Kind::Mx, Kind::Smimea, Kind::Srv, Kind::Tlsa] {
        let read = dns::read(octets, NAME, kind);
        if let Ok(Some(records)) = &read {
            assert!(records.data.len() <= MOST_RECORDS, "{}", records.data.len());
            for data in &records.data {
                datum(octets, kind, data);
            }
        }
        for name in ["x.b.example", "b.example", "a.b.example.c"] {
            // The same question is not asked of two names.
            let other = dns::read(octets, name, kind);
            let both = read.is_ok() && other.is_ok();
            assert!(!both, "an answer about {NAME} and about {name}");
        }
        // What else is in the message says nothing: a record of another name, and one in the last section.
        let base = read.as_ref().ok().cloned();
        if let (Some(base), Some(more)) = (base, with_a_record_more(octets)) {
            // One more may be too many.
            if let Ok(again) = dns::read(&more, NAME, kind) {
                assert_eq!(again, base, "a record of somebody else is believed");
            }
        }
    }
}

/// What a record holds is of the kind that was asked for, and stood in the message.
fn datum(octets: &[u8], kind: Kind, data: &Data) {
    let stands = |part: &[u8]| part.is_empty() || octets.windows(part.len()).any(|one| one == part);
    let host = |host: &Option<Domain>| {
        let Some(host) = host else { return };
        assert_eq!(Domain::parse(host.as_str()).as_ref(), Ok(host));
    };
    match (kind, data) {
        (Kind::Address, Data::Address(std::net::IpAddr::V4(address))) => {
            assert!(stands(&address.octets()));
        }
        (Kind::Smimea | Kind::Tlsa, Data::Association { data, .. }) => assert!(stands(data)),
        (Kind::Mx, Data::Mx { host: one, .. }) | (Kind::Srv, Data::Srv { target: one, .. }) => {
            host(one);
        }
        (kind, other) => panic!("{other:?} for {kind:?}"),
    }
}

/// The message with an address of another name at its end; `None` where it has no room for one.
///
/// It is in the section in which the message ends: the answer itself, where nothing follows that.
fn with_a_record_more(octets: &[u8]) -> Option<Vec<u8>> {
    // What stands behind the last record would be taken for one.
    let (_, shorter) = octets.split_last()?;
    let kinds = [Kind::Address, Kind::Mx, Kind::Smimea, Kind::Srv, Kind::Tlsa];
    if kinds
        .iter()
        .any(|kind| dns::read(shorter, NAME, *kind).is_ok())
    {
        return None;
    }
    let (head, rest) = octets.split_first_chunk::<12>()?;
    let [start @ .., a, b, c, d, e, f] = *head;
    let [answers, authorities, additionals] = [[a, b], [c, d], [e, f]].map(u16::from_be_bytes);
    let counts = match (authorities, additionals) {
        (0, 0) => [answers.checked_add(1)?, 0, 0],
        (_, 0) => [answers, authorities.checked_add(1)?, 0],
        _ => [answers, authorities, additionals.checked_add(1)?],
    };
    let record =
        b"\x01x\x01b\x07example\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x63";
    let counts = counts.map(u16::to_be_bytes);
    Some([&start, counts.as_flattened(), rest, record].concat())
}

/// An answer of a web server.
pub(crate) fn http_answer(octets: &[u8]) {
    let host = Domain::parse("keys._mcek.b.example").expect("a domain");
    let read = || {
        let reading = http::read_answer(octets.to_vec(), (&host, "/?username=YQ%3D%3D"), 1);
        let mut reading = pin!(reading);
        let mut context = Context::from_waker(Waker::noop());
        // What comes is there at once; what goes on in between is bounded.
        for _ in 0..1_000 {
            if let Poll::Ready(read) = reading.as_mut().poll(&mut context) {
                return read.map_err(|error| error.to_string());
            }
        }
        panic!("an answer is waited for that is there");
    };
    let first = read();
    assert_eq!(first, read(), "read in two ways");
    let Ok((got, location)) = first else { return };
    assert!((100..1000).contains(&got.status), "{}", got.status);
    assert!(got.body.len() <= BODY_OCTETS.min(octets.len()));
    for time in [got.lifetime, got.retry_after].into_iter().flatten() {
        // delta-seconds, or a date of four digits for the year.
        assert!(time.as_secs() <= 253_402_300_800, "{time:?}");
    }
    if let Some(Ok(target)) = location {
        // It is asked of the same host, so it must not name one; nor end the line of the request.
        assert!(target.starts_with('/'), "{target:?}");
        assert!(target.bytes().all(|octet| octet > b' '), "{target:?}");
    }
}

/// What a directory sends: messages one after another.
pub(crate) fn ldap_message(octets: &[u8]) {
    let mut rest = octets;
    while let Ok(Some(length)) = message::length(rest) {
        assert!((2..=message::MESSAGE_OCTETS + 6).contains(&length));
        // However much of it has come, it is the same length.
        for come in 0..rest.len().min(8) {
            let early = message::length(rest.get(..come).unwrap_or_default());
            assert!(
                matches!(early, Ok(None)) || early == Ok(Some(length)),
                "{early:?}"
            );
        }
        let Some((whole, behind)) = rest.split_at_checked(length) else {
            break;
        };
        if let Ok(read) = message::decode(whole) {
            assert_eq!(message::decode(whole).as_ref(), Ok(&read));
            bounded(whole, &read);
            // Half of it, or more than it, is none.
            assert!(message::decode(whole.get(..length - 1).unwrap_or_default()).is_err());
            assert!(message::decode(&[whole, &[0]].concat()).is_err());
        }
        rest = behind;
    }
}

/// What was read takes no more room than what was sent.
fn bounded(whole: &[u8], read: &message::Message) {
    let cookie = read.cookie.as_ref().map_or(0, Vec::len);
    assert!(cookie <= message::COOKIE_OCTETS.min(whole.len()));
    match &read.operation {
        Operation::Bound(result) | Operation::Extended(result) | Operation::SearchDone(result) => {
            // A malformed octet becomes a character of three.
            assert!(result.text.len() <= 3 * message::TEXT_OCTETS);
            assert!(!result.text.chars().any(char::is_control), "{result:?}");
        }
        Operation::Entry(entry) => {
            let values = entry.attributes.iter().flat_map(|one| &one.values);
            let octets: usize = values.map(|value| value.len() + 2).sum();
            let octets = octets + entry.name.len();
            assert!(octets <= whole.len(), "{octets} of {}", whole.len());
            assert!(2 * entry.attributes.len() <= whole.len());
        }
        Operation::Intermediate | Operation::Reference => {}
    }
}

/// A filter, and a directory's URL, as an administrator writes them; and an address in the filter.
pub(crate) fn ldap_filter(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    if let Ok(filter) = Filter::parse(&text) {
        let written = filter.to_string();
        // Escapes take three times the room, and the text is bounded.
        if written.len() <= 4096 {
            assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
        }
        assert!(filter.encode().len() <= 64 * (text.len() + 1), "{written}");
    }
    if let Ok(template) = Template::for_recipients(&text) {
        for local in ["a", "*)(mail=*", "\\2a", "{address}{domain}"] {
            let domain = Domain::parse("b.example").expect("a domain");
            let Ok(mailbox) = Mailbox::new(local.to_owned(), domain) else {
                continue;
            };
            let plain = Mailbox::parse("a@b.example").expect("a mailbox");
            // Whatever the address, it is one value in the same structure.
            let (one, other) = (
                template.of_recipient(&mailbox),
                template.of_recipient(&plain),
            );
            assert_eq!(shape(&one), shape(&other), "{local} in {text}");
        }
    }
    if let Ok(url) = LdapUrl::parse(&text) {
        assert_eq!(LdapUrl::parse(&url.to_string()).as_ref(), Ok(&url));
        // Without TLS it is this machine's, or refused.
        if let Ok(clear) = url.in_clear() {
            let written = clear.to_string();
            let here = ["ldap://127.", "ldap://[::1]", "ldap://localhost:"];
            assert!(here.iter().any(|one| written.starts_with(one)), "{written}");
        }
    }
}

/// A filter without its values.
fn shape(filter: &Filter) -> String {
    let list = |sign: &str, filters: &[Filter]| {
        let shapes: Vec<String> = filters.iter().map(shape).collect();
        format!("({sign}{})", shapes.concat())
    };
    match filter {
        Filter::And(filters) => list("&", filters),
        Filter::Or(filters) => list("|", filters),
        Filter::Not(filter) => format!("(!{})", shape(filter)),
        Filter::Present(attribute) => format!("({attribute}=*)"),
        Filter::Compare {
            attribute,
            comparison,
            ..
        } => format!("({attribute}{comparison:?})"),
        Filter::Substrings { attribute, pieces } => format!("({attribute}*{})", pieces.len()),
        Filter::Extensible {
            rule,
            attribute,
            of_name,
            ..
        } => format!("({attribute}:{rule}:{of_name})"),
    }
}
