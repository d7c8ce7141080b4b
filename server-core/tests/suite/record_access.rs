//! By which appointments, and for how long, a specialist opens a patient's record: `record_access.txt`, shown
//! through the API and in SQL as the application role.

use std::collections::{BTreeMap, BTreeSet};

use restartix_sdk::core::types::UpdateRecordAccess;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use test_support::{Actor, CoreApp, Grid, Role, granted, refused};

use crate::organization_settings::record_access_set;

const COMMITTED: &str = include_str!("record_access.txt");
const NOTES: &str = "\
Whether the patient of an appointment is shown to whom, by the appointment's state and its time.
specialist: whose appointment it is, as the settings are by default (90 days after treatment, 7 after a no-show);
30-days, unlimited: the same with that setting. other-specialist: of the same clinic. Staff and administrators see
every patient, and only administrators and specialists see clinical notes.
A state that follows from another (a completed appointment that is still to come) is there as a row all the same.
Written by the test beside it, which compares all of it.";
const COLUMNS: [&str; 6] = ["specialist", "30-days", "unlimited", "other-specialist", "staff", "admin"];

const STATES: [&str; 8] =
    ["held", "expired", "scheduled", "confirmed", "in_progress", "completed", "cancelled", "no_show"];
/// When the appointment ends, in minutes from now.
const TIMES: [(&str, i64); 8] = [
    ("ends-in-300-days", 300 * DAY),
    ("under-way", 10),
    ("ended-1-day-ago", -DAY),
    ("ended-6-days-ago", -6 * DAY),
    ("ended-8-days-ago", -8 * DAY),
    ("ended-29-days-ago", -29 * DAY),
    ("ended-89-days-ago", -89 * DAY),
    ("ended-91-days-ago", -91 * DAY),
];
const DAY: i64 = 24 * 60;

/// An appointment of home's specialist that ends then, each at a time of its own.
async fn appointment(owner: &mut PgConnection, app: &CoreApp, patient: i64, state: &str, minutes: i64, deleted: bool) {
    let hold = if state == "held" { "now() + interval '10 minutes', 'user:1'" } else { "null, null" };
    let sql = format!(
        "insert into appointments (organization_id, specialist_id, patient_id, status, started_at, ended_at, block,
                                   hold_expires_at, holder, deleted_at)
         select $1, $2, $3, $4, at - interval '1 hour', at, tstzrange(at - interval '1 minute', at), {hold},
                case when $6 then now() end
         from (select now() + make_interval(mins => $5) as at) t"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(app.home().id)
        .bind(app.home().specialist_id)
        .bind(patient)
        .bind(state)
        .bind(i32::try_from(minutes).unwrap())
        .bind(deleted)
        .execute(owner)
        .await
        .unwrap();
}

/// The context of somebody at home, as the application role.
async fn enter(database: &mut PgConnection, app: &CoreApp, user: i64, role: &str, specialist: Option<i64>) {
    sqlx::query(
        "select set_config('app.current_org_id', $1, true), set_config('app.current_user_id', $2, true),
                set_config('app.current_role', $3, true), set_config('app.current_specialist_id', $4, true)",
    )
    .bind(app.home().id.to_string())
    .bind(user.to_string())
    .bind(role)
    .bind(specialist.map(|id| id.to_string()).unwrap_or_default())
    .execute(database)
    .await
    .unwrap();
}

async fn other_specialist(app: &CoreApp) -> Actor {
    let person = app.member_add(Role::Specialist).await;
    let record = app.specialist_create(&app.admin(), "Dr. Other").await.id;
    let mut owner = app.owner().await;
    let link = sqlx::query("update specialists set user_id = $2 where id = $1").bind(record).bind(person.user_id);
    link.execute(&mut owner).await.unwrap();
    app.actor(&person)
}

