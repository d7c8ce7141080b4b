use super::{
    super::{
        columns::{appointment_query, standing_query},
        model::CancellationReason,
        row::AppointmentRow,
        status::AppointmentStatus,
    },
    model::Standing,
};
use crate::{
    database::{DatabaseError, Tx},
    ids::AppointmentId,
};

/// Locks an appointment against other changes.
pub(super) async fn appointment_lock(tx: &mut impl Tx, id: AppointmentId) -> Result<Option<Standing>, DatabaseError> {
    Ok(standing_query!("id = $1", id.0).fetch_optional(tx.connection()?).await?)
}

/// Brings it from `from` to `to`; `None` when it does not stand there any more.
pub(super) async fn appointment_transition(
    tx: &mut impl Tx,
    id: AppointmentId,
    from: AppointmentStatus,
    to: AppointmentStatus,
) -> Result<Option<AppointmentRow>, DatabaseError> {
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

/// Cancels appointments that may be.
pub(crate) async fn appointments_cancel(
    tx: &mut impl Tx,
    ids: &[AppointmentId],
    reason: CancellationReason,
) -> Result<Vec<AppointmentRow>, DatabaseError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = appointment_query!(
        r#"
        update appointments a
        set status = 'cancelled', cancelled_at = now(), cancellation_reason = $2, sequence = a.sequence + 1,
            version = a.version + 1, updated_at = now()
        where a.id = any($1)
        returning
        "#,
        "",
        &ids,
        reason as CancellationReason
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows)
}
