//! The connections to one directory that are kept for the next search.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::connection::Bind;
use super::connection::Connection;
use super::connection::Entries;
use super::connection::Failure;
use super::connection::Server;
use super::connection::Step;
use super::filter::Filter;

/// Connections to one directory at once. A search takes milliseconds; servers count them.
const MOST_CONNECTIONS: usize = 4;

/// How long an unused connection is kept. OpenLDAP and Active Directory keep them for minutes, firewalls for less.
const IDLE: Duration = Duration::from_secs(30);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Connections to one directory.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    free: Semaphore,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            free: Semaphore::const_new(MOST_CONNECTIONS),
        }
    }

    /// Searches on a kept connection, or a new one. One that turns out to be dead is replaced once.
    pub(super) async fn search<'s>(
        self: &Arc<Self>,
        (dial, server, bind): (
            impl Future<Output = Result<TcpStream, Failure>>,
            &Server,
            Option<&Bind>,
        ),
        search: (&'s str, &'s Filter),
        most_values: usize,
        deadline: Instant,
    ) -> Result<Entries, Failure> {
        let free = timeout_at(deadline, self.free.acquire()).await;
        // It is never closed.
        let Ok(Ok(_turn)) = free else {
            return Err(Failure::TimedOut(Step::Wait));
        };
        if let Some(connection) = self.take() {
            // One that a firewall has forgotten says nothing at all: half of the time is left for a new one.
            let left = deadline.saturating_duration_since(Instant::now());
            let first = deadline - left / 2;
            let found = self.search_on(connection, search, most_values, first).await;
            match found {
                Err(failure) if failure.is_of_a_dead_connection() => {}
                answered => return answered,
            }
        }
        let stream = dial.await?;
        let connection = Connection::open(stream, (server, bind), deadline).await?;
        self.search_on(connection, search, most_values, deadline)
            .await
    }

    async fn search_on(
        self: &Arc<Self>,
        mut connection: Connection,
        search: (&str, &Filter),
        most_values: usize,
        deadline: Instant,
    ) -> Result<Entries, Failure> {
        let found = connection.search(search, most_values, deadline).await;
        if connection.is_in_step() {
            self.keep(connection);
        }
        found
    }

    /// The one that was used last: the others may go idle.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let last = idle.pop()?;
        (last.since.elapsed() < IDLE).then_some(last.connection)
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        let since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { connection, since });
        drop(idle);
        // Whoever forgets the pool forgets its connections with it.
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(since + IDLE).await;
            if let Some(pool) = pool.upgrade() {
                pool.drop_idle().await;
            }
        });
    }

    /// Ends those that nobody has used for long.
    async fn drop_idle(&self) {
        let mut over = Vec::new();
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let (used, unused): (Vec<Idle>, Vec<Idle>) = std::mem::take(&mut *idle)
                .into_iter()
                .partition(|one| one.since.elapsed() < IDLE);
            *idle = used;
            over.extend(unused);
        }
        for one in over {
            one.connection.close(Instant::now() + FAREWELL).await;
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.lock().unwrap().len()
    }
}
