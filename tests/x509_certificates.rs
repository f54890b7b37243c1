//! What is read from certificates that the `openssl` command makes, and the identities over them.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod openssl_pki;

use std::sync::Arc;

use domsec::crypto::ContentEncryption;
use domsec::crypto::CryptoError;
use domsec::crypto::KeyName;
use domsec::crypto::Keys;
use domsec::crypto::Message;
use domsec::crypto::PrivateKey;
use domsec::crypto::RsaEncryption;
use domsec::crypto::Secret;
use domsec::crypto::SignatureAlgorithm;
use domsec::gateway::announced::Announced;
use domsec::gateway::choose::Reader;
use domsec::gateway::choose::Written;
use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::Identities;
use domsec::x509::Identity;
use domsec::x509::pem;
use domsec::x509::purpose::PurposeError;
use domsec::x509::purpose::may_receive_mail;
use domsec::x509::purpose::may_sign_mail;
use openssl_pki::CA;
use openssl_pki::Pki;
use openssl_pki::USER;

/// The public half of a key, which is all that is asked for here.
#[derive(Debug)]
struct PublicHalf(Vec<u8>);

impl PrivateKey for PublicHalf {
    fn spki(&self) -> &[u8] {
        &self.0
    }

    fn sign(&self, _: &SignatureAlgorithm, _: Message<'_>) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::Unsupported)
    }

    fn decrypt(&self, _: &RsaEncryption, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unsupported)
    }

    fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::Unsupported)
    }
}

fn key_of(certificate: &Certificate) -> Arc<dyn PrivateKey> {
    Arc::new(PublicHalf(certificate.spki().to_vec()))
}

#[test]
fn names_are_told_apart_by_where_they_stand() {
    let pki = Pki::new();
    let extensions = format!(
        "{USER}subjectAltName=@names\n[names]\nemail.1=u@a.example\nURI.1=smtp://a.example\n\
         DNS.1=mx.a.example\notherName.1=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:ü@a.example\n\
         IP.1=192.0.2.1\n"
    );
    pki.root("root", CA);
    let user = pki.issue_as(
        "root",
        "user",
        "/CN=u/emailAddress=s@a.example",
        &extensions,
    );
    let emails: Vec<&str> = user.emails().collect();
    assert_eq!(emails, ["u@a.example", "ü@a.example"]);
    assert_eq!(user.uris().collect::<Vec<_>>(), ["smtp://a.example"]);
    assert_eq!(user.dns_names().collect::<Vec<_>>(), ["mx.a.example"]);
    assert_eq!(user.subject_emails(), ["s@a.example"]);
    assert!(!user.is_self_issued());
}

#[test]
fn names_fingerprints_and_serial_numbers_print_as_openssl_prints_them() {
    let pki = Pki::new();
    let subject =
        "/C=DE/O=Übung, GmbH/OU=a+b\\/c <x>/CN=#J. \"Jim\" Smith /emailAddress=j@a.example";
    pki.root("root", CA);
    let user = pki.issue_as("root", "user", subject, USER);
    let arguments = "x509 -in user.pem -noout -subject -serial -sha256 -fingerprint \
                     -nameopt RFC2253,-esc_msb,utf8";
    let printed = pki.openssl(arguments);
    let mut lines = printed.lines();
    let expected = lines.next().unwrap().strip_prefix("subject=").unwrap();
    assert_eq!(user.subject_name(), expected);
    let serial = user.serial_hex().to_uppercase();
    assert_eq!(lines.next().unwrap(), format!("serial={serial}"));
    let fingerprint = lines.next().unwrap().split_once('=').unwrap().1;
    let fingerprint = fingerprint.replace(':', "").to_lowercase();
    assert_eq!(user.fingerprint(), fingerprint);
}

#[test]
fn what_a_key_may_do_for_mail_is_said_or_what_is_missing() {
    let pki = Pki::new();
    pki.root("root", CA);
    let cases = [
        ("", Ok(()), Ok(())),
        (
            "keyUsage=digitalSignature\n",
            Ok(()),
            Err(PurposeError::KeyAgreement),
        ),
        (
            "keyUsage=nonRepudiation\n",
            Ok(()),
            Err(PurposeError::KeyAgreement),
        ),
        (
            "keyUsage=keyAgreement\n",
            Err(PurposeError::Signature),
            Ok(()),
        ),
        (
            "keyUsage=keyEncipherment\n",
            Err(PurposeError::Signature),
            Err(PurposeError::KeyAgreement),
        ),
        (
            "extendedKeyUsage=serverAuth\n",
            Err(PurposeError::EmailProtection),
            Err(PurposeError::EmailProtection),
        ),
    ];
    for (extensions, sign, receive) in cases {
        let user = pki.issue(
            "root",
            "user",
            &format!("{extensions}subjectKeyIdentifier=hash\n"),
        );
        assert_eq!(may_sign_mail(&user), sign, "{extensions}");
        assert_eq!(may_receive_mail(&user), receive, "{extensions}");
    }
}

