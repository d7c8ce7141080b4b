//! Forms that are due: with their appointments, for their patients, and when they are overdue.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::core::types::{
    CancelAppointment, CancellationReason, CreateForm, Form, FormStatus, RescheduleAppointment,
};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use test_support::{Actor, Answer, CoreApp, granted, in_days, until};

use crate::{
    appointment::moved,
    form::{now, of, opened, saved, submitted, template},
    form_appointment::attached,
    form_template::scale,
    form_void::voided,
};

/// Returns what is due for a patient.
async fn due(me: &Actor, query: &str) -> Vec<Value> {
    let answer = Answer::to(me.request(Method::GET, &format!("/v1/me/forms{query}"))).await.json(200);
    answer["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_form_is_due_when_its_appointment_begins_wherever_that_moves() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let asks = template(&admin, &[scale("pain")]).await.id;
    let other = template(&admin, &[scale("sleep")]).await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    let [form] = attached(&staff, booked.id, &[asks]).await[..] else { panic!("one form") };
    let body = CreateForm { due_at: Some(in_days(2, 9)), ..of(other, patient) };
    let alone = granted(staff.form_create().body(body).send().await, 201).id;
    let body = RescheduleAppointment { specialist_id: None, started_at: in_days(5, 11), version: None };
    let booked = granted(staff.appointment_reschedule().appointment_id(booked.id).body(body).send().await, 200);
    assert_eq!(now(&staff, form).await.due_at, Some(in_days(5, 11)));
    let change = moved(&booked, TimeDelta::hours(2));
    granted(staff.appointment_update().appointment_id(booked.id).body(change).send().await, 200);
    let due = now(&staff, form).await;
    assert_eq!((due.due_at, due.appointment_id), (Some(in_days(5, 13)), Some(booked.id)));
    assert_eq!(now(&staff, alone).await.due_at, Some(in_days(2, 9)), "its time is its own");
}

#[tokio::test]
async fn a_patient_is_shown_what_is_due_with_its_definition_in_the_asked_language() {
    let app = CoreApp::start().await;
    let (admin, staff, me) = (app.admin(), app.staff(), app.patient());
    let patient = app.patient_record().await.id;
    let other = app.patient_create(&staff, "Tom", "Other").await.id;
    let mut pain = scale("pain");
    pain["field"]["definition"]["translations"] = json!([{ "language": "ro", "label": "Durere" }]);
    let asks = template(&admin, &[pain]).await.id;
    let specialist = app.home().specialist_id;
    let later = app.appointment_create(&staff, specialist, patient, in_days(5, 9)).await.id;
    let sooner = app.appointment_create(&staff, specialist, patient, in_days(2, 9)).await.id;
    let void = opened(&staff, asks, patient).await;
    let without = opened(&staff, asks, patient).await;
    let [of_later] = attached(&staff, later, &[asks]).await[..] else { panic!("one form") };
    let [of_sooner] = attached(&staff, sooner, &[asks]).await[..] else { panic!("one form") };
    opened(&staff, asks, other).await;
    voided(&admin, &void).await;
    saved(&me, &now(&me, of_sooner).await, json!({ "pain": 6 })).await;

    let shown = due(&me, "?language=ro").await;
    let listed: Vec<_> = shown.iter().map(|form| form["id"].as_i64().unwrap()).collect();
    assert_eq!(listed, [of_sooner, of_later, without.id], "what is due first, and last what is never due");
    let label = |form: &Value| form["definition"]["sections"][0]["items"][0]["field"]["definition"]["label"].clone();
    assert_eq!((label(&shown[0]), &shown[0]["values"]), (json!("Durere"), &json!({ "pain": 6 })));
    assert_eq!((&shown[0]["appointment_id"], &shown[1]["appointment_id"]), (&json!(sooner), &json!(later)));
    let begins = |form: &Value| form["appointment_started_at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    assert_eq!((begins(&shown[0]), begins(&shown[2])), (Some(in_days(2, 9)), None));
    let whole: Form = serde_json::from_value(shown[0].clone()).expect("it is a whole form");
    assert_eq!(whole.version, now(&me, of_sooner).await.version);
    assert_eq!(label(&due(&me, "").await[0]), "pain", "the language of the form");

    // Forms that are submitted, or whose appointment does not take place, are due no longer.
    submitted(&me, &now(&me, of_sooner).await).await;
    let cancel = CancelAppointment { reason: CancellationReason::PatientRequest };
    granted(staff.appointment_cancel().appointment_id(later).body(cancel).send().await, 200);
    let listed: Vec<_> = due(&me, "").await.iter().map(|form| form["id"].clone()).collect();
    assert_eq!(listed, [json!(without.id)]);
    for actor in [&admin, &staff, &app.specialist()] {
        Answer::to(actor.request(Method::GET, "/v1/me/forms")).await.refusal(403, "permission_denied");
    }
}

#[tokio::test]
async fn further_forms_are_listed_once_the_first_ones_are_submitted() {
    let app = CoreApp::start().await;
    let (admin, staff, me) = (app.admin(), app.staff(), app.patient());
    let patient = app.patient_record().await.id;
    let asks = template(&admin, &[scale("pain")]).await.id;
    let mut forms = Vec::new();
    for _ in 0..21 {
        forms.push(opened(&staff, asks, patient).await);
    }
    let ids: Vec<i64> = forms.iter().map(|form| form.id).collect();
    let listed = async || {
        let listed = granted(me.me_form_list().send().await, 200).data;
        listed.iter().map(|form| form.id).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, ids[..20]);
    submitted(&me, &forms[0]).await;
    assert_eq!(listed().await, ids[1..]);
}

/// Runs the search for overdue forms, and waits until it has ended.
async fn sweep(app: &CoreApp) {
    const KIND: &str = "forms_overdue";
    let begun = "update jobs set run_at = now(), attempts = 0 where kind = $1 and state = 'queued'
                 returning clock_timestamp()";
    let (begun, _) = until("the search is planned", CoreApp::PATIENCE, || async {
        let begun = sqlx::query_scalar::<_, DateTime<Utc>>(begun).bind(KIND);
        begun.fetch_optional(&mut app.owner().await).await.unwrap()
    })
    .await;
    until("the search is done and planned again", CoreApp::PATIENCE, || async {
        let done = "select true from jobs where kind = $1 and state = 'queued' and run_at > $2 + interval '5 seconds'";
        let done = sqlx::query_scalar::<_, bool>(done).bind(KIND).bind(begun);
        done.fetch_optional(&mut app.owner().await).await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_form_is_said_to_be_overdue_once() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let asks = template(&admin, &[scale("pain")]).await.id;
    let create = async |due_at: Option<DateTime<Utc>>| {
        let body = CreateForm { due_at, ..of(asks, patient) };
        granted(staff.form_create().body(body).send().await, 201)
    };
    let late = create(Some(in_days(1, 9))).await;
    let in_time = create(Some(in_days(1, 9))).await;
    let never = create(None).await.id;
    let later = create(Some(in_days(9, 9))).await.id;
    submitted(&staff, &in_time).await;
    let pass =
        format!("update forms set due_at = now() - interval '1 minute' where id in ({}, {})", late.id, in_time.id);
    sqlx::raw_sql(AssertSqlSafe(pass)).execute(&mut app.owner().await).await.unwrap();
    for _ in 0..3 {
        sweep(&app).await;
    }
    let said: Vec<(Option<String>, i64, String)> = sqlx::query_as(
        "select entity_id, organization_id, actor_kind from audit_log
         where entity_type = 'form' and action = 'overdue'",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].0.clone(), said[0].1), (Some(late.id.to_string()), app.home().id));
    assert_ne!(said[0].2, "user", "nobody did it");
    let overdue = now(&staff, late.id).await;
    assert!(overdue.overdue_at.is_some_and(|at| at <= Utc::now() + TimeDelta::seconds(5)));
    assert_eq!((overdue.version, overdue.status), (late.version, FormStatus::Draft), "it is no change of the form");
    for other in [in_time.id, never, later] {
        assert_eq!(now(&staff, other).await.overdue_at, None);
    }
    // It can be answered all the same.
    submitted(&staff, &overdue).await;
}

/// Counts the forms that were said to be overdue.
async fn said(app: &CoreApp) -> i64 {
    app.count("select count(*) from audit_log where entity_type = 'form' and action = 'overdue'").await
}

/// Lets the time of every form pass.
async fn pass(app: &CoreApp) {
    let pass = "update forms set due_at = now() - interval '1 minute'";
    sqlx::raw_sql(pass).execute(&mut app.owner().await).await.unwrap();
}

#[tokio::test]
async fn forms_that_nobody_has_to_submit_are_not_overdue() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let asks = template(&admin, &[scale("pain")]).await.id;
    let (mut booked, mut forms) = (Vec::new(), Vec::new());
    for day in 2..5 {
        let appointment = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(day, 9)).await.id;
        let [form] = attached(&staff, appointment, &[asks]).await[..] else { panic!("one form") };
        booked.push(appointment);
        forms.push(form);
    }
    let cancel = CancelAppointment { reason: CancellationReason::PatientRequest };
    granted(staff.appointment_cancel().appointment_id(booked[0]).body(cancel).send().await, 200);
    granted(admin.appointment_delete().appointment_id(booked[1]).send().await, 204);
    voided(&admin, &now(&staff, forms[2]).await).await;
    pass(&app).await;
    sweep(&app).await;
    for form in forms {
        let form = now(&staff, form).await;
        assert_eq!((form.due_at, form.overdue_at), (None, None), "form {}", form.id);
    }
    assert_eq!(said(&app).await, 0);
}

#[tokio::test]
async fn a_form_is_overdue_again_only_after_a_later_time() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let asks = template(&admin, &[scale("pain")]).await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await.id;
    let [form] = attached(&staff, booked, &[asks]).await[..] else { panic!("one form") };
    let moved = async |started_at: DateTime<Utc>| {
        let body = RescheduleAppointment { specialist_id: None, started_at, version: None };
        granted(staff.appointment_reschedule().appointment_id(booked).body(body).send().await, 200).started_at
    };
    pass(&app).await;
    sweep(&app).await;
    let overdue = now(&staff, form).await.overdue_at;
    assert!(overdue.is_some());
    // The clinic corrects the time at which the appointment has begun.
    let started_at = moved(Utc::now() - TimeDelta::hours(3)).await;
    sweep(&app).await;
    let corrected = now(&staff, form).await;
    assert_eq!((corrected.due_at, corrected.overdue_at), (Some(started_at), overdue));
    assert_eq!(said(&app).await, 1);
    // Nor does a correction make a form overdue that was attached after the beginning.
    let other = template(&admin, &[scale("sleep")]).await.id;
    let late = attached(&staff, booked, &[other]).await[1];
    assert_eq!(now(&staff, late).await.due_at, None);
    moved(Utc::now() - TimeDelta::hours(2)).await;
    assert_eq!(now(&staff, late).await.due_at, None);
    let started_at = moved(in_days(5, 9)).await;
    for form in [form, late] {
        let form = now(&staff, form).await;
        assert_eq!((form.due_at, form.overdue_at), (Some(started_at), None), "there is time");
    }
    pass(&app).await;
    sweep(&app).await;
    assert_eq!(said(&app).await, 3, "the first form once more, and the other one");
}
