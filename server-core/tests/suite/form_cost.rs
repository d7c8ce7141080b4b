//! Cost of forms: a save of 300 fields takes as many statements as one of a single field, and less than three times the
//! processor time of an appointment's update. Both are measured in one run, so that the speed of the machine is of no
//! matter.

use std::{collections::BTreeMap, fs};

use restartix_sdk::core::types::{Appointment, Form, UpdateAppointment};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use test_support::{Actor, CoreApp, granted, in_days};

use crate::{
    form::{item, now, opened, saved},
    form_template::create,
    form_template_publish::publish,
    round_trip::costliest,
};

/// Number of fields of the form.
const FIELDS: usize = 300;
/// Writes of each kind whose processor time is measured together.
const WRITES: usize = 100;
/// Rounds of measurements, of which the lowest counts: work in the background adds to the others.
const ROUNDS: usize = 5;
/// Processor time of a save as a multiple of that of an appointment's update.
const MOST: u64 = 3;

/// Creates a template of so many fields and a form of it.
async fn large_form(app: &CoreApp, staff: &Actor, patient: i64) -> Form {
    let admin = app.admin();
    let items: Vec<Value> = (0..FIELDS).map(|number| item(&key(number), "text")).collect();
    let sections: Vec<Value> = items
        .chunks(FIELDS / 2)
        .enumerate()
        .map(|(number, items)| json!({ "key": format!("part_{number}"), "label": "Part", "items": items }))
        .collect();
    let template = create(&admin, "Large", &json!({ "language": "en", "sections": sections })).await;
    publish(&admin, &template).await;
    opened(staff, template.id, patient).await
}

fn key(number: usize) -> String {
    format!("item_{number}")
}

/// Returns an answer to each field, different in each round.
fn answers(round: usize) -> Value {
    let all = (0..FIELDS).map(|number| (key(number), json!(format!("Answer {number} of {round}"))));
    Value::Object(all.collect::<Map<_, _>>())
}

#[tokio::test]
async fn a_save_takes_no_statement_a_field() {
    let app = CoreApp::builder().proxied().start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut form = large_form(&app, &staff, patient).await;
    let id = form.id;
    let mut round = 0;
    let all = costliest(&app, "form_update of 300 fields", async || {
        round += 1;
        form = saved(&staff, &form, answers(round)).await;
    })
    .await;
    assert!((1..=4).contains(&all.awaited()), "a save locks, writes and commits: {all:?}");
    let one = costliest(&app, "form_update of one field", async || {
        round += 1;
        form = saved(&staff, &form, json!({ "item_0": format!("Answer of {round}") })).await;
    })
    .await;
    assert_eq!((all.awaited(), all.statements().len()), (one.awaited(), one.statements().len()));
    assert_eq!(form.values.len(), FIELDS);

    let said = costliest(&app, "form_get", async || {
        assert_eq!(now(&staff, id).await.values.len(), FIELDS);
    })
    .await;
    assert!((1..=3).contains(&said.awaited()), "a disclosure takes at most 3 awaited round trips: {said:?}");
    for _ in 0..3 {
        opened(&staff, form.form_template_id, patient).await;
    }
    let said = costliest(&app, "form_list", async || {
        let page = granted(staff.form_list().patient_id(patient).page_size(2).send().await, 200);
        assert!(page.data.len() == 2 && page.meta.total > 2);
    })
    .await;
    assert_eq!(said.awaited(), 1, "page and total of a list are one statement");
    let said = costliest(&app, "form_history_list", async || {
        granted(staff.form_history_list().form_id(id).page_size(2).send().await, 200);
    })
    .await;
    assert!((1..=2).contains(&said.awaited()), "page and total of a history are one statement, besides the form");
}

/// Returns the processor time of a process and its threads so far, in ticks of its clock; `None` if it has ended.
fn ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, a name, may contain anything; the 14th and the 15th are the times of its own and of the kernel.
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// Returns the processor times of Core and of PostgreSQL's processes for it.
async fn times(app: &CoreApp, database: &mut PgConnection) -> BTreeMap<u32, u64> {
    let backends: Vec<i32> = sqlx::query_scalar(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    )
    .fetch_all(database)
    .await
    .unwrap();
    assert!(!backends.is_empty(), "Core is connected");
    let processes = backends.into_iter().map(|pid| u32::try_from(pid).unwrap()).chain([app.server.pid()]);
    processes.filter_map(|process| Some((process, ticks(process)?))).collect()
}

/// Returns the processor time that Core and PostgreSQL spent from one moment to another.
fn spent(before: &BTreeMap<u32, u64>, after: &BTreeMap<u32, u64>) -> u64 {
    after.iter().map(|(process, time)| time.saturating_sub(before.get(process).copied().unwrap_or_default())).sum()
}

/// Updates the title of an appointment.
async fn retitled(staff: &Actor, appointment: &Appointment, title: String) -> Appointment {
    let body = UpdateAppointment {
        ended_at: appointment.ended_at,
        patient_id: appointment.patient_id,
        specialist_id: appointment.specialist_id,
        specialty_id: None,
        started_at: appointment.started_at,
        title: Some(title),
        version: appointment.version,
    };
    granted(staff.appointment_update().appointment_id(appointment.id).body(body).send().await, 200)
}

#[tokio::test]
async fn a_save_of_300_fields_takes_less_than_three_times_the_processor_time_of_an_appointments_update() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut form = large_form(&app, &staff, patient).await;
    let mut appointment = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    let mut database = app.database.superuser().await;
    let (mut saves, mut updates) = (u64::MAX, u64::MAX);
    // The first round prepares statements and fills caches, and is not measured.
    for round in 0..=ROUNDS {
        let begun = times(&app, &mut database).await;
        for write in 0..WRITES {
            appointment = retitled(&staff, &appointment, format!("Title {round} {write}")).await;
        }
        let between = times(&app, &mut database).await;
        for write in 0..WRITES {
            form = saved(&staff, &form, answers(round * WRITES + write)).await;
        }
        let ended = times(&app, &mut database).await;
        if round > 0 {
            updates = updates.min(spent(&begun, &between));
            saves = saves.min(spent(&between, &ended));
        }
    }
    println!("{WRITES} writes: {updates} ticks for updates of an appointment, {saves} for saves of {FIELDS} fields");
    assert!(updates >= 5, "{updates} ticks are too few to be compared");
    eprintln!("CORE {:?}", (times(&app,&mut database).await, app.server.pid()));
    assert!(saves < MOST * updates, "{saves} ticks for saves, {updates} for updates of an appointment");
}
