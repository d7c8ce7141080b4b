//! Forms of appointments: created with the booking, or attached afterwards.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use restartix_sdk::core::types::{CancelAppointment, CancellationReason, CreatePatient, FormStatus, UpdateAppointment};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};
use test_support::{Actor, Answer, CoreApp, granted, in_days};
use uuid::Uuid;

use crate::{
    appointment::unchanged,
    custom_field::field,
    form::{history, item, now, opened, saved, template, values},
    form_template::{created, scale},
    form_void::voiding,
    profile::{Of, set},
};

/// Creates an appointment template of 45 minutes that asks for these forms.
pub(crate) async fn asking(admin: &Actor, forms: &[i64]) -> i64 {
    let body = json!({
        "name": format!("Visit {}", Uuid::new_v4()), "duration_minutes": 45, "modality": "in_person",
        "form_template_ids": forms,
    });
    let made = Answer::to(admin.request(Method::POST, "/v1/appointment-templates").json(&body)).await.json(201);
    assert_eq!(made["form_template_ids"], json!(forms), "in their order");
    made["id"].as_i64().unwrap()
}

/// Returns the body that books an appointment by a template.
pub(crate) fn booking(app: &CoreApp, template: i64, patient: i64, started_at: DateTime<Utc>) -> Value {
    json!({
        "appointment_template_id": template, "specialist_id": app.home().specialist_id, "patient_id": patient,
        "started_at": started_at,
    })
}

/// Asks to book an appointment by a template, with its forms.
async fn book(actor: &Actor, body: &Value) -> Answer {
    Answer::to(actor.request(Method::POST, "/v1/appointments/from-template").json(body)).await
}

/// Asks to attach forms to an appointment.
async fn attach(actor: &Actor, appointment: i64, templates: &[i64]) -> Answer {
    let path = format!("/v1/appointments/{appointment}/attach-forms");
    Answer::to(actor.request(Method::POST, &path).json(&json!({ "form_template_ids": templates }))).await
}

/// Returns the ids of the forms in an answer.
fn ids(forms: &Value) -> Vec<i64> {
    forms.as_array().unwrap().iter().map(|form| form["id"].as_i64().unwrap()).collect()
}

/// Attaches forms to an appointment; returns their ids.
pub(crate) async fn attached(actor: &Actor, appointment: i64, templates: &[i64]) -> Vec<i64> {
    ids(&attach(actor, appointment, templates).await.json(200)["forms"])
}

/// Returns the ids of the forms of an appointment, the earliest first.
pub(crate) async fn of_appointment(actor: &Actor, appointment: i64) -> Vec<i64> {
    let list = actor.form_list().appointment_id(appointment).send().await;
    let mut ids: Vec<i64> = granted(list, 200).data.iter().map(|form| form.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn an_appointment_by_a_template_comes_with_its_forms_prefilled_and_due() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let record = CreatePatient { phone: Some("+49 30 1234567".to_owned()), ..CoreApp::new_patient("Ann", "Lee") };
    let patient = granted(staff.patient_create().body(record).send().await, 201).id;
    let mut phone = item("phone", "phone");
    phone["field"]["prefill"] = json!({ "patient": "phone" });
    let first = template(&admin, &[phone]).await.id;
    let second = template(&admin, &[scale("pain")]).await.id;
    let visit = asking(&admin, &[second, first]).await;
    let started_at = in_days(3, 9);
    let made = book(&staff, &booking(&app, visit, patient, started_at)).await.json(201);
    let id = made["appointment"]["id"].as_i64().unwrap();
    let appointment = granted(staff.appointment_get().appointment_id(id).send().await, 200);
    assert_eq!((appointment.started_at, appointment.ended_at - started_at), (started_at, TimeDelta::minutes(45)));
    assert_eq!(appointment.patient_id, patient);
    let forms = ids(&made["forms"]);
    assert_eq!(of_appointment(&admin, id).await, forms);
    let mut shown = Vec::new();
    for form in forms {
        shown.push(now(&staff, form).await);
    }
    assert_eq!(shown.iter().map(|form| form.form_template_id).collect::<Vec<_>>(), [second, first], "in their order");
    for form in &shown {
        assert_eq!((form.appointment_id, form.due_at, form.status), (Some(id), Some(started_at), FormStatus::Draft));
        assert_eq!((form.patient_id, form.created_by_user_id), (patient, Some(app.home().staff.user_id)));
        assert_eq!(history(&staff, form.id).await.len(), 1);
    }
    assert_eq!(values(&shown[1]), json!({ "phone": "+49301234567" }));
    assert_eq!(shown[1].prefilled["phone"].patient.as_deref(), Some("phone"));
    // Templates that can't be asked any more, or not yet, are left out and named.
    granted(admin.form_template_delete().form_template_id(second).send().await, 204);
    let made = book(&admin, &booking(&app, visit, patient, in_days(6, 9))).await.json(201);
    let [form] = ids(&made["forms"])[..] else { panic!("one form is left: {made:#}") };
    assert_eq!(now(&staff, form).await.form_template_id, first);
    assert_eq!(made["omitted_form_template_ids"], json!([second]));
    // A template that asks for nothing books all the same.
    let none = asking(&admin, &[]).await;
    let made = book(&admin, &booking(&app, none, patient, in_days(4, 9))).await.json(201);
    assert_eq!(made["forms"], json!([]));
    book(&app.patient(), &booking(&app, none, patient, in_days(5, 9))).await.refusal(403, "permission_denied");
}

#[tokio::test]
async fn a_booking_whose_forms_fail_leaves_nothing() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let first = template(&admin, &[scale("pain")]).await.id;
    let second = template(&admin, &[scale("sleep")]).await.id;
    let visit = asking(&admin, &[first, second]).await;
    let body = booking(&app, visit, patient, in_days(3, 9));
    let failing = format!(
        "create function forms_fail() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;
         create trigger forms_fail before insert on forms for each row when (new.form_template_id = {second})
             execute function forms_fail();"
    );
    sqlx::raw_sql(AssertSqlSafe(failing)).execute(&mut app.owner().await).await.unwrap();
    let failed = book(&staff, &body).await;
    assert!(failed.status.is_server_error(), "{}: {}", failed.status, failed.body);
    for nothing in [
        "select count(*) from appointments",
        "select count(*) from forms",
        "select count(*) from appointment_forms",
        "select count(*) from form_changes",
        "select count(*) from audit_log where entity_type in ('form', 'appointment') and outcome = 'succeeded'
                                          and action = 'created'",
    ] {
        assert_eq!(app.count(nothing).await, 0, "{nothing}");
    }
    sqlx::raw_sql("drop trigger forms_fail on forms").execute(&mut app.owner().await).await.unwrap();
    assert_eq!(ids(&book(&staff, &body).await.json(201)["forms"]).len(), 2);
    // Nor does a slot that is taken leave forms.
    book(&staff, &body).await.refusal(409, "slot_taken");
    assert_eq!(app.count("select count(*) from forms").await, 2);
}

