//! Core on stores of its own.

use std::{collections::BTreeMap, time::Duration};

use sqlx::PgConnection;

use crate::{
    Actor, Database, Kind, Organization, Person, Proxy, Role, Server, Stack, eventually,
    sandbox::{RedisDatabase, Sandbox},
    seed, storage,
};

/// Address without a listener: connections are refused at once.
const NOBODY: &str = "http://127.0.0.1:9";

/// A Core process with its own database, Redis database and bucket, and two clinics in it.
#[derive(Debug)]
pub struct CoreApp {
    /// The process.
    pub server: Server,
    /// The proxy in front of PostgreSQL, if one was asked for.
    proxy: Option<Proxy>,
    /// Its database.
    pub database: Database,
    superadmin: Person,
    organizations: Vec<Organization>,
    redis: RedisDatabase,
    // Last: it tells where the logs are.
    sandbox: Sandbox,
}

/// Builds a Core for a test, with the given deviations from the default.
#[derive(Debug, Default)]
pub struct CoreBuilder {
    proxied: bool,
    counted: bool,
    environment: BTreeMap<String, String>,
}

impl CoreBuilder {
    /// Puts a [`Proxy`] between Core and PostgreSQL.
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// Counts the work of PostgreSQL, for [`Database::statements`], and gives Core one connection for each of its
    /// roles, so that the caches and plans of one process serve every request.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self.env("DB_POOL_MIN", "1").env("DB_POOL_MAX", "1")
    }

    /// Sets a variable of Core's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Starts it, two clinics seeded.
    pub async fn start(self) -> CoreApp {
        let stack = Stack::get();
        let sandbox = Sandbox::new("core");
        let database = Database::create(Kind::Core, &sandbox.name).await;
        if self.counted {
            database.statements_count().await;
        }
        let redis = RedisDatabase::take();
        let bucket = sandbox.name.replace('_', "-");
        storage::bucket_create(&bucket).await;
        let proxy = if self.proxied { Some(Proxy::start(&stack.postgres_address()).await) } else { None };
        let address = proxy.as_ref().map_or_else(|| stack.postgres_address(), |proxy| proxy.address().to_owned());

        let mut environment = stack.env.core.clone();
        for (name, value) in [
            ("DATABASE_URL", database.url_at(Kind::Core.owner(), &address)),
            ("DATABASE_APP_URL", database.url_at(Kind::Core.app(), &address)),
            ("REDIS_URL", redis.url.clone()),
            ("AWS_BUCKET_NAME", bucket),
            ("DB_POOL_MIN", "1".to_owned()),
            ("DB_POOL_MAX", "8".to_owned()),
            // Races make more requests than there are connections, on machines of any speed. Tests of outages set
            // their own.
            ("DB_ACQUIRE_TIMEOUT", "30s".to_owned()),
            ("TELEMETRY_INTERNAL_URL", NOBODY.to_owned()),
        ] {
            environment.insert(name.to_owned(), value);
        }
        environment.extend(self.environment);

        let mut owner = database.owner().await;
        let superadmin = seed::superadmin(&mut owner).await;
        let organizations = vec![
            seed::organization(&mut owner, "Riverside Clinic").await,
            seed::organization(&mut owner, "Hillside Clinic").await,
        ];
        let mut server = Server::new("server-core", "core", environment, &sandbox.dir);
        if self.proxied {
            // No Telemetry runs, so the jobs that the seed left for it would be retried between the statements
            // that the test counts.
            sqlx::query("delete from jobs").execute(&mut database.superuser().await).await.expect("no job is left");
        }
        server.start().await;
        let app = CoreApp { server, proxy, database, superadmin, organizations, redis, sandbox };
        if self.proxied {
            app.jobs_idle().await;
        }
        app
    }
}

impl CoreApp {
    /// Core without Telemetry: its audit rows wait in the outbox.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Core with something special about it.
    pub fn builder() -> CoreBuilder {
        CoreBuilder::default()
    }

    /// Waits until every periodic job has had its turn, and no other is due.
    async fn jobs_idle(&self) {
        let (planned, due) = (
            "select count(*) from jobs where key = 'periodic'",
            "select count(*) from jobs
             where state = 'running' or state = 'queued' and run_at <= clock_timestamp()",
        );
        eventually("the jobs are idle", Self::PATIENCE, || async {
            self.count(planned).await > 0 && self.count(due).await == 0
        })
        .await;
    }

    /// Another Core process on the same stores, as behind a load balancer.
    pub async fn second_core(&self) -> Server {
        self.second_core_with(&[]).await
    }

    /// Another Core process on the same stores, some of its variables with other values.
    pub async fn second_core_with(&self, variables: &[(&str, &str)]) -> Server {
        let mut environment = self.server.environment().clone();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut server = Server::new("server-core", "core-2", environment, &self.sandbox.dir);
        server.start().await;
        server
    }

    /// The base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The proxy in front of PostgreSQL.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("ask for it: CoreApp::builder().proxied()")
    }

    /// The clinic that most of a test happens in.
    pub fn home(&self) -> &Organization {
        &self.organizations[0]
    }

    /// The other clinic, which must never be seen from home.
    pub fn away(&self) -> &Organization {
        &self.organizations[1]
    }

    pub(crate) fn redis(&self) -> &RedisDatabase {
        &self.redis
    }

    /// Home's admin.
    pub fn admin(&self) -> Actor {
        self.actor(&self.home().admin)
    }

    /// Home's specialist, whose record is `home().specialist_id`.
    pub fn specialist(&self) -> Actor {
        self.actor(&self.home().specialist)
    }

    /// Home's front desk.
    pub fn staff(&self) -> Actor {
        self.actor(&self.home().staff)
    }

    /// Home's patient, without a patient record until `patient_record` makes one.
    pub fn patient(&self) -> Actor {
        self.actor(&self.home().patient)
    }

    /// The other clinic's admin.
    pub fn other_admin(&self) -> Actor {
        self.actor(&self.away().admin)
    }

    /// Runs the platform; in no organization unless one is named.
    pub fn superadmin(&self) -> Actor {
        self.actor(&self.superadmin)
    }

    /// Home's person of a role.
    pub fn role(&self, role: Role) -> Actor {
        self.actor(self.home().person(role))
    }

    /// Any person, signed in.
    pub fn actor(&self, person: &Person) -> Actor {
        Actor::new(&self.url(), person)
    }

    /// Another user with a role at home.
    pub async fn member_add(&self, role: Role) -> Person {
        seed::member(&mut self.database.owner().await, self.home().id, role).await
    }

    /// Makes somebody a member of an organization.
    pub async fn membership_add(&self, person: &Person, organization: i64, role: Role) {
        seed::membership(&mut self.database.owner().await, organization, person, role).await;
    }

    /// A third clinic, or a fourth.
    pub async fn organization_add(&self, name: &str) -> Organization {
        seed::organization(&mut self.database.owner().await, name).await
    }

    /// A connection as the owner, who sees everything.
    pub async fn owner(&self) -> PgConnection {
        self.database.owner().await
    }

    /// A number from a query of the owner's.
    pub async fn count(&self, sql: &'static str) -> i64 {
        self.database.count(sql).await
    }

    /// Time limit for asynchronous effects in tests.
    pub const PATIENCE: Duration = Duration::from_secs(20);

    /// Time limit for the notification of a change to reach a process. It takes milliseconds. The limit is below
    /// the 30 seconds that cached values live, so that a test can't pass because a cache entry expired.
    pub const HEARD: Duration = Duration::from_secs(10);
}
