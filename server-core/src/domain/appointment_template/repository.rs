use server_shared::{
    http::{Page, Paging},
    value::NameKeys,
};

use super::{
    error::AppointmentTemplateError,
    model::{AppointmentTemplate, AppointmentTemplateInput, AppointmentTemplateSort, Modality},
};
use crate::{
    database::{Archived, DatabaseError, Listed, OpenReader, Tx, WriteTx, broken_constraint},
    ids::{AppointmentTemplateId, FormTemplateId, OrganizationId, SpecialtyId},
};

/// Expands to a checked statement that returns the template that its first part, named `written`, wrote. Its sixteenth
/// parameter is the ids of the template's forms.
macro_rules! template_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            AppointmentTemplate,
            $statement
                + r#"
        select w.id as "id!: AppointmentTemplateId", w.name as "name!", w.slug as "slug!",
               w.description as "description!", w.duration_minutes as "duration_minutes!",
               w.buffer_before_minutes as "buffer_before_minutes?", w.buffer_after_minutes as "buffer_after_minutes?",
               w.minimum_notice_minutes as "minimum_notice_minutes?", w.specialty_id as "specialty_id?: SpecialtyId",
               w.modality as "modality!: Modality", w.cancellation_cutoff_minutes as "cancellation_cutoff_minutes!",
               w.reschedule_cutoff_minutes as "reschedule_cutoff_minutes!",
               $16::bigint[] as "form_template_ids!: Vec<FormTemplateId>", w.archived_at as "archived_at?",
               w.created_at as "created_at!", w.updated_at as "updated_at!"
        from written w
        "#,
            $($arguments)*
        )
    };
}

impl Listed for AppointmentTemplate {
    const TABLE: &'static str = "appointment_templates";
    const COLUMNS: &'static str = "id, name, slug, description, duration_minutes, buffer_before_minutes, \
                                   buffer_after_minutes, minimum_notice_minutes, specialty_id, modality, \
                                   cancellation_cutoff_minutes, reschedule_cutoff_minutes, \
                                   array(select f.form_template_id from appointment_template_forms f \
                                         where f.organization_id = appointment_templates.organization_id \
                                           and f.appointment_template_id = appointment_templates.id \
                                         order by f.position) as form_template_ids, \
                                   archived_at, created_at, updated_at";
    // The request says whether archived ones are meant; a clinic has a few dozen in all.
    const PRESENT: &'static str = "true";
}

impl Archived for AppointmentTemplate {}

pub(super) async fn appointment_template_page(
    reader: &mut OpenReader,
    archived: bool,
    sort: AppointmentTemplateSort,
    paging: Paging,
) -> Result<Page<AppointmentTemplate>, DatabaseError> {
    let order = match sort {
        AppointmentTemplateSort::Name => "name_sort, id",
        AppointmentTemplateSort::NameDescending => "name_sort desc nulls last, id desc",
    };
    reader.list().filter("(archived_at is not null) =", Some(archived)).page(order, paging).await
}

/// Finds a template by its slug among those in use.
pub(super) async fn appointment_template_find(
    reader: &mut OpenReader,
    slug: &str,
) -> Result<Option<AppointmentTemplate>, DatabaseError> {
    reader.list().of_organization().filter("archived_at is null and slug =", Some(slug)).one().await
}

/// Returns the form templates that a template lists, in their order.
pub(crate) async fn form_templates_listed(
    tx: &mut WriteTx,
    id: AppointmentTemplateId,
) -> Result<Vec<FormTemplateId>, DatabaseError> {
    let template = tx.get::<AppointmentTemplate>(id).await?;
    Ok(template.map(|template| template.form_template_ids).unwrap_or_default())
}

/// Creates a template and lists its forms; `None` if its specialty or a form template does not exist or is archived,
/// see [`unknown_references`].
pub(super) async fn appointment_template_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    input: &AppointmentTemplateInput,
    slug: &str,
) -> Result<Option<AppointmentTemplate>, AppointmentTemplateError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    let forms = numbers(&input.form_template_ids);
    template_written!(
        r#"
        with written as (
            insert into appointment_templates (organization_id, name, slug, description, duration_minutes,
                                               buffer_before_minutes, buffer_after_minutes, minimum_notice_minutes,
                                               specialty_id, modality,
                                               cancellation_cutoff_minutes, reschedule_cutoff_minutes,
                                               name_folded, name_sort, name_keys_version)
            select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
            where ($9::bigint is null or exists (select from specialties y where y.organization_id = $1 and y.id = $9
                                                 and y.archived_at is null))
              and not exists (select from unnest($16::bigint[]) as i (id)
                              where not exists (select from form_templates f
                                                where f.organization_id = $1 and f.id = i.id and f.archived_at is null))
            returning *
        ), listed as (
            insert into appointment_template_forms (organization_id, appointment_template_id, form_template_id,
                                                    position)
            select w.organization_id, w.id, i.id, i.position::integer
            from written w, unnest($16::bigint[]) with ordinality as i (id, position)
        )
        "#,
        organization.0,
        input.name.as_str(),
        slug,
        input.description.as_str(),
        input.duration_minutes,
        input.buffer_before_minutes,
        input.buffer_after_minutes,
        input.minimum_notice_minutes,
        input.specialty_id.map(|id| id.0),
        input.modality as Modality,
        input.cancellation_cutoff_minutes,
        input.reschedule_cutoff(),
        keys.folded,
        keys.sort,
        keys.version,
        &forms
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_slug)
}

