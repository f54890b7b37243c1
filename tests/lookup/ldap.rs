//! LDAP directories: OpenLDAP's slapd over LDAPS and StartTLS.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use domsec::gateway::certificates::Answer;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::Owner;
use domsec::gateway::search::Said;
use domsec::limits::Limits;
use domsec::lookup::ldap::AUTHORITY_FILTER;
use domsec::lookup::ldap::Bind;
use domsec::lookup::ldap::Ldap;
use domsec::lookup::ldap::LdapDirectory;
use domsec::lookup::ldap::LdapUrl;
use domsec::lookup::ldap::RECIPIENT_FILTER;
use domsec::lookup::ldap::Servers;
use domsec::lookup::ldap::Template;
use domsec::lookup::names::Data;
use domsec::lookup::names::Dns;
use domsec::lookup::names::DnsFailure;
use domsec::lookup::names::Kind;
use domsec::lookup::names::Records;
use domsec::lookup::source::Expected;
use domsec::lookup::source::Question;
use domsec::lookup::source::Reply;
use domsec::lookup::source::Source;
use domsec::lookup::stream::Connector;
use domsec::lookup::stream::Permitted;
use domsec::lookup::tls;
use domsec::x509::Time;
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::pki::Ca;
use crate::processes::run;
use crate::slapd::Differing;
use crate::slapd::GATEWAY;
use crate::slapd::Slapd;
use crate::slapd::can_run;
use crate::slapd::entry;

/// Everybody may read.
const PUBLIC: &str = "access to * by * read\n";

/// TLS with this anchor alone.
fn client(authority: &Ca) -> Arc<ClientConfig> {
    tls::client(std::slice::from_ref(&authority.certificate)).unwrap()
}

/// DER of a person's certificate with this address, and PEM.
fn person(authority: &Ca, address: &str) -> (Vec<u8>, String) {
    let person = authority.person(&[address]);
    (person.certificate.der().to_vec(), person.pem)
}

/// PKCS#7 certs-only with a person's certificate and the authority's, as DER.
fn certs_only(authority: &Ca, folder: &Path, pem: &str) -> Vec<u8> {
    let file = folder.join("chain.pem");
    fs::write(&file, format!("{pem}{}", authority.pem)).expect("a file");
    run(Command::new("openssl")
        .args(["crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile"])
        .arg(&file))
}

/// A resolver with these answers, and denials without DNSSEC for the rest.
#[derive(Debug, Default)]
struct Known(BTreeMap<(String, Kind), Records>);

impl Dns for Known {
    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answer<'a, Result<Records, DnsFailure>> {
        let known = self.0.get(&(name.to_owned(), kind)).cloned();
        Box::pin(std::future::ready(Ok(known.unwrap_or_default())))
    }
}

impl Known {
    fn with(mut self, name: &str, kind: Kind, secure: bool, data: Data) -> Self {
        let records = Records {
            data: vec![data],
            secure,
            ttl: Duration::from_secs(300),
            ..Records::default()
        };
        self.0.insert((name.to_owned(), kind), records);
        self
    }
}

fn source(directory: LdapDirectory, dns: Known) -> Ldap {
    let connector = Connector {
        dns: Arc::new(dns),
        permitted: Permitted::new([("127.0.0.0".parse().unwrap(), 8)]),
    };
    Ldap::new(vec![directory], connector, Limits::default())
}

fn directory(authority: &Ca, servers: Servers) -> LdapDirectory {
    LdapDirectory {
        servers,
        domains: vec!["b.example".parse().unwrap()],
        base: None,
        tls: client(authority),
        filter: Template::for_recipients(RECIPIENT_FILTER).unwrap(),
        dca_filter: Template::for_authorities(AUTHORITY_FILTER).unwrap(),
    }
}

fn at(url: &str, password: &str) -> Servers {
    let (dn, _) = GATEWAY;
    Servers::At {
        url: LdapUrl::parse(url).unwrap(),
        bind: Some(Bind {
            dn: dn.to_owned(),
            password: password.to_owned().into(),
        }),
    }
}

fn ldaps(slapd: &Slapd) -> String {
    format!("ldaps://localhost:{}", slapd.ldaps.port())
}

fn start_tls(slapd: &Slapd) -> String {
    format!("ldap://localhost:{}", slapd.ldap.port())
}

