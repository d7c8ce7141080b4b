//! `/v1/custom-fields`: fields that a clinic adds to profiles, and their versions.

use futures_util::future::join;
use restartix_sdk::core::types::{
    CreateCustomField, CustomField, FieldEntity, FieldRole, FieldType, UpdateCustomField,
};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use test_support::{Actor, CoreApp, granted, refused};

use crate::{
    appointment_race::outcome,
    profile::{Of, get, set, value},
    rls_attack::{Asker, attempt},
};

/// Every role that a list can name.
const EVERYBODY: [&str; 4] = ["admin", "specialist", "staff", "patient"];

/// Returns the body that creates a field; `definition` states what differs from a text without health information.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
pub(crate) fn input(entity: &str, key: &str, definition: Value, roles: (&[&str], &[&str])) -> CreateCustomField {
    let mut whole = json!({ "field_type": "text", "label": key, "phi": false });
    whole.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
    let body = json!({
        "entity": entity, "key": key, "definition": whole, "readable_by": roles.0, "writable_by": roles.1,
    });
    serde_json::from_value(body).unwrap()
}

/// Creates a field that every role sees and writes.
pub(crate) async fn field(admin: &Actor, entity: &str, key: &str, definition: Value) -> CustomField {
    field_of(admin, entity, key, definition, (&EVERYBODY, &EVERYBODY)).await
}

/// Creates a field that the first roles see and the others write.
pub(crate) async fn field_of(
    admin: &Actor,
    entity: &str,
    key: &str,
    definition: Value,
    roles: (&[&str], &[&str]),
) -> CustomField {
    granted(admin.custom_field_create().body(input(entity, key, definition, roles)).send().await, 201)
}

/// Returns the change of a field to another definition, or of another part of it.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn change(field: &CustomField, definition: Value) -> UpdateCustomField {
    let mut whole = serde_json::to_value(&field.definition).unwrap();
    whole.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
    let body = json!({
        "version": field.version, "definition": whole,
        "readable_by": field.readable_by, "writable_by": field.writable_by,
    });
    serde_json::from_value(body).unwrap()
}

/// Changes a part of a field's definition.
pub(crate) async fn update(admin: &Actor, field: &CustomField, definition: Value) -> CustomField {
    let body = change(field, definition);
    granted(admin.custom_field_update().custom_field_id(field.id).body(body).send().await, 200)
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn choice(options: Value) -> Value {
    json!({ "field_type": "single_choice", "options": options })
}

#[tokio::test]
async fn admins_write_and_the_clinics_people_read() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let created = field(&admin, "patient", "blood_group", choice(json!([{ "key": "a", "label": "A" }]))).await;
    assert_eq!((created.key.as_str(), created.version, created.entity), ("blood_group", 1, FieldEntity::Patient));
    assert_eq!(created.readable_by, [FieldRole::Admin, FieldRole::Specialist, FieldRole::Staff, FieldRole::Patient]);
    for actor in [app.admin(), app.specialist(), app.staff()] {
        assert_eq!(granted(actor.custom_field_get().custom_field_id(created.id).send().await, 200), created);
        assert_eq!(granted(actor.custom_field_list().send().await, 200).data, std::slice::from_ref(&created));
        let of_others = actor.custom_field_list().entity(FieldEntity::Specialist);
        assert_eq!(granted(of_others.send().await, 200).data, []);
        let versions = granted(actor.custom_field_version_list().custom_field_id(created.id).send().await, 200).data;
        assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1]);
    }
    refused(app.patient().custom_field_list().send().await, 403, "permission_denied");
    for actor in [app.specialist(), app.staff(), app.patient()] {
        let body = input("patient", "other", json!({}), (&EVERYBODY, &EVERYBODY));
        refused(actor.custom_field_create().body(body).send().await, 403, "permission_denied");
        let body = change(&created, json!({ "label": "Mine" }));
        let update = actor.custom_field_update().custom_field_id(created.id).body(body);
        refused(update.send().await, 403, "permission_denied");
        refused(actor.custom_field_delete().custom_field_id(created.id).send().await, 403, "permission_denied");
        refused(actor.custom_field_restore().custom_field_id(created.id).send().await, 403, "permission_denied");
    }
}

