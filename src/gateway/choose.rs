//! To whom a message is encrypted for one recipient, and how (draft §4; DESIGN, decision 3).

use crate::cms::write_enveloped::Envelope;
use crate::cms::write_recipient::KeyEncryption;
use crate::cms::write_recipient::Recipient;
use crate::crypto::ContentEncryption;
use crate::crypto::CryptoError;
use crate::crypto::DigestAlgorithm;
use crate::crypto::OaepParameters;
use crate::crypto::RsaEncryption;
use crate::gateway::choice::Finding;
use crate::gateway::unmet::Unmet;
use crate::policy::profile::Profile;
use crate::policy::profile::RsaKeyEncryption;
use crate::policy::rule::EncryptTo;
use crate::policy::rule::Readers;
use crate::x509::Certificate;

/// What was found for one recipient.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Its own certificate.
    pub own: Finding,
    /// That of its domain's DCA.
    pub dca: Finding,
}

/// Who can read an encryption for one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadersFound {
    /// Their certificates.
    pub certificates: Vec<Certificate>,
    /// Whether one is the recipient's own: its RecipientInfo names the recipient.
    pub individual: bool,
}

impl Findings {
    /// What is asked for before anything is looked up: nothing is there.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            own: Finding::Absent,
            dca: Finding::Absent,
        }
    }

    /// The certificates to encrypt to as `wanted` says; which of the four answers there is instead.
    ///
    /// Without a good certificate of the recipient's own the DCA's takes its place, whatever the reason: the rule allows
    /// either to read, so neither is plaintext, and whoever keeps one answer away would else hold up all mail. A rule
    /// that wants the recipient alone says so ([`Readers::Recipient`]).
    pub fn readers(&self, wanted: EncryptTo) -> Result<ReadersFound, Unmet> {
        let individual = |certificate: &Certificate| ReadersFound {
            certificates: vec![certificate.clone()],
            individual: true,
        };
        let authority = |certificate: &Certificate| ReadersFound {
            certificates: vec![certificate.clone()],
            individual: false,
        };
        match (wanted.readers, &self.own, &self.dca) {
            (Readers::Recipient | Readers::RecipientElseDca, Finding::Found(own), _) => {
                Ok(individual(own))
            }
            (Readers::Dca | Readers::RecipientElseDca, _, Finding::Found(dca)) => {
                Ok(authority(dca))
            }
            (Readers::Both, Finding::Found(own), Finding::Found(dca)) => Ok(ReadersFound {
                certificates: vec![(**own).clone(), (**dca).clone()],
                individual: true,
            }),
            (Readers::Recipient, own, _) => Err(missing(&[("the recipient", own)])),
            (Readers::Dca, _, dca) => Err(missing(&[("the DCA", dca)])),
            (Readers::Both, own, dca) | (Readers::RecipientElseDca, own, dca) => {
                Err(missing(&[("the recipient", own), ("the DCA", dca)]))
            }
        }
    }
}

/// What is missing, the least certain first: what nobody knows is not absent, and what is invalid
/// is not absent either.
fn missing(findings: &[(&str, &Finding)]) -> Unmet {
    let mut unavailable = Vec::new();
    let mut invalid = Vec::new();
    let mut absent = Vec::new();
    let mut found = false;
    for (who, finding) in findings {
        match finding {
            Finding::Absent => absent.push(format!("{who} has published none")),
            Finding::Found(_) => found = true,
            Finding::Invalid(reasons) => invalid.push(reasons.join("; ")),
            Finding::Unavailable(reason) => unavailable.push(reason.clone()),
        }
    }
    match (unavailable.as_slice(), invalid.as_slice()) {
        // One is there and another is not: nobody has said that there is none.
        ([], []) if found => Unmet::CertificateMissing(absent.join(", and ")),
        ([], []) => Unmet::CertificateAbsent(absent.join(", and ")),
        ([], _) => Unmet::CertificateInvalid(invalid.join("; ")),
        _ => Unmet::CertificateUnavailable(unavailable.join("; ")),
    }
}

