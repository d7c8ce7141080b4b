mod referred;

pub(crate) use referred::{ReferredField, ReferredFields, fields_referred};

use chrono::{DateTime, Utc};
use poem_openapi::types::ToJSON as _;
use serde_json::Value;
use server_shared::{
    http::{Page, Paging},
    value::Key,
};
use sqlx::{FromRow, Row as _, postgres::PgRow};

use super::{
    error::CustomFieldError,
    model::{CreateCustomField, CustomField, CustomFieldInput, CustomFieldVersion, FieldEntity, FieldRole},
};
use crate::{
    database::{Archived, DatabaseError, Listed, OpenReader, Tx, WriteTx, broken_constraint},
    domain::field::{FieldDefinition, FieldType},
    ids::{CustomFieldId, OrganizationId},
};

/// Most fields of an entity that are in use.
const MOST_IN_USE: i64 = 200;
/// Most fields of an entity, archived ones included.
const MOST: i64 = 500;

impl FromRow<'_, PgRow> for CustomField {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            entity: row.try_get("entity")?,
            key: key_of(row)?,
            version: row.try_get("version")?,
            definition: definition_of(row)?,
            readable_by: roles_of(row, "readable_by")?,
            writable_by: roles_of(row, "writable_by")?,
            archived_at: row.try_get("archived_at")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl FromRow<'_, PgRow> for CustomFieldVersion {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.try_get("version")?,
            definition: definition_of(row)?,
            readable_by: roles_of(row, "readable_by")?,
            writable_by: roles_of(row, "writable_by")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

fn key_of(row: &PgRow) -> Result<Key, sqlx::Error> {
    let key: &str = row.try_get("key")?;
    Key::parse(key).ok_or_else(|| damaged("key", "no key"))
}

fn definition_of(row: &PgRow) -> Result<FieldDefinition, sqlx::Error> {
    let stored: Value = row.try_get("definition")?;
    FieldDefinition::try_from(stored).map_err(|fault| damaged("definition", fault))
}

fn roles_of(row: &PgRow, column: &str) -> Result<Vec<FieldRole>, sqlx::Error> {
    let roles: Vec<String> = row.try_get(column)?;
    let mut roles = FieldRole::of_texts(&roles).ok_or_else(|| damaged(column, "an unknown role"))?;
    roles.sort_unstable();
    Ok(roles)
}

fn damaged(column: &str, fault: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: fault.into() }
}

impl Listed for CustomField {
    const TABLE: &'static str = "custom_fields";
    const COLUMNS: &'static str = "id, entity, key, version, \
                                   (select v.definition from custom_field_versions v \
                                    where v.organization_id = custom_fields.organization_id \
                                      and v.custom_field_id = custom_fields.id \
                                      and v.version = custom_fields.version) as definition, \
                                   readable_by, writable_by, archived_at, created_at, updated_at";
    // The request says whether archived ones are meant; an entity has a few dozen in all.
    const PRESENT: &'static str = "true";
}

impl Archived for CustomField {}

impl Listed for CustomFieldVersion {
    const TABLE: &'static str = "custom_field_versions";
    const COLUMNS: &'static str = "id, version, definition, readable_by, writable_by, created_at";
    const PRESENT: &'static str = "true";
}

pub(super) async fn custom_field_page(
    reader: &mut OpenReader,
    entity: Option<FieldEntity>,
    archived: bool,
    paging: Paging,
) -> Result<Page<CustomField>, DatabaseError> {
    reader
        .list()
        .filter("entity =", entity)
        .filter("(archived_at is not null) =", Some(archived))
        .page("entity, key, id", paging)
        .await
}

/// Reads a page of the versions of a field, the newest first; an unknown field has none.
pub(super) async fn custom_field_version_page(
    reader: &mut OpenReader,
    id: CustomFieldId,
    paging: Paging,
) -> Result<Page<CustomFieldVersion>, DatabaseError> {
    reader.list().filter("custom_field_id =", Some(id)).page("custom_field_id desc, version desc", paging).await
}

