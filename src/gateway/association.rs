//! Which certificates an association names (RFC 6698 §2.1, for SMIMEA as RFC 8162 reads it).
//!
//! Says only whether they match: what follows from it, for the path and for DNSSEC, is the usage's.

use sha2::Digest as _;
use sha2::Sha256;
use sha2::Sha512;

use super::search::Association;
use super::search::Matching;
use super::search::Selector;
use super::search::Usage;
use crate::x509::Certificate;

/// Why a record is of no use (RFC 6698 §4.1): others beside it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssociationError {
    /// A digest of another length than its matching type has.
    #[error(
        "its data are {octets} octets, where a digest of matching type {matching} has {expected}"
    )]
    Length {
        /// How many there are.
        octets: usize,
        /// The matching type.
        matching: u8,
        /// How many there must be.
        expected: usize,
    },
    /// The data are empty.
    #[error("it has no data")]
    NoData,
    /// A matching type that nobody has defined, or the private one.
    #[error("its matching type is {0}, where 0, 1 and 2 are known")]
    UnknownMatching(u8),
    /// The same of the selector.
    #[error("its selector is {0}, where 0 and 1 are known")]
    UnknownSelector(u8),
    /// The same of the usage.
    #[error("its certificate usage is {0}, where 0 to 3 are known")]
    UnknownUsage(u8),
}

impl Association {
    /// Reads the fields of a SMIMEA or TLSA record (RFC 6698 §2.1). `Err` where it is unusable.
    pub fn read(
        usage: u8,
        selector: u8,
        matching: u8,
        data: Vec<u8>,
    ) -> Result<Self, AssociationError> {
        let association = Self {
            usage: match usage {
                0 => Usage::CaConstraint,
                1 => Usage::ServiceCertificateConstraint,
                2 => Usage::TrustAnchorAssertion,
                3 => Usage::DomainIssuedCertificate,
                other => return Err(AssociationError::UnknownUsage(other)),
            },
            selector: match selector {
                0 => Selector::Full,
                1 => Selector::SubjectPublicKeyInfo,
                other => return Err(AssociationError::UnknownSelector(other)),
            },
            matching: match matching {
                0 => Matching::Exact,
                1 => Matching::Sha256,
                2 => Matching::Sha512,
                other => return Err(AssociationError::UnknownMatching(other)),
            },
            data,
        };
        let octets = association.data.len();
        let expected = match association.matching {
            Matching::Exact if octets == 0 => return Err(AssociationError::NoData),
            Matching::Exact => octets,
            Matching::Sha256 => 32,
            Matching::Sha512 => 64,
        };
        if octets == expected {
            Ok(association)
        } else {
            Err(AssociationError::Length {
                octets,
                matching,
                expected,
            })
        }
    }

    /// Whether it names this one certificate, by selector and matching type alone.
    #[must_use]
    pub fn matches(&self, certificate: &Certificate) -> bool {
        let selected = match self.selector {
            Selector::Full => certificate.der(),
            Selector::SubjectPublicKeyInfo => certificate.spki(),
        };
        match self.matching {
            Matching::Exact => self.data == selected,
            Matching::Sha256 => self.data == Sha256::digest(selected).as_slice(),
            Matching::Sha512 => self.data == Sha512::digest(selected).as_slice(),
        }
    }

    /// Whether it names the certificate of `path` that its usage is about (RFC 6698 §2.1.1): with 1 and 3 the first,
    /// which is the subject's; with 0 and 2 one of the others, which are of its issuers up to the anchor.
    ///
    /// `path` must have been validated: otherwise anybody can put a certificate at its end.
    #[must_use]
    pub fn matches_path(&self, path: &[Certificate]) -> bool {
        let Some((subject, issuers)) = path.split_first() else {
            return false;
        };
        if self.usage.is_about_the_subject() {
            self.matches(subject)
        } else {
            issuers.iter().any(|issuer| self.matches(issuer))
        }
    }
}

