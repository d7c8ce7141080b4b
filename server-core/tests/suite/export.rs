//! `POST /v1/export/csv`: tables as CSV, of one moment, sent while they are read.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use restartix_sdk::core::types::{CreatePatient, CsvExportInput, Scope};
use serde_json::{Value, json};
use test_support::{Actor, Answer, CoreApp, eventually, granted, in_days, refused, until};

/// Number of patients of a table that fits into no buffer between the server and a receiver that does not read.
const MANY: i64 = 100_000;

/// Reads CSV as RFC 4180 describes it; refuses everything else, e.g. a quote within a cell without quotes.
pub(crate) fn parsed(document: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut rest) = (Vec::new(), Vec::new(), document);
    while !rest.is_empty() {
        let cell;
        (cell, rest) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find([delimiter, '\r']).expect("a cell has an end");
                assert!(!rest[..end].contains(['"', '\n']), "a cell without quotes holds none: {:?}", &rest[..end]);
                (rest[..end].to_owned(), &rest[end..])
            }
            Some(quoted) => {
                let (mut cell, mut rest) = (String::new(), quoted);
                loop {
                    let end = rest.find('"').expect("a quote is closed");
                    cell.push_str(&rest[..end]);
                    rest = &rest[end + 1..];
                    let Some(after) = rest.strip_prefix('"') else { break (cell, rest) };
                    cell.push('"');
                    rest = after;
                }
            }
        };
        row.push(cell);
        rest = if let Some(after) = rest.strip_prefix(delimiter) {
            after
        } else {
            rows.push(std::mem::take(&mut row));
            rest.strip_prefix("\r\n").expect("a row ends with CRLF")
        };
    }
    assert!(row.is_empty(), "the last row has an end");
    let width = rows.first().map_or(0, Vec::len);
    assert!(rows.iter().all(|row| row.len() == width), "all rows have as many cells as the header");
    rows
}

/// Returns the body of a request.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
pub(crate) fn wanted(value: Value) -> CsvExportInput {
    serde_json::from_value(value).unwrap()
}

