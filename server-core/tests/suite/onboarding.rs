//! `POST /v1/patients/onboard`: patient, invitation and consents at once, or nothing.

use std::collections::BTreeSet;

use reqwest::Method;
use restartix_sdk::core::types::{
    ConsentDecision, ConsentPurpose, CreatePatient, DuplicateReason, InvitationKind, InvitationStatus, LinkRecord,
    MemberRole, OnboardPatient, OnboardedPatient,
};
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;
use test_support::{Actor, Answer, CoreApp, granted, refused};
use uuid::Uuid;

use crate::{
    invitation::{mine, signed_up},
    patient::complete,
};

const PATH: &str = "/v1/patients/onboard";

/// Returns the body that onboards a patient with a value in every field.
pub(crate) fn whole() -> OnboardPatient {
    OnboardPatient { login: Some(to_email("grace.sample@example.com")), consents: consents(), ..only(complete()) }
}

/// Returns the body that onboards a patient and nothing else.
pub(crate) fn only(patient: CreatePatient) -> OnboardPatient {
    OnboardPatient { patient, login: None, values: Map::new(), consents: Vec::new() }
}

pub(crate) fn to_email(email: &str) -> LinkRecord {
    LinkRecord { email: Some(email.to_owned()), user_id: None }
}

pub(crate) fn consents() -> Vec<ConsentDecision> {
    let decision = |purpose, granted| ConsentDecision { purpose, granted, text_version: "2026-11".to_owned() };
    vec![decision(ConsentPurpose::Analytics, true), decision(ConsentPurpose::Pose, false)]
}

pub(crate) async fn onboard(actor: &Actor, body: OnboardPatient) -> OnboardedPatient {
    granted(actor.patient_onboard().body(body).send().await, 201)
}

async fn execute(app: &CoreApp, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
}

/// Returns the numbers of rows that an onboarding adds.
async fn left(app: &CoreApp) -> [i64; 6] {
    [
        app.count("select count(*) from patients").await,
        app.count("select count(*) from data_keys where not of_organization").await,
        app.count("select count(*) from invitations").await,
        app.count("select count(*) from consent_outbox").await,
        app.count("select count(*) from jobs where kind in ('consent_push', 'invitation_send')").await,
        app.count("select count(*) from audit_log where operation_id = 'patient_onboard' and outcome = 'succeeded'")
            .await,
    ]
}

#[tokio::test]
async fn everything_is_entered_at_once() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let onboarded = onboard(&staff, whole()).await;
    let patient = &onboarded.patient;
    assert_eq!(
        (patient.version, patient.user_id, patient.email.as_deref()),
        (1, None, Some("Grace.Sample@example.com"))
    );
    assert_eq!(patient.clinical_notes, None, "the front desk writes no notes");
    let read = granted(staff.patient_get().patient_id(patient.id).send().await, 200);
    assert_eq!(&read, patient);
    let invitation = onboarded.invitation.as_ref().expect("the person is invited");
    assert_eq!((invitation.kind, invitation.status), (InvitationKind::PatientLink, InvitationStatus::Pending));
    assert_eq!((invitation.patient_id, invitation.role), (Some(patient.id), MemberRole::Patient));
    assert_eq!(invitation.email.as_deref(), Some("grace.sample@example.com"));
    assert!(onboarded.possible_duplicates.is_empty());
    assert_eq!(left(&app).await, [1, 1, 1, 2, 2, 4]);

    let sql = "select entity_type || '.' || action from audit_log where operation_id = 'patient_onboard' order by 1";
    let events: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut app.owner().await).await.unwrap();
    let expected = ["invitation.created", "patient.consent_recorded", "patient.created", "patient.link_requested"];
    assert_eq!(events, expected);
    let requests = "select count(distinct request_id) from audit_log where operation_id = 'patient_onboard'";
    assert_eq!(app.count(requests).await, 1);

    // The person accepts, and signs in as the patient.
    let grace = app.actor(&signed_up(&app, "Grace", "grace.sample@example.com").await);
    assert_eq!(mine(&grace).await.len(), 1);
    granted(grace.me_invitation_accept().invitation_id(invitation.id).send().await, 200);
    let own = granted(grace.in_organization(app.home().id).patient_get().patient_id(patient.id).send().await, 200);
    assert_eq!(own.user_id, Some(grace.person().user_id));
}