/// Returns the patients that the actor finds one by one; asserts that the list and SQL in the same context agree.
async fn seen(app: &CoreApp, actor: &Actor, patients: &[i64]) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    for &id in patients {
        match actor.patient_get().patient_id(id).send().await {
            Ok(_) => drop(found.insert(id)),
            refusal => drop(refused(refusal, 404, "patient_not_found")),
        }
    }
    let mut listed = BTreeSet::new();
    for page in 1.. {
        let page = granted(actor.patient_list().page(page).page_size(100).send().await, 200);
        listed.extend(page.data.iter().map(|patient| patient.id));
        if page.data.len() < 100 {
            assert_eq!(usize::try_from(page.meta.total).unwrap(), listed.len());
            break;
        }
    }
    assert_eq!(listed, found, "the list shows the same");
    let me = granted(actor.me_get().send().await, 200);
    let mut database = app.database.app().await;
    let mut tx = sqlx::Connection::begin(&mut database).await.unwrap();
    enter(&mut tx, app, me.id, &me.role.unwrap().to_string(), me.specialist_id).await;
    let rows: Vec<i64> = sqlx::query_scalar("select id from patients").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(rows.into_iter().collect::<BTreeSet<i64>>(), found, "SQL in that context shows the same");
    found
}

#[tokio::test]
async fn a_record_is_open_by_state_and_time_as_it_is_written() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let mut owner = app.owner().await;
    let mut lines: BTreeMap<String, i64> = BTreeMap::new();
    let cases = STATES.iter().flat_map(|state| TIMES.map(|time| (*state, time, false)));
    let deleted = ["confirmed", "completed"].map(|state| (state, TIMES[2], true));
    for (number, (state, (time, minutes), deleted)) in (0..).zip(cases.chain(deleted)) {
        let patient = app.patient_create(&app.staff(), "Pat", &format!("Number {number}")).await.id;
        // Apart from each other by minutes: a specialist is not in two places at once.
        appointment(&mut owner, &app, patient, state, minutes + 2 * number, deleted).await;
        let line = if deleted { format!("{state}.{time}.deleted") } else { format!("{state}.{time}") };
        lines.insert(line, patient);
    }
    let patients: Vec<i64> = lines.values().copied().collect();
    let specialist = app.specialist();
    let mut columns = vec![seen(&app, &specialist, &patients).await];
    for access in [
        UpdateRecordAccess { after_treatment_days: Some(30), ..UpdateRecordAccess::default() },
        UpdateRecordAccess { unlimited: Some(true), ..UpdateRecordAccess::default() },
    ] {
        record_access_set(&admin, home, access).await;
        columns.push(seen(&app, &specialist, &patients).await);
    }
    for actor in [other_specialist(&app).await, app.staff(), admin] {
        columns.push(seen(&app, &actor, &patients).await);
    }
    let mut grid = Grid::new(NOTES, &COLUMNS);
    for (line, patient) in &lines {
        let cells = columns.iter().map(|seen| if seen.contains(patient) { "sees" } else { "-" }.to_owned());
        grid.line(line, cells.collect());
    }
    grid.assert_committed("server-core/tests/suite/record_access.txt", COMMITTED);
}

#[tokio::test]
async fn a_record_closes_when_the_appointment_is_called_off() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.specialist());
    let patient = app.patient_create(&staff, "Mara", "Lee").await.id;
    refused(specialist.patient_get().patient_id(patient).send().await, 404, "patient_not_found");
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, test_support::in_days(2, 9)).await;
    granted(specialist.patient_get().patient_id(patient).send().await, 200);
    // Whom it does not see, it can't book: no appointment of its own making opens a record.
    let stranger = app.patient_create(&staff, "Nora", "Lee").await.id;
    let body = CoreApp::new_appointment(app.home().specialist_id, stranger, test_support::in_days(3, 9));
    refused(specialist.appointment_create().body(body).send().await, 422, "validation_failed");
    let body =
        restartix_sdk::core::types::CancelAppointment { reason: restartix_sdk::core::types::CancellationReason::Other };
    granted(staff.appointment_cancel().appointment_id(booked.id).body(body).send().await, 200);
    refused(specialist.patient_get().patient_id(patient).send().await, 404, "patient_not_found");
    let list = granted(specialist.patient_list().search("Mara").send().await, 200);
    assert_eq!(list.meta.total, 0);
    // What it did is its own to see; who it was with is not.
    granted(specialist.appointment_get().appointment_id(booked.id).send().await, 200);
}

