//! Days of rules, and the moments at which they begin in a time zone.

use chrono::{
    DateTime, Datelike as _, Days, MappedLocalTime, Months, NaiveDate, NaiveTime, Offset as _, TimeDelta,
    TimeZone as _, Utc,
};
use chrono_tz::Tz;

use crate::domain::field::{YEARS, calendar_day};

/// Largest number of digits of a distance from today.
const MOST_DIGITS: usize = 4;

/// Parses a day of ten characters, or one relative to `today`; returns `None` for any other text, and for a day out of
/// bounds.
pub(super) fn day(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    let day = match text.strip_prefix("today") {
        Some("") => Some(today),
        Some(distance) => moved(today, distance),
        None => calendar_day(text),
    };
    day.filter(|day| YEARS.contains(&day.year()))
}

fn moved(today: NaiveDate, distance: &str) -> Option<NaiveDate> {
    let (forward, distance) = match distance.strip_prefix('+') {
        Some(distance) => (true, distance),
        None => (false, distance.strip_prefix('-')?),
    };
    // The last character may be one of several bytes.
    let (place, unit) = distance.char_indices().next_back()?;
    let digits = distance.get(..place)?;
    if digits.is_empty() || digits.len() > MOST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u32 = digits.parse().ok()?;
    let by_days = |days: u32| {
        let days = Days::new(days.into());
        if forward { today.checked_add_days(days) } else { today.checked_sub_days(days) }
    };
    let by_months = |months: u32| {
        let months = Months::new(months);
        if forward { today.checked_add_months(months) } else { today.checked_sub_months(months) }
    };
    match unit {
        'd' => by_days(count),
        'w' => by_days(count * 7),
        'm' => by_months(count),
        'y' => by_months(count * 12),
        _ => None,
    }
}

/// Returns the moment at which a day begins: midnight, or the moment at which the clocks skip it.
pub(super) fn begin(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.with_timezone(&Utc),
        MappedLocalTime::None => {
            // No zone has ever skipped more than a day.
            let before = zone.offset_from_utc_datetime(&(midnight - TimeDelta::days(2))).fix();
            (midnight - before).and_utc()
        }
    }
}

/// Returns the day after.
pub(super) fn next(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}
