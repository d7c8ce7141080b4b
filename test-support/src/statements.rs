//! Statistics of the statements of a database, by `pg_stat_statements`, which the stack loads.

use std::time::Duration;

use sqlx::{Executor as _, PgConnection};

use crate::{Database, Kind, eventually};

/// Longest time until the rows of a table are visible to every transaction.
const VISIBLE: Duration = Duration::from_secs(30);

/// Statistics of the statements of one database.
#[derive(Debug)]
pub struct Statements {
    connection: PgConnection,
    kind: Kind,
}

/// Work of PostgreSQL for the statements of the application role, since the statistics were reset.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Number of times that a statement was planned, also within functions.
    pub plans: f64,
    /// Pages of 8 KiB that the statements read, in memory or not, together with their functions and triggers.
    pub pages: f64,
}

impl Database {
    /// Counts the statements of connections that are opened from now on, with those of functions, and their plans.
    pub(crate) async fn statements_count(&self) {
        let sql = "create extension pg_stat_statements;
                   do $$ begin
                       execute format('alter database %I set pg_stat_statements.track = ''all''', current_database());
                       execute format('alter database %I set pg_stat_statements.track_planning = on', current_database());
                   end $$";
        sqlx::raw_sql(sql).execute(&mut self.superuser().await).await.expect("the stack loads pg_stat_statements");
    }

    /// Returns the statistics of the statements of a Core that was started with
    /// [`CoreBuilder::counted`](crate::CoreBuilder::counted).
    pub async fn statements(&self) -> Statements {
        Statements { connection: self.superuser().await, kind: self.kind() }
    }

    /// Vacuums and analyzes the database until every row of `tables` is visible to all transactions, so that an index
    /// can be read without its table. A transaction that runs beside it delays that.
    ///
    /// # Panics
    /// Panics if the rows are not visible within 30 seconds.
    pub async fn vacuum(&self, tables: &[&str]) {
        eventually(format!("rows of {tables:?} are visible to all"), VISIBLE, || async {
            let mut connection = self.superuser().await;
            connection.execute("vacuum (analyze)").await.expect("the superuser may vacuum");
            let sql =
                "select bool_and(relallvisible >= relpages) from pg_class where oid = any($1::text[]::regclass[])";
            sqlx::query_scalar(sql).bind(tables).fetch_one(&mut connection).await.expect("the tables exist")
        })
        .await;
    }
}

impl Statements {
    /// Forgets what was counted so far.
    pub async fn reset(&mut self) {
        let sql =
            "select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)";
        self.connection.execute(sql).await.expect("the superuser may reset statistics");
    }

    /// Returns the statements of the service's two roles since the last reset, without those of tasks in the
    /// background, each with the pages that a call of it read: of the role for which it read more, since a task of the
    /// owner may leave an audit entry beside a request that leaves many.
    pub async fn reads(&mut self) -> Vec<(String, i64)> {
        let sql = r"select regexp_replace(query, '\s+', ' ', 'g') as statement,
                           max((shared_blks_hit + shared_blks_read) / calls)::bigint
                    from pg_stat_statements
                    where dbid = (select oid from pg_database where datname = current_database())
                      and calls > 0 and userid in ($1::text::regrole, $2::text::regrole)
                      and query !~ '(jobs|audit_outbox|LISTEN|update segments s set due_at|from standing)'
                    group by statement";
        let rows =
            sqlx::query_as(sql).bind(self.kind.app()).bind(self.kind.owner()).fetch_all(&mut self.connection).await;
        rows.expect("the superuser may read statistics")
    }

    /// Describes each statement since the last reset, for whoever looks for a cause: a line with the number of its
    /// plans, calls and pages.
    pub async fn described(&mut self) -> String {
        let sql = r"select string_agg(format('    %s plans, %s calls, %s pages: %s', plans, calls,
                                             shared_blks_hit + shared_blks_read,
                                             left(regexp_replace(query, '\s+', ' ', 'g'), 200)),
                                      E'\n' order by shared_blks_hit + shared_blks_read desc, query)
                    from pg_stat_statements
                    where dbid = (select oid from pg_database where datname = current_database())
                      and userid = $1::text::regrole";
        let text = sqlx::query_scalar(sql).bind(self.kind.app()).fetch_one(&mut self.connection).await;
        text.expect("the superuser may read statistics")
    }

    /// Returns the work since the last reset.
    pub async fn work(&mut self) -> Work {
        let sql = "select coalesce(sum(plans), 0)::double precision,
                          coalesce(sum(shared_blks_hit + shared_blks_read) filter (where toplevel), 0)::double precision
                   from pg_stat_statements
                   where dbid = (select oid from pg_database where datname = current_database())
                     and userid = $1::text::regrole";
        let row = sqlx::query_as(sql).bind(self.kind.app()).fetch_one(&mut self.connection).await;
        let (plans, pages) = row.expect("the superuser may read statistics");
        Work { plans, pages }
    }
}
