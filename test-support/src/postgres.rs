//! Databases of one test's own, cloned from the migrated templates.

use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use crate::{Stack, sandbox};

/// Service that the database belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Core's: owned by `restartix`, used as `restartix_app`.
    Core,
    /// Telemetry's: owned by `restartix_telemetry`, used as `restartix_telemetry_app`.
    Telemetry,
}

impl Kind {
    /// The role that owns the tables.
    pub fn owner(self) -> &'static str {
        match self {
            Self::Core => "restartix",
            Self::Telemetry => "restartix_telemetry",
        }
    }

    /// The role that row-level security binds.
    pub fn app(self) -> &'static str {
        match self {
            Self::Core => "restartix_app",
            Self::Telemetry => "restartix_telemetry_app",
        }
    }
}

/// A database, dropped with this value.
#[derive(Debug)]
pub struct Database {
    kind: Kind,
    name: String,
}

impl Database {
    /// A fresh clone of the template.
    pub async fn create(kind: Kind, name: &str) -> Self {
        let stack = Stack::get();
        let template = match kind {
            Kind::Core => &stack.template_core,
            Kind::Telemetry => &stack.template_telemetry,
        };
        let owner = kind.owner();
        superuser(&format!("create database {name} template {template} owner {owner}"))
            .await
            .unwrap_or_else(|error| panic!("the database {name} can't be made: {error}"));
        Self { kind, name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL for a role.
    pub fn url(&self, role: &str) -> String {
        self.url_at(role, &Stack::get().postgres_address())
    }

    /// The owner's URL.
    pub fn owner_url(&self) -> String {
        self.url(self.kind.owner())
    }

    /// The application role's URL.
    pub fn app_url(&self) -> String {
        self.url(self.kind.app())
    }

    /// Its URL for a role, reached at another address (a proxy's).
    pub fn url_at(&self, role: &str, address: &str) -> String {
        // The development password of each role is its name.
        format!("postgres://{role}:{role}@{address}/{}", self.name)
    }

    /// A connection as the owner: sees everything while it has no context.
    pub async fn owner(&self) -> PgConnection {
        self.connect(self.kind.owner()).await
    }

    /// A number from a query of the owner's.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.owner().await).await.expect("the query gives a number")
    }

    /// The service that the database belongs to.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// A connection as the application role: sees nothing without a context.
    pub async fn app(&self) -> PgConnection {
        self.connect(self.kind.app()).await
    }

    /// A connection as the superuser, whom no policy binds.
    pub async fn superuser(&self) -> PgConnection {
        let mut url = superuser_url();
        url.set_path(&self.name);
        PgConnection::connect(url.as_str()).await.expect("PostgreSQL answers")
    }

    async fn connect(&self, role: &str) -> PgConnection {
        PgConnection::connect(&self.url(role)).await.expect("PostgreSQL answers")
    }

    /// Everything in the database, as `pg_dump` writes it.
    pub fn dump(&self) -> Vec<u8> {
        let mut url = superuser_url();
        url.set_path(&self.name);
        let output = Command::new(Stack::get().postgres_program("pg_dump")).arg(url.as_str()).output();
        let output = output.expect("pg_dump runs");
        assert!(output.status.success(), "pg_dump failed: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        sandbox::block_on(async move {
            if let Err(error) = superuser(&sql).await {
                eprintln!("{sql}: {error}");
            }
        });
    }
}

fn superuser_url() -> Url {
    Url::parse(&Stack::get().postgres_superuser_url).expect("postgres_superuser_url is a URL")
}

async fn superuser(sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(superuser_url().as_str()).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}
