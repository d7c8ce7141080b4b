//! Settings of organizations in PostgreSQL.

use super::model::{NewOrganizationSettings, OrganizationSettings};
use crate::storage::postgres::Database;

/// Writes settings.
pub(crate) struct OrganizationRepository {
    pub database: Database,
}

impl OrganizationRepository {
    /// Stores the settings unless a later revision is stored already; returns the stored ones.
    pub(super) async fn put(
        &self,
        organization_id: i64,
        new: NewOrganizationSettings,
    ) -> Result<OrganizationSettings, sqlx::Error> {
        let mut tx = self.database.work().await?;
        sqlx::query!(
            "insert into ops.organization_settings as held (organization_id, revision, timezone) values ($1, $2, $3)
             on conflict (organization_id) do update
                 set revision = excluded.revision, timezone = excluded.timezone, received_at = now()
                 where held.revision < excluded.revision",
            organization_id,
            new.revision,
            new.timezone.into_inner(),
        )
        .execute(&mut *tx)
        .await?;
        let settings = sqlx::query_as!(
            OrganizationSettings,
            "select organization_id, revision, timezone from ops.organization_settings where organization_id = $1",
            organization_id,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(settings)
    }
}
