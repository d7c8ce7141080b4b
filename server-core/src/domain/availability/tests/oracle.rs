//! Simple implementation that checks each minute against each rule. Slow, but evidently correct.

use chrono::{DateTime, Datelike as _, Days, NaiveDateTime, TimeDelta, TimeZone as _, Timelike as _, Utc};

use super::{
    super::engine::{ExceptionKind, Hours, Schedule, Slot},
    world::World,
};

const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// Returns the local time of a moment.
pub(super) fn label(schedule: &Schedule, at: DateTime<Utc>) -> NaiveDateTime {
    schedule.zone.from_utc_datetime(&at.naive_utc()).naive_local()
}

/// Returns `true` if a weekly window contains the label.
fn holds(hours: &Hours, label: NaiveDateTime) -> bool {
    let next_day = hours.ends_at <= hours.starts_at;
    let (today, time) = (label.weekday(), label.time());
    let begun = hours.weekday == today && time >= hours.starts_at && (next_day || time < hours.ends_at);
    let from_yesterday = hours.weekday == today.pred() && next_day && time < hours.ends_at;
    begun || from_yesterday
}

pub(super) fn is_open(schedule: &Schedule, at: DateTime<Utc>) -> bool {
    let label = label(schedule, at);
    let any = |kind| {
        let mut exceptions = schedule.exceptions.iter().filter(|exception| exception.kind == kind);
        exceptions.any(|exception| exception.starts_at <= label && label < exception.ends_at)
    };
    let works = schedule.hours.iter().any(|hours| holds(hours, label)) || any(ExceptionKind::Available);
    works && !any(ExceptionKind::Unavailable)
}

/// Returns every slot by checking every minute.
pub(super) fn slots(world: &World) -> Vec<Slot> {
    let World { schedule, offer, busy, from, to, now } = world;
    let first = from.with_second(0).unwrap();
    let count = usize::try_from((*to + offer.duration - first).num_minutes() + 1).unwrap();
    let minutes: Vec<DateTime<Utc>> = std::iter::successors(Some(first), |at| Some(*at + MINUTE)).take(count).collect();
    let open: Vec<bool> = minutes.iter().map(|at| is_open(schedule, *at)).collect();
    let needs = usize::try_from(offer.duration.num_minutes()).unwrap();
    let last_day = label(schedule, *now).date() + Days::new(schedule.horizon_days.into());
    let mut slots = Vec::new();
    for (place, &started_at) in minutes.iter().enumerate().filter(|(_, at)| *at >= from && *at < to) {
        let label = label(schedule, started_at);
        let ended_at = started_at + offer.duration;
        let (block_start, block_end) = (started_at - offer.buffer_before, ended_at + offer.buffer_after);
        let begun = busy.iter().filter(|busy| self::label(schedule, busy.booked_at).date() == label.date()).count();
        if (label.hour() * 60 + label.minute()).is_multiple_of(schedule.slot_minutes)
            && schedule.zone.from_local_datetime(&label).earliest().unwrap() == started_at
            && open[place..place + needs].iter().all(|open| *open)
            && !busy.iter().any(|busy| {
                let block = &busy.block;
                block.start < block.end && block.start < block_end && block_start < block.end
            })
            && started_at >= *now + offer.notice
            && label.date() <= last_day
            && schedule.daily_cap.is_none_or(|cap| begun < usize::try_from(cap).unwrap())
        {
            slots.push(Slot { started_at, ended_at });
        }
    }
    slots
}
