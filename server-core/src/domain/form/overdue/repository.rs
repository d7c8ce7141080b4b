use crate::{
    database::{Across, DatabaseError, Tx},
    ids::{FormId, OrganizationId},
};

/// Draft whose time has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassedForm {
    pub(super) id: FormId,
    pub(super) organization_id: OrganizationId,
    /// `false` if nobody has to submit it any more: it is void, or its appointment does not take place.
    pub(super) counts: bool,
}

/// Finds at most `limit` drafts whose time has passed, in all organizations; those first that were due first.
pub(super) async fn forms_due(across: &Across, limit: i64) -> Result<Vec<PassedForm>, DatabaseError> {
    let forms = sqlx::query_as!(
        PassedForm,
        r#"
        select f.id as "id: FormId", f.organization_id as "organization_id: OrganizationId",
               not exists (select from form_voids v where v.organization_id = f.organization_id and v.form_id = f.id)
               and not exists (select from appointment_forms l
                               join appointments a on a.organization_id = l.organization_id and a.id = l.appointment_id
                               where l.organization_id = f.organization_id and l.form_id = f.id
                                 and (a.deleted_at is not null or a.status in ('expired', 'cancelled', 'no_show')))
                   as "counts!"
        from forms f
        where f.status = 'draft' and f.overdue_at is null and f.due_at <= now()
        order by f.due_at
        limit $1
        "#,
        limit
    )
    .fetch_all(across.pool())
    .await?;
    Ok(forms)
}

/// Takes the time away from drafts that nobody has to submit any more, so that they are not found again; returns their
/// number. Their state is final. Skips rows that another transaction has locked.
pub(super) async fn due_clear(across: &Across, forms: &[FormId]) -> Result<u64, DatabaseError> {
    let forms: Vec<i64> = forms.iter().map(|id| id.0).collect();
    let done = sqlx::query!(
        r#"
        update forms f set due_at = null, due_with_appointment = false
        -- in an array: no plan joins the update with what it locks
        where f.id = any(array(
            select d.id from forms d
            where d.id = any($1) and d.status = 'draft' and d.overdue_at is null and d.due_at <= now()
            for update skip locked))
        "#,
        &forms
    )
    .execute(across.pool())
    .await?;
    Ok(done.rows_affected())
}

/// Marks those of the forms that are still due as overdue; returns their ids. Skips rows that another transaction has
/// locked.
pub(super) async fn overdue_mark(
    tx: &mut impl Tx,
    organization: OrganizationId,
    forms: &[FormId],
) -> Result<Vec<FormId>, DatabaseError> {
    let forms: Vec<i64> = forms.iter().map(|id| id.0).collect();
    let marked = sqlx::query_scalar!(
        r#"
        update forms f set overdue_at = now(), updated_at = now()
        -- in an array: no plan joins the update with what it locks
        where f.organization_id = $1 and f.id = any(array(
            select d.id from forms d
            where d.organization_id = $1 and d.id = any($2) and d.status = 'draft' and d.overdue_at is null
              and d.due_at <= now()
            for update skip locked))
        returning f.id as "id: FormId"
        "#,
        organization.0,
        &forms
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(marked)
}
