//! Restrictions that the databases enforce on each role.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use restartix_sdk::telemetry::types::NewAuditEvent;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use test_support::{TelemetryApp, granted};
use uuid::Uuid;

use crate::support::consenting;

/// Tables without access for the application role, each with the reason.
const EXEMPT: [(&str, &str); 5] = [
    ("public._sqlx_migrations", "which migrations ran; no grant to anybody"),
    ("ops.access_revocations", "asked at the door, before there is a context; no grant to anybody"),
    ("ops.organization_settings", "written by Core; no grant to anybody"),
    ("privacy.patient_consents", "written by Core; no grant to anybody"),
    ("privacy.patient_joins", "written by Core; no grant to anybody"),
];

/// Tables of tenants; `$ID` stands for a new id.
const TENANT: [(&str, &str); 11] = [
    (
        "audit.audit_logs",
        "(id, occurred_at, organization_id, actor_kind, action, entity_type, outcome)
         values ($ID, now(), $ORG, 'user', 'read', 'patient', 'succeeded')",
    ),
    ("audit.audit_personal", "(audit_id, organization_id) values ($ID, $ORG)"),
    ("audit.audit_pending", "(organization_id, audit_id) values ($ORG, $ID)"),
    (
        "audit.audit_chain",
        "(organization_id, position, audit_id, previous, hash, encoding, sealed_at)
         values ($ORG, 1000, $ID, sha256('a'), sha256('b'), 1, now())",
    ),
    (
        "audit.audit_heads",
        "(organization_id, day, position, audit_id, hash, signed_at, kid, statement)
         values ($ORG, '2026-01-01', 1000, $ID, sha256('b'), now(), 'key', 'statement')",
    ),
    // After the head that it refers to.
    ("audit.audit_starts", "(organization_id, position, hash) values ($ORG, 1000, sha256('b'))"),
    (
        "privacy.consents",
        "(organization_id, subject_id, purpose, version, granted, text_version, source)
         values ($ORG, $USER, 'pose', floor(random() * 1000000000)::bigint + 1, true, 't', 's')",
    ),
    ("privacy.exclusions", "(organization_id, subject_id, source) values ($ORG, $USER, 'person')"),
    (
        "privacy.erasures",
        "(id, organization_id, subject_kind, subject_id, mode, dry_run, finished_at)
         values ($ID, $ORG, 'user', $USER, 'erase', true, now())",
    ),
    (
        "security.sightings",
        "(organization_id, kind, subject, seen_at, audit_id, weight)
         values ($ORG, 'denied_access', 'user:7', now(), $ID, 1)",
    ),
    (
        "security.security_events",
        "(id, organization_id, kind, severity, subject, first_seen_at, last_seen_at, occurrences, threshold,
          window_seconds, audit_ids)
         values ($ID, $ORG, 'denied_access', 'medium', 'user:7', now(), now(), 1, 1, 60, '{}')",
    ),
];

/// Runs one statement in a transaction with the context of an administrator, and rolls back unless `keep` is
/// set.
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
             set_config('app.current_user_id', '{user}', true), set_config('app.current_role', 'admin', true)"
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
    let mut app = TelemetryApp::start().await;
    // The sealer must not work on rows that exist only to be attacked.
    app.server.kill();
    let (mut owner, mut role) = (app.database.owner().await, app.database.app().await);
    for (table, values) in TENANT {
        for organization in [1, 2] {
            let sql = insert(table, values, organization, 7);
            let seeded = with_context(&mut owner, None, &sql, true).await.expect("the owner may seed");
            assert_eq!(seeded, 1);
        }
        let select = format!("select * from {table}");
        // Storing an event also adds it to the waiting ones.
        let own = if table == "audit.audit_pending" { 2 } else { 1 };
        for (context, expected) in [(None, 0), (Some((1, 7)), own), (Some((3, 7)), 0)] {
            let seen = with_context(&mut role, context, &select, false).await.expect("the role may read");
            assert_eq!(seen, expected, "{table} with {context:?}");
        }
        // The role never writes into another organization, nor without one.
        for context in [None, Some((3, 7))] {
            let written = with_context(&mut role, context, &insert(table, values, 1, 7), false).await;
            assert!(is_refused(&written), "insert into {table} with {context:?}: {written:?}");
        }
        for verb in [format!("update {table} set organization_id = 3"), format!("delete from {table}")] {
            let written = with_context(&mut role, Some((1, 7)), &verb, false).await;
            // A person can lift its own exclusion, and no other.
            let lifted = verb == "delete from privacy.exclusions" && matches!(written, Ok(1));
            assert!(is_refused(&written) || lifted, "{verb}: {written:?}");
        }
        // The owner with a context is restricted by it as well.
        let seen = with_context(&mut owner, Some((1, 7)), &select, false).await.expect("the owner may read");
        assert_eq!(seen, own, "{table} as the owner in organization 1");
    }
    let (table, values) = TENANT[6];
    let another = with_context(&mut role, Some((1, 7)), &insert(table, values, 1, 8), false).await;
    assert!(is_refused(&another), "nobody decides for another: {another:?}");
    let own = with_context(&mut role, Some((1, 7)), &insert(table, values, 1, 7), false).await;
    assert_eq!(own.expect("a person decides for itself"), 1);
}