/// Exports a table and returns it as it is sent.
pub(crate) async fn exported(actor: &Actor, value: Value) -> String {
    let mut stream = granted(actor.csv_export().body(wanted(value)).send().await, 200).into_inner();
    let mut document = Vec::new();
    while let Some(chunk) = stream.next().await {
        document.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(document).unwrap()
}

/// Program that reads a table from its input as Excel writes it, and returns it as JSON.
const READER: &str = r"
import csv, io, json, sys
table = io.TextIOWrapper(sys.stdin.buffer, encoding='utf-8-sig', newline='')
print(json.dumps(list(csv.reader(table, dialect='excel', delimiter=sys.argv[1], strict=True))))
";

/// Reads a table with Python's reader of what Excel writes.
fn read_by_python(document: &str, delimiter: &str) -> Vec<Vec<String>> {
    let mut reader = Command::new("python3");
    reader.args(["-I", "-c", READER, delimiter]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = reader.spawn().expect("python3 is installed");
    reader.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "it reads the table to its end");
    serde_json::from_slice(&read.stdout).unwrap()
}

/// Exports a table and returns its rows, the header first.
pub(crate) async fn table(actor: &Actor, value: Value) -> Vec<Vec<String>> {
    parsed(&exported(actor, value).await, ',')
}

/// Returns the outcome, error code, action and names of the entries about exports, the earliest first.
pub(crate) async fn said(app: &CoreApp) -> Vec<(String, Option<String>, String, Vec<String>)> {
    sqlx::query_as(
        "select outcome, error_code, action, changed_fields from audit_log where entity_type = 'export' order by id",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap()
}

/// Adds patients with long names and without values of their own, which share a key with `patient`.
async fn patients_add(app: &CoreApp, patient: i64, count: i64) {
    let sql = "insert into patients (organization_id, uid, data_key_id, first_name, last_name)
               select p.organization_id, gen_random_uuid(), p.data_key_id, repeat('y', 90), repeat('x', 90) || n
               from patients p, generate_series(1, $2) n where p.id = $1";
    sqlx::query(sql).bind(patient).bind(count).execute(&mut app.owner().await).await.unwrap();
}

/// Begins to read a table of all patients, whose first part has arrived.
async fn begun(actor: &Actor) -> Response {
    let columns = ["id", "first_name", "last_name"];
    let body = json!({ "patients": { "columns": columns } });
    let request = actor.request(Method::POST, "/v1/export/csv").json(&body);
    let mut response = request.send().await.expect("Core answers");
    assert_eq!(response.status(), 200);
    response.chunk().await.expect("the first part arrives").expect("a part is sent");
    response
}

/// Runs a statement that counts, as the superuser, who sees the statements of all sessions.
async fn counted(app: &CoreApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut app.database.superuser().await).await.unwrap()
}

/// Returns the number of snapshots that are open.
async fn snapshots(app: &CoreApp) -> i64 {
    let sql = "select count(*) from pg_stat_activity
               where datname = current_database() and application_name = 'server-core' and xact_start is not null
                 and (query like 'fetch forward%' or query like 'declare %')";
    counted(app, sql).await
}

/// Waits for the entry about the end of the only export: its outcome, code and action, and the rows that have left.
async fn end(app: &CoreApp) -> (String, Option<String>, String, i64) {
    let ended = || async { said(app).await.get(1).cloned() };
    let ((outcome, code, action, names), _) = until("the end is in the trail", CoreApp::PATIENCE, ended).await;
    (outcome, code, action, names[0].strip_prefix("rows:").unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_table_of_patients_is_read_back_as_it_is() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let full = CreatePatient {
        address: Some("=1+1, \"Main\" Street;\n-2 Floor".to_owned()),
        clinical_notes: Some("+ knee\n@home".to_owned()),
        date_of_birth: Some("1980-02-29".parse().unwrap()),
        email: Some("ann@example.com".to_owned()),
        emergency_contact: Some("-5".to_owned()),
        national_id: Some("-L01X00T47".to_owned()),
        phone: Some("+40721234567".to_owned()),
        ..CoreApp::new_patient("Ann", "O'Neil, \"Bo\"")
    };
    let full = granted(app.admin().patient_create().body(full).send().await, 201);
    let bare = app.patient_create(&staff, "Șerban", "北京").await;
    let gone = app.patient_create(&staff, "Gus", "Gone").await;
    granted(app.admin().patient_delete().patient_id(gone.id).send().await, 204);

    let rows = table(&app.admin(), json!({ "patients": {} })).await;
    let header = [
        "id",
        "uid",
        "user_id",
        "first_name",
        "last_name",
        "email",
        "phone",
        "date_of_birth",
        "national_id",
        "address",
        "emergency_contact",
        "clinical_notes",
        "created_at",
        "updated_at",
    ];
    assert_eq!(rows[0], header);
    let shown = |row: &[String], names: &[&str]| -> Vec<String> {
        names.iter().map(|name| row[header.iter().position(|known| known == name).unwrap()].clone()).collect()
    };
    let values = ["first_name", "last_name", "email", "phone", "date_of_birth", "national_id", "address"];
    assert_eq!(
        shown(&rows[1], &values),
        [
            "Ann",
            "O'Neil, \"Bo\"",
            "ann@example.com",
            // E.164 and dates stay as they are; text that a spreadsheet would run is guarded.
            "+40721234567",
            "1980-02-29",
            "'-L01X00T47",
            "'=1+1, \"Main\" Street;'\n'-2 Floor",
        ]
    );
    assert_eq!(shown(&rows[1], &["emergency_contact", "clinical_notes"]), ["'-5", "'+ knee\n'@home"]);
    assert_eq!(shown(&rows[1], &["id", "uid", "user_id"]), [full.id.to_string(), full.uid.to_string(), String::new()]);
    assert_eq!(shown(&rows[2], &["id", "first_name", "last_name"]), [bare.id.to_string().as_str(), "Șerban", "北京"]);
    assert_eq!(rows.len(), 3, "deleted patients are in no list");
    for (delimiter, name) in [(",", "comma"), (";", "semicolon")] {
        let wanted = json!({ "patients": {}, "delimiter": name, "byte_order_mark": true });
        assert_eq!(read_by_python(&exported(&app.admin(), wanted).await, delimiter), rows);
    }
}

#[tokio::test]
async fn columns_and_filters_are_those_that_are_asked_for() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let mut body = CoreApp::new_patient("Ann", "Lee");
    body.email = Some("ann@example.com".to_owned());
    let ann = granted(staff.patient_create().body(body).send().await, 201).id.to_string();
    let bob = app.patient_create(&staff, "Bob", "Leeds").await.id.to_string();
    let found = async |filter: Value| {
        let mut body = json!({ "patients": { "columns": ["last_name", "id"] } });
        body["patients"].as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let rows = table(&admin, body).await;
        assert_eq!(rows[0], ["last_name", "id"], "in the order of the request");
        rows[1..].iter().map(|row| row[1].clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(json!({})).await, [ann.clone(), bob.clone()]);
    assert_eq!(found(json!({ "search": "lee" })).await, [ann.clone(), bob.clone()]);
    assert_eq!(found(json!({ "search": "BOB" })).await, [bob]);
    assert_eq!(found(json!({ "email": "Ann@Example.com" })).await, [ann]);
    assert_eq!(found(json!({ "national_id": "1" })).await, [""; 0]);
}

#[tokio::test]
async fn appointments_are_those_of_the_list() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let mut body = CoreApp::new_appointment(specialist, patient, in_days(3, 9));
    body.title = Some("=cmd".to_owned());
    let titled = granted(admin.appointment_create().body(body).send().await, 201);
    let early = app.appointment_create(&admin, specialist, patient, in_days(1, 9)).await;
    let rows = table(&admin, json!({ "appointments": { "columns": ["id", "title", "status", "started_at"] } })).await;
    let started = early.started_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    assert_eq!(rows[1][..], [early.id.to_string(), String::new(), "scheduled".to_owned(), started]);
    assert_eq!(rows[2][..3], [titled.id.to_string(), "'=cmd".to_owned(), "scheduled".to_owned()]);
    assert_eq!(rows.len(), 3);

    let filters = json!({ "columns": ["id"], "from": in_days(2, 0), "patient_id": patient, "status": "scheduled" });
    assert_eq!(table(&admin, json!({ "appointments": filters })).await, [["id"], [&titled.id.to_string()]]);
    let all = table(&admin, json!({ "appointments": {} })).await;
    assert_eq!(all[0].len(), 18, "a table without columns has all of them");
    let none = json!({ "appointments": { "columns": ["id"], "status": "cancelled" } });
    assert_eq!(table(&admin, none).await, [["id"]], "a table without rows has a header");
}

#[tokio::test]
async fn spreadsheets_get_marks_only_if_they_ask() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    app.patient_create(&admin, "Ann;", "Lee").await;
    let patients = json!({ "columns": ["first_name", "last_name"] });
    let plain = exported(&admin, json!({ "patients": patients })).await;
    assert_eq!(plain, "first_name,last_name\r\nAnn;,Lee\r\n", "neither a mark nor a line of its own");
    let marked = json!({ "patients": patients, "byte_order_mark": true, "delimiter": "semicolon" });
    assert_eq!(exported(&admin, marked).await, "\u{feff}first_name;last_name\r\n\"Ann;\";Lee\r\n");

    let request = admin.request(Method::POST, "/v1/export/csv").json(&json!({ "patients": {} }));
    let answer = Answer::to(request).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"patients-"), "it has a name");
}

