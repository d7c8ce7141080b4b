//! Examples of single days.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc, Weekday};
use chrono_tz::Tz;

use super::super::engine::{Busy, Exception, ExceptionKind, Hours, Offer, Schedule, slots};

fn schedule(zone: Tz, slot_minutes: u32, hours: &[(Weekday, &str, &str)]) -> Schedule {
    let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
    let hours =
        hours.iter().map(|(weekday, from, to)| Hours { weekday: *weekday, starts_at: time(from), ends_at: time(to) });
    let (hours, exceptions) = (hours.collect(), Vec::new());
    Schedule { zone, slot_minutes, horizon_days: 366, daily_cap: None, hours, exceptions }
}

fn offer(minutes: i64) -> Offer {
    let zero = TimeDelta::zero();
    Offer { duration: TimeDelta::minutes(minutes), buffer_before: zero, buffer_after: zero, notice: zero }
}

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    local(text).and_utc()
}

fn booked(from: &str, to: &str) -> Busy {
    Busy { block: utc(from)..utc(to), booked_at: utc(from) }
}

/// Returns the local times at which slots of a local day begin, in the order of their moments.
fn day(schedule: &Schedule, offer: &Offer, busy: &[Busy], date: &str) -> Vec<String> {
    let date: NaiveDate = date.parse().unwrap();
    let midnight = |date: NaiveDate| {
        let midnight = date.and_time(NaiveTime::MIN);
        // If the clocks go forward at midnight, the day begins at one.
        let found = |hours| schedule.zone.from_local_datetime(&(midnight + TimeDelta::hours(hours))).earliest();
        found(0).or_else(|| found(1)).unwrap().to_utc()
    };
    let (from, to) = (midnight(date), midnight(date.succ_opt().unwrap()));
    let found = slots(schedule, offer, busy, from, to, from - TimeDelta::days(2));
    found.iter().map(|slot| slot.started_at.with_timezone(&schedule.zone).format("%H:%M").to_string()).collect()
}

#[test]
fn the_grid_begins_at_midnight_and_slots_end_with_the_hours() {
    let schedule = schedule(Tz::Europe__Berlin, 50, &[(Weekday::Wed, "09:00", "12:00")]);
    // Multiples of 50 minutes from midnight, not from nine.
    assert_eq!(day(&schedule, &offer(50), &[], "2026-07-01"), ["09:10", "10:00", "10:50"]);
    assert_eq!(day(&schedule, &offer(20), &[], "2026-07-01"), ["09:10", "10:00", "10:50", "11:40"]);
    assert_eq!(day(&schedule, &offer(50), &[], "2026-07-02"), [] as [&str; 0]);
}

#[test]
fn where_clocks_go_forward_what_is_left_out_has_no_slot() {
    let schedule = schedule(Tz::Europe__Berlin, 30, &[(Weekday::Sun, "01:00", "04:00")]);
    assert_eq!(day(&schedule, &offer(30), &[], "2026-03-29"), ["01:00", "01:30", "03:00", "03:30"]);
    // A slot of an hour at half past one ends at half past three local time.
    assert_eq!(day(&schedule, &offer(60), &[], "2026-03-29"), ["01:00", "01:30", "03:00"]);
}

#[test]
fn where_clocks_go_back_what_comes_twice_is_offered_once() {
    let schedule = schedule(Tz::Europe__Berlin, 30, &[(Weekday::Sun, "01:30", "03:30")]);
    assert_eq!(day(&schedule, &offer(30), &[], "2026-10-25"), ["01:30", "02:00", "02:30", "03:00"]);
    let from = utc("2026-10-24 00:00");
    let found = slots(&schedule, &offer(30), &[], from, utc("2026-10-26 00:00"), from);
    let starts: Vec<_> = found.iter().map(|slot| slot.started_at).collect();
    let expected = ["2026-10-24 23:30", "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 02:00"];
    assert_eq!(starts, expected.map(utc), "the first occurrence; the second hour is worked, but begins nothing");
    // A range that begins within the second occurrence does not offer the label either.
    let found = slots(&schedule, &offer(30), &[], utc("2026-10-25 01:00"), utc("2026-10-26 00:00"), from);
    assert_eq!(found.first().unwrap().started_at, utc("2026-10-25 02:00"));
}

