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
