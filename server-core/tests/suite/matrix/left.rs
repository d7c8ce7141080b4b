//! Events and jobs of each mutation: its entries in the trail, and the jobs of its reactions. A line missing from the
//! table of reactions shows here as mutations without the job.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;
use test_support::{Actor, Answer, CoreApp, Fixture, Grid, Operation, in_days};

use super::{
    asker::Asker,
    fixture::{Surroundings, World},
    granted_to,
};
use crate::{
    audit::{Row, Trail},
    waitlist::{wait, wish},
};

const FILE: &str = "server-core/tests/suite/matrix/left.txt";
const LEFT: &str = include_str!("left.txt");
const NOTES: &str = "\
What each operation that changes something leaves, about something that is there and waits for it, where
appointments take place by video and somebody is on the waitlist.
events: what happened to what, in alphabetical order; *2 to two of them. jobs: what is done afterwards because of it.
changed: names of the fields that the entries say have changed.
Written by the test beside it, which compares all of it.";
/// Callers, of whom the first with permission for the operation is used.
const WHO: [&str; 5] = ["admin", "staff", "specialist", "patient", "superadmin"];

/// Operations that change no stored data, though their method is not GET.
const READS: [&str; 2] = ["calendar_search", "me_telemetry_token_create"];

/// Operations with events in another organization than the request's, or in none.
const ELSEWHERE: [&str; 4] = ["me_delete", "me_invitation_accept", "me_invitation_decline", "organization_create"];

/// Operations whose entity's id is in neither the request nor the answer: the caller's own feed, and the user of a
/// record.
const UNNAMED: [(&str, &str); 3] =
    [("calendar_feed_delete", "calendar_feed"), ("patient_unlink", "user"), ("specialist_unlink", "user")];

/// Fields that change with every update of a document.
const BOOKS: [&str; 3] = ["sequence", "updated_at", "version"];

const AGENT: &str = "left/1";

/// Formats the values of a cell; a dash stands for none.
fn cell(values: &[String]) -> String {
    if values.is_empty() { "-".to_owned() } else { values.join(",") }
}

/// Returns the events, each with the number of its rows.
fn events(rows: &[Row]) -> Vec<String> {
    let mut counted = BTreeMap::<String, usize>::new();
    for row in rows {
        *counted.entry(format!("{}.{}", row.entity_type, row.action)).or_default() += 1;
    }
    counted.into_iter().map(|(event, count)| if count > 1 { format!("{event}*{count}") } else { event }).collect()
}

/// Collects every text and number in a document.
fn scalars(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| scalars(one, found)),
        Value::Object(all) => all.values().for_each(|one| scalars(one, found)),
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Number(number) => {
            found.insert(number.to_string());
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// A mutation with its caller and its result.
struct Done<'a> {
    operation: &'a Operation,
    by: &'a Actor,
    /// Organization of the request.
    organization: i64,
    target: String,
    fixture: Fixture,
    answer: Answer,
}

impl Done<'_> {
    /// Asserts that each row names the actor and its address, and an entity that the request or the answer names.
    fn check(&self, rows: &[Row], erased: bool) {
        let id = self.operation.id.as_str();
        assert!(!rows.is_empty(), "{id} changed something, and no event says so");
        let mut named: BTreeSet<String> = self.target.split(['/', '?', '&', '=']).map(str::to_owned).collect();
        named.insert(self.by.person().user_id.to_string());
        scalars(&serde_json::from_str(&self.answer.body).unwrap_or_default(), &mut named);
        self.fixture.json().into_iter().for_each(|body| scalars(body, &mut named));
        for row in rows {
            let said = (row.outcome.as_str(), row.actor_kind.as_str(), row.actor_user_id);
            assert_eq!(said, ("succeeded", "user", Some(self.by.person().user_id)), "{id}");
            if !ELSEWHERE.contains(&id) {
                assert_eq!(row.organization_id, self.organization, "{id}");
            }
            // An erasure also deletes the addresses in its audit rows.
            if !erased {
                assert_eq!((row.ip.as_deref(), row.user_agent.as_deref()), (Some("127.0.0.1"), Some(AGENT)), "{id}");
            }
            let entity = row.entity_id.as_deref().unwrap_or_default();
            let unnamed = UNNAMED.contains(&(id, row.entity_type.as_str()));
            assert!(unnamed || named.contains(entity), "{id} is not about {} {entity}", row.entity_type);
        }
    }
}