/// The plans, as the planner makes them without having looked at what is there.
#[tokio::test]
async fn whether_a_record_is_open_is_asked_of_an_index() {
    let app = CoreApp::start().await;
    let home = app.home();
    let mut owner = app.owner().await;
    let busy = app.specialist_create(&app.admin(), "Dr. Busy").await.id;
    // 10,000 patients that were not there when the tables were last analyzed, an appointment with somebody each.
    owner.execute("alter table patients set (autovacuum_enabled = false)").await.unwrap();
    owner.execute("alter table appointments set (autovacuum_enabled = false)").await.unwrap();
    owner.execute("analyze patients, appointments").await.unwrap();
    sqlx::query(
        "with key as (
             insert into data_keys (id, organization_id, wrapped) values (gen_random_uuid(), $1, '\\x00') returning id),
         patient as (
             insert into patients (organization_id, uid, data_key_id, first_name, last_name)
             select $1, gen_random_uuid(), key.id, 'Pat', 'Number ' || n from key, generate_series(1, 10000) n
             returning id)
         insert into appointments (organization_id, specialist_id, patient_id, status, started_at, ended_at, block)
         select $1, case when id % 100 = 0 then $2 else $3 end, id, 'scheduled', at, at + interval '1 minute',
                tstzrange(at, at + interval '1 minute')
         from (select id, now() + make_interval(mins => 2 * (id % 1000000)::integer) as at from patient) t",
    )
    .bind(home.id)
    .bind(home.specialist_id)
    .bind(busy)
    .execute(&mut owner)
    .await
    .unwrap();
    let mut database = app.database.app().await;
    let mut tx = sqlx::Connection::begin(&mut database).await.unwrap();
    enter(&mut tx, &app, home.specialist.user_id, "specialist", Some(home.specialist_id)).await;
    let of = "select min(patient_id) from appointments where specialist_id = $1";
    let id: i64 = sqlx::query_scalar(of).bind(home.specialist_id).fetch_one(&mut owner).await.unwrap();
    for (sql, rows) in [
        (format!("select * from patients where id = {id}"), 1.0),
        ("select * from patients where deleted_at is null".to_owned(), 100.0),
        (
            format!(
                "select * from patients
                 where coalesce(name_folded, name_folded_roughly(first_name || ' ' || last_name)) like '%number%' and id > {id}"
            ),
            99.0,
        ),
    ] {
        let explain = format!("explain (analyze, format json, costs off, timing off) {sql}");
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(plan[0]["Plan"]["Actual Rows"].as_f64(), Some(rows), "{sql}");
        // One record costs a look at the index; for many, the appointments are gone through once at most.
        let passes = scans(&plan[0]["Plan"], "appointments");
        let most = if rows > 1.0 { 1.0 } else { 0.0 };
        assert!(passes <= most, "{sql} goes through all appointments {passes} times: {plan:#}");
        assert!(rows > 1.0 || plan.to_string().contains("appointments_treatment_idx"), "{sql}: {plan:#}");
    }
}

/// Returns how often a query plan scans a whole table.
fn scans(plan: &Value, table: &str) -> f64 {
    let children = plan["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let whole = plan["Node Type"] == "Seq Scan" && plan["Relation Name"] == table;
    let here = if whole { plan["Actual Loops"].as_f64().unwrap_or_default() } else { 0.0 };
    here + children.iter().map(|child| scans(child, table)).sum::<f64>()
}
