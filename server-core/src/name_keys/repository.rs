//! SQL for any table with names. The identifiers in it are those of the registry, which are constants; values are
//! bound.

use server_shared::value::{KEYS_VERSION, NameKeys};
use sqlx::AssertSqlSafe;

use super::tables::KeyedTable;
use crate::database::{Across, DatabaseError, unless_taken};

/// Stored name.
#[derive(sqlx::FromRow)]
pub(super) struct StoredName {
    pub(super) id: i64,
    pub(super) parts: Vec<String>,
}

/// Normalized name with its keys, to be stored in its row.
pub(super) struct NewName {
    pub(super) id: i64,
    /// Parts of the name as they were read. The row is changed only if it still has them.
    pub(super) before: Vec<String>,
    pub(super) parts: Vec<String>,
    pub(super) keys: NameKeys,
    /// `true` if another row has the same folded key, so that this row stays without one.
    pub(super) is_equal: bool,
}

/// Returns `true` if the role of the connection owns the table, so that the owner's policy shows it every row.
pub(super) async fn is_owned(across: &Across, table: &str) -> Result<bool, DatabaseError> {
    let owned = sqlx::query_scalar("select pg_has_role(relowner, 'usage') from pg_class where oid = $1::regclass")
        .bind(table)
        .fetch_one(across.pool())
        .await?;
    Ok(owned)
}

/// Returns `true` if a row has keys of another version, or none.
pub(super) async fn is_left(across: &Across, KeyedTable { table, .. }: &KeyedTable) -> Result<bool, DatabaseError> {
    across.is_outdated(table, "name_keys_version", "true", KEYS_VERSION).await
}

/// Counts the rows that have keys of another version, or none.
pub(super) async fn left(across: &Across, KeyedTable { table, .. }: &KeyedTable) -> Result<i64, DatabaseError> {
    let sql = format!("select count(*) from {table} where name_keys_version is distinct from $1");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(KEYS_VERSION).fetch_one(across.pool()).await?)
}

/// Reads such rows after the row `after`, in the order of their keys.
pub(super) async fn page(
    across: &Across,
    KeyedTable { table, parts, .. }: &KeyedTable,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredName>, DatabaseError> {
    let sql = format!(
        "select id, array[{}]::text[] as parts from {table}
         where id > $1 and name_keys_version is distinct from $2 order by id limit $3",
        parts.join(", ")
    );
    let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(after).bind(KEYS_VERSION).bind(limit);
    Ok(rows.fetch_all(across.pool()).await?)
}

/// Writes names with their keys and returns the number of changed rows. Writes nothing and returns `None` if names in a
/// unique index have become equal. Skips locked rows, so that two refreshes do not wait for each other.
pub(super) async fn replace(
    across: &Across,
    KeyedTable { table, parts, .. }: &KeyedTable,
    names: &[NewName],
) -> Result<Option<u64>, DatabaseError> {
    let of_parts = |text: &dyn Fn(usize, &str) -> String, separator: &str| {
        let texts: Vec<String> = parts.iter().enumerate().map(|(index, part)| text(index, part)).collect();
        texts.join(separator)
    };
    let set = of_parts(&|index, part| format!("{part} = n.new_{index}"), ", ");
    let same = of_parts(&|index, part| format!("t.{part} = n.old_{index}"), " and ");
    let arrays = of_parts(&|index, _| format!("${}::text[], ${}::text[]", 5 + 2 * index, 6 + 2 * index), ", ");
    let columns = of_parts(&|index, _| format!("old_{index}, new_{index}"), ", ");
    let sql = format!(
        "with held as (select id from {table} where id = any($1) for no key update skip locked)
         update {table} t set {set}, name_folded = n.folded, name_sort = n.sort, name_keys_version = $4
         from unnest($1::bigint[], $2::text[], $3::bytea[], {arrays}) as n (id, folded, sort, {columns})
         where t.id = n.id and t.id in (select id from held) and {same}"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(names.iter().map(|name| name.id).collect::<Vec<_>>())
        .bind(names.iter().map(|name| (!name.is_equal).then_some(name.keys.folded.as_str())).collect::<Vec<_>>())
        .bind(names.iter().map(|name| name.keys.sort.as_slice()).collect::<Vec<_>>())
        .bind(KEYS_VERSION);
    for index in 0..parts.len() {
        let part = |parts: &[String]| parts.get(index).cloned().unwrap_or_default();
        query = query
            .bind(names.iter().map(|name| part(&name.before)).collect::<Vec<_>>())
            .bind(names.iter().map(|name| part(&name.parts)).collect::<Vec<_>>());
    }
    unless_taken(query.execute(across.pool()).await)
}
