//! Columns of an [`AppointmentRow`](super::row::AppointmentRow) and of an
//! [`AppointmentState`](super::transition::AppointmentState).

/// Builds a checked query that returns [`AppointmentRow`](super::row::AppointmentRow)s: the SQL before the columns, the
/// SQL after them, and the arguments. The alias of the table is `a`.
macro_rules! appointment_query {
    ($before:literal, $after:literal, $($arguments:tt)*) => {{
        use crate::domain::{
            appointment::model::CancellationReason,
            appointment::row::AppointmentRow,
            appointment::status::AppointmentStatus,
            appointment_template::Modality,
        };
        use crate::ids::{
            AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, SpecialtyId, UserId,
        };
        sqlx::query_as!(
            AppointmentRow,
            $before
                + r#"
        a.id as "id: AppointmentId", a.uid, a.organization_id as "organization_id: OrganizationId", a.title,
        a.title_encrypted, a.status as "status: AppointmentStatus", a.started_at, a.ended_at,
        a.specialist_id as "specialist_id: SpecialistId", a.patient_id as "patient_id: PatientId",
        a.appointment_template_id as "appointment_template_id: AppointmentTemplateId",
        a.appointment_series_id as "appointment_series_id: AppointmentSeriesId",
        a.specialty_id as "specialty_id: SpecialtyId", a.modality as "modality: Modality",
        a.user_id as "user_id: UserId", a.hold_expires_at, a.cancelled_at,
        a.cancellation_reason as "cancellation_reason: CancellationReason", a.sequence, a.version, a.created_at,
        a.updated_at
        "#
                + $after,
            $($arguments)*
        )
    }};
}

pub(super) use appointment_query;

/// Builds a checked query that locks the appointments that `$which` selects and returns their
/// [`AppointmentState`](super::transition::AppointmentState)s. Other rows may still be made to refer to them: whoever
/// amends a form holds its lock, for which a change of the appointment's patient waits.
macro_rules! state_query {
    ($which:literal, $($arguments:tt)*) => {{
        use crate::domain::appointment::{status::AppointmentStatus, transition::AppointmentState};
        use crate::ids::{
            AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, SpecialtyId,
        };
        sqlx::query_as!(
            AppointmentState,
            r#"
        select id as "id: AppointmentId", uid, organization_id as "organization_id: OrganizationId", title,
               title_encrypted, status as "status: AppointmentStatus", version, started_at, ended_at,
               lower(block) as "block_start!", upper(block) as "block_end!",
               specialist_id as "specialist_id: SpecialistId", patient_id as "patient_id: PatientId",
               specialty_id as "specialty_id: SpecialtyId",
               appointment_series_id as "appointment_series_id: AppointmentSeriesId",
               appointment_template_id as "appointment_template_id: AppointmentTemplateId", holder,
               coalesce(hold_expires_at <= now(), false) as "lapsed!",
               appointment_deadline(started_at, cutoff_started_at, cancellation_cutoff_minutes) as "cancellable_until!",
               appointment_deadline(started_at, cutoff_started_at, reschedule_cutoff_minutes) as "movable_until!"
        from appointments where deleted_at is null and "#
                + $which
                + " order by id for no key update",
            $($arguments)*
        )
    }};
}

pub(super) use state_query;
