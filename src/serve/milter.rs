//! One MTA connection by the milter protocol, from its first packet to its last.
//!
//! [`Session`] knows the protocol, [`Site`] the gateway; what is here reads, spools, waits and writes.
//! Whatever cannot be done ends in a temporary reply: the MTA keeps the message.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;

use super::answer::Means;
use super::journal::Key;
use super::offered::Changes;
use super::offered::Offered;
use super::offered::Reaction;
use super::replace;
use super::site::Site;
use super::site::now;
use super::site::seconds_now;
use super::spool::Writer;
use super::stream::Stream;
use crate::milter::action;
use crate::milter::options::actions;
use crate::milter::options::protocol;
use crate::milter::packet::Framer;
use crate::milter::session::Event;
use crate::milter::session::Message;
use crate::milter::session::MessageLimits;
use crate::milter::session::Session;
use crate::milter::session::SessionError;
use crate::policy::facts::Direction;
use crate::reply::Reply;
use crate::telemetry::labels::Front;
use crate::telemetry::logging::chain;

/// How often the MTA hears that the work goes on: Sendmail waits 10 s for an answer by default
/// (`T=R:10s`), Postfix 300.
const PROGRESS: Duration = Duration::from_secs(5);

/// When an MTA whose connection is still open has read an answer: it has waited for that, and the
/// connection of a process that dies is closed by its system. Where the service ends, what was submitted
/// for the message is forgotten then; a host that is gone would cost a duplicate, and what stays in the
/// journal could be taken for a message that is sent again on purpose.
const READ_BY: Duration = Duration::from_secs(5);

