//! What the databases hold to whoever asks.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use test_support::{TelemetryApp, granted};
use uuid::Uuid;

use crate::support::consenting;

/// Tables without row-level security, each with the reason.
const EXEMPT: [(&str, &str); 1] = [("public._sqlx_migrations", "which migrations ran; no grant to anybody")];

/// Tables of tenants; `$ID` stands for something new.
const TENANT: [(&str, &str); 3] = [
    (
        "audit.audit_logs",
        "(id, occurred_at, organization_id, actor_kind, action, entity_type, outcome)
         values ($ID, now(), $ORG, 'user', 'read', 'patient', 'succeeded')",
    ),
    ("audit.audit_personal", "(audit_id, organization_id) values ($ID, $ORG)"),
    (
        "privacy.consents",
        "(organization_id, subject_id, purpose, version, granted, text_version, source)
         values ($ORG, $USER, 'pose', floor(random() * 1000000000)::bigint + 1, true, 't', 's')",
    ),
];

/// Runs one statement in a transaction with a context, and rolls back unless it is to be kept.
async fn with_context(
    connection: &mut PgConnection,
    context: Option<(i64, i64)>,
    sql: &str,
    keep: bool,
) -> Result<u64, sqlx::Error> {
    let mut begin = "begin".to_owned();
    if let Some((organization, user)) = context {
        begin = format!(
            "begin; select set_config('app.current_org_id', '{organization}', true), \
             set_config('app.current_user_id', '{user}', true)"
        );
    }
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await?;
    let outcome = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await;
    let end = if keep && outcome.is_ok() { "commit" } else { "rollback" };
    sqlx::raw_sql(end).execute(&mut *connection).await?;
    outcome.map(|done| done.rows_affected())
}

fn insert(table: &str, values: &str, organization: i64, user: i64) -> String {
    let id = format!("'{}'", Uuid::now_v7());
    let values = values.replace("$ID", &id).replace("$ORG", &organization.to_string());
    format!("insert into {table} {}", values.replace("$USER", &user.to_string()))
}

fn is_refused(outcome: &Result<u64, sqlx::Error>) -> bool {
    matches!(outcome, Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501"))
}

#[tokio::test]
async fn every_table_is_under_forced_row_level_security() {
    let app = TelemetryApp::start().await;
    let mut owner = app.database.owner().await;
    let rows = sqlx::query(
        "select n.nspname || '.' || c.relname, c.relrowsecurity and c.relforcerowsecurity, c.relispartition
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'",
    );
    let rows = rows.fetch_all(&mut owner).await.expect("the catalogue can be read");
    let exempt: BTreeSet<&str> = EXEMPT.iter().map(|(table, _)| *table).collect();
    let tested: BTreeSet<&str> = TENANT.iter().map(|(table, _)| *table).collect();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let (table, forced, partition): (&str, bool, bool) = (row.get(0), row.get(1), row.get(2));
        seen.insert(table);
        if exempt.contains(table) {
            continue;
        }
        assert!(forced, "{table} needs `enable` and `force row level security`, or a reason on the list");
        assert!(
            partition || tested.contains(table),
            "{table} needs an entry in TENANT, so that its policies are tried"
        );
    }
    assert!(exempt.union(&tested).all(|table| seen.contains(table)), "a table on a list is gone: {seen:?}");
}

