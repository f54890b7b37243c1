use std::sync::Mutex;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::lookup::names::FixedDns;
use crate::lookup::source::Expected;
use crate::lookup::stream::Permitted;
use crate::tlv;
use crate::x509::Time;

fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Arc::new(config)
}

fn directory(servers: Servers) -> LdapDirectory {
    LdapDirectory {
        servers,
        domains: vec!["b.example".parse().unwrap()],
        base: None,
        tls: tls(),
        filter: Template::for_recipients(RECIPIENT_FILTER).unwrap(),
        dca_filter: Template::for_authorities(AUTHORITY_FILTER).unwrap(),
    }
}

fn at(url: &str, bind: bool) -> LdapDirectory {
    let bind = bind.then(|| Bind {
        dn: "cn=gateway".to_owned(),
        password: "s3cret".to_owned().into(),
    });
    let url = LdapUrl::parse(url).unwrap();
    directory(Servers::At { url, bind })
}

fn source(directories: Vec<LdapDirectory>, dns: FixedDns) -> Ldap {
    let connector = Connector {
        dns: Arc::new(dns),
        permitted: Permitted::new([("127.0.0.0".parse().unwrap(), 8)]),
    };
    Ldap::new(directories, connector, Limits::default())
}

fn question(subject: Owner, expected: bool) -> Question {
    Question {
        subject,
        expected: Expected::by_policy(expected),
        deadline: Instant::now() + Duration::from_secs(2),
        now: Time::from_unix(1_800_000_000).unwrap(),
    }
}

fn bob() -> Owner {
    Owner::Recipient("bob@b.example".parse().unwrap())
}

fn ask(source: &Ldap, subject: Owner, expected: bool) -> Said {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { source.ask(&question(subject, expected)).await.said })
}

fn texts(searches: &[(Base, Filter)]) -> Vec<(String, String)> {
    let text = |(base, filter): &(Base, Filter)| (base.name.clone(), filter.to_string());
    searches.iter().map(text).collect()
}

#[test]
fn an_authority_is_asked_for_by_its_domain_and_those_above() {
    let domain: Domain = "x.sub.b.example".parse().unwrap();
    let filter = |of: &str| {
        format!(
            "(&(cn=domain-confidentiality-authority)(mail=domain-confidentiality-authority@{of}))"
        )
    };
    let mut settings = at("ldaps://dir.b.example", false);
    let dca = question(Owner::Dca(domain), false);
    let wanted = ["x.sub.b.example", "sub.b.example", "b.example"].map(|name| {
        let base = format!("dc={}", name.replace('.', ",dc="));
        (base, filter(name))
    });
    assert_eq!(texts(&settings.searches(&dca)), wanted);
    settings.base = Some("o=B".to_owned());
    let all = wanted.map(|(_, filter)| filter).concat();
    assert_eq!(
        texts(&settings.searches(&dca)),
        [("o=B".to_owned(), format!("(|{all})"))]
    );
    let own = settings.searches(&question(bob(), false));
    assert_eq!(
        texts(&own),
        [("o=B".to_owned(), "(mail=bob@b.example)".to_owned())]
    );
    // A domain that is a top-level one itself, as in a closed network.
    assert_eq!(
        ascendants(&"corp".parse().unwrap()),
        ["corp".parse().unwrap()]
    );
    let deep: Domain = "a.b.c.d.e.f.g.h.i.j.k.example".parse().unwrap();
    assert_eq!(ascendants(&deep).len(), MOST_ASCENDANTS);
}

#[test]
fn a_directory_is_asked_for_its_domains_alone() {
    let covers =
        |source: &Ldap, domain: &str| source.covers(Subject::Dca(&domain.parse().unwrap()));
    let named = source(
        vec![at("ldaps://dir.b.example", false)],
        FixedDns::default(),
    );
    assert!(covers(&named, "b.example") && covers(&named, "sub.b.example"));
    assert!(!covers(&named, "example") && !covers(&named, "bb.example"));
    let all = LdapDirectory {
        domains: Vec::new(),
        ..directory(Servers::Discovered)
    };
    let all = source(vec![all], FixedDns::default());
    assert!(covers(&all, "c.example") && !covers(&all, "[192.0.2.1]"));
}

