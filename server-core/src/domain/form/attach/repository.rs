use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::{history::kept, model::FormSummary};
use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::{AppointmentId, FormId, FormTemplateId, OrganizationId, PatientId},
};

/// Reads the properties of forms in the order of their ids, also of those that the transaction has created.
pub(crate) async fn summaries(tx: &mut WriteTx, ids: &[FormId]) -> Result<Vec<FormSummary>, DatabaseError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    tx.get_all(ids).await
}

/// Properties that forms of an appointment have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) organization: OrganizationId,
    pub(super) patient: PatientId,
    pub(super) data_key_id: Uuid,
    pub(super) appointment: AppointmentId,
    /// Start of the appointment; `None` if it has begun already.
    pub(super) due_at: Option<DateTime<Utc>>,
}

/// Form of an appointment to be stored.
pub(super) struct AttachedRow<'a> {
    pub(super) uid: Uuid,
    pub(super) template: FormTemplateId,
    pub(super) template_version: i32,
    pub(super) name: &'a str,
    pub(super) language: &'a str,
    pub(super) document: Vec<u8>,
    /// Places of the first answers.
    pub(super) fields: Vec<String>,
}

/// Creates forms of an appointment, and returns their ids in the same order. Takes three statements for any number of
/// forms: row-level security has to see them before it lets anything refer to them.
pub(super) async fn forms_create(
    tx: &mut WriteTx,
    common: Common,
    forms: &[AttachedRow<'_>],
) -> Result<Vec<FormId>, DatabaseError> {
    let ids = forms_insert(tx, common, forms).await?;
    changes_insert(tx, common, &ids, forms).await?;
    links_insert(tx, common, &ids, forms).await?;
    Ok(ids)
}

async fn forms_insert(
    tx: &mut WriteTx,
    common: Common,
    forms: &[AttachedRow<'_>],
) -> Result<Vec<FormId>, DatabaseError> {
    let uids: Vec<Uuid> = forms.iter().map(|form| form.uid).collect();
    let templates: Vec<i64> = forms.iter().map(|form| form.template.0).collect();
    let versions: Vec<i32> = forms.iter().map(|form| form.template_version).collect();
    let names: Vec<String> = forms.iter().map(|form| form.name.to_owned()).collect();
    let languages: Vec<String> = forms.iter().map(|form| form.language.to_owned()).collect();
    let documents: Vec<Vec<u8>> = forms.iter().map(|form| form.document.clone()).collect();
    let mut created = sqlx::query!(
        r#"
        insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version, name,
                           language, due_at, due_with_appointment, document_encrypted)
        select $1, n.uid, $2, $3, n.template, n.version, n.name, n.language, $4, true, n.document
        from unnest($5::uuid[], $6::bigint[], $7::integer[], $8::text[], $9::text[], $10::bytea[]) with ordinality
            as n (uid, template, version, name, language, document, position)
        order by n.position
        returning id as "id: FormId", uid
        "#,
        common.organization.0,
        common.patient.0,
        common.data_key_id,
        common.due_at,
        &uids,
        &templates,
        &versions,
        &names,
        &languages,
        &documents
    )
    .fetch_all(tx.connection()?)
    .await?;
    let place = |uid: Uuid| uids.iter().position(|other| *other == uid);
    created.sort_unstable_by_key(|row| place(row.uid));
    if created.len() != forms.len() {
        return Err(DatabaseError::Damaged("not every form of an appointment was created".to_owned()));
    }
    Ok(created.into_iter().map(|row| row.id).collect())
}

async fn changes_insert(
    tx: &mut WriteTx,
    common: Common,
    ids: &[FormId],
    forms: &[AttachedRow<'_>],
) -> Result<(), DatabaseError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let versions: Vec<i32> = forms.iter().map(|form| form.template_version).collect();
    // Arrays of different lengths are no array.
    let fields: Vec<serde_json::Value> = forms.iter().map(|form| kept(&form.fields).into()).collect();
    sqlx::query!(
        r#"
        insert into form_changes (organization_id, form_id, form_version, patient_id, kind, fields,
                                  form_template_version)
        select $1, n.id, 1, $5, 'created', array(select jsonb_array_elements_text(n.fields)), n.version
        from unnest($2::bigint[], $3::integer[], $4::jsonb[]) as n (id, version, fields)
        "#,
        common.organization.0,
        &ids,
        &versions,
        &fields,
        common.patient.0
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

async fn links_insert(
    tx: &mut WriteTx,
    common: Common,
    ids: &[FormId],
    forms: &[AttachedRow<'_>],
) -> Result<(), DatabaseError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let templates: Vec<i64> = forms.iter().map(|form| form.template.0).collect();
    sqlx::query!(
        r#"
        insert into appointment_forms (organization_id, form_id, appointment_id, form_template_id)
        select $1, n.id, $2, n.template from unnest($3::bigint[], $4::bigint[]) as n (id, template)
        "#,
        common.organization.0,
        common.appointment.0,
        &ids,
        &templates
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}
