//! Messages on some connections for some time, and what a message took.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::client::Address;
use crate::client::Connection;
use crate::message::Change;
use crate::message::Message;
use crate::server::Server;

/// What is sent, how, and what must come of it.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) message: &'a Message,
    pub(crate) change: Change,
    /// At one time.
    pub(crate) connections: usize,
    /// Messages on a connection before the next one is opened.
    pub(crate) each: usize,
}

/// What a round came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) messages_a_second: f64,
    pub(crate) processor_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Round {
    /// Each figure of the round in which it was best: what is worse was disturbed.
    pub(crate) fn best(self, other: Self) -> Self {
        Self {
            messages_a_second: self.messages_a_second.max(other.messages_a_second),
            processor_ms: self.processor_ms.min(other.processor_ms),
            p50_ms: self.p50_ms.min(other.p50_ms),
            p99_ms: self.p99_ms.min(other.p99_ms),
        }
    }
}

/// Sends messages for `time`, on every connection one at least.
pub(crate) fn round(server: &Server, address: &Address, load: Load<'_>, time: Duration) -> Round {
    let processor = server.processor_seconds();
    let begun = now();
    let stop = AtomicBool::new(false);
    let mut waits: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections)
            .map(|_| scope.spawn(|| sent(address, load, &stop)))
            .collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let sent = |thread: thread::ScopedJoinHandle<'_, io::Result<Vec<Duration>>>| {
            let sent = thread.join().expect("a thread that does not panic");
            sent.unwrap_or_else(|error| panic!("{error}\n{}", server.log()))
        };
        threads.into_iter().flat_map(sent).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let messages = f64::from(u32::try_from(waits.len()).expect("fewer messages"));
    waits.sort_unstable();
    let quantile = |percent: usize| {
        let wait = waits.get(waits.len().saturating_sub(1) * percent / 100);
        wait.map_or(f64::NAN, Duration::as_secs_f64) * 1e3
    };
    Round {
        messages_a_second: messages / seconds,
        processor_ms: (server.processor_seconds() - processor) * 1e3 / messages,
        p50_ms: quantile(50),
        p99_ms: quantile(99),
    }
}

/// How long each message took, its connection included where it is the first on it.
fn sent(address: &Address, load: Load<'_>, stop: &AtomicBool) -> io::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while waits.is_empty() || !stop.load(Ordering::Relaxed) {
        let mut begun = now();
        let mut connection = Connection::open(address)?;
        for _ in 0..load.each {
            send(&mut connection, load)?;
            let ended = now();
            waits.push(ended - begun);
            begun = ended;
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        connection.quit()?;
    }
    Ok(waits)
}

/// One message, whose answer is looked at.
pub(crate) fn send(connection: &mut Connection, load: Load<'_>) -> io::Result<()> {
    let answer = connection.send(load.message)?;
    match answer.missing(load.message, load.change) {
        None => Ok(()),
        Some(what) => Err(io::Error::other(format!(
            "the answer does not bring {what}"
        ))),
    }
}

#[expect(clippy::disallowed_methods, reason = "measures")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
