//! How long answers of sources count.

use std::time::Duration;

use super::rest::Pace;

/// Our clock may be set back by so many seconds; what was noted from further ahead counts no more.
pub(super) const CLOCK: i64 = 300;

/// How long an answer counts: its own lifetime within bounds, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    least: u64,
    most: u64,
    /// Where the source does not say.
    default: u64,
}

/// A day, so that a certificate that was withdrawn is not used for longer; five minutes, so that a message to many
/// recipients, and its next attempt, asks once.
pub(super) const FOUND: Lifetime = Lifetime {
    least: 300,
    most: 24 * 3600,
    default: 3600,
};
/// An hour (RFC 2308 §5 lets negative answers live for one to three), so that who begins to publish is found soon.
pub(super) const ABSENT: Lifetime = Lifetime {
    least: 300,
    most: 3600,
    default: 600,
};
/// How long *unavailable* counts where nobody says otherwise: a minute, since MTAs offer a deferred message again after
/// some (Postfix after 300 s at the least).
pub const RETRY: Duration = Duration::from_secs(60);

impl Lifetime {
    /// That of *unavailable*.
    pub(super) fn of_failure(pace: Pace) -> Self {
        let [retry, longest] =
            [pace.retry, pace.longest()].map(|time| u64::try_from(time).unwrap_or(0));
        Self {
            least: retry,
            most: longest,
            default: retry,
        }
    }

    /// In seconds.
    pub(super) fn of(self, own: Option<Duration>) -> i64 {
        let own = own.map_or(self.default, |own| own.as_secs());
        seconds(own.clamp(self.least, self.most))
    }
}

pub(super) fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
