use chrono::{DateTime, Utc};
use serde_json::Value;
use server_shared::{
    http::{Page, Paging},
    value::NameKeys,
};

use super::{
    error::FormTemplateError,
    model::{
        FormTemplate, FormTemplateInput, FormTemplateSort, FormTemplateSummary, FormTemplateVersion,
        FormTemplateVersionSummary,
    },
    stored::AsStored,
};
use crate::{
    database::{Archived, DatabaseError, Listed, OpenReader, Tx, WriteTx, broken_constraint},
    ids::{FormId, FormTemplateId, OrganizationId},
};

/// Largest number of forms that the publication of a version lists.
const OPEN_LISTED: i64 = 100;

/// Stored form template, with its draft.
#[derive(sqlx::FromRow)]
pub(super) struct FormTemplateRow {
    pub(super) id: FormTemplateId,
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) description: String,
    pub(super) version: i64,
    pub(super) definition: Value,
    pub(super) fields: Value,
    pub(super) faults: Value,
    pub(super) published_version: Option<i32>,
    pub(super) published_at: Option<DateTime<Utc>>,
    pub(super) has_unpublished_changes: bool,
    pub(super) archived_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl FormTemplateRow {
    /// Returns the names of the fields that differ in a later state.
    pub(super) fn changed(&self, after: &Self) -> Vec<&'static str> {
        let differs = [
            ("name", self.name != after.name),
            ("slug", self.slug != after.slug),
            ("description", self.description != after.description),
            ("definition", self.definition != after.definition),
        ];
        differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

impl From<FormTemplateRow> for FormTemplate {
    fn from(row: FormTemplateRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            slug: row.slug,
            description: row.description,
            version: row.version,
            definition: AsStored::new(row.definition),
            fields: AsStored::list(row.fields),
            faults: AsStored::list(row.faults),
            published_version: row.published_version,
            published_at: row.published_at,
            has_unpublished_changes: row.has_unpublished_changes,
            archived_at: row.archived_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Draft that is about to be published, and the content of the version before it.
pub(super) struct PublishedRow {
    pub(super) version: i64,
    pub(super) definition: Value,
    pub(super) archived_at: Option<DateTime<Utc>>,
    pub(super) published_version: Option<i32>,
    /// `None` before the first version.
    pub(super) content: Option<Value>,
}

/// Draft as it is stored.
pub(super) struct NewDraft {
    pub(super) definition: Value,
    /// Custom fields that the draft refers to and that exist, as a list.
    pub(super) fields: Value,
    /// Faults for which it can't be published, as a list.
    pub(super) faults: Value,
    pub(super) definition_hash: [u8; 32],
    /// Ids of these custom fields, and in the same order their versions.
    pub(super) field_ids: Vec<i64>,
    pub(super) field_versions: Vec<i32>,
}

/// Version as it is stored.
pub(super) struct NewVersion {
    pub(super) version: i32,
    pub(super) content: Value,
    pub(super) content_hash: [u8; 32],
    /// Ids of the custom fields in the content, and in the same order their versions.
    pub(super) field_ids: Vec<i64>,
    pub(super) field_versions: Vec<i32>,
}

/// Published version, with the forms that ask earlier ones and can still move to it.
pub(super) struct NewlyPublished {
    pub(super) published_at: DateTime<Utc>,
    /// Number of the forms.
    pub(super) open_total: i64,
    /// Ids of the first ones.
    pub(super) open_ids: Vec<FormId>,
}

/// Expands to a checked statement that returns the form template that its first part, named `written`, wrote.
macro_rules! form_template_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            FormTemplateRow,
            $statement
                + r#"
        select w.id as "id!: FormTemplateId", w.name as "name!", w.slug as "slug!", w.description as "description!",
               w.version as "version!", w.definition as "definition!", w.fields as "fields!",
               w.faults as "faults!", w.published_version as "published_version?",
               w.published_at as "published_at?",
               w.published_hash is distinct from w.definition_hash as "has_unpublished_changes!",
               w.archived_at as "archived_at?", w.created_at as "created_at!", w.updated_at as "updated_at!"
        from written w
        "#,
            $($arguments)*
        )
    };
}

