//! Whether PostgreSQL is there, for both roles.

use async_trait::async_trait;
use server_shared::http::health::Probe;

use super::Database;

/// Asks both pools.
pub(crate) struct PostgresProbe(pub Database);

#[async_trait]
impl Probe for PostgresProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for pool in self.0.pools() {
            sqlx::query!("select 1 as one").fetch_one(pool).await?;
        }
        Ok(())
    }
}
