//! DNS against knotd and unbound: validated by us and by unbound, and attacked.

mod forger;
mod zones;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domsec::gateway::search::Association;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Owner;
use domsec::gateway::search::Said;
use domsec::lookup::dns::Anchors;
use domsec::lookup::dns::Resolver;
use domsec::lookup::dns::Validation;
use domsec::lookup::names::Data;
use domsec::lookup::names::Dns;
use domsec::lookup::names::DnsFailure;
use domsec::lookup::names::Kind;
use domsec::lookup::names::Records;
use domsec::lookup::smimea::Smimea;
use domsec::lookup::source::Expected;
use domsec::lookup::source::Question;
use domsec::lookup::source::Reply;
use domsec::lookup::source::Source;
use domsec::lookup::tlsa;
use domsec::lookup::tlsa::Associations;
use domsec::x509::Time;
use forger::Over;
use forger::forge;
use forger::relay;
use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::RecordType;
use hickory_resolver::proto::rr::rdata::CNAME;
use tokio::task::JoinSet;

pub(crate) use self::zones::World;
use crate::zones::label;

/// What must come of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// So many records, and DNSSEC proves it.
    Secure(usize),
    /// So many, and nothing proves it.
    Insecure(usize),
    /// Nobody knows.
    Failure,
}
use Wanted::Failure;
use Wanted::Insecure;
use Wanted::Secure;

impl Wanted {
    fn of(found: &Result<Records, DnsFailure>) -> Self {
        match found {
            Ok(records) if records.secure => Secure(records.data.len()),
            Ok(records) => Insecure(records.data.len()),
            Err(_) => Failure,
        }
    }
}

/// Names under which `{bob}` is the label of that local part.
#[rustfmt::skip]
const ANSWERS: &[(&str, Kind, Wanted)] = &[
    // Signed with NSEC3.
    ("{bob}.b.example",                Kind::Smimea,  Secure(1)),
    ("{two}.b.example",                Kind::Smimea,  Secure(2)),
    ("{nobody}.b.example",             Kind::Smimea,  Secure(0)),
    ("_smimecert.b.example",           Kind::Smimea,  Secure(0)),
    ("mx.b.example",                   Kind::Smimea,  Secure(0)),
    ("b.example",                      Kind::Smimea,  Secure(0)),
    ("any.wild.b.example",             Kind::Smimea,  Secure(1)),
    ("any.wild.b.example",             Kind::Tlsa,    Secure(0)),
    ("exact.wild.b.example",           Kind::Smimea,  Secure(0)),
    ("b.example",                      Kind::Mx,      Secure(2)),
    ("null.b.example",                 Kind::Mx,      Secure(1)),
    ("mx.b.example",                   Kind::Address, Secure(2)),
    ("_ldap._tcp.b.example",           Kind::Srv,     Secure(1)),
    ("_25._tcp.mx.b.example",          Kind::Tlsa,    Secure(1)),
    ("large.b.example",                Kind::Tlsa,    Secure(1)),
    // Aliases, within zones and across.
    ("{alias}.b.example",              Kind::Smimea,  Secure(1)),
    ("{chain}.b.example",              Kind::Smimea,  Secure(1)),
    ("{toward-n}.b.example",           Kind::Smimea,  Secure(1)),
    ("{toward-u}.b.example",           Kind::Smimea,  Insecure(1)),
    ("{toward-b}.u.example",           Kind::Smimea,  Insecure(1)),
    ("{toward-nothing}.b.example",     Kind::Smimea,  Secure(0)),
    ("{toward-nothing}.n.example",     Kind::Smimea,  Secure(0)),
    ("{toward-bogus}.b.example",       Kind::Smimea,  Failure),
    ("any.wildalias.b.example",        Kind::Smimea,  Secure(1)),
    ("any.wildalias.n.example",        Kind::Smimea,  Secure(1)),
    ("any.wildnothing.b.example",      Kind::Smimea,  Secure(0)),
    ("circle.b.example",               Kind::Smimea,  Failure),
    // Signed with NSEC.
    ("{bob}.n.example",                Kind::Smimea,  Secure(1)),
    ("{nobody}.n.example",             Kind::Smimea,  Secure(0)),
    ("_smimecert.n.example",           Kind::Smimea,  Secure(0)),
    ("mx.n.example",                   Kind::Smimea,  Secure(0)),
    ("any.wild.n.example",             Kind::Smimea,  Secure(1)),
    ("any.wild.n.example",             Kind::Tlsa,    Secure(0)),
    ("exact.wild.n.example",           Kind::Smimea,  Secure(0)),
    // With Opt-Out a name that does not exist could be an unsigned delegation.
    ("{bob}.o.example",                Kind::Smimea,  Secure(1)),
    ("mx.o.example",                   Kind::Smimea,  Secure(0)),
    ("nothing.o.example",              Kind::Smimea,  Insecure(0)),
    // Not signed, and below no anchor.
    ("{bob}.u.example",                Kind::Smimea,  Insecure(1)),
    ("{nobody}.u.example",             Kind::Smimea,  Insecure(0)),
    ("u.example",                      Kind::Mx,      Insecure(1)),
    ("{bob}.stranger.test",            Kind::Smimea,  Insecure(1)),
    ("{nobody}.stranger.test",         Kind::Smimea,  Insecure(0)),
    // Bogus: the DS record is of another key; a record was changed after it was signed.
    ("{bob}.bogus.example",            Kind::Smimea,  Failure),
    ("{nobody}.bogus.example",         Kind::Smimea,  Failure),
    ("{bob}.tampered.example",         Kind::Smimea,  Failure),
    ("{carol}.tampered.example",       Kind::Smimea,  Secure(1)),
    ("{nobody}.tampered.example",      Kind::Smimea,  Secure(0)),
    // No such zone.
    ("{bob}.nothing.example",          Kind::Smimea,  Secure(0)),
];

