use chrono::{DateTime, TimeDelta, Utc};

use super::{
    engine::{self, LONGEST_RANGE, MARGIN},
    error::AvailabilityError,
    model::{Availability, Offered, OpenSlot},
    repository,
};
use crate::{
    database::{Database, OpenReader, Tx},
    identity::Caller,
    ids::{AppointmentId, AppointmentTemplateId, OrganizationId, SpecialistId},
};

/// Length of the range if only its beginning is given.
const USUAL_RANGE: TimeDelta = TimeDelta::days(7);
/// Largest distance from now at which slots are searched. Dates beyond it may exceed the range of the database.
const FURTHEST: TimeDelta = TimeDelta::days(400);

/// Availability of specialists.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn get(
        &self,
        caller: &Caller,
        specialist: SpecialistId,
        template: Option<AppointmentTemplateId>,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) -> Result<Availability, AvailabilityError> {
        let now = Utc::now();
        let (from, to) = range(from, to, now)?;
        let mut reader = self.database.read(caller).open().await?;
        let offered = repository::offer_get(&mut reader, specialist, template, from - MARGIN, to + MARGIN).await?;
        let Offered { bookable, schedule, offer, busy, .. } = found(offered, template)?;
        let slots = if bookable { engine::slots(&schedule, &offer, &busy, from, to, now) } else { Vec::new() };
        Ok(Availability {
            specialist_id: specialist,
            timezone: schedule.zone.name().to_owned(),
            slot_minutes: schedule.slot_minutes,
            data: slots.into_iter().map(Into::into).collect(),
        })
    }
}

/// Returns the slot of a specialist that begins at `started_at` if it is open, by the rules of the availability. The
/// appointment `besides` is ignored, because it is being moved.
///
/// The caller holds the specialist's lock. Lapsed holds block nothing.
///
/// [`AvailabilityError::NotOffered`] if the schedule has no such slot; [`AvailabilityError::Taken`] if it is booked or
/// the daily cap is reached.
pub(crate) async fn open_slot(
    tx: &mut impl Tx,
    organization: OrganizationId,
    specialist: SpecialistId,
    template: Option<AppointmentTemplateId>,
    started_at: DateTime<Utc>,
    now: DateTime<Utc>,
    besides: Option<AppointmentId>,
) -> Result<OpenSlot, AvailabilityError> {
    let asked = near(started_at, now);
    let offered =
        repository::offer_get_besides(tx, organization, specialist, template, asked - MARGIN, asked + MARGIN, besides)
            .await?;
    let offered = found(offered, template)?;
    let is_open = |busy: &[engine::Busy]| {
        let slots = engine::slots(&offered.schedule, &offered.offer, busy, asked, asked + TimeDelta::seconds(1), now);
        offered.bookable && slots.iter().any(|slot| slot.started_at == started_at)
    };
    if is_open(&offered.busy) {
        return Ok(offered.slot_at(started_at));
    }
    Err(if is_open(&[]) { AvailabilityError::Taken } else { AvailabilityError::NotOffered })
}

/// Returns the schedule and bookings of a specialist from `from` to `to`, for bookings outside of its working hours.
/// The caller holds the specialist's lock. Lapsed holds block nothing.
pub(crate) async fn offered(
    tx: &mut impl Tx,
    organization: OrganizationId,
    specialist: SpecialistId,
    template: Option<AppointmentTemplateId>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Offered, AvailabilityError> {
    let offered = repository::offer_get_besides(tx, organization, specialist, template, from, to, None).await?;
    found(offered, template)
}

/// Open slots of a specialist in a range of any length, which can be given away one by one.
pub(crate) struct Openings {
    offered: Offered,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    now: DateTime<Utc>,
    slots: Vec<OpenSlot>,
}

impl Openings {
    /// Returns the open slots, earliest first.
    pub(crate) fn slots(&self) -> &[OpenSlot] {
        &self.slots
    }

    /// Counts a slot as booked, for whichever template.
    pub(crate) fn give(&mut self, slot: &OpenSlot) {
        let block = slot.block_start..slot.block_end;
        self.offered.busy.push(engine::Busy { block, booked_at: slot.started_at });
        self.look();
    }

    /// Finds the slots piece by piece, because the engine limits the length of a range.
    fn look(&mut self) {
        let Self { offered, to, now, slots, .. } = self;
        slots.clear();
        let mut from = self.from;
        while offered.bookable && from < *to {
            let end = (from + LONGEST_RANGE).min(*to);
            let piece = engine::slots(&offered.schedule, &offered.offer, &offered.busy, from, end, *now);
            slots.extend(piece.iter().map(|slot| offered.slot_at(slot.started_at)));
            from = end;
        }
    }
}

/// Returns the open slots of a specialist from `from` to `to`. Lapsed holds block nothing.
pub(crate) async fn openings(
    reader: &mut OpenReader,
    specialist: SpecialistId,
    template: Option<AppointmentTemplateId>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Openings, AvailabilityError> {
    let (from, to) = (near(from, now), near(to, now));
    let offered = repository::offer_get(reader, specialist, template, from - MARGIN, to + MARGIN).await?;
    let offered = found(offered, template)?;
    let mut openings = Openings { offered, from, to, now, slots: Vec::new() };
    openings.look();
    Ok(openings)
}

fn found(offered: Option<Offered>, template: Option<AppointmentTemplateId>) -> Result<Offered, AvailabilityError> {
    let offered = offered.ok_or(AvailabilityError::SpecialistNotFound)?;
    if template == offered.template { Ok(offered) } else { Err(AvailabilityError::TemplateNotFound) }
}

/// Validates the requested range and limits it to the times at which there can be slots.
fn range(
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), AvailabilityError> {
    let from = from.unwrap_or(now);
    let to = to.or_else(|| from.checked_add_signed(USUAL_RANGE)).ok_or(AvailabilityError::InvalidRange)?;
    if from >= to || to.signed_duration_since(from) > LONGEST_RANGE {
        return Err(AvailabilityError::InvalidRange);
    }
    Ok((near(from, now), near(to, now)))
}

/// Limits a moment to the times at which there can be slots.
fn near(moment: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    moment.clamp(now - TimeDelta::seconds(1), now + FURTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_bounded() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        let day = TimeDelta::days(1);
        assert_eq!(range(None, None, now).unwrap(), (now, now + USUAL_RANGE));
        assert_eq!(range(Some(now + day), None, now).unwrap(), (now + day, now + day + USUAL_RANGE));
        assert!(range(Some(now), Some(now + LONGEST_RANGE), now).is_ok());
        for (from, to) in [
            (now, now),
            (now + day, now),
            (now, now + LONGEST_RANGE + TimeDelta::seconds(1)),
            (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC),
        ] {
            assert!(range(Some(from), Some(to), now).is_err(), "{from} {to}");
        }
        assert!(range(Some(DateTime::<Utc>::MAX_UTC), None, now).is_err());
        // Moments out of reach are limited, so that the database can represent each of them.
        let (from, to) = range(Some(DateTime::<Utc>::MIN_UTC), None, now).unwrap();
        assert!(from <= now && to <= now && now - from <= day);
    }
}