#[tokio::test]
async fn a_name_is_enough() {
    let app = CoreApp::start().await;
    let body = json!({ "patient": { "first_name": "Ann", "last_name": "Lee" } });
    let answer = Answer::to(app.staff().request(Method::POST, PATH).json(&body)).await.json(201);
    assert_eq!((&answer["invitation"], &answer["possible_duplicates"]), (&Value::Null, &json!([])));
    assert_eq!(left(&app).await, [1, 1, 0, 0, 0, 1]);
}

#[tokio::test]
async fn after_a_fault_nothing_is_left() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let first = onboard(&staff, whole()).await.patient;
    let before = left(&app).await;
    let again = OnboardPatient { login: Some(to_email("another@example.com")), ..whole() };
    let spelt = CreatePatient { email: Some("GRACE.sample@EXAMPLE.com".to_owned()), ..again.patient.clone() };
    for actor in [&admin, &staff] {
        let body = OnboardPatient { patient: spelt.clone(), ..again.clone() };
        let refusal = refused(actor.patient_onboard().body(body).send().await, 409, "patient_email_taken");
        assert_eq!(refusal.details["patient_id"], first.id);
    }
    assert_eq!(left(&app).await, before);

    // The last statement fails, as if the database did.
    execute(
        &app,
        "create function broken() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$;
         create trigger broken before insert on consent_outbox for each row execute function broken()",
    )
    .await;
    let body = OnboardPatient { patient: CreatePatient { email: None, ..complete() }, ..again.clone() };
    let key = Uuid::now_v7().to_string();
    let request = || admin.patient_onboard().idempotency_key(key.clone()).body(body.clone());
    refused(request().send().await, 500, "internal_error");
    assert_eq!(left(&app).await, before);
    execute(&app, "drop trigger broken on consent_outbox").await;
    // The failure was no answer to be kept.
    let onboarded = granted(request().send().await, 201);
    let repeated = granted(request().send().await, 201);
    assert_eq!((onboarded.patient.id, onboarded.invitation), (repeated.patient.id, repeated.invitation));
    let after = left(&app).await;
    assert_eq!(
        [after[0], after[2], after[3]],
        [before[0] + 1, before[2] + 1, before[3] + 2],
        "the repetition adds nothing"
    );
}

#[tokio::test]
async fn every_wrong_value_is_named_at_once() {
    let app = CoreApp::start().await;
    let consent = |purpose: &str| json!({ "purpose": purpose, "granted": true, "text_version": "2026-11" });
    let patient = json!({
        "first_name": "Ann", "last_name": "Lee", "date_of_birth": "2999-01-01", "phone": "+49 1",
    });
    let stranger = app.away().patient.user_id;
    for (login, fault) in [
        (json!({}), ("/login/email", "one_of")),
        (json!({ "email": "ann@example.org", "user_id": 1 }), ("/login/email", "one_of")),
        (json!({ "user_id": stranger }), ("/login/user_id", "unknown_reference")),
    ] {
        let consents = [consent("media"), consent("media")];
        let body = json!({ "patient": patient, "login": login, "consents": consents });
        let refusal = Answer::to(app.admin().request(Method::POST, PATH).json(&body)).await;
        let refusal = refusal.refusal(422, "validation_failed");
        let expected = [
            ("/consents/1/purpose", "repeated"),
            fault,
            ("/patient/date_of_birth", "range"),
            ("/patient/phone", "phone"),
        ];
        assert_eq!(refusal.fields(), expected);
    }
    // The schema names its faults alike.
    let body = json!({
        "patient": { "first_name": "" },
        "login": { "email": "no address" },
        "consents": [{ "purpose": "sport", "granted": "yes", "text_version": "a b" }],
    });
    let refusal = Answer::to(app.admin().request(Method::POST, PATH).json(&body)).await;
    let refusal = refusal.refusal(422, "validation_failed");
    let pointers: BTreeSet<&str> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
    for pointer in ["/consents/0/granted", "/consents/0/purpose", "/consents/0/text_version", "/login/email"] {
        assert!(pointers.contains(pointer), "{pointer} is missing: {pointers:?}");
    }
    assert!(pointers.iter().any(|pointer| pointer.starts_with("/patient")), "{pointers:?}");
    let many = vec![consent("media"); 4];
    let body = json!({ "patient": { "first_name": "Ann", "last_name": "Lee" }, "consents": many });
    Answer::to(app.admin().request(Method::POST, PATH).json(&body)).await.refusal(422, "validation_failed");
    assert_eq!(left(&app).await, [0; 6]);
}