#[tokio::test]
async fn all_faults_of_a_request_are_named_at_once() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let order = json!({
        "appointments": { "from": in_days(2, 0), "to": in_days(1, 0) },
        "audit": { "from": in_days(2, 0), "to": in_days(1, 0) },
    });
    let refusal = refused(admin.csv_export().body(wanted(order)).send().await, 422, "validation_failed");
    let expected = [("", "one_of"), ("/appointments/to", "order"), ("/audit/to", "order")];
    assert_eq!(refusal.fields(), expected);
    let refusal = refused(admin.csv_export().body(wanted(json!({}))).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("", "one_of")]);
    for unknown in [json!({ "patients": { "columns": ["password"] } }), json!({ "forms": {} })] {
        let request = admin.request(Method::POST, "/v1/export/csv").json(&unknown);
        Answer::to(request).await.refusal(422, "validation_failed");
    }
    let unknown = wanted(json!({ "forms": { "form_template_id": 9_999 } }));
    for refusal in [
        refused(admin.csv_export().body(unknown.clone()).send().await, 422, "validation_failed"),
        refused(admin.export_job_create().body(unknown).send().await, 422, "validation_failed"),
    ] {
        assert_eq!(refusal.fields(), [("/forms/form_template_id", "unknown_reference")]);
    }
    assert!(said(&app).await.is_empty(), "nothing has left");
}

