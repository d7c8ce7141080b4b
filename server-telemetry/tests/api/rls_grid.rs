//! Grid (`rls_grid.txt`) of the rows in Telemetry's PostgreSQL that each role reaches within its own clinic, by
//! verb: the combined effect of row-level security, triggers and grants.

use chrono::Utc;
use restartix_sdk::telemetry::types::{NewAccessRevocation, NewAuditEvent, NewExclusion};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use test_support::{Kind, RowAsker, RowRights, TelemetryApp, granted};

use crate::{audit, support};

const FILE: &str = "server-telemetry/tests/api/rls_grid.txt";
const GRID: &str = include_str!("rls_grid.txt");
const NOTES: &str = "\
Rows of a clinic that the application role reaches in the context of each kind of person: all, own (some of them), or
- (none). A line of an insert states whose rows can be written. none: a context without a role; superadmin: a context
with a role that the application role never has; nobody: no context. A privilege that is not granted has no line.
Written by the test beside it, which compares every line.";

const HOME: i64 = 1;
/// User id of every caller.
const OWN: i64 = 7;
/// Another user of the clinic.
const OTHER: i64 = 8;

fn askers() -> Vec<RowAsker> {
    let enter = |role: &str| {
        format!(
            "select set_config('app.current_org_id', '{HOME}', true), set_config('app.current_user_id', '{OWN}', true),
                    set_config('app.current_role', '{role}', true)"
        )
    };
    let people = ["admin", "specialist", "staff", "patient", "superadmin"].map(|role| (role, enter(role)));
    let others = [("none", enter("")), ("nobody", String::new())];
    people.into_iter().chain(others).map(|(name, enter)| RowAsker { name, enter }).collect()
}

async fn execute(superuser: &mut PgConnection, sql: &str) {
    superuser.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Adds rows of the caller and of another user to each table.
async fn seed(app: &mut TelemetryApp) {
    let admin = app.person(&test_support::TelemetryPerson { role: "admin", ..support::patient(HOME, OWN) });
    for user in [OWN, OTHER] {
        support::consenting(app, HOME, user).await;
        let read = NewAuditEvent {
            actor_user_id: Some(user),
            action: "read".to_owned(),
            entity_type: "audit_log".to_owned(),
            ip: Some("203.0.113.7".to_owned()),
            ..audit::event(HOME)
        };
        audit::ingest(app, vec![read, NewAuditEvent { actor_user_id: Some(user), ..audit::event(HOME) }]).await;
        let own = NewExclusion { subject_id: None };
        granted(app.person(&support::patient(HOME, user)).exclusion_create().body(own).send().await, 201);
        let clinics = NewExclusion { subject_id: Some(user) };
        granted(admin.exclusion_create().body(clinics).send().await, 201);
        let revocation =
            NewAccessRevocation { user_id: 990_000 + user, organization_id: Some(HOME), not_before: Utc::now() };
        granted(app.service().access_revocation_create().body(revocation).send().await, 201);
    }
    app.sealed().await;
    // A running service would change these rows.
    app.server.stop().await;
    let mut superuser = app.database.superuser().await;
    for user in [OWN, OTHER] {
        for sql in [
            format!("insert into audit.audit_pending (organization_id, audit_id) values ({HOME}, gen_random_uuid())"),
            format!(
                "insert into security.sightings (organization_id, kind, subject, seen_at, audit_id, weight)
                 values ({HOME}, 'denied_access', 'user:{user}', now(), gen_random_uuid(), 1)"
            ),
            format!(
                "insert into security.security_events (id, organization_id, kind, severity, subject, actor_user_id,
                     first_seen_at, last_seen_at, occurrences, threshold, window_seconds, audit_ids)
                 values (gen_random_uuid(), {HOME}, 'denied_access', 'low', 'user:{user}', {user}, now(), now(), 1, 1, 1, '{{}}')"
            ),
            format!(
                "insert into privacy.erasures (id, organization_id, subject_kind, subject_id, mode, dry_run)
                 values (gen_random_uuid(), {HOME}, 'user', {user}, 'erase', true)"
            ),
        ] {
            execute(&mut superuser, &sql).await;
        }
    }
    for sql in [
        format!(
            "insert into audit.audit_heads (organization_id, day, position, audit_id, hash, signed_at, kid, statement)
             select organization_id, current_date, position, audit_id, hash, now(), 'kid', 'statement'
             from audit.audit_chain where organization_id = {HOME} and position = 1"
        ),
        format!(
            "insert into audit.audit_starts (organization_id, position, hash)
             select organization_id, position, hash from audit.audit_heads where organization_id = {HOME}"
        ),
        format!(
            "insert into ops.organization_settings (organization_id, revision, timezone) values ({HOME}, 1, 'UTC')"
        ),
        format!(
            "insert into privacy.patient_consents (organization_id, patient_id, id, purpose, granted, text_version,
                 source, decided_at)
             values ({HOME}, {OWN}, gen_random_uuid(), 'media', true, '2026-11', 'onboarding', now())"
        ),
        format!(
            "insert into privacy.patient_joins (organization_id, patient_id, user_id) values ({HOME}, {OWN}, {OWN})"
        ),
    ] {
        execute(&mut superuser, &sql).await;
    }
}

#[tokio::test]
async fn each_role_reaches_the_rows_that_the_grid_says() {
    let mut app = TelemetryApp::start().await;
    seed(&mut app).await;
    let rights = RowRights {
        kind: Kind::Telemetry,
        organization: HOME,
        askers: askers(),
        scopes: &[("privacy.erasures", "organization_id = 1"), ("ops.access_revocations", "organization_id = 1")],
        changes: &[],
    };
    rights.grid(&app.database, NOTES).await.assert_committed(FILE, GRID);
}

/// A reader states its own address in the statement that adds the entry, and never later.
#[tokio::test]
async fn nobody_adds_an_address_to_an_entry_that_is_there() {
    let app = TelemetryApp::start().await;
    let [own, others] = [OWN, OTHER].map(|user| NewAuditEvent {
        actor_user_id: Some(user),
        ip: None,
        user_agent: None,
        ..audit::event(HOME)
    });
    let ids = [own.id, others.id];
    audit::ingest(&app, vec![own, others]).await;
    let mut database = app.database.app().await;
    for id in ids {
        let mut tx = sqlx::Connection::begin(&mut database).await.unwrap();
        (*tx).execute(AssertSqlSafe(askers()[0].enter.clone())).await.unwrap();
        let add = "insert into audit.audit_personal (audit_id, organization_id, ip) values ($1, $2, '203.0.113.9')";
        let error = sqlx::query(add).bind(id).bind(HOME).execute(&mut *tx).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"));
    }
}
