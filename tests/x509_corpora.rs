//! Certificates and CRLs that others made: all of them are read, or stand in a table that says why not.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod corpora_dir;

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use corpora_dir::corpora;
use domsec::crypto::provider;
use domsec::crypto::public_key::PublicKey;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::Crl;
use domsec::x509::PathRequest;
use domsec::x509::PathValidation;
use domsec::x509::SimplePaths;
use domsec::x509::Verdict;
use domsec::x509::path::InitialPolicies;
use domsec::x509::path::Purpose;
use domsec::x509::path::RevocationMode;
use domsec::x509::path::effective_spki;
use domsec::x509::pem;

/// Files that hold certificates, and what of them is not read.
const NOT_READ: &[(&str, &str)] = &[
    (
        "libksba-samples/tests/samples/authority.crt",
        "pathLenConstraint is -1, and RFC 5280 §4.2.1.9 has INTEGER (0..MAX); signed with MD2",
    ),
    (
        "openssl-smime/smime-certs/smdsap.pem",
        "holds DSA parameters and nothing else",
    ),
    (
        "openssl-smime/smime-certs/smrsa3-key.pem",
        "holds a private key and nothing else",
    ),
];

/// Folder, and the endings of the files in it (at any depth) that hold certificates.
const CERTIFICATES: &[(&str, &[&str])] = &[
    ("asn1crypto-cms", &["crt"]),
    ("bc-cms-pkix", &["crt"]),
    ("bc-rfc4134", &["cer"]),
    ("domsec-realworld", &["pem"]),
    ("libksba-samples", &["crt"]),
    ("openssl-smime", &["pem"]),
    ("pkits/certs", &["crt"]),
    ("pqc-lamps", &["crt"]),
    ("rfc9216", &["crt"]),
    ("thunderbird-smime/smime", &["pem"]),
];

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if ending.is_some_and(|ending| endings.contains(&ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Vec<Certificate> {
    let octets = std::fs::read(path).unwrap();
    pem::certificates(&octets, &Limits::default())
        .unwrap_or_else(|error| panic!("{}: {error} ({error:?})", path.display()))
}

#[test]
fn certificates_of_the_corpora_are_read() {
    let Some(corpora) = corpora() else { return };
    let limits = Limits::default();
    let mut count = 0;
    let mut wrong = Vec::new();
    for (folder, endings) in CERTIFICATES {
        for path in files(&corpora.join(folder), endings) {
            let name = path.strip_prefix(&corpora).unwrap().display().to_string();
            let octets = std::fs::read(&path).unwrap();
            let departs = NOT_READ.iter().any(|(departs, _)| name == *departs);
            match pem::certificates(&octets, &limits) {
                Ok(certificates) if !departs => count += certificates.len(),
                Ok(_) => wrong.push(format!("{name}: is read, unlike the table says")),
                Err(_) if departs => {}
                Err(error) => wrong.push(format!("{name}: {error} ({error:?})")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 480, "only {count} certificates were found");
}

#[test]
fn crls_of_the_corpora_are_read() {
    let Some(corpora) = corpora() else { return };
    let limits = Limits::default();
    let mut crls: Vec<Crl> = Vec::new();
    let mut paths = files(&corpora.join("pkits/crls"), &["crl"]);
    paths.extend(files(&corpora.join("bc-rfc4134"), &["crl"]));
    paths.extend(files(&corpora.join("libksba-samples"), &["crl"]));
    paths.push(corpora.join("libksba-samples/tests/samples/crl_testpki_testpca.der"));
    for path in paths {
        let octets = std::fs::read(&path).unwrap();
        match pem::crls(&octets, &limits) {
            Ok(found) => crls.extend(found),
            Err(error) => panic!("{}: {error} ({error:?})", path.display()),
        }
    }
    assert!(crls.len() > 175, "only {} CRLs were found", crls.len());
}

#[test]
fn a_real_gateways_certificate_names_its_domain_in_the_subject_alone() {
    let Some(corpora) = corpora() else { return };
    let certificates = read(&corpora.join("domsec-realworld/bc-multiEmailCert.pem"));
    let [certificate] = certificates.as_slice() else {
        panic!("{} certificates", certificates.len());
    };
    eprintln!(
        "{}\n{:?}",
        certificate.subject_name(),
        certificate.subject_emails()
    );
    assert_eq!(certificate.emails().count(), 0);
    assert_eq!(certificate.uris().count(), 0);
    assert_eq!(certificate.dns_names().count(), 0);
    assert_eq!(certificate.subject_emails().len(), 2);
    assert!(
        certificate
            .subject_emails()
            .iter()
            .all(|address| address.starts_with("domain-confidentiality-authority@"))
    );
}

/// A target with what leads to its anchor, and the moment at which that is valid.
struct Chain {
    anchor: &'static str,
    intermediates: &'static [&'static str],
    targets: &'static [&'static str],
    at: &'static str,
}

const CHAINS: &[Chain] = &[
    Chain {
        anchor: "rfc9216/01_3_1_RSA_Certification_Authority_Root_Certificate.crt",
        intermediates: &[
            "rfc9216/16_6_3_Ed25519_Certification_Authority_Cross_Signed_Certificate.crt",
        ],
        targets: &[
            "rfc9216/04_4_1_Alice_s_Signature_Verification_End_Entity_Certificate.crt",
            "rfc9216/06_4_3_Alice_s_Encryption_End_Entity_Certificate.crt",
            "rfc9216/09_5_1_Bob_s_Signature_Verification_End_Entity_Certificate.crt",
            "rfc9216/11_5_3_Bob_s_Encryption_End_Entity_Certificate.crt",
            "rfc9216/17_7_1_Carlos_s_Signature_Verification_End_Entity_Certificate.crt",
            "rfc9216/22_8_1_Dana_s_Signature_Verification_End_Entity_Certificate.crt",
        ],
        at: "2026-01-01T00:00:00Z",
    },
    Chain {
        anchor: "rfc9216/14_6_1_Ed25519_Certification_Authority_Root_Certificate.crt",
        intermediates: &["rfc9216/03_3_3_RSA_Certification_Authority_Cross_Signed_Certificate.crt"],
        targets: &[
            "rfc9216/04_4_1_Alice_s_Signature_Verification_End_Entity_Certificate.crt",
            "rfc9216/17_7_1_Carlos_s_Signature_Verification_End_Entity_Certificate.crt",
            "rfc9216/19_7_3_Carlos_s_Encryption_End_Entity_Certificate.crt",
            "rfc9216/22_8_1_Dana_s_Signature_Verification_End_Entity_Certificate.crt",
            "rfc9216/24_8_3_Dana_s_Encryption_End_Entity_Certificate.crt",
        ],
        at: "2026-01-01T00:00:00Z",
    },
    Chain {
        anchor: "bc-rfc4134/rfc4134/CarlRSASelf.cer",
        intermediates: &[],
        targets: &[
            "bc-rfc4134/rfc4134/AliceRSASignByCarl.cer",
            "bc-rfc4134/rfc4134/BobRSASignByCarl.cer",
            "bc-rfc4134/rfc4134/DianeRSASignByCarl.cer",
        ],
        at: "2003-04-10T00:00:00Z",
    },
    Chain {
        anchor: "bc-rfc4134/rfc4134/CarlDSSSelf.cer",
        intermediates: &[],
        targets: &[
            "bc-rfc4134/rfc4134/AliceDSSSignByCarlNoInherit.cer",
            "bc-rfc4134/rfc4134/DianeDSSSignByCarlInherit.cer",
        ],
        at: "2003-04-10T00:00:00Z",
    },
    Chain {
        anchor: "openssl-smime/smime-certs/smroot.pem",
        intermediates: &[],
        targets: &[
            "openssl-smime/smime-certs/smec1.pem",
            "openssl-smime/smime-certs/smdsa1.pem",
            "openssl-smime/smime-certs/smrsa1.pem",
        ],
        at: "2026-01-01T00:00:00Z",
    },
];

#[test]
fn chains_of_the_corpora_are_valid() {
    let Some(corpora) = corpora() else { return };
    let limits = Limits::default();
    let mut wrong = Vec::new();
    for chain in CHAINS {
        let anchors = read(&corpora.join(chain.anchor));
        let paths = SimplePaths::new(anchors, provider().verification, &limits);
        let intermediates: Vec<Certificate> = chain
            .intermediates
            .iter()
            .flat_map(|path| read(&corpora.join(path)))
            .collect();
        for target in chain.targets {
            let targets = read(&corpora.join(target));
            let outcome = paths.validate(
                &PathRequest {
                    target: &targets[0],
                    intermediates: &intermediates,
                    crls: &[],
                    at: chain.at.parse().unwrap(),
                    purpose: Purpose::Smime,
                    revocation: RevocationMode::Prefer,
                    policies: InitialPolicies::default(),
                },
                &mut Budget::new(&limits),
            );
            if outcome.verdict != Verdict::Valid {
                let error = outcome.error.unwrap();
                wrong.push(format!("{target}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn thunderbirds_rsa_users_are_valid_under_their_test_ca() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("thunderbird-smime/smime");
    let limits = Limits::default();
    let anchors = read(&folder.join("TestCA.pem"));
    let paths = SimplePaths::new(anchors, provider().verification, &limits);
    for name in ["Alice", "Bob", "Dave"] {
        let store = folder.join(format!("{name}.p12"));
        let output = Command::new("openssl")
            .args([
                "pkcs12", "-clcerts", "-nokeys", "-passin", "pass:nss", "-in",
            ])
            .arg(&store)
            .output()
            .expect("the openssl command is installed");
        let certificates = pem::certificates(&output.stdout, &limits).unwrap();
        let target = &certificates[0];
        let outcome = paths.validate(
            &PathRequest {
                target,
                intermediates: &certificates,
                crls: &[],
                at: "2026-06-01T00:00:00Z".parse().unwrap(),
                purpose: Purpose::Smime,
                revocation: RevocationMode::Prefer,
                policies: InitialPolicies::default(),
            },
            &mut Budget::new(&limits),
        );
        assert_eq!(
            outcome.verdict,
            Verdict::Valid,
            "{name}: {:?}",
            outcome.error
        );
        let addresses = target.emails().count() + target.subject_emails().len();
        assert!(addresses > 0, "{name}");
    }
}

#[test]
fn no_change_of_an_octet_makes_a_reader_panic() {
    let Some(corpora) = corpora() else { return };
    let limits = Limits::default();
    let folder = corpora.join("pkits");
    for file in [
        "certs/nameConstraintsDN1CACert.crt",
        "certs/Mapping1to2CACert.crt",
        "certs/ValidonlySomeReasonsTest19EE.crt",
        "crls/onlySomeReasonsCA3compromiseCRL.crl",
        "crls/indirectCRLCA5CRL.crl",
    ] {
        let good = std::fs::read(folder.join(file)).unwrap();
        for index in 0..good.len() {
            for value in [0x00, 0x01, 0x30, 0x7F, 0x80, 0xFF] {
                let mut changed = good.clone();
                changed[index] = value;
                let _ = Certificate::parse(&changed);
                let _ = Crl::parse(&changed, &limits);
            }
            assert!(Certificate::parse(&good[..index]).is_err());
            assert!(Crl::parse(&good[..index], &limits).is_err());
        }
    }
}

#[test]
fn a_dsa_key_without_parameters_inherits_its_issuers() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("bc-rfc4134/rfc4134");
    let diane = read(&folder.join("DianeDSSSignByCarlInherit.cer")).remove(0);
    let carl = read(&folder.join("CarlDSSSelf.cer")).remove(0);
    let parameters = |spki: &[u8]| {
        let PublicKey::Dsa(key) = PublicKey::decode(spki).unwrap() else {
            panic!("no DSA key");
        };
        key.parameters.map(|parameters| parameters.p.to_vec())
    };
    assert_eq!(parameters(diane.spki()), None);
    let inherited = effective_spki(&[diane.clone(), carl.clone()]);
    assert_eq!(parameters(&inherited), parameters(carl.spki()));
    assert!(parameters(&inherited).is_some());
    assert_eq!(effective_spki(std::slice::from_ref(&carl)), carl.spki());
}