#[tokio::test]
async fn administrators_alone_export_and_only_their_clinic() {
    let app = CoreApp::start().await;
    app.patient_create(&app.admin(), "Ann", "Home").await;
    let input = || wanted(json!({ "patients": { "columns": ["last_name"] } }));
    for person in [app.specialist(), app.staff(), app.patient()] {
        refused(person.csv_export().body(input()).send().await, 403, "permission_denied");
        refused(person.export_job_create().body(input()).send().await, 403, "permission_denied");
    }
    let program = app.program(&[Scope::PatientsRead, Scope::PatientsWrite]).await;
    refused(program.csv_export().body(input()).send().await, 403, "permission_denied");
    let last_names = json!({ "patients": { "columns": ["last_name"] } });
    assert_eq!(table(&app.other_admin(), last_names.clone()).await, [["last_name"]], "of another clinic");
    let superadmin = app.superadmin().in_organization(app.home().id);
    assert_eq!(table(&superadmin, last_names).await, [["last_name"], ["Home"]]);
}

#[tokio::test]
async fn the_trail_has_the_rows_before_the_first_byte_and_after_the_last() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for name in ["Lee", "Poe"] {
        app.patient_create(&admin, "Ann", name).await;
    }
    table(&admin, json!({ "patients": { "columns": ["id", "last_name"], "search": "lee" } })).await;
    let names = ["entity:patients", "rows:1", "id", "last_name"].map(str::to_owned).to_vec();
    let completed = vec!["rows:1".to_owned()];
    let entry = |action: &str, names| ("succeeded".to_owned(), None, action.to_owned(), names);
    assert_eq!(said(&app).await, [entry("exported", names), entry("completed", completed)]);
    let actors: Vec<(Option<i64>, String)> =
        sqlx::query_as("select actor_user_id, operation_id from audit_log where entity_type = 'export'")
            .fetch_all(&mut app.owner().await)
            .await
            .unwrap();
    let by = (Some(admin.person().user_id), "csv_export".to_owned());
    assert_eq!(actors, [by.clone(), by], "both are of the person who asked");
    let states = "select count(*) from exports where state = 'succeeded' and rows_planned = 1 and rows_sent = 1";
    assert_eq!(app.count(states).await, 1);
}

#[tokio::test]
async fn a_table_is_of_one_moment() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    patients_add(&app, patient, MANY).await;
    let mut rest = begun(&admin).await;
    let sql = "update patients set last_name = 'Later' where id = (select max(id) from patients)";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    app.patient_create(&admin, "Ann", "Late").await;
    let mut last = Vec::new();
    while let Some(chunk) = rest.chunk().await.unwrap() {
        last = [&last[last.len().saturating_sub(1_000)..], &chunk].concat();
    }
    let last = String::from_utf8_lossy(&last);
    assert!(last.ends_with(&format!("x{MANY}\r\n")), "the last row is as it was at the begin");
    let counted = said(&app).await;
    let rows = format!("rows:{}", MANY + 1);
    assert!(counted.iter().all(|(_, _, _, names)| names.contains(&rows)), "{counted:?}");
}

#[tokio::test]
async fn a_receiver_that_goes_ends_the_query() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    patients_add(&app, patient, MANY).await;
    let rest = begun(&admin).await;
    assert_eq!(snapshots(&app).await, 1, "the receiver does not read, and the cursor waits");
    drop(rest);
    eventually("the cursor is closed", CoreApp::PATIENCE, || async { snapshots(&app).await == 0 }).await;
    let (outcome, code, action, sent) = end(&app).await;
    assert_eq!((outcome.as_str(), code.as_deref(), action.as_str()), ("failed", Some("receiver_gone"), "failed"));
    assert!(0 < sent && sent < MANY, "{sent} rows have left");
    let failed = "select count(*) from exports where state = 'failed' and error_code = 'receiver_gone'";
    assert_eq!(app.count(failed).await, 1);
}

