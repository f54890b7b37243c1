//! What the MTA hands over: one message, its envelope, and what is known of the session.
//!
//! Milter, proxy and `domsec process` make it; from here on nobody asks which of them it was.

use std::time::Duration;

use crate::address::Domain;
use crate::address::Mailbox;
use crate::octets::View;
use crate::policy::facts::Direction;
use crate::policy::facts::Session;

/// One message on its way.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// MAIL FROM; `None` is the null sender `<>`.
    pub mail_from: Option<Mailbox>,
    /// RCPT TO, in order, each address once.
    pub recipients: Vec<Mailbox>,
    /// What the MTA knows of who submits it.
    pub session: Session,
    /// The direction, where the listener fixes it.
    pub direction: Option<Direction>,
    /// The message as it came.
    pub message: View,
    /// How long ago it was first offered to us: how long `unavailable` has lasted already.
    pub waited: Duration,
}

impl Transaction {
    /// The direction for one recipient: whatever MAIL FROM or From claim, only a session in which
    /// somebody is `accountable` for what the client says makes a message ours.
    #[must_use]
    pub fn direction(&self, recipient: &Mailbox, ours: &[Domain], accountable: bool) -> Direction {
        if let Some(fixed) = self.direction {
            return fixed;
        }
        let is_ours = |mailbox: &Mailbox| is_of(mailbox, ours);
        // A null sender in such a session is a report of one of our own servers.
        let sender = self.mail_from.as_ref().is_none_or(is_ours);
        match (accountable && sender, is_ours(recipient)) {
            (false, _) => Direction::Inbound,
            (true, false) => Direction::Outbound,
            (true, true) => Direction::Internal,
        }
    }
}

/// Whether an address is in one of `domains`. What lies beneath one may be somebody else's: an
/// officer who wants it lists it.
#[must_use]
pub fn is_of(mailbox: &Mailbox, domains: &[Domain]) -> bool {
    domains.contains(mailbox.domain())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(mail_from: Option<&str>, direction: Option<Direction>) -> Transaction {
        Transaction {
            mail_from: mail_from.map(|address| address.parse().unwrap()),
            recipients: Vec::new(),
            session: Session::default(),
            direction,
            message: View::owned(Vec::new()),
            waited: Duration::ZERO,
        }
    }

    #[rustfmt::skip]
    #[test]
    fn only_an_accountable_session_makes_a_message_ours() {
        for (mail_from, accountable, recipient, want) in [
            (Some("a@a.example"), false, "b@b.example", Direction::Inbound),
            (Some("a@a.example"), true, "b@b.example", Direction::Outbound),
            (Some("a@a.example"), true, "c@a.example", Direction::Internal),
            (Some("x@b.example"), true, "c@a.example", Direction::Inbound),
            (None, true, "b@b.example", Direction::Outbound),
            (None, false, "c@a.example", Direction::Inbound),
            (Some("a@sub.a.example"), true, "b@b.example", Direction::Inbound),
        ] {
            let transaction = transaction(mail_from, None);
            let ours = ["a.example".parse().unwrap()];
            let recipient = recipient.parse().unwrap();
            let direction = transaction.direction(&recipient, &ours, accountable);
            assert_eq!(direction, want, "{mail_from:?} to {recipient}");
        }
    }

    #[test]
    fn a_listener_may_fix_the_direction() {
        let fixed = transaction(Some("x@elsewhere.example"), Some(Direction::Outbound));
        let recipient = "b@b.example".parse().unwrap();
        assert_eq!(fixed.direction(&recipient, &[], false), Direction::Outbound);
    }
}
