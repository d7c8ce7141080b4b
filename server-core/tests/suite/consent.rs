//! Consents that Core collects: each arrives at Telemetry once, becomes the consent of the patient's user, and is
//! erased and exported with the patient.

use std::time::Duration;

use chrono::Utc;
use restartix_sdk::{
    core::types::{OnboardPatient, OnboardedPatient},
    telemetry::{
        self,
        types::{AnalyticsBatch, NewAnalyticsEvent},
    },
};
use test_support::{Actor, ClerkApi, Clinic, CoreApp, granted, until};
use uuid::Uuid;

use crate::{
    gdpr,
    invitation::signed_up,
    onboarding::{consents, onboard, only, to_email},
    patient_merge::merge,
};

const LONG: Duration = Duration::from_mins(1);

/// Onboards a patient with consents; the address is invited to sign in as the patient.
async fn entered(app: &CoreApp, email: &str) -> OnboardedPatient {
    let record = CoreApp::new_patient("Ann", "Lee");
    onboard(&app.staff(), OnboardPatient { login: Some(to_email(email)), consents: consents(), ..only(record) }).await
}

async fn arrived(clinic: &Clinic) {
    until("the consents arrive", LONG, || async {
        (clinic.core.count("select count(*) from consent_outbox").await == 0).then_some(())
    })
    .await;
}

/// Accepts the invitation of an onboarded patient, as a new user with the address.
async fn accepted(app: &CoreApp, onboarded: &OnboardedPatient, email: &str) -> Actor {
    let actor = app.actor(&signed_up(app, "Ann", email).await);
    let invitation = onboarded.invitation.as_ref().expect("the person is invited");
    granted(actor.me_invitation_accept().invitation_id(invitation.id).send().await, 200);
    actor.in_organization(app.home().id)
}

/// Returns `true` if an event of the person is stored.
async fn counts(client: &telemetry::Client) -> bool {
    let event = NewAnalyticsEvent {
        event_id: Uuid::now_v7(),
        name: "seen".to_owned(),
        occurred_at: Utc::now(),
        page: None,
        properties: std::collections::HashMap::new(),
    };
    let body = AnalyticsBatch { sent_at: None, events: vec![event] };
    granted(client.analytics_track().body(body).send().await, 202).stored == 1
}

async fn joined(client: &telemetry::Client) {
    until("the consents are the person's", LONG, || async { counts(client).await.then_some(()) }).await;
}

#[tokio::test]
async fn an_accepted_login_takes_the_consents_along() {
    let clinic = Clinic::start().await;
    let app = &clinic.core;
    let onboarded = entered(app, "ann@example.org").await;
    arrived(&clinic).await;
    let stored =
        "select count(*) from privacy.patient_consents where text_version = '2026-11' and source = 'onboarding'";
    assert_eq!(clinic.telemetry.database.count(stored).await, 2);
    let ann = clinic.telemetry_of(&accepted(app, &onboarded, "ann@example.org").await).await;
    joined(&ann).await;
    let consent = granted(ann.consent_get().send().await, 200);
    assert_eq!((consent.analytics.granted, consent.media.granted, consent.pose.granted), (true, false, false));
    let recorded = consent.analytics.recorded_at.expect("the decision has a time");
    assert!(recorded >= onboarded.patient.created_at, "it was made when the patient was entered: {recorded}");
    assert!(recorded - onboarded.patient.created_at < chrono::TimeDelta::seconds(5), "{recorded}");

    // The end of the link undoes nothing, for what the person did was done with consent.
    let admin = app.admin();
    granted(admin.patient_unlink().patient_id(onboarded.patient.id).send().await, 204);
    let given = "select count(*) from privacy.consents where purpose = 'analytics' and granted";
    assert_eq!(clinic.telemetry.database.count(given).await, 1);
}

#[tokio::test]
async fn consents_wait_for_telemetry_and_arrive_once() {
    let mut clinic = Clinic::start().await;
    clinic.telemetry.server.stop().await;
    let onboarded = entered(&clinic.core, "ann@example.org").await;
    // The person accepts before anything has arrived.
    let actor = accepted(&clinic.core, &onboarded, "ann@example.org").await;
    until("Telemetry was asked in vain", LONG, || async {
        let tried = "select count(*) from jobs where kind = 'consent_push' and started_at is not null";
        (clinic.core.count(tried).await == 1).then_some(())
    })
    .await;
    assert_eq!(clinic.core.count("select count(*) from consent_outbox").await, 2, "nothing is lost");
    clinic.core.server.kill();
    clinic.core.server.start().await;
    clinic.telemetry.server.start().await;
    arrived(&clinic).await;
    let ann = clinic.telemetry_of(&actor.at(&clinic.core.url())).await;
    joined(&ann).await;
    assert_eq!(clinic.telemetry.database.count("select count(*) from privacy.patient_consents").await, 2);
    assert_eq!(clinic.telemetry.database.count("select count(*) from privacy.consents").await, 2);
    let open = "select count(*) from jobs where kind in ('consent_push', 'consent_join') and state <> 'succeeded'";
    until("the jobs are done", LONG, || async { (clinic.core.count(open).await == 0).then_some(()) }).await;
}

