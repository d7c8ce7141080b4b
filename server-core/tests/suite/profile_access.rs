//! Profiles: rights of roles, keys and strangers, in answers and in the database.

use restartix_sdk::core::types::{BeginImpersonation, Profile, Scope, UpdateAppointment};
use serde_json::json;
use test_support::{CoreApp, Program, Role, granted, in_days, refused};

use crate::{
    custom_field::{field, field_of},
    profile::{Of, get, noted_field, read, set, update, value},
    rls_attack::{Asker, attempt},
};

/// Returns the keys of the fields that a profile shows.
fn keys(profile: &Profile) -> Vec<&str> {
    profile.fields.iter().map(|field| field.key.as_str()).collect()
}

#[tokio::test]
async fn a_role_sees_and_writes_what_lists_it() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_record().await.id;
    app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await;
    field_of(&admin, "patient", "desk", json!({}), (&["staff"], &["staff"])).await;
    field_of(&admin, "patient", "medical", json!({ "phi": true }), (&["specialist"], &["specialist"])).await;
    field_of(&admin, "patient", "shown", json!({}), (&["patient", "specialist", "staff"], &["specialist"])).await;
    field_of(&admin, "patient", "wishes", json!({}), (&["patient", "staff"], &["patient"])).await;
    let all = json!({ "desk": "d", "medical": "m", "shown": "s", "wishes": "w" });
    let of = Of::Patient(patient);
    set(&admin, of, 0, all).await;
    let (specialist, staff, me) = (app.specialist(), app.staff(), app.patient());
    let begun = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    let begun = granted(admin.patient_impersonate().patient_id(patient).body(begun).send().await, 201);
    let impersonator = me.holding(&begun.token);
    for (actor, seen, written) in [
        (&admin, vec!["desk", "medical", "shown", "wishes"], vec!["desk", "medical", "shown", "wishes"]),
        (&specialist, vec!["medical", "shown"], vec!["medical", "shown"]),
        (&staff, vec!["desk", "shown", "wishes"], vec!["desk"]),
        (&me, vec!["shown", "wishes"], vec!["wishes"]),
        (&impersonator, vec!["shown", "wishes"], vec!["wishes"]),
    ] {
        let profile = get(actor, of).await;
        assert_eq!(keys(&profile), seen);
        assert_eq!(profile.values.len(), seen.len());
        let writable: Vec<_> = profile.fields.iter().filter(|field| field.writable).map(|field| &*field.key).collect();
        assert_eq!(writable, written);
        for key in ["desk", "medical", "shown", "wishes"] {
            let change = update(actor, of, profile.version + 100, json!({ key: profile.version.to_string() })).await;
            let rule = match (seen.contains(&key), written.contains(&key)) {
                (_, true) => {
                    refused(change, 409, "stale_version");
                    set(actor, of, get(actor, of).await.version, json!({ key: "changed" })).await;
                    continue;
                }
                (true, false) => "not_writable",
                (false, false) => "unknown",
            };
            let pointer = format!("/values/{key}");
            assert_eq!(refused(change, 422, "validation_failed").fields(), [(pointer.as_str(), rule)]);
        }
    }
}

#[tokio::test]
async fn the_database_shows_a_role_no_value_that_lists_it_not() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (own, other) = (app.patient_record().await.id, app.patient_create(&admin, "Tom", "Other").await.id);
    field_of(&admin, "patient", "medical", json!({ "phi": true }), (&["specialist"], &["specialist"])).await;
    field_of(&admin, "patient", "shown", json!({}), (&["patient", "staff"], &["staff"])).await;
    for patient in [own, other] {
        set(&admin, Of::Patient(patient), 0, json!({ "medical": "m", "shown": "s" })).await;
    }
    let mut role = app.database.app().await;
    let home = app.home();
    let asker = |role, user| Some(Asker { organization: home.id, user, role });
    let read = "select key from profile_values";
    let write = "update profile_values set changed_by_user_id = context_user()";
    for (name, user, reads, writes) in [
        ("admin", home.admin.user_id, 4, 4),
        ("staff", home.staff.user_id, 2, 2),
        ("api_key", home.staff.user_id, 2, 2),
        // Neither has a record in this context.
        ("specialist", home.specialist.user_id, 0, 0),
        ("patient", home.patient.user_id, 0, 0),
        ("", home.staff.user_id, 0, 0),
    ] {
        assert_eq!(attempt(&mut role, asker(name, user), read).await, Ok(reads), "{name}");
        assert_eq!(attempt(&mut role, asker(name, user), write).await, Ok(writes), "{name}");
    }
    let admin = asker("admin", home.admin.user_id);
    let denied = Err("42501".to_owned());
    for sql in [
        "delete from profile_values",
        "delete from profiles",
        "update profile_values set changed_by_user_id = 0",
        "update profile_values set patient_id = patient_id",
        "update profile_values set custom_field_id = custom_field_id",
        "insert into profile_values (organization_id, changed_by_user_id) values (1, 1)",
    ] {
        assert_eq!(attempt(&mut role, admin, sql).await, denied, "{sql}");
    }
    // A value has the form that its version says.
    let unfit = Err("23514".to_owned());
    for sql in [
        "update profile_values set text_value = 'clear' where phi",
        "update profile_values set value_encrypted = 'x' where not phi",
        "update profile_values set number_value = 1 where not phi",
    ] {
        assert_eq!(attempt(&mut role, admin, sql).await, unfit, "{sql}");
    }
    assert_eq!(attempt(&mut role, admin, "update profile_values set phi = not phi").await, Err("23514".to_owned()));
}

