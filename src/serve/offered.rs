//! One message that an MTA offers: decided, its other editions submitted, the answer made ready.
//!
//! Every way through [`Offered::reaction`] ends in an answer; what nobody foresaw is a temporary one,
//! with a line in the log that says what to do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::answer::Answer;
use super::answer::Means;
use super::disk::reading;
use super::failure::Failure;
use super::journal::Key;
use super::key::Offer;
use super::onward::Onward;
use super::onward::Sending;
use super::onward::SoFar;
use super::onward::trace;
use super::replace;
use super::replace::Original;
use super::replace::Replacement;
use super::site::Site;
use super::site::Unfinished;
use super::spool::Writer;
use super::submission::LAST_BEGUN;
use crate::address::Mailbox;
use crate::gateway::learned::Learned;
use crate::gateway::outcome::Edition;
use crate::gateway::outcome::Fate;
use crate::gateway::outcome::Outcome;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::gateway::transaction::is_of;
use crate::milter::session::Message;
use crate::milter::session::Recipient;
use crate::milter::session::Unacceptable;
use crate::octets::Octets;
use crate::octets::View;
use crate::policy::facts::Direction;
use crate::reply::Class;
use crate::reply::Reply;
use crate::telemetry::labels::Ending;
use crate::telemetry::labels::Front;
use crate::telemetry::labels::Limit;
use crate::telemetry::logging::Envelope;
use crate::telemetry::logging::Verdict;
use crate::telemetry::logging::chain;

/// How often our own Received field may stand in a message: a partner and a list may bring it back,
/// and each of them twice.
const PASSES: usize = 5;
/// After how many deferrals by something unforeseen a message is named in the log (DESIGN, "Outcome").
const FAILURES: u32 = 3;

/// One message, offered.
#[derive(Debug)]
pub struct Offered {
    /// What all connections share.
    pub site: Arc<Site>,
    /// The direction, where the listener fixes it.
    pub direction: Option<Direction>,
    /// What the MTA lets us do.
    pub means: Means,
    /// Whether white space after colons is sent as it is.
    pub spaced: bool,
    /// All of it but its octets.
    pub message: Message,
    /// Since when its client waits.
    pub begun: Instant,
    /// The key by which it is known again, once somebody has asked for it.
    pub key: OnceCell<Option<Key>>,
}

/// What is sent for a message.
#[derive(Debug)]
pub enum Reaction {
    /// A reply, and nothing goes out; with what the journal holds until the MTA has read it.
    Reply(Reply, Vec<Key>),
    /// It goes on, with these changes.
    Take(Box<Changes>),
}

/// How the message that the MTA has becomes the edition that stays with it.
#[derive(Debug)]
pub struct Changes {
    /// Header and body.
    pub replacement: Replacement,
    /// Recipients who leave this message, as the MTA named them.
    pub removed: Vec<Vec<u8>>,
    /// The sender as the MTA named it, where bounces must not return the content (DESIGN, decision 5).
    pub headers_only: Option<Vec<u8>>,
    /// What the journal holds until the MTA has read the answer.
    pub journal: Vec<Key>,
    /// What the message teaches once it is taken.
    pub learned: Learned,
}

impl Offered {
    /// Decides, submits what other recipients get, and returns the answer.
    pub async fn reaction(self, spooled: Option<io::Result<Writer>>) -> Reaction {
        if let Some(reason) = &self.message.unacceptable {
            return Reaction::reply(self.unacceptable(reason));
        }
        let octets = match spooled.map(|writer| writer.and_then(Writer::into_octets)) {
            Some(Ok(octets)) => octets,
            Some(Err(error)) => {
                self.site.metrics.limit_refused(Limit::Spool);
                return Reaction::reply(self.failed(&Failure::Spool(error), None));
            }
            // A header always comes before the end of a message: the session sees to it.
            None => return Reaction::reply(Reply::unavailable()),
        };
        let gateway = self.site.gateway();
        if let Some(reply) = self.looping(&gateway) {
            return Reaction::reply(reply);
        }
        let mut transaction = self.transaction(View::whole(octets));
        let known = match self.known(&gateway, &transaction).await {
            Ok(known) => known,
            Err(failure) => return Reaction::reply(self.failed(&failure, None)),
        };
        if let Some(key) = &known {
            transaction.waited = self.site.offers.waited(key, Instant::now());
        }
        Arc::new(self)
            .decided(gateway, Arc::new(transaction), known)
            .await
    }

