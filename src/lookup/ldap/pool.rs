//! The connections to one directory, and which of them a search goes by.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::net::TcpStream;
use tokio::net::lookup_host;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::timeout_at;

use super::connection::Failure;
use super::connection::Opening;
use super::connection::Server;
use super::connection::Step;
use super::link::Link;
use super::link::Place;
use super::link::Try;
use super::underway::Entries;
use super::underway::Search;
use super::url::Host;
use super::url::LdapUrl;
use crate::lookup::share::share;

/// Connections that searches share: with a hundred searches on each, all 1,000 recipients of a message are asked for at
/// once. One is used as long as it has room: most of the time it is the only one.
const MOST_SHARED: usize = 10;

/// Connections for searches that are answered in pages: a server may keep the place of one page on each (RFC 2696 §3).
const MOST_PAGED: usize = 2;

/// Connections to one directory.
#[derive(Debug)]
pub(super) struct Pool {
    url: LdapUrl,
    server: Arc<Server>,
    links: Mutex<Vec<Link>>,
    /// Told whenever a search leaves one, and when one ends.
    room: Arc<Notify>,
    paged: Semaphore,
}

impl Pool {
    pub(super) fn new(url: LdapUrl, server: Server) -> Self {
        Self {
            url,
            server: Arc::new(server),
            links: Mutex::default(),
            room: Arc::default(),
            paged: Semaphore::const_new(MOST_PAGED),
        }
    }

    /// Where it is.
    pub(super) const fn url(&self) -> &LdapUrl {
        &self.url
    }

    /// Searches beside others; where the server does not give all at once, page by page on a connection of its own.
    pub(super) async fn search(&self, search: &Search) -> Result<Entries, Arc<Failure>> {
        match self.search_shared(search).await {
            Err(failure) if failure.is_bound_of_server() => self.search_paged(search).await,
            answered => answered,
        }
    }

    /// Where the connection is lost, or may have been dead before, the search is asked once more on another one: it changes
    /// nothing in the directory. Never twice, since it may be what ends each of them.
    async fn search_shared(&self, search: &Search) -> Result<Entries, Arc<Failure>> {
        let (link, place) = self.join(search.deadline).await?;
        let since = place.since();
        let ended = match link.search(search.clone(), place, Try::First).await {
            Ok(found) => return Ok(found),
            Err(ended) => ended,
        };
        if !ended.again || Instant::now() >= search.deadline {
            return Err(ended.failure);
        }
        // What has happened to one may have happened to all: a firewall was started anew, say.
        for link in self.links().iter() {
            link.retire_unless_heard(since);
        }
        let (link, place) = self.join(search.deadline).await?;
        let found = link.search(search.clone(), place, Try::Last).await;
        found.map_err(|ended| ended.failure)
    }

    async fn search_paged(&self, search: &Search) -> Result<Entries, Arc<Failure>> {
        let Ok(Ok(_turn)) = timeout_at(search.deadline, self.paged.acquire()).await else {
            return Err(Arc::new(Failure::TimedOut(Step::Wait)));
        };
        let link = self.dial(Arc::default(), search.deadline);
        let search = Search {
            paged: true,
            ..search.clone()
        };
        link.search_alone(search).await
    }

    /// A place on a connection, as soon as there is one.
    async fn join(&self, deadline: Instant) -> Result<(Link, Place), Arc<Failure>> {
        loop {
            if let Some(joined) = self.try_join(deadline) {
                // One word may stand for several places: whoever waits next looks, too.
                self.room.notify_one();
                return Ok(joined);
            }
            let room = timeout_at(deadline, self.room.notified()).await;
            room.map_err(|_| Arc::new(Failure::TimedOut(Step::Wait)))?;
        }
    }

    fn try_join(&self, deadline: Instant) -> Option<(Link, Place)> {
        let mut links = self.links();
        links.retain(|link| !link.is_gone());
        let with_room = links
            .iter()
            .find_map(|link| Some((link.clone(), link.place(deadline)?)));
        if with_room.is_some() || links.len() >= MOST_SHARED {
            return with_room;
        }
        let link = self.dial(Arc::clone(&self.room), deadline);
        let place = link.place(deadline)?;
        links.push(link.clone());
        Some((link, place))
    }

    /// Begins a connection, for somebody who waits until `deadline`.
    fn dial(&self, room: Arc<Notify>, deadline: Instant) -> Link {
        let url = self.url.clone();
        let dial = |opening| connect(url, opening);
        Link::open(dial, Arc::clone(&self.server), room, deadline)
    }

    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections take searches.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        let links = self.links();
        let now = Instant::now();
        links
            .iter()
            .filter(|link| link.place(now).is_some())
            .count()
    }
}

/// Connects to a configured directory, whose addresses are tried one after another.
async fn connect(url: LdapUrl, opening: Arc<Opening>) -> Result<TcpStream, Failure> {
    let failed = |source| Failure::Connect {
        server: url.to_string(),
        source,
    };
    let addresses: Vec<SocketAddr> = match &url.host {
        Host::Address(address) => vec![(*address, url.port).into()],
        Host::Name(name) => {
            let resolving = lookup_host((name.as_str(), url.port));
            let resolved = opening.within(Step::Resolve, resolving).await?;
            resolved.map_err(failed)?.collect()
        }
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let number = addresses.len();
    for (index, address) in addresses.into_iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let connected = match number - index {
            // The last one has all the time there is, also that of who begins to wait meanwhile.
            1 => opening.within(Step::Connect, connecting).await.ok(),
            left => timeout_at(share(opening.until(), left), connecting)
                .await
                .ok(),
        };
        match connected {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed(last))
}

#[cfg(test)]
mod tests;
