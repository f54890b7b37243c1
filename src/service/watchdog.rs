//! Proof of life for systemd: told only while the gateway could still work on a message.
//!
//! A gateway that hangs must fall silent, so each time a task and a blocking thread are asked for, as a
//! message would, and whether any turn to work is left that is not lost to work that never ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;

use crate::serve::site::Site;

/// Calls `tell` twice within `time`, as long as there is life. Never ends.
pub(super) async fn watch(site: Arc<Site>, time: Duration, tell: impl Fn()) {
    let mut ticks = interval(time / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // With what the tick took, a proof that comes is told within three quarters of the time.
        match life(&site, time / 4).await {
            Ok(()) => tell(),
            Err(reason) => tracing::error!(
                "{reason}: systemd is not told that domsec lives, and starts it anew after {} s \
                 (WatchdogSec)",
                time.as_secs_f32()
            ),
        }
    }
}

/// Whether a message would be worked on; else why not.
async fn life(site: &Site, time: Duration) -> Result<(), &'static str> {
    if site.is_stuck() {
        return Err("every turn to work is held by work that is past its time ([limits] work)");
    }
    let task = tokio::spawn(async { spawn_blocking(|| ()).await.is_ok() });
    match timeout(time, task).await {
        Ok(Ok(true)) => Ok(()),
        Ok(_) => Err("a task has failed that does nothing"),
        Err(_) => Err("no thread was free for work that does nothing"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;

    use tokio::runtime::Builder;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::serve::site::tests::site;

    fn one_of_each() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(1);
        builder.enable_all().build().unwrap()
    }

    #[test]
    fn a_gateway_whose_threads_are_taken_is_not_alive() {
        let runtime = one_of_each();
        let site = site();
        let short = Duration::from_millis(50);
        let long = Duration::from_secs(60);
        runtime.block_on(async {
            life(&site, long).await.unwrap();
            let (end, ended) = mpsc::channel::<()>();
            let taken = spawn_blocking(move || ended.recv());
            let reason = life(&site, short).await.unwrap_err();
            assert!(reason.starts_with("no thread"), "{reason}");
            drop(end);
            let _ended = taken.await.unwrap();
            life(&site, long).await.unwrap();
        });
    }

    #[test]
    fn systemd_is_told_again_and_again_and_not_while_there_is_no_life() {
        let runtime = one_of_each();
        let told = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&told);
        let count = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        runtime.spawn(watch(site(), Duration::from_millis(40), count));
        let more_than = |least: usize| {
            while told.load(Ordering::SeqCst) <= least {
                std::thread::yield_now();
            }
        };
        more_than(3);
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || {
            begin.send(()).unwrap();
            ended.recv()
        });
        begun.recv().unwrap();
        let before = told.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(200));
        // One proof may have been on its way; ten more would be told by one who lives.
        assert!(told.load(Ordering::SeqCst) <= before + 1);
        drop(end);
        more_than(before);
        runtime.shutdown_background();
    }
}
