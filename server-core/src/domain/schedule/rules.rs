//! Rules of schedules beyond their schema, and the conversion of their times.

use chrono::{NaiveDateTime, NaiveTime, TimeDelta, Timelike as _};
use server_shared::error::FieldFault;

use super::model::{ScheduleException, ScheduleExceptionKind, UpdateSpecialistSchedule, WorkingHours};
use crate::domain::rules::InvalidValue;

/// Format of local times.
const TIME: &str = "%H:%M";
const DATE_TIME: &str = "%Y-%m-%dT%H:%M";
/// Longest duration of an exception.
const LONGEST: TimeDelta = TimeDelta::days(366);
const WEEK: u32 = 7 * 24 * 60;

/// Parsed weekly window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WeeklyWindow {
    pub(super) weekday: i16,
    pub(super) starts_at: NaiveTime,
    pub(super) ends_at: NaiveTime,
}

/// Parsed exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalPeriod {
    pub(super) kind: ScheduleExceptionKind,
    pub(super) starts_at: NaiveDateTime,
    pub(super) ends_at: NaiveDateTime,
}

/// Validates a schedule and returns its windows and exceptions, ordered; an error lists every fault.
pub(super) fn checked(input: &UpdateSpecialistSchedule) -> Result<(Vec<WeeklyWindow>, Vec<LocalPeriod>), InvalidValue> {
    let mut faults = Vec::new();
    let mut windows = windows(&input.hours, &mut faults);
    let mut periods = periods(input, &mut faults);
    InvalidValue::check(faults)?;
    windows.sort_unstable();
    periods.sort_by_key(|period| (period.starts_at, period.ends_at));
    Ok((windows, periods))
}

fn windows(hours: &[WorkingHours], faults: &mut Vec<FieldFault>) -> Vec<WeeklyWindow> {
    let mut windows: Vec<WeeklyWindow> = Vec::with_capacity(hours.len());
    for (place, hours) in hours.iter().enumerate() {
        let mut time = |field: &str, text: &str| {
            let read = NaiveTime::parse_from_str(text, TIME).ok();
            if read.is_none() {
                faults.push(FieldFault::new(format!("/hours/{place}/{field}"), "time", "must be a time of the day"));
            }
            read
        };
        let (starts_at, ends_at) = (time("starts_at", &hours.starts_at), time("ends_at", &hours.ends_at));
        let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at) else { continue };
        let window = WeeklyWindow { weekday: hours.weekday, starts_at, ends_at };
        if windows.iter().any(|earlier| overlap(*earlier, window)) {
            let fault = "must not overlap another window of the week";
            faults.push(FieldFault::new(format!("/hours/{place}/starts_at"), "overlap", fault));
        }
        windows.push(window);
    }
    windows
}

/// Returns `true` if two weekly windows share a minute. Monday follows Sunday.
fn overlap(one: WeeklyWindow, other: WeeklyWindow) -> bool {
    let (one, other) = (minutes(one), minutes(other));
    // Each is shorter than a week, so they overlap if either begins within the other.
    let within = |(start, length): (u32, u32), (other, _): (u32, u32)| (other + WEEK - start) % WEEK < length;
    within(one, other) || within(other, one)
}

/// Returns the minute of the week at which a window begins, and its length in minutes.
fn minutes(window: WeeklyWindow) -> (u32, u32) {
    let minute = |time: NaiveTime| time.num_seconds_from_midnight() / 60;
    let (start, end) = (minute(window.starts_at), minute(window.ends_at));
    let length = if end <= start { end + WEEK / 7 - start } else { end - start };
    (u32::try_from(window.weekday - 1).unwrap_or_default() * (WEEK / 7) + start, length)
}

fn periods(input: &UpdateSpecialistSchedule, faults: &mut Vec<FieldFault>) -> Vec<LocalPeriod> {
    let mut periods = Vec::with_capacity(input.exceptions.len());
    for (place, exception) in input.exceptions.iter().enumerate() {
        let mut fault = |field: &str, rule: &'static str, message: &'static str| {
            faults.push(FieldFault::new(format!("/exceptions/{place}/{field}"), rule, message));
        };
        let mut time = |field: &str, text: &str| {
            let read = NaiveDateTime::parse_from_str(text, DATE_TIME).ok();
            if read.is_none() {
                fault(field, "date", "must be a date of the calendar");
            }
            read
        };
        let (starts_at, ends_at) = (time("starts_at", &exception.starts_at), time("ends_at", &exception.ends_at));
        let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at) else { continue };
        if ends_at <= starts_at {
            fault("ends_at", "order", "must be after starts_at");
        } else if ends_at - starts_at > LONGEST {
            fault("ends_at", "range", "must be at most 366 days after starts_at");
        }
        periods.push(LocalPeriod { kind: exception.kind, starts_at, ends_at });
    }
    periods
}

impl From<WeeklyWindow> for WorkingHours {
    fn from(window: WeeklyWindow) -> Self {
        let text = |time: NaiveTime| time.format(TIME).to_string();
        Self { weekday: window.weekday, starts_at: text(window.starts_at), ends_at: text(window.ends_at) }
    }
}

impl From<LocalPeriod> for ScheduleException {
    fn from(period: LocalPeriod) -> Self {
        let text = |time: NaiveDateTime| time.format(DATE_TIME).to_string();
        Self { kind: period.kind, starts_at: text(period.starts_at), ends_at: text(period.ends_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(weekday: i16, starts_at: &str, ends_at: &str) -> WeeklyWindow {
        let time = |text| NaiveTime::parse_from_str(text, TIME).unwrap();
        WeeklyWindow { weekday, starts_at: time(starts_at), ends_at: time(ends_at) }
    }

    #[test]
    fn windows_overlap_across_midnight_and_across_the_week() {
        let night = window(7, "22:00", "06:00");
        assert!(overlap(night, window(1, "05:00", "08:00")));
        assert!(!overlap(night, window(1, "06:00", "08:00")), "one that begins where another ends only touches it");
        assert!(!overlap(night, window(7, "12:00", "22:00")));
        assert!(overlap(window(2, "09:00", "17:00"), window(2, "12:00", "13:00")));
        assert!(overlap(window(2, "09:00", "17:00"), window(2, "09:00", "10:00")));
        assert!(!overlap(window(2, "09:00", "17:00"), window(3, "09:00", "17:00")));
        assert!(overlap(window(4, "00:00", "00:00"), window(4, "23:59", "00:00")), "a whole day");
        assert!(!overlap(window(4, "00:00", "00:00"), window(5, "00:00", "00:00")));
    }
}