/// `{bob}` for its label.
fn full(name: &str) -> String {
    match name.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((local, rest)) => label(local) + rest,
        None => name.to_owned(),
    }
}

fn own(world: &World, anchor: &str, server: SocketAddr) -> Resolver {
    let anchors = Anchors::of_files(&[world.anchor(anchor)]).expect("anchors");
    resolver(vec![server], Validation::Own { anchors })
}

fn resolver(servers: Vec<SocketAddr>, validation: Validation) -> Resolver {
    Resolver::new(servers, validation).expect("a resolver")
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(work)
}

fn ask(dns: &dyn Dns, name: &str, kind: Kind) -> Result<Records, DnsFailure> {
    wait(dns.records(&full(name), kind))
}

fn check(how: &str, dns: &dyn Dns) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut wrong = Vec::new();
    for &(name, kind, wanted) in ANSWERS {
        let found = runtime.block_on(dns.records(&full(name), kind));
        if Wanted::of(&found) != wanted {
            wrong.push(format!(
                "{name} {kind:?}: {wanted:?} was wanted, not {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{how}:\n{}", wrong.join("\n"));
}

#[test]
fn answers_are_validated_from_the_key_of_a_zone() {
    let Some(world) = World::start() else { return };
    check("DNSKEY", &own(&world, "dnskey", world.resolver));
}

#[test]
fn answers_are_validated_from_the_digest_of_a_key() {
    let Some(world) = World::start() else { return };
    check("DS", &own(&world, "ds", world.resolver));
}

#[test]
fn a_trusted_resolver_says_what_is_secure() {
    let Some(world) = World::start() else { return };
    check("AD", &resolver(vec![world.resolver], Validation::Resolver));
}

#[test]
fn records_are_read_as_they_were_written() {
    let Some(world) = World::start() else { return };
    let dns = own(&world, "dnskey", world.resolver);
    let found = |name: &str, kind| {
        let mut data = ask(&dns, name, kind).expect("an answer").data;
        data.sort_by_key(|datum| format!("{datum:?}"));
        data
    };
    let host = |name: &str| Some(name.parse().expect("a domain"));
    let mx = |preference, host| Data::Mx { preference, host };
    let exchangers = [mx(10, host("mx.b.example")), mx(20, host("mx.n.example"))];
    assert_eq!(found("b.example", Kind::Mx), exchangers);
    assert_eq!(found("null.b.example", Kind::Mx), [mx(0, None)]);
    let addresses = ["192.0.2.1", "2001:db8::1"];
    let addresses = addresses.map(|address| Data::Address(address.parse().expect("an address")));
    assert_eq!(found("mx.b.example", Kind::Address), addresses);
    let srv = Data::Srv {
        priority: 1,
        weight: 2,
        port: 389,
        target: host("mx.b.example"),
    };
    assert_eq!(found("_ldap._tcp.b.example", Kind::Srv), [srv]);
    let smimea = Data::Association {
        usage: 3,
        selector: 0,
        matching: 0,
        data: world.bob.clone(),
    };
    assert_eq!(found("{bob}.b.example", Kind::Smimea), [smimea]);
    let tlsa = Data::Association {
        usage: 3,
        selector: 0,
        matching: 0,
        data: vec![7; 3000],
    };
    assert_eq!(found("large.b.example", Kind::Tlsa), [tlsa]);
    let ttl = |name| ask(&dns, name, Kind::Smimea).expect("an answer").ttl;
    let up_to = |ttl: Duration, most: u64| ttl > Duration::ZERO && ttl <= Duration::from_secs(most);
    assert!(up_to(ttl("{bob}.b.example"), 600));
    assert!(up_to(ttl("{nobody}.b.example"), 300));
}

#[test]
fn tlsa_records_are_those_at_the_end_of_the_aliases_else_the_hosts_own() {
    let Some(world) = World::start() else { return };
    let record = Association::read(3, 1, 1, vec![7; 32]).expect("one");
    for dns in [
        own(&world, "dnskey", world.resolver),
        resolver(vec![world.resolver], Validation::Resolver),
    ] {
        for (host, secure, canonical, base) in [
            ("mx.b.example", true, None, Some("mx.b.example")),
            (
                "to-mx.b.example",
                true,
                Some("mx.b.example"),
                Some("mx.b.example"),
            ),
            (
                "to-to-mx.b.example",
                true,
                Some("mx.b.example"),
                Some("mx.b.example"),
            ),
            // There are none at the end.
            (
                "to-n.b.example",
                true,
                Some("mx.n.example"),
                Some("to-n.b.example"),
            ),
            ("mx.n.example", true, None, None),
            // Without DNSSEC an alias is nobody's word, and neither are addresses.
            (
                "to-u.b.example",
                false,
                Some("mx.u.example"),
                Some("to-u.b.example"),
            ),
            (
                "to-mx.u.example",
                false,
                Some("mx.b.example"),
                Some("mx.b.example"),
            ),
            ("mx.u.example", false, None, None),
        ] {
            let addresses = ask(&dns, host, Kind::Address).expect("an answer");
            let canonical = canonical.map(|name| name.parse().expect("a domain"));
            assert_eq!(
                (addresses.secure, &addresses.way.canonical),
                (secure, &canonical),
                "{host}"
            );
            let host = host.parse().expect("a domain");
            let found = wait(tlsa::of(&dns, (&host, canonical.as_ref()), 25)).expect("an answer");
            let expected = base.map(|base| Associations {
                base: base.parse().expect("a domain"),
                usable: vec![record.clone()],
            });
            assert_eq!(found, expected, "{host}");
        }
    }
}

#[test]
fn addresses_of_two_families_that_end_at_different_aliases_keep_both_ends() {
    let Some(world) = World::start() else { return };
    let six: Name = "six.b.example.".parse().expect("a name");
    let forged = move |mut message: Message| {
        let query = message.queries.first()?.clone();
        if query.query_type() == RecordType::AAAA
            && query.name() == &"to-mx.b.example.".parse().ok()?
        {
            let aaaa = RData::AAAA("2001:db8::6".parse().ok()?);
            message.answers = vec![
                Record::from_rdata(query.name().clone(), 60, RData::CNAME(CNAME(six.clone()))),
                Record::from_rdata(six.clone(), 60, aaaa.clone()),
            ];
            message.authorities.clear();
        } else if query.name() == &six {
            let aaaa = RData::AAAA("2001:db8::6".parse().ok()?);
            message.answers = vec![Record::from_rdata(six.clone(), 60, aaaa)];
            message.authorities.clear();
        }
        message.metadata.response_code = ResponseCode::NoError;
        message.metadata.authentic_data = true;
        message.to_vec().ok()
    };
    let server = forge((world.spare(1), Over::Both), world.resolver, forged);
    let dns = resolver(vec![server], Validation::Resolver);
    let found = ask(&dns, "to-mx.b.example", Kind::Address).expect("an answer");
    assert!(found.secure);
    let end = |address: &str| {
        let way = found.way_to(address.parse().expect("an address"));
        assert!(way.begins_secure && way.secure);
        way.canonical.as_ref().map(ToString::to_string)
    };
    assert_eq!(end("192.0.2.1").as_deref(), Some("mx.b.example"));
    assert_eq!(end("2001:db8::6").as_deref(), Some("six.b.example"));
}

#[test]
fn another_key_than_the_anchor_makes_all_bogus_and_nothing_insecure() {
    let Some(world) = World::start() else { return };
    let path = tempfile::tempdir().expect("a folder");
    let file = path.path().join("anchor");
    std::fs::write(&file, format!("example. DS 1 13 2 {}", "07".repeat(32))).expect("a file");
    let anchors = Anchors::of_files(&[file]).expect("anchors");
    let dns = resolver(vec![world.resolver], Validation::Own { anchors });
    for name in ["{bob}.b.example", "{nobody}.b.example", "{bob}.u.example"] {
        let failure = ask(&dns, name, Kind::Smimea).expect_err(name);
        assert!(failure.reason.contains("trust anchor"), "{failure}");
    }
}

#[test]
fn an_island_of_trust_needs_nothing_from_above() {
    let Some(world) = World::start() else { return };
    // The anchor is that of `example`; for us `b.example` has none but its own, and no parent.
    let path = tempfile::tempdir().expect("a folder");
    let file = path.path().join("anchor");
    std::fs::write(&file, world.ds_of("b.example")).expect("a file");
    let anchors = Anchors::of_files(&[file]).expect("anchors");
    let dns = resolver(
        vec![world.resolver],
        Validation::Own {
            anchors: anchors.clone(),
        },
    );
    for (name, wanted) in [
        ("{bob}.b.example", Secure(1)),
        ("{nobody}.b.example", Secure(0)),
        ("{toward-n}.b.example", Insecure(1)),
        ("{bob}.n.example", Insecure(1)),
    ] {
        assert_eq!(Wanted::of(&ask(&dns, name, Kind::Smimea)), wanted, "{name}");
    }
    let stripped = forge((world.spare(1), Over::Both), world.resolver, strip);
    let dns = resolver(vec![stripped], Validation::Own { anchors });
    for name in ["{bob}.b.example", "{nobody}.b.example"] {
        assert_eq!(
            Wanted::of(&ask(&dns, name, Kind::Smimea)),
            Failure,
            "{name}"
        );
    }
}

/// Takes away all of DNSSEC, as a downgrade would.
fn strip(mut message: Message) -> Option<Vec<u8>> {
    let is_dnssec = |record: &Record| matches!(record.data, RData::DNSSEC(DNSSECRData::RRSIG(_)));
    let is_denial = |record: &Record| {
        matches!(
            record.record_type(),
            RecordType::NSEC | RecordType::NSEC3 | RecordType::DS
        )
    };
    message
        .answers
        .retain(|record| !is_dnssec(record) && !is_denial(record));
    message
        .authorities
        .retain(|record| !is_dnssec(record) && !is_denial(record));
    message.to_vec().ok()
}

#[test]
fn signatures_that_are_taken_away_make_bogus_not_insecure() {
    let Some(world) = World::start() else { return };
    let server = forge((world.spare(1), Over::Both), world.resolver, strip);
    let dns = own(&world, "dnskey", server);
    for name in [
        "{bob}.b.example",
        "{nobody}.b.example",
        "{bob}.n.example",
        "{bob}.u.example",
    ] {
        assert_eq!(
            Wanted::of(&ask(&dns, name, Kind::Smimea)),
            Failure,
            "{name}"
        );
    }
}

/// Changes answers about SMIMEA alone.
fn about_smimea(
    change: impl Fn(&mut Message) + Send + Sync + 'static,
) -> impl Fn(Message) -> Option<Vec<u8>> + Send + Sync + 'static {
    move |mut message| {
        if message
            .queries
            .iter()
            .any(|query| query.query_type() == RecordType::SMIMEA)
        {
            change(&mut message);
        }
        message.to_vec().ok()
    }
}

/// The SOA record that `zone` might have.
fn soa(zone: &str) -> Record {
    let apex: Name = zone.parse().expect("a name");
    let soa =
        hickory_resolver::proto::rr::rdata::SOA::new(apex.clone(), apex.clone(), 1, 1, 1, 1, 9);
    Record::from_rdata(apex, 9, RData::SOA(soa))
}

#[test]
fn a_denial_that_an_insecure_zone_vouches_for_is_bogus() {
    let Some(world) = World::start() else { return };
    for (number, zone) in (1..).zip([
        "u.example.",
        "stranger.test.",
        "_smimecert.b.example.",
        "b.example.",
    ]) {
        for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
            let forged = about_smimea(move |message| {
                message.answers.clear();
                message.authorities = vec![soa(zone)];
                message.metadata.response_code = code;
            });
            let spare = world.spare(2 * number + u16::from(code == ResponseCode::NoError));
            let server = forge((spare, Over::Both), world.resolver, forged);
            let dns = own(&world, "dnskey", server);
            let found = ask(&dns, "{bob}.b.example", Kind::Smimea);
            assert_eq!(Wanted::of(&found), Failure, "{zone} {code}: {found:?}");
        }
    }
}

