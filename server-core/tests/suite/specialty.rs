//! `/v1/specialties`: what a clinic offers.

use restartix_sdk::core::types::{CreateAppointment, Specialty, SpecialtyInput};
use sqlx::{AssertSqlSafe, Connection};
use test_support::{Actor, CoreApp, eventually, granted, in_days, refused};

fn input(name: &str) -> SpecialtyInput {
    SpecialtyInput { name: name.to_owned(), description: Some(format!("About {name}.")) }
}

async fn create(actor: &Actor, name: &str) -> Specialty {
    granted(actor.specialty_create().body(input(name)).send().await, 201)
}

#[tokio::test]
async fn admins_write_and_everybody_reads() {
    let app = CoreApp::start().await;
    let created = create(&app.admin(), "Physiotherapy").await;
    assert_eq!((created.name.as_str(), created.description.as_str()), ("Physiotherapy", "About Physiotherapy."));
    assert_eq!(created.archived_at, None);
    for actor in [app.admin(), app.specialist(), app.staff(), app.patient()] {
        assert_eq!(granted(actor.specialty_get().specialty_id(created.id).send().await, 200), created);
        assert_eq!(granted(actor.specialty_list().send().await, 200).data, std::slice::from_ref(&created));
    }
    for actor in [app.specialist(), app.staff(), app.patient()] {
        refused(actor.specialty_create().body(input("Other")).send().await, 403, "permission_denied");
        let update = actor.specialty_update().specialty_id(created.id).body(input("Other"));
        refused(update.send().await, 403, "permission_denied");
        refused(actor.specialty_delete().specialty_id(created.id).send().await, 403, "permission_denied");
    }
    let admin = app.admin();
    let body = SpecialtyInput { name: "Physio".to_owned(), description: None };
    let update = admin.specialty_update().specialty_id(created.id).body(body);
    let updated = granted(update.send().await, 200);
    assert_eq!((updated.name.as_str(), updated.description.as_str()), ("Physio", ""), "PUT replaces");
    assert!(updated.updated_at > created.updated_at);
}

#[tokio::test]
async fn another_clinics_are_not_there() {
    let app = CoreApp::start().await;
    let theirs = create(&app.other_admin(), "Secret art").await;
    let admin = app.admin();
    refused(admin.specialty_get().specialty_id(theirs.id).send().await, 404, "specialty_not_found");
    refused(
        admin.specialty_update().specialty_id(theirs.id).body(input("Mine")).send().await,
        404,
        "specialty_not_found",
    );
    refused(admin.specialty_delete().specialty_id(theirs.id).send().await, 404, "specialty_not_found");
    assert_eq!(granted(admin.specialty_list().send().await, 200).data, []);
    assert_eq!(granted(app.other_admin().specialty_get().specialty_id(theirs.id).send().await, 200), theirs);
    // Nor is their name taken.
    create(&admin, "Secret art").await;
}

#[tokio::test]
async fn a_name_is_unique_among_those_in_use() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    create(&admin, "Hand Therapy").await;
    let other = create(&admin, "Speech").await;
    refused(admin.specialty_create().body(input("hand therapy")).send().await, 409, "specialty_name_taken");
    let rename = admin.specialty_update().specialty_id(other.id).body(input("HAND THERAPY"));
    refused(rename.send().await, 409, "specialty_name_taken");
}

#[tokio::test]
async fn one_in_use_is_archived_and_one_that_is_not_is_deleted() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let unused = create(&admin, "Unused").await;
    granted(admin.specialty_delete().specialty_id(unused.id).send().await, 204);
    refused(admin.specialty_get().specialty_id(unused.id).send().await, 404, "specialty_not_found");
    refused(admin.specialty_delete().specialty_id(unused.id).send().await, 404, "specialty_not_found");

    let used = create(&admin, "Used").await;
    let mut specialist = CoreApp::new_specialist("Dr. Uses");
    specialist.specialty_ids = vec![used.id];
    let specialist = granted(admin.specialist_create().body(specialist).send().await, 201);
    granted(admin.specialty_delete().specialty_id(used.id).send().await, 204);
    let archived = granted(admin.specialty_get().specialty_id(used.id).send().await, 200);
    assert!(archived.archived_at.is_some());
    assert_eq!(granted(admin.specialty_list().send().await, 200).data, []);
    assert_eq!(granted(admin.specialty_list().archived(true).send().await, 200).data, std::slice::from_ref(&archived));
    // Repeated, it does nothing more.
    granted(admin.specialty_delete().specialty_id(used.id).send().await, 204);
    let again = granted(admin.specialty_get().specialty_id(used.id).send().await, 200);
    assert_eq!(again.archived_at, archived.archived_at);
    let still = granted(admin.specialist_get().specialist_id(specialist.id).send().await, 200);
    assert_eq!(still.specialty_ids, [used.id], "what names it keeps doing so");

    // It can't be chosen any more, and its name is free.
    let patient = app.patient_create(&admin, "Ann", "Lee").await;
    let booking = CreateAppointment {
        specialty_id: Some(used.id),
        ..CoreApp::new_appointment(specialist.id, patient.id, in_days(3, 9))
    };
    let refusal = refused(admin.appointment_create().body(booking).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialty_id", "unknown_reference")]);
    create(&admin, "used").await;
}

