//! Checksums of the content of a database, small enough to be compared before and after every request.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::Database;

/// A checksum of the rows of each table and organization; 0 for tables without `organization_id`.
pub type Contents = BTreeMap<(String, i64), String>;

/// Content that is not compared: it changes by itself, or records a refusal.
#[derive(Debug, Clone, Copy)]
pub enum LeftOut {
    /// Rows of a table (`schema.table`) for which a condition on `t` holds.
    Rows(&'static str, &'static str),
    /// A column of a table.
    Column(&'static str, &'static str),
}

/// Takes checksums of a PostgreSQL database.
#[derive(Debug)]
pub struct Checksums {
    connection: PgConnection,
    sql: String,
}

impl Checksums {
    /// Prepares checksums of every table that exists now, except for the content that is left out.
    pub async fn of(database: &Database, left_out: &[LeftOut]) -> Self {
        // Row-level security does not bind the superuser.
        let mut connection = database.superuser().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p') and not c.relispartition
               and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relname <> '_sqlx_migrations'
             order by 1",
        )
        .fetch_all(&mut connection)
        .await
        .expect("the catalogue can be read");
        let selects: Vec<String> = tables.iter().map(|table| select(table, left_out)).collect();
        Self { connection, sql: selects.join(" union all ") }
    }

    /// Takes the checksums of the current content.
    pub async fn take(&mut self) -> Contents {
        let rows = sqlx::raw_sql(AssertSqlSafe(self.sql.clone())).fetch_all(&mut self.connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("no checksums: {error}: {}", self.sql));
        rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
    }
}

fn select(table: &str, left_out: &[LeftOut]) -> String {
    let (mut columns, mut conditions) = (Vec::new(), vec!["true".to_owned()]);
    for left_out in left_out {
        match left_out {
            LeftOut::Rows(of, condition) if *of == table => conditions.push(format!("not ({condition})")),
            LeftOut::Column(of, column) if *of == table => columns.push(*column),
            _ => {}
        }
    }
    let (columns, conditions) = (columns.join(","), conditions.join(" and "));
    format!(
        "select '{table}'::text, coalesce((r->>'organization_id')::bigint, 0),
                count(*) || ' rows, ' || md5(string_agg(r::text, ',' order by r::text))
         from (select to_jsonb(t) - '{{{columns}}}'::text[] as r from {table} t where {conditions}) s group by 2"
    )
}