/// Onboards a patient without consents; the address is invited to sign in as the patient.
async fn entered_undecided(app: &CoreApp, email: &str) -> OnboardedPatient {
    let record = CoreApp::new_patient("Ann", "Lee");
    onboard(&app.staff(), OnboardPatient { login: Some(to_email(email)), ..only(record) }).await
}

/// Onboards a patient with consents and without a login.
async fn entered_again(app: &CoreApp) -> OnboardedPatient {
    let record = CoreApp::new_patient("Anna", "Lee");
    onboard(&app.staff(), OnboardPatient { consents: consents(), ..only(record) }).await
}

#[tokio::test]
async fn consents_of_a_merged_record_become_those_of_the_patients_user() {
    let clinic = Clinic::start().await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let kept = entered_undecided(app, "ann@example.org").await;
    let ann = clinic.telemetry_of(&accepted(app, &kept, "ann@example.org").await).await;
    let merged = entered_again(app).await;
    arrived(&clinic).await;
    assert!(!counts(&ann).await, "the consents of another record are not the person's");
    let kept = granted(admin.patient_get().patient_id(kept.patient.id).send().await, 200);
    merge(&admin, &kept, &merged.patient).await;
    joined(&ann).await;
    let consent = granted(ann.consent_get().send().await, 200);
    assert_eq!((consent.analytics.granted, consent.media.granted, consent.pose.granted), (true, false, false));
    let recorded = consent.analytics.recorded_at.expect("the decision has a time");
    assert!(recorded >= merged.patient.created_at, "it was made when the patient was entered again: {recorded}");
    assert!(recorded - merged.patient.created_at < chrono::TimeDelta::seconds(5), "{recorded}");
}

#[tokio::test]
async fn a_login_takes_the_consents_of_merged_records_along() {
    let clinic = Clinic::start().await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let kept = entered_undecided(app, "ann@example.org").await;
    let (between, decided) = (app.patient_create(&admin, "Anne", "Lee").await, entered_again(app).await);
    // A chain of merges, before Telemetry has the consents and before anybody signs in.
    merge(&admin, &between, &decided.patient).await;
    merge(&admin, &kept.patient, &between).await;
    let open = "select count(*) from jobs where kind = 'consent_join' and state <> 'succeeded'";
    until("nobody is joined", LONG, || async { (app.count(open).await == 0).then_some(()) }).await;
    assert_eq!(clinic.telemetry.database.count("select count(*) from privacy.patient_joins").await, 0);
    let ann = clinic.telemetry_of(&accepted(app, &kept, "ann@example.org").await).await;
    joined(&ann).await;
    let joins = "select count(*) from privacy.patient_joins";
    until("each record is joined", LONG, || async {
        (clinic.telemetry.database.count(joins).await == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn erasure_and_export_reach_both_services() {
    let clerk = ClerkApi::start([]).await;
    let mut clinic = gdpr::clinic(&clerk).await;
    let admin = clinic.core.admin();
    for is_sent in [false, true] {
        if is_sent {
            entered(&clinic.core, "sent@example.org").await;
            arrived(&clinic).await;
        } else {
            // As if the job waited for Telemetry.
            clinic.telemetry.server.stop().await;
            entered(&clinic.core, "waiting@example.org").await;
            let gone = "with gone as (delete from jobs
                                      where kind = 'consent_push' and state = 'queued' and started_at is not null
                                      returning 1)
                        select count(*) from gone";
            until("Telemetry was asked in vain", LONG, || async { (clinic.core.count(gone).await == 1).then_some(()) })
                .await;
            clinic.telemetry.server.start().await;
        }
        let sql = "select max(id) from patients";
        let patient: i64 = sqlx::query_scalar(sql).fetch_one(&mut clinic.core.owner().await).await.unwrap();
        let document: serde_json::Value = serde_json::from_str(&gdpr::exported(&admin, patient).await).unwrap();
        let rows = |holdings: &serde_json::Value, table: &str| {
            let holdings = holdings.as_array().into_iter().flatten().filter(|holding| holding["table"] == table);
            holdings.map(|holding| holding["rows"].as_array().map_or(0, Vec::len)).sum::<usize>()
        };
        let there: usize = document["telemetry"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|part| rows(&part["holdings"], "privacy.patient_consents"))
            .sum();
        let here = rows(&document["core"], "consent_outbox");
        assert_eq!((here, there), if is_sent { (0, 2) } else { (2, 0) }, "{document}");

        let asked = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
        gdpr::finished(&admin, asked.job_id).await;
        assert_eq!(clinic.core.count("select count(*) from consent_outbox").await, 0, "sent: {is_sent}");
        let stored = "select count(*) from privacy.patient_consents";
        assert_eq!(clinic.telemetry.database.count(stored).await, 0, "sent: {is_sent}");
        let index = "select count(*) from patients where erased_at is not null and name_birth_index is not null";
        assert_eq!(clinic.core.count(index).await, 0, "sent: {is_sent}");
    }
}
