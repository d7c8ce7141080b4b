//! Administrators acting as patients.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::core::types::{BeginImpersonation, ImpersonationToken, SwitchOrganization};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use test_support::{Actor, Answer, ClerkEvent, CoreApp, Issuer, SessionClaims, granted, in_days, refused, until};

use crate::clerk::told;

fn reason() -> BeginImpersonation {
    BeginImpersonation { minutes: Some(10), reason: "Called on the phone".to_owned() }
}

async fn begin(app: &CoreApp) -> (ImpersonationToken, Actor) {
    let record = app.patient_record().await;
    let begun = granted(app.admin().patient_impersonate().patient_id(record.id).body(reason()).send().await, 201);
    let acting = app.admin().holding(&begun.token);
    (begun, acting)
}

async fn status(actor: &Actor) -> u16 {
    Answer::to(actor.request(Method::GET, "/v1/me")).await.status.as_u16()
}

#[tokio::test]
async fn the_admin_is_the_patient_and_every_audit_row_names_both() {
    let app = CoreApp::start().await;
    let (begun, acting) = begin(&app).await;
    let patient = begun.impersonation.patient_id;
    let left = begun.impersonation.expires_at - Utc::now();
    assert!((TimeDelta::minutes(9)..=TimeDelta::minutes(10)).contains(&left), "{left}");

    let me = granted(acting.me_get().send().await, 200);
    assert_eq!((me.id, me.patient_id), (app.home().patient.user_id, Some(patient)));
    assert_eq!(granted(acting.patient_get().patient_id(patient).send().await, 200).id, patient);
    let booked = app.appointment_create(&app.staff(), app.home().specialist_id, patient, in_days(2, 9)).await;
    let cancel = restartix_sdk::core::types::CancelAppointment {
        reason: restartix_sdk::core::types::CancellationReason::PatientRequest,
    };
    granted(acting.appointment_cancel().appointment_id(booked.id).body(cancel).send().await, 200);

    let rows: Vec<(i64, Option<i64>, String)> = sqlx::query_as(
        "select actor_user_id, impersonator_user_id, operation_id from audit_log
         where impersonator_user_id is not null order by id",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let (user, admin) = (app.home().patient.user_id, Some(app.home().admin.user_id));
    let expected = ["patient_get", "appointment_cancel"].map(|operation| (user, admin, operation.to_owned()));
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn nothing_more_than_the_patient_may_is_allowed() {
    let app = CoreApp::start().await;
    let (begun, acting) = begin(&app).await;
    let other = app.patient_create(&app.staff(), "Bob", "Other").await.id;
    refused(acting.patient_get().patient_id(other).send().await, 404, "patient_not_found");
    refused(acting.patient_list().send().await, 403, "permission_denied");
    refused(acting.me_telemetry_token_create().send().await, 403, "impersonation_not_allowed");
    let switch = SwitchOrganization { organization_id: app.home().id };
    refused(acting.me_organization_switch().body(switch).send().await, 403, "impersonation_not_allowed");
    refused(
        acting.patient_impersonate().patient_id(begun.impersonation.patient_id).body(reason()).send().await,
        403,
        "permission_denied",
    );
    // Even if the user is an administrator elsewhere or a superadmin, the token is valid only here, and does not
    // disclose other roles.
    app.membership_add(&app.home().patient, app.away().id, test_support::Role::Admin).await;
    let user = app.home().patient.user_id;
    let platform = format!("update users set superadmin = true where id = {user}");
    app.owner().await.execute(AssertSqlSafe(platform)).await.unwrap();
    until("the change is known", CoreApp::PATIENCE, || async {
        granted(app.patient().me_get().send().await, 200).superadmin.then_some(())
    })
    .await;
    let me = granted(acting.me_get().send().await, 200);
    let memberships: Vec<i64> = me.memberships.iter().map(|membership| membership.organization_id).collect();
    assert_eq!((me.superadmin, memberships), (false, vec![app.home().id]));
    let organizations = granted(acting.organization_list().send().await, 200).data;
    assert_eq!(organizations.iter().map(|organization| organization.id).collect::<Vec<_>>(), [app.home().id]);
    let slug = app.away().slug.clone();
    refused(acting.organization_find().slug(slug).send().await, 404, "organization_not_found");
    refused(acting.in_organization(app.away().id).appointment_list().send().await, 404, "organization_not_found");
}

#[tokio::test]
async fn only_admins_of_the_clinic_act_as_patients_who_can_sign_in() {
    let app = CoreApp::start().await;
    let record = app.patient_record().await.id;
    for actor in [app.staff(), app.specialist(), app.patient()] {
        refused(actor.patient_impersonate().patient_id(record).body(reason()).send().await, 403, "permission_denied");
    }
    let other = app.other_admin();
    refused(other.patient_impersonate().patient_id(record).body(reason()).send().await, 404, "patient_not_found");
    let nobody = app.patient_create(&app.staff(), "Bob", "Paper").await.id;
    let admin = app.admin();
    refused(admin.patient_impersonate().patient_id(nobody).body(reason()).send().await, 409, "patient_has_no_user");
    for body in [
        BeginImpersonation { minutes: Some(31), ..reason() },
        BeginImpersonation { reason: " ".to_owned(), ..reason() },
    ] {
        refused(admin.patient_impersonate().patient_id(record).body(body).send().await, 422, "validation_failed");
    }
}

#[tokio::test]
async fn an_ended_impersonation_is_refused_at_once_here_and_is_heard_of_elsewhere() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (begun, here) = begin(&app).await;
    let there = here.at(&second.url());
    for actor in [&here, &there] {
        assert_eq!(status(actor).await, 200);
    }
    let id = begun.impersonation.id;
    refused(app.other_admin().impersonation_delete().impersonation_id(id).send().await, 404, "impersonation_not_found");
    granted(app.admin().impersonation_delete().impersonation_id(id).send().await, 204);
    refused(here.me_get().send().await, 401, "impersonation_ended");
    until("the other process refuses", CoreApp::HEARD, || async { (status(&there).await == 401).then_some(()) }).await;
}

#[tokio::test]
async fn it_ends_with_its_time_and_with_the_patients_record_and_for_good_with_a_role() {
    let app = CoreApp::start().await;
    let (begun, acting) = begin(&app).await;
    let (id, patient) = (begun.impersonation.id, begun.impersonation.patient_id);
    let changes = [
        (
            "update impersonations set expires_at = now()",
            "update impersonations set expires_at = now() + interval '9 min'",
        ),
        ("update patients set deleted_at = now()", "update patients set deleted_at = null"),
    ];
    for ((ends, mends), scope) in changes.iter().zip([format!("where id = {id}"), format!("where id = {patient}")]) {
        let sql = |statement: &str| format!("{statement} {scope}");
        until("it lasts", CoreApp::PATIENCE, || async { (status(&acting).await == 200).then_some(()) }).await;
        app.owner().await.execute(AssertSqlSafe(sql(ends))).await.unwrap();
        until(ends, CoreApp::PATIENCE, || async { (status(&acting).await == 401).then_some(()) }).await;
        app.owner().await.execute(AssertSqlSafe(sql(mends))).await.unwrap();
    }
    until("it lasts", CoreApp::PATIENCE, || async { (status(&acting).await == 200).then_some(()) }).await;
    // An ended impersonation stays ended when its user becomes an administrator again.
    let user = app.home().admin.user_id;
    for role in ["staff", "admin"] {
        let sql = format!("update memberships set role = '{role}' where user_id = {user}");
        app.owner().await.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    until("the administrator is one again", CoreApp::PATIENCE, || async {
        let me = granted(app.admin().me_get().send().await, 200);
        (me.role.map(|role| role.to_string()).as_deref() == Some("admin")).then_some(())
    })
    .await;
    until("it has ended", CoreApp::PATIENCE, || async { (status(&acting).await == 401).then_some(()) }).await;
}

#[tokio::test]
async fn it_lasts_no_longer_than_the_session_it_was_begun_from() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (admin, record) = (app.home().admin.clone(), app.patient_record().await.id);
    let begin_from = async |sid: &str| {
        let claims = SessionClaims::of(&admin.clerk_id).with("sid", json!(sid));
        let from = app.admin().holding(&Issuer::sign(&claims.0));
        let begun = granted(from.patient_impersonate().patient_id(record).body(reason()).send().await, 201);
        app.admin().holding(&begun.token)
    };
    let stays = begin_from("sess_other").await;
    for (number, kind) in ["session.ended", "session.removed", "session.revoked"].iter().enumerate() {
        let sid = format!("sess_{number}");
        let here = begin_from(&sid).await;
        let there = here.at(&second.url());
        for actor in [&here, &there] {
            assert_eq!(status(actor).await, 200);
        }
        told(&app, ClerkEvent::new(kind, json!({ "id": sid, "user": admin.clerk_id, "at": 1_000 }))).await;
        refused(here.me_get().send().await, 401, "impersonation_ended");
        let ((), took) = until("the other process refuses", CoreApp::HEARD, || async {
            (status(&there).await == 401).then_some(())
        })
        .await;
        println!("{kind}: refused by the other process {took:?} after the answer");
    }
    for actor in [&stays, &stays.at(&second.url())] {
        assert_eq!(status(actor).await, 200, "of another session of the same administrator's");
    }
}
