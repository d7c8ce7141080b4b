use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::Line;

use super::{super::model::Appointment, recurrence::Recurrence};
use crate::{
    domain::{appointment::model::CancellationReason, rules::InvalidValue},
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId,
        SpecialtyId, UserId,
    },
};

/// Appointments that repeat.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[allow(clippy::struct_field_names, reason = "what it was booked as is called an appointment template")]
pub(crate) struct AppointmentSeries {
    /// Its id.
    pub(crate) id: AppointmentSeriesId,
    /// The clinic.
    pub(crate) organization_id: OrganizationId,
    /// What it is about.
    pub(crate) title: String,
    /// Who treated in all of it that was still to come when it last changed as a series; if several did, who
    /// was said before.
    pub(crate) specialist_id: SpecialistId,
    /// Who is treated.
    pub(crate) patient_id: PatientId,
    /// What was booked, if it was booked as something that the clinic offers.
    pub(crate) appointment_template_id: Option<AppointmentTemplateId>,
    /// Who booked it; absent when that user is gone, or it was a program.
    pub(crate) user_id: Option<UserId>,
    /// The IANA zone in which its times of the day stay what they are: the specialist's when it was booked.
    pub(crate) timezone: String,
    /// When the first one was to begin.
    pub(crate) started_at: DateTime<Utc>,
    /// When the first one was to end.
    pub(crate) ended_at: DateTime<Utc>,
    /// The rule it was booked by; where its appointments are now, they say themselves.
    pub(crate) recurrence: Recurrence,
    /// Its appointments, earliest first, whatever became of them; a specialist's own.
    pub(crate) appointments: Vec<Appointment>,
    /// Counts its changes and those of its appointments; to be sent back with the next one.
    pub(crate) version: i64,
    /// When it was booked.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed as a series.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for AppointmentSeries {
    fn example() -> Self {
        let first = Appointment { appointment_series_id: Some(AppointmentSeriesId(6)), ..Appointment::example() };
        Self {
            id: AppointmentSeriesId(6),
            organization_id: first.organization_id,
            title: first.title.clone(),
            specialist_id: first.specialist_id,
            patient_id: first.patient_id,
            appointment_template_id: first.appointment_template_id,
            user_id: first.user_id,
            timezone: "Europe/Berlin".to_owned(),
            started_at: first.started_at,
            ended_at: first.ended_at,
            recurrence: Recurrence::example(),
            version: 1,
            created_at: first.created_at,
            updated_at: first.updated_at,
            appointments: vec![first],
        }
    }
}

/// A series after a change, and what of the change was left out.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AppointmentSeriesResult {
    /// The series as it is now.
    pub(crate) series: AppointmentSeries,
    /// The times that were not free, earliest first; empty unless conflicts were to be skipped.
    pub(crate) skipped: Vec<SeriesConflict>,
}

impl Example for AppointmentSeriesResult {
    fn example() -> Self {
        Self { series: AppointmentSeries::example(), skipped: vec![SeriesConflict::example()] }
    }
}

/// A time that an appointment of a series can't have.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SeriesConflict {
    /// The appointment that was to move there, if there is one yet.
    pub(crate) appointment_id: Option<AppointmentId>,
    /// When it would begin.
    pub(crate) started_at: DateTime<Utc>,
    /// When it would end.
    pub(crate) ended_at: DateTime<Utc>,
    /// Why it can't.
    pub(crate) reason: ConflictReason,
}

impl Example for SeriesConflict {
    fn example() -> Self {
        let started_at = Appointment::example().started_at + TimeDelta::days(7);
        let ended_at = started_at + TimeDelta::minutes(45);
        Self { appointment_id: None, started_at, ended_at, reason: ConflictReason::SlotTaken }
    }
}

/// Why an appointment of a series can't have a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ConflictReason {
    /// The specialist or the patient has an appointment then.
    SlotTaken,
    /// An exception of the specialist's schedule says that it is away, or it has left the clinic.
    SpecialistAway,
    /// Clocks go forward then, and never show that time.
    TimeSkipped,
    /// It would have begun by now.
    TimePast,
}

/// What becomes of a change of which a part is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum OnConflict {
    /// None of it is done.
    #[default]
    Fail,
    /// The rest is done, and the answer says what was left out.
    Skip,
}

/// How much of a series a change is about; what has begun or is over stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SeriesScope {
    /// One of its appointments.
    One,
    /// That one and those that begin after it.
    Following,
    /// Every one.
    All,
}

/// What a series is booked from.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateAppointmentSeries {
    /// What it is about; no names, no diagnoses: it is shown in calendars.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// Who treats.
    pub(crate) specialist_id: SpecialistId,
    /// Who is treated.
    pub(crate) patient_id: PatientId,
    /// What is booked: it says how long each one takes and in which specialty, unless that is said here, and
    /// the buffers around each, its modality and its cut-offs.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// In which specialty; left out, that of the template.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// When the first one begins; the others begin at the same time of the day.
    pub(crate) started_at: DateTime<Utc>,
    /// When the first one ends, at most 24 hours later; left out, as the template says. Required without one.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// How it repeats.
    pub(crate) recurrence: Recurrence,
}

impl Example for CreateAppointmentSeries {
    fn example() -> Self {
        let AppointmentSeries { specialist_id, patient_id, appointment_template_id, started_at, recurrence, .. } =
            AppointmentSeries::example();
        Self {
            title: Line::from_static("First examination"),
            specialist_id,
            patient_id,
            template_id: appointment_template_id,
            specialty_id: None,
            started_at,
            ended_at: None,
            recurrence,
        }
    }
}

/// How appointments of a series change: as the one that is named. What changes of that one changes of the
/// others, too, and what stays of it stays of them; a time moves by as much on the clock.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateAppointmentSeries {
    /// The version this change was made from; 409 `stale_version` when there is a newer one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// The appointment that the rest of the body is about; one that has not begun.
    pub(crate) appointment_id: AppointmentId,
    /// What it is about then; no names, no diagnoses: it is shown in calendars.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// When it begins then.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends then; at most 24 hours later.
    pub(crate) ended_at: DateTime<Utc>,
    /// Who treats then.
    pub(crate) specialist_id: SpecialistId,
    /// In which specialty then.
    pub(crate) specialty_id: Option<SpecialtyId>,
}

impl Example for UpdateAppointmentSeries {
    fn example() -> Self {
        let Appointment { id, started_at, ended_at, specialist_id, specialty_id, .. } = Appointment::example();
        let later = TimeDelta::hours(2);
        Self {
            version: 1,
            appointment_id: id,
            title: Line::from_static("First examination"),
            started_at: started_at + later,
            ended_at: ended_at + later,
            specialist_id,
            specialty_id,
        }
    }
}

/// Which appointments of a series are called off, and why.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CancelAppointmentSeries {
    /// The reason.
    pub(crate) reason: CancellationReason,
    /// Which one, or from which one on; required unless all of them are called off.
    pub(crate) appointment_id: Option<AppointmentId>,
}

impl CancelAppointmentSeries {
    /// The appointment that the scope counts from.
    pub(super) fn anchor(&self, scope: SeriesScope) -> Result<Option<AppointmentId>, InvalidValue> {
        if self.appointment_id.is_none() && scope != SeriesScope::All {
            let message = "is required unless all appointments are called off";
            return Err(InvalidValue::new("/appointment_id", "required", message));
        }
        Ok(self.appointment_id)
    }
}

impl Example for CancelAppointmentSeries {
    fn example() -> Self {
        Self { reason: CancellationReason::PatientRequest, appointment_id: Some(Appointment::example().id) }
    }
}
