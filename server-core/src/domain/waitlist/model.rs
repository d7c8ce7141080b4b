use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::error::FieldFault;
use server_shared::value::Moment;

use crate::{
    domain::{
        appointment::{Appointment, patient_of},
        availability::OpenSlot,
        period::Period,
        rules::{InvalidValue, too_far},
    },
    identity::Caller,
    ids::{AppointmentId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, WaitlistEntryId},
};

/// Length of the requested range if only its start is given.
const USUAL_RANGE: TimeDelta = TimeDelta::days(90);
/// Longest requested range: the longest horizon of a schedule.
const LONGEST_RANGE: TimeDelta = TimeDelta::days(366);

/// Entry of the waitlist: the request of a patient who waits for a slot.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct WaitlistEntry {
    /// Id of the entry.
    pub(crate) id: WaitlistEntryId,
    /// Id of the organization of the entry.
    pub(crate) organization_id: OrganizationId,
    /// Id of the patient who waits.
    pub(crate) patient_id: PatientId,
    /// Id of the requested specialist; absent for any bookable specialist who has the template's specialty.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Id of the requested appointment template; absent for a slot with the duration of the specialist's schedule.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// Earliest start of the appointment.
    pub(crate) requested_from: DateTime<Utc>,
    /// Latest end of the appointment.
    pub(crate) requested_to: DateTime<Utc>,
    /// Status of the entry.
    pub(crate) status: WaitlistStatus,
    /// Present offer; absent if there is none.
    pub(crate) offer: Option<WaitlistOffer>,
    /// Id of the appointment that was booked by accepting an offer; absent if there is none.
    pub(crate) appointment_id: Option<AppointmentId>,
    /// Time of creation. The oldest entry gets the first offer.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for WaitlistEntry {
    fn example() -> Self {
        let Appointment { organization_id, patient_id, specialist_id, appointment_template_id, created_at, .. } =
            Appointment::example();
        Self {
            id: WaitlistEntryId(23),
            organization_id,
            patient_id,
            specialist_id: Some(specialist_id),
            template_id: appointment_template_id,
            requested_from: created_at,
            requested_to: created_at + USUAL_RANGE,
            status: WaitlistStatus::Offered,
            offer: Some(WaitlistOffer::example()),
            appointment_id: None,
            created_at,
        }
    }
}

/// Slot that is offered to an entry.
#[derive(Debug, Clone, Copy, Object)]
#[oai(example)]
pub(crate) struct WaitlistOffer {
    /// Id of the hold that keeps the slot; the booked appointment has the same id.
    pub(crate) appointment_id: AppointmentId,
    /// Id of the specialist of the slot.
    pub(crate) specialist_id: SpecialistId,
    /// Start of the slot.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the slot.
    pub(crate) ended_at: DateTime<Utc>,
    /// Time at which the offer lapses.
    pub(crate) expires_at: DateTime<Utc>,
}

impl Example for WaitlistOffer {
    fn example() -> Self {
        let Appointment { id, specialist_id, started_at, ended_at, created_at, .. } = Appointment::example();
        let expires_at = created_at + TimeDelta::days(1);
        Self { appointment_id: id, specialist_id, started_at, ended_at, expires_at }
    }
}

/// Status of an entry of the waitlist.
///
/// - `waiting`: waits for an offer
/// - `offered`: has an offer, whose slot is held
/// - `booked`: an offer was accepted and its slot booked
/// - `expired`: the requested range is over
/// - `unanswered`: three offers lapsed, and there will be no further one
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum WaitlistStatus {
    Waiting,
    Offered,
    Booked,
    Expired,
    Unanswered,
}

/// Request to add an entry to the waitlist, for a specialist, an appointment template, or both.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateWaitlistEntry {
    /// Id of the patient who waits; required, except from callers who are patients: they can add only themselves.
    pub(crate) patient_id: Option<PatientId>,
    /// Id of the requested specialist; if left out, any bookable specialist who has the template's specialty.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Id of the requested appointment template; if left out, a slot with the duration of the specialist's schedule.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// Earliest start of the appointment; now if left out.
    pub(crate) requested_from: Option<Moment>,
    /// Latest end of the appointment, at most 366 days after `requested_from`; 90 days after `requested_from` if left
    /// out.
    pub(crate) requested_to: Option<Moment>,
}

