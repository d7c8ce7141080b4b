//! `/v1/patients`: who is treated, and who sees what of them.

use restartix_sdk::core::types::{CreatePatient, Patient, Scope, UpdatePatient};
use test_support::{Actor, CoreApp, granted, in_days, refused};

/// A patient with a value in every field.
pub(crate) fn complete() -> CreatePatient {
    CreatePatient {
        address: Some("17 Quince Lane, 10115 Berlin".to_owned()),
        clinical_notes: Some("Left knee, six weeks after surgery.".to_owned()),
        date_of_birth: "1980-02-29".parse().ok(),
        email: Some("Grace.Sample@example.com".to_owned()),
        emergency_contact: Some("Alan Sample, +49 30 7654321".to_owned()),
        national_id: Some("L01X00T47".to_owned()),
        phone: Some("+49 30 1234567".to_owned()),
        ..CoreApp::new_patient("Grace", "Sample")
    }
}

/// The change that leaves a patient as it is.
pub(crate) fn unchanged(patient: &Patient) -> UpdatePatient {
    let Patient { address, clinical_notes, date_of_birth, email, emergency_contact, .. } = patient.clone();
    let Patient { first_name, last_name, national_id, phone, version, .. } = patient.clone();
    UpdatePatient {
        address,
        clinical_notes,
        date_of_birth,
        email,
        emergency_contact,
        first_name,
        last_name,
        national_id,
        phone,
        version,
    }
}

async fn get(actor: &Actor, id: i64) -> Patient {
    granted(actor.patient_get().patient_id(id).send().await, 200)
}

async fn update(actor: &Actor, id: i64, change: UpdatePatient) -> Patient {
    granted(actor.patient_update().patient_id(id).body(change).send().await, 200)
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_sent_and_is_stored_sealed() {
    let app = CoreApp::start().await;
    let sent = complete();
    let created = granted(app.admin().patient_create().body(sent.clone()).send().await, 201);
    assert_eq!((created.version, created.user_id), (1, None));
    let read = get(&app.admin(), created.id).await;
    assert_eq!(read, created);
    let back = CreatePatient {
        address: read.address,
        clinical_notes: read.clinical_notes,
        date_of_birth: read.date_of_birth,
        email: read.email,
        emergency_contact: read.emergency_contact,
        first_name: read.first_name,
        last_name: read.last_name,
        national_id: read.national_id,
        phone: read.phone,
    };
    assert_eq!(back, sent);

    let sealed: Vec<Vec<u8>> = sqlx::query_scalar(
        "select unnest(array[email_encrypted, phone_encrypted, date_of_birth_encrypted, national_id_encrypted,
                             address_encrypted, emergency_contact_encrypted, clinical_notes_encrypted])
         from patients",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let clear = ["Grace.Sample", "1234567", "1980-02-29", "L01X00T47", "Quince", "Alan", "knee"];
    assert_eq!(sealed.len(), clear.len());
    for (sealed, clear) in sealed.iter().zip(clear) {
        assert!(!String::from_utf8_lossy(sealed).contains(clear), "{clear} is readable");
    }
}

#[tokio::test]
async fn nothing_but_a_name_is_needed() {
    let app = CoreApp::start().await;
    let created = app.patient_create(&app.staff(), "Ann", "Lee").await;
    assert_eq!((created.email.as_ref(), created.phone.as_ref(), created.date_of_birth), (None, None, None));
    // Two of them without an e-mail address are two.
    app.patient_create(&app.staff(), "Ann", "Lee").await;
}

#[tokio::test]
async fn notes_are_for_those_who_treat() {
    let app = CoreApp::start().await;
    let (admin, staff, specialist) = (app.admin(), app.staff(), app.specialist());
    let id = app.patient_of(&app.home().patient, complete()).await.id;
    app.appointment_create(&admin, app.home().specialist_id, id, in_days(2, 9)).await;
    let notes = Some("Left knee, six weeks after surgery.");

    assert_eq!(get(&admin, id).await.clinical_notes.as_deref(), notes);
    assert_eq!(get(&specialist, id).await.clinical_notes.as_deref(), notes);
    assert_eq!(get(&staff, id).await.clinical_notes, None);
    assert_eq!(get(&app.patient(), id).await.clinical_notes, None);
    let listed = granted(staff.patient_list().send().await, 200).data;
    assert_eq!(listed.iter().map(|patient| patient.clinical_notes.as_ref()).collect::<Vec<_>>(), [None]);

    // The front desk replaces the patient without having seen the notes: they stay.
    let seen = get(&staff, id).await;
    let change = UpdatePatient { phone: None, clinical_notes: Some("mine".to_owned()), ..unchanged(&seen) };
    let changed = update(&staff, id, change).await;
    assert_eq!((changed.version, changed.phone, changed.clinical_notes), (3, None, None));
    let seen = get(&specialist, id).await;
    assert_eq!(seen.clinical_notes.as_deref(), notes);

    let change = UpdatePatient { clinical_notes: Some("Better.".to_owned()), ..unchanged(&seen) };
    assert_eq!(update(&specialist, id, change).await.clinical_notes.as_deref(), Some("Better."));
    let change = UpdatePatient { clinical_notes: None, ..unchanged(&get(&admin, id).await) };
    assert_eq!(update(&admin, id, change).await.clinical_notes, None);
    assert_eq!(get(&specialist, id).await.clinical_notes, None);

    // What the front desk sends with a new patient is no note either.
    let other = CreatePatient { email: None, ..complete() };
    let other = granted(staff.patient_create().body(other).send().await, 201);
    assert_eq!(other.clinical_notes, None);
    assert_eq!(get(&admin, other.id).await.clinical_notes, None);
}

