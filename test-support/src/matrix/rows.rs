//! Row-level security as a grid: each table and verb, tried in SQL by every role on every existing row.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection};

use super::Grid;
use crate::{Database, Kind};

/// Insufficient privilege, by grant, policy or trigger.
const DENIED: &str = "42501";

/// An asker: a context on the application role.
#[derive(Debug, Clone)]
pub struct RowAsker {
    /// The column of the grid.
    pub name: &'static str,
    /// The statement that enters the context; empty for none.
    pub enter: String,
}

/// Rows to try and the contexts that try them; [`RowRights::grid`] makes the attempts.
///
/// A service's test seeds rows of everybody's and says
///
/// ```no_run
/// # async fn test(app: &test_support::CoreApp) {
/// use test_support::{Kind, RowAsker, RowRights};
///
/// let enter = "select context_enter(1, 1, 'admin', null, null, null, null)".to_owned();
/// let rights = RowRights {
///     kind: Kind::Core,
///     organization: 1,
///     askers: vec![RowAsker { name: "admin", enter }],
///     // Tables without a tenant: the condition on the rows that are tried.
///     scopes: &[("public.organizations", "id = 1")],
///     // Columns that can't be changed alone: the assignments that belong to the change.
///     changes: &[("public.appointments", "status", "status = 'cancelled', cancelled_at = now()")],
/// };
/// rights.grid(&app.database, "Who may do what.").await.assert_committed("rls_grid.txt", "…");
/// # }
/// ```
///
/// A table that the committed file has no line for fails by its name, and so does a column that is granted.
#[derive(Debug)]
pub struct RowRights<'a> {
    /// The service that owns the database.
    pub kind: Kind,
    /// The organization whose rows are tried.
    pub organization: i64,
    /// The contexts that try.
    pub askers: Vec<RowAsker>,
    /// Of tables without `organization_id`: the condition on rows that are tried; without one, all.
    pub scopes: &'a [(&'a str, &'a str)],
    /// Of columns that can't be changed by themselves: what to set.
    pub changes: &'a [(&'a str, &'a str, &'a str)],
}

/// A table, and what the application role is granted on it.
#[derive(Debug, FromRow)]
struct Table {
    name: String,
    tenant: bool,
    selects: bool,
    deletes: bool,
    /// Columns that are granted for INSERT.
    inserts: Vec<String>,
    /// Columns that are granted for UPDATE, and their types.
    updates: Vec<String>,
    types: Vec<String>,
}

/// A row that is tried.
#[derive(Debug, FromRow)]
struct Row {
    place: String,
    document: String,
}

impl RowRights<'_> {
    /// Tries everything; returns a line for each table and verb, and one for each column that is granted for UPDATE.
    /// Cells name the rows that were reached: `all`, `own` for some, `-` for none. A refusal by a constraint counts as
    /// allowed by the rights.
    pub async fn grid(&self, database: &Database, notes: &str) -> Grid {
        let (mut superuser, mut app) = (database.superuser().await, database.app().await);
        let names: Vec<&str> = self.askers.iter().map(|asker| asker.name).collect();
        let mut grid = Grid::new(notes, &names);
        for table in tables(&mut superuser, self.kind).await {
            let rows = self.rows(&mut superuser, &table).await;
            assert!(!rows.is_empty(), "seed rows of {}: there is nothing to try on", table.name);
            let mut lines = BTreeMap::<String, Vec<String>>::new();
            for asker in &self.askers {
                for (line, reached) in self.tried(&mut app, asker, &table, &rows).await {
                    lines.entry(line).or_default().push(cell(reached, rows.len()));
                }
            }
            for (line, cells) in lines {
                grid.line(&line, cells);
            }
        }
        grid
    }

    async fn rows(&self, superuser: &mut PgConnection, table: &Table) -> Vec<Row> {
        let Table { name, tenant, .. } = table;
        let stated =
            self.scopes.iter().find(|(scoped, _)| scoped == name).map(|(_, condition)| (*condition).to_owned());
        let scope = match stated {
            Some(condition) => condition,
            None if *tenant => format!("organization_id = {}", self.organization),
            None => "true".to_owned(),
        };
        let sql = format!(
            "select 'tableoid = ' || t.tableoid::bigint || ' and ctid = ''' || t.ctid::text || '''' as place,
                    to_jsonb(t)::text as document
             from {name} t where {scope} order by 2"
        );
        sqlx::query_as(AssertSqlSafe(sql)).fetch_all(superuser).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Counts the rows that each verb reaches, by line of the grid.
    async fn tried(
        &self,
        app: &mut PgConnection,
        asker: &RowAsker,
        table: &Table,
        rows: &[Row],
    ) -> Vec<(String, usize)> {
        let Table { name, selects, deletes, inserts, updates, types, .. } = table;
        execute(app, "begin").await.expect("a transaction begins");
        if !asker.enter.is_empty() {
            execute(app, &asker.enter).await.unwrap_or_else(|code| panic!("{}: {code}: {}", asker.name, asker.enter));
        }
        let mut reached =
            BTreeMap::from(["select", "insert", "update", "delete"].map(|verb| (format!("{name}.{verb}"), 0)));
        for column in updates {
            reached.insert(format!("{name}.update.{column}"), 0);
        }
        for Row { place, document } in rows {
            let mut went = Vec::new();
            if *selects && attempt(app, &format!("select 1 from {name} where {place}")).await {
                went.push(format!("{name}.select"));
            }
            if !inserts.is_empty() {
                let (columns, document) = (inserts.join(", "), document.replace('\'', "''"));
                let copy = format!(
                    "insert into {name} ({columns}) select {columns} from jsonb_populate_record(null::{name}, '{document}')"
                );
                if attempt(app, &copy).await {
                    went.push(format!("{name}.insert"));
                }
            }
            for (column, kind) in updates.iter().zip(types) {
                let stated = self.changes.iter().find(|(of, changed, _)| of == name && changed == column);
                let set = stated
                    .map_or_else(|| format!("{column} = {}", another(column, kind)), |(_, _, set)| (*set).to_owned());
                if attempt(app, &format!("update {name} set {set} where {place}")).await {
                    went.extend([format!("{name}.update.{column}"), format!("{name}.update")]);
                }
            }
            if *deletes && attempt(app, &format!("delete from {name} where {place}")).await {
                went.push(format!("{name}.delete"));
            }
            went.sort_unstable();
            went.dedup();
            for line in went {
                *reached.get_mut(&line).expect("every line is there") += 1;
            }
        }
        execute(app, "rollback").await.expect("a transaction ends");
        reached.into_iter().collect()
    }
}

