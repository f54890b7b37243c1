//! What goes on by SMTP before the MTA is answered: other editions, and the report of who is refused.
//!
//! What has been submitted is entered into the journal at once, so that the next attempt does not repeat
//! it. A server that refuses recipients for good refuses them as the policy would have.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::answer::Taken;
use super::disk::reading;
use super::failure::Failure;
use super::journal::Journal;
use super::journal::Key;
use super::key;
use super::report::Event;
use super::report::Report;
use super::report::Reported;
use super::site::Reinjection;
use super::site::Site;
use super::site::now;
use super::site::seconds_now;
use super::submission;
use crate::address::Mailbox;
use crate::crypto;
use crate::gateway::outcome::Edition;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::milter::session::Message;
use crate::mime::header::Header;
use crate::octets::Chain;
use crate::octets::Octets;
use crate::octets::View;
use crate::reply::Reply;
use crate::smtp::Accepted;
use crate::smtp::Content;
use crate::smtp::Notify;
use crate::smtp::Recipient as SubmissionRecipient;
use crate::smtp::Return;
use crate::smtp::ServerReply;
use crate::smtp::Submission;
use crate::smtp::SubmissionError;
use crate::smtp::dsn::Event as NotifyEvent;
use crate::telemetry::labels::SubmissionResult;
use crate::telemetry::logging::chain;

/// What came of it.
#[derive(Debug)]
pub(super) enum Onward {
    /// All is done, and the journal holds these until the MTA has read its answer.
    Done(Vec<Key>),
    /// Somebody is refused who cannot be told otherwise: the message is refused.
    Refused(Reply, Vec<Key>),
}

/// One message on its way on.
pub(super) struct Sending<'a> {
    pub(super) site: &'a Arc<Site>,
    pub(super) gateway: &'a Gateway,
    pub(super) message: &'a Message,
    pub(super) transaction: &'a Transaction,
    pub(super) reinjection: &'a Reinjection,
    /// Its key, where it has one: else nothing of it is remembered.
    pub(super) key: Option<Key>,
    /// Whether its sender may be sent a report.
    pub(super) reports: bool,
    /// Until when another edition is begun.
    pub(super) begin_by: Instant,
    pub(super) so_far: SoFar,
}

/// What came of it so far.
#[derive(Default)]
pub(super) struct SoFar {
    /// What the journal holds of it.
    journal: Vec<Key>,
    /// Whether any edition was submitted in this attempt.
    submitted: bool,
    /// Who is refused, and by whom if not by us.
    refused: Vec<(Mailbox, Reply, Option<String>)>,
    /// To whom the message went by a server that reports nothing.
    relayed: Vec<Mailbox>,
}

