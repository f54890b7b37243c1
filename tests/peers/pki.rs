//! Authorities and what they issue: servers' certificates, and those of people.

use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::pem;
use rcgen::CertificateParams;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;

/// A root, and what it has issued.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: Certificate,
    pub(crate) pem: String,
}

/// A certificate with its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: read(made.pem().as_bytes()),
            pem: made.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server's certificate.
    pub(crate) fn server(&self, host: &str) -> Issued {
        self.issue(server_params(host))
    }

    /// A certificate to which mail for these addresses may be encrypted.
    pub(crate) fn person(&self, emails: &[&str]) -> Issued {
        self.issue(mail_params(emails, KeyUsagePurpose::KeyAgreement))
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued {
            certificate: read(made.pem().as_bytes()),
            pem: made.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// What a server's certificate says.
pub(crate) fn server_params(host: &str) -> CertificateParams {
    let mut params = named(host);
    let name = host.try_into().expect("ASCII");
    params.subject_alt_names = vec![SanType::DnsName(name)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// What a person's certificate says.
pub(crate) fn mail_params(emails: &[&str], usage: KeyUsagePurpose) -> CertificateParams {
    let mut params = named("a person");
    params.key_usages = vec![usage];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let name = |email: &&str| SanType::Rfc822Name((*email).try_into().expect("ASCII"));
    params.subject_alt_names = emails.iter().map(name).collect();
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params
}

/// The first certificate of a PEM file.
pub(crate) fn read(file: &[u8]) -> Certificate {
    let found = pem::certificates(file, &Limits::default()).expect("PEM");
    found.into_iter().next().expect("a certificate")
}
