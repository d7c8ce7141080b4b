//! Computation of open slots, without a clock or a database.
//!
//! Working hours are local times of the specialist's zone, called labels here; bookings are moments. Both are counted
//! in seconds: a moment from 1970 UTC, a label from 1970 in local time. Between two changes of the zone's offset they
//! differ by a constant, which makes the computation of 31 days a matter of microseconds.
//!
//! A moment is open if its label lies within the weekly hours or an exception that adds hours, and within no absence. A
//! slot is a period of open moments that begins on the grid: at a whole number of steps from local midnight. It follows
//! that labels that are skipped when the clocks go forward have no slots, and that hours that occur twice when the
//! clocks go back are worked twice; but a label that occurs a second time is not offered a second time.

mod bookings;
mod offsets;
mod spans;

use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use self::{
    bookings::{FullDays, Taken},
    offsets::Offsets,
    spans::Span,
};

const DAY: i64 = 24 * 60 * 60;

/// Longest range in which slots are searched; a longer one is cut off.
pub(crate) const LONGEST_RANGE: TimeDelta = TimeDelta::days(92);

/// Distance beyond a range within which bookings matter: a slot can extend beyond the range, and its local day, whose
/// bookings are counted, can begin before.
pub(crate) const MARGIN: TimeDelta = TimeDelta::days(3);

/// Working hours and booking rules of a specialist.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// Zone of the hours.
    pub(crate) zone: Tz,
    /// Step of the grid in minutes.
    pub(crate) slot_minutes: u32,
    /// Number of local days after today on which slots are offered.
    pub(crate) horizon_days: u32,
    /// Maximum number of bookings that begin on one local day.
    pub(crate) daily_cap: Option<u32>,
    /// Weekly working hours.
    pub(crate) hours: Vec<Hours>,
    /// Additional working hours and absences.
    pub(crate) exceptions: Vec<Exception>,
}

/// Weekly window of working hours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hours {
    /// Day on which it begins.
    pub(crate) weekday: Weekday,
    /// Beginning.
    pub(crate) starts_at: NaiveTime,
    /// End; a time at or before the beginning is on the next day.
    pub(crate) ends_at: NaiveTime,
}

/// Effect of an exception on the weekly hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExceptionKind {
    /// Adds working hours.
    Available,
    /// Removes working hours; takes precedence over those that are added.
    Unavailable,
}

/// Period in which the working hours differ from the weekly ones, in local time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exception {
    /// Effect on the weekly hours.
    pub(crate) kind: ExceptionKind,
    /// Beginning.
    pub(crate) starts_at: NaiveDateTime,
    /// End.
    pub(crate) ends_at: NaiveDateTime,
}

/// Duration, buffers and notice of a booking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// Duration of the appointment.
    pub(crate) duration: TimeDelta,
    /// Buffer before the appointment.
    pub(crate) buffer_before: TimeDelta,
    /// Buffer after the appointment.
    pub(crate) buffer_after: TimeDelta,
    /// Time before its beginning up to which it can be booked.
    pub(crate) notice: TimeDelta,
}

impl Offer {
    /// Returns the time that a booking of the slot blocks.
    pub(crate) fn block(&self, slot: &Slot) -> Range<DateTime<Utc>> {
        slot.started_at - self.buffer_before..slot.ended_at + self.buffer_after
    }
}

/// Booking.
#[derive(Debug, Clone)]
pub(crate) struct Busy {
    /// Blocked time, buffers included; empty for a past booking that only counts towards the daily cap.
    pub(crate) block: Range<DateTime<Utc>>,
    /// Beginning of the booking, on whose local day it counts towards the daily cap.
    pub(crate) booked_at: DateTime<Utc>,
}

/// Slot that can be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Beginning.
    pub(crate) started_at: DateTime<Utc>,
    /// End.
    pub(crate) ended_at: DateTime<Utc>,
}

/// Returns the open slots that begin at or after `from` and before `to`, earliest first. `busy` is all that is booked
/// within the range and [`MARGIN`] around it, in any order.
pub(crate) fn slots(
    schedule: &Schedule,
    offer: &Offer,
    busy: &[Busy],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Vec<Slot> {
    let mut slots = Vec::new();
    let today = (now.timestamp() + offsets::offset_at(schedule.zone, now.timestamp())).div_euclid(DAY);
    let last_day = today + i64::from(schedule.horizon_days);
    let first = ceil(from).max(ceil(now) + offer.notice.num_seconds());
    // No zone is a day away from UTC.
    let end = ceil(to).min(ceil(from) + LONGEST_RANGE.num_seconds()).min((last_day + 2) * DAY);
    if first >= end {
        return slots;
    }

    let (reach_from, reach_to) = (first - MARGIN.num_seconds(), end + MARGIN.num_seconds());
    let offsets = Offsets::between(schedule.zone, reach_from, reach_to);
    let open = offsets.moments(&spans::open_labels(schedule, reach_from - DAY, reach_to + DAY));
    let mut taken = Taken::of(busy);
    let full = FullDays::of(busy, schedule.daily_cap, &offsets);
    let step = i64::from(schedule.slot_minutes.max(1)) * 60;
    let duration = offer.duration.num_seconds();
    let (before, after) = (offer.buffer_before.num_seconds(), offer.buffer_after.num_seconds());
    for Span { start: opens, end: closes } in open {
        for (place, stretch) in offsets.stretches() {
            let begin = opens.max(stretch.start).max(first);
            let until = closes.min(stretch.end).min(end).min(closes - duration + 1);
            for label in grid(begin + stretch.offset, until + stretch.offset, step) {
                let (start, day) = (label - stretch.offset, label.div_euclid(DAY));
                if day > last_day
                    || full.contains(day)
                    || offsets.has_been(label, place)
                    || taken.overlaps(start - before, start + duration + after)
                {
                    continue;
                }
                let moment = |seconds| DateTime::from_timestamp(seconds, 0);
                if let (Some(started_at), Some(ended_at)) = (moment(start), moment(start + duration)) {
                    slots.push(Slot { started_at, ended_at });
                }
            }
        }
    }
    slots
}

/// Returns `true` if an absence overlaps the range. Weekly hours are not considered.
pub(crate) fn is_away(schedule: &Schedule, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
    let (from, to) = (from.timestamp(), ceil(to));
    let offsets = Offsets::between(schedule.zone, from, to);
    // No zone is a day away from UTC.
    let away = spans::exceptions(schedule, ExceptionKind::Unavailable, from - DAY, to + DAY);
    !offsets.moments(&spans::merged(away.collect())).is_empty()
}

/// Returns the labels of the grid from `from` to before `to`. The grid starts at each local midnight.
fn grid(from: i64, to: i64, step: i64) -> impl Iterator<Item = i64> {
    let next = move |label: i64| {
        let midnight = label.div_euclid(DAY) * DAY;
        let steps = (label - midnight + step - 1) / step;
        (midnight + steps * step).min(midnight + DAY)
    };
    std::iter::successors(Some(next(from)), move |label| Some(next(label + 1))).take_while(move |label| *label < to)
}

/// Returns the first whole second at or after a moment.
fn ceil(moment: DateTime<Utc>) -> i64 {
    moment.timestamp() + i64::from(moment.timestamp_subsec_nanos() > 0)
}