/// The directory at `url`, to which the gateway binds.
fn bound(authority: &Ca, url: &str) -> Ldap {
    let (_, password) = GATEWAY;
    source(directory(authority, at(url, password)), Known::default())
}

fn recipient(address: &str) -> Owner {
    Owner::Recipient(address.parse().unwrap())
}

async fn ask(source: &Ldap, subject: Owner) -> Reply {
    let question = Question {
        subject,
        expected: Expected::No,
        deadline: Instant::now() + Duration::from_secs(20),
        now: Time::from_unix(1_800_000_000).unwrap(),
    };
    source.ask(&question).await
}

fn ders(reply: &Reply) -> Vec<&[u8]> {
    let candidates = reply.candidates.iter();
    candidates.map(|one| one.certificate.der()).collect()
}

/// The reason for which it is unavailable.
fn unavailable(reply: &Reply) -> &str {
    let Said::Unavailable(reason) = &reply.said else {
        panic!("{:?}", reply.said);
    };
    reason
}

/// Bob's entry, with his certificate where most directories have it.
fn entry_of_bob(certificate: &[u8]) -> String {
    let values = [("userCertificate;binary", certificate)];
    entry("uid=bob", "bob@b.example", &values)
}

fn of_bob() -> Owner {
    recipient("bob@b.example")
}

#[tokio::test]
async fn an_entry_gives_its_certificates_by_either_attribute_over_ldaps_and_start_tls() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let folder = tempfile::tempdir().unwrap();
    let (bob, _) = person(&authority, "bob@b.example");
    let (carol, carol_pem) = person(&authority, "carol@b.example");
    let (dave, dave_pem) = person(&authority, "dave@b.example");
    let blob = certs_only(&authority, folder.path(), &carol_pem);
    // As RFC 2798 §2.8 has it: with signed content, here of another's, as no more than certificates count.
    let signed = {
        let at = |name: &str| folder.path().join(name);
        fs::write(at("dave.pem"), &dave_pem).unwrap();
        run(Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=S", "-keyout",
            ])
            .arg(at("s.key"))
            .arg("-out")
            .arg(at("s.pem")));
        run(Command::new("openssl")
            .args(["cms", "-sign", "-nodetach", "-outform", "DER", "-in"])
            .arg(at("dave.pem"))
            .arg("-signer")
            .arg(at("s.pem"))
            .arg("-inkey")
            .arg(at("s.key"))
            .arg("-certfile")
            .arg(at("dave.pem")))
    };
    let entries = [
        entry_of_bob(&bob),
        entry(
            "uid=carol",
            "carol@b.example",
            &[("userSMIMECertificate", &blob)],
        ),
        entry(
            "uid=dave",
            "dave@b.example",
            &[("userSMIMECertificate", &signed)],
        ),
        entry("uid=eve", "eve@b.example", &[]),
        entry(
            "uid=fay",
            "fay@b.example",
            &[("userSMIMECertificate", b"none")],
        ),
    ];
    let slapd = Slapd::start(&authority, &entries.concat(), &Differing::default());
    for url in [ldaps(&slapd), start_tls(&slapd)] {
        let source = bound(&authority, &url);
        let reply = ask(&source, of_bob()).await;
        assert_eq!(
            (&reply.said, reply.authentic),
            (&Said::Found, true),
            "{url}"
        );
        assert_eq!(ders(&reply), [bob.as_slice()]);
        let provenance = reply.candidates[0].provenance;
        assert_eq!(provenance.authentication, Authentication::Bind);
        // The directory compares without regard to case (RFC 4524 §2.16); what it finds is judged elsewhere.
        let reply = ask(&source, recipient("Bob@B.Example")).await;
        assert_eq!(ders(&reply), [bob.as_slice()]);
        let reply = ask(&source, recipient("carol@b.example")).await;
        assert_eq!(ders(&reply), [carol.as_slice()]);
        assert_eq!(reply.candidates[0].chain.len(), 1);
        let reply = ask(&source, recipient("dave@b.example")).await;
        assert!(ders(&reply).contains(&dave.as_slice()), "{:?}", reply.said);

        for nobody in ["nobody@b.example", "eve@b.example"] {
            let reply = ask(&source, recipient(nobody)).await;
            assert!(
                matches!(reply.said, Said::Absent(_)),
                "{nobody}: {:?}",
                reply.said
            );
            assert!(reply.authentic);
        }
        let reply = ask(&source, recipient("fay@b.example")).await;
        assert!(matches!(reply.said, Said::Invalid(_)), "{:?}", reply.said);
        // No such tree (noSuchObject).
        let reply = ask(&source, recipient("bob@sub.b.example")).await;
        assert!(matches!(reply.said, Said::Absent(_)), "{:?}", reply.said);
    }
}

