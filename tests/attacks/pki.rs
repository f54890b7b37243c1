//! The keys and certificates of `certs/`, and certificates that are made for one test.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use sha2::Digest;
use sha2::Sha256;

use crate::der;
use crate::der::context;
use crate::der::integer;
use crate::der::null;
use crate::der::octet_string;
use crate::der::oid;
use crate::der::sequence;
use crate::der::tlv;

/// Somebody who can sign: a certificate, and the name of a key in `certs/`.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: &'static str,
}

/// The identity of that name in `certs/`.
pub(crate) fn identity(name: &'static str) -> Identity {
    Identity {
        certificate: certificate(name),
        key: name,
    }
}

/// The path of a file in `certs/`, as the commands take it.
pub(crate) fn path(name: &str) -> String {
    format!("{}/certs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The DER of `certs/NAME.pem`.
pub(crate) fn certificate(name: &str) -> Vec<u8> {
    from_pem(&std::fs::read_to_string(path(&format!("{name}.pem"))).unwrap())
}

pub(crate) fn from_pem(text: &str) -> Vec<u8> {
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1);
    let body: String = lines
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    base64_simd::STANDARD.decode_to_vec(body).unwrap()
}

pub(crate) fn sha256(octets: &[u8]) -> Vec<u8> {
    Sha256::digest(octets).to_vec()
}

/// `octets` signed with SHA-256 by that key of `certs/`.
pub(crate) fn sign(key: &str, octets: &[u8]) -> Vec<u8> {
    openssl(
        &["dgst", "-sha256", "-sign", &path(&format!("{key}.key"))],
        octets,
    )
}

/// What the `openssl` command makes of `input`.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the openssl command is there");
    // It reads all of its input before it writes.
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    output.stdout
}

/// A file for the binary to read, kept for whoever looks into a failure.
pub(crate) fn file(suffix: &str, octets: &[u8]) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("attacks");
    std::fs::create_dir_all(&folder).unwrap();
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("test").replace("::", "-");
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{test}-{number}{suffix}"));
    std::fs::write(&path, octets).unwrap();
    path
}

/// The issuer's Name in a certificate.
pub(crate) fn issuer(certificate: &[u8]) -> &[u8] {
    der::at(certificate, &[0, 3])
}

/// The serial number of a certificate, an INTEGER.
pub(crate) fn serial(certificate: &[u8]) -> &[u8] {
    der::at(certificate, &[0, 1])
}

/// The subjectKeyIdentifier of a certificate.
pub(crate) fn key_identifier(certificate: &[u8]) -> Vec<u8> {
    let extensions = der::at(certificate, &[0, 7, 0]);
    let wanted = oid("2.5.29.14");
    let found = der::children(extensions)
        .into_iter()
        .find(|one| der::children(one)[0] == wanted);
    let value = *der::children(found.unwrap()).last().unwrap();
    der::content(der::content(value)).to_vec()
}

/// A certificate that `certs/` has not got.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    /// A CA of `certs/`, which is named as the issuer.
    pub(crate) issuer: &'static str,
    /// Whose key signs it.
    pub(crate) signed_by: &'static str,
    /// Whose key it is about.
    pub(crate) key: &'static str,
    pub(crate) serial: u64,
    /// Bits of KeyUsage, first octet: 0x80 digitalSignature, 0x40 nonRepudiation, 0x20 keyEncipherment.
    pub(crate) key_usage: u8,
    /// The last arc below id-kp: 4 emailProtection, 1 serverAuth.
    pub(crate) purpose: &'static str,
    pub(crate) emails: Vec<&'static str>,
    pub(crate) uris: Vec<&'static str>,
    pub(crate) dns: Vec<&'static str>,
    /// Instead of that of the key.
    pub(crate) key_identifier: Option<Vec<u8>>,
}

impl Default for Issue {
    fn default() -> Self {
        Self {
            issuer: "intermediate",
            signed_by: "intermediate",
            key: "alice",
            serial: 0x7001,
            key_usage: 0x80,
            purpose: "4",
            emails: Vec::new(),
            uris: Vec::new(),
            dns: Vec::new(),
            key_identifier: None,
        }
    }
}

impl Issue {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            certificate: self.der(),
            key: self.key,
        }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let algorithm = sha256_with_rsa();
        let key = certificate(self.key);
        let tbs = sequence([
            tlv(context(0), &integer(2)),
            integer(self.serial),
            algorithm.clone(),
            der::at(&certificate(self.issuer), &[0, 5]).to_vec(),
            sequence([
                tlv(der::UTC_TIME, b"260101000000Z"),
                tlv(der::GENERALIZED_TIME, b"20560101000000Z"),
            ]),
            common_name("Made for one test"),
            der::at(&key, &[0, 6]).to_vec(),
            tlv(context(3), &sequence(self.extensions(&key))),
        ]);
        let signature = der::bit_string(&sign(self.signed_by, &tbs));
        sequence([tbs, algorithm, signature])
    }

    fn extensions(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let extension = |id: &str, value: Vec<u8>| sequence([oid(id), octet_string(&value)]);
        let names = |tag: u8, names: &[&str]| {
            names
                .iter()
                .map(|name| tlv(der::primitive(tag), name.as_bytes()))
                .collect::<Vec<_>>()
        };
        let alternative = [
            names(1, &self.emails),
            names(2, &self.dns),
            names(6, &self.uris),
        ]
        .concat();
        let identifier = self
            .key_identifier
            .clone()
            .unwrap_or_else(|| key_identifier(key));
        let unused = u8::try_from(self.key_usage.trailing_zeros()).unwrap();
        vec![
            extension("2.5.29.17", sequence(alternative)),
            extension("2.5.29.15", tlv(der::BIT_STRING, &[unused, self.key_usage])),
            extension(
                "2.5.29.37",
                sequence([oid(&format!("1.3.6.1.5.5.7.3.{}", self.purpose))]),
            ),
            extension("2.5.29.14", octet_string(&identifier)),
        ]
    }
}

pub(crate) fn sha256_with_rsa() -> Vec<u8> {
    sequence([oid("1.2.840.113549.1.1.11"), null()])
}

fn common_name(name: &str) -> Vec<u8> {
    let attribute = sequence([oid("2.5.4.3"), tlv(der::UTF8_STRING, name.as_bytes())]);
    sequence([der::set_of([attribute])])
}

/// A CRL of the intermediate CA that lists nobody, issued after `certs/intermediate.crl`.
pub(crate) fn empty_crl_of_intermediate(signed_by: &str) -> Vec<u8> {
    let tbs = sequence([
        integer(1),
        sha256_with_rsa(),
        der::at(&certificate("intermediate"), &[0, 5]).to_vec(),
        tlv(der::UTC_TIME, b"260201000000Z"),
        tlv(der::GENERALIZED_TIME, b"20560101000000Z"),
    ]);
    let signature = der::bit_string(&sign(signed_by, &tbs));
    sequence([tbs, sha256_with_rsa(), signature])
}
