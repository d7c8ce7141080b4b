//! Rows of a change: its audit row and the outbox row for Telemetry. `matrix/left.rs` checks that every mutation leaves
//! them; the tests here are of those whose changed fields are not just names of the document's fields.

use restartix_sdk::core::types::{UpdateOrganizationSettings, UpdatePatient, UpdateRecordAccess};
use test_support::{CoreApp, granted};

use super::Trail;
use crate::patient::{complete, unchanged};

#[tokio::test]
async fn a_change_leaves_a_row_and_one_for_telemetry() {
    let app = CoreApp::start().await;
    let (staff, home, mut trail) = (app.staff(), app.home().id, Trail::new(&app).await);
    let patient = granted(staff.patient_create().body(complete()).send().await, 201);
    let what = |action| (action, "patient", patient.id.to_string());
    trail.one(&staff, home, "patient_create", what("created"), &[]).await;
    let change = UpdatePatient { phone: None, last_name: "Moe".to_owned(), ..unchanged(&patient) };
    granted(staff.patient_update().patient_id(patient.id).body(change).send().await, 200);
    trail.one(&staff, home, "patient_update", what("updated"), &["last_name", "phone"]).await;
    granted(staff.patient_delete().patient_id(patient.id).send().await, 204);
    trail.one(&staff, home, "patient_delete", what("deleted"), &[]).await;
    assert_eq!(app.count("select count(*) from audit_outbox").await, i64::try_from(trail.seen.len()).unwrap());
}

#[tokio::test]
async fn what_changed_is_named_and_nothing_else() {
    let app = CoreApp::start().await;
    let (admin, home, mut trail) = (app.admin(), app.home().id, Trail::new(&app).await);
    let specialist = app.specialist_create(&admin, "Dr. Ada").await.id;
    trail.next().await;
    let what = || ("updated", "specialist", specialist.to_string());
    let mut schedule = CoreApp::new_schedule();
    schedule.daily_cap = Some(5);
    app.schedule_set(&admin, specialist, schedule.clone()).await;
    let fields = ["slot_minutes", "horizon_days", "daily_cap", "hours", "exceptions"];
    trail.one(&admin, home, "specialist_schedule_update", what(), &fields).await;
    (schedule.version, schedule.daily_cap) = (2, None);
    app.schedule_set(&admin, specialist, schedule).await;
    trail.one(&admin, home, "specialist_schedule_update", what(), &["daily_cap"]).await;

    let access = UpdateRecordAccess { after_treatment_days: Some(30), ..UpdateRecordAccess::default() };
    let body = UpdateOrganizationSettings { version: 1, record_access: Some(access) };
    granted(admin.organization_settings_update().organization_id(home).body(body).send().await, 200);
    let what = ("updated", "organization_settings", home.to_string());
    let fields = ["record_access.after_treatment_days"];
    trail.one(&admin, home, "organization_settings_update", what, &fields).await;
}
