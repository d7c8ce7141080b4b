//! `/v1/privacy/subjects` and `/v1/privacy/jobs`.

use std::{collections::BTreeMap, time::Duration};

use chrono::{TimeDelta, Utc};
use futures_util::StreamExt;
use restartix_sdk::telemetry::types::{
    self, ErasureAccepted, ErasureAction, ErasureItem, ErasureJob, ErasureMode, ErasureStatus, NewAuditEvent,
    SubjectKind,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Row};
use test_support::{Place, TelemetryApp, eventually, granted, refused, until};
use uuid::Uuid;

use crate::{
    audit,
    chain::verify,
    planted::{ORGANIZATION, OTHER, Planted, SUBJECT},
    registry::{Personal, personal},
    support::{batch, consenting, decision, dropped, event, patient},
};

/// Far longer than a job takes, even if it waits for the lease of a runner that died.
pub(crate) const SOON: Duration = Duration::from_mins(1);

async fn ask(app: &TelemetryApp, id: Uuid, mode: ErasureMode, dry_run: bool) -> ErasureAccepted {
    let service = app.service();
    let request = service.privacy_subject_erase().subject_id(SUBJECT).request_id(id).mode(mode).dry_run(dry_run);
    granted(request.send().await, 202)
}

async fn job(app: &TelemetryApp, id: Uuid) -> ErasureJob {
    granted(app.service().privacy_job_get().job_id(id).send().await, 200)
}

async fn finished(app: &TelemetryApp, id: Uuid) -> ErasureJob {
    let (job, _) = until("the job is finished", SOON, || async {
        Some(job(app, id).await).filter(|job| job.status == ErasureStatus::Finished)
    })
    .await;
    job
}

pub(crate) async fn run(app: &TelemetryApp, mode: ErasureMode, dry_run: bool) -> ErasureJob {
    let id = Uuid::now_v7();
    let accepted = ask(app, id, mode, dry_run).await;
    assert_eq!((accepted.job_id, accepted.dry_run), (id, dry_run));
    finished(app, id).await
}

async fn export(app: &TelemetryApp, kind: SubjectKind, id: i64) -> String {
    let service = app.service();
    let export = service.privacy_subject_export().subject_id(id).subject_kind(kind).send().await;
    let mut chunks = granted(export, 200).into_inner();
    let mut document = Vec::new();
    while let Some(chunk) = chunks.next().await {
        document.extend_from_slice(&chunk.expect("the export goes on to its end"));
    }
    String::from_utf8(document).expect("JSON is text")
}

/// Returns the items except the retained ones.
fn changes(items: &[ErasureItem]) -> Vec<&ErasureItem> {
    items.iter().filter(|item| item.action != ErasureAction::Retain).collect()
}

/// Returns the retained items.
fn kept(items: &[ErasureItem]) -> Vec<&ErasureItem> {
    items.iter().filter(|item| item.action == ErasureAction::Retain).collect()
}

/// Returns the exclusion of a person.
fn excluded(subject_id: i64) -> types::NewExclusion {
    types::NewExclusion { subject_id: Some(subject_id) }
}

/// Returns the changes that an erasure after this dry run makes; they include the dry run itself.
fn planned(dry: &ErasureJob) -> Vec<ErasureItem> {
    let mut items: Vec<ErasureItem> = changes(&dry.plan).into_iter().cloned().collect();
    let runs = items.iter_mut().find(|item| item.found_by == "dry_run:subject_id");
    runs.expect("dry runs are held on the person").rows += 1;
    items
}

fn is_retained(line: &Personal) -> bool {
    line.erase.starts_with("retain")
}

/// Returns the places where each planted value was found, by column.
async fn found(app: &TelemetryApp, planted: &Planted) -> BTreeMap<String, Vec<Place>> {
    let needles: Vec<String> = planted.values.iter().map(|(_, needle)| needle.clone()).collect();
    let places = app.search_each(&needles).await;
    needles.into_iter().zip(places).collect()
}

