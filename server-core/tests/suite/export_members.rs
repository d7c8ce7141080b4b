//! Exports of the members of a segment.

use chrono::{DateTime, SecondsFormat, Utc};
use restartix_sdk::core::types::{CreatePatient, ExportState};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, granted, refused, until};

use crate::{
    export::{exported, said, table, wanted},
    patient_merge::{merge, twice},
    segment::{create, evaluated, everybody, patients},
};

/// Returns the request for these columns of the members of a segment.
fn of(segment: i64, columns: &[&str]) -> Value {
    json!({ "segment_members": { "segment_id": segment, "columns": columns } })
}

/// Keeps segments from being evaluated in the background.
async fn halt(app: &CoreApp) {
    let sql = "create function halt() returns trigger language plpgsql as
               $$ begin new.run_at := now() + interval '1 hour'; return new; end $$;
               create trigger halt before insert on jobs for each row
               when (new.kind in ('segment_evaluate', 'segments_follow')) execute function halt()";
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
}

/// Asserts that there is no such segment for a caller.
async fn assert_unknown(actor: &Actor, segment: i64) {
    let refusal = refused(actor.csv_export().body(wanted(of(segment, &[]))).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/segment_members/segment_id", "unknown_reference")]);
    let job = actor.export_job_create().body(wanted(of(segment, &[]))).send().await;
    assert_eq!(refused(job, 422, "validation_failed").fields(), refusal.fields());
}

#[tokio::test]
async fn members_are_those_of_the_last_evaluation_with_their_records() {
    let app = CoreApp::start().await;
    halt(&app).await;
    let admin = app.admin();
    let full = CreatePatient {
        address: Some("=1 Main Street".to_owned()),
        date_of_birth: Some("1980-02-29".parse().unwrap()),
        email: Some("ann@example.com".to_owned()),
        phone: Some("+40721234567".to_owned()),
        ..CoreApp::new_patient("Ann", "-Lee")
    };
    let full = granted(admin.patient_create().body(full).send().await, 201).id.to_string();
    let [bare, gone] = patients(&app, ["Bare", "Gone"]).await;
    let segment = evaluated(&admin, everybody()).await;
    app.patient_create(&admin, "Ann", "Later").await;
    granted(admin.patient_delete().patient_id(gone).send().await, 204);

    let rows = table(&admin, of(segment, &[])).await;
    let (person, evaluation) = (["patient_id", "first_name", "last_name"], ["joined_at", "evaluated_at"]);
    let header = [&person[..], &["email", "phone", "date_of_birth", "address"], &evaluation].concat();
    assert_eq!(rows[0], header);
    let values = ["Ann", "'-Lee", "ann@example.com", "+40721234567", "1980-02-29", "'=1 Main Street"];
    assert_eq!((&rows[1][0], &rows[1][1..7]), (&full, &values.map(str::to_owned)[..]));
    assert_eq!(rows[2][..4], [bare.to_string(), "Ann".to_owned(), "Bare".to_owned(), String::new()]);
    assert_eq!(rows.len(), 3, "neither those who came after the evaluation nor those who are deleted");
    let evaluated_at: DateTime<Utc> = sqlx::query_scalar("select evaluated_at from segments where id = $1")
        .bind(segment)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap();
    let evaluated_at = evaluated_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    assert_eq!(rows[1][7..], [evaluated_at.as_str(); 2]);
    // In the order of the request, also if the record is not read for it.
    let some = table(&admin, of(segment, &["evaluated_at", "phone", "joined_at", "patient_id"])).await;
    assert_eq!(some[1], [evaluated_at.as_str(), "+40721234567", evaluated_at.as_str(), full.as_str()]);
    let ids = exported(&admin, of(segment, &["patient_id"])).await;
    assert_eq!(ids, format!("patient_id\r\n{full}\r\n{bare}\r\n"));
    assert_eq!(table(&admin, of(create(&admin, everybody()).await.id, &["patient_id"])).await, [["patient_id"]]);
}

#[tokio::test]
async fn segments_are_exported_in_their_clinic_and_the_trail_names_them() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let [patient] = patients(&app, ["Lee"]).await;
    let segment = evaluated(&admin, everybody()).await;
    for person in [app.specialist(), app.staff()] {
        let request = person.csv_export().body(wanted(of(segment, &["patient_id"])));
        refused(request.send().await, 403, "permission_denied");
    }
    assert_unknown(&app.other_admin(), segment).await;
    assert_unknown(&app.superadmin().in_organization(app.away().id), segment).await;
    assert_unknown(&admin, 9_999).await;
    assert!(said(&app).await.is_empty(), "nothing has left");

    let superadmin = app.superadmin().in_organization(app.home().id);
    assert_eq!(table(&superadmin, of(segment, &["patient_id"])).await[1], [patient.to_string()]);
    let names = ["entity:segment_members".to_owned(), format!("segment:{segment}"), "rows:1".to_owned()];
    assert_eq!(said(&app).await[0].3, [&names[..], &["patient_id".to_owned()]].concat());
}

#[tokio::test]
async fn a_merged_record_is_no_member_before_the_next_evaluation() {
    let app = CoreApp::start().await;
    halt(&app).await;
    let admin = app.admin();
    let (stays, goes) = twice(&app).await;
    let segment = evaluated(&admin, everybody()).await;
    merge(&admin, &stays, &goes).await;
    let rows = table(&admin, of(segment, &["patient_id", "email"])).await;
    assert_eq!(rows[1..], [[stays.id.to_string(), String::new()]]);
}

#[tokio::test]
async fn a_file_has_the_same_members() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    patients(&app, ["Lee", "Poe"]).await;
    evaluated(&app.other_admin(), everybody()).await;
    let segment = evaluated(&admin, everybody()).await;
    let columns = ["patient_id", "last_name", "email", "joined_at"];
    let direct = exported(&admin, of(segment, &columns)).await;
    let asked = granted(admin.export_job_create().body(wanted(of(segment, &columns))).send().await, 202);
    let (job, _) = until("the file is complete", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.export_job_get().job_id(asked.id).send().await, 200);
        (job.state == ExportState::Succeeded).then_some(job)
    })
    .await;
    let file = reqwest::get(job.download_url.as_ref().expect("there is a link")).await.expect("S3 answers");
    assert_eq!(file.text().await.unwrap(), direct);
}
