//! The owner's pool, used without a caller's context.

use sqlx::{AssertSqlSafe, PgPool};

use super::DatabaseError;

/// The owner's pool, for jobs, caches and sweeps, which work for every organization and have no caller.
///
/// Row-level security lets this pool see every row, so a function that takes `Across` states that in its signature.
/// Code that has a caller goes through [`super::Database::read`], `disclose` or `write`.
#[derive(Debug, Clone)]
pub(crate) struct Across(PgPool);

impl Across {
    /// Wraps the owner's pool.
    pub(crate) fn new(owner: PgPool) -> Self {
        Self(owner)
    }

    /// Returns the pool, for a statement that is a transaction of its own.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.0
    }

    /// Returns `true` if `table` has a row, among those that meet the condition `among`, whose version in `column` is
    /// not `version`, or null.
    pub(crate) async fn is_outdated(
        &self,
        table: &'static str,
        column: &'static str,
        among: &'static str,
        version: i32,
    ) -> Result<bool, DatabaseError> {
        // One subquery for each comparison, because an index serves one at a time.
        let sql = format!(
            "select exists (select from {table} where {among} and {column} is null)
                 or exists (select from {table} where {among} and {column} < $1)
                 or exists (select from {table} where {among} and {column} > $1)"
        );
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(version).fetch_one(&self.0).await?)
    }
}
