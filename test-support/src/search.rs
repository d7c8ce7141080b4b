//! Looks for a value in everything that a store holds, whatever the tables are: what must be gone is
//! found before and not after, by the same search.

use std::{collections::BTreeMap, fmt};

use bb8_redis::redis;
use sqlx::{AssertSqlSafe, Row};

use crate::{ClickHouseDatabase, Database, sandbox::RedisDatabase};

/// Place at which a value was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `postgresql`, `clickhouse` or `redis`.
    pub store: &'static str,
    /// The table with its schema, in PostgreSQL that of the partition; the key in Redis.
    pub table: String,
    /// The column; empty in Redis.
    pub column: String,
    /// Number of rows that hold it; in ClickHouse, rows that are not merged yet count too.
    pub rows: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{} ({} rows)", self.store, self.table, self.column, self.rows)
    }
}

impl Database {
    /// Every column of every table in which `needle` stands, as text or as the bytes of a `bytea`.
    /// No policy narrows it.
    pub async fn search(&self, needle: &str) -> Vec<Place> {
        self.search_each(&[vec![needle.to_owned()]]).await.remove(0)
    }

    /// The same for each of many, which stand there in any of their forms: one statement a table.
    pub(crate) async fn search_each(&self, needles: &[Vec<String>]) -> Vec<Vec<Place>> {
        let forms = needles.iter().enumerate().flat_map(|(number, forms)| {
            let number = i64::try_from(number).expect("there are not that many needles");
            forms.iter().map(move |form| (number, form.as_str()))
        });
        let (numbers, forms): (Vec<i64>, Vec<&str>) = forms.unzip();
        let mut connection = self.superuser().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
             order by 1",
        )
        .fetch_all(&mut connection)
        .await
        .expect("the catalogue can be read");
        let mut places = vec![Vec::new(); needles.len()];
        for table in tables {
            let sql = format!(
                "select needle.number, field.key, count(distinct t.ctid)
                 from {table} t, jsonb_each_text(to_jsonb(t)) field,
                      unnest($1::bigint[], $2::text[]) needle (number, form)
                 where position(needle.form in field.value) > 0
                    or position(encode(convert_to(needle.form, 'UTF8'), 'hex') in field.value) > 0
                 group by 1, 2 order by 1, 2"
            );
            let found = sqlx::query(AssertSqlSafe(sql)).bind(&numbers).bind(&forms).fetch_all(&mut connection).await;
            for row in found.expect("the superuser may read") {
                let number = usize::try_from(row.get::<i64, _>(0)).expect("numbers are not negative");
                places[number].push(Place {
                    store: "postgresql",
                    table: table.clone(),
                    column: row.get(1),
                    rows: u64::try_from(row.get::<i64, _>(2)).expect("counts are not negative"),
                });
            }
        }
        places
    }
}

impl ClickHouseDatabase {
    /// Every column of every table in which `needle` stands, as text or as hexadecimal of what is
    /// there; in every part, merged or not.
    pub async fn search(&self, needle: &str) -> Vec<Place> {
        let columns = self
            .query(
                "select table, name from system.columns where database = currentDatabase() order by table, position
                 format TSV",
            )
            .await;
        let text = needle.replace('\\', "\\\\").replace('\'', "\\'");
        let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in columns.lines() {
            let (table, column) = line.split_once('\t').expect("two columns were asked for");
            tables.entry(table).or_default().push(column);
        }
        let mut places = Vec::new();
        for (table, columns) in tables {
            // Every column in one statement: there are many needles.
            let count = |column: &&str| {
                let value = format!("toString(`{column}`)");
                format!(
                    "countIf(position({value}, '{text}') > 0 or position(lower(hex({value})), lower('{text}')) > 0)"
                )
            };
            let counts: Vec<String> = columns.iter().map(count).collect();
            let counts = self.query(&format!("select {} from `{table}` format TSV", counts.join(", "))).await;
            let counts = counts.trim().split('\t').map(|rows| rows.parse::<u64>().expect("counts are numbers"));
            for (column, rows) in columns.into_iter().zip(counts).filter(|(_, rows)| *rows > 0) {
                places.push(Place { store: "clickhouse", table: table.to_owned(), column: column.to_owned(), rows });
            }
        }
        places
    }
}

impl RedisDatabase {
    /// Every key in whose name or value `needle` stands.
    pub(crate) fn search(&self, needle: &str) -> Vec<Place> {
        let client = redis::Client::open(self.url.as_str()).expect("a Redis URL");
        let mut connection = client.get_connection().expect("Redis answers");
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).expect("Redis lists its keys");
        let mut places = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).expect("a key has a type");
            let mut read = match kind.as_str() {
                "string" => redis::cmd("GET"),
                "hash" => redis::cmd("HGETALL"),
                "set" => redis::cmd("SMEMBERS"),
                "list" => redis::cmd("LRANGE"),
                "zset" => redis::cmd("ZRANGE"),
                "stream" => redis::cmd("XRANGE"),
                // It has run out in between.
                _ => continue,
            };
            read.arg(&key);
            match kind.as_str() {
                "list" | "zset" => drop(read.arg(0).arg(-1)),
                "stream" => drop(read.arg("-").arg("+")),
                _ => {}
            }
            let value: redis::Value = read.query(&mut connection).expect("Redis reads a key");
            if key.contains(needle) || holds(&value, needle.as_bytes()) {
                places.push(Place { store: "redis", table: key, column: String::new(), rows: 1 });
            }
        }
        places
    }
}

fn holds(value: &redis::Value, needle: &[u8]) -> bool {
    match value {
        redis::Value::BulkString(bytes) => bytes.windows(needle.len()).any(|window| window == needle),
        redis::Value::SimpleString(text) => text.as_bytes().windows(needle.len()).any(|window| window == needle),
        redis::Value::Array(values) | redis::Value::Set(values) => values.iter().any(|value| holds(value, needle)),
        redis::Value::Map(pairs) => pairs.iter().any(|(key, value)| holds(key, needle) || holds(value, needle)),
        _ => false,
    }
}