impl CreateWaitlistEntry {
    /// Validates the body and returns the request; an error lists every fault.
    pub(super) fn wish(&self, caller: &Caller, now: DateTime<Utc>) -> Result<Wish, InvalidValue> {
        let mut faults = Vec::new();
        if self.specialist_id.is_none() && self.template_id.is_none() {
            faults.push(FieldFault::new("/specialist_id", "required", "is required without a template"));
            faults.push(FieldFault::new("/template_id", "required", "is required without a specialist"));
        }
        let from = self.requested_from.map_or(now, Moment::get);
        let to = self.requested_to.map(Moment::get).or_else(|| from.checked_add_signed(USUAL_RANGE)).unwrap_or(from);
        if let Some(fault) = too_far("/requested_from", from, now) {
            faults.push(fault);
        } else if to <= from {
            faults.push(FieldFault::new("/requested_to", "order", "must be after requested_from"));
        } else if to.signed_duration_since(from) > LONGEST_RANGE {
            faults.push(FieldFault::new("/requested_to", "range", "must be at most 366 days after requested_from"));
        } else if to <= now {
            faults.push(FieldFault::new("/requested_to", "range", "must be in the future"));
        }
        InvalidValue::check(faults)?;
        let (specialist, template) = (self.specialist_id, self.template_id);
        Ok(Wish { patient: patient_of(caller, self.patient_id)?, specialist, template, from, to })
    }
}

impl Example for CreateWaitlistEntry {
    fn example() -> Self {
        let WaitlistEntry { patient_id, specialist_id, template_id, requested_from, requested_to, .. } =
            WaitlistEntry::example();
        Self {
            patient_id: Some(patient_id),
            specialist_id,
            template_id,
            requested_from: Some(Moment::nearest(requested_from)),
            requested_to: Some(Moment::nearest(requested_to)),
        }
    }
}

/// Slots that a patient waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) patient: PatientId,
    pub(super) specialist: Option<SpecialistId>,
    pub(super) template: Option<AppointmentTemplateId>,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
}

/// Filter of a list of entries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitlistFilter {
    /// Selects entries that name one specialist.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Selects entries of one patient.
    pub(crate) patient_id: Option<PatientId>,
    /// Selects entries with one status.
    pub(crate) status: Option<WaitlistStatus>,
}

/// State of an entry and its offer, which decides whether the offer can be accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfferState {
    pub(super) patient_id: PatientId,
    pub(super) booked: bool,
    /// `true` if the entry has ever had an offer.
    pub(super) had_offer: bool,
    /// Present offer.
    pub(super) offer_id: Option<AppointmentId>,
    pub(super) offer_specialist_id: Option<SpecialistId>,
    pub(super) offer_started_at: Option<DateTime<Utc>>,
    pub(super) offer_ended_at: Option<DateTime<Utc>>,
}

/// Waiting entry that one specialist can serve.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) id: WaitlistEntryId,
    pub(super) patient_id: PatientId,
    pub(super) template_id: Option<AppointmentTemplateId>,
    pub(super) requested: Period,
    /// Times that the patient's appointments block, with any specialist.
    pub(super) busy: Vec<Period>,
    /// Times with this specialist that were offered to the patient before.
    pub(super) passed: Vec<Period>,
}

impl Waiting {
    /// Returns `true` if the slot can be offered: it is in the requested range, the patient is free, and it was not
    /// offered before.
    pub(super) fn takes(&self, slot: &OpenSlot) -> bool {
        let OpenSlot { started_at, ended_at, block_start, block_end, .. } = *slot;
        let (time, block) =
            (Period { start: started_at, end: ended_at }, Period { start: block_start, end: block_end });
        self.requested.start <= started_at
            && ended_at <= self.requested.end
            && !self.busy.iter().any(|busy| busy.overlaps(&block))
            && !self.passed.iter().any(|passed| passed.overlaps(&time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::appointment_template::Modality;

    fn hour(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::hours(hour)
    }

    /// Slot of an hour with buffers of 15 minutes.
    fn slot(begins: i64) -> OpenSlot {
        let buffer = TimeDelta::minutes(15);
        OpenSlot {
            started_at: hour(begins),
            ended_at: hour(begins + 1),
            block_start: hour(begins) - buffer,
            block_end: hour(begins + 1) + buffer,
            specialty_id: None,
            modality: Modality::InPerson,
            cancellation_cutoff_minutes: 0,
            reschedule_cutoff_minutes: 0,
        }
    }

    #[test]
    fn a_slot_suits_within_the_range_where_the_patient_is_free_and_let_nothing_pass() {
        let stretch = |start, end| Period { start: hour(start), end: hour(end) };
        let waiting = Waiting {
            id: WaitlistEntryId(1),
            patient_id: PatientId(2),
            template_id: None,
            requested: stretch(8, 18),
            busy: vec![stretch(10, 11)],
            passed: vec![stretch(14, 15)],
        };
        let suits: Vec<i64> = (6..20).filter(|begins| waiting.takes(&slot(*begins))).collect();
        // The buffer of the slot at 9 overlaps the busy time from 10; times offered before count without buffers.
        assert_eq!(suits, [8, 12, 13, 15, 16, 17]);
    }
}
