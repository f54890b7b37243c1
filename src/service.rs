//! The service: configuration in, sockets served, until it is told to stop.
//!
//! Start: read, bind, give up the rights of root, open the rest as whom we then are, tell systemd. Then:
//! SIGHUP reads policy, trust and keys anew, SIGTERM and SIGINT end what is at hand and go.

pub mod dates;
pub mod descriptors;
pub mod listeners;
pub mod privileges;
pub mod reinjection;
pub mod systemd;
mod watchdog;

use std::future::Future;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::Socket;
use crate::config::SpoolSettings;
use crate::config::build;
use crate::config::build::BuildError;
use crate::config::sources::Surroundings;
use crate::gateway::site::Gateway;
use crate::lookup::cache::Bounds;
use crate::lookup::cache::Cache;
use crate::policy::facts::Direction;
use crate::serve::admin::Admin;
use crate::serve::holdings::Holdings;
use crate::serve::listen::ListenError;
use crate::serve::listen::OwnerIds;
use crate::serve::lookups::Counting;
use crate::serve::milter;
use crate::serve::next_hop;
use crate::serve::site::Settings;
use crate::serve::site::Site;
use crate::serve::site::now;
use crate::serve::spool::Spool;
use crate::serve::stream::Listener;
use crate::serve::stream::Stream;
use crate::telemetry::counted::counted;
use crate::telemetry::labels::Front;
use crate::telemetry::labels::Limit;
use crate::telemetry::labels::ReloadResult;
use crate::telemetry::logging;
use crate::telemetry::logging::chain;
use crate::telemetry::metrics::Metrics;

use listeners::Listeners;
use privileges::PrivilegeError;
use privileges::Servant;
use reinjection::ReinjectError;
use systemd::HandedOver;
use systemd::HandedOverError;
use systemd::notify;

/// How long nothing is accepted after the system had no more of what a connection needs.
const BREATH: Duration = Duration::from_millis(200);