#[test]
fn only_a_bind_over_tls_for_a_configured_domain_authenticates() {
    let domain: Domain = "b.example".parse().unwrap();
    let of = |settings: &LdapDirectory| settings.authentication(&domain);
    assert_eq!(of(&at("ldaps://dir.b.example", true)), Authentication::Bind);
    assert_eq!(of(&at("ldap://dir.b.example", true)), Authentication::Bind);
    assert_eq!(
        of(&at("ldaps://dir.b.example", false)),
        Authentication::None
    );
    assert_eq!(of(&directory(Servers::Discovered)), Authentication::None);
    let mut others = at("ldaps://dir.b.example", true);
    others.domains = Vec::new();
    assert_eq!(of(&others), Authentication::None);
    let mut clear = at("ldap://127.0.0.1", true);
    if let Servers::At { url, .. } = &mut clear.servers {
        *url = url.clone().in_clear().unwrap();
    }
    assert_eq!(of(&clear), Authentication::None);
}

#[test]
fn what_several_directories_say_is_never_less_than_the_weightiest_says() {
    let answered = |said: Said, authentication| Answered::without(said, authentication);
    let absent = || Said::Absent("a".to_owned());
    let gone = || Said::Unavailable("u".to_owned());
    let (none, bind) = (Authentication::None, Authentication::Bind);
    let rows = [
        (
            vec![answered(absent(), none), answered(absent(), bind)],
            absent(),
        ),
        (
            vec![answered(absent(), bind), answered(gone(), none)],
            gone(),
        ),
        (
            vec![answered(Said::Found, none), answered(gone(), bind)],
            gone(),
        ),
        (
            vec![answered(Said::Found, bind), answered(gone(), none)],
            Said::Found,
        ),
        (
            vec![answered(Said::Found, bind), answered(gone(), bind)],
            Said::Found,
        ),
        (
            vec![
                answered(absent(), none),
                answered(Said::Invalid("i".to_owned()), none),
            ],
            Said::Invalid("i".to_owned()),
        ),
    ];
    for (answers, wanted) in rows {
        let text = format!("{answers:?}");
        assert_eq!(together(answers).said, wanted, "{text}");
    }
    assert!(matches!(together(Vec::new()).said, Said::Unavailable(_)));
}

#[test]
fn a_password_is_in_no_text() {
    let text = format!(
        "{:?}",
        source(vec![at("ldaps://dir.b.example", true)], FixedDns::default())
    );
    assert!(
        text.contains("cn=gateway") && !text.contains("s3cret"),
        "{text}"
    );
}

/// A server that sends these octets, each to one request, and keeps the requests. What comes after them is silence.
struct Scripted {
    port: u16,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

async fn scripted(answers: Vec<Vec<u8>>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answers = answers.clone();
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                for answer in answers {
                    let mut request = vec![0; 4096];
                    let read = stream.read(&mut request).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    request.truncate(read);
                    kept.lock().unwrap().push(request);
                    let _ = stream.write_all(&answer).await;
                }
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            });
        }
    });
    Scripted { port, asked }
}

fn result(id: u8, operation: u8, code: u8) -> Vec<u8> {
    let body = [0x0a, 1, code, 4, 0, 4, 0];
    tlv::element(0x30, &[&[2, 1, id], &tlv::element(operation, &[&body])])
}

/// The reason for which it is unavailable.
fn unavailable(said: &Said) -> &str {
    let Said::Unavailable(reason) = said else {
        panic!("{said:?}");
    };
    reason
}

/// One without TLS on this machine, which answers so.
async fn in_clear(answers: Vec<Vec<u8>>) -> LdapDirectory {
    let server = scripted(answers).await;
    let url = LdapUrl::parse(&format!("ldap://127.0.0.1:{}", server.port)).unwrap();
    let url = url.in_clear().unwrap();
    directory(Servers::At { url, bind: None })
}

/// What a directory without TLS on this machine says, which answers so.
async fn said_by(answers: Vec<Vec<u8>>) -> Said {
    let settings = in_clear(answers).await;
    let source = source(vec![settings], FixedDns::default());
    let mut question = question(bob(), true);
    question.deadline = Instant::now() + Duration::from_millis(400);
    let begun = Instant::now();
    let said = source.ask(&question).await.said;
    assert!(begun.elapsed() < Duration::from_secs(1), "{said:?}");
    said
}

#[tokio::test]
async fn each_result_is_what_rfc_4511_says_it_is() {
    for (code, absent, word) in [
        (0, true, "no entry"),
        // The base is that of the domain which the directory is configured for.
        (32, false, "noSuchObject"),
        (3, false, "timeLimitExceeded"),
        (4, false, "sizeLimitExceeded"),
        (10, false, "refers to other servers"),
        (11, false, "adminLimitExceeded"),
        (50, false, "insufficientAccessRights"),
        (51, false, "busy"),
        (52, false, "unavailable"),
        (53, false, "unwillingToPerform"),
        (80, false, "other"),
        (99, false, "99"),
    ] {
        let said = said_by(vec![result(1, 0x65, code)]).await;
        assert_eq!(matches!(said, Said::Absent(_)), absent, "{code}: {said:?}");
        assert!(said.reason().unwrap().contains(word), "{code}: {said:?}");
    }
}

