use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::{AppointmentId, FormId},
};

/// Amendment as it was created.
pub(super) struct AmendingRow {
    pub(super) id: FormId,
    pub(super) created_at: DateTime<Utc>,
}

/// Creates the amendment of a signed form that the transaction has locked. It is about the same record and asks the
/// same version of the template. `None` if meanwhile the form became void or was amended by another one.
pub(super) async fn form_amend(
    tx: &mut WriteTx,
    amended: FormId,
    uid: Uuid,
    document: &[u8],
) -> Result<Option<AmendingRow>, DatabaseError> {
    let row = sqlx::query_as!(
        AmendingRow,
        r#"
        insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version, name,
                           amends_id, language, document_encrypted)
        select f.organization_id, $2, f.patient_id, f.data_key_id, f.form_template_id, f.form_template_version, f.name,
               f.id, f.language, $3
        from forms f
        where f.organization_id = (select context_organization()) and f.id = $1
          and not exists (select from form_voids v where v.organization_id = f.organization_id and v.form_id = f.id)
          and not exists (select from forms a
                          where a.organization_id = f.organization_id and a.amends_id = f.id
                            and not exists (select from form_voids v
                                            where v.organization_id = a.organization_id and v.form_id = a.id))
        returning id as "id: FormId", created_at
        "#,
        amended.0,
        uid,
        document
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// Records the creation of an amendment with answers at these places, and lets it take the place of the amended form in
/// its appointment; returns the appointment. A statement of its own: policies look for the form that was created.
pub(super) async fn amendment_settle(
    tx: &mut WriteTx,
    amended: FormId,
    amendment: FormId,
    places: &[String],
) -> Result<Option<AppointmentId>, DatabaseError> {
    let appointment = sqlx::query_scalar!(
        r#"
        with changed as (
            insert into form_changes (organization_id, form_id, form_version, kind, fields, form_template_version)
            select f.organization_id, f.id, f.version, 'created', $3, f.form_template_version
            from forms f
            where f.organization_id = (select context_organization()) and f.id = $2
        ), taken as (
            update appointment_forms l set active = false
            where l.organization_id = (select context_organization()) and l.form_id = $1 and l.active
            returning l.organization_id, l.appointment_id, l.form_template_id
        ), given as (
            insert into appointment_forms (organization_id, form_id, appointment_id, form_template_id)
            select t.organization_id, $2, t.appointment_id, t.form_template_id from taken t
            returning appointment_id
        )
        select (select g.appointment_id from given g) as "appointment_id?: AppointmentId"
        "#,
        amended.0,
        amendment.0,
        places
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(appointment)
}
