//! `/v1/specialists`: who treats.

use restartix_sdk::core::types::{SpecialistInput, SpecialtyInput};
use test_support::{CoreApp, granted, in_days, refused};

async fn specialty(app: &CoreApp, name: &str) -> i64 {
    let body = SpecialtyInput { name: name.to_owned(), description: None };
    granted(app.admin().specialty_create().body(body).send().await, 201).id
}

#[tokio::test]
async fn an_admin_creates_replaces_and_deletes_one() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (knee, hip) = (specialty(&app, "Knees").await, specialty(&app, "Hips").await);
    let body = SpecialistInput {
        title: Some("Physiotherapist".to_owned()),
        specialty_ids: vec![hip, knee],
        ..CoreApp::new_specialist("Dr. Ada")
    };
    let created = granted(admin.specialist_create().body(body).send().await, 201);
    assert_eq!((created.name.as_str(), created.title.as_str(), created.bookable), ("Dr. Ada", "Physiotherapist", true));
    assert_eq!((created.specialty_ids.clone(), created.user_id), (vec![knee, hip], None));
    for actor in [app.specialist(), app.staff(), app.patient()] {
        assert_eq!(granted(actor.specialist_get().specialist_id(created.id).send().await, 200), created);
        let body = CoreApp::new_specialist("Nobody");
        refused(actor.specialist_create().body(body).send().await, 403, "permission_denied");
        refused(actor.specialist_delete().specialist_id(created.id).send().await, 403, "permission_denied");
    }
    let body = SpecialistInput { bookable: Some(false), specialty_ids: vec![hip], ..CoreApp::new_specialist("Dr. A.") };
    let updated = granted(admin.specialist_update().specialist_id(created.id).body(body).send().await, 200);
    assert_eq!(
        (updated.name.as_str(), updated.title.as_str(), updated.bookable),
        ("Dr. A.", "", false),
        "PUT replaces"
    );
    assert_eq!(updated.specialty_ids, [hip]);
    assert_eq!(granted(admin.specialist_get().specialist_id(created.id).send().await, 200), updated);

    granted(admin.specialist_delete().specialist_id(created.id).send().await, 204);
    refused(admin.specialist_get().specialist_id(created.id).send().await, 404, "specialist_not_found");
    refused(admin.specialist_delete().specialist_id(created.id).send().await, 404, "specialist_not_found");
    let patient = app.patient_create(&admin, "Ann", "Lee").await;
    let booking = CoreApp::new_appointment(created.id, patient.id, in_days(3, 9));
    let refusal = refused(admin.appointment_create().body(booking).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "unknown_reference")]);
}

#[tokio::test]
async fn another_clinics_are_not_there() {
    let app = CoreApp::start().await;
    let theirs = app.away().specialist_id;
    let admin = app.admin();
    refused(admin.specialist_get().specialist_id(theirs).send().await, 404, "specialist_not_found");
    let update = admin.specialist_update().specialist_id(theirs).body(CoreApp::new_specialist("Mine"));
    refused(update.send().await, 404, "specialist_not_found");
    refused(admin.specialist_delete().specialist_id(theirs).send().await, 404, "specialist_not_found");
    let listed = granted(admin.specialist_list().send().await, 200);
    assert_eq!(listed.data.iter().map(|s| s.id).collect::<Vec<_>>(), [app.home().specialist_id]);

    // Nor can their specialties be referred to.
    let body = SpecialtyInput { name: "Theirs".to_owned(), description: None };
    let foreign = granted(app.other_admin().specialty_create().body(body).send().await, 201).id;
    let body = SpecialistInput { specialty_ids: vec![foreign], ..CoreApp::new_specialist("Dr. Reach") };
    let refusal = refused(admin.specialist_create().body(body).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialty_ids/0", "unknown_reference")]);
    assert_eq!(app.count("select count(*) from specialists where name = 'Dr. Reach'").await, 0);
}

#[tokio::test]
async fn a_specialist_replaces_its_own_entry() {
    let app = CoreApp::start().await;
    let (me, own) = (app.specialist(), app.home().specialist_id);
    let renamed = CoreApp::new_specialist("Dr. Self");
    let updated = granted(me.specialist_update().specialist_id(own).body(renamed).send().await, 200);
    assert_eq!((updated.name.as_str(), updated.user_id), ("Dr. Self", Some(me.person().user_id)), "the login stays");
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await;
    let update = me.specialist_update().specialist_id(colleague.id).body(CoreApp::new_specialist("Dr. Mine"));
    refused(update.send().await, 404, "specialist_not_found");
    let staff = app.staff();
    let update = staff.specialist_update().specialist_id(own).body(CoreApp::new_specialist("Dr. Desk"));
    refused(update.send().await, 403, "permission_denied");
}

#[tokio::test]
async fn lists_are_filtered_and_sorted() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let knee = specialty(&app, "Knees").await;
    let body = SpecialistInput { specialty_ids: vec![knee], ..CoreApp::new_specialist("Zoe") };
    let zoe = granted(admin.specialist_create().body(body).send().await, 201).id;
    let body = SpecialistInput { bookable: Some(false), ..CoreApp::new_specialist("adam") };
    let adam = granted(admin.specialist_create().body(body).send().await, 201).id;
    let seeded = app.home().specialist_id;
    let ids = |page: restartix_sdk::core::types::PageSpecialist| -> Vec<i64> {
        page.data.into_iter().map(|specialist| specialist.id).collect()
    };
    let patient = app.patient();
    assert_eq!(ids(granted(patient.specialist_list().send().await, 200)), [adam, seeded, zoe]);
    assert_eq!(ids(granted(patient.specialist_list().sort("-name").send().await, 200)), [zoe, seeded, adam]);
    assert_eq!(ids(granted(patient.specialist_list().specialty_id(knee).send().await, 200)), [zoe]);
    assert_eq!(ids(granted(patient.specialist_list().bookable(false).send().await, 200)), [adam]);
    let page = granted(patient.specialist_list().bookable(true).page_size(1).page(2).send().await, 200);
    assert_eq!((page.meta.total, page.meta.total_pages), (2, 2));
    assert_eq!(ids(page), [zoe]);
}