#[tokio::test]
async fn what_is_erased_was_there_and_is_gone() {
    let app = TelemetryApp::start().await;
    let planted = Planted::new(&app).await;
    let registry = personal(&app);
    let before = found(&app, &planted).await;
    // `subject.rs` is about the data of patients.
    for line in registry.iter().filter(|line| !line.found_by.starts_with("patient:")) {
        let (store, table, column) = &line.column;
        let needle = planted.needle(&line.column, &line.found_by);
        let there = before[needle].iter().any(|place| {
            // Rows of a partitioned table are found in its partitions.
            place.store == store && place.table.starts_with(table.as_str()) && place.column == *column
        });
        assert!(there, "{needle} was planted in {table}.{column} and not found: {:?}", before[needle]);
    }

    // A dry run changes nothing and reports the changes that an erasure would make.
    let dry = run(&app, ErasureMode::Erase, true).await;
    assert!(dry.receipt.is_empty() && dry.errors.is_empty(), "{dry:?}");
    let unchanged = found(&app, &planted).await;
    let without_jobs = |found: &BTreeMap<String, Vec<Place>>| {
        let mut found = found.clone();
        for places in found.values_mut() {
            places.retain(|place| place.table != "privacy.erasures");
        }
        found
    };
    assert_eq!(without_jobs(&unchanged), without_jobs(&before));

    let document = export(&app, SubjectKind::User, SUBJECT).await;
    let parsed: types::SubjectExport = serde_json::from_str(&document).expect("it is one JSON document");
    assert_eq!((parsed.subject_id, parsed.organization_id), (SUBJECT, None));
    for (what, needle) in &planted.values {
        let hexadecimal = hex::encode_upper(needle);
        assert!(document.contains(needle) || document.contains(&hexadecimal), "{what:?} is missing in the export");
    }
    assert!(!document.contains(&OTHER.to_string()), "the export tells of others: {document}");

    // The chain has the digests of the values that are erased.
    app.sealed().await;
    let whole = verify(&app, ORGANIZATION).await;
    assert!(whole.intact && whole.complete, "{whole:?}");
    let others = planted.of_the_other(&app).await;
    let done = run(&app, ErasureMode::Erase, false).await;
    assert_eq!(
        changes(&done.receipt),
        planned(&dry).iter().collect::<Vec<_>>(),
        "the receipt is what the dry run had planned"
    );
    assert_eq!(changes(&done.plan), planned(&dry).iter().collect::<Vec<_>>());
    assert_eq!(kept(&done.plan), kept(&dry.plan));
    assert!(changes(&done.receipt).iter().all(|item| item.rows > 0), "every holding was planted: {:#?}", done.receipt);
    assert!(done.errors.is_empty(), "{:?}", done.errors);

    let after = found(&app, &planted).await;
    for (needle, places) in &after {
        for place in places {
            let retained = registry.iter().any(|line| {
                let (store, table, column) = &line.column;
                let here = place.store == store && place.table.starts_with(table.as_str()) && place.column == *column;
                here && is_retained(line)
            });
            assert!(retained, "{needle} is still in {place}");
        }
    }
    assert_eq!(planted.of_the_other(&app).await, others, "nothing of another person is touched");
    app.sealed().await;
    let verified = verify(&app, ORGANIZATION).await;
    assert!(verified.intact && verified.complete, "{verified:?}");
    assert!(verified.verified_to > whole.verified_to, "and the chain goes on: {verified:?}");
    let mut owner = app.database.owner().await;
    let created_by: Option<i64> = sqlx::query_scalar("select created_by from privacy.exclusions where subject_id = $1")
        .bind(OTHER)
        .fetch_one(&mut owner)
        .await
        .expect("the exclusion of another person stays");
    assert_eq!(created_by, None, "and forgets who made it");
    let sql = "select count(*) from privacy.erasures where dry_run and subject_id = $1";
    let dry_runs: i64 = sqlx::query_scalar(sql).bind(SUBJECT).fetch_one(&mut owner).await.expect("the owner may read");
    assert_eq!(dry_runs, 0, "a dry run proves nothing that would have to be kept");
    let empty: Value = serde_json::from_str(&export(&app, SubjectKind::User, SUBJECT).await).expect("JSON");
    let holdings = empty["holdings"].as_array().expect("a list");
    let left: Vec<&str> = holdings
        .iter()
        .filter(|holding| holding["rows"].as_array().is_some_and(|rows| !rows.is_empty()))
        .filter_map(|holding| holding["table"].as_str())
        .collect();
    let retained = [
        "audit.audit_logs",
        "audit.audit_logs",
        "audit.audit_logs",
        "security.security_events",
        "ops.access_revocations",
        "privacy.erasures",
    ];
    assert_eq!(left, retained, "what is left is what the law retains");
}

