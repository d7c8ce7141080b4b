use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::FormId,
};

/// Form as it is once it is void.
pub(super) struct VoidedRow {
    pub(super) voided_at: DateTime<Utc>,
    /// Version of the form; `None` for a signed form, which keeps its version.
    pub(super) version: Option<i64>,
}

/// Makes a form void that the transaction has locked and that is not void yet, and takes it from its appointment.
pub(super) async fn form_void(
    tx: &mut WriteTx,
    form: FormId,
    uid: Uuid,
    reason: &[u8],
) -> Result<VoidedRow, DatabaseError> {
    let voided = sqlx::query_as!(
        VoidedRow,
        r#"
        with voided as (
            insert into form_voids (organization_id, form_id, uid, data_key_id, reason_encrypted)
            select f.organization_id, f.id, $2, f.data_key_id, $3
            from forms f
            where f.organization_id = (select context_organization()) and f.id = $1
            returning organization_id, form_id, voided_at
        ), counted as (
            update forms f set version = f.version + 1, updated_at = now()
            from voided v
            where f.organization_id = v.organization_id and f.id = v.form_id and f.status <> 'signed'
            returning f.version
        ), changed as (
            insert into form_changes (organization_id, form_id, form_version, patient_id, kind, form_template_version)
            select f.organization_id, f.id, coalesce((select c.version from counted c), f.version), f.patient_id,
                   'voided', f.form_template_version
            from voided v
            join forms f on f.organization_id = v.organization_id and f.id = v.form_id
        ), detached as (
            update appointment_forms l set active = false
            from voided v
            where l.organization_id = v.organization_id and l.form_id = v.form_id and l.active
        )
        select v.voided_at as "voided_at!", (select c.version from counted c) as "version?" from voided v
        "#,
        form.0,
        uid,
        reason
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(voided)
}
