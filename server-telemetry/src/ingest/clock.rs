//! Corrects the times that clients report by clocks that may be wrong.

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::value::Moment;

/// Largest difference between the two clocks that is left uncorrected: most of it is the time that the request
/// took. Without it a batch that is sent twice would get two different sets of times.
const TOLERANCE: TimeDelta = TimeDelta::seconds(60);

/// Longest time for which a page may keep events before it sends them.
const OLDEST: TimeDelta = TimeDelta::days(30);

/// Corrects the times of the events of one request.
///
/// A client states when an event occurred and when it sent the batch, both by its own clock. The difference
/// between the time of sending and the time of reception is the error of that clock; if it exceeds
/// [`TOLERANCE`], it is added to the time of every event. The result lies between 30 days before and one minute
/// after reception.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Time at which the request was received.
    pub received_at: DateTime<Utc>,
    /// Time at which the client sent the batch, by its own clock.
    pub sent_at: Option<DateTime<Utc>>,
    skew: TimeDelta,
}

impl Clock {
    /// Makes the clock of a request that is received now.
    pub(crate) fn now(sent_at: Option<Moment>) -> Self {
        Self::new(Utc::now(), sent_at.map(Moment::get))
    }

    fn new(received_at: DateTime<Utc>, sent_at: Option<DateTime<Utc>>) -> Self {
        let skew = sent_at.map_or(TimeDelta::zero(), |sent_at| received_at - sent_at);
        let skew = if skew.abs() <= TOLERANCE { TimeDelta::zero() } else { skew };
        Self { received_at, sent_at, skew }
    }

    /// Returns the corrected time of an event, clamped to the accepted range.
    pub(crate) fn place(&self, occurred_at: DateTime<Utc>) -> DateTime<Utc> {
        let earliest = self.received_at - OLDEST;
        let latest = self.received_at + TOLERANCE;
        (occurred_at + self.skew).clamp(earliest, latest)
    }

    /// Returns the time of sending by the client's clock, clamped to what a column can hold.
    pub(crate) fn sent_at_stored(&self) -> Option<DateTime<Utc>> {
        self.sent_at.map(|sent_at| sent_at.clamp(self.received_at - OLDEST, self.received_at + OLDEST))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn small_differences_are_the_way_of_the_request() {
        let clock = Clock::new(at(0), Some(at(-45)));
        assert_eq!(clock.place(at(-50)), at(-50));
    }

    #[test]
    fn a_wrong_clock_is_set_right() {
        let slow = Clock::new(at(0), Some(at(-86_400)));
        assert_eq!(slow.place(at(-86_410)), at(-10), "a day slow");
        let fast = Clock::new(at(0), Some(at(3_600)));
        assert_eq!(fast.place(at(3_590)), at(-10), "an hour fast");
    }

    #[test]
    fn far_past_and_future_are_clamped() {
        let clock = Clock::new(at(0), None);
        assert_eq!(clock.place(DateTime::<Utc>::MIN_UTC), at(0) - OLDEST);
        assert_eq!(clock.place(DateTime::<Utc>::MAX_UTC), at(60));
    }

    proptest! {
        #[test]
        fn no_input_leaves_the_bounds(occurred in any::<i32>(), sent in proptest::option::of(any::<i32>())) {
            let at = |offset: i32| at(i64::from(offset) * 1_000);
            let clock = Clock::new(at(0), sent.map(at));
            let placed = clock.place(at(occurred));
            prop_assert!(placed >= clock.received_at - OLDEST && placed <= clock.received_at + TOLERANCE);
        }

        #[test]
        fn order_is_kept(one in -2_000_000_i64..10, other in -2_000_000_i64..10, sent in -100_000_i64..100_000) {
            let clock = Clock::new(at(0), Some(at(sent)));
            let (first, second) = (one.min(other), one.max(other));
            prop_assert!(clock.place(at(first)) <= clock.place(at(second)));
        }
    }
}
