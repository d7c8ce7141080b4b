use server_shared::{
    http::{Page, Paging},
    value::NameKeys,
};

use super::{
    error::AppointmentTemplateError,
    model::{AppointmentTemplate, AppointmentTemplateInput, AppointmentTemplateSort, Modality},
};
use crate::{
    database::{Archived, DatabaseError, Listed, OpenReader, Tx, broken_constraint},
    ids::{AppointmentTemplateId, OrganizationId, SpecialtyId},
};

/// Expands to a checked statement that returns the template it wrote, from its text up to `returning` and its
/// arguments. The alias of the table is `t`.
macro_rules! template_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            AppointmentTemplate,
            $statement
                + r#"
        t.id as "id: AppointmentTemplateId", t.name, t.slug, t.description, t.duration_minutes, t.buffer_before_minutes,
        t.buffer_after_minutes, t.minimum_notice_minutes, t.specialty_id as "specialty_id: SpecialtyId",
        t.modality as "modality: Modality", t.cancellation_cutoff_minutes, t.reschedule_cutoff_minutes, t.archived_at,
        t.created_at, t.updated_at
        "#,
            $($arguments)*
        )
    };
}

impl Listed for AppointmentTemplate {
    const TABLE: &'static str = "appointment_templates";
    const COLUMNS: &'static str = "id, name, slug, description, duration_minutes, buffer_before_minutes, buffer_after_minutes, \
                                   minimum_notice_minutes, specialty_id, modality, cancellation_cutoff_minutes, \
                                   reschedule_cutoff_minutes, archived_at, created_at, updated_at";
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

/// Creates a template; `None` if its specialty does not exist or is archived.
pub(super) async fn appointment_template_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    input: &AppointmentTemplateInput,
    slug: &str,
) -> Result<Option<AppointmentTemplate>, AppointmentTemplateError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    template_written!(
        r#"
        insert into appointment_templates as t (organization_id, name, slug, description, duration_minutes, buffer_before_minutes,
                                           buffer_after_minutes, minimum_notice_minutes, specialty_id, modality,
                                           cancellation_cutoff_minutes, reschedule_cutoff_minutes,
                                           name_folded, name_sort, name_keys_version)
        select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
        where $9::bigint is null or exists (select from specialties y where y.organization_id = $1 and y.id = $9
                                            and y.archived_at is null)
        returning
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
        keys.version
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_slug)
}

/// Replaces a template; `None` if its specialty does not exist or is archived. A specialty that it had before may stay.
pub(super) async fn appointment_template_update(
    tx: &mut impl Tx,
    id: AppointmentTemplateId,
    input: &AppointmentTemplateInput,
) -> Result<Option<AppointmentTemplate>, AppointmentTemplateError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    template_written!(
        r#"
        update appointment_templates t
        set name = $2, slug = coalesce($3, t.slug), description = $4, duration_minutes = $5, buffer_before_minutes = $6,
            buffer_after_minutes = $7, minimum_notice_minutes = $8, specialty_id = $9, modality = $10,
            cancellation_cutoff_minutes = $11, reschedule_cutoff_minutes = $12, name_folded = $13, name_sort = $14,
            name_keys_version = $15, updated_at = now()
        where t.id = $1
          and ($9::bigint is null or $9 = t.specialty_id
               or exists (select from specialties y where y.organization_id = t.organization_id and y.id = $9
                          and y.archived_at is null))
        returning
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
        keys.version
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_slug)
}

fn on_slug(error: sqlx::Error) -> AppointmentTemplateError {
    match broken_constraint(&error) {
        Some("appointment_templates_slug_key") => AppointmentTemplateError::SlugTaken,
        _ => DatabaseError::from(error).into(),
    }
}
