//! CERS, CERT, GETK and PKEY against an SMTP server that does what its script says.

use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use domsec::gateway::search::Authentication;
use domsec::gateway::search::Said;
use domsec::limits::Limits;
use domsec::lookup::http::Https;
use domsec::lookup::mta_sts::MtaSts;
use domsec::lookup::names::Data;
use domsec::lookup::names::Kind;
use domsec::lookup::smtp_cert::SmtpCert;
use domsec::lookup::source::Reply;
use domsec::lookup::tls::Roots;
use domsec::policy::facts::LookupResult;
use tokio::time::Instant;

use crate::exchanger::Exchanger;
use crate::exchanger::Script;
use crate::exchanger::told;
use crate::pki::Ca;
use crate::pki::Issued;
use crate::processes::own_loopback;
use crate::servers::Zone;
use crate::servers::ask;
use crate::servers::found;
use crate::servers::is_root;
use crate::servers::reason;
use crate::servers::roots;
use crate::servers::run;
use crate::servers::self_signed_server;
use crate::servers::tlsa;

const BOB: &str = "bob@b.example";
const MX: &str = "mx.b.example";
const BOTH: &str = "250-mx\r\n250-CERT\r\n250-CERS\r\n250 SIZE 1000\r\n";
const NONE: &str = "550 Certificate Not Found\r\n";

/// A server at port 25 of its own address, until the test's process ends.
struct Server {
    address: Ipv4Addr,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(script: Script, shown: &Issued) -> Self {
        let address = own_loopback();
        let listener = TcpListener::bind((address, 25)).expect("port 25");
        let commands = Arc::new(Mutex::new(Vec::new()));
        let exchanger = Exchanger::new(script, (&shown.pem, &shown.key), Arc::clone(&commands));
        thread::spawn(move || exchanger.serve(&listener));
        Self { address, commands }
    }

    fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }
}

fn source(zone: Zone, roots: Roots) -> SmtpCert {
    let connector = zone.connector();
    SmtpCert {
        sts: MtaSts::new(Https {
            connector: connector.clone(),
            roots: roots.clone(),
        }),
        connector,
        roots,
        name: "gw.a.example".parse().unwrap(),
        limits: Limits::default(),
        timeout: Duration::from_secs(2),
    }
}

/// What comes of asking the only exchanger, which does as `script` says.
fn asked(script: Script, expected: bool) -> (Reply, Vec<String>) {
    let server = Server::start(script, &self_signed_server(MX));
    let zone = Zone::default()
        .mx("b.example", false, &[MX])
        .at(MX, server.address);
    let reply = run(ask(&source(zone, roots(&[], None)), BOB, expected));
    (reply, server.commands())
}

#[test]
fn a_certificate_is_found_by_cers_and_by_cert_and_under_either_label() {
    if !is_root() {
        return;
    }
    let mail = Ca::new("mail root");
    let bob = mail.person(&[BOB]);
    let unproved = [(&bob.certificate, Authentication::None)];
    let chain = format!("{}{}", bob.pem, mail.pem);

    let (reply, commands) = asked(Script::new(BOTH).says("CERS", told(&chain)), false);
    assert_eq!(found(&reply), unproved, "{:?}", reply.said);
    assert_eq!(
        reply.candidates[0].chain,
        std::slice::from_ref(&mail.certificate)
    );
    assert!(!reply.authentic);
    let wanted = [
        "EHLO gw.a.example",
        "STARTTLS",
        "(TLS) EHLO gw.a.example",
        "(TLS) CERS bob@b.example",
        "(TLS) QUIT",
    ];
    assert_eq!(commands, wanted);

    // OpenSSL's trust data follows the certificate in its own form.
    let trusted = [bob.certificate.der(), &[0x30, 0x00]].concat();
    let base64 = base64_simd::STANDARD.encode_to_string(trusted);
    let label = "TRUSTED CERTIFICATE";
    let trusted = format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n");
    let cert = Script::new("250-mx\r\n250 CERT\r\n").says("CERT", told(&trusted));
    let (reply, commands) = asked(cert, false);
    assert_eq!(found(&reply), unproved, "{:?}", reply.said);
    assert_eq!(commands[3], "(TLS) CERT bob@b.example");

    // A certificate of somebody else is left to be judged.
    let other = mail.person(&["eve@b.example"]);
    let (reply, _) = asked(Script::new(BOTH).says("CERS", told(&other.pem)), false);
    assert_eq!(found(&reply), [(&other.certificate, Authentication::None)]);
}

