//! Budget of one caller, as known to this process.

use super::Policy;

/// Time for which an answer of Redis about the other processes is used, in microseconds.
const FRESH: u64 = 1_000_000;

/// Era of a bucket of which it is unknown what Redis has counted.
const NEVER: u64 = u64::MAX;

/// One caller in one class. Times are microseconds since the limiter was made.
#[derive(Debug)]
pub(super) struct Bucket {
    policy: Policy,
    /// Time at which the debt is paid off; never later than the debt of all processes together.
    until: u64,
    /// Requests admitted here and not reported to Redis yet.
    pending: u64,
    /// Requests reported to Redis, which has not answered yet.
    unanswered: u64,
    /// Time of the last answer of Redis about all processes.
    learnt: Option<u64>,
    /// Era of the connection to Redis that got the last report, or [`NEVER`].
    era: u64,
    /// `true` if it is on the list of buckets to report to Redis.
    listed: bool,
}

/// Report of a bucket to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// Least debt, for a Redis that may have lost its memory.
    pub(super) known: u64,
    /// Requests admitted since the last report.
    pub(super) counted: u64,
    /// Number of admitted requests that the report covers; it is not sent.
    pub(super) told: u64,
}

impl Bucket {
    pub(super) fn new(policy: Policy, era: u64) -> Self {
        Self { policy, until: 0, pending: 0, unanswered: 0, learnt: None, era, listed: false }
    }

    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    pub(super) fn debt(&self, now: u64) -> u64 {
        self.until.saturating_sub(now)
    }

    /// Returns true if the next request may only be admitted after an answer of Redis.
    pub(super) fn unsure(&self, now: u64) -> bool {
        self.policy.scarce(self.debt(now))
            || self.pending + self.unanswered >= self.policy.untold()
            || self.learnt.is_none_or(|learnt| now.saturating_sub(learnt) > FRESH)
    }

    /// Adds a request to the debt.
    pub(super) fn charge(&mut self, now: u64) {
        self.until = self.until.max(now) + self.policy.interval();
    }

    /// Takes back what [`Bucket::charge`] added.
    pub(super) fn refund(&mut self) {
        self.until = self.until.saturating_sub(self.policy.interval());
    }

    /// Notes that a charge has to be reported to Redis. Returns true if the bucket has to be put on the list for that.
    pub(super) fn owe_report(&mut self) -> bool {
        self.pending += 1;
        !std::mem::replace(&mut self.listed, true)
    }

    /// Notes that the bucket was taken off the list.
    pub(super) fn unlist(&mut self) {
        self.listed = false;
    }

    /// Makes the next report. On a new connection it is the whole debt, because Redis may have lost its memory and
    /// time has paid off a part of what was counted meanwhile; otherwise it is the requests since the last report.
    pub(super) fn report(&mut self, now: u64, era: u64) -> Report {
        let counted = std::mem::take(&mut self.pending);
        self.unanswered += counted;
        if std::mem::replace(&mut self.era, era) == era {
            return Report { known: 0, counted, told: counted };
        }
        Report { known: self.debt(now), counted: 0, told: counted }
    }

    /// Ends a report, answered or lost. After a lost one, the next report is the whole debt.
    pub(super) fn settle(&mut self, report: Report) {
        self.unanswered = self.unanswered.saturating_sub(report.told);
    }

    /// Makes the next report the whole debt, because it is unknown whether Redis got the last one.
    pub(super) fn forget_era(&mut self) {
        self.era = NEVER;
    }

