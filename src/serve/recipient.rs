//! RCPT, where something can be decided there (DESIGN, "Outcome"): one recipient is refused or deferred,
//! and the others go on.
//!
//! Whatever stands in the way of a decision is none: the message is decided when it is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout_at;

use super::journal::Key;
use super::site::Site;
use super::site::now;
use super::turns::Place;
use crate::crypto;
use crate::gateway::recipient::Early;
use crate::gateway::recipient::NotTaken;
use crate::gateway::recipient::Unnoted;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::milter::session::Message;
use crate::octets::View;
use crate::policy::facts::Direction;
use crate::reply::Class;
use crate::reply::Reply;

/// How long a recipient waits for its turn. Postfix waits 30 s for our answer (`milter_command_timeout`),
/// Sendmail 10 s where its filter's line says nothing else.
const TURN: Duration = Duration::from_secs(1);
/// How long certificates are searched for after that.
const SEARCH: Duration = Duration::from_secs(7);
/// And how long for what was found to be judged.
const JUDGEMENT: Duration = Duration::from_secs(1);
/// Recipients of whom it is noted at a time that a key waits: each keeps what was found, some ten thousand octets.
pub(super) const NOTINGS: usize = 256;

impl Site {
    /// Why the recipient of `message`, which has not arrived, is not taken: the answer to RCPT.
    /// `direction` is that of the listener.
    pub async fn at_recipient(
        &self,
        message: &Message,
        direction: Option<Direction>,
    ) -> Option<Reply> {
        let gateway = self.gateway();
        // The policy may be another one than that of the day when the MTA connected.
        if !gateway.decides_at_recipient() {
            return None;
        }
        let key = key(message)?;
        let transaction = Transaction {
            mail_from: message.sender.clone(),
            recipients: message
                .recipients
                .iter()
                .map(|recipient| recipient.mailbox.clone())
                .collect(),
            session: self.session(&message.client),
            direction,
            message: View::owned(Vec::new()),
            waited: self.recipient_offers.waited(&key, Instant::now()),
        };
        // What could not be decided says nothing of how long the recipient has waited.
        let early = self
            .decided_early(Arc::clone(&gateway), transaction)
            .await?;
        let not_taken = early.map(|early| {
            self.note(gateway, early.unnoted);
            early.not_taken
        });
        match &not_taken {
            Some(not_taken)
                if not_taken.may_come && not_taken.reply.class() == Class::Temporary =>
            {
                self.recipient_offers.deferred(key, Instant::now(), false);
            }
            Some(_) | None => self.recipient_offers.answered(&key),
        }
        let not_taken = not_taken?;
        self.tell_of(message, &not_taken);
        Some(not_taken.reply)
    }

    /// `None` where nothing could be decided in time.
    async fn decided_early(
        &self,
        gateway: Arc<Gateway>,
        transaction: Transaction,
    ) -> Option<Option<Early>> {
        let turn = self.recipient_turns.next(TURN).await?;
        let until = Instant::now() + SEARCH;
        let now = now()?;
        let work = async move {
            let patience = Box::pin(sleep_until(until));
            gateway.at_recipient(&transaction, now, patience).await
        };
        let mut work = tokio::spawn(turn.work(Place::Here, work));
        let Ok(early) = timeout_at(until + JUDGEMENT, &mut work).await else {
            work.abort();
            return None;
        };
        // A panic is told of by its hook.
        early.ok()
    }

    /// Has `unnoted` brought to the store, which may take its time, or be held up by a disk: RCPT is answered meanwhile.
    fn note(&self, gateway: Arc<Gateway>, unnoted: Unnoted) {
        if unnoted.is_empty() {
            return;
        }
        let Ok(place) = Arc::clone(&self.recipient_notings).try_acquire_owned() else {
            tracing::warn!(
                "the store takes too long, and that a key waits is not noted for now: it is with the recipient's next \
                 mail; see that the disk of [store] path is well"
            );
            return;
        };
        tokio::spawn(async move {
            if let Err(reason) = gateway.note(unnoted).await {
                tracing::warn!(
                    reason,
                    "that a key waits is not in the store, and cannot be approved yet: it is tried again with the \
                     recipient's next mail"
                );
            }
            drop(place);
        });
    }

    fn tell_of(&self, message: &Message, not_taken: &NotTaken) {
        self.metrics
            .recipient_not_taken(not_taken.direction, &not_taken.reply);
        let recipient = message.recipients.last();
        let recipient = recipient.filter(|_| self.settings.logs_addresses);
        tracing::info!(
            direction = not_taken.direction.as_str(),
            rule = not_taken.rule,
            reply = %not_taken.reply,
            reason = not_taken.reason,
            recipient = recipient.map(|recipient| recipient.mailbox.to_string()),
            "recipient not taken"
        );
    }
}

/// The key of a sender's mail to a recipient.
fn key(message: &Message) -> Option<Key> {
    let sender = message.sender.as_ref().map(ToString::to_string);
    let recipient = message.recipients.last()?.mailbox.to_string();
    let sender = sender.unwrap_or_default();
    let parts: [&[u8]; 3] = [sender.as_bytes(), b"\0", recipient.as_bytes()];
    crypto::sha256(crypto::provider().digests, &parts)
}
