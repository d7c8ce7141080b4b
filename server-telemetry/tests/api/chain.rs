//! `/v1/audit/verify`: the chain stays valid in every situation, and reveals every manipulation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use restartix_sdk::telemetry::types::{AuditFaultKind, AuditVerification, ErasureStatus, NewAuditEvent};
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{TelemetryApp, eventually, granted, refused, until};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::audit::{batch, event, ingest};

const PATIENCE: Duration = Duration::from_secs(30);

async fn none(app: &TelemetryApp, sql: &str) {
    eventually("events are sealed", PATIENCE, || async { count(&mut app.database.owner().await, sql).await == 0 })
        .await;
}

pub(crate) async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.expect("the owner may count")
}

/// Executes SQL as the owner of the machine would: without policies and triggers.
pub(crate) async fn tamper(app: &TelemetryApp, sql: &str) {
    let mut superuser = app.database.superuser().await;
    let sql = format!("set session_replication_role = replica; {sql}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut superuser).await.expect("the superuser may do anything");
}

pub(crate) async fn verify(app: &TelemetryApp, organization: i64) -> AuditVerification {
    granted(app.admin(organization).audit_verify().send().await, 200)
}

/// Returns an event with address and user agent.
pub(crate) fn personal(organization: i64) -> NewAuditEvent {
    NewAuditEvent { ip: Some("203.0.113.7".to_owned()), user_agent: Some("Firefox".to_owned()), ..event(organization) }
}

#[tokio::test]
async fn every_event_is_sealed_once_and_soon() {
    let app = TelemetryApp::start().await;
    let mut senders = JoinSet::new();
    for sender in 0..6 {
        let service = app.service();
        senders.spawn(async move {
            for _ in 0..10 {
                let events = (0..20).map(|number| personal((sender + number) % 3)).collect();
                granted(service.audit_ingest().body(batch(events)).send().await, 202);
            }
        });
    }
    senders.join_all().await;
    app.sealed().await;
    let mut owner = app.database.owner().await;
    let late = count(
        &mut owner,
        "select count(*) from audit.audit_logs log join audit.audit_chain link on link.audit_id = log.id
         where link.sealed_at > log.received_at + interval '2 seconds'",
    )
    .await;
    assert_eq!(late, 0, "events were sealed more than two seconds after they were stored");
    assert_eq!(count(&mut owner, "select count(*) from audit.audit_chain").await, 1_200);
    let turned =
        "select count(*) from (select sealed_at < lag(sealed_at) over (partition by organization_id order by position)
                  as turned from audit.audit_chain) link where turned";
    assert_eq!(count(&mut owner, turned).await, 0);
    for organization in [1, 2] {
        let verification = verify(&app, organization).await;
        assert!(verification.intact && verification.complete, "{verification:?}");
        assert_eq!((verification.verified_from, verification.verified_to, verification.waiting), (0, 400, 0));
        assert_eq!(verification.sealed.map(|sealed| sealed.position), Some(400));
    }
    let nobodys = granted(app.superadmin().audit_verify().send().await, 200);
    assert_eq!((nobodys.organization_id, nobodys.intact, nobodys.verified_to), (0, true, 400));
}

/// Id of the third event of a chain, as a subquery.
const THIRD: &str = "(select audit_id from audit.audit_chain where organization_id = $ORG and position = 3)";

/// Manipulations of callers' ids of requests, as (name, SQL, fault that is found, its position).
fn client_request_cases() -> Vec<(&'static str, String, AuditFaultKind, Option<i64>)> {
    use AuditFaultKind as Fault;
    let of = "where organization_id = $ORG";
    vec![
        (
            "a caller's id of a request put in",
            format!("update audit.audit_personal set client_request_id = gen_random_uuid() where audit_id = {THIRD}"),
            Fault::AlteredPersonal,
            Some(3),
        ),
        (
            "another caller's id of a request",
            format!(
                "update audit.audit_personal set client_request_id = gen_random_uuid() {of}
                     and client_request_id is not null"
            ),
            Fault::AlteredPersonal,
            Some(5),
        ),
        (
            "a caller's id of a request taken out of its link",
            format!("update audit.audit_chain set client_request_id_digest = null {of} and position = 5"),
            Fault::AlteredEvent,
            Some(5),
        ),
    ]
}

