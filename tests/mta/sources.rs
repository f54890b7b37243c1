//! Each source of certificates in the middle of real mail, its server killed and restarted: mail waits, goes out
//! encrypted afterwards, and at no moment in clear.

use std::fs;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::certificates::BOB;
use crate::certificates::Mail;
use crate::certificates::People;
use crate::exchanger::Exchanger;
use crate::exchanger::Script;
use crate::exchanger::told;
use crate::nginx;
use crate::nginx::Nginx;
use crate::pki::Ca;
use crate::postfix;
use crate::processes::Foreground;
use crate::processes::own_loopback;
use crate::processes::wait_for_listener;
use crate::slapd;
use crate::slapd::Differing;
use crate::slapd::GATEWAY;
use crate::slapd::Slapd;
use crate::zones;
use crate::zones::Served;
use crate::zones::Zone;

fn can_run() -> bool {
    postfix::can_run() && zones::can_run()
}

/// The signed zone of b.example, with those records.
fn served(records: &str, words: &[(&str, String)]) -> Served {
    let zone = Zone {
        name: "b.example",
        signed: Some("nsec3"),
        vouched_for: "b.example",
        records: records.to_owned(),
    };
    Served::start(vec![zone], words)
}

/// `[dns]` of a gateway that validates itself.
fn dns(served: &Served) -> String {
    format!(
        "[dns]\nservers = [\"{}\"]\nanchors = [{:?}]\n",
        served.resolver(),
        served.anchor("dnskey")
    )
}

/// SMIMEA records of all people, and mail by way of them.
fn published_in_dns() -> (Served, Mail) {
    let people = People::new();
    let mut records = String::new();
    let mut words = Vec::new();
    for (name, person) in people.certificates() {
        records.push_str(&format!("{{{name}}} SMIMEA 3 0 0 {{der-{name}}}\n"));
        words.push((format!("der-{name}"), zones::hex(person.certificate.der())));
    }
    let words: Vec<(&str, String)> = words
        .iter()
        .map(|(word, hex)| (word.as_str(), hex.clone()))
        .collect();
    let served = served(&records, &words);
    let tables = format!("{}[smimea]\nenabled = true\n", dns(&served));
    let mail = Mail::start(people, "smimea", &tables, |_, _| {});
    (served, mail)
}

#[test]
fn mail_waits_while_the_zone_of_the_smimea_records_has_no_server() {
    if !can_run() {
        return;
    }
    let (mut served, mail) = published_in_dns();
    mail.goes_out(BOB);
    served.knotd = None;
    mail.waits("smimea", "DNS");
    served.knotd = Some(served.start_knotd());
    mail.is_answered_again("smimea");
}

#[test]
fn mail_waits_while_no_resolver_can_be_asked_for_smimea_records() {
    if !can_run() {
        return;
    }
    let (mut served, mail) = published_in_dns();
    mail.goes_out(BOB);
    served.unbound = None;
    mail.waits("smimea", &format!("DNS server {}", served.resolver()));
    served.unbound = Some(served.start_unbound());
    mail.is_answered_again("smimea");
}

#[test]
fn mail_waits_while_the_web_server_of_mcek_is_down() {
    if !can_run() || !nginx::can_run() {
        return;
    }
    let (people, tls) = (People::new(), Ca::new("TLS root"));
    let mut nginx = Nginx::new("");
    let own = nginx.listen(&tls.server("keys._mcek.b.example"), "");
    for (name, person) in people.certificates() {
        nginx.write(&format!("case/{name}"), &person.pem);
    }
    let cases = people.names();
    nginx.start(&cases);
    let served = served(&format!("keys._mcek A {own}\n"), &[]);
    let tables = format!(
        "{}[mcek]\nenabled = true\n\
         [[server_anchors]]\ndomain = \"b.example\"\nfiles = [\"tls.pem\"]\n",
        dns(&served)
    );
    let mail = Mail::start(people, "mcek", &tables, |folder, _| {
        fs::write(folder.join("tls.pem"), &tls.pem).expect("an anchor");
    });
    mail.goes_out(BOB);
    nginx.stop();
    mail.waits("mcek", "keys._mcek.b.example does not listen at port 443");
    nginx.start(&cases);
    mail.is_answered_again("mcek");
}

#[test]
fn mail_waits_while_the_directory_of_ldap_is_down() {
    if !can_run() || !slapd::can_run() {
        return;
    }
    let (people, tls) = (People::new(), Ca::new("TLS root"));
    let entries: Vec<String> = people
        .certificates()
        .map(|(name, person)| {
            let (rdn, mail) = (format!("uid={name}"), format!("{name}@b.example"));
            let value = person.certificate.der();
            slapd::entry(&rdn, &mail, &[("userCertificate;binary", value)])
        })
        .collect();
    let mut slapd = Slapd::start(&tls, &entries.concat(), &Differing::default());
    let served = served("", &[]);
    let (bind_dn, password) = GATEWAY;
    let tables = format!(
        "{}[[ldap]]\nurl = \"ldaps://localhost:{}\"\ndomains = [\"b.example\"]\n\
         bind_dn = \"{bind_dn}\"\npassword_file = \"ldap.password\"\nanchors = [\"tls.pem\"]\n",
        dns(&served),
        slapd.ldaps.port()
    );
    let mail = Mail::start(people, "ldap", &tables, |folder, _| {
        fs::write(folder.join("tls.pem"), &tls.pem).expect("an anchor");
        write_secret(&folder.join("ldap.password"), password);
    });
    mail.goes_out(BOB);
    slapd.kill();
    mail.waits("ldap", "no connection to the directory ldaps://localhost");
    slapd.restart();
    mail.is_answered_again("ldap");
}

