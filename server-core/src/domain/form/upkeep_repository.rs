use chrono::{DateTime, Utc};
use server_shared::http::{Page, Paging};

use super::upkeep_model::FormHistoryEntry;
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx, WriteTx},
    ids::{FormId, FormTemplateId, OrganizationId},
};

/// Returns the number of the published version `wanted` of a template, or of its last one; `None` if there is none.
pub(super) async fn template_version(
    tx: &mut impl Tx,
    organization: OrganizationId,
    template: FormTemplateId,
    wanted: Option<i32>,
) -> Result<Option<i32>, DatabaseError> {
    let number = sqlx::query_scalar!(
        r#"
        select v.version
        from form_template_versions v
        where v.organization_id = $1 and v.form_template_id = $2
          and v.version = coalesce($3, (select max(l.version) from form_template_versions l
                                        where l.organization_id = $1 and l.form_template_id = $2))
        "#,
        organization.0,
        template.0,
        wanted
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(number)
}

/// Values that the database sets in a form that moves to another version of its template.
pub(super) struct MigratedRow {
    pub(super) version: i64,
    pub(super) updated_at: DateTime<Utc>,
}

/// Moves a form, which the transaction has locked, to the version `to` of its template, as a draft with this sealed
/// document, and records the move. What it says for segments goes until it is submitted again.
pub(super) async fn form_migrate(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: FormId,
    to: i32,
    document: &[u8],
) -> Result<MigratedRow, DatabaseError> {
    let row = sqlx::query_as!(
        MigratedRow,
        r#"
        with moved as (
            update forms f
            set form_template_version = $3, document_encrypted = $4, status = 'draft', submitted_at = null,
                version = f.version + 1, updated_at = now()
            where f.organization_id = $1 and f.id = $2
            returning f.version, f.patient_id, f.updated_at
        ), retracted as (
            delete from form_answers a where a.organization_id = $1 and a.form_id = $2
        ), recorded as (
            insert into form_changes (organization_id, form_id, form_version, patient_id, kind, form_template_version)
            select $1, $2, m.version, m.patient_id, 'migrated', $3 from moved m
        )
        select m.version as "version!", m.updated_at as "updated_at!" from moved m
        "#,
        organization.0,
        id.0,
        to,
        document
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}

impl Listed for FormHistoryEntry {
    const TABLE: &'static str = "form_changes";
    const COLUMNS: &'static str = "id, kind, form_version, form_template_version, fields, user_id, changed_at";
    const PRESENT: &'static str = "true";
}

/// Returns a page of the changes of a form, the latest first.
pub(super) async fn change_page(
    reader: &mut OpenReader,
    id: FormId,
    paging: Paging,
) -> Result<Page<FormHistoryEntry>, DatabaseError> {
    reader.list().filter("form_id =", Some(id)).page("id desc", paging).await
}