#[tokio::test]
async fn a_mistyped_base_is_our_own_fault_and_never_an_absence() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let (bob, _) = person(&authority, "bob@b.example");
    let slapd = Slapd::start(&authority, &entry_of_bob(&bob), &Differing::default());
    let (_, password) = GATEWAY;
    let with = |base: Option<&str>, domain: &str| {
        let settings = LdapDirectory {
            base: base.map(str::to_owned),
            domains: vec![domain.parse().unwrap()],
            ..directory(&authority, at(&ldaps(&slapd), password))
        };
        source(settings, Known::default())
    };
    // Beneath what it has, and beside it.
    for base in ["ou=poeple,dc=b,dc=example", "dc=bb,dc=example"] {
        for subject in [of_bob(), Owner::Dca("b.example".parse().unwrap())] {
            let reply = ask(&with(Some(base), "b.example"), subject).await;
            let reason = unavailable(&reply);
            let wanted = [&format!("{base:?}"), "correct `base` in [[ldap]]"];
            assert!(wanted.iter().all(|one| reason.contains(*one)), "{reason}");
        }
    }
    // It does not have the tree of the domain that it is configured for.
    let reply = ask(&with(None, "c.example"), recipient("bob@c.example")).await;
    let reason = unavailable(&reply);
    assert!(reason.contains("give `base` in [[ldap]]"), "{reason}");
    // Configured for a part of a domain, it is not the one that must have all of it.
    let source = with(Some("dc=b,dc=example"), "b.example");
    assert_eq!(ders(&ask(&source, of_bob()).await), [bob.as_slice()]);
}

#[tokio::test]
async fn an_authority_is_found_by_the_names_of_rfc_3183() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let address = "domain-confidentiality-authority@b.example";
    let (dca, _) = person(&authority, address);
    let entries = entry(
        "cn=domain-confidentiality-authority",
        address,
        &[("userCertificate;binary", &dca)],
    );
    let slapd = Slapd::start(&authority, &entries, &Differing::default());
    let (_, password) = GATEWAY;
    for base in [None, Some("dc=b,dc=example".to_owned())] {
        let settings = LdapDirectory {
            base,
            ..directory(&authority, at(&ldaps(&slapd), password))
        };
        let source = source(settings, Known::default());
        for domain in ["b.example", "x.sub.b.example"] {
            let reply = ask(&source, Owner::Dca(domain.parse().unwrap())).await;
            assert_eq!(ders(&reply), [dca.as_slice()], "{domain}: {:?}", reply.said);
        }
    }
}

#[tokio::test]
async fn no_address_reaches_beyond_its_own_entry() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let (bob, _) = person(&authority, "bob@b.example");
    let (odd, _) = person(&authority, "odd@b.example");
    let mail = r#""a*(b)\\c"@b.example"#;
    let entries = [
        entry_of_bob(&bob),
        entry("uid=odd", mail, &[("userCertificate;binary", &odd)]),
    ];
    let slapd = Slapd::start(&authority, &entries.concat(), &Differing::default());
    let source = bound(&authority, &ldaps(&slapd));
    let reply = ask(&source, recipient(mail)).await;
    assert_eq!(ders(&reply), [odd.as_slice()], "{:?}", reply.said);
    for hostile in [
        "*@b.example",
        "b*@b.example",
        r#""*)(objectClass=*"@b.example"#,
        r#""x)(|(mail=*"@b.example"#,
        r#""x))(|(mail=*"@b.example"#,
        "bob\u{e9}@b.example",
    ] {
        let reply = ask(&source, recipient(hostile)).await;
        assert!(
            matches!(reply.said, Said::Absent(_)),
            "{hostile}: {:?}",
            reply.said
        );
    }
}