#[tokio::test]
async fn records_that_are_not_ones_own_have_no_profile() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for entity in ["patient", "specialist", "appointment"] {
        noted_field(&admin, entity).await;
    }
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let booked = app.appointment_create(&admin, colleague, patient, in_days(2, 9)).await.id;
    let values = || json!({ "noted": "Mine." });
    for (of, code) in [
        (Of::Patient(patient), "patient_not_found"),
        (Of::Appointment(booked), "appointment_not_found"),
        (Of::Specialist(colleague), "specialist_not_found"),
    ] {
        let others = app.other_admin();
        refused(read(&others, of).await, 404, code);
        refused(update(&others, of, 0, values()).await, 404, code);
        let (specialist, me) = (app.specialist(), app.patient());
        if matches!(of, Of::Specialist(_)) {
            assert_eq!(get(&me, of).await.version, 0, "a specialist's profile is shown in the clinic");
            refused(update(&me, of, 0, values()).await, 403, "permission_denied");
        } else {
            refused(read(&specialist, of).await, 404, code);
            refused(read(&me, of).await, 404, code);
            refused(update(&me, of, 0, values()).await, 404, code);
        }
        refused(update(&specialist, of, 0, values()).await, 404, code);
    }
    granted(app.staff().patient_delete().patient_id(patient).send().await, 204);
    refused(read(&admin, Of::Patient(patient)).await, 404, "patient_not_found");
    assert_eq!(app.count("select count(*) from profiles").await, 0);
}

#[tokio::test]
async fn specialists_and_clinics_have_profiles_of_their_own() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    field_of(&admin, "specialist", "bio", json!({}), (&["patient", "specialist", "staff"], &["specialist"])).await;
    field_of(
        &admin,
        "specialist",
        "vaccinated",
        json!({ "field_type": "boolean", "phi": true }),
        (&["specialist"], &[]),
    )
    .await;
    field_of(&admin, "organization", "parking", json!({ "field_type": "long_text" }), (&["patient", "staff"], &[]))
        .await;
    let of = Of::Specialist(app.home().specialist_id);
    let own = set(&app.specialist(), of, 0, json!({ "bio": "Knees." })).await;
    set(&admin, of, own.version, json!({ "vaccinated": true })).await;
    // The front desk keeps what the clinic needs to know, and so do its programs.
    field_of(&admin, "specialist", "room", json!({}), (&["staff"], &["staff"])).await;
    field_of(&admin, "specialist", "sick", json!({ "phi": true }), (&["staff"], &["staff"])).await;
    let staff = set(&app.staff(), of, own.version + 1, json!({ "room": "12", "sick": "Flu" })).await;
    assert_eq!(keys(&staff), ["bio", "room", "sick"]);
    refused(update(&app.staff(), of, staff.version, json!({ "bio": "Hips." })).await, 422, "validation_failed");
    let key = app.program(&[Scope::SpecialistsRead, Scope::SpecialistsWrite]).await;
    let by_key = granted(update(&key, of, staff.version, json!({ "room": "14" })).await, 200);
    assert_eq!(keys(&by_key), ["bio", "room"]);
    refused(update(&key, of, by_key.version, json!({ "sick": "No" })).await, 422, "validation_failed");
    assert_eq!(keys(&get(&app.patient(), of).await), ["bio"]);
    assert_eq!(value(&get(&app.specialist(), of).await, "vaccinated"), Some(json!(true)));
    assert_eq!(
        app.count("select count(*) from profile_values where key = 'vaccinated' and data_key_id is null").await,
        1
    );

    let clinic = Of::Organization(app.home().id);
    set(&admin, clinic, 0, json!({ "parking": "Behind the house." })).await;
    assert_eq!(value(&get(&app.patient(), clinic).await, "parking"), Some(json!("Behind the house.")));
    assert_eq!(keys(&get(&app.specialist(), clinic).await), Vec::<&str>::new());
    refused(update(&app.staff(), clinic, 1, json!({})).await, 403, "permission_denied");
}

