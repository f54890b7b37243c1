//! The labels of metrics: closed sets of words, the same in the log, never what a peer wrote.

use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Share;
use crate::policy::facts::Direction;
use crate::policy::facts::LookupResult;
use crate::policy::facts::LookupSource;
use crate::policy::facts::MessageVerdict;

/// One label of a metric.
pub trait Label: Copy + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Every value that it can have.
    const ALL: &'static [Self];

    /// Its value, in metrics and in the log.
    fn as_str(self) -> &'static str;
}

/// Makes one enum that is a label: its name in metrics, then each variant with its word.
macro_rules! label {
    ($(#[$about:meta])* $label:ident $name:literal { $($(#[$what:meta])* $variant:ident $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $label { $($(#[$what])* $variant,)+ }

        impl Label for $label {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

label! {
    /// How a question was answered to which an answer might be kept.
    CacheResult "result" {
        /// From memory.
        Hit "hit",
        /// By a search that was under way.
        Joined "joined",
        /// By a search of its own.
        Miss "miss",
    }
}

label! {
    /// What happened to somebody's key.
    CertificateEvent "event" {
        /// Two sources name different keys.
        Conflict "conflict",
        /// A key without a certificate is another than that of the certificate that was chosen.
        Contradicted "contradicted",
        /// An address has another key, which is used from now on.
        KeyChanged "key-changed",
        /// An address has another key, which waits for an administrator.
        KeyPending "key-pending",
    }
}

label! {
    /// How a message came to us.
    Front "front" {
        /// By the milter protocol.
        Milter "milter",
        /// By SMTP, as a proxy.
        Proxy "proxy",
    }
}

label! {
    /// What became of a whole message.
    Ending "outcome" {
        /// Try again later, for every recipient.
        Defer "defer",
        /// It goes on, for every recipient.
        Deliver "deliver",
        /// It waits here, for every recipient.
        Hold "hold",
        /// Not the same for all recipients.
        Mixed "mixed",
        /// It is refused, for every recipient.
        Refuse "refuse",
    }
}

label! {
    /// What became of a message for one recipient.
    RecipientFate "fate" {
        /// Try again later.
        Defer "defer",
        /// It goes on.
        Deliver "deliver",
        /// It waits here.
        Hold "hold",
        /// It is refused.
        Refuse "refuse",
    }
}

label! {
    /// What was done to a message for one edition of it; the first that is true.
    Treatment "treatment" {
        /// An E was opened, and we put another one around it.
        Reencrypted "re-encrypted",
        /// We put an E around it.
        Encrypted "encrypted",
        /// An E was opened for it.
        Decrypted "decrypted",
        /// Signed, marked or peeled.
        Changed "changed",
        /// It goes on as it came.
        Unchanged "unchanged",
    }
}

label! {
    /// What is done with a layer.
    LayerOperation "operation" {
        /// An E is opened.
        Decrypt "decrypt",
        /// An E is made.
        Encrypt "encrypt",
    }
}

label! {
    /// What came of work on one layer.
    LayerResult "result" {
        /// It was done.
        Done "done",
        /// No key of ours opens it, or it is malformed; which of them is nobody's business.
        Failed "failed",
    }
}

label! {
    /// What a private key of ours is used for.
    KeyOperation "operation" {
        /// To agree on a secret.
        Agree "agree",
        /// To decrypt a content-encryption key.
        Decrypt "decrypt",
        /// To sign.
        Sign "sign",
    }
}

label! {
    /// What came of the use of a private key.
    KeyResult "result" {
        /// It was used.
        Done "done",
        /// What it was used on is not for it, or malformed.
        Failed "failed",
        /// The key store did not answer.
        Unavailable "unavailable",
    }
}

label! {
    /// What our keys are for, as in the configuration.
    KeyRole "role" {
        /// Additional attributes signatures.
        Attributes "attributes",
        /// Decryption for the domain.
        Dca "dca",
        /// Signatures of users, by the domain.
        Delegated "delegated",
        /// Domain signatures.
        Domain "domain",
        /// Review signatures.
        Reviewer "reviewer",
    }
}

label! {
    /// What came of reading the configuration again.
    ReloadResult "result" {
        /// The new one holds.
        Accepted "accepted",
        /// It has an error; the old one holds.
        Refused "refused",
    }
}

label! {
    /// A bound of the service on what peers may make it do.
    Limit "limit" {
        /// Connections at once.
        Connections "connections",
        /// Fields of a header.
        HeaderFields "header_fields",
        /// Octets of a header.
        HeaderSize "header_size",
        /// Octets of a message.
        MessageSize "message_size",
        /// Recipients of a message.
        Recipients "recipients",
        /// Octets of all messages that lie here.
        Spool "spool",
        /// Time for one stage of a transaction.
        StageTime "stage_time",
        /// Transactions at once.
        Transactions "transactions",
    }
}

label! {
    /// What the re-injection address said to an edition.
    SubmissionResult "result" {
        /// It took it.
        Accepted "accepted",
        /// It said: later; or was not there.
        Deferred "deferred",
        /// It said: never.
        Refused "refused",
        /// The connection broke after the message and before the answer.
        Unknown "unknown",
    }
}

impl Label for Direction {
    const NAME: &'static str = "direction";
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl Label for LookupResult {
    const NAME: &'static str = "result";
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl Label for LookupSource {
    const NAME: &'static str = "source";
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl Label for MessageVerdict {
    const NAME: &'static str = "verdict";
    const ALL: &'static [Self] = &[
        Self::Indeterminate,
        Self::Invalid,
        Self::Unsigned,
        Self::Valid,
    ];

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl<E> From<&Fate<E>> for RecipientFate {
    fn from(fate: &Fate<E>) -> Self {
        match fate {
            Fate::Defer(_) => Self::Defer,
            Fate::Deliver(_) => Self::Deliver,
            Fate::Hold(_) => Self::Hold,
            Fate::Refuse(_) => Self::Refuse,
        }
    }
}

impl Ending {
    /// What became of the message as a whole; the words of [`word`](crate::gateway::outcome::word).
    #[must_use]
    pub fn of<E>(shares: &[Share<E>]) -> Self {
        let mut fates = shares.iter().map(|share| RecipientFate::from(&share.fate));
        let first = fates.next().unwrap_or(RecipientFate::Refuse);
        match first {
            _ if fates.any(|fate| fate != first) => Self::Mixed,
            RecipientFate::Defer => Self::Defer,
            RecipientFate::Deliver => Self::Deliver,
            RecipientFate::Hold => Self::Hold,
            RecipientFate::Refuse => Self::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::outcome::word;

    fn share(fate: Fate<()>) -> Share<()> {
        Share {
            recipients: Vec::new(),
            rule: None,
            fate,
            reasons: Vec::new(),
            warnings: Vec::new(),
            encrypted_to: Vec::new(),
        }
    }

    #[test]
    fn the_ending_of_a_message_has_the_word_of_reports() {
        let hold = || share(Fate::Hold(String::new()));
        let deliver = || share(Fate::Deliver(()));
        for shares in [
            vec![],
            vec![hold()],
            vec![hold(), hold()],
            vec![deliver()],
            vec![deliver(), hold()],
        ] {
            assert_eq!(Ending::of(&shares).as_str(), word(&shares));
        }
    }

    #[test]
    fn a_fate_has_the_word_of_reports() {
        for fate in [Fate::Deliver(()), Fate::Hold(String::new())] {
            assert_eq!(RecipientFate::from(&fate).as_str(), fate.as_str());
        }
    }
}
