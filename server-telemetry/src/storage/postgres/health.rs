//! Probe of PostgreSQL: both roles can connect, and row-level security binds the application role.

use async_trait::async_trait;
use server_shared::http::health::Probe;

use super::Database;

/// Message for a configuration with which the service would show everybody the rows of every organization.
pub(crate) const UNRESTRICTED: &str = "row-level security does not bind the role of TELEMETRY_DATABASE_APP_URL: it \
                                       owns the tables, or stands above policies. Give it a role of its own";

/// Probes both pools.
pub(crate) struct PostgresProbe(pub Database);

#[async_trait]
impl Probe for PostgresProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        sqlx::query!("select 1 as one").fetch_one(&self.0.owner).await?;
        if self.0.is_restricted().await? { Ok(()) } else { Err(UNRESTRICTED.into()) }
    }
}

impl Database {
    /// Returns true if row-level security binds the application pool's role: it owns no table, is not a member of the
    /// role that does, and does not bypass policies.
    pub(crate) async fn is_restricted(&self) -> Result<bool, sqlx::Error> {
        let sql = "select not (rolsuper or rolbypassrls or coalesce(pg_has_role(oid, owner, 'member'), false))
                   from pg_roles, lateral (select max(relowner::bigint)::oid as owner
                                           from pg_class where oid = to_regclass('privacy.consents')) owned
                   where rolname = current_user";
        sqlx::query_scalar(sql).fetch_one(&self.app).await
    }
}
