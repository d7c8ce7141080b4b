//! Profiles: values of custom fields of patients, specialists, appointments and the clinic.

use restartix_sdk::{
    Error, ResponseValue,
    core::types::{CustomField, ErrorEnvelope, FieldEntity, JobState, Profile, UpdateCustomField, UpdateProfile},
};
use serde_json::{Value, json};
use test_support::{Actor, Clinic, CoreApp, eventually, granted, in_days, refused};

use crate::{custom_field::field, gdpr::exported};

/// Record whose profile is read or written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    Patient(i64),
    Specialist(i64),
    Appointment(i64),
    Organization(i64),
}

type Answered = Result<ResponseValue<Profile>, Error<ErrorEnvelope>>;

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn body(version: i64, values: Value) -> UpdateProfile {
    serde_json::from_value(json!({ "version": version, "values": values })).unwrap()
}

/// Asks for a profile.
pub(crate) async fn read(client: &restartix_sdk::core::Client, of: Of) -> Answered {
    match of {
        Of::Patient(id) => client.patient_profile_get().patient_id(id).send().await,
        Of::Specialist(id) => client.specialist_profile_get().specialist_id(id).send().await,
        Of::Appointment(id) => client.appointment_profile_get().appointment_id(id).send().await,
        Of::Organization(id) => client.organization_profile_get().organization_id(id).send().await,
    }
}

/// Asks for a change of a profile.
pub(crate) async fn update(client: &restartix_sdk::core::Client, of: Of, version: i64, values: Value) -> Answered {
    let body = body(version, values);
    match of {
        Of::Patient(id) => client.patient_profile_update().patient_id(id).body(body).send().await,
        Of::Specialist(id) => client.specialist_profile_update().specialist_id(id).body(body).send().await,
        Of::Appointment(id) => client.appointment_profile_update().appointment_id(id).body(body).send().await,
        Of::Organization(id) => client.organization_profile_update().organization_id(id).body(body).send().await,
    }
}

/// Reads a profile.
pub(crate) async fn get(actor: &Actor, of: Of) -> Profile {
    granted(read(actor, of).await, 200)
}

/// Changes a profile.
pub(crate) async fn set(actor: &Actor, of: Of, version: i64, values: Value) -> Profile {
    granted(update(actor, of, version, values).await, 200)
}

/// Returns a value of a profile.
pub(crate) fn value(profile: &Profile, key: &str) -> Option<Value> {
    profile.values.get(key).map(|value| value.value.clone())
}

/// Returns the key of a text field of the entity that every role sees and writes; creates it if it is not there.
pub(crate) async fn noted_field(admin: &Actor, entity: &str) -> &'static str {
    let kind: FieldEntity = serde_json::from_value(json!(entity)).unwrap();
    let listed = granted(admin.custom_field_list().entity(kind).page_size(100).send().await, 200).data;
    if !listed.iter().any(|field| field.key.as_str() == "noted") {
        field(admin, entity, "noted", json!({})).await;
    }
    "noted"
}

/// Writes a value into the profile of a patient.
pub(crate) async fn noted(admin: &Actor, patient: i64) {
    let key = noted_field(admin, "patient").await;
    let version = get(admin, Of::Patient(patient)).await.version;
    set(admin, Of::Patient(patient), version, json!({ key: "Noted." })).await;
}

/// Returns the columns that hold a text, sealed or not, in the order of their names.
pub(crate) async fn columns(app: &CoreApp, text: &str) -> Vec<String> {
    let places = app.search(text).await.into_iter();
    let mut columns: Vec<_> = places.map(|place| format!("{}.{}", place.table, place.column)).collect();
    columns.sort_unstable();
    columns
}