#[tokio::test]
async fn anonymizing_keeps_what_names_nobody() {
    let app = TelemetryApp::start().await;
    let planted = Planted::new(&app).await;
    let events = "select count() from analytics_events where name = 'planted'";
    let before = app.clickhouse.count(events).await;
    let done = run(&app, ErasureMode::Anonymize, false).await;
    assert_eq!(changes(&done.receipt), changes(&done.plan));
    assert_eq!(app.clickhouse.count(events).await, before, "the events still count");
    for (what, needle) in &planted.values {
        for place in app.search(needle).await {
            let retained =
                ["audit.audit_logs", "security.security_events", "privacy.erasures", "ops.access_revocations"]
                    .iter()
                    .any(|table| place.table.starts_with(table));
            assert!(retained, "{what:?}: {needle} is still in {place}");
        }
    }
}

#[tokio::test]
async fn a_request_is_one_job_however_often_it_is_sent() {
    let app = TelemetryApp::start().await;
    let id = Uuid::now_v7();
    ask(&app, id, ErasureMode::Erase, false).await;
    let first = finished(&app, id).await;
    let again = ask(&app, id, ErasureMode::Erase, false).await;
    assert_eq!((again.job_id, again.status), (id, ErasureStatus::Finished));
    assert_eq!(job(&app, id).await, first, "a finished job is not done again");
    let service = app.service();
    let other = service.privacy_subject_erase().subject_id(OTHER).request_id(id).send().await;
    refused(other, 409, "request_id_reused");
    let scoped = service.privacy_subject_erase().subject_id(SUBJECT).request_id(id).organization_id(1).send().await;
    refused(scoped, 409, "request_id_reused");
    refused(service.privacy_job_get().job_id(Uuid::now_v7()).send().await, 404, "privacy_job_not_found");
    for person in [app.admin(1), app.superadmin()] {
        refused(person.privacy_job_get().job_id(id).send().await, 401, "unauthenticated");
        // The answer is a stream, which `refused` cannot print.
        let export = person.privacy_subject_export().subject_id(SUBJECT).send().await;
        assert_eq!(export.err().and_then(|error| error.status()).map(|status| status.as_u16()), Some(401));
        let erase = person.privacy_subject_erase().subject_id(SUBJECT).request_id(Uuid::now_v7()).send().await;
        refused(erase, 401, "unauthenticated");
    }
}

#[tokio::test]
async fn an_organization_erases_its_own_and_no_others() {
    let app = TelemetryApp::start().await;
    let (here, there) = (consenting(&app, 1, SUBJECT).await, consenting(&app, 2, SUBJECT).await);
    for client in [&here, &there] {
        granted(client.analytics_track().body(batch(vec![event("seen")])).send().await, 202);
    }
    let (service, id) = (app.service(), Uuid::now_v7());
    let request = service.privacy_subject_erase().subject_id(SUBJECT).organization_id(1).request_id(id);
    granted(request.send().await, 202);
    finished(&app, id).await;
    assert_eq!(app.clickhouse.query("select organization_id from analytics_events format TSV").await.trim(), "2");
    assert!(!granted(here.consent_get().send().await, 200).analytics.granted);
    assert!(granted(there.consent_get().send().await, 200).analytics.granted);
    let stored = granted(there.analytics_track().body(batch(vec![event("seen")])).send().await, 202);
    assert_eq!(stored.stored, 1, "the other clinic goes on");
}

