//! Data keys of organizations, and the texts sealed under them.

use restartix_sdk::core::types::{BeginImpersonation, CreateOrganization};
use sqlx::AssertSqlSafe;
use test_support::{Actor, CoreApp, granted, until};

use crate::profile::columns;

const TASK: &str = "texts_seal";

async fn act_as(admin: &Actor, patient: i64, reason: &str) {
    let body = BeginImpersonation { minutes: None, reason: reason.to_owned() };
    granted(admin.patient_impersonate().patient_id(patient).body(body).send().await, 201);
}

async fn keys(app: &CoreApp, organization: i64) -> i64 {
    sqlx::query_scalar("select count(*) from data_keys where of_organization and organization_id = $1")
        .bind(organization)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_new_organization_has_its_key_from_the_beginning() {
    let app = CoreApp::start().await;
    let body = CreateOrganization {
        clerk_organization_id: None,
        name: "Third".to_owned(),
        slug: None,
        timezone: "Europe/Berlin".to_owned(),
        country: None,
    };
    let made = granted(app.superadmin().organization_create().body(body).send().await, 201);
    assert_eq!(keys(&app, made.id).await, 1);
}

#[tokio::test]
async fn processes_that_need_the_key_of_an_older_organization_at_once_make_one() {
    let app = CoreApp::start().await;
    let (home, second) = (app.home().id, app.second_core().await);
    assert_eq!(keys(&app, home).await, 0, "the clinic was made before there were such keys");
    let patient = app.patient_record().await.id;
    let here = app.admin();
    let there = here.at(&second.url());
    let at_once = (0..12).map(|number| {
        let admin = if number % 2 == 0 { here.clone() } else { there.clone() };
        tokio::spawn(async move { act_as(&admin, patient, "planted-reason").await })
    });
    for begun in at_once.collect::<Vec<_>>() {
        begun.await.unwrap();
    }
    assert_eq!(keys(&app, home).await, 1);
    let found = app.search("planted-reason").await;
    let found: Vec<_> = found.iter().map(|place| (place.column.as_str(), place.rows)).collect();
    assert_eq!(found, [("reason_encrypted", 12)], "that one key opens what either sealed, and nothing is in the clear");
}

#[tokio::test]
async fn no_context_shows_the_key_or_puts_another_in_its_place() {
    let app = CoreApp::start().await;
    let (home, patient) = (app.home().id, app.patient_record().await.id);
    act_as(&app.admin(), patient, "Called").await;
    let mut restricted = app.database.app().await;
    for role in ["admin", "staff", "specialist", "patient", "api_key", "system", "superadmin"] {
        let enter = format!(
            "begin; select set_config('app.current_org_id', '{home}', true),
                             set_config('app.current_role', '{role}', true)"
        );
        sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut restricted).await.unwrap();
        let seen: i64 = sqlx::query_scalar("select count(*) from data_keys where of_organization")
            .fetch_one(&mut restricted)
            .await
            .unwrap();
        assert_eq!(seen, 0, "{role} sees the organization's key");
        let made = sqlx::query(
            "insert into data_keys (id, organization_id, wrapped, of_organization)
                                values (gen_random_uuid(), $1, 'x', true)",
        );
        assert!(made.bind(home).execute(&mut restricted).await.is_err(), "{role} makes a key of the organization");
        sqlx::raw_sql("rollback").execute(&mut restricted).await.unwrap();
    }
}

#[tokio::test]
async fn what_stood_in_the_clear_is_sealed() {
    let app = CoreApp::start().await;
    let (home, patient) = (app.home(), app.patient_record().await.id);
    let due = format!("update jobs set run_at = now() where kind = '{TASK}' and state = 'queued'");
    // The row is inserted as the previous version wrote it.
    let written = format!(
        "insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id, reason,
                                     expires_at)
         select {}, 'x', {}, {patient}, {}, 'planted-reason', now() from generate_series(1, 700)",
        home.id, home.admin.user_id, home.patient.user_id
    );
    for sql in [&written, &due] {
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut app.owner().await).await.unwrap();
    }
    until("the task has come round", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from impersonations where reason is not null").await == 0).then_some(())
    })
    .await;
    assert_eq!(columns(&app, "planted-reason").await, ["public.impersonations.reason_encrypted"]);
    assert_eq!(app.search("planted-reason").await[0].rows, 700);
}