#[tokio::test]
async fn a_statement_under_way_ends_with_its_receiver() {
    let app = CoreApp::start().await;
    // The service remembers who calls, so that the count is the first statement that reads patients.
    granted(app.admin().me_get().send().await, 200);
    let mut owner = app.owner().await;
    sqlx::query("begin").execute(&mut owner).await.unwrap();
    // Whatever counts the patients waits for this lock.
    sqlx::query("lock table patients in access exclusive mode").execute(&mut owner).await.unwrap();
    let waiting = async || {
        let sql = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock' and query like 'select count(*)%'";
        counted(&app, sql).await
    };
    let body = json!({ "patients": { "columns": ["id"] } });
    let request = tokio::spawn(app.admin().request(Method::POST, "/v1/export/csv").json(&body).send());
    eventually("the count waits", CoreApp::PATIENCE, || async { waiting().await == 1 }).await;
    request.abort();
    eventually("the count has ended", CoreApp::PATIENCE, || async { waiting().await == 0 }).await;
    sqlx::query("rollback").execute(&mut owner).await.unwrap();
}

#[tokio::test]
async fn a_fault_after_the_first_byte_breaks_the_transfer() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    patients_add(&app, patient, MANY).await;
    let mut rest = begun(&admin).await;
    let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name = 'server-core' and query like 'fetch forward%'
                 and xact_start is not null";
    assert_eq!(counted(&app, sql).await, 1);
    let broken = loop {
        match rest.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "a part of a table never ends like the whole");
    let (outcome, code, action, sent) = end(&app).await;
    assert_eq!((outcome.as_str(), code.as_deref(), action.as_str()), ("failed", Some("export_broken_off"), "failed"));
    assert!(0 < sent && sent < MANY, "{sent} rows have left");
}

#[tokio::test]
async fn no_table_is_sent_where_a_part_would_look_like_the_whole() {
    let app = CoreApp::start().await;
    let body = json!({ "patients": { "columns": ["id"] } });
    let request = app.admin().request(Method::POST, "/v1/export/csv").json(&body).version(reqwest::Version::HTTP_10);
    Answer::to(request).await.refusal(400, "http_version_too_old");
    assert!(said(&app).await.is_empty());
}

#[tokio::test]
async fn tables_that_nobody_reads_leave_room_for_requests() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    patients_add(&app, patient, MANY).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(begun(&admin).await);
    }
    let input = || wanted(json!({ "patients": { "columns": ["id"], "search": "lee" } }));
    refused(admin.csv_export().body(input()).send().await, 503, "exports_busy");
    assert_eq!(exported(&app.other_admin(), json!({ "patients": { "columns": ["id"] } })).await, "id\r\n");
    granted(admin.patient_get().patient_id(patient).send().await, 200);
    drop(open);
    eventually("there is a place again", CoreApp::PATIENCE, || async {
        admin.csv_export().body(input()).send().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn five_exports_are_made_in_five_minutes_and_asking_for_them_is_a_read() {
    let app = CoreApp::builder().env("RATE_LIMIT_SCALE", "1").start().await;
    let admin = app.admin();
    let input = || wanted(json!({ "patients": { "columns": ["id"] } }));
    let job = granted(admin.export_job_create().body(input()).send().await, 202);
    for _ in 0..4 {
        exported(&admin, json!({ "patients": { "columns": ["id"] } })).await;
    }
    let refusal = refused(admin.csv_export().body(input()).send().await, 429, "rate_limited");
    assert!(refusal.headers.contains_key("retry-after"));
    refused(admin.export_job_create().body(input()).send().await, 429, "rate_limited");
    for _ in 0..10 {
        granted(admin.export_job_get().job_id(job.id).send().await, 200);
    }
}

#[tokio::test]
async fn a_repeated_request_is_another_export() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let request = || {
        let request = admin.request(Method::POST, "/v1/export/csv").header("idempotency-key", "a-key");
        Answer::to(request.json(&json!({ "patients": { "columns": ["id"] } })))
    };
    assert_eq!(request().await.status, 200);
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    assert_eq!(request().await.body, format!("id\r\n{patient}\r\n"), "the first answer is not repeated");
    assert_eq!(app.count("select count(*) from idempotency_keys").await, 0);
}