impl Listed for FormTemplateRow {
    const TABLE: &'static str = "form_templates";
    const COLUMNS: &'static str = "id, name, slug, description, version, definition, fields, faults, \
                                   published_version, published_at, \
                                   published_hash is distinct from definition_hash as has_unpublished_changes, \
                                   archived_at, created_at, updated_at";
    const PRESENT: &'static str = "true";
}

impl Listed for FormTemplateSummary {
    const TABLE: &'static str = "form_templates";
    const COLUMNS: &'static str = "id, name, slug, description, version, published_version, published_at, \
                                   published_hash is distinct from definition_hash as has_unpublished_changes, \
                                   archived_at, created_at, updated_at";
    // The request says whether archived ones are meant; a clinic has a few dozen in all.
    const PRESENT: &'static str = "true";
}

impl Archived for FormTemplateSummary {}

impl Listed for FormTemplateVersionSummary {
    const TABLE: &'static str = "form_template_versions";
    const COLUMNS: &'static str =
        "id, form_template_id, version, encode(content_hash, 'hex') as content_hash, published_at";
    const PRESENT: &'static str = "true";
}

impl Listed for FormTemplateVersion {
    const TABLE: &'static str = "form_template_versions";
    const COLUMNS: &'static str =
        "id, form_template_id, version, encode(content_hash, 'hex') as content_hash, published_at, content";
    const PRESENT: &'static str = "true";
}

pub(super) async fn form_template_page(
    reader: &mut OpenReader,
    archived: bool,
    sort: FormTemplateSort,
    paging: Paging,
) -> Result<Page<FormTemplateSummary>, DatabaseError> {
    let order = match sort {
        FormTemplateSort::Name => "name_sort, id",
        FormTemplateSort::NameDescending => "name_sort desc nulls last, id desc",
    };
    reader.list().filter("(archived_at is not null) =", Some(archived)).page(order, paging).await
}

pub(super) async fn form_template_version_page(
    reader: &mut OpenReader,
    id: FormTemplateId,
    paging: Paging,
) -> Result<Page<FormTemplateVersionSummary>, DatabaseError> {
    // The number is unique among the versions of a template.
    reader.list().filter("form_template_id =", Some(id)).page("version desc", paging).await
}

pub(super) async fn form_template_version_get(
    reader: &mut OpenReader,
    id: FormTemplateId,
    version: i64,
) -> Result<Option<FormTemplateVersion>, DatabaseError> {
    let versions = reader.list().of_organization().filter("form_template_id =", Some(id));
    versions.filter("version =", Some(version)).one().await
}

pub(super) async fn form_template_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    input: &FormTemplateInput,
    slug: &str,
    draft: &NewDraft,
) -> Result<FormTemplateRow, FormTemplateError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    form_template_written!(
        r#"
        with written as (
            insert into form_templates (organization_id, name, slug, description, definition, fields, faults,
                                        definition_hash, name_folded, name_sort, name_keys_version)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            returning *
        ), referred as (
            insert into form_template_draft_fields (organization_id, form_template_id, custom_field_id,
                                                    custom_field_version)
            select w.organization_id, w.id, f.id, f.version
            from written w, unnest($12::bigint[], $13::integer[]) as f (id, version)
        )
        "#,
        organization.0,
        input.name.as_str(),
        slug,
        input.description.as_str(),
        draft.definition,
        draft.fields,
        draft.faults,
        draft.definition_hash.as_slice(),
        keys.folded,
        keys.sort,
        keys.version,
        &draft.field_ids,
        &draft.field_versions
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(on_constraint)
}