/// Replaces a template and the list of its forms; `None` if its specialty or a form template does not exist or is
/// archived, see [`unknown_references`]. Those that it had before may stay.
pub(super) async fn appointment_template_update(
    tx: &mut impl Tx,
    id: AppointmentTemplateId,
    input: &AppointmentTemplateInput,
) -> Result<Option<AppointmentTemplate>, AppointmentTemplateError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    let forms = numbers(&input.form_template_ids);
    template_written!(
        r#"
        with written as (
            update appointment_templates t
            set name = $2, slug = coalesce($3, t.slug), description = $4, duration_minutes = $5,
                buffer_before_minutes = $6, buffer_after_minutes = $7, minimum_notice_minutes = $8,
                specialty_id = $9, modality = $10,
                cancellation_cutoff_minutes = $11, reschedule_cutoff_minutes = $12, name_folded = $13, name_sort = $14,
                name_keys_version = $15, updated_at = now()
            where t.id = $1
              and ($9::bigint is null or $9 = t.specialty_id
                   or exists (select from specialties y where y.organization_id = t.organization_id and y.id = $9
                              and y.archived_at is null))
              and not exists (
                  select from unnest($16::bigint[]) as i (id)
                  where not exists (select from form_templates f
                                    where f.organization_id = t.organization_id and f.id = i.id
                                      and f.archived_at is null)
                    and not exists (select from appointment_template_forms k
                                    where k.organization_id = t.organization_id and k.appointment_template_id = t.id
                                      and k.form_template_id = i.id))
            returning *
        ), no_longer_listed as (
            delete from appointment_template_forms k
            using written w
            where k.organization_id = w.organization_id and k.appointment_template_id = w.id
              and k.form_template_id <> all ($16::bigint[])
        ), listed as (
            insert into appointment_template_forms as k (organization_id, appointment_template_id, form_template_id,
                                                         position)
            select w.organization_id, w.id, i.id, i.position::integer
            from written w, unnest($16::bigint[]) with ordinality as i (id, position)
            on conflict (organization_id, appointment_template_id, form_template_id)
                do update set position = excluded.position where k.position <> excluded.position
        )
        "#,
        id.0,
        input.name.as_str(),
        input.slug,
        input.description.as_str(),
        input.duration_minutes,
        input.buffer_before_minutes,
        input.buffer_after_minutes,
        input.minimum_notice_minutes,
        input.specialty_id.map(|id| id.0),
        input.modality as Modality,
        input.cancellation_cutoff_minutes,
        input.reschedule_cutoff(),
        keys.folded,
        keys.sort,
        keys.version,
        &forms
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_slug)
}

/// References of a template that no statement may write.
#[derive(Debug)]
pub(super) struct UnknownReferences {
    /// `true` if the specialty does not exist or is archived.
    pub(super) specialty: bool,
    /// Form templates that do not exist or are archived.
    pub(super) forms: Vec<FormTemplateId>,
}

/// Finds the references that do not exist or are archived, after a statement has refused one. `kept` is what the
/// template had before, which may stay.
pub(super) async fn unknown_references(
    tx: &mut impl Tx,
    organization: OrganizationId,
    input: &AppointmentTemplateInput,
    kept: Option<&AppointmentTemplate>,
) -> Result<UnknownReferences, DatabaseError> {
    let kept_specialty = kept.and_then(|kept| kept.specialty_id);
    let forms = numbers(&input.form_template_ids);
    let kept_forms = kept.map(|kept| numbers(&kept.form_template_ids)).unwrap_or_default();
    let row = sqlx::query!(
        r#"
        select ($2::bigint is not null and $2 is distinct from $3::bigint
                and not exists (select from specialties y where y.organization_id = $1 and y.id = $2
                                and y.archived_at is null)) as "specialty!",
               array(select i.id from unnest($4::bigint[]) as i (id)
                     where i.id <> all ($5::bigint[])
                       and not exists (select from form_templates f
                                       where f.organization_id = $1 and f.id = i.id and f.archived_at is null))
                   as "forms!: Vec<FormTemplateId>"
        "#,
        organization.0,
        input.specialty_id.map(|id| id.0),
        kept_specialty.map(|id| id.0),
        &forms,
        &kept_forms
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(UnknownReferences { specialty: row.specialty, forms: row.forms })
}

fn numbers(templates: &[FormTemplateId]) -> Vec<i64> {
    templates.iter().map(|id| id.0).collect()
}

fn on_slug(error: sqlx::Error) -> AppointmentTemplateError {
    match broken_constraint(&error) {
        Some("appointment_templates_slug_key") => AppointmentTemplateError::SlugTaken,
        _ => DatabaseError::from(error).into(),
    }
}
