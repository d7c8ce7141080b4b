//! Exports into files: jobs, links, the end of files, and erasures.

use restartix_sdk::core::types::{ExportJob, ExportState, MemberRole, UpdateMember};
use serde_json::json;
use test_support::{Actor, ClerkApi, CoreApp, Role, eventually, granted, refused, until};
use uuid::Uuid;

use crate::{
    export::{exported, said, wanted},
    gdpr::{clinic, finished},
};

/// Asks for a file of the ids and names of patients.
async fn asked(admin: &Actor) -> ExportJob {
    let input = wanted(json!({ "patients": { "columns": ["id", "last_name"] } }));
    granted(admin.export_job_create().body(input).send().await, 202)
}

async fn now(admin: &Actor, id: Uuid) -> ExportJob {
    granted(admin.export_job_get().job_id(id).send().await, 200)
}

/// Waits until an export has this state.
pub(crate) async fn ended(admin: &Actor, id: Uuid, state: ExportState) -> ExportJob {
    until("the export has ended", 3 * CoreApp::PATIENCE, || async {
        let job = now(admin, id).await;
        (job.state == state).then_some(job)
    })
    .await
    .0
}

async fn downloaded(job: &ExportJob) -> (u16, String) {
    let answer = reqwest::get(job.download_url.as_ref().expect("there is a link")).await.expect("S3 answers");
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Runs the sweep at once.
async fn swept(app: &CoreApp) {
    let sql = "update jobs set run_at = now() where kind = 'exports_sweep' and state = 'queued'";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
}

#[tokio::test]
async fn a_file_holds_what_an_answer_would() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    app.patient_create(&admin, "Ann", "=Lee").await;
    let direct = exported(&admin, json!({ "patients": { "columns": ["id", "last_name"] } })).await;
    let asked = asked(&admin).await;
    assert_eq!((asked.state, asked.download_url.as_deref()), (ExportState::Queued, None));
    let job = ended(&admin, asked.id, ExportState::Succeeded).await;
    assert_eq!((job.rows_planned, job.rows_written, job.bytes), (Some(1), 1, Some(direct.len().try_into().unwrap())));
    assert!(job.expires_at.unwrap() - job.finished_at.unwrap() == chrono::TimeDelta::days(7));
    assert_eq!(downloaded(&job).await, (200, direct));

    let said = said(&app).await.split_off(2);
    let actions: Vec<&str> =
        said.iter().map(|(_, _, action, _)| action.as_str()).filter(|action| *action != "read").collect();
    assert_eq!(actions, ["requested", "started", "completed"]);
    assert_eq!(said[0].3, ["entity:patients", "id", "last_name"]);
    for (person, status, code) in
        [(app.staff(), 403, "permission_denied"), (app.other_admin(), 404, "export_not_found")]
    {
        refused(person.export_job_get().job_id(asked.id).send().await, status, code);
    }
    refused(admin.export_job_get().job_id(Uuid::now_v7()).send().await, 404, "export_not_found");
}

/// Adds patients whose table has more than two parts.
async fn many(app: &CoreApp) {
    let patient = app.patient_create(&app.admin(), "Ann", "Lee").await.id;
    let sql = "insert into patients (organization_id, uid, data_key_id, first_name, last_name)
               select p.organization_id, gen_random_uuid(), p.data_key_id, 'Ann', repeat('x', 94) || n
               from patients p, generate_series(1, 200000) n where p.id = $1";
    sqlx::query(sql).bind(patient).execute(&mut app.owner().await).await.unwrap();
}

#[tokio::test]
async fn a_large_file_is_stored_in_parts() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    many(&app).await;
    let job = ended(&admin, asked(&admin).await.id, ExportState::Succeeded).await;
    assert!(job.bytes.unwrap() > 2 * 8 * 1024 * 1024, "it has more than two parts");
    let (status, file) = downloaded(&job).await;
    assert_eq!((status, i64::try_from(file.len()).unwrap()), (200, job.bytes.unwrap()));
    assert!(file.ends_with("x200000\r\n"));
    assert_eq!(file.lines().count(), 200_002);
    assert_eq!(app.count("select count(*) from exports where upload_id is not null").await, 0);
}

