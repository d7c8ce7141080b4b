use uuid::Uuid;

use crate::{
    database::{DatabaseError, Tx, WriteTx, one_row},
    ids::{FormId, OrganizationId},
};

/// Inserts a draft that amends a signed form: of the same record, version and language. Returns its id, `None` if the
/// patient was erased in the meantime.
pub(super) async fn amendment_create(
    tx: &mut WriteTx,
    amended: FormId,
    uid: Uuid,
    document: &[u8],
) -> Result<Option<FormId>, DatabaseError> {
    let id = sqlx::query_scalar!(
        r#"
        insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version, name,
                           amends_id, language, document_encrypted)
        select f.organization_id, $2, f.patient_id, f.data_key_id, f.form_template_id, f.form_template_version, f.name,
               f.id, f.language, $3
        from forms f
        where f.id = $1
        returning id as "id: FormId"
        "#,
        amended.0,
        uid,
        document
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(id)
}

/// Gives the place of an amended form in its appointment to the amendment, if it has one.
pub(super) async fn appointment_pass(
    tx: &mut WriteTx,
    organization: OrganizationId,
    amended: FormId,
    amendment: FormId,
) -> Result<(), DatabaseError> {
    let done = sqlx::query!(
        r#"
        with left_by as (
            update appointment_forms set active = false
            where organization_id = $1 and form_id = $2 and active
            returning appointment_id, form_template_id
        )
        insert into appointment_forms (organization_id, form_id, appointment_id, form_template_id)
        select $1, $3, l.appointment_id, l.form_template_id from left_by l
        "#,
        organization.0,
        amended.0,
        amendment.0
    )
    .execute(tx.connection()?)
    .await?;
    if done.rows_affected() == 0 { Ok(()) } else { one_row(&done) }
}
