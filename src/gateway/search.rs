//! What a search for the certificates of one subject brought: what each source said, unjudged.
//!
//! Sources say what is published and how sure it is that the subject's owner published it; the choice is made by
//! [`Chooser`](crate::gateway::chooser::Chooser). Nothing here is a verdict.

use std::fmt;
use std::time::Duration;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::policy::facts::LookupResult;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Certificate;
use crate::x509::Time;

/// Whose certificate is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The Domain Confidentiality Authority of a domain (draft §4.1).
    Dca(&'a Domain),
    /// One recipient.
    Recipient(&'a Mailbox),
}

impl<'a> Subject<'a> {
    /// The domain whose servers are asked.
    #[must_use]
    pub fn domain(self) -> &'a Domain {
        match self {
            Self::Dca(domain) => domain,
            Self::Recipient(mailbox) => mailbox.domain(),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dca(domain) => write!(f, "the DCA of {domain}"),
            Self::Recipient(mailbox) => mailbox.fmt(f),
        }
    }
}

/// Whose certificate is wanted; a [`Subject`] that can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// The Domain Confidentiality Authority of a domain (draft §4.1).
    Dca(Domain),
    /// One recipient.
    Recipient(Mailbox),
}

impl Owner {
    /// The domain whose servers are asked.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        self.as_subject().domain()
    }

    /// The same, as what is known of its keys is kept: the case of a local part does not count there, as it does not in
    /// certificates (RFC 8550 §3). Else a key that was rejected for bob would be a first one for Bob.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::Dca(domain) => Self::Dca(domain.clone()),
            Self::Recipient(mailbox) => Self::Recipient(mailbox.folded()),
        }
    }

    /// The same, borrowed.
    #[must_use]
    pub const fn as_subject(&self) -> Subject<'_> {
        match self {
            Self::Dca(domain) => Subject::Dca(domain),
            Self::Recipient(mailbox) => Subject::Recipient(mailbox),
        }
    }
}

impl From<Subject<'_>> for Owner {
    fn from(subject: Subject<'_>) -> Self {
        match subject {
            Subject::Dca(domain) => Self::Dca(domain.clone()),
            Subject::Recipient(mailbox) => Self::Recipient(mailbox.clone()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_subject().fmt(f)
    }
}

/// Everything that is known and published for one subject.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What each source said, in the order of the policy; a source that does not cover the subject is not among them.
    pub asked: Vec<Asked>,
    /// The certificates that they found.
    pub candidates: Vec<Candidate>,
    /// What SMIMEA records demand of a certificate, wherever it is found; empty where there are none.
    pub associations: Vec<Association>,
    /// Keys without a certificate (GETK, PKEY), which confirm or contradict one.
    pub keys: Vec<BareKey>,
    /// What is remembered from before.
    pub known: Known,
    /// Why the whole search is worth nothing, where it is: not all was asked, or what is remembered cannot be read.
    pub failed: Option<String>,
    /// Whether the policy itself names the certificate: then nothing of it is noted, and another file is another policy.
    pub by_policy: bool,
}

impl Search {
    /// Nobody was heard, for this reason.
    #[must_use]
    pub fn unavailable(reason: String) -> Self {
        Self {
            failed: Some(reason),
            ..Self::default()
        }
    }

    /// The certificate that the policy names by file, which nobody is asked for.
    #[must_use]
    pub fn of_policy(certificate: &Certificate, now: Time) -> Self {
        let provenance = Provenance {
            source: LookupSource::Directory,
            authentication: Authentication::Local,
            seen: now,
        };
        let candidate = Candidate {
            certificate: certificate.clone(),
            chain: Vec::new(),
            provenance,
        };
        Self {
            candidates: vec![candidate],
            by_policy: true,
            ..Self::default()
        }
    }
}

/// What one source said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub source: LookupSource,
    /// Its answer.
    pub said: Said,
    /// Whether it is certain that the subject's owner gave that answer.
    pub authentic: bool,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether the answer is one that was kept.
    pub cached: bool,
}

/// Four different answers (DESIGN, "Four different things"), with the reason of each in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A definite "none published", and why it counts as that.
    Absent(String),
    /// It has some.
    Found,
    /// Something is published that is no certificate.
    Invalid(String),
    /// Nobody knows, and why.
    Unavailable(String),
}

impl Said {
    /// What it is without its reason.
    #[must_use]
    pub const fn result(&self) -> LookupResult {
        match self {
            Self::Absent(_) => LookupResult::Absent,
            Self::Found => LookupResult::Found,
            Self::Invalid(_) => LookupResult::Invalid,
            Self::Unavailable(_) => LookupResult::Unavailable,
        }
    }