#[tokio::test]
async fn filters_of_jobs_are_stored_sealed() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    // Nobody works on it meanwhile.
    let sql = "create function halt() returns trigger language plpgsql as
               $$ begin new.run_at := now() + interval '1 hour'; return new; end $$;
               create trigger halt before insert on jobs for each row when (new.kind = 'csv_export')
               execute function halt()";
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
    let input = wanted(json!({ "patients": { "email": "quokka@example.com" } }));
    granted(admin.export_job_create().body(input).send().await, 202);
    let places = app.search("quokka@example.com").await;
    assert!(places.iter().all(|place| place.table != "jobs"), "{places:?}");
    let clear = "select count(*) from exports where position('quokka'::bytea in request_encrypted) > 0";
    assert_eq!(app.count(clear).await, 0);
}

#[tokio::test]
async fn files_are_deleted_when_their_time_is_over() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let job = ended(&admin, asked(&admin).await.id, ExportState::Succeeded).await;
    sqlx::query("update exports set expires_at = now()").execute(&mut app.owner().await).await.unwrap();
    assert_eq!(now(&admin, job.id).await.download_url, None, "no link to a file that is about to go");
    swept(&app).await;
    let gone = ended(&admin, job.id, ExportState::Expired).await;
    assert_eq!(gone.download_url, None);
    assert_eq!(downloaded(&job).await.0, 404, "an earlier link leads nowhere");
    assert!(said(&app).await.iter().any(|(_, _, action, _)| action == "file_deleted"));
}

#[tokio::test]
async fn exports_that_nobody_works_on_are_ended() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let organization = app.home().id;
    let insert = "insert into exports (id, organization_id, entity, as_file, state, rows_planned, created_at)
                  values (gen_random_uuid(), $1, 'patients', false, 'running', 3, now() - interval '3 hours')";
    sqlx::query(insert).bind(organization).execute(&mut app.owner().await).await.unwrap();
    swept(&app).await;
    eventually("the export is ended", 4 * CoreApp::PATIENCE, || async {
        app.count("select count(*) from exports where state = 'failed' and error_code = 'interrupted'").await == 1
    })
    .await;
    let said = said(&app).await;
    let [(outcome, code, action, _)] = &said[..] else { panic!("one entry: {said:?}") };
    assert_eq!((outcome.as_str(), code.as_deref(), action.as_str()), ("failed", Some("interrupted"), "failed"));
    assert!(exported(&admin, json!({ "patients": { "columns": ["id"] } })).await.starts_with("id\r\n"));
}

#[tokio::test]
async fn the_job_of_a_former_administrator_makes_no_file() {
    let app = CoreApp::start().await;
    let person = app.member_add(Role::Admin).await;
    let asker = app.actor(&person);
    // The job waits until its asker is no administrator any more.
    let sql = "create function halt() returns trigger language plpgsql as
               $$ begin new.run_at := now() + interval '1 hour'; return new; end $$;
               create trigger halt before insert on jobs for each row when (new.kind = 'csv_export')
               execute function halt()";
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
    let job = asked(&asker).await;
    let demoted = UpdateMember { role: MemberRole::Staff };
    let members = app.admin();
    let request = members.member_update().organization_id(app.home().id).user_id(person.user_id).body(demoted);
    granted(request.send().await, 200);
    let sql = "update jobs set run_at = now() where kind = 'csv_export'";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    eventually("the job has failed", CoreApp::PATIENCE, || async {
        app.count("select count(*) from jobs where kind = 'csv_export' and state = 'failed'").await == 1
    })
    .await;
    swept(&app).await;
    let job = ended(&app.admin(), job.id, ExportState::Failed).await;
    assert_eq!(job.error_code.as_deref(), Some("asker_not_allowed"));
    assert_eq!(job.download_url, None);

    // A run that does not know of the end could store a file after the sweep has looked, so the sweep looks again.
    let deleted = async || app.count("select count(*) from exports where file_deleted_at is not null").await;
    assert_eq!(deleted().await, 0);
    let sql = "update exports set finished_at = now() - interval '3 hours'";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    swept(&app).await;
    eventually("the file is deleted for good", 4 * CoreApp::PATIENCE, || async { deleted().await == 1 }).await;
}