#[tokio::test]
async fn another_clinics_fields_are_not_there() {
    let app = CoreApp::start().await;
    let theirs = field(&app.other_admin(), "patient", "secret", json!({})).await;
    let admin = app.admin();
    let not_found = "custom_field_not_found";
    refused(admin.custom_field_get().custom_field_id(theirs.id).send().await, 404, not_found);
    refused(admin.custom_field_version_list().custom_field_id(theirs.id).send().await, 404, not_found);
    let body = change(&theirs, json!({ "label": "Mine" }));
    refused(admin.custom_field_update().custom_field_id(theirs.id).body(body).send().await, 404, not_found);
    refused(admin.custom_field_delete().custom_field_id(theirs.id).send().await, 404, not_found);
    refused(admin.custom_field_restore().custom_field_id(theirs.id).send().await, 404, not_found);
    assert_eq!(granted(admin.custom_field_list().send().await, 200).data, []);
    field(&admin, "patient", "secret", json!({})).await;
}

#[tokio::test]
async fn each_change_is_a_version_and_no_change_is_none() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = field(&admin, "patient", "weight", json!({ "field_type": "integer", "unit": "kg" })).await;
    let second = update(&admin, &first, json!({ "label": "Body weight" })).await;
    assert_eq!((second.version, second.definition.label.as_str()), (2, "Body weight"));
    assert!(second.updated_at > first.updated_at);
    let same = update(&admin, &second, json!({})).await;
    assert_eq!(same, second, "what changes nothing is no version");
    let third = update(&admin, &second, json!({ "field_type": "decimal" })).await;
    assert_eq!((third.version, third.definition.field_type), (3, FieldType::Decimal));

    let stale = change(&second, json!({ "label": "Lost" }));
    let stale = admin.custom_field_update().custom_field_id(first.id).body(stale);
    assert_eq!(refused(stale.send().await, 409, "stale_version").details["version"], 3);

    let versions = granted(admin.custom_field_version_list().custom_field_id(first.id).send().await, 200).data;
    let told: Vec<_> = versions.iter().map(|of| (of.version, of.definition.clone())).collect();
    assert_eq!(told, [(3, third.definition), (2, second.definition), (1, first.definition)]);
}

#[tokio::test]
async fn of_two_simultaneous_changes_one_is_the_next_version() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut standing = field(&admin, "patient", "raced", json!({})).await;
    for round in 0..10 {
        let attempt = |label: String| {
            let body = change(&standing, json!({ "label": label }));
            admin.custom_field_update().custom_field_id(standing.id).body(body).send()
        };
        let (one, other) = join(attempt(format!("One {round}")), attempt(format!("Other {round}"))).await;
        let mut outcomes = [outcome(one).await, outcome(other).await];
        outcomes.sort();
        assert_eq!(outcomes, ["200", "409 stale_version"]);
        standing = granted(admin.custom_field_get().custom_field_id(standing.id).send().await, 200);
        assert_eq!(standing.version, round + 2);
    }
}

#[tokio::test]
async fn a_key_is_one_fields_of_its_entity_for_good() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let first = field(&admin, "patient", "note", json!({})).await;
    let again =
        || admin.custom_field_create().body(input("patient", "note", json!({}), (&EVERYBODY, &EVERYBODY))).send();
    refused(again().await, 409, "custom_field_key_taken");
    field(&admin, "specialist", "note", json!({})).await;
    set(&admin, Of::Patient(patient), 0, json!({ "note": "kept" })).await;
    granted(admin.custom_field_delete().custom_field_id(first.id).send().await, 204);
    refused(again().await, 409, "custom_field_key_taken");
    let archived = granted(admin.custom_field_list().archived(true).send().await, 200).data;
    assert_eq!(archived.iter().map(|field| field.id).collect::<Vec<_>>(), [first.id]);
    let body = change(&first, json!({ "label": "Late" }));
    refused(
        admin.custom_field_update().custom_field_id(first.id).body(body).send().await,
        409,
        "custom_field_archived",
    );
    let restored = granted(admin.custom_field_restore().custom_field_id(first.id).send().await, 200);
    assert_eq!((restored.archived_at, restored.version), (None, 1));
    assert_eq!(value(&get(&admin, Of::Patient(patient)).await, "note"), Some(json!("kept")));
}