impl Usage {
    /// Whether the associated certificate is the subject's own, rather than that of a CA.
    #[must_use]
    pub const fn is_about_the_subject(self) -> bool {
        match self {
            Self::ServiceCertificateConstraint | Self::DomainIssuedCertificate => true,
            Self::CaConstraint | Self::TrustAnchorAssertion => false,
        }
    }

    /// Whether DNSSEC takes the place of a path to an anchor of ours (RFC 6698 §2.1.1).
    #[must_use]
    pub const fn replaces_anchors(self) -> bool {
        match self {
            Self::TrustAnchorAssertion | Self::DomainIssuedCertificate => true,
            Self::CaConstraint | Self::ServiceCertificateConstraint => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::x509::pem;

    fn certificate(pem: &[u8]) -> Certificate {
        let mut found = pem::certificates(pem, &Limits::default()).unwrap();
        found.remove(0)
    }

    fn alice() -> Certificate {
        certificate(include_bytes!("../../certs/alice.pem"))
    }

    fn bob() -> Certificate {
        certificate(include_bytes!("../../certs/bob.pem"))
    }

    /// The association data of RFC 6698 §2.1, by another way than the code's.
    fn data(certificate: &Certificate, selector: u8, matching: u8) -> Vec<u8> {
        let selected = [certificate.der(), certificate.spki()][usize::from(selector)];
        let digests = crate::crypto::provider().digests;
        let digest = |algorithm| {
            let mut digester = digests.start(algorithm).unwrap();
            digester.update(selected);
            digester.finish()
        };
        match matching {
            0 => selected.to_vec(),
            1 => digest(crate::crypto::DigestAlgorithm::Sha256),
            _ => digest(crate::crypto::DigestAlgorithm::Sha512),
        }
    }

    #[test]
    fn every_usage_selector_and_matching_type_names_its_certificate_and_no_other() {
        let (subject, issuer) = (alice(), bob());
        for usage in 0..=3 {
            for selector in 0..=1 {
                for matching in 0..=2 {
                    let of = |certificate| {
                        let data = data(certificate, selector, matching);
                        Association::read(usage, selector, matching, data).unwrap()
                    };
                    let (subjects, issuers) = (of(&subject), of(&issuer));
                    let row = format!("{usage} {selector} {matching}");
                    assert!(subjects.matches(&subject), "{row}");
                    assert!(!subjects.matches(&issuer), "{row}");
                    let path = [subject.clone(), issuer.clone()];
                    let is_subjects = matches!(usage, 1 | 3);
                    assert_eq!(subjects.matches_path(&path), is_subjects, "{row}");
                    assert_eq!(issuers.matches_path(&path), !is_subjects, "{row}");
                    assert!(!issuers.matches_path(&path[..1]), "{row}");
                    assert!(!subjects.matches_path(&[]), "{row}");
                }
            }
        }
    }

    #[test]
    fn the_data_of_one_selector_or_matching_type_are_not_those_of_another() {
        let subject = alice();
        for (selector, matching) in [(0, 1), (1, 1)] {
            let other = data(&subject, 1 - selector, matching);
            let association = Association::read(3, selector, matching, other).unwrap();
            assert!(!association.matches(&subject));
        }
    }

    #[test]
    fn unknown_numbers_and_digests_of_a_wrong_length_are_unusable() {
        let read = |usage, selector, matching, octets| {
            Association::read(usage, selector, matching, vec![7; octets]).unwrap_err()
        };
        assert_eq!(read(4, 0, 1, 32), AssociationError::UnknownUsage(4));
        assert_eq!(read(255, 0, 1, 32), AssociationError::UnknownUsage(255));
        assert_eq!(read(3, 2, 1, 32), AssociationError::UnknownSelector(2));
        assert_eq!(read(3, 0, 3, 32), AssociationError::UnknownMatching(3));
        assert_eq!(read(3, 0, 0, 0), AssociationError::NoData);
        for (matching, octets, expected) in [(1, 31, 32), (1, 64, 32), (2, 32, 64), (2, 0, 64)] {
            let wrong = AssociationError::Length {
                octets,
                matching,
                expected,
            };
            assert_eq!(read(3, 1, matching, octets), wrong);
        }
    }
}