#[test]
fn a_record_without_its_signature_beside_an_insecure_zone_is_bogus() {
    let Some(world) = World::start() else { return };
    let forged = about_smimea(|message| {
        message
            .answers
            .retain(|record| record.record_type() == RecordType::SMIMEA);
        message.authorities = vec![soa("u.example.")];
    });
    let server = forge((world.spare(1), Over::Both), world.resolver, forged);
    let dns = own(&world, "dnskey", server);
    for name in ["{bob}.b.example", "{bob}.n.example", "any.wild.b.example"] {
        assert_eq!(
            Wanted::of(&ask(&dns, name, Kind::Smimea)),
            Failure,
            "{name}"
        );
    }
}

#[test]
fn a_wildcard_without_the_proof_that_no_closer_name_exists_is_bogus() {
    let Some(world) = World::start() else { return };
    for (number, zone) in (1..).zip(["", "u.example.", "b.example."]) {
        let forged = about_smimea(move |message| {
            message.authorities.clear();
            if !zone.is_empty() {
                message.authorities.push(soa(zone));
            }
        });
        let server = forge((world.spare(number), Over::Both), world.resolver, forged);
        let dns = own(&world, "dnskey", server);
        for name in ["any.wild.b.example", "any.wild.n.example"] {
            assert_eq!(
                Wanted::of(&ask(&dns, name, Kind::Smimea)),
                Failure,
                "{name} {zone}"
            );
        }
    }
}

