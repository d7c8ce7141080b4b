//! API keys of clinics.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::core::types::{ApiKeySecret, CreateApiKey, Scope};
use sqlx::{AssertSqlSafe, Executor};
use test_support::{Actor, Answer, CoreApp, Program, granted, in_days, refused, until};

async fn create(app: &CoreApp, scopes: &[Scope]) -> ApiKeySecret {
    let body = CreateApiKey { expires_at: None, name: "Booking page".to_owned(), scopes: scopes.to_vec() };
    granted(app.admin().api_key_create().organization_id(app.home().id).body(body).send().await, 201)
}

async fn status(program: &Program) -> u16 {
    Answer::to(program.request(Method::GET, "/v1/specialists")).await.status.as_u16()
}

async fn sql(app: &CoreApp, statement: String) {
    app.owner().await.execute(AssertSqlSafe(statement)).await.unwrap();
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_is_named_in_the_audit_log() {
    let app = CoreApp::start().await;
    let created = create(&app, &[Scope::AppointmentsWrite, Scope::PatientsRead]).await;
    let program = Program::new(&app.url(), &created.secret);
    let patient = app.patient_create(&app.staff(), "Ann", "Lee").await.id;

    let body = CoreApp::new_appointment(app.home().specialist_id, patient, in_days(3, 9));
    let booked = granted(program.appointment_create().body(body).send().await, 201);
    assert_eq!(booked.user_id, None, "no user booked it");
    assert_eq!(granted(program.patient_get().patient_id(patient).send().await, 200).clinical_notes, None);
    // A write scope does not permit reads, and no scope exceeds the permissions of `staff`.
    refused(program.appointment_list().send().await, 403, "permission_denied");
    refused(program.specialist_list().send().await, 403, "permission_denied");
    refused(program.appointment_delete().appointment_id(booked.id).send().await, 403, "permission_denied");
    refused(program.me_get().send().await, 403, "permission_denied");
    refused(program.api_key_list().organization_id(app.home().id).send().await, 403, "permission_denied");

    let key = created.api_key.id;
    let rows: Vec<(String, Option<i64>, String)> = sqlx::query_as(
        "select actor_kind, actor_user_id, operation_id from audit_log
         where actor_api_key_id = $1 and outcome = 'succeeded' order by id",
    )
    .bind(key)
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let expected = ["appointment_create", "patient_get"].map(|id| ("api_key".to_owned(), None, id.to_owned()));
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_key_is_good_in_its_own_clinic_only() {
    let app = CoreApp::start().await;
    let program = app.program(&[Scope::PatientsRead, Scope::SpecialistsRead]).await;
    let theirs = app.patient_create(&app.other_admin(), "Bob", "Away").await.id;
    refused(program.patient_get().patient_id(theirs).send().await, 404, "patient_not_found");
    let elsewhere = program.request(Method::GET, "/v1/specialists").header("x-organization-id", app.away().id);
    Answer::to(elsewhere).await.refusal(404, "organization_not_found");
    let here = program.request(Method::GET, "/v1/specialists").header("x-organization-id", app.home().id);
    assert_eq!(Answer::to(here).await.status.as_u16(), 200);
    // An administrator of another clinic can neither read nor change it.
    let other = app.other_admin();
    let keys = granted(other.api_key_list().organization_id(app.away().id).send().await, 200);
    assert_eq!(keys.meta.total, 0);
    let id = granted(app.admin().api_key_list().organization_id(app.home().id).send().await, 200).data[0].id;
    refused(
        other.api_key_delete().organization_id(app.away().id).api_key_id(id).send().await,
        404,
        "api_key_not_found",
    );
}

#[tokio::test]
async fn a_secret_is_shown_once_and_never_stored() {
    let app = CoreApp::start().await;
    let created = create(&app, &[Scope::SpecialistsRead]).await;
    assert!(created.secret.starts_with(&created.api_key.prefix));
    let listed = granted(app.admin().api_key_list().organization_id(app.home().id).send().await, 200);
    assert_eq!(listed.data, [created.api_key]);
    let stored = app.count("select count(*) from api_keys where length(secret_hash) = 32").await;
    assert_eq!(stored, 1);
    let dump: String =
        sqlx::query_scalar("select k::text from api_keys k").fetch_one(&mut app.owner().await).await.unwrap();
    assert!(!dump.contains(&created.secret[16..]), "the secret is in the database");
}

#[tokio::test]
async fn after_a_rotation_both_secrets_are_good_for_a_day() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = create(&app, &[Scope::SpecialistsRead]).await;
    let (home, id) = (app.home().id, first.api_key.id);
    let rotate = || async { granted(admin.api_key_rotate().organization_id(home).api_key_id(id).send().await, 201) };
    let second = rotate().await;
    assert_ne!(first.secret, second.secret);
    let overlap = second.api_key.previous_expires_at.expect("the former secret is good for a while") - Utc::now();
    assert!((TimeDelta::hours(23)..=TimeDelta::hours(24)).contains(&overlap), "{overlap}");
    let programs = [&first, &second].map(|key| Program::new(&app.url(), &key.secret));
    for program in &programs {
        assert_eq!(status(program).await, 200);
    }
    // The 24 hours are over; processes that remember the key notice it.
    sql(&app, format!("update api_keys set previous_expires_at = now() where id = {id}")).await;
    until("the former secret is refused", CoreApp::PATIENCE, || async {
        (status(&programs[0]).await == 401).then_some(())
    })
    .await;
    assert_eq!(status(&programs[1]).await, 200);
    // After another rotation, the first secret is refused and the second has its last 24 hours.
    let third = rotate().await;
    assert_eq!(status(&programs[0]).await, 401);
    for program in [&programs[1], &Program::new(&app.url(), &third.secret)] {
        assert_eq!(status(program).await, 200);
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_here_and_is_heard_of_elsewhere() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let created = create(&app, &[Scope::SpecialistsRead]).await;
    let here = Program::new(&app.url(), &created.secret);
    let there = here.at(&second.url());
    for program in [&here, &there] {
        assert_eq!(status(program).await, 200);
    }
    let (home, id) = (app.home().id, created.api_key.id);
    let admin = app.admin();
    let revoke = || admin.api_key_delete().organization_id(home).api_key_id(id).send();
    granted(revoke().await, 204);
    assert_eq!(status(&here).await, 401, "revoked, and used all the same by the process that was told");
    until("the other process refuses", CoreApp::HEARD, || async { (status(&there).await == 401).then_some(()) }).await;
    granted(revoke().await, 204);
    let rotate = app.admin().api_key_rotate().organization_id(home).api_key_id(id).send().await;
    refused(rotate, 409, "api_key_revoked");
    let rows = "select count(*) from audit_log where operation_id = 'api_key_delete' and outcome = 'succeeded'";
    assert_eq!(app.count(rows).await, 1, "the second revocation did nothing");
}

#[tokio::test]
async fn expired_altered_and_ambiguous_keys_are_refused() {
    let app = CoreApp::start().await;
    let body = CreateApiKey {
        expires_at: Some(Utc::now() + TimeDelta::days(1)),
        name: "Short".to_owned(),
        scopes: vec![Scope::SpecialistsRead],
    };
    let admin = app.admin();
    let created = granted(admin.api_key_create().organization_id(app.home().id).body(body.clone()).send().await, 201);
    let program = Program::new(&app.url(), &created.secret);
    assert_eq!(status(&program).await, 200);
    let id = created.api_key.id;
    sql(&app, format!("update api_keys set expires_at = now() where id = {id}")).await;
    until("the key has expired", CoreApp::PATIENCE, || async { (status(&program).await == 401).then_some(()) }).await;
    refused(program.specialist_list().send().await, 401, "api_key_expired");

    let mut altered = created.secret.clone();
    altered.replace_range(20..21, if &altered[20..21] == "a" { "b" } else { "a" });
    for key in [altered.as_str(), "rxkey_", "nonsense"] {
        refused(Program::new(&app.url(), key).specialist_list().send().await, 401, "invalid_api_key");
    }
    let both = admin.request(Method::GET, "/v1/specialists").header("x-api-key", &created.secret);
    Answer::to(both).await.refusal(400, "ambiguous_credentials");

    let past = CreateApiKey { expires_at: Some(Utc::now() - TimeDelta::days(1)), ..body };
    refused(admin.api_key_create().organization_id(app.home().id).body(past).send().await, 422, "validation_failed");
}

#[tokio::test]
async fn a_use_is_noted() {
    let app = CoreApp::start().await;
    let program = app.program(&[Scope::SpecialistsRead]).await;
    assert_eq!(status(&program).await, 200);
    let last_used = |admin: Actor| async move {
        let organization = admin.me_get().send().await.unwrap().organization_id.unwrap();
        granted(admin.api_key_list().organization_id(organization).send().await, 200).data[0].last_used_at
    };
    until("the last use is written", CoreApp::PATIENCE, || last_used(app.admin())).await;
}