#[tokio::test]
async fn a_reader_of_the_trail_adds_that_it_read_and_nothing_else() {
    let app = TelemetryApp::start().await;
    let mut role = app.database.app().await;
    let add = |actor: i64, action: &str, entity: &str| {
        format!(
            "insert into audit.audit_logs
                 (id, occurred_at, organization_id, actor_user_id, actor_kind, action, entity_type, outcome)
             values (uuidv7(), now(), 1, {actor}, 'user', '{action}', '{entity}', 'succeeded')"
        )
    };
    let own = with_context(&mut role, Some((1, 7)), &add(7, "read", "audit_log"), false).await;
    assert_eq!(own.expect("it may say that it read"), 1);
    let own = with_context(&mut role, Some((1, 7)), &add(7, "read", "security_event"), false).await;
    assert_eq!(own.expect("security events as well"), 1);
    for sql in [add(8, "read", "audit_log"), add(7, "created", "audit_log"), add(7, "read", "patient")] {
        let outcome = with_context(&mut role, Some((1, 7)), &sql, false).await;
        assert!(is_refused(&outcome), "{sql}: {outcome:?}");
    }
    let erasing = "with erasing as materialized (select set_config('audit.erasing', 'on', true) as value)
                   delete from audit.audit_personal using erasing where erasing.value = 'on'";
    let erased = with_context(&mut role, Some((1, 7)), erasing, false).await;
    assert!(is_refused(&erased), "erasure is the owner's: {erased:?}");
}

#[tokio::test]
async fn chain_heads_and_personal_values_withstand_their_owner() {
    let mut app = TelemetryApp::start().await;
    // The sealer must not work on rows that exist only to be attacked.
    app.server.kill();
    let mut owner = app.database.owner().await;
    let event = "with event as (
                     insert into audit.audit_logs
                         (id, occurred_at, organization_id, actor_user_id, actor_kind, action, entity_type, outcome)
                     values (uuidv7(), now(), 1, 42, 'user', 'read', 'patient', 'succeeded')
                     returning id, organization_id)
                 insert into audit.audit_personal (audit_id, organization_id, ip)
                 select id, organization_id, '203.0.113.7' from event";
    with_context(&mut owner, None, event, true).await.expect("the owner may add");
    for (table, values) in &TENANT[3..6] {
        let seeded = with_context(&mut owner, None, &insert(table, values, 1, 7), true).await;
        assert_eq!(seeded.expect("the owner may add"), 1);
    }
    for sql in [
        "update audit.audit_chain set hash = sha256('c')",
        "delete from audit.audit_heads",
        "update audit.audit_heads set statement = 'another'",
        "delete from audit.audit_starts",
        // Position without a head.
        "update audit.audit_starts set position = 2000",
        "update audit.audit_starts set hash = sha256('c')",
        "insert into audit.audit_starts values (2, 1, sha256('c'))",
        "update audit.audit_personal set ip = '203.0.113.8'",
        "update audit.audit_personal set ip = null, user_agent = null",
        "delete from audit.audit_personal",
        "truncate audit.audit_chain",
        "truncate audit.audit_heads",
        "truncate audit.audit_starts",
        "truncate audit.audit_personal",
    ] {
        let outcome = with_context(&mut owner, None, sql, true).await;
        assert!(is_refused(&outcome), "{sql}: {outcome:?}");
    }
    // A link cannot be deleted while its event exists, or while no signed head stands for it.
    let links =
        "insert into audit.audit_chain (organization_id, position, audit_id, previous, hash, encoding, sealed_at)
                 select 1, 1, id, sha256('a'), sha256('b'), 1, now() from audit.audit_logs
                 union all select 1, 1001, uuidv7(), sha256('a'), sha256('b'), 1, now()";
    with_context(&mut owner, None, links, true).await.expect("the owner may add");
    for position in [1, 1001] {
        let sql = format!("delete from audit.audit_chain where position = {position}");
        let outcome = with_context(&mut owner, None, &sql, true).await;
        assert!(is_refused(&outcome), "{sql}: {outcome:?}");
    }
    let swept = with_context(&mut owner, None, "delete from audit.audit_chain where position = 1000", true).await;
    assert_eq!(swept.expect("before the start, and its event is gone"), 1);
    let erasing = "with erasing as materialized (select set_config('audit.erasing', 'on', true) as value)
                   delete from audit.audit_personal using erasing where erasing.value = 'on'";
    let erased = with_context(&mut owner, None, erasing, true).await;
    assert_eq!(erased.expect("an erasure may erase"), 1);
    let left: i64 =
        sqlx::query_scalar("select count(*) from audit.audit_personal").fetch_one(&mut owner).await.expect("counts");
    assert_eq!(left, 0);
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
            // A partition has no policy, so an update finds no row that it could refuse.
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
    let old = NewAuditEvent { id, occurred_at: then, ..crate::audit::event(1) };
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
