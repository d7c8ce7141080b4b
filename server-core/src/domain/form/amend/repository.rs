use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::{AppointmentId, FormId, OrganizationId},
};

/// Makes room in the appointment of an amended form for its amendment; returns the appointment, `None` if the form
/// belongs to none.
pub(super) async fn appointment_leave(
    tx: &mut WriteTx,
    organization: OrganizationId,
    form: FormId,
) -> Result<Option<AppointmentId>, DatabaseError> {
    let appointment = sqlx::query_scalar!(
        r#"
        update appointment_forms set active = false
        where organization_id = $1 and form_id = $2 and active
        returning appointment_id as "appointment_id: AppointmentId"
        "#,
        organization.0,
        form.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(appointment)
}
