use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    model::{Appointment, CancellationReason, CreateAppointment},
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

columns! {
    /// Columns of an appointment that its INSERT leaves to PostgreSQL.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct CreatedRow {
        pub(super) id: AppointmentId,
        pub(super) modality: Modality,
        pub(super) sequence: i32,
        pub(super) version: i64,
        pub(super) created_at: DateTime<Utc>,
        pub(super) updated_at: DateTime<Utc>,
    }
}

/// Appointment to be inserted.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewAppointment<'a> {
    pub(super) organization: OrganizationId,
    /// User who books it; `None` for an API key.
    pub(super) user: Option<UserId>,
    pub(super) uid: Uuid,
    /// Sealed title, bound to `uid`; `None` if it has none.
    pub(super) title: Option<&'a [u8]>,
    pub(super) booking: &'a CreateAppointment,
}

impl NewAppointment<'_> {
    /// Returns the appointment as stored. Its times are whole microseconds, as PostgreSQL stores them.
    pub(super) fn stored(self, created: CreatedRow) -> AppointmentRow {
        let Self { organization, user, uid, title, booking } = self;
        AppointmentRow {
            id: created.id,
            uid,
            organization_id: organization,
            title: String::new(),
            title_encrypted: title.map(<[u8]>::to_vec),
            status: AppointmentStatus::Scheduled,
            started_at: booking.started_at.get(),
            ended_at: booking.ended_at.get(),
            specialist_id: booking.specialist_id,
            patient_id: booking.patient_id,
            appointment_template_id: None,
            appointment_series_id: None,
            specialty_id: booking.specialty_id,
            modality: created.modality,
            user_id: user,
            hold_expires_at: None,
            cancelled_at: None,
            cancellation_reason: None,
            sequence: created.sequence,
            version: created.version,
            created_at: created.created_at,
            updated_at: created.updated_at,
        }
    }
}

impl Listed for AppointmentRow {
    const TABLE: &'static str = "appointments";
    const COLUMNS: &'static str = Self::COLUMNS;
    const PRESENT: &'static str = "deleted_at is null";
}
