//! How large a message the server of `[reinject]` takes, so that what has grown too large is refused before
//! anything goes out: it is the MTA that keeps the other editions, too.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::site::Reinjection;
use super::site::Site;
use super::submission::greet;
use crate::smtp::SubmissionError;
use crate::smtp::extensions::Extensions;
use crate::smtp::extensions::Size;
use crate::telemetry::logging::chain;

/// How long what it has said is believed: somebody may give it another limit.
const AGAIN: Duration = Duration::from_secs(3600);
/// How long a server that did not answer is left alone: after a start of the host it may come up after us.
const PAUSE: Duration = Duration::from_secs(60);

/// What a server takes, as far as it has said.
#[derive(Debug, Default)]
pub struct Takes {
    /// 0 where it has not said, or there is no bound.
    octets: AtomicU64,
}

impl Takes {
    /// Octets of the largest message (RFC 1870), where the server has said.
    #[must_use]
    pub fn octets(&self) -> Option<u64> {
        let octets = self.octets.load(Ordering::Relaxed);
        (octets > 0).then_some(octets)
    }

    fn learn(&self, offered: &Extensions) {
        let octets = match offered.size {
            Some(Size::Fixed(octets)) => octets,
            Some(Size::Unstated) | None => 0,
        };
        self.octets.store(octets, Ordering::Relaxed);
    }
}

/// Asks the server of `[reinject]`, where there is one, now and then; ends with whoever waits for it.
pub async fn watch(site: Arc<Site>) {
    let Some(reinjection) = &site.settings.reinject else {
        return;
    };
    let mut is_told = false;
    loop {
        match asked(reinjection).await {
            Ok(()) => {
                is_told = false;
                sleep(AGAIN).await;
            }
            Err(error) => {
                if !is_told {
                    tracing::warn!(
                        error = chain(&error),
                        "the server of [reinject] to does not say what it takes: messages that need several \
                         editions are deferred as long as it does not answer"
                    );
                }
                is_told = true;
                sleep(PAUSE).await;
            }
        }
    }
}

async fn asked(reinjection: &Reinjection) -> Result<(), SubmissionError> {
    let offered = greet(&reinjection.target, &reinjection.settings).await?;
    reinjection.takes.learn(&offered);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_does_not_say_is_no_bound() {
        let takes = Takes::default();
        assert_eq!(takes.octets(), None);
        for (size, octets) in [
            (Some(Size::Fixed(10_240_000)), Some(10_240_000)),
            (Some(Size::Unstated), None),
            (Some(Size::Fixed(1)), Some(1)),
            (None, None),
        ] {
            let offered = Extensions {
                size,
                ..Extensions::default()
            };
            takes.learn(&offered);
            assert_eq!(takes.octets(), octets);
        }
    }
}