#[tokio::test]
async fn an_erasure_deletes_the_files_that_may_hold_the_person() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let patient = app.patient_create(&admin, "Ann", "Quokkason").await.id;
    let job = ended(&admin, asked(&admin).await.id, ExportState::Succeeded).await;
    let away = app.other_admin();
    let theirs = ended(&away, asked(&away).await.id, ExportState::Succeeded).await;
    let held = app.search("Quokkason").await;
    assert!(held.iter().any(|place| place.store == "s3"), "the file holds the name: {held:?}");

    let erasure = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
    let receipt = finished(&admin, erasure.job_id).await.receipt;
    assert!(receipt.iter().any(|item| item.table == "exports" && item.rows == 1), "{receipt:?}");
    assert!(receipt.iter().any(|item| item.store == "s3" && item.table.ends_with("/exports/") && item.rows == 1));
    let withdrawn = now(&admin, job.id).await;
    assert_eq!((withdrawn.state, withdrawn.error_code.as_deref()), (ExportState::Failed, Some("export_withdrawn")));
    assert_eq!(downloaded(&job).await.0, 404);
    assert!(app.search("Quokkason").await.is_empty());
    assert_eq!(downloaded(&now(&away, theirs.id).await).await.0, 200, "another clinic's file stays");
    // Another export holds nothing of the person.
    let again = ended(&admin, asked(&admin).await.id, ExportState::Succeeded).await;
    assert!(!downloaded(&again).await.1.contains("Quokkason"));
}

#[tokio::test]
async fn a_file_that_was_begun_before_an_erasure_is_never_there() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    app.patient_create(&admin, "Ann", "Lee").await;
    // The end of the run waits until the erasure has ended the export.
    let sql = "create function withdraw() returns trigger language plpgsql as $$ begin
                   if new.state = 'succeeded' and old.state = 'running' then
                       return null;
                   end if;
                   return new;
               end $$;
               create trigger withdraw before update on exports for each row execute function withdraw()";
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
    asked(&admin).await;
    eventually("the run has found its export ended", CoreApp::PATIENCE, || async {
        app.count("select count(*) from jobs where kind = 'csv_export' and state = 'succeeded'").await == 1
    })
    .await;
    let held = app.search("Lee").await;
    assert!(held.iter().all(|place| place.store != "s3"), "the file is deleted: {held:?}");
}

#[tokio::test]
async fn a_run_whose_export_is_withdrawn_stops() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    many(&app).await;
    // An erasure ends the export when its first part is about to be stored.
    let sql = "create function withdraw() returns trigger language plpgsql as $$ begin
                   new.state := 'failed';
                   new.error_code := 'export_withdrawn';
                   new.request_encrypted := null;
                   new.finished_at := now();
                   return new;
               end $$;
               create trigger withdraw before update on exports for each row
               when (new.upload_id is not null and old.upload_id is null) execute function withdraw()";
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
    let job = asked(&admin).await;
    eventually("the run has found its export ended", CoreApp::PATIENCE, || async {
        app.count("select count(*) from jobs where kind = 'csv_export' and state = 'succeeded'").await == 1
    })
    .await;
    let job = now(&admin, job.id).await;
    assert_eq!((job.state, job.rows_written), (ExportState::Failed, 0), "no part is stored");
    let uploads = "select count(*) from exports where upload_id is not null";
    assert_eq!(app.count(uploads).await, 0, "the upload is given up");
}

#[tokio::test]
async fn an_erasure_of_a_member_withdraws_the_files_of_the_clinic() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let person = app.member_add(Role::Staff).await;
    let job = ended(&admin, asked(&admin).await.id, ExportState::Succeeded).await;
    let erasure = granted(admin.gdpr_user_erase().user_id(person.user_id).send().await, 202);
    let receipt = finished(&admin, erasure.job_id).await.receipt;
    assert!(receipt.iter().any(|item| item.table == "exports" && item.rows == 1), "{receipt:?}");
    let withdrawn = now(&admin, job.id).await;
    assert_eq!((withdrawn.state, withdrawn.error_code.as_deref()), (ExportState::Failed, Some("export_withdrawn")));
    assert_eq!(withdrawn.download_url, None, "there is no link to a file that is gone");
}

#[tokio::test]
async fn an_export_that_is_asked_for_during_an_erasure_is_withdrawn_too() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let patient = app.patient_create(&admin, "Ann", "Quokkason").await.id;
    // The transaction that erases the record does not see the export.
    let sql = "create function miss() returns trigger language plpgsql as $$ begin
                   if new.error_code = 'export_withdrawn' and context_organization() is not null then
                       return null;
                   end if;
                   return new;
               end $$;
               create trigger miss before update on exports for each row execute function miss()";
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
    let job = ended(&admin, asked(&admin).await.id, ExportState::Succeeded).await;
    let erasure = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
    finished(&admin, erasure.job_id).await;
    let withdrawn = now(&admin, job.id).await;
    assert_eq!((withdrawn.state, withdrawn.error_code.as_deref()), (ExportState::Failed, Some("export_withdrawn")));
    assert!(app.search("Quokkason").await.is_empty());
}