#[tokio::test]
async fn a_stale_change_is_refused() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = app.patient_create(&admin, "Ann", "Lee").await;
    let second = update(&admin, first.id, UpdatePatient { last_name: "Moe".to_owned(), ..unchanged(&first) }).await;
    assert_eq!((second.version, second.last_name.as_str()), (2, "Moe"));
    let stale = UpdatePatient { last_name: "Lost".to_owned(), ..unchanged(&first) };
    let refusal = refused(admin.patient_update().patient_id(first.id).body(stale).send().await, 409, "stale_version");
    assert_eq!(refusal.details["version"], 2);
    assert_eq!(get(&admin, first.id).await, second);
}

#[tokio::test]
async fn an_email_address_is_one_patients_of_a_clinic() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = granted(admin.patient_create().body(complete()).send().await, 201);
    let spelt = CreatePatient { email: Some("  GRACE.sample@example.COM".trim().to_owned()), ..complete() };
    let refusal = refused(admin.patient_create().body(spelt).send().await, 409, "patient_email_taken");
    assert_eq!(refusal.details["patient_id"], first.id);
    let other = app.patient_create(&admin, "Ann", "Lee").await;
    let change = UpdatePatient { email: first.email.clone(), ..unchanged(&other) };
    refused(admin.patient_update().patient_id(other.id).body(change).send().await, 409, "patient_email_taken");
    // Another clinic's patient is nobody's business, and a deleted one's address is free.
    granted(app.other_admin().patient_create().body(complete()).send().await, 201);
    granted(admin.patient_delete().patient_id(first.id).send().await, 204);
    granted(admin.patient_create().body(complete()).send().await, 201);
}

#[tokio::test]
async fn deleting_hides_and_keeps() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient.id, in_days(2, 9)).await;
    refused(app.specialist().patient_delete().patient_id(patient.id).send().await, 403, "permission_denied");
    granted(staff.patient_delete().patient_id(patient.id).send().await, 204);
    refused(staff.patient_get().patient_id(patient.id).send().await, 404, "patient_not_found");
    refused(staff.patient_delete().patient_id(patient.id).send().await, 404, "patient_not_found");
    let change = staff.patient_update().patient_id(patient.id).body(unchanged(&patient));
    refused(change.send().await, 404, "patient_not_found");
    assert_eq!(granted(staff.patient_list().send().await, 200).data, []);
    let named = granted(staff.appointment_get().appointment_id(booked.id).send().await, 200);
    assert_eq!(named.patient_id, patient.id, "appointments keep naming it");
    assert_eq!(app.count("select count(*) from patients where deleted_at is not null").await, 1);
    let again = CoreApp::new_appointment(app.home().specialist_id, patient.id, in_days(3, 9));
    let refusal = refused(staff.appointment_create().body(again).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "unknown_reference")]);
}

#[tokio::test]
async fn a_patient_sees_itself_alone() {
    let app = CoreApp::start().await;
    let own = app.patient_record().await;
    let other = app.patient_create(&app.admin(), "Ann", "Lee").await;
    let me = app.patient();
    assert_eq!(get(&me, own.id).await.first_name, "Pia");
    refused(me.patient_get().patient_id(other.id).send().await, 404, "patient_not_found");
    refused(me.patient_list().send().await, 403, "permission_denied");
    refused(me.patient_create().body(CoreApp::new_patient("A", "B")).send().await, 403, "permission_denied");
    let change = me.patient_update().patient_id(own.id).body(unchanged(&own));
    refused(change.send().await, 403, "permission_denied");
    refused(me.patient_delete().patient_id(own.id).send().await, 403, "permission_denied");
}

