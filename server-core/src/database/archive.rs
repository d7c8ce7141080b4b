//! Deletion of rows, or their archiving while foreign keys refer to them.

use sqlx::{AssertSqlSafe, Executor};

use super::{DatabaseError, Listed, Tx, WriteTx};

/// Rows that are archived instead of deleted while other rows refer to them. Their table has `id`, `archived_at` and
/// `updated_at`.
pub(crate) trait Archived: Listed {}

impl WriteTx {
    /// Deletes the row with this id or, if another row refers to it, archives it. Returns `false` if there is no such
    /// row. An archived row stays unchanged until nothing refers to it.
    ///
    /// The foreign keys decide, so rows that the caller can't see and references that are just being inserted count
    /// too. Deleting takes one round trip, archiving two.
    pub(crate) async fn delete_or_archive<T: Archived>(&mut self, id: i64) -> Result<bool, DatabaseError> {
        let table = T::TABLE;
        let delete = format!("savepoint referred; delete from {table} where id = {id};");
        match self.connection()?.execute(sqlx::raw_sql(AssertSqlSafe(delete))).await {
            Ok(done) => return Ok(done.rows_affected() == 1),
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {}
            Err(error) => return Err(error.into()),
        }
        let archive = format!(
            "rollback to savepoint referred; \
             update {table} set archived_at = now(), updated_at = now() where id = {id} and archived_at is null;"
        );
        self.connection()?.execute(sqlx::raw_sql(AssertSqlSafe(archive))).await?;
        Ok(true)
    }
}
