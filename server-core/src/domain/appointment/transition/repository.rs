use super::{
    super::{
        columns::{appointment_query, state_query},
        model::CancellationReason,
        row::AppointmentRow,
        status::AppointmentStatus,
    },
    model::AppointmentState,
};
use crate::{
    database::{DatabaseError, Tx},
    ids::AppointmentId,
};

/// Locks an appointment against other changes; returns its state.
pub(super) async fn appointment_lock(
    tx: &mut impl Tx,
    id: AppointmentId,
) -> Result<Option<AppointmentState>, DatabaseError> {
    Ok(state_query!("id = $1", id.0).fetch_optional(tx.connection()?).await?)
}

/// Changes the status of an appointment from `from` to `to`. Returns `None` if its status is another one.
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

/// Cancels appointments. The caller has checked that it may.
pub(crate) async fn appointments_cancel(
    tx: &mut impl Tx,
    ids: &[AppointmentId],
    reason: CancellationReason,
) -> Result<Vec<AppointmentRow>, DatabaseError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = appointment_query!(
        r#"
        update appointments a
        set status = 'cancelled', cancelled_at = now(), cancellation_reason = $2, version = a.version + 1,
            updated_at = now()
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