    /// The reason, where one is given.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Found => None,
            Self::Absent(reason) | Self::Invalid(reason) | Self::Unavailable(reason) => {
                Some(reason)
            }
        }
    }
}

/// A certificate that a source found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It.
    pub certificate: Certificate,
    /// What came along: certificates that its path may lead through.
    pub chain: Vec<Certificate>,
    /// Where it is from.
    pub provenance: Provenance,
}

/// Where a certificate is from, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The source.
    pub source: LookupSource,
    /// What says that the subject's owner published it there.
    pub authentication: Authentication,
    /// When it was seen there.
    pub seen: Time,
}

/// What says that a certificate is its subject's, beside the certificate's own path: the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authentication {
    /// Nothing: anybody on the way could have put it there.
    None,
    /// TLS with a name that public authorities vouch for.
    PublicTls,
    /// A directory to which we are bound over TLS, and which the configuration names for the domain.
    Bind,
    /// TLS with a name that the anchors vouch for which are configured for the partner.
    PartnerTls,
    /// DNSSEC, from the record to the address.
    Dnssec,
    /// The administrator put it there.
    Local,
}

impl Authentication {
    /// Whether a certificate without a path to an anchor may be used on its word.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        match self {
            // An administrator who puts a certificate without a path into the directory pins it, if he means it.
            Self::None | Self::PublicTls | Self::Local => false,
            Self::Bind | Self::PartnerTls | Self::Dnssec => true,
        }
    }

    /// Its name in reports and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PublicTls => "public-tls",
            Self::Bind => "bind",
            Self::PartnerTls => "partner-tls",
            Self::Dnssec => "dnssec",
            Self::Local => "local",
        }
    }

    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::PublicTls,
        Self::Bind,
        Self::PartnerTls,
        Self::Dnssec,
        Self::Local,
    ];
}

/// One SMIMEA record whose DNSSEC state is "secure" (RFC 8162 §2, in the form of RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Association {
    /// What is associated.
    pub usage: Usage,
    /// What of it.
    pub selector: Selector,
    /// In which form.
    pub matching: Matching,
    /// The certificate association data.
    pub data: Vec<u8>,
}

/// Certificate usage (RFC 6698 §2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// 0: a CA on the path, which must lead to an anchor of ours as well.
    CaConstraint,
    /// 1: the certificate itself, whose path must lead to an anchor of ours as well.
    ServiceCertificateConstraint,
    /// 2: an anchor, in the place of ours.
    TrustAnchorAssertion,
    /// 3: the certificate itself, in the place of a path.
    DomainIssuedCertificate,
}

/// What of a certificate is associated (RFC 6698 §2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// 0: all of it.
    Full,
    /// 1: its SubjectPublicKeyInfo.
    SubjectPublicKeyInfo,
}

/// The form in which it is given (RFC 6698 §2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matching {
    /// 0: itself.
    Exact,
    /// 1: its SHA-256.
    Sha256,
    /// 2: its SHA-512.
    Sha512,
}

/// A key without a certificate: never encrypted to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BareKey {
    /// DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// Who gave it.
    pub source: LookupSource,
    /// What says that it is the subject's.
    pub authentication: Authentication,
}

/// What is remembered of a subject, from before this search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The certificate that an administrator has pinned: no other may be used.
    pub pinned: Option<Fingerprint>,
    /// What was encrypted to until now.
    pub in_use: Option<KeyInUse>,
    /// The certificate of that key, as it was kept: it is at hand when no source shows it any more.
    pub kept: Option<Box<Candidate>>,
    /// Certificates of other keys, which wait for an administrator.
    pub pending: Vec<Fingerprint>,
    /// Certificates that an administrator has rejected.
    pub rejected: Vec<Fingerprint>,
    /// Keys that he has rejected, in whatever certificate they come: SHA-256 of the SubjectPublicKeyInfo.
    pub rejected_keys: Vec<[u8; 32]>,
}

/// The key that was chosen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInUse {
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki: [u8; 32],
    /// The certificate's.
    pub fingerprint: Fingerprint,
    /// The certificate's issuer, DER Name.
    pub issuer: Vec<u8>,
}

impl KeyInUse {
    /// That of `certificate`.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        Self {
            spki: certificate.spki_sha256(),
            fingerprint: Fingerprint::of(certificate),
            issuer: certificate.issuer().to_vec(),
        }
    }
}
