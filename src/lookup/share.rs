//! Time that several have who are asked one after another.

use tokio::time::Instant;

/// Until when the first of `of` has time that all of them have until `until`: none takes that of those after it, and the
/// last has all that is left.
pub(super) fn share(until: Instant, of: usize) -> Instant {
    let now = Instant::now();
    let of = u32::try_from(of).unwrap_or(u32::MAX).max(1);
    now + until.saturating_duration_since(now) / of
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_has_as_much_as_those_after_it_and_the_last_all_that_is_left() {
        let before = Instant::now();
        let until = before + Duration::from_secs(12);
        let half = share(until, 2);
        assert!(half >= before + Duration::from_secs(6));
        assert!(half < until);
        assert!(share(until, 3) < half);
        assert_eq!(share(until, 1), until);
        assert_eq!(share(until, 0), until);
        // What is over gives nothing, and nothing of the past.
        assert!(share(before, 2) >= before);
    }
}
