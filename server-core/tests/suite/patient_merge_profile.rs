//! Profiles of patients who were entered twice.

use serde_json::json;
use test_support::{CoreApp, in_days, refused};

use crate::{
    custom_field::field,
    patient_merge::merge,
    profile::{Of, get, read, set, update, value},
};

#[tokio::test]
async fn values_of_the_merged_record_are_the_patients_unless_it_has_its_own() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let stays = app.patient_record().await;
    let goes = app.patient_create(&admin, "Gracie", "Sample").await;
    let (kept, moved) = (Of::Patient(stays.id), Of::Patient(goes.id));
    for key in ["allergy", "hobby", "removed", "shoe"] {
        field(&admin, "patient", key, json!({ "phi": key == "allergy" })).await;
    }
    field(&admin, "appointment", "reason", json!({ "phi": true })).await;
    set(&admin, kept, 0, json!({ "hobby": "Chess", "removed": "Once" })).await;
    let before = set(&admin, kept, 1, json!({ "removed": null })).await;
    set(&admin, moved, 0, json!({ "allergy": "Latex", "hobby": "Golf", "removed": "Twice", "shoe": "38" })).await;
    let booked = app.appointment_create(&admin, app.home().specialist_id, goes.id, in_days(2, 9)).await;
    set(&admin, Of::Appointment(booked.id), 0, json!({ "reason": "Knee" })).await;

    merge(&admin, &stays, &goes).await;

    // Who reaches the patient opens what was sealed under the key of the other record.
    for actor in [&admin, &app.staff(), &app.specialist(), &app.patient()] {
        let profile = get(actor, kept).await;
        let values = ["allergy", "hobby", "removed", "shoe"].map(|key| value(&profile, key));
        assert_eq!(values, [Some(json!("Latex")), Some(json!("Chess")), None, Some(json!("38"))]);
        assert_eq!(value(&get(actor, Of::Appointment(booked.id)).await, "reason"), Some(json!("Knee")));
    }
    refused(read(&admin, moved).await, 404, "patient_merged");
    refused(update(&admin, moved, 1, json!({ "shoe": "39" })).await, 404, "patient_merged");

    // A write that was based on the profile before the merge conflicts with what came by it, and only with that.
    refused(update(&admin, kept, before.version, json!({ "shoe": "40" })).await, 409, "stale_version");
    let after = set(&app.patient(), kept, before.version, json!({ "hobby": "Go" })).await;
    assert_eq!(value(&after, "allergy"), Some(json!("Latex")));
    let changed = set(&app.patient(), kept, after.version, json!({ "allergy": "Nuts" })).await;
    assert_eq!(value(&changed, "allergy"), Some(json!("Nuts")));
}