#[test]
fn mail_waits_while_the_exchanger_that_tells_certificates_is_down() {
    if !can_run() {
        return;
    }
    let (people, tls) = (People::new(), Ca::new("TLS root"));
    let exchanger = Child::new(&people, &tls, "mx.b.example");
    let mut running = Some(exchanger.start());
    let records = format!("@ MX 10 mx\nmx A {}\n", exchanger.address);
    let served = served(&records, &[]);
    let tables = format!(
        "{}[smtp_cert]\nenabled = true\n\
         [[server_anchors]]\ndomain = \"b.example\"\nfiles = [\"tls.pem\"]\n",
        dns(&served)
    );
    let mail = Mail::start(people, "smtp", &tables, |folder, _| {
        fs::write(folder.join("tls.pem"), &tls.pem).expect("an anchor");
    });
    mail.goes_out(BOB);
    assert!(running.take().is_some());
    mail.waits("smtp", "mx.b.example does not listen at port 25");
    running = Some(exchanger.start());
    mail.is_answered_again("smtp");
    drop(running);
}

/// A folder has no server but the gateway itself, which reads it as it starts: one that cannot be read is not an empty
/// one, in which everybody would be without a certificate.
#[test]
fn mail_waits_while_the_directory_of_files_is_not_there() {
    if !postfix::can_run() {
        return;
    }
    let tables = "directory = \"published\"\n";
    let mut mail = Mail::start(People::new(), "directory", tables, |folder, people| {
        let published = folder.join("published");
        fs::create_dir(&published).expect("a folder");
        for (name, person) in people.certificates() {
            fs::write(published.join(format!("{name}.pem")), &person.pem).expect("a file");
        }
    });
    mail.goes_out(BOB);
    let folder = mail.gateway.folder();
    let (published, elsewhere) = (folder.join("published"), folder.join("elsewhere"));
    mail.gateway.kill9();
    fs::rename(&published, &elsewhere).expect("our own folder");
    let said = mail.gateway.expect_no_start();
    let advice = "could not be read ([certificates] directory): see that it is there";
    assert!(
        said.contains(&format!("{} {advice}", published.display())),
        "{said}"
    );
    mail.is_deferred("451 4.7.1 Service unavailable");
    fs::rename(&elsewhere, &published).expect("our own folder");
    mail.gateway.restart();
    mail.goes_on();
}

/// Readable for its owner alone.
fn write_secret(path: &Path, secret: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, secret).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}

/// Where the process of an exchanger finds its certificate, its key, and those that it tells.
const EXCHANGER: &str = "DOMSEC_TEST_EXCHANGER";

/// An exchanger in a process of its own, which can be killed.
struct Child {
    folder: TempDir,
    address: Ipv4Addr,
}

impl Child {
    /// One that has the certificates of `people`.
    fn new(people: &People, tls: &Ca, host: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let shown = tls.server(host);
        let address = own_loopback();
        for (name, text) in [
            ("address", &address.to_string()),
            ("tls.pem", &shown.pem),
            ("tls.key", &shown.key),
        ] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        for (name, person) in people.certificates() {
            let path = folder.path().join(format!("{name}@b.example"));
            fs::write(path, &person.pem).expect("a file");
        }
        Self { folder, address }
    }

    fn start(&self) -> Foreground {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["--exact", "sources::serves_as_an_exchanger", "--ignored"])
            .env(EXCHANGER, self.folder.path());
        let log = self.folder.path().join("log");
        let running = Foreground::start(&command, &log);
        wait_for_listener((self.address, 25).into(), || {
            fs::read_to_string(&log).unwrap_or_default()
        });
        running
    }
}

/// Not a test: what another one kills. Tells certificates until then.
#[test]
#[ignore = "run and killed by another test"]
fn serves_as_an_exchanger() {
    let Some(folder) = std::env::var_os(EXCHANGER).map(PathBuf::from) else {
        return;
    };
    let mut script = Script::new("250-mx\r\n250 CERS\r\n").says("CERS", "550 none\r\n");
    for entry in fs::read_dir(&folder).expect("its folder").flatten() {
        let name = entry.file_name().into_string().expect("UTF-8");
        if name.contains('@') {
            let pem = fs::read_to_string(entry.path()).expect("a certificate");
            script = script.says(&format!("CERS {name}"), told(&pem));
        }
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
    let exchanger = Exchanger::new(script, (&read("tls.pem"), &read("tls.key")), Arc::default());
    let listener = TcpListener::bind(format!("{}:25", read("address"))).expect("port 25");
    exchanger.serve(&listener);
}
