//! What all connections share: the gateway of the day, the spool, the journal, and a bound on the work.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::disk::AT_ONCE;
use super::journal::Journal;
use super::next_hop::Takes;
use super::offers::Offers;
use super::recipient::NOTINGS;
use super::spool::Spool;
use super::submission::Settings as SubmissionSettings;
use super::submission::Target;
use super::turns::Place;
use super::turns::Turns;
use crate::config::Network;
use crate::config::ServiceLimits;
use crate::gateway::outcome::Outcome;
use crate::gateway::site::Gateway;
use crate::gateway::transaction::Transaction;
use crate::milter::session::Client;
use crate::octets::Octets;
use crate::policy::facts::Session;
use crate::telemetry::metrics::Metrics;
use crate::x509::Time;

/// What all connections share.
#[derive(Debug)]
pub struct Site {
    reread: RwLock<Reread>,
    /// What the configuration says of it.
    pub settings: Settings,
    /// Where messages lie.
    pub spool: Spool,
    /// What was deferred.
    pub offers: Offers,
    /// Whom RCPT has deferred; apart, so that no message is digested for them.
    pub(super) recipient_offers: Offers,
    /// What is counted.
    pub metrics: Metrics,
    turns: Turns,
    /// The same for answers to RCPT, so that they do not wait for messages.
    pub(super) recipient_turns: Turns,
    /// Places for what is noted after RCPT was answered.
    pub(super) recipient_notings: Arc<Semaphore>,
    /// Turns that are held by work past its time.
    overdue: Arc<AtomicUsize>,
}

/// What SIGHUP replaces, as one.
#[derive(Debug)]
struct Reread {
    gateway: Arc<Gateway>,
    /// Clients that are trusted to say who they are.
    networks: Vec<Network>,
}

/// Everything of a [`Site`] that the configuration says and that stays until a restart.
#[derive(Debug)]
pub struct Settings {
    /// Bounds.
    pub limits: ServiceLimits,
    /// The longest silence of an MTA within a message.
    pub idle_timeout: Duration,
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
    /// What the server takes.
    pub takes: Takes,
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
    #[error(
        "the work took more than {} s ([limits] work), with the search for certificates: \
         see in domsec_certificate_lookup_duration_seconds which source is slow, or raise transactions if processors \
         are idle",
        .0.as_secs()
    )]
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

/// Recipients whose certificates are judged where the message was received: each takes some tens of microseconds.
const FEW: usize = 50;

impl Site {
    /// A site of a gateway that trusts clients of those networks.
    #[must_use]
    pub fn new(
        (gateway, networks): (Gateway, Vec<Network>),
        settings: Settings,
        spool: Spool,
        metrics: Metrics,
    ) -> Self {
        Self {
            reread: RwLock::new(Reread {
                gateway: Arc::new(gateway),
                networks,
            }),
            turns: Turns::new(settings.limits.transactions),
            recipient_turns: Turns::new(settings.limits.transactions),
            recipient_notings: Arc::new(Semaphore::new(NOTINGS)),
            overdue: Arc::default(),
            settings,
            spool,
            offers: Offers::default(),
            recipient_offers: Offers::default(),
            metrics,
        }
    }