#[tokio::test]
async fn a_base_that_is_not_there_is_absence_only_where_nobody_said_that_it_is() {
    let none = || result(1, 0x65, 32);
    // What is above it is there.
    let above = || {
        let body = [&[0x0a, 1, 32, 4, 15][..], b"dc=b,dc=example", &[4, 0]].concat();
        tlv::element(0x30, &[&[2, 1, 1], &tlv::element(0x65, &[&body])])
    };
    let (bob, far) = ("bob@b.example", "bob@sub.b.example");
    let everybody: &[&str] = &[];
    // The configured base, the configured domains, the recipient, the answer, and what is said where it is not absent.
    let rows = [
        (
            Some("o=Mistyped"),
            &["b.example"][..],
            bob,
            none(),
            Some("\"o=Mistyped\""),
        ),
        (
            Some("o=Mistyped"),
            everybody,
            bob,
            above(),
            Some("correct `base` in [[ldap]]"),
        ),
        (
            None,
            &["b.example"],
            bob,
            none(),
            Some("\"dc=b,dc=example\""),
        ),
        (
            None,
            &["b.example"],
            bob,
            above(),
            Some("give `base` in [[ldap]]"),
        ),
        (
            None,
            &["b.example"],
            far,
            none(),
            Some("\"dc=sub,dc=b,dc=example\""),
        ),
        // It has the domain, and no part of it of that name.
        (None, &["b.example"], far, above(), None),
        // Asked for every domain there is, of which it has some.
        (None, everybody, bob, none(), None),
        (None, everybody, bob, above(), None),
    ];
    for (index, (base, domains, address, answer, wanted)) in rows.into_iter().enumerate() {
        let settings = LdapDirectory {
            base: base.map(str::to_owned),
            domains: domains.iter().map(|one| one.parse().unwrap()).collect(),
            ..in_clear(vec![answer]).await
        };
        let source = source(vec![settings], FixedDns::default());
        let who = Owner::Recipient(address.parse().unwrap());
        let said = source.ask(&question(who, false)).await.said;
        match wanted {
            Some(wanted) => {
                let reason = unavailable(&said);
                assert!(reason.contains(wanted), "{index}: {reason}");
            }
            None => assert!(matches!(said, Said::Absent(_)), "{index}: {said:?}"),
        }
    }
}

#[test]
fn who_has_answered_does_not_speak_for_who_has_not() {
    let absent = || Err(Said::Absent("a".to_owned()));
    let gone = |why: &str| Err(Said::Unavailable(why.to_owned()));
    let with = |values: usize| {
        let values = vec![b"v".to_vec(); values];
        Ok(Entries { count: 1, values })
    };
    let rows = [
        (vec![absent(), absent()], absent()),
        (vec![absent(), with(0)], with(0)),
        (vec![gone("1"), with(0)], gone("1")),
        (vec![with(0), gone("1"), gone("2")], gone("1")),
        (vec![absent(), gone("1")], gone("1")),
        (vec![absent(), with(1)], with(1)),
        // What is nearer comes first.
        (vec![with(1), gone("1")], with(1)),
        (vec![gone("1"), with(1)], gone("1")),
    ];
    for (searches, wanted) in rows {
        let text = format!("{searches:?}");
        let mut all = Several::default();
        for searched in searches {
            all.add(searched);
        }
        assert_eq!(all.together(), wanted, "{text}");
    }
}

#[tokio::test]
async fn values_in_ranges_that_do_not_end_are_no_absence() {
    let name = tlv::element(4, &[b"userCertificate;range=0-1499"]);
    let attribute = tlv::element(0x30, &[&name, &tlv::element(0x31, &[])]);
    let entry = tlv::element(0x64, &[&[4, 0], &tlv::element(0x30, &[&attribute])]);
    let entry = tlv::element(0x30, &[&[2, 1, 1], &entry]);
    let said = said_by(vec![[entry, result(1, 0x65, 0)].concat()]).await;
    let reason = unavailable(&said);
    let (attribute, server) = ("\"userCertificate;range=0-1499\"", "ldap://127.0.0.1:");
    assert!(
        reason.contains(attribute) && reason.contains(server),
        "{reason}"
    );
}

