//! A gateway's certificate as it is in use: RFC 3183's old name, in the subject alone, without SAN.
//!
//! Its key is not here, so that the rule is asked, not a message.

use domsec::domsec::naming::Names;
use domsec::domsec::naming::NamingError;
use domsec::limits::Limits;
use domsec::notation::SignatureType;
use domsec::x509::pem;

use super::folder::Folder;

#[test]
fn a_gateways_old_certificate_names_no_domain() {
    let Some(folder) = Folder::of("domsec-realworld") else {
        return;
    };
    let octets = folder.read("bc-multiEmailCert.pem");
    let certificates = pem::certificates(&octets, &Limits::default()).unwrap();
    let [certificate] = certificates.as_slice() else {
        panic!("{} certificates", certificates.len())
    };
    // Once with a trailing blank, as it stands in the certificate.
    assert_eq!(
        certificate.subject_emails(),
        [
            "domain-confidentiality-authority@bekb.ch ",
            "domain-confidentiality-authority@family-net.ch"
        ],
    );
    let names = Names::of(certificate);
    for from in [
        "anybody@bekb.ch",
        "anybody@family-net.ch",
        "domain-confidentiality-authority@bekb.ch",
    ] {
        let from = [from.parse().unwrap()];
        let error = names.check_domain(&from).unwrap_err();
        assert_eq!(error, NamingError::NoDomain);
        assert!(error.to_string().contains("names no domain"), "{error}");
        assert!(names.check_address(&from).is_err());
        assert!(names.check_delegated(&from).is_err());
    }
    assert_eq!(
        names.check_agent(SignatureType::Review),
        Err(NamingError::NoDomain)
    );
}
