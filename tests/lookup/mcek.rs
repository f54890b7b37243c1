//! MCEK against nginx with TLS under a root of our own.

use std::fs;
use std::io::Read;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use domsec::gateway::search::Authentication;
use domsec::gateway::search::Said;
use domsec::limits::Limits;
use domsec::lookup::http::Https;
use domsec::lookup::mcek::Mcek;
use domsec::lookup::mta_sts::MtaSts;
use domsec::lookup::names::Data;
use domsec::lookup::names::Kind;
use domsec::lookup::tls::Roots;
use domsec::policy::facts::LookupResult;

use crate::nginx;
use crate::nginx::Nginx;
use crate::nginx::at_b;
use crate::pki::Ca;
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

const OWN: &str = "keys._mcek.b.example";

fn can_run() -> bool {
    is_root() && nginx::can_run()
}

fn mcek(zone: Zone, roots: Roots) -> Mcek {
    let https = Https {
        connector: zone.connector(),
        roots,
    };
    Mcek {
        sts: MtaSts::new(https.clone()),
        https,
        limits: Limits::default(),
        timeout: Duration::from_secs(3),
    }
}

/// What is asked and what must come of it: the address's case, the result, and words of the reason.
type Row = (&'static str, LookupResult, &'static str);

#[test]
fn answers_in_every_form_are_found_and_others_are_what_they_are() {
    if !can_run() {
        return;
    }
    use LookupResult::Absent;
    use LookupResult::Found;
    use LookupResult::Unavailable;
    const ROWS: &[Row] = &[
        ("der", Found, ""),
        ("pem", Found, ""),
        ("pkcs7", Found, ""),
        ("base64", Found, ""),
        ("within", Found, ""),
        ("absolute", Found, ""),
        ("placeholder", Absent, "placeholder alone"),
        ("another", Absent, "placeholder alone"),
        ("gone", Absent, "HTTP status 410"),
        ("empty", Absent, "HTTP status 204"),
        ("unheard-of", Absent, "HTTP status 404"),
        ("error", Unavailable, "HTTP status 500"),
        ("forbidden", Unavailable, "HTTP status 403"),
        ("later", Unavailable, "HTTP status 503"),
        ("html", Unavailable, "it begins with \"<html>"),
        ("garbage", Unavailable, "malformed"),
        ("big", Unavailable, "limit of 262144"),
        ("slow", Unavailable, "did not answer in time"),
        ("zipped", Unavailable, "content-encoding \"gzip\""),
        ("off", Unavailable, "another host"),
        ("clear", Unavailable, "not of HTTPS"),
        ("loop", Unavailable, "three redirects before it"),
        (
            "header",
            Unavailable,
            "answer of keys._mcek.b.example is broken",
        ),
    ];
    let long_header = "x".repeat(4000);
    let locations = format!(
        "location = /case/gone {{ return 410; }}
         location = /case/empty {{ return 204; }}
         location = /case/error {{ return 500; }}
         location = /case/forbidden {{ return 403; }}
         location = /case/later {{ add_header Retry-After 90 always; return 503; }}
         location = /case/html {{ return 200 '<html><body>welcome</body></html>'; }}
         location = /case/slow {{ limit_rate 20; }}
         location = /case/zipped {{ add_header Content-Encoding gzip; }}
         location = /case/within {{ return 302 /case/pem; }}
         location = /case/absolute {{ return 307 https://{OWN}/case/pem; }}
         location = /case/off {{ return 302 https://evil.example/case/pem; }}
         location = /case/clear {{ return 302 http://{OWN}/case/pem; }}
         location = /case/loop {{ return 302 /case/loop; }}
         location = /case/header {{ add_header X-A {long_header}; add_header X-B {long_header};
            add_header X-C {long_header}; add_header X-D {long_header}; add_header X-E {long_header};
            return 200 ok; }}
         location = /case/der {{ add_header Cache-Control 'public, max-age=1234'; }}
         location = /case/pem {{ expires 10m; }}"
    );
    let (tls, mail) = (Ca::new("TLS root"), Ca::new("mail root"));
    let names: Vec<String> = ROWS.iter().map(|(case, ..)| at_b(case)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let person = mail.person(&names);
    let mut nginx = Nginx::new(&locations);
    let own = nginx.listen(&tls.server(OWN), "");
    let der = person.certificate.der();
    for case in ["der", "slow", "zipped"] {
        nginx.write(&format!("case/{case}"), der);
    }
    nginx.write("case/pem", format!("{}{}", person.pem, mail.pem));
    nginx.write("case/base64", base64_simd::STANDARD.encode_to_string(der));
    nginx.write("case/placeholder", mail.signer(&[&at_b("placeholder")]).pem);
    nginx.write("case/another", mail.person(&["somebody@else.example"]).pem);
    nginx.write("case/garbage", &der[..der.len() - 9]);
    nginx.write("case/big", "MII".repeat(100_000));
    let made = Command::new("/usr/bin/openssl")
        .args(["crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile"])
        .arg(nginx.path("case/pem"))
        .arg("-out")
        .arg(nginx.path("case/pkcs7"))
        .status();
    assert!(made.unwrap().success());
    let cases: Vec<&str> = ROWS.iter().map(|(case, ..)| *case).collect();
    nginx.start(&cases[..]);

    let zone = Zone::default().at(OWN, own).mx("b.example", false, &[]);
    let source = mcek(zone, roots(&[], Some(("b.example", &tls))));
    for (case, result, says) in ROWS {
        let reply = run(ask(&source, &at_b(case), true));
        assert_eq!(reply.said.result(), *result, "{case}: {:?}", reply.said);
        assert!(reason(&reply).contains(says), "{case}: {}", reason(&reply));
        assert!(
            !reason(&reply).contains("username="),
            "{case}: {}",
            reason(&reply)
        );
        let certificates = found(&reply);
        if *result == Found {
            let wanted = (&person.certificate, Authentication::PartnerTls);
            assert_eq!(certificates, [wanted], "{case}");
            assert!(reply.authentic);
        } else {
            assert_eq!(certificates, [], "{case}");
        }
        let seconds = reply.lifetime.map(|lifetime| lifetime.as_secs());
        match *case {
            "der" => assert_eq!(seconds, Some(1234)),
            "pem" | "within" => assert_eq!(seconds, Some(600), "{case}"),
            "later" => assert_eq!(seconds, Some(90)),
            "base64" => assert_eq!(seconds, None),
            _ => {}
        }
    }
    // What came along may be on the path.
    let chained = run(ask(&source, &at_b("pkcs7"), true));
    assert_eq!(
        chained.candidates[0].chain,
        std::slice::from_ref(&mail.certificate)
    );
    // The same word of an anonymous host of keys is no less a word.
    let stranger = run(ask(&source, &at_b("error"), false));
    assert_eq!(stranger.said.result(), Unavailable);
}

#[test]
fn what_tls_proves_of_the_host_is_what_the_answer_is_worth() {
    if !can_run() {
        return;
    }
    let (tls, other, mail) = (
        Ca::new("TLS root"),
        Ca::new("other root"),
        Ca::new("mail root"),
    );
    let bob = mail.person(&[&at_b("bob")]);
    let mut nginx = Nginx::new("");
    let good = nginx.listen(&tls.server(OWN), &tls.pem);
    let alone = self_signed_server("another._mcek.example");
    let alone_at = nginx.listen(&alone, "");
    let wrong_name = nginx.listen(&tls.server("keys._mcek.c.example"), &tls.pem);
    let lapsed = nginx.listen(&tls.lapsed_server(OWN), "");
    nginx.write("case/bob", &bob.pem);
    nginx.start(&["bob"]);

    let record = format!("_443._tcp.{OWN}");
    let secure = |address, data: Vec<Data>| {
        let zone = Zone::default().mx("b.example", false, &[]);
        zone.secure_at(OWN, address)
            .with(&record, Kind::Tlsa, true, data)
    };
    let insecure = |address| Zone::default().mx("b.example", false, &[]).at(OWN, address);
    let anchor = |ca: &Ca| Data::Association {
        usage: 2,
        selector: 0,
        matching: 0,
        data: ca.certificate.der().to_vec(),
    };
    let nobody = || roots(&[], None);
    let public = || roots(&[&tls], None);
    let partner = |ca: &Ca| roots(&[&tls], Some(("b.example", ca)));
    let rows: Vec<(&str, Zone, Roots, Result<Authentication, &str>)> = vec![
        (
            "a partner's root",
            insecure(good),
            partner(&tls),
            Ok(Authentication::PartnerTls),
        ),
        (
            "a public root",
            insecure(good),
            public(),
            Ok(Authentication::PublicTls),
        ),
        (
            "nobody",
            insecure(good),
            nobody(),
            Err("does not prove its name"),
        ),
        // A partner's own anchors are the only ones for its names.
        (
            "another's root",
            insecure(good),
            partner(&other),
            Err("does not prove its name"),
        ),
        (
            "a name that it has not",
            insecure(wrong_name),
            partner(&tls),
            Err("does not prove its name"),
        ),
        (
            "an expired certificate",
            insecure(lapsed),
            partner(&tls),
            Err("does not prove its name"),
        ),
        // Whatever its names are (RFC 7671 §5.1).
        (
            "its own record",
            secure(alone_at, vec![tlsa(&alone.certificate)]),
            nobody(),
            Ok(Authentication::Dnssec),
        ),
        (
            "one record of two",
            secure(
                alone_at,
                vec![tlsa(&bob.certificate), tlsa(&alone.certificate)],
            ),
            nobody(),
            Ok(Authentication::Dnssec),
        ),
        (
            "an anchor's record",
            secure(good, vec![anchor(&tls)]),
            nobody(),
            Ok(Authentication::Dnssec),
        ),
        (
            "an anchor's record, with another name",
            secure(wrong_name, vec![anchor(&tls)]),
            nobody(),
            Err("does not prove its name"),
        ),
        (
            "an anchor's record, lapsed",
            secure(lapsed, vec![anchor(&tls)]),
            nobody(),
            Err("does not prove its name"),
        ),
        (
            "another's record",
            secure(good, vec![tlsa(&bob.certificate)]),
            public(),
            Err("does not prove its name"),
        ),
        (
            "records of no use",
            secure(
                good,
                vec![Data::Association {
                    usage: 1,
                    selector: 0,
                    matching: 0,
                    data: vec![1],
                }],
            ),
            public(),
            Ok(Authentication::PublicTls),
        ),
        (
            "no record",
            secure(good, vec![]),
            public(),
            Ok(Authentication::PublicTls),
        ),
        (
            "an insecure record",
            insecure(good).with(&record, Kind::Tlsa, false, vec![tlsa(&bob.certificate)]),
            public(),
            Ok(Authentication::PublicTls),
        ),
        (
            "a record that cannot be known",
            secure(good, vec![]).failing(&record, Kind::Tlsa),
            public(),
            Err("SERVFAIL"),
        ),
    ];
    for (what, zone, roots, wanted) in rows {
        let reply = run(ask(&mcek(zone, roots), &at_b("bob"), false));
        match wanted {
            Ok(authentication) => {
                assert_eq!(
                    found(&reply),
                    [(&bob.certificate, authentication)],
                    "{what}: {:?}",
                    reply.said
                );
                assert_eq!(reply.authentic, authentication.is_authenticated(), "{what}");
            }
            Err(says) => {
                assert_eq!(
                    reply.said.result(),
                    LookupResult::Unavailable,
                    "{what}: {:?}",
                    reply.said
                );
                assert!(reason(&reply).contains(says), "{what}: {}", reason(&reply));
                assert_eq!(found(&reply), [], "{what}");
            }
        }
    }
    // Every name exists where a wildcard is, and this one was not made for keys.
    let wildcard = || insecure(wrong_name).at("keys._mcek-is-no-wildcard.b.example", wrong_name);
    let stranger = run(ask(&mcek(wildcard(), public()), &at_b("bob"), false));
    assert_eq!(
        stranger.said.result(),
        LookupResult::Absent,
        "{:?}",
        stranger.said
    );
    let partner = run(ask(&mcek(wildcard(), public()), &at_b("bob"), true));
    assert_eq!(
        partner.said.result(),
        LookupResult::Unavailable,
        "{:?}",
        partner.said
    );
}

#[test]
fn a_host_that_is_an_alias_proves_either_name_by_the_records_at_the_end_of_it() {
    if !can_run() {
        return;
    }
    const CANONICAL: &str = "keys.provider.example";
    let (tls, mail) = (Ca::new("TLS root"), Ca::new("mail root"));
    let bob = mail.person(&[&at_b("bob")]);
    // Who serves many names is told which one is meant (RFC 7671 §7).
    let mut nginx = Nginx::new(&format!(
        "location = /case/bob {{ if ($ssl_server_name != {CANONICAL}) {{ return 421; }} }}"
    ));
    let own = nginx.listen(&tls.server(OWN), "");
    let canonical = nginx.listen(&tls.server(CANONICAL), "");
    let neither = nginx.listen(&tls.server("keys._mcek.c.example"), "");
    nginx.write("case/bob", &bob.pem);
    nginx.start(&["bob"]);
    let anchor = || Data::Association {
        usage: 2,
        selector: 0,
        matching: 0,
        data: tls.certificate.der().to_vec(),
    };
    let record = |host: &str| format!("_443._tcp.{host}");
    let at_the_end = |zone: Zone, secure| {
        let zone = zone.mx("b.example", false, &[]).alias(OWN, CANONICAL);
        // Those of the alias itself are another's, and not looked at.
        let other = vec![tlsa(&bob.certificate)];
        zone.with(&record(CANONICAL), Kind::Tlsa, secure, vec![anchor()])
            .with(&record(OWN), Kind::Tlsa, true, other)
    };
    let secure = |address| Zone::default().secure_at(CANONICAL, address);
    let asked = |zone| run(ask(&mcek(zone, roots(&[], None)), &at_b("bob"), false));
    for address in [own, canonical] {
        let reply = asked(at_the_end(secure(address), true));
        let wanted = [(&bob.certificate, Authentication::Dnssec)];
        assert_eq!(found(&reply), wanted, "{:?}", reply.said);
    }
    for zone in [
        at_the_end(secure(neither), true),
        // Then those of the alias itself count, and name another key.
        at_the_end(secure(canonical), false),
        // An alias that anybody can write leads nowhere.
        at_the_end(Zone::default().at(CANONICAL, canonical), true),
    ] {
        let reply = asked(zone);
        assert!(
            reason(&reply).contains("does not prove its name"),
            "{:?}",
            reply.said
        );
    }
}

#[test]
fn an_exchanger_that_the_domain_vouches_for_by_mta_sts_is_its_own() {
    use Authentication::None as Nothing;
    use Authentication::PartnerTls;
    use Authentication::PublicTls;
    if !can_run() {
        return;
    }
    let policy =
        |mode: &str, mx: &str| format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n");
    let given = |text: &str| format!("default_type text/plain; return 200 '{text}';");
    // What `/.well-known/mta-sts.txt` does, and what an answer of mx.b.example is worth then.
    let rows = [
        (given(&policy("enforce", "mx.b.example")), true),
        (given(&policy("enforce", "*.b.example")), true),
        (given(&policy("enforce", "mx.c.example")), false),
        (given(&policy("testing", "mx.b.example")), false),
        (given(&policy("none", "mx.b.example")), false),
        (given("no policy"), false),
        (
            format!(
                "default_type text/html; return 200 '{}';",
                policy("enforce", "mx.b.example")
            ),
            false,
        ),
        ("return 302 /policy.txt;".to_owned(), false),
        ("return 404;".to_owned(), false),
    ];
    let (tls, mail) = (Ca::new("TLS root"), Ca::new("mail root"));
    let bob = mail.person(&[&at_b("bob")]);
    for (number, (answered, vouched)) in rows.iter().enumerate() {
        let moved = given(&policy("enforce", "mx.b.example"));
        let mut nginx = Nginx::new(&format!(
            "location = /.well-known/mta-sts.txt {{ {answered} }}
             location = /policy.txt {{ {moved} }}"
        ));
        let mx = nginx.listen(&tls.server("mx.b.example"), "");
        let sts = nginx.listen(&tls.server("mta-sts.b.example"), "");
        nginx.write("case/bob", &bob.pem);
        nginx.start(&["bob"]);
        let zone = Zone::default()
            .mx("b.example", false, &["mx.b.example"])
            .at("mx.b.example", mx)
            .at("mta-sts.b.example", sts);
        let announced = zone.clone().with(
            "_mta-sts.b.example",
            Kind::Text,
            false,
            vec![Data::Text(b"v=STSv1; id=1;".to_vec())],
        );
        let worth = |zone: &Zone, roots: Roots| {
            let reply = run(ask(&mcek(zone.clone(), roots), &at_b("bob"), false));
            let [(certificate, authentication)] = found(&reply)[..] else {
                panic!("row {number}: {:?}", reply.said);
            };
            assert_eq!(certificate, &bob.certificate, "row {number}");
            authentication
        };
        // It is worth what proves both the host of the policy and the exchanger.
        let both = || roots(&[&tls], Some(("b.example", &tls)));
        let expected = if *vouched { PartnerTls } else { Nothing };
        assert_eq!(worth(&announced, both()), expected, "row {number}");
        let expected = if *vouched { PublicTls } else { Nothing };
        assert_eq!(
            worth(&announced, roots(&[&tls], None)),
            expected,
            "row {number}"
        );
        // Without the record nobody asks for a policy.
        assert_eq!(worth(&zone, both()), Nothing, "row {number}");
        let log = fs::read_to_string(nginx.path("access.log")).unwrap();
        let requests = log.lines().filter(|line| line.contains("mta-sts.txt"));
        assert_eq!(requests.count(), 2, "row {number}");
    }
}

#[test]
fn exchangers_are_asked_in_their_order_and_prove_no_more_than_dns_says_of_them() {
    if !can_run() {
        return;
    }
    let (tls, mail) = (Ca::new("TLS root"), Ca::new("mail root"));
    let (bob, carol) = (mail.person(&[&at_b("bob")]), mail.person(&[&at_b("carol")]));
    let locations = "location = /case/away { return 301 https://www.b.example/; }
        location = /case/page { return 200 '<html>welcome'; }
        location = /case/closed { return 403; }
        location = /case/error { return 502; }";
    let cases = ["bob", "carol", "away", "page", "closed", "error"];
    let mut nginx = Nginx::new(locations);
    let keys_of_one = nginx.listen(&tls.server("keys._mcek.mx1.example"), "");
    let two = nginx.listen(&tls.server("mx2.example"), "");
    let misnamed = nginx.listen(&tls.server("www.example"), "");
    nginx.write("case/bob", &bob.pem);
    nginx.write("case/carol", &carol.pem);
    nginx.start(&cases);
    let exchangers =
        |secure| Zone::default().mx("b.example", secure, &["mx1.example", "mx2.example"]);
    let answer = |zone: Zone, case: &str, expected| {
        let source = mcek(zone, roots(&[&tls], Some(("b.example", &tls))));
        run(ask(&source, &at_b(case), expected))
    };

    // The well-known path of the second, since the first has no host at all; nothing is proved by it.
    let second = |secure| exchangers(secure).at("mx2.example", two);
    let reply = answer(second(false), "bob", false);
    assert_eq!(
        found(&reply),
        [(&bob.certificate, Authentication::None)],
        "{:?}",
        reply.said
    );
    assert!(!reply.authentic);
    let reply = answer(second(true), "bob", false);
    assert_eq!(
        found(&reply),
        [(&bob.certificate, Authentication::PartnerTls)]
    );
    // keys._mcek of the first comes before.
    let both = exchangers(false)
        .at("keys._mcek.mx1.example", keys_of_one)
        .at("mx2.example", two);
    assert_eq!(
        found(&answer(both, "carol", false)),
        [(&carol.certificate, Authentication::None)]
    );

    // A web server that has other things to do is none of keys, for strangers; and nothing certain for partners.
    for case in ["away", "page", "closed"] {
        let stranger = answer(second(false), case, false);
        assert_eq!(
            stranger.said.result(),
            LookupResult::Absent,
            "{case}: {:?}",
            stranger.said
        );
        let partner = answer(second(false), case, true);
        assert_eq!(
            partner.said.result(),
            LookupResult::Unavailable,
            "{case}: {:?}",
            partner.said
        );
    }
    let misnamed = || exchangers(false).at("mx2.example", misnamed);
    let stranger = answer(misnamed(), "bob", false);
    assert_eq!(
        stranger.said.result(),
        LookupResult::Absent,
        "{:?}",
        stranger.said
    );
    let partner = answer(misnamed(), "bob", true);
    assert_eq!(
        partner.said.result(),
        LookupResult::Unavailable,
        "{:?}",
        partner.said
    );
    let plain = own_loopback();
    let listener = TcpListener::bind((plain, 443)).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // One who has hung up is not told.
            let _told = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let plain = || exchangers(false).at("mx2.example", plain);
    let stranger = answer(plain(), "bob", false);
    assert_eq!(
        stranger.said.result(),
        LookupResult::Absent,
        "{:?}",
        stranger.said
    );
    let partner = answer(plain(), "bob", true);
    assert_eq!(
        partner.said.result(),
        LookupResult::Unavailable,
        "{:?}",
        partner.said
    );
    // One that breaks off the handshake says as little as one that is silent; and so does keys._mcek where every name exists.
    let broken = own_loopback();
    let listener = TcpListener::bind((broken, 443)).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut hello = [0; 512];
            let _length = stream.read(&mut hello);
        }
    });
    let at_exchanger = || exchangers(false).at("mx2.example", broken);
    let own = || Zone::default().at(OWN, broken).mx("b.example", false, &[]);
    let nobody = "keys._mcek-is-no-wildcard.b.example";
    for (zone, stranger) in [
        (at_exchanger(), LookupResult::Absent),
        (own(), LookupResult::Unavailable),
        (own().at(nobody, broken), LookupResult::Absent),
    ] {
        let reply = answer(zone.clone(), "bob", false);
        assert_eq!(reply.said.result(), stranger, "{:?}", reply.said);
        let reply = answer(zone, "bob", true);
        let expected = LookupResult::Unavailable;
        assert_eq!(reply.said.result(), expected, "{:?}", reply.said);
    }
    // An error is one, whoever asks; and so is a domain whose exchangers cannot be known.
    let reply = answer(second(false), "error", false);
    assert_eq!(
        reply.said.result(),
        LookupResult::Unavailable,
        "{:?}",
        reply.said
    );
    let unknown = Zone::default().failing("b.example", Kind::Mx);
    assert_eq!(
        answer(unknown, "bob", false).said.result(),
        LookupResult::Unavailable
    );
}

#[test]
fn a_server_that_is_down_is_unavailable_until_it_is_back() {
    if !can_run() {
        return;
    }
    let (tls, mail) = (Ca::new("TLS root"), Ca::new("mail root"));
    let bob = mail.person(&[&at_b("bob")]);
    let mut nginx = Nginx::new("");
    let own = nginx.listen(&tls.server(OWN), "");
    nginx.write("case/bob", &bob.pem);
    let zone = Zone::default().at(OWN, own).mx("b.example", false, &[]);
    let source = mcek(zone, roots(&[], Some(("b.example", &tls))));
    for _ in 0..2 {
        nginx.start(&["bob"]);
        assert_eq!(run(ask(&source, &at_b("bob"), true)).said, Said::Found);
        nginx.stop();
        let down = run(ask(&source, &at_b("bob"), true));
        assert_eq!(
            down.said.result(),
            LookupResult::Unavailable,
            "{:?}",
            down.said
        );
        assert!(
            reason(&down).contains("does not listen at port 443"),
            "{}",
            reason(&down)
        );
        // Of a domain that never had any, nobody can tell.
        let stranger = run(ask(&source, &at_b("bob"), false));
        assert_eq!(stranger.said.result(), LookupResult::Absent);
    }
}

#[test]
fn a_host_in_our_own_network_is_not_asked() {
    if !can_run() {
        return;
    }
    let tls = Ca::new("TLS root");
    let mut nginx = Nginx::new("");
    let own = nginx.listen(&tls.server(OWN), "");
    nginx.start(&["bob"]);
    let mut source = mcek(Zone::default().at(OWN, own), roots(&[&tls], None));
    source.https.connector.permitted = Default::default();
    let reply = run(ask(&source, &at_b("bob"), true));
    assert_eq!(reply.said.result(), LookupResult::Unavailable);
    assert!(
        reason(&reply).contains("no address of the Internet"),
        "{}",
        reason(&reply)
    );
    let asked = fs::read_to_string(nginx.path("access.log")).unwrap();
    assert_eq!(asked, "", "it was asked all the same");
}