    /// The same for a message that can be read; `known` is its key, where any message was deferred.
    async fn decided(
        self: Arc<Self>,
        gateway: Arc<Gateway>,
        transaction: Arc<Transaction>,
        known: Option<Key>,
    ) -> Reaction {
        let begun = Instant::now();
        let decided = self
            .site
            .decided(Arc::clone(&gateway), Arc::clone(&transaction));
        let mut outcome = match decided.await {
            Ok(outcome) => outcome,
            Err(unfinished) => {
                self.count_unfinished(&unfinished);
                return self
                    .deferred(&gateway, &transaction, &unfinished.into())
                    .await;
            }
        };
        self.refuse_too_large(&transaction, &mut outcome);
        self.tell(&transaction, &outcome, begun.elapsed());
        match self.carried_out(&gateway, &transaction, outcome).await {
            Ok(Reaction::Reply(reply, journal)) if reply.class() == Class::Temporary => {
                self.remember(&gateway, &transaction, false).await;
                Reaction::Reply(reply, journal)
            }
            Ok(reaction) => {
                if let Some(key) = known {
                    self.site.offers.answered(&key);
                }
                reaction
            }
            Err(failure) => self.deferred(&gateway, &transaction, &failure).await,
        }
    }

    fn transaction(&self, message: View) -> Transaction {
        let mut recipients: Vec<Mailbox> = Vec::new();
        for recipient in &self.message.recipients {
            if !recipients.contains(&recipient.mailbox) {
                recipients.push(recipient.mailbox.clone());
            }
        }
        Transaction {
            mail_from: self.message.sender.clone(),
            recipients,
            session: self.site.session(&self.message.client),
            direction: self.direction,
            message,
            waited: Duration::ZERO,
        }
    }

    /// The key of the message, where any was deferred: else nothing needs to be digested.
    async fn known(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
    ) -> Result<Option<Key>, Failure> {
        if self.site.offers.is_empty() {
            return Ok(None);
        }
        self.key(gateway, transaction).await
    }

    /// The key of the message; `None` where its header cannot be read.
    async fn key(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
    ) -> Result<Option<Key>, Failure> {
        let digested = async || {
            let offer = Offer {
                sender: self.message.sender.clone(),
                message: transaction.message.clone(),
                queue_id: self.message.queue_id.clone(),
            };
            let limits = gateway.limits;
            let octets = offer.message.len();
            reading(octets, move || offer.key(&limits)).await?
        };
        let key = self.key.get_or_try_init(digested).await;
        key.copied().map_err(Failure::Spool)
    }

    /// Whether the sender may be told of who is refused: it is one of ours, who has logged in. Anybody
    /// else may not have sent the message at all (RFC 3834 §2, RFC 5321 §6.2).
    fn reports(&self, gateway: &Gateway) -> bool {
        let is_ours = |sender: &Mailbox| is_of(sender, &gateway.domains);
        self.message.client.login.is_some() && self.message.sender.as_ref().is_some_and(is_ours)
    }