impl Sending<'_> {
    /// Submits what others get, but for what an earlier attempt has submitted, and then the report.
    pub(super) async fn submitted(mut self, taken: &Taken) -> Result<Onward, Failure> {
        for (recipients, edition) in &taken.others {
            self.submit(recipients, edition).await?;
        }
        let by_us = taken.refused.iter().cloned();
        self.so_far
            .refused
            .extend(by_us.map(|(mailbox, reply)| (mailbox, reply, None)));
        if self.reports {
            return self.reported().await;
        }
        // Departs from RFC 3461 §5.2.2 (b), which owes "relayed" to whoever asked for it, because
        // anybody can write the name of somebody else into MAIL.
        Ok(match self.so_far.refused.into_iter().next() {
            Some((_, reply, _)) => Onward::Refused(reply, self.so_far.journal),
            None => Onward::Done(self.so_far.journal),
        })
    }

    /// Submits one edition to those who have not got it.
    async fn submit(&mut self, recipients: &[Mailbox], edition: &Edition) -> Result<(), Failure> {
        let keys: Vec<Key> = recipients
            .iter()
            .filter_map(|one| self.key_of(one))
            .collect();
        self.so_far.journal.extend_from_slice(&keys);
        let is_due = |mailbox: &&Mailbox| !self.key_of(mailbox).is_some_and(|key| self.holds(&key));
        let mut due: Vec<&Mailbox> = recipients.iter().filter(is_due).collect();
        while !due.is_empty() {
            self.expect_time()?;
            let submission = self.submission(&due, edition).await?;
            self.reserve(due.len()).await?;
            self.so_far.submitted = true;
            match self.sent(&submission).await {
                Ok(accepted) => {
                    if accepted.dsn_dropped {
                        let for_success = |mailbox: &&Mailbox| {
                            let notify = self.notify(mailbox);
                            notify.is_some_and(|notify| notify.is_for(NotifyEvent::Success))
                        };
                        let relayed = due.iter().copied().filter(for_success).cloned();
                        let relayed: Vec<Mailbox> = relayed.collect();
                        self.so_far.relayed.extend(relayed);
                    }
                    let keys = due.iter().filter_map(|one| self.key_of(one)).collect();
                    return self.enter(keys).await;
                }
                Err(error) => {
                    // All or nothing: the others are asked for again without them.
                    let refused = refused_for_good(&error, &due);
                    let refused = refused.ok_or(Failure::Submission(error))?;
                    let is_refused =
                        |mailbox: &Mailbox| refused.iter().any(|(one, _)| one == mailbox);
                    due.retain(|mailbox| !is_refused(mailbox));
                    self.note_refused(refused);
                }
            }
        }
        Ok(())
    }

    /// The first submission is always begun, so that each attempt comes further than the one before.
    fn expect_time(&self) -> Result<(), Failure> {
        if self.so_far.submitted && Instant::now() > self.begin_by {
            return Err(Failure::Late);
        }
        Ok(())
    }

    /// Takes note of whom the server refuses.
    fn note_refused(&mut self, refused: Vec<(Mailbox, Reply)>) {
        let host = host(self.reinjection);
        for (mailbox, reply) in refused {
            tracing::warn!(
                id = self.message.id(),
                status = reply.status(),
                "the server of [reinject] to refuses a recipient for good: see its log"
            );
            self.so_far
                .refused
                .push((mailbox, reply, Some(host.clone())));
        }
    }

    async fn submission(&self, due: &[&Mailbox], edition: &Edition) -> Result<Submission, Failure> {
        let message = self.message;
        let view = traced(self.gateway, &edition.message);
        let recipient = |mailbox: &&Mailbox| SubmissionRecipient {
            mailbox: (*mailbox).clone(),
            notify: self.notify(mailbox),
            original: self.parameter_of(mailbox, "ORCPT"),
        };
        let returns = if edition.decrypted {
            Some(Return::HeadersRequired)
        } else {
            match parameter(&message.parameters, "RET") {
                Some(text) if text.eq_ignore_ascii_case("FULL") => Some(Return::Full),
                Some(text) if text.eq_ignore_ascii_case("HDRS") => Some(Return::Headers),
                _ => None,
            }
        };
        let envelope_id = parameter(&message.parameters, "ENVID");
        Ok(Submission {
            sender: message.sender.clone(),
            recipients: due.iter().map(recipient).collect(),
            content: content(view).await?,
            returns,
            envelope_id: envelope_id.and_then(|text| text.parse().ok()),
            smtp_utf8: (message.parameters.iter()).any(|one| one.eq_ignore_ascii_case("SMTPUTF8")),
        })
    }

    async fn sent(&self, submission: &Submission) -> Result<Accepted, SubmissionError> {
        let Reinjection {
            target, settings, ..
        } = self.reinjection;
        let sent = submission::submit(target, submission, settings).await;
        self.site.metrics.submitted(result(&sent));
        sent
    }

    /// Tells the sender who is refused, and who was served by a server that reports nothing.
    async fn reported(mut self) -> Result<Onward, Failure> {
        let Some((_, reply, _)) = self.so_far.refused.first() else {
            self.report_relayed().await;
            return Ok(Onward::Done(self.so_far.journal));
        };
        let reply = reply.clone();
        let (recipients, keys) = self.refused_to_report();
        self.so_far.journal.extend_from_slice(&keys);
        if recipients.is_empty() {
            self.report_relayed().await;
            return Ok(Onward::Done(self.so_far.journal));
        }
        let relayed = self.relayed_to_report();
        self.expect_time()?;
        let report = self.report(&[recipients, relayed].concat()).await?;
        self.reserve(keys.len()).await?;
        match self.sent(&report).await {
            Ok(_) => {
                self.enter(keys).await?;
                Ok(Onward::Done(self.so_far.journal))
            }
            // The session is the last way to tell the sender.
            Err(error) if refused_for_good(&error, &[]).is_some() => {
                tracing::warn!(
                    id = self.message.id(),
                    "the server of [reinject] to refuses a report: see its log"
                );
                Ok(Onward::Refused(reply, self.so_far.journal))
            }
            Err(error) => Err(Failure::Submission(error)),
        }
    }

    /// Those refused of whom the sender wants to hear, and has not heard; with their keys.
    fn refused_to_report(&self) -> (Vec<Reported>, Vec<Key>) {
        let (mut recipients, mut keys) = (Vec::new(), Vec::new());
        for (mailbox, reply, remote) in &self.so_far.refused {
            let notify = self.notify(mailbox);
            // RFC 3461 §5.2.6: without a word on failure there is no report of one.
            if notify.is_some_and(|notify| !notify.is_for(NotifyEvent::Failure)) {
                let asked = "a recipient is refused, of which the sender asked not to be told";
                tracing::info!(id = self.message.id(), %reply, "{asked}");
                continue;
            }
            let key = self
                .key
                .and_then(|key| key::of_report(&key, &mailbox.to_string()));
            if key.is_some_and(|key| self.holds(&key)) {
                keys.extend(key);
                continue;
            }
            keys.extend(key);
            recipients.push(Reported {
                mailbox: mailbox.clone(),
                original: self.parameter_of(mailbox, "ORCPT"),
                event: Event::Failed {
                    status: reply.status(),
                    reply: reply.to_string(),
                    remote: remote.clone(),
                },
            });
        }
        (recipients, keys)
    }

    fn relayed_to_report(&self) -> Vec<Reported> {
        let reported = |mailbox: &Mailbox| Reported {
            mailbox: mailbox.clone(),
            original: self.parameter_of(mailbox, "ORCPT"),
            event: Event::Relayed {
                remote: host(self.reinjection),
            },
        };
        self.so_far.relayed.iter().map(reported).collect()
    }

    /// RFC 3461 §5.2.2 (b). The message has gone on: a report that fails holds nothing up.
    async fn report_relayed(&self) {
        if self.so_far.relayed.is_empty() {
            return;
        }
        let failed = match self.report(&self.relayed_to_report()).await {
            Ok(report) => self.sent(&report).await.err().map(Failure::Submission),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failed {
            let error = chain(&failure);
            tracing::warn!(id = self.message.id(), error, "\"relayed\" is not reported");
        }
    }

    /// The report, from nobody to the sender of the message (RFC 3461 §6.1).
    async fn report(&self, recipients: &[Reported]) -> Result<Submission, Failure> {
        let none = Failure::Means("a report has nobody to go to, which is our fault");
        let sender = self.message.sender.clone().ok_or(none)?;
        let (message, limits) = (self.transaction.message.clone(), self.gateway.limits);
        let header = reading(message.len(), move || {
            Header::parse(&message, &limits).map(|(header, _)| header.raw_fields().to_vec())
        });
        let header = header.await.map_err(Failure::Spool)?;
        let date = now().map(|now| now.to_rfc5322()).unwrap_or_default();
        let envelope_id = parameter(&self.message.parameters, "ENVID");
        let report = Report {
            reporter: &self.reinjection.settings.name,
            sender: &sender,
            envelope_id: envelope_id.and_then(|text| text.parse().ok()),
            date: &date,
            id: &self.report_id(&date, recipients),
            header: &header.map_err(Failure::Compare)?,
            recipients,
        };
        let octets = View::owned(report.octets());
        Ok(Submission {
            sender: None,
            content: content(octets).await?,
            recipients: vec![sender.into()],
            returns: None,
            envelope_id: None,
            smtp_utf8: false,
        })
    }

    /// What names the report: no message holds its own digest.
    fn report_id(&self, date: &str, recipients: &[Reported]) -> String {
        let names: Vec<String> = recipients
            .iter()
            .map(|one| one.mailbox.to_string())
            .collect();
        let names = names.join(" ");
        let key = self.key.unwrap_or_default();
        let parts: [&[u8]; 4] = [
            &key,
            self.message.id().as_bytes(),
            date.as_bytes(),
            names.as_bytes(),
        ];
        let id = crypto::sha256(crypto::provider().digests, &parts);
        crate::octets::hex(id.unwrap_or_default().get(..16).unwrap_or_default())
    }

    /// What the sender wants to hear of that recipient; `None` where he has not said.
    fn notify(&self, mailbox: &Mailbox) -> Option<Notify> {
        self.parameter_of(mailbox, "NOTIFY")
    }

    /// A parameter of the recipient's RCPT, if it is one that can be handed on.
    fn parameter_of<T: std::str::FromStr>(&self, mailbox: &Mailbox, name: &str) -> Option<T> {
        let mut given = self.message.recipients.iter();
        let given = given.find(|one| one.mailbox == *mailbox)?;
        parameter(&given.parameters, name)?.parse().ok()
    }

    fn key_of(&self, mailbox: &Mailbox) -> Option<Key> {
        key::of_recipient(self.key.as_ref()?, &mailbox.to_string())
    }

    fn holds(&self, key: &Key) -> bool {
        self.reinjection.journal.holds(key, seconds_now())
    }

    /// Makes room for what is submitted next, so that it can be entered.
    async fn reserve(&self, count: usize) -> Result<(), Failure> {
        let reserved = self.site.journal(move |journal| journal.reserve(count));
        reserved.await.map_err(Failure::Journal)
    }

    async fn enter(&self, keys: Vec<Key>) -> Result<(), Failure> {
        let entered = move |journal: &Journal| journal.enter(&keys, seconds_now());
        self.site.journal(entered).await.map_err(Failure::Journal)
    }
}

