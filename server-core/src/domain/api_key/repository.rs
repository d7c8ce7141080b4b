use chrono::{DateTime, Utc};
use server_shared::http::{Page, Paging};
use sqlx::{FromRow, postgres::PgRow};

use super::model::ApiKey;
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx, one_row},
    identity::Scope,
    ids::{ApiKeyId, OrganizationId, UserId},
};

/// Stored key without its hashes.
#[derive(FromRow)]
struct Row {
    id: ApiKeyId,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    created_by: Option<UserId>,
    expires_at: Option<DateTime<Utc>>,
    previous_expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Composes a checked statement that returns the written key, from the part before `returning` and the arguments.
macro_rules! api_key_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            Row,
            $statement
                + r#" returning id as "id: ApiKeyId", name, prefix, scopes, created_by as "created_by: UserId", expires_at,
                  previous_expires_at, revoked_at, last_used_at, created_at, updated_at"#,
            $($arguments)*
        )
    };
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes.iter().filter_map(|scope| Scope::from_text(scope)).collect(),
            created_by: row.created_by,
            expires_at: row.expires_at,
            previous_expires_at: row.previous_expires_at.filter(|end| *end > Utc::now()),
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl FromRow<'_, PgRow> for ApiKey {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Row::from_row(row).map(Self::from)
    }
}

impl Listed for ApiKey {
    const TABLE: &'static str = "api_keys";
    const COLUMNS: &'static str = "id, name, prefix, scopes, created_by, expires_at, previous_expires_at, revoked_at, \
                                   last_used_at, created_at, updated_at";
    const PRESENT: &'static str = "true";
}

/// Reads a page of keys, newest first.
pub(super) async fn api_key_page(
    reader: &mut OpenReader,
    organization: OrganizationId,
    paging: Paging,
) -> Result<Page<ApiKey>, DatabaseError> {
    reader.list().filter("organization_id =", Some(organization)).page("id desc", paging).await
}

/// Key to be stored.
pub(super) struct NewApiKey<'a> {
    pub(super) name: &'a str,
    pub(super) prefix: &'a str,
    pub(super) secret_hash: &'a [u8],
    pub(super) scopes: &'a [String],
    pub(super) created_by: UserId,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

pub(super) async fn api_key_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    key: &NewApiKey<'_>,
) -> Result<ApiKey, DatabaseError> {
    let row = api_key_written!(
        "insert into api_keys (organization_id, name, prefix, secret_hash, scopes, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        organization.0,
        key.name,
        key.prefix,
        key.secret_hash,
        key.scopes,
        key.created_by.0,
        key.expires_at
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row.into())
}

/// Locks a key; returns true if it is revoked, and `None` if there is no such key.
pub(super) async fn api_key_lock(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Option<bool>, DatabaseError> {
    let revoked = sqlx::query_scalar!(
        r#"
        select revoked_at is not null as "revoked!" from api_keys where organization_id = $1 and id = $2 for update
        "#,
        organization.0,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(revoked)
}

/// Replaces the secret of a key; the current one is accepted until `previous_expires_at`.
pub(super) async fn api_key_rotate(
    tx: &mut impl Tx,
    id: ApiKeyId,
    prefix: &str,
    secret_hash: &[u8],
    previous_expires_at: DateTime<Utc>,
) -> Result<ApiKey, DatabaseError> {
    let row = api_key_written!(
        "update api_keys
         set previous_secret_hash = secret_hash, previous_expires_at = $4, secret_hash = $3, prefix = $2,
             updated_at = now()
         where id = $1",
        id.0,
        prefix,
        secret_hash,
        previous_expires_at
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row.into())
}

pub(super) async fn api_key_revoke(tx: &mut impl Tx, id: ApiKeyId) -> Result<(), DatabaseError> {
    let done = sqlx::query!("update api_keys set revoked_at = now(), updated_at = now() where id = $1", id.0)
        .execute(tx.connection()?)
        .await?;
    one_row(&done)
}