#[tokio::test]
async fn a_field_in_use_is_archived_and_any_other_goes_with_its_versions() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let (used, unused) =
        (field(&admin, "patient", "used", json!({})).await, field(&admin, "patient", "unused", json!({})).await);
    update(&admin, &unused, json!({ "label": "Changed" })).await;
    let version = set(&admin, Of::Patient(patient), 0, json!({ "used": "here" })).await.version;
    for field in [&used, &unused] {
        granted(admin.custom_field_delete().custom_field_id(field.id).send().await, 204);
    }
    refused(admin.custom_field_get().custom_field_id(unused.id).send().await, 404, "custom_field_not_found");
    assert_eq!(app.count("select count(*) from custom_field_versions").await, 1);
    let archived = granted(admin.custom_field_get().custom_field_id(used.id).send().await, 200);
    assert!(archived.archived_at.is_some());
    granted(admin.custom_field_delete().custom_field_id(used.id).send().await, 204);

    // Its value stays, and can't be written.
    let profile = get(&admin, Of::Patient(patient)).await;
    assert_eq!(value(&profile, "used"), Some(json!("here")));
    assert!(profile.fields[0].archived && !profile.fields[0].writable);
    let refusal = refused(
        crate::profile::update(&admin, Of::Patient(patient), version, json!({ "used": "there" })).await,
        422,
        "validation_failed",
    );
    assert_eq!(refusal.fields(), [("/values/used", "archived")]);
    let events = "select array_agg(action order by occurred_at) from audit_log where entity_type = 'custom_field'
                  and action in ('archived', 'deleted')";
    let events: Vec<String> = sqlx::query_scalar(events).fetch_one(&mut app.owner().await).await.unwrap();
    assert_eq!(events, ["archived", "deleted", "archived"]);
}

#[tokio::test]
async fn options_are_relabelled_and_retired_but_never_removed() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let first = choice(json!([{ "key": "left", "label": "Left" }, { "key": "right", "label": "Right" }]));
    let hand = field(&admin, "patient", "hand", first).await;
    set(&admin, Of::Patient(patient), 0, json!({ "hand": "left" })).await;
    let removed = change(&hand, json!({ "options": [{ "key": "right", "label": "Right" }] }));
    let removed = admin.custom_field_update().custom_field_id(hand.id).body(removed);
    let refusal = refused(removed.send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/definition/options", "option_removed")]);

    let options =
        json!([{ "key": "left", "label": "The left one", "retired": true }, { "key": "right", "label": "Right" }]);
    let second = update(&admin, &hand, json!({ "options": options })).await;
    // The stored value stays, and names its version; nobody chooses the option again.
    let profile = get(&admin, Of::Patient(patient)).await;
    assert_eq!((value(&profile, "hand"), profile.values["hand"].field_version), (Some(json!("left")), 1));
    let kept = set(&admin, Of::Patient(patient), profile.version, json!({ "hand": "left" })).await;
    assert_eq!(kept.values["hand"].field_version, 1, "a value that stays keeps its version");
    let other = set(&admin, Of::Patient(patient), kept.version, json!({ "hand": "right" })).await;
    assert_eq!(other.values["hand"].field_version, 2);
    let back = crate::profile::update(&admin, Of::Patient(patient), other.version, json!({ "hand": "left" })).await;
    assert_eq!(refused(back, 422, "validation_failed").fields(), [("/values/hand", "retired")]);

    // Another type in between makes nobody forget the keys.
    let text = update(&admin, &second, json!({ "field_type": "text", "options": [] })).await;
    let forgot = change(&text, choice(json!([{ "key": "right", "label": "Right" }])));
    let forgot = admin.custom_field_update().custom_field_id(hand.id).body(forgot);
    assert_eq!(
        refused(forgot.send().await, 422, "validation_failed").fields(),
        [("/definition/options", "option_removed")]
    );
}

