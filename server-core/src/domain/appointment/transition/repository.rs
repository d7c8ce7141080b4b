use super::{
    super::{
        columns::appointment_query,
        model::{Appointment, CancellationReason},
        status::AppointmentStatus,
    },
    model::Standing,
};
use crate::{
    database::{DatabaseError, Tx},
    ids::{AppointmentId, AppointmentTemplateId, PatientId, SpecialistId},
};

/// Locks an appointment against other changes.
pub(super) async fn appointment_lock(tx: &mut impl Tx, id: AppointmentId) -> Result<Option<Standing>, DatabaseError> {
    let row = sqlx::query_as!(
        Standing,
        r#"
        select status as "status: AppointmentStatus", version, started_at, ended_at, lower(block) as "block_start!",
               upper(block) as "block_end!", specialist_id as "specialist_id: SpecialistId",
               patient_id as "patient_id: PatientId",
               appointment_template_id as "appointment_template_id: AppointmentTemplateId", holder,
               coalesce(hold_expires_at <= now(), false) as "lapsed!", cancellation_cutoff_minutes,
               reschedule_cutoff_minutes
        from appointments where id = $1 and deleted_at is null for update
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// Brings it from `from` to `to`; `None` when it does not stand there any more.
pub(super) async fn appointment_transition(
    tx: &mut impl Tx,
    id: AppointmentId,
    from: AppointmentStatus,
    to: AppointmentStatus,
) -> Result<Option<Appointment>, DatabaseError> {
    let row = appointment_query!(
        r#"
        update appointments a
        set status = $3, holder = null, version = a.version + 1, updated_at = now()
        where a.id = $1 and a.status = $2
        returning
        "#,
        "",
        id.0,
        from as AppointmentStatus,
        to as AppointmentStatus
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

pub(super) async fn appointment_cancel(
    tx: &mut impl Tx,
    id: AppointmentId,
    reason: CancellationReason,
) -> Result<Appointment, DatabaseError> {
    let row = appointment_query!(
        r#"
        update appointments a
        set status = 'cancelled', cancelled_at = now(), cancellation_reason = $2, sequence = a.sequence + 1,
            version = a.version + 1, updated_at = now()
        where a.id = $1
        returning
        "#,
        "",
        id.0,
        reason as CancellationReason
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}