/// Why a connection ended before the MTA ended it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The MTA does not read.
    #[error("the MTA did not take an answer within {} s ([listen] idle_timeout)", .0.as_secs())]
    Deaf(Duration),
    /// The socket failed.
    #[error("the connection to the MTA broke")]
    Io(#[from] io::Error),
    /// The MTA said nothing within a message.
    #[error("the MTA said nothing for {} s within a message ([listen] idle_timeout)", .0.as_secs())]
    Idle(Duration),
    /// A packet was too long.
    #[error(transparent)]
    Packet(#[from] crate::limits::LimitError),
    /// The MTA broke the protocol.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Serves one connection until the MTA ends it, or until no message is at hand once it is
/// `stopping`. `direction` is that of the listener.
pub async fn serve(
    site: Arc<Site>,
    stream: Stream,
    direction: Option<Direction>,
    stopping: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let limits = &site.settings.limits;
    let limits = MessageLimits {
        octets: limits.message_octets,
        header_octets: limits.header_octets,
        header_fields: limits.header_fields,
        recipients: limits.recipients,
    };
    // Agreed on for the connection. Where a reload brings the first rule that decides at RCPT, its
    // connections of before decide at the end of the message; where it takes the last away, they go on
    // being asked, and say yes.
    let session = Session::new(limits, site.gateway().decides_at_recipient());
    let mut connection = Connection {
        session,
        stream,
        direction,
        spooled: None,
        unconfirmed: Vec::new(),
        answered: Instant::now(),
        stopping,
        site,
    };
    let served = connection.run().await;
    if connection.session.is_within_message() {
        connection.site.metrics.transaction_aborted(Front::Milter);
    }
    served
}

struct Connection {
    site: Arc<Site>,
    stream: Stream,
    session: Session,
    direction: Option<Direction>,
    /// The message as far as it has come; `Err` when the spool took no more.
    spooled: Option<io::Result<Writer>>,
    /// What the journal holds of the message that was answered last, until the MTA says more: what
    /// was written to a socket has not been read for that.
    unconfirmed: Vec<Key>,
    /// When that was.
    answered: Instant,
    /// Whether the service ends: then a connection does, when no message is at hand.
    stopping: watch::Receiver<bool>,
}

impl Connection {
    async fn run(&mut self) -> Result<(), ConnectionError> {
        let mut framer = Framer::default();
        loop {
            while let Some(packet) = framer.next_packet()? {
                self.confirmed().await;
                match self.session.handle(packet)? {
                    Event::Aborted => {
                        self.spooled = None;
                        self.site.metrics.transaction_aborted(Front::Milter);
                    }
                    Event::Body(octets) => self.spool(octets),
                    Event::Closed => return Ok(()),
                    Event::Header(octets) => {
                        self.spooled = Some(Ok(self.site.spool.begin()));
                        self.spool(&octets);
                    }
                    Event::Message(message, octets) => {
                        self.spool(octets);
                        self.message(*message).await?;
                    }
                    Event::Nothing => {}
                    Event::Recipient => {
                        let asked = self.session.asked();
                        let refusal = self.site.at_recipient(&asked, self.direction).await;
                        self.session.answer_recipient(refusal.as_ref());
                    }
                }
            }
            let due = self.session.output();
            if !due.is_empty() {
                self.write(&due).await?;
            }
            if !self.read(&mut framer).await? {
                return Ok(());
            }
        }
    }

    /// Reads on. Between messages an MTA may be silent for as long as it likes, until the service ends.
    async fn read(&mut self, framer: &mut Framer) -> Result<bool, ConnectionError> {
        let reading = self.stream.read(framer);
        if !self.session.is_within_message() {
            let read_by = self.answered + READ_BY;
            let is_confirmed = self.unconfirmed.is_empty();
            let told = async {
                let told = self.stopping.wait_for(|stopping| *stopping);
                drop(told.await);
                if !is_confirmed {
                    sleep_until(read_by).await;
                }
            };
            let read = tokio::select! {
                biased;
                read = reading => Some(read?),
                () = told => None,
            };
            if read.is_none() {
                self.confirmed().await;
            }
            return Ok(read.unwrap_or(false));
        }
        let limit = self.site.settings.idle_timeout;
        match timeout(limit, reading).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(ConnectionError::Idle(limit)),
        }
    }

    fn spool(&mut self, octets: &[u8]) {
        if let Some(Ok(writer)) = &mut self.spooled
            && let Err(error) = writer.write_all(octets)
        {
            self.spooled = Some(Err(error));
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), ConnectionError> {
        let open = self.site.metrics.transaction_begun(Front::Milter);
        let spooled = self.spooled.take();
        let options = self.session.options();
        let offered = Offered {
            site: Arc::clone(&self.site),
            direction: self.direction,
            means: Means {
                removes_recipients: options.may(actions::DELETE_RECIPIENT),
                changes_sender: options.may(actions::CHANGE_FROM),
                submits: self.site.settings.reinject.is_some(),
                has_sender: message.sender.is_some(),
                reports: false,
            },
            spaced: options.leaves_out(protocol::LEADING_SPACE),
            message,
            begun: Instant::now(),
            key: OnceCell::new(),
        };
        // Before any progress is told of what follows them.
        let due = self.session.output();
        if !due.is_empty() {
            self.write(&due).await?;
        }
        // A task of its own: what is submitted is entered into the journal even if this connection
        // breaks meanwhile.
        let mut work = tokio::spawn(offered.reaction(spooled));
        let reaction = loop {
            match timeout(PROGRESS, &mut work).await {
                Ok(Ok(reaction)) => break reaction,
                // The hook for panics has told of it.
                Ok(Err(_)) => break Reaction::Reply(Reply::unavailable(), Vec::new()),
                Err(_) => {
                    let mut packet = Vec::new();
                    action::progress(&mut packet);
                    self.write(&packet).await?;
                }
            }
        };
        drop(open);
        match reaction {
            Reaction::Reply(reply, journal) => {
                self.unconfirmed = journal;
                let mut answer = Vec::new();
                action::reply(&mut answer, &reply);
                self.write(&answer).await?;
            }
            Reaction::Take(changes) => self.take(*changes).await?,
        }
        self.answered = Instant::now();
        Ok(())
    }

    async fn take(&mut self, changes: Changes) -> Result<(), ConnectionError> {
        let mut answer = changes.replacement.header;
        for recipient in &changes.removed {
            action::delete_recipient(&mut answer, recipient);
        }
        if let Some(sender) = &changes.headers_only {
            action::change_from(&mut answer, sender, b"RET=HDRS");
        }
        self.unconfirmed = changes.journal;
        let body = changes.replacement.body.as_ref();
        let limit = self.site.settings.idle_timeout;
        let written = replace::write(&mut self.stream, answer, body, action::go_on);
        match timeout(limit, written).await {
            Ok(written) => written?,
            Err(_) => return Err(ConnectionError::Deaf(limit)),
        }
        // Now it is delivered as far as we can know: what was refused or deferred has not come here. By the gateway of
        // the day, since it may have been told meanwhile not to learn any more.
        if let Some(now) = now() {
            let gateway = self.site.gateway();
            gateway.certificates.learn(&changes.learned, now);
        }
        Ok(())
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), ConnectionError> {
        let limit = self.site.settings.idle_timeout;
        match timeout(limit, self.stream.write(octets)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(ConnectionError::Deaf(limit)),
        }
    }

    /// The MTA says more, and so has read the answer. It may still not take the message, where a filter behind us defers it:
    /// that it never tells, and what comes again then is submitted again. An entry that stayed would take a new message
    /// with the same octets for the old one, and a duplicate is better than a loss.
    async fn confirmed(&mut self) {
        let keys = std::mem::take(&mut self.unconfirmed);
        if keys.is_empty() {
            return;
        }
        let removed = self
            .site
            .journal(move |journal| journal.remove(&keys, seconds_now()));
        if let Err(error) = removed.await {
            // It stays for a week: another message that is the same to the octet would be taken
            // for this one.
            tracing::warn!(error = chain(&error), "the journal could not be written");
        }
    }
}
