//! One message that an MTA offers: decided, its other editions submitted, the answer made ready.
//!
//! Every way through [`Offered::reaction`] ends in an answer; what nobody foresaw is a temporary one,
//! with a line in the log that says what to do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::answer::Answer;
use super::answer::Means;
use super::answer::Taken;
use super::journal::Key;
use super::replace;
use super::replace::Original;
use super::replace::Replacement;
use super::site::Site;
use super::site::Unfinished;
use super::site::journal_key;
use super::site::offer_key;
use super::site::seconds_now;
use super::spool::Writer;
use super::submission;
use crate::address::Mailbox;
use crate::gateway::outcome::Edition;
use crate::gateway::outcome::Outcome;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::milter::session::Message;
use crate::milter::session::Recipient;
use crate::milter::session::Unacceptable;
use crate::mime::header::Header;
use crate::octets::View;
use crate::policy::facts::Direction;
use crate::policy::facts::Session as SmtpSession;
use crate::reply::Class;
use crate::reply::Reply;
use crate::smtp::Content;
use crate::smtp::Recipient as SubmissionRecipient;
use crate::smtp::Return;
use crate::smtp::Submission;
use crate::smtp::SubmissionError;
use crate::telemetry::labels::Ending;
use crate::telemetry::labels::Front;
use crate::telemetry::labels::Limit;
use crate::telemetry::labels::SubmissionResult;
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
}

/// What is sent for a message.
#[derive(Debug)]
pub enum Reaction {
    /// A reply, and nothing goes out.
    Reply(Reply),
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
}