#[tokio::test]
async fn whatever_refers_to_one_keeps_it() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    // A table that no code knows, with rows that no policy shows to the caller.
    let leaflet = create(&admin, "Leaflet").await;
    let sql = format!(
        "create table leaflets (
             organization_id bigint, specialty_id bigint,
             foreign key (organization_id, specialty_id) references specialties (organization_id, id));
         alter table leaflets enable row level security;
         insert into leaflets select organization_id, id from specialties where id = {}",
        leaflet.id
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
    let delete = || admin.specialty_delete().specialty_id(leaflet.id).send();
    let get = || admin.specialty_get().specialty_id(leaflet.id).send();
    granted(delete().await, 204);
    let archived = granted(get().await, 200);
    assert!(archived.archived_at.is_some());
    granted(delete().await, 204);
    assert_eq!(granted(get().await, 200), archived, "repeated, it does nothing more");
    sqlx::raw_sql("delete from leaflets").execute(&mut app.owner().await).await.unwrap();
    granted(delete().await, 204);
    refused(get().await, 404, "specialty_not_found");
}

#[tokio::test]
async fn a_reference_made_in_this_moment_keeps_it_too() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let chosen = create(&admin, "Chosen").await;
    let mut owner = app.owner().await;
    let mut choosing = owner.begin().await.unwrap();
    let sql = format!(
        "insert into specialist_specialties (organization_id, specialist_id, specialty_id) values ({}, {}, {})",
        app.home().id,
        app.home().specialist_id,
        chosen.id
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *choosing).await.unwrap();
    let delete = async { granted(admin.specialty_delete().specialty_id(chosen.id).send().await, 204) };
    let choose = async {
        let waiting = "select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid
                       where a.datname = current_database() and not l.granted";
        eventually("the deletion waits", CoreApp::PATIENCE, || async { app.count(waiting).await > 0 }).await;
        choosing.commit().await.unwrap();
    };
    tokio::join!(delete, choose);
    let archived = granted(admin.specialty_get().specialty_id(chosen.id).send().await, 200);
    assert!(archived.archived_at.is_some());
    let specialist = admin.specialist_get().specialist_id(app.home().specialist_id).send().await;
    assert_eq!(granted(specialist, 200).specialty_ids, [chosen.id]);
}

#[tokio::test]
async fn lists_are_paged_and_sorted_by_name() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for name in ["beta", "Alpha", "gamma"] {
        create(&admin, name).await;
    }
    let names = |page: restartix_sdk::core::types::PageSpecialty| -> Vec<String> {
        page.data.into_iter().map(|specialty| specialty.name).collect()
    };
    assert_eq!(names(granted(admin.specialty_list().send().await, 200)), ["Alpha", "beta", "gamma"]);
    assert_eq!(names(granted(admin.specialty_list().sort("-name").send().await, 200)), ["gamma", "beta", "Alpha"]);
    let second = granted(admin.specialty_list().page(2).page_size(2).send().await, 200);
    assert_eq!((second.meta.total, second.meta.total_pages), (3, 2));
    assert_eq!(names(second), ["gamma"]);
    let full = granted(admin.specialty_list().page_size(3).send().await, 200);
    assert_eq!((full.meta.total, full.data.len()), (3, 3), "a page that is exactly full is counted right");
    let past = granted(admin.specialty_list().page(9).send().await, 200);
    assert_eq!((past.meta.total, past.data.len()), (3, 0), "past the last page the total stands alone");
}
