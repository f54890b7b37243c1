//! What is said of the places where other people's certificates are looked for.

use std::net::UdpSocket;
use std::thread;

use super::*;
use crate::config::build;
use crate::gateway::judge::chain;

/// A resolver that is not there.
const NOBODY: &str = "[dns]\nservers = [\"127.0.0.1:9\"]\n";

/// Adds to the end of the configuration.
fn append(folder: &Path, text: &str) {
    let path = folder.join("domsec.toml");
    let old = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{old}\n{text}\n")).unwrap();
}

fn public_anchors(folder: &Path, file: &str) {
    add(
        folder,
        "[certificates]",
        &format!("public_anchors = {file:?}"),
    );
}

fn expired(folder: &Path) {
    let expired = fs::read(sample("alice-expired.pem")).unwrap();
    fs::write(folder.join("old.pem"), expired).unwrap();
}

/// A directory of b.example with these lines more.
fn ldap(folder: &Path, lines: &str) {
    ldap_for_all(folder, &format!("domains = [\"b.example\"]\n{lines}"));
}

fn ldap_for_all(folder: &Path, lines: &str) {
    public_anchors(folder, "ca/ca.pem");
    append(folder, &format!("{NOBODY}[[ldap]]\n{lines}"));
}

fn ordered(folder: &Path, order: &str) {
    let path = folder.join("policy.toml");
    let policy = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{policy}\n[lookup]\norder = {order}\n")).unwrap();
}

