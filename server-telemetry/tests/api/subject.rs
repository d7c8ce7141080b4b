//! `/v1/privacy/subjects/{id}/consent` and `…/join`: consents of patients without a login, and who they become the
//! consents of.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use restartix_sdk::telemetry::types::{
    ErasureAction, ErasureMode, ErasureStatus, Purpose, SubjectConsentUpdate, SubjectDecision, SubjectExport,
    SubjectJoin, SubjectKind,
};
use sqlx::AssertSqlSafe;
use test_support::{TelemetryApp, granted, refused, until};
use uuid::Uuid;

use crate::{
    erasure::SOON,
    support::{batch, consenting, decision, dropped, event, patient},
};

/// Number of the patient record, which is the number of another person's user.
const PATIENT: i64 = 27;
const USER: i64 = 7;

fn decided(purpose: Purpose, granted: bool, decided_at: DateTime<Utc>) -> SubjectDecision {
    SubjectDecision { id: Uuid::now_v7(), purpose, granted, text_version: "2026-11".to_owned(), decided_at }
}

fn update(organization_id: i64, decisions: Vec<SubjectDecision>) -> SubjectConsentUpdate {
    SubjectConsentUpdate { organization_id, decisions, source: "onboarding".to_owned() }
}

/// Returns a patient's consent to analytics.
fn agreed() -> SubjectConsentUpdate {
    update(1, vec![decided(Purpose::Analytics, true, Utc::now())])
}

async fn put(app: &TelemetryApp, body: SubjectConsentUpdate) {
    let service = app.service();
    let request = service.privacy_subject_consent_put().subject_id(PATIENT).subject_kind(SubjectKind::Patient);
    granted(request.body(body).send().await, 204);
}

async fn join(app: &TelemetryApp, user_id: i64) {
    let body = SubjectJoin { organization_id: 1, user_id };
    granted(app.service().privacy_subject_join().subject_id(PATIENT).body(body).send().await, 204);
}

/// Returns `true` if an event of the user is stored.
async fn counts(app: &TelemetryApp, user: i64) -> bool {
    let person = app.person(&patient(1, user));
    let receipt = granted(person.analytics_track().body(batch(vec![event("seen")])).send().await, 202);
    assert!(receipt.stored == 1 || dropped(&receipt) == [("no_consent", 1)], "{receipt:?}");
    receipt.stored == 1
}

async fn rows(app: &TelemetryApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut app.database.owner().await).await.expect("the owner may read")
}

async fn erased(app: &TelemetryApp, dry_run: bool) -> restartix_sdk::telemetry::types::ErasureJob {
    let (service, id) = (app.service(), Uuid::now_v7());
    let request = service.privacy_subject_erase().subject_id(PATIENT).subject_kind(SubjectKind::Patient);
    granted(request.request_id(id).mode(ErasureMode::Erase).dry_run(dry_run).send().await, 202);
    let finished = || async {
        let job = granted(app.service().privacy_job_get().job_id(id).send().await, 200);
        (job.status == ErasureStatus::Finished).then_some(job)
    };
    until("the job is finished", SOON, finished).await.0
}

async fn export(app: &TelemetryApp) -> String {
    let service = app.service();
    let request = service.privacy_subject_export().subject_id(PATIENT).subject_kind(SubjectKind::Patient);
    let mut chunks = granted(request.send().await, 200).into_inner();
    let mut document = Vec::new();
    while let Some(chunk) = chunks.next().await {
        document.extend_from_slice(&chunk.expect("the export goes on to its end"));
    }
    String::from_utf8(document).expect("JSON is text")
}

#[tokio::test]
async fn a_patients_consent_becomes_the_users_in_either_order() {
    for joined_first in [false, true] {
        let app = TelemetryApp::start().await;
        if joined_first {
            join(&app, USER).await;
        }
        let decided_at = Utc::now() - TimeDelta::minutes(5);
        let decisions = [(Purpose::Analytics, true), (Purpose::Pose, false)];
        put(&app, update(1, decisions.map(|(purpose, granted)| decided(purpose, granted, decided_at)).to_vec())).await;
        assert!(!counts(&app, PATIENT).await, "a user with the number of the patient is somebody else");
        assert_eq!(counts(&app, USER).await, joined_first, "nobody is the patient yet");
        if !joined_first {
            join(&app, USER).await;
        }
        assert!(counts(&app, USER).await);
        let consent = granted(app.person(&patient(1, USER)).consent_get().send().await, 200);
        assert_eq!((consent.analytics.granted, consent.media.granted, consent.pose.granted), (true, false, false));
        assert_eq!(consent.analytics.source.as_deref(), Some("onboarding"));
        assert_eq!((consent.analytics.version, consent.media.version, consent.pose.version), (Some(1), None, Some(1)));
        let kept = consent.analytics.recorded_at.expect("the decision has a time");
        assert!((kept - decided_at).abs() < TimeDelta::milliseconds(1), "the time is that of the decision: {kept}");
        let elsewhere = granted(app.person(&patient(2, USER)).consent_get().send().await, 200);
        assert!(!elsewhere.analytics.granted, "another clinic asks for itself");
    }
}

