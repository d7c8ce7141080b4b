use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    model::{Appointment, CancellationReason},
    status::AppointmentStatus,
};
use crate::{
    database::{Listed, columns},
    domain::appointment_template::Modality,
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId,
        SpecialtyId, UserId,
    },
};

columns! {
    /// Appointment as stored, with its title sealed. [`Service::opened`](super::Service::opened) converts it into an
    /// [`Appointment`].
    #[derive(Debug, Clone)]
    #[allow(clippy::struct_field_names, reason = "what it was booked as is called an appointment template")]
    pub(crate) struct AppointmentRow {
        pub(crate) id: AppointmentId,
        pub(crate) uid: Uuid,
        pub(crate) organization_id: OrganizationId,
        /// Title in clear text, if written before titles were sealed; else empty.
        pub(crate) title: String,
        /// Sealed title; `None` if it has none.
        pub(crate) title_encrypted: Option<Vec<u8>>,
        pub(crate) status: AppointmentStatus,
        pub(crate) started_at: DateTime<Utc>,
        pub(crate) ended_at: DateTime<Utc>,
        pub(crate) specialist_id: SpecialistId,
        pub(crate) patient_id: PatientId,
        pub(crate) appointment_template_id: Option<AppointmentTemplateId>,
        pub(crate) appointment_series_id: Option<AppointmentSeriesId>,
        pub(crate) specialty_id: Option<SpecialtyId>,
        pub(crate) modality: Modality,
        pub(crate) user_id: Option<UserId>,
        pub(crate) hold_expires_at: Option<DateTime<Utc>>,
        pub(crate) cancelled_at: Option<DateTime<Utc>>,
        pub(crate) cancellation_reason: Option<CancellationReason>,
        pub(crate) sequence: i32,
        pub(crate) version: i64,
        pub(crate) created_at: DateTime<Utc>,
        pub(crate) updated_at: DateTime<Utc>,
    }
}

impl AppointmentRow {
    /// Returns the appointment with its opened title.
    pub(super) fn with(self, title: String) -> Appointment {
        Appointment {
            id: self.id,
            uid: self.uid,
            organization_id: self.organization_id,
            title,
            status: self.status,
            started_at: self.started_at,
            ended_at: self.ended_at,
            specialist_id: self.specialist_id,
            patient_id: self.patient_id,
            appointment_template_id: self.appointment_template_id,
            appointment_series_id: self.appointment_series_id,
            specialty_id: self.specialty_id,
            modality: self.modality,
            user_id: self.user_id,
            hold_expires_at: self.hold_expires_at,
            cancelled_at: self.cancelled_at,
            cancellation_reason: self.cancellation_reason,
            sequence: self.sequence,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Listed for AppointmentRow {
    const TABLE: &'static str = "appointments";
    const COLUMNS: &'static str = Self::COLUMNS;
    const PRESENT: &'static str = "deleted_at is null";
}
