//! Ids in paths have exactly one valid spelling. Every operation with an id in its path is called with every other
//! spelling of an id that exists and that the caller may use: nothing is done, and the audit trail records nothing.

use test_support::{Answer, Grid, Operation};

use super::{
    GRID,
    fixture::{Surroundings, World},
    left::READS,
    stores::Stores,
};

/// Callers, of whom at least one has permission for each operation.
const DOERS: [&str; 5] = ["admin", "specialist", "patient", "staff", "superadmin"];

#[tokio::test]
async fn an_id_in_a_path_has_one_spelling_in_the_matrix() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let committed = Grid::parse(GRID);
    let mut stores = Stores::of(&world.app).await;
    let mut tried = 0;
    for operation in Operation::all(&world.app.server).iter().filter(|operation| !operation.path_ids.is_empty()) {
        let id = &operation.id;
        let doer = DOERS.into_iter().find(|name| committed.grants(id, name));
        // The caller comes before the fixture, which is made for it.
        let asker = world.asker(doer.unwrap_or_else(|| panic!("nobody of {DOERS:?} may do {id}"))).await;
        let fixture = world.fixture(id).await;
        let before = stores.take().await;
        for spelt in operation.misspellings(&fixture) {
            let answer = Answer::to(asker.request_to(operation, &spelt.target, &fixture)).await;
            let what = format!("{id} of {} ({}): {}", spelt.target, spelt.parameter, answer.body);
            assert!([400, 404].contains(&answer.status.as_u16()), "{what}");
            tried += 1;
        }
        assert_eq!(stores.take().await, before, "{id}: something was changed, or the trail says so");
        // With the valid spelling it succeeds, so nothing else was wrong with the request.
        let answer = Answer::to(asker.request(operation, &fixture)).await;
        assert!(operation.successes.contains(&answer.status.as_u16()), "{id}: {} {}", answer.status, answer.body);
        if operation.changes() && !READS.contains(&id.as_str()) {
            assert_ne!(stores.take().await, before, "{id}: what is done is seen");
        }
    }
    assert!(tried > 500, "only {tried} requests were spelt another way");
}
