//! Rule by which a series repeats: the subset of `RRULE` (RFC 5545) that courses of treatment need.

use chrono::{Datelike as _, Days, Months, NaiveDate, TimeDelta};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::error::FieldFault;

use crate::domain::rules::InvalidValue;

/// Maximum number of appointments of a series.
const MOST: usize = 100;
/// Longest time between the first and the last appointment.
pub(super) const LONGEST: TimeDelta = TimeDelta::days(731);

/// Rule by which a series repeats, in the local calendar of its specialist.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Recurrence {
    /// Unit of `interval`.
    pub(crate) frequency: RecurrenceFrequency,
    /// Number of days, weeks or months from one appointment to the next; 1 if left out.
    #[oai(default = "every", validator(minimum(value = "1"), maximum(value = "52")))]
    pub(crate) interval: i32,
    /// Days of the week, allowed only if `frequency` is `weekly`: 1 is Monday, 7 is Sunday. They must include the day
    /// of the first appointment; if left out, they are that day alone.
    #[oai(default, validator(max_items = 7, unique_items, minimum(value = "1"), maximum(value = "7")))]
    pub(crate) weekdays: Vec<i16>,
    /// Number of appointments, including the first one. Exactly one of `count` and `until` is required.
    #[oai(validator(minimum(value = "2"), maximum(value = "100")))]
    pub(crate) count: Option<i32>,
    /// Last date on which an appointment can start, in the specialist's time zone. Exactly one of `count` and `until`
    /// is required.
    pub(crate) until: Option<NaiveDate>,
}

fn every() -> i32 {
    1
}

/// Unit of the interval of a recurrence.
///
/// - `daily`: days
/// - `weekly`: weeks, which begin on Monday
/// - `monthly`: months, on the same day of each; months that are too short have no appointment
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum RecurrenceFrequency {
    Daily,
    Weekly,
    Monthly,
}

impl Example for Recurrence {
    fn example() -> Self {
        Self { frequency: RecurrenceFrequency::Weekly, interval: 1, weekdays: Vec::new(), count: Some(10), until: None }
    }
}

impl Recurrence {
    /// Checks the rule as far as that needs no date; an error lists every fault.
    pub(super) fn check(&self) -> Result<(), InvalidValue> {
        let mut faults = Vec::new();
        match (self.count, self.until) {
            (None, None) => {
                faults.push(FieldFault::new("/recurrence/count", "required", "is required without until"));
            }
            (Some(_), Some(_)) => {
                faults.push(FieldFault::new("/recurrence/until", "excluded", "must be left out with count"));
            }
            _ => {}
        }
        if self.frequency != RecurrenceFrequency::Weekly && !self.weekdays.is_empty() {
            faults.push(FieldFault::new(
                "/recurrence/weekdays",
                "excluded",
                "must be left out unless the frequency is weekly",
            ));
        }
        InvalidValue::check(faults)
    }

    /// Returns the longest time from the first day to the last one that the rule can yield.
    pub(super) fn reach(&self, first: NaiveDate) -> TimeDelta {
        let days = match self.frequency {
            RecurrenceFrequency::Daily => Some(1),
            RecurrenceFrequency::Weekly => Some(7),
            // Depends on the number of months that are too short.
            RecurrenceFrequency::Monthly => None,
        };
        let counted = self
            .count
            .zip(days)
            .map(|(count, days)| TimeDelta::days(i64::from(count) * i64::from(self.interval) * days));
        let until = self.until.map(|until| (until - first).max(TimeDelta::zero()));
        counted.into_iter().chain(until).min().unwrap_or(LONGEST).min(LONGEST)
    }

    /// Returns the dates of the series that begins on `first`; at least two.
    pub(super) fn dates(&self, first: NaiveDate) -> Result<Vec<NaiveDate>, InvalidValue> {
        let weekday = weekday_of(first);
        if self.frequency == RecurrenceFrequency::Weekly
            && !self.weekdays.is_empty()
            && !self.weekdays.contains(&weekday)
        {
            let message = format!("must contain the day of the first appointment, {weekday}");
            return Err(InvalidValue::new("/recurrence/weekdays", "first_day", &message));
        }
        let last = first + LONGEST;
        let wanted = self.count.map_or(MOST + 1, |count| usize::try_from(count).unwrap_or(MOST));
        let until = self.until.unwrap_or(last).min(last);
        let dates: Vec<_> = self.days(first).take_while(|date| *date <= until).take(wanted).collect();
        let fault = |pointer, message| Err(InvalidValue::new(pointer, "range", message));
        if self.count.is_some() && dates.len() < wanted {
            return fault("/recurrence/count", "must end within two years of the first appointment");
        }
        if self.until.is_some_and(|until| until > last) {
            return fault("/recurrence/until", "must be within two years of the first appointment");
        }
        match dates.len() {
            0 | 1 => fault("/recurrence/until", "must allow at least two appointments"),
            many if many > MOST => fault("/recurrence/until", "must allow at most 100 appointments"),
            _ => Ok(dates),
        }
    }