/// Numbers and times of a field that was written.
pub(super) struct Written {
    pub(super) id: CustomFieldId,
    pub(super) version: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Creates a field with its first version; `None` if the entity has as many as it may have.
pub(super) async fn custom_field_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    input: &CreateCustomField,
) -> Result<Option<Written>, CustomFieldError> {
    let CreateCustomField { entity, key, field } = input;
    let (readers, writers) = (texts(&field.readers()), texts(&field.writers()));
    sqlx::query_as!(
        Written,
        r#"
        with counted as (
            select count(*) filter (where archived_at is null) as in_use, count(*) as total
            from custom_fields where organization_id = $1 and entity = $2
        ), field as (
            insert into custom_fields (organization_id, entity, key, phi, readable_by, writable_by)
            select $1, $2, $3, $4, $5, $6 from counted where in_use < $9 and total < $10
            returning id, version, created_at, updated_at
        ), first as (
            insert into custom_field_versions (organization_id, custom_field_id, version, field_type, phi, definition,
                                               readable_by, writable_by)
            select $1, id, version, $7, $4, $8, $5, $6 from field
        )
        select id as "id!: CustomFieldId", version as "version!", created_at as "created_at!",
               updated_at as "updated_at!"
        from field
        "#,
        organization.0,
        *entity as FieldEntity,
        key.as_str(),
        field.definition.phi,
        &readers,
        &writers,
        field.definition.field_type as FieldType,
        field.definition.to_json(),
        MOST_IN_USE,
        MOST
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("custom_fields_key") => CustomFieldError::KeyTaken,
        _ => DatabaseError::from(error).into(),
    })
}

/// Gives a field its next version.
pub(super) async fn custom_field_update(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: CustomFieldId,
    field: &CustomFieldInput,
) -> Result<Written, DatabaseError> {
    let (readers, writers) = (texts(&field.readers()), texts(&field.writers()));
    let written = sqlx::query_as!(
        Written,
        r#"
        with field as (
            update custom_fields
            set version = version + 1, phi = $3, readable_by = $4, writable_by = $5, updated_at = now()
            where organization_id = $1 and id = $2
            returning id, version, created_at, updated_at
        ), next as (
            insert into custom_field_versions (organization_id, custom_field_id, version, field_type, phi, definition,
                                               readable_by, writable_by)
            select $1, id, version, $6, $3, $7, $4, $5 from field
        )
        select id as "id!: CustomFieldId", version as "version!", created_at as "created_at!",
               updated_at as "updated_at!"
        from field
        "#,
        organization.0,
        id.0,
        field.definition.phi,
        &readers,
        &writers,
        field.definition.field_type as FieldType,
        field.definition.to_json()
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(written)
}

/// Reads the keys of all options that the versions of a field have had. Each version of a choice has those of the ones
/// before, so the last one has all.
pub(super) async fn options_had(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: CustomFieldId,
) -> Result<Vec<String>, DatabaseError> {
    let keys = sqlx::query_scalar!(
        r#"
        select o.option ->> 'key' as "key!"
        from (select v.definition
              from custom_field_versions v
              where v.organization_id = $1 and v.custom_field_id = $2
                and v.field_type in ('single_choice', 'multiple_choice')
              order by v.version desc
              limit 1) last
        cross join jsonb_array_elements(last.definition -> 'options') as o (option)
        "#,
        organization.0,
        id.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(keys)
}

/// Returns `true` if a profile has a value of the field.
pub(super) async fn is_valued(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: CustomFieldId,
) -> Result<bool, DatabaseError> {
    let valued = sqlx::query_scalar!(
        r#"
        select exists (
            select from profile_values v
            where v.organization_id = $1 and v.custom_field_id = $2
              and num_nonnulls(v.value_encrypted, v.text_value, v.number_value, v.boolean_value, v.date_value,
                               v.time_value, v.datetime_value, v.choices_value) > 0) as "valued!"
        "#,
        organization.0,
        id.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(valued)
}

/// Takes an archived field into use again; returns the time, or `None` if the entity has as many fields as it may have.
pub(super) async fn custom_field_restore(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: CustomFieldId,
) -> Result<Option<DateTime<Utc>>, DatabaseError> {
    let restored = sqlx::query_scalar!(
        r#"
        update custom_fields f set archived_at = null, updated_at = now()
        where f.organization_id = $1 and f.id = $2
          and (select count(*) from custom_fields o
               where o.organization_id = $1 and o.entity = f.entity and o.archived_at is null) < $3
        returning updated_at
        "#,
        organization.0,
        id.0,
        MOST_IN_USE
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(restored)
}

fn texts(roles: &[FieldRole]) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).collect()
}
