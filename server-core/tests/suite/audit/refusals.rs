//! Refused requests are recorded in the trail with the outcome of a refusal.

use restartix_sdk::core::types::UpdatePatient;
use test_support::{CoreApp, granted, in_days, refused};

use super::{Row, Trail};
use crate::patient::{complete, unchanged};

#[tokio::test]
async fn what_is_refused_leaves_no_row_of_success() {
    let app = CoreApp::start().await;
    let (staff, mut trail) = (app.staff(), Trail::new(&app).await);
    let patient = granted(staff.patient_create().body(complete()).send().await, 201);
    assert_eq!(trail.next().await.len(), 1);
    refused(staff.patient_create().body(complete()).send().await, 409, "patient_email_taken");
    let stale = UpdatePatient { version: 7, ..unchanged(&patient) };
    refused(staff.patient_update().patient_id(patient.id).body(stale).send().await, 409, "stale_version");
    refused(staff.patient_delete().patient_id(4711).send().await, 404, "patient_not_found");
    let far = CoreApp::new_appointment(app.away().specialist_id, patient.id, in_days(2, 9));
    refused(staff.appointment_create().body(far).send().await, 422, "validation_failed");
    let succeeded: Vec<Row> = trail.next().await.into_iter().filter(|row| row.outcome == "succeeded").collect();
    assert_eq!(succeeded, []);
}
