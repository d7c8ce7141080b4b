//! Revocations in PostgreSQL.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::model::{AccessRevocation, NewAccessRevocation};
use crate::storage::postgres::Database;

/// Reads and writes revocations.
#[derive(Debug, Clone)]
pub(crate) struct AccessRepository {
    pub database: Database,
}

impl AccessRepository {
    /// Adds a revocation, or moves the stored one to a later time, never to an earlier one; keeps it for `kept`
    /// after that time.
    pub(super) async fn put(&self, new: &NewAccessRevocation, kept: Duration) -> Result<AccessRevocation, sqlx::Error> {
        let mut tx = self.database.work().await?;
        let revocation = sqlx::query_as!(
            AccessRevocation,
            "insert into ops.access_revocations as held (user_id, organization_id, not_before, expires_at)
             values ($1, $2, $3, greatest($3, now()) + make_interval(secs => $4))
             on conflict on constraint access_revocations_key do update
                 set not_before = greatest(held.not_before, excluded.not_before),
                     expires_at = greatest(held.expires_at, excluded.expires_at)
             returning user_id, organization_id, not_before, expires_at",
            new.user_id,
            new.organization_id,
            new.not_before.get(),
            kept.as_secs_f64(),
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(revocation)
    }

    /// Returns `true` if a token of the user, for the organization or for none, that was issued at `issued_at` has
    /// been revoked.
    pub(super) async fn is_revoked(
        &self,
        user_id: i64,
        organization_id: Option<i64>,
        issued_at: DateTime<Utc>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.database.work().await?;
        sqlx::query_scalar!(
            r#"select exists (
                   select from ops.access_revocations
                   where user_id = $1 and (organization_id is null or organization_id = $2) and not_before > $3
               ) as "revoked!""#,
            user_id,
            organization_id,
            issued_at,
        )
        .fetch_one(&mut *tx)
        .await
    }

    /// Deletes the expired revocations; returns their number.
    pub(super) async fn sweep(&self) -> Result<u64, sqlx::Error> {
        let mut tx = self.database.work().await?;
        let swept =
            sqlx::query!("delete from ops.access_revocations where expires_at < now()").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(swept.rows_affected())
    }
}

/// Returns all revocations.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<AccessRevocation>, sqlx::Error> {
    sqlx::query_as!(
        AccessRevocation,
        "select user_id, organization_id, not_before, expires_at from ops.access_revocations"
    )
    .fetch_all(connection)
    .await
}
