use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    database::{Across, DatabaseError, Listed, Tx, WriteTx},
    ids::OrganizationId,
};

/// Stored settings of an organization.
#[derive(sqlx::FromRow)]
pub(super) struct SettingsRow {
    pub(super) organization_id: OrganizationId,
    pub(super) document: Value,
    pub(super) version: i64,
    pub(super) updated_at: DateTime<Utc>,
}

impl Listed for SettingsRow {
    const TABLE: &'static str = "organization_settings";
    const COLUMNS: &'static str = "organization_id, document, version, updated_at";
    const PRESENT: &'static str = "true";
    const KEY: &'static str = "organization_id";
}

pub(super) async fn settings_update(
    tx: &mut WriteTx,
    organization: OrganizationId,
    document: &Value,
) -> Result<SettingsRow, DatabaseError> {
    let row = sqlx::query_as!(
        SettingsRow,
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

/// Settings that are sent to Telemetry.
pub(super) struct PushedSettings {
    pub(super) revision: i64,
    pub(super) timezone: String,
}

pub(super) async fn pushed_settings_get(
    across: &Across,
    organization: OrganizationId,
) -> Result<Option<PushedSettings>, DatabaseError> {
    let row = sqlx::query_as!(
        PushedSettings,
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