#[tokio::test]
async fn a_template_is_attached_once_to_an_appointment() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_record().await.id;
    let first = template(&admin, &[scale("pain")]).await.id;
    let second = template(&admin, &[scale("sleep")]).await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    let [form] = attached(&staff, booked.id, &[first]).await[..] else { panic!("one form") };
    let shown = now(&staff, form).await;
    assert_eq!((shown.appointment_id, shown.due_at), (Some(booked.id), Some(booked.started_at)));
    let answered = saved(&staff, &shown, json!({ "pain": 3 })).await;
    for actor in [&admin, &staff, &app.specialist()] {
        assert_eq!(attached(actor, booked.id, &[first]).await, [form]);
    }
    assert_eq!(now(&staff, form).await.version, answered.version, "what is there stays as it is");
    let both = attached(&admin, booked.id, &[first, second]).await;
    assert_eq!((both[0], both.len()), (form, 2));
    assert_eq!(of_appointment(&staff, booked.id).await, both);
    attach(&app.patient(), booked.id, &[first]).await.refusal(403, "permission_denied");
    attach(&app.other_admin(), booked.id, &[first]).await.refusal(404, "appointment_not_found");
    let unknown = attach(&staff, booked.id, &[first, second + 1_000]).await.refusal(422, "validation_failed");
    assert_eq!(unknown.fields(), [("/form_template_ids/1", "unknown_reference")]);
    let draft = created(&admin).await.id;
    let refusal = attach(&staff, booked.id, &[draft]).await.refusal(409, "form_template_not_published");
    assert_eq!(refusal.details["form_template_ids"], json!([draft]));
    assert_eq!(app.count("select count(*) from forms").await, 2);

    // A form that is void does not count, so that another one can be attached.
    let void = granted(voiding(&admin, &answered, "For another leg.").await, 200);
    assert_eq!(void.status, FormStatus::Void);
    let [_, again] = attached(&staff, booked.id, &[first]).await[..] else { panic!("the other and a new one") };
    assert!(!both.contains(&again));
    assert_eq!(attached(&staff, booked.id, &[first]).await, [both[1], again], "every form that counts");
    let cancel = CancelAppointment { reason: CancellationReason::PatientRequest };
    granted(staff.appointment_cancel().appointment_id(booked.id).body(cancel).send().await, 200);
    let refusal = attach(&staff, booked.id, &[first]).await.refusal(409, "appointment_not_open");
    assert_eq!(refusal.details["status"], "cancelled");
}

