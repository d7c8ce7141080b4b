use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::{error::FieldFault, value::Line};

use super::super::model::Appointment;
use crate::{
    domain::rules::InvalidValue,
    identity::{Caller, Role},
    ids::{AppointmentId, AppointmentTemplateId, PatientId, SpecialistId, WaitlistEntryId},
};

/// How long a slot is kept for who holds it.
pub(super) const HELD_FOR: TimeDelta = TimeDelta::minutes(10);
/// How long a slot is kept for who waits for one: nobody sits and waits for the offer.
pub(super) const OFFERED_FOR: TimeDelta = TimeDelta::minutes(60);

/// Which open slot to hold.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct HoldAppointment {
    /// Who treats.
    pub(crate) specialist_id: SpecialistId,
    /// Who is treated. A patient may leave it out, and can name itself alone.
    pub(crate) patient_id: Option<PatientId>,
    /// What is booked; left out, a slot as the specialist has them.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// When the slot begins, as availability lists it.
    pub(crate) started_at: DateTime<Utc>,
}

impl HoldAppointment {
    /// The slot that is asked for.
    pub(super) fn wanted(&self, caller: &Caller) -> Result<Wanted, InvalidValue> {
        Ok(Wanted {
            specialist: self.specialist_id,
            patient: patient_of(caller, self.patient_id)?,
            template: self.template_id,
            started_at: self.started_at,
        })
    }
}

impl Example for HoldAppointment {
    fn example() -> Self {
        let Appointment { specialist_id, patient_id, appointment_template_id, started_at, .. } = Appointment::example();
        Self { specialist_id, patient_id: Some(patient_id), template_id: appointment_template_id, started_at }
    }
}

/// What to book: an open slot, or a hold of one's own.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct BookAppointment {
    /// The hold to book; specialist, patient, template and time are then its own, and left out here.
    pub(crate) hold_id: Option<AppointmentId>,
    /// Who treats; required without a hold.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Who is treated; required without a hold. A patient may leave it out, and can name itself alone.
    pub(crate) patient_id: Option<PatientId>,
    /// What is booked; left out, a slot as the specialist has them.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// When the slot begins, as availability lists it; required without a hold.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// What it is about; no names, no diagnoses: it is shown in calendars.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
}

impl BookAppointment {
    /// What is to be booked, each fault of the body found.
    pub(super) fn source(&self, caller: &Caller) -> Result<Source, InvalidValue> {
        if let Some(hold) = self.hold_id {
            let named = [
                ("/specialist_id", self.specialist_id.is_some()),
                ("/patient_id", self.patient_id.is_some()),
                ("/template_id", self.template_id.is_some()),
                ("/started_at", self.started_at.is_some()),
            ];
            let twice = named.into_iter().filter(|(_, named)| *named);
            let faults = twice.map(|(pointer, _)| FieldFault::new(pointer, "excluded", "is what the hold says it is"));
            return InvalidValue::check(faults.collect()).map(|()| Source::Hold(hold));
        }
        if let (Some(specialist), Some(started_at)) = (self.specialist_id, self.started_at) {
            let patient = patient_of(caller, self.patient_id)?;
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
        Err(InvalidValue::new("/hold_id", "required", "is required where no slot is named"))
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

/// A slot that somebody asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) specialist: SpecialistId,
    pub(crate) patient: PatientId,
    pub(crate) template: Option<AppointmentTemplateId>,
    pub(crate) started_at: DateTime<Utc>,
}

/// Who holds a slot, and how long.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub(super) holder: String,
    pub(super) lasts: TimeDelta,
    /// To whom it is an offer, which ends when the slot begins.
    pub(super) entry: Option<WaitlistEntryId>,
}

impl Hold {
    /// Who asks for a slot itself.
    pub(super) fn of(holder: String) -> Self {
        Self { holder, lasts: HELD_FOR, entry: None }
    }

    /// An offer to who waits.
    pub(super) fn offer(entry: WaitlistEntryId) -> Self {
        Self { holder: Self::of_entry(entry), lasts: OFFERED_FOR, entry: Some(entry) }
    }

    /// The holder of what an entry of the waitlist is offered: nobody who calls is called so.
    pub(super) fn of_entry(entry: WaitlistEntryId) -> String {
        format!("waitlist:{entry}")
    }
}

/// What a booking is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A hold.
    Hold(AppointmentId),
    /// An open slot.
    Slot(Wanted),
}

/// For whom the caller books: a patient for itself, anybody else for whom it names.
pub(crate) fn patient_of(caller: &Caller, named: Option<PatientId>) -> Result<PatientId, InvalidValue> {
    if caller.role() != Some(Role::Patient) {
        return named.ok_or_else(|| InvalidValue::new("/patient_id", "required", "is required"));
    }
    let own = caller.patient_id().ok_or_else(|| {
        InvalidValue::new("/patient_id", "unknown_reference", "you have no patient record here; the clinic makes one")
    })?;
    if named.is_some_and(|named| named != own) {
        return Err(InvalidValue::new("/patient_id", "not_own", "must be yourself: a patient books for itself alone"));
    }
    Ok(own)
}
