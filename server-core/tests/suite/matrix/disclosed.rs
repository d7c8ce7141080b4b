//! Audit entries of each read: an operation that discloses protected health information leaves an entry for each record
//! that it shows, any other operation leaves none.

use reqwest::Method;
use serde_json::Value;
use test_support::Answer;

use super::{
    asker::Asker,
    fixture::{Surroundings, World},
    granted_to,
};
use crate::audit::{Row, Trail};

/// Callers, of whom the first with permission for the operation is used.
const WHO: [&str; 4] = ["admin", "staff", "specialist", "patient"];

/// Returns the ids of the records in an answer: those of a list, or the single one. Returns `None` for an export of all
/// data of a person, whose entries have tests of their own.
fn shown(answer: &Value) -> Option<Vec<String>> {
    let id = |record: &Value| {
        let id = record.get("id").or_else(|| record.get("user_id"))?;
        Some(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
    };
    match answer["data"].as_array() {
        Some(records) => records.iter().map(id).collect(),
        None => id(answer).map(|id| vec![id]),
    }
}

#[tokio::test]
async fn every_read_leaves_what_it_discloses() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let mut trail = Trail::new(&world.app).await;
    let mut disclosing = 0;
    for operation in world.operations.iter().filter(|operation| !operation.public && operation.method == Method::GET) {
        let id = operation.id.as_str();
        let asker = world.asker(granted_to(id, &WHO)).await;
        let Asker::Person(by) = &asker else { panic!("somebody of the clinic") };
        world.listed(operation).await;
        let fixture = world.fixture(id).await;
        trail.next().await;
        let answer = Answer::to(asker.request(operation, &fixture)).await;
        assert!(answer.status.is_success(), "{id}: {} {}", answer.status, answer.body);
        let rows: Vec<Row> = trail.next().await.into_iter().filter(|row| row.operation_id == id).collect();
        if !operation.phi {
            assert_eq!(rows, [], "{id} discloses nothing");
            continue;
        }
        disclosing += 1;
        for row in &rows {
            let said = (row.outcome.as_str(), row.actor_user_id, row.organization_id);
            assert_eq!(said, ("succeeded", Some(by.person().user_id), world.app.home().id), "{id}");
        }
        match shown(&serde_json::from_str(&answer.body).unwrap()) {
            Some(ids) => {
                let named: Vec<_> = rows.iter().map(|row| row.entity_id.clone().unwrap_or_default()).collect();
                assert!(!ids.is_empty(), "{id} has something to show");
                assert_eq!(named, ids, "{id} names what it shows");
                assert!(rows.iter().all(|row| row.action == "read"), "{id}: {rows:#?}");
            }
            None => assert!(!rows.is_empty(), "{id} leaves an entry"),
        }
    }
    assert!(disclosing > 0, "some operations are of protected health information");
}