/// Creates custom fields of patients: a text that is protected health information, a number, and one for
/// administrators.
async fn fields(app: &CoreApp) {
    for (key, kind, phi, roles) in [
        ("planted_note", "text", true, json!(["staff"])),
        ("pain", "integer", false, json!(["staff"])),
        ("rating", "integer", false, json!([])),
    ] {
        let definition = json!({ "field_type": kind, "label": key, "phi": phi });
        let body = json!({
            "entity": "patient", "key": key, "definition": definition, "readable_by": roles, "writable_by": roles,
        });
        Answer::to(app.admin().request(Method::POST, "/v1/custom-fields").json(&body)).await.json(201);
    }
}

fn values(values: Value) -> Map<String, Value> {
    serde_json::from_value(values).unwrap()
}

#[tokio::test]
async fn first_values_are_those_of_the_profile() {
    let app = CoreApp::start().await;
    fields(&app).await;
    let given = json!({ "planted_note": "planted-first-value", "pain": 3 });
    let onboarded = onboard(&app.staff(), OnboardPatient { values: values(given), ..whole() }).await;
    let path = format!("/v1/patients/{}/profile", onboarded.patient.id);
    let profile = Answer::to(app.staff().request(Method::GET, &path)).await.json(200);
    assert_eq!(profile["version"], 1, "{profile}");
    let value = |key: &str| profile["values"][key]["value"].clone();
    assert_eq!((value("planted_note"), value("pain")), (json!("planted-first-value"), json!(3)));
    let sql =
        "select changed_fields from audit_log where operation_id = 'patient_onboard' and action = 'profile_updated'";
    let mut named: Vec<String> = sqlx::query_scalar(sql).fetch_one(&mut app.owner().await).await.unwrap();
    named.sort_unstable();
    assert_eq!(named, ["values.pain", "values.planted_note"]);
    assert!(!String::from_utf8_lossy(&app.database.dump()).contains("planted-first-value"));
}

#[tokio::test]
async fn wrong_first_values_are_named_with_everything_else() {
    let app = CoreApp::start().await;
    fields(&app).await;
    let consent = json!({ "purpose": "media", "granted": true, "text_version": "2026-11" });
    let body = json!({
        "patient": { "first_name": "Ann", "last_name": "Lee", "date_of_birth": "2999-01-01" },
        "login": {},
        "values": { "planted_note": 7, "pain": "much", "rating": 1, "no/field": true },
        "consents": [consent, consent],
    });
    let refusal = Answer::to(app.staff().request(Method::POST, PATH).json(&body)).await;
    let refusal = refusal.refusal(422, "validation_failed");
    let pointers: Vec<&str> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
    let expected = [
        "/consents/1/purpose",
        "/login/email",
        "/patient/date_of_birth",
        "/values/no~1field",
        "/values/pain",
        "/values/planted_note",
        "/values/rating",
    ];
    assert_eq!(pointers, expected);
    assert!(!refusal.details.to_string().contains("much"), "no value is repeated: {}", refusal.details);
    assert_eq!(left(&app).await, [0; 6]);
    assert_eq!(app.count("select count(*) from profile_values").await, 0);
    // A taken address is a conflict, which comes after wrong values.
    onboard(&app.staff(), whole()).await;
    let before = left(&app).await;
    let body = OnboardPatient { values: values(json!({ "pain": 1 })), ..whole() };
    refused(app.staff().patient_onboard().body(body).send().await, 409, "patient_email_taken");
    assert_eq!(left(&app).await, before);
}