    /// The gateway of the day: what a message begins with, it ends with.
    #[must_use]
    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.reread().gateway)
    }

    /// Puts another gateway in its place, with the networks that are trusted from now on. What was
    /// delivered stays known: a captured message must not become new by it.
    pub fn replace_gateway(&self, gateway: Gateway, networks: Vec<Network>) {
        let mut current = self.reread.write().unwrap_or_else(PoisonError::into_inner);
        let gateway = Arc::new(Gateway {
            deliveries: Arc::clone(&current.gateway.deliveries),
            ..gateway
        });
        *current = Reread { gateway, networks };
    }

    fn reread(&self) -> RwLockReadGuard<'_, Reread> {
        self.reread.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether that client is trusted to say who it is.
    #[must_use]
    pub fn trusts(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|client| {
            self.reread()
                .networks
                .iter()
                .any(|network| network.contains(client))
        })
    }

    /// Does `work` with the journal, where there is one, on a thread that may wait for the disk.
    pub(super) async fn journal(
        self: &Arc<Self>,
        work: impl FnOnce(&Journal) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let site = Arc::clone(self);
        let worked = spawn_blocking(move || match &site.settings.reinject {
            Some(reinjection) => work(&reinjection.journal),
            None => Ok(()),
        });
        worked.await.map_err(io::Error::other)?
    }

    /// Whether every turn is held by work past its time, so that no message will ever be worked on
    /// unless one of them ends.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.overdue.load(Ordering::Relaxed) >= self.settings.limits.transactions
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

    /// Works on a message when its turn comes. While the certificates of its recipients are searched for
    /// others have their turn.
    pub async fn decided(
        &self,
        gateway: Arc<Gateway>,
        transaction: Arc<Transaction>,
    ) -> Result<Outcome, Unfinished> {
        let ServiceLimits { wait, work, .. } = self.settings.limits;
        let since = Instant::now();
        let turn = self.turns.next(wait).await.ok_or(Unfinished::Busy {
            waited: wait,
            most: self.settings.limits.transactions,
        })?;
        let now = now().ok_or(Unfinished::Clock)?;
        let spool = self.spool.watched();
        let watched = spool.clone();
        let is_small = transaction.message.len() <= AT_ONCE;
        let place = if is_small && transaction.recipients.len() <= FEW {
            Place::Here
        } else {
            Place::Apart
        };
        let process = async move { gateway.process(&transaction, now, &spool).await };
        // What the first turn has left of its patience, the others have: the MTA waits for both together.
        let wait = wait.saturating_sub(since.elapsed());
        let in_turns = turn.work(place, process);
        let waits = in_turns.waits();
        let mut working = tokio::spawn(in_turns);
        match waits.within(work, wait, &mut working).await {
            None => {
                // What waits for an answer ends here, and nothing has come of it. What works has a turn, and
                // keeps it until it waits or is done.
                working.abort();
                let overdue = Overdue::count(&self.overdue);
                tokio::spawn(async move {
                    let _ended = working.await;
                    drop(overdue);
                });
                Err(Unfinished::Late(work))
            }
            Some(Err(_)) => Err(Unfinished::Panic),
            // Whatever was made of the failure: the same message may be another one later.
            Some(Ok(outcome)) => match watched.failure() {
                Some(error) => Err(Unfinished::Spool(error)),
                None => Ok(outcome),
            },
        }
    }
}

/// Work past its time, counted as long as this is.
#[derive(Debug)]
struct Overdue(Arc<AtomicUsize>);

impl Overdue {
    fn count(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Overdue {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use prometheus::Registry;

    use super::*;
    use crate::config::Config;
    use crate::config::build;

    /// A site without domains or keys.
    pub(crate) fn site() -> Arc<Site> {
        let text = "domains = []\nauthserv_id = 'gw.a.example'";
        let config = Config::parse(text, Path::new("f")).unwrap();
        let metrics = Metrics::new(&Registry::new()).unwrap();
        let settings = Settings {
            limits: config.limits.clone(),
            idle_timeout: config.listen.idle_timeout,
            reinject: None,
            logs_addresses: false,
        };
        let gateway = build::gateway(&config).unwrap();
        let spool = Spool::new(&config.spool, None);
        Arc::new(Site::new((gateway, Vec::new()), settings, spool, metrics))
    }

    /// Makes a site stuck, as long as what comes back is held.
    pub(crate) fn stuck(site: &Site) -> impl Drop + use<> {
        let turns = site.settings.limits.transactions;
        Turns((0..turns).map(|_| Overdue::count(&site.overdue)).collect())
    }

    struct Turns(Vec<Overdue>);

    impl Drop for Turns {
        fn drop(&mut self) {
            self.0.clear();
        }
    }

    #[test]
    fn networks_are_replaced_with_the_gateway() {
        let site = site();
        let config = Config::parse("domains = []\nauthserv_id = 'x'", Path::new("f")).unwrap();
        let replace = |networks: &[&str]| {
            let networks = networks.iter().map(|one| one.parse().unwrap()).collect();
            site.replace_gateway(build::gateway(&config).unwrap(), networks);
        };
        let client = Some("192.0.2.7".parse().unwrap());
        assert!(!site.trusts(client));
        replace(&["192.0.2.0/24"]);
        assert!(site.trusts(client) && !site.trusts(None));
        replace(&[]);
        assert!(!site.trusts(client));
    }

    #[test]
    fn a_site_is_stuck_while_every_turn_is_past_its_time() {
        let site = site();
        let turns = site.settings.limits.transactions;
        let mut overdue: Vec<Overdue> = (1..turns).map(|_| Overdue::count(&site.overdue)).collect();
        assert!(!site.is_stuck());
        overdue.push(Overdue::count(&site.overdue));
        assert!(site.is_stuck());
        overdue.pop();
        assert!(!site.is_stuck());
    }
}
