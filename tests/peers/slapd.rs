//! OpenLDAP's slapd with a folder, a port and a certificate of its own, and the people in its directory.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use base64_simd::STANDARD as BASE64;
use tempfile::TempDir;

use crate::peers::installed;
use crate::pki::Ca;
use crate::processes::Daemon;
use crate::processes::free_address;
use crate::processes::run;
use crate::processes::wait_for;
use crate::processes::wait_for_listener;

/// Whether slapd can be run here.
pub(crate) fn can_run() -> bool {
    installed(
        "slapd",
        &[
            "/usr/sbin/slapd",
            "/usr/sbin/slapadd",
            "/usr/lib/ldap/back_mdb.so",
        ],
    )
}

/// Name and password that the directory knows.
pub(crate) const GATEWAY: (&str, &str) = ("cn=gateway,dc=b,dc=example", "s3cret");

/// One entry as LDIF, beneath `dc=b,dc=example`.
pub(crate) fn entry(rdn: &str, mail: &str, values: &[(&str, &[u8])]) -> String {
    let mail = BASE64.encode_to_string(mail);
    let mut ldif = format!(
        "dn: {rdn},dc=b,dc=example\nobjectClass: inetOrgPerson\ncn: {}\nsn: x\nmail:: {mail}\n",
        rdn.split_once('=').expect("a relative name").1
    );
    for (attribute, value) in values {
        writeln!(ldif, "{attribute}:: {}", BASE64.encode_to_string(value)).expect("memory");
    }
    ldif.push('\n');
    ldif
}

/// How a server differs from the usual one.
pub(crate) struct Differing<'a> {
    /// The name in its certificate; none for a server without TLS.
    pub(crate) name: Option<&'a str>,
    /// Lines before those of the database.
    pub(crate) before: &'a str,
    /// Lines of the database.
    pub(crate) database: &'a str,
}

impl Default for Differing<'_> {
    fn default() -> Self {
        Self {
            name: Some("localhost"),
            before: "",
            // The gateway must bind to see anything.
            database: "access to * by dn.exact=\"cn=gateway,dc=b,dc=example\" read by * auth\n",
        }
    }
}

/// A running server, until it is dropped.
pub(crate) struct Slapd {
    // Ended before its folder goes, in which its process id stands.
    daemon: Option<Daemon>,
    folder: TempDir,
    pub(crate) ldap: SocketAddr,
    pub(crate) ldaps: SocketAddr,
}

impl Slapd {
    /// Starts one with `entries`, and with the gateway's own.
    pub(crate) fn start(authority: &Ca, entries: &str, differing: &Differing<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("db")).expect("a folder");
        let mut tls = String::new();
        if let Some(name) = differing.name {
            let shown = authority.server(name);
            fs::write(at("tls.crt"), shown.pem).expect("a file");
            fs::write(at("tls.key"), shown.key).expect("a file");
            tls = format!(
                "TLSCertificateFile {}\nTLSCertificateKeyFile {}\n",
                at("tls.crt").display(),
                at("tls.key").display()
            );
        }
        let config = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\n\
             moduleload back_mdb\npidfile {}\n{tls}{}database mdb\nmaxsize 104857600\n\
             suffix \"dc=b,dc=example\"\nrootdn \"cn=admin,dc=b,dc=example\"\ndirectory {}\n\
             index objectClass,mail eq\n{}",
            at("slapd.pid").display(),
            differing.before,
            at("db").display(),
            differing.database
        );
        fs::write(at("slapd.conf"), config).expect("a file");
        let (_, password) = GATEWAY;
        let ldif = format!(
            "dn: dc=b,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: B\ndc: b\n\n\
             dn: cn=gateway,dc=b,dc=example\nobjectClass: organizationalRole\n\
             objectClass: simpleSecurityObject\ncn: gateway\nuserPassword: {password}\n\n{entries}"
        );
        fs::write(at("all.ldif"), ldif).expect("a file");
        run(Command::new("/usr/sbin/slapadd")
            .arg("-f")
            .arg(at("slapd.conf"))
            .arg("-l")
            .arg(at("all.ldif")));
        let mut slapd = Self {
            folder,
            ldap: free_address(),
            ldaps: free_address(),
            daemon: None,
        };
        slapd.restart();
        slapd
    }

    /// Starts it again, after [`Slapd::kill`].
    pub(crate) fn restart(&mut self) {
        let tls = self.folder.path().join("tls.crt").exists();
        let mut urls = format!("ldap://{}/", self.ldap);
        if tls {
            write!(urls, " ldaps://{}/", self.ldaps).expect("memory");
        }
        let config = self.folder.path().join("slapd.conf");
        // It puts itself into the background.
        run(Command::new("/usr/sbin/slapd")
            .args(["-h", &urls, "-f"])
            .arg(config));
        wait_for_listener(self.ldap, String::new);
        let pid_file = self.folder.path().join("slapd.pid");
        wait_for("process id of slapd", || {
            fs::read_to_string(&pid_file)
                .ok()
                .filter(|pid| pid.ends_with('\n'))
        });
        self.daemon = Some(Daemon::watch(&pid_file));
    }

    /// Ends it without a farewell.
    pub(crate) fn kill(&mut self) {
        self.daemon = None;
        let pid_file = self.folder.path().join("slapd.pid");
        // Not there where it had the time to go by itself.
        let _ = fs::remove_file(pid_file);
    }
}