#[tokio::test]
async fn the_same_request_again_onboards_nobody_twice() {
    let app = CoreApp::start().await;
    let (staff, key) = (app.staff(), Uuid::now_v7().to_string());
    let request = |body: OnboardPatient| staff.patient_onboard().idempotency_key(key.clone()).body(body);
    let first = granted(request(whole()).send().await, 201);
    let before = left(&app).await;
    let again = granted(request(whole()).send().await, 201);
    assert_eq!((again.patient, again.invitation), (first.patient, first.invitation));
    let rows = |left: [i64; 6]| [left[0], left[1], left[2], left[3], left[4]];
    assert_eq!(rows(left(&app).await), rows(before));
    refused(request(only(complete())).send().await, 422, "idempotency_key_reused");
}

#[tokio::test]
async fn who_may_be_the_same_person_is_said_and_never_refused() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let nobody = || CoreApp::new_patient("Nobody", "Else");
    let born = "1980-02-29".parse().ok();
    let named = |first: &str, last: &str| CreatePatient { date_of_birth: born, ..CoreApp::new_patient(first, last) };
    let patient = async |record: CreatePatient| granted(admin.patient_create().body(record).send().await, 201).id;
    let by_name = patient(named("Gràce  Anne", "SAMPLE")).await;
    let by_phone = patient(CreatePatient { phone: Some("0049 (30) 123-4567".to_owned()), ..nobody() }).await;
    let by_id = patient(CreatePatient { national_id: Some("l01-x00 t47".to_owned()), ..nobody() }).await;
    // Neither a namesake of another birthday or of none, nor anybody of another clinic, nor who was deleted.
    patient(CreatePatient { date_of_birth: "1980-03-01".parse().ok(), ..named("Grace Anne", "Sample") }).await;
    patient(CoreApp::new_patient("Grace Anne", "Sample")).await;
    let away = app.other_admin();
    granted(away.patient_create().body(CreatePatient { email: None, ..complete() }).send().await, 201);
    let deleted = patient(named("Grace Anne", "Sample")).await;
    granted(admin.patient_delete().patient_id(deleted).send().await, 204);

    // Names are exchanged, too.
    let body = CreatePatient { first_name: "sample".to_owned(), last_name: "Grace Anne".to_owned(), ..complete() };
    let onboarded = onboard(&staff, only(body)).await;
    let hints: Vec<_> =
        onboarded.possible_duplicates.iter().map(|hint| (hint.patient_id, hint.reasons.clone())).collect();
    let expected = [
        (by_name, vec![DuplicateReason::NameAndBirthDate]),
        (by_phone, vec![DuplicateReason::Phone]),
        (by_id, vec![DuplicateReason::NationalId]),
    ];
    assert_eq!(hints, expected);
    // Each of them was read.
    let sql = "select entity_id::bigint from audit_log
               where operation_id = 'patient_onboard' and action = 'read' and entity_type = 'patient' order by 1";
    let read: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut app.owner().await).await.unwrap();
    assert_eq!(read, [by_name, by_phone, by_id]);

    // The patient with the most in common comes first.
    let twin = onboard(&staff, only(CreatePatient { email: None, ..named("Grace Anne", "Sample") })).await;
    assert_eq!(twin.possible_duplicates.len(), 2, "{twin:?}");
    let all = CreatePatient { email: None, first_name: "Grace Anne".to_owned(), ..complete() };
    let most = onboard(&staff, only(all)).await.possible_duplicates;
    assert_eq!(most[0].patient_id, onboarded.patient.id, "{most:?}");
    assert_eq!(most[0].reasons.len(), 3, "{most:?}");

    // Of many, ten are named.
    for _ in 0..12 {
        patient(CreatePatient { phone: Some("+49 30 1234567".to_owned()), ..nobody() }).await;
    }
    let body = CreatePatient { phone: Some("+49 30 1234567".to_owned()), ..nobody() };
    assert_eq!(onboard(&staff, only(body)).await.possible_duplicates.len(), 10);
}

