//! What each mutation leaves: what the trail says happened, and the jobs of whoever reacts to it. A line that is
//! missing in the table of reactions shows here as the mutations that lost it.

use chrono::{DateTime, Utc};
use test_support::{Answer, CoreApp, Grid, Operation, in_days};

use super::{
    GRID,
    asker::Asker,
    fixture::{Surroundings, World},
};
use crate::waitlist::{wait, wish};

const FILE: &str = "server-core/tests/suite/matrix/left.txt";
const LEFT: &str = include_str!("left.txt");
const NOTES: &str = "\
What each operation that changes something leaves, about something that is there and waits for it, where
appointments take place by video and somebody is on the waitlist.
events: what happened to what, in alphabetical order. jobs: what is done afterwards because of it.
Written by the test beside it, which compares all of it.";
/// Who may try, the first who is granted it.
const WHO: [&str; 5] = ["admin", "staff", "specialist", "patient", "superadmin"];

/// What changes nothing that is stored, though it is no GET.
const READS: [&str; 2] = ["calendar_search", "me_telemetry_token_create"];

/// Values in one cell: none is a dash.
fn cell(values: &[String]) -> String {
    if values.is_empty() { "-".to_owned() } else { values.join(",") }
}

/// Somebody waits for a specialist who has never time, so that whatever frees time is offered.
async fn somebody_waits(app: &CoreApp) {
    let admin = app.admin();
    let never = app.specialist_create(&admin, "Dr. Nowhere").await.id;
    let patient = app.patient_create(&admin, "Ann", "Waiting").await.id;
    wait(&admin, wish(never, Some(patient), in_days(1, 9), in_days(90, 9))).await;
}

/// Has every appointment, and whatever is booked by a template, take place by video.
async fn everything_by_video(app: &CoreApp) {
    for table in ["appointment_templates", "appointments"] {
        let sql = format!("update {table} set modality = 'video' where modality <> 'video'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut app.owner().await).await.expect("anything can be by video");
    }
}

#[tokio::test]
async fn every_mutation_leaves_what_the_grid_says() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let granted = Grid::parse(GRID);
    let mut grid = Grid::new(NOTES, &["events", "jobs"]);
    somebody_waits(&world.app).await;
    let mutations = Operation::all(&world.app.server).into_iter().filter(|operation| !operation.public);
    for operation in mutations.filter(|operation| operation.method != reqwest::Method::GET) {
        let id = operation.id.as_str();
        if READS.contains(&id) {
            continue;
        }
        let name = WHO.into_iter().find(|name| granted.grants(id, name)).expect("somebody may do it");
        let asker = world.asker(name).await;
        let fixture = world.fixture(id).await;
        everything_by_video(&world.app).await;
        let asker = if id == "me_delete" { world.leaver(name).await } else { asker };
        let Asker::Person(person) = &asker else { panic!("{name} is a person") };
        let mut owner = world.app.owner().await;
        let since: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut owner).await.unwrap();
        let answer = Answer::to(asker.request(&operation, &fixture)).await;
        assert!(answer.status.is_success(), "{id} by {name}: {} {}", answer.status, answer.body);
        let events: Vec<String> = sqlx::query_scalar(
            "select distinct entity_type || '.' || action from audit_log
             where operation_id = $1 and outcome = 'succeeded' and occurred_at >= $2 order by 1",
        )
        .bind(id)
        .bind(since)
        .fetch_all(&mut owner)
        .await
        .unwrap();
        let jobs: Vec<String> =
            sqlx::query_scalar("select distinct kind from jobs where created_by = $1 and created_at >= $2 order by 1")
                .bind(person.person().user_id)
                .bind(since)
                .fetch_all(&mut owner)
                .await
                .unwrap();
        assert!(!events.is_empty(), "{id} changed something, and no event says so");
        grid.line(id, vec![cell(&events), cell(&jobs)]);
    }
    grid.assert_committed(FILE, LEFT);
}