#[test]
fn a_trusted_certificate_is_read_without_its_trust() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    pki.openssl("x509 -in root.pem -addtrust emailProtection -out trusted.pem");
    let octets = std::fs::read(pki.path("trusted.pem")).unwrap();
    assert!(octets.starts_with(b"-----BEGIN TRUSTED CERTIFICATE-----"));
    assert_eq!(pki.certificate("trusted.pem"), root);
}

#[test]
fn a_file_may_hold_several_certificates_or_der() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let user = pki.issue("root", "user", USER);
    let read = |file: &[u8]| pem::certificates(file, &Limits::default()).unwrap();
    let mut file = b"# the user\n".to_vec();
    for part in ["user.key", "user.pem", "root.pem"] {
        file.extend(std::fs::read(pki.path(part)).unwrap());
    }
    assert_eq!(read(&file), [user.clone(), root.clone()]);
    assert_eq!(read(&[root.der(), user.der()].concat()), [root, user]);
}

#[test]
fn identities_are_found_by_either_name() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let user = pki.issue("root", "user", USER);
    let bare = pki.issue(
        "root",
        "bare",
        "keyUsage=keyAgreement\nsubjectKeyIdentifier=none\n",
    );
    assert_eq!(bare.subject_key_identifier(), None);
    let identity = |certificate: &Certificate| {
        Identity::new(certificate.clone(), vec![root.clone()], key_of(certificate)).unwrap()
    };
    let identities = Identities(vec![identity(&user), identity(&bare)]);
    let found = |name: KeyName<'_>| identities.find(name).map(|key| key.spki().to_vec());
    for certificate in [&user, &bare] {
        let by_serial = KeyName::IssuerAndSerialNumber(root.subject(), certificate.serial());
        assert_eq!(found(by_serial).as_deref(), Some(certificate.spki()));
        let identifier = certificate.key_identifier();
        assert_eq!(identifier.len(), 20);
        let by_key = KeyName::SubjectKeyIdentifier(&identifier);
        assert_eq!(found(by_key).as_deref(), Some(certificate.spki()));
    }
    let other = KeyName::IssuerAndSerialNumber(user.subject(), user.serial());
    assert_eq!(found(other), None);
    assert_eq!(found(KeyName::SubjectKeyIdentifier(&[])), None);
}

#[test]
fn the_computed_key_identifier_is_that_of_openssl() {
    let pki = Pki::new();
    let with = pki.root("root", CA);
    pki.write(
        "root.cnf",
        "basicConstraints=CA:TRUE\nsubjectKeyIdentifier=none\n",
    );
    let without = pki.sign("root", "-signkey root.key");
    assert_eq!(without.subject_key_identifier(), None);
    assert_eq!(
        Some(without.key_identifier().as_slice()),
        with.subject_key_identifier()
    );
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let user = pki.issue("root", "user", USER);
    let error = Identity::new(user.clone(), Vec::new(), key_of(&root)).unwrap_err();
    let expected = "private key is not that of the certificate of CN=user";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_a_certificate_says_of_its_subject_s_software_counts_until_that_signs_something_else() {
    let pki = Pki::new();
    pki.root("root", CA);
    let user = |name: &str, capabilities: &str| {
        let extensions = format!("{USER}1.2.840.113549.1.9.15={capabilities}\n");
        pki.issue("root", name, &extensions)
    };
    // A SEQUENCE of one SMIMECapability, aes256-GCM; and what is none.
    let gcm = user("gcm", "DER:30:0d:30:0b:06:09:60:86:48:01:65:03:04:01:2e");
    let broken = user("broken", "DER:30:0d:30:0b");
    assert!(may_sign_mail(&broken).is_ok());

    let of = |certificate: &Certificate, signed: Option<&Announced>| {
        let readers = [Reader::new(certificate, signed)];
        Written::of(&readers, None).cipher
    };
    assert_eq!(of(&gcm, None), ContentEncryption::Aes256Gcm);
    assert_eq!(of(&broken, None), ContentEncryption::Aes256Cbc);
    let cbc = [
        0x30, 13, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a,
    ];
    let signed = Announced::of(&cbc);
    assert!(signed.is_some());
    assert_eq!(of(&gcm, signed.as_ref()), ContentEncryption::Aes256Cbc);
}