/// Whom of `due` the server will never take, and why. `None` where another attempt may do, or the fault
/// is in our own setup.
fn refused_for_good(error: &SubmissionError, due: &[&Mailbox]) -> Option<Vec<(Mailbox, Reply)>> {
    let all = |reply: Reply| {
        Some(
            due.iter()
                .map(|one| ((*one).clone(), reply.clone()))
                .collect(),
        )
    };
    let told = |reply: &ServerReply| {
        let (status, text) = (reply.status(), reply.lines().join(" "));
        let text = status
            .and_then(|status| text.strip_prefix(status))
            .unwrap_or(&text);
        Reply::refused_further_on(reply.code(), status, text.trim())
    };
    match error {
        SubmissionError::Recipients { refused, .. } => {
            let for_good = |reply: &ServerReply| reply.is_permanent() && !speaks_of_us(reply);
            let forever = refused.iter().all(|one| for_good(&one.reply));
            let told = refused
                .iter()
                .map(|one| (one.mailbox.clone(), told(&one.reply)));
            (forever && !refused.is_empty()).then(|| told.collect())
        }
        SubmissionError::Refused { reply, .. } if speaks_of_us(reply) => None,
        SubmissionError::Refused { reply, .. } if error.is_permanent() => all(told(reply)),
        SubmissionError::TooLarge { size, allowed } => all(Reply::too_large(&format!(
            "message of {size} octets, more than the {allowed} that the next server takes"
        ))),
        // RFC 6531 §3.5, RFC 6152 §3.
        SubmissionError::SmtpUtf8Missing => all(Reply::refused_further_on(
            550,
            Some("5.6.7"),
            "the next server takes no addresses or header beyond ASCII",
        )),
        SubmissionError::EightBitMimeMissing => all(Reply::refused_further_on(
            550,
            Some("5.6.3"),
            "the next server takes no message with octets over 127",
        )),
        // Without DSN it cannot keep content from bounces: whoever set it up can mend that.
        SubmissionError::DsnMissing
        | SubmissionError::Connect { .. }
        | SubmissionError::Content(_)
        | SubmissionError::Lost { .. }
        | SubmissionError::NoRecipient
        | SubmissionError::Refused { .. }
        | SubmissionError::Reply { .. }
        | SubmissionError::Tls(_)
        | SubmissionError::TlsMissing
        | SubmissionError::Unexpected { .. }
        | SubmissionError::Unknown(_)
        | SubmissionError::Unsolicited { .. } => None,
    }
}