#[test]
fn clocks_may_change_by_half_an_hour_and_at_midnight() {
    let howe = schedule(Tz::Australia__Lord_Howe, 15, &[(Weekday::Sun, "01:15", "02:45")]);
    assert_eq!(day(&howe, &offer(15), &[], "2026-04-05"), ["01:15", "01:30", "01:45", "02:00", "02:15", "02:30"]);
    assert_eq!(day(&howe, &offer(15), &[], "2026-10-04"), ["01:15", "01:30", "01:45", "02:30"]);
    let santiago = schedule(Tz::America__Santiago, 60, &[(Weekday::Sat, "22:00", "03:00")]);
    // The hour after midnight of 6 September is skipped.
    assert_eq!(day(&santiago, &offer(60), &[], "2026-09-05"), ["22:00", "23:00"]);
    assert_eq!(day(&santiago, &offer(60), &[], "2026-09-06"), ["01:00", "02:00"]);
}

#[test]
fn windows_cross_midnight_and_whole_days_touch() {
    let night = schedule(Tz::Asia__Kolkata, 60, &[(Weekday::Mon, "22:00", "02:00")]);
    assert_eq!(day(&night, &offer(90), &[], "2026-07-06"), ["22:00", "23:00"]);
    assert_eq!(day(&night, &offer(90), &[], "2026-07-07"), ["00:00"]);
    let late = schedule(Tz::Asia__Kolkata, 60, &[(Weekday::Mon, "22:00", "00:00"), (Weekday::Tue, "00:00", "01:00")]);
    assert_eq!(day(&late, &offer(90), &[], "2026-07-06"), ["22:00", "23:00"], "one stretch, said as two");
}

#[test]
fn exceptions_add_and_take_away_and_absence_wins() {
    let mut schedule = schedule(Tz::America__New_York, 60, &[(Weekday::Thu, "09:00", "12:00")]);
    let exception = |kind, from, to| Exception { kind, starts_at: local(from), ends_at: local(to) };
    schedule.exceptions = vec![
        exception(ExceptionKind::Available, "2026-07-02 11:00", "2026-07-02 15:00"),
        exception(ExceptionKind::Unavailable, "2026-07-02 10:30", "2026-07-02 11:30"),
        exception(ExceptionKind::Unavailable, "2026-07-02 14:30", "2026-07-04 00:00"),
    ];
    assert_eq!(day(&schedule, &offer(60), &[], "2026-07-02"), ["09:00", "12:00", "13:00"]);
}

#[test]
fn bookings_and_buffers_keep_apart() {
    let schedule = schedule(Tz::Europe__Berlin, 30, &[(Weekday::Wed, "09:00", "12:00")]);
    // 10:00 to 10:30 in Berlin.
    let busy = [booked("2026-07-01 08:00", "2026-07-01 08:30")];
    assert_eq!(day(&schedule, &offer(30), &busy, "2026-07-01"), ["09:00", "09:30", "10:30", "11:00", "11:30"]);
    let mut buffered = offer(30);
    buffered.buffer_after = TimeDelta::minutes(10);
    assert_eq!(day(&schedule, &buffered, &busy, "2026-07-01"), ["09:00", "10:30", "11:00", "11:30"]);
    buffered.buffer_before = TimeDelta::minutes(1);
    assert_eq!(day(&schedule, &buffered, &busy, "2026-07-01"), ["09:00", "11:00", "11:30"]);
}

#[test]
fn a_full_day_offers_nothing() {
    let mut schedule = schedule(Tz::Europe__Berlin, 60, &[(Weekday::Wed, "09:00", "12:00")]);
    schedule.daily_cap = Some(2);
    let mut busy = vec![booked("2026-07-01 07:00", "2026-07-01 08:00")];
    assert_eq!(day(&schedule, &offer(60), &busy, "2026-07-01"), ["10:00", "11:00"]);
    // A past booking outside of the hours counts towards the cap of its local day.
    let over = utc("2026-06-30 22:30");
    busy.push(Busy { block: over..over, booked_at: over });
    assert_eq!(day(&schedule, &offer(60), &busy, "2026-07-01"), [] as [&str; 0]);
}

#[test]
fn notice_and_horizon_bound_what_is_offered() {
    let mut schedule =
        schedule(Tz::Asia__Kolkata, 60, &[(Weekday::Wed, "00:00", "00:00"), (Weekday::Thu, "00:00", "00:00")]);
    schedule.horizon_days = 1;
    let mut offer = offer(60);
    offer.notice = TimeDelta::minutes(90);
    // 22:30 on Wednesday, local time.
    let now = utc("2026-07-01 17:00");
    let found = slots(&schedule, &offer, &[], now - TimeDelta::days(1), now + TimeDelta::days(8), now);
    assert_eq!(found.first().unwrap().started_at, utc("2026-07-01 18:30"), "midnight is ninety minutes away");
    assert_eq!(found.last().unwrap().started_at, utc("2026-07-02 17:30"), "tomorrow to its end");
    assert_eq!(found.len(), 24);
}