/// Manipulations of the chain of organization `$ORG`, as (name, SQL, fault that is found, its position).
fn cases() -> Vec<(&'static str, String, AuditFaultKind, Option<i64>)> {
    use AuditFaultKind as Fault;
    let of = "where organization_id = $ORG";
    let third = THIRD;
    vec![
        (
            "a changed event",
            format!("update audit.audit_logs set actor_user_id = 43 where id = {third}"),
            Fault::AlteredEvent,
            Some(3),
        ),
        (
            "a changed outcome of two",
            format!("update audit.audit_logs set outcome = 'denied' {of} and id >= {third}"),
            Fault::AlteredEvent,
            Some(3),
        ),
        (
            "an error code put in",
            format!("update audit.audit_logs set error_code = 'permission_denied' where id = {third}"),
            Fault::AlteredEvent,
            Some(3),
        ),
        (
            "an error code and attempts taken out",
            format!("update audit.audit_logs set error_code = null, occurrences = 1 {of} and error_code is not null"),
            Fault::AlteredEvent,
            Some(4),
        ),
        (
            "a changed address",
            format!("update audit.audit_personal set ip = '203.0.113.8' where audit_id = {third}"),
            Fault::AlteredPersonal,
            Some(3),
        ),
        (
            "a removed event",
            format!("delete from audit.audit_logs where id = {third}"),
            Fault::MissingEvent,
            Some(3),
        ),
        (
            "a removed link",
            format!("delete from audit.audit_chain {of} and position = 3"),
            Fault::MissingLink,
            Some(3),
        ),
        (
            "a removed event and its link",
            format!("delete from audit.audit_logs where id = {third}; delete from audit.audit_chain {of} and position = 3"),
            Fault::MissingLink,
            Some(3),
        ),
        (
            "two links that changed places",
            format!(
                "alter table audit.audit_chain drop constraint audit_chain_pkey;
                 update audit.audit_chain set position = 7 - position {of} and position in (3, 4)"
            ),
            Fault::BrokenLink,
            Some(3),
        ),
        (
            "two events that changed places",
            format!(
                "create temporary table two as select position, audit_id from audit.audit_chain {of} and position in (3, 4);
                 delete from audit.audit_chain {of} and position = 4;
                 update audit.audit_chain set audit_id = (select audit_id from two where position = 4) {of} and position = 3"
            ),
            Fault::AlteredEvent,
            Some(3),
        ),
        (
            "another hash",
            format!("update audit.audit_chain set hash = sha256('x') {of} and position = 3"),
            Fault::AlteredEvent,
            Some(3),
        ),
        (
            "another past",
            format!("update audit.audit_chain set previous = sha256('x') {of} and position = 3"),
            Fault::BrokenLink,
            Some(3),
        ),
        (
            "an event slipped in",
            "insert into audit.audit_logs (id, occurred_at, organization_id, actor_kind, action, entity_type, outcome)
             values (uuidv7(), now(), $ORG, 'user', 'read', 'patient', 'succeeded')".to_owned(),
            Fault::UnsealedEvent,
            None,
        ),
        (
            "an event removed before it was sealed",
            "insert into audit.audit_pending (organization_id, audit_id) values ($ORG, uuidv7())".to_owned(),
            Fault::MissingEvent,
            None,
        ),
    ]
}

#[tokio::test]
async fn whatever_is_done_to_a_chain_shows() {
    let app = TelemetryApp::start().await;
    let cases = [cases(), client_request_cases()].concat();
    for (organization, _) in (1..).zip(&cases) {
        // The fourth event stands for several attempts, so its link has version 2 of the encoding.
        let mut events: Vec<NewAuditEvent> = (0..5).map(|_| personal(organization)).collect();
        events[3].error_code = Some("permission_denied".to_owned());
        events[3].occurrences = Some(250);
        // The client of the fifth event gave the request an id, which needs version 3.
        events[4].client_request_id = Some(Uuid::new_v4());
        ingest(&app, events).await;
    }
    app.sealed().await;
    for (organization, (what, sql, kind, position)) in (1..).zip(cases) {
        let before = verify(&app, organization).await;
        assert!(before.intact, "before {what}: {before:?}");
        // Some of the manipulations leave events that wait forever.
        none(&app, &format!("select count(*) from audit.audit_pending where organization_id = {organization}")).await;
        tamper(&app, &sql.replace("$ORG", &organization.to_string())).await;
        let after = verify(&app, organization).await;
        assert!(!after.intact, "{what} is not noticed");
        let fault = after.fault.as_ref().expect("what is not intact has a fault");
        assert_eq!((fault.kind, fault.position), (kind, position), "{what}: {after:?}");
        if let Some(position) = position {
            assert_eq!(after.verified_to, position - 1, "{what}: what lies before is good");
        }
    }
    assert!(app.server.log().contains("an audit chain is broken"));
}

/// Erases a user in organization 1; returns the number of events whose personal values were deleted.
async fn erase(app: &TelemetryApp, user: i64) -> i64 {
    let (service, id) = (app.service(), Uuid::now_v7());
    let request = service.privacy_subject_erase().subject_id(user).organization_id(1).request_id(id);
    granted(request.send().await, 202);
    let (job, _) = until("the erasure is finished", PATIENCE, || async {
        let job = granted(service.privacy_job_get().job_id(id).send().await, 200);
        Some(job).filter(|job| job.status == ErasureStatus::Finished)
    })
    .await;
    let personal = job.receipt.iter().find(|item| item.table == "audit.audit_personal");
    personal.expect("the receipt says what became of addresses").rows
}

