//! What this process knows of one caller's budget.

use super::Policy;

/// For how long what Redis has said of the other processes is believed, in microseconds.
const FRESH: u64 = 1_000_000;

/// The era of a bucket of which nobody knows what Redis has heard.
const NEVER: u64 = u64::MAX;

/// One caller in one class. Times are microseconds since the limiter was made.
#[derive(Debug)]
pub(super) struct Bucket {
    policy: Policy,
    /// When the debt is paid off. Never later than is true of all processes together.
    until: u64,
    /// Admitted here and not told to Redis yet.
    pending: u64,
    /// Told to Redis, which has not answered yet.
    unanswered: u64,
    /// When Redis last said what all processes have admitted.
    learnt: Option<u64>,
    /// Which connection to Redis was told last, or [`NEVER`].
    era: u64,
    /// Whether it is on the list of those to tell Redis of.
    listed: bool,
}

/// What Redis is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// The debt is at least this: Redis may have forgotten.
    pub(super) known: u64,
    /// So many more have been admitted.
    pub(super) counted: u64,
    /// How many admitted requests either of the two speaks of; stays here.
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

    /// Whether the others' word is needed before the next request is admitted.
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

    /// Notes that Redis has to hear of a charge; whether the bucket has to be listed for that.
    pub(super) fn owe_report(&mut self) -> bool {
        self.pending += 1;
        !std::mem::replace(&mut self.listed, true)
    }

    /// Off the list.
    pub(super) fn unlist(&mut self) {
        self.listed = false;
    }

    /// What to tell Redis. With a new connection it is the whole debt, for Redis may have lost its memory
    /// and time has paid off some of what was counted meanwhile; else what came since the last report.
    pub(super) fn report(&mut self, now: u64, era: u64) -> Report {
        let counted = std::mem::take(&mut self.pending);
        self.unanswered += counted;
        if std::mem::replace(&mut self.era, era) == era {
            return Report { known: 0, counted, told: counted };
        }
        Report { known: self.debt(now), counted: 0, told: counted }
    }

    /// The end of a report, answered or lost: Redis has heard of it, or hears of the whole debt later.
    pub(super) fn settle(&mut self, report: Report) {
        self.unanswered = self.unanswered.saturating_sub(report.told);
    }

    /// Nobody knows whether Redis has heard the last report: the next one is the whole debt.
    pub(super) fn forget_era(&mut self) {
        self.era = NEVER;
    }

    /// How many admitted requests are under way to Redis.
    #[cfg(test)]
    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Takes over what Redis said to a question asked at `asked`. The answer is a little older than
    /// `now`, at most as old as the question; what was charged since is added.
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
        /// Two processes and a Redis that hears of everything late: neither ever believes more than what
        /// was admitted, but for what the lateness adds, so neither refuses what the limit allows.
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
