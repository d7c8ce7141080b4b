//! Connection pools, configured to keep requests fast.

use std::str::FromStr;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use server_shared::http::health::Probe;
use sqlx::{
    ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Connections, DatabaseError};
use crate::config::PoolConfig;

/// Builds the owner's pool, which connects on its first use, so that the service starts while PostgreSQL is down.
pub(crate) fn connect(url: &SecretString, config: &PoolConfig) -> Result<PgPool, sqlx::Error> {
    Ok(PgPoolOptions::new()
        .min_connections(config.min)
        .max_connections(config.max)
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(config.max_lifetime)
        .idle_timeout(config.idle_timeout)
        // A ping before each use would cost every request a round trip. Without it, a dead connection causes one 503
        // and is replaced.
        .test_before_acquire(false)
        .connect_lazy_with(options(url)?))
}

/// Settings of every connection of the service. While a table is small, or its statistics are of a time when it was, a
/// sequential scan is the cheapest plan of nearly every statement, and sorting what a bitmap finds the cheapest order;
/// connections keep plans while tables grow (decision 50). A statement that is kept has one plan for all values:
/// PostgreSQL would go on planning each execution of a statement whose plan seems cheaper if it knows the values, e.g.
/// of a list that is filtered by status, which took longer than reading its page.
const PLANS: [(&str, &str); 3] =
    [("enable_seqscan", "off"), ("enable_bitmapscan", "off"), ("plan_cache_mode", "force_generic_plan")];

/// Returns the options of every connection of the service.
pub(super) fn options(url: &SecretString) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url.expose_secret())?;
    // The log names operations and never contains the text of statements.
    Ok(options.application_name("server-core").options(PLANS).disable_statement_logging())
}

/// Returns true if row-level security binds the role of the connections: it owns no table, is not a member of the role
/// that does, and does not bypass policies.
pub(crate) async fn is_restricted(connections: &Connections) -> Result<bool, DatabaseError> {
    let sql = "select not (rolsuper or rolbypassrls or coalesce(pg_has_role(oid, owner, 'member'), false))
               from pg_roles, lateral (select max(relowner::bigint)::oid as owner
                                       from pg_class where oid = to_regclass('public.users')) owned
               where rolname = current_user";
    let mut connection = connections.acquire().await?;
    Ok(sqlx::query_scalar(sql).fetch_one(connection.statement()).await?)
}

/// Readiness check of the restricted role's pool: queries PostgreSQL, and fails if row-level security does not bind the
/// role.
pub(crate) struct AppProbe(pub(crate) Connections);

#[async_trait]
impl Probe for AppProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if is_restricted(&self.0).await? { Ok(()) } else { Err(UNRESTRICTED.into()) }
    }
}

/// Message for a configuration in which every caller would see every organization.
pub(crate) const UNRESTRICTED: &str = "row-level security does not bind the role of DATABASE_APP_URL: it owns the \
                                       tables, or stands above policies. Give it a role of its own";

/// Readiness check of a pool: queries PostgreSQL through it.
pub(crate) struct PoolProbe(pub(crate) PgPool);

#[async_trait]
impl Probe for PoolProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        sqlx::query("select 1").execute(&self.0).await?;
        Ok(())
    }
}