#[tokio::test]
async fn what_belongs_to_no_organization_goes_by_itself() {
    let app = TelemetryApp::start().await;
    let by = |organization| NewAuditEvent {
        actor_user_id: Some(SUBJECT),
        user_agent: Some(format!("agent-{organization}")),
        ..audit::event(organization)
    };
    granted(app.service().audit_ingest().body(audit::batch(vec![by(0), by(1), by(2)])).send().await, 202);
    let here = consenting(&app, 1, SUBJECT).await;
    let agents = async || -> Vec<String> {
        sqlx::query_scalar("select user_agent from audit.audit_personal order by 1")
            .fetch_all(&mut app.database.owner().await)
            .await
            .expect("the owner may read")
    };
    let erase = async |organization| {
        let (service, id) = (app.service(), Uuid::now_v7());
        let request = service.privacy_subject_erase().subject_id(SUBJECT).organization_id(organization).request_id(id);
        granted(request.send().await, 202);
        finished(&app, id).await
    };
    erase(1).await;
    assert_eq!(agents().await, ["agent-0", "agent-2"], "what belongs to none is not the clinic's");
    granted(here.consent_put().body(decision(true, true, true)).send().await, 200);
    assert_eq!(erase(0).await.organization_id, Some(0));
    assert_eq!(agents().await, ["agent-2"]);
    assert!(granted(here.consent_get().send().await, 200).analytics.granted, "what the clinics hold stays");
    // An event that Core kept while this service was down is stored without personal values.
    let late = NewAuditEvent { occurred_at: Utc::now() - TimeDelta::minutes(1), ..by(0) };
    granted(app.service().audit_ingest().body(audit::batch(vec![late])).send().await, 202);
    assert_eq!(agents().await, ["agent-2"]);
}

