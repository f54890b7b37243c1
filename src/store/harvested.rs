//! What verified mail has taught of an address, as it is kept.

use crate::address::Mailbox;
use crate::gateway::learned::PathTo;
use crate::x509::Time;

/// What is known of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harvested {
    /// The address, in lower case where it is ASCII (RFC 8550 §3).
    pub mailbox: Mailbox,
    /// The certificate to encrypt to, and when its owner signed that.
    pub certificate: Option<Signed<PathTo>>,
    /// DER of SMIMECapabilities (RFC 8551 §2.5.2), and when their owner signed them.
    pub capabilities: Option<Signed<Vec<u8>>>,
    /// When a message of this author was last learned from.
    pub seen: Time,
}

/// What somebody has signed, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    /// It.
    pub value: T,
    /// When, by the signer's words; `None` where there are none, which is older than any.
    pub at: Option<Time>,
}

impl Harvested {
    /// Nothing of an address yet.
    #[must_use]
    pub const fn nothing_of(mailbox: Mailbox, seen: Time) -> Self {
        Self {
            mailbox,
            certificate: None,
            capabilities: None,
            seen,
        }
    }
}
