//! Local times of a clinic.

use anyhow::{Context as _, Result};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// The zone of this IANA name.
pub(crate) fn zone(name: &str) -> Result<Tz> {
    name.parse().with_context(|| format!("`{name}` is no zone of the IANA database"))
}

/// The first Monday after today, as the clinic's calendar shows it; on a Monday the one in a week.
pub(crate) fn next_monday(now: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let today = now.with_timezone(&zone).naive_local().date();
    today + Days::new(7 - u64::from(today.weekday().num_days_from_monday()))
}

/// The moment at which the clinic's clock shows `time` on `day`.
pub(crate) fn moment(day: NaiveDate, time: NaiveTime, zone: Tz) -> Result<DateTime<Utc>> {
    let local = zone.from_local_datetime(&day.and_time(time)).earliest();
    Ok(local.with_context(|| format!("there is no {time} on {day} in {zone}"))?.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_monday_is_the_clinics_own() {
        let berlin = zone("Europe/Berlin").unwrap();
        let monday = NaiveDate::from_ymd_opt(2026, 3, 30).unwrap();
        assert_eq!(next_monday(at("2026-03-25T12:00:00Z"), berlin), monday);
        // Still Sunday in London, already Monday in Berlin.
        assert_eq!(next_monday(at("2026-03-29T22:30:00Z"), berlin), monday + Days::new(7));
        assert_eq!(next_monday(at("2026-03-29T21:30:00Z"), berlin), monday);
    }

    #[test]
    fn nine_o_clock_stays_nine_o_clock_when_the_clocks_change() {
        let berlin = zone("Europe/Berlin").unwrap();
        let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
        let saturday = NaiveDate::from_ymd_opt(2026, 3, 28).unwrap();
        assert_eq!(moment(saturday, nine, berlin).unwrap(), at("2026-03-28T08:00:00Z"));
        assert_eq!(moment(saturday + Days::new(1), nine, berlin).unwrap(), at("2026-03-29T07:00:00Z"));
        // 02:30 is skipped that night.
        let skipped = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
        assert!(moment(saturday + Days::new(1), skipped, berlin).is_err());
    }
}
