use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use poem_openapi::{Object, types::Example};

use super::engine::{self, Busy, Offer, Schedule};
use crate::{
    domain::appointment_template::Modality,
    ids::{AppointmentTemplateId, SpecialistId, SpecialtyId},
};

/// When a specialist can be booked.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Availability {
    /// The specialist.
    pub(crate) specialist_id: SpecialistId,
    /// The IANA zone that its hours are in, to show slots in.
    pub(crate) timezone: String,
    /// How many minutes lie between two beginnings.
    pub(crate) slot_minutes: u32,
    /// The slots, earliest first; they overlap where one takes longer than the next one is away.
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

/// How long the slots of the example take.
const LASTS: TimeDelta = TimeDelta::minutes(30);

/// Time that can be booked.
#[derive(Debug, Clone, Copy, Object)]
#[oai(rename = "OpenSlot", example)]
pub(crate) struct Slot {
    /// When it begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends.
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

/// A slot that can be booked, and what a booking of it takes over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenSlot {
    /// When the appointment begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends.
    pub(crate) ended_at: DateTime<Utc>,
    /// From when on it keeps others out: its beginning less the buffer before it.
    pub(crate) block_start: DateTime<Utc>,
    /// Until when: its end and the buffer after it.
    pub(crate) block_end: DateTime<Utc>,
    /// The template's specialty; none without a template.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// The template's; in person without one.
    pub(crate) modality: Modality,
    /// How long before its beginning a patient can last cancel, in minutes.
    pub(crate) cancellation_cutoff_minutes: i32,
    /// How long before its beginning a patient can last reschedule, in minutes.
    pub(crate) reschedule_cutoff_minutes: i32,
}

/// What a specialist offers, and what is booked around the time that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// Whether it can be booked at all.
    pub(super) bookable: bool,
    /// The template that was asked for, if it is there.
    pub(super) template: Option<AppointmentTemplateId>,
    pub(super) schedule: Schedule,
    pub(super) offer: Offer,
    pub(super) terms: Terms,
    pub(super) busy: Vec<Busy>,
}

impl Offered {
    /// What the specialist's hours are said in.
    pub(crate) fn zone(&self) -> Tz {
        self.schedule.zone
    }

    /// Whether the specialist can be booked at all.
    pub(crate) fn is_bookable(&self) -> bool {
        self.bookable
    }

    /// What others are kept out of by what is booked.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Range<DateTime<Utc>>> {
        self.busy.iter().map(|busy| &busy.block).filter(|block| !block.is_empty())
    }

    /// Whether the specialist is away at a time between the two moments: an exception says so. What it
    /// works otherwise is not asked.
    pub(crate) fn is_away(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        engine::is_away(&self.schedule, from, to)
    }

    /// The slot that begins at the moment, whether or not it is open.
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

/// What a booking takes over from its template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) specialty_id: Option<SpecialtyId>,
    pub(super) modality: Modality,
    pub(super) cancellation_cutoff_minutes: i32,
    pub(super) reschedule_cutoff_minutes: i32,
}
