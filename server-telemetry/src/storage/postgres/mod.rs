//! PostgreSQL: two pools, and transactions with the context of their caller.
//!
//! People's requests use the application pool, whose role is subject to row-level security: without a context
//! it sees no rows. The owner's pool serves superadmins, jobs and the ingest of Core.

mod health;

pub(crate) use health::{PostgresProbe, UNRESTRICTED};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, PgPool, Postgres, Transaction,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

use crate::{
    config::PostgresConfig,
    identity::{Member, Person, Role},
};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/telemetry-pg");

/// Application pool and owner's pool.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    owner: PgPool,
    app: PgPool,
}

impl Database {
    /// Prepares the pools. Connects when they are first used, so that the service starts while the database is
    /// still down.
    pub(crate) fn new(config: &PostgresConfig) -> Result<Self, sqlx::Error> {
        Ok(Self { owner: pool(&config.owner_url, config)?, app: pool(&config.app_url, config)? })
    }

    /// Begins a transaction that only reads, in the context of `member`. Drop it afterwards, which saves the round
    /// trip of a commit.
    pub(crate) async fn read(&self, member: &Member) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let Member { user_id, organization_id, role } = *member;
        self.begin("begin read only", user_id, role, Some(organization_id)).await
    }

    /// Begins a transaction for data whose reading must leave an audit entry: add the entry, and commit before you
    /// answer. The transaction reads from one snapshot. A superadmin gets the owner's pool and sees all
    /// organizations; anybody else sees only the own organization.
    pub(crate) async fn disclose(&self, person: &Person) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        // Without an organization the application pool shows no rows and the owner's pool shows all of them.
        let organization_id = person.organization_id.filter(|_| person.role != Role::Superadmin);
        self.begin("begin isolation level repeatable read", person.user_id, person.role, organization_id).await
    }

    /// Begins a transaction of a job, as the owner and without a context.
    #[allow(clippy::disallowed_methods, reason = "jobs work for every organization, and name it in each statement")]
    pub(crate) async fn work(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.owner.begin().await
    }

    /// Begins a transaction that writes, in the context of `member`.
    pub(crate) async fn write(&self, member: &Member) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let Member { user_id, organization_id, role } = *member;
        self.begin("begin", user_id, role, Some(organization_id)).await
    }

    /// Opens a connection of the owner that receives notifications. It does not reconnect by itself, because a
    /// listener must know that it may have missed some.
    pub(crate) async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        let options = PgConnectOptions::clone(&self.owner.connect_options());
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        Ok(listener)
    }

    /// Applies the missing migrations.
    pub(crate) async fn migrate(&self) -> Result<(), MigrateError> {
        MIGRATIONS.run(&self.owner).await
    }

    /// Closes the connections.
    pub(crate) async fn close(&self) {
        self.app.close().await;
        self.owner.close().await;
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where transactions begin, and never without context")]
    async fn begin(
        &self,
        begin: &'static str,
        user_id: i64,
        role: Role,
        organization_id: Option<i64>,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let pool = if role == Role::Superadmin { &self.owner } else { &self.app };
        // Sends BEGIN and the context in one message. Its text consists of integers and of the program's own
        // words, never of input. Forces custom plans: filters are optional, and a generic plan for all of them
        // would use no index.
        let statement = format!(
            "{begin}; \
             select set_config('app.current_org_id', '{}', true), \
                    set_config('app.current_user_id', '{}', true), \
                    set_config('app.current_role', '{}', true), \
                    set_config('plan_cache_mode', 'force_custom_plan', true)",
            organization_id.map(|id| id.to_string()).unwrap_or_default(),
            user_id,
            role.as_str(),
        );
        pool.begin_with(AssertSqlSafe(statement)).await
    }
}

/// Settings of every connection. The trail and its chains grow faster than their statistics are gathered; while these
/// are of a time when a table was empty, PostgreSQL prefers plans that read all of it: a sequential scan of each row's
/// personal values, or a bitmap of a chain that it sorts for the last link (decision 50).
const INDEXES_FIRST: [(&str, &str); 2] = [("enable_seqscan", "off"), ("enable_bitmapscan", "off")];

fn pool(url: &SecretString, config: &PostgresConfig) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    let options = options.application_name("server-telemetry").options(INDEXES_FIRST).disable_statement_logging();
    Ok(PgPoolOptions::new()
        .min_connections(config.pool_min)
        .max_connections(config.pool_max)
        .acquire_timeout(config.acquire_timeout)
        // A ping before each use would cost a round trip; the first query detects a dead connection soon enough.
        .test_before_acquire(false)
        .connect_lazy_with(options))
}

/// Returns `true` if a retry may help: the database, or the network to it, is down or overloaded.
pub(crate) fn is_down(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08: connection; 53: out of resources; 57P: shutdown. Serialization failures and deadlocks may succeed
        // next time.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| ["08", "53", "57P", "40001", "40P01"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}
