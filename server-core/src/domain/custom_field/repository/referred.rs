//! Custom fields that others refer to by version or by key, for domains that are built on them.

use serde_json::Value;
use server_shared::value::Key;

use super::super::model::FieldEntity;
use crate::{
    database::{DatabaseError, Tx, WriteTx},
    domain::field::FieldDefinition,
    ids::{CustomFieldId, OrganizationId},
};

/// Version of a custom field.
#[derive(Debug, Clone)]
pub(crate) struct ReferredField {
    pub(crate) id: CustomFieldId,
    pub(crate) version: i32,
    pub(crate) entity: FieldEntity,
    pub(crate) key: Key,
    /// `true` if the field is archived.
    pub(crate) archived: bool,
    /// Definition in this version.
    pub(crate) definition: FieldDefinition,
}

/// Custom fields that exist of those that were asked for.
#[derive(Debug, Default)]
pub(crate) struct ReferredFields {
    /// Versions, of archived fields too.
    pub(crate) versions: Vec<ReferredField>,
    /// Patients' fields in use, in their present versions.
    pub(crate) of_patients: Vec<ReferredField>,
}

struct Row {
    id: CustomFieldId,
    version: i32,
    entity: FieldEntity,
    key: String,
    archived: bool,
    definition: Value,
    by_version: bool,
}

/// Reads these versions of custom fields, and the patients' fields with these keys, in one statement.
pub(crate) async fn fields_referred(
    tx: &mut WriteTx,
    organization: OrganizationId,
    versions: &[(CustomFieldId, i32)],
    keys_of_patients: &[&Key],
) -> Result<ReferredFields, DatabaseError> {
    let (ids, versions): (Vec<i64>, Vec<i32>) = versions.iter().map(|(id, version)| (id.0, *version)).unzip();
    let keys: Vec<String> = keys_of_patients.iter().map(|key| key.as_str().to_owned()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"
        select f.id as "id!: CustomFieldId", v.version as "version!", f.entity as "entity!: FieldEntity",
               f.key as "key!", f.archived_at is not null as "archived!", v.definition as "definition!",
               r.by_version as "by_version!"
        from (select p.id, p.version, true as by_version
              from unnest($2::bigint[], $3::integer[]) as p (id, version)
              union all
              select o.id, o.version, false
              from custom_fields o
              where o.organization_id = $1 and o.entity = 'patient' and o.key = any($4::text[])
                and o.archived_at is null) r
        join custom_fields f on f.organization_id = $1 and f.id = r.id
        join custom_field_versions v
            on v.organization_id = $1 and v.custom_field_id = r.id and v.version = r.version
        "#,
        organization.0,
        &ids,
        &versions,
        &keys
    )
    .fetch_all(tx.connection()?)
    .await?;
    let mut fields = ReferredFields::default();
    for row in rows {
        let list = if row.by_version { &mut fields.versions } else { &mut fields.of_patients };
        list.push(row.try_into()?);
    }
    Ok(fields)
}

impl TryFrom<Row> for ReferredField {
    type Error = DatabaseError;

    fn try_from(row: Row) -> Result<Self, DatabaseError> {
        let Row { id, version, entity, key, archived, definition, by_version: _ } = row;
        let damaged = |what| DatabaseError::Damaged(format!("version {version} of custom field {id} has no {what}"));
        let key = Key::parse(&key).ok_or_else(|| damaged("key"))?;
        let definition = FieldDefinition::try_from(definition).map_err(|_| damaged("definition"))?;
        Ok(Self { id, version, entity, key, archived, definition })
    }
}