#[tokio::test]
async fn an_appointments_profile_is_about_its_patient() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let (first, second) = (app.patient_record().await.id, app.patient_create(&admin, "Tom", "Other").await.id);
    let booked = app.appointment_create(&admin, app.home().specialist_id, first, in_days(2, 9)).await;
    field(&admin, "appointment", "reason", json!({ "phi": true })).await;
    let of = Of::Appointment(booked.id);
    let written = set(&app.patient(), of, 0, json!({ "reason": "Knee" })).await;
    assert_eq!(value(&get(&specialist, of).await, "reason"), Some(json!("Knee")));

    // With another patient, it is another profile.
    let change = UpdateAppointment {
        ended_at: booked.ended_at,
        patient_id: second,
        specialist_id: booked.specialist_id,
        specialty_id: None,
        started_at: booked.started_at,
        title: None,
        version: booked.version,
    };
    granted(admin.appointment_update().appointment_id(booked.id).body(change).send().await, 200);
    refused(read(&app.patient(), of).await, 404, "appointment_not_found");
    assert_eq!(value(&get(&admin, of).await, "reason"), None);
    set(&admin, of, written.version, json!({ "reason": "Hip" })).await;

    // Its specialist reads it as long as the record is open.
    app.appointment_set(booked.id, "status = 'cancelled', cancelled_at = now()").await;
    refused(read(&specialist, of).await, 403, "patient_record_closed");
    refused(update(&specialist, of, 9, json!({})).await, 403, "patient_record_closed");
    assert_eq!(value(&get(&app.staff(), of).await, "reason"), Some(json!("Hip")));
}

#[tokio::test]
async fn a_key_gets_what_the_front_desk_gets_and_no_health_of_appointments() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await.id;
    for entity in ["patient", "appointment"] {
        field_of(&admin, entity, "desk", json!({}), (&["staff"], &["staff"])).await;
        field_of(&admin, entity, "health", json!({ "phi": true }), (&["staff"], &["staff"])).await;
        field_of(&admin, entity, "medical", json!({}), (&["specialist"], &["specialist"])).await;
    }
    let key = app.program(&[Scope::PatientsRead, Scope::PatientsWrite, Scope::AppointmentsRead]).await;
    let of_patient = granted(update(&key, Of::Patient(patient), 0, json!({ "desk": "d", "health": "h" })).await, 200);
    assert_eq!(keys(&of_patient), ["desk", "health"]);
    assert_eq!(of_patient.values["health"].changed_by_user_id, None, "a key is no user");
    let of_appointment = granted(read(&key, Of::Appointment(booked)).await, 200);
    assert_eq!(keys(&of_appointment), ["desk"]);
    refused(update(&key, Of::Appointment(booked), 0, json!({ "desk": "d" })).await, 403, "permission_denied");
    let reader: Program = app.program(&[Scope::AppointmentsRead]).await;
    refused(read(&reader, Of::Patient(patient)).await, 403, "permission_denied");
    refused(key.custom_field_list().send().await, 403, "permission_denied");
}

#[tokio::test]
async fn a_colleagues_profile_is_not_a_specialists_to_write() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    noted_field(&admin, "specialist").await;
    let person = app.member_add(Role::Specialist).await;
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    app.specialist_link(&admin, colleague, &person).await;
    let of = Of::Specialist(colleague);
    set(&app.actor(&person), of, 0, json!({ "noted": "Own." })).await;
    refused(update(&app.specialist(), of, 1, json!({ "noted": "Not mine." })).await, 404, "specialist_not_found");
    assert_eq!(value(&get(&app.specialist(), of).await, "noted"), Some(json!("Own.")));
}