    async fn carried_out(
        self: &Arc<Self>,
        gateway: &Arc<Gateway>,
        transaction: &Arc<Transaction>,
        outcome: Outcome,
    ) -> Result<Reaction, Failure> {
        let means = Means {
            reports: self.reports(gateway),
            ..self.means
        };
        let taken = match Answer::of(outcome.shares, means).map_err(Failure::Means)? {
            Answer::Reply(reply) => return Ok(Reaction::reply(reply)),
            Answer::Take(taken) => *taken,
        };
        let replacement = self
            .replacement(gateway, transaction, &taken.edition)
            .await?;
        let mut journal = Vec::new();
        if !taken.others.is_empty() || !taken.refused.is_empty() {
            let Some(reinjection) = &self.site.settings.reinject else {
                return Err(Failure::Means("[reinject] to is not set"));
            };
            let key = self.key(gateway, transaction).await?;
            let alone = key.map(|key| self.site.offers.alone(key).ok_or(Failure::Twice));
            let _alone = alone.transpose()?;
            let sending = Sending {
                site: &self.site,
                gateway,
                message: &self.message,
                transaction,
                reinjection,
                key,
                reports: means.reports,
                begin_by: self.begun + LAST_BEGUN,
                so_far: SoFar::default(),
            };
            journal = match sending.submitted(&taken).await? {
                Onward::Done(journal) => journal,
                Onward::Refused(reply, journal) => return Ok(Reaction::Reply(reply, journal)),
            };
        }
        let is_removed = |recipient: &&Recipient| taken.removed.contains(&recipient.mailbox);
        let removed = self.message.recipients.iter().filter(is_removed);
        let bounces = taken.edition.decrypted && self.means.has_sender;
        Ok(Reaction::Take(Box::new(Changes {
            replacement,
            removed: removed.map(|recipient| recipient.given.clone()).collect(),
            headers_only: bounces.then(|| self.message.sender_given.clone()),
            journal,
            learned: outcome.learned,
        })))
    }

    async fn replacement(
        self: &Arc<Self>,
        gateway: &Gateway,
        transaction: &Arc<Transaction>,
        edition: &Edition,
    ) -> Result<Replacement, Failure> {
        if !edition.changed {
            return Ok(Replacement {
                header: Vec::new(),
                body: None,
            });
        }
        let (offered, transaction) = (Arc::clone(self), Arc::clone(transaction));
        let (edition, limits) = (edition.message.clone(), gateway.limits);
        let octets = edition.len() + transaction.message.len();
        let compared = reading(octets, move || {
            let original = Original {
                header: &offered.message.header,
                message: &transaction.message,
                spaced: offered.spaced,
            };
            replace::replacement(&original, &edition, &limits)
        });
        let compared = compared.await.map_err(Failure::Spool)?;
        compared.map_err(Failure::Compare)
    }

    /// Refuses who would get an edition that has grown beyond what the next hop takes: a bounce from
    /// there would come after our acceptance, and from a stranger's view from nowhere.
    fn refuse_too_large(&self, transaction: &Transaction, outcome: &mut Outcome) {
        let settings = &self.site.settings;
        let told = || settings.reinject.as_ref()?.takes.octets();
        let Some(limit) = settings.limits.edition_octets.or_else(told) else {
            return;
        };
        let came = transaction.message.len();
        for share in &mut outcome.shares {
            let grown = match &share.fate {
                Fate::Deliver(edition) if edition.changed => edition.message.len(),
                Fate::Deliver(_) | Fate::Defer(_) | Fate::Hold(_) | Fate::Refuse(_) => continue,
            };
            if grown > limit {
                let text = format!(
                    "message of {came} octets has {grown} when the gateway has done its work, more \
                     than the {limit} that the next server takes"
                );
                self.site.metrics.limit_refused(Limit::MessageSize);
                let key =
                    "[limits] edition_octets, or what the server of [reinject] to says of SIZE";
                tracing::warn!(id = self.message.id(), "{text} ({key})");
                share.reasons.push(text.clone());
                share.fate = Fate::Refuse(Reply::too_large(&text));
            }
        }
    }

