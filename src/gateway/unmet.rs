//! Why a rule cannot be met for a recipient, and what the peer reads of it.
//!
//! The peer never reads names of keys or certificates, paths, or text of a library.

use crate::domsec::conditions::WhyNot;
use crate::domsec::layering::LayeringError;
use crate::gateway::roles::NoSigner;
use crate::gateway::seal::SealError;
use crate::policy::condition::ConditionError;
use crate::reply::Reply;

/// Why a rule cannot be met.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmet {
    /// There is none to encrypt to.
    #[error("no certificate to encrypt to: {0}")]
    CertificateAbsent(String),
    /// There are some, and none is good.
    #[error("no certificate can be encrypted to: {0}")]
    CertificateInvalid(String),
    /// One of those to encrypt to is there, and another is not.
    #[error("not all certificates to encrypt to are there: {0}")]
    CertificateMissing(String),
    /// One of those to encrypt to has announced that it does not read what the profile demands.
    #[error("a reader cannot read what the profile demands: {0}")]
    CannotRead(String),
    /// Nobody knows.
    #[error("it is not known whether there is a certificate to encrypt to: {0}")]
    CertificateUnavailable(String),
    /// The conditions before a domain or delegated signature do not hold (draft §3.3, §3.7).
    #[error("the message must not be signed for the domain: {0}")]
    Conditions(WhyNot),
    /// Draft §5 cannot be carried out.
    #[error("the layers cannot be signed: {0}")]
    Layering(LayeringError),
    /// A condition of the policy could not be evaluated.
    #[error("the policy could not be evaluated: {0}")]
    Condition(ConditionError),
    /// No key of ours signs.
    #[error(transparent)]
    NoSigner(NoSigner),
    /// What we opened is not its originator's, or nobody can tell.
    #[error(
        "what was encrypted to us holds no valid signature of its originator, and the rule demands one"
    )]
    NotReleased,
    /// The policy demands a review (draft §2.2).
    #[error("no valid review signature is there, and the rule lets only reviewed messages pass")]
    NotReviewed,
    /// The policy demands valid signatures; what they are instead.
    #[error("the signatures are {0}, and the rule demands valid ones")]
    NotVerified(&'static str),
    /// What was decided could not be carried out.
    #[error("the message could not be made: {0}")]
    Seal(String, SealBlame),
    /// All signatures fell away for want of a key, and nothing may be encrypted alone.
    #[error("without any signature the message would be encrypted alone")]
    Unsigned,
}

/// Whose fault it is that an edition could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealBlame {
    /// The message's: it will never be made.
    Message,
    /// Ours, or that of something we need: the same message may be made later.
    Ours,
}

impl From<&SealError> for SealBlame {
    fn from(error: &SealError) -> Self {
        match error {
            SealError::Compose(_) | SealError::Mime(_) | SealError::NotInTransitForm { .. } => {
                Self::Message
            }
            SealError::Encrypt(_)
            | SealError::NoSuchLayer(_)
            | SealError::Randomness(_)
            | SealError::Sign(_)
            | SealError::Write(_) => Self::Ours,
        }
    }
}

impl Unmet {
    /// Whether all that is missing is an answer: the same message may do later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::CertificateUnavailable(_)
            | Self::Condition(_)
            | Self::Conditions(WhyNot::Unknown(_))
            | Self::Layering(LayeringError::MlUnknown { .. })
            // Our certificate has expired or is misnamed: our own fault.
            | Self::NoSigner(NoSigner::Unusable { .. })
            | Self::Seal(_, SealBlame::Ours) => true,
            Self::CannotRead(_)
            | Self::CertificateAbsent(_)
            | Self::CertificateInvalid(_)
            | Self::CertificateMissing(_)
            | Self::Conditions(_)
            | Self::Layering(_)
            | Self::NoSigner(_)
            | Self::NotReleased
            | Self::NotReviewed
            | Self::NotVerified(_)
            | Self::Seal(_, SealBlame::Message)
            | Self::Unsigned => false,
        }
    }

    /// The one place where a rule that cannot be met becomes what the peer reads: the detail of
    /// RFC 3463 §3.8, and a text.
    const fn told(&self) -> (u16, &'static str) {
        match self {
            // X.7.6: an algorithm that is needed is not supported.
            Self::CannotRead(_) => (
                6,
                "policy demands an encryption that the recipient's software does not announce",
            ),
            // X.7.5: information needed to secure the message, such as a key, is not available.
            Self::CertificateAbsent(_) => (
                5,
                "policy demands encryption, and the recipient has no certificate",
            ),
            Self::CertificateInvalid(_) => (
                5,
                "policy demands encryption, and no certificate of the recipient is valid",
            ),
            Self::CertificateMissing(_) => (
                5,
                "policy demands encryption to several, and one has no certificate",
            ),
            Self::CertificateUnavailable(_) => {
                (5, "the recipient's certificate cannot be looked up now")
            }
            Self::Condition(_) => (0, "policy cannot be evaluated now"),
            Self::Conditions(why) => told_of_conditions(why),
            Self::Layering(LayeringError::Closed { .. }) => (
                5,
                "the message is encrypted, so that it cannot be checked and signed",
            ),
            Self::Layering(LayeringError::Layers(_)) => (3, "the message has too many layers"),
            Self::Layering(LayeringError::Originator | LayeringError::Unproven(_)) => {
                (0, "the message cannot be signed here")
            }
            // X.7.7: the integrity of the message is in doubt.
            Self::Layering(_) => (
                7,
                "the signatures of a mailing list in the message are not valid",
            ),
            Self::NoSigner(NoSigner::Unusable { .. }) => (0, "the message cannot be signed now"),
            Self::NoSigner(_) | Self::Unsigned => {
                (5, "policy demands a signature, and there is no key for it")
            }
            // The same as where it cannot be opened: which it is, is for the log alone.
            Self::NotReleased => told_of_conditions(&WhyNot::Closed),
            Self::NotReviewed => (1, "only reviewed messages may pass"),
            Self::NotVerified(_) => (7, "policy demands a valid signature"),
            // X.7.3: the conversion that is required is not possible.
            Self::Seal(_, SealBlame::Message) => {
                (3, "the message cannot be signed or encrypted as it is")
            }
            Self::Seal(_, SealBlame::Ours) => (0, "the message cannot be secured now"),
        }
    }

    /// The permanent refusal.
    #[must_use]
    pub fn refusal(&self) -> Reply {
        let (detail, text) = self.told();
        Reply::refused(detail, text)
    }

    /// The temporary one.
    #[must_use]
    pub fn deferral(&self) -> Reply {
        let (detail, text) = self.told();
        Reply::deferred(detail, text)
    }
}

const fn told_of_conditions(why: &WhyNot) -> (u16, &'static str) {
    match why {
        WhyNot::AmbiguousFrom(_) => (1, "readers would differ about who From is"),
        WhyNot::Closed | WhyNot::ClosedPart => (
            5,
            "the message is encrypted, so that it cannot be checked and signed",
        ),
        WhyNot::Invalid(_) => (7, "a signature in the message is not valid"),
        WhyNot::NoFrom => (1, "the message has no From"),
        WhyNot::NotAllowed { .. } => (1, "you may not use this From address"),
        WhyNot::NotAuthenticated(_) => (1, "the sender is not authenticated"),
        WhyNot::Unknown(_) => (7, "a signature in the message cannot be checked now"),
    }
}
