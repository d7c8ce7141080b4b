//! SQL for any wrapped column. The names in it come from the registry, which is constant; values are bound.
//!
//! Rows are addressed by `ctid`, so a table may have any primary key, and tables are walked a few blocks at a time. An
//! index on the key id would not be used: under forced row-level security, only leakproof operators may look at a row
//! before its policy does. `substring` is not leakproof; the operators of `ctid` are.

use std::ops::Range;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::encryption::WrappedColumn;

/// Wrapped key of a locked row.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Wrapped {
    pub(super) place: String,
    pub(super) organization_id: i64,
    pub(super) bound_row: String,
    pub(super) value: Vec<u8>,
}

/// Sets timeouts, so that the session delays nobody, e.g. a migration that waits for a lock on a table.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("set lock_timeout = '5s'; set statement_timeout = '60s'").execute(connection).await?;
    Ok(())
}

/// Returns true if the session's role owns the table, so that the owner's policy shows it every row.
pub(super) async fn owns(connection: &mut PgConnection, column: &WrappedColumn) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select pg_has_role(relowner, 'usage') from pg_class where oid = $1::regclass")
        .bind(column.table)
        .fetch_one(connection)
        .await
}

/// Counts the values by the id of their key.
pub(super) async fn count(
    connection: &mut PgConnection,
    WrappedColumn { table, column, .. }: &WrappedColumn,
) -> Result<Vec<(Vec<u8>, i64)>, sqlx::Error> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select substring({column} from 2 for 4), count(*) from {table} where octet_length({column}) > 0 \
         group by 1 order by 1"
    )))
    .fetch_all(connection)
    .await
}

/// Returns true if one of these keys wraps a value, other than in the rows of `without`.
pub(super) async fn is_left(
    connection: &mut PgConnection,
    WrappedColumn { table, column, row, .. }: &WrappedColumn,
    key_ids: &[Vec<u8>],
    without: &[String],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(format!(
        "select exists (select from {table} where substring({column} from 2 for 4) = any($1) and {row} <> all($2))"
    )))
    .bind(key_ids)
    .bind(without)
    .fetch_one(connection)
    .await
}

/// Returns the number of blocks of the table.
pub(super) async fn blocks(
    connection: &mut PgConnection,
    WrappedColumn { table, .. }: &WrappedColumn,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select pg_relation_size($1::regclass) / current_setting('block_size')::bigint")
        .bind(table)
        .fetch_one(connection)
        .await
}

/// Locks and returns the rows in some blocks whose value one of these keys wraps, except those that others have locked.
/// Foreign keys can still be checked against the rows: the lock is that of an update that changes no key.
pub(super) async fn batch_lock(
    connection: &mut PgConnection,
    WrappedColumn { table, column, organization, row }: &WrappedColumn,
    key_ids: &[Vec<u8>],
    without: &[String],
    blocks: Range<i64>,
) -> Result<Vec<Wrapped>, sqlx::Error> {
    let place = |block: i64| format!("({block},0)");
    sqlx::query_as(AssertSqlSafe(format!(
        "select ctid::text as place, {organization} as organization_id, {row} as bound_row, {column} as value \
         from {table} where ctid >= $3::text::tid and ctid < $4::text::tid \
         and substring({column} from 2 for 4) = any($1) and {row} <> all($2) for no key update skip locked"
    )))
    .bind(key_ids)
    .bind(without)
    .bind(place(blocks.start))
    .bind(place(blocks.end))
    .fetch_all(connection)
    .await
}

/// Writes the values of locked rows in one statement; returns the number of rows written.
pub(super) async fn batch_write(
    connection: &mut PgConnection,
    WrappedColumn { table, column, .. }: &WrappedColumn,
    places: &[&str],
    values: &[Vec<u8>],
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(AssertSqlSafe(format!(
        "update {table} t set {column} = n.value from unnest($1::text[]::tid[], $2::bytea[]) n (place, value) \
         where t.ctid = n.place"
    )))
    .bind(places)
    .bind(values)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Appends an audit row and its outbox row, which the forwarder of a server sends to Telemetry.
pub(super) async fn audit_append(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}
