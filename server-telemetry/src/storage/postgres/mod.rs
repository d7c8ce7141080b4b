//! PostgreSQL: two pools, and transactions that know for whom they work.
//!
//! People work on the application pool, whose role is under row level security: without a context it
//! sees nothing. The owner's pool is for superadmins, for jobs and for Core's ingest.

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

/// Both pools.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    owner: PgPool,
    app: PgPool,
}

impl Database {
    /// Prepares the pools; connections are made when they are needed, so that the service starts
    /// while the database is still down.
    pub(crate) fn new(config: &PostgresConfig) -> Result<Self, sqlx::Error> {
        Ok(Self { owner: pool(&config.owner_url, config)?, app: pool(&config.app_url, config)? })
    }

    /// A transaction that only reads, in the context of `member`. Drop it when done: that saves the
    /// round trip of a commit.
    pub(crate) async fn read(&self, member: &Member) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let Member { user_id, organization_id, role } = *member;
        self.begin("begin read only", user_id, role, Some(organization_id)).await
    }

    /// For what must not be read without leaving an entry in the audit trail: add it, and commit before
    /// anything is answered. It sees one state of the database throughout, and all organizations for
    /// superadmins, whom it takes to the owner's pool; anybody else is held to its own organization.
    pub(crate) async fn disclose(&self, person: &Person) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        // Without an organization the application pool shows nothing; the owner's shows everything.
        let organization_id = person.organization_id.filter(|_| person.role != Role::Superadmin);
        self.begin("begin isolation level repeatable read", person.user_id, person.role, organization_id).await
    }

    /// A transaction of a job: as the owner, without a context.
    #[allow(clippy::disallowed_methods, reason = "jobs work for every organization, and name it in each statement")]
    pub(crate) async fn work(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.owner.begin().await
    }

    /// A transaction that writes, in the context of `member`.
    pub(crate) async fn write(&self, member: &Member) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let Member { user_id, organization_id, role } = *member;
        self.begin("begin", user_id, role, Some(organization_id)).await
    }

    /// A connection of the owner's that hears notifications and reconnects by itself never: who listens has to
    /// know what it may have missed.
    pub(crate) async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        let options = PgConnectOptions::clone(&self.owner.connect_options());
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        Ok(listener)
    }

    /// Applies what is missing of the migrations.
    pub(crate) async fn migrate(&self) -> Result<(), MigrateError> {
        MIGRATIONS.run(&self.owner).await
    }

    /// Lets connections go.
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
        // BEGIN and the context go in one message. The text is made of integers and of our own words,
        // never of input. Plans are made for the values at hand: filters are optional, and one plan
        // for all of them would use no index.
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

fn pool(url: &SecretString, config: &PostgresConfig) -> Result<PgPool, sqlx::Error> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    let options = options.application_name("server-telemetry").disable_statement_logging();
    Ok(PgPoolOptions::new()
        .min_connections(config.pool_min)
        .max_connections(config.pool_max)
        .acquire_timeout(config.acquire_timeout)
        // A ping before each use is a round trip; a dead connection shows itself soon enough.
        .test_before_acquire(false)
        .connect_lazy_with(options))
}

/// Whether trying again later may help: the database, or the way to it, is down or full.
pub(crate) fn is_down(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08 connection, 53 out of resources, 57P shutdown; serialization and deadlock may go right
        // the next time.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| ["08", "53", "57P", "40001", "40P01"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}