#[tokio::test]
async fn a_patient_is_found_by_its_record() {
    let app = TelemetryApp::start().await;
    let mut about = audit::event(1);
    (about.entity_type, about.entity_id) = ("patient".to_owned(), Some(SUBJECT.to_string()));
    about.actor_user_id = Some(OTHER);
    granted(app.service().audit_ingest().body(audit::batch(vec![about])).send().await, 202);
    let of = |kind| export(&app, kind, SUBJECT);
    assert!(of(SubjectKind::Patient).await.contains(&format!("\"entity_id\": \"{SUBJECT}\"")));
    assert!(!of(SubjectKind::User).await.contains("entity_id\":"), "a user's id is not a patient's");
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_after_the_restart() {
    let mut app = TelemetryApp::start().await;
    let planted = Planted::new(&app).await;
    let dry = run(&app, ErasureMode::Erase, true).await;
    // The step after the consents cannot be done while another transaction locks its table.
    let mut superuser = app.database.superuser().await;
    let mut lock = superuser.begin().await.expect("a transaction begins");
    sqlx::query("lock table privacy.exclusions in share row exclusive mode")
        .execute(&mut *lock)
        .await
        .expect("it locks");
    let id = Uuid::now_v7();
    ask(&app, id, ErasureMode::Erase, false).await;
    eventually("the steps before it are done", SOON, || async {
        job(&app, id).await.receipt.iter().any(|item| item.table == "privacy.consents")
    })
    .await;
    app.server.kill();
    lock.rollback().await.expect("the lock is let go");
    app.server.start().await;
    let done = finished(&app, id).await;
    assert_eq!(changes(&done.receipt), planned(&dry).iter().collect::<Vec<_>>(), "every row is counted once");
    for (what, needle) in planted.values.iter().filter(|(_, needle)| needle.starts_with("needle")) {
        assert_eq!(app.search(needle).await, [], "{what:?}");
    }
}

#[tokio::test]
async fn killed_while_clickhouse_deletes_it_counts_every_row_once() {
    let mut app = TelemetryApp::start().await;
    let planted = Planted::new(&app).await;
    let dry = run(&app, ErasureMode::Erase, true).await;
    app.clickhouse.query("system stop merges analytics_events").await;
    let id = Uuid::now_v7();
    ask(&app, id, ErasureMode::Erase, false).await;
    let mutations = "select count() from system.mutations where database = currentDatabase() and not is_done";
    eventually("the mutation waits", SOON, || async { app.clickhouse.count(mutations).await == 1 }).await;
    app.server.kill();
    app.clickhouse.query("system start merges analytics_events").await;
    app.server.start().await;
    let done = finished(&app, id).await;
    assert_eq!(changes(&done.receipt), planned(&dry).iter().collect::<Vec<_>>());
    for (what, needle) in planted.values.iter().filter(|(_, needle)| needle.starts_with("needle")) {
        assert_eq!(app.search(needle).await, [], "{what:?}");
    }
}

#[tokio::test]
async fn a_mutation_that_is_under_way_is_waited_for_and_not_doubled() {
    let mut app = TelemetryApp::start().await;
    Planted::new(&app).await;
    app.clickhouse.query("system stop merges analytics_events").await;
    let id = Uuid::now_v7();
    ask(&app, id, ErasureMode::Erase, false).await;
    // Setting the retention of rows is a mutation, too.
    let mutations = "select count() from system.mutations
                     where database = currentDatabase() and table = 'analytics_events' and command like '%DELETE%'";
    eventually("the mutation waits", SOON, || async { app.clickhouse.count(mutations).await == 1 }).await;
    app.server.kill();
    app.server.start().await;
    eventually("another attempt has come there", SOON, || async {
        app.server.log().contains("waiting for an equal mutation")
    })
    .await;
    app.clickhouse.query("system start merges analytics_events").await;
    finished(&app, id).await;
    assert_eq!(app.clickhouse.count(mutations).await, 1);
}

#[tokio::test]
async fn nothing_comes_back() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, ORGANIZATION, SUBJECT).await;
    let track = || async { granted(person.analytics_track().body(batch(vec![event("seen")])).send().await, 202) };
    assert_eq!(track().await.stored, 1, "and the consent is remembered");
    app.clickhouse.query("system stop merges analytics_events").await;
    let id = Uuid::now_v7();
    ask(&app, id, ErasureMode::Erase, false).await;
    eventually("the job is under way", SOON, || async { !job(&app, id).await.receipt.is_empty() }).await;
    assert_eq!(dropped(&track().await), [("excluded", 1)], "nothing is stored while it runs");
    // A decision made now could outlive the erasure. It is refused, as are exclusions by the person and the
    // clinic.
    refused(person.consent_put().body(decision(true, true, true)).send().await, 409, "erasure_in_progress");
    refused(person.exclusion_create().body(excluded(SUBJECT)).send().await, 409, "erasure_in_progress");
    let admin = app.admin(ORGANIZATION);
    refused(admin.exclusion_create().body(excluded(SUBJECT)).send().await, 409, "erasure_in_progress");
    granted(admin.exclusion_create().body(excluded(OTHER)).send().await, 201);
    consenting(&app, ORGANIZATION, OTHER).await;
    assert_eq!(dropped(&track().await), [("excluded", 1)]);
    app.clickhouse.query("system start merges analytics_events").await;
    finished(&app, id).await;
    assert_eq!(dropped(&track().await), [("no_consent", 1)]);
    assert_eq!(app.clickhouse.count("select count() from analytics_events").await, 0);

    // An event that Core sends late is stored without personal values; an event that occurs from now on keeps
    // them.
    let late = |before: TimeDelta| types::NewAuditEvent {
        actor_user_id: Some(SUBJECT),
        ip: Some("203.0.113.9".to_owned()),
        occurred_at: Utc::now() - before,
        ..audit::event(ORGANIZATION)
    };
    let (before, after) = (late(TimeDelta::minutes(1)), late(TimeDelta::zero()));
    let ids = [before.id, after.id];
    granted(app.service().audit_ingest().body(audit::batch(vec![before, after])).send().await, 202);
    let mut owner = app.database.owner().await;
    let sql = "select audit_id, host(ip) from audit.audit_personal";
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut owner).await.expect("the owner may read");
    let kept: Vec<(Uuid, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(kept, [(ids[1], "203.0.113.9".to_owned())]);
    let entry = granted(app.admin(ORGANIZATION).audit_log_get().audit_id(ids[0]).send().await, 200);
    assert_eq!((entry.actor_user_id, entry.ip), (Some(SUBJECT), None));
    // The person may come back and decide again.
    granted(
        app.person(&patient(ORGANIZATION, SUBJECT)).consent_put().body(decision(true, true, true)).send().await,
        200,
    );
    assert_eq!(track().await.stored, 1);
}
