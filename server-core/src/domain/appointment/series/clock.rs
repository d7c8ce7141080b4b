//! Conversion between moments and local times, across changes of the clocks.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Moment of a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clocked {
    pub(super) at: DateTime<Utc>,
    /// `true` if the local time does not exist because the clocks go forward. `at` is then the moment by the offset
    /// before the change.
    pub(super) skipped: bool,
}

/// Returns the local time of a moment.
pub(super) fn shown(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// Returns the moment of a local time; the first one if it occurs twice.
pub(super) fn moment(zone: Tz, shown: NaiveDateTime) -> Clocked {
    match zone.from_local_datetime(&shown) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => {
            Clocked { at: at.with_timezone(&Utc), skipped: false }
        }
        MappedLocalTime::None => {
            // No zone has ever skipped more than a day.
            let before = zone.offset_from_utc_datetime(&(shown - TimeDelta::days(2))).fix();
            Clocked { at: (shown - before).and_utc(), skipped: true }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

    use chrono_tz::{Europe::Berlin, Pacific::Apia, TZ_VARIANTS};
    use proptest::prelude::*;

    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_that_comes_twice_is_the_first_and_one_that_does_not_come_is_said_to() {
        let twice = Clocked { at: utc("2026-10-25T00:30:00Z"), skipped: false };
        assert_eq!(moment(Berlin, local("2026-10-25T02:30:00")), twice);
        let left_out = Clocked { at: utc("2027-03-28T01:30:00Z"), skipped: true };
        assert_eq!(moment(Berlin, local("2027-03-28T02:30:00")), left_out);
        // Samoa skipped a whole day.
        assert_eq!(
            moment(Apia, local("2011-12-30T12:00:00")),
            Clocked { at: utc("2011-12-30T22:00:00Z"), skipped: true }
        );
    }

    proptest! {
        /// In every zone, the local time of a moment exists and maps to that moment or an earlier one.
        #[test]
        fn every_moment_is_shown(zone in 0..TZ_VARIANTS.len(), seconds in 0..4_000_000_000_i64) {
            let (zone, at) = (TZ_VARIANTS[zone], DateTime::from_timestamp(seconds, 0).unwrap());
            let found = moment(zone, shown(zone, at));
            prop_assert!(!found.skipped && found.at <= at);
            prop_assert_eq!(shown(zone, found.at), shown(zone, at));
        }
    }
}