    /// A message that has been here too often is refused.
    fn looping(&self, gateway: &Gateway) -> Option<Reply> {
        let ours = trace(gateway);
        let passes = self.message.header.iter().filter(|field| {
            field.name.eq_ignore_ascii_case(b"Received")
                && field.value.trim_ascii_start().starts_with(ours.as_bytes())
        });
        if passes.count() < PASSES {
            return None;
        }
        tracing::error!(
            id = self.message.id(),
            "the message has passed re-injection {PASSES} times: see that the server of [reinject] to \
             has no milter"
        );
        Some(Reply::looping())
    }

    fn unacceptable(&self, reason: &Unacceptable) -> Reply {
        let limits = &self.site.settings.limits;
        let (limit, reply) = match reason {
            Unacceptable::Address(address) => {
                let address = self.site.settings.logs_addresses.then_some(address);
                let failure = "the envelope has an address that cannot be read";
                tracing::warn!(id = self.message.id(), address, "{failure}");
                return Reply::unavailable();
            }
            Unacceptable::HeaderFields => (
                Limit::HeaderFields,
                Reply::too_large(&format!("more than {} header fields", limits.header_fields)),
            ),
            Unacceptable::HeaderOctets => (
                Limit::HeaderSize,
                Reply::too_large(&format!(
                    "header of more than {} octets",
                    limits.header_octets
                )),
            ),
            Unacceptable::Octets => (
                Limit::MessageSize,
                Reply::too_large(&format!(
                    "message of more than {} octets",
                    limits.message_octets
                )),
            ),
            Unacceptable::Recipients => (Limit::Recipients, Reply::too_many_recipients()),
        };
        self.site.metrics.limit_refused(limit);
        tracing::warn!(id = self.message.id(), %reply, "the message is over a limit of [limits]");
        reply
    }

    fn count_unfinished(&self, unfinished: &Unfinished) {
        match unfinished {
            Unfinished::Busy { .. } => self.site.metrics.limit_refused(Limit::Transactions),
            Unfinished::Late(_) => self.site.metrics.limit_refused(Limit::StageTime),
            Unfinished::Spool(_) => self.site.metrics.limit_refused(Limit::Spool),
            // The hook for panics counts them.
            Unfinished::Clock | Unfinished::Panic => {}
        }
    }

    /// Defers for something unforeseen, and names a message that is deferred so again and again.
    async fn deferred(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        failure: &Failure,
    ) -> Reaction {
        let failures = self.remember(gateway, transaction, true).await;
        Reaction::reply(self.failed(failure, failures))
    }

    fn failed(&self, failure: &Failure, failures: Option<u32>) -> Reply {
        let error = chain(failure);
        if failures.is_some_and(|failures| failures >= FAILURES) {
            self.site.metrics.deferred_repeatedly();
            tracing::error!(
                id = self.message.id(),
                failures,
                error,
                "the message is deferred again and again"
            );
        } else {
            tracing::warn!(id = self.message.id(), error, "the message is deferred");
        }
        Reply::unavailable()
    }

    async fn remember(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        unforeseen: bool,
    ) -> Option<u32> {
        let key = self.key(gateway, transaction).await.ok()??;
        Some(self.site.offers.deferred(key, Instant::now(), unforeseen))
    }

    /// The one line of the log, and the counters.
    fn tell(&self, transaction: &Transaction, outcome: &Outcome, elapsed: Duration) {
        let metrics = &self.site.metrics;
        metrics.message_decided(outcome);
        let ending = Ending::of(&outcome.shares);
        metrics.transaction_ended(Front::Milter, outcome.record.direction(), ending, elapsed);
        let mut verdict = Verdict::of(self.message.id(), Front::Milter, outcome, elapsed);
        if self.site.settings.logs_addresses {
            verdict.envelope = Some(Envelope {
                mail_from: transaction.mail_from.as_ref(),
                recipients: &transaction.recipients,
            });
        }
        verdict.log();
    }
}

impl Reaction {
    /// A reply for a message of which nothing was submitted.
    fn reply(reply: Reply) -> Self {
        Self::Reply(reply, Vec::new())
    }
}
