use crate::{
    database::{DatabaseError, Tx},
    ids::{AppointmentId, FormId, FormTemplateId, OrganizationId},
};

/// Form of an appointment that is not void and was not amended.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttachedForm {
    pub(super) form: FormId,
    pub(super) template: FormTemplateId,
}

/// Lists the forms of an appointment that count. In a statement of its own, it sees those that the transaction has
/// waited for.
pub(super) async fn attached(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: AppointmentId,
) -> Result<Vec<AttachedForm>, DatabaseError> {
    let rows = sqlx::query_as!(
        AttachedForm,
        r#"
        select l.form_id as "form: FormId", l.form_template_id as "template: FormTemplateId"
        from appointment_forms l
        where l.organization_id = $1 and l.appointment_id = $2 and l.active
        "#,
        organization.0,
        id.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows)
}

/// State of a form template that a form is to be created from.
#[derive(Debug)]
pub(super) struct TemplateState {
    pub(super) id: FormTemplateId,
    pub(super) archived: bool,
    /// `None` if there is no such template.
    pub(super) name: Option<String>,
    /// Last published version; `None` before the first one.
    pub(super) version: Option<i32>,
}

/// Returns the state of each form template in the given order.
pub(super) async fn template_states(
    tx: &mut impl Tx,
    organization: OrganizationId,
    templates: &[FormTemplateId],
) -> Result<Vec<TemplateState>, DatabaseError> {
    let templates: Vec<i64> = templates.iter().map(|id| id.0).collect();
    let states = sqlx::query_as!(
        TemplateState,
        r#"
        select i.id as "id!: FormTemplateId", f.archived_at is not null as "archived!", f.name as "name?",
               f.published_version as "version?"
        from unnest($2::bigint[]) with ordinality as i (id, position)
        left join form_templates f on f.organization_id = $1 and f.id = i.id
        order by i.position
        "#,
        organization.0,
        &templates
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(states)
}
