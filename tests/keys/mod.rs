//! Certificates with their private keys as a message finds them: the throw-away PKI and any other.

#![allow(dead_code, reason = "each test that shares it uses a part")]
#![allow(unreachable_pub, reason = "a module of several tests")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic there is the report"
)]

use std::fs;
use std::path::Path;

use base64_simd::STANDARD;
use domsec::cms::write_recipient::KeyEncryption;
use domsec::cms::write_recipient::Recipient;
use domsec::crypto::ContentEncryption;
use domsec::crypto::KeyName;
use domsec::crypto::Keys;
use domsec::crypto::PrivateKey;
use domsec::crypto::Provider;
use domsec::x509::certificate::Certificate;

/// One certificate with its key.
#[derive(Debug)]
pub struct Identity {
    pub certificate: Certificate,
    pub key: Box<dyn PrivateKey>,
}

/// Keys that are found by any name of their certificates.
#[derive(Debug, Default)]
pub struct Ring(pub Vec<Identity>);

impl Keys for Ring {
    fn find(&self, name: KeyName<'_>) -> Option<&dyn PrivateKey> {
        let identity = self.0.iter().find(|identity| match name {
            KeyName::IssuerAndSerialNumber(issuer, serial) => {
                identity.certificate.issuer() == issuer && identity.certificate.serial() == serial
            }
            KeyName::SubjectKeyIdentifier(ski) => {
                identity.certificate.subject_key_identifier() == Some(ski)
            }
        })?;
        Some(&*identity.key)
    }
}

impl Identity {
    /// From a file with a certificate and one with a PKCS#8 key, each PEM or DER.
    pub fn load(certificate: &Path, key: &Path, provider: &Provider) -> Self {
        Self {
            certificate: certificate_of(certificate),
            key: provider
                .private_keys
                .read(&der_of(key, "PRIVATE KEY"))
                .unwrap_or_else(|error| panic!("{}: {error}", key.display())),
        }
    }

    /// One of `certs/`.
    pub fn ours(name: &str, provider: &Provider) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
        let file = |end| folder.join(format!("{name}.{end}"));
        Self::load(&file("pem"), &file("key"), provider)
    }

    /// The same as somebody to encrypt to, by default or by `key_encryption`.
    pub fn recipient(
        &self,
        cipher: ContentEncryption,
        key_encryption: Option<KeyEncryption>,
    ) -> Recipient {
        let spki = self.certificate.spki().to_vec();
        Recipient {
            issuer: self.certificate.issuer().to_vec(),
            serial: self.certificate.serial().to_vec(),
            key_encryption: key_encryption
                .unwrap_or_else(|| KeyEncryption::for_key(&spki, cipher).unwrap()),
            spki,
        }
    }
}

/// The first certificate of a file, PEM or DER.
pub fn certificate_of(path: &Path) -> Certificate {
    Certificate::parse(&der_of(path, "CERTIFICATE"))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// DER of a file, or of its first PEM block whose label is `label`.
pub fn der_of(path: &Path, label: &str) -> Vec<u8> {
    let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let begin = format!("-----BEGIN {label}-----");
    let text = String::from_utf8_lossy(&file);
    let Some((_, rest)) = text.split_once(&begin) else {
        return file;
    };
    let body = rest.split("-----END").next().unwrap();
    base64(body)
}

/// Base64 with any white space in it.
pub fn base64(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    STANDARD.decode_to_vec(digits).unwrap()
}