#[tokio::test]
async fn many_entries_come_in_pages_and_too_many_are_unavailable() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let mut all = String::new();
    for (mail, number) in [("some@b.example", 80), ("many@b.example", 120)] {
        for index in 0..number {
            let (der, _) = person(&authority, mail);
            let rdn = format!("uid={mail}-{index}");
            all.push_str(&entry(&rdn, mail, &[("userCertificate;binary", &der)]));
        }
    }
    let (_, password) = GATEWAY;
    let slapd = Slapd::start(&authority, &all, &Differing::default());
    let source = bound(&authority, &start_tls(&slapd));
    // More than one page.
    let reply = ask(&source, recipient("some@b.example")).await;
    assert_eq!((&reply.said, reply.candidates.len()), (&Said::Found, 80));
    let reply = ask(&source, recipient("many@b.example")).await;
    let reason = unavailable(&reply);
    assert!(
        reason.contains("sizeLimitExceeded") || reason.contains("number of entries"),
        "{reason}"
    );
    // The connection is in step again, or another takes its place.
    let reply = ask(&source, recipient("some@b.example")).await;
    assert_eq!(reply.candidates.len(), 80);

    // A bound of the server's, beyond which it goes page by page.
    let by_page = Differing {
        database: "access to * by * read\nlimits * size.soft=10 size.hard=10 size.prtotal=unlimited\n",
        ..Differing::default()
    };
    let by_page = Slapd::start(&authority, &all, &by_page);
    let source = Arc::new(bound(&authority, &ldaps(&by_page)));
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..8 {
        // A server keeps the place of one page on each connection.
        let source = Arc::clone(&source);
        asked.spawn(async move { ask(&source, recipient("some@b.example")).await });
    }
    for reply in asked.join_all().await {
        assert_eq!(reply.candidates.len(), 80, "{:?}", reply.said);
    }

    // A bound of the server's.
    let limited = Differing {
        before: "sizelimit 5\n",
        ..Differing::default()
    };
    let limited = Slapd::start(&authority, &all, &limited);
    let source = bound(&authority, &ldaps(&limited));
    let reply = ask(&source, recipient("some@b.example")).await;
    let reason = unavailable(&reply);
    assert!(reason.contains("sizeLimitExceeded"), "{reason}");
    // And one of ours.
    let connector = Connector {
        dns: Arc::new(Known::default()),
        permitted: Permitted::default(),
    };
    let few = Limits {
        certificates: 79,
        ..Limits::default()
    };
    let settings = directory(&authority, at(&ldaps(&slapd), password));
    let source = Ldap::new(vec![settings], connector, few);
    let reply = ask(&source, recipient("some@b.example")).await;
    let reason = unavailable(&reply);
    assert!(reason.contains("number of certificates is 80"), "{reason}");
}