#[tokio::test]
async fn the_forms_of_an_appointments_template_are_attached_when_none_are_named() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let first = template(&admin, &[scale("pain")]).await.id;
    let visit = asking(&admin, &[first]).await;
    let made = book(&staff, &booking(&app, visit, patient, in_days(3, 9))).await.json(201);
    let appointment = made["appointment"]["id"].as_i64().unwrap();
    let path = format!("/v1/appointments/{appointment}/attach-forms");
    let again = Answer::to(staff.request(Method::POST, &path).json(&json!({}))).await.json(200);
    assert_eq!((ids(&again["forms"]), &again["omitted_form_template_ids"]), (ids(&made["forms"]), &json!([])));
    let without = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(4, 9)).await.id;
    let path = format!("/v1/appointments/{without}/attach-forms");
    let none = Answer::to(staff.request(Method::POST, &path).json(&json!({}))).await.json(200);
    assert_eq!(none["forms"], json!([]), "an appointment without a template has none");
    assert_eq!(app.count("select count(*) from forms").await, 1);
}

#[tokio::test]
async fn twenty_who_attach_a_template_at_once_make_one_form() {
    let app = CoreApp::builder().env("DB_ACQUIRE_TIMEOUT", "60s").start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let templates = [template(&admin, &[scale("pain")]).await.id, template(&admin, &[scale("sleep")]).await.id];
    for round in 0..3 {
        let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2 + round, 9)).await.id;
        let reversed = [templates[1], templates[0]];
        let attaching =
            (0..20).map(|number| attach(&staff, booked, if number % 2 == 0 { &templates } else { &reversed }));
        let answers = join_all(attaching).await;
        let forms: BTreeSet<i64> = answers.iter().flat_map(|answer| ids(&answer.json(200)["forms"])).collect();
        assert_eq!(forms.len(), 2, "round {round}: {forms:?}");
        assert_eq!(of_appointment(&staff, booked).await, forms.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(app.count("select count(*) from forms").await, 6);
    let created = "select count(*) from audit_log where entity_type = 'form' and action = 'created'";
    assert_eq!(app.count(created).await, 6);
}

#[tokio::test]
async fn an_appointment_given_to_another_patient_leaves_its_forms() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let first = app.patient_create(&staff, "Ann", "Lee").await.id;
    let second = app.patient_create(&staff, "Tom", "Other").await.id;
    let template = template(&admin, &[scale("pain")]).await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, first, in_days(2, 9)).await;
    let [form] = attached(&staff, booked.id, &[template]).await[..] else { panic!("one form") };
    let due = saved(&staff, &now(&staff, form).await, json!({ "pain": 7 })).await;
    assert_eq!(due.due_at, Some(booked.started_at));
    let change = UpdateAppointment { patient_id: second, ..unchanged(&booked) };
    granted(staff.appointment_update().appointment_id(booked.id).body(change).send().await, 200);
    let left = now(&staff, form).await;
    assert_eq!((left.patient_id, left.appointment_id, values(&left)), (first, None, json!({ "pain": 7 })));
    assert_eq!(left.due_at, None, "its patient has no appointment any more by which it is due");
    assert_eq!(app.count("select count(*) from forms where due_with_appointment").await, 0);
    assert_eq!(of_appointment(&staff, booked.id).await, [0; 0]);
    let [new] = attached(&staff, booked.id, &[template]).await[..] else { panic!("one form") };
    let new = now(&staff, new).await;
    assert_eq!((new.patient_id, values(&new)), (second, json!({})));
}

#[tokio::test]
async fn forms_are_created_and_filled_in_while_a_custom_field_changes() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    field(&admin, "patient", "hand", json!({})).await;
    set(&admin, Of::Patient(patient), 0, json!({ "hand": "left" })).await;
    let mut hand = item("hand", "text");
    hand["field"]["prefill"] = json!({ "profile": "hand" });
    let asks = template(&admin, &[hand]).await.id;
    let visit = asking(&admin, &[asks]).await;
    let other = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(4, 9)).await.id;
    // The lock of a change that has not ended.
    let mut owner = app.owner().await;
    let mut change = owner.begin().await.unwrap();
    let lock = format!("select pg_advisory_xact_lock(hashtextextended('fields:{}:0', 0))", app.home().id);
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *change).await.unwrap();
    let booked = book(&staff, &booking(&app, visit, patient, in_days(3, 9))).await.json(201);
    let mut forms = ids(&booked["forms"]);
    forms.extend(attached(&staff, other, &[asks]).await);
    forms.push(opened(&staff, asks, patient).await.id);
    change.rollback().await.unwrap();
    assert_eq!(forms.len(), 3);
    for form in forms {
        assert_eq!(values(&now(&staff, form).await), json!({ "hand": "left" }));
    }
}