    /// Returns the number of admitted requests in reports that are not answered yet.
    #[cfg(test)]
    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Takes over the debt that Redis answered to a question asked at `asked`. The answer is a little older than
    /// `now`, at most as old as the question; charges since then are added.
    pub(super) fn learn(&mut self, debt: u64, asked: u64, now: u64) {
        let at_least = (debt + self.pending * self.policy.interval()).saturating_sub(now - asked);
        self.until = self.until.max(now + at_least);
        self.learnt = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn bucket() -> Bucket {
        Bucket::new(Policy::new("read", 600, Duration::from_mins(1)), 0)
    }

    #[test]
    fn a_stranger_and_somebody_not_heard_of_for_a_second_need_the_others_word() {
        let mut bucket = bucket();
        assert!(bucket.unsure(0));
        bucket.learn(0, 5, 10);
        assert!(!bucket.unsure(10 + FRESH));
        assert!(bucket.unsure(11 + FRESH));
    }

    #[test]
    fn the_last_tenth_needs_the_others_word() {
        let mut bucket = bucket();
        bucket.learn(0, 0, 0);
        for _ in 0..539 {
            bucket.charge(0);
        }
        assert!(!bucket.unsure(0));
        bucket.charge(0);
        assert!(bucket.unsure(0));
    }

    #[test]
    fn what_redis_has_not_confirmed_is_bounded() {
        let mut bucket = bucket();
        bucket.learn(0, 0, 0);
        let most = bucket.policy.untold();
        assert_eq!(most, 15);
        for _ in 0..most {
            assert!(!bucket.unsure(0));
            bucket.charge(0);
            bucket.owe_report();
        }
        assert!(bucket.unsure(0));
        let report = bucket.report(0, 0);
        assert!(bucket.unsure(0), "told is not heard");
        bucket.settle(report);
        assert!(!bucket.unsure(0));
    }

    #[test]
    fn after_a_loss_redis_hears_of_the_whole_debt_once() {
        let mut bucket = bucket();
        for _ in 0..3 {
            bucket.charge(0);
            bucket.owe_report();
        }
        assert_eq!(bucket.report(0, 0), Report { known: 0, counted: 3, told: 3 });
        bucket.charge(0);
        bucket.owe_report();
        assert_eq!(
            bucket.report(100_000, 1),
            Report { known: 300_000, counted: 0, told: 1 },
            "one of four is paid off"
        );
        assert_eq!(bucket.report(100_000, 1), Report { known: 0, counted: 0, told: 0 });
    }

    #[test]
    fn a_bucket_born_in_an_outage_reports_what_is_not_paid_off() {
        let mut bucket = Bucket::new(Policy::new("read", 600, Duration::from_mins(1)), 1);
        let mut now = 0;
        // Five minutes of a request each 300 ms, which takes 100 ms to pay off.
        for _ in 0..1_000 {
            now += 300_000;
            bucket.charge(now);
            bucket.owe_report();
        }
        assert_eq!(bucket.report(now, 2), Report { known: 100_000, counted: 0, told: 1_000 });
    }

    #[test]
    fn what_redis_may_not_have_heard_is_reported_with_the_whole_debt() {
        let mut bucket = bucket();
        bucket.charge(0);
        bucket.owe_report();
        let lost = bucket.report(0, 0);
        bucket.settle(lost);
        bucket.forget_era();
        assert_eq!(bucket.report(0, 0), Report { known: 100_000, counted: 0, told: 0 });
        assert_eq!(bucket.report(0, 0), Report { known: 0, counted: 0, told: 0 }, "told once");
    }

    proptest! {
        /// Two processes and a Redis that gets every report late: the debt known to a process exceeds the admitted
        /// requests by the delay at most, so neither refuses requests that the limit allows.
        #[test]
        fn what_is_known_never_exceeds_what_is_true(
            steps in proptest::collection::vec((0_usize..2, 0_u64..80_000, any::<bool>(), 0_u64..5_000), 1..400),
        ) {
            let policy = Policy::new("read", 600, Duration::from_mins(1));
            let mut processes = [Bucket::new(policy, 0), Bucket::new(policy, 0)];
            let mut oldest = [None, None];
            let (mut now, mut redis, mut truth, mut late) = (0_u64, 0_u64, 0_u64, 0_u64);
            for (who, gap, exchange, delay) in steps {
                now += gap;
                let bucket = &mut processes[who];
                if policy.fits(bucket.debt(now)) {
                    bucket.charge(now);
                    bucket.owe_report();
                    oldest[who].get_or_insert(now);
                    truth = truth.max(now) + policy.interval();
                }
                if exchange {
                    let asked = now;
                    late = late.max(oldest[who].take().map_or(0, |since| asked - since));
                    let report = bucket.report(asked, 0);
                    redis = redis.max(asked) + report.counted * policy.interval();
                    let debt = redis.saturating_sub(asked);
                    now += delay;
                    bucket.learn(debt, asked, now);
                }
                for bucket in &processes {
                    prop_assert!(bucket.debt(now) <= truth.saturating_sub(now) + late);
                }
            }
        }
    }
}
