//! The service: configuration in, sockets served, until it is told to stop.
//!
//! Start: read, build, bind, tell systemd. Then: SIGHUP reads policy, trust and keys anew, SIGTERM and
//! SIGINT end what is at hand and go.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::Domain;
use crate::config::Config;
use crate::config::ConfigError;
use crate::config::LogFormat;
use crate::config::MilterListener;
use crate::config::Socket;
use crate::config::SpoolSettings;
use crate::config::build;
use crate::config::build::BuildError;
use crate::policy::facts::Direction;
use crate::serve::admin::Admin;
use crate::serve::admin::Readiness;
use crate::serve::journal::Journal;
use crate::serve::journal::JournalError;
use crate::serve::milter;
use crate::serve::site::Reinjection;
use crate::serve::site::Settings;
use crate::serve::site::Site;
use crate::serve::site::seconds_now;
use crate::serve::spool::Spool;
use crate::serve::stream::ListenError;
use crate::serve::stream::Listener;
use crate::serve::stream::Stream;
use crate::serve::submission;
use crate::serve::submission::StartTls;
use crate::serve::submission::TargetError;
use crate::serve::submission::Timeouts;
use crate::telemetry::counted::counted;
use crate::telemetry::labels::Front;
use crate::telemetry::labels::Limit;
use crate::telemetry::labels::ReloadResult;
use crate::telemetry::logging;
use crate::telemetry::logging::chain;
use crate::telemetry::metrics::Metrics;