#[test]
fn an_unsigned_domain_may_deny_without_a_word() {
    let Some(world) = World::start() else { return };
    for (number, code) in (1..).zip([ResponseCode::NXDomain, ResponseCode::NoError]) {
        let forged = about_smimea(move |message| {
            message.authorities.clear();
            message.metadata.response_code = code;
        });
        let server = forge((world.spare(number), Over::Both), world.resolver, forged);
        let dns = own(&world, "dnskey", server);
        let denied = |name| Wanted::of(&ask(&dns, name, Kind::Smimea));
        assert_eq!(denied("{nobody}.u.example"), Insecure(0));
        assert_eq!(denied("{nobody}.b.example"), Failure);
    }
}

#[test]
fn a_wildcards_answer_does_not_stand_for_a_name_that_exists() {
    let Some(world) = World::start() else { return };
    // Expanded for a name that has records of its own, with the proof for another name that has none.
    for (number, zone) in (1..).zip(["b.example", "n.example"]) {
        let resolver = world.resolver;
        let [any, exact]: [Name; 2] =
            ["any", "exact"].map(|host| format!("{host}.wild.{zone}.").parse().expect("a name"));
        let forged = move |message: Message| {
            if !message.queries.iter().any(|query| *query.name() == exact) {
                return message.to_vec().ok();
            }
            let mut other = forger::ask(resolver, &any, RecordType::SMIMEA)?;
            other.metadata.id = message.metadata.id;
            other.queries = message.queries.clone();
            for answer in &mut other.answers {
                answer.name = exact.clone();
            }
            other.to_vec().ok()
        };
        let server = forge((world.spare(number), Over::Both), world.resolver, forged);
        let dns = own(&world, "dnskey", server);
        let found = ask(&dns, &format!("exact.wild.{zone}"), Kind::Smimea);
        assert_eq!(Wanted::of(&found), Failure, "{zone}: {found:?}");
    }
}

