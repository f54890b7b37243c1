//! Keys and certificates: those of `certs/`, and a P-256 key for the domain, which has none there.

use std::fs;
use std::path::Path;

use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;

type Failure = Box<dyn std::error::Error>;

/// The path of a file in `certs/`.
pub(crate) fn path(name: &str) -> String {
    format!("{}/certs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Writes the recipients' certificates, and the domain's P-256 key with its certificate.
pub(crate) fn write(folder: &Path) -> Result<(), Failure> {
    let recipients = folder.join("recipients");
    fs::create_dir(&recipients)?;
    for name in ["bob.pem", "carol.pem"] {
        fs::copy(path(name), recipients.join(name))?;
    }
    let (key, certificate) = domain()?;
    fs::write(folder.join("p256.key"), key)?;
    fs::write(folder.join("p256.pem"), certificate)?;
    Ok(())
}

/// A P-256 key and its certificate for signatures of a.example, named as draft §2.6 has it, of the
/// root of `certs/`.
fn domain() -> Result<(String, String), Failure> {
    let root = KeyPair::from_pem(&fs::read_to_string(path("root.key"))?)?;
    let key = KeyPair::generate()?;
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = named(&[(DnType::CommonName, "domain-signing-authority")]);
    wanted.subject_alt_names = vec![
        SanType::URI("smtp://a.example".try_into()?),
        SanType::DnsName("a.example".try_into()?),
    ];
    wanted.is_ca = IsCa::ExplicitNoCa;
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = named(&[
        (DnType::OrganizationName, "domsec throw-away PKI"),
        (DnType::CommonName, "Root CA"),
    ]);
    let certificate = wanted.signed_by(&key, &Issuer::from_params(&issuer, &root))?;
    Ok((key.serialize_pem(), certificate.pem()))
}

fn named(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}
