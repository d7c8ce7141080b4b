//! Benchmark of the computation of a month of open slots, without the query: `cargo bench --bench availability`.
//!
//! The computation is a module that depends on nothing else of the service. It is compiled here once more, because the
//! service is a program and has no library.
#![allow(missing_docs, reason = "criterion's macros write functions")]

use std::hint::black_box;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use criterion::{Criterion, criterion_group, criterion_main};

#[path = "../src/domain/availability/engine/mod.rs"]
#[allow(dead_code, reason = "slots are only listed here, not booked")]
mod engine;

use engine::{Busy, Hours, Offer, Schedule, slots};

const BOOKINGS_A_DAY: i64 = 20;
const DAYS: i64 = 31;

/// Builds a schedule from eight to noon and from one to eight, on every day.
fn schedule() -> Schedule {
    let time = |hour| NaiveTime::MIN + TimeDelta::hours(hour);
    let week = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    let windows =
        |weekday| [(8, 12), (13, 20)].map(|(from, to)| Hours { weekday, starts_at: time(from), ends_at: time(to) });
    Schedule {
        zone: Tz::Europe__Berlin,
        slot_minutes: 15,
        horizon_days: 366,
        daily_cap: Some(30),
        hours: week.into_iter().flat_map(windows).collect(),
        exceptions: Vec::new(),
    }
}

/// Measures a month with twenty bookings of 25 minutes a day and the end of summer time.
fn month(criterion: &mut Criterion) {
    let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_745);
    let (schedule, minutes) = (schedule(), TimeDelta::minutes);
    let offer =
        Offer { duration: minutes(30), buffer_before: minutes(0), buffer_after: minutes(5), notice: minutes(120) };
    let starts = (-3..DAYS + 3).flat_map(|day| (0..BOOKINGS_A_DAY).map(move |place| (day, place)));
    let busy: Vec<Busy> = starts
        .map(|(day, place)| {
            let booked_at = now + TimeDelta::days(day) + TimeDelta::hours(6) + minutes(place * 35);
            Busy { block: booked_at..booked_at + minutes(30), booked_at }
        })
        .collect();
    let to = now + TimeDelta::days(DAYS);
    criterion.bench_function("availability/31_days_20_bookings_a_day", |bencher| {
        bencher.iter(|| slots(black_box(&schedule), &offer, black_box(&busy), now, to, now));
    });
}

criterion_group!(benches, month);
criterion_main!(benches);