/// Files and sockets below which the usual bounds cannot be kept: 10,000 connections, 4,096 searches, and the files of
/// messages.
const ENOUGH: u64 = 16_384;

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The admin socket cannot be bound.
    #[error("cannot listen at {0} ([listen] admin): see that the address is ours, and free")]
    Admin(std::net::SocketAddr, #[source] io::Error),
    /// What the configuration names cannot be opened.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The user that we have become may not open something.
    #[error(
        "user {user:?} cannot open what the configuration names, and could not at a reload: give the file \
         to that user (chown {user}), and let it search the folders above"
    )]
    Denied {
        /// The user.
        user: String,
        /// What it may not open.
        #[source]
        source: Box<Self>,
    },
    /// What systemd hands over is not what we listen at.
    #[error(transparent)]
    HandedOver(#[from] HandedOverError),
    /// A milter socket cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The log is another's.
    #[error(transparent)]
    Log(#[from] logging::LogError),
    /// Metrics of the same names are there.
    #[error("the metrics could not be registered")]
    Metrics(#[source] prometheus::Error),
    /// We cannot become the user of the configuration.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The address of a socket cannot be told.
    #[error("the address of a socket cannot be told")]
    Socket(#[from] io::Error),
    /// `[reinject]` cannot be done.
    #[error(transparent)]
    Reinject(#[from] ReinjectError),
    /// No message could be stored.
    #[error(
        "no file can be made in {}: make the folder and give it to the user that runs domsec, or name \
         another one in [spool] directory",
        directory.display()
    )]
    Spool {
        /// Where.
        directory: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system refuses.
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

/// A service that has its sockets and is ready to run.
#[derive(Debug)]
pub struct Service {
    path: PathBuf,
    surroundings: Surroundings,
    site: Arc<Site>,
    milters: Vec<(Listener, Option<Direction>)>,
    admins: Vec<TcpListener>,
    admin: Admin,
    /// SIGHUP, from before anybody can know of us.
    hangup: Option<Signal>,
}

impl Service {
    /// Reads the configuration at `path`, opens all that it names, and binds its sockets.
    pub async fn start(path: &Path) -> Result<Self, ServiceError> {
        Self::of(Config::read(path)?, path).await
    }

    /// The same for a configuration that was read from `path`, which is read again at SIGHUP.
    pub async fn of(config: Config, path: &Path) -> Result<Self, ServiceError> {
        let listeners = Listeners::bind(&config, OwnerIds::default(), HandedOver::default())?;
        Self::listening(config, path, listeners).await
    }

    /// The same for one whose sockets are bound.
    pub async fn listening(
        config: Config,
        path: &Path,
        listeners: Listeners,
    ) -> Result<Self, ServiceError> {
        // The sockets are there already, and keys behind passwords take their time: SIGHUP would end the process.
        let hangup = signal(SignalKind::hangup());
        if hangup.is_err() {
            tracing::error!("SIGHUP cannot be received; restart to read the configuration anew");
        }
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).map_err(ServiceError::Metrics)?;
        let store = build::store(&config)?;
        let bounds = Bounds::within(descriptors::available());
        let cache = Cache::new(Arc::clone(&store), bounds);
        let harvest = build::harvest(&config, &store).await?;
        let holdings = Holdings::new(
            metrics.clone(),
            Arc::clone(&store),
            Arc::clone(&cache),
            harvest.clone(),
        );
        let surroundings = Surroundings {
            cache: Some(cache),
            harvest,
            store,
            watch: Arc::new(Counting(metrics.clone())),
        };
        let gateway = opened(&config, &surroundings)?;
        metrics.own_certificates(&gateway.roles);
        let gateway = counted(gateway, &metrics);
        let mut milters = Vec::new();
        for (bound, direction) in listeners.milters {
            milters.push((Listener::of(bound)?, direction));
        }
        let mut admins = Vec::new();
        for bound in listeners.admins {
            bound.set_nonblocking(true)?;
            admins.push(TcpListener::from_std(bound)?);
        }
        let settings = settings(&config)?;
        let directory = config.spool.directory.as_deref();
        let spool = SpoolSettings {
            directory: directory.map(|path| config.path(path)),
            ..config.spool.clone()
        };
        let spool = Spool::new(&spool, Some(metrics.clone()));
        spool.try_file().map_err(|source| {
            let directory = spool.directory().to_owned();
            ServiceError::Spool { directory, source }
        })?;
        let site = Site::new((gateway, config.trust.networks), settings, spool, metrics);
        let site = Arc::new(site);
        Ok(Self {
            path: path.to_owned(),
            surroundings,
            milters,
            admins,
            admin: Admin {
                holdings: Some(Arc::new(holdings)),
                ..Admin::new(registry, Arc::clone(&site))
            },
            site,
            hangup: hangup.ok(),
        })
    }

    /// Counts and logs every panic of the process from now on.
    pub fn count_panics(&self) {
        logging::report_panics(self.site.metrics.clone());
    }

    /// Where messages lie.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.site.spool
    }

    /// Where MTAs connect, ports as they were given.
    pub fn milters(&self) -> io::Result<Vec<Socket>> {
        self.milters
            .iter()
            .map(|(listener, _)| listener.address())
            .collect()
    }

    /// Serves until `shutdown` is ready, and ends what is at hand then. Reads the configuration anew at
    /// SIGHUP, and tells systemd.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let (path, site) = (self.path.clone(), Arc::clone(&self.site));
        let surroundings = self.surroundings.clone();
        let hangup = self.hangup.take();
        let serving = format!("STATUS={}", self.status());
        notify(&format!("READY=1\n{serving}"));
        tracing::info!(config = %path.display(), "ready");
        let mut watched = JoinSet::new();
        watched.spawn(next_hop::watch(Arc::clone(&site)));
        if let Some(time) = systemd::watchdog() {
            let alive = || notify(systemd::ALIVE);
            watched.spawn(watchdog::watch(Arc::clone(&site), time, alive));
        }
        let told = async {
            tokio::select! {
                () = shutdown => {}
                () = reload_on_signal(hangup, &path, (&site, &surroundings), &serving) => {}
            }
            notify("STOPPING=1\nSTATUS=ending the messages at hand");
            tracing::info!("stopping: messages at hand are ended first");
        };
        // The watch goes on until they are ended, and with this function.
        self.run_quietly(told).await;
    }

    /// What `systemctl status` shows.
    fn status(&self) -> String {
        let milters = self.milters().unwrap_or_default();
        let milters: Vec<String> = milters.iter().map(Socket::to_string).collect();
        format!("serving at {}", milters.join(", "))
    }

    /// Serves until `shutdown` is ready, within a process that is somebody else's.
    pub async fn run_quietly(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let places = Arc::new(Semaphore::new(self.site.settings.limits.connections));
        for (listener, direction) in self.milters {
            let listening = Listening {
                site: Arc::clone(&self.site),
                places: Arc::clone(&places),
                direction,
                stopping: stopping.clone(),
            };
            tasks.spawn(listening.run(listener));
        }
        for listener in self.admins {
            let mut stopping = stopping.clone();
            let told = async move {
                let _ended = stopping.wait_for(|stopping| *stopping).await;
            };
            tasks.spawn(self.admin.clone().serve(listener, told));
        }
        shutdown.await;
        let _told = stop.send(true);
        let time = self.site.settings.limits.drain();
        let drained = timeout(time, async { while tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(
                "messages at hand took more than {} s: the MTA has them still, and defers",
                time.as_secs()
            );
        }
        if let Some(harvest) = &self.surroundings.harvest
            && let Err(error) = harvest.keep_all().await
        {
            tracing::warn!(
                error = chain(&error),
                "what the last messages have taught is lost: it is learned again with the next ones"
            );
        }
    }
}

/// Runs the service of the configuration at `path` until SIGTERM or SIGINT.
///
/// Sockets are bound as whoever starts us; all else is opened as the user of the configuration, and so
/// can be opened again at a reload.
pub fn run(path: &Path) -> Result<(), ServiceError> {
    let config = Config::read(path)?;
    begin_log(&config)?;
    privileges::close_umask();
    let descriptors = descriptors::raise();
    if descriptors < ENOUGH {
        tracing::warn!(
            "at most {descriptors} files and sockets may be open, too few for {ENOUGH} connections and searches: \
             raise LimitNOFILE in the unit, or ulimit -n"
        );
    }
    let servant = Servant::of(&config)?;
    let owner = servant.as_ref().map(Servant::owner).unwrap_or_default();
    let listeners = Listeners::bind(&config, owner, HandedOver::from_environment()?)?;
    match &servant {
        Some(servant) => servant.become_it()?,
        None if privileges::is_root() => tracing::warn!(
            "domsec runs with the rights of root and reads mail of strangers: write user = \"domsec\" into \
             the configuration, or start it as a user of its own"
        ),
        None => {}
    }
    let ran = serve(path, listeners);
    ran.map_err(|error| match servant {
        Some(servant) if is_denied(&error) => ServiceError::Denied {
            user: servant.name().to_owned(),
            source: Box::new(error),
        },
        Some(_) | None => error,
    })
}

/// Serves at `listeners`, with a configuration that whom we are now can read.
fn serve(path: &Path, listeners: Listeners) -> Result<(), ServiceError> {
    let config = Config::read(path)?;
    let runtime = runtime()?;
    let ran = runtime.block_on(async {
        let service = Service::listening(config, path, listeners).await?;
        service.count_panics();
        service.run(told_to_stop()).await;
        Ok(())
    });
    // Work that took more than its time, and more than that to drain, has a thread still: dropping the
    // runtime would wait for it.
    runtime.shutdown_background();
    ran
}

/// Whether the system did not let us, at the end of all causes.
fn is_denied(error: &ServiceError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        let io = one.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = one.source();
    }
    false
}

/// Begins the log of the process as `config` has it.
pub fn begin_log(config: &Config) -> Result<(), ServiceError> {
    let level = if config.log.debug {
        tracing::Level::DEBUG
    } else {
        tracing::Level::INFO
    };
    Ok(logging::init(config.log.format, level)?)
}

/// The runtime of a service.
pub fn runtime() -> Result<tokio::runtime::Runtime, ServiceError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServiceError::Runtime)
}

