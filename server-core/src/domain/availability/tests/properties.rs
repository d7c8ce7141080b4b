//! Properties that hold for any schedule.

use std::collections::HashSet;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::{
    super::engine::{Busy, ExceptionKind, Hours, LONGEST_RANGE, Offer, Schedule, slots},
    oracle,
    world::world,
};

proptest! {
    #[test]
    fn trial_finds_the_same(world in world()) {
        prop_assert_eq!(world.slots(), oracle::slots(&world));
    }

    #[test]
    fn slots_keep_what_they_promise(world in world()) {
        let slots = world.slots();
        let mut labels = HashSet::new();
        for slot in &slots {
            prop_assert!(slot.started_at >= world.from && slot.started_at < world.to);
            prop_assert!(slot.started_at >= world.now + world.offer.notice);
            prop_assert_eq!(slot.ended_at - slot.started_at, world.offer.duration);
            prop_assert!(labels.insert(oracle::label(&world.schedule, slot.started_at)), "a local time is offered twice");
            let block = world.offer.block(slot);
            let meets = |busy: &Busy| busy.block.start < block.end && block.start < busy.block.end;
            prop_assert!(!world.busy.iter().any(|busy| busy.block.start < busy.block.end && meets(busy)));
            let mut at = slot.started_at;
            while at < slot.ended_at {
                prop_assert!(oracle::is_open(&world.schedule, at), "{at} is not open");
                let label = oracle::label(&world.schedule, at);
                let mut away = world.schedule.exceptions.iter().filter(|one| one.kind == ExceptionKind::Unavailable);
                prop_assert!(!away.any(|one| one.starts_at <= label && label < one.ends_at));
                at += TimeDelta::minutes(1);
            }
        }
        prop_assert!(slots.is_sorted_by_key(|slot| slot.started_at));
    }

    /// A slot that a long range lists is found by a range of one second, too, with bookings in any order.
    #[test]
    fn a_slot_that_is_listed_is_found_alone(world in world(), place in any::<prop::sample::Index>()) {
        let slots = world.slots();
        prop_assume!(!slots.is_empty());
        let slot = slots[place.index(slots.len())];
        let mut alone = world.clone();
        (alone.from, alone.to) = (slot.started_at, slot.started_at + TimeDelta::seconds(1));
        alone.busy.reverse();
        prop_assert_eq!(alone.slots(), [slot]);
    }
}

/// Returns a schedule that is open around the clock.
fn always(zone: Tz, slot_minutes: u32) -> Schedule {
    let hours =
        |day| Hours { weekday: Weekday::try_from(day).unwrap(), starts_at: NaiveTime::MIN, ends_at: NaiveTime::MIN };
    Schedule {
        zone,
        slot_minutes,
        horizon_days: 366,
        daily_cap: Some(24),
        hours: (0..7).map(hours).collect(),
        exceptions: Vec::new(),
    }
}

#[test]
fn no_zone_and_no_date_is_too_strange() {
    let hour = TimeDelta::hours(1);
    let offer =
        Offer { duration: hour, buffer_before: TimeDelta::zero(), buffer_after: TimeDelta::zero(), notice: hour };
    let year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN).and_utc();
    let mut ends = vec![DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
    ends.extend([-262_000, -4712, 1, 1845, 1867, 1883, 1900, 1919, 1945, 1970, 1994, 2011, 2026, 2037, 2100].map(year));
    ends.extend([9999, 262_000].map(year));
    for zone in TZ_VARIANTS {
        let schedule = always(zone, 480);
        for now in &ends {
            for to in [now.checked_add_signed(TimeDelta::days(2)), Some(DateTime::<Utc>::MAX_UTC), Some(*now)] {
                let to = to.unwrap_or(*now);
                let found = slots(&schedule, &offer, &[], *now, to, *now);
                let most = LONGEST_RANGE.num_days() * 3 + 3;
                assert!(i64::try_from(found.len()).unwrap() <= most, "{zone} {now} {to}");
            }
        }
    }
}

#[test]
fn every_zone_offers_every_hour_of_a_year_once() {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let offer = Offer {
        duration: TimeDelta::minutes(5),
        buffer_before: TimeDelta::zero(),
        buffer_after: TimeDelta::zero(),
        notice: TimeDelta::zero(),
    };
    for zone in TZ_VARIANTS {
        let schedule = always(zone, 60);
        for quarter in 0..4 {
            let from = (first + Days::new(91 * quarter)).and_time(NaiveTime::MIN).and_utc();
            let found = slots(&schedule, &offer, &[], from, from + TimeDelta::days(91), from);
            let labels: HashSet<_> = found.iter().map(|slot| oracle::label(&schedule, slot.started_at)).collect();
            assert_eq!(labels.len(), found.len(), "{zone}: a local time is offered twice");
            // A change of the clocks skips or repeats an hour or two.
            assert!((91 * 24 - 2..=91 * 24 + 1).contains(&found.len()), "{zone}: {}", found.len());
        }
    }
}