/// What went wrong: each defers the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum Failure {
    /// The edition or the message is not what it was.
    #[error("an edition could not be compared with the message")]
    Compare(#[source] crate::mime::MimeError),
    /// An edition cannot be sent by SMTP.
    #[error("an edition cannot be submitted")]
    Content(#[source] crate::smtp::submission::ContentError),
    /// The journal could not be written.
    #[error(
        "the journal could not be written: see that its disk is not full, and its directory ours"
    )]
    Journal(#[source] io::Error),
    /// Something is missing in the configuration or in the MTA.
    #[error("{0}")]
    Means(&'static str),
    /// The message could not be stored.
    #[error(
        "the message could not be stored: see that the disk of [spool] directory is not full, and that it is ours"
    )]
    Spool(#[source] io::Error),
    /// An edition was not accepted.
    #[error("an edition was not accepted for re-injection ([reinject] to)")]
    Submission(#[source] SubmissionError),
    /// There is no outcome.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

impl Offered {
    /// Decides, submits what other recipients get, and returns the answer.
    pub async fn reaction(self, spooled: Option<io::Result<Writer>>) -> Reaction {
        if let Some(reason) = &self.message.unacceptable {
            return Reaction::Reply(self.unacceptable(reason));
        }
        let octets = match spooled.map(|writer| writer.and_then(Writer::into_octets)) {
            Some(Ok(octets)) => octets,
            Some(Err(error)) => {
                self.site.metrics.limit_refused(Limit::Spool);
                return Reaction::Reply(self.failed(&Failure::Spool(error), None));
            }
            // A header always comes before the end of a message: the session sees to it.
            None => return Reaction::Reply(Reply::unavailable()),
        };
        let gateway = self.site.gateway();
        let view = View::whole(octets);
        if let Some(reply) = self.looping(&gateway, &view) {
            return Reaction::Reply(reply);
        }
        let mut transaction = self.transaction(view);
        let key = match self.known(&gateway, &mut transaction) {
            Ok(key) => key,
            Err(failure) => return Reaction::Reply(self.failed(&failure, None)),
        };
        let transaction = Arc::new(transaction);
        let begun = Instant::now();
        let decided = self
            .site
            .decided(Arc::clone(&gateway), Arc::clone(&transaction));
        let outcome = match decided.await {
            Ok(outcome) => outcome,
            Err(unfinished) => {
                self.count_unfinished(&unfinished);
                return self.deferred(&gateway, &transaction, &unfinished.into());
            }
        };
        self.tell(&transaction, &outcome, begun.elapsed());
        match self.carried_out(&gateway, &transaction, outcome).await {
            Ok(Reaction::Reply(reply)) if reply.class() == Class::Temporary => {
                self.remember(&gateway, &transaction, false);
                Reaction::Reply(reply)
            }
            Ok(reaction) => {
                if let Some(key) = key {
                    self.site.offers.answered(&key);
                }
                reaction
            }
            Err(failure) => self.deferred(&gateway, &transaction, &failure),
        }
    }

    fn transaction(&self, message: View) -> Transaction {
        let client = &self.message.client;
        let mut recipients: Vec<Mailbox> = Vec::new();
        for recipient in &self.message.recipients {
            if !recipients.contains(&recipient.mailbox) {
                recipients.push(recipient.mailbox.clone());
            }
        }
        Transaction {
            mail_from: self.message.sender.clone(),
            recipients,
            session: SmtpSession {
                login: client.login.clone(),
                trusted: self.site.trusts(client.address),
                tls: client.tls,
                tls_subject: client.tls_subject.clone(),
                client_ip: client.address,
                helo: client.helo.clone(),
            },
            direction: self.direction,
            message,
            waited: Duration::ZERO,
        }
    }

    /// Sets how long the message has waited, where any has: else nothing needs to be digested.
    fn known(
        &self,
        gateway: &Gateway,
        transaction: &mut Transaction,
    ) -> Result<Option<Key>, Failure> {
        if self.site.offers.is_empty() {
            return Ok(None);
        }
        let key = offer_key(transaction, &gateway.limits).map_err(Failure::Spool)?;
        if let Some(key) = &key {
            transaction.waited = self.site.offers.waited(key, Instant::now());
        }
        Ok(key)
    }

    async fn carried_out(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        outcome: Outcome,
    ) -> Result<Reaction, Failure> {
        let taken = match Answer::of(outcome.shares, self.means).map_err(Failure::Means)? {
            Answer::Reply(reply) => return Ok(Reaction::Reply(reply)),
            Answer::Take(taken) => taken,
        };
        let replacement = self.replacement(gateway, transaction, &taken.edition)?;
        let journal = self.submitted(gateway, transaction, &taken).await?;
        let is_removed = |recipient: &&Recipient| taken.removed.contains(&recipient.mailbox);
        let removed = self.message.recipients.iter().filter(is_removed);
        let bounces = taken.edition.decrypted && self.means.has_sender;
        Ok(Reaction::Take(Box::new(Changes {
            replacement,
            removed: removed.map(|recipient| recipient.given.clone()).collect(),
            headers_only: bounces.then(|| self.message.sender_given.clone()),
            journal,
        })))
    }

    fn replacement(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        edition: &Edition,
    ) -> Result<Replacement, Failure> {
        if !edition.changed {
            return Ok(Replacement {
                header: Vec::new(),
                body: None,
            });
        }
        let original = Original {
            header: &self.message.header,
            message: &transaction.message,
            spaced: self.spaced,
        };
        replace::replacement(&original, &edition.message, &gateway.limits).map_err(Failure::Compare)
    }

    /// Submits what other recipients get, but for what an earlier attempt has submitted. Returns what
    /// the journal holds of this message.
    async fn submitted(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        taken: &Taken,
    ) -> Result<Vec<Key>, Failure> {
        if taken.others.is_empty() {
            return Ok(Vec::new());
        }
        let Some(reinjection) = &self.site.settings.reinject else {
            return Err(Failure::Means("[reinject] to is not set"));
        };
        let offer = offer_key(transaction, &gateway.limits).map_err(Failure::Spool)?;
        let key = |mailbox: &Mailbox| journal_key(offer.as_ref()?, &mailbox.to_string());
        let mut journal = Vec::new();
        for (recipients, edition) in &taken.others {
            let keys: Vec<Key> = recipients.iter().filter_map(key).collect();
            let due: Vec<&Mailbox> = recipients
                .iter()
                .filter(|mailbox| {
                    !key(mailbox).is_some_and(|key| reinjection.journal.holds(&key, seconds_now()))
                })
                .collect();
            journal.extend_from_slice(&keys);
            if due.is_empty() {
                continue;
            }
            let submission = self.submission(gateway, &due, edition)?;
            let submitted =
                submission::submit(&reinjection.target, &submission, &reinjection.settings).await;
            self.site.metrics.submitted(result(&submitted));
            submitted.map_err(Failure::Submission)?;
            let site = Arc::clone(&self.site);
            let entered = blocking(move || match &site.settings.reinject {
                Some(reinjection) => reinjection.journal.enter(&keys, seconds_now()),
                None => Ok(()),
            });
            entered.await.map_err(Failure::Journal)?;
        }
        Ok(journal)
    }

    fn submission(
        &self,
        gateway: &Gateway,
        due: &[&Mailbox],
        edition: &Edition,
    ) -> Result<Submission, Failure> {
        let view = traced(gateway, &edition.message);
        let parameter = |parameters: &[String], name: &str| {
            parameters.iter().find_map(|parameter| {
                let (own, value) = parameter.split_once('=')?;
                own.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let recipient = |mailbox: &&Mailbox| {
            let given = self.message.recipients.iter();
            let given = given.into_iter().find(|one| one.mailbox == **mailbox);
            let parameters = given.map_or(&[][..], |one| &one.parameters);
            SubmissionRecipient {
                mailbox: (*mailbox).clone(),
                notify: parameter(parameters, "NOTIFY").and_then(|text| text.parse().ok()),
                original: parameter(parameters, "ORCPT").and_then(|text| text.parse().ok()),
            }
        };
        let parameters = &self.message.parameters;
        let returns = if edition.decrypted {
            Some(Return::HeadersRequired)
        } else {
            match parameter(parameters, "RET").as_deref() {
                Some("FULL") => Some(Return::Full),
                Some("HDRS") => Some(Return::Headers),
                _ => None,
            }
        };
        Ok(Submission {
            sender: self.message.sender.clone(),
            recipients: due.iter().map(recipient).collect(),
            content: Content::of(view).map_err(Failure::Content)?,
            returns,
            envelope_id: parameter(parameters, "ENVID").and_then(|text| text.parse().ok()),
        })
    }

    /// A message that has been here too often is refused.
    fn looping(&self, gateway: &Gateway, message: &View) -> Option<Reply> {
        let (header, _) = Header::parse(message, &gateway.limits).ok()?;
        let ours = trace(gateway);
        let passes = header
            .all("Received")
            .filter(|field| field.value().starts_with(ours.as_bytes()));
        if passes.count() < PASSES {
            return None;
        }
        tracing::error!(
            id = self.id(),
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
                tracing::warn!(id = self.id(), address, "{failure}");
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
        tracing::warn!(id = self.id(), %reply, "the message is over a limit of [limits]");
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
    fn deferred(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        failure: &Failure,
    ) -> Reaction {
        let failures = self.remember(gateway, transaction, true);
        Reaction::Reply(self.failed(failure, failures))
    }

    fn failed(&self, failure: &Failure, failures: Option<u32>) -> Reply {
        let error = chain(failure);
        if failures.is_some_and(|failures| failures >= FAILURES) {
            self.site.metrics.deferred_repeatedly();
            tracing::error!(
                id = self.id(),
                failures,
                error,
                "the message is deferred again and again"
            );
        } else {
            tracing::warn!(id = self.id(), error, "the message is deferred");
        }
        Reply::unavailable()
    }

    fn remember(
        &self,
        gateway: &Gateway,
        transaction: &Transaction,
        unforeseen: bool,
    ) -> Option<u32> {
        let key = offer_key(transaction, &gateway.limits).ok()??;
        Some(self.site.offers.deferred(key, Instant::now(), unforeseen))
    }

    /// The one line of the log, and the counters.
    fn tell(&self, transaction: &Transaction, outcome: &Outcome, elapsed: Duration) {
        let metrics = &self.site.metrics;
        metrics.message_decided(outcome);
        let ending = Ending::of(&outcome.shares);
        metrics.transaction_ended(Front::Milter, outcome.record.direction(), ending, elapsed);
        let mut verdict = Verdict::of(self.id(), Front::Milter, outcome, elapsed);
        if self.site.settings.logs_addresses {
            verdict.envelope = Some(Envelope {
                mail_from: transaction.mail_from.as_ref(),
                recipients: &transaction.recipients,
            });
        }
        verdict.log();
    }

    fn id(&self) -> &str {
        self.message.queue_id.as_deref().unwrap_or("-")
    }
}

/// Runs what waits for the disk.
pub(super) async fn blocking(
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// How our Received field begins (RFC 5321 §4.4).
fn trace(gateway: &Gateway) -> String {
    format!("by {} (domsec)", gateway.authserv_id.as_str())
}

/// An edition as it is submitted: with our own Received field, by which a loop is seen.
fn traced(gateway: &Gateway, message: &View) -> View {
    let date = super::site::now()
        .map(|now| now.to_rfc5322())
        .unwrap_or_default();
    let field = format!("Received: {} with ESMTP;\r\n\t{date}\r\n", trace(gateway));
    crate::octets::Chain::of([View::owned(field.into_bytes()), message.clone()])
}

fn result(submitted: &Result<crate::smtp::Accepted, SubmissionError>) -> SubmissionResult {
    match submitted {
        Ok(_) => SubmissionResult::Accepted,
        Err(SubmissionError::Unknown { .. }) => SubmissionResult::Unknown,
        Err(error) if error.is_permanent() => SubmissionResult::Refused,
        Err(_) => SubmissionResult::Deferred,
    }
}
