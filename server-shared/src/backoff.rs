//! Growing pauses between attempts that fail.

use std::time::Duration;

use uuid::Uuid;

/// Pauses that double with each failure in a row, from the first up to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the same pauses up to another longest one.
    #[must_use]
    pub const fn up_to(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Returns the pause after so many failures in a row. Half of it is random, so that callers that failed together do
    /// not try again together.
    pub fn after(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        // A random UUID spares a dependency on a random number generator.
        let random = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        full.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_doubled_by_each_failure_up_to_the_longest(failures: u32, first in 1..10_000_u64, most in 1..100_u64) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(first * most));
            let doublings = failures.saturating_sub(1).min(7);
            let full = (first * 2_u32.pow(doublings)).min(longest);
            let pause = Backoff::new(first, longest).after(failures);
            prop_assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
    }

    #[test]
    fn what_failed_together_does_not_come_back_together() {
        let backoff = Backoff::new(Duration::from_hours(1), Duration::from_hours(1));
        let pauses: std::collections::BTreeSet<Duration> = (0..8).map(|_| backoff.after(1)).collect();
        assert!(pauses.len() > 1, "{pauses:?}");
    }
}
