//! Queries of organizations' data keys, and of texts that are to be sealed under them. No caller's context shows the
//! keys: the service reads and creates them with the owner's role.

use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::{NewKey, backfill::ClearText};
use crate::{
    database::{Across, DatabaseError},
    ids::OrganizationId,
};

/// Key as it is stored.
pub(super) struct StoredKey {
    pub(super) id: Uuid,
    pub(super) wrapped: Vec<u8>,
}

/// Returns the key of an organization, if it has one.
pub(super) async fn organization_key_get<'e>(
    executor: impl PgExecutor<'e>,
    organization: OrganizationId,
) -> Result<Option<StoredKey>, DatabaseError> {
    let key = sqlx::query_as!(
        StoredKey,
        "select id, wrapped from data_keys where organization_id = $1 and of_organization",
        organization.0
    )
    .fetch_optional(executor)
    .await?;
    Ok(key)
}

/// Inserts the key of an organization unless it has one. If two transactions insert at once, the second waits for the
/// first.
pub(super) async fn organization_key_create<'e>(
    executor: impl PgExecutor<'e>,
    organization: OrganizationId,
    key: &NewKey,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "insert into data_keys (id, organization_id, wrapped, of_organization) values ($1, $2, $3, true)
         on conflict (organization_id) where of_organization do nothing",
        key.id,
        organization.0,
        key.wrapped
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Clear text of a row.
#[derive(sqlx::FromRow)]
pub(super) struct StoredText {
    pub(super) id: i64,
    pub(super) organization_id: OrganizationId,
    pub(super) uid: Uuid,
    pub(super) value: String,
}

/// Sealed text of a row.
pub(super) struct SealedText {
    pub(super) id: i64,
    /// Clear text that was encrypted; the row is changed only if it still holds this text.
    pub(super) value: String,
    pub(super) sealed: Vec<u8>,
}

/// Returns the next clear texts of a column in the order of `id`, beginning after the row `after`.
pub(super) async fn texts_page(
    across: &Across,
    ClearText { table, column, .. }: &ClearText,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredText>, DatabaseError> {
    let sql = format!(
        "select id, organization_id, uid, {column} as value from {table} where {column} <> '' and id > $1
         order by id limit $2"
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(after).bind(limit).fetch_all(across.pool()).await?)
}

/// Replaces clear texts by the sealed ones, where the clear text is unchanged; returns the number replaced.
pub(super) async fn texts_replace(
    across: &Across,
    ClearText { table, column, sealed, emptied }: &ClearText,
    texts: &[SealedText],
) -> Result<u64, DatabaseError> {
    let ids: Vec<i64> = texts.iter().map(|text| text.id).collect();
    let values: Vec<&str> = texts.iter().map(|text| text.value.as_str()).collect();
    let ciphertexts: Vec<&[u8]> = texts.iter().map(|text| text.sealed.as_slice()).collect();
    let sql = format!(
        "update {table} t set {sealed} = n.sealed, {column} = {emptied}
         from unnest($1::bigint[], $2::text[], $3::bytea[]) as n (id, value, sealed)
         where t.id = n.id and t.{column} = n.value"
    );
    let done = sqlx::query(AssertSqlSafe(sql)).bind(ids).bind(values).bind(ciphertexts).execute(across.pool()).await?;
    Ok(done.rows_affected())
}
