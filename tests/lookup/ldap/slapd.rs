//! OpenLDAP's slapd with a folder, a port and a certificate of its own, and the people in its directory.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64_simd::STANDARD as BASE64;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::SanType;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::processes::Daemon;
use super::processes::free_address;
use super::processes::run;
use super::processes::wait_for;
use super::processes::wait_for_listener;
use crate::peers::installed;

/// Whether slapd can be run here.
pub(super) fn can_run() -> bool {
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
pub(super) const GATEWAY: (&str, &str) = ("cn=gateway,dc=b,dc=example", "s3cret");

/// A certification authority of TLS.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Test CA");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// TLS with this anchor alone.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("an anchor");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// PEM of a server's certificate with these names, and of its key.
    fn server(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// DER of a person's certificate with this address, and PEM.
    pub(super) fn person(&self, address: &str) -> (Vec<u8>, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        let email = address.try_into().expect("an address in ASCII");
        params.subject_alt_names = vec![SanType::Rfc822Name(email)];
        params.distinguished_name.push(DnType::CommonName, address);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.der().to_vec(), certificate.pem())
    }

    /// PKCS#7 certs-only with a person's certificate and ours, as DER.
    pub(super) fn certs_only(&self, folder: &Path, pem: &str) -> Vec<u8> {
        let file = folder.join("chain.pem");
        fs::write(&file, format!("{pem}{}", self.pem)).expect("a file");
        run(Command::new("openssl")
            .args(["crl2pkcs7", "-nocrl", "-outform", "DER", "-certfile"])
            .arg(&file))
    }
}

/// One entry as LDIF, beneath `dc=b,dc=example`.
pub(super) fn entry(rdn: &str, mail: &str, values: &[(&str, &[u8])]) -> String {
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
pub(super) struct Differing<'a> {
    /// The names in its certificate; none for a server without TLS.
    pub(super) names: &'a [&'a str],
    /// Lines before those of the database.
    pub(super) before: &'a str,
    /// Lines of the database.
    pub(super) database: &'a str,
}

impl Default for Differing<'_> {
    fn default() -> Self {
        Self {
            names: &["localhost"],
            before: "",
            // The gateway must bind to see anything.
            database: "access to * by dn.exact=\"cn=gateway,dc=b,dc=example\" read by * auth\n",
        }
    }
}

/// Everybody may read.
pub(super) const PUBLIC: &str = "access to * by * read\n";

/// A running server, until it is dropped.
pub(super) struct Slapd {
    // Ended before its folder goes, in which its process id stands.
    daemon: Option<Daemon>,
    folder: TempDir,
    pub(super) ldap: SocketAddr,
    pub(super) ldaps: SocketAddr,
}

impl Slapd {
    /// Starts one with `entries`, and with the gateway's own.
    pub(super) fn start(authority: &Authority, entries: &str, differing: &Differing<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("db")).expect("a folder");
        let mut tls = String::new();
        if !differing.names.is_empty() {
            let (certificate, key) = authority.server(differing.names);
            fs::write(at("tls.crt"), certificate).expect("a file");
            fs::write(at("tls.key"), key).expect("a file");
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
    pub(super) fn restart(&mut self) {
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
    pub(super) fn kill(&mut self) {
        self.daemon = None;
        let pid_file = self.folder.path().join("slapd.pid");
        // Not there where it had the time to go by itself.
        let _ = fs::remove_file(pid_file);
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
