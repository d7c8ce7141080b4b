//! Deleting what nothing refers to, and archiving what something does: the foreign keys tell the two apart.

use sqlx::{AssertSqlSafe, Executor};

use super::{DatabaseError, Listed, Tx, WriteTx};

/// Rows that are archived while others refer to them. Their table has `id`, `archived_at` and `updated_at`.
pub(crate) trait Archived: Listed {}

impl WriteTx {
    /// Deletes the row of that id or, if any other refers to it, archives it; false when there is no such row. One
    /// that is archived stays as it is until nothing refers to it.
    ///
    /// The database knows which tables refer to this one, rows that the caller doesn't see and
    /// references that are being made included. Deleting takes one round trip, archiving two.
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
