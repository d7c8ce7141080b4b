//! The generic cell rate algorithm, written as a debt: each request adds an interval to what its
//! caller owes, time pays it off, and no caller may owe more than a period's worth.
//!
//! The script that runs in Redis does the same sums with the same numbers; see [`super::shared`].

use std::time::Duration;

/// Class of requests, and the budget of a caller for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    class: &'static str,
    limit: u32,
    /// Microseconds that one request adds to its caller's debt.
    interval: u64,
}

impl Policy {
    /// Allows `limit` requests in each `period`, at once or spread out. Zero counts as one for both.
    pub fn new(class: &'static str, limit: u32, period: Duration) -> Self {
        let limit = limit.max(1);
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        Self { class, limit, interval: (period / u64::from(limit)).max(1) }
    }

    /// Returns the policy with `scale` times the requests in the same period; at most one a microsecond.
    #[must_use]
    pub fn scaled(self, scale: u32) -> Self {
        let period = self.capacity();
        let most = u32::try_from(period).unwrap_or(u32::MAX);
        let limit = self.limit.saturating_mul(scale).clamp(1, most);
        Self { limit, interval: period / u64::from(limit), ..self }
    }

    /// Returns the name of the class in metrics and in Redis.
    pub fn class(&self) -> &'static str {
        self.class
    }

    pub(super) fn interval(&self) -> u64 {
        self.interval
    }

    /// Returns the largest debt, in microseconds.
    pub(super) fn capacity(&self) -> u64 {
        self.interval * u64::from(self.limit)
    }

    /// Returns true if a caller with this debt may make one more request.
    pub(super) fn fits(&self, debt: u64) -> bool {
        debt + self.interval <= self.capacity()
    }

    /// Returns true if so little is left that requests admitted by other processes meanwhile may use it up.
    pub(super) fn scarce(&self, debt: u64) -> bool {
        self.remaining(debt) <= self.reserve()
    }

    /// Returns the number of requests that a process may admit before Redis confirms them. It bounds by how much a
    /// process can exceed the limit, however slow Redis answers.
    pub(super) fn untold(&self) -> u64 {
        u64::from(self.reserve() / 4)
    }

    fn reserve(&self) -> u32 {
        (self.limit / 10).max(10)
    }

    fn remaining(&self, debt: u64) -> u32 {
        u32::try_from(self.capacity().saturating_sub(debt) / self.interval).unwrap_or(u32::MAX)
    }

    /// Makes the verdict for a caller with this debt after its request was admitted or refused.
    pub(super) fn verdict(&self, debt: u64, admitted: bool) -> Verdict {
        let wait = if admitted { 0 } else { (debt + self.interval).saturating_sub(self.capacity()).max(1) };
        Verdict {
            admitted,
            class: self.class,
            limit: self.limit,
            remaining: if admitted { self.remaining(debt) } else { 0 },
            reset: Duration::from_micros(debt),
            retry_after: Duration::from_micros(wait),
        }
    }
}

/// Decision on a request, and the budget that is left for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// `true` if the request was admitted.
    pub admitted: bool,
    /// The class it was counted in.
    pub class: &'static str,
    /// Number of requests in the whole budget.
    pub limit: u32,
    /// Number of requests that the budget still allows now.
    pub remaining: u32,
    /// Time until the whole budget is available again.
    pub reset: Duration,
    /// Time until the next request is admitted; zero after an admitted one.
    pub retry_after: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_whole_budget_at_once_then_one_an_interval() {
        let policy = Policy::new("read", 600, MINUTE);
        let mut debt = 0;
        for left in (0..600).rev() {
            assert!(policy.fits(debt));
            debt += policy.interval();
            assert_eq!(policy.verdict(debt, true).remaining, left);
        }
        let refused = policy.verdict(debt, policy.fits(debt));
        assert_eq!((refused.admitted, refused.retry_after), (false, Duration::from_millis(100)));
        assert_eq!(refused.reset, MINUTE);
        assert!(policy.fits(debt - policy.interval()), "an interval later there is room for one");
    }

    #[test]
    fn scales_keep_the_period() {
        let policy = Policy::new("write", 120, MINUTE).scaled(10_000);
        assert_eq!((policy.limit, policy.interval()), (1_200_000, 50));
        let widest = policy.scaled(u32::MAX);
        assert_eq!((widest.limit, widest.interval()), (60_000_000, 1));
        assert_eq!(policy.scaled(0).limit, 1, "no scale closes the service");
    }

    proptest! {
        /// In any period of time, no more requests are admitted than the budget and the part of it that came back.
        #[test]
        fn no_stretch_sees_more_than_its_share(
            limit in 1_u32..50,
            gaps in proptest::collection::vec(0_u64..3_000_000, 1..300),
        ) {
            let policy = Policy::new("any", limit, MINUTE);
            let (mut now, mut until) = (0_u64, 0_u64);
            let mut admitted: Vec<u64> = Vec::new();
            for gap in gaps {
                now += gap;
                let debt = until.saturating_sub(now);
                if policy.fits(debt) {
                    until = now + debt + policy.interval();
                    admitted.push(now);
                } else {
                    let wait = policy.verdict(debt, false).retry_after;
                    let then = now + u64::try_from(wait.as_micros()).unwrap();
                    prop_assert!(policy.fits(until.saturating_sub(then)), "who waits as told is admitted");
                    prop_assert!(!policy.fits(until.saturating_sub(then - 1)), "and need not have waited less");
                }
            }
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let count = u64::try_from(last - first + 1).unwrap();
                    prop_assert!(count <= u64::from(limit) + (to - from) / policy.interval());
                }
            }
        }
    }
}