#[test]
fn keys_are_told_beside_certificates_and_alone() {
    if !is_root() {
        return;
    }
    let mail = Ca::new("mail root");
    let bob = mail.person(&[BOB]);
    let spki = bob.certificate.spki();
    let base64 = base64_simd::STANDARD.encode_to_string(spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
    let both = Script::new("250-mx\r\n250-GETK\r\n250 CERS\r\n")
        .says("CERS", told(&bob.pem))
        .says("GETK", told(&pem));
    let (reply, _) = asked(both, false);
    assert_eq!(
        (reply.candidates.len(), reply.keys.len()),
        (1, 1),
        "{:?}",
        reply.said
    );
    assert_eq!(reply.keys[0].spki, spki);
    let alone = Script::new("250-mx\r\n250 PKEY\r\n").says("PKEY", told(&base64));
    let (reply, commands) = asked(alone, false);
    assert_eq!(reply.said, Said::Found);
    assert_eq!((reply.candidates.len(), &reply.keys[0].spki[..]), (0, spki));
    assert_eq!(commands[3], "(TLS) PKEY bob@b.example");
    let later = Script::new("250-mx\r\n250-GETK\r\n250 CERS\r\n")
        .says("CERS", "450 later\r\n")
        .says("GETK", told(&base64));
    let (reply, _) = asked(later, false);
    assert_eq!(reply.said.result(), LookupResult::Unavailable);
    // The proposal was made for keys of any kind.
    let other =
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n";
    let other = Script::new("250-mx\r\n250 GETK\r\n").says("GETK", told(other));
    assert_eq!(
        asked(other.clone(), false).0.said.result(),
        LookupResult::Absent
    );
    assert_eq!(
        asked(other, true).0.said.result(),
        LookupResult::Unavailable
    );
}

#[test]
fn servers_without_a_certificate_are_absent_or_unavailable_by_what_they_do() {
    if !is_root() {
        return;
    }
    use LookupResult::Absent;
    use LookupResult::Unavailable;
    let usual = || Script::new(BOTH);
    // For a stranger, and for who is known to publish.
    let rows: Vec<(&str, Script, LookupResult, LookupResult, &str)> = vec![
        (
            "none",
            usual().says("CERS", NONE),
            Absent,
            Absent,
            "550 Certificate Not Found",
        ),
        (
            "keyword missing",
            Script::new("250-mx\r\n250 SIZE\r\n"),
            Absent,
            Unavailable,
            "does not offer CERT",
        ),
        (
            "command missing",
            usual().says("CERS", "502 what\r\n"),
            Absent,
            Unavailable,
            "does not offer CERT",
        ),
        (
            "keyword in clear alone",
            Script::new("250 mx\r\n").says("EHLO", "250-mx\r\n250-CERS\r\n250 STARTTLS\r\n"),
            Absent,
            Unavailable,
            "does not offer CERT",
        ),
        (
            "STARTTLS stripped",
            usual().says("EHLO", BOTH),
            Absent,
            Unavailable,
            "does not offer STARTTLS",
        ),
        (
            "no service",
            usual().says("greeting", "554 no SMTP service here\r\n"),
            Absent,
            Unavailable,
            "554",
        ),
        (
            "busy",
            usual().says("greeting", "421 too many\r\n"),
            Unavailable,
            Unavailable,
            "421",
        ),
        (
            "TLS later",
            usual().says("STARTTLS", "454 not now\r\n"),
            Unavailable,
            Unavailable,
            "454",
        ),
        (
            "later",
            usual().says("CERS", "450 later\r\n"),
            Unavailable,
            Unavailable,
            "450 later",
        ),
        (
            "not for us",
            usual().says("CERS", "554 no\r\n"),
            Unavailable,
            Unavailable,
            "554 no",
        ),
        (
            "lost",
            usual().says("CERS", "drop"),
            Unavailable,
            Unavailable,
            "connection lost at CERS",
        ),
        (
            "half a reply",
            usual().says("CERS", "250-one\r\n25"),
            Unavailable,
            Unavailable,
            "connection lost at CERS",
        ),
        (
            "silent",
            usual().says("CERS", "silence"),
            Unavailable,
            Unavailable,
            "connection lost at CERS",
        ),
        (
            "slow",
            usual().says("CERS", format!("slow {}", told(&"x\n".repeat(100)))),
            Unavailable,
            Unavailable,
            "connection lost at CERS",
        ),
        (
            "slow from the beginning",
            usual().says("greeting", format!("slow 220 {}", "x".repeat(500))),
            Unavailable,
            Unavailable,
            "connection lost at greeting",
        ),
        (
            "endless",
            usual().says("CERS", "endless"),
            Unavailable,
            Unavailable,
            "limit of 2000",
        ),
        (
            "no certificate",
            usual().says("CERS", told("hello")),
            Unavailable,
            Unavailable,
            "sends no certificate",
        ),
        (
            "no reply",
            usual().says("CERS", "certificate follows\r\n"),
            Unavailable,
            Unavailable,
            "malformed",
        ),
        (
            "injected",
            usual().says("STARTTLS", format!("220 go\r\n{BOTH}")),
            Unavailable,
            Unavailable,
            "more than the reply to STARTTLS",
        ),
        (
            "no TLS",
            usual().says("handshake", "500 what is this\r\n"),
            Absent,
            Unavailable,
            "does not speak TLS",
        ),
        (
            "no TLS that is safe",
            // An alert "protocol_version".
            usual().says("handshake", "\x15\x03\x03\0\x02\x02\x46"),
            Absent,
            Unavailable,
            "does not speak TLS",
        ),
        (
            "lost in the handshake",
            usual().says("handshake", "drop"),
            Unavailable,
            Unavailable,
            "TLS with mx.b.example",
        ),
    ];
    // All at once: some take as long as they may.
    thread::scope(|scope| {
        for (what, script, stranger, partner, says) in rows {
            scope.spawn(move || {
                for (expected, wanted) in [(false, stranger), (true, partner)] {
                    let begun = Instant::now();
                    let (reply, commands) = asked(script.clone(), expected);
                    assert_eq!(reply.said.result(), wanted, "{what}: {:?}", reply.said);
                    assert!(reason(&reply).contains(says), "{what}: {}", reason(&reply));
                    assert!(
                        begun.elapsed() < Duration::from_secs(5),
                        "{what} took too long"
                    );
                    // The address is told to nobody in clear.
                    let leaked = |line: &String| line.contains("bob") && !line.starts_with("(TLS)");
                    assert!(!commands.iter().any(leaked), "{what}: {commands:?}");
                }
            });
        }
    });
}

#[test]
fn what_tls_proves_counts_where_dnssec_names_the_exchanger() {
    if !is_root() {
        return;
    }
    let (tls, mail) = (Ca::new("TLS root"), Ca::new("mail root"));
    let bob = mail.person(&[BOB]);
    let script = || Script::new(BOTH).says("CERS", told(&bob.pem));
    let shown = tls.server(MX);
    let server = Server::start(script(), &shown);
    let elsewhere = Server::start(script(), &tls.server("mx.c.example"));
    let of_domain = Server::start(script(), &tls.server("b.example"));
    let record = format!("_25._tcp.{MX}");
    let zone = |secure: bool| {
        Zone::default()
            .mx("b.example", secure, &[MX])
            .secure_at(MX, server.address)
    };
    let at_end = "_25._tcp.end.example";
    let apart = || {
        let zone = zone(true).secure_at("end.example", server.address);
        zone.alias(MX, "end.example")
            .with_ipv6_of(MX, "six.example")
    };
    let unsigned = || zone(true).alias_to_unsigned(MX, "end.example", server.address);
    let issuer = || Data::Association {
        usage: 2,
        selector: 0,
        matching: 0,
        data: tls.certificate.der().to_vec(),
    };
    let issued = |to: &Server, secure| {
        let zone = Zone::default().mx("b.example", secure, &[MX]);
        let zone = zone.secure_at(MX, to.address);
        zone.with(&record, Kind::Tlsa, true, vec![issuer()])
    };
    let with = |of: &Issued| vec![tlsa(&of.certificate)];
    let partner = || roots(&[], Some(("b.example", &tls)));
    let public = || roots(&[&tls], None);
    let nobody = || roots(&[], None);
    let rows: Vec<(&str, Zone, Roots, Option<Authentication>)> = vec![
        ("nobody", zone(true), nobody(), Some(Authentication::None)),
        (
            "a public root",
            zone(true),
            public(),
            Some(Authentication::PublicTls),
        ),
        (
            "a partner's root",
            zone(true),
            partner(),
            Some(Authentication::PartnerTls),
        ),
        (
            "its record",
            zone(true).with(&record, Kind::Tlsa, true, with(&shown)),
            nobody(),
            Some(Authentication::Dnssec),
        ),
        (
            "a partner's root, and an exchanger that anybody may have named",
            zone(false),
            partner(),
            Some(Authentication::None),
        ),
        (
            "its record, and an exchanger that anybody may have named",
            zone(false).with(&record, Kind::Tlsa, true, with(&shown)),
            nobody(),
            Some(Authentication::None),
        ),
        (
            "another's record",
            zone(true).with(&record, Kind::Tlsa, true, with(&bob)),
            public(),
            None,
        ),
        (
            "a record that cannot be known",
            zone(true).failing(&record, Kind::Tlsa),
            public(),
            None,
        ),
        (
            "its record at the end of its alias, where IPv6 has another alias",
            apart().with(at_end, Kind::Tlsa, true, with(&shown)),
            nobody(),
            Some(Authentication::Dnssec),
        ),
        (
            "another's record at the end of its alias, where IPv6 has another alias",
            apart().with(at_end, Kind::Tlsa, true, with(&bob)),
            public(),
            None,
        ),
        (
            "a record at the end of the alias of IPv6 alone",
            apart().with("_25._tcp.six.example", Kind::Tlsa, true, with(&bob)),
            public(),
            Some(Authentication::PublicTls),
        ),
        (
            "its record beside an alias to an unsigned zone",
            unsigned().with(&record, Kind::Tlsa, true, with(&shown)),
            nobody(),
            Some(Authentication::Dnssec),
        ),
        (
            "another's record beside an alias to an unsigned zone",
            unsigned().with(&record, Kind::Tlsa, true, with(&bob)),
            public(),
            None,
        ),
        (
            "a record that cannot be known at the end of an alias to an unsigned zone",
            unsigned().failing(at_end, Kind::Tlsa),
            public(),
            Some(Authentication::PublicTls),
        ),
        (
            "a record of its issuer",
            issued(&server, true),
            nobody(),
            Some(Authentication::Dnssec),
        ),
        (
            "a record of its issuer, and the domain's name alone",
            issued(&of_domain, true),
            nobody(),
            Some(Authentication::Dnssec),
        ),
        (
            "a record of its issuer, the domain's name, and an exchanger that anybody may have named",
            issued(&of_domain, false),
            public(),
            None,
        ),
        (
            "a record of its issuer, and another's name",
            issued(&elsewhere, true),
            public(),
            None,
        ),
        (
            "another's certificate",
            Zone::default()
                .mx("b.example", true, &[MX])
                .secure_at(MX, elsewhere.address),
            partner(),
            Some(Authentication::None),
        ),
    ];
    for (what, zone, roots, wanted) in rows {
        let reply = run(ask(&source(zone, roots), BOB, true));
        match wanted {
            Some(authentication) => {
                assert_eq!(
                    found(&reply),
                    [(&bob.certificate, authentication)],
                    "{what}: {:?}",
                    reply.said
                );
                assert_eq!(reply.authentic, authentication.is_authenticated(), "{what}");
            }
            None => assert_eq!(
                reply.said.result(),
                LookupResult::Unavailable,
                "{what}: {:?}",
                reply.said
            ),
        }
    }
}

#[test]
fn exchangers_are_asked_one_after_another() {
    if !is_root() {
        return;
    }
    let mail = Ca::new("mail root");
    let bob = mail.person(&[BOB]);
    let shown = self_signed_server(MX);
    let without = Server::start(Script::new("250 mx\r\n"), &shown);
    let denies = Server::start(Script::new(BOTH).says("CERS", NONE), &shown);
    let later = Server::start(Script::new(BOTH).says("CERS", "450 later\r\n"), &shown);
    let has = Server::start(Script::new(BOTH).says("CERS", told(&bob.pem)), &shown);
    let answer = |servers: &[Option<&Server>], expected| {
        let names: Vec<String> = (0..servers.len())
            .map(|number| format!("mx{number}.example"))
            .collect();
        let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut zone = Zone::default().mx("b.example", false, &hosts);
        for (name, server) in hosts.iter().zip(servers) {
            // One that is none listens nowhere.
            zone = zone.at(
                name,
                server.map_or_else(own_loopback, |server| server.address),
            );
        }
        run(ask(&source(zone, roots(&[], None)), BOB, expected))
            .said
            .result()
    };
    use LookupResult::Absent;
    use LookupResult::Found;
    use LookupResult::Unavailable;
    assert_eq!(
        answer(
            &[Some(&without), Some(&denies), Some(&later), Some(&has)],
            true
        ),
        Found
    );
    assert_eq!(answer(&[Some(&denies), Some(&denies)], true), Absent);
    assert_eq!(answer(&[Some(&denies), Some(&later)], false), Unavailable);
    assert_eq!(
        answer(&[Some(&denies), Some(&without), None], false),
        Absent
    );
    assert_eq!(answer(&[Some(&denies), None], true), Unavailable);
    // Who has a certificate ends the search.
    let before = later.commands().len();
    assert_eq!(answer(&[Some(&has), Some(&later)], true), Found);
    assert_eq!(later.commands().len(), before);
}

#[test]
fn a_domain_that_takes_no_mail_has_no_server_to_ask() {
    if !is_root() {
        return;
    }
    let null = vec![Data::Mx {
        preference: 0,
        host: None,
    }];
    let answer = |secure, expected| {
        let zone = Zone::default().with("b.example", Kind::Mx, secure, null.clone());
        run(ask(&source(zone, roots(&[], None)), BOB, expected))
            .said
            .result()
    };
    assert_eq!(answer(true, true), LookupResult::Absent);
    assert_eq!(answer(false, false), LookupResult::Absent);
    assert_eq!(answer(false, true), LookupResult::Unavailable);
    let unknown = Zone::default().failing("b.example", Kind::Mx);
    let reply = run(ask(&source(unknown, roots(&[], None)), BOB, false));
    assert_eq!(reply.said.result(), LookupResult::Unavailable);
}
