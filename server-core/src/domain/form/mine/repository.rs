use chrono::{DateTime, Utc};

use super::{super::row::FormRow, model::LISTED};
use crate::{
    database::{DatabaseError, DiscloseTx, Sealed, Tx},
    ids::{FormId, FormTemplateId, OrganizationId},
};

/// Draft that waits for the patient in the context.
#[derive(Debug)]
pub(super) struct DueRow {
    pub(super) id: FormId,
    pub(super) form_template_id: FormTemplateId,
    pub(super) form_template_version: i32,
    /// Start of the appointment that the form belongs to; `None` if it belongs to none.
    pub(super) appointment_started_at: Option<DateTime<Utc>>,
}

/// Finds the drafts of the patient in the context, in the order in which they are due.
pub(super) async fn forms_due(tx: &mut impl Tx, organization: OrganizationId) -> Result<Vec<DueRow>, DatabaseError> {
    let rows = sqlx::query_as!(
        DueRow,
        r#"
        select f.id as "id!: FormId", f.form_template_id as "form_template_id!: FormTemplateId",
               f.form_template_version as "form_template_version!", a.started_at as "appointment_started_at?"
        from (
            select d.organization_id, d.id, d.form_template_id, d.form_template_version, d.status, d.due_at
            from forms d
            where d.organization_id = $1 and d.patient_id = any ((select own_records())::bigint[])
            -- keeps the status away from the choice of an index: few forms are the patient's
            offset 0
        ) f
        left join appointment_forms l on l.organization_id = f.organization_id and l.form_id = f.id
        left join appointments a
            on a.organization_id = l.organization_id and a.id = l.appointment_id and a.deleted_at is null
            and a.status not in ('expired', 'cancelled', 'no_show')
        where f.status = 'draft' and (l.form_id is null or a.id is not null)
          and not exists (select from form_voids v where v.organization_id = f.organization_id and v.form_id = f.id)
        order by f.due_at nulls last, f.id
        limit $2
        "#,
        organization.0,
        LISTED
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows)
}

/// Reads forms with their answers, in the order of their ids.
pub(super) async fn form_rows(tx: &mut DiscloseTx, due: &[DueRow]) -> Result<Sealed<Vec<FormRow>>, DatabaseError> {
    let ids: Vec<i64> = due.iter().map(|form| form.id.0).collect();
    tx.get_all(ids).await
}