fn cell(reached: usize, rows: usize) -> String {
    let cell = if reached == 0 {
        "-"
    } else if reached == rows {
        "all"
    } else {
        "own"
    };
    cell.to_owned()
}

/// Another value of the same type.
fn another(column: &str, kind: &str) -> String {
    match kind {
        "int2" | "int4" | "int8" | "numeric" => format!("coalesce({column}, 0) + 1"),
        "text" => format!("coalesce({column}, '') || 'x'"),
        "bytea" => format!("coalesce({column}, '') || '\\x00'"),
        "bool" => format!("not coalesce({column}, false)"),
        "timestamptz" => format!("coalesce({column}, now()) + interval '1 second'"),
        "date" => format!("coalesce({column}, current_date) + 1"),
        "time" => format!("coalesce({column}, '00:00') + interval '1 second'"),
        "uuid" => "gen_random_uuid()".to_owned(),
        "jsonb" => "'{\"another\": 1}'".to_owned(),
        "_text" => format!("array_append({column}, 'x')"),
        "tstzrange" => {
            format!("tstzrange(lower({column}) - interval '1 second', upper({column}) + interval '1 second')")
        }
        other => panic!("{column} is of type {other}: teach test-support/src/matrix/rows.rs another value of it"),
    }
}

/// Returns true if rights let a statement reach a row, and undoes it; a violated constraint counts as reached.
async fn attempt(app: &mut PgConnection, sql: &str) -> bool {
    execute(app, "savepoint before").await.expect("a savepoint is set");
    let outcome = execute(app, sql).await;
    execute(app, "rollback to before").await.expect("a savepoint is there");
    match outcome {
        Ok(rows) => rows > 0,
        // Constraints and values come after rights.
        Err(code) if code.starts_with("23") || code.starts_with("22") => true,
        Err(code) if code == DENIED => false,
        Err(code) => panic!("{code}: {sql}"),
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<u64, String> {
    match connection.execute(AssertSqlSafe(sql)).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(sqlx::Error::Database(error)) => Err(error.code().unwrap_or_default().into_owned()),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// Every table but partitions, which are reached through their parents, and sqlx's own.
async fn tables(superuser: &mut PgConnection, kind: Kind) -> Vec<Table> {
    sqlx::query_as(
        "select n.nspname || '.' || c.relname as name,
                exists (select from pg_attribute a
                        where a.attrelid = c.oid and a.attname = 'organization_id' and a.attnotnull) as tenant,
                has_table_privilege(app.oid, c.oid, 'select') as selects,
                has_table_privilege(app.oid, c.oid, 'delete') as deletes,
                coalesce(array_agg(a.attname::text order by a.attnum)
                         filter (where has_column_privilege(app.oid, c.oid, a.attnum, 'insert') and a.attidentity = ''), '{}')
                    as inserts,
                coalesce(array_agg(a.attname::text order by a.attnum)
                         filter (where has_column_privilege(app.oid, c.oid, a.attnum, 'update') and a.attidentity = ''), '{}')
                    as updates,
                coalesce(array_agg(t.typname::text order by a.attnum)
                         filter (where has_column_privilege(app.oid, c.oid, a.attnum, 'update') and a.attidentity = ''), '{}')
                    as types
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         join pg_roles app on app.rolname = $1
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         join pg_type t on t.oid = a.atttypid
         where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_'
           and n.nspname <> 'information_schema' and c.relname <> '_sqlx_migrations'
         group by n.nspname, c.oid, c.relname, app.oid
         order by 1",
    )
    .bind(kind.app())
    .fetch_all(superuser)
    .await
    .expect("the catalogue can be read")
}