/// Ready when the process is told to stop, from this call on. To be called within a runtime.
pub fn told_to_stop() -> impl Future<Output = ()> {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            tracing::error!("signals cannot be received; only SIGKILL ends this process");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// One milter socket.
struct Listening {
    site: Arc<Site>,
    places: Arc<Semaphore>,
    direction: Option<Direction>,
    stopping: watch::Receiver<bool>,
}

impl Listening {
    async fn run(mut self, listener: Listener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stopping.wait_for(|stopping| *stopping) => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok(stream) => self.serve(stream, &mut connections),
                Err(error) => {
                    // Most often too many open files: raise LimitNOFILE.
                    tracing::error!(error = chain(&error), "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    fn serve(&self, stream: Stream, connections: &mut JoinSet<()>) {
        let metrics = &self.site.metrics;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            // Closed at once: the MTA defers by its default action.
            metrics.limit_refused(Limit::Connections);
            tracing::warn!(
                "a connection beyond the {} of [limits] connections is closed",
                self.site.settings.limits.connections
            );
            return;
        };
        let open = metrics.connection_opened(Front::Milter);
        let serving = milter::serve(
            Arc::clone(&self.site),
            stream,
            self.direction,
            self.stopping.clone(),
        );
        connections.spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(error = chain(&error), "a connection of the MTA ended early");
            }
            drop((open, place));
        });
    }
}