/// Reads the document that an operation replaces; `None` if there is no operation that reads it.
async fn replaced(operation: &Operation, all: &[Operation], by: &Actor, target: &str) -> Option<Value> {
    let reads = |other: &&Operation| other.method == Method::GET && other.path == operation.path;
    all.iter().find(reads).filter(|_| operation.method == Method::PUT)?;
    let path = target.split('?').next().unwrap_or_default();
    let answer = Answer::to(by.request(Method::GET, path)).await;
    assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
    Some(serde_json::from_str(&answer.body).unwrap())
}

/// Returns the names of the fields in which two states of a document differ.
fn differing<'a>(before: &'a Value, after: &'a Value) -> BTreeSet<&'a str> {
    let fields = [before, after].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys());
    let differing = fields.filter(|field| before.get(field.as_str()) != after.get(field.as_str()));
    differing.map(String::as_str).filter(|field| !BOOKS.contains(field)).collect()
}

/// Adds an entry to the waitlist for a specialist without free time, so that freed time is offered.
async fn somebody_waits(app: &CoreApp) {
    let admin = app.admin();
    let never = app.specialist_create(&admin, "Dr. Nowhere").await.id;
    let patient = app.patient_create(&admin, "Ann", "Waiting").await.id;
    wait(&admin, wish(never, Some(patient), in_days(1, 9), in_days(90, 9))).await;
}

/// Moves every appointment and template to video.
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
    let mut trail = Trail::new(&world.app).await;
    let mut grid = Grid::new(NOTES, &["events", "jobs", "changed"]);
    somebody_waits(&world.app).await;
    let all = &world.operations;
    for operation in all.iter().filter(|operation| !operation.public && operation.method != Method::GET) {
        let id = operation.id.as_str();
        if READS.contains(&id) {
            continue;
        }
        let name = granted_to(id, &WHO);
        let asker = world.asker(name).await;
        let fixture = world.fixture(id).await;
        everything_by_video(&world.app).await;
        let asker = if id == "me_delete" { world.leaver(name).await } else { asker };
        let Asker::Person(by) = &asker else { panic!("{name} is a person") };
        let target = operation.target(&fixture);
        let before = replaced(operation, all, by, &target).await;
        trail.next().await;
        let mut owner = world.app.owner().await;
        let since: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut owner).await.unwrap();
        let answer = Answer::to(asker.request(operation, &fixture).header("user-agent", AGENT)).await;
        assert!(answer.status.is_success(), "{id} by {name}: {} {}", answer.status, answer.body);
        // Other rows are from the service's own concurrent work.
        let rows: Vec<Row> = trail.next().await.into_iter().filter(|row| row.operation_id == id).collect();
        let jobs: Vec<String> =
            sqlx::query_scalar("select distinct kind from jobs where created_by = $1 and created_at >= $2 order by 1")
                .bind(by.person().user_id)
                .bind(since)
                .fetch_all(&mut owner)
                .await
                .unwrap();
        let erased = jobs.iter().any(|kind| kind == "gdpr_erasure");
        let after = replaced(operation, all, by, &target).await;
        Done { operation, by, organization: world.app.home().id, target, fixture, answer }.check(&rows, erased);
        // Only a mutation with a single row is compared: one that changes several entities names the fields of each.
        if let (Some(before), Some(after), [row]) = (before, after, &rows[..]) {
            let differing = differing(&before, &after);
            assert!(!differing.is_empty(), "the fixture of {id} changes nothing");
            let named = row.changed_fields.iter().map(|field| field.split('.').next().unwrap_or_default());
            assert_eq!(named.collect::<BTreeSet<_>>(), differing, "{id} names other fields than have changed");
        }
        let changed: BTreeSet<String> = rows.iter().flat_map(|row| row.changed_fields.iter().cloned()).collect();
        let changed: Vec<String> = changed.into_iter().collect();
        grid.line(id, vec![cell(&events(&rows)), cell(&jobs), cell(&changed)]);
    }
    grid.assert_committed(FILE, LEFT);
}
