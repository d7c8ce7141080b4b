//! Queries of organizations' data keys, of texts that are to be sealed under them, and of addresses that are to be
//! indexed. No caller's context shows the keys: the service reads and creates them with the owner's role.

use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::{INDEXES_VERSION, NewKey, addresses::AddressTable, backfill::ClearText};
use crate::{
    database::{Across, DatabaseError, unless_taken},
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

/// Sealed e-mail address of a row, and the index on its way into the row.
#[derive(sqlx::FromRow)]
pub(crate) struct AddressRow {
    pub(super) id: i64,
    pub(super) organization_id: OrganizationId,
    pub(super) uid: Uuid,
    pub(super) data_key_wrapped: Option<Vec<u8>>,
    /// Sealed address that was read; the row is changed only if it still has it.
    pub(super) email_encrypted: Option<Vec<u8>>,
    /// Stored index.
    pub(super) email_index: Vec<u8>,
    /// New index.
    #[sqlx(skip)]
    pub(super) index: Vec<u8>,
}

/// Returns `true` if the index of an address is left to be made.
pub(super) async fn is_address_left(
    across: &Across,
    AddressTable { table, .. }: &AddressTable,
) -> Result<bool, DatabaseError> {
    across.is_outdated(table, "indexes_version", "email_index is not null", INDEXES_VERSION).await
}

/// Counts the addresses whose index is left to be made.
pub(super) async fn addresses_left(
    across: &Across,
    AddressTable { table, .. }: &AddressTable,
) -> Result<i64, DatabaseError> {
    let sql =
        format!("select count(*) from {table} where email_index is not null and indexes_version is distinct from $1");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(INDEXES_VERSION).fetch_one(across.pool()).await?)
}

/// Reads such rows before the row `last`, or the last ones, newest first.
pub(super) async fn addresses_page(
    across: &Across,
    AddressTable { table, organization, .. }: &AddressTable,
    last: Option<i64>,
    limit: i64,
) -> Result<Vec<AddressRow>, DatabaseError> {
    let sql = format!(
        "select id, {organization} as organization_id, uid, data_key_wrapped, email_encrypted, email_index
         from {table}
         where email_index is not null and indexes_version is distinct from $1 and ($2::bigint is null or id < $2)
         order by id desc limit $3"
    );
    let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(INDEXES_VERSION).bind(last).bind(limit);
    Ok(rows.fetch_all(across.pool()).await?)
}

/// Writes indexes and returns the number of rows written; `None`, and nothing is written, if another row must differ
/// from one of them. Rows that others have locked are left.
pub(super) async fn addresses_replace(
    across: &Across,
    AddressTable { table, .. }: &AddressTable,
    rows: &[AddressRow],
) -> Result<Option<u64>, DatabaseError> {
    let sql = format!(
        "with held as (select id from {table} where id = any($1) for no key update skip locked)
         update {table} t set email_index = n.index, indexes_version = $4
         from unnest($1::bigint[], $2::bytea[], $3::bytea[]) as n (id, sealed, index)
         where t.id = n.id and t.email_encrypted is not distinct from n.sealed and t.email_index is not null
           and t.id in (select id from held)"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.email_encrypted.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.index.as_slice()).collect::<Vec<_>>())
        .bind(INDEXES_VERSION)
        .execute(across.pool())
        .await;
    unless_taken(done)
}

/// States the version of rows whose indexes stay, and returns the ids of the rows written. Rows that others have locked
/// are left.
pub(super) async fn addresses_settle(
    across: &Across,
    AddressTable { table, .. }: &AddressTable,
    rows: &[AddressRow],
) -> Result<Vec<i64>, DatabaseError> {
    let sql = format!(
        "with held as (select id from {table} where id = any($1) for no key update skip locked)
         update {table} t set indexes_version = $3
         from unnest($1::bigint[], $2::bytea[]) as n (id, sealed)
         where t.id = n.id and t.email_encrypted is not distinct from n.sealed and t.id in (select id from held)
         returning t.id"
    );
    let settled = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.email_encrypted.as_deref()).collect::<Vec<_>>())
        .bind(INDEXES_VERSION)
        .fetch_all(across.pool())
        .await?;
    Ok(settled)
}
