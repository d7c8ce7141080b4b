//! Which slots a specialist can be booked for: arithmetic alone, without a clock and without a database.
//!
//! A specialist's hours are said in its own zone, so the rules are about labels, the local times on a
//! clock's face, and what is booked is about moments. Here both are seconds: a moment counts from 1970
//! UTC, a label counts from 1970 on the local clock's face, and between two changes of the zone's
//! offset they differ by a constant. That is what makes 31 days a matter of microseconds.
//!
//! A moment is open when its label lies within the weekly hours or an exception that adds to them, and
//! within none that takes away. A slot is a stretch of open moments that begins on the grid: at a whole
//! number of steps from local midnight. It follows that where clocks go forward, labels that are left
//! out have no slots, and that where they go back, hours that come twice are worked twice; but a label
//! that comes a second time is not offered a second time.

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

/// The longest range that slots are looked for in; of a longer one, its beginning.
pub(crate) const LONGEST_RANGE: TimeDelta = TimeDelta::days(92);

/// How far beyond a range bookings matter to it: a slot that begins within reaches beyond, and its
/// local day, whose bookings are counted, began before.
pub(crate) const MARGIN: TimeDelta = TimeDelta::days(3);

/// When a specialist can be booked.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// What its hours are said in.
    pub(crate) zone: Tz,
    /// The step of the grid, in minutes.
    pub(crate) slot_minutes: u32,
    /// How many local days after today slots are offered.
    pub(crate) horizon_days: u32,
    /// Most bookings that begin on one local day.
    pub(crate) daily_cap: Option<u32>,
    /// What it works every week.
    pub(crate) hours: Vec<Hours>,
    /// What it works besides, and when it is away.
    pub(crate) exceptions: Vec<Exception>,
}

/// A window of every week.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hours {
    /// The day on which it begins.
    pub(crate) weekday: Weekday,
    /// When it begins.
    pub(crate) starts_at: NaiveTime,
    /// When it ends; at or before the beginning it is of the next day.
    pub(crate) ends_at: NaiveTime,
}

/// What an exception does to the weekly hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExceptionKind {
    /// Adds to them.
    Available,
    /// Takes away; wins over what adds.
    Unavailable,
}

/// A period that the weekly hours don't hold for, in local time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exception {
    /// What it does.
    pub(crate) kind: ExceptionKind,
    /// When it begins.
    pub(crate) starts_at: NaiveDateTime,
    /// When it ends.
    pub(crate) ends_at: NaiveDateTime,
}

/// What is to be booked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// How long it takes.
    pub(crate) duration: TimeDelta,
    /// How long before it nothing else may be booked.
    pub(crate) buffer_before: TimeDelta,
    /// How long after it nothing else may be booked.
    pub(crate) buffer_after: TimeDelta,
    /// How long before its beginning it can last be booked.
    pub(crate) notice: TimeDelta,
}

impl Offer {
    /// What a booking of the slot keeps others out of.
    pub(crate) fn block(&self, slot: &Slot) -> Range<DateTime<Utc>> {
        slot.started_at - self.buffer_before..slot.ended_at + self.buffer_after
    }
}

/// Time that is booked.
#[derive(Debug, Clone)]
pub(crate) struct Busy {
    /// What it keeps others out of, buffers included; empty for what is over and counts all the same.
    pub(crate) block: Range<DateTime<Utc>>,
    /// When the booking itself begins: on that day it counts.
    pub(crate) booked_at: DateTime<Utc>,
}

/// Time that can be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// When it begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends.
    pub(crate) ended_at: DateTime<Utc>,
}

/// The slots that begin at or after `from` and before `to`, earliest first. `busy` is everything that
/// is booked within the range and [`MARGIN`] around it, in any order.
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

/// Whether an exception says that the specialist is away at a moment of the range; what it works otherwise
/// is not asked.
pub(crate) fn is_away(schedule: &Schedule, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
    let (from, to) = (from.timestamp(), ceil(to));
    let offsets = Offsets::between(schedule.zone, from, to);
    // No zone is a day away from UTC.
    let away = spans::exceptions(schedule, ExceptionKind::Unavailable, from - DAY, to + DAY);
    !offsets.moments(&spans::merged(away.collect())).is_empty()
}

/// The labels of the grid from `from` to before `to`. It begins anew with every day.
fn grid(from: i64, to: i64, step: i64) -> impl Iterator<Item = i64> {
    let next = move |label: i64| {
        let midnight = label.div_euclid(DAY) * DAY;
        let steps = (label - midnight + step - 1) / step;
        (midnight + steps * step).min(midnight + DAY)
    };
    std::iter::successors(Some(next(from)), move |label| Some(next(label + 1))).take_while(move |label| *label < to)
}

/// The first whole second at or after a moment.
fn ceil(moment: DateTime<Utc>) -> i64 {
    moment.timestamp() + i64::from(moment.timestamp_subsec_nanos() > 0)
}
