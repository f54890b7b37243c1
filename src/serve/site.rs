//! What all connections share: the gateway of the day, the spool, the journal, and a bound on the work.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::journal::Journal;
use super::journal::Key;
use super::offers::Offers;
use super::spool::Spool;
use super::submission::Settings as SubmissionSettings;
use super::submission::Target;
use crate::config::Network;
use crate::config::ServiceLimits;
use crate::crypto;
use crate::gateway::outcome::Outcome;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::limits::Limits;
use crate::mime::header::Header;
use crate::octets::Octets;
use crate::octets::View;
use crate::telemetry::metrics::Metrics;
use crate::x509::Time;

/// What all connections share.
#[derive(Debug)]
pub struct Site {
    gateway: RwLock<Arc<Gateway>>,
    /// Bounds.
    pub limits: ServiceLimits,
    /// The longest silence of an MTA within a message.
    pub idle_timeout: Duration,
    /// Clients that are trusted to say who they are.
    pub networks: Vec<Network>,
    /// Where further editions go.
    pub reinject: Option<Reinjection>,
    /// Whether the log names sender and recipients.
    pub logs_addresses: bool,
    /// Where messages lie.
    pub spool: Spool,
    /// What was deferred.
    pub offers: Offers,
    /// What is counted.
    pub metrics: Metrics,
    turns: Arc<Semaphore>,
}

/// Everything of a [`Site`] that the configuration says, but for the gateway.
#[derive(Debug)]
pub struct Settings {
    /// Bounds.
    pub limits: ServiceLimits,
    /// The longest silence of an MTA within a message.
    pub idle_timeout: Duration,
    /// Clients that are trusted to say who they are.
    pub networks: Vec<Network>,
    /// Where further editions go.
    pub reinject: Option<Reinjection>,
    /// Whether the log names sender and recipients.
    pub logs_addresses: bool,
}

/// Where further editions go, and what is remembered of them.
#[derive(Debug)]
pub struct Reinjection {
    /// The server.
    pub target: Target,
    /// How it is spoken to.
    pub settings: SubmissionSettings,
    /// What was submitted.
    pub journal: Journal,
}

/// Why there is no outcome: each defers the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfinished {
    /// Its turn did not come.
    #[error(
        "no turn within {} s: {most} messages are worked on at a time ([limits] transactions)",
        .waited.as_secs()
    )]
    Busy {
        /// How long it waited.
        waited: Duration,
        /// How many others may go on.
        most: usize,
    },
    /// The clock of this host is before 1970, or after 9999.
    #[error("the clock of this host tells no time that a certificate could have; set it")]
    Clock,
    /// The work took too long.
    #[error("the work took more than {} s ([limits] work)", .0.as_secs())]
    Late(Duration),
    /// A fault of ours.
    #[error("a panic, which is our fault; please report it with the line before this one")]
    Panic,
    /// What the message is made of could not be stored, or not be read again.
    #[error(
        "the message could not be stored: see that the disk of [spool] directory is not full, and that it is ours"
    )]
    Spool(#[source] io::Error),
}

impl Site {
    /// A site of `gateway`.
    #[must_use]
    pub fn new(gateway: Gateway, settings: Settings, spool: Spool, metrics: Metrics) -> Self {
        Self {
            gateway: RwLock::new(Arc::new(gateway)),
            turns: Arc::new(Semaphore::new(settings.limits.transactions)),
            limits: settings.limits,
            idle_timeout: settings.idle_timeout,
            networks: settings.networks,
            reinject: settings.reinject,
            logs_addresses: settings.logs_addresses,
            spool,
            offers: Offers::default(),
            metrics,
        }
    }

    /// The gateway of the day: what a message begins with, it ends with.
    #[must_use]
    pub fn gateway(&self) -> Arc<Gateway> {
        let gateway = self.gateway.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&gateway)
    }

    /// Puts another gateway in its place. What was delivered stays known: a captured message must not
    /// become new by it.
    pub fn replace_gateway(&self, gateway: Gateway) {
        let mut current = self.gateway.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(Gateway {
            deliveries: Arc::clone(&current.deliveries),
            ..gateway
        });
    }

    /// Whether that client is trusted to say who it is.
    #[must_use]
    pub fn trusts(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|client| self.networks.iter().any(|network| network.contains(client)))
    }

    /// Works on a message when its turn comes, on a thread that may wait for keys.
    pub async fn decided(
        &self,
        gateway: Arc<Gateway>,
        transaction: Arc<Transaction>,
    ) -> Result<Outcome, Unfinished> {
        let turn = timeout(self.limits.wait, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Unfinished::Busy {
                waited: self.limits.wait,
                most: self.limits.transactions,
            });
        };
        let now = now().ok_or(Unfinished::Clock)?;
        let spool = self.spool.watched();
        let watched = spool.clone();
        let runtime = Handle::current();
        // Not only `open` and `seal`, but `gather` between them: what it waits for is bounded, and so is
        // the number of threads, by the turns.
        let work = spawn_blocking(move || {
            let outcome = runtime.block_on(gateway.process(&transaction, now, &spool));
            drop(turn);
            outcome
        });
        match timeout(self.limits.work, work).await {
            Err(_) => Err(Unfinished::Late(self.limits.work)),
            Ok(Err(_)) => Err(Unfinished::Panic),
            // Whatever was made of the failure: the same message may be another one later.
            Ok(Ok(outcome)) => match watched.failure() {
                Some(error) => Err(Unfinished::Spool(error)),
                None => Ok(outcome),
            },
        }
    }
}

/// The clock of this host.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "time is an argument of everything below; here it begins"
)]
pub fn now() -> Option<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Time::from_unix(i64::try_from(since.as_secs()).ok()?)
}

/// The same in seconds since 1970; the beginning where it tells no time.
#[must_use]
pub fn seconds_now() -> i64 {
    now().map_or(0, Time::unix)
}

/// The digest of a transaction without its recipients: sender and original message, but for its
/// Received fields, which another attempt gets anew.
pub fn offer_key(transaction: &Transaction, limits: &Limits) -> io::Result<Option<Key>> {
    let Ok((header, body)) = Header::parse(&transaction.message, limits) else {
        return Ok(None);
    };
    let kept = header.raw_of(|field| !field.is("Received"));
    let sender = transaction.mail_from.as_ref().map(ToString::to_string);
    let digests = crypto::provider().digests;
    let Ok(mut digester) = digests.start(crypto::DigestAlgorithm::Sha256) else {
        return Ok(None);
    };
    let rest: View = transaction.message.slice(body..transaction.message.len());
    rest.windows::<io::Error>(|window| {
        digester.update(window);
        Ok(())
    })?;
    let body = digester.finish();
    let sender = sender.unwrap_or_default();
    Ok(crypto::sha256(digests, &[sender.as_bytes(), &kept, &body]))
}

/// The journal's key for one recipient of the message with that offer key.
#[must_use]
pub fn journal_key(offer: &Key, recipient: &str) -> Option<Key> {
    crypto::sha256(crypto::provider().digests, &[offer, recipient.as_bytes()])
}
