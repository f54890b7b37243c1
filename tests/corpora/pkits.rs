//! NIST's PKITS: its 224 signed mails. Their paths, with CRLs, are for the full path validation.
//!
//! What is asked here is the mail: it is one signed layer, and the signature is that of the key in
//! the certificate, whatever is wrong with that certificate's path.

use serde_json::json;

use super::command::verify;
use super::folder::Folder;
use super::rows::Rows;

#[test]
fn every_mail_is_signed_by_the_key_of_its_certificate() {
    let Some(folder) = Folder::of("pkits/smime") else {
        return;
    };
    // One key inherits its parameters from its issuer's, which only the path knows (RFC 3279 §2.3.2).
    let certificates = Folder::of("pkits/certs").expect("the corpora are there");
    let anchor = certificates.file("TrustAnchorRootCertificate.crt");
    let names = folder.names(|name| name.ends_with(".eml"));
    assert_eq!(names.len(), 224);
    let mut rows = Rows::default();
    for name in names {
        let wanted = json!({
            "layers": "S(C)", "covers": "whole", "signatures": [{"signature": "valid"}],
        });
        let report = verify(
            &["--at", "2011-06-01T00:00:00Z", "--anchor", &anchor],
            &folder.file(&name),
        );
        rows.report(name, report, &wanted);
    }
    rows.settle(&[]);
}