/// An envelope for `certificates`, in the algorithms of `profile` or else what every client reads
/// (DESIGN, decision 3). `originator` describes us.
///
/// Fails when a key is of a kind that nothing is encrypted to.
pub fn envelope(
    certificates: &[Certificate],
    profile: Option<&Profile>,
    originator: Option<&Certificate>,
) -> Result<Envelope, CryptoError> {
    let cipher = profile
        .and_then(|profile| profile.cipher)
        .unwrap_or(ContentEncryption::Aes256Cbc);
    let scheme = profile.and_then(|profile| profile.key_encryption);
    let mut recipients = Vec::with_capacity(certificates.len());
    for certificate in certificates {
        let default = KeyEncryption::for_key(certificate.spki(), cipher)?;
        let key_encryption = match (&default, scheme) {
            (KeyEncryption::KeyTransport(_), Some(RsaKeyEncryption::Oaep)) => {
                let parameters = OaepParameters::plain(DigestAlgorithm::Sha256);
                KeyEncryption::KeyTransport(RsaEncryption::Oaep(parameters))
            }
            _ => default,
        };
        recipients.push(Recipient {
            issuer: certificate.issuer().to_vec(),
            serial: certificate.serial().to_vec(),
            spki: certificate.spki().to_vec(),
            key_encryption,
        });
    }
    Ok(Envelope {
        originator_certificates: originator
            .map(|one| one.der().to_vec())
            .into_iter()
            .collect(),
        ..Envelope::new(cipher, recipients)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::x509::pem;

    fn found(file: &[u8]) -> Finding {
        let mut read = pem::certificates(file, &Limits::default()).unwrap();
        Finding::Found(Box::new(read.remove(0)))
    }

    fn wanted(readers: Readers) -> EncryptTo {
        EncryptTo {
            readers,
            own_dca: false,
        }
    }

    /// What is the matter with a certificate that is not found.
    fn others() -> [Finding; 3] {
        [
            Finding::Absent,
            Finding::Invalid(vec!["another key waits".to_owned()]),
            Finding::Unavailable("two sources name different keys".to_owned()),
        ]
    }

    #[test]
    fn the_dca_reads_for_a_recipient_without_a_good_certificate_whatever_the_reason() {
        let bob = || found(include_bytes!("../../certs/bob.pem"));
        let dca = || found(include_bytes!("../../certs/dca-b.pem"));
        let either = wanted(Readers::RecipientElseDca);
        for own in others() {
            let findings = Findings { own, dca: dca() };
            let readers = findings.readers(either).unwrap();
            assert!(!readers.individual, "{findings:?}");
            assert!(
                matches!(dca(), Finding::Found(one) if readers.certificates.first() == Some(&*one))
            );
            // Where the rule wants the recipient, nobody else will do.
            assert!(findings.readers(wanted(Readers::Recipient)).is_err());
            assert!(findings.readers(wanted(Readers::Both)).is_err());
        }
        for dca in others() {
            let readers = Findings { own: bob(), dca }.readers(either).unwrap();
            assert!(readers.individual);
        }
    }

    #[test]
    fn of_two_that_are_missing_the_less_certain_counts() {
        for (place, own) in others().into_iter().enumerate() {
            for (other, dca) in others().into_iter().enumerate() {
                let findings = Findings {
                    own: own.clone(),
                    dca,
                };
                let unmet = findings
                    .readers(wanted(Readers::RecipientElseDca))
                    .unwrap_err();
                let expected = match place.max(other) {
                    0 => matches!(unmet, Unmet::CertificateAbsent(_)),
                    1 => matches!(unmet, Unmet::CertificateInvalid(_)),
                    _ => matches!(unmet, Unmet::CertificateUnavailable(_)),
                };
                assert!(expected, "{findings:?}: {unmet:?}");
            }
        }
    }
}
