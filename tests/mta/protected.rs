//! Re-injection under STARTTLS, to a Postfix that has a certificate and to one that has none.

use std::fs;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;

use crate::domains::Domains;
use crate::domains::Plan;
use crate::journey::MESSAGE;
use crate::postfix;
use crate::smtp::Options;
use crate::smtp::Sent;

/// What stands in the server's certificate; its address is 127.0.0.1.
const SERVER: &str = "mail.a.example";

/// Gives Postfix at a.example a certificate, and the gateway the certificate of the authority that made
/// it, as `authority.pem`, and of one that did not, as `other.pem`.
fn certify(plan: &mut Plan) {
    let folder = plan.path("a");
    let mut authority = CertificateParams::new(Vec::new()).expect("an authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for name in ["other.pem", "authority.pem"] {
        let key = KeyPair::generate().expect("a key");
        let called = &mut authority.distinguished_name;
        called.push(DnType::CommonName, name);
        let own = authority.self_signed(&key).expect("a certificate");
        fs::write(folder.join(name), own.pem()).expect("a file");
        let issuer = Issuer::from_params(&authority, &key);
        let server = CertificateParams::new(vec![SERVER.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = server.signed_by(&key, &issuer).expect("a certificate");
        // That of the last one stays.
        fs::write(folder.join("server.pem"), certificate.pem()).expect("a file");
        fs::write(folder.join("server.key"), key.serialize_pem()).expect("a file");
    }
    let main = format!(
        "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {0}/server.pem\n\
         smtpd_tls_key_file = {0}/server.key\nsmtpd_tls_loglevel = 1\n",
        folder.display()
    );
    plan.a.main.push_str(&main);
    plan.a.master.push_str("tlsmgr unix - - n 1000? 1 tlsmgr\n");
}

/// One message whose recipients need different editions, so that one is submitted.
fn send(domains: &Domains) -> Sent {
    let rcpts = ["bob@b.example", "carl@c.example"];
    let options = Options::default();
    domains.a.send("alice@a.example", &rcpts, MESSAGE, &options)
}

fn expect_deferred(domains: &Domains, said: &str) {
    let sent = send(domains);
    assert_eq!(sent.last().code, 451, "{sent:#?}");
    let log = domains.gateway_a.log();
    assert!(log.contains(said), "no {said:?} in {log}");
    assert!(domains.a.queue().is_empty());
    assert!(domains.wire.octets().is_empty());
}

#[test]
fn editions_go_to_the_server_whose_certificate_is_good_and_to_no_other() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    certify(&mut plan);
    plan.serve_everybody();
    plan.gateway_a.push_str(
        "starttls = \"require\"\nanchors = [\"other.pem\"]\nserver_name = \"mx.a.example\"\n",
    );
    let mut domains = plan.start();
    expect_deferred(&domains, "UnknownIssuer");
    domains.gateway_a.edit("other.pem", "authority.pem");
    domains.gateway_a.restart();
    expect_deferred(&domains, "certificate not valid for name");
    domains.gateway_a.edit("mx.a.example", SERVER);
    domains.gateway_a.restart();
    send(&domains).expect_accepted();
    domains.b.wait_delivered("all", 2);
    let log = domains.a.log();
    let protected = "TLS connection established from";
    assert!(log.contains(protected), "{log}");
}

#[test]
fn a_server_that_offers_no_tls_gets_nothing_where_it_is_required() {
    if !postfix::can_run() {
        return;
    }
    let mut plan = Plan::new();
    certify(&mut plan);
    plan.a.main = "smtpd_tls_security_level = none\n".to_owned();
    plan.serve_everybody();
    plan.gateway_a
        .push_str("starttls = \"require\"\nanchors = [\"authority.pem\"]\n");
    let mut domains = plan.start();
    expect_deferred(&domains, "STARTTLS");
    // What the administrator may not want, and can have.
    let line = "starttls = \"require\"\nanchors = [\"authority.pem\"]\n";
    domains.gateway_a.edit(line, "starttls = \"none\"\n");
    domains.gateway_a.restart();
    send(&domains).expect_accepted();
    domains.b.wait_delivered("all", 2);
}
