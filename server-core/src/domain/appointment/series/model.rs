use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::{Line, Moment};

use super::{super::model::Appointment, recurrence::Recurrence};
use crate::{
    domain::{appointment::model::CancellationReason, rules::InvalidValue},
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId,
        SpecialtyId, UserId,
    },
};

/// Series of appointments that repeat.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
#[allow(clippy::struct_field_names, reason = "what it was booked as is called an appointment template")]
pub(crate) struct AppointmentSeries {
    /// Id of the series.
    pub(crate) id: AppointmentSeriesId,
    /// Id of the organization of the series.
    pub(crate) organization_id: OrganizationId,
    /// Subject of the series.
    pub(crate) title: String,
    /// Id of the specialist of the series. A change of the series sets it to the specialist of all booked appointments
    /// that have not begun; if these have several specialists, it keeps its previous value.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated.
    pub(crate) patient_id: PatientId,
    /// Id of the appointment template that it was booked with; absent if there was none.
    pub(crate) appointment_template_id: Option<AppointmentTemplateId>,
    /// Id of the user who booked it; absent if an API key booked it or the user was erased.
    pub(crate) user_id: Option<UserId>,
    /// IANA time zone in which the appointments repeat at the same local time: the specialist's time zone when the
    /// series was booked.
    pub(crate) timezone: String,
    /// Start of the first appointment, as it was booked.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the first appointment, as it was booked.
    pub(crate) ended_at: DateTime<Utc>,
    /// Rule that the series was booked with. Later moves of its appointments do not change the rule.
    pub(crate) recurrence: Recurrence,
    /// Appointments with any status, earliest first. Specialists see only their own.
    pub(crate) appointments: Vec<Appointment>,
    /// Version of the series and its appointments, to be sent with the next change; increases with each change.
    pub(crate) version: i64,
    /// Time of the booking.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change of the series.
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

/// Series after a change, and the times that were skipped.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AppointmentSeriesResult {
    /// Series after the change.
    pub(crate) series: AppointmentSeries,
    /// Times that were not free, earliest first; empty unless `on_conflict` is `skip`.
    pub(crate) skipped: Vec<SeriesConflict>,
}

impl Example for AppointmentSeriesResult {
    fn example() -> Self {
        Self { series: AppointmentSeries::example(), skipped: vec![SeriesConflict::example()] }
    }
}

/// Time at which an appointment of a series can't take place.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SeriesConflict {
    /// Id of the appointment that would have moved to this time; absent if the series is new.
    pub(crate) appointment_id: Option<AppointmentId>,
    /// Start of the time.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the time.
    pub(crate) ended_at: DateTime<Utc>,
    /// Reason for the conflict.
    pub(crate) reason: ConflictReason,
}

impl Example for SeriesConflict {
    fn example() -> Self {
        let started_at = Appointment::example().started_at + TimeDelta::days(7);
        let ended_at = started_at + TimeDelta::minutes(45);
        Self { appointment_id: None, started_at, ended_at, reason: ConflictReason::SlotTaken }
    }
}

/// Reason for which an appointment of a series can't take place at a time.
///
/// - `slot_taken`: the specialist or the patient has an appointment at this time
/// - `specialist_away`: the specialist's schedule has an absence at this time, or the specialist has left the clinic
/// - `time_skipped`: the local time does not exist, because the clocks go forward
/// - `time_past`: the time is in the past
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ConflictReason {
    SlotTaken,
    SpecialistAway,
    TimeSkipped,
    TimePast,
}

/// Treatment of times that are not free.
///
/// - `fail`: refuses the request; nothing is booked or changed
/// - `skip`: books or changes the other times; the answer lists the skipped ones
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum OnConflict {
    #[default]
    Fail,
    Skip,
}

/// Scope of a change: the appointments of the series that it applies to. Only `scheduled` and `confirmed` appointments
/// change, and those whose start is past only if they are named.
///
/// - `one`: the named appointment
/// - `following`: the named appointment and those that start after it
/// - `all`: every appointment of the series
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SeriesScope {
    One,
    Following,
    All,
}

/// Request to book a series.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateAppointmentSeries {
    /// Subject of the appointments; it must not contain names or diagnoses.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// Id of the specialist who treats the patient.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated.
    pub(crate) patient_id: PatientId,
    /// Id of the appointment template to book. It determines buffers, modality and cut-offs, and also duration and
    /// specialty if the request does not state them.
    pub(crate) template_id: Option<AppointmentTemplateId>,
    /// Specialty of the appointments; the template's if left out.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Start of the first appointment; the others start at the same local time.
    pub(crate) started_at: Moment,
    /// End of the first appointment, at most 24 hours after its start. The template determines it if left out; required
    /// without a template.
    pub(crate) ended_at: Option<Moment>,
    /// Rule by which the appointments repeat.
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
            started_at: Moment::nearest(started_at),
            ended_at: None,
            recurrence,
        }
    }
}

/// Request to change a series. The fields describe one of its appointments after the change. Each field that differs
/// from the appointment's present value is changed in the other appointments of the scope, too; times move by the same
/// amount of local time.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateAppointmentSeries {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Id of the appointment that the other fields describe; its status must be `scheduled` or `confirmed`.
    pub(crate) appointment_id: AppointmentId,
    /// New subject; it must not contain names or diagnoses.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// New start.
    pub(crate) started_at: Moment,
    /// New end, at most 24 hours after the start.
    pub(crate) ended_at: Moment,
    /// New specialist.
    pub(crate) specialist_id: SpecialistId,
    /// New specialty.
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
            started_at: Moment::nearest(started_at + later),
            ended_at: Moment::nearest(ended_at + later),
            specialist_id,
            specialty_id,
        }
    }
}

/// Request to cancel appointments of a series.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CancelAppointmentSeries {
    /// Reason for the cancellation.
    pub(crate) reason: CancellationReason,
    /// Id of the appointment to cancel, or of the first one for the scope `following`; required unless the scope is
    /// `all`.
    pub(crate) appointment_id: Option<AppointmentId>,
}

impl CancelAppointmentSeries {
    /// Returns the appointment that `scope` refers to.
    pub(super) fn anchor(&self, scope: SeriesScope) -> Result<Option<AppointmentId>, InvalidValue> {
        if self.appointment_id.is_none() && scope != SeriesScope::All {
            let message = "is required unless scope is all";
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