#[tokio::test]
async fn a_message_that_is_repeated_changes_nothing() {
    let app = TelemetryApp::start().await;
    let body = agreed();
    for _ in 0..3 {
        put(&app, body.clone()).await;
        join(&app, USER).await;
    }
    assert_eq!(rows(&app, "select count(*) from privacy.patient_consents").await, 1);
    assert_eq!(rows(&app, "select count(*) from privacy.patient_joins").await, 1);
    assert_eq!(rows(&app, "select count(*) from privacy.consents").await, 1);
    // The person withdraws, and what the clinic asked before, sent again, is no later decision.
    let person = app.person(&patient(1, USER));
    granted(person.consent_put().body(decision(false, false, false)).send().await, 200);
    put(&app, body).await;
    join(&app, USER).await;
    assert!(!counts(&app, USER).await, "the later decision wins");
}

#[tokio::test]
async fn the_later_decision_wins_whoever_collected_it() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, USER).await;
    assert!(counts(&app, USER).await);
    put(&app, update(1, vec![decided(Purpose::Analytics, false, Utc::now() - TimeDelta::days(1))])).await;
    join(&app, USER).await;
    assert!(counts(&app, USER).await, "an earlier refusal changes nothing");
    // Longer than the clocks of two stores of one machine differ.
    let later = || async {
        put(&app, update(1, vec![decided(Purpose::Analytics, false, Utc::now())])).await;
        (!counts(&app, USER).await).then_some(())
    };
    until("a later refusal counts at once", SOON, later).await;
    let consent = granted(person.consent_get().send().await, 200);
    assert!(consent.media.granted && consent.pose.granted, "of other purposes nothing was said");
}

#[tokio::test]
async fn nobody_decides_for_a_time_to_come() {
    let app = TelemetryApp::start().await;
    put(&app, update(1, vec![decided(Purpose::Analytics, true, Utc::now() + TimeDelta::days(30))])).await;
    join(&app, USER).await;
    assert!(counts(&app, USER).await);
    let person = app.person(&patient(1, USER));
    granted(person.consent_put().body(decision(false, false, false)).send().await, 200);
    join(&app, USER).await;
    assert!(!counts(&app, USER).await, "a clock that is ahead does not outlast the person's own decision");
}

#[tokio::test]
async fn decisions_of_a_user_need_no_patient() {
    let app = TelemetryApp::start().await;
    granted(app.service().privacy_subject_consent_put().subject_id(USER).body(agreed()).send().await, 204);
    assert!(counts(&app, USER).await);
    assert_eq!(rows(&app, "select count(*) from privacy.patient_consents").await, 0);
}

#[tokio::test]
async fn what_is_held_on_a_patient_is_exported_and_erased_for_good() {
    let app = TelemetryApp::start().await;
    let body = update(
        1,
        vec![SubjectDecision { text_version: "needle-2026".to_owned(), ..decided(Purpose::Media, true, Utc::now()) }],
    );
    put(&app, body.clone()).await;
    put(&app, update(2, body.decisions.clone())).await;
    join(&app, USER).await;
    let document = export(&app).await;
    let parsed: SubjectExport = serde_json::from_str(&document).expect("it is one JSON document");
    let held = |table: &str| {
        parsed.holdings.iter().filter(|holding| holding.table == table).map(|holding| holding.rows.len()).sum::<usize>()
    };
    assert_eq!((held("privacy.patient_consents"), held("privacy.patient_joins")), (2, 1), "{document}");
    assert_eq!(document.matches("needle-2026").count(), 2);
    assert!(!document.contains("\"user_id\""), "the user has an export of its own: {document}");

    let dry = erased(&app, true).await;
    let deleted = |items: &[restartix_sdk::telemetry::types::ErasureItem]| {
        let of_patient = items.iter().filter(|item| item.found_by == "patient:patient_id");
        of_patient.map(|item| (item.table.clone(), item.action, item.rows)).collect::<Vec<_>>()
    };
    let expected = [("privacy.patient_consents", 2), ("privacy.patient_joins", 1)];
    let expected = expected.map(|(table, rows)| (table.to_owned(), ErasureAction::Delete, rows));
    assert_eq!(deleted(&dry.plan), expected);
    assert_eq!(rows(&app, "select count(*) from privacy.patient_consents").await, 2, "a dry run changes nothing");
    put(&app, body.clone()).await;

    let done = erased(&app, false).await;
    assert_eq!(deleted(&done.receipt), expected);
    assert_eq!(rows(&app, "select count(*) from privacy.patient_consents").await, 0);
    assert_eq!(rows(&app, "select count(*) from privacy.patient_joins").await, 0);
    assert!(
        granted(app.person(&patient(1, USER)).consent_get().send().await, 200).media.granted,
        "the user's own stays"
    );
    // A message that was on its way revives nothing.
    let service = app.service();
    let late = service.privacy_subject_consent_put().subject_id(PATIENT).subject_kind(SubjectKind::Patient).body(body);
    refused(late.send().await, 409, "subject_erased");
    let late = SubjectJoin { organization_id: 1, user_id: USER };
    refused(service.privacy_subject_join().subject_id(PATIENT).body(late).send().await, 409, "subject_erased");
}

#[tokio::test]
async fn the_erasure_of_a_user_ends_the_join() {
    let app = TelemetryApp::start().await;
    put(&app, agreed()).await;
    join(&app, USER).await;
    let (service, id) = (app.service(), Uuid::now_v7());
    granted(service.privacy_subject_erase().subject_id(USER).request_id(id).send().await, 202);
    until("the job is finished", SOON, || async {
        let job = granted(app.service().privacy_job_get().job_id(id).send().await, 200);
        (job.status == ErasureStatus::Finished).then_some(())
    })
    .await;
    put(&app, agreed()).await;
    assert_eq!(rows(&app, "select count(*) from privacy.consents").await, 0, "nothing comes back to the user");
}