#[test]
fn what_cannot_be_validated_for_want_of_an_answer_is_not_insecure() {
    let Some(world) = World::start() else { return };
    for (number, kind) in (1..).zip([RecordType::DNSKEY, RecordType::DS, RecordType::NS]) {
        let forged = move |mut message: Message| {
            if message
                .queries
                .iter()
                .any(|query| query.query_type() == kind)
            {
                message.answers.clear();
                message.authorities.clear();
                message.metadata.response_code = ResponseCode::ServFail;
            }
            message.to_vec().ok()
        };
        let server = forge((world.spare(number), Over::Both), world.resolver, forged);
        let dns = own(&world, "dnskey", server);
        for name in ["{bob}.u.example", "{nobody}.u.example"] {
            let failure = ask(&dns, name, Kind::Smimea).expect_err(name);
            assert!(
                failure.reason.contains("Server Failure"),
                "{kind}: {failure}"
            );
        }
    }
}

#[test]
fn a_denial_of_one_name_does_not_deny_another() {
    let Some(world) = World::start() else { return };
    // The proof for a name that does not exist, in the place of the answer for one that does.
    for (number, zone) in (1..).zip(["b.example", "n.example"]) {
        let resolver = world.resolver;
        let denied: Name = (label("nobody") + "." + zone + ".")
            .parse()
            .expect("a name");
        let forged = move |message: Message| {
            let query = message.queries.first()?;
            if query.query_type() != RecordType::SMIMEA {
                return message.to_vec().ok();
            }
            let mut other = forger::ask(resolver, &denied, RecordType::SMIMEA)?;
            other.metadata.id = message.metadata.id;
            other.queries = message.queries.clone();
            other.to_vec().ok()
        };
        let server = forge((world.spare(number), Over::Both), world.resolver, forged);
        let dns = own(&world, "dnskey", server);
        let found = ask(&dns, &format!("{{bob}}.{zone}"), Kind::Smimea);
        assert_eq!(Wanted::of(&found), Failure, "{zone}: {found:?}");
    }
}

