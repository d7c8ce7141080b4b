use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{
    json_fields,
    value::{Line, Moment},
    written,
};
use uuid::Uuid;

use super::status::AppointmentStatus;
use crate::{
    domain::appointment_template::Modality,
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId,
        SpecialtyId, UserId,
    },
};

/// Longest duration of an appointment, which `appointments_duration_check` guarantees.
pub(super) const LONGEST: TimeDelta = TimeDelta::hours(24);

/// Appointment of a patient with a specialist, or a hold that keeps a slot for one.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[allow(clippy::struct_field_names, reason = "what it was booked as is called an appointment template")]
pub(crate) struct Appointment {
    /// Id of the appointment.
    pub(crate) id: AppointmentId,
    /// Random UUID, for links and as `UID` in calendar feeds.
    pub(crate) uid: Uuid,
    /// Id of the organization of the appointment.
    pub(crate) organization_id: OrganizationId,
    /// Subject of the appointment.
    pub(crate) title: String,
    /// Status of the appointment.
    pub(crate) status: AppointmentStatus,
    /// Start of the appointment.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the appointment.
    pub(crate) ended_at: DateTime<Utc>,
    /// Id of the specialist who treats the patient.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated.
    pub(crate) patient_id: PatientId,
    /// Id of the appointment template that it was booked with; absent if there was none.
    pub(crate) appointment_template_id: Option<AppointmentTemplateId>,
    /// Id of the series that the appointment belongs to; absent if it belongs to none.
    pub(crate) appointment_series_id: Option<AppointmentSeriesId>,
    /// Id of the specialty of the appointment; absent if it has none.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Form of the meeting of specialist and patient.
    pub(crate) modality: Modality,
    /// Id of the user who booked it; absent if an API key booked it or the user was erased.
    pub(crate) user_id: Option<UserId>,
    /// Time at which the hold lapses, or would have lapsed if it was released; absent once the appointment is booked.
    pub(crate) hold_expires_at: Option<DateTime<Utc>>,
    /// Time of the cancellation; absent unless the appointment is cancelled.
    pub(crate) cancelled_at: Option<DateTime<Utc>>,
    /// Reason for the cancellation.
    pub(crate) cancellation_reason: Option<CancellationReason>,
    /// Number of changes that are visible in calendar feeds; the `SEQUENCE` of iCalendar (RFC 5545).
    pub(crate) sequence: i32,
    /// Version of the appointment, to be sent with the next change; increases with each change.
    pub(crate) version: i64,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

written!(Appointment {
    id,
    uid,
    organization_id,
    title,
    status,
    started_at,
    ended_at,
    specialist_id,
    patient_id,
    appointment_template_id,
    appointment_series_id,
    specialty_id,
    modality,
    user_id,
    hold_expires_at,
    cancelled_at,
    cancellation_reason,
    sequence,
    version,
    created_at,
    updated_at,
});

json_fields!(AppointmentStatus, CancellationReason, Modality);

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

/// Reason for the cancellation of an appointment.
///
/// - `patient_request`: the patient asked for it
/// - `specialist_unavailable`: the specialist is not available
/// - `clinic_request`: the clinic asked for it
/// - `other`: any other reason
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum CancellationReason {
    PatientRequest,
    SpecialistUnavailable,
    ClinicRequest,
    Other,
}

/// Request to create an appointment.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateAppointment {
    /// Subject of the appointment; it must not contain names or diagnoses.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// Start of the appointment.
    pub(crate) started_at: Moment,
    /// End of the appointment, at most 24 hours after its start.
    pub(crate) ended_at: Moment,
    /// Id of the specialist who treats the patient.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated.
    pub(crate) patient_id: PatientId,
    /// Specialty of the appointment.
    pub(crate) specialty_id: Option<SpecialtyId>,
}

impl Example for CreateAppointment {
    fn example() -> Self {
        let Appointment { started_at, ended_at, specialist_id, patient_id, specialty_id, .. } = Appointment::example();
        Self {
            title: Line::from_static("First examination"),
            started_at: Moment::nearest(started_at),
            ended_at: Moment::nearest(ended_at),
            specialist_id,
            patient_id,
            specialty_id,
        }
    }
}

/// Request to replace an appointment.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateAppointment {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Time, people, specialty and title after the change.
    #[oai(flatten)]
    pub(crate) booking: CreateAppointment,
}

impl Example for UpdateAppointment {
    fn example() -> Self {
        Self { version: 1, booking: CreateAppointment::example() }
    }
}

/// Request to cancel an appointment.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CancelAppointment {
    /// Reason for the cancellation.
    pub(crate) reason: CancellationReason,
}

impl Example for CancelAppointment {
    fn example() -> Self {
        Self { reason: CancellationReason::PatientRequest }
    }
}

/// Filter of a list of appointments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AppointmentFilter {
    /// Selects appointments that end after this time.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Selects appointments that begin before this time.
    pub(crate) to: Option<DateTime<Utc>>,
    /// Selects appointments of one specialist.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Selects appointments of one patient.
    pub(crate) patient_id: Option<PatientId>,
    /// Selects appointments with one status.
    pub(crate) status: Option<AppointmentStatus>,
    /// Selects appointments booked with one template.
    pub(crate) template_id: Option<AppointmentTemplateId>,
}

/// Order of a list of appointments.
///
/// - `started_at`: earliest first
/// - `-started_at`: latest first
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum AppointmentSort {
    #[default]
    #[oai(rename = "started_at")]
    StartedAt,
    #[oai(rename = "-started_at")]
    StartedAtDescending,
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::{Example as _, ToJSON as _};
    use server_shared::http::Paging;

    use super::{Appointment, AppointmentSeriesId, CancellationReason, DateTime, TimeDelta, Utc};

    /// Every optional field is there in one and absent in the other.
    fn appointments() -> Vec<Appointment> {
        let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1_234_567_890_123);
        let full = Appointment {
            title: "\u{201e}Knie\u{201c} \\ \n \u{1f9b5}".to_owned(),
            appointment_series_id: Some(AppointmentSeriesId(7)),
            hold_expires_at: Some(at),
            cancelled_at: Some(at),
            cancellation_reason: Some(CancellationReason::PatientRequest),
            ..Appointment::example()
        };
        let bare = Appointment {
            appointment_template_id: None,
            appointment_series_id: None,
            specialty_id: None,
            user_id: None,
            hold_expires_at: None,
            cancelled_at: None,
            cancellation_reason: None,
            ..Appointment::example()
        };
        vec![full, bare]
    }

    #[test]
    fn what_is_written_is_what_the_specification_says() {
        let page = Paging::new(None, None).page(appointments(), 2);
        assert_eq!(serde_json::to_string(&page).unwrap(), page.to_json_string());
    }
}
