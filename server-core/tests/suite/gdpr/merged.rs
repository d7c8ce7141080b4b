//! Exports and erasures of a patient that another record was merged into: they reach both.

use restartix_sdk::core::types::{CreatePatient, ErasureAction, MergePatient};
use test_support::{ClerkApi, CoreApp, granted, in_days, refused};

use super::{clinic, count, exported, finished, planting::planted_record};

#[tokio::test]
async fn a_merged_record_is_exported_and_erased_with_its_patient() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let body =
        CreatePatient { email: Some("kept@example.org".to_owned()), ..CoreApp::new_patient("Keptfirst", "Kept") };
    let stays = granted(admin.patient_create().body(body).send().await, 201);
    let goes = granted(admin.patient_create().body(planted_record()).send().await, 201);
    let mut booking = CoreApp::new_appointment(app.home().specialist_id, goes.id, in_days(2, 9));
    booking.title = Some("planted-title".to_owned());
    granted(admin.appointment_create().body(booking).send().await, 201);
    // A deleted appointment stays with the merged record.
    let mut booking = CoreApp::new_appointment(app.home().specialist_id, goes.id, in_days(3, 9));
    booking.title = Some("planted-deleted".to_owned());
    let deleted = granted(admin.appointment_create().body(booking).send().await, 201).id;
    granted(admin.appointment_delete().appointment_id(deleted).send().await, 204);
    app.file_put(&format!("organizations/{}/patients/{}/scan.txt", app.home().id, goes.uid), "planted-file-body").await;
    let body = MergePatient { merged_patient_id: goes.id, merged_version: goes.version, version: stays.version };
    granted(admin.patient_merge().patient_id(stays.id).body(body).send().await, 200);
    let wrapped = "select count(*) from data_keys where not of_organization and wrapped <> ''";
    assert_eq!(app.count(wrapped).await, 2, "its key stays");

    let document = exported(&admin, stays.id).await;
    let planted = [
        "Plantedfirst",
        "planted-email@example.org",
        "PLANTEDID777",
        "planted-clinical-note",
        "planted-title",
        "planted-deleted",
        "scan.txt",
    ];
    for value in planted.iter().chain(&["Keptfirst", "kept@example.org", "patient_merges"]) {
        assert!(document.contains(value), "{value} is not in the export: {document}");
    }
    for read in [stays.id, goes.id] {
        let rows = format!(
            "select count(*) from audit_log where entity_type = 'patient' and entity_id = '{read}' \
                            and action = 'read' and operation_id = 'gdpr_patient_export'"
        );
        assert_eq!(count(app, rows).await, 1);
    }

    let asked = granted(admin.gdpr_patient_erase().patient_id(stays.id).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    let of_table =
        |table: &str| job.receipt.iter().filter(|item| item.table == table).map(|item| item.rows).sum::<i64>();
    assert_eq!((of_table("patients"), of_table("data_keys"), of_table("patient_merges")), (2, 2, 1));
    assert!(job.receipt.iter().any(|item| item.action == ErasureAction::DestroyKey));
    for value in planted.iter().filter(|value| **value != "scan.txt").chain(&["Keptfirst", "kept@example.org"]) {
        assert_eq!(app.search(value).await, Vec::new(), "{value}");
    }
    assert_eq!(app.search("planted-file-body").await, Vec::new());
    assert_eq!(app.count(wrapped).await, 0);
    // Both ids name the erasure from now on, and nobody any more.
    for id in [stays.id, goes.id] {
        let again = granted(admin.gdpr_patient_erase().patient_id(id).send().await, 202);
        assert_eq!(again.job_id, asked.job_id);
        refused(admin.patient_get().patient_id(id).send().await, 404, "patient_not_found");
    }
}