/// Reads the configuration anew at every SIGHUP. What it names is opened first: one error, and the
/// old one holds.
async fn reload_on_signal(
    hangup: Option<Signal>,
    path: &Path,
    (site, surroundings): (&Arc<Site>, &Surroundings),
    serving: &str,
) {
    let Some(mut hangup) = hangup else {
        return std::future::pending().await;
    };
    while hangup.recv().await.is_some() {
        systemd::notify_reloading();
        let (path, site) = (path.to_owned(), Arc::clone(site));
        let surroundings = surroundings.clone();
        // Files, and keys behind passwords, take their time, and no task may wait there.
        let reloaded = spawn_blocking(move || reload(&path, &site, &surroundings)).await;
        let status = match reloaded {
            Ok(true) => serving,
            Ok(false) | Err(_) => {
                "STATUS=the new configuration is refused, and the old one holds: see the log"
            }
        };
        notify(&format!("READY=1\n{status}"));
    }
    std::future::pending().await
}

/// Whether the new configuration holds.
fn reload(path: &Path, site: &Site, surroundings: &Surroundings) -> bool {
    let opened = Config::read(path)
        .map_err(ServiceError::from)
        .and_then(|config| Ok((opened(&config, surroundings)?, config.trust.networks)));
    match opened {
        Ok((gateway, networks)) => {
            site.metrics.own_certificates(&gateway.roles);
            site.replace_gateway(counted(gateway, &site.metrics), networks);
            site.metrics.config_reloaded(ReloadResult::Accepted);
            tracing::info!(
                "policy, trust and keys were read anew; sockets, limits, re-injection, the store and what mail \
                 has taught stay until a restart"
            );
            true
        }
        Err(error) => {
            site.metrics.config_reloaded(ReloadResult::Refused);
            tracing::error!(
                error = chain(&error),
                "the new configuration is refused, and the old one holds"
            );
            false
        }
    }
}

/// The gateway of `config`, with what is to be said of its keys in the log.
fn opened(config: &Config, surroundings: &Surroundings) -> Result<Gateway, ServiceError> {
    for (path, mode) in build::exposed(config)? {
        tracing::warn!(
            "{}: group or others have access (mode {mode:04o}): chmod 600, and take a new key where \
             somebody else was on this host",
            path.display()
        );
    }
    let gateway = build::gateway_in(config, surroundings)?;
    if let Some(now) = now() {
        for (name, certificate) in dates::all(&gateway.roles) {
            if let Some(advice) = dates::fault(certificate, now) {
                tracing::error!("{name}: {advice}");
            }
        }
    }
    Ok(gateway)
}

fn settings(config: &Config) -> Result<Settings, ServiceError> {
    let reinject = reinjection::reinjection(config)?;
    if let Some(there) = &reinject
        && there.settings.start_tls.is_clear()
        && !there.target.is_loopback()
    {
        tracing::warn!(
            "[reinject] to {}: mail goes there in clear, and some of it was decrypted: write starttls = \
             \"require\" and anchors, or take a server on this host",
            there.target
        );
    }
    Ok(Settings {
        limits: config.limits.clone(),
        idle_timeout: config.listen.idle_timeout,
        reinject,
        logs_addresses: config.log.addresses,
    })
}