#[test]
fn servers_that_fail_are_a_failure_with_a_reason() {
    let Some(world) = World::start() else { return };
    let refuse = |code| {
        move |mut message: Message| {
            message.answers.clear();
            message.authorities.clear();
            message.metadata.response_code = code;
            message.to_vec().ok()
        }
    };
    let dead = world.spare(1);
    let up = world.resolver;
    let servfail = forge(
        (world.spare(2), Over::Both),
        up,
        refuse(ResponseCode::ServFail),
    );
    let refused = forge(
        (world.spare(3), Over::Both),
        up,
        refuse(ResponseCode::Refused),
    );
    let garbage = forge((world.spare(4), Over::Both), up, |_| Some(vec![0xff; 40]));
    let silent = forge((world.spare(5), Over::Both), up, |_| None);
    let other_question = forge((world.spare(6), Over::Both), up, |mut message| {
        message
            .queries
            .first_mut()?
            .set_name("x.example.".parse().ok()?);
        message.to_vec().ok()
    });
    let truncating = forge((world.spare(7), Over::Udp), up, |mut message| {
        message.answers.clear();
        message.metadata.truncation = true;
        message.to_vec().ok()
    });
    for (server, reason) in [
        (dead, "cannot be reached"),
        (servfail, "Server Failure (2)"),
        (refused, "access list"),
        (garbage, "malformed"),
        (silent, "in time"),
        (other_question, "not asked"),
        (truncating, "truncated"),
    ] {
        let anchors = Anchors::of_files(&[world.anchor("dnskey")]).expect("anchors");
        for validation in [Validation::Resolver, Validation::Own { anchors }] {
            let dns = resolver(vec![server], validation).with_patience(Duration::from_millis(1500));
            let failure = ask(&dns, "{bob}.b.example", Kind::Smimea).expect_err(reason);
            assert!(failure.reason.contains(reason), "{reason}: {failure}");
            assert!(failure.reason.contains(&server.to_string()), "{failure}");
        }
    }
    // One that works, behind two that do not.
    let servers = vec![dead, servfail, world.resolver];
    let dns = resolver(servers, Validation::Resolver);
    assert_eq!(
        Wanted::of(&ask(&dns, "{bob}.b.example", Kind::Smimea)),
        Secure(1)
    );
}

#[test]
fn a_truncated_answer_is_asked_for_again_over_tcp_and_tcp_may_be_missing() {
    let Some(world) = World::start() else { return };
    let whole = |message: Message| message.to_vec().ok();
    let without_tcp = forge((world.spare(1), Over::Udp), world.resolver, whole);
    let dns = resolver(vec![without_tcp], Validation::Resolver);
    assert_eq!(
        Wanted::of(&ask(&dns, "{bob}.b.example", Kind::Smimea)),
        Secure(1)
    );
}