#[tokio::test]
async fn the_application_role_reaches_its_own_rows_and_no_others() {
    let app = TelemetryApp::start().await;
    let (mut owner, mut role) = (app.database.owner().await, app.database.app().await);
    for (table, values) in TENANT {
        for organization in [1, 2] {
            let sql = insert(table, values, organization, 7);
            let seeded = with_context(&mut owner, None, &sql, true).await.expect("the owner may seed");
            assert_eq!(seeded, 1);
        }
        let select = format!("select * from {table}");
        for (context, expected) in [(None, 0), (Some((1, 7)), 1), (Some((3, 7)), 0)] {
            let seen = with_context(&mut role, context, &select, false).await.expect("the role may read");
            assert_eq!(seen, expected, "{table} with {context:?}");
        }
        // Whatever it may write, it is never into another organization, and never without one.
        for context in [None, Some((3, 7))] {
            let written = with_context(&mut role, context, &insert(table, values, 1, 7), false).await;
            assert!(is_refused(&written), "insert into {table} with {context:?}: {written:?}");
        }
        for verb in [format!("update {table} set organization_id = 3"), format!("delete from {table}")] {
            let written = with_context(&mut role, Some((1, 7)), &verb, false).await;
            assert!(is_refused(&written), "{verb}: {written:?}");
        }
        // The owner with a context is held to it as well.
        let seen = with_context(&mut owner, Some((1, 7)), &select, false).await.expect("the owner may read");
        assert_eq!(seen, 1, "{table} as the owner in organization 1");
    }
    let (table, values) = TENANT[2];
    let another = with_context(&mut role, Some((1, 7)), &insert(table, values, 1, 8), false).await;
    assert!(is_refused(&another), "nobody decides for another: {another:?}");
    let own = with_context(&mut role, Some((1, 7)), &insert(table, values, 1, 7), false).await;
    assert_eq!(own.expect("a person decides for itself"), 1);
}

#[tokio::test]
async fn the_audit_trail_is_append_only_even_for_its_owner() {
    let app = TelemetryApp::start().await;
    granted(app.service().audit_ingest().body(crate::audit::batch(vec![crate::audit::event(1)])).send().await, 202);
    let mut owner = app.database.owner().await;
    let partition: String = sqlx::query_scalar("select tableoid::regclass::text from audit.audit_logs")
        .fetch_one(&mut owner)
        .await
        .expect("the event is there");
    assert_eq!(partition, format!("audit.audit_logs_{}", Utc::now().format("%Y%m")), "the month of its id");
    for table in ["audit.audit_logs", partition.as_str()] {
        for sql in
            [format!("update {table} set action = 'x'"), format!("delete from {table}"), format!("truncate {table}")]
        {
            let outcome = with_context(&mut owner, None, &sql, true).await;
            // A partition has no policy: nobody's update of it finds a row to refuse.
            let harmless = table != "audit.audit_logs" && matches!(outcome, Ok(0));
            assert!(is_refused(&outcome) || harmless, "{sql}: {outcome:?}");
        }
    }
    let left: i64 =
        sqlx::query_scalar("select count(*) from audit.audit_logs").fetch_one(&mut owner).await.expect("counts");
    assert_eq!(left, 1);
}

#[tokio::test]
async fn the_months_to_come_have_partitions_and_old_events_a_place() {
    let app = TelemetryApp::start().await;
    let mut owner = app.database.owner().await;
    let made: i32 =
        sqlx::query_scalar("select audit.partitions_ensure(1, 3)").fetch_one(&mut owner).await.expect("it runs");
    assert_eq!(made, 0, "the start of the service has made them");
    let made: i32 =
        sqlx::query_scalar("select audit.partitions_ensure(1, 5)").fetch_one(&mut owner).await.expect("it runs");
    assert_eq!(made, 2);
    let then = Utc::now() - TimeDelta::days(400);
    let seconds = u64::try_from(then.timestamp()).expect("after 1970");
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
    let old = restartix_sdk::telemetry::types::NewAuditEvent { id, occurred_at: then, ..crate::audit::event(1) };
    granted(app.service().audit_ingest().body(crate::audit::batch(vec![old])).send().await, 202);
    let partition: String = sqlx::query_scalar("select tableoid::regclass::text from audit.audit_logs where id = $1")
        .bind(id)
        .fetch_one(&mut owner)
        .await
        .expect("the event is there");
    assert_eq!(partition, "audit.audit_logs_default");
    granted(app.admin(1).audit_log_get().audit_id(id).send().await, 200);
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let app = TelemetryApp::builder().env("POSE_TTL_DAYS", "33").start().await;
    let tables =
        "select name, engine_full from system.tables where database = currentDatabase() order by name format TSV";
    let before = app.clickhouse.query(tables).await;
    assert!(before.contains("toIntervalDay(33)") && before.contains("toIntervalDay(730)"), "{before}");
    let person = consenting(&app, 1, 7).await;
    app.server.run("migrate");
    assert_eq!(app.clickhouse.query(tables).await, before);
    assert_eq!(app.clickhouse.count("select count() from schema_migrations").await, 3);
    assert!(granted(person.consent_get().send().await, 200).analytics.granted);
}
