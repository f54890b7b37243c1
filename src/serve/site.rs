//! What all connections share: the gateway of the day, the spool, the journal, and a bound on the work.

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
use super::offers::Offers;
use super::spool::Spool;
use super::submission::Settings as SubmissionSettings;
use super::submission::Target;
use crate::config::Network;
use crate::config::ServiceLimits;
use crate::gateway::outcome::Outcome;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::milter::session::Client;
use crate::policy::facts::Session;
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
    /// Whom RCPT has deferred; apart, so that no message is digested for them.
    pub(super) recipient_offers: Offers,
    /// What is counted.
    pub metrics: Metrics,
    turns: Arc<Semaphore>,
    /// The same for answers to RCPT: searches that find nobody do not keep messages waiting.
    pub(super) recipient_turns: Arc<Semaphore>,
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
}

impl Site {
    /// A site of `gateway`.
    #[must_use]
    pub fn new(gateway: Gateway, settings: Settings, spool: Spool, metrics: Metrics) -> Self {
        Self {
            gateway: RwLock::new(Arc::new(gateway)),
            turns: Arc::new(Semaphore::new(settings.limits.transactions)),
            recipient_turns: Arc::new(Semaphore::new(settings.limits.transactions)),
            limits: settings.limits,
            idle_timeout: settings.idle_timeout,
            networks: settings.networks,
            reinject: settings.reinject,
            logs_addresses: settings.logs_addresses,
            spool,
            offers: Offers::default(),
            recipient_offers: Offers::default(),
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

    /// What rules may ask of the session of a client.
    #[must_use]
    pub fn session(&self, client: &Client) -> Session {
        Session {
            login: client.login.clone(),
            trusted: self.trusts(client.address),
            tls: client.tls,
            tls_subject: client.tls_subject.clone(),
            client_ip: client.address,
            helo: client.helo.clone(),
        }
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
        let spool = self.spool.clone();
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
            Ok(Ok(outcome)) => Ok(outcome),
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
