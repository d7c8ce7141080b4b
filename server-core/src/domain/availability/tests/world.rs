//! Generators of schedules and bookings around changes of the clocks.

use std::sync::LazyLock;

use chrono::{DateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::engine::{Busy, Exception, ExceptionKind, Hours, Offer, Schedule, Slot, slots};

/// Zones with different changes of the clocks: by an hour, by half an hour, at midnight, for Ramadan, on both
/// hemispheres; and one without changes.
const ZONES: [Tz; 7] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::America__Santiago,
    Tz::Australia__Adelaide,
    Tz::Africa__Casablanca,
    Tz::Asia__Kolkata,
];

/// Hours before and at changes of the clocks from 2024 to 2031, and some without a change.
static MOMENTS: LazyLock<Vec<(Tz, DateTime<Utc>)>> = LazyLock::new(|| {
    let first = DateTime::UNIX_EPOCH + TimeDelta::days(19_723);
    let hours = (0..24 * 366 * 7).map(|hour| first + TimeDelta::hours(hour));
    let offset = |zone: Tz, at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let changes = |zone: Tz| {
        hours.clone().filter(move |at| {
            offset(zone, *at) != offset(zone, *at + TimeDelta::hours(1)) || at.timestamp() % 30_000_000 == 0
        })
    };
    ZONES.into_iter().flat_map(|zone| changes(zone).map(move |at| (zone, at))).collect()
});

/// Schedule, bookings and a requested range.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) schedule: Schedule,
    pub(super) offer: Offer,
    pub(super) busy: Vec<Busy>,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
}

impl World {
    pub(super) fn slots(&self) -> Vec<Slot> {
        slots(&self.schedule, &self.offer, &self.busy, self.from, self.to, self.now)
    }
}

fn minutes(range: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = TimeDelta> {
    range.prop_map(TimeDelta::minutes)
}

fn time_of_day() -> impl Strategy<Value = NaiveTime> {
    // Windows often end at midnight.
    let minute = prop_oneof![1 => Just(0), 6 => 0..24 * 60_i64];
    minute.prop_map(|minute| NaiveTime::MIN + TimeDelta::minutes(minute))
}

fn hours() -> impl Strategy<Value = Hours> {
    let weekday = (0..7_u8).prop_map(|day| Weekday::try_from(day).unwrap());
    (weekday, time_of_day(), time_of_day()).prop_map(|(weekday, starts_at, ends_at)| Hours {
        weekday,
        starts_at,
        ends_at,
    })
}

fn exception(zone: Tz, around: DateTime<Utc>) -> impl Strategy<Value = Exception> {
    let kind = prop_oneof![Just(ExceptionKind::Available), Just(ExceptionKind::Unavailable)];
    (kind, minutes(-4000..=4000), minutes(1..=2000)).prop_map(move |(kind, ahead, length)| {
        let starts_at = zone.from_utc_datetime(&around.naive_utc()).naive_local() + ahead;
        let starts_at = starts_at.with_second(0).unwrap();
        Exception { kind, starts_at, ends_at: starts_at + length }
    })
}

fn busy(around: DateTime<Utc>) -> impl Strategy<Value = Busy> {
    let buffers = (minutes(0..=60), minutes(0..=60), any::<bool>());
    (minutes(-3000..=4000), minutes(5..=200), buffers).prop_map(move |(ahead, length, (before, after, over))| {
        let booked_at = around + ahead;
        let block = if over { booked_at..booked_at } else { booked_at - before..booked_at + length + after };
        Busy { block, booked_at }
    })
}

fn offer() -> impl Strategy<Value = Offer> {
    (minutes(5..=200), minutes(0..=60), minutes(0..=60), minutes(0..=600)).prop_map(
        |(duration, buffer_before, buffer_after, notice)| Offer { duration, buffer_before, buffer_after, notice },
    )
}

/// Generates a world of some days around a change of the clocks.
pub(super) fn world() -> impl Strategy<Value = World> {
    let moment = (0..MOMENTS.len(), minutes(-2000..=2000), 0..60_i64);
    let moment = moment.prop_map(|(place, ahead, seconds)| {
        let (zone, at) = MOMENTS[place];
        (zone, at, at + ahead + TimeDelta::seconds(seconds))
    });
    let asked = (minutes(-3000..=1000), minutes(1..=4500));
    (moment, asked, offer()).prop_flat_map(|((zone, at, now), (ahead, length), offer)| {
        let rules = (5..=180_u32, 0..=4_u32, proptest::option::of(1..=4_u32));
        let hours = proptest::collection::vec(hours(), 0..12);
        let exceptions = proptest::collection::vec(exception(zone, at), 0..4);
        let busy = proptest::collection::vec(busy(at), 0..12);
        (rules, hours, exceptions, busy).prop_map(
            move |((slot_minutes, horizon_days, daily_cap), hours, exceptions, busy)| {
                let schedule = Schedule { zone, slot_minutes, horizon_days, daily_cap, hours, exceptions };
                let from = at + ahead;
                World { schedule, offer, busy, from, to: from + length, now }
            },
        )
    })
}