#[tokio::test]
async fn erasure_leaves_the_chain_whole() {
    let app = TelemetryApp::start().await;
    let mine = personal(1);
    let impersonated = NewAuditEvent { impersonator_user_id: Some(9), ..personal(1) };
    ingest(&app, vec![mine.clone(), impersonated.clone(), personal(2)]).await;
    app.sealed().await;
    assert!(verify(&app, 1).await.intact);
    assert_eq!(erase(&app, 42).await, 1);
    assert_eq!(erase(&app, 42).await, 0, "once is enough");
    let erased = granted(app.admin(1).audit_log_get().audit_id(mine.id).send().await, 200);
    assert_eq!((erased.ip.as_deref(), erased.user_agent.as_deref()), (None, None));
    let kept = granted(app.admin(1).audit_log_get().audit_id(impersonated.id).send().await, 200);
    assert_eq!(kept.ip.as_deref(), Some("203.0.113.7"), "while impersonating it is the impersonator's");
    assert_eq!(erase(&app, 9).await, 1);
    for organization in [1, 2] {
        let verification = verify(&app, organization).await;
        assert!(verification.intact && verification.complete, "{verification:?}");
    }
    // A value that replaces an erased one is detected.
    let sql = format!(
        "insert into audit.audit_personal (audit_id, organization_id, ip) values ('{}', 1, '1.1.1.1')",
        mine.id
    );
    tamper(&app, &sql).await;
    let fault = verify(&app, 1).await.fault.expect("a value that was added");
    assert_eq!((fault.kind, fault.audit_id), (AuditFaultKind::AlteredPersonal, Some(mine.id)));
}

#[tokio::test]
async fn a_sealer_that_is_killed_leaves_a_whole_chain() {
    let mut app = TelemetryApp::start().await;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..4 {
        let (service, stop, acknowledged) = (app.service(), Arc::clone(&stop), Arc::clone(&acknowledged));
        senders.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let events = (0..200).map(|_| personal(1)).collect();
                if let Ok(receipt) = service.audit_ingest().body(batch(events)).send().await {
                    acknowledged.fetch_add(receipt.results.len(), Ordering::Relaxed);
                } else {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    for _ in 0..4 {
        let goal = acknowledged.load(Ordering::Relaxed) + 1_000;
        let enough = || async { acknowledged.load(Ordering::Relaxed) >= goal };
        eventually("events are stored", PATIENCE, enough).await;
        app.server.kill();
        app.server.start().await;
    }
    stop.store(true, Ordering::Relaxed);
    senders.join_all().await;
    app.sealed().await;
    let mut owner = app.database.owner().await;
    let stored = count(&mut owner, "select count(*) from audit.audit_logs").await;
    assert!(stored >= i64::try_from(acknowledged.load(Ordering::Relaxed)).expect("a few thousand"));
    let verification = verify(&app, 1).await;
    assert!(verification.intact && verification.complete, "{verification:?}");
    assert_eq!(verification.verified_to, stored);
}

#[tokio::test]
async fn a_long_walk_is_gone_on_with() {
    let app = TelemetryApp::start().await;
    ingest(&app, (0..10).map(|_| personal(1)).collect()).await;
    app.sealed().await;
    let admin = app.admin(1);
    let rest = granted(admin.audit_verify().after_position(4).send().await, 200);
    assert_eq!((rest.intact, rest.verified_from, rest.verified_to >= 10), (true, 4, true));
    tamper(
        &app,
        "update audit.audit_logs set action = 'x' where id in
        (select audit_id from audit.audit_chain where organization_id = 1 and position in (2, 8))",
    )
    .await;
    let first = granted(admin.audit_verify().send().await, 200);
    assert_eq!(first.fault.as_ref().and_then(|fault| fault.position), Some(2));
    let rest = granted(admin.audit_verify().after_position(4).send().await, 200);
    assert_eq!(rest.fault.as_ref().and_then(|fault| fault.position), Some(8));
    let beyond = granted(admin.audit_verify().after_position(1_000_000).send().await, 200);
    assert!(beyond.intact && beyond.complete, "there is nothing to walk over: {beyond:?}");
}

#[tokio::test]
async fn each_organization_verifies_its_own_chain() {
    let app = TelemetryApp::start().await;
    ingest(&app, vec![event(1), event(2)]).await;
    app.sealed().await;
    refused(app.admin(1).audit_verify().organization_id(2).send().await, 404, "organization_not_found");
    for role in ["specialist", "staff", "patient"] {
        let person = app.person(&test_support::TelemetryPerson { role, ..crate::support::patient(1, 7) });
        refused(person.audit_verify().send().await, 403, "permission_denied");
        refused(person.audit_head_list().send().await, 403, "permission_denied");
    }
    let theirs = granted(app.superadmin().audit_verify().organization_id(2).send().await, 200);
    assert_eq!((theirs.organization_id, theirs.intact, theirs.verified_to), (2, true, 1));
    let empty = verify(&app, 3).await;
    assert_eq!((empty.intact, empty.complete, empty.sealed.is_none()), (true, true, true));
}