#[tokio::test]
async fn a_wrong_password_is_our_own_fault_and_never_an_absence() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let slapd = Slapd::start(&authority, "", &Differing::default());
    for url in [ldaps(&slapd), start_tls(&slapd)] {
        let settings = directory(&authority, at(&url, "other"));
        let reply = ask(&source(settings, Known::default()), of_bob()).await;
        let reason = unavailable(&reply);
        assert!(
            reason.contains("invalidCredentials (49)") && reason.contains("our own configuration"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_is_unavailable() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let other = Differing {
        name: Some("other.example"),
        ..Differing::default()
    };
    let slapd = Slapd::start(&authority, "", &other);
    let (_, password) = GATEWAY;
    for url in [ldaps(&slapd), start_tls(&slapd)] {
        let reply = ask(&bound(&authority, &url), of_bob()).await;
        let reason = unavailable(&reply);
        assert!(reason.contains("not valid for name"), "{reason}");
        // An authority of the same name is another one.
        let settings = directory(&Ca::new("Test CA"), at(&url, password));
        let reply = ask(&source(settings, Known::default()), of_bob()).await;
        let reason = unavailable(&reply);
        assert!(reason.contains("no TLS with the directory"), "{reason}");
    }
}

#[tokio::test]
async fn a_server_without_start_tls_is_asked_nothing() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let (bob, _) = person(&authority, "bob@b.example");
    let entries = entry_of_bob(&bob);
    let clear = Differing {
        name: None,
        ..Differing::default()
    };
    let slapd = Slapd::start(&authority, &entries, &clear);
    let reply = ask(&bound(&authority, &start_tls(&slapd)), of_bob()).await;
    let reason = unavailable(&reply);
    assert!(reason.contains("refuses StartTLS"), "{reason}");
    // On this machine it can be asked in clear, and then proves nothing.
    let (_, password) = GATEWAY;
    let mut settings = directory(&authority, at(&format!("ldap://{}", slapd.ldap), password));
    if let Servers::At { url, .. } = &mut settings.servers {
        *url = url.clone().in_clear().unwrap();
    }
    let reply = ask(&source(settings, Known::default()), of_bob()).await;
    assert_eq!(
        (ders(&reply), reply.authentic),
        (vec![bob.as_slice()], false)
    );
    assert_eq!(
        reply.candidates[0].provenance.authentication,
        Authentication::None
    );
}

#[tokio::test]
async fn a_server_that_was_killed_is_unavailable_until_it_is_back() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let (bob, _) = person(&authority, "bob@b.example");
    let entries = entry_of_bob(&bob);
    let mut slapd = Slapd::start(&authority, &entries, &Differing::default());
    let source = bound(&authority, &start_tls(&slapd));
    let found = |reply: &Reply| ders(reply) == [bob.as_slice()];
    assert!(found(&ask(&source, of_bob()).await));
    slapd.kill();
    let reply = ask(&source, of_bob()).await;
    let reason = unavailable(&reply);
    assert!(
        reason.contains("no connection to the directory"),
        "{reason}"
    );
    slapd.restart();
    assert!(found(&ask(&source, of_bob()).await));
    // Restarted between two questions: the connection that was kept is dead, and another is made.
    slapd.kill();
    slapd.restart();
    assert!(found(&ask(&source, of_bob()).await));
}

#[tokio::test]
async fn many_questions_at_once_share_few_connections_and_each_has_its_own_answer() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let address = |index: usize| format!("u{index}@b.example");
    let people: Vec<Vec<u8>> = (0..60)
        .map(|index| person(&authority, &address(index)).0)
        .collect();
    let entries: Vec<String> = (people.iter().enumerate())
        .map(|(index, der)| {
            let values = [("userCertificate;binary", der.as_slice())];
            entry(&format!("uid=u{index}"), &address(index), &values)
        })
        .collect();
    let slapd = Slapd::start(&authority, &entries.concat(), &Differing::default());
    let source = Arc::new(bound(&authority, &ldaps(&slapd)));
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..600 {
        let source = Arc::clone(&source);
        // Every tenth is nobody's.
        let index = number % 66;
        asked.spawn(async move { (index, ask(&source, recipient(&address(index))).await) });
    }
    for (index, reply) in asked.join_all().await {
        match people.get(index) {
            Some(der) => assert_eq!(ders(&reply), [der.as_slice()], "{index}: {:?}", reply.said),
            None => assert!(matches!(reply.said, Said::Absent(_)), "{:?}", reply.said),
        }
    }
    // Established connections whose far end is its port: ten at most.
    let hex = format!(":{:04X}", slapd.ldaps.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let table6 = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let open = table.lines().chain(table6.lines()).filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(2).is_some_and(|far| far.ends_with(&hex)) && fields.get(3) == Some(&"01")
    });
    let open = open.count();
    assert!((1..=10).contains(&open), "{open} connections");
}

#[tokio::test]
async fn a_referral_is_not_followed_and_is_no_absence() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let (bob, _) = person(&authority, "bob@b.example");
    // All that is not beneath its own suffix, and one subtree.
    let elsewhere = "dn: ou=far,dc=b,dc=example\nobjectClass: referral\n\
                     objectClass: extensibleObject\nou: far\nref: ldap://far.example/ou=far\n\n";
    let entries = [entry_of_bob(&bob), elsewhere.to_owned()];
    let referring = Differing {
        before: "referral ldap://far.example/\n",
        database: PUBLIC,
        ..Differing::default()
    };
    let slapd = Slapd::start(&authority, &entries.concat(), &referring);
    let (_, password) = GATEWAY;
    for (base, address) in [
        ("dc=c,dc=example", "bob@b.example"),
        ("dc=b,dc=example", "nobody@b.example"),
    ] {
        let settings = LdapDirectory {
            base: Some(base.to_owned()),
            ..directory(&authority, at(&ldaps(&slapd), password))
        };
        let reply = ask(&source(settings, Known::default()), recipient(address)).await;
        let reason = unavailable(&reply);
        assert!(
            reason.contains("refers to other servers"),
            "{base}: {reason}"
        );
    }
}

