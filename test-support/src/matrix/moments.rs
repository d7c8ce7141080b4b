//! Pairs of moments as callers write them.

use chrono::{DateTime, Days, SecondsFormat, TimeDelta, TimeZone as _, Utc};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{RngSeed, TestRunner},
};

/// Returns `count` pairs of texts in RFC 3339, the same ones all day: next to each other, far apart, reversed, at the
/// ends of what a moment may be and beyond, with leap seconds, fractions finer than microseconds and offsets.
pub fn moment_pairs(count: usize, seed: u64) -> Vec<[String; 2]> {
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() });
    let pair = || pair().new_tree(&mut runner).expect("a pair can be generated").current();
    std::iter::repeat_with(pair).take(count).collect()
}

fn pair() -> impl Strategy<Value = [String; 2]> {
    // What is booked lies ahead; a quarter of an hour is a step of most schedules.
    let soon = (1..300_u64, 0..96_i64).prop_map(|(day, quarter)| {
        let midnight = Utc::now().naive_utc().date().checked_add_days(Days::new(day)).unwrap_or_default();
        midnight.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::minutes(15 * quarter)
    });
    let at = |year: i32| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
    let base = prop_oneof![
        6 => soon,
        1 => prop_oneof![Just(at(1)), Just(at(1900)), Just(at(1970)), Just(at(2262)), Just(at(9999))],
    ];
    let nanos = prop_oneof![
        // A usual appointment.
        4 => Just(45 * 60 * 1_000_000_000_i64),
        6 => prop_oneof![
            Just(0_i64), Just(1), Just(800), Just(999), Just(1_000), Just(-1), Just(-800), Just(1_000_000_000),
            Just(-3_600_000_000_000), Just(86_400_000_000_000), Just(92 * 86_400_000_000_000),
            Just(366 * 86_400_000_000_000),
        ],
    ];

    let written = prop_oneof![4 => Just(None), 1 => (-14..=14_i32).prop_map(Some)];
    (base, nanos, prop_oneof![3 => Just(0_i64), 1 => 0..1_000_000_000_i64], written, prop::bool::weighted(0.1))
        .prop_map(|(base, apart, fraction, zone, leap)| {
            let start = base + TimeDelta::nanoseconds(fraction);
            let end = start.checked_add_signed(TimeDelta::nanoseconds(apart)).unwrap_or(start);
            [text(start, zone, false), text(end, zone, leap)]
        })
}

/// Writes a moment with its nanoseconds, at an offset in hours; or the leap second that ends its day.
fn text(moment: DateTime<Utc>, zone: Option<i32>, leap: bool) -> String {
    if leap {
        return format!("{}T23:59:60.5Z", moment.format("%Y-%m-%d"));
    }
    match zone.and_then(|hours| chrono::FixedOffset::east_opt(hours * 3600)) {
        Some(offset) => moment.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Nanos, false),
        None => moment.to_rfc3339_opts(SecondsFormat::Nanos, true),
    }
}
