use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::Line;
use uuid::Uuid;

use super::status::AppointmentStatus;
use crate::{
    domain::appointment_template::Modality,
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId,
        SpecialtyId, UserId,
    },
};

/// A booked time of a specialist and a patient.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[allow(clippy::struct_field_names, reason = "what it was booked as is called an appointment template")]
pub(crate) struct Appointment {
    /// Its id.
    pub(crate) id: AppointmentId,
    /// Its name in links; says nothing about how many there are.
    pub(crate) uid: Uuid,
    /// The clinic.
    pub(crate) organization_id: OrganizationId,
    /// What it is about.
    pub(crate) title: String,
    /// Where it stands.
    pub(crate) status: AppointmentStatus,
    /// When it begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends.
    pub(crate) ended_at: DateTime<Utc>,
    /// Who treats.
    pub(crate) specialist_id: SpecialistId,
    /// Who is treated.
    pub(crate) patient_id: PatientId,
    /// What was booked, if it was booked as something that the clinic offers.
    pub(crate) appointment_template_id: Option<AppointmentTemplateId>,
    /// The series that it belongs to, if it repeats.
    pub(crate) appointment_series_id: Option<AppointmentSeriesId>,
    /// In which specialty, if that was said.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// How specialist and patient meet.
    pub(crate) modality: Modality,
    /// Who booked it; absent when that user is gone.
    pub(crate) user_id: Option<UserId>,
    /// Until when it is, or was, kept for its maker; absent once it is booked.
    pub(crate) hold_expires_at: Option<DateTime<Utc>>,
    /// When it was cancelled.
    pub(crate) cancelled_at: Option<DateTime<Utc>>,
    /// Why it was cancelled.
    pub(crate) cancellation_reason: Option<CancellationReason>,
    /// Counts the changes that calendars have to follow: `SEQUENCE` of iCalendar.
    pub(crate) sequence: i32,
    /// Counts its changes; to be sent back with the next one.
    pub(crate) version: i64,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Appointment {
    fn example() -> Self {
        let started_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::hours(9);
        let created_at = started_at - TimeDelta::days(7);
        Self {
            id: AppointmentId(41),
            uid: Uuid::from_u128(0x5f0c_7d3e_4a0b_4c6f_9a55_0d2b_6d1f_3c11),
            organization_id: OrganizationId(1),
            title: "First examination".to_owned(),
            status: AppointmentStatus::Scheduled,
            started_at,
            ended_at: started_at + TimeDelta::minutes(45),
            specialist_id: SpecialistId(8),
            patient_id: PatientId(27),
            appointment_template_id: Some(AppointmentTemplateId(5)),
            appointment_series_id: None,
            specialty_id: Some(SpecialtyId(3)),
            modality: Modality::InPerson,
            user_id: Some(UserId(12)),
            hold_expires_at: None,
            cancelled_at: None,
            cancellation_reason: None,
            sequence: 0,
            version: 1,
            created_at,
            updated_at: created_at,
        }
    }
}

/// Why an appointment was called off; a choice and no text, so that nothing personal gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum CancellationReason {
    /// The patient asked.
    PatientRequest,
    /// The specialist can't.
    SpecialistUnavailable,
    /// The clinic asked.
    ClinicRequest,
    /// Something else.
    Other,
}

/// What an appointment is created from.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateAppointment {
    /// What it is about; no names, no diagnoses: it is shown in calendars.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// When it begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends; at most 24 hours later.
    pub(crate) ended_at: DateTime<Utc>,
    /// Who treats.
    pub(crate) specialist_id: SpecialistId,
    /// Who is treated.
    pub(crate) patient_id: PatientId,
    /// In which specialty.
    pub(crate) specialty_id: Option<SpecialtyId>,
}

impl Example for CreateAppointment {
    fn example() -> Self {
        let Appointment { started_at, ended_at, specialist_id, patient_id, specialty_id, .. } = Appointment::example();
        let title = Line::from_static("First examination");
        Self { title, started_at, ended_at, specialist_id, patient_id, specialty_id }
    }
}

/// What an appointment is replaced by.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateAppointment {
    /// The version this change was made from; 409 `stale_version` when there is a newer one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// The booking as it is to be.
    #[oai(flatten)]
    pub(crate) booking: CreateAppointment,
}

impl Example for UpdateAppointment {
    fn example() -> Self {
        Self { version: 1, booking: CreateAppointment::example() }
    }
}

/// Why an appointment is called off.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CancelAppointment {
    /// The reason.
    pub(crate) reason: CancellationReason,
}

impl Example for CancelAppointment {
    fn example() -> Self {
        Self { reason: CancellationReason::PatientRequest }
    }
}

/// Which appointments to list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AppointmentFilter {
    /// Those that end after it.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Those that begin before it.
    pub(crate) to: Option<DateTime<Utc>>,
    /// Those of one specialist.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Those of one patient.
    pub(crate) patient_id: Option<PatientId>,
    /// Those that stand there.
    pub(crate) status: Option<AppointmentStatus>,
    /// Those booked as one thing that the clinic offers.
    pub(crate) template_id: Option<AppointmentTemplateId>,
}

/// Order of a list of appointments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum AppointmentSort {
    /// Earliest first.
    #[default]
    #[oai(rename = "started_at")]
    StartedAt,
    /// Latest first.
    #[oai(rename = "-started_at")]
    StartedAtDescending,
}