#[tokio::test]
async fn all_faults_of_a_field_are_reported_at_once() {
    let app = CoreApp::start().await;
    let definition = json!({
        "field_type": "integer", "options": [{ "key": "a", "label": "A" }],
        "validation": { "minimum": "3", "maximum": "2", "max_length": 5 },
        "translations": [{ "language": "ro", "label": "Nota", "options": { "b": "B" } }],
    });
    let body = input("patient", "broken", definition, (&["staff"], &["staff", "patient"]));
    let refusal = refused(app.admin().custom_field_create().body(body).send().await, 422, "validation_failed");
    let expected = [
        ("/definition/options", "not_applicable"),
        ("/definition/translations/0/options/b", "unknown"),
        ("/definition/validation/max_length", "not_applicable"),
        ("/definition/validation/maximum", "range"),
        ("/writable_by/1", "not_readable"),
    ];
    assert_eq!(refusal.fields(), expected);
    assert_eq!(refusal.details["count"], 5);
}

#[tokio::test]
async fn health_information_stays_what_it_is_while_values_are_stored() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let first = field(&admin, "patient", "allergy", json!({ "phi": true })).await;
    let open = update(&admin, &first, json!({ "phi": false })).await;
    let sealed = update(&admin, &open, json!({ "phi": true })).await;
    let written = set(&admin, Of::Patient(patient), 0, json!({ "allergy": "Penicillin" })).await;
    let disclose = || change(&sealed, json!({ "phi": false }));
    let refusal = admin.custom_field_update().custom_field_id(first.id).body(disclose());
    refused(refusal.send().await, 409, "custom_field_phi_in_use");
    set(&admin, Of::Patient(patient), written.version, json!({ "allergy": null })).await;
    let permitted = admin.custom_field_update().custom_field_id(first.id).body(disclose());
    assert_eq!(granted(permitted.send().await, 200).version, 4);
}

#[tokio::test]
async fn an_entity_has_a_bounded_number_of_fields() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = field(&admin, "organization", "first", json!({})).await;
    let fill = format!(
        "with fields as (insert into custom_fields (organization_id, entity, key, phi, readable_by, writable_by)
                         select {}, 'organization', 'filled_' || n, false, '{{admin}}', '{{admin}}' from generate_series(2, 200) n
                         returning organization_id, id)
         insert into custom_field_versions (organization_id, custom_field_id, version, field_type, phi, definition,
                                            readable_by, writable_by)
         select f.organization_id, f.id, 1, v.field_type, v.phi, v.definition, '{{admin}}', '{{admin}}'
         from fields f, custom_field_versions v where v.custom_field_id = {}",
        app.home().id, first.id
    );
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut app.owner().await).await.unwrap();
    let body = input("organization", "last", json!({}), (&EVERYBODY, &EVERYBODY));
    refused(admin.custom_field_create().body(body.clone()).send().await, 409, "too_many_custom_fields");
    granted(admin.custom_field_delete().custom_field_id(first.id).send().await, 204);
    granted(admin.custom_field_create().body(body).send().await, 201);
}

#[tokio::test]
async fn versions_stay_as_they_are_whoever_asks() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let made = field(&admin, "patient", "frozen", json!({})).await;
    update(&admin, &made, json!({ "label": "Second" })).await;
    let asker = Some(Asker { organization: app.home().id, user: app.home().admin.user_id, role: "admin" });
    let (mut role, mut owner, mut superuser) =
        (app.database.app().await, app.owner().await, app.database.superuser().await);
    for sql in ["update custom_field_versions set version = 7", "delete from custom_field_versions"] {
        assert_eq!(attempt(&mut role, asker, sql).await, Err("42501".to_owned()), "it is not granted: {sql}");
    }
    for database in [&mut owner, &mut superuser] {
        for sql in [
            "update custom_field_versions set definition = definition || '{\"label\": \"Forged\"}'",
            "update custom_field_versions set version = version + 10",
            "delete from custom_field_versions where version = 1",
            "delete from custom_field_versions",
            "truncate custom_field_versions cascade",
        ] {
            let refusal = sqlx::query(sql).execute(&mut *database).await.unwrap_err();
            let code =
                refusal.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
            assert_eq!(code, "23001", "{sql}");
        }
    }
    assert_eq!(app.count("select count(*) from custom_field_versions").await, 2);
}
