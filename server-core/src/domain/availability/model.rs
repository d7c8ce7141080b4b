use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use poem_openapi::{Object, types::Example};

use super::engine::{self, Busy, Offer, Schedule};
use crate::{
    domain::appointment_template::Modality,
    ids::{AppointmentTemplateId, SpecialistId, SpecialtyId},
};

/// Open slots of a specialist.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Availability {
    /// Id of the specialist.
    pub(crate) specialist_id: SpecialistId,
    /// IANA time zone of the specialist's hours, for the display of slots.
    pub(crate) timezone: String,
    /// Minutes from the start of one slot to the start of the next.
    pub(crate) slot_minutes: u32,
    /// Open slots, earliest first. Slots that are longer than `slot_minutes` overlap.
    pub(crate) data: Vec<Slot>,
}

impl Example for Availability {
    fn example() -> Self {
        let next = Slot { started_at: Slot::example().ended_at, ended_at: Slot::example().ended_at + LASTS };
        Self {
            specialist_id: SpecialistId(8),
            timezone: "Europe/Berlin".to_owned(),
            slot_minutes: 30,
            data: vec![Slot::example(), next],
        }
    }
}

/// Duration of the slots of the example.
const LASTS: TimeDelta = TimeDelta::minutes(30);

/// Slot that can be booked.
#[derive(Debug, Clone, Copy, Object)]
#[oai(rename = "OpenSlot", example)]
pub(crate) struct Slot {
    /// Start of the slot.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the slot.
    pub(crate) ended_at: DateTime<Utc>,
}

impl From<engine::Slot> for Slot {
    fn from(slot: engine::Slot) -> Self {
        Self { started_at: slot.started_at, ended_at: slot.ended_at }
    }
}

impl Example for Slot {
    fn example() -> Self {
        let started_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::hours(9);
        Self { started_at, ended_at: started_at + LASTS }
    }
}

/// Slot that can be booked, with the terms that a booking takes over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenSlot {
    /// Start of the slot.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the slot.
    pub(crate) ended_at: DateTime<Utc>,
    /// Start of the blocked time: the start of the slot minus the buffer before it.
    pub(crate) block_start: DateTime<Utc>,
    /// End of the blocked time: the slot's end plus the buffer after it.
    pub(crate) block_end: DateTime<Utc>,
    /// Specialty of the template, if any.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Modality of the template; in person without one.
    pub(crate) modality: Modality,
    /// Minutes before the start up to which the patient can cancel.
    pub(crate) cancellation_cutoff_minutes: i32,
    /// Minutes before the start up to which the patient can reschedule.
    pub(crate) reschedule_cutoff_minutes: i32,
}

/// Schedule of a specialist, terms of the offer, and bookings around the requested range.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// `true` if the specialist can be booked.
    pub(super) bookable: bool,
    /// Requested template, if it exists.
    pub(super) template: Option<AppointmentTemplateId>,
    pub(super) schedule: Schedule,
    pub(super) offer: Offer,
    pub(super) terms: Terms,
    pub(super) busy: Vec<Busy>,
}

impl Offered {
    /// Returns the zone of the specialist's hours.
    pub(crate) fn zone(&self) -> Tz {
        self.schedule.zone
    }

    /// Returns `true` if the specialist can be booked.
    pub(crate) fn is_bookable(&self) -> bool {
        self.bookable
    }

    /// Returns the times that bookings block.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Range<DateTime<Utc>>> {
        self.busy.iter().map(|busy| &busy.block).filter(|block| !block.is_empty())
    }

    /// Returns `true` if the schedule has an absence that overlaps the range. Weekly hours are not considered.
    pub(crate) fn is_away(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        engine::is_away(&self.schedule, from, to)
    }

    /// Returns the slot that begins at `started_at`, open or not.
    pub(crate) fn slot_at(&self, started_at: DateTime<Utc>) -> OpenSlot {
        let slot = engine::Slot { started_at, ended_at: started_at + self.offer.duration };
        let block = self.offer.block(&slot);
        OpenSlot {
            started_at: slot.started_at,
            ended_at: slot.ended_at,
            block_start: block.start,
            block_end: block.end,
            specialty_id: self.terms.specialty_id,
            modality: self.terms.modality,
            cancellation_cutoff_minutes: self.terms.cancellation_cutoff_minutes,
            reschedule_cutoff_minutes: self.terms.reschedule_cutoff_minutes,
        }
    }
}

/// Terms that a booking takes over from its template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) specialty_id: Option<SpecialtyId>,
    pub(super) modality: Modality,
    pub(super) cancellation_cutoff_minutes: i32,
    pub(super) reschedule_cutoff_minutes: i32,
}
