use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    database::{Across, DatabaseError, OpenReader, Tx, WriteTx},
    ids::OrganizationId,
};

/// The settings as they are stored.
pub(super) struct Standing {
    pub(super) organization_id: OrganizationId,
    pub(super) document: Value,
    pub(super) version: i64,
    pub(super) updated_at: DateTime<Utc>,
}

pub(super) async fn settings_get(
    reader: &mut OpenReader,
    organization: OrganizationId,
) -> Result<Option<Standing>, DatabaseError> {
    let (connection, (user, context, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        Standing,
        r#"
        select s.organization_id as "organization_id: OrganizationId", s.document, s.version, s.updated_at
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select organization_id, document, version, updated_at from organization_settings
            where organization_id = $6 and ctx offset 0
        ) s
        "#,
        user,
        context,
        role,
        patient,
        specialist,
        organization.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Locks them against other changes.
pub(super) async fn settings_lock(
    tx: &mut WriteTx,
    organization: OrganizationId,
) -> Result<Option<Standing>, DatabaseError> {
    let row = sqlx::query_as!(
        Standing,
        r#"
        select organization_id as "organization_id: OrganizationId", document, version, updated_at
        from organization_settings where organization_id = $1 for update
        "#,
        organization.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

pub(super) async fn settings_update(
    tx: &mut WriteTx,
    organization: OrganizationId,
    document: &Value,
) -> Result<Standing, DatabaseError> {
    let row = sqlx::query_as!(
        Standing,
        r#"
        update organization_settings set document = $2, version = version + 1, updated_at = now()
        where organization_id = $1
        returning organization_id as "organization_id: OrganizationId", document, version, updated_at
        "#,
        organization.0,
        document
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}

/// Settings that Telemetry receives.
pub(super) struct Told {
    pub(super) revision: i64,
    pub(super) timezone: String,
}

pub(super) async fn settings_told(
    across: &Across,
    organization: OrganizationId,
) -> Result<Option<Told>, DatabaseError> {
    let row = sqlx::query_as!(
        Told,
        r#"
        select s.revision, o.timezone
        from organization_settings s join organizations o on o.id = s.organization_id
        where s.organization_id = $1
        "#,
        organization.0
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(row)
}