pub(super) async fn form_template_update(
    tx: &mut WriteTx,
    id: FormTemplateId,
    input: &FormTemplateInput,
    draft: &NewDraft,
) -> Result<Option<FormTemplateRow>, FormTemplateError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    form_template_written!(
        r#"
        with written as (
            update form_templates
            set name = $2, slug = coalesce($3, slug), description = $4, definition = $5, fields = $6,
                faults = $7, definition_hash = $8, name_sort = $10, name_keys_version = $11, version = version + 1,
                -- Of two that have become equal, one goes without the key until it is renamed.
                name_folded = case when name is distinct from $2 or name_keys_version is null then $9
                                   else name_folded end,
                updated_at = now()
            where id = $1
            returning *
        ), no_longer_referred as (
            delete from form_template_draft_fields d
            using written w
            where d.organization_id = w.organization_id and d.form_template_id = w.id
              and not exists (select from unnest($12::bigint[], $13::integer[]) as f (id, version)
                              where f.id = d.custom_field_id and f.version = d.custom_field_version)
        ), referred as (
            insert into form_template_draft_fields (organization_id, form_template_id, custom_field_id,
                                                    custom_field_version)
            select w.organization_id, w.id, f.id, f.version
            from written w, unnest($12::bigint[], $13::integer[]) as f (id, version)
            on conflict do nothing
        )
        "#,
        id.0,
        input.name.as_str(),
        input.slug,
        input.description.as_str(),
        draft.definition,
        draft.fields,
        draft.faults,
        draft.definition_hash.as_slice(),
        keys.folded,
        keys.sort,
        keys.version,
        &draft.field_ids,
        &draft.field_versions
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_constraint)
}

/// Reads a form template whose draft is about to be published, and locks it against changes; `None` if there is none
/// that the caller may change. The transaction has to hold [`Lock::Fields`](crate::database::Lock): if the statement
/// waited for another publication, it would not see the version.
pub(super) async fn form_template_publication_lock(
    tx: &mut WriteTx,
    id: FormTemplateId,
) -> Result<Option<PublishedRow>, DatabaseError> {
    let row = sqlx::query_as!(
        PublishedRow,
        r#"
        select t.version, t.definition, t.archived_at, t.published_version, v.content as "content?"
        from form_templates t
        left join form_template_versions v
            on v.organization_id = t.organization_id and v.form_template_id = t.id and v.version = t.published_version
        where t.id = $1
        for no key update of t
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// Publishes a version of a locked form template, and finds the forms that can move to it.
pub(super) async fn form_template_publish(
    tx: &mut WriteTx,
    id: FormTemplateId,
    new: &NewVersion,
) -> Result<NewlyPublished, DatabaseError> {
    let published = sqlx::query_as!(
        NewlyPublished,
        r#"
        with published as (
            insert into form_template_versions (organization_id, form_template_id, version, content, content_hash)
            select t.organization_id, t.id, $2, $3, $4 from form_templates t where t.id = $1
            returning organization_id, form_template_id, version, published_at
        ), referred as (
            insert into form_template_version_fields (organization_id, form_template_id, version, custom_field_id,
                                                      custom_field_version)
            select p.organization_id, p.form_template_id, p.version, f.id, f.version
            from published p, unnest($5::bigint[], $6::integer[]) as f (id, version)
        )
        update form_templates t
        set published_version = p.version, published_at = p.published_at, published_hash = t.definition_hash,
            -- the draft had faults if it named a custom field's version that was added later
            fields = $3::jsonb -> 'fields', faults = '[]'
        from published p
        where t.organization_id = p.organization_id and t.id = p.form_template_id
        returning p.published_at as "published_at!",
                  -- as forms_open_idx states it, which no other index serves
                  (select count(*) from forms f
                   where (case when f.status in ('draft', 'submitted') then f.form_template_id end) = $1
                     and f.status in ('draft', 'submitted') and f.organization_id = t.organization_id
                     and not exists (select from form_voids v
                                     where v.organization_id = f.organization_id and v.form_id = f.id))
                      as "open_total!",
                  array(select f.id from forms f
                        where (case when f.status in ('draft', 'submitted') then f.form_template_id end) = $1
                          and f.status in ('draft', 'submitted') and f.organization_id = t.organization_id
                          and not exists (select from form_voids v
                                          where v.organization_id = f.organization_id and v.form_id = f.id)
                        order by f.id limit $7) as "open_ids!: Vec<FormId>"
        "#,
        id.0,
        new.version,
        new.content,
        new.content_hash.as_slice(),
        // Not those of the draft: a version that it names may have been added since it was saved.
        &new.field_ids,
        &new.field_versions,
        OPEN_LISTED
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(published)
}

fn on_constraint(error: sqlx::Error) -> FormTemplateError {
    match broken_constraint(&error) {
        Some("form_templates_slug_key") => FormTemplateError::SlugTaken,
        Some("form_templates_folded_key") => FormTemplateError::NameTaken,
        _ => DatabaseError::from(error).into(),
    }
}