#[tokio::test]
async fn a_discovered_directory_must_have_the_name_that_was_asked_for() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let (bob, _) = person(&authority, "bob@b.example");
    let entries = entry_of_bob(&bob);
    let discovered = |secure: bool, port: u16| {
        let target = "dir.b.example";
        let srv = Data::Srv {
            priority: 0,
            weight: 0,
            port,
            target: Some(target.parse().unwrap()),
        };
        let address = Data::Address("127.0.0.1".parse().unwrap());
        let dns = Known::default()
            .with("_ldap._tcp.b.example", Kind::Srv, secure, srv)
            .with(target, Kind::Address, secure, address);
        source(directory(&authority, Servers::Discovered), dns)
    };
    for (name, secure) in [("b.example", false), ("dir.b.example", true)] {
        let named = Differing {
            name: Some(name),
            database: PUBLIC,
            ..Differing::default()
        };
        let slapd = Slapd::start(&authority, &entries, &named);
        let source = discovered(secure, slapd.ldap.port());
        let reply = ask(&source, of_bob()).await;
        assert_eq!(
            (&reply.said, ders(&reply)),
            (&Said::Found, vec![bob.as_slice()]),
            "{name}"
        );
        // Anybody can run a directory for a domain whose records are not signed, and it is nobody's word.
        let provenance = reply.candidates[0].provenance;
        assert_eq!(
            (provenance.authentication, reply.authentic),
            (Authentication::None, false)
        );
        let reply = ask(&source, recipient("nobody@b.example")).await;
        assert!(matches!(reply.said, Said::Absent(_)), "{:?}", reply.said);
        // The other way round the name is wrong.
        let reply = ask(&discovered(!secure, slapd.ldap.port()), of_bob()).await;
        let reason = unavailable(&reply);
        assert!(reason.contains("not valid for name"), "{reason}");
    }
}

#[tokio::test]
async fn a_discovered_directory_without_the_domains_tree_is_absent_unless_it_is_expected_to() {
    if !can_run() {
        return;
    }
    let authority = Ca::new("Test CA");
    let named = Differing {
        name: Some("dir.c.example"),
        database: PUBLIC,
        ..Differing::default()
    };
    let slapd = Slapd::start(&authority, "", &named);
    let target = "dir.c.example";
    let (bob, tree) = (recipient("bob@c.example"), Some("\"dc=c,dc=example\""));
    let below = Owner::Dca("sub.c.example".parse().unwrap());
    for (domains, subject, expected, unavailable) in [
        (&[][..], &bob, false, None),
        (&[], &bob, true, tree),
        // Whoever names it says that it publishes there.
        (&["c.example"], &bob, false, tree),
        // The domain above has no authority for it, and who takes the domain's own record away hides nothing.
        (&[], &below, false, None),
        (&[], &below, true, Some("sub.c.example names no directory")),
    ] {
        let srv = Data::Srv {
            priority: 0,
            weight: 0,
            port: slapd.ldap.port(),
            target: Some(target.parse().unwrap()),
        };
        let address = Data::Address("127.0.0.1".parse().unwrap());
        let dns = Known::default()
            .with("_ldap._tcp.c.example", Kind::Srv, true, srv)
            .with(target, Kind::Address, true, address);
        let settings = LdapDirectory {
            domains: domains
                .iter()
                .map(|one: &&str| one.parse().unwrap())
                .collect(),
            ..directory(&authority, Servers::Discovered)
        };
        let question = Question {
            subject: subject.clone(),
            expected: Expected::by_policy(expected),
            deadline: Instant::now() + Duration::from_secs(20),
            now: Time::from_unix(1_800_000_000).unwrap(),
        };
        let said = source(settings, dns).ask(&question).await.said;
        match (&said, unavailable) {
            (Said::Absent(_), None) => {}
            (Said::Unavailable(reason), Some(why)) => assert!(reason.contains(why), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
