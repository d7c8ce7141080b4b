use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::error::FieldFault;

use crate::{
    domain::{
        appointment::{Appointment, patient_of},
        availability::OpenSlot,
        period::Period,
        rules::InvalidValue,
    },
    identity::Caller,
    ids::{AppointmentId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, WaitlistEntryId},
};

/// How long somebody waits when only the beginning is said.
const USUAL_RANGE: TimeDelta = TimeDelta::days(90);
/// Longest range in which somebody waits: as far as schedules can reach.
const LONGEST_RANGE: TimeDelta = TimeDelta::days(366);
/// How far from now a range may begin; beyond lies a typing error.
const FURTHEST: TimeDelta = TimeDelta::days(366 * 10);

/// A patient who waits for a slot.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct WaitlistEntry {
    /// Its id.
    pub(crate) id: WaitlistEntryId,
    /// The clinic.
    pub(crate) organization_id: OrganizationId,
    /// Who waits.
    pub(crate) patient_id: PatientId,
    /// With whom; absent when anybody will do who can be booked for the template.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// For what; absent for a slot as the specialist has them.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// From when on the patient could come.
    pub(crate) requested_from: DateTime<Utc>,
    /// Until when it would be over.
    pub(crate) requested_to: DateTime<Utc>,
    /// Where it stands.
    pub(crate) status: WaitlistStatus,
    /// What is offered, while it is.
    pub(crate) offer: Option<WaitlistOffer>,
    /// The appointment that it has led to.
    pub(crate) appointment_id: Option<AppointmentId>,
    /// When it was created; who waits longest is asked first.
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

/// A slot that is kept for who waits.
#[derive(Debug, Clone, Copy, Object)]
#[oai(example)]
pub(crate) struct WaitlistOffer {
    /// The hold; accepted, it is the appointment.
    pub(crate) appointment_id: AppointmentId,
    /// Who would treat.
    pub(crate) specialist_id: SpecialistId,
    /// When it would begin.
    pub(crate) started_at: DateTime<Utc>,
    /// When it would end.
    pub(crate) ended_at: DateTime<Utc>,
    /// Until when it can be accepted.
    pub(crate) expires_at: DateTime<Utc>,
}

impl Example for WaitlistOffer {
    fn example() -> Self {
        let Appointment { id, specialist_id, started_at, ended_at, created_at, .. } = Appointment::example();
        let expires_at = created_at + TimeDelta::days(1);
        Self { appointment_id: id, specialist_id, started_at, ended_at, expires_at }
    }
}

/// Where an entry of the waitlist stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum WaitlistStatus {
    /// Nothing is offered now.
    Waiting,
    /// A slot is kept for it.
    Offered,
    /// Its offer was accepted.
    Booked,
    /// The time in which the patient could have come is over.
    Expired,
    /// It let three offers run out: nothing more is offered to it.
    Unanswered,
}

/// What an entry of the waitlist is created from: a specialist, a template, or both.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateWaitlistEntry {
    /// Who waits. A patient may leave it out, and can name itself alone.
    pub(crate) patient_id: Option<PatientId>,
    /// With whom; left out, anybody who can be booked and has the template's specialty.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// For what; left out, a slot as the specialist has them.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// From when on the patient could come; left out, from now on.
    pub(crate) requested_from: Option<DateTime<Utc>>,
    /// Until when it has to be over, at most 366 days after `requested_from`; left out, 90 days after it.
    pub(crate) requested_to: Option<DateTime<Utc>>,
}

impl CreateWaitlistEntry {
    /// What is waited for, each fault of the body found.
    pub(super) fn wish(&self, caller: &Caller, now: DateTime<Utc>) -> Result<Wish, InvalidValue> {
        let mut faults = Vec::new();
        if self.specialist_id.is_none() && self.template_id.is_none() {
            faults.push(FieldFault::new("/specialist_id", "required", "is required without a template"));
            faults.push(FieldFault::new("/template_id", "required", "is required without a specialist"));
        }
        let from = self.requested_from.unwrap_or(now);
        let to = self.requested_to.or_else(|| from.checked_add_signed(USUAL_RANGE)).unwrap_or(from);
        if from.signed_duration_since(now) > FURTHEST {
            faults.push(FieldFault::new("/requested_from", "range", "must be within ten years of now"));
        } else if to <= from {
            faults.push(FieldFault::new("/requested_to", "order", "must be after requested_from"));
        } else if to.signed_duration_since(from) > LONGEST_RANGE {
            faults.push(FieldFault::new("/requested_to", "range", "must be at most 366 days after requested_from"));
        } else if to <= now {
            faults.push(FieldFault::new("/requested_to", "range", "must not be over"));
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
            requested_from: Some(requested_from),
            requested_to: Some(requested_to),
        }
    }
}

/// What a patient waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) patient: PatientId,
    pub(super) specialist: Option<SpecialistId>,
    pub(super) template: Option<AppointmentTemplateId>,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
}

/// Which entries to list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitlistFilter {
    /// Those that name one specialist.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Those of one patient.
    pub(crate) patient_id: Option<PatientId>,
    /// Those that stand there.
    pub(crate) status: Option<WaitlistStatus>,
}

/// What decides whether an entry's offer can be accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) patient_id: PatientId,
    pub(super) booked: bool,
    /// Whether anything was ever offered.
    pub(super) had_offer: bool,
    /// What is offered now, and whose slot it is.
    pub(super) offer_id: Option<AppointmentId>,
    pub(super) offer_specialist_id: Option<SpecialistId>,
    pub(super) offer_started_at: Option<DateTime<Utc>>,
    pub(super) offer_ended_at: Option<DateTime<Utc>>,
}

/// An entry that waits, as far as one specialist can serve it.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) id: WaitlistEntryId,
    pub(super) patient_id: PatientId,
    pub(super) template_id: Option<AppointmentTemplateId>,
    pub(super) requested: Period,
    /// When the patient is elsewhere, or with this specialist.
    pub(super) busy: Vec<Period>,
    /// What the patient was offered with this specialist before, and did not take.
    pub(super) passed: Vec<Period>,
}

impl Waiting {
    /// Whether the slot can be offered: the patient could come then, is free, and did not let it pass.
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

    /// An hour with a quarter of an hour before and after it.
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
        // With its buffers the slot at 9 reaches into what is busy from 10 on; what was let pass has none.
        assert_eq!(suits, [8, 12, 13, 15, 16, 17]);
    }
}