/// Every type with a value in its form, the column that stores it, and a text that finds it.
const TYPES: [(&str, &str, &str); 13] = [
    ("text", r#""planted line""#, "text_value"),
    ("long_text", r#""planted\nlines""#, "text_value"),
    ("integer", "730021", "number_value"),
    ("decimal", r#""730022.25""#, "number_value"),
    ("boolean", "false", "boolean_value"),
    ("date", r#""1931-07-23""#, "date_value"),
    ("time", r#""03:17:29""#, "time_value"),
    ("datetime", r#""1931-07-23T03:17:29.700181+00:00""#, "datetime_value"),
    ("single_choice", r#""planted_option""#, "text_value"),
    ("multiple_choice", r#"["planted_option", "other"]"#, "choices_value"),
    ("scale", "7", "number_value"),
    ("email", r#""planted@example.org""#, "text_value"),
    ("phone", r#""+495550199887""#, "text_value"),
];

fn definition(kind: &str, phi: bool) -> Value {
    let mut definition = json!({ "field_type": kind, "phi": phi });
    if kind.ends_with("_choice") {
        definition["options"] =
            json!([{ "key": "planted_option", "label": "Planted" }, { "key": "other", "label": "Other" }]);
    }
    definition
}

#[tokio::test]
async fn a_value_of_each_type_comes_back_as_it_was_sent() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let mut values = json!({});
    for phi in [false, true] {
        for (kind, text, _) in TYPES {
            let key = format!("{}_{kind}", if phi { "sealed" } else { "clear" });
            field(&admin, "patient", &key, definition(kind, phi)).await;
            values[key] = serde_json::from_str::<Value>(text).unwrap();
        }
    }
    let before = get(&admin, Of::Patient(patient)).await;
    assert_eq!((before.version, before.values.len(), before.fields.len()), (0, 0, 2 * TYPES.len()));
    let written = set(&admin, Of::Patient(patient), 0, values.clone()).await;
    let read = get(&admin, Of::Patient(patient)).await;
    assert_eq!(read, written, "a write answers as a read does");
    assert_eq!(read.version, 1);
    for (key, sent) in values.as_object().unwrap() {
        let got = &read.values[key.as_str()];
        assert_eq!((&got.value, got.field_version, got.changed_in), (sent, 1, 1), "{key}");
        assert_eq!(got.changed_by_user_id, Some(app.home().admin.user_id), "{key}");
    }
    // A value that is no health information stands in the column of its type, for segments.
    for (kind, _, column) in TYPES {
        let sql = format!(
            "select count({column}) from profile_values where key = 'clear_{kind}' and value_encrypted is null"
        );
        let stored: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut app.owner().await).await.unwrap();
        assert_eq!(stored, 1, "{kind} is in {column}");
    }
    assert_eq!(app.count("select count(value_encrypted) from profile_values where phi").await, 13);
}

#[tokio::test]
async fn health_information_is_in_no_clear_form_and_an_erasure_leaves_none() {
    let clinic = Clinic::start().await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await.id;
    for entity in ["patient", "appointment"] {
        field(&admin, entity, "health", json!({ "phi": true })).await;
        field(&admin, entity, "plain", json!({})).await;
    }
    for of in [Of::Patient(patient), Of::Appointment(booked)] {
        set(&admin, of, 0, json!({ "health": "planted-health", "plain": "planted-plain" })).await;
    }
    assert_eq!(columns(app, "planted-health").await, ["public.profile_values.value_encrypted"]);
    assert_eq!(columns(app, "planted-plain").await, ["public.profile_values.text_value"]);
    let dump = app.database.dump();
    assert!(!String::from_utf8_lossy(&dump).contains("planted-health"));
    assert!(!app.server.log().contains("planted-"), "no value is logged");

    let export = exported(&admin, patient).await;
    assert_eq!((export.matches("planted-health").count(), export.matches("planted-plain").count()), (2, 2), "{export}");

    let asked = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
    eventually("Core's part of the erasure is done", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(asked.job_id).send().await, 200);
        job.status == JobState::Succeeded || !job.receipt.is_empty()
    })
    .await;
    for text in ["planted-health", "planted-plain"] {
        assert_eq!(columns(app, text).await, Vec::<String>::new(), "{text} is left");
    }
    refused(read(&admin, Of::Patient(patient)).await, 404, "patient_not_found");
}

#[tokio::test]
async fn writes_merge_and_only_what_differs_conflicts() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    for key in ["first", "second", "third"] {
        field(&admin, "patient", key, json!({})).await;
    }
    let of = Of::Patient(patient);
    let read = set(&admin, of, 0, json!({ "first": "a" })).await.version;
    set(&admin, of, read, json!({ "first": "b", "second": "x" })).await;
    // Based on the same version: another field lands, the same value agrees, a different one is refused.
    let landed = set(&staff, of, read, json!({ "second": "x", "third": "c" })).await;
    assert_eq!((value(&landed, "first"), value(&landed, "third")), (Some(json!("b")), Some(json!("c"))));
    assert_eq!(landed.values["second"].changed_by_user_id, Some(app.home().admin.user_id), "it did not change again");
    let late = json!({ "first": "z", "second": null, "third": "d" });
    let refusal = refused(update(&staff, of, read, late).await, 409, "stale_version");
    assert_eq!(refusal.details, json!({ "version": landed.version, "keys": ["first", "second", "third"] }));
    assert_eq!(get(&admin, of).await, landed, "a refused write changes nothing");
    let removed = set(&staff, of, landed.version, json!({ "second": null })).await;
    assert_eq!(value(&removed, "second"), None);
    refused(update(&admin, of, landed.version, json!({ "second": "y" })).await, 409, "stale_version");

    let fields = "select changed_fields from audit_log where action = 'profile_updated' and outcome = 'succeeded'
                  order by occurred_at";
    let fields: Vec<Vec<String>> = sqlx::query_scalar(fields).fetch_all(&mut app.owner().await).await.unwrap();
    let expected =
        [vec!["values.first"], vec!["values.first", "values.second"], vec!["values.third"], vec!["values.second"]];
    assert_eq!(fields, expected, "the trail names the fields that changed");
}

#[tokio::test]
async fn all_faults_of_values_are_reported_at_once() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    field(&admin, "patient", "count", json!({ "field_type": "integer", "validation": { "maximum": "9" } })).await;
    field(&admin, "patient", "day", json!({ "field_type": "date" })).await;
    field(&admin, "patient", "scan", json!({ "field_type": "file" })).await;
    let values = json!({ "count": 10, "day": "31.12.2026", "scan": "x.pdf", "nothing": 1, "a/b": 1 });
    let refusal = refused(update(&admin, Of::Patient(patient), 0, values).await, 422, "validation_failed");
    let expected = [
        ("/values/a~1b", "unknown"),
        ("/values/count", "maximum"),
        ("/values/day", "format"),
        ("/values/nothing", "unknown"),
        ("/values/scan", "not_supported"),
    ];
    assert_eq!(refusal.fields(), expected);
    let many: Value =
        (0..201).map(|number| (format!("key_{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let refusal = refused(update(&admin, Of::Patient(patient), 0, many).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/values", "max_properties")]);
    assert_eq!(app.count("select count(*) from profiles").await, 0, "a refused write leaves nothing");
}

#[tokio::test]
async fn a_value_keeps_the_version_that_it_was_given_under() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let first = field(&admin, "patient", "weight", json!({ "field_type": "text" })).await;
    let of = Of::Patient(patient);
    let given = set(&admin, of, 0, json!({ "weight": "heavy" })).await;
    let body = json!({
        "version": first.version, "readable_by": first.readable_by, "writable_by": first.writable_by,
        "definition": { "field_type": "decimal", "label": "Weight", "unit": "kg", "phi": false },
    });
    let body = serde_json::from_value::<UpdateCustomField>(body).unwrap();
    let second: CustomField =
        granted(admin.custom_field_update().custom_field_id(first.id).body(body).send().await, 200);
    let standing = get(&admin, of).await;
    assert_eq!((value(&standing, "weight"), standing.values["weight"].field_version), (Some(json!("heavy")), 1));
    assert_eq!(standing.fields[0].version, second.version);
    let refusal = update(&admin, of, given.version, json!({ "weight": "heavier" })).await;
    assert_eq!(refused(refusal, 422, "validation_failed").fields(), [("/values/weight", "format")]);
    let changed = set(&admin, of, given.version, json!({ "weight": 71.50 })).await;
    assert_eq!((value(&changed, "weight"), changed.values["weight"].field_version), (Some(json!("71.5")), 2));

    // The same number in another unit is another value.
    let body = json!({
        "version": second.version, "readable_by": first.readable_by, "writable_by": first.writable_by,
        "definition": { "field_type": "decimal", "label": "Weight", "unit": "lb", "phi": false },
    });
    let body = serde_json::from_value::<UpdateCustomField>(body).unwrap();
    granted(admin.custom_field_update().custom_field_id(first.id).body(body).send().await, 200);
    assert_eq!(get(&admin, of).await.values["weight"].unit.as_deref(), Some("kg"), "it is still in kilograms");
    let given = set(&admin, of, changed.version, json!({ "weight": 71.5 })).await;
    assert_eq!(given.values["weight"].unit.as_deref(), Some("lb"));
    assert_eq!((value(&given, "weight"), given.values["weight"].field_version), (Some(json!("71.5")), 3));
}
