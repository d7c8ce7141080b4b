//! The pool of requests, against PostgreSQL: one connection, so that each test sees how the one before it left it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use test_support::{Kind, eventually};
use uuid::Uuid;

use super::{Connections, Statement};
use crate::{
    config::PoolConfig,
    database::{
        first::{First, Literal, Prepared},
        session::Session,
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

struct Fixture {
    stored: test_support::Database,
    connections: Connections,
}

impl Fixture {
    async fn new() -> Self {
        let name = format!("t_pool_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let stored = test_support::Database::create(Kind::Core, &name).await;
        let config = PoolConfig {
            min: 0,
            max: 1,
            acquire_timeout: PATIENCE,
            max_lifetime: 60 * PATIENCE,
            idle_timeout: 60 * PATIENCE,
        };
        let connections = Connections::new(&SecretString::from(stored.app_url()), &config).unwrap();
        Self { stored, connections }
    }

    async fn number(&self, sql: &'static str) -> Result<i64, sqlx::Error> {
        let mut connection = self.connections.acquire().await.unwrap();
        number(connection.statement(), sql).await
    }

    /// Id of the process of the connection.
    async fn process(&self) -> i64 {
        self.number("select pg_backend_pid()::bigint").await.unwrap()
    }
}

async fn number(statement: Statement<'_>, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(statement).await
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let fixture = Fixture::new().await;
    let process = fixture.process().await;
    assert_eq!(fixture.number("select 2::bigint").await.unwrap(), 2);
    // A statement that fails and a list of many rows leave it usable, too.
    assert!(fixture.number("select 1::bigint / 0").await.is_err());
    let mut connection = fixture.connections.acquire().await.unwrap();
    let many: Vec<i32> =
        sqlx::query_scalar("select generate_series(1, 5000)").fetch_all(connection.statement()).await.unwrap();
    assert_eq!(many.len(), 5_000);
    drop(connection);
    assert_eq!(fixture.process().await, process);
}

#[tokio::test]
async fn who_follows_a_cancelled_request_reads_its_own_rows() {
    let fixture = Fixture::new().await;
    let process = fixture.process().await;
    let lock = "select pg_advisory_lock(7)";
    let mut owner = fixture.stored.owner().await;
    owner.execute(lock).await.unwrap();
    let waiting = fixture.number("select 1::bigint from pg_advisory_lock(7)");
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    tokio::select! {
        _ = waiting => panic!("the lock is held"),
        () = eventually("the statement waits", PATIENCE, || async { fixture.stored.count(waits).await == 1 }) => {}
    }
    owner.execute("select pg_advisory_unlock(7)").await.unwrap();
    assert_eq!(fixture.number("select 2::bigint").await.unwrap(), 2);
    assert_eq!(fixture.process().await, process);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back() {
    let fixture = Fixture::new().await;
    let mut session = Session::begin(&fixture.connections, "begin;").await.unwrap();
    session.run("set local statement_timeout = '1h';").await.unwrap();
    let left = "select setting::bigint from pg_settings where name = 'statement_timeout'";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(session.connection().unwrap()).await.unwrap(), 3_600_000);
    drop(session);
    assert_eq!(fixture.number(left).await.unwrap(), 0);
}

#[tokio::test]
async fn the_first_statement_runs_with_the_begin() {
    let fixture = Fixture::new().await;
    let process = fixture.process().await;
    let divided = Prepared { name: "divided", sql: || "select 10 / $1::bigint".to_owned() };
    let first = |number| First::new(divided, &[Literal::Number(Some(number))]);
    let begin = "begin; select 1; savepoint attempt;";
    for number in [2, 5] {
        let (_session, rows) = Session::begin_with(&fixture.connections, begin, &first(number)).await.unwrap();
        let quotients: Vec<i64> = rows.unwrap().unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(quotients, [10 / number]);
    }
    let (mut session, rows) = Session::begin_with(&fixture.connections, begin, &first(0)).await.unwrap();
    assert!(rows.unwrap().is_err());
    session.run("rollback to savepoint attempt; create temporary table kept (); commit;").await.unwrap();
    drop(session);
    let broken = Session::begin_with(&fixture.connections, "begin; select 1 / 0; savepoint attempt;", &first(1)).await;
    assert!(broken.is_err(), "an error of the begin is none of the statement's");
    assert_eq!(fixture.process().await, process);
    assert_eq!(fixture.number("select count(*) from pg_class where relname = 'kept'").await.unwrap(), 1);
    let prepared = "select count(*) from pg_prepared_statements where name = 'divided'";
    assert_eq!(fixture.number(prepared).await.unwrap(), 1);
}

#[tokio::test]
async fn a_dead_connection_costs_one_error_and_is_replaced() {
    let fixture = Fixture::new().await;
    let process = fixture.process().await;
    // Waits until the process has ended, for at most 20 s.
    let end = AssertSqlSafe(format!("select pg_terminate_backend({process}::integer, 20000)"));
    assert!(sqlx::query_scalar::<_, bool>(end).fetch_one(&mut fixture.stored.superuser().await).await.unwrap());
    assert!(fixture.number("select 1::bigint").await.is_err());
    assert_eq!(fixture.number("select 2::bigint").await.unwrap(), 2);
    assert_ne!(fixture.process().await, process);
}