type Row = (fn(&Path), &'static str);

fn found(laid: &mut Laid, spoil: fn(&Path)) -> Vec<Finding> {
    let folder = laid.copy();
    spoil(&folder);
    findings(&folder, now())
}

#[test]
fn a_directory_with_a_url_needs_no_resolver_and_one_without_does() {
    let mut laid = Laid::out();
    let about_dns = |findings: &[Finding]| {
        let mut texts = findings.iter().map(|one| one.text.as_str());
        texts.any(|text| text.starts_with("[dns]"))
    };
    for (lines, asked) in [
        ("url = \"ldaps://192.0.2.1\"", false),
        ("url = \"ldaps://dir.b.example\"", false),
        ("domains = [\"b.example\"]", true),
    ] {
        let folder = laid.copy();
        public_anchors(&folder, "ca/ca.pem");
        append(&folder, &format!("[[ldap]]\n{lines}"));
        assert_eq!(about_dns(&findings(&folder, now())), asked, "{lines}");
        let config = Config::read(&folder.join("domsec.toml")).unwrap();
        let built = build::gateway(&config);
        let failed = built.err().map(|error| chain(&error)).unwrap_or_default();
        assert_eq!(failed.contains("[dns] servers is empty"), asked, "{failed}");
        assert_eq!(failed.is_empty(), !asked, "{failed}");
    }
}

#[test]
fn what_keeps_sources_from_being_asked_is_an_error() {
    let rows: &[Row] = &[
        (
            |at| append(at, "[smimea]\nenabled = true"),
            "[dns] servers is empty",
        ),
        (
            |at| {
                append(
                    at,
                    &format!("{NOBODY}anchors = [\"no.key\"]\n[smimea]\nenabled = true"),
                )
            },
            "[dns] anchors: ",
        ),
        (
            |at| {
                public_anchors(at, "no.pem");
                append(at, &format!("{NOBODY}[mcek]\nenabled = true"));
            },
            "[certificates] public_anchors: ",
        ),
        (
            |at| {
                expired(at);
                public_anchors(at, "old.pem");
                append(at, &format!("{NOBODY}[mcek]\nenabled = true"));
            },
            "none of 1 certificates is valid now",
        ),
        (
            |at| {
                append(
                    at,
                    "[[server_anchors]]\ndomain = \"b.example\"\nfiles = [\"no.pem\"]",
                )
            },
            "[[server_anchors]] of b.example: ",
        ),
        (
            |at| append(at, "[[server_anchors]]\ndomain = \"b.example\"\nfiles = []"),
            "files is empty",
        ),
        (
            |at| ldap(at, "url = \"http://dir.b.example\""),
            "begins with neither ldaps:// nor ldap://",
        ),
        (
            |at| ldap(at, "url = \"ldap://192.0.2.1\"\nin_clear = true"),
            "write in_clear = false",
        ),
        (
            |at| {
                fs::write(at.join("password"), "secret").unwrap();
                fs::set_permissions(at.join("password"), Permissions::from_mode(0o600)).unwrap();
                ldap(
                    at,
                    "url = \"ldap://127.0.0.1\"\nin_clear = true\nbind_dn = \"cn=a\"\npassword_file = \"password\"",
                );
            },
            "the password of bind_dn goes there in clear",
        ),
        (
            |at| {
                fs::write(at.join("password"), "secret").unwrap();
                fs::set_permissions(at.join("password"), Permissions::from_mode(0o644)).unwrap();
                ldap(
                    at,
                    "url = \"ldaps://dir.b.example\"\nbind_dn = \"cn=a\"\npassword_file = \"password\"",
                );
            },
            "password: group or others have access (mode 0644)",
        ),
        (
            |at| {
                ldap(
                    at,
                    "url = \"ldaps://dir.b.example\"\nbind_dn = \"cn=a\"\npassword_file = \"nowhere\"",
                );
            },
            "[[ldap]] number 1: ",
        ),
        (
            |at| ldap(at, "url = \"ldaps://dir.b.example\"\nbind_dn = \"cn=a\""),
            "bind_dn and password_file belong together",
        ),
        (
            |at| ldap(at, "bind_dn = \"cn=a\"\npassword_file = \"password\""),
            "no password goes there",
        ),
        (
            |at| ldap_for_all(at, "base = \"o=B\""),
            "base is that of one directory",
        ),
        (
            |at| ldap(at, "filter = \"(mail={address}\""),
            "[[ldap]] number 1 filter: ",
        ),
        (
            |at| ldap(at, "dca_filter = \"(cn=dca)\""),
            "[[ldap]] number 1 dca_filter: ",
        ),
        (
            |at| {
                fs::create_dir(at.join("store")).unwrap();
                fs::set_permissions(at.join("store"), Permissions::from_mode(0o770)).unwrap();
                append(at, "[store]\npath = \"store/domsec.db\"");
            },
            "group or others can write there (mode 0770)",
        ),
    ];
    let mut laid = Laid::out();
    for (spoil, said) in rows {
        let found = found(&mut laid, *spoil);
        let errors = of(Level::Error, &found);
        let told = errors.iter().any(|error| error.contains(said));
        assert!(told, "no {said:?} in {errors:#?}");
    }
}

#[test]
fn what_makes_sources_find_less_than_is_meant_is_a_warning() {
    let rows: &[Row] = &[
        (
            |at| append(at, &format!("{NOBODY}[smimea]\nenabled = true")),
            "[dns] servers 127.0.0.1:9: about a.example: ",
        ),
        (
            |at| {
                let far = "[dns]\nservers = [\"0.0.0.0:9\"]\nvalidate = \"resolver\"\n";
                append(at, &format!("{far}[smimea]\nenabled = true"));
            },
            "it is trusted to validate, and so is everybody on the way to it",
        ),
        (
            |at| append(at, &format!("{NOBODY}[smimea]\nenabled = true")),
            "there is no [store] path",
        ),
        (
            |at| {
                add(at, "[certificates]", "networks = [\"0.0.0.0/0\"]");
                append(at, &format!("{NOBODY}[smimea]\nenabled = true"));
            },
            "includes all addresses",
        ),
        (
            |at| {
                expired(at);
                append(
                    at,
                    "[[server_anchors]]\ndomain = \"b.example\"\nfiles = [\"old.pem\"]",
                );
            },
            "[[server_anchors]] of b.example, CN=Alice: expired at 2021-01-01T00:00:00Z",
        ),
        (
            |at| {
                append(
                    at,
                    "[[server_anchors]]\ndomain = \"b.example\"\nfiles = [\"ca/ca.pem\"]",
                )
            },
            "enable [mcek] or [smtp_cert]",
        ),
        (
            |at| append(at, "[smimea]\nformer_names = true"),
            "[smimea] former_names has no effect",
        ),
        (
            |at| {
                public_anchors(at, "ca/ca.pem");
                append(at, &format!("{NOBODY}[mcek]\nenabled = true\ntimeout = 30"));
            },
            "the whole search ends after 20 s",
        ),
        (
            |at| ordered(at, "[\"directory\", \"mcek\"]"),
            "order has \"mcek\", which is off",
        ),
        (
            |at| {
                ordered(at, "[\"directory\"]");
                append(at, &format!("{NOBODY}[smimea]\nenabled = true"));
            },
            "[smimea] is on, and the policy never asks it",
        ),
    ];
    let mut laid = Laid::out();
    for (spoil, said) in rows {
        let found = found(&mut laid, *spoil);
        assert_eq!(of(Level::Error, &found), [""; 0], "{said}");
        let warnings = of(Level::Warning, &found);
        let told = warnings.iter().any(|warning| warning.contains(said));
        assert!(told, "no {said:?} in {warnings:#?}");
    }
}

#[test]
fn sources_in_order_are_said_to_be() {
    let resolver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = resolver.local_addr().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 512];
        while let Ok((length, from)) = resolver.recv_from(&mut octets) {
            // The query itself as a response: there is no such name.
            octets[2] |= 0x80;
            octets[3] = 0x83;
            resolver.send_to(&octets[..length], from).unwrap();
        }
    });
    let mut laid = Laid::out();
    let folder = laid.copy();
    edit(
        &folder,
        "directory = \"recipients\"",
        "public_anchors = \"ca/ca.pem\"",
    );
    fs::create_dir(folder.join("store")).unwrap();
    fs::set_permissions(folder.join("store"), Permissions::from_mode(0o700)).unwrap();
    append(
        &folder,
        &format!(
            "[dns]\nservers = [\"{address}\"]\nvalidate = \"resolver\"\n[smimea]\nenabled = true\n\
             [mcek]\nenabled = true\n[[ldap]]\nurl = \"ldap://dir.b.example\"\n\
             [[server_anchors]]\ndomain = \"b.example\"\nfiles = [\"ca/ca.pem\"]\n\
             [store]\npath = \"store/domsec.db\""
        ),
    );
    let found = findings(&folder, now());
    assert_eq!(of(Level::Error, &found), [""; 0]);
    assert_eq!(of(Level::Warning, &found), [""; 0]);
    let good = of(Level::Ok, &found).join("\n");
    for said in [
        format!("[dns] servers {address}: answers").as_str(),
        "public_anchors",
        "1 authorities",
        "[[ldap]] number 1: ldap://dir.b.example:389, protected by StartTLS",
        "[[server_anchors]] of b.example, CN=",
        "[smimea] is asked",
        "[mcek] is asked",
        "domsec.db is made at the first start",
    ] {
        assert!(good.contains(said), "no {said:?} in {good}");
    }
}