    /// Returns the dates of the rule without end, earliest first.
    fn days(&self, first: NaiveDate) -> Box<dyn Iterator<Item = NaiveDate> + '_> {
        let interval = u32::try_from(self.interval).unwrap_or(1).max(1);
        let steps = (0_u32..).map_while(move |step| step.checked_mul(interval));
        match self.frequency {
            RecurrenceFrequency::Daily => {
                Box::new(steps.map_while(move |days| first.checked_add_days(Days::new(days.into()))))
            }
            RecurrenceFrequency::Weekly => {
                let mut weekdays = self.weekdays.clone();
                if weekdays.is_empty() {
                    weekdays.push(weekday_of(first));
                }
                weekdays.sort_unstable();
                let monday = first - Days::new(first.weekday().num_days_from_monday().into());
                let weeks = steps.map_while(move |weeks| monday.checked_add_days(Days::new(u64::from(weeks) * 7)));
                let days = weeks.flat_map(move |monday| {
                    let days = weekdays.clone().into_iter().filter_map(|day| u64::try_from(day - 1).ok());
                    days.map_while(move |days| monday.checked_add_days(Days::new(days)))
                });
                Box::new(days.skip_while(move |day| *day < first))
            }
            RecurrenceFrequency::Monthly => {
                let months = steps.map_while(move |months| first.checked_add_months(Months::new(months)));
                // chrono yields the last day of a month that is too short.
                Box::new(months.filter(move |day| day.day() == first.day()))
            }
        }
    }
}

/// Returns the ISO 8601 number of the weekday: 1 is Monday.
fn weekday_of(date: NaiveDate) -> i16 {
    i16::try_from(date.weekday().number_from_monday()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn rule(frequency: RecurrenceFrequency) -> Recurrence {
        Recurrence { frequency, interval: 1, weekdays: Vec::new(), count: None, until: None }
    }

    fn weekly(weekdays: &[i16]) -> Recurrence {
        Recurrence { weekdays: weekdays.to_vec(), ..rule(RecurrenceFrequency::Weekly) }
    }

    #[test]
    fn months_that_are_too_short_are_left_out() {
        let monthly = Recurrence { count: Some(4), ..rule(RecurrenceFrequency::Monthly) };
        let days = ["2026-12-31", "2027-01-31", "2027-03-31", "2027-05-31"].map(date);
        assert_eq!(monthly.dates(days[0]).unwrap(), days);
        let seven = Recurrence { count: Some(7), ..monthly };
        let last = *seven.dates(days[1]).unwrap().last().unwrap();
        assert_eq!(last, date("2027-12-31"));
        assert!(last - days[1] <= seven.reach(days[1]));
    }

    #[test]
    fn weeks_begin_on_monday() {
        // 2026-11-26 is a Thursday.
        let every_second = Recurrence { interval: 2, count: Some(5), ..weekly(&[4, 1]) };
        let days = ["2026-11-26", "2026-12-07", "2026-12-10", "2026-12-21", "2026-12-24"].map(date);
        assert_eq!(every_second.dates(days[0]).unwrap(), days);
        let until = Recurrence { until: Some(date("2026-12-10")), ..weekly(&[]) };
        assert_eq!(until.dates(days[0]).unwrap(), ["2026-11-26", "2026-12-03", "2026-12-10"].map(date));
    }

    #[test]
    fn a_rule_says_what_is_wrong_with_it() {
        let first = date("2026-11-26");
        let daily = || rule(RecurrenceFrequency::Daily);
        for open in [daily(), Recurrence { count: Some(2), until: Some(first), ..daily() }] {
            assert!(open.check().is_err(), "{open:?}");
        }
        assert!(Recurrence { weekdays: vec![4], count: Some(2), ..daily() }.check().is_err());
        for beyond in [
            Recurrence { count: Some(9), ..weekly(&[1, 2]) },
            Recurrence { until: Some(first), ..daily() },
            Recurrence { until: Some(date("2027-06-01")), ..daily() },
            Recurrence { until: Some(date("2029-06-01")), interval: 52, ..weekly(&[]) },
            Recurrence { count: Some(16), interval: 52, ..weekly(&[]) },
        ] {
            assert!(beyond.check().is_ok() && beyond.dates(first).is_err(), "{beyond:?}");
        }
    }

    proptest! {
        /// No series exceeds `reach` or the maximal length.
        #[test]
        fn a_series_stays_within_its_reach(
            frequency in prop_oneof![
                Just(RecurrenceFrequency::Daily), Just(RecurrenceFrequency::Weekly), Just(RecurrenceFrequency::Monthly)
            ],
            interval in 1..=52_i32,
            count in proptest::option::of(2..=100_i32),
            until in 0..=900_i64,
            day in 20_000..=21_500_i32,
        ) {
            let first = NaiveDate::from_epoch_days(day).unwrap();
            let until = if count.is_some() { None } else { Some(first + TimeDelta::days(until)) };
            let rule = Recurrence { interval, count, until, ..rule(frequency) };
            if let Ok(dates) = rule.dates(first) {
                prop_assert!(dates.len() >= 2 && dates.len() <= MOST && dates[0] == first);
                prop_assert!(dates.is_sorted() && dates[dates.len() - 1] - first <= rule.reach(first));
                prop_assert!(count.is_none_or(|count| dates.len() == usize::try_from(count).unwrap()));
            }
        }
    }
}