#[tokio::test]
async fn patients_of_before_are_hinted_at_after_a_refresh() {
    let app = CoreApp::start().await;
    let record =
        || CreatePatient { date_of_birth: "1980-02-29".parse().ok(), ..CoreApp::new_patient("Grace", "Sample") };
    let before = granted(app.admin().patient_create().body(record()).send().await, 201).id;
    // As the version before has stored it.
    execute(&app, "update patients set name_birth_index = null, indexes_version = 1").await;
    let output = app.server.tool(&["refresh-values"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let hints = onboard(&app.staff(), only(record())).await.possible_duplicates;
    assert_eq!(hints.iter().map(|hint| hint.patient_id).collect::<Vec<_>>(), [before]);

    // A changed name or birthday changes the hint.
    let standing = granted(app.admin().patient_get().patient_id(before).send().await, 200);
    let changed = restartix_sdk::core::types::UpdatePatient {
        last_name: "Married".to_owned(),
        ..crate::patient::unchanged(&standing)
    };
    granted(app.admin().patient_update().patient_id(before).body(changed).send().await, 200);
    let named = CreatePatient { last_name: "Married".to_owned(), ..record() };
    let hints = onboard(&app.staff(), only(named)).await.possible_duplicates;
    assert_eq!(hints.iter().map(|hint| hint.patient_id).collect::<Vec<_>>(), [before]);
}

#[tokio::test]
async fn an_erasure_by_the_version_before_leaves_no_index() {
    let app = CoreApp::start().await;
    let record = CreatePatient { date_of_birth: "1980-02-29".parse().ok(), ..CoreApp::new_patient("Grace", "Sample") };
    onboard(&app.staff(), only(record)).await;
    let indexed = "select count(*) from patients where name_birth_index is not null";
    let before = app.count(indexed).await;
    assert!(before > 0, "the new patient is indexed");
    // As the version before erases: it does not know the index.
    execute(
        &app,
        "update patients set first_name = 'Erased', last_name = 'Erased', name_folded = null, name_sort = null,
                user_id = null, email_encrypted = null, phone_encrypted = null, date_of_birth_encrypted = null,
                national_id_encrypted = null, address_encrypted = null, emergency_contact_encrypted = null,
                clinical_notes_encrypted = null, email_index = null, phone_index = null, national_id_index = null,
                indexes_version = indexes_version, erased_at = coalesce(erased_at, now()), deleted_at = now()
         where name_birth_index is not null",
    )
    .await;
    assert_eq!(app.count(indexed).await, 0);
}

#[tokio::test]
async fn nothing_typed_lies_open() {
    let app = CoreApp::start().await;
    let body = OnboardPatient { login: Some(to_email("planted-login@example.org")), ..whole() };
    let patient = onboard(&app.admin(), body).await.patient.id;
    let sql = "select jsonb_object_agg(key, value) from consent_outbox c, jsonb_each_text(to_jsonb(c))
               where key not in ('id', 'decided_at', 'granted', 'purpose')";
    let row: Value = sqlx::query_scalar(sql).fetch_one(&mut app.owner().await).await.unwrap();
    let expected = json!({
        "organization_id": app.home().id.to_string(), "patient_id": patient.to_string(), "text_version": "2026-11",
    });
    assert_eq!(row, expected);
    let payload = "select payload from jobs where kind = 'consent_push'";
    let payload: Value = sqlx::query_scalar(payload).fetch_one(&mut app.owner().await).await.unwrap();
    assert_eq!(payload, json!({ "patient_id": patient }));
    let log = app.server.log();
    for typed in ["planted-login", "Grace.Sample", "1234567", "1980-02-29", "L01X00T47", "Quince"] {
        assert!(!log.contains(typed), "the log tells {typed}");
        let open = String::from_utf8_lossy(&app.database.dump()).contains(typed);
        assert!(!open, "{typed} can be read in the database");
    }
}
