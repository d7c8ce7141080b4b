use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::{
    error::FieldFault,
    value::{Line, Moment},
};

use super::super::model::Appointment;
use crate::{
    domain::rules::InvalidValue,
    identity::{Caller, Role},
    ids::{AppointmentId, AppointmentTemplateId, PatientId, SpecialistId, WaitlistEntryId},
};

/// Duration of a hold.
pub(super) const HELD_FOR: TimeDelta = TimeDelta::minutes(10);
/// Duration of an offer of the waitlist. Longer than a hold, because the patient does not expect it.
pub(super) const OFFERED_FOR: TimeDelta = TimeDelta::minutes(60);

/// Request to hold an open slot.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct HoldAppointment {
    /// Id of the specialist who treats the patient.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated; required, except from callers who are patients: they can hold slots only for
    /// themselves.
    pub(crate) patient_id: Option<PatientId>,
    /// Id of the appointment template to book. If left out, the slot has the duration and buffers of the specialist's
    /// schedule.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// Start of the slot, as listed by `specialist_availability_get`.
    pub(crate) started_at: Moment,
}

impl HoldAppointment {
    /// Returns the requested slot.
    pub(super) fn wanted(&self, caller: &Caller) -> Result<Wanted, InvalidValue> {
        Ok(Wanted {
            specialist: self.specialist_id,
            patient: patient_of(caller, self.patient_id)?,
            template: self.template_id,
            started_at: self.started_at.get(),
        })
    }
}

impl Example for HoldAppointment {
    fn example() -> Self {
        let Appointment { specialist_id, patient_id, appointment_template_id, started_at, .. } = Appointment::example();
        let started_at = Moment::nearest(started_at);
        Self { specialist_id, patient_id: Some(patient_id), template_id: appointment_template_id, started_at }
    }
}

/// Request to book an open slot or a hold of the caller.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct BookAppointment {
    /// Id of the hold to book. It determines specialist, patient, template and time, whose fields must be left out.
    pub(crate) hold_id: Option<AppointmentId>,
    /// Id of the specialist who treats the patient; required without `hold_id`.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Id of the patient who is treated; required without `hold_id`, except from callers who are patients: they can
    /// book only for themselves.
    pub(crate) patient_id: Option<PatientId>,
    /// Id of the appointment template to book. If left out, the slot has the duration and buffers of the specialist's
    /// schedule.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// Start of the slot, as listed by `specialist_availability_get`; required without `hold_id`.
    pub(crate) started_at: Option<Moment>,
    /// Subject of the appointment; it must not contain names or diagnoses.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
}

impl BookAppointment {
    /// Validates the body and returns what to book; an error lists every fault.
    pub(super) fn source(&self, caller: &Caller) -> Result<Source, InvalidValue> {
        if let Some(hold) = self.hold_id {
            let named = [
                ("/specialist_id", self.specialist_id.is_some()),
                ("/patient_id", self.patient_id.is_some()),
                ("/template_id", self.template_id.is_some()),
                ("/started_at", self.started_at.is_some()),
            ];
            let twice = named.into_iter().filter(|(_, named)| *named);
            let faults = twice.map(|(pointer, _)| FieldFault::new(pointer, "excluded", "must be left out with a hold"));
            return InvalidValue::check(faults.collect()).map(|()| Source::Hold(hold));
        }
        if let (Some(specialist), Some(started_at)) = (self.specialist_id, self.started_at) {
            let patient = patient_of(caller, self.patient_id)?;
            let started_at = started_at.get();
            return Ok(Source::Slot(Wanted { specialist, patient, template: self.template_id, started_at }));
        }
        let named = [
            ("/specialist_id", self.specialist_id.is_some()),
            ("/started_at", self.started_at.is_some()),
            ("/patient_id", self.patient_id.is_some() || caller.role() == Some(Role::Patient)),
        ];
        let missing = named.into_iter().filter(|(_, named)| !named);
        let faults = missing.map(|(pointer, _)| FieldFault::new(pointer, "required", "is required without a hold"));
        InvalidValue::check(faults.collect())?;
        Err(InvalidValue::new("/hold_id", "required", "is required without a slot"))
    }
}

impl Example for BookAppointment {
    fn example() -> Self {
        let HoldAppointment { specialist_id, patient_id, template_id, started_at } = HoldAppointment::example();
        Self {
            hold_id: None,
            specialist_id: Some(specialist_id),
            patient_id,
            template_id,
            started_at: Some(started_at),
            title: Line::from_static("First examination"),
        }
    }
}

/// Slot that a caller asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) specialist: SpecialistId,
    pub(crate) patient: PatientId,
    pub(crate) template: Option<AppointmentTemplateId>,
    pub(crate) started_at: DateTime<Utc>,
}

/// Appointment that a clinic books with a template at a time of its choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TemplateBooking<'a> {
    pub(crate) template: AppointmentTemplateId,
    pub(crate) specialist: SpecialistId,
    pub(crate) patient: PatientId,
    pub(crate) started_at: DateTime<Utc>,
    /// Subject, at most 200 characters; empty if it has none.
    pub(crate) title: &'a str,
}

/// Holder of a slot and duration of the hold.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub(super) holder: String,
    pub(super) lasts: TimeDelta,
    /// Entry of the waitlist that the slot is offered to. The offer ends no later than the start of the slot.
    pub(super) entry: Option<WaitlistEntryId>,
}

impl Hold {
    /// Returns a hold that `holder` asked for.
    pub(super) fn of(holder: String) -> Self {
        Self { holder, lasts: HELD_FOR, entry: None }
    }

    /// Returns an offer to an entry of the waitlist.
    pub(super) fn offer(entry: WaitlistEntryId) -> Self {
        Self { holder: Self::of_entry(entry), lasts: OFFERED_FOR, entry: Some(entry) }
    }

    /// Returns the holder of an entry's offers. It equals the holder of no caller.
    pub(super) fn of_entry(entry: WaitlistEntryId) -> String {
        format!("waitlist:{entry}")
    }
}

/// Source of a booking.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Hold of the caller.
    Hold(AppointmentId),
    /// Open slot.
    Slot(Wanted),
}

/// Returns the patient that the caller books for: a patient books for itself, everybody else names the patient.
pub(crate) fn patient_of(caller: &Caller, named: Option<PatientId>) -> Result<PatientId, InvalidValue> {
    if caller.role() != Some(Role::Patient) {
        return named.ok_or_else(|| InvalidValue::new("/patient_id", "required", "is required"));
    }
    let own = caller.patient_id().ok_or_else(|| {
        InvalidValue::new(
            "/patient_id",
            "unknown_reference",
            "you have no patient record in this organization; ask the clinic to create one",
        )
    })?;
    if named.is_some_and(|named| named != own) {
        return Err(InvalidValue::new("/patient_id", "not_own", "must be your own patient record"));
    }
    Ok(own)
}