#[tokio::test]
async fn hostile_answers_are_unavailable_and_end_in_time() {
    let reference = tlv::element(0x30, &[&[2, 1, 1], &tlv::element(0x73, &[])]);
    let referred = [reference, result(1, 0x65, 0)].concat();
    for (answer, word) in [
        (vec![0x30, 0x00], "does not speak LDAP"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            "does not speak LDAP",
        ),
        (
            vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, 0x64, 0, 0],
            "4294967295 octets",
        ),
        (result(2, 0x65, 0), "what it did answer was not asked"),
        (result(1, 0x61, 0), "answers nothing that was asked"),
        (result(1, 0x7e, 0), "0x7e"),
        (result(0, 0x78, 52), "ends the connection with unavailable"),
        (referred, "refers to other servers"),
        (vec![0x30], "did not answer in time"),
        (Vec::new(), "did not answer in time"),
    ] {
        let said = said_by(vec![answer.clone()]).await;
        let reason = unavailable(&said);
        assert!(reason.contains(word), "{answer:02x?}: {reason}");
    }
}

#[tokio::test]
async fn endless_entries_end_at_the_bound() {
    let entry = tlv::element(0x64, &[&[4, 0, 0x30, 0]]);
    let entry = tlv::element(0x30, &[&[2, 1, 1], &entry]);
    let said = said_by(vec![entry.repeat(101)]).await;
    let reason = unavailable(&said);
    assert!(reason.contains("number of entries is 101"), "{reason}");
}

#[tokio::test]
async fn nothing_is_asked_of_a_server_without_tls() {
    // It refuses, or its agreement is followed by what nobody may say in clear.
    let smuggled = [result(1, 0x78, 0), result(2, 0x65, 0)].concat();
    for (answer, word) in [
        (result(1, 0x78, 52), "refuses StartTLS"),
        (smuggled, "nothing that was asked"),
    ] {
        let server = scripted(vec![answer]).await;
        let settings = at(&format!("ldap://127.0.0.1:{}", server.port), true);
        let source = source(vec![settings], FixedDns::default());
        let said = source.ask(&question(bob(), false)).await.said;
        let reason = unavailable(&said);
        assert!(reason.contains(word), "{reason}");
        let asked = server.asked.lock().unwrap().concat();
        assert!(asked.windows(6).all(|octets| octets != b"s3cret"));
        assert!(asked.windows(4).all(|octets| octets != b"mail"));
    }
}

#[tokio::test]
async fn an_unused_connection_is_kept_and_a_dead_one_replaced_once() {
    let server = scripted(vec![result(1, 0x65, 0)]).await;
    let url = LdapUrl::parse(&format!("ldap://127.0.0.1:{}", server.port)).unwrap();
    let url = url.in_clear().unwrap();
    let settings = directory(Servers::At { url, bind: None });
    let source = source(vec![settings], FixedDns::default());
    for _ in 0..2 {
        // The second finds a server that is silent on the connection that was kept.
        let said = source.ask(&question(bob(), true)).await.said;
        assert!(matches!(said, Said::Absent(_)), "{said:?}");
        assert_eq!(source.directories[0].pool.as_ref().unwrap().open(), 1);
    }
}

#[test]
fn who_names_no_directory_is_absent_unless_it_is_expected_to() {
    use crate::lookup::names::Data;
    use crate::lookup::names::Kind;
    let discovered = |dns| source(vec![directory(Servers::Discovered)], dns);
    let name = "_ldap._tcp.b.example";
    let unsigned = discovered(FixedDns::default());
    assert!(matches!(ask(&unsigned, bob(), false), Said::Absent(_)));
    assert!(matches!(ask(&unsigned, bob(), true), Said::Unavailable(_)));
    let denied = discovered(FixedDns::default().with(name, Kind::Srv, true, Vec::new()));
    assert!(matches!(ask(&denied, bob(), true), Said::Absent(_)));
    let failing = discovered(FixedDns::default().failing(name, Kind::Srv));
    assert!(matches!(ask(&failing, bob(), false), Said::Unavailable(_)));
    // Named, and nobody listens: with DNSSEC it is certain that somebody should.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    for (secure, absent) in [(false, true), (true, false)] {
        let srv = Data::Srv {
            priority: 0,
            weight: 0,
            port,
            target: Some("dir.b.example".parse().unwrap()),
        };
        let address = Data::Address("127.0.0.1".parse().unwrap());
        let dns = FixedDns::default()
            .with(name, Kind::Srv, secure, vec![srv])
            .with("dir.b.example", Kind::Address, secure, vec![address]);
        let said = ask(&discovered(dns), bob(), false);
        assert_eq!(matches!(said, Said::Absent(_)), absent, "{said:?}");
    }
}