/// How long messages at hand may take when the service ends: systemd waits 90 s by default
/// (`TimeoutStopSec`).
const DRAIN: Duration = Duration::from_secs(60);
/// How long nothing is accepted after the system had no more of what a connection needs.
const BREATH: Duration = Duration::from_millis(200);

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
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A milter socket cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The log is another's.
    #[error(transparent)]
    Log(#[from] logging::LogError),
    /// Metrics of the same names are there.
    #[error("the metrics could not be registered")]
    Metrics(#[source] prometheus::Error),
    /// Nothing to say in EHLO.
    #[error("authserv_id is no domain and domains is empty: [reinject] needs a name for this host")]
    Name,
    /// The address of a socket cannot be told.
    #[error("the address of a socket cannot be told")]
    Socket(#[from] io::Error),
    /// `[reinject] to` is no address.
    #[error("[reinject] to")]
    Reinject(#[source] TargetError),
    /// The system refuses.
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

/// A service that has its sockets and is ready to run.
#[derive(Debug)]
pub struct Service {
    path: PathBuf,
    site: Arc<Site>,
    milters: Vec<(Listener, Option<Direction>)>,
    admins: Vec<TcpListener>,
    admin: Admin,
}

impl Service {
    /// Reads the configuration at `path`, opens all that it names, and binds its sockets.
    pub async fn start(path: &Path) -> Result<Self, ServiceError> {
        Self::of(Config::read(path)?, path).await
    }

    /// The same for a configuration that was read from `path`, which is read again at SIGHUP.
    pub async fn of(config: Config, path: &Path) -> Result<Self, ServiceError> {
        let gateway = build::gateway(&config)?;
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).map_err(ServiceError::Metrics)?;
        metrics.own_certificates(&gateway.roles);
        let gateway = counted(gateway, &metrics);
        let mut milters = Vec::new();
        for listener in &config.listen.milter {
            let listener = placed(&config, listener);
            milters.push((Listener::bind(&listener).await?, listener.direction));
        }
        let mut admins = Vec::new();
        for address in &config.listen.admin {
            let bound = TcpListener::bind(address).await;
            admins.push(bound.map_err(|error| ServiceError::Admin(*address, error))?);
        }
        let settings = settings(&config)?;
        let directory = config.spool.directory.as_deref();
        let spool = SpoolSettings {
            directory: directory.map(|path| config.path(path)),
            ..config.spool.clone()
        };
        let spool = Spool::new(&spool, Some(metrics.clone()));
        Ok(Self {
            path: path.to_owned(),
            site: Arc::new(Site::new(gateway, settings, spool, metrics)),
            milters,
            admins,
            admin: Admin::new(registry, Readiness::default()),
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
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (path, site) = (self.path.clone(), Arc::clone(&self.site));
        notify("READY=1");
        tracing::info!(config = %path.display(), "ready");
        let told = async {
            tokio::select! {
                () = shutdown => {}
                () = reload_on_signal(&path, &site) => {}
            }
            notify("STOPPING=1");
            tracing::info!("stopping: messages at hand are ended first");
        };
        self.run_quietly(told).await;
    }

    /// Serves until `shutdown` is ready, within a process that is somebody else's.
    pub async fn run_quietly(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let places = Arc::new(Semaphore::new(self.site.limits.connections));
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
        let drained = timeout(DRAIN, async { while tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(
                "messages at hand took more than {} s: the MTA has them still, and defers",
                DRAIN.as_secs()
            );
        }
    }
}

/// Runs the service of the configuration at `path` until SIGTERM or SIGINT.
pub fn run(path: &Path) -> Result<(), ServiceError> {
    let config = Config::read(path)?;
    begin_log(&config)?;
    let runtime = runtime()?;
    let ran = runtime.block_on(async {
        let service = Service::of(config, path).await?;
        service.count_panics();
        service.run(told_to_stop()).await;
        Ok(())
    });
    // Work that took more than its time, and more than that to drain, has a thread still: dropping the
    // runtime would wait for it.
    runtime.shutdown_background();
    ran
}

/// Begins the log of the process as `config` has it.
pub fn begin_log(config: &Config) -> Result<(), ServiceError> {
    let format = match config.log.format {
        LogFormat::Json => logging::LogFormat::Json,
        LogFormat::Text => logging::LogFormat::Text,
    };
    let level = if config.log.debug {
        tracing::Level::DEBUG
    } else {
        tracing::Level::INFO
    };
    Ok(logging::init(format, level)?)
}

/// The runtime of a service.
pub fn runtime() -> Result<tokio::runtime::Runtime, ServiceError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServiceError::Runtime)
}

/// Ready when the process is told to stop.
pub async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received; only SIGKILL ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
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
                self.site.limits.connections
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
async fn reload_on_signal(path: &Path, site: &Site) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be received; restart to read the configuration anew");
        return std::future::pending().await;
    };
    while hangup.recv().await.is_some() {
        reload(path, site);
    }
    std::future::pending().await
}

fn reload(path: &Path, site: &Site) {
    let built = Config::read(path)
        .map_err(ServiceError::from)
        .and_then(|config| Ok(build::gateway(&config)?));
    match built {
        Ok(gateway) => {
            site.metrics.own_certificates(&gateway.roles);
            site.replace_gateway(counted(gateway, &site.metrics));
            site.metrics.config_reloaded(ReloadResult::Accepted);
            tracing::info!(
                "policy, trust and keys were read anew; sockets and limits stay until a restart"
            );
        }
        Err(error) => {
            site.metrics.config_reloaded(ReloadResult::Refused);
            tracing::error!(
                error = chain(&error),
                "the new configuration is refused, and the old one holds"
            );
        }
    }
}

/// A unix socket's path, relative to the configuration.
fn placed(config: &Config, listener: &MilterListener) -> MilterListener {
    let socket = match &listener.socket {
        Socket::Tcp(address) => Socket::Tcp(*address),
        Socket::Unix(path) => Socket::Unix(config.path(path)),
    };
    MilterListener {
        socket,
        ..listener.clone()
    }
}

fn settings(config: &Config) -> Result<Settings, ServiceError> {
    let reinject = match &config.reinject.to {
        None => None,
        Some(to) => Some(Reinjection {
            target: to.parse().map_err(ServiceError::Reinject)?,
            settings: submission::Settings {
                name: name(config)?,
                // On the same host, by its definition; elsewhere a tunnel.
                start_tls: StartTls::Never,
                timeouts: Timeouts::default(),
            },
            journal: Journal::open(&config.path(&config.reinject.journal), seconds_now())?,
        }),
    };
    Ok(Settings {
        limits: config.limits.clone(),
        idle_timeout: config.listen.idle_timeout,
        networks: config.trust.networks.clone(),
        reinject,
        logs_addresses: config.log.addresses,
    })
}

/// Who we say we are in EHLO.
fn name(config: &Config) -> Result<Domain, ServiceError> {
    let own = config.authserv_id.as_str().parse().ok();
    let first = || config.domains.first().cloned();
    own.or_else(first).ok_or(ServiceError::Name)
}

/// Tells systemd, where it has started us (sd_notify(3)).
fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let told = UnixDatagram::unbound().and_then(|socket| socket.send_to(state.as_bytes(), path));
    if let Err(error) = told {
        tracing::warn!(error = chain(&error), state, "systemd could not be told");
    }
}