#[tokio::test]
async fn a_specialist_sees_those_it_treats() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let treated = app.patient_create(&admin, "Ann", "Treated").await;
    let other = app.patient_create(&admin, "Tom", "Other").await;
    refused(specialist.patient_get().patient_id(treated.id).send().await, 404, "patient_not_found");
    let booked = app.appointment_create(&admin, app.home().specialist_id, treated.id, in_days(2, 9)).await;
    assert_eq!(get(&specialist, treated.id).await.last_name, "Treated");
    refused(specialist.patient_get().patient_id(other.id).send().await, 404, "patient_not_found");
    let listed = granted(specialist.patient_list().send().await, 200);
    assert_eq!(listed.data.iter().map(|patient| patient.id).collect::<Vec<_>>(), [treated.id]);
    assert_eq!(listed.meta.total, 1);
    let change = specialist.patient_update().patient_id(other.id).body(unchanged(&other));
    refused(change.send().await, 404, "patient_not_found");
    granted(admin.appointment_delete().appointment_id(booked.id).send().await, 204);
    refused(specialist.patient_get().patient_id(treated.id).send().await, 404, "patient_not_found");
}

#[tokio::test]
async fn another_clinics_are_not_there() {
    let app = CoreApp::start().await;
    let theirs = app.patient_create(&app.other_admin(), "Tom", "Away").await;
    let admin = app.admin();
    refused(admin.patient_get().patient_id(theirs.id).send().await, 404, "patient_not_found");
    refused(admin.patient_delete().patient_id(theirs.id).send().await, 404, "patient_not_found");
    let change = admin.patient_update().patient_id(theirs.id).body(unchanged(&theirs));
    refused(change.send().await, 404, "patient_not_found");
    assert_eq!(granted(admin.patient_list().send().await, 200).data, []);
    assert_eq!(get(&app.other_admin(), theirs.id).await, theirs);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_to_who_sees_every_patient() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let hidden = CreatePatient { email: Some("hidden@example.org".to_owned()), ..CoreApp::new_patient("Hid", "Den") };
    let hidden = granted(admin.patient_create().body(hidden).send().await, 201).id;
    let own = granted(admin.patient_create().body(complete()).send().await, 201).id;
    app.appointment_create(&admin, app.home().specialist_id, own, in_days(2, 9)).await;
    refused(specialist.patient_get().patient_id(hidden).send().await, 404, "patient_not_found");
    let seen = get(&specialist, own).await;
    let mut answers = std::collections::BTreeSet::new();
    for email in [Some("hidden@example.org"), Some("free@example.org"), None] {
        let change = UpdatePatient { email: email.map(str::to_owned), ..unchanged(&seen) };
        let answer = specialist.patient_update().patient_id(own).body(change).send().await;
        let refusal = refused(answer, 403, "patient_identifier_forbidden");
        answers.insert((refusal.message.clone(), refusal.details.to_string()));
    }
    assert_eq!(answers.len(), 1, "the three can't be told apart: {answers:?}");
    let change = UpdatePatient { national_id: None, ..unchanged(&seen) };
    let change = specialist.patient_update().patient_id(own).body(change).send().await;
    refused(change, 403, "patient_identifier_forbidden");
    let change = UpdatePatient { phone: None, ..unchanged(&seen) };
    let changed = update(&specialist, own, change).await;
    assert_eq!((changed.email, changed.national_id), (seen.email, seen.national_id), "everything else is for it");

    let change = UpdatePatient { email: Some("hidden@example.org".to_owned()), ..unchanged(&get(&admin, own).await) };
    let taken = app.staff().patient_update().patient_id(own).body(change).send().await;
    refused(taken, 409, "patient_email_taken");
    // A key that only writes is not told whose it is, either.
    let twin = CreatePatient { email: Some("hidden@example.org".to_owned()), ..CoreApp::new_patient("Twin", "Den") };
    let writer = app.program(&[Scope::PatientsWrite]).await;
    let refusal = refused(writer.patient_create().body(twin.clone()).send().await, 409, "patient_email_taken");
    assert_eq!(refusal.details, serde_json::Value::Null);
    let refusal = refused(app.staff().patient_create().body(twin).send().await, 409, "patient_email_taken");
    assert_eq!(refusal.details["patient_id"], hidden);
}

#[tokio::test]
async fn values_are_checked() {
    let app = CoreApp::start().await;
    let unborn =
        CreatePatient { date_of_birth: Some(in_days(2, 0).naive_utc().date()), ..CoreApp::new_patient("Ann", "Lee") };
    let refusal = refused(app.admin().patient_create().body(unborn).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/date_of_birth", "range")]);
    let wrong = CreatePatient {
        email: Some("no address".to_owned()),
        phone: Some("call me".to_owned()),
        national_id: Some("---".to_owned()),
        first_name: " ".to_owned(),
        last_name: "x".repeat(101),
        ..CoreApp::new_patient("", "")
    };
    let refusal = refused(app.admin().patient_create().body(wrong).send().await, 422, "validation_failed");
    let mut pointers: Vec<_> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
    pointers.sort_unstable();
    pointers.dedup();
    assert_eq!(pointers, ["/email", "/first_name", "/last_name", "/national_id", "/phone"]);
}