#[test]
fn names_that_are_asked_for_together_share_a_connection() {
    let Some(world) = World::start() else { return };
    let server = world.spare(1);
    let connections = relay(server, world.resolver);
    let dns = Arc::new(resolver(vec![server], Validation::Resolver));
    let asked = wait(async {
        let mut asked = JoinSet::new();
        // No other answer holds for them, and none is remembered.
        for number in 0..30 {
            let dns = Arc::clone(&dns);
            let name = full(&format!("{{n{number}}}.wild.b.example"));
            asked.spawn(async move { dns.records(&name, Kind::Smimea).await });
        }
        asked.join_all().await
    });
    for found in asked {
        assert_eq!(Wanted::of(&found), Secure(1), "{found:?}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

fn question(address: &str, expected: bool) -> Question {
    Question {
        subject: Owner::Recipient(address.parse().expect("an address")),
        expected: Expected::by_policy(expected),
        deadline: tokio::time::Instant::now() + Duration::from_secs(5),
        now: Time::from_unix(1_800_000_000).expect("a time"),
    }
}

#[test]
fn the_source_says_found_absent_invalid_and_unavailable() {
    let Some(world) = World::start() else { return };
    let dead = resolver(vec![world.spare(1)], Validation::Resolver);
    let silent = forge((world.spare(2), Over::Both), world.resolver, |_| None);
    let silent = resolver(vec![silent], Validation::Resolver);
    let trusted = resolver(vec![world.resolver], Validation::Resolver);
    let own = own(&world, "dnskey", world.resolver);
    let [dead, silent] = [dead, silent].map(|dns| Smimea::new(Arc::new(dns)));
    let [trusted, own] = [trusted, own].map(|dns| Smimea::new(Arc::new(dns)));
    for source in [&trusted, &own] {
        let found = said(source, "bob@b.example", true);
        let candidate = found.candidates.first().expect("a candidate");
        assert_eq!(candidate.certificate.der(), world.bob);
        assert_eq!(candidate.provenance.authentication, Authentication::Dnssec);
        assert!(found.authentic);
        assert_eq!(said(source, "two@b.example", true).associations.len(), 2);
        for (address, expected, wanted) in [
            ("bob@b.example", true, "found"),
            ("bob@n.example", false, "found"),
            ("toward-n@b.example", true, "found"),
            // Another local part, which is not folded.
            ("Bob@b.example", true, "absent"),
            ("nobody@b.example", true, "absent"),
            ("toward-nothing@b.example", true, "absent"),
            // Insecure: of a stranger that is nothing, of who is known to publish it is nobody's answer.
            ("bob@u.example", false, "absent"),
            ("bob@u.example", true, "unavailable"),
            ("nobody@u.example", false, "absent"),
            ("nobody@u.example", true, "unavailable"),
            ("toward-u@b.example", false, "absent"),
            // Bogus is unavailable, whoever it is.
            ("bob@bogus.example", false, "unavailable"),
            ("nobody@bogus.example", false, "unavailable"),
            ("bob@tampered.example", false, "unavailable"),
            ("unusable@b.example", false, "invalid"),
        ] {
            let reply = said(source, address, expected);
            assert_eq!(reply.said.result().as_str(), wanted, "{address}: {reply:?}");
            if wanted != "found" {
                assert_eq!((reply.candidates.len(), reply.associations.len()), (0, 0));
            }
        }
    }
    for source in [&dead, &silent] {
        let reply = said(source, "bob@b.example", false);
        assert!(matches!(reply.said, Said::Unavailable(_)), "{reply:?}");
    }
}

#[test]
fn the_former_name_is_asked_for_after_a_denial_and_only_where_it_is_wanted() {
    let Some(world) = World::start() else { return };
    let dns: Arc<dyn Dns> = Arc::new(own(&world, "dnskey", world.resolver));
    let source = Smimea::new(Arc::clone(&dns));
    assert!(matches!(
        said(&source, "user@b.example", true).said,
        Said::Absent(_)
    ));
    let source = source.with_former_names();
    assert_eq!(said(&source, "user@b.example", true).said, Said::Found);
    assert!(matches!(
        said(&source, "first.last@b.example", true).said,
        Said::Absent(_)
    ));
}

fn said(source: &Smimea, address: &str, expected: bool) -> Reply {
    wait(async { source.ask(&question(address, expected)).await })
}
