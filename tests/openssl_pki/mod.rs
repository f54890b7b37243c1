//! A public key infrastructure that the `openssl` command makes in a temporary folder.
//!
//! Keys are P-256. Every certificate is valid for a year from now; tests take the moment that they
//! ask about from the certificates, not from the clock.

use std::path::PathBuf;
use std::process::Command;

use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::pem;
use tempfile::TempDir;

/// Extensions of a CA.
pub(crate) const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
    subjectKeyIdentifier=hash\n";
/// Extensions of a mail user, but for names.
pub(crate) const USER: &str = "keyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\n\
    subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

/// The folder with all keys and certificates, by file name.
pub(crate) struct Pki {
    folder: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    /// Makes a key and a certificate signed with itself, both under `name`, which is its CN too.
    pub(crate) fn root(&self, name: &str, extensions: &str) -> Certificate {
        self.request(name, &format!("/CN={name}"), extensions);
        let arguments = format!("-signkey {name}.key");
        self.sign(name, &arguments)
    }

    /// Makes a key and a certificate under `name`, which is its CN too, signed with `issuer`.
    pub(crate) fn issue(&self, issuer: &str, name: &str, extensions: &str) -> Certificate {
        self.issue_as(issuer, name, &format!("/CN={name}"), extensions)
    }

    /// The same, with another subject.
    pub(crate) fn issue_as(
        &self,
        issuer: &str,
        name: &str,
        subject: &str,
        extensions: &str,
    ) -> Certificate {
        self.request(name, subject, extensions);
        self.sign(name, &format!("-CA {issuer}.pem -CAkey {issuer}.key"))
    }

    /// Signs the request of `name` again, with other arguments of `openssl x509`.
    pub(crate) fn sign(&self, name: &str, arguments: &str) -> Certificate {
        self.openssl(&format!(
            "x509 -req -in {name}.csr -out {name}.pem -days 365 -extfile {name}.cnf {arguments}"
        ));
        self.certificate(&format!("{name}.pem"))
    }

    /// The first certificate of a file.
    pub(crate) fn certificate(&self, file: &str) -> Certificate {
        let octets = std::fs::read(self.path(file)).unwrap();
        let mut certificates = pem::certificates(&octets, &Limits::default()).unwrap();
        certificates.remove(0)
    }

    /// Runs the command in the folder; arguments have no white space inside. Gives what it prints.
    pub(crate) fn openssl(&self, arguments: &str) -> String {
        self.run(arguments.split_ascii_whitespace())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn request(&self, name: &str, subject: &str, extensions: &str) {
        self.write(&format!("{name}.cnf"), extensions);
        self.openssl(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"
        ));
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        self.run([
            "req", "-new", "-utf8", "-key", &key, "-subj", subject, "-out", &request,
        ]);
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut command = Command::new("openssl");
        command.current_dir(self.folder.path()).args(arguments);
        let output = command.output().expect("the openssl command is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}