/// Whether the server says "unknown command", "TLS first" or "log in first" (RFC 5321 §4.2.2, RFC 3207 §4,
/// RFC 4954 §6): whoever set it up can mend that, and nobody loses mail meanwhile.
fn speaks_of_us(reply: &ServerReply) -> bool {
    matches!(reply.code(), 500..=504 | 530 | 534 | 535 | 538)
}

/// The value of an ESMTP parameter.
fn parameter<'a>(parameters: &'a [String], name: &str) -> Option<&'a str> {
    parameters.iter().find_map(|parameter| {
        let (own, value) = parameter.split_once('=')?;
        own.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The server as a report names it (RFC 3464 §2.1.2): an address stands in brackets (RFC 5321 §4.1.3).
fn host(reinjection: &Reinjection) -> String {
    let host = reinjection.target.host();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) => host.to_owned(),
    }
}

/// How our Received field begins (RFC 5321 §4.4).
pub(super) fn trace(gateway: &Gateway) -> String {
    format!("by {} (domsec)", gateway.authserv_id.as_str())
}

/// An edition as it is submitted: with our own Received field, by which a loop is seen.
fn traced(gateway: &Gateway, message: &View) -> View {
    let date = now().map(|now| now.to_rfc5322()).unwrap_or_default();
    let field = format!("Received: {} with ESMTP;\r\n\t{date}\r\n", trace(gateway));
    Chain::of([View::owned(field.into_bytes()), message.clone()])
}

async fn content(view: View) -> Result<Content, Failure> {
    let content = reading(view.len(), move || Content::of(view)).await;
    content.map_err(Failure::Spool)?.map_err(Failure::Content)
}

fn result(submitted: &Result<Accepted, SubmissionError>) -> SubmissionResult {
    match submitted {
        Ok(_) => SubmissionResult::Accepted,
        Err(SubmissionError::Unknown { .. }) => SubmissionResult::Unknown,
        Err(error) if error.is_permanent() => SubmissionResult::Refused,
        Err(_) => SubmissionResult::Deferred,
    }
}
