//! The cache of callers is notified of every change, whichever process makes it.

use std::time::Instant;

use reqwest::Method;
use sqlx::{AssertSqlSafe, Executor};
use test_support::{Actor, Answer, CoreApp, granted, refused, until};

async fn sql(app: &CoreApp, statement: String) {
    app.owner().await.execute(AssertSqlSafe(statement)).await.unwrap();
}

async fn status(actor: &Actor) -> u16 {
    Answer::to(actor.request(Method::GET, "/v1/appointments")).await.status.as_u16()
}

#[tokio::test]
async fn a_membership_removed_by_sql_is_heard_of_by_two_processes() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let here = app.staff().in_organization(app.home().id);
    let there = here.at(&second.url());
    for actor in [&here, &there, &here, &there] {
        assert_eq!(status(actor).await, 200);
    }
    let user = app.home().staff.user_id;
    sql(&app, format!("delete from memberships where user_id = {user}")).await;
    let committed = Instant::now();
    for (name, actor) in [("first", &here), ("second", &there)] {
        let (last, _) = until(format!("the {name} process refuses"), CoreApp::HEARD, || async {
            let status = status(actor).await;
            (status != 200).then_some(status)
        })
        .await;
        assert_eq!(last, 404);
        println!("the {name} process refused {:?} after the commit", committed.elapsed());
    }
    assert!(committed.elapsed() < CoreApp::HEARD, "both refuse because they heard of it: {:?}", committed.elapsed());
    for actor in [&here, &there] {
        refused(actor.appointment_list().send().await, 404, "organization_not_found");
    }
    // Without the header there is no organization left to fall back to.
    refused(app.staff().appointment_list().send().await, 403, "organization_required");
}

#[tokio::test]
async fn a_role_changed_by_sql_is_heard_of() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    refused(staff.specialty_create().body(specialty()).send().await, 403, "permission_denied");
    let user = app.home().staff.user_id;
    sql(&app, format!("update memberships set role = 'admin' where user_id = {user}")).await;
    until("the promotion counts", CoreApp::HEARD, || async {
        staff.specialty_create().body(specialty()).send().await.is_ok().then_some(())
    })
    .await;
    sql(&app, format!("update memberships set role = 'patient' where user_id = {user}")).await;
    until("the demotion counts", CoreApp::HEARD, || async { (status_of_patients(&staff).await == 403).then_some(()) })
        .await;
}

async fn status_of_patients(actor: &Actor) -> u16 {
    Answer::to(actor.request(Method::GET, "/v1/patients")).await.status.as_u16()
}

fn specialty() -> restartix_sdk::core::types::SpecialtyInput {
    let name = uuid::Uuid::new_v4().to_string();
    restartix_sdk::core::types::SpecialtyInput { name, description: None }
}

#[tokio::test]
async fn a_process_that_hears_of_no_change_serves_nobody_from_its_memory() {
    let app = CoreApp::builder().proxied().env("DB_ACQUIRE_TIMEOUT", "500ms").start().await;
    let staff = app.staff();
    // The refusal comes from the cached caller; an uncached caller can't be looked up.
    let members = format!("/v1/organizations/{}/members", app.home().id);
    let refused = || async { Answer::to(staff.request(Method::GET, &members)).await.status.as_u16() };
    assert_eq!(refused().await, 403);
    app.proxy().cut();
    until("what is remembered is forgotten", CoreApp::HEARD, || async { (refused().await == 503).then_some(()) }).await;
    let user = app.home().staff.user_id;
    sql(&app, format!("delete from memberships where user_id = {user}")).await;
    app.proxy().open();
    let (last, _) = until("the database answers again", CoreApp::PATIENCE, || async {
        let status = status(&staff).await;
        (status != 503).then_some(status)
    })
    .await;
    assert_eq!(last, 403, "the change made meanwhile counts at once");
}

#[tokio::test]
async fn what_a_process_changes_itself_counts_before_it_answers() {
    let app = CoreApp::start().await;
    let (admin, patient) = (app.admin(), app.patient());
    for round in 0..20 {
        assert_eq!(granted(patient.me_get().send().await, 200).patient_id, None);
        let record = app.patient_of(&app.home().patient, CoreApp::new_patient("Pia", &format!("Round{round}"))).await;
        assert_eq!(granted(patient.me_get().send().await, 200).patient_id, Some(record.id), "round {round}");
        granted(admin.patient_delete().patient_id(record.id).send().await, 204);
    }
}
